//! pidlet's system calls as strace sees them, and pidlet slowed down by strace in some of them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Proc, Run, Temp};

/// The path of strace, if it is there and may trace.
pub fn strace() -> Option<PathBuf> {
    let directories = ["/usr/bin", "/usr/local/bin", "/bin"].map(Path::new);
    let path = directories
        .iter()
        .map(|dir| dir.join("strace"))
        .find(|path| path.exists())?;
    let mut command = Command::new(&path);
    let status = command
        .args(["-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success()).then_some(path)
}

/// The path of strace; skips the test where it is missing or may not trace.
#[macro_export]
macro_rules! strace_or_skip {
    () => {
        match $crate::support::strace() {
            Some(path) => path,
            None => $crate::skip!("strace is missing or may not trace"),
        }
    };
}

/// The system calls in a trace of one process, in the order they began: no signals, no resumptions.
pub fn calls(trace: impl AsRef<Path>) -> Vec<String> {
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    let is_call = |line: &&str| {
        let name = line.split('(').next().unwrap_or_default();
        name.len() < line.len() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
    };
    text.lines().filter(is_call).map(str::to_owned).collect()
}

pub fn is_fork(call: &str) -> bool {
    ["clone(", "clone3(", "vfork(", "fork("]
        .iter()
        .any(|name| call.starts_with(name))
}

pub fn is_exec_of(call: &str, program: &str) -> bool {
    call.starts_with(&format!("execve(\"{program}\"")) && call.ends_with("= 0")
}

/// The traces in a directory, one file per process (`strace -ff`).
pub fn traces(temp: &Temp) -> Vec<Vec<String>> {
    let entries = std::fs::read_dir(temp.path()).expect("the directory of the traces");
    entries
        .map(|entry| calls(entry.expect("a trace").path()))
        .collect()
}

/// strace in a namespace of the harness; the program to trace is yet to be added. For `-ff` see `traces`.
pub fn traced(strace: &Path, temp: &Temp, options: &[&str]) -> Run {
    Run::new(strace)
        .args(["-o", &temp.join("trace")])
        .args(options)
}

/// strace attached to a running program.
pub struct Attached {
    strace: Child,
    pub trace: String,
}

impl Attached {
    pub fn to(init: &Proc, strace: &Path, temp: &Temp) -> Attached {
        Attached::with(&[], init, strace, temp)
    }

    /// With further options.
    pub fn with(options: &[&str], init: &Proc, strace: &Path, temp: &Temp) -> Attached {
        let trace = temp.join(format!("attached-{}", init.pid()));
        let pid = init.pid().to_string();
        let command = &mut Command::new(strace);
        let command = command
            .args(["-o", &trace, "-p", &pid])
            .args(options)
            .stderr(Stdio::piped());
        let mut strace = command.spawn().expect("strace can be run");
        let errors = strace.stderr.take().expect("a pipe was asked for");
        let mut line = String::new();
        BufReader::new(errors)
            .read_line(&mut line)
            .expect("strace says something");
        let attached = Attached { strace, trace };
        assert!(line.contains("attached"), "{line}");
        attached
    }

    /// Detaches, and returns the system calls made meanwhile, including the one that was in progress.
    pub fn calls(mut self) -> Vec<String> {
        // SAFETY: a child of ours that is not reaped yet.
        unsafe { libc::kill(self.strace.id() as i32, libc::SIGINT) };
        self.strace.wait().expect("strace is a child of ours");
        calls(&self.trace)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // Fails if it has ended, which is just as well.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}
