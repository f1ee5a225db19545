//! `pidlet_start` for aarch64: arguments in x0, x1, x2.

use core::arch::global_asm;

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
