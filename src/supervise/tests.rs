//! The supervisor against its contract, as tables: the rows of EXIT STATUS and the steps of Stopping in
//! pidlet(8).
//!
//! A row says in shorthand what happens, and what the supervisor then wants done; [`World`] knows the words.

mod exploration;
mod oracle;
mod plan_simulation;
mod plans;
mod simulation;

use core::ffi::CStr;
use std::borrow::ToOwned;
use std::boxed::Box;
use std::ffi::CString;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{assert_eq, format, panic};

use super::{Action, Event, Next, Supervisor, Surroundings};
use crate::plan::{Essential, Group, Place, Plan, Service, StartFault, Step, Style};
use crate::voice;
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::line::Line;
use crate::words::list::List;
use crate::words::signal::{Signal, SignalSet};
use crate::words::time::{Instant, NEVER, Span};

/// The process of the first service. Those of the others follow in order.
const FIRST_PID: Pid = 100;
/// A process that is no service's.
const ORPHAN: Pid = 999;

const PID_1: Surroundings = Surroundings {
    init: true,
    no_shell: true,
    ignore_once: SignalSet::NONE,
};

const NOT_PID_1: Surroundings = Surroundings {
    init: false,
    no_shell: false,
    ..PID_1
};

/// A plan of our own style with `count` services: `a`, `b`, `c` and so on.
pub fn plan(count: usize, set: impl FnOnce(&mut Plan)) -> Plan<'static> {
    let mut plan = Plan::new(Style::Pidlet);
    set(&mut plan);
    let names: Vec<&CStr> = (0..count)
        .map(|index| &*Box::leak(CString::new(name(index)).unwrap().into_boxed_c_str()))
        .collect();
    let services = (0..count).map(|index| Service {
        name: names[index].to_bytes(),
        run: std::slice::from_ref(Box::leak(Box::new(names[index]))),
        ..Service::NONE
    });
    let services: Vec<Service> = services.collect();
    if let Some(filler) = services.first() {
        plan.services = List::with_capacity(*filler, count);
    }
    for service in services {
        plan.services.push(service);
    }
    plan
}

/// As the peers do it: the end of the main child is the end at once.
pub fn persona(style: Style) -> impl FnOnce(&mut Plan) {
    move |plan| {
        let verbosity = plan.verbosity;
        *plan = Plan::new(style);
        plan.verbosity = verbosity;
        plan.group = style == Style::DumbInit;
        if plan.group {
            plan.setup.group = Group::Session;
        }
    }
}

fn name(service: usize) -> String {
    char::from(b'a' + service as u8).to_string()
}

fn signal(text: &str) -> Signal {
    Signal::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is no signal"))
}

fn span(text: &str) -> Span {
    Span::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is no duration"))
}

fn named(signal: Signal) -> String {
    let mut line = Line::new();
    core::str::from_utf8(line.put_signal(signal).text())
        .unwrap()
        .to_owned()
}

fn exec_fault(errno: Errno) -> StartFault {
    let step = Step::Exec;
    StartFault { step, errno }
}

/// A supervisor, the time, and what was said.
pub struct World {
    pub supervisor: Supervisor<'static>,
    pub lines: Vec<String>,
    now: Instant,
}

impl World {
    pub fn new(plan: Plan<'static>, surroundings: Surroundings) -> World {
        World {
            supervisor: Supervisor::new(Box::leak(Box::new(plan)), surroundings),
            lines: Vec::new(),
            now: Instant(1_000_000),
        }
    }

    /// Plays rows of what happens and, after `=>`, what is to be done about it; `#` begins a comment.
    #[track_caller]
    pub fn play(&mut self, rows: &str) -> &mut World {
        for row in rows.lines().map(str::trim) {
            if row.is_empty() || row.starts_with('#') {
                continue;
            }
            let (happens, expected) = row.split_once("=>").unwrap_or((row, ""));
            let done = self.happens(happens.trim());
            assert_eq!(done, expected.trim(), "{row}");
        }
        self
    }

