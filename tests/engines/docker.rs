//! Docker, with a daemon of our own.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::needs;
use crate::rootfs::Rootfs;
use crate::support::*;
use crate::tool::{Tool, daemon};

const DOCKER: &str = "/usr/bin/docker";
const DOCKERD: &str = "/usr/sbin/dockerd";

/// A Docker daemon, by the program that it has as `docker-init`.
struct Engine {
    socket: String,
}

impl Engine {
    fn start(name: &str, init: &str) -> Engine {
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
        daemon(dockerd, || {
            engine.docker(["version"]).output().exit == Exit::Code(0)
        });
        engine
    }

    fn docker<const N: usize>(&self, words: [&str; N]) -> Tool {
        Tool::new(DOCKER).args(["--host", &self.socket]).args(words)
    }

    /// Makes an image of a root file system.
    fn import(&self, rootfs: &Rootfs, name: &str) {
        let archive = rootfs.path().with_extension("tar");
        let tar = Tool::new("/usr/bin/tar").arg("-C").arg(rootfs.path());
        tar.args(["-cf"]).arg(&archive).arg(".").succeed();
        self.docker(["import"]).arg(&archive).arg(name).succeed();
    }
}

/// The daemon that most cases use: pidlet is its `docker-init`.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = Engine::start("docker", pidlet().to_str().expect("a path of UTF-8"));
        engine.import(&Rootfs::scratch(), "scratch-probe");
        engine
    })
}

#[test]
fn the_exit_code_is_the_command_s_own() {
    needs!(DOCKER, DOCKERD);
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        "scratch-probe",
        "/pidlet",
        "--",
        "/probe",
        "exit",
        "7",
    ];
    let ended = engine().docker(run).output();
    assert_eq!(ended.exit, Exit::Code(7), "{ended}");
}
