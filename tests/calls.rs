//! Kernels that lack a system call, and seccomp profiles that refuse one: pidlet goes without it where it
//! can (docs/kernels.md lists what it uses), and says what is missing where it cannot.
//!
//! A filter answers ENOSYS, as an older kernel does, or EPERM, as some profiles do.

mod support;
use support::*;

use std::fs::File;

/// What the kernel answers, our text for it, and pidlet's place in its namespace.
fn answers() -> impl Iterator<Item = (i32, &'static str, Mode)> {
    let answers = [
        (libc::ENOSYS, "Function not implemented"),
        (libc::EPERM, "Operation not permitted"),
    ];
    let both = |(errno, text)| Mode::BOTH.map(|mode| (errno, text, mode));
    answers.into_iter().flat_map(both)
}

/// pidlet with a kernel that answers `errno` to the system call, if its first argument is `first`.
fn without(mode: Mode, call: libc::c_long, first: Option<i32>, errno: i32) -> Run {
    let first = first.map_or("any".to_owned(), |first| first.to_string());
    let run = Run::new(probe()).mode(mode).stdin(Input::Pipe);
    let run = run.args(["without", &errno.to_string(), &call.to_string(), &first]);
    run.arg(pidlet()).arg("pidlet")
}

/// What pidlet can do without.
const OPTIONAL: [(&str, libc::c_long, Option<i32>); 9] = [
    ("close_range", libc::SYS_close_range, None),
    ("pidfd_open", libc::SYS_pidfd_open, None),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal, None),
    ("madvise", libc::SYS_madvise, None),
    ("prlimit64", libc::SYS_prlimit64, None),
    ("chdir", libc::SYS_chdir, None),
    ("signalfd4", libc::SYS_signalfd4, None),
    ("epoll_create1", libc::SYS_epoll_create1, None),
    (
        "subreaper",
        libc::SYS_prctl,
        Some(libc::PR_SET_CHILD_SUBREAPER),
    ),
];

/// Those that one command can do without, but not services that are watched or whose output we write.
const FOR_WATCHING: [&str; 2] = ["signalfd4", "epoll_create1"];

/// The message about it, if there is one.
fn remark(name: &str, mode: Mode) -> &'static str {
    match (name, mode) {
        ("subreaper", Mode::Child) => {
            "pidlet: cannot become a child subreaper: orphans will not be reaped here\n"
        }
        _ => "",
    }
}

#[test]
fn one_command_starts_and_is_reaped_and_stops_without_any_optional_call() {
    let script = "((sleep 1000 &)); exec \"$0\" signals --exit-on 15=3";
    for (name, call, first) in OPTIONAL {
        for (errno, _, mode) in answers() {
            println!("{name}, {errno}, {mode:?}");
            let run = without(mode, call, first, errno).args(["sh", "-c", script, probe()]);
            let init = run.start();
            init.wait_ready(1);
            init.kill(libc::SIGUSR1);
            init.wait_says("got 10 user from parent");
            init.until("there is an orphan", || init.find("sleep").is_some());
            let orphan = init.find("sleep").expect("it sleeps for long");
            let ours = orphan.ppid == init.pid();
            assert_eq!(ours, remark(name, mode).is_empty(), "{}", init.describe());
            // SAFETY: a process of this test that has not been reaped yet.
            unsafe { libc::kill(orphan.pid, libc::SIGKILL) };
            init.until("the orphan is reaped", || init.find("sleep").is_none());
            init.kill(libc::SIGTERM);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(3), "{ended}");
            let said = ended.stderr.strip_prefix(remark(name, mode));
            let said = said.unwrap_or_else(|| panic!("{ended}"));
            assert!(
                said.starts_with("pidlet: stopped by TERM: sh (pid "),
                "{ended}"
            );
            assert_eq!(said.lines().count(), 1, "{ended}");
        }
    }
}

