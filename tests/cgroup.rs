//! What the kernel does to a container through its cgroup: it kills for memory, refuses forks, and freezes.
//! With cgroup v2, and with v1 where the machine has that.
//!
//! Each container is in a cgroup of its own, made below the root and removed afterwards, and sees it
//! where an engine shows a container its own.

mod support;
use support::*;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where cgroups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// A shell script that takes ever more memory.
const EAT: &str = "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done";

/// The name of a controller's file with v2, and with v1.
type Names = [&'static str; 2];
const MEMORY_MAX: Names = ["memory.max", "memory.limit_in_bytes"];
const MEMORY_KILLS: Names = ["memory.events", "memory.oom_control"];
const PIDS_MAX: Names = ["pids.max", "pids.max"];
const FREEZE: Names = ["cgroup.freeze", "freezer.state"];

/// A cgroup with one controller.
struct Cgroup {
    /// Where its parent is.
    root: PathBuf,
    path: PathBuf,
    v1: bool,
}

/// Skips the test where no cgroup with this controller can be made.
macro_rules! cgroup {
    ($controller:expr) => {
        match Cgroup::new($controller) {
            Ok(cgroup) => cgroup,
            Err(why) => skip!("no cgroup for {} can be made here: {why}", $controller),
        }
    };
}

impl Cgroup {
    fn new(controller: &str) -> std::io::Result<Cgroup> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let v1 = !Path::new(ROOT).join("cgroup.controllers").exists();
        let mut root = PathBuf::from(ROOT);
        if v1 {
            root.push(controller);
        }
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = root.join(format!("pidlet-test-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Cgroup { root, path, v1 }),
                // Left behind by a killed test run that had the same process id.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn file(&self, names: Names) -> PathBuf {
        self.path.join(names[usize::from(self.v1)])
    }

    #[track_caller]
    fn set(&self, names: Names, value: &str) {
        let file = self.file(names);
        let written = std::fs::write(&file, value);
        assert!(written.is_ok(), "{}: {written:?}", file.display());
    }

    /// pidlet in it.
    fn pidlet(&self, mode: Mode) -> Run {
        self.program(pidlet(), mode)
    }

    /// A program in it.
    fn program(&self, program: impl AsRef<OsStr>, mode: Mode) -> Run {
        let (path, root) = (self.path.display(), self.root.display());
        // Entered last: there may be room for one process only.
        let enter = format!(
            "mount --bind {path} {root} && echo 0 > {root}/cgroup.procs && exec \"$0\" \"$@\""
        );
        let run = Run::new("/bin/sh").mode(mode).stdin(Input::Pipe);
        run.args(["-c", &enter]).arg(program)
    }

    /// How often the kernel has killed for memory in it.
    fn kills(&self) -> u32 {
        let text = std::fs::read_to_string(self.file(MEMORY_KILLS)).unwrap_or_default();
        let mut counts = text
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "));
        counts
            .next()
            .and_then(|count| count.parse().ok())
            .expect("the kernel counts")
    }

    /// Freezes its processes until the returned value is dropped: nothing that is frozen can be killed.
    #[track_caller]
    fn freeze(&self) -> Frozen<'_> {
        self.set(FREEZE, if self.v1 { "FROZEN" } else { "1" });
        let frozen = Frozen(self);
        until("all is frozen", TIMEOUT, || match self.v1 {
            true => self.says("freezer.state", "FROZEN"),
            false => self.says("cgroup.events", "frozen 1"),
        });
        frozen
    }

    fn says(&self, file: &str, line: &str) -> bool {
        let text = std::fs::read_to_string(self.path.join(file)).unwrap_or_default();
        text.lines().any(|known| known == line)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process leaves its cgroup a moment after its parent has reaped it.
        let mut removed = || std::fs::remove_dir(&self.path).is_ok();
        holds_within(TIMEOUT, &mut removed);
    }
}

struct Frozen<'c>(&'c Cgroup);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.set(FREEZE, if self.0.v1 { "THAWED" } else { "0" });
    }
}

#[track_caller]
fn assert_end(ended: &Ended, code: i32, reason: &str) {
    assert_eq!(ended.exit, Exit::Code(code), "{ended}");
    let expected = format!("pidlet: {reason}; container exits {code}");
    assert_eq!(ended.last_line(), expected, "{ended}");
}

