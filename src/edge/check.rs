//! Checks of readiness and health, one at a time for each service. None of them waits for anything but a file
//! system that does not answer.
//!
//! A connection is advanced as far as it goes, and goes on when its descriptor is ready. The result of a
//! check is collected with [`Checks::fetch`], since it may be known at once, while the supervisor's actions
//! are still being carried out. How long a check may take is up to the supervisor.

use core::ffi::{CStr, c_int};
use core::mem::replace;

use linux_raw_sys::errno::{EALREADY, EINPROGRESS, EISCONN, EPROTOTYPE};
use linux_raw_sys::net;
use rustix::event::epoll::EventFlags;
use rustix::io::IoSlice;

use super::address::Name;
use super::reactor::{FdKind, NONE, Reactor, Token, move_above_stdio};
use super::{arena, files, raw};
use pidlet::http;
use pidlet::plan::{Key, NO_SERVICE, Place, Plan, Probe};
use pidlet::supervise::{Event, Finding};
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::exit::Status;
use pidlet::words::text;

/// What [`read`] returns if nothing more will come, and if nothing has come yet.
const END: isize = 0;
const NOT_YET: isize = -1;

/// What is known of a service's check.
#[derive(Clone, Copy)]
struct Check {
    /// What was found and not fetched yet.
    finding: Option<Finding>,
    /// The connection, or [`NONE`].
    fd: c_int,
    /// The pipe on which a newline says that the service is ready, or [`NONE`].
    pipe: c_int,
    /// The process that checks, or 0.
    pid: Pid,
    /// The next one in the chain of those that may have a finding.
    next: Place,
    /// It is in that chain.
    chained: bool,
    /// How much of an answer has come; [`CONNECTING`] before that.
    progress: u8,
}

/// In place of a length: the connection is not established yet.
const CONNECTING: u8 = u8::MAX;

/// In place of a length: the result is known. From here on it counts how often more has come.
const ANSWERED: u8 = http::STATUS_BYTES as u8;

/// How many times in a row the rest of an answer is read: after 32 KiB we hang up.
const DRAIN_READS: u32 = 64;

/// All checks in progress.
pub struct Checks {
    /// One for each service, if any is checked.
    checks: &'static mut [Check],
    /// Stands in for a service that has none.
    dummy: Check,
    /// The first one in the chain of those that may have a finding.
    chain: Place,
    /// How many of them have a process.
    processes: u32,
}

impl Checks {
    /// Takes all memory that checking will need.
    pub fn new(plan: &Plan) -> Checks {
        let mut count = 0;
        for service in &*plan.services {
            for pair in service.spec.0 {
                if let Key::Ready | Key::Health | Key::Pidfile = pair.key {
                    count = plan.services.len();
                }
            }
        }
        Checks {
            checks: arena::array(Check::NONE, count),
            dummy: Check::NONE,
            chain: NO_SERVICE,
            processes: 0,
        }
    }

    /// The most descriptors that all this may need: a connection and a pipe for each service.
    pub fn needed(&self) -> usize {
        self.checks.len().wrapping_mul(2)
    }

    fn at(&mut self, place: Place) -> &mut Check {
        match self.checks.get_mut(usize::from(place)) {
            Some(check) => check,
            None => &mut self.dummy,
        }
    }

    /// Begins a check that needs no process, of a service that has no other one in progress. Its connection
    /// is watched with [`FdKind::Check`].
    pub fn begin(&mut self, place: Place, probe: &Probe, reactor: &mut Reactor) {
        let finding = match probe {
            Probe::File(path) => Some(good(raw::why_missing(path))),
            _ => self.connect(place, probe, reactor),
        };
        self.found(place, finding);
    }

    fn connect(&mut self, place: Place, probe: &Probe, reactor: &mut Reactor) -> Option<Finding> {
        let check = self.at(place);
        close(&mut check.fd);
        check.progress = CONNECTING;
        let finding = check.advance(probe);
        if finding.is_some() {
            return finding;
        }
        // Edge-triggered, so that a socket with room to write does not wake us for ever.
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        let watched = reactor.watch(check.fd, Token(FdKind::Check, place.into()), flags);
        (!watched).then_some(Finding::Bad(reactor.fault))
    }

    /// The connection of a service's [`FdKind::Check`] is ready, or an earlier one of that service was.
    pub fn woken(&mut self, place: Place, probe: Option<Probe>) {
        let check = self.at(place);
        if (ANSWERED..CONNECTING).contains(&check.progress) {
            check.drain();
        } else if let (Some(probe), true) = (probe, check.fd != NONE) {
            let finding = check.advance(&probe);
            self.found(place, finding);
        }
    }

