//! What services write, as whole lines: behind a name, as JSON, or as they are (DESIGN §11).
//!
//! | form | a line |
//! |---|---|
//! | [`Form::Raw`] | `message` |
//! | [`Form::Prefix`] | `name \| message` |
//! | [`Form::Json`] | `{"service":"name","stream":"stdout","message":"message"}` |
//!
//! With a time the first two begin with it (`2026-11-26T14:03:05.000123Z name | message`), and the
//! object has it first, as `"time"`.
//!
//! A line of more than [`LINE_BYTES_MAX`] bytes comes in pieces, each a line of its own: every one
//! but the last ends with a backslash, which is a line that goes on in shells and in C; an object
//! says `"partial":true` behind the message instead. A character in UTF-8 is never cut in two.

use crate::words::text;

/// The most bytes of a line that come in one piece, without the newline.
pub const LINE_BYTES_MAX: usize = 8192;

/// Room for what stands in front of each line of a stream.
pub const HEAD_BYTES_MAX: usize = 1024;

/// How much of a name is shown. Escaped it may be six times as long, and must leave room.
const NAME_BYTES_MAX: usize = 128;

/// Room that takes any piece in any form: in JSON a byte becomes six at the most.
pub const PIECE_BYTES_MAX: usize = 6 * LINE_BYTES_MAX + HEAD_BYTES_MAX + 32;

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it was written.
    Raw,
    /// Behind the service's name.
    Prefix,
    /// As a JSON object.
    Json,
}

/// A moment on the clock of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970, without leap seconds.
    pub seconds: u64,
    /// Microseconds of the second.
    pub micros: u32,
}

/// Whose lines they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// What they look like.
    pub form: Form,
    /// When they were read, if that is to be said.
    pub time: Option<Time>,
    /// The service's name.
    pub name: &'a [u8],
    /// 1 for the first of that name; the second is shown as `name-2`.
    pub copy: u32,
    /// They were written to standard error.
    pub error: bool,
}

/// Bytes in a room of fixed size.
pub struct Buffer<'a> {
    room: &'a mut [u8],
    len: usize,
}

