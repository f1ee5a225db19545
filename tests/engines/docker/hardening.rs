//! Containers that may do next to nothing, and containers that share a PID namespace with others.
//!
//! Docker's default seccomp profile is on everywhere.

use super::{Container, PLAN, PROBE, docker, engine, wait_lines};
use crate::rootfs::static_probe;
use crate::support::*;
use crate::tool::{HARDENED, PATIENCE, Tool};

/// What Docker can take away besides.
const NO_IPC: &[&str] = &["--ipc", "none"];

/// A container with `HARDENED`, `NO_IPC` and these options; `docker` commands; its end.
struct Hardened {
    line: &'static [&'static str],
    ready: usize,
    acts: &'static [&'static [&'static str]],
    code: i32,
    says: [&'static str; 2],
}

const CASES: &[Hardened] = &[
    Hardened {
        line: &[PROBE, "/probe", "exit", "7"],
        ready: 0,
        acts: &[],
        code: 7,
        says: ["", "container exits 7"],
    },
    Hardened {
        line: &[PROBE, "/nothing"],
        ready: 0,
        acts: &[],
        code: 127,
        says: ["", "/nothing"],
    },
    Hardened {
        line: &[
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "15=4",
            "---",
            "/probe",
            "sleep",
        ],
        ready: 2,
        acts: &[&["kill", "--signal", "WINCH"], &["stop", "--time", "600"]],
        code: 4,
        says: ["got 15 user from parent", "container exits 4"],
    },
    Hardened {
        line: &[PLAN],
        ready: 2,
        acts: &[&["kill", "--signal", "USR1"]],
        code: 6,
        says: ["got 10 user from parent", "container exits 6"],
    },
    Hardened {
        line: &[
            "-e",
            "PIDLET_LOG=prefix",
            PROBE,
            "/probe",
            "say",
            "1",
            "sleep",
            "---",
            "/probe",
            "lines",
            "5000",
        ],
        ready: 0,
        acts: &[],
        code: 0,
        says: ["probe-2 | line 5000", "container exits 0"],
    },
    Hardened {
        line: &[
            "-e",
            "PIDLET_GRACE=600s",
            PROBE,
            "/probe",
            "orphans",
            "3",
            "--then-exit",
            "5",
        ],
        ready: 0,
        acts: &[],
        code: 5,
        says: ["orphan got 15", "container exits 5"],
    },
    Hardened {
        line: &[
            "--init",
            "--entrypoint",
            "",
            PROBE,
            "/probe",
            "signals",
            "--exit-on",
            "15=4",
        ],
        ready: 1,
        acts: &[&["stop", "--time", "600"]],
        code: 4,
        says: ["got 15 user from parent", ""],
    },
];

#[test]
fn it_needs_no_right_and_no_writable_file() {
    docker!();
    for case in CASES {
        let container = Container::start(engine(), &[HARDENED, NO_IPC, case.line].concat());
        container.wait_ready(case.ready);
        for act in case.acts {
            container.docker(act).succeed();
        }
        let code = container.wait_code();
        let logs = container.logs();
        assert_eq!(code, case.code, "{:?}: {logs}", case.line);
        let [out, err] = case.says;
        assert!(logs.stdout.contains(out), "{:?}: {logs}", case.line);
        assert!(logs.stderr.contains(err), "{:?}: {logs}", case.line);
    }
}

/// The kernel frees what a process took a while after its end, and thousands end within a second here.
const MEMORY: &[&str] = &["--memory", "256m"];

/// More orphans, one after the other, than a container with room for twenty processes could hold as zombies.
const MANY: &str = "5000";

/// The number of zombies in a container.
fn zombies(container: &Container) -> usize {
    let first = container
        .inspect("{{.State.Pid}}")
        .parse()
        .expect("a number");
    zombies_around(first)
}

#[test]
fn no_zombies_fill_a_container_with_a_limit() {
    docker!();
    let storm = ["/probe", "spawn-storm", MANY];
    for line in [&[PROBE][..], &["--init", "--entrypoint", "", PROBE]] {
        let container =
            Container::start(engine(), &[HARDENED, NO_IPC, MEMORY, line, &storm].concat());
        container.wait_ready(1);
        let zombies = || zombies(&container);
        until("all are reaped", PATIENCE, || zombies() == 0);
        container.docker(&["stop", "--time", "600"]).succeed();
        assert_eq!(container.wait_code(), 143, "{}", container.logs());
    }
    // The payload by itself reaps its own children and no orphans: after a few there is no room.
    let own: &[&str] = &["--entrypoint", "", PROBE];
    let line = [HARDENED, NO_IPC, MEMORY, own, &storm].concat();
    let container = Container::start(engine(), &line);
    until("zombies fill it", PATIENCE, || zombies(&container) > 15);
    assert_eq!(container.logs().stdout, "");
}

#[test]
fn a_command_that_takes_too_much_memory_is_killed_and_that_is_reported() {
    docker!();
    let memory = ["--memory", "16m", "--memory-swap", "16m"];
    let reason = "was killed by the kernel: out of memory";
    for words in [
        &[PROBE, "/probe", "eat"][..],
        &[PROBE, "/probe", "sleep", "---", "/probe", "eat"],
    ] {
        let ended = engine().run(&[&memory, words].concat());
        assert_eq!(ended.exit, Exit::Code(137), "{ended}");
        assert!(ended.stderr.contains(reason), "{ended}");
        assert!(ended.stderr.contains("container exits 137"), "{ended}");
    }
    // A KILL from elsewhere is no lack of memory.
    let ended = engine().run(&[&memory[..], &[PROBE, "/probe", "die", "9"]].concat());
    assert_eq!(ended.exit, Exit::Code(137), "{ended}");
    assert!(!ended.stderr.contains("out of memory"), "{ended}");
}

/// Several commands and orphans beside a process that has nothing to do with them.
const CROWD: &[&str] = &[
    "-e",
    // Its last eighth is for the orphans, to say what they are told.
    "PIDLET_GRACE=6s",
    PROBE,
    "/probe",
    "orphans",
    "2",
    "---",
    "/probe",
    "orphans",
    "1",
    "--ignore-term",
    "---",
    "/probe",
    "ignore",
    "15",
];

#[test]
fn no_other_process_in_the_host_s_pid_namespace_is_signalled() {
    docker!();
    let words = ["signals", "--exit-on", "10=9"];
    let bystander = Tool::new(static_probe().to_str().expect("the path is UTF-8"))
        .args(words)
        .start();
    bystander.wait_line(Out, |line| line == "ready");
    let container = Container::start(engine(), &[&["--pid", "host"], CROWD].concat());
    container.wait_ready(3);
    let pids = container.docker(&["top"]).succeed().lines().count() - 1;
    assert_eq!(pids, 7, "pidlet, three commands, three orphans");
    container.docker(&["stop", "--time", "600"]).succeed();
    assert_eq!(container.wait_code(), 137, "{}", container.logs());
    assert_eq!(
        container.logs().stdout.matches("orphan got 15").count(),
        2,
        "{}",
        container.logs()
    );
    bystander.kill(libc::SIGUSR1);
    let ended = bystander.finish();
    assert_eq!(ended.exit, Exit::Code(9), "{ended}");
    assert_eq!(ended.stdout, "ready\ngot 10 user from parent\n", "{ended}");
}

#[test]
fn no_other_process_in_another_container_s_pid_namespace_is_signalled() {
    docker!();
    let words = ["/probe", "signals", "--exit-on", "10=9"];
    let plain = ["--entrypoint", "", PROBE];
    // Once as its first process and once as the command of another pidlet.
    for other in [&plain[..], &[PROBE]] {
        let bystander = Container::start(engine(), &[other, &words].concat());
        bystander.wait_ready(1);
        let namespace = format!("container:{}", bystander.name);
        let container = Container::start(engine(), &[&["--pid", &namespace], CROWD].concat());
        container.wait_ready(3);
        container.docker(&["stop", "--time", "600"]).succeed();
        assert_eq!(container.wait_code(), 137, "{}", container.logs());
        let log = bystander.follow();
        bystander.docker(&["kill", "--signal", "USR1"]).succeed();
        assert_eq!(bystander.wait_code(), 9, "{}", bystander.logs());
        wait_lines(&log, "ready", 1);
        let heard = bystander.logs().stdout;
        assert_eq!(heard.lines().count(), 2, "{heard}");
    }
}
