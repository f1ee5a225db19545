//! Exit codes and logs.

use super::{Container, PLAN, PROBE, docker, engine};
use crate::support::*;

/// One `docker run`, and how it ends.
struct End {
    line: &'static [&'static str],
    code: i32,
    /// In standard output and in standard error.
    says: [&'static str; 2],
}

const fn end(line: &'static [&'static str], code: i32, says: [&'static str; 2]) -> End {
    End { line, code, says }
}

const ONE: &[End] = &[
    end(
        &[PROBE, "/probe", "exit", "0"],
        0,
        ["", "container exits 0"],
    ),
    end(
        &[PROBE, "/probe", "exit", "7"],
        7,
        ["", "container exits 7"],
    ),
    end(
        &[PROBE, "/probe", "exit", "255"],
        255,
        ["", "container exits 255"],
    ),
    end(
        &[PROBE, "/probe", "die", "9"],
        137,
        ["", "killed by signal 9"],
    ),
    end(
        &[PROBE, "/probe", "die", "11"],
        139,
        ["", "container exits 139"],
    ),
    end(
        &[PROBE, "/probe", "die", "15"],
        143,
        ["", "container exits 143"],
    ),
    end(
        &[PROBE, "/probe", "die", "6"],
        134,
        ["", "container exits 134"],
    ),
    end(&[PROBE, "/nothing"], 127, ["", "/nothing"]),
    end(&[PROBE, "nothing"], 127, ["", "nothing"]),
    end(&[PROBE, "/plain"], 126, ["", "/plain"]),
    end(&[PROBE, "/etc"], 126, ["", "/etc"]),
    end(&[PROBE], 1, ["", "no command and no /etc/pidlet.conf"]),
    end(
        &["--entrypoint", "/pidlet", PROBE, "--nonsense"],
        1,
        ["", "--nonsense"],
    ),
    end(
        &["--entrypoint", "/pidlet", PROBE, "--grace", "x", "/probe"],
        1,
        ["", "--grace"],
    ),
    end(
        &[
            "--entrypoint",
            "/pidlet",
            PROBE,
            "--expect",
            "7",
            "/probe",
            "exit",
            "7",
        ],
        0,
        ["", ""],
    ),
    end(
        &["-e", "PIDLET_EXPECT=3,7", PROBE, "/probe", "exit", "7"],
        0,
        ["", ""],
    ),
    // The engine's own faults are none of ours.
    end(
        &["--entrypoint", "/nothing", PROBE],
        127,
        ["", "docker: Error"],
    ),
    end(
        &["--workdir", "/far/away", PROBE, "/probe", "cwd"],
        0,
        ["/far/away\n", ""],
    ),
    end(
        &["--user", "12345:12345", PROBE, "/probe", "exit", "3"],
        3,
        ["", "container exits 3"],
    ),
];

const SEVERAL: &[End] = &[
    end(
        &[
            PROBE, "/probe", "sleep", "---", "/probe", "exit", "3", "---", "/probe", "sleep",
        ],
        3,
        ["", "probe-2 (pid "],
    ),
    end(
        &[
            "-e",
            "PIDLET_UNTIL=all",
            PROBE,
            "/probe",
            "say",
            "1",
            "exit",
            "0",
            "---",
            "/probe",
            "exit",
            "4",
            "---",
            "/probe",
            "exit",
            "0",
        ],
        4,
        ["1\n", "container exits 4"],
    ),
    end(
        &[
            "-e",
            "PIDLET_UNTIL=failure",
            PROBE,
            "/probe",
            "exit",
            "0",
            "---",
            "/probe",
            "sleep",
            "---",
            "/probe",
            "exit",
            "5",
        ],
        5,
        ["", "container exits 5"],
    ),
    // If one of them does not exist, none runs on.
    end(
        &[
            PROBE, "/probe", "sleep", "---", "/nothing", "---", "/probe", "sleep",
        ],
        127,
        ["", "/nothing"],
    ),
    end(
        &[
            "--entrypoint",
            "/pidlet",
            PROBE,
            "--separator",
            "+",
            "/probe",
            "sleep",
            "+",
            "/probe",
            "args",
            "---",
            "x",
        ],
        0,
        ["<--->\n", ""],
    ),
];