impl<'a> Buffer<'a> {
    /// Nothing yet, in this room.
    pub fn new(room: &'a mut [u8]) -> Buffer<'a> {
        Buffer { room, len: 0 }
    }

    /// Adds these bytes, all or none; whether there was room for them.
    #[inline(never)]
    pub fn put(&mut self, bytes: &[u8]) -> bool {
        let free = self.room.get_mut(self.len..).unwrap_or(&mut []);
        let place = free.get_mut(..bytes.len());
        if let (Some(place), false) = (place, bytes.is_empty()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
            return true;
        }
        bytes.is_empty()
    }

    /// Adds a number in decimal with at least so many digits.
    pub fn put_number(&mut self, value: u32, digits: u32) -> bool {
        let more = value >= 10 || digits > 1;
        if more {
            self.put_number(value / 10, digits.saturating_sub(1));
        }
        self.put(&[b'0' + (value % 10) as u8])
    }

    /// Adds text as it stands in a JSON string, whatever its bytes are: what is not UTF-8 becomes
    /// U+FFFD, byte by byte.
    pub fn put_escaped(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        // What stands for itself is added in one go.
        let mut plain = 0;
        while let Some(byte) = rest.get(plain) {
            let size = match byte {
                b'"' | b'\\' => 0,
                b' '..=0x7f => 1,
                _ => character(rest.get(plain..).unwrap_or(&[])),
            };
            plain += size;
            if size == 0 {
                let high = b'0' + (byte >> 4);
                let fitted = self.put(rest.get(..plain).unwrap_or(&[]))
                    && match byte {
                        0..b' ' => self.put(&[b'\\', b'u', b'0', b'0', high, text::hex(byte & 15)]),
                        0x80.. => self.put("\u{fffd}".as_bytes()),
                        _ => self.put(&[b'\\', *byte]),
                    };
                if !fitted {
                    return false;
                }
                rest = rest.get(plain + 1..).unwrap_or(&[]);
                plain = 0;
            }
        }
        self.put(rest)
    }

    /// Adds a time in RFC 3339.
    #[inline(never)]
    fn put_time(&mut self, time: Time) {
        let (year, month, day) = date(time.seconds / 86_400);
        let second = (time.seconds % 86_400) as u32;
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let parts = [year, month, day, hour, minute, second % 60, time.micros];
        for (value, form) in parts.into_iter().zip(b"4-2-2T2:2:2.6Z".chunks_exact(2)) {
            if let [digits, mark] = form {
                self.put_number(value, u32::from(digits & 15));
                self.put(&[*mark]);
            }
        }
    }

    /// Adds what stands in front of each line.
    #[inline(never)]
    pub fn put_head(&mut self, source: &Source) {
        let json = source.form == Form::Json;
        if let Some(time) = source.time {
            self.put(if json { b"{\"time\":\"" } else { b"" });
            self.put_time(time);
            self.put(if json { b"\"," } else { b" " });
        } else if json {
            self.put(b"{");
        }
        if source.form == Form::Raw {
            return;
        }
        self.put(if json { b"\"service\":\"" } else { b"" });
        let name = source.name;
        self.put_escaped(name.get(..NAME_BYTES_MAX).unwrap_or(name));
        if source.copy > 1 {
            self.put(b"-");
            self.put_number(source.copy, 1);
        }
        self.put(match (json, source.error) {
            (false, _) => b" | ",
            (true, false) => b"\",\"stream\":\"stdout\",\"message\":\"",
            (true, true) => b"\",\"stream\":\"stderr\",\"message\":\"",
        });
    }

    /// Adds the whole lines of `input`, each behind `head`: as many as there is room for, but after
    /// the first one none with which there were more than `limit` bytes. Where the `end` of the
    /// stream is reached a last line without newline is a line, too. How much of `input` is done.
    #[inline(never)]
    pub fn put_lines(&mut self, input: &[u8], end: bool, lines: &Lines, limit: usize) -> usize {
        let mut done = 0;
        while let Some(rest) = input.get(done..).filter(|rest| !rest.is_empty()) {
            let window = rest.get(..LINE_BYTES_MAX + 1).unwrap_or(rest);
            let mut len = newline(window);
            let mut taken = len + 1;
            let mut tail: &[u8] = if lines.json { b"\"}\n" } else { b"\n" };
            if len > LINE_BYTES_MAX {
                len = whole_characters(window);
                taken = len;
                tail = match lines.json {
                    true => b"\",\"partial\":true}\n",
                    false => b"\\\n",
                };
            } else if len == rest.len() {
                if !end {
                    break;
                }
                taken = len;
            } else if !lines.json {
                // Its own newline is as good.
                (len, tail) = (taken, b"");
            }
            let before = self.len;
            let text = rest.get(..len).unwrap_or(rest);
            let fitted = self.put(lines.head)
                && match lines.json {
                    true => self.put_escaped(text),
                    false => self.put(text),
                }
                && self.put(tail);
            if !fitted || done > 0 && self.len > limit {
                self.len = before;
                break;
            }
            done += taken;
        }
        done
    }

    /// All that there is.
    #[inline(never)]
    pub fn text(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or(&[])
    }
}

/// What the lines of a stream have in common.
pub struct Lines<'a> {
    /// What stands in front of each.
    pub head: &'a [u8],
    /// They become strings of JSON objects that `head` begins.
    pub json: bool,
}

/// Where a piece of a line that is too long ends: not between the bytes of a character, if it is one.
fn whole_characters(window: &[u8]) -> usize {
    let mut len = LINE_BYTES_MAX;
    while len > LINE_BYTES_MAX - 3 && window.get(len).is_some_and(|byte| byte & 0xc0 == 0x80) {
        len -= 1;
    }
    len
}

