//! What must hold however often it is tried: storms of orphans, signals at the worst moment, both at once,
//! and that no process but pidlet's own descendants is ever signalled.
//!
//! `PIDLET_SOAK=N` does N times as much, `PIDLET_SEED=N` repeats a run that failed.

mod support;
use support::*;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The factor that `PIDLET_SOAK` asks for.
fn factor() -> usize {
    let factor = std::env::var("PIDLET_SOAK")
        .ok()
        .and_then(|text| text.parse().ok());
    factor.unwrap_or(1)
}

/// `release` times for the release program, a tenth of it for a debug build.
fn scaled(release: usize) -> usize {
    factor() * if is_release() { release } else { release / 10 }
}

/// The limit for what depends on the speed of the machine: only a hang takes longer.
fn long() -> Duration {
    Duration::from_secs(120 * factor() as u64)
}

// ---- orphans -----------------------------------------------------------------------------------

#[test]
fn ten_thousand_orphans_at_once_are_all_reaped() {
    // There are no more process ids than this, and some are in use.
    let pid_max = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    let pid_max: usize = pid_max.trim().parse().unwrap_or(32768);
    let count = scaled(10_000).min(pid_max / 2);
    for mode in Mode::BOTH {
        let script = "echo waits; read line; exec \"$0\" spawn-storm \"$1\"";
        let words = ["--", "sh", "-c", script, probe(), &count.to_string()];
        let run = Run::pidlet().mode(mode).stdin(Input::Pipe);
        let init = run.args(words).start();
        init.wait_says("waits");
        // Stop pidlet, so that none is reaped before all are there.
        init.kill(libc::SIGSTOP);
        init.until("it is stopped", || {
            init.info().is_some_and(|info| info.is_stopped())
        });
        init.send("\n");
        let over = || init.stdout() == "waits\nready\n";
        init.until_for("the storm is over", long(), over);
        init.until_for("all are dead", long(), || init.zombies() == count);
        init.kill(libc::SIGCONT);
        init.until_for("all are reaped", long(), || init.zombies() == 0);
        assert_eq!(init.others().len(), 1, "{}", init.describe());
        init.kill(libc::SIGTERM);
        assert_eq!(
            init.wait_exit(),
            Exit::Code(128 + libc::SIGTERM),
            "{}",
            init.describe()
        );
    }
}

// ---- signals at the start ----------------------------------------------------------------------

/// Names and options that the probe's command line follows.
const DOORS: [(&str, &[&str]); 5] = [
    ("pidlet", &["--"]),
    ("pidlet", &["-g", "--"]),
    ("tini", &["-s", "-g", "--"]),
    ("dumb-init", &["--"]),
    ("catatonit", &["-g", "--"]),
];

/// How the signal is kept from coming before pidlet blocks it, since until then the kernel drops what is sent
/// to PID 1.
#[derive(Clone, Copy, Debug)]
enum Early {
    /// Not PID 1: an early signal simply kills pidlet, and so is not lost.
    AtOnce,
    /// The signal is blocked from before pidlet's first instruction on.
    Blocked,
    /// The signal is sent as soon as pidlet has blocked it.
    WhenHeld,
}

#[test]
fn a_signal_that_comes_while_starting_is_never_lost() {
    let total = scaled(10_000);
    let next = AtomicUsize::new(0);
    // More than there are processors: most of a run is waiting.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= total {
                        return;
                    }
                    one_early_signal(run);
                }
            });
        }
    });
}

