//! What the supervisor is told, and what it answers: the language between it and whoever acts for it.

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
    /// What [`Supervisor::next`] named was to be started: its process, or why there is none.
    Launched(Result<Pid, StartFault>),
    /// A child ended. If [`Supervisor::needs_zombies`], it is reaped after this step.
    Ended {
        /// Which.
        pid: Pid,
        /// How.
        status: Status,
        /// The kernel has killed something for memory since the last time.
        out_of_memory: bool,
    },
    /// The process of the service that has the terminal was stopped by a signal of the terminal.
    Stopped(Pid, Signal),
    /// Every zombie there was has been reaped.
    Reaped {
        /// Whether we have a child left.
        left: bool,
    },
    /// A signal arrived.
    Signal {
        /// Which.
        signal: Signal,
        /// The kernel sent it: a key was pressed, a terminal was resized or hung up.
        from_kernel: bool,
        /// It is `--parent-death`'s, and the parent is gone.
        parent_died: bool,
    },
    /// What [`Action::Rest`] means cannot be found: there is no `/proc`.
    OutOfReach,
    /// What [`Action::Check`] asked for has been found out.
    Checked(Place, Finding),
    /// A service said something on its readiness pipe or its notify socket.
    Noticed(Place, Notice),
    /// Time passed. Only this has a deadline come: all that happened before it must be told first, however
    /// late that is.
    Time,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be.
    Good,
    /// It is not, and why; of a pid file: it is not there, or not a number.
    Bad(Errno),
    /// The pid file names a process that is not our child.
    Stranger,
    /// We have no child that the pid file could come to name.
    Nobody,
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
    /// `EXTEND_TIMEOUT_USEC=`: what it does now may take this long from now on.
    Extend(Span),
    /// `WATCHDOG_USEC=`: from now on the watchdog waits this long.
    Watchdog(Span),
    /// `MAINPID=`: this child of ours is its process, unless it is another service's.
    Main(Pid),
    /// The same of a process that is not our child yet.
    Heir(Pid),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Check a service once, and report with [`Event::Checked`]: its pid file while it is
    /// [`State::Launched`], its readiness before it is up, else its health.
    Check(Place),
    /// Give that check up: what it finds is of no interest any more.
    Uncheck(Place),
    /// Send a signal to a child that has not been reaped.
    Signal {
        /// Its process.
        pid: Pid,
        /// To its whole process group.
        group: bool,
        /// Which signal.
        signal: Signal,
    },
    /// Close the standard input that other services had: whoever reads it comes to its end.
    CloseInput(Place),
    /// Send CONT to a child if it is stopped: it would never see its stop signal.
    Wake(Pid),
    /// Send TERM or KILL to everything that is left: as PID 1 that is everybody, else our descendants. After
    /// TERM goes CONT, and the groups that [`Supervisor::was_told`] knows have had it.
    Rest(Signal),
    /// Reap what there is, and report with [`Event::Reaped`].
    Look,
    /// Give a child's group the terminal, and CONT if that worked.
    Foreground(Pid),
    /// The terminal stopped a child: stop ourselves with it, if that is for us to do.
    Suspend(Pid, Signal),
    /// We go on: give a child's group the terminal if we have it, before it gets CONT.
    Resume(Pid),
    /// Stop ourselves by this signal.
    StopSelf(Signal),
    /// Say something.
    Say(Message),
    /// Tell whoever watches us, at our own `NOTIFY_SOCKET`.
    Announce(News),
}

/// What is told upward (sd_notify(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// All essential services are up.
    Ready,
    /// The stop has begun.
    Stopping,
}

/// What the edge is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Start this service, or its `finish` command while it is [`State::Finishing`], and report
    /// with [`Event::Launched`].
    Start(Place),
    /// Wait for an event, at the longest until then.
    Wait(Instant),
    /// Leave with this exit code.
    Exit(u8),
}
