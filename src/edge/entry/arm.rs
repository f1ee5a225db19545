//! `pidlet_start` for 32-bit arm: arguments in r0, r1, r2.

use core::arch::global_asm;

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
