//! The program: asks the front doors for a plan, and carries it out until the supervisor says exit.
//!
//! `main → edge → lib`: the library decides, the edge acts, and this file is the loop between them.

#![no_std]
#![no_main]

extern crate alloc;

mod edge;

use core::ffi::{CStr, c_int};
use core::mem::{MaybeUninit, take};

use rustix::io::IoSlice;

use edge::check::{self, Checks};
use edge::entry::Start;
use edge::memory_events::MemoryEvents;
use edge::notify::{self, Notify};
use edge::output::Outputs;
use edge::process::{self, Own};
use edge::raw::{self, Pending, Sender};
use edge::reactor::{self, NONE, NOTIFY, Reactor, Token, now};
use edge::reap;
use edge::rest::Farewell;
use edge::say;
use edge::spawn::{Gift, Spawner, What};
use edge::terminal::{self, Terminal};
use edge::{arena, files, settle};
use pidlet::front::{self, Question};
use pidlet::message::{Kind, Message, Stream};
use pidlet::plan::{self, Key, NOBODY, Place, Plan, Probe, StartFault, Step, Style};
use pidlet::supervise::{
    Action, End, Event, Finding, News, Next, Notice, State, Supervisor, Surroundings,
};
use pidlet::voice;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::exit::Status;
use pidlet::words::signal::{Signal, SignalSet};
use pidlet::words::text::Line;
use pidlet::words::time::Instant;

/// si_code of what the kernel itself sends (siginfo.h).
const SI_KERNEL: i32 = 0x80;

/// How long we rest after a look at the children that found several orphans dead and nobody else, in
/// milliseconds. What services write or their ends may have to wait that long; other signals end it.
const REST_MS: u64 = 3;

/// How many zombies are reaped before everybody else has his turn again: somebody may make them faster
/// than we reap them.
const REAPED_MAX: u32 = 256;

/// Every signal but that of a child's end.
const NOT_CHILDREN: SignalSet = SignalSet::ALL.without(Signal::CHLD);

/// A deadline for which nobody waits.
const PAST: Instant = Instant(0);

/// How many dead we reap when we leave: whoever makes more of them all the time does not keep us.
const LAST_MAX: u32 = 1024;

/// How many messages are heard before everybody else has his turn again.
const HEARD_MAX: u32 = 64;

/// Everything after the kernel's start; what is returned is the exit code.
fn main(start: &'static Start) -> u8 {
    let args = start.args();
    let getenv = |name: &[u8]| start.getenv(name);
    let question = Question {
        args,
        getenv: &getenv,
        twins: start.has_any(b"PIDLET_"),
        own: raw::own_pid(),
        read: &|path| files::whole(path),
        list: &files::list,
        print: &say::answer,
    };
    let mut plan = Plan::new(front::style(&question));
    match front::ask(&question, &mut plan) {
        Ok(()) => Init::new(&plan, start, Own::new(question.own)).run(),
        Err(code) => code,
    }
}

