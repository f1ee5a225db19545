//! Children that ended: looked at first, reaped after the supervisor has heard of them, so that a
//! dead leader's group can be signalled while nobody else can have its number.

use linux_raw_sys::general as sys;

use super::raw;
use pidlet::words::Pid;
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
    let Some(child) = raw::waitid(0, sys::WEXITED | sys::WNOWAIT) else {
        return Look::None;
    };
    let signal = Signal::new(child.status as u32);
    match signal.filter(|_| child.code as u32 != sys::CLD_EXITED) {
        _ if child.pid == 0 => Look::Alive,
        Some(signal) => Look::Zombie(child.pid, Status::Killed(signal)),
        None => Look::Zombie(child.pid, Status::Exited(child.status as u8)),
    }
}

/// Frees a zombie's number.
pub fn reap(pid: Pid) {
    // Nothing can be done about an error: somebody else's parent is not us.
    let _ = raw::waitid(pid, sys::WEXITED);
}

/// Whether a process is a child of ours that has not ended.
pub fn is_child(pid: Pid) -> bool {
    raw::waitid(pid, sys::WEXITED | sys::WNOWAIT).is_some_and(|child| child.pid == 0)
}

/// The signal that a child is stopped by just now, if it is.
pub fn stopped(pid: Pid) -> Option<Signal> {
    // Left unreported, so that it can be asked for again.
    let child = raw::waitid(pid, sys::WSTOPPED | sys::WNOWAIT)?;
    if child.pid == pid {
        Signal::new(child.status as u32)
    } else {
        None
    }
}
