//! Whether a service is up, and whether it stays well: readiness, health, watchdog.
//!
//! Checks are repeated with a growing interval only until the service is up. From then on only
//! what the plan asks for costs anything.

use super::{Action, Finding, Notice, State, Supervisor};
use crate::message::Kind;
use crate::plan::{Key, Place, Type};
use crate::words::Pid;
use crate::words::exit::Status;
use crate::words::time::{Instant, NEVER, Span};

/// Between the first two checks; from then on twice as long each time.
const FIRST_INTERVAL: Span = Span(20);
/// Between two checks at most.
const LAST_INTERVAL: Span = Span(1000);
/// How long one check may take before the service is up.
const CHECK_PATIENCE: Span = Span::seconds(5);

impl Supervisor<'_> {
    /// A service has its process: whatever makes it up begins.
    pub(super) fn wait_until_up(&mut self, now: Instant, place: Place) {
        let said_ready = self.record(place).is_some_and(|record| record.said_ready);
        let spec = self.spec(place);
        if spec.is_checked() {
            self.check(now, place);
        } else if said_ready || !spec.has(Key::Ready) {
            self.up(now, place);
        }
    }

    /// The first check of a row of them.
    pub(super) fn check(&mut self, now: Instant, place: Place) {
        if let Some(record) = self.services.get_mut(usize::from(place)) {
            record.delay = FIRST_INTERVAL;
        }
        self.check_once(now, place);
    }

    fn check_once(&mut self, now: Instant, place: Place) {
        let every = self.spec(place).span(Key::HealthEvery);
        if let Some(record) = self.services.get_mut(usize::from(place)) {
            record.checking = true;
            let patience = if record.up { every } else { CHECK_PATIENCE };
            record.check_at = now.after(patience);
            self.schedule(place);
            self.act(Action::Check(place));
        }
    }

    /// It is time for a check, or the one that goes on takes too long.
    pub(super) fn check_due(&mut self, now: Instant, place: Place) {
        if self.record(place).is_some_and(|record| record.checking) {
            self.act(Action::Uncheck(place));
            return self.checked(now, place, Finding::Bad);
        }
        self.check_once(now, place);
    }

    /// A check is of no interest any more.
    pub(super) fn uncheck(&mut self, place: Place) {
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        record.check_at = NEVER;
        if core::mem::replace(&mut record.checking, false) {
            self.act(Action::Uncheck(place));
        }
    }

    pub(super) fn checked(&mut self, now: Instant, place: Place, finding: Finding) {
        let spec = self.spec(place);
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        if !core::mem::replace(&mut record.checking, false) {
            return;
        }
        match (record.state, finding) {
            (State::Launched, Finding::Main(pid)) => return self.found(now, place, pid),
            (State::Running, Finding::Good) if !record.up => return self.up(now, place),
            (State::Running, _) if record.up => {
                record.sick = match finding {
                    Finding::Good => 0,
                    _ => record.sick.saturating_add(1),
                };
                if u64::from(record.sick) >= spec.number(Key::HealthTries) {
                    record.check_at = NEVER;
                    return self.stop_for(now, place, Kind::Unhealthy);
                }
                record.check_at = now.after(spec.span(Key::HealthEvery));
            }
            (State::Launched, _) => {
                record.stranger = finding == Finding::Stranger;
                record.check_at = now.after(record.delay);
            }
            _ => record.check_at = now.after(record.delay),
        }
        record.delay = Span(record.delay.0 * 2).min(LAST_INTERVAL);
        self.schedule(place);
    }

    /// The daemon's process is known.
    fn found(&mut self, now: Instant, place: Place, pid: Pid) {
        if let Some(record) = self.services.get_mut(usize::from(place)) {
            (record.pid, record.main) = (pid, pid);
            record.has_main = true;
            record.state = State::Running;
            record.check_at = NEVER;
        }
        self.schedule(place);
        self.runs(place, pid);
        self.say_about(Kind::Started, place);
        self.wait_until_up(now, place);
    }

    pub(super) fn noticed(&mut self, now: Instant, place: Place, notice: Notice) {
        let spec = self.spec(place);
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        let runs = record.state == State::Running;
        match notice {
            Notice::Ready => {
                record.said_ready = true;
                let asked = spec.has(Key::Ready) && !spec.is_checked();
                let known = record.has_main || spec.kind() != Type::Daemon;
                if runs && known && asked && !record.up {
                    self.up(now, place);
                }
                return;
            }
            // It needs no looking after any more, unless it was told to end.
            Notice::Stopping if runs && record.told.is_none() => {
                record.limit = NEVER;
                self.uncheck(place);
            }
            Notice::Alive if runs && record.up && record.told.is_none() => {
                if record.watchdog > Span::ZERO {
                    record.limit = now.after(record.watchdog);
                }
            }
            Notice::Watchdog(span) => {
                record.watchdog = span;
                if runs && record.up && record.told.is_none() {
                    record.limit = now.after(span);
                }
            }
            Notice::Trigger if runs && record.told.is_none() => {
                return self.stop_for(now, place, Kind::NotAlive);
            }
            Notice::Extend(span) if record.limit != NEVER => {
                record.limit = record.limit.max(now.after(span));
            }
            Notice::Main(pid) if runs && pid != record.pid => {
                let before = record.pid;
                if let Ok(index) = self.find(before) {
                    self.running.remove(index);
                }
                if let Some(record) = self.services.get_mut(usize::from(place)) {
                    (record.pid, record.main) = (pid, pid);
                    record.has_main = true;
                }
                self.runs(place, pid);
            }
            _ => return,
        }
        self.schedule(place);
    }

    /// A service was not up in time, or its watchdog has heard nothing of it.
    pub(super) fn patience_ends(&mut self, now: Instant, place: Place) {
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        if record.state == State::Running {
            let fault = if record.up {
                Kind::NotAlive
            } else {
                Kind::NotReady
            };
            return self.stop_for(now, place, fault);
        }
        // No process of its own is known: the daemon, if there is one, is an orphan.
        let fault = if record.stranger {
            Kind::Stranger
        } else {
            Kind::NoPidFile
        };
        record.fault = Some(fault);
        record.ended(now, Status::Exited(1), false);
        self.uncheck(place);
        self.schedule(place);
        self.settled(now, place);
    }
}
