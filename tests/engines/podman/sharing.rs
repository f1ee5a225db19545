//! A PID namespace that other processes share: they must hear nothing of our stop.

use super::{BARE, Container, PROBE};
use crate::rootfs::{LEAVERS, static_probe};
use crate::support::*;
use crate::tool::{Job, Tool};

/// What a container does in the namespace of others, and how it ends. All that it leaves behind is stopped,
/// even what left its session: to find that, pidlet walks through all processes that it can see.
struct Stop {
    grace: &'static str,
    words: &'static [&'static str],
    ready: usize,
    code: i32,
    /// Whether leftover processes have time to hear of it.
    gentle: bool,
}

const STOPS: [Stop; 2] = [
    Stop {
        grace: "600s",
        words: &LEAVERS,
        ready: 3,
        code: 3,
        gentle: true,
    },
    // Where the stop takes too long, what is left is killed: only our own processes.
    Stop {
        grace: "300ms",
        words: &[
            "/probe",
            "orphans",
            "2",
            "--ignore-term",
            "---",
            "/probe",
            "setsid-child",
            "--ignore-term",
            "---",
            "/probe",
            "ignore",
            "15",
        ],
        ready: 3,
        code: 137,
        gentle: false,
    },
];

/// Starts and stops a container in this namespace.
#[track_caller]
fn stop_beside(pid: &str, stop: &Stop) {
    let grace = format!("PIDLET_GRACE={}", stop.grace);
    let before = ["--pid", pid, "--env", &grace, PROBE];
    let container = Container::start(&[&before[..], stop.words].concat());
    container.wait_lines("ready", stop.ready);
    let first = Info::of(container.pid()).expect("it runs");
    assert_ne!(first.inner, 1, "{first:?}");
    container.podman(&["stop", "--time", "600"]).succeed();
    assert_eq!(container.wait_code(), stop.code, "{}", container.logs());
    let logs = container.logs();
    let count = |said: &str| logs.stdout.matches(said).count();
    assert_eq!(count("orphan of another"), 0, "{logs}");
    assert_eq!(
        count("orphan got 15 user from"),
        count("orphan of init"),
        "{logs}"
    );
    if stop.gentle {
        assert_eq!(count("far child got 15 user from"), 1, "{logs}");
    }
}

#[test]
fn no_process_of_the_host_is_signalled() {
    podman!();
    let path = static_probe().to_str().expect("the path is UTF-8");
    let process: Job = Tool::new(path).arg("signals").start();
    process.wait_line(Out, |line| line == "ready");
    let other = Container::start(&[BARE, "/probe", "signals"]);
    other.wait_lines("ready", 1);
    for stop in &STOPS {
        stop_beside("host", stop);
    }
    // The first signal that they get must be ours.
    process.kill(libc::SIGUSR1);
    process.wait_line(Out, |line| line.starts_with("got 10 "));
    assert_eq!(process.lines(Out).len(), 2, "{}", process.describe());
    assert_signalled_only_by_us(&other, "got 10 user from outside");
}

#[test]
fn no_process_of_another_container_is_signalled() {
    podman!();
    // Its first process, and another one.
    let other = Container::start(&[BARE, "/probe", "group"]);
    other.wait_lines("ready", 1);
    let namespace = pid_namespace(other.pid()).expect("it runs");
    let pid = format!("container:{}", other.name);
    for stop in &STOPS {
        stop_beside(&pid, stop);
        let all = in_namespace(namespace);
        assert_eq!(all.len(), 2, "{all:?}");
    }
    assert_signalled_only_by_us(&other, "leader got 10 user from outside");
}

/// The first signal that a bystander gets must be ours.
#[track_caller]
pub fn assert_signalled_only_by_us(bystander: &Container, says: &str) {
    bystander.podman(&["kill", "--signal", "USR1"]).succeed();
    bystander.wait_lines(says, 1);
    let logs = bystander.logs();
    assert_eq!(logs.stdout, format!("ready\n{says}\n"), "{logs}");
}
