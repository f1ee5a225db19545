//! What a service gets as its three standard streams.

use core::ffi::c_int;
use core::mem::take;

use linux_raw_sys::general::{O_RDONLY, O_RDWR};
use rustix::event::epoll::EventFlags;

use super::{Outputs, Redirect, STREAMS, key, number_of, service_of, watch};
use crate::edge::reactor::{NONE, Reactor};
use crate::edge::{process, raw};
use pidlet::plan::{Key, Place, StartFault, Step};
use pidlet::words::errno::Errno;

impl Outputs<'_> {
    /// The descriptors for a service's three standard streams, [`NONE`] for one of ours that it inherits.
    /// Called before each of its starts. On success [`Reactor::fault`] is clear.
    #[inline(never)]
    pub fn ends(
        &mut self,
        service: Place,
        reactor: &mut Reactor,
    ) -> Result<[c_int; 3], StartFault> {
        let mut ends = [NONE; 3];
        reactor.fault = Errno(0);
        for (which, end) in ends.iter_mut().enumerate() {
            let number = number_of(service.into(), which);
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

    /// The descriptor for this stream of a service.
    #[inline(never)]
    fn end(&mut self, number: usize, reactor: &mut Reactor) -> c_int {
        let input = number % STREAMS == 0;
        let stream = self.streams.get(number);
        let (redirect, to, sink) = stream.map_or((Redirect::Unset, 0, 0), |stream| {
            (stream.redirect, stream.to, stream.sink)
        });
        match redirect {
            Redirect::Unset
                if input
                    && self.close_stdin
                    && self.plan.spec(service_of(number)).number(Key::Tty) == 0 =>
            {
                self.no_input(reactor)
            }
            Redirect::Unset | Redirect::Inherit => NONE,
            Redirect::Null => self.null(reactor),
            Redirect::Pipe if input => {
                let path = self.sinks.get(sink as usize).and_then(|sink| sink.path);
                self.file = reactor.own(raw::open(path.unwrap_or_default(), O_RDONLY));
                self.file
            }
            Redirect::Pipe | Redirect::Fed => self.pipe(to as usize, usize::from(!input), reactor),
        }
    }

    /// The service has its streams, or will not get them.
    pub fn started(&mut self) {
        if self.file > 0 {
            raw::close(self.file as usize);
            self.file = NONE;
        }
    }

    /// An empty standard input. Where `/dev/null` cannot be opened it stays what it is.
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

    /// An end of a stream's pipe, for a service: 0 is the read end, 1 the write end.
    fn pipe(&mut self, number: usize, end: usize, reactor: &mut Reactor) -> c_int {
        let Some(stream) = self.streams.get_mut(number) else {
            return NONE;
        };
        if stream.ends[0] <= 0 {
            if !reactor.note(raw::pipe(&mut stream.ends)) {
                return NONE;
            }
            // A service that runs as another user, or becomes one, may open /dev/stdout. No other process
            // gets at the pipe: /proc hides another user's descriptors. But of several services that feed
            // one, none may read what the others write.
            let reader = self.plan.spec(service_of(number));
            let reader = (stream.redirect == Redirect::Fed).then(|| process::user_of(reader));
            raw::open_to_all(stream.ends[1], reader);
            for end in &mut stream.ends {
                *end = reactor.own(*end);
            }
            if let (Some(sink), 1..) = (self.sinks.get_mut(stream.sink as usize), stream.sink) {
                sink.refresh();
                watch(stream, number, EventFlags::IN, reactor);
            }
            if reactor.fault != Errno(0) {
                stream.ends.iter_mut().for_each(shut);
            }
        }
        // From here on a new process has it, which ends its lines itself.
        stream.closing = false;
        stream.ends[end & 1]
    }

    /// No service feeds this one any more: it reads end-of-file once the last writer has ended. The read
    /// end is kept: if it is started again it reads what is left, and then end-of-file, too.
    pub fn close_input(&mut self, service: Place) {
        if let Some(feed) = self.streams.get_mut(number_of(service.into(), 0)) {
            shut(&mut feed.ends[1]);
        }
    }
}

/// Closes an end of a stream's pipe, if it is open.
#[inline(never)]
fn shut(end: &mut c_int) {
    let fd = take(end);
    if fd > 0 {
        raw::close(fd as usize);
    }
}
