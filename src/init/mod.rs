//! The loop: tells the supervisor what has happened, and does what it says.
//!
//! A round of [`Init::run`] tells the supervisor what checks have found and, after a wait with a deadline,
//! that time has passed; then it asks what is next: a start, a wait or the end. [`Init::wait`] takes signals
//! and what is ready, and reaps. Everything that is heard goes through [`Init::step`].

mod launch;
mod perform;
mod reap;
mod watch;

use core::ffi::CStr;
use core::mem::take;

use crate::edge::check::Checks;
use crate::edge::entry::Start;
use crate::edge::memory_events::MemoryEvents;
use crate::edge::notify::{FORK_FAILED, Notify};
use crate::edge::output::Outputs;
use crate::edge::process::{self, OwnProcess};
use crate::edge::raw::{self, Pending};
use crate::edge::reactor::{FdKind, Reactor, Token, now};
use crate::edge::spawn::Spawner;
use crate::edge::terminal::{self, Terminal};
use crate::edge::{arena, release};
use pidlet::message::{Kind, Message};
use pidlet::plan::{self, Place, Plan, Style};
use pidlet::supervise::{Event, Next, Notice, Supervisor, Surroundings};
use pidlet::words::signal::{Signal, SignalSet};
use pidlet::words::time::{Instant, NEVER, Span};

/// si_code of signals that the kernel itself sends (siginfo.h).
const SI_KERNEL: i32 = 0x80;

/// Every signal but the one for a child's end.
const NOT_CHILDREN: SignalSet = SignalSet::ALL.without(Signal::CHLD);

/// How long we wait for other events before another try at making a process that takes descriptors.
const TRY_AGAIN: Span = Span(200);

/// A deadline that has always passed: do not wait.
const PAST: Instant = Instant(0);

/// The init at work: the supervisor and everything that acts for it. Small fields come first, so that short
/// displacements reach them.
#[repr(C)]
pub struct Init<'p> {
    plan: &'p Plan<'p>,
    own: OwnProcess,
    /// Orphans are reparented to us.
    adopts: bool,
    /// Children may have ended, or the supervisor asks what is left: we reap before we sleep.
    reap_due: bool,
    /// Zombies are reaped only after everything that their end leads to: see
    /// [`Supervisor::must_keep_zombies`].
    must_keep_zombies: bool,
    /// We stopped ourselves along with our child, and have not seen a CONT since.
    suspended: bool,
    terminal: Terminal,
    checks: Checks,
    notify: Notify,
    memory: MemoryEvents,
    start: &'static Start,
    supervisor: Supervisor<'p>,
    outputs: Outputs<'p>,
    reactor: Reactor,
    spawner: Spawner<'p>,
}

