//! `pidlet_start` for 32-bit x86: arguments on the stack.

use core::arch::global_asm;

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
    // The assembler knows no difference of symbols as an operand, but as a word: the call leaves
    // that word's address for us.
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
