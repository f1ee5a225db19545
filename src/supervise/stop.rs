//! The stop: from its cause to the last process and the exit code (DESIGN §6 and §7).

use super::{Action, Phase, Supervisor};
use crate::message::{Kind, Message, Place};
use crate::plan::{Group, Style};
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, Span};

/// How long what was killed may take to vanish. A process that hangs in the kernel (a dead NFS
/// server) must not keep the container, and a healthy one is gone within a few milliseconds.
pub(super) const KILL_PATIENCE: Span = Span::seconds(2);

/// Why every running service is sent a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It came to us, and is passed on.
    PassedOn,
    /// The service is to stop.
    Stop,
    /// The service was told twice, or its time is up.
    Kill,
}

impl Supervisor<'_> {
    /// A stop signal came while everything runs.
    pub(super) fn stop_asked(&mut self, now: Instant, signal: Signal, from_kernel: bool) {
        (self.asked, self.asked_at) = (Some(signal), now);
        if self.plan.bounded() {
            self.limit_to(now);
        }
        if self.plan.lame_duck > Span::ZERO {
            self.say_that(Kind::LameDuck);
            self.phase = Phase::LameDuck;
            self.lame_until = now.after(self.plan.lame_duck);
        } else {
            self.obey(now, signal, from_kernel);
        }
    }

    /// The lame-duck delay is over.
    pub(super) fn end_lame_duck(&mut self, now: Instant) {
        self.phase = Phase::Run;
        if let Some(signal) = self.asked {
            self.obey(now, signal, false);
        }
    }

    fn obey(&mut self, now: Instant, signal: Signal, from_kernel: bool) {
        let Some(pid) = self.only_child() else {
            return self.begin_stop(now, Some(signal));
        };
        // The only service: its signals are its own business, and its end is the end.
        if let Some(record) = self.services.first_mut() {
            record.group_told |= self.plan.group;
        }
        self.pass_on(signal, from_kernel);
        self.act(Action::Wake(pid));
    }

    /// The stop budget runs from `begun` on, if it does not run already.
    fn limit_to(&mut self, begun: Instant) {
        self.limit = self.limit.min(self.budget_from(begun));
    }

    /// When a stop that began then must be over.
    pub(super) fn budget_from(&self, begun: Instant) -> Instant {
        begun.after(self.plan.budget())
    }

    /// Begins the stop that this signal asked for, or a service's end.
    pub(super) fn begin_stop(&mut self, now: Instant, asked_by: Option<Signal>) {
        if !self.plan.graceful {
            // After a hold the child has been reaped: its number may be somebody else's.
            if self.phase != Phase::Held {
                self.farewell();
            }
            return self.finish();
        }
        self.wanted |= asked_by.is_some() || self.asked.is_some();
        self.limit_to(match self.asked {
            Some(_) => self.asked_at,
            None => now,
        });
        if self.running.is_empty() {
            return self.look();
        }
        self.phase = Phase::Stopping;
        self.say_that(Kind::Stopping);
        // dumb-init's users rewrite what a stop sends, too; but nobody is left without one.
        let signal = match asked_by {
            Some(signal) if asked_by == self.plan.parent_death => signal,
            _ => self.plan.routes.get(Signal::TERM).unwrap_or(Signal::TERM),
        };
        self.tell(signal, Why::Stop);
    }

    /// Sends every running service a signal.
    pub(super) fn tell(&mut self, signal: Signal, why: Why) {
        let kill = why == Why::Kill;
        let group = if kill {
            self.own_groups()
        } else {
            self.plan.group
        };
        let mut index = 0;
        while let Some(&place) = self.running.get(index) {
            index += 1;
            let Some(record) = self.services.get_mut(usize::from(place)) else {
                continue;
            };
            let pid = record.pid;
            record.killed |= kill;
            if why == Why::Stop {
                record.told = Some(signal);
                record.group_told |= group;
            }
            self.send(pid, group, signal);
            if why == Why::Stop && signal != Signal::KILL {
                self.send(pid, group, Signal::CONT);
            }
        }
    }

    /// Whether every service has a process group of its own.
    fn own_groups(&self) -> bool {
        self.plan.setup.group != Group::Ours
    }

    /// The services are gone: now whatever else there is.
    pub(super) fn look(&mut self) {
        self.phase = Phase::Look;
        self.act(Action::Look);
    }

    /// The edge has reaped all that was dead.
    pub(super) fn reaped(&mut self, left: bool) {
        match self.phase {
            Phase::Look | Phase::Rest | Phase::Killing if !left => self.finish(),
            Phase::Look => {
                self.phase = Phase::Rest;
                self.act(Action::Rest {
                    signal: Signal::TERM,
                    spare_told: true,
                });
            }
            // Whoever was born or came to us since the last round.
            Phase::Killing if !self.surroundings.init => self.kill_rest(),
            _ => (),
        }
    }

    fn kill_rest(&mut self) {
        self.act(Action::Rest {
            signal: Signal::KILL,
            spare_told: false,
        });
    }

    /// What is left over cannot be found, so there is nothing to wait for.
    pub(super) fn out_of_reach(&mut self) {
        if self.running.is_empty() {
            self.say_that(Kind::LeftBehind);
            self.finish();
        }
    }

    /// A leader died in the stop, and is a zombie still: its group hears of the stop now, since
    /// later the number may be somebody else's. PID 1 has nobody else's processes to fear, and
    /// tells everybody at once when the services are gone.
    pub(super) fn tell_group_left_behind(&mut self, place: Place) {
        let signal = match self.phase {
            Phase::Stopping | Phase::Look => Signal::TERM,
            Phase::Killing => Signal::KILL,
            _ => return,
        };
        if self.surroundings.init || !self.own_groups() {
            return;
        }
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        let told = core::mem::replace(&mut record.group_told, true);
        let pid = record.pid;
        if !told || signal == Signal::KILL {
            self.send(pid, true, signal);
        }
    }

    /// The stop budget ran out.
    pub(super) fn overdue(&mut self, now: Instant) {
        if self.running.is_empty() {
            self.say_that(Kind::LeftOver);
        }
        let mut index = 0;
        while let Some(&place) = self.running.get(index) {
            index += 1;
            self.say_about(Kind::Overdue, place);
        }
        self.kill_all(now);
    }

    /// Kills everything.
    pub(super) fn kill_all(&mut self, now: Instant) {
        self.phase = Phase::Killing;
        self.limit = now.after(KILL_PATIENCE);
        self.tell(Signal::KILL, Why::Kill);
        self.kill_rest();
        self.act(Action::Look);
    }

    /// What was killed hangs in the kernel; it counts as killed all the same.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.say_that(Kind::Unkillable);
        for record in &mut *self.services {
            if record.state == super::State::Running {
                record.end(now, Status::Killed(Signal::KILL), false);
            }
        }
        self.finish();
    }

    /// dumb-init tells the rest of the session when the main child is gone, and does not wait.
    fn farewell(&mut self) {
        let pid = self.services.first().map_or(0, |record| record.pid);
        let signal = self.plan.routes.get(Signal::TERM);
        if let (Style::DumbInit, true, 1.., Some(signal)) =
            (self.plan.style, self.plan.group, pid, signal)
        {
            self.say_signal(Kind::PassedOn, signal);
            self.send(pid, true, signal);
        }
    }

    /// Whose end gives the container its exit code, and which (DESIGN §6): of those that count
    /// the first that failed, else the first that is gone.
    pub(super) fn judge(&mut self) {
        let mut failure = false;
        for place in self.counts.clone().rev() {
            match self
                .record(place)
                .and_then(|record| record.verdict(self.plan))
            {
                Some((code, failed)) if failed || !failure => {
                    (self.culprit, self.code) = (place, code);
                    failure = failed;
                }
                _ => (),
            }
        }
    }

    /// Everything is over.
    pub(super) fn finish(&mut self) {
        self.judge();
        self.phase = Phase::Done;
        self.say(Message {
            service: self.culprit,
            to: self.asked.map_or(0, Signal::number),
            code: self.code,
            ..Message::of(Kind::End)
        });
    }
}
