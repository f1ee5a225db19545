//! `pidlet_start` for riscv64: arguments in a0, a1, a2.

use core::arch::global_asm;

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
