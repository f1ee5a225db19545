//! What services write, on its way through pidlet (pidlet(8), Output): whole lines, none lost, torn or out of
//! order; and a reader that does not read holds up only the services that write to it. Lines in files are in
//! `files.rs`.

mod support;
use support::*;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::mem::replace;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Shell scripts, each a service, in a container that ends when all of them have ended.
fn shells(mode: Mode, options: &[&str], scripts: &[&str]) -> Run {
    let commands: Vec<[&str; 3]> = scripts.iter().map(|script| ["sh", "-c", script]).collect();
    let words = commands.join(&"---");
    let run = Run::pidlet().mode(mode).args(["--until", "all"]);
    run.args(options).arg("--").args(words)
}

/// The program's side of a terminal, on which a newline becomes two bytes, as on any terminal by default.
fn ordinary(pty: &Pty) -> File {
    let terminal = File::from(pty.slave());
    // SAFETY: zero is a valid termios, which is filled before it is read.
    unsafe {
        let mut termios: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(terminal.as_raw_fd(), &mut termios), 0);
        termios.c_oflag |= libc::OPOST | libc::ONLCR;
        libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &termios);
    }
    terminal
}

/// What follows `name | ` on the lines that begin with that.
fn of<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!("{name} | ");
    let lines = text.lines();
    lines.filter_map(|line| line.strip_prefix(&head)).collect()
}

/// The result of a run whose reader came in time for the container's last second. For a late reader lines are
/// dropped, and a message says so; as that happens on a loaded machine, the run is tried again.
#[track_caller]
fn in_time<T>(play: impl Fn() -> (Ended, T)) -> (Ended, T) {
    let mut seen = None;
    until("the reader comes in time", TIMEOUT, || {
        let (ended, more) = play();
        let late = |text: &str| text.contains("lines dropped: ");
        if !late(&ended.stdout) && !late(&ended.stderr) {
            seen = Some((ended, more));
        }
        seen.is_some()
    });
    seen.expect("seen above")
}

#[test]
fn lines_of_several_services_are_neither_torn_nor_lost_nor_out_of_order() {
    const COUNT: usize = 30_000;
    let script = format!("seq {COUNT}; seq {COUNT} >&2");
    for mode in Mode::BOTH {
        let scripts = [script.as_str(); 4];
        let play = || (shells(mode, &["--log", "prefix"], &scripts).output(), ());
        let (ended, ()) = in_time(play);
        assert_eq!(ended.exit, Exit::Code(0), "{:?}", ended.exit);
        for (text, more) in [(&ended.stdout, 0), (&ended.stderr, 1)] {
            for name in ["sh", "sh-2", "sh-3", "sh-4"] {
                let numbers = of(text, name);
                assert_eq!(numbers.len(), COUNT, "{name}");
                let right = |(index, number): (usize, &&str)| **number == (index + 1).to_string();
                assert!(numbers.iter().enumerate().all(right), "{name}");
            }
            assert_eq!(text.lines().count(), 4 * COUNT + more);
        }
    }
}

#[test]
fn a_last_line_without_newline_is_completed_before_the_end_is_reported() {
    for mode in Mode::BOTH {
        let ended = shells(mode, &["--log", "prefix"], &["printf 'a\nb'; printf c >&2"]).output();
        assert_eq!(ended.stdout, "sh | a\nsh | b\n", "{ended}");
        let mut lines = ended.stderr.lines();
        assert_eq!(lines.next(), Some("sh | c"), "{ended}");
        assert!(
            lines.next().unwrap().starts_with("pidlet: sh (pid "),
            "{ended}"
        );
    }
}

#[test]
fn a_line_of_a_daemon_goes_on_when_its_launcher_ends() {
    let temp = Temp::new();
    let pidfile = temp.join("pid");
    let script = format!(
        "exec 3<&0; printf \"one \"; {{ read line <&3; echo two; }} & echo $! >{pidfile}; exit 3"
    );
    // With another code that counts as success, too.
    let text = format!(
        "[pidlet]\nverbose = 1\nlog = prefix\nexpect = 3\n[a]\ntype = daemon\nrun = sh -c '{script}'\n\
        pidfile = {pidfile}\n"
    );
    for mode in Mode::BOTH {
        let run = Run::with_plan(&temp, &text).mode(mode).stdin(Input::Pipe);
        let init = run.start();
        init.until("the daemon is found", || {
            let lines = init.lines(ErrOut);
            lines.iter().filter(|line| line.ends_with(" runs")).count() == 2
        });
        init.send("\n");
        let ended = init.finish();
        assert_eq!(ended.stdout, "a | one two\n", "{ended}");
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    }
}

#[test]
fn leftover_processes_end_their_own_lines() {
    let temp = Temp::new();
    let script =
        "exec 3<&0; { read x <&3; printf \"one \"; echo half >&2; read x <&3; echo two; } &";
    let text = format!(
        "[pidlet]\nlog = prefix\n[a]\nrun = sh -c '{script}'\nessential = no\n\
        [b]\nrun = sleep 1000\nstdin = null\n"
    );
    for mode in Mode::BOTH {
        let run = Run::with_plan(&temp, &text).mode(mode).arg("-v");
        let init = run.stdin(Input::Pipe).start();
        init.wait_line(ErrOut, |line| line.contains(") exited with code 0 after "));
        init.send("\n");
        init.wait_line(ErrOut, |line| line == "a | half");
        init.send("\n");
        init.wait_line(Out, |line| line.ends_with("two"));
        assert_eq!(init.stdout(), "a | one two\n");
    }
}

