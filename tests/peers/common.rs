//! Scripts and cases that all peers share.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;

use crate::case::{Case, HANGS, PATIENCE, SILENT, Side};
use crate::support::{
    Exit, Input, Mode, Out, Output, Proc, ProcFs, Run, Session, holds_within, lines_of, pipe, probe,
};

/// The highest real-time signal, whose arrival proves that all lower ones were dealt with.
const MARK: i32 = 64;

/// Signals that kill by default: none that stops, none that is ignored. 32 and 33 are libc's own.
pub const DEADLY: [i32; 54] = {
    let mut deadly = [0; 54];
    let mut at = 0;
    let mut signal = 1;
    while signal <= 64 {
        if !matches!(signal, 17..=23 | 28 | 32 | 33) {
            deadly[at] = signal;
            at += 1;
        }
        signal += 1;
    }
    assert!(at == deadly.len());
    deadly
};

/// Signals that all peers treat alike: not those that cannot be caught, the terminal's stops, or those that a
/// fault raises.
pub const PLAIN_SIGNALS: &[i32] = &[
    1, 2, 3, 10, 12, 13, 14, 15, 16, 17, 18, 23, 24, 25, 26, 27, 28, 29, 30, 34, 35, 36, 37, 38,
    39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
    63,
];

/// Raised by faults.
pub const FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// What `effects` says of a peer that is no PID 1 and does not handle `FAULTS`.
pub fn faults_end_it() -> String {
    FAULTS
        .map(|signal| format!("{signal}: the init ended, signal {signal}"))
        .join("\n")
}

/// What `effects` says where `FAULTS` are passed on to no process.
pub fn faults_do_nothing() -> String {
    FAULTS.map(|signal| format!("{signal}: ")).join("\n")
}

/// Its end, or `still there` if it does not end. Use it after the event that should end it, where a peer
/// hangs.
pub fn end_or_hang(side: &Side, proc: &Proc) -> String {
    match side.holds(&mut || proc.try_wait().is_some()) {
        true => side.show_end_of(proc),
        false => HANGS.to_owned(),
    }
}

/// What each signal does: sent alone, with a mark behind it that shows when it has been dealt with.
pub fn effects(side: &Side, options: &[&str], signals: &[i32]) -> String {
    let mut seen = Vec::new();
    let mut init: Option<Proc> = None;
    for &signal in signals {
        let proc = init.take().unwrap_or_else(|| listener(side, options));
        let before = proc.lines(Out).len();
        proc.kill(signal);
        proc.kill(MARK);
        let mark = format!("got {MARK} ");
        let news = || proc.lines(Out).split_off(before);
        proc.until("the mark came through or the init ended", || {
            proc.try_wait().is_some() || news().iter().any(|line| line.starts_with(&mark))
        });
        match proc.try_wait() {
            Some(exit) => seen.push(format!("{signal}: the init ended, {exit}")),
            None => {
                let mut lines = news();
                lines.retain(|line| !line.starts_with(&mark));
                seen.push(format!("{signal}: {}", lines.join(", ")));
                init = Some(proc);
            }
        }
    }
    seen.join("\n")
}

/// An init with the probe that reports signals, ready.
fn listener(side: &Side, options: &[&str]) -> Proc {
    let args = options.iter().copied().chain([probe(), "signals"]);
    let proc = side.run(args).start();
    proc.wait_says("ready");
    proc
}

/// All exit codes; the case lists those that come out changed.
pub fn exit_codes(options: &'static [&'static str]) -> Case {
    Case::new("every exit code comes through", move |side| {
        let changed = (0..=255).filter_map(|code| {
            let script = format!("exit {code}");
            let args = options.iter().copied().chain(["sh", "-c", &script]);
            let exit = side.run(args).output().exit;
            (exit != Exit::Code(code)).then(|| format!("{code}: {exit}"))
        });
        format!("changed: {}", changed.collect::<Vec<_>>().join(" "))
    })
}

