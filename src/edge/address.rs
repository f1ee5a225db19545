//! Addresses of sockets as the kernel wants them.

use linux_raw_sys::net;

use pidlet::plan::Address;

/// Of an address of IPv4, as IPv6 has it (RFC 4291, 2.5.5.2).
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
    /// A path, or a name in the abstract namespace behind `@` (unix(7)). Of one that is too long
    /// enough is left for the kernel to refuse it.
    #[inline(never)]
    pub fn unix(path: &[u8]) -> Name {
        let mut name = Name::new(net::AF_UNIX, path.len().min(110) + 2);
        name.put(0, path);
        if name.rest[0] == b'@' {
            name.rest[0] = 0;
        }
        name
    }

    /// An address and a port (ip(7), ipv6(7)).
    #[inline(never)]
    pub fn internet(address: &Address) -> Name {
        // More zeroes than the kernel reads.
        let mut name = Name::new(net::AF_INET6, 28);
        name.put(0, &address.port.to_be_bytes());
        match &address.ip {
            [first @ .., a, b, c, d] if first == MAPPED => {
                name.family = net::AF_INET as u16;
                name.put(2, &[*a, *b, *c, *d]);
            }
            ip => name.put(6, ip),
        }
        name
    }

    #[inline(never)]
    fn new(family: u32, len: usize) -> Name {
        Name {
            family: family as u16,
            rest: [0; 110],
            len,
        }
    }

    #[inline(never)]
    fn put(&mut self, place: usize, bytes: &[u8]) {
        for (place, byte) in self.rest.iter_mut().skip(place).zip(bytes) {
            *place = *byte;
        }
    }
}
