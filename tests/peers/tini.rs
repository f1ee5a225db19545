//! tini 0.19.0. The real one runs with `POSIXLY_CORRECT`, so that options end at the first other word.

use crate::case::{Case, Peer, Side, streams};
use crate::common::{self, FAILURES, FAULTS, PLAIN_SIGNALS, effects, failure, group_members};
use crate::support::{ErrOut, Mode, Out, Proc, Run, pidlet, probe};
use crate::words;

pub const TINI: Peer = Peer {
    name: "tini",
    path: "/usr/bin/tini",
    env: &[("POSIXLY_CORRECT", "1")],
    defect: None,
};

/// No options: the cases that all peers share.
const PLAIN: &[&str] = &["--"];
/// Quiet about not being PID 1.
const SUBREAPER: &[&str] = &["-s", "--"];

pub fn options() -> Vec<Case> {
    let mut cases = vec![
        Case::new("version", |side| {
            // The commit is in it where the program was built from a repository, which a test cannot know.
            side.show(&side.run(["--version"]).output())
                .replace(" - git.H", "")
        }),
        Case::speaks("version is alone or wrong", &["--version", "true"]),
        Case::speaks("version before a double dash", &["--version", "--"]),
        Case::ends(
            "version behind a double dash is a program",
            &["-s", "--", "--version"],
        ),
        Case::speaks("help", &["-h"]),
        Case::speaks("help first wins", &["-h", "-z"]),
        Case::speaks("a wrong option first wins", &["-z", "-h"]),
        Case::speaks("help among flags", &["-gsh", "true"]),
        Case::speaks("licence", &["-l"]),
        Case::speaks("no arguments", &[]),
        Case::speaks("no program", &["--"]),
        Case::speaks("options and no program", &["-s", "-g"]),
        Case::speaks("an unknown option", &["-z", "--", "true"]),
        Case::speaks("a long option", &["--group", "--", "true"]),
        Case::speaks("-e without its word", &["-e"]),
        Case::speaks("-p without its word", &["-s", "-p"]),
        Case::ends(
            "options in a cluster",
            &["-gse5", "--", "sh", "-c", "exit 5"],
        ),
        Case::ends(
            "a signal's name in the same word",
            &["-spSIGTERM", "--", "true"],
        ),
        Case::ends(
            "options end at the program",
            &["-s", probe(), "args", "-h", "-v", "--", "-z"],
        ),
        Case::ends("a single dash is a program", &["-s", "-"]),
        Case::new("options behind the program", |side| {
            // As the program is on a glibc machine: options are looked for everywhere.
            let run = side
                .run(["-s", "sh", "-c", "exit 3"])
                .env_remove("POSIXLY_CORRECT");
            streams(&run.output())
        })
        .deviates(
            "options end at the program, as musl reads them",
            "exit 1, out nothing, err text",
            "exit 3, out nothing, err nothing",
        ),
        Case::new("under its names", under_names),
    ];
    cases.extend(option_words());
    cases.extend(talk());
    cases
}

/// What may stand behind `-e` and `-p`, and what comes of it.
fn option_words() -> Vec<Case> {
    let refused_e =
        |side: &Side, code: &str| side.show(&side.run(["-e", code, "--", "true"]).output());
    let accepted_e = |side: &Side, code: &str| {
        let exits = ["0", "3", "5", "255"].map(|exit| {
            let script = format!("exit {exit}");
            format!(
                "{exit} {}",
                side.run(["-s", "-e", code, "--", "sh", "-c", &script])
                    .output()
                    .exit
            )
        });
        exits.join(", ")
    };
    let death_signal =
        |side: &Side, name: &str| side.show(&side.run(["-s", "-p", name, "--", "true"]).output());
    vec![
        Case::each(
            "-e refuses",
            &[
                "5 ",
                "0x10",
                "256",
                "-1",
                "abc",
                "1.5",
                "99999999999999999999",
            ],
            refused_e,
        ),
        Case::each(
            "-e accepts",
            &["3", "+5", " 5", "\u{b}5", "05", "", "255", "0"],
            accepted_e,
        ),
        Case::ends(
            "-e twice",
            &["-s", "-e", "4", "-e", "3", "--", "sh", "-c", "exit 4"],
        ),
        Case::ends(
            "-e is for a death as well",
            &["-s", "-e", "143", "--", probe(), "die", "15"],
        ),
        Case::ends(
            "-e is for a failure to exec as well",
            &["-s", "-e", "127", "--", "/none"],
        ),
        Case::each("-p accepts", &DEATH_SIGNALS, death_signal),
        Case::each("-p refuses", words::NO_DEATHS, death_signal),
        Case::new("-p dies with the parent", parent_death).only(Mode::Child),
    ]
}

