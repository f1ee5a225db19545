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
//!  └─────────────────┴─► Stopping ──► Rest ──► Done
//!                            │         │        ▲
//!                            └─────────┴─► Killing
//! ```
//!
//! - *Stopping*: the services have their stop signal. Over when the last of them ended.
//! - *Rest*: the services are gone; orphans and left-over group members have theirs.
//! - *Killing*: the budget ran out, or a second stop signal came; everything was killed.
//!
//! Deliberately absent: descriptors, the terminal's ownership, and who is reaped (the edge reaps
//! every zombie after the step that heard of it, so that a dead leader's group can be signalled
//! while its number is still its own).

mod service;
mod stop;
#[cfg(test)]
pub(crate) mod tests;

use crate::message::Message;
use crate::plan::{Essential, Group, Plan, StartFault, Style};
use crate::words::Pid;
use crate::words::exit::Status;
use crate::words::list::List;
use crate::words::signal::{Signal, SignalSet};
use crate::words::time::Instant;
use service::Record;
pub use service::{End, State};

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
    LameDuck { until: Instant, signal: Signal },
    Stopping,
    Rest { told: bool },
    Killing { until: Instant },
    Done(u8),
}

/// What ended the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// An essential service: its end, or that it could not be started.
    Service(usize),
    /// A stop signal.
    Signal(Signal),
    /// Nothing was left to run.
    AllDone,
}

/// Carries out a plan.
pub struct Supervisor<'p> {
    plan: &'p Plan<'p>,
    surroundings: Surroundings,
    services: List<'p, Record>,
    /// The processes of running services in ascending order, and whose they are.
    pids: List<'p, (Pid, u32)>,
    actions: List<'p, Action>,
    phase: Phase,
    /// The first service that was not started yet.
    next: usize,
    running: usize,
    cause: Option<Cause>,
    /// The service that failed first in time.
    first_failure: Option<usize>,
    /// The last stop signal that was passed on to the only service, and when.
    asked: Option<(Instant, Signal)>,
    /// When the stop budget runs out.
    limit: Option<Instant>,
    /// We stopped ourselves together with our child.
    suspended: bool,
}

