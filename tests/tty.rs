//! The terminal and job control (pidlet(8), Terminal), on real pseudo-terminals: in a container with `-t`,
//! as a job of an interactive shell, in scripts and pipelines, with several commands, and where
//! there is no terminal at all.
//!
//! The shell that runs pidlet as a job is mostly the probe's: it reports what it hears of its job, and which
//! group had the terminal then. Where shells differ, those that are installed run, too.

mod support;
use support::*;

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::time::Duration;

use libc::{SIGCONT, SIGSTOP, SIGTERM, SIGTSTP, SIGUSR1};

const CTRL_C: &[u8] = b"\x03";
const CTRL_Z: &[u8] = b"\x1a";
const CTRL_BACKSLASH: &[u8] = b"\x1c";

/// Arrives after everything that was sent before it: of pending signals the highest is delivered last.
const MARK: i32 = 64;

/// The keys, and the signal that each sends to the foreground group.
const KEYS: [(&[u8], i32); 3] = [(CTRL_C, 2), (CTRL_BACKSLASH, 3), (CTRL_Z, 20)];

// ---- looking at processes ---------------------------------------------------------------------

/// The one process of this name; its end is a failure of the test.
#[track_caller]
fn the(proc: &Proc, comm: &str) -> Info {
    let found = proc.find(comm);
    found.unwrap_or_else(|| panic!("there is no {comm}\n{}", proc.describe()))
}

/// Waits until exactly the processes of these names are stopped.
#[track_caller]
fn wait_stopped(proc: &Proc, stopped: &[&str]) {
    proc.until(&format!("stopped are {stopped:?}"), || {
        let others = proc.others().into_iter().filter(Info::is_stopped);
        let mut names: Vec<String> = others.map(|info| info.comm).collect();
        names.sort();
        names == stopped
    });
}

/// Waits until the terminal's foreground group is `group`.
#[track_caller]
fn wait_foreground(proc: &Proc, what: &str, group: i32) {
    proc.until(&format!("the foreground group is {what}"), || {
        proc.pty().foreground() == Some(group)
    });
}

fn kill(info: &Info, signal: i32) {
    // SAFETY: a process of the test's own namespace, which the kernel clears up with the test.
    assert_eq!(unsafe { libc::kill(info.pid, signal) }, 0, "{info:?}");
}

fn count(proc: &Proc, line: &str) -> usize {
    proc.lines(Out).iter().filter(|seen| *seen == line).count()
}

/// Lets background writers be stopped (stty tostop).
fn set_tostop(pty: &Pty) {
    let slave = pty.slave();
    // SAFETY: zero is a valid termios, and tcgetattr fills it.
    unsafe {
        let mut termios: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(slave.as_raw_fd(), &mut termios), 0);
        termios.c_lflag |= libc::TOSTOP;
        assert_eq!(
            libc::tcsetattr(slave.as_raw_fd(), libc::TCSANOW, &termios),
            0
        );
    }
}

/// Types each of `KEYS` at a command in the foreground that reports its signals, and resizes its window; then
/// has the mark sent to pidlet. The command must get each signal exactly once, and from the kernel.
#[track_caller]
fn each_arrives_once(proc: &Proc, send_mark: impl Fn()) {
    for (key, signal) in KEYS {
        proc.pty().type_in(key);
        proc.wait_says(&format!("got {signal} kernel"));
    }
    proc.pty().resize(50, 132);
    proc.wait_says("got 28 kernel");
    send_mark();
    proc.wait_says("got 64 user from parent");
    let mut got = proc.lines(Out);
    got.retain(|line| line.starts_with("got "));
    let expected = [
        "got 2 kernel",
        "got 3 kernel",
        "got 20 kernel",
        "got 28 kernel",
    ];
    assert_eq!(got[..4], expected, "{}", proc.describe());
    assert_eq!(got.len(), 5, "{}", proc.describe());
}

// ---- a container's terminal -------------------------------------------------------------------

#[test]
fn keys_and_resizes_reach_the_only_command_once() {
    for mode in Mode::BOTH {
        let init = Run::pidlet()
            .mode(mode)
            .args(["--", probe(), "signals"])
            .tty()
            .start();
        init.wait_says("ready");
        let child = the(&init, "probe");
        assert_eq!(child.pgid, child.pid, "a group of its own: {child:?}");
        assert_eq!(
            init.pty().foreground(),
            Some(child.pgid),
            "{}",
            init.describe()
        );
        each_arrives_once(&init, || assert!(init.kill(MARK)));
    }
}

#[test]
fn a_key_that_kills_the_only_command_ends_the_container() {
    for mode in Mode::BOTH {
        for (key, code) in [(CTRL_C, 130), (CTRL_BACKSLASH, 131)] {
            let init = Run::pidlet()
                .mode(mode)
                .args(["--", probe(), "sleep"])
                .tty()
                .start();
            init.wait_says("ready");
            init.pty().type_in(key);
            assert_eq!(init.wait_exit(), Exit::Code(code), "{}", init.describe());
        }
    }
}

