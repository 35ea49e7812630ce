//! The thread that asks trunks' servers whether they live, and keeps our registrations: an endpoint of its own behind the
//! edge, and a [`Line`] for each trunk.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::trial::{Trial, Tried};
use super::{Trunk, Trunks, held};
use crate::driver::edge::Edge;
use crate::driver::os;
use crate::driver::secrets::Secrets;
use crate::sip::locate::Hop;
use crate::sip::trunk::{Answer, Ask, Change, Input, Line, Output};
use crate::sip::{
    self, Endpoint, EndpointConfig, Event, Host, Method, NameAddr, OutgoingRequest, Path, RequestId, Uri,
};
use crate::units::Entropy;

/// What the thread is told.
pub enum Mail {
    /// A message that answers one of its own.
    Sip {
        /// How it came.
        path: Path,
        /// The message.
        bytes: Bytes,
    },
    /// Nothing can be sent this way any more.
    TransportFailed(Path),
    /// A call found nobody there.
    Failed(Hop),
    /// Ask all servers of a trunk now, and tell what each said.
    Try {
        /// The trunk.
        trunk: String,
        /// Told once.
        to: SyncSender<Option<Vec<Tried>>>,
    },
    /// Close.
    Stop,
}

/// Mail that may wait: answers to a few questions.
const PLACES: usize = 1024;
/// How often is looked where names lead now, and for another password.
const LOOK: Duration = Duration::from_secs(10);

/// The mailbox, made before the thread runs so that others can be given it first.
#[must_use]
pub fn mailbox() -> (SyncSender<Mail>, Receiver<Mail>) {
    sync_channel(PLACES)
}

/// What the thread works with.
pub struct Watch {
    /// The trunks.
    pub trunks: Arc<Trunks>,
    /// Where passwords are.
    pub secrets: Arc<Secrets>,
    /// The way out.
    pub edge: Edge,
    /// How its endpoint behaves: the Call-IDs lead answers back to it.
    pub endpoint: EndpointConfig,
}

/// Starts the thread.
///
/// # Errors
/// When the system gives no thread.
#[expect(clippy::disallowed_methods, reason = "trunks are watched by a thread")]
pub fn start(watch: Watch, mut entropy: Entropy, mail: Receiver<Mail>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("trunks".to_owned()).spawn(move || {
        let now = os::now();
        let lines = watch.trunks.all.iter();
        let lines = lines.map(|trunk| Line::new(trunk.pulse(), trunk.registration(), now, entropy.fork()));
        let lines: Vec<Line> = lines.collect();
        let endpoint = Endpoint::new(watch.endpoint.clone(), entropy);
        let wakes = vec![None; lines.len()];
        Running {
            watch,
            endpoint,
            lines,
            wakes,
            asked: HashMap::new(),
            trials: Vec::new(),
            wake: None,
            look: now,
        }
        .run(&mail);
    })
}

/// Who wants to know what came of a request.
enum Asked {
    Line(usize, Ask),
    Trial(u64, usize),
}

struct Running {
    watch: Watch,
    endpoint: Endpoint,
    lines: Vec<Line>,
    wakes: Vec<Option<Instant>>,
    asked: HashMap<RequestId, Asked>,
    trials: Vec<Trial>,
    wake: Option<Instant>,
    look: Instant,
}

