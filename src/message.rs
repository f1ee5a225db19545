//! What pidlet has to say, as data. [`crate::voice`] has the words.

use crate::plan::{NO_SERVICE, Place};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;

/// What is said. A style has one line for each, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A service runs.
    Started,
    /// No process could be made for a service.
    NotForked,
    /// A service's process could not get a group of its own.
    NotGrouped,
    /// A service's program could not be run.
    NotExecuted,
    /// A service's program is there, but not the interpreter or loader that it names.
    NotInterpreted,
    /// A service exited.
    Exited,
    /// A service was killed by a signal.
    Killed,
    /// We killed a service.
    KilledByUs,
    /// The kernel killed a service for lack of memory.
    KilledForMemory,
    /// A service was killed from outside.
    KilledFromOutside,
    /// Nothing is left to run: the reason where the end is no service's.
    AllDone,
    /// A signal arrived.
    Received,
    /// A signal is rewritten to another.
    Rewritten,
    /// A signal was passed on.
    PassedOn,
    /// A signal was not passed on, as the plan says.
    Dropped,
    /// A process that is no service's exited and was reaped.
    OrphanExited,
    /// The same, but it was killed by a signal.
    OrphanKilled,
    /// The stop begins.
    Stopping,
    /// The stop begins after a lame-duck delay.
    LameDuck,
    /// A service did not stop in time, and is killed.
    Overdue,
    /// Leftover processes did not stop in time, and are killed.
    LeftOver,
    /// Leftover processes cannot be found without `/proc`, and stay.
    LeftBehind,
    /// Killed processes are still there: they hang in the kernel.
    Unkillable,
    /// A service has failed, and the container is held.
    Held,
    /// We are neither PID 1 nor a child subreaper: orphans will not come to us.
    NotSubreaper,
    /// A process could not be signalled: we may not, or it is gone.
    NotSignalled,
    /// The end.
    End,
    /// A service is past its readiness check.
    Up,
    /// A service was not ready in time and is stopped.
    NotReady,
    /// A daemon's launcher did not end in time, and is stopped.
    NotBackground,
    /// A service did not end although it had said that it would, and is stopped.
    NotEnded,
    /// A service is not well and is stopped.
    Unhealthy,
    /// A service's watchdog heard nothing, and the service is stopped.
    NotAlive,
    /// A daemon's pid file does not appear.
    NoPidFile,
    /// A daemon's pid file names a process that is not ours.
    NotOurs,
    /// No process is left that could be the daemon.
    NoDaemon,
    /// A service is started again after a delay.
    Restarting,
    /// A service was started too often, and is not started again.
    TooOften,
    /// A service is never started, because what it is `after` will never be up.
    Skipped,
    /// A service's `finish` command could not be run.
    NotFinished,
    /// The command that checks a service could not be run.
    NotChecked,
    /// What a key of its section says could not be done for a service's process.
    NotSet,
}

/// One thing to say. Whatever else is said of a service, the supervisor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What is said.
    pub kind: Kind,
    /// An exit code: the container's at its end, an orphan's, or that of a service that has failed without
    /// ending the container; else 0.
    pub code: u8,
    /// The number of the signal concerned; 0 for none.
    pub signal: u8,
    /// The signal that it is rewritten to; at the end, the stop signal that caused it; 0 for none.
    pub to: u8,
    /// What went wrong, where the service's record does not say so.
    pub errno: Errno,
    /// The service concerned; at the end, the one whose end or fault caused it; or [`NO_SERVICE`].
    pub service: Place,
    /// A process that is no service's, or any that could not be signalled.
    pub pid: Pid,
}

impl Message {
    /// A message that is about nothing in particular.
    pub const fn of(kind: Kind) -> Message {
        Message {
            kind,
            code: 0,
            signal: 0,
            to: 0,
            errno: Errno(0),
            service: NO_SERVICE,
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

    /// A process that is no service's ended and was reaped.
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

    /// A process could not be signalled.
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