#[track_caller]
fn control_z_has_no_lasting_effect(mode: Mode) {
    let run = Run::pidlet().mode(mode).args(["--", probe(), "continue"]);
    let init = run.tty().start();
    init.wait_says("ready");
    let child = the(&init, "probe");
    for times in 1..=3 {
        init.pty().type_in(CTRL_Z);
        init.until("the child goes on", || count(&init, "continued") == times);
        assert_eq!(
            init.pty().foreground(),
            Some(child.pgid),
            "{}",
            init.describe()
        );
    }
    // Nor has a TTIN from another process, as long as the terminal is the child's own.
    kill(&child, libc::SIGTTIN);
    init.until("the child goes on", || count(&init, "continued") == 4);
    init.kill(SIGTERM);
    assert_eq!(init.wait_exit(), Exit::Code(143), "{}", init.describe());
}

#[test]
fn control_z_has_no_lasting_effect_as_pid_1() {
    control_z_has_no_lasting_effect(Mode::Pid1);
}

/// There is no shell to say `fg` there either, and a stopped pidlet would not see its stop signal.
#[test]
fn control_z_has_no_lasting_effect_as_leader_of_the_session() {
    control_z_has_no_lasting_effect(Mode::Child);
}

/// A container whose image has an init of its own, too (`docker run --init`).
#[test]
fn control_z_has_no_lasting_effect_below_another_init() {
    for mode in Mode::BOTH {
        for (name, commands) in [("pidlet", 1), ("pidlet", 2), ("tini", 1), ("dumb-init", 1)] {
            let temp = Temp::new();
            let inner = temp.symlink(pidlet(), name);
            let words = vec![[probe(), "continue"]; commands].join(&"---");
            let run = Run::pidlet().arg0("docker-init").mode(mode);
            let run = run.args(["--", &inner, "--"]);
            let init = run.args(words).env("TINI_SUBREAPER", "").tty().start();
            init.wait_ready(commands);
            for times in 1..=3 {
                init.pty().type_in(CTRL_Z);
                init.until(&format!("{name}'s go on"), || {
                    count(&init, "continued") >= times * commands
                });
                wait_stopped(&init, &[]);
            }
            init.pty().type_in(CTRL_C);
            let code = if commands == 1 { 130 } else { 143 };
            assert_eq!(init.wait_exit(), Exit::Code(code), "{}", init.describe());
        }
    }
}

#[test]
fn a_child_stopped_from_outside_still_ends_on_term() {
    for mode in Mode::BOTH {
        let init = Run::pidlet()
            .mode(mode)
            .args(["--", probe(), "sleep"])
            .tty()
            .start();
        init.wait_says("ready");
        kill(&the(&init, "probe"), SIGSTOP);
        wait_stopped(&init, &["probe"]);
        init.kill(SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(143), "{}", init.describe());
    }
}

/// Shells that are used interactively, and the options that make them quiet and interactive.
const SHELLS: [(&str, &[&str]); 2] = [
    ("/bin/bash", &["--norc", "--noprofile", "--noediting", "-i"]),
    ("/bin/dash", &["-i"]),
];

/// Those of them that are installed.
fn shells() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    SHELLS.into_iter().filter(|(shell, _)| {
        let there = std::path::Path::new(shell).exists();
        if !there {
            skipped(&format!("there is no {shell}"));
        }
        there
    })
}

#[test]
fn an_interactive_shell_in_a_container_has_job_control() {
    for (shell, options) in shells() {
        for mode in Mode::BOTH {
            let run = Run::pidlet()
                .mode(mode)
                .args(["--", shell])
                .args(options)
                .tty();
            let init = run.stdout(Output::Pty).stderr(Output::Pty).start();
            init.until("the shell runs", || {
                init.find(&shell["/bin/".len()..]).is_some()
            });
            let shell = init.children()[0].pid;
            wait_foreground(&init, "the shell's", shell);
            init.pty().type_in(b"sleep 1000\n");
            init.until("a job runs in the foreground", || {
                let job = init.find("sleep");
                job.is_some_and(|job| {
                    job.pgid == job.pid && init.pty().foreground() == Some(job.pid)
                })
            });
            let job = the(&init, "sleep").pid;
            init.pty().type_in(CTRL_Z);
            wait_stopped(&init, &["sleep"]);
            wait_foreground(&init, "the shell's", shell);
            init.pty().type_in(b"fg\n");
            wait_stopped(&init, &[]);
            wait_foreground(&init, "the job's", job);
            init.pty().type_in(CTRL_C);
            init.until("the job ends", || init.find("sleep").is_none());
            wait_foreground(&init, "the shell's", shell);
            init.pty().type_in(b"exit 7\n");
            assert_eq!(init.wait_exit(), Exit::Code(7), "{}", init.describe());
        }
    }
}

/// Set for the payload of `a_child_that_left_the_foreground_gets_the_terminal_back`, which is that
/// test itself.
const LEAVE_FOREGROUND: &str = "TTY_TEST_LEAVE_FOREGROUND";

/// Gives the terminal to its parent's group, and then needs it.
fn leave_foreground(then: &str) -> ! {
    // SAFETY: plain calls of a process that has nothing else to do; a termios of zeros is valid.
    unsafe {
        assert_eq!(libc::tcsetpgrp(0, libc::getpgid(libc::getppid())), 0);
        if then == "SIGTTOU" {
            let mut termios: libc::termios = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(0, &mut termios), 0);
            assert_eq!(libc::tcsetattr(0, libc::TCSANOW, &termios), 0);
        }
        let mut line = [0_u8; 16];
        let len = libc::read(0, line.as_mut_ptr().cast(), line.len());
        libc::_exit(if line.starts_with(b"typed\n") && len == 6 {
            7
        } else {
            1
        })
    }
}

