//! Waiting: for signals, for the earliest deadline, or for what somebody watches. Nothing polls; an
//! idle container costs no wake-up and no system call.
//!
//! Signals come one by one from rt_sigtimedwait(2), which takes no descriptor and is quicker than a
//! signalfd. Only where something else is watched, too, a signalfd tells epoll(7) of them: a plan whose
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

/// The lowest descriptor that is not one of the three that every program knows.
const FIRST_OWN: c_int = 3;

/// No descriptor.
pub const NONE: c_int = -1;

/// Brings signals.
pub struct Reactor {
    /// Code and data that need not be in memory while nothing happens; nothing once they were
    /// given back.
    constants: Option<&'static [(usize, usize); 2]>,
    /// The epoll instance once somebody watches something, or [`NONE`].
    epoll: c_int,
    /// Why nothing could be opened or watched the last time that it could not.
    pub fault: Errno,
    /// The highest descriptor that was ever ours.
    pub last: c_int,
    events: [epoll_event; BATCH],
    /// How many of the events are still to be handed out.
    ready: usize,
    /// In the last wait there was something else than signals.
    pub busy: bool,
}

/// What woke us: whose descriptor it is, and which of his.
#[derive(Clone, Copy)]
pub struct Token(pub Whose, pub u32);

/// Whose descriptor something is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The signalfd.
    Signals,
    /// The socket of sd_notify(3).
    Notify,
    /// A stream of a service, `4 * place` for standard input, and the outputs behind it.
    Output,
    /// Our standard output or error, which was full.
    Sink,
    /// The pipe that a service says `ready = fd:N` with.
    ReadyPipe,
    /// The connection with which a service is checked.
    Check,
}

const ALL: [Whose; 6] = [
    Whose::Signals,
    Whose::Notify,
    Whose::Output,
    Whose::Sink,
    Whose::ReadyPipe,
    Whose::Check,
];

impl Token {
    /// What the kernel keeps for us.
    fn data(self) -> u64 {
        (self.0 as u64) << 32 | u64::from(self.1)
    }

    fn of(data: u64) -> Option<Token> {
        let whose = *ALL.get((data >> 32) as usize)?;
        Some(Token(whose, data as u32))
    }
}

impl Reactor {
    /// A reactor that has opened nothing yet: signals are blocked and wait for us anyway, and what
    /// is done after the first start does not hold it up.
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

    /// A descriptor of ours, or [`NONE`] and why.
    #[inline(never)]
    pub fn own(&mut self, fd: c_int) -> c_int {
        let own = away_from_the_three(fd);
        self.last = self.last.max(own);
        if own < 0 {
            self.fault = raw::errno(own as isize);
            return NONE;
        }
        own
    }

    /// Keeps why something could not be done; whether it was done.
    pub fn note(&mut self, done: Result<(), Errno>) -> bool {
        done.map_err(|errno| self.fault = errno).is_ok()
    }

    /// From now on [`Reactor::woken`] tells when this descriptor is ready for what the flags say, or
    /// nothing more if there are none. False where the kernel gives us no epoll, or no room in it; a
    /// file on disk is always ready and cannot be watched.
    #[inline(never)]
    pub fn watch(&mut self, fd: c_int, token: Token, flags: EventFlags) -> bool {
        // A change takes nothing of the kernel, so that it cannot fail.
        self.begin()
            && (self.control(EPOLL_CTL_ADD, fd, token, flags)
                || self.fault == Errno::EXIST && self.control(EPOLL_CTL_MOD, fd, token, flags))
    }

    /// Makes an epoll instance that watches a signalfd, if there is none; whether there is one.
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
                    Token(Whose::Signals, 0),
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

    /// Whose descriptor became ready in the last wait; again and again until there is none.
    pub fn woken(&mut self) -> Option<Token> {
        self.ready = self.ready.checked_sub(1)?;
        let event = self.events.get(self.ready)?;
        Token::of(event.data)
    }

    /// Whether whoever stopped, traced or froze us has interrupted the last wait, so that nobody knows yet
    /// what is ready.
    pub fn interrupted(&self) -> bool {
        self.ready != 0
    }

    /// Waits for what is watched. Whether a signal is there.
    fn wait_all(&mut self, timeout_ms: Option<u64>) -> bool {
        self.ready = raw::epoll_wait(self.epoll, &mut self.events, timeout_ms);
        let mut signals = false;
        for event in self.events.iter().take(self.ready) {
            signals |= event.data == Token(Whose::Signals, 0).data();
        }
        self.busy = self.ready > usize::from(signals);
        // Where more is ready than was asked for, a signal would wait behind all of it.
        signals | (self.ready == BATCH)
    }

    /// A pending one of these signals, after waiting for one, or for what is watched, until `deadline`.
    pub fn wait(&mut self, deadline: Instant, signals: SignalSet) -> Pending {
        // Rounded up as it is in whole milliseconds: what is due then is due when we are back.
        let timeout = (deadline != NEVER).then(|| deadline.since(now()).0);
        let mut idle = None;
        let mut at_most = timeout;
        if self.epoll != NONE {
            if !self.wait_all(timeout) {
                return NO_SIGNAL;
            }
            at_most = Some(0);
        } else if timeout.is_none() {
            // What the start needed is needed no more, for as long as nothing happens.
            idle = self.constants.take();
        }
        loop {
            // SAFETY: the segments are the program's, which nobody may write to.
            let pending = unsafe { raw::wait_signal(signals, at_most, take(&mut idle)) };
            if pending.number != 0 || at_most == Some(0) {
                return pending;
            }
            // Whoever stops, traces or freezes us interrupts the call, and means nothing by it; but what
            // has come meanwhile is there.
            at_most = at_most.map(|_| 0);
        }
    }
}

/// Waits so long for one of these signals, and for nothing else.
#[inline(never)]
pub fn pause(ms: u64, signals: SignalSet) -> Pending {
    // SAFETY: no segments.
    unsafe { raw::wait_signal(signals, Some(ms), None) }
}

const NO_EVENT: epoll_event = epoll_event { events: 0, data: 0 };

/// A descriptor of ours, moved if it is one of the three that every program knows, which was closed
/// then: what is written to standard error must not come here. An error's number stays negated.
pub fn away_from_the_three(fd: c_int) -> c_int {
    if !(0..FIRST_OWN).contains(&fd) {
        return fd;
    }
    let copy = raw::duplicate(fd, FIRST_OWN);
    raw::close(fd as usize);
    copy
}

/// The time.
pub fn now() -> Instant {
    Instant(raw::clock_ms())
}
