//! What is left to do once everything has been started: let go of what an init must not hold.

use core::ffi::c_int;

use super::{files, raw};

/// The standard streams stay.
const FIRST_INHERITED: c_int = 3;

/// Changes to `/` and closes every inherited descriptor from 3 on, so that the directory that we were started
/// in can be unmounted, and an inherited pipe comes to its end. None of our own is above `last`.
pub fn release_inherited(last: c_int) {
    // A root that may not be entered is no reason to die.
    _ = raw::chdir(c"/");
    close_inherited(last);
}

/// Closes every inherited descriptor from 3 on, unless it was made ours since. None of ours is above `last`.
pub fn close_inherited(last: c_int) {
    let behind = last.max(FIRST_INHERITED - 1) + 1;
    for fd in FIRST_INHERITED..behind {
        close_if_inherited(fd);
    }
    if !raw::close_range(behind, c_int::MAX) {
        // Before Linux 5.9, and where a seccomp profile knows no close_range(2): only what is open,
        // never every number up to the limit, which may be a billion.
        files::numbers(c"/proc/self/fd", &mut |fd| close_if_inherited(fd as c_int));
    }
}

/// Closes a descriptor that is neither a standard stream nor ours: all of ours are closed on exec, and one
/// that came through an exec is not.
fn close_if_inherited(fd: c_int) {
    if fd >= FIRST_INHERITED && raw::is_inherited(fd) {
        raw::close(fd as usize);
    }
}
