//! What pidlet has to say, as data. [`crate::voice`] has the words.

use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;

/// One thing to say. What else there is to know of a service, the supervisor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A service runs.
    Started(usize),
    /// A service could not be started; others run.
    NotStarted(usize),
    /// A service ended; noteworthy if it failed and the container goes on.
    Ended(usize, bool),
    /// A signal arrived.
    Received(Signal),
    /// A signal comes out as another.
    Rewritten(Signal, Signal),
    /// A signal was passed on.
    PassedOn(Signal),
    /// A signal was not passed on, as the plan says.
    Dropped(Signal),
    /// A process that is no service of ours ended and was reaped.
    Orphan(Pid, Status),
    /// The stop begins.
    Stopping,
    /// The stop begins after the lame-duck delay.
    LameDuck,
    /// A service did not stop in time and is killed.
    Overdue(usize),
    /// What was left over did not stop in time and is killed.
    LeftOver,
    /// What was left over cannot be found without `/proc`, and stays.
    LeftBehind,
    /// What was killed is still there: it hangs in the kernel.
    Unkillable,
    /// A failure of this service; the container is kept.
    Held(usize),
    /// Neither PID 1 nor a child subreaper: orphans will not come to us.
    NotSubreaper,
    /// A process may not be signalled, or is gone.
    NotSignalled(Pid, Errno),
    /// The end.
    End {
        /// The service whose end or fault it is; none if all ended well.
        service: Option<usize>,
        /// The stop signal that began it.
        signal: Option<Signal>,
        /// The container's exit code.
        code: u8,
    },
}

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: what was asked for.
    Out,
    /// Standard error.
    Err,
}
