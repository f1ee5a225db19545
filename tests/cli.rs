//! The command line, its environment twins, and bad input: each is refused with a line that a
//! person can act on before anything runs, or it just works.

mod support;
use support::*;

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

/// Runs pidlet with these arguments as PID 1.
#[track_caller]
fn pidlet(args: &[&str]) -> Ended {
    Run::pidlet().args(args).output()
}

#[track_caller]
fn check(ended: &Ended, code: i32, stdout: &str, stderr: &str) {
    let seen = (ended.exit, ended.stdout.as_str(), ended.stderr.as_str());
    assert_eq!(seen, (Exit::Code(code), stdout, stderr), "{ended}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let version = format!("pidlet {}\n", env!("CARGO_PKG_VERSION"));
    for args in [
        &["--version"][..],
        &["-V"],
        &["-qq", "--version", "--nonsense"],
    ] {
        check(&pidlet(args), 0, &version, "");
    }
    for args in [
        &["--help"][..],
        &["-h"],
        &["-t", "1s", "--help", "--nonsense"],
    ] {
        let ended = pidlet(args);
        assert_eq!(
            (ended.exit, ended.stderr.as_str()),
            (Exit::Code(0), ""),
            "{ended}"
        );
        assert!(ended.stdout.starts_with("Usage: pidlet "), "{ended}");
        assert!(ended.stdout.ends_with(" it is that program.\n"), "{ended}");
        for option in OPTIONS {
            assert!(ended.stdout.contains(option), "{option}: {ended}");
        }
    }
}

const OPTIONS: [&str; 15] = [
    "-u, --until ",
    "-t, --grace ",
    "--lame-duck ",
    "-g, --group ",
    "-r, --rewrite ",
    "-e, --expect ",
    "-p, --parent-death ",
    "--hold ",
    "--separator ",
    "--termination-log ",
    "-q, --quiet ",
    "-v, --verbose ",
    "--dry-run ",
    "-h, --help ",
    "-V, --version ",
];

#[test]
fn no_command_is_refused() {
    let said = "pidlet: no command and no /etc/pidlet.conf; 'pidlet --help' says more\n";
    for args in [&[][..], &["--"], &["-q"], &["--grace", "1s", "--"]] {
        check(&pidlet(args), 1, "", said);
    }
    let none: [&str; 0] = [];
    let ended = Run::pidlet().arg0("").args(none).output();
    check(&ended, 1, "", said);
}

#[test]
fn bad_options_are_refused_with_what_was_expected() {
    let duration = "a duration, such as 500ms, 8s, 2m or 1h";
    let signal = "a signal, such as TERM or 15";
    let rewrite = "FROM:TO, two signals, or FROM:0 to drop one";
    let code = "an exit code from 0 to 255";
    let rows = [
        ("--grace", "grace", "8x", duration),
        ("-t", "grace", "", duration),
        ("--grace", "grace", "-1s", duration),
        ("--grace", "grace", "99999999999999999999h", duration),
        ("--lame-duck", "lame-duck", "soon", duration),
        ("--until", "until", "some", "any, all or failure"),
        ("-u", "until", "anybody", "any, all or failure"),
        ("--rewrite", "rewrite", "TERM", rewrite),
        ("-r", "rewrite", "TERM:NOPE", rewrite),
        ("-r", "rewrite", "0:TERM", rewrite),
        ("-r", "rewrite", "65:TERM", rewrite),
        ("--expect", "expect", "256", code),
        ("-e", "expect", "", code),
        ("-e", "expect", "3,x", code),
        ("--parent-death", "parent-death", "SIGNOPE", signal),
        ("-p", "parent-death", "65", signal),
        ("-p", "parent-death", "CHLD", signal),
        ("--separator", "separator", "", "a word"),
        ("-c", "config", "", "a path"),
    ];
    for (option, name, value, expected) in rows {
        let ended = pidlet(&[option, value, "--", "true"]);
        check(
            &ended,
            1,
            "",
            &format!("pidlet: --{name}: \"{value}\": expected {expected}\n"),
        );
        let twin = format!("PIDLET_{}", name.to_uppercase().replace('-', "_"));
        let ended = Run::pidlet()
            .args(["--", "true"])
            .env(&twin, value)
            .output();
        check(
            &ended,
            1,
            "",
            &format!("pidlet: {twin}: \"{value}\": expected {expected}\n"),
        );
    }
    for (args, said) in [
        (&["--nope", "true"][..], "unrecognized option '--nope'"),
        (&["--gra=1s", "true"], "unrecognized option '--gra=1s'"),
        (&["-z", "true"], "invalid option -- 'z'"),
        (
            &["--hold=yes", "true"],
            "option '--hold' doesn't allow an argument",
        ),
        (
            &["true", "---"],
            "command 2 is empty: one separator too many",
        ),
        (
            &["--", "---", "true"],
            "command 1 is empty: one separator too many",
        ),
    ] {
        let args: Vec<&str> = args.to_vec();
        check(&pidlet(&args), 1, "", &format!("pidlet: {said}\n"));
    }
    let ended = pidlet(&["--grace"]);
    assert!(
        ended
            .stderr
            .contains("option '--grace' requires an argument\n"),
        "{ended}"
    );
}

#[test]
fn all_faults_are_reported_together() {
    let ended = pidlet(&["--nope", "-t", "x", "-e", "y", "a", "---", "---", "b"]);
    assert_eq!(ended.exit, Exit::Code(1), "{ended}");
    assert_eq!(ended.stderr.lines().count(), 4, "{ended}");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let said = "pidlet: --lame-duck is part of the stop's time: it must be shorter than --grace\n";
    let several = ["--lame-duck", "8s", "--", "true", "---", "true"];
    check(&pidlet(&several), 1, "", said);
    check(
        &pidlet(&["--lame-duck=5s", "--grace=5s", "--", "true"]),
        1,
        "",
        said,
    );
    check(&pidlet(&["-qq", "--lame-duck=9s", "--", "true"]), 0, "", "");
    check(&pidlet(&["-qq", "--grace=0", "--", "true"]), 0, "", "");
    // Too many commands are reported before that; the greatest number allowed is not too many.
    let most = ["x", "---"].repeat(65_534);
    let too_many = "pidlet: more than 65535 commands\n";
    for (more, said) in [(&["x"][..], said), (&["x", "---", "x"], too_many)] {
        let run = Run::pidlet().args(["--lame-duck=9s", "--"]);
        check(&run.args(&most).args(more).output(), 1, "", said);
    }
}

#[test]
fn each_option_has_a_variable_and_wins_over_it() {
    let run = || Run::pidlet().arg("-q");
    let exit = |code: &'static str| [probe(), "exit", code];
    let ended = run().args(exit("3")).env("PIDLET_EXPECT", "1,2,3").output();
    check(&ended, 0, "", "");
    let ended = run()
        .args(["-e", "4"])
        .args(exit("3"))
        .env("PIDLET_EXPECT", "3")
        .output();
    assert_eq!(ended.exit, Exit::Code(3), "{ended}");
    let ended = run()
        .args(["--dry-run", "-r", "HUP:0", "a"])
        .env("PIDLET_REWRITE", "INT:0")
        .output();
    let printed = "[pidlet]\nuntil = any\nrewrite = HUP:0\n\n[a]\nrun = a\n";
    check(&ended, 0, printed, "");
    let ended = run()
        .args(["true", "+"])
        .args(exit("3"))
        .env("PIDLET_SEPARATOR", "+");
    let ended = ended.env("PIDLET_UNTIL", "all").output();
    assert_eq!(ended.exit, Exit::Code(3), "{ended}");
    let ended = run().args(["--until", "any", "--dry-run", "a", "---", "b"]);
    let ended = ended
        .env("PIDLET_UNTIL", "all")
        .env("PIDLET_GRACE", "1m")
        .output();
    assert!(
        ended.stdout.contains("until = any\ngrace = 60s\n"),
        "{ended}"
    );
    let ended = run().args(exit("3")).env("PIDLET_QUIET", "yes").output();
    check(&ended, 3, "", "");
    for (twin, value, expected) in [
        ("PIDLET_HOLD", "perhaps", "yes or no"),
        ("PIDLET_GROUP", "2", "yes or no"),
        ("PIDLET_QUIET", "10", "a number from 0 to 9"),
        ("PIDLET_VERBOSE", "much", "a number from 0 to 9"),
    ] {
        let ended = run().arg("true").env(twin, value).output();
        let said = format!("pidlet: {twin}: \"{value}\": expected {expected}\n");
        check(&ended, 1, "", &said);
    }
    let ended = run()
        .arg("true")
        .env("PIDLET_HOLD", "0")
        .env("PIDLET_DRY_RUN", "no")
        // `--version` and `--help` have no twins: these variables are other programs'.
        .env("PIDLET_VERSION", "1.2")
        .env("PIDLET_HELP", "wanted")
        .output();
    check(&ended, 0, "", "");
}

#[test]
fn a_dry_run_prints_the_plan_and_runs_nothing() {
    let args = [
        "--dry-run",
        "-g",
        "--hold",
        "--log=json",
        "--timestamps",
        "-e",
        "0,3,255",
        "-r",
        "TERM:QUIT",
        "-t",
        "90s",
        "-r",
        "HUP:0",
        "-r",
        "64:1",
    ];
    let commands = [
        "--lame-duck=2s",
        "-p",
        "INT",
        "--",
        "/bin/echo",
        "it's",
        "",
        "---",
        "echo",
        "a b",
    ];
    let expected = "[pidlet]\nuntil = any\ngrace = 90s\nlame-duck = 2s\ngroup = yes\nhold = yes\n\
        parent-death = INT\nlog = json\ntimestamps = yes\nrewrite = HUP:0\n\
        rewrite = TERM:QUIT\nrewrite = RTMIN+30:HUP\nexpect = 0\nexpect = 3\nexpect = 255\n\n\
        [echo]\nrun = /bin/echo 'it'\\''s' ''\n\n[echo-2]\nrun = echo 'a b'\n";
    check(
        &Run::pidlet().args(args).args(commands).output(),
        0,
        expected,
        "",
    );
    check(
        &pidlet(&["--dry-run", "nosuch"]),
        0,
        "[pidlet]\nuntil = any\n\n[nosuch]\nrun = nosuch\n",
        "",
    );
    check(
        &pidlet(&["--dry-run", "-t", "x", "true"]),
        1,
        "",
        "pidlet: --grace: \"x\": expected a \
        duration, such as 500ms, 8s, 2m or 1h\n",
    );
}

#[test]
fn an_answer_is_whole_where_another_process_has_made_the_stream_non_blocking() {
    // More than a pipe holds.
    let word = "x".repeat(90_000);
    let (mut reader, writer) = pipe();
    // SAFETY: changes a flag of our own pipe.
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let run = Run::pidlet().args(["--dry-run", &word]);
    let init = run.stdout(Output::File(writer)).start();
    init.until("the pipe is full", || {
        init.info().is_none_or(|info| info.state != 'R')
    });
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("xx\n"), "{} bytes", text.len());
    assert_eq!(init.wait_exit(), Exit::Code(0));
}

