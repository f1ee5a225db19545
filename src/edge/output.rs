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

use core::ffi::{CStr, c_int};
use core::mem::{replace, take};

use linux_raw_sys::general::{CLOCK_REALTIME, O_RDONLY, O_RDWR};
use rustix::event::epoll::EventFlags;

use super::reactor::{NONE, Reactor, Token, now};
use super::sink::{Sink, borrow};
use super::{arena, process, raw, say};
use pidlet::message::Stream as OwnStream;
use pidlet::output::{Form, LINE_BYTES_MAX, PIECE_BYTES_MAX, Source, put_lines};
use pidlet::plan::{Key, Log, Plan, Spec, StartFault, Step, behind};
use pidlet::words::errno::Errno;
use pidlet::words::signal::SignalSet;
use pidlet::words::text::{self, Line};
use pidlet::words::time::{Instant, Span};

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
/// What a line of our own takes in any form: in JSON a byte of it becomes six at the most.
const OWN_BYTES: usize = 6 * text::LINE_BYTES_MAX + 256;

const _: () = assert!(OUTPUT_BYTES > PIECE_BYTES_MAX);

/// How many streams a service has, so that their numbers are easy to take apart: the last one is never
/// used.
const STREAMS: usize = 4;

/// How often a pipe is read whose service has ended: its largest size that anybody may set is 1 MiB
/// (pipe(7): pipe-max-size). More comes from somebody who still writes.
const LAST_READS: u32 = 20;

/// How long the end waits for whoever reads what the services have said, and has taken nothing.
const LAST_OUTPUT: Span = Span::seconds(1);

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