#[test]
fn a_child_that_left_the_foreground_gets_the_terminal_back() {
    const SELF: &str = "a_child_that_left_the_foreground_gets_the_terminal_back";
    if let Ok(then) = std::env::var(LEAVE_FOREGROUND) {
        leave_foreground(&then);
    }
    let own = std::env::current_exe().expect("this program has a path");
    for then in ["SIGTTIN", "SIGTTOU"] {
        let run = Run::pidlet()
            .arg("--")
            .arg(&own)
            .args(["--exact", SELF, "--nocapture"]);
        let init = run.env(LEAVE_FOREGROUND, then).tty().start();
        init.pty().type_in(b"typed\n");
        assert_eq!(
            init.wait_exit(),
            Exit::Code(7),
            "{then}: {}",
            init.describe()
        );
    }
}

#[test]
fn a_child_gets_the_terminal_back_from_a_group_that_died() {
    // An interactive shell that is killed has no time to give the terminal back.
    let script = "sh -ic 'kill -9 $$'; exec \"$0\" tty-read";
    let init = Run::pidlet()
        .args(["--", "sh", "-c", script, probe()])
        .tty()
        .start();
    init.wait_says("ready");
    init.pty().type_in(b"typed\n");
    init.wait_says("read typed");
    assert_eq!(init.wait_exit(), Exit::Code(0), "{}", init.describe());
}

// ---- a job of an interactive shell -------------------------------------------------------------

/// pidlet, or a script with it, as the only job of the probe's interactive shell.
struct Job {
    shell: Proc,
    commands: File,
    heard: Cell<usize>,
}

/// What a well-behaved job looks like to its shell.
const STOPPED: &str = "job stopped; the terminal was the job's";
const STOPPED_IN_BACKGROUND: &str = "job stopped; the terminal was the shell's";

impl Job {
    /// Starts `program` with its arguments in the foreground (`--fg`) or the background (`--bg`).
    #[track_caller]
    fn start(place: &str, program: &[&str], args: &[&str]) -> Job {
        Job::with_output(place, program, args, false)
    }

    #[track_caller]
    fn with_output(place: &str, program: &[&str], args: &[&str], on_terminal: bool) -> Job {
        let (theirs, commands) = pipe();
        let run = Run::new(probe())
            .args(["shell", place])
            .args(program)
            .args(args)
            .tty()
            .fd(theirs, 3);
        let run = match on_terminal {
            true => run.stdout(Output::Pty).stderr(Output::Pty),
            false => run,
        };
        Job {
            shell: run.start(),
            commands,
            heard: Cell::new(0),
        }
    }

    /// pidlet with one command of the probe's that says `ready`.
    #[track_caller]
    fn pidlet(place: &str, command: &[&str]) -> Job {
        let args = [&["--", probe()], command].concat();
        let job = Job::start(place, &[path(), "pidlet"], &args);
        job.shell.wait_says("ready");
        job
    }

    /// Waits for the next report of the shell on its job.
    #[track_caller]
    fn wait_report(&self, expected: &str) {
        let news = || -> Option<String> {
            let mut lines = self
                .shell
                .lines(Out)
                .into_iter()
                .filter(|line| line.starts_with("job "));
            lines.nth(self.heard.get())
        };
        self.shell
            .until(&format!("the shell reports {expected:?}"), || {
                news().is_some()
            });
        assert_eq!(
            news().as_deref(),
            Some(expected),
            "{}",
            self.shell.describe()
        );
        self.heard.set(self.heard.get() + 1);
    }

    /// Tells the shell `fg` or `bg`.
    fn command(&self, word: &str) {
        (&self.commands)
            .write_all(&word.as_bytes()[..1])
            .expect("cannot command the shell");
    }

    /// Which group is in the foreground: that of the shell, of pidlet, of its child, or another one.
    fn foreground(&self) -> &'static str {
        let shell = &self.shell;
        let Some(group) = shell.pty().foreground() else {
            return "none";
        };
        let pidlet = shell.find("pidlet").map_or(0, |info| info.pid);
        let child = shell.others().into_iter().find(|info| info.ppid == pidlet);
        match group {
            _ if group == shell.pid() => "shell",
            _ if group == pidlet => "pidlet",
            _ if child.is_some_and(|child| child.pid == group) => "child",
            _ => "other",
        }
    }

    #[track_caller]
    fn wait_foreground(&self, holder: &str) {
        self.shell.until(&format!("{holder} has the terminal"), || {
            self.foreground() == holder
        });
    }
}

fn path() -> &'static str {
    pidlet()
        .to_str()
        .expect("the target directory's name is UTF-8")
}

#[test]
fn keys_and_resizes_reach_a_shells_job_once() {
    let job = Job::pidlet("--fg", &["signals"]);
    assert_eq!(job.foreground(), "child", "{}", job.shell.describe());
    each_arrives_once(&job.shell, || kill(&the(&job.shell, "pidlet"), MARK));
}

#[test]
fn control_z_stops_the_job_and_fg_continues_it() {
    let job = Job::pidlet("--fg", &["sleep"]);
    for _ in 0..3 {
        job.shell.pty().type_in(CTRL_Z);
        job.wait_report(STOPPED);
        wait_stopped(&job.shell, &["pidlet", "probe"]);
        assert_eq!(job.foreground(), "shell", "{}", job.shell.describe());
        job.command("fg");
        wait_stopped(&job.shell, &[]);
        job.wait_foreground("child");
    }
    job.shell.pty().type_in(CTRL_C);
    job.wait_report("job exited 130; the terminal was the job's");
}

