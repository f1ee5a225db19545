//! The stop: from its cause to the last process and the exit code (pidlet(8), Stopping and EXIT STATUS).
//!
//! `stop_asked` hears a stop signal, and [`Supervisor::decide`] the end of a service; both lead to
//! `begin_stop`. A service that nothing is after is released: `stop` sends it one stop signal after the
//! other. Once it is `down`, what it is after may be released. When all have ended, `look` and `reaped` deal
//! with what is left over; `overdue` and a second stop signal lead to `kill_all`; and `finish` gives the
//! verdict.

use super::{Action, End, News, Phase, State, Supervisor};
use crate::message::{Kind, Message};
use crate::plan::{Group, Key, NO_SERVICE, Place, Spec, Style};
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, NEVER, Span};

/// How long killed processes may take to vanish. A process that hangs in the kernel (on a dead NFS server)
/// must not keep the container, and a healthy one is gone within a few milliseconds.
pub(super) const KILL_TIMEOUT: Span = Span::seconds(2);
/// The last call comes when one part in this many of the budget is left: a service that still waits for its
/// turn is told to stop then, since to be killed without warning is worse than to end out of turn.
pub(super) const LAST_CALL_DIVISOR: u64 = 8;
/// No limit but the stop's own.
const FOREVER: Span = Span(u64::MAX);

