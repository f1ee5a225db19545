//! Starting a service: vfork-style, so that the parent knows before it does anything else whether
//! the program runs, and if not which step failed and with which errno. No pipe, no race.
//!
//! From `clone` to `execve` the child shares our memory, and we sleep. It makes system calls and
//! writes to [`Birth`] and to buffers whose content nobody relies on, nothing else: what it has
//! changed when its exec succeeds stays changed for us.

use core::ffi::{CStr, c_char, c_int};
use core::mem::replace;
use core::ptr::null;

use rustix::fd::BorrowedFd;
use rustix::fs::{Access, access};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Rlimit, getpid, set_parent_process_death_signal, setpgid, setsid};

use super::entry::Start;
use super::prepare::prepare;
use super::process::{self, Own};
use super::reactor::NONE;
use super::terminal::STDIN;
use super::{arena, raw, settle};
use pidlet::plan::environment::assemble;
use pidlet::plan::{EXEC, Group, Key, Plan, StartFault, Step, Terminal, behind};
use pidlet::supervise::Event;
use pidlet::text;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::list::List;
use pidlet::words::packed::Text;
use pidlet::words::signal::{Signal, SignalSet};
use pidlet::words::text::{self, Line};

/// Where a program is looked for when PATH is not set, as execvp(3) of glibc does.
const DEFAULT_PATH: &CStr = c"/bin:/usr/bin";
const SHELL: &CStr = c"/bin/sh";

/// The longest name of a file, limits.h. What is longer is nowhere in a directory of PATH.
const NAME_MAX: usize = 255;
/// The longest path that the kernel takes, limits.h.
const PATH_MAX: usize = 4096;

/// The first of the sockets that are passed on (sd_listen_fds(3)).
pub const FIRST_SOCKET: c_int = 3;
/// More are passed on by nobody.
const SOCKETS_MAX: u64 = 1000;
/// Variables of a service beside ours and those of its section.
const EXTRA_VARIABLES: usize = 3;

/// The variables that name the process that they are for.
const PIDS: [&[u8]; 2] = [b"LISTEN_PID=", b"WATCHDOG_PID="];

/// What of a service is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The service.
    Run,
    /// Its `finish` command, for a service that ended with this code (256 if it was killed) by this
    /// signal, as s6-supervise(8) has it.
    Finish(u16, u8),
    /// A command that is a check, said with this key.
    Check(Key),
}

/// What a child gets besides.
#[derive(Clone, Copy)]
pub struct Gift<'g> {
    /// What its standard streams are to be: descriptors of ours, or [`NONE`] for the one that we have.
    pub streams: [c_int; 3],
    /// Its `ready = fd:N`: our end of the pipe, and N.
    pub ready: Option<(c_int, c_int)>,
    /// `NOTIFY_SOCKET=...`, or nothing.
    pub notify: &'g CStr,
    /// The terminal of which it is to be the foreground.
    pub terminal: Option<c_int>,
}

impl Gift<'_> {
    /// Nothing.
    pub const NONE: Gift<'static> = Gift {
        streams: [NONE; 3],
        ready: None,
        notify: c"",
        terminal: None,
    };
}

/// Starts services.
pub struct Spawner<'p> {
    plan: &'p Plan<'p>,
    attempt: Attempt<'p>,
    /// Where LISTEN_PID and WATCHDOG_PID are in the environment, if they are for a child.
    pids: [Option<*mut *const c_char>; 2],
    path: &'p CStr,
    /// Our own environment, and room for a service's: as words, and as execve(2) takes it. For
    /// plans that come from a file.
    ours: List<'p, &'p CStr>,
    variables: List<'p, &'p CStr>,
    envp: &'p mut [*const c_char],
    /// The limit of descriptors that a service has, where we have another one.
    pub files: Option<Rlimit>,
    /// How many sockets were passed to us, from descriptor 3 on (sd_listen_fds(3)).
    pub sockets: c_int,
    /// Room for the longest path that is tried, with its NUL.
    candidate: &'p mut [u8],
    mask: SignalSet,
    /// SIGCHLD was ignored when we were started.
    chld_ignored: bool,
}

/// What a child is told, and what it leaves behind if it fails.
struct Birth<'s, 'p> {
    spawner: &'s mut Spawner<'p>,
    service: usize,
    what: What,
    gift: Gift<'s>,
    fault: Option<StartFault>,
}

