//! Addresses that a phone can dial, and its own toward them.

use std::net::{IpAddr, SocketAddr};

use super::io::PhoneError;
use crate::sip::{SipUri, Uri};

/// A URI with a numeric address, and the address to send to.
pub(super) fn dialable(uri: &str) -> Option<(Uri, SocketAddr)> {
    let parsed = Uri::parse(uri.as_bytes())?;
    let Uri::Sip(sip) = &parsed else { return None };
    let remote = address_of(sip)?;
    Some((parsed, remote))
}

/// The address to call `uri` from: one that the system would send from, with a port of its choice.
///
/// # Errors
/// [`PhoneError::NotDialable`], or no way there.
pub fn local_address_for(uri: &str) -> Result<SocketAddr, PhoneError> {
    let (_, remote) = dialable(uri).ok_or_else(|| PhoneError::NotDialable(uri.to_owned()))?;
    let any = if remote.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let found = std::net::UdpSocket::bind((any, 0)).and_then(|probe| {
        probe.connect(remote)?;
        probe.local_addr()
    });
    let address = found.map_err(|source| PhoneError::Socket { address: remote, source })?;
    Ok(SocketAddr::new(address.ip(), 0))
}

/// The numeric address of a URI; port 5060 when it names none (RFC 3261 §19.1.2).
#[must_use]
pub fn address_of(uri: &SipUri) -> Option<SocketAddr> {
    let ip = uri.host.ip()?;
    Some(SocketAddr::new(ip, uri.port.unwrap_or(5060)))
}
