//! Locating SIP servers (RFC 3263): from a URI to the addresses that answer for it, in the order in which they are tried.
//!
//! Who asks the DNS is not said here: [`Dns`] does. What is found is kept for as long as its records may be, and put in
//! order anew for each call ([`Located::order`]), so that weights hold over many calls.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::trunk::Outward;
use super::{Host, StatusCode, Transport, Uri};

/// Who asks the DNS.
pub trait Dns {
    /// The NAPTR records of a domain (RFC 3403).
    ///
    /// # Errors
    /// When nobody answers; that there are none is no error.
    fn naptr(&mut self, domain: &str) -> Result<Records<Naptr>, Unanswered>;
    /// The SRV records of a service, such as `_sip._udp.carrier.example` (RFC 2782).
    ///
    /// # Errors
    /// As above.
    fn srv(&mut self, service: &str) -> Result<Records<Srv>, Unanswered>;
    /// The addresses of a host, of both families.
    ///
    /// # Errors
    /// As above.
    fn addresses(&mut self, host: &str) -> Result<Records<IpAddr>, Unanswered>;
}

/// The DNS gave no answer of use: what was known before still holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// What there is under a name: perhaps nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records<T> {
    /// The records.
    pub all: Vec<T>,
    /// How long they may be kept.
    pub ttl: Duration,
}

/// What of a NAPTR record matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones are taken first.
    pub order: u16,
    /// Among those of one order lower ones are taken first.
    pub preference: u16,
    /// `s`: what follows is the name of SRV records.
    pub flags: String,
    /// Such as `SIP+D2U`.
    pub service: String,
    /// Where to go on.
    pub replacement: String,
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones are tried first.
    pub priority: u16,
    /// Among those of one priority: how often it comes first.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` says that there is no such service.
    pub target: String,
}

/// Where the servers of a URI are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Each with the addresses of one host.
    servers: Vec<Server>,
    /// How long this may be kept.
    pub ttl: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    priority: u16,
    weight: u16,
    transport: Transport,
    addresses: Vec<SocketAddr>,
}

/// One address to try, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub remote: SocketAddr,
}

impl Hop {
    /// The address that a URI names by itself, without a look-up.
    #[must_use]
    pub fn literal(uri: &Uri) -> Option<Self> {
        let sip = uri.as_sip()?;
        let (ip, transport) = (sip.host.ip()?, Transport::of_uri(uri)?);
        Some(Self { transport, remote: SocketAddr::new(ip, sip.port.unwrap_or(transport.default_port())) })
    }
}

/// Whether a final response is no answer but the server's own failing (§4.3): 503, nothing at all, or no way there.
#[must_use]
pub const fn is_servers_fault(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT)
}

/// Where names lead, as it is known now. Asking it never waits.
pub trait Locations: Send + Sync {
    /// The addresses of a URI whose host is a name, in the order in which they are to be tried; none while it is not
    /// known. `draw` gives a number below its own.
    fn hops(&self, uri: &Uri, draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop>;
    /// Nobody answered there: for a while others are tried first.
    fn failed(&self, hop: Hop);
    /// The ways to a telephone number (`tel:`) by a trunk that carries it; `None`: none does, or none may now.
    fn by_trunk(&self, number: &Uri, draw: &mut dyn FnMut(u32) -> u32) -> Option<Outward> {
        let _ = (number, draw);
        None
    }
}

/// No name leads anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Locations for Nowhere {
    fn hops(&self, _uri: &Uri, _draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop> {
        Vec::new()
    }

    fn failed(&self, _hop: Hop) {}
}

/// Servers of one URI that are looked for at most; a carrier has a few.
const MOST_SERVERS: usize = 8;
/// Addresses of one server.
const MOST_ADDRESSES: usize = 4;

impl Located {
    /// Looks for the servers of a URI. `tls`: whether TLS is spoken here. No server at all is an answer too.
    ///
    /// # Errors
    /// [`Unanswered`] when the DNS is.
    pub fn find(uri: &Uri, tls: bool, dns: &mut dyn Dns) -> Result<Self, Unanswered> {
        let mut search = Search { dns, ttl: Duration::MAX };
        let servers = search.servers(uri, tls)?;
        Ok(Self { servers, ttl: search.ttl })
    }

