//! A clock that unrelated processes share.

/// CLOCK_MONOTONIC in nanoseconds, the same in every process.
pub fn now_ns() -> u64 {
    // SAFETY: fills a structure that is all zeroes before.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time);
        time
    };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
