//! The pipes that services write to, and the way of their lines from there (DESIGN §11).
//!
//! ```text
//! service ──► pipe ──► input ──► whole lines ──► output ──► sink
//!                      │  ▲                        │  ▲
//!                kept: └──┘ an unfinished line     └──┘ parked: what a full sink did not take
//! ```
//!
//! - A stream has its pipe from the first start of its service on, both ends, so that nothing is lost
//!   between two runs.
//! - What a sink does not take is parked, and until it has taken that none of its streams is read:
//!   their pipes hold the services back. A stream is taken off the watch only when it has something
//!   to say meanwhile, so that a full sink costs the same whoever else writes to it.
//! - Input and output are shared by all streams: what is parked or kept is copied, which is the
//!   exception, or half a line. All of that is one long room, of which nothing is touched that is
//!   not used.
//! - A plan that captures nothing has none of all this.

use core::ffi::{CStr, c_int};
use core::mem::{replace, take};

use linux_raw_sys::general::{CLOCK_REALTIME, O_NONBLOCK};
use rustix::event::epoll::EventFlags;
use rustix::fd::{BorrowedFd, IntoRawFd};
use rustix::fs::{Mode, OFlags};

use super::reactor::{NONE, Reactor, Token, away_from_the_three, now};
use super::sink::{NAMES_BYTES, Range, Sink};
use super::{arena, raw};
use pidlet::output::{
    Buffer, Form, HEAD_BYTES_MAX, LINE_BYTES_MAX, Lines, PIECE_BYTES_MAX, Source, Time,
};
use pidlet::plan::{Key, Log, Plan, Spec, StartFault, Step, behind, names};
use pidlet::words::errno::Errno;
use pidlet::words::text::Line;
use pidlet::words::time::Instant;

/// An unfinished line, and behind it what is read at once: three quarters of what a pipe holds, so
/// that behind prefixes it mostly fits into another one in one write.
const INPUT_BYTES: usize = LINE_BYTES_MAX + 48 * 1024;
/// How much is written at once.
const OUTPUT_BYTES: usize = 64 * 1024;
/// Where what was read is in a sink's room: behind the lines that wait, and some of our own.
const UNREAD: usize = OUTPUT_BYTES + 4096;
/// A sink's room.
const PARKED_BYTES: usize = UNREAD + INPUT_BYTES;
/// Input, output, names of files: what there is once. Behind it is a room for each captured stream,
/// and one for each sink.
const SHARED_BYTES: usize = INPUT_BYTES + OUTPUT_BYTES + NAMES_BYTES;

// A piece of a line, and the newline in front of it where the one before it is torn.
const _: () = assert!(OUTPUT_BYTES > PIECE_BYTES_MAX);

/// The place of the first sink that is a file.
const FIRST_FILE: u32 = 3;

/// How often a pipe is read whose service has ended: its largest size that anybody may set is 1 MiB
/// (pipe(7): pipe-max-size). More comes from somebody who still writes.
const LAST_READS: u32 = 20;

/// A pipe of ours: what a service writes to standard output or error, or reads from standard input.
/// All zeroes are one that the plan does not ask for.
#[derive(Clone, Copy)]
struct Stream {
    /// Both ends, the one to read from first; 0 before they are needed.
    ends: [c_int; 2],
    /// The sink that it leads to; 0 for one that we have nothing more to do with.
    sink: u32,
    /// Its place among those that lead to sinks.
    place: u32,
    /// The next one of those that wait for the same sink, counted from 1; 0 for none.
    next: u32,
    /// How much of an unfinished line there is.
    kept: u16,
    /// It waits for its sink.
    paused: bool,
    /// Its service has ended: what is in the pipe is the last that it said.
    closing: bool,
    /// It is a standard input that services write to.
    fed: bool,
}

