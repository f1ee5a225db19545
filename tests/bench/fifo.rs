//! How the payload reports: records of two words in a FIFO that we hold open.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

const RECORD: usize = 16;

/// Longest wait for records: thousands of processes may have to start, with others beside them.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What the payload says: the monotonic time in nanoseconds, and one more word.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub time: u64,
    pub other: u64,
}

pub struct Fifo(File);

impl Fifo {
    pub fn new(path: &str) -> Fifo {
        let c_path = CString::new(path).expect("no NUL");
        // SAFETY: a path that ends with NUL.
        let made = unsafe { libc::mkfifo(c_path.as_ptr(), 0o666) };
        assert_eq!(made, 0, "cannot make {path}");
        let mut options = File::options();
        let both = options
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK);
        Fifo(both.open(path).expect("a FIFO can be opened"))
    }

    /// Throws away what is in it.
    pub fn drain(&self) {
        let mut bytes = [0; 4096];
        while (&self.0).read(&mut bytes).is_ok_and(|count| count > 0) {}
    }

    /// Waits for so many records without disturbing their writers: no write wakes a reader.
    pub fn many(&self, count: usize) -> Vec<Record> {
        let end = Instant::now() + TIMEOUT;
        let there = || {
            let mut bytes = 0;
            // SAFETY: writes one integer.
            unsafe { libc::ioctl(self.0.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
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

    /// The same, for a number that is known at compile time.
    pub fn records<const COUNT: usize>(&self) -> [Record; COUNT] {
        self.many(COUNT)
            .try_into()
            .expect("as many as were asked for")
    }

    /// Waits for the next record, asleep until it is there.
    pub fn next(&self) -> Record {
        let mut poll = libc::pollfd {
            fd: self.0.as_raw_fd(),
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
        (&self.0).read_exact(&mut bytes).expect("a whole record");
        let word =
            |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        Record {
            time: word(0),
            other: word(8),
        }
    }

    /// Releases a payload that waits for a byte from us.
    pub fn go(&self) {
        (&self.0).write_all(b"g").expect("there is room for a byte");
    }
}
