//! System calls; the instruction itself is in `entry`, for each architecture. Calls that rustix has are here,
//! too, where its own types and errors would cost more code than the call.
//!
//! Types and numbers come from `linux-raw-sys`, which has them from the kernel's headers. Each
//! function is as thin as it can be: what it does is in section 2 of the manual under its name.

use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};

use linux_raw_sys::general as sys;
use linux_raw_sys::ioctl::{TIOCGPGRP, TIOCGWINSZ, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP};
use linux_raw_sys::net;
use linux_raw_sys::prctl;
use rustix::fd::BorrowedFd;
use rustix::io::IoSlice;

use super::address::Name;
use super::entry::{clone, instruction};
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::signal::{Signal, SignalSet};

/// An argument of a system call, or no value in particular.
pub type Word = MaybeUninit<usize>;

/// A system call: the kernel's answer, an error as its negated number. The registers of arguments that are
/// not given are left as they are.
///
/// # Safety
///
/// The arguments must be right for the call.
#[inline(always)]
unsafe fn syscall<const N: usize>(number: u32, arguments: [usize; N]) -> isize {
    const { assert!(N <= 5) };
    let at = |place| match arguments.get(place) {
        Some(&argument) => MaybeUninit::new(argument),
        None => MaybeUninit::uninit(),
    };
    // SAFETY: upheld by the caller.
    unsafe { instruction(number, at(0), at(1), at(2), at(3), at(4)) }
}

/// The kernel's answer as a result. Not for addresses: they may look negative, too.
fn answer(result: isize) -> Result<usize, Errno> {
    if result < 0 {
        Err(errno(result))
    } else {
        Ok(result as usize)
    }
}

/// A descriptor, or an error's negated number.
type Fd = c_int;

/// An answer that says no more than success.
#[inline(never)]
fn done(result: isize) -> Result<(), Errno> {
    answer(result).map(|_| ())
}

/// The error that an answer stands for, as its negated number.
pub fn errno(result: isize) -> Errno {
    Errno(result.unsigned_abs() as u16)
}

/// exit_group(2).
pub fn exit(code: u8) -> ! {
    loop {
        // SAFETY: no pointers.
        unsafe { syscall(sys::__NR_exit_group, [usize::from(code)]) };
    }
}

/// mprotect(2): makes whole pages read-only. Returns whether it succeeded.
///
/// # Safety
///
/// They must be ours, and must not be written to any more.
pub unsafe fn protect(start: usize, size: usize) -> bool {
    // SAFETY: upheld by the caller.
    unsafe { syscall(sys::__NR_mprotect, [start, size, sys::PROT_READ as usize]) == 0 }
}

/// The size of the kernel's set of signals, an array of words with the first signals in the first one. With
/// 64-bit words that is our number in either byte order, with 32-bit ones if they are little-endian.
const SET_BYTES: usize = 8;
const _: () = assert!(size_of::<usize>() == SET_BYTES || cfg!(target_endian = "little"));

/// Blocks exactly this set of signals.
pub fn set_signal_mask(mask: SignalSet) {
    let (how, set) = (sys::SIG_SETMASK as usize, &raw const mask.0 as usize);
    // SAFETY: the set is eight bytes in the kernel's layout: see [`SET_BYTES`].
    unsafe { syscall(sys::__NR_rt_sigprocmask, [how, set, 0, SET_BYTES]) };
}

/// Sets a disposition to "ignore" or to the default, and returns whether it was "ignore". Nothing else can be
/// inherited: execve(2) turns a handler into the default, and clears all flags.
pub fn set_ignored(signal: Signal, ignored: bool) -> bool {
    sigaction(signal, usize::from(ignored))
}

/// Makes it look as if we had a handler for this signal, and returns whether it was ignored. The handler
/// never runs: in us the signal is blocked and stays pending, and a child undoes this.
pub fn seem_to_handle(signal: Signal) -> bool {
    const NO_HANDLER: usize = 2;
    sigaction(signal, NO_HANDLER)
}

/// sigaction(2). Returns whether the signal was ignored.
#[inline(never)]
fn sigaction(signal: Signal, how: usize) -> bool {
    const { assert!(core::mem::offset_of!(sys::kernel_sigaction, sa_handler_kernel) == 0) };
    const SIG_IGN: usize = 1;
    let mut action = MaybeUninit::<sys::kernel_sigaction>::zeroed();
    let handler = action.as_mut_ptr().cast::<usize>();
    // SAFETY: the handler is the first word of the kernel's structure, which is otherwise zeroes.
    // The kernel has read the new one when it writes the old one to the same place.
    unsafe {
        handler.write(how);
        let (number, place) = (usize::from(signal.number()), handler as usize);
        syscall(sys::__NR_rt_sigaction, [number, place, place, SET_BYTES]);
        handler.read() == SIG_IGN
    }
}

/// kill(2) as it is: a negative `target` is a process group, -1 every process that we may signal.
#[inline(never)]
pub fn kill(target: c_int, signal: Signal) -> Result<(), Errno> {
    let number = usize::from(signal.number());
    // SAFETY: no pointers.
    done(unsafe { syscall(sys::__NR_kill, [target as usize, number]) })
}

/// kill(2) of one process or of its whole group. Never of 0 or 1: those mean other things.
pub fn kill_child(pid: Pid, group: bool, signal: Signal) -> Result<(), Errno> {
    match c_int::try_from(pid) {
        Ok(pid @ 2..) => kill(if group { -pid } else { pid }, signal),
        _ => Err(Errno::SRCH),
    }
}

/// Whether this group has a process: 0 is our own group, and 1 is every process but us and the init.
pub fn is_group(group: Pid) -> bool {
    let target = (group as c_int).wrapping_neg();
    // SAFETY: no pointers; signal 0 is only a question.
    let result = unsafe { syscall(sys::__NR_kill, [target as usize, 0]) };
    errno(result) != Errno::SRCH
}

