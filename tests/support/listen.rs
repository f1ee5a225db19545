//! Answers system calls in the kernel's place: seccomp_unotify(2).
//!
//! A program exec'ed by `probe listened`, and every process that it starts, waits at each system call until a
//! thread of ours has decided whether the kernel carries it out or it fails with an error of our choice. This
//! takes no tracer, so the program is waited for and signalled as usual, and notices nothing.

use std::collections::HashSet;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::process::Proc;

/// A system call of the program, or of a child of it that has not exec'ed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub number: libc::c_long,
    pub args: [u64; 6],
    /// Whether it is such a child's.
    pub child: bool,
    /// The process that makes it.
    pub pid: i32,
}

impl Call {
    /// What the descriptor in this argument refers to; empty if it is none.
    pub fn file(&self, argument: usize) -> String {
        let fd = self.args[argument] as i32;
        let link = std::fs::read_link(format!("/proc/{}/fd/{fd}", self.pid));
        link.map(|path| path.display().to_string())
            .unwrap_or_default()
    }
}

/// Decides on a call: an errno, or `None` to let the kernel carry it out.
type Decide = Box<dyn FnMut(&Call) -> Option<i32> + Send>;

/// Answers the system calls of a program and its descendants for as long as there are any.
pub struct Listener {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Listener {
    /// Listens to a program that `probe listened` is about to exec; `None` where the kernel does not allow it
    /// or another listener is there already.
    #[track_caller]
    pub fn to(
        program: &Proc,
        executable: &Path,
        decide: impl FnMut(&Call) -> Option<i32> + Send + 'static,
    ) -> Option<Listener> {
        let calls = Arc::default();
        let mut responder = Responder {
            fd: take_listener(program)?,
            program: program.pid(),
            executable: executable.canonicalize().expect("the program is there"),
            strangers: HashSet::new(),
            calls: Arc::clone(&calls),
            decide: Box::new(decide),
        };
        // It ends with the last process that is listened to.
        std::thread::spawn(move || while responder.answer() {});
        Some(Listener { calls })
    }

    /// All system calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The thread's side.
struct Responder {
    fd: OwnedFd,
    program: i32,
    executable: PathBuf,
    /// Processes that run something else.
    strangers: HashSet<u32>,
    calls: Arc<Mutex<Vec<Call>>>,
    decide: Decide,
}

impl Responder {
    /// Answers one call. False when no process is left.
    fn answer(&mut self) -> bool {
        let fd = self.fd.as_raw_fd();
        let mut ready = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure; the kernel wants the notification to be zeroes, and fills it.
        let asked = unsafe {
            libc::poll(&raw mut ready, 1, -1);
            if ready.revents & libc::POLLIN == 0 {
                return ready.revents == 0;
            }
            let mut asked: libc::seccomp_notif = std::mem::zeroed();
            if libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) != 0 {
                // The process was killed meanwhile.
                return true;
            }
            asked
        };
        let error = self.decide(&asked);
        let go_on = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        let mut answer = libc::seccomp_notif_resp {
            id: asked.id,
            val: 0,
            error: error.map_or(0, |errno| -errno),
            flags: if error.is_none() { go_on } else { 0 },
        };
        // SAFETY: the kernel reads the structure.
        unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
        true
    }

    fn decide(&mut self, asked: &libc::seccomp_notif) -> Option<i32> {
        if self.strangers.contains(&asked.pid) {
            return None;
        }
        let runs = std::fs::read_link(format!("/proc/{}/exe", asked.pid)).ok()?;
        let pid = asked.pid as i32;
        if runs != self.executable {
            if pid != self.program {
                self.strangers.insert(asked.pid);
            }
            return None;
        }
        let call = Call {
            number: asked.data.nr.into(),
            args: asked.data.args,
            child: pid != self.program,
            pid,
        };
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call);
        (self.decide)(&call)
    }
}

/// Takes the listener's descriptor from the program, which waits until that is done.
#[track_caller]
fn take_listener(program: &Proc) -> Option<OwnedFd> {
    let mut number = None;
    program.until("it is listened to, or cannot be", || {
        let mut fds = program.fds().into_iter();
        number = fds.find(|(_, what)| what == "anon_inode:seccomp notify");
        number.is_some() || program.try_wait().is_some()
    });
    let (number, _) = number?;
    // SAFETY: the process is a child of ours that has not been reaped; the new descriptors are ours alone.
    unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, program.pid(), 0) as i32;
        if process < 0 {
            return None;
        }
        let process = OwnedFd::from_raw_fd(process);
        let listener = libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) as i32;
        (listener >= 0).then(|| OwnedFd::from_raw_fd(listener))
    }
}
