//! What a plan file says of a service besides its command (pidlet.conf(5)): a list of the keys that
//! were given, which is searched for a key. What was not given takes no room: services of a command
//! line have empty lists, and the instances of one section share one list unless `%i` tells them apart.
//!
//! Every value was checked when it was read, and is kept both as words and as a number. What one
//! number cannot hold is parsed from the words again.

use core::ffi::CStr;

use super::keys::Key;
use super::probe::{Probe, behind};
use super::{Command, Essential};
use crate::words::signal::Signal;
use crate::words::text::{is, leading_number, number, place, take};
use crate::words::time::Span;

/// How a service runs. In the order of the key's choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Until it is stopped.
    Service,
    /// To completion.
    Oneshot,
    /// In the background, where it puts itself; its pid file says which process it is.
    Daemon,
}

/// When a service that ended is started again. In the order of the key's choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Never.
    No,
    /// When it failed.
    OnFailure,
    /// However it ended; a oneshot that succeeded is done all the same.
    Always,
}

/// A line of a section: a key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Its key.
    pub key: Key,
    /// The line's number in the file.
    pub line: u32,
    /// The value as a number, as `src/front/values.rs` reads it.
    pub number: u64,
    /// The value's words, expanded.
    pub words: Command<'a>,
}

impl<'a> Pair<'a> {
    /// The service that it feeds, if it is an output that goes to a service.
    pub fn feeds(&self) -> Option<&'a CStr> {
        let output = self.key == Key::Stdout || self.key == Key::Stderr;
        let word = self.words.first().filter(|_| output)?;
        behind(word, "service:")
    }
}

impl Pair<'_> {
    /// Nothing.
    pub const NONE: Pair<'static> = Pair {
        key: Key::None,
        line: 0,
        number: 0,
        words: &[],
    };
}

/// Everything that a service's section says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec<'a>(pub &'a [Pair<'a>]);

impl<'a> Spec<'a> {
    /// Nothing is said.
    pub const DEFAULT: Spec<'static> = Spec(&[]);

    /// What this key says, if it is given.
    #[inline(never)]
    pub fn get(self, key: Key) -> Option<&'a Pair<'a>> {
        self.0.iter().find(|pair| pair.key == key)
    }

    /// Whether this key is given.
    pub fn has(self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// The number of this key, or its default.
    #[inline(never)]
    pub fn number(self, key: Key) -> u64 {
        match self.get(key) {
            Some(pair) => pair.number,
            None => match key {
                Key::ReadyTimeout => 60_000,
                Key::HealthEvery => 30_000,
                Key::HealthTries => 3,
                Key::Backoff => 60_000 << 32 | 1000,
                Key::Stable => 10_000,
                Key::LogSize => 10 << 20,
                Key::LogKeep => 5,
                Key::Instances => 1,
                _ => 0,
            },
        }
    }

    /// The number of this key as a length of time.
    pub fn span(self, key: Key) -> Span {
        Span(self.number(key))
    }

    /// The words of this key.
    pub fn words(self, key: Key) -> Command<'a> {
        self.get(key).map_or(&[], |pair| pair.words)
    }