/// Our own process.
pub fn own_pid() -> Pid {
    // SAFETY: no arguments.
    unsafe { syscall(sys::__NR_getpid, []) as Pid }
}

/// Our parent; 0 if it is outside our PID namespace.
pub fn parent() -> Pid {
    // SAFETY: no arguments.
    unsafe { syscall(sys::__NR_getppid, []) as Pid }
}

/// Gives this process a group of its own.
pub fn lead_group() -> Result<(), Errno> {
    // SAFETY: no pointers.
    done(unsafe { syscall(sys::__NR_setpgid, [0, 0]) })
}

/// Gives this process a session of its own.
pub fn lead_session() -> Result<(), Errno> {
    // SAFETY: no arguments.
    done(unsafe { syscall(sys::__NR_setsid, []) })
}

/// getpgid(2), for 0 our own. A group outside our PID namespace is 0, and an error is no process's number.
pub fn group_of(pid: Pid) -> Pid {
    // SAFETY: no pointers.
    unsafe { syscall(sys::__NR_getpgid, [pid as usize]) as Pid }
}

/// getsid(2), as [`group_of`].
pub fn session_of(pid: Pid) -> Pid {
    // SAFETY: no pointers.
    unsafe { syscall(sys::__NR_getsid, [pid as usize]) as Pid }
}

/// pidfd_open(2), where the kernel has it and lets us.
pub fn pidfd_open(pid: Pid) -> Fd {
    // SAFETY: no pointers.
    unsafe { syscall(sys::__NR_pidfd_open, [pid as usize, 0]) as Fd }
}

/// pidfd_send_signal(2).
pub fn pidfd_send_signal(fd: c_int, signal: Signal) -> Result<(), Errno> {
    let number = usize::from(signal.number());
    // SAFETY: no siginfo: the kernel makes one.
    done(unsafe { syscall(sys::__NR_pidfd_send_signal, [fd as usize, number, 0, 0]) })
}

/// A descriptor of ours, as rustix wants it.
pub fn borrow(fd: c_int) -> BorrowedFd<'static> {
    // SAFETY: it is never -1. What we hold stays open for as long as it is used; with a number that is not
    // open the call just fails.
    unsafe { BorrowedFd::borrow_raw(fd.max(0)) }
}

/// close(2), for a descriptor that rustix never saw.
pub fn close(fd: usize) {
    // SAFETY: no pointers; the caller owns it, and does nothing with it afterwards.
    unsafe { syscall(sys::__NR_close, [fd]) };
}

/// dup3(2) to a descriptor that need not be open; the copy is inherited.
pub fn dup_to(fd: c_int, to: c_int) -> Result<(), Errno> {
    // SAFETY: no pointers.
    done(unsafe { syscall(sys::__NR_dup3, [fd as usize, to as usize, 0]) })
}

/// A copy of a descriptor, the lowest free one from `from` on, closed on exec.
#[inline(never)]
pub fn duplicate(fd: c_int, from: c_int) -> Fd {
    // SAFETY: no pointers.
    unsafe { fcntl(fd, sys::F_DUPFD_CLOEXEC, from as usize) }
}

/// Whether a descriptor is open and survives an exec.
pub fn is_inherited(fd: c_int) -> bool {
    // SAFETY: no pointers.
    unsafe { fcntl(fd, sys::F_GETFD, 0) == 0 }
}

/// Lets a descriptor survive an exec, or not.
pub fn inherit(fd: c_int, yes: bool) {
    let flags = if yes { 0 } else { sys::FD_CLOEXEC };
    // SAFETY: no pointers.
    _ = unsafe { fcntl(fd, sys::F_SETFD, flags as usize) };
}

/// # Safety
///
/// The argument must be right for the command.
unsafe fn fcntl(fd: c_int, command: u32, argument: usize) -> c_int {
    // SAFETY: upheld by the caller.
    unsafe { syscall(sys::__NR_fcntl, [fd as usize, command as usize, argument]) as c_int }
}

/// Opens a file, or makes one that others may read; closed on exec, and never our controlling terminal. A
/// FIFO is not waited for.
#[inline(never)]
pub fn open(path: &CStr, flags: u32) -> Fd {
    let own = sys::O_CLOEXEC | sys::O_NONBLOCK | sys::O_NOCTTY | sys::O_LARGEFILE;
    let (path, flags) = (path.as_ptr() as usize, (flags | own) as usize);
    // SAFETY: the path is a C string.
    unsafe { syscall(sys::__NR_openat, [CWD as usize, path, flags, 0o644]) as Fd }
}

/// Relative paths begin in our working directory.
pub const CWD: c_int = sys::AT_FDCWD;

/// read(2): how many bytes there were, or an error's number negated.
pub fn read(fd: c_int, buffer: &mut [u8]) -> isize {
    let (place, size) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the kernel writes no more than there is room for.
    unsafe { syscall(sys::__NR_read, [fd as usize, place, size]) }
}

/// write(2): how many bytes were written, or an error's number negated.
pub fn write(fd: c_int, text: &[u8]) -> isize {
    let (place, size) = (text.as_ptr() as usize, text.len());
    // SAFETY: the kernel only reads.
    unsafe { syscall(sys::__NR_write, [fd as usize, place, size]) }
}

/// write(2) of a text that is short enough to be written whole or not at all.
pub fn write_all(fd: c_int, text: &[u8]) -> Result<(), Errno> {
    done(write(fd, text))
}

/// Why a file is not there; no error if it is.
pub fn why_missing(path: &CStr) -> Errno {
    access(CWD, path, sys::F_OK)
}