/// All streams of all services.
pub struct Outputs<'p> {
    plan: &'p Plan<'p>,
    /// Two for the output of each service, then one for the input of each; or none at all.
    streams: &'p mut [Stream],
    /// Our own standard output and error under their own numbers, then every file once.
    sinks: &'p mut [Sink<'p>],
    /// The place of the sink that a path's hash leads to, or of one before it; 0 for none.
    slots: &'p mut [u32],
    /// How many sinks there are.
    count: u32,
    /// Room for what stands in front of each line: not on the stack, where it makes all else dear.
    head: &'p mut [u8],
    /// Everything that is read or written.
    bytes: &'p mut [u8],
    /// Where in that the rooms of the sinks are.
    parked: usize,
    /// The sink that standard errors lead to: that of the standard outputs where it is the same.
    errors: usize,
    /// `/dev/null` once it is needed, and the file that the service to be started reads; or 0.
    null: c_int,
    file: c_int,
    /// Standard input is a terminal that belongs to none of the services.
    close_stdin: bool,
    /// What went wrong with the streams of the service to be started, or 0.
    fault: Errno,
    /// How many sinks are full.
    stalled: usize,
    /// A sink has something to complain of.
    pub due: bool,
    /// The highest descriptor that we hold.
    pub last: c_int,
}