impl Running {
    fn run(mut self, mail: &Receiver<Mail>) {
        loop {
            self.turn(os::now());
            let trials = self.trials.iter().map(|trial| trial.until);
            let wakes = self.wakes.iter().copied().flatten().chain(trials).chain(self.wake).min();
            let wake = wakes.map_or(self.look, |at| at.min(self.look));
            match mail.recv_timeout(wake.saturating_duration_since(os::now())) {
                Ok(Mail::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Mail::Sip { path, bytes }) => {
                    self.sip(os::now(), sip::Input::Received { path, message: bytes });
                }
                Ok(Mail::TransportFailed(path)) => {
                    self.sip(os::now(), sip::Input::TransportFailed(path));
                }
                Ok(Mail::Failed(hop)) => self.failed(os::now(), hop),
                Ok(Mail::Try { trunk, to }) => self.try_out(os::now(), &trunk, to),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Does what is due.
    fn turn(&mut self, now: Instant) {
        if self.look <= now {
            self.look = now + LOOK;
            self.look_again(now);
        }
        if self.wake.is_some_and(|at| at <= now) {
            self.sip(now, sip::Input::Timeout);
        }
        for at in 0..self.lines.len() {
            if self.wakes.get(at).copied().flatten().is_some_and(|due| due <= now) {
                self.tell(now, at, Input::Timeout);
            }
        }
        self.trials.retain_mut(|trial| !trial.is_over(now));
    }

    fn look_again(&mut self, now: Instant) {
        if let Err(why) = self.watch.trunks.read_logins(&self.watch.secrets) {
            tracing::warn!(%why, "the password of a trunk can't be read: the one that was read last holds on");
        }
        for at in 0..self.lines.len() {
            let Some(trunk) = self.watch.trunks.all.get(at) else { continue };
            let hops = self.watch.trunks.preferred(trunk).into_iter().map(|(hop, _)| hop).collect();
            self.tell(now, at, Input::Servers(hops));
        }
    }

    fn failed(&mut self, now: Instant, hop: Hop) {
        for at in 0..self.lines.len() {
            let known = self.lines.get(at).is_some_and(|line| line.servers().any(|(of, _)| of == hop));
            if known {
                self.tell(now, at, Input::CallFailed(hop));
            }
        }
    }

    /// Has a line handle something, and does what it orders.
    fn tell(&mut self, now: Instant, at: usize, input: Input) {
        let Some(line) = self.lines.get_mut(at) else { return };
        line.handle(now, input);
        let mut asks = Vec::new();
        let wake = loop {
            match line.poll() {
                Output::Ask { ask, expires } => asks.push((ask, expires)),
                Output::Changed(change) => log(&self.watch.trunks, at, change),
                Output::Timeout(wake) => break wake,
            }
        };
        if let Some(trunk) = self.watch.trunks.all.get(at) {
            trunk.seen(line);
        }
        if let Some(place) = self.wakes.get_mut(at) {
            *place = wake;
        }
        for (ask, expires) in asks {
            self.ask(now, at, ask, expires, Asked::Line(at, ask));
        }
    }

    fn ask(&mut self, now: Instant, at: usize, ask: Ask, expires: Duration, asked: Asked) {
        let Some(trunk) = self.watch.trunks.all.get(at) else { return };
        let (Ask::Options(hop) | Ask::Register(hop)) = ask;
        let server = self.watch.trunks.preferred(trunk).into_iter().find(|(of, _)| *of == hop);
        let server = server.map(|(_, server)| server);
        let local = self.watch.edge.local_for(hop.remote, hop.transport);
        let path = Path { transport: hop.transport, local, remote: hop.remote, connection: None };
        let host = trunk.host_at(hop, server.as_ref());
        let request = match ask {
            Ask::Options(_) => options(path, &host),
            Ask::Register(_) => register(trunk, path, &host, expires),
        };
        let id = self.endpoint.request(now, request);
        self.asked.insert(id, asked);
        self.drain(now);
    }

    fn sip(&mut self, now: Instant, input: sip::Input) {
        self.endpoint.handle(now, input);
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        let mut answers = Vec::new();
        self.wake = loop {
            match self.endpoint.poll() {
                sip::Output::Transmit { path, bytes } => self.watch.edge.send(&path, &bytes),
                sip::Output::Event(Event::Response { request, status, headers }) => {
                    answers.extend(self.asked.remove(&request).map(|asked| (asked, status, headers)));
                }
                sip::Output::Event(_) => {}
                sip::Output::Timeout(wake) => break wake,
            }
        };
        for (asked, status, headers) in answers {
            match asked {
                Asked::Line(at, ask) => {
                    let user = self.watch.trunks.all.get(at).map(Trunk::user).unwrap_or_default();
                    self.tell(now, at, Input::Answered(ask, Answer::of(status, &headers, &user)));
                }
                Asked::Trial(id, row) => {
                    if let Some(trial) = self.trials.iter_mut().find(|trial| trial.id == id) {
                        trial.answered(now, row, status);
                    }
                }
            }
        }
    }

    /// Asks all servers of a trunk.
    fn try_out(&mut self, now: Instant, name: &str, to: SyncSender<Option<Vec<Tried>>>) {
        let trunks = Arc::clone(&self.watch.trunks);
        let found = trunks.all.iter().position(|trunk| &*trunk.name == name);
        let Some((at, trunk)) = found.and_then(|at| Some((at, trunks.all.get(at)?))) else {
            // Whoever asked and did not wait does not want it any more.
            let _ = to.try_send(None);
            return;
        };
        let id = self.trials.iter().map(|trial| trial.id).max().unwrap_or(0) + 1;
        let mut trial = Trial::new(id, now, to);
        let mut asks = Vec::new();
        for (.., server) in &trunk.servers {
            let hops = trunks.addresses_of(server, &mut |_| 0);
            if hops.is_empty() {
                trial.nowhere(server);
            }
            for hop in hops {
                asks.push((trial.row(server, hop, "OPTIONS"), Ask::Options(hop)));
                if trunk.out.register.is_some() {
                    asks.push((trial.row(server, hop, "REGISTER"), Ask::Register(hop)));
                }
            }
        }
        self.trials.push(trial);
        let expires = trunk.registration().map_or(Duration::ZERO, |registration| registration.expires);
        for (row, ask) in asks {
            self.ask(now, at, ask, expires, Asked::Trial(id, row));
        }
    }
}

fn options(path: Path, host: &(Host, Option<u16>)) -> OutgoingRequest {
    let uri = Uri::sip(None, host.0.clone(), host.1);
    let from = NameAddr::new(Uri::sip(Some("countersign"), Host::from(path.local.ip()), None));
    let to = NameAddr::new(uri.clone());
    let (headers, body, credentials) = (Vec::new(), None, None);
    OutgoingRequest { path, method: Method::Options, uri, from, to, headers, body, credentials }
}

/// RFC 3261 §10.2: the Request-URI names the registrar, To the address that is registered, Contact where we are.
fn register(trunk: &Trunk, path: Path, host: &(Host, Option<u16>), expires: Duration) -> OutgoingRequest {
    let user = trunk.user();
    let own = NameAddr::new(Uri::sip(Some(&user), host.0.clone(), None));
    let contact = Uri::sip(Some(&user), Host::from(path.local.ip()), Some(path.local.port()));
    let over = path.transport.uri_param().map(|over| format!(";transport={over}")).unwrap_or_default();
    let headers = vec![
        ("Contact".to_owned(), format!("<{contact}{over}>;expires={}", expires.as_secs())),
        ("Expires".to_owned(), expires.as_secs().to_string()),
    ];
    OutgoingRequest {
        path,
        method: Method::Register,
        uri: Uri::sip(None, host.0.clone(), host.1),
        from: own.clone(),
        to: own,
        headers,
        body: None,
        credentials: held(&trunk.login).clone(),
    }
}

/// Tells the log what is another way now.
fn log(trunks: &Trunks, at: usize, change: Change) {
    let trunk = trunks.all.get(at).map(|trunk| &*trunk.name).unwrap_or_default();
    match change {
        Change::Up(Hop { transport, remote }) => {
            tracing::info!(trunk, over = %transport, %remote, "the trunk's server answers");
        }
        Change::Down(Hop { transport, remote }) => tracing::warn!(
            trunk, over = %transport, %remote, help = "`countersign trunk test` tells more",
            "the trunk's server does not answer: others are tried first"
        ),
        Change::Registered(Hop { remote, .. }, held) => {
            tracing::debug!(trunk, %remote, seconds = held.as_secs(), "registered with the trunk's server");
        }
        Change::NotRegistered(Hop { remote, .. }, status, pause) => tracing::warn!(
            trunk, %remote, status = status.code(), again_s = pause.as_secs(), help = "`countersign trunk test` tells more",
            "the trunk's server does not register us"
        ),
        Change::RanOut => {
            tracing::error!(trunk, "our registration has run out: the carrier does not find us");
        }
    }
}
