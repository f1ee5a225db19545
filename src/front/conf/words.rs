//! Values split into words as a shell does it, with variables expanded (pidlet.conf(5), Words).
//!
//! A variable's value is never split: it stays in the word in which the variable stands.

use core::ffi::CStr;

use super::Reader;
use super::faults::Fault;
use crate::plan::Command;
use crate::words::list::{List, array};
use crate::words::text::{string, take, take_if};

/// Words being built.
pub struct Words<'a> {
    /// Their bytes, with a NUL at the end of each word.
    bytes: List<'a, u8>,
    /// A word has begun.
    inside: bool,
}

impl<'a> Words<'a> {
    /// None yet.
    pub fn new() -> Words<'a> {
        Words {
            bytes: List::none(),
            inside: false,
        }
    }

    /// Adds a byte to the word.
    #[inline(never)]
    pub fn push(&mut self, byte: u8) {
        self.bytes.add(byte);
        self.inside = true;
    }

    /// Adds bytes to the word, those before a NUL if there is one.
    #[inline(never)]
    pub fn put(&mut self, bytes: &[u8]) -> &mut Words<'a> {
        for byte in bytes {
            if *byte == 0 {
                break;
            }
            self.push(*byte);
        }
        self.inside = true;
        self
    }

    /// Adds a number to the word.
    pub fn number(&mut self, number: u32) -> &mut Words<'a> {
        if number >= 10 {
            self.number(number / 10);
        }
        self.push(b'0' + (number % 10) as u8);
        self
    }

    /// Adds a word that is a number.
    #[inline(never)]
    pub fn id(&mut self, id: u32) {
        self.number(id).end();
    }

    /// Ends the word, if one has begun.
    #[inline(never)]
    pub fn end(&mut self) {
        if self.inside {
            self.push(0);
            self.inside = false;
        }
    }

    /// Whether this word is among them.
    pub fn has(&self, word: &[u8]) -> bool {
        let mut rest = &*self.bytes;
        while !rest.is_empty() {
            if take(&mut rest, 0) == word {
                return true;
            }
        }
        false
    }

    /// The words since the last call, kept for ever.
    #[inline(never)]
    pub fn finish(&mut self) -> &'a mut [&'a CStr] {
        self.end();
        let text = array(0, self.bytes.len());
        text.copy_from_slice(&self.bytes);
        let words = array(c"", text.iter().filter(|byte| **byte == 0).count());
        let mut rest: &'a [u8] = text;
        for word in &mut *words {
            *word = string(rest);
            take(&mut rest, 0);
        }
        self.bytes.clear();
        words
    }
}

impl<'a> Reader<'_, '_, 'a> {
    /// The words of a value.
    #[inline(never)]
    pub(super) fn split(&mut self, value: &'a [u8]) -> Option<Command<'a>> {
        let whole = self.scan(value);
        let words = self.words.finish();
        whole.map(|()| &*words)
    }

    fn scan(&mut self, value: &'a [u8]) -> Option<()> {
        let mut rest = value;
        let mut quote = 0;
        self.unset = false;
        while let [byte, behind @ ..] = rest {
            let byte = *byte;
            let (next, after) = match behind {
                [] | [b'\r'] => (0, behind),
                [b'\r', b'\n', after @ ..] => (b'\n', after),
                [next, after @ ..] => (*next, after),
            };
            rest = behind;
            match byte {
                // CR LF is read as a newline alone.
                b'\r' if next == b'\n' => (),
                b'"' | b'\'' if quote == 0 || quote == byte => {
                    quote ^= byte;
                    self.words.inside = true;
                }
                _ if quote == b'\'' => self.words.push(byte),
                b'\\' if next != 0 => {
                    rest = after;
                    if quote != 0 && !matches!(next, b'"' | b'\\' | b'$' | b'`' | b'\n') {
                        self.words.push(byte);
                    }
                    if next != b'\n' {
                        self.words.push(next);
                    }
                }
                b'<' | b'>' | b'`' if quote == 0 => return self.reject_value(Fault::Shell),
                b'$' if quote == 0 && next == b'(' => return self.reject_value(Fault::Shell),
                // Inside a word, which quotes may begin, they are harmless: URLs have `&` and `;`.
                b'|' | b'&' | b';' if quote == 0 && (!self.words.inside || next <= b' ') => {
                    return self.reject_value(Fault::Shell);
                }
                b'$' => rest = self.expand(rest)?,
                b'%' if self.instance > 0 && (next == b'i' || next == b'%') => {
                    rest = after;
                    if next == b'i' {
                        self.instances_differ = true;
                        self.words.number(self.instance);
                    } else {
                        self.words.push(byte);
                    }
                }
                b' ' | b'\t' | b'\r' | b'\n' if quote == 0 => self.words.end(),
                b'#' if !self.words.inside => _ = take(&mut rest, b'\n'),
                other => self.words.push(other),
            }
        }
        match quote {
            0 => (!self.unset).then_some(()),
            b'"' => self.reject_value(Fault::DoubleQuote),
            _ => self.reject_value(Fault::Quote),
        }
    }

    /// Expands what follows a `$`, and returns what is behind it.
    fn expand(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        let (mut inner, mut behind) = (rest, rest);
        let braced = take_if(&mut behind, b'{');
        if braced {
            inner = take(&mut behind, b'}');
        }
        let mut default = inner;
        while let [byte, tail @ ..] = default {
            if !byte.is_ascii_alphanumeric() && *byte != b'_' {
                break;
            }
            default = tail;
        }
        let name = inner.get(..inner.len() - default.len()).unwrap_or(inner);
        if !braced {
            (behind, default) = (default, b"");
            if name.is_empty() {
                self.words.push(b'$');
                take_if(&mut behind, b'$');
                return Some(behind);
            }
        }
        let value = self.settings.question.variable(name);
        if braced && inner.len() + 1 >= rest.len() {
            // Without a closing brace it is a fault, whatever it begins with.
            default = b"{";
        }
        let value = match default {
            [] => value,
            // As in a shell, an empty variable has the default, too. That ends at the first closing brace,
            // so it can have none inside.
            [b':', b'-', default @ ..] if default.iter().all(|byte| *byte != b'{') => {
                value.filter(|value| !value.is_empty()).or(Some(default))
            }
            _ => {
                return self.reject(inner, Fault::Braces);
            }
        };
        match value {
            Some(value) => _ = self.words.put(value),
            None => {
                self.fault_with(name, Fault::Unset);
                self.unset = true;
            }
        }
        Some(behind)
    }
}