#[test]
fn the_last_line_of_a_launcher_or_a_finish_command_is_completed_at_once() {
    let temp = Temp::new();
    let pidfile = temp.join("pid");
    let told = "trap \"printf last; exit 0\" TERM; echo ready; while :; do sleep 0.01; done";
    let finish = "ready-timeout = 20ms\nfinish = printf last\nessential = no";
    for mode in Mode::BOTH {
        for (run, more, stops) in [
            ("true", finish, false),
            ("printf last; exit 3", "essential = no", false),
            (told, "", true),
        ] {
            let text = format!(
                "[pidlet]\nlog = prefix\n[a]\ntype = daemon\nrun = sh -c '{run}'\npidfile = {pidfile}\n\
                {more}\n[b]\nrun = sh -c 'trap \"\" TERM; echo ready; read line'\n"
            );
            let run = Run::with_plan(&temp, &text).mode(mode).stdin(Input::Pipe);
            let init = run.start();
            init.wait_line(Out, |line| line == "b | ready");
            if stops {
                init.wait_line(Out, |line| line == "a | ready");
                init.kill(libc::SIGTERM);
            }
            init.wait_line(Out, |line| line == "a | last");
            init.send("\n");
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        }
    }
}

#[test]
fn lines_of_two_runs_are_not_joined_where_no_daemon_is_found() {
    let temp = Temp::new();
    let text = format!(
        "[pidlet]\nlog = prefix\n[a]\ntype = daemon\nrun = printf x\npidfile = {}\n\
        ready-timeout = 2s\nrestart = always\nbackoff = 1ms\ntries = 2 in 60s\n",
        temp.join("pid")
    );
    let ended = Run::with_plan(&temp, &text).output();
    assert_eq!(ended.stdout, "a | x\na | x\n", "{ended}");
}

#[test]
fn a_line_of_a_mebibyte_comes_in_marked_pieces() {
    let script = "head -c 1048576 /dev/zero | tr '\\0' x; echo; echo end";
    let ended = shells(Mode::Pid1, &["--log", "prefix"], &[script]).output();
    let mut pieces = of(&ended.stdout, "sh");
    assert_eq!(pieces.pop(), Some("end"));
    let last = pieces.pop().unwrap();
    assert!(pieces.iter().all(|piece| piece.len() == 8193));
    let whole: String = pieces
        .iter()
        .map(|piece| piece.strip_suffix('\\').unwrap())
        .collect();
    assert!(whole + last == "x".repeat(1 << 20));
}

/// The messages of lines that must be JSON objects with a time, each behind its service and stream;
/// nothing if there is no Python to read them.
fn objects(text: &str) -> Option<String> {
    let check = "import json, sys\n\
        for line in sys.stdin.buffer:\n\
        \x20   o = json.loads(line.decode('utf-8'))\n\
        \x20   assert list(o)[:4] == ['time', 'service', 'stream', 'message'], o\n\
        \x20   assert len(o['time']) == 27, o\n\
        \x20   head = o['service'] + ' ' + o['stream'] + ' '\n\
        \x20   sys.stdout.write(head + o['message'] + '\\n')\n";
    let mut python = Command::new("python3");
    python.args(["-c", check]).stdin(Stdio::piped());
    let python = python.stdout(Stdio::piped()).spawn();
    let mut python = python.ok()?;
    let mut stdin = python.stdin.take().unwrap();
    let input = text.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{text}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn json_lines_are_json_whatever_is_written() {
    let options = ["--log", "json", "--timestamps"];
    // Random bytes, then one of each kind: a control character, a tab, a quote, a backslash, UTF-8, no UTF-8.
    let script = "head -c 100000 /dev/urandom; echo; printf '\\001\\t\"\\\\\\303\\244\\377z'";
    let ended = shells(Mode::Pid1, &options, &[script]).output();
    let Some(text) = objects(&ended.stdout) else {
        skip!("there is no python3");
    };
    assert!(text.starts_with("sh stdout "), "{text:?}");
    assert!(
        text.ends_with("sh stdout \u{1}\t\"\\ä\u{fffd}z\n"),
        "{text:?}"
    );
}

#[test]
fn a_line_of_our_own_is_json_however_much_it_grows() {
    let name = [0x80; 2000];
    let run = Run::pidlet().args(["--log", "json", "--"]);
    let ended = run.arg(OsStr::from_bytes(&name)).output();
    let whole = "\u{fffd}".repeat(1023 - "pidlet: ...".len());
    let whole = format!("\"message\":\"{whole}...\"}}\n");
    assert!(ended.stderr.ends_with(&whole), "{ended}");
}

#[test]
fn our_own_lines_look_like_all_the_others() {
    let script = "echo heard >&2; exit 3";
    let ended = shells(
        Mode::Pid1,
        &["-vv", "--log", "json", "--timestamps"],
        &[script],
    )
    .output();
    let Some(text) = objects(&ended.stderr) else {
        skip!("there is no python3");
    };
    let lines: Vec<&str> = text.lines().collect();
    let first = lines[0].replace(|digit: char| digit.is_ascii_digit(), "");
    assert_eq!(first, "pidlet stderr sh (pid ) runs", "{ended}");
    assert!(lines.contains(&"sh stderr heard"), "{ended}");
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("pidlet stderr sh (pid ") && last.contains(") exited with code 3 after "),
        "{ended}"
    );
    assert!(last.ends_with("; container exits 3"), "{ended}");
    // They have a time even where no output is captured.
    for log in ["prefix", "inherit"] {
        let ended = shells(Mode::Pid1, &["--log", log, "--timestamps"], &["exit 3"]).output();
        let (time, text) = ended.stderr.split_at(28);
        assert!(time.starts_with("20") && time.ends_with("Z "), "{ended}");
        assert!(text.starts_with("pidlet: sh (pid "), "{ended}");
    }
}

