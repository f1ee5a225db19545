//! What is left to do once everything has been started: let go of what an init must not hold.

use core::ffi::c_int;

use super::{files, raw};

/// The standard streams stay.
const FIRST_INHERITED: c_int = 3;

/// Changes to `/` and closes every descriptor from 3 on but those in `keep`, in ascending order: a
/// directory that we were started in can be unmounted, and a pipe that we were born with comes to
/// its end.
pub fn settle(keep: [c_int; 2]) {
    // A root that may not be entered is no reason to die.
    let _ = rustix::process::chdir(c"/");
    close_from(FIRST_INHERITED, keep);
}

/// Closes every descriptor from `first` on, at least 3, but those in `keep`, in ascending order.
pub fn close_from(mut first: c_int, keep: [c_int; 2]) {
    let from = first;
    let mut closed = true;
    for fd in keep {
        if fd >= first {
            closed &= fd == first || raw::close_range(first, fd - 1);
            first = fd + 1;
        }
    }
    if !closed || !raw::close_range(first, c_int::MAX) {
        close_each(from, keep);
    }
}

/// Before Linux 5.9, and where a seccomp profile knows no close_range(2): only what is open, never
/// every number up to the limit, which may be a billion.
fn close_each(from: c_int, keep: [c_int; 2]) {
    files::numbers(c"/proc/self/fd", &mut |fd, directory| {
        let fd = fd as c_int;
        if fd >= from && fd != directory && !keep.contains(&fd) {
            raw::close(fd as usize);
        }
    });
}
