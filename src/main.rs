//! The program: asks the front doors for a plan, and carries it out until the supervisor says exit.
//!
//! `main → edge → lib`: the library decides, the edge acts, and this file is the loop between them.

#![no_std]
#![no_main]

extern crate alloc;

mod edge;

use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::AsRawFd;
use rustix::io::IoSlice;

use edge::check::{self, Checks};
use edge::entry::Start;
use edge::memory_events::MemoryEvents;
use edge::notify::{self, Notify};
use edge::output::Outputs;
use edge::process::{self, Own};
use edge::raw;
use edge::reactor::{self, NO_SIGNALS, Reactor, Token, now};
use edge::reap::{self, Look};
use edge::rest::Farewell;
use edge::say::{self, Voice};
use edge::spawn::{Gift, Spawner, What};
use edge::terminal::{self, Terminal};
use edge::{arena, files, settle};
use pidlet::front::{self, Question};
use pidlet::message::{Kind, Message, Stream};
use pidlet::plan::{self, Key, NOBODY, Place, Plan, Probe, StartFault, Style};
use pidlet::supervise::{
    Action, End, Event, Finding, News, Next, Notice, State, Supervisor, Surroundings,
};
use pidlet::voice;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::exit::Status;
use pidlet::words::signal::{Signal, SignalSet};
use pidlet::words::text::Line;
use pidlet::words::time::{Instant, Span};

/// si_code of what the kernel itself sends (siginfo.h).
const SI_KERNEL: i32 = 0x80;

/// How long the end waits for whoever reads what the services have said.
const LAST_OUTPUT: Span = Span::seconds(1);

/// How many messages are heard before everybody else has his turn again.
const HEARD_MAX: u32 = 64;

/// Everything after the kernel's start; what is returned is the exit code.
fn main(start: Start) -> u8 {
    let args = start.args();
    let getenv = |name: &[u8]| start.getenv(name);
    let question = Question {
        args,
        getenv: &getenv,
        own: rustix::process::getpid().as_raw_pid() as Pid,
        read: &|path| files::whole(path),
        list: &files::list,
        print: &say::answer,
    };
    let mut plan = Plan::new(front::style(&question));
    match front::ask(&question, &mut plan) {
        Ok(()) => Init::new(&plan, &start, question.own).run(),
        Err(code) => code,
    }
}

/// The init at work: the supervisor and everything that acts for it.
struct Init<'p> {
    plan: &'p Plan<'p>,
    own: Own,
    supervisor: Supervisor<'p>,
    spawner: Spawner<'p>,
    outputs: Outputs<'p>,
    reactor: Reactor,
    terminal: Option<Terminal>,
    memory: Option<MemoryEvents>,
    checks: Checks,
    notify: Notify,
    /// Where services reach us with sd_notify(3), if any does.
    variable: &'static CStr,
    voice: Voice,
    /// The supervisor wants to know what is left.
    look: bool,
}

