//! Fair turns: however many processes die, write or start at once, and however long a call takes, nothing
//! else is held up by that, and no service is judged by what we have not yet come to hear. strace counts the
//! calls that come in between, or makes some of them take longer.

mod support;
use support::*;

/// Each start takes longer than its command runs, so that a CHLD is always pending, which the kernel delivers
/// before PWR.
#[test]
fn a_stop_is_heard_between_two_starts_whatever_ends_meanwhile() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let slow = ["-e", "inject=clone,clone3,vfork:delay_exit=50000"];
    let own = pidlet()
        .to_str()
        .expect("the target directory's name is UTF-8");
    let run = traced(&strace, &temp, &slow).args([own, "--until", "all", "--"]);
    let run = run.args(["sh", "-c", "kill -PWR $PPID"]);
    // Time enough for the first command to send it, even if it gets little of the processor.
    let ended = run.args(["---", "true"].repeat(200)).output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    let calls = calls(temp.join("trace"));
    let starts = calls.iter().filter(|call| is_fork(call)).count();
    assert!(starts < 150, "{starts}");
}

/// Each look at the children takes longer than the next one needs to die, so that there always is one more;
/// and its signal has a lower number than the stop signal. The storm pauses between two, as it would
/// otherwise use up the process ids of the machine.
#[test]
fn orphans_without_end_hold_neither_signals_nor_deadlines_up() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let storm = "trap '' TERM; exec \"$0\" spawn-storm 100000000 1";
    let storm = ["sh", "-c", storm, probe()];
    let run = Run::pidlet().args(["--grace", "300ms", "--"]).args(storm);
    let init = run.arg("---").args(storm).start();
    let slow = ["-e", "trace=waitid", "-e", "inject=waitid:delay_exit=5000"];
    let attached = Attached::with(&slow, &init, &strace, &temp);
    init.until("the storm rages", || calls(&attached.trace).len() > 50);
    init.kill(libc::SIGPWR);
    assert_eq!(init.wait_exit(), Exit::Code(137), "{}", init.stderr());
}

#[test]
fn a_burst_of_orphans_does_not_delay_output() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let script = "echo waits; read line; exec \"$0\" spawn-storm 100";
    let run = Run::pidlet().stdin(Input::Pipe).args(["--log", "prefix"]);
    let init = run.args(["--", "sh", "-c", script, probe()]).start();
    init.wait_says("sh | waits");
    init.kill(libc::SIGSTOP);
    init.until("it is stopped", || {
        init.info().is_some_and(|info| info.is_stopped())
    });
    init.send("\n");
    // Its `ready` is of no use here: pidlet, which would read it, is stopped.
    init.until("all are dead and it sleeps", || {
        let storm = init.find("probe");
        init.zombies() == 100 && storm.is_some_and(|storm| storm.state == 'S')
    });
    let attached = Attached::to(&init, &strace, &temp);
    init.kill(libc::SIGCONT);
    init.wait_says("sh | ready");
    init.until("all are reaped", || init.zombies() == 0);
    let calls = attached.calls();
    let rests =
        |call: &String| call.contains("rt_sigtimedwait") && call.contains("tv_nsec=3000000");
    assert!(!calls.iter().any(rests), "{calls:#?}");
}

/// When the services have ended, more orphans are dead than are reaped in one go, and each takes a while.
#[test]
fn orphans_by_the_thousand_do_not_keep_a_stop_from_killing() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let storm = "trap '' TERM; \"$0\" spawn-storm 3000 & trap 'exit 3' TERM; wait";
    let run = Run::pidlet().args(["--grace", "100ms", "--", "sh", "-c", storm]);
    let init = run.args([probe(), "---", probe(), "sleep"]).start();
    let slow = "inject=waitid:delay_exit=2000";
    let slow = ["-e", "trace=waitid,kill", "-e", slow];
    let attached = Attached::with(&slow, &init, &strace, &temp);
    init.wait_ready(2);
    init.kill(libc::SIGTERM);
    assert_eq!(init.wait_exit(), Exit::Code(3), "{}", init.stderr());
    let calls = attached.calls();
    let killed = calls.iter().position(|call| call.contains("SIGKILL"));
    assert!(killed.is_some_and(|before| before < 2000), "{killed:?}");
}