#[test]
fn arguments_pass_through_as_they_are() {
    for mode in Mode::BOTH {
        let odd: [&OsStr; 5] = ["", "--help", "a b", "---x", "\\"].map(OsStr::new);
        let run = Run::pidlet()
            .mode(mode)
            .args(["-qq", "--", probe(), "args"])
            .args(odd);
        let ended = run.arg(OsStr::from_bytes(b"\xff\xfe")).output();
        let expected = "<>\n<--help>\n<a b>\n<---x>\n<\\\\>\n<\\xff\\xfe>\n";
        assert_eq!(ended.stdout, expected, "{ended}");
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    }
    // Bytes that are not UTF-8 in a message, and a control character that must not break the line.
    let ended = Run::pidlet().arg(OsStr::from_bytes(b"/no/\xff\n")).output();
    assert_eq!(ended.exit, Exit::Code(127), "{ended}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
    assert!(ended.stderr.contains("\\x0a"), "{ended}");
}

#[test]
fn ten_thousand_arguments_and_a_thousand_variables_are_no_obstacle() {
    for mode in Mode::BOTH {
        let mut run =
            Run::pidlet()
                .mode(mode)
                .args(["-qq", "--", "sh", "-c", "exit $(($# % 256))"]);
        run = run.args((0..10_001).map(|number| number.to_string()));
        for number in 0..1000 {
            run = run.env(format!("VARIABLE_{number}"), "value");
        }
        let ended = run.output();
        check(&ended, 10_000 % 256, "", "");
    }
}

#[test]
fn the_environment_passes_through_as_it_is() {
    let name = OsString::from("ODD");
    let value = OsStr::from_bytes(b"\xff\xfe=");
    let run = Run::pidlet().args(["-qq", "--", "sh", "-c", "printf %s \"$ODD\" | od -An -tx1"]);
    let ended = run.env(name, value).env("PIDLET_EXPECT", "0").output();
    check(&ended, 0, " ff fe 3d\n", "");
}

#[test]
fn closed_streams_are_no_obstacle() {
    for mode in Mode::BOTH {
        let closed = || {
            Run::pidlet()
                .mode(mode)
                .stdin(Input::Closed)
                .stdout(Output::Closed)
        };
        for count in [1, 2] {
            let mut run = closed().stderr(Output::Closed).args(["--until=all", "--"]);
            run = run.args(["sh", "-c", "exit 3"]);
            if count == 2 {
                run = run.args(["---", "true"]);
            }
            assert_eq!(run.output().exit, Exit::Code(3));
        }
        // A child has the streams that we have, and none of our descriptors in their place.
        let fds = |run: Run, command: &[&str]| {
            let temp = Temp::new();
            let log = temp.join("fds");
            let child = [probe(), "--to", &log, "fds"];
            let ended = run.arg("--").args(child).args(command).output();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
            lines_of(&log)
        };
        for other in [&[][..], &["---", "sleep", "1000"]] {
            assert_eq!(fds(closed(), other), ["fds=2"]);
            let run = closed().stderr(Output::Closed);
            assert_eq!(fds(run, other), ["fds="]);
        }
    }
}

#[test]
fn a_standard_error_that_takes_nothing_costs_lines_and_nothing_else() {
    let temp = Temp::new();
    for mode in Mode::BOTH {
        let (reader, broken) = pipe();
        drop(reader);
        let full = std::fs::File::create(temp.join("full")).expect("cannot make a file");
        // A write to either raises a signal, which is not for the commands.
        for (what, stream, size) in [("broken", broken, libc::RLIM_INFINITY), ("full", full, 0)] {
            for count in [1, 2] {
                let command = [probe(), "signals", "--exit-on", "15=3"];
                let run = Run::pidlet()
                    .mode(mode)
                    .args(["-vv", "--"])
                    .args(vec![command; count].join(&"---"))
                    .limit(libc::RLIMIT_FSIZE, size, size)
                    .stderr(Output::File(stream.try_clone().expect("a second handle")));
                let init = run.start();
                init.wait_ready(count);
                init.kill(libc::SIGUSR1);
                let got = |text: &str| init.lines(Out).iter().filter(|line| **line == text).count();
                let told = "got 10 user from parent";
                init.until("all are told", || got(told) == count);
                init.kill(libc::SIGTERM);
                let ended = init.finish();
                assert_eq!(ended.exit, Exit::Code(3), "{what}: {ended}");
                let signals = ended.stdout.lines().filter(|line| line.starts_with("got "));
                let others = signals.filter(|line| !["10", "15", "18"].contains(&&line[4..6]));
                assert_eq!(others.count(), 0, "{what}: {ended}");
            }
        }
    }
}

#[test]
fn a_limit_of_descriptors_is_no_obstacle() {
    // The payload is pidlet's own pause: a program that needs no descriptor itself.
    let pause = [support::pidlet().to_str().unwrap(), "-P"];
    for mode in Mode::BOTH {
        for limit in [3, 4, 1024, most_descriptors()] {
            for count in [1, 2] {
                let commands = if count == 1 {
                    vec![&pause[..]]
                } else {
                    vec![&pause[..]; 2]
                };
                let run = Run::pidlet()
                    .mode(mode)
                    .limit(libc::RLIMIT_NOFILE, limit, limit);
                let init = run.arg("--").args(commands.join(&"---")).start();
                init.until("all wait for signals", || {
                    let children = init.children();
                    children.len() == count && children.iter().all(|child| child.state == 'S')
                });
                init.kill(libc::SIGTERM);
                let ended = init.finish();
                assert_eq!(ended.exit, Exit::Code(0), "limit {limit}: {ended}");
            }
        }
    }
}

/// The most that this machine allows: a billion in the machines of `tests/kernels`.
fn most_descriptors() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes one structure.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_max
}

