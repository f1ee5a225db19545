//! `docker run -it` on a pseudo terminal: Docker's client passes on what is typed at ours, and its size.

use std::time::Duration;

use super::{Engine, PROBE, docker, engine};
use crate::rootfs::Rootfs;
use crate::support::*;
use crate::tool::{Job, Tool};

const CTRL_C: &[u8] = b"\x03";
const CTRL_Z: &[u8] = b"\x1a";

fn interactive(engine: &Engine, line: &[&str]) -> Job {
    let tool: Tool = engine.foreground(&["--interactive", "--tty"]);
    tool.args(line).tty().start()
}

/// How pidlet is put into a container: as its entry point, and by `--init`.
const WAYS: [&[&str]; 2] = [&[PROBE], &["--init", "--entrypoint", "", PROBE]];

#[test]
fn ctrl_c_reaches_the_command_once() {
    docker!();
    for way in WAYS {
        let words = ["/probe", "signals", "--exit-on", "3=5"];
        let job = interactive(engine(), &[way, &words].concat());
        job.wait_line(Out, |line| line == "ready");
        // The container's terminal echoes `^C` in front.
        job.pty().type_in(CTRL_C);
        job.wait_line(Out, |line| line.ends_with("got 2 kernel"));
        // Its own stop would have no lasting effect: no process could continue it.
        job.pty().type_in(CTRL_Z);
        job.wait_line(Out, |line| line.ends_with("got 20 kernel"));
        job.pty().type_in(b"\x1c");
        assert_eq!(job.wait_exit(), Exit::Code(5), "{}", job.describe());
        for heard in ["got 2 ", "got 20 ", "got 3 "] {
            let count = job.text(Out).matches(heard).count();
            assert_eq!(count, 1, "{heard}: {}", job.describe());
        }
    }
}

#[test]
fn a_program_without_handlers_dies_of_ctrl_c() {
    docker!();
    for way in WAYS {
        let job = interactive(engine(), &[way, &["/probe", "sleep"]].concat());
        job.wait_line(Out, |line| line == "ready");
        job.pty().type_in(CTRL_C);
        assert_eq!(job.wait_exit(), Exit::Code(130), "{}", job.describe());
    }
}

/// How long the program may take to hear of a size, before that counts as lost.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// The kernel tells the foreground group. Docker's client also sends the signal that it got itself, through
/// pidlet, which has to pass it on; and tini does so, too. One signal may stand for both.
#[test]
fn a_new_size_is_seen_and_told_once() {
    docker!();
    for way in WAYS {
        let job = interactive(engine(), &[way, &["/probe", "sizes"]].concat());
        // The client sets the size when the program runs already.
        job.wait_line(Out, |line| line.contains(" 24 80"));
        let mut resizes = 1;
        for size in [(50, 132), (7, 11)] {
            resizes += resize(&job, size);
        }
        job.pty().type_in(CTRL_C);
        assert_eq!(job.wait_exit(), Exit::Code(0), "{}", job.describe());
        let text = job.text(Out);
        for told in ["kernel", "user from parent"] {
            assert!(
                text.matches(told).count() <= resizes,
                "{resizes} resizes: {}",
                job.describe()
            );
        }
    }
}

/// Gives the terminal a new size, and waits until the program has heard of it; returns how many times the
/// size was changed. The client sets the first size before it listens for others: one that comes just then is
/// lost, whatever the init is.
fn resize(job: &Job, size: (u16, u16)) -> usize {
    let said = format!("winch {} {} ", size.0, size.1);
    let mut resizes = 1;
    loop {
        job.pty().resize(size.0, size.1);
        let mut heard = || job.lines(Out).iter().any(|line| line.starts_with(&said));
        if holds_within(HEARD_WITHIN, &mut heard) {
            return resizes;
        }
        assert!(resizes < 20, "it is never heard: {}", job.describe());
        job.pty().resize(size.0 + 1, size.1);
        resizes += 2;
    }
}

#[test]
fn a_shell_outlives_ctrl_c_and_has_job_control() {
    docker!();
    let rootfs = Rootfs::scratch().busybox(&["sh"]);
    engine().import(&rootfs, "shell");
    let ways: [&[&str]; 2] = [&["shell", "/pidlet", "--"], &["--init", "shell"]];
    for way in ways {
        let job = interactive(engine(), &[way, &["/bin/sh"]].concat());
        job.pty().type_in(b"echo o''ne\n");
        job.wait_line(Out, |line| line.ends_with("one") && !line.contains("echo"));
        job.pty().type_in(CTRL_C);
        job.pty().type_in(b"/probe sleep\n");
        job.wait_line(Out, |line| line == "ready");
        job.pty().type_in(CTRL_Z);
        job.wait_line(Out, |line| line.contains("Stopped"));
        job.pty().type_in(b"kill -9 %1; echo t''wo\n");
        job.wait_line(Out, |line| line == "two");
        // A shell that still believes in a stopped job asks once more before it ends.
        job.pty().type_in(b"exit 3\nexit 3\n");
        assert_eq!(job.wait_exit(), Exit::Code(3), "{}", job.describe());
        assert!(
            !job.text(Out).contains("can't access tty"),
            "{}",
            job.describe()
        );
    }
}

#[test]
fn input_comes_through_a_pipe_and_a_terminal() {
    docker!();
    for way in WAYS {
        let job = interactive(engine(), &[way, &["/probe", "tty-read"]].concat());
        job.wait_line(Out, |line| line == "ready");
        job.pty().type_in(b"typed\n");
        job.wait_line(Out, |line| line == "read typed");
        assert_eq!(job.wait_exit(), Exit::Code(0), "{}", job.describe());

        let tool = engine().foreground(&["--interactive"]).args(way);
        let ended = tool.args(["/probe", "tty-read"]).input("piped\n").output();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        assert!(ended.stdout.ends_with("read piped\n"), "{ended}");
    }
}
