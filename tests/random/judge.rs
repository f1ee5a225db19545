//! What must hold of a run (DESIGN §5 to §8 and §11), found out from the journal alone: not from what the
//! supervisor would say, but from what each payload said of itself.
//!
//! pidlet's own lines are taken as claims in the order in which they were said. Each is held against what
//! the payloads said before, and the rules are applied to the claims once more.

use std::collections::BTreeMap;

use crate::journal::{Claim, Entry, How, Journal, Place, Tail, services};
use crate::plan::{Essential, Kind, Plan, Ready, Restart, STOP};

/// Where in its life the container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Run,
    Held,
    LameDuck,
    Stopping,
}

/// What began the stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Asked,
    Service(Place),
    AllEnded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Delayed,
    Gone,
}

/// What is known of a service.
struct Service {
    section: usize,
    state: State,
    /// Its process as far as it has been said.
    pid: Option<i32>,
    /// How its last run ended: its code, and whether that is a failure.
    end: Option<(i32, bool)>,
    /// It is to be stopped for a fault, and nothing has been said of its end.
    fault: bool,
    up: bool,
    ends: u64,
    quick: u32,
    too_often: bool,
    killed: bool,
    /// It may be that it was told to stop when it had ended by that very signal: then it has not failed.
    unsure: bool,
}

/// Its own last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Exit(i32),
    Dies(i32),
    Left,
}

pub struct Judge<'a> {
    plan: &'a Plan,
    journal: &'a Journal,
    processes: BTreeMap<i32, Vec<usize>>,
    services: Vec<Service>,
    phase: Phase,
    cause: Option<Cause>,
    /// Where in the journal that was.
    cause_at: usize,
    /// Somebody has asked for the stop that goes on.
    wanted: bool,
    /// From there on everything was killed, with a word.
    killed_at: Option<usize>,
    first_failure: Option<Place>,
    /// Which process was a service's when: until the second place.
    mains: Vec<(Place, i32, usize, usize)>,
    pub complaints: Vec<String>,
}