// ---- memory ------------------------------------------------------------------------------------

/// What pidlet calls a service that the kernel killed for memory.
const KILLED_FOR_MEMORY: &str = "sh (pid N) was killed by the kernel: out of memory, after T";

fn memory() -> std::io::Result<Cgroup> {
    let cgroup = Cgroup::new("memory")?;
    std::fs::write(cgroup.file(MEMORY_MAX), "24M")?;
    Ok(cgroup)
}

macro_rules! memory {
    () => {
        match memory() {
            Ok(cgroup) => cgroup,
            Err(why) => skip!("no cgroup for memory can be made here: {why}"),
        }
    };
}

#[test]
fn a_kill_for_memory_is_named() {
    let temp = Temp::new();
    for mode in Mode::BOTH {
        for other in [&[][..], &["---", probe(), "sleep"]] {
            let cgroup = memory!();
            let log = temp.write("log", "", 0o644);
            let run = cgroup.pidlet(mode).args(["--termination-log", &log, "--"]);
            let ended = run.args(["sh", "-c", EAT]).args(other).output();
            assert_end(&ended, 137, KILLED_FOR_MEMORY);
            assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
            assert_eq!(std::fs::read_to_string(&log).unwrap(), ended.stderr);
        }
    }
}

/// Under a peer's name only the termination log has such a reason, and that in our words.
#[test]
fn a_kill_for_memory_is_named_under_the_peers_names_too() {
    let temp = Temp::new();
    for name in ["tini", "dumb-init", "catatonit"] {
        let (cgroup, program) = (memory!(), temp.symlink(pidlet(), name));
        let log = temp.write("log", "", 0o644);
        let run = cgroup.program(&program, Mode::Pid1);
        let run = run.env("PIDLET_TERMINATION_LOG", &log);
        let ended = run.args(["--", "sh", "-c", EAT]).output();
        let stderr = std::fs::read_to_string(&log).unwrap();
        assert_end(&Ended { stderr, ..ended }, 137, KILLED_FOR_MEMORY);
    }
}

/// A service that reports its signals and exits with 0 on TERM, and beside it a shell that eats memory after
/// a line on standard input: a child of the service, or an orphan.
const BESIDE: [(&str, bool); 2] = [
    (
        "exec 3<&0; (read x <&3; EAT) & exec \"$0\" signals --exit-on 15=0",
        false,
    ),
    (
        "exec 3<&0; ((read x <&3; EAT) &); exec \"$0\" signals --exit-on 15=0",
        true,
    ),
];

#[test]
fn a_kill_for_memory_of_another_process_ends_no_service() {
    for mode in Mode::BOTH {
        for (script, is_orphan) in BESIDE {
            let cgroup = memory!();
            let script = script.replace("EAT", EAT);
            let run = cgroup
                .pidlet(mode)
                .args(["--", "sh", "-c", &script, probe()]);
            let init = run.start();
            init.wait_ready(1);
            init.send("\n");
            init.until("the kernel kills", || cgroup.kills() == 1);
            // The service itself does not wait for its child.
            init.until("it is dead", || {
                let mut others = init.others().into_iter();
                others.all(|info| info.comm == "probe" || !is_orphan && info.is_zombie())
            });
            init.kill(libc::SIGUSR1);
            init.wait_says("got 10 user from parent");
            assert_eq!(init.try_wait(), None, "{}", init.describe());
            init.kill(libc::SIGTERM);
            let ended = init.finish();
            assert_eq!(ended.exit, Exit::Code(0), "{ended}");
            assert!(!ended.stderr.contains("memory"), "{ended}");
        }
    }
}

