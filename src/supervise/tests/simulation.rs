//! Thousands of random containers, against what must hold in each of them, and against a naive reading of
//! EXIT STATUS in pidlet(8) that only looks at what happened.

use std::boxed::Box;
use std::vec::Vec;
use std::{assert, assert_eq, eprintln};

use super::super::stop::KILL_TIMEOUT;
use super::{Action, Event, FIRST_PID, Next, ORPHAN, Supervisor, Surroundings};
use super::{exec_fault, persona, plan};
use crate::message::Kind;
use crate::plan::{Essential, Plan, Style};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::{Signal, SignalSet};
use crate::words::time::{Instant, Span};

const RUNS: u64 = 20_000;
/// How late the edge may be for a deadline, in milliseconds.
const LATE_MS_MAX: u64 = 50;
const STEPS_MAX: usize = 10_000;

/// Marsaglia's xorshift64.
pub struct Random(u64);

impl Random {
    pub fn from_seed(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn status(&mut self) -> Status {
        match self.below(6) {
            0 => Status::Killed(Signal::KILL),
            1 => Status::Killed(Signal::TERM),
            2 => Status::Exited(143),
            3 => Status::Exited(self.below(4) as u8),
            _ => Status::Exited(0),
        }
    }
}

/// A process, a service's or an orphan.
struct Process {
    pid: Pid,
    service: Option<usize>,
    /// When and how it ends, as things stand.
    end: Option<(Instant, Status)>,
    heeds_stop: bool,
    /// Its group has been signalled.
    group_told: bool,
    told: Option<Signal>,
}

/// What happened, as far as it matters for EXIT STATUS.
#[derive(Debug)]
enum Fact {
    Gone {
        service: usize,
        code: u8,
        failed: bool,
    },
    StopSignal,
}

struct Simulation<'p> {
    random: Random,
    plan: &'p Plan<'p>,
    init: bool,
    supervisor: Supervisor<'p>,
    now: Instant,
    processes: Vec<Process>,
    waiting: usize,
    facts: Vec<Fact>,
    /// Since when a stop is under way.
    stopping: Option<Instant>,
    ends_said: usize,
    look: bool,
    proc: bool,
    hangs: bool,
}

fn random_plan(random: &mut Random) -> Plan<'static> {
    const UNTIL: [Essential; 3] = [Essential::Yes, Essential::No, Essential::OnFailure];
    let count = 1 + random.below(8) as usize;
    let set = |plan: &mut Plan| {
        if count == 1 && random.one_in(3) {
            let style = [Style::Tini, Style::DumbInit, Style::Catatonit][random.below(3) as usize];
            persona(style)(plan);
        }
        plan.until = UNTIL[random.below(3) as usize];
        plan.hold = random.one_in(4);
        plan.group |= random.one_in(2);
        if random.one_in(2) {
            plan.grace = Some(Span([0, 1000, 5000][random.below(3) as usize]));
        }
        if random.one_in(3) && plan.budget() > Span(500) {
            plan.lame_duck = Span(500);
        }
        for code in [1, 143] {
            if random.one_in(4) {
                plan.expect.add(code);
            }
        }
        if random.one_in(6) {
            plan.routes.set(
                Signal::TERM,
                [None, Some(Signal::INT)][random.below(2) as usize],
            );
        }
    };
    plan(count, set)
}

