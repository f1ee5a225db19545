//! The kernel's own files, which tell what no system call does, and the files of a plan.

use core::ffi::{CStr, c_int};

use linux_raw_sys::general::{O_DIRECTORY, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG};

use super::{arena, raw};
use pidlet::words::errno::Errno;
use pidlet::words::text;

/// The beginning of a file: as much as `buffer` takes; nothing if it cannot be read.
#[inline(never)]
pub fn read<'b>(path: &CStr, buffer: &'b mut [u8]) -> &'b [u8] {
    // If it cannot be opened the rest fails, too, which does no harm.
    let file = raw::open(path, 0);
    let len = raw::read(file, buffer).max(0) as usize;
    raw::close(file as usize);
    buffer.get(..len).unwrap_or(&[])
}

/// A whole file, for as long as we live. What is not a regular file (a directory, a pipe, a device) is
/// refused, and never waited for; but `/dev/null` counts as an empty one.
pub fn whole(path: &CStr) -> Result<&'static [u8], Errno> {
    let file = raw::open(path, 0);
    if file < 0 {
        return Err(raw::errno(file as isize));
    }
    let text = read_whole(file);
    raw::close(file as usize);
    text
}

fn read_whole(file: c_int) -> Result<&'static [u8], Errno> {
    let about = raw::status(file, c"", 0);
    match about.st_mode & S_IFMT {
        S_IFREG => (),
        S_IFCHR if about.st_rdev == DEV_NULL => (),
        S_IFDIR => return Err(Errno::ISDIR),
        _ => return Err(Errno::INVAL),
    }
    // The kernel's own files have size 0. A file that grows while it is read is read up to its old size.
    let mut size = usize::try_from(about.st_size).map_err(|_| Errno::FBIG)?;
    if size == 0 {
        size = UNKNOWN_SIZE;
    }
    let text = arena::bytes(size);
    let mut len = 0;
    while let Some(rest) = text.get_mut(len..) {
        match raw::read(file, rest) {
            0 => break,
            read @ 1.. => len += read as usize,
            error => match raw::errno(error) {
                Errno::INTR => (),
                errno => return Err(errno),
            },
        }
    }
    Ok(text.get(..len).unwrap_or(&[]))
}

/// The device number of `/dev/null` (null(4)).
const DEV_NULL: u64 = 0x103;

/// Room for a file whose size is not known.
const UNKNOWN_SIZE: usize = 4096;

/// Calls `each` with the name of every regular file in a directory that is not hidden; with `programs`, only
/// of those that we may execute.
pub fn list(path: &CStr, programs: bool, each: &mut dyn FnMut(&[u8])) -> Result<(), Errno> {
    entries(path, &mut |directory, name| {
        let hidden = name.to_bytes().starts_with(b".");
        if !hidden
            && raw::is_regular(&raw::status(directory, name, 0))
            && (!programs || raw::may_execute(directory, name))
        {
            each(name.to_bytes());
        }
    })
}

/// Calls `each` for every entry of a directory that is a number. False if it cannot be read.
pub fn numbers(path: &CStr, each: &mut dyn FnMut(u32)) -> bool {
    let all = entries(path, &mut |_, name| {
        if let Some(number @ 0..=0xffff_ffff) = text::number(name.to_bytes()) {
            each(number as u32);
        }
    });
    all.is_ok()
}

/// Calls `each` for every entry of a directory, with the descriptor that it is read through.
fn entries(path: &CStr, each: &mut dyn FnMut(c_int, &CStr)) -> Result<(), Errno> {
    // struct linux_dirent64 (getdents64(2)): two numbers of 64 bits, the entry's length, a byte for
    // its type, its name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let directory = raw::open(path, O_DIRECTORY);
    let mut entries = [0; 256];
    let mut len = directory as isize;
    while len >= 0 {
        len = raw::read_directory(directory, &mut entries);
        if len <= 0 {
            raw::close(directory as usize);
            break;
        }
        let mut entry = entries.as_ptr().cast::<u8>();
        let end = entry.wrapping_offset(len);
        while entry < end {
            // SAFETY: the kernel wrote whole entries up to there, each a multiple of 8 bytes.
            unsafe {
                each(directory, CStr::from_ptr(entry.add(NAME).cast()));
                entry = entry.add(usize::from(*entry.add(LENGTH).cast::<u16>()));
            }
        }
    }
    if len < 0 {
        Err(raw::errno(len))
    } else {
        Ok(())
    }
}
