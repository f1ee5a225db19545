//! Repeatable randomness.
//!
//! By default a random test tries a few cases that are the same each time, so that only a change of the
//! program makes it fail. `RUNS=N` tries N new ones; `SEED=N` repeats one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// More failures at once are of no use, and each may take minutes.
const FAILURES_MAX: usize = 5;

/// Marsaglia's xorshift64: random enough to mix events, and repeatable.
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers. Neighbouring seeds must not begin alike, hence the
    /// multiplication.
    pub fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.below(1);
        random
    }

    /// From 0 up to, but not including, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }

    /// From the first to the last, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below((last - first + 1) as usize) as u64
    }

    /// True in this many of a hundred cases.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("SEED and RUNS are numbers"))
}

/// Looks for the fault of each seed, `at_once` of them in parallel, and reports all faults together. By
/// default the seeds are those from 1 to `usual`.
pub fn each_seed(
    what: &str,
    usual: u64,
    at_once: usize,
    fault: impl Fn(u64) -> Option<String> + Sync,
) {
    let (first, runs) = match (number("SEED"), number("RUNS")) {
        (Some(seed), _) => (seed, 1),
        (None, Some(runs)) => (new_seed(), runs),
        (None, None) => (1, usual),
    };
    let next = AtomicU64::new(first);
    let faults = Mutex::new(Vec::new());
    let found = || faults.lock().expect("no thread panics with it");
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while found().len() < FAILURES_MAX {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs {
                        return;
                    }
                    let fault = fault(seed);
                    found().extend(fault.map(|fault| format!("==== SEED={seed} {fault}")));
                }
            });
        }
    });
    let done = next.load(Ordering::Relaxed).min(first + runs) - first;
    println!("{what}: {done} from SEED={first} on");
    let faults = found();
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

/// The first of a long run of seeds that have not been tried before.
fn new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_nanos() as u64) % 1_000_000_000 * 1_000_000
}
