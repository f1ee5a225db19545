//! The plan: every service and setting of one container, checked before anything runs.
//!
//! Every front door makes one; the supervisor and the edge only ever see a plan.

pub mod environment;
mod keys;
pub mod names;
mod order;
mod probe;
pub mod spec;

use core::ffi::CStr;

use crate::words::errno::Errno;
use crate::words::exit::Codes;
use crate::words::list::List;
use crate::words::packed::Text;
use crate::words::signal::{Signal, SignalSet};
use crate::words::time::Span;
pub use keys::{Key, capability};
pub use probe::{Address, EXEC, Probe, behind};
pub use spec::{Pair, Restart, Spec, Type};

/// A service, as its index in the plan; it can count [`SERVICES_MAX`] of them. Small, so that everything
/// that refers to services is small.
pub type Place = u16;

/// The place of no service.
pub const NO_SERVICE: Place = Place::MAX;

/// The most services in one plan: more than anyone needs, but every table has its limit.
pub const SERVICES_MAX: usize = 65_535;

/// The most supplementary groups of one service: its new process has room for no more.
pub const GROUPS_MAX: usize = 256;

/// The default stop budget: within the ten seconds of `docker stop`.
pub const GRACE: Span = Span::seconds(8);

/// Which program we act as: the words of messages, the exit codes of faults, and the few habits of a peer
/// that no setting expresses; those are where the code asks for a style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Our own.
    Pidlet,
    /// tini's, tini-static's and docker-init's.
    Tini,
    /// dumb-init's.
    DumbInit,
    /// catatonit's and podman-init's.
    Catatonit,
}

/// Whether a service's end ends the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Essential {
    /// Its end does, however it ends.
    Yes,
    /// It does not.
    No,
    /// Only if it failed.
    OnFailure,
}

impl Essential {
    /// The one with this number, in the order of the key's choices.
    pub fn of(number: u64) -> Essential {
        match number {
            0 => Essential::Yes,
            1 => Essential::No,
            _ => Essential::OnFailure,
        }
    }
}

/// Which process group a service's first process lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// One of its own in our session.
    Own,
    /// A session of its own (dumb-init).
    Session,
    /// Ours (dumb-init -c).
    Ours,
}

/// Which terminal the only service is given, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// None.
    None,
    /// The one on standard input, as its foreground group.
    Stdin,
    /// Our controlling terminal, whatever standard input is; without one, as `Stdin` (catatonit).
    Controlling,
    /// The one on standard input, as the controlling terminal of its new session (dumb-init).
    Session,
}

/// How every service's process is set up between fork and exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Its process group.
    pub group: Group,
    /// Its terminal.
    pub terminal: Terminal,
    /// A `LISTEN_PID` that names us is changed to name the only service (sd_listen_fds(3)).
    pub listen_pid: bool,
}

/// What each signal is rewritten to: slot n-1 holds what signal n becomes, or 0 for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routes([u8; 64]);

/// In a slot: the signal is dropped.
const DROPPED: u8 = u8::MAX;

impl Default for Routes {
    fn default() -> Routes {
        Routes([0; 64])
    }
}

impl Routes {
    /// Rewrites `from` to `to`, or drops it.
    pub fn set(&mut self, from: Signal, to: Option<Signal>) {
        *self.slot(from) = to.map_or(DROPPED, Signal::number);
    }

    /// Rewrites `from` to `to`, unless it is rewritten or dropped already.
    pub fn preset(&mut self, from: Signal, to: Signal) {
        let slot = self.slot(from);
        if *slot == 0 {
            *slot = to.number();
        }
    }

    /// What a signal becomes, if it is not dropped. Not chained: the result is not looked up again.
    #[inline(never)]
    pub fn get(&self, from: Signal) -> Option<Signal> {
        match self.0[usize::from(from.number()) - 1] {
            0 => Some(from),
            to => Signal::new(to.into()),
        }
    }

    /// Drops all of `signals`.
    pub fn drop_all(&mut self, signals: SignalSet) {
        for (bit, slot) in self.0.iter_mut().enumerate() {
            if signals.0 >> bit & 1 != 0 {
                *slot = DROPPED;
            }
        }
    }

    fn slot(&mut self, signal: Signal) -> &mut u8 {
        &mut self.0[usize::from(signal.number()) - 1]
    }
}

/// The words of a command, the program first.
pub type Command<'a> = &'a [&'a CStr];

/// Where the services' standard output and error go unless a section says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Where ours go, untouched.
    Inherit,
    /// The same, as whole lines behind the service's name.
    Prefix,
    /// The same, as whole lines that are JSON objects.
    Json,
}

