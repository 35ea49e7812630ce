//! Who really asks, behind the proxies that the settings trust.
//!
//! `X-Forwarded-For` is a list that everybody may begin and that each proxy continues at its right end. So it is read
//! from the right, and only as far as trusted proxies wrote it: whoever stands left of them may have written the rest.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;

use crate::sip::{AccessError, AccessList};

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(AccessList);

/// The header.
const FORWARDED: &str = "x-forwarded-for";

impl Proxies {
    /// Those of the settings.
    pub(super) fn of(networks: &[String]) -> Result<Self, AccessError> {
        Ok(Self(AccessList::parse([("web.trusted_proxies", networks)])?))
    }

    /// Whether it is one of them.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.find(address).is_some()
    }

    /// Who asks, when `from` is who is connected: the right-most address that is no trusted proxy's.
    pub(super) fn visitor(&self, from: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut visitor = from;
        // A field that is there several times is one list, in their order (RFC 9110 §5.3).
        let fields = headers.get_all(FORWARDED).iter().filter_map(|value| value.to_str().ok());
        let list: Vec<&str> = fields.flat_map(|value| value.split(',')).collect();
        for written in list.into_iter().rev() {
            if !self.trusts(visitor) {
                break;
            }
            let Some(address) = address(written.trim()) else { break };
            visitor = address;
        }
        visitor
    }
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_most_address_that_is_not_trusted_is_who_asks() {
        let proxies = Proxies::of(&["10.0.0.0/8".to_owned(), "::1".to_owned()]).expect("networks");
        let visitor = |from: &str, fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(FORWARDED, field.parse().expect("a value"));
            }
            proxies.visitor(from.parse().expect("an address"), &headers).to_string()
        };
        for (from, fields, expected) in [
            // Whoever is not trusted speaks for nobody.
            ("192.0.2.7", vec!["203.0.113.1"], "192.0.2.7"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", vec!["198.51.100.9, 203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", vec!["198.51.100.9, 203.0.113.1, 10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", vec!["198.51.100.9", "203.0.113.1"], "203.0.113.1"),
            ("::1", vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::1", vec!["203.0.113.1:80"], "203.0.113.1"),
            // What is no address ends what is believed.
            ("10.0.0.1", vec!["203.0.113.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(visitor(from, &fields), expected, "{from} {fields:?}");
        }
        assert!(Proxies::of(&["10.0.0.1/8".to_owned()]).is_err());
    }
}