impl<'a> Judge<'a> {
    pub fn new(plan: &'a Plan, journal: &'a Journal) -> Judge<'a> {
        let known = services(plan).into_iter().map(|(_, _, section)| Service {
            section,
            state: State::Waiting,
            pid: None,
            end: None,
            fault: false,
            up: false,
            ends: 0,
            quick: 0,
            too_often: false,
            killed: false,
            unsure: false,
        });
        let mut judge = Judge {
            plan,
            journal,
            processes: journal.processes(),
            services: known.collect(),
            phase: Phase::Run,
            cause: None,
            cause_at: 0,
            wanted: false,
            killed_at: None,
            first_failure: None,
            mains: Vec::new(),
            complaints: Vec::new(),
        };
        for (at, claim) in journal.claims() {
            judge.take(at, claim);
        }
        judge
    }

    /// What should start by itself, or be said to be up, and has not yet.
    pub fn expected(&self) -> Vec<usize> {
        if self.phase != Phase::Run || self.cause.is_some() {
            return Vec::new();
        }
        let places = 0..self.services.len();
        let due = places.filter(|&place| {
            let service = &self.services[place];
            match service.state {
                State::Waiting => self
                    .before(place)
                    .iter()
                    .all(|&other| self.services[other].up),
                // One that dies again and again never comes to rest.
                State::Delayed => service.ends < 3,
                State::Running => !service.up && !service.fault && self.is_ready(place),
                State::Gone => false,
            }
        });
        due.collect()
    }

    /// Whether the process that runs has said that it is ready, in a way that nobody can miss.
    fn is_ready(&self, place: Place) -> bool {
        let section = &self.plan.sections[self.services[place].section];
        let told =
            matches!(section.ready, Ready::Fd | Ready::Notify) && section.kind == Kind::Service;
        let said = |pid: i32| self.entries(pid).any(|at| self.journal.what(at) == "ready");
        told && section.ready_timeout.is_none() && self.services[place].pid.is_some_and(said)
    }

    // ---- what the journal says -------------------------------------------------------------------

    fn complain(&mut self, at: usize, what: &str) {
        self.complaints.push(format!(
            "{what} (line {}: {:?})",
            at + 1,
            self.journal.entries[at]
        ));
    }

    fn entries(&self, pid: i32) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.processes.get(&pid).into_iter().flatten().copied()
    }

    /// The last word of a process, if it has come to that.
    fn word(&self, pid: i32) -> Option<(usize, Word)> {
        let at = self.entries(pid).next_back()?;
        let what = self.journal.what(at);
        let number = |text: &str| text.parse().ok();
        let word = match what.split_once(' ') {
            Some(("exit", code)) => Word::Exit(number(code)?),
            Some(("dies", signal)) => Word::Dies(number(signal)?),
            _ if what == "left" => Word::Left,
            _ => return None,
        };
        Some((at, word))
    }

    /// Whether the test killed a process before that.
    fn killed_by_test(&self, pid: i32, before: usize) -> bool {
        let wanted = format!("kills {pid}");
        self.journal.entries[..before]
            .iter()
            .any(|entry| matches!(entry, Entry::Did { pid: 0, what, .. } if *what == wanted))
    }

    /// The signals that a process got, each with its place.
    fn got(&self, pid: i32) -> impl Iterator<Item = (usize, i32)> + '_ {
        self.entries(pid).filter_map(|at| {
            let signal = self.journal.what(at).strip_prefix("got ")?;
            Some((at, signal.split(' ').next()?.parse().ok()?))
        })
    }

    /// The services that a service is after.
    fn before(&self, place: Place) -> Vec<Place> {
        let after = &self.plan.sections[self.services[place].section].after;
        let all = 0..self.services.len();
        all.filter(|&other| after.contains(&self.services[other].section))
            .collect()
    }

    fn name(&self, place: Place) -> String {
        services(self.plan)[place].1.clone()
    }

    // ---- one claim after the other ---------------------------------------------------------------

    fn take(&mut self, at: usize, claim: &Claim) {
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
            Claim::LeftOver => self.killed_at = self.killed_at.or(Some(at)),
            Claim::Received(signal) => self.received(at, *signal),
            // Who was killed has two seconds to vanish, which may be too little on a machine with much to do.
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
            self.is_in_order(at, place);
        }
        let name = self.name(place);
        if self.entries(pid).any(|said| self.journal.who(said) != name) {
            self.complain(at, "that process is another one");
        }
        let killed = self.killed_by_test(pid, self.journal.entries.len());
        if self.entries(pid).next().is_none() && self.killed_at.is_none() && !killed {
            // Else it may have been killed before it came to say anything.
            let over = self.journal.claims().any(|(_, claim)| {
                matches!(claim, Claim::Overdue(..) | Claim::LeftOver)
                    || *claim == Claim::Ended(place, Some(pid), How::KilledByUs, Tail::default())
            });
            let twice = self
                .journal
                .claims()
                .filter(|(_, claim)| matches!(claim, Claim::Received(_)));
            if !over && twice.count() < 2 {
                self.complain(at, "that process never said a word");
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

    /// What it is after was up when it was started for the first time.
    fn is_in_order(&mut self, at: usize, place: Place) {
        for other in self.before(place) {
            let service = &self.services[other];
            let section = &self.plan.sections[service.section];
            let name = self.name(other);
            let said = |wanted: &str| {
                (0..at)
                    .any(|said| self.journal.who(said) == name && self.journal.what(said) == wanted)
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
        // With that the whole budget may be over; the only service's signals are its own, and so is that.
        let over = self
            .time_since_cause(at)
            .is_some_and(|time| time >= self.plan.grace);
        if over || self.plan.passes_through() {
            self.killed_at = self.killed_at.or(Some(at));
        }
    }

    /// How long the stop has taken at that place at the most, in milliseconds.
    fn time_since_cause(&self, at: usize) -> Option<u64> {
        self.cause?;
        let begun = self.journal.time_before(self.cause_at)?;
        let now = self.journal.time_after(at);
        // Nobody said anything later.
        Some(now.map_or(u64::MAX, |now| now.saturating_sub(begun) / 1_000_000))
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
            self.complain(at, "a signal that nobody has sent");
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
            // The only service's signals are its own.
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
            Phase::LameDuck if self.services.iter().all(|one| one.state != State::Running) => {
                self.phase = Phase::Stopping;
                self.killed_at = self.killed_at.or(Some(at));
            }
            Phase::Held | Phase::LameDuck => self.phase = Phase::Stopping,
            Phase::Stopping if again => self.killed_at = self.killed_at.or(Some(at)),
            Phase::Stopping => {}
        }
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

    /// Of the end of a service that was stopped for a fault nothing is said but in the last line, where that
    /// is the end of all, or where nobody is left.
    fn end_those_with_faults(&mut self, at: usize) {
        let named = match self.journal.claims().last() {
            Some((last, _)) if last == at => None,
            // Unless its end alone is reason enough, all the others have ended, too.
            Some((_, Claim::Ended(place, _, How::Fault, tail))) if !tail.asked => {
                let section = self.services[*place].section;
                Some(*place).filter(|_| self.plan.essential(section) != Essential::No)
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
            // The same, of who was to be started again.
            return;
        }
        if let How::Skipped(cause) = how {
            // Of the end of one that was stopped for a fault nothing is said.
            if self.services[cause].fault && self.services[cause].state == State::Running {
                self.gone_for_fault(at, cause);
            }
        }
        self.has_reason(at, place, pid, how);
        if how == How::Fault && !last && tail.again.is_none() && !tail.held {
            self.services[place].fault = true;
            self.services[place].pid = pid;
            return;
        }
        self.services[place].end = Some(self.end_of(at, place, pid, how));
        self.services[place].unsure = how != How::Fault && self.may_have_been_told(place, pid);
        self.services[place].pid = None;
        self.is_closed(at, place);
        let again = self.is_again(place) && !matches!(how, How::Skipped(_));
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
            self.complain(at, "nobody has asked for that");
        }
    }

    fn is_closed(&mut self, at: usize, place: Place) {
        for (main, _, _, until) in &mut self.mains {
            if *main == place {
                *until = (*until).min(at);
            }
        }
    }

    /// Whether what is said of an end is what the process said, or what was done to it.
    fn has_reason(&mut self, at: usize, place: Place, pid: Option<i32>, how: How) {
        let missing = self.plan.sections[self.services[place].section].missing;
        let service = &self.services[place];
        let Some(pid) = pid else {
            let right = match how {
                How::CannotRun => missing,
                // The machine is full.
                How::CannotFork => true,
                How::Skipped(cause) => {
                    let cause = &self.services[cause];
                    service.state == State::Waiting && cause.state == State::Gone && !cause.up
                }
                How::NoPidFile => service.state == State::Running,
                _ => false,
            };
            if !right {
                self.complain(at, "that cannot be");
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
                    code == 0 && word == Some(Word::Left) && self.heir_is_dead(place, pid, at);
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

    /// Whether a process has said before that it is this service's from now on: itself, or in a pid file,
    /// which is read again when the daemon ends.
    fn was_named(&self, place: Place, pid: i32, before: usize) -> bool {
        let name = self.name(place);
        self.entries(pid).any(|at| {
            at < before
                && self.journal.who(at) == name
                && ["main", "daemon"].contains(&self.journal.what(at))
        })
    }

    /// Whether the process that was to go on in this one's place had ended before that: it may have been
    /// named too late.
    fn heir_is_dead(&self, place: Place, pid: i32, before: usize) -> bool {
        let name = self.name(place);
        let mut heirs = self.processes.keys().filter(|&&heir| {
            heir > pid
                && self.was_named(place, heir, before)
                && self.journal.who(self.first(heir)) == name
        });
        heirs.any(|&heir| self.word(heir).is_some_and(|(at, _)| at < before))
    }

    fn first(&self, pid: i32) -> usize {
        self.entries(pid).next().expect("it said something")
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

    fn is_again(&self, place: Place) -> bool {
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

    fn first_code(&self) -> i32 {
        let end = self
            .first_failure
            .and_then(|place| self.services[place].end);
        end.map_or(0, |(code, _)| code)
    }

    // ---- the whole run ---------------------------------------------------------------------------

    /// Holds the end against the rules: what the container's code was, and `init`'s number inside.
    pub fn end(&mut self, code: i32, init: i32) {
        self.last_line(code);
        self.all_were_claimed();
        self.stop_was_in_order();
        self.nobody_vanished();
        self.who_was_killed_was_told();
        self.signals_are_in_order(init);
        self.what_was_passed_on_arrived();
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
            _ => return self.complain(at, "that is not how it ends"),
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
            // When one that was stopped for a fault ended is not said: it may have been the first.
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

    /// Who may give the code after a stop signal: the first in the list that failed, else the first one that
    /// ended. Whoever is unsure counts as one and as the other.
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
                // What it was before it ran once more.
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

    /// Every process of a service was said to run.
    fn all_were_claimed(&mut self) {
        let starts: Vec<(i32, usize)> = self
            .processes
            .iter()
            .map(|(&pid, said)| (pid, said[0]))
            .collect();
        for (pid, at) in starts {
            let main = self
                .journal
                .place_of_payload(self.journal.who(at))
                .is_some();
            let first = self.journal.what(at);
            let known = self.mains.iter().any(|(_, known, ..)| *known == pid);
            if main && first.starts_with("start ") && !known {
                self.complain(at, "nobody said that it runs");
            }
        }
    }

    /// A service got its stop signal when all that are after it had ended.
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
            // At the last call everybody is told, an eighth of the budget before its end. That begins when
            // pidlet looks at the clock, and it may be a while until it has said so.
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
                name: who,
                what,
                ..
            } => *who == finish || *who == name && is_main(*pid) && what != "left",
            _ => false,
        })
    }

    /// Everybody ended by himself, or was killed with a word.
    fn nobody_vanished(&mut self) {
        let all: Vec<i32> = self.processes.keys().copied().collect();
        for pid in all {
            let last = self.entries(pid).next_back().expect("it said something");
            let end = self.journal.entries.len();
            if self.word(pid).is_some() || self.killed_by_test(pid, end) || self.killed_at.is_some()
            {
                continue;
            }
            if !self.was_killed_with_a_word(pid) {
                self.complain(last, "it was killed, and nobody said so");
            }
        }
    }

    /// Who was killed since the budget was over has been told before. Only of those with seconds for that it
    /// can be asked to have said so: the machine may have others to run.
    fn who_was_killed_was_told(&mut self) {
        const TIME: u64 = 5000;
        if self.plan.grace < TIME || self.plan.passes_through() {
            return;
        }
        let mut wrong = Vec::new();
        let mut ended = self.cause_at;
        for (at, claim) in self.journal.claims() {
            // Whoever asks for the second time leaves nobody his time.
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
                        let who = self.journal.who(self.first(pid));
                        let lives = self.first(pid) < ended && self.word(pid).is_none();
                        // Its service may have had less time, and have been killed with its group.
                        let killed = self.was_killed_with_a_word(pid);
                        who.contains('/') && lives && !killed && !self.is_of_told_group(who)
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

    /// Whether somebody whom a service has started is of a group that is told as a whole: whoever is born
    /// after that is spared with the group.
    fn is_of_told_group(&self, who: &str) -> bool {
        let place = who.split('/').next();
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

    fn was_killed_with_a_word(&self, pid: i32) -> bool {
        let first = self.entries(pid).next().expect("it said something");
        // Which group it is in: only mains move.
        let group = self.entries(pid).filter_map(|at| {
            let (word, group) = self.journal.what(at).split_once(' ')?;
            ["start", "born", "moved"]
                .contains(&word)
                .then(|| group.parse::<i32>().ok())?
        });
        let group = group.reduce(|_, last| last).unwrap_or(pid);
        if self.journal.who(first).ends_with("!check") {
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
            let who = self.journal.who(first).to_owned();
            for (at, _) in self.got(pid) {
                // Of what a group gets while a member forks the kernel tells the child nothing more.
                let what = self.journal.what(at);
                let pipe = what.starts_with("got 13 ");
                if !what.ends_with(&format!(" from {init}")) && !what.ends_with(" from 0") && !pipe
                {
                    wrong.push((at, "a signal from somebody else"));
                }
            }
            let Some(place) = self.journal.place_of_payload(&who) else {
                if let Some(at) = self.told_too_early(pid, &who) {
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

    /// Where somebody whom a service has started was told while that was alive, though its signals are
    /// not for its group.
    fn told_too_early(&self, pid: i32, who: &str) -> Option<usize> {
        let service = who.split(['/', '!']).next()?;
        let place = self.journal.place_of_payload(service)?;
        if self.plan.by_group(self.services[place].section) || who.contains('!') {
            return None;
        }
        let (at, _) = self.got(pid).next()?;
        let ended = self.mains.iter().any(|&(main, known, _, until)| {
            let word = self.word(known).map_or(until, |(said, _)| said.min(until));
            let killed = self.services[place].killed || self.killed_by_test(known, at);
            main == place && (word < at || killed)
        });
        // A process that has not been found to be the service's is left over.
        (!ended && !self.services[place].fault && self.killed_at.is_none()).then_some(at)
    }

    /// Who was told to stop has got before what was passed on before.
    fn what_was_passed_on_arrived(&mut self) {
        // What comes after the stop signal may find nobody who listens any more.
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

    /// A `finish` command hears how its service ended, as is said when it has ended itself.
    fn finish_commands_know_the_end(&mut self) {
        let mut wrong = Vec::new();
        for at in 0..self.journal.entries.len() {
            let Some(said) = self.journal.what(at).strip_prefix("finish ") else {
                continue;
            };
            let name = self.journal.who(at).trim_end_matches("!finish");
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

    /// How long the stop took at the most, in milliseconds.
    pub fn stop_time(&self, end_ns: u64) -> u64 {
        let begun = self.journal.time_before(self.cause_at).unwrap_or(end_ns);
        end_ns.saturating_sub(begun) / 1_000_000
    }
}