    /// Has something happen, and returns what is to be done. What happens is one of
    ///
    /// - `start` (everything that is next), `start a`, `start a ENOENT`, `start a EAGAIN`
    /// - `a exits 3`, `a killed KILL`, `a killed KILL memory`, `a stopped TSTP`; `z` is an orphan
    /// - `left`, `gone`: whether a look at the children finds any; `no proc`
    /// - `TERM`, `TERM tty` (from the kernel), `TERM parent` (for the parent's death)
    /// - `8s`: that much time passes; what follows it, if anything, happens then
    pub fn happens(&mut self, happens: &str) -> String {
        let words: Vec<&str> = happens.split(' ').collect();
        let event = match words[..] {
            ["start"] => {
                let mut done = Vec::new();
                while let Next::Start(service) = self.supervisor.next() {
                    done.push(self.step(Event::Launched(Ok(FIRST_PID + service as Pid))));
                }
                done.retain(|done| !done.is_empty());
                return done.join(" ");
            }
            ["start", service] => {
                assert_eq!(self.supervisor.next(), Next::Start(index(service)));
                Event::Launched(Ok(pid(service)))
            }
            ["start", service, fault] => {
                assert_eq!(self.supervisor.next(), Next::Start(index(service)));
                Event::Launched(Err(match fault {
                    "ENOENT" => exec_fault(Errno::NOENT),
                    "EACCES" => exec_fault(Errno::ACCES),
                    _ => StartFault {
                        step: Step::Fork,
                        errno: Errno::AGAIN,
                    },
                }))
            }
            [process, "exits", code] => {
                ended(pid(process), Status::Exited(code.parse().unwrap()), false)
            }
            [process, "killed", by] => ended(pid(process), Status::Killed(signal(by)), false),
            [process, "killed", by, "memory"] => {
                ended(pid(process), Status::Killed(signal(by)), true)
            }
            [process, "stopped", by] => Event::Stopped(pid(process), signal(by)),
            ["left"] => Event::Reaped { left: true },
            ["gone"] => Event::Reaped { left: false },
            ["no", "proc"] => Event::OutOfReach,
            [first, ..] if first.ends_with(char::is_lowercase) => {
                self.now = self.now.after(span(first));
                match happens.split_once(' ') {
                    Some((_, then)) => return self.happens(then),
                    None => Event::Time,
                }
            }
            [arrived, ref how @ ..] => Event::Signal {
                signal: signal(arrived),
                from_kernel: how == ["tty"],
                parent_died: how == ["parent"],
            },
            [] => unreachable!(),
        };
        self.step(event)
    }

    /// One step and, if a deadline has come by then, a second one, as the edge does it. Returns what is to be
    /// done: `a:TERM` is for a process, `-a:TERM` for its group.
    fn step(&mut self, event: Event) -> String {
        self.supervisor.step(self.now, event);
        let mut actions = self.supervisor.actions().to_vec();
        let next = self.supervisor.next();
        if event != Event::Time && matches!(next, Next::Wait(until) if until <= self.now) {
            self.supervisor.step(self.now, Event::Time);
            actions.extend(self.supervisor.actions());
        }
        let mut done = Vec::new();
        for action in &actions {
            done.push(match *action {
                Action::Check(place) => format!("check {place}"),
                Action::Uncheck(place) => format!("uncheck {place}"),
                Action::CloseInput(place) => format!("close {place}"),
                Action::Announce(_) => continue,
                Action::Signal { pid, group, signal } => {
                    let dash = if group { "-" } else { "" };
                    format!("{dash}{}:{}", name_of(pid), named(signal))
                }
                Action::Wake(pid) => format!("wake:{}", name_of(pid)),
                Action::SignalLeftovers(signal) => format!("leftovers:{}", named(signal)),
                Action::Look => "look".to_owned(),
                Action::Foreground(pid) => format!("foreground:{}", name_of(pid)),
                Action::Suspend(pid, signal) => {
                    format!("suspend:{}:{}", name_of(pid), named(signal))
                }
                Action::Resume(pid) => format!("resume:{}", name_of(pid)),
                Action::StopSelf(signal) => format!("stop-self:{}", named(signal)),
                Action::Say(message) => {
                    let mut line = Line::new();
                    if voice::write(message, &self.supervisor, 1, &mut line).is_some() {
                        self.lines
                            .push(core::str::from_utf8(line.text()).unwrap().to_owned());
                    }
                    continue;
                }
            });
        }
        if let Next::Exit(code) = self.supervisor.next() {
            done.push(format!("exit {code}"));
        }
        done.join(" ")
    }
}

fn index(service: &str) -> Place {
    Place::from(service.as_bytes()[0] - b'a')
}

fn pid(process: &str) -> Pid {
    match process {
        "z" => ORPHAN,
        service => FIRST_PID + Pid::from(index(service)),
    }
}

fn name_of(pid: Pid) -> String {
    name((pid - FIRST_PID) as usize)
}

fn ended(pid: Pid, status: Status, out_of_memory: bool) -> Event {
    Event::Ended {
        pid,
        status,
        out_of_memory,
    }
}

/// A container as PID 1 before its first start.
fn starting(count: usize, set: impl FnOnce(&mut Plan)) -> World {
    World::new(plan(count, set), PID_1)
}

/// A container as PID 1 with all its services started.
pub fn running(count: usize, set: impl FnOnce(&mut Plan)) -> World {
    let mut world = starting(count, set);
    world.happens("start");
    world
}

/// The same, but not PID 1.
fn running_below(count: usize, set: impl FnOnce(&mut Plan)) -> World {
    let mut world = World::new(plan(count, set), NOT_PID_1);
    world.happens("start");
    world
}

pub fn nothing(_: &mut Plan) {}

pub fn until(essential: Essential) -> impl FnOnce(&mut Plan) {
    move |plan| plan.until = essential
}

// ---- What ends a container, and with what code

