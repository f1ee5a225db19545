//! What ends a container, and with what code and reason (pidlet(8), EXIT STATUS): with one, two and twenty
//! commands, as PID 1 and as a subreaper that is not PID 1.

mod support;
use support::*;

/// The commands of one container, with separators between.
fn commands(commands: &[&[&str]]) -> Vec<String> {
    let joined = commands.join(&"---");
    joined.iter().map(|word| (*word).to_owned()).collect()
}

/// A container of `count` commands: the last one runs the script `last`, which waits for a line on standard
/// input; the others report their signals and exit with 0 on TERM.
struct Several {
    init: Proc,
    others: usize,
}

impl Several {
    #[track_caller]
    fn start(mode: Mode, options: &[&str], count: usize, last: &str) -> Several {
        let other: &[&str] = &[probe(), "signals", "--exit-on", "15=0"];
        let mut all: Vec<&[&str]> = vec![other; count - 1];
        let last = ["sh", "-c", last];
        all.push(&last);
        let run = Run::pidlet()
            .mode(mode)
            .args(options)
            .arg("--")
            .args(commands(&all));
        let init = run.stdin(Input::Pipe).start();
        let several = Several {
            init,
            others: count - 1,
        };
        several.wait_count("ready", count - 1);
        several
    }

    #[track_caller]
    fn wait_count(&self, line: &str, count: usize) {
        self.init.until(&format!("{count} times {line:?}"), || {
            self.init
                .lines(Out)
                .iter()
                .filter(|seen| *seen == line)
                .count()
                >= count
        });
    }

    /// Lets the last command go on, and checks the end: the code, the last line, and that the
    /// others were all told to stop.
    #[track_caller]
    fn go_on(self, code: i32, reason: &str) {
        self.init.send("\n");
        self.ends(code, reason);
    }

    #[track_caller]
    fn ends(self, code: i32, reason: &str) {
        let others = self.others;
        let ended = self.init.finish();
        assert_eq!(ended.exit, Exit::Code(code), "{ended}");
        assert_last_line(&ended, reason);
        let told = ended
            .stdout
            .lines()
            .filter(|line| line.starts_with("got 15 "))
            .count();
        assert_eq!(told, others, "{ended}");
    }
}

#[track_caller]
fn assert_last_line(ended: &Ended, expected: &str) {
    assert_eq!(ended.last_line(), format!("pidlet: {expected}"), "{ended}");
}

#[test]
fn the_container_has_the_code_of_the_command_that_ended() {
    for mode in Mode::BOTH {
        for count in [1, 2, 20] {
            Several::start(mode, &[], count, "read x; exit 3").go_on(
                3,
                "sh (pid N) exited with code 3 after T; container exits 3",
            );
            Several::start(mode, &[], count, "read x; exit 0").go_on(
                0,
                "sh (pid N) exited with code 0 after T; container exits 0",
            );
        }
    }
}

#[test]
fn a_death_by_signal_is_128_plus_its_number() {
    for mode in Mode::BOTH {
        for count in [1, 2, 20] {
            let reason = "sh (pid N) was killed by signal 11 (SEGV) after T; container exits 139";
            Several::start(mode, &[], count, "read x; kill -SEGV $$").go_on(139, reason);
            let reason = "sh (pid N) was killed by signal 9 (KILL) from outside after T; \
                container exits 137";
            Several::start(mode, &[], count, "read x; kill -KILL $$").go_on(137, reason);
        }
    }
}

#[test]
fn every_code_passes_through() {
    std::thread::scope(|scope| {
        for chunk in [0..64, 64..128, 128..192, 192..256] {
            scope.spawn(move || {
                for code in chunk {
                    let ended = Run::pidlet()
                        .args([probe(), "exit", &code.to_string()])
                        .output();
                    assert_eq!(ended.exit, Exit::Code(code), "{ended}");
                }
            });
        }
    });
}

/// A child that could not be started lets go of what it shares with us before it is dead, and may only be
/// reaped later, among others.
#[test]
fn children_that_could_not_be_started_are_no_orphans() {
    let temp = Temp::new();
    let mut plan = String::new();
    for at in 0..20 {
        plan += &format!("[s{at}]\nrun = /no/such/file\nessential = no\n");
    }
    let many = temp.write("many.conf", plan, 0o644);
    let often = || {
        for words in [["--", "/no/such/file"], ["-c", many.as_str()]].repeat(10) {
            let run = Run::pidlet().mode(Mode::Child);
            let ended = run.args(["-vv", "--grace", "0"]).args(words).output();
            for untrue in ["orphan", "left over"] {
                assert!(!ended.stderr.contains(untrue), "{ended}");
            }
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(often))));
}

