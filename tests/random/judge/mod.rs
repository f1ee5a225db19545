//! What must hold of a run, judged by the journal alone: not by what the supervisor would say, but by what
//! each payload said of itself.
//!
//! pidlet's own lines are taken as claims in the order in which they were said. Each is held against what
//! the payloads said before, and the rules are applied to the claims once more.

mod claims;
mod whole;

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
    /// Its process, as far as one has been named.
    pid: Option<i32>,
    /// How its last run ended: its code, and whether that is a failure.
    end: Option<(i32, bool)>,
    /// It is being stopped for a fault, and its end has not been said.
    fault: bool,
    up: bool,
    ends: u64,
    quick: u32,
    too_often: bool,
    killed: bool,
    /// It may have been told to stop when it had already ended by that very signal: then it has not failed.
    unsure: bool,
}

/// The last word of a process.
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
    /// A stop signal has asked for the stop in progress.
    wanted: bool,
    /// From that place on everything was killed, and that was said.
    killed_at: Option<usize>,
    first_failure: Option<Place>,
    /// Which process was a service's: from the first place in the journal until the second.
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

    /// Whether the process that runs has said that it is ready, in a way that pidlet cannot miss.
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

    /// How long the stop has taken by that place at most, in milliseconds.
    fn time_since_cause(&self, at: usize) -> Option<u64> {
        self.cause?;
        let begun = self.journal.time_before(self.cause_at)?;
        let now = self.journal.time_after(at);
        // Nothing was said later.
        Some(now.map_or(u64::MAX, |now| now.saturating_sub(begun) / 1_000_000))
    }

    /// Whether a process has said before that it is this service's from now on: itself, or in a pid file,
    /// which is read again when the daemon ends.
    fn was_named(&self, place: Place, pid: i32, before: usize) -> bool {
        let name = self.name(place);
        self.entries(pid).any(|at| {
            at < before
                && self.journal.speaker(at) == name
                && ["main", "daemon"].contains(&self.journal.what(at))
        })
    }

    fn first(&self, pid: i32) -> usize {
        self.entries(pid).next().expect("it said something")
    }
}
