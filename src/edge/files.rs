//! The kernel's own files, which tell what no system call does.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use pidlet::words::text;

/// Opens a file that is there, not to be inherited.
pub fn open(path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// The beginning of a file: as much as `buffer` takes.
pub fn read<'b>(path: &CStr, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let file = open(path, OFlags::RDONLY).ok()?;
    let len = rustix::io::read(&file, &mut *buffer).ok()?;
    buffer.get(..len)
}

/// Calls `each` for every entry of a directory that is a number, with the descriptor that we read
/// the directory through. False if it cannot be read.
pub fn numbers(path: &CStr, each: &mut dyn FnMut(u32, c_int)) -> bool {
    let Ok(directory) = open(path, OFlags::RDONLY | OFlags::DIRECTORY) else {
        return false;
    };
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let number = text::number(entry.file_name().to_bytes());
        if let Some(number) = number.and_then(|number| u32::try_from(number).ok()) {
            each(number, directory.as_raw_fd());
        }
    }
    true
}
