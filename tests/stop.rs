//! The stop, step by step (pidlet(8), Stopping): with one, two and twenty commands, as PID 1 and as a
//! subreaper that is not PID 1.

mod support;
use support::*;

use libc::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGPWR, SIGQUIT, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2};
use std::time::{Duration, Instant};

/// SIGRTMIN+3 as the C library counts: systemd's and LXC's halt.
const HALT: i32 = 37;

/// A command that reports its signals and exits with 0 on TERM.
const GOOD: [&str; 3] = ["signals", "--exit-on", "15=0"];

/// Starts `command` (words of the probe) `count` times under pidlet, and waits until all are ready.
#[track_caller]
fn start(mode: Mode, options: &[&str], count: usize, command: &[&str]) -> Proc {
    let mut args: Vec<&str> = options.to_vec();
    for number in 0..count {
        args.push(if number == 0 { "--" } else { "---" });
        args.push(probe());
        args.extend(command);
    }
    let init = Run::pidlet().mode(mode).args(args).start();
    wait_count(&init, "ready", count);
    init
}

#[track_caller]
fn wait_count(init: &Proc, prefix: &str, count: usize) {
    init.until(&format!("{count} lines {prefix:?}"), || {
        said(init, prefix) >= count
    });
}

/// How many lines on standard output are `prefix`, or begin with it and a space.
fn said(init: &Proc, prefix: &str) -> usize {
    let is = |line: &String| {
        line.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    init.lines(Out).iter().filter(|line| is(line)).count()
}

#[test]
fn every_stop_signal_stops_all_commands() {
    for mode in Mode::BOTH {
        for count in [2, 20] {
            for signal in [SIGTERM, SIGINT, SIGQUIT, SIGPWR, HALT] {
                let init = start(mode, &[], count, &GOOD);
                init.kill(signal);
                let ended = init.finish();
                assert_eq!(ended.exit, Exit::Code(0), "{ended}");
                assert_eq!(ended.stdout.matches("got 15 ").count(), count, "{ended}");
            }
        }
    }
}

#[test]
fn after_the_stop_signal_comes_cont() {
    for mode in Mode::BOTH {
        let init = start(mode, &[], 2, &["signals", "--exit-on", "18=4"]);
        init.kill(SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(4), "{ended}");
        let order: Vec<&str> = ended
            .stdout
            .lines()
            .filter(|line| *line != "ready")
            .collect();
        assert_eq!(
            order
                .iter()
                .filter(|line| line.starts_with("got 15 "))
                .count(),
            2,
            "{ended}"
        );
        assert_eq!(
            order
                .iter()
                .filter(|line| line.starts_with("got 18 "))
                .count(),
            2,
            "{ended}"
        );
    }
}

#[test]
fn every_other_signal_is_passed_on_to_all() {
    let passed_on = (1..=64).filter(|signal| {
        let stops = [SIGTERM, SIGINT, SIGQUIT, SIGPWR, HALT].contains(signal);
        // KILL and STOP cannot be seen, CHLD is our own, TSTP, TTIN and TTOU may stop a command, and 32 and
        // 33 belong to the C libraries of sender and receiver.
        !stops && ![9, 17, 19, 20, 21, 22, 32, 33].contains(signal)
    });
    let passed_on: Vec<i32> = passed_on.collect();
    for mode in Mode::BOTH {
        for count in [1, 2, 20] {
            let init = start(mode, &[], count, &GOOD);
            for &signal in &passed_on {
                init.kill(signal);
                wait_count(&init, &format!("got {signal}"), count);
            }
            assert_eq!(init.try_wait(), None, "{}", init.describe());
            init.kill(SIGTERM);
            assert_eq!(init.finish().exit, Exit::Code(0));
        }
    }
}

#[test]
fn with_one_command_stop_signals_are_just_passed_on() {
    for mode in Mode::BOTH {
        let init = start(mode, &[], 1, &["signals", "--exit-on", "10=9"]);
        for signal in [SIGTERM, SIGTERM, SIGINT, SIGQUIT, SIGPWR, HALT] {
            let before = said(&init, &format!("got {signal}"));
            init.kill(signal);
            wait_count(&init, &format!("got {signal}"), before + 1);
        }
        init.kill(SIGUSR1);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(9), "{ended}");
        assert!(
            !ended.stdout.contains("got 18"),
            "CONT only for what is stopped: {ended}"
        );
    }
    let init = Run::pidlet().args(["sleep", "1000"]).start();
    // The kernel drops what is sent to PID 1 before its first instruction.
    init.until("it runs", || init.find("sleep").is_some());
    init.kill(SIGTERM);
    assert_eq!(init.finish().exit, Exit::Code(143));
}

