//! Reads the values of a section's keys, and says what is expected of those and of options.

#[cfg(test)]
use crate::plan::Key;
use crate::plan::{Command, GROUPS_MAX, Probe, behind, capability, spec};
use crate::words::packed::Text;
use crate::words::text::{leading_integer, place};
use crate::words::time::Span;

/// Declares each kind of value that expects something: its letter, and what it expects.
macro_rules! kinds {
    ($($letter:literal $line:literal)*) => {
        const LETTERS: &[u8] = &[$($letter),*];
        const EXPECTED: Text = text!(concat!($($line, "\n"),*));
    };
}

// What may be chosen, from the key's own line, follows: see `src/plan/keys.rs`. Other kinds expect a path.
kinds! {
    b'p' "expected a path"
    b'b' "expected yes or no"
    b'c' "expected one of: "
    b'D' "expected a duration, such as 500ms, 8s, 2m or 1h"
    b'n' "expected a number from "
    b's' "expected a size, such as 64K, 10M or 1G"
    b'r' "expected a number, unlimited, or two of them as soft:hard"
    b'o' "expected an octal number from 0 to 777"
    b'x' "expected signals and perhaps a duration, such as QUIT TERM 5s"
    b't' "expected N in DURATION, such as 5 in 60s"
    b'k' "expected FIRST..LONGEST, two durations"
    b'y' "expected one of: exec:COMMAND, file:PATH, unix:PATH, tcp:[IP:]PORT, http://IP:PORT/PATH"
    b'v' "expected capabilities, or none"
    b'O' "expected one of: inherit, null, file:PATH"
    b'e' "expected NAME=VALUE, or NAME to unset it"
    b'u' "expected NAME, UID, NAME:GROUP or UID:GID"
    b'g' "expected at most 256 groups"
    // The rest are for options only: see `Setting::expected`.
    b' ' ""
    b'U' "expected any, all or failure"
    b'L' "expected inherit, prefix or json"
    b'S' "expected a signal, such as TERM or 15"
    b'W' "expected FROM:TO, two signals, or FROM:0 to drop one"
    b'C' "expected an exit code from 0 to 255"
    b'X' "expected a word"
    b'Q' "expected a number from 0 to 9"
}

/// What stands between the bounds of a number.
const TO: &str = " to ";

/// The value as the number that [`crate::plan::Pair`] keeps; `None` if it is wrong.
#[inline(never)]
pub fn read(kind: u8, choices: &'static [u8], words: Command) -> Option<u64> {
    let said = match kind {
        b'w' | b'N' => return Some(0),
        b'g' => return (words.len() <= GROUPS_MAX).then_some(0),
        b'x' => return spec::stop(words),
        b't' => return spec::tries(words),
        b'y' => {
            let number = Probe::parse(words)?.number();
            return (number == Probe::REPEATABLE || !choices.is_empty()).then_some(number);
        }
        b'e' => {
            let named = |text: &[u8]| !matches!(text, [] | [b'=', ..]);
            return words.iter().all(|word| named(word.to_bytes())).then_some(0);
        }
        b'v' => {
            let mut set = 0;
            for text in words.iter().map(|word| word.to_bytes()) {
                match capability(text) {
                    Some(number) => set |= 1 << number,
                    None if words.len() == 1 && place(text!("none"), text).is_some() => (),
                    None => return None,
                }
            }
            return Some(set);
        }
        _ => match words {
            [word] if !word.is_empty() => word,
            _ => return None,
        },
    };
    let text = said.to_bytes();
    match kind {
        b'c' => place(Text::packed(choices), text).map(|place| place as u64),
        b'b' => times(text).filter(|times| *times < 2).map(u64::from),
        b'D' => Span::parse(text)
            .map(|span| span.0)
            .filter(|ms| *ms > 0 || choices.is_empty()),
        b'n' => {
            let mut rest = text;
            let number = leading_integer(&mut rest)?;
            let mut bounds = choices;
            let least = leading_integer(&mut bounds)?;
            let most = leading_integer(&mut bounds.get(TO.len()..)?)?;
            let fits = rest.is_empty() && (least..=most).contains(&number);
            fits.then_some(number as u64)
        }
        b's' => spec::size(text),
        b'r' => limit(text, choices.is_empty()),
        b'k' => spec::backoff(text),
        b'o' => {
            let mut mode = 0;
            for digit in text {
                mode = mode << 3 | u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 8)?);
                if mode > 0o777 {
                    return None;
                }
            }
            Some(mode)
        }
        b'O' => match place(text!("inherit null"), text) {
            Some(place) => Some(place as u64),
            None if behind(said, "file:").is_some() => Some(2),
            None => behind(said, "service:")
                .filter(|_| !choices.is_empty())
                .map(|_| 3),
        },
        // A path, or something that is looked up elsewhere.
        _ => Some(0),
    }
}

/// A resource limit. For processor time `10m` would be a size of so many seconds, and not ten minutes.
fn limit(text: &[u8], may_be_size: bool) -> Option<u64> {
    let sized = |pair: &[u8]| matches!(pair, [b'0'..=b'9', b'A'..=b'z']);
    let fits = may_be_size || !text.windows(2).any(sized);
    (fits && spec::limit(text).is_some()).then_some(0)
}

/// What is expected of a value of this kind.
#[inline(never)]
pub fn expected(kind: u8) -> Text {
    let place = LETTERS.iter().position(|known| *known == kind);
    EXPECTED.line(place.unwrap_or(0))
}

