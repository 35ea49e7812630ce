//! A connection to a server that speaks no plain HTTP: with TLS that is verified, or without to private networks only.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use thiserror::Error;

use super::services::http::is_private;
use super::{os, tls};

/// A connection.
pub(super) enum Wire {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

/// What it is made of. A deadline holds for each single reading and writing: a server that sends byte by byte, or
/// TLS records that never end, gains nothing.
pub(super) struct Socket {
    stream: TcpStream,
    until: Option<Instant>,
}

/// Why it is over.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Broken {
    /// It never was.
    #[error("no connection")]
    Connect,
    /// Too slow.
    #[error("no answer in time")]
    Timeout,
    /// The other side is gone.
    #[error("the connection broke")]
    Lost,
    /// TLS did not come about, or the server's certificate is not trusted.
    #[error("TLS did not come about")]
    Tls,
}

/// Connects to the first address of a host that answers. Without TLS only private networks are connected to: what
/// is sent can be read on the way.
pub(super) fn connect(
    host: &str,
    port: u16,
    private_only: bool,
    deadline: Instant,
) -> Result<TcpStream, Broken> {
    let found = (host, port).to_socket_addrs().map_err(|_| Broken::Connect)?;
    for address in found.filter(|address| !private_only || is_private(address.ip())).take(MOST_ADDRESSES) {
        if let Ok(stream) = TcpStream::connect_timeout(&address, left(deadline)?) {
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(Broken::Connect)
}

/// Addresses of a host that are tried.
const MOST_ADDRESSES: usize = 4;

/// Whom connections trust: the authorities of a file, or those of the system.
pub(super) fn trust(ca: Option<&Path>) -> Result<Arc<ClientConfig>, Broken> {
    let authorities = match ca {
        Some(path) => {
            std::fs::read_to_string(path).ok().and_then(|pem| tls::certificates(&pem)).unwrap_or_default()
        }
        None => tls::system_authorities(),
    };
    let roots = tls::roots(authorities).ok_or(Broken::Tls)?;
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| Broken::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Wire {
    /// Goes on without TLS.
    pub(super) const fn open(stream: TcpStream) -> Self {
        Self::Plain(Socket { stream, until: None })
    }

    /// Goes on in TLS. The handshake is over when this returns.
    pub(super) fn secure(
        stream: TcpStream,
        host: &str,
        trust: Arc<ClientConfig>,
        deadline: Instant,
    ) -> Result<Self, Broken> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Broken::Tls)?;
        let connection = ClientConnection::new(trust, name).map_err(|_| Broken::Tls)?;
        let mut wire = StreamOwned::new(connection, Socket { stream, until: Some(deadline) });
        while wire.conn.is_handshaking() {
            wire.conn.complete_io(&mut wire.sock).map_err(|error| match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Broken::Timeout,
                _ => Broken::Tls,
            })?;
        }
        Ok(Self::Tls(Box::new(wire)))
    }

    /// Whether nobody on the way reads along.
    pub(super) const fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    const fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    /// How long each reading or writing from now on may take.
    pub(super) fn wait(&mut self, time: Duration) -> Result<(), Broken> {
        let socket = self.socket();
        socket.until = None;
        socket.limit(time).map_err(|_| Broken::Lost)
    }

    /// Until when all reading and writing from now on may take.
    pub(super) fn until(&mut self, deadline: Instant) -> Result<(), Broken> {
        self.socket().until = Some(deadline);
        left(deadline).map(drop)
    }

    /// The bare connection, to go on in TLS.
    pub(super) fn plain(self) -> Option<TcpStream> {
        match self {
            Self::Plain(socket) => Some(socket.stream),
            Self::Tls(_) => None,
        }
    }
}

fn left(deadline: Instant) -> Result<Duration, Broken> {
    let left = deadline.saturating_duration_since(os::now());
    if left.is_zero() { Err(Broken::Timeout) } else { Ok(left) }
}

/// What a failed reading or writing means.
pub(super) fn lost(error: &io::Error) -> Broken {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Broken::Timeout,
        ErrorKind::InvalidData => Broken::Tls,
        _ => Broken::Lost,
    }
}

impl Socket {
    fn limit(&self, time: Duration) -> io::Result<()> {
        let time = Some(time.max(Duration::from_millis(1)));
        self.stream.set_read_timeout(time).and_then(|()| self.stream.set_write_timeout(time))
    }

    /// Before each reading and writing.
    fn in_time(&self) -> io::Result<()> {
        let Some(until) = self.until else { return Ok(()) };
        let left = left(until).map_err(|_| io::Error::from(ErrorKind::TimedOut))?;
        self.limit(left)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.in_time()?;
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.in_time()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