#[test]
fn without_proc_everything_works() {
    for mode in Mode::BOTH {
        let run = || Run::pidlet().mode(mode).proc_fs(ProcFs::Empty);
        let ended = run().args(["-qq", "--", "sh", "-c", "exit 3"]).output();
        check(&ended, 3, "", "");
        let init = run()
            .args(["sleep", "1000", "---", "sleep", "1000"])
            .start();
        init.until("both run", || init.others().len() == 2);
        init.kill(libc::SIGTERM);
        assert_eq!(init.finish().exit, Exit::Code(143));
        // As PID 1 pidlet stops what is left over; otherwise it cannot find it, and says so.
        let orphan = "trap 'exit 4' TERM
            setsid sh -c 'trap \"echo told; exit\" TERM; echo up; while :; do sleep 0.01; done' &
            while :; do sleep 0.01; done";
        let said = "processes left over are not stopped: without /proc they cannot be found";
        for option in ["--", "-g"] {
            let init = run().args([option, "sh", "-c", orphan]).start();
            init.wait_says("up");
            init.kill(libc::SIGTERM);
            if mode == Mode::Child {
                // The leftover process holds the streams open, so their end cannot be waited for.
                init.wait_line(ErrOut, |line| line.contains(said));
                assert_eq!(init.wait_exit(), Exit::Code(4), "{}", init.describe());
            } else {
                let ended = init.finish();
                assert_eq!(ended.exit, Exit::Code(4), "{option}: {ended}");
                assert!(!ended.stderr.contains(said), "{option}: {ended}");
                assert!(ended.stdout.contains("told"), "{option}: {ended}");
            }
        }
    }
}

