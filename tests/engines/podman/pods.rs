//! Pods: pidlet as the first container, which holds the namespaces, and in others.

use super::sharing::assert_signalled_only_by_us;
use super::{BARE, Container, PROBE, command_line, podman};
use crate::support::*;
use crate::tool::{PATIENCE, Tool, unique};

/// Longer than any wait here: a pod that ends within it has heeded the signal.
const STOP: &[&str] = &["pod", "stop", "--time", "600"];

/// A pod, removed with all its containers when dropped.
struct Pod {
    name: String,
}

impl Pod {
    fn podman(&self, words: &[&str]) -> Tool {
        podman(words).arg(&self.name)
    }

    /// The container that Podman made of its own for the pod.
    #[track_caller]
    fn first(&self) -> Container {
        let inspect = self.podman(&["pod", "inspect", "--format", "{{.InfraContainerID}}"]);
        Container {
            name: inspect.succeed(),
            of_pod: true,
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        drop(
            self.podman(&["pod", "rm", "--force", "--time", "0"])
                .output(),
        );
    }
}

/// Checks that it really is our program, and that it pauses.
#[track_caller]
fn is_pidlet(container: &Container) {
    let pid = container.pid();
    assert_eq!(command_line(pid), "/catatonit -P");
    let runs = std::fs::read(format!("/proc/{pid}/exe")).expect("it runs");
    let ours = std::fs::read(pidlet()).expect("the program is there");
    assert!(runs == ours, "the pod's first process is another program");
}

#[test]
fn pidlet_holds_a_pod_and_reaps_in_it() {
    podman!();
    let pod = Pod {
        name: unique("pod"),
    };
    let create = podman(&[
        "pod",
        "create",
        "--network",
        "none",
        "--share",
        "pid,ipc,uts",
    ]);
    create.args(["--name", &pod.name]).succeed();
    pod.podman(&["pod", "start"]).succeed();
    let first = pod.first();
    is_pidlet(&first);
    let pid = first.pid();
    let namespace = pid_namespace(pid).expect("it runs");

    // Orphans of other containers in the pod become its children.
    let bare = ["orphans", "9", "--exit-now", "--report"];
    let other = Container::in_pod(&pod.name, &[&[BARE, "/probe"][..], &bare].concat());
    other.wait_lines("ready", 1);
    other.wait_lines("orphan of another", 9);
    until("no zombie is left", PATIENCE, || {
        !in_namespace(namespace).iter().any(Info::is_zombie)
    });

    // In a container of the pod that has an init of its own, that one gets them first.
    let words = [PROBE, "/probe", "orphans", "3", "--report"];
    let own = Container::in_pod(&pod.name, &words);
    own.wait_lines("orphan of init", 3);
    own.podman(&["stop"]).succeed();
    assert_eq!(own.wait_code(), 143, "{}", own.logs());
    let told = own.logs().stdout.matches("orphan got 15 user from").count();
    assert_eq!(told, 3, "{}", own.logs());
    assert!(Info::of(other.pid()).is_some_and(|info| !info.is_zombie()));

    other.podman(&["stop"]).succeed();
    pod.podman(STOP).succeed();
    assert_eq!(first.inspect("{{.State.ExitCode}}"), "0");
    assert!(
        pid_namespace(pid).is_none(),
        "the pod's first process is still there"
    );
}

/// A pod of two containers, pidlet with two commands and a program that listens for signals.
fn manifest(name: &str, shared: bool) -> String {
    format!(
        "\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  hostNetwork: true
  shareProcessNamespace: {shared}
  restartPolicy: Never
  containers:
  - name: ours
    image: {PROBE}
    imagePullPolicy: Never
    args: [/probe, signals, --exit-on, 15=3, ---, /probe, orphans, \"3\", --report, ---, /probe, setsid-child]
  - name: other
    image: {BARE}
    imagePullPolicy: Never
    command: [/probe]
    args: [signals, --exit-on, 15=4]
"
    )
}

#[track_caller]
fn play(shared: bool) {
    let pod = Pod {
        name: unique("kube"),
    };
    let temp = Temp::new();
    let file = temp.write("pod.yaml", manifest(&pod.name, shared), 0o644);
    podman(&["play", "kube", &file]).succeed();
    is_pidlet(&pod.first());
    let [ours, other] = ["ours", "other"].map(|name| Container {
        name: format!("{}-{name}", pod.name),
        of_pod: true,
    });
    ours.wait_lines("ready", 3);
    ours.wait_lines("orphan of init", 3);
    other.wait_lines("ready", 1);
    let number = Info::of(ours.pid()).expect("it runs").inner;
    assert_eq!(number == 1, !shared, "{number}");
    ours.podman(&["stop"]).succeed();
    assert_eq!(ours.inspect("{{.State.ExitCode}}"), "3");
    let logs = ours.logs();
    let told = logs.stdout.matches("orphan got 15 user from").count();
    assert_eq!(told, 3, "{logs}");
    assert!(logs.stdout.contains("far child got 15 user from"), "{logs}");
    assert!(logs.stderr.contains("stopped by TERM: probe "), "{logs}");
    assert_signalled_only_by_us(&other, "got 10 user from outside");
    pod.podman(STOP).succeed();
    podman(&["play", "kube", "--down", &file]).succeed();
}

#[test]
fn a_played_pod_shares_its_processes() {
    podman!();
    play(true);
}

#[test]
fn a_played_pod_has_processes_of_its_own() {
    podman!();
    play(false);
}
