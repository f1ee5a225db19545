//! Which streams and sinks a plan asks for: all memory that they will need is taken here.

use core::ffi::CStr;
use core::mem::take;

use super::{
    BUFFER_BYTES, Outputs, Redirect, SINK_BYTES, STREAMS, buffers_before, key, number_of,
    service_of,
};
use crate::edge::arena;
use pidlet::output::Form;
use pidlet::plan::{Key, Log, Plan, Spec, behind};

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
            stderr_sink: 2,
            null: 0,
            file: 0,
            close_stdin,
            due: false,
        };
        let mut number = 0;
        while number < number_of(plan.services.len(), 0) {
            outputs.add_stream(number, colour);
            number += 1;
        }
        if !outputs.streams.is_empty() {
            outputs.reserve();
        }
        outputs
    }

    /// Finds out what a service has as this stream.
    #[inline(never)]
    fn add_stream(&mut self, number: usize, colour: bool) {
        let spec = self.plan.spec(service_of(number));
        let pair = spec.get(key(number));
        let output = matches!(number % STREAMS, 1 | 2);
        if pair.is_none() && (!output || self.plan.log == Log::Inherit) {
            return;
        }
        if self.streams.is_empty() {
            self.begin(colour);
        }
        let (mut redirect, mut to, mut sink) = (Redirect::Pipe, number, 0);
        if let Some(pair) = pair {
            if let Some(reader) = self.plan.reader_of(pair) {
                to = number_of(reader.into(), 0);
                self.set(to, Redirect::Fed, to, 0);
            } else if let Some(path) = pair.words.first().and_then(|word| behind(word, "file:")) {
                sink = self.file_sink(path, spec);
            } else {
                redirect = if pair.number > 0 {
                    Redirect::Null
                } else {
                    Redirect::Inherit
                };
            }
        } else {
            sink = if number % STREAMS == 1 {
                1
            } else {
                self.stderr_sink
            };
        }
        self.set(number, redirect, to, sink);
    }

    /// Notes what a service has as a stream.
    #[inline(never)]
    fn set(&mut self, number: usize, redirect: Redirect, to: usize, sink: u32) {
        if let Some(stream) = self
            .streams
            .get_mut(number)
            .filter(|stream| stream.redirect < redirect)
        {
            (stream.redirect, stream.to, stream.sink) = (redirect, to as u32, sink);
        }
    }

    /// All sinks are known: takes the memory for all buffers.
    fn reserve(&mut self) {
        let sinks = take(&mut self.sinks).get_mut(..self.count as usize);
        self.sinks = sinks.unwrap_or(&mut []);
        let mut buffers = buffers_before(self.streams.len());
        for sink in &mut *self.sinks {
            sink.buffer = buffers.wrapping_mul(BUFFER_BYTES);
            buffers = buffers.wrapping_add(SINK_BYTES / BUFFER_BYTES);
        }
        // With 32-bit addresses that may be more than there is.
        self.bytes = arena::bytes(buffers.saturating_mul(BUFFER_BYTES));
    }

    /// There is a first stream to note.
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
                self.stderr_sink = 1;
            }
        }
    }

    /// The sink for a stream's file.
    #[inline(never)]
    fn file_sink(&mut self, path: &'p CStr, spec: Spec) -> u32 {
        // The next free entry gets the path: that is where the search ends if no earlier one has it.
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

    /// The most descriptors that all this may need: three pipes and two files for each service.
    pub fn needed(&self) -> usize {
        2 * self.streams.len()
    }
}
