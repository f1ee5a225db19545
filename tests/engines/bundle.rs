//! OCI bundles, and the cases that both runtimes, runc and crun, go through with them.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::rootfs::{LEAVERS, Rootfs};
use crate::support::*;
use crate::tool::{Job, Tool, received, unique};

/// A program that starts OCI bundles.
pub struct Runtime {
    pub program: &'static str,
    /// What `run` is given beside the bundle.
    pub options: &'static [&'static str],
    /// Whether it starts a container without `/proc`: runc's own part of the new process reads
    /// `/proc/self/fd` last of all.
    pub goes_without_proc: bool,
}

/// The profile that Podman and CRI-O give every container.
pub const SECCOMP: &str = "/usr/share/containers/seccomp.json";

/// A test for each case, with one runtime.
#[macro_export]
macro_rules! bundle_cases {
    ($runtime:expr) => {
        $crate::bundle_cases! { $runtime;
            commands_and_plans_end_with_their_codes
            nothing_is_needed_and_nothing_may_be_allowed
            every_stop_signal_stops_all_commands
            every_other_signal_is_passed_on
            zombies_do_not_use_up_the_limit_of_processes
            a_kill_for_memory_is_reported_as_one
            readiness_goes_through_the_runtime
            passed_on_sockets_are_the_service_s
            a_terminal_is_the_command_s
        }
    };
    ($runtime:expr; $($case:ident)*) => {
        $(#[test]
        fn $case() {
            $crate::needs!($runtime.program, $crate::bundle::SECCOMP);
            $crate::bundle::$case(&$runtime);
        })*
    };
}

// ---- bundles ---------------------------------------------------------------------------------------

/// A command in an image of its own, which is read-only: no process has a capability, and nothing is mounted
/// that a case does not ask for.
pub struct Bundle {
    rootfs: Rootfs,
    args: Vec<String>,
    env: Vec<String>,
    user: u32,
    terminal: bool,
    /// JSON, like all that follows.
    mounts: Vec<String>,
    namespaces: Vec<&'static str>,
    limits: Vec<String>,
    seccomp: Option<String>,
}

impl Bundle {
    /// `/pidlet` and `/probe`, and a `/proc`.
    pub fn new(args: &[&str]) -> Bundle {
        Bundle::of(Rootfs::scratch(), args)
    }

    pub fn of(rootfs: Rootfs, args: &[&str]) -> Bundle {
        let bundle = Bundle {
            rootfs: rootfs.directory("dev"),
            args: args.iter().map(|word| (*word).to_owned()).collect(),
            env: Vec::new(),
            user: 0,
            terminal: false,
            mounts: Vec::new(),
            namespaces: vec!["pid", "ipc", "uts", "mount", "network"],
            limits: Vec::new(),
            seccomp: None,
        };
        bundle.mount("proc", "/proc", &[])
    }

    pub fn without_proc(mut self) -> Bundle {
        self.mounts.clear();
        self
    }

    pub fn user(mut self, id: u32) -> Bundle {
        self.user = id;
        self
    }

    pub fn env(mut self, assignment: &str) -> Bundle {
        self.env.push(assignment.to_owned());
        self
    }

    pub fn mount(mut self, kind: &str, to: &str, options: &[&str]) -> Bundle {
        self.rootfs = self.rootfs.directory(&to[1..]);
        self.mounts.push(format!(
            "{{\"destination\": {to:?}, \"type\": {kind:?}, \"source\": {kind:?}, \"options\": {options:?}}}"
        ));
        self
    }

