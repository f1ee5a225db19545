//! catatonit 0.1.7. The real one runs with `POSIXLY_CORRECT`, so that options end at the first other word.

use crate::case::{Case, Peer, Side, streams};
use crate::common::{self, FAILURES, FAULTS, PLAIN_SIGNALS, effects, failure, group_members};
use crate::support::{Mode, Output, Proc, Run, pidlet, probe};

/// Its child finds SIGTSTP, SIGTTIN and SIGTTOU blocked.
pub const CATATONIT: Peer = Peer {
    name: "catatonit",
    path: "/usr/bin/catatonit",
    env: &[("POSIXLY_CORRECT", "1")],
    defect: Some(("blocked=0x380000 ", "blocked=0x0 ")),
};

/// No options: the cases that all peers share.
const PLAIN: &[&str] = &["--"];

pub fn options() -> Vec<Case> {
    vec![
        Case::each("version", &["-V", "--version", "--v"], |side, word| {
            side.show(&side.run([word]).output())
        })
        .deviates(
            "the version is the newest that we know",
            &versions("0.1.7"),
            &versions("0.2.1"),
        ),
        Case::each("version with more", &["true", "-z", "--"], |side, word| {
            streams(&side.run(["-V", word]).output())
        }),
        Case::each("help", &["-h", "-gh"], |side, word| {
            streams(&side.run([word, "true"]).output())
        }),
        Case::speaks("no long help", &["--help"]),
        Case::speaks("licence", &["-L"]),
        Case::speaks("help first wins", &["-h", "-z"]),
        Case::speaks("a wrong option first wins", &["-z", "-h"]),
        Case::speaks("an unknown option", &["-z", "--", "true"]),
        Case::speaks("a word for a flag", &["--version=1"]),
        Case::each("no program", &["", "--", "-g"], |side, word| {
            let words = [word].into_iter().filter(|word| !word.is_empty());
            side.show(&side.run(words).output())
        }),
        Case::ends(
            "options end at the program",
            &[probe(), "args", "-h", "-V", "--", "-z"],
        ),
        Case::ends("a double dash", &["--", "sh", "-c", "exit 3"]),
        Case::ends("a single dash is a program", &["-"]),
        Case::new("options behind the program", |side| {
            let run = side
                .run(["sh", "-c", "exit 3"])
                .env_remove("POSIXLY_CORRECT");
            streams(&run.output())
        })
        .deviates(
            "options end at the program, as musl reads them",
            "exit 1, out nothing, err text",
            "exit 3, out nothing, err nothing",
        ),
        Case::new("under its names", under_names),
        Case::new("-P: pause ends on SIGTERM", |side| {
            pause(side, &["-P"], libc::SIGTERM)
        }),
        Case::new("-P: pause ends on SIGINT", |side| {
            pause(side, &["-P"], libc::SIGINT)
        }),
        Case::new("-P: a program is not run", |side| {
            pause(side, &["-P", "sh", "-c", "exit 3"], libc::SIGTERM)
        }),
        Case::new("-P with -g", |side| pause(side, &["-gP"], libc::SIGTERM)),
        Case::new("-P: orphans are reaped", pause_reaps),
        Case::speaks("-P and a wrong option", &["-P", "-z"]),
    ]
}

/// What `version` shows for all three spellings.
fn versions(version: &str) -> String {
    let show =
        |word| format!("{word:?}: exit 0\nout \"tini version {version}_catatonit\\n\"\nerr \"\"");
    ["-V", "--version", "--v"].map(show).join("\n")
}

fn under_names(side: &Side) -> String {
    let mut seen = Vec::new();
    for name in [
        "catatonit",
        "podman-init",
        "/run/podman-init",
        "./catatonit",
    ] {
        let end = side.run(["sh", "-c", "exit 9"]).arg0(name).output();
        let failure = side.run(["/none"]).arg0(name).output();
        seen.push(format!(
            "{name}: {}, {}",
            side.show(&end),
            side.show(&failure)
        ));
    }
    let program = if side.is_peer() {
        std::path::Path::new(side.peer.path)
    } else {
        pidlet()
    };
    for name in ["catatonit", "podman-init"] {
        let links = [
            side.temp.symlink(program, name),
            side.temp.hard_link(program, &format!("hard-{name}")),
        ];
        let run = |path: &str, arg0: &str| {
            Run::new(path)
                .env("POSIXLY_CORRECT", "1")
                .arg0(arg0)
                .mode(side.mode)
                .args(["sh", "-c", "exit 2"])
        };
        let ends =
            [run(&links[0], &links[0]), run(&links[1], name)].map(|run| side.show(&run.output()));
        seen.push(format!("{name}: {}", ends.join("; ")));
    }
    seen.join("\n")
}

/// Starts a pause, and returns when it listens: before that, a signal might find a process without a handler.
fn paused(side: &Side, run: Run) -> Proc {
    let proc = run.start();
    proc.until("the pause listens", || {
        let Some(info) = proc.info() else {
            return false;
        };
        if side.is_peer() {
            return info.blocks(libc::SIGTERM) || info.blocks(libc::SIGWINCH);
        }
        // The kernel shows nothing as blocked that rt_sigtimedwait(2) waits for.
        proc.cwd() == "/" && info.state == 'S'
    });
    proc
}

/// A pause hears everything and ends on one signal.
fn pause(side: &Side, args: &[&str], end: i32) -> String {
    let proc = paused(side, side.run(args));
    for signal in [1, 3, 10, 12, 14, 18, 28, 40] {
        proc.kill(signal);
    }
    proc.kill(end);
    side.show_end_of(&proc)
}

