//! Checks of readiness and health, one at a time for each service, and none of them ever waits.
//!
//! A connection is made and asked as far as it goes, and goes on when its descriptor is ready. What
//! comes of a check is fetched with [`Checks::fetch`], whenever it became known: it may be at once,
//! in the midst of what the supervisor wants done. How long a check may take is the supervisor's
//! business.

use core::ffi::{CStr, c_int};

use linux_raw_sys::errno::{EALREADY, EINPROGRESS, EISCONN};
use linux_raw_sys::general::{WEXITED, WNOWAIT};
use linux_raw_sys::net;
use rustix::event::epoll::EventFlags;
use rustix::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use rustix::fs::{Access, OFlags, access};
use rustix::io::IoSlice;
use rustix::pipe::{PipeFlags, pipe_with};

use super::address::Name;
use super::reactor::{NONE, Reactor, Token, away_from_the_three};
use super::{arena, files, raw};
use pidlet::http;
use pidlet::plan::{Key, NOBODY, Place, Plan, Probe, Type};
use pidlet::supervise::Finding;
use pidlet::words::Pid;
use pidlet::words::exit::Status;
use pidlet::words::text;

/// A newline, as [`byte`] returns it.
const NEWLINE: i32 = b'\n' as i32;
/// What [`byte`] returns where there is no further byte, and where there is none yet.
const END: i32 = -1;
const NOT_YET: i32 = -2;

/// What is known of one service's check.
#[derive(Clone, Copy)]
struct Check {
    /// What was found and not fetched yet.
    finding: Option<Finding>,
    /// The connection, or [`NONE`].
    fd: c_int,
    /// Where a newline says that the service is ready, or [`NONE`].
    pipe: c_int,
    /// The process that checks, or 0.
    pid: Pid,
    /// The next one in the chain of those that may have a finding.
    next: Place,
    /// It is in that chain.
    chained: bool,
    /// How much of an answer has come; [`CONNECTING`] before that.
    seen: u8,
}

/// In the place of a length: the connection is not there yet.
const CONNECTING: u8 = u8::MAX;

/// All checks that go on.
pub struct Checks {
    /// One for each service, if there is anything to check of any.
    checks: &'static mut [Check],
    /// The first one in the chain of those that may have a finding.
    found: Place,
    /// How many have a process.
    processes: u32,
}

impl Checks {
    /// Takes all memory that checking will need; none if the plan checks nothing.
    pub fn new(plan: &Plan) -> Checks {
        let any = plan.services.iter().any(|service| {
            let spec = service.spec;
            spec.has(Key::Ready) || spec.has(Key::Health) || spec.kind() == Type::Daemon
        });
        let count = if any { plan.services.len() } else { 0 };
        Checks {
            checks: arena::array(Check::NONE, count),
            found: NOBODY,
            processes: 0,
        }
    }

    /// Begins a check of a service, which has no other one: one that needs no process. Its
    /// connection is watched with [`Token::Check`].
    pub fn begin(&mut self, place: Place, probe: &Probe, reactor: &mut Reactor) {
        let finding = match probe {
            Probe::File(path) => Some(good(access(*path, Access::EXISTS).is_ok())),
            _ => self.connect(place, probe, reactor),
        };
        self.found(place, finding);
    }

    fn connect(&mut self, place: Place, probe: &Probe, reactor: &mut Reactor) -> Option<Finding> {
        let check = self.checks.get_mut(usize::from(place))?;
        check.seen = CONNECTING;
        let finding = check.advance(probe);
        if finding.is_some() {
            return finding;
        }
        // Each change is told once, so that the room to write does not wake us for ever.
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        // SAFETY: the connection is open.
        let fd = unsafe { BorrowedFd::borrow_raw(check.fd) };
        let watched = reactor.watch(fd, Token::Check(place.into()), flags);
        (!watched).then_some(Finding::Bad)
    }

    /// The connection of a service's [`Token::Check`] is ready. It may be an old one's.
    pub fn woken(&mut self, place: Place, probe: &Probe) {
        let check = self.checks.get_mut(usize::from(place));
        let finding = match check {
            Some(check) if check.fd != NONE => check.advance(probe),
            _ => None,
        };
        self.found(place, finding);
    }

