//! The assembly for x86-64: a system call, a child as vfork(2) makes it, and `pidlet_start`: the stack
//! pointer holds argc; System V ABI, arguments in rdi, rsi, rdx.

use core::arch::global_asm;

use linux_raw_sys::general as sys;

use crate::edge::raw::{VFORK, Word};

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

/// A system call with up to five arguments.
///
/// # Safety
///
/// The arguments must be right for the call.
#[inline(always)]
pub unsafe fn instruction(number: u32, a: Word, b: Word, c: Word, d: Word, e: Word) -> isize {
    let result;
    // SAFETY: upheld by the caller; the kernel changes rcx, r11 and rax only.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as usize => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            lateout("rcx") _,
            lateout("r11") _,
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
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") sys::__NR_clone as usize => result,
            in("rdi") VFORK as usize,
            in("rsi") 0_usize,
            in("r8") argument,
            in("r9") child,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}
