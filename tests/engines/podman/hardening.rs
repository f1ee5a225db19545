//! A container with as few rights as possible.

use super::{Container, PROBE, foreground};
use crate::rootfs::LEAVERS;
use crate::support::*;
use crate::tool::HARDENED;

/// Podman gives a read-only container writable directories.
const NO_TMPFS: &[&str] = &["--read-only-tmpfs=false"];

fn hardened(words: &[&'static str]) -> Vec<&'static str> {
    [HARDENED, NO_TMPFS, &[PROBE], words].concat()
}

#[test]
fn a_hardened_container_runs_stops_and_ends_as_any_other() {
    podman!();
    let line = hardened(&LEAVERS);
    let container = Container::start(&line);
    container.wait_lines("ready", 3);
    container.wait_lines("orphan of init", 3);
    let pid = container.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let empty = |set: &str| format!("{set}:\t{:016x}", 0);
    for line in [
        "Uid:\t12345\t12345\t12345\t12345".into(),
        "Gid:\t12345\t12345\t12345\t12345".into(),
        "NoNewPrivs:\t1".into(),
        "Seccomp:\t2".into(),
        empty("CapPrm"),
        empty("CapBnd"),
    ] {
        assert!(
            status.lines().any(|known| known == line),
            "{line}:\n{status}"
        );
    }
    container.podman(&["stop", "--time", "600"]).succeed();
    assert_eq!(container.wait_code(), 3, "{}", container.logs());
    let logs = container.logs();
    for (process, count) in [("orphan", 3), ("far child", 1)] {
        let told = format!("{process} got 15 user from parent\n");
        assert_eq!(logs.stdout.matches(&told).count(), count, "{logs}");
    }
    assert!(logs.stderr.contains("stopped by TERM: probe-3 "), "{logs}");
}

#[test]
fn zombies_do_not_fill_a_hardened_container() {
    podman!();
    // The kernel takes a while to free what hundreds of processes leave, hence more memory.
    let more = ["--memory", "256m", PROBE, "/probe", "spawn-storm", "300"];
    let container = Container::start(&[HARDENED, NO_TMPFS, &more].concat());
    container.wait_lines("ready", 1);
    container.podman(&["stop", "--time", "600"]).succeed();
    assert_eq!(container.wait_code(), 143, "{}", container.logs());
}

#[test]
fn a_kill_for_memory_is_reported_as_one() {
    podman!();
    let container = Container::start(&hardened(&["/probe", "eat", "---", "/probe", "sleep"]));
    assert_eq!(container.wait_code(), 137, "{}", container.logs());
    let logs = container.logs();
    let said = "was killed by the kernel: out of memory";
    assert!(logs.stderr.contains(said), "{logs}");
}

#[test]
fn nothing_can_be_written_where_a_container_is_read_only() {
    podman!();
    let ended = foreground(&hardened(&["/probe", "--to", "/file", "exit", "0"])).output();
    assert_ne!(ended.exit, Exit::Code(0), "{ended}");
}