/// pidlet hears of the orphan's end before it hears that it was continued, and its child is still stopped.
#[test]
fn a_job_whose_orphan_dies_while_it_is_stopped_goes_on_with_fg() {
    let job = Job::pidlet("--fg", &["beside", probe(), "probe", "sleep"]);
    job.shell.pty().type_in(CTRL_Z);
    job.wait_report(STOPPED);
    let orphan = |info: &Info| info.comm == "probe" && info.pid != info.pgid;
    let orphans = || job.shell.others().into_iter().filter(orphan);
    kill(&orphans().next().expect("it is there"), libc::SIGKILL);
    job.shell
        .until("it is dead", || orphans().all(|info| info.is_zombie()));
    job.command("fg");
    job.shell
        .until("it is reaped", || orphans().next().is_none());
    job.wait_foreground("child");
    job.shell.pty().type_in(CTRL_C);
    job.wait_report("job exited 130; the terminal was the job's");
}

#[test]
fn control_z_stops_a_job_of_two_inits_and_fg_continues_it() {
    let args = ["--", path(), "--", probe(), "sleep"];
    let job = Job::start("--fg", &[path(), "pidlet"], &args);
    job.shell.wait_says("ready");
    for _ in 0..3 {
        job.shell.pty().type_in(CTRL_Z);
        job.wait_report(STOPPED);
        wait_stopped(&job.shell, &["pidlet", "pidlet", "probe"]);
        job.command("fg");
        wait_stopped(&job.shell, &[]);
        wait_foreground(&job.shell, "the probe's", the(&job.shell, "probe").pid);
    }
    job.shell.pty().type_in(CTRL_C);
    job.wait_report("job exited 130; the terminal was the job's");
}

#[test]
fn a_stopped_job_runs_on_in_the_background() {
    let job = Job::pidlet("--fg", &["sleep"]);
    job.shell.pty().type_in(CTRL_Z);
    job.wait_report(STOPPED);
    job.command("bg");
    wait_stopped(&job.shell, &[]);
    assert_eq!(job.foreground(), "shell", "{}", job.shell.describe());
    kill(&the(&job.shell, "pidlet"), SIGTERM);
    job.wait_report("job exited 143; the terminal was the shell's");
}

/// As far as pidlet knows, its child still has the terminal then.
#[test]
fn a_job_stopped_and_continued_from_outside_does_not_take_the_terminal() {
    let job = Job::pidlet("--fg", &["sleep"]);
    kill(&the(&job.shell, "pidlet"), SIGSTOP);
    job.wait_report("job stopped; the terminal was the other's");
    job.command("bg");
    wait_stopped(&job.shell, &[]);
    kill(&the(&job.shell, "probe"), SIGTERM);
    job.wait_report("job exited 143; the terminal was the shell's");
}

#[test]
fn a_stopped_job_ends_on_term() {
    let job = Job::pidlet("--fg", &["sleep"]);
    job.shell.pty().type_in(CTRL_Z);
    job.wait_report(STOPPED);
    // As a shell's `kill %1`: TERM waits until the job is continued.
    kill(&the(&job.shell, "pidlet"), SIGTERM);
    job.command("bg");
    job.wait_report("job exited 143; the terminal was the shell's");
}

#[test]
fn a_job_whose_child_was_stopped_from_outside_ends_on_term() {
    let job = Job::pidlet("--fg", &["sleep"]);
    kill(&the(&job.shell, "probe"), SIGSTOP);
    wait_stopped(&job.shell, &["probe"]);
    kill(&the(&job.shell, "pidlet"), SIGTERM);
    job.wait_report("job exited 143; the terminal was the job's");
}

#[test]
fn a_job_in_the_background_does_not_take_the_terminal() {
    let job = Job::pidlet("--bg", &["sleep"]);
    assert_eq!(job.foreground(), "shell", "{}", job.shell.describe());
    kill(&the(&job.shell, "pidlet"), SIGTERM);
    job.wait_report("job exited 143; the terminal was the shell's");
}

#[test]
fn a_background_job_that_reads_is_stopped_until_fg() {
    let job = Job::pidlet("--bg", &["tty-read"]);
    job.wait_report(STOPPED_IN_BACKGROUND);
    wait_stopped(&job.shell, &["pidlet", "probe"]);
    job.command("bg");
    job.wait_report(STOPPED_IN_BACKGROUND);
    reads_with_fg(&job);
}

/// A job that was stopped goes on with the terminal, reads what is typed there, and exits with 0.
fn reads_with_fg(job: &Job) {
    job.command("fg");
    job.wait_foreground("child");
    job.shell.pty().type_in(b"typed\n");
    job.shell.wait_says("read typed");
    job.wait_report("job exited 0; the terminal was the job's");
}

