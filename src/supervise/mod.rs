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
//! - *Stopping*: the services get their stop signal, each when all that is `after` it has ended. Over
//!   when the last of them ended.
//! - *Look*: the services are gone, and whether anything else is there is not known yet.
//! - *Rest*: something is; orphans and left-over group members have their stop signal, too.
//! - *Killing*: the budget ran out, or a second stop signal came; everything was killed.
//!
//! The states of a service's life are drawn in [`life`]. [`event`] is what goes in and comes out, [`service`]
//! what is known of a service; what happens is in [`life`] (it starts, ends, starts again), [`watch`] (it is
//! up, and well), [`signals`] and [`stop`]. [`children`] and [`timers`] find the service that a process or a
//! moment is about.
//!
//! Deliberately absent: descriptors, the terminal's ownership, and who is reaped (the edge reaps
//! every zombie after the step that heard of it, where a dead leader's group may have to be signalled
//! while its number is still its own: see [`Supervisor::needs_zombies`]).

mod children;
mod event;
mod life;
mod service;
mod signals;
mod stop;
#[cfg(test)]
pub(crate) mod tests;
mod timers;
mod watch;

use alloc::vec::Vec;
use core::mem::{ManuallyDrop, replace};
use core::ops::Range;

use crate::message::{Kind, Message};
use crate::plan::{Essential, NOBODY, Place, Plan, Restart, Style};
use crate::words::Pid;
use crate::words::list::room;
use crate::words::signal::{Signal, SignalSet};
use crate::words::time::{Instant, NEVER, Span};
pub use event::{Action, Event, Finding, News, Next, Notice};
pub use service::{End, Record, State};
use signals::Suspension;

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

/// If we are so late for a service, we were frozen or stopped, and it may have been, too, or have waited for
/// us to listen: it has so much time to speak, to answer or to end before it is said that it did not.
const AWAY: Span = Span::seconds(1);

/// Where in its life the container is. In the first three services have times of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Run,
    LameDuck,
    Stopping,
    Held,
    Look,
    Rest,
    Killing,
    Done,
}

/// What is known of each service.
struct Records<'p> {
    all: &'p mut [Record],
    /// The record of a place that no service has.
    nobody: &'p mut Record,
    /// Whose record was taken last: see [`timers`].
    taken: Place,
}

impl Records<'_> {
    #[inline(never)]
    fn see(&self, place: Place) -> &Record {
        self.all.get(usize::from(place)).unwrap_or(self.nobody)
    }
}

/// What a step wants done.
struct ToDo {
    /// With room for the actions of the longest step, of which most are never needed: what was not
    /// written to is no memory. It never grows, and there is nothing to drop.
    actions: ManuallyDrop<Vec<Action>>,
    /// Where an action goes for which there is no room.
    lost: Action,
}

impl ToDo {
    fn add(&mut self, action: Action) {
        *self.place() = action;
    }

    /// Where the next action goes. It is made there, which takes less than to hand it over.
    #[inline(never)]
    fn place(&mut self) -> &mut Action {
        debug_assert!(self.actions.len() < self.actions.capacity());
        if self.actions.len() < self.actions.capacity() {
            self.actions.push(Action::Look);
            if let Some(place) = self.actions.last_mut() {
                return place;
            }
        }
        &mut self.lost
    }
}

/// Carries out a plan.
// In this order, since a field within the first 128 bytes takes three bytes less wherever it is used.
#[repr(C)]
pub struct Supervisor<'p> {
    services: Records<'p>,
    phase: Phase,
    /// As in [`Surroundings`].
    init: bool,
    alone: bool,
    suspension: Suspension,
    /// Somebody has asked for the stop that goes on: whoever asks again wants it at once.
    asked_once: bool,
    /// What has been judged so far: the exit code, and whose end it is.
    code: u8,
    culprit: Place,
    /// What the stop sends to whoever has no stop signal of its own.
    stop_signal: Signal,
    /// The last stop signal that the stop is owed to, or may be, and when it came.
    asked: Option<Signal>,
    asked_at: Instant,
    /// When this step is.
    now: Instant,
    /// Before that no service is due: see [`AWAY`].
    lenient_until: Instant,
    /// When the stop budget runs out, or, when all is killed, our patience.
    limit: Instant,
    /// When the lame-duck delay ends.
    lame_until: Instant,
    plan: &'p Plan<'p>,
    /// How many services have a process, and which: see [`children`].
    running: u32,
    /// How many services are not gone.
    left: u32,
    /// How many services that it takes to be ready have not been up yet.
    not_up: u32,
    /// The first and the last service in the queue of those to start.
    first_to_start: Place,
    last_to_start: Place,
    /// The service that failed first in time, or [`NOBODY`].
    first_failure: Place,
    /// The services whose ends count for the exit code: from this one up to that one. All of them
    /// after a stop signal, else the one whose end is the container's, if there is one.
    counts_from: Place,
    counts_to: Place,
    to_do: ToDo,
    /// Who is after each service: see [`Supervisor::dependents_of`].
    dependents: &'p [Place],
    ignore_once: SignalSet,
}

