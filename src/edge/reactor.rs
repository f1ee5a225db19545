//! Waiting: for signals, for the earliest deadline, or for what somebody watches. Nothing polls; an
//! idle container costs no wake-up and no system call.
//!
//! A plan whose services are only started and stopped has nothing to watch, and pays for no epoll.
//!
//! Signals come in batches from a signalfd. Where there is a deadline, before the signalfd is open,
//! and where there is no descriptor to be had (an `RLIMIT_NOFILE` that is used up),
//! rt_sigtimedwait(2) brings them one by one.

use core::ffi::c_int;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{BorrowedFd, IntoRawFd};

use super::raw::{self, Pending};
use pidlet::words::time::Instant;

/// How many signals one read takes at most.
const BATCH: usize = 8;

/// The lowest descriptor that is not one of the three that every program knows.
const FIRST_OWN: c_int = 3;

/// No descriptor.
pub const NONE: c_int = -1;

/// Brings signals.
pub struct Reactor {
    /// The signalfd, or [`NONE`].
    fd: c_int,
    /// Code and data that need not be in memory while nothing happens; nothing once they were
    /// given back.
    constants: Option<[(usize, usize); 2]>,
    /// The epoll instance once somebody watches something, or [`NONE`].
    epoll: c_int,
    events: [Event; BATCH],
    /// How many of the events are still to be handed out.
    ready: usize,
}

/// What woke us, beside signals: whose descriptor it is, and which of his.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The signalfd.
    Signals,
    /// A stream of a service, `2 * place` for standard output and one more for standard error.
    Output(u32),
    /// Our standard output or error, which was full.
    Sink(u32),
    /// The pipe that a service says `ready = fd:N` with.
    ReadyPipe(u32),
    /// The socket of sd_notify(3).
    Notify,
    /// The connection with which a service is checked.
    Check(u32),
}

impl Token {
    fn data(self) -> EventData {
        let (kind, number) = match self {
            Token::Signals => (0, 0),
            Token::Output(number) => (1, number),
            Token::Sink(number) => (2, number),
            Token::ReadyPipe(number) => (3, number),
            Token::Notify => (4, 0),
            Token::Check(number) => (5, number),
        };
        EventData::new_u64(kind << 32 | u64::from(number))
    }

    fn of(data: EventData) -> Token {
        let number = data.u64() as u32;
        match data.u64() >> 32 {
            0 => Token::Signals,
            1 => Token::Output(number),
            2 => Token::Sink(number),
            3 => Token::ReadyPipe(number),
            4 => Token::Notify,
            _ => Token::Check(number),
        }
    }
}

impl Reactor {
    /// A reactor that has opened nothing yet: signals are blocked and wait for us anyway, and what
    /// is done after the first start does not hold it up.
    ///
    /// `constants` are the program's segments that are never written to.
    pub const fn new(constants: [(usize, usize); 2]) -> Reactor {
        Reactor {
            fd: NONE,
            constants: Some(constants),
            epoll: NONE,
            events: [NO_EVENT; BATCH],
            ready: 0,
        }
    }

    /// Opens the signalfd if it is not open; it is returned.
    pub fn open(&mut self) -> c_int {
        if self.fd == NONE {
            self.fd = raw::signalfd().map_or(NONE, away_from_the_three);
        }
        self.fd
    }

    /// From now on [`Reactor::woken`] tells when this descriptor is ready. False where the kernel
    /// gives us no epoll, or no room in it; a file on disk is always ready and cannot be watched.
    pub fn watch(&mut self, fd: BorrowedFd, token: Token, flags: EventFlags) -> bool {
        if self.epoll == NONE {
            let Ok(epoll) = epoll::create(CreateFlags::CLOEXEC) else {
                return false;
            };
            self.epoll = away_from_the_three(epoll.into_raw_fd());
            let signals = self.open();
            // SAFETY: the signalfd is open for as long as we live; without one this fails.
            let signals = unsafe { BorrowedFd::borrow_raw(signals.max(0)) };
            if self.fd == NONE || !self.watch(signals, Token::Signals, EventFlags::IN) {
                raw::close(self.epoll as usize);
                self.epoll = NONE;
                return false;
            }
        }
        epoll::add(self.instance(), fd, token.data(), flags).is_ok()
    }

