//! The socket of sd_notify(3): what services tell us, and what we tell the service manager above us.
//!
//! Ours has a name in the abstract namespace that the kernel chooses, so it needs no writable path, and works
//! as any user. The sender of a message is the process that the kernel names, whatever the message says.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;

use linux_raw_sys::general::POLLOUT;
use linux_raw_sys::net;
use rustix::event::epoll::EventFlags;
use rustix::io::IoSlice;

use super::address::Name;
use super::entry::Start;
use super::raw::Sender;
use super::reactor::{FdKind, NONE, Reactor, Token};
use super::{process, raw};
use pidlet::words::Pid;

/// The longest message; the rest of a longer one is cut off.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// How many seconds the process that takes descriptors may live, in case something stops it.
const CLOSING_MAX: usize = 10;

/// In place of the process that takes descriptors: none can be made just now.
pub const FORK_FAILED: Pid = Pid::MAX;

/// What is in front of the name that the kernel chooses.
const VARIABLE: &[u8; 15] = b"NOTIFY_SOCKET=@";

/// Our socket, and the process that takes descriptors from it.
pub struct Notify {
    /// Our socket, or [`NONE`].
    fd: c_int,
    /// The process that closes the descriptors of a message, [`FORK_FAILED`], or 0.
    closing_pid: Pid,
    /// The variable for services that may notify us; it ends with five hexadecimal digits and a NUL.
    variable: [u8; VARIABLE.len() + 6],
}

impl Notify {
    /// Nothing is opened yet.
    pub fn new() -> Notify {
        Notify {
            fd: NONE,
            closing_pid: 0,
            variable: [0; VARIABLE.len() + 6],
        }
    }

    /// The variable for services that may notify us, `NOTIFY_SOCKET=@NAME`. Opens our socket for it if there
    /// is none yet, and has the reactor watch it with [`FdKind::Notify`]. If that fails the variable is
    /// empty, and [`Reactor::fault`] says why.
    #[inline(never)]
    pub fn variable(&mut self, reactor: &mut Reactor) -> &CStr {
        if self.fd == NONE {
            let fd = reactor.own(raw::socket(net::AF_UNIX, net::SOCK_DGRAM));
            raw::pass_credentials(fd);
            // Bound to no name at all, it gets one from the kernel: the family, a NUL and the digits.
            let mut name = Name::new();
            name.unix(b"");
            if fd != NONE
                && reactor.note(raw::bind(fd, &name))
                && reactor.watch(fd, Token(FdKind::Notify, 0), EventFlags::IN)
            {
                self.fd = fd;
                let (place, end) = (VARIABLE.len() - 3, self.variable.len() - 1);
                raw::own_address(fd, &mut self.variable[place..end]);
                self.variable[..VARIABLE.len()].copy_from_slice(VARIABLE);
            } else {
                raw::close(fd as usize);
            }
        }
        // SAFETY: the last byte is a NUL, and is never written to.
        unsafe { CStr::from_ptr(self.variable.as_ptr().cast()) }
    }

    /// The next message, if there is one, and who sent it.
    ///
    /// Descriptors that came with it are closed by a process of their own: closing a socket may take as long
    /// as its maker wants (socket(7): SO_LINGER), and we might be the last to hold it. `BARRIER=1` waits for
    /// nothing but this, since every message before it has been handled by then. There is only one such
    /// process at a time: until it has ended no message is taken, and senders wait. The same holds while no
    /// process can be made: the message stays in the socket.
    pub fn receive<'b>(
        &mut self,
        buffer: &'b mut [MaybeUninit<u8>; MESSAGE_BYTES_MAX],
        reactor: &mut Reactor,
    ) -> Option<(Sender, &'b [u8])> {
        if self.fd == NONE || self.closing_pid != 0 {
            return None;
        }
        let received = raw::receive(self.fd, buffer, false).ok()?;
        if received.more {
            let place = (&raw mut self.fd).cast();
            // SAFETY: `receive_and_exit` does not return, and changes nothing of what it shares.
            let pid = unsafe { raw::vfork(receive_and_exit, place) };
            self.closing_pid = if pid < 0 { FORK_FAILED } else { pid as Pid };
        }
        if self.closing_pid == 0 {
            raw::read(self.fd, &mut [0]);
        } else {
            reactor.watch(self.fd, Token(FdKind::Notify, 0), EventFlags::empty());
        }
        (!self.is_held_up()).then_some((received.sender, received.text))
    }

    /// Whether a message waits because no process can be made for its descriptors.
    pub fn is_held_up(&self) -> bool {
        self.closing_pid == FORK_FAILED
    }

    /// A child has ended, or with [`FORK_FAILED`] another try is due: if it is the process that took
    /// descriptors, messages are taken again. Returns whether it was.
    pub fn ended(&mut self, pid: Pid, reactor: &mut Reactor) -> bool {
        let closed = self.closing_pid == pid;
        if closed {
            self.closing_pid = 0;
            reactor.watch(self.fd, Token(FdKind::Notify, 0), EventFlags::IN);
        }
        closed
    }
}

/// Takes a message with all its descriptors and exits: that closes them without lingering, and only after our
/// parent has gone on.
///
/// # Safety
///
/// Only as [`raw::vfork`]'s child: `fd` is the socket of the sleeping parent.
unsafe extern "C" fn receive_and_exit(fd: *mut u8) -> ! {
    // SAFETY: upheld by the caller.
    let fd = unsafe { *fd.cast::<c_int>() };
    raw::kill_self_after(CLOSING_MAX);
    process::lift_file_limit();
    // With room for a byte: gVisor leaves a message in the socket if nothing of it is read.
    _ = raw::receive(fd, &mut [MaybeUninit::uninit()], true);
    raw::exit(0)
}

/// Tells the service manager above us, at our own `NOTIFY_SOCKET`. If it does not listen, or has no room
/// within `timeout_ms`, the message is lost.
#[inline(never)]
pub fn tell(start: &Start, parts: &[IoSlice], timeout_ms: u64) {
    let path = start.getenv(b"NOTIFY_SOCKET").unwrap_or(c"").to_bytes();
    if let [b'/' | b'@', ..] = path {
        let fd = raw::socket(net::AF_UNIX, net::SOCK_DGRAM);
        let mut name = Name::new();
        name.unix(path);
        // Only a connected socket can tell whether there is room: polling any other would just wait.
        if raw::connect(fd, &name).is_ok() {
            _ = raw::poll(fd, POLLOUT, timeout_ms);
            raw::send(fd, parts);
        }
        raw::close(fd as usize);
    }
}