    /// The only word of this key, if it is given.
    pub fn word(self, key: Key) -> Option<&'a CStr> {
        self.words(key).first().copied()
    }

    /// How it runs.
    pub fn kind(self) -> Type {
        match self.number(Key::Type) {
            0 => Type::Service,
            1 => Type::Oneshot,
            _ => Type::Daemon,
        }
    }

    /// Whether it is started again.
    pub fn restart(self) -> Restart {
        match self.number(Key::Restart) {
            0 => Restart::No,
            1 => Restart::OnFailure,
            _ => Restart::Always,
        }
    }

    /// Whether its end ends the container; `None` means as the plan's `until` has it.
    pub fn essential(self) -> Option<Essential> {
        Some(Essential::of(self.get(Key::Essential)?.number))
    }

    /// The delay before it is started again: at first, and at most.
    pub fn backoff(self) -> (Span, Span) {
        let both = self.number(Key::Backoff);
        (Span(both & u64::from(u32::MAX)), Span(both >> 32))
    }

    /// At most this many starts within this time.
    pub fn tries(self) -> Option<(u16, Span)> {
        let both = self.get(Key::Tries)?.number;
        Some((both as u16, Span(both >> 16)))
    }

    /// The stop signal of this step, counted from 0, if one is given for it. A service for which none is
    /// given at all gets the stop's own.
    pub fn stop_signal(self, step: u8) -> Option<Signal> {
        let word = self.words(Key::Stop).get(usize::from(step))?;
        Signal::parse(word.to_bytes())
    }

    /// How long it may take to end, within the container's budget.
    pub fn stop_timeout(self) -> Option<Span> {
        let own = self.get(Key::StopTimeout).or(self.get(Key::Stop))?;
        Some(Span(own.number)).filter(|span| span.0 != u64::MAX)
    }

    /// Whether it reports to us by sd_notify(3).
    pub fn notifies(self) -> bool {
        self.has(Key::Watchdog) || self.number(Key::Ready) == Probe::NOTIFY
    }

    /// The probe of this key.
    pub fn probe(self, key: Key) -> Option<Probe<'a>> {
        Probe::parse(self.words(key))
    }

    /// Whether we have to check its readiness, since it does not report it.
    pub fn is_checked(self) -> bool {
        self.number(Key::Ready) == Probe::REPEATABLE
    }
}

/// A resource limit, `soft` or `soft:hard`; `u64::MAX` is unlimited.
pub fn limit(text: &[u8]) -> Option<(u64, u64)> {
    let mut hard = text;
    let soft = limit_part(take(&mut hard, b':'))?;
    let hard = match hard {
        [] if text.last() != Some(&b':') => soft,
        _ => limit_part(hard)?,
    };
    (soft <= hard).then_some((soft, hard))
}

fn limit_part(text: &[u8]) -> Option<u64> {
    match place(text!("unlimited infinity"), text) {
        Some(_) => Some(u64::MAX),
        None => size(text),
    }
}

/// `64K`, `10M`, `1G`, or bytes.
pub fn size(text: &[u8]) -> Option<u64> {
    let mut unit = text;
    let number = leading_number(&mut unit)?;
    let thousands = match unit {
        [] => 0,
        _ => place(text!("k m g"), unit)? + 1,
    };
    number.checked_mul(1 << (10 * thousands))
}

/// `1s..60s`, packed for [`Spec::backoff`].
pub fn backoff(text: &[u8]) -> Option<u64> {
    let mut longest = text;
    let first = Span::parse(take(&mut longest, b'.'))?.0;
    let longest = match longest {
        [] => first,
        [b'.', longest @ ..] => Span::parse(longest)?.0,
        _ => return None,
    };
    (first <= longest && longest <= u64::from(u32::MAX)).then_some(longest << 32 | first)
}

/// `5 in 60s`, packed for [`Spec::tries`].
pub fn tries(words: Command) -> Option<u64> {
    let [count, between, within] = words else {
        return None;
    };
    let count = number(count.to_bytes())?;
    let within = Span::parse(within.to_bytes())?.0;
    let fits = (1..=0xffff).contains(&count) && within.wrapping_sub(1) < u64::MAX >> 16;
    (fits && is(between.to_bytes(), "in")).then_some(within << 16 | count)
}