    /// A process checks this service: exit code 0 is good. If the check is given up the process must be
    /// killed with its group.
    pub fn started(&mut self, place: Place, pid: Pid) {
        self.at(place).pid = pid;
        self.processes += 1;
    }

    /// Whether no process of a check runs.
    pub fn none_running(&self) -> bool {
        self.processes == 0
    }

    /// The service that this process checks, if any.
    pub fn checked_by(&self, pid: Pid) -> Option<Place> {
        let place = self.checks.iter().position(|check| check.pid == pid)?;
        Some(place as Place)
    }

    /// A child ended. Returns whether it was one that checks.
    pub fn ended(&mut self, pid: Pid, status: Status) -> bool {
        if self.none_running() {
            return false;
        }
        // Searching will do: no service's own process comes here, and orphans are rare where checks run.
        let Some(place) = self.checked_by(pid) else {
            return false;
        };
        self.give_up(place);
        self.found(
            place,
            Some(match status.code() {
                0 => Finding::Good,
                code => Finding::Bad(Errno::foreign(code.into())),
            }),
        );
        true
    }

    /// Gives up the check of this service. Returns its process, if it has one, which must be killed with its
    /// whole group, and whose end is no finding any more.
    pub fn give_up(&mut self, place: Place) -> Option<Pid> {
        let check = self.at(place);
        close(&mut check.fd);
        check.finding = None;
        let pid = core::mem::take(&mut check.pid);
        if pid == 0 {
            return None;
        }
        self.processes -= 1;
        Some(pid)
    }

    /// Notes what was found out about a service, if anything; that ends the check.
    #[inline(never)]
    pub fn found(&mut self, place: Place, finding: Option<Finding>) {
        let before = self.chain;
        let check = self.at(place);
        if finding.is_some() {
            // A server that was asked may finish its answer, even if we know enough.
            match replace(&mut check.progress, ANSWERED) {
                CONNECTING => close(&mut check.fd),
                _ => check.drain(),
            }
            check.finding = finding;
            if !check.chained {
                check.chained = true;
                check.next = before;
                self.chain = place;
            }
        }
    }

    /// Returns a finding, each only once; to be called until there is none.
    pub fn fetch(&mut self) -> Option<Event> {
        loop {
            let place = self.chain;
            let check = self.checks.get_mut(usize::from(place))?;
            self.chain = check.next;
            check.chained = false;
            if let Some(finding) = check.finding.take() {
                return Some(Event::Checked(place, finding));
            }
        }
    }

    /// Makes the pipe on which a service says that it is ready, anew for each start. Returns the write end,
    /// which is the service's, to be closed here once that is started; or [`NONE`]. Ours is watched with
    /// [`FdKind::ReadyPipe`].
    pub fn pipe(&mut self, place: Place, reactor: &mut Reactor) -> c_int {
        let mut ends = [NONE; 2];
        let check = self.at(place);
        close(&mut check.pipe);
        if !reactor.note(raw::pipe(&mut ends)) {
            return NONE;
        }
        let [read, write] = [reactor.own(ends[0]), reactor.own(ends[1])];
        // The service's writes may block; our reads never do.
        raw::set_flags(write, 0);
        check.pipe = read;
        reactor.watch(read, Token(FdKind::ReadyPipe, place.into()), EventFlags::IN);
        write
    }

    /// From now on nothing is heard on those pipes: one that has hung up would wake us again and again.
    pub fn close_pipes(&mut self) {
        for check in &mut *self.checks {
            close(&mut check.pipe);
        }
    }

    /// The pipe of a service's [`FdKind::ReadyPipe`] is ready, or an earlier one of that service was. Returns
    /// whether the service says that it is ready: everything before the newline is ignored, and end-of-file
    /// without one means that it never will.
    #[inline(never)]
    pub fn read_pipe(&mut self, place: Place) -> bool {
        let check = self.at(place);
        // Readiness takes a few bytes; a service that writes more must not keep us long.
        let mut bytes = [0; 512];
        let len = read(check.pipe, &mut bytes);
        let ready = !bytes.iter().all(|byte| *byte != b'\n');
        if ready || len == END {
            close(&mut check.pipe);
        }
        ready
    }
}

impl Check {
    const NONE: Check = Check {
        finding: None,
        fd: NONE,
        pipe: NONE,
        pid: 0,
        next: NO_SERVICE,
        chained: false,
        progress: 0,
    };

