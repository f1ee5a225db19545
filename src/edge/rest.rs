//! Signals for everything that is left. As PID 1 that is everybody in our namespace (kill(2): -1).
//! Otherwise it is our own descendants and never anybody else's process: found by walking `/proc`
//! from each process up to us, and signalled through a descriptor where the kernel has them, so
//! that a number that changed hands meanwhile hits nobody.

use super::process::{is_or_descends, is_own_proc, stat};
use super::{files, raw};
use pidlet::supervise::Supervisor;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::signal::Signal;

/// What is sent, by whom, and who is spared.
pub struct Farewell<'s, 'p> {
    /// Our own process.
    pub own: Pid,
    /// TERM or KILL. CONT follows TERM, since a stopped process would never see it.
    pub signal: Signal,
    /// Whose groups are spared TERM that [`Supervisor::was_told`] knows: they get CONT alone.
    pub supervisor: &'s Supervisor<'p>,
}

impl Farewell<'_, '_> {
    /// Sends it to everything that is left but those who are spared. False if that takes `/proc`, and
    /// we cannot see it. If we just cannot read it, for want of a descriptor, TERM was for nothing, and
    /// KILL comes when the time is over.
    pub fn send(&self) -> bool {
        let init = self.own == 1;
        let spares = self.asks() && self.supervisor.told_any();
        if (spares || !init) && is_own_proc(self.own) {
            let seen = files::numbers(c"/proc", &mut |pid| {
                if pid != self.own && pid != 1 {
                    self.send_to(pid);
                }
            });
            if seen || !init {
                return seen || self.asks();
            }
        }
        if init {
            // With nobody left it fails, and that is as well. Where those who are to be spared cannot be
            // told apart, to hear it twice is better than never.
            self.by(false, |signal| _ = raw::kill(-1, signal));
        }
        init
    }

    fn send_to(&self, pid: Pid) {
        // Opened first: from now on the descriptor and what we read of it are of one process, or
        // the signal goes nowhere.
        let fd = raw::pidfd_open(pid);
        let (parent, group) = stat(pid);
        if is_or_descends(parent, &mut |pid| pid == self.own) {
            let told = self.asks() && self.supervisor.was_told(group);
            // Gone meanwhile, or not ours to signal any more: a program that changed its user.
            self.by(told, |signal| {
                let sent = raw::pidfd_send_signal(fd, signal);
                if !matches!(sent, Ok(()) | Err(Errno::SRCH)) {
                    // There is no such descriptor, or a seccomp profile that forbids the call.
                    _ = raw::kill_child(pid, false, signal);
                }
            });
        }
        if fd >= 0 {
            raw::close(fd as usize);
        }
    }

    /// Who was told has the signal already, unless it is stopped: then it has it now.
    fn by(&self, told: bool, kill: impl Fn(Signal)) {
        if !told {
            kill(self.signal);
        }
        if self.asks() {
            kill(Signal::CONT);
        }
    }

    fn asks(&self) -> bool {
        self.signal == Signal::TERM
    }
}
