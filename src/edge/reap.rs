//! Children that ended: looked at first, reaped after the supervisor has heard of them, so that a
//! dead leader's group can be signalled while nobody else can have its number.

use linux_raw_sys::general as sys;

use super::raw::{self, Child};
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::exit::Status;
use pidlet::words::signal::Signal;

/// What a look at the children found.
pub enum Look {
    /// A zombie, still there.
    Zombie(Pid, Status),
    /// Children, but none that is dead.
    Alive,
    /// No child at all.
    None,
}

/// Looks for a zombie and leaves it where it is.
pub fn look() -> Look {
    let options = sys::WEXITED | sys::WNOHANG | sys::WNOWAIT;
    loop {
        return match raw::waitid(None, options) {
            Ok(Some(child)) => Look::Zombie(child.pid, status(child)),
            Ok(None) => Look::Alive,
            Err(Errno::INTR) => continue,
            Err(_) => Look::None,
        };
    }
}

/// Frees a zombie's number.
pub fn reap(pid: Pid) {
    // Nothing can be done about an error: somebody else's parent is not us.
    let _ = raw::waitid(Some(pid), sys::WEXITED | sys::WNOHANG);
}

/// The signal that a child is stopped by just now, if it is.
pub fn stopped(pid: Pid) -> Option<Signal> {
    // Left unreported, so that it can be asked for again.
    let options = sys::WSTOPPED | sys::WNOHANG | sys::WNOWAIT;
    let child = raw::waitid(Some(pid), options).ok()??;
    Signal::new(child.status as u32)
}

fn status(child: Child) -> Status {
    let killed = if child.code as u32 == sys::CLD_EXITED {
        None
    } else {
        Signal::new(child.status as u32)
    };
    match killed {
        Some(signal) => Status::Killed(signal),
        None => Status::Exited(child.status as u8),
    }
}
