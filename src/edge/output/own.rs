//! Our own lines, among those of the services.

use super::{Outputs, SINK_BYTES, source};
use crate::edge::say;
use pidlet::message::Stream;
use pidlet::output::{Form, put_lines};
use pidlet::plan::{Log, NO_SERVICE};
use pidlet::words::errno::Errno;
use pidlet::words::line::{self, Line};

/// The most that a line of our own takes in any form: it has no control characters, so in JSON a byte
/// becomes three at most.
const OWN_BYTES: usize = 3 * line::LINE_BYTES_MAX + 256;

impl Outputs<'_> {
    /// Reports dropped lines where that is due; `at_the_end` wherever it has not been done.
    #[inline(never)]
    pub fn complain(&mut self, at_the_end: bool) {
        self.due = false;
        let mut place = 0;
        while let Some(sink) = self.sinks.get_mut(place) {
            place += 1;
            let mut line = Line::new();
            if sink.complain(at_the_end, &mut line) {
                self.say(Stream::Err, &mut line, 0);
            }
        }
    }

    /// Says a line of our own, behind services' lines that wait. If it is not taken in as many tries
    /// ([`say::say`]) it is counted as dropped, which is reported as soon as lines are taken again.
    #[inline(never)]
    pub fn say(&mut self, stream: Stream, line: &mut Line, tries: u32) {
        let error = stream == Stream::Err;
        let mut text = line.end();
        let mut source = source(self.plan, NO_SERVICE, error, Form::Raw);
        if self.plan.log == Log::Json {
            // A reader of JSON objects can read nothing else.
            source.form = Form::Json;
            text = text.strip_prefix(b"pidlet: ").unwrap_or(text);
        }
        let mut buffer = [0; OWN_BYTES];
        let (_, size) = put_lines(&mut buffer, text, &source, usize::MAX);
        let place = if error { self.stderr_sink } else { 1 };
        let Some(sink) = self.sinks.get_mut(place as usize) else {
            return;
        };
        // If half a line was given up here, its newline comes first.
        let begin = usize::from(sink.stalled || !sink.torn);
        let text = buffer.get(begin..size).unwrap_or(&[]);
        if sink.stalled {
            let to = sink.to + text.len();
            match self.bytes.get_mut(sink.to..to) {
                Some(place) if to <= sink.buffer + SINK_BYTES => {
                    place.copy_from_slice(text);
                    sink.to = to;
                }
                _ => sink.drop_lines(text, Errno::AGAIN),
            }
            return;
        }
        let errno = say::say(stream, text, tries);
        if errno == Errno::AGAIN {
            return sink.drop_lines(text, errno);
        }
        // A closed or broken stream never takes anything again, so our line is not worth counting. Lines that
        // services lost are, and are reported once ours gets through: a full disk may have room again.
        sink.torn = false;
        if errno == Errno(0) && sink.dropped > 0 {
            sink.reported = false;
            self.due = true;
        }
    }
}
