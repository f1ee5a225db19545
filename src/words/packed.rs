//! Our own texts, packed when the program is compiled: English is a fifth of the binary else.
//!
//! A packed text is a row of symbols of one byte. A printable character and the newline stand for
//! themselves; every other byte stands for the two symbols that [`PAIRS`] has for it, which may be
//! pairs again. (Byte pair encoding: P. Gage, The C Users Journal 12/2, 1994.) The newline is in no
//! pair, so a packed text has the lines of the text itself, and one of them is found without
//! unpacking the others.
//!
//! [`text!`](crate::text) packs a literal where it stands. `make dictionary` makes the pairs anew
//! from all texts that the source has.

use super::dictionary::PAIRS;
use super::text::take;

/// A text of ours. It costs nothing to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(&'static [u8]);

/// Reads the characters of a [`Text`].
#[derive(Clone, Debug)]
pub struct Reader {
    rest: &'static [u8],
    /// Symbols that come before `rest`, the first of them in the lowest byte; 0 is none.
    pending: u64,
}

/// How many symbols can be pending while a pair is read.
pub const PENDING_MAX: usize = size_of::<u64>();

/// A text of printable ASCII and newlines as a [`Text`], packed by the compiler: a literal, or
/// what `concat!` or `include_str!` make of some.
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

    /// A text as it is: printable ASCII, newlines and NUL stand for themselves in a packed text, too.
    pub const fn plain(text: &'static str) -> Text {
        Text(text.as_bytes())
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The line at `place`, counted from 0, without its newline; nothing where there is none.
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

    /// Writes it into `room`, as much as there is room for.
    #[inline(never)]
    pub fn unpack(self, room: &mut [u8]) -> &[u8] {
        let mut len = 0;
        for byte in self.read() {
            if let Some(place) = room.get_mut(len) {
                *place = byte;
                len += 1;
            }
        }
        room.get(..len).unwrap_or(&[])
    }
}

impl Reader {
    const fn step(&mut self) -> Option<u8> {
        let mut symbol = self.pending as u8;
        self.pending >>= 8;
        if symbol == 0 {
            let [first, rest @ ..] = self.rest else {
                return None;
            };
            self.rest = rest;
            symbol = *first;
        }
        while let Some([left, right]) = pair(symbol) {
            self.pending = self.pending << 8 | right as u64;
            symbol = left;
        }
        Some(symbol)
    }
}

impl Iterator for Reader {
    type Item = u8;

    #[inline(never)]
    fn next(&mut self) -> Option<u8> {
        self.step()
    }
}

/// The symbol of the pair at `place` of the dictionary: 0x80 to 0xff, then 0x00 to 0x1f.
const fn symbol(place: usize) -> u8 {
    place as u8 ^ 0x80
}

/// What `symbol` stands for if it is a pair.
const fn pair(symbol: u8) -> Option<[u8; 2]> {
    let place = (symbol ^ 0x80) as usize;
    // The newline and NUL have places, too: no pair ends with a NUL.
    if place < PAIRS.len() && PAIRS[place][1] != 0 {
        Some(PAIRS[place])
    } else {
        None
    }
}

/// Packs a text of `N` bytes into as few symbols as can be: they are the first ones of the array,
/// and their number comes with it. What they stand for is what the reader makes of them, so it
/// comes out as it went in. For the compiler only, which refuses what is no text.
pub const fn pack<const N: usize>(text: &str) -> ([u8; N], usize) {
    let text = text.as_bytes();
    // From the end to the start: the symbol that is best at each place, the place behind what it
    // stands for, and how many symbols it takes from there to the end.
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

/// Each character leads to the last pair that begins with it, a pair to the one before it that
/// begins with the same character, and the first of them back to the character.
const BEFORE: &[u8; 256] = &{
    let mut before = [0; 256];
    let mut character = 0;
    while character < 256 {
        before[character] = character as u8;
        character += 1;
    }
    let mut place = 0;
    while place < PAIRS.len() {
        let mut first = symbol(place);
        while let Some([left, _]) = pair(first) {
            first = left;
        }
        if pair(symbol(place)).is_some() {
            before[symbol(place) as usize] = before[first as usize];
            before[first as usize] = symbol(place);
        }
        place += 1;
    }
    before
};

/// What each symbol stands for, with zeros behind it.
const MEANINGS: &[[u8; MEANING_BYTES_MAX + 1]; 256] = &{
    let mut meanings = [[0; MEANING_BYTES_MAX + 1]; 256];
    let mut symbol = 0;
    while symbol < 256 {
        let mut reader = Reader {
            rest: &[],
            pending: symbol as u64,
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
        let mut room = [0; 4096];
        assert_eq!(text.unpack(&mut room), expected.as_bytes());
    }

    /// How many symbols are pending at most while `symbol` is read.
    fn pending(symbol: u8) -> usize {
        match pair(symbol) {
            Some([left, right]) => (1 + pending(left)).max(pending(right)),
            None => 0,
        }
    }

    #[test]
    fn the_dictionary_is_well_formed() {
        let place_of = |symbol: u8| usize::from(symbol ^ 0x80);
        for place in 0..PAIRS.len() {
            let Some(parts) = pair(symbol(place)) else {
                continue;
            };
            for part in parts {
                let earlier = pair(part).is_some() && place_of(part) < place;
                assert!(matches!(part, b' '..=b'~') || earlier, "pair {place}");
            }
            assert!(pending(symbol(place)) <= PENDING_MAX, "pair {place}");
        }
        for literal in (b' '..=b'~').chain([b'\n', 0, 0x7f]) {
            assert_eq!(pair(literal), None);
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

    /// A dictionary that fits the texts no more should be made anew: here some that are the program's own.
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
