//! The edge's connections: how many there may be and whose, from the first octet to the last.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::doors::{Door, Opened};
use super::secure::{Proven, Secure};
use super::{Edge, stream};
use crate::driver::certificate::LOOK;
use crate::driver::gate::{Source, Way};
use crate::driver::house;
use crate::driver::shard::Mail;
use crate::driver::trunks::watch;
use crate::sip::{Path, Transport};

/// The connections that are open, or about to be.
#[derive(Default)]
pub(super) struct Streams {
    next: u64,
    open: HashMap<u64, OpenStream>,
    /// Handshakes of strangers since then.
    handshakes: Option<(Instant, u32)>,
}

struct OpenStream {
    transport: Transport,
    remote: SocketAddr,
    writer: mpsc::Sender<Bytes>,
    /// It came from a source that we do not know.
    strange: bool,
    /// We made it, to that address, and know that we reached it.
    ours: bool,
    /// The names that its certificate was to have, when we made it.
    names: Vec<String>,
}

/// Connections at once, and from one address.
const MAX_STREAMS: usize = 1024;
const MAX_STREAMS_PER_SOURCE: usize = 64;
/// Connections, all counted, above which those of phones are turned away.
const MAX_STREAMS_OF_PHONES: usize = 768;
/// TLS handshakes of strangers in a second: each costs a signature on the thread that reads all SIP.
const MAX_STRANGE_HANDSHAKES: u32 = 20;
/// Connections from sources that we do not know (an agent's phone may hang up from anywhere): few, so that
/// they never take the room of trunks and phones.
const MAX_STRANGE_STREAMS: usize = 64;
const MAX_STRANGE_STREAMS_PER_SOURCE: usize = 4;
const HANDSHAKES_IN: Duration = Duration::from_secs(1);
const WRITES_PER_STREAM: usize = 256;
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const DIAL_TIME: Duration = Duration::from_secs(5);

impl Streams {
    /// The queue of a connection: the one with that number, or one to that address. What is secret goes to an address over a
    /// connection only whose other end has proven that it has it.
    ///
    /// `names`: those that lead to the address by now. A connection that was not verified for one of them is not its (RFC 5922 §7).
    pub(super) fn writer(
        &self,
        path: &Path,
        names: impl FnOnce() -> Vec<String>,
    ) -> Option<mpsc::Sender<Bytes>> {
        let by_number = path.connection.and_then(|number| self.open.get(&number));
        let by_number = by_number.filter(|stream| stream.transport == path.transport);
        if let Some(stream) = by_number {
            return Some(stream.writer.clone());
        }
        // Whoever speaks by WebSocket has to come again.
        if path.transport.is_websocket() {
            return None;
        }
        let names = names();
        let leads = |stream: &&OpenStream| {
            stream.transport == path.transport
                && stream.remote == path.remote
                && (stream.ours || path.transport != Transport::Tls)
                && names.iter().all(|name| stream.names.contains(name))
        };
        self.open.values().find(leads).map(|stream| stream.writer.clone())
    }

    fn enter(&mut self, stream: OpenStream) -> u64 {
        self.next += 1;
        self.open.insert(self.next, stream);
        self.next
    }
}

impl Edge {
    pub(super) async fn accept_streams(&self, door: Option<Door>) {
        let Some(door) = door else { return };
        loop {
            let Ok((socket, remote)) = door.listener.accept().await else {
                // Out of descriptors: let the other tasks give some back.
                tokio::task::yield_now().await;
                continue;
            };
            if self.is_banned(remote.ip())
                || !self.has_room(remote.ip())
                || (door.manner.over().is_encrypted() && !self.may_shake_hands(remote.ip()))
            {
                self.inner.counters.connections_refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            keep_alive(&socket);
            let opening = self.clone().admit(socket, remote, door.manner.clone());
            drop(self.run_stream(door.manner.over(), remote, None, opening));
        }
    }

    /// Reads a changed certificate.
    pub(super) async fn look_at_certificate(&self, secure: Option<&Arc<Secure>>) {
        let Some(secure) = secure else { return };
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let certificate = secure.certificate();
            drop(tokio::task::spawn_blocking(move || certificate.look()));
        }
    }

    pub(super) async fn dial_streams(
        &self,
        mut dials: mpsc::Receiver<(Path, Bytes)>,
        secure: Option<&Arc<Secure>>,
    ) {
        while let Some((path, bytes)) = dials.recv().await {
            // Somebody may have asked for the same a moment ago: one connection is enough for both.
            let names = self.names_to(&path);
            let known = self.streams().writer(&path, || names.clone());
            let writer = known.unwrap_or_else(|| {
                let secure = secure.cloned();
                let wanted = names.clone();
                let opening = async move {
                    let dialling = tokio::time::timeout(DIAL_TIME, dial(&path, wanted, secure.as_deref()));
                    dialling.await.ok().flatten()
                };
                self.run_stream(path.transport, path.remote, Some(names), opening)
            });
            if writer.try_send(bytes.clone()).is_err() {
                self.report_failure(&path, &bytes);
            }
        }
    }