/// Services whose output we write, one of which says that it is ready, and an orphan far from its group.
const PLAN: &str = "[pidlet]
log = prefix
grace = 1h
[web]
run = PROBE write-fd 4 is up
ready = fd:4
[left]
type = oneshot
run = sh -c '((setsid sleep 1000 &))'
after = web
[next]
run = PROBE signals --exit-on 15=3
after = left
";

#[test]
fn a_plan_is_carried_out_without_any_optional_call() {
    let temp = Temp::new();
    let plan = temp.write("plan", PLAN.replace("PROBE", probe()), 0o644);
    for (name, call, first) in OPTIONAL {
        for (errno, why, mode) in answers() {
            println!("{name}, {errno}, {mode:?}");
            let init = without(mode, call, first, errno)
                .args(["-c", &plan])
                .start();
            if FOR_WATCHING.contains(&name) {
                let ended = init.finish();
                assert_eq!(ended.exit, Exit::Code(125), "{ended}");
                let reason = format!("pidlet: web: stdout: {why}; container exits 125");
                assert_eq!(ended.last_line(), reason, "{ended}");
                continue;
            }
            init.wait_says("next | ready");
            init.until("there is an orphan", || init.find("sleep").is_some());
            init.kill(libc::SIGTERM);
            // Nothing is waited for until the budget runs out.
            let exit = init.wait_exit();
            assert_eq!(exit, Exit::Code(3), "{}", init.describe());
            // An orphan that never came to us is unknown to us.
            let orphans = init
                .others()
                .iter()
                .filter(|info| info.comm == "sleep")
                .count();
            let kept = usize::from(!remark(name, mode).is_empty());
            assert_eq!(orphans, kept, "{}", init.describe());
            init.until("the remark is the first that was said", || {
                init.stderr().starts_with(remark(name, mode))
            });
        }
    }
}

#[test]
fn without_a_subreaper_a_daemon_is_not_reported_as_gone() {
    let temp = Temp::new();
    let file = temp.join("pid");
    let text = format!(
        "[web]\ntype = daemon\npidfile = {file}\nready-timeout = 1s\n\
        run = sh -c 'sleep 1000 >/dev/null 2>&1 & echo $! >{file}'\n"
    );
    let plan = temp.write("plan", text, 0o644);
    let subreaper = Some(libc::PR_SET_CHILD_SUBREAPER);
    let run = without(Mode::Child, libc::SYS_prctl, subreaper, libc::EPERM);
    let ended = run.args(["-c", &plan]).output();
    let reason = format!(
        "pidlet: web: pidfile \"{file}\" names a process that is not its own; container exits 1"
    );
    assert_eq!(ended.last_line(), reason, "{ended}");
}