    /// Watches a descriptor that is watched for these flags from now on, or for nothing if there
    /// are none.
    pub fn change(&self, fd: BorrowedFd, token: Token, flags: EventFlags) {
        // It takes nothing of the kernel, so that it cannot fail.
        let _ = epoll::modify(self.instance(), fd, token.data(), flags);
    }

    /// This descriptor is watched no more.
    pub fn unwatch(&mut self, fd: BorrowedFd) {
        if self.epoll != NONE {
            let _ = epoll::delete(self.instance(), fd);
        }
    }

    /// Whose descriptor became ready in the last wait; again and again until there is none.
    pub fn woken(&mut self) -> Option<Token> {
        self.ready = self.ready.checked_sub(1)?;
        let event = self.events.get(self.ready)?;
        Some(Token::of(event.data))
    }

    /// The highest descriptor that we hold.
    pub fn last(&self) -> c_int {
        self.fd.max(self.epoll)
    }

    fn instance(&self) -> BorrowedFd<'static> {
        // SAFETY: asked for only once it is open, which it stays for as long as we live.
        unsafe { BorrowedFd::borrow_raw(self.epoll) }
    }

    /// Waits for what is watched. Whether a signal is there.
    fn wait_all(&mut self, deadline: Option<Instant>) -> bool {
        let timeout = deadline.map(|deadline| deadline.since(now()).0);
        let count = raw::epoll_wait(self.epoll, &mut self.events, timeout);
        self.ready = count;
        let events = self.events.get_mut(..count).unwrap_or(&mut []);
        let signals = |event: &Event| Token::of(event.data) == Token::Signals;
        let Some(place) = events.iter().position(signals) else {
            return false;
        };
        // What remains is for others.
        events.swap(place, count - 1);
        self.ready -= 1;
        true
    }

    /// Pending signals, after waiting for the first one until `deadline`.
    pub fn wait<'b>(&mut self, deadline: Option<Instant>, batch: &'b mut Batch) -> &'b [Pending] {
        let count = if self.epoll != NONE {
            if self.wait_all(deadline) {
                raw::read_signals(self.fd, batch)
            } else {
                0
            }
        } else if deadline.is_none() && self.fd != NONE {
            match self.constants.take() {
                // What the start needed is needed no more, for as long as nothing happens.
                // SAFETY: the segments are the program's, which nobody may write to.
                Some(constants) => unsafe {
                    raw::read_signals_from_idle(self.fd, batch, &constants)
                },
                None => raw::read_signals(self.fd, batch),
            }
        } else {
            // Rounded up as it is in whole milliseconds: what is due then is due when we are back.
            let timeout = deadline.map(|deadline| deadline.since(now()).0);
            let [first, ..] = batch;
            usize::from(raw::wait_signal(first, timeout))
        };
        batch.get(..count).unwrap_or(&[])
    }
}

const NO_EVENT: Event = Event {
    flags: EventFlags::empty(),
    data: EventData::new_u64(0),
};

/// Room for the signals of one wait.
pub type Batch = [Pending; BATCH];

/// An empty batch.
pub const NO_SIGNALS: Batch = [Pending::NONE; BATCH];

/// A descriptor of ours, moved if it is one of the three that every program knows, which was closed
/// then: what is written to standard error must not come here.
pub fn away_from_the_three(fd: c_int) -> c_int {
    if fd >= FIRST_OWN {
        return fd;
    }
    // SAFETY: the descriptor is open and ours.
    let copy = unsafe { rustix::io::fcntl_dupfd_cloexec(BorrowedFd::borrow_raw(fd), FIRST_OWN) };
    raw::close(fd as usize);
    copy.map_or(NONE, IntoRawFd::into_raw_fd)
}

/// The time.
pub fn now() -> Instant {
    Instant(raw::clock_ms())
}