/// Kata Containers sends KILL in place of TERM to a process that, as `/proc/PID/status` has it, neither
/// blocks, ignores nor catches TERM; a signal that is waited for counts as none of these.
#[test]
fn proc_shows_that_stop_signals_are_caught() {
    let temp = Temp::new();
    for name in ["pidlet", "tini", "catatonit"] {
        let program = temp.symlink(pidlet(), name);
        for mode in Mode::BOTH {
            let init = Run::new(&program).mode(mode);
            let init = init.args(["--", "sleep", "1000"]).start();
            init.until("it runs", || init.find("sleep").is_some());
            let mut seen = None;
            init.until("it waits", || {
                seen = init.info().filter(|info| !info.blocks(SIGUSR1));
                seen.is_some()
            });
            let seen = seen.expect("seen above");
            assert!(seen.catches(SIGTERM), "{name}: {}", init.describe());
            init.kill(SIGTERM);
            assert_eq!(init.finish().exit, Exit::Code(143), "{name}");
        }
    }
}

#[test]
fn a_command_that_ignores_its_stop_signal_is_killed_when_the_budget_runs_out() {
    for mode in Mode::BOTH {
        for count in [1, 2, 20] {
            killed_when_the_budget_runs_out(mode, count);
        }
    }
    // A loaded machine is slow now and then; a pidlet that waits for longer than the budget always is.
    until("one was killed in time", TIMEOUT, || {
        killed_when_the_budget_runs_out(Mode::Pid1, 1) < 3 * BUDGET
    });
}

const BUDGET: Duration = Duration::from_millis(500);

/// Stops `count` commands that ignore TERM, and returns how long that took.
#[track_caller]
fn killed_when_the_budget_runs_out(mode: Mode, count: usize) -> Duration {
    let init = start(mode, &["--grace", "500ms"], count, &["ignore", "15"]);
    let asked = Instant::now();
    init.kill(SIGTERM);
    let ended = init.finish();
    let took = asked.elapsed();
    assert!(took >= BUDGET, "too early: {ended}");
    assert_eq!(ended.exit, Exit::Code(137), "{ended}");
    let warned = ended
        .stderr
        .matches("did not stop within 500ms: killed")
        .count();
    assert_eq!(warned, count, "{ended}");
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("pidlet: stopped by TERM: probe (pid "),
        "{ended}"
    );
    assert!(
        last.contains(") did not stop in time and was killed after "),
        "{ended}"
    );
    assert!(last.ends_with("; container exits 137"), "{ended}");
    took
}

#[test]
fn a_second_stop_signal_kills_at_once() {
    for mode in Mode::BOTH {
        for count in [2, 20] {
            let init = start(mode, &["-v", "--grace", "1h"], count, &["ignore", "15"]);
            init.kill(SIGTERM);
            init.wait_line(ErrOut, |line| line.contains("stopping within"));
            init.kill(SIGINT);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(137), "{ended}");
        }
    }
}

#[test]
fn the_first_stop_signal_in_a_stop_that_a_command_began_kills_nothing() {
    for mode in Mode::BOTH {
        let temp = Temp::new();
        let there = temp.join("there");
        let slow = "trap 'read x; exit 0' TERM; : >\"$0\"; while :; do sleep 0.05; done";
        let quick = "until test -e \"$0\"; do sleep 0.01; done; exit 3";
        let args = ["-v", "-t", "1h", "--", "sh", "-c", slow, &there];
        let args = [&args[..], &["---", "sh", "-c", quick, &there]].concat();
        let init = Run::pidlet()
            .mode(mode)
            .args(args)
            .stdin(Input::Pipe)
            .start();
        init.wait_line(ErrOut, |line| line.contains("stopping within"));
        init.kill(SIGTERM);
        init.send("\n");
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(3), "{ended}");
        assert!(!ended.stderr.contains("killed"), "{ended}");
    }
}

