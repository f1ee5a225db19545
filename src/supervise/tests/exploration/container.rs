//! A container around the supervisor: its processes, what may happen to them next, and what must hold after
//! each move.

use std::vec::Vec;
use std::{assert, assert_eq, matches};

use super::super::super::stop::{KILL_TIMEOUT, LAST_CALL_DIVISOR};
use super::super::super::{Action, Event, Finding, News, Next, Notice, Phase, State, Supervisor};
use super::super::oracle::Oracle;
use super::super::{exec_fault, name_of};
use super::models::Model;
use super::snapshot::{NOW, moved};
use crate::message::Kind;
use crate::plan::{Key, Place, Plan, Probe, StartFault, Step, Style, Type};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::{Signal, SignalSet};
use crate::words::time::{Instant, NEVER, Span};

/// More stop signals than that make no difference.
const ASKS_MAX: u8 = 3;

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    /// What was started of a service: itself, or a daemon's launcher.
    Service(usize),
    Finish(usize),
    /// What a daemon's launcher left behind, known to the supervisor or not yet.
    Daemon(usize, bool),
    Orphan,
}

/// A living process.
#[derive(Clone, Hash)]
struct Process {
    pid: Pid,
    role: Role,
    /// The number of the last signal that asked it to end, and how many the supervisor sent by itself.
    asked_by: u8,
    asks: u8,
    killed: bool,
    /// Its service has come to it from another one, and what that was told is told again.
    moved: bool,
    /// The terminal stopped it.
    stopped: bool,
}

impl Process {
    /// The service whose process the supervisor takes it for.
    fn service(&self) -> Option<usize> {
        match self.role {
            Role::Service(service) | Role::Finish(service) | Role::Daemon(service, true) => {
                Some(service)
            }
            Role::Daemon(_, false) | Role::Orphan => None,
        }
    }
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Happens(Event),
    /// A service's process ends, and leaves a child behind.
    EndsAsParent(Event),
    /// Everything that was dead has been reaped.
    Reaped,
    /// The supervisor's deadline comes; whether it hears of that first, or of something else, is open.
    TimePasses,
}

/// Everything around the supervisor.
#[derive(Clone, Hash)]
pub struct Around {
    processes: Vec<Process>,
    /// The services that are being checked.
    checks: Vec<bool>,
    was_up: Vec<bool>,
    /// The services whose input was closed.
    closed: Vec<bool>,
    /// The services whose `finish` command is still to run.
    owed: Vec<bool>,
    pub oracle: Oracle,
    /// How many stop signals have come.
    asks: u8,
    /// When the budget began, in milliseconds.
    stop_since: Option<u64>,
    /// When the only service was last sent a stop signal that had come.
    heeded_at: Option<u64>,
    told_ready: bool,
    told_stopping: bool,
    ends_said: u8,
    /// Zombies are being reaped.
    reaping: bool,
    /// Everything was killed.
    killed: bool,
}

pub struct Container<'p> {
    pub plan: &'p Plan<'p>,
    pub supervisor: Supervisor<'p>,
    pub around: Around,
    pub now: Instant,
    model: &'static Model,
    init: bool,
}

