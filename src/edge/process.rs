//! The process that we are: who we are, whose child, and who comes to us.

use rustix::process::{getppid, set_child_subreaper, set_parent_process_death_signal};

use super::raw;
use pidlet::plan::Plan;
use pidlet::words::Pid;
use pidlet::words::signal::Signal;

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

fn parent() -> Pid {
    getppid().map_or(0, |pid| pid.as_raw_pid() as Pid)
}