    /// A process checks this service: its end with code 0 is good. If the check is given up it must
    /// be killed with its process group.
    pub fn started(&mut self, place: Place, pid: Pid) {
        if let Some(check) = self.checks.get_mut(usize::from(place)) {
            check.pid = pid;
            self.processes += 1;
        }
    }

    /// A child ended. Whether it was one that checks.
    pub fn ended(&mut self, pid: Pid, status: Status) -> bool {
        if self.processes == 0 {
            return false;
        }
        // No service's own process comes here, and orphans are rare where such checks run.
        let Some(place) = self.checks.iter().position(|check| check.pid == pid) else {
            return false;
        };
        self.give_up(place as Place);
        self.found(place as Place, Some(good(status == Status::Exited(0))));
        true
    }

    /// The check of this service is of no interest any more. Its process, if it has one, is to be
    /// killed with its whole group; nobody hears of its end.
    pub fn give_up(&mut self, place: Place) -> Option<Pid> {
        let check = self.checks.get_mut(usize::from(place))?;
        close(&mut check.fd);
        check.finding = None;
        let pid = core::mem::take(&mut check.pid);
        if pid == 0 {
            return None;
        }
        self.processes -= 1;
        Some(pid)
    }

    /// What was found out of a service, if anything; that is the end of the check.
    #[inline(never)]
    pub fn found(&mut self, place: Place, finding: Option<Finding>) {
        let check = self.checks.get_mut(usize::from(place));
        if let (Some(check), Some(_)) = (check, finding) {
            close(&mut check.fd);
            check.finding = finding;
            if !check.chained {
                check.chained = true;
                check.next = core::mem::replace(&mut self.found, place);
            }
        }
    }

    /// Something that was found out, and of which service; again and again until there is nothing.
    pub fn fetch(&mut self) -> Option<(Place, Finding)> {
        loop {
            let place = self.found;
            let check = self.checks.get_mut(usize::from(place))?;
            self.found = check.next;
            check.chained = false;
            if let Some(finding) = check.finding.take() {
                return Some((place, finding));
            }
        }
    }

    /// Makes the pipe on which a service says that it is ready, anew for each start. What is
    /// returned is the end to write to: the service's descriptor, and to be closed here once it is
    /// started. Ours is watched with [`Token::ReadyPipe`].
    pub fn pipe(&mut self, place: Place, reactor: &mut Reactor) -> Option<OwnedFd> {
        let check = self.checks.get_mut(usize::from(place))?;
        close(&mut check.pipe);
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // The service may wait when it writes; we never do when we read.
        _ = rustix::fs::fcntl_setfl(&write, OFlags::empty());
        check.pipe = away_from_the_three(read.into_raw_fd());
        let write = away_from_the_three(write.into_raw_fd());
        // SAFETY: the end to read from is open; the one to write to is open and ours alone.
        unsafe {
            let read = BorrowedFd::borrow_raw(check.pipe);
            reactor.watch(read, Token::ReadyPipe(place.into()), EventFlags::IN);
            Some(OwnedFd::from_raw_fd(write))
        }
    }

    /// The pipe of a service's [`Token::ReadyPipe`] is ready; it may be an old one's. Whether the
    /// service says that it is ready: everything before the newline is ignored, and an end without
    /// one means that it never will be.
    pub fn heard(&mut self, place: Place) -> bool {
        let Some(check) = self.checks.get_mut(usize::from(place)) else {
            return false;
        };
        let byte = byte(check.pipe);
        if byte == NEWLINE || byte == END {
            close(&mut check.pipe);
        }
        byte == NEWLINE
    }
}

impl Check {
    const NONE: Check = Check {
        finding: None,
        fd: NONE,
        pipe: NONE,
        pid: 0,
        next: NOBODY,
        chained: false,
        seen: 0,
    };

