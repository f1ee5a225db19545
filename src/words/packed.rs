//! Our own texts, packed at compile time: unpacked, English would be a fifth of the binary.
//!
//! A packed text is a sequence of one-byte symbols. Printable characters and the newline stand for
//! themselves; every other byte stands for the two to eight symbols that [`PHRASES`] has for it, which
//! may be phrases in turn. No phrase contains the newline, so a packed text has the same lines as the
//! text itself, and one of them is found without unpacking the others.
//!
//! [`text!`](crate::text) packs a literal where it stands. `make dictionary` builds the phrases anew
//! from all texts in the source.

use super::dictionary::{COUNTS, PHRASES};
use super::text::take;

/// A text of ours. It costs nothing to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(&'static [u8]);

/// Reads the characters of a [`Text`].
#[derive(Clone, Debug)]
pub struct Reader {
    rest: &'static [u8],
    /// Symbols that come before `rest`, the first of them in the lowest byte; 0 is none.
    pending: u128,
}

/// How many symbols can be pending while a phrase is read.
pub const PENDING_MAX: usize = size_of::<u128>();

/// A text of printable ASCII and newlines as a [`Text`], packed by the compiler: a literal, or what
/// `concat!` or `include_str!` expands to.
#[macro_export]
macro_rules! text {
    ($text:expr) => {{
        const TEXT: &str = $text;
        const PACKED: ([u8; TEXT.len()], usize) = $crate::words::packed::pack(TEXT);
        const SYMBOLS: [u8; PACKED.1] = $crate::words::packed::front(&PACKED.0);
        $crate::words::packed::Text::packed(&SYMBOLS)
    }};
}

impl Text {
    /// A text that [`pack`] has packed: see [`text!`](crate::text).
    pub const fn packed(symbols: &'static [u8]) -> Text {
        Text(symbols)
    }

    /// A text of printable ASCII and newlines, not packed: these stand for themselves.
    pub const fn plain(text: &'static str) -> Text {
        Text(text.as_bytes())
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The line at `place`, counted from 0, without its newline; empty if there is none.
    pub fn line(self, mut place: usize) -> Text {
        let mut rest = self.0;
        loop {
            let line = take(&mut rest, b'\n');
            if place == 0 {
                return Text(line);
            }
            place -= 1;
        }
    }

    /// Its characters.
    pub const fn read(self) -> Reader {
        Reader {
            rest: self.0,
            pending: 0,
        }
    }

    /// Writes it into `buffer`, as much as there is room for.
    #[inline(never)]
    pub fn unpack(self, buffer: &mut [u8]) -> &[u8] {
        let mut len = 0;
        for byte in self.read() {
            if let Some(place) = buffer.get_mut(len) {
                *place = byte;
                len += 1;
            }
        }
        buffer.get(..len).unwrap_or(&[])
    }
}

impl Reader {
    const fn step(&mut self) -> Option<u8> {
        loop {
            let mut symbol = self.pending as u8;
            self.pending >>= 8;
            if symbol == 0 {
                let [first, rest @ ..] = self.rest else {
                    return None;
                };
                self.rest = rest;
                symbol = *first;
            }
            if !self.expand(symbol) {
                return Some(symbol);
            }
        }
    }

    /// Makes the phrase pending that `symbol` stands for; false if it stands for none.
    #[inline(never)]
    const fn expand(&mut self, symbol: u8) -> bool {
        let (mut at, mut len) = phrase(symbol);
        let is = len > 0;
        while len > 0 && at < PHRASES.len() {
            self.pending = self.pending << 8 | PHRASES[at] as u128;
            at += 1;
            len -= 1;
        }
        is
    }
}

impl Iterator for Reader {
    type Item = u8;

