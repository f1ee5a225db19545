//! Checks of readiness and health, one at a time for each service, and none of them ever waits.
//!
//! A connection is made and asked as far as it goes, and goes on when its descriptor is ready. What
//! comes of a check is fetched with [`Checks::fetch`], whenever it became known: it may be at once,
//! in the midst of what the supervisor wants done. How long a check may take is the supervisor's
//! business.

use core::ffi::{CStr, c_int};
use core::mem::replace;

use linux_raw_sys::errno::{EALREADY, EINPROGRESS, EISCONN, EPROTOTYPE};
use linux_raw_sys::net;
use rustix::event::epoll::EventFlags;
use rustix::io::IoSlice;

use super::address::Name;
use super::reactor::{NONE, Reactor, Token, Whose, away_from_the_three};
use super::{arena, files, raw};
use pidlet::http;
use pidlet::plan::{Key, NOBODY, Place, Plan, Probe};
use pidlet::supervise::{Event, Finding};
use pidlet::words::Pid;
use pidlet::words::errno::Errno;
use pidlet::words::exit::Status;
use pidlet::words::text;

/// What [`read`] returns where there is no further byte, and where there is none yet.
const END: isize = 0;
const NOT_YET: isize = -1;

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

/// In the place of a length: all that is to be known is. From here on it counts how often more has come.
const ANSWERED: u8 = http::STATUS_BYTES as u8;

/// How much of the rest of an answer is read at once: 32 KiB, then we lose patience.
const DRAIN_READS: u32 = 64;

/// All checks that go on.
pub struct Checks {
    /// One for each service, if any is checked.
    checks: &'static mut [Check],
    /// In the place of one that there is not.
    spare: Check,
    /// The first one in the chain of those that may have a finding.
    chain: Place,
    /// How many have a process.
    processes: u32,
}

impl Checks {
    /// Takes all memory that checking will need.
    pub fn new(plan: &Plan) -> Checks {
        let mut count = 0;
        for service in &*plan.services {
            for said in service.spec.0 {
                if let Key::Ready | Key::Health | Key::Pidfile = said.key {
                    count = plan.services.len();
                }
            }
        }
        Checks {
            checks: arena::array(Check::NONE, count),
            spare: Check::NONE,
            chain: NOBODY,
            processes: 0,
        }
    }

    fn at(&mut self, place: Place) -> &mut Check {
        match self.checks.get_mut(usize::from(place)) {
            Some(check) => check,
            None => &mut self.spare,
        }
    }

    /// Begins a check of a service, which has no other one: one that needs no process. Its
    /// connection is watched with [`Whose::Check`].
    pub fn begin(&mut self, place: Place, probe: &Probe, reactor: &mut Reactor) {
        let finding = match probe {
            Probe::File(path) => Some(good(raw::find(path))),
            _ => self.connect(place, probe, reactor),
        };
        self.found(place, finding);
    }

    fn connect(&mut self, place: Place, probe: &Probe, reactor: &mut Reactor) -> Option<Finding> {
        let check = self.at(place);
        close(&mut check.fd);
        check.seen = CONNECTING;
        let finding = check.advance(probe);
        if finding.is_some() {
            return finding;
        }
        // Each change is told once, so that the room to write does not wake us for ever.
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        let watched = reactor.watch(check.fd, Token(Whose::Check, place.into()), flags);
        (!watched).then_some(Finding::Bad(reactor.fault))
    }

    /// The connection of a service's [`Whose::Check`] is ready. It may be an old one's.
    pub fn woken(&mut self, place: Place, probe: Option<Probe>) {
        let check = self.at(place);
        if (ANSWERED..CONNECTING).contains(&check.seen) {
            check.drain();
        } else if let (Some(probe), true) = (probe, check.fd != NONE) {
            let finding = check.advance(&probe);
            self.found(place, finding);
        }
    }

    /// A process checks this service: its end with code 0 is good. If the check is given up it must
    /// be killed with its process group.
    pub fn started(&mut self, place: Place, pid: Pid) {
        self.at(place).pid = pid;
        self.processes += 1;
    }

    /// Whether no process of a check runs.
    pub fn run_none(&self) -> bool {
        self.processes == 0
    }

    /// The service that this process checks, if it does.
    pub fn checked_by(&self, pid: Pid) -> Option<Place> {
        let place = self.checks.iter().position(|check| check.pid == pid)?;
        Some(place as Place)
    }

