//! The pipes that services write to, and the way of their lines from there (pidlet(8), Output).
//!
//! ```text
//! service ──► pipe ──► input ──► whole lines ──► the sink's room ──► sink
//!                      │  ▲                      │  ▲
//!                kept: └──┘                      └──┘ what a full sink did not take
//! ```
//!
//! - A stream has its pipe from the first start of its service on, both ends, so that nothing is lost
//!   between two runs.
//! - What a sink does not take waits in its room, and until it has taken that none of its streams is
//!   read: their pipes hold the services back. A stream is taken off the watch only when it has
//!   something to say meanwhile, so that a full sink costs the same whoever else writes to it.
//! - The input is shared by all streams: what is kept is copied, which is half a line, or more where the
//!   sink is full. All rooms are one piece, of which nothing is touched that is not used.
//! - A plan that captures nothing has none of all this.
//!
//! `layout` finds out what a plan asks for, `ends` gives the services their ends, `lines` is the way from
//! there on, `sink` where it leads, and `own` has our own lines go the same way.

mod ends;
mod layout;
mod lines;
mod own;
mod sink;

use core::ffi::c_int;

use linux_raw_sys::general::CLOCK_REALTIME;
use rustix::event::epoll::EventFlags;

use super::raw;
use super::reactor::{Reactor, Token, Whose};
use pidlet::output::{Form, LINE_BYTES_MAX, PIECE_BYTES_MAX, Source};
use pidlet::plan::{Key, Place, Plan};
use sink::Sink;

/// An unfinished line, and behind it what is read at once: three quarters of what a pipe holds, so
/// that behind prefixes it mostly fits into another one in one write.
const INPUT_BYTES: usize = LINE_BYTES_MAX + 48 * 1024;
/// How much more than there is room for in a file is read at once for it.
const MORE_BYTES: usize = 1024;
/// All that a stream may keep, and behind it the last that its service said: what a pipe holds. There is
/// one such room for what is read, and behind it one for what each stream keeps.
const ROOM_BYTES: usize = 128 * 1024;
/// How much is written at once.
const OUTPUT_BYTES: usize = 64 * 1024;
/// A sink's room: what is written, and the piece of a line that was too much, or lines of our own.
const SINK_BYTES: usize = 2 * OUTPUT_BYTES;

const _: () = assert!(OUTPUT_BYTES > PIECE_BYTES_MAX);
const _: () = assert!(SINK_BYTES % ROOM_BYTES == 0);

/// How many streams a service has, so that their numbers are easy to take apart: the last one is never
/// used.
const STREAMS: usize = 4;

/// What says where a service's streams lead.
const KEYS: [Key; STREAMS] = [Key::Stdin, Key::Stdout, Key::Stderr, Key::None];

/// A pipe of ours: what a service writes to standard output or error, or reads from standard input.
/// All zeroes are one that the plan does not ask for.
#[derive(Clone, Copy)]
struct Stream {
    /// Both ends, the one to read from first; 0 before they are needed.
    ends: [c_int; 2],
    /// The sink that it leads to; 0 for one that we do not read.
    sink: u32,
    /// Whose pipe the service has: its own, or that of the standard input that it feeds.
    to: u32,
    /// While it waits for its sink, the next one of those that do, counted from 1; behind the last one
    /// comes the first. Else 0.
    next: u32,
    /// How much was read and not written: an unfinished line, or more when its sink is full.
    kept: usize,
    /// Its service has ended: what is in the pipe is the last that it said.
    closing: bool,
    /// What the service has as this stream.
    way: Way,
}

/// What a service has as a standard stream; of several the last one here.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Way {
    /// Nothing is said of it, and it is not captured.
    Usual,
    /// What we have.
    Ours,
    /// `/dev/null`.
    Null,
    /// A pipe to us or to another service; as standard input, the file that its sink has the path of.
    Pipe,
    /// A pipe that others write to.
    Fed,
}

/// All streams of all services.
pub struct Outputs<'p> {
    plan: &'p Plan<'p>,
    /// [`STREAMS`] of each service; or none at all.
    streams: &'p mut [Stream],
    /// None, our own standard output and error, and every file once.
    sinks: &'p mut [Sink<'p>],
    /// Everything that is read or written.
    bytes: &'p mut [u8],
    /// How many sinks there are.
    count: u32,
    /// The sink that standard errors lead to: that of the standard outputs where it is the same.
    errors: u32,
    /// `/dev/null` once it is needed, and the file that the service to be started reads; or 0.
    null: c_int,
    file: c_int,
    /// Standard input is `/dev/null` for every service that says nothing else, as a shell has it for what
    /// runs in the background: it is a terminal that belongs to none of them.
    close_stdin: bool,
    /// A sink has something to complain of.
    pub due: bool,
}

/// The number of a service's stream: 0 for its standard input, and so on.
fn number_of(service: usize, which: usize) -> usize {
    service << STREAMS.ilog2() | which
}

/// The service whose stream has this number.
fn service_of(number: usize) -> Place {
    (number / STREAMS) as Place
}

/// How many rooms come before a stream's own. Only two of [`STREAMS`] have any; behind them are the
/// rooms of the sinks.
fn rooms_before(number: usize) -> usize {
    (number / 2).wrapping_add(1)
}

/// Where a stream's bytes are kept.
fn room_of(number: usize) -> usize {
    rooms_before(number).wrapping_mul(ROOM_BYTES)
}

/// What says where a stream leads.
pub fn key(number: usize) -> Key {
    KEYS[number % STREAMS]
}

/// Whose lines are written now; of no service they are our own.
#[inline(never)]
fn source<'s, 'p>(plan: &'s Plan<'p>, service: Place, error: bool, form: Form) -> Source<'s, 'p> {
    let time = if plan.timestamps {
        raw::clock(CLOCK_REALTIME)
    } else {
        (0, 0)
    };
    Source {
        plan,
        service,
        error,
        form,
        time,
    }
}

/// Watches a stream: for bytes to read, or for nothing.
#[inline(never)]
fn watch(stream: &Stream, number: usize, flags: EventFlags, reactor: &mut Reactor) {
    reactor.watch(stream.ends[0], Token(Whose::Output, number as u32), flags);
}
