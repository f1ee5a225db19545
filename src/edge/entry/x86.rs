//! The assembly for 32-bit x86: a system call, a child as vfork(2) makes it, and `pidlet_start`, with
//! arguments on the stack.

use core::arch::global_asm;

use linux_raw_sys::general as sys;

use crate::edge::raw::{VFORK, Word};

global_asm!(
    ".globl pidlet_start",
    ".hidden __ehdr_start",
    ".type pidlet_start, @function",
    "pidlet_start:",
    "xor ebp, ebp",
    "mov edi, esp",
    "and esp, -16",
    "sub esp, 32",
    // rt_sigprocmask(SIG_SETMASK, all, old, 8): the set at esp+16, the old one at esp+24.
    "mov dword ptr [esp + 16], -1",
    "mov dword ptr [esp + 20], -1",
    "mov eax, {sigprocmask}",
    "mov ebx, {setmask}",
    "lea ecx, [esp + 16]",
    "lea edx, [esp + 24]",
    "mov esi, 8",
    "push edi",
    "int 0x80",
    "pop edi",
    "mov dword ptr [esp], edi",
    // The assembler takes a difference of symbols not as an operand but as a word: the call leaves that
    // word's address for us.
    "call 3f",
    "2: .long __ehdr_start - 2b",
    "3: pop eax",
    "add eax, dword ptr [eax]",
    "mov dword ptr [esp + 4], eax",
    "lea eax, [esp + 24]",
    "mov dword ptr [esp + 8], eax",
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
    let arguments = [a, d, Word::new(number as usize)];
    // SAFETY: upheld by the caller; the kernel changes eax only. ebx and esi are the compiler's own and
    // are put back.
    unsafe {
        core::arch::asm!(
            "push esi",
            "push ebx",
            "mov ebx, dword ptr [eax]",
            "mov esi, dword ptr [eax + 4]",
            "mov eax, dword ptr [eax + 8]",
            "int 0x80",
            "pop ebx",
            "pop esi",
            inlateout("eax") arguments.as_ptr() => result,
            in("ecx") b,
            in("edx") c,
            in("edi") e,
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
    // SAFETY: upheld by the caller; the child branches away before it touches our frame. Its argument is
    // at a multiple of 16 (the ABI).
    unsafe {
        core::arch::asm!(
            "push ebx",
            "mov ebx, {flags}",
            "int 0x80",
            "test eax, eax",
            "jnz 2f",
            "xor ebp, ebp",
            "sub esp, 8",
            "push edi",
            "call edx",
            "ud2",
            "2: pop ebx",
            flags = const VFORK,
            inlateout("eax") sys::__NR_clone => result,
            in("ecx") 0,
            in("edx") child,
            in("edi") argument,
        );
    }
    result
}
