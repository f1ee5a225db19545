//! The terminal: who is its foreground group. No error of it is fatal.

use core::ffi::c_int;

use super::raw;
use pidlet::plan;
use pidlet::words::Pid;
use pidlet::words::signal::{Signal, SignalSet};
use rustix::fs::{Mode, OFlags, open};

/// Standard input.
pub const STDIN: c_int = 0;

/// The terminal that the only service is given, if there is one.
pub struct Terminal {
    fd: c_int,
    /// Our own process group, as our PID namespace counts: 0 if it is not in it.
    own_group: Pid,
    /// The service's group that has the terminal from us.
    given: Option<Pid>,
}

impl Terminal {
    /// The terminal that the plan means, if it is there.
    pub fn find(kind: plan::Terminal) -> Option<Terminal> {
        let fd = match kind {
            plan::Terminal::None | plan::Terminal::Session => return None,
            plan::Terminal::Stdin => STDIN,
            plan::Terminal::Controlling => {
                let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
                match open(c"/dev/tty", flags, Mode::empty()) {
                    Ok(file) => rustix::fd::IntoRawFd::into_raw_fd(file),
                    Err(_) => STDIN,
                }
            }
        };
        raw::foreground(fd)?;
        Some(Terminal {
            fd,
            own_group: raw::own_group(),
            given: None,
        })
    }

    /// Its descriptor, if we are in its foreground: to give it away from the background would be
    /// to steal it from the shell that we were started from.
    pub fn ours(&self) -> Option<c_int> {
        if raw::foreground(self.fd) == Some(self.own_group) {
            Some(self.fd)
        } else {
            None
        }
    }

    /// The descriptor that leads to it.
    pub fn fd(&self) -> c_int {
        self.fd
    }

    /// A child has made itself the foreground group.
    pub fn given_to(&mut self, pid: Pid) {
        self.given = Some(pid);
    }

    /// A child that could not be started may have made itself the foreground group before.
    pub fn take(&mut self) {
        raw::set_foreground(self.fd, self.own_group);
    }

    /// Gives a child's group the terminal if it is ours to give, or nobody's: the group that has
    /// it may have died.
    pub fn give(&mut self, pid: Pid) -> bool {
        let ours = raw::foreground(self.fd).is_some_and(|group| {
            group == self.own_group || Some(group) == self.given || !raw::is_group(group)
        });
        let given = ours && raw::set_foreground(self.fd, pid);
        if given {
            self.given = Some(pid);
        }
        given
    }

    /// Takes the terminal back from the group that we gave it to, unless somebody else has it now.
    pub fn take_back(&mut self) {
        if let Some(given) = self.given.take() {
            if raw::foreground(self.fd) == Some(given) {
                // Fails where our own group is outside of our PID namespace; whoever is there
                // takes the terminal by himself.
                raw::set_foreground(self.fd, self.own_group);
            }
        }
    }
}

/// Whether standard input is a terminal of ours.
pub fn on_stdin() -> bool {
    raw::foreground(STDIN).is_some()
}

/// Gives up our controlling terminal, so that a child's session can have it (dumb-init). What is
/// returned are the signals that come once because of that: the kernel hangs up and continues the
/// foreground group of a session leader who lets go of the terminal (tty_ioctl(4)).
pub fn detach(own: Pid) -> SignalSet {
    let leader = raw::own_session() == own;
    if raw::give_up_terminal(STDIN) && leader {
        SignalSet::NONE.with(Signal::HUP).with(Signal::CONT)
    } else {
        SignalSet::NONE
    }
}

/// Whether we lead our process group: then it is our own job, and nobody else's.
pub fn leads_group(own: Pid) -> bool {
    raw::own_group() == own
}
