//! Memory: a bump allocator that is sealed once everything has been started.
//!
//! All that pidlet ever needs follows from its plan, so it is taken before the first start and
//! never given back (DESIGN §13). After that an allocation is a fault of ours: an assertion in
//! debug builds, and served all the same in release builds, since PID 1 must not die of it.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// What most plans need, so that they cost no system call; the pages are touched as they are used.
const FIRST_BYTES: usize = 2048;
/// What is asked of the kernel at least.
const CHUNK_BYTES: usize = 64 * 1024;

struct Arena(UnsafeCell<State>);

struct State {
    first: [u8; FIRST_BYTES],
    next: usize,
    end: usize,
    sealed: bool,
}

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
        loop {
            let start = state.next.next_multiple_of(layout.align());
            if let Some(end) = start.checked_add(layout.size()) {
                if end <= state.end {
                    state.next = end;
                    return start as *mut u8;
                }
            }
            let Some(wanted) = layout.size().checked_add(layout.align() + CHUNK_BYTES) else {
                return null_mut();
            };
            let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
            // SAFETY: an anonymous mapping at an address of the kernel's choice.
            match unsafe { mmap_anonymous(null_mut(), wanted, prot, flags) } {
                Ok(chunk) => {
                    state.next = chunk as usize;
                    state.end = chunk as usize + wanted;
                }
                Err(_) => return null_mut(),
            }
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        {
            // SAFETY: one thread, and the reference ends with this scope.
            let state = unsafe { &mut *self.0.get() };
            let start = block as usize;
            // The latest block grows in place.
            if start + layout.size() == state.next && size <= state.end.saturating_sub(start) {
                state.next = start + size;
                return block;
            }
        }
        // SAFETY: `size` is not 0 and was checked by the caller, as GlobalAlloc demands; the old
        // block is valid for its layout and the new one does not overlap it.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
            }
            new
        }
    }
}
