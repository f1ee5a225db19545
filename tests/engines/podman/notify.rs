//! What tells systemd that a container is ready: with `--sdnotify=container` pidlet does.

use std::os::unix::net::UnixDatagram;

use super::{Container, PROBE, podman};
use crate::support::*;
use crate::tool::{PATIENCE, Tool, received, unique};

/// A oneshot says whether it could notify by itself; the service is up when the test makes a file.
const PLAN: &str = "[late]\nrun = /probe say started env NOTIFY_SOCKET\ntype = oneshot\n\n\
    [up]\nrun = /probe sleep\nafter = late\nready = file:/shared/up\n";

/// A container that is started as a systemd unit starts one.
struct Unit {
    container: Container,
    socket: UnixDatagram,
    shared: Temp,
}

impl Unit {
    #[track_caller]
    fn start(mode: &str) -> Unit {
        let shared = Temp::new();
        shared.write("plan", PLAN, 0o644);
        let path = crate::scratch().join(unique("notify"));
        let socket = UnixDatagram::bind(&path).expect("cannot make a socket");
        let name = unique("case");
        let run: Tool = podman(&["run", "--detach", "--network", "none", "--name", &name]);
        let run = run.arg(format!("--sdnotify={mode}")).arg("--volume");
        let run = run.arg(format!("{}:/shared:ro", shared.path().display()));
        let run = run.args(["--entrypoint", "/pidlet", PROBE, "-c", "/shared/plan"]);
        let container = Container {
            name,
            of_pod: false,
        };
        run.env("NOTIFY_SOCKET", &path).succeed();
        container.wait_lines("NOTIFY_SOCKET unset", 1);
        container.wait_lines("ready", 1);
        Unit {
            container,
            socket,
            shared,
        }
    }

    /// All that has been said since the last time.
    fn said(&self) -> String {
        received(&self.socket)
    }

    /// The service is up from now on.
    fn raise(&self) {
        self.shared.write("up", "", 0o644);
    }

    /// The code is that of the first service in the list, as none failed.
    #[track_caller]
    fn stop(&self) {
        self.container.podman(&["stop", "--time", "600"]).succeed();
        assert_eq!(self.container.wait_code(), 0, "{}", self.container.logs());
    }
}

#[test]
fn readiness_is_told_when_the_services_are_up() {
    podman!();
    let unit = Unit::start("container");
    let mut said = unit.said();
    assert!(!said.contains("READY=1"), "{said}");
    unit.raise();
    until("READY=1 is sent", PATIENCE, || {
        said += &unit.said();
        said.contains("READY=1")
    });
    unit.stop();
}

#[test]
fn readiness_is_left_to_conmon_where_podman_says_so() {
    podman!();
    let unit = Unit::start("conmon");
    let said = unit.said();
    assert!(said.contains("READY=1"), "{said}");
    unit.raise();
    unit.stop();
    assert_eq!(unit.said(), "");
}
