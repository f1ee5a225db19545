//! Where lines go: our own standard output and error, and files that are rotated by size.
//!
//! A sink takes bytes, or says that it is full, or fails. What a failing sink was given is dropped and its
//! lines are counted: a full disk must not stop a service. We never block on a sink.

use core::ffi::{CStr, c_int};
use core::mem::{replace, take};

use linux_raw_sys::general::{AT_SYMLINK_NOFOLLOW, O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY};
use rustix::event::epoll::EventFlags;

use crate::edge::raw::{self, borrow};
use crate::edge::reactor::{Reactor, Token, move_above_stdio, now};
use crate::edge::say;
use pidlet::output::Form;
use pidlet::text;
use pidlet::words::errno::Errno;
use pidlet::words::line::Line;
use pidlet::words::text;
use pidlet::words::time::{Instant, NEVER, Span};

/// No descriptor: that of standard input is never a sink's.
const CLOSED: c_int = 0;

/// How long we assume that a path still leads to the file that is open, or still cannot be opened.
const REFRESH_INTERVAL: Span = Span::seconds(1);

/// A place that lines go to, and the lines that wait for it. All zeroes lead nowhere yet.
#[derive(Clone, Copy)]
pub struct Sink<'p> {
    /// The descriptor, or [`CLOSED`] while the file cannot be opened.
    pub fd: c_int,
    /// What lines look like.
    pub form: Form,
    /// It is full, and none of its streams is read.
    pub stalled: bool,
    /// The last byte written was not a newline.
    pub torn: bool,
    /// It is a file on disk.
    regular: bool,
    /// Its failure was reported, and since then it has never taken all that it was given.
    pub reported: bool,
    /// Why it failed.
    errno: Errno,
    /// Why it could not be rotated the last time, if so, and whether that was reported.
    stuck: Errno,
    stuck_reported: bool,
    /// How many old files are kept.
    pub keep: u32,
    /// Where its buffer begins, and where in it the lines that wait begin and end.
    pub buffer: usize,
    pub from: usize,
    pub to: usize,
    /// The last of the streams that wait for it, counted from 1; 0 for none.
    pub paused: u32,
    /// The size that its file may not exceed, 0 for no limit; and how many bytes may come until then.
    pub size_max: u64,
    pub left: u64,
    /// A file's path; our own streams have none.
    pub path: Option<&'p CStr>,
    /// When the path is looked at again.
    refresh_at: Instant,
    /// How many lines were dropped and not reported.
    pub dropped: u64,
    /// Which file it is: device and inode.
    identity: (u64, u64),
}

impl<'p> Sink<'p> {
    /// Becomes one of our own streams. There is no colour where there is no terminal.
    #[inline(never)]
    pub fn own(&mut self, fd: c_int, form: Form) {
        (self.fd, self.form) = (fd, form);
        self.identify(fd, c"");
        if form == Form::Colour && !raw::is_terminal(fd) {
            self.form = Form::Prefix;
        }
    }

    /// Whether both are the same file, so that their lines must not mix.
    pub fn same(&self, other: &Sink) -> bool {
        self.identity == other.identity
    }

    /// Looks at a file, as [`raw::status`] does, and returns whether it is the same one as last time.
    #[inline(never)]
    fn identify(&mut self, fd: c_int, path: &CStr) -> bool {
        let about = raw::status(fd, path, 0);
        self.regular = raw::is_regular(&about);
        self.left = u64::MAX;
        if self.regular && self.size_max > 0 {
            self.left = self.size_max.saturating_sub(about.st_size as u64);
        }
        let identity = (about.st_dev, about.st_ino);
        replace(&mut self.identity, identity) == identity
    }

    /// Opens the file if it is not open, and reopens it if its path leads to another one by now, which is
    /// how others rotate it. Not more often than once in [`REFRESH_INTERVAL`], and not while a full sink is
    /// watched, since closing it would end the watch.
    #[inline(never)]
    pub fn refresh(&mut self) {
        let (Some(path), false) = (self.path, self.stalled) else {
            return;
        };
        let now = now();
        if now < self.refresh_at {
            return;
        }
        self.refresh_at = now.after(REFRESH_INTERVAL);
        if self.fd == CLOSED || !self.identify(raw::CWD, path) {
            self.open(path);
        }
    }

    #[inline(never)]
    fn open(&mut self, path: &CStr) {
        if self.fd != CLOSED {
            raw::close(self.fd as usize);
        }
        self.torn = false;
        self.fd = CLOSED;
        let flags = O_WRONLY | O_APPEND | O_CREAT;
        let mut file = raw::open(path, flags | O_NOFOLLOW);
        if file < 0 && raw::errno(file as isize) == Errno::LOOP && is_trusted(path) {
            file = raw::open(path, flags);
        }
        if file < 0 {
            self.errno = raw::errno(file as isize);
            return;
        }
        self.fd = move_above_stdio(file).max(CLOSED);
        self.identify(self.fd, c"");
    }