#[test]
fn a_last_line_without_newline_is_not_lost_behind_a_slow_reader() {
    // As JSON it is four times what pidlet writes at once. pidlet reads all of it together, because its
    // standard output is full after the first lines.
    let line = "\u{1}".repeat(99);
    let script = format!("yes '{line}' | head -n 400; printf end");
    let (ended, text) = in_time(|| {
        let (mut reader, writer) = pipe();
        // SAFETY: changes the size of a pipe that we hold.
        unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
        let run = shells(Mode::Pid1, &["--log", "json"], &[&script]);
        let init = run.stdout(Output::File(writer)).start();
        init.until("only pidlet is left", || init.others().is_empty());
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        (init.finish(), text)
    });
    assert_eq!(text.lines().count(), 401, "{ended}");
    assert!(text.ends_with("\"message\":\"end\"}\n"), "{text:?}");
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
}

#[test]
fn a_reader_that_keeps_reading_gets_all_of_the_last_lines() {
    // As JSON this is 240 KB, of which a pipe takes 4: reading it takes several times the second that the end
    // grants a reader that reads nothing.
    let script = format!("yes '{}' | head -n 400", "\u{1}".repeat(99));
    for mode in Mode::BOTH {
        until("no read comes late on a loaded machine", TIMEOUT, || {
            let (mut reader, writer) = pipe();
            // SAFETY: changes the size of a pipe that we hold.
            unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
            let run = shells(mode, &["--log", "json", "--grace", "1h"], &[&script]);
            let init = run.stdout(Output::File(writer)).start();
            init.until("only pidlet is left", || init.others().is_empty());
            let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
            let (mut latest, mut last) = (Duration::ZERO, Instant::now());
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                latest = latest.max(replace(&mut last, Instant::now()).elapsed());
                text.extend_from_slice(&buffer[..read]);
                std::thread::sleep(Duration::from_millis(50));
            }
            let ended = init.finish();
            let lines = String::from_utf8_lossy(&text).lines().count();
            let in_time = latest < Duration::from_millis(500);
            assert!(lines == 400 || !in_time, "{lines} lines; {ended}");
            in_time
        });
    }
}

#[test]
fn a_reader_that_keeps_reading_is_waited_for_no_longer_than_the_budget() {
    // Reading all of it takes six seconds at least.
    let script = format!("yes '{}' | head -n 400", "\u{1}".repeat(99));
    for mode in Mode::BOTH {
        let (mut reader, writer) = pipe();
        // SAFETY: changes the size of a pipe that we hold.
        unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
        let run = shells(mode, &["--log", "json", "--grace", "1s"], &[&script]);
        let init = run.stdout(Output::File(writer)).start();
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            text.extend_from_slice(&buffer[..read]);
            std::thread::sleep(Duration::from_millis(100));
        }
        let ended = init.finish();
        let lines = String::from_utf8_lossy(&text).lines().count();
        assert!(lines < 400, "{lines} lines; {ended}");
        assert!(ended.stderr.contains("; lines dropped: "), "{ended}");
    }
}

#[test]
fn a_reader_that_reads_nothing_is_not_waited_for_longer_because_signals_arrive() {
    for mode in Mode::BOTH {
        let run = shells(
            mode,
            &["--log", "prefix", "--grace", "1h"],
            &["yes | head -n 99999"],
        );
        let init = run.stdout(Output::Full).start();
        init.until("head waits for us", || {
            init.find("head").is_some_and(|info| info.state == 'S')
        });
        init.kill(libc::SIGTERM);
        init.until("it ends", || {
            init.kill(libc::SIGHUP);
            init.try_wait().is_some()
        });
    }
}

#[test]
fn a_full_standard_output_stops_neither_signals_nor_reaping_nor_the_end() {
    for mode in Mode::BOTH {
        let run = Run::pidlet().mode(mode);
        let run = run.args(["-v", "--grace", "1h", "--log", "prefix", "--"]);
        let run = run.args(["sh", "-c", "trap '' USR1; exec yes", "---"]);
        let script = "trap 'echo usr1 >&2' USR1; echo trapped >&2; while :; do sleep 0.01; done";
        let run = run.args(["sh", "-c", script]);
        let init = run.stdout(Output::Full).start();
        init.wait_line(ErrOut, |line| line == "sh-2 | trapped");
        init.until("yes, which ignores USR1, waits for us", || {
            init.find("yes").is_some_and(|info| info.state == 'S')
        });
        init.until("USR1 is passed on", || {
            init.kill(libc::SIGUSR1);
            init.lines(ErrOut).iter().any(|line| line == "sh-2 | usr1")
        });
        init.until("every process is reaped", || {
            init.others().iter().all(|info| !info.is_zombie())
        });
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(128 + libc::SIGTERM), "{ended}");
        let lost =
            "pidlet: cannot write \"standard output or error\": Resource temporarily unavailable; ";
        assert!(
            ended.stderr.lines().any(|line| line.starts_with(lost)),
            "{ended}"
        );
    }
}

