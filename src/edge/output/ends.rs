//! What a service has for its three standard streams.

use core::ffi::c_int;
use core::mem::take;

use linux_raw_sys::general::{O_RDONLY, O_RDWR};
use rustix::event::epoll::EventFlags;

use super::{Outputs, STREAMS, Way, key, number_of, service_of, watch};
use crate::edge::reactor::{NONE, Reactor};
use crate::edge::{process, raw};
use pidlet::plan::{Key, Place, StartFault, Step};
use pidlet::words::errno::Errno;

impl Outputs<'_> {
    /// What a service's three standard streams are to be: [`NONE`] for what we have. To be asked
    /// before each of its starts. Nothing is wrong with the reactor then.
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
                    && self.plan.spec(service_of(number)).number(Key::Tty) == 0 =>
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
            let reader = self.plan.spec(service_of(number));
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

    /// Nobody feeds a service any more: it reads the end of its input once those who write have
    /// ended. The other end is kept: one that is started again reads what is left, and comes to its end, too.
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
