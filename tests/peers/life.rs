//! Random lives: what happens to an init and its child from outside, and what the child hears of it.
//!
//! What is seen must not depend on which process is faster. So every step ends with a *mark*, the highest
//! signal that the init passes on: pending signals are taken from the lowest to the highest, so that when the
//! child has said the mark all that was sent before it has been dealt with.

use std::path::Path;

use crate::chance::{PATIENCE, Seen};
use crate::common::FAULTS;
use crate::invocation::{End, Invocation, Kind, Place};
use crate::support::{Info, Mode, Out, Proc, Random, probe};

/// Ends the child with the code that it was told.
const LAST: i32 = 12;

/// The mark; and that of a verbose dumb-init, whose flag for that may lie where it looks up how to rewrite a
/// real-time signal.
const MARK: i32 = 64;
const LOW_MARK: i32 = 29;

/// The mark for a member of the child's group, from outside.
const MEMBERS_MARK: i32 = 63;

/// The signals by which a terminal stops jobs; the same with the one that continues them.
const STOPS: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
const JOBS: [i32; 4] = [libc::SIGCONT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// They ask for the end, so that pidlet continues a stopped child for them.
const ENDS: [i32; 5] = [2, 3, 15, 30, 37];

/// They kill when they are taken, others when they are sent: which of two kills is open.
const CORES: [i32; 10] = [3, 4, 5, 6, 7, 8, 11, 24, 25, 31];

/// Stands for what is seen of a step that ended the init: some of it may not have been written.
const ENDS_IT: &str = " ends it";

/// What the init runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    /// Reports signals.
    Listener,
    /// So does a member of its group.
    Group,
    /// Dies of the first deadly signal.
    Sleeper,
}

/// What happens.
#[derive(Debug)]
enum Step {
    /// Signals for the init.
    Signals(Vec<i32>),
    /// A signal for the init, with a value.
    Queue(i32, i32),
    /// Signals for the init while the child is stopped.
    Stopped(Vec<i32>),
    /// Signals for the init while that is stopped.
    Held(Vec<i32>),
    /// A signal for the child, past the init.
    Direct(i32),
    /// A key, and what the terminal makes of it.
    Key(&'static [u8], i32),
    /// Another size of the terminal.
    Resize,
}

/// How it ends, if it has not before.
#[derive(Clone, Copy, Debug)]
enum Finish {
    Code,
    KillChild,
    KillInit,
}

/// An init, its child, and what happens to them.
#[derive(Debug)]
pub struct Life {
    pub invocation: Invocation,
    child: Child,
    steps: Vec<Step>,
    finish: Finish,
    mark: i32,
}

impl Life {
    pub fn random(random: &mut Random, kind: Kind, place: &Place) -> Life {
        let mut invocation = Invocation::living(random, kind, place);
        let child = match random.below(5) {
            0 => Child::Group,
            1 if !invocation.has_letter('r') => Child::Sleeper,
            _ => Child::Listener,
        };
        let tells = kind == Kind::DumbInit && invocation.has_letter('v');
        let code = format!("{LAST}={}", random.between(0, 255));
        let words: &[&str] = match child {
            Child::Listener => &["signals", "--exit-on", &code],
            Child::Group => &["group"],
            Child::Sleeper => &["sleep"],
        };
        invocation.args.push(probe().into());
        invocation.args.extend(words.iter().map(Into::into));
        let mut life = Life {
            invocation,
            child,
            steps: Vec::new(),
            finish: random.pick(&[
                Finish::Code,
                Finish::Code,
                Finish::KillChild,
                Finish::KillInit,
            ]),
            mark: if tells { LOW_MARK } else { MARK },
        };
        let sleeps = child == Child::Sleeper;
        for _ in 0..if sleeps { 1 } else { random.between(1, 6) } {
            let step = life.step(random);
            life.steps.extend(step);
        }
        life
    }

    /// A signal that init and child deal with in a way that both sides share.
    fn signal(&self, random: &mut Random) -> i32 {
        let last = if random.percent(70) {
            31
        } else {
            MEMBERS_MARK - 1
        };
        loop {
            let signal = random.between(1, last as u64) as i32;
            // 32 and 33 are libc's own.
            let kept = matches!(signal, 9 | 19 | 32 | 33 | LAST) || signal >= self.mark;
            let ends_init = FAULTS.contains(&signal)
                && self.invocation.kind != Kind::DumbInit
                && self.invocation.mode == Mode::Child;
            let open = match self.child {
                Child::Listener => false,
                Child::Group => signal == libc::SIGTERM,
                // HUP may merge with the one that a terminal sends when it is given up.
                Child::Sleeper => [JOBS.as_slice(), &CORES, &[libc::SIGHUP]]
                    .concat()
                    .contains(&signal),
            };
            if !(kept || ends_init || open) {
                return signal;
            }
        }
    }

