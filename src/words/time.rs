//! Time in milliseconds, saturating: a distant deadline never wraps into the past.

use super::text::leading_number;

/// A moment on the monotonic clock, in milliseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

/// The moment that never comes, where there is no deadline.
pub const NEVER: Instant = Instant(u64::MAX);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u64);

impl Instant {
    /// The moment `span` after this one.
    pub fn after(self, span: Span) -> Instant {
        Instant(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    pub fn since(self, earlier: Instant) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// `seconds` as a span.
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds.saturating_mul(1000))
    }

    /// Reads `500ms`, `8s`, `2m`, `1h` or a bare number of seconds.
    pub fn parse(text: &[u8]) -> Option<Span> {
        let mut unit = text;
        let count = leading_number(&mut unit)?;
        let unit_ms = match unit {
            b"ms" => 1,
            b"" | b"s" => 1000,
            b"m" => 60_000,
            b"h" => 3_600_000,
            _ => return None,
        };
        count.checked_mul(unit_ms).map(Span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("500ms", Some(500)),
            ("8s", Some(8000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("10", Some(10_000)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1.5s", None),
            ("8 s", None),
            ("8S", None),
            ("99999999999999999999", None),
            ("9999999999999999999h", None),
        ] {
            assert_eq!(Span::parse(text.as_bytes()), ms.map(Span), "{text:?}");
        }
    }

    #[test]
    fn never_wraps() {
        assert_eq!(Instant(5).after(Span(u64::MAX)), Instant(u64::MAX));
        assert_eq!(Instant(5).since(Instant(9)), Span::ZERO);
    }
}