impl<'p> Outputs<'p> {
    /// Takes all memory that will be needed, and opens nothing.
    #[inline(never)]
    pub fn new(plan: &'p Plan<'p>) -> Outputs<'p> {
        let mut outputs = Outputs {
            plan,
            streams: &mut [],
            sinks: &mut [],
            slots: &mut [],
            count: FIRST_FILE,
            head: &mut [],
            bytes: &mut [],
            parked: SHARED_BYTES,
            errors: 2,
            null: 0,
            file: 0,
            close_stdin: false,
            fault: Errno(0),
            stalled: 0,
            due: false,
            last: NONE,
        };
        let mut numbers = 0..2 * plan.services.len();
        if numbers.any(|number| !matches!(out(plan, number), Out::Inherit)) {
            outputs.lay();
        }
        outputs
    }

    /// Every stream knows its sink.
    fn lay(&mut self) {
        let services = self.plan.services.len();
        // SAFETY: all zeroes are valid streams, sinks and numbers.
        unsafe {
            self.streams = arena::zeroes(3 * services);
            self.sinks = arena::zeroes(2 * services + FIRST_FILE as usize);
            self.slots = arena::zeroes(1 << (usize::BITS - (4 * services).leading_zeros()));
        }
        if let [_, out, error, ..] = self.sinks {
            out.own(1);
            error.own(2);
            if out.same(error) {
                self.errors = 1;
            }
        }
        let mut captured = 0;
        for number in 0..2 * services {
            let sink = match out(self.plan, number) {
                Out::File(path) => self.file_sink(path, self.plan.spec(number / 2)),
                Out::Lines if number % 2 == 0 => 1,
                Out::Lines => self.errors,
                Out::Service(fed) => {
                    if let Some(feed) = self.streams.get_mut(2 * services + fed) {
                        feed.fed = true;
                    }
                    continue;
                }
                Out::Inherit | Out::Null => continue,
            };
            if let Some(stream) = self.streams.get_mut(number) {
                (stream.sink, stream.place) = (sink as u32, captured);
                captured += 1;
            }
        }
        let sinks = self.count as usize;
        let room = take(&mut self.sinks);
        self.sinks = room.get_mut(..sinks).unwrap_or(&mut []);
        self.parked += captured as usize * LINE_BYTES_MAX;
        // SAFETY: all zeroes are valid bytes.
        self.head = unsafe { arena::zeroes(HEAD_BYTES_MAX) };
        // SAFETY: as above.
        self.bytes = unsafe { arena::zeroes(self.parked + sinks * PARKED_BYTES) };
    }

    /// The place of the sink for a stream's file.
    fn file_sink(&mut self, path: &'p CStr, spec: Spec) -> usize {
        // FNV-1a.
        let mut hash: u32 = 0x811c_9dc5;
        for byte in path.to_bytes() {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
        let mask = self.slots.len().wrapping_sub(1);
        while let Some(slot) = self.slots.get_mut(hash as usize & mask) {
            let new = *slot == 0;
            if new {
                *slot = self.count;
                self.count += 1;
            }
            let place = *slot as usize;
            let Some(sink) = self.sinks.get_mut(place) else {
                break;
            };
            if new {
                sink.file(
                    path,
                    spec.number(Key::LogSize),
                    spec.number(Key::LogKeep) as u32,
                );
            }
            if sink.path == Some(path) {
                return place;
            }
            hash = hash.wrapping_add(1);
        }
        0
    }

    /// From now on standard input is `/dev/null` for every service that says nothing else, as a
    /// shell has it for what runs in the background.
    pub fn close_stdin(&mut self) {
        self.close_stdin = true;
    }

    /// What a service's three standard streams are to be: [`NONE`] for what we have. To be asked
    /// before each of its starts.
    #[inline(never)]
    pub fn ends(
        &mut self,
        service: usize,
        reactor: &mut Reactor,
    ) -> Result<[c_int; 3], StartFault> {
        let inputs = 2 * self.plan.services.len();
        let spec = self.plan.spec(service);
        let feed = self.streams.get(inputs + service);
        let mut ends = [NONE; 3];
        ends[0] = match spec.get(Key::Stdin) {
            _ if feed.is_some_and(|feed| feed.fed) => self.pipe(inputs + service, 0, reactor),
            Some(said) => match said.words.first().and_then(|word| behind(word, "file:")) {
                Some(path) => {
                    self.file = self.open(path, OFlags::RDONLY);
                    raw::set_flags(self.file, 0);
                    self.file
                }
                None if said.number > 0 => self.null(),
                None => NONE,
            },
            None if self.close_stdin && spec.number(Key::Tty) == 0 => {
                // Where there is none it stays what it is.
                let null = self.null();
                self.fault = Errno(0);
                null
            }
            None => NONE,
        };
        self.found(Key::Stdin)?;
        for which in 0..2 {
            let number = 2 * service + which;
            ends[which + 1] = match out(self.plan, number) {
                Out::Inherit => NONE,
                Out::Null => self.null(),
                Out::Service(fed) => self.pipe(inputs + fed, 1, reactor),
                Out::Lines | Out::File(_) => self.pipe(number, 1, reactor),
            };
        }
        self.found(Key::Stdout)?;
        Ok(ends)
    }

    /// Whether all that this key asks for was there.
    fn found(&mut self, key: Key) -> Result<(), StartFault> {
        match replace(&mut self.fault, Errno(0)) {
            Errno(0) => Ok(()),
            errno => Err(StartFault {
                step: Step::Key(key),
                errno,
            }),
        }
    }

    /// The service has its streams.
    pub fn started(&mut self) {
        if self.file > 0 {
            raw::close(self.file as usize);
            self.file = NONE;
        }
    }

    /// Opens what a service has as a standard stream. We do not wait for it, and it gets no terminal.
    fn open(&mut self, path: &CStr, flags: OFlags) -> c_int {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => self.own(file.into_raw_fd()),
            Err(error) => {
                self.fault = Errno(error.raw_os_error() as u16);
                NONE
            }
        }
    }

    fn null(&mut self) -> c_int {
        if self.null <= 0 {
            self.null = self.open(c"/dev/null", OFlags::RDWR);
        }
        self.null
    }

    /// A descriptor of ours.
    #[inline(never)]
    fn own(&mut self, fd: c_int) -> c_int {
        let fd = away_from_the_three(fd);
        if fd == NONE {
            self.fault = Errno::MFILE;
        }
        self.last = fd.max(self.last);
        fd
    }

    /// An end of a stream's pipe: 0 to read from, 1 to write to.
    #[inline(never)]
    fn pipe(&mut self, number: usize, end: usize, reactor: &mut Reactor) -> c_int {
        let Some(stream) = self.streams.get(number) else {
            return NONE;
        };
        let (mut ends, sink) = (stream.ends, stream.sink as usize);
        if ends[1] > 0 {
            // Whoever ran before may have set it not to wait.
            raw::set_flags(ends[1], 0);
        } else {
            if let Err(errno) = raw::pipe(&mut ends) {
                self.fault = errno;
                return NONE;
            }
            ends = ends.map(|fd| self.own(fd));
            if sink > 0 {
                raw::set_flags(ends[0], O_NONBLOCK);
                let token = Token::Output(number as u32);
                if !reactor.watch(borrow(ends[0]), token, EventFlags::IN) {
                    self.fault = Errno::MFILE;
                }
            }
            if let Some(sink) = self.sinks.get_mut(sink) {
                sink.look();
                self.last = sink.fd.max(self.last);
            }
            let stream = self.streams.get_mut(number);
            if let (Some(stream), Errno(0)) = (stream, self.fault) {
                stream.ends = ends;
            } else {
                for fd in ends {
                    raw::close(fd as usize);
                }
            }
        }
        ends[end & 1]
    }

    /// The most descriptors that all that may need.
    pub fn needed(&self) -> usize {
        2 * self.streams.len() + self.sinks.len()
    }

    /// Nobody feeds a service any more: it reads the end of its input once those who write have
    /// ended, and those who write have nobody to write to once it has.
    pub fn close_input(&mut self, service: usize) {
        let place = 2 * self.plan.services.len() + service;
        if let Some(feed) = self.streams.get_mut(place) {
            for fd in take(&mut feed.ends) {
                if fd > 0 {
                    raw::close(fd as usize);
                }
            }
        }
    }
}