    /// The host by itself, when the DNS says nothing of services; kept for the shortest time. `None` when it is not known
    /// either.
    pub fn host(uri: &Uri, tls: bool, dns: &mut dyn Dns) -> Option<Self> {
        let over = Transport::of_uri(uri).filter(|over| tls || *over != Transport::Tls)?;
        let sip = uri.as_sip()?;
        let Host::Name(host) = &sip.host else { return None };
        let mut search = Search { dns, ttl: Duration::ZERO };
        let addresses = search.addresses(host, sip.port.unwrap_or(over.default_port())).ok()?;
        (!addresses.is_empty())
            .then(|| Self { servers: vec![Server::only(over, addresses)], ttl: Duration::ZERO })
    }

    /// What there is to try, for one call: by priority, and within one priority drawn by weight (RFC 2782).
    pub fn order(&self, draw: &mut dyn FnMut(u32) -> u32) -> Vec<Hop> {
        let all = self.servers.iter().map(|server| (server.priority, server.weight, server)).collect();
        let hop = |server: &Server, remote: &SocketAddr| Hop { transport: server.transport, remote: *remote };
        let servers = in_order(all, draw).into_iter();
        servers.flat_map(|server| server.addresses.iter().map(move |remote| hop(server, remote))).collect()
    }

    /// All addresses, in no order.
    pub fn addresses(&self) -> impl Iterator<Item = Hop> + '_ {
        let of = |server: &Server| {
            let transport = server.transport;
            server.addresses.clone().into_iter().map(move |remote| Hop { transport, remote })
        };
        self.servers.iter().flat_map(of)
    }
}

/// Servers in the order in which they are tried for one call: by priority, the lowest first, and within one priority drawn
/// by weight (RFC 2782). Each comes as priority, weight and itself.
pub fn in_order<T>(servers: Vec<(u16, u16, T)>, draw: &mut dyn FnMut(u32) -> u32) -> Vec<T> {
    let mut left = servers;
    // Those of weight zero stand first, where only a draw of zero finds them.
    left.sort_by_key(|(_, weight, _)| *weight != 0);
    let mut order = Vec::with_capacity(left.len());
    while let Some(lowest) = left.iter().map(|(priority, ..)| *priority).min() {
        let sum: u32 =
            left.iter().filter(|(of, ..)| *of == lowest).map(|(_, weight, _)| u32::from(*weight)).sum();
        let mut drawn = draw(sum + 1);
        let chosen = left.iter().position(|(of, weight, _)| {
            let weight = u32::from(*weight);
            let here = *of == lowest && drawn <= weight;
            if *of == lowest && !here {
                drawn -= weight;
            }
            here
        });
        let Some(at) = chosen.or_else(|| left.iter().position(|(of, ..)| *of == lowest)) else { break };
        order.push(left.remove(at).2);
    }
    order
}

struct Search<'a> {
    dns: &'a mut dyn Dns,
    ttl: Duration,
}

