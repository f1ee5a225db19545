//! Signals for everything that is left. As PID 1 that is every process in our namespace (kill(2): -1).
//! Otherwise it is our own descendants and nothing else: they are found by walking `/proc` from each process
//! up to us, and signalled through a descriptor where the kernel has these, so that a number that was reused
//! meanwhile does no harm.

use super::process::{self, DEPTH_MAX, is_own_proc, parent_of};
use super::{files, raw};
use pidlet::supervise::Supervisor;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::signal::Signal;

/// How many processes are remembered: for each remainder of their numbers, the one that was looked at last.
const KNOWN: usize = 1024;

/// Processes that descend from us, by number, and others, by the complement of their number; 0 is none.
type Known = [Pid; KNOWN];

/// What is sent, by whom, and what is spared.
pub struct Broadcast<'s, 'p> {
    /// Our own process.
    pub own: Pid,
    /// TERM or KILL. CONT follows TERM, since a stopped process would never see it.
    pub signal: Signal,
    /// Groups that [`Supervisor::was_told`] knows are spared TERM: they get CONT alone.
    pub supervisor: &'s Supervisor<'p>,
}

impl Broadcast<'_, '_> {
    /// Sends it to everything that is left but what is spared. False if that takes `/proc`, and there is none
    /// that shows our processes. If we just cannot read it, for want of a descriptor, TERM reaches nothing,
    /// and KILL comes when the time is over. Not inlined: its table would stay on the stack below everything.
    #[inline(never)]
    pub fn send(&self) -> bool {
        let init = self.own == 1;
        let spares = self.is_term() && self.supervisor.told_any();
        if (spares || !init) && is_own_proc(self.own) {
            process::lift_file_limit();
            // Kept for one walk only, since numbers are reused.
            let mut known = [0; KNOWN];
            let seen = files::numbers(c"/proc", &mut |pid| {
                if pid != self.own && pid != 1 {
                    self.send_to(pid, &mut known);
                }
            });
            if seen || !init {
                return seen || self.is_term();
            }
        }
        if init {
            // If no process is left this fails, which is fine. Where those to be spared cannot be told apart,
            // a second TERM is better than none.
            self.send_with(false, |signal| _ = raw::kill(-1, signal));
        }
        init
    }

    fn send_to(&self, pid: Pid, known: &mut Known) {
        // Opened first: from now on either the descriptor and what we read are of one process, or the signal
        // goes nowhere.
        let fd = raw::pidfd_open(pid);
        // As PID 1 we signal every process, as kill(-1) does.
        if self.own == 1 || self.is_ours(pid, known) {
            let told = self.is_term() && self.was_told(raw::group_of(pid));
            // It may be gone by now, or not ours to signal any more: a program that changed its user.
            self.send_with(told, |signal| {
                let sent = raw::pidfd_send_signal(fd, signal);
                if !matches!(sent, Ok(()) | Err(Errno::SRCH)) {
                    // There are no such descriptors, or a seccomp profile forbids the call.
                    _ = raw::kill_child(pid, false, signal);
                }
            });
        }
        if fd >= 0 {
            raw::close(fd as usize);
        }
    }

    /// Whether a process descends from us. It and its parent are always looked at, whatever else is known.
    fn is_ours(&self, pid: Pid, known: &mut Known) -> bool {
        let parent = parent_of(pid);
        parent == self.own || self.descends(parent, DEPTH_MAX, known)
    }

    /// Whether a process descends from a child of ours. Of its parent that is mostly known: each path up is
    /// walked once, however many processes are at its lower end. One that is too deep to tell is taken for
    /// another's until the next walk, when it may have moved up, since those above it have been signalled.
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

    /// Sends the signal unless this process was told before; after TERM also CONT, in case it is stopped.
    fn send_with(&self, told: bool, kill: impl Fn(Signal)) {
        if !told {
            kill(self.signal);
        }
        if self.is_term() {
            kill(Signal::CONT);
        }
    }

    /// Whether this process group has had the signal. The services are gone, and while a group has members
    /// its number is not reused: a group that has its leader is another one by now.
    fn was_told(&self, group: Pid) -> bool {
        self.supervisor.was_told(group) && raw::group_of(group) != group
    }

    fn is_term(&self) -> bool {
        self.signal == Signal::TERM
    }
}
