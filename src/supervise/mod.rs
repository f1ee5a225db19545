//! The supervisor: a plan and what happens to it → what is to be done.
//!
//! A state machine without a system call or a clock. The edge asks [`Supervisor::next`] what to do,
//! and tells [`Supervisor::step`] what happened; a step yields [`Action`]s, which the edge performs
//! in order. An action has no answer: what comes of it is an event like any other.
//!
//! The phases of a container's life, and what leads from one to the next:
//!
//! ```text
//! Run ──► Held ──────┐                       a failure under --hold
//!  │ └──► LameDuck ──┤                       a stop signal under --lame-duck
//!  └─────────────────┴─► Stopping ──► Look ──► Rest ──► Done
//!                            │         │        │        ▲
//!                            └─────────┴────────┴─► Killing
//! ```
//!
//! - *Stopping*: the services have their stop signal. Over when the last of them ended.
//! - *Look*: the services are gone, and whether anything else is there is not known yet.
//! - *Rest*: something is; orphans and left-over group members have their stop signal, too.
//! - *Killing*: the budget ran out, or a second stop signal came; everything was killed.
//!
//! Deliberately absent: descriptors, the terminal's ownership, and who is reaped (the edge reaps
//! every zombie after the step that heard of it, so that a dead leader's group can be signalled
//! while its number is still its own).

mod service;
mod stop;
#[cfg(test)]
pub(crate) mod tests;

use core::ops::Range;

use crate::message::{Kind, Message, NOBODY, Place};
use crate::plan::{Essential, Group, Plan, StartFault, Style};
use crate::words::Pid;
use crate::words::exit::Status;
use crate::words::list::{List, room};
use crate::words::signal::{Signal, SignalSet};
use crate::words::time::Instant;
pub use service::{Record, State};
use stop::Why;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The service that [`Supervisor::next`] named runs.
    Started(Pid),
    /// The service that [`Supervisor::next`] named could not be started.
    NotStarted(StartFault),
    /// A child ended; it is still a zombie, and is reaped after this step.
    Ended {
        /// Which.
        pid: Pid,
        /// How.
        status: Status,
        /// The kernel has killed something for memory since the last time.
        out_of_memory: bool,
    },
    /// The only service's process was stopped by a signal of the terminal.
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
    /// Nothing, but time passed.
    Time,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a signal to a child that has not been reaped.
    Signal {
        /// Its process.
        pid: Pid,
        /// To its whole process group.
        group: bool,
        /// Which signal.
        signal: Signal,
    },
    /// Send CONT to a child if it is stopped: it would never see its stop signal.
    Wake(Pid),
    /// Send a signal to everything that is left: as PID 1 that is everybody, else our descendants.
    Rest {
        /// Which signal. After TERM goes CONT.
        signal: Signal,
        /// Spare the groups that [`Supervisor::was_told`] knows.
        spare_told: bool,
    },
    /// Reap what there is, and report with [`Event::Reaped`].
    Look,
    /// Give a child's group the terminal, and CONT if that worked.
    Foreground(Pid),
    /// The terminal stopped a child: stop ourselves with it, if that is for us to do.
    Suspend(Pid, Signal),
    /// We go on: give a child's group the terminal if we have it, and CONT.
    Resume(Pid),
    /// Stop ourselves.
    StopSelf,
    /// Say something.
    Say(Message),
}

/// What the edge is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Start this service, and report with [`Event::Started`] or [`Event::NotStarted`].
    Start(usize),
    /// Wait for an event, at the longest until then.
    Wait(Option<Instant>),
    /// Leave with this exit code.
    Exit(u8),
}

/// What the supervisor must know of its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// We are PID 1 of our namespace.
    pub init: bool,
    /// We lead our session, so that no shell is there to stop us and to continue us.
    pub alone: bool,
    /// Signals that come once because of something we did ourselves, and mean nothing.
    pub ignore_once: SignalSet,
}

/// Where in its life the container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Run,
    Held,
    LameDuck,
    Stopping,
    Look,
    Rest,
    Killing,
    Done,
}

/// The deadline of what has none.
const NEVER: Instant = Instant(u64::MAX);

