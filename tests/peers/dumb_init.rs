//! dumb-init 1.2.5.

use crate::case::{Case, Peer, Side, streams};
use crate::common::{
    self, FAILURES, FAULTS, INTERRUPT, PLAIN_SIGNALS, SUSPEND, TERMINATE, effects, failure,
    group_members, job,
};
use crate::support::{Mode, Out, Run, pidlet, probe};
use crate::words;

pub const DUMB_INIT: Peer = Peer {
    name: "dumb-init",
    path: "/usr/bin/dumb-init",
    env: &[],
    defect: None,
};

/// No options: the cases that all peers share.
const PLAIN: &[&str] = &["--"];
/// The child in our session and group, and signals for it alone.
const SINGLE: &[&str] = &["-c", "--"];

pub fn options() -> Vec<Case> {
    let mut cases = vec![
        Case::each("no program", &["", "--", "-c"], |side, word| {
            let words = [word].into_iter().filter(|word| !word.is_empty());
            side.show(&side.run(words).output())
        }),
        Case::ends_with("no program in debug mode", &["-c"], |run| {
            run.env("DUMB_INIT_DEBUG", "1")
        }),
        Case::speaks("options and no program", &["-c", "-v", "-r", "15:2"]),
        Case::speaks("an unknown option", &["-z", "--", "true"]),
        Case::speaks("an unknown long option", &["--zero", "true"]),
        Case::speaks("-r without its word", &["-r"]),
        Case::speaks("--rewrite without its word", &["--rewrite"]),
        Case::speaks("a word for a flag", &["--verbose=1", "true"]),
        Case::speaks("an ambiguous name", &["--ver", "true"]),
        Case::each("help", &["-h", "--help", "--he", "-ch"], |side, word| {
            streams(&side.run([word, "true"]).output())
        }),
        Case::each(
            "version",
            &["-V", "--version", "--vers", "-cV"],
            |side, word| side.show(&side.run([word, "-z", "true"]).output()),
        ),
        Case::speaks("help first wins", &["-h", "-z"]),
        Case::speaks("a wrong option first wins", &["-z", "-V"]),
        Case::ends(
            "options end at the program",
            &[probe(), "args", "-h", "-v", "--", "-z"],
        ),
        Case::ends("a double dash is eaten once", &["--", "--", "true"]),
        Case::ends("a single dash is a program", &["-"]),
        Case::ends(
            "abbreviations",
            &[
                "--sing",
                "--rew=15:2",
                "--rewrite",
                "1:2",
                "sh",
                "-c",
                "exit 3",
            ],
        ),
        Case::ends("options in a cluster", &["-cr15:2", probe(), "mask"]),
        Case::new("under its name", under_its_name),
    ];
    cases.extend(talk());
    cases.extend(environment());
    cases
}

/// What is said about a life.
fn talk() -> Vec<Case> {
    let tells = |side: &Side, option: &str| {
        let end = side.run([option, "--", "true"]).output();
        format!("{}\n{}", end.exit, log(side, &end.stderr))
    };
    vec![
        Case::each("a life told", &["-v", "--verbose", "--verb"], tells),
        Case::each("a life told, -c", &["-vc"], tells).deviates(
            "a number that was reaped may be another's by now: no farewell to it",
            &LIFE_OF_ONE.replace('#', "[dumb-init] Forwarded signal 15 to children.\n"),
            &LIFE_OF_ONE.replace('#', ""),
        ),
        Case::new("a failure to exec told", |side| {
            let end = side.run(["-c", "-v", "--", "/none"]).output();
            format!("{}\n{}", end.exit, log(side, &end.stderr))
        })
        .deviates(
            "a start that failed is known at once: there is no child to tell of",
            "exit 2\n[dumb-init] /none: No such file or directory\n\
             [dumb-init] A child with PID N exited with exit status 2.\n\
             [dumb-init] Child exited with status 2. Goodbye.\n\
             [dumb-init] Child spawned with PID N.\n\
             [dumb-init] Forwarded signal 15 to children.\n\
             [dumb-init] Received signal 17.",
            "exit 2\n[dumb-init] /none: No such file or directory",
        ),
        Case::new("a death told", |side| {
            log(
                side,
                &side.run(["-v", "--", probe(), "die", "15"]).output().stderr,
            )
        }),
        Case::new("a rewritten farewell told", |side| {
            log(
                side,
                &side.run(["-v", "-r", "15:2", "true"]).output().stderr,
            )
        }),
        Case::new("a signal told", |side| {
            told_signal(side, &["-v", "--"], libc::SIGTERM)
        }),
        Case::new("a rewritten signal told", |side| {
            told_signal(side, &["-v", "-r", "1:15", "--"], libc::SIGHUP)
        }),
    ]
}