/// As `x | pidlet less` does, and a program that asks for a password.
#[test]
fn a_command_that_reads_the_terminal_has_it_though_standard_input_is_none() {
    let script = "exec \"$0\" -- sh -c 'exec \"$0\" tty-read </dev/tty' \"$1\" </dev/null";
    for place in ["--fg", "--bg"] {
        let args = ["sh", "-c", script, path(), probe()];
        let job = Job::start(place, &["/bin/sh"], &args);
        job.shell.wait_says("ready");
        if place == "--bg" {
            job.wait_report(STOPPED_IN_BACKGROUND);
            job.command("fg");
        }
        job.wait_foreground("child");
        // It is continued only after that, and CONT would discard a stop signal that came before it.
        wait_stopped(&job.shell, &[]);
        job.shell.pty().type_in(CTRL_Z);
        job.wait_report(STOPPED);
        wait_stopped(&job.shell, &["pidlet", "probe"]);
        reads_with_fg(&job);
    }
}

#[test]
fn a_stopped_command_that_has_not_read_the_terminal_does_not_stop_us() {
    let script = "exec \"$0\" -- \"$1\" sleep </dev/null";
    let job = Job::start("--bg", &["/bin/sh"], &["sh", "-c", script, path(), probe()]);
    job.shell.wait_says("ready");
    let child = the(&job.shell, "probe");
    kill(&child, SIGTSTP);
    wait_stopped(&job.shell, &["probe"]);
    // A process that stops the child can continue it, too; the child's end must be heard.
    kill(&child, SIGCONT);
    kill(&child, SIGTERM);
    job.wait_report("job exited 143; the terminal was the shell's");
}

#[test]
fn the_terminal_is_given_back_however_the_command_ended() {
    for (end, code) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("kill -15 $$", 143),
        ("kill -9 $$", 137),
        ("kill -3 $$", 131),
    ] {
        let script = format!("\"$0\" mask; {end}");
        let args = ["--", "sh", "-c", &script, probe()];
        let job = Job::start("--fg", &[path(), "pidlet"], &args);
        job.wait_report(&format!("job exited {code}; the terminal was the job's"));
        assert_eq!(
            count(&job.shell, "foreground=yes"),
            1,
            "{}",
            job.shell.describe()
        );
    }
}

#[test]
fn the_terminal_is_given_back_when_the_command_cannot_be_started() {
    for (program, code) in [("/nonexistent", 127), ("/etc/passwd", 126)] {
        let job = Job::start("--fg", &[path(), "pidlet"], &[program]);
        job.wait_report(&format!("job exited {code}; the terminal was the job's"));
    }
}

#[test]
fn in_a_script_control_z_stops_no_process() {
    let temp = Temp::new();
    let log = temp.join("bystander");
    // Both are in the script's group, which pidlet does not lead.
    let script =
        "\"$1\" --to \"$2\" signals & \"$0\" -- \"$1\" continue; echo script $?; kill -9 $!";
    let args = ["sh", "-c", script, path(), probe(), &log];
    let job = Job::start("--fg", &["/bin/sh"], &args);
    job.shell.wait_says("ready");
    job.shell
        .until("the bystander is ready", || lines_of(&log) == ["ready"]);
    for times in 1..=3 {
        job.shell.pty().type_in(CTRL_Z);
        job.shell.until("the child goes on", || {
            count(&job.shell, "continued") == times
        });
        assert_eq!(job.foreground(), "child", "{}", job.shell.describe());
        wait_stopped(&job.shell, &[]);
    }
    job.shell.pty().type_in(CTRL_C);
    job.wait_report("job exited 0; the terminal was the job's");
    assert_eq!(
        count(&job.shell, "script 130"),
        1,
        "{}",
        job.shell.describe()
    );
    assert_eq!(
        lines_of(&log),
        ["ready"],
        "pidlet signals its own child only"
    );
}

#[test]
fn a_script_reads_on_after_pidlet() {
    let script = "\"$0\" -- \"$1\" tty-read; read line; echo script read $line";
    let job = Job::start("--fg", &["/bin/sh"], &["sh", "-c", script, path(), probe()]);
    job.shell.wait_says("ready");
    job.shell.pty().type_in(b"one\n");
    job.shell.wait_says("read one");
    job.shell.pty().type_in(b"two\n");
    job.shell.wait_says("script read two");
    job.wait_report("job exited 0; the terminal was the job's");
}

#[test]
fn a_background_script_whose_command_reads_goes_on_with_fg() {
    // Only the command is stopped, as the group is the script's; `fg` continues all of it.
    let script = "\"$0\" -- \"$1\" tty-read; echo script $?";
    let job = Job::start("--bg", &["/bin/sh"], &["sh", "-c", script, path(), probe()]);
    job.shell.wait_says("ready");
    wait_stopped(&job.shell, &["probe"]);
    // Nor is it continued again and again to no avail.
    let status = format!("/proc/{}/status", the(&job.shell, "probe").pid);
    let switches = || {
        let mut text = std::fs::read_to_string(&status).expect("it is there");
        text.split_off(text.find("voluntary_ctxt_switches").expect("it is said"))
    };
    let before = switches();
    let goes_on = holds_within(Duration::from_millis(100), &mut || switches() != before);
    assert!(!goes_on, "{before}{}", switches());
    // This makes the shell take a command.
    kill(&the(&job.shell, "sh"), SIGSTOP);
    job.wait_report(STOPPED_IN_BACKGROUND);
    job.command("fg");
    job.wait_foreground("child");
    job.shell.pty().type_in(b"typed\n");
    job.shell.wait_says("read typed");
    job.shell.wait_says("script 0");
    job.wait_report("job exited 0; the terminal was the job's");
}

// ---- the shells that are installed -------------------------------------------------------------

