//! How a service is checked: `ready` and `health` (pidlet.conf(5)).

use core::ffi::CStr;

use super::Command;
use crate::words::text::{is, number, string, take};

/// How to find out whether a service is ready, or healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe<'a> {
    /// It writes a newline to this descriptor (s6's notification-fd).
    Fd(u8),
    /// It says `READY=1` to its `NOTIFY_SOCKET` (sd_notify(3)).
    Notify,
    /// A connection to this address is accepted.
    Tcp(Address),
    /// A GET of `path` from this address is answered with a status from 200 to 399. `host` goes into
    /// the request's Host line.
    Http {
        /// The server's address.
        address: Address,
        /// As it was written, with the port.
        host: &'a [u8],
        /// The path asked for; begins with `/`.
        path: &'a [u8],
    },
    /// A connection to this socket is accepted.
    Unix(&'a CStr),
    /// This file exists.
    File(&'a CStr),
    /// This command exits with 0. Its first word is the program behind [`EXEC`].
    Exec(Command<'a>),
}

/// Where a connection goes: names are not resolved, except `localhost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// IPv6, or IPv4 as `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2).
    pub ip: [u8; 16],
    /// Its port, never 0.
    pub port: u16,
}

/// The prefix of a command that is a check.
pub const EXEC: &str = "exec:";

/// The longest path that fits into a socket's address (unix(7)).
const SOCKET_PATH_MAX: usize = 107;

impl<'a> Probe<'a> {
    /// The number of the probe that a service itself answers once, on a descriptor.
    pub const DESCRIPTOR: u64 = 1;
    /// The number of the one that it answers through its notify socket.
    pub const NOTIFY: u64 = 2;
    /// The number of all probes that we carry out ourselves and can repeat.
    pub const REPEATABLE: u64 = 3;

    /// Its sort, as one of the numbers above; never 0.
    pub fn number(&self) -> u64 {
        match self {
            Probe::Fd(_) => Probe::DESCRIPTOR,
            Probe::Notify => Probe::NOTIFY,
            _ => Probe::REPEATABLE,
        }
    }

    /// Reads a probe.
    #[inline(never)]
    pub fn parse(words: Command<'a>) -> Option<Probe<'a>> {
        let [first, rest @ ..] = words else {
            return None;
        };
        if behind(first, EXEC).is_some() {
            return Some(Probe::Exec(words));
        }
        if !rest.is_empty() {
            return None;
        }
        let text = first.to_bytes();
        if is(text, "notify") {
            return Some(Probe::Notify);
        }
        if let Some(fd) = behind(first, "fd:") {
            // Standard input is not for writing.
            let fd = number(fd.to_bytes()).and_then(|fd| u8::try_from(fd).ok());
            return fd.filter(|fd| *fd > 0).map(Probe::Fd);
        }
        let http = behind(first, "http://");
        if let Some(text) = http.or_else(|| behind(first, "tcp:")) {
            let text = text.to_bytes();
            let (mut host, mut path, mut port) = (text, &b"/"[..], 0);
            if http.is_some() {
                host = take(&mut { text }, b'/');
                port = 80;
                if host.len() < text.len() {
                    path = text.get(host.len()..)?;
                }
            }
            let fits = path.iter().all(|byte| (b'!'..0x7f).contains(byte));
            let address = address(host, port).filter(|_| fits)?;
            return Some(match http {
                None => Probe::Tcp(address),
                Some(_) => Probe::Http {
                    address,
                    host,
                    path,
                },
            });
        }
        if let Some(path) = behind(first, "unix:") {
            return (path.count_bytes() <= SOCKET_PATH_MAX).then_some(Probe::Unix(path));
        }
        behind(first, "file:").map(Probe::File)
    }
}

/// The text behind a prefix such as `file:`; `None` if the prefix is missing or nothing follows it.
#[inline(never)]
pub fn behind<'a>(word: &'a CStr, prefix: &str) -> Option<&'a CStr> {
    let rest = string(word.to_bytes_with_nul().strip_prefix(prefix.as_bytes())?);
    (!rest.is_empty()).then_some(rest)
}

/// `PORT` or `HOST:PORT`; with a default port, `HOST` or `HOST:PORT`.
#[inline(never)]
fn address(text: &[u8], default: u64) -> Option<Address> {
    let mut host = text;
    let mut port = None;
    while let [front @ .., last] = host {
        match last {
            b':' => {
                port = text.get(host.len()..);
                host = front;
                break;
            }
            // The colons before it belong to an IPv6 address.
            b']' => break,
            _ => host = front,
        }
    }
    if port.is_none() {
        host = text;
        if default == 0 {
            (host, port) = (b"localhost", Some(text));
        }
    }
    let port = match port {
        Some(port) => number(port)?,
        None => default,
    };
    let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
    Some(Address {
        ip: ip(host)?,
        port,
    })
}

fn ip(host: &[u8]) -> Option<[u8; 16]> {
    // ::ffff:127.0.0.1, RFC 4291.
    let mut ip = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
    if is(host, "localhost") {
        return Some(ip);
    }
    if let [b'[', six @ .., b']'] = host {
        return ip_six(six);
    }
    let mut rest = host;
    for place in &mut ip[12..] {
        *place = u8::try_from(number(take(&mut rest, b'.'))?).ok()?;
    }
    (rest.is_empty() && host.last() != Some(&b'.')).then_some(ip)
}