const DEATH_SIGNALS: [&str; 28] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGSYS",
];

const EXEC_NONE: &str = "[FATAL tini (N)] exec /none failed: No such file or directory\n";
const SPAWNED_NONE: &str = "[INFO  tini (N)] Spawned child process '/none' with pid 'N'\n\
    [INFO  tini (N)] Main child exited normally (with status '127')\n";

/// What is said about a life, level by level.
fn talk() -> Vec<Case> {
    let verbosity = |side: &Side, level: &str| {
        let run = side.run(["-s", "-v", "--", "sh", "-c", "exit 4"]);
        only_info(side, &run.env("TINI_VERBOSITY", level).output().stdout)
    };
    vec![
        Case::ends("-v tells a life", &["-v", "-s", "--", "sh", "-c", "exit 4"]),
        Case::ends(
            "-v tells a death",
            &["-v", "-s", "--", probe(), "die", "15"],
        )
        .deviates(
            "signals have names, which are shorter than descriptions",
            &death("Terminated"),
            &death("TERM"),
        ),
        Case::ends(
            "-v tells a mapped end",
            &["-v", "-s", "-e", "4", "--", "sh", "-c", "exit 4"],
        ),
        Case::ends("-v tells a failure to exec", &["-v", "-s", "--", "/none"]).deviates(
            "a start that failed is known at once: there is no child to tell of",
            &format!("exit 127\nout {:?}\nerr {:?}", SPAWNED_NONE, EXEC_NONE),
            &format!("exit 127\nout \"\"\nerr {:?}", EXEC_NONE),
        ),
        Case::new("-vv tells no less", |side| {
            only_info(side, &side.run(["-vv", "-s", "--", "true"]).output().stdout)
        }),
        Case::new("-vvv tells no less", |side| {
            only_info(
                side,
                &side.run(["-vvv", "-s", "--", "true"]).output().stdout,
            )
        }),
        Case::ends("a warning when not PID 1", &["true"]),
        Case::lives(
            "-w tells of an orphan",
            &["-w", "-s", "--", probe(), "orphans", "1", "--exit-now"],
            reaped,
        ),
        Case::ends(
            "-w tells of a child that was not waited for",
            &["-w", "-s", "--", probe(), "neglect", "3"],
        ),
        Case::lives(
            "without -w not",
            &["-s", "--", probe(), "orphans", "1", "--exit-now"],
            |side, proc| {
                proc.wait_says("ready");
                proc.until("the orphan is gone", || proc.others().len() == 1);
                proc.kill(libc::SIGTERM);
                side.show_end_of(proc)
            },
        ),
        Case::each(
            "TINI_VERBOSITY rules",
            &["0", "1", "2", "3", "-1", "abc", "", " 2", "2x", "+2"],
            verbosity,
        ),
        Case::ends_with(
            "TINI_VERBOSITY=0 and a failure",
            &["-s", "-vvv", "--", "/none"],
            |run| run.env("TINI_VERBOSITY", "0"),
        ),
    ]
}

const NOT_SUBREAPER: &str = "\
    [WARN  tini (N)] Tini is not running as PID 1 and isn't registered as a child subreaper.\n\
    Zombie processes will not be re-parented to Tini, so zombie reaping won't work.\n\
    To fix the problem, use the -s option or set the environment variable TINI_SUBREAPER to \
    register Tini as a child subreaper, or run Tini as PID 1.\n";

/// The lines that are part of the contract; the levels above are for tini's own developers.
fn only_info(side: &Side, text: &str) -> String {
    let lines = text.lines().filter(|line| line.starts_with("[INFO "));
    side.clean(&lines.collect::<Vec<_>>().join("\n"))
}

