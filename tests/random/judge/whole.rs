//! What must hold of the whole run, once it is over.

use super::*;

impl Judge<'_> {
    /// Holds the end against the rules: `code` is the container's, `init` pidlet's number inside its
    /// namespace.
    pub fn end(&mut self, code: i32, init: i32) {
        self.last_line(code);
        self.all_were_claimed();
        self.stop_was_in_order();
        self.no_process_vanished();
        self.killed_processes_were_told();
        self.signals_are_in_order(init);
        self.passed_signals_arrived();
        self.finish_commands_know_the_end();
    }

    fn last_line(&mut self, code: i32) {
        let last = self.journal.claims().last();
        let Some((at, claim)) = last.map(|(at, claim)| (at, claim.clone())) else {
            return self.complaints.push("pidlet said nothing".to_owned());
        };
        let (named, tail) = match claim {
            Claim::Ended(place, _, _, tail) => (Some(place), tail),
            Claim::AllEnded(tail) => (None, tail),
            _ => return self.complain(at, "the last line does not say how it ended"),
        };
        if tail.exits != Some(code) {
            self.complain(at, &format!("it exited with {code}"));
        }
        self.end_those_with_faults(at);
        let code_of = |place: Place| self.services[place].end.map_or(0, |end| end.0);
        let mut expected = match self.cause {
            Some(Cause::Service(place)) => vec![(Some(place), code_of(place))],
            Some(Cause::AllEnded) => vec![(self.first_failure, self.first_code())],
            Some(Cause::Asked) => self.first_in_list(),
            None => return self.complain(at, "it ended for no reason"),
        };
        if self.cause == Some(Cause::AllEnded) {
            // It is not said when a service that was stopped for a fault ended: it may have been the first.
            let faulty = (0..self.services.len()).filter(|&place| self.services[place].fault);
            expected.extend(faulty.map(|place| (Some(place), code_of(place))));
        }
        if !expected.contains(&(named, code)) {
            let why = format!("expected one of {expected:?}: {:?}", self.cause);
            self.complain(at, &why);
        }
        if tail.asked != (self.cause == Some(Cause::Asked)) && !self.plan.passes_through() {
            self.complain(at, &format!("what began it was {:?}", self.cause));
        }
    }

    /// The services that may give the code after a stop signal: the first in the list that failed, else the
    /// first one that ended. One that is unsure counts both ways.
    fn first_in_list(&self) -> Vec<(Option<Place>, i32)> {
        let mut first = None;
        let mut found = Vec::new();
        for (place, service) in self.services.iter().enumerate() {
            let Some((code, failed)) = service.end else {
                continue;
            };
            let counts = match service.state {
                // It was to be started again after a failure.
                State::Delayed => failed,
                State::Gone => true,
                // Its end is that of an earlier run.
                State::Waiting | State::Running => false,
            };
            if counts && failed {
                found.push((Some(place), code));
                if !service.unsure {
                    return found;
                }
            }
            if counts {
                first = first.or(Some((Some(place), code)));
            }
        }
        found.push(first.unwrap_or((None, 0)));
        found
    }

    /// Every process of a service must have been said to run.
    fn all_were_claimed(&mut self) {
        let starts: Vec<(i32, usize)> = self
            .processes
            .iter()
            .map(|(&pid, said)| (pid, said[0]))
            .collect();
        for (pid, at) in starts {
            let main = self
                .journal
                .place_of_payload(self.journal.speaker(at))
                .is_some();
            let first = self.journal.what(at);
            let known = self.mains.iter().any(|(_, known, ..)| *known == pid);
            if main && first.starts_with("start ") && !known {
                self.complain(at, "it was never said to run");
            }
        }
    }

    /// A service must get its stop signal only when all that are after it have ended.
    fn stop_was_in_order(&mut self) {
        let Some(_) = self.cause else { return };
        let mut wrong = Vec::new();
        for &(place, pid, ..) in &self.mains {
            let section = self.services[place].section;
            let own = self.plan.stop_signals(section);
            let stops =
                |at: &usize| matches!(self.journal.entries[*at], Entry::Own(Claim::Stopping));
            let Some(stopping) = (0..self.journal.entries.len()).find(stops) else {
                continue;
            };
            let told = self
                .got(pid)
                .find(|(at, signal)| *at > stopping && own.contains(signal));
            let Some((told, _)) = told else { continue };
            if self.has_fault(place, pid, told) {
                continue;
            }
            // When an eighth of the budget is left every service is told. The budget begins when pidlet looks
            // at the clock, which may be a while before it has said so.
            if self
                .time_since_cause(told)
                .is_some_and(|time| time + 250 >= self.plan.grace * 7 / 8)
            {
                continue;
            }
            for after in 0..self.services.len() {
                if !self.before(after).contains(&place) {
                    continue;
                }
                if let Some(at) = self.lives_after(after, told) {
                    wrong.push((
                        at,
                        format!("alive, and {} has been told to stop", self.name(place)),
                    ));
                }
            }
        }
        for (at, what) in wrong {
            self.complain(at, &what);
        }
    }

    /// Whether a service's process was to be stopped for a fault before that.
    fn has_fault(&self, place: Place, pid: i32, before: usize) -> bool {
        let mut claims = self.journal.claims().filter(|(at, _)| *at < before);
        claims.any(|(_, claim)| {
            matches!(claim, Claim::Ended(known, Some(main), How::Fault, _)
                if (*known, *main) == (place, pid))
        })
    }

    /// Where a service is seen alive after that, its `finish` command included.
    fn lives_after(&self, place: Place, told: usize) -> Option<usize> {
        let name = self.name(place);
        let finish = format!("{name}!finish");
        let is_main = |pid: i32| {
            self.mains
                .iter()
                .any(|(main, known, ..)| (*main, *known) == (place, pid))
        };
        (told..self.journal.entries.len()).find(|&at| match &self.journal.entries[at] {
            Entry::Did {
                pid,
                name: payload,
                what,
                ..
            } => *payload == finish || *payload == name && is_main(*pid) && what != "left",
            _ => false,
        })
    }

    /// Every process ended by itself, or was killed and that was said.
    fn no_process_vanished(&mut self) {
        let all: Vec<i32> = self.processes.keys().copied().collect();
        for pid in all {
            let last = self.entries(pid).next_back().expect("it said something");
            let end = self.journal.entries.len();
            if self.word(pid).is_some() || self.killed_by_test(pid, end) || self.killed_at.is_some()
            {
                continue;
            }
            if !self.kill_was_reported(pid) {
                self.complain(last, "it was killed, and that was never said");
            }
        }
    }

    /// A process that was killed because the budget was over must have been told to stop before. It can be
    /// expected to have said so only if it had seconds for that: the machine may be busy.
    fn killed_processes_were_told(&mut self) {
        const TIME: u64 = 5000;
        if self.plan.grace < TIME || self.plan.passes_through() {
            return;
        }
        let mut wrong = Vec::new();
        let mut ended = self.cause_at;
        for (at, claim) in self.journal.claims() {
            // A second stop signal leaves no service its time.
            if self.killed_at.is_some_and(|killed| killed < at) {
                break;
            }
            match claim {
                Claim::Ended(..) => ended = at,
                Claim::Overdue(place, pid) if self.has_the_whole_budget(*place, *pid, at) => {
                    let own = self.plan.stop_signals(self.services[*place].section);
                    if !self.got(*pid).any(|(_, signal)| own.contains(&signal)) {
                        wrong.push(at);
                    }
                }
                Claim::LeftOver => {
                    let time = |at| self.journal.time_before(at).unwrap_or(0) / 1_000_000;
                    let stopping = time(ended).saturating_sub(time(self.cause_at));
                    let rest = self.plan.grace.saturating_sub(stopping);
                    let forked = self.processes.keys().copied().filter(|&pid| {
                        let payload = self.journal.speaker(self.first(pid));
                        let lives = self.first(pid) < ended && self.word(pid).is_none();
                        // Its service may have had less time, and have been killed with its group.
                        let killed = self.kill_was_reported(pid);
                        payload.contains('/') && lives && !killed && !self.is_in_told_group(payload)
                    });
                    let stops = |signal| STOP.contains(&signal) || signal == libc::SIGUSR2;
                    let told = |pid: i32| self.got(pid).any(|(_, signal)| stops(signal));
                    if rest >= TIME && !forked.into_iter().all(told) {
                        wrong.push(at);
                    }
                }
                _ => {}
            }
        }
        for at in wrong {
            self.complain(at, "killed without a stop signal");
        }
    }

    /// Whether a process that a service has started is in a group that is told as a whole: one that is born
    /// after that is not told any more.
    fn is_in_told_group(&self, payload: &str) -> bool {
        let place = payload.split('/').next();
        let place = place.and_then(|name| self.journal.place_of_payload(name));
        place.is_some_and(|place| self.plan.by_group(self.services[place].section))
    }

    /// Whether a service that is killed now had all of the time for its stop, and was free to hear of it.
    fn has_the_whole_budget(&self, place: Place, pid: i32, at: usize) -> bool {
        let section = &self.plan.sections[self.services[place].section];
        let alone = (0..self.services.len()).all(|other| !self.before(other).contains(&place));
        let last = self.entries(pid).next_back();
        let writes = last.is_none_or(|last| self.journal.what(last).starts_with("wrote"));
        // It may have stopped itself when CONT had come and gone.
        let stopping = self
            .journal
            .claims()
            .find(|(_, claim)| **claim == Claim::Stopping);
        let stopping = stopping.map_or(0, |(at, _)| at);
        let late = last.is_some_and(|last| self.journal.what(last) == "stops" && last > stopping);
        let usual = section.stop_timeout.is_none() && section.stop.len() < 2 && !section.reads;
        alone
            && usual
            && !writes
            && !late
            && !self.has_fault(place, pid, at)
            && !self.told_before_it_left(place)
    }

    /// Whether a process that goes on in another one got the stop signal that was for both.
    fn told_before_it_left(&self, place: Place) -> bool {
        let own = self.plan.stop_signals(self.services[place].section);
        self.mains.iter().any(|&(main, pid, ..)| {
            let left = self.word(pid).is_some_and(|(_, word)| word == Word::Left);
            main == place && left && self.got(pid).any(|(_, signal)| own.contains(&signal))
        })
    }

    fn kill_was_reported(&self, pid: i32) -> bool {
        let first = self.entries(pid).next().expect("it said something");
        // The group that it is in: only services' own processes move.
        let group = self.entries(pid).filter_map(|at| {
            let (word, group) = self.journal.what(at).split_once(' ')?;
            ["start", "born", "moved"]
                .contains(&word)
                .then(|| group.parse::<i32>().ok())?
        });
        let group = group.reduce(|_, last| last).unwrap_or(pid);
        if self.journal.speaker(first).ends_with("!check") {
            // A check is given up without a word.
            return true;
        }
        let claims = self.journal.claims();
        let mut killed = claims.filter(|(at, _)| *at > first);
        killed.any(|(at, claim)| match claim {
            Claim::Overdue(_, main) => [pid, group].contains(main),
            // What its last run left behind is killed when a service runs again.
            Claim::Runs(place, _) => {
                let before = |(main, known, begun, _): &(Place, i32, usize, usize)| {
                    main == place && *known == group && *begun < at
                };
                // Nothing is said of a daemon that is found by its pid file when another one ends.
                self.mains.iter().any(before) || self.was_named(*place, group, at)
            }
            _ => false,
        })
    }

    /// Signals come from the init alone, and each service gets its own no more than once.
    fn signals_are_in_order(&mut self, init: i32) {
        let all: Vec<i32> = self.processes.keys().copied().collect();
        let mut wrong = Vec::new();
        for pid in all {
            let first = self.entries(pid).next().expect("it said something");
            let payload = self.journal.speaker(first).to_owned();
            for (at, _) in self.got(pid) {
                // A child that is forked while its group gets a signal has it without its sender.
                let what = self.journal.what(at);
                let pipe = what.starts_with("got 13 ");
                if !what.ends_with(&format!(" from {init}")) && !what.ends_with(" from 0") && !pipe
                {
                    wrong.push((at, "a signal that is not from pidlet"));
                }
            }
            let Some(place) = self.journal.place_of_payload(&payload) else {
                if let Some(at) = self.told_too_early(pid, &payload) {
                    wrong.push((at, "told before its service has ended"));
                }
                continue;
            };
            let own = self.plan.stop_signals(self.services[place].section);
            let fault = |claim: &Claim| match claim {
                Claim::Ended(known, _, How::Fault, _) => *known == place,
                _ => false,
            };
            let faulty = self.journal.claims().any(|(_, claim)| fault(claim));
            let main = self.mains.iter().any(|(_, known, ..)| *known == pid);
            let told = self.got(pid).filter(|(_, signal)| own.contains(signal));
            if told.count() > own.len() && main && !faulty && !self.plan.passes_through() {
                wrong.push((first, "told to stop more than once"));
            }
        }
        for (at, what) in wrong {
            self.complain(at, what);
        }
    }

    /// Where a process that a service has started was told to stop while the service was alive, though the
    /// service's signals are not for its group.
    fn told_too_early(&self, pid: i32, payload: &str) -> Option<usize> {
        let service = payload.split(['/', '!']).next()?;
        let place = self.journal.place_of_payload(service)?;
        if self.plan.by_group(self.services[place].section) || payload.contains('!') {
            return None;
        }
        let (at, _) = self.got(pid).next()?;
        let ended = self.mains.iter().any(|&(main, known, _, until)| {
            let word = self.word(known).map_or(until, |(said, _)| said.min(until));
            let killed = self.services[place].killed || self.killed_by_test(known, at);
            main == place && (word < at || killed)
        });
        // A process that has not been found to be the service's counts as left over.
        (!ended && !self.services[place].fault && self.killed_at.is_none()).then_some(at)
    }

    /// A process that was told to stop must have got before that what was passed on before.
    fn passed_signals_arrived(&mut self) {
        // A signal after the stop signal may find no process that still listens.
        let stops = |claim: &Claim| match claim {
            Claim::Passed(signal) => STOP.contains(signal),
            claim => *claim == Claim::Stopping,
        };
        let before = self.journal.claims().take_while(|(_, claim)| !stops(claim));
        let passed: Vec<(usize, i32)> = before
            .filter_map(|(at, claim)| match claim {
                Claim::Passed(signal) => Some((at, *signal)),
                _ => None,
            })
            .collect();
        let mut wrong = Vec::new();
        for (at, signal) in passed {
            for &(place, pid, begun, until) in &self.mains {
                let own = self.plan.stop_signals(self.services[place].section);
                // One with a fault was told to stop when that was found, and may have heard of it later.
                let stopped = self.got(pid).any(|(told, known)| {
                    told > at && own.contains(&known) && !self.has_fault(place, pid, told)
                });
                let arrived = self
                    .got(pid)
                    .any(|(got, known)| got > at && known == signal);
                if begun < at && at < until && stopped && !arrived {
                    wrong.push((at, format!("{pid} has not got it")));
                }
            }
        }
        for (at, what) in wrong {
            self.complain(at, &what);
        }
    }

    /// A `finish` command hears how its service ended, just as is said when the command has ended itself.
    fn finish_commands_know_the_end(&mut self) {
        let mut wrong = Vec::new();
        for at in 0..self.journal.entries.len() {
            let Some(said) = self.journal.what(at).strip_prefix("finish ") else {
                continue;
            };
            let name = self.journal.speaker(at).trim_end_matches("!finish");
            let place = self.journal.place_of_payload(name);
            let mut claims = self.journal.claims().filter(|(later, _)| *later > at);
            let how = claims.find_map(|(_, claim)| match claim {
                Claim::Ended(known, _, how, _) if Some(*known) == place => Some(*how),
                _ => None,
            });
            let expected = match how {
                Some(How::Code(code)) => format!("{code} 0"),
                Some(How::Signal(signal)) => format!("256 {signal}"),
                Some(How::KilledByUs | How::FromOutside) => "256 9".to_owned(),
                Some(How::NoPidFile) => "1 0".to_owned(),
                _ => continue,
            };
            if said != expected {
                wrong.push((at, format!("expected {expected}")));
            }
        }
        for (at, what) in wrong {
            self.complain(at, &what);
        }
    }

    /// How long the stop took at most, in milliseconds.
    pub fn stop_time(&self, end_ns: u64) -> u64 {
        let begun = self.journal.time_before(self.cause_at).unwrap_or(end_ns);
        end_ns.saturating_sub(begun) / 1_000_000
    }
}