#[test]
fn a_command_that_cannot_be_started_stops_those_that_run() {
    let temp = Temp::new();
    let no_interpreter = temp.write("no-interpreter", "#!/no/such/thing\n", 0o755);
    let no_exec = temp.write("no-exec", "#!/bin/sh\n", 0o644);
    let garbage = temp.write("garbage", [0x7f, b'E', b'L', b'F', 9, 9, 9, 9], 0o755);
    let text = temp.write("text", "exit 9\n", 0o755);
    let cannot = |name: &str, path: &str, what: &str, code: i32| {
        format!("{name}: cannot run \"{path}\": {what}; container exits {code}")
    };
    let gone = "it is there, but the interpreter or loader that it names is not";
    let rows = [
        ("nosuch", "No such file or directory", 127),
        ("/no/such/file", "No such file or directory", 127),
        ("/etc/passwd/x", "Not a directory", 127),
        ("", "No such file or directory", 127),
        (&no_interpreter, gone, 127),
        ("/etc", "Permission denied", 126),
        (&no_exec, "Permission denied", 126),
        (&garbage, "Exec format error", 126),
        (&text, "Exec format error", 126),
    ];
    for (program, what, code) in rows {
        let name = program.rsplit('/').next().unwrap_or_default();
        let reason = cannot(name, program, what, code);
        for mode in Mode::BOTH {
            let ended = Run::pidlet().mode(mode).args(["--", program]).output();
            assert_eq!(ended.exit, Exit::Code(code), "{ended}");
            assert_eq!(ended.stderr, format!("pidlet: {reason}\n"), "{ended}");

            let others: [&str; 4] = [probe(), "signals", "--exit-on", "15=0"];
            let args = commands(&[&others, &[program, "argument"], &others]);
            let ended = Run::pidlet().mode(mode).arg("--").args(args).output();
            assert_eq!(ended.exit, Exit::Code(code), "{ended}");
            assert_last_line(&ended, &reason);
        }
    }
}

#[test]
fn a_process_that_cannot_be_made_is_a_set_up_fault() {
    // Root is exempt from the limit, so pidlet runs as a user that has no other process, even if these tests
    // run twice at the same time.
    let program = pidlet().to_str().unwrap();
    let user = format!("--reuid={}", 20_000 + std::process::id() % 40_000);
    // SAFETY: asks for a number.
    let root = unsafe { libc::geteuid() } == 0;
    let one = &["--", "/bin/true"][..];
    let two = &["--", "/bin/true", "---", "/bin/true"];
    for (mode, arguments) in Mode::BOTH
        .into_iter()
        .flat_map(|mode| [(mode, one), (mode, two)])
    {
        let run = match root {
            true => Run::new("/usr/bin/setpriv").args([&user, "--clear-groups", "--", program]),
            false => Run::pidlet(),
        };
        let run = run.mode(mode).args(arguments);
        let ended = run.limit(libc::RLIMIT_NPROC, 1, 1).output();
        assert_eq!(ended.exit, Exit::Code(125), "{ended}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
        let reason = "true: cannot make a process for \"/bin/true\": Resource temporarily \
            unavailable; container exits 125";
        assert_last_line(&ended, reason);
    }
}

#[test]
fn until_all_waits_for_all_and_has_the_code_of_the_first_that_failed() {
    for mode in Mode::BOTH {
        let run = |commands_: &[&[&str]]| {
            let run = Run::pidlet().mode(mode).args(["--until", "all", "--"]);
            run.args(commands(commands_)).output()
        };
        let ended = run(&[&["true"], &["sh", "-c", "sleep 0.1; echo last"], &["true"]]);
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        assert_eq!(ended.stdout, "last\n");
        assert_last_line(&ended, "all services have ended; container exits 0");

        // The second fails first in time, and the first is not stopped by it.
        let args = commands(&[
            &["sh", "-c", "read x; echo slow; exit 5"],
            &["sh", "-c", "exit 4"],
        ]);
        let run = Run::pidlet()
            .mode(mode)
            .args(["--until", "all", "--"])
            .args(args);
        let init = run.stdin(Input::Pipe).start();
        init.wait_line(ErrOut, |line| line.contains(") exited with code 4 after"));
        init.send("\n");
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(4), "{ended}");
        assert_eq!(ended.stdout, "slow\n", "{ended}");
        assert_last_line(
            &ended,
            "sh-2 (pid N) exited with code 4 after T; container exits 4",
        );
    }
}

