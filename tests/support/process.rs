//! A started program: its streams, its signals, its family, its end.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::inspect::{Info, in_namespace};
use super::launch::{self, Started};
use super::pty::Pty;
use super::run::{Input, Output, Run};
use super::{TIMEOUT, holds_within};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(to, "exit {code}"),
            Exit::Signal(signal) => write!(to, "signal {signal}"),
        }
    }
}

/// Which of the captured streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// How a program ended, and everything that was written before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The last line of standard error, with `N` for process ids and `T` for times, which differ from run to
    /// run.
    pub fn last_line(&self) -> String {
        let last = self.stderr.lines().last().unwrap_or_default();
        let mut words: Vec<&str> = Vec::new();
        for word in last.split(' ') {
            let digits = word
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit());
            let time = digits && word.trim_end_matches(';').ends_with('s');
            match word {
                _ if word.ends_with(')') && digits => words.push("N)"),
                _ if time => words.push(if word.ends_with(';') { "T;" } else { "T" }),
                _ => words.push(word),
            }
        }
        words.join(" ")
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{}\nstdout: {:?}\nstderr: {:?}",
            self.exit, self.stdout, self.stderr
        )
    }
}

/// What a thread has read of a stream so far.
#[derive(Clone, Default)]
pub struct Captured {
    state: Arc<Mutex<(Vec<u8>, bool)>>,
    from_terminal: bool,
}

impl Captured {
    /// Reads `from` to its end, in a thread of its own.
    pub fn follow(mut from: impl Read + Send + 'static, from_terminal: bool) -> Captured {
        let captured = Captured {
            from_terminal,
            ..Captured::default()
        };
        let shared = captured.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                // A terminal that no process has open any more gives EIO, which is its end of file.
                let count = from.read(&mut buffer).unwrap_or(0);
                let mut state = shared.lock();
                state.0.extend_from_slice(&buffer[..count]);
                state.1 = count == 0;
                if count == 0 {
                    return;
                }
            }
        });
        captured
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().0).into_owned()
    }

    /// A terminal counts as ended: it never ends, as we hold it open.
    pub fn has_ended(&self) -> bool {
        self.from_terminal || self.lock().1
    }
}

/// A running program. Dropping it kills it and everything that it started, and reaps.
pub struct Proc {
    pid: i32,
    keeper: i32,
    namespace: File,
    lifeline: Option<File>,
    exit: Mutex<Option<Exit>>,
    stdin: Mutex<Option<File>>,
    stdout: Option<Captured>,
    stderr: Option<Captured>,
    pty: Option<Pty>,
    /// The reading ends of pipes that are kept full.
    _full: Vec<File>,
    command: String,
}

/// Both ends of the three standard streams.
#[derive(Default)]
struct Plumbing {
    /// The program's ends with their target numbers, held until the program has them.
    theirs: Vec<(OwnedFd, RawFd)>,
    stdin: Option<File>,
    captured: [Option<Captured>; 2],
    full: Vec<File>,
    pty: Option<Pty>,
}

impl Plumbing {
    fn lay(run: &Run) -> Plumbing {
        let mut plumbing = Plumbing::default();
        let outputs = [&run.stdout, &run.stderr];
        let wants_pty = outputs.iter().any(|output| matches!(output, Output::Pty));
        if wants_pty || matches!(run.stdin, Input::Pty) {
            plumbing.pty = Some(Pty::open());
        }
        match &run.stdin {
            Input::Null => plumbing.give(null(), 0),
            Input::Closed => {}
            Input::Pty => plumbing.give_pty(0),
            Input::File(file) => plumbing.give(copy(file), 0),
            Input::Pipe => {
                let (theirs, ours) = launch::pipe();
                plumbing.give(theirs.into(), 0);
                plumbing.stdin = Some(ours);
            }
        }
        for (index, output) in outputs.into_iter().enumerate() {
            let target = index as RawFd + 1;
            match output {
                Output::Null => plumbing.give(null(), target),
                Output::Closed => {}
                Output::Pty => plumbing.give_pty(target),
                Output::File(file) => plumbing.give(copy(file), target),
                Output::Capture => {
                    let (ours, theirs) = launch::pipe();
                    plumbing.give(theirs.into(), target);
                    plumbing.captured[index] = Some(Captured::follow(ours, false));
                }
                Output::Full => {
                    let (ours, theirs) = launch::pipe();
                    fill(&theirs);
                    plumbing.give(theirs.into(), target);
                    plumbing.full.push(ours);
                }
            }
        }
        if wants_pty && plumbing.captured[0].is_none() {
            let pty = plumbing.pty.as_ref().expect("opened above");
            plumbing.captured[0] = Some(Captured::follow(pty.reader(), true));
        }
        plumbing
    }

