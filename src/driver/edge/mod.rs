//! The SIP edge: the listening sockets, and the one thread that reads them.
//!
//! Datagrams are sent from whichever thread wants to, through one shared socket. Streams belong to tasks
//! here; what they are to write comes through a bounded queue each. Connections are few (the caps below),
//! may not sit on half a message, and are closed when idle.

mod datagrams;
mod doors;
mod listeners;
mod secure;
mod stream;
mod streams;
mod websocket;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::beginnings::{Beginning, Beginnings};
use super::gate::{self, Gate, Way};
use super::names::Names;
use super::os;
use super::pulse::Pulse;
use super::records::Backlog;
use super::shard::{Mail, Mailbox};
use super::trunks::watch;
use crate::sip::strangers::{Patience, Strangers, Treatment};
use crate::sip::{Listening, Path, Transport};
use crate::units::Places;
use doors::{Door, Manner};
use streams::Streams;

pub use listeners::{EdgeError, Listeners};
pub use secure::{Secure, SecureError};

/// What the edge counted.
#[derive(Debug, Default)]
pub struct EdgeCounters {
    /// Messages from sources that are not known, and requests for a WebSocket that are none for SIP.
    pub refused: AtomicU64,
    /// Those of them that got no answer: their source had asked too often.
    pub unanswered: AtomicU64,
    /// How often a source was banned for a while.
    pub bans: AtomicU64,
    /// Requests that would have begun something: answered 503.
    pub overloaded: Overloaded,
    /// Messages not worth an answer, or that could not be sent.
    pub dropped: AtomicU64,
    /// Connections turned away for want of room.
    pub connections_refused: AtomicU64,
}

/// What was answered 503, by why.
#[derive(Debug, Default)]
pub struct Overloaded {
    /// As many as may waited for a shard.
    pub full: AtomicU64,
    /// It waited too long for one.
    pub late: AtomicU64,
    /// Too many records of calls waited for the store.
    pub records: AtomicU64,
}

/// Who reads what the edge receives.
#[derive(Clone)]
pub struct Readers {
    /// The mailboxes of the shards.
    pub shards: Vec<Mailbox>,
    /// The house's mailbox, for registrations: bounded, as all are.
    pub house: SyncSender<super::house::Mail>,
    /// The mailbox of who watches trunks.
    pub trunks: SyncSender<watch::Mail>,
    /// The call records that wait for the store: while they are many, no call begins.
    pub records: Backlog,
}

/// The edge as others use it.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<Inner>,
}

struct Inner {
    udp: UdpSocket,
    local: Listening,
    gate: Gate,
    readers: Readers,
    /// The places before each shard.
    beginnings: Vec<Beginnings>,
    counters: EdgeCounters,
    streams: Mutex<Streams>,
    strangers: Mutex<Strangers>,
    /// Where names lead.
    names: Arc<Names>,
    dial: mpsc::Sender<(Path, Bytes)>,
    pulse: mpsc::Sender<Pulse>,
    closing: Notify,
    over: AtomicBool,
    registrations: Places,
}

/// Says that the thread is over, however it ended.
struct Over(Edge);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.inner.over.store(true, Ordering::Relaxed);
    }
}

const DIALS_WAITING: usize = 64;