/// Types `line` at each of `shells` and waits until it says `ready`; after `test` the job must be
/// gone and the terminal the shell's. `$pidlet` and `$probe` stand for the programs.
#[track_caller]
fn at_each_shell(line: &str, test: impl Fn(&Proc)) {
    for (shell, options) in shells() {
        let run = Run::new(shell)
            .args(options)
            .env("pidlet", path())
            .env("probe", probe())
            .tty();
        let shell = run.stdout(Output::Pty).stderr(Output::Pty).start();
        wait_foreground(&shell, "the shell's", shell.pid());
        shell.pty().type_in(format!("{line}\n").as_bytes());
        shell.wait_line(Out, |line| line.ends_with("ready"));
        test(&shell);
        shell.until("the job is gone", || shell.others().is_empty());
        wait_foreground(&shell, "the shell's", shell.pid());
        shell.pty().type_in(b"exit 7\n");
        assert_eq!(shell.wait_exit(), Exit::Code(7), "{}", shell.describe());
    }
}

/// Waits until no process is stopped and one of these, by name, has the terminal.
#[track_caller]
fn wait_resumed_in_foreground(shell: &Proc, names: &[&str]) {
    wait_stopped(shell, &[]);
    shell.until(&format!("the terminal is one of {names:?}"), || {
        let leaders = names.iter().filter_map(|name| shell.find(name));
        let mut groups = leaders.map(|leader| Some(leader.pid));
        groups.any(|group| group == shell.pty().foreground())
    });
}

#[test]
fn at_a_real_shell_a_job_and_a_pipeline_stop_and_go_on_as_a_whole() {
    // Shells give a pipeline the terminal when all of it runs: that may be before or after pidlet
    // looks whether the terminal is its own to give away.
    let job = (
        "$pidlet $probe sleep",
        &["pidlet", "probe"][..],
        &["probe"][..],
    );
    let members = &["cat", "pidlet", "probe"];
    let pipeline = ("$pidlet $probe sleep | cat", &members[..], &members[1..]);
    for (line, members, in_front) in [job, pipeline] {
        at_each_shell(line, |shell| {
            wait_resumed_in_foreground(shell, in_front);
            for _ in 0..2 {
                shell.pty().type_in(CTRL_Z);
                wait_stopped(shell, members);
                wait_foreground(shell, "the shell's", shell.pid());
                shell.pty().type_in(b"fg\n");
                wait_resumed_in_foreground(shell, in_front);
            }
            shell.pty().type_in(CTRL_C);
        });
    }
}

#[test]
fn at_a_real_shell_a_job_from_the_background_stops_and_goes_on_as_well() {
    // The shell hands the terminal to pidlet's group, and Ctrl-Z comes to pidlet first.
    at_each_shell("$pidlet $probe sleep &", |shell| {
        shell.pty().type_in(b"fg\n");
        for _ in 0..2 {
            wait_resumed_in_foreground(shell, &["pidlet", "probe"]);
            shell.pty().type_in(CTRL_Z);
            wait_stopped(shell, &["pidlet", "probe"]);
            wait_foreground(shell, "the shell's", shell.pid());
            shell.pty().type_in(b"fg\n");
        }
        wait_resumed_in_foreground(shell, &["probe"]);
        shell.pty().type_in(CTRL_C);
    });
}

#[test]
fn at_a_real_shell_keys_reach_the_whole_group_of_a_job_from_the_background() {
    // The shell hands pidlet's group the terminal, so that keys come to pidlet.
    at_each_shell("$pidlet $probe group &", |shell| {
        shell.pty().type_in(b"fg\n");
        wait_resumed_in_foreground(shell, &["pidlet"]);
        for (key, signal) in [(CTRL_C, 2), (CTRL_BACKSLASH, 3)] {
            shell.pty().type_in(key);
            for process in ["leader", "member"] {
                let got = format!("{process} got {signal} user");
                shell.wait_line(Out, |line| line.contains(&got));
            }
        }
        kill(&the(shell, "pidlet"), SIGTERM);
    });
}

#[test]
fn at_a_real_shell_a_background_job_does_not_take_the_terminal_and_can_read_after_fg() {
    at_each_shell("$pidlet $probe tty-read &", |shell| {
        wait_stopped(shell, &["pidlet", "probe"]);
        wait_foreground(shell, "the shell's", shell.pid());
        shell.pty().type_in(b"fg\n");
        wait_resumed_in_foreground(shell, &["probe"]);
        shell.pty().type_in(b"typed\n");
        shell.wait_line(Out, |line| line.ends_with("read typed"));
    });
}

#[test]
fn at_a_real_shell_a_running_job_can_read_once_it_is_in_the_foreground() {
    // It is never stopped: the shell hands the terminal over, and may send nothing at all.
    let temp = Temp::new();
    let go = temp.join("go");
    let wait = format!("until test -e {go}; do sleep 0.05; done");
    let line = format!("$pidlet sh -c 'echo ready; {wait}; exec $probe tty-read' &");
    at_each_shell(&line, |shell| {
        shell.pty().type_in(b"fg\n");
        let (job, child) = (the(shell, "pidlet").pid, the(shell, "sh").pid);
        shell.until("the job has the terminal", || {
            let group = shell.pty().foreground();
            group == Some(job) || group == Some(child)
        });
        File::create(&go).expect("cannot make a file");
        shell.pty().type_in(b"typed\n");
        shell.wait_line(Out, |line| line.ends_with("read typed"));
        std::fs::remove_file(&go).expect("cannot remove a file");
    });
}