/// Whether a file is there that we may execute; a relative path begins in `directory`.
pub fn may_execute(directory: c_int, path: &CStr) -> bool {
    access(directory, path, sys::X_OK) == Errno(0)
}

#[inline(never)]
fn access(directory: c_int, path: &CStr, what: u32) -> Errno {
    let (path, what) = (path.as_ptr() as usize, what as usize);
    // SAFETY: the path is a C string.
    errno(unsafe { syscall(sys::__NR_faccessat, [directory as usize, path, what]) })
}

// On 32-bit architectures the first calls had 32 bits for a size.
#[cfg(target_pointer_width = "32")]
use sys::__NR_fstatat64 as FSTATAT;
#[cfg(target_pointer_width = "64")]
use sys::__NR_newfstatat as FSTATAT;
#[cfg(target_pointer_width = "64")]
pub use sys::stat as Stat;
#[cfg(target_pointer_width = "32")]
pub use sys::stat64 as Stat;

/// The status of a file in a directory, or of an open file if the path is empty; all zeroes if there is none.
/// `AT_SYMLINK_NOFOLLOW` asks for a link itself.
#[inline(never)]
pub fn status(directory: c_int, path: &CStr, flags: u32) -> Stat {
    let mut about = MaybeUninit::<Stat>::zeroed();
    // SAFETY: the path is a C string, the structure the kernel's, and all zeroes are a valid one.
    unsafe {
        let (path, place) = (path.as_ptr() as usize, about.as_mut_ptr() as usize);
        let flags = (flags | sys::AT_EMPTY_PATH) as usize;
        syscall(FSTATAT, [directory as usize, path, place, flags]);
        about.assume_init()
    }
}

/// Whether this is a regular file.
pub fn is_regular(about: &Stat) -> bool {
    about.st_mode & sys::S_IFMT == sys::S_IFREG
}

/// getdents64(2): reads further entries of a directory; how many bytes of them there are, or an
/// error's number negated.
pub fn read_directory(fd: c_int, entries: &mut [u64]) -> isize {
    let (place, size) = (entries.as_mut_ptr() as usize, size_of_val(entries));
    // SAFETY: the kernel writes no more than there is room for.
    unsafe { syscall(sys::__NR_getdents64, [fd as usize, place, size]) }
}

/// readlink(2): as much of where a symbolic link leads to as there is room for.
pub fn read_link<'b>(path: &CStr, buffer: &'b mut [u8]) -> &'b [u8] {
    let (place, size) = (buffer.as_mut_ptr() as usize, buffer.len());
    // SAFETY: the path is a C string; the kernel writes no more than there is room for.
    let len = unsafe {
        syscall(
            sys::__NR_readlinkat,
            [CWD as usize, path.as_ptr() as usize, place, size],
        )
    };
    buffer.get(..answer(len).unwrap_or(0)).unwrap_or(&[])
}

/// A pipe, both ends closed on exec and non-blocking, the read end first.
pub fn pipe(ends: &mut [c_int; 2]) -> Result<(), Errno> {
    let flags = (sys::O_CLOEXEC | sys::O_NONBLOCK) as usize;
    // SAFETY: the kernel writes two descriptors.
    done(unsafe { syscall(sys::__NR_pipe2, [ends.as_mut_ptr() as usize, flags]) })
}

/// Lets every user open the file behind this descriptor through /proc; with `reader`, only that user may
/// read it, and all others may only write.
pub fn open_to_all(fd: c_int, reader: Option<u32>) {
    let mut mode = 0o666;
    if reader.is_some() {
        mode = 0o622;
    }
    // SAFETY: no pointers.
    unsafe {
        syscall(sys::__NR_fchmod, [fd as usize, mode]);
        // Once it is another user's we may not change it any more, unless we have CAP_FOWNER.
        if let Some(user) = reader {
            syscall(FCHOWN, [fd as usize, user as usize, usize::MAX]);
        }
    }
}

/// Sets those flags of an open file that fcntl(2) can change: O_NONBLOCK.
#[inline(never)]
pub fn set_flags(fd: c_int, flags: u32) {
    // SAFETY: no pointers.
    _ = unsafe { fcntl(fd, sys::F_SETFL, flags as usize) };
}

/// close_range(2), Linux 5.9; whether the kernel has it and lets us.
pub fn close_range(first: c_int, last: c_int) -> bool {
    // SAFETY: no pointers.
    unsafe { syscall(sys::__NR_close_range, [first as usize, last as usize, 0]) == 0 }
}

/// What wait(2) tells of a child.
#[derive(Clone, Copy)]
pub struct Child {
    /// Its number; 0 if there is nothing to tell.
    pub pid: Pid,
    /// There is such a child.
    pub exists: bool,
    /// CLD_EXITED and the like.
    pub code: u8,
    /// The exit code or the signal.
    pub status: u8,
}

/// waitid(2) of one child, or of any for 0; without waiting.
pub fn waitid(pid: Pid, options: u32) -> Child {
    let which = if pid == 0 { sys::P_ALL } else { sys::P_PID };
    wait_for(which, pid, options)
}

/// Whether we have a child in this process group, dead or alive.
pub fn has_child_in(group: Pid) -> bool {
    wait_for(sys::P_PGID, group, sys::WEXITED | sys::WNOWAIT).exists
}

