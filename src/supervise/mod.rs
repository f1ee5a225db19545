//! The supervisor: takes a plan and what happens, and decides what is to be done.
//!
//! A state machine without system calls or a clock. The edge asks [`Supervisor::next`] what to do, and tells
//! [`Supervisor::step`] what happened; a step yields [`Action`]s, which the edge performs in order. An action
//! has no answer: what comes of it is an event like any other.
//!
//! The phases of a container's life, and what leads from one to the next:
//!
//! ```text
//! Run ──► Held ──────┐                       a failure under --hold
//!  │ └──► LameDuck ──┤                       a stop signal under --lame-duck
//!  └─────────────────┴─► Stopping ──► Look ──► Leftovers ──► Done
//!                            │         │          │           ▲
//!                            └─────────┴──────────┴──────► Killing
//! ```
//!
//! - *Held* and *LameDuck*: what runs goes on, but nothing is started, until a stop signal comes or, for a
//!   lame duck, the delay is over.
//! - *Stopping*: each service gets its stop signal once everything that is `after` it has ended. The phase
//!   ends with the last service.
//! - *Look*: the services are gone, and it is not known yet whether anything else is left. If not, all is
//!   *Done*.
//! - *Leftovers*: something is left; orphans and leftover members of process groups get their stop signal,
//!   too.
//! - *Killing*: the budget ran out, or a second stop signal came; everything was killed.
//!
//! Where all signals are just passed on, *LameDuck* leads back to *Run*, and the end of a budget that was set
//! from there to *Killing*. Under a peer's name, unless `PIDLET_GRACE` is set, the end of the only service
//! leads straight to *Done*.
//!
//! The states of a service are drawn in [`life`]. [`event`] is what goes in and comes out, and [`service`] is
//! what is known of a service. What happens to it is in [`life`] (starts, ends and restarts), [`watch`]
//! (whether it is up, and well), [`signals`] and [`stop`]. [`children`] finds the service that a process
//! belongs to, and [`timers`] the service that is due next.
//!
//! Deliberately absent: descriptors, the ownership of the terminal, and reaping. The edge reaps a zombie only
//! after the step that heard of its end, where a dead leader's group may have to be signalled while no other
//! process can have its number: see [`Supervisor::must_keep_zombies`].

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
use crate::plan::{Essential, NO_SERVICE, Place, Plan, Restart, Style};
use crate::words::Pid;
use crate::words::list::array;
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
    /// We lead our session, so there is no shell that could stop and continue us.
    pub no_shell: bool,
    /// Signals that will come once because of something we did ourselves, and mean nothing.
    pub ignore_once: SignalSet,
}

/// If we notice a service's deadline this late, we were frozen or stopped. It may have been, too, or have
/// waited for us to listen, so it gets this long to speak, to answer or to end before it is at fault.
const LENIENCY: Span = Span::seconds(1);

/// Where in its life the container is. In the first three phases, services have deadlines of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Run,
    LameDuck,
    Stopping,
    Held,
    Look,
    Leftovers,
    Killing,
    Done,
}

/// What is known of each service.
struct Records<'p> {
    all: &'p mut [Record],
    /// In place of a record, for a place that no service has.
    dummy: &'p mut Record,
    /// The service whose record was last lent out for a change: see [`timers`].
    taken: Place,
}

impl Records<'_> {
    #[inline(never)]
    fn see(&self, place: Place) -> &Record {
        self.all.get(usize::from(place)).unwrap_or(self.dummy)
    }
}

/// What a step wants done.
struct ToDo {
    /// Has room for the actions of the longest step. Most of it is never used, and what was never written to
    /// takes no memory. It never grows, and there is nothing to drop.
    actions: ManuallyDrop<Vec<Action>>,
    /// Takes the actions for which there is no room.
    lost: Action,
}

impl ToDo {
    fn add(&mut self, action: Action) {
        *self.place() = action;
    }

    /// The place of the next action. To build it there takes less code than to pass it by value.
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
// The order matters: each use of a field within the first 128 bytes is three bytes shorter.
#[repr(C)]
pub struct Supervisor<'p> {
    services: Records<'p>,
    phase: Phase,
    /// As in [`Surroundings`].
    init: bool,
    no_shell: bool,
    suspension: Suspension,
    /// A stop signal has come for the stop under way: one more kills everything at once.
    asked_once: bool,
    /// The verdict so far: the exit code, and the service whose end it comes from.
    code: u8,
    culprit: Place,
    /// What the stop sends to services that have no stop signal of their own.
    stop_signal: Signal,
    /// The last stop signal that caused the stop, or may yet turn out to have caused it, and when it is
    /// heeded: at once, or when the lame-duck delay ends.
    asked: Option<Signal>,
    asked_at: Instant,
    /// When this step takes place.
    now: Instant,
    /// No service is due before this: see [`LENIENCY`].
    lenient_until: Instant,
    /// When the stop budget runs out; once everything has been killed, when we stop waiting for it to vanish.
    limit: Instant,
    plan: &'p Plan<'p>,
    /// How many services have a process: see [`children`].
    running: u32,
    /// How many services are not gone yet.
    left: u32,
    /// How many of the services that readiness depends on have not been up yet.
    not_up: u32,
    /// The first and the last service in the start queue.
    first_to_start: Place,
    last_to_start: Place,
    /// The service whose failure came first, or [`NO_SERVICE`].
    first_failure: Place,
    /// The services whose ends count for the exit code, as a half-open range: all of them after a stop
    /// signal, else the one whose end ended the container, if there is one.
    counts_from: Place,
    counts_to: Place,
    to_do: ToDo,
    /// The services that are after each service, in one list: see [`Supervisor::dependents_of`].
    dependents: &'p [Place],
    ignore_once: SignalSet,
}