impl<'p> Container<'p> {
    pub fn new(
        model: &'static Model,
        plan: &'p Plan<'p>,
        supervisor: Supervisor<'p>,
        init: bool,
    ) -> Container<'p> {
        let count = plan.services.len();
        Container {
            plan,
            supervisor,
            around: Around {
                processes: Vec::new(),
                checks: std::vec![false; count],
                was_up: std::vec![false; count],
                closed: std::vec![false; count],
                owed: std::vec![false; count],
                oracle: Oracle::new(count),
                asks: 0,
                stop_since: None,
                heeded_at: None,
                told_ready: false,
                told_stopping: false,
                ends_said: 0,
                reaping: false,
                killed: false,
            },
            now: NOW,
            model,
            init,
        }
    }

    /// What is around, with its times relative to [`NOW`].
    pub fn around_now(&self) -> Around {
        let most = Span(self.plan.budget().0 + KILL_TIMEOUT.0 + 1);
        let mut around = self.around.clone();
        for at in [&mut around.stop_since, &mut around.heeded_at] {
            *at = at.map(|at| moved(Instant(at), self.now, most).0);
        }
        around.processes.sort_by_key(|process| process.pid);
        around
    }

    // ---- What may happen

    pub fn moves(&self, moves: &mut Vec<Move>) {
        moves.clear();
        if matches!(self.supervisor.next(), Next::Exit(_)) {
            return;
        }
        self.ends(moves);
        if self.around.reaping {
            return moves.push(Move::Reaped);
        }
        let mut happens = |event| moves.push(Move::Happens(event));
        let wait = match self.supervisor.next() {
            Next::Start(service) => {
                happens(Event::Launched(Ok(self.free_pid(service.into()))));
                happens(Event::Launched(Err(exec_fault(Errno::NOENT))));
                happens(Event::Launched(Err(StartFault {
                    step: Step::Fork,
                    errno: Errno::AGAIN,
                })));
                NEVER
            }
            Next::Wait(until) => until,
            Next::Exit(_) => NEVER,
        };
        match wait {
            NEVER => (),
            until if until > self.now => moves.push(Move::TimePasses),
            _ => moves.push(Move::Happens(Event::Time)),
        }
        self.signals(moves);
        self.checks_and_notices(moves);
    }

    fn ends(&self, moves: &mut Vec<Move>) {
        for process in &self.around.processes {
            let mut statuses = std::vec![Status::Exited(0)];
            if process.killed {
                statuses.push(Status::Killed(Signal::KILL));
            } else if !matches!(process.role, Role::Finish(_) | Role::Orphan) {
                statuses.push(Status::Exited(1));
                statuses.extend(Signal::new(process.asked_by.into()).map(Status::Killed));
            }
            for status in statuses {
                let end = super::super::ended(process.pid, status, false);
                moves.push(Move::Happens(end));
                let parent = matches!(process.role, Role::Service(_)) && self.model.orphans;
                if parent && self.orphan().is_none() {
                    moves.push(Move::EndsAsParent(end));
                }
            }
        }
    }

    fn signals(&self, moves: &mut Vec<Move>) {
        let mut arrives = |signal, from_kernel| {
            moves.push(Move::Happens(Event::Signal {
                signal,
                from_kernel,
                parent_died: false,
            }));
        };
        if self.around.asks < ASKS_MAX {
            arrives(Signal::TERM, false);
        }
        arrives(Signal::HUP, false);
        arrives(Signal::CHLD, false);
        if !self.model.terminal {
            return;
        }
        if self.around.asks < ASKS_MAX {
            arrives(Signal::INT, true);
        }
        arrives(Signal::TSTP, true);
        arrives(Signal::CONT, false);
        let Some(pid) = self.supervisor.foreground_child() else {
            return;
        };
        for signal in [Signal::TSTP, Signal::TTIN] {
            moves.push(Move::Happens(Event::Stopped(pid, signal)));
        }
    }

    fn checks_and_notices(&self, moves: &mut Vec<Move>) {
        for place in 0..self.plan.services.len() as Place {
            let service = usize::from(place);
            let state = self.record(service).state;
            let mut happens = |event| moves.push(Move::Happens(event));
            if self.around.checks[service] {
                happens(Event::Checked(place, Finding::MISSING));
                if state == State::Launched {
                    happens(Event::Checked(place, Finding::NotOurs));
                    if self.around.processes.is_empty() {
                        happens(Event::Checked(place, Finding::NoChild));
                    }
                    let daemons = self.around.processes.iter();
                    let daemons =
                        daemons.filter(|process| matches!(process.role, Role::Daemon(..)));
                    for process in daemons {
                        happens(Event::Checked(place, Finding::Main(process.pid)));
                    }
                } else {
                    happens(Event::Checked(place, Finding::Good));
                }
            }
            let spec = self.plan.services[service].spec;
            if !self.lives(service) || !spec.notifies() {
                continue;
            }
            let mut says = |notice| happens(Event::Noticed(place, notice));
            if spec.number(Key::Ready) == Probe::NOTIFY {
                says(Notice::Ready);
            }
            says(Notice::Stopping);
            says(Notice::Extend(Span(300)));
            if spec.has(Key::Watchdog) {
                says(Notice::Alive);
                says(Notice::Trigger);
                says(Notice::Watchdog(Span(700)));
            }
            if !self.model.moves {
                continue;
            }
            // It names a process that is nobody's yet, or the one that others have left behind.
            let orphan = self.orphan().unwrap_or(self.free_orphan());
            says(Notice::Main(orphan));
            says(Notice::Successor(orphan));
        }
    }

    /// A number for a new process, other than that of its service's last one, which may be remembered.
    fn free_pid(&self, service: usize) -> Pid {
        let first = 100 + 10 * service as Pid;
        let free = |pid: &Pid| {
            let remembered = self.plan.services.get(service).is_some_and(|_| {
                let record = self.record(service);
                record.pid == *pid || record.main == *pid
            });
            !remembered && self.process(*pid).is_none()
        };
        (first..first + 10).find(free).expect("there are ten")
    }

    fn free_orphan(&self) -> Pid {
        let mut pids = 990..1000;
        let free = |pid: &Pid| self.process(*pid).is_none();
        pids.rfind(free).expect("there are ten")
    }

    /// The process that is no service's, if there is one.
    fn orphan(&self) -> Option<Pid> {
        let mut processes = self.around.processes.iter();
        let orphan = processes.find(|process| process.role == Role::Orphan);
        orphan.map(|process| process.pid)
    }

    fn record(&self, service: usize) -> &super::super::super::Record {
        self.supervisor.record(service as Place)
    }

    fn process(&self, pid: Pid) -> Option<&Process> {
        self.around
            .processes
            .iter()
            .find(|process| process.pid == pid)
    }

    fn lives(&self, service: usize) -> bool {
        let mut processes = self.around.processes.iter();
        processes.any(|process| process.service() == Some(service))
    }

    // ---- It happens

    pub fn make(&mut self, chosen: Move) {
        match chosen {
            Move::TimePasses => {
                if let Next::Wait(until) = self.supervisor.next() {
                    self.now = until;
                }
            }
            Move::Reaped => {
                self.around.reaping = false;
                if self.supervisor.orphans_matter() {
                    let left = !self.around.processes.is_empty();
                    self.step(Event::Reaped { left });
                }
            }
            Move::Happens(Event::Ended { pid, status, .. }) => self.end(pid, status, false),
            Move::EndsAsParent(Event::Ended { pid, status, .. }) => self.end(pid, status, true),
            Move::Happens(event) | Move::EndsAsParent(event) => self.step(event),
        }
        self.check();
    }

    fn spawn(&mut self, pid: Pid, role: Role) {
        self.around.processes.push(Process {
            pid,
            role,
            asked_by: 0,
            asks: 0,
            killed: false,
            moved: false,
            stopped: false,
        });
    }

    fn end(&mut self, pid: Pid, status: Status, leaves_child: bool) {
        self.around.reaping = true;
        let place = self.supervisor.service_of(pid);
        let successor = self.supervisor.successor(place);
        if self.orphan() == Some(successor) {
            self.step(Event::Noticed(place, Notice::Main(successor)));
        }
        let process = self.process(pid).expect("it lives");
        let (role, service) = (process.role, process.service());
        if leaves_child {
            self.spawn(self.free_orphan(), Role::Orphan);
        }
        self.step(super::super::ended(pid, status, false));
        self.around.processes.retain(|process| process.pid != pid);
        let Some(service) = service.filter(|_| !matches!(role, Role::Finish(_))) else {
            return;
        };
        let launched = self.record(service).state == State::Launched;
        self.around.owed[service] |= !launched && self.plan.services[service].spec.has(Key::Finish);
        if launched {
            let same =
                |process: &Process| matches!(process.role, Role::Daemon(of, _) if of == service);
            if !self.around.processes.iter().any(same) {
                let pid = self.free_pid(30 + service);
                self.spawn(pid, Role::Daemon(service, false));
            }
        }
    }

    fn step(&mut self, event: Event) {
        let mut first = None;
        if let (Next::Start(service), Event::Launched(_)) = (self.supervisor.next(), event) {
            let service = usize::from(service);
            self.around.owed[service] &= self.record(service).state != State::Finishing;
        }
        match event {
            Event::Launched(Ok(pid)) => {
                let Next::Start(service) = self.supervisor.next() else {
                    panic!("nothing was to start");
                };
                let service = usize::from(service);
                let finishes = self.record(service).state == State::Finishing;
                let role = if finishes {
                    Role::Finish(service)
                } else {
                    Role::Service(service)
                };
                self.spawn(pid, role);
            }
            Event::Ended { pid, .. } => first = self.process(pid).and_then(Process::service),
            Event::Signal { signal, .. } if self.asks_for_stop(signal) => {
                self.around.asks += 1;
                if self.plan.bounded() || self.supervisor.phase == Phase::Held {
                    self.around.stop_since.get_or_insert(self.now.0);
                }
                self.around.oracle.asked();
            }
            Event::Launched(Err(_)) => {
                if let Next::Start(service) = self.supervisor.next() {
                    first = Some(service.into());
                }
            }
            Event::Checked(place, _) => self.around.checks[usize::from(place)] = false,
            Event::Noticed(_, Notice::Main(pid) | Notice::Successor(pid))
                if self.process(pid).is_none() =>
            {
                self.spawn(pid, Role::Orphan);
            }
            Event::Stopped(pid, _) => {
                let mut all = self.around.processes.iter_mut();
                let stopped = all.find(|process| process.pid == pid);
                stopped.expect("it lives").stopped = true;
            }
            _ => (),
        }
        let before = self.supervisor.phase;
        self.supervisor.step(self.now, event);
        self.check_second_signal(before, event);
        if let Event::Checked(place, Finding::Main(pid)) = event {
            if self.supervisor.service_of(pid) == place {
                let mut all = self.around.processes.iter_mut();
                let found = all.find(|process| process.pid == pid).expect("it lives");
                found.role = Role::Daemon(place.into(), true);
            }
        }
        if let Event::Noticed(place, Notice::Main(pid)) = event {
            self.moved(place, pid);
        }
        self.around.oracle.look(self.plan, &self.supervisor, first);
        let actions = self.supervisor.actions().to_vec();
        assert!(
            actions.len() < 5 * self.plan.services.len() + 16,
            "no room for an action"
        );
        let mut out_of_reach = false;
        for action in &actions {
            out_of_reach |=
                matches!(action, Action::SignalLeftovers(_)) && !self.init && self.model.no_proc;
            self.perform(*action, event);
        }
        for place in 0..self.plan.services.len() {
            self.around.was_up[place] |= self.record(place).up;
        }
        if out_of_reach && !matches!(self.supervisor.next(), Next::Exit(_)) {
            self.step(Event::OutOfReach);
        }
    }

    /// A service goes on in the process that it has named, if the supervisor heeds that.
    fn moved(&mut self, place: Place, pid: Pid) {
        if self.supervisor.service_of(pid) != place {
            return;
        }
        let service = usize::from(place);
        for process in &mut self.around.processes {
            if process.pid == pid {
                (process.role, process.moved) = (Role::Service(service), true);
            } else if process.service() == Some(service) {
                process.role = Role::Orphan;
            }
        }
    }

    fn asks_for_stop(&self, signal: Signal) -> bool {
        let route = self.plan.routes.get(signal);
        route.is_some_and(|signal| SignalSet::STOP.has(signal))
    }

    fn perform(&mut self, action: Action, event: Event) {
        let around = &mut self.around;
        match action {
            Action::Signal { pid, signal, .. } => self.signal(pid, signal, event),
            Action::Wake(pid) | Action::Foreground(pid) | Action::Resume(pid) => {
                self.signal(pid, Signal::CONT, event);
            }
            Action::SignalLeftovers(signal) => {
                let since = around
                    .heeded_at
                    .min(around.stop_since)
                    .or(around.stop_since);
                let over = since.map(|at| Instant(at).after(self.plan.budget()));
                let hurry = around.asks > 1 || over.is_some_and(|over| over <= self.now);
                let kills = signal == Signal::KILL && !around.killed;
                assert!(hurry || !kills, "everything is killed too early");
                around.killed |= signal == Signal::KILL;
                for process in &mut around.processes {
                    process.killed |= signal == Signal::KILL;
                    process.asked_by = signal.number();
                }
            }
            Action::Check(place) => {
                let checked = core::mem::replace(&mut around.checks[usize::from(place)], true);
                assert!(!checked, "two checks at once");
            }
            Action::Uncheck(place) => {
                let checked = core::mem::take(&mut around.checks[usize::from(place)]);
                assert!(checked, "a check is given up that there is not");
            }
            Action::CloseInput(place) => around.closed[usize::from(place)] = true,
            Action::Look => around.reaping = true,
            Action::Announce(News::Ready) => {
                assert!(!around.told_ready, "READY=1 twice");
                around.told_ready = true;
            }
            Action::Announce(News::Stopping) => {
                assert!(!around.told_stopping, "the stop begins twice");
                around.told_stopping = true;
                around.stop_since.get_or_insert(self.now.0);
                around.oracle.stop_begins();
                for process in &mut around.processes {
                    process.asks = 0;
                }
            }
            Action::Say(message) if message.kind == Kind::Held => {
                around.oracle.stop_begins();
                let heeded = around
                    .heeded_at
                    .map(|at| Instant(at).after(self.plan.budget()));
                let outlived = heeded.is_some_and(|until| until <= self.now);
                assert!(around.asks == 0 || outlived, "held after a stop signal");
            }
            Action::Say(message) if message.kind == Kind::End => {
                around.ends_said += 1;
                let oracle = &around.oracle;
                oracle.check_end(self.plan, &self.supervisor, message);
            }
            Action::Say(_) => (),
            Action::Suspend(..) | Action::StopSelf(_) => (),
        }
    }

    fn signal(&mut self, pid: Pid, signal: Signal, event: Event) {
        // The only service is told whatever comes, also at the end of a lame-duck delay.
        let passed = self.plan.pass_through() && self.around.asks > 0;
        let stop_since = self.around.stop_since;
        let process = self
            .around
            .processes
            .iter_mut()
            .find(|process| process.pid == pid);
        let process = process.unwrap_or_else(|| panic!("{signal:?} for {}: nobody", name_of(pid)));
        process.stopped &= signal != Signal::CONT;
        if signal == Signal::KILL {
            process.killed = true;
            let was_asked = process.asked_by > 0 || matches!(process.role, Role::Finish(_));
            let ended = matches!(event, Event::Ended { pid: of, .. } if of == pid);
            let hurry = self.around.asks > 1 || self.plan.budget() == Span::ZERO;
            assert!(
                was_asked || ended || hurry,
                "{pid} is killed without a word"
            );
            return;
        }
        let Some(service) = process.service() else {
            panic!("{signal:?} for {pid}, which is no service's");
        };
        let own = self.plan.services[service].spec.words(Key::Stop);
        if !SignalSet::STOP.has(signal) {
            return;
        }
        process.asked_by = signal.number();
        if matches!(event, Event::Ended { pid: of, .. } if of == pid) {
            // It is dead: this is for what is left of its group.
            return;
        }
        let held = self.supervisor.phase == Phase::Held;
        let moves = matches!(event, Event::Noticed(_, Notice::Main(_)));
        assert!(!held || moves, "{pid} is told while everything is held");
        if passed {
            // Unless it is stopped for a fault just now.
            let fault = self.supervisor.record(service as Place).fault;
            if matches!(event, Event::Signal { .. }) || fault.is_none() {
                self.around.heeded_at = Some(self.now.0);
            }
            return;
        }
        let again = self.around.told_stopping || process.moved;
        assert!(
            again || !process.killed,
            "{pid} is asked after it was killed"
        );
        process.asks += 1;
        assert!(
            process.moved || usize::from(process.asks) <= own.len().max(1),
            "{pid} is told too often"
        );
        if stop_since.is_some() && self.supervisor.phase == Phase::Stopping {
            self.in_order(service, event);
        }
    }

    /// In a stop no service is told while one that is after it remains, until the last call.
    fn in_order(&self, service: usize, event: Event) {
        let budget = self.plan.budget().0;
        let last_call = Instant(self.supervisor.limit.0 - budget / LAST_CALL_DIVISOR);
        if self.now >= last_call || self.record(service).fault.is_some() {
            return;
        }
        let dead = |pid| matches!(event, Event::Ended { pid: of, .. } if of == pid);
        for process in self
            .around
            .processes
            .iter()
            .filter(|process| !dead(process.pid))
        {
            let after = process.service().is_some_and(|other| {
                let after = self.plan.services[other].after;
                after.contains(&(service as Place))
            });
            assert!(
                !after,
                "{service} is told before {:?}, which is after it",
                process.role
            );
        }
    }

    // ---- What must hold

    /// A second stop signal leaves a stop no time.
    fn check_second_signal(&self, before: Phase, event: Event) {
        let Event::Signal { signal, .. } = event else {
            return;
        };
        let phase = self.supervisor.phase;
        if !self.asks_for_stop(signal) || !self.plan.bounded() {
            return;
        }
        assert!(phase != Phase::Held, "nobody is heard");
        if self.around.asks > 1 {
            // The only service is told each time, and each time after a delay.
            let ducks = phase == Phase::LameDuck && !self.plan.pass_through();
            assert!(!ducks, "the lame duck goes on");
            let stopped = matches!(before, Phase::Stopping | Phase::Look | Phase::Leftovers);
            assert!(
                !stopped || phase >= Phase::Killing,
                "the stop takes its time"
            );
        }
    }

    fn check(&self) {
        for service in 0..self.plan.services.len() {
            self.check_service(service);
        }
        self.check_counts();
        self.check_timers();
        self.check_queue();
        self.check_stop();
        self.check_haste();
        match self.supervisor.next() {
            Next::Start(service) => self.check_start(service.into()),
            Next::Wait(NEVER) => self.check_patience(),
            Next::Wait(_) => (),
            Next::Exit(code) => self.check_exit(code),
        }
    }

    fn check_service(&self, service: usize) {
        let record = self.record(service);
        let mut processes = self.around.processes.iter();
        let own = processes.find(|process| process.service() == Some(service));
        let over = self.supervisor.phase == Phase::Done;
        if !over {
            assert_eq!(
                record.has_process(),
                own.is_some(),
                "{service}: is it there?"
            );
        }
        if let (Some(process), true) = (own, record.has_process()) {
            assert_eq!(process.pid, record.pid, "{service}: its process");
            assert_eq!(self.supervisor.service_of(record.pid), service as Place);
            let finishes = matches!(process.role, Role::Finish(_));
            assert_eq!(
                finishes,
                record.state == State::Finishing,
                "{service}: its state"
            );
        }
        assert_eq!(
            record.checking, self.around.checks[service],
            "{service}: its check"
        );
        let busy = matches!(
            record.state,
            State::Launching | State::Running | State::Launched
        );
        assert!(
            busy || !record.checking || over,
            "{service} is checked for nothing"
        );
        assert!(
            !record.checking || record.check_at != NEVER || over,
            "{service}: no time limit"
        );
        match record.state {
            State::Launching | State::Running => {
                assert!(
                    record.has_process() || over,
                    "{service} runs without a process"
                );
                let is_told = record.told.is_some() || record.limit != NEVER;
                let stops = self.supervisor.phase == Phase::Stopping;
                assert!(is_told || !stops, "{service} is not told of the stop");
            }
            State::Finishing => {
                let killed = own.is_some_and(|process| process.killed);
                assert!(
                    !record.has_process() || record.limit != NEVER || killed || self.stop_ends(),
                    "{service}: a finish command without an end"
                );
            }
            _ => assert!(
                !record.has_process() || over,
                "{service}: a process of no use"
            ),
        }
        if self.supervisor.phase <= Phase::LameDuck {
            self.check_wait(service);
        }
    }

    /// Whether everything is bounded by the stop's budget.
    fn stop_ends(&self) -> bool {
        self.supervisor.limit != NEVER
    }

    /// Before the stop, whatever waits must wait for something that comes.
    fn check_wait(&self, service: usize) {
        let record = self.record(service);
        let timed = record.limit != NEVER || record.check_at != NEVER;
        let spec = self.plan.services[service].spec;
        let comes = match record.state {
            State::Delayed | State::Launched => timed,
            State::Launching | State::Running if record.told.is_some() => timed || record.killed,
            State::Running if spec.kind() == Type::Oneshot => true,
            State::Launching | State::Running => record.up || timed || spec.notifies(),
            State::Waiting | State::Finishing | State::Gone => true,
        };
        assert!(comes, "{service} waits for ever");
    }

    fn check_counts(&self) {
        let supervisor = &self.supervisor;
        let count = self.plan.services.len();
        let records = || (0..count).map(|service| self.record(service));
        let running = records().filter(|record| record.has_process()).count();
        assert_eq!(supervisor.running as usize, running, "how many run");
        let awaited = |place: &usize| supervisor.is_awaited(*place as Place);
        let not_up = (0..count)
            .filter(awaited)
            .filter(|place| !self.record(*place).was_up);
        assert_eq!(
            supervisor.not_up as usize,
            not_up.count(),
            "how many are not up"
        );
        let before_stop = matches!(supervisor.phase, Phase::Run | Phase::LameDuck | Phase::Held);
        if before_stop {
            let left = records().filter(|record| record.state != State::Gone);
            assert_eq!(supervisor.left as usize, left.count(), "how many are left");
            assert!(count == 0 || supervisor.left > 0 || supervisor.phase != Phase::Run);
        }
        for service in 0..count {
            let record = self.record(service);
            if before_stop {
                assert_eq!(
                    record.feeders as usize,
                    self.feeders(service),
                    "{service}: feeders"
                );
                let open = record.feeders > 0 || !record.fed;
                assert!(
                    !(open && self.around.closed[service]),
                    "{service}: its input is closed"
                );
            }
            let waits = record.blockers as usize;
            if before_stop && record.state == State::Waiting {
                let before = self.plan.services[service].after.iter();
                let before = before.filter(|before| !self.record(usize::from(**before)).was_up);
                assert_eq!(waits, before.count(), "{service}: what it waits for");
            }
            if supervisor.phase == Phase::Stopping {
                assert_eq!(
                    waits,
                    self.not_down_after(service),
                    "{service}: what is after it"
                );
            }
        }
    }

    fn feeders(&self, service: usize) -> usize {
        let name = self.plan.services[service].name;
        let writers = (0..self.plan.services.len())
            .filter(|writer| self.record(*writer).state != State::Gone)
            .map(|writer| {
                let pairs = self.plan.services[writer].spec.0.iter();
                let feeds = pairs.filter_map(|pair| pair.feeds());
                feeds.filter(|reader| reader.to_bytes() == name).count()
            });
        writers.sum()
    }

    /// How many services that are after it are not known to be down.
    fn not_down_after(&self, service: usize) -> usize {
        let all = (0..self.plan.services.len()).map(|other| {
            let record = self.record(other);
            let down = record.state == State::Gone && record.blockers == 0 && record.limit == NEVER;
            let after = self.plan.services[other].after.iter();
            let after = after.filter(|before| usize::from(**before) == service);
            if down { 0 } else { after.count() }
        });
        all.sum()
    }

    fn check_timers(&self) {
        let services = &self.supervisor.services;
        let count = self.plan.services.len();
        let due = |place: usize| {
            let record = self.record(place);
            record.limit.min(record.check_at)
        };
        let first = (0..count).map(due).min().unwrap_or(NEVER);
        assert_eq!(services.first_due(), first, "a timer is lost");
        // Each node has the one of the two below it that is due first.
        let below = |node: usize| match services.all.get(node) {
            Some(record) => usize::from(record.first),
            None => node - count,
        };
        for node in (1..count).filter(|node| 2 * node + 1 < 2 * count) {
            let (one, other) = (due(below(2 * node)), due(below(2 * node + 1)));
            assert_eq!(due(below(node)), one.min(other), "node {node}");
        }
    }

    /// The queue holds the services that are to start, and none of them twice.
    fn check_queue(&self) {
        let supervisor = &self.supervisor;
        let count = self.plan.services.len();
        let mut queued = std::vec![false; count];
        let (mut place, mut last) = (supervisor.first_to_start, supervisor.first_to_start);
        while let Some(queued) = queued.get_mut(usize::from(place)) {
            assert!(
                !core::mem::replace(queued, true),
                "{place} is in the queue twice"
            );
            last = place;
            place = self.record(usize::from(place)).link;
        }
        if supervisor.first_to_start != crate::plan::NO_SERVICE {
            assert_eq!(last, supervisor.last_to_start, "the end of the queue");
        }
        if supervisor.phase > Phase::Held {
            return;
        }
        for (service, queued) in queued.into_iter().enumerate() {
            let record = self.record(service);
            let to_start = match record.state {
                State::Waiting => record.blockers == 0 && supervisor.phase != Phase::Stopping,
                State::Finishing => !record.has_process(),
                _ => false,
            };
            assert_eq!(queued, to_start, "{service}: is it to start?");
        }
    }

    fn check_start(&self, service: usize) {
        let record = self.record(service);
        assert!(!self.lives(service), "two processes of {service}");
        if record.state == State::Finishing {
            return;
        }
        let unbounded = self.plan.pass_through();
        assert!(
            self.around.stop_since.is_none() || unbounded,
            "a start in a stop"
        );
        assert_eq!(self.supervisor.phase, Phase::Run, "a start in a stop");
        for before in self.plan.services[service].after {
            let up = self.around.was_up[usize::from(*before)];
            assert!(up, "{service} starts before {before}, which it is after");
        }
    }

    fn check_stop(&self) {
        let supervisor = &self.supervisor;
        let stops = matches!(
            supervisor.phase,
            Phase::Stopping | Phase::Leftovers | Phase::Killing
        );
        if stops && self.plan.graceful() {
            assert!(supervisor.limit != NEVER, "a stop without an end");
        }
        let stopped = self.around.processes.iter().find(|process| process.stopped);
        if let (true, Some(process)) = (stops, stopped) {
            assert!(process.killed, "{} is stopped for ever", process.pid);
        }
        let over = supervisor.phase == Phase::Done;
        let held = supervisor.phase == Phase::Held;
        if let Some(since) = self.around.stop_since.filter(|_| !over && !held) {
            let most = Span(self.plan.budget().0 + KILL_TIMEOUT.0);
            let end = Instant(since).after(most);
            assert!(self.now <= end, "the stop takes too long");
            assert!(supervisor.limit <= end, "the stop will take too long");
        }
    }

    /// Nothing waits for what is gone: the end comes the moment the last process is gone.
    fn check_haste(&self) {
        let around = &self.around;
        let due = self.supervisor.services.first_due() <= self.now;
        let start = matches!(self.supervisor.next(), Next::Start(_));
        let mut services = self.supervisor.places();
        let launched = services.any(|place| self.supervisor.record(place).state == State::Launched);
        let waits = match self.supervisor.phase {
            // A daemon that is not known yet may be serving.
            Phase::LameDuck => self.supervisor.running == 0 && !launched,
            Phase::Stopping => !self.lives_any() && !due && !start,
            Phase::Look => !around.reaping,
            Phase::Leftovers | Phase::Killing => around.processes.is_empty() && !around.reaping,
            Phase::Run | Phase::Held | Phase::Done => false,
        };
        assert!(!waits, "it waits for nobody");
    }

    /// A wait without a deadline is for a process, or for a person who looks at a failure.
    fn check_patience(&self) {
        let phase = self.supervisor.phase;
        let hears = self.around.reaping || self.lives_any() || self.around.checks.contains(&true);
        let paused = phase == Phase::Held || self.plan.services.is_empty();
        assert!(hears || paused, "nothing can happen any more");
    }

    fn lives_any(&self) -> bool {
        (0..self.plan.services.len()).any(|service| self.lives(service))
    }

    fn check_exit(&self, code: u8) {
        assert_eq!(
            self.around.ends_said,
            u8::from(!self.plan.services.is_empty()),
            "the end is said"
        );
        if self.plan.style == Style::Pidlet {
            assert_eq!(
                code,
                self.around.oracle.code(&self.supervisor),
                "the exit code"
            );
        }
        let reachable = self.init || !self.model.no_proc;
        if !self.around.killed && reachable && self.plan.graceful() {
            assert!(self.around.processes.is_empty(), "a process is left behind");
        }
        assert!(
            self.around.killed || !self.lives_any(),
            "a service is left behind"
        );
        assert!(
            self.around.killed || !self.around.owed.contains(&true),
            "a finish command did not run"
        );
    }

    /// The passing of time alone gets past every deadline that has come.
    pub fn check_no_spin(&mut self) {
        if self.around.reaping {
            return;
        }
        for _ in 0..4 * self.plan.services.len() + 8 {
            match self.supervisor.next() {
                Next::Wait(until) if until <= self.now => {
                    self.supervisor.step(self.now, Event::Time);
                    if self.supervisor.actions().contains(&Action::Look) {
                        return;
                    }
                }
                _ => return,
            }
        }
        panic!("it spins");
    }
}
