//! Reading text: numbers, words, and the parts between separators.

use core::ffi::CStr;

use super::packed::Text;

/// Reads a decimal number: digits only, at least one, no overflow.
pub fn number(digits: &[u8]) -> Option<u64> {
    let mut rest = digits;
    leading_number(&mut rest).filter(|_| rest.is_empty())
}

/// Takes the decimal number off the start: at least one digit, no overflow.
#[inline(never)]
pub fn leading_number(text: &mut &[u8]) -> Option<u64> {
    let len = text.len();
    let mut value: u64 = 0;
    while let [digit @ b'0'..=b'9', behind @ ..] = *text {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        *text = behind;
    }
    (text.len() < len).then_some(value)
}

/// Takes the integer off the start as strtol(3) reads it; nothing if there is no digit or the
/// number is too large.
#[inline(never)]
pub fn leading_integer(text: &mut &[u8]) -> Option<i64> {
    *text = trim_start(text);
    let negative = take_if(text, b'-');
    if !negative {
        take_if(text, b'+');
    }
    let number = i64::try_from(leading_number(text)?).ok()?;
    Some(if negative { -number } else { number })
}

/// The index of `word` among `words`, which single spaces separate; upper and lower case are alike.
pub fn place(words: Text, word: &[u8]) -> Option<usize> {
    let mut words = words.read();
    let mut place = 0;
    let mut rest = word;
    loop {
        let next = words.next();
        let Some(letter) = next.filter(|letter| *letter != b' ') else {
            if rest.is_empty() {
                return Some(place);
            }
            next?;
            place += 1;
            rest = word;
            continue;
        };
        rest = match rest {
            [first, behind @ ..] if letter.eq_ignore_ascii_case(first) => behind,
            // No letter is a space, so the rest of this word cannot match.
            _ => b" ",
        };
    }
}

/// Whether the text is this word.
#[inline(never)]
pub fn is(text: &[u8], word: &str) -> bool {
    text == word.as_bytes()
}

/// Takes what precedes the first `separator` off the text, and the separator with it; all of the text
/// if there is none.
pub fn take<'a>(text: &mut &'a [u8], separator: u8) -> &'a [u8] {
    let whole = *text;
    let mut len = 0;
    while let [byte, rest @ ..] = *text {
        *text = rest;
        if *byte == separator {
            break;
        }
        len += 1;
    }
    &whole[..len]
}

/// Takes `byte` off the text if the text begins with it, and returns whether it did.
#[inline(never)]
pub fn take_if(text: &mut &[u8], byte: u8) -> bool {
    match *text {
        [first, rest @ ..] if *first == byte => {
            *text = rest;
            true
        }
        _ => false,
    }
}

/// The text without the white space at its start, which is that of isspace(3).
#[inline(never)]
pub fn trim_start(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [b' ' | b'\t'..=b'\r', behind @ ..] = rest {
        rest = behind;
    }
    rest
}

/// The text without the white space at its end.
#[inline(never)]
pub fn trim_end(text: &[u8]) -> &[u8] {
    text.trim_ascii_end()
}

/// The text without the white space at its ends.
#[inline(never)]
pub fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// The text before the first NUL as a string; empty if there is no NUL.
#[inline(never)]
pub fn string(text: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(text).unwrap_or(c"")
}

/// What precedes the first `separator`, and what follows it; without one, all of the text and nothing.
pub fn cut(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut rest = text;
    (take(&mut rest, separator), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(b"+1"), None);
    }
}