/// Keys that need a system call of the kernel: the keys, the call, what is said without it.
const REQUIRED: [(&str, libc::c_long, Option<i32>, &str); 22] = [
    (
        "",
        libc::SYS_clone,
        None,
        "a: cannot make a process for \"true\": ",
    ),
    (
        "",
        libc::SYS_setpgid,
        None,
        "a: cannot make a process group for \"true\": ",
    ),
    (
        "log-size = 1M\nstdout = file:TEMPlog",
        libc::SYS_pipe2,
        None,
        "a: stdout \"file:TEMPlog\": ",
    ),
    (
        "stdout = null",
        libc::SYS_dup3,
        None,
        "a: stdout \"null\": ",
    ),
    ("stdin = null", libc::SYS_dup3, None, "a: stdin \"null\": "),
    (
        "stderr = null",
        libc::SYS_dup3,
        None,
        "a: stderr \"null\": ",
    ),
    ("ready = fd:9", libc::SYS_dup3, None, "a: ready \"fd:9\": "),
    ("ready = fd:9", libc::SYS_pipe2, None, "a: ready \"fd:9\": "),
    (
        "ready = fd:9",
        libc::SYS_signalfd4,
        None,
        "a: ready \"fd:9\": ",
    ),
    (
        "ready = fd:9",
        libc::SYS_epoll_create1,
        None,
        "a: ready \"fd:9\": ",
    ),
    (
        "ready = notify",
        libc::SYS_socket,
        None,
        "a: ready \"notify\": ",
    ),
    (
        "ready = notify",
        libc::SYS_bind,
        None,
        "a: ready \"notify\": ",
    ),
    (
        "ready = notify",
        libc::SYS_epoll_ctl,
        None,
        "a: ready \"notify\": ",
    ),
    (
        "watchdog = 5s",
        libc::SYS_socket,
        None,
        "a: watchdog \"5s\": ",
    ),
    ("user = 1:1", libc::SYS_setresuid, None, "a: user \"1:1\": "),
    ("user = 1:1", libc::SYS_setgroups, None, "a: user \"1:1\": "),
    (
        "nofile = 100",
        libc::SYS_prlimit64,
        None,
        "a: nofile \"100\": ",
    ),
    ("caps = kill", libc::SYS_capset, None, "a: caps \"kill\": "),
    (
        "caps = kill",
        libc::SYS_prctl,
        Some(libc::PR_CAP_AMBIENT),
        "a: caps \"kill\": ",
    ),
    (
        "caps = kill",
        libc::SYS_prctl,
        Some(libc::PR_CAPBSET_READ),
        "a: caps \"kill\": ",
    ),
    (
        "caps = kill",
        libc::SYS_prctl,
        Some(libc::PR_CAPBSET_DROP),
        "a: caps \"kill\": ",
    ),
    (
        "no-new-privs = yes",
        libc::SYS_prctl,
        Some(libc::PR_SET_NO_NEW_PRIVS),
        "a: no-new-privs \"yes\": ",
    ),
];

#[test]
fn a_service_that_needs_a_missing_call_is_not_run_and_that_is_reported() {
    let temp = Temp::new();
    for (keys, call, first, fault) in REQUIRED {
        let needs_root = keys.starts_with("user") || keys.starts_with("caps");
        if needs_root && !is_root() {
            // An ordinary user may change neither groups nor users nor capabilities, whatever the kernel has.
            continue;
        }
        for (errno, why, mode) in answers() {
            let plan = format!(
                "[a]\nrun = true\n{}\n",
                keys.replace("TEMP", &temp.join(""))
            );
            let plan = temp.write("plan", plan, 0o644);
            let ended = without(mode, call, first, errno)
                .args(["-c", &plan])
                .output();
            assert_eq!(ended.exit, Exit::Code(125), "{keys:?} {ended}");
            let fault = fault.replace("TEMP", &temp.join(""));
            let reason = format!("pidlet: {fault}{why}; container exits 125");
            assert_eq!(ended.last_line(), reason, "{keys:?} {ended}");
        }
    }
}

/// This is what XFS and Btrfs answer to a write that must not wait but would have to.
#[test]
fn a_file_that_cannot_be_written_at_once_gets_every_line() {
    let temp = Temp::new();
    let path = temp.join("log");
    for mode in Mode::BOTH {
        let log = File::create(&path).expect("a temporary file can be made");
        for stderr in [Output::Full, Output::File(log)] {
            let run = without(mode, libc::SYS_pwritev2, None, libc::EAGAIN);
            let run = run.args(["-vv", "--", "sh", "-c", "exit 3"]).stderr(stderr);
            assert_eq!(run.output().exit, Exit::Code(3));
        }
        let lines = lines_of(&path);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].ends_with("; container exits 3"), "{lines:?}");
    }
}

/// A full pipe answers the same. If it has room again a moment later, another process may fill it before us.
#[test]
fn a_pipe_that_takes_nothing_now_is_not_written_to_by_a_call_that_may_wait() {
    for mode in Mode::BOTH {
        let run = without(mode, libc::SYS_pwritev2, None, libc::EAGAIN);
        let ended = run.args(["-vv", "--", "sh", "-c", "exit 3"]).output();
        assert_eq!(ended.exit, Exit::Code(3), "{ended}");
        assert_eq!(ended.stderr, "", "{ended}");
    }
}

