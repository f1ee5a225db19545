//! `docker run --init`: pidlet as `docker-init`, beside the program that Docker ships with.
//!
//! Each case runs in a daemon whose `--init-path` is pidlet and in one whose `--init-path` is Debian's
//! tini-static. The exit code and what the command writes must be the same.

use std::sync::LazyLock;

use super::{Container, Engine, docker, engine, init_path};
use crate::needs;
use crate::rootfs::Rootfs;
use crate::support::*;
use crate::tool::Tool;

const TINI: &str = "/usr/bin/tini-static";

/// An image without entry point, of which both daemons have a copy.
const IMAGE: &str = "plain";

fn with_pidlet() -> &'static Engine {
    static READY: LazyLock<&Engine> = LazyLock::new(|| with_image(engine()));
    &READY
}

fn with_tini() -> &'static Engine {
    static TINIS: LazyLock<Engine> = LazyLock::new(|| {
        let engine = Engine::start("tini", TINI, &[]);
        with_image(&engine);
        engine
    });
    &TINIS
}

fn with_image(engine: &Engine) -> &Engine {
    let rootfs = Rootfs::scratch().file("plain", "not a program\n", 0o644);
    engine.import(&rootfs.directory("etc"), IMAGE);
    engine
}

/// What is run with `--init`, and how it ends.
const RUNS: &[(Words, i32)] = &[
    (&[IMAGE, "/probe", "exit", "0"], 0),
    (&[IMAGE, "/probe", "exit", "7"], 7),
    (&[IMAGE, "/probe", "die", "9"], 137),
    (&[IMAGE, "/probe", "die", "11"], 139),
    (&[IMAGE, "/probe", "die", "15"], 143),
    (&[IMAGE, "/nothing"], 127),
    (&[IMAGE, "nothing"], 127),
    (&[IMAGE, "/plain"], 126),
    (&[IMAGE, "/etc"], 126),
    (&[IMAGE, "/probe", "mask"], 0),
    (&[IMAGE, "/probe", "fds"], 0),
    (&[IMAGE, "/probe", "args", "--", "-x", "", "a b"], 0),
    (
        &[
            "-e",
            "LISTEN_PID=1",
            IMAGE,
            "/probe",
            "env",
            "LISTEN_PID",
            "PATH",
            "HOME",
        ],
        0,
    ),
    (&["--workdir", "/far", IMAGE, "/probe", "cwd"], 0),
    (&["--user", "1:1", IMAGE, "/probe", "exit", "9"], 9),
    (
        &[
            "--read-only",
            "--cap-drop",
            "ALL",
            IMAGE,
            "/probe",
            "exit",
            "9",
        ],
        9,
    ),
    (&[IMAGE, "/probe", "lines", "20000"], 0),
    // Orphans come to the init, and the end of the command is the container's.
    (
        &[
            IMAGE,
            "/probe",
            "orphans",
            "3",
            "--exit-now",
            "--report",
            "--then-exit",
            "5",
        ],
        5,
    ),
    (&[IMAGE, "/probe", "orphans", "3", "--then-exit", "6"], 6),
    // Options of its own cannot be given, but its variables can.
    (&["-e", "TINI_VERBOSITY=0", IMAGE, "/nothing"], 127),
    (
        &[
            "-e",
            "TINI_KILL_PROCESS_GROUP=1",
            IMAGE,
            "/probe",
            "exit",
            "3",
        ],
        3,
    ),
];

type Words = &'static [&'static str];

/// What is run with `--init` in the background; a `docker` command; how it ends and what was heard.
const ACTS: &[(Words, Words, i32, Words)] = &[
    (
        &[IMAGE, "/probe", "sleep"],
        &["stop", "--time", "600"],
        143,
        &[],
    ),
    (
        &[IMAGE, "/probe", "signals", "--exit-on", "15=4"],
        &["stop", "--time", "600"],
        4,
        &["got 15 user from parent"],
    ),
    (
        &[
            "--stop-signal",
            "INT",
            IMAGE,
            "/probe",
            "signals",
            "--exit-on",
            "2=5",
        ],
        &["stop", "--time", "600"],
        5,
        &["got 2 user from parent"],
    ),
    (
        &[IMAGE, "/probe", "ignore", "15"],
        &["stop", "--time", "1"],
        137,
        &[],
    ),
    (&[IMAGE, "/probe", "sleep"], &["kill"], 137, &[]),
    (
        &[IMAGE, "/probe", "signals", "--exit-on", "10=6"],
        &["kill", "--signal", "USR1"],
        6,
        &["got 10 user from parent"],
    ),
    (
        &[IMAGE, "/probe", "signals", "--exit-on", "64=6"],
        &["kill", "--signal", "RTMAX"],
        6,
        &["got 64 user from parent"],
    ),
    // With the group, which no option could ask for, its member hears it, too.
    (
        &["-e", "TINI_KILL_PROCESS_GROUP=1", IMAGE, "/probe", "group"],
        &["stop", "--time", "600"],
        0,
        &["leader got 15 user from parent"],
    ),
];