    pub fn terminal(mut self) -> Bundle {
        self.terminal = true;
        self.mount("tmpfs", "/dev", &["nosuid", "mode=755"]).mount(
            "devpts",
            "/dev/pts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666"],
        )
    }

    /// At most so many processes.
    pub fn processes(mut self, count: u32) -> Bundle {
        self.limits
            .push(format!("\"pids\": {{\"limit\": {count}}}"));
        self
    }

    /// At most so many MiB, and the container's own cgroup in sight.
    pub fn memory(mut self, size: u64) -> Bundle {
        let bytes = size << 20;
        self.limits.push(format!(
            "\"memory\": {{\"limit\": {bytes}, \"swap\": {bytes}}}"
        ));
        self.namespaces.push("cgroup");
        self.mount("sysfs", "/sys", &["ro"])
            .mount("cgroup", "/sys/fs/cgroup", &["ro"])
    }

    /// The engines' seccomp profile, where system calls that it does not list get this error.
    pub fn seccomp(mut self, errno: i32) -> Bundle {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/seccomp.py");
        let python = Tool::new("/usr/bin/python3").args([script, SECCOMP]);
        self.seccomp = Some(python.arg(errno.to_string()).succeed());
        self
    }

    /// Rust's way to show strings and lists of them is JSON's too, as long as they are printable ASCII.
    fn config(&self, name: &str) -> String {
        let object = |members: &[String]| format!("{{{}}}", members.join(", "));
        let sets = ["bounding", "effective", "permitted"].map(|set| format!("\"{set}\": []"));
        let process = [
            format!("\"terminal\": {}", self.terminal),
            format!(
                "\"args\": {:?}, \"env\": {:?}, \"cwd\": \"/\"",
                self.args, self.env
            ),
            format!("\"user\": {{\"uid\": {0}, \"gid\": {0}}}", self.user),
            format!(
                "\"noNewPrivileges\": true, \"capabilities\": {}",
                object(&sets)
            ),
        ];
        let namespaces = self.namespaces.iter();
        let namespaces: Vec<String> = namespaces
            .map(|kind| format!("{{\"type\": {kind:?}}}"))
            .collect();
        let mut linux = vec![
            format!("\"cgroupsPath\": \"/{name}\""),
            format!("\"namespaces\": [{}]", namespaces.join(", ")),
        ];
        // Where a cgroup v2 has no controllers, crun takes not even an empty list of limits.
        if !self.limits.is_empty() {
            linux.push(format!("\"resources\": {}", object(&self.limits)));
        }
        linux.extend(
            self.seccomp
                .iter()
                .map(|json| format!("\"seccomp\": {json}")),
        );
        object(&[
            "\"ociVersion\": \"1.0.2\"".to_owned(),
            format!(
                "\"root\": {{\"path\": {:?}, \"readonly\": true}}",
                self.rootfs.path()
            ),
            format!("\"mounts\": [{}]", self.mounts.join(", ")),
            format!("\"process\": {}", object(&process)),
            format!("\"linux\": {}", object(&linux)),
        ])
    }

    #[track_caller]
    pub fn start(self, runtime: &'static Runtime) -> Container {
        self.start_by(runtime, runtime.tool())
    }

    /// `tool` is the runtime's command up to its own options.
    #[track_caller]
    pub fn start_by(self, runtime: &'static Runtime, tool: Tool) -> Container {
        let name = unique("bundle");
        let directory = crate::scratch().join(&name);
        std::fs::create_dir_all(&directory).expect("cannot make a directory");
        std::fs::write(directory.join("config.json"), self.config(&name)).expect("cannot write");
        let run = tool.arg("run").args(runtime.options);
        let run = run.arg("--bundle").arg(&directory).arg(&name);
        let run = if self.terminal { run.tty() } else { run };
        Container {
            runtime,
            name,
            job: run.start(),
        }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn output(self, runtime: &'static Runtime) -> Ended {
        let container = self.start(runtime);
        container.job.wait_exit();
        container.ended()
    }
}

impl Runtime {
    fn tool(&self) -> Tool {
        Tool::new(self.program).arg("--root").arg(self.root())
    }

    /// Where it keeps the state of its containers.
    fn root(&self) -> PathBuf {
        let name = Path::new(self.program).file_name();
        Path::new("/run").join(name.expect("a program has a name"))
    }
}

/// A started bundle; whatever is left of it ends when this is dropped.
pub struct Container {
    runtime: &'static Runtime,
    name: String,
    pub job: Job,
}

impl Container {
    /// Sends a signal to its first process, named as for `runc kill`.
    #[track_caller]
    pub fn kill(&self, signal: &str) {
        let kill = self.runtime.tool().args(["kill", &self.name, signal]);
        kill.succeed();
    }

    /// The number of its first process in our namespace, as soon as the runtime knows it.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        let mut pid = None;
        self.job.until("the runtime knows the container", || {
            let state = self.runtime.tool().args(["state", &self.name]).output();
            let after = state.stdout.split("\"pid\":").nth(1).unwrap_or_default();
            let number = after.split([',', '\n']).next().unwrap_or_default();
            pid = number.trim().parse().ok();
            pid.is_some()
        });
        pid.expect("found above")
    }

    /// Waits until this line has been written to standard output so many times.
    #[track_caller]
    pub fn wait_lines(&self, wanted: &str, count: usize) {
        self.job
            .until(&format!("{wanted:?} has come {count} times"), || {
                let lines = self.job.lines(Out);
                lines.iter().filter(|line| *line == wanted).count() >= count
            });
    }

    #[track_caller]
    pub fn ended(mut self) -> Ended {
        self.job.wait_exit();
        let job = std::mem::replace(&mut self.job, Tool::new("/bin/true").start());
        job.finish()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It fails where nothing is left.
        let delete = self.runtime.tool();
        drop(delete.args(["delete", "--force", &self.name]).output());
    }
}