impl<'p> Spawner<'p> {
    /// Takes all memory that starting will need.
    pub fn new(plan: &'p Plan<'p>, start: &Start, own: &Own) -> Spawner<'p> {
        let path = start.getenv(b"PATH").unwrap_or(DEFAULT_PATH);
        let listen = match start.variable(b"LISTEN_PID") {
            Some((place, value)) if text::number(value.to_bytes()) == Some(own.pid.into()) => {
                Some(place)
            }
            _ => None,
        };
        let mut longest = 0;
        let mut words = 0;
        for service in &*plan.services {
            // The arguments of a `finish` command are two more.
            let mut most = service.run.len();
            let mut said = EXTRA_VARIABLES;
            for line in service.spec.0 {
                most = most.max(line.words.len() + 2);
                said += line.words.len();
            }
            longest = longest.max(most);
            words = words.max(said);
        }
        let mut spawner = Spawner {
            plan,
            attempt: Attempt {
                argv: arena::array(null(), longest + 2),
                envp: start.envp(),
                shell_fallback: plan.setup.shell_fallback,
            },
            pids: [listen.filter(|_| plan.setup.listen_pid), None],
            path,
            ours: List::none(),
            variables: List::none(),
            envp: &mut [],
            files: None,
            sockets: 0,
            candidate: arena::array(0, path.count_bytes() + NAME_MAX + 2),
            mask: start.mask,
            chld_ignored: own.chld_ignored,
        };
        if plan.filed {
            spawner.ours = start.environment();
            let most = spawner.ours.len() + words;
            spawner.variables = List::with_room(c"", most);
            spawner.envp = arena::array(null(), most + 1);
            spawner.candidate = arena::array(0, PATH_MAX);
            let sockets = start.getenv(b"LISTEN_FDS").filter(|_| listen.is_some());
            let sockets = sockets.and_then(|number| text::number(number.to_bytes()));
            spawner.sockets = sockets.unwrap_or(0).min(SOCKETS_MAX) as c_int;
            // Services get what is theirs and nothing else, however late they start.
            let last = FIRST_SOCKET + spawner.sockets - 1;
            for fd in FIRST_SOCKET..=last {
                inherit(fd, FdFlags::CLOEXEC);
            }
            settle::close_inherited(last);
        }
        spawner
    }

    /// Starts a service or what belongs to it, and tells what came of it.
    pub fn start(&mut self, service: usize, what: What, gift: &Gift) -> Event {
        let mut watchdog = Line::new();
        if self.plan.filed {
            self.assemble(service, gift, &mut watchdog);
        }
        let mut birth = Birth {
            spawner: self,
            service,
            what,
            gift: *gift,
            fault: None,
        };
        // SAFETY: `child` does not return, and leaves everything that it shares in order.
        match (
            unsafe { raw::vfork(child, (&raw mut birth).cast()) },
            birth.fault,
        ) {
            (Err(errno), _) => Event::NotStarted(StartFault {
                step: Step::Fork,
                errno,
            }),
            (Ok(pid), Some(fault)) => {
                // It was never a service: nobody else hears of it.
                super::reap::reap(pid);
                Event::NotStarted(fault)
            }
            (Ok(pid), None) => Event::Started(pid),
        }
    }

    /// Makes the environment of a service; `watchdog` is room for a variable.
    fn assemble(&mut self, service: usize, gift: &Gift, watchdog: &mut Line) {
        let spec = self.plan.spec(service);
        self.variables.clear();
        for word in &*self.ours {
            self.variables.push(word);
        }
        if spec.has(Key::Watchdog) {
            watchdog.put(text!("WATCHDOG_USEC="));
            watchdog.put_number(spec.number(Key::Watchdog).saturating_mul(1000));
        }
        watchdog.put(Text::plain("\0"));
        let pid = if spec.has(Key::Watchdog) {
            c"WATCHDOG_PID="
        } else {
            c""
        };
        // SAFETY: it ends with a NUL. It and the gift's live until the program runs, and nobody
        // looks at the list after that.
        let extra = unsafe {
            let watchdog = CStr::from_ptr(watchdog.text().as_ptr().cast());
            [CStr::from_ptr(gift.notify.as_ptr()), watchdog, pid]
        };
        assemble(&mut self.variables, spec, &extra);
        self.pids = [None; 2];
        self.path = DEFAULT_PATH;
        let mut slots = self.envp.iter_mut();
        for (word, slot) in self.variables.iter().zip(slots.by_ref()) {
            *slot = word.as_ptr();
            for (name, place) in PIDS.iter().zip(&mut self.pids) {
                if word.to_bytes().starts_with(name) {
                    *place = Some(slot);
                }
            }
            if let Some(path) = behind(word, "PATH=") {
                self.path = path;
            }
        }
        if let Some(end) = slots.next() {
            *end = null();
        }
        self.attempt.envp = self.envp.as_ptr();
    }

    /// A child's life up to its program. Returns only to say why there is none.
    fn live(&mut self, service: usize, what: What, gift: &Gift) -> StartFault {
        let setup = self.plan.setup;
        let group = match setup.group {
            Group::Own => setpgid(None, None),
            Group::Session => setsid().map(|_| ()),
            Group::Ours => Ok(()),
        };
        if let Err(error) = group {
            let errno = Errno(error.raw_os_error() as u16);
            return StartFault {
                step: Step::Group,
                errno,
            };
        }
        // No error of the terminal is fatal: the program runs without it.
        if setup.terminal == Terminal::Session {
            raw::take_terminal(STDIN);
        } else if let Some(fd) = gift.terminal {
            raw::set_foreground(fd, own_pid());
        }
        for (to, fd) in gift.streams.into_iter().enumerate() {
            if fd != NONE {
                raw::dup_to(fd, to as c_int);
            }
        }
        if let Some(limit) = self.files {
            process::limit_files(limit);
        }
        if self.plan.filed {
            if let Err((key, errno)) = self.furnish(service, gift) {
                let step = Step::Key(key);
                return StartFault { step, errno };
            }
        }
        if self.plan.parent_death == Some(Signal::KILL) {
            // The kernel would kill us only: whoever asks for KILL means the program too. A change
            // of user would clear it.
            let _ = set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        }
        self.execute(service, what)
    }

    /// Further descriptors, and what else its section says.
    fn furnish(&self, service: usize, gift: &Gift) -> Result<(), (Key, Errno)> {
        let spec = self.plan.spec(service);
        if spec.number(Key::Sockets) > 0 {
            for fd in FIRST_SOCKET..FIRST_SOCKET + self.sockets {
                inherit(fd, FdFlags::empty());
            }
        }
        match gift.ready {
            Some((fd, to)) if fd == to => inherit(fd, FdFlags::empty()),
            Some((fd, to)) => raw::dup_to(fd, to),
            None => (),
        }
        prepare(spec)
    }

    /// execvp(3), with the error that it gives.
    fn execute(&mut self, service: usize, what: What) -> StartFault {
        let spec = self.plan.spec(service);
        let command = match what {
            What::Run => self.plan.command(service),
            What::Finish(..) => spec.words(Key::Finish),
            What::Check(key) => spec.words(key),
        };
        let mut program = command.first().copied().unwrap_or(c"");
        if let What::Check(_) = what {
            program = behind(program, EXEC).unwrap_or(program);
        }
        let mut places = self.attempt.argv.iter_mut();
        let _the_shells = places.next();
        let mut next = program.as_ptr();
        for (index, place) in (1..=command.len()).zip(places.by_ref()) {
            *place = next;
            next = command.get(index).map_or(null(), |word| word.as_ptr());
        }
        let mut numbers = Line::new();
        if let What::Finish(code, signal) = what {
            let code_len = numbers
                .put_number(code.into())
                .put(Text::plain("\0"))
                .text()
                .len();
            numbers.put_number(signal.into()).put(Text::plain("\0"));
            // What it leads to lives until the kernel has copied it.
            let text = numbers.text();
            for (text, place) in [text, &text[code_len..]].iter().zip(places.by_ref()) {
                *place = text.as_ptr().cast();
            }
        }
        if let Some(place) = places.next() {
            *place = null();
        }
        // Names the child as the one that these are for. What they lead to lives, as above.
        let mut own = Line::new();
        for (name, place) in PIDS.iter().zip(self.pids) {
            if let Some(place) = place {
                let start = own.text().len();
                own.put_bytes(name).put_number(own_pid().into());
                own.put(Text::plain("\0"));
                // SAFETY: one of the environment's places, which is ours; if the program cannot be
                // executed nobody reads it any more.
                unsafe { place.write(own.text()[start..].as_ptr().cast()) };
            }
        }
        self.restore_signals();
        let errno = self.search(program, true);
        let there = errno == Errno::NOENT && self.search(program, false) == FOUND;
        StartFault {
            step: if there { Step::Interpreter } else { Step::Exec },
            errno,
        }
    }

    /// Gives back what we changed, the mask last: what was sent to the child meanwhile is still
    /// pending when the program begins.
    fn restore_signals(&self) {
        let mut mask = self.mask;
        if self.plan.setup.clean_signals {
            mask = SignalSet::NONE;
            for number in 1..32 {
                if let Some(signal) = Signal::new(number) {
                    raw::set_ignored(signal, false);
                }
            }
        } else if self.chld_ignored {
            raw::set_ignored(Signal::CHLD, true);
        }
        raw::set_signal_mask(mask);
    }

    /// Executes the program, or the first of its name in PATH that can be; or only looks whether
    /// there is one.
    fn search(&mut self, program: &CStr, execute: bool) -> Errno {
        let name = program.to_bytes_with_nul();
        let (_, behind_slash) = text::cut(name, b'/');
        if name.len() == 1 || !behind_slash.is_empty() {
            return self.attempt.make(program, execute);
        }
        let mut last = Errno::NOENT;
        for directory in self.path.to_bytes().split(|byte| *byte == b':') {
            let Some(path) = join(self.candidate, directory, name) else {
                continue;
            };
            match self.attempt.make(path, execute) {
                // Remembered, whatever is missing elsewhere.
                Errno::ACCES => last = Errno::ACCES,
                errno @ (Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::STALE) => {
                    if last != Errno::ACCES {
                        last = errno;
                    }
                }
                errno => return errno,
            }
        }
        last
    }
}