/// waitid(2), without waiting.
#[inline(never)]
fn wait_for(which: u32, pid: Pid, options: u32) -> Child {
    let options = (options | sys::WNOHANG) as usize;
    let mut info = MaybeUninit::<sys::siginfo_t>::zeroed();
    // SAFETY: the structure is the kernel's; what it does not write is read as zeroes.
    unsafe {
        let kernels = &raw mut (*info.as_mut_ptr()).__bindgen_anon_1.__bindgen_anon_1;
        let child = &raw const (*kernels)._sifields._sigchld;
        let place = kernels as usize;
        let arguments = [which as usize, pid as usize, place, options, 0];
        Child {
            exists: syscall(sys::__NR_waitid, arguments) == 0,
            pid: (*child)._pid as Pid,
            code: (*kernels).si_code as u8,
            status: (*child)._status as u8,
        }
    }
}

/// A signalfd of all signals, closed on exec.
pub fn signalfd() -> Fd {
    let set = SignalSet::ALL.0;
    let flags = sys::O_CLOEXEC as usize; // SFD_CLOEXEC is the same number by definition.
    // SAFETY: the set is eight bytes, all ones.
    unsafe {
        let arguments = [usize::MAX, &raw const set as usize, SET_BYTES, flags];
        syscall(sys::__NR_signalfd4, arguments) as Fd
    }
}

/// A signal that was pending.
#[derive(Clone, Copy)]
pub struct Pending {
    /// Its number; 0 for none.
    pub number: u32,
    /// SI_KERNEL and the like.
    pub code: i32,
}

/// No signal.
pub const NO_SIGNAL: Pending = Pending { number: 0, code: 0 };

/// Room for a siginfo_t: the number of the signal, an error, the code, and more.
type SigInfo = MaybeUninit<[u32; 32]>;
const _: () = assert!(size_of::<SigInfo>() == size_of::<sys::siginfo_t>());

/// A generous bound on the code of [`wait_signal`]: what lies beyond it is just fetched again.
const IDLE_CODE_BYTES: usize = 512;

/// rt_sigtimedwait(2), which is cheaper than a signalfd and never out of descriptors. Returns no signal after
/// `timeout_ms`, and waits for ever if that is `None`.
///
/// First it gives back the memory of `idle`, segments that are never written to: code and data that are in
/// the file. All their pages but those that this function itself runs in leave our resident set, and come
/// back by themselves when they are touched (madvise(2): MADV_DONTNEED).
///
/// # Safety
///
/// The segments must be private mappings of a file, and must never have been written to.
#[inline(never)]
pub unsafe fn wait_signal(
    signals: SignalSet,
    timeout_ms: Option<u64>,
    idle: Option<&[(usize, usize); 2]>,
) -> Pending {
    const PAGE: usize = 4096;
    // What the start left on the stack below our own frame is not used any more. The frame may reach further
    // down than we can see: 640 bytes in debug builds, and the ABI's red zone.
    const FRAME_BYTES: usize = if cfg!(debug_assertions) { 2048 } else { 512 };
    const STACK_BYTES: usize = 64 * 1024;
    let mut info = SigInfo::uninit();
    let time = timeout_ms.map(timespec);
    let time = time.as_ref().map_or(null(), |time| &raw const *time) as usize;
    let (place, sets) = (info.as_mut_ptr() as usize, &raw const signals.0 as usize);
    let advice = sys::MADV_DONTNEED as usize;
    // From the advice to the end of the wait no other code runs.
    // SAFETY: the segments are as the caller promises, on the stack only what is below our frame is given
    // back, and advice that the kernel does not take changes nothing. The set is eight bytes; with a signal
    // the kernel writes a whole siginfo_t, which may hold anything.
    unsafe {
        if let Some(segments) = idle {
            let here = wait_signal as *const () as usize;
            let last = here.wrapping_add(IDLE_CODE_BYTES) | (PAGE - 1);
            let first = here & !(PAGE - 1);
            for &(start, end) in segments {
                // Never a negative length: to a 64-bit kernel, one of 32 bits is most of the memory.
                let behind = start.max(last.wrapping_add(1));
                for (start, end) in [(start, end.min(first)), (behind, end)] {
                    if start < end {
                        let bytes = end.wrapping_sub(start);
                        syscall(sys::__NR_madvise, [start, bytes, advice]);
                    }
                }
            }
            // Part of this may not be mapped: the advice applies to what is.
            let stack = place.wrapping_sub(FRAME_BYTES) & !(PAGE - 1);
            let below = stack.wrapping_sub(STACK_BYTES);
            syscall(sys::__NR_madvise, [below, STACK_BYTES, advice]);
        }
        let arguments = [sets, place, time, SET_BYTES];
        if timed(sys::__NR_rt_sigtimedwait, SIGTIMEDWAIT, arguments) <= 0 {
            return NO_SIGNAL;
        }
        let info = info.assume_init_ref();
        Pending {
            number: info[0],
            code: info[2] as i32,
        }
    }
}

/// Has the kernel kill this process after so many seconds, even if it is stopped, unless it has executed a
/// program by then, which deletes its timers (timer_create(2)).
pub fn kill_self_after(seconds: usize) {
    let mut event = MaybeUninit::<sys::sigevent>::zeroed();
    let mut timer: c_int = 0;
    // struct itimerspec (timer_settime(2)): no interval, and the time until it expires.
    let time = [0, 0, seconds, 0];
    // SAFETY: a zeroed event is a signal, SIGEV_SIGNAL; the kernel writes an int. If it has no such timers,
    // there is none of this number.
    unsafe {
        (*event.as_mut_ptr()).sigev_signo = sys::SIGKILL as c_int;
        let (event, place) = (event.as_ptr() as usize, &raw mut timer as usize);
        let clock = sys::CLOCK_MONOTONIC as usize;
        syscall(sys::__NR_timer_create, [clock, event, place]);
        let (timer, place) = (timer as usize, time.as_ptr() as usize);
        if is_missing(syscall(sys::__NR_timer_settime, [timer, 0, place, 0])) {
            let time = time.map(|number| number as u64);
            syscall(TIMER_SETTIME, [timer, 0, time.as_ptr() as usize, 0]);
        }
    }
}

