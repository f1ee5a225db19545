//! Memory: a bump allocator that is sealed before anything is started.
//!
//! All that pidlet ever needs follows from its plan, so it is taken before the first start and
//! never given back. After that an allocation is a fault of ours: an assertion in
//! debug builds, and served all the same in release builds, since PID 1 must not die of it.
//!
//! The allocator's own state is never changed after that, so it is placed with the data that only relocation
//! writes to: both become read-only together, and no further page is written to.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::slice::from_raw_parts_mut;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use super::{raw, say};
use pidlet::message::Stream;

/// Enough for most plans, so that they cost no system call.
pub type FirstChunk = [u64; 256];
/// The least that is asked of the kernel.
const CHUNK_BYTES: usize = 64 * 1024;

struct Arena(UnsafeCell<State>);

struct State {
    next: usize,
    end: usize,
    /// The rest is no longer handed out: each further request gets memory of its own.
    sealed: bool,
}

// SAFETY: pidlet has one thread. The children that share its memory until they exec do not
// allocate, and it sleeps meanwhile.
unsafe impl Sync for Arena {}

#[global_allocator]
#[unsafe(link_section = ".data.rel.ro")]
static ARENA: Arena = Arena(UnsafeCell::new(State {
    next: 0,
    end: 0,
    sealed: false,
}));

/// Begins with this memory.
///
/// # Safety
///
/// It must be there, all zeroes, and used by nothing else for as long as we live.
pub unsafe fn begin(first: *mut FirstChunk) {
    // SAFETY: one thread, and there is no other reference into the state.
    let state = unsafe { &mut *ARENA.0.get() };
    state.next = first as usize;
    state.end = state.next + size_of::<FirstChunk>();
}

/// From now on nothing should be allocated, and the state need not be writable.
pub fn seal() {
    // SAFETY: as above.
    unsafe { (*ARENA.0.get()).sealed = true };
}

/// `size` bytes, at a multiple of `mask + 1`; if there are none we exit, which is before anything runs. They
/// were never handed out before, and are zeroes.
#[inline(never)]
fn take(size: usize, mask: usize) -> *mut u8 {
    // SAFETY: one thread, and the reference does not leave this function.
    let state = unsafe { &*ARENA.0.get() };
    debug_assert!(!state.sealed, "allocation after the start");
    let mut next = state.next;
    let mut end = state.end;
    let wanted = size.saturating_add(mask);
    if state.sealed || wanted > end.wrapping_sub(next) {
        let bytes = wanted.saturating_add(CHUNK_BYTES);
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: an anonymous mapping at an address of the kernel's choice.
        let Ok(chunk) = (unsafe { mmap_anonymous(null_mut(), bytes, prot, flags) }) else {
            say::answer(Stream::Err, b"pidlet: cannot allocate memory\n");
            raw::exit(125);
        };
        next = chunk as usize;
        end = next.wrapping_add(bytes);
    }
    let start = next.wrapping_add(mask) & !mask;
    if !state.sealed {
        // SAFETY: as above.
        unsafe {
            (*ARENA.0.get()).next = start.wrapping_add(size);
            (*ARENA.0.get()).end = end;
        }
    }
    start as *mut u8
}

// SAFETY: every block is inside memory that is ours alone and is handed out once.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size(), layout.align() - 1)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

/// `count` times `value`, for as long as we live.
pub fn array<'a, T: Copy + 'a>(value: T, count: usize) -> &'a mut [T] {
    const { assert!(align_of::<T>() <= align_of::<u64>()) };
    let place = fresh(count.saturating_mul(size_of::<T>())).cast::<T>();
    // SAFETY: it has this size and at least this alignment, and is all written when it becomes a slice.
    unsafe {
        for index in 0..count {
            place.add(index).write(value);
        }
        from_raw_parts_mut(place, count)
    }
}

/// `count` bytes, all zero, for as long as we live. They cost nothing until they are touched.
#[inline(always)]
pub fn bytes<'a>(count: usize) -> &'a mut [u8] {
    // SAFETY: zeroes are bytes.
    unsafe { zeroes(count) }
}

/// `count` items of nothing but zeroes, for as long as we live. They cost nothing until they are
/// touched.
///
/// # Safety
///
/// All zeroes must be a valid item.
#[inline(always)]
pub unsafe fn zeroes<'a, T: Copy + 'a>(count: usize) -> &'a mut [T] {
    const { assert!(align_of::<T>() <= align_of::<u64>()) };
    let place = fresh(count.saturating_mul(size_of::<T>()));
    // SAFETY: it has this size and at least this alignment. What the arena hands out comes zeroed from
    // `begin` or the kernel, and is handed out once. That zeroes are valid items is up to the caller.
    unsafe { from_raw_parts_mut(place.cast(), count) }
}

/// `size` bytes for items of any kind that is aligned no more strictly than a `u64`.
#[inline(never)]
pub fn fresh(size: usize) -> *mut u8 {
    take(size, align_of::<u64>() - 1)
}