#[test]
fn a_directory_that_cannot_be_read_is_a_fault_of_the_plan() {
    let temp = Temp::new();
    temp.write("name", "#!/bin/sh\necho value\n", 0o755);
    let sections = [
        ("env-dir", "run = true\nenv-dir = TEMP"),
        ("run-parts", "type = oneshot\nrun-parts = TEMP"),
    ];
    for (key, section) in sections {
        for (errno, why, mode) in answers() {
            let plan = format!("[a]\n{section}\n").replace("TEMP", &temp.join(""));
            let plan = temp.write("plan", plan, 0o644);
            let run = without(mode, libc::SYS_getdents64, None, errno).args(["-c", &plan]);
            let ended = run.output();
            assert_eq!(ended.exit, Exit::Code(1), "{ended}");
            let directory = temp.join("");
            let fault =
                format!("pidlet: {plan}:3: [a] {key}: \"{directory}\": cannot read it: {why}\n");
            assert!(ended.stderr.starts_with(&fault), "{ended}");
        }
    }
}

/// A pidlet that cannot list `/proc`, with a command that exits with 3 on TERM, and an orphan in a session of
/// its own. Stops the container and waits for its end.
#[track_caller]
fn stops_beside_an_orphan(mode: Mode, errno: i32, options: &[&str]) -> Proc {
    let script = "((setsid sleep 1000 &)); exec \"$0\" signals --exit-on 15=3";
    let run = without(mode, libc::SYS_getdents64, None, errno).args(options);
    let init = run.args(["--", "sh", "-c", script, probe()]).start();
    init.wait_ready(1);
    init.until("there is an orphan", || {
        init.find("sleep")
            .is_some_and(|orphan| orphan.sid == orphan.pid)
    });
    init.kill(libc::SIGTERM);
    assert_eq!(init.wait_exit(), Exit::Code(3), "{}", init.describe());
    init
}

#[test]
fn leftovers_that_cannot_be_found_are_reported_when_the_budget_is_over() {
    for errno in [libc::ENOSYS, libc::EPERM] {
        let init = stops_beside_an_orphan(Mode::Child, errno, &["--grace", "300ms"]);
        let left =
            "pidlet: processes left over are not stopped: without /proc they cannot be found";
        init.wait_line(ErrOut, |line| line == left);
    }
}

/// As PID 1 pidlet can signal every process, even those that were signalled with their group already.
#[test]
fn pid_1_tells_leftovers_that_cannot_be_found_along_with_all_others() {
    for errno in [libc::ENOSYS, libc::EPERM] {
        stops_beside_an_orphan(Mode::Pid1, errno, &["-g", "--grace", "1h"]);
    }
}

#[test]
fn without_memory_nothing_runs_and_that_is_reported() {
    let temp = Temp::new();
    // More than there is room for at the start.
    let text = format!("[a]\nrun = true\n# {}\n", "x".repeat(100_000));
    let plan = temp.write("plan", text, 0o644);
    for mode in Mode::BOTH {
        let run = without(mode, libc::SYS_mmap, None, libc::ENOMEM).args(["-c", &plan]);
        let ended = run.output();
        assert_eq!(ended.exit, Exit::Code(125), "{ended}");
        assert_eq!(ended.stderr, "pidlet: cannot allocate memory\n", "{ended}");
    }
}

/// What the start of a watched service calls, after it has opened something, and cannot do without.
const OPENED: [libc::c_long; 5] = [
    libc::SYS_pipe2,
    libc::SYS_bind,
    libc::SYS_signalfd4,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
];

