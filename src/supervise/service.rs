//! One service's life, and whether it failed.

use crate::message::Kind;
use crate::plan::{Key, NOBODY, Place, Plan, StartFault, Step, Style, Type};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, NEVER, Span};

/// What a plan says of a service by its place.
impl Plan<'_> {
    /// Whether anything is said with this key.
    #[inline(never)]
    pub(super) fn says(&self, place: Place, key: Key) -> bool {
        self.spec(place).has(key)
    }

    /// The length of time of this key.
    #[inline(never)]
    pub(super) fn span(&self, place: Place, key: Key) -> Span {
        self.spec(place).span(key)
    }

    /// Whether its readiness must be looked for, and is not told.
    #[inline(never)]
    pub(super) fn is_checked(&self, place: Place) -> bool {
        self.spec(place).is_checked()
    }

    /// Whether a service is of this type.
    #[inline(never)]
    pub(super) fn is_a(&self, place: Place, kind: Type) -> bool {
        self.spec(place).kind() == kind
    }
}

/// Where in its life a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is to start, now or when what it waits for is up.
    Waiting,
    /// The daemon's launcher runs.
    Launching,
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
    /// It was never started: what it is `after` will never be up.
    Skipped,
}

/// What is known of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its process, or that of its `finish` command, dead or alive; 0 if there is none.
    pub pid: Pid,
    /// Its own process in its last run.
    pub main: Pid,
    /// Where in its life it is.
    pub state: State,
    /// How its last run ended.
    pub end: End,
    /// The exit code that it gives the container for that.
    pub(super) code: u8,
    /// Whether it failed.
    pub(super) failed: bool,
    /// It is up, or done: past its readiness check.
    pub up: bool,
    /// What is wrong with it, so that we stopped it.
    pub fault: Option<Kind>,
    /// What the last check that failed found; as long as there is none, that time passed.
    pub why: Errno,
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
    /// The delay before it is started again.
    pub delay: Span,
    /// The service that will never be up, because of which it is not started.
    pub cause: Place,

    /// The table of processes: in this slot the latest service, and before this service another.
    pub(super) latest: Place,
    pub(super) earlier: Place,
    /// The tournament of the timers: in this node the service that is due first.
    pub(super) first: Place,
    /// It was up once: what waited for it waits no more.
    pub(super) was_up: bool,
    /// A check of it goes on.
    pub(super) checking: bool,
    /// Others write to its standard input: it ends when that ends.
    pub(super) fed: bool,
    /// In the stop it has had the end of its input, or the last call: from then on its time tells it to stop,
    /// and no longer those that are after it.
    pub(super) ending: bool,
    /// How many of those others are not gone.
    pub(super) feeders: u32,
    /// It said that it is ready before we know its process.
    pub(super) said_ready: bool,
    /// The last process that its pid file or it itself named: its own, or the one in which it goes on when
    /// that ends; 0 if none was named.
    pub(super) named: Pid,
    /// Why a daemon's process is not known yet.
    pub(super) missing: Kind,
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
    /// How often in a row it died quickly.
    pub(super) quick: u8,
    /// Between two checks, until it is up.
    pub(super) interval_ms: u16,
    /// While it is up, how many checks of its health failed in a row.
    pub(super) sick: u16,
    /// How many stop signals of its own it has had.
    pub(super) steps: u8,
    /// Where in the list of dependents its own begin.
    pub(super) dependents: u32,
    /// How many that it is `after` are not up yet; in the stop, how many that are `after` it are
    /// not down yet.
    pub(super) waits: u32,
    /// The next in the queue of those to start.
    pub(super) link: Place,
}

impl Record {
    /// A service before its start.
    pub const WAITING: Record = Record {
        pid: 0,
        main: 0,
        state: State::Waiting,
        end: End::None,
        code: 0,
        failed: false,
        up: false,
        fault: None,
        why: Errno::TIME,
        out_of_memory: false,
        killed: false,
        group_told: false,
        told: None,
        since: Instant(0),
        ran: Span::ZERO,
        delay: Span::ZERO,
        cause: NOBODY,
        latest: NOBODY,
        earlier: NOBODY,
        first: NOBODY,
        was_up: false,
        checking: false,
        fed: false,
        ending: false,
        feeders: 0,
        said_ready: false,
        named: 0,
        missing: Kind::NoPidFile,
        limit: NEVER,
        check_at: NEVER,
        watchdog: Span::ZERO,
        counted_from: Instant(0),
        starts: 0,
        quick: 0,
        interval_ms: 0,
        sick: 0,
        steps: 0,
        dependents: 0,
        waits: 0,
        link: NOBODY,
    };

    /// Takes note of the end of its process, and of whether it failed: if it had to be stopped for a
    /// fault, or ended otherwise than with 0, an expected code or the signal that we stopped it with.
    /// A shell reports that signal as exit code 128+n, and so does the Java runtime of itself: that
    /// is no failure either.
    pub(super) fn ended(&mut self, now: Instant, plan: &Plan, status: Status) {
        self.end = End::Process(status);
        self.ran = now.since(self.since);
        let code = status.code();
        let told = self.told.map(|told| Status::Killed(told).code());
        (self.code, self.failed) = match self.fault {
            Some(_) => (code.max(1), true),
            None => (
                plan.mapped(code),
                plan.mapped(code) != 0 && told != Some(code),
            ),
        };
    }

    /// Takes note of why it could not be started: that is a failure.
    pub(super) fn not_started(&mut self, now: Instant, plan: &Plan, fault: StartFault) {
        self.end = End::NotStarted(fault);
        (self.since, self.ran) = (now, Span::ZERO);
        self.code = fault.code(plan.style);
        if plan.style == Style::Tini {
            // tini cannot tell such an end from the program's own.
            self.code = plan.mapped(self.code);
        }
        self.failed = true;
    }

    /// Whether a process of it is there, itself or its `finish` command.
    pub(super) fn has_process(&self) -> bool {
        self.pid != 0
    }

    /// Whether its process runs, which is not its `finish` command.
    pub(super) fn running(&self) -> bool {
        matches!(self.state, State::Launching | State::Running)
    }

    /// Whether we stopped it for a fault of its own, and said so.
    pub(super) fn stopped_for(&self) -> bool {
        self.fault.is_some() && self.told.is_some()
    }

    /// Why it is gone.
    pub fn reason(&self) -> Kind {
        match self.end {
            End::None => Kind::AllDone,
            End::Skipped => Kind::Skipped,
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
            End::Process(Status::Killed(Signal::KILL)) if self.told != Some(Signal::KILL) => {
                Kind::KilledFromOutside
            }
            End::Process(Status::Killed(_)) => Kind::Killed,
        }
    }
}