#[test]
fn until_failure_goes_on_after_a_success() {
    for mode in Mode::BOTH {
        let options = ["--until=failure"];
        let several = Several::start(mode, &options, 3, "read x; echo done; read x; exit 6");
        several.init.send("\n");
        several.wait_count("done", 1);
        several.go_on(
            6,
            "sh (pid N) exited with code 6 after T; container exits 6",
        );

        let ended = Run::pidlet()
            .mode(mode)
            .args(["--until=failure", "true", "---", "true"]);
        let ended = ended.output();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    }
}

#[test]
fn after_a_stop_signal_the_first_failure_in_the_list_counts_or_the_first_command() {
    let on_term = |code: &'static str| [probe(), "signals", "--exit-on", code];
    let dies = [probe(), "sleep"];
    for (first, second, third, code, name) in [
        (
            on_term("15=0"),
            on_term("15=0"),
            on_term("15=0"),
            0,
            "probe",
        ),
        (
            on_term("15=0"),
            on_term("15=3"),
            on_term("15=4"),
            3,
            "probe-2",
        ),
        (
            on_term("15=5"),
            on_term("15=3"),
            on_term("15=4"),
            5,
            "probe",
        ),
        // A command that dies of the signal that we sent, or says so by its code as a shell does, has not
        // failed.
        (
            on_term("15=0"),
            on_term("15=143"),
            on_term("15=0"),
            0,
            "probe",
        ),
        (
            on_term("15=143"),
            on_term("15=0"),
            on_term("15=0"),
            143,
            "probe",
        ),
    ] {
        for mode in Mode::BOTH {
            let args = commands(&[&first, &second, &third, &dies]);
            let init = Run::pidlet().mode(mode).arg("--").args(args).start();
            init.until("all are ready", || init.lines(Out).len() == 4);
            init.kill(libc::SIGTERM);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(code), "{ended}");
            let reason = format!(
                "stopped by TERM: {name} (pid N) exited with code {code} after T; \
                 container exits {code}"
            );
            assert_last_line(&ended, &reason);
        }
    }
}

#[test]
fn expected_codes_become_success() {
    for mode in Mode::BOTH {
        for (args, code) in [
            (["-e", "143", "--", "probe", "die", "15"], 0),
            (["-e", "3", "--", "probe", "exit", "3"], 0),
            (["--expect=3,4", "-v", "--", "probe", "exit", "4"], 0),
            (["-e", "3", "--", "probe", "exit", "4"], 4),
        ] {
            let run = Run::pidlet()
                .mode(mode)
                .args(&args[..3])
                .arg(probe())
                .args(&args[4..]);
            let ended = run.output();
            assert_eq!(ended.exit, Exit::Code(code), "{ended}");
        }
        // An expected code is no failure: the others go on.
        let failed = [
            "--until=failure",
            "-e",
            "3",
            "--",
            "sh",
            "-c",
            "exit 3",
            "---",
            "sh",
            "-c",
        ];
        let ended = Run::pidlet()
            .mode(mode)
            .args(failed)
            .arg("sleep 0.2; exit 7")
            .output();
        assert_eq!(ended.exit, Exit::Code(7), "{ended}");
    }
}