    /// Several of them, without those in `but`.
    fn signals(&self, random: &mut Random, but: &[i32]) -> Vec<i32> {
        let mut signals = Vec::new();
        for _ in 0..random.between(1, 5) {
            let signal = self.signal(random);
            if !but.contains(&signal) && !signals.contains(&signal) {
                signals.push(signal);
            }
        }
        signals
    }

    fn step(&self, random: &mut Random) -> Option<Step> {
        let Invocation {
            kind,
            mode,
            streams,
            ..
        } = &self.invocation;
        let rewrites = self.invocation.has_letter('r');
        let terminal = streams[0] == End::Pty && !self.invocation.single();
        Some(match random.below(12) {
            _ if self.child == Child::Sleeper => Step::Signals(vec![self.signal(random)]),
            0..2 => Step::Signals(self.signals(random, &JOBS)),
            2 => {
                let signal = self.signals(random, &JOBS).first().copied()?;
                Step::Queue(signal, random.between(1, 1000) as i32)
            }
            3 if !rewrites && self.child == Child::Listener => {
                Step::Stopped(self.signals(random, &[JOBS.as_slice(), &ENDS].concat()))
            }
            4 if *mode == Mode::Child && !rewrites => Step::Held(self.signals(random, &JOBS)),
            5 => Step::Direct(self.signals(random, &JOBS).first().copied()?),
            6 if terminal && *kind != Kind::DumbInit => {
                let (keys, signal) =
                    random.pick(&[(b"\x03".as_slice(), libc::SIGINT), (b"\x1c", libc::SIGQUIT)]);
                Step::Key(keys, signal)
            }
            7 if terminal => Step::Resize,
            _ => Step::Signals(vec![self.signal(random)]),
        })
    }

    /// Lives it on one side.
    pub fn live(&self, program: &Path, place: &Place, clean: &dyn Fn(&str) -> Vec<String>) -> Seen {
        let proc = self.invocation.run(program, place, "/none").start();
        let scene = Scene {
            life: self,
            proc: &proc,
        };
        let mut out = Vec::new();
        scene.until("the child is ready", &|| scene.count("ready") > 0);
        if let (Child::Sleeper, Some(Step::Signals(signals))) = (self.child, self.steps.first()) {
            signals.iter().for_each(|signal| _ = proc.kill(*signal));
            proc.kill(self.mark);
        } else {
            // After this mark all that giving up a terminal sends has been dealt with.
            let marks = scene.marks();
            proc.kill(self.mark);
            scene.until("the first mark", &|| scene.marks() > marks);
            for step in &self.steps {
                if !scene.ended() {
                    out.push(scene.take(step));
                }
            }
            scene.finish();
        }
        scene.until("the end", &|| scene.ended());
        // What came near the end is said or not; a process that is left holds the streams open.
        let whole = self.child == Child::Listener
            && !out.iter().any(|step| step.ends_with(ENDS_IT))
            && !matches!(self.finish, Finish::KillInit);
        let mut err = Vec::new();
        if whole {
            scene.until("the streams' end", &|| proc.streams_ended());
            err = clean(&proc.stderr());
        }
        let exit = proc.wait_exit();
        Seen {
            exit,
            out,
            err,
            report: Vec::new(),
        }
    }
}

/// A life in progress.
struct Scene<'a> {
    life: &'a Life,
    proc: &'a Proc,
}