fn one_early_signal(run: usize) {
    let signal = [libc::SIGTERM, libc::SIGUSR1][run % 2];
    let early = [Early::AtOnce, Early::Blocked, Early::WhenHeld][run / 2 % 3];
    let (name, options) = DOORS[run / 6 % DOORS.len()];
    let mode = if matches!(early, Early::AtOnce) {
        Mode::Child
    } else {
        Mode::Pid1
    };
    let ends = [
        format!("{}=3", libc::SIGTERM),
        format!("{}=3", libc::SIGUSR1),
    ];
    let words = [
        probe(),
        "signals",
        "--exit-on",
        &ends[0],
        "--exit-on",
        &ends[1],
    ];
    let mut start = Run::pidlet()
        .arg0(name)
        .mode(mode)
        .args(options)
        .args(words);
    start = start.stdout(Output::Null);
    if matches!(early, Early::Blocked) {
        start = start.block(&[signal]);
    }
    let init = start.start();
    if matches!(early, Early::WhenHeld) {
        // Not `until`, which sleeps between two looks. Once pidlet has a child it waits for signals, and then
        // the kernel shows none of them as blocked.
        let start = Instant::now();
        let held = || init.info().is_some_and(|info| info.blocks(signal));
        while !held() && init.others().is_empty() {
            assert!(
                start.elapsed() < TIMEOUT,
                "it blocks nothing: {}",
                init.describe()
            );
        }
    }
    assert!(init.kill(signal), "{}", init.describe());
    let exit = init.wait_exit();
    // The probe took it, or was killed by it before it could, or pidlet was killed before all.
    let before_all = matches!(early, Early::AtOnce) && exit == Exit::Signal(signal);
    let taken = exit == Exit::Code(3) || exit == Exit::Code(128 + signal);
    assert!(
        taken || before_all,
        "{early:?} {signal}: {exit}, {}",
        init.describe()
    );
}

// ---- both at once ------------------------------------------------------------------------------

/// Ends the receiver, so it is not among the random ones.
const END: i32 = libc::SIGUSR1;
const FIRST_REAL_TIME: i32 = 32;
/// The kernel drops real-time signals when a user has more of them queued than allowed.
const QUEUED_MAX: usize = 200;

/// How often the receiver has got each signal.
type Counts = [usize; 65];