/// Deaths by every deadly signal.
pub fn deaths(options: &'static [&'static str]) -> Case {
    Case::new("every death is 128 and the signal", move |side| {
        let ends = DEADLY.iter().map(|signal| {
            let signal = signal.to_string();
            let args = options.iter().copied().chain([probe(), "die", &signal]);
            format!("{signal}: {}", side.run(args).output().exit)
        });
        ends.collect::<Vec<_>>().join("\n")
    })
}

/// Every way in which a program cannot be executed, by a word of `FAILURES`.
pub fn failure(side: &Side, options: &[&str], kind: &str) -> String {
    let temp = &side.temp;
    let mut busy = None;
    let program = match kind {
        "missing" => temp.join("none"),
        "unknown" => "no-such-program".to_owned(),
        "empty name" => String::new(),
        "directory" => temp.join(""),
        "not executable" => temp.write("plain", "#!/bin/sh\n", 0o644),
        "no shebang" => temp.write("script", "echo script\nexit 3\n", 0o755),
        "empty file" => temp.write("empty", "", 0o755),
        "bad interpreter" => temp.write("bad", "#!/no/such/interpreter\n", 0o755),
        "below a file" => temp.write("plain", "", 0o755) + "/program",
        "loop" => {
            let path = temp.join("loop");
            temp.symlink(std::path::Path::new(&path), "loop")
        }
        "long name" => temp.join("x".repeat(300)),
        "busy" => {
            let path = temp.join("busy");
            std::fs::copy("/bin/true", &path).expect("cannot copy /bin/true");
            busy = Some(
                File::options()
                    .append(true)
                    .open(&path)
                    .expect("cannot open a copy"),
            );
            path
        }
        _ => panic!("no failure {kind:?}"),
    };
    let end = side
        .run(options.iter().copied().chain([program.as_str()]))
        .output();
    drop(busy);
    side.show(&end)
}

/// The kinds of `failure`.
pub const FAILURES: [&str; 12] = [
    "missing",
    "unknown",
    "empty name",
    "directory",
    "not executable",
    "no shebang",
    "empty file",
    "bad interpreter",
    "below a file",
    "loop",
    "long name",
    "busy",
];

/// Looks a program up along several `PATH`s.
pub fn path_search(options: &'static [&'static str]) -> Case {
    Case::new("the program is looked up along PATH", move |side| {
        let temp = &side.temp;
        let (found, refused) = (temp.join("found"), temp.join("refused"));
        for directory in [&found, &refused] {
            std::fs::create_dir(directory).expect("cannot make a directory");
        }
        temp.write("found/program", "#!/bin/sh\necho found\n", 0o755);
        temp.write("refused/program", "#!/bin/sh\necho refused\n", 0o644);
        let file = temp.write("file", "", 0o755);
        let paths = [
            found.clone(),
            format!("{refused}:{found}"),
            format!("{refused}:/nowhere"),
            format!("{file}:/nowhere:{found}"),
            format!(
                "{temp}/{long}:{found}",
                temp = temp.join(""),
                long = "x".repeat(300)
            ),
            "/nowhere:".to_owned(),
            ":/nowhere".to_owned(),
            String::new(),
            file.clone(),
        ];
        let args: Vec<&str> = options.iter().copied().chain(["program"]).collect();
        let mut seen: Vec<String> = paths
            .iter()
            .map(|path| {
                let end = side.run(&args).env("PATH", path).cwd(&found).output();
                format!("{}: {}", side.clean(path), side.show(&end))
            })
            .collect();
        let unset = options.iter().copied().chain(["true"]);
        seen.push(side.show(&side.run(unset).env_remove("PATH").output()));
        seen.join("\n")
    })
}