impl<'p> Outputs<'p> {
    /// Takes all memory that will be needed, and opens nothing.
    #[inline(never)]
    pub fn new(plan: &'p Plan<'p>, colour: bool, close_stdin: bool) -> Outputs<'p> {
        let mut outputs = Outputs {
            plan,
            streams: &mut [],
            // SAFETY: all zeroes are valid sinks.
            sinks: unsafe { arena::zeroes(3) },
            bytes: &mut [],
            count: 3,
            errors: 2,
            null: 0,
            file: 0,
            close_stdin,
            due: false,
        };
        let mut number = 0;
        while number < number_of(plan.services.len(), 0) {
            outputs.lay(number, colour);
            number += 1;
        }
        if !outputs.streams.is_empty() {
            outputs.reserve();
        }
        outputs
    }

    /// Finds out what a service has as this stream.
    #[inline(never)]
    fn lay(&mut self, number: usize, colour: bool) {
        let spec = self.plan.spec(number / STREAMS);
        let said = spec.get(key(number));
        let output = matches!(number % STREAMS, 1 | 2);
        if said.is_none() && (!output || self.plan.log == Log::Inherit) {
            return;
        }
        if self.streams.is_empty() {
            self.begin(colour);
        }
        let (mut way, mut to, mut sink) = (Way::Pipe, number, 0);
        if let Some(said) = said {
            if let Some(fed) = self.plan.fed_by(said) {
                to = number_of(fed.into(), 0);
                self.set(to, Way::Fed, to, 0);
            } else if let Some(path) = said.words.first().and_then(|word| behind(word, "file:")) {
                sink = self.file_sink(path, spec);
            } else {
                way = if said.number > 0 {
                    Way::Null
                } else {
                    Way::Ours
                };
            }
        } else {
            sink = if number % STREAMS == 1 {
                1
            } else {
                self.errors
            };
        }
        self.set(number, way, to, sink);
    }

    /// Notes what a service has as a stream.
    #[inline(never)]
    fn set(&mut self, number: usize, way: Way, to: usize, sink: u32) {
        if let Some(stream) = self
            .streams
            .get_mut(number)
            .filter(|stream| stream.way < way)
        {
            (stream.way, stream.to, stream.sink) = (way, to as u32, sink);
        }
    }

    /// All sinks are known.
    fn reserve(&mut self) {
        let sinks = take(&mut self.sinks).get_mut(..self.count as usize);
        self.sinks = sinks.unwrap_or(&mut []);
        let mut size = room_of(self.streams.len());
        for sink in &mut *self.sinks {
            sink.room = size;
            size += SINK_BYTES;
        }
        // SAFETY: all zeroes are valid bytes.
        self.bytes = unsafe { arena::zeroes(size) };
    }

    /// There is something to note.
    #[inline(never)]
    fn begin(&mut self, colour: bool) {
        let services = self.plan.services.len();
        // SAFETY: all zeroes are valid streams and sinks.
        unsafe {
            self.streams = arena::zeroes(number_of(services, 0));
            self.sinks = arena::zeroes(number_of(services, 3));
        }
        let form = match self.plan.log {
            Log::Json => Form::Json,
            _ if colour => Form::Colour,
            _ => Form::Prefix,
        };
        if let [_, out, error, ..] = self.sinks {
            out.own(1, form);
            error.own(2, form);
            if out.same(error) {
                self.errors = 1;
            }
        }
    }

    /// The sink for a stream's file.
    #[inline(never)]
    fn file_sink(&mut self, path: &'p CStr, spec: Spec) -> u32 {
        // The next one has it if none before it has.
        if let Some(sink) = self.sinks.get_mut(self.count as usize) {
            sink.path = Some(path);
            sink.size_max = spec.number(Key::LogSize);
            sink.keep = spec.number(Key::LogKeep) as u32;
        }
        let mut place = 0;
        while self
            .sinks
            .get(place as usize)
            .is_some_and(|sink| sink.path != Some(path))
        {
            place += 1;
        }
        self.count = self.count.max(place + 1);
        place
    }

    /// What a service's three standard streams are to be: [`NONE`] for what we have. To be asked
    /// before each of its starts. Nothing is wrong with the reactor then.
    #[inline(never)]
    pub fn ends(
        &mut self,
        service: usize,
        reactor: &mut Reactor,
    ) -> Result<[c_int; 3], StartFault> {
        let mut ends = [NONE; 3];
        reactor.fault = Errno(0);
        for (which, end) in ends.iter_mut().enumerate() {
            let number = number_of(service, which);
            *end = self.end(number, reactor);
            if let errno @ Errno(1..) = reactor.fault {
                self.started();
                return Err(StartFault {
                    step: Step::Key(key(number)),
                    errno,
                });
            }
        }
        Ok(ends)
    }

    /// What a service has as this stream.
    #[inline(never)]
    fn end(&mut self, number: usize, reactor: &mut Reactor) -> c_int {
        let input = number % STREAMS == 0;
        let stream = self.streams.get(number);
        let (way, to, sink) = stream.map_or((Way::Usual, 0, 0), |one| (one.way, one.to, one.sink));
        match way {
            Way::Usual
                if input
                    && self.close_stdin
                    && self.plan.spec(number / STREAMS).number(Key::Tty) == 0 =>
            {
                self.no_input(reactor)
            }
            Way::Usual | Way::Ours => NONE,
            Way::Null => self.null(reactor),
            Way::Pipe if input => {
                let path = self.sinks.get(sink as usize).and_then(|sink| sink.path);
                self.file = reactor.own(raw::open(path.unwrap_or_default(), O_RDONLY));
                self.file
            }
            Way::Pipe | Way::Fed => self.pipe(to as usize, usize::from(!input), reactor),
        }
    }

    /// The service has its streams, or will have none.
    pub fn started(&mut self) {
        if self.file > 0 {
            raw::close(self.file as usize);
            self.file = NONE;
        }
    }

    /// A standard input with nothing in it; where there is none it stays what it is.
    #[inline(never)]
    pub fn no_input(&mut self, reactor: &mut Reactor) -> c_int {
        let null = self.null(reactor);
        reactor.fault = Errno(0);
        null
    }

    #[inline(never)]
    fn null(&mut self, reactor: &mut Reactor) -> c_int {
        if self.null <= 0 {
            self.null = reactor.own(raw::open(c"/dev/null", O_RDWR));
        }
        self.null
    }

    /// An end of a stream's pipe, for a service: 0 to read from, 1 to write to.
    fn pipe(&mut self, number: usize, end: usize, reactor: &mut Reactor) -> c_int {
        let Some(stream) = self.streams.get_mut(number) else {
            return NONE;
        };
        if stream.ends[0] <= 0 {
            if !reactor.note(raw::pipe(&mut stream.ends)) {
                return NONE;
            }
            // A service that is another user, or becomes one, may open /dev/stdout. Nobody else comes
            // by it: in /proc another user's descriptors are hidden. But of those who write to one
            // service none may read what the others say.
            let reader = self.plan.spec(number / STREAMS);
            let reader = (stream.way == Way::Fed).then(|| process::user_of(reader));
            raw::open_to_all(stream.ends[1], reader);
            for end in &mut stream.ends {
                *end = reactor.own(*end);
            }
            if let (Some(sink), 1..) = (self.sinks.get_mut(stream.sink as usize), stream.sink) {
                sink.look();
                watch(stream, number, EventFlags::IN, reactor);
            }
            if reactor.fault != Errno(0) {
                stream.ends.iter_mut().for_each(shut);
            }
        }
        // Whoever has it from now on ends his lines himself.
        stream.closing = false;
        stream.ends[end & 1]
    }

    /// The most descriptors that all that may need: three pipes and two files for each service.
    pub fn needed(&self) -> usize {
        2 * self.streams.len()
    }

    /// Nobody feeds a service any more: it reads the end of its input once those who write have
    /// ended. The other end is kept: one that is started again reads what is left, and comes to its end, too.
    pub fn close_input(&mut self, service: usize) {
        if let Some(feed) = self.streams.get_mut(number_of(service, 0)) {
            shut(&mut feed.ends[1]);
        }
    }
}