impl<'p> Init<'p> {
    /// Sets up everything that must be right before anything runs.
    pub fn new(plan: &'p Plan<'p>, start: &'static Start, own: OwnProcess) -> Init<'p> {
        let mut ignore_once = SignalSet::NONE;
        if plan.setup.terminal == plan::Terminal::Session {
            ignore_once = terminal::detach(own.pid);
        }
        let terminal = Terminal::find(plan.setup.terminal);
        let several = plan.services.len() > 1;
        let on_terminal = terminal.is_there() || several && terminal::on_stdin();
        let surroundings = Surroundings {
            init: own.init(),
            no_shell: own.init() || on_terminal && raw::session_of(0) == own.pid,
            ignore_once,
        };
        // Services get sessions of their own only where no key can stop us together with them. Elsewhere they
        // stay in ours, as jobs do in their shell's: the terminal does not stop a group whose parent is in
        // another session (setpgid(2): orphaned).
        let own_sessions = surroundings.no_shell & plan.from_file & several;
        // https://no-color.org
        let colour = start.getenv(b"NO_COLOR").is_none_or(CStr::is_empty);
        Init {
            plan,
            adopts: false,
            reap_due: false,
            must_keep_zombies: false,
            suspended: false,
            terminal,
            checks: Checks::new(plan),
            notify: Notify::new(),
            memory: MemoryEvents::new(),
            start,
            supervisor: Supervisor::new(plan, surroundings),
            // A terminal has one reader: of several services the one that asks for it, or none.
            outputs: Outputs::new(plan, colour, several & on_terminal),
            reactor: Reactor::new(&start.segments.constants),
            spawner: Spawner::new(plan, start, &own, own_sessions),
            own,
        }
    }

    /// Runs until the supervisor says that it is over. Returns the exit code.
    #[inline(never)]
    pub fn run(&mut self) -> u8 {
        let needed = self.outputs.needed().wrapping_add(self.checks.needed());
        self.spawner.file_limit = process::raise_file_limit(needed);
        self.must_keep_zombies = self.supervisor.must_keep_zombies();
        self.adopts = self.own.adopt(self.plan);
        if !self.adopts {
            self.say(Message::of(Kind::NotSubreaper));
        }
        if let Some(signal) = self.plan.parent_death {
            self.own.watch_parent(signal);
        }
        arena::seal();
        self.start.segments.protect();
        // ---- From here on nothing but the supervisor's word may end us: every fault is a message and a
        // ---- later deadline.
        let (mut start_finished, mut timed) = (false, false);
        loop {
            self.tell_findings();
            // What has ended, answered or spoken by now did so in time, however late we are. A service whose
            // children die in masses, or that writes a lot, must not delay a deadline any further.
            if take(&mut timed) {
                self.step(Event::Time);
                continue;
            }
            let until = match self.supervisor.next() {
                Next::Exit(code) => {
                    self.terminal.take_back();
                    return code;
                }
                Next::Start(service) => {
                    self.start_next(service);
                    // A signal may have arrived meanwhile after which nothing more is to be started.
                    PAST
                }
                Next::Wait(_) if !start_finished => {
                    start_finished = true;
                    self.finish_start();
                    continue;
                }
                Next::Wait(until) => until,
            };
            self.wait(until);
            timed = until != NEVER && !self.reactor.interrupted();
        }
    }

    /// Everything has been started: does what could wait until then.
    #[inline(never)]
    fn finish_start(&mut self) {
        if !self.plan.from_file {
            release::release_inherited(self.reactor.last.max(self.terminal.fd()));
        }
        // In place of TERM, Kata Containers sends KILL to a process that, by its /proc/PID/status, neither
        // blocks, ignores nor catches it. A signal that is being waited for does not count as blocked there.
        self.spawner.term_ignored = Some(raw::seem_to_handle(Signal::TERM));
        self.memory.grown();
    }

    /// Waits for a signal, and takes each kind that is pending once: the kernel hands out the lowest number
    /// first, so a process that sends that signal without end would keep all others from us.
    fn wait(&mut self, until: Instant) {
        if self.outputs.due {
            self.outputs.complain(false);
        }
        let (mut signals, mut limit) = (SignalSet::ALL, until);
        let held_up = self.notify.is_held_up();
        if held_up {
            limit = limit.min(now().after(TRY_AGAIN));
        }
        if self.reap_due {
            // We know already that a child has died, and there is no time to wait.
            (signals, limit) = (NOT_CHILDREN, PAST);
        }
        loop {
            let pending = self.reactor.wait(limit, signals);
            let another = self.handle_signal(pending);
            while let Some(token) = self.reactor.woken() {
                self.woken(token);
            }
            let Some(signal) = another else {
                break;
            };
            // One CHLD is enough for a round. But where each start brings one, stopping at it would keep
            // signals with higher numbers from us until the last start.
            if signal == Signal::CHLD && until != PAST {
                break;
            }
            signals = signals.without(signal);
            limit = PAST;
        }
        if held_up {
            // A service that cannot be heard is not silent.
            for place in 0..self.plan.services.len() as Place {
                self.step(Event::Noticed(place, Notice::Alive));
            }
            self.notify.ended(FORK_FAILED, &mut self.reactor);
        }
        if take(&mut self.reap_due) {
            self.reap();
        }
    }

    /// Heeds a signal, if there is one. Returns which it was.
    #[inline(never)]
    fn handle_signal(&mut self, pending: Pending) -> Option<Signal> {
        let signal = Signal::new(pending.number)?;
        let child = signal == Signal::CHLD;
        self.reap_due |= child;
        self.suspended &= signal != Signal::CONT;
        if !child || self.plan.style == Style::DumbInit {
            let parent_died = self.plan.parent_death == Some(signal) && self.own.parent_died();
            self.step(Event::Signal {
                signal,
                from_kernel: pending.code == SI_KERNEL,
                parent_died,
            });
        }
        Some(signal)
    }

    /// A descriptor that we watch is ready.
    fn woken(&mut self, token: Token) {
        match token {
            Token(FdKind::Notify, _) => _ = self.receive_messages(),
            Token(FdKind::Check, number) => {
                let place = number as Place;
                self.checks.woken(place, self.probe(place));
            }
            Token(FdKind::ReadyPipe, number) => {
                let place = number as Place;
                if self.checks.read_pipe(place) {
                    self.step(Event::Noticed(place, Notice::Ready));
                }
            }
            _ => self.outputs.woken(token, &mut self.reactor),
        }
    }

    /// Tells the supervisor what happened, does what it says, and tells it if that was out of our reach.
    fn step(&mut self, event: Event) {
        self.supervisor.step(now(), event);
        let mut index = 0;
        let mut in_reach = true;
        while let Some(&action) = self.supervisor.actions().get(index) {
            in_reach &= self.perform(action);
            index += 1;
        }
        if !in_reach {
            self.step(Event::OutOfReach);
        }
    }
}
