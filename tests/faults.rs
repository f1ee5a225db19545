//! Whatever one system call answers, pidlet comes to its end, tells its services to stop, leaves no process
//! behind and says what was wrong.
//!
//! A plan is carried out once to see which calls there are, and then again for each of them and each error
//! that the kernel may answer (see [`FAULTS`]), as PID 1 and otherwise, with the calls of children that have
//! not exec'ed yet. Calls that are always refused are in `calls.rs`.

mod support;
use support::*;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many plans are carried out at once.
const AT_ONCE: usize = 8;

/// Longest wait until all services run: a fault may keep them from it, and then the `ready-timeout` of a
/// service ends the container.
const PATIENCE: Duration = Duration::from_secs(20);

/// The calls that may fail, and how. Left out are those that cannot fail as we use them, and `close`, which
/// does its work all the same.
const FAULTS: [(&str, libc::c_long, &[i32]); 35] = [
    ("bind", libc::SYS_bind, &[libc::ENOMEM]),
    ("chdir", libc::SYS_chdir, &[libc::EACCES]),
    ("clone", libc::SYS_clone, &[libc::EAGAIN]),
    ("close_range", libc::SYS_close_range, &[libc::EPERM]),
    ("connect", libc::SYS_connect, &[libc::EINTR, libc::EAGAIN]),
    ("dup3", libc::SYS_dup3, &[libc::EBUSY]),
    ("epoll_create1", libc::SYS_epoll_create1, &[libc::EMFILE]),
    ("epoll_ctl", libc::SYS_epoll_ctl, &[libc::ENOSPC]),
    ("epoll_pwait", libc::SYS_epoll_pwait, &[libc::EINTR]),
    ("execve", libc::SYS_execve, &[libc::ENOMEM, libc::ETXTBSY]),
    ("faccessat", libc::SYS_faccessat, &[libc::EIO]),
    ("fstat", libc::SYS_fstat, &[libc::EIO]),
    ("getdents64", libc::SYS_getdents64, &[libc::ENOMEM]),
    ("ioctl", libc::SYS_ioctl, &[libc::EIO]),
    ("kill", libc::SYS_kill, &[libc::EPERM]),
    ("madvise", libc::SYS_madvise, &[libc::EINVAL]),
    ("mmap", libc::SYS_mmap, &[libc::ENOMEM]),
    ("mprotect", libc::SYS_mprotect, &[libc::ENOMEM]),
    ("newfstatat", libc::SYS_newfstatat, &[libc::EIO]),
    ("openat", libc::SYS_openat, &[libc::ENFILE, libc::EINTR]),
    ("pidfd_open", libc::SYS_pidfd_open, &[libc::EMFILE]),
    (
        "pidfd_send_signal",
        libc::SYS_pidfd_send_signal,
        &[libc::EPERM],
    ),
    ("pipe2", libc::SYS_pipe2, &[libc::ENFILE]),
    ("ppoll", libc::SYS_ppoll, &[libc::ENOMEM]),
    ("prctl", libc::SYS_prctl, &[libc::EINVAL]),
    ("prlimit64", libc::SYS_prlimit64, &[libc::EPERM]),
    (
        "pwritev2",
        libc::SYS_pwritev2,
        &[libc::EAGAIN, libc::EOPNOTSUPP],
    ),
    ("read", libc::SYS_read, &[libc::EIO]),
    ("readlinkat", libc::SYS_readlinkat, &[libc::ENOMEM]),
    ("renameat", libc::SYS_renameat, &[libc::ENOSPC]),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait, &[libc::EINTR]),
    ("setpgid", libc::SYS_setpgid, &[libc::EACCES]),
    ("signalfd4", libc::SYS_signalfd4, &[libc::ENFILE]),
    ("socket", libc::SYS_socket, &[libc::ENOBUFS]),
    ("write", libc::SYS_write, &[libc::ENOSPC, libc::EINTR]),
];

