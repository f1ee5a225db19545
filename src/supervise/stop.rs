//! The stop: from its cause to the last process and the exit code (DESIGN §6 and §7).

use super::{Action, End, News, Phase, Record, State, Supervisor};
use crate::message::{Kind, Message};
use crate::plan::{Group, Key, NOBODY, Place, Spec, Style};
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, NEVER, Span};

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

/// Several stop signals share the time that there is.
fn share(spec: Spec, budget: Span) -> Span {
    Span(budget.0 / (spec.words(Key::Stop).len() as u64 + 1))
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
        let Some(pid) = self.foreground_child().filter(|_| self.is_only()) else {
            return self.begin_stop(now, Some(signal));
        };
        // The only service: its signals are its own business, and its end is the end.
        if let Some(record) = self.services.first_mut() {
            record.group_told |= self.plan.group;
        }
        self.pass_on(now, signal, from_kernel);
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
        self.act(Action::Announce(News::Stopping));
        self.phase = Phase::Stopping;
        self.clear_queue();
        if self.running.is_empty() && self.next == NOBODY {
            return self.look();
        }
        self.say_that(Kind::Stopping);
        // dumb-init's users rewrite what a stop sends, too; but nobody is left without one.
        self.stop_signal = match asked_by {
            Some(signal) if asked_by == self.plan.parent_death => signal,
            _ => self.plan.routes.get(Signal::TERM).unwrap_or(Signal::TERM),
        };
        // All that somebody is after waits for him to be down.
        for place in 0..self.services.len() as Place {
            let holds = self.order.after(place).len() as Place;
            if let Some(record) = self.services.get_mut(usize::from(place)) {
                record.holds = holds;
                // From now on: how many it has passed that on to.
                record.waits = 0;
            }
        }
        for place in 0..self.services.len() as Place {
            if self.order.after(place).is_empty() {
                self.stop_or_pass(now, place);
            }
        }
    }

    /// Nothing is started any more but `finish` commands; what has not ended will not run again.
    fn clear_queue(&mut self) {
        self.next = NOBODY;
        for place in 0..self.services.len() as Place {
            let Some(record) = self.services.get_mut(usize::from(place)) else {
                continue;
            };
            match record.state {
                State::Running | State::Gone => (),
                State::Finishing if self.running.contains(&place) => (),
                State::Finishing => self.enqueue(place),
                State::Waiting | State::Delayed | State::Launched => {
                    (record.state, record.end) = (State::Gone, End::None);
                    record.limit = NEVER;
                    self.uncheck(place);
                    self.schedule(place);
                }
            }
        }
    }

    /// All that is after this service is down: it is told to stop, or it is down itself.
    fn stop_or_pass(&mut self, now: Instant, first: Place) {
        // Those that are down but have not passed that on, one linked to the next.
        let mut waiting = NOBODY;
        let mut place = first;
        loop {
            let busy = self.record(place).is_some_and(Record::busy);
            if busy {
                self.tell_one(now, place, self.stop_signal, Why::Stop);
            } else if let Some(record) = self.services.get_mut(usize::from(place)) {
                record.link = waiting;
                waiting = place;
            }
            // The next one that nothing is after any more; who has passed it on to all is left.
            loop {
                if waiting == NOBODY {
                    return;
                }
                match self.release_one(waiting) {
                    Some(released) => {
                        place = released;
                        break;
                    }
                    None => waiting = self.record(waiting).map_or(NOBODY, |record| record.link),
                }
            }
        }
    }

    /// A service is down: the next one of those that it is after of which it was the last.
    fn release_one(&mut self, place: Place) -> Option<Place> {
        let before = self.order.before(place);
        loop {
            let record = self.services.get_mut(usize::from(place))?;
            let next = *before.get(usize::from(record.waits))?;
            record.waits += 1;
            let released = self.services.get_mut(usize::from(next))?;
            released.holds -= 1;
            if released.holds == 0 {
                return Some(next);
            }
        }
    }

    /// A service has ended in the stop.
    pub(super) fn down(&mut self, now: Instant, place: Place) {
        if self.record(place).is_some_and(|record| record.holds == 0) {
            self.stop_or_pass(now, place);
        }
        if self.running.is_empty() && self.next == NOBODY {
            self.look();
        }
    }

    /// Sends every running service a signal.
    pub(super) fn tell(&mut self, now: Instant, signal: Signal, why: Why) {
        let mut index = 0;
        while let Some(&place) = self.running.get(index) {
            index += 1;
            self.tell_one(now, place, signal, why);
        }
    }

    /// Sends a service a signal; its own stop signal if it is to stop and has one.
    pub(super) fn tell_one(&mut self, now: Instant, place: Place, signal: Signal, why: Why) {
        let spec = self.spec(place);
        let kill = why == Why::Kill;
        let group = if kill {
            self.own_groups()
        } else {
            self.by_group(spec)
        };
        let budget = self.plan.budget();
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        let pid = record.pid;
        if record.state == State::Finishing && !kill {
            // It is at its end anyway, and has its own time for that.
            return;
        }
        record.killed |= kill;
        if why != Why::Stop {
            return self.send(pid, group, signal);
        }
        let in_stop = self.phase == Phase::Stopping;
        if record.fed && !record.ending && in_stop {
            // Whoever wrote to it is gone: when it has read all it ends by itself, and nothing is
            // lost. It has half of the time for that.
            record.ending = true;
            // Some may never have run.
            let open = record.feeders > 0;
            record.limit = now.after(spec.stop_timeout().unwrap_or(Span(budget.0 / 2)));
            self.uncheck(place);
            self.schedule(place);
            if open {
                self.act(Action::CloseInput(place));
            }
            return;
        }
        let signal = spec.stop_signal(0).unwrap_or(signal);
        record.told = Some(signal);
        record.group_told |= group;
        record.steps = 1;
        record.limit = match spec.stop_timeout() {
            Some(timeout) => now.after(timeout),
            None if spec.stop_signal(1).is_some() => now.after(share(spec, budget)),
            None if in_stop => NEVER,
            None => now.after(budget),
        };
        self.uncheck(place);
        self.schedule(place);
        self.send(pid, group, signal);
        if signal != Signal::KILL {
            self.send(pid, group, Signal::CONT);
        }
    }

    /// A service has not ended within its own time: its next stop signal, and KILL after the last.
    pub(super) fn insist(&mut self, now: Instant, place: Place) {
        let spec = self.spec(place);
        let group = self.by_group(spec);
        let budget = self.plan.budget();
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        if let Some(signal) = spec.stop_signal(record.steps) {
            record.steps += 1;
            record.told = Some(signal);
            let patience = spec.stop_timeout().unwrap_or(share(spec, budget));
            record.limit = now.after(patience);
            let pid = record.pid;
            self.schedule(place);
            return self.send(pid, group, signal);
        }
        self.schedule(place);
        self.say_about(Kind::Overdue, place);
        self.tell_one(now, place, Signal::KILL, Why::Kill);
    }

    /// Whether a service's signals go to its process group.
    fn by_group(&self, spec: Spec) -> bool {
        match spec.get(Key::Kill) {
            Some(said) => said.number > 0,
            None => self.plan.group,
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
    pub(super) fn tell_group_in_stop(&mut self, place: Place) {
        if self.surroundings.init {
            return;
        }
        match self.phase {
            Phase::Stopping | Phase::Look => self.tell_group_left_behind(place, Signal::TERM),
            Phase::Killing => self.tell_group_left_behind(place, Signal::KILL),
            _ => (),
        }
    }

    /// Tells the group of a leader that is a zombie.
    pub(super) fn tell_group_left_behind(&mut self, place: Place, signal: Signal) {
        if !self.own_groups() {
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
        self.tell(now, Signal::KILL, Why::Kill);
        self.kill_rest();
        self.act(Action::Look);
    }

    /// What was killed hangs in the kernel; it counts as killed all the same.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.say_that(Kind::Unkillable);
        for record in &mut *self.services {
            if record.state == State::Running {
                record.ended(now, Status::Killed(Signal::KILL), false);
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