/// A pause inherits a child, which then dies.
fn pause_reaps(side: &Side) -> String {
    let proc = paused(side, side.run_behind(&["with-child"]).arg("-P"));
    let child = proc.children().pop().expect("it was born with a child");
    // SAFETY: a process of this test's namespace.
    unsafe { libc::kill(child.pid, libc::SIGKILL) };
    proc.until("no other process is left", || proc.others().is_empty());
    proc.kill(libc::SIGTERM);
    side.show_end_of(&proc)
}

pub fn environment() -> Vec<Case> {
    let listening = |side: &Side, pid: &str| {
        let own = if side.mode == Mode::Pid1 { "1" } else { "2" };
        let pid = if pid == "own" { own } else { pid };
        side.show(
            &side
                .run([probe(), "listen-pid"])
                .env("LISTEN_PID", pid)
                .env("LISTEN_FDS", "1")
                .output(),
        )
    };
    vec![
        Case::each("LISTEN_PID", &["own", "999", "", "abc"], listening),
        Case::new("no LISTEN_PID", |side| {
            side.show(&side.run([probe(), "listen-pid"]).output())
        }),
        Case::ends_with(
            "the other variables of a listener stay",
            &[probe(), "env", "LISTEN_FDS", "LISTEN_FDNAMES"],
            |run| {
                run.env("LISTEN_PID", "1")
                    .env("LISTEN_FDS", "2")
                    .env("LISTEN_FDNAMES", "a:b")
            },
        ),
        Case::each(
            "CATATONIT_DEBUG is on when it is there",
            &["1", "", "0"],
            |side, value| {
                let end = side
                    .run(["sh", "-c", "exit 4"])
                    .env("CATATONIT_DEBUG", value)
                    .output();
                // Parent and child write at the same time and in pieces: no line is sure to be whole.
                format!("{}, {}", streams(&end), end.stderr.contains("DEBUG"))
            },
        ),
        Case::each(
            "CATATONIT_LOG refuses",
            &["-V", "-h", "--", "true"],
            |side, word| streams(&side.run([word]).env("CATATONIT_LOG", "x").output()),
        ),
        Case::ends_with(
            "its variables are left to the child",
            &[probe(), "env", "CATATONIT_DEBUG"],
            |run| run.env("CATATONIT_DEBUG", "").stderr(Output::Null),
        ),
        Case::ends_with("tini's variables mean nothing", &[probe(), "mask"], |run| {
            run.env("TINI_VERBOSITY", "3")
                .env("TINI_SUBREAPER", "")
                .env("DUMB_INIT_DEBUG", "1")
        }),
    ]
}

pub fn child() -> Vec<Case> {
    let mut cases = vec![
        common::closed(0, PLAIN),
        common::closed(1, PLAIN),
        common::closed(2, PLAIN),
        Case::each("what cannot be executed", &FAILURES, |side, kind| {
            failure(side, PLAIN, kind)
        }),
        common::path_search(PLAIN),
        Case::new("the init lets go of what it was given", |side| {
            common::kept_by_init(side, PLAIN)
        })
        .deviates(
            "newer ones change to / as well",
            "in /usr, descriptor closed",
            "in /, descriptor closed",
        ),
        Case::new("the child's mask as it is", |side| {
            side.run([probe(), "mask"])
                .output()
                .stdout
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .deviates(
            "nothing is added to the child's mask",
            "blocked=0x380000 ignored=0x0 caught=0x0",
            "blocked=0x0 ignored=0x0 caught=0x0",
        ),
        Case::ends(
            "session, group and foreground with -g",
            &["-g", probe(), "mask"],
        ),
        Case::new("orphans come to the init", |side| {
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
        Case::new("the end leaves others alone", |side| {
            common::left_behind(side, PLAIN)
        })
        .only(Mode::Child),
        Case::new("300 orphans", |side| common::storm(side, PLAIN)),
        Case::new("no child subreaper to be had", |side| {
            common::without_subreaper(side, PLAIN)
        })
        .only(Mode::Child)
        .deviates(
            "a sandbox is no reason not to run",
            "exit 1\nout \"\"\nerr \"ERROR (catatonit:N): failed to set child-reaper as non-pid1: \
             Operation not permitted\\n\"",
            "exit 3\nout \"\"\nerr \"pidlet: cannot become a child subreaper: \
             orphans will not be reaped here\\n\"",
        ),
        Case::new("SIGCHLD ignored at the start", |side| {
            common::ignored_children(side, PLAIN)
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
            effects(side, PLAIN, PLAIN_SIGNALS)
        }),
        Case::new("a terminal's stop", |side| {
            effects(side, PLAIN, &[20, 21, 22])
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
            common::left_group(side, &["-g", "--"])
        })
        .deviates(
            "a signal is for the child wherever it went",
            "out \"ready\\n\"\nerr \"\"",
            "out \"ready\\ngot 10 user from parent\\n\"\nerr \"\"",
        ),
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

pub fn terminal() -> Vec<Case> {
    let mut cases = common::container_terminal(PLAIN);
    cases.extend(common::jobs_that_lose_the_terminal(PLAIN));
    let suspend = Case::new("Ctrl-Z in a container", |side| {
        common::suspend(side, PLAIN, true)
    });
    cases.push(suspend.only(Mode::Pid1).deviates(
        "the child stops as it should, and goes on",
        "exit 130\nout \"ready\\n\"\nerr \"\"",
        "exit 130\nout \"ready\\ncontinued\\n\"\nerr \"\"",
    ));
    cases.push(Case::new(
        "session, group and foreground with a terminal, input closed",
        |side| common::placement(side, PLAIN, Some("&-")),
    ));
    cases
}
