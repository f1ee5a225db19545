//! The services' output as whole lines: behind a name, as JSON, or unchanged (pidlet(8), Output).
//!
//! | form | a line |
//! |---|---|
//! | [`Form::Raw`] | `message` |
//! | [`Form::Prefix`] | `name \| message` |
//! | [`Form::Json`] | `{"service":"name","stream":"stdout","message":"message"}` |
//!
//! With timestamps the first two begin with the time (`2026-11-26T14:03:05.000123Z name | message`),
//! and the object has it as its first member, `"time"`.
//!
//! A line of more than [`LINE_BYTES_MAX`] bytes is split into pieces, each a line of its own: every
//! piece but the last ends with a backslash, which continues a line in shells and in C; a JSON object
//! has `"partial":true` after its message instead. A UTF-8 character is never cut in two.

use crate::plan::{Place, Plan};
use crate::words::line::{self, Line};

/// The longest piece of a line in bytes, without the newline.
pub const LINE_BYTES_MAX: usize = 8192;

/// Room for any piece in any form: in JSON a byte of the message becomes six at most, one of the name three.
pub const PIECE_BYTES_MAX: usize = 6 * LINE_BYTES_MAX + 3 * line::LINE_BYTES_MAX + 128;

/// The number of colours for names: red to cyan.
const COLOURS: Place = 6;

/// What a line looks like, in the order of [`HEADS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it was written.
    Raw,
    /// Behind the service's name.
    Prefix,
    /// Behind the service's name, which has a colour of its own.
    Colour,
    /// As a JSON object.
    Json,
}

/// What precedes a line, for each form in order. The part between two question marks is there only with
/// timestamps; `T`, `N`, `S` and `C` stand for the time, the name, the stream and the colour.
const HEADS: &[u8] = b"?T ?\n?T ?N | \n?T ?\x1b[3CmN\x1b[m | \n\
    {?\"time\":\"T\",?\"service\":\"N\",\"stream\":\"stdS\",\"message\":\"\n";

/// A wall-clock time: seconds since 1970, not counting leap seconds, and microseconds.
pub type Time = (u64, u32);

/// Where lines come from, and what they look like.
#[derive(Clone, Copy)]
pub struct Source<'s, 'p> {
    /// The plan that has the service.
    pub plan: &'s Plan<'p>,
    /// The service that wrote them; for lines of our own a place that no service has.
    pub service: Place,
    /// They were written to standard error.
    pub error: bool,
    /// What they look like.
    pub form: Form,
    /// When they were read; used only if the plan wants timestamps.
    pub time: Time,
}

/// A buffer of fixed size.
pub struct Buffer<'a> {
    bytes: &'a mut [u8],
    /// How many bytes were to be added, which is more than there is room for once something did not fit.
    len: usize,
}