/// Carries out a plan.
pub struct Supervisor<'p> {
    plan: &'p Plan<'p>,
    services: &'p mut [Record],
    /// The running services, by their processes in ascending order.
    running: List<'p, Place>,
    /// Room for the actions of the longest step, and how many there are now.
    actions: &'p mut [Action],
    acted: usize,
    /// When the stop budget runs out, or, when all is killed, our patience.
    limit: Instant,
    /// When the lame-duck delay ends.
    lame_until: Instant,
    /// The last stop signal that the stop is owed to, or may be, and when it came.
    asked: Option<Signal>,
    asked_at: Instant,
    surroundings: Surroundings,
    phase: Phase,
    /// The first service that was not started yet.
    next: Place,
    /// The service that failed first in time.
    first_failure: Option<Place>,
    /// The services whose ends count for the exit code: from this one up to that one. All of them
    /// after a stop signal, else the one whose end is the container's, if there is one.
    counts: Range<Place>,
    /// What has been judged so far: whose end it is, and the exit code.
    culprit: Place,
    code: u8,
    /// We stopped ourselves together with our child.
    suspended: bool,
    /// Somebody has asked for the stop that goes on: whoever asks again wants it at once.
    wanted: bool,
}

impl<'p> Supervisor<'p> {
    /// A supervisor that has not started anything yet. All memory that it will ever need is
    /// taken here.
    // Inside its caller's large frame every field would cost three bytes more, here and in `step`.
    #[inline(never)]
    pub fn new(plan: &'p Plan<'p>, surroundings: Surroundings) -> Supervisor<'p> {
        let count = plan.services.len();
        Supervisor {
            plan,
            services: room(Record::WAITING, count),
            running: List::with_room(0, count),
            // The longest step is a stop whose budget is nothing: two signals for each service,
            // then a message and a KILL.
            actions: room(Action::Look, 4 * count + 12),
            acted: 0,
            limit: NEVER,
            lame_until: NEVER,
            asked: None,
            asked_at: NEVER,
            surroundings,
            phase: Phase::Run,
            next: 0,
            first_failure: None,
            counts: 0..count as Place,
            culprit: NOBODY,
            code: 0,
            suspended: false,
            wanted: false,
        }
    }

    /// The plan that it carries out.
    pub fn plan(&self) -> &'p Plan<'p> {
        self.plan
    }

    /// What is known of a service.
    pub fn record(&self, place: Place) -> Option<&Record> {
        self.services.get(usize::from(place))
    }

    /// What to do next.
    pub fn next(&self) -> Next {
        let next = usize::from(self.next);
        match self.phase {
            Phase::Done => Next::Exit(self.code),
            Phase::Run if next < self.services.len() => Next::Start(next),
            _ => Next::Wait(Some(self.deadline()).filter(|deadline| *deadline != NEVER)),
        }
    }

    fn deadline(&self) -> Instant {
        match self.phase {
            Phase::LameDuck => self.limit.min(self.lame_until),
            _ => self.limit,
        }
    }

    /// Takes note of what happened, and decides what is to be done.
    ///
    /// What is to be done is in [`Supervisor::actions`].
    #[inline(never)]
    pub fn step(&mut self, now: Instant, event: Event) {
        self.acted = 0;
        if self.phase == Phase::Done {
            return;
        }
        match event {
            Event::Started(pid) => self.started(now, pid),
            Event::NotStarted(fault) => self.not_started(now, fault),
            Event::Ended {
                pid,
                status,
                out_of_memory,
            } => {
                self.ended(now, pid, status, out_of_memory);
            }
            Event::Stopped(pid, signal) => self.stopped(pid, signal),
            Event::Reaped { left } => self.reaped(left),
            Event::Signal {
                signal,
                from_kernel,
                parent_died,
            } => {
                self.signal(now, signal, from_kernel, parent_died);
            }
            Event::OutOfReach => self.out_of_reach(),
            Event::Time => (),
        }
        self.time(now);
    }

    /// What the last step wants done, in order.
    pub fn actions(&self) -> &[Action] {
        self.actions.get(..self.acted).unwrap_or(&[])
    }

    /// Whether the members of any process group have had their stop signal.
    pub fn told_any(&self) -> bool {
        self.services.iter().any(|record| record.group_told)
    }

    /// Whether the members of this process group have had their stop signal.
    pub fn was_told(&self, group: Pid) -> bool {
        self.services
            .iter()
            .any(|record| record.pid == group && record.group_told)
    }

    /// The process of the only service, while it runs.
    pub fn only_child(&self) -> Option<Pid> {
        match *self.services {
            [only] if only.state == State::Running => Some(only.pid),
            _ => None,
        }
    }

    /// Whether there is just one service, which has its signals to itself.
    fn is_only(&self) -> bool {
        self.services.len() == 1
    }

    fn act(&mut self, action: Action) {
        debug_assert!(self.acted < self.actions.len());
        if let Some(place) = self.actions.get_mut(self.acted) {
            *place = action;
            self.acted += 1;
        }
    }

    fn send(&mut self, pid: Pid, group: bool, signal: Signal) {
        self.act(Action::Signal { pid, group, signal });
    }

    fn say(&mut self, message: Message) {
        self.act(Action::Say(message));
    }

    fn say_that(&mut self, kind: Kind) {
        self.say_of(kind, 0, NOBODY);
    }

    fn say_about(&mut self, kind: Kind, service: Place) {
        self.say_of(kind, 0, service);
    }

    fn say_signal(&mut self, kind: Kind, signal: Signal) {
        self.say_of(kind, signal.number(), NOBODY);
    }

    fn say_of(&mut self, kind: Kind, signal: u8, service: Place) {
        self.say(Message {
            signal,
            service,
            ..Message::of(kind)
        });
    }

    /// Where in the list of running services the one with this process is, or would be.
    fn find(&self, pid: Pid) -> Result<usize, usize> {
        self.running.binary_search_by_key(&pid, |place| {
            self.record(*place).map_or(0, |record| record.pid)
        })
    }

    fn started(&mut self, now: Instant, pid: Pid) {
        let place = self.next;
        let Some(record) = self.services.get_mut(usize::from(place)) else {
            return;
        };
        record.pid = pid;
        record.state = State::Running;
        record.since = now;
        self.next += 1;
        if let Err(index) = self.find(pid) {
            self.running.insert(index, place);
        }
        self.say_about(Kind::Started, place);
    }

    fn not_started(&mut self, now: Instant, fault: StartFault) {
        let place = self.next;
        if let Some(record) = self.services.get_mut(usize::from(place)) {
            record.state = State::NotStarted(fault);
            self.next += 1;
            self.gone(now, place);
        }
    }

    fn ended(&mut self, now: Instant, pid: Pid, status: Status, out_of_memory: bool) {
        let found = self.find(pid).ok();
        let Some((index, &place)) = found.and_then(|index| Some((index, self.running.get(index)?)))
        else {
            return self.say(Message::orphan(pid, status));
        };
        self.running.remove(index);
        if let Some(record) = self.services.get_mut(usize::from(place)) {
            record.end(now, status, out_of_memory);
        }
        self.gone(now, place);
        self.tell_group_left_behind(place);
    }

    /// A service is gone for good.
    fn gone(&mut self, now: Instant, place: Place) {
        let index = usize::from(place);
        let (Some(record), Some(service)) =
            (self.services.get(index), self.plan.services.get(index))
        else {
            return;
        };
        let (code, failed) = record.verdict(self.plan).unwrap_or((0, false));
        if failed {
            self.first_failure.get_or_insert(place);
        }
        let essential = self.is_only()
            || match service.essential {
                Essential::Yes => true,
                Essential::No => false,
                Essential::OnFailure => failed,
            };
        let started = !matches!(record.state, State::NotStarted(_));
        let alone = self.running.is_empty();
        // A fault with which it all ends is for the last line to say.
        if started || !alone || !essential {
            let goes_on = self.phase == Phase::Run && !essential;
            self.say(Message {
                code: if failed && goes_on { code } else { 0 },
                ..Message::about(record.reason(), place)
            });
        }
        let decisive = match self.phase {
            Phase::Run if essential => Some(place),
            Phase::Run if alone && usize::from(self.next) == self.services.len() => {
                self.first_failure
            }
            Phase::LameDuck if alone => return self.begin_stop(now, None),
            Phase::Stopping if alone => return self.look(),
            _ => return,
        };
        self.counts = decisive.map_or(0..0, |place| place..place.saturating_add(1));
        self.judge();
        if now >= self.budget_from(self.asked_at) {
            // A stop signal that the service outlived by more than the budget asked for no stop.
            self.asked = None;
        }
        if self.plan.hold && self.asked.is_none() && self.code != 0 {
            self.phase = Phase::Held;
            self.say_about(Kind::Held, self.culprit);
        } else {
            self.begin_stop(now, None);
        }
    }

    fn stopped(&mut self, pid: Pid, signal: Signal) {
        if !self.surroundings.alone {
            self.suspended = true;
            return self.act(Action::Suspend(pid, signal));
        }
        if signal == Signal::TSTP {
            // Nobody is there to say `fg`: Ctrl-Z has no lasting effect.
            self.send(pid, true, Signal::CONT);
        } else {
            // It wants the terminal that is meant for it, and somebody else has it.
            self.act(Action::Foreground(pid));
        }
    }

    fn signal(&mut self, now: Instant, arrived: Signal, from_kernel: bool, parent_died: bool) {
        self.say_signal(Kind::Received, arrived);
        if arrived == Signal::CHLD {
            // Our own business; only dumb-init says it.
            return;
        }
        let ignored = self.surroundings.ignore_once.has(arrived);
        self.surroundings.ignore_once.0 &= !SignalSet::NONE.with(arrived).0;
        let Some(signal) = self.plan.routes.get(arrived).filter(|_| !ignored) else {
            return self.say_signal(Kind::Dropped, arrived);
        };
        if signal != arrived {
            self.say(Message {
                to: signal.number(),
                ..Message::of_signal(Kind::Rewritten, arrived)
            });
        }
        if self.surroundings.alone && from_kernel && signal == Signal::TSTP {
            // Ctrl-Z: nobody could say `fg`.
            return self.say_signal(Kind::Dropped, arrived);
        }
        if self.services.is_empty() {
            // Pause (catatonit -P, the pause container).
            if signal == Signal::TERM || signal == Signal::INT {
                self.phase = Phase::Done;
            }
            return;
        }
        let stop = parent_died || SignalSet::STOP.has(signal);
        match self.phase {
            Phase::Killing => (),
            _ if !stop => self.pass_on(signal, from_kernel),
            Phase::Run => self.stop_asked(now, signal, from_kernel),
            Phase::LameDuck => self.end_lame_duck(now),
            Phase::Held => self.begin_stop(now, Some(signal)),
            // The first one in a stop that a service's end began: what stops has its time.
            _ if !self.wanted => self.wanted = true,
            _ => self.kill_all(now),
        }
        // Whoever presses Ctrl-Z means us too, where the child cannot stop us by stopping itself;
        // dumb-init stops itself for anybody.
        if SignalSet::TERMINAL_STOPS.has(arrived)
            && !self.surroundings.alone
            && (from_kernel || self.plan.style == Style::DumbInit)
        {
            self.act(Action::StopSelf);
        }
    }

    /// Passes a signal on to every running service.
    fn pass_on(&mut self, signal: Signal, from_kernel: bool) {
        if from_kernel && self.plan.setup.group == Group::Ours {
            // The child is in our group: the terminal has told it already.
            return;
        }
        self.say_signal(Kind::PassedOn, signal);
        let only = self.only_child();
        if let (Some(pid), Signal::CONT, true) = (only, signal, self.suspended) {
            self.suspended = false;
            return self.act(Action::Resume(pid));
        }
        self.tell(signal, Why::PassedOn);
    }

    /// Acts on the deadline, if it has come.
    fn time(&mut self, now: Instant) {
        if now < self.deadline() {
            return;
        }
        match self.phase {
            Phase::LameDuck if now < self.limit => self.end_lame_duck(now),
            Phase::Killing => self.give_up(now),
            // Whether anything is left over is not known before the first look.
            Phase::Look | Phase::Held | Phase::Done => (),
            _ => self.overdue(now),
        }
    }
}