fn reaped(side: &Side, proc: &Proc) -> String {
    proc.wait_says("ready");
    proc.wait_line(ErrOut, |line| line.contains("eaped"));
    proc.kill(libc::SIGTERM);
    side.show_end_of(proc)
}

/// A parent that is killed, and what the program's child hears of it.
fn parent_death(side: &Side) -> String {
    let run = side
        .run_behind(&["foster"])
        .args(["-s", "-p", "SIGUSR1", "--"]);
    let proc = run.args([probe(), "signals"]).start();
    proc.wait_says("ready");
    proc.kill(libc::SIGKILL);
    proc.wait_line(Out, |line| line.starts_with("got "))
}

/// The same program whatever it is called, by links and in full.
fn under_names(side: &Side) -> String {
    let mut seen = Vec::new();
    for name in [
        "tini",
        "tini-static",
        "docker-init",
        "/sbin/docker-init",
        "./tini",
    ] {
        let end = side
            .run(["-s", "--", "sh", "-c", "exit 9"])
            .arg0(name)
            .output();
        let version = side.run(["--version"]).arg0(name).output();
        let prefix = version.stdout.starts_with("tini version 0.19.0");
        seen.push(format!(
            "{name}: {}, version {} {prefix}",
            side.show(&end),
            version.exit
        ));
    }
    let program = if side.is_peer() {
        std::path::Path::new(side.peer.path)
    } else {
        pidlet()
    };
    for name in ["tini", "tini-static", "docker-init"] {
        let links = [
            side.temp.symlink(program, name),
            side.temp.hard_link(program, &format!("hard-{name}")),
        ];
        // A hard link is called by what it is started as; only its last component counts.
        let run = |path: &str, arg0: &str| {
            Run::new(path)
                .env("POSIXLY_CORRECT", "1")
                .arg0(arg0)
                .mode(side.mode)
                .args(["-s", "true"])
        };
        let ends =
            [run(&links[0], &links[0]), run(&links[1], name)].map(|run| side.show(&run.output()));
        seen.push(format!("{name}: {}", ends.join("; ")));
    }
    seen.join("\n")
}