    /// Begins a new file, after moving each old one up by a number. Whether that failed.
    #[inline(never)]
    pub fn rotate(&mut self) -> bool {
        // A line longer than any file may be gets a file to itself.
        let (Some(path), true) = (self.path, self.left < self.size_max && self.fd != CLOSED) else {
            return false;
        };
        self.stuck = Errno(0);
        if self.keep == 0 {
            let _ = rustix::fs::ftruncate(borrow(self.fd), 0);
        } else {
            let (mut from, mut to) = (Line::new(), Line::new());
            let mut number = self.keep;
            while number > 0 {
                let to = old(&mut to, path, number);
                number -= 1;
                // There may be none of that number yet. If one cannot be moved, the newer ones stay, too.
                if let Err(error) = rustix::fs::rename(old(&mut from, path, number), to) {
                    if error != rustix::io::Errno::NOENT {
                        self.stuck = Errno(error.raw_os_error() as u16);
                        break;
                    }
                }
            }
            self.open(path);
        }
        self.stuck_reported &= self.stuck != Errno(0);
        // A file that could not be moved goes on growing, and this is tried again after the next refresh.
        self.left = self.size_max;
        self.stuck != Errno(0)
    }

    /// Takes nothing from now on: it was full for too long.
    pub fn give_up(&mut self) {
        (self.fd, self.refresh_at, self.errno) = (CLOSED, NEVER, Errno::AGAIN);
    }

    /// Writes what waits, which is a part of `bytes`. If the sink does not take all of it now it is
    /// stalled, and `token` reports when it takes more. If it fails the rest is dropped, and `due` says
    /// that this must be reported: the first loss at once, later ones when it works again.
    #[inline(never)]
    pub fn send(&mut self, bytes: &[u8], token: Token, reactor: &mut Reactor, due: &mut bool) {
        self.stalled = false;
        while let Some(text @ [_, ..]) = bytes.get(self.from..self.to) {
            let (mut written, mut errno) = (0, self.errno);
            if self.fd != CLOSED {
                // What we opened ourselves does not block (O_NONBLOCK), nor does a file on disk.
                (written, errno) = if self.path.is_some() || self.regular {
                    say::write_to(self.fd, text)
                } else {
                    say::offer(self.fd, text, None)
                };
            }
            if written > 0 {
                self.from = self.from.wrapping_add(written);
                self.left = self.left.saturating_sub(written as u64);
                self.torn = text.get(written.wrapping_sub(1)) != Some(&b'\n');
                continue;
            }
            if errno == Errno::AGAIN && self.fd != CLOSED {
                let flags = EventFlags::OUT | EventFlags::ONESHOT;
                self.stalled = reactor.watch(self.fd, token, flags);
            }
            if self.stalled {
                return;
            }
            // A newline that only ends a torn line is not a line of its own.
            let ours = usize::from(self.from == self.buffer);
            // Also if the kernel has no memory to watch it: waiting for ever would be worse.
            self.drop_lines(text.get(ours..).unwrap_or(text), errno);
            *due |= !self.reported;
            return;
        }
        self.reported = false;
        *due |= self.dropped > 0;
    }

    /// Counts these lines, which are lost.
    #[inline(never)]
    pub fn drop_lines(&mut self, text: &[u8], errno: Errno) {
        for byte in text {
            self.dropped = self.dropped.wrapping_add(u64::from(*byte == b'\n'));
        }
        self.errno = errno;
    }

    /// Puts a report of what was dropped since the last one into `line`, if one is due or `at_the_end`; or,
    /// once, that it cannot be rotated. Returns whether there is one.
    pub fn complain(&mut self, at_the_end: bool, line: &mut Line) -> bool {
        let path = self.path.unwrap_or(c"standard output or error").to_bytes();
        if self.dropped != 0 && (!replace(&mut self.reported, true) || at_the_end) {
            line.put_cannot_write(path, self.errno);
            line.put(text!("; lines dropped: "));
            line.put_number(take(&mut self.dropped));
            return true;
        }
        if self.stuck == Errno(0) || replace(&mut self.stuck_reported, true) {
            return false;
        }
        line.put_cannot(text!("pidlet: cannot rotate \""), path, self.stuck);
        true
    }
}

/// Whether a link is ours or root's. Any other may be the work of a service that may write to the link's
/// directory, but not to the file that it leads to.
fn is_trusted(link: &CStr) -> bool {
    let about = raw::status(raw::CWD, link, AT_SYMLINK_NOFOLLOW);
    // For a link that is gone all is zero.
    about.st_mode != 0 && [0, raw::own_user().0].contains(&about.st_uid)
}

/// The path of an old file, or for 0 that of the current one. Empty, which names no file, if it would be
/// too long.
#[inline(never)]
fn old<'l>(line: &'l mut Line, path: &'l CStr, number: u32) -> &'l CStr {
    if number == 0 {
        return path;
    }
    line.clear();
    // Byte by byte: [`Line::put_bytes`] would escape control characters.
    for byte in path.to_bytes() {
        line.push(*byte);
    }
    line.put(text!(".")).put_number(number.into()).push(0);
    text::string(line.text())
}