impl<'p> Supervisor<'p> {
    /// A supervisor that has not started anything yet. All memory that it will ever need is
    /// taken here.
    // Inside its caller's large frame every field would cost three bytes more, here and in `step`.
    #[inline(never)]
    pub fn new(plan: &'p Plan<'p>, surroundings: Surroundings) -> Supervisor<'p> {
        let count = plan.services.len() as Place;
        let (nobody, all) = room(Record::WAITING, usize::from(count) + 1)
            .split_last_mut()
            .expect("there is one");
        let mut supervisor = Supervisor {
            services: Records {
                all,
                nobody,
                taken: NOBODY,
            },
            phase: Phase::Run,
            init: surroundings.init,
            alone: surroundings.alone,
            suspension: Suspension::None,
            asked_once: false,
            code: 0,
            culprit: NOBODY,
            stop_signal: Signal::TERM,
            asked: None,
            asked_at: NEVER,
            now: NEVER,
            lenient_until: Instant(0),
            limit: NEVER,
            lame_until: NEVER,
            plan,
            running: 0,
            left: count.into(),
            not_up: 0,
            first_to_start: NOBODY,
            last_to_start: NOBODY,
            first_failure: NOBODY,
            counts_from: 0,
            counts_to: count,
            to_do: ToDo {
                // The longest step is a stop whose budget is nothing: three for each service, then
                // a message and a KILL.
                actions: ManuallyDrop::new(Vec::with_capacity(5 * usize::from(count) + 16)),
                lost: Action::Look,
            },
            dependents: &[],
            ignore_once: surroundings.ignore_once,
        };
        supervisor.line_up();
        supervisor
    }

    /// Every service knows what it waits for, and those that wait for nothing are to start.
    #[inline(never)]
    fn line_up(&mut self) {
        for place in self.places() {
            let dependencies = self.dependencies_of(place);
            for dependency in dependencies {
                self.services.of(*dependency).dependents += 1;
            }
            self.services.of(place).waits = dependencies.len() as u32;
            if dependencies.is_empty() {
                self.enqueue(place);
            }
            self.not_up += u32::from(self.is_awaited(place));
            for said in self.spec(place).0 {
                if let Some(reader) = self.plan.fed_by(said) {
                    let reader = self.services.of(reader);
                    reader.fed = true;
                    reader.feeders += 1;
                }
            }
        }
        // From how many each has to where they end; each one filled in moves that to the front.
        let mut end = 0;
        for record in &mut *self.services.all {
            end += record.dependents;
            record.dependents = end;
        }
        self.services.nobody.dependents = end;
        let dependents = room(NOBODY, end as usize);
        for place in self.places().rev() {
            for dependency in self.dependencies_of(place) {
                let record = self.services.of(*dependency);
                record.dependents -= 1;
                if let Some(slot) = dependents.get_mut(record.dependents as usize) {
                    *slot = place;
                }
            }
        }
        self.dependents = dependents;
    }

    /// The places of all services.
    fn places(&self) -> Range<Place> {
        0..self.services.all.len() as Place
    }

    /// The services that a service is after.
    fn dependencies_of(&self, place: Place) -> &'p [Place] {
        let service = self.plan.services.get(usize::from(place));
        service.map_or(&[], |service| service.after)
    }

    /// The services that are after it: theirs begin where its record says, and end where those of
    /// the next one begin.
    fn dependents_of(&self, place: Place) -> &'p [Place] {
        let begin = self.services.see(place).dependents;
        let end = self.services.see(place.saturating_add(1)).dependents;
        let range = begin as usize..end as usize;
        self.dependents.get(range).unwrap_or(&[])
    }

    /// Whether it takes this service to call the container ready.
    fn is_awaited(&self, place: Place) -> bool {
        self.essential(place) != Essential::No || self.plan.until == Essential::No
    }

    fn essential(&self, place: Place) -> Essential {
        if self.plan.pass_through() {
            return Essential::Yes;
        }
        self.spec(place).essential().unwrap_or(self.plan.until)
    }

    /// The plan that it carries out.
    pub fn plan(&self) -> &'p Plan<'p> {
        self.plan
    }

    /// What is known of a service; of a place that no service has it is nothing.
    pub fn record(&self, place: Place) -> &Record {
        self.services.see(place)
    }

    /// What to do next.
    pub fn next(&self) -> Next {
        match self.phase {
            Phase::Done => Next::Exit(self.code),
            Phase::Run | Phase::Stopping if self.first_to_start != NOBODY => {
                Next::Start(self.first_to_start)
            }
            _ => Next::Wait(self.deadline()),
        }
    }

    fn deadline(&self) -> Instant {
        let mut deadline = self.limit;
        if self.phase == Phase::LameDuck {
            deadline = deadline.min(self.lame_until);
        }
        if self.phase <= Phase::Stopping {
            deadline = deadline.min(self.first_due());
        }
        deadline
    }

    /// When a service is due first.
    fn first_due(&self) -> Instant {
        let due = self.services.first_due();
        if self.phase < Phase::Stopping {
            due.max(self.lenient_until)
        } else {
            due
        }
    }

    /// Takes note of what happened, and decides what is to be done.
    ///
    /// What is to be done is in [`Supervisor::actions`].
    #[inline(never)]
    pub fn step(&mut self, now: Instant, event: Event) {
        self.to_do.actions.clear();
        let before = replace(&mut self.now, now);
        // Not twice in a row: whoever is late each time gets there all the same.
        let again = before.after(AWAY) == self.lenient_until;
        if !again && now.since(before.max(self.first_due())) >= AWAY {
            self.lenient_until = now.after(AWAY);
        }
        if self.phase == Phase::Done && !matches!(event, Event::Ended { .. }) {
            return;
        }
        match event {
            Event::Launched(Ok(pid)) => self.started(pid),
            Event::Launched(Err(fault)) => self.not_started(fault),
            Event::Ended {
                pid,
                status,
                out_of_memory,
            } => {
                self.ended(pid, status, out_of_memory);
            }
            Event::Stopped(pid, signal) => self.stopped(pid, signal),
            Event::Reaped { left } => self.reaped(left),
            Event::Signal {
                signal,
                from_kernel,
                parent_died,
            } => {
                self.signal(signal, from_kernel, parent_died);
            }
            Event::OutOfReach => self.out_of_reach(),
            Event::Checked(place, finding) => self.checked(place, finding),
            Event::Noticed(place, notice) => self.noticed(place, notice),
            Event::Time => self.time(),
        }
        self.services.settle();
    }

    /// What the last step wants done, in order.
    pub fn actions(&self) -> &[Action] {
        &self.to_do.actions
    }

    /// Whether the members of any process group have had their stop signal.
    pub fn told_any(&self) -> bool {
        self.services.all.iter().any(|record| record.group_told)
    }

    /// Whether the members of this process group have had their stop signal.
    pub fn was_told(&self, group: Pid) -> bool {
        let services = &self.services.all;
        services
            .iter()
            .any(|record| record.main == group && record.group_told)
    }

    /// Whether it is of any interest now that a process ended which is no service's, or that every
    /// zombie was reaped ([`Event::Reaped`]).
    pub fn heeds_orphans(&self) -> bool {
        self.phase >= Phase::Look || self.plan.tells_all()
    }

    /// Whether everything was killed, and its end is all that is waited for.
    pub fn has_killed_all(&self) -> bool {
        self.phase == Phase::Killing
    }

    /// Whether a process must be a zombie still when what its end leads to is done: its number is its own
    /// that long. Its group may have to be told, or what it said last must be found to be a service's.
    pub fn needs_zombies(&self) -> bool {
        !self.init
            || self.plan.style == Style::DumbInit
            || self.places().any(|place| {
                let spec = self.spec(place);
                spec.notifies() || spec.restart() != Restart::No
            })
    }

    /// Whether a service's daemon is being started: which process that is has not been found out yet.
    #[inline(never)]
    pub fn launches(&self, place: Place) -> bool {
        let state = self.services.see(place).state;
        matches!(state, State::Launching | State::Launched)
    }

    /// Whether a service's process starts its daemon, which is waited for if that ends well.
    #[inline(never)]
    pub fn is_launcher(&self, place: Place) -> bool {
        let record = self.services.see(place);
        // In the stop nobody waits for what it left behind, which is told with all that is left.
        let stops = matches!(self.phase, Phase::Stopping | Phase::Killing);
        record.state == State::Launching && record.told.is_none() && !stops
    }

    /// The process in which a service may go on when its own ends, which it or its pid file has named; 0 if
    /// it has named none, or is to end. Where that is its own, its pid file may have another by now.
    pub fn heir(&self, place: Place) -> Pid {
        let record = self.services.see(place);
        match record.told {
            None => record.named,
            Some(_) => 0,
        }
    }

    /// When the stop must be over; what has no budget has had its time.
    pub fn limit(&self) -> Instant {
        if self.plan.graceful() {
            self.limit
        } else {
            self.now
        }
    }

    /// The process of the service that has the terminal if there is one: the only service, or the
    /// one that the plan gives it; while it runs.
    pub fn foreground_child(&self) -> Option<Pid> {
        let place = match self.services.all.len() {
            1 => 0,
            _ => self.plan.foreground,
        };
        let record = self.services.see(place);
        record.running().then_some(record.pid)
    }

    fn act(&mut self, action: Action) {
        self.to_do.add(action);
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

    /// Acts on the deadlines that have come. One service at a time, which bounds what one step does:
    /// as long as another one is due, [`Supervisor::next`] does not wait.
    fn time(&mut self) {
        self.services.settle();
        // Whether anything is left over is not known before the first look.
        let bounded = !matches!(self.phase, Phase::Look | Phase::Held | Phase::Done);
        if bounded && self.now >= self.limit {
            // Whoever's own time is over as well is killed with all else, and said once.
            return self.overdue();
        }
        if self.phase <= Phase::Stopping && self.first_due() <= self.now {
            self.due_now(self.services.first());
        }
        if self.phase == Phase::LameDuck && self.now >= self.lame_until {
            self.end_lame_duck();
        }
    }
}