/// One more that does not fail for us: a read from a pipe.
fn is_left_out(call: &Call) -> bool {
    call.number == libc::SYS_read && call.file(0).starts_with("pipe:")
}

/// One of all the calls, and what it answers.
#[derive(Clone, Copy)]
struct Fault {
    name: &'static str,
    number: libc::c_long,
    child: bool,
    nth: usize,
    errno: i32,
    /// All further ones answer the same.
    lasts: bool,
}

impl Fault {
    /// Our text for it.
    fn text(&self) -> String {
        let text = std::io::Error::from_raw_os_error(self.errno).to_string();
        let end = text.find(" (os error").unwrap_or(text.len());
        text[..end].to_owned()
    }

    fn describe(&self) -> String {
        let whose = if self.child { "a child's " } else { "" };
        let lasts = if self.lasts { " and all after it" } else { "" };
        format!(
            "{whose}{} number {}{lasts}: {}",
            self.name,
            self.nth,
            self.text()
        )
    }
}

/// A plan, and the names of the files in which its programs say that they are ready and what they are told.
struct Scene {
    plan: &'static str,
    ready: &'static [&'static str],
}

/// Lines in front of names, descriptors that tell of readiness, a check by command, and an orphan far from
/// its group.
const LINES: Scene = Scene {
    plan: "[pidlet]
log = prefix
grace = 1s
[web]
run = sh -c 'echo hello; echo up >&4; exec PROBE --to TEMP/web signals --exit-on 15=0'
ready = fd:4
ready-timeout = 8s
[left]
type = oneshot
run = sh -c '((setsid PROBE --to TEMP/left signals --exit-on 15=0 &)); echo left >&2'
after = web
[next]
run = sh -c 'printf tail; exec PROBE --to TEMP/next signals --exit-on 15=0'
after = left
ready = exec:PROBE exit 0
ready-timeout = 8s
",
    ready: &["web", "left", "next"],
};

/// A log that is rotated, a pipe from one service to another, a daemon, and a `finish` command.
const FILES: Scene = Scene {
    plan: "[pidlet]
grace = 1s
[count]
type = oneshot
run = PROBE lines 12
stdout = file:TEMP/log
log-size = 30
log-keep = 9
[cache]
type = daemon
run = sh -c 'setsid PROBE --to TEMP/cache signals --exit-on 15=0 & echo $! > TEMP/pid'
pidfile = TEMP/pid
ready-timeout = 8s
after = count
[sink]
run = sh -c 'PROBE --to TEMP/sink say ready exit 0; exec cat > TEMP/sunk'
[web]
run = sh -c 'echo hello; exec PROBE --to TEMP/web signals --exit-on 15=0'
stdout = service:sink
after = cache
finish = PROBE --to TEMP/finish say ended exit
",
    ready: &["cache", "web", "sink"],
};

/// What a run of the plan led to.
struct Outcome {
    exit: Option<Exit>,
    stdout: String,
    stderr: String,
    /// Whether all were ready.
    steady: bool,
    /// For those that were, whether they were told to stop.
    told: Vec<(String, bool)>,
    /// Lines in the log and in its rotated files.
    logged: usize,
    left: Vec<Info>,
    calls: Vec<Call>,
    /// Whether the run came to the fault.
    hit: bool,
}