/// What the child is given: words, variables, directory, descriptors, input, a place in a session.
pub fn inherited(options: &'static [&'static str]) -> Vec<Case> {
    let run = move |side: &Side, child: &[&str]| side.run(options.iter().chain(child));
    vec![
        Case::new("arguments arrive byte by byte", move |side| {
            let odd = OsString::from_vec(b"\xff\x80".to_vec());
            let words = [probe(), "args", "", "a b", "\n", "-v", "--", "--version"];
            side.show(&run(side, &words).arg(odd).output())
        }),
        Case::new("the environment arrives as it was", move |side| {
            let odd = OsString::from_vec(b"\xff".to_vec());
            let run = run(side, &[probe(), "env"])
                .env("EMPTY", "")
                .env("ODD", odd);
            side.show(&run.env("A", "b=c d").output())
        }),
        Case::new("the directory stays", move |side| {
            side.show(&run(side, &[probe(), "cwd"]).cwd("/usr/bin").output())
        }),
        Case::new("descriptors arrive, and no other", move |side| {
            let null = || File::open("/dev/null").expect("cannot open /dev/null");
            let run = run(side, &[probe(), "fds"]).fd(null(), 5).fd(null(), 40);
            side.show(&run.output())
        }),
        Case::new("standard input is the child's", move |side| {
            let proc = run(side, &["cat"]).stdin(Input::Pipe).start();
            proc.send("through\n");
            proc.close_stdin();
            side.show(&proc.finish())
        }),
        Case::new("/proc is not needed", move |side| {
            let run = run(side, &[probe(), "exit", "7"]).proc_fs(ProcFs::Empty);
            side.show(&run.output())
        }),
        Case::new("a group leader in a session from outside", move |side| {
            let run = run(side, &[probe(), "mask"]).session(Session::Group);
            side.show(&run.output())
        }),
        Case::new("a child from before is not the main one", move |side| {
            let run = side.run_behind(&["with-child"]).args(options);
            format!("{}", run.args(["sh", "-c", "exit 5"]).start().wait_exit())
        }),
    ]
}

/// A standard descriptor closed: nothing else must turn up in its place, in the child or instead of a report.
pub fn closed(which: i32, options: &'static [&'static str]) -> Case {
    Case::new(&format!("descriptor {which} closed"), move |side| {
        let report = side.temp.join("report");
        let child = [probe(), "--to", &report, "fds"];
        let run = side.run(options.iter().copied().chain(child));
        let run = match which {
            0 => run.stdin(Input::Closed),
            1 => run.stdout(Output::Closed),
            _ => run.stderr(Output::Closed),
        };
        let end = side.show(&run.output());
        format!("{end}\n{}", lines_of(&report).join("\n"))
    })
}

/// A pipe that is not read, to which the init wants to write. The child's end must be noticed all the same.
pub fn full_pipe(side: &Side, options: &[&str], standard_output: bool) -> String {
    let run = side.run(
        options
            .iter()
            .copied()
            .chain([probe(), "--to", "/dev/null", "exit", "4"]),
    );
    let run = if standard_output {
        run.stdout(Output::Full)
    } else {
        run.stderr(Output::Full)
    };
    let proc = run.start();
    let gone = || proc.others().is_empty();
    proc.until("the init ends or has no child any more", || {
        proc.try_wait().is_some() || gone()
    });
    end_or_hang(side, &proc)
}

/// What the init itself keeps while the child runs: its directory, and a descriptor that was given.
pub fn kept_by_init(side: &Side, options: &[&str]) -> String {
    let given = File::open("/etc/passwd").expect("cannot open /etc/passwd");
    let args = options.iter().copied().chain([probe(), "sleep"]);
    let proc = side.run(args).cwd("/usr").fd(given, 5).start();
    proc.wait_says("ready");
    // The child may be faster than the init's own tidying up.
    side.show_when_as_expected(&|| {
        let held = proc.fds().iter().any(|(fd, _)| *fd == 5);
        let held = if held { "held" } else { "closed" };
        format!("in {}, descriptor {held}", proc.cwd())
    })
}

/// Blocked and ignored signals as the child finds them.
pub fn masks(options: &'static [&'static str]) -> Vec<Case> {
    let mask = move |side: &Side, around: fn(Run) -> Run| {
        let run = side.run(options.iter().copied().chain([probe(), "mask"]));
        side.show(&around(run).output())
    };
    vec![
        Case::new("mask and dispositions by default", move |side| {
            mask(side, |run| run)
        }),
        Case::new("signals that were blocked", move |side| {
            mask(side, |run| run.block(&[1, 2, 15, 17, 20, 21, 22, 34, 64]))
        }),
        Case::new("signals that were ignored", move |side| {
            mask(side, |run| run.ignore(&[1, 2, 13, 20, 21, 22, 34, 64]))
        }),
    ]
}