/// The place of the first newline, or the length. Eight bytes at a time: this is done to every byte
/// that goes through.
fn newline(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let mut rest = text;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        // A byte is 0 where it was a newline; the lowest such one has the lowest high bit that is left.
        let word = u64::from_le_bytes(*word) ^ (ONES * b'\n' as u64);
        let zeroes = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeroes != 0 {
            return text.len() - rest.len() + zeroes.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    while let [byte, behind @ ..] = rest {
        if *byte == b'\n' {
            break;
        }
        rest = behind;
    }
    text.len() - rest.len()
}

/// The length of the UTF-8 character beyond ASCII that a text begins with; 0 if there is none
/// (RFC 3629, 3).
fn character(text: &[u8]) -> usize {
    let Some((first, rest)) = text.split_first() else {
        return 0;
    };
    let len = first.leading_ones();
    let shortest = match len {
        2 => 0x80,
        3 => 0x800,
        4 => 0x1_0000,
        _ => return 0,
    };
    let mut code = u32::from(first & 0x7f >> len);
    for index in 1..len {
        match rest.get(index as usize - 1) {
            Some(byte @ 0x80..0xc0) => code = code << 6 | u32::from(byte & 0x3f),
            _ => return 0,
        }
    }
    // Neither longer than it need be, nor a half of a pair of UTF-16.
    if code < shortest || char::from_u32(code).is_none() {
        return 0;
    }
    len as usize
}

/// The last day of the year 9999, the last one that has a name.
const LAST_DAY: u64 = 2_932_896;

/// Year, month and day of so many days after 1 January 1970 in the Gregorian calendar. Counted, which
/// takes no longer than to write them and is a third of the formula.
fn date(days: u64) -> (u32, u32, u32) {
    let mut day = days.min(LAST_DAY) as u32;
    let (mut year, mut month) = (1970, 1);
    loop {
        // Every fourth year has a leap day, of those of a full century every fourth.
        let leap = u32::from(year % 4 == 0 && (year % 25 != 0 || year % 16 == 0));
        let length = match month {
            2 => 28 + leap,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if month == 1 && day >= 365 + leap {
            day -= 365 + leap;
            year += 1;
        } else if day >= length {
            day -= length;
            month += 1;
        } else {
            return (year, month, day + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn web(form: Form) -> Source<'static> {
        Source {
            form,
            time: None,
            name: b"web",
            copy: 1,
            error: false,
        }
    }

    /// The lines of `input`, and how much of it is left.
    fn written(source: Source, input: &[u8], end: bool) -> (Vec<u8>, usize) {
        let mut room = [0; HEAD_BYTES_MAX];
        let mut head = Buffer::new(&mut room);
        head.put_head(&source);
        let lines = Lines {
            head: head.text(),
            json: source.form == Form::Json,
        };
        let mut room = std::vec![0; 1 << 20];
        let mut buffer = Buffer::new(&mut room);
        let done = buffer.put_lines(input, end, &lines, usize::MAX);
        (buffer.text().to_vec(), input.len() - done)
    }

    #[track_caller]
    fn check(source: Source, input: &[u8], end: bool, output: &str, left: usize) {
        let (text, rest) = written(source, input, end);
        assert_eq!(String::from_utf8(text).unwrap(), output);
        assert_eq!(rest, left);
    }

    #[test]
    fn lines_in_each_form() {
        let (raw, prefix, json) = (web(Form::Raw), web(Form::Prefix), web(Form::Json));
        check(raw, b"one\n\ntwo\r\nthr", false, "one\n\ntwo\r\n", 3);
        check(raw, b"one\nthr", true, "one\nthr\n", 0);
        check(raw, b"", true, "", 0);
        check(raw, b"a\0b\n", true, "a\0b\n", 0);
        check(prefix, b"one\n\nx", false, "web | one\nweb | \n", 1);
        let text = "{\"service\":\"web\",\"stream\":\"stdout\",\"message\":\"one\"}\n";
        check(json, b"one\n", false, text, 0);
        let third = Source {
            copy: 3,
            error: true,
            time: Some(Time {
                seconds: 1_795_701_785,
                micros: 123,
            }),
            ..json
        };
        let text = "{\"time\":\"2026-11-26T14:03:05.000123Z\",\"service\":\"web-3\",\
            \"stream\":\"stderr\",\"message\":\"\"}\n";
        check(third, b"\n", false, text, 0);
        let form = |form| Source { form, ..third };
        let text = "2026-11-26T14:03:05.000123Z web-3 | x\n";
        check(form(Form::Prefix), b"x\n", false, text, 0);
        let text = "2026-11-26T14:03:05.000123Z x\n";
        check(form(Form::Raw), b"x\n", false, text, 0);
        let name = b"a\n\"";
        check(
            Source { name, ..prefix },
            b"x\n",
            false,
            "a\\u000a\\\" | x\n",
            0,
        );
    }

    #[test]
    fn long_lines_come_in_pieces() {
        let max = "x".repeat(LINE_BYTES_MAX);
        let raw = web(Form::Raw);
        check(raw, max.as_bytes(), false, "", LINE_BYTES_MAX);
        let whole = format!("{max}\n");
        check(raw, whole.as_bytes(), false, &whole, 0);
        check(raw, max.as_bytes(), true, &whole, 0);
        let more = format!("{max}{max}yy\nz");
        let text = format!("{max}\\\n{max}\\\nyy\n");
        check(raw, more.as_bytes(), false, &text, 1);
        let json = "{\"service\":\"web\",\"stream\":\"stdout\",\"message\":\"";
        let text = format!("{json}{max}\",\"partial\":true}}\n{json}y\"}}\n");
        check(
            web(Form::Json),
            format!("{max}y\n").as_bytes(),
            false,
            &text,
            0,
        );
        // A character that does not fit goes to the next piece whole.
        for before in 1..4 {
            let head = "x".repeat(LINE_BYTES_MAX - before);
            let text = format!("{head}\\\n\u{1f437}\n");
            check(
                raw,
                format!("{head}\u{1f437}\n").as_bytes(),
                false,
                &text,
                0,
            );
        }
        // What looks like the middle of one for ever is cut where it must be.
        let (text, _) = written(raw, &[0x80; LINE_BYTES_MAX + 1], false);
        assert_eq!(text.len(), LINE_BYTES_MAX - 3 + 2);
    }

    #[test]
    fn json_strings_are_valid_whatever_they_hold() {
        for (bytes, escaped) in [
            (&b"plain"[..], "plain"),
            (b"\"\\\x1f\x7f\x00\t", "\\\"\\\\\\u001f\x7f\\u0000\\u0009"),
            ("äß€\u{1f437}".as_bytes(), "äß€\u{1f437}"),
            (b"\xc3", "\u{fffd}"),
            (b"\xc3(", "\u{fffd}("),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
            (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xe2\x82", "\u{fffd}\u{fffd}"),
        ] {
            let mut room = [0; 64];
            let mut buffer = Buffer::new(&mut room);
            assert!(buffer.put_escaped(bytes));
            assert_eq!(buffer.text(), escaped.as_bytes(), "{bytes:x?}");
        }
    }

    #[test]
    fn characters_are_those_of_the_standard_library() {
        for first in 0x80..=0xff_u8 {
            for second in [0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0] {
                for rest in [&b""[..], b"\x80", b"\x80\x80", b"\x80\xc0", b"a"] {
                    let text = [&[first, second], rest].concat();
                    let valid = |len: &usize| {
                        let piece = text.get(..*len).map(std::str::from_utf8);
                        piece.is_some_and(|piece| piece.is_ok())
                    };
                    let expected = (1..=4).find(valid).unwrap_or(0);
                    assert_eq!(character(&text), expected, "{text:x?}");
                }
            }
        }
    }

    #[test]
    fn newlines_are_found_wherever_they_are() {
        for len in 0..40 {
            let mut text = std::vec![0x8a_u8; len];
            assert_eq!(newline(&text), len);
            for place in (0..len).rev() {
                text[place] = b'\n';
                assert_eq!(newline(&text), place);
            }
            for byte in [0, 9, 11, 0x0b, 0xff] {
                assert_eq!(newline(&std::vec![byte; len]), len);
            }
        }
    }

    #[test]
    fn no_more_lines_than_there_is_room_for() {
        let lines = Lines {
            head: b"",
            json: false,
        };
        for (room, limit, done) in [
            (9, 9, 9),
            (8, 8, 6),
            (9, 8, 6),
            (9, 5, 3),
            (9, 1, 3),
            (2, 9, 0),
        ] {
            let mut room = std::vec![0; room];
            let mut buffer = Buffer::new(&mut room);
            let taken = buffer.put_lines(b"ab\ncd\nef\n", false, &lines, limit);
            assert_eq!(taken, done);
            assert_eq!(buffer.text().len(), done);
        }
        let mut room = std::vec![0; PIECE_BYTES_MAX];
        let mut buffer = Buffer::new(&mut room);
        let head = [b'h'; HEAD_BYTES_MAX];
        let lines = Lines {
            head: &head,
            json: true,
        };
        let input = [0; LINE_BYTES_MAX + 1];
        assert!(buffer.put_lines(&input, false, &lines, 0) > 0);
    }

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            let mut room = [0; 64];
            let mut buffer = Buffer::new(&mut room);
            buffer.put_time(Time { seconds, micros: 0 });
            assert_eq!(
                std::str::from_utf8(buffer.text()).unwrap().to_string(),
                text
            );
        }
        let mut expected = (1970, 1, 1);
        for days in 0..150_000 {
            assert_eq!(date(days), expected);
            let (year, month, day) = expected;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if leap { 29 } else { 28 };
            let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == months[month as usize - 1] => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }
}
