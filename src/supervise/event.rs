//! What the supervisor is told, and what it answers: the language between it and the edge, which acts for it.

#[cfg(doc)]
use super::{State, Supervisor};
use crate::message::Message;
use crate::plan::{Place, StartFault};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, Span};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The start that [`Supervisor::next`] asked for: its process, or why there is none.
    Launched(Result<Pid, StartFault>),
    /// A child ended. It is reaped after this step if [`Supervisor::must_keep_zombies`], else before it.
    Ended {
        /// Which.
        pid: Pid,
        /// How.
        status: Status,
        /// Since this was last asked, the kernel has killed something for lack of memory.
        out_of_memory: bool,
    },
    /// A signal of the terminal stopped the process of the service that has the terminal.
    Stopped(Pid, Signal),
    /// Zombies have been reaped: all, or as many as are reaped at a time.
    Reaped {
        /// Whether any child of ours is left, or may be.
        left: bool,
    },
    /// A signal arrived.
    Signal {
        /// Which.
        signal: Signal,
        /// The kernel sent it: a key was pressed, or the terminal was resized or hung up.
        from_kernel: bool,
        /// It is the signal of `--parent-death`, and the parent is gone.
        parent_died: bool,
    },
    /// The processes that [`Action::SignalLeftovers`] is meant for cannot be found: there is no `/proc`.
    OutOfReach,
    /// The outcome of an [`Action::Check`].
    Checked(Place, Finding),
    /// A service said something on its readiness pipe or its notify socket.
    Noticed(Place, Notice),
    /// Time has passed. Only this event makes deadlines take effect, so everything that happened before it
    /// must be told first, however late that is.
    Time,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be.
    Good,
    /// It is not, and why; of a pid file: it is missing, or holds no number.
    Bad(Errno),
    /// The pid file names a process that is not our child.
    NotOurs,
    /// We have no child left that the pid file could come to name.
    NoChild,
    /// The pid file names this child of ours, which may be another service's process.
    Main(Pid),
}

impl Finding {
    /// A file is not there.
    pub const MISSING: Finding = Finding::Bad(Errno::NOENT);
}

/// What a service says of itself (s6's notification-fd, sd_notify(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is ready: a newline on its descriptor, or `READY=1`.
    Ready,
    /// `STOPPING=1`: it ends of its own accord.
    Stopping,
    /// `WATCHDOG=1`: it is alive.
    Alive,
    /// `WATCHDOG=trigger`: it is not.
    Trigger,
    /// `EXTEND_TIMEOUT_USEC=`: what it is doing may take this long, counted from now.
    Extend(Span),
    /// `WATCHDOG_USEC=`: from now on the watchdog waits this long.
    Watchdog(Span),
    /// `MAINPID=`: this child of ours is its process, unless it is another service's.
    Main(Pid),
    /// The same, of a process that is not our child yet.
    Successor(Pid),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Check a service once, and report with [`Event::Checked`]: its pid file while it is
    /// [`State::Launched`], else its readiness until it is up, and its health from then on.
    Check(Place),
    /// Give that check up: its outcome no longer matters.
    Uncheck(Place),
    /// Send a signal to a child that has not been reaped.
    Signal {
        /// Its process.
        pid: Pid,
        /// To its whole process group, not only to the process.
        group: bool,
        /// Which signal.
        signal: Signal,
    },
    /// Close the standard input that other services wrote to, so that the service that reads it sees its end.
    CloseInput(Place),
    /// Send CONT to a child if it is stopped, since it would never see its stop signal.
    Wake(Pid),
    /// Send TERM or KILL to everything that is left: as PID 1 that is every process, else our descendants.
    /// CONT follows TERM; the groups that [`Supervisor::was_told`] knows have had TERM, and get CONT alone.
    SignalLeftovers(Signal),
    /// Reap zombies, and report with [`Event::Reaped`].
    Look,
    /// Give a child's group the terminal and, if that worked, send it CONT.
    Foreground(Pid),
    /// The terminal stopped a child: stop ourselves along with it, where that is ours to do.
    Suspend(Pid, Signal),
    /// We were continued: if we have the terminal, give it to a child's group before that gets CONT.
    Resume(Pid),
    /// Stop ourselves with this signal.
    StopSelf(Signal),
    /// Say something.
    Say(Message),
    /// Tell whatever supervises us, through our own `NOTIFY_SOCKET`.
    Announce(News),
}

/// What is reported upwards (sd_notify(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// All essential services are up.
    Ready,
    /// The stop has begun.
    Stopping,
}

/// What the edge must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Start this service, or its `finish` command while it is [`State::Finishing`], and report
    /// with [`Event::Launched`].
    Start(Place),
    /// Wait for an event, until this time at the latest.
    Wait(Instant),
    /// Exit with this code.
    Exit(u8),
}
