//! Messages of sd_notify(3), against a naive reading of the protocol.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pidlet::notify;
use pidlet::supervise::Notice;
use pidlet::words::time::Span;
use pidlet_fuzz::memory::round;

fuzz_target!(|message: &[u8]| round(|| {
    let mut notices = Vec::new();
    let status = notify::parse(message, &mut |notice| notices.push(notice));
    assert_eq!((notices, status), expected(message));
}));

fn expected(message: &[u8]) -> (Vec<Notice>, Option<&[u8]>) {
    let (mut notices, mut status) = (Vec::new(), None);
    let message = message.strip_suffix(&[0]).unwrap_or(message);
    for line in message.split(|byte| *byte == b'\n') {
        let equals = line.iter().position(|byte| *byte == b'=');
        let (key, value) = equals.map_or((line, None), |at| (&line[..at], Some(&line[at + 1..])));
        let digits = value.filter(|value| value.iter().all(u8::is_ascii_digit));
        let number =
            digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        let number = number.filter(|number| *number > 0);
        let span = number.map(|number| Span((number / 1000).max(1)));
        notices.extend(match (key.to_ascii_uppercase().as_slice(), value) {
            (b"READY", Some(b"1")) => Some(Notice::Ready),
            (b"STOPPING", Some(b"1")) => Some(Notice::Stopping),
            (b"WATCHDOG", Some(b"1")) => Some(Notice::Alive),
            (b"WATCHDOG", Some(value)) if value.eq_ignore_ascii_case(b"trigger") => {
                Some(Notice::Trigger)
            }
            (b"MAINPID", _) => number
                .filter(|number| *number <= 0x7fff_ffff)
                .map(|pid| Notice::Main(pid as u32)),
            (b"WATCHDOG_USEC", _) => span.map(Notice::Watchdog),
            (b"EXTEND_TIMEOUT_USEC", _) => span.map(Notice::Extend),
            (b"STATUS", Some(value)) => {
                status = Some(value);
                None
            }
            _ => None,
        });
    }
    (notices, status)
}