fn seed() -> u64 {
    let given = std::env::var("PIDLET_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    given.unwrap_or_else(|| now.map_or(1, |time| time.as_nanos() as u64))
}

/// A container with one program that reports its signals, and beside it one that, when told to, leaves
/// orphans behind as fast as it can.
struct Storm {
    init: Proc,
    temp: Temp,
    got: Arc<Mutex<Counts>>,
}

impl Storm {
    fn start(mode: Mode, children: usize) -> Storm {
        let temp = Temp::new();
        let (lines, theirs) = pipe();
        // One orphan first, so that the memory that its end takes is taken before the measurement.
        let script = "exec 3<&0
            { (true &); echo warm >\"$1\"; read line <&3
              exec \"$0\" --to \"$1\" spawn-storm \"$2\"; } &
            exec \"$0\" signals --exit-on 10=6";
        let words = [probe(), &temp.join("storm"), &children.to_string()];
        let run = Run::pidlet()
            .mode(mode)
            .stdin(Input::Pipe)
            .stdout(Output::File(theirs));
        let init = run.args(["--", "sh", "-c", script]).args(words).start();
        let got = Arc::new(Mutex::new([0; 65]));
        let shared = Arc::clone(&got);
        std::thread::spawn(move || count_signals(lines, &shared));
        Storm { init, temp, got }
    }

    fn got(&self) -> Counts {
        *self.got.lock().expect("the reader does not panic")
    }

    fn real_time_got(&self) -> usize {
        self.got()[FIRST_REAL_TIME as usize..].iter().sum()
    }

    /// Runs every path of the program once, and waits until everything is quiet.
    fn warm_up(&self, kinds: &[i32]) {
        let init = &self.init;
        init.until("the receiver is ready", || self.got()[0] > 0);
        init.until("an orphan was there", || !self.said().is_empty());
        for &signal in kinds {
            assert!(init.kill(signal), "{}", init.describe());
            init.until(&format!("{signal} is passed on"), || {
                self.got()[signal as usize] == 1
            });
        }
        init.until("the orphan is reaped", || init.others().len() == 2);
    }

    /// What the program that makes orphans said.
    fn said(&self) -> Vec<String> {
        lines_of(self.temp.join("storm"))
    }

    /// pidlet's anonymous memory, as the kernel words it, and the number of its descriptors.
    fn holds(&self) -> (String, usize) {
        let path = format!("/proc/{}/smaps_rollup", self.init.pid());
        let text = std::fs::read_to_string(path).expect("a living child's memory can be read");
        let own = text.lines().find(|line| line.starts_with("Anonymous:"));
        (
            own.expect("a sum of anonymous memory").to_owned(),
            self.init.fds().len(),
        )
    }
}

/// Counts `got N ...` by N, and `ready` as 0.
fn count_signals(lines: File, got: &Mutex<Counts>) {
    for line in BufReader::new(lines).lines() {
        let line = line.expect("the receiver's lines are ASCII");
        let signal = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        got.lock().expect("no thread panics with it")[signal.unwrap_or(0_usize)] += 1;
    }
}

#[test]
fn a_storm_of_children_and_signals_leaves_no_trace_and_loses_nothing() {
    let seed = seed();
    println!("PIDLET_SEED={seed}");
    std::thread::scope(|scope| {
        for mode in Mode::BOTH {
            scope.spawn(move || storm(mode, scaled(50_000), &mut Random::new(seed)));
        }
    });
}

/// `count` orphans and `count` signals in `mode`.
fn storm(mode: Mode, count: usize, random: &mut Random) {
    let kinds: Vec<i32> = (1..=64)
        .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD, END].contains(signal))
        .collect();
    let storm = Storm::start(mode, count);
    storm.warm_up(&kinds);
    let (init, before) = (&storm.init, storm.holds());
    let mut sent = storm.got();
    let (first, mut queued) = (storm.real_time_got(), 0);
    init.send("\n");
    for value in 0..count {
        let signal = kinds[random.below(kinds.len())];
        if signal < FIRST_REAL_TIME {
            sent[signal as usize] += usize::from(init.kill(signal));
        } else {
            init.until_for("the queue gets shorter", long(), || {
                queued < storm.real_time_got() - first + QUEUED_MAX
            });
            let accepted = init.sigqueue(signal, value as i32);
            sent[signal as usize] += usize::from(accepted);
            queued += usize::from(accepted);
        }
    }
    let all = || storm.real_time_got() - first == queued;
    init.until_for("all real-time signals are there", long(), all);
    init.until_for("the storm is over", long(), || storm.said().len() == 2);
    init.until_for("all are reaped", long(), || init.others().len() == 2);
    assert_eq!(init.zombies(), 0, "{}", init.describe());
    assert_eq!(storm.holds(), before, "{mode:?}");
    assert!(init.kill(END));
    assert_eq!(init.wait_exit(), Exit::Code(6), "{}", init.describe());
    let got = storm.got();
    for signal in kinds.iter().map(|&signal| signal as usize) {
        let (sent, got) = (sent[signal], got[signal]);
        // Signals that are pending together count as one, except real-time signals.
        let right = if signal < 32 {
            1 < got && got <= sent
        } else {
            got == sent
        };
        assert!(
            right,
            "{mode:?}: of {sent} signals {signal} the receiver got {got}"
        );
    }
    println!("{mode:?}: {count} orphans, {queued} real-time signals of {count} signals");
}

// ---- bystanders --------------------------------------------------------------------------------

/// A script, as the first process of a namespace or not, with a bystander in its own session and group,
/// another pidlet with children of its own, and in the end the pidlet under test, which must not harm the
/// script either. `$1` is the probe, `$2` a directory; the rest is the command line.
const NEIGHBOURS: &str = r#"
    pidlet=$0 probe=$1 dir=$2
    shift 2
    "$probe" --to "$dir/bystander" signals &
    "$pidlet" -- "$probe" --to "$dir/sibling" orphans 3 &
    read line
    "$pidlet" "$@"
    echo "code $?"
    read line
"#;

/// Options and commands that leave something behind, the signals that pidlet is sent when they are ready, and
/// its exit code. `PROBE` is the probe.
type End = (&'static [&'static str], &'static [i32], i32);

