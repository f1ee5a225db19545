//! One service's life, and whether it failed.

use crate::message::Kind;
use crate::plan::{NOBODY, Place, Plan, StartFault, Step, Style};
use crate::words::Pid;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, NEVER, Span};

/// Where in its life a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is to start, now or when what it waits for is up.
    Waiting,
    /// It runs.
    Running,
    /// The daemon's launcher has ended well, and its pid file is waited for.
    Launched,
    /// Its process is gone, and its `finish` command is to run or runs.
    Finishing,
    /// It is started again after a delay.
    Delayed,
    /// It is not started again.
    Gone,
}

/// How a service's last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Not yet.
    None,
    /// Its process ended.
    Process(Status),
    /// It could not be started.
    NotStarted(StartFault),
    /// It was never started: what it is `after` will never be up, and gave this code.
    Skipped(u8),
}

/// What is known of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its process, or that of its `finish` command; 0 before its start.
    pub pid: Pid,
    /// Its own process in its last run.
    pub main: Pid,
    /// Where in its life it is.
    pub state: State,
    /// How its last run ended.
    pub end: End,
    /// It is up, or done: past its readiness check.
    pub up: bool,
    /// What is wrong with it, so that we stopped it.
    pub fault: Option<Kind>,
    /// The kernel killed something for memory just when it ended.
    pub out_of_memory: bool,
    /// We killed it, because it did not stop within its time or was told twice.
    pub killed: bool,
    /// Its whole group has had a stop signal.
    pub group_told: bool,
    /// The last stop signal that we sent it.
    pub told: Option<Signal>,
    /// When it was started.
    pub since: Instant,
    /// How long it ran, once it ended.
    pub ran: Span,
    /// The delay before it is started again; while it runs, between two checks.
    pub delay: Span,
    /// What it is `after` and that will never be up.
    pub cause: Place,

    /// It was up once: what waited for it waits no more.
    pub(super) was_up: bool,
    /// A check of it goes on.
    pub(super) checking: bool,
    /// Others write to its standard input: it ends when that ends.
    pub(super) fed: bool,
    /// It has been given the time to read all of it.
    pub(super) ending: bool,
    /// How many of those others are not gone.
    pub(super) feeders: Place,
    /// It said that it is ready before we know its process.
    pub(super) said_ready: bool,
    /// Its process is the one that its pid file or it itself named.
    pub(super) has_main: bool,
    /// Its pid file names a process that is not ours.
    pub(super) stranger: bool,
    /// When its patience ends: to be up, for the watchdog, to stop, or to wait.
    pub(super) limit: Instant,
    /// When it is checked next, or the check takes too long.
    pub(super) check_at: Instant,
    /// How often its watchdog must hear of it; nothing: it has none.
    pub(super) watchdog: Span,
    /// When the starts that `tries` counts began.
    pub(super) counted_from: Instant,
    /// How many these are.
    pub(super) starts: u16,
    /// How often in a row it died quickly; while it is up, how many checks failed in a row.
    pub(super) quick: u16,
    pub(super) sick: u16,
    /// How many stop signals of its own it has had.
    pub(super) steps: u8,
    /// How many that it is `after` are not up yet.
    pub(super) waits: Place,
    /// How many that are `after` it are not down yet.
    pub(super) holds: Place,
    /// The next in the queue that it is in.
    pub(super) link: Place,
    /// Where it is among the timers.
    pub(super) slot: Place,
}

impl Record {
    /// A service before its start.
    pub const WAITING: Record = Record {
        pid: 0,
        main: 0,
        state: State::Waiting,
        end: End::None,
        up: false,
        fault: None,
        out_of_memory: false,
        killed: false,
        group_told: false,
        told: None,
        since: Instant(0),
        ran: Span::ZERO,
        delay: Span::ZERO,
        cause: NOBODY,
        was_up: false,
        checking: false,
        fed: false,
        ending: false,
        feeders: 0,
        said_ready: false,
        has_main: false,
        stranger: false,
        limit: NEVER,
        check_at: NEVER,
        watchdog: Span::ZERO,
        counted_from: Instant(0),
        starts: 0,
        quick: 0,
        sick: 0,
        steps: 0,
        waits: 0,
        holds: 0,
        link: NOBODY,
        slot: NOBODY,
    };

    /// Takes note of the end of its process.
    pub(super) fn ended(&mut self, now: Instant, status: Status, out_of_memory: bool) {
        self.end = End::Process(status);
        self.ran = now.since(self.since);
        self.out_of_memory = out_of_memory;
    }

    /// Whether something of it is there that takes time to end.
    pub(super) fn busy(&self) -> bool {
        matches!(self.state, State::Running | State::Finishing)
    }

    /// Once it has ended: the exit code that it gives the container, and whether it failed. It did
    /// if it could not be started, had to be stopped for a fault, or ended otherwise than with 0,
    /// an expected code or the signal that we stopped it with. A shell reports that signal as exit
    /// code 128+n, and so does the Java runtime of itself: that is no failure either.
    pub(super) fn verdict(&self, plan: &Plan) -> Option<(u8, bool)> {
        let (code, as_told) = match self.end {
            End::None => return None,
            End::Skipped(code) => (code.max(1), false),
            End::NotStarted(fault) => {
                let code = fault.code(plan.style);
                // tini cannot tell such an end from the program's own.
                let tini = plan.style == Style::Tini;
                (if tini { plan.mapped(code) } else { code }, false)
            }
            End::Process(status) if self.fault.is_some() => (status.code().max(1), false),
            End::Process(status) => {
                let code = status.code();
                let told = self.told.map(|told| Status::Killed(told).code());
                (plan.mapped(code), told == Some(code))
            }
        };
        Some((code, code != 0 && !as_told))
    }

    /// Why it is gone.
    pub fn reason(&self) -> Kind {
        match self.end {
            End::None => Kind::AllDone,
            End::Skipped(_) => Kind::Skipped,
            End::NotStarted(fault) => match fault.step {
                Step::Fork => Kind::NotForked,
                Step::Group => Kind::NotGrouped,
                Step::Key(_) => Kind::NotSet,
                Step::Exec => Kind::NotExecuted,
                Step::Interpreter => Kind::NotInterpreted,
            },
            End::Process(_) if self.fault.is_some() => self.fault.unwrap_or(Kind::AllDone),
            End::Process(Status::Exited(_)) => Kind::Exited,
            End::Process(Status::Killed(Signal::KILL)) if self.killed => Kind::KilledByUs,
            End::Process(Status::Killed(Signal::KILL)) if self.out_of_memory => {
                Kind::KilledForMemory
            }
            End::Process(Status::Killed(Signal::KILL)) => Kind::KilledFromOutside,
            End::Process(Status::Killed(_)) => Kind::Killed,
        }
    }
}
