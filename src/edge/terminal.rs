//! The terminal and its foreground group. No error with it is fatal.

use core::ffi::c_int;
use core::mem::take;

use super::raw;
use super::reactor::NONE;
use pidlet::plan;
use pidlet::words::Pid;
use pidlet::words::signal::{Signal, SignalSet};

/// Standard input.
pub const STDIN: c_int = 0;

/// The terminal that one service is given, if there is one. Without one, every operation fails and nothing
/// happens.
pub struct Terminal {
    /// Its descriptor, or [`NONE`].
    fd: c_int,
    /// Our own process group, as numbered in our PID namespace; 0 if it is outside.
    own_group: Pid,
    /// The service's group that we gave the terminal to, or 0.
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

    /// Whether there is one, for a child that the terminal has stopped by this signal: where standard input
    /// is none, as in `x | pidlet less`, it is our controlling one. Ctrl-Z stops only a group that was given
    /// the terminal; one that has not tried to read from it yet was stopped by something else.
    pub fn seek(&mut self, kind: plan::Terminal, signal: Signal) -> bool {
        if self.fd == NONE && kind == plan::Terminal::Stdin && signal != Signal::TSTP {
            *self = Terminal::find(plan::Terminal::Controlling);
        }
        self.fd != NONE
    }

    /// Its descriptor if we are in its foreground, otherwise [`NONE`]: to give it away from the background
    /// would be to steal it from the shell that started us.
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

    /// Takes the terminal back from a child that failed to start, but may have become the foreground group.
    pub fn take(&mut self) {
        raw::set_foreground(self.fd, self.own_group);
    }

    /// Gives a child's group the terminal if it is ours to give, or if the group that has it has died.
    /// Returns whether it did.
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

    /// Takes the terminal back from the group that we gave it to, unless another group has it now.
    #[inline(never)]
    pub fn take_back(&mut self) {
        let given = take(&mut self.given);
        if given != 0 && raw::foreground(self.fd) == Some(given) {
            // Fails if our own group is outside our PID namespace; a shell out there takes the terminal back
            // by itself.
            raw::set_foreground(self.fd, self.own_group);
        }
    }
}

/// Whether standard input is a terminal of ours.
pub fn on_stdin() -> bool {
    raw::foreground(STDIN).is_some()
}

/// Gives up our controlling terminal, so that a child's session can have it (dumb-init). Returns the signals
/// that this makes arrive once: when a session leader lets go of its terminal, the kernel hangs up and
/// continues the foreground group (tty_ioctl(4)).
pub fn detach(own: Pid) -> SignalSet {
    let leader = raw::session_of(0) == own;
    if raw::give_up_terminal(STDIN) && leader {
        SignalSet::NONE.with(Signal::HUP).with(Signal::CONT)
    } else {
        SignalSet::NONE
    }
}

/// Whether we lead our process group: then the job is ours, not that of a program that started us.
pub fn leads_group(own: Pid) -> bool {
    raw::group_of(0) == own
}

/// Stops us, or with 0 our whole group, as the terminal would have done: our parent must see by which signal,
/// since if it is an init itself it leaves alone a child that was stopped by STOP. The kernel does not stop a
/// group that nothing could continue (setpgid(2): orphaned); then we go on at once, and so does our child.
#[inline(never)]
pub fn stop(target: c_int, signal: Signal) {
    _ = raw::kill(target, signal);
    raw::set_signal_mask(SignalSet(!SignalSet::TERMINAL_STOPS.0));
    raw::set_signal_mask(SignalSet::ALL);
    if signal == Signal::TSTP {
        _ = raw::kill(raw::own_pid() as c_int, Signal::CONT);
    }
}
