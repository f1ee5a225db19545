//! Starting a service: vfork-style, so that the parent knows before it does anything else whether
//! the program runs, and if not which step failed and with which errno. No pipe, no race.
//!
//! From `clone` to `execve` the child shares our memory, and we sleep. It makes system calls and
//! writes to [`Birth`] and to buffers whose content nobody relies on, nothing else: what it has
//! changed when its exec succeeds stays changed for us.

use alloc::vec;
use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::null;

use rustix::fd::IntoRawFd;
use rustix::fs::{Access, Mode, OFlags, access, open};
use rustix::process::{getpid, set_parent_process_death_signal, setpgid, setsid};

use super::entry::{Env, Start};
use super::raw::{self, Disposition};
use pidlet::plan::{Group, Plan, StartFault, Step};
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::signal::{Signal, SignalSet};

/// The stack of a child up to its exec. Measured: under 1 KiB in release and 6 KiB in debug builds.
const STACK_BYTES: usize = 16 * 1024;

/// Where a program is looked for when PATH is not set, as execvp(3) of glibc does.
const DEFAULT_PATH: &CStr = c"/bin:/usr/bin";
const SHELL: &CStr = c"/bin/sh";

/// Starts services.
pub struct Spawner<'p> {
    plan: &'p Plan<'p>,
    /// For each service a free slot for the shell, its words, and a null pointer.
    argv: &'p mut [*const c_char],
    envp: *const *const c_char,
    /// The environment with a slot of its own for LISTEN_PID, if that is for us.
    listen: Option<Listen>,
    path: &'p CStr,
    /// Room for the longest path that is tried, with its NUL.
    candidate: &'p mut [u8],
    mask: SignalSet,
    /// SIGCHLD's disposition as we found it.
    chld: Disposition,
    /// `/dev/null`, for standard input in place of a terminal that belongs to none of several.
    null: Option<c_int>,
}

struct Listen {
    text: &'static mut [u8],
    envp: *const *const c_char,
}

const LISTEN_PID: &[u8] = b"LISTEN_PID=";

/// What a child is told, and what it leaves behind if it fails.
struct Birth<'s, 'p> {
    spawner: &'s mut Spawner<'p>,
    service: usize,
    terminal: Option<c_int>,
    fault: Option<StartFault>,
}

impl<'p> Spawner<'p> {
    /// Takes all memory that starting will need.
    pub fn new(plan: &'p Plan<'p>, start: &Start, chld: Disposition) -> Spawner<'p> {
        let services = plan.services.len();
        let argv = vec![null(); plan.words.len() + 2 * services].leak();
        let mut longest = 0;
        for (service, run) in plan.services.iter().enumerate() {
            let words = plan.command(service);
            let slot = slot(run.first, service);
            for (place, word) in argv[slot + 1..].iter_mut().zip(words) {
                *place = word.as_ptr();
            }
            longest = longest.max(words.first().map_or(0, |word| word.count_bytes()));
        }
        let path = start.env().get(b"PATH").unwrap_or(DEFAULT_PATH);
        let names_us = |value: &&CStr| {
            let own = getpid().as_raw_pid() as u64;
            pidlet::words::text::number(value.to_bytes()) == Some(own)
        };
        let listen = if plan.setup.listen_pid {
            start.env().get(b"LISTEN_PID")
        } else {
            None
        };
        let listen = listen.filter(names_us).map(|_| Listen::new(start.env()));
        let candidate = vec![0; path.count_bytes() + longest + 2].leak();
        let null = None;
        let (envp, mask) = (start.envp(), start.mask);
        Spawner {
            plan,
            argv,
            envp,
            listen,
            path,
            candidate,
            mask,
            chld,
            null,
        }
    }

    /// From now on standard input is `/dev/null` for every service, as a shell has it for what
    /// runs in the background. Where there is none it stays what it is.
    pub fn close_stdin(&mut self) {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        self.null = open(c"/dev/null", flags, Mode::empty())
            .ok()
            .map(IntoRawFd::into_raw_fd);
    }

    /// Starts a service. It gets the terminal if there is one for it.
    pub fn start(&mut self, service: usize, terminal: Option<c_int>) -> Result<Pid, StartFault> {
        let mut stack = MaybeUninit::<[u128; STACK_BYTES / 16]>::uninit();
        let mut birth = Birth {
            spawner: self,
            service,
            terminal,
            fault: None,
        };
        // SAFETY: the stack is 16-byte aligned and ours until the child is done with it, before
        // `vfork` returns; `child` does not return, and leaves everything that it shares in order.
        let pid = unsafe {
            let top = stack.as_mut_ptr().add(1).cast::<u8>();
            raw::vfork(top, child, (&raw mut birth).cast())
        };
        // SAFETY: a plain read of our own variable, which the child may have written to through the
        // pointer that it was given.
        let fault = unsafe { (&raw const birth.fault).read_volatile() };
        match (pid, fault) {
            (Err(errno), _) => Err(StartFault {
                step: Step::Fork,
                errno,
            }),
            (Ok(pid), Some(fault)) => {
                // It was never a service: nobody else hears of it.
                super::reap::reap(pid);
                Err(fault)
            }
            (Ok(pid), None) => Ok(pid),
        }
    }
}

/// Where a service's slot for the shell is: its words are behind it, and a null pointer is behind
/// them. Separators leave no gap, since in the words they stand between the commands.
fn slot(first: usize, service: usize) -> usize {
    first + service
}

