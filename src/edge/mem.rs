//! The memory functions that compiled code calls, in place of libc's.
//!
//! Small rather than fast: an init moves few bytes. The loops use volatile accesses, so that the compiler
//! cannot turn one into a call of the very function that it is in.

use core::ffi::{c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{read_volatile, write_volatile};

/// What is copied: it may be padding, or part of a pointer, and so is no number.
type Byte = MaybeUninit<u8>;

/// memcpy(3).
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller guarantees that both ranges are valid. The direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") count => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let (bytes, from) = (to.cast::<Byte>(), from.cast::<Byte>());
        let mut index = 0;
        while index < count {
            // SAFETY: the caller guarantees that both ranges are valid.
            unsafe { write_volatile(bytes.add(index), read_volatile(from.add(index))) };
            index += 1;
        }
    }
    to
}

/// memmove(3).
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: copying upwards never overwrites what is still to be read.
        return unsafe { memcpy(to, from, count) };
    }
    let (bytes, from) = (to.cast::<Byte>(), from.cast::<Byte>());
    let mut index = count;
    while index > 0 {
        index -= 1;
        // SAFETY: the caller guarantees that both ranges are valid.
        unsafe { write_volatile(bytes.add(index), read_volatile(from.add(index))) };
    }
    to
}

/// memset(3).
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut c_void, byte: c_int, count: usize) -> *mut c_void {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller guarantees that the range is valid. The direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep stosb",
            inout("rcx") count => _,
            inout("rdi") to => _,
            in("al") byte as u8,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let mut index = 0;
        while index < count {
            // SAFETY: the caller guarantees that the range is valid.
            unsafe { write_volatile(to.cast::<u8>().add(index), byte as u8) };
            index += 1;
        }
    }
    to
}

/// memcmp(3).
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const c_void, right: *const c_void, count: usize) -> c_int {
    let (left, right) = (left.cast::<u8>(), right.cast::<u8>());
    let mut index = 0;
    while index < count {
        // SAFETY: the caller guarantees that both ranges are valid.
        let (a, b) = unsafe {
            (
                read_volatile(left.add(index)),
                read_volatile(right.add(index)),
            )
        };
        if a != b {
            return c_int::from(a) - c_int::from(b);
        }
        index += 1;
    }
    0
}

/// bcmp(3), which the compiler prefers where only equality matters.
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const c_void, right: *const c_void, count: usize) -> c_int {
    // SAFETY: upheld by the caller.
    unsafe { memcmp(left, right, count) }
}

/// strlen(3).
///
/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    let mut len = 0;
    // SAFETY: the caller guarantees that the string ends with a NUL.
    while unsafe { read_volatile(text.add(len)) } != 0 {
        len += 1;
    }
    len
}

/// The prebuilt `core` names it in its tables; with `panic = "abort"` it is never called.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