#[test]
fn a_stop_signal_during_the_start_starts_nothing_more() {
    for mode in Mode::BOTH {
        // On a loaded machine all of them may have been started before the signal comes, now and then.
        until("a signal comes during the start", TIMEOUT, || {
            stopped_during_the_start(mode) <= STARTS
        });
    }
}

/// How many commands `stopped_during_the_start` has beside the first.
const STARTS: usize = 500;

/// Stops a container once its first command runs, and returns how many commands had been started by then.
#[track_caller]
fn stopped_during_the_start(mode: Mode) -> usize {
    let mut args = vec!["-v", "--", "sleep", "1000"];
    for _ in 0..STARTS {
        args.extend(["---", "sleep", "1000"]);
    }
    let init = Run::pidlet().mode(mode).args(args).start();
    init.wait_line(ErrOut, |line| line.ends_with(" runs"));
    init.kill(SIGTERM);
    let ended = init.finish();
    assert_eq!(ended.exit, Exit::Code(143), "{}", ended.exit);
    let started = ended.stderr.matches(" runs\n").count();
    let stopped = ended
        .stderr
        .matches("was killed by signal 15 (TERM) after")
        .count();
    assert_eq!(stopped, started + 1, "each of them, and the last line");
    started
}

#[test]
fn a_stopped_command_is_woken_to_see_its_stop_signal() {
    for mode in Mode::BOTH {
        for (count, code) in [(1, 143), (2, 143)] {
            let init = start(mode, &[], count, &["sleep"]);
            for child in init.children() {
                // SAFETY: a child of our own container.
                assert_eq!(unsafe { libc::kill(child.pid, SIGSTOP) }, 0);
                init.until("it is stopped", || {
                    Info::of(child.pid).is_some_and(|i| i.is_stopped())
                });
            }
            init.kill(SIGTERM);
            assert_eq!(init.finish().exit, Exit::Code(code));
        }
    }
}

#[test]
fn a_stopped_orphan_is_woken_to_see_its_stop_signal() {
    let stopped =
        "sleep 1000 & kill -STOP $!; until grep -q '^State:.T' /proc/$!/status; do :; done";
    // The orphan is told to stop once everything else has ended, or together with its group.
    for mode in Mode::BOTH {
        for (option, end, code) in [("--", "exit 3", 3), ("-g", "sleep 1000", 143)] {
            let main = format!("{stopped}; [ $1 = -g ] && kill -TERM $PPID; {end}");
            let run = Run::pidlet()
                .mode(mode)
                .args([option, "sh", "-c", &main, "sh", option]);
            let ended = run.output();
            assert_eq!(ended.exit, Exit::Code(code), "{ended}");
            assert!(!ended.stderr.contains("did not stop"), "{ended}");
        }
    }
}

#[test]
fn orphans_get_their_stop_signal_and_time_to_obey() {
    let temp = Temp::new();
    for mode in Mode::BOTH {
        for others in [&[][..], &["---", "sleep", "1000"]] {
            let log = temp.join(format!("log-{mode:?}-{}", others.len()));
            // The orphan takes a while to end, and must not be cut off.
            let orphan = "trap 'sleep 0.3; echo obeyed >> $0; exit 0' TERM; echo up >> $0; \
                while :; do sleep 0.05; done";
            let main = format!(
                "sh -c \"$1\" {log} & until grep -qs up {log}; do sleep 0.01; done; exit 3"
            );
            let run = Run::pidlet()
                .mode(mode)
                .args(["--", "sh", "-c", &main, "x", orphan]);
            let ended = run.args(others).output();
            assert_eq!(ended.exit, Exit::Code(3), "{ended}");
            assert_eq!(lines_of(&log), ["up", "obeyed"], "{ended}");
        }
    }
}