    /// Goes on with a connection as far as it goes. What was found, if that is the end of it.
    #[inline(never)]
    fn advance(&mut self, probe: &Probe) -> Option<Finding> {
        if self.seen == CONNECTING {
            let name = name(probe);
            if self.fd == NONE {
                let Ok(fd) = raw::socket(name.family(), net::SOCK_STREAM) else {
                    return Some(Finding::Bad);
                };
                self.fd = away_from_the_three(fd);
            }
            // The second call tells what came of the first. A socket whose queue is full is AGAIN.
            match raw::connect(self.fd, name.bytes()).map_err(|errno| u32::from(errno.0)) {
                Ok(()) | Err(EISCONN) => (),
                Err(EINPROGRESS | EALREADY) => return None,
                Err(_) => return Some(Finding::Bad),
            }
            match *probe {
                Probe::Http { host, path, .. } => self.ask(host, path),
                Probe::Tcp(address) => return Some(good(!is_own_port(self.fd, address.port))),
                _ => return Some(Finding::Good),
            }
        }
        loop {
            let place = usize::from(self.seen);
            if place == http::STATUS_BYTES {
                return Some(Finding::Good);
            }
            match byte(self.fd) {
                NOT_YET => return None,
                byte if http::is_good(place, byte) => self.seen += 1,
                _ => return Some(Finding::Bad),
            }
        }
    }

    fn ask(&mut self, host: &[u8], path: &[u8]) {
        self.seen = 0;
        // A socket that has sent nothing yet has room; who resets the connection gives no answer.
        raw::send(
            self.fd,
            b"",
            &[
                IoSlice::new(b"GET "),
                IoSlice::new(path),
                IoSlice::new(b" HTTP/1.0\r\nHost: "),
                IoSlice::new(host),
                IoSlice::new(b"\r\nUser-Agent: pidlet\r\nConnection: close\r\n\r\n"),
            ],
        );
    }
}

/// The next byte, [`END`] or [`NOT_YET`]. One at a time: those who say that they are ready do so in
/// a few.
#[inline(never)]
fn byte(fd: c_int) -> i32 {
    let mut byte = [0];
    if fd == NONE {
        return NOT_YET;
    }
    // SAFETY: whoever has a descriptor that is not `NONE` has it open.
    match rustix::io::read(unsafe { BorrowedFd::borrow_raw(fd) }, &mut byte) {
        Ok(1..) => byte[0].into(),
        Err(rustix::io::Errno::AGAIN) => NOT_YET,
        _ => END,
    }
}

/// Closes a descriptor, which ends its being watched, if there is one.
#[inline(never)]
fn close(fd: &mut c_int) {
    if *fd != NONE {
        raw::close(*fd as usize);
        *fd = NONE;
    }
}

fn good(is: bool) -> Finding {
    if is { Finding::Good } else { Finding::Bad }
}

/// The address of who is asked.
#[inline(never)]
fn name(probe: &Probe) -> Name {
    match probe {
        Probe::Tcp(address) | Probe::Http { address, .. } => Name::internet(address),
        Probe::Unix(path) => Name::unix(path.to_bytes()),
        _ => Name::unix(b""),
    }
}

/// Whether a connection comes from this port, too: where nobody listens on a port that the kernel
/// gives to clients, it may give it to us, and we are connected to ourselves.
fn is_own_port(fd: c_int, port: u16) -> bool {
    let mut name = [0; 4];
    raw::own_address(fd, &mut name);
    name[2..] == port.to_be_bytes()
}

/// What a daemon's pid file says. `is_other` knows the processes of services, which it cannot be.
pub fn pid_file(path: &CStr, is_other: &dyn Fn(Pid) -> bool) -> Finding {
    let mut buffer = [0; 32];
    let mut text = files::read(path, &mut buffer).unwrap_or(&[]);
    let pid = match (text::leading_number(&mut text), text) {
        (Some(pid @ 1..=0x7fff_ffff), [] | [b'\0'..=b' ', ..]) => pid as Pid,
        _ => return Finding::Bad,
    };
    match raw::waitid(pid, WEXITED | WNOWAIT) {
        // The launcher, or a daemon that has ended already.
        Some(child) if child.pid != 0 => Finding::Bad,
        Some(_) if !is_other(pid) => Finding::Main(pid),
        _ => Finding::Stranger,
    }
}