/// Stop signals, perhaps followed by a timeout: its milliseconds, or `u64::MAX`.
#[inline(never)]
pub fn stop(words: Command) -> Option<u64> {
    let mut timeout = u64::MAX;
    for (place, word) in words.iter().enumerate() {
        let text = word.to_bytes();
        if Signal::parse(text).is_some() {
            continue;
        }
        let last = place > 0 && place + 1 == words.len();
        timeout = Span::parse(text).filter(|_| last)?.0;
    }
    (words.len() <= usize::from(u8::MAX)).then_some(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_sizes() {
        assert_eq!(limit(b"1K:unlimited"), Some((1024, u64::MAX)));
        assert_eq!(limit(b"infinity"), Some((u64::MAX, u64::MAX)));
        assert_eq!(limit(b"7:2m"), Some((7, 2 << 20)));
        assert_eq!(limit(b"3G"), Some((3 << 30, 3 << 30)));
        for wrong in [&b"2:1"[..], b"", b":1", b"1:", b"x", b"1T", b"99999999999G"] {
            assert_eq!(limit(wrong), None);
        }
    }

    #[test]
    fn restarts() {
        let packed = backoff(b"500ms..1m").unwrap();
        let pair = Pair {
            key: Key::Backoff,
            number: packed,
            ..Pair::NONE
        };
        assert_eq!(Spec(&[pair]).backoff(), (Span(500), Span(60_000)));
        assert_eq!(Spec::DEFAULT.backoff(), (Span(1000), Span(60_000)));
        assert_eq!(backoff(b"2s"), Some(2000 << 32 | 2000));
        let most = u64::from(u32::MAX);
        assert_eq!(backoff(b"1s..4294967295ms"), Some(most << 32 | 1000));
        for wrong in [
            &b"2s..1s"[..],
            b"..1s",
            b"1s.2s",
            b"",
            b"1s..",
            b"4294967296ms",
        ] {
            assert_eq!(backoff(wrong), None);
        }
        let number = tries(&[c"5", c"in", c"60s"]).unwrap();
        let pair = Pair {
            key: Key::Tries,
            number,
            ..Pair::NONE
        };
        assert_eq!(Spec(&[pair]).tries(), Some((5, Span(60_000))));
        assert_eq!(tries(&[c"1", c"in", c"1ms"]), Some(1 << 16 | 1));
        let most = tries(&[c"65535", c"in", c"281474976710655ms"]);
        assert_eq!(most, Some(u64::MAX));
        for wrong in [
            &[c"5"][..],
            &[c"0", c"in", c"1s"],
            &[c"65536", c"in", c"1s"],
            &[c"5", c"in", c"0s"],
            &[c"5", c"in", c"281474976710656ms"],
            &[c"5", c"per", c"1s"],
        ] {
            assert_eq!(tries(wrong), None);
        }
    }

    #[test]
    fn defaults() {
        for (key, number) in [
            (Key::ReadyTimeout, 60_000),
            (Key::HealthEvery, 30_000),
            (Key::HealthTries, 3),
            (Key::Stable, 10_000),
            (Key::LogSize, 10 * 1024 * 1024),
            (Key::LogKeep, 5),
            (Key::Instances, 1),
        ] {
            assert_eq!(Spec::DEFAULT.number(key), number, "{key:?}");
        }
    }

    #[test]
    fn stops() {
        let pair = |words: Command<'static>| Pair {
            key: Key::Stop,
            number: stop(words).unwrap(),
            words,
            line: 0,
        };
        let both = [pair(&[c"INT", c"15", c"20s"])];
        let spec = Spec(&both);
        assert_eq!(spec.stop_signal(0), Some(Signal::INT));
        assert_eq!(spec.stop_signal(1), Some(Signal::TERM));
        assert_eq!(spec.stop_signal(2), None);
        assert_eq!(spec.stop_timeout(), Some(Span(20_000)));
        let only = [pair(&[c"INT"])];
        assert_eq!(Spec(&only).stop_timeout(), None);
        // The step is counted in a byte.
        let mut many = [c"INT"; 256];
        assert_eq!(stop(&many[1..]), Some(u64::MAX));
        many[255] = c"1s";
        assert_eq!(stop(&many[1..]), Some(1000));
        for wrong in [
            &[c"20s"][..],
            &[c"INT", c"x"],
            &[c"INT", c"1s", c"TERM"],
            &[c"INT"; 256],
            &many,
        ] {
            assert_eq!(stop(wrong), None);
        }
    }
}