    /// A child ended. Whether it was one that checks.
    pub fn ended(&mut self, pid: Pid, status: Status) -> bool {
        if self.run_none() {
            return false;
        }
        // No service's own process comes here, and orphans are rare where such checks run.
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

    /// The check of this service is of no interest any more. Its process, if it has one, is to be
    /// killed with its whole group; nobody hears of its end.
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

    /// What was found out of a service, if anything; that is the end of the check.
    #[inline(never)]
    pub fn found(&mut self, place: Place, finding: Option<Finding>) {
        let before = self.chain;
        let check = self.at(place);
        if finding.is_some() {
            // Whoever was asked and has begun to answer ends it, even if we know enough.
            match replace(&mut check.seen, ANSWERED) {
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

    /// What was found out of a service, once; again and again until there is nothing more.
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

    /// Makes the pipe on which a service says that it is ready, anew for each start. What is
    /// returned is the end to write to: the service's descriptor, and to be closed here once it is
    /// started; or [`NONE`]. Ours is watched with [`Whose::ReadyPipe`].
    pub fn pipe(&mut self, place: Place, reactor: &mut Reactor) -> c_int {
        let mut ends = [NONE; 2];
        let check = self.at(place);
        close(&mut check.pipe);
        if !reactor.note(raw::pipe(&mut ends)) {
            return NONE;
        }
        let [read, write] = [reactor.own(ends[0]), reactor.own(ends[1])];
        // The service may wait when it writes; we never do when we read.
        raw::set_flags(write, 0);
        check.pipe = read;
        reactor.watch(read, Token(Whose::ReadyPipe, place.into()), EventFlags::IN);
        write
    }

    /// The pipe of a service's [`Whose::ReadyPipe`] is ready; it may be an old one's. Whether the
    /// service says that it is ready: everything before the newline is ignored, and an end without
    /// one means that it never will be.
    #[inline(never)]
    pub fn heard(&mut self, place: Place) -> bool {
        let check = self.at(place);
        // Those who say that they are ready do so in a few bytes; who says more must not keep us long.
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
        next: NOBODY,
        chained: false,
        seen: 0,
    };

    /// Goes on with a connection as far as it goes. What was found, if that is the end of it.
    #[inline(never)]
    fn advance(&mut self, probe: &Probe) -> Option<Finding> {
        if self.seen == CONNECTING {
            let mut name = Name::new();
            match probe {
                Probe::Tcp(address) | Probe::Http { address, .. } => name.internet(address),
                Probe::Unix(path) => name.unix(path.to_bytes()),
                _ => (),
            }
            if self.fd == NONE {
                let fd = raw::socket(name.family.into(), net::SOCK_STREAM);
                let fd = away_from_the_three(fd);
                if fd < 0 {
                    return Some(Finding::Bad(raw::errno(fd as isize)));
                }
                self.fd = fd;
                if let Probe::Unix(_) = probe {
                    // A server could send us descriptors, which may take long to close.
                    raw::take_nothing(self.fd);
                }
            }
            // The second call tells what came of the first. A socket whose queue is full is AGAIN.
            if let Err(errno) = raw::connect(self.fd, &name) {
                match errno.0.into() {
                    // Whose socket takes no connections, as `/dev/log` does not, has one all the same.
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
        while let place @ [_, ..] = answer.get_mut(self.seen.into()..).unwrap_or(&mut []) {
            let len = read(self.fd, place);
            if len == NOT_YET {
                return None;
            }
            let begin = usize::from(self.seen);
            let good = |at| answer.get(at).is_some_and(|byte| http::is_good(at, *byte));
            if len == END || !(begin..begin + len as usize).all(good) {
                return Some(Finding::Bad(http::fault(&answer)));
            }
            self.seen += len as u8;
        }
        Some(Finding::Good)
    }

    /// Reads the rest of an answer: a connection that is closed before that is reset, and many a
    /// server complains. One that never ends it, and is silent, keeps its connection until the next check.
    #[inline(never)]
    fn drain(&mut self) {
        let mut buffer = [0; 512];
        for _ in 0..DRAIN_READS {
            match raw::read(self.fd, &mut buffer) {
                1.. => (),
                error if raw::errno(error) == Errno::AGAIN && self.seen < CONNECTING - 1 => {
                    self.seen += 1;
                    return;
                }
                _ => break,
            }
        }
        close(&mut self.fd);
    }

    fn ask(&mut self, host: &[u8], path: &[u8]) {
        self.seen = 0;
        // A socket that has sent nothing yet has room; who resets the connection gives no answer.
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

/// Reads what there is: how much that is, [`END`] or [`NOT_YET`].
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

/// Closes a descriptor, which ends its being watched, if there is one.
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

/// Whether a connection comes from this port, too: where nobody listens on a port that the kernel
/// gives to clients, it may give it to us, and we are connected to ourselves.
fn is_own_port(fd: c_int, port: u16) -> bool {
    let mut name = [0; 4];
    raw::own_address(fd, &mut name);
    name[2..] == port.to_be_bytes()
}

/// The process that a daemon's pid file names, or 0.
#[inline(never)]
pub fn pid_file(path: &CStr) -> Pid {
    // Some fill their number up with spaces: Postfix to 32 characters.
    let mut buffer = [0; 64];
    let mut text = text::trim_start(files::read(path, &mut buffer));
    match (text::leading_number(&mut text), text) {
        (Some(pid @ ..=0x7fff_ffff), [] | [b'\0'..=b' ', ..]) => pid as Pid,
        _ => 0,
    }
}