#[test]
fn orphans_that_ignore_their_stop_signal_are_killed_when_the_budget_runs_out() {
    for mode in Mode::BOTH {
        for count in [1, 20] {
            let count = count.to_string();
            let orphans = [
                probe(),
                "orphans",
                &count,
                "--ignore-term",
                "--then-exit",
                "5",
            ];
            let run = Run::pidlet()
                .mode(mode)
                .args(["-t", "300ms", "--"])
                .args(orphans);
            let init = run.start();
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(5), "{ended}");
            let warned = "pidlet: processes left over by the services did not stop within 300ms";
            assert!(ended.stderr.contains(warned), "{ended}");
        }
    }
}

#[test]
fn orphans_are_told_where_the_services_have_taken_all_descriptors() {
    let temp = Temp::new();
    // Each has two pipes, of which we hold both ends.
    let text = "[pidlet]\nlog = prefix\nuntil = all\ngrace = 1h\n\
        [a]\ninstances = 20\nrun = sh -c '((setsid sleep 1000 &)); exec PROBE sleep'\n";
    for mode in Mode::BOTH {
        // Whether there is one left in the end depends on how many there are.
        for most in 60..64 {
            let run = Run::with_plan(&temp, &text.replace("PROBE", probe())).mode(mode);
            let init = run.limit(libc::RLIMIT_NOFILE, most, most).start();
            init.wait_line(ErrOut, |line| line.contains("a-20: "));
            let count = |comm| {
                let others = init.others();
                others.iter().filter(|info| info.comm == comm).count()
            };
            init.until("each service has an orphan", || {
                (count("probe"), count("sh")) == (count("sleep"), 0)
            });
            init.kill(SIGTERM);
            assert_eq!(init.wait_exit(), Exit::Code(125), "{}", init.describe());
            assert_eq!(count("sleep"), 0, "{}", init.describe());
        }
    }
}

#[test]
fn the_end_comes_with_the_last_process_and_not_with_the_budget() {
    for mode in Mode::BOTH {
        let orphans = [probe(), "orphans", "20", "--then-exit", "5"];
        let ended = Run::pidlet()
            .mode(mode)
            .args(["-t", "1h", "--"])
            .args(orphans)
            .output();
        assert_eq!(ended.exit, Exit::Code(5), "{ended}");
    }
}

#[test]
fn each_process_is_told_once() {
    let temp = Temp::new();
    // A member of the leader's group reports what it gets; the leader ends by itself.
    for (options, code) in [(&[][..], "7"), (&["-g"], "7"), (&["-g", "-t", "1h"], "7")] {
        for mode in Mode::BOTH {
            let log = temp.join(format!("log-{mode:?}-{}", options.len()));
            let run = Run::pidlet().mode(mode).args(options).args(["--", probe()]);
            let ended = run.args(["--to", &log, "group", code]).output();
            assert_eq!(ended.exit, Exit::Code(7), "{ended}");
            let told = lines_of(&log)
                .iter()
                .filter(|line| line.contains("member got 15"))
                .count();
            assert_eq!(told, 1, "{:?} {ended}", lines_of(&log));
        }
    }
    // Here the leader is told to stop, and the member goes on for a while when the leader has ended.
    let member = "trap 'echo told >> $0' TERM; echo up >> $0; \
        until grep -q told $0; do sleep 0.01; done; sleep 0.3";
    let leader = "trap 'exit 3' TERM; sh -c \"$1\" $2 & while :; do sleep 0.01; done";
    for mode in Mode::BOTH {
        let log = temp.join(format!("log-{mode:?}"));
        let run = Run::pidlet()
            .mode(mode)
            .args(["-g", "--", "sh", "-c", leader, "x"]);
        let init = run.args([member, &log]).start();
        init.until("both are there", || lines_of(&log) == ["up"]);
        init.kill(SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(3), "{ended}");
        assert_eq!(lines_of(&log), ["up", "told"], "{ended}");
    }
}

#[test]
fn with_group_a_signal_reaches_the_whole_group() {
    for mode in Mode::BOTH {
        for (options, member) in [(&["-g"][..], true), (&[], false)] {
            let init = start(mode, options, 1, &["group"]);
            init.kill(SIGUSR1);
            wait_count(&init, "leader got 10", 1);
            if member {
                wait_count(&init, "member got 10", 1);
            }
            init.kill(SIGTERM);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
            assert_eq!(ended.stdout.contains("member got 10"), member, "{ended}");
            // Left over or in the group, the member is told to stop either way.
            assert!(ended.stdout.contains("member got 15"), "{ended}");
        }
    }
}