/// An init that is born with a signal pending, and a child that ends on it.
pub fn born_with_signal(side: &Side, child: &[&str]) -> String {
    let run = side.run_behind(&["pending", "10"]).args(["--", probe()]);
    format!("{}", run.args(child).start().wait_exit())
}

/// Which members of a group get a signal that the init got. `signals` come through the init, then a mark goes
/// to each directly.
pub fn group_members(side: &Side, options: &[&str], signals: &[i32]) -> String {
    group_members_with(side, options, signals, |run| run)
}

/// As `group_members`, in surroundings.
pub fn group_members_with(
    side: &Side,
    options: &[&str],
    signals: &[i32],
    around: impl Fn(Run) -> Run,
) -> String {
    let proc = around(side.run(options.iter().copied().chain([probe(), "group"]))).start();
    proc.wait_says("ready");
    for &signal in signals {
        proc.kill(signal);
    }
    proc.kill(MARK);
    let says = |start: &str| proc.lines(Out).iter().any(|line| line.starts_with(start));
    proc.until("the leader has the mark", || says("leader got 64"));
    mark_members(&proc);
    proc.until("the member has the mark", || says("member got 64"));
    let mut lines = proc.lines(Out);
    lines.retain(|line| !line.contains("got 64"));
    lines.sort();
    lines.join("\n")
}

/// Sends the mark to every process that runs the probe but is no child of the init, from outside.
fn mark_members(proc: &Proc) {
    let family = proc.others();
    let children: Vec<i32> = proc.children().iter().map(|child| child.pid).collect();
    for member in family
        .iter()
        .filter(|info| info.comm == "probe" && !children.contains(&info.pid))
    {
        // SAFETY: a process of this test's namespace.
        unsafe { libc::kill(member.pid, MARK) };
    }
}

/// What a process hears that the main program leaves behind, when the init is not PID 1 and ends.
pub fn left_behind(side: &Side, options: &[&str]) -> String {
    let proc = side
        .run(options.iter().copied().chain([probe(), "group", "3"]))
        .start();
    let exit = proc.wait_exit();
    // SAFETY: processes of this test's namespace.
    proc.others()
        .iter()
        .for_each(|info| unsafe { _ = libc::kill(info.pid, MARK) });
    let marked = || {
        proc.lines(Out)
            .iter()
            .any(|line| line.starts_with("member got 64"))
    };
    proc.until("the one left behind is marked or gone", || {
        marked() || proc.streams_ended()
    });
    let mut lines = proc.lines(Out);
    lines.sort();
    format!("{exit}\n{}", lines.join("\n"))
}

/// A terminal's stop signal that the init got from elsewhere, and SIGCONT. `dumb-init` stops with its child.
pub fn stop_and_go_on(side: &Side, options: &[&str], signal: i32) -> String {
    let proc = listener(side, options);
    let before = proc.lines(Out).len();
    proc.kill(signal);
    let child_stopped = || proc.find("probe").is_some_and(|info| info.is_stopped());
    let init_stopped = || proc.info().is_some_and(|info| info.is_stopped());
    // PID 1 cannot stop; a child that takes the signal says so instead of stopping.
    proc.until("the init and its child stop", || {
        (side.mode == Mode::Pid1 || init_stopped())
            && (child_stopped() || proc.lines(Out).len() > before)
    });
    let stopped = format!(
        "child stopped: {}, init stopped: {}",
        child_stopped(),
        init_stopped()
    );
    proc.kill(libc::SIGCONT);
    proc.wait_line(Out, |line| line.starts_with("got 18"));
    proc.kill(MARK);
    proc.wait_line(Out, |line| line.starts_with("got 64"));
    format!("{stopped}\n{}", proc.lines(Out).join("\n"))
}

/// A signal for a child that is no longer in the group that the init gave it.
pub fn left_group(side: &Side, options: &[&str]) -> String {
    let proc = side
        .run(options.iter().copied().chain([probe(), "move-group"]))
        .start();
    proc.wait_says("ready");
    proc.kill(10);
    // A peer that differs reports the loss, or says nothing.
    if side.expected.is_none() {
        proc.wait_line(Out, |line| line.starts_with("got "));
    }
    side.show_when_as_expected(&|| {
        side.clean(&format!("out {:?}\nerr {:?}", proc.stdout(), proc.stderr()))
    })
}