impl<'p> Init<'p> {
    /// Sets up all that must be right before anything runs.
    fn new(plan: &'p Plan<'p>, start: &Start, own: Pid) -> Init<'p> {
        let own = Own::new(own);
        let mut ignore_once = SignalSet::NONE;
        if plan.setup.terminal == plan::Terminal::Session {
            ignore_once = terminal::detach(own.pid);
        }
        let terminal = Terminal::find(plan.setup.terminal);
        let several = plan.services.len() > 1;
        let on_terminal = terminal.is_some() || several && terminal::on_stdin();
        let surroundings = Surroundings {
            init: own.init(),
            alone: own.init() || on_terminal && raw::own_session() == own.pid,
            ignore_once,
        };
        let supervisor = Supervisor::new(plan, surroundings);
        let mut spawner = Spawner::new(plan, start, &own);
        let mut outputs = Outputs::new(plan);
        spawner.files = process::raise_files(outputs.needed());
        if several && on_terminal {
            // A terminal has one reader, and of several it is who asks for it or none.
            outputs.close_stdin();
        }
        Init {
            plan,
            own,
            supervisor,
            spawner,
            outputs,
            reactor: Reactor::new(start.constants),
            terminal,
            memory: None,
            checks: Checks::new(plan),
            notify: Notify::new(plan, start),
            variable: c"",
            voice: Voice::new(),
            look: false,
        }
    }

    fn run(mut self) -> u8 {
        if !self.own.adopt(self.plan) {
            self.say(Message::of(Kind::NotSubreaper));
        }
        if let Some(signal) = self.plan.parent_death {
            self.own.watch_parent(signal);
        }
        if self.plan.services.iter().any(|one| one.spec.notifies()) {
            self.variable = self.notify.open(&mut self.reactor).unwrap_or(c"");
        }
        arena::seal();
        // ---- From here on nothing may end us but the supervisor's word: every fault is a message
        // ---- and a later deadline.
        let mut settled = false;
        loop {
            while let Some((place, finding)) = self.checks.fetch() {
                self.step(Event::Checked(place, finding));
            }
            match self.supervisor.next() {
                Next::Exit(code) => {
                    if let Some(terminal) = &mut self.terminal {
                        terminal.take_back();
                    }
                    return code;
                }
                Next::Start(service) => {
                    self.start(service);
                    // What has arrived meanwhile may be that nothing more is to be started.
                    while matches!(self.supervisor.next(), Next::Start(_)) && self.wait(Some(now()))
                    {
                    }
                }
                Next::Wait(_) if !settled => {
                    settled = true;
                    self.settle();
                }
                Next::Wait(until) => _ = self.wait(until),
            }
            if core::mem::take(&mut self.look) {
                self.reap();
            }
        }
    }

    fn start(&mut self, service: usize) {
        let what = self.what(service);
        let foreground = match self.plan.services.len() {
            1 => true,
            _ => service == usize::from(self.plan.foreground) && what == What::Run,
        };
        let terminal = self.terminal.as_ref().filter(|_| foreground);
        let fd = terminal.and_then(Terminal::ours);
        let mut gift = match self.gift(service) {
            Ok(gift) => gift,
            Err(fault) => return self.step(Event::NotStarted(fault)),
        };
        gift.terminal = fd;
        let mut pipe = None;
        let ready = self.plan.spec(service).probe(Key::Ready);
        if let (Some(Probe::Fd(to)), What::Run) = (ready, what) {
            pipe = self.checks.pipe(service as Place, &mut self.reactor);
            gift.ready = pipe.as_ref().map(|pipe| (pipe.as_raw_fd(), to.into()));
        }
        let event = self.spawner.start(service, what, &gift);
        self.outputs.started();
        // Nobody else may hold the end to write to.
        drop(pipe);
        if let (Some(_), Event::Started(pid), Some(terminal)) = (fd, event, &mut self.terminal) {
            terminal.given_to(pid);
        } else if let (Some(_), Some(terminal)) = (fd, &mut self.terminal) {
            terminal.take();
        }
        self.step(event);
    }

    /// What every process of a service gets.
    fn gift(&mut self, service: usize) -> Result<Gift<'static>, StartFault> {
        let notifies = self.plan.spec(service).notifies();
        Ok(Gift {
            streams: self.outputs.ends(service, &mut self.reactor)?,
            notify: if notifies { self.variable } else { c"" },
            ..Gift::NONE
        })
    }

    /// What is to be started of a service: itself, or its `finish` command with how it ended.
    fn what(&self, service: usize) -> What {
        let record = self.supervisor.record(service as Place);
        match record.map(|record| (record.state, record.end)) {
            Some((State::Finishing, End::Process(Status::Killed(signal)))) => {
                What::Finish(256, signal.number())
            }
            Some((State::Finishing, End::Process(Status::Exited(code)))) => {
                What::Finish(code.into(), 0)
            }
            Some((State::Finishing, _)) => What::Finish(256, 0),
            _ => What::Run,
        }
    }

    /// Everything runs: from now on there is time.
    fn settle(&mut self) {
        self.reactor.open();
        if !self.plan.filed {
            let terminal = self.terminal.as_ref().map_or(reactor::NONE, Terminal::fd);
            let last = self.reactor.last().max(self.outputs.last);
            settle::settle(last.max(terminal));
        }
        if self.plan.style == Style::Pidlet {
            self.memory = Some(MemoryEvents::new());
        }
    }

    /// Waits for signals, and tells whether there were any.
    fn wait(&mut self, until: Option<Instant>) -> bool {
        let mut batch = NO_SIGNALS;
        let signals = self.reactor.wait(until, &mut batch);
        for pending in signals {
            let Some(signal) = Signal::new(pending.number) else {
                continue;
            };
            if signal == Signal::CHLD {
                self.look = true;
                if self.plan.style != Style::DumbInit {
                    continue;
                }
            }
            let from_kernel = pending.code == SI_KERNEL;
            let parent_died = self.plan.parent_death == Some(signal) && self.own.parent_died();
            self.step(Event::Signal {
                signal,
                from_kernel,
                parent_died,
            });
        }
        while let Some(token) = self.reactor.woken() {
            self.woken(token);
        }
        if self.outputs.due {
            self.complain(false);
        }
        if signals.is_empty() {
            self.step(Event::Time);
        }
        !signals.is_empty()
    }

    /// A descriptor that we watch is ready.
    fn woken(&mut self, token: Token) {
        match token {
            Token::Notify => self.hear(),
            Token::Check(number) => {
                let place = number as Place;
                if let Some(probe) = self.probe(place) {
                    self.checks.woken(place, &probe);
                }
            }
            Token::ReadyPipe(number) => {
                let place = number as Place;
                if self.checks.heard(place) {
                    self.step(Event::Noticed(place, Notice::Ready));
                }
            }
            _ => self.outputs.woken(token, &mut self.reactor),
        }
    }

    /// Hears what services say by sd_notify(3): so much of it at a time that nobody can keep us.
    #[inline(never)]
    fn hear(&mut self) {
        let mut buffer = [MaybeUninit::uninit(); notify::MESSAGE_BYTES_MAX];
        for _ in 0..HEARD_MAX {
            let Some((pid, message)) = self.notify.receive(&mut buffer) else {
                return;
            };
            let place = notify::owner(pid, &|pid| self.supervisor.service_of(pid));
            let Some(service) = self.plan.services.get(usize::from(place)) else {
                continue;
            };
            let status = pidlet::notify::parse(message, &mut |notice| {
                if let Notice::Main(pid) = notice {
                    if !reap::is_child(pid) || self.supervisor.service_of(pid) != NOBODY {
                        return;
                    }
                }
                self.step(Event::Noticed(place, notice));
            });
            if let Some(status) = status {
                self.notify.tell(&[
                    IoSlice::new(b"STATUS="),
                    IoSlice::new(service.name),
                    IoSlice::new(b": "),
                    IoSlice::new(status),
                ]);
            }
        }
    }

    /// Which key says how a service is checked now.
    fn checked(&self, place: Place) -> Key {
        match self.supervisor.record(place) {
            Some(record) if record.up => Key::Health,
            _ => Key::Ready,
        }
    }

    fn probe(&self, place: Place) -> Option<Probe<'p>> {
        self.plan.spec(place.into()).probe(self.checked(place))
    }

    /// Checks a service once. What comes of it is fetched later: we are in the midst of a step.
    fn check(&mut self, place: Place) {
        let state = self.supervisor.record(place).map(|record| record.state);
        let pidfile = self.plan.spec(place.into()).word(Key::Pidfile);
        let finding = match (pidfile, self.probe(place)) {
            (Some(path), _) if state == Some(State::Launched) => {
                let is_other = |pid| self.supervisor.service_of(pid) != NOBODY;
                check::pid_file(path, &is_other)
            }
            (_, Some(Probe::Exec(_))) => {
                let what = What::Check(self.checked(place));
                let started = match self.gift(place.into()) {
                    Ok(gift) => self.spawner.start(place.into(), what, &gift),
                    Err(fault) => Event::NotStarted(fault),
                };
                self.outputs.started();
                match started {
                    Event::Started(pid) => return self.checks.started(place, pid),
                    _ => Finding::Bad,
                }
            }
            (_, Some(probe)) => return self.checks.begin(place, &probe, &mut self.reactor),
            _ => Finding::Bad,
        };
        self.checks.found(place, Some(finding));
    }

    /// Reaps every zombie there is, each after the supervisor has heard of it.
    fn reap(&mut self) {
        let left = loop {
            match reap::look() {
                Look::Zombie(pid, status) => {
                    // What it said before its end comes before its end.
                    self.hear();
                    if self.checks.ended(pid, status) {
                        reap::reap(pid);
                        continue;
                    }
                    // What it said comes before what is said of it.
                    let place = self.supervisor.service_of(pid);
                    self.outputs.ended(place.into(), &mut self.reactor);
                    let killed = status == Status::Killed(Signal::KILL);
                    let memory = self.memory.as_mut().filter(|_| killed);
                    let out_of_memory = memory.is_some_and(MemoryEvents::grown);
                    self.step(Event::Ended {
                        pid,
                        status,
                        out_of_memory,
                    });
                    reap::reap(pid);
                    if let (None, Some(terminal)) =
                        (self.supervisor.foreground_child(), &mut self.terminal)
                    {
                        // From now on Ctrl-C is for us.
                        terminal.take_back();
                    }
                    if matches!(self.supervisor.next(), Next::Exit(_)) {
                        return;
                    }
                }
                Look::Alive => break true,
                Look::None => break false,
            }
        };
        self.step(Event::Reaped { left });
        if let (Some(pid), Some(_)) = (self.supervisor.foreground_child(), &self.terminal) {
            // Whoever sends STOP itself is no terminal, and knows how to send CONT.
            let by_terminal = |signal: &Signal| SignalSet::TERMINAL_STOPS.has(*signal);
            if let Some(signal) = reap::stopped(pid).filter(by_terminal) {
                self.step(Event::Stopped(pid, signal));
            }
        }
    }

    /// Tells the supervisor what happened and does what it says; what comes of that is told, too.
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

    /// Does something. False if whom it is for is out of reach.
    fn perform(&mut self, action: Action) -> bool {
        match action {
            Action::Say(message) => self.say(message),
            Action::Signal { pid, group, signal } => self.signal(pid, group, signal),
            Action::Wake(pid) => {
                if reap::stopped(pid).is_some() {
                    self.signal(pid, self.plan.group, Signal::CONT);
                }
            }
            Action::Rest { signal, spare_told } => {
                let told = Some(&self.supervisor).filter(|_| spare_told);
                let own = self.own.pid;
                return Farewell { own, signal, told }.send();
            }
            Action::Look => self.look = true,
            Action::Check(place) => self.check(place),
            Action::Uncheck(place) => {
                if let Some(pid) = self.checks.give_up(place) {
                    _ = raw::kill_child(pid, true, Signal::KILL);
                }
            }
            Action::Announce(news) => {
                let text: &[u8] = match news {
                    News::Ready => b"READY=1",
                    News::Stopping => b"STOPPING=1",
                };
                self.notify.tell(&[IoSlice::new(text)]);
            }
            Action::CloseInput(place) => self.outputs.close_input(place.into()),
            Action::Foreground(pid) => {
                if self.give_terminal(pid) {
                    self.signal(pid, true, Signal::CONT);
                }
            }
            Action::Suspend(pid, signal) => self.suspend(pid, signal),
            Action::Resume(pid) => {
                self.give_terminal(pid);
                self.signal(pid, true, Signal::CONT);
            }
            Action::StopSelf => _ = raw::kill(self.own.pid as i32, Signal::STOP),
        }
        true
    }

    fn signal(&mut self, pid: Pid, group: bool, signal: Signal) {
        let mut sent = raw::kill_child(pid, group, signal);
        if group && sent == Err(Errno::SRCH) {
            // It has left its group for another one.
            sent = raw::kill_child(pid, false, signal);
        }
        if let Err(errno) = sent {
            self.say(Message::not_signalled(pid, errno));
        }
    }

    fn give_terminal(&mut self, pid: Pid) -> bool {
        self.terminal
            .as_mut()
            .is_some_and(|terminal| terminal.give(pid))
    }

    /// The terminal stopped our child: to whoever waits for us it must look as if it stopped us.
    fn suspend(&mut self, pid: Pid, signal: Signal) {
        let wants_it = signal == Signal::TTIN || signal == Signal::TTOU;
        if let Some(terminal) = &mut self.terminal {
            if wants_it && terminal.ours().is_some() {
                // A shell says `fg` to a running job without a word: we have the terminal now.
                terminal.give(pid);
                return self.signal(pid, true, Signal::CONT);
            }
            terminal.take_back();
        }
        if terminal::leads_group(self.own.pid) {
            // Our own job and nobody else's: a pipeline stops as a whole. We sleep here until CONT.
            let _ = raw::kill(0, Signal::STOP);
        } else if !wants_it {
            // The group is a script's, which we must not stop: Ctrl-Z has no lasting effect.
            self.give_terminal(pid);
            self.signal(pid, true, Signal::CONT);
        }
    }

    /// Says a line, or has it said behind lines of services that wait.
    fn say_line(&mut self, stream: Stream, line: &mut Line, patience_ms: u64) {
        let text = line.end();
        if stream == Stream::Out || !self.outputs.defer(text) {
            self.voice.say(stream, text, patience_ms);
        }
    }

    /// Says which lines of services were lost; `at_the_end` all of them.
    fn complain(&mut self, at_the_end: bool) {
        let mut line = Line::new();
        while self.outputs.complain(at_the_end, &mut line) {
            self.say_line(Stream::Err, &mut line, 0);
            line.clear();
        }
    }

    fn say(&mut self, message: Message) {
        let mut line = Line::new();
        let last = message.kind == Kind::End;
        let patience = if last { say::LAST_LINE_MS } else { 0 };
        if last {
            self.outputs
                .finish(now().after(LAST_OUTPUT), &mut self.reactor);
            self.complain(true);
        }
        if let Some(stream) = voice::write(message, &self.supervisor, self.own.pid, &mut line) {
            self.say_line(stream, &mut line, patience);
        }
        if !last {
            return;
        }
        let log = self.plan.termination_log;
        if log.is_some() || self.plan.style == Style::Pidlet {
            line.clear();
            voice::describe(message, &self.supervisor, self.own.pid, &mut line);
            if let (Err(error), Some(path)) = (say::termination_log(log, line.end()), log) {
                line.clear();
                line.put_cannot_write(path.to_bytes(), files::words_errno(error));
                self.voice.say(Stream::Err, line.end(), patience);
            }
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    say::answer(Stream::Err, b"pidlet: internal error: please report it\n");
    raw::exit(125)
}