/// Takes a pending signal, if there is one, and forgets it.
pub fn forget(signal: Signal) {
    let set = SignalSet::NONE.with(signal);
    let time = timespec(0);
    // SAFETY: the set is eight bytes in the kernel's layout; no siginfo is asked for.
    unsafe {
        let (set, time) = (&raw const set.0 as usize, &raw const time as usize);
        let arguments = [set, 0, time, SET_BYTES];
        timed(sys::__NR_rt_sigtimedwait, SIGTIMEDWAIT, arguments);
    }
}

/// poll(2) of one descriptor for at most `timeout_ms`: whether there is any of `events`. Not through rustix,
/// which handles more kinds of time than an init has.
pub fn poll(fd: c_int, events: u32, timeout_ms: u64) -> Result<bool, Errno> {
    let mut descriptor = sys::pollfd {
        fd,
        events: events as _,
        revents: 0,
    };
    let mut time = timespec(timeout_ms);
    // SAFETY: both structures are the kernel's, which writes to both: to the time what is left of it. No
    // signal mask is set.
    let result = unsafe {
        let (place, time) = (&raw mut descriptor as usize, &raw mut time as usize);
        timed(sys::__NR_ppoll, PPOLL, [place, 1, time, 0])
    };
    Ok(answer(result)? > 0)
}

/// epoll_create(2), closed on exec.
pub fn epoll_create() -> Fd {
    // EPOLL_CLOEXEC is the same number by definition.
    // SAFETY: no pointers.
    unsafe { syscall(sys::__NR_epoll_create1, [sys::O_CLOEXEC as usize]) as Fd }
}

/// epoll_ctl(2): EPOLL_CTL_ADD and the like.
pub fn epoll_control(
    epoll: c_int,
    operation: u32,
    fd: c_int,
    events: u32,
    data: u64,
) -> Result<(), Errno> {
    let event = sys::epoll_event { events, data };
    let place = &raw const event as usize;
    let arguments = [epoll as usize, operation as usize, fd as usize, place];
    // SAFETY: the structure is the kernel's, which only reads it.
    done(unsafe { syscall(sys::__NR_epoll_ctl, arguments) })
}

/// epoll_pwait(2) for at most `timeout_ms`, for ever if that is `None`: how many events there are. That is
/// not known if the call was interrupted, and is [`usize::MAX`] then. Not through rustix, as with [`poll`].
pub fn epoll_wait(fd: c_int, events: &mut [sys::epoll_event], timeout_ms: Option<u64>) -> usize {
    let time = timeout_ms.map_or(-1, |ms| ms.min(i32::MAX as u64) as i32);
    let (place, count) = (events.as_mut_ptr() as usize, events.len());
    // SAFETY: the kernel writes no more events than there is room for; no signal mask is set.
    unsafe {
        let arguments = [fd as usize, place, count, time as usize, 0];
        answer(syscall(sys::__NR_epoll_pwait, arguments)).unwrap_or(usize::MAX)
    }
}

// On 32-bit architectures the first calls had 32 bits for seconds, and a kernel may have only the later ones
// (Linux 5.1: CONFIG_COMPAT_32BIT_TIME).
#[cfg(target_pointer_width = "64")]
use sys::{
    __NR_clock_gettime as CLOCK_GETTIME, __NR_ppoll as PPOLL, __NR_rt_sigtimedwait as SIGTIMEDWAIT,
    __NR_timer_settime as TIMER_SETTIME,
};
#[cfg(target_pointer_width = "32")]
use sys::{
    __NR_clock_gettime64 as CLOCK_GETTIME, __NR_ppoll_time64 as PPOLL,
    __NR_rt_sigtimedwait_time64 as SIGTIMEDWAIT, __NR_timer_settime64 as TIMER_SETTIME,
};

/// Whether to make the later form of a call: there is one, and the kernel lacks the first.
fn is_missing(result: isize) -> bool {
    cfg!(target_pointer_width = "32") && result < 0 && errno(result) == Errno::NOSYS
}

/// A call whose third argument is a time or null; or `later`, if the kernel lacks it with 32 bits.
///
/// # Safety
///
/// The arguments must be right for the call.
#[inline(always)]
unsafe fn timed(number: u32, later: u32, arguments: [usize; 4]) -> isize {
    // SAFETY: upheld by the caller.
    unsafe {
        let result = syscall(number, arguments);
        if is_missing(result) {
            timed_later(later, arguments)
        } else {
            result
        }
    }
}

/// # Safety
///
/// As [`timed`].
#[cold]
#[inline(never)]
unsafe fn timed_later(number: u32, [first, second, time, last]: [usize; 4]) -> isize {
    // SAFETY: upheld by the caller. struct __kernel_timespec is two 64-bit numbers.
    unsafe {
        let time = (time as *const sys::__kernel_old_timespec).as_ref();
        let time = time.map(|time| [time.tv_sec as u64, time.tv_nsec as u64]);
        let time = time.as_ref().map_or(null(), |time| &raw const *time) as usize;
        syscall(number, [first, second, time, last])
    }
}

fn timespec(ms: u64) -> sys::__kernel_old_timespec {
    sys::__kernel_old_timespec {
        tv_sec: (ms / 1000).min(i32::MAX as u64) as _,
        tv_nsec: (ms % 1000 * 1_000_000) as _,
    }
}

/// The monotonic clock in milliseconds. Not through rustix, which would bring a parser of the vDSO
/// for a call that an init makes a few times an hour.
pub fn clock_ms() -> u64 {
    let (seconds, micros) = clock(sys::CLOCK_MONOTONIC);
    seconds
        .wrapping_mul(1000)
        .wrapping_add((micros / 1000).into())
}

