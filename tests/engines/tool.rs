//! Engines' commands and daemons.
//!
//! `support::Run` gives every program a namespace that ends with it. What an engine's command mounts and
//! starts must stay for the next command, so these are plain children of ours; the box is around them all.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::support::{Captured, Ended, ErrOut, Exit, Out, Pty, Stream, holds_within};

/// Longest wait for an engine. Several work at once, and building a program may be part of it.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Options that leave a container as few rights as possible, in the words of Docker and Podman.
pub const HARDENED: &[&str] = &[
    "--read-only",
    "--user",
    "12345:12345",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--pids-limit",
    "20",
    "--memory",
    "16m",
];

/// A command and its surroundings.
pub struct Tool {
    command: Command,
    words: Vec<String>,
    terminal: bool,
}

impl Tool {
    /// `program` by its absolute path, with no input and nothing but `PATH` and `HOME` in its environment.
    pub fn new(program: &str) -> Tool {
        let mut command = Command::new(program);
        command.env_clear();
        command.env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", crate::scratch());
        command.stdin(Stdio::null());
        Tool {
            command,
            words: vec![program.to_owned()],
            terminal: false,
        }
    }

    pub fn arg(self, arg: impl AsRef<OsStr>) -> Tool {
        self.args([arg])
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Tool {
        for arg in args {
            self.words.push(arg.as_ref().to_string_lossy().into_owned());
            self.command.arg(arg);
        }
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Tool {
        self.command.env(name, value);
        self
    }

    pub fn cwd(mut self, path: impl AsRef<std::path::Path>) -> Tool {
        self.command.current_dir(path);
        self
    }

    /// Standard input with this in it.
    pub fn input(mut self, text: &str) -> Tool {
        let (theirs, mut ours) = crate::support::pipe();
        // Short enough for a pipe that is not read yet.
        ours.write_all(text.as_bytes())
            .expect("cannot write to a pipe");
        self.command.stdin(theirs);
        self
    }

    /// A pseudo terminal for all three streams, the controlling one of a new session.
    pub fn tty(mut self) -> Tool {
        self.terminal = true;
        self
    }

    #[track_caller]
    pub fn start(mut self) -> Job {
        let pty = self.terminal.then(Pty::open);
        let words = self.words.join(" ");
        let captured = match &pty {
            Some(pty) => {
                self.command.stdin(pty.slave());
                self.command.stdout(pty.slave()).stderr(pty.slave());
                // SAFETY: two system calls on the child's own descriptor, between fork and exec.
                unsafe { self.command.pre_exec(take_terminal) };
                [Captured::follow(pty.reader(), true), Captured::default()]
            }
            None => {
                let [(out, to_out), (err, to_err)] = [(); 2].map(|()| crate::support::pipe());
                self.command.stdout(to_out).stderr(to_err);
                [out, err].map(|from| Captured::follow(from, false))
            }
        };
        let child = self.command.spawn();
        // Our copies of the child's ends, which would keep the streams open, go with the command.
        drop(self.command);
        Job {
            child: Mutex::new(child.unwrap_or_else(|error| panic!("cannot run {words}: {error}"))),
            captured,
            pty,
            words,
        }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn output(self) -> Ended {
        self.start().finish()
    }

    /// Runs it, which must succeed; returns what it wrote to standard output, without white space around it.
    #[track_caller]
    pub fn succeed(self) -> String {
        let words = self.words.join(" ");
        let ended = self.output();
        assert_eq!(ended.exit, Exit::Code(0), "{words}\n{ended}");
        ended.stdout.trim().to_owned()
    }
}

/// Between fork and exec: a session with the terminal on descriptor 0.
fn take_terminal() -> std::io::Result<()> {
    // SAFETY: no pointers.
    let done = unsafe { libc::setsid() >= 0 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0 };
    if done {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// A running command. Dropping it kills it; what an engine started for it is the test's to remove.
pub struct Job {
    child: Mutex<Child>,
    captured: [Captured; 2],
    pty: Option<Pty>,
    words: String,
}

impl Job {
    pub fn pid(&self) -> i32 {
        self.lock().id() as i32
    }

    #[track_caller]
    pub fn pty(&self) -> &Pty {
        self.pty.as_ref().expect("the command has no terminal")
    }

    /// Sends a signal; false when the command is gone.
    pub fn kill(&self, signal: i32) -> bool {
        let mut child = self.lock();
        let runs = child.try_wait().is_ok_and(|status| status.is_none());
        // SAFETY: a child of ours that is not reaped yet.
        runs && unsafe { libc::kill(child.id() as i32, signal) } == 0
    }

    pub fn text(&self, stream: Stream) -> String {
        let [out, err] = &self.captured;
        match stream {
            Out => out.text(),
            ErrOut => err.text(),
        }
    }

    /// The whole lines so far. Where a terminal has translated their ends, those are taken off as well.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        let text = self.text(stream);
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines = text[..whole].lines();
        lines
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect()
    }

    /// Waits for the first whole line that suits, and returns it.
    #[track_caller]
    pub fn wait_line(&self, stream: Stream, suits: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        self.until(&format!("a line of {stream:?} matches"), || {
            found = self.lines(stream).into_iter().find(|line| suits(line));
            found.is_some()
        });
        found.expect("found above")
    }

    /// Waits until `holds`, or panics with all that the command has said.
    #[track_caller]
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        if !holds_within(PATIENCE, &mut holds) {
            panic!("waited in vain until {what}\n{}", self.describe());
        }
    }

    pub fn try_wait(&self) -> Option<Exit> {
        let status = self.lock().try_wait().expect("a child of ours");
        status.map(exit_of)
    }

    #[track_caller]
    pub fn wait_exit(&self) -> Exit {
        self.until("the command ends", || self.try_wait().is_some());
        self.try_wait().expect("ended above")
    }

    /// Waits for its end and the end of both streams.
    #[track_caller]
    pub fn finish(self) -> Ended {
        let exit = self.wait_exit();
        self.until("both streams are at their end", || {
            self.captured.iter().all(Captured::has_ended) || self.pty.is_some()
        });
        Ended {
            exit,
            stdout: self.text(Out),
            stderr: self.text(ErrOut),
        }
    }

    pub fn describe(&self) -> String {
        format!(
            "{}\nended: {:?}\nstdout: {:?}\nstderr: {:?}",
            self.words,
            self.try_wait(),
            self.text(Out),
            self.text(ErrOut)
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut child = self.lock();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.expect("an end has a code or a signal")),
    }
}

/// Daemons that all tests of a run share. Rust drops no statics, so they are ended when the process exits.
static DAEMONS: Mutex<Vec<Job>> = Mutex::new(Vec::new());

/// Starts a daemon for the rest of the run, and waits until it is up; it is ended by its pid.
#[track_caller]
pub fn daemon(tool: Tool, mut is_up: impl FnMut() -> bool) {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: a function that lives as long as the process.
        unsafe { libc::atexit(end_daemons) };
    });
    let job = tool.start();
    job.until("the daemon is up", || {
        assert_eq!(job.try_wait(), None, "{}", job.describe());
        is_up()
    });
    DAEMONS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(job);
}

/// Tells all of them to stop first, then waits for each; one that does not stop is killed.
extern "C" fn end_daemons() {
    let mut daemons = DAEMONS.lock().unwrap_or_else(PoisonError::into_inner);
    for daemon in daemons.iter() {
        daemon.kill(libc::SIGTERM);
    }
    let end = Instant::now() + PATIENCE;
    for daemon in daemons.drain(..) {
        let left = end.saturating_duration_since(Instant::now());
        holds_within(left, &mut || daemon.try_wait().is_some());
    }
}

/// Names that no two cases share: `word-1`, `word-2`...
pub fn unique(word: &str) -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{word}-{number}")
}

/// All messages in a socket, each with a newline behind it.
pub fn received(socket: &UnixDatagram) -> String {
    socket.set_nonblocking(true).expect("a socket");
    let mut said = String::new();
    let mut buffer = [0; 4096];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => said += &String::from_utf8_lossy(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return said,
            Err(error) => panic!("cannot receive: {error}"),
        }
        said.push('\n');
    }
}
