//! Waiting: for signals, or for the earliest deadline. Nothing polls; an idle container costs no
//! wake-up and no system call.
//!
//! Signals come in batches from a signalfd. Where there is a deadline, before the signalfd is open,
//! and where there is no descriptor to be had (an `RLIMIT_NOFILE` that is used up),
//! rt_sigtimedwait(2) brings them one by one.

use core::ffi::c_int;

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
        }
    }

    /// Opens the signalfd, which is returned.
    pub fn open(&mut self) -> c_int {
        self.fd = raw::signalfd().map_or(NONE, away_from_the_three);
        self.fd
    }

    /// Pending signals, after waiting for the first one until `deadline`.
    pub fn wait<'b>(&mut self, deadline: Option<Instant>, batch: &'b mut Batch) -> &'b [Pending] {
        let count = if deadline.is_none() && self.fd != NONE {
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

/// Room for the signals of one wait.
pub type Batch = [Pending; BATCH];

/// An empty batch.
pub const NO_SIGNALS: Batch = [Pending::NONE; BATCH];

/// One of the three was closed. What is written to standard error must not come here.
fn away_from_the_three(fd: c_int) -> c_int {
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
