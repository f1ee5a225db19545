//! The assembly for aarch64: a system call, a child as vfork(2) makes it, and `pidlet_start`, with arguments
//! in x0, x1, x2.

use core::arch::global_asm;

use linux_raw_sys::general as sys;

use crate::edge::raw::{VFORK, Word};

global_asm!(
    ".globl pidlet_start",
    ".hidden __ehdr_start",
    ".type pidlet_start, %function",
    "pidlet_start:",
    "mov x29, #0",
    "mov x30, #0",
    "mov x19, sp",
    "sub sp, sp, #16",
    // rt_sigprocmask(SIG_SETMASK, all, old, 8)
    "mov x9, #-1",
    "str x9, [sp, #8]",
    "mov x8, #{sigprocmask}",
    "mov x0, #{setmask}",
    "add x1, sp, #8",
    "mov x2, sp",
    "mov x3, #8",
    "svc #0",
    "mov x0, x19",
    "adrp x1, __ehdr_start",
    "add x1, x1, :lo12:__ehdr_start",
    "mov x2, sp",
    "bl {entry}",
    "brk #1",
    ".size pidlet_start, . - pidlet_start",
    sigprocmask = const linux_raw_sys::general::__NR_rt_sigprocmask,
    setmask = const linux_raw_sys::general::SIG_SETMASK,
    entry = sym super::pidlet_entry,
);

/// A system call with up to five arguments.
///
/// # Safety
///
/// The arguments must be right for the call.
#[inline(always)]
pub unsafe fn instruction(number: u32, a: Word, b: Word, c: Word, d: Word, e: Word) -> isize {
    let result;
    // SAFETY: upheld by the caller; the kernel changes x0 only.
    unsafe {
        core::arch::asm!(
            "svc #0",
            in("x8") number as usize,
            inlateout("x0") a => result,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            options(nostack),
        );
    }
    result
}

/// clone(2) with [`VFORK`]: the child goes on in `child(argument)`.
///
/// # Safety
///
/// As [`vfork`](crate::edge::raw::vfork).
pub unsafe fn clone(child: unsafe extern "C" fn(*mut u8) -> !, argument: *mut u8) -> isize {
    let result;
    // SAFETY: upheld by the caller; the child branches away before it touches our frame.
    unsafe {
        core::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, #0",
            "mov x30, #0",
            "mov x0, x9",
            "blr x10",
            "brk #1",
            "2:",
            in("x8") sys::__NR_clone as usize,
            inlateout("x0") VFORK as usize => result,
            in("x1") 0_usize,
            in("x9") argument,
            in("x10") child,
        );
    }
    result
}
