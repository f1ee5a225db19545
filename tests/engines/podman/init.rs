//! `podman run --init`, with catatonit and with pidlet in its place: they cannot be told apart.

use super::{Act, BARE, CATATONIT, Container, command_line, foreground};
use crate::support::*;

/// What catatonit's child finds blocked, a defect of catatonit's.
const DEFECT: (&str, &str) = ("blocked=0x380000 ", "blocked=0x0 ");

/// Words for `podman run` in the foreground.
const FOREGROUND: [&[&str]; 15] = [
    &["/probe", "exit", "0"],
    &["/probe", "exit", "7"],
    &["/probe", "exit", "255"],
    &["/probe", "die", "9"],
    &["/probe", "die", "11"],
    &["/probe", "die", "15"],
    &["/probe", "args", "-h", "-V", "--", "x y"],
    &[
        "/probe",
        "env",
        "PATH",
        "container",
        "NOTIFY_SOCKET",
        "LISTEN_PID",
    ],
    &["/probe", "mask"],
    &["/probe", "fds"],
    &["/probe", "cwd"],
    &["/probe", "children"],
    &[
        "/probe",
        "orphans",
        "5",
        "--exit-now",
        "--report",
        "--then-exit",
        "4",
    ],
    &["/nothing"],
    &["/dev"],
];

/// Words for a container in the background, and what is done to it when it is ready.
struct Background {
    words: &'static [&'static str],
    acts: &'static [Act],
}

const BACKGROUND: [Background; 5] = [
    Background {
        words: &["/probe", "sleep"],
        acts: &[(&["stop", "--time", "600"], "")],
    },
    Background {
        words: &["/probe", "signals", "--exit-on", "15=3"],
        acts: &[
            (&["kill", "--signal", "HUP"], "got 1 user from parent"),
            (&["kill", "--signal", "USR1"], "got 10 user from parent"),
            (&["kill", "--signal", "WINCH"], "got 28 user from parent"),
            (&["kill", "--signal", "37"], "got 37 user from parent"),
            (&["stop", "--time", "600"], "got 15 user from parent"),
        ],
    },
    Background {
        words: &["/probe", "ignore", "15"],
        acts: &[(&["stop", "--time", "1"], "")],
    },
    Background {
        words: &["/probe", "sleep"],
        acts: &[(&["kill"], "")],
    },
    Background {
        words: &["/probe", "orphans", "4", "--exit-now", "--report"],
        acts: &[(&["kill", "--signal", "INT"], "")],
    },
];

/// Numbers of processes and containers differ.
fn without_numbers(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Everything that is seen of containers that are started with this program as their init.
fn seen(init: &str) -> Vec<String> {
    let before = ["--init", "--init-path", init, BARE];
    let mut seen = Vec::new();
    for words in FOREGROUND {
        let ended = foreground(&[&before[..], words].concat()).output();
        let said = without_numbers(&ended.stderr);
        let text = format!("{words:?}: {}\n{}{said}", ended.exit, ended.stdout);
        seen.push(text.replace(DEFECT.0, DEFECT.1));
    }
    for background in BACKGROUND {
        let container = Container::start(&[&before[..], background.words].concat());
        container.wait_lines("ready", 1);
        let first = container.pid();
        seen.push(command_line(first));
        let namespace = pid_namespace(first).expect("it runs");
        until("no zombie is left", TIMEOUT, || {
            !in_namespace(namespace).iter().any(Info::is_zombie)
        });
        container.do_all(background.acts);
        let code = container.wait_code();
        let logs = container.logs();
        seen.push(format!(
            "{:?}: {code}\n{}{}",
            background.words, logs.stdout, logs.stderr
        ));
    }
    seen
}

#[test]
fn init_looks_like_catatonit() {
    podman!();
    let own = pidlet().to_str().expect("the path is UTF-8");
    let (theirs, ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| seen(CATATONIT));
        let ours = seen(own);
        (
            theirs
                .join()
                .expect("the thread for catatonit does not panic"),
            ours,
        )
    });
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(theirs, ours);
    }
    assert_eq!(theirs.len(), ours.len());
    let line = "/run/podman-init -- /probe sleep";
    assert!(ours.iter().any(|seen| seen == line), "{ours:#?}");
}
