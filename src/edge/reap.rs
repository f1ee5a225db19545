//! Children that ended: where it matters looked at first, and reaped after the supervisor has heard of
//! them, so that a dead leader's group can be signalled while nobody else can have its number.

use linux_raw_sys::general as sys;

use super::raw::{self, Child};
use pidlet::words::Pid;
use pidlet::words::exit::Status;
use pidlet::words::signal::Signal;

/// What a look at the children found: a zombie, if its number is not 0, which is still there if it is to
/// be kept.
pub fn look(keep: bool) -> Child {
    let keep = if keep { sys::WNOWAIT } else { 0 };
    raw::waitid(0, sys::WEXITED | keep)
}

/// How it ended.
pub fn status(zombie: Child) -> Status {
    match Signal::new(zombie.status.into()) {
        Some(signal) if u32::from(zombie.code) != sys::CLD_EXITED => Status::Killed(signal),
        _ => Status::Exited(zombie.status),
    }
}

/// Frees a zombie's number, and tells whether it was one.
pub fn reap(pid: Pid) -> bool {
    // Nothing can be done about an error: somebody else's parent is not us.
    raw::waitid(pid, sys::WEXITED).pid == pid
}

/// Kills what is left of the process group of a leader that has been reaped: who has not heeded its TERM
/// has a port or a lock still that the next run needs.
pub fn clear_group(leader: Pid) {
    // Nobody gets that number while somebody is in the group, so whoever has it leads another one; and
    // what a leader of ours leaves behind is ours. Somebody else's group is taken for it only if since the
    // last run all numbers were given away once, this one to a leader, and he is dead as well.
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

/// The signal that a child is stopped by just now, if it is.
pub fn stopped(pid: Pid) -> Option<Signal> {
    // Left unreported, so that it can be asked for again.
    let child = raw::waitid(pid, sys::WSTOPPED | sys::WNOWAIT);
    Signal::new(child.status.into())
}