/// A clock: seconds, and microseconds of the second. It must be one that every kernel has.
pub fn clock(clock: u32) -> (u64, u32) {
    let mut time = MaybeUninit::<sys::__kernel_old_timespec>::zeroed();
    // SAFETY: each call has its own structure, and for such a clock one of the two cannot fail.
    let time = unsafe {
        let place = time.as_mut_ptr() as usize;
        if is_missing(syscall(sys::__NR_clock_gettime, [clock as usize, place])) {
            let mut time = [0_u64; 2];
            let place = time.as_mut_ptr() as usize;
            syscall(CLOCK_GETTIME, [clock as usize, place]);
            return (time[0], time[1] as u32 / 1000);
        }
        time.assume_init()
    };
    // Never negative: with 32 bits, that is a time after 2038.
    (time.tv_sec as usize as u64, time.tv_nsec as u32 / 1000)
}

/// socket(2), closed on exec and non-blocking. Not through rustix, here and below: its addresses and
/// ancillary messages know more families and kinds than an init meets.
pub fn socket(family: u32, kind: u32) -> Fd {
    // SOCK_CLOEXEC and SOCK_NONBLOCK are the same numbers by definition.
    let kind = (kind | sys::O_CLOEXEC | sys::O_NONBLOCK) as usize;
    // SAFETY: no pointers.
    unsafe { syscall(sys::__NR_socket, [family as usize, kind, 0]) as Fd }
}

/// connect(2).
pub fn connect(fd: c_int, address: &Name) -> Result<(), Errno> {
    // SAFETY: the kernel reads an address of this length.
    done(unsafe { syscall(sys::__NR_connect, named(fd, address)) })
}

/// Makes a socket receive nothing (shutdown(2)); a Unix socket allows that before it is connected.
pub fn shutdown_receive(fd: c_int) {
    // SAFETY: no pointers.
    unsafe { syscall(sys::__NR_shutdown, [fd as usize, net::SHUT_RD as usize]) };
}

/// bind(2).
pub fn bind(fd: c_int, address: &Name) -> Result<(), Errno> {
    // SAFETY: the kernel reads an address of this length.
    done(unsafe { syscall(sys::__NR_bind, named(fd, address)) })
}

fn named(fd: c_int, address: &Name) -> [usize; 3] {
    [fd as usize, &raw const *address as usize, address.len]
}

/// getsockname(2): as much of a socket's own address as there is room for, and how long it is.
pub fn own_address(fd: c_int, address: &mut [u8]) -> usize {
    let mut len = address.len() as u32;
    // SAFETY: the kernel writes no more than there is room for, and an int.
    unsafe {
        let (place, size) = (address.as_mut_ptr() as usize, &raw mut len as usize);
        syscall(sys::__NR_getsockname, [fd as usize, place, size]);
    }
    len as usize
}

/// From now on every message of this socket comes with its sender (unix(7), SO_PASSCRED).
pub fn pass_credentials(fd: c_int) {
    let yes: c_int = 1;
    let (level, option) = (net::SOL_SOCKET as usize, net::SO_PASSCRED as usize);
    // SAFETY: the kernel reads an int.
    unsafe {
        let place = &raw const yes as usize;
        syscall(sys::__NR_setsockopt, [fd as usize, level, option, place, 4]);
    }
}

/// sendmsg(2) over a connection, as much as there is room for. It never blocks, and a peer that has stopped
/// listening brings no SIGPIPE.
pub fn send(fd: c_int, parts: &[IoSlice]) {
    let message = net::msghdr {
        msg_name: null_mut(),
        msg_namelen: 0,
        msg_iov: parts.as_ptr().cast_mut().cast(),
        msg_iovlen: parts.len(),
        msg_control: null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    };
    let flags = (net::MSG_DONTWAIT | net::MSG_NOSIGNAL) as usize;
    // SAFETY: the structures are the kernel's, which only reads them. `IoSlice` is an iovec.
    unsafe {
        let place = &raw const message as usize;
        syscall(sys::__NR_sendmsg, [fd as usize, place, flags]);
    }
}

/// Who sent a message.
#[derive(Clone, Copy)]
pub struct Sender {
    /// Its process; 0 if that is outside our PID namespace.
    pub pid: Pid,
    /// Its real user, or another one that it may act as (unix(7): SCM_CREDENTIALS).
    pub user: u32,
}

/// A message that was received.
pub struct Received<'b> {
    /// Who sent it.
    pub sender: Sender,
    /// What it says; the rest of a longer one is lost.
    pub text: &'b [u8],
    /// There was no room for all the descriptors that came with it.
    pub more: bool,
}

/// recvmsg(2) on a socket that has [`pass_credentials`]: the next message. With `take` it is removed, and its
/// descriptors come to us; otherwise all of it stays in the socket.
pub fn receive(
    fd: c_int,
    buffer: &mut [MaybeUninit<u8>],
    take: bool,
) -> Result<Received<'_>, Errno> {
    #[repr(C)]
    struct Control {
        header: net::cmsghdr,
        credentials: net::ucred,
        /// Room for the most descriptors that a message can have (unix(7): SCM_RIGHTS), and their headers.
        rights: [u32; 253 + 8],
    }
    let mut control = MaybeUninit::<Control>::zeroed();
    let mut part = sys::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len() as _,
    };
    // The credentials come first, and without `take` there is room for nothing else.
    let (flags, control_size) = match take {
        true => (0, size_of::<Control>()),
        false => (net::MSG_PEEK, core::mem::offset_of!(Control, rights)),
    };
    let mut message = net::msghdr {
        msg_name: null_mut(),
        msg_namelen: 0,
        msg_iov: (&raw mut part).cast(),
        msg_iovlen: 1,
        msg_control: control.as_mut_ptr().cast(),
        msg_controllen: control_size,
        msg_flags: 0,
    };
    // SAFETY: the structures are the kernel's, which writes no more than there is room for, and as much of
    // the buffer as it says; what it does not write of `control` is zeroes.
    unsafe {
        let place = &raw mut message as usize;
        let arguments = [fd as usize, place, flags as usize];
        let len = answer(syscall(sys::__NR_recvmsg, arguments))?;
        let text = core::slice::from_raw_parts(buffer.as_ptr().cast(), len.min(buffer.len()));
        let control = control.as_ptr();
        let known = (*control).header.cmsg_type as u32 == net::SCM_CREDENTIALS;
        let ucred = (*control).credentials;
        Ok(Received {
            sender: Sender {
                pid: if known { ucred.pid } else { 0 },
                user: ucred.uid,
            },
            text,
            more: message.msg_flags & net::MSG_CTRUNC != 0,
        })
    }
}

