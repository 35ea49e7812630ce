//! A connection to a provider that speaks no HTTP: with TLS that is verified, or plain to private networks only.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::outcome::NotTaken;
use crate::driver::services::http::is_private;
use crate::driver::{os, tls};

/// A connection.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Connects to the first address of a host that answers. Without TLS only private networks are connected to: what
/// is sent can be read on the way.
pub(super) fn connect(
    host: &str,
    port: u16,
    private_only: bool,
    deadline: Instant,
) -> Result<TcpStream, NotTaken> {
    let found = (host, port).to_socket_addrs().map_err(|_| NotTaken::Connect)?;
    for address in found.filter(|address| !private_only || is_private(address.ip())).take(MOST_ADDRESSES) {
        let left = deadline.saturating_duration_since(os::now());
        if left.is_zero() {
            return Err(NotTaken::Timeout);
        }
        if let Ok(stream) = TcpStream::connect_timeout(&address, left) {
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(NotTaken::Connect)
}

/// Addresses of a host that are tried.
const MOST_ADDRESSES: usize = 4;

/// Whom connections trust: the authorities of a file, or those of the system.
pub(super) fn trust(ca: Option<&Path>) -> Result<Arc<ClientConfig>, NotTaken> {
    let authorities = match ca {
        Some(path) => {
            std::fs::read_to_string(path).ok().and_then(|pem| tls::certificates(&pem)).unwrap_or_default()
        }
        None => tls::system_authorities(),
    };
    let roots = tls::roots(authorities).ok_or(NotTaken::Tls)?;
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| NotTaken::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Wire {
    /// Goes on in TLS. The handshake is over when this returns.
    pub(super) fn secure(
        stream: TcpStream,
        host: &str,
        trust: Arc<ClientConfig>,
        deadline: Instant,
    ) -> Result<Self, NotTaken> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| NotTaken::Tls)?;
        let connection = ClientConnection::new(trust, name).map_err(|_| NotTaken::Tls)?;
        let mut wire = StreamOwned::new(connection, stream);
        while wire.conn.is_handshaking() {
            set_timeouts(&wire.sock, left(deadline)?)?;
            wire.conn.complete_io(&mut wire.sock).map_err(|error| match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => NotTaken::Timeout,
                _ => NotTaken::Tls,
            })?;
        }
        Ok(Self::Tls(Box::new(wire)))
    }

    /// Whether nobody on the way reads along.
    pub(super) const fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    const fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// How long the next reading or writing may take.
    pub(super) fn wait(&self, time: Duration) -> Result<(), NotTaken> {
        set_timeouts(self.socket(), time)
    }

    /// The same, until a deadline.
    pub(super) fn until(&self, deadline: Instant) -> Result<(), NotTaken> {
        self.wait(left(deadline)?)
    }

    /// The bare connection, to go on in TLS.
    pub(super) fn plain(self) -> Option<TcpStream> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Tls(_) => None,
        }
    }
}

fn left(deadline: Instant) -> Result<Duration, NotTaken> {
    let left = deadline.saturating_duration_since(os::now());
    if left.is_zero() { Err(NotTaken::Timeout) } else { Ok(left) }
}

fn set_timeouts(socket: &TcpStream, time: Duration) -> Result<(), NotTaken> {
    let time = Some(time.max(Duration::from_millis(1)));
    socket.set_read_timeout(time).and_then(|()| socket.set_write_timeout(time)).map_err(|_| NotTaken::Lost)
}

/// What a failed reading or writing means.
pub(super) fn lost(error: &io::Error) -> NotTaken {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => NotTaken::Timeout,
        ErrorKind::InvalidData => NotTaken::Tls,
        _ => NotTaken::Lost,
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