#[test]
fn the_reason_goes_to_the_termination_log_too() {
    let temp = Temp::new();
    let log = temp.join("log");
    for options in [
        &["--termination-log", &log][..],
        &["-qq", "--termination-log", &log],
    ] {
        let ended = Run::pidlet()
            .args(options)
            .args(["--", "sh", "-c", "exit 3"])
            .output();
        assert_eq!(ended.exit, Exit::Code(3), "{ended}");
        let reason = std::fs::read_to_string(&log).unwrap();
        assert!(
            reason.starts_with("pidlet: sh (pid 2) exited with code 3"),
            "{reason:?}"
        );
        assert!(reason.ends_with("; container exits 3\n"), "{reason:?}");
        assert_eq!(ended.stderr, if options.len() == 2 { &reason } else { "" });
    }
    // What is written to a closed standard error does not end up in the log.
    let args = ["--termination-log", &log, "--", "sh", "-c", "exit 3"];
    let run = Run::pidlet().args(args).stderr(Output::Closed);
    assert_eq!(run.output().exit, Exit::Code(3));
    let lines = lines_of(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    // If the log cannot be written, a message says so, and the reason still comes last.
    let ended = Run::pidlet()
        .args(["--termination-log", "/none/log", "--", "sh", "-c", "exit 3"])
        .output();
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(
        lines[..1],
        ["pidlet: cannot write \"/none/log\": No such file or directory"],
        "{ended}"
    );
    assert!(
        lines.len() == 2 && lines[1].ends_with("; container exits 3"),
        "{ended}"
    );
    // Kubernetes' file: only if it exists and is empty.
    let under = "mount -t tmpfs none /dev && cd /dev";
    for (make, run, expected) in [
        ("> termination-log", "sh -c 'exit 3'", true),
        ("> termination-log", "-t x sh", true),
        ("echo mine > termination-log", "sh -c 'exit 3'", false),
        ("echo mine > termination-log", "-t x sh", false),
    ] {
        let script = format!("{under} && {make} && \"$0\" {run}; cat /dev/termination-log");
        let ended = Run::new("/usr/bin/unshare")
            .args(["--user", "--map-root-user", "--mount", "sh"])
            .args(["-c", &script, pidlet().to_str().unwrap()])
            .output();
        assert_eq!(
            !ended.stderr.is_empty() && ended.stdout.ends_with(&ended.stderr),
            expected,
            "{ended}"
        );
        assert_eq!(ended.stdout.contains("mine"), !expected, "{ended}");
    }
}

#[test]
fn faults_go_to_the_termination_log_too() {
    let temp = Temp::new();
    let log = temp.join("log");
    let plan = temp.join("plan");
    std::fs::write(
        &plan,
        format!("[pidlet]\ntermination-log = {log}\n[a]\nrun = $NONE\nrestrat = no\n"),
    )
    .unwrap();
    for (args, lines) in [
        (
            &["--nope", "--until=x", "--termination-log", &log, "--", "sh"][..],
            2,
        ),
        (&["--termination-log", &log, "-c", "/none/plan"], 1),
        (&["-c", &plan], 2),
    ] {
        std::fs::write(&log, "an older one\n").unwrap();
        let ended = Run::pidlet().args(args).output();
        assert_eq!(ended.exit, Exit::Code(1), "{ended}");
        assert_eq!(ended.stderr.lines().count(), lines, "{ended}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), ended.stderr);
    }
    // The fault is in the log itself, which is emptied before the fault is written there: still nothing runs.
    std::fs::write(&log, "=\n").unwrap();
    let text = format!("[a]\nrun = echo ran\nenv-file = {log}\n");
    let ended = Run::with_plan(&temp, &text)
        .args(["--termination-log", &log])
        .output();
    assert_eq!((ended.exit, &*ended.stdout), (Exit::Code(1), ""), "{ended}");
    assert!(ended.stderr.contains("env-file: "), "{ended}");
    // `--help` answers and ends; there is no reason to write.
    std::fs::remove_file(&log).unwrap();
    let ended = Run::pidlet()
        .args(["--termination-log", &log, "--help"])
        .output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    assert!(!std::fs::exists(&log).unwrap());
}

#[test]
fn hold_keeps_the_container_after_a_failure() {
    for mode in Mode::BOTH {
        for others in [0, 2] {
            let several = Several::start(mode, &["--hold"], others + 1, "read x; exit 3");
            several.init.send("\n");
            let held = several
                .init
                .wait_line(ErrOut, |line| line.contains("held until"));
            assert!(held.contains(" exited with code 3 after "), "{held}");
            // Commands that still run get signals as before.
            several.init.kill(libc::SIGUSR1);
            several.init.until("USR1 is passed on", || {
                let got = several.init.lines(Out);
                got.iter()
                    .filter(|line| line.starts_with("got 10 "))
                    .count()
                    == others
            });
            assert_eq!(several.init.try_wait(), None, "{}", several.init.describe());
            several.init.kill(libc::SIGTERM);
            let reason = "sh (pid N) exited with code 3 after T; container exits 3";
            several.ends(3, reason);
        }
        let ended = Run::pidlet()
            .mode(mode)
            .args(["--hold", "--", "true"])
            .output();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    }
}