fn play(scene: &Scene, mode: Mode, fault: Option<Fault>) -> Outcome {
    let temp = Temp::new();
    let plan = scene
        .plan
        .replace("TEMP/", &temp.join(""))
        .replace("PROBE", probe());
    let plan = temp.write("plan", plan, 0o644);
    let run = Run::listened().mode(mode);
    let init = run.args(["-c", &plan]).start();
    let (mut count, hit) = (0, Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&hit);
    let listener = Listener::to(&init, pidlet(), move |call| {
        let fault = fault.filter(|one| (one.child, one.number) == (call.child, call.number))?;
        if is_left_out(call) {
            return None;
        }
        count += 1;
        let answers = count == fault.nth || fault.lasts && count > fault.nth;
        answers.then(|| {
            counted.store(1, Ordering::Relaxed);
            fault.errno
        })
    });
    let listener = listener.expect("it was possible before");
    let lines = |name: &&str| lines_of(temp.join(name));
    let is_ready = |name: &&str| lines(name).iter().any(|line| line == "ready");
    let mut steady = false;
    holds_within(PATIENCE, &mut || {
        steady = scene.ready.iter().all(&is_ready);
        steady || init.try_wait().is_some()
    });
    init.kill(libc::SIGTERM);
    let ended = holds_within(TIMEOUT, &mut || init.try_wait().is_some());
    // Its last line may still be on its way, and what was killed with the namespace may not be gone yet.
    let over = || init.others().is_empty() && init.streams_ended();
    let said = || init.stderr().contains("; container exits ");
    if ended {
        holds_within(Duration::from_secs(10), &mut || said() || over());
        holds_within(Duration::from_secs(1), &mut &over);
    }
    let ready = scene
        .ready
        .iter()
        .filter(|name| is_ready(name) && **name != "sink");
    let told = ready.map(|name| {
        let told = lines(name).iter().any(|line| line.starts_with("got 15 "));
        ((*name).to_owned(), told)
    });
    let logs = std::iter::once("log".to_owned()).chain((1..10).map(|at| format!("log.{at}")));
    Outcome {
        exit: init.try_wait(),
        stdout: init.stdout(),
        stderr: init.stderr(),
        steady,
        told: told.collect(),
        logged: logs.map(|name| lines_of(temp.join(name)).len()).sum(),
        left: init.others(),
        calls: listener.calls(),
        hit: hit.load(Ordering::Relaxed) > 0,
    }
}

impl Outcome {
    /// What is wrong with it as the outcome of this fault.
    fn complaints(&self, fault: Option<Fault>, usual: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, what: &str| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        let says = |text: &str| self.stderr.contains(text);
        let said = self.stderr.to_lowercase();
        let explained = fault.is_some_and(|fault| said.contains(&fault.text().to_lowercase()));
        // Where pidlet cannot read the pid file, or adopt the daemon, it sees none, or one that names a
        // stranger.
        let blind = ["cannot read", "child subreaper", "left no "];
        let explained = explained || blind.iter().any(|text| says(text));
        let killed = says("did not stop within");
        let code = match self.exit {
            Some(Exit::Code(code)) => code,
            _ => -1,
        };
        must(code >= 0, "it comes to its end");
        must(!says("internal error"), "there is no fault of its own");
        must(
            [0, 1, 125, 126, 137].contains(&code),
            "the exit code is one that is documented",
        );
        must(code == 0 || explained || killed, "it is said why it failed");
        let refused = !says(" (pid ") && [1, 125].contains(&code);
        let last = self.stderr.lines().last().unwrap_or_default();
        let ends = last.ends_with(&format!("; container exits {code}"));
        must(ends || refused, "the last line says how it ended");
        must(self.steady || code != 0, "a success has run all services");
        // After a fault that comes only once, /proc is read again, unless it seemed to be missing.
        let blinds = |fault: Fault| fault.lasts || fault.number == libc::SYS_readlinkat;
        let gives_up = says("hang in the kernel")
            || says("cannot become a child subreaper")
            || says("are not stopped") && fault.is_some_and(blinds);
        must(
            self.left.is_empty() || gives_up,
            "no process is left behind",
        );
        for (name, told) in &self.told {
            let excused = gives_up || killed || says("cannot signal");
            must(*told || excused, &format!("{name} is told to stop"));
        }
        let named = |line: &str| line.starts_with("web | ") || line.starts_with("next | ");
        must(
            self.stdout.lines().all(named),
            "each line has a name in front",
        );
        must(
            self.calls.len() < 5 * usual + 500,
            "it does not go round in circles",
        );
        wrong
    }
}