impl Scene<'_> {
    fn until(&self, what: &str, holds: &dyn Fn() -> bool) {
        self.proc.until_for(what, PATIENCE, holds);
    }

    /// How many lines begin so.
    fn count(&self, start: &str) -> usize {
        let lines = self.proc.lines(Out);
        lines.iter().filter(|line| line.starts_with(start)).count()
    }

    /// How often the child has said the mark.
    fn marks(&self) -> usize {
        let leader = if self.life.child == Child::Group {
            "leader "
        } else {
            ""
        };
        self.count(&format!("{leader}got {} ", self.life.mark))
    }

    fn ended(&self) -> bool {
        self.proc.try_wait().is_some()
    }

    fn child(&self) -> Option<Info> {
        let children = self.proc.children();
        children.into_iter().find(|info| info.comm == "probe")
    }

    fn child_stopped(&self) -> bool {
        self.child().is_some_and(|info| info.is_stopped())
    }

    fn init_stopped(&self) -> bool {
        self.proc.info().is_some_and(|info| info.is_stopped())
    }

    fn kill_child(&self, signal: i32) {
        if let Some(child) = self.child() {
            // SAFETY: a process of this test's namespace.
            unsafe { libc::kill(child.pid, signal) };
        }
    }

    /// Takes a step, and returns what is seen of it.
    fn take(&self, step: &Step) -> String {
        let before = self.proc.lines(Out).len();
        let marks = self.marks();
        self.happen(step, before);
        self.proc.kill(self.life.mark);
        self.settle(step, before, &|| self.ended() || self.marks() > marks);
        if self.life.child == Child::Group && !self.ended() {
            self.mark_member();
        }
        if self.ended() {
            return format!("{step:?}{ENDS_IT}");
        }
        let mut lines = self.proc.lines(Out).split_off(before);
        let marks = [self.life.mark, MEMBERS_MARK].map(|mark| format!("got {mark} "));
        // What tini says comes at its end, as it waits in a buffer. A member that stops and goes on may send
        // the leader two signals or one.
        lines.retain(|line| {
            !line.starts_with('[')
                && !line.contains("got 17 code ")
                && !marks.iter().any(|mark| line.contains(mark))
        });
        lines.sort();
        if self.life.invocation.has_letter('r') {
            // Two signals that are rewritten to the same one may arrive as one.
            lines.dedup();
        }
        format!("{step:?}: {}", lines.join(", "))
    }

    fn happen(&self, step: &Step, before: usize) {
        let says = |signal| self.until("what the terminal sends", &|| self.says(signal, before));
        let send = |signals: &[i32]| {
            signals
                .iter()
                .for_each(|signal| _ = self.proc.kill(*signal))
        };
        match step {
            Step::Signals(signals) => send(signals),
            Step::Queue(signal, value) => _ = self.proc.sigqueue(*signal, *value),
            Step::Stopped(signals) => {
                self.kill_child(libc::SIGSTOP);
                self.until("the child stops", &|| self.child_stopped());
                send(signals);
            }
            Step::Held(signals) => {
                self.proc.kill(libc::SIGSTOP);
                self.until("the init stops", &|| self.init_stopped());
                send(signals);
            }
            Step::Direct(signal) => self.kill_child(*signal),
            Step::Key(keys, signal) => {
                self.proc.pty().type_in(keys);
                says(*signal);
            }
            Step::Resize => {
                // Another size each time.
                self.proc.pty().resize(before as u16 + 30, 100);
                says(libc::SIGWINCH);
            }
        }
    }

    /// Whether the child has said since then that it got a signal.
    fn says(&self, signal: i32, before: usize) -> bool {
        let said = format!("got {signal} ");
        let lines = self.proc.lines(Out).split_off(before);
        lines.iter().any(|line| line.contains(&said))
    }

    /// Waits until all of a step has been dealt with, and continues what it has stopped.
    fn settle(&self, step: &Step, before: usize, marked: &dyn Fn() -> bool) {
        let Invocation { kind, mode, .. } = &self.life.invocation;
        let stops_init = *kind == Kind::DumbInit && *mode == Mode::Child;
        // The init has dealt with all when it sleeps again. What it has sent waits for the child.
        let idle = |info: &Info| info.pending == 0 && info.state == 'S';
        let child_waits = || self.child_stopped() && self.proc.info().as_ref().is_some_and(idle);
        match step {
            Step::Stopped(_) => {
                self.until("the mark waits", &|| marked() || child_waits());
                self.kill_child(libc::SIGCONT);
            }
            Step::Held(_) => _ = self.proc.kill(libc::SIGCONT),
            Step::Signals(signals)
                if stops_init && STOPS.iter().any(|stop| signals.contains(stop)) =>
            {
                self.until("the init stops itself", &|| {
                    self.ended() || self.init_stopped()
                });
                // CONT must not discard what it has sent before.
                let took = |info: &Info| info.pending == 0 || info.is_stopped() || info.is_zombie();
                self.until("the others took it", &|| {
                    self.proc.others().iter().all(took)
                });
                self.proc.kill(libc::SIGCONT);
            }
            _ => {
                self.until("a mark or a stop", &|| marked() || child_waits());
                if marked() {
                    return;
                }
                self.proc.kill(libc::SIGCONT);
            }
        }
        // A stopped process goes on before it can take the signal that made it.
        let goes_on = || self.ended() || self.says(libc::SIGCONT, before);
        self.until("the child goes on and says the mark", &|| {
            marked() && goes_on()
        });
    }

    /// Waits until the member of the child's group has dealt with all that it was sent.
    fn mark_member(&self) {
        let said = format!("member got {MEMBERS_MARK} ");
        let before = self.count(&said);
        let child = self.child().map_or(0, |child| child.pid);
        for info in self.proc.others() {
            if info.ppid == child && info.comm == "probe" {
                // SAFETY: a process of this test's namespace.
                unsafe { libc::kill(info.pid, MEMBERS_MARK) };
            }
        }
        self.until("the member's mark", &|| {
            self.ended() || self.count(&said) > before
        });
    }

    fn finish(&self) {
        match self.life.finish {
            Finish::KillInit => _ = self.proc.kill(libc::SIGKILL),
            Finish::Code if self.life.child == Child::Listener => _ = self.proc.kill(LAST),
            _ => self.kill_child(libc::SIGKILL),
        }
    }
}
