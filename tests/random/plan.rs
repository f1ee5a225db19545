//! A random container: its plan, what its programs do, and what happens to it from outside.

use std::fmt::Write;

use crate::support::{Mode, Random};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Service,
    Oneshot,
    Daemon,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    AtOnce,
    Fd,
    Notify,
    File,
    Exec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    No,
    OnFailure,
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Essential {
    Yes,
    No,
    OnFailure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// As `log` says.
    Log,
    Inherit,
    Null,
    /// The file of this number.
    File(usize),
    /// The standard input of this section's service.
    Service(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Inherit,
    Prefix,
    Json,
}

/// A section of the plan.
#[derive(Debug)]
pub struct Section {
    pub kind: Kind,
    pub instances: usize,
    /// Sections, all of a lower rank.
    pub after: Vec<usize>,
    /// Whether `before` in those sections says so.
    pub uses_before: bool,
    pub ready: Ready,
    pub ready_timeout: Option<u64>,
    pub restart: Restart,
    pub backoff: (u64, u64),
    pub tries: Option<u64>,
    pub essential: Option<Essential>,
    pub stop: Vec<i32>,
    pub stop_timeout: Option<u64>,
    pub group: Option<bool>,
    /// How long the `finish` command takes.
    pub finish: Option<u64>,
    pub stdout: Sink,
    pub stderr: Sink,
    pub user: bool,
    /// Its program does not exist.
    pub missing: bool,
    /// Other services write to it.
    pub reads: bool,
    pub steps: Vec<String>,
}

/// What happens from outside.
#[derive(Clone, Copy, Debug)]
pub enum Outside {
    Signal(i32),
    /// KILL for the process of a service, by its number.
    Kill(usize),
    /// The init is stopped for so many milliseconds.
    Pause(u64),
    /// Standard output is not read for so many milliseconds.
    Stall(u64),
    /// Waits until everything has started that can.
    Settle,
}

#[derive(Debug)]
pub struct Plan {
    pub mode: Mode,
    pub sections: Vec<Section>,
    pub until: Essential,
    pub grace: u64,
    pub lame_duck: u64,
    pub group: bool,
    pub log: Log,
    pub timestamps: bool,
    pub expect: Vec<i32>,
    pub rewrite: Vec<(i32, i32)>,
    pub hold: bool,
    /// Each after so many milliseconds.
    pub events: Vec<(u64, Outside)>,
}

/// The stop signals that are sent, as far as they are not rewritten; the others that are sent are passed on.
pub const STOP: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];
const PASSED: [i32; 3] = [libc::SIGHUP, libc::SIGUSR1, libc::SIGWINCH];

/// The descriptor for `ready = fd:`.
const READY_FD: usize = 7;

