//! Starts programs the way container engines, shells and scripts do, and watches what happens to them.
//!
//! ```ignore
//! mod support;
//! use support::*;
//!
//! #[test]
//! fn passes_the_stop_signal_on() {
//!     for mode in Mode::BOTH {
//!         let init = Run::pidlet().mode(mode).args(["--", probe(), "signals", "--exit-on", "15=3"]).start();
//!         init.wait_line(Out, |line| line == "ready");        // events, never sleeps
//!         init.kill(libc::SIGTERM);
//!         assert_eq!(init.wait(TIMEOUT), Exit::Code(3), "{}", init.describe());
//!     }
//! }
//!
//! let end = Run::pidlet().args(["--", "true"]).output();       // start, wait, collect both streams
//! assert_eq!(end.exit, Exit::Code(0), "{end}");
//! ```
//!
//! Both modes use a PID namespace of their own, so that no process can escape a test: with `Mode::Pid1` the
//! program is its first process; with `Mode::Child` the first process is one that does nothing but reap.
//! Either way the program is our direct child: its status comes from `waitpid`, signals go straight to it,
//! and its own `getppid()` returns 0, as in every process that `docker exec` starts. Root needs nothing
//! special for that; other users need user namespaces. Dropping a `Proc` ends the namespace with everything
//! in it.

// Each test file uses only part of this.
#![allow(dead_code)]
#![allow(unused_imports)]

mod clock;
mod inspect;
mod launch;
mod listen;
mod process;
mod pty;
mod random;
mod run;
mod strace;
mod temp;
mod web;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use clock::now_ns;
pub use inspect::{Info, in_namespace, pid_namespace, zombies_around};
pub use launch::pipe;
pub use listen::{Call, Listener};
pub use process::{Captured, Ended, Exit, Proc, Stream, Stream::Err as ErrOut, Stream::Out};
pub use pty::Pty;
pub use random::{Random, each_seed};
pub use run::{Input, Mode, Output, ProcFs, Run, Session};
pub use strace::{Attached, calls, is_exec_of, is_fork, strace, traced, traces};
pub use temp::{Temp, lines_of};
pub use web::{PRELUDE, Web, assert_not_up, ends_for, is_up_and_stops};

/// Longest wait for anything. Generous, because a slow machine is no fault of the program's, and only a
/// failure takes this long.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// How long a waiting helper sleeps between two looks at its condition: at first, and at most. Many
/// conditions scan all of `/proc`, and the program being waited for needs the processor, too.
const LOOK_EVERY: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(50)];

/// The program under test: the one that cargo built beside the tests, or the one that the variable
/// `PIDLET_BINARY` names, such as a build for another architecture.
pub fn pidlet() -> &'static Path {
    static PIDLET: OnceLock<PathBuf> = OnceLock::new();
    PIDLET.get_or_init(|| {
        let other = std::env::var_os("PIDLET_BINARY");
        other.map_or_else(|| env!("CARGO_BIN_EXE_pidlet").into(), PathBuf::from)
    })
}

/// Whether the program under test is a release build, as users run it; one that `PIDLET_BINARY` names counts
/// as one.
pub fn is_release() -> bool {
    cfg!(not(debug_assertions)) || std::env::var_os("PIDLET_BINARY").is_some()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    // SAFETY: no arguments.
    unsafe { libc::getuid() == 0 }
}

/// Whether the tests may choose process ids that have been used before; the kernel lets only root do that.
pub fn can_choose_pids() -> bool {
    is_root() && std::fs::exists("/proc/sys/kernel/ns_last_pid").unwrap_or(false)
}

/// The helper that the tests run as payload; `probe.rs` lists its commands. The variable `PIDLET_PROBE` names
/// another build of it.
pub fn probe() -> &'static str {
    static PROBE: OnceLock<String> = OnceLock::new();
    PROBE.get_or_init(|| {
        if let Ok(other) = std::env::var("PIDLET_PROBE") {
            return other;
        }
        let built = Path::new(env!("CARGO_BIN_EXE_pidlet"));
        let directory = built.parent().expect("pidlet lies in a directory");
        let path: PathBuf = directory.join("examples/probe");
        let changed = |path: &Path| {
            std::fs::metadata(path)
                .and_then(|data| data.modified())
                .ok()
        };
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support");
        let sources = ["probe.rs", "act.rs"].map(|name| sources.join(name));
        if sources
            .iter()
            .any(|source| changed(&path) < changed(source))
        {
            build_probe(directory);
        }
        path.to_str()
            .expect("the target directory's name is UTF-8")
            .to_owned()
    })
}

/// Builds the probe: a plain `cargo test` has done so, but `cargo test --test NAME` builds no examples.
fn build_probe(directory: &Path) {
    let target = directory
        .parent()
        .expect("a profile's directory lies in another");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--example", "probe", "--target-dir"])
        .arg(target);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // Cargo would build into a subdirectory for that target.
    cargo.env_remove("CARGO_BUILD_TARGET");
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let done = cargo.status().expect("cannot run cargo");
    assert!(done.success(), "`cargo build --example probe` failed");
}

/// Waits until `holds` is true, or panics saying what was waited for. Where there is a process, `Proc::until`
/// says more.
#[track_caller]
pub fn until(what: &str, timeout: Duration, mut holds: impl FnMut() -> bool) {
    assert!(
        holds_within(timeout, &mut holds),
        "waited {timeout:?} in vain until {what}"
    );
}

/// True as soon as `holds` is; false when the time is over.
pub fn holds_within(timeout: Duration, holds: &mut dyn FnMut() -> bool) -> bool {
    let begin = Instant::now();
    loop {
        if holds() {
            return true;
        }
        let waited = begin.elapsed();
        if waited > timeout {
            return false;
        }
        let [first, most] = LOOK_EVERY;
        std::thread::sleep((waited / 16).clamp(first, most));
    }
}

/// Says loudly that a test did not run, and fails it where `CI=true`. Use `skip!`, which also returns.
#[track_caller]
pub fn skipped(reason: &str) {
    eprintln!("SKIPPED: {reason}");
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "CI must skip nothing, but: {reason}"
    );
}

/// Leaves the test, loudly: `skip!("needs {}", name)`.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::support::skipped(&format!($($reason)*));
        return;
    }};
}
