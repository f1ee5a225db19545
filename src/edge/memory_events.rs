//! Whether the kernel killed something in our cgroup for memory.
//!
//! The counter `oom_kill` is in `memory.events` with cgroup v2 and in `memory.oom_control` with v1
//! (kernel: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). Engines mount a
//! container's own cgroup at these places.

use core::ffi::CStr;

use super::files;
use pidlet::words::text::{cut, number};

const FILES: [&CStr; 2] = [
    c"/sys/fs/cgroup/memory.events",
    c"/sys/fs/cgroup/memory/memory.oom_control",
];

/// Counts out-of-memory kills.
pub struct MemoryEvents {
    seen: u64,
}

impl MemoryEvents {
    /// Begins to count.
    pub fn new() -> MemoryEvents {
        MemoryEvents { seen: kills() }
    }

    /// Whether the kernel killed something since the last time.
    pub fn grown(&mut self) -> bool {
        let before = core::mem::replace(&mut self.seen, kills());
        self.seen > before
    }
}

fn kills() -> u64 {
    FILES.iter().find_map(|path| read(path)).unwrap_or(0)
}

fn read(path: &CStr) -> Option<u64> {
    let mut buffer = [0; 512];
    let mut rest = files::read(path, &mut buffer)?;
    while !rest.is_empty() {
        let (line, others) = cut(rest, b'\n');
        if let (b"oom_kill", count) = cut(line, b' ') {
            return number(count);
        }
        rest = others;
    }
    None
}