/// The calls with 32-bit times, clock_gettime, ppoll, rt_sigtimedwait and timer_settime: the architecture by
/// e_machine, and their numbers there. 64-bit architectures have no such calls.
const TIMES_OF_32_BITS: [(u8, [u32; 4]); 2] =
    [(3, [265, 309, 177, 260]), (40, [263, 336, 177, 258])];

/// A kernel may be built without them (CONFIG_COMPAT_32BIT_TIME).
#[test]
fn a_kernel_without_32_bit_times_is_no_obstacle() {
    let program = std::fs::read(support::pidlet()).expect("the program can be read");
    let mut known = TIMES_OF_32_BITS.iter();
    let Some((_, calls)) = known.find(|(machine, _)| *machine == program[18]) else {
        return;
    };
    let answer = libc::ENOSYS.to_string();
    let without = |mode| {
        let run = Run::new(probe()).mode(mode);
        let last = calls.len() - 1;
        calls.iter().enumerate().fold(run, |run, (place, call)| {
            let run = run.args(["without", &answer, &call.to_string(), "any"]);
            match place == last {
                true => run.arg(support::pidlet()).arg("pidlet"),
                false => run.args([probe(), "probe"]),
            }
        })
    };
    let script = "trap '' TERM; echo up; while :; do sleep 0.01; done";
    for mode in Mode::BOTH {
        for (options, up) in [
            (&["--log", "prefix", "--timestamps"][..], "Z sh | up"),
            (&[], "up"),
        ] {
            let run = without(mode).args(["--grace", "300ms"]).args(options);
            let init = run.args(["--", "sh", "-c", script]).start();
            init.wait_line(Out, |line| line.ends_with(up));
            assert!(!init.stdout().contains("1970-"), "{}", init.describe());
            init.kill(libc::SIGTERM);
            // Killed neither too early nor never.
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(137), "{ended}");
            let killed = ended.stderr.contains("did not stop within 300ms");
            assert!(killed, "{ended}");
        }
    }
}

