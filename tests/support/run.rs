//! What to start and in what surroundings.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::process::{Ended, Proc};
use super::temp::Temp;

/// The program's place in its PID namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The first process of a fresh PID namespace.
    Pid1,
    /// Any other process.
    Child,
}

impl Mode {
    pub const BOTH: [Mode; 2] = [Mode::Pid1, Mode::Child];
}

/// Standard input.
#[derive(Debug)]
pub enum Input {
    Null,
    /// A pipe; `Proc::send` writes to it.
    Pipe,
    Closed,
    /// The pseudo terminal, which becomes the controlling one of a new session.
    Pty,
    File(File),
}

/// Standard output or standard error.
#[derive(Debug)]
pub enum Output {
    /// A pipe that is read all the time; `Proc::stdout` and `Proc::stderr` show it.
    Capture,
    Null,
    Closed,
    /// The pseudo terminal; what is written there is in `Proc::stdout`.
    Pty,
    /// A full pipe that is never read.
    Full,
    File(File),
}

/// Session and process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Leader of a session of its own, as container engines start programs.
    New,
    /// Leader of a process group in the tests' session.
    Group,
}

/// What is mounted on `/proc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcFs {
    Own,
    /// An empty tmpfs.
    Empty,
}

/// A program and everything that it inherits. `start` or `output` runs it.
#[derive(Debug)]
pub struct Run {
    pub(super) program: PathBuf,
    pub(super) arg0: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) cwd: PathBuf,
    pub(super) mode: Mode,
    pub(super) stdin: Input,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) session: Session,
    pub(super) proc_fs: ProcFs,
    pub(super) own_network: bool,
    pub(super) blocked: Vec<i32>,
    pub(super) ignored: Vec<i32>,
    pub(super) limits: Vec<(i32, u64, u64)>,
    pub(super) fds: Vec<(OwnedFd, i32)>,
}

impl Run {
    /// `program` with itself as `argv[0]`, an environment of `PATH` alone, `/` as working directory, no
    /// input, both outputs captured, a session of its own, no blocked or ignored signal and no core files, as
    /// PID 1.
    pub fn new(program: impl AsRef<Path>) -> Run {
        let program = program.as_ref();
        assert!(
            program.is_absolute(),
            "{}: start programs by their absolute path",
            program.display()
        );
        Run {
            program: program.to_owned(),
            arg0: program.as_os_str().to_owned(),
            args: Vec::new(),
            env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            cwd: "/".into(),
            mode: Mode::Pid1,
            stdin: Input::Null,
            stdout: Output::Capture,
            stderr: Output::Capture,
            session: Session::New,
            proc_fs: ProcFs::Own,
            own_network: false,
            blocked: Vec::new(),
            ignored: Vec::new(),
            limits: vec![(libc::RLIMIT_CORE as i32, 0, 0)],
            fds: Vec::new(),
        }
    }

    /// The program under test.
    pub fn pidlet() -> Run {
        Run::new(super::pidlet()).arg0("pidlet")
    }

    /// The program under test, with a plan from a file.
    pub fn with_plan(temp: &Temp, plan: &str) -> Run {
        let path = temp.write("pidlet.conf", plan, 0o644);
        Run::pidlet().args(["-c", &path])
    }

    /// The program under test, exec'ed by `probe listened`, so that a test can answer its system calls with
    /// `Listener::to`.
    pub fn listened() -> Run {
        let run = Run::new(super::probe()).arg("listened");
        run.arg(super::pidlet()).arg("pidlet")
    }

    pub fn arg0(mut self, name: impl AsRef<OsStr>) -> Run {
        self.arg0 = name.as_ref().to_owned();
        self
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Run {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Run {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable, in place of an earlier one of that name.
    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Run {
        let mut run = self.env_remove(&name);
        run.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        run
    }

    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Run {
        self.env.retain(|(known, _)| known != name.as_ref());
        self
    }

    pub fn cwd(mut self, path: impl AsRef<Path>) -> Run {
        self.cwd = path.as_ref().to_owned();
        self
    }

    pub fn mode(mut self, mode: Mode) -> Run {
        self.mode = mode;
        self
    }

    pub fn stdin(mut self, input: Input) -> Run {
        self.stdin = input;
        self
    }

    pub fn stdout(mut self, output: Output) -> Run {
        self.stdout = output;
        self
    }

    pub fn stderr(mut self, output: Output) -> Run {
        self.stderr = output;
        self
    }

    /// A controlling terminal on standard input, as `docker run -t` gives it; the outputs stay as they are.
    pub fn tty(self) -> Run {
        self.stdin(Input::Pty)
    }

    pub fn session(mut self, session: Session) -> Run {
        self.session = session;
        self
    }

    pub fn proc_fs(mut self, proc_fs: ProcFs) -> Run {
        self.proc_fs = proc_fs;
        self
    }

    /// In a network namespace of its own with nothing but 127.0.0.1 and ::1, so that every port is free.
    pub fn own_network(mut self) -> Run {
        self.own_network = true;
        self
    }

    /// Blocked from the first instruction on.
    pub fn block(mut self, signals: &[i32]) -> Run {
        self.blocked.extend(signals);
        self
    }

    /// Set to `SIG_IGN` from the first instruction on.
    pub fn ignore(mut self, signals: &[i32]) -> Run {
        self.ignored.extend(signals);
        self
    }

    /// A resource limit (`libc::RLIMIT_...`), soft and hard.
    pub fn limit(mut self, resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> Run {
        self.limits.push((resource as i32, soft, hard));
        self
    }

    /// An open descriptor under the number `target`, below 200.
    pub fn fd(mut self, fd: impl Into<OwnedFd>, target: i32) -> Run {
        assert!(
            (3..200).contains(&target),
            "descriptor {target} is not for free use"
        );
        self.fds.push((fd.into(), target));
        self
    }

    /// Starts it; returns when the program has been exec'ed.
    #[track_caller]
    pub fn start(self) -> Proc {
        Proc::start(self)
    }

    /// Runs it to its end, and reads both streams to theirs.
    #[track_caller]
    pub fn output(self) -> Ended {
        self.start().finish()
    }
}