    fn give(&mut self, fd: OwnedFd, target: RawFd) {
        self.theirs.push((fd, target));
    }

    fn give_pty(&mut self, target: RawFd) {
        let slave = self.pty.as_ref().expect("a terminal was opened").slave();
        self.give(slave, target);
    }
}

impl Proc {
    #[track_caller]
    pub(super) fn start(run: Run) -> Proc {
        let plumbing = Plumbing::lay(&run);
        let stdio: Vec<_> = plumbing
            .theirs
            .iter()
            .map(|(fd, target)| (fd.as_raw_fd(), *target))
            .collect();
        let terminal = matches!(run.stdin, Input::Pty);
        let started = match launch::launch(&run, &stdio, terminal) {
            Ok(started) => started,
            Err(why) => panic!("cannot start: {why}"),
        };
        let Started {
            pid,
            keeper,
            lifeline,
            namespace,
        } = started;
        let [stdout, stderr] = plumbing.captured;
        Proc {
            pid,
            keeper,
            namespace,
            lifeline: Some(lifeline),
            exit: Mutex::new(None),
            stdin: Mutex::new(plumbing.stdin),
            stdout,
            stderr,
            pty: plumbing.pty,
            _full: plumbing.full,
            command: format!(
                "{:?} {:?} as {:?} ({:?})",
                run.program, run.args, run.arg0, run.mode
            ),
        }
    }

    /// Its pid outside its namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The terminal that `Run::tty` gave it.
    #[track_caller]
    pub fn pty(&self) -> &Pty {
        self.pty.as_ref().expect("the program has no terminal")
    }

    /// Sends a signal; false when the program is gone.
    pub fn kill(&self, signal: i32) -> bool {
        // It is not reaped while we hold the lock, so the number is still this program's.
        let exit = self.lock_exit();
        // SAFETY: a child of ours that is not reaped yet.
        exit.is_none() && unsafe { libc::kill(self.pid, signal) } == 0
    }

    /// Changes a limit of the running program, as `prlimit` does.
    pub fn limit(&self, resource: libc::__rlimit_resource_t, soft: u64, hard: u64) {
        let exit = self.lock_exit();
        assert_eq!(*exit, None, "the program has ended");
        let limit = libc::rlimit {
            rlim_cur: soft as _,
            rlim_max: hard as _,
        };
        // SAFETY: a child of ours that is not reaped yet; the kernel reads the limit, and writes none.
        let given =
            unsafe { libc::prlimit(self.pid, resource, &raw const limit, std::ptr::null_mut()) };
        assert_eq!(given, 0, "prlimit: {}", std::io::Error::last_os_error());
    }

    /// Sends a signal with a value, as `sigqueue` does; false when the program is gone.
    pub fn sigqueue(&self, signal: i32, value: i32) -> bool {
        let exit = self.lock_exit();
        let value = libc::sigval {
            sival_ptr: value as usize as *mut _,
        };
        // SAFETY: a child of ours that is not reaped yet.
        exit.is_none() && unsafe { libc::sigqueue(self.pid, signal, value) } == 0
    }