/// A signal that was queued with a value.
pub fn queued_value(_: &Side, proc: &Proc) -> String {
    proc.wait_says("ready");
    proc.sigqueue(10, 77);
    proc.sigqueue(40, 78);
    proc.kill(MARK);
    proc.wait_line(Out, |line| line.starts_with("got 64"));
    proc.lines(Out).join("\n")
}

/// A stopped child and SIGTERM.
pub fn term_while_stopped(options: &'static [&'static str]) -> Case {
    Case::new("SIGTERM for a stopped child", move |side| {
        let proc = side
            .run(options.iter().copied().chain([probe(), "stop-self", "19"]))
            .start();
        proc.wait_says("ready");
        proc.until("the child is stopped", || {
            proc.find("probe").is_some_and(|info| info.is_stopped())
        });
        proc.kill(libc::SIGTERM);
        end_or_hang(side, &proc)
    })
    .deviates(
        "a stopped process must be able to stop for good",
        "still there",
        "exit 143\nout \"ready\\n\"\nerr \"\"",
    )
}

/// An init that was started with SIGCHLD ignored.
pub fn ignored_children(side: &Side, options: &[&str]) -> String {
    let args = options
        .iter()
        .copied()
        .chain([probe(), "signals", "--exit-on", "10=6"]);
    let proc = side.run(args).ignore(&[libc::SIGCHLD]).start();
    proc.wait_says("ready");
    proc.kill(10);
    proc.until("the child is gone", || proc.find("probe").is_none());
    end_or_hang(side, &proc)
}

/// A sandbox that lets no process become a child subreaper.
pub fn without_subreaper(side: &Side, options: &[&str]) -> String {
    let call = [
        libc::EPERM,
        libc::SYS_prctl as i32,
        libc::PR_SET_CHILD_SUBREAPER,
    ];
    let [errno, number, first] = call.map(|word| word.to_string());
    let run = side.run_behind(&["without", &errno, &number, &first]);
    side.show(&run.args(options).args(["sh", "-c", "exit 3"]).output())
}

/// Many orphans at once; none may stay a zombie.
pub fn storm(side: &Side, options: &[&str]) -> String {
    let proc = side
        .run(
            options
                .iter()
                .copied()
                .chain([probe(), "spawn-storm", "300"]),
        )
        .start();
    proc.wait_says("ready");
    proc.until("only the main child is left", || proc.others().len() == 1);
    proc.kill(libc::SIGTERM);
    side.show_end_of(&proc)
}

/// A child that signals its parent gets that back, once.
pub fn echo(side: &Side, options: &[&str]) -> String {
    let proc = side
        .run(
            options
                .iter()
                .copied()
                .chain([probe(), "signal-parent", "12"]),
        )
        .start();
    proc.wait_line(Out, |line| line.starts_with("got 12"));
    proc.kill(MARK);
    proc.wait_line(Out, |line| line.starts_with("got 64"));
    proc.kill(libc::SIGTERM);
    side.show_end_of(&proc)
}

// ---- terminals -------------------------------------------------------------------------------------

/// In a container's terminal: keys and a resize, with how often and in which way each arrived.
pub fn keys_and_resize(side: &Side, options: &[&str]) -> String {
    let proc = side
        .run(options.iter().copied().chain([probe(), "signals"]))
        .tty()
        .start();
    proc.wait_says("ready");
    let says = |start: &str| proc.lines(Out).iter().any(|line| line.starts_with(start));
    proc.pty().type_in(b"\x03");
    proc.until("Ctrl-C arrives", || says("got 2 "));
    proc.pty().type_in(b"\x1c");
    proc.until("Ctrl-\\ arrives", || says("got 3 "));
    proc.pty().resize(50, 132);
    proc.until("the resize arrives", || says("got 28 "));
    proc.kill(MARK);
    proc.until("the mark arrives", || says("got 64 "));
    proc.lines(Out).join("\n")
}