/// To go all the way up from each process, to find out whether it descends from us, would take as many looks
/// as there are processes, times their depth.
#[test]
fn a_deep_tree_of_processes_does_not_hold_up_a_stop() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let (depth, leaves) = (80, 100);
    let family = format!(
        "trap '' TERM
        if [ $1 -gt 0 ]; then sh $0 $(($1 - 1))
        else for leaf in $(seq {leaves}); do sleep 1000 & done; echo ready; wait; fi
        :"
    );
    let family = temp.write("family", family, 0o644);
    let script = format!("sh {family} {depth} & exec \"$0\" sleep");
    for mode in Mode::BOTH {
        let run = Run::pidlet().mode(mode).args(["-g", "--grace", "300ms"]);
        let init = run.args(["--", "sh", "-c", &script, probe()]).start();
        init.wait_ready(2);
        let attached = Attached::with(&["-e", "trace=openat"], &init, &strace, &temp);
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(143), "{}", init.describe());
        let calls = attached.calls();
        let looks = calls.iter().filter(|call| call.contains("/stat\"")).count();
        println!("{mode:?}: {looks} looks at {depth} generations and {leaves} more");
        // All the way up from each would be more than 11 000, for TERM alone.
        assert!(looks < 20 * (depth + leaves), "{looks} looks");
    }
}

/// Reaping them takes longer than pidlet waits for a killed process that hangs in the kernel.
#[test]
fn hundreds_of_killed_processes_are_reaped_and_not_reported_as_hanging() {
    let strace = strace_or_skip!();
    for mode in Mode::BOTH {
        let temp = Temp::new();
        let run = Run::pidlet().mode(mode).args(["--grace", "300ms", "--"]);
        let orphans = [probe(), "orphans", "600", "--ignore-term"];
        let init = run.args(orphans).start();
        init.wait_ready(1);
        let slow = ["-e", "trace=waitid", "-e", "inject=waitid:delay_exit=5000"];
        let _attached = Attached::with(&slow, &init, &strace, &temp);
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(143), "{ended}");
        assert!(!ended.stderr.contains("hang"), "{ended}");
    }
}

/// The daemon dies as soon as its launcher has been reaped, and each look at the children comes late: the one
/// after that which found it alive already finds it dead.
#[test]
fn a_daemon_that_dies_right_after_it_was_found_is_seen_to_end() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let script = "#!/bin/sh
echo waits; read line
(sh -c 'echo $PPID' > pid; while kill -0 $$; do :; done 2> /dev/null; exit 3) &
until test -s pid; do :; done\n";
    let launcher = temp.write("launcher", script, 0o755);
    let file = temp.join("pid");
    let plan = format!("[web]\nrun = {launcher}\ntype = daemon\npidfile = {file}\n");
    let plan = temp.write("plan", plan, 0o644);
    let run = Run::pidlet().mode(Mode::Child).stdin(Input::Pipe);
    let init = run.cwd(temp.path()).args(["-c", &plan]).start();
    init.wait_says("waits");
    let late = [
        "-e",
        "trace=waitid",
        "-e",
        "inject=waitid:delay_enter=100000",
    ];
    let _attached = Attached::with(&late, &init, &strace, &temp);
    init.send("\n");
    assert_eq!(init.wait_exit(), Exit::Code(3), "{}", init.stderr());
}

/// The service ends in time, but pidlet only hears of it when the time is over.
#[test]
fn a_command_that_ends_in_time_is_not_killed_when_we_are_late() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let patient = "trap 'echo told; read line; exit 3' TERM; echo ready; read line";
    let run = Run::pidlet().stdin(Input::Pipe);
    let run = run.args(["--grace", "5s", "--until", "all", "--", "true", "---"]);
    let init = run.args(["sh", "-c", patient]).start();
    init.wait_ready(1);
    init.until("one is left", || init.children().len() == 1);
    init.kill(libc::SIGTERM);
    init.wait_says("told");
    // The first one only looks at what is pending, after strace has interrupted the one in progress.
    let late = "inject=rt_sigtimedwait:delay_exit=6000000:when=2+";
    let late = ["-e", "trace=rt_sigtimedwait", "-e", late];
    let _attached = Attached::with(&late, &init, &strace, &temp);
    init.wait_settled();
    init.send("\n");
    let ended = init.finish();
    assert_eq!(ended.exit, Exit::Code(3), "{ended}");
    assert!(!ended.stderr.contains("did not stop"), "{ended}");
}

