//! A service's life: started when what it is `after` is up, ended, finished, started again or gone.

use super::stop::Why;
use super::{Action, End, News, Phase, State, Supervisor};
use crate::message::{Kind, Message};
use crate::plan::{Essential, Key, NOBODY, Place, Restart, Spec, StartFault, Type, names};
use crate::words::Pid;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, NEVER, Span};

/// How long a `finish` command may run, as s6 has it (`timeout-finish`).
const FINISH_PATIENCE: Span = Span::seconds(5);

impl<'p> Supervisor<'p> {
    /// What the plan says of a service.
    pub(super) fn spec(&self, place: Place) -> Spec<'p> {
        self.plan.spec(place.into())
    }

    /// Puts a service at the end of the queue of those to start.
    pub(super) fn enqueue(&mut self, place: Place) {
        let last = core::mem::replace(&mut self.last, place);
        match self.services.get_mut(usize::from(last)) {
            Some(record) if self.next != NOBODY => record.link = place,
            _ => self.next = place,
        }
        if let Some(record) = self.services.get_mut(usize::from(place)) {
            record.link = NOBODY;
        }
    }

    /// Takes the first one off that queue.
    fn dequeue(&mut self) -> Place {
        let place = self.next;
        self.next = self.record(place).map_or(NOBODY, |record| record.link);
        place
    }

    pub(super) fn started(&mut self, now: Instant, pid: Pid) {
        let place = self.dequeue();
        let spec = self.spec(place);
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        record.pid = pid;
        record.killed = false;
        if record.state == State::Finishing {
            record.limit = now.after(FINISH_PATIENCE);
        } else {
            record.state = State::Running;
            record.main = pid;
            record.since = now;
            record.limit = if spec.kind() == Type::Daemon || spec.has(Key::Ready) {
                now.after(spec.span(Key::ReadyTimeout))
            } else {
                NEVER
            };
            // What was true of the run before.
            (record.up, record.said_ready, record.group_told) = (false, false, false);
            (record.fault, record.told, record.steps) = (None, None, 0);
            record.watchdog = spec.span(Key::Watchdog);
            self.say_about(Kind::Started, place);
        }
        self.runs(place, pid);
        self.schedule(place);
        if spec.kind() == Type::Service && self.is(place, State::Running) {
            self.wait_until_up(now, place);
        }
    }

    /// Enters a process into the list of those that run.
    pub(super) fn runs(&mut self, place: Place, pid: Pid) {
        if let Err(index) = self.find(pid) {
            self.running.insert(index, place);
        }
    }

    pub(super) fn is(&self, place: Place, state: State) -> bool {
        self.record(place)
            .is_some_and(|record| record.state == state)
    }

    pub(super) fn not_started(&mut self, now: Instant, fault: StartFault) {
        let place = self.dequeue();
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        if record.state == State::Finishing {
            self.say(Message {
                errno: fault.errno,
                ..Message::about(Kind::NotFinished, place)
            });
            return self.settled(now, place);
        }
        (record.fault, record.told) = (None, None);
        (record.since, record.ran) = (now, Span::ZERO);
        record.end = End::NotStarted(fault);
        self.settled(now, place);
    }

    pub(super) fn ended(&mut self, now: Instant, pid: Pid, status: Status, out_of_memory: bool) {
        let found = self.find(pid).ok();
        let Some((index, &place)) = found.and_then(|index| Some((index, self.running.get(index)?)))
        else {
            return self.say(Message::orphan(pid, status));
        };
        self.running.remove(index);
        let spec = self.spec(place);
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        record.check_at = NEVER;
        if record.state == State::Finishing {
            record.limit = NEVER;
            self.schedule(place);
            return self.settled(now, place);
        }
        let launcher = spec.kind() == Type::Daemon && !record.has_main && record.told.is_none();
        if launcher && self.plan.expected(status.code()) {
            record.state = State::Launched;
            return self.check(now, place);
        }
        record.limit = NEVER;
        record.has_main = false;
        record.ended(now, status, out_of_memory);
        let restarts = spec.restart() != Restart::No && self.phase == Phase::Run;
        self.uncheck(place);
        self.schedule(place);
        if restarts {
            // What the next run would meet: its port, its lock.
            self.tell_group_left_behind(place, Signal::TERM);
        }
        if spec.has(Key::Finish) && self.phase != Phase::Killing {
            if let Some(record) = self.services.get_mut(usize::from(place)) {
                record.state = State::Finishing;
            }
            self.enqueue(place);
        } else {
            self.settled(now, place);
        }
        self.tell_group_in_stop(place);
    }

    /// A service's run is over, its `finish` command included: is it started again?
    pub(super) fn settled(&mut self, now: Instant, place: Place) {
        let spec = self.spec(place);
        let plan = self.plan;
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        let (_, failed) = record.verdict(plan).unwrap_or((0, false));
        let again = match spec.restart() {
            Restart::No => false,
            Restart::OnFailure => failed,
            Restart::Always => failed || spec.kind() != Type::Oneshot,
        };
        if !again || self.phase != Phase::Run {
            return self.gone(now, place);
        }
        let (most, within) = spec.tries().unwrap_or((u64::MAX, Span::ZERO));
        if now.since(record.counted_from) >= within {
            (record.counted_from, record.starts) = (now, 0);
        }
        record.starts = record.starts.saturating_add(1);
        if u64::from(record.starts) >= most {
            self.say_about(Kind::TooOften, place);
            return self.gone(now, place);
        }
        if record.ran >= spec.span(Key::Stable) {
            record.quick = 0;
        }
        let (first, longest) = spec.backoff();
        let doubled = first.0.saturating_mul(1 << record.quick.min(30));
        record.quick = record.quick.saturating_add(1);
        // A little earlier or later than the others that died of the same thing.
        let delay = doubled.min(longest.0);
        let delay = delay - now.0.wrapping_mul(31).wrapping_add(place.into()) % (delay / 4 + 1);
        record.delay = Span(delay);
        record.state = State::Delayed;
        record.limit = now.after(record.delay);
        let reason = record.reason();
        let said = record.fault.is_some() && record.told.is_some();
        self.schedule(place);
        if !said {
            self.say_about(reason, place);
        }
        self.say_about(Kind::Again, place);
    }

    /// A service is gone for good.
    fn gone(&mut self, now: Instant, place: Place) {
        let index = usize::from(place);
        let spec = self.spec(place);
        let plan = self.plan;
        let Some(record) = self.services.get_mut(index) else {
            return;
        };
        record.state = State::Gone;
        self.left -= 1;
        let (code, failed) = record.verdict(plan).unwrap_or((0, false));
        let (end, reason, never_up) = (record.end, record.reason(), !record.was_up);
        let stopped_for = record.fault.is_some() && record.told.is_some();
        if failed {
            self.first_failure.get_or_insert(place);
        }
        let done = spec.kind() == Type::Oneshot && !failed;
        let essential = !done
            && (self.is_only()
                || match self.essential(place) {
                    Essential::Yes => true,
                    Essential::No => false,
                    Essential::OnFailure => failed,
                });
        let started = !matches!(end, End::NotStarted(_));
        let alone = self.running.is_empty();
        // A fault with which it all ends is for the last line to say, and one for which we stopped
        // it has been said.
        if (started || !alone || !essential) && !stopped_for {
            let goes_on = self.phase == Phase::Run && !essential;
            self.say(Message {
                code: if failed && goes_on { code } else { 0 },
                ..Message::about(reason, place)
            });
        }
        for said in spec.0 {
            let Some(reader) = self.reader(said) else {
                continue;
            };
            reader.feeders -= 1;
            if reader.feeders == 0 {
                let name = said.feeds().map_or(&b""[..], |name| name.to_bytes());
                let reader = names::find(&self.plan.services, name);
                self.act(Action::CloseInput(reader));
            }
        }
        if self.phase == Phase::Run && done {
            self.up(now, place);
        } else if self.phase == Phase::Run && never_up && !essential {
            self.skip_dependents(now, place, code);
        }
        let decisive = match self.phase {
            Phase::Run if essential => Some(place),
            Phase::Run if self.left == 0 => self.first_failure,
            Phase::LameDuck if alone => return self.begin_stop(now, None),
            Phase::Stopping => return self.down(now, place),
            _ => return,
        };
        self.decide(now, decisive);
    }

    /// The container ends: with the end of this service, or because nothing is left.
    fn decide(&mut self, now: Instant, decisive: Option<Place>) {
        self.counts = decisive.map_or(0..0, |place| place..place.saturating_add(1));
        self.judge();
        if now >= self.budget_from(self.asked_at) {
            // A stop signal that the service outlived by more than the budget asked for no stop.
            self.asked = None;
        }
        if self.plan.hold && self.asked.is_none() && self.code != 0 {
            self.phase = Phase::Held;
            self.say_about(Kind::Held, self.culprit);
        } else {
            self.begin_stop(now, None);
        }
    }

    /// What waits for this service waits in vain.
    fn skip_dependents(&mut self, now: Instant, place: Place, code: u8) {
        for &dependent in self.order.after(place) {
            let Some(record) = self.services.get_mut(usize::from(dependent)) else {
                continue;
            };
            if record.state != State::Waiting || self.phase != Phase::Run {
                continue;
            }
            record.end = End::Skipped(code);
            record.cause = place;
            // What it leads to comes when this step is over: a chain may be long.
            record.state = State::Delayed;
            record.limit = now;
            self.schedule(dependent);
        }
    }

    /// A service is up, or done: what waited for it waits no more.
    pub(super) fn up(&mut self, now: Instant, place: Place) {
        let spec = self.spec(place);
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        record.up = true;
        if record.state == State::Running {
            record.ran = now.since(record.since);
            record.limit = match record.watchdog {
                Span::ZERO => NEVER,
                watchdog => now.after(watchdog),
            };
            record.check_at = if spec.has(Key::Health) {
                now.after(spec.span(Key::HealthEvery))
            } else {
                NEVER
            };
            record.sick = 0;
            self.schedule(place);
            if spec.has(Key::Ready) {
                self.say_about(Kind::Up, place);
            }
        }
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        if core::mem::replace(&mut record.was_up, true) {
            return;
        }
        for &dependent in self.order.after(place) {
            let Some(record) = self.services.get_mut(usize::from(dependent)) else {
                continue;
            };
            record.waits -= 1;
            if record.waits == 0 && record.state == State::Waiting {
                self.enqueue(dependent);
            }
        }
        if self.is_awaited(place) {
            self.not_up -= 1;
            if self.not_up == 0 {
                self.act(Action::Announce(News::Ready));
            }
        }
    }

    /// A service's time has come: whatever it waited for.
    pub(super) fn due_now(&mut self, now: Instant, place: Place) {
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        let patience_ends = record.limit <= now;
        if !patience_ends {
            return self.check_due(now, place);
        }
        record.limit = NEVER;
        match record.state {
            State::Delayed if matches!(record.end, End::Skipped(_)) => {
                self.schedule(place);
                self.gone(now, place);
            }
            State::Delayed => {
                record.state = State::Waiting;
                self.schedule(place);
                self.enqueue(place);
            }
            State::Finishing => {
                record.killed = true;
                let pid = record.pid;
                self.schedule(place);
                self.send(pid, true, Signal::KILL);
            }
            State::Running if record.told.is_some() => self.insist(now, place),
            State::Running if record.ending => {
                self.tell_one(now, place, self.stop_signal, Why::Stop);
            }
            State::Running | State::Launched => self.patience_ends(now, place),
            State::Waiting | State::Gone => self.schedule(place),
        }
    }

    /// Stops one service for a fault of its own, while all else goes on.
    pub(super) fn stop_for(&mut self, now: Instant, place: Place, fault: Kind) {
        self.say_about(fault, place);
        if let Some(record) = self.services.get_mut(usize::from(place)) {
            record.fault = Some(fault);
            record.ran = now.since(record.since);
        }
        self.tell_one(now, place, Signal::TERM, Why::Stop);
    }
}
