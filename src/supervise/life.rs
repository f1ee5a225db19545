//! A service's life: started when what it is `after` is up, ended, finished, and started again or gone.
//!
//! ```text
//! Waiting ─┬─► Running ◄──────────┐          service, oneshot
//!    ▲     └─► Launching ─► Launched         daemon: its launcher runs; then its pid file is waited for
//!    │            │             │
//!    │      its run is over ◄───┘            from any of the three, or if it could not be started
//!    │            │
//!    │            ├─► Finishing ─┐           if it has a `finish` command
//!    │            └──────────────┤
//!    └── Delayed ◄───────────────┴─► Gone    `settled` decides which
//! ```
//!
//! A service that is `after` one that will never be up goes from *Waiting* through *Delayed* to *Gone*, with
//! [`End::Skipped`]. In the stop, a service that does not run is *Gone*, and only `finish` commands start.
//! When the last is gone, or one whose end ends the container, [`Supervisor::decide`] begins the stop.

use super::{Action, End, News, Phase, State, Supervisor};
use crate::message::{Kind, Message};
use crate::plan::{Essential, Key, NO_SERVICE, Place, Restart, Spec, StartFault, Type};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{NEVER, Span};

/// How long a `finish` command may run: the default of s6 (`timeout-finish`).
const FINISH_TIMEOUT: Span = Span::seconds(5);
/// How often the delay before a restart doubles at most.
const QUICK_MAX: u8 = 30;