/// Whether our view of the cgroups has limits to give: a cgroup v2 beside a v1 that has all the controllers
/// has none.
pub fn limits_exist() -> bool {
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    controllers.map_or(true, |names| names.contains("memory"))
}

/// The last line of standard error: the end's reason.
pub fn reason(ended: &Ended) -> &str {
    ended.stderr.trim_end().lines().last().unwrap_or_default()
}

// ---- cases -----------------------------------------------------------------------------------------

/// A plan of three services, where the second depends on the first.
const PLAN: &str = "[first]\nrun = /probe exit 0\ntype = oneshot\n\n\
    [second]\nrun = /probe exit 5\nafter = first\n\n[third]\nrun = /probe sleep\n";

pub fn commands_and_plans_end_with_their_codes(runtime: &'static Runtime) {
    let cases: [(&[&str], i32, &str); 9] = [
        (&["--", "/probe", "exit", "3"], 3, "exited with code 3"),
        (
            &[
                "/probe", "sleep", "---", "/probe", "exit", "4", "---", "/probe", "sleep",
            ],
            4,
            "probe-2",
        ),
        (&[], 5, "second"),
        (&["-c", "/etc/pidlet.conf"], 5, "second"),
        (&["--", "/probe", "die", "9"], 137, "signal 9"),
        (&["--", "/probe", "die", "15"], 143, "signal 15"),
        (&["--", "/none"], 127, "/none"),
        (&["--", "/etc"], 126, "/etc"),
        (&["--nonsense"], 1, "nonsense"),
    ];
    for (args, code, said) in cases {
        let rootfs = Rootfs::scratch().file("etc/pidlet.conf", PLAN, 0o644);
        let args: Vec<&str> = ["/pidlet"].iter().chain(args).copied().collect();
        let ended = Bundle::of(rootfs, &args).output(runtime);
        assert_eq!(ended.exit, Exit::Code(code), "{args:?}: {ended}");
        assert!(ended.stderr.contains(said), "{args:?}: {ended}");
    }
}

pub fn nothing_is_needed_and_nothing_may_be_allowed(runtime: &'static Runtime) {
    for with_proc in [true, false] {
        if !with_proc && !runtime.goes_without_proc {
            continue;
        }
        for (errno, user) in [
            (None, 0),
            (None, 12345),
            (Some(libc::EPERM), 12345),
            (Some(libc::ENOSYS), 12345),
            (Some(libc::EPERM), 0),
        ] {
            let bundle = Bundle::new(&[&["/pidlet", "--"], &LEAVERS[..]].concat());
            let bundle = bundle.user(user);
            let bundle = errno.into_iter().fold(bundle, Bundle::seccomp);
            let bundle = if with_proc {
                bundle
            } else {
                bundle.without_proc()
            };
            let container = bundle.start(runtime);
            container.wait_lines("ready", 3);
            container.wait_lines("orphan of init", 3);
            confined(&container, user, errno.is_some());
            container.kill("TERM");
            let ended = container.ended();
            let case = format!("proc {with_proc}, user {user}, {errno:?}: {ended}");
            assert_eq!(ended.exit, Exit::Code(3), "{case}");
            let told = |process: &str| {
                let line = format!("{process} got 15 user from parent");
                ended.stdout.matches(&line).count()
            };
            assert_eq!([told("orphan"), told("far child")], [3, 1], "{case}");
            assert!(
                reason(&ended).contains("stopped by TERM: probe-3 "),
                "{case}"
            );
        }
    }
}

/// Checks that the container really may do as little as the case says.
#[track_caller]
fn confined(container: &Container, user: u32, filtered: bool) {
    let pid = container.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let is = |line: String| {
        assert!(
            status.lines().any(|known| known == line),
            "{line}:\n{status}"
        )
    };
    is(format!("Uid:\t{user}\t{user}\t{user}\t{user}"));
    for set in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        is(format!("{set}:\t{:016x}", 0));
    }
    is("NoNewPrivs:\t1".into());
    is(format!("Seccomp:\t{}", if filtered { 2 } else { 0 }));
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mounts")).expect("it runs");
    let at = |line: &str, path: &str| line.split(' ').nth(1) == Some(path);
    let root = mounts
        .lines()
        .find(|line| at(line, "/"))
        .unwrap_or_default();
    assert!(
        root.split(' ')
            .nth(3)
            .is_some_and(|how| how.starts_with("ro")),
        "{mounts}"
    );
    let rest = mounts
        .lines()
        .filter(|line| !at(line, "/") && !at(line, "/proc"));
    assert_eq!(rest.collect::<Vec<_>>(), [""; 0], "{mounts}");
}

