//! Waiting: for signals, or for the earliest deadline. Nothing polls; an idle container costs no
//! wake-up and no system call.
//!
//! Signals come in batches from a signalfd. Where there is no descriptor to be had (an
//! `RLIMIT_NOFILE` that is used up), rt_sigtimedwait(2) brings them one by one.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;

use super::raw::{self, Pending};
use pidlet::words::time::{Instant, Span};

/// How many signals one read takes at most.
const BATCH: usize = 8;
/// The bytes of a signalfd_siginfo, signalfd(2), on every architecture.
const SIGINFO_BYTES: usize = 128;

/// The lowest descriptor that is not one of the three that every program knows.
const FIRST_OWN: c_int = 3;

/// Brings signals.
pub struct Reactor {
    /// The signalfd, once it is open; [`NONE`] where there is none to be had.
    fd: Option<c_int>,
}

const NONE: c_int = -1;

impl Reactor {
    /// A reactor that has opened nothing yet: signals are blocked and wait for us anyway, and what
    /// is done after the first start does not hold it up.
    pub const fn new() -> Reactor {
        Reactor { fd: None }
    }

    /// The signalfd, opened at first use.
    pub fn fd(&mut self) -> Option<c_int> {
        let fd = *self.fd.get_or_insert_with(|| open().unwrap_or(NONE));
        if fd == NONE { None } else { Some(fd) }
    }

    /// Pending signals, after waiting for the first one until `deadline`.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Batch {
        let mut batch = Batch {
            signals: [Pending { number: 0, code: 0 }; BATCH],
            len: 0,
        };
        // Rounded up as it is in whole milliseconds: what is due then is due when we are back.
        let timeout = deadline.map(|deadline| deadline.since(now()));
        let Some(fd) = self.fd() else {
            if let Some(signal) = raw::wait_signal(timeout.map(|span| span.0)) {
                batch.add(signal);
            }
            return batch;
        };
        // SAFETY: the descriptor is ours and stays open.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        if timeout.is_some_and(|timeout| !readable(fd, timeout)) {
            return batch;
        }
        let mut buffer = [MaybeUninit::<[u8; SIGINFO_BYTES]>::uninit(); BATCH];
        // SAFETY: bytes need no initialisation to be written to.
        let bytes = unsafe {
            core::slice::from_raw_parts_mut(
                buffer.as_mut_ptr().cast::<MaybeUninit<u8>>(),
                BATCH * SIGINFO_BYTES,
            )
        };
        let Ok((read, _)) = rustix::io::read(fd, bytes) else {
            return batch;
        };
        for info in read.chunks_exact(SIGINFO_BYTES) {
            // ssi_signo and ssi_code.
            let word = |at: usize| [info[at], info[at + 1], info[at + 2], info[at + 3]];
            let (number, code) = (u32::from_ne_bytes(word(0)), i32::from_ne_bytes(word(8)));
            batch.add(Pending { number, code });
        }
        batch
    }
}

/// Signals that were waiting.
pub struct Batch {
    signals: [Pending; BATCH],
    len: usize,
}

impl Batch {
    /// The signals.
    pub fn signals(&self) -> &[Pending] {
        &self.signals[..self.len]
    }

    fn add(&mut self, signal: Pending) {
        if let Some(slot) = self.signals.get_mut(self.len) {
            *slot = signal;
            self.len += 1;
        }
    }
}

fn open() -> Option<c_int> {
    let fd = raw::signalfd().ok()?;
    if fd >= FIRST_OWN {
        return Some(fd);
    }
    // One of the three was closed. What is written to standard error must not come here.
    // SAFETY: the descriptor is open and ours.
    let copy = unsafe { rustix::io::fcntl_dupfd_cloexec(BorrowedFd::borrow_raw(fd), FIRST_OWN) };
    raw::close(fd as usize);
    copy.ok().map(rustix::fd::IntoRawFd::into_raw_fd)
}

fn readable(fd: BorrowedFd, timeout: Span) -> bool {
    let time = Timespec {
        tv_sec: (timeout.0 / 1000).min(i32::MAX as u64) as _,
        tv_nsec: (timeout.0 % 1000 * 1_000_000) as _,
    };
    matches!(
        poll(
            &mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)],
            Some(&time)
        ),
        Ok(1)
    )
}

/// The time.
pub fn now() -> Instant {
    Instant(raw::clock_ms())
}
