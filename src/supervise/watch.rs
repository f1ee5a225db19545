//! Whether a service is up, and whether it stays well: readiness, health, watchdog.
//!
//! Checks are repeated, with a growing interval, only until the service is up. From then on nothing costs
//! anything but what the plan asks for.

use super::{Action, Finding, Notice, Phase, State, Supervisor};
use crate::message::Kind;
use crate::plan::{Key, NO_SERVICE, Place};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::time::{NEVER, Span};

/// The interval between the first two checks; it doubles each time.
const FIRST_INTERVAL_MS: u16 = 20;
/// The longest interval between two checks.
const LAST_INTERVAL_MS: u16 = 1000;
/// How long one check may take while the service is not up yet.
const CHECK_TIMEOUT: Span = Span::seconds(5);

impl Supervisor<'_> {
    /// A service's process is known: it is up, or from now on its readiness is awaited.
    pub(super) fn wait_until_up(&mut self, place: Place) {
        if self.plan.is_checked(place) {
            self.check(place);
        } else if self.services.see(place).said_ready || !self.plan.says(place, Key::Ready) {
            self.up(place);
        }
    }

    /// Begins a series of checks.
    pub(super) fn check(&mut self, place: Place) {
        self.services.of(place).interval_ms = FIRST_INTERVAL_MS;
        self.check_once(place);
    }

    fn check_once(&mut self, place: Place) {
        let record = self.services.of(place);
        record.checking = true;
        let mut timeout = CHECK_TIMEOUT;
        if record.up {
            timeout = self.plan.span(place, Key::HealthEvery);
        }
        record.check_at = self.now.after(timeout);
        self.act(Action::Check(place));
    }

    /// It is time for a check, or the one under way takes too long.
    #[inline(never)]
    pub(super) fn check_due(&mut self, place: Place) {
        if self.services.see(place).checking {
            self.act(Action::Uncheck(place));
            self.checked(place, Finding::Bad(Errno::TIME));
        } else {
            self.check_once(place);
        }
    }

    /// What a check would find no longer matters.
    pub(super) fn uncheck(&mut self, place: Place) {
        let record = self.services.of(place);
        record.check_at = NEVER;
        if core::mem::replace(&mut record.checking, false) {
            self.act(Action::Uncheck(place));
        }
    }

    pub(super) fn checked(&mut self, place: Place, mut finding: Finding) {
        if let Finding::Main(pid) = finding {
            // Two pid files may name one process: it belongs to the service whose file was read first.
            if self.service_of(pid) != NO_SERVICE {
                finding = Finding::NotOurs;
            }
        }
        let record = self.services.of(place);
        if !core::mem::replace(&mut record.checking, false) {
            return;
        }
        let good = finding == Finding::Good;
        if let (State::Running, Finding::Bad(why)) = (record.state, finding) {
            record.check_errno = why;
        }
        let mut wait = Span(record.interval_ms.into());
        record.interval_ms = record.interval_ms.min(LAST_INTERVAL_MS / 2) * 2;
        match (record.state, finding) {
            (State::Launched, Finding::Main(pid)) => return self.found(place, pid),
            (State::Launched, _) => {
                record.missing = match finding {
                    Finding::NotOurs => Kind::NotOurs,
                    Finding::NoChild => {
                        // There is nothing left to wait for.
                        record.limit = self.now;
                        Kind::NoDaemon
                    }
                    _ => Kind::NoPidFile,
                };
            }
            _ if record.up => {
                record.failed_checks = if good {
                    0
                } else {
                    record.failed_checks.saturating_add(1)
                };
                if Span(record.failed_checks.into()) >= self.plan.span(place, Key::HealthTries) {
                    return self.stop_for(place, Kind::Unhealthy);
                }
                wait = self.plan.span(place, Key::HealthEvery);
            }
            _ if good => return self.up(place),
            _ => (),
        }
        record.check_at = self.now.after(wait);
    }

    /// The daemon's process is known.
    fn found(&mut self, place: Place, pid: Pid) {
        let record = self.services.of(place);
        record.state = State::Running;
        record.check_at = NEVER;
        self.set_main(place, pid);
        self.say_about(Kind::Started, place);
        if self.phase == Phase::Killing {
            // It comes too late to be asked to stop.
            return self.kill(place);
        }
        self.wait_until_up(place);
    }

    /// A service's process is not the one that we started.
    fn set_main(&mut self, place: Place, pid: Pid) {
        let record = self.services.of(place);
        record.main = pid;
        record.named = pid;
        self.add_process(place, pid);
    }

    pub(super) fn noticed(&mut self, place: Place, notice: Notice) {
        let record = self.services.of(place);
        // A daemon runs once its pid file has named its process; what it takes to be up begins then.
        let runs = record.state == State::Running;
        // In the stop, a service that has yet to be told cannot put that off, whatever it says.
        let heeded = record.told.is_some() || record.blockers == 0 && !record.ending;
        // Whether it is meant to go on.
        let goes_on = runs && record.told.is_none() && heeded;
        match notice {
            Notice::Ready => {
                record.said_ready = true;
                let asked = self.plan.says(place, Key::Ready) && !self.plan.is_checked(place);
                if goes_on && asked && !record.up {
                    self.up(place);
                }
            }
            // Unless it was told to end, its health and watchdog no longer matter. It may take as long to end
            // as if told to, if the plan says how long; before it is up, only as long as to be up.
            Notice::Stopping if goes_on => {
                if record.up {
                    let timeout = self.plan.spec(place).stop_timeout();
                    record.limit = timeout.map_or(NEVER, |timeout| self.now.after(timeout));
                }
                record.watchdog = Span::ZERO;
                self.uncheck(place);
            }
            Notice::Alive | Notice::Watchdog(_) => {
                if let Notice::Watchdog(span) = notice {
                    record.watchdog = span;
                }
                if goes_on && record.up && record.watchdog > Span::ZERO {
                    record.limit = self.now.after(record.watchdog);
                }
            }
            Notice::Trigger if goes_on => self.stop_for(place, Kind::NotAlive),
            Notice::Extend(span) if heeded => {
                record.limit = record.limit.max(self.now.after(span));
            }
            Notice::Successor(pid) if runs => record.named = pid,
            // A process that is a service's already, its own or another's, stays what it is.
            Notice::Main(pid) if runs && self.service_of(pid) == NO_SERVICE => {
                let before = self.services.see(place).pid;
                self.remove_process(before);
                self.set_main(place, pid);
                let record = self.services.see(place);
                if record.told.is_some() & !record.group_told {
                    // Only the process before it has been told.
                    self.stop_anew(place);
                }
            }
            _ => (),
        }
    }

    /// A launcher did not end or a service was not up in time, or it did not end as announced, or its
    /// watchdog heard nothing.
    pub(super) fn deadline_missed(&mut self, place: Place) {
        let record = self.services.of(place);
        let fault = if record.state == State::Launching {
            Kind::NotBackground
        } else if !record.up {
            Kind::NotReady
        } else if record.watchdog == Span::ZERO {
            Kind::NotEnded
        } else {
            Kind::NotAlive
        };
        self.stop_for(place, fault);
    }

    /// A daemon's pid file has not named its process in time. If there is one, it is an orphan now.
    pub(super) fn left_no_pid_file(&mut self, place: Place) {
        let record = self.services.of(place);
        record.fault = Some(record.missing);
        record.ended(self.now, self.plan, Status::Exited(1));
        self.uncheck(place);
        self.run_is_over(place);
    }
}
