//! A plan's life: what the program's loop does with a supervisor, and what must hold whatever happens.
//!
//! The fuzzer's events may be nonsense: ends of processes that belong to no service, checks that were not
//! asked for, a clock that goes backwards. What the kernel and the program never do is not among them unless
//! [`Life::wild`]: one number for two processes, children that are gone without having ended. A start that
//! was not asked for is never among them: it is the answer to a question.

use arbitrary::{Result, Unstructured};
use pidlet::message::{Kind, Message};
use pidlet::plan::{Key, NO_SERVICE, Place, Plan, StartFault, Step};
use pidlet::supervise::{Action, Event, Finding, Next, Notice, State, Supervisor, Surroundings};
use pidlet::voice;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::exit::Status;
use pidlet::words::line::Line;
use pidlet::words::signal::{Signal, SignalSet};
use pidlet::words::time::{Instant, NEVER, Span};

use crate::memory;

/// The number of the first process.
const FIRST_PID: Pid = 100;
/// Signals to ask for the stop with: the first one that the plan does not rewrite to something else.
const STOP: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::PWR, Signal::HALT];

pub struct Life<'p> {
    plan: &'p Plan<'p>,
    supervisor: Supervisor<'p>,
    now: Instant,
    /// The children that are there, dead or alive.
    processes: Vec<Pid>,
    next_pid: Pid,
    look: bool,
    ends_said: usize,
    /// Starts since the clock last moved.
    starts: usize,
    /// Even impossible events may happen.
    pub wild: bool,
}