impl Plan {
    pub fn random(random: &mut Random, users: bool) -> Plan {
        let count = match random.below(10) {
            0 => 1,
            1 => 12,
            _ => random.between(2, 7) as usize,
        };
        let mut plan = Plan {
            mode: random.pick(&Mode::BOTH),
            sections: Vec::new(),
            until: random.pick(&[Essential::Yes, Essential::No, Essential::OnFailure]),
            grace: random.pick(&[300, 800, 2000, 6000]),
            lame_duck: 0,
            group: random.percent(25),
            log: random.pick(&[Log::Inherit, Log::Prefix, Log::Prefix, Log::Json]),
            timestamps: random.percent(20),
            expect: Vec::new(),
            rewrite: Vec::new(),
            hold: random.percent(10),
            events: Vec::new(),
        };
        if count > 1 && random.percent(15) {
            plan.lame_duck = random.between(10, 80);
        }
        if random.percent(15) {
            plan.expect = vec![random.pick(&[3, 7, 143])];
        }
        if random.percent(15) {
            let others = [
                (libc::SIGHUP, libc::SIGWINCH),
                (libc::SIGUSR1, 0),
                (libc::SIGTERM, libc::SIGINT),
                (libc::SIGUSR1, libc::SIGTERM),
            ];
            plan.rewrite = vec![random.pick(&others)];
        }
        // A service is after some of a lower rank.
        let mut ranks: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            ranks.swap(at, random.below(at + 1));
        }
        let reader = (0..count).find(|&at| ranks[at] == 0 && count > 1 && random.percent(25));
        for at in 0..count {
            let section = plan.section(random, &ranks, at, reader, users);
            plan.sections.push(section);
        }
        plan.events = events(random, count);
        plan.keep_lines_whole();
        plan
    }

    fn section(
        &self,
        random: &mut Random,
        ranks: &[usize],
        at: usize,
        reader: Option<usize>,
        users: bool,
    ) -> Section {
        let reads = reader == Some(at);
        let kinds = [
            Kind::Service,
            Kind::Service,
            Kind::Service,
            Kind::Oneshot,
            Kind::Daemon,
        ];
        let kind = if reads {
            Kind::Service
        } else {
            random.pick(&kinds)
        };
        let lower = (0..ranks.len()).filter(|&other| ranks[other] < ranks[at]);
        let mut section = Section {
            kind,
            instances: 1,
            after: lower.filter(|_| random.percent(30)).collect(),
            uses_before: random.percent(20),
            ready: Ready::AtOnce,
            ready_timeout: None,
            restart: Restart::No,
            backoff: (random.between(1, 10), random.between(10, 40)),
            tries: None,
            essential: None,
            stop: Vec::new(),
            stop_timeout: None,
            group: None,
            finish: None,
            stdout: Sink::Log,
            stderr: Sink::Log,
            user: users && random.percent(15),
            missing: !reads && random.percent(2),
            reads,
            steps: Vec::new(),
        };
        if reads {
            section.essential = Some(Essential::No);
            section.stop_timeout = random.percent(50).then_some(3000);
            section.steps = vec![format!("read=DIR/run/s{at}.in"), "exit=0".to_owned()];
            return section;
        }
        if kind != Kind::Daemon && random.percent(15) {
            section.instances = random.between(2, 3) as usize;
        }
        section.random_keys(random);
        section.random_sinks(random, reader);
        section.random_steps(random, at, self.may_tear(section.stdout));
        section
    }

    /// Whether a line may be written in pieces, as pidlet puts it together.
    fn may_tear(&self, sink: Sink) -> bool {
        match sink {
            Sink::Log => self.log != Log::Inherit,
            Sink::File(_) => true,
            _ => false,
        }
    }

    /// A service that has our standard output itself writes between any two pieces that we write there, and
    /// these end with a line only as long as the pipe takes everything.
    fn keep_lines_whole(&mut self) {
        let stalls = self
            .events
            .iter()
            .any(|(_, event)| matches!(event, Outside::Stall(_)));
        let many = |section: &Section| {
            section
                .steps
                .iter()
                .any(|step| step.starts_with("out=") && step.len() > 6)
        };
        if self.log != Log::Inherit && (stalls || self.sections.iter().any(many)) {
            for section in &mut self.sections {
                if section.stdout == Sink::Inherit {
                    section.stdout = Sink::Null;
                }
            }
        }
    }

    /// Whether there is only one service, which has its signals to itself.
    pub fn passes_through(&self) -> bool {
        let [only] = &self.sections[..] else {
            return false;
        };
        let told = only.restart != Restart::No || !only.stop.is_empty();
        !told && only.stop_timeout.is_none() && only.instances == 1
    }

    /// What a signal is rewritten to, or itself; `None` if it is dropped.
    pub fn route(&self, signal: i32) -> Option<i32> {
        let rewritten = self.rewrite.iter().find(|(from, _)| *from == signal);
        rewritten.map_or(Some(signal), |(_, to)| Some(*to).filter(|to| *to != 0))
    }

    /// The stop signals of a section's services, in order.
    pub fn stop_signals(&self, section: usize) -> Vec<i32> {
        match &self.sections[section].stop {
            none if none.is_empty() => {
                vec![self.route(libc::SIGTERM).unwrap_or(libc::SIGTERM)]
            }
            some => some.clone(),
        }
    }

    pub fn by_group(&self, section: usize) -> bool {
        self.sections[section].group.unwrap_or(self.group)
    }

    pub fn essential(&self, section: usize) -> Essential {
        if self.passes_through() {
            return Essential::Yes;
        }
        self.sections[section].essential.unwrap_or(self.until)
    }

    /// The plan as a file. `DIR` and `ACT`, the probe's command, are yet to be replaced.
    pub fn text(&self) -> String {
        let mut text = String::from("[pidlet]\nverbose = 2\n");
        let until = match self.until {
            Essential::Yes => "any",
            Essential::No => "all",
            Essential::OnFailure => "failure",
        };
        let log = match self.log {
            Log::Inherit => "inherit",
            Log::Prefix => "prefix",
            Log::Json => "json",
        };
        let mut line = |key: &str, value: &str| _ = writeln!(text, "{key} = {value}");
        line("until", until);
        line("log", log);
        line("grace", &format!("{}ms", self.grace));
        line("lame-duck", &format!("{}ms", self.lame_duck));
        line("group", yes(self.group));
        line("timestamps", yes(self.timestamps));
        line("hold", yes(self.hold));
        for code in &self.expect {
            line("expect", &code.to_string());
        }
        for (from, to) in &self.rewrite {
            line("rewrite", &format!("{from}:{to}"));
        }
        for (at, section) in self.sections.iter().enumerate() {
            text += &self.section_text(at, section);
        }
        text
    }

    fn section_text(&self, at: usize, section: &Section) -> String {
        let mut text = format!("\n[s{at}]\n");
        let mut line = |key: &str, value: &str| _ = writeln!(text, "{key} = {value}");
        let program = if section.missing { "/nosuch" } else { "ACT" };
        line(
            "run",
            &format!("{program} s{at}.%i {}", section.steps.join(" ")),
        );
        let kind = match section.kind {
            Kind::Service => "service",
            Kind::Oneshot => "oneshot",
            Kind::Daemon => "daemon",
        };
        line("type", kind);
        if section.kind == Kind::Daemon {
            line("pidfile", &format!("DIR/run/s{at}.pid"));
        }
        line("instances", &section.instances.to_string());
        for other in &section.after {
            if !section.uses_before {
                line("after", &format!("s{other}"));
            }
        }
        for (other, later) in self.sections.iter().enumerate() {
            if later.uses_before && later.after.contains(&at) {
                line("before", &format!("s{other}"));
            }
        }
        match section.ready {
            Ready::AtOnce => {}
            Ready::Fd => line("ready", &format!("fd:{READY_FD}")),
            Ready::Notify => line("ready", "notify"),
            Ready::File => line("ready", &format!("file:DIR/run/s{at}.%i.up")),
            Ready::Exec => {
                line(
                    "ready",
                    &format!("exec:ACT s{at}.%i!check check=DIR/run/s{at}.%i.up"),
                );
            }
        }
        if let Some(timeout) = section.ready_timeout {
            line("ready-timeout", &format!("{timeout}ms"));
        }
        section.more_lines(at, &mut line);
        text
    }
}

