//! Starting a service: vfork-style, so that the parent knows before it does anything else whether
//! the program runs, and if not which step failed and with which errno. No pipe, no race.
//!
//! From `clone` to `execve` the child shares our memory, and we sleep. It makes system calls and
//! writes to [`Birth`] and to buffers whose content nobody relies on, nothing else: what it has
//! changed when its exec succeeds stays changed for us.

use core::ffi::{CStr, c_char, c_int};
use core::mem::replace;
use core::ptr::null;

use rustix::fd::IntoRawFd;
use rustix::fs::{Access, OFlags, access};
use rustix::process::{getpid, set_parent_process_death_signal, setpgid, setsid};

use super::entry::Start;
use super::process::Own;
use super::terminal::STDIN;
use super::{arena, files, raw};
use pidlet::plan::{Group, Plan, StartFault, Step, Terminal};
use pidlet::supervise::Event;
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::signal::{Signal, SignalSet};
use pidlet::words::text::{self, Line};

/// Where a program is looked for when PATH is not set, as execvp(3) of glibc does.
const DEFAULT_PATH: &CStr = c"/bin:/usr/bin";
const SHELL: &CStr = c"/bin/sh";

/// The longest name of a file, limits.h. What is longer is nowhere in a directory of PATH.
const NAME_MAX: usize = 255;

/// Starts services.
pub struct Spawner<'p> {
    plan: &'p Plan<'p>,
    attempt: Attempt<'p>,
    /// Where LISTEN_PID is in the environment, if it is for us.
    listen: Option<*mut *const c_char>,
    path: &'p CStr,
    /// Room for the longest path that is tried, with its NUL.
    candidate: &'p mut [u8],
    mask: SignalSet,
    /// SIGCHLD was ignored when we were started.
    chld_ignored: bool,
    /// `/dev/null`, for standard input in place of a terminal that belongs to none of several.
    null: Option<c_int>,
}

/// What a child is told, and what it leaves behind if it fails.
struct Birth<'s, 'p> {
    spawner: &'s mut Spawner<'p>,
    service: usize,
    terminal: Option<c_int>,
    fault: Option<StartFault>,
}

impl<'p> Spawner<'p> {
    /// Takes all memory that starting will need.
    pub fn new(plan: &'p Plan<'p>, start: &Start, own: &Own) -> Spawner<'p> {
        let path = start.getenv(b"PATH").unwrap_or(DEFAULT_PATH);
        let listen = match start.variable(b"LISTEN_PID") {
            Some((place, value))
                if plan.setup.listen_pid
                    && text::number(value.to_bytes()) == Some(own.pid.into()) =>
            {
                Some(place)
            }
            _ => None,
        };
        Spawner {
            plan,
            attempt: Attempt {
                argv: arena::array(null(), plan.words.len() + 2),
                envp: start.envp(),
                shell_fallback: plan.setup.shell_fallback,
            },
            listen,
            path,
            candidate: arena::array(0, path.count_bytes() + NAME_MAX + 2),
            mask: start.mask,
            chld_ignored: own.chld_ignored,
            null: None,
        }
    }

    /// From now on standard input is `/dev/null` for every service, as a shell has it for what
    /// runs in the background. Where there is none it stays what it is.
    pub fn close_stdin(&mut self) {
        let null = files::open(c"/dev/null", OFlags::RDONLY);
        self.null = null.ok().map(IntoRawFd::into_raw_fd);
    }

    /// Starts a service, and tells what came of it. It gets the terminal if there is one for it.
    pub fn start(&mut self, service: usize, terminal: Option<c_int>) -> Event {
        let mut birth = Birth {
            spawner: self,
            service,
            terminal,
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

    /// A child's life up to its program. Returns only to say why there is none.
    fn live(&mut self, service: usize, terminal: Option<c_int>) -> StartFault {
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
        } else if let Some(fd) = terminal {
            raw::set_foreground(fd, own_pid());
        }
        if let Some(fd) = self.null {
            raw::dup_to(fd, STDIN);
        }
        if self.plan.parent_death == Some(Signal::KILL) {
            // The kernel would kill us only: whoever asks for KILL means the program too.
            let _ = set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        }
        match self.listen {
            Some(place) => self.execute_as_listener(service, place),
            None => self.execute(service),
        }
    }

    /// Names the child as the one that LISTEN_PID is for.
    fn execute_as_listener(&mut self, service: usize, place: *mut *const c_char) -> StartFault {
        let mut variable = Line::new();
        variable
            .put("LISTEN_PID=")
            .put_number(own_pid().into())
            .put("\0");
        // SAFETY: the place is one of the environment's, which is ours. What it leads to ends with
        // a NUL and lives until the kernel has copied it; in vain, and nobody reads it any more.
        unsafe { place.write(variable.text().as_ptr().cast()) };
        self.execute(service)
    }

    /// execvp(3), with the error that it gives.
    fn execute(&mut self, service: usize) -> StartFault {
        let command = self.plan.command(service);
        let mut places = self.attempt.argv.iter_mut();
        let _the_shells = places.next();
        for (word, place) in command.iter().zip(places.by_ref()) {
            *place = word.as_ptr();
        }
        if let Some(place) = places.next() {
            *place = null();
        }
        self.restore_signals();
        let program = command.first().copied().unwrap_or(c"");
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
    let fault = birth.spawner.live(birth.service, birth.terminal);
    birth.fault = Some(fault);
    raw::exit(127)
}