pub fn environment() -> Vec<Case> {
    let orphan_of = |side: &Side, value: &str| {
        let run = side.run([
            "--",
            probe(),
            "orphans",
            "1",
            "--report",
            "--exit-now",
            "--then-exit",
            "0",
        ]);
        side.show(&run.env("TINI_SUBREAPER", value).output())
    };
    let whole_group = |side: &Side, value: &str| {
        let run = |run: Run| run.env("TINI_KILL_PROCESS_GROUP", value);
        common::group_members_with(side, PLAIN, &[28], run)
    };
    vec![
        Case::each(
            "TINI_SUBREAPER is on when it is there",
            &["1", "", "0", "false"],
            orphan_of,
        ),
        Case::each(
            "TINI_KILL_PROCESS_GROUP is on when it is there",
            &["1", "", "0", "false"],
            whole_group,
        ),
        Case::ends_with(
            "its variables are left to the child",
            &["--", probe(), "env"],
            |run| {
                run.env("TINI_SUBREAPER", "x")
                    .env("TINI_KILL_PROCESS_GROUP", "y")
                    .env("TINI_VERBOSITY", "0")
            },
        ),
        Case::new("without a subreaper orphans go past a process", |side| {
            let run = side.run([
                "--",
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
    ]
}

pub fn child() -> Vec<Case> {
    let mut cases = vec![
        Case::each("what cannot be executed", &FAILURES, |side, kind| {
            failure(side, SUBREAPER, kind)
        }),
        common::path_search(SUBREAPER),
        Case::new("the init lets go of what it was given", |side| {
            common::kept_by_init(side, SUBREAPER)
        })
        .deviates(
            "nothing is kept busy",
            "in /usr, descriptor held",
            "in /, descriptor closed",
        ),
        common::closed(0, SUBREAPER).deviates(
            "a container without input is no fault",
            "exit 1\nout \"\"\nerr \"[FATAL tini (N)] tcsetpgrp failed: Bad file descriptor\\n\"\n",
            "exit 0\nout \"\"\nerr \"\"\nfds=1 2",
        ),
        common::closed(1, SUBREAPER),
        common::closed(2, SUBREAPER),
        Case::new("words that are ignored", |side| {
            common::full_pipe(side, &["-v", "-s", "--"], true)
        })
        .deviates(
            "an init never waits for a reader",
            "still there",
            "exit 4\nout \"\"\nerr \"\"",
        ),
    ];
    cases.extend(common::masks(SUBREAPER));
    cases.extend(common::inherited(SUBREAPER));
    cases
}

pub fn ends() -> Vec<Case> {
    vec![
        common::exit_codes(PLAIN),
        common::deaths(PLAIN),
        Case::new("the end leaves others alone", |side| {
            common::left_behind(side, PLAIN)
        })
        .only(Mode::Child),
        Case::new("300 orphans", |side| common::storm(side, SUBREAPER)),
        Case::new("no child subreaper to be had", |side| {
            common::without_subreaper(side, SUBREAPER)
        })
        .only(Mode::Child)
        .deviates(
            "a sandbox is no reason not to run",
            "exit 1\nout \"\"\nerr \"[FATAL tini (N)] Failed to register as child subreaper: \
             Operation not permitted\\n\"",
            &format!("exit 3\nout \"\"\nerr {NOT_SUBREAPER:?}"),
        ),
        Case::new("SIGCHLD ignored at the start", |side| {
            common::ignored_children(side, SUBREAPER)
        })
        .deviates(
            "an end must be noticed whatever the caller ignored",
            "still there",
            "exit 6\nout \"ready\\ngot 10 user from parent\\n\"\nerr \"\"",
        ),
    ]
}

pub fn signals() -> Vec<Case> {
    vec![
        Case::new("forwarded signals", |side| {
            effects(side, PLAIN, &[PLAIN_SIGNALS, &[20]].concat())
        }),
        Case::new("signals for background groups", |side| {
            effects(side, PLAIN, &[21, 22])
        }),
        Case::new("signals of faults", |side| effects(side, PLAIN, &FAULTS)).deviates_as(
            Mode::Child,
            "a fault signal from another process does not end pidlet",
            &common::faults_end_it(),
            &common::faults_do_nothing(),
        ),
        Case::new("a signal that was pending at the start", |side| {
            common::born_with_signal(side, &["signals", "--exit-on", "10=4"])
        }),
        Case::new("only the child hears", |side| {
            group_members(side, PLAIN, &[1, 10, 28])
        }),
        Case::new("-g: the whole group hears", |side| {
            group_members(side, &["-g", "--"], &[1, 10, 28])
        }),
        Case::new("-g and forwarded signals", |side| {
            effects(side, &["-g", "--"], PLAIN_SIGNALS)
        }),
        Case::new("-g and a child that left its group", |side| {
            common::left_group(side, &["-g", "-s", "--"])
        })
        .deviates(
            "a signal is for the child wherever it went",
            "out \"ready\\n\"\nerr \"[WARN  tini (N)] Child was dead when forwarding signal\\n\"",
            "out \"ready\\ngot 10 user from parent\\n\"\nerr \"\"",
        ),
        Case::lives(
            "a value that came along",
            &["-s", "--", probe(), "signals"],
            common::queued_value,
        ),
        Case::new("a child that signals its init", |side| {
            common::echo(side, SUBREAPER)
        }),
        common::term_while_stopped(SUBREAPER),
    ]
}

pub fn terminal() -> Vec<Case> {
    let mut cases = common::container_terminal(SUBREAPER);
    cases.extend(common::jobs_that_lose_the_terminal(SUBREAPER));
    let suspend = Case::new("Ctrl-Z in a container", |side| {
        common::suspend(side, SUBREAPER, true)
    });
    cases.push(suspend.only(Mode::Pid1).deviates(
        "no process could wake the child again",
        "still there",
        "exit 130\nout \"ready\\ncontinued\\n\"\nerr \"\"",
    ));
    cases
}

/// What `-v` says when the child died of SIGTERM.
fn death(signal: &str) -> String {
    let spawned = format!(
        "[INFO  tini (N)] Spawned child process '{}' with pid 'N'",
        probe()
    );
    let out = format!(
        "{spawned}\n[INFO  tini (N)] Main child exited with signal (with signal '{signal}')\n"
    );
    format!("exit 143\nout {out:?}\nerr {:?}", "")
}
