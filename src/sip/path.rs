//! A way to a peer: which of our addresses, which of theirs, over what.

use std::fmt;
use std::net::SocketAddr;

use super::header::Via;
use super::uri::Uri;

/// The transports that the engine speaks (RFC 3261 §18, RFC 7118).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: the transactions retransmit.
    Udp,
    /// A stream: framed by Content-Length, no retransmission of requests.
    Tcp,
    /// A stream that is encrypted on its way to the next hop.
    Tls,
    /// A WebSocket: a message is one of its messages. Whoever speaks it comes to us; nobody is called by it.
    Ws,
    /// A WebSocket that is encrypted on its way to the next hop.
    Wss,
}

impl Transport {
    /// Whether nobody on the way to the next hop reads it.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// As it is written in a Via (`UDP`, `TCP`, `TLS`, `WS`, `WSS`).
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The transport by which a URI is called; `sips:` is TLS (RFC 3261 §26.2.2). `None` for one by which nobody is called from
    /// here, as `ws`.
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
            // RFC 7118 §5.2.3: the same for both.
            Self::Ws | Self::Wss => Some("ws"),
        }
    }

    /// RFC 3261 §19.1.2, RFC 7118 §5.2.4: the port of a URI without one.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether messages arrive or the connection fails: no transaction need retransmit.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether only the peer can make the connection.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via_name())
    }
}

/// Where we listen: at one address for UDP and TCP, and perhaps at others for TLS and WebSockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listening {
    /// UDP and TCP.
    pub plain: SocketAddr,
    /// TLS.
    pub tls: Option<SocketAddr>,
    /// WebSockets.
    pub ws: Option<SocketAddr>,
    /// WebSockets over TLS.
    pub wss: Option<SocketAddr>,
}

impl Listening {
    /// The address of a transport.
    #[must_use]
    pub const fn over(self, transport: Transport) -> Option<SocketAddr> {
        match transport {
            Transport::Udp | Transport::Tcp => Some(self.plain),
            Transport::Tls => self.tls,
            Transport::Ws => self.ws,
            Transport::Wss => self.wss,
        }
    }

    /// All addresses.
    pub fn all(self) -> impl Iterator<Item = SocketAddr> {
        [Some(self.plain), self.tls, self.ws, self.wss].into_iter().flatten()
    }
}

impl From<SocketAddr> for Listening {
    fn from(plain: SocketAddr) -> Self {
        Self { plain, tls: None, ws: None, wss: None }
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
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => self,
        }
    }
}