/// As `keys_and_resize` where a signal may arrive twice, the second time at any time, or the two may merge:
/// which ones arrive, in the order in which they came first.
pub fn kinds_of_keys(side: &Side, options: &[&str]) -> String {
    let seen = keys_and_resize(side, options);
    let mut kinds = Vec::new();
    for kind in seen.lines().filter_map(|line| line.split(' ').nth(1)) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.join(" ")
}

/// In a container's terminal: what a key does to a program that does not handle it.
pub fn key(side: &Side, options: &[&str], key: &[u8]) -> String {
    let proc = side
        .run(options.iter().copied().chain([probe(), "sleep"]))
        .tty()
        .start();
    let modes = proc.pty().local_modes();
    proc.wait_says("ready");
    proc.pty().type_in(key);
    let end = side.show_end_of(&proc);
    let kept = if proc.pty().local_modes() == modes {
        "kept"
    } else {
        "changed"
    };
    format!(
        "{end}\nmodes {kept}, foreground {:?}",
        proc.pty().foreground()
    )
}

/// In a container's terminal: Ctrl-Z, and then Ctrl-C. `woken`: pidlet has to wake the child.
pub fn suspend(side: &Side, options: &[&str], woken: bool) -> String {
    let proc = side
        .run(options.iter().copied().chain([probe(), "continue"]))
        .tty()
        .start();
    proc.wait_says("ready");
    proc.pty().type_in(b"\x1a");
    let is_stopped = || proc.find("probe").is_some_and(|info| info.is_stopped());
    let is_woken = || proc.lines(Out).iter().any(|line| line == "continued");
    // A child that has the signal blocked, or is in an orphaned group, does not stop, which shows by its end.
    if woken && !side.is_peer() {
        proc.until("the child is woken", is_woken);
    } else if side.is_to_hang() {
        proc.until("the child is stopped", is_stopped);
    } else {
        holds_within(PATIENCE, &mut || is_stopped());
    }
    proc.pty().type_in(b"\x03");
    end_or_hang(side, &proc)
}

/// The terminal's lines reach the child.
pub fn typed_line(side: &Side, options: &[&str]) -> String {
    let proc = side
        .run(options.iter().copied().chain([probe(), "tty-read"]))
        .tty()
        .start();
    proc.wait_says("ready");
    proc.pty().type_in(b"typed\n");
    side.show_end_of(&proc)
}

/// Session, group and foreground of a child with a terminal; `from` is where standard input comes from.
pub fn placement(side: &Side, options: &[&str], from: Option<&str>) -> String {
    let child = options.iter().copied().chain([probe(), "mask"]);
    let Some(from) = from else {
        return side.show_end_of(&side.run(child).tty().start());
    };
    let script = format!("exec \"$@\" <{from}");
    let run = side
        .configure(Run::new("/bin/sh"))
        .args(["-c", &script, "sh"]);
    let run = run
        .args([probe(), "exec", side.peer.name, side.path()])
        .args(child);
    side.show_end_of(&run.tty().start())
}

/// What all peers show in a container's terminal, but for Ctrl-Z.
pub fn container_terminal(options: &'static [&'static str]) -> Vec<Case> {
    vec![
        Case::new("keys and a resize in a container", move |side| {
            keys_and_resize(side, options)
        }),
        Case::new("Ctrl-C in a container", move |side| {
            key(side, options, b"\x03")
        }),
        Case::new("Ctrl-\\ in a container", move |side| {
            key(side, options, b"\x1c")
        }),
        Case::new("a typed line", move |side| typed_line(side, options)),
        Case::new(
            "session, group and foreground with a terminal",
            move |side| placement(side, options, None),
        ),
        Case::new(
            "session, group and foreground with a terminal, input from elsewhere",
            move |side| placement(side, options, Some("/dev/null")),
        ),
        Case::new("all three streams on the terminal", move |side| {
            let run = side
                .run(options.iter().copied().chain([probe(), "mask"]))
                .tty();
            let proc = run.stdout(Output::Pty).stderr(Output::Pty).start();
            proc.wait_line(Out, |line| line.starts_with("parent-death"));
            side.show_end_of(&proc)
        }),
    ]
}

