//! The terminal: who is its foreground group. No error of it is fatal.

use core::ffi::c_int;
use core::mem::take;

use super::raw;
use super::reactor::NONE;
use pidlet::plan;
use pidlet::words::Pid;
use pidlet::words::signal::{Signal, SignalSet};

/// Standard input.
pub const STDIN: c_int = 0;

/// The terminal that the only service is given, if there is one. Where there is none nothing can be
/// done with it, and nothing happens.
pub struct Terminal {
    /// Its descriptor, or [`NONE`].
    fd: c_int,
    /// Our own process group, as our PID namespace counts: 0 if it is not in it.
    own_group: Pid,
    /// The service's group that has the terminal from us, or 0.
    given: Pid,
}

impl Terminal {
    /// The terminal that the plan means, if it is there.
    pub fn find(kind: plan::Terminal) -> Terminal {
        let mut fd = match kind {
            plan::Terminal::None | plan::Terminal::Session => NONE,
            plan::Terminal::Stdin => STDIN,
            plan::Terminal::Controlling => raw::open(c"/dev/tty", 0).max(STDIN),
        };
        let mut own_group = 0;
        if fd != NONE {
            match raw::foreground(fd) {
                Some(_) => own_group = raw::group_of(0),
                None => fd = NONE,
            }
        }
        Terminal {
            fd,
            own_group,
            given: 0,
        }
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.fd != NONE
    }

    /// Whether there is one, for a child that the terminal has stopped by this signal: where standard
    /// input is none, as in `x | pidlet less`, it is our controlling one. Ctrl-Z stops only whom we have
    /// given it to; who has not wanted to read there yet was stopped by somebody else.
    pub fn seek(&mut self, kind: plan::Terminal, signal: Signal) -> bool {
        if self.fd == NONE && kind == plan::Terminal::Stdin && signal != Signal::TSTP {
            *self = Terminal::find(plan::Terminal::Controlling);
        }
        self.fd != NONE
    }

    /// Its descriptor, if we are in its foreground: to give it away from the background would be
    /// to steal it from the shell that we were started from. Else [`NONE`].
    pub fn ours(&self) -> c_int {
        if self.is_there() && raw::foreground(self.fd) == Some(self.own_group) {
            self.fd
        } else {
            NONE
        }
    }

    /// The descriptor that leads to it, or [`NONE`].
    pub fn fd(&self) -> c_int {
        self.fd
    }

    /// A child has made itself the foreground group.
    pub fn given_to(&mut self, pid: Pid) {
        self.given = pid;
    }

    /// A child that could not be started may have made itself the foreground group before.
    pub fn take(&mut self) {
        raw::set_foreground(self.fd, self.own_group);
    }

    /// Gives a child's group the terminal if it is ours to give, or nobody's: the group that has
    /// it may have died.
    #[inline(never)]
    pub fn give(&mut self, pid: Pid) -> bool {
        let ours = raw::foreground(self.fd).is_some_and(|group| {
            group == self.own_group || group == self.given && group != 0 || !raw::is_group(group)
        });
        let given = ours && raw::set_foreground(self.fd, pid);
        if given {
            self.given = pid;
        }
        given
    }

    /// Takes the terminal back from the group that we gave it to, unless somebody else has it now.
    #[inline(never)]
    pub fn take_back(&mut self) {
        let given = take(&mut self.given);
        if given != 0 && raw::foreground(self.fd) == Some(given) {
            // Fails where our own group is outside of our PID namespace; whoever is there takes
            // the terminal by himself.
            raw::set_foreground(self.fd, self.own_group);
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
    let leader = raw::session_of(0) == own;
    if raw::give_up_terminal(STDIN) && leader {
        SignalSet::NONE.with(Signal::HUP).with(Signal::CONT)
    } else {
        SignalSet::NONE
    }
}

/// Whether we lead our process group: then it is our own job, and nobody else's.
pub fn leads_group(own: Pid) -> bool {
    raw::group_of(0) == own
}

/// Stops us, or with 0 our whole group, as the terminal would have done: whoever waits for us must see
/// by which signal, since one who is an init himself leaves a child alone that somebody stopped by STOP.
/// The kernel does not stop a group that nobody could continue (setpgid(2)); then we go on at once, and
/// so does our child.
#[inline(never)]
pub fn stop(target: c_int, signal: Signal) {
    _ = raw::kill(target, signal);
    raw::set_signal_mask(SignalSet(!SignalSet::TERMINAL_STOPS.0));
    raw::set_signal_mask(SignalSet::ALL);
    if signal == Signal::TSTP {
        _ = raw::kill(raw::own_pid() as c_int, Signal::CONT);
    }
}