impl<'p> Simulation<'p> {
    fn new(seed: u64, plan: &'p Plan<'p>, mut random: Random) -> Simulation<'p> {
        let init = random.one_in(2);
        let surroundings = Surroundings {
            init,
            no_shell: init,
            ignore_once: SignalSet::NONE,
        };
        Simulation {
            plan,
            init,
            supervisor: Supervisor::new(plan, surroundings),
            now: Instant(1 + seed),
            processes: Vec::new(),
            waiting: plan.services.len(),
            facts: Vec::new(),
            stopping: None,
            ends_said: 0,
            look: false,
            proc: !random.one_in(8),
            hangs: random.one_in(8),
            random,
        }
    }

    /// A container's whole life, in a loop like the program's.
    fn run(&mut self) -> u8 {
        for _ in 0..STEPS_MAX {
            match self.supervisor.next() {
                Next::Exit(code) => return code,
                Next::Start(service) => {
                    assert!(self.stopping.is_none(), "a start during a stop");
                    self.start(service.into());
                    if self.random.one_in(8) {
                        self.signal();
                    }
                }
                Next::Wait(until) => self.wait(until),
            }
            self.reap();
        }
        panic!("it does not end");
    }

    fn start(&mut self, service: usize) {
        assert_eq!(service, self.plan.services.len() - self.waiting);
        self.waiting -= 1;
        if self.random.one_in(20) {
            let errno = [Errno::NOENT, Errno::ACCES][self.random.below(2) as usize];
            let fault = exec_fault(errno);
            let code = fault.code(self.plan.style);
            self.gone(service, code, true);
            return self.step(Event::Launched(Err(fault)));
        }
        let pid = loop {
            let pid = FIRST_PID + self.random.below(20) as Pid;
            if self.processes.iter().all(|process| process.pid != pid) {
                break pid;
            }
        };
        self.spawn(pid, Some(service));
        self.step(Event::Launched(Ok(pid)));
    }

    fn spawn(&mut self, pid: Pid, service: Option<usize>) {
        // The only service ends only by itself, unless a budget was set.
        let must_end = self.plan.pass_through() && service.is_some();
        let ends = must_end || self.random.one_in(2);
        let after = Span(1 + self.random.below(30_000));
        self.processes.push(Process {
            pid,
            service,
            end: ends.then(|| (self.now.after(after), self.random.status())),
            heeds_stop: !self.random.one_in(4),
            group_told: false,
            told: None,
        });
    }

    /// The next thing that happens by itself: a deadline, a signal, or a child's end in `reap`.
    fn wait(&mut self, until: Instant) {
        if until <= self.now {
            self.step(Event::Time);
            // To wait for a time that has passed would be to spin.
            let next = self.supervisor.next();
            let spins = matches!(next, Next::Wait(until) if until <= self.now);
            assert!(!spins, "waits for the past");
            return;
        }
        let ends = self.processes.iter().filter_map(|process| process.end);
        let mut next = self.now.after(Span(1 + self.random.below(20_000)));
        let mut signal = true;
        for other in ends.map(|(at, _)| at).chain([until]) {
            if other <= next {
                (next, signal) = (other, false);
            }
        }
        let late = match self.random.below(3) {
            0 => self.random.below(LATE_MS_MAX + 1),
            _ => 0,
        };
        self.now = next.max(self.now).after(Span(late));
        if signal {
            self.signal();
        } else if self.dead().is_none() {
            self.step(Event::Time);
        }
    }

    fn signal(&mut self) {
        const SIGNALS: [Signal; 5] = [
            Signal::HUP,
            Signal::INT,
            Signal::TERM,
            Signal::TERM,
            Signal::CONT,
        ];
        let arrived = SIGNALS[self.random.below(5) as usize];
        let stop = self.plan.routes.get(arrived);
        if stop.is_some_and(|signal| SignalSet::STOP.has(signal)) {
            self.facts.push(Fact::StopSignal);
            if self.plan.bounded() {
                self.stopping.get_or_insert(self.now);
            }
        }
        let from_kernel = self.random.one_in(3);
        self.step(Event::Signal {
            signal: arrived,
            from_kernel,
            parent_died: false,
        });
    }

    /// Tells of each dead process, one by one, and then whether any are left.
    fn reap(&mut self) {
        let mut any = core::mem::take(&mut self.look);
        while let Some(place) = self.dead() {
            any = true;
            self.end(place);
            if matches!(self.supervisor.next(), Next::Exit(_)) {
                return;
            }
        }
        if any {
            let left = !self.processes.is_empty();
            self.step(Event::Reaped { left });
        }
    }

    /// A zombie.
    fn dead(&self) -> Option<usize> {
        let dead = |process: &Process| process.end.is_some_and(|(at, _)| at <= self.now);
        self.processes.iter().position(dead)
    }

    fn end(&mut self, place: usize) {
        let process = &self.processes[place];
        let (pid, told) = (process.pid, process.told);
        let (_, status) = process.end.unwrap();
        let code = status.code();
        let as_told = told.is_some_and(|told| 128 + told.number() == code);
        if let Some(service) = process.service {
            let failed = code != 0 && !self.plan.expect.has(code) && !as_told;
            let code = if self.plan.expect.has(code) { 0 } else { code };
            self.gone(service, code, failed);
        }
        self.step(Event::Ended {
            pid,
            status,
            out_of_memory: false,
        });
        let process = self.processes.remove(place);
        let stops = self.stopping.is_some() && self.plan.lame_duck == Span::ZERO;
        if stops && process.service.is_some() && self.plan.graceful() && !self.init {
            assert!(process.group_told, "a group was left behind untold");
        }
        // A service may leave a child behind.
        let orphan = ORPHAN + self.processes.len() as Pid;
        let free = self.processes.iter().all(|process| process.pid != orphan);
        if process.service.is_some() && free && self.random.one_in(3) {
            self.spawn(orphan, None);
        }
    }

    fn gone(&mut self, service: usize, code: u8, failed: bool) {
        self.facts.push(Fact::Gone {
            service,
            code,
            failed,
        });
        match expected_code(self.plan, &self.facts) {
            // Held, or the only service after a stop signal, whose stop is not timed here.
            Some(1..) if self.plan.hold => (),
            Some(_) => _ = self.stopping.get_or_insert(self.now),
            None => (),
        }
    }

    fn step(&mut self, event: Event) {
        let mut event = Some(event);
        while let Some(happened) = event.take() {
            self.supervisor.step(self.now, happened);
            let actions = self.supervisor.actions().to_vec();
            // Less than the room that there is, so nothing was ever refused.
            assert!(actions.len() < 4 * self.plan.services.len() + 12);
            for action in actions {
                event = event.or(self.perform(action));
            }
        }
        // A lame duck tells them later; the only service has had what was passed on.
        let several = !self.plan.pass_through() && self.plan.lame_duck == Span::ZERO;
        if several && self.stopping.is_some() {
            for process in &self.processes {
                let alive = process.end.is_none_or(|(at, _)| at > self.now);
                if alive && process.service.is_some() {
                    assert!(process.told.is_some(), "not told to stop: {:?}", self.facts);
                }
            }
        }
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Signal { pid, group, signal } => {
                let found = self.processes.iter().position(|process| process.pid == pid);
                let Some(place) = found else {
                    panic!(
                        "{signal:?} for {pid}, which is no child of ours: {:?}",
                        self.facts
                    );
                };
                self.processes[place].group_told |= group;
                self.deliver(place, signal);
            }
            Action::SignalLeftovers(signal) => {
                if !self.init && !self.proc {
                    return Some(Event::OutOfReach);
                }
                for place in 0..self.processes.len() {
                    let pid = self.processes[place].pid;
                    if signal == Signal::KILL || !self.supervisor.was_told(pid) {
                        self.deliver(place, signal);
                    }
                }
            }
            Action::Look => self.look = true,
            Action::Say(message) => self.ends_said += usize::from(message.kind == Kind::End),
            _ => (),
        }
        None
    }

    fn deliver(&mut self, place: usize, signal: Signal) {
        let after = Span(self.random.below(3000));
        let process = &mut self.processes[place];
        let sooner = process.end.is_none_or(|(at, _)| at > self.now);
        let stop = matches!(signal, Signal::TERM | Signal::INT);
        if stop && !self.plan.pass_through() {
            process.told = Some(signal);
        }
        if signal == Signal::KILL && sooner && !self.hangs {
            process.end = Some((self.now.after(Span(1)), Status::Killed(signal)));
        } else if stop && sooner && process.heeds_stop {
            process.end = Some((self.now.after(after), Status::Killed(signal)));
        }
    }

    fn check(&mut self, code: u8) {
        // What hangs in the kernel counts as killed all the same.
        for process in &self.processes {
            if let (Some(service), true) = (process.service, self.hangs) {
                let code = self.plan.mapped(137);
                self.facts.push(Fact::Gone {
                    service,
                    code,
                    failed: code != 0,
                });
            }
        }
        assert_eq!(self.ends_said, 1, "the end is said once");
        let expected = expected_code(self.plan, &self.facts);
        assert_eq!(Some(code), expected, "{:?}", self.facts);
        if let Some(since) = self.stopping {
            let most = self.plan.budget().0 + KILL_TIMEOUT.0 + 3 * LATE_MS_MAX + 1;
            assert!(
                self.now.since(since) <= Span(most),
                "the stop took too long"
            );
        }
        let services = self
            .processes
            .iter()
            .filter(|process| process.service.is_some());
        assert!(self.hangs || services.count() == 0, "a service lives on");
    }
}