    #[inline(never)]
    fn next(&mut self) -> Option<u8> {
        self.step()
    }
}

/// Where the phrase that `symbol` stands for begins, and its length; 0 if it stands for itself. The
/// newline does so, though it has an unused place in the table.
const fn phrase(symbol: u8) -> (usize, usize) {
    if matches!(symbol, b'\n' | b' '..=b'~') {
        return (0, 0);
    }
    let mut place = (symbol ^ 0x80) as usize;
    let mut begin: usize = 0;
    let mut longer = 0;
    while longer < COUNTS.len() {
        let len = COUNTS.len() + 1 - longer;
        let count = COUNTS[longer] as usize;
        if place < count {
            return (begin.wrapping_add(place.wrapping_mul(len)), len);
        }
        place -= count;
        begin = begin.wrapping_add(count.wrapping_mul(len));
        longer += 1;
    }
    (0, 0)
}

/// Packs a text of `N` bytes into as few symbols as possible: returns an array that begins with them,
/// and their number. What a symbol stands for is found with the reader, so a text comes out as it went
/// in. Runs only in the compiler, which refuses anything but printable ASCII and newlines.
pub const fn pack<const N: usize>(text: &str) -> ([u8; N], usize) {
    let text = text.as_bytes();
    // From the end to the start: the best symbol at each place, the place behind what it stands for,
    // and the fewest symbols from this place to the end.
    let (mut best, mut behind, mut fewest) = ([0; N], [N; N], [0; N]);
    let mut at = N;
    while at > 0 {
        at -= 1;
        let first = text[at];
        assert!(
            matches!(first, b'\n' | b' '..=b'~'),
            "a text is printable ASCII"
        );
        fewest[at] = usize::MAX;
        let mut candidate = first;
        loop {
            let meaning = &MEANINGS[candidate as usize];
            let mut len = 1;
            while at + len < N && text[at + len] == meaning[len] {
                len += 1;
            }
            if meaning[len] == 0 {
                let end = at + len;
                let count = if end < N { 1 + fewest[end] } else { 1 };
                if count < fewest[at] {
                    (best[at], behind[at], fewest[at]) = (candidate, end, count);
                }
            }
            candidate = BEFORE[candidate as usize];
            if candidate == first {
                break;
            }
        }
    }
    let mut symbols = [0; N];
    let mut len = 0;
    while at < N {
        symbols[len] = best[at];
        at = behind[at];
        len += 1;
    }
    (symbols, len)
}

/// A circular list for each character: it leads to the last phrase that begins with it, a phrase to
/// the one before it that begins with the same character, and the first of them back to the character.
const BEFORE: &[u8; 256] = &{
    let mut before = [0; 256];
    let mut character = 0;
    while character < 256 {
        before[character] = character as u8;
        character += 1;
    }
    let mut symbol = 0;
    while symbol < 256 {
        let first = MEANINGS[symbol][0] as usize;
        if first != symbol {
            before[symbol] = before[first];
            before[first] = symbol as u8;
        }
        symbol += 1;
    }
    before
};

/// What each symbol stands for, padded with zeros.
const MEANINGS: &[[u8; MEANING_BYTES_MAX + 1]; 256] = &{
    let mut meanings = [[0; MEANING_BYTES_MAX + 1]; 256];
    let mut symbol = 0;
    while symbol < 256 {
        let mut reader = Reader {
            rest: &[],
            pending: symbol as u128,
        };
        let mut len = 0;
        while let Some(byte) = reader.step() {
            meanings[symbol][len] = byte;
            len += 1;
        }
        assert!(len <= MEANING_BYTES_MAX);
        symbol += 1;
    }
    meanings
};

/// The most characters that a symbol may stand for.
const MEANING_BYTES_MAX: usize = 31;

/// The first bytes of an array.
pub const fn front<const N: usize>(all: &[u8]) -> [u8; N] {
    let mut front = [0; N];
    let mut place = 0;
    while place < N {
        front[place] = all[place];
        place += 1;
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::errno::Errno;
    use std::vec::Vec;

    #[track_caller]
    fn check(text: Text, expected: &str) {
        assert_eq!(text.read().collect::<Vec<_>>(), expected.as_bytes());
        let mut buffer = [0; 4096];
        assert_eq!(text.unpack(&mut buffer), expected.as_bytes());
    }

    /// The phrase that a symbol stands for, its last symbol first.
    fn parts(symbol: u8) -> &'static [u8] {
        let (begin, len) = phrase(symbol);
        &PHRASES[begin..begin + len]
    }

    /// How many symbols are pending at most while `symbol` is read.
    fn pending(symbol: u8) -> usize {
        let behind = parts(symbol).iter().zip(0..);
        let each = behind.map(|(part, behind)| behind + pending(*part));
        each.max().unwrap_or(0)
    }

    #[test]
    fn the_dictionary_is_well_formed() {
        let mut last = 0;
        for symbol in (0x80..=0xff)
            .chain(1..0x20)
            .filter(|symbol| *symbol != b'\n')
        {
            for part in parts(symbol) {
                assert!(
                    matches!(part, b' '..=b'~') || !parts(*part).is_empty(),
                    "{symbol}"
                );
            }
            assert!(
                !parts(symbol).is_empty() && pending(symbol) <= PENDING_MAX,
                "{symbol}"
            );
            let (begin, len) = phrase(symbol);
            last = begin + len;
        }
        assert_eq!(last, PHRASES.len());
        for literal in (b' '..=b'~').chain([b'\n', 0x7f]) {
            assert!(parts(literal).is_empty());
        }
    }

    #[test]
    fn texts_come_out_as_they_went_in() {
        check(text!(""), "");
        check(text!("x"), "x");
        check(text!("aaaaaaa"), "aaaaaaa");
        let all = concat!(
            " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`",
            "abcdefghijklmnopqrstuvwxyz{|}~\n"
        );
        check(
            text!(concat!(
                " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`",
                "abcdefghijklmnopqrstuvwxyz{|}~\n"
            )),
            all,
        );
        check(Text::plain(all), all);
        let license = include_str!("../../LICENSE-MIT");
        check(text!(include_str!("../../LICENSE-MIT")), license);
        assert_eq!(text!("cannot").unpack(&mut [0; 3]), b"can");
    }

    /// A dictionary that no longer fits the texts should be made anew; these are some of the program's own.
    #[test]
    fn packing_pays() {
        let texts = (1..=40).filter_map(|number| Errno(number).text());
        let (packed, whole) = texts.fold((0, 0), |(packed, whole), text| {
            (packed + text.0.len(), whole + text.read().count())
        });
        assert!(
            packed * 3 < whole * 2,
            "{packed} of {whole}: see `make dictionary`"
        );
    }

    #[test]
    fn lines_are_those_of_the_text() {
        let text = text!("one cannot\n\nthe process\n");
        for (place, line) in ["one cannot", "", "the process", "", ""].iter().enumerate() {
            check(text.line(place), line);
        }
    }
}