    fn has_room(&self, source: IpAddr) -> bool {
        let streams = self.streams();
        let same = streams.open.values().filter(|stream| stream.remote.ip() == source).count();
        if self.inner.gate.knows(source) {
            // Phones may be anywhere: they leave room for those who may be nowhere else.
            let most =
                if self.inner.gate.trunk(source).is_some() { MAX_STREAMS } else { MAX_STREAMS_OF_PHONES };
            return streams.open.len() < most && same < MAX_STREAMS_PER_SOURCE;
        }
        let strange = streams.open.values().filter(|stream| stream.strange).count();
        strange < MAX_STRANGE_STREAMS && same < MAX_STRANGE_STREAMS_PER_SOURCE
    }

    /// Whether there is time for a handshake.
    fn may_shake_hands(&self, source: IpAddr) -> bool {
        if self.inner.gate.knows(source) {
            return true;
        }
        let now = Instant::now();
        let mut streams = self.streams();
        let (since, count) =
            streams.handshakes.filter(|(since, _)| now - *since < HANDSHAKES_IN).unwrap_or((now, 0));
        streams.handshakes = Some((since, count + 1));
        count < MAX_STRANGE_HANDSHAKES
    }

    /// The names that lead to where a path does: its certificate must have them.
    pub(super) fn names_to(&self, path: &Path) -> Vec<String> {
        if path.transport == Transport::Tls { self.inner.names.of(path.remote) } else { Vec::new() }
    }

    /// Serves a connection from now on; it takes its place while it is opened, too.
    fn run_stream(
        &self,
        over: Transport,
        remote: SocketAddr,
        ours: Option<Vec<String>>,
        opening: impl Future<Output = Option<Opened>> + Send + 'static,
    ) -> mpsc::Sender<Bytes> {
        let (ours, names) = (ours.is_some(), ours.unwrap_or_default());
        let strange = !ours && !self.inner.gate.knows(remote.ip());
        let (writer, mut to_write) = mpsc::channel(WRITES_PER_STREAM);
        let stream = OpenStream { transport: over, remote, writer: writer.clone(), strange, ours, names };
        let number = self.streams().enter(stream);
        let local = self.local_for(remote, over);
        let path = Path { transport: over, local, remote, connection: Some(number) };
        let edge = self.clone();
        spawn(async move {
            // Nobody but the edge knows of a stranger's connection until it brings something of ours.
            let known = AtomicBool::new(!strange);
            if let Some(Opened { stream, proven, framing }) = opening.await {
                let source = Source { ip: remote.ip(), over, proven: &proven };
                let deliver = |bytes: Bytes| {
                    let way = edge.inner.gate.way(&source, &bytes);
                    known.fetch_or(
                        matches!(way, Way::Shard(_) | Way::Beginning(_) | Way::Registrar | Way::Trunks),
                        Ordering::Relaxed,
                    );
                    if let Some((back, answer)) = edge.deliver(way, path, bytes) {
                        edge.send(&back, &answer);
                    }
                };
                let idle = if strange { stream::IDLE } else { stream::IDLE_OF_KNOWN };
                stream::run(stream, framing, to_write, idle, deliver).await;
                edge.streams().open.remove(&number);
            } else {
                edge.streams().open.remove(&number);
                known.store(false, Ordering::Relaxed);
                // What was to go over it goes nowhere.
                to_write.close();
                while let Ok(bytes) = to_write.try_recv() {
                    edge.report_failure(&Path { connection: None, ..path }, &bytes);
                }
            }
            if known.load(Ordering::Relaxed) {
                edge.report_end(path);
            }
        });
        writer
    }

    fn report_end(&self, path: Path) {
        for mailbox in &self.inner.readers.shards {
            // Whoever has a transaction on it ends it; a full mailbox leaves that to the timers.
            let _ = mailbox.send(Mail::TransportFailed(path));
        }
        // A phone that registered over it is gone; a full mailbox leaves that to its expiry.
        let _ = self.inner.readers.house.try_send(house::Mail::TransportFailed(path));
        let _ = self.inner.readers.trunks.try_send(watch::Mail::TransportFailed(path));
    }
}

/// Has the system find out that a peer is gone.
fn keep_alive(socket: &TcpStream) {
    let often = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE);
    // Without it a dead connection is only known later.
    let _ = socket2::SockRef::from(socket).set_tcp_keepalive(&often);
}

/// A connection of ours to where the path leads.
async fn dial(path: &Path, names: Vec<String>, secure: Option<&Secure>) -> Option<Opened> {
    let socket = TcpStream::connect(path.remote).await.ok()?;
    keep_alive(&socket);
    if path.transport != Transport::Tls {
        return Some(Opened::stream(socket, Proven::default()));
    }
    let stream = secure?.connect(socket, path.remote, names).await?;
    Some(Opened::stream(stream, Proven::default()))
}

#[expect(clippy::disallowed_methods, reason = "a connection is a task of the edge's event loop")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