fn environment() -> Vec<Case> {
    let debug = |side: &Side, value: &str| {
        let end = side
            .run(["sh", "-c", "exit 4"])
            .env("DUMB_INIT_DEBUG", value)
            .output();
        format!(
            "{}, {:?}, {:?}",
            end.exit,
            end.stdout,
            log(side, &end.stderr)
        )
    };
    let setsid = |side: &Side, value: &str| {
        side.show(
            &side
                .run([probe(), "mask"])
                .env("DUMB_INIT_SETSID", value)
                .output(),
        )
    };
    vec![
        Case::each(
            "DUMB_INIT_DEBUG is 1 or nothing",
            &["1", "0", "", "true", "11", " 1"],
            debug,
        ),
        Case::each(
            "DUMB_INIT_SETSID is 0 or nothing",
            &["0", "1", "", "false", "00", " 0"],
            setsid,
        ),
        Case::ends_with(
            "its variables are left to the child",
            &[probe(), "env"],
            |run| run.env("DUMB_INIT_DEBUG", "0").env("DUMB_INIT_SETSID", "1"),
        ),
    ]
}

/// What `-vc` says; the farewell is at `#`.
const LIFE_OF_ONE: &str = "\"-vc\": exit 0
[dumb-init] A child with PID N exited with exit status 0.
[dumb-init] Child exited with status 0. Goodbye.
[dumb-init] Child spawned with PID N.
#[dumb-init] Received signal 17.";

/// The lines of the log that tell of a life, sorted, as the child's own come at any time. What is said of the
/// terminal and the session is for dumb-init's own developers.
fn log(side: &Side, stderr: &str) -> String {
    const INNER: [&str; 4] = [
        "Unable to",
        "setsid complete",
        "Detached from",
        "Attached to",
    ];
    let clean = side.clean(stderr);
    let inner = |line: &str| {
        INNER
            .iter()
            .any(|start| line.starts_with(&format!("[dumb-init] {start}")))
    };
    let mut lines: Vec<&str> = clean.lines().filter(|line| !inner(line)).collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn told_signal(side: &Side, options: &[&str], signal: i32) -> String {
    let proc = side
        .run(
            options
                .iter()
                .copied()
                .chain([probe(), "signals", "--exit-on", "15=3"]),
        )
        .start();
    proc.wait_says("ready");
    proc.kill(signal);
    let end = proc.finish();
    format!("{}\n{}\n{}", end.exit, end.stdout, log(side, &end.stderr))
}

fn under_its_name(side: &Side) -> String {
    let program = if side.is_peer() {
        std::path::Path::new(side.peer.path)
    } else {
        pidlet()
    };
    let link = side.temp.symlink(program, "dumb-init");
    let hard = side.temp.hard_link(program, "hard");
    let run = |path: &str, arg0: &str| Run::new(path).arg0(arg0).mode(side.mode).args(["-V"]);
    let runs = [
        run(&link, &link),
        run(&hard, "dumb-init"),
        run(&hard, "/usr/bin/dumb-init"),
        run(&hard, "./dumb-init"),
    ];
    runs.map(|run| side.show(&run.output())).join("\n")
}

/// What may stand behind `-r`.
const REWRITES: [&str; 15] = [
    "15:0",
    "15:2",
    " 15: 2",
    "\t15:\u{b}2",
    "+15:+2",
    "015:02",
    "15:2foo",
    "15:2:3",
    "15:31",
    "15:9",
    "15:15",
    "4294967311:2",
    "15:17",
    "15:18",
    "15:10 ",
];

pub fn rewriting() -> Vec<Case> {
    vec![
        Case::each("-r accepts", &REWRITES, |side, word| {
            effects(side, &["-r", word, "--"], &[15])
        }),
        Case::each("-r refuses", words::NO_PAIRS, |side, word| {
            side.show(&side.run(["-r", word, "true"]).output())
        }),
        Case::each(
            "-r accepts what is never seen",
            &["17:2", "9:2", "19:15", "31:31", "1:0"],
            |side, word| side.show(&side.run(["-r", word, "sh", "-c", "exit 3"]).output()),
        ),
        Case::new("rewriting is not repeated", |side| {
            effects(side, &["-r", "15:2", "-r", "2:1", "--"], &[1, 2, 15])
        }),
        Case::new("the last one wins", |side| {
            effects(side, &["-r", "15:2", "-r", "15:1", "--"], &[15])
        }),
        Case::new("the end of a child is not rewritten", |side| {
            effects(side, &["-r", "17:10", "--"], &[17, 15])
        }),
        Case::new("rewriting with -c", |side| {
            effects(side, &["-c", "-r", "15:2", "-r", "10:0", "--"], &[10, 15])
        }),
        Case::new("a dropped signal does not reach the group", |side| {
            group_members(side, &["-r", "10:0", "-r", "12:1", "--"], &[10, 12])
        }),
        Case::new("the farewell is rewritten", |side| {
            common::left_behind(side, &["-r", "15:2", "--"])
        })
        .only(Mode::Child),
        Case::new("the farewell is dropped", |side| {
            common::left_behind(side, &["-r", "15:0", "--"])
        })
        .only(Mode::Child),
        Case::new("a terminal's stop rewritten", |side| {
            common::stop_and_go_on(side, &["-r", "20:10", "--"], libc::SIGTSTP)
        }),
    ]
}

pub fn child() -> Vec<Case> {
    let kept =
        |options: &'static [&'static str]| move |side: &Side| common::kept_by_init(side, options);
    let mut cases = vec![
        common::closed(0, PLAIN),
        common::closed(1, PLAIN),
        common::closed(2, PLAIN),
        Case::new("words that are ignored", |side| {
            common::full_pipe(side, &["-v", "--"], false)
        })
        .deviates(
            "an init never waits for a reader",
            "still there",
            "exit 4\nout \"\"\nerr \"\"",
        ),
        Case::each("what cannot be executed", &FAILURES, |side, kind| {
            failure(side, PLAIN, kind)
        }),
        Case::each("what cannot be executed, -c", &FAILURES, |side, kind| {
            failure(side, SINGLE, kind)
        }),
        common::path_search(PLAIN),
        Case::new("the init lets go of what it was given", kept(PLAIN)).deviates(
            "nothing is kept busy",
            "in /, descriptor held",
            "in /, descriptor closed",
        ),
        Case::ends(
            "session, group and foreground with -c",
            &["-c", probe(), "mask"],
        ),
        Case::ends_with(
            "signals that were blocked, -c",
            &["-c", probe(), "mask"],
            |run| run.block(&[1, 15, 34]),
        ),
        Case::ends_with(
            "signals that were ignored, -c",
            &["-c", probe(), "mask"],
            |run| run.ignore(&[1, 13, 34]),
        ),
        Case::new("orphans go past a process", |side| {
            let run = side.run([
                probe(),
                "orphans",
                "1",
                "--report",
                "--exit-now",
                "--then-exit",
                "0",
            ]);
            side.show(&run.output())
        }),
    ];
    cases.extend(common::masks(PLAIN));
    cases.extend(common::inherited(PLAIN));
    cases
}

