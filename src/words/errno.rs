//! The kernel's error numbers that an init meets, in words.

use super::text::{leading_number, take};

/// An error number as the kernel gives it, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u16);

/// The texts of strerror(3), one a line behind the number. A number that is not here is shown as
/// a number. One string, because a table of string slices would cost 40 bytes of pointers and
/// relocations a row.
const TEXTS: &str = "1 Operation not permitted
2 No such file or directory
3 No such process
4 Interrupted system call
5 Input/output error
6 No such device or address
7 Argument list too long
8 Exec format error
9 Bad file descriptor
11 Resource temporarily unavailable
12 Cannot allocate memory
13 Permission denied
14 Bad address
16 Device or resource busy
20 Not a directory
21 Is a directory
22 Invalid argument
23 Too many open files in system
24 Too many open files
25 Inappropriate ioctl for device
26 Text file busy
28 No space left on device
30 Read-only file system
36 File name too long
38 Function not implemented
40 Too many levels of symbolic links
80 Accessing a corrupted shared library
116 Stale file handle";

impl Errno {
    /// Operation not permitted.
    pub const PERM: Errno = Errno(1);
    /// No such file or directory.
    pub const NOENT: Errno = Errno(2);
    /// No such process.
    pub const SRCH: Errno = Errno(3);
    /// Interrupted system call.
    pub const INTR: Errno = Errno(4);
    /// Exec format error.
    pub const NOEXEC: Errno = Errno(8);
    /// No child processes.
    pub const CHILD: Errno = Errno(10);
    /// Resource temporarily unavailable.
    pub const AGAIN: Errno = Errno(11);
    /// Permission denied.
    pub const ACCES: Errno = Errno(13);
    /// Invalid argument.
    pub const INVAL: Errno = Errno(22);
    /// File name too long.
    pub const NAMETOOLONG: Errno = Errno(36);
    /// Stale file handle.
    pub const STALE: Errno = Errno(116);
    /// Not a directory.
    pub const NOTDIR: Errno = Errno(20);

    /// What strerror(3) says of it, where we have the text.
    pub fn text(self) -> Option<&'static [u8]> {
        let mut rest = TEXTS.as_bytes();
        while !rest.is_empty() {
            let line = take(&mut rest, b'\n');
            if let Some((number, [b' ', text @ ..])) = leading_number(line) {
                if number == u64::from(self.0) {
                    return Some(text);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn texts_are_those_of_the_system() {
        let mut seen = 0;
        for number in 1..=133 {
            let Some(text) = Errno(number).text() else {
                continue;
            };
            let system = std::io::Error::from_raw_os_error(i32::from(number));
            let mut expected = String::from_utf8(text.to_vec()).unwrap();
            expected.push_str(&std::format!(" (os error {number})"));
            assert_eq!(std::format!("{system}"), expected);
            seen += 1;
        }
        assert_eq!(seen, TEXTS.lines().count());
    }
}
