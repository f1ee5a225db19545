//! The start of an HTTP response, as far as its status (RFC 9112, 4).

use crate::words::errno::Errno;
use crate::words::text::number;

/// How a good response begins: `0` stands for any digit, `2` for 2 or 3.
const STATUS_LINE: &[u8; 12] = b"HTTP/1.0 200";

/// The number of bytes up to the end of the status.
pub const STATUS_BYTES: usize = STATUS_LINE.len();

/// What is wrong with a response that begins with these bytes, NUL where none has come yet: its status
/// if that is there, else a protocol error.
pub fn fault(answer: &[u8; STATUS_BYTES]) -> Errno {
    let status = answer.get(STATUS_BYTES - 3..).and_then(number);
    status.map_or(Errno::PROTO, |status| Errno::foreign(status as u16))
}

/// Whether this may be the byte at `place` of a response with a status from 200 to 399.
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