#[test]
fn the_status_of_an_http_answer_is_read_at_once() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let script = "import http.server as h\n\
        h.HTTPServer(('127.0.0.1', 8080), h.SimpleHTTPRequestHandler).serve_forever()\n";
    temp.write("server", script, 0o644);
    let text = "[s]\nrun = python3 server\nready = http://127.0.0.1:8080/\n\
        health = http://127.0.0.1:8080/\nhealth-every = 1s\nhealth-tries = 1000\n";
    let plan = temp.write("plan", text, 0o644);
    let run = Run::pidlet().own_network().cwd(temp.path());
    let init = run.args(["-v", "-c", &plan]).start();
    init.wait_line(ErrOut, |line| line.contains(" is up "));
    let attached = Attached::to(&init, &strace, &temp);
    // What is read first of each answer that comes in time.
    let answers = |calls: &[String]| -> Vec<String> {
        let checks = calls.split(|call| call.starts_with("sendmsg(")).skip(1);
        let read = |call: &&String| call.starts_with("read(") && call.contains("HTTP");
        let first = checks.filter_map(|check| check.iter().find(read).cloned());
        first.collect()
    };
    init.until("it has been checked", || {
        answers(&calls(&attached.trace)).len() > 2
    });
    let calls = attached.calls();
    let answers = answers(&calls);
    println!("{} system calls for {} answers", calls.len(), answers.len());
    let whole = |call: &String| call.contains("\"HTTP/1.0 200\"");
    assert!(answers.iter().all(whole), "{calls:#?}");
}

#[test]
fn a_signal_does_not_wait_behind_many_writers() {
    const WRITERS: usize = 40;
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let text = format!(
        "[pidlet]\nlog = prefix\n[a]\nrun = {} signals\ninstances = {WRITERS}\n",
        probe()
    );
    let init = Run::with_plan(&temp, &text).start();
    init.until("all are ready", || init.lines(Out).len() == WRITERS);
    init.until("it sleeps", || {
        init.info().is_some_and(|info| info.state == 'S')
    });
    init.kill(libc::SIGSTOP);
    init.until("it is stopped", || {
        init.info().is_some_and(|info| info.is_stopped())
    });
    for other in init.others() {
        // SAFETY: a process of the namespace that is this test's own.
        unsafe { libc::kill(other.pid, libc::SIGUSR1) };
    }
    init.until("all have something to say", || {
        init.others().iter().all(|other| other.pending == 0)
    });
    init.kill(libc::SIGUSR2);
    let attached = Attached::to(&init, &strace, &temp);
    init.kill(libc::SIGCONT);
    init.until("all have it", || {
        let lines = init.lines(Out);
        lines.iter().filter(|line| line.contains("got 12")).count() == WRITERS
    });
    let calls = attached.calls();
    let taken = |call: &String| call.contains("SIGUSR2") && call.contains("timedwait");
    let taken = calls.iter().position(taken).expect("the signal is taken");
    let reads = calls[..taken]
        .iter()
        .filter(|call| call.starts_with("read("));
    assert_eq!(reads.count(), 0, "{calls:#?}");
}

#[test]
fn a_small_log_is_rotated_only_a_few_times_in_one_turn() {
    let strace = strace_or_skip!();
    let temp = Temp::new();
    let path = temp.join("log");
    let text = format!(
        "[s]\nrun = sh -c 'echo >&2; read line; seq 8000; exec sleep 1000'\n\
        stdout = file:{path}\nlog-size = 1K\nlog-keep = 1\n"
    );
    let file = temp.write("plan", text, 0o644);
    let run = Run::pidlet().stdin(Input::Pipe);
    let init = run.args(["-c", &file]).start();
    init.wait_line(ErrOut, str::is_empty);
    init.kill(libc::SIGSTOP);
    init.until("it is stopped", || {
        init.info().is_some_and(|info| info.is_stopped())
    });
    init.send("\n");
    init.until("all is written", || init.find("sleep").is_some());
    let attached = Attached::to(&init, &strace, &temp);
    init.kill(libc::SIGCONT);
    init.until("all is in the log", || {
        lines_of(&path).last().is_some_and(|line| line == "8000")
    });
    let calls = attached.calls();
    let turns = calls.split(|call| call.starts_with("epoll_pwait("));
    let rotations = |turn: &[String]| {
        turn.iter()
            .filter(|call| call.starts_with("rename"))
            .count()
    };
    let rotations: Vec<usize> = turns.map(rotations).collect();
    assert!(rotations.iter().sum::<usize>() > 20, "{calls:#?}");
    assert!(rotations.iter().all(|count| *count <= 3), "{rotations:?}");
}
