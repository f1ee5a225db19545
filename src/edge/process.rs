//! Our own process: its number, its parent, and whether orphans come to it; and which process descends from
//! which.

use linux_raw_sys::general::RLIMIT_NOFILE;

use super::{files, raw};
use pidlet::plan::{Key, Plan, Spec};
use pidlet::text;
use pidlet::words::Pid;
use pidlet::words::line::Line;
use pidlet::words::signal::Signal;
use pidlet::words::text::{self, take};

/// How far up the process tree is followed: a loop made of reused numbers must end, and a tree that is deep
/// on purpose must not keep us.
pub const DEPTH_MAX: u32 = 100;

/// Our own process.
pub struct OwnProcess {
    /// Our number.
    pub pid: Pid,
    /// Our parent's at the start; 0 if it is outside our PID namespace.
    parent: Pid,
    /// SIGCHLD was ignored when we were started.
    pub chld_ignored: bool,
}

impl OwnProcess {
    /// Process `pid`, with SIGCHLD set to the default, so that children become zombies that we can wait for:
    /// if we inherited "ignore" the kernel would reap them, and we would wait for ever.
    pub fn new(pid: Pid) -> OwnProcess {
        OwnProcess {
            pid,
            parent: 0,
            chld_ignored: raw::set_ignored(Signal::CHLD, false),
        }
    }

    /// Whether we are PID 1 of our namespace.
    pub fn init(&self) -> bool {
        self.pid == 1
    }

    /// Makes orphans come to us, if the plan wants that. False if they will not.
    pub fn adopt(&self, plan: &Plan) -> bool {
        if self.init() {
            return true;
        }
        if plan.subreaper {
            return raw::become_subreaper();
        }
        // A subreaper stays one across execve(2), so we may have been one from the start.
        match plan.style {
            pidlet::plan::Style::DumbInit => true,
            _ => raw::is_subreaper(),
        }
    }

    /// Has the kernel send us this signal when our parent dies; if it just has, we send it ourselves.
    pub fn watch_parent(&mut self, signal: Signal) {
        self.parent = raw::parent();
        raw::set_parent_death(signal);
        if raw::parent() != self.parent {
            let _ = raw::kill(self.pid as i32, signal);
        }
    }

    /// Whether our parent is another one than at the start. One outside our PID namespace is always 0: then
    /// we believe the signal.
    pub fn parent_died(&self) -> bool {
        self.parent == 0 || raw::parent() != self.parent
    }
}

/// How many descriptors we need whatever the plan says.
const FILES_MIN: u64 = 64;

/// Raises our limit on descriptors to what we need anyway and `more`, as far as we may. Returns the limit
/// that our children are to get back, if it had to be raised; otherwise zeroes.
pub fn raise_file_limit(more: usize) -> [u64; 2] {
    if more == 0 {
        return [0; 2];
    }
    let [soft, hard] = raw::limit(RLIMIT_NOFILE);
    let wanted = FILES_MIN.saturating_add(more as u64);
    if soft >= wanted {
        return [0; 2];
    }
    // Where the plan wants more than there are, some are left for a look at `/proc`.
    set_file_limit([wanted.min(hard - hard / 16), hard]);
    [soft, hard]
}

/// Lets us have every descriptor that we may have, the spare ones included.
#[inline(never)]
pub fn lift_file_limit() {
    let [_, hard] = raw::limit(RLIMIT_NOFILE);
    set_file_limit([hard, hard]);
}

/// Sets that limit. If that fails, descriptors run out later, which is reported then.
pub fn set_file_limit(limit: [u64; 2]) {
    _ = raw::set_limit(RLIMIT_NOFILE, limit);
}

/// Whether this holds for a process, or for one that it descends from.
pub fn self_or_ancestor(pid: Pid, is: &mut dyn FnMut(Pid) -> bool) -> bool {
    let mut pid = pid;
    for _ in 0..DEPTH_MAX {
        if is(pid) {
            return true;
        }
        pid = parent_of(pid);
        if pid == 0 {
            break;
        }
    }
    false
}

/// The user that a service is started as.
pub fn user_of(spec: Spec) -> u32 {
    match spec.get(Key::User) {
        Some(pair) => (pair.number >> 32) as u32,
        None => raw::own_user().0,
    }
}

/// Whether `/proc` shows our own PID namespace, and not the one that it was mounted in.
#[inline(never)]
pub fn is_own_proc(own: Pid) -> bool {
    text::number(raw::read_link(c"/proc/self", &mut [0; 32])) == Some(own.into())
}

/// Whether a user may declare a process to be a service: only root and the process's own user may, since we
/// will stop it with our privileges. If nothing is known of it, the answer is `if_unknown`.
#[inline(never)]
pub fn may_claim(user: u32, pid: Pid, if_unknown: bool) -> bool {
    let mut path = Line::new();
    path.put(text!("/proc/")).put_number(pid.into()).push(0);
    let about = raw::status(raw::CWD, text::string(path.text()), 0);
    user == 0
        || about.st_uid == user
        || if_unknown && (about.st_mode == 0 || !is_own_proc(raw::own_pid()))
}

/// The parent of a process, from `/proc/PID/stat` (proc_pid_stat(5)); 0 if there is no such process.
#[inline(never)]
pub fn parent_of(pid: Pid) -> Pid {
    let mut path = Line::new();
    path.put(text!("/proc/"))
        .put_number(pid.into())
        .put(text!("/stat"))
        .push(0);
    let mut buffer = [0; 256];
    let text = files::read(text::string(path.text()), &mut buffer);
    // The name in parentheses may hold anything, further parentheses included. The state is next.
    let mut rest = text;
    let mut behind = text;
    while !rest.is_empty() {
        take(&mut rest, b')');
        if !rest.is_empty() {
            behind = rest;
        }
    }
    take(&mut behind, b' ');
    take(&mut behind, b' ');
    text::number(take(&mut behind, b' ')).unwrap_or(0) as Pid
}
