//! The beginning of an HTTP answer: enough of it to know its status (RFC 9112, 4).

use crate::words::errno::Errno;
use crate::words::text::number;

/// How an answer begins that is good: `0` stands for any digit, `2` for 2 and 3.
const STATUS_LINE: &[u8; 12] = b"HTTP/1.0 200";

/// So many bytes say what the status is.
pub const STATUS_BYTES: usize = STATUS_LINE.len();

/// What is wrong with an answer of which these bytes have come, those in front of them being good: its
/// status, if that is there.
pub fn fault(answer: &[u8; STATUS_BYTES]) -> Errno {
    let status = answer.get(STATUS_BYTES - 3..).and_then(number);
    status.map_or(Errno::PROTO, |status| Errno::foreign(status as u16))
}

/// Whether this may be the byte at `place` of an answer with a status from 200 to 399.
pub fn is_good(place: usize, byte: u8) -> bool {
    match STATUS_LINE.get(place) {
        Some(b'0') => byte.is_ascii_digit(),
        Some(b'2') => byte | 1 == b'3',
        Some(&expected) => byte == expected,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (answer, good) in [
            ("HTTP/1.1 200 OK\r\n", true),
            ("HTTP/1.0 204 No Content\r\n", true),
            ("HTTP/1.1 399\r\n", true),
            ("HTTP/1.1 302 Found\r\n", true),
            ("HTTP/1.1 199\r\n", false),
            ("HTTP/1.1 404 Not Found\r\n", false),
            ("HTTP/1.1 500\r\n", false),
            ("HTTP/1.1 100 Continue\r\n", false),
            ("HTTP/2.0 200 OK\r\n", false),
            ("HTTP/1.1  200 OK\r\n", false),
            ("HTTP/1.1 2x0 OK\r\n", false),
            ("http/1.1 200 OK\r\n", false),
            ("SSH-2.0-OpenSSH\r\n", false),
            ("GET / HTTP/1.0\r\n", false),
        ] {
            let begin = &answer.as_bytes()[..STATUS_BYTES];
            let all = begin
                .iter()
                .enumerate()
                .all(|(place, byte)| is_good(place, *byte));
            assert_eq!(all, good, "{answer:?}");
        }
        assert!(!is_good(STATUS_BYTES, b' '));
    }
}
