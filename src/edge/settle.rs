//! What is left to do once everything has been started: let go of what an init must not hold.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use rustix::fs::{Mode, OFlags, RawDir, open};

use super::raw;
use pidlet::words::text;

/// The standard streams stay.
const FIRST_INHERITED: c_int = 3;

/// Changes to `/` and closes every descriptor from 3 on but those in `keep`, in ascending order: a
/// directory that we were started in can be unmounted, and a pipe that we were born with comes to
/// its end.
pub fn settle(keep: &[Option<c_int>]) {
    // A root that may not be entered is no reason to die.
    let _ = rustix::process::chdir(c"/");
    let mut first = FIRST_INHERITED;
    for &fd in keep.iter().flatten().filter(|fd| **fd >= FIRST_INHERITED) {
        if first < fd && raw::close_range(first as u32, fd as u32 - 1).is_err() {
            return close_each(keep);
        }
        first = fd + 1;
    }
    if raw::close_range(first as u32, u32::MAX).is_err() {
        close_each(keep);
    }
}

/// Before Linux 5.9, and where a seccomp profile knows no close_range(2): only what is open, never
/// every number up to the limit, which may be a billion.
fn close_each(keep: &[Option<c_int>]) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = open(c"/proc/self/fd", flags, Mode::empty()) else {
        return;
    };
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(&directory, &mut buffer);
    let own = rustix::fd::AsRawFd::as_raw_fd(&directory);
    while let Some(Ok(entry)) = entries.next() {
        let number = text::number(entry.file_name().to_bytes());
        let Some(fd) = number.and_then(|number| c_int::try_from(number).ok()) else {
            continue;
        };
        if fd >= FIRST_INHERITED && fd != own && !keep.contains(&Some(fd)) {
            raw::close(fd as usize);
        }
    }
}