impl Section {
    fn random_keys(&mut self, random: &mut Random) {
        if self.kind != Kind::Oneshot {
            let kinds = [Ready::Fd, Ready::Notify, Ready::File, Ready::Exec];
            if random.percent(50) {
                self.ready = random.pick(&kinds);
            }
            if self.kind == Kind::Daemon && self.ready == Ready::Fd {
                self.ready = Ready::AtOnce;
            }
        }
        let waits = self.ready != Ready::AtOnce || self.kind == Kind::Daemon;
        if waits && random.percent(15) {
            self.ready_timeout = Some(random.between(20, 100));
        }
        if random.percent(40) {
            self.restart = random.pick(&[Restart::OnFailure, Restart::Always]);
            let tries = random.between(1, 4);
            self.tries = random.percent(70).then_some(tries);
        }
        if random.percent(40) {
            let all = [Essential::Yes, Essential::No, Essential::OnFailure];
            self.essential = Some(random.pick(&all));
        }
        if random.percent(25) {
            let signals = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR2];
            self.stop = vec![random.pick(&signals)];
            if random.percent(30) {
                let others: Vec<i32> = signals
                    .iter()
                    .copied()
                    .filter(|one| *one != self.stop[0])
                    .collect();
                self.stop.push(random.pick(&others));
            }
        }
        if random.percent(25) {
            self.stop_timeout = Some(random.between(20, 400));
        }
        self.group = random.pick(&[None, None, Some(true), Some(false)]);
        let finish = random.between(0, 20);
        self.finish = random.percent(15).then_some(finish);
    }

    fn random_sinks(&mut self, random: &mut Random, reader: Option<usize>) {
        self.stdout = match random.below(10) {
            0 => Sink::Null,
            1 => Sink::Inherit,
            2 | 3 => Sink::File(random.below(2)),
            4..7 => reader.map_or(Sink::Log, Sink::Service),
            _ => Sink::Log,
        };
        self.stderr = match random.below(10) {
            0 => Sink::Null,
            1 => Sink::File(random.below(2)),
            _ => Sink::Log,
        };
        if let Sink::Service(reader) = self.stdout {
            if !self.after.contains(&reader) {
                self.after.push(reader);
            }
        }
    }

    fn random_steps(&mut self, random: &mut Random, at: usize, may_tear: bool) {
        let oneshot = self.kind == Kind::Oneshot;
        let mut steps = Vec::new();
        if self.kind == Kind::Daemon {
            let late = random.pick(&["", "late:"]);
            steps.push(format!("daemon={late}DIR/run/s{at}.pid"));
        }
        let own = if self.stop.is_empty() {
            &STOP[..]
        } else {
            &self.stop[..]
        };
        if random.percent(85) {
            let delay = random.pick(&[0, 0, 1, 10, 50]);
            for &signal in own {
                steps.push(match random.below(4) {
                    0 | 1 => format!("on={signal}:exit:0:{delay}"),
                    2 => {
                        let code = random.pick(&[0, 3, 7, 128 + signal]);
                        format!("on={signal}:exit:{code}:{delay}")
                    }
                    _ => format!("on={signal}:die:{delay}"),
                });
            }
        }
        self.some_work(random, &mut steps, may_tear);
        // A process that has left the service's group and whose parent is gone is a stranger.
        let stays = !steps.iter().any(|step| step == "move");
        if self.ready == Ready::Notify && self.kind == Kind::Service && stays && random.percent(30)
        {
            steps.push("main".to_owned());
        }
        if random.percent(92) {
            match self.ready {
                Ready::AtOnce => {}
                Ready::Fd => steps.push(format!("fd={READY_FD}")),
                Ready::Notify => steps.push("notify=READY=1".to_owned()),
                Ready::File | Ready::Exec => steps.push(format!("touch=DIR/run/s{at}.%i.up")),
            }
        }
        self.some_work(random, &mut steps, may_tear);
        if steps.iter().any(|step| step == "main") {
            steps.retain(|step| step != "move");
        }
        if random.percent(10) {
            steps.push("stop".to_owned());
        }
        if self.ready == Ready::Notify && random.percent(10) {
            steps.push("notify=STOPPING=1".to_owned());
        }
        // A daemon that is not found may still be there when the next one begins to write.
        if may_tear && self.kind != Kind::Daemon && random.percent(20) {
            steps.push("tail".to_owned());
        }
        let signals = [libc::SIGKILL, libc::SIGSEGV, libc::SIGTERM, libc::SIGUSR2];
        let chance = random.below(100);
        steps.push(match chance {
            _ if oneshot && chance < 75 => "exit=0".to_owned(),
            _ if oneshot && chance < 90 => format!("exit={}", random.pick(&[1, 3, 7])),
            0..70 if !oneshot => "wait".to_owned(),
            70..85 => format!("exit={}", random.pick(&[0, 0, 3, 7])),
            _ => format!("die={}", random.pick(&signals)),
        });
        self.steps = steps;
    }

    /// A few steps that do not end the process.
    fn some_work(&self, random: &mut Random, steps: &mut Vec<String>, may_tear: bool) {
        for _ in 0..random.below(4) {
            let kind = random.pick(&["orphan", "orphan", "child", "far", "farorphan"]);
            let manners = random.pick(&["heeds", "slow", "ignores", "brief"]);
            steps.push(match random.below(12) {
                0..4 => format!("nap={}", random.between(0, 40)),
                4 | 5 => format!("out={}", random.between(1, 30)),
                6 => format!("err={}", random.between(1, 30)),
                7 if may_tear && (self.kind != Kind::Daemon || self.restart == Restart::No) => {
                    format!("torn={}", random.between(1, 3))
                }
                8 if random.percent(15) => format!("out={}", random.between(500, 2000)),
                9 | 10 => format!("fork={kind}-{manners}"),
                11 if self.kind == Kind::Service && random.percent(20) => "move".to_owned(),
                _ => "out=1".to_owned(),
            });
        }
    }

    /// The keys that are not about the start.
    fn more_lines(&self, at: usize, line: &mut dyn FnMut(&str, &str)) {
        let restart = match self.restart {
            Restart::No => None,
            Restart::OnFailure => Some("on-failure"),
            Restart::Always => Some("always"),
        };
        if let Some(restart) = restart {
            line("restart", restart);
            let (first, longest) = self.backoff;
            line("backoff", &format!("{first}ms..{longest}ms"));
        }
        if let Some(tries) = self.tries {
            line("tries", &format!("{tries} in 600s"));
        }
        match self.essential {
            None => {}
            Some(Essential::Yes) => line("essential", "yes"),
            Some(Essential::No) => line("essential", "no"),
            Some(Essential::OnFailure) => line("essential", "on-failure"),
        }
        if !self.stop.is_empty() {
            let words: Vec<String> = self.stop.iter().map(i32::to_string).collect();
            line("stop", &words.join(" "));
        }
        if let Some(timeout) = self.stop_timeout {
            line("stop-timeout", &format!("{timeout}ms"));
        }
        if let Some(group) = self.group {
            line("kill", if group { "group" } else { "process" });
        }
        if let Some(nap) = self.finish {
            line("finish", &format!("ACT s{at}.%i!finish nap={nap} finish"));
        }
        for (key, sink) in [("stdout", self.stdout), ("stderr", self.stderr)] {
            match sink {
                Sink::Log => {}
                Sink::Inherit => line(key, "inherit"),
                Sink::Null => line(key, "null"),
                Sink::File(number) => line(key, &format!("file:DIR/log{number}")),
                Sink::Service(reader) => line(key, &format!("service:s{reader}")),
            }
        }
        if self.user {
            line("user", "12345");
        }
    }
}

/// What happens from outside; a stop signal always comes at the end.
fn events(random: &mut Random, sections: usize) -> Vec<(u64, Outside)> {
    let mut events = Vec::new();
    for _ in 0..random.below(4) {
        let pause = random.between(1, 80);
        let event = match random.below(8) {
            0..3 => Outside::Signal(random.pick(&PASSED)),
            3 | 4 => Outside::Kill(random.below(sections)),
            5 => Outside::Pause(pause),
            6 => Outside::Stall(pause * 3),
            _ => Outside::Settle,
        };
        events.push((random.between(0, 100), event));
    }
    if random.percent(60) {
        events.push((0, Outside::Settle));
    }
    events.push((random.between(0, 250), Outside::Signal(random.pick(&STOP))));
    let again = random.below(10);
    if again < 2 {
        events.push((
            random.between(0, 100),
            Outside::Signal(random.pick(&PASSED)),
        ));
    }
    if again < 4 {
        events.push((random.between(0, 150), Outside::Signal(random.pick(&STOP))));
    }
    if again == 4 {
        events.push((random.between(0, 20), Outside::Pause(random.between(1, 80))));
    }
    events
}

fn yes(whether: bool) -> &'static str {
    if whether { "yes" } else { "no" }
}