#[test]
fn the_end_waits_for_a_reader_without_being_woken_by_a_readiness_pipe() {
    let temp = Temp::new();
    let plan = "[pidlet]\nlog = prefix\n[web]\nready = fd:3\n\
        run = sh -c 'sleep 1000 & echo line; echo runs >&2; exec sleep 1000'\n";
    let plan = temp.write("plan", plan, 0o644);
    for mode in Mode::BOTH {
        let run = Run::listened().mode(mode).args(["-c", &plan]);
        let init = run.stdout(Output::Full).start();
        let namespace = init.namespace();
        // What is left of the service is dead, and its end of the pipe closed, when pidlet looks at it next.
        let mut told = false;
        let wait_for_it = move |call: &Call| {
            told |= call.number == libc::SYS_kill && (call.args[0] as i32) < 0;
            if told && call.number == libc::SYS_waitid {
                until("all of its children are dead", TIMEOUT, || {
                    let all = in_namespace(namespace);
                    let mut children = all.iter().filter(|info| info.ppid == call.pid);
                    children.all(Info::is_zombie)
                });
            }
            None
        };
        let Some(listener) = Listener::to(&init, pidlet(), wait_for_it) else {
            skip!("this kernel lets no process answer another's system calls");
        };
        init.wait_line(ErrOut, |line| line == "web | runs");
        init.kill(libc::SIGTERM);
        let exit = init.wait_exit();
        assert_eq!(exit, Exit::Code(143), "{}", init.describe());
        let waits = |call: &&Call| call.number == libc::SYS_epoll_pwait;
        let count = listener.calls().iter().filter(waits).count();
        assert!(count < 50, "{count} waits");
    }
}

#[test]
fn lines_that_are_not_read_by_the_end_are_counted() {
    let temp = Temp::new();
    let (mut reader, writer) = pipe();
    // More than the output's pipe holds, but no more than that and the pipe to us hold together, however
    // little of it we have read by then.
    let run = shells(Mode::Pid1, &["--log", "prefix"], &["seq 15000"]);
    let run = run.stdin(Input::Pipe).stdout(Output::File(writer));
    let own = run.start();
    let (path, mut fifo) = temp.pipe();
    let text = format!("[a]\nrun = seq 20000\nstdout = file:{path}\n");
    let other = Run::with_plan(&temp, &text).stdin(Input::Pipe).start();
    for (init, reader, name, all) in [
        (own, &mut reader, "standard output or error", 15_000),
        (other, &mut fifo, &*path, 20_000),
    ] {
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let lost = all - text.matches('\n').count();
        let said = format!(
            "pidlet: cannot write \"{name}\": \
             Resource temporarily unavailable; lines dropped: {lost}"
        );
        assert!(ended.stderr.lines().any(|line| line == said), "{ended}");
    }
}

#[test]
fn lines_that_a_full_disk_refuses_are_counted_until_it_takes_something() {
    const COUNT: usize = 20;
    let temp = Temp::new();
    let [log, count, more] = ["log", "count", "more"].map(|name| temp.join(name));
    let script = format!(
        "trap 'echo lost; echo >> {count}' USR1; echo >> {count}
        until test -e {more}; do sleep 0.01; done; echo taken; read x"
    );
    // We report each signal as well, in a line of our own.
    let options = ["--log", "prefix", "-v", "-v"];
    let run = shells(Mode::Child, &options, &[&script]).stdin(Input::Pipe);
    std::fs::write(&log, [b'\n'; 64]).unwrap();
    let file = File::options().append(true).open(&log).unwrap();
    let out = file.try_clone().unwrap();
    let run = run.stdout(Output::File(out)).stderr(Output::File(file));
    // The shell writes a file of its own, within the limit.
    let run = run.limit(libc::RLIMIT_FSIZE, 64, libc::RLIM_INFINITY);
    let init = run.start();
    for sent in 0..=COUNT {
        init.until("it has written", || lines_of(&count).len() > sent);
        if sent < COUNT {
            init.kill(libc::SIGUSR1);
        }
    }
    init.limit(libc::RLIMIT_FSIZE, libc::RLIM_INFINITY, libc::RLIM_INFINITY);
    std::fs::write(&more, "").unwrap();
    // The loss is reported as soon as something can be written, not only at the end.
    init.until("it is said", || {
        lines_of(&log)
            .iter()
            .any(|line| line.contains("; lines dropped: "))
    });
    init.send("\n");
    let ended = init.finish();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    let said = std::fs::read_to_string(&log).unwrap();
    let head = "pidlet: cannot write \"standard output or error\": File too large; lines dropped: ";
    let lost = said
        .lines()
        .find_map(|line| line.strip_prefix(head))
        .expect(&said);
    // The first loss is reported at once, and that report is lost as well.
    let lost: usize = lost.parse().unwrap();
    assert!((COUNT / 2..COUNT).contains(&lost), "{said}");
}