/// Jobs of an interactive shell under a peer that takes the terminal for its child and never gives it back.
pub fn jobs_that_lose_the_terminal(options: &'static [&'static str]) -> Vec<Case> {
    vec![
        Case::new("a shell's job: Ctrl-C", move |side| {
            job(side, options, true, INTERRUPT)
        })
        .only(Mode::Child)
        .deviates(
            "the terminal is given back",
            "terminal: child\njob exited 130; the terminal was the other's",
            "terminal: child\njob exited 130; the terminal was the job's",
        ),
        Case::new("a shell's job: Ctrl-Z and on", move |side| {
            job(side, options, true, SUSPEND)
        })
        .only(Mode::Child)
        .deviates(
            "the init stops and goes on with its child",
            "the shell hears nothing",
            "job stopped; the terminal was the job's\nterminal: shell\non again\n\
                 job exited 130; the terminal was the job's",
        ),
        Case::new("a shell's job in the background", move |side| {
            job(side, options, false, TERMINATE)
        })
        .only(Mode::Child)
        .deviates(
            "a job in the background has no terminal to give",
            "terminal: child\njob exited 143; the terminal was the other's",
            "terminal: shell\njob exited 143; the terminal was the shell's",
        ),
    ]
}

/// Steps of jobs.
pub const INTERRUPT: &[Step] = &[Step::Look, Step::Key(b"\x03")];
pub const SUSPEND: &[Step] = &[
    Step::Key(b"\x1a"),
    Step::Look,
    Step::Foreground,
    Step::Key(b"\x03"),
];
pub const TERMINATE: &[Step] = &[Step::Look, Step::Term];

/// A job of an interactive shell, with what happens to the terminal. Steps: keys to type, or commands for
/// the shell.
pub fn job(side: &Side, options: &[&str], foreground: bool, steps: &[Step]) -> String {
    let (commands_end, commands) = pipe();
    let place = if foreground { "--fg" } else { "--bg" };
    let run = side
        .run_behind(&["shell", place])
        .args(options)
        .args([probe(), "sleep"]);
    let shell = run.tty().fd(commands_end, 3).start();
    shell.wait_says("ready");
    let mut seen = Vec::new();
    for step in steps {
        seen.push(step.take(side, &shell, &commands));
        if seen.last().is_some_and(|last| last.ends_with("nothing")) {
            break;
        }
    }
    seen.join("\n")
}

/// One step of `job`.
pub enum Step {
    /// Types, and waits for the shell's report on its job.
    Key(&'static [u8]),
    /// Tells the shell to go on with its job in the foreground, and waits until that is so.
    Foreground,
    /// Tells which process has the terminal.
    Look,
    /// SIGTERM for the init, and waits for the shell's report.
    Term,
}

impl Step {
    fn take(&self, side: &Side, shell: &Proc, commands: &File) -> String {
        let news = || -> Vec<String> {
            let mut lines = shell.lines(Out);
            lines.retain(|line| line.starts_with("job "));
            lines
        };
        let before = news().len();
        let init = || shell.children().first().map_or(0, |info| info.pid);
        match self {
            Step::Look => {
                let holder = shell.pty().foreground().unwrap_or(0);
                let child = shell.others().into_iter().find(|info| info.ppid == init());
                let child = child.map_or(0, |info| info.pid);
                let holders = [(shell.pid(), "shell"), (init(), "init"), (child, "child")];
                let holder = holders.iter().find(|(pid, _)| *pid == holder);
                return format!("terminal: {}", holder.map_or("another", |(_, name)| name));
            }
            Step::Foreground => {
                std::io::Write::write_all(&mut &*commands, b"f").expect("cannot command the shell");
                shell.until("no process is stopped", || {
                    shell.others().iter().all(|info| !info.is_stopped())
                });
                return "on again".to_owned();
            }
            Step::Key(keys) => shell.pty().type_in(keys),
            // SAFETY: a process of this test's namespace.
            Step::Term => unsafe { _ = libc::kill(init(), libc::SIGTERM) },
        }
        match side.holds(&mut || news().len() > before) {
            true => news().split_off(before).join(", "),
            false => SILENT.to_owned(),
        }
    }
}
