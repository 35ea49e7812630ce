//! The SIP edge: the listening sockets, and the one thread that reads them.
//!
//! Datagrams are sent from whichever thread wants to, through one shared socket. Streams belong to tasks
//! here; what they are to write comes through a bounded queue each. Connections are few (the caps below),
//! may not sit on half a message, and are closed when idle.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

use super::gate::{self, Gate, Way};
use super::house::Registrations;
use super::shard::{Mail, Mailbox};
use super::stream;
use crate::sip::{Path, Transport, route_key};

/// Why the edge can't listen.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// The address can't be bound.
    #[error("cannot listen for SIP on {address} ({transport}): {source}\n  help: {help}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: Transport,
        /// Why.
        source: io::Error,
        /// What to do.
        help: &'static str,
    },
}

/// The bound sockets, before anything reads them.
#[derive(Debug)]
pub struct Listeners {
    udp: UdpSocket,
    tcp: std::net::TcpListener,
    /// The address that was bound, with the port that the system chose for port 0.
    pub local: SocketAddr,
}

impl Listeners {
    /// Binds UDP and TCP at `address`.
    ///
    /// # Errors
    /// [`EdgeError::Bind`] says which and what to do.
    pub fn bind(address: SocketAddr) -> Result<Self, EdgeError> {
        let refused = |transport: Transport, source: io::Error| EdgeError::Bind {
            address,
            transport,
            help: match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "another program has this port; choose another with --sip ADDR:PORT"
                }
                io::ErrorKind::AddrNotAvailable => {
                    "this machine has no such address; choose one with --sip ADDR:PORT"
                }
                io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose a higher one",
                _ => "choose another address with --sip ADDR:PORT",
            },
            source,
        };
        // A port that the system chose for UDP may be in use for TCP: then it chooses again.
        let mut choices = if address.port() == 0 { CHOICES_OF_PORT } else { 1 };
        let (udp, local, tcp) = loop {
            choices -= 1;
            let udp = UdpSocket::bind(address).map_err(|error| refused(Transport::Udp, error))?;
            let local = udp.local_addr().map_err(|error| refused(Transport::Udp, error))?;
            match std::net::TcpListener::bind(local) {
                Ok(tcp) => break (udp, local, tcp),
                Err(_) if choices > 0 => {}
                Err(error) => return Err(refused(Transport::Tcp, error)),
            }
        };
        for done in [udp.set_nonblocking(true), tcp.set_nonblocking(true)] {
            done.map_err(|error| refused(Transport::Udp, error))?;
        }
        // Bursts of calls queue here while the edge is busy; the system may grant less.
        let _ = socket2::SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER);
        Ok(Self { udp, tcp, local })
    }
}

/// What the edge counted.
#[derive(Debug, Default)]
pub struct EdgeCounters {
    /// Messages from sources that are not known.
    pub refused: AtomicU64,
    /// Messages not worth an answer, or that could not be sent.
    pub dropped: AtomicU64,
    /// Connections turned away for want of room.
    pub connections_refused: AtomicU64,
}

/// Who reads what the edge receives.
#[derive(Clone)]
pub struct Readers {
    /// The mailboxes of the shards.
    pub shards: Vec<Mailbox>,
    /// The house's mailbox, for registrations: bounded, as all are.
    pub house: std::sync::mpsc::SyncSender<super::house::Mail>,
}

/// The edge as others use it.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<Inner>,
}

struct Inner {
    udp: UdpSocket,
    local: SocketAddr,
    gate: Gate,
    readers: Readers,
    counters: EdgeCounters,
    streams: Mutex<Streams>,
    dial: mpsc::Sender<(Path, Bytes)>,
    closing: Notify,
    over: AtomicBool,
    registrations: Registrations,
}

/// Says that the thread is over, however it ended.
struct Over(Edge);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.inner.over.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Streams {
    next: u64,
    open: HashMap<u64, OpenStream>,
}

struct OpenStream {
    remote: SocketAddr,
    writer: mpsc::Sender<Bytes>,
    /// It came from a source that we do not know.
    strange: bool,
}

const CHOICES_OF_PORT: u32 = 16;
const RECEIVE_BUFFER: usize = 4 << 20;
/// Connections at once, and from one address.
const MAX_STREAMS: usize = 1024;
const MAX_STREAMS_PER_SOURCE: usize = 64;
/// Connections from sources that we do not know (an agent's phone may hang up from anywhere): few, so that
/// they never take the room of trunks and phones.
const MAX_STRANGE_STREAMS: usize = 64;
const MAX_STRANGE_STREAMS_PER_SOURCE: usize = 4;
const WRITES_PER_STREAM: usize = 256;
const DIALS_WAITING: usize = 64;
const DIAL_TIME: Duration = Duration::from_secs(5);