pub fn every_stop_signal_stops_all_commands(runtime: &'static Runtime) {
    for (signal, name) in [
        ("TERM", "TERM"),
        ("SIGINT", "INT"),
        ("3", "QUIT"),
        ("PWR", "PWR"),
        ("37", "37"),
    ] {
        let command = ["/probe", "signals", "--exit-on", "15=0"];
        let other = ["---", "/probe", "signals", "--exit-on", "15=6"];
        let args: Vec<&str> = ["/pidlet", "--"]
            .iter()
            .chain(&command)
            .chain(&other)
            .copied()
            .collect();
        let container = Bundle::new(&args).start(runtime);
        container.wait_lines("ready", 2);
        container.kill(signal);
        let ended = container.ended();
        assert_eq!(ended.exit, Exit::Code(6), "{signal}: {ended}");
        let name = if name == "37" { "RTMIN+3" } else { name };
        assert!(
            reason(&ended).contains(&format!("stopped by {name}: probe-2 ")),
            "{signal}: {ended}"
        );
    }
}

pub fn every_other_signal_is_passed_on(runtime: &'static Runtime) {
    let args = ["/pidlet", "--", "/probe", "signals", "--exit-on", "15=9"];
    let container = Bundle::new(&args).start(runtime);
    container.wait_lines("ready", 1);
    // All but those that cannot be waited for, CHLD, and TERM, which ends the command.
    let signals = (1..=64).filter(|signal| ![9, 17, 19, 32, 33, 15].contains(signal));
    for signal in signals {
        container.kill(&signal.to_string());
        container.wait_lines(&format!("got {signal} user from parent"), 1);
    }
    container.kill("TERM");
    let ended = container.ended();
    assert_eq!(ended.exit, Exit::Code(9), "{ended}");
}

pub fn zombies_do_not_use_up_the_limit_of_processes(runtime: &'static Runtime) {
    if !limits_exist() {
        println!("this view of the cgroups has no controllers, and so no limits");
        return;
    }
    let storm = ["/probe", "spawn-storm", "300"];
    // The limit works: a first process that does not reap never gets through.
    let alone = Bundle::new(&storm).processes(12).start(runtime);
    alone.job.until("zombies are at the limit", || {
        zombies_around(alone.pid()) >= 10
    });
    drop(alone);

    let args: Vec<&str> = ["/pidlet", "--"].iter().chain(&storm).copied().collect();
    let container = Bundle::new(&args).user(12345).processes(12).start(runtime);
    container.wait_lines("ready", 1);
    let pid = container.pid();
    container
        .job
        .until("no zombie is left", || zombies_around(pid) == 0);
    container.kill("TERM");
    assert_eq!(container.ended().exit, Exit::Code(143));
}

pub fn a_kill_for_memory_is_reported_as_one(runtime: &'static Runtime) {
    if !limits_exist() {
        println!("this view of the cgroups has no controllers, and so no limits");
        return;
    }
    let eater = ["/probe", "eat"];
    let cases: [(&[&str], &str); 2] = [(&[], "probe "), (&["/probe", "sleep", "---"], "probe-2 ")];
    for (before, name) in cases {
        let args: Vec<&str> = ["/pidlet", "--"]
            .iter()
            .chain(before)
            .chain(&eater)
            .copied()
            .collect();
        let ended = Bundle::new(&args).memory(32).output(runtime);
        assert_eq!(ended.exit, Exit::Code(137), "{ended}");
        let said = reason(&ended);
        assert!(said.starts_with(&format!("pidlet: {name}")), "{ended}");
        assert!(
            said.contains("was killed by the kernel: out of memory"),
            "{ended}"
        );
    }
    // A plain KILL is not reported as one.
    let ended = Bundle::new(&["/pidlet", "--", "/probe", "die", "9"])
        .memory(32)
        .output(runtime);
    assert_eq!(ended.exit, Exit::Code(137), "{ended}");
    assert!(reason(&ended).contains("killed by signal 9"), "{ended}");
}

