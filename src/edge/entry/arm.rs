//! The assembly for 32-bit arm: a system call, a child as vfork(2) makes it, and `pidlet_start`, with
//! arguments in r0, r1, r2.

use core::arch::global_asm;

use linux_raw_sys::general as sys;

use crate::edge::raw::{VFORK, Word};

global_asm!(
    ".globl pidlet_start",
    ".hidden __ehdr_start",
    ".type pidlet_start, %function",
    ".arm",
    "pidlet_start:",
    "mov fp, #0",
    "mov lr, #0",
    "mov r4, sp",
    "bic sp, sp, #15",
    "sub sp, sp, #16",
    // rt_sigprocmask(SIG_SETMASK, all, old, 8): the set at sp+8, the old one at sp.
    "mvn r5, #0",
    "str r5, [sp, #8]",
    "str r5, [sp, #12]",
    "mov r7, #{sigprocmask}",
    "mov r0, #{setmask}",
    "add r1, sp, #8",
    "mov r2, sp",
    "mov r3, #8",
    "svc #0",
    "mov r0, r4",
    "ldr r1, 3f",
    "2: add r1, pc, r1",
    "mov r2, sp",
    "bl {entry}",
    "udf #0",
    // In ARM state pc reads as the instruction's address plus 8.
    "3: .word __ehdr_start - (2b + 8)",
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
    // SAFETY: upheld by the caller; the kernel changes r0 only. r7 may be the frame pointer and is put back.
    unsafe {
        core::arch::asm!(
            "mov {saved}, r7",
            "mov r7, {number}",
            "svc #0",
            "mov r7, {saved}",
            saved = out(reg) _,
            number = in(reg) number,
            inlateout("r0") a => result,
            in("r1") b,
            in("r2") c,
            in("r3") d,
            in("r4") e,
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
            "mov {saved}, r7",
            "mov r7, {number}",
            "svc #0",
            "cmp r0, #0",
            "bne 2f",
            "mov r0, r5",
            "blx r8",
            "udf #0",
            "2: mov r7, {saved}",
            saved = out(reg) _,
            number = in(reg) sys::__NR_clone,
            inlateout("r0") VFORK => result,
            in("r1") 0,
            in("r5") argument,
            in("r8") child,
        );
    }
    result
}
