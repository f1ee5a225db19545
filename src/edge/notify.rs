//! The socket of sd_notify(3): what services say to us, and what we say to whoever watches us.
//!
//! Ours has a name in the abstract namespace, which the kernel chooses: it needs no writable path,
//! and works as any user. Who speaks is what the kernel says, not the message.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;

use linux_raw_sys::net;
use rustix::event::epoll::EventFlags;
use rustix::io::IoSlice;

use super::address::Name;
use super::entry::Start;
use super::reactor::{NONE, NOTIFY, Reactor, Token, away_from_the_three};
use super::{arena, process, raw};
use pidlet::plan::{NOBODY, Place};
use pidlet::supervise::Supervisor;
use pidlet::words::Pid;

/// The longest message; the rest of a longer one is cut off.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// What is in front of the name that the kernel chose.
const VARIABLE: &[u8] = b"NOTIFY_SOCKET=@";

/// Both directions.
pub struct Notify {
    /// Our socket, or [`NONE`].
    fd: c_int,
}

impl Notify {
    /// Nothing is opened yet.
    pub fn new() -> Notify {
        Notify { fd: NONE }
    }

    /// Opens our socket, and has the reactor watch it with [`Token::Own`]. What is returned is
    /// the variable for those who shall speak to us, `NOTIFY_SOCKET=@NAME`, for as long as we live;
    /// nothing where there is no socket to be had.
    pub fn open(&mut self, reactor: &mut Reactor) -> &'static CStr {
        let fd = away_from_the_three(raw::socket(net::AF_UNIX, net::SOCK_DGRAM));
        raw::pass_credentials(fd);
        // With no name at all the kernel makes one: the family, a NUL and five hexadecimal digits.
        let mut name = Name::new();
        name.unix(b"");
        if raw::bind(fd, &name).is_err() {
            return c"";
        }
        let variable = arena::bytes(VARIABLE.len() + 6);
        let (begin, end) = variable.split_at_mut(VARIABLE.len() - 3);
        raw::own_address(fd, end);
        begin.copy_from_slice(&VARIABLE[..VARIABLE.len() - 3]);
        end[..3].copy_from_slice(&VARIABLE[VARIABLE.len() - 3..]);
        if reactor.watch(fd, Token::Own(NOTIFY), EventFlags::IN) {
            self.fd = fd;
        }
        // SAFETY: the digits leave the last byte what it was.
        unsafe { CStr::from_ptr(variable.as_ptr().cast()) }
    }

    /// The next message that is there, and the process that sent it. 0 is one outside of our PID
    /// namespace.
    ///
    /// Descriptors that came with it are closed by the kernel, which has no room to tell us of any:
    /// this is all that `BARRIER=1` waits for, since every message before it has been handled.
    pub fn receive<'b>(
        &self,
        buffer: &'b mut [MaybeUninit<u8>; MESSAGE_BYTES_MAX],
    ) -> Option<(Pid, &'b [u8])> {
        if self.fd == NONE {
            return None;
        }
        raw::receive(self.fd, buffer).ok()
    }
}

/// Tells whoever watches us, at our own `NOTIFY_SOCKET`; if he does not listen, he does not hear it.
#[inline(never)]
pub fn tell(start: &Start, parts: &[IoSlice]) {
    let path = start.getenv(b"NOTIFY_SOCKET").unwrap_or(c"").to_bytes();
    if let [b'/' | b'@', ..] = path {
        let fd = raw::socket(net::AF_UNIX, net::SOCK_DGRAM);
        let mut name = Name::new();
        name.unix(path);
        // Without a socket both fail, and that is all.
        raw::send(fd, Some(&name), parts);
        raw::close(fd as usize);
    }
}

/// The service that a process belongs to, or [`NOBODY`]: it is the service's own process, or descends
/// from it, or is in its process group or session.
pub fn owner(pid: Pid, supervisor: &Supervisor) -> Place {
    let mut owner = NOBODY;
    let mut is = |pid| {
        owner = supervisor.service_of(pid);
        owner != NOBODY
    };
    // Of 0 both calls would tell about ourselves.
    if pid != 0 {
        _ = process::is_or_descends(pid, &mut is)
            || is(raw::group_of(pid))
            || is(raw::session_of(pid));
    }
    owner
}