pub fn ends() -> Vec<Case> {
    vec![
        common::exit_codes(PLAIN),
        common::deaths(PLAIN),
        Case::new("the farewell", |side| common::left_behind(side, PLAIN)).only(Mode::Child),
        Case::new("no farewell with -c", |side| {
            common::left_behind(side, SINGLE)
        })
        .only(Mode::Child),
        Case::new("300 orphans", |side| common::storm(side, PLAIN)),
        Case::new("SIGCHLD ignored at the start", |side| {
            common::ignored_children(side, PLAIN)
        }),
    ]
}

pub fn signals() -> Vec<Case> {
    let stopped = |side: &Side, signal: &str| {
        common::stop_and_go_on(side, PLAIN, signal.parse().expect("a number"))
    };
    let stopped_single = |side: &Side, signal: &str| {
        common::stop_and_go_on(side, SINGLE, signal.parse().expect("a number"))
    };
    vec![
        Case::new("forwarded signals", |side| {
            effects(side, PLAIN, PLAIN_SIGNALS)
        }),
        Case::new("forwarded signals, -c", |side| {
            effects(side, SINGLE, PLAIN_SIGNALS)
        }),
        Case::new("signals of faults", |side| effects(side, PLAIN, &FAULTS)),
        Case::new("signals of faults, -c", |side| {
            effects(side, SINGLE, &FAULTS)
        }),
        Case::each("a terminal's stop", &["20", "21", "22"], stopped),
        Case::each("a terminal's stop, -c", &["20", "21", "22"], stopped_single),
        Case::new("a terminal's stop that is dropped stops the init", |side| {
            stop_alone(side, &["-r", "20:0", "--"])
        })
        .only(Mode::Child),
        Case::new("a terminal's stop that is dropped, -c", |side| {
            stop_alone(side, &["-c", "-r", "20:0", "--"])
        })
        .only(Mode::Child),
        Case::new(
            "a signal that was pending at the start",
            |side| match side.is_peer() {
                // Sent before the child has a session it is lost, sent a little later it is not.
                true => "not looked at".to_owned(),
                false => common::born_with_signal(side, &["sleep"]),
            },
        )
        .deviates("no early signal is lost", "not looked at", "exit 138"),
        Case::new("the whole group hears", |side| {
            group_members(side, PLAIN, &[1, 10, 28])
        }),
        Case::new("-c: only the child hears", |side| {
            group_members(side, SINGLE, &[1, 10, 28])
        }),
        Case::new("-c: a child that left its group", |side| {
            common::left_group(side, SINGLE)
        }),
        Case::lives(
            "a value that came along",
            &[probe(), "signals"],
            common::queued_value,
        ),
        Case::new("a child that signals its init", |side| {
            common::echo(side, PLAIN)
        }),
        common::term_while_stopped(PLAIN),
    ]
}

