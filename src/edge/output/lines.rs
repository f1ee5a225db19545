//! The path of lines from the pipes into the sinks, and what waits when a sink is full.

use core::mem::{replace, take};

use rustix::event::epoll::EventFlags;

use super::{BUFFER_BYTES, INPUT_BYTES, MORE_BYTES, OUTPUT_BYTES, Outputs, STREAMS, Stream};
use super::{buffer_of, number_of, service_of, source, watch};
use crate::edge::raw;
use crate::edge::reactor::{FdKind, Reactor, Token, now};
use pidlet::output::put_lines;
use pidlet::plan::Place;
use pidlet::words::signal::SignalSet;
use pidlet::words::time::{Instant, Span};

/// How often the pipe of a service that has ended is read at most. An unprivileged process can enlarge it to
/// 1 MiB (pipe(7): pipe-max-size); more than that comes from a process that still writes.
const LAST_READS: u32 = 20;

/// How long the end waits for a reader of the services' output that takes nothing.
const LAST_OUTPUT: Span = Span::seconds(1);

impl Outputs<'_> {
    /// One of our descriptors is ready: a stream is read, or a full sink takes more.
    #[inline(never)]
    pub fn woken(&mut self, token: Token, reactor: &mut Reactor) {
        match token {
            Token(FdKind::Output, number) => self.drain(number as usize, reactor),
            Token(FdKind::Sink, place) => self.resume(place, reactor),
            _ => (),
        }
    }

    /// A service's process has ended: what is left in its pipes is written, and a last line without a
    /// newline gets one.
    pub fn ended(&mut self, service: Place, reactor: &mut Reactor) {
        self.close(number_of(service.into(), 1), reactor);
        self.close(number_of(service.into(), 2), reactor);
    }

    /// Writes everything that is left: the readers get a second, and another one whenever they take some of
    /// it, until `limit`. What they have not taken is lost, and counted.
    #[inline(never)]
    pub fn finish(&mut self, limit: Instant, reactor: &mut Reactor) {
        for number in 0..self.streams.len() {
            self.close(number, reactor);
        }
        let mut until = now().after(LAST_OUTPUT);
        while self.sinks.iter().any(|sink| sink.stalled) && now() < until {
            reactor.wait(until, SignalSet::ALL);
            while let Some(token) = reactor.woken() {
                self.woken(token, reactor);
                if let Token(FdKind::Sink, _) = token {
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

    /// Reads a stream once, unless its sink is full; or, if its service has ended, all that is left in it.
    #[inline(never)]
    fn drain(&mut self, number: usize, reactor: &mut Reactor) {
        for _ in 0..LAST_READS {
            if !self.read_once(number, reactor) {
                break;
            }
        }
    }

    /// Reads the last of a stream, now or once its sink takes it.
    #[inline(never)]
    fn close(&mut self, number: usize, reactor: &mut Reactor) {
        if let Some(stream) = self.streams.get_mut(number) {
            stream.closing = true;
            self.drain(number, reactor);
        }
    }

    /// Reads a stream once and writes its lines, unless its sink is full; what is left is kept. Returns
    /// whether the stream is closing and there may be more.
    #[inline(never)]
    fn read_once(&mut self, number: usize, reactor: &mut Reactor) -> bool {
        if number >= self.streams.len() {
            return false;
        }
        let stream = &mut self.streams[number];
        let place = stream.sink as usize;
        if place == 0 || place >= self.sinks.len() || stream.ends[0] == 0 {
            return false;
        }
        let sink = &mut self.sinks[place];
        // A stream's last output must not become one line with what its service writes after a restart.
        if !sink.stalled || stream.closing {
            let buffer = buffer_of(number);
            // What would fill a file many times over is read in many turns, since each new file takes time.
            let most = sink.left.min(INPUT_BYTES as u64) as usize + MORE_BYTES;
            let (mut done, len) = (0, stream.read(self.bytes, buffer, most));
            let source = source(
                self.plan,
                service_of(number),
                number % STREAMS == 2,
                sink.form,
            );
            sink.refresh();
            while let (false, Some((input, output))) =
                (sink.stalled, self.bytes.split_at_mut_checked(sink.buffer))
            {
                let input = input.get(done..len).unwrap_or(&[]);
                let limit = 1 + sink.left.min(OUTPUT_BYTES as u64) as usize;
                let (taken, size) = put_lines(output, input, &source, limit);
                if taken == 0 {
                    break;
                }
                done += taken;
                if size > limit {
                    self.due |= sink.rotate();
                }
                sink.from = sink.buffer + usize::from(!sink.torn);
                sink.to = sink.buffer + size;
                let token = Token(FdKind::Sink, stream.sink);
                sink.send(self.bytes, token, reactor, &mut self.due);
            }
            stream.kept = len.wrapping_sub(done);
            copy(self.bytes, done, stream.kept, buffer);
        }
        let more = stream.closing;
        if sink.stalled && stream.next == 0 {
            self.pause(number, reactor);
        }
        more
    }

    /// Makes a stream wait for its sink, behind those that wait already.
    fn pause(&mut self, number: usize, reactor: &mut Reactor) {
        let stream = &self.streams[number];
        watch(stream, number, EventFlags::empty(), reactor);
        let mut next = one_based(number);
        if let Some(sink) = self.sinks.get_mut(stream.sink as usize) {
            let last = replace(&mut sink.paused, next);
            if let Some(last) = self.streams.get_mut(zero_based(last)) {
                next = replace(&mut last.next, next);
            }
        }
        self.streams[number].next = next;
    }

    /// A full sink takes more: what waits in it goes first, then its streams are read again, one after the
    /// other, until it is full again.
    fn resume(&mut self, place: u32, reactor: &mut Reactor) {
        let Some(sink) = self.sinks.get_mut(place as usize) else {
            return;
        };
        sink.send(
            self.bytes,
            Token(FdKind::Sink, place),
            reactor,
            &mut self.due,
        );
        while let Some(number) = self.first_waiting(place) {
            watch(&self.streams[number], number, EventFlags::IN, reactor);
            self.drain(number, reactor);
        }
    }

    /// Takes the stream that has waited longest for a sink off its list, unless the sink is full.
    fn first_waiting(&mut self, place: u32) -> Option<usize> {
        let sink = self.sinks.get_mut(place as usize)?;
        let last = zero_based(sink.paused);
        let first = zero_based(self.streams.get(last)?.next);
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
    /// Reads once, at most `most` bytes, behind what is kept; or, if the stream is closing, its service's
    /// last output, whose last line it completes. Returns how much there is then, at the start of `bytes`.
    fn read(&mut self, bytes: &mut [u8], buffer: usize, most: usize) -> usize {
        copy(bytes, buffer, self.kept, 0);
        // The pipe never reports end-of-file: we hold its write end, too. A byte is left for a newline.
        let most = if self.closing {
            BUFFER_BYTES
        } else {
            INPUT_BYTES.min(self.kept.wrapping_add(most))
        };
        let place = bytes.get_mut(self.kept..most - 1).unwrap_or(&mut []);
        let full = place.is_empty();
        let read = raw::read(self.ends[0], place).max(0) as usize;
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

/// An index counted from 1, so that 0 means none.
fn one_based(index: usize) -> u32 {
    (index as u32).wrapping_add(1)
}

/// The index of what is counted from 1; for 0, one that is out of range.
fn zero_based(number: u32) -> usize {
    (number as usize).wrapping_sub(1)
}

/// Copies `len` bytes within `bytes`, if there are so many at both places.
#[inline(never)]
fn copy(bytes: &mut [u8], from: usize, len: usize, to: usize) {
    if from.max(to) + len <= bytes.len() {
        bytes.copy_within(from..from + len, to);
    }
}
