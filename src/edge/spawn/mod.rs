//! Starting a service: vfork-style, so that the parent knows before it does anything else whether
//! the program runs, and if not which step failed and with which errno. No pipe, no race.
//!
//! From `clone` to `execve` the child shares our memory while we sleep. It only makes system calls, and
//! writes to [`Birth`] and to buffers whose content is not relied on afterwards: whatever it has changed when
//! its exec succeeds stays changed for us.

mod exec;
mod prepare;

use core::ffi::{CStr, c_char, c_int};
use core::mem::transmute;
use core::ptr::{null, null_mut};

use super::entry::{Start, variable};
use super::process::{self, OwnProcess};
use super::reactor::NONE;
use super::terminal::STDIN;
use super::{arena, output, raw, reap, settle};
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
const PIDS: [&[u8]; 2] = [b"LISTEN_PID", b"WATCHDOG_PID"];

/// Which of a service's commands is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
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
pub struct Gift<'g> {
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
    /// How many of [`PIDS`] are made to name a child, where its environment has them.
    pids: usize,
    /// Our own environment, and room for a service's: as words, and as execve(2) takes it. Only for a plan
    /// file.
    ours: &'p [&'p CStr],
    variables: List<'p, &'p CStr>,
    envp: *mut *const c_char,
    /// The limit on descriptors that services get back, if we have raised our own; otherwise zeroes.
    pub files: [u64; 2],
    /// How many sockets were passed to us, from descriptor 3 on (sd_listen_fds(3)).
    pub sockets: c_int,
    start: &'p Start,
    /// SIGCHLD was ignored when we were started.
    chld_ignored: bool,
    /// Whether TERM was, known once we seem to handle it ([`raw::seem_to_handle`]).
    pub term_ignored: Option<bool>,
    /// Services that do not have the terminal get sessions of their own.
    apart: bool,
}

/// What a child is told, and what it leaves behind if it fails.
struct Birth<'s, 'p> {
    spawner: &'s mut Spawner<'p>,
    service: Place,
    what: What,
    gift: &'s Gift<'s>,
    fault: Option<StartFault>,
}

impl<'p> Spawner<'p> {
    /// Takes all memory that starting will need.
    #[inline(never)]
    pub fn new(plan: &'p Plan<'p>, start: &'p Start, own: &OwnProcess, apart: bool) -> Spawner<'p> {
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
            pids: 0,
            ours: &[],
            variables: List::none(),
            envp: null_mut(),
            files: [0; 2],
            sockets: 0,
            chld_ignored: own.chld_ignored,
            term_ignored: None,
            apart,
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
            spawner.pids = PIDS.len();
            spawner.own_all(words);
        } else if listens && plan.setup.listen_pid {
            spawner.pids = 1;
        }
        spawner
    }

    /// Makes sure that services get what is theirs and nothing else, however late they start.
    fn own_all(&mut self, words: usize) {
        self.ours = self.start.environment();
        let most = self.ours.len() + words;
        self.variables = List::with_capacity(c"", most);
        self.envp = pointers(most).as_mut_ptr();
        self.pass_sockets(false);
        settle::close_inherited(FIRST_SOCKET + self.sockets - 1);
    }

