//! The lines of a plan's file: sections, and keys with their values (DESIGN §9).

use crate::words::text::take;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// `[name]`.
    Section(&'a [u8]),
    /// `key = value`; the value with the lines that continue it, comments and all.
    Pair(&'a [u8], &'a [u8]),
    /// Neither.
    Neither(&'a [u8]),
}

/// Reads a text line by line.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    /// What has not been read yet.
    pub rest: &'a [u8],
    /// How many lines have been.
    pub line: u32,
}

impl<'a> Lines<'a> {
    /// Adds the lines that begin with white space to a value that begins `value`.
    fn continued(&mut self, value: &'a [u8], after: &'a [u8]) -> &'a [u8] {
        let mut len = value.len();
        while let [b' ' | b'\t', ..] = self.rest {
            take(&mut self.rest, b'\n');
            self.line += 1;
            len = after.len() - self.rest.len();
        }
        after.get(..len).unwrap_or(value)
    }
}

/// Each line that says something, with its number.
impl<'a> Iterator for Lines<'a> {
    type Item = (u32, Entry<'a>);

    fn next(&mut self) -> Option<(u32, Entry<'a>)> {
        while !self.rest.is_empty() {
            let whole = self.rest;
            let text = take(&mut self.rest, b'\n');
            self.line += 1;
            let line = self.line;
            match text.trim_ascii() {
                [] | [b'#' | b';', ..] => (),
                [b'[', named @ ..] => {
                    let mut behind = named;
                    let name = take(&mut behind, b']');
                    let comment = matches!(behind.trim_ascii_start(), [] | [b'#' | b';', ..]);
                    let entry = if comment && name.len() < named.len() {
                        Entry::Section(name.trim_ascii())
                    } else {
                        Entry::Neither(text.trim_ascii())
                    };
                    return Some((line, entry));
                }
                trimmed => {
                    let mut value = text;
                    let key = take(&mut value, b'=');
                    if key.len() == text.len() || text.first().is_some_and(u8::is_ascii_whitespace)
                    {
                        return Some((line, Entry::Neither(trimmed)));
                    }
                    let after = whole.get(key.len() + 1..).unwrap_or(&[]);
                    let value = self.continued(value, after);
                    return Some((line, Entry::Pair(key.trim_ascii(), value)));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn entries(text: &str) -> Vec<(u32, Entry<'_>)> {
        let rest = text.as_bytes();
        Lines { rest, line: 0 }.collect()
    }

    #[test]
    fn lines() {
        let text = "# c\r\n\n[a] # c\nrun = x\n  y # z\n\n; c\nb=\n[c\n[d] e\nf\n g = h\nlast = 1";
        let expected = [
            (3, Entry::Section(b"a".as_slice())),
            (4, Entry::Pair(b"run", b" x\n  y # z\n")),
            (8, Entry::Pair(b"b", b"")),
            (9, Entry::Neither(b"[c")),
            (10, Entry::Neither(b"[d] e")),
            (11, Entry::Neither(b"f")),
            (12, Entry::Neither(b"g = h")),
            (13, Entry::Pair(b"last", b" 1")),
        ];
        assert_eq!(entries(text), expected);
    }
}