const PLANS: &[End] = &[
    end(
        &["--entrypoint", "/pidlet", PLAN, "--dry-run"],
        0,
        ["first", ""],
    ),
    end(
        &["--entrypoint", "/pidlet", PLAN, "--dry-run", "-c", "/plan"],
        0,
        ["second", ""],
    ),
    end(
        &["--entrypoint", "/pidlet", PLAN, "-c", "/nothing"],
        1,
        ["", "/nothing"],
    ),
    end(
        &["--entrypoint", "/pidlet", PLAN, "-c", "/plain"],
        1,
        ["", "/plain:1"],
    ),
];

#[track_caller]
fn check(cases: &[End]) {
    for case in cases {
        let ended = engine().run(case.line);
        assert_eq!(
            ended.exit,
            Exit::Code(case.code),
            "{:?}: {ended}",
            case.line
        );
        let [out, err] = case.says;
        assert!(ended.stdout.contains(out), "{:?}: {ended}", case.line);
        assert!(ended.stderr.contains(err), "{:?}: {ended}", case.line);
    }
}

#[test]
fn one_command_ends_with_its_code() {
    docker!();
    check(ONE);
}

#[test]
fn several_commands_end_with_the_code_that_matters() {
    docker!();
    check(SEVERAL);
}

#[test]
fn a_plan_is_found_and_checked() {
    docker!();
    check(PLANS);
}

#[test]
fn a_plan_runs_and_ends_with_its_essential_service() {
    docker!();
    // The image's ENTRYPOINT, `--`, alone: /etc/pidlet.conf. And a plan of another name.
    for line in [
        &[PLAN][..],
        &["--entrypoint", "/pidlet", PLAN, "-c", "/plan"],
    ] {
        let container = Container::start(engine(), line);
        container.wait_ready(2);
        container.docker(&["kill", "--signal", "USR1"]).succeed();
        assert_eq!(container.wait_code(), 6, "{}", container.logs());
        let logs = container.logs();
        let says = |line: &str| logs.stdout.lines().any(|known| known == line);
        assert!(
            says("got 10 user from parent") && says("got 15 user from parent"),
            "{logs}"
        );
        assert!(logs.stderr.contains("second (pid"), "{logs}");
        assert!(logs.stderr.contains("container exits 6"), "{logs}");
    }
}

/// Lines of a service as they stand in a log, in order and none lost.
#[track_caller]
fn complete(log: &str, count: usize, line: impl Fn(usize) -> String, belongs: &str) {
    let mut expected = (1..=count).map(line);
    let mut lines = log.lines().filter(|line| line.contains(belongs));
    loop {
        match (expected.next(), lines.next()) {
            (None, None) => return,
            (wanted, found) => {
                assert_eq!(found, wanted.as_deref(), "of {count} lines of {belongs:?}")
            }
        }
    }
}

#[test]
fn logs_are_complete() {
    docker!();
    let count = 100_000;
    let number = count.to_string();
    let lines = ["/probe", "lines", &number];
    // Lines of one command, handed through.
    let container = Container::start(engine(), &[&[PROBE][..], &lines].concat());
    assert_eq!(container.wait_code(), 0);
    complete(
        &container.logs().stdout,
        count,
        |at| format!("line {at}"),
        "line",
    );
    // Lines of several commands, in a container that ends when all of them have ended.
    let three = [&lines[..], &["---"], &lines, &["---"], &lines].concat();
    for (log, until, mark) in [
        ("prefix", "all", "probe-2 | "),
        ("json", "all", r#"{"service":"probe-2","#),
    ] {
        let options = [
            "-e",
            &format!("PIDLET_LOG={log}"),
            "-e",
            &format!("PIDLET_UNTIL={until}"),
            PROBE,
        ];
        let container = Container::start(engine(), &[&options[..], &three].concat());
        assert_eq!(container.wait_code(), 0);
        let logs = container.logs();
        let line = |at| match log {
            "prefix" => format!("probe-2 | line {at}"),
            _ => format!(r#"{{"service":"probe-2","stream":"stdout","message":"line {at}"}}"#),
        };
        complete(&logs.stdout, count, line, mark);
        assert_eq!(logs.stdout.lines().count(), 3 * count, "{log}");
    }
}

#[test]
fn the_last_output_of_a_command_is_in_the_log_of_a_container_that_ends_with_it() {
    docker!();
    let line = [
        "-e",
        "PIDLET_LOG=prefix",
        PROBE,
        "/probe",
        "sleep",
        "---",
        "/probe",
        "lines",
        "50000",
    ];
    let ended = engine().run(&line);
    assert_eq!(ended.exit, Exit::Code(0), "{}", ended.stderr);
    complete(
        &ended.stdout,
        50_000,
        |at| format!("probe-2 | line {at}"),
        "probe-2 | ",
    );
}