    /// Writes to its standard input.
    #[track_caller]
    pub fn send(&self, text: &str) {
        let stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stdin = stdin
            .as_ref()
            .expect("standard input is no pipe, or closed");
        stdin
            .write_all(text.as_bytes())
            .expect("cannot write to the program's input");
    }

    /// Ends its standard input.
    pub fn close_stdin(&self) {
        *self.stdin.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Everything on standard output so far, or on the terminal where that is standard output.
    pub fn stdout(&self) -> String {
        self.stdout.as_ref().map(Captured::text).unwrap_or_default()
    }

    /// Everything on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.as_ref().map(Captured::text).unwrap_or_default()
    }

    /// The whole lines of a stream so far.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        let text = match stream {
            Stream::Out => self.stdout(),
            Stream::Err => self.stderr(),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[..whole].lines().map(str::to_owned).collect()
    }

    /// Waits for the first whole line of a stream that suits, and returns it.
    #[track_caller]
    pub fn wait_line(&self, stream: Stream, suits: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        self.until(&format!("a line of {stream:?} matches"), || {
            found = self.lines(stream).into_iter().find(|line| suits(line));
            found.is_some()
        });
        found.expect("found above")
    }

    /// Waits until exactly `count` commands have written the line `ready` to standard output.
    #[track_caller]
    pub fn wait_ready(&self, count: usize) {
        self.until(&format!("{count} commands are ready"), || {
            let lines = self.lines(Stream::Out);
            lines.iter().filter(|line| *line == "ready").count() == count
        });
    }

    /// Waits for the line `wanted` on standard output.
    #[track_caller]
    pub fn wait_says(&self, wanted: &str) {
        self.until(&format!("standard output says {wanted:?}"), || {
            self.lines(Stream::Out).iter().any(|line| line == wanted)
        });
    }

    /// Waits until it has nothing left to do: it changes its directory once everything runs, and then only
    /// sleeps.
    #[track_caller]
    pub fn wait_settled(&self) {
        self.until("it sleeps", || {
            self.cwd() == "/" && self.info().is_some_and(|info| info.state == 'S')
        });
    }

    /// Waits until `holds` is true, at most `TIMEOUT`, or panics with all that is known about the program.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        self.until_for(what, TIMEOUT, holds);
    }

    #[track_caller]
    pub fn until_for(&self, what: &str, timeout: Duration, mut holds: impl FnMut() -> bool) {
        if !holds_within(timeout, &mut holds) {
            panic!(
                "waited {timeout:?} in vain until {what}\n{}",
                self.describe()
            );
        }
    }

    /// How it ended, if it has. Reaps it then.
    pub fn try_wait(&self) -> Option<Exit> {
        let mut exit = self.lock_exit();
        if exit.is_none() {
            *exit = reap(self.pid, libc::WNOHANG);
        }
        *exit
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&self, timeout: Duration) -> Exit {
        self.until_for("the program ends", timeout, || self.try_wait().is_some());
        self.try_wait().expect("ended above")
    }

    /// Waits for its end, `TIMEOUT` at most.
    #[track_caller]
    pub fn wait_exit(&self) -> Exit {
        self.wait(TIMEOUT)
    }

    /// Waits for its end and for the end of both captured streams, which processes that it left behind may
    /// hold open.
    #[track_caller]
    pub fn finish(self) -> Ended {
        let exit = self.wait_exit();
        self.until("both streams are at their end", || self.streams_ended());
        Ended {
            exit,
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }

    /// True when no process can write to the captured pipes any more. A terminal does not count: we hold it
    /// open.
    pub fn streams_ended(&self) -> bool {
        [&self.stdout, &self.stderr]
            .into_iter()
            .flatten()
            .all(Captured::has_ended)
    }

    /// What /proc says of it; `None` when it is gone.
    pub fn info(&self) -> Option<Info> {
        Info::of(self.pid)
    }

    /// The identity of its PID namespace.
    pub fn namespace(&self) -> u64 {
        let about = self.namespace.metadata();
        about.expect("an open file can be examined").ino()
    }

    /// Every other process of its PID namespace, zombies included. The keeper is no part of a test.
    pub fn others(&self) -> Vec<Info> {
        let mut all = in_namespace(self.namespace());
        all.retain(|info| info.pid != self.pid && info.pid != self.keeper);
        all
    }

    /// The number of zombies in its PID namespace.
    pub fn zombies(&self) -> usize {
        let others = self.others();
        others.iter().filter(|other| other.is_zombie()).count()
    }

    /// Its own children.
    pub fn children(&self) -> Vec<Info> {
        let mut all = self.others();
        all.retain(|info| info.ppid == self.pid);
        all
    }

    /// The first other process whose name (`comm`, at most 15 bytes) is this.
    pub fn find(&self, comm: &str) -> Option<Info> {
        self.others().into_iter().find(|info| info.comm == comm)
    }

    /// Its open descriptors and what they refer to, from 0 up.
    pub fn fds(&self) -> Vec<(i32, String)> {
        let directory = format!("/proc/{}/fd", self.pid);
        let Ok(entries) = std::fs::read_dir(directory) else {
            return Vec::new();
        };
        let mut fds: Vec<(i32, String)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let target = std::fs::read_link(entry.path()).ok()?;
                Some((
                    entry.file_name().to_str()?.parse().ok()?,
                    target.display().to_string(),
                ))
            })
            .collect();
        fds.sort_unstable();
        fds
    }

    /// Its working directory.
    pub fn cwd(&self) -> String {
        let link = std::fs::read_link(format!("/proc/{}/cwd", self.pid));
        link.map(|path| path.display().to_string())
            .unwrap_or_default()
    }

    /// Everything that helps to understand a failure.
    pub fn describe(&self) -> String {
        let mut text = format!("{}\n", self.command);
        match self.try_wait() {
            Some(exit) => text += &format!("ended: {exit}\n"),
            None => text += &format!("running: {:?}\n", self.info()),
        }
        text += &format!("stdout: {:?}\nstderr: {:?}\n", self.stdout(), self.stderr());
        for other in self.others() {
            text += &format!("beside it: {other:?}\n");
        }
        text
    }

    fn lock_exit(&self) -> MutexGuard<'_, Option<Exit>> {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // The keeper then ends the whole namespace. Reap it last: where it is the first process inside, the
        // kernel lets it end only when the program has been reaped.
        drop(self.lifeline.take());
        let mut exit = self.lock_exit();
        if exit.is_none() {
            *exit = reap(self.pid, 0);
        }
        reap(self.keeper, 0);
    }
}

