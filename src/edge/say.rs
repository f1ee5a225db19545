//! Lines to standard output and error, and the end's reason to its file.
//!
//! PID 1 never blocks on a write.

use core::ffi::{CStr, c_int};

use linux_raw_sys::general::{O_CREAT, O_TRUNC, O_WRONLY, POLLOUT};
use rustix::io::{IoSlice, ReadWriteFlags, pwritev2};

use super::raw;
use super::reactor::move_above_stdio;
use pidlet::message::Stream;
use pidlet::plan::{Plan, Style};
use pidlet::words::errno::Errno;
use pidlet::words::signal::Signal;

/// How long the last line, and what a service manager is told once, waits for a reader that is merely slow.
pub const LAST_LINE_MS: u64 = 100;

/// Where Kubernetes looks for the reason of a container's end
/// (`terminationMessagePath`, kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure).
const TERMINATION_LOG: &CStr = c"/dev/termination-log";

/// Writes a whole answer, however long its reader takes: no service runs yet that could suffer.
pub fn answer(stream: Stream, text: &[u8]) {
    let fd = fd(stream);
    let mut rest = text;
    loop {
        let (written, errno) = write_to(fd, rest);
        match rest.get(written..) {
            Some(more) if written > 0 => rest = more,
            // A process that shares the stream has made it non-blocking.
            _ if errno == Errno::AGAIN => _ = raw::poll(fd, POLLOUT, u64::MAX),
            _ => return,
        }
    }
}

fn fd(stream: Stream) -> c_int {
    match stream {
        Stream::Out => 1,
        Stream::Err => 2,
    }
}

/// How much is written at once where the kernel can only tell whether a stream takes anything: what a pipe
/// then takes whole (pipe(7): PIPE_BUF), and what a terminal has room for.
const PIPE_BYTES: usize = 4096;
const TERMINAL_BYTES: usize = 128;

/// How often room for the last line is waited for, and how long each time, in milliseconds: once it is there,
/// another process may be faster to take it.
pub const LAST_LINE_TRIES: u32 = 4;
const TRY_MS: u64 = LAST_LINE_MS / LAST_LINE_TRIES as u64;

/// Says a whole line. Returns [`Errno::AGAIN`] if the stream does not take it, at once or in as many tries,
/// with a wait before each, or what else went wrong.
pub fn say(stream: Stream, text: &[u8], mut tries: u32) -> Errno {
    let fd = fd(stream);
    let path = match stream {
        Stream::Out => c"/proc/self/fd/1",
        Stream::Err => c"/proc/self/fd/2",
    };
    let mut rest = text;
    loop {
        if tries > 0 {
            let _ = raw::poll(fd, POLLOUT, TRY_MS);
        }
        let (written, errno) = offer(fd, rest, Some(path));
        match rest.get(written..) {
            // A terminal that cannot be opened takes a line in pieces.
            Some(more @ [_, ..]) if written > 0 => rest = more,
            _ if tries > 1 && errno == Errno::AGAIN => tries -= 1,
            _ => return errno,
        }
    }
}

/// Writes what a stream takes just now, without waiting. Returns how much that was and, if it was nothing,
/// [`Errno::AGAIN`] or what else went wrong. A terminal gets everything if it can be opened by this path.
#[inline(never)]
pub fn offer(fd: c_int, text: &[u8], path: Option<&CStr>) -> (usize, Errno) {
    // Setting O_NONBLOCK would set it for every process that shares the pipe. RWF_NOWAIT needs a kernel that
    // supports it for this kind of file.
    match pwritev2(
        raw::borrow(fd),
        &[IoSlice::new(text)],
        u64::MAX,
        ReadWriteFlags::NOWAIT,
    ) {
        Ok(written) => (written, Errno(0)),
        // A regular file always has room, but may have to wait for its file system, for which XFS and Btrfs
        // return AGAIN. Whatever room a pipe has by now, another process may take it first, and we would wait
        // for its reader.
        Err(rustix::io::Errno::AGAIN) if !raw::is_regular(&raw::status(fd, c"", 0)) => {
            (0, Errno::AGAIN)
        }
        // What polls as writable has a little room.
        Err(_) if raw::poll(fd, POLLOUT, 0).unwrap_or(true) => {
            let mut most = PIPE_BYTES;
            // Asked only now, since no kernel supports RWF_NOWAIT for terminals.
            if raw::is_terminal(fd) {
                // Opened anew it does not block, whatever it does for others that share it: a line stays
                // whole.
                let anew = path.map_or(-1, |path| raw::open(path, O_WRONLY));
                if anew >= 0 {
                    let (_, errno) = write_to(anew, text);
                    raw::close(anew as usize);
                    return (text.len(), errno);
                }
                // A newline, a tab or a return may be expanded, for which there may be no room left behind
                // what comes before it: the kernel would wait for that.
                most = 0;
                while most < TERMINAL_BYTES
                    && text
                        .get(most)
                        .is_some_and(|byte| !matches!(byte, b'\t'..=b'\r'))
                {
                    most += 1;
                }
                most = most.max(1);
            }
            write_to(fd, text.get(..most).unwrap_or(text))
        }
        Err(_) => (0, Errno::AGAIN),
    }
}

/// write(2), without the signal that comes with a broken pipe or a file that may not grow any more
/// (RLIMIT_FSIZE): no process has sent it, and it must not be passed on to services.
#[inline(never)]
pub fn write_to(fd: c_int, text: &[u8]) -> (usize, Errno) {
    let written = raw::write(fd, text);
    if written >= 0 {
        return (written as usize, Errno(0));
    }
    let errno = raw::errno(written);
    match errno {
        Errno::PIPE => raw::forget(Signal::PIPE),
        Errno::FBIG => raw::forget(Signal::XFSZ),
        _ => (),
    }
    (0, errno)
}

/// Opens the termination log for the reason of our end: the one that was configured, or Kubernetes' if it
/// exists and is empty. The peers know nothing of the latter.
pub fn termination_log(plan: &Plan) -> Result<c_int, Errno> {
    let mut flags = O_WRONLY;
    let path = match plan.termination_log {
        Some(path) => {
            flags |= O_CREAT | O_TRUNC;
            path
        }
        None if plan.style == Style::Pidlet => TERMINATION_LOG,
        None => return Err(Errno::NOENT),
    };
    // Closed by our exit, which is next.
    let file = move_above_stdio(raw::open(path, flags));
    if file < 0 {
        return Err(raw::errno(file as isize));
    }
    // Never true of one that was configured: it was truncated.
    if raw::status(file, c"", 0).st_size != 0 {
        return Err(Errno::EXIST);
    }
    Ok(file)
}