#[test]
fn a_working_directory_that_is_gone_is_no_obstacle() {
    let script = "mkdir \"$1\" && cd \"$1\" && rmdir \"$1\" && exec \"$0\" -q -- sh -c 'exit 3'";
    let temp = Temp::new();
    for mode in Mode::BOTH {
        let run = Run::new("/bin/sh").mode(mode).args(["-c", script]);
        let run = run.arg(support::pidlet()).arg(temp.join("gone"));
        let ended = run.output();
        assert_eq!(ended.exit, Exit::Code(3), "{ended}");
    }
}

#[test]
fn programs_are_found_as_execvp_finds_them() {
    let temp = Temp::new();
    temp.write("tool", "#!/bin/sh\nexit 7\n", 0o755);
    std::fs::create_dir(temp.join("denied")).unwrap();
    temp.write("denied/tool", "#!/bin/sh\nexit 8\n", 0o644);
    let here = temp.path().to_str().unwrap();
    let deep = format!("{here}/{0}/{0}", "x".repeat(200));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::copy(temp.join("tool"), format!("{deep}/tool")).unwrap();
    for (path, code) in [
        (here.to_owned(), 7),
        (deep, 7),
        (format!("/no/such:{here}"), 7),
        // An entry that is no directory, or too long for the kernel, is passed over.
        (format!("{here}/tool:{here}"), 7),
        (format!("/{}:{here}", "x".repeat(4095)), 7),
        // A file that may not be executed is only remembered, so that a later one is found.
        (format!("{here}/denied:{here}"), 7),
        (format!("{here}/denied:/no/such"), 126),
        ("/no/such".to_owned(), 127),
        // An empty entry is the current directory.
        (String::new(), 7),
        ("/no/such:".to_owned(), 7),
        (":/no/such".to_owned(), 7),
    ] {
        for mode in Mode::BOTH {
            let run = Run::pidlet()
                .mode(mode)
                .args(["-qq", "tool"])
                .env("PATH", &path)
                .cwd(here);
            assert_eq!(run.output().exit, Exit::Code(code), "PATH={path}");
        }
    }
    // A name with a slash is a path, wherever the slash is.
    for program in ["./tool", "denied/../tool"] {
        let run = Run::pidlet().args(["-qq", program]).cwd(here);
        assert_eq!(run.output().exit, Exit::Code(7), "{program}");
    }
    let ended = Run::pidlet()
        .args(["-qq", "true"])
        .env_remove("PATH")
        .output();
    check(&ended, 0, "", "");
}

