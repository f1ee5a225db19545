//! Starting a service: vfork-style, so that the parent knows before it does anything else whether
//! the program runs, and if not which step failed and with which errno. No pipe, no race.
//!
//! From `clone` to `execve` the child shares our memory while we sleep. It only makes system calls, and
//! writes to [`ChildContext`] and to buffers whose content is not relied on afterwards: whatever it has
//! changed when its exec succeeds stays changed for us.

mod exec;
mod prepare;

use core::ffi::{CStr, c_char, c_int};
use core::mem::transmute;
use core::ptr::{null, null_mut};

use super::entry::{Start, variable};
use super::process::{self, OwnProcess};
use super::reactor::NONE;
use super::terminal::STDIN;
use super::{arena, output, raw, reap, release};
use exec::Attempt;
use pidlet::plan::environment::assemble;
use pidlet::plan::{EXEC, Group, Key, Place, Plan, StartFault, Step, Style, Terminal};
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::line::Line;
use pidlet::words::list::List;
use pidlet::words::signal::{Signal, SignalSet};

/// How many seconds a child of a plan file may take to execute its program: we sleep meanwhile. A process
/// that may signal it could stop it just then, and the program's owner could hold a lease on the file
/// (fcntl(2)).
const LOADING_MAX: usize = 10;
/// How many milliseconds a child that could not be started may take to be dead: we sleep meanwhile.
const DYING_MAX: u32 = 200;

/// The first of the sockets that are passed on (sd_listen_fds(3)).
pub const FIRST_SOCKET: c_int = 3;
/// No program passes on more.
const SOCKETS_MAX: u64 = 1000;
/// Words besides those of the plan: in a command the shell's name, a `finish` command's arguments and a null
/// pointer; in an environment a service's own variables.
const EXTRA_WORDS: usize = 4;

/// The variables that name the process they are meant for.
const PID_VARIABLES: [&[u8]; 2] = [b"LISTEN_PID", b"WATCHDOG_PID"];

/// Which of a service's commands is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    /// The service.
    Run,
    /// Its `finish` command, for a service that ended with this code (256 if it was killed) by this
    /// signal, as s6-supervise(8) has it.
    Finish(u16, u8),
    /// A check: the command of this key.
    Check(Key),
}

/// What a child gets besides what its section says.
#[derive(Clone, Copy)]
pub struct Wiring<'g> {
    /// Its standard streams: descriptors of ours, or [`NONE`] to inherit the one that we have.
    pub streams: [c_int; 3],
    /// For `ready = fd:N`, its end of the pipe and N; otherwise [`NONE`] and [`NONE`].
    pub ready: [c_int; 2],
    /// `NOTIFY_SOCKET=...`, or nothing.
    pub notify: &'g CStr,
    /// The terminal whose foreground group it becomes, or [`NONE`].
    pub terminal: c_int,
}

/// Starts services.
pub struct Spawner<'p> {
    plan: &'p Plan<'p>,
    attempt: Attempt<'p>,
    /// Which of [`PID_VARIABLES`] are made to name a child, where its environment has them: a bit each.
    pid_variables: u8,
    /// Our own environment, and room for a service's: as words, and as execve(2) takes it. Only for a plan
    /// file.
    environment: &'p [&'p CStr],
    variables: List<'p, &'p CStr>,
    envp: *mut *const c_char,
    /// The limit on descriptors that services get back, if we have raised our own; otherwise zeroes.
    pub file_limit: [u64; 2],
    /// How many sockets were passed to us, from descriptor 3 on (sd_listen_fds(3)).
    pub sockets: c_int,
    start: &'p Start,
    /// Our own process.
    own: Pid,
    /// SIGCHLD was ignored when we were started.
    chld_ignored: bool,
    /// Whether TERM was, known once we seem to handle it ([`raw::seem_to_handle`]).
    pub term_ignored: Option<bool>,
    /// Services that do not have the terminal get sessions of their own.
    own_sessions: bool,
}

/// What a child is told, and what it leaves behind if it fails.
struct ChildContext<'s, 'p> {
    spawner: &'s mut Spawner<'p>,
    service: Place,
    kind: CommandKind,
    wiring: &'s Wiring<'s>,
    fault: Option<StartFault>,
}

