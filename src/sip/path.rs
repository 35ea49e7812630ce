//! A way to a peer: which of our addresses, which of theirs, over what.

use std::fmt;
use std::net::SocketAddr;

use super::header::Via;
use super::uri::Uri;

/// The transports that the engine speaks (RFC 3261 §18).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: the transactions retransmit.
    Udp,
    /// A stream: framed by Content-Length, no retransmission of requests.
    Tcp,
    /// A stream that is encrypted on its way to the next hop.
    Tls,
}

impl Transport {
    /// Whether nobody on the way reads it.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls)
    }

    /// As it is written in a Via (`UDP`, `TCP`, `TLS`).
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The transport that a URI names; `sips:` is TLS (RFC 3261 §26.2.2). `None` for one that is not spoken here.
    #[must_use]
    pub fn of_uri(uri: &Uri) -> Option<Self> {
        let secure = uri.as_sip()?.secure;
        match uri.param("transport") {
            None | Some("") if secure => Some(Self::Tls),
            None | Some("") => Some(Self::Udp),
            Some(name) if name.eq_ignore_ascii_case("tls") => Some(Self::Tls),
            // RFC 3261 §26.2.2: `sips:` with TCP is TLS over it.
            Some(name) if name.eq_ignore_ascii_case("tcp") => {
                Some(if secure { Self::Tls } else { Self::Tcp })
            }
            Some(name) if name.eq_ignore_ascii_case("udp") && !secure => Some(Self::Udp),
            Some(_) => None,
        }
    }

    /// The value of the parameter `transport` of our own URIs; UDP has none.
    #[must_use]
    pub const fn uri_param(self) -> Option<&'static str> {
        match self {
            Self::Udp => None,
            Self::Tcp => Some("tcp"),
            Self::Tls => Some("tls"),
        }
    }

    /// RFC 3261 §19.1.2: the port of a URI without one.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// Whether messages arrive or the connection fails: no transaction need retransmit.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via_name())
    }
}

/// Where we listen: at one address for UDP and TCP, and perhaps at another for TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listening {
    /// UDP and TCP.
    pub plain: SocketAddr,
    /// TLS.
    pub tls: Option<SocketAddr>,
}

impl Listening {
    /// The address of a transport.
    #[must_use]
    pub const fn over(self, transport: Transport) -> Option<SocketAddr> {
        match transport {
            Transport::Udp | Transport::Tcp => Some(self.plain),
            Transport::Tls => self.tls,
        }
    }
}

impl From<SocketAddr> for Listening {
    fn from(plain: SocketAddr) -> Self {
        Self { plain, tls: None }
    }
}

/// One way to a peer. For streams, `connection` names the accepted or opened connection that the driver knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    /// Over what.
    pub transport: Transport,
    /// Our address: where it arrived, or from where to send.
    pub local: SocketAddr,
    /// The peer's address: where it came from, or where to send.
    pub remote: SocketAddr,
    /// The connection, for streams.
    pub connection: Option<u64>,
}

impl Path {
    /// Notes in the top Via of a request where it came from; the way that its responses go (RFC 3261 §18.2.2, RFC 3581 §4).
    #[must_use]
    pub fn back(self, via: &mut Via) -> Self {
        via.stamp(self.remote);
        match self.transport {
            Transport::Udp => Self { remote: via.response_address(self.remote), ..self },
            Transport::Tcp | Transport::Tls => self,
        }
    }
}