#[test]
fn a_lame_duck_goes_on_until_its_delay_is_over_or_a_second_signal() {
    for mode in Mode::BOTH {
        for count in [1, 2] {
            let options = ["-v", "--lame-duck", "1h", "--grace", "2h"];
            let init = start(mode, &options, count, &GOOD);
            init.kill(SIGTERM);
            init.wait_line(ErrOut, |line| line.contains("stopping after a delay of"));
            init.kill(SIGHUP);
            wait_count(&init, "got 1", count);
            assert_eq!(said(&init, "got 15"), 0, "{}", init.describe());
            init.kill(SIGINT);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");

            let init = start(mode, &["--lame-duck", "300ms"], count, &GOOD);
            let asked = Instant::now();
            init.kill(SIGTERM);
            let ended = init.finish();
            assert!(
                asked.elapsed() >= Duration::from_millis(300),
                "too early: {ended}"
            );
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        }
    }
}

#[test]
fn rewriting_comes_first() {
    for mode in Mode::BOTH {
        // One command: a signal is passed on as its replacement, or not at all.
        let options = ["-r", "HUP:USR2", "-r", "10:0", "--rewrite=RTMIN+5:WINCH"];
        let init = start(mode, &options, 1, &GOOD);
        init.kill(SIGUSR1);
        init.kill(SIGHUP);
        init.kill(34 + 5);
        wait_count(&init, "got 12", 1);
        wait_count(&init, "got 28", 1);
        init.kill(SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        assert!(
            !ended.stdout.contains("got 1 ") && !ended.stdout.contains("got 10 "),
            "{ended}"
        );

        // Several: a signal that is rewritten to a stop signal stops the container, and the TERM that stops
        // the commands is rewritten, too, so that nginx and php-fpm can have their QUIT.
        let options = ["-r", "USR1:INT", "-r", "TERM:QUIT"];
        for signal in [SIGUSR1, SIGTERM] {
            let init = start(mode, &options, 2, &["signals", "--exit-on", "3=0"]);
            init.kill(signal);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
            assert_eq!(ended.stdout.matches("got 3 ").count(), 2, "{ended}");
        }

        // A dropped TERM does not stop the container, but in a stop every command still gets it.
        let init = start(mode, &["-r", "TERM:0"], 2, &GOOD);
        init.kill(SIGTERM);
        init.kill(SIGUSR2);
        wait_count(&init, "got 12", 2);
        assert_eq!(said(&init, "got 15"), 0, "{}", init.describe());
        init.kill(SIGINT);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        assert_eq!(ended.stdout.matches("got 15 ").count(), 2, "{ended}");
    }
}

#[test]
fn the_peers_names_have_the_budget_from_the_environment() {
    let temp = Temp::new();
    for name in ["tini", "docker-init", "dumb-init", "catatonit"] {
        let program = temp.symlink(pidlet(), name);
        // Without a budget the end of the main child is the end; with one, leftover processes are stopped
        // first.
        for (grace, obeyed) in [(None, false), (Some("1h"), true)] {
            let log = temp.join(format!("log-{name}-{obeyed}"));
            let mut run = Run::new(&program).args(["--", probe(), "--to", &log, "group", "3"]);
            if let Some(grace) = grace {
                run = run.env("PIDLET_GRACE", grace);
            }
            let ended = run.output();
            assert_eq!(ended.exit, Exit::Code(3), "{ended}");
            let told = lines_of(&log)
                .iter()
                .any(|line| line.contains("member got 15"));
            assert!(told || !obeyed, "{name}: {:?}", lines_of(&log));
        }
    }
}

#[test]
fn a_full_standard_error_stops_neither_signals_nor_the_stop() {
    for mode in Mode::BOTH {
        let mut args = vec!["-vv", "--", probe(), "signals", "--exit-on", "15=0"];
        args.extend(["---", probe(), "signals", "--exit-on", "15=0"]);
        let init = Run::pidlet()
            .mode(mode)
            .args(args)
            .stderr(Output::Full)
            .start();
        wait_count(&init, "ready", 2);
        for _ in 0..3 {
            init.kill(SIGUSR1);
        }
        wait_count(&init, "got 10", 2);
        init.kill(SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(0), "{}", init.describe());
    }
}

#[test]
fn when_the_parent_dies_the_container_stops_with_that_signal() {
    // The parent is a shell that dies while pidlet runs; the log tells the harness what happens.
    let temp = Temp::new();
    for (count, signal, got) in [
        (1, "TERM", "got 15"),
        (2, "USR2", "got 12"),
        (1, "HUP", "got 1"),
        // The kernel kills pidlet, and the commands with it: no process is left to tell them anything.
        (2, "KILL", "ready"),
    ] {
        let log = temp.join(format!("log-{count}-{signal}"));
        let number = got.strip_prefix("got ").unwrap_or("15");
        let command = format!("{} --to {log} signals --exit-on {number}=0", probe());
        let commands = vec![command; count].join(" --- ");
        let script = format!("{} -p {signal} -- {commands} & read x", pidlet().display());
        let parent = Run::new("/bin/sh").mode(Mode::Child).args(["-c", &script]);
        let parent = parent.stdin(Input::Pipe).start();
        let count_lines = |text: &str| {
            lines_of(&log)
                .iter()
                .filter(|line| line.starts_with(text))
                .count()
        };
        parent.until("all are ready", || {
            std::path::Path::new(&log).exists() && count_lines("ready") == count
        });
        parent.kill(SIGKILL);
        parent.until("all were told", || count_lines(got) == count);
        parent.until("nothing is left", || {
            parent.others().iter().all(|other| other.is_zombie())
        });
    }
}

#[test]
fn only_a_parent_that_has_died_has_sent_its_signal() {
    let command = [probe(), "signals", "--exit-on", "15=3"];
    let both = [&command[..], &["---"], &command[..]].concat();
    for mode in Mode::BOTH {
        // A parent outside our namespace cannot be seen: the signal is believed.
        let run = Run::pidlet()
            .mode(mode)
            .args(["--grace", "50ms", "-p", "USR2", "--"]);
        let init = run.args(&both).start();
        init.wait_ready(2);
        init.kill(libc::SIGUSR2);
        assert_eq!(init.wait_exit(), Exit::Code(137), "{}", init.describe());
    }
    let script = "\"$@\" & read x; kill -USR2 $!; read x; kill -TERM $!; wait $!";
    let run = Run::new("/bin/sh").stdin(Input::Pipe);
    let run = run.args(["-c", script, "sh", pidlet().to_str().unwrap()]);
    let parent = run.args(["-p", "USR2", "--"]).args(both).start();
    parent.wait_ready(2);
    parent.send("\n");
    wait_count(&parent, "got 12", 2);
    parent.send("\n");
    assert_eq!(parent.wait_exit(), Exit::Code(3), "{}", parent.describe());
}

#[test]
fn a_continued_pidlet_goes_on_as_before() {
    for mode in Mode::BOTH {
        let init = start(mode, &[], 2, &GOOD);
        init.kill(SIGSTOP);
        init.kill(SIGCONT);
        wait_count(&init, "got 18", 2);
        init.kill(SIGTERM);
        assert_eq!(init.finish().exit, Exit::Code(0));
    }
}

#[test]
fn a_command_that_ended_in_time_is_not_overdue_however_late_we_are() {
    const BUDGET: Duration = Duration::from_secs(4);
    let script = "trap 'echo told; read x; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let inits = Mode::BOTH.map(|mode| {
        let run = Run::pidlet().args(["--grace", "4s", "--", "sh", "-c", script]);
        let init = run.mode(mode).stdin(Input::Pipe).start();
        init.wait_says("ready");
        init.kill(SIGTERM);
        init.wait_says("told");
        init.kill(SIGSTOP);
        init.until("it is stopped", || {
            init.info().is_some_and(|info| info.is_stopped())
        });
        init.send("\n");
        init.until("its command has ended", || {
            init.others().iter().all(|info| info.is_zombie())
        });
        init
    });
    let ended = Instant::now();
    for init in inits {
        init.until("the budget is over", || ended.elapsed() > BUDGET);
        init.kill(SIGCONT);
        let ended = init.finish();
        assert!(!ended.stderr.contains("did not stop"), "{ended}");
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    }
}
