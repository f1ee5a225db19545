//! One claim after the other: whether it may be made then, and what follows from it.

use super::*;

impl Judge<'_> {
    pub(super) fn take(&mut self, at: usize, claim: &Claim) {
        match claim {
            Claim::Runs(place, pid) => self.runs(at, *place, *pid),
            Claim::Up(place) => self.services[*place].up = true,
            Claim::Ended(place, pid, how, tail) => self.ended(at, *place, *pid, *how, *tail),
            Claim::AllEnded(_) | Claim::LameDuck | Claim::Rewritten | Claim::NotPassed => {}
            Claim::TooOften(place) => {
                let service = &mut self.services[*place];
                service.too_often = true;
                let most = self.plan.sections[service.section].tries;
                // Its end is said next, but not if it was stopped for a fault.
                let ends = service.ends + 1;
                if most != Some(ends) {
                    self.complain(at, &format!("given up after {ends} ends"));
                }
                if self.services[*place].fault {
                    self.gone_for_fault(at, *place);
                }
            }
            Claim::Overdue(place, pid) => self.overdue(at, *place, *pid),
            // No `finish` command takes so long that it is killed before the budget is over.
            Claim::LeftOver | Claim::NotFinished => self.killed_at = self.killed_at.or(Some(at)),
            Claim::Received(signal) => self.received(at, *signal),
            // A killed process has two seconds to vanish, which may be too little on a busy machine.
            Claim::Passed(_) | Claim::Reaped(_) | Claim::Dropped | Claim::GaveUp => {}
            Claim::Stopping => self.stopping(at),
            Claim::Unknown(_) => self.complain(at, "an unknown line"),
        }
    }

    fn runs(&mut self, at: usize, place: Place, pid: i32) {
        let section = &self.plan.sections[self.services[place].section];
        let found = section.kind == Kind::Daemon && self.services[place].state == State::Running;
        if self.phase != Phase::Run && !found {
            self.complain(at, "something was started in the stop");
        }
        if !found && matches!(self.services[place].state, State::Running | State::Gone) {
            self.complain(at, "it ran already, or was gone");
        }
        if self.services[place].state == State::Waiting {
            self.check_order(at, place);
        }
        let name = self.name(place);
        if self
            .entries(pid)
            .any(|said| self.journal.speaker(said) != name)
        {
            self.complain(at, "that process is not the service's");
        }
        let killed = self.killed_by_test(pid, self.journal.entries.len());
        if self.entries(pid).next().is_none() && self.killed_at.is_none() && !killed {
            // Else it may have been killed before it came to say anything.
            let over = self.journal.claims().any(|(_, claim)| {
                matches!(
                    claim,
                    Claim::Overdue(..) | Claim::LeftOver | Claim::NotFinished
                ) || *claim == Claim::Ended(place, Some(pid), How::KilledByUs, Tail::default())
            });
            let twice = self
                .journal
                .claims()
                .filter(|(_, claim)| matches!(claim, Claim::Received(_)));
            if !over && twice.count() < 2 {
                self.complain(at, "that process never said anything");
            }
        }
        for (main, _, _, until) in &mut self.mains {
            if *main == place {
                *until = (*until).min(at);
            }
        }
        self.mains.push((place, pid, at, usize::MAX));
        let service = &mut self.services[place];
        (service.state, service.pid) = (State::Running, Some(pid));
        if !found {
            (service.fault, service.killed) = (false, false);
        }
        let waits = section.kind == Kind::Daemon && !found;
        if section.kind != Kind::Oneshot && section.ready == Ready::AtOnce && !waits {
            service.up = true;
        }
    }

    /// Checks that all that a service is after were up when it was started for the first time.
    fn check_order(&mut self, at: usize, place: Place) {
        for other in self.before(place) {
            let service = &self.services[other];
            let section = &self.plan.sections[service.section];
            let name = self.name(other);
            let said = |wanted: &str| {
                (0..at).any(|said| {
                    self.journal.speaker(said) == name && self.journal.what(said) == wanted
                })
            };
            let ready = section.ready == Ready::AtOnce || said("ready");
            let there = section.kind != Kind::Daemon || said("daemon");
            if !service.up || !ready || !there {
                self.complain(at, &format!("started before {name} was up"));
            }
        }
    }

    fn overdue(&mut self, at: usize, place: Place, pid: i32) {
        self.services[place].killed = true;
        if self.services[place].pid != Some(pid) && !self.was_named(place, pid, at) {
            self.complain(at, "that is not its process");
        }
        // The whole budget may be over with that; an only service has its signals, and so the budget, to
        // itself.
        let over = self
            .time_since_cause(at)
            .is_some_and(|time| time >= self.plan.grace);
        if over || self.plan.passes_through() {
            self.killed_at = self.killed_at.or(Some(at));
        }
    }

    fn received(&mut self, at: usize, signal: i32) {
        if signal == libc::SIGCHLD {
            return;
        }
        let wanted = format!("sends {signal}");
        let sent =
            |entry: &&Entry| matches!(entry, Entry::Did { pid: 0, what, .. } if *what == wanted);
        let sent = self.journal.entries[..at].iter().filter(sent).count();
        let heard = self.journal.claims().filter(|(before, claim)| {
            *before <= at && matches!(claim, Claim::Received(known) if *known == signal)
        });
        if sent < heard.count() && signal != libc::SIGCONT {
            self.complain(at, "a signal that was never sent");
        }
        let stops = self
            .plan
            .route(signal)
            .filter(|signal| STOP.contains(signal));
        if stops.is_none() {
            return;
        }
        self.end_those_with_faults(at);
        let again = std::mem::replace(&mut self.wanted, true);
        let passes =
            self.phase == Phase::Run && self.plan.passes_through() && self.has_a_process(at);
        match self.phase {
            // An only service has its signals to itself.
            _ if passes => {}
            Phase::Run => {
                let ducks = self.plan.lame_duck > 0;
                self.phase = if ducks {
                    Phase::LameDuck
                } else {
                    Phase::Stopping
                };
                self.begin(at, Cause::Asked);
            }
            // Where nothing runs any more the delay is over without a word.
            Phase::LameDuck if self.services.iter().all(|one| !self.runs_by(one, at)) => {
                self.phase = Phase::Stopping;
                self.killed_at = self.killed_at.or(Some(at));
            }
            Phase::Held | Phase::LameDuck => self.phase = Phase::Stopping,
            Phase::Stopping if again => self.killed_at = self.killed_at.or(Some(at)),
            Phase::Stopping => {}
        }
    }

    /// Whether a service has a process then. One whose last word was said before has none, and may be a
    /// daemon that is looked for.
    fn runs_by(&self, service: &Service, at: usize) -> bool {
        let said = service.pid.and_then(|pid| self.word(pid));
        service.state == State::Running && said.is_none_or(|(said, _)| said > at)
    }

    /// Whether the only service has a process to which a signal that came then was passed on. It may have
    /// none if it has said its last word, or was killed: then the stop begins.
    fn has_a_process(&mut self, at: usize) -> bool {
        let mut claims = self.journal.claims().filter(|(later, _)| *later > at);
        let next = claims.find(|(_, claim)| **claim != Claim::Rewritten);
        let passed = next.is_some_and(|(_, claim)| matches!(claim, Claim::Passed(_)));
        let over = self.services[0].pid.is_none_or(|pid| {
            self.word(pid).is_some_and(|(said, _)| said < at) || self.killed_by_test(pid, at)
        });
        if !passed && !over {
            self.complain(at, "a signal that was not passed on");
        }
        passed
    }

    /// This began the stop, if nothing did before.
    fn begin(&mut self, at: usize, cause: Cause) {
        if self.cause.is_none() {
            (self.cause, self.cause_at) = (Some(cause), at);
        }
    }

    /// The stop is said to begin. If nothing has begun it yet it was the end of a service that had been
    /// stopped for a fault.
    fn stopping(&mut self, at: usize) {
        self.end_those_with_faults(at);
        if self.phase == Phase::Run {
            self.complain(at, "the stop begins for no reason");
        }
        self.phase = Phase::Stopping;
    }

    /// The end of a service that was stopped for a fault is said only in the last line, if it ends the
    /// container, or if no service is left.
    pub(super) fn end_those_with_faults(&mut self, at: usize) {
        let named = match self.journal.claims().last() {
            Some((last, _)) if last == at => None,
            // Unless its end alone is reason enough, all the others have ended, too.
            Some((_, Claim::Ended(place, _, How::Fault, tail))) if !tail.asked => {
                let section = self.services[*place].section;
                (self.plan.essential(section) != Essential::No).then_some(*place)
            }
            Some((_, Claim::AllEnded(tail))) if !tail.asked => None,
            // It failed first of all that have ended by now, or the stop would have been asked for.
            Some((_, Claim::Ended(place, _, _, tail)))
                if !tail.asked && self.services[*place].state == State::Gone =>
            {
                None
            }
            _ => return,
        };
        self.end_faulty(at, named);
    }

    /// A hold that no service began by itself comes when all have ended: those that were stopped for a
    /// fault, too, of whose end nothing is said.
    fn end_faulty_before_hold(&mut self, at: usize, tail: Tail) {
        if tail.held {
            self.end_faulty(at, None);
        }
    }

    /// All that were stopped for a fault, or this one, have ended, if the stop has not begun.
    fn end_faulty(&mut self, at: usize, named: Option<Place>) {
        let faulty =
            |place: &Place| self.services[*place].fault && self.services[*place].pid.is_some();
        let mut faulty: Vec<Place> = (0..self.services.len()).filter(faulty).collect();
        faulty.retain(|place| named.is_none_or(|named| named == *place));
        let last = |place: &Place| self.services[*place].pid.and_then(|pid| self.word(pid));
        faulty.sort_by_key(|place| last(place).map_or(at, |(at, _)| at));
        if self.phase == Phase::Run {
            faulty
                .into_iter()
                .for_each(|place| self.gone_for_fault(at, place));
        }
    }

    fn gone_for_fault(&mut self, at: usize, place: Place) {
        let pid = self.services[place].pid;
        let code = pid
            .and_then(|pid| self.word(pid))
            .map_or(137, |(_, word)| match word {
                Word::Exit(code) => code,
                Word::Dies(signal) => 128 + signal,
                Word::Left => 0,
            });
        self.services[place].end = Some((code.max(1), true));
        self.services[place].pid = None;
        self.gone(at, place);
    }

    fn ended(&mut self, at: usize, place: Place, pid: Option<i32>, how: How, tail: Tail) {
        let before = self.services[place].state;
        let last = tail.exits.is_some();
        if before == State::Gone {
            // The last line says once more what was said, and so does the one of a hold.
            self.end_faulty_before_hold(at, tail);
            if !last && (!tail.held || self.phase != Phase::Held) {
                self.complain(at, "it has ended already");
            }
            return;
        }
        if last && self.cause.is_some() && !matches!(how, How::Fault) && before != State::Running {
            // The same, of a service that was to be started again.
            return;
        }
        if let How::Skipped(cause) = how {
            // The end of a service that was stopped for a fault is not said.
            if self.services[cause].fault && self.services[cause].state == State::Running {
                self.gone_for_fault(at, cause);
            }
        }
        self.check_reason(at, place, pid, how);
        if how == How::Fault && !last && tail.again.is_none() && !tail.held {
            self.services[place].fault = true;
            self.services[place].pid = pid;
            return;
        }
        self.services[place].end = Some(self.end_of(at, place, pid, how));
        self.services[place].unsure = how != How::Fault && self.may_have_been_told(place, pid);
        self.services[place].pid = None;
        self.close_main(at, place);
        let again = self.should_restart(place) && !matches!(how, How::Skipped(_));
        if again != tail.again.is_some() {
            self.complain(
                at,
                if again {
                    "it is not started again"
                } else {
                    "it is started again"
                },
            );
        }
        match tail.again {
            Some(delay) => self.delayed(at, place, delay),
            None => self.gone(at, place),
        }
        self.end_faulty_before_hold(at, tail);
        if tail.held && !self.plan.hold {
            self.complain(at, "a hold that was not asked for");
        }
    }

    fn close_main(&mut self, at: usize, place: Place) {
        for (main, _, _, until) in &mut self.mains {
            if *main == place {
                *until = (*until).min(at);
            }
        }
    }

    /// Whether what is said of an end is what the process said, or what was done to it.
    fn check_reason(&mut self, at: usize, place: Place, pid: Option<i32>, how: How) {
        let missing = self.plan.sections[self.services[place].section].missing;
        let service = &self.services[place];
        let Some(pid) = pid else {
            let right = match how {
                How::CannotRun => missing,
                // The machine has no room for a process.
                How::CannotFork => true,
                How::Skipped(cause) => {
                    let cause = &self.services[cause];
                    service.state == State::Waiting && cause.state == State::Gone && !cause.up
                }
                How::NoPidFile => service.state == State::Running,
                _ => false,
            };
            if !right {
                self.complain(at, "it cannot have ended like that");
            }
            return;
        };
        let killed = service.killed || self.killed_at.is_some();
        if service.pid.is_some_and(|known| known != pid) && !self.was_named(place, pid, at) {
            self.complain(at, "that is not its process");
        }
        let word = self
            .word(pid)
            .filter(|(said, _)| *said < at)
            .map(|(_, word)| word);
        let right = match how {
            How::Code(code) => {
                let left =
                    code == 0 && word == Some(Word::Left) && self.successor_is_dead(place, pid, at);
                word == Some(Word::Exit(code)) || left
            }
            How::Signal(signal) => word == Some(Word::Dies(signal)),
            How::FromOutside => {
                word == Some(Word::Dies(libc::SIGKILL)) || self.killed_by_test(pid, at)
            }
            How::KilledByUs => killed,
            How::Fault => true,
            _ => false,
        };
        if !right {
            self.complain(at, &format!("its last word was {word:?}"));
        }
    }

    /// Whether the process that was to go on in this one's place had ended before that: it may have been
    /// named too late.
    fn successor_is_dead(&self, place: Place, pid: i32, before: usize) -> bool {
        let name = self.name(place);
        let mut successors = self.processes.keys().filter(|&&successor| {
            successor > pid
                && self.was_named(place, successor, before)
                && self.journal.speaker(self.first(successor)) == name
        });
        successors.any(|&successor| self.word(successor).is_some_and(|(at, _)| at < before))
    }

    /// The exit code of an end, and whether it is a failure.
    fn end_of(&self, at: usize, place: Place, pid: Option<i32>, how: How) -> (i32, bool) {
        let service = &self.services[place];
        let code = match how {
            How::Code(code) => code,
            How::Signal(signal) => 128 + signal,
            How::KilledByUs | How::FromOutside => 137,
            How::CannotRun => return (127, true),
            How::CannotFork => return (125, true),
            How::NoPidFile => return (1, true),
            How::Skipped(cause) => {
                let cause = self.services[cause].end.map_or(1, |(code, _)| code);
                return (cause.max(1), true);
            }
            How::Fault => match pid.and_then(|pid| self.word(pid)) {
                Some((_, Word::Exit(code))) => code,
                Some((_, Word::Dies(signal))) => 128 + signal,
                _ => 137,
            },
        };
        if service.fault || how == How::Fault {
            return (code.max(1), true);
        }
        let mapped = if self.plan.expect.contains(&code) {
            0
        } else {
            code
        };
        let told = pid.and_then(|pid| self.told(pid, service.section, at));
        (
            mapped,
            mapped != 0 && told.map(|signal| 128 + signal) != Some(code),
        )
    }

    /// The last stop signal that it got.
    fn told(&self, pid: i32, section: usize, before: usize) -> Option<i32> {
        let own = self.plan.stop_signals(section);
        let got = self
            .got(pid)
            .filter(|(at, signal)| *at < before && own.contains(signal));
        if self.plan.passes_through() {
            return None;
        }
        got.map(|(_, signal)| signal).last()
    }

    /// Whether it ended by the signal that it would have got in the stop that goes on, without having got it.
    fn may_have_been_told(&self, place: Place, pid: Option<i32>) -> bool {
        let service = &self.services[place];
        let own = self.plan.stop_signals(service.section);
        let codes = own.iter().map(|signal| 128 + signal);
        let ended = service.end.map(|(code, _)| code);
        let got = pid.is_some_and(|pid| self.got(pid).any(|(_, signal)| own.contains(&signal)));
        self.phase == Phase::Stopping && !got && codes.into_iter().any(|code| Some(code) == ended)
    }

    fn should_restart(&self, place: Place) -> bool {
        let service = &self.services[place];
        let section = &self.plan.sections[service.section];
        let failed = service.end.is_some_and(|(_, failed)| failed);
        let again = match section.restart {
            Restart::No => false,
            Restart::OnFailure => failed,
            Restart::Always => failed || section.kind != Kind::Oneshot,
        };
        again
            && self.phase == Phase::Run
            && section.tries.is_none_or(|most| service.ends + 1 < most)
    }

    fn delayed(&mut self, at: usize, place: Place, delay: u64) {
        let service = &mut self.services[place];
        service.state = State::Delayed;
        service.ends += 1;
        let (first, longest) = self.plan.sections[service.section].backoff;
        let whole = (first << service.quick.min(20)).min(longest);
        service.quick += 1;
        if !(whole - whole / 4..=whole).contains(&delay) {
            self.complain(at, &format!("the delay should be {whole} ms"));
        }
    }

    fn gone(&mut self, at: usize, place: Place) {
        let section = self.services[place].section;
        let service = &mut self.services[place];
        service.state = State::Gone;
        service.ends += 1;
        let (code, failed) = service.end.unwrap_or_default();
        let done = !failed && self.plan.sections[section].kind == Kind::Oneshot;
        service.up |= done;
        if failed && self.first_failure.is_none() {
            self.first_failure = Some(place);
        }
        if self.phase != Phase::Run {
            return;
        }
        let decides = match self.plan.essential(section) {
            Essential::Yes => !done,
            Essential::No => false,
            Essential::OnFailure => failed,
        };
        let mut left = self
            .services
            .iter()
            .filter(|service| service.state != State::Gone);
        let cause = match left.next() {
            _ if decides => Cause::Service(place),
            None => Cause::AllEnded,
            Some(_) => return,
        };
        let code = match cause {
            Cause::AllEnded => self.first_code(),
            _ => code,
        };
        let held = self.plan.hold && code != 0 && !self.wanted;
        self.phase = if held { Phase::Held } else { Phase::Stopping };
        self.begin(at, cause);
    }

    pub(super) fn first_code(&self) -> i32 {
        let end = self
            .first_failure
            .and_then(|place| self.services[place].end);
        end.map_or(0, |(code, _)| code)
    }
}