/// ioctl(2) of a terminal; whether it succeeded.
///
/// # Safety
///
/// The argument must be right for the request.
#[inline(never)]
unsafe fn ioctl(fd: c_int, request: u32, argument: usize) -> bool {
    // SAFETY: upheld by the caller.
    unsafe { syscall(sys::__NR_ioctl, [fd as usize, request as usize, argument]) == 0 }
}

/// The foreground process group of a terminal, as numbered in our PID namespace; 0 if it is outside. None if
/// `fd` is no terminal of ours.
pub fn foreground(fd: c_int) -> Option<Pid> {
    let mut group: Pid = 0;
    // SAFETY: the kernel writes an int.
    let known = unsafe { ioctl(fd, TIOCGPGRP, &raw mut group as usize) };
    if known { Some(group) } else { None }
}

/// Whether this is a terminal.
pub fn is_terminal(fd: c_int) -> bool {
    let mut size = [0_u16; 4];
    // SAFETY: the kernel writes a winsize, which is four short integers.
    unsafe { ioctl(fd, TIOCGWINSZ, &raw mut size as usize) }
}

/// Makes a process group of our session the foreground group of our terminal.
pub fn set_foreground(fd: c_int, group: Pid) -> bool {
    // SAFETY: the kernel reads an int.
    unsafe { ioctl(fd, TIOCSPGRP, &raw const group as usize) }
}

/// Makes a terminal the controlling one of the session that we lead.
pub fn take_terminal(fd: c_int) -> bool {
    // SAFETY: no pointers: the argument says that it is not to be stolen from another session.
    unsafe { ioctl(fd, TIOCSCTTY, 0) }
}

/// Gives up our controlling terminal.
pub fn give_up_terminal(fd: c_int) -> bool {
    // SAFETY: no pointers.
    unsafe { ioctl(fd, TIOCNOTTY, 0) }
}

/// setrlimit(2) as prlimit(2), which has 64 bits everywhere; `u64::MAX` is unlimited.
pub fn set_limit(resource: u32, limit: [u64; 2]) -> Result<(), Errno> {
    let place = limit.as_ptr() as usize;
    // SAFETY: struct rlimit64 is two 64-bit numbers, soft and hard (asm-generic/resource.h).
    done(unsafe { syscall(sys::__NR_prlimit64, [0, resource as usize, place, 0]) })
}

/// getrlimit(2), as [`set_limit`].
pub fn limit(resource: u32) -> [u64; 2] {
    let mut limit = [u64::MAX; 2];
    let place = limit.as_mut_ptr() as usize;
    // SAFETY: as in `set_limit`; the kernel writes both numbers.
    unsafe { syscall(sys::__NR_prlimit64, [0, resource as usize, 0, place]) };
    limit
}

/// setpriority(2) of this process.
pub fn set_priority(nice: i32) -> Result<(), Errno> {
    // SAFETY: numbers only.
    done(unsafe { syscall(sys::__NR_setpriority, [0, 0, nice as usize]) })
}

/// umask(2).
pub fn set_umask(mask: u32) {
    // SAFETY: a number only.
    unsafe { syscall(sys::__NR_umask, [mask as usize]) };
}

/// chdir(2).
pub fn chdir(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path is a C string.
    done(unsafe { syscall(sys::__NR_chdir, [path.as_ptr() as usize]) })
}

// The first calls of 32-bit x86 and arm had 16 bits for a user.
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
use sys::{
    __NR_fchown as FCHOWN, __NR_getgid as GETGID, __NR_getuid as GETUID,
    __NR_setgroups as SETGROUPS, __NR_setresgid as SETRESGID, __NR_setresuid as SETRESUID,
};
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
use sys::{
    __NR_fchown32 as FCHOWN, __NR_getgid32 as GETGID, __NR_getuid32 as GETUID,
    __NR_setgroups32 as SETGROUPS, __NR_setresgid32 as SETRESGID, __NR_setresuid32 as SETRESUID,
};

/// setgroups(2).
pub fn set_groups(groups: &[u32]) -> Result<(), Errno> {
    // SAFETY: the kernel reads as many numbers as there are.
    done(unsafe { syscall(SETGROUPS, [groups.len(), groups.as_ptr() as usize]) })
}