impl<'p> Life<'p> {
    pub fn new(plan: &'p Plan<'p>, init: bool, no_shell: bool) -> Life<'p> {
        let surroundings = Surroundings {
            init,
            no_shell: init || no_shell,
            ignore_once: SignalSet::NONE,
        };
        Life {
            plan,
            supervisor: Supervisor::new(plan, surroundings),
            now: Instant(1_000_000),
            // Taken now: a step takes no memory, and neither may we within it.
            processes: Vec::with_capacity(1 << 16),
            next_pid: FIRST_PID,
            look: false,
            ends_said: 0,
            starts: 0,
            wild: false,
        }
    }

    fn over(&self) -> bool {
        matches!(self.supervisor.next(), Next::Exit(_))
    }

    fn spawn(&mut self) -> Pid {
        self.next_pid += 1;
        if self.processes.len() < self.processes.capacity() {
            self.processes.push(self.next_pid);
        }
        self.next_pid
    }

    fn step(&mut self, event: Event) {
        if memory::told() {
            eprintln!("{} {event:?}", self.now.0);
        }
        let before = memory::taken();
        self.supervisor.step(self.now, event);
        assert_eq!(memory::taken(), before, "a step takes memory");
        let count = self.supervisor.actions().len();
        assert!(
            count < 5 * self.plan.services.len() + 16,
            "no room for an action"
        );
        for index in 0..count {
            let action = self.supervisor.actions()[index];
            if memory::told() {
                eprintln!("    {action:?}");
            }
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Look => self.look = true,
            Action::Say(message) => self.say(message),
            Action::Signal { pid, .. } | Action::Wake(pid) | Action::Resume(pid) if !self.wild => {
                assert!(
                    self.processes.contains(&pid),
                    "a signal for {pid}, which is no child of ours"
                );
            }
            _ => (),
        }
    }

    fn say(&mut self, message: Message) {
        self.ends_said += usize::from(message.kind == Kind::End);
        let mut line = Line::new();
        let said = voice::write(message, &self.supervisor, 1, &mut line);
        assert!(said.is_some() || line.text().is_empty(), "half a line");
        line.clear();
        voice::describe(message, &self.supervisor, 1, &mut line);
        assert_eq!(line.end().last(), Some(&b'\n'));
    }

    /// Ends a child.
    fn end(&mut self, index: usize, status: Status) {
        let pid = self.processes[index];
        self.step(Event::Ended {
            pid,
            status,
            out_of_memory: status == Status::Killed(Signal::KILL),
        });
        // The number is free only now.
        self.processes.swap_remove(index);
    }

    /// What the program does by itself: it starts what is due. False if nothing is.
    fn go_on(&mut self, fault: Option<StartFault>) -> bool {
        match self.supervisor.next() {
            Next::Exit(_) => return false,
            Next::Start(service) => {
                let state = self.supervisor.record(service).state;
                assert!(
                    matches!(state, State::Waiting | State::Finishing),
                    "{state:?}"
                );
                self.starts += 1;
                // A start and a `finish` for each service, and what the events have made it try again at
                // once.
                let most = 8 * self.plan.services.len() + 8;
                assert!(self.wild || self.starts <= most, "it starts for ever");
                let launched = match fault {
                    Some(fault) => Err(fault),
                    None => Ok(self.spawn()),
                };
                self.step(Event::Launched(launched));
            }
            Next::Wait(_) => return false,
        }
        true
    }

    fn reap(&mut self) {
        if std::mem::take(&mut self.look) || self.supervisor.orphans_matter() {
            let left = !self.processes.is_empty();
            self.step(Event::Reaped { left });
        }
    }

    /// Lets time pass: until something is due, or by so much.
    fn pass(&mut self, span: Option<Span>) {
        let until = match (span, self.supervisor.next()) {
            (Some(span), _) => self.now.after(span),
            (None, Next::Wait(until)) if until != NEVER => until,
            _ => self.now.after(Span(1)),
        };
        if until > self.now {
            self.starts = 0;
        }
        // Later there would be no time left for deadlines.
        self.now = until.max(self.now).min(Instant(u64::MAX / 2));
        self.step(Event::Time);
    }

    /// Something happens, as the fuzzer has it.
    pub fn happens(&mut self, input: &mut Unstructured) -> Result<()> {
        let kind = input.int_in_range(0..=18)?;
        let fault = (kind == 18).then_some(start_fault(input)?);
        for _ in 0..if kind > 15 { 3 } else { 0 } {
            self.go_on(fault);
        }
        match kind {
            0 | 1 => self.pass(None),
            2 => self.pass(Some(Span(input.arbitrary::<u16>()?.into()))),
            3..=5 if !self.processes.is_empty() => {
                let index = input.choose_index(self.processes.len())?;
                self.end(index, status(input)?);
                self.reap();
            }
            6 => {
                let pid = self.pid(input, self.wild)?;
                let (status, out_of_memory) = (status(input)?, input.arbitrary()?);
                // A process that ends twice, or was never ours.
                if self.wild || !self.processes.contains(&pid) {
                    self.step(Event::Ended {
                        pid,
                        status,
                        out_of_memory,
                    });
                }
            }
            7 | 8 => {
                let event = Event::Signal {
                    signal: signal(input)?,
                    from_kernel: input.arbitrary()?,
                    parent_died: input.ratio(1, 16)?,
                };
                self.step(event);
            }
            9 | 10 => {
                let event = Event::Checked(self.place(input)?, self.finding(input)?);
                self.step(event);
            }
            11 | 12 => {
                let event = Event::Noticed(self.place(input)?, self.notice(input)?);
                self.step(event);
            }
            13 => {
                let pid = self.supervisor.foreground_child();
                if let (Some(pid), signal) = (pid, signal(input)?) {
                    self.step(Event::Stopped(pid, signal));
                }
            }
            14 => self.strange(input)?,
            15 => {
                self.now = Instant(self.now.0.saturating_sub(input.arbitrary::<u32>()?.into()));
                self.step(Event::Time);
            }
            _ => self.reap(),
        }
        Ok(())
    }

    /// Events that are rare, or never happen.
    fn strange(&mut self, input: &mut Unstructured) -> Result<()> {
        match input.int_in_range(0..=3)? {
            0 => self.step(Event::OutOfReach),
            1 => self.step(Event::Reaped { left: true }),
            2 => self.pass(Some(Span(input.arbitrary()?))),
            3 if self.wild => self.step(Event::Reaped { left: false }),
            _ => (),
        }
        Ok(())
    }

    fn place(&self, input: &mut Unstructured) -> Result<Place> {
        match input.int_in_range(0..=15)? {
            0 => Ok(NO_SERVICE),
            1 => input.arbitrary(),
            _ => Ok(input.choose_index(self.plan.services.len().max(1))? as Place),
        }
    }

    /// A number: a new one, a former one, or that of a process that exists.
    fn pid(&self, input: &mut Unstructured, any: bool) -> Result<Pid> {
        match input.int_in_range(0..=3)? {
            0 if any => input.arbitrary(),
            1 if !self.processes.is_empty() => input.choose(&self.processes).copied(),
            _ => input.int_in_range(FIRST_PID..=self.next_pid + 2),
        }
    }

    /// A child of ours, as a pid file or a service names it. The program makes sure that it is no other
    /// service's; with a pid file that may have changed when it is told.
    fn main(&mut self, input: &mut Unstructured, owned: bool) -> Result<Pid> {
        let pid = self.pid(input, self.wild)?;
        let free = owned || self.supervisor.service_of(pid) == NO_SERVICE;
        // A number that a later start will have is too wild: it is in use until its process is reaped.
        let wild = self.wild && !(self.next_pid..1 << 20).contains(&pid);
        if wild || self.processes.contains(&pid) && free {
            return Ok(pid);
        }
        Ok(self.spawn())
    }

    fn finding(&mut self, input: &mut Unstructured) -> Result<Finding> {
        Ok(match input.int_in_range(0..=5)? {
            0 | 1 => Finding::Good,
            2 => Finding::MISSING,
            3 => Finding::NotOurs,
            _ => Finding::Main(self.main(input, true)?),
        })
    }

    fn notice(&mut self, input: &mut Unstructured) -> Result<Notice> {
        let span = Span(match input.int_in_range(0..=2)? {
            0 => input.arbitrary()?,
            _ => input.int_in_range(1..=5000)?,
        });
        Ok(match input.int_in_range(0..=8)? {
            0 | 1 => Notice::Ready,
            2 => Notice::Stopping,
            3 => Notice::Alive,
            4 => Notice::Trigger,
            5 => Notice::Extend(span),
            6 => Notice::Watchdog(span),
            7 => Notice::Successor(self.main(input, false)?),
            _ => Notice::Main(self.main(input, false)?),
        })
    }

    /// Everything ends: a process that is told to stop does so at once, and no time passes for it.
    pub fn ends(&mut self) {
        // The second one ends the delay of a lame duck. Without one it would kill.
        let times = if self.plan.lame_duck > Span::ZERO {
            2
        } else {
            1
        };
        let pause = self.plan.services.is_empty();
        let stops = |to: Signal| match pause {
            true => to == Signal::TERM || to == Signal::INT,
            false => SignalSet::STOP.has(to),
        };
        let asks = |signal: &&Signal| self.plan.routes.get(**signal).is_some_and(stops);
        let Some(&signal) = STOP.iter().find(asks) else {
            // The plan rewrites them all, as it may.
            return;
        };
        for _ in 0..times {
            self.step(Event::Signal {
                signal,
                from_kernel: false,
                parent_died: false,
            });
        }
        self.starts = 0;
        let most = 64 + 16 * (self.plan.services.len() + self.processes.len());
        for _ in 0..most {
            if self.over() {
                break;
            }
            if self.go_on(None) {
                continue;
            }
            match self.processes.len() {
                0 => (),
                count => self.end(count - 1, Status::Killed(Signal::KILL)),
            }
            if !self.over() {
                self.reap();
                self.step(Event::Time);
            }
        }
        if self.wild {
            // A process that is said to be there and is not is waited for until our patience ends.
            for _ in 0..64 {
                self.pass(None);
                self.go_on(Some(START_FAULT));
            }
            return;
        }
        assert!(self.over(), "everything has ended, but it does not");
        assert!(self.ends_said == 1 || pause, "the end is said once");
    }

    /// A life in which nothing is strange: all is started, all is well, and all is stopped.
    pub fn is_quiet(mut self) {
        // Every check succeeds, and every service that tells of readiness is ready.
        while self.go_on(None) {}
        for place in 0..self.plan.services.len() as Place {
            if self.plan.spec(place).has(Key::Ready) {
                self.step(Event::Noticed(place, Notice::Ready));
                self.step(Event::Checked(place, Finding::Good));
                while self.go_on(None) {}
            }
        }
        self.ends();
    }
}

const START_FAULT: StartFault = StartFault {
    step: Step::Exec,
    errno: Errno::NOENT,
};

fn start_fault(input: &mut Unstructured) -> Result<StartFault> {
    let errno = Errno(input.int_in_range(1..=133)?);
    let step = match input.int_in_range(0..=6)? {
        0 => Step::Fork,
        1 => Step::Group,
        2 => Step::Interpreter,
        3 => Step::Key(*input.choose(&[Key::Dir, Key::User, Key::Stdout, Key::Nice, Key::None])?),
        _ => Step::Exec,
    };
    Ok(StartFault { step, errno })
}

fn signal(input: &mut Unstructured) -> Result<Signal> {
    let number = match input.int_in_range(0..=2)? {
        0 => *input.choose(&[15_u8, 2, 3, 1, 30, 18, 20])?,
        _ => input.int_in_range(1..=64)?,
    };
    Ok(Signal::new(number.into()).unwrap_or(Signal::TERM))
}

fn status(input: &mut Unstructured) -> Result<Status> {
    Ok(match input.int_in_range(0..=3)? {
        0 => Status::Killed(signal(input)?),
        1 => Status::Exited(input.arbitrary()?),
        _ => Status::Exited(0),
    })
}