impl<'p> Supervisor<'p> {
    /// A supervisor that has started nothing yet. All the memory that it will ever need is allocated here.
    // Not inlined: in its caller's large frame each field would cost three bytes more, here and in `step`.
    #[inline(never)]
    pub fn new(plan: &'p Plan<'p>, surroundings: Surroundings) -> Supervisor<'p> {
        let count = plan.services.len() as Place;
        let (dummy, all) = array(Record::WAITING, usize::from(count) + 1)
            .split_last_mut()
            .expect("there is one");
        let mut supervisor = Supervisor {
            services: Records {
                all,
                dummy,
                taken: NO_SERVICE,
            },
            phase: Phase::Run,
            init: surroundings.init,
            no_shell: surroundings.no_shell,
            suspension: Suspension::None,
            asked_once: false,
            code: 0,
            culprit: NO_SERVICE,
            stop_signal: Signal::TERM,
            asked: None,
            asked_at: NEVER,
            now: NEVER,
            lenient_until: Instant(0),
            limit: NEVER,
            plan,
            running: 0,
            left: count.into(),
            not_up: 0,
            first_to_start: NO_SERVICE,
            last_to_start: NO_SERVICE,
            first_failure: NO_SERVICE,
            counts_from: 0,
            counts_to: count,
            to_do: ToDo {
                // More than the longest step needs: three actions for each service when the stop begins, a
                // message and a KILL for each when its budget is over.
                actions: ManuallyDrop::new(Vec::with_capacity(5 * usize::from(count) + 16)),
                lost: Action::Look,
            },
            dependents: &[],
            ignore_once: surroundings.ignore_once,
        };
        supervisor.prepare_start();
        supervisor
    }

    /// Works out how many others each service waits for, and queues those that wait for none.
    #[inline(never)]
    fn prepare_start(&mut self) {
        for place in self.places() {
            let dependencies = self.dependencies_of(place);
            for dependency in dependencies {
                self.services.of(*dependency).dependents += 1;
            }
            self.services.of(place).blockers = dependencies.len() as u32;
            if dependencies.is_empty() {
                self.enqueue(place);
            }
            self.not_up += u32::from(self.is_awaited(place));
            for pair in self.spec(place).0 {
                if let Some(reader) = self.plan.reader_of(pair) {
                    let reader = self.services.of(reader);
                    reader.fed = true;
                    reader.feeders += 1;
                }
            }
        }
        // Counts become ends of parts of the list; filling a part from its end moves that to its beginning.
        let mut end = 0;
        for record in &mut *self.services.all {
            end += record.dependents;
            record.dependents = end;
        }
        self.services.dummy.dependents = end;
        let dependents = array(NO_SERVICE, end as usize);
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

    /// The services that this one is after.
    fn dependencies_of(&self, place: Place) -> &'p [Place] {
        let service = self.plan.services.get(usize::from(place));
        service.map_or(&[], |service| service.after)
    }

    /// The services that are after this one: their part of the list begins where its record says, and ends
    /// where the next one's begins.
    fn dependents_of(&self, place: Place) -> &'p [Place] {
        let begin = self.services.see(place).dependents;
        let end = self.services.see(place.saturating_add(1)).dependents;
        let range = begin as usize..end as usize;
        self.dependents.get(range).unwrap_or(&[])
    }

    /// Whether the container counts as ready only once this service has been up.
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

    /// What is known of a service; nothing, for a place that no service has.
    pub fn record(&self, place: Place) -> &Record {
        self.services.see(place)
    }

    /// What to do next.
    pub fn next(&self) -> Next {
        match self.phase {
            Phase::Done => Next::Exit(self.code),
            Phase::Run | Phase::Stopping if self.first_to_start != NO_SERVICE => {
                Next::Start(self.first_to_start)
            }
            _ => Next::Wait(self.deadline()),
        }
    }

    fn deadline(&self) -> Instant {
        let mut deadline = self.limit;
        if self.phase == Phase::LameDuck {
            deadline = deadline.min(self.asked_at);
        }
        if self.phase <= Phase::Stopping {
            deadline = deadline.min(self.first_due());
        }
        deadline
    }

    /// When the first service is due.
    fn first_due(&self) -> Instant {
        let due = self.services.first_due();
        if self.phase < Phase::Stopping {
            due.max(self.lenient_until)
        } else {
            due
        }
    }

    /// Takes note of what happened, and decides what must be done: see [`Supervisor::actions`].
    #[inline(never)]
    pub fn step(&mut self, now: Instant, event: Event) {
        self.to_do.actions.clear();
        let before = replace(&mut self.now, now);
        // Not twice in a row, so that deadlines take effect even if every step comes late.
        let again = before.after(LENIENCY) == self.lenient_until;
        if !again && now.since(before.max(self.first_due())) >= LENIENCY {
            self.lenient_until = now.after(LENIENCY);
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
        self.services.flush();
    }

    /// What the last step wants done, in order.
    pub fn actions(&self) -> &[Action] {
        &self.to_do.actions
    }

    /// Whether any process group has been sent its stop signal.
    pub fn told_any(&self) -> bool {
        self.services.all.iter().any(|record| record.group_told)
    }

    /// Whether this process group has been sent its stop signal.
    pub fn was_told(&self, group: Pid) -> bool {
        let services = &self.services.all;
        services
            .iter()
            .any(|record| record.main == group && record.group_told)
    }

    /// Whether it matters now that a process of no service ended, or that zombies were reaped
    /// ([`Event::Reaped`]).
    pub fn orphans_matter(&self) -> bool {
        self.phase >= Phase::Look || self.plan.reports_orphans()
    }

    /// Whether everything has been killed, and we only wait for it to vanish.
    pub fn has_killed_all(&self) -> bool {
        self.phase == Phase::Killing
    }

    /// Whether a dead process must stay a zombie until everything that its end leads to is done, so that its
    /// number stays its own: its group may have to be signalled, or its last message traced to a service.
    pub fn must_keep_zombies(&self) -> bool {
        !self.init
            || self.plan.style == Style::DumbInit
            || self.places().any(|place| {
                let spec = self.spec(place);
                spec.notifies() || spec.restart() != Restart::No
            })
    }

    /// Whether a service's daemon is being started, and it is not known yet which process that is.
    #[inline(never)]
    pub fn launches(&self, place: Place) -> bool {
        let state = self.services.see(place).state;
        matches!(state, State::Launching | State::Launched)
    }

    /// Whether a service's process that ended with this code was a launcher that did its work, so that its
    /// daemon is waited for.
    #[inline(never)]
    pub fn has_launched(&self, place: Place, code: u8) -> bool {
        let record = self.services.see(place);
        // In the stop nothing waits for the daemon: it is told to stop with all that is left.
        let stops = matches!(self.phase, Phase::Stopping | Phase::Killing);
        record.state == State::Launching
            && record.told.is_none()
            && !stops
            && self.plan.expected(code)
    }

    /// The process as which a service goes on when its own ends, named by itself or its pid file; 0 if there
    /// is none, or it was told to end. Where that is its own process, the pid file may name another by now.
    pub fn successor(&self, place: Place) -> Pid {
        let record = self.services.see(place);
        match record.told {
            None => record.named,
            Some(_) => 0,
        }
    }

    /// When the stop must be over; now, if there is no budget.
    pub fn limit(&self) -> Instant {
        if self.plan.graceful() {
            self.limit
        } else {
            self.now
        }
    }

    /// The process of the service that has the terminal, while it runs: of the only service, or of the one to
    /// which the plan gives the terminal.
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
        self.say_of(kind, 0, NO_SERVICE);
    }

    fn say_about(&mut self, kind: Kind, service: Place) {
        self.say_of(kind, 0, service);
    }

    fn say_signal(&mut self, kind: Kind, signal: Signal) {
        self.say_of(kind, signal.number(), NO_SERVICE);
    }

    fn say_of(&mut self, kind: Kind, signal: u8, service: Place) {
        self.say(Message {
            signal,
            service,
            ..Message::of(kind)
        });
    }

    /// Acts on deadlines that have passed, one service at a time, which bounds what a step does: while
    /// another one is due, [`Supervisor::next`] asks for no wait.
    fn time(&mut self) {
        self.services.flush();
        // Before the first look it is not known whether anything is left over.
        let bounded = !matches!(self.phase, Phase::Look | Phase::Held | Phase::Done);
        if bounded && self.now >= self.limit {
            // A service whose own time is over as well is killed with everything else, and reported once.
            return self.overdue();
        }
        if self.phase <= Phase::Stopping && self.first_due() <= self.now {
            self.due_now(self.services.first());
        }
        if self.phase == Phase::LameDuck && self.now >= self.asked_at {
            self.end_lame_duck();
        }
    }
}