/// Shortages, brief or lasting.
const SHORTAGES: [i32; 5] = [
    libc::EAGAIN,
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOBUFS,
    libc::ENOSPC,
];

/// Every call that may fail, with every error, each time that the plan comes to it: once, or from then on.
fn faults(calls: &[Call]) -> Vec<Fault> {
    let mut counts = BTreeMap::new();
    for call in calls.iter().filter(|call| !is_left_out(call)) {
        *counts.entry((call.number, call.child)).or_insert(0) += 1;
    }
    let mut faults = Vec::new();
    for ((number, child), count) in counts {
        let known = FAULTS.iter().filter(|(_, known, _)| *known == number);
        for &(name, _, errnos) in known {
            for (nth, &errno) in
                (1..=count).flat_map(|nth| errnos.iter().map(move |one| (nth, one)))
            {
                // A pipe that has room takes something: its EAGAIN does not last.
                let brief = !SHORTAGES.contains(&errno) || number == libc::SYS_pwritev2;
                for lasts in [false, true] {
                    if !lasts || !brief {
                        faults.push(Fault {
                            name,
                            number,
                            child,
                            nth,
                            errno,
                            lasts,
                        });
                    }
                }
            }
        }
    }
    faults
}

/// Whether a test can answer system calls here.
fn can_listen() -> bool {
    let run = Run::listened();
    let init = run.args(["--version"]).start();
    Listener::to(&init, pidlet(), |_| None).is_some()
}

/// Carries a plan out with every fault; `logs` says how many lines must be in its log.
fn sweep(scene: &Scene, mode: Mode, logs: usize) {
    let usual = play(scene, mode, None);
    let wrong = usual.complaints(None, usual.calls.len());
    assert!(
        wrong.is_empty(),
        "without a fault: {wrong:?}\n{}",
        usual.stderr
    );
    let faults = faults(&usual.calls);
    let (next, hits, wrong) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        Mutex::new(Vec::new()),
    );
    let work = || {
        while let Some(&fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = play(scene, mode, Some(fault));
            if !outcome.hit {
                continue;
            }
            hits.fetch_add(1, Ordering::Relaxed);
            let mut complaints = outcome.complaints(Some(fault), usual.calls.len());
            let dropped = outcome.stderr.contains("lines dropped: ");
            if outcome.steady && outcome.logged < logs && !dropped {
                complaints.push("no line of the log is lost in silence".to_owned());
            }
            if !complaints.is_empty() {
                let text = format!("{}: not so: {complaints:?}\n{outcome}", fault.describe());
                wrong.lock().expect("no thread panics with it").push(text);
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().expect("no thread panicked");
    let (hits, all) = (hits.into_inner(), faults.len());
    println!("{mode:?}: {hits} of {all} faults were met");
    assert!(
        wrong.is_empty(),
        "{} faults\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // Some calls come less often in some runs.
    assert!(
        hits > 100 && hits * 3 > all * 2,
        "only {hits} of {all} faults were met"
    );
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outcome {
            exit, told, left, ..
        } = self;
        writeln!(
            to,
            "{exit:?}, told: {told:?}, logged: {}, left: {left:?}",
            self.logged
        )?;
        writeln!(to, "stdout: {:?}\nstderr: {:?}", self.stdout, self.stderr)
    }
}

#[test]
fn no_failing_call_loses_lines_or_readiness_or_orphans() {
    if !can_listen() {
        skip!("this kernel lets no process answer another's system calls");
    }
    for mode in Mode::BOTH {
        sweep(&LINES, mode, 0);
    }
}

#[test]
fn no_failing_call_loses_logs_or_pipes_or_daemons() {
    if !can_listen() {
        skip!("this kernel lets no process answer another's system calls");
    }
    for mode in Mode::BOTH {
        sweep(&FILES, mode, 12);
    }
}
