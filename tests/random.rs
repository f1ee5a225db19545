//! Random containers, from end to end: random plans, programs that act at random, and what happens to them
//! from outside, with the real pidlet as PID 1 and as a subreaper. A judge that knows the rules and the
//! payloads' own words, but nothing of the supervisor, decides whether each run was right.

mod support;

#[path = "random/journal.rs"]
mod journal;
#[path = "random/judge/mod.rs"]
mod judge;
#[path = "random/lines.rs"]
mod lines;
#[path = "random/plan.rs"]
mod plan;

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use journal::Journal;
use judge::Judge;
use plan::{Outside, Plan};
use support::*;

/// The seeds of a plain `cargo test`: from 1 up to this one.
const LAST: u64 = 48;

/// More than there are processors: most of a run is waiting.
const AT_ONCE: usize = 6;

/// How long a stop may take beyond its budget: what was killed has two seconds to vanish, the reader of the
/// output has one, and the rest is for a machine that is busy with other things.
const SLACK_MS: u64 = 30_000;

#[test]
fn containers_at_random_keep_every_promise() {
    each_seed("containers", LAST, AT_ONCE, |seed| {
        let fault = std::panic::catch_unwind(|| one_run(seed)).err();
        fault.map(|_| "failed: its complaints are above".to_owned())
    });
}

/// A run that has begun.
struct Life {
    plan: Plan,
    seed: u64,
    text: String,
    journal: File,
    /// Held while standard output is not to be read.
    gate: Arc<Mutex<()>>,
    stdout: Captured,
    init: Proc,
    /// The init's number inside the namespace.
    inner: i32,
    /// When it ended, once it has.
    ended: Arc<OnceLock<u64>>,
    /// Dropped after `init`: processes that still run when a run has failed may make files there.
    temp: Temp,
}

fn one_run(seed: u64) {
    let mut random = Random::new(seed);
    let plan = Plan::random(
        &mut random,
        is_root() && any_user_can_run(Path::new(probe())),
    );
    let life = Life::start(plan, seed);
    life.dry_run();
    for (after, event) in &life.plan.events {
        std::thread::sleep(Duration::from_millis(*after));
        life.happen(*event);
    }
    life.end();
}

/// Whether a program may be run by another user.
fn any_user_can_run(path: &Path) -> bool {
    path.ancestors().all(|part| {
        let mode = std::fs::metadata(part).map(|data| data.permissions().mode());
        mode.is_ok_and(|mode| mode & 1 != 0)
    })
}

/// A pipe whose reader can be made to pause.
struct Gated {
    pipe: File,
    gate: Arc<Mutex<()>>,
}

impl Read for Gated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        drop(lock(&self.gate));
        self.pipe.read(buffer)
    }
}