impl Search<'_> {
    fn servers(&mut self, uri: &Uri, tls: bool) -> Result<Vec<Server>, Unanswered> {
        let Some(sip) = uri.as_sip() else { return Ok(Vec::new()) };
        // §4.1: what is written decides; a transport that is not spoken here leads nowhere.
        let Some(written) = Transport::of_uri(uri).filter(|over| tls || *over != Transport::Tls) else {
            return Ok(Vec::new());
        };
        let host = match &sip.host {
            Host::Ip(ip) => {
                let address = SocketAddr::new(*ip, sip.port.unwrap_or(written.default_port()));
                return Ok(vec![Server::only(written, vec![address])]);
            }
            Host::Name(name) => name.trim_end_matches('.').to_owned(),
        };
        if let Some(port) = sip.port {
            return Ok(vec![Server::only(written, self.addresses(&host, port)?)]);
        }
        let fixed = uri.param("transport").is_some_and(|name| !name.is_empty());
        let services = if fixed { Vec::new() } else { self.services(&host, sip.secure, tls)? };
        let services = if services.is_empty() {
            let wanted = |over: Transport| {
                if fixed || sip.secure { over == written } else { tls || over != Transport::Tls }
            };
            let wanted = SERVICES.into_iter().filter(|(over, _)| wanted(*over));
            wanted.map(|(over, service)| (over, format!("{service}.{host}"))).collect()
        } else {
            services
        };
        // Records that lead nowhere have said that the host by itself is not meant.
        let (mut named, mut unanswered) = (false, None);
        for (over, name) in services {
            let mut records = self.kept(|dns| dns.srv(&name))?;
            records.sort_by_key(|record| record.priority);
            let mut servers = Vec::new();
            for record in records.into_iter().take(MOST_SERVERS) {
                named = true;
                let target = record.target.trim_end_matches('.');
                // §4.2 and RFC 2782: a sole `.` says that the service is decidedly not there.
                if target.is_empty() || record.port == 0 {
                    continue;
                }
                match self.addresses(target, record.port) {
                    Ok(addresses) => {
                        let (priority, weight) = (record.priority, record.weight);
                        servers.push(Server { priority, weight, transport: over, addresses });
                    }
                    // The others do without it, and it is asked for again soon.
                    Err(error) => {
                        unanswered = Some(error);
                        self.ttl = Duration::ZERO;
                    }
                }
            }
            if servers.iter().any(|server| !server.addresses.is_empty()) {
                return Ok(servers);
            }
        }
        if let Some(error) = unanswered {
            return Err(error);
        }
        if named {
            return Ok(Vec::new());
        }
        Ok(vec![Server::only(written, self.addresses(&host, written.default_port())?)])
    }

    /// What NAPTR records offer that is spoken here, the preferred first.
    fn services(
        &mut self,
        host: &str,
        secure: bool,
        tls: bool,
    ) -> Result<Vec<(Transport, String)>, Unanswered> {
        let mut records = self.kept(|dns| dns.naptr(host))?;
        records.sort_by_key(|record| (record.order, record.preference));
        let spoken = records.into_iter().filter(|record| record.flags.eq_ignore_ascii_case("s"));
        let spoken = spoken.filter_map(|record| {
            let over = match record.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => return None,
            };
            let fits = if over == Transport::Tls { tls } else { !secure };
            (fits && !record.replacement.is_empty()).then_some((over, record.replacement))
        });
        Ok(spoken.take(MOST_SERVERS).collect())
    }

    fn addresses(&mut self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unanswered> {
        let found = self.kept(|dns| dns.addresses(host))?;
        Ok(found.into_iter().take(MOST_ADDRESSES).map(|ip| SocketAddr::new(ip, port)).collect())
    }

    /// Asks, and notes how long the answer holds.
    fn kept<T>(
        &mut self,
        ask: impl FnOnce(&mut dyn Dns) -> Result<Records<T>, Unanswered>,
    ) -> Result<Vec<T>, Unanswered> {
        let Records { all, ttl } = ask(self.dns)?;
        self.ttl = self.ttl.min(ttl);
        Ok(all)
    }
}

impl Server {
    const fn only(transport: Transport, addresses: Vec<SocketAddr>) -> Self {
        Self { priority: 0, weight: 0, transport, addresses }
    }
}

/// The services of all transports by which somebody is called.
const SERVICES: [(Transport, &str); 3] =
    [(Transport::Udp, "_sip._udp"), (Transport::Tcp, "_sip._tcp"), (Transport::Tls, "_sips._tcp")];

#[cfg(test)]
#[path = "locate_tests.rs"]
mod tests;
