//! One service's life, and whether it failed.

use super::Supervisor;
use crate::plan::{StartFault, Style};
use crate::words::Pid;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, Span};

/// How a service ended, with what is known about why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How.
    pub status: Status,
    /// How long it ran.
    pub ran: Span,
    /// The kernel killed something for memory just then.
    pub out_of_memory: bool,
    /// We killed it, because it did not stop within the budget or was told twice.
    pub killed_by_us: bool,
}

/// Where in its life a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started yet.
    Waiting,
    /// It runs.
    Running {
        /// Since then.
        since: Instant,
    },
    /// It ended and is not started again.
    Ended(End),
    /// It could not be started.
    NotStarted(StartFault),
}

/// What is known of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its process, or its last one; 0 before the first.
    pub pid: Pid,
    pub state: State,
    /// The stop signal that we sent it.
    pub told: Option<Signal>,
    /// Its whole group has had a stop signal.
    pub group_told: bool,
    /// We killed it.
    pub killed: bool,
}

impl Record {
    pub const WAITING: Record = Record {
        pid: 0,
        state: State::Waiting,
        told: None,
        group_told: false,
        killed: false,
    };

    /// Takes note of its end.
    pub fn end(&mut self, now: Instant, status: Status, out_of_memory: bool) {
        let since = match self.state {
            State::Running { since } => since,
            _ => now,
        };
        let killed_by_us = self.killed && status == Status::Killed(Signal::KILL);
        let ran = now.since(since);
        self.state = State::Ended(End {
            status,
            ran,
            out_of_memory,
            killed_by_us,
        });
    }
}

impl Supervisor<'_> {
    /// Whether a service that is gone failed: it could not be started, or it ended otherwise than
    /// with 0, an expected code or the signal that we stopped it with. A shell reports that signal
    /// as exit code 128+n, and so does the Java runtime of itself: that is no failure either.
    pub(super) fn failed(&self, service: usize) -> bool {
        let record = &self.services[service];
        match record.state {
            State::Waiting | State::Running { .. } => false,
            State::NotStarted(_) => true,
            State::Ended(end) => {
                let code = end.status.code();
                let as_told = record
                    .told
                    .is_some_and(|told| Status::Killed(told).code() == code);
                !self.plan.expected(code) && !as_told
            }
        }
    }

    /// The exit code that a service gives the container, if it is gone.
    pub(super) fn code(&self, service: usize) -> Option<u8> {
        match self.services.get(service)?.state {
            State::Waiting | State::Running { .. } => None,
            State::NotStarted(fault) => {
                let code = fault.code(self.plan.style);
                // tini cannot tell such an end from the program's own.
                let tini = self.plan.style == Style::Tini;
                Some(if tini { self.plan.mapped(code) } else { code })
            }
            State::Ended(end) => Some(self.plan.mapped(end.status.code())),
        }
    }
}