/// The way of the lines.
impl Outputs<'_> {
    /// Something of ours is ready: a stream is read once, or a full sink takes more.
    #[inline(never)]
    pub fn woken(&mut self, token: Token, reactor: &mut Reactor) {
        match token {
            Token::Output(number) => _ = self.once(number as usize, reactor),
            Token::Sink(place) => self.resume(place as usize, reactor),
            _ => (),
        }
    }

    /// A service's process has ended: what is left in its pipes is written, and what is a line
    /// without a newline becomes one.
    pub fn ended(&mut self, service: usize, reactor: &mut Reactor) {
        self.close(2 * service, reactor);
        self.close(2 * service + 1, reactor);
    }

    /// Everything that is left is written, as long as its readers take it until then. What they do
    /// not take is lost.
    pub fn finish(&mut self, until: Instant, reactor: &mut Reactor) {
        for number in 0..self.streams.len() {
            self.close(number, reactor);
        }
        while self.stalled > 0 && now() < until {
            reactor.wait(Some(until));
            while let Some(token) = reactor.woken() {
                self.woken(token, reactor);
            }
        }
        for place in 0..self.sinks.len() {
            self.give_up(place);
        }
    }

    /// Says what was dropped and is to be said now; `at_the_end` all that was not. Again and again
    /// until there is nothing.
    pub fn complain(&mut self, at_the_end: bool, line: &mut Line) -> bool {
        for sink in &mut *self.sinks {
            if sink.complain(at_the_end, line) {
                return true;
            }
        }
        self.due = false;
        false
    }

    /// Takes a line of our own for standard error if it must wait behind the services': true if it
    /// is dealt with.
    pub fn defer(&mut self, text: &[u8]) -> bool {
        let room = self.parked + self.errors * PARKED_BYTES;
        let sink = self.sinks.get_mut(self.errors);
        let Some(sink) = sink.filter(|sink| sink.stalled) else {
            return false;
        };
        let end = sink.pending.to;
        if Buffer::new(part(self.bytes, room + end, UNREAD - end)).put(text) {
            sink.pending.to = end + text.len();
        } else {
            sink.drop_lines(text, Errno::AGAIN.0);
        }
        true
    }

    /// Reads a stream once and writes its lines, unless its sink is full. False if there was nothing
    /// to read.
    #[inline(never)]
    fn once(&mut self, number: usize, reactor: &mut Reactor) -> bool {
        let Some(&stream) = self.streams.get(number) else {
            return false;
        };
        let sink = self.sinks.get(stream.sink as usize);
        if sink.is_some_and(|sink| sink.stalled) {
            self.pause(number, reactor);
            return false;
        }
        let kept = usize::from(stream.kept);
        self.copy(room(&stream), kept, 0);
        // It is never at its end: we hold the other end, too.
        let place = part(self.bytes, kept, INPUT_BYTES - kept);
        let read = rustix::io::read(borrow(stream.ends[0]), place).unwrap_or(0);
        let end = read == 0 && stream.closing;
        if read > 0 || end && kept > 0 {
            self.pour(number, kept + read, end, reactor);
        }
        read > 0
    }

    /// Reads the last of a stream, now or when its sink takes it.
    fn close(&mut self, number: usize, reactor: &mut Reactor) {
        for _ in 0..LAST_READS {
            match self.streams.get_mut(number) {
                Some(stream) if stream.sink > 0 && stream.ends[0] > 0 => stream.closing = true,
                _ => return,
            }
            if !self.once(number, reactor) {
                break;
            }
        }
        if let Some(stream) = self.streams.get_mut(number) {
            stream.closing = stream.paused;
        }
    }

    /// A stream waits for its sink.
    fn pause(&mut self, number: usize, reactor: &mut Reactor) {
        let Some(stream) = self.streams.get_mut(number) else {
            return;
        };
        let sink = self.sinks.get_mut(stream.sink as usize);
        if let (Some(sink), false) = (sink, stream.paused) {
            stream.paused = true;
            stream.next = replace(&mut sink.paused, number as u32 + 1);
            watch(stream.ends[0], number, EventFlags::empty(), reactor);
        }
    }

    /// Writes the lines at the beginning of the input, which came from this stream, and keeps what
    /// is no line yet. What the sink does not take is parked.
    #[inline(never)]
    fn pour(&mut self, number: usize, len: usize, end: bool, reactor: &mut Reactor) {
        let Some(stream) = self.streams.get_mut(number) else {
            return;
        };
        let place = stream.sink as usize;
        let Some(sink) = self.sinks.get_mut(place) else {
            return;
        };
        let source = source(self.plan, number, sink.path.is_some());
        let mut head = Buffer::new(self.head);
        head.put_head(&source);
        let lines = Lines {
            head: head.text(),
            json: source.form == Form::Json,
        };
        sink.look();
        let mut done = 0;
        loop {
            let (input, shared) = self.bytes.split_at_mut(INPUT_BYTES);
            let (output, shared) = shared.split_at_mut(OUTPUT_BYTES);
            let mut output = Buffer::new(output);
            if sink.torn {
                output.put(b"\n");
            }
            let left = sink.left();
            let input = input.get(done..len).unwrap_or(&[]);
            let taken = output.put_lines(input, end, &lines, left);
            if taken == 0 {
                break;
            }
            done += taken;
            let output = output.text();
            if output.len() > left {
                sink.rotate(shared);
            }
            let written = sink.write(output);
            self.due |= sink.due;
            let more = output.len() - written;
            if more > 0 {
                stream.kept = 0;
                sink.pending = Range { from: 0, to: more };
                (sink.unread, sink.source) = (len - done, number);
                let room = self.parked + place * PARKED_BYTES;
                self.copy(INPUT_BYTES + written, more, room);
                self.copy(done, len - done, room + UNREAD);
                return self.stall(place, reactor);
            }
        }
        stream.kept = (len - done) as u16;
        let room = room(stream);
        self.copy(done, len - done, room);
    }

    /// A sink is full.
    fn stall(&mut self, place: usize, reactor: &mut Reactor) {
        let Some(sink) = self.sinks.get_mut(place) else {
            return;
        };
        sink.stalled = true;
        self.stalled += 1;
        if !sink.watched {
            let token = Token::Sink(place as u32);
            sink.watched = reactor.watch(sink.borrow(), token, EventFlags::OUT);
            if !sink.watched {
                // The kernel has no memory for that, and to wait for ever would be worse.
                self.give_up(place);
            }
        }
    }

    /// What waits for a sink is lost.
    fn give_up(&mut self, place: usize) {
        let room = self.parked + place * PARKED_BYTES;
        let Some(sink) = self.sinks.get_mut(place).filter(|sink| sink.stalled) else {
            return;
        };
        let Range { from, to } = sink.pending;
        sink.drop_lines(part(self.bytes, room + from, to - from), Errno::AGAIN.0);
        sink.drop_lines(part(self.bytes, room + UNREAD, sink.unread), Errno::AGAIN.0);
        self.due = true;
        sink.stalled = false;
        self.stalled -= 1;
    }

    /// A full sink takes more: what is parked goes first, then its streams are read again.
    fn resume(&mut self, place: usize, reactor: &mut Reactor) {
        let room = self.parked + place * PARKED_BYTES;
        let Some(sink) = self.sinks.get_mut(place).filter(|sink| sink.stalled) else {
            return;
        };
        let Range { from, to } = sink.pending;
        sink.pending.from += sink.write(part(self.bytes, room + from, to - from));
        self.due |= sink.due;
        if sink.pending.from < to {
            return;
        }
        sink.stalled = false;
        self.stalled -= 1;
        let (unread, source) = (sink.unread, sink.source);
        self.copy(room + UNREAD, unread, 0);
        self.pour(source, unread, false, reactor);
        let Some(sink) = self.sinks.get_mut(place).filter(|sink| !sink.stalled) else {
            return;
        };
        reactor.unwatch(sink.borrow());
        sink.watched = false;
        let mut next = take(&mut sink.paused);
        loop {
            let number = (next as usize).wrapping_sub(1);
            let Some(stream) = self.streams.get_mut(number) else {
                return;
            };
            next = stream.next;
            stream.paused = false;
            watch(stream.ends[0], number, EventFlags::IN, reactor);
            if stream.closing {
                self.close(number, reactor);
            }
        }
    }

    /// Copies so many bytes from one place to another.
    #[inline(never)]
    fn copy(&mut self, from: usize, len: usize, to: usize) {
        if from.max(to) + len <= self.bytes.len() {
            self.bytes.copy_within(from..from + len, to);
        }
    }
}