#[test]
fn after_a_kill_for_memory_of_an_orphan_a_kill_from_outside_is_named_as_such() {
    for mode in Mode::BOTH {
        let cgroup = memory!();
        let script = BESIDE[1].0.replace("EAT", EAT);
        let run = cgroup
            .pidlet(mode)
            .args(["--", "sh", "-c", &script, probe()]);
        let init = run.start();
        init.wait_ready(1);
        init.send("\n");
        init.until("the orphan is gone", || {
            cgroup.kills() == 1 && init.others().len() == 1
        });
        let service = init.find("probe").expect("the service runs").pid;
        // SAFETY: a process of this test that only pidlet reaps, and it is not dead.
        unsafe { libc::kill(service, libc::SIGKILL) };
        let ended = init.finish();
        let reason = "sh (pid N) was killed by signal 9 (KILL) from outside after T";
        assert_end(&ended, 137, reason);
    }
}

#[test]
fn a_kill_for_memory_in_the_stop_is_named() {
    for mode in Mode::BOTH {
        let cgroup = memory!();
        let script = format!("trap '{EAT}' TERM; echo ready; while :; do sleep 0.01; done");
        let run = cgroup.pidlet(mode).args(["--", "sh", "-c", &script, "---"]);
        let init = run.args([probe(), "signals", "--exit-on", "15=0"]).start();
        init.wait_ready(2);
        init.kill(libc::SIGTERM);
        let ended = init.finish();
        let reason = format!("stopped by TERM: {KILLED_FOR_MEMORY}");
        assert_end(&ended, 137, &reason);
    }
}

#[test]
fn a_service_that_was_killed_for_memory_is_started_again() {
    let temp = Temp::new();
    for mode in Mode::BOTH {
        let cgroup = memory!();
        let first = temp.write("first", "", 0o644);
        let script = format!(
            "[ ! -e {first} ] || {{ rm {first}; {EAT}; }}; exec {} sleep",
            probe()
        );
        let script = temp.write("script", script, 0o644);
        let plan = format!("[web]\nrun = sh {script}\nrestart = on-failure\nbackoff = 1ms\n");
        let plan = temp.write("plan", plan, 0o644);
        let init = cgroup.pidlet(mode).args(["-v", "-c", &plan]).start();
        init.wait_ready(1);
        // This was said before, but on another stream.
        init.wait_line(ErrOut, |line| {
            line.contains("was killed by the kernel: out of memory")
        });
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(143), "{}", init.describe());
    }
}

/// The counter of such kills cannot be read while no descriptor can be had.
#[test]
fn an_earlier_kill_for_memory_does_not_explain_a_later_kill() {
    for mode in Mode::BOTH {
        let (cgroup, temp) = (memory!(), Temp::new());
        let eat = temp.write("eat", EAT, 0o644);
        let mut plan = format!("[eat]\nrun = sh {eat}\nessential = no\n");
        for service in ["first", "second", "web"] {
            let program = temp.symlink(Path::new(probe()), service);
            plan += &format!("[{service}]\nrun = {program} sleep\nessential = no\n");
        }
        let plan = temp.write("plan", plan, 0o644);
        let init = cgroup.pidlet(mode).args(["-c", &plan]).start();
        init.wait_ready(3);
        init.wait_line(ErrOut, |line| line.contains("out of memory"));
        for (service, descriptors) in [("first", 0), ("second", 1024)] {
            let service = init.find(service).expect("the service runs");
            init.limit(libc::RLIMIT_NOFILE, descriptors, 1024);
            // SAFETY: a process of this test that only pidlet reaps, and it is not dead.
            unsafe { libc::kill(service.pid, libc::SIGKILL) };
            let killed = format!("{} (pid {})", service.comm, service.inner);
            let line = init.wait_line(ErrOut, |line| line.contains(&killed));
            assert!(line.contains("killed by signal 9"), "{}", init.describe());
        }
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(137), "{}", init.describe());
    }
}

// ---- processes ---------------------------------------------------------------------------------

#[test]
fn where_no_process_can_be_made_nothing_starts() {
    for mode in Mode::BOTH {
        for other in [&[][..], &["---", "true"]] {
            let cgroup = cgroup!("pids");
            cgroup.set(PIDS_MAX, "1");
            let run = cgroup.pidlet(mode).args(["--", "true"]).args(other);
            let reason =
                "true: cannot make a process for \"true\": Resource temporarily unavailable";
            assert_end(&run.output(), 125, reason);
        }
    }
}

