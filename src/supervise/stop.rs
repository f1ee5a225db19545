//! The stop: from its cause to the last process and the exit code (DESIGN §6 and §7).

use super::{Action, Cause, Phase, Supervisor};
use crate::message::Message;
use crate::plan::{Group, Style};
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, Span};

/// How long what was killed may take to vanish. A process that hangs in the kernel (a dead NFS
/// server) must not keep the container, and a healthy one is gone within a few milliseconds.
pub(super) const KILL_PATIENCE: Span = Span::seconds(2);

impl Supervisor<'_> {
    /// A stop signal came while everything runs.
    pub(super) fn stop_asked(&mut self, now: Instant, signal: Signal, from_kernel: bool) {
        let only_if_set = self.plan.pass_through();
        if self.limit.is_none() && !(only_if_set && self.plan.grace.is_none()) {
            self.limit = Some(now.after(self.plan.budget()));
        }
        if self.plan.lame_duck > Span::ZERO {
            self.say(Message::LameDuck);
            self.phase = Phase::LameDuck {
                until: now.after(self.plan.lame_duck),
                signal,
            };
        } else {
            self.stop_for(now, signal, from_kernel);
        }
    }

    pub(super) fn end_lame_duck(&mut self, now: Instant, signal: Signal) {
        self.phase = Phase::Run;
        self.stop_for(now, signal, false);
    }

    fn stop_for(&mut self, now: Instant, signal: Signal, from_kernel: bool) {
        let Some(pid) = self.only_child() else {
            return self.begin_stop(now, Cause::Signal(signal));
        };
        // The only service: its signals are its own business, and its end is the end.
        self.asked = Some((now, signal));
        if let Some(record) = self.services.first_mut() {
            record.group_told |= self.plan.group;
        }
        self.pass_on(signal, from_kernel);
        self.act(Action::Wake(pid));
    }

    /// Begins the stop, or holds the container where that was asked for.
    pub(super) fn begin_stop(&mut self, now: Instant, cause: Cause) {
        let held = self.phase == Phase::Held;
        if !held {
            self.cause = Some(cause);
        }
        let (service, code) = self.outcome();
        let signalled = matches!(cause, Cause::Signal(_));
        if let (true, Some(service)) = (self.plan.hold && !signalled && code != 0, service) {
            if self.asked.is_none() {
                self.phase = Phase::Held;
                return self.say(Message::Held(service));
            }
        }
        if !self.plan.graceful {
            // After a hold the child has been reaped: its number may be somebody else's.
            if !held {
                self.farewell();
            }
            return self.finish();
        }
        let begun = match self.asked {
            // A stop signal that the service outlived by more than the budget asked for no stop.
            Some((asked, _)) if now < asked.after(self.plan.budget()) => asked,
            _ => now,
        };
        self.limit.get_or_insert(begun.after(self.plan.budget()));
        if self.running == 0 {
            return self.begin_rest();
        }
        self.phase = Phase::Stopping;
        self.say(Message::Stopping);
        let signal = match (cause, self.plan.parent_death) {
            (Cause::Signal(signal), Some(death)) if signal == death => signal,
            // dumb-init's users rewrite what a stop sends, too; but nobody is left without one.
            _ => self.plan.routes.get(Signal::TERM).unwrap_or(Signal::TERM),
        };
        for index in 0..self.pids.len() {
            let (pid, service) = self.pids[index];
            let group = self.plan.group;
            let record = &mut self.services[service as usize];
            record.told = Some(signal);
            record.group_told |= group;
            self.act(Action::Signal { pid, group, signal });
            if signal != Signal::KILL {
                self.act(Action::Signal {
                    pid,
                    group,
                    signal: Signal::CONT,
                });
            }
        }
    }

    /// The services are gone: now whatever else there is.
    pub(super) fn begin_rest(&mut self) {
        self.phase = Phase::Rest { told: false };
        self.act(Action::Look);
    }

    /// The edge has reaped all that was dead.
    pub(super) fn reaped(&mut self, left: bool) {
        match self.phase {
            Phase::Rest { .. } | Phase::Killing { .. } if !left => self.finish(),
            Phase::Rest { told: false } => {
                self.phase = Phase::Rest { told: true };
                self.act(Action::Rest {
                    signal: Signal::TERM,
                    spare_told: true,
                });
            }
            Phase::Killing { .. } if !self.surroundings.init => {
                // Whoever was born or came to us since the last round.
                self.act(Action::Rest {
                    signal: Signal::KILL,
                    spare_told: false,
                });
            }
            _ => (),
        }
    }

    /// What is left over cannot be found, so there is nothing to wait for.
    pub(super) fn out_of_reach(&mut self) {
        if self.running == 0 {
            self.say(Message::LeftBehind);
            self.finish();
        }
    }

    /// A leader died in the stop, and is a zombie still: its group hears of the stop now, since
    /// later the number may be somebody else's. PID 1 has nobody else's processes to fear, and
    /// tells everybody at once when the services are gone.
    pub(super) fn tell_group_left_behind(&mut self, service: usize) {
        let signal = match self.phase {
            Phase::Stopping | Phase::Rest { .. } => Signal::TERM,
            Phase::Killing { .. } => Signal::KILL,
            _ => return,
        };
        let record = &mut self.services[service];
        let told = record.group_told && signal == Signal::TERM;
        if self.surroundings.init || told || self.plan.setup.group == Group::Ours {
            return;
        }
        record.group_told = true;
        let pid = record.pid;
        self.act(Action::Signal {
            pid,
            group: true,
            signal,
        });
    }

    /// The stop budget ran out.
    pub(super) fn overdue(&mut self, now: Instant) {
        if self.running == 0 {
            self.say(Message::LeftOver);
        }
        for index in 0..self.pids.len() {
            let (_, service) = self.pids[index];
            self.say(Message::Overdue(service as usize));
        }
        self.kill_all(now);
    }

    /// Kills everything.
    pub(super) fn kill_all(&mut self, now: Instant) {
        self.phase = Phase::Killing {
            until: now.after(KILL_PATIENCE),
        };
        let group = self.plan.setup.group != Group::Ours;
        for index in 0..self.pids.len() {
            let (pid, service) = self.pids[index];
            self.services[service as usize].killed = true;
            self.act(Action::Signal {
                pid,
                group,
                signal: Signal::KILL,
            });
        }
        self.act(Action::Rest {
            signal: Signal::KILL,
            spare_told: false,
        });
        self.act(Action::Look);
    }

    /// What was killed hangs in the kernel; it counts as killed all the same.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.say(Message::Unkillable);
        for (_, service) in &*self.pids {
            self.services[*service as usize].end(now, Status::Killed(Signal::KILL), false);
        }
        self.finish();
    }

    /// dumb-init tells the rest of the session when the main child is gone, and does not wait.
    fn farewell(&mut self) {
        let pid = self.services.first().map_or(0, |record| record.pid);
        if self.plan.style == Style::DumbInit && self.plan.group && pid != 0 {
            if let Some(signal) = self.plan.routes.get(Signal::TERM) {
                self.say(Message::PassedOn(signal));
                self.act(Action::Signal {
                    pid,
                    group: true,
                    signal,
                });
            }
        }
    }

    /// Why the container ends and with what code (DESIGN §6).
    fn outcome(&self) -> (Option<usize>, u8) {
        let count = self.services.len();
        let service = match self.cause {
            Some(Cause::Service(service)) => Some(service),
            Some(Cause::Signal(_)) => (0..count)
                .find(|service| self.failed(*service))
                .or_else(|| (0..count).find(|service| self.code(*service).is_some())),
            Some(Cause::AllDone) => self.first_failure,
            // Killed while its signals were its own business.
            None => Some(0),
        };
        match service.and_then(|service| Some((service, self.code(service)?))) {
            Some((service, code)) => (Some(service), code),
            None => (None, 0),
        }
    }

    /// Everything is over.
    pub(super) fn finish(&mut self) {
        let (service, code) = self.outcome();
        let signal = match (self.cause, self.asked, self.limit) {
            (Some(Cause::Signal(signal)), ..) => Some(signal),
            (_, Some((asked, signal)), Some(limit)) if limit == asked.after(self.plan.budget()) => {
                Some(signal)
            }
            _ => None,
        };
        self.phase = Phase::Done(code);
        self.say(Message::End {
            service,
            signal,
            code,
        });
    }
}