#[test]
fn inherited_descriptors_and_the_working_directory_are_let_go() {
    for mode in Mode::BOTH {
        let (reader, writer) = pipe();
        let temp = Temp::new();
        let run = Run::pidlet().mode(mode).cwd(temp.path()).fd(writer, 9);
        let init = run.args([probe(), "sleep"]).start();
        init.wait_says("ready");
        init.until("nothing is open but the streams", || {
            init.fds().iter().all(|(fd, _)| *fd < 3)
        });
        assert_eq!(init.cwd(), "/");
        // The child has the descriptor, as it would have without us.
        let child = init.find("probe").expect("it runs");
        let inherited = std::fs::read_link(format!("/proc/{}/fd/9", child.pid));
        assert!(inherited.is_ok(), "{}", init.describe());
        drop((init, reader));
    }
}

#[test]
fn listen_pid_names_the_only_command() {
    let other = ["---", "true"];
    for (value, more, expected) in [
        ("1", &[][..], "rewritten\n"),
        ("77", &[], "kept\n"),
        ("1", &other, "kept\n"),
    ] {
        let run = Run::pidlet().args(["-qq", "-u", "all", "--", probe(), "listen-pid"]);
        let run = run.args(more);
        check(
            &run.env("LISTEN_PID", value).env("LISTEN_FDS", "1").output(),
            0,
            expected,
            "",
        );
    }
}

