//! `pidlet_start` for x86-64: the stack pointer holds argc; System V ABI, arguments in rdi, rsi, rdx.

use core::arch::global_asm;

global_asm!(
    ".globl pidlet_start",
    ".hidden __ehdr_start",
    ".type pidlet_start, @function",
    "pidlet_start:",
    "xor ebp, ebp",
    "mov rbx, rsp",
    "and rsp, -16",
    "sub rsp, 16",
    // rt_sigprocmask(SIG_SETMASK, all, old, 8)
    "mov qword ptr [rsp + 8], -1",
    "mov eax, {sigprocmask}",
    "mov edi, {setmask}",
    "lea rsi, [rsp + 8]",
    "mov rdx, rsp",
    "mov r10d, 8",
    "syscall",
    "mov rdi, rbx",
    "lea rsi, [rip + __ehdr_start]",
    "mov rdx, rsp",
    "call {entry}",
    "ud2",
    ".size pidlet_start, . - pidlet_start",
    sigprocmask = const linux_raw_sys::general::__NR_rt_sigprocmask,
    setmask = const linux_raw_sys::general::SIG_SETMASK,
    entry = sym super::pidlet_entry,
);