/// The way of the lines.
impl Outputs<'_> {
    /// Something of ours is ready: a stream is read once, or a full sink takes more.
    #[inline(never)]
    pub fn woken(&mut self, token: Token, reactor: &mut Reactor) {
        match token {
            Token::Output(number) => self.drain(number as usize, reactor),
            Token::Sink(place) => self.resume(place, reactor),
            _ => (),
        }
    }

    /// A service's process has ended: what is left in its pipes is written, and what is a line
    /// without a newline becomes one.
    pub fn ended(&mut self, service: usize, reactor: &mut Reactor) {
        self.close(number_of(service, 1), reactor);
        self.close(number_of(service, 2), reactor);
    }

    /// Everything that is left is written, as long as its readers take some of it in time, and until
    /// `limit` at the most. What they have not taken is lost, and counted.
    #[inline(never)]
    pub fn finish(&mut self, limit: Instant, reactor: &mut Reactor) {
        for number in 0..self.streams.len() {
            self.close(number, reactor);
        }
        let mut until = now().after(LAST_OUTPUT);
        while self.sinks.iter().any(|sink| sink.stalled) && now() < until {
            reactor.wait(Some(until), SignalSet::ALL);
            while let Some(token) = reactor.woken() {
                self.woken(token, reactor);
                if let Token::Sink(_) = token {
                    until = until.max(now().after(LAST_OUTPUT).min(limit));
                }
            }
        }
        for place in 1..self.sinks.len() {
            if self.sinks[place].stalled {
                self.sinks[place].give_up();
                self.resume(place as u32, reactor);
            }
        }
    }

    /// Says what was dropped and is to be said now; `at_the_end` all that was not.
    #[inline(never)]
    pub fn complain(&mut self, at_the_end: bool) {
        self.due = false;
        let mut place = 0;
        while let Some(sink) = self.sinks.get_mut(place) {
            place += 1;
            let mut line = Line::new();
            if sink.complain(at_the_end, &mut line) {
                self.say(OwnStream::Err, &mut line, 0);
            }
        }
    }

    /// Says a line of our own, behind those of services that wait; if nobody takes it within
    /// `patience_ms` it is counted, and the count is said as soon as somebody does.
    #[inline(never)]
    pub fn say(&mut self, stream: OwnStream, line: &mut Line, patience_ms: u64) {
        let error = stream == OwnStream::Err;
        let mut text = line.end();
        let mut source = source(self.plan, usize::MAX, error, Form::Raw);
        if self.plan.log == Log::Json {
            // Whoever reads objects reads no other lines.
            source.form = Form::Json;
            text = text.strip_prefix(b"pidlet: ").unwrap_or(text);
        }
        let mut room = [0; OWN_BYTES];
        let (_, size) = put_lines(&mut room, text, &source, usize::MAX);
        let place = if error { self.errors } else { 1 };
        let Some(sink) = self.sinks.get_mut(place as usize) else {
            return;
        };
        // Behind half a line that was given up comes its newline first.
        let begin = usize::from(sink.stalled || !sink.torn);
        let text = room.get(begin..size).unwrap_or(&[]);
        if sink.stalled {
            let to = sink.to + text.len();
            match self.bytes.get_mut(sink.to..to) {
                Some(place) if to <= sink.room + SINK_BYTES => {
                    place.copy_from_slice(text);
                    sink.to = to;
                }
                _ => sink.drop_lines(text, Errno::AGAIN),
            }
            return;
        }
        let errno = say::say(stream, text, patience_ms);
        if errno == Errno::AGAIN {
            return sink.drop_lines(text, errno);
        }
        // A closed or broken stream takes nothing ever: that is not worth counting. But what services could
        // not write is, and there a full disk may have room again.
        sink.torn = false;
        if errno == Errno(0) && sink.dropped > 0 {
            sink.said = false;
            self.due = true;
        }
    }

    /// Reads a stream, and its last bytes if its service has ended, unless its sink is full.
    #[inline(never)]
    fn drain(&mut self, number: usize, reactor: &mut Reactor) {
        for _ in 0..LAST_READS {
            if !self.once(number, reactor) {
                break;
            }
        }
    }

    /// Reads the last of a stream, now or when its sink takes it.
    #[inline(never)]
    fn close(&mut self, number: usize, reactor: &mut Reactor) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.closing = true;
            self.drain(number, reactor);
        }
    }

    /// Reads a stream once and writes its lines, unless its sink is full; what is left is kept.
    /// Whether there may be more, and it is the last.
    #[inline(never)]
    fn once(&mut self, number: usize, reactor: &mut Reactor) -> bool {
        if number >= self.streams.len() {
            return false;
        }
        let stream = &mut self.streams[number];
        let place = stream.sink as usize;
        if place == 0 || place >= self.sinks.len() || stream.ends[0] == 0 {
            return false;
        }
        let sink = &mut self.sinks[place];
        // The last of a stream must not become one line with what its service writes when it starts again.
        if !sink.stalled || stream.closing {
            let room = room_of(number);
            // What fills a file many times over comes in many turns: each new file takes its time.
            let most = sink.left.min(INPUT_BYTES as u64) as usize + MORE_BYTES;
            let (mut done, len) = (0, stream.read(self.bytes, room, most));
            let source = source(
                self.plan,
                number / STREAMS,
                number % STREAMS == 2,
                sink.form,
            );
            sink.look();
            while let (false, Some((input, rooms))) =
                (sink.stalled, self.bytes.split_at_mut_checked(sink.room))
            {
                let input = input.get(done..len).unwrap_or(&[]);
                let limit = 1 + sink.left.min(OUTPUT_BYTES as u64) as usize;
                let (taken, size) = put_lines(rooms, input, &source, limit);
                if taken == 0 {
                    break;
                }
                done += taken;
                if size > limit {
                    sink.rotate();
                }
                sink.from = sink.room + usize::from(!sink.torn);
                sink.to = sink.room + size;
                let token = Token::Sink(stream.sink);
                sink.send(self.bytes, token, reactor, &mut self.due);
            }
            stream.kept = len.wrapping_sub(done);
            copy(self.bytes, done, stream.kept, room);
        }
        let more = stream.closing;
        if sink.stalled && stream.next == 0 {
            self.pause(number, reactor);
        }
        more
    }

    /// Has a stream wait for its sink, behind those that wait already.
    fn pause(&mut self, number: usize, reactor: &mut Reactor) {
        let stream = &self.streams[number];
        watch(stream, number, EventFlags::empty(), reactor);
        let mut next = name(number);
        if let Some(sink) = self.sinks.get_mut(stream.sink as usize) {
            let last = replace(&mut sink.paused, next);
            if let Some(last) = self.streams.get_mut(index(last)) {
                next = replace(&mut last.next, next);
            }
        }
        self.streams[number].next = next;
    }

    /// A full sink takes more: what waits goes first, then its streams are read again, one after the other,
    /// until it is full again.
    fn resume(&mut self, place: u32, reactor: &mut Reactor) {
        let Some(sink) = self.sinks.get_mut(place as usize) else {
            return;
        };
        sink.send(self.bytes, Token::Sink(place), reactor, &mut self.due);
        while let Some(number) = self.first_waiting(place) {
            watch(&self.streams[number], number, EventFlags::IN, reactor);
            self.drain(number, reactor);
        }
    }

    /// Takes the stream that has waited longest for a sink off those that wait, unless the sink is full.
    fn first_waiting(&mut self, place: u32) -> Option<usize> {
        let sink = self.sinks.get_mut(place as usize)?;
        let last = index(sink.paused);
        let first = index(self.streams.get(last)?.next);
        if sink.stalled {
            return None;
        }
        let next = take(&mut self.streams.get_mut(first)?.next);
        if first == last {
            sink.paused = 0;
        } else if let Some(last) = self.streams.get_mut(last) {
            last.next = next;
        }
        Some(first)
    }
}