#[test]
fn commands_end_as_under_tini() {
    needs!(TINI);
    docker!();
    for (line, code) in RUNS {
        let ends = [with_pidlet(), with_tini()].map(|engine| {
            let ended = engine.run(&[&["--init"], *line].concat());
            assert_eq!(ended.exit, Exit::Code(*code), "{line:?}: {ended}");
            ended
        });
        let [ours, theirs] = &ends;
        assert_eq!(sorted(&ours.stdout), sorted(&theirs.stdout), "{line:?}");
        // Both say something about a command that cannot be run, and nothing otherwise.
        assert_eq!(
            ours.stderr.is_empty(),
            theirs.stderr.is_empty(),
            "{line:?}\n{ours}\n{theirs}"
        );
    }
}

/// Orphans may write at any time.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn commands_are_stopped_as_under_tini() {
    needs!(TINI);
    docker!();
    for (line, act, code, hears) in ACTS {
        let logs = [with_pidlet(), with_tini()].map(|engine| {
            let container = Container::start(engine, &[&["--init"], *line].concat());
            container.wait_ready(1);
            container.docker(act).succeed();
            let ended = container.wait_code();
            let logs = container.logs();
            assert_eq!(ended, *code, "{line:?}: {logs}");
            for wanted in *hears {
                let heard = logs.stdout.lines().any(|line| line == *wanted);
                assert!(heard, "{line:?}: {wanted}: {logs}");
            }
            logs
        });
        let [ours, theirs] = &logs;
        let shown = |logs: &Ended| (logs.stdout.clone(), logs.stderr.clone());
        if !line.contains(&"group") {
            assert_eq!(shown(ours), shown(theirs), "{line:?}");
        }
    }
}

#[test]
fn its_version_is_shown_as_tinis_is() {
    docker!();
    // Docker runs the file that it was given, which under this name answers in a form that Docker can read.
    let said = Tool::new(&init_path()).arg("--version").succeed();
    let commit = said.split_once(" - git.").map_or("", |(_, commit)| commit);
    let number = said
        .strip_prefix("tini version ")
        .and_then(|rest| rest.split(' ').next());
    let format = "{{.InitBinary}} {{.InitCommit.ID}}";
    let info = engine().docker(&["info", "--format", format]).succeed();
    assert_eq!(
        info,
        format!("{} {commit}", init_path()).trim_end(),
        "{said}"
    );
    let version = engine().docker(&["version"]).succeed();
    let mut lines = version.lines().map(str::trim);
    assert!(lines.any(|line| line == "docker-init:"), "{version}");
    let shown = lines.next().and_then(|line| line.strip_prefix("Version:"));
    assert_eq!(shown.map(str::trim), number, "{version}");
}

#[test]
fn options_can_be_set_by_variables() {
    docker!();
    let engine = with_pidlet();
    // The whole container is stopped gracefully, orphans included, which tini does not do.
    let line = [
        "--init",
        "-e",
        "PIDLET_GRACE=600s",
        IMAGE,
        "/probe",
        "orphans",
        "2",
        "--then-exit",
        "5",
    ];
    let ended = engine.run(&line);
    assert_eq!(ended.exit, Exit::Code(5), "{ended}");
    assert_eq!(ended.stdout.matches("orphan got 15").count(), 2, "{ended}");

    let line = [
        "--init",
        "-e",
        "PIDLET_GRACE=500ms",
        IMAGE,
        "/probe",
        "ignore",
        "15",
    ];
    let container = Container::start(engine, &line);
    container.wait_ready(1);
    container.docker(&["stop", "--time", "600"]).succeed();
    assert_eq!(container.wait_code(), 137, "{}", container.logs());

    for (variable, heard) in [("PIDLET_GROUP=yes", 1), ("PIDLET_GROUP=no", 0)] {
        let line = ["--init", "-e", variable, IMAGE, "/probe", "group"];
        let container = Container::start(engine, &line);
        container.wait_ready(1);
        container.docker(&["kill", "--signal", "HUP"]).succeed();
        let log = container.follow();
        log.wait_line(Out, |line| line == "leader got 1 user from parent");
        container.docker(&["stop", "--time", "600"]).succeed();
        container.wait_code();
        let logs = container.logs();
        // The leader's parent is a stranger to the member.
        assert_eq!(
            logs.stdout.matches("member got 1 user").count(),
            heard,
            "{variable}: {logs}"
        );
    }

    for (variable, code) in [
        ("PIDLET_EXPECT=3,7", 0),
        ("PIDLET_EXPECT=x", 1),
        ("PIDLET_REWRITE=x", 1),
    ] {
        let ended = engine.run(&["--init", "-e", variable, IMAGE, "/probe", "exit", "7"]);
        assert_eq!(ended.exit, Exit::Code(code), "{variable}: {ended}");
    }
}

#[test]
fn a_daemon_gives_every_container_an_init() {
    docker!();
    let engine = Engine::start("init", &init_path(), &["--init"]);
    with_image(&engine);
    // The first process is the init, so the command has another number, and orphans are reaped.
    let ended = engine.run(&[IMAGE, "/probe", "signal-parent", "15"]);
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    assert_eq!(ended.stdout, "got 15 user from parent\n", "{ended}");
    // There is no init where the PID namespace is not the container's own.
    let ended = engine.run(&["--pid", "host", IMAGE, "/probe", "exit", "7"]);
    assert_eq!(ended.exit, Exit::Code(7), "{ended}");
}