/// Has all `ends` happen; whatever is told to stop ends by that signal. Returns the exit code, if any.
fn code_after(mut world: World, ends: &str) -> Option<u8> {
    let mut to_come: Vec<String> = ends.split_terminator(", ").map(str::to_owned).collect();
    while !to_come.is_empty() {
        let done = world.happens(&to_come.remove(0));
        for (process, signal) in done.split(' ').filter_map(|done| done.split_once(':')) {
            if signal == "TERM" {
                to_come.push(format!("{process} killed TERM"));
            }
        }
    }
    match world.supervisor.next() {
        Next::Exit(code) => Some(code),
        _ if world.happens("gone").starts_with("exit") => match world.supervisor.next() {
            Next::Exit(code) => Some(code),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn until_decides_which_end_ends_the_container() {
    use Essential::{No as All, OnFailure as Failure, Yes as Any};
    let all_but_a = |end: &str| {
        let rest: Vec<String> = (1..20)
            .map(|index| format!("{} exits 0", name(index)))
            .collect();
        format!("{end}, {}", rest.join(", "))
    };
    let all_of_20 = all_but_a("a exits 0");
    let first_of_20 = all_but_a("t exits 4, a exits 3").replace(", t exits 0", "");
    for (essential, count, ends, code) in [
        (Any, 1, "a exits 0", Some(0)),
        (Any, 1, "a exits 3", Some(3)),
        (Any, 1, "a killed SEGV", Some(139)),
        (Any, 2, "a exits 0", Some(0)),
        (Any, 2, "b exits 3", Some(3)),
        (Any, 2, "b killed KILL", Some(137)),
        (Any, 2, "b killed KILL memory", Some(137)),
        (Any, 20, "t exits 0", Some(0)),
        (Any, 20, "k exits 255", Some(255)),
        (All, 1, "a exits 3", Some(3)),
        (All, 2, "a exits 3", None),
        (All, 2, "a exits 3, b exits 0", Some(3)),
        (All, 2, "b exits 4, a exits 3", Some(4)),
        (All, 2, "a exits 0, b exits 0", Some(0)),
        (All, 20, &all_of_20, Some(0)),
        (All, 20, &first_of_20, Some(4)),
        (Failure, 1, "a exits 0", Some(0)),
        (Failure, 2, "a exits 0", None),
        (Failure, 2, "a exits 0, b exits 0", Some(0)),
        (Failure, 2, "a exits 0, b exits 5", Some(5)),
        (Failure, 2, "b exits 5", Some(5)),
        (Failure, 20, "c exits 0, d exits 0", None),
        (Failure, 20, "c exits 0, s killed HUP", Some(129)),
        (Failure, 20, &all_of_20, Some(0)),
    ] {
        let world = running(count, until(essential));
        assert_eq!(
            code_after(world, ends),
            code,
            "{essential:?} {count} {ends}"
        );
    }
}

#[test]
fn one_end_stops_all_others_and_the_container_ends_with_the_last() {
    running(3, nothing).play(
        "
        b exits 3          => a:TERM a:CONT c:TERM c:CONT
        c exits 0
        7999ms
        a exits 9          => look
        gone               => exit 3
    ",
    );
    let mut world = running(20, nothing);
    let told: Vec<String> = (1..20)
        .map(|index| format!("{0}:TERM {0}:CONT", name(index)))
        .collect();
    let told = told.join(" ");
    world.play(&format!("a exits 0 => {told}"));
}

#[test]
fn faults_at_the_start() {
    for (fault, code) in [("ENOENT", 127), ("EACCES", 126), ("EAGAIN", 125)] {
        let exit = &*format!("exit {code}");
        let world = || starting(3, nothing);
        // The first one: nothing runs yet, and the others are not even tried.
        world().play(&format!(
            "
            start a {fault}    => look
            gone               => {exit}
        "
        ));
        world().play(&format!(
            "
            start a
            start b {fault}    => a:TERM a:CONT
            a killed TERM      => look
            gone               => {exit}
        "
        ));
        world().play(&format!(
            "
            start a
            start b
            start c {fault}    => a:TERM a:CONT b:TERM b:CONT
            b exits 0
            a exits 1          => look
            gone               => {exit}
        "
        ));
        starting(1, nothing).play(&format!(
            "
            start a {fault}    => look
            gone               => {exit}
        "
        ));
    }
}

#[test]
fn faults_at_the_start_where_all_must_end() {
    let world = || starting(2, until(Essential::No));
    world().play(
        "
        start a ENOENT
        start b
        b exits 1          => look
        gone               => exit 127
    ",
    );
    world().play(
        "
        start a
        a exits 0
        start b EACCES     => look
        gone               => exit 126
    ",
    );
    world().play(
        "
        start a ENOENT
        start b EACCES     => look
        gone               => exit 127
    ",
    );
}

#[test]
fn faults_at_the_start_in_the_peers_way() {
    for (style, fault, exit) in [
        (Style::Tini, "ENOENT", "exit 127"),
        (Style::Tini, "EAGAIN", "exit 1"),
        (Style::DumbInit, "ENOENT", "exit 2"),
        (Style::Catatonit, "ENOENT", "exit 1"),
    ] {
        starting(1, persona(style)).play(&format!("start a {fault} => {exit}"));
    }
}

#[test]
fn expected_codes_become_0_and_are_no_failure() {
    let expect = |essential| {
        move |plan: &mut Plan| {
            plan.until = essential;
            plan.expect.add(3);
            plan.expect.add(143);
        }
    };
    for (essential, count, ends, code) in [
        (Essential::Yes, 1, "a exits 3", Some(0)),
        (Essential::Yes, 1, "a killed TERM", Some(0)),
        (Essential::Yes, 1, "a exits 4", Some(4)),
        (Essential::OnFailure, 2, "a exits 3", None),
        (Essential::OnFailure, 2, "a exits 3, b killed TERM", Some(0)),
        (Essential::No, 2, "a exits 3, b exits 4", Some(4)),
        (Essential::No, 2, "a exits 3, TERM", Some(0)),
    ] {
        let world = running(count, expect(essential));
        assert_eq!(code_after(world, ends), code, "{essential:?} {ends}");
    }
}

#[test]
fn after_a_stop_signal_the_first_listed_that_failed_counts() {
    for ([first, second, last], exit) in [
        // None failed: 0, the signal that was sent, and the code that a shell makes of it.
        (["a exits 0", "b exits 0", "c exits 0"], "exit 0"),
        (["a exits 0", "b killed TERM", "c exits 143"], "exit 0"),
        (["a killed TERM", "b exits 0", "c exits 0"], "exit 143"),
        (["c exits 0", "b exits 0", "a exits 143"], "exit 143"),
        (["a exits 0", "b exits 3", "c exits 4"], "exit 3"),
        (["c exits 4", "b exits 3", "a killed TERM"], "exit 3"),
        (["c killed INT", "b exits 0", "a exits 0"], "exit 130"),
    ] {
        running(3, nothing).play(&format!(
            "
            TERM               => a:TERM a:CONT b:TERM b:CONT c:TERM c:CONT
            {first}
            {second}
            {last}             => look
            gone               => {exit}
        "
        ));
    }
    // A failure before the signal counts, too.
    running(2, until(Essential::No)).play(
        "
        b exits 7
        TERM               => a:TERM a:CONT
        a killed TERM      => look
        gone               => exit 7
    ",
    );
}

// ---- Stopping

#[test]
fn a_service_that_ignores_the_stop_is_killed_exactly_at_the_deadline() {
    let mut world = running(2, nothing);
    world.play(
        "
        INT                => a:TERM a:CONT b:TERM b:CONT
        a exits 0
        7999ms
        1ms                => -b:KILL leftovers:KILL look
        left
        b killed KILL
        gone               => exit 137
    ",
    );
    // If the end of another service began the stop, that end gives the code.
    running(2, nothing).play(
        "
        a exits 3          => b:TERM b:CONT
        8s                 => -b:KILL leftovers:KILL look
        b killed KILL
        gone               => exit 3
    ",
    );
    // No time at all.
    running(2, |plan| plan.grace = Some(Span::ZERO))
        .play("TERM => a:TERM a:CONT b:TERM b:CONT -a:KILL -b:KILL leftovers:KILL look");
}

#[test]
fn the_deadline_is_what_the_edge_waits_for() {
    let mut world = running(2, |plan| plan.grace = Some(Span::seconds(3)));
    assert_eq!(world.supervisor.next(), Next::Wait(NEVER));
    world.happens("TERM");
    assert_eq!(world.supervisor.next(), Next::Wait(Instant(1_003_000)));
    world.happens("3s");
    assert_eq!(world.supervisor.next(), Next::Wait(Instant(1_005_000)));
}

#[test]
fn a_second_stop_signal_kills_at_once() {
    for second in ["TERM", "INT", "QUIT", "PWR", "RTMIN+3"] {
        running(2, nothing).play(&format!(
            "
            TERM               => a:TERM a:CONT b:TERM b:CONT
            {second}           => -a:KILL -b:KILL leftovers:KILL look
            {second}
            a killed KILL
            b killed KILL
            gone               => exit 137
        "
        ));
    }
    // The same while only leftover processes remain.
    running(2, nothing).play(
        "
        TERM               => a:TERM a:CONT b:TERM b:CONT
        a exits 0
        b exits 0          => look
        left               => leftovers:TERM
        TERM               => leftovers:KILL look
        gone               => exit 0
        # Nothing begins anew.
        TERM               => exit 0
    ",
    );
}

#[test]
fn the_first_stop_signal_in_a_stop_that_a_service_began_kills_nothing() {
    running(3, nothing).play(
        "
        a exits 3          => b:TERM b:CONT c:TERM c:CONT
        TERM
        b exits 0
        INT                => -c:KILL leftovers:KILL look
        c killed KILL
        gone               => exit 3
    ",
    );
}

#[test]
fn nothing_is_started_during_a_stop() {
    starting(3, nothing).play(
        "
        start a
        TERM               => a:TERM a:CONT
        start
        a killed TERM      => look
        gone               => exit 143
    ",
    );
    starting(3, nothing).play(
        "
        TERM               => look
        start
        gone               => exit 0
    ",
    );
    starting(1, nothing).play(
        "
        TERM               => look
        gone               => exit 0
    ",
    );
}

#[test]
fn all_other_signals_are_passed_on() {
    let mut world = running(2, nothing);
    for number in 1..=64 {
        let arrived = Signal::new(number).unwrap();
        if arrived != Signal::CHLD && !SignalSet::STOP.has(arrived) {
            let arrived = named(arrived);
            world.play(&format!("{arrived} => a:{arrived} b:{arrived}"));
        }
    }
    // CHLD is ours alone.
    world.play("CHLD");
    running(2, |plan| plan.group = true).play("HUP => -a:HUP -b:HUP");
    // During the stop as well, to those that still run.
    world.play(
        "
        TERM               => a:TERM a:CONT b:TERM b:CONT
        a exits 0
        HUP                => b:HUP
    ",
    );
    // Not as PID 1: Ctrl-Z is meant for us too, a mere signal is not.
    running_below(2, nothing).play(
        "
        TSTP               => a:TSTP b:TSTP
        TSTP tty           => -a:TSTP -b:TSTP stop-self:TSTP
        CONT               => -a:CONT -b:CONT
        CONT               => a:CONT b:CONT
    ",
    );
}

#[test]
fn the_lame_duck_waits_before_anything_is_stopped() {
    let ducks = |plan: &mut Plan| plan.lame_duck = Span::seconds(3);
    let told = "a:TERM a:CONT b:TERM b:CONT";
    running(2, ducks).play(&format!(
        "
        TERM
        HUP                => a:HUP b:HUP
        2999ms
        1ms                => {told}
        # It is part of the budget.
        4999ms
        1ms                => -a:KILL -b:KILL leftovers:KILL look
    "
    ));
    // A second stop signal ends it, a third one kills.
    running(2, ducks).play(&format!(
        "
        TERM
        INT                => {told}
        INT                => -a:KILL -b:KILL leftovers:KILL look
    "
    ));
    // Services may end meanwhile; with the last one the wait becomes pointless.
    running(2, ducks).play(
        "
        TERM
        a exits 3
        3s                 => b:TERM b:CONT
        b killed TERM      => look
        gone               => exit 3
    ",
    );
    running(2, ducks).play(
        "
        TERM
        a exits 0
        b exits 0          => look
        gone               => exit 0
    ",
    );
    starting(2, ducks).play(
        "
        start a
        TERM
        start
        3s                 => a:TERM a:CONT
    ",
    );
}

#[test]
fn the_lame_duck_of_the_only_service() {
    let ducks = |grace| {
        move |plan: &mut Plan| {
            plan.lame_duck = Span::seconds(3);
            plan.grace = grace;
        }
    };
    running(1, ducks(None)).play(
        "
        INT
        3s                 => a:INT wake:a
        1h
        a exits 0          => look
    ",
    );
    running(1, ducks(Some(Span::seconds(5)))).play(
        "
        TERM
        QUIT               => a:TERM wake:a
        5s                 => -a:KILL leftovers:KILL look
    ",
    );
    // A second delay must not outlast the budget.
    running(1, ducks(Some(Span::seconds(5)))).play(
        "
        TERM
        3s                 => a:TERM wake:a
        1s TERM
        1s                 => -a:KILL leftovers:KILL look
    ",
    );
    // Without a budget the delay may be of any length, and does not count.
    let long = |plan: &mut Plan| {
        plan.lame_duck = Span::seconds(20);
        plan.hold = true;
    };
    let mut world = running(1, long);
    world.play(
        "
        TERM
        20s                => a:TERM wake:a
        1s a exits 3       => look
        left               => leftovers:TERM
        6999ms
        1ms                => leftovers:KILL look
        gone               => exit 3
    ",
    );
    let end =
        "pidlet: stopped by TERM: a (pid 100) exited with code 3 after 21.0s; container exits 3";
    assert_eq!(world.lines.last().unwrap(), end);
    running(1, long).play(
        "
        TERM
        19s a exits 3      => look
        left               => leftovers:TERM
        7999ms
        1ms                => leftovers:KILL look
    ",
    );
    // What is passed on before the delay is over counts from then on.
    running(1, long).play(
        "
        TERM
        1s TERM            => a:TERM wake:a
        8s a exits 3
        TERM               => look
        gone               => exit 3
    ",
    );
    // A stop was asked for, so nothing is held.
    let held = |plan: &mut Plan| {
        ducks(None)(plan);
        plan.hold = true;
    };
    running(1, held).play(
        "
        TERM
        a exits 3          => look
        gone               => exit 3
    ",
    );
}

#[test]
fn a_failure_is_held_until_a_stop_signal() {
    let hold = |essential| {
        move |plan: &mut Plan| {
            plan.until = essential;
            plan.hold = true;
            // A container that was held is stopped without this delay.
            plan.lame_duck = Span::seconds(5);
        }
    };
    for stop in ["TERM", "INT"] {
        running(2, hold(Essential::Yes)).play(&format!(
            "
            a exits 3
            1h
            HUP                => b:HUP
            {stop}             => b:TERM b:CONT
            7999ms
            1ms                => -b:KILL leftovers:KILL look
            b killed KILL
            gone               => exit 3
        "
        ));
    }
    // With nothing left running, and with a later failure.
    running(2, hold(Essential::OnFailure)).play(
        "
        b killed SEGV
        a exits 4
        1h
        HUP
        TERM               => look
        gone               => exit 139
    ",
    );
    running(1, hold(Essential::Yes)).play(
        "
        a exits 3
        TERM               => look
        left               => leftovers:TERM
        gone               => exit 3
    ",
    );
    running(2, hold(Essential::No)).play(
        "
        b exits 5
        a exits 0
        TERM               => look
        gone               => exit 5
    ",
    );
    starting(2, hold(Essential::Yes)).play(
        "
        start a
        start b ENOENT
        TERM               => a:TERM a:CONT
        a exits 0          => look
        gone               => exit 127
    ",
    );
}

#[test]
fn an_end_that_is_no_failure_is_not_held() {
    let hold = |plan: &mut Plan| {
        plan.hold = true;
        plan.expect.add(3);
    };
    for end in ["a exits 0", "a exits 3"] {
        running(1, hold).play(&format!(
            "
            {end}              => look
            gone               => exit 0
        "
        ));
    }
    running(2, hold).play("b exits 0 => a:TERM a:CONT");
    // Nor is a failure just when the budget of a stop signal is over.
    running(1, |plan: &mut Plan| {
        hold(plan);
        plan.grace = Some(span("1s"));
    })
    .play("TERM => a:TERM wake:a\n1s a exits 9 => look\ngone => exit 9");
    // Nor is a failure after a stop signal.
    running(2, hold).play(
        "
        TERM               => a:TERM a:CONT b:TERM b:CONT
        a exits 9
        b exits 0          => look
        gone               => exit 9
    ",
    );
    running(1, hold).play(
        "
        TERM               => a:TERM wake:a
        a killed TERM      => look
        gone               => exit 143
    ",
    );
}

#[test]
fn rewriting_comes_first() {
    let rewrite = |pairs: &'static [(Signal, Option<Signal>)]| {
        move |plan: &mut Plan| {
            for (from, to) in pairs {
                plan.routes.set(*from, *to);
            }
        }
    };
    // To another signal, and to none.
    const USR1: Option<Signal> = Signal::new(10);
    running(2, rewrite(&[(Signal::HUP, USR1), (Signal::INT, None)])).play(
        "
        HUP                => a:USR1 b:USR1
        INT
        TERM               => a:TERM a:CONT b:TERM b:CONT
    ",
    );
    // What comes out as a stop signal stops, and what comes out as another signal does not.
    running(
        2,
        rewrite(&[(Signal::HUP, Some(Signal::QUIT)), (Signal::QUIT, USR1)]),
    )
    .play(
        "
        QUIT               => a:USR1 b:USR1
        HUP                => a:TERM a:CONT b:TERM b:CONT
    ",
    );
    // What a stop sends is rewritten, but no service is left without a signal.
    running(2, rewrite(&[(Signal::TERM, Some(Signal::QUIT))])).play(
        "
        TERM               => a:QUIT a:CONT b:QUIT b:CONT
        a killed QUIT
        b exits 131        => look
        gone               => exit 131
    ",
    );
    running(2, rewrite(&[(Signal::TERM, None)])).play(
        "
            TERM
            INT                => a:TERM a:CONT b:TERM b:CONT
        ",
    );
    running(2, rewrite(&[(Signal::TERM, Some(Signal::KILL))])).play(
        "
            a exits 0          => b:KILL
            b killed KILL      => look
        ",
    );
    // The only service.
    running(
        1,
        rewrite(&[(Signal::TERM, Some(Signal::INT)), (Signal::HUP, None)]),
    )
    .play(
        "
        TERM               => a:INT wake:a
        HUP
    ",
    );
}

#[test]
fn the_only_service_has_its_signals_to_itself() {
    running(1, nothing).play(
        "
        HUP                => a:HUP
        INT                => a:INT wake:a
        1h
        INT                => a:INT wake:a
        TERM               => a:TERM wake:a
        TERM               => a:TERM wake:a
        a killed TERM      => look
        gone               => exit 143
    ",
    );
    // There is a budget only where one was set, and then from the first stop signal on.
    running(1, |plan| plan.grace = Some(Span::seconds(3))).play(
        "
        HUP                => a:HUP
        10s
        TERM               => a:TERM wake:a
        2s TERM            => a:TERM wake:a
        999ms
        1ms                => -a:KILL leftovers:KILL look
        a killed KILL
        gone               => exit 137
    ",
    );
    running(1, |plan| plan.group = true).play("TERM => -a:TERM wake:a");
    // A group that outlived a stop signal by more than the budget is told again.
    for (after, told) in [("7999ms", "look"), ("8s", "look -a:TERM")] {
        let mut world = running_below(1, |plan| plan.group = true);
        world.play("TERM => -a:TERM wake:a");
        assert_eq!(world.happens(&format!("{after} a exits 0")), told);
    }
}

#[test]
fn leftovers_of_the_only_service_have_the_rest_of_the_budget() {
    running(1, |plan| plan.grace = Some(Span::seconds(3))).play(
        "
        TERM               => a:TERM wake:a
        2s a exits 0       => look
        left               => leftovers:TERM
        999ms
        1ms                => leftovers:KILL look
    ",
    );
    // Without a budget, the stop signal by which it ended began the stop, unless that came long ago.
    running(1, nothing).play(
        "
        TERM               => a:TERM wake:a
        6s a exits 0       => look
        left               => leftovers:TERM
        2s                 => leftovers:KILL look
    ",
    );
    running(1, nothing).play(
        "
        INT                => a:INT wake:a
        8s a exits 0       => look
        left               => leftovers:TERM
        7999ms
        1ms                => leftovers:KILL look
    ",
    );
}

#[test]
fn a_signal_of_the_terminal_is_not_passed_on_to_our_own_group() {
    let ours = |plan: &mut Plan| plan.setup.group = Group::Ours;
    running(1, ours).play(
        "
        WINCH tty
        WINCH              => a:WINCH
        INT tty            => wake:a
        INT                => a:INT wake:a
    ",
    );
    // Nor is our own group ever signalled.
    running_below(2, ours).play(
        "
        TERM               => a:TERM a:CONT b:TERM b:CONT
        a exits 0
        8s                 => b:KILL leftovers:KILL look
    ",
    );
    running(1, nothing).play("WINCH tty => -a:WINCH");
}

#[test]
fn our_parents_death_is_a_stop_with_its_signal() {
    let dies = |plan: &mut Plan| plan.parent_death = Signal::new(10);
    running(2, dies).play(
        "
        USR1               => a:USR1 b:USR1
        USR1 parent        => a:USR1 a:CONT b:USR1 b:CONT
        a killed USR1
        b exits 138        => look
        gone               => exit 138
    ",
    );
    running(2, dies).play("TERM => a:TERM a:CONT b:TERM b:CONT");
    running(1, dies).play(
        "
        USR1               => a:USR1
        USR1 parent        => a:USR1 wake:a
    ",
    );
}

#[test]
fn orphans_are_looked_for_told_once_and_killed_at_the_deadline() {
    let mut world = running(2, nothing);
    world.play(
        "
        z exits 0
        left
        a exits 0          => b:TERM b:CONT
        2s b killed TERM   => look
        left               => leftovers:TERM
        z killed TERM
        left
        5999ms
        1ms                => leftovers:KILL look
        left
        1999ms
        1ms                => exit 0
    ",
    );
    let lines = &world.lines[world.lines.len() - 3..];
    assert_eq!(
        lines[..2],
        [
            "pidlet: processes left over by the services did not stop within 8s: killed",
            "pidlet: processes that were killed do not end: they hang in the kernel",
        ]
    );
    // Nothing is left, so the end comes at once.
    running(2, nothing).play(
        "
        a exits 0          => b:TERM b:CONT
        b killed TERM      => look
        gone               => exit 0
    ",
    );
}

#[test]
fn leftovers_are_reported_only_if_they_were_found() {
    let mut world = running(1, |plan| plan.grace = Some(Span::ZERO));
    world.play(
        "
        a exits 0          => look
        gone               => exit 0
    ",
    );
    assert_eq!(world.lines.len(), 1, "{:?}", world.lines);
    let mut world = running(1, |plan| plan.grace = Some(Span::ZERO));
    world.play(
        "
        a exits 0          => look
        left               => leftovers:TERM leftovers:KILL look
        gone               => exit 0
    ",
    );
}

#[test]
fn not_as_pid_1_a_group_is_told_before_its_leader_is_reaped() {
    let mut world = running_below(3, nothing);
    world.play("a exits 3 => b:TERM b:CONT c:TERM c:CONT -a:TERM");
    assert!(world.supervisor.told_any());
    assert!(world.supervisor.was_told(pid("a")) && !world.supervisor.was_told(pid("b")));
    world.play(
        "
        b exits 0          => -b:TERM
        8s                 => -c:KILL leftovers:KILL look
        # Killed with its group, in which nobody is born after that.
        c killed KILL
        left               => leftovers:KILL
        left               => leftovers:KILL
        gone               => exit 3
    ",
    );
    // A group that has had the stop signal is not told twice.
    running_below(2, |plan| plan.group = true).play(
        "
        a exits 3          => -b:TERM -b:CONT -a:TERM
        b exits 0          => look
    ",
    );
    running_below(1, |plan| plan.group = true).play(
        "
        TERM               => -a:TERM wake:a
        a exits 0          => look
        left               => leftovers:TERM
    ",
    );
    // Before the stop, a group that outlives its leader is left alone.
    running_below(2, until(Essential::No)).play("a exits 0");
}

#[test]
fn without_proc_nothing_is_waited_for() {
    running_below(2, nothing).play(
        "
        a exits 3          => b:TERM b:CONT -a:TERM
        b exits 0          => look -b:TERM
        left               => leftovers:TERM
        no proc            => exit 3
        no proc            => exit 3
    ",
    );
    running_below(2, nothing).play(
        "
        TERM               => a:TERM a:CONT b:TERM b:CONT
        8s                 => -a:KILL -b:KILL leftovers:KILL look
        no proc
        a killed KILL
        b killed KILL
        left               => leftovers:KILL
        no proc            => exit 137
    ",
    );
}

#[test]
fn under_the_peers_names_the_end_is_the_end_at_once() {
    for (style, end, done) in [
        (Style::Tini, "a exits 3", "exit 3"),
        (Style::Tini, "a killed TERM", "exit 143"),
        (Style::Catatonit, "a exits 3", "exit 3"),
        // dumb-init signals the session, and does not wait for it.
        (Style::DumbInit, "a exits 3", "-a:TERM exit 3"),
    ] {
        running(1, persona(style)).play(&format!("{end} => {done}"));
        running_below(1, persona(style)).play(&format!(
            "
            {end}              => {done}
        "
        ));
    }
    for (to, done) in [(Some(Signal::INT), "-a:INT exit 0"), (None, "exit 0")] {
        let rewrite = |plan: &mut Plan| {
            persona(Style::DumbInit)(plan);
            plan.routes.set(Signal::TERM, to);
        };
        running(1, rewrite).play(&format!(
            "
            a exits 0          => {done}
        "
        ));
    }
    // There never was a session to send it to.
    starting(1, persona(Style::DumbInit)).play("start a ENOENT => exit 2");
    // After a hold the child is gone, and its number may be another process's.
    let held = |plan: &mut Plan| {
        persona(Style::DumbInit)(plan);
        plan.hold = true;
    };
    running(1, held).play("a exits 3\nTERM => exit 3");
    // dumb-init -c.
    let single = |plan: &mut Plan| {
        persona(Style::DumbInit)(plan);
        plan.group = false;
        plan.setup.group = Group::Ours;
    };
    running(1, single).play("a exits 0 => exit 0");
    // With a grace period of their own, they are as graceful as we are.
    let graceful = |plan: &mut Plan| {
        persona(Style::Tini)(plan);
        plan.grace = Some(Span::seconds(1));
    };
    running(1, graceful).play(
        "
        TERM               => a:TERM wake:a
        1s                 => -a:KILL leftovers:KILL look
        a killed KILL
        gone               => exit 137
    ",
    );
}

#[test]
fn pause_ends_on_term_and_int() {
    let pause = || starting(0, nothing);
    for stop in ["TERM", "INT"] {
        pause().play(&format!(
            "
            z exits 3
            left
            HUP
            QUIT
            {stop}             => exit 0
        "
        ));
    }
    assert_eq!(pause().supervisor.next(), Next::Wait(NEVER));
}

// ---- The terminal

#[test]
fn a_child_that_the_terminal_stopped() {
    // As PID 1: it is never stuck for good.
    running(1, nothing).play(
        "
        a stopped TSTP     => -a:CONT
        a stopped TTIN     => foreground:a
        a stopped TTOU     => foreground:a
        CONT               => a:CONT
        # Nobody could say `fg`.
        TSTP tty
        TSTP               => a:TSTP
    ",
    );
    // Elsewhere we stop with it, and go on with it.
    running_below(1, nothing).play(
        "
        CONT               => a:CONT
        a stopped TSTP     => suspend:a:TSTP
        CONT               => resume:a -a:CONT
        CONT               => a:CONT
        a stopped TTIN     => suspend:a:TTIN
        TERM               => a:TERM wake:a
        CONT               => resume:a -a:CONT
    ",
    );
    // If the terminal's signal reaches us first, we stop at once, and learn of the child's stop later.
    running_below(1, nothing).play(
        "
        INT tty            => -a:INT wake:a
        TSTP tty           => -a:TSTP stop-self:TSTP
        HUP                => a:HUP
        a stopped TSTP     =>
        CONT               => resume:a -a:CONT
        a stopped TSTP     => suspend:a:TSTP
        CONT               => resume:a -a:CONT
        TSTP tty           => -a:TSTP stop-self:TSTP
        CONT               => resume:a -a:CONT
        a stopped TSTP     => suspend:a:TSTP
    ",
    );
    // A service that we stopped as well goes on as well.
    running_below(2, |plan| plan.foreground = 0).play(
        "
        TSTP tty           => -a:TSTP -b:TSTP stop-self:TSTP
        a stopped TSTP     =>
        CONT               => resume:a -a:CONT -b:CONT
        CONT               => a:CONT b:CONT
    ",
    );
    // dumb-init stops itself whatever the sender, but not as PID 1.
    running_below(1, persona(Style::DumbInit)).play("TSTP => -a:TSTP stop-self:STOP");
    running(1, persona(Style::DumbInit)).play("TSTP => -a:TSTP");
    // It takes Ctrl-Z as STOP: under PID 1 nothing would continue a child after that, either.
    let preset = |plan: &mut Plan| {
        persona(Style::DumbInit)(plan);
        plan.routes.preset(Signal::TSTP, Signal::STOP);
    };
    running(1, preset).play("TSTP => -a:STOP\nTSTP tty");
    running_below(1, persona(Style::Tini)).play("TSTP => a:TSTP");
}

#[test]
fn only_a_single_running_child_is_the_foreground_child() {
    let mut world = starting(1, nothing);
    assert_eq!(world.supervisor.foreground_child(), None);
    world.happens("start");
    assert_eq!(world.supervisor.foreground_child(), Some(pid("a")));
    world.happens("a exits 0");
    assert_eq!(world.supervisor.foreground_child(), None);
    let mut world = running(2, until(Essential::No));
    world.happens("b exits 0");
    assert_eq!(world.supervisor.foreground_child(), None);
}

#[test]
fn signals_that_we_cause_ourselves_are_ignored_once() {
    let surroundings = Surroundings {
        init: true,
        no_shell: true,
        ignore_once: SignalSet::NONE.with(Signal::HUP).with(Signal::CONT),
    };
    World::new(plan(1, nothing), surroundings).play(
        "
        start
        HUP
        HUP                => a:HUP
        CONT
        CONT               => a:CONT
    ",
    );
}

#[test]
fn the_end_of_an_unknown_process_changes_nothing() {
    let mut world = starting(2, nothing);
    for number in [0, 1, ORPHAN] {
        world.step(ended(number, Status::Exited(0), false));
    }
    world.play("start\nTERM => a:TERM a:CONT b:TERM b:CONT");
}