    /// Starts a service or one of its commands; returns its process, or why there is none.
    pub fn start(&mut self, service: Place, what: What, gift: &Gift) -> Result<Pid, StartFault> {
        let mut watchdog = Line::new();
        if self.plan.from_file {
            self.assemble(service, gift, &mut watchdog);
        }
        let mut birth = Birth {
            spawner: self,
            service,
            what,
            gift,
            fault: None,
        };
        // SAFETY: `child` does not return, and leaves everything that it shares in order.
        let pid = unsafe { raw::vfork(child, (&raw mut birth).cast()) };
        if pid < 0 {
            return Err(StartFault {
                step: Step::Fork,
                errno: raw::errno(pid),
            });
        }
        let pid = pid as Pid;
        match birth.fault {
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
    fn assemble(&mut self, service: Place, gift: &Gift, watchdog: &mut Line) {
        let spec = self.plan.spec(service);
        self.variables.clear();
        for word in self.ours {
            self.variables.push(word);
        }
        let mut extra = [gift.notify, c"", c""];
        let microseconds = spec.number(Key::Watchdog).saturating_mul(1000);
        if microseconds > 0 {
            // SAFETY: the line is there, and the word ends with a NUL.
            let period = unsafe {
                let period = put_word(watchdog, b"WATCHDOG_USEC", microseconds);
                CStr::from_ptr(period)
            };
            extra = [gift.notify, period, c"WATCHDOG_PID="];
        }
        // SAFETY: the gift's words and ours live until the program runs, and nothing reads the list after
        // that.
        let extra = unsafe { transmute::<[&CStr; 3], [&'p CStr; 3]>(extra) };
        assemble(&mut self.variables, spec, &extra);
        let mut place = self.envp;
        self.attempt.envp = place;
        for word in &*self.variables {
            // SAFETY: `own_all` made room for so many and for the null pointer.
            unsafe {
                place.write(word.as_ptr());
                place = place.add(1);
            }
        }
        // SAFETY: as above.
        unsafe { place.write(null()) };
    }

    /// The child's life up to its program. Returns only to say why that does not run.
    fn live(&mut self, service: Place, what: What, gift: &Gift) -> StartFault {
        let setup = self.plan.setup;
        if self.plan.from_file {
            raw::kill_self_after(LOADING_MAX);
        }
        let group = match setup.group {
            // In our session a service of any user could take the terminal from its owner and type for it.
            Group::Own if self.apart && service != self.plan.foreground => raw::lead_session(),
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
        } else if gift.terminal != NONE {
            raw::set_foreground(gift.terminal, raw::own_pid());
        }
        if let Err((key, errno)) = self.furnish(service, what, gift) {
            let step = Step::Key(key);
            return StartFault { step, errno };
        }
        if self.plan.parent_death == Some(Signal::KILL) {
            // The kernel would kill only us, but KILL is meant for the program, too. Set here, since a change
            // of user would clear it.
            raw::set_parent_death(Signal::KILL);
        }
        self.execute(service, what)
    }

    /// Lets the sockets that were passed to us survive an exec, or not.
    #[inline(never)]
    fn pass_sockets(&self, yes: bool) {
        for fd in FIRST_SOCKET..FIRST_SOCKET + self.sockets {
            raw::inherit(fd, yes);
        }
    }

    /// Sets up descriptors, and whatever else the section says.
    fn furnish(&self, service: Place, what: What, gift: &Gift) -> Result<(), (Key, Errno)> {
        for (fd, to) in gift.streams.iter().zip(0..) {
            if *fd != NONE {
                raw::dup_to(*fd, to).map_err(|errno| (output::key(to as usize), errno))?;
                if what == What::Run {
                    // A previous holder may have made it non-blocking. For a check that is left as it is:
                    // while the service runs, the service decides.
                    raw::set_flags(to, 0);
                }
            }
        }
        if self.files != [0; 2] {
            process::limit_files(self.files);
        }
        if !self.plan.from_file {
            return Ok(());
        }
        let spec = self.plan.spec(service);
        let [ready, to] = gift.ready;
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
    fn execute(&mut self, service: Place, what: What) -> StartFault {
        let spec = self.plan.spec(service);
        let command = match what {
            What::Run => self.plan.command(service),
            What::Finish(..) => spec.words(Key::Finish),
            What::Check(key) => spec.words(key),
        };
        let mut program = command.first().copied().unwrap_or(c"");
        if let (What::Check(_), Some(behind)) =
            (what, program.to_bytes_with_nul().get(EXEC.len()..))
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
        if let What::Finish(code, signal) = what {
            // SAFETY: the line is there, and nothing else uses it.
            unsafe {
                self.attempt.put(put_word(extra, b"", code.into()));
                self.attempt.put(put_word(extra, b"", signal.into()));
            }
        }
        self.attempt.put(null());
        // Makes these variables name the child.
        for name in PIDS.iter().take(self.pids) {
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

/// The child's life up to its program.
///
/// # Safety
///
/// Only as [`raw::vfork`]'s child: `birth` is a [`Birth`] of the sleeping parent.
unsafe extern "C" fn child(birth: *mut u8) -> ! {
    // SAFETY: upheld by the caller; the parent sleeps, so nothing else uses it.
    let birth = unsafe { &mut *birth.cast::<Birth>() };
    let fault = birth.spawner.live(birth.service, birth.what, birth.gift);
    birth.fault = Some(fault);
    raw::exit(127)
}
