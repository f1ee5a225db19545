//! What services say through sd_notify(3): lines of `KEY=VALUE` in a datagram.

use crate::supervise::Notice;
use crate::words::packed::Text;
use crate::words::text::{cut, number, place, take};
use crate::words::time::Span;

/// Lines that mean something as a whole, and keys whose values do. All others are ignored, as the protocol
/// demands; so is `BARRIER`, which asks for nothing but that its descriptor be closed.
const WORDS: Text = text!(
    "READY=1 STOPPING=1 WATCHDOG=1 WATCHDOG=trigger \
    MAINPID WATCHDOG_USEC EXTEND_TIMEOUT_USEC STATUS"
);

/// Calls `then` for each notice in a message, in order, and returns the text of the last `STATUS=` if there
/// is one. What does not parse is ignored.
#[inline(never)]
pub fn parse<'m>(message: &'m [u8], then: &mut dyn FnMut(Notice)) -> Option<&'m [u8]> {
    let mut status = None;
    let mut rest = message;
    // Some senders include the NUL that ends their string.
    if let [text @ .., 0] = rest {
        rest = text;
    }
    while !rest.is_empty() {
        let line = take(&mut rest, b'\n');
        let (key, value) = cut(line, b'=');
        let count = number(value).unwrap_or(0);
        // Microseconds become whole milliseconds, and at least one.
        let span = Span((count / 1000).max(1));
        let notice = match place(WORDS, line).or_else(|| place(WORDS, key)) {
            Some(0) => Notice::Ready,
            Some(1) => Notice::Stopping,
            Some(2) => Notice::Alive,
            Some(3) => Notice::Trigger,
            Some(7) if key.len() < line.len() => {
                status = Some(value);
                continue;
            }
            _ if count == 0 => continue,
            Some(4) if count >> 31 == 0 => Notice::Main(count as u32),
            Some(5) => Notice::Watchdog(span),
            Some(6) => Notice::Extend(span),
            _ => continue,
        };
        then(notice);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[track_caller]
    fn check(message: &str, notices: &[Notice], status: Option<&str>) {
        let mut seen = Vec::new();
        let text = parse(message.as_bytes(), &mut |notice| seen.push(notice));
        assert_eq!(seen, notices, "{message:?}");
        assert_eq!(text, status.map(str::as_bytes), "{message:?}");
    }

    #[test]
    fn messages() {
        check("", &[], None);
        check("READY=1", &[Notice::Ready], None);
        check("READY=1\n", &[Notice::Ready], None);
        check("READY=1\0", &[Notice::Ready], None);
        check("STOPPING=1", &[Notice::Stopping], None);
        check("WATCHDOG=1", &[Notice::Alive], None);
        check("WATCHDOG=trigger", &[Notice::Trigger], None);
        check("MAINPID=2147483647", &[Notice::Main(2_147_483_647)], None);
        check(
            "WATCHDOG_USEC=1500000",
            &[Notice::Watchdog(Span(1500))],
            None,
        );
        check("WATCHDOG_USEC=20", &[Notice::Watchdog(Span(1))], None);
        check("EXTEND_TIMEOUT_USEC=2000", &[Notice::Extend(Span(2))], None);
        check("STATUS=a = b", &[], Some("a = b"));
        check("STATUS=a\nSTATUS=", &[], Some(""));
        check(
            "X_Y=1\nREADY=1\n\nSTATUS=Serving\nMAINPID=2\nnonsense\n=\n=1\n",
            &[Notice::Ready, Notice::Main(2)],
            Some("Serving"),
        );
    }

    #[test]
    fn what_does_not_parse_is_ignored() {
        for message in [
            "READY=0",
            "READY=",
            "READY",
            "READY=10",
            "READY=1 ",
            " READY=1",
            "WATCHDOG=2",
            "WATCHDOG=triggered",
            "MAINPID=0",
            "MAINPID=-5",
            "MAINPID=2147483648",
            "WATCHDOG_USEC=0",
            "WATCHDOG_USEC=18446744073709551616",
            "EXTEND_TIMEOUT_USEC=x",
            "BARRIER=1",
            "STATUS",
            "FDSTORE=1",
            "READY=1\0READY=1",
            "\n\n\n",
        ] {
            check(message, &[], None);
        }
    }
}
