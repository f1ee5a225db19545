//! The assembly for riscv64: a system call, a child as vfork(2) makes it, and `pidlet_start`, with arguments
//! in a0, a1, a2.

use core::arch::global_asm;

use linux_raw_sys::general as sys;

use crate::edge::raw::{VFORK, Word};

global_asm!(
    ".globl pidlet_start",
    ".hidden __ehdr_start",
    ".type pidlet_start, @function",
    "pidlet_start:",
    ".option push",
    ".option norelax",
    "lla gp, __global_pointer$",
    ".option pop",
    "li s0, 0",
    "li ra, 0",
    "mv s1, sp",
    "addi sp, sp, -16",
    // rt_sigprocmask(SIG_SETMASK, all, old, 8)
    "li t0, -1",
    "sd t0, 8(sp)",
    "li a7, {sigprocmask}",
    "li a0, {setmask}",
    "addi a1, sp, 8",
    "mv a2, sp",
    "li a3, 8",
    "ecall",
    "mv a0, s1",
    "lla a1, __ehdr_start",
    "mv a2, sp",
    "call {entry}",
    "unimp",
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
    // SAFETY: upheld by the caller; the kernel changes a0 only.
    unsafe {
        core::arch::asm!(
            "ecall",
            in("a7") number as usize,
            inlateout("a0") a => result,
            in("a1") b,
            in("a2") c,
            in("a3") d,
            in("a4") e,
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
            "ecall",
            "bnez a0, 2f",
            "mv a0, t1",
            "jalr t2",
            "unimp",
            "2:",
            in("a7") sys::__NR_clone as usize,
            inlateout("a0") VFORK as usize => result,
            in("a1") 0_usize,
            in("t1") argument,
            in("t2") child,
        );
    }
    result
}