#[test]
fn a_restart_is_tried_until_there_is_room_for_a_process() {
    let temp = Temp::new();
    for mode in Mode::BOTH {
        let cgroup = cgroup!("pids");
        let plan = format!(
            "[web]\nrun = {} sleep\nrestart = always\nbackoff = 10ms..10ms\n",
            probe()
        );
        let plan = temp.write("plan", plan, 0o644);
        let init = cgroup.pidlet(mode).args(["-v", "-c", &plan]).start();
        init.wait_ready(1);
        cgroup.set(PIDS_MAX, "1");
        let web = init.find("probe").expect("the service runs").pid;
        // SAFETY: a process of this test that only pidlet reaps, and it is not dead.
        unsafe { libc::kill(web, libc::SIGKILL) };
        init.until("several starts have failed", || {
            let said = init.lines(ErrOut);
            let fault = "cannot make a process for ";
            said.iter().filter(|line| line.contains(fault)).count() > 2
        });
        cgroup.set(PIDS_MAX, "max");
        init.wait_ready(2);
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(143), "{}", init.describe());
    }
}

#[test]
fn a_full_container_is_reaped_and_stops() {
    for mode in Mode::BOTH {
        let cgroup = cgroup!("pids");
        cgroup.set(PIDS_MAX, "20");
        // Orphans until there is no room for another one.
        let script = "(while sleep 1000 & do :; done); exec \"$0\" signals --exit-on 15=0";
        let run = cgroup.pidlet(mode).args(["--grace", "1h"]);
        let init = run.args(["--", "sh", "-c", script, probe()]).start();
        init.wait_ready(1);
        init.until("there is no room", || init.stderr().contains("fork"));
        let orphan = init.find("sleep").expect("there are orphans").pid;
        // SAFETY: a process of this test that only pidlet reaps, and it is not dead.
        unsafe { libc::kill(orphan, libc::SIGKILL) };
        init.until("it is reaped", || Info::of(orphan).is_none());
        init.kill(libc::SIGTERM);
        assert_eq!(init.wait_exit(), Exit::Code(0), "{}", init.describe());
    }
}

// ---- frozen ------------------------------------------------------------------------------------

/// A service that takes its time to stop.
const SLOW: &str =
    "trap 'echo told; sleep 0.3; exit 0' TERM; echo ready; while :; do sleep 0.01; done";

/// The budget of the stop, which is enough even under an emulator on a loaded machine; and a time longer than
/// that.
const BUDGET: &str = "3s";
const FROZEN_FOR: Duration = Duration::from_millis(3500);

#[test]
fn a_stop_that_is_asked_for_while_frozen_has_its_whole_budget_when_thawed() {
    for mode in Mode::BOTH {
        let cgroup = cgroup!("freezer");
        let run = cgroup.pidlet(mode).args(["--grace", BUDGET, "--"]);
        let init = run
            .args(["sh", "-c", SLOW, "---", "sh", "-c", SLOW])
            .start();
        init.wait_ready(2);
        let frozen = cgroup.freeze();
        init.kill(libc::SIGTERM);
        std::thread::sleep(FROZEN_FOR);
        assert!(!init.stdout().contains("told"), "{}", init.describe());
        drop(frozen);
        let ended = init.finish();
        assert_eq!(ended.exit, Exit::Code(0), "{ended}");
        assert_eq!(ended.stdout.matches("told").count(), 2, "{ended}");
    }
}

#[test]
fn the_budget_of_a_stop_runs_on_while_frozen() {
    for mode in Mode::BOTH {
        let cgroup = cgroup!("freezer");
        let run = cgroup.pidlet(mode).args(["--grace", BUDGET, "--"]);
        let slow = SLOW.replace("0.3", "1000");
        let init = run
            .args(["sh", "-c", &slow, "---", "sh", "-c", &slow])
            .start();
        init.wait_ready(2);
        init.kill(libc::SIGTERM);
        init.until("both are told", || {
            init.stdout().matches("told").count() == 2
        });
        let frozen = cgroup.freeze();
        std::thread::sleep(FROZEN_FOR);
        assert_eq!(init.try_wait(), None, "{}", init.describe());
        drop(frozen);
        let ended = init.finish();
        let reason = "stopped by TERM: sh (pid N) did not stop in time and was killed after T";
        assert_end(&ended, 137, reason);
    }
}