/// One thing to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// Its section's name, or the last component of its program.
    pub name: &'a [u8],
    /// 1 for the first of that name; the second is shown as `name-2`.
    pub copy: u32,
    /// The line of the file where its section begins.
    pub line: u32,
    /// Its command; never empty.
    pub run: Command<'a>,
    /// The services that must be up or done before it starts, and that stop only when it has ended.
    pub after: &'a [Place],
    /// What else its section says.
    pub spec: Spec<'a>,
    /// The latest service whose name's hash is this one's index: see [`names`].
    pub latest: Place,
    /// The latest one before this one whose name has the same hash.
    pub earlier: Place,
}

impl Service<'_> {
    /// A service of which nothing is known yet.
    pub const NONE: Service<'static> = Service {
        name: b"",
        copy: 1,
        line: 0,
        run: &[],
        after: &[],
        spec: Spec::DEFAULT,
        latest: NO_SERVICE,
        earlier: NO_SERVICE,
    };
}

/// Everything about one container, in this order in memory: the small fields, which are used everywhere,
/// come first, so that short displacements reach them.
#[derive(Debug)]
#[repr(C)]
pub struct Plan<'a> {
    /// Which program we act as.
    pub style: Style,
    /// `essential` of every service whose section does not say it.
    pub until: Essential,
    /// Signals go to process groups.
    pub group: bool,
    /// After a failure the container is kept until a stop signal.
    pub hold: bool,
    /// We become a child subreaper (not needed as PID 1, and harmless there).
    pub subreaper: bool,
    /// tini's -w: say which orphans were reaped.
    pub warn_on_reap: bool,
    /// Lines of `log` begin with the time.
    pub timestamps: bool,
    /// Print the plan and run nothing.
    pub dry_run: bool,
    /// It comes from a file: services may start late and more than once, and inherit only what is theirs.
    pub from_file: bool,
    /// Where the services' output goes, and in which form.
    pub log: Log,
    /// The signal to stop with when our parent dies.
    pub parent_death: Option<Signal>,
    /// How every child is set up.
    pub setup: Setup,
    /// The one of several services that gets the terminal, or [`NO_SERVICE`].
    pub foreground: Place,
    /// How much is said: 0 faults, 1 also warnings, 2 also the end's reason, 3 also what services do, 4 all.
    /// The peers count in their own way: tini's 1 is warnings, dumb-init's and catatonit's 1 is all.
    pub verbosity: u32,
    /// The stop budget, if one was set.
    pub grace: Option<Span>,
    /// How long after a stop signal the stop begins.
    pub lame_duck: Span,
    /// The services in the order given. None at all means pause.
    pub services: List<'a, Service<'a>>,
    /// Where the reason of the end goes too; `None` means Kubernetes' path, if that exists and is empty.
    pub termination_log: Option<&'a CStr>,
    /// Exit codes that count as success and become 0.
    pub expect: Codes,
    /// Which signals are rewritten or dropped.
    pub routes: Routes,
}

impl<'a> Plan<'a> {
    /// A plan without services, with the defaults of a style.
    #[inline(never)]
    pub fn new(style: Style) -> Plan<'a> {
        let ours = style == Style::Pidlet;
        let mut plan = Plan {
            style,
            services: List::none(),
            until: Essential::Yes,
            setup: Setup {
                group: Group::Own,
                terminal: Terminal::Stdin,
                listen_pid: ours,
            },
            routes: Routes::default(),
            expect: Codes::default(),
            group: false,
            grace: None,
            lame_duck: Span::ZERO,
            parent_death: None,
            hold: false,
            subreaper: ours,
            verbosity: 0,
            warn_on_reap: false,
            termination_log: None,
            log: Log::Inherit,
            timestamps: false,
            foreground: NO_SERVICE,
            dry_run: false,
            from_file: false,
        };
        match style {
            Style::Pidlet => plan.verbosity = 2,
            Style::Tini => plan.verbosity = 1,
            Style::DumbInit => {
                plan.setup.group = Group::Session;
                plan.setup.terminal = Terminal::None;
            }
            Style::Catatonit => {
                plan.setup.terminal = Terminal::Controlling;
                plan.setup.listen_pid = true;
                plan.subreaper = true;
            }
        }
        plan
    }

    /// Whether reaped orphans may have to be reported.
    pub fn reports_orphans(&self) -> bool {
        let much = match self.style {
            Style::Pidlet | Style::Tini => 3,
            _ => 1,
        };
        self.warn_on_reap || self.verbosity >= much
    }

    /// The words of a service's command, the program first.
    #[inline(never)]
    pub fn command(&self, service: Place) -> Command<'a> {
        self.services
            .get(usize::from(service))
            .map_or(&[], |service| service.run)
    }

    /// What a service's section says.
    #[inline(never)]
    pub fn spec(&self, service: Place) -> Spec<'a> {
        let service = self.services.get(usize::from(service));
        service.map_or(Spec::DEFAULT, |service| service.spec)
    }

    /// The service whose standard input this output goes to, if it goes to one.
    #[inline(never)]
    pub fn reader_of(&self, pair: &Pair) -> Option<Place> {
        Some(names::find(&self.services, pair.feeds()?.to_bytes()))
    }

    /// Whether there is a single service, and its section does not say how it restarts or stops: then
    /// every signal is simply passed on to it.
    pub fn pass_through(&self) -> bool {
        let told = |pair: &Pair| matches!(pair.key, Key::Restart | Key::Stop | Key::StopTimeout);
        match *self.services {
            [only] => !only.spec.0.iter().any(told),
            _ => false,
        }
    }

    /// Whether a stop signal starts a budget.
    pub fn bounded(&self) -> bool {
        self.grace.is_some() || !self.pass_through()
    }

    /// Whether leftover processes are stopped after the services; else everything is over when the main
    /// child ends. A budget that was set, and the needs of several commands, override a peer's habits.
    pub fn graceful(&self) -> bool {
        self.style == Style::Pidlet || self.bounded()
    }

    /// The stop budget: the one that was set, or the default.
    pub fn budget(&self) -> Span {
        self.grace.unwrap_or(GRACE)
    }

    /// Whether this exit code is as good as 0.
    pub fn expected(&self, code: u8) -> bool {
        self.mapped(code) == 0
    }

    /// The container's exit code for a service's: expected ones become 0.
    pub fn mapped(&self, code: u8) -> u8 {
        if self.expect.has(code) { 0 } else { code }
    }

    /// Says what is wrong with settings that are each right, but not together.
    pub fn check(&self) -> Result<(), Text> {
        if self.services.len() > SERVICES_MAX {
            return Err(text!("pidlet: more than 65535 commands"));
        }
        if self.bounded() && self.lame_duck > Span::ZERO && self.lame_duck >= self.budget() {
            return Err(text!(
                "pidlet: --lame-duck is part of the stop's time: it must be shorter than --grace"
            ));
        }
        Ok(())
    }
}