#[test]
fn a_slow_reader_gets_everything() {
    let (ended, text) = in_time(|| {
        let (mut reader, writer) = pipe();
        let init = shells(Mode::Pid1, &["--log", "prefix"], &["seq 100000"; 2]);
        let init = init.stdout(Output::File(writer)).start();
        let mut text = String::new();
        let mut buffer = [0; 3000];
        loop {
            let read = reader.read(&mut buffer).unwrap();
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            if read == 0 {
                break;
            }
            if text.len() % 7 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        (init.finish(), text)
    });
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    for name in ["sh", "sh-2"] {
        let numbers = of(&text, name);
        assert_eq!(numbers.len(), 100_000, "{name}");
        assert_eq!(numbers.last(), Some(&"100000"));
    }
}

#[test]
fn a_reader_that_has_read_everything_does_not_wake_us() {
    let (mut reader, writer) = pipe();
    let run = shells(
        Mode::Pid1,
        &["--log", "prefix"],
        &["seq 15000; exec sleep 1000"],
    );
    let init = run.stdout(Output::File(writer)).start();
    init.until("our standard output is full", || {
        init.find("sleep").is_some() && init.info().is_some_and(|info| info.state == 'S')
    });
    let (mut text, mut buffer) = (Vec::new(), [0; 65536]);
    while !text.ends_with(b"sh | 15000\n") {
        let read = reader.read(&mut buffer).unwrap();
        text.extend_from_slice(&buffer[..read]);
    }
    init.until("we sleep", || {
        init.info().is_some_and(|info| info.state == 'S')
    });
}

#[test]
fn a_slow_reader_gets_something_of_every_service() {
    let (mut reader, writer) = pipe();
    let names = ["sh", "sh-2", "sh-3", "sh-4", "sh-5"];
    let run = shells(Mode::Pid1, &["--log", "prefix"], &["exec yes"; 5]);
    let init = run.stdout(Output::File(writer)).start();
    init.until("all of them wait for the reader", || {
        let infos = init.others();
        infos.len() == names.len()
            && infos
                .iter()
                .all(|info| info.comm == "yes" && info.state == 'S')
    });
    // Reads several times as much as we take at once from one of them, and so slowly that the next one has
    // filled our standard output again before each read.
    let mut text = Vec::new();
    let mut buffer = [0; 16384];
    while text.len() < 4 << 20 {
        init.until("our standard output is full", || {
            Info::of(init.pid()).is_some_and(|info| info.state == 'S')
        });
        let read = reader.read(&mut buffer).unwrap();
        text.extend_from_slice(&buffer[..read]);
    }
    let text = String::from_utf8(text).unwrap();
    for name in names {
        let count = of(&text, name).len();
        assert!(count > text.lines().count() / 20, "{name}: {count} lines");
    }
}

#[test]
fn lines_of_two_runs_are_not_joined_behind_a_full_standard_output() {
    let temp = Temp::new();
    let (begun, go) = (temp.join("begun"), temp.join("go"));
    let (mut reader, writer) = pipe();
    let text = format!(
        "[pidlet]\nlog = prefix\n\
        [full]\nrun = sh -c 'exec yes'\n\
        [a]\nrestart = on-failure\nbackoff = 1ms..1ms\n\
        run = sh -c 'test -e {begun} && printf new && exec sleep 1000; touch {begun}; \
        until test -e {go}; do sleep 0.01; done; printf old; exit 1'\n"
    );
    let init = Run::with_plan(&temp, &text)
        .stdout(Output::File(writer))
        .start();
    init.until("yes waits for the reader", || {
        init.find("yes").is_some_and(|info| info.state == 'S')
    });
    let first = init.find("sh").map(|info| info.pid);
    std::fs::write(&go, "").unwrap();
    init.until("the second run has written", || {
        let children = init.children();
        let second = |info: &Info| info.comm == "sleep" && Some(info.pid) != first;
        children.iter().any(second)
    });
    let mut text = String::new();
    let mut buffer = [0; 65536];
    init.until("both have ended", || {
        init.kill(libc::SIGTERM);
        let read = reader.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        read == 0
    });
    assert_eq!(of(&text, "a"), ["old", "new"]);
}

#[test]
fn our_own_lines_do_not_tear_those_of_services() {
    let (mut reader, writer) = pipe();
    let script = "trap '' USR1; x=$(printf '%05000d' 0); for i in $(seq 200); do echo $x >&2; done";
    let run = shells(Mode::Pid1, &["-vv", "--log", "prefix"], &[script]);
    let init = run.stderr(Output::File(writer)).start();
    let mut text = String::new();
    let mut buffer = [0; 1500];
    loop {
        // Once the shell writes, its trap is set. Signals that are pending together count as one.
        if text.contains("sh | 0") && init.kill(libc::SIGUSR1) && text.len() < 200_000 {
            init.until("the signal is taken", || {
                init.info()
                    .is_none_or(|info| info.pending & 1 << (libc::SIGUSR1 - 1) == 0)
            });
        }
        let read = reader.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert_eq!(init.wait_exit(), Exit::Code(0));
    let whole = format!("sh | {}", "0".repeat(5000));
    let mut counts = [0, 0];
    for line in text.lines() {
        match line {
            _ if line == whole => counts[0] += 1,
            _ if line.starts_with("pidlet: ") => counts[1] += 1,
            _ => panic!("{line:?}"),
        }
    }
    assert_eq!(counts[0], 200);
    assert!(counts[1] > 10, "{counts:?}");
}

#[test]
fn our_own_last_lines_do_not_go_on_with_a_line_that_was_given_up() {
    let (mut reader, writer) = pipe();
    let both = [writer.try_clone().unwrap(), writer].map(Output::File);
    let [out, error] = both;
    let script = "exec yes $(printf '%05000d' 0)";
    let options = ["--log", "prefix", "--grace", "1s"];
    let run = shells(Mode::Pid1, &options, &[script]);
    let init = run.stdout(out).stderr(error).start();
    init.until("yes waits for the reader", || {
        init.find("yes").is_some_and(|info| info.state == 'S')
    });
    init.kill(libc::SIGTERM);
    let mut text = Vec::new();
    let mut buffer = [0; 1000];
    // Reads steadily, but so slowly that the budget is over before all is read.
    while init.try_wait().is_none() {
        let read = reader.read(&mut buffer).unwrap();
        text.extend_from_slice(&buffer[..read]);
        std::thread::sleep(Duration::from_millis(10));
    }
    reader.read_to_end(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let torn = text.lines().find(|line| line.find("pidlet:") > Some(0));
    assert_eq!(torn.map(|line| &line[line.len() - 100..]), None);
}

#[test]
fn a_leftover_process_that_keeps_writing_does_not_hold_up_the_end() {
    for mode in Mode::BOTH {
        let script = "(trap '' TERM; while :; do echo y; done) & echo x; exit 3";
        let run = Run::pidlet()
            .mode(mode)
            .args(["--grace", "1s", "--log", "prefix", "--"]);
        let init = run
            .args(["sh", "-c", script, "---", "sleep", "1000"])
            .start();
        // A pidlet that reads on for as long as there is something never gets to killing the writer.
        assert_eq!(init.wait_exit(), Exit::Code(3), "{}", init.stderr());
        init.until("the line before the end is there", || {
            of(&init.stdout(), "sh").contains(&"x")
        });
    }
}

#[test]
fn a_standard_output_without_a_reader_costs_lines_and_nothing_else() {
    let lost = |ended: &Ended, why: &str| {
        let line = format!("pidlet: cannot write \"standard output or error\": {why}; ");
        ended.stderr.lines().any(|said| said.starts_with(&line))
    };
    for mode in Mode::BOTH {
        let script = "seq 10; echo b >&2; exit 4";
        let run = || shells(mode, &["--log", "prefix"], &[script]);
        let ended = run().stdout(Output::Closed).output();
        assert_eq!(ended.exit, Exit::Code(4), "{ended}");
        assert!(lost(&ended, "Bad file descriptor"), "{ended}");
        assert_eq!(of(&ended.stderr, "sh"), ["b"], "{ended}");
        let (reader, writer) = pipe();
        drop(reader);
        // The SIGPIPE that comes with a broken pipe is not for the services.
        let signals = [probe(), "signals", "--exit-on", "15=0"];
        let other = ["---", "sh", "-c", "seq 100000; sleep 0.2"];
        let run = Run::pidlet()
            .mode(mode)
            .args(["-v", "--log", "prefix", "--"]);
        let ended = run
            .args(signals)
            .args(other)
            .stdout(Output::File(writer))
            .output();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        assert!(lost(&ended, "Broken pipe"), "{ended}");
        assert!(!ended.stderr.contains("PIPE"), "{ended}");
    }
}

#[test]
fn a_terminal_gets_lines_as_well_with_names_in_colour() {
    let script = "seq 1000; seq 1000 >&2";
    for (variable, name) in [
        (None, "\x1b[31msh\x1b[m"),
        (Some(""), "\x1b[31msh\x1b[m"),
        (Some("1"), "sh"),
    ] {
        let (ended, ()) = in_time(|| {
            let mut run = shells(Mode::Pid1, &["--log", "prefix"], &[script]);
            if let Some(value) = variable {
                run = run.env("NO_COLOR", value);
            }
            let init = run.tty().stdout(Output::Pty).stderr(Output::Pty).start();
            assert_eq!(init.wait_exit(), Exit::Code(0));
            // This is the last line.
            init.wait_line(Out, |line| line.contains("; container exits "));
            (init.finish(), ())
        });
        assert_eq!(of(&ended.stdout, name).len(), 2000);
    }
}

#[test]
fn a_terminal_with_less_room_than_a_line_takes_holds_nothing_up() {
    let temp = Temp::new();
    let sleep = temp.symlink(Path::new("/bin/sleep"), &"x".repeat(200));
    for mode in Mode::BOTH {
        let pty = Pty::open();
        let terminal = ordinary(&pty);
        let flags = |flags: i32| {
            // SAFETY: changes flags of a terminal that we hold.
            unsafe { libc::fcntl(terminal.as_raw_fd(), libc::F_SETFL, libc::O_RDWR | flags) };
        };
        flags(libc::O_NONBLOCK);
        while (&terminal).write(&[b'#'; 64]).is_ok() {}
        flags(0);
        pty.reader().read_exact(&mut [0; 600]).unwrap();
        let run = Run::pidlet().mode(mode).args(["-vv", "--", &sleep, "1000"]);
        let run = run.args(["---", "sleep", "1000"]);
        let init = run.stderr(Output::File(terminal)).start();
        init.until("both run", || {
            let infos = init.others();
            infos.iter().filter(|info| info.comm != "pidlet").count() == 2
        });
        init.kill(libc::SIGTERM);
        // By then half of what we have to say is on the terminal, which no process reads.
        assert_eq!(init.wait_exit(), Exit::Code(143));
    }
}

#[test]
fn a_terminal_that_is_not_read_holds_nothing_up() {
    for mode in Mode::BOTH {
        let pty = Pty::open();
        let terminal = ordinary(&pty);
        let run = shells(mode, &["--log", "prefix"], &["exec yes ''"]);
        let init = run.stdout(Output::File(terminal)).start();
        init.until("yes and pidlet wait", || {
            let sleeps = |info: &Info| info.state == 'S';
            init.find("yes").is_some_and(|info| sleeps(&info))
                && Info::of(init.pid()).is_some_and(|info| sleeps(&info))
        });
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(143));
    }
}

#[test]
fn a_service_reads_what_others_write() {
    let temp = Temp::new();
    let text = "[pidlet]\nuntil = all\n[a]\nrun = seq 1 1000\nstdout = service:c\n\
        [b]\nrun = seq 1001 2000\nstdout = service:c\n\
        [c]\nrun = sh -c 'head -n 2000 | sort -n | tail -n 1'\n";
    let ended = Run::with_plan(&temp, text).output();
    assert_eq!(ended.stdout, "2000\n", "{ended}");
}

#[test]
fn a_service_has_the_streams_that_its_section_names() {
    let temp = Temp::new();
    let text = "[pidlet]\nlog = prefix\n\
        [a]\nrun = sh -c 'echo out; echo err >&2; read x; echo $x'\n\
        stdin = inherit\nstdout = inherit\nstderr = null\n";
    for mode in Mode::BOTH {
        let init = Run::with_plan(&temp, text)
            .mode(mode)
            .stdin(Input::Pipe)
            .start();
        init.send("in\n");
        let ended = init.finish();
        assert_eq!(ended.stdout, "out\nin\n", "{ended}");
        let err = ended.stderr.lines().any(|line| line.ends_with("err"));
        assert!(!err, "{ended}");
    }
}

#[test]
fn our_own_lines_are_counted_until_they_can_be_written_again() {
    for mode in Mode::BOTH {
        let (mut reader, writer) = pipe();
        // Where a write cannot be told not to block (before Linux 6.4) each line may need a page of its own.
        const SIZE: usize = 4 * 4096;
        // SAFETY: changes the size of a pipe that we hold.
        let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, SIZE) };
        assert_eq!(size as usize, SIZE);
        (&writer).write_all(&[b'#'; SIZE]).unwrap();
        let run = Run::pidlet()
            .mode(mode)
            .args(["-vv", "--", probe(), "signals"]);
        let init = run.stderr(Output::File(writer)).start();
        init.wait_ready(1);
        for count in 1..=3 {
            if count == 3 {
                reader.read_exact(&mut [0; SIZE]).unwrap();
            }
            init.kill(libc::SIGUSR1);
            init.until("the signal is passed on", || {
                let lines = init.lines(Out);
                lines
                    .iter()
                    .filter(|line| line.starts_with("got 10"))
                    .count()
                    == count
            });
        }
        // The lost lines: that the command runs, and twice that a signal came and that it was passed on.
        let said = Captured::follow(reader, false);
        let lost = "pidlet: cannot write \"standard output or error\": \
            Resource temporarily unavailable; lines dropped: 5\n";
        init.until("it is said", || said.text().contains(lost));
    }
}