/// Notes when a program ends, however late the test looks.
fn watch(program: &Proc) -> Arc<OnceLock<u64>> {
    let ended = Arc::new(OnceLock::new());
    let ours = Arc::clone(&ended);
    // SAFETY: a child of ours that is not reaped; the descriptor is ours alone.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, program.pid(), 0) as i32 };
    assert!(process >= 0, "cannot open a pidfd");
    // SAFETY: as above.
    let process = unsafe { OwnedFd::from_raw_fd(process) };
    std::thread::spawn(move || {
        let mut asked = libc::pollfd {
            fd: process.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure.
        while unsafe { libc::poll(&raw mut asked, 1, -1) } < 1 {}
        _ = ours.set(now_ns());
    });
    ended
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes what the test does to the journal.
fn tell(mut journal: &File, what: &str) {
    let line = format!("@{} 0 test {what}\n", now_ns());
    let written = journal.write_all(line.as_bytes());
    written.expect("cannot write to the journal");
}

impl Life {
    fn start(plan: Plan, seed: u64) -> Life {
        let temp = Temp::new();
        let directory = temp.path().to_str().expect("a temporary path is UTF-8");
        let chmod = |name: &str, mode| {
            let changed = std::fs::set_permissions(temp.join(name), Permissions::from_mode(mode));
            changed.expect("cannot change a mode");
        };
        std::fs::create_dir(temp.join("run")).expect("cannot make a directory");
        chmod("run", 0o777);
        let file = temp.join("journal");
        let journal = File::options().append(true).create(true).open(&file);
        let journal = journal.expect("cannot make the journal");
        chmod("journal", 0o666);
        // Then even the first line has a time before it.
        tell(&journal, "starts");
        let act = format!("{} --to {file} act", probe());
        let text = plan.text().replace("ACT", &act).replace("DIR", directory);
        std::fs::write(temp.join("plan"), &text).expect("cannot write a plan");
        let (ours, theirs) = pipe();
        if plan
            .events
            .iter()
            .any(|(_, event)| matches!(event, Outside::Stall(_)))
        {
            // SAFETY: changes the size of a pipe of ours.
            unsafe { libc::fcntl(ours.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
        }
        let run = match plan.mode {
            Mode::Pid1 => Run::pidlet(),
            Mode::Child => {
                let own = pidlet()
                    .to_str()
                    .expect("the target directory's name is UTF-8");
                let beside = temp.join("beside");
                Run::new(probe()).args(["--to", &beside, "beside", own, "pidlet"])
            }
        };
        // Blocked, so that no signal comes before a payload can hold it.
        let run = run.mode(plan.mode).block(&(1..=64).collect::<Vec<_>>());
        let stderr = journal.try_clone().expect("cannot duplicate a descriptor");
        let run = run
            .stdout(Output::File(theirs))
            .stderr(Output::File(stderr));
        let init = run.args(["-c", &temp.join("plan")]).start();
        let inner = init.info().map_or(0, |info| info.inner);
        let gate = Arc::default();
        let pipe = Gated {
            pipe: ours,
            gate: Arc::clone(&gate),
        };
        let stdout = Captured::follow(pipe, false);
        let ended = watch(&init);
        Life {
            plan,
            seed,
            text,
            journal,
            gate,
            stdout,
            init,
            inner,
            ended,
            temp,
        }
    }

    fn tell(&self, what: &str) {
        tell(&self.journal, what);
    }

    fn read_journal(&self) -> Journal {
        let text = std::fs::read(self.temp.join("journal")).unwrap_or_default();
        Journal::read(&String::from_utf8_lossy(&text), &self.plan)
    }

    fn fail(&self, why: &str) -> ! {
        let journal = std::fs::read_to_string(self.temp.join("journal")).unwrap_or_default();
        panic!(
            "SEED={}\n{:?}, {:?}\n{}\n{journal}\n{}\n{why}\nSEED={}",
            self.seed,
            self.plan.mode,
            self.plan.events,
            self.text,
            self.init.describe(),
            self.seed
        );
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        if !holds_within(2 * TIMEOUT, &mut holds) {
            self.fail(&format!("waited in vain until {what}"));
        }
    }

    /// The plan is taken, and what is printed is the same plan.
    fn dry_run(&self) {
        let print = |path: &str| {
            let mut command = Command::new(pidlet());
            let output = command.env_clear().args(["--dry-run", "-c", path]).output();
            let output = output.expect("cannot run pidlet");
            if !output.status.success() || !output.stderr.is_empty() {
                self.fail(&format!("--dry-run of {path}: {output:?}"));
            }
            output.stdout
        };
        let printed = print(&self.temp.join("plan"));
        std::fs::write(self.temp.join("printed"), &printed).expect("cannot write a plan");
        let again = print(&self.temp.join("printed"));
        if printed != again {
            let [one, other] =
                [printed, again].map(|text| String::from_utf8_lossy(&text).into_owned());
            self.fail(&format!(
                "what --dry-run prints is another plan:\n{one}\n---\n{other}"
            ));
        }
    }

    fn happen(&self, event: Outside) {
        match event {
            Outside::Signal(signal) => {
                self.tell(&format!("sends {signal}"));
                self.init.kill(signal);
            }
            Outside::Pause(time) => {
                self.init.kill(libc::SIGSTOP);
                std::thread::sleep(Duration::from_millis(time));
                self.init.kill(libc::SIGCONT);
            }
            Outside::Stall(time) => {
                let gate = lock(&self.gate);
                std::thread::sleep(Duration::from_millis(time));
                drop(gate);
            }
            Outside::Kill(section) => self.kill(section),
            Outside::Settle => self.settle(),
        }
    }

    /// Kills the last process of a section's services that is alive.
    fn kill(&self, section: usize) {
        let journal = self.read_journal();
        let section = format!("s{section}.");
        let mains = journal.processes().into_iter().filter(|(_, said)| {
            let name = journal.speaker(said[0]);
            name.starts_with(&section) && journal.place_of_payload(name).is_some()
        });
        let mut inner: Vec<i32> = mains.map(|(pid, _)| pid).collect();
        inner.reverse();
        let others = self.init.others();
        let found = inner
            .iter()
            .find_map(|pid| others.iter().find(|other| other.inner == *pid));
        if let Some(other) = found.filter(|other| !other.is_zombie()) {
            self.tell(&format!("kills {}", other.inner));
            // SAFETY: a process of a namespace of ours, whose numbers are not used again so soon.
            unsafe { libc::kill(other.pid, libc::SIGKILL) };
        }
    }

    /// Waits until everything has started that can, and no dead process is left.
    fn settle(&self) {
        self.until("everything has started", || {
            let journal = self.read_journal();
            Judge::new(&self.plan, &journal).expected().is_empty() || self.init.try_wait().is_some()
        });
        self.until("every zombie is reaped", || {
            !self.init.children().iter().any(Info::is_zombie)
        });
        self.tell("settled");
    }

    fn end(self) {
        self.until("the container ends", || self.init.try_wait().is_some());
        self.until("its end is noted", || self.ended.get().is_some());
        let ended = *self.ended.get().expect("noted above");
        let exit = self.init.wait_exit();
        let beside = match self.plan.mode {
            Mode::Pid1 => Vec::new(),
            Mode::Child => self.init.others(),
        };
        let mut complaints = Vec::new();
        if self.plan.mode == Mode::Child {
            let heard = lines_of(self.temp.join("beside"));
            if beside.len() != 1 || heard != ["ready"] {
                complaints.push(format!("beside it: {beside:?}, {heard:?}"));
            }
        }
        let journal = self.read_journal();
        let mut judge = Judge::new(&self.plan, &journal);
        match exit {
            Exit::Code(code) => judge.end(code, self.inner),
            Exit::Signal(signal) => complaints.push(format!("killed by signal {signal}")),
        }
        let time = judge.stop_time(ended);
        if time > self.plan.grace + SLACK_MS {
            complaints.push(format!("the stop took {time} ms"));
        }
        complaints.append(&mut judge.complaints);
        if complaints.is_empty() {
            // No process is left that could write.
            let at_end = || self.stdout.has_ended();
            self.until("standard output is at its end", at_end);
            let directory = self.temp.path();
            complaints = lines::judge(&self.plan, &journal, &self.stdout.text(), directory);
        }
        if !complaints.is_empty() {
            self.fail(&complaints.join("\n"));
        }
    }
}
