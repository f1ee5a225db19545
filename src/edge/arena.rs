//! Memory: a bump allocator that is sealed once everything has been started.
//!
//! All that pidlet ever needs follows from its plan, so it is taken before the first start and
//! never given back (DESIGN §13). After that an allocation is a fault of ours: an assertion in
//! debug builds, and served all the same in release builds, since PID 1 must not die of it.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::slice::from_raw_parts_mut;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// What most plans need, so that they cost no system call; the pages are touched as they are used.
const FIRST_BYTES: usize = 2048 - 4 * size_of::<usize>();
/// What is asked of the kernel at least.
const CHUNK_BYTES: usize = 64 * 1024;

struct Arena(UnsafeCell<State>);

/// Aligned to its size, so that it is never on two pages.
#[repr(align(2048))]
struct State {
    first: [u8; FIRST_BYTES],
    next: usize,
    end: usize,
    sealed: bool,
}

const _: () = assert!(size_of::<State>() == 2048);

// SAFETY: pidlet has one thread. The children that share its memory until they exec do not
// allocate, and it sleeps meanwhile.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena(UnsafeCell::new(State {
    first: [0; FIRST_BYTES],
    next: 0,
    end: 0,
    sealed: false,
}));

/// From now on nothing should be allocated.
pub fn seal() {
    // SAFETY: one thread, and nobody holds a reference into the state.
    unsafe { (*ARENA.0.get()).sealed = true };
}

// SAFETY: every block is inside memory that is ours alone and is handed out once.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and the reference does not leave this function.
        let state = unsafe { &mut *self.0.get() };
        debug_assert!(!state.sealed, "allocation after the start");
        if state.end == 0 {
            state.next = state.first.as_ptr() as usize;
            state.end = state.next + FIRST_BYTES;
        }
        // No layout is larger than half of all addresses.
        let (size, mask) = (layout.size(), layout.align() - 1);
        if size + mask > state.end - state.next {
            let wanted = size + mask + CHUNK_BYTES;
            let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
            // SAFETY: an anonymous mapping at an address of the kernel's choice.
            let Ok(chunk) = (unsafe { mmap_anonymous(null_mut(), wanted, prot, flags) }) else {
                return null_mut();
            };
            state.next = chunk as usize;
            state.end = state.next + wanted;
        }
        let start = (state.next + mask) & !mask;
        state.next = start + size;
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

/// `count` times `value`, for as long as we live. As `vec![value; count].leak()`, without all that
/// a vector can do beside.
pub fn array<'a, T: Copy + 'a>(value: T, count: usize) -> &'a mut [T] {
    let layout = Layout::array::<T>(count).expect("too large for any memory");
    // SAFETY: the layout is the array's, which is all there when it becomes a slice. An array
    // of nothing is never written to.
    unsafe {
        let array = ARENA.alloc(layout).cast::<T>();
        assert!(!array.is_null(), "no memory");
        for index in 0..count {
            array.add(index).write(value);
        }
        from_raw_parts_mut(array, count)
    }
}

/// `count` items of nothing but zeroes, for as long as we live. They cost nothing until they are
/// touched.
///
/// # Safety
///
/// All zeroes must be a valid item.
pub unsafe fn zeroes<'a, T: Copy + 'a>(count: usize) -> &'a mut [T] {
    let size = count.saturating_mul(size_of::<T>());
    // SAFETY: of this size and no smaller alignment. What the arena hands out is fresh from the
    // kernel, which gives zeroes, and is handed out once. The rest is the caller's.
    unsafe { from_raw_parts_mut(fresh(size).cast(), count) }
}

/// So many bytes that can become anything.
#[inline(never)]
fn fresh(size: usize) -> *mut u8 {
    let layout = Layout::from_size_align(size, align_of::<u64>());
    // SAFETY: the arena takes a layout of any size.
    let place = layout.map_or(null_mut(), |layout| unsafe { ARENA.alloc(layout) });
    assert!(!place.is_null(), "no memory");
    place
}