impl<'a> Buffer<'a> {
    /// An empty buffer in this memory.
    pub fn new(bytes: &'a mut [u8]) -> Buffer<'a> {
        Buffer { bytes, len: 0 }
    }

    /// Adds these bytes, all or none. Once something did not fit, nothing is added any more.
    #[inline(never)]
    pub fn put(&mut self, bytes: &[u8]) {
        let from = self.len;
        self.len = from.wrapping_add(bytes.len());
        if let Some(place) = self.bytes.get_mut(from..self.len) {
            place.copy_from_slice(bytes);
        }
    }

    /// Whether there was room for everything.
    pub fn fits(&self) -> bool {
        self.len <= self.bytes.len()
    }

    /// Adds a line's text, up to its newline, as it stands in a JSON string. Every byte that is not part
    /// of a UTF-8 character becomes U+FFFD.
    #[inline(never)]
    fn put_escaped(&mut self, text: &[u8]) {
        let mut rest = text;
        loop {
            // Characters that need no escape are added in one go.
            let mut len = 0;
            while let Some(byte) = rest.get(len) {
                let size = match byte {
                    b'"' | b'\\' => 0,
                    b' '..=0x7f => 1,
                    _ => character(rest.get(len..).unwrap_or(&[])),
                };
                if size == 0 {
                    break;
                }
                len = len.wrapping_add(size);
            }
            if len > rest.len() {
                return;
            }
            let (plain, special) = rest.split_at(len);
            self.put(plain);
            let [byte, behind @ ..] = special else {
                return;
            };
            if *byte == b'\n' {
                return;
            }
            rest = behind;
            let (first, last): (&[u8], u8) = match byte {
                0..b' ' => (
                    if *byte < 16 { b"\\u000" } else { b"\\u001" },
                    line::hex(byte & 15),
                ),
                0x80.. => (b"\xef\xbf", 0xbd),
                _ => (b"\\", *byte),
            };
            self.put(first);
            self.put(&[last]);
        }
    }

    /// Adds the time in the format of RFC 3339.
    #[inline(never)]
    fn put_time(&mut self, source: &Source) {
        let (seconds, micros) = source.time;
        // Filled in from the last digit to the first; a `6` marks one that goes up to 5 only.
        let mut text = *b"0000-00-00T00:60:60.000000Z";
        let mut value = micros;
        for place in text.iter_mut().rev() {
            let radix = match place {
                b'0' => 10,
                b'6' => 6,
                b'.' => {
                    value = (seconds % 86_400) as u32;
                    continue;
                }
                b'T' => {
                    value = date(seconds / 86_400);
                    continue;
                }
                _ => continue,
            };
            *place = b'0' + (value % radix) as u8;
            value /= radix;
        }
        self.put(&text);
    }

    /// Adds what precedes each line.
    #[inline(never)]
    fn put_head(&mut self, source: &Source) {
        // How many more forms are skipped, and whether this part of ours is.
        let (mut others, mut skipped) = (source.form as u8, false);
        for &byte in HEADS {
            match byte {
                b'\n' if others == 0 => return,
                b'\n' => others -= 1,
                _ if others > 0 => (),
                b'?' => skipped = !skipped && !source.plan.timestamps,
                _ if skipped => (),
                b'T' => self.put_time(source),
                b'N' => {
                    let mut name = Line::new();
                    name.put_service(source.plan, source.service);
                    match source.form {
                        Form::Json => self.put_escaped(name.text()),
                        _ => self.put(name.text()),
                    }
                }
                b'S' => self.put(if source.error { b"err" } else { b"out" }),
                b'C' => self.put(&[b'1' + (source.service % COLOURS) as u8]),
                _ => self.put(&[byte]),
            }
        }
    }

    /// Everything that was added; nothing if it did not all fit.
    #[cfg(test)]
    fn text(self) -> &'a [u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Fills `output` with a newline, in case the line before is torn, and the whole lines of `input`, each as
/// `source` has it. The first line is taken even beyond `limit` bytes, and there must be room for it; the
/// others only up to `limit` bytes in all. Returns how much of `input` was taken, and of `output` filled.
#[inline(never)]
pub fn put_lines(output: &mut [u8], input: &[u8], source: &Source, limit: usize) -> (usize, usize) {
    let mut lines = Buffer::new(output);
    lines.put(b"\n");
    lines.put_head(source);
    let head = lines.len;
    let json = source.form == Form::Json;
    let mut size = 1;
    let mut rest = input;
    loop {
        let mut tail: &[u8] = b"\"}\n";
        let mut len = newline(rest);
        if len > LINE_BYTES_MAX {
            len = whole_characters(rest);
            tail = if json {
                b"\",\"partial\":true}\n"
            } else {
                b"\\\n"
            };
        } else {
            len += 1;
            if !json {
                // The line brings its own newline.
                tail = b"";
            }
        }
        let Some((line, behind)) = rest.split_at_checked(len) else {
            // What is left is not a whole line.
            break;
        };
        if json {
            lines.put_escaped(line);
        } else {
            lines.put(line);
        }
        lines.put(tail);
        if lines.len > limit && size > 1 {
            break;
        }
        size = lines.len;
        rest = behind;
        // The next line begins with the same head.
        lines.len = size.wrapping_add(head - 1);
        if lines.len <= lines.bytes.len() {
            lines.bytes.copy_within(1..head, size);
        }
    }
    (input.len().wrapping_sub(rest.len()), size)
}

/// Where to cut a line that is too long: not inside a character, unless the bytes cannot be UTF-8.
fn whole_characters(text: &[u8]) -> usize {
    let mut len = LINE_BYTES_MAX;
    while len > LINE_BYTES_MAX - 3 && text.get(len).is_some_and(|byte| byte & 0xc0 == 0x80) {
        len -= 1;
    }
    len
}

/// The index of the first newline; without one the length, but not more than one byte beyond a piece.
/// Eight bytes at a time, since every byte of output is searched.
#[inline(never)]
fn newline(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let text = text.get(..LINE_BYTES_MAX + 1).unwrap_or(text);
    let mut at = 0;
    while let Some(Ok(word)) = text.get(at..at + 8).map(<[u8; 8]>::try_from) {
        // Newlines become zero bytes, and the expression below is zero unless there is a zero byte.
        let word = u64::from_ne_bytes(word) ^ (ONES * b'\n' as u64);
        if word.wrapping_sub(ONES) & !word & (ONES << 7) != 0 {
            break;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|byte| *byte != b'\n') {
        at += 1;
    }
    at
}

/// The length of the non-ASCII UTF-8 character at the start of a text; 0 if there is none (RFC 3629, 3).
fn character(text: &[u8]) -> usize {
    let first = text.first().copied().unwrap_or(0);
    let len = first.leading_ones() as usize;
    // A code point that fits into this many bits has a shorter encoding, so this one is not valid.
    let (Some(rest), Some(bits)) = (text.get(1..len), [7, 11, 16].get(len.wrapping_sub(2))) else {
        return 0;
    };
    let mut code = u32::from(first & 0x7f_u8.wrapping_shr(len as u32));
    for byte in rest {
        if byte & 0xc0 != 0x80 {
            return 0;
        }
        code = code << 6 | u32::from(byte & 0x3f);
    }
    // Surrogates, and what is beyond U+10FFFF, are no characters either.
    if char::from_u32(code).is_none() || code.wrapping_shr(*bits) == 0 {
        return 0;
    }
    len
}

/// The last day of the year 9999, the last one that RFC 3339 can write.
const LAST_DAY: u64 = 2_932_896;

/// The Gregorian date this many days after 1 January 1970 as a number: 20,000,229 is 29 February 2000.
/// Four centuries have 146,097 days, four years 1461, and five months from March or August on 153.
fn date(days: u64) -> u32 {
    // Years begin in March, so that the leap day comes last, and are counted from the year 0.
    let quarters = 4 * (days.min(LAST_DAY) as u32 + 719_468) + 3;
    let (century, rest) = (quarters / 146_097, quarters % 146_097);
    let quarters = rest | 3;
    let (year, rest) = (100 * century + quarters / 1461, quarters % 1461);
    let fifths = 5 * (rest / 4) + 461;
    let (month, day) = (fifths / 153, fifths % 153 / 5 + 1);
    // January and February are months 13 and 14.
    let next = if month > 12 { 1_00_00 - 12_00 } else { 0 };
    (100 * year + month) * 100 + day + next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Service, Style};
    use crate::words::list::List;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    /// A plan with three services of this name.
    fn plan(name: &'static [u8], timestamps: bool) -> Plan<'static> {
        let mut plan = Plan::new(Style::Pidlet);
        plan.timestamps = timestamps;
        plan.services = List::with_capacity(Service::NONE, 3);
        for copy in 1..=3 {
            let service = Service {
                name,
                copy,
                ..Service::NONE
            };
            assert!(plan.services.push(service));
        }
        plan
    }

    fn source<'s>(plan: &'s Plan<'static>, form: Form) -> Source<'s, 'static> {
        Source {
            plan,
            service: 0,
            error: false,
            form,
            time: (0, 0),
        }
    }

    /// The lines of `input`, and how much of it is left.
    fn written(source: Source, input: &[u8]) -> (Vec<u8>, usize) {
        let mut bytes = std::vec![0; 1 << 20];
        let (done, size) = put_lines(&mut bytes, input, &source, usize::MAX);
        assert_eq!(bytes[0], b'\n');
        (bytes[1..size].to_vec(), input.len() - done)
    }

    #[track_caller]
    fn check(source: Source, input: &[u8], output: &str, left: usize) {
        let (text, rest) = written(source, input);
        assert_eq!(String::from_utf8(text).unwrap(), output);
        assert_eq!(rest, left);
    }

    #[test]
    fn lines_in_each_form() {
        let web = plan(b"web", false);
        let [raw, prefix, colour, json] =
            [Form::Raw, Form::Prefix, Form::Colour, Form::Json].map(|form| source(&web, form));
        check(raw, b"one\n\ntwo\r\nthr", "one\n\ntwo\r\n", 3);
        check(raw, b"", "", 0);
        check(raw, b"a\0b\n", "a\0b\n", 0);
        check(prefix, b"one\n\nx", "web | one\nweb | \n", 1);
        let second = Source {
            service: 1,
            ..colour
        };
        check(second, b"x\n", "\x1b[32mweb-2\x1b[m | x\n", 0);
        let text = "{\"service\":\"web\",\"stream\":\"stdout\",\"message\":\"one\"}\n";
        check(json, b"one\n", text, 0);
        let web = plan(b"web", true);
        let third = |form| Source {
            service: 2,
            error: true,
            time: (1_795_701_785, 123),
            ..source(&web, form)
        };
        let text = "{\"time\":\"2026-11-26T14:03:05.000123Z\",\"service\":\"web-3\",\
            \"stream\":\"stderr\",\"message\":\"\"}\n";
        check(third(Form::Json), b"\n", text, 0);
        let text = "2026-11-26T14:03:05.000123Z web-3 | x\n";
        check(third(Form::Prefix), b"x\n", text, 0);
        let text = "2026-11-26T14:03:05.000123Z x\n";
        check(third(Form::Raw), b"x\n", text, 0);
        let odd = plan(b"a\n\"", false);
        check(source(&odd, Form::Prefix), b"x\n", "a\\x0a\" | x\n", 0);
        let text = "{\"service\":\"a\\\\x0a\\\"\",\"stream\":\"stdout\",\"message\":\"x\"}\n";
        check(source(&odd, Form::Json), b"x\n", text, 0);
    }

    #[test]
    fn long_lines_come_in_pieces() {
        let max = "x".repeat(LINE_BYTES_MAX);
        let web = plan(b"web", false);
        let raw = source(&web, Form::Raw);
        check(raw, max.as_bytes(), "", LINE_BYTES_MAX);
        let whole = format!("{max}\n");
        check(raw, whole.as_bytes(), &whole, 0);
        let more = format!("{max}{max}yy\nz");
        let text = format!("{max}\\\n{max}\\\nyy\n");
        check(raw, more.as_bytes(), &text, 1);
        let json = "{\"service\":\"web\",\"stream\":\"stdout\",\"message\":\"";
        let text = format!("{json}{max}\",\"partial\":true}}\n{json}y\"}}\n");
        let input = format!("{max}y\n");
        check(source(&web, Form::Json), input.as_bytes(), &text, 0);
        // A character that does not fit goes to the next piece whole.
        for before in 1..4 {
            let head = "x".repeat(LINE_BYTES_MAX - before);
            let text = format!("{head}\\\n\u{1f437}\n");
            let input = format!("{head}\u{1f437}\n");
            check(raw, input.as_bytes(), &text, 0);
        }
        // Nothing but continuation bytes is cut all the same.
        let (text, _) = written(raw, &[0x80; LINE_BYTES_MAX + 1]);
        assert_eq!(text.len(), LINE_BYTES_MAX - 3 + 2);
    }

    #[test]
    fn json_strings_are_valid_whatever_they_hold() {
        for (bytes, escaped) in [
            (&b"plain text"[..], "plain text"),
            (b"\"\\\x1f\x7f\x00\t", "\\\"\\\\\\u001f\x7f\\u0000\\u0009"),
            (b"\x0f\x10", "\\u000f\\u0010"),
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
            let mut memory = [0; 64];
            let mut buffer = Buffer::new(&mut memory);
            buffer.put_escaped(bytes);
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
            for byte in [0, 9, 11, 13, 0x8a, 0xff] {
                assert_eq!(newline(&std::vec![byte; len]), len);
            }
        }
    }

    #[test]
    fn no_more_lines_than_the_limit_has_room_for() {
        let web = plan(b"web", false);
        let raw = source(&web, Form::Raw);
        for (limit, done) in [(10, 9), (9, 6), (6, 3), (1, 3)] {
            let mut bytes = [0; 20];
            let taken = put_lines(&mut bytes, b"ab\ncd\nef\n", &raw, limit);
            assert_eq!(taken, (done, 1 + done));
        }
        // An empty line is a line.
        assert_eq!(put_lines(&mut [0; 20], b"\n\n", &raw, 1), (1, 2));
        let mut bytes = std::vec![0; PIECE_BYTES_MAX];
        let long = plan(&[b'"'; 10_000], true);
        let input = [0; LINE_BYTES_MAX + 1];
        let json = source(&long, Form::Json);
        let (taken, size) = put_lines(&mut bytes, &input, &json, 0);
        assert!(taken > 0 && size <= bytes.len());
    }

    #[test]
    fn a_buffer_that_overflows_is_empty() {
        let mut bytes = [0; 4];
        let mut buffer = Buffer::new(&mut bytes);
        buffer.put(b"abc");
        buffer.put(b"de");
        buffer.put(b"f");
        assert_eq!(buffer.text(), b"");
        assert_eq!(bytes, *b"abc\0");
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
            (253_402_300_799, "9999-12-31T23:59:59.000000Z"),
            (253_402_300_800, "9999-12-31T00:00:00.000000Z"),
        ] {
            let mut bytes = [0; 64];
            let mut buffer = Buffer::new(&mut bytes);
            let utc = plan(b"utc", true);
            buffer.put_time(&Source {
                time: (seconds, 0),
                ..source(&utc, Form::Raw)
            });
            assert_eq!(
                std::str::from_utf8(buffer.text()).unwrap().to_string(),
                text
            );
        }
        let mut expected = (1970, 1, 1);
        for days in 0..150_000 {
            let (year, month, day) = expected;
            assert_eq!(date(days), (year * 100 + month) * 100 + day);
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