impl Stream {
    /// Reads once, behind what is kept, at most so much, or the last that its service said, whose last line
    /// it completes. How much there is then, at the start of all `bytes`.
    fn read(&mut self, bytes: &mut [u8], room: usize, most: usize) -> usize {
        copy(bytes, room, self.kept, 0);
        // It is never at its end: we hold the other end, too. A byte is left for a newline.
        let most = if self.closing {
            ROOM_BYTES
        } else {
            INPUT_BYTES.min(self.kept.wrapping_add(most))
        };
        let place = bytes.get_mut(self.kept..most - 1).unwrap_or(&mut []);
        let full = place.is_empty();
        let read = rustix::io::read(borrow(self.ends[0]), place).unwrap_or(0);
        let len = self.kept.wrapping_add(read);
        if read > 0 || !self.closing || full {
            return len;
        }
        self.closing = false;
        match bytes.get_mut(len.wrapping_sub(1)..) {
            Some([last, place, ..]) if *last != b'\n' => {
                *place = b'\n';
                len.wrapping_add(1)
            }
            _ => len,
        }
    }
}

/// Whose lines are written now; of no service they are our own.
#[inline(never)]
fn source<'s, 'p>(plan: &'s Plan<'p>, service: usize, error: bool, form: Form) -> Source<'s, 'p> {
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
    reactor.watch(borrow(stream.ends[0]), Token::Output(number as u32), flags);
}

