//! Addresses of sockets as the kernel wants them.

use linux_raw_sys::net;

use pidlet::plan::Address;

/// The prefix of an IPv4 address in IPv6 (RFC 4291, 2.5.5.2).
const MAPPED: &[u8; 12] = b"\0\0\0\0\0\0\0\0\0\0\xff\xff";

/// A socket's address, which begins with the family in every kind.
#[repr(C)]
pub struct Name {
    /// Its family.
    pub family: u16,
    rest: [u8; 110],
    /// How much of it the kernel is given.
    pub len: usize,
}

impl Name {
    /// No address yet.
    #[inline(never)]
    pub fn new() -> Name {
        Name {
            family: 0,
            rest: [0; 110],
            len: 0,
        }
    }

    /// Makes it a path or, behind `@`, a name in the abstract namespace (unix(7)). Of one that is too long,
    /// enough is kept for the kernel to refuse it.
    #[inline(never)]
    pub fn unix(&mut self, path: &[u8]) {
        self.family = net::AF_UNIX as u16;
        self.len = path.len().min(110) + 2;
        self.put(0, path);
        if self.rest[0] == b'@' {
            self.rest[0] = 0;
        }
    }

    /// Makes it an address and a port (ip(7), ipv6(7)).
    #[inline(never)]
    pub fn internet(&mut self, address: &Address) {
        let (family, place, ip) = match &address.ip {
            [first @ .., _, _, _, _] if first == MAPPED => (net::AF_INET, 2, &address.ip[12..]),
            ip => (net::AF_INET6, 6, &ip[..]),
        };
        self.family = family as u16;
        // For IPv4 that is more zeroes than the kernel reads.
        self.len = 28;
        self.put(0, &address.port.to_be_bytes());
        self.put(place, ip);
    }

    #[inline(never)]
    fn put(&mut self, place: usize, bytes: &[u8]) {
        for (place, byte) in self.rest.iter_mut().skip(place).zip(bytes) {
            *place = *byte;
        }
    }
}