    /// Advances a connection as far as it goes. Returns what was found, if that ends the check.
    #[inline(never)]
    fn advance(&mut self, probe: &Probe) -> Option<Finding> {
        if self.progress == CONNECTING {
            let mut name = Name::new();
            match probe {
                Probe::Tcp(address) | Probe::Http { address, .. } => name.internet(address),
                Probe::Unix(path) => name.unix(path.to_bytes()),
                _ => (),
            }
            if self.fd == NONE {
                let fd = raw::socket(name.family.into(), net::SOCK_STREAM);
                let fd = move_above_stdio(fd);
                if fd < 0 {
                    return Some(Finding::Bad(raw::errno(fd as isize)));
                }
                self.fd = fd;
                if let Probe::Unix(_) = probe {
                    // A server could send us descriptors, which may take long to close.
                    raw::shutdown_receive(self.fd);
                }
            }
            // A second call returns the result of the first. A Unix socket whose queue is full says AGAIN.
            if let Err(errno) = raw::connect(self.fd, &name) {
                match errno.0.into() {
                    // A datagram socket such as `/dev/log` takes no connections, but it is there.
                    EISCONN | EPROTOTYPE => (),
                    EINPROGRESS | EALREADY => return None,
                    _ => return Some(Finding::Bad(errno)),
                }
            }
            match *probe {
                Probe::Http { host, path, .. } => self.ask(host, path),
                Probe::Tcp(address) if is_own_port(self.fd, address.port) => {
                    return Some(Finding::Bad(Errno::CONNREFUSED));
                }
                _ => return Some(Finding::Good),
            }
        }
        let mut answer = [0; http::STATUS_BYTES];
        while let place @ [_, ..] = answer.get_mut(self.progress.into()..).unwrap_or(&mut []) {
            let len = read(self.fd, place);
            if len == NOT_YET {
                return None;
            }
            let begin = usize::from(self.progress);
            let good = |at| answer.get(at).is_some_and(|byte| http::is_good(at, *byte));
            if len == END || !(begin..begin + len as usize).all(good) {
                return Some(Finding::Bad(http::fault(&answer)));
            }
            self.progress += len as u8;
        }
        Some(Finding::Good)
    }

    /// Reads the rest of an answer: a connection that is closed before that is reset, and many servers
    /// complain. A server that falls silent without ending it keeps its connection until the next check.
    #[inline(never)]
    fn drain(&mut self) {
        let mut buffer = [0; 512];
        for _ in 0..DRAIN_READS {
            match raw::read(self.fd, &mut buffer) {
                1.. => (),
                error if raw::errno(error) == Errno::AGAIN && self.progress < CONNECTING - 1 => {
                    self.progress += 1;
                    return;
                }
                _ => break,
            }
        }
        close(&mut self.fd);
    }

    fn ask(&mut self, host: &[u8], path: &[u8]) {
        self.progress = 0;
        // Errors need no check: a socket that has sent nothing has room, and after a reset no answer comes.
        raw::send(
            self.fd,
            &[
                IoSlice::new(b"GET "),
                IoSlice::new(path),
                IoSlice::new(b" HTTP/1.1\r\nHost: "),
                IoSlice::new(host),
                IoSlice::new(b"\r\nUser-Agent: pidlet\r\nConnection: close\r\n\r\n"),
            ],
        );
    }
}

/// Reads what there is. Returns how much that was, [`END`] or [`NOT_YET`].
#[inline(never)]
fn read(fd: c_int, place: &mut [u8]) -> isize {
    if fd == NONE {
        return NOT_YET;
    }
    match raw::read(fd, place) {
        len @ 1.. => len,
        error if raw::errno(error) == Errno::AGAIN => NOT_YET,
        _ => END,
    }
}

/// Closes a descriptor, if there is one, which also ends its watch.
#[inline(never)]
pub fn close(fd: &mut c_int) {
    if *fd != NONE {
        raw::close(*fd as usize);
        *fd = NONE;
    }
}

fn good(errno: Errno) -> Finding {
    match errno {
        Errno(0) => Finding::Good,
        errno => Finding::Bad(errno),
    }
}

/// Whether a connection also comes from this port: if nothing listens on an ephemeral port, the kernel may
/// choose it for our own end, and we are connected to ourselves.
fn is_own_port(fd: c_int, port: u16) -> bool {
    let mut name = [0; 4];
    raw::own_address(fd, &mut name);
    name[2..] == port.to_be_bytes()
}

/// The process that a daemon's pid file names, or 0.
#[inline(never)]
pub fn pid_file(path: &CStr) -> Pid {
    // Some daemons pad the number with spaces: Postfix to 32 characters.
    let mut buffer = [0; 64];
    let mut text = text::trim_start(files::read(path, &mut buffer));
    match (text::leading_number(&mut text), text) {
        (Some(pid @ ..=0x7fff_ffff), [] | [b'\0'..=b' ', ..]) => pid as Pid,
        _ => 0,
    }
}
