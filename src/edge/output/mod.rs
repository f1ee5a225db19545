//! The pipes that services write to, and the path their lines take from there (pidlet(8), Output).
//!
//! ```text
//! service ──► pipe ──► input ──► whole lines ──► sink's buffer ──► sink
//!                      │  ▲                      │  ▲
//!                kept: └──┘                      └──┘ what a full sink did not take
//! ```
//!
//! - A stream's pipe is made at the first start of its service, and we hold both ends, so that nothing is
//!   lost between two runs.
//! - What a sink does not take waits in its buffer, and until the sink has taken it, none of its streams is
//!   read: their pipes hold the services back. A stream stops being watched only once it has output for a
//!   full sink, so a full sink costs the same however many streams lead to it.
//! - All streams share the input buffer: what a stream keeps, half a line or more when its sink is full, is
//!   copied out of it. All buffers are one allocation, and what is not used of it is never touched.
//! - A plan that captures nothing has none of all this.
//!
//! `layout` works out what a plan asks for, `ends` gives services their ends of the pipes, `lines` moves
//! lines from pipes to sinks, `sink` is where they go, and `own` sends our own lines the same way.

mod ends;
mod layout;
mod lines;
mod own;
mod sink;

use core::ffi::c_int;

use linux_raw_sys::general::CLOCK_REALTIME;
use rustix::event::epoll::EventFlags;

use super::raw;
use super::reactor::{FdKind, Reactor, Token};
use pidlet::output::{Form, LINE_BYTES_MAX, PIECE_BYTES_MAX, Source};
use pidlet::plan::{Key, Place, Plan};
use sink::Sink;

/// Room for an unfinished line and, behind it, one read: three quarters of what a pipe holds, so that with
/// prefixes added it usually fits into another pipe in one write.
const INPUT_BYTES: usize = LINE_BYTES_MAX + 48 * 1024;
/// How many bytes more than a file has room for are read at once for it.
const MORE_BYTES: usize = 1024;
/// A stream's buffer, for all that it may keep and, behind that, its service's last output: as much as a
/// pipe holds. The first of these is the input; the streams' own follow.
const BUFFER_BYTES: usize = 128 * 1024;
/// How much is written at once.
const OUTPUT_BYTES: usize = 64 * 1024;
/// A sink's buffer: one write, and behind it the piece of a line that exceeded it, or lines of our own.
const SINK_BYTES: usize = 2 * OUTPUT_BYTES;

const _: () = assert!(OUTPUT_BYTES > PIECE_BYTES_MAX);
const _: () = assert!(SINK_BYTES % BUFFER_BYTES == 0);

/// How many streams a service has: a power of two, so that their numbers are easy to take apart. The last
/// one is never used.
const STREAMS: usize = 4;

/// The keys that say where a service's streams lead.
const KEYS: [Key; STREAMS] = [Key::Stdin, Key::Stdout, Key::Stderr, Key::None];

/// A pipe of ours: for what a service writes to standard output or error, or reads from standard input. All
/// zeroes stand for one that the plan does not ask for.
#[derive(Clone, Copy)]
struct Stream {
    /// Both ends, the read end first; 0 until they are needed.
    ends: [c_int; 2],
    /// The sink that it leads to; 0 if we do not read it.
    sink: u32,
    /// The stream whose pipe the service gets: this one, or the standard input that it feeds.
    to: u32,
    /// While it waits for its sink, the next stream that does, counted from 1; the last one leads back to
    /// the first. Otherwise 0.
    next: u32,
    /// How many bytes were read and not written: an unfinished line, or more when its sink is full.
    kept: usize,
    /// Its service has ended: what is in the pipe is its last output.
    closing: bool,
    /// What the service has as this stream.
    redirect: Redirect,
}

/// What a service has as a standard stream. Where several apply, the last one here wins.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Redirect {
    /// The plan says nothing of it, and it is not captured.
    Unset,
    /// Our own.
    Inherit,
    /// `/dev/null`.
    Null,
    /// A pipe to us or to another service; for standard input, the file whose path its sink has.
    Pipe,
    /// The standard input that other services feed: a pipe that they write to.
    Fed,
}

/// All streams of all services.
pub struct Outputs<'p> {
    plan: &'p Plan<'p>,
    /// [`STREAMS`] for each service, or none at all.
    streams: &'p mut [Stream],
    /// The one that is none, our own standard output and error, then every file once.
    sinks: &'p mut [Sink<'p>],
    /// All buffers.
    bytes: &'p mut [u8],
    /// How many sinks there are.
    count: u32,
    /// The sink for standard error: that of standard output where both lead to the same file.
    stderr_sink: u32,
    /// `/dev/null` once it is needed, and the file that the service being started reads; positive if open.
    null: c_int,
    file: c_int,
    /// Standard input is a terminal, and there are several services: those without `tty` that the plan gives
    /// nothing else get `/dev/null`, as a shell's background jobs do.
    close_stdin: bool,
    /// A sink has dropped lines to report.
    pub due: bool,
}

/// The number of a service's stream, `which` being 0 for standard input and so on.
fn number_of(service: usize, which: usize) -> usize {
    service << STREAMS.ilog2() | which
}

/// The service whose stream has this number.
fn service_of(number: usize) -> Place {
    (number / STREAMS) as Place
}

/// How many buffers come before a stream's own: the input is first, and only two of [`STREAMS`] have one.
/// The sinks' buffers come last.
fn buffers_before(number: usize) -> usize {
    (number / 2).wrapping_add(1)
}

/// Where a stream's bytes are kept.
fn buffer_of(number: usize) -> usize {
    buffers_before(number).wrapping_mul(BUFFER_BYTES)
}

/// The key that says where a stream leads.
pub fn key(number: usize) -> Key {
    KEYS[number % STREAMS]
}

/// Describes the lines written now: those of a service, or with no service our own.
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
    reactor.watch(stream.ends[0], Token(FdKind::Output, number as u32), flags);
}
