//! The memory of one round. pidlet claims what it needs once and never gives it back; here a round has
//! an arena of its own, which is empty again for the next one. What does not fit is a fault: no input is
//! so large that it could need as much.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The most that any input may take.
const ARENA_BYTES: usize = 256 << 20;

#[repr(C, align(64))]
struct Arena(UnsafeCell<[u8; ARENA_BYTES]>);

// SAFETY: libFuzzer runs one round at a time, and its own threads take no memory from Rust.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena(UnsafeCell::new([0; ARENA_BYTES]));
/// How much of the arena is taken, plus one; 0 between the rounds.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

struct Rounds;

#[global_allocator]
static ALLOCATOR: Rounds = Rounds;

// SAFETY: each piece of the arena is given away once in a round, aligned as asked for; all else is the
// system's.
unsafe impl GlobalAlloc for Rounds {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let taken = TAKEN.load(Relaxed);
        if taken == 0 {
            // SAFETY: as we were asked.
            return unsafe { System.alloc(layout) };
        }
        let from = (taken - 1).next_multiple_of(layout.align());
        let to = from.saturating_add(layout.size());
        if to > ARENA_BYTES {
            TAKEN.store(0, Relaxed);
            panic!("more memory than {ARENA_BYTES} bytes");
        }
        TAKEN.store(to + 1, Relaxed);
        // SAFETY: it is inside the arena.
        unsafe { ARENA.0.get().cast::<u8>().add(from) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if !(ARENA.0.get() as usize..ARENA.0.get() as usize + ARENA_BYTES)
            .contains(&(place as usize))
        {
            // SAFETY: it is not in the arena, so it is the system's.
            unsafe { System.dealloc(place, layout) }
        }
    }
}

/// Plays one round. Nothing of it may outlive it.
pub fn round(play: impl FnOnce()) {
    told();
    TAKEN.store(1, Relaxed);
    play();
    TAKEN.store(0, Relaxed);
}

/// How much memory this round has taken so far.
pub fn taken() -> usize {
    TAKEN.load(Relaxed)
}

/// Keeps these bytes for the rest of the round.
pub fn keep(bytes: &[u8]) -> &'static [u8] {
    bytes.to_vec().leak()
}

/// Whether what happens in a round is to be shown: `TELL=1`, with one input.
pub fn told() -> bool {
    static TOLD: OnceLock<bool> = OnceLock::new();
    *TOLD.get_or_init(|| std::env::var_os("TELL").is_some())
}
