//! `docker stop`, `kill` and `restart`.

use super::{Container, PLAN, PROBE, build, docker, engine, wait_lines};
use crate::rootfs::{Rootfs, static_probe};
use crate::support::*;
use crate::tool::PATIENCE;

/// A container, what is done to it, and how it ends.
struct Stop {
    line: &'static [&'static str],
    /// So many commands say `ready` first.
    ready: usize,
    /// `docker` commands; the container's name comes last.
    acts: &'static [&'static [&'static str]],
    code: i32,
    /// In this order on standard output, after `ready`.
    hears: &'static [&'static str],
    /// In standard error; if this is empty, that must be, too.
    reason: &'static str,
}

const STOP: &[&str] = &["stop"];
/// Longer than any wait here: a container that ends within it was not killed by Docker.
const STOP_LATE: &[&str] = &["stop", "--time", "600"];

const ONE: &[Stop] = &[
    Stop {
        line: &[PROBE, "/probe", "sleep"],
        ready: 1,
        acts: &[STOP_LATE],
        code: 143,
        hears: &[],
        reason: "container exits 143",
    },
    Stop {
        line: &[PROBE, "/probe", "signals", "--exit-on", "15=4"],
        ready: 1,
        acts: &[STOP],
        code: 4,
        hears: &["got 15 user from parent"],
        reason: "container exits 4",
    },
    // Without a budget the platform's is the only one: then no process is left to say why.
    Stop {
        line: &[PROBE, "/probe", "ignore", "15"],
        ready: 1,
        acts: &[&["stop", "--time", "1"]],
        code: 137,
        hears: &[],
        reason: "",
    },
    Stop {
        line: &["-e", "PIDLET_GRACE=500ms", PROBE, "/probe", "ignore", "15"],
        ready: 1,
        acts: &[STOP_LATE],
        code: 137,
        hears: &[],
        reason: "did not stop within 500ms",
    },
    Stop {
        line: &[
            "--stop-signal",
            "INT",
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "2=5",
        ],
        ready: 1,
        acts: &[STOP_LATE],
        code: 5,
        hears: &["got 2 user from parent"],
        reason: "container exits 5",
    },
    Stop {
        line: &[
            "--stop-signal",
            "RTMIN+3",
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "37=6",
        ],
        ready: 1,
        acts: &[STOP_LATE],
        code: 6,
        hears: &["got 37 user from parent"],
        reason: "container exits 6",
    },
    Stop {
        line: &[
            "--stop-signal",
            "USR1",
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "10=0",
        ],
        ready: 1,
        acts: &[STOP_LATE],
        code: 0,
        hears: &["got 10 user from parent"],
        reason: "container exits 0",
    },
    Stop {
        line: &[
            "-e",
            "PIDLET_REWRITE=TERM:QUIT",
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "3=7",
        ],
        ready: 1,
        acts: &[STOP_LATE],
        code: 7,
        hears: &["got 3 user from parent"],
        reason: "container exits 7",
    },
    Stop {
        line: &[PROBE, "/probe", "signals", "--exit-on", "15=4"],
        ready: 1,
        acts: &[
            &["kill", "--signal", "HUP"],
            &["kill", "--signal", "WINCH"],
            &["kill", "--signal", "RTMAX"],
            &["kill", "--signal", "TERM"],
        ],
        code: 4,
        hears: &[
            "got 1 user from parent",
            "got 28 user from parent",
            "got 64 user from parent",
            "got 15 user from parent",
        ],
        reason: "container exits 4",
    },
    Stop {
        line: &[PROBE, "/probe", "sleep"],
        ready: 1,
        acts: &[&["kill"]],
        code: 137,
        hears: &[],
        reason: "",
    },
    // A stopped program would never see its signal: it is continued.
    Stop {
        line: &[
            "-e",
            "PIDLET_GRACE=300s",
            PROBE,
            "/probe",
            "stop-self",
            "19",
        ],
        ready: 1,
        acts: &[STOP_LATE],
        code: 143,
        hears: &[],
        reason: "container exits 143",
    },
];

const SEVERAL: &[Stop] = &[
    Stop {
        line: &[
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "15=4",
            "---",
            "/probe",
            "signals",
            "--exit-on",
            "15=0",
            "---",
            "/probe",
            "sleep",
        ],
        ready: 3,
        acts: &[STOP_LATE],
        code: 4,
        hears: &["got 15 user from parent"],
        reason: "container exits 4",
    },
    // Whatever stop signal Docker sends, the commands get TERM.
    Stop {
        line: &[
            "--stop-signal",
            "RTMIN+3",
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "15=0",
            "---",
            "/probe",
            "sleep",
        ],
        ready: 2,
        acts: &[STOP_LATE],
        code: 0,
        hears: &["got 15 user from parent"],
        reason: "container exits 0",
    },
    Stop {
        line: &[
            "-e",
            "PIDLET_GRACE=500ms",
            PROBE,
            "/probe",
            "sleep",
            "---",
            "/probe",
            "ignore",
            "15",
        ],
        ready: 2,
        acts: &[STOP_LATE],
        code: 137,
        hears: &[],
        reason: "did not stop within 500ms",
    },
    // A second stop signal kills at once.
    Stop {
        line: &[
            "-e",
            "PIDLET_GRACE=600s",
            PROBE,
            "/probe",
            "sleep",
            "---",
            "/probe",
            "signals",
        ],
        ready: 2,
        acts: &[&["kill", "--signal", "TERM"], &["kill", "--signal", "TERM"]],
        code: 137,
        hears: &["got 15 user from parent"],
        reason: "container exits 137",
    },
    Stop {
        line: &[PLAN],
        ready: 2,
        acts: &[STOP_LATE],
        code: 4,
        hears: &["got 15 user from parent", "got 15 user from parent"],
        reason: "container exits 4",
    },
    // Processes that were left behind are stopped as well, and have time for it.
    Stop {
        line: &[PROBE, "/probe", "orphans", "2", "---", "/probe", "sleep"],
        ready: 2,
        acts: &[STOP_LATE],
        code: 143,
        hears: &[
            "orphan got 15 user from parent",
            "orphan got 15 user from parent",
        ],
        reason: "container exits 143",
    },
];