pub fn readiness_goes_through_the_runtime(runtime: &'static Runtime) {
    let path = crate::scratch().join(unique("notify"));
    let socket = UnixDatagram::bind(&path).expect("cannot make a socket");
    let plan = "[late]\nrun = /probe write-fd 3 up\nready = fd:3\nafter = early\n\n\
        [early]\nrun = /probe env NOTIFY_SOCKET\ntype = oneshot\n";
    let rootfs = Rootfs::scratch().file("etc/pidlet.conf", plan, 0o644);
    let bundle = Bundle::of(rootfs, &["/pidlet"]);
    let container = bundle.start_by(runtime, runtime.tool().env("NOTIFY_SOCKET", &path));
    let mut said = String::new();
    container.job.until("READY=1 is sent", || {
        said += &received(&socket);
        said.lines().any(|line| line == "READY=1")
    });
    // crun sends a barrier after it, and waits until that has been read or cannot be any more.
    drop(socket);
    container.wait_lines("NOTIFY_SOCKET unset", 1);
    container.kill("TERM");
    assert_eq!(container.ended().exit, Exit::Code(143));
}

pub fn passed_on_sockets_are_the_service_s(runtime: &'static Runtime) {
    let plan = "[ours]\nrun = /probe listen-pid\ntype = oneshot\nsockets = yes\n\n\
        [open]\nrun = /probe fds\ntype = oneshot\nsockets = yes\nafter = ours\n\n\
        [none]\nrun = /probe listen-pid\ntype = oneshot\nafter = open\n\n\
        [shut]\nrun = /probe fds\ntype = oneshot\nafter = none\n";
    let cases: [(&[&str], &str); 6] = [
        (&["/pidlet"], "rewritten\nfds=0 1 2 3\nunset\nfds=0 1 2\n"),
        (&["/pidlet", "--", "/probe", "listen-pid"], "rewritten\n"),
        (&["/catatonit", "--", "/probe", "listen-pid"], "rewritten\n"),
        (&["/real", "--", "/probe", "listen-pid"], "rewritten\n"),
        (&["/catatonit", "--", "/probe", "fds"], "fds=0 1 2 3\n"),
        (&["/real", "--", "/probe", "fds"], "fds=0 1 2 3\n"),
    ];
    for (args, wanted) in cases {
        let rootfs = Rootfs::scratch().file("etc/pidlet.conf", plan, 0o644);
        let rootfs = rootfs.program(pidlet(), "catatonit");
        let rootfs = rootfs.program(Path::new("/usr/bin/catatonit"), "real");
        // runc sets the variable for the container itself; with crun its caller does.
        let bundle = Bundle::of(rootfs, args).env("LISTEN_FDS=1");
        // On the way it does not matter what the descriptor is.
        let script = "exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        let shell = Tool::new("/bin/sh").args(["-c", script, "sh", runtime.program, "--root"]);
        let ended = bundle.start_by(runtime, shell.arg(runtime.root())).ended();
        assert_eq!(ended.exit, Exit::Code(0), "{args:?}: {ended}");
        assert_eq!(ended.stdout, wanted, "{args:?}");
    }
}

pub fn a_terminal_is_the_command_s(runtime: &'static Runtime) {
    // What the command says just before its end might be lost with the terminal.
    let args = ["/pidlet", "--", "/probe", "signals", "--exit-on", "3=7"];
    let container = Bundle::new(&args).terminal().start(runtime);
    container.wait_lines("ready", 1);
    // runc sets the size after the command has started, and crun passes the signal on; either may happen at
    // first.
    let resized = || {
        let lines = container.job.lines(Out);
        lines
            .iter()
            .filter(|line| line.starts_with("got 28 "))
            .count()
    };
    let before = resized();
    container.job.pty().resize(50, 132);
    container
        .job
        .until("the command hears of the size", || resized() > before);
    container.job.pty().type_in(b"\x03");
    // The terminal shows the key as well, in front of what is said of it.
    let told = |line: &str| line.trim_start_matches("^C") == "got 2 kernel";
    container.job.wait_line(Out, told);
    container.job.pty().type_in(b"\x1c");
    assert_eq!(container.ended().exit, Exit::Code(7));

    for (key, code) in [(b"\x03", 130), (b"\x1c", 131)] {
        let container = Bundle::new(&["/pidlet", "--", "/probe", "mask", "sleep"])
            .terminal()
            .start(runtime);
        container.wait_lines("ready", 1);
        container.wait_lines("foreground=yes", 1);
        container.job.pty().type_in(key);
        assert_eq!(container.ended().exit, Exit::Code(code));
    }
}
