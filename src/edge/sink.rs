//! Where lines go: our own standard output and error, and files that are rotated by size.
//!
//! A sink takes bytes, or says that it is full, or fails. What a sink that fails was given is dropped
//! and its lines are counted: a full disk must not stop a service. No sink is ever waited for.

use core::ffi::{CStr, c_int};

use rustix::fd::{BorrowedFd, IntoRawFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::reactor::{away_from_the_three, now};
use super::{raw, say};
use pidlet::output::Buffer;
use pidlet::text;
use pidlet::words::errno::Errno as Cause;
use pidlet::words::text::Line;
use pidlet::words::time::{Instant, Span};

/// No descriptor: none of a sink is that of standard input.
const CLOSED: c_int = 0;

/// How long a path is believed to lead to the file that is open, or to none.
const BELIEVED: Span = Span::seconds(1);

/// How many old files are kept at the most: that many are renamed in one go.
const KEPT_MAX: u32 = 999;

/// Room for two paths of old files: limits.h, PATH_MAX.
pub const NAMES_BYTES: usize = 2 * 4096;

/// How much is written at once where the kernel only knows whether a stream takes anything: what a
/// pipe takes whole then, and what a terminal has room for.
const PIPE_BLIND_BYTES: usize = 4096;
const TERMINAL_BLIND_BYTES: usize = 128;

/// A place that lines go to, and what waits for it. All zeroes are one that leads nowhere yet.
#[derive(Clone, Copy)]
pub struct Sink<'p> {
    /// The descriptor, or [`CLOSED`] while the file cannot be opened.
    pub fd: c_int,
    /// A file's path; none of our own streams.
    pub path: Option<&'p CStr>,
    /// The size that a file does not pass, and how many old ones there are.
    size_max: u64,
    keep: u32,
    size: u64,
    /// Which file it is: device and inode.
    identity: (u64, u64),
    /// When the path is looked at again.
    look_at: Instant,
    /// How much is written at once where the kernel only knows whether it takes anything.
    blind: usize,
    /// It is a file on disk: always ready, and rotated.
    regular: bool,
    /// The last thing that was written is no newline.
    pub torn: bool,
    /// The last write failed.
    failing: bool,
    /// What was dropped is to be said.
    pub due: bool,
    /// Why, as the kernel's number.
    errno: u16,
    /// How many lines were dropped and not spoken of.
    dropped: u64,
    /// It is full, and none of its streams is read.
    pub stalled: bool,
    /// The reactor tells when it takes more.
    pub watched: bool,
    /// The lines that wait for it: where in its room they begin and end.
    pub pending: Range,
    /// What was read behind them, and from which stream.
    pub unread: usize,
    pub source: usize,
    /// The first of the streams that wait until they are read again, counted from 1; 0 for none.
    pub paused: u32,
}

/// From here to there.
#[derive(Clone, Copy)]
pub struct Range {
    /// The first one.
    pub from: usize,
    /// Behind the last one.
    pub to: usize,
}

impl<'p> Sink<'p> {
    /// Becomes one of our own streams.
    pub fn own(&mut self, fd: c_int) {
        self.fd = fd;
        self.examine();
    }

    /// Becomes a file that is opened later.
    pub fn file(&mut self, path: &'p CStr, size_max: u64, keep: u32) {
        self.path = Some(path);
        (self.size_max, self.keep) = (size_max, keep);
    }

    /// Whether both are the same open thing, so that their lines must not mix.
    pub fn same(&self, other: &Sink) -> bool {
        self.identity == other.identity && self.identity.1 != 0
    }

    /// Its descriptor.
    pub fn borrow(&self) -> BorrowedFd<'static> {
        // SAFETY: open until we close it here; if one of our own was closed before us, using it
        // fails, and that is all.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// Learns what was opened.
    fn examine(&mut self) {
        let Ok(about) = rustix::fs::fstat(self.borrow()) else {
            return;
        };
        self.regular = FileType::from_raw_mode(about.st_mode) == FileType::RegularFile;
        self.size = about.st_size as u64;
        self.identity = (about.st_dev, about.st_ino);
        self.blind = if self.path.is_some() || self.regular {
            usize::MAX
        } else if raw::is_terminal(self.fd) {
            TERMINAL_BLIND_BYTES
        } else {
            PIPE_BLIND_BYTES
        };
    }