/// Lets programs have this descriptor, or not.
fn inherit(fd: c_int, flags: FdFlags) {
    // SAFETY: it is open, or this fails and the program misses what nobody has.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let _ = fcntl_setfd(fd, flags);
}

fn own_pid() -> Pid {
    getpid().as_raw_pid() as Pid
}

/// What a search answers that was not to execute anything.
const FOUND: Errno = Errno(0);

/// What a program is executed with.
struct Attempt<'p> {
    /// Room for the longest command: a place for the shell, the words and a null pointer.
    argv: &'p mut [*const c_char],
    envp: *const *const c_char,
    /// A script without `#!` goes to the shell.
    shell_fallback: bool,
}

impl Attempt<'_> {
    /// Executes a file, or only looks whether it is there.
    fn make(&mut self, path: &CStr, execute: bool) -> Errno {
        if !execute {
            let there = access(path, Access::EXISTS).is_ok();
            return if there { FOUND } else { Errno::NOENT };
        }
        let whole = self.argv.as_ptr();
        let [shell, words @ ..] = &mut *self.argv else {
            return Errno::NOENT;
        };
        // SAFETY: strings of the plan and our own, arrays with a null pointer at their end.
        let errno = unsafe { raw::execve(path.as_ptr(), words.as_ptr(), self.envp) };
        let [name, ..] = words else {
            return errno;
        };
        if errno != Errno::NOEXEC || !self.shell_fallback {
            return errno;
        }
        *shell = SHELL.as_ptr();
        let name_given = replace(name, path.as_ptr());
        // SAFETY: as above.
        let errno = unsafe { raw::execve(SHELL.as_ptr(), whole, self.envp) };
        *name = name_given;
        errno
    }
}

/// `directory/name` in `buffer`, if it fits; an empty directory is the current one.
fn join<'b>(buffer: &'b mut [u8], directory: &[u8], name_with_nul: &[u8]) -> Option<&'b CStr> {
    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    let mut places = buffer.iter_mut();
    for part in [directory, slash, name_with_nul] {
        for byte in part {
            *places.next()? = *byte;
        }
    }
    // SAFETY: the name ends with a NUL and fitted.
    Some(unsafe { CStr::from_ptr(buffer.as_ptr().cast()) })
}

/// A child's life up to its program.
///
/// # Safety
///
/// Only as [`raw::vfork`]'s child: `birth` is a [`Birth`] of the sleeping parent.
unsafe extern "C" fn child(birth: *mut u8) -> ! {
    // SAFETY: the caller's; the parent sleeps, so nobody else uses it.
    let birth = unsafe { &mut *birth.cast::<Birth>() };
    let fault = birth.spawner.live(birth.service, birth.what, &birth.gift);
    birth.fault = Some(fault);
    raw::exit(127)
}
