//! What commands under pidlet make of a container: exit codes, stops, restarts, logs, a terminal.

use super::{Act, Container, PROBE, build, dockerfile, foreground, podman};
use crate::support::*;

const PLAN: &str = "[first]\nrun = /probe exit 0\ntype = oneshot\n\n\
    [second]\nrun = /probe exit 5\nafter = first\n\n[third]\nrun = /probe sleep\n";

/// Words behind the image, the exit code and what standard error says.
const ENDS: [(&[&str], i32, &str); 9] = [
    (&["/probe", "exit", "0"], 0, "container exits 0"),
    (&["/probe", "exit", "7"], 7, "exited with code 7"),
    (&["/probe", "die", "9"], 137, "killed by signal 9"),
    (&["/probe", "die", "15"], 143, "killed by signal 15"),
    (&["/nothing"], 127, "/nothing"),
    (&["/dev"], 126, "/dev"),
    (
        &[
            "/probe", "sleep", "---", "/probe", "exit", "3", "---", "/probe", "sleep",
        ],
        3,
        "probe-2 (pid ",
    ),
    (&["/probe", "sleep", "---", "/nothing"], 127, "/nothing"),
    // The image's entry point is `/pidlet --`: what follows is no option.
    (&["--version"], 127, "--version"),
];

#[test]
fn commands_end_with_their_codes() {
    podman!();
    for (words, code, said) in ENDS {
        let ended = foreground(&[&[PROBE][..], words].concat()).output();
        assert_eq!(ended.exit, Exit::Code(code), "{words:?}: {ended}");
        assert!(ended.stderr.contains(said), "{words:?}: {ended}");
    }
}

#[test]
fn a_plan_s_file_ends_with_its_code() {
    podman!();
    let temp = Temp::new();
    let volume = format!("{}:/etc/pidlet.conf:ro", temp.write("plan", PLAN, 0o644));
    for line in [
        &[PROBE][..],
        &["--entrypoint", "/pidlet", PROBE, "-c", "/etc/pidlet.conf"],
    ] {
        let ended = foreground(&["--volume", &volume]).args(line).output();
        assert_eq!(ended.exit, Exit::Code(5), "{line:?}: {ended}");
        assert!(ended.stderr.contains("second (pid "), "{line:?}: {ended}");
    }
}

/// A container, how it is stopped, and how it ends.
struct Stop {
    /// Options of `podman run`.
    options: &'static [&'static str],
    words: &'static [&'static str],
    ready: usize,
    acts: &'static [Act],
    code: i32,
    /// How often a line is on standard output, and which one.
    hears: (usize, &'static str),
    /// On standard error.
    reason: &'static str,
}

/// Longer than any wait here: a container that ends within it was not killed by Podman.
const STOP: Act = (&["stop", "--time", "600"], "");

const LISTEN: &[&str] = &["/probe", "signals", "--exit-on", "15=4", "--exit-on", "3=5"];
const TWO: &[&str] = &[
    "/probe",
    "signals",
    "--exit-on",
    "15=0",
    "---",
    "/probe",
    "signals",
    "--exit-on",
    "15=4",
];

const STOPS: [Stop; 9] = [
    Stop {
        options: &[],
        words: &["/probe", "sleep"],
        ready: 1,
        acts: &[STOP],
        code: 143,
        hears: (0, "got 15 user from parent"),
        reason: "container exits 143",
    },
    Stop {
        options: &[],
        words: LISTEN,
        ready: 1,
        acts: &[
            (&["kill", "--signal", "HUP"], "got 1 user from parent"),
            (&["kill", "--signal", "64"], "got 64 user from parent"),
            STOP,
        ],
        code: 4,
        hears: (1, "got 15 user from parent"),
        reason: "stopped by TERM",
    },
    Stop {
        options: &["--stop-signal", "QUIT"],
        words: LISTEN,
        ready: 1,
        acts: &[STOP],
        code: 5,
        hears: (1, "got 3 user from parent"),
        reason: "stopped by QUIT",
    },
    // Without a budget Podman's is the only one: then no process is left to say why.
    Stop {
        options: &[],
        words: &["/probe", "ignore", "15"],
        ready: 1,
        acts: &[(&["stop", "--time", "1"], "")],
        code: 137,
        hears: (0, "got 15 user from parent"),
        reason: "",
    },
    Stop {
        options: &["--env", "PIDLET_GRACE=300ms"],
        words: &["/probe", "ignore", "15"],
        ready: 1,
        acts: &[STOP],
        code: 137,
        hears: (0, "got 15 user from parent"),
        reason: "did not stop within 300ms",
    },
    Stop {
        options: &[],
        words: TWO,
        ready: 2,
        acts: &[STOP],
        code: 4,
        hears: (2, "got 15 user from parent"),
        reason: "stopped by TERM: probe-2 ",
    },
    // What Podman sends a container in its systemd mode.
    Stop {
        options: &["--stop-signal", "37"],
        words: TWO,
        ready: 2,
        acts: &[STOP],
        code: 4,
        hears: (2, "got 15 user from parent"),
        reason: "stopped by RTMIN+3: probe-2 ",
    },
    Stop {
        options: &["--env", "PIDLET_GRACE=600s"],
        words: &["/probe", "sleep", "---", "/probe", "signals"],
        ready: 2,
        acts: &[
            (&["kill", "--signal", "TERM"], "got 15 user from parent"),
            (&["kill", "--signal", "TERM"], ""),
        ],
        code: 137,
        hears: (1, "got 15 user from parent"),
        reason: "container exits 137",
    },
    Stop {
        options: &[],
        words: &["/probe", "orphans", "2", "---", "/probe", "sleep"],
        ready: 2,
        acts: &[STOP],
        code: 143,
        hears: (2, "orphan got 15 user from parent"),
        reason: "container exits 143",
    },
];