    /// Opens a file that is not open, and opens it anew where its path leads to another one by now:
    /// somebody else rotates it. Not more often than once in a while.
    #[inline(never)]
    pub fn look(&mut self) {
        let Some(path) = self.path else {
            return;
        };
        let now = now();
        if now < self.look_at {
            return;
        }
        self.look_at = now.after(BELIEVED);
        if self.fd != CLOSED {
            if !self.regular {
                return;
            }
            if let Ok(about) = rustix::fs::stat(path) {
                if self.identity == (about.st_dev, about.st_ino) {
                    self.size = about.st_size as u64;
                    return;
                }
            }
        }
        self.open(path);
    }

    fn open(&mut self, path: &CStr) {
        if self.fd != CLOSED {
            raw::close(self.fd as usize);
        }
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
        // A FIFO without reader must not hold us up, and a terminal must not become ours.
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.fd = match rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)) {
            Ok(file) => away_from_the_three(file.into_raw_fd()).max(CLOSED),
            Err(error) => {
                self.errno = error.raw_os_error() as u16;
                CLOSED
            }
        };
        if self.fd != CLOSED {
            self.examine();
            self.torn = false;
        }
    }

    /// How many bytes may come before the file is rotated.
    pub fn left(&self) -> usize {
        if self.size_max == 0 || !self.regular {
            return usize::MAX;
        }
        usize::try_from(self.size_max.saturating_sub(self.size)).unwrap_or(usize::MAX)
    }

    /// Begins a new file, and gives the old ones the next numbers. `names` has room for two.
    #[inline(never)]
    pub fn rotate(&mut self, names: &mut [u8]) {
        let (Some(path), true) = (self.path, self.size > 0) else {
            return;
        };
        if self.keep == 0 {
            let _ = rustix::fs::ftruncate(self.borrow(), 0);
        } else {
            let (one, other) = names.split_at_mut(names.len() / 2);
            let mut number = self.keep.min(KEPT_MAX);
            while number > 0 {
                let to = name(one, path, number);
                number -= 1;
                // There need not be one of that number yet.
                let _ = rustix::fs::rename(name(other, path, number), to);
            }
            self.open(path);
        }
        // Where it could not be moved it grows on, and this is done again after the next look.
        self.size = 0;
    }

    /// Writes what it takes; how much is dealt with: less than all means that it is full. If it
    /// fails the rest is dropped.
    pub fn write(&mut self, text: &[u8]) -> usize {
        let mut done = 0;
        if self.fd == CLOSED {
            self.drop_lines(text, self.errno);
            return text.len();
        }
        while let Some(rest) = text.get(done..).filter(|rest| !rest.is_empty()) {
            match say::offer(self.borrow(), rest, self.blind) {
                Ok(written) if written > 0 => {
                    done += written;
                    self.size = self.size.saturating_add(written as u64);
                    self.torn = text.get(done.saturating_sub(1)) != Some(&b'\n');
                }
                Err(Errno::AGAIN) => return done,
                Err(Errno::INTR) => (),
                result => {
                    let error = result.err().unwrap_or(Errno::IO);
                    self.drop_lines(rest, error.raw_os_error() as u16);
                    return text.len();
                }
            }
        }
        if self.failing {
            self.failing = false;
            self.due = self.dropped > 0;
        }
        done
    }

    /// Counts these lines, which are lost. The first loss is said at once, what follows when it is
    /// over.
    #[inline(never)]
    pub fn drop_lines(&mut self, text: &[u8], errno: u16) {
        for byte in text {
            self.dropped += u64::from(*byte == b'\n');
        }
        self.errno = errno;
        self.due |= !self.failing;
        self.failing = true;
    }

    /// Says what was dropped since the last time, if that is to be said now or, `at_the_end`, ever.
    pub fn complain(&mut self, at_the_end: bool, line: &mut Line) -> bool {
        let due = core::mem::take(&mut self.due) || at_the_end;
        if !due || self.dropped == 0 {
            return false;
        }
        let path = self.path.unwrap_or(c"standard output or error");
        line.put_cannot_write(path.to_bytes(), Cause(self.errno));
        line.put(text!("; "))
            .put_number(core::mem::take(&mut self.dropped));
        line.put(text!(" lines were dropped"));
        true
    }
}

/// The path of an old file, or of the one that is written to for 0.
#[inline(never)]
fn name<'b>(room: &'b mut [u8], path: &CStr, number: u32) -> &'b CStr {
    let mut name = Buffer::new(room);
    name.put(path.to_bytes());
    if number > 0 {
        name.put(b".");
        name.put_number(number, 1);
    }
    if !name.put(b"\0") {
        // It is longer than any file's.
        return c"";
    }
    // SAFETY: a path has no NUL in it, and one was just put behind it.
    unsafe { CStr::from_ptr(room.as_ptr().cast()) }
}
