//! A way to a peer: which of our addresses, which of theirs, over what.

use std::fmt;
use std::net::SocketAddr;

/// The transports that the engine speaks (RFC 3261 §18).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: the transactions retransmit.
    Udp,
    /// A stream: framed by Content-Length, no retransmission of requests.
    Tcp,
}

impl Transport {
    /// As it is written in a Via (`UDP`, `TCP`).
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether messages arrive or the connection fails: no transaction need retransmit.
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

/// One way to a peer. For TCP, `connection` names the accepted or opened connection that the driver knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    /// Over what.
    pub transport: Transport,
    /// Our address: where it arrived, or from where to send.
    pub local: SocketAddr,
    /// The peer's address: where it came from, or where to send.
    pub remote: SocketAddr,
    /// The connection, for TCP.
    pub connection: Option<u64>,
}
