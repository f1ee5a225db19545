//! The lines of a plan file: sections, and keys with their values (pidlet.conf(5), Lines).

use crate::words::text::{take, trim};

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[name]`; the name is the value.
    Section,
    /// `key = value`; the value with the lines that continue it, comments and all.
    Pair,
    /// Neither; the line is the value.
    Neither,
    /// There are no more lines.
    End,
}

/// What a line says.
pub struct Entry<'a> {
    /// Its number.
    pub line: u32,
    /// Its key, or nothing.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl Entry<'_> {
    /// Before the first line.
    pub const NONE: Entry<'static> = Entry {
        line: 0,
        key: b"",
        value: b"",
    };
}

/// Reads a text line by line.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    /// What has not been read yet.
    rest: &'a [u8],
    /// How many lines have been read.
    count: u32,
}

impl<'a> Lines<'a> {
    /// Nothing of `text` has been read yet.
    pub fn new(text: &'a [u8]) -> Lines<'a> {
        Lines {
            rest: text,
            count: 0,
        }
    }

    /// Reads on to the next line that says something.
    #[inline(never)]
    pub fn read(&mut self, entry: &mut Entry<'a>) -> Kind {
        while !self.rest.is_empty() {
            let whole = self.rest;
            let text = take(&mut self.rest, b'\n');
            self.count = self.count.wrapping_add(1);
            (entry.line, entry.key, entry.value) = (self.count, b"", trim(text));
            match entry.value {
                [] | [b'#' | b';', ..] => continue,
                [b'[', named @ ..] => {
                    let mut behind = named;
                    let name = take(&mut behind, b']');
                    let closed = name.len() < named.len();
                    if let ([] | [b'#' | b';', ..], true) = (trim(behind), closed) {
                        entry.value = trim(name);
                        return Kind::Section;
                    }
                }
                _ => {
                    let mut value = text;
                    let key = take(&mut value, b'=');
                    let indented = text.first().is_some_and(u8::is_ascii_whitespace);
                    if key.len() < text.len() && !indented {
                        // Lines that begin with white space continue it.
                        while let [b' ' | b'\t', ..] = self.rest {
                            take(&mut self.rest, b'\n');
                            self.count = self.count.wrapping_add(1);
                            value = whole.get(..whole.len() - self.rest.len()).unwrap_or(b"");
                            take(&mut value, b'=');
                        }
                        entry.key = trim(key);
                        entry.value = value;
                        return Kind::Pair;
                    }
                }
            }
            return Kind::Neither;
        }
        Kind::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn entries(text: &str) -> Vec<(u32, Kind, &[u8], &[u8])> {
        let mut lines = Lines::new(text.as_bytes());
        let mut entries = Vec::new();
        let mut entry = Entry::NONE;
        loop {
            match lines.read(&mut entry) {
                Kind::End => break,
                kind => entries.push((entry.line, kind, entry.key, entry.value)),
            }
        }
        entries
    }

    #[test]
    fn lines() {
        let text = "# c\r\n\n[a] # c\nrun = x\n  y # z\n\n; c\nb=\n[c\n[d] e\nf\n g = h\nlast = 1";
        let expected: [(_, _, &[u8], &[u8]); 8] = [
            (3, Kind::Section, b"", b"a"),
            (4, Kind::Pair, b"run", b" x\n  y # z\n"),
            (8, Kind::Pair, b"b", b""),
            (9, Kind::Neither, b"", b"[c"),
            (10, Kind::Neither, b"", b"[d] e"),
            (11, Kind::Neither, b"", b"f"),
            (12, Kind::Neither, b"", b"g = h"),
            (13, Kind::Pair, b"last", b" 1"),
        ];
        assert_eq!(entries(text), expected);
    }
}
