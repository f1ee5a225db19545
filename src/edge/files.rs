//! The kernel's own files, which tell what no system call does.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, RawDir, accessat};
use rustix::io::Errno;

use super::arena;
use pidlet::words::text;

/// Opens a file that is there, not to be inherited.
pub fn open(path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// The beginning of a file: as much as `buffer` takes. A pipe is not waited for.
pub fn read<'b>(path: &CStr, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let file = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).ok()?;
    let len = rustix::io::read(&file, &mut *buffer).ok()?;
    buffer.get(..len)
}

/// A whole file, for as long as we live. What is no file (a directory, a pipe, a device) is refused,
/// and never waited for.
pub fn whole(path: &CStr) -> Result<&'static [u8], pidlet::words::errno::Errno> {
    read_whole(path).map_err(words_errno)
}

/// The same error in our own words.
pub fn words_errno(error: Errno) -> pidlet::words::errno::Errno {
    pidlet::words::errno::Errno(error.raw_os_error() as u16)
}

fn read_whole(path: &CStr) -> Result<&'static [u8], Errno> {
    let file = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    let about = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(about.st_mode) {
        FileType::RegularFile => (),
        FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::INVAL),
    }
    // The kernel's own files are as large as nothing until they are read. A file that grows while
    // it is read is read as far as it was.
    let size = usize::try_from(about.st_size).map_err(|_| Errno::FBIG)?;
    let text = arena::array(0_u8, size.max(UNKNOWN_SIZE));
    let mut len = 0;
    while let Some(room) = text.get_mut(len..).filter(|room| !room.is_empty()) {
        match rustix::io::read(&file, room) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(Errno::INTR) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(text.get(..len).unwrap_or(&[]))
}

/// Room for a file whose size nobody knows.
const UNKNOWN_SIZE: usize = 4096;

/// Calls `each` with the name of every file in a directory that is not hidden; if `programs`, only
/// of those that we may execute.
pub fn list(
    path: &CStr,
    programs: bool,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), pidlet::words::errno::Errno> {
    let mut list = || {
        let directory = open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); 2048];
        let mut entries = RawDir::new(&directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            let about = rustix::fs::statat(&directory, name, AtFlags::empty());
            let file = about
                .is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::RegularFile);
            let hidden = name.to_bytes().first() == Some(&b'.');
            let may =
                !programs || accessat(&directory, name, Access::EXEC_OK, AtFlags::empty()).is_ok();
            if file && !hidden && may {
                each(name.to_bytes());
            }
        }
        Ok(())
    };
    list().map_err(words_errno)
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