/// The step at which a start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Making the process.
    Fork,
    /// Putting it into its own group or session.
    Group,
    /// Doing what this key of its section says.
    Key(Key),
    /// Loading its program.
    Exec,
    /// Loading its program, which is there; the interpreter that its `#!` line or ELF file names is not.
    Interpreter,
}

/// Why a service could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartFault {
    /// What was being done.
    pub step: Step,
    /// What the kernel answered.
    pub errno: Errno,
}

impl StartFault {
    /// The exit code: 127 not found, 126 not executable, 125 set-up failed; under a peer's name, its own.
    #[inline(never)]
    pub fn code(self, style: Style) -> u8 {
        let exec = matches!(self.step, Step::Exec | Step::Interpreter);
        match (style, self.errno) {
            (Style::Pidlet, _) if !exec => 125,
            (Style::Pidlet, Errno::NOENT | Errno::NOTDIR) => 127,
            (Style::Pidlet, _) => 126,
            (Style::Tini, Errno::NOENT) if exec => 127,
            (Style::Tini, Errno::ACCES) if exec => 126,
            (Style::DumbInit, _) if exec => 2,
            (Style::Tini | Style::DumbInit | Style::Catatonit, _) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_not_chained() {
        let mut routes = Routes::default();
        routes.set(Signal::TERM, Some(Signal::QUIT));
        routes.set(Signal::QUIT, None);
        assert_eq!(routes.get(Signal::TERM), Some(Signal::QUIT));
        assert_eq!(routes.get(Signal::QUIT), None);
        assert_eq!(routes.get(Signal::HUP), Some(Signal::HUP));
    }

    #[test]
    fn codes_of_start_faults() {
        let exec = |errno| StartFault {
            step: Step::Exec,
            errno,
        };
        let interpreter = StartFault {
            step: Step::Interpreter,
            errno: Errno::NOENT,
        };
        let fork = StartFault {
            step: Step::Fork,
            errno: Errno::AGAIN,
        };
        for (fault, style, code) in [
            (exec(Errno::NOENT), Style::Pidlet, 127),
            (exec(Errno::NOTDIR), Style::Pidlet, 127),
            (exec(Errno::ACCES), Style::Pidlet, 126),
            (exec(Errno::NOEXEC), Style::Pidlet, 126),
            (interpreter, Style::Pidlet, 127),
            (fork, Style::Pidlet, 125),
            (exec(Errno::NOENT), Style::Tini, 127),
            (exec(Errno::ACCES), Style::Tini, 126),
            (exec(Errno::NOTDIR), Style::Tini, 1),
            (fork, Style::Tini, 1),
            (exec(Errno::NOENT), Style::DumbInit, 2),
            (fork, Style::DumbInit, 1),
            (exec(Errno::NOENT), Style::Catatonit, 1),
        ] {
            assert_eq!(fault.code(style), code, "{fault:?} {style:?}");
        }
    }
}
