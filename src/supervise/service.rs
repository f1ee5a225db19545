//! One service's life, and whether it failed.

use crate::message::Kind;
use crate::plan::{Plan, StartFault, Step, Style};
use crate::words::Pid;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, Span};

/// Where in its life a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started yet.
    Waiting,
    /// It runs.
    Running,
    /// It ended and is not started again.
    Ended(Status),
    /// It could not be started.
    NotStarted(StartFault),
}

/// What is known of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its process; 0 before its start.
    pub pid: Pid,
    /// Where in its life it is.
    pub state: State,
    /// When it was started.
    pub since: Instant,
    /// How long it ran, once it ended.
    pub ran: Span,
    /// The kernel killed something for memory just when it ended.
    pub out_of_memory: bool,
    /// We killed it, because it did not stop within the budget or was told twice.
    pub killed: bool,
    /// Its whole group has had a stop signal.
    pub group_told: bool,
    /// The stop signal that we sent it.
    pub told: Option<Signal>,
}

impl Record {
    /// A service before its start.
    pub const WAITING: Record = Record {
        pid: 0,
        state: State::Waiting,
        since: Instant(0),
        ran: Span::ZERO,
        out_of_memory: false,
        killed: false,
        group_told: false,
        told: None,
    };

    /// Takes note of its end.
    pub(super) fn end(&mut self, now: Instant, status: Status, out_of_memory: bool) {
        self.state = State::Ended(status);
        self.ran = now.since(self.since);
        self.out_of_memory = out_of_memory;
    }

    /// Once it is gone: the exit code that it gives the container, and whether it failed. It did
    /// if it could not be started, or ended otherwise than with 0, an expected code or the signal
    /// that we stopped it with. A shell reports that signal as exit code 128+n, and so does the
    /// Java runtime of itself: that is no failure either.
    pub(super) fn verdict(&self, plan: &Plan) -> Option<(u8, bool)> {
        let (code, as_told) = match self.state {
            State::Waiting | State::Running => return None,
            State::NotStarted(fault) => {
                let code = fault.code(plan.style);
                // tini cannot tell such an end from the program's own.
                let tini = plan.style == Style::Tini;
                (if tini { plan.mapped(code) } else { code }, false)
            }
            State::Ended(status) => {
                let code = status.code();
                let told = self.told.map(|told| Status::Killed(told).code());
                (plan.mapped(code), told == Some(code))
            }
        };
        Some((code, code != 0 && !as_told))
    }

    /// Why it is gone.
    pub fn reason(&self) -> Kind {
        match self.state {
            State::Waiting | State::Running => Kind::AllDone,
            State::NotStarted(fault) => match fault.step {
                Step::Fork => Kind::NotForked,
                Step::Group => Kind::NotGrouped,
                Step::Exec => Kind::NotExecuted,
                Step::Interpreter => Kind::NotInterpreted,
            },
            State::Ended(Status::Exited(_)) => Kind::Exited,
            State::Ended(Status::Killed(Signal::KILL)) if self.killed => Kind::KilledByUs,
            State::Ended(Status::Killed(Signal::KILL)) if self.out_of_memory => {
                Kind::KilledForMemory
            }
            State::Ended(Status::Killed(Signal::KILL)) => Kind::KilledFromOutside,
            State::Ended(Status::Killed(_)) => Kind::Killed,
        }
    }
}
