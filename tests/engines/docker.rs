//! Docker, with daemons of our own. One serves all cases, and has pidlet as its `docker-init`.
//!
//! The images come from `docker build` of the project's own `Dockerfile.scratch`, as a user makes them.

pub mod build;
mod ends;
mod hardening;
mod init;
mod shown;
mod stop;
mod terminal;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::rootfs::{Rootfs, static_probe};
use crate::support::*;
use crate::tool::{Job, Tool, daemon, unique};

const DOCKER: &str = "/usr/bin/docker";
const DOCKERD: &str = "/usr/sbin/dockerd";

/// `Dockerfile.scratch` with the payload as `/probe`: `ENTRYPOINT ["/pidlet", "--"]`.
const PROBE: &str = "pidlet-probe";

/// The same, and a plan file as `/etc/pidlet.conf` and as `/plan`.
const PLAN: &str = "pidlet-plan";

/// Two services that say what signals they get; the second one is essential.
const PLAN_TEXT: &str = "\
[first]
run = /probe signals --exit-on 15=4
essential = no

[second]
run = /probe signals --exit-on 15=5 --exit-on 10=6
";

/// Skips a test outside of a box or without Docker.
macro_rules! docker {
    () => {
        $crate::needs!($crate::docker::DOCKER, $crate::docker::DOCKERD)
    };
}
use docker;

/// A Docker daemon.
struct Engine {
    socket: String,
}

impl Engine {
    /// With this program as `docker-init`.
    fn start(name: &str, init: &str, options: &[&str]) -> Engine {
        let data = crate::scratch().join(name);
        let run = PathBuf::from("/run").join(name);
        std::fs::create_dir_all(&run).expect("cannot make a directory");
        let socket = format!("unix://{}/socket", run.display());
        let mut dockerd = Tool::new(DOCKERD);
        dockerd = dockerd.arg("--data-root").arg(&data);
        dockerd = dockerd.arg("--exec-root").arg(run.join("exec"));
        dockerd = dockerd.arg("--pidfile").arg(run.join("pid"));
        dockerd = dockerd.args(["--host", &socket, "--init-path", init]);
        dockerd = dockerd.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        let engine = Engine { socket };
        daemon(dockerd.args(options), || {
            engine.docker(&["version"]).output().exit == Exit::Code(0)
        });
        engine
    }

    fn docker(&self, words: &[&str]) -> Tool {
        Tool::new(DOCKER).args(["--host", &self.socket]).args(words)
    }

    /// `docker run --rm` in the foreground, to its end: options, image, words.
    fn run(&self, line: &[&str]) -> Ended {
        self.foreground(line).output()
    }

    fn foreground(&self, line: &[&str]) -> Tool {
        self.docker(&["run", "--rm", "--network", "none"])
            .args(line)
    }

    /// Makes an image of a root file system.
    fn import(&self, rootfs: &Rootfs, name: &str) {
        self.import_with(rootfs, name, "ENV LANG=C");
    }

    /// The same, with an instruction of a Dockerfile.
    fn import_with(&self, rootfs: &Rootfs, name: &str, change: &str) {
        let archive = rootfs.path().with_extension("tar");
        let tar = Tool::new("/usr/bin/tar").arg("-C").arg(rootfs.path());
        tar.arg("-cf").arg(&archive).arg(".").succeed();
        let import = self.docker(&["import", "--change", change]);
        import.arg(&archive).arg(name).succeed();
    }

    /// Builds an image of this Dockerfile with the root file system as its context.
    #[track_caller]
    fn build(&self, context: &Rootfs, dockerfile: &str, name: &str) {
        let file = crate::scratch().join(unique("Dockerfile"));
        std::fs::write(&file, dockerfile).expect("cannot write a Dockerfile");
        self.build_file(context.path(), &file, name);
    }

    #[track_caller]
    fn build_file(&self, context: &Path, dockerfile: &Path, name: &str) {
        let build = self.docker(&["build", "--network", "none", "--tag", name, "--file"]);
        build.arg(dockerfile).arg(context).succeed();
    }
}

/// pidlet under the name that makes it Docker's own init.
fn init_path() -> String {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let rootfs = Rootfs::empty().program(pidlet(), "docker-init");
        let path = rootfs.path().join("docker-init");
        path.to_str().expect("the path is UTF-8").to_owned()
    });
    PATH.clone()
}

/// The daemon that most cases use.
fn engine() -> &'static Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        let engine = Engine::start("docker", &init_path(), &[]);
        make_images(&engine);
        engine
    });
    &ENGINE
}

fn make_images(engine: &Engine) {
    let context = Rootfs::empty()
        .program(pidlet(), "pidlet")
        .program(static_probe(), "probe")
        .file("plain", "not a program\n", 0o644)
        .file("plan", PLAN_TEXT, 0o644);
    let copy = "COPY probe plain /";
    engine.build(
        &context,
        &build::with_programs(&build::released(), copy, ""),
        PROBE,
    );
    let copy = format!("{copy}\nCOPY plan /\nCOPY plan /etc/pidlet.conf");
    engine.build(
        &context,
        &build::with_programs(&build::released(), &copy, ""),
        PLAN,
    );
}

/// A container in the background, removed when dropped.
struct Container {
    engine: &'static Engine,
    name: String,
}

impl Container {
    /// `docker run --detach`: options, image, words.
    #[track_caller]
    fn start(engine: &'static Engine, line: &[&str]) -> Container {
        let name = unique("case");
        let container = Container { engine, name };
        let run = ["run", "--detach", "--network", "none", "--name"];
        container.docker(&run).args(line).succeed();
        container
    }

    /// `docker WORDS NAME`.
    fn docker(&self, words: &[&str]) -> Tool {
        self.engine.docker(words).arg(&self.name)
    }

    /// What it writes, from its first start on.
    fn follow(&self) -> Job {
        self.docker(&["logs", "--follow"]).start()
    }

    /// Waits until so many commands have written the line `ready`.
    #[track_caller]
    fn wait_ready(&self, count: usize) {
        wait_lines(&self.follow(), "ready", count);
    }

    fn logs(&self) -> Ended {
        self.docker(&["logs"]).output()
    }

    /// Waits for its end; returns the exit code.
    #[track_caller]
    fn wait_code(&self) -> i32 {
        let said = self.docker(&["wait"]).succeed();
        said.parse().expect("docker wait says a number")
    }

    #[track_caller]
    fn inspect(&self, format: &str) -> String {
        self.docker(&["inspect", "--format", format]).succeed()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.docker(&["rm", "--force"]).output();
    }
}

/// Waits until a line has been written so many times to the standard output of a command.
#[track_caller]
fn wait_lines(job: &Job, wanted: &str, count: usize) {
    job.until(&format!("{wanted:?} is said {count} times"), || {
        let lines = job.lines(Out);
        lines.iter().filter(|line| *line == wanted).count() >= count
    });
}
