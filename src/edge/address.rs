//! Addresses of sockets as the kernel wants them.
//!
//! The family is two bytes, the low one first: every architecture that we run on is little-endian.

use linux_raw_sys::net;

use pidlet::plan::Address;

/// Of an address of IPv4, as IPv6 has it (RFC 4291, 2.5.5.2).
const MAPPED: &[u8; 12] = b"\0\0\0\0\0\0\0\0\0\0\xff\xff";

/// A socket's address.
pub struct Name {
    bytes: [u8; 112],
    len: usize,
}

impl Name {
    /// A path, or a name in the abstract namespace behind `@` (unix(7)). Of one that is too long
    /// enough is left for the kernel to refuse it.
    #[inline(never)]
    pub fn unix(path: &[u8]) -> Name {
        let mut name = Name {
            bytes: [0; 112],
            len: path.len().min(110) + 2,
        };
        name.bytes[0] = net::AF_UNIX as u8;
        for (place, byte) in name.bytes.iter_mut().skip(2).zip(path) {
            *place = *byte;
        }
        if name.bytes[2] == b'@' {
            name.bytes[2] = 0;
        }
        name
    }

    /// An address and a port (ip(7), ipv6(7)).
    pub fn internet(address: &Address) -> Name {
        // More zeroes than the kernel reads.
        let mut name = Name {
            bytes: [0; 112],
            len: 28,
        };
        name.bytes[2..4].copy_from_slice(&address.port.to_be_bytes());
        let [first @ .., a, b, c, d] = address.ip;
        if first == *MAPPED {
            name.bytes[0] = net::AF_INET as u8;
            name.bytes[4..8].copy_from_slice(&[a, b, c, d]);
        } else {
            name.bytes[0] = net::AF_INET6 as u8;
            name.bytes[8..24].copy_from_slice(&address.ip);
        }
        name
    }

    /// Its family.
    pub fn family(&self) -> u32 {
        self.bytes[0].into()
    }

    /// What the kernel is given.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}