/// A terminal's stop that the child does not get, and SIGCONT.
fn stop_alone(side: &Side, options: &[&str]) -> String {
    let child = options.iter().copied().chain([probe(), "signals"]);
    let proc = side.run(child).start();
    proc.wait_says("ready");
    proc.kill(libc::SIGTSTP);
    proc.until("the init stops", || {
        proc.info().is_some_and(|info| info.is_stopped())
    });
    proc.kill(libc::SIGCONT);
    proc.wait_line(Out, |line| line.starts_with("got 18"));
    proc.lines(Out).join("\n")
}

pub fn terminal() -> Vec<Case> {
    let mut cases = common::container_terminal(PLAIN);
    cases.extend(vec![
        Case::new("keys and a resize in a container, -c", |side| {
            common::kinds_of_keys(side, SINGLE)
        }),
        Case::new("the terminal's signals come once, -c", |side| {
            match side.is_peer() {
                // Twice, or once if the child is slow: nothing can be expected.
                true => "not looked at".to_owned(),
                false => common::keys_and_resize(side, SINGLE),
            }
        })
        .deviates(
            "a signal that the terminal sent to the child already is not sent again",
            "not looked at",
            "ready\ngot 2 kernel\ngot 3 kernel\ngot 28 kernel\ngot 64 user from parent",
        ),
        Case::new("Ctrl-C in a container, -c", |side| {
            common::key(side, SINGLE, b"\x03")
        }),
        Case::new("Ctrl-Z in a container", |side| {
            common::suspend(side, PLAIN, false)
        }),
        Case::new("Ctrl-Z in a container, -c", |side| {
            common::suspend(side, SINGLE, false)
        })
        .only(Mode::Pid1),
        Case::new(
            "session, group and foreground with a terminal, -c",
            |side| common::placement(side, SINGLE, None),
        ),
        Case::new(
            "what giving the terminal up sends is not passed on",
            |side| {
                let proc = side.run([probe(), "signals"]).tty().start();
                proc.wait_says("ready");
                // The first mark shows that the terminal's own signals have been dealt with: two of a kind
                // would merge.
                proc.kill(64);
                proc.wait_line(Out, |line| line.starts_with("got 64"));
                for signal in [libc::SIGHUP, libc::SIGCONT, 64] {
                    proc.kill(signal);
                }
                let marks = |line: &&String| line.starts_with("got 64");
                proc.until("the second mark arrives", || {
                    proc.lines(Out).iter().filter(marks).count() == 2
                });
                proc.lines(Out).join("\n")
            },
        ),
    ]);
    cases.extend(jobs());
    cases
}

/// Jobs of an interactive shell: dumb-init is the one that stops and goes on with its child.
fn jobs() -> Vec<Case> {
    let cases = [
        Case::new("a shell's job: Ctrl-C", |side| {
            job(side, PLAIN, true, INTERRUPT)
        }),
        Case::new("a shell's job: Ctrl-Z and on", |side| {
            job(side, PLAIN, true, SUSPEND)
        }),
        Case::new("a shell's job in the background", |side| {
            job(side, PLAIN, false, TERMINATE)
        }),
        Case::new("a shell's job: Ctrl-C, -c", |side| {
            job(side, SINGLE, true, INTERRUPT)
        }),
        Case::new("a shell's job: Ctrl-Z and on, -c", |side| {
            job(side, SINGLE, true, SUSPEND)
        }),
        Case::new("a shell's job in the background, -c", |side| {
            job(side, SINGLE, false, TERMINATE)
        }),
    ];
    cases
        .into_iter()
        .map(|case| case.only(Mode::Child))
        .collect()
}
