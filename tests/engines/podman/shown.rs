//! The Kubernetes manifest that README.md shows, as it stands there but for what the payload is told to do.

use super::{Container, podman};
use crate::readme;
use crate::rootfs::{Rootfs, static_probe};
use crate::support::*;

/// A manifest that is played. The pod goes with it.
struct Played {
    file: String,
    _temp: Temp,
}

impl Played {
    #[track_caller]
    fn start(manifest: &str) -> Played {
        let temp = Temp::new();
        let file = temp.write("pod.yaml", manifest, 0o644);
        let played = Played { file, _temp: temp };
        podman(&["play", "kube", "--network", "none", &played.file]).succeed();
        played
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        drop(podman(&["play", "kube", "--down", &self.file]).output());
    }
}

#[test]
fn the_manifest_in_readme_makes_a_pod_that_drains_and_stops() {
    podman!();
    let probe = static_probe();
    let context = Rootfs::empty()
        .program(pidlet(), "pidlet")
        .program(probe, "web");
    let dockerfile = readme::block("dockerfile", "FROM scratch");
    let dockerfile = dockerfile.replace("COPY web ", "COPY web worker ");
    let context = context
        .program(probe, "worker")
        .file("Dockerfile", dockerfile, 0o644);
    let build = podman(&["build", "--network", "none", "--tag", "localhost/app"]);
    build.arg(context.path()).succeed();

    let manifest = readme::block("yaml", "kind: Pod");
    let told = "      env:\n        - name: PROBE\n          value: signals --exit-on 15=0\n";
    let manifest = manifest.replace("      env:\n", told);
    assert!(manifest.contains(told), "{manifest}");
    // Otherwise it would be started again as soon as it has ended.
    let manifest = manifest.replace("spec:\n", "spec:\n  restartPolicy: Never\n");
    assert!(manifest.contains("Never"), "{manifest}");
    let _played = Played::start(&manifest);
    let container = Container {
        name: "app-app".to_owned(),
        of_pod: true,
    };
    container.wait_lines("ready", 2);
    assert_eq!(
        container.inspect("{{.Config.User}} {{.HostConfig.ReadonlyRootfs}}"),
        "12345 true"
    );
    // Once to begin the delay in which everything goes on, once to end it.
    container.podman(&["kill", "--signal", "TERM"]).succeed();
    container.podman(&["kill", "--signal", "USR1"]).succeed();
    container.wait_lines("got 10 user from parent", 2);
    assert!(
        !container.logs().stdout.contains("got 15"),
        "{}",
        container.logs()
    );
    container.podman(&["kill", "--signal", "TERM"]).succeed();
    assert_eq!(container.wait_code(), 0, "{}", container.logs());
    let logs = container.logs();
    assert_eq!(
        logs.stdout.matches("got 15 user from parent").count(),
        2,
        "{logs}"
    );
}