const ENDS: [End; 6] = [
    // What is left ends on TERM.
    (&["--", "PROBE", "orphans", "3", "--then-exit", "5"], &[], 5),
    // What is left does not, and is killed when the budget has run out.
    (
        &[
            "-t",
            "200ms",
            "--",
            "PROBE",
            "orphans",
            "3",
            "--ignore-term",
            "--then-exit",
            "5",
        ],
        &[],
        5,
    ),
    (
        &[
            "-t",
            "200ms",
            "-g",
            "--",
            "PROBE",
            "orphans",
            "3",
            "--ignore-term",
        ],
        &[15],
        143,
    ),
    // A second stop signal kills at once.
    (
        &[
            "--",
            "PROBE",
            "ignore",
            "15",
            "---",
            "PROBE",
            "orphans",
            "3",
            "--ignore-term",
        ],
        &[15, 15],
        137,
    ),
    (
        &[
            "-t",
            "200ms",
            "--",
            "PROBE",
            "setsid-child",
            "---",
            "PROBE",
            "orphans",
            "3",
        ],
        &[15],
        143,
    ),
    (
        &[
            "-t", "200ms", "--", "PROBE", "group", "4", "---", "PROBE", "sleep",
        ],
        &[],
        4,
    ),
];

#[test]
fn only_its_own_descendants_are_ever_signalled() {
    let outside = Run::new(probe())
        .args(["signals"])
        .mode(Mode::Child)
        .start();
    outside.wait_says("ready");
    for (mode, end) in Mode::BOTH
        .into_iter()
        .flat_map(|mode| ENDS.map(|end| (mode, end)))
    {
        let (words, signals, code) = end;
        let temp = Temp::new();
        let words = words
            .iter()
            .map(|word| if *word == "PROBE" { probe() } else { word });
        let directory = temp.path().display().to_string();
        let own = pidlet()
            .to_str()
            .expect("the target directory's name is UTF-8");
        let script = Run::new("/bin/sh").mode(mode).stdin(Input::Pipe);
        let script = script.args(["-c", NEIGHBOURS, own, probe(), &directory]);
        let script = script.args(words.collect::<Vec<_>>()).start();
        let said = |file: &str| lines_of(temp.join(file));
        script.until("the neighbours are ready", || {
            said("bystander") == ["ready"] && said("sibling") == ["ready"]
        });
        let before: Vec<i32> = script.others().iter().map(|other| other.pid).collect();
        // Bystander, pidlet, its child and three orphans.
        assert_eq!(before.len(), 6, "{}", script.describe());
        script.send("\n");
        for &signal in signals {
            send_when_ready(&script, &before, signal, end);
        }
        script.wait_says(&format!("code {code}"));
        let after: Vec<i32> = script.others().iter().map(|other| other.pid).collect();
        assert_eq!(after, before, "{mode:?} {end:?}: {}", script.describe());
        for file in ["bystander", "sibling"] {
            assert_eq!(
                said(file),
                ["ready"],
                "{mode:?} {end:?}: {file} got a signal"
            );
        }
        assert_eq!(
            script.try_wait(),
            None,
            "{mode:?} {end:?}: {}",
            script.describe()
        );
        assert_eq!(
            outside.stdout(),
            "ready\n",
            "{mode:?} {end:?}: a process outside of the namespace got a signal"
        );
    }
}

/// Sends a signal to the script's own pidlet when all its commands are ready, and each signal after the first
/// when the one before was taken.
fn send_when_ready(script: &Proc, before: &[i32], signal: i32, end: End) {
    let commands = end.0.iter().filter(|word| **word == "PROBE").count();
    script.wait_ready(commands);
    let others = script.others();
    let mut new = others.iter().filter(|other| !before.contains(&other.pid));
    let init = new
        .find(|other| other.comm == "pidlet")
        .expect("the pidlet under test");
    script.until("the last signal was taken", || {
        Info::of(init.pid).is_none_or(|info| info.pending & 1 << (signal - 1) == 0)
    });
    // SAFETY: a process in a namespace of ours; its parent, the script, has not reaped it, as it does not end
    // before its signals.
    assert_eq!(
        unsafe { libc::kill(init.pid, signal) },
        0,
        "{}",
        script.describe()
    );
}
