//! Random plans with dependencies, checks, restarts, daemons and `finish` commands, where ends, faults and
//! signals come at any point, against what must hold after every step.
//!
//! `FIRST=n` begins with the n-th life, `SEED=n` plays only that one.

use std::boxed::Box;
use std::vec::Vec;
use std::{assert, assert_eq, env, eprintln};

use super::super::stop::{KILL_TIMEOUT, LAST_CALL_DIVISOR};
use super::super::{
    Action, End, Event, Finding, News, Next, Notice, State, Supervisor, Surroundings,
};
use super::oracle::Oracle;
use super::simulation::{Random, SeedOnPanic};
use super::{FIRST_PID, exec_fault, plan};
use crate::message::Kind;
use crate::plan::{Essential, Key, Pair, Place, Plan, Probe, Spec, Type};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::{Signal, SignalSet};
use crate::words::time::{Instant, NEVER, Span};

const STEPS: u64 = 1_000_000;
/// After so many steps a life is stopped, since its services may be restarted for ever.
const STEPS_OF_A_LIFE: u64 = 3000;
const SERVICES_MAX: u64 = 50;
fn random_spec(random: &mut Random) -> Spec<'static> {
    let mut list = Vec::new();
    let mut say = |key, number, words| {
        list.push(Pair {
            key,
            line: 0,
            number,
            words,
        });
    };
    let kind = [0, 0, 1, 2][random.below(4) as usize];
    say(Key::Type, kind, &[]);
    say(Key::Restart, random.below(3), &[]);
    say(Key::ReadyTimeout, 1 + random.below(20_000), &[]);
    say(Key::Backoff, 5000 << 32 | random.below(2000), &[]);
    if kind != 1 {
        match random.below(3) {
            1 => say(Key::Ready, 0, &[c"notify"]),
            2 => say(Key::Ready, Probe::REPEATABLE, &[c"tcp:1"]),
            _ => (),
        }
        if random.one_in(3) {
            say(Key::Watchdog, 1 + random.below(5000), &[]);
        }
        if random.one_in(3) {
            say(Key::Health, Probe::REPEATABLE, &[c"tcp:1"]);
            say(Key::HealthEvery, 1 + random.below(5000), &[]);
            say(Key::HealthTries, 1 + random.below(3), &[]);
        }
    }
    if random.one_in(3) {
        say(Key::Essential, 1 + random.below(2), &[]);
    }
    if random.one_in(3) {
        say(Key::Tries, 60_000 << 16 | (1 + random.below(4)), &[]);
    }
    if random.one_in(4) {
        say(Key::Stop, u64::MAX, &[c"INT", c"QUIT"]);
    }
    if random.one_in(4) {
        say(Key::StopTimeout, random.below(3000), &[]);
    }
    if random.one_in(4) {
        say(Key::Finish, 0, &[c"f"]);
    }
    Spec(list.leak())
}

fn random_plan(random: &mut Random) -> Plan<'static> {
    const UNTIL: [Essential; 3] = [Essential::Yes, Essential::No, Essential::OnFailure];
    let most = 1 + random.below(SERVICES_MAX);
    let count = 1 + random.below(most) as usize;
    let mut plan = plan(count, |plan| {
        plan.until = UNTIL[random.below(3) as usize];
        plan.hold = random.one_in(8);
        plan.grace = Some(Span([0, 1000, 5000][random.below(3) as usize]));
        plan.group = random.one_in(2);
    });
    for place in 0..count {
        let mut after: Vec<Place> = Vec::new();
        // Services are only after earlier ones, so there is no cycle.
        for before in 0..place {
            if random.one_in(1 + place as u64) {
                after.push(before as Place);
            }
        }
        plan.services[place].spec = random_spec(random);
        plan.services[place].after = after.leak();
    }
    plan
}

struct Process {
    pid: Pid,
    service: Option<usize>,
    end: Option<(Instant, Status)>,
    heeds_stop: bool,
    told: bool,
}

struct Simulation<'p> {
    random: Random,
    plan: &'p Plan<'p>,
    supervisor: Supervisor<'p>,
    now: Instant,
    steps: u64,
    processes: Vec<Process>,
    next_pid: Pid,
    /// Which services have been up at least once, as seen from here.
    was_up: Vec<bool>,
    /// The services with a check under way.
    checks: Vec<Place>,
    /// The process of each daemon, once its launcher has made it.
    mains: Vec<Option<Pid>>,
    stopping: Option<Instant>,
    /// How many stop signals have come.
    asks: usize,
    ends_said: usize,
    look: bool,
    /// The services whose `finish` command is still to run.
    owed: Vec<bool>,
    killed: bool,
    oracle: Oracle,
}