/// There is no gap: an index beyond every address.
const NO_GAP: usize = usize::MAX;

/// Groups of hexadecimal digits, with one `::` at most.
fn ip_six(text: &[u8]) -> Option<[u8; 16]> {
    let mut rest = text;
    // It may begin and end with two colons, but not with one.
    match text {
        [.., before, b':'] if *before != b':' => return None,
        [b':', b':', ..] => _ = take(&mut rest, b':'),
        [b':', ..] => return None,
        _ => (),
    }
    let mut ip = [0; 16];
    let (mut len, mut gap) = (0, NO_GAP);
    while !rest.is_empty() {
        let group = take(&mut rest, b':');
        if group.is_empty() && gap == NO_GAP {
            gap = len;
            continue;
        }
        let mut value = 0;
        for digit in group {
            value = value << 4 | char::from(*digit).to_digit(16)?;
        }
        if !(1..=4).contains(&group.len()) {
            return None;
        }
        *ip.get_mut(len..)?.first_chunk_mut()? = (value as u16).to_be_bytes();
        len += 2;
    }
    if (gap == NO_GAP) != (len == 16) {
        return None;
    }
    // What follows the gap moves to the end, and leaves zeroes.
    let mut end = ip.len();
    while len > gap {
        (len, end) = (len - 1, end - 1);
        ip.swap(len, end);
    }
    Some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::{format, panic};

    #[test]
    fn addresses() {
        for text in [
            "::1",
            "::",
            "fe80::1:2",
            "1:2:3:4:5:6:7:8",
            "1::8",
            "2001:db8::",
            "1:2:3:4:5:6:7::",
        ] {
            let ours = ip_six(text.as_bytes()).map(Ipv6Addr::from);
            assert_eq!(ours, text.parse().ok(), "{text}");
        }
        for text in [
            "",
            "1",
            "1:2",
            "1::2::3",
            "g::",
            "1:2:3:4:5:6:7:8:9",
            "12345::",
            ":",
            "::1:",
            "1:2:3:4:5:6:7::8:9",
            "1:2:3:4:5:6:7:8::",
            ":::",
            ":1",
        ] {
            assert_eq!(ip_six(text.as_bytes()), None, "{text}");
        }
        for (host, four) in [
            ("10.0.0.255", [10, 0, 0, 255]),
            ("localhost", [127, 0, 0, 1]),
        ] {
            let six = Ipv4Addr::from(four).to_ipv6_mapped();
            assert_eq!(ip(host.as_bytes()), Some(six.octets()), "{host}");
        }
        for text in [
            "10.0.0",
            "10.0.0.256",
            "10.0.0.1.",
            "10.0.0.1.2",
            "example.org",
            "",
        ] {
            assert_eq!(ip(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn probes() {
        let port = |probe: Probe| match probe {
            Probe::Tcp(address) | Probe::Http { address, .. } => address.port,
            _ => 0,
        };
        for (words, expected) in [
            (&[c"tcp:5432"][..], 5432),
            (&[c"tcp:127.0.0.1:80"], 80),
            (&[c"tcp:[::1]:81"], 81),
            (&[c"http://127.0.0.1:8080/healthz"], 8080),
            (&[c"http://localhost"], 80),
            (&[c"http://[::1]/x"], 80),
            (&[c"http://[::1]:82/x"], 82),
            (&[c"notify"], 0),
            (&[c"fd:1"], 0),
            (&[c"file:/x"], 0),
            (&[c"exec:test", c"-f", c"/x"], 0),
        ] {
            assert_eq!(Probe::parse(words).map(port), Some(expected), "{words:?}");
        }
        for (word, host, path) in [
            (c"http://localhost", &b"localhost"[..], &b"/"[..]),
            (c"http://[::1]:82/x/~?y=!", b"[::1]:82", b"/x/~?y=!"),
        ] {
            let words = [word];
            let Some(Probe::Http {
                host: host_said,
                path: path_said,
                ..
            }) = Probe::parse(&words)
            else {
                panic!("{word:?}");
            };
            assert_eq!((host_said, path_said), (host, path), "{word:?}");
        }
        let socket = |length| {
            let word = CString::new(format!("unix:{}", "x".repeat(length))).unwrap();
            Probe::parse(&[&word]).is_some()
        };
        assert!(socket(SOCKET_PATH_MAX) && !socket(SOCKET_PATH_MAX + 1));
        for wrong in [
            c"tcp:",
            c"http://localhost/x y",
            c"http://localhost/\n",
            c"http://localhost/\x7f",
            c"tcp:0",
            c"tcp:65536",
            c"fd:0",
            c"fd:x",
            c"http://x/",
            c"unix:",
            c"exec:",
            c"",
        ] {
            assert!(Probe::parse(&[wrong]).is_none(), "{wrong:?}");
        }
        assert!(Probe::parse(&[]).is_none());
        assert!(Probe::parse(&[c"tcp:80", c"x"]).is_none());
    }
}
