//! Every system call that rustix lacks or hides, for each architecture: the only place where the
//! instruction is spelled, `entry` apart.
//!
//! Types and numbers come from `linux-raw-sys`, which has them from the kernel's headers. Each
//! function is as thin as it can be: what it does is in section 2 of the manual under its name.

use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::null;

use linux_raw_sys::general as sys;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::signal::{Signal, SignalSet};

/// A system call with up to five arguments.
///
/// # Safety
///
/// The arguments must be right for the call.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn syscall(number: u32, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: the caller's; the kernel changes rcx, r11 and rax only.
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

/// A system call with up to five arguments.
///
/// # Safety
///
/// The arguments must be right for the call.
#[cfg(target_arch = "x86")]
#[inline]
unsafe fn syscall(number: u32, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    let arguments = [a, d, number as usize];
    // SAFETY: the caller's; the kernel changes eax only. ebx and esi are the compiler's own and
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

/// A system call with up to five arguments.
///
/// # Safety
///
/// The arguments must be right for the call.
#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn syscall(number: u32, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: the caller's; the kernel changes x0 only.
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

/// A system call with up to five arguments.
///
/// # Safety
///
/// The arguments must be right for the call.
#[cfg(target_arch = "arm")]
#[inline]
unsafe fn syscall(number: u32, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: the caller's; the kernel changes r0 only. r7 may be the frame pointer and is put back.
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

/// A system call with up to five arguments.
///
/// # Safety
///
/// The arguments must be right for the call.
#[cfg(target_arch = "riscv64")]
#[inline]
unsafe fn syscall(number: u32, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result;
    // SAFETY: the caller's; the kernel changes a0 only.
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

/// The kernel's answer as a result: the last page of addresses is errors.
fn answer(result: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&result) {
        Err(Errno(-result as u16))
    } else {
        Ok(result as usize)
    }
}

/// Leaves.
pub fn exit(code: u8) -> ! {
    loop {
        // SAFETY: no pointers.
        unsafe { syscall(sys::__NR_exit_group, usize::from(code), 0, 0, 0, 0) };
    }
}

/// Makes relocated data read-only: the whole pages of a RELRO segment. There is nobody to tell if
/// it fails, and nothing is lost.
///
/// # Safety
///
/// The range is our own RELRO segment, and everything in it is relocated.
pub unsafe fn protect_relro(start: usize, size: usize) {
    // Segments are aligned to the largest page of the architecture by the linker, so that 4 KiB
    // are right where pages are larger, too; the start is a page's, the end is padded to one.
    const PAGE: usize = 4096;
    let first = start & !(PAGE - 1);
    let end = (start + size) & !(PAGE - 1);
    // SAFETY: the caller's.
    unsafe {
        syscall(
            sys::__NR_mprotect,
            first,
            end - first,
            sys::PROT_READ as usize,
            0,
            0,
        );
    }
}

/// Blocks exactly this set of signals.
pub fn set_signal_mask(mask: SignalSet) {
    // The kernel's set is two words on 32-bit architectures, the low one first.
    let set = [mask.0 as u32, (mask.0 >> 32) as u32];
    let how = sys::SIG_SETMASK as usize;
    // SAFETY: the set is eight bytes, on little-endian architectures in the kernel's layout.
    unsafe {
        syscall(
            sys::__NR_rt_sigprocmask,
            how,
            set.as_ptr() as usize,
            0,
            8,
            0,
        );
    }
}

/// A disposition as the kernel keeps it. Opaque to us: only the default and what was read are used.
#[derive(Clone, Copy)]
pub struct Disposition(MaybeUninit<sys::kernel_sigaction>);

impl Disposition {
    /// SIG_DFL without flags.
    pub fn default() -> Disposition {
        Disposition(MaybeUninit::zeroed())
    }

    /// Whether it is not SIG_DFL.
    pub fn is_set(&self) -> bool {
        // SAFETY: always initialised, by zeroes or by the kernel; a null handler is None.
        unsafe { self.0.assume_init().sa_handler_kernel.is_some() }
    }
}

/// Sets a disposition and returns the old one.
pub fn set_disposition(signal: Signal, new: &Disposition) -> Disposition {
    let mut old = Disposition::default();
    let number = usize::from(signal.number());
    // SAFETY: both are the kernel's structure; no handler of ours is ever set.
    unsafe {
        let (new, old) = (new.0.as_ptr() as usize, old.0.as_mut_ptr() as usize);
        syscall(sys::__NR_rt_sigaction, number, new, old, 8, 0);
    }
    old
}

/// kill(2) as it is: `target` negative is a process group, -1 everybody we may signal.
pub fn kill(target: c_int, signal: Signal) -> Result<(), Errno> {
    // SAFETY: no pointers.
    let result = unsafe {
        syscall(
            sys::__NR_kill,
            target as usize,
            usize::from(signal.number()),
            0,
            0,
            0,
        )
    };
    answer(result).map(|_| ())
}

/// kill(2) of one process or of its whole group. Never of 0 or 1: those mean other things.
pub fn kill_child(pid: Pid, group: bool, signal: Signal) -> Result<(), Errno> {
    match c_int::try_from(pid) {
        Ok(pid @ 2..) => kill(if group { -pid } else { pid }, signal),
        _ => Err(Errno::SRCH),
    }
}

/// A process as a descriptor, where the kernel has pidfd_open(2) and lets us.
pub fn pidfd_open(pid: Pid) -> Result<usize, Errno> {
    // SAFETY: no pointers.
    answer(unsafe { syscall(sys::__NR_pidfd_open, pid as usize, 0, 0, 0, 0) })
}

/// pidfd_send_signal(2).
pub fn pidfd_send_signal(fd: usize, signal: Signal) -> Result<(), Errno> {
    let number = usize::from(signal.number());
    // SAFETY: no siginfo: the kernel makes one.
    answer(unsafe { syscall(sys::__NR_pidfd_send_signal, fd, number, 0, 0, 0) }).map(|_| ())
}

/// close(2), for a descriptor that rustix never saw.
pub fn close(fd: usize) {
    // SAFETY: the caller owns it; nothing else is done to it later.
    unsafe { syscall(sys::__NR_close, fd, 0, 0, 0, 0) };
}

/// dup3(2) to a descriptor that need not be open; the copy is inherited.
pub fn dup_to(fd: c_int, to: c_int) {
    // SAFETY: no pointers.
    unsafe { syscall(sys::__NR_dup3, fd as usize, to as usize, 0, 0, 0) };
}

/// close_range(2), Linux 5.9.
pub fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    let result = unsafe {
        syscall(
            sys::__NR_close_range,
            first as usize,
            last as usize,
            0,
            0,
            0,
        )
    };
    answer(result).map(|_| ())
}

/// What wait(2) tells of a child.
#[derive(Clone, Copy)]
pub struct Child {
    /// Which.
    pub pid: Pid,
    /// CLD_EXITED and the like.
    pub code: i32,
    /// The exit code or the signal.
    pub status: i32,
}

/// waitid(2) of one child, or of any for `None`. `Ok(None)`: nothing to tell (with WNOHANG).
pub fn waitid(pid: Option<Pid>, options: u32) -> Result<Option<Child>, Errno> {
    let mut info = MaybeUninit::<sys::siginfo_t>::zeroed();
    let which = if pid.is_some() {
        sys::P_PID
    } else {
        sys::P_ALL
    } as usize;
    // SAFETY: the structure is the kernel's; without a child to tell of, its pid stays 0.
    unsafe {
        let pid = pid.unwrap_or(0) as usize;
        let place = info.as_mut_ptr() as usize;
        answer(syscall(
            sys::__NR_waitid,
            which,
            pid,
            place,
            options as usize,
            0,
        ))?;
        let info = info.assume_init().__bindgen_anon_1.__bindgen_anon_1;
        let child = info._sifields._sigchld;
        let (pid, code, status) = (child._pid as Pid, info.si_code, child._status);
        Ok(if pid == 0 {
            None
        } else {
            Some(Child { pid, code, status })
        })
    }
}

/// A signalfd of all signals, closed on exec.
pub fn signalfd() -> Result<c_int, Errno> {
    let set = SignalSet::ALL.0;
    let flags = sys::O_CLOEXEC as usize; // SFD_CLOEXEC is the same number by definition.
    // SAFETY: the set is eight bytes, all ones.
    let fd = unsafe {
        syscall(
            sys::__NR_signalfd4,
            usize::MAX,
            &raw const set as usize,
            8,
            flags,
            0,
        )
    };
    answer(fd).map(|fd| fd as c_int)
}

/// A pending signal, as much of it as we use.
#[derive(Clone, Copy)]
pub struct Pending {
    /// Its number.
    pub number: u32,
    /// SI_KERNEL and the like.
    pub code: i32,
}

/// rt_sigtimedwait(2) for any signal: without a descriptor, where there is none to be had.
/// `None` after `timeout_ms`; for ever if that is `None`.
pub fn wait_signal(timeout_ms: Option<u64>) -> Option<Pending> {
    let set = SignalSet::ALL.0;
    let mut info = MaybeUninit::<sys::siginfo_t>::zeroed();
    let mut time = MaybeUninit::<sys::__kernel_old_timespec>::zeroed();
    let timeout = match timeout_ms {
        None => null(),
        Some(ms) => {
            time.write(sys::__kernel_old_timespec {
                tv_sec: ms.div_euclid(1000).min(i32::MAX as u64) as _,
                tv_nsec: (ms % 1000 * 1_000_000) as _,
            });
            time.as_ptr()
        }
    };
    // SAFETY: the set is eight bytes of ones, the structures are the kernel's.
    unsafe {
        let (set, place) = (&raw const set as usize, info.as_mut_ptr() as usize);
        answer(syscall(
            sys::__NR_rt_sigtimedwait,
            set,
            place,
            timeout as usize,
            8,
            0,
        ))
        .ok()?;
        let info = info.assume_init().__bindgen_anon_1.__bindgen_anon_1;
        Some(Pending {
            number: info.si_signo as u32,
            code: info.si_code,
        })
    }
}

/// The monotonic clock in milliseconds. Not through rustix, which would bring a parser of the vDSO
/// for a call that an init makes a few times an hour.
pub fn clock_ms() -> u64 {
    let mut time = MaybeUninit::<sys::__kernel_old_timespec>::zeroed();
    // SAFETY: the structure is the one of this call; it cannot fail for this clock.
    let time = unsafe {
        let place = time.as_mut_ptr() as usize;
        syscall(
            sys::__NR_clock_gettime,
            sys::CLOCK_MONOTONIC as usize,
            place,
            0,
            0,
            0,
        );
        time.assume_init()
    };
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

/// The foreground process group of a terminal, as our PID namespace counts: 0 if it is not in it.
/// Fails where `fd` is no terminal of ours.
pub fn foreground(fd: c_int) -> Result<Pid, Errno> {
    let mut group: c_int = 0;
    let request = linux_raw_sys::ioctl::TIOCGPGRP as usize;
    // SAFETY: the kernel writes an int.
    let result = unsafe {
        syscall(
            sys::__NR_ioctl,
            fd as usize,
            request,
            &raw mut group as usize,
            0,
            0,
        )
    };
    answer(result).map(|_| group as Pid)
}

/// Makes a process group of our session the foreground group of our terminal.
pub fn set_foreground(fd: c_int, group: Pid) -> Result<(), Errno> {
    let group = group as c_int;
    let request = linux_raw_sys::ioctl::TIOCSPGRP as usize;
    // SAFETY: the kernel reads an int.
    let result = unsafe {
        syscall(
            sys::__NR_ioctl,
            fd as usize,
            request,
            &raw const group as usize,
            0,
            0,
        )
    };
    answer(result).map(|_| ())
}

/// Makes a terminal the controlling one of the session that we lead (TIOCSCTTY).
pub fn take_terminal(fd: c_int) -> Result<(), Errno> {
    let request = linux_raw_sys::ioctl::TIOCSCTTY as usize;
    // SAFETY: no pointers: the argument says that it is not to be stolen from another session.
    answer(unsafe { syscall(sys::__NR_ioctl, fd as usize, request, 0, 0, 0) }).map(|_| ())
}

/// Gives up our controlling terminal (TIOCNOTTY).
pub fn give_up_terminal(fd: c_int) -> Result<(), Errno> {
    let request = linux_raw_sys::ioctl::TIOCNOTTY as usize;
    // SAFETY: no pointers.
    answer(unsafe { syscall(sys::__NR_ioctl, fd as usize, request, 0, 0, 0) }).map(|_| ())
}

/// execve(2). Returns only to say why it failed.
///
/// # Safety
///
/// The pointers must be C strings, and arrays of such that end with a null pointer.
pub unsafe fn execve(
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> Errno {
    // SAFETY: the caller's.
    let result = unsafe {
        syscall(
            sys::__NR_execve,
            path as usize,
            argv as usize,
            envp as usize,
            0,
            0,
        )
    };
    Errno(-result as u16)
}

/// Makes a child that shares our memory, and sleeps until it has exec'ed or ended
/// (`CLONE_VM | CLONE_VFORK`). The child runs `child(argument)` on its own stack.
///
/// # Safety
///
/// `stack` is the upper end, 16-byte aligned, of memory that nobody else uses meanwhile. `child`
/// must leave what it shares with us in order, and must not return.
pub unsafe fn vfork(
    stack: *mut u8,
    child: unsafe extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> Result<Pid, Errno> {
    let flags = (sys::CLONE_VM | sys::CLONE_VFORK | sys::SIGCHLD) as usize;
    // SAFETY: the caller's. The child has a stack of its own, so it cannot return into our frame;
    // the registers that carry `child` and `argument` are preserved by the call.
    let result = unsafe { clone(flags, stack, child, argument) };
    answer(result).map(|pid| pid as Pid)
}

/// # Safety
///
/// As [`vfork`].
#[cfg(target_arch = "x86_64")]
unsafe fn clone(
    flags: usize,
    stack: *mut u8,
    child: unsafe extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    let result;
    // SAFETY: the caller's; the child branches away before it touches our frame.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") sys::__NR_clone as usize => result,
            in("rdi") flags,
            in("rsi") stack,
            in("rdx") 0_usize,
            in("r10") 0_usize,
            in("r8") 0_usize,
            in("r12") argument,
            in("r13") child,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// # Safety
///
/// As [`vfork`].
#[cfg(target_arch = "x86")]
unsafe fn clone(
    flags: usize,
    stack: *mut u8,
    child: unsafe extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    let result;
    // SAFETY: the caller's; the words are below the upper end of the child's stack, where the child
    // pops its function and finds its argument, at an address that is a multiple of 16 (the ABI).
    unsafe {
        let stack = stack.cast::<usize>().sub(5);
        *stack = child as usize;
        *stack.add(1) = argument as usize;
        core::arch::asm!(
            "push esi",
            "push ebx",
            "mov ebx, {flags}",
            "xor esi, esi",
            "int 0x80",
            "test eax, eax",
            "jnz 2f",
            "xor ebp, ebp",
            "pop eax",
            "call eax",
            "ud2",
            "2: pop ebx",
            "pop esi",
            flags = in(reg) flags,
            inlateout("eax") sys::__NR_clone => result,
            in("ecx") stack,
            in("edx") 0,
            in("edi") 0,
        );
    }
    result
}

/// # Safety
///
/// As [`vfork`].
#[cfg(target_arch = "aarch64")]
unsafe fn clone(
    flags: usize,
    stack: *mut u8,
    child: unsafe extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    let result;
    // SAFETY: the caller's; the child branches away before it touches our frame.
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
            inlateout("x0") flags => result,
            in("x1") stack,
            in("x2") 0_usize,
            in("x3") 0_usize,
            in("x4") 0_usize,
            in("x9") argument,
            in("x10") child,
            lateout("x30") _,
        );
    }
    result
}

/// # Safety
///
/// As [`vfork`].
#[cfg(target_arch = "arm")]
unsafe fn clone(
    flags: usize,
    stack: *mut u8,
    child: unsafe extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    let result;
    // SAFETY: the caller's; the child branches away before it touches our frame.
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
            inlateout("r0") flags => result,
            in("r1") stack,
            in("r2") 0_usize,
            in("r3") 0_usize,
            in("r4") 0_usize,
            in("r5") argument,
            in("r8") child,
            lateout("lr") _,
        );
    }
    result
}

/// # Safety
///
/// As [`vfork`].
#[cfg(target_arch = "riscv64")]
unsafe fn clone(
    flags: usize,
    stack: *mut u8,
    child: unsafe extern "C" fn(*mut u8) -> !,
    argument: *mut u8,
) -> isize {
    let result;
    // SAFETY: the caller's; the child branches away before it touches our frame.
    unsafe {
        core::arch::asm!(
            "ecall",
            "bnez a0, 2f",
            "mv a0, t1",
            "jalr t2",
            "unimp",
            "2:",
            in("a7") sys::__NR_clone as usize,
            inlateout("a0") flags => result,
            in("a1") stack,
            in("a2") 0_usize,
            in("a3") 0_usize,
            in("a4") 0_usize,
            in("t1") argument,
            in("t2") child,
            lateout("ra") _,
        );
    }
    result
}
