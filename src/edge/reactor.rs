//! Waiting: for signals, for the earliest deadline, and for descriptors. Nothing polls; an idle container
//! costs no wake-up and no system call.
//!
//! Signals are taken one by one with rt_sigtimedwait(2), which needs no descriptor and is quicker than a
//! signalfd. Only when something else is watched, too, does a signalfd report them to epoll(7): a plan whose
//! services are only started and stopped has nothing to watch, and pays for neither.

use core::ffi::c_int;
use core::mem::take;

use linux_raw_sys::general::{EPOLL_CTL_ADD, EPOLL_CTL_MOD, epoll_event};
use rustix::event::epoll::EventFlags;

use super::raw::{self, NO_SIGNAL, Pending};
use pidlet::words::errno::Errno;
use pidlet::words::signal::SignalSet;
use pidlet::words::time::{Instant, NEVER};

/// How many events one wait takes at most.
const BATCH: usize = 8;

/// The lowest descriptor that is not a standard stream.
const FIRST_OWN: c_int = 3;

/// No descriptor.
pub const NONE: c_int = -1;

/// Waits for signals, deadlines and descriptors.
pub struct Reactor {
    /// Code and data that need not be in memory while nothing happens; `None` once they were given back.
    constants: Option<&'static [(usize, usize); 2]>,
    /// The epoll instance once something is watched, or [`NONE`].
    epoll: c_int,
    /// The error when opening or watching a descriptor last failed.
    pub fault: Errno,
    /// The highest descriptor that was ever ours.
    pub last: c_int,
    events: [epoll_event; BATCH],
    /// How many of the events are still to be handed out.
    ready: usize,
    /// The last wait found something other than signals.
    pub busy: bool,
}

/// What woke us: the kind of descriptor, and which one of that kind.
#[derive(Clone, Copy)]
pub struct Token(pub FdKind, pub u32);

/// The kind of a descriptor that is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FdKind {
    /// The signalfd.
    Signals,
    /// The socket of sd_notify(3).
    Notify,
    /// A stream of a service: `4 * place` for standard input, the outputs behind it.
    Output,
    /// A sink that was full.
    Sink,
    /// The pipe on which a service reports readiness (`ready = fd:N`).
    ReadyPipe,
    /// The connection with which a service is checked.
    Check,
}

const FD_KINDS: [FdKind; 6] = [
    FdKind::Signals,
    FdKind::Notify,
    FdKind::Output,
    FdKind::Sink,
    FdKind::ReadyPipe,
    FdKind::Check,
];

impl Token {
    /// What the kernel keeps for us.
    fn data(self) -> u64 {
        (self.0 as u64) << 32 | u64::from(self.1)
    }

    fn of(data: u64) -> Option<Token> {
        let kind = *FD_KINDS.get((data >> 32) as usize)?;
        Some(Token(kind, data as u32))
    }
}

impl Reactor {
    /// A reactor that has opened nothing yet: signals are blocked and wait for us anyway, and what is opened
    /// after the first start does not delay it.
    ///
    /// `constants` are the program's segments that are never written to.
    #[inline(never)]
    pub const fn new(constants: &'static [(usize, usize); 2]) -> Reactor {
        Reactor {
            constants: Some(constants),
            epoll: NONE,
            fault: Errno(0),
            last: NONE,
            events: [NO_EVENT; BATCH],
            ready: 0,
            busy: false,
        }
    }

    /// Takes a descriptor as ours, clear of the standard streams; or keeps the error, and returns [`NONE`].
    #[inline(never)]
    pub fn own(&mut self, fd: c_int) -> c_int {
        let own = move_above_stdio(fd);
        self.last = self.last.max(own);
        if own < 0 {
            self.fault = raw::errno(own as isize);
            return NONE;
        }
        own
    }

    /// Keeps the error of what could not be done; returns whether it was done.
    pub fn note(&mut self, done: Result<(), Errno>) -> bool {
        done.map_err(|errno| self.fault = errno).is_ok()
    }