#[test]
fn a_stop_is_the_commands_stop() {
    podman!();
    for stop in STOPS {
        let container = Container::start(&[stop.options, &[PROBE], stop.words].concat());
        container.wait_lines("ready", stop.ready);
        container.do_all(stop.acts);
        let code = container.wait_code();
        let logs = container.logs();
        let case = format!("{:?} {:?}: {logs}", stop.options, stop.words);
        assert_eq!(code, stop.code, "{case}");
        let (count, line) = stop.hears;
        let heard = logs.stdout.lines().filter(|known| *known == line).count();
        assert_eq!(heard, count, "{case}");
        assert!(logs.stderr.contains(stop.reason), "{case}");
        assert_eq!(logs.stderr.is_empty(), stop.reason.is_empty(), "{case}");
    }
}

#[test]
fn a_restart_is_a_stop_and_a_start() {
    podman!();
    let container = Container::start(&[&[PROBE][..], TWO].concat());
    container.wait_lines("ready", 2);
    for round in 2..=3 {
        container.podman(&["restart", "--time", "600"]).succeed();
        container.wait_lines("ready", 2 * round);
    }
    container.podman(STOP.0).succeed();
    assert_eq!(container.wait_code(), 4, "{}", container.logs());
    let logs = container.logs();
    assert_eq!(
        logs.stderr.matches("container exits 4").count(),
        3,
        "{logs}"
    );
}

#[test]
fn logs_are_complete() {
    podman!();
    let (count, number) = (50_000, "50000");
    let lines = ["/probe", "lines", number];
    let container = Container::start(&[&[PROBE][..], &lines].concat());
    assert_eq!(container.wait_code(), 0);
    let wanted: Vec<String> = (1..=count).map(|at| format!("line {at}")).collect();
    let logs = container.logs();
    assert!(
        logs.stdout.lines().eq(&wanted),
        "{} bytes",
        logs.stdout.len()
    );

    let words = [&lines[..], &["---"], &lines].concat();
    let options = [
        "--env",
        "PIDLET_LOG=prefix",
        "--env",
        "PIDLET_UNTIL=all",
        PROBE,
    ];
    let container = Container::start(&[&options[..], &words].concat());
    assert_eq!(container.wait_code(), 0);
    let logs = container.logs();
    for name in ["probe", "probe-2"] {
        let before = format!("{name} | ");
        let lines = logs
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix(before.as_str()));
        assert!(lines.eq(&wanted), "{name}: {} bytes", logs.stdout.len());
    }
}

#[test]
fn a_terminal_is_the_command_s() {
    podman!();
    for way in [&[PROBE][..], &["--init", "--entrypoint", "", PROBE]] {
        let options = ["--interactive", "--tty"];
        let words = ["/probe", "signals", "--exit-on", "3=5"];
        let job = foreground(&[&options[..], way, &words].concat())
            .tty()
            .start();
        // The terminal shows the keys as well, in front of what is said of them.
        let wait = |wanted: &str| {
            job.wait_line(Out, |line| {
                line.trim_start_matches(['^', 'C', '\\']) == wanted
            })
        };
        wait("ready");
        let resized = || {
            job.lines(Out)
                .iter()
                .filter(|line| *line == "got 28 kernel")
                .count()
        };
        let before = resized();
        job.pty().resize(50, 132);
        job.until("the command hears of the size", || resized() > before);
        job.pty().type_in(b"\x03");
        wait("got 2 kernel");
        job.pty().type_in(b"\x1c");
        assert_eq!(job.wait_exit(), Exit::Code(5), "{}", job.describe());
        let lines = job.lines(Out);
        let count = lines
            .iter()
            .filter(|line| line.ends_with("got 2 kernel"))
            .count();
        assert_eq!(count, 1, "{}", job.describe());

        let job = foreground(&[&options[..], way, &["/probe", "sleep"]].concat())
            .tty()
            .start();
        job.wait_line(Out, |line| line == "ready");
        job.pty().type_in(b"\x03");
        assert_eq!(job.wait_exit(), Exit::Code(130), "{}", job.describe());
    }
}

#[test]
fn the_image_s_own_stop_signal_is_passed_on() {
    podman!();
    let name = "localhost/stop-signal";
    build(podman, &dockerfile("STOPSIGNAL SIGQUIT"), name);
    let container = Container::start(&[&[name][..], LISTEN].concat());
    container.wait_lines("ready", 1);
    container.podman(STOP.0).succeed();
    assert_eq!(container.wait_code(), 5, "{}", container.logs());
}
