//! Signals for everything that is left. As PID 1 that is everybody in our namespace (kill(2): -1).
//! Otherwise it is our own descendants and never anybody else's process: found by walking `/proc`
//! from each process up to us, and signalled through a descriptor where the kernel has them, so
//! that a number that changed hands meanwhile hits nobody.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fs::{Mode, OFlags, RawDir, open};

use super::raw;
use pidlet::words::Pid;
use pidlet::words::signal::Signal;
use pidlet::words::text::{self, Line};

/// How deep a family tree is followed: a loop of numbers that change hands must end.
const DEPTH_MAX: u32 = 1024;

/// Sends `signal`, and CONT after TERM since a stopped process would never see it, to everything
/// that is left but the members of groups that `spared` knows. False if we cannot see `/proc`.
pub fn signal(own: Pid, signal: Signal, any_spared: bool, spared: &dyn Fn(Pid) -> bool) -> bool {
    if own == 1 && !any_spared {
        // With nobody left it fails, and that is as well.
        let _ = raw::kill(-1, signal);
        if signal == Signal::TERM {
            let _ = raw::kill(-1, Signal::CONT);
        }
        return true;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = open(c"/proc", flags, Mode::empty()) else {
        return false;
    };
    if stat(own).is_none() || !is_own_proc(own) {
        return false;
    }
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let number = text::number(entry.file_name().to_bytes());
        let Some(pid) = number.and_then(|number| Pid::try_from(number).ok()) else {
            continue;
        };
        if pid != own && pid != 1 {
            signal_descendant(pid, own, signal, spared);
        }
    }
    true
}

fn signal_descendant(pid: Pid, own: Pid, signal: Signal, spared: &dyn Fn(Pid) -> bool) {
    // Opened first: from now on the descriptor and what we read of it are of one process, or the
    // signal goes nowhere.
    let fd = raw::pidfd_open(pid).ok();
    if descends(pid, own, spared) {
        let send = |signal| match fd {
            Some(fd) => raw::pidfd_send_signal(fd, signal),
            None => raw::kill_child(pid, false, signal),
        };
        // Gone meanwhile, or not ours to signal any more: a program that changed its user.
        let _ = send(signal);
        if signal == Signal::TERM {
            let _ = send(Signal::CONT);
        }
    }
    if let Some(fd) = fd {
        raw::close(fd);
    }
}

/// Whether a process descends from us and is not in a group that is spared.
fn descends(pid: Pid, own: Pid, spared: &dyn Fn(Pid) -> bool) -> bool {
    let Some((mut parent, group)) = stat(pid) else {
        return false;
    };
    if spared(group) {
        return false;
    }
    for _ in 0..DEPTH_MAX {
        if parent == own {
            return true;
        }
        match stat(parent) {
            Some((next, _)) if next != 0 => parent = next,
            _ => return false,
        }
    }
    false
}

/// The parent and the process group of a process, from `/proc/PID/stat` (proc_pid_stat(5)).
fn stat(pid: Pid) -> Option<(Pid, Pid)> {
    let mut path = Line::new();
    path.put("/proc/").put_number(pid.into()).put("/stat\0");
    let path = CStr::from_bytes_until_nul(path.end()).ok()?;
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut buffer = [0; 256];
    let len = rustix::io::read(&file, &mut buffer).ok()?;
    // The name in parentheses may hold anything, further parentheses included.
    let end = buffer[..len].iter().rposition(|byte| *byte == b')')?;
    let mut fields = buffer[end..len].split(|byte| *byte == b' ').skip(2);
    let mut field = || text::number(fields.next()?).map(|number| number as Pid);
    Some((field()?, field()?))
}

/// Whether `/proc` shows our own PID namespace, and not the one that it was mounted in.
fn is_own_proc(own: Pid) -> bool {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 32];
    match rustix::fs::readlinkat_raw(rustix::fs::CWD, c"/proc/self", &mut buffer) {
        Ok((target, _)) => text::number(target) == Some(own.into()),
        Err(_) => false,
    }
}