impl<'p> Simulation<'p> {
    fn new(plan: &'p Plan<'p>, mut random: Random) -> Simulation<'p> {
        let init = random.one_in(2);
        let surroundings = Surroundings {
            init,
            no_shell: init,
            ignore_once: SignalSet::NONE,
        };
        let count = plan.services.len();
        Simulation {
            random,
            plan,
            supervisor: Supervisor::new(plan, surroundings),
            now: Instant(1),
            steps: 0,
            processes: Vec::new(),
            next_pid: FIRST_PID,
            was_up: std::vec![false; count],
            checks: Vec::new(),
            mains: std::vec![None; count],
            stopping: None,
            asks: 0,
            ends_said: 0,
            look: false,
            owed: std::vec![false; count],
            killed: false,
            oracle: Oracle::new(count),
        }
    }

    fn run(&mut self) -> u8 {
        loop {
            assert!(self.steps < 20 * STEPS_OF_A_LIFE, "it does not end");
            match self.supervisor.next() {
                Next::Exit(code) => return code,
                Next::Start(service) => self.start(service.into()),
                Next::Wait(until) => self.wait(until),
            }
            self.reap();
        }
    }

    fn is(&self, service: usize, state: State) -> bool {
        self.supervisor.record(service as Place).state == state
    }

    fn runs(&self, service: usize) -> bool {
        self.supervisor.record(service as Place).running()
    }

    fn live(&self, service: usize) -> bool {
        self.processes
            .iter()
            .any(|process| process.service == Some(service))
    }

    fn start(&mut self, service: usize) {
        let finish = self.is(service, State::Finishing);
        self.owed[service] &= !finish;
        assert!(!self.live(service), "two processes of service {service}");
        if !finish {
            assert!(self.stopping.is_none(), "a start in a stop");
            let entry = &self.plan.services[service];
            for before in entry.after {
                assert!(
                    self.was_up[usize::from(*before)],
                    "started before what it is after"
                );
            }
        }
        if self.random.one_in(20) {
            return self.step(Event::Launched(Err(exec_fault(Errno::NOENT))));
        }
        let pid = self.spawn(Some(service));
        let kind = self.plan.services[service].spec.kind();
        if kind == Type::Daemon && !finish && !self.random.one_in(4) {
            let after = Span(self.random.below(50));
            let launcher = self.processes.last_mut().unwrap();
            launcher.end = Some((self.now.after(after), Status::Exited(0)));
        }
        self.mains[service] = None;
        self.step(Event::Launched(Ok(pid)));
    }

    fn spawn(&mut self, service: Option<usize>) -> Pid {
        self.next_pid += 1;
        let pid = self.next_pid;
        let after = Span(1 + self.random.below(30_000));
        let end = self
            .random
            .one_in(2)
            .then(|| (self.now.after(after), self.random.status()));
        self.processes.push(Process {
            pid,
            service,
            end,
            heeds_stop: !self.random.one_in(4),
            told: false,
        });
        pid
    }

    fn wait(&mut self, until: Instant) {
        let ends = self.processes.iter().filter_map(|process| process.end);
        let mut next = self.now.after(Span(1 + self.random.below(5000)));
        let mut other = true;
        for at in ends.map(|(at, _)| at).chain([until]) {
            if at <= next {
                (next, other) = (at, false);
            }
        }
        self.now = next.max(self.now);
        if self.stopping.is_none() && self.random.one_in(300) {
            // The machine slept: all that was due meanwhile is due at once.
            self.now = self.now.after(Span::seconds(100_000));
        }
        if other {
            self.something();
        } else if self.dead().is_none() {
            self.step(Event::Time);
        }
    }

    /// Something happens from outside.
    fn something(&mut self) {
        let late = self.steps > STEPS_OF_A_LIFE;
        let place = self.random.below(self.plan.services.len() as u64) as Place;
        let span = Span(1 + self.random.below(5000));
        let notice = match self.random.below(if late { 14 } else { 13 }) {
            0..=4 => Notice::Ready,
            5..=7 => Notice::Alive,
            8 => Notice::Stopping,
            9 => Notice::Extend(span),
            10 => Notice::Watchdog(span),
            11 if self.random.one_in(8) => Notice::Trigger,
            12 if !self.checks.is_empty() => {
                let index = self.random.below(self.checks.len() as u64) as usize;
                let place = self.checks.remove(index);
                let finding = self.finding(usize::from(place));
                return self.step(Event::Checked(place, finding));
            }
            _ => {
                let stop = late || self.random.one_in(6);
                let signal = if stop { Signal::TERM } else { Signal::HUP };
                if stop {
                    self.asks += 1;
                    self.stopping.get_or_insert(self.now);
                    self.oracle.asked();
                }
                let from_kernel = self.random.one_in(3);
                return self.step(Event::Signal {
                    signal,
                    from_kernel,
                    parent_died: false,
                });
            }
        };
        self.step(Event::Noticed(place, notice));
    }

    fn finding(&mut self, service: usize) -> Finding {
        if !self.is(service, State::Launched) {
            return [Finding::Good, Finding::Good, Finding::MISSING][self.random.below(3) as usize];
        }
        let main = self.mains[service];
        let alive = |pid: Pid| self.processes.iter().any(|process| process.pid == pid);
        match main.filter(|pid| alive(*pid)) {
            Some(pid) if !self.random.one_in(4) => {
                let process = self.processes.iter_mut().find(|process| process.pid == pid);
                process.unwrap().service = Some(service);
                Finding::Main(pid)
            }
            // While other processes run, it cannot be known that none of them is the daemon.
            None if self.processes.is_empty() && self.random.one_in(2) => Finding::NoChild,
            _ => [Finding::MISSING, Finding::NotOurs][self.random.below(2) as usize],
        }
    }

    fn dead(&self) -> Option<usize> {
        let dead = |process: &Process| process.end.is_some_and(|(at, _)| at <= self.now);
        self.processes.iter().position(dead)
    }

    fn reap(&mut self) {
        let mut any = core::mem::take(&mut self.look);
        while let Some(place) = self.dead() {
            any = true;
            let process = &self.processes[place];
            let (pid, service) = (process.pid, process.service);
            let (_, status) = process.end.unwrap();
            let ran = service.filter(|service| self.runs(*service));
            self.step(Event::Ended {
                pid,
                status,
                out_of_memory: false,
            });
            // A launcher's end is not its service's, even if the stop begins in the same step.
            let over = |service: &usize| {
                let record = self.supervisor.record(*service as Place);
                record.state != State::Launched && record.end != End::None
            };
            if let Some(service) = ran.filter(over) {
                self.owed[service] = self.plan.services[service].spec.has(Key::Finish);
            }
            // The number becomes free only now.
            let place = self.processes.iter().position(|process| process.pid == pid);
            self.processes.remove(place.unwrap());
            if let Some(service) = service.filter(|service| self.is(*service, State::Launched)) {
                let main = self.spawn(None);
                self.mains[service] = Some(main);
            }
            if matches!(self.supervisor.next(), Next::Exit(_)) {
                return;
            }
        }
        if any {
            let left = !self.processes.is_empty();
            self.step(Event::Reaped { left });
        }
    }

    fn step(&mut self, event: Event) {
        self.steps += 1;
        let next = self.supervisor.next();
        self.supervisor.step(self.now, event);
        let of = |pid: Pid| self.processes.iter().find(|process| process.pid == pid);
        let first = match event {
            Event::Ended { pid, .. } => of(pid).and_then(|process| process.service),
            Event::Launched(Err(_)) => match next {
                Next::Start(service) => Some(service.into()),
                _ => None,
            },
            _ => None,
        };
        self.oracle.look(self.plan, &self.supervisor, first);
        let actions = self.supervisor.actions().to_vec();
        assert!(
            actions.len() < 5 * self.plan.services.len() + 16,
            "no room for an action"
        );
        for action in actions {
            self.perform(action);
        }
        let mut first_due = NEVER;
        for place in 0..self.plan.services.len() {
            let record = self.supervisor.record(place as Place);
            first_due = first_due.min(record.limit).min(record.check_at);
            self.was_up[place] |= record.up;
            let runs = record.running();
            if runs {
                assert!(
                    self.live(place),
                    "a process that is not there is said to run"
                );
            }
            if self.stopping.is_some() {
                assert!(record.state != State::Delayed, "a restart in a stop");
            }
        }
        assert_eq!(
            self.supervisor.services.first_due(),
            first_due,
            "a timer is lost"
        );
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Signal { pid, signal, .. } => {
                let found = self.processes.iter().position(|process| process.pid == pid);
                let place = found.expect("a signal for whom is no child of ours");
                self.in_order(place, signal);
                self.was_asked(place, signal);
                self.deliver(place, signal);
            }
            Action::SignalLeftovers(signal) => {
                self.killed |= signal == Signal::KILL;
                for place in 0..self.processes.len() {
                    self.deliver(place, signal);
                }
            }
            Action::Check(place) => {
                assert!(!self.checks.contains(&place), "two checks at once");
                self.checks.push(place);
            }
            Action::Uncheck(place) => self.checks.retain(|other| *other != place),
            Action::Look => self.look = true,
            Action::Announce(News::Stopping) => self.oracle.stop_begins(),
            Action::Say(message) if message.kind == Kind::Stopping => {
                self.stopping.get_or_insert(self.now);
            }
            Action::Say(message) if message.kind == Kind::End => {
                self.ends_said += 1;
                self.oracle.check_end(self.plan, &self.supervisor, message);
            }
            Action::Say(message) if message.kind == Kind::Held => self.oracle.stop_begins(),
            _ => (),
        }
    }

    /// No process is killed that was not asked to end, unless a second stop signal came or there is no time
    /// at all. A `finish` command is never asked.
    fn was_asked(&self, place: usize, signal: Signal) {
        let process = &self.processes[place];
        let Some(service) = process.service.filter(|_| signal == Signal::KILL) else {
            return;
        };
        let hurry = self.asks > 1 || self.plan.budget() == Span::ZERO;
        let alive = process.end.is_none_or(|(at, _)| at > self.now);
        let asked = process.told || hurry || !alive || self.is(service, State::Finishing);
        assert!(asked, "{service} is killed without a word");
    }

    /// In a stop no service is told while one that is after it remains, until the last call.
    fn in_order(&self, place: usize, signal: Signal) {
        let process = &self.processes[place];
        let stop = matches!(signal, Signal::TERM | Signal::INT);
        let (Some(service), true, true) = (process.service, stop, self.stopping.is_some()) else {
            return;
        };
        let budget = self.plan.budget().0;
        let last_call = Instant(self.supervisor.limit.0 - budget / LAST_CALL_DIVISOR);
        if budget == 0 || self.now >= last_call {
            return;
        }
        let alive = process.end.is_none_or(|(at, _)| at > self.now);
        let at_fault = self.supervisor.record(service as Place).fault.is_some();
        if process.told || !alive || at_fault || self.plan.pass_through() {
            return;
        }
        for (other, entry) in self.plan.services.iter().enumerate() {
            let after = entry.after.contains(&(service as Place));
            let running = self.runs(other) || self.is(other, State::Finishing);
            assert!(
                !(after && running),
                "{service} is told before {other}, which is after it"
            );
        }
    }

    fn deliver(&mut self, place: usize, signal: Signal) {
        let after = Span(self.random.below(3000));
        let process = &mut self.processes[place];
        let sooner = process.end.is_none_or(|(at, _)| at > self.now);
        let stop = matches!(signal, Signal::TERM | Signal::INT);
        process.told |= stop;
        if signal == Signal::KILL && sooner {
            process.end = Some((self.now.after(Span(1)), Status::Killed(signal)));
        } else if stop && sooner && process.heeds_stop {
            process.end = Some((self.now.after(after), Status::Killed(signal)));
        }
    }

    fn check(&self, code: u8) {
        assert_eq!(self.ends_said, 1, "the end is said once");
        assert!(
            self.processes
                .iter()
                .all(|process| process.service.is_none()),
            "one lives on"
        );
        if let Some(since) = self.stopping {
            let most = self.plan.budget().0 + KILL_TIMEOUT.0;
            assert!(
                self.now.since(since) <= Span(most),
                "the stop took too long"
            );
        }
        assert!(
            self.killed || !self.owed.contains(&true),
            "a finish command did not run"
        );
        assert_eq!(code, self.oracle.code(&self.supervisor), "the exit code");
    }
}

#[test]
fn a_million_steps_of_plans_at_random() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let only = number("SEED");
    let first = only.or(number("FIRST")).unwrap_or(1);
    let mut seed = first;
    let mut steps = 0;
    while steps < STEPS {
        let mut random = Random::from_seed(seed);
        let plan = Box::leak(Box::new(random_plan(&mut random)));
        let mut simulation = Simulation::new(plan, random);
        let _seed = SeedOnPanic(seed);
        let code = simulation.run();
        simulation.check(code);
        steps += simulation.steps;
        seed += 1;
        if only.is_some() {
            break;
        }
    }
    eprintln!("{steps} steps in {} lives", seed - first);
}