#[test]
fn many_starts_leave_no_descriptor_behind() {
    let temp = Temp::new();
    let text = "[pidlet]\nuntil = all\n[a]\nrun = true\nstdin = file:/etc/passwd\nstdout = null\n\
        restart = always\nbackoff = 1ms..1ms\ntries = 5 in 60s\nessential = no\n\
        [b]\nrun = sleep 1000\n";
    for mode in Mode::BOTH {
        let init = Run::with_plan(&temp, text).mode(mode).start();
        init.wait_line(ErrOut, |line| line.contains("was started too often"));
        let fds = init.fds();
        let count = |path: &str| {
            let own = |(fd, to): &&(i32, String)| *fd > 2 && to == path;
            fds.iter().filter(own).count()
        };
        assert_eq!(count("/etc/passwd"), 0, "{fds:?}");
        assert_eq!(count("/dev/null"), 1, "{fds:?}");
    }
}

#[test]
fn checks_and_finish_commands_leave_a_services_streams_alone() {
    let temp = Temp::new();
    let checked = temp.join("checked");
    // The service's standard output stays non-blocking, and its input is still whole, after a check that
    // reads its own input for as long as anything may write to it.
    let script = format!(
        "import fcntl, os, time\n\
        fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK)\n\
        while not os.path.exists('{checked}'): time.sleep(0.01)\n\
        print(input(), fcntl.fcntl(1, fcntl.F_GETFL) & os.O_NONBLOCK != 0)\n"
    );
    let Ok(python) = Command::new("python3").arg("--version").output() else {
        skip!("there is no python3");
    };
    assert!(python.status.success());
    let script = temp.write("script", script, 0o644);
    let text = format!(
        "[pidlet]\nlog = prefix\n\
        [feed]\nrun = sh -c \"echo first; echo second; exec sleep 1000\"\nstdout = service:a\n\
        [a]\nrun = python3 {script}\nfinish = sh -c 'cat; echo finished'\n\
        health = exec:sh -c 'cat; touch {checked}'\nhealth-every = 2s\nhealth-tries = 15\n"
    );
    let ended = Run::with_plan(&temp, &text).output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    assert_eq!(
        of(&ended.stdout, "a"),
        ["first True", "finished"],
        "{ended}"
    );
}