    /// From now on [`Reactor::woken`] reports when this descriptor is ready for what the flags say, or
    /// nothing more if there are none. False if the kernel gives us no epoll, or no room in it; or for a file
    /// on disk, which is always ready and cannot be watched.
    #[inline(never)]
    pub fn watch(&mut self, fd: c_int, token: Token, flags: EventFlags) -> bool {
        // Changing an entry takes no memory in the kernel, so it cannot fail.
        self.begin()
            && (self.control(EPOLL_CTL_ADD, fd, token, flags)
                || self.fault == Errno::EXIST && self.control(EPOLL_CTL_MOD, fd, token, flags))
    }

    /// Makes an epoll instance that watches a signalfd, if there is none; returns whether there is one.
    #[inline(never)]
    fn begin(&mut self) -> bool {
        if self.epoll == NONE {
            let signals = self.own(raw::signalfd());
            if signals == NONE {
                return false;
            }
            self.epoll = self.own(raw::epoll_create());
            if self.epoll == NONE
                || !self.control(
                    EPOLL_CTL_ADD,
                    signals,
                    Token(FdKind::Signals, 0),
                    EventFlags::IN,
                )
            {
                raw::close(signals as usize);
                raw::close(core::mem::replace(&mut self.epoll, NONE) as usize);
            }
        }
        self.epoll != NONE
    }

    #[inline(never)]
    fn control(&mut self, operation: u32, fd: c_int, token: Token, flags: EventFlags) -> bool {
        let done = raw::epoll_control(self.epoll, operation, fd, flags.bits(), token.data());
        self.note(done)
    }

    /// A descriptor that became ready in the last wait; to be called until there is none.
    pub fn woken(&mut self) -> Option<Token> {
        self.ready = self.ready.checked_sub(1)?;
        let event = self.events.get(self.ready)?;
        Token::of(event.data)
    }

    /// Whether the last wait was interrupted because we were stopped, traced or frozen: it is not known then
    /// what is ready.
    pub fn interrupted(&self) -> bool {
        self.ready != 0
    }

    /// Waits for what is watched. Returns whether there may be a signal.
    fn wait_all(&mut self, timeout_ms: Option<u64>) -> bool {
        self.ready = raw::epoll_wait(self.epoll, &mut self.events, timeout_ms);
        let mut signals = false;
        for event in self.events.iter().take(self.ready) {
            signals |= event.data == Token(FdKind::Signals, 0).data();
        }
        self.busy = self.ready > usize::from(signals);
        // If more is ready than was asked for, a signal may be behind all of it.
        signals | (self.ready == BATCH)
    }

    /// Waits for one of these signals, or for what is watched, until `deadline`. The signal, if there is one.
    pub fn wait(&mut self, deadline: Instant, signals: SignalSet) -> Pending {
        // Rounded up, since the clock is rounded down: what is due then is due when we are back.
        let timeout = (deadline != NEVER).then(|| deadline.since(now()).0);
        let mut idle = None;
        let mut at_most = timeout;
        if self.epoll != NONE {
            if !self.wait_all(timeout) {
                return NO_SIGNAL;
            }
            at_most = Some(0);
        } else if timeout.is_none() {
            // What the start needed is not needed as long as nothing happens.
            idle = self.constants.take();
        }
        loop {
            // SAFETY: the segments are the program's own, mapped from its file and never written to.
            let pending = unsafe { raw::wait_signal(signals, at_most, take(&mut idle)) };
            if pending.number != 0 || at_most == Some(0) {
                return pending;
            }
            // Stopping, tracing or freezing us interrupts the call, which means nothing by itself; but a
            // signal that has arrived meanwhile is there to be taken.
            at_most = at_most.map(|_| 0);
        }
    }
}

/// Waits `ms` for one of these signals, and for nothing else.
#[inline(never)]
pub fn pause(ms: u64, signals: SignalSet) -> Pending {
    // SAFETY: no segments.
    unsafe { raw::wait_signal(signals, Some(ms), None) }
}

const NO_EVENT: epoll_event = epoll_event { events: 0, data: 0 };

/// A descriptor of ours, moved if it has the number of a standard stream, which was closed then: what is
/// written to standard error must not go here. An error's negated number stays what it is.
pub fn move_above_stdio(fd: c_int) -> c_int {
    if !(0..FIRST_OWN).contains(&fd) {
        return fd;
    }
    let copy = raw::duplicate(fd, FIRST_OWN);
    raw::close(fd as usize);
    copy
}

/// The time on the monotonic clock.
pub fn now() -> Instant {
    Instant(raw::clock_ms())
}