#[test]
fn commands_get_the_masks_and_dispositions_that_we_were_given() {
    use libc::{SIGCHLD, SIGHUP, SIGPIPE, SIGTERM, SIGUSR1};
    let blocked = [SIGUSR1, SIGTERM];
    let some: &[_] = &[SIGPIPE, SIGHUP, SIGCHLD];
    for (mode, ignored) in Mode::BOTH.map(|mode| [(mode, some), (mode, &[])]).concat() {
        let given = |run: Run| run.mode(mode).block(&blocked).ignore(ignored);
        let direct = given(Run::new(probe())).args(["mask"]).output();
        let through = given(Run::pidlet())
            .args(["-qq", "--", probe(), "mask"])
            .output();
        let masks = |ended: &Ended| -> Vec<String> {
            let lines = ended.stdout.lines().filter(|line| {
                ["blocked", "ignored", "caught"]
                    .iter()
                    .any(|what| line.contains(what))
            });
            lines.map(str::to_owned).collect()
        };
        assert!(!masks(&direct).is_empty(), "{direct}");
        assert_eq!(masks(&direct), masks(&through), "{direct}\n{through}");
    }
}

#[test]
fn a_restarted_service_gets_the_same_masks_and_dispositions() {
    use libc::{SIGCHLD, SIGTERM, SIGUSR1};
    let temp = Temp::new();
    let script = "echo; exec \"$0\" mask";
    let plan = format!(
        "[a]\nrun = sh -c '{script}' {}\nrestart = always\nbackoff = 1ms\ntries = 3 in 1h\n",
        probe()
    );
    let plan = temp.write("plan", plan, 0o644);
    for mode in Mode::BOTH {
        for ignored in [&[][..], &[SIGTERM, SIGCHLD]] {
            let run = Run::pidlet().mode(mode).block(&[SIGUSR1]).ignore(ignored);
            let ended = run.args(["-qq", "-c", &plan]).output();
            let runs: Vec<_> = ended.stdout.split("\n\n").map(str::trim).collect();
            assert_eq!(runs.len(), 3, "{ended}");
            assert!(runs[0].contains("ignored"), "{ended}");
            assert!(runs.iter().all(|run| *run == runs[0]), "{ended}");
        }
    }
}

#[test]
fn verbosity_says_more_and_less() {
    let counts = ["-qq", "-q", "-qv", "-v", "-vv"].map(|option| {
        let ended = pidlet(&[option, "--", "sh", "-c", "exit 3"]);
        assert_eq!(ended.exit, Exit::Code(3), "{ended}");
        ended.stderr.lines().count()
    });
    assert_eq!(counts, [0, 1, 1, 3, 3]);
    // A success is silent with one -q; a fault of the start is always reported.
    check(&pidlet(&["-q", "true"]), 0, "", "");
    assert_eq!(pidlet(&["-qqqq", "nosuch"]).stderr.lines().count(), 1);
}