#[test]
fn another_user_may_open_its_standard_streams() {
    if !is_root() {
        skip!("only root may start a service as another user");
    }
    let temp = Temp::new();
    let log = temp.join("log");
    let write = "echo out >/dev/stdout; echo err >/proc/self/fd/2; echo both 3<>/dev/stdout >&3";
    for drop in ["user = 65534", "stdin = null"] {
        // With `user` a service is nobody from the start, otherwise it becomes nobody itself.
        let shell = match drop {
            "stdin = null" => "setpriv --reuid=65534 --regid=65534 --clear-groups sh",
            _ => "sh",
        };
        let text = format!(
            "[pidlet]\nlog = prefix\nuntil = all\n\
            [a]\nrun = {shell} -c '{write}'\n{drop}\n\
            [b]\nrun = {shell} -c '{write}'\n{drop}\nstdout = file:{log}\nstderr = service:c\n\
            [c]\nrun = sh -c 'read line </dev/stdin; echo read $line'\nuser = 65534\n"
        );
        let ended = Run::with_plan(&temp, &text).output();
        let mut lines: Vec<&str> = ended.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["a | both", "a | out", "c | read err"], "{ended}");
        assert!(ended.stderr.starts_with("a | err\n"), "{ended}");
        assert_eq!(lines_of(&log), ["out", "both"], "{ended}");
        std::fs::remove_file(&log).unwrap();
    }
}

