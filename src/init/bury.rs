//! Children that have ended: whose end that is, and how many are reaped before others have their turn.

use core::mem::take;

use super::{Init, NOT_CHILDREN};
use crate::edge::{reactor, reap};
use pidlet::plan::{NOBODY, Place, Style};
use pidlet::supervise::{Event, Finding, Next, Notice};
use pidlet::words::Pid;
use pidlet::words::exit::Status;
use pidlet::words::signal::{Signal, SignalSet};

/// How long we pause after a look at the children that found several orphans dead and nobody else, in
/// milliseconds. What services write or their ends may have to wait that long; other signals end it.
const PAUSE_MS: u64 = 3;

/// How many zombies are reaped before everybody else has his turn again: somebody may make them faster
/// than we reap them.
const REAPED_MAX: u32 = 256;

/// The same where all that there is was killed: nobody else has a turn any more, and who has died is not to
/// be taken for somebody who hangs in the kernel, and left to whose child it is next.
const KILLED_MAX: u32 = 1 << 16;

/// How many dead we reap when we leave: whoever makes more of them all the time does not keep us.
const LAST_MAX: u32 = 1024;

impl Init<'_> {
    /// The service that ends with a process, or [`NOBODY`]. It may have moved to another one, as nginx does
    /// to upgrade itself: a daemon's pid file says so (systemd's rule, `service_sigchld_event`), or it has
    /// named one that was a child of the process that ends.
    fn ends_with(&mut self, pid: Pid) -> Place {
        let place = self.supervisor.service_of(pid);
        let mut heir = self.supervisor.heir(place);
        if heir != 0 {
            if let Finding::Main(named) = self.pid_file(place) {
                heir = named;
            }
            // It may have ended since then, and its number be somebody else's.
            if self.may_become(place, heir) {
                self.step(Event::Noticed(place, Notice::Main(heir)));
                return self.supervisor.service_of(pid);
            }
        }
        place
    }

    /// Whether the end of this process is of no interest to anybody. There may be thousands of them.
    fn is_unheard(&self, pid: Pid) -> bool {
        self.checks.run_none()
            && !self.supervisor.heeds_orphans()
            && self.supervisor.service_of(pid) == NOBODY
    }

    /// Reaps a zombie, after the supervisor has heard of it.
    fn bury(&mut self, pid: Pid, status: Status) {
        if !self.checks.ended(pid, status) {
            let place = self.ends_with(pid);
            // What it said comes before what is said of it. What a daemon is saying goes on.
            if status != Status::Exited(0) || !self.supervisor.is_launcher(place) {
                self.outputs.ended(place, &mut self.reactor);
            }
            let out_of_memory = was_killed(status) && self.memory.grown();
            self.step(Event::Ended {
                pid,
                status,
                out_of_memory,
            });
        }
        self.reap_one(pid);
        if self.supervisor.foreground_child().is_none() {
            // From now on Ctrl-C is for us.
            self.terminal.take_back();
        }
        // Whom a pid file has named may be the next one to be reaped, and must be known by then.
        self.tell_findings();
    }

    /// Frees a zombie's number, unless that was done when it was found.
    fn reap_one(&self, pid: Pid) {
        if self.keeps_zombies {
            reap::reap(pid);
        }
    }

    /// Reaps every zombie there is, but no more at a time than leaves everybody else his turn.
    #[inline(never)]
    pub(super) fn reap(&mut self) {
        let (mut buried, mut killed) = (0, false);
        let mut all_unheard = !self.supervisor.heeds_orphans();
        // As long as nobody knows better: a stop goes on, however many die meanwhile.
        let mut left = true;
        let mut most = REAPED_MAX;
        if self.supervisor.has_killed_all() {
            most = KILLED_MAX;
        }
        while buried < most {
            let child = reap::look(self.keeps_zombies);
            if child.pid == 0 {
                left = child.exists;
                break;
            }
            let status = reap::status(child);
            // What it said before its end comes before its end, from a process that still is there. To hear
            // takes as long as to reap, and others speak as well.
            buried += 1 + self.hear();
            if self.notify.ended(child.pid, &mut self.reactor) || self.is_unheard(child.pid) {
                self.reap_one(child.pid);
                killed |= was_killed(status);
                continue;
            }
            all_unheard = false;
            if take(&mut killed) {
                // For memory or not: the next one is another matter.
                self.memory.grown();
            }
            self.bury(child.pid, status);
            if matches!(self.supervisor.next(), Next::Exit(_)) {
                // Who is dead already when we leave is reaped, too: whose child it is next may reap nobody.
                let leaves_all = self.plan.style == Style::DumbInit;
                most = if leaves_all { 0 } else { LAST_MAX };
            }
        }
        if killed {
            self.memory.grown();
        }
        self.reap_due |= buried >= most;
        if self.supervisor.heeds_orphans() {
            self.step(Event::Reaped { left });
        }
        if buried > 1 {
            // Where thousands die at once each look passes all who still live, so few looks are best.
            // But whoever writes all the time would be held up by that.
            let idle = all_unheard && !self.reactor.busy;
            let pending = reactor::pause(if idle { PAUSE_MS } else { 0 }, NOT_CHILDREN);
            self.heed(pending);
        }
        if let Some(pid) = self.supervisor.foreground_child() {
            // Whoever sends STOP itself is no terminal, and knows how to send CONT.
            if let Some(signal) = reap::stopped(pid) {
                // A child that we woke says so, and may have stopped again by then: a word of its stop may
                // be left when we are continued ourselves.
                let stops = SignalSet::TERMINAL_STOPS.has(signal) && !self.asleep;
                if stops && self.terminal.seek(self.plan.setup.terminal, signal) {
                    self.step(Event::Stopped(pid, signal));
                }
            }
        }
    }
}

/// Whether it may have been killed for memory.
fn was_killed(status: Status) -> bool {
    status == Status::Killed(Signal::KILL)
}
