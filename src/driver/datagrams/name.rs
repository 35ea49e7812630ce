//! Socket addresses as the system writes them (`sockaddr_in`, `sockaddr_in6`), as plain octets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Octets of the longest of them.
pub(super) const LONGEST: usize = 28;

/// An address and how many octets of it count.
pub(super) fn written(address: SocketAddr) -> ([u8; LONGEST], usize) {
    let mut name = [0; LONGEST];
    let mut put = |at: usize, octets: &[u8]| {
        if let Some(place) = name.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    };
    put(2, &address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            put(0, &INET.to_ne_bytes());
            put(4, &v4.ip().octets());
            (name, 16)
        }
        SocketAddr::V6(v6) => {
            put(0, &INET6.to_ne_bytes());
            put(4, &v6.flowinfo().to_be_bytes());
            put(8, &v6.ip().octets());
            put(24, &v6.scope_id().to_ne_bytes());
            (name, LONGEST)
        }
    }
}

/// The address that the system wrote; `None` when it is of another family.
pub(super) fn read(name: &[u8; LONGEST]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(part(name, 0)?);
    let port = u16::from_be_bytes(part(name, 2)?);
    if family == INET {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(part::<4>(name, 4)?)), port));
    }
    (family == INET6).then_some(())?;
    let ip = Ipv6Addr::from(part::<16>(name, 8)?);
    let (flow, scope) = (u32::from_be_bytes(part(name, 4)?), u32::from_ne_bytes(part(name, 24)?));
    Some(SocketAddr::V6(SocketAddrV6::new(ip, port, flow, scope)))
}

fn part<const N: usize>(name: &[u8], at: usize) -> Option<[u8; N]> {
    name.get(at..at + N)?.try_into().ok()
}

/// `AF_INET` and `AF_INET6` of Linux.
const INET: u16 = 2;
const INET6: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["127.0.0.1:4000", "255.254.253.252:65535", "[2001:db8::7]:5004", "[::ffff:1.2.3.4]:1"] {
            let address: SocketAddr = text.parse().expect("an address");
            let (name, length) = written(address);
            assert_eq!(read(&name), Some(address));
            assert_eq!(length, if address.is_ipv4() { 16 } else { 28 });
        }
        assert_eq!(read(&[0; LONGEST]), None);
    }
}