/// Closes an end of a stream's pipe, if it is open.
#[inline(never)]
fn shut(end: &mut c_int) {
    let fd = take(end);
    if fd > 0 {
        raw::close(fd as usize);
    }
}

/// The number of a service's stream: 0 for its standard input, and so on.
fn number_of(service: usize, which: usize) -> usize {
    service << STREAMS.ilog2() | which
}

/// What is counted from 1, so that 0 is nothing.
fn name(index: usize) -> u32 {
    (index as u32).wrapping_add(1)
}

/// The place of what is counted from 1; for 0 there is none.
fn index(name: u32) -> usize {
    (name as usize).wrapping_sub(1)
}

/// Where a stream's bytes are kept. Only two of [`STREAMS`] have any; behind them are the rooms of
/// the sinks.
fn room_of(number: usize) -> usize {
    (number / 2).wrapping_add(1).wrapping_mul(ROOM_BYTES)
}

/// Copies so many bytes from one place to another.
#[inline(never)]
fn copy(bytes: &mut [u8], from: usize, len: usize, to: usize) {
    if from.max(to) + len <= bytes.len() {
        bytes.copy_within(from..from + len, to);
    }
}

/// What says where a stream leads.
pub fn key(number: usize) -> Key {
    KEYS[number % STREAMS]
}