// ---- several commands --------------------------------------------------------------------------

/// Two commands of the probe's.
fn two<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [&["--", probe()], command, &["---", probe()], command].concat()
}

/// Waits until both commands have said this.
#[track_caller]
fn both_say(proc: &Proc, line: &str) {
    proc.until(&format!("both say {line:?}"), || count(proc, line) == 2);
}

#[test]
fn none_of_several_commands_has_the_terminal() {
    for mode in Mode::BOTH {
        let init = Run::pidlet().mode(mode).args(two(&["sleep"])).tty().start();
        both_say(&init, "ready");
        assert_eq!(
            init.pty().foreground(),
            Some(init.pid()),
            "{}",
            init.describe()
        );
        for child in init.children() {
            assert_eq!(child.pgid, child.pid, "a group of its own: {child:?}");
            let stdin = std::fs::read_link(format!("/proc/{}/fd/0", child.pid));
            let stdin = stdin.expect("standard input is open");
            assert_eq!(stdin.to_str(), Some("/dev/null"), "{}", init.describe());
        }
        drop(init);
        // A command that reads is at the end of its input at once, and neither waits nor is stopped.
        let args = ["--", probe(), "tty-read", "---", "sleep", "1000"];
        let ended = Run::pidlet().mode(mode).args(args).tty().output();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        assert_eq!(ended.stdout, "ready\nend\n");
    }
}

#[test]
fn keys_stop_several_commands_gracefully_and_a_resize_reaches_each_once() {
    let command = ["signals", "--exit-on", "15=0"];
    let expected = [
        "ready",
        "got 28 user from parent",
        "got 15 user from parent",
    ];
    for mode in Mode::BOTH {
        for key in [CTRL_C, CTRL_BACKSLASH] {
            let init = Run::pidlet().mode(mode).args(two(&command)).tty().start();
            both_say(&init, "ready");
            init.pty().resize(50, 132);
            both_say(&init, expected[1]);
            init.pty().type_in(key);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
            for line in expected {
                let times = ended.stdout.lines().filter(|seen| *seen == line).count();
                assert_eq!(times, 2, "{line}: {ended}");
            }
            // CONT comes after TERM, and is seen or not; nothing else comes.
            let others = ended.stdout.lines().filter(|seen| !expected.contains(seen));
            let others: Vec<&str> = others.filter(|seen| !seen.starts_with("got 18 ")).collect();
            assert!(others.is_empty(), "{ended}");
        }
    }
}

#[track_caller]
fn control_z_has_no_lasting_effect_on_several(mode: Mode) {
    let script = "trap 'echo alive' USR1; sleep 1000 & echo ready; while :; do wait; done";
    let command = ["sh", "-c", script];
    let commands = [&["-vv", "--"][..], &command, &["---"], &command].concat();
    let init = Run::pidlet().mode(mode).args(commands).tty().start();
    both_say(&init, "ready");
    init.pty().type_in(CTRL_Z);
    init.wait_line(ErrOut, |line| line.ends_with("received TSTP"));
    // A command that was stopped and stays so says nothing.
    init.kill(SIGUSR1);
    both_say(&init, "alive");
    init.kill(SIGTERM);
    assert_eq!(init.wait_exit(), Exit::Code(143), "{}", init.describe());
}

#[test]
fn control_z_has_no_lasting_effect_on_several_commands_as_pid_1() {
    control_z_has_no_lasting_effect_on_several(Mode::Pid1);
}

#[test]
fn control_z_has_no_lasting_effect_on_several_commands_as_leader_of_the_session() {
    control_z_has_no_lasting_effect_on_several(Mode::Child);
}

/// A command that says when it goes on, with another process in its group.
const CONTINUE_IN_GROUP: &str = "\"$0\" sleep & exec \"$0\" continue";

#[test]
fn control_z_stops_several_commands_at_a_shell_and_fg_continues_them() {
    let command = ["sh", "-c", CONTINUE_IN_GROUP, probe()];
    let commands = [&["--"][..], &command, &["---"], &command].concat();
    let temp = Temp::new();
    let text = format!(
        "[a]\ninstances = 2\nrun = sh -c '{CONTINUE_IN_GROUP}' {}\n",
        probe()
    );
    let file = temp.write("plan", text, 0o644);
    let filed = ["-c", &file];
    for args in [&commands[..], &filed] {
        let job = Job::start("--fg", &[path(), "pidlet"], args);
        job.shell
            .until("all are ready", || count(&job.shell, "ready") == 4);
        assert_eq!(job.foreground(), "pidlet", "{}", job.shell.describe());
        job.shell.pty().type_in(CTRL_Z);
        job.wait_report(STOPPED);
        wait_stopped(&job.shell, &["pidlet", "probe", "probe", "probe", "probe"]);
        job.command("fg");
        both_say(&job.shell, "continued");
        wait_stopped(&job.shell, &[]);
        job.wait_foreground("pidlet");
        job.shell.pty().type_in(CTRL_C);
        job.wait_report("job exited 143; the terminal was the job's");
    }
}