impl<'p> Supervisor<'p> {
    /// What the plan says of a service.
    pub(super) fn spec(&self, place: Place) -> Spec<'p> {
        self.plan.spec(place)
    }

    /// Appends a service to the start queue.
    pub(super) fn enqueue(&mut self, place: Place) {
        self.services.of(place).link = NO_SERVICE;
        let last = core::mem::replace(&mut self.last_to_start, place);
        if self.first_to_start == NO_SERVICE {
            self.first_to_start = place;
        } else {
            self.services.of(last).link = place;
        }
    }

    /// Takes the first service off the start queue.
    fn dequeue(&mut self) -> Place {
        let place = self.first_to_start;
        self.first_to_start = self.services.see(place).link;
        place
    }

    pub(super) fn started(&mut self, pid: Pid) {
        let place = self.dequeue();
        self.add_process(place, pid);
        let kind = self.spec(place).kind();
        let record = self.services.of(place);
        if record.state == State::Finishing {
            record.limit = self.now.after(FINISH_TIMEOUT);
            return;
        }
        record.killed = false;
        record.state = State::Running;
        record.main = pid;
        record.since = self.now;
        if kind == Type::Daemon {
            record.state = State::Launching;
        }
        if kind == Type::Daemon || self.plan.says(place, Key::Ready) {
            record.limit = self.now.after(self.plan.span(place, Key::ReadyTimeout));
        }
        // What was true of the previous run.
        (record.up, record.said_ready, record.group_told) = (false, false, false);
        (record.fault, record.told, record.steps) = (None, None, 0);
        record.watchdog = self.plan.span(place, Key::Watchdog);
        (record.check_errno, record.end) = (Errno::TIME, End::None);
        self.say_about(Kind::Started, place);
        if kind == Type::Service {
            self.wait_until_up(place);
        }
    }

    pub(super) fn not_started(&mut self, fault: StartFault) {
        let place = self.dequeue();
        let record = self.services.of(place);
        if record.state == State::Finishing {
            self.not_finished(place, fault.errno);
        } else {
            record.not_started(self.now, self.plan, fault);
        }
        self.settled(place);
    }

    /// A service's `finish` command could not be run, or must be killed.
    pub(super) fn not_finished(&mut self, place: Place, errno: Errno) {
        self.say(Message {
            errno,
            ..Message::about(Kind::NotFinished, place)
        });
    }

    pub(super) fn ended(&mut self, pid: Pid, status: Status, out_of_memory: bool) {
        // Once everything is over, the end of a service matters no more than an orphan's.
        let over = self.phase == Phase::Done;
        let place = if over {
            NO_SERVICE
        } else {
            self.remove_process(pid)
        };
        if place == NO_SERVICE {
            return self.say(Message::orphan(pid, status));
        }
        let launched = self.has_launched(place, status.code());
        let record = self.services.of(place);
        if launched {
            record.state = State::Launched;
            return self.check(place);
        }
        let finished = record.state == State::Finishing;
        if !finished {
            record.named = 0;
            record.out_of_memory = out_of_memory;
            record.ended(self.now, self.plan, status);
        }
        record.limit = NEVER;
        self.uncheck(place);
        if finished {
            return self.settled(place);
        }
        if self.phase == Phase::Run && self.spec(place).restart() != Restart::No {
            // Leftover processes would keep the port or the lock that the next run needs.
            self.tell_group_left_behind(place);
        }
        self.run_is_over(place);
        self.tell_group_in_stop(place);
    }

    /// A service's run is over: its `finish` command follows, if it has one.
    pub(super) fn run_is_over(&mut self, place: Place) {
        if self.plan.says(place, Key::Finish) && self.phase != Phase::Killing {
            self.services.of(place).state = State::Finishing;
            self.enqueue(place);
            self.end_lame_duck_if_idle();
        } else {
            self.settled(place);
        }
    }

    /// A service's run is over, including its `finish` command. Decides whether it is started again.
    pub(super) fn settled(&mut self, place: Place) {
        let spec = self.spec(place);
        let record = self.services.of(place);
        let again = match spec.restart() {
            Restart::No => false,
            Restart::OnFailure => record.failed,
            Restart::Always => record.failed || !self.plan.is_a(place, Type::Oneshot),
        };
        if !again || self.phase != Phase::Run {
            return self.gone(place);
        }
        if let Some((most, within)) = spec.tries() {
            if record.tries == 0 || self.now.since(record.tries_since) >= within {
                (record.tries_since, record.tries) = (self.now, 0);
            }
            record.tries = record.tries.wrapping_add(1);
            if record.tries >= most {
                self.say_about(Kind::TooOften, place);
                return self.gone(place);
            }
        }
        if record.ran >= self.plan.span(place, Key::Stable) {
            record.quick = 0;
        }
        // It doubles with each quick death. Both values have 32 bits, so nothing overflows.
        let (first, longest) = spec.backoff();
        let delay = (first.0 << record.quick).min(longest.0) as u32;
        record.quick = (record.quick + 1).min(QUICK_MAX);
        // A little sooner or later than other services that died of the same cause.
        let mixed = (self.now.0 as u32)
            .wrapping_mul(31)
            .wrapping_add(place.into());
        record.delay = Span((delay - mixed % (delay / 4 + 1)).into());
        record.state = State::Delayed;
        record.limit = self.now.after(record.delay);
        self.say_about(Kind::Restarting, place);
    }

    /// A service is gone for good.
    fn gone(&mut self, place: Place) {
        let essential = self.essential(place);
        let record = self.services.of(place);
        record.state = State::Gone;
        self.left -= 1;
        let (code, failed) = (record.code, record.failed);
        let done = !failed && self.plan.is_a(place, Type::Oneshot);
        if failed && self.first_failure == NO_SERVICE {
            self.first_failure = place;
        }
        let essential = match essential {
            Essential::Yes => !done,
            Essential::No => false,
            Essential::OnFailure => failed,
        };
        let goes_on = self.phase == Phase::Run && !essential;
        // A failure during the stop is worth a message: work in progress may have been lost. With a single
        // service the last line says it.
        let lost =
            failed && !record.killed && self.phase != Phase::Run && self.plan.services.len() > 1;
        // A failed start that ends everything is left to the last line, and a fault for which we stopped the
        // service has been reported.
        let news = match record.end {
            End::NotStarted(_) => self.running > 0 || !essential,
            _ => !record.stopped_for(),
        };
        if news {
            self.to_do.add(Action::Say(Message {
                code: if goes_on || lost { code } else { 0 },
                ..Message::about(record.reason(), place)
            }));
        }
        let never_up = !record.was_up;
        self.stop_feeding(place);
        if goes_on && done {
            self.up(place);
        } else if goes_on && never_up {
            self.skip_dependents(place, code);
        }
        match self.phase {
            Phase::Run if essential => self.decide(place),
            Phase::Run if self.left == 0 => self.decide(self.first_failure),
            Phase::Stopping => self.down(place),
            _ => self.end_lame_duck_if_idle(),
        }
    }

    /// Closes the input of a service that reads this one's output, once no other service writes there.
    fn stop_feeding(&mut self, place: Place) {
        for pair in self.spec(place).0 {
            let Some(reader) = self.plan.reader_of(pair) else {
                continue;
            };
            let feeders = &mut self.services.of(reader).feeders;
            *feeders = feeders.saturating_sub(1);
            if *feeders == 0 {
                self.act(Action::CloseInput(reader));
            }
        }
    }

    /// The container ends: with the end of this service, or because nothing is left.
    fn decide(&mut self, decisive: Place) {
        (self.counts_from, self.counts_to) = (decisive, decisive.saturating_add(1));
        self.judge();
        if self.limit == NEVER && self.now >= self.budget_from(self.asked_at) {
            // The service outlived the stop signal by more than the budget, so that signal is not the cause,
            // and what its group has started since has had none.
            (self.asked, self.asked_at, self.asked_once) = (None, NEVER, false);
            if let Some(only) = self.services.all.first_mut() {
                only.group_told = false;
            }
        }
        if self.plan.hold && self.asked.is_none() && self.code != 0 {
            self.phase = Phase::Held;
            self.say_about(Kind::Held, self.culprit);
        } else {
            self.begin_stop(Signal::CHLD);
        }
    }

    /// What waits for this service will never be started.
    fn skip_dependents(&mut self, place: Place, code: u8) {
        let record = self.services.see(place);
        let root = match record.end {
            End::Skipped => record.cause,
            _ => place,
        };
        for &dependent in self.dependents_of(place) {
            let record = self.services.of(dependent);
            if record.state == State::Waiting {
                record.end = End::Skipped;
                (record.code, record.failed) = (code.max(1), true);
                record.cause = root;
                // What follows from that waits for a later step, since a chain may be long.
                record.state = State::Delayed;
                record.limit = self.now;
            }
        }
    }

    /// A service is up, or done: the services that are after it need not wait for it any more.
    pub(super) fn up(&mut self, place: Place) {
        let record = self.services.of(place);
        record.up = true;
        let was_up = core::mem::replace(&mut record.was_up, true);
        if record.state == State::Running {
            record.ran = self.now.since(record.since);
            record.failed_checks = 0;
            record.limit = NEVER;
            if record.watchdog != Span::ZERO {
                record.limit = self.now.after(record.watchdog);
            }
            record.check_at = NEVER;
            if self.plan.says(place, Key::Health) {
                record.check_at = self.now.after(self.plan.span(place, Key::HealthEvery));
            }
            if self.plan.says(place, Key::Ready) {
                self.say_about(Kind::Up, place);
            }
        }
        if was_up {
            return;
        }
        for &dependent in self.dependents_of(place) {
            let record = self.services.of(dependent);
            if record.state == State::Waiting {
                record.blockers -= 1;
                if record.blockers == 0 {
                    self.enqueue(dependent);
                }
            }
        }
        if self.is_awaited(place) {
            self.not_up -= 1;
            if self.not_up == 0 {
                self.act(Action::Announce(News::Ready));
            }
        }
    }

    /// A service's deadline has come, whatever it was for.
    pub(super) fn due_now(&mut self, place: Place) {
        let record = self.services.of(place);
        if record.limit > self.now {
            return self.check_due(place);
        }
        record.limit = NEVER;
        match record.state {
            State::Delayed if matches!(record.end, End::Skipped) => self.gone(place),
            State::Delayed => {
                record.state = State::Waiting;
                self.enqueue(place);
            }
            State::Finishing => self.kill(place),
            State::Launching | State::Running => {
                // With a service after it that is not down yet: the last call of the stop.
                record.ending |= record.blockers > 0;
                if record.told.is_some() | record.ending {
                    self.stop(place);
                } else {
                    self.deadline_missed(place);
                }
            }
            State::Launched => self.left_no_pid_file(place),
            State::Gone => self.down(place),
            State::Waiting => (),
        }
    }

    /// Stops one service for a fault of its own, while all else goes on. What is held is left as it is.
    pub(super) fn stop_for(&mut self, place: Place, fault: Kind) {
        if self.phase == Phase::Held {
            return;
        }
        self.say_about(fault, place);
        let record = self.services.of(place);
        record.fault = Some(fault);
        self.stop_anew(place);
    }
}