#[track_caller]
fn check(cases: &[Stop]) {
    for case in cases {
        let container = Container::start(engine(), case.line);
        container.wait_ready(case.ready);
        // One after the other: of pending signals the kernel delivers those with low numbers first, and two
        // of a kind count as one.
        for (place, act) in case.acts.iter().enumerate() {
            container.docker(act).succeed();
            let more = place + 1 < case.acts.len();
            if let Some(line) = case.hears.get(place).filter(|_| more) {
                wait_lines(&container.follow(), line, 1);
            }
        }
        let code = container.wait_code();
        let logs = container.logs();
        assert_eq!(code, case.code, "{:?}: {logs}", case.line);
        let mut lines = logs.stdout.lines();
        for line in case.hears {
            assert!(
                lines.any(|known| known == *line),
                "{:?}: {line}: {logs}",
                case.line
            );
        }
        assert!(logs.stderr.contains(case.reason), "{:?}: {logs}", case.line);
        assert_eq!(
            logs.stderr.is_empty(),
            case.reason.is_empty(),
            "{:?}: {logs}",
            case.line
        );
    }
}

#[test]
fn one_command_is_stopped() {
    docker!();
    check(ONE);
}

#[test]
fn several_commands_are_stopped() {
    docker!();
    check(SEVERAL);
}

#[test]
fn a_signal_that_stops_nothing_reaches_every_command() {
    docker!();
    let signals = ["/probe", "signals", "--exit-on", "15=0"];
    let words = [
        &[PROBE][..],
        &signals,
        &["---"],
        &signals,
        &["---"],
        &signals,
    ]
    .concat();
    let container = Container::start(engine(), &words);
    let log = container.follow();
    wait_lines(&log, "ready", 3);
    for (name, number) in [("HUP", 1), ("USR1", 10), ("WINCH", 28)] {
        container.docker(&["kill", "--signal", name]).succeed();
        wait_lines(&log, &format!("got {number} user from parent"), 3);
    }
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
    container.docker(STOP_LATE).succeed();
    assert_eq!(container.wait_code(), 0, "{}", container.logs());
}

#[test]
fn the_image_s_own_stop_signal_is_passed_on() {
    docker!();
    let context = Rootfs::empty()
        .program(pidlet(), "pidlet")
        .program(static_probe(), "probe");
    let commands = "CMD [\"/probe\", \"signals\", \"--exit-on\", \"3=9\"]\nSTOPSIGNAL SIGQUIT";
    let dockerfile = build::with_programs(&build::released(), "COPY probe /", commands);
    engine().build(&context, &dockerfile, "stop-signal");
    let container = Container::start(engine(), &["stop-signal"]);
    container.wait_ready(1);
    container.docker(STOP_LATE).succeed();
    assert_eq!(container.wait_code(), 9, "{}", container.logs());
}

#[test]
fn a_container_is_restarted_by_hand_and_by_its_policy() {
    docker!();
    let container = Container::start(
        engine(),
        &[
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "15=4",
            "---",
            "/probe",
            "sleep",
        ],
    );
    container.wait_ready(2);
    for round in 2..=3 {
        container.docker(&["restart", "--time", "600"]).succeed();
        container.wait_ready(2 * round);
        assert_eq!(container.inspect("{{.State.Running}}"), "true");
    }
    container.docker(STOP_LATE).succeed();
    assert_eq!(container.wait_code(), 4, "{}", container.logs());
    let reasons = container.logs().stderr;
    assert_eq!(reasons.matches("container exits 4").count(), 3, "{reasons}");

    // Docker goes by the code, which is that of the command that failed.
    let line = [
        "--restart",
        "on-failure:2",
        PROBE,
        "/probe",
        "sleep",
        "---",
        "/probe",
        "exit",
        "3",
    ];
    let container = Container::start(engine(), &line);
    let state = "{{.State.Running}} {{.State.ExitCode}} {{.RestartCount}}";
    until("it has run three times", PATIENCE, || {
        container.inspect(state) == "false 3 2"
    });
    let reasons = container.logs().stderr;
    assert_eq!(reasons.matches("container exits 3").count(), 3, "{reasons}");
}
