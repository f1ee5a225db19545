//! Whether the kernel killed something in our cgroup for memory.
//!
//! The counter `oom_kill` is in `memory.events` with cgroup v2 and in `memory.oom_control` with v1
//! (kernel: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). Engines mount a
//! container's own cgroup at these places.

use core::ffi::CStr;

use super::files;
use pidlet::words::text::{number, take};

/// Where the counter is with cgroup v2, and with v1.
const EVENTS: &CStr = c"/sys/fs/cgroup/memory.events";
const CONTROL: &CStr = c"/sys/fs/cgroup/memory/memory.oom_control";

/// Counts out-of-memory kills.
pub struct MemoryEvents {
    seen: u64,
}

impl MemoryEvents {
    /// Nothing is counted yet.
    pub fn new() -> MemoryEvents {
        MemoryEvents { seen: u64::MAX }
    }

    /// Whether the kernel killed something since the last call; the first one begins to count. While the
    /// counter cannot be read, for want of a descriptor, it has not grown.
    pub fn grown(&mut self) -> bool {
        let before = self.seen;
        if let Some(kills) = count(EVENTS).or_else(|| count(CONTROL)) {
            self.seen = kills;
        }
        self.seen > before
    }
}

#[inline(never)]
fn count(path: &CStr) -> Option<u64> {
    let mut buffer = [0; 512];
    let mut rest = files::read(path, &mut buffer);
    while !rest.is_empty() {
        let mut count = take(&mut rest, b'\n');
        if take(&mut count, b' ') == b"oom_kill" {
            return number(count);
        }
    }
    None
}
