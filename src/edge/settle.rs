//! What is left to do once everything has been started: let go of what an init must not hold.

use core::ffi::c_int;

use rustix::fd::BorrowedFd;
use rustix::io::FdFlags;

use super::{files, raw};

/// The standard streams stay.
const FIRST_INHERITED: c_int = 3;

/// Changes to `/` and closes every descriptor from 3 on that we were born with: a directory that we
/// were started in can be unmounted, and a pipe that we were given comes to its end. `keep` are
/// those of our own, in ascending order; where there are `more`, each descriptor is looked at.
pub fn settle(keep: [c_int; 2], more: bool) {
    // A root that may not be entered is no reason to die.
    let _ = rustix::process::chdir(c"/");
    close_from(FIRST_INHERITED, keep, more);
}

/// Closes every descriptor from `first` on, at least 3, that we were born with.
pub fn close_from(mut first: c_int, keep: [c_int; 2], more: bool) {
    let from = first;
    let mut closed = !more;
    for fd in keep {
        if fd >= first {
            closed = closed && (fd == first || raw::close_range(first, fd - 1));
            first = fd + 1;
        }
    }
    if !closed || !raw::close_range(first, c_int::MAX) {
        close_each(from);
    }
}

/// Before Linux 5.9, and where a seccomp profile knows no close_range(2): only what is open, never
/// every number up to the limit, which may be a billion. What we were born with has survived an
/// exec; what we opened ourselves would not.
fn close_each(from: c_int) {
    files::numbers(c"/proc/self/fd", &mut |fd, _| {
        let fd = fd as c_int;
        // SAFETY: it is open.
        let flags = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(fd) });
        if fd >= from && flags == Ok(FdFlags::empty()) {
            raw::close(fd as usize);
        }
    });
}