#[test]
fn a_start_that_fails_again_and_again_leaves_nothing_open_and_signals_are_heard() {
    let temp = Temp::new();
    let keys = "restart = always\nbackoff = 1ms..1ms\ntries = 1000 in 1s\nready = notify\n";
    for (call, mode) in OPENED
        .iter()
        .flat_map(|call| Mode::BOTH.map(|mode| (*call, mode)))
    {
        // The file is opened before the pipe, which a service needs only if its output is captured.
        let log = if call == libc::SYS_pipe2 {
            "log = prefix\n"
        } else {
            ""
        };
        let text =
            format!("[pidlet]\n{log}[a]\nrun = sleep 1000\nstdin = file:/etc/passwd\n{keys}");
        let plan = temp.write("plan", text, 0o644);
        let run = without(mode, call, None, libc::EMFILE).args(["-c", &plan]);
        let init = run.start();
        init.until("it has failed for some time", || {
            init.lines(ErrOut).len() > 20
        });
        let files = init.fds();
        assert!(files.len() < 10, "without {call}: {files:?}");
        init.kill(libc::SIGTERM);
        let exit = init.wait_exit();
        assert_eq!(exit, Exit::Code(125), "{}", init.describe());
    }
}

/// What a check by TCP needs; where that cannot be had, the message says why.
#[test]
fn the_reason_why_a_check_cannot_be_made_is_reported() {
    let temp = Temp::new();
    let text = "[web]\nrun = sleep 1000\nready = tcp:127.0.0.1:9\nready-timeout = 200ms\n";
    let plan = temp.write("plan", text, 0o644);
    let calls = [
        libc::SYS_socket,
        libc::SYS_signalfd4,
        libc::SYS_epoll_create1,
        libc::SYS_epoll_ctl,
    ];
    for (call, mode) in calls
        .iter()
        .flat_map(|call| Mode::BOTH.map(|mode| (*call, mode)))
    {
        let run = without(mode, call, None, libc::EMFILE).args(["-c", &plan]);
        let ended = run.output();
        let reason = "stopped (ready \"tcp:127.0.0.1:9\": Too many open files)";
        assert!(
            ended.last_line().contains(reason),
            "without {call}: {ended}"
        );
    }
}

/// Without a socket nothing can be told, and there is nothing to wait for.
#[test]
fn without_a_socket_the_supervisor_of_the_container_is_not_waited_for() {
    let temp = Temp::new();
    let path = temp.path().join("upward");
    let _watches = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let text = format!("[web]\nrun = {} sleep\n", probe());
    let plan = temp.write("plan", text, 0o644);
    for mode in Mode::BOTH {
        let run = Run::listened().mode(mode);
        let run = run.args(["-c", &plan]);
        let init = run.env("NOTIFY_SOCKET", &path).start();
        let answer = |call: &Call| (call.number == libc::SYS_socket).then_some(libc::EMFILE);
        let Some(listener) = Listener::to(&init, pidlet(), answer) else {
            skip!("this kernel lets no process answer another's system calls");
        };
        init.wait_ready(1);
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(143), "{}", init.describe());
        let calls = listener.calls();
        let count = |number| calls.iter().filter(|call| call.number == number).count();
        assert_eq!(count(libc::SYS_socket), 2, "{}", init.describe());
        // The last line waits for its reader, which on an older kernel takes another look at the pipe.
        let waits = count(libc::SYS_ppoll);
        assert!(waits <= 2, "{waits} waits");
    }
}

#[test]
fn a_program_that_starts_as_we_are_killed_with_our_parent_is_killed_too() {
    let init = Run::listened().mode(Mode::Child);
    let init = init.args(["-p", "KILL", "sleep", "1000"]).start();
    // The death of our parent, just before the child asks to be killed with us.
    let kill = |call: &Call| {
        if call.child && call.number == libc::SYS_prctl {
            let parent = Info::of(call.pid).map_or(0, |info| info.ppid);
            // SAFETY: the program under test, which waits for its child.
            unsafe { libc::kill(parent, libc::SIGKILL) };
            until("the child has another parent", TIMEOUT, || {
                Info::of(call.pid).is_none_or(|info| info.ppid != parent)
            });
        }
        None
    };
    if Listener::to(&init, pidlet(), kill).is_none() {
        skip!("this kernel lets no process answer another's system calls");
    }
    assert_eq!(init.wait_exit(), Exit::Signal(libc::SIGKILL));
    init.until("nothing is left", || {
        init.others()
            .iter()
            .all(|info| info.comm != "sleep" && info.comm != "pidlet")
    });
}