impl Supervisor<'_> {
    /// A stop signal came.
    pub(super) fn stop_asked(&mut self, signal: Signal, from_kernel: bool) {
        let again = core::mem::replace(&mut self.asked_once, true);
        match self.phase {
            Phase::Run => self.ask(signal, from_kernel),
            Phase::LameDuck => self.end_lame_duck(),
            Phase::Held => self.begin_stop(signal),
            Phase::Killing => (),
            // The first one in a stop that a service's end began: what stops keeps its time.
            _ if again => self.kill_all(),
            _ => (),
        }
    }

    /// A stop signal came while everything runs.
    #[inline(never)]
    fn ask(&mut self, signal: Signal, from_kernel: bool) {
        (self.asked, self.asked_at) = (Some(signal), self.now.after(self.plan.lame_duck));
        if self.plan.bounded() {
            self.limit_to(self.now);
        }
        if self.plan.lame_duck > Span::ZERO {
            self.say_that(Kind::LameDuck);
            self.phase = Phase::LameDuck;
            self.end_lame_duck_if_idle();
        } else {
            self.obey(signal, from_kernel);
        }
    }

    /// The lame-duck delay is over.
    pub(super) fn end_lame_duck(&mut self) {
        self.phase = Phase::Run;
        self.asked_at = self.now;
        if let Some(signal) = self.asked {
            self.obey(signal, false);
        }
    }

    /// Ends the lame-duck delay once nothing runs: it is pointless then.
    #[inline(never)]
    pub(super) fn end_lame_duck_if_idle(&mut self) {
        if self.phase == Phase::LameDuck && self.running == 0 {
            self.begin_stop(Signal::CHLD);
        }
    }

    fn obey(&mut self, signal: Signal, from_kernel: bool) {
        let Some(pid) = self.foreground_child().filter(|_| self.plan.pass_through()) else {
            return self.begin_stop(signal);
        };
        // The only service deals with its signals itself, and its end is the end.
        let group = self.plan.group;
        self.services.of(0).group_told |= group;
        self.pass_on(signal, from_kernel);
        self.act(Action::Wake(pid));
    }

    /// Starts the stop budget at `begun`, if it is not running already.
    #[inline(never)]
    fn limit_to(&mut self, begun: Instant) {
        self.limit = self.limit.min(self.budget_from(begun));
    }

    /// When a stop that began at this time must be over.
    pub(super) fn budget_from(&self, begun: Instant) -> Instant {
        begun.after(self.plan.budget())
    }

    /// Begins the stop that this signal asked for; CHLD stands for the end of a service.
    pub(super) fn begin_stop(&mut self, asked_by: Signal) {
        if !self.plan.graceful() {
            // After a hold the child has long been reaped: its number may be another process's.
            if self.phase != Phase::Held {
                self.signal_session();
            }
            return self.finish();
        }
        self.limit_to(self.asked_at.min(self.now));
        self.act(Action::Announce(News::Stopping));
        self.phase = Phase::Stopping;
        self.prepare_stop();
        if self.all_ended() {
            return self.look();
        }
        self.say_that(Kind::Stopping);
        // dumb-init's users rewrite what a stop sends, too; but a rewrite to nothing still sends TERM.
        self.stop_signal = if self.plan.parent_death == Some(asked_by) {
            asked_by
        } else {
            self.plan.routes.get(Signal::TERM).unwrap_or(Signal::TERM)
        };
        for place in self.places() {
            if self.dependents_of(place).is_empty() {
                self.release(place);
            }
        }
    }

    /// Works out how many others each service waits for before it is told to stop, and when it is told at the
    /// latest. Nothing is started any more but `finish` commands, and a service that does not run is gone.
    #[inline(never)]
    fn prepare_stop(&mut self) {
        self.first_to_start = NO_SERVICE;
        let last_call = Instant(self.limit.0 - self.plan.budget().0 / LAST_CALL_DIVISOR);
        for place in self.places() {
            let dependents = self.dependents_of(place).len();
            let record = self.services.of(place);
            // It waits until every service that is after it is down.
            record.blockers = dependents as u32;
            match record.state {
                State::Launching | State::Running if record.told.is_none() => {
                    record.limit = last_call
                }
                State::Launching | State::Running | State::Gone => (),
                State::Finishing if record.has_process() => (),
                State::Finishing => self.enqueue(place),
                State::Waiting | State::Delayed | State::Launched => {
                    // If it was to be started again after a failure, that failure counts after all.
                    let again = record.state != State::Launched && record.failed;
                    if !again || matches!(record.end, End::Skipped) {
                        record.end = End::None;
                    }
                    record.state = State::Gone;
                    record.limit = NEVER;
                }
            }
            // What a check would find now is no reason to fail any more.
            self.uncheck(place);
        }
    }

    /// Everything after this service is down: it is told to stop, or it is down itself.
    fn release(&mut self, place: Place) {
        let record = self.services.of(place);
        if record.running() || record.state == State::Finishing {
            // It was told at the last call.
            if !record.ending {
                self.stop_anew(place);
            }
            return;
        }
        if !self.dependencies_of(place).is_empty() {
            // What follows from that waits for a later step, since a chain may be long.
            self.services.of(place).limit = self.now;
        }
    }

    /// In the stop, a service is down: the services that it is after have one less to wait for.
    pub(super) fn down(&mut self, place: Place) {
        if self.services.see(place).blockers == 0 {
            for &dependency in self.dependencies_of(place) {
                let record = self.services.of(dependency);
                record.blockers = record.blockers.saturating_sub(1);
                if record.blockers == 0 {
                    self.release(dependency);
                }
            }
        }
        if self.all_ended() {
            self.look();
        }
    }

    /// Whether no service has a process, and no `finish` command is about to run.
    fn all_ended(&self) -> bool {
        self.running == 0 && self.first_to_start == NO_SERVICE
    }

    /// Kills a service, or its `finish` command.
    pub(super) fn kill(&mut self, place: Place) {
        let record = self.services.of(place);
        let pid = record.pid;
        // What happens to its `finish` command does not change how the service itself ended.
        if record.state == State::Finishing {
            self.not_finished(place, Errno::TIME);
        } else {
            record.killed = true;
        }
        self.send(pid, self.own_groups(), Signal::KILL);
    }

    /// Stops a service, beginning with the first of its stop signals.
    pub(super) fn stop_anew(&mut self, place: Place) {
        self.services.of(place).steps = 0;
        self.stop(place);
    }

    /// Sends a service its next stop signal, or KILL after the last one.
    pub(super) fn stop(&mut self, place: Place) {
        let spec = self.spec(place);
        let group = self.by_group(spec);
        let in_stop = self.phase == Phase::Stopping;
        let record = self.services.of(place);
        if record.state == State::Finishing {
            // It is over but for its `finish` command, which has a time limit of its own.
            return;
        }
        let timeout = spec.stop_timeout();
        let budget = self.plan.budget();
        let first = record.steps == 0;
        if in_stop & record.fed & !record.ending {
            // The services that wrote to it are gone: once it has read everything it ends by itself, and
            // nothing is lost. It has its stop timeout or half of the budget for that.
            record.ending = true;
            let within = timeout.unwrap_or(Span(budget.0 / 2));
            record.limit = record.limit.min(self.now.after(within));
            // Its input is still open if a service that feeds it did not run when the stop began.
            if record.feeders > 0 {
                self.act(Action::CloseInput(place));
            }
            return;
        }
        let signal = match spec.stop_signal(record.steps) {
            Some(signal) => signal,
            None if first => self.stop_signal,
            None => {
                self.say_about(Kind::Overdue, place);
                return self.kill(place);
            }
        };
        // Several stop signals share the budget. A single one in the stop has all the time that is left.
        let signals = spec.words(Key::Stop).len() as u32;
        let mut share = budget;
        if signals > 1 {
            share.0 /= u64::from(signals) + 1;
        } else if in_stop {
            share = FOREVER;
        }
        record.limit = self.now.after(timeout.unwrap_or(share));
        record.steps += 1;
        record.told = Some(signal);
        record.group_told |= group;
        let pid = record.pid;
        self.uncheck(place);
        self.send(pid, group, signal);
        if first && signal != Signal::KILL {
            self.send(pid, group, Signal::CONT);
        }
    }

    /// Whether a service's signals go to its whole process group.
    pub(super) fn by_group(&self, spec: Spec) -> bool {
        match spec.get(Key::Kill) {
            Some(pair) => pair.number > 0,
            None => self.plan.group,
        }
    }

    /// Whether every service has a process group of its own.
    fn own_groups(&self) -> bool {
        self.plan.setup.group != Group::Ours
    }

    /// The services are gone: looks for what else is left.
    pub(super) fn look(&mut self) {
        self.phase = Phase::Look;
        self.act(Action::Look);
    }

    /// The edge has reaped everything that was dead.
    #[inline(never)]
    pub(super) fn reaped(&mut self, left: bool) {
        match self.phase {
            Phase::Look | Phase::Leftovers | Phase::Killing if !left => self.finish(),
            Phase::Look => {
                self.phase = Phase::Leftovers;
                self.act(Action::SignalLeftovers(Signal::TERM));
            }
            // For what was born, or reparented to us, since the last round.
            Phase::Killing if !self.init => self.kill_leftovers(),
            _ => (),
        }
    }

    fn kill_leftovers(&mut self) {
        self.act(Action::SignalLeftovers(Signal::KILL));
    }

    /// The leftover processes cannot be found, so there is nothing to wait for.
    pub(super) fn out_of_reach(&mut self) {
        if self.running == 0 {
            self.say_that(Kind::LeftBehind);
            self.finish();
        }
    }

    /// A leader died in the stop, and is still a zombie: its group is told to stop now, since its number may
    /// be another process's later. PID 1 need not fear to hit a foreign process, and tells everything that is
    /// left at once when the services are gone.
    pub(super) fn tell_group_in_stop(&mut self, place: Place) {
        if !self.init && matches!(self.phase, Phase::Stopping | Phase::Look) {
            self.tell_group_left_behind(place);
        }
    }

    /// Tells the group of a leader that is still a zombie to stop.
    pub(super) fn tell_group_left_behind(&mut self, place: Place) {
        if !self.own_groups() {
            return;
        }
        let record = self.services.of(place);
        let told = core::mem::replace(&mut record.group_told, true);
        let pid = record.main;
        if !told {
            self.send(pid, true, Signal::TERM);
        }
    }

    /// The stop budget ran out, or the time that killed processes have to vanish.
    pub(super) fn overdue(&mut self) {
        if self.phase == Phase::Killing {
            return self.give_up();
        }
        if self.running == 0 {
            self.say_that(Kind::LeftOver);
        }
        for place in self.places() {
            if self.services.see(place).running() {
                self.say_of(Kind::Overdue, Signal::KILL.number(), place);
            }
        }
        self.kill_all();
    }

    /// Kills everything.
    pub(super) fn kill_all(&mut self) {
        self.phase = Phase::Killing;
        self.limit = self.now.after(KILL_TIMEOUT);
        for place in self.places() {
            if self.services.see(place).has_process() {
                self.kill(place);
            }
        }
        self.kill_leftovers();
        self.act(Action::Look);
    }

    /// What was killed hangs in the kernel. It counts as killed all the same, and we leave.
    fn give_up(&mut self) {
        self.say_that(Kind::Unkillable);
        for record in &mut *self.services.all {
            if record.running() {
                record.ended(self.now, self.plan, Status::Killed(Signal::KILL));
            }
        }
        self.finish();
    }

    /// dumb-init tells the rest of the session to end when its child is gone, and does not wait for it.
    fn signal_session(&mut self) {
        let pid = self.services.see(0).main;
        if self.plan.style == Style::DumbInit && self.plan.group && pid > 0 {
            if let Some(signal) = self.route(Signal::TERM) {
                self.say_signal(Kind::PassedOn, signal);
                self.send(pid, true, signal);
            }
        }
    }

    /// Finds the exit code, and the service that it comes from (pidlet(8), EXIT STATUS): of those that count,
    /// the first that failed, else the first that has ended.
    pub(super) fn judge(&mut self) {
        let mut failure = false;
        for place in (self.counts_from..self.counts_to).rev() {
            let record = self.services.see(place);
            if record.end != End::None && (record.failed || !failure) {
                (self.culprit, self.code) = (place, record.code);
                failure = record.failed;
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