/// Waits for a child of ours; `None` if it still runs, or is no child of ours.
fn reap(pid: i32, flags: i32) -> Option<Exit> {
    let mut status = 0;
    loop {
        // SAFETY: writes one integer.
        let found = unsafe { libc::waitpid(pid, &raw mut status, flags) };
        if found == pid && libc::WIFSIGNALED(status) {
            return Some(Exit::Signal(libc::WTERMSIG(status)));
        }
        if found == pid {
            return Some(Exit::Code(libc::WEXITSTATUS(status)));
        }
        let interrupted = std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted;
        if found == 0 || !interrupted {
            return None;
        }
    }
}

fn null() -> OwnedFd {
    let open = File::options().read(true).write(true).open("/dev/null");
    open.expect("cannot open /dev/null").into()
}

fn copy(file: &File) -> OwnedFd {
    file.try_clone()
        .expect("cannot duplicate a descriptor")
        .into()
}

/// Fills a pipe to the last byte; it is a blocking one again afterwards.
fn fill(pipe: &File) {
    // SAFETY: changes flags of a descriptor that the caller owns.
    unsafe {
        libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 4096);
        libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
        let mut pipe = pipe;
        for size in [4096, 1] {
            while pipe.write(&vec![b'#'; size]).is_ok() {}
        }
        libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, 0);
    }
}