impl Listen {
    fn new(env: Env) -> Listen {
        let others = env.filter(|variable| !variable.to_bytes().starts_with(LISTEN_PID));
        // The longest pid has ten digits.
        let text = vec![0; LISTEN_PID.len() + 11].leak();
        text[..LISTEN_PID.len()].copy_from_slice(LISTEN_PID);
        let envp: &mut [*const c_char] = vec![null(); env.count() + 1].leak();
        envp[0] = text.as_ptr().cast();
        for (place, variable) in envp[1..].iter_mut().zip(others) {
            *place = variable.as_ptr();
        }
        Listen {
            text,
            envp: envp.as_ptr(),
        }
    }

    /// Names the process that calls.
    fn name_self(&mut self) -> *const *const c_char {
        let mut number = pidlet::words::text::Line::new();
        let digits = number.put_number(getpid().as_raw_pid() as u64).text();
        self.text[LISTEN_PID.len()..][..digits.len()].copy_from_slice(digits);
        self.text[LISTEN_PID.len() + digits.len()] = 0;
        self.envp
    }
}

/// A child's life up to its program.
///
/// # Safety
///
/// Only as [`raw::vfork`]'s child: `birth` is a [`Birth`] of the sleeping parent.
unsafe extern "C" fn child(birth: *mut u8) -> ! {
    // SAFETY: the caller's; the parent sleeps, so nobody else uses it.
    let birth = unsafe { &mut *birth.cast::<Birth>() };
    let fault = birth.run();
    birth.fault = Some(fault);
    raw::exit(127)
}

impl Birth<'_, '_> {
    /// Sets everything up and executes the program. Returns only to say why not.
    fn run(&mut self) -> StartFault {
        let setup = self.spawner.plan.setup;
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
        if let Some(fd) = self.terminal {
            let _ = match setup.group {
                Group::Session => raw::take_terminal(fd),
                _ => raw::set_foreground(fd, getpid().as_raw_pid() as Pid),
            };
        }
        if let Some(fd) = self.spawner.null {
            raw::dup_to(fd, 0);
        }
        if self.spawner.plan.parent_death == Some(Signal::KILL) {
            // The kernel would kill us only: whoever asks for KILL means the program too.
            let _ = set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        }
        let envp = match &mut self.spawner.listen {
            Some(listen) => listen.name_self(),
            None => self.spawner.envp,
        };
        self.restore_signals(setup.clean_signals);
        self.exec(envp)
    }

    /// Gives back what we changed, the mask last: what was sent to the child meanwhile is still
    /// pending when the program begins.
    fn restore_signals(&self, clean: bool) {
        let default = Disposition::default();
        if clean {
            for signal in (1..=31).filter_map(Signal::new) {
                raw::set_disposition(signal, &default);
            }
        } else if self.spawner.chld.is_set() {
            raw::set_disposition(Signal::CHLD, &self.spawner.chld);
        }
        raw::set_signal_mask(if clean {
            SignalSet::NONE
        } else {
            self.spawner.mask
        });
    }

    /// execvp(3), with the error that it gives.
    fn exec(&mut self, envp: *const *const c_char) -> StartFault {
        let spawner = &mut *self.spawner;
        let plan = spawner.plan;
        let first = plan.services.get(self.service).map_or(0, |run| run.first);
        let program = plan.command(self.service).first().copied().unwrap_or(c"");
        let mut try_path = |path: &CStr| {
            let argv = &mut spawner.argv[slot(first, self.service)..];
            exec_path(path, argv, envp, plan.setup.shell_fallback)
        };
        let name = program.to_bytes_with_nul();
        if name.len() == 1 || name.contains(&b'/') {
            let errno = try_path(program);
            return fault(errno, errno == Errno::NOENT && exists(program));
        }
        let mut last = Errno::NOENT;
        let directories = || spawner.path.to_bytes().split(|byte| *byte == b':');
        for directory in directories() {
            let Some(path) = join(spawner.candidate, directory, name) else {
                continue;
            };
            match try_path(path) {
                Errno::ACCES => last = Errno::ACCES,
                Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::STALE => (),
                other => {
                    last = other;
                    break;
                }
            }
        }
        let found = |dir| join(spawner.candidate, dir, name).is_some_and(exists);
        let there = last == Errno::NOENT && directories().any(found);
        fault(last, there)
    }
}

/// execve(2) with the words of `argv` from 1 on; a script without `#!` goes to the shell, which
/// is what the place 0 is for.
fn exec_path(
    path: &CStr,
    argv: &mut [*const c_char],
    envp: *const *const c_char,
    shell_fallback: bool,
) -> Errno {
    // SAFETY: strings of the plan and our own, arrays with a null pointer at their end.
    let errno = unsafe { raw::execve(path.as_ptr(), argv[1..].as_ptr(), envp) };
    if errno != Errno::NOEXEC || !shell_fallback {
        return errno;
    }
    let name = argv[1];
    argv[0] = SHELL.as_ptr();
    argv[1] = path.as_ptr();
    // SAFETY: as above.
    let errno = unsafe { raw::execve(SHELL.as_ptr(), argv.as_ptr(), envp) };
    argv[1] = name;
    errno
}

/// `directory/name` in `buffer`; an empty directory is the current one.
fn join<'b>(buffer: &'b mut [u8], directory: &[u8], name_with_nul: &[u8]) -> Option<&'b CStr> {
    let mut len = directory.len();
    buffer.get_mut(..len)?.copy_from_slice(directory);
    if len > 0 {
        *buffer.get_mut(len)? = b'/';
        len += 1;
    }
    let end = len + name_with_nul.len();
    buffer.get_mut(len..end)?.copy_from_slice(name_with_nul);
    CStr::from_bytes_with_nul(&buffer[..end]).ok()
}

fn exists(path: &CStr) -> bool {
    access(path, Access::EXISTS).is_ok()
}

fn fault(errno: Errno, there: bool) -> StartFault {
    StartFault {
        step: if there { Step::Interpreter } else { Step::Exec },
        errno,
    }
}
