//! Children that have ended: whose end that is, and how many are reaped before everything else has its turn.

use core::mem::take;

use super::{Init, NOT_CHILDREN};
use crate::edge::{reactor, reap};
use pidlet::plan::{NO_SERVICE, Place, Style};
use pidlet::supervise::{Event, Finding, Next, Notice};
use pidlet::words::Pid;
use pidlet::words::exit::Status;
use pidlet::words::signal::{Signal, SignalSet};

/// How long we pause after a round that found several dead children, all of them orphans, in milliseconds.
/// What services write, and their own ends, may have to wait that long; other signals end the pause.
const PAUSE_MS: u64 = 3;

/// How many zombies are reaped before everything else has its turn again: a process may make them faster than
/// we reap them.
const REAPED_MAX: u32 = 256;

/// The same once everything has been killed: nothing else is due a turn then, and a dead process must not be
/// taken for one that hangs in the kernel, and be left for another process to reap.
const REAPED_AFTER_KILL_MAX: u32 = 1 << 16;

/// How many zombies we reap when we leave, so that a process that keeps making more cannot keep us.
const REAPED_AT_EXIT_MAX: u32 = 1024;

impl Init<'_> {
    /// The service that ends with a process, or [`NO_SERVICE`]. It may go on as another process, as nginx
    /// does to upgrade itself: a daemon's pid file says so (systemd's rule, `service_sigchld_event`), or the
    /// service has named one that was a child of the process that ends.
    fn ended_service(&mut self, pid: Pid) -> Place {
        let place = self.supervisor.service_of(pid);
        let mut successor = self.supervisor.successor(place);
        if successor != 0 {
            if let Finding::Main(named) = self.pid_file(place) {
                successor = named;
            }
            // That process may have ended since, and its number be another's.
            if self.may_become(place, successor) {
                self.step(Event::Noticed(place, Notice::Main(successor)));
                return self.supervisor.service_of(pid);
            }
        }
        place
    }

    /// Whether the end of this process concerns nothing at all. There may be thousands of such.
    fn is_irrelevant(&self, pid: Pid) -> bool {
        self.checks.none_running()
            && !self.supervisor.orphans_matter()
            && self.supervisor.service_of(pid) == NO_SERVICE
    }

    /// Reaps a zombie, after the supervisor has heard of it.
    fn handle_end(&mut self, pid: Pid, status: Status) {
        if !self.checks.ended(pid, status) {
            let place = self.ended_service(pid);
            // Its last output comes before the message of its end. A launcher's goes on with its daemon.
            if !self.supervisor.has_launched(place, status.code()) {
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
            // Nothing is in the foreground now, so Ctrl-C is for us.
            self.terminal.take_back();
        }
        // A process that a pid file has just named may be the next zombie, and must be known by then.
        self.tell_findings();
    }

    /// Frees a zombie's number, unless that was done when the zombie was found.
    fn reap_one(&self, pid: Pid) {
        if self.must_keep_zombies {
            reap::reap(pid);
        }
    }

    /// Reaps all zombies, but no more at a time than leaves everything else its turn.
    #[inline(never)]
    pub(super) fn reap(&mut self) {
        let (mut handled, mut killed) = (0, false);
        let mut all_irrelevant = !self.supervisor.orphans_matter();
        // Assumed until we know better, so that a stop goes on however many children die meanwhile.
        let mut left = true;
        let mut most = REAPED_MAX;
        if self.supervisor.has_killed_all() {
            most = REAPED_AFTER_KILL_MAX;
        }
        while handled < most {
            let child = reap::look(self.must_keep_zombies);
            if child.pid == 0 {
                left = child.exists;
                break;
            }
            let status = reap::status(child);
            // What it said comes before its end, and is told while its number is still its own. To hear a
            // message takes as long as to reap, and other processes speak as well.
            handled += 1 + self.receive_messages();
            if self.notify.ended(child.pid, &mut self.reactor) || self.is_irrelevant(child.pid) {
                self.reap_one(child.pid);
                killed |= was_killed(status);
                continue;
            }
            all_irrelevant = false;
            if take(&mut killed) {
                // Kills for memory so far may be those of the orphans just reaped, not this child's.
                self.memory.grown();
            }
            self.handle_end(child.pid, status);
            if matches!(self.supervisor.next(), Next::Exit(_)) {
                // What is dead already when we leave is reaped, too: its next parent may reap nothing.
                let leaves_all = self.plan.style == Style::DumbInit;
                most = if leaves_all { 0 } else { REAPED_AT_EXIT_MAX };
            }
        }
        if killed {
            self.memory.grown();
        }
        self.reap_due |= handled >= most;
        if self.supervisor.orphans_matter() {
            self.step(Event::Reaped { left });
        }
        if handled > 1 {
            // Where thousands die at once, each look walks past all that still live, so few looks are best.
            // But a service that writes all the time would be held up by the pause.
            let idle = all_irrelevant && !self.reactor.busy;
            let pending = reactor::pause(if idle { PAUSE_MS } else { 0 }, NOT_CHILDREN);
            self.handle_signal(pending);
        }
        if let Some(pid) = self.supervisor.foreground_child() {
            // A process that sends STOP is not the terminal, and must send CONT itself.
            if let Some(signal) = reap::stopped(pid) {
                // A child that we continued causes a CHLD, and may be found stopped again by then. We stop
                // with it, and the CHLD for that stop is still pending when we are continued: it must not
                // stop us once more.
                let stops = SignalSet::TERMINAL_STOPS.has(signal) && !self.suspended;
                if stops && self.terminal.seek(self.plan.setup.terminal, signal) {
                    self.step(Event::Stopped(pid, signal));
                }
            }
        }
    }
}

/// Whether this may be a kill for lack of memory.
fn was_killed(status: Status) -> bool {
    status == Status::Killed(Signal::KILL)
}
