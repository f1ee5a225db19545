//! What pidlet has to say, as data. [`crate::voice`] has the words.

use crate::plan::{NOBODY, Place};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;

/// What is said: the lines of a style, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A service runs.
    Started,
    /// No process could be made for a service.
    NotForked,
    /// A service's process got no group of its own.
    NotGrouped,
    /// A service's program could not be run.
    NotExecuted,
    /// A service's program is there, but not what it names to load it.
    NotInterpreted,
    /// A service ended of itself.
    Exited,
    /// A signal ended a service.
    Killed,
    /// We killed a service.
    KilledByUs,
    /// The kernel killed a service for memory.
    KilledForMemory,
    /// Somebody else killed a service.
    KilledFromOutside,
    /// Nothing is left to run; the reason of an end that is no service's.
    AllDone,
    /// A signal arrived.
    Received,
    /// A signal comes out as another.
    Rewritten,
    /// A signal was passed on.
    PassedOn,
    /// A signal was not passed on, as the plan says.
    Dropped,
    /// A process that is no service of ours ended and was reaped.
    OrphanExited,
    /// The same, by a signal.
    OrphanKilled,
    /// The stop begins.
    Stopping,
    /// The stop begins after the lame-duck delay.
    LameDuck,
    /// A service did not stop in time and is killed.
    Overdue,
    /// What was left over did not stop in time and is killed.
    LeftOver,
    /// What was left over cannot be found without `/proc`, and stays.
    LeftBehind,
    /// What was killed is still there: it hangs in the kernel.
    Unkillable,
    /// A failure of this service; the container is kept.
    Held,
    /// Neither PID 1 nor a child subreaper: orphans will not come to us.
    NotSubreaper,
    /// A process may not be signalled, or is gone.
    NotSignalled,
    /// The end.
    End,
    /// A service is past its readiness check.
    Up,
    /// A service was not ready in time and is stopped.
    NotReady,
    /// What starts a daemon did not end in time and is stopped.
    NotBackground,
    /// A service has not ended as it said that it would, and is stopped.
    NotEnded,
    /// A service is not well and is stopped.
    Unhealthy,
    /// A service's watchdog heard nothing of it; it is stopped.
    NotAlive,
    /// A daemon's pid file does not appear.
    NoPidFile,
    /// A daemon's pid file names a process that is not ours.
    Stranger,
    /// Nothing runs that could be the daemon.
    NoDaemon,
    /// A service is started again after a delay.
    Again,
    /// A service was started too often, and is not started again.
    TooOften,
    /// A service is never started, since what it is `after` will never be up.
    Skipped,
    /// A service's `finish` command could not be run.
    NotFinished,
    /// A command that is to check a service could not be run.
    NotChecked,
    /// What a key of its section says could not be done for a service.
    NotSet,
}

/// One thing to say. What else there is to know of a service, the supervisor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What is said.
    pub kind: Kind,
    /// An exit code: the container's at its end, an orphan's, or that of a service that failed
    /// while the container goes on; else 0.
    pub code: u8,
    /// The number of the signal that it is about; 0 for none.
    pub signal: u8,
    /// The signal that it is rewritten to; at the end the stop signal that began it; 0 for none.
    pub to: u8,
    /// What went wrong with a process that is no service's.
    pub errno: Errno,
    /// The service that it is about, at the end the one whose end or fault it is, or [`NOBODY`].
    pub service: Place,
    /// A process that is no service's.
    pub pid: Pid,
}

impl Message {
    /// A message that is about nothing else.
    pub const fn of(kind: Kind) -> Message {
        Message {
            kind,
            code: 0,
            signal: 0,
            to: 0,
            errno: Errno(0),
            service: NOBODY,
            pid: 0,
        }
    }

    /// A message about a service.
    pub const fn about(kind: Kind, service: Place) -> Message {
        Message {
            service,
            ..Message::of(kind)
        }
    }

    /// A message about a signal.
    pub const fn of_signal(kind: Kind, signal: Signal) -> Message {
        Message {
            signal: signal.number(),
            ..Message::of(kind)
        }
    }

    /// A process that is no service of ours ended and was reaped.
    pub const fn orphan(pid: Pid, status: Status) -> Message {
        let (kind, code, signal) = match status {
            Status::Exited(code) => (Kind::OrphanExited, code, 0),
            Status::Killed(signal) => (Kind::OrphanKilled, 0, signal.number()),
        };
        Message {
            code,
            signal,
            pid,
            ..Message::of(kind)
        }
    }

    /// A process may not be signalled, or is gone.
    pub const fn not_signalled(pid: Pid, errno: Errno) -> Message {
        Message {
            pid,
            errno,
            ..Message::of(Kind::NotSignalled)
        }
    }
}

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: what was asked for.
    Out,
    /// Standard error.
    Err,
}
