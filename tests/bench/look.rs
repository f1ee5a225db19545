//! What the kernel counts for a process.

use std::os::fd::AsRawFd;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use crate::support::{Info, Proc, holds_within, now_ns};

/// How long nothing must change until a process counts as idle.
const STILL: Duration = Duration::from_millis(20);

fn file(pid: i32, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

/// The sum of the numbers in those lines of a `/proc` file that begin with one of `keys`.
fn sum(text: &str, keys: &[&str]) -> u64 {
    let line = |line: &&str| keys.iter().any(|key| line.starts_with(key));
    let number = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    text.lines().filter(line).filter_map(number).sum()
}

/// CPU time so far in nanoseconds; of a zombie too.
pub fn cpu(pid: i32) -> u64 {
    let text = file(pid, "schedstat");
    text.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

/// Page faults without reading from a file: those of all its threads, but not of its children.
pub fn page_faults(pid: i32) -> u64 {
    let text = file(pid, "stat");
    let fields = text.rsplit(')').next().unwrap_or_default();
    fields
        .split_whitespace()
        .nth(7)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

/// How often it got or lost a processor.
pub fn switches(pid: i32) -> u64 {
    sum(
        &file(pid, "status"),
        &["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"],
    )
}

/// KiB in memory.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub resident: u64,
    pub proportional: u64,
    pub private: u64,
}

pub fn memory(pids: &[i32]) -> Memory {
    let mut all = Memory::default();
    for &pid in pids {
        let text = file(pid, "smaps_rollup");
        all.resident += sum(&text, &["Rss:"]);
        all.proportional += sum(&text, &["Pss:"]);
        all.private += sum(&text, &["Private_Clean:", "Private_Dirty:"]);
    }
    all
}

/// An init and its processes other than the services, which have the name of their program, or of the script
/// that it interprets.
pub fn with_helpers(init: &Proc) -> Vec<i32> {
    let mut pids = vec![init.pid()];
    pids.extend(
        init.others()
            .iter()
            .filter(|one| !["payload", "run"].contains(&one.comm.as_str()))
            .map(|one| one.pid),
    );
    pids
}

/// Waits until these processes sleep and go on sleeping.
pub fn wait_idle(pids: &[i32]) {
    let looks = || -> Vec<(u64, Option<char>)> {
        let look = |&pid: &i32| (cpu(pid), Info::of(pid).map(|info| info.state));
        pids.iter().map(look).collect()
    };
    let mut before = looks();
    holds_within(Duration::from_secs(30), &mut || {
        std::thread::sleep(STILL);
        let now = looks();
        let still = now == before && now.iter().all(|(_, state)| *state != Some('R'));
        before = now;
        still
    });
}

/// A process whose end can be waited for without polling.
pub struct Watch(OwnedFd);

impl Watch {
    pub fn on(init: &Proc) -> Watch {
        // SAFETY: names a child of ours that is not reaped; the descriptor is ours alone.
        unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, init.pid(), 0);
            assert!(fd >= 0, "no pidfd: {}", std::io::Error::last_os_error());
            Watch(OwnedFd::from_raw_fd(fd as i32))
        }
    }

    /// Waits for the end, and says when it was; `None` if it takes too long.
    pub fn ended(&self, timeout: Duration) -> Option<u64> {
        let mut poll = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure is read and written.
        let ready = unsafe { libc::poll(&raw mut poll, 1, timeout.as_millis() as i32) };
        let time = now_ns();
        (ready == 1).then_some(time)
    }
}