/// Starts the edge's thread.
///
/// # Errors
/// When the system gives no thread or no event loop.
#[expect(clippy::disallowed_methods, reason = "the edge is a thread")]
pub fn start(
    listeners: Listeners,
    gate: Gate,
    readers: Readers,
    names: Arc<Names>,
    patience: Patience,
) -> io::Result<Edge> {
    let (dial, dials) = mpsc::channel(DIALS_WAITING);
    let (pulse, pulses) = mpsc::channel(1);
    let strangers = Mutex::new(Strangers::new(os::now(), patience));
    let edge = Edge {
        inner: Arc::new(Inner {
            udp: listeners.udp.try_clone()?,
            local: listeners.local,
            beginnings: readers.shards.iter().map(|_| Beginnings::new(gate.trunks())).collect(),
            gate,
            readers,
            counters: EdgeCounters::default(),
            streams: Mutex::default(),
            strangers,
            names,
            dial,
            pulse,
            over: AtomicBool::new(false),
            registrations: super::house::registrations(),
            closing: Notify::new(),
        }),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = edge.clone();
    std::thread::Builder::new().name("sip-edge".to_owned()).spawn(move || {
        let _over = Over(running.clone());
        runtime.block_on(async move {
            let Ok(Watched { udp, doors: [tcp, tls, ws, wss], secure }) = watch(listeners) else {
                tracing::error!("the SIP sockets can't be watched");
                return;
            };
            let secure = secure.as_ref();
            let serving = async {
                tokio::join!(
                    running.read_datagrams(udp),
                    running.accept_streams(tcp),
                    running.accept_streams(tls),
                    running.accept_streams(ws),
                    running.accept_streams(wss),
                    running.look_at_certificate(secure),
                    running.dial_streams(dials, secure),
                    answer_pulses(pulses)
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

/// The sockets as the event loop has them.
struct Watched {
    udp: tokio::net::UdpSocket,
    /// TCP, TLS, WebSockets, those over TLS.
    doors: [Option<Door>; 4],
    secure: Option<Arc<Secure>>,
}

fn watch(listeners: Listeners) -> io::Result<Watched> {
    let Listeners { udp, tcp, tls, ws, wss, secure, origins, .. } = listeners;
    let (secure, origins) = (secure.map(Arc::new), Arc::<[String]>::from(origins));
    let open = |listener: Option<std::net::TcpListener>, manner: Option<Manner>| {
        listener.zip(manner).map(|(listener, manner)| Door::open(listener, manner)).transpose()
    };
    let by_tls = secure.clone().map(Manner::Secure);
    let websocket = |secure: Option<Arc<Secure>>| Manner::WebSocket(secure, Arc::clone(&origins));
    let by_wss = secure.clone().map(|secure| websocket(Some(secure)));
    let doors = [
        open(Some(tcp), Some(Manner::Plain))?,
        open(tls, by_tls)?,
        open(ws, Some(websocket(None)))?,
        open(wss, by_wss)?,
    ];
    Ok(Watched { udp: tokio::net::UdpSocket::from_std(udp)?, doors, secure })
}

/// Shows that the thread turns.
async fn answer_pulses(mut pulses: mpsc::Receiver<Pulse>) {
    while let Some(pulse) = pulses.recv().await {
        pulse.beat();
    }
}

impl Edge {
    /// Has the thread answer, to show that it turns; `false`: another waits for that.
    #[must_use]
    pub fn feel(&self, pulse: Pulse) -> bool {
        self.inner.pulse.try_send(pulse).is_ok()
    }

    /// Our address as `remote` sees it: the bound one, or, when every address was bound, the one that the
    /// system would send from.
    #[must_use]
    pub fn local_for(&self, remote: SocketAddr, over: Transport) -> SocketAddr {
        let local = self.inner.local.over(over).unwrap_or(self.inner.local.plain);
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
            _ => self.write_stream(path, bytes),
        };
        if !sent {
            self.inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
            if path.transport != Transport::Udp {
                self.report_failure(path, bytes);
            }
        }
    }

    fn write_stream(&self, path: &Path, bytes: &Bytes) -> bool {
        let writer = self.streams().writer(path, || self.names_to(path));
        match writer {
            Some(writer) => writer.try_send(bytes.clone()).is_ok(),
            // Nobody is called by WebSocket.
            None => {
                !path.transport.is_websocket() && self.inner.dial.try_send((*path, bytes.clone())).is_ok()
            }
        }
    }

    fn report_failure(&self, path: &Path, bytes: &Bytes) {
        let shard = match self.inner.gate.owner(bytes) {
            Some(Way::Shard(shard)) => shard,
            Some(Way::Trunks) => {
                let _ = self.inner.readers.trunks.try_send(watch::Mail::TransportFailed(*path));
                return;
            }
            _ => return,
        };
        if let Some(mailbox) = self.inner.readers.shards.get(shard) {
            // A full mailbox counts it; the transaction's own timer ends it then.
            let _ = mailbox.send(Mail::TransportFailed(*path));
        }
    }

    /// Hands a message to whoever is to have it; gives back what is to be answered at once.
    fn deliver(&self, way: Way, path: Path, bytes: Bytes) -> Option<(Path, Bytes)> {
        match way {
            Way::Shard(shard) => {
                if let Some(mailbox) = self.inner.readers.shards.get(shard) {
                    // A full mailbox counts it; whoever sent it sends it again.
                    let _ = mailbox.send(Mail::Sip { path, bytes, place: None });
                }
            }
            Way::Beginning(shard) => {
                let mailbox = self.inner.readers.shards.get(shard)?;
                let counters = &self.inner.counters.overloaded;
                if self.inner.readers.records.is_long() {
                    return self.overloaded(&counters.records, path, &bytes);
                }
                let refused = match self.place(shard, &path) {
                    None => bytes,
                    place => match *mailbox.send(Mail::Sip { path, bytes, place }).err()? {
                        Mail::Sip { bytes, .. } => bytes,
                        _ => return None,
                    },
                };
                return self.overloaded(&counters.full, path, &refused);
            }
            Way::Settled => {}
            Way::Registrar => {
                let place = self.inner.registrations.take();
                let mail = place.map(|place| super::house::Mail::Sip { path, bytes, place });
                if mail.is_none_or(|mail| self.inner.readers.house.try_send(mail).is_err()) {
                    self.inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Way::Trunks => {
                let mail = watch::Mail::Sip { path, bytes };
                if self.inner.readers.trunks.try_send(mail).is_err() {
                    self.inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Way::Refused => {
                self.inner.counters.refused.fetch_add(1, Ordering::Relaxed);
                return self.may_answer(&path).then(|| gate::refusal(path, &bytes)).flatten();
            }
            Way::Dropped => {
                self.may_answer(&path);
                self.inner.counters.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        None
    }

    /// A place before a shard for what begins something.
    fn place(&self, shard: usize, path: &Path) -> Option<Beginning> {
        let trunk = self.inner.gate.trunk(path.remote.ip())?;
        self.inner.beginnings.get(shard)?.take(os::now(), trunk)
    }

    /// Refuses what begins something and waited too long for its shard; nothing is kept of it.
    pub fn turn_away(&self, path: Path, bytes: &Bytes) {
        if let Some((back, answer)) = self.overloaded(&self.inner.counters.overloaded.late, path, bytes) {
            self.send(&back, &answer);
        }
    }

    fn overloaded(&self, why: &AtomicU64, path: Path, bytes: &Bytes) -> Option<(Path, Bytes)> {
        why.fetch_add(1, Ordering::Relaxed);
        self.inner.gate.overloaded(path, bytes)
    }

    /// Whether a message that is not let in gets its answer. Those of trunks always do.
    fn may_answer(&self, path: &Path) -> bool {
        let source = path.remote.ip();
        if self.inner.gate.trunk(source).is_some() {
            return true;
        }
        let connected = path.transport != Transport::Udp;
        let treatment = self.strangers().treat(os::now(), source, connected);
        if treatment == Treatment::Banned {
            self.inner.counters.bans.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%source, over = %path.transport, "asks on and on, and gets no answer for a while");
        }
        if treatment != Treatment::Answer {
            self.inner.counters.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        treatment == Treatment::Answer
    }

    /// Whether a connection from there is not worth taking.
    fn is_banned(&self, source: IpAddr) -> bool {
        !self.inner.gate.knows(source) && self.strangers().is_banned(os::now(), source)
    }

    fn strangers(&self) -> std::sync::MutexGuard<'_, Strangers> {
        self.inner.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, Streams> {
        self.inner.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