/// The init at work: the supervisor and everything that acts for it. What is small comes first, so
/// that it is in short reach.
#[repr(C)]
struct Init<'p> {
    plan: &'p Plan<'p>,
    own: Own,
    /// Orphans come to us.
    adopts: bool,
    /// The supervisor wants to know what is left.
    look: bool,
    /// Zombies are reaped after what their end leads to: see [`Supervisor::needs_zombies`].
    keeps_zombies: bool,
    /// We stopped ourselves with our child, and nobody has continued us by a signal that we have seen.
    asleep: bool,
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
    /// Sets up all that must be right before anything runs.
    fn new(plan: &'p Plan<'p>, start: &'static Start, own: Own) -> Init<'p> {
        let mut ignore_once = SignalSet::NONE;
        if plan.setup.terminal == plan::Terminal::Session {
            ignore_once = terminal::detach(own.pid);
        }
        let terminal = Terminal::find(plan.setup.terminal);
        let several = plan.services.len() > 1;
        let on_terminal = terminal.is_there() || several && terminal::on_stdin();
        let surroundings = Surroundings {
            init: own.init(),
            alone: own.init() || on_terminal && raw::own_session() == own.pid,
            ignore_once,
        };
        // https://no-color.org
        let colour = start.getenv(b"NO_COLOR").is_none_or(CStr::is_empty);
        Init {
            plan,
            adopts: false,
            look: false,
            keeps_zombies: false,
            asleep: false,
            terminal,
            checks: Checks::new(plan),
            notify: Notify::new(),
            memory: MemoryEvents::new(),
            start,
            supervisor: Supervisor::new(plan, surroundings),
            // A terminal has one reader, and of several it is who asks for it or none.
            outputs: Outputs::new(plan, colour, several && on_terminal),
            reactor: Reactor::new(&start.segments.constants),
            spawner: Spawner::new(plan, start, &own),
            own,
        }
    }

    #[inline(never)]
    fn run(&mut self) -> u8 {
        self.spawner.files = process::raise_files(self.outputs.needed());
        self.keeps_zombies = self.supervisor.needs_zombies();
        self.adopts = self.own.adopt(self.plan);
        if !self.adopts {
            self.say(Message::of(Kind::NotSubreaper));
        }
        if let Some(signal) = self.plan.parent_death {
            self.own.watch_parent(signal);
        }
        arena::seal();
        self.start.segments.protect();
        // ---- From here on nothing may end us but the supervisor's word: every fault is a message
        // ---- and a later deadline.
        let (mut settled, mut timed) = (false, false);
        loop {
            self.fetch();
            // Who has ended, answered or spoken by now was in time, however late we are ourselves. Whoever
            // has many children die, or says much, is no reason to be later.
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
                    self.start(service);
                    // What has arrived meanwhile may be that nothing more is to be started.
                    let Next::Start(_) = self.supervisor.next() else {
                        continue;
                    };
                    Some(PAST)
                }
                Next::Wait(_) if !settled => {
                    settled = true;
                    self.settle();
                    continue;
                }
                Next::Wait(until) => until,
            };
            self.wait(until);
            timed = until.is_some() && !self.reactor.interrupted();
        }
    }

    #[inline(never)]
    fn start(&mut self, service: usize) {
        let what = self.what(service);
        let last = self.supervisor.record(service as Place).main;
        if last != 0 && what == What::Run {
            // A daemon that nobody has found has not been seen to end.
            self.outputs.ended(service, &mut self.reactor);
            reap::clear_group(last);
        }
        let mut terminal = NONE;
        if self.plan.services.len() == 1
            || service == usize::from(self.plan.foreground) && what == What::Run
        {
            terminal = self.terminal.ours();
        }
        let event = self.launch(service, what, terminal);
        if terminal != NONE {
            match event {
                Event::Started(pid) => self.terminal.given_to(pid),
                _ => self.terminal.take(),
            }
        }
        self.step(event);
    }

    /// Starts a service or what belongs to it, with what every process of a service gets.
    #[inline(never)]
    fn launch(&mut self, service: usize, what: What, terminal: c_int) -> Event {
        let mut streams = match self.outputs.ends(service, &mut self.reactor) {
            Ok(streams) => streams,
            Err(fault) => return Event::NotStarted(fault),
        };
        if what != What::Run {
            // What there is to read is for the service.
            streams[0] = self.outputs.no_input(&mut self.reactor);
        }
        let spec = self.plan.spec(service);
        let mut notify = c"";
        if spec.notifies() {
            notify = self.notify.variable(&mut self.reactor);
        }
        let mut gift = Gift {
            streams,
            ready: [NONE; 2],
            notify,
            terminal,
        };
        if let (Some(Probe::Fd(to)), What::Run) = (spec.probe(Key::Ready), what) {
            let end = self.checks.pipe(service as Place, &mut self.reactor);
            gift.ready = [end, to.into()];
        }
        let event = match self.reactor.fault {
            Errno(0) => self.spawner.start(service, what, &gift),
            // What it is to say nobody would hear.
            errno => {
                let watched = spec.has(Key::Watchdog);
                let key = if watched { Key::Watchdog } else { Key::Ready };
                let step = Step::Key(key);
                Event::NotStarted(StartFault { step, errno })
            }
        };
        self.outputs.started();
        // Nobody else may hold the end to write to.
        check::close(&mut gift.ready[0]);
        event
    }

    /// What is to be started of a service: itself, or its `finish` command with how it ended.
    fn what(&self, service: usize) -> What {
        let record = self.supervisor.record(service as Place);
        match record.end {
            _ if record.state != State::Finishing => What::Run,
            End::Process(Status::Killed(signal)) => What::Finish(256, signal.number()),
            End::Process(Status::Exited(code)) => What::Finish(code.into(), 0),
            _ => What::Finish(256, 0),
        }
    }

    /// Everything runs: from now on there is time.
    #[inline(never)]
    fn settle(&mut self) {
        if !self.plan.filed {
            settle::settle(self.reactor.last.max(self.terminal.fd()));
        }
        if self.plan.style == Style::Pidlet {
            self.memory.grown();
        }
    }

    /// Waits for a signal, and takes each kind that is there once: the kernel hands out the one with the
    /// lowest number, so that whoever sends it without end would keep all others from us.
    fn wait(&mut self, until: Option<Instant>) {
        if self.outputs.due {
            self.outputs.complain(false);
        }
        let (mut signals, mut limit) = (SignalSet::ALL, until);
        if self.look {
            // That somebody has died we know already, and there is no time to wait.
            (signals, limit) = (NOT_CHILDREN, Some(PAST));
        }
        loop {
            let pending = self.reactor.wait(limit, signals);
            let another = self.heed(pending);
            while let Some(token) = self.reactor.woken() {
                self.woken(token);
            }
            let Some(signal) = another else {
                break;
            };
            // The word of an end is enough for one round, but where one comes with each start it would keep
            // what has a higher number from us until the last.
            if signal == Signal::CHLD && until != Some(PAST) {
                break;
            }
            signals = signals.without(signal);
            limit = Some(PAST);
        }
        if take(&mut self.look) {
            self.reap();
        }
    }

    /// Heeds a signal, if there is one; which it was.
    #[inline(never)]
    fn heed(&mut self, pending: Pending) -> Option<Signal> {
        let signal = Signal::new(pending.number)?;
        let child = signal == Signal::CHLD;
        self.look |= child;
        self.asleep &= signal != Signal::CONT;
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
            Token::Own(NOTIFY) => self.hear(),
            Token::Check(number) => {
                let place = number as Place;
                self.checks.woken(place, self.probe(place));
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
            let Some((sender, message)) = self.notify.receive(&mut buffer, &mut self.reactor)
            else {
                return;
            };
            let Some(place) = self.speaker(sender) else {
                continue;
            };
            let status = pidlet::notify::parse(message, &mut |notice| {
                let notice = match notice {
                    Notice::Main(pid) if !process::may_name(sender.user, pid) => return,
                    Notice::Main(pid) if !self.is_free(pid) => Notice::Heir(pid),
                    notice => notice,
                };
                self.step(Event::Noticed(place, notice));
            });
            if let Some(status) = status {
                let mut name = Line::new();
                name.put_service(self.plan, place.into());
                notify::tell(
                    self.start,
                    &[
                        IoSlice::new(b"STATUS="),
                        IoSlice::new(name.text()),
                        IoSlice::new(b": "),
                        IoSlice::new(status),
                    ],
                );
            }
        }
    }

    /// The service that a sender speaks for.
    fn speaker(&self, sender: Sender) -> Option<Place> {
        let owner = notify::owner(sender, self.plan, &self.supervisor);
        if owner != NOBODY {
            return Some(owner);
        }
        // An orphan may be a daemon of which nobody has asked yet which process it is.
        let named = Finding::Main(sender.pid);
        let mut places = 0..self.plan.services.len() as Place;
        places.find(|&place| self.supervisor.launches(place) && self.pid_file(place) == named)
    }

    /// Which key says how a service is checked now.
    fn checked(&self, place: Place) -> Key {
        if self.supervisor.record(place).up {
            Key::Health
        } else {
            Key::Ready
        }
    }

    fn probe(&self, place: Place) -> Option<Probe<'p>> {
        self.plan.spec(place.into()).probe(self.checked(place))
    }

    /// Checks a service once. What comes of it is fetched later: we are in the midst of a step.
    fn check(&mut self, place: Place) {
        let state = self.supervisor.record(place).state;
        let finding = match self.probe(place) {
            _ if state == State::Launched => match self.pid_file(place) {
                named @ Finding::Main(_) => named,
                _ if self.adopts && reap::is_childless() => Finding::Nobody,
                finding => finding,
            },
            Some(Probe::Exec(_)) => {
                let what = What::Check(self.checked(place));
                match self.launch(place.into(), what, NONE) {
                    Event::Started(pid) => return self.checks.started(place, pid),
                    _ => Finding::Bad,
                }
            }
            Some(probe) => return self.checks.begin(place, &probe, &mut self.reactor),
            None => Finding::Bad,
        };
        self.checks.found(place, Some(finding));
    }

    /// Tells the supervisor what checks have found.
    #[inline(never)]
    fn fetch(&mut self) {
        while let Some(event) = self.checks.fetch() {
            self.step(event);
        }
    }

    /// What a service's pid file says, if it has one.
    fn pid_file(&self, place: Place) -> Finding {
        let spec = self.plan.spec(place.into());
        let Some(path) = spec.word(Key::Pidfile) else {
            return Finding::Bad;
        };
        match check::pid_file(path) {
            0 => Finding::Bad,
            pid if self.is_free(pid) && process::may_name(process::user_of(spec), pid) => {
                Finding::Main(pid)
            }
            _ => Finding::Stranger,
        }
    }

    /// Whether a process may become a service's, unless it is another's: it is our child and lives, and is
    /// no check, of whose end nobody else hears.
    #[inline(never)]
    fn is_free(&self, pid: Pid) -> bool {
        reap::is_child(pid) && self.checks.checked_by(pid).is_none()
    }

    /// The service that ends with a process, or [`NOBODY`]. It may have moved to another one, as nginx does
    /// to upgrade itself: a daemon's pid file says so (systemd's rule, `service_sigchld_event`), or it has
    /// named one that was a child of the process that ends.
    fn ends_with(&mut self, pid: Pid) -> Place {
        let place = self.supervisor.service_of(pid);
        let mut heir = self.supervisor.heir(place);
        if heir != 0 {
            if let Finding::Main(named) = self.pid_file(place) {
                heir = named;
            }
            if self.is_free(heir) {
                self.step(Event::Noticed(place, Notice::Main(heir)));
                return self.supervisor.service_of(pid);
            }
        }
        place
    }

    /// Whether the end of this process is of no interest to anybody. There may be thousands of them.
    fn is_unheard(&self, pid: Pid) -> bool {
        self.checks.run_none()
            && !self.supervisor.heeds_orphans()
            && self.supervisor.service_of(pid) == NOBODY
    }

    /// Whether it may have been killed for memory, which matters in our own style alone.
    fn was_killed(&self, status: Status) -> bool {
        status == Status::Killed(Signal::KILL) && self.plan.style == Style::Pidlet
    }

    /// Reaps a zombie, after the supervisor has heard of it.
    fn bury(&mut self, pid: Pid, status: Status) {
        if !self.checks.ended(pid, status) {
            let place = self.ends_with(pid);
            // What it said comes before what is said of it. What a daemon is saying goes on.
            if status != Status::Exited(0) || !self.supervisor.is_launcher(place) {
                self.outputs.ended(place.into(), &mut self.reactor);
            }
            let out_of_memory = self.was_killed(status) && self.memory.grown();
            self.step(Event::Ended {
                pid,
                status,
                out_of_memory,
            });
        }
        self.reap_one(pid);
        if self.supervisor.foreground_child().is_none() {
            // From now on Ctrl-C is for us.
            self.terminal.take_back();
        }
        // Whom a pid file has named may be the next one to be reaped, and must be known by then.
        self.fetch();
    }

    /// Frees a zombie's number, unless that was done when it was found.
    fn reap_one(&self, pid: Pid) {
        if self.keeps_zombies {
            reap::reap(pid);
        }
    }

    /// Reaps every zombie there is, but no more at a time than leaves everybody else his turn.
    #[inline(never)]
    fn reap(&mut self) {
        let (mut buried, mut killed) = (0, false);
        let mut all_unheard = !self.supervisor.heeds_orphans();
        // As long as nobody knows better: a stop goes on, however many die meanwhile.
        let mut left = true;
        let mut most = REAPED_MAX;
        while buried < most {
            let child = reap::look(self.keeps_zombies);
            if child.pid == 0 {
                left = child.exists;
                break;
            }
            self.notify.ended(child.pid, &mut self.reactor);
            buried += 1;
            let status = reap::status(child);
            // What it said before its end comes before its end, from a process that still is there.
            self.hear();
            if self.is_unheard(child.pid) {
                self.reap_one(child.pid);
                killed |= self.was_killed(status);
                continue;
            }
            all_unheard = false;
            if take(&mut killed) {
                // For memory or not: the next one is another matter.
                self.memory.grown();
            }
            self.bury(child.pid, status);
            if matches!(self.supervisor.next(), Next::Exit(_)) {
                // Who is dead already when we leave is reaped, too: whose child it is next may reap nobody.
                let leaves_all = self.plan.style == Style::DumbInit;
                most = if leaves_all { 0 } else { LAST_MAX };
            }
        }
        if killed {
            self.memory.grown();
        }
        self.look |= buried >= most;
        if self.supervisor.heeds_orphans() {
            self.step(Event::Reaped { left });
        }
        if buried > 1 {
            // Where thousands die at once each look passes all who still live, so few looks are best.
            // But whoever writes all the time would be held up by that.
            let idle = all_unheard && !self.reactor.busy;
            let pending = reactor::rest(if idle { REST_MS } else { 0 }, NOT_CHILDREN);
            self.heed(pending);
        }
        if let (Some(pid), true) = (self.supervisor.foreground_child(), self.terminal.is_there()) {
            // Whoever sends STOP itself is no terminal, and knows how to send CONT.
            if let Some(signal) = reap::stopped(pid) {
                // A child that we woke says so, and may have stopped again by then: a word of its stop may
                // be left when we are continued ourselves.
                if SignalSet::TERMINAL_STOPS.has(signal) && !self.asleep {
                    self.step(Event::Stopped(pid, signal));
                }
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

    /// Does what the supervisor says. False if those whom it is about are out of our reach.
    #[inline(never)]
    fn perform(&mut self, action: Action) -> bool {
        match action {
            Action::Say(message) => self.say(message),
            Action::Signal { pid, group, signal } => self.signal(pid, group, signal),
            Action::Wake(pid) => {
                if reap::stopped(pid).is_some() {
                    self.signal(pid, self.plan.group, Signal::CONT);
                }
            }
            Action::Rest(signal) => {
                let (own, supervisor) = (self.own.pid, &self.supervisor);
                let farewell = Farewell {
                    own,
                    signal,
                    supervisor,
                };
                return farewell.send();
            }
            Action::Look => self.look = true,
            Action::Check(place) => self.check(place),
            Action::Uncheck(place) => {
                if let Some(pid) = self.checks.give_up(place) {
                    _ = raw::kill_child(pid, true, Signal::KILL);
                }
            }
            // Commands of a command line have that socket themselves, and say what there is to say.
            Action::Announce(_) if !self.plan.filed => (),
            Action::Announce(news) => {
                let text: &[u8] = match news {
                    News::Ready => b"READY=1",
                    News::Stopping => b"STOPPING=1",
                };
                notify::tell(self.start, &[IoSlice::new(text)]);
            }
            Action::CloseInput(place) => self.outputs.close_input(place.into()),
            Action::Foreground(pid) => {
                if self.terminal.give(pid) {
                    self.signal(pid, true, Signal::CONT);
                }
            }
            Action::Suspend(pid, signal) => self.suspend(pid, signal),
            Action::Resume(pid) => self.resume(pid),
            Action::StopSelf(signal) => terminal::stop(self.own.pid as c_int, signal),
        }
        true
    }

    /// Gives a child's group the terminal if we have it, and has it go on.
    #[inline(never)]
    fn resume(&mut self, pid: Pid) {
        self.terminal.give(pid);
        self.signal(pid, true, Signal::CONT);
    }

    #[inline(never)]
    fn signal(&mut self, pid: Pid, group: bool, signal: Signal) {
        let mut sent = raw::kill_child(pid, group, signal);
        if group && raw::group_of(pid) != pid {
            // It has left its group for another one, and others may be there still.
            sent = raw::kill_child(pid, false, signal);
        }
        if let Err(errno) = sent {
            self.say(Message::not_signalled(pid, errno));
        }
    }

    /// The terminal stopped our child: to whoever waits for us it must look as if it stopped us.
    fn suspend(&mut self, pid: Pid, signal: Signal) {
        let wants_it = signal == Signal::TTIN || signal == Signal::TTOU;
        if wants_it && self.terminal.ours() != NONE {
            // A shell says `fg` to a running job without a word: we have the terminal now.
            return self.resume(pid);
        }
        self.terminal.take_back();
        if terminal::leads_group(self.own.pid) {
            // Our own job and nobody else's: a pipeline stops as a whole. We sleep here until CONT.
            self.asleep = true;
            terminal::stop(0, signal);
        } else if !wants_it {
            // The group is a script's, which we must not stop: Ctrl-Z has no lasting effect.
            self.resume(pid);
        }
    }

    fn say(&mut self, message: Message) {
        if !voice::may_say(message.kind, self.plan) {
            return;
        }
        let mut line = Line::new();
        let last = message.kind == Kind::End;
        let patience = if last { say::LAST_LINE_MS } else { 0 };
        if last {
            self.outputs
                .finish(self.supervisor.limit(), &mut self.reactor);
            // The peers have no word for that.
            if self.plan.style == Style::Pidlet {
                self.outputs.complain(true);
            }
        }
        let log = self.plan.termination_log;
        if last && (log.is_some() || self.plan.style == Style::Pidlet) {
            voice::describe(message, &self.supervisor, self.own.pid, &mut line);
            if let (Err(errno), Some(path)) = (say::termination_log(log, line.end()), log) {
                line.clear();
                line.put_cannot_write(path.to_bytes(), errno);
                self.outputs.say(Stream::Err, &mut line, patience);
            }
            line.clear();
        }
        // Behind everything else: why the container ends is in the last line.
        if let Some(stream) = voice::write(message, &self.supervisor, self.own.pid, &mut line) {
            self.outputs.say(stream, &mut line, patience);
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    say::answer(Stream::Err, b"pidlet: internal error: please report it\n");
    raw::exit(125)
}
