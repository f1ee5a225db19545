//! Signals for everything that is left. As PID 1 that is everybody in our namespace (kill(2): -1).
//! Otherwise it is our own descendants and never anybody else's process: found by walking `/proc`
//! from each process up to us, and signalled through a descriptor where the kernel has them, so
//! that a number that changed hands meanwhile hits nobody.

use super::process::{DEPTH_MAX, is_own_proc, parent_of};
use super::{files, raw};
use pidlet::supervise::Supervisor;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::signal::Signal;

/// How many processes we know something of: that of each number's remainder which was looked at last.
const KNOWN: usize = 1024;

/// Processes that descend from us by their numbers, and others by their numbers' complements; 0 is nobody.
type Known = [Pid; KNOWN];

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
    /// KILL comes when the time is over. Not inlined: what is known here would be on the stack below
    /// whatever else is done.
    #[inline(never)]
    pub fn send(&self) -> bool {
        let init = self.own == 1;
        let spares = self.asks() && self.supervisor.told_any();
        if (spares || !init) && is_own_proc(self.own) {
            // Kept for one walk only, since numbers change hands.
            let mut known = [0; KNOWN];
            let seen = files::numbers(c"/proc", &mut |pid| {
                if pid != self.own && pid != 1 {
                    self.send_to(pid, &mut known);
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

    fn send_to(&self, pid: Pid, known: &mut Known) {
        // Opened first: from now on the descriptor and what we read of it are of one process, or
        // the signal goes nowhere.
        let fd = raw::pidfd_open(pid);
        // As PID 1 we are everybody's, as kill(-1) has it.
        if self.own == 1 || self.is_ours(pid, known) {
            let told = self.asks() && self.was_told(raw::group_of(pid));
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

    /// Whether a process descends from us. Its parent is looked at, too, whatever is known of those above.
    fn is_ours(&self, pid: Pid, known: &mut Known) -> bool {
        let parent = parent_of(pid);
        parent == self.own || self.descends(parent, DEPTH_MAX, known)
    }

    /// Whether a process descends from a child of ours. Of its parent that is known mostly: each way up is
    /// gone once, however many are at its lower end. What is found to be too deep to say is nobody's
    /// until the next walk, when it may have come up: those above it have been told.
    #[inline(never)]
    fn descends(&self, pid: Pid, depth: u32, known: &mut Known) -> bool {
        let parent = parent_of(pid);
        let place = parent as usize % KNOWN;
        if parent == 0 || depth == 0 || parent == !known[place] {
            return false;
        }
        if parent == self.own || parent == known[place] {
            return true;
        }
        let is = self.descends(parent, depth - 1, known);
        known[place] = if is { parent } else { !parent };
        is
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

    /// Whether this process group has had the signal. The services are gone, and nobody gets a number while
    /// somebody is in the group of that number: one that has its leader is another one by now.
    fn was_told(&self, group: Pid) -> bool {
        self.supervisor.was_told(group) && raw::group_of(group) != group
    }

    fn asks(&self) -> bool {
        self.signal == Signal::TERM
    }
}
