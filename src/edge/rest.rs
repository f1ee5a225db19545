//! Signals for everything that is left. As PID 1 that is everybody in our namespace (kill(2): -1).
//! Otherwise it is our own descendants and never anybody else's process: found by walking `/proc`
//! from each process up to us, and signalled through a descriptor where the kernel has them, so
//! that a number that changed hands meanwhile hits nobody.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use super::{files, raw};
use pidlet::supervise::Supervisor;
use pidlet::text;
use pidlet::words::Pid;
use pidlet::words::packed::Text;
use pidlet::words::signal::Signal;
use pidlet::words::text::{self, Line, cut};

/// How deep a family tree is followed: a loop of numbers that change hands must end.
const DEPTH_MAX: u32 = 1024;

/// What is sent, by whom, and who is spared.
pub struct Farewell<'s, 'p> {
    /// Our own process.
    pub own: Pid,
    /// The signal. CONT follows TERM, since a stopped process would never see it.
    pub signal: Signal,
    /// Whose groups are spared that [`Supervisor::was_told`] knows, if anybody's are.
    pub told: Option<&'s Supervisor<'p>>,
}

impl Farewell<'_, '_> {
    /// Sends it to everything that is left but those who are spared. False if we cannot see
    /// `/proc`.
    pub fn send(&self) -> bool {
        if self.own == 1 && !self.told.is_some_and(Supervisor::told_any) {
            // With nobody left it fails, and that is as well.
            self.by(|signal| _ = raw::kill(-1, signal));
            return true;
        }
        if stat(self.own).is_none() || !is_own_proc(self.own) {
            return false;
        }
        files::numbers(c"/proc", &mut |pid, _| {
            if pid != self.own && pid != 1 {
                self.send_to(pid);
            }
        })
    }

    fn send_to(&self, pid: Pid) {
        // Opened first: from now on the descriptor and what we read of it are of one process, or
        // the signal goes nowhere.
        let fd = raw::pidfd_open(pid).ok();
        if self.concerns(pid) {
            // Gone meanwhile, or not ours to signal any more: a program that changed its user.
            self.by(|signal| {
                _ = match fd {
                    Some(fd) => raw::pidfd_send_signal(fd, signal),
                    None => raw::kill_child(pid, false, signal),
                }
            });
        }
        if let Some(fd) = fd {
            raw::close(fd);
        }
    }

    fn by(&self, kill: impl Fn(Signal)) {
        kill(self.signal);
        if self.signal == Signal::TERM {
            kill(Signal::CONT);
        }
    }

    /// Whether a process descends from us and is not in a group that is spared.
    fn concerns(&self, pid: Pid) -> bool {
        let Some((mut parent, group)) = stat(pid) else {
            return false;
        };
        if self.told.is_some_and(|told| told.was_told(group)) {
            return false;
        }
        for _ in 0..DEPTH_MAX {
            if parent == self.own {
                return true;
            }
            match stat(parent) {
                Some((next, _)) if next != 0 => parent = next,
                _ => return false,
            }
        }
        false
    }
}

/// The parent and the process group of a process, from `/proc/PID/stat` (proc_pid_stat(5)).
fn stat(pid: Pid) -> Option<(Pid, Pid)> {
    let mut path = Line::new();
    path.put(text!("/proc/"))
        .put_number(pid.into())
        .put(Text::plain("/stat\0"));
    // SAFETY: it ends with a NUL.
    let path = unsafe { CStr::from_bytes_with_nul_unchecked(path.text()) };
    let mut buffer = [0; 256];
    let text = files::read(path, &mut buffer)?;
    // The name in parentheses may hold anything, further parentheses included. The state is next.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let (_, rest) = cut(text.get(end + 2..)?, b' ');
    let (parent, rest) = cut(rest, b' ');
    let (group, _) = cut(rest, b' ');
    Some((text::number(parent)? as Pid, text::number(group)? as Pid))
}

/// Whether `/proc` shows our own PID namespace, and not the one that it was mounted in.
fn is_own_proc(own: Pid) -> bool {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 32];
    match rustix::fs::readlinkat_raw(rustix::fs::CWD, c"/proc/self", &mut buffer) {
        Ok((target, _)) => text::number(target) == Some(own.into()),
        Err(_) => false,
    }
}