/// How often something is set: a switch once or not at all, a count up to nine times.
pub fn times(text: &[u8]) -> Option<u32> {
    // After the ten digits every other word means no, beginning with the empty one.
    let place = place(text!("0 1 2 3 4 5 6 7 8 9  yes no true false on off"), text)? as u32;
    Some(if place < 10 { place } else { place % 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_says_what_it_expects() {
        for n in 0.. {
            let Some(name) = Key::nth_name(n) else {
                break;
            };
            let Some((key, kind, choices)) = Key::find(name) else {
                continue;
            };
            if b"wN".contains(&kind) {
                continue;
            }
            assert!(LETTERS.contains(&kind) || b"fFR".contains(&kind), "{key:?}");
            let chosen = expected(kind).read().last() == Some(b' ');
            assert_eq!(chosen, b"cn".contains(&kind));
            // What follows a complete sentence begins with a comma or a semicolon.
            let on = choices.first().is_some_and(|byte| b",;".contains(byte));
            assert_eq!(chosen || on, !choices.is_empty(), "{key:?}");
        }
    }

    #[test]
    fn numbers() {
        for (key, words, expected) in [
            (Key::Type, &[c"oneshot"][..], Some(1)),
            (Key::Type, &[c"one"], None),
            (Key::Essential, &[c"on-failure"], Some(2)),
            (Key::ReadyTimeout, &[c"0"], None),
            (Key::ReadyTimeout, &[c"1ms"], Some(1)),
            (Key::Stable, &[c"0"], Some(0)),
            (Key::Stable, &[c"1m"], Some(60_000)),
            (Key::Stable, &[c"x"], None),
            (Key::Backoff, &[c"1s"], Some(1000 << 32 | 1000)),
            (Key::Tries, &[c"1", c"in", c"1ms"], Some(1 << 16 | 1)),
            (Key::After, &[c"x", c"y"], Some(0)),
            (Key::Nice, &[c"-20"], Some(-20_i64 as u64)),
            (Key::Nice, &[c"20"], None),
            (Key::Nice, &[c"1x"], None),
            (Key::Instances, &[c"0"], None),
            (Key::Instances, &[c"1000"], Some(1000)),
            (Key::Umask, &[c"027"], Some(0o27)),
            (Key::Umask, &[c"777"], Some(0o777)),
            (Key::Umask, &[c"1000"], None),
            (Key::Umask, &[c"08"], None),
            (Key::Umask, &[c""], None),
            (Key::Tty, &[c"yes"], Some(1)),
            (Key::Tty, &[c"no"], Some(0)),
            (Key::Tty, &[c"maybe"], None),
            (Key::Tty, &[c"1"], Some(1)),
            (Key::Tty, &[c"2"], None),
            (Key::Ready, &[c"fd:3"], Some(Probe::DESCRIPTOR)),
            (Key::Ready, &[c"notify"], Some(Probe::NOTIFY)),
            (Key::Ready, &[c"tcp:80"], Some(Probe::REPEATABLE)),
            (Key::Health, &[c"fd:3"], None),
            (
                Key::Health,
                &[c"exec:test", c"-f", c"x"],
                Some(Probe::REPEATABLE),
            ),
            (Key::Caps, &[c"none"], Some(0)),
            (Key::Caps, &[c"NONE"], Some(0)),
            (
                Key::Caps,
                &[c"net_bind_service", c"chown"],
                Some(1 << 10 | 1),
            ),
            (Key::Caps, &[c"everything"], None),
            (Key::Caps, &[c"chown", c"none"], None),
            (Key::Stdin, &[c"service:x"], None),
            (Key::Stdin, &[c"inherit"], Some(0)),
            (Key::Stdout, &[c"service:x"], Some(3)),
            (Key::Stdout, &[c"file:"], None),
            (Key::Stdout, &[c"file:/x"], Some(2)),
            (Key::Stderr, &[c"null"], Some(1)),
            (Key::Env, &[c"A=b", c"C"], Some(0)),
            (Key::Env, &[c"A=b", c"=b"], None),
            (Key::Env, &[c"A=b", c""], None),
            (Key::LimitFiles, &[c"1024:unlimited"], Some(0)),
            (Key::LimitFiles, &[c"many"], None),
            (Key::LimitCpu, &[c"60:unlimited"], Some(0)),
            (Key::LimitCpu, &[c"unlimited"], Some(0)),
            (Key::LimitCpu, &[c"10m"], None),
            (Key::LimitCpu, &[c"1:2K"], None),
            (Key::LogSize, &[c"64K"], Some(65536)),
            (Key::Pidfile, &[c"a", c"b"], None),
        ] {
            let (_, kind, choices) = Key::find(key.name()).unwrap();
            assert_eq!(read(kind, choices, words), expected, "{key:?} {words:?}");
        }
    }

    #[test]
    fn switches() {
        let words = [
            ("", 0),
            ("yes", 1),
            ("no", 0),
            ("true", 1),
            ("false", 0),
            ("on", 1),
            ("OFF", 0),
        ];
        let digits = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        for (text, count) in words.into_iter().chain(digits.into_iter().zip(0..)) {
            assert_eq!(times(text.as_bytes()), Some(count), "{text:?}");
        }
        for text in ["10", "-1", "y", "perhaps"] {
            assert_eq!(times(text.as_bytes()), None, "{text:?}");
        }
    }
}