#[test]
fn a_service_that_writes_to_another_cannot_read_that_pipe() {
    if !is_root() {
        skip!("only root may start a service as another user");
    }
    let temp = Temp::new();
    let text = "[pidlet]\nlog = prefix\nuntil = all\n\
        [reader]\nrun = sh -c 'read line </dev/stdin; echo $line'\nuser = 65534\n\
        [writer]\nrun = sh -c '(: </dev/stdout) 2>/dev/null && echo reads >&2; echo line >/dev/stdout'\n\
        user = 65533\nstdout = service:reader\n";
    let file = temp.write("pidlet.conf", text, 0o644);
    for lacking in ["-sys_ptrace", "-fowner"] {
        let run = Run::new("/usr/bin/setpriv").args(["--bounding-set", lacking]);
        let ended = run.arg(pidlet()).args(["-c", &file]).output();
        assert_eq!(ended.stdout, "reader | line\n", "{lacking}: {ended}");
        assert!(!ended.stderr.contains("reads"), "{lacking}: {ended}");
    }
}

#[test]
fn without_captured_output_there_is_no_cost() {
    let init = Run::pidlet().args(["--", probe(), "signals"]).start();
    init.wait_says("ready");
    init.until("we have settled", || {
        init.cwd() == "/" && init.fds().len() == 3
    });
    assert!(init.fds().iter().all(|(_, to)| !to.contains("eventpoll")));
}

#[test]
fn inherited_descriptors_do_not_outlive_the_start() {
    let file = || File::open("/dev/null").unwrap();
    assert!(file().as_raw_fd() > 2);
    let run = shells(Mode::Pid1, &["--log", "prefix"], &["echo hi; sleep 1000"]);
    let init = run.fd(file(), 5).fd(file(), 100).fd(file(), 7).start();
    init.wait_says("sh | hi");
    init.until("they are closed", || {
        let fds = init.fds();
        let inherited = |(fd, to): &(i32, String)| *fd > 2 && to == "/dev/null";
        !fds.iter().any(inherited)
    });
    init.kill(libc::SIGUSR1);
    assert_eq!(init.wait_exit(), Exit::Code(128 + libc::SIGUSR1));
}

#[test]
fn many_services_need_many_descriptors_and_have_their_own_limit() {
    let scripts = ["ulimit -n"; 60];
    let run = shells(Mode::Pid1, &["--log", "prefix"], &scripts);
    let ended = run.limit(libc::RLIMIT_NOFILE, 100, 4096).output();
    assert_eq!(ended.exit, Exit::Code(0), "{ended}");
    let right = ended.stdout.lines().filter(|line| line.ends_with(" | 100"));
    assert_eq!(right.count(), 60, "{ended}");
    // Where the hard limit is less than what we would take, we take that.
    let run = shells(Mode::Pid1, &["--log", "prefix"], &scripts[..3]);
    let ended = run.limit(libc::RLIMIT_NOFILE, 8, 60).output();
    let right = ended.stdout.lines().filter(|line| line.ends_with(" | 8"));
    assert_eq!(right.count(), 3, "{ended}");
    // Where there are too few descriptors, the start says so.
    let run = shells(Mode::Pid1, &["--log", "prefix"], &scripts);
    let ended = run.limit(libc::RLIMIT_NOFILE, 100, 100).output();
    assert!(ended.stderr.contains("Too many open files"), "{ended}");
}

#[test]
fn both_outputs_in_one_pipe_or_file_do_not_tear_each_other() {
    let script = "seq 20000; seq 20000 >&2";
    let run = || shells(Mode::Pid1, &["-q", "--log", "prefix"], &[script, script]);
    let whole = |text: &str| {
        let right = |line: &&str| {
            let (_, number) = line.split_once(" | ").unwrap_or_default();
            number.parse::<u32>().is_ok()
        };
        assert_eq!(text.lines().filter(right).count(), 80_000);
        assert_eq!(text.lines().count(), 80_000);
    };
    let (mut reader, writer) = pipe();
    // So small that hardly any write fits as a whole.
    // SAFETY: changes the size of a pipe that we hold.
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
    let both = writer.try_clone().unwrap();
    let init = run()
        .stdout(Output::File(writer))
        .stderr(Output::File(both))
        .start();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(init.wait_exit(), Exit::Code(0));
    whole(&text);
    let temp = Temp::new();
    let file = File::create(temp.join("out")).unwrap();
    let both = file.try_clone().unwrap();
    let init = run()
        .stdout(Output::File(file))
        .stderr(Output::File(both))
        .start();
    assert_eq!(init.wait_exit(), Exit::Code(0));
    whole(&std::fs::read_to_string(temp.join("out")).unwrap());
}

#[test]
fn a_plan_that_takes_more_memory_than_there_are_addresses_is_refused() {
    let temp = Temp::new();
    // The rooms for their output take 4 GiB together.
    for last in [383, 384] {
        let mut text = String::from("[pidlet]\nlog = prefix\n");
        for number in 1..=17 {
            let instances = if number < 17 { 1000 } else { last };
            text += &format!("[s{number}]\nrun = true\ninstances = {instances}\n");
        }
        let plan = temp.write("plan", text, 0o644);
        for mode in Mode::BOTH {
            let run = Run::pidlet().mode(mode).args(["-c", &plan]);
            let ended = run.limit(libc::RLIMIT_AS, 1 << 30, 1 << 30).output();
            assert_eq!(ended.exit, Exit::Code(125), "{ended}");
            assert_eq!(ended.stderr, "pidlet: cannot allocate memory\n", "{ended}");
        }
    }
}