/// Where a stream's unfinished line is kept.
fn room(stream: &Stream) -> usize {
    SHARED_BYTES + stream.place as usize * LINE_BYTES_MAX
}

/// Where a service's standard output or error leads.
#[derive(Clone, Copy, PartialEq)]
enum Out<'p> {
    /// To what we have.
    Inherit,
    /// Nowhere.
    Null,
    /// To our own, as whole lines.
    Lines,
    /// To this file, as whole lines.
    File(&'p CStr),
    /// To the standard input of this service.
    Service(usize),
}

#[inline(never)]
fn out<'p>(plan: &'p Plan<'p>, number: usize) -> Out<'p> {
    let key = if number % 2 == 0 {
        Key::Stdout
    } else {
        Key::Stderr
    };
    let Some(said) = plan.spec(number / 2).get(key) else {
        return match plan.log {
            Log::Inherit => Out::Inherit,
            _ => Out::Lines,
        };
    };
    if let Some(name) = said.feeds() {
        return Out::Service(names::find(&plan.services, name.to_bytes()).into());
    }
    match said.words.first().and_then(|word| behind(word, "file:")) {
        Some(path) => Out::File(path),
        None if said.number > 0 => Out::Null,
        None => Out::Inherit,
    }
}

/// Whose lines a stream's are, and what they look like.
fn source<'p>(plan: &'p Plan<'p>, number: usize, file: bool) -> Source<'p> {
    let (name, copy) = match plan.services.get(number / 2) {
        Some(service) => (service.name, service.copy),
        None => (&b""[..], 1),
    };
    let mut time = None;
    if plan.timestamps {
        let (seconds, micros) = raw::clock(CLOCK_REALTIME);
        time = Some(Time { seconds, micros });
    }
    Source {
        form: match plan.log {
            _ if file => Form::Raw,
            Log::Json => Form::Json,
            Log::Inherit | Log::Prefix => Form::Prefix,
        },
        time,
        name,
        copy,
        error: number % 2 == 1,
    }
}

fn watch(fd: c_int, number: usize, flags: EventFlags, reactor: &Reactor) {
    reactor.change(borrow(fd), Token::Output(number as u32), flags);
}

/// So many bytes from there on, if there are.
#[inline(never)]
fn part(bytes: &mut [u8], from: usize, len: usize) -> &mut [u8] {
    let rest = bytes.get_mut(from..).unwrap_or(&mut []);
    rest.get_mut(..len).unwrap_or(&mut [])
}

/// A descriptor of ours.
fn borrow(fd: c_int) -> BorrowedFd<'static> {
    // SAFETY: what we hold stays open for as long as it is used; a number that is none of ours
    // fails, and that is all.
    unsafe { BorrowedFd::borrow_raw(fd.max(0)) }
}
