//! The process that we are: who we are, whose child, and who comes to us; and who descends from
//! whom.

use core::ffi::CStr;

use rustix::process::{
    Resource, Rlimit, getppid, getrlimit, set_child_subreaper, set_parent_process_death_signal,
    setrlimit,
};

use super::{files, raw};
use pidlet::plan::Plan;
use pidlet::text;
use pidlet::words::Pid;
use pidlet::words::packed::Text;
use pidlet::words::signal::Signal;
use pidlet::words::text::{self, Line, cut};

/// How deep a family tree is followed: a loop of numbers that change hands must end.
const DEPTH_MAX: u32 = 1024;

/// Our own process.
pub struct Own {
    /// Our number.
    pub pid: Pid,
    /// Our parent's at the start; 0 if it is outside of our PID namespace.
    parent: Pid,
    /// SIGCHLD was ignored when we were started.
    pub chld_ignored: bool,
}

impl Own {
    /// Process `pid`, made one whose children become zombies that we can wait for: an inherited "ignore"
    /// would have the kernel reap them, and we would wait for ever.
    pub fn new(pid: Pid) -> Own {
        Own {
            pid,
            parent: 0,
            chld_ignored: raw::set_ignored(Signal::CHLD, false),
        }
    }

    /// Whether we are PID 1 of our namespace.
    pub fn init(&self) -> bool {
        self.pid == 1
    }

    /// Has orphans come to us, as the plan wants it. False if they will not.
    pub fn adopt(&self, plan: &Plan) -> bool {
        if self.init() {
            return true;
        }
        if plan.subreaper {
            // Any number means yes.
            return set_child_subreaper(Some(rustix::process::Pid::INIT)).is_ok();
        }
        // Inherited by exec(2): somebody may have made us one before.
        match plan.style {
            pidlet::plan::Style::DumbInit => true,
            _ => rustix::process::child_subreaper().is_ok_and(|subreaper| subreaper.is_some()),
        }
    }

    /// Has the kernel tell us when our parent dies, and tells us ourselves if it has meanwhile.
    pub fn watch_parent(&mut self, signal: Signal) {
        self.parent = parent();
        // SAFETY: every signal that a plan holds is one of the kernel's.
        let number =
            unsafe { rustix::process::Signal::from_raw_unchecked(i32::from(signal.number())) };
        let _ = set_parent_process_death_signal(Some(number));
        if parent() != self.parent {
            let _ = raw::kill(self.pid as i32, signal);
        }
    }

    /// Whether our parent is another one than at the start. One outside of our PID namespace is
    /// always 0: then we believe the signal.
    pub fn parent_died(&self) -> bool {
        self.parent == 0 || parent() != self.parent
    }
}

/// Descriptors that we need whatever the plan says.
const FILES: u64 = 64;

/// Lets us have so many descriptors more than those that we need anyway, as far as we may. The limit
/// that our children are to have back, if it had to be raised.
pub fn raise_files(more: usize) -> Option<Rlimit> {
    if more == 0 {
        return None;
    }
    let old = getrlimit(Resource::Nofile);
    let wanted = more as u64 + FILES;
    if old.current.is_none_or(|current| current >= wanted) {
        return None;
    }
    let most = old.maximum.unwrap_or(u64::MAX);
    limit_files(Rlimit {
        current: Some(wanted.min(most)),
        ..old
    });
    Some(old)
}

/// Sets that limit. Where it cannot be, descriptors run out later, which is said then.
pub fn limit_files(limit: Rlimit) {
    let _ = setrlimit(Resource::Nofile, limit);
}

fn parent() -> Pid {
    getppid().map_or(0, |pid| pid.as_raw_pid() as Pid)
}

/// Whether this is true of a process, or of one that it descends from.
pub fn is_or_descends(pid: Pid, is: &mut dyn FnMut(Pid) -> bool) -> bool {
    let mut pid = pid;
    for _ in 0..DEPTH_MAX {
        if is(pid) {
            return true;
        }
        match stat(pid) {
            Some((parent, _)) if parent != 0 => pid = parent,
            _ => return false,
        }
    }
    false
}

/// The parent and the process group of a process, from `/proc/PID/stat` (proc_pid_stat(5)).
pub fn stat(pid: Pid) -> Option<(Pid, Pid)> {
    let mut path = Line::new();
    path.put(text!("/proc/"))
        .put_number(pid.into())
        .put(Text::plain("/stat\0"));
    // SAFETY: it ends with a NUL.
    let path = unsafe { CStr::from_bytes_with_nul_unchecked(path.text()) };
    let mut buffer = [0; 256];
    let text = files::read(path, &mut buffer)?;
    // The name in parentheses may hold anything, further parentheses included. The state is next.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let (_, rest) = cut(text.get(end + 2..)?, b' ');
    let (parent, rest) = cut(rest, b' ');
    let (group, _) = cut(rest, b' ');
    Some((text::number(parent)? as Pid, text::number(group)? as Pid))
}
