//! Lines of text for people, without `core::fmt`, which would cost more than everything else.

use super::errno::Errno;
use super::packed::Text;
use super::signal::Signal;
use super::time::Span;

/// The longest line that we print, in bytes. A longer one is cut and marked.
pub const LINE_BYTES_MAX: usize = 1024;

/// A line being built, of at most [`LINE_BYTES_MAX`] bytes with its newline. The length comes first in
/// memory, so that a one-byte displacement reaches it.
#[repr(C)]
pub struct Line {
    len: usize,
    bytes: [u8; LINE_BYTES_MAX],
}

impl Default for Line {
    fn default() -> Line {
        Line::new()
    }
}

impl Line {
    /// An empty line.
    #[inline(never)]
    pub const fn new() -> Line {
        Line {
            bytes: [0; LINE_BYTES_MAX],
            len: 0,
        }
    }

    /// Our own words, as they are.
    pub fn put(&mut self, text: Text) -> &mut Line {
        for byte in text.read() {
            self.push(byte);
        }
        self
    }

    /// Bytes that are not ours: a control character could break the line, so it is shown as `\xNN`.
    pub fn put_bytes(&mut self, bytes: &[u8]) -> &mut Line {
        for &byte in bytes {
            if byte < b' ' || byte == 0x7f {
                self.put(text!("\\x")).push(hex(byte >> 4));
                self.push(hex(byte & 15));
            } else {
                self.push(byte);
            }
        }
        self
    }

    /// A number in decimal.
    pub fn put_number(&mut self, value: u64) -> &mut Line {
        if value >= 10 {
            self.put_number(value / 10);
        }
        self.push(b'0' + (value % 10) as u8);
        self
    }

    /// A signal's name, `TERM` or `RTMIN+3`, or its number where it has none.
    pub fn put_signal(&mut self, signal: Signal) -> &mut Line {
        match (signal.name(), signal.real_time()) {
            (Some(name), _) => self.put_bytes(name),
            (None, Some(offset)) => self.put(text!("RTMIN+")).put_number(u64::from(offset)),
            (None, None) => self.put_number(u64::from(signal.number())),
        }
    }

    /// An error in the words of strerror(3), or `error N`.
    pub fn put_errno(&mut self, errno: Errno) -> &mut Line {
        match errno.text() {
            Some(text) => self.put(text),
            None => self
                .put(text!("error "))
                .put_number(u64::from(errno.number())),
        }
    }

    /// That something cannot be written to a file, and why.
    pub fn put_cannot_write(&mut self, path: &[u8], errno: Errno) -> &mut Line {
        self.put_cannot(text!("pidlet: cannot write \""), path, errno)
    }

    /// What cannot be done with a file, and why.
    #[inline(never)]
    pub fn put_cannot(&mut self, what: Text, path: &[u8], errno: Errno) -> &mut Line {
        self.put(what).put_bytes(path);
        self.put(text!("\": ")).put_errno(errno)
    }

    /// A length of time for people: `0.5s`, `12.4s`, `3m07s`, `5h02m`.
    #[inline(never)]
    pub fn put_span(&mut self, span: Span) -> &mut Line {
        let (whole_ms, mark, part_ms, unit) = match span.0 {
            0..=59_999 => (1000, b'.', 100, b's'),
            60_000..=3_599_999 => (60_000, b'm', 1000, b's'),
            _ => (3_600_000, b'h', 60_000, b'm'),
        };
        let part = span.0 % whole_ms / part_ms;
        self.put_number(span.0 / whole_ms).push(mark);
        if part < 10 && mark != b'.' {
            self.push(b'0');
        }
        self.put_number(part).push(unit);
        self
    }

    /// A length of time in a form that [`Span::parse`] reads.
    pub fn put_setting(&mut self, span: Span) -> &mut Line {
        match span.0 % 1000 {
            0 => self.put_number(span.0 / 1000),
            _ => self.put_number(span.0).put(text!("m")),
        }
        .push(b's');
        self
    }

    /// One byte.
    #[inline(never)]
    pub fn push(&mut self, byte: u8) {
        // The last byte is the newline's.
        if self.len < LINE_BYTES_MAX - 1 {
            self.bytes[self.len] = byte;
            self.len += 1;
        }
    }

    /// Empties the line.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The text so far.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The line with its newline; `...` marks the end of one that was too long.
    pub fn end(&mut self) -> &[u8] {
        if self.len == LINE_BYTES_MAX - 1 {
            self.bytes[LINE_BYTES_MAX - 4..LINE_BYTES_MAX - 1].fill(b'.');
        }
        let end = self.len.min(LINE_BYTES_MAX - 1);
        self.bytes[end] = b'\n';
        &self.bytes[..end + 1]
    }
}

/// A hexadecimal digit.
pub(crate) fn hex(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' - 10 + nibble
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl Fn(&mut Line), expected: &str) {
        let mut line = Line::new();
        write(&mut line);
        assert_eq!(core::str::from_utf8(line.end()).unwrap(), expected);
    }

    #[test]
    fn lines() {
        check(|line| _ = line.put(text!("pid ")).put_number(0), "pid 0\n");
        check(
            |line| _ = line.put_number(u64::MAX),
            "18446744073709551615\n",
        );
        check(|line| _ = line.put_bytes(b"a\nb\x7f"), "a\\x0ab\\x7f\n");
        check(|line| _ = line.put_signal(Signal::TERM), "TERM\n");
        check(|line| _ = line.put_signal(Signal::HALT), "RTMIN+3\n");
        check(|line| _ = line.put_signal(Signal::new(33).unwrap()), "33\n");
        check(
            |line| _ = line.put_errno(Errno::NOENT),
            "No such file or directory\n",
        );
        check(|line| _ = line.put_errno(Errno(999)), "error 999\n");
        check(|line| _ = line.put_errno(Errno::foreign(2)), "error 2\n");
    }

    #[test]
    fn spans() {
        for (ms, text, setting) in [
            (0, "0.0s\n", "0s\n"),
            (12_449, "12.4s\n", "12449ms\n"),
            (59_999, "59.9s\n", "59999ms\n"),
            (60_000, "1m00s\n", "60s\n"),
            (187_000, "3m07s\n", "187s\n"),
            (610_000, "10m10s\n", "610s\n"),
            (3_599_999, "59m59s\n", "3599999ms\n"),
            (3_600_000, "1h00m\n", "3600s\n"),
            (18_120_000, "5h02m\n", "18120s\n"),
            (86_399_999, "23h59m\n", "86399999ms\n"),
        ] {
            check(|line| _ = line.put_span(Span(ms)), text);
            check(|line| _ = line.put_setting(Span(ms)), setting);
        }
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let mut line = Line::new();
        for _ in 0..2000 {
            line.put(text!("x"));
        }
        let text = line.end();
        assert_eq!(text.len(), LINE_BYTES_MAX);
        assert!(text.ends_with(b"xx...\n"));
        // A text one byte shorter than the room is not marked.
        line.clear();
        for _ in 2..LINE_BYTES_MAX {
            line.put(text!("x"));
        }
        assert!(line.end().ends_with(b"xxxx\n"));
    }
}
