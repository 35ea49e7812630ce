//! The doors by which connections come in, and what is settled with whoever comes before SIP is spoken.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Edge;
use super::secure::{Proven, Secure};
use super::stream::{self, Framing};
use super::websocket::{Frames, Greeting, Handshake};
use crate::sip::{Path, StreamParser, Transport};

/// A socket that takes connections.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) manner: Manner,
}

/// How is spoken with those who come.
#[derive(Clone)]
pub(super) enum Manner {
    /// TCP.
    Plain,
    /// TLS.
    Secure(Arc<Secure>),
    /// By WebSocket, over TLS if that is given; these origins' pages may.
    WebSocket(Option<Arc<Secure>>, Arc<[String]>),
}

/// A connection by which SIP can be spoken.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Duplex>,
    pub(super) proven: Proven,
    pub(super) framing: Box<dyn Framing>,
}

/// An end of a connection, before which nothing is known of what is behind it.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A peer that has not asked for a WebSocket by then has no place here.
const GREETING: Duration = Duration::from_secs(5);

impl Door {
    /// Has the event loop watch a socket: to be called within it.
    pub(super) fn open(listener: std::net::TcpListener, manner: Manner) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::from_std(listener)?, manner })
    }
}

impl Manner {
    pub(super) const fn over(&self) -> Transport {
        match self {
            Self::Plain => Transport::Tcp,
            Self::Secure(_) => Transport::Tls,
            Self::WebSocket(None, _) => Transport::Ws,
            Self::WebSocket(Some(_), _) => Transport::Wss,
        }
    }

    const fn secure(&self) -> Option<&Arc<Secure>> {
        match self {
            Self::Plain => None,
            Self::Secure(secure) => Some(secure),
            Self::WebSocket(secure, _) => secure.as_ref(),
        }
    }
}

impl Opened {
    /// A connection that is a stream of SIP.
    pub(super) fn stream(stream: impl Duplex + 'static, proven: Proven) -> Self {
        Self { stream: Box::new(stream), proven, framing: Box::new(StreamParser::new()) }
    }
}

impl Edge {
    /// Settles with whoever came what is to be settled before SIP is spoken.
    pub(super) async fn admit(self, socket: TcpStream, remote: SocketAddr, manner: Manner) -> Option<Opened> {
        let opened = match manner.secure() {
            None => Opened::stream(socket, Proven::default()),
            Some(secure) => {
                let (stream, proven) = secure.accept(socket).await?;
                Opened::stream(stream, proven)
            }
        };
        let Manner::WebSocket(_, origins) = &manner else { return Some(opened) };
        let Opened { mut stream, proven, .. } = opened;
        match timeout(GREETING, greet(&mut stream, origins)).await.ok()?? {
            Greeting::Taken(answer) if stream::write(&mut stream, &answer).await => {
                Some(Opened { stream, proven, framing: Box::new(Frames::new()) })
            }
            Greeting::Taken(_) => None,
            Greeting::Refused(refusal) => {
                self.inner.counters.refused.fetch_add(1, Ordering::Relaxed);
                let (transport, local) = (manner.over(), self.inner.local.plain);
                if self.may_answer(&Path { transport, local, remote, connection: None }) {
                    stream::write(&mut stream, refusal.to_string().as_bytes()).await;
                }
                None
            }
        }
    }
}

/// Reads a handshake to its end; `None` when the peer goes.
async fn greet(stream: &mut Box<dyn Duplex>, origins: &[String]) -> Option<Greeting> {
    let mut handshake = Handshake::new(origins);
    let mut buffer = [0_u8; 2_048];
    loop {
        let length = stream.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        if let Some(greeting) = handshake.push(buffer.get(..length).unwrap_or_default()) {
            return Some(greeting);
        }
    }
}
