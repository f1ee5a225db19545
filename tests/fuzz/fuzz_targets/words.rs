//! Values: numbers, times, signals, sizes, addresses and the first bytes of an HTTP answer, each against
//! the standard library or a naive reading.

#![no_main]

use std::ffi::CStr;
use std::net::{Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use pidlet::front::{dumb_init, tini};
use pidlet::http;
use pidlet::plan::{Address, Probe, capability, spec};
use pidlet::words::errno::Errno;
use pidlet::words::line::Line;
use pidlet::words::signal::Signal;
use pidlet::words::text::{leading_integer, leading_number, number, trim};
use pidlet::words::time::Span;
use pidlet_fuzz::image::string;
use pidlet_fuzz::memory::round;

fuzz_target!(|data: &[u8]| round(|| {
    numbers(data);
    times(data);
    signals(data);
    sizes(data);
    probes(data);
    answers(data);
    line(data);
    peers(data);
}));

/// The number that std reads, which takes a sign in front of it as well.
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

fn numbers(data: &[u8]) {
    assert_eq!(number(data), decimal(data));
    let mut rest = data;
    if let Some(value) = leading_number(&mut rest) {
        assert_eq!(decimal(&data[..data.len() - rest.len()]), Some(value));
        assert!(!rest.first().is_some_and(u8::is_ascii_digit));
    }
    let mut rest = data;
    if let Some(value) = leading_integer(&mut rest) {
        let read = trim(&data[..data.len() - rest.len()]);
        assert_eq!(
            std::str::from_utf8(read)
                .ok()
                .and_then(|text| text.parse().ok()),
            Some(value)
        );
    }
}

fn times(data: &[u8]) {
    let expected = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("", 1000),
    ];
    let mut found = expected.iter().filter_map(|(unit, ms)| {
        let count = decimal(data.strip_suffix(unit.as_bytes())?)?;
        Some(count.checked_mul(*ms).map(Span))
    });
    assert_eq!(Span::parse(data), found.next().flatten());
    if let Some(span) = Span::parse(data) {
        let mut line = Line::new();
        assert_eq!(Span::parse(line.put_setting(span).text()), Some(span));
        line.clear();
        line.put_span(span);
    }
}

fn signals(data: &[u8]) {
    let Some(signal) = Signal::parse(data) else {
        return;
    };
    assert!((1..=64).contains(&signal.number()));
    let mut line = Line::new();
    assert_eq!(Signal::parse(line.put_signal(signal).text()), Some(signal));
}

fn sizes(data: &[u8]) {
    let units = [("k", 1_u64 << 10), ("m", 1 << 20), ("g", 1 << 30), ("", 1)];
    let lower = data.to_ascii_lowercase();
    let mut found = units.iter().filter_map(|(unit, bytes)| {
        let count = decimal(lower.strip_suffix(unit.as_bytes())?)?;
        Some(count.checked_mul(*bytes))
    });
    assert_eq!(spec::size(data), found.next().flatten());
    if let Some((soft, hard)) = spec::limit(data) {
        assert!(soft <= hard);
    }
    if let Some(both) = spec::backoff(data) {
        assert!(both & u64::from(u32::MAX) <= both >> 32);
    }
    let words: Vec<&CStr> = data
        .split(|byte| *byte == b' ')
        .map(|word| string(word))
        .collect();
    _ = (spec::tries(&words), spec::stop(&words), capability(data));
    _ = Errno(data.len() as u16).text();
}

fn probes(data: &[u8]) {
    let words: Vec<&CStr> = data
        .split(|byte| *byte == b' ')
        .map(|word| string(word))
        .collect();
    _ = Probe::parse(&words);
    let text = words[0].to_bytes();
    let tcp = string(&[b"tcp:", text].concat());
    match Probe::parse(&[tcp]) {
        Some(Probe::Tcp(address)) => is_address(address, text),
        Some(other) => panic!("{other:?}"),
        None => {
            let text = String::from_utf8_lossy(text);
            let known = text
                .parse::<std::net::SocketAddr>()
                .ok()
                .filter(|known| known.port() > 0);
            // A zone, and IPv4 within IPv6, are not supported.
            let known = known.filter(|known| known.is_ipv4() || !text.contains(['%', '.']));
            assert_eq!(known, None);
        }
    }
    if let Some(Probe::Http { host, path, .. }) =
        Probe::parse(&[string(&[b"http://", text].concat())])
    {
        assert!(path.starts_with(b"/") && path.iter().all(u8::is_ascii_graphic));
        assert!(
            host.iter().all(u8::is_ascii_graphic),
            "{}",
            host.escape_ascii()
        );
    }
}

fn is_address(address: Address, text: &[u8]) {
    let text = std::str::from_utf8(text).expect("ASCII");
    let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
    assert_eq!(decimal(port.as_bytes()), Some(address.port.into()));
    assert!(address.port > 0);
    let ip = Ipv6Addr::from(address.ip);
    if let Some(six) = host.strip_prefix('[') {
        assert_eq!(
            six.strip_suffix(']').and_then(|six| six.parse().ok()),
            Some(ip),
            "{text}"
        );
    } else if host == "localhost" {
        assert_eq!(ip.to_ipv4_mapped(), Some(Ipv4Addr::LOCALHOST));
    } else {
        // Leading zeros are not octal, and not refused.
        let parts: Vec<u8> = host
            .split('.')
            .map(|part| part.parse().expect("a byte"))
            .collect();
        assert_eq!(
            ip.to_ipv4_mapped().map(|ip| ip.octets().to_vec()),
            Some(parts)
        );
    }
}

fn answers(data: &[u8]) {
    let all = |bytes: &[u8]| {
        bytes
            .iter()
            .enumerate()
            .all(|(place, byte)| http::is_good(place, *byte))
    };
    let Some(begin) = data.get(..http::STATUS_BYTES) else {
        return;
    };
    let status = std::str::from_utf8(&begin[9..])
        .ok()
        .and_then(|text| text.parse::<u16>().ok());
    let status = status.filter(|_| begin[9..].iter().all(u8::is_ascii_digit));
    let version = begin.starts_with(b"HTTP/1.") && begin[7].is_ascii_digit() && begin[8] == b' ';
    assert_eq!(
        all(begin),
        version && status.is_some_and(|status| (200..400).contains(&status))
    );
    assert!(!http::is_good(usize::MAX, b'0'));
}

fn line(data: &[u8]) {
    let mut line = Line::new();
    line.put_bytes(data).put_number(data.len() as u64);
    let text = line.end();
    let (last, text) = text.split_last().expect("a newline");
    assert!(*last == b'\n' && !text.iter().any(u8::is_ascii_control));
}

fn peers(data: &[u8]) {
    if let Some((from, _)) = dumb_init::rewrite(data) {
        assert!(from.number() < 32);
    }
    _ = (tini::exit_code(data), tini::death_signal(data));
}