/// A container's script: the kernel does not stop its group, which no process could continue, and the
/// commands have groups of their own.
#[test]
fn control_z_has_no_lasting_effect_on_several_commands_of_a_script() {
    for mode in Mode::BOTH {
        let command = "sh -c \"$2\" \"$1\"";
        let script = format!("\"$0\" -- {command} --- {command}; echo script $?");
        let run = Run::new("/bin/sh").mode(mode).args([
            "-c",
            &script,
            path(),
            probe(),
            CONTINUE_IN_GROUP,
        ]);
        let init = run.tty().start();
        init.until("all are ready", || count(&init, "ready") == 4);
        for times in 1..=3 {
            init.pty().type_in(CTRL_Z);
            init.until("both go on", || count(&init, "continued") >= 2 * times);
            wait_stopped(&init, &[]);
        }
        init.pty().type_in(CTRL_C);
        init.wait_exit();
        // The key may have killed the script before pidlet has stopped its commands.
        init.until("no process is left", || init.others().is_empty());
    }
}

// ---- no terminal -------------------------------------------------------------------------------

#[test]
fn without_a_terminal_everything_works_and_no_message_appears() {
    let temp = Temp::new();
    let line = temp.write("line", "typed\n", 0o644);
    for mode in Mode::BOTH {
        let pty = Pty::open();
        pty.type_in(b"typed\n");
        let file = File::open(&line).expect("cannot open a file");
        let inputs = [
            ("nothing", Input::Null, "end"),
            ("a pipe", Input::Pipe, "read typed"),
            ("a file", Input::File(file), "read typed"),
            ("closed", Input::Closed, "error 9"),
            // Not the controlling terminal of our session.
            (
                "a terminal that is not ours",
                Input::File(pty.slave().into()),
                "read typed",
            ),
        ];
        for (what, input, expected) in inputs {
            let is_pipe = matches!(input, Input::Pipe);
            let run = Run::pidlet().mode(mode).args(["--", probe(), "tty-read"]);
            let init = run.stdin(input).start();
            if is_pipe {
                init.send("typed\n");
            }
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(0), "{what}: {ended}");
            assert_eq!(ended.stdout, format!("ready\n{expected}\n"), "{what}");
            // The reason of the end, as always, and nothing else.
            let said: Vec<&str> = ended.stderr.lines().collect();
            let [reason] = said[..] else {
                panic!("{what}: {ended}")
            };
            assert!(reason.ends_with("; container exits 0"), "{what}: {ended}");
        }
    }
}

/// A session leader without a terminal would get the first one that it opens to read.
#[test]
fn a_terminal_that_a_service_reads_does_not_become_ours() {
    let temp = Temp::new();
    for mode in Mode::BOTH {
        let pty = Pty::open();
        pty.type_in(b"typed\n");
        let slave = pty.slave();
        let path = format!("/proc/self/fd/{}", slave.as_raw_fd());
        let path = std::fs::read_link(path).expect("an open file has a name");
        let text = format!(
            "[a]\nrun = {} tty-read\nstdin = file:{}\n[b]\nrun = {0} sleep\n",
            probe(),
            path.display()
        );
        let plan = temp.write("plan", text, 0o644);
        let run = Run::pidlet().mode(mode).args(["-u", "all", "-c", &plan]);
        let init = run.start();
        init.wait_says("read typed");
        let info = init.info().expect("it runs");
        assert_eq!((info.sid, info.tpgid), (info.pid, -1), "{info:?}");
    }
}

// ---- stty tostop -------------------------------------------------------------------------------

#[test]
fn messages_from_the_background_do_not_stop_pidlet_under_tostop() {
    for mode in Mode::BOTH {
        let run = Run::pidlet()
            .mode(mode)
            .args(["-vv", "--", probe(), "signals"])
            .tty();
        let init = run.stdout(Output::Pty).stderr(Output::Pty).start();
        init.wait_says("ready");
        set_tostop(init.pty());
        init.kill(SIGUSR1);
        init.wait_line(Out, |line| line.ends_with("passed on USR1"));
        init.wait_says("got 10 user from parent");
        wait_stopped(&init, &[]);
    }
}

#[test]
fn in_the_background_pidlets_messages_do_not_stop_the_job_and_its_commands_do() {
    let temp = Temp::new();
    let log = temp.join("log");
    let args = ["-vv", "--", probe(), "--to", &log, "signals"];
    let job = Job::with_output("--bg", &[path(), "pidlet"], &args, true);
    job.shell
        .until("the command is ready", || lines_of(&log) == ["ready"]);
    set_tostop(job.shell.pty());
    kill(&the(&job.shell, "pidlet"), SIGUSR1);
    job.shell
        .wait_line(Out, |line| line.ends_with("passed on USR1"));
    job.shell.until("it arrives", || lines_of(&log).len() == 2);
    wait_stopped(&job.shell, &[]);
    drop(job);

    // The command itself is stopped as it would be without pidlet, and goes on with `fg`.
    let go = temp.join("go");
    let wait = format!("until test -e {go}; do sleep 0.05; done; echo written");
    let job = Job::with_output(
        "--bg",
        &[path(), "pidlet"],
        &["--", "sh", "-c", &wait],
        true,
    );
    set_tostop(job.shell.pty());
    File::create(&go).expect("cannot make a file");
    job.wait_report(STOPPED_IN_BACKGROUND);
    assert_eq!(count(&job.shell, "written"), 0, "{}", job.shell.describe());
    job.command("fg");
    job.wait_report("job exited 0; the terminal was the job's");
    assert_eq!(count(&job.shell, "written"), 1, "{}", job.shell.describe());
}
