//! The kernel's error numbers that an init meets, and their texts.

use super::packed::Text;

/// An error number as the kernel gives it, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u16);

/// The texts of strerror(3): a line for each number up to [`LAST`], then those of [`BEHIND`]; an error
/// without a text is shown as its number. One text, because each row of a table would cost a pointer
/// and a length, 16 bytes, and a relocation.
const TEXTS: Text = text!(
    "\
Operation not permitted
No such file or directory
No such process

Input/output error
No such device or address
Argument list too long
Exec format error
Bad file descriptor

Resource temporarily unavailable
Cannot allocate memory
Permission denied


Device or resource busy



Not a directory
Is a directory
Invalid argument
Too many open files in system
Too many open files

Text file busy
File too large
No space left on device

Read-only file system

Broken pipe



File name too long

Function not implemented

Too many levels of symbolic links
Timer expired
Protocol error
Accessing a corrupted shared library
Address family not supported by protocol
Cannot assign requested address
Network is unreachable
Transport endpoint is not connected
Connection refused
No route to host
Stale file handle
Disk quota exceeded"
);

/// Every number up to the first of these has a line; beyond it, only those of the second have.
const LAST: u16 = 40;
const BEHIND: [u8; 11] = [62, 71, 80, 97, 99, 101, 107, 111, 113, 116, 122];

/// Set in a number that is not an error of the kernel's, and so has no text.
const FOREIGN: u16 = 1 << 12;

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
    /// Resource temporarily unavailable.
    pub const AGAIN: Errno = Errno(11);
    /// File exists.
    pub const EXIST: Errno = Errno(17);
    /// Broken pipe.
    pub const PIPE: Errno = Errno(32);
    /// Permission denied.
    pub const ACCES: Errno = Errno(13);
    /// Invalid argument.
    pub const INVAL: Errno = Errno(22);
    /// Function not implemented.
    pub const NOSYS: Errno = Errno(38);
    /// Too many levels of symbolic links.
    pub const LOOP: Errno = Errno(40);
    /// Timer expired.
    pub const TIME: Errno = Errno(62);
    /// Protocol error.
    pub const PROTO: Errno = Errno(71);
    /// Connection refused.
    pub const CONNREFUSED: Errno = Errno(111);
    /// Stale file handle.
    pub const STALE: Errno = Errno(116);
    /// Not a directory.
    pub const NOTDIR: Errno = Errno(20);
    /// Is a directory.
    pub const ISDIR: Errno = Errno(21);
    /// File too large.
    pub const FBIG: Errno = Errno(27);

    /// An error that is not the kernel's: a program's exit code, or the status that a server answered.
    pub const fn foreign(number: u16) -> Errno {
        Errno(number | FOREIGN)
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0 & !FOREIGN
    }

    /// The text of strerror(3), if we have it.
    pub fn text(self) -> Option<Text> {
        let place = match self.0 {
            number @ 1..=LAST => usize::from(number - 1),
            number => {
                usize::from(LAST) + BEHIND.iter().position(|one| u16::from(*one) == number)?
            }
        };
        Some(TEXTS.line(place)).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::line::Line;

    #[test]
    fn texts_are_those_of_the_system() {
        let mut seen = 0;
        for number in 1..=133 {
            let Some(text) = Errno(number).text() else {
                continue;
            };
            let system = std::io::Error::from_raw_os_error(i32::from(number));
            let mut line = Line::new();
            line.put(text)
                .put(text!(" (os error "))
                .put_number(number.into());
            assert_eq!(
                std::format!("{system}\n").as_bytes(),
                line.put(text!(")")).end()
            );
            seen += 1;
        }
        assert_eq!(seen, 36);
    }
}