impl<'p> Supervisor<'p> {
    /// A supervisor that has not started anything yet. All memory that it will ever need is
    /// taken here.
    pub fn new(plan: &'p Plan<'p>, surroundings: Surroundings) -> Supervisor<'p> {
        let count = plan.services.len();
        let mut services = List::with_room(Record::WAITING, count);
        while services.push(Record::WAITING) {}
        // The longest step is a stop whose budget is nothing: two signals for each service, then a
        // message and a KILL.
        let actions = List::with_room(Action::Look, 4 * count + 12);
        Supervisor {
            plan,
            surroundings,
            services,
            pids: List::with_room((0, 0), count),
            actions,
            phase: Phase::Run,
            next: 0,
            running: 0,
            cause: None,
            first_failure: None,
            asked: None,
            limit: None,
            suspended: false,
        }
    }

    /// The plan that it carries out.
    pub fn plan(&self) -> &'p Plan<'p> {
        self.plan
    }

    /// A service's process, or its last one, and where in its life it is.
    pub fn service(&self, service: usize) -> (Pid, State) {
        self.services
            .get(service)
            .map_or((0, State::Waiting), |record| (record.pid, record.state))
    }

    /// What to do next.
    pub fn next(&self) -> Next {
        match self.phase {
            Phase::Done(code) => Next::Exit(code),
            Phase::Run if self.next < self.services.len() => Next::Start(self.next),
            Phase::Run | Phase::Stopping | Phase::Rest { .. } => Next::Wait(self.limit),
            Phase::Held => Next::Wait(None),
            Phase::LameDuck { until, .. } => {
                Next::Wait(Some(self.limit.map_or(until, |limit| limit.min(until))))
            }
            Phase::Killing { until } => Next::Wait(Some(until)),
        }
    }

    /// Takes note of what happened, and decides what is to be done.
    ///
    /// What is to be done is in [`Supervisor::actions`].
    pub fn step(&mut self, now: Instant, event: Event) {
        self.actions.clear();
        if let Phase::Done(_) = self.phase {
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
        &self.actions
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
        match (self.plan.pass_through(), &*self.pids) {
            (true, [(pid, _)]) => Some(*pid),
            _ => None,
        }
    }

    fn act(&mut self, action: Action) {
        let there_was_room = self.actions.push(action);
        debug_assert!(there_was_room);
    }

    fn say(&mut self, message: Message) {
        self.act(Action::Say(message));
    }

    fn started(&mut self, now: Instant, pid: Pid) {
        let service = self.next;
        let Some(record) = self.services.get_mut(service) else {
            return;
        };
        *record = Record {
            pid,
            state: State::Running { since: now },
            ..Record::WAITING
        };
        let place = self.pids.partition_point(|(other, _)| *other < pid);
        self.pids.insert(place, (pid, service as u32));
        self.next += 1;
        self.running += 1;
        self.say(Message::Started(service));
    }

    fn not_started(&mut self, now: Instant, fault: StartFault) {
        let service = self.next;
        let Some(record) = self.services.get_mut(service) else {
            return;
        };
        record.state = State::NotStarted(fault);
        self.next += 1;
        self.first_failure.get_or_insert(service);
        let essential = self.essential(service, true);
        if self.running > 0 || !essential {
            self.say(Message::NotStarted(service));
        }
        self.gone(now, service, essential);
    }

    fn ended(&mut self, now: Instant, pid: Pid, status: Status, out_of_memory: bool) {
        let Ok(place) = self.pids.binary_search_by_key(&pid, |(pid, _)| *pid) else {
            self.say(Message::Orphan(pid, status));
            return;
        };
        let service = self.pids[place].1 as usize;
        self.pids.remove(place);
        self.running -= 1;
        self.services[service].end(now, status, out_of_memory);
        let failed = self.failed(service);
        if failed {
            self.first_failure.get_or_insert(service);
        }
        let essential = self.essential(service, failed);
        let noteworthy = failed && self.phase == Phase::Run && !essential;
        self.say(Message::Ended(service, noteworthy));
        self.gone(now, service, essential);
        self.tell_group_left_behind(service);
    }

    /// Whether the end of this service ends the container.
    fn essential(&self, service: usize, failed: bool) -> bool {
        self.plan.pass_through()
            || match self.plan.services[service].essential {
                Essential::Yes => true,
                Essential::No => false,
                Essential::OnFailure => failed,
            }
    }

    /// A service is gone for good.
    fn gone(&mut self, now: Instant, service: usize, essential: bool) {
        match self.phase {
            Phase::Run if essential => self.begin_stop(now, Cause::Service(service)),
            Phase::Run if self.running == 0 && self.next == self.services.len() => {
                self.begin_stop(now, Cause::AllDone);
            }
            Phase::LameDuck { signal, .. } if self.running == 0 => {
                self.begin_stop(now, Cause::Signal(signal));
            }
            Phase::Stopping if self.running == 0 => self.begin_rest(),
            _ => (),
        }
    }

    fn stopped(&mut self, pid: Pid, signal: Signal) {
        if !self.surroundings.alone {
            self.suspended = true;
            return self.act(Action::Suspend(pid, signal));
        }
        if signal == Signal::TSTP {
            // Nobody is there to say `fg`: Ctrl-Z has no lasting effect.
            self.act(Action::Signal {
                pid,
                group: true,
                signal: Signal::CONT,
            });
        } else {
            // It wants the terminal that is meant for it, and somebody else has it.
            self.act(Action::Foreground(pid));
        }
    }

    fn signal(&mut self, now: Instant, arrived: Signal, from_kernel: bool, parent_died: bool) {
        self.say(Message::Received(arrived));
        if arrived == Signal::CHLD {
            // Our own business; only dumb-init says it.
            return;
        }
        if self.surroundings.ignore_once.has(arrived) {
            self.surroundings.ignore_once.0 &= !SignalSet::NONE.with(arrived).0;
            return self.say(Message::Dropped(arrived));
        }
        let Some(signal) = self.plan.routes.get(arrived) else {
            return self.say(Message::Dropped(arrived));
        };
        if signal != arrived {
            self.say(Message::Rewritten(arrived, signal));
        }
        if self.surroundings.alone && from_kernel && signal == Signal::TSTP {
            // Ctrl-Z: nobody could say `fg`.
            return self.say(Message::Dropped(arrived));
        }
        if self.plan.services.is_empty() {
            // Pause (catatonit -P, the pause container).
            if signal == Signal::TERM || signal == Signal::INT {
                self.phase = Phase::Done(0);
            }
            return;
        }
        let stop = parent_died || SignalSet::STOP.has(signal);
        match self.phase {
            Phase::Run if stop => self.stop_asked(now, signal, from_kernel),
            Phase::Held if stop => self.begin_stop(now, Cause::Signal(signal)),
            Phase::LameDuck { signal, .. } if stop => self.end_lame_duck(now, signal),
            Phase::Stopping | Phase::Rest { .. } if stop => self.kill_all(now),
            Phase::Killing { .. } | Phase::Done(_) => (),
            _ => self.pass_on(signal, from_kernel),
        }
        // Whoever presses Ctrl-Z means us too, where the child cannot stop us by stopping itself;
        // dumb-init stops itself for anybody.
        let tty_stop = [Signal::TSTP, Signal::TTIN, Signal::TTOU].contains(&arrived);
        if tty_stop
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
        self.say(Message::PassedOn(signal));
        let only = self.only_child();
        if let (Some(pid), Signal::CONT, true) = (only, signal, self.suspended) {
            self.suspended = false;
            return self.act(Action::Resume(pid));
        }
        for index in 0..self.pids.len() {
            let (pid, _) = self.pids[index];
            self.act(Action::Signal {
                pid,
                group: self.plan.group,
                signal,
            });
        }
    }

    /// Acts on every deadline that has come.
    fn time(&mut self, now: Instant) {
        match self.phase {
            Phase::LameDuck { until, signal } if until <= now => self.end_lame_duck(now, signal),
            Phase::Killing { until } if until <= now => self.give_up(now),
            _ => (),
        }
        if self.limit.is_none_or(|limit| now < limit) {
            return;
        }
        match self.phase {
            // Whether anything is left over is not known before the first look.
            Phase::Rest { told: false } => (),
            Phase::Run | Phase::LameDuck { .. } | Phase::Stopping | Phase::Rest { .. } => {
                self.overdue(now);
            }
            Phase::Held | Phase::Killing { .. } | Phase::Done(_) => (),
        }
    }
}
