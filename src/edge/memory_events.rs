//! Whether the kernel killed something in our cgroup for memory.
//!
//! The counter `oom_kill` is in `memory.events` with cgroup v2 and in `memory.oom_control` with v1
//! (kernel: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). Engines mount a
//! container's own cgroup at these places.

use core::ffi::CStr;

use super::files;
use pidlet::words::text::{number, take};

const FILES: [&CStr; 2] = [
    c"/sys/fs/cgroup/memory.events",
    c"/sys/fs/cgroup/memory/memory.oom_control",
];

/// Counts out-of-memory kills.
pub struct MemoryEvents {
    seen: u64,
}

impl MemoryEvents {
    /// Nothing is counted yet.
    pub fn new() -> MemoryEvents {
        MemoryEvents { seen: u64::MAX }
    }

    /// Whether the kernel killed something since the last time; the first time begins to count.
    pub fn grown(&mut self) -> bool {
        let before = core::mem::replace(&mut self.seen, kills());
        self.seen > before
    }
}

fn kills() -> u64 {
    for path in &FILES {
        let mut buffer = [0; 512];
        let mut rest = files::read(path, &mut buffer);
        while !rest.is_empty() {
            let mut count = take(&mut rest, b'\n');
            if take(&mut count, b' ') == b"oom_kill" {
                return number(count).unwrap_or(0);
            }
        }
    }
    0
}
