//! Podman, with a store and a configuration of our own, in which the program for pods' first containers is
//! pidlet. The images come from `podman build` of the project's own `Dockerfile.scratch`.

/// Skips a test outside of a box or without Podman.
macro_rules! podman {
    () => {
        $crate::needs!(
            $crate::podman::PODMAN,
            $crate::podman::RUNC,
            $crate::podman::CATATONIT
        );
        if !$crate::bundle::limits_exist() {
            $crate::skip!("Podman has no use for a cgroup without controllers");
        }
    };
}

mod commands;
mod hardening;
mod init;
mod notify;
mod pods;
mod sharing;
mod shown;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::docker::build::{released, with_programs};
use crate::rootfs::Rootfs;
use crate::support::*;
use crate::tool::{Job, Tool, unique};

const PODMAN: &str = "/usr/bin/podman";
const RUNC: &str = "/usr/sbin/runc";
const CATATONIT: &str = "/usr/bin/catatonit";

/// `Dockerfile.scratch` with the payload as `/probe`: `ENTRYPOINT ["/pidlet", "--"]`.
const PROBE: &str = "localhost/probe";

/// `/probe` alone, without an entry point.
const BARE: &str = "localhost/bare";

/// `podman WORDS`, with images that are there.
fn podman(words: &[&str]) -> Tool {
    static STORE: LazyLock<PathBuf> = LazyLock::new(make_store);
    in_store(&STORE, words)
}

fn in_store(store: &Path, words: &[&str]) -> Tool {
    let tool = Tool::new(PODMAN).env("CONTAINERS_CONF", store.join("containers.conf"));
    // A container's monitor leaves a file `oom` where it was started.
    let tool = tool.cwd(crate::scratch());
    let tool = tool.arg("--root").arg(store.join("root"));
    tool.arg("--runroot").arg(store.join("runroot")).args(words)
}

/// An overlay cannot lie on another one, and `/run` never is one.
fn make_store() -> PathBuf {
    let store = PathBuf::from("/run").join("podman-store");
    let helpers = Rootfs::empty().program(pidlet(), "catatonit");
    std::fs::create_dir_all(&store).expect("cannot make a directory");
    let configuration = format!(
        "[containers]\nlog_driver = \"k8s-file\"\n\
        [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
        lock_type = \"file\"\ntmp_dir = {:?}\nhelper_binaries_dir = [{:?}]\n",
        store.join("tmp"),
        helpers.path()
    );
    std::fs::write(store.join("containers.conf"), configuration).expect("cannot write");
    let bare = "FROM scratch\nCOPY probe /\n";
    for (name, dockerfile) in [(PROBE, dockerfile("")), (BARE, bare.to_owned())] {
        build(|words| in_store(&store, words), &dockerfile, name);
    }
    store
}

/// `Dockerfile.scratch` with a released binary and the payload, and more instructions.
fn dockerfile(more: &str) -> String {
    with_programs(&released(), "COPY probe /", more)
}

#[track_caller]
fn build(podman: impl Fn(&[&str]) -> Tool, dockerfile: &str, name: &str) {
    let context = Rootfs::scratch();
    let file = crate::scratch().join(unique("Dockerfile"));
    std::fs::write(&file, dockerfile).expect("cannot write a Dockerfile");
    let build = podman(&["build", "--network", "none", "--tag", name, "--file"]);
    build.arg(&file).arg(context.path()).succeed();
}

/// `podman run --rm` in the foreground: options, image, words.
fn foreground(line: &[&str]) -> Tool {
    podman(&["run", "--rm", "--network", "none"]).args(line)
}

/// A `podman` command whose last word is the container's name, and a line of the container's that is waited
/// for then; none where it is empty.
type Act = (&'static [&'static str], &'static str);

/// A container that was started in the background.
struct Container {
    name: String,
    /// Its pod removes it; else it is removed when this is dropped.
    of_pod: bool,
}

impl Container {
    /// `podman run --detach`: options, image, words.
    #[track_caller]
    fn start(line: &[&str]) -> Container {
        Container::begin(&["--network", "none"], line)
    }

    /// In a pod, whose network it has.
    #[track_caller]
    fn in_pod(pod: &str, line: &[&str]) -> Container {
        Container::begin(&["--pod", pod], line)
    }

    #[track_caller]
    fn begin(where_to: &[&str], line: &[&str]) -> Container {
        let name = unique("case");
        let run = podman(&["run", "--detach", "--name", &name]);
        run.args(where_to).args(line).succeed();
        Container {
            name,
            of_pod: false,
        }
    }

    /// `podman WORDS NAME`.
    fn podman(&self, words: &[&str]) -> Tool {
        podman(words).arg(&self.name)
    }

    fn logs(&self) -> Ended {
        self.podman(&["logs"]).output()
    }

    /// Waits until a line has been written to standard output so many times.
    #[track_caller]
    fn wait_lines(&self, wanted: &str, count: usize) {
        let log: Job = self.podman(&["logs", "--follow"]).start();
        log.until(&format!("{wanted:?} is said {count} times"), || {
            let lines = log.lines(Out);
            lines.iter().filter(|line| *line == wanted).count() >= count
        });
    }

    /// One after the other: of pending signals the kernel delivers those with low numbers first.
    #[track_caller]
    fn do_all(&self, acts: &[Act]) {
        for (words, answer) in acts {
            self.podman(words).succeed();
            if !answer.is_empty() {
                self.wait_lines(answer, 1);
            }
        }
    }

    #[track_caller]
    fn inspect(&self, format: &str) -> String {
        self.podman(&["inspect", "--format", format]).succeed()
    }

    /// Its first process, by its number in our namespace.
    #[track_caller]
    fn pid(&self) -> i32 {
        let said = self.inspect("{{.State.Pid}}");
        said.parse().expect("a number")
    }

    /// Waits for its end; returns the exit code.
    #[track_caller]
    fn wait_code(&self) -> i32 {
        let said = self.podman(&["wait", "--interval", "20ms"]).succeed();
        said.parse().expect("podman wait says a number")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.of_pod {
            drop(self.podman(&["rm", "--force", "--time", "0"]).output());
        }
    }
}

/// The command line of a process, its words divided by blanks.
fn command_line(pid: i32) -> String {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    words.trim_end().to_owned()
}
