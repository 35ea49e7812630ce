//! Who may send what: networks of trunks or phones, each with a name.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an IPv4 or IPv6 address.
    #[error("not an IP address")]
    Address,
    /// The number after the slash is none, or too large for the address.
    #[error("the prefix length must be 0 to 32 (IPv4) or 0 to 128 (IPv6)")]
    Prefix,
    /// Bits are set beyond the prefix: `192.0.2.1/24` is either a slip for `/32` or for `.0`.
    #[error("bits are set beyond the prefix length")]
    HostBits,
}

/// A text in a list of networks that is none, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{network}` of `{name}`: {source}")]
pub struct AccessError {
    /// Whose network.
    pub name: String,
    /// The text.
    pub network: String,
    /// What is wrong with it.
    pub source: NetworkError,
}

/// Networks, and whose each is.
#[derive(Clone, Debug, Default)]
pub struct AccessList(Vec<(Network, String)>);

impl Network {
    /// Whether `address` lies in this network. An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`, as a
    /// dual-stack socket shows it) counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
            (own, other) => masked(own, self.prefix) == masked(other, self.prefix),
        }
    }

    /// Whether all of it is this machine (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        let most = match self.address {
            IpAddr::V4(_) => 8,
            IpAddr::V6(_) => 128,
        };
        self.address.is_loopback() && self.prefix >= most
    }

    /// How many leading bits count.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map_err(|_| NetworkError::Address)?;
        let address = written.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let number: u8 = digits.parse().map_err(|_| NetworkError::Prefix)?;
                // `::ffff:192.0.2.0/120` counts the 96 bits of the clothes.
                if written.is_ipv6() && address.is_ipv4() {
                    number.checked_sub(96).ok_or(NetworkError::Prefix)?
                } else {
                    number
                }
            }
            Some(_) => return Err(NetworkError::Prefix),
        };
        if prefix > most {
            return Err(NetworkError::Prefix);
        }
        if masked(address, prefix) != masked(address, most) {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { address, prefix })
    }
}

/// The address with all but its leading `prefix` bits cleared.
fn masked(address: IpAddr, prefix: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (Ipv6Addr::to_bits(address), 128),
    };
    let rest = width - u32::from(prefix);
    // A shift by the whole width leaves nothing: prefix 0 holds every address.
    bits.checked_shr(rest).and_then(|kept| kept.checked_shl(rest)).unwrap_or(0)
}

impl AccessList {
    /// Nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads the networks of each name.
    pub fn parse<'a, T: AsRef<str> + 'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a [T])>,
    ) -> Result<Self, AccessError> {
        let mut list = Self::new();
        for (name, networks) in entries {
            for network in networks.iter().map(AsRef::as_ref) {
                let parsed = network.parse().map_err(|source| AccessError {
                    name: name.to_owned(),
                    network: network.to_owned(),
                    source,
                })?;
                list.allow(parsed, name);
            }
        }
        Ok(list)
    }

    /// Lets a network in under this name.
    pub fn allow(&mut self, network: Network, name: &str) {
        self.0.push((network, name.to_owned()));
    }

    /// Whose network `source` is in: the narrowest wins, then the first named.
    #[must_use]
    pub fn find(&self, source: IpAddr) -> Option<&str> {
        let mut best: Option<&(Network, String)> = None;
        for entry in self.0.iter().filter(|(network, _)| network.contains(source)) {
            if best.is_none_or(|(network, _)| network.prefix < entry.0.prefix) {
                best = Some(entry);
            }
        }
        best.map(|(_, name)| name.as_str())
    }

    /// Whose they are, a name for each network.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, name)| name.as_str())
    }

    /// Whether nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(&str, &str)]) -> AccessList {
        let mut list = AccessList::new();
        for (network, trunk) in entries {
            list.allow(network.parse().expect("a network"), trunk);
        }
        list
    }

    fn trunk<'a>(list: &'a AccessList, source: &str) -> Option<&'a str> {
        list.find(source.parse().expect("an address"))
    }

    #[test]
    fn the_narrowest_network_names_the_trunk() {
        let list = list(&[("198.51.100.0/24", "wide"), ("198.51.100.7", "host"), ("2001:db8::/32", "six")]);
        assert_eq!(trunk(&list, "198.51.100.8"), Some("wide"));
        assert_eq!(trunk(&list, "198.51.100.7"), Some("host"));
        assert_eq!(trunk(&list, "198.51.101.7"), None);
        assert_eq!(trunk(&list, "2001:db8:ffff::1"), Some("six"));
        assert_eq!(trunk(&list, "2001:db9::1"), None);
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address() {
        let list = list(&[("198.51.100.0/24", "four"), ("::ffff:203.0.113.0/120", "mapped")]);
        assert_eq!(trunk(&list, "::ffff:198.51.100.9"), Some("four"));
        assert_eq!(trunk(&list, "203.0.113.77"), Some("mapped"));
    }

    #[test]
    fn an_empty_prefix_holds_everyone_of_its_family() {
        let list = list(&[("0.0.0.0/0", "all")]);
        assert_eq!(trunk(&list, "255.255.255.255"), Some("all"));
        assert_eq!(trunk(&list, "::1"), None);
    }

    #[test]
    fn what_is_all_of_this_machine_is_told() {
        let is_loopback = |text: &str| text.parse::<Network>().expect("a network").is_loopback();
        assert!(
            ["127.0.0.1", "127.0.0.0/8", "::1", "[::1]", "::ffff:127.0.0.1"].into_iter().all(is_loopback)
        );
        for text in ["126.0.0.0/7", "0.0.0.0/0", "::1:2", "::/0", "128.0.0.1"] {
            assert!(!is_loopback(text), "{text}");
        }
    }

    #[test]
    fn slips_are_refused() {
        for (text, error) in [
            ("198.51.100.1/24", NetworkError::HostBits),
            ("198.51.100.0/33", NetworkError::Prefix),
            ("2001:db8::/129", NetworkError::Prefix),
            ("198.51.100.0/+8", NetworkError::Prefix),
            ("198.51.100.0/", NetworkError::Prefix),
            ("trunk.example", NetworkError::Address),
            ("198.51.100", NetworkError::Address),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }
}
