//! A pseudo terminal: the test holds the master, the program gets the other side.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub struct Pty {
    master: File,
    /// Keeps the terminal alive when every process has closed it, so that its state can be asked for.
    slave: File,
}

impl Pty {
    /// Opens a pair with 24 rows and 80 columns. Echo and output processing are off, so that what is read is
    /// what was written; signal characters and canonical mode are on.
    pub fn open() -> Pty {
        // SAFETY: plain calls on a descriptor that this function owns; `termios` is filled before it is read.
        unsafe {
            let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
            let master = libc::posix_openpt(flags);
            assert!(
                master >= 0,
                "no pseudo terminal: {}",
                std::io::Error::last_os_error()
            );
            let master = File::from_raw_fd(master);
            assert_eq!(libc::unlockpt(master.as_raw_fd()), 0, "unlockpt");
            let slave = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
            assert!(
                slave >= 0,
                "no other side: {}",
                std::io::Error::last_os_error()
            );
            let slave = File::from_raw_fd(slave);
            let mut termios: libc::termios = std::mem::zeroed();
            assert_eq!(
                libc::tcgetattr(slave.as_raw_fd(), &mut termios),
                0,
                "tcgetattr"
            );
            termios.c_lflag &= !libc::ECHO;
            termios.c_oflag &= !libc::OPOST;
            assert_eq!(
                libc::tcsetattr(slave.as_raw_fd(), libc::TCSANOW, &termios),
                0,
                "tcsetattr"
            );
            let pty = Pty { master, slave };
            pty.resize(24, 80);
            pty
        }
    }

    /// Types at the terminal: `b"\x03"` is Ctrl-C, `b"\x1a"` Ctrl-Z, `b"\x1c"` Ctrl-\.
    pub fn type_in(&self, keys: &[u8]) {
        (&self.master).write_all(keys).expect("cannot type");
    }

    /// Changes the window's size; a change sends SIGWINCH to the foreground group.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: the ioctl reads one winsize.
        let done = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        assert_eq!(done, 0, "TIOCSWINSZ");
    }

    /// The foreground process group, by its number outside the namespace; `None` if there is none.
    pub fn foreground(&self) -> Option<i32> {
        let mut group: libc::pid_t = 0;
        // SAFETY: the ioctl writes one pid_t. The master answers for the other side.
        let done = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCGPGRP, &mut group) };
        (done == 0 && group > 0).then_some(group)
    }

    /// The local modes (`ISIG`, `ICANON`, `ECHO`, `TOSTOP`...).
    pub fn local_modes(&self) -> libc::tcflag_t {
        // SAFETY: zero is a valid termios, and tcgetattr fills it.
        unsafe {
            let mut termios: libc::termios = std::mem::zeroed();
            assert_eq!(
                libc::tcgetattr(self.slave.as_raw_fd(), &mut termios),
                0,
                "tcgetattr"
            );
            termios.c_lflag
        }
    }

    /// A descriptor of the program's side.
    pub fn slave(&self) -> OwnedFd {
        self.slave
            .try_clone()
            .expect("cannot duplicate the terminal")
            .into()
    }

    /// A second handle of our side, to read from.
    pub fn reader(&self) -> File {
        self.master
            .try_clone()
            .expect("cannot duplicate the terminal")
    }
}
