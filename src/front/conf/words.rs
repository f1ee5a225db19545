//! Values split into words as a shell splits them, and variables in them expanded (DESIGN §9).
//!
//! What a variable holds is never split again: it stays in the word that it stands in.

use core::ffi::CStr;

use super::super::Question;
use crate::plan::Command;
use crate::words::errno::Errno;
use crate::words::list::room;
use crate::words::packed::Text;
use crate::words::text::{Line, take};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong<'a> {
    /// With what; nothing where the key says it all.
    pub part: &'a [u8],
    /// The words; a `#` stands for `more`.
    pub text: Text,
    /// What one can choose from.
    pub more: &'a [u8],
    /// What the kernel answered; 0 where it was not asked.
    pub errno: Errno,
    /// The name that may have been meant.
    pub near: &'a [u8],
}

impl<'a> Wrong<'a> {
    /// These words are what is wrong with `part`.
    pub const fn of(part: &'a [u8], text: Text) -> Wrong<'a> {
        Wrong {
            part,
            text,
            more: b"",
            errno: Errno(0),
            near: b"",
        }
    }
}

/// Splits values.
#[derive(Clone, Copy)]
pub struct Splitter<'q, 'a> {
    /// Has the environment.
    question: &'q Question<'a>,
    /// What `%i` stands for; `None` where there are no instances, and `%` is a character.
    instance: Option<u32>,
}

/// Takes the bytes of words, each with a NUL at its end; without room it only counts.
struct Taker<'a> {
    room: &'a mut [u8],
    len: usize,
    words: usize,
    /// A word has begun.
    inside: bool,
}

impl Taker<'_> {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.room.get_mut(self.len) {
            *place = byte;
        }
        self.len += 1;
        self.inside = true;
    }

    fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
        self.inside = true;
    }

    fn end(&mut self) {
        if self.inside {
            self.push(0);
            self.inside = false;
            self.words += 1;
        }
    }
}

impl<'q, 'a> Splitter<'q, 'a> {
    /// A splitter that asks for variables, and has a number for `%i`.
    pub fn new(question: &'q Question<'a>, instance: Option<u32>) -> Splitter<'q, 'a> {
        Splitter { question, instance }
    }

    /// The words of a value.
    #[inline(never)]
    pub fn split(&self, value: &'a [u8]) -> Result<Command<'a>, Wrong<'a>> {
        let mut taker = Taker {
            room: &mut [],
            len: 0,
            words: 0,
            inside: false,
        };
        self.scan(value, &mut taker)?;
        let (len, words) = (taker.len, room::<&CStr>(c"", taker.words));
        let bytes: &'a mut [u8] = room(0, len);
        let mut taker = Taker {
            room: bytes,
            len: 0,
            words: 0,
            inside: false,
        };
        self.scan(value, &mut taker)?;
        let mut rest: &'a [u8] = taker.room;
        for word in &mut *words {
            if let Ok(text) = CStr::from_bytes_until_nul(rest) {
                *word = text;
            }
            take(&mut rest, 0);
        }
        Ok(words)
    }

    fn scan(&self, value: &'a [u8], taker: &mut Taker) -> Result<(), Wrong<'a>> {
        let mut rest = value;
        let mut quoted = false;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            match *byte {
                b'\\' => {
                    let [next, behind @ ..] = rest else {
                        taker.push(b'\\');
                        break;
                    };
                    rest = behind;
                    if quoted && !matches!(next, b'"' | b'\\' | b'$' | b'`' | b'\n') {
                        taker.push(b'\\');
                    }
                    if *next != b'\n' {
                        taker.push(*next);
                    }
                }
                b'"' => {
                    quoted = !quoted;
                    taker.inside = true;
                }
                b'\'' if !quoted => {
                    let len = rest.len();
                    let text = take(&mut rest, b'\'');
                    if text.len() == len {
                        return Err(Wrong::of(b"", text!("a ' is not closed")));
                    }
                    taker.extend(text);
                }
                b'$' => rest = self.expand(rest, taker)?,
                b'%' if self.instance.is_some() && matches!(rest, [b'i' | b'%', ..]) => {
                    let mut number = Line::new();
                    if rest.first() == Some(&b'i') {
                        number.put_number(self.instance.unwrap_or(0).into());
                    } else {
                        number.push(b'%');
                    }
                    taker.extend(number.text());
                    rest = rest.get(1..).unwrap_or(&[]);
                }
                b' ' | b'\t' | b'\r' | b'\n' if !quoted => taker.end(),
                b'#' if !quoted && !taker.inside => _ = take(&mut rest, b'\n'),
                other => taker.push(other),
            }
        }
        if quoted {
            return Err(Wrong::of(b"", text!("a \" is not closed")));
        }
        taker.end();
        Ok(())
    }

    /// Expands what stands behind a `$`; what is behind that is returned.
    fn expand(&self, rest: &'a [u8], taker: &mut Taker) -> Result<&'a [u8], Wrong<'a>> {
        let name_len = |text: &[u8]| {
            let part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
            text.iter().take_while(part).count()
        };
        let (name, default, behind) = match rest {
            [b'$', behind @ ..] => {
                taker.push(b'$');
                return Ok(behind);
            }
            [b'{', inner @ ..] => {
                let mut behind = inner;
                let inner = take(&mut behind, b'}');
                let (name, default) = inner.split_at(name_len(inner));
                let default = match default {
                    [] if rest.len() > inner.len() + 1 => None,
                    [b':', b'-', default @ ..] => Some(default),
                    _ => {
                        return Err(Wrong::of(
                            inner,
                            text!("after ${: NAME} or NAME:-default} is expected"),
                        ));
                    }
                };
                (name, default, behind)
            }
            _ => {
                let (name, behind) = rest.split_at(name_len(rest));
                if name.is_empty() {
                    taker.push(b'$');
                    return Ok(rest);
                }
                (name, None, behind)
            }
        };
        let value = self.question.variable(name);
        // As in a shell, `:-` is for an empty one, too.
        match value
            .filter(|value| !value.is_empty() || default.is_none())
            .or(default)
        {
            Some(value) => taker.extend(value),
            None => {
                return Err(Wrong::of(name, text!("this variable is not set")));
            }
        }
        Ok(behind)
    }
}
