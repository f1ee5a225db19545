//! What is known of one service: its state, how it ended, and whether that was a failure.

use crate::message::Kind;
use crate::plan::{Key, NO_SERVICE, Place, Plan, StartFault, Step, Style, Type};
use crate::words::Pid;
use crate::words::errno::Errno;
use crate::words::exit::Status;
use crate::words::signal::Signal;
use crate::words::time::{Instant, NEVER, Span};

/// What the plan says of the service at a place.
impl Plan<'_> {
    /// Whether this key is set.
    #[inline(never)]
    pub(super) fn says(&self, place: Place, key: Key) -> bool {
        self.spec(place).has(key)
    }

    /// The length of time that this key gives.
    #[inline(never)]
    pub(super) fn span(&self, place: Place, key: Key) -> Span {
        self.spec(place).span(key)
    }

    /// Whether its readiness must be checked, rather than announced by the service.
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
    /// It is to be started, now or once what it waits for is up.
    Waiting,
    /// The launcher of its daemon runs.
    Launching,
    /// It runs.
    Running,
    /// The launcher of its daemon has ended well, and its pid file is waited for.
    Launched,
    /// Its process is gone, and its `finish` command runs or is about to.
    Finishing,
    /// It will be started again after a delay.
    Delayed,
    /// It will not be started again.
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
    /// It was never started, since what it is `after` will never be up.
    Skipped,
}

/// What is known of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its process, or that of its `finish` command, dead or alive; 0 if there is none.
    pub pid: Pid,
    /// Its own process in its current or last run.
    pub main: Pid,
    /// Where in its life it is.
    pub state: State,
    /// How its last run ended.
    pub end: End,
    /// The exit code that this gives the container.
    pub(super) code: u8,
    /// Whether this was a failure.
    pub(super) failed: bool,
    /// It is up, or done: past its readiness check.
    pub up: bool,
    /// The fault for which its run was stopped or given up.
    pub fault: Option<Kind>,
    /// Why the last check failed; until one has failed, a timeout.
    pub check_errno: Errno,
    /// The kernel killed something for lack of memory just when it ended.
    pub out_of_memory: bool,
    /// We killed it: it did not stop in time, or a second stop signal came.
    pub killed: bool,
    /// Its whole process group has had a stop signal.
    pub group_told: bool,
    /// The last stop signal that we sent it.
    pub told: Option<Signal>,
    /// When it was started.
    pub since: Instant,
    /// How long it took to be up and, once it has ended, how long it ran.
    pub ran: Span,
    /// The delay before it is started again.
    pub delay: Span,
    /// The service that will never be up, so that this one is not started.
    pub cause: Place,

    /// In the table of processes: the latest service in this slot, and the one before this service.
    pub(super) latest: Place,
    pub(super) earlier: Place,
    /// In the tournament of the timers: the service below this node that is due first.
    pub(super) first: Place,
    /// It has been up once, so no service waits for it any more.
    pub(super) was_up: bool,
    /// A check of it is under way.
    pub(super) checking: bool,
    /// Other services write to its standard input: it ends when that does.
    pub(super) fed: bool,
    /// In the stop its input has been closed, or the last call has come: from now on its own deadline tells
    /// it to stop, and no longer the end of the services that are after it.
    pub(super) ending: bool,
    /// How many outputs that lead to its standard input belong to services that are not gone.
    pub(super) feeders: u32,
    /// It said that it is ready, which a daemon may do before we know its process.
    pub(super) said_ready: bool,
    /// The last process that its pid file or it itself named: its own, or the one as which it goes on when
    /// its own ends; 0 if none was named.
    pub(super) named: Pid,
    /// Why its daemon's process is not known yet.
    pub(super) missing: Kind,
    /// The deadline of what it does: coming up, its watchdog, stopping, finishing, awaiting a restart.
    pub(super) limit: Instant,
    /// When it is checked next or, while a check is under way, when that takes too long.
    pub(super) check_at: Instant,
    /// How often its watchdog must hear from it; zero if it has none.
    pub(super) watchdog: Span,
    /// When the current period of `tries` began.
    pub(super) tries_since: Instant,
    /// How often it has ended within that period.
    pub(super) tries: u16,
    /// How often in a row it has died quickly.
    pub(super) quick: u8,
    /// The interval between two checks while it is not up.
    pub(super) interval_ms: u16,
    /// While it is up, how many checks of its health have failed in a row.
    pub(super) failed_checks: u16,
    /// How many of its stop signals it has had.
    pub(super) steps: u8,
    /// Where its part begins in the list of dependents.
    pub(super) dependents: u32,
    /// How many services that it is `after` have not been up yet; in the stop, how many that are `after` it
    /// are not down yet.
    pub(super) blockers: u32,
    /// The next service in the start queue.
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
        check_errno: Errno::TIME,
        out_of_memory: false,
        killed: false,
        group_told: false,
        told: None,
        since: Instant(0),
        ran: Span::ZERO,
        delay: Span::ZERO,
        cause: NO_SERVICE,
        latest: NO_SERVICE,
        earlier: NO_SERVICE,
        first: NO_SERVICE,
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
        tries_since: Instant(0),
        tries: 0,
        quick: 0,
        interval_ms: 0,
        failed_checks: 0,
        steps: 0,
        dependents: 0,
        blockers: 0,
        link: NO_SERVICE,
    };

    /// Notes how its process ended, and whether it failed: it did if it had to be stopped for a fault, or
    /// ended with anything but 0, an expected code or the signal that we stopped it with. A shell reports
    /// that signal as exit code 128+n, and the Java runtime exits with that code itself: that is no failure
    /// either.
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

    /// Notes why it could not be started, which is a failure.
    pub(super) fn not_started(&mut self, now: Instant, plan: &Plan, fault: StartFault) {
        self.end = End::NotStarted(fault);
        (self.since, self.ran) = (now, Span::ZERO);
        self.code = fault.code(plan.style);
        if plan.style == Style::Tini {
            // tini cannot tell this end from the program's own.
            self.code = plan.mapped(self.code);
        }
        self.failed = true;
    }

    /// Whether it has a process: its own, or that of its `finish` command.
    pub(super) fn has_process(&self) -> bool {
        self.pid != 0
    }

    /// Whether its own process runs, rather than its `finish` command.
    pub(super) fn running(&self) -> bool {
        matches!(self.state, State::Launching | State::Running)
    }

    /// Whether we stopped it for a fault of its own, and reported that.
    pub(super) fn stopped_for(&self) -> bool {
        self.fault.is_some() && self.told.is_some()
    }

    /// The message that says how its last run ended.
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
