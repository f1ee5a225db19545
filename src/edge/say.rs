//! Lines to standard output and error, and the end's reason to its file.
//!
//! PID 1 never blocks on a write: a line that nobody takes is counted, and the count is said as
//! soon as somebody does.

use core::ffi::{CStr, c_int};

use linux_raw_sys::general::POLLOUT;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, IoSlice, ReadWriteFlags, pwritev2};

use super::raw;
use pidlet::message::Stream;
use pidlet::text;
use pidlet::words::signal::Signal;
use pidlet::words::text::Line;

/// How long the last line waits for a reader that is only slow.
pub const LAST_LINE_MS: u64 = 100;

/// Where Kubernetes looks for the reason of a container's end
/// (`terminationMessagePath`, kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure).
const TERMINATION_LOG: &CStr = c"/dev/termination-log";

/// Says lines.
pub struct Voice {
    dropped: u64,
}

impl Voice {
    /// A voice that has said nothing.
    pub const fn new() -> Voice {
        Voice { dropped: 0 }
    }

    /// Says a whole line, or counts it if the stream does not take it within `patience_ms`.
    pub fn say(&mut self, stream: Stream, text: &[u8], patience_ms: u64) {
        if self.dropped > 0 {
            let mut line = Line::new();
            line.put(text!("pidlet: ")).put_number(self.dropped);
            line.put(text!(" lines were dropped: nobody took them"));
            if !write(stream, line.end(), patience_ms) {
                self.dropped += 1;
                return;
            }
            self.dropped = 0;
        }
        if !write(stream, text, patience_ms) {
            self.dropped += 1;
        }
    }
}

/// Writes an answer whole, however long its reader takes: nothing runs yet that could suffer.
pub fn answer(stream: Stream, mut text: &[u8]) {
    while !text.is_empty() {
        match rustix::io::write(fd(stream), text) {
            Ok(written) if written > 0 => text = &text[written..],
            _ => return,
        }
    }
}

fn fd(stream: Stream) -> BorrowedFd<'static> {
    let number: c_int = match stream {
        Stream::Out => 1,
        Stream::Err => 2,
    };
    // SAFETY: we never close it. If it was closed before us, writing fails, and that is all.
    unsafe { BorrowedFd::borrow_raw(number) }
}

fn write(stream: Stream, text: &[u8], patience_ms: u64) -> bool {
    let fd = fd(stream);
    if patience_ms > 0 {
        let _ = raw::poll(fd.as_raw_fd(), POLLOUT, patience_ms);
    }
    // A closed or broken stream takes nothing ever: that is not worth counting.
    offer(fd, text, text.len()) != Err(Errno::AGAIN)
}

/// Writes what a stream takes just now, without waiting: how much that was, [`Errno::AGAIN`] if
/// nothing. Where the kernel only knows whether it takes anything, no more than `blind` bytes; with
/// [`usize::MAX`] it need not be asked, since the stream is a file or does not wait anyway.
pub fn offer(fd: BorrowedFd, text: &[u8], blind: usize) -> Result<usize, Errno> {
    if blind == usize::MAX {
        return write_to(fd, text);
    }
    // Setting O_NONBLOCK would set it for everybody who shares the pipe. A write that does not
    // wait needs a kernel that knows it for this kind of file.
    let mut result = pwritev2(fd, &[IoSlice::new(text)], u64::MAX, ReadWriteFlags::NOWAIT);
    if !matches!(result, Ok(_) | Err(Errno::AGAIN)) {
        // A pipe that polls as writable takes a line of ours whole (pipe(7): PIPE_BUF).
        result = match raw::poll(fd.as_raw_fd(), POLLOUT, 0) {
            Ok(false) => Err(Errno::AGAIN),
            _ => write_to(fd, text.get(..blind).unwrap_or(text)),
        };
    }
    result
}

/// write(2), without the signal that comes with a broken pipe: nobody has sent it, and the services
/// must not be told of it.
fn write_to(fd: BorrowedFd, text: &[u8]) -> Result<usize, Errno> {
    let result = rustix::io::write(fd, text);
    if result == Err(Errno::PIPE) {
        raw::forget(Signal::PIPE);
    }
    result
}

/// Writes the end's reason to the termination log: the one that was set, or Kubernetes' if it is
/// there and empty. Fails only for one that was set.
pub fn termination_log(path: Option<&CStr>, text: &[u8]) -> Result<(), Errno> {
    let mut flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    if path.is_some() {
        flags |= OFlags::CREATE | OFlags::TRUNC;
    }
    let write = || {
        let mode = Mode::from_raw_mode(0o644);
        let file = rustix::fs::open(path.unwrap_or(TERMINATION_LOG), flags, mode)?;
        if path.is_some() || rustix::fs::fstat(&file)?.st_size == 0 {
            rustix::io::write(&file, text)?;
        }
        Ok(())
    };
    write().or_else(|error| if path.is_some() { Err(error) } else { Ok(()) })
}
