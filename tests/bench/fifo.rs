//! How the payload reports: records of two words in a FIFO that we hold open.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use crate::support::Temp;

const RECORD: usize = 16;

/// Longest wait for records: thousands of processes may have to start, with others beside them.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What the payload says: the monotonic time in nanoseconds, and one word more.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub time: u64,
    pub other: u64,
}

pub struct Fifo {
    pub path: String,
    file: File,
}

impl Fifo {
    pub fn new(temp: &Temp, name: &str) -> Fifo {
        let path = temp.join(format!("{name}.fifo"));
        let c_path = CString::new(path.as_str()).expect("no NUL");
        // What an earlier measure left is not for this one.
        let _ = std::fs::remove_file(&path);
        // SAFETY: a path that ends with NUL.
        let made = unsafe { libc::mkfifo(c_path.as_ptr(), 0o666) };
        assert_eq!(made, 0, "cannot make {path}");
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path);
        Fifo {
            file: file.expect("a FIFO can be opened"),
            path,
        }
    }

    /// Waits for so many records without disturbing those who write them: nobody is woken.
    pub fn records(&self, count: usize) -> Vec<Record> {
        let end = Instant::now() + TIMEOUT;
        let there = || {
            let mut bytes = 0;
            // SAFETY: writes one integer.
            unsafe { libc::ioctl(self.file.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
            bytes as usize / RECORD
        };
        while there() < count {
            assert!(
                Instant::now() < end,
                "{} of {count} records after {TIMEOUT:?}",
                there()
            );
            std::thread::sleep(Duration::from_micros(500));
        }
        (0..count).map(|_| self.read()).collect()
    }

    /// Waits for the next record, asleep until it is there.
    pub fn next(&self) -> Record {
        let mut poll = libc::pollfd {
            fd: self.file.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure is read and written.
        let ready = unsafe { libc::poll(&raw mut poll, 1, TIMEOUT.as_millis() as i32) };
        assert_eq!(ready, 1, "no record after {TIMEOUT:?}");
        self.read()
    }

    fn read(&self) -> Record {
        let mut bytes = [0; RECORD];
        (&self.file).read_exact(&mut bytes).expect("a whole record");
        let word =
            |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        Record {
            time: word(0),
            other: word(8),
        }
    }

    /// Lets go whoever waits for a word from us.
    pub fn go(&self) {
        (&self.file)
            .write_all(b"g")
            .expect("there is room for a byte");
    }
}

/// The clock that the payload reads.
pub fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
