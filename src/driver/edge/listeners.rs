//! The addresses that are listened at, bound before anything reads them.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use thiserror::Error;

use super::secure::{Secure, SecureError};
use crate::driver::config::SipWebSocketConfig;
use crate::driver::supervisor::PassedSockets;
use crate::sip::{Listening, Transport};

/// Why the edge can't listen.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// The address can't be bound.
    #[error("cannot listen for SIP on {address} ({transport}): {source}\n  help: {help}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// `UDP`, `TCP`, `TLS`, `WS` or `WSS`.
        transport: Transport,
        /// Why.
        source: io::Error,
        /// What to do.
        help: &'static str,
    },
    /// TLS can't be spoken with these files.
    #[error("`sip.tls`: {0}")]
    Secure(#[from] SecureError),
}

impl EdgeError {
    fn bind(transport: Transport, address: SocketAddr, source: io::Error) -> Self {
        let help = match (source.kind(), transport) {
            (io::ErrorKind::AddrInUse, Transport::Ws | Transport::Wss) => {
                "another program has this port; choose another in `sip.websocket` of countersign.yaml"
            }
            (io::ErrorKind::AddrNotAvailable, Transport::Ws | Transport::Wss) => {
                "this machine has no such address; correct `sip.websocket` in countersign.yaml"
            }
            (io::ErrorKind::AddrInUse, Transport::Tls) => {
                "another program has this port; choose another for `sip.tls.listen` in countersign.yaml"
            }
            (io::ErrorKind::AddrInUse, _) => {
                "another program has this port; choose another with --sip ADDR:PORT"
            }
            (io::ErrorKind::AddrNotAvailable, Transport::Tls) => {
                "this machine has no such address; correct `sip.tls.listen` in countersign.yaml"
            }
            (io::ErrorKind::AddrNotAvailable, _) => {
                "this machine has no such address; choose one with --sip ADDR:PORT"
            }
            (io::ErrorKind::PermissionDenied, _) => "ports below 1024 need a privilege; choose a higher one",
            _ => "choose another address",
        };
        Self::Bind { address, transport, source, help }
    }
}

/// The bound sockets.
#[derive(Debug)]
pub struct Listeners {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
    pub(super) tls: Option<TcpListener>,
    pub(super) ws: Option<TcpListener>,
    pub(super) wss: Option<TcpListener>,
    /// What is encrypted by.
    pub(super) secure: Option<Secure>,
    /// Whose pages may speak by WebSocket.
    pub(super) origins: Vec<String>,
    /// The addresses that were bound, with the ports that the system chose for port 0.
    pub local: Listening,
}

impl Listeners {
    /// Binds UDP and TCP at `address`, unless they are among those that were bound already.
    ///
    /// # Errors
    /// [`EdgeError::Bind`] says which and what to do.
    pub fn bind(address: SocketAddr, passed: &PassedSockets) -> Result<Self, EdgeError> {
        let refused = |transport| move |source| EdgeError::bind(transport, address, source);
        // A port that the system chose for UDP may be in use for TCP: then it chooses again.
        let mut choices = if address.port() == 0 { CHOICES_OF_PORT } else { 1 };
        let (udp, local, tcp) = loop {
            choices -= 1;
            let udp = passed.datagrams(address).map_or_else(|| UdpSocket::bind(address), Ok);
            let udp = udp.map_err(refused(Transport::Udp))?;
            let local = udp.local_addr().map_err(refused(Transport::Udp))?;
            match passed.stream(local).map_or_else(|| TcpListener::bind(local), Ok) {
                Ok(tcp) => break (udp, local, tcp),
                Err(_) if choices > 0 => {}
                Err(error) => return Err(refused(Transport::Tcp)(error)),
            }
        };
        udp.set_nonblocking(true).map_err(refused(Transport::Udp))?;
        tcp.set_nonblocking(true).map_err(refused(Transport::Tcp))?;
        // Bursts of calls queue here while the edge is busy; the system may grant less.
        let _ = socket2::SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER);
        let (tls, ws, wss, secure) = (None, None, None, None);
        Ok(Self { udp, tcp, tls, ws, wss, secure, origins: Vec::new(), local: local.into() })
    }

    /// Binds an address for TLS as well.
    ///
    /// # Errors
    /// [`EdgeError::Bind`].
    pub fn with_tls(
        mut self,
        address: SocketAddr,
        secure: Secure,
        passed: &PassedSockets,
    ) -> Result<Self, EdgeError> {
        (self.local.tls, self.tls) = bind_stream(Transport::Tls, Some(address), passed)?;
        self.secure = Some(secure);
        Ok(self)
    }

    /// Binds addresses for WebSockets as well; those over TLS need [`Self::with_tls`].
    ///
    /// # Errors
    /// [`EdgeError::Bind`].
    pub fn with_websockets(
        mut self,
        config: &SipWebSocketConfig,
        passed: &PassedSockets,
    ) -> Result<Self, EdgeError> {
        (self.local.ws, self.ws) = bind_stream(Transport::Ws, config.listen, passed)?;
        (self.local.wss, self.wss) = bind_stream(Transport::Wss, config.secure, passed)?;
        self.origins.clone_from(&config.origins);
        Ok(self)
    }
}

/// Where it was bound, and what listens there.
type Bound = (Option<SocketAddr>, Option<TcpListener>);

fn bind_stream(
    over: Transport,
    address: Option<SocketAddr>,
    passed: &PassedSockets,
) -> Result<Bound, EdgeError> {
    let Some(address) = address else { return Ok((None, None)) };
    let bound = passed.stream(address).map_or_else(|| TcpListener::bind(address), Ok);
    let bound = bound.and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok((Some(listener.local_addr()?), Some(listener)))
    });
    bound.map_err(|source| EdgeError::bind(over, address, source))
}

const CHOICES_OF_PORT: u32 = 16;
const RECEIVE_BUFFER: usize = 4 << 20;
