//! The socket of sd_notify(3): what services say to us, and what we say to whoever watches us.
//!
//! Ours has a name in the abstract namespace, which the kernel chooses: it needs no writable path,
//! and works as any user. Who speaks is what the kernel says, not the message.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;

use linux_raw_sys::net;
use rustix::event::epoll::EventFlags;
use rustix::fd::BorrowedFd;
use rustix::io::IoSlice;

use super::address::Name;
use super::entry::Start;
use super::reactor::{NONE, Reactor, Token, away_from_the_three};
use super::{arena, process, raw};
use pidlet::plan::{NOBODY, Place, Plan};
use pidlet::words::Pid;

/// The longest message; the rest of a longer one is cut off.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// What is in front of the name that the kernel chose.
const VARIABLE: &[u8] = b"NOTIFY_SOCKET=@";

/// Both directions.
pub struct Notify {
    /// Our socket, or [`NONE`].
    fd: c_int,
    /// The address of who watches us.
    upward: Option<&'static CStr>,
}

impl Notify {
    /// Nothing is opened yet; whoever watches us is in our own `NOTIFY_SOCKET`. Commands of a
    /// command line have that socket themselves, and say what there is to say.
    pub fn new(plan: &Plan, start: &Start) -> Notify {
        Notify {
            fd: NONE,
            upward: start.getenv(b"NOTIFY_SOCKET").filter(|_| plan.filed),
        }
    }

    /// Opens our socket, and has the reactor watch it with [`Token::Notify`]. What is returned is
    /// the variable for those who shall speak to us, `NOTIFY_SOCKET=@NAME`, for as long as we live;
    /// nothing where there is no socket to be had.
    pub fn open(&mut self, reactor: &mut Reactor) -> Option<&'static CStr> {
        let fd = away_from_the_three(raw::socket(net::AF_UNIX, net::SOCK_DGRAM).ok()?);
        raw::pass_credentials(fd);
        // With no name at all the kernel makes one: the family, a NUL and five hexadecimal digits.
        raw::bind(fd, &[net::AF_UNIX as u8, 0]).ok()?;
        let variable = arena::array(0, VARIABLE.len() + 6);
        raw::own_address(fd, variable.get_mut(VARIABLE.len() - 3..)?);
        variable
            .get_mut(..VARIABLE.len())?
            .copy_from_slice(VARIABLE);
        // SAFETY: the socket is open for as long as we live.
        let watched = unsafe { BorrowedFd::borrow_raw(fd) };
        if reactor.watch(watched, Token::Notify, EventFlags::IN) {
            self.fd = fd;
        }
        // SAFETY: the digits leave the last byte what it was.
        Some(unsafe { CStr::from_ptr(variable.as_ptr().cast()) })
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

    /// Tells whoever watches us; if he does not listen, he does not hear it.
    pub fn tell(&self, parts: &[IoSlice]) {
        let Some(path @ [b'/' | b'@', ..]) = self.upward.map(CStr::to_bytes) else {
            return;
        };
        if let Ok(fd) = raw::socket(net::AF_UNIX, net::SOCK_DGRAM) {
            raw::send(fd, Name::unix(path).bytes(), parts);
            raw::close(fd as usize);
        }
    }
}

/// The service that a process belongs to, or [`NOBODY`]: it is the service's own process, which
/// `find` knows, or descends from it, or is in its process group or session.
pub fn owner(pid: Pid, find: &dyn Fn(Pid) -> Place) -> Place {
    let mut owner = NOBODY;
    let mut is = |pid| {
        owner = find(pid);
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
