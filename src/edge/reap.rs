//! Children that ended. Where it matters they are only looked at first, and reaped after the supervisor has
//! heard of them, so that a dead leader's group can be signalled while its number cannot be reused.

use linux_raw_sys::general as sys;

use super::raw::{self, Child};
use pidlet::words::Pid;
use pidlet::words::exit::Status;
use pidlet::words::signal::Signal;

/// Looks for a child that ended; its number is 0 if there is none. With `keep` it remains a zombie.
pub fn look(keep: bool) -> Child {
    let keep = if keep { sys::WNOWAIT } else { 0 };
    raw::waitid(0, sys::WEXITED | keep)
}

/// How a child ended.
pub fn status(zombie: Child) -> Status {
    match Signal::new(zombie.status.into()) {
        Some(signal) if u32::from(zombie.code) != sys::CLD_EXITED => Status::Killed(signal),
        _ => Status::Exited(zombie.status),
    }
}

/// Reaps a zombie, which frees its number; returns whether it was one.
pub fn reap(pid: Pid) -> bool {
    // Nothing can be done about an error: it is not our child.
    raw::waitid(pid, sys::WEXITED).pid == pid
}

/// Kills what is left of the process group of a leader that has been reaped: a process that has not heeded
/// its TERM may still hold a port or a lock that the next run needs.
pub fn clear_group(leader: Pid) {
    // While a group has members its number is not reused, so a process that has the number now leads another
    // group; and what a leader of ours leaves behind becomes our child. Another group is taken for it only if
    // since the last run every number was used once, this one by a group leader, and that is dead as well.
    if raw::group_of(leader) != leader && raw::has_child_in(leader) {
        _ = raw::kill_child(leader, true, Signal::KILL);
    }
}

/// Whether a process is a child of ours that has not ended.
pub fn is_child(pid: Pid) -> bool {
    let child = raw::waitid(pid, sys::WEXITED | sys::WNOWAIT);
    child.exists && child.pid == 0
}

/// Whether we have no child, dead or alive.
pub fn is_childless() -> bool {
    !look(true).exists
}

/// The signal that keeps a child stopped just now, if it is stopped.
pub fn stopped(pid: Pid) -> Option<Signal> {
    // It stays waitable, so that this can be asked again.
    let child = raw::waitid(pid, sys::WSTOPPED | sys::WNOWAIT);
    Signal::new(child.status.into())
}