/// Starts the edge's thread.
///
/// # Errors
/// When the system gives no thread or no event loop.
#[expect(clippy::disallowed_methods, reason = "the edge is a thread")]
pub fn start(listeners: Listeners, gate: Gate, readers: Readers) -> io::Result<Edge> {
    let (dial, dials) = mpsc::channel(DIALS_WAITING);
    let edge = Edge {
        inner: Arc::new(Inner {
            udp: listeners.udp.try_clone()?,
            local: listeners.local,
            gate,
            readers,
            counters: EdgeCounters::default(),
            streams: Mutex::default(),
            dial,
            over: AtomicBool::new(false),
            registrations: Registrations::default(),
            closing: Notify::new(),
        }),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = edge.clone();
    std::thread::Builder::new().name("sip-edge".to_owned()).spawn(move || {
        let _over = Over(running.clone());
        runtime.block_on(async move {
            let Ok((udp, tcp)) = into_tokio(listeners.udp, listeners.tcp) else {
                tracing::error!("the SIP sockets can't be watched");
                return;
            };
            let serving = async {
                tokio::join!(
                    running.read_datagrams(udp),
                    running.accept_streams(tcp),
                    running.dial_streams(dials)
                )
            };
            tokio::select! {
                _ = serving => {}
                () = running.inner.closing.notified() => {}
            }
        });
    })?;
    Ok(edge)
}

fn into_tokio(
    udp: UdpSocket,
    tcp: std::net::TcpListener,
) -> io::Result<(tokio::net::UdpSocket, TcpListener)> {
    Ok((tokio::net::UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?))
}

impl Edge {
    /// Our address as `remote` sees it: the bound one, or, when every address was bound, the one that the
    /// system would send from.
    #[must_use]
    pub fn local_for(&self, remote: SocketAddr) -> SocketAddr {
        let local = self.inner.local;
        if !local.ip().is_unspecified() {
            return local;
        }
        let probe = UdpSocket::bind((local.ip(), 0)).and_then(|socket| {
            socket.connect(remote)?;
            socket.local_addr()
        });
        probe.map_or(local, |address| SocketAddr::new(address.ip(), local.port()))
    }

    /// Ends the edge's thread and closes its sockets and connections.
    pub fn close(&self) {
        self.inner.closing.notify_one();
    }

    /// Whether the sockets are still read: not after [`Edge::close`] or a defect.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.inner.over.load(Ordering::Relaxed)
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &EdgeCounters {
        &self.inner.counters
    }

    /// Sends a message; what can't be sent is counted, and for a stream reported to its shard.
    pub fn send(&self, path: &Path, bytes: &Bytes) {
        let sent = match path.transport {
            Transport::Udp => self.inner.udp.send_to(bytes, path.remote).is_ok(),
            Transport::Tcp => self.write_stream(path, bytes),
        };
        if !sent {
            self.inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
            if path.transport == Transport::Tcp {
                self.report_failure(path, bytes);
            }
        }
    }

    fn write_stream(&self, path: &Path, bytes: &Bytes) -> bool {
        let writer = {
            let streams = self.streams();
            let by_number = path.connection.and_then(|number| streams.open.get(&number));
            let open =
                by_number.or_else(|| streams.open.values().find(|stream| stream.remote == path.remote));
            open.map(|stream| stream.writer.clone())
        };
        match writer {
            Some(writer) => writer.try_send(bytes.clone()).is_ok(),
            None => self.inner.dial.try_send((*path, bytes.clone())).is_ok(),
        }
    }

    fn report_failure(&self, path: &Path, bytes: &Bytes) {
        let shard = match self.inner.gate.way(path.remote.ip(), bytes) {
            Way::Shard(shard) => shard,
            Way::Registrar | Way::Refused | Way::Dropped => return,
        };
        if let Some(mailbox) = self.inner.readers.shards.get(shard) {
            // A full mailbox counts it; the transaction's own timer ends it then.
            let _ = mailbox.send(Mail::TransportFailed(*path));
        }
    }

    /// Hands a message to whoever is to have it.
    fn deliver(&self, way: Way, path: Path, bytes: Bytes) {
        match way {
            Way::Shard(shard) => {
                let Some(mailbox) = self.inner.readers.shards.get(shard) else { return };
                if let Err(mail) = mailbox.send(Mail::Sip { path, bytes })
                    && let Mail::Sip { path, bytes } = *mail
                    && route_key(&bytes).is_some_and(|key| key.method_is_invite && !key.is_response)
                    && let Some(answer) = gate::overloaded(&bytes)
                {
                    self.send(&path, &answer);
                }
            }
            Way::Registrar => {
                let place = self.inner.registrations.place();
                let mail = place.map(|place| super::house::Mail::Sip { path, bytes, place });
                if mail.is_none_or(|mail| self.inner.readers.house.try_send(mail).is_err()) {
                    self.inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Way::Refused => {
                self.inner.counters.refused.fetch_add(1, Ordering::Relaxed);
                if let Some(answer) = gate::refusal(&bytes) {
                    self.send(&path, &answer);
                }
            }
            Way::Dropped => {
                self.inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn read_datagrams(&self, udp: tokio::net::UdpSocket) {
        let mut buffer = vec![0_u8; 65_536];
        loop {
            // A peer's closed port comes back as an error of the next receive: not ours to die of.
            let Ok((length, remote)) = udp.recv_from(&mut buffer).await else { continue };
            let datagram = buffer.get(..length).unwrap_or_default();
            // RFC 5626 §3.5.1, RFC 3261 §7.5: line ends alone are a keep-alive.
            if datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                continue;
            }
            let way = self.inner.gate.way(remote.ip(), datagram);
            // To find our own address can take system calls: strangers are not worth them.
            let local = match way {
                Way::Shard(_) | Way::Registrar => self.local_for(remote),
                Way::Refused | Way::Dropped => self.inner.local,
            };
            let path = Path { transport: Transport::Udp, local, remote, connection: None };
            self.deliver(way, path, Bytes::copy_from_slice(datagram));
        }
    }

    async fn accept_streams(&self, tcp: TcpListener) {
        loop {
            let Ok((socket, remote)) = tcp.accept().await else {
                // Out of descriptors: let the other tasks give some back.
                tokio::task::yield_now().await;
                continue;
            };
            if !self.has_room(remote.ip()) {
                self.inner.counters.connections_refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let strange = !self.inner.gate.knows(remote.ip());
            self.run_stream(socket, remote, strange);
        }
    }

    async fn dial_streams(&self, mut dials: mpsc::Receiver<(Path, Bytes)>) {
        while let Some((path, bytes)) = dials.recv().await {
            let edge = self.clone();
            let dialling = async move {
                let connecting = tokio::net::TcpStream::connect(path.remote);
                match tokio::time::timeout(DIAL_TIME, connecting).await {
                    Ok(Ok(socket)) => {
                        let writer = edge.run_stream(socket, path.remote, false);
                        // A new queue has room for its first message.
                        let _ = writer.try_send(bytes);
                    }
                    Ok(Err(_)) | Err(_) => edge.report_failure(&path, &bytes),
                }
            };
            spawn(dialling);
        }
    }

    fn has_room(&self, source: IpAddr) -> bool {
        let streams = self.streams();
        let same = streams.open.values().filter(|stream| stream.remote.ip() == source).count();
        if self.inner.gate.knows(source) {
            return streams.open.len() < MAX_STREAMS && same < MAX_STREAMS_PER_SOURCE;
        }
        let strange = streams.open.values().filter(|stream| stream.strange).count();
        strange < MAX_STRANGE_STREAMS && same < MAX_STRANGE_STREAMS_PER_SOURCE
    }

    fn run_stream(
        &self,
        socket: tokio::net::TcpStream,
        remote: SocketAddr,
        strange: bool,
    ) -> mpsc::Sender<Bytes> {
        let (writer, to_write) = mpsc::channel(WRITES_PER_STREAM);
        let number = {
            let mut streams = self.streams();
            streams.next += 1;
            let number = streams.next;
            streams.open.insert(number, OpenStream { remote, writer: writer.clone(), strange });
            number
        };
        let local = self.local_for(remote);
        let path = Path { transport: Transport::Tcp, local, remote, connection: Some(number) };
        let edge = self.clone();
        spawn(async move {
            // Nobody but the edge knows of a stranger's connection until it brings something of ours.
            let known = AtomicBool::new(!strange);
            let deliver = |bytes: Bytes| {
                let way = edge.inner.gate.way(path.remote.ip(), &bytes);
                known.fetch_or(matches!(way, Way::Shard(_) | Way::Registrar), Ordering::Relaxed);
                edge.deliver(way, path, bytes);
            };
            stream::run(socket, to_write, deliver).await;
            edge.streams().open.remove(&number);
            if !known.load(Ordering::Relaxed) {
                return;
            }
            for mailbox in &edge.inner.readers.shards {
                // Whoever has a transaction on it ends it; a full mailbox leaves that to the timers.
                let _ = mailbox.send(Mail::TransportFailed(path));
            }
            // A phone that registered over it is gone; a full mailbox leaves that to its expiry.
            let _ = edge.inner.readers.house.try_send(super::house::Mail::TransportFailed(path));
        });
        writer
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, Streams> {
        self.inner.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "a connection is a task of the edge's event loop")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