/// setresgid(2) and setresuid(2): real, effective and saved IDs. A process that changes its user has no
/// capability left when it executes a program, which the kernel itself ensures only if root changes its user
/// (capabilities(7)). And our memory, which the child shares until then, is not dumped if the new user sends
/// it a signal that dumps core: by default that depends on /proc/sys/fs/suid_dumpable, and before Linux 5.16
/// a dump ended all processes that shared the memory.
pub fn set_user(user: u32, group: u32) -> Result<(), Errno> {
    let before = own_user().0;
    let (id, group) = (user as usize, group as usize);
    // SAFETY: numbers only. Before Linux 4.3 there is no ambient set.
    unsafe {
        done(syscall(SETRESGID, [group, group, group]))?;
        done(syscall(SETRESUID, [id, id, id]))?;
        if before != user {
            _ = prctl(prctl::PR_SET_DUMPABLE, 0, 0);
            _ = prctl(
                prctl::PR_CAP_AMBIENT,
                prctl::PR_CAP_AMBIENT_CLEAR_ALL as usize,
                0,
            );
        }
    }
    Ok(())
}

/// Our user and our group.
pub fn own_user() -> (u32, u32) {
    // SAFETY: no arguments.
    unsafe { (syscall(GETUID, []) as u32, syscall(GETGID, []) as u32) }
}

/// # Safety
///
/// The arguments must be right for the operation.
#[inline(never)]
unsafe fn prctl(operation: u32, argument: usize, second: usize) -> Result<(), Errno> {
    let arguments = [operation as usize, argument, second, 0, 0];
    // SAFETY: upheld by the caller.
    done(unsafe { syscall(sys::__NR_prctl, arguments) })
}

/// Sets the signal that we get when our parent dies (prctl(2), PR_SET_PDEATHSIG).
pub fn set_parent_death(signal: Signal) {
    // SAFETY: a number only.
    _ = unsafe { prctl(prctl::PR_SET_PDEATHSIG, signal.number().into(), 0) };
}

/// Makes orphans among our descendants come to us; returns whether they will.
pub fn become_subreaper() -> bool {
    // SAFETY: a number only.
    unsafe { prctl(prctl::PR_SET_CHILD_SUBREAPER, 1, 0) }.is_ok()
}

/// Whether orphans among our descendants come to us.
pub fn is_subreaper() -> bool {
    let mut is: c_int = 0;
    // SAFETY: the kernel writes an int.
    _ = unsafe { prctl(prctl::PR_GET_CHILD_SUBREAPER, &raw mut is as usize, 0) };
    is != 0
}

/// From here on no program that is executed grants privileges (prctl(2), PR_SET_NO_NEW_PRIVS).
pub fn no_new_privileges() -> Result<(), Errno> {
    // SAFETY: a number only.
    unsafe { prctl(prctl::PR_SET_NO_NEW_PRIVS, 1, 0) }
}

/// Drops all capabilities but these from the bounding set, and keeps those that we have across a change of
/// user (capabilities(7)).
pub fn bound_capabilities(keep: u64) -> Result<(), Errno> {
    // SAFETY: numbers only.
    unsafe {
        for number in 0..64 {
            if keep >> number & 1 == 0 {
                let read = [prctl::PR_CAPBSET_READ as usize, number, 0, 0, 0];
                // A capability that the kernel does not know is in no set; and dropping one takes a
                // privilege, even if it is not there.
                match answer(syscall(sys::__NR_prctl, read)) {
                    Ok(0) | Err(Errno::INVAL) => (),
                    Ok(_) => prctl(prctl::PR_CAPBSET_DROP, number, 0)?,
                    Err(errno) => return Err(errno),
                }
            }
        }
        prctl(prctl::PR_SET_KEEPCAPS, 1, 0)
    }
}

/// Sets exactly these capabilities: effective, permitted, inheritable and ambient. From here on a process
/// that has no more than these may not look at our memory, since a process that has more shares it: ours,
/// unless we have none at all. A change of user does the same by itself (prctl(2), PR_SET_DUMPABLE).
pub fn set_capabilities(keep: u64) -> Result<(), Errno> {
    // _LINUX_CAPABILITY_VERSION_3, this process (capset(2)).
    let header = [0x2008_0522_u32, 0];
    let (low, high) = (keep as u32, (keep >> 32) as u32);
    let data = [low, low, low, high, high, high];
    let mut before = [u32::MAX; 6];
    // SAFETY: struct __user_cap_header_struct, and two of __user_cap_data_struct; numbers only.
    unsafe {
        let (header, data) = (header.as_ptr() as usize, data.as_ptr() as usize);
        let place = before.as_mut_ptr() as usize;
        syscall(sys::__NR_capget, [header, place]);
        // The effective ones, then the permitted ones.
        if before[1] | before[4] != 0 {
            prctl(prctl::PR_SET_DUMPABLE, 0, 0)?;
        }
        done(syscall(sys::__NR_capset, [header, data]))?;
        for number in 0..64 {
            if keep >> number & 1 != 0 {
                let raise = prctl::PR_CAP_AMBIENT_RAISE as usize;
                prctl(prctl::PR_CAP_AMBIENT, raise, number)?;
            }
        }
    }
    Ok(())
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
    // SAFETY: upheld by the caller.
    let result = unsafe {
        syscall(
            sys::__NR_execve,
            [path as usize, argv as usize, envp as usize],
        )
    };
    errno(result)
}

/// Makes a child that shares our memory, and sleeps until it has exec'ed or ended. The child runs
/// `child(argument)` on our own stack, below what we have on it, as with vfork(2). Returns its number, or an
/// error's negated.
///
/// # Safety
///
/// `child` must leave what it shares with us in order, and must not return.
pub unsafe fn vfork(child: unsafe extern "C" fn(*mut u8) -> !, argument: *mut u8) -> isize {
    // SAFETY: upheld by the caller. Without `nostack` nothing of ours is below the stack pointer, which is
    // aligned for a call; the child never returns into our frame.
    unsafe { clone(child, argument) }
}

/// The child has no stack of its own, and no flag needs the further arguments of clone(2).
pub const VFORK: u32 = sys::CLONE_VM | sys::CLONE_VFORK | sys::SIGCHLD;
