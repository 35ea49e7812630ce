//! The way to a peer: which transport, from which of our addresses, to which of theirs.

use std::fmt;
use std::net::SocketAddr;

/// A transport that carries SIP (RFC 3261 §18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams: requests and responses are retransmitted.
    Udp,
    /// A stream: framed by Content-Length, not retransmitted.
    Tcp,
}

impl Transport {
    /// The name in a Via header field.
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether the transport delivers by itself, so that transactions need no retransmission.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via_name())
    }
}

/// One way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The transport.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// For a stream, the connection that the driver knows by this number; `None` asks for one.
    pub connection: Option<u64>,
}