impl<'p> Spawner<'p> {
    /// Takes all memory that starting will need.
    #[inline(never)]
    pub fn new(
        plan: &'p Plan<'p>,
        start: &'p Start,
        own: &OwnProcess,
        own_sessions: bool,
    ) -> Spawner<'p> {
        // More than any command or environment of a service has: room costs nothing.
        let mut words = EXTRA_WORDS;
        for service in &*plan.services {
            words += service.run.len();
            for line in service.spec.0 {
                words += line.words.len();
            }
        }
        let mut spawner = Spawner {
            plan,
            start,
            attempt: Attempt {
                argv: pointers(words),
                words: 0,
                envp: start.envp(),
                shell_fallback: plan.style != Style::Pidlet,
            },
            pid_variables: 0,
            environment: &[],
            variables: List::none(),
            envp: null_mut(),
            file_limit: [0; 2],
            sockets: 0,
            own: own.pid,
            chld_ignored: own.chld_ignored,
            term_ignored: None,
            own_sessions,
        };
        let listens = start.number(b"LISTEN_PID") == own.pid.into();
        if plan.from_file {
            let said = if listens {
                start.number(b"LISTEN_FDS")
            } else {
                0
            };
            let most = said.min(SOCKETS_MAX) as c_int;
            // Only those that are open: the numbers of others may be given to descriptors of our own.
            while spawner.sockets < most && raw::is_inherited(FIRST_SOCKET + spawner.sockets) {
                spawner.sockets += 1;
            }
            // If the sockets were meant for another process, they still are.
            spawner.pid_variables = 2 | u8::from(listens);
            spawner.claim_inherited(words);
        } else if listens && plan.setup.listen_pid {
            spawner.pid_variables = 1;
        }
        spawner
    }

    /// Makes sure that services get what is theirs and nothing else, however late they start.
    fn claim_inherited(&mut self, words: usize) {
        self.environment = self.start.environment();
        let most = self.environment.len() + words;
        self.variables = List::with_capacity(c"", most);
        self.envp = pointers(most).as_mut_ptr();
        self.pass_sockets(false);
        release::close_inherited(FIRST_SOCKET + self.sockets - 1);
    }

    /// Starts a service or one of its commands; returns its process, or why there is none.
    pub fn start(
        &mut self,
        service: Place,
        kind: CommandKind,
        wiring: &Wiring,
    ) -> Result<Pid, StartFault> {
        let mut watchdog = Line::new();
        if self.plan.from_file {
            self.assemble(service, wiring, &mut watchdog);
        }
        let mut context = ChildContext {
            spawner: self,
            service,
            kind,
            wiring,
            fault: None,
        };
        // SAFETY: `child` does not return, and leaves everything that it shares in order.
        let pid = unsafe { raw::vfork(child, (&raw mut context).cast()) };
        if pid < 0 {
            return Err(StartFault {
                step: Step::Fork,
                errno: raw::errno(pid),
            });
        }
        let pid = pid as Pid;
        match context.fault {
            Some(fault) => {
                // It never was a service: its end is not reported. It lets go of our memory a moment before
                // it is dead; if it takes longer it hangs in the kernel, and counts as an orphan.
                for _ in 0..DYING_MAX {
                    if reap::reap(pid) {
                        break;
                    }
                    let _ = raw::poll(NONE, 0, 1);
                }
                Err(fault)
            }
            None => Ok(pid),
        }
    }

    /// Makes the environment of a service; `watchdog` is room for a variable.
    #[inline(never)]
    fn assemble(&mut self, service: Place, wiring: &Wiring, watchdog: &mut Line) {
        let spec = self.plan.spec(service);
        self.variables.clear();
        for word in self.environment {
            self.variables.push(word);
        }
        let mut extra = [wiring.notify, c"", c""];
        let microseconds = spec.number(Key::Watchdog).saturating_mul(1000);
        if microseconds > 0 {
            // SAFETY: the line is there, and the word ends with a NUL.
            let period = unsafe {
                let period = put_word(watchdog, b"WATCHDOG_USEC", microseconds);
                CStr::from_ptr(period)
            };
            extra = [wiring.notify, period, c"WATCHDOG_PID="];
        }
        // SAFETY: the wiring's words and ours live until the program runs, and nothing reads the list after
        // that.
        let extra = unsafe { transmute::<[&CStr; 3], [&'p CStr; 3]>(extra) };
        assemble(&mut self.variables, spec, &extra);
        let mut place = self.envp;
        self.attempt.envp = place;
        for word in &*self.variables {
            // SAFETY: `claim_inherited` made room for so many and for the null pointer.
            unsafe {
                place.write(word.as_ptr());
                place = place.add(1);
            }
        }
        // SAFETY: as above.
        unsafe { place.write(null()) };
    }

    /// What the child does up to its program. Returns only to say why that does not run.
    fn child_main(&mut self, service: Place, kind: CommandKind, wiring: &Wiring) -> StartFault {
        let setup = self.plan.setup;
        if self.plan.from_file {
            raw::kill_self_after(LOADING_MAX);
        }
        let group = match setup.group {
            // In our session a service of any user could take the terminal from its owner and type for it.
            Group::Own if self.own_sessions && service != self.plan.foreground => {
                raw::lead_session()
            }
            Group::Own => raw::lead_group(),
            Group::Session => raw::lead_session(),
            Group::Ours => Ok(()),
        };
        if let Err(errno) = group {
            let step = Step::Group;
            return StartFault { step, errno };
        }
        // No error of the terminal is fatal: the program runs without it.
        if setup.terminal == Terminal::Session {
            raw::take_terminal(STDIN);
        } else if wiring.terminal != NONE {
            raw::set_foreground(wiring.terminal, raw::own_pid());
        }
        if let Err((key, errno)) = self.set_up(service, kind, wiring) {
            let step = Step::Key(key);
            return StartFault { step, errno };
        }
        if self.plan.parent_death == Some(Signal::KILL) {
            // The kernel would kill only us, but KILL is meant for the program, too. Set here, since a change
            // of user would clear it.
            raw::set_parent_death(Signal::KILL);
            if raw::parent() != self.own {
                // It has been killed just now.
                raw::exit(127);
            }
        }
        self.execute(service, kind)
    }

    /// Lets the sockets that were passed to us survive an exec, or not.
    #[inline(never)]
    fn pass_sockets(&self, yes: bool) {
        for fd in FIRST_SOCKET..FIRST_SOCKET + self.sockets {
            raw::inherit(fd, yes);
        }
    }

    /// Sets up descriptors, and whatever else the section says.
    fn set_up(
        &self,
        service: Place,
        kind: CommandKind,
        wiring: &Wiring,
    ) -> Result<(), (Key, Errno)> {
        for (fd, to) in wiring.streams.iter().zip(0..) {
            if *fd != NONE {
                raw::dup_to(*fd, to).map_err(|errno| (output::key(to as usize), errno))?;
                if kind == CommandKind::Run {
                    // A previous holder may have made it non-blocking. For a check that is left as it is:
                    // while the service runs, the service decides.
                    raw::set_flags(to, 0);
                }
            }
        }
        if self.file_limit != [0; 2] {
            process::set_file_limit(self.file_limit);
        }
        if !self.plan.from_file {
            return Ok(());
        }
        let spec = self.plan.spec(service);
        let [ready, to] = wiring.ready;
        if spec.number(Key::Sockets) > 0 {
            // For [`NONE`] the difference wraps around to a number far above all sockets.
            if (to.wrapping_sub(FIRST_SOCKET) as u32) < self.sockets as u32 {
                // The pipe and a socket would have the same number.
                return Err((Key::Ready, Errno::INVAL));
            }
            self.pass_sockets(true);
        }
        if ready == to {
            raw::inherit(ready, true);
        } else if ready != NONE {
            raw::dup_to(ready, to).map_err(|errno| (Key::Ready, errno))?;
        }
        prepare::prepare(spec)
    }

    /// Executes the service's program, its `finish` command or a check.
    fn execute(&mut self, service: Place, kind: CommandKind) -> StartFault {
        let spec = self.plan.spec(service);
        let command = match kind {
            CommandKind::Run => self.plan.command(service),
            CommandKind::Finish(..) => spec.words(Key::Finish),
            CommandKind::Check(key) => spec.words(key),
        };
        let mut program = command.first().copied().unwrap_or(c"");
        if let (CommandKind::Check(_), Some(behind)) =
            (kind, program.to_bytes_with_nul().get(EXEC.len()..))
        {
            // SAFETY: a check's word begins with [`EXEC`], and what is behind that still ends with its NUL.
            program = unsafe { CStr::from_bytes_with_nul_unchecked(behind) };
        }
        self.attempt.words = 1;
        self.attempt.put(program.as_ptr());
        for word in command.get(1..).unwrap_or(&[]) {
            self.attempt.put(word.as_ptr());
        }
        // What these pointers lead to lives until the kernel has copied it.
        let mut extra = Line::new();
        let extra = &raw mut extra;
        if let CommandKind::Finish(code, signal) = kind {
            // SAFETY: the line is there, and nothing else uses it.
            unsafe {
                self.attempt.put(put_word(extra, b"", code.into()));
                self.attempt.put(put_word(extra, b"", signal.into()));
            }
        }
        self.attempt.put(null());
        // Makes these variables name the child.
        for (bit, name) in PID_VARIABLES.iter().enumerate() {
            if self.pid_variables >> bit & 1 == 0 {
                continue;
            }
            // SAFETY: the environment is ours, and its words live until the program runs; if it cannot be
            // executed nothing reads them any more.
            unsafe {
                if let Some((place, _)) = variable(self.attempt.envp, name) {
                    place.write(put_word(extra, name, raw::own_pid().into()));
                }
            }
        }
        self.restore_signals();
        self.attempt.execute(program)
    }

    /// Restores what we changed, the mask last: until then a signal that was sent to the child stays pending,
    /// so that none is lost.
    fn restore_signals(&self) {
        let mut mask = self.start.mask;
        if self.plan.style == Style::DumbInit {
            // All dispositions to default and no signal blocked.
            mask = SignalSet::NONE;
            for number in 1..32 {
                if let Some(signal) = Signal::new(number) {
                    raw::set_ignored(signal, false);
                }
            }
        } else {
            if self.chld_ignored {
                raw::set_ignored(Signal::CHLD, true);
            }
            if let Some(ignored) = self.term_ignored {
                raw::set_ignored(Signal::TERM, ignored);
            }
        }
        raw::set_signal_mask(mask);
    }
}

/// Appends a variable with a number, or only the number, and a NUL to a line. It lives as long as the line.
///
/// # Safety
///
/// Nothing else may use the line meanwhile.
#[inline(never)]
unsafe fn put_word(to: *mut Line, name: &[u8], number: u64) -> *const c_char {
    // SAFETY: upheld by the caller.
    let line = unsafe { &mut *to };
    let start = line.text().len();
    if !name.is_empty() {
        line.put_bytes(name).push(b'=');
    }
    line.put_number(number).push(0);
    let word = line.text().as_ptr().wrapping_add(start);
    // A pointer derived from the reference would be invalid after the next word.
    to.cast::<c_char>().with_addr(word.addr())
}

/// `count` null pointers.
fn pointers<'p>(count: usize) -> &'p mut [*const c_char] {
    // SAFETY: zeroes are null pointers.
    unsafe { arena::zeroes(count) }
}

/// Where the child begins: see [`Spawner::child_main`].
///
/// # Safety
///
/// Only as [`raw::vfork`]'s child: `context` is a [`ChildContext`] of the sleeping parent.
unsafe extern "C" fn child(context: *mut u8) -> ! {
    // SAFETY: upheld by the caller; the parent sleeps, so nothing else uses it.
    let context = unsafe { &mut *context.cast::<ChildContext>() };
    let fault = context
        .spawner
        .child_main(context.service, context.kind, context.wiring);
    context.fault = Some(fault);
    raw::exit(127)
}