/// EXIT STATUS of pidlet(8), read naively: the exit code, if what happened so far ends the container.
fn expected_code(plan: &Plan, facts: &[Fact]) -> Option<u8> {
    let mut gone: Vec<(usize, u8, bool)> = Vec::new();
    let mut first_failure = None;
    for fact in facts {
        let Fact::Gone {
            service,
            code,
            failed,
        } = *fact
        else {
            if plan.pass_through() {
                continue;
            }
            // A stop signal: every service counts that had ended when all was over, in the order listed.
            let mut all: Vec<(usize, u8, bool)> = facts
                .iter()
                .filter_map(|fact| match *fact {
                    Fact::Gone {
                        service,
                        code,
                        failed,
                    } => Some((service, code, failed)),
                    Fact::StopSignal => None,
                })
                .collect();
            all.sort_unstable();
            let failed = all.iter().find(|(.., failed)| *failed);
            return Some(failed.or(all.first()).map_or(0, |(_, code, _)| *code));
        };
        gone.push((service, code, failed));
        if failed {
            first_failure = first_failure.or(Some(code));
        }
        let ends = match plan.until {
            _ if plan.pass_through() => true,
            Essential::Yes => true,
            Essential::OnFailure => failed,
            Essential::No => false,
        };
        if ends {
            return Some(code);
        }
        if gone.len() == plan.services.len() {
            return Some(first_failure.unwrap_or(0));
        }
    }
    None
}

#[test]
fn thousands_of_containers_at_random() {
    for seed in 1..=RUNS {
        let mut random = Random::from_seed(seed);
        let plan = Box::leak(Box::new(random_plan(&mut random)));
        let mut simulation = Simulation::new(seed, plan, random);
        let _seed = SeedOnPanic(seed);
        let code = simulation.run();
        simulation.check(code);
    }
}

/// Prints the seed of the run that failed.
pub struct SeedOnPanic(pub u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.0);
        }
    }
}
