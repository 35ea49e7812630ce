//! A shard: one thread that owns an engine, its media sockets and its mailbox.
//!
//! The loop waits for packets, mail or the engine's next timer, whichever is first; hands each to the
//! engine; and carries out what the engine orders. Nothing in it waits for anything else: questions leave
//! for the worker pool and come back as mail, a full socket loses the packet, a full mailbox loses mail and
//! counts it.

mod counters;
#[cfg(test)]
mod door_tests;
mod media;

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::{Events, Poll, Waker};

pub use self::counters::{Held, ShardCounters};
use super::beginnings::{Beginning, Lateness};
use super::datagrams::Inbox;
use super::os;
use super::ports::{Channel, MAILBOX, Ports};
use super::pulse::Pulse;
use super::rounds::Rounds;
use crate::auth::Source;
use crate::call::{CallRecord, CallSettings, CodeCall, News, Recorded, RecordingName, Ticket};
use crate::engine::{Engine, Input, Lineup, Output, Served, Vouch};
use crate::flow::run::{Answer, Question};
use crate::routing::{DeskEvent, DeskRequest};
use crate::secret::Secret;
use crate::sip::Path;
use crate::sip::stir::Verdict;
use crate::units::{AskId, CallId, HearingId, MediaPort};
use crate::voice::{EarError, Hearing, Understood, Utterance};

/// What others put into a shard's mailbox.
pub enum Mail {
    /// A SIP message for one of its calls, or the start of one.
    Sip {
        /// How it came.
        path: Path,
        /// The message.
        bytes: Bytes,
        /// Its place among those that begin something; `None` when it belongs to what was begun.
        place: Option<Beginning>,
    },
    /// A stream broke.
    TransportFailed(Path),
    /// The answer to a question.
    Answer {
        /// The call that asked.
        call: CallId,
        /// The question.
        ask: AskId,
        /// The answer.
        answer: Answer,
    },
    /// What was understood of a sound.
    Heard {
        /// The call whose caller it is.
        call: CallId,
        /// Which sound.
        id: HearingId,
        /// The surest first; or why nobody can tell.
        answer: Result<Vec<Understood>, EarError>,
    },
    /// What came of looking into a caller's number.
    Vouched(CallId, Verdict),
    /// What a call recorded can't be kept.
    RecordingFailed(CallId, RecordingName),
    /// Word from the switchboard.
    Desk(CallId, DeskEvent),
    /// New calls get these versions from now on.
    Reload {
        /// The versions.
        lineup: Lineup,
        /// Told what the shard serves, once it does.
        done: SyncSender<Served>,
    },
    /// Call somebody and tell them a code.
    Place(Box<CodeCall>),
    /// Tell what is served.
    Report(SyncSender<Served>),
    /// Answer, to show that the shard turns.
    Pulse(Pulse),
    /// Take no new calls; told once that is so and all that came before is counted.
    Drain(SyncSender<()>),
    /// End every call and stop.
    Stop,
}

/// The way into a shard.
#[derive(Clone)]
pub struct Mailbox {
    sender: SyncSender<Mail>,
    waker: Arc<Waker>,
    counters: Arc<ShardCounters>,
}

impl Mailbox {
    /// Puts mail in; gives it back when the mailbox is full or the shard is gone.
    ///
    /// # Errors
    /// The mail that did not get in.
    pub fn send(&self, mail: Mail) -> Result<(), Box<Mail>> {
        match self.sender.try_send(mail) {
            Ok(()) => {
                // A waker that fails means that the shard is gone; the loop also looks at its mail by itself.
                let _ = self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(mail) | TrySendError::Disconnected(mail)) => {
                self.counters.mail_lost.fetch_add(1, Ordering::Relaxed);
                Err(Box::new(mail))
            }
        }
    }

    /// Puts mail in that may wait for a moment while the mailbox is full; whether it got in.
    pub fn deliver(&self, mail: Mail, deadline: Instant) -> bool {
        let mut mail = mail;
        loop {
            match self.send(mail) {
                Ok(()) => return true,
                Err(back) if os::now() < deadline => mail = *back,
                Err(_) => return false,
            }
            std::thread::yield_now();
        }
    }

    /// The shard's counters.
    #[must_use]
    pub fn counters(&self) -> &ShardCounters {
        &self.counters
    }
}

/// On behalf of which call something is asked.
pub struct Asking {
    /// The version that it runs.
    pub version: Arc<CallSettings>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a shard's orders go that are not its own to carry out.
pub trait Outside: Send {
    /// Sends a SIP message.
    fn sip(&mut self, path: &Path, bytes: &Bytes);
    /// Refuses a request for want of time.
    fn turn_away(&mut self, path: &Path, bytes: &Bytes);
    /// A call begins.
    fn begun(&mut self, source: &Source);
    /// Looks into a caller's number; what comes of it comes by mail.
    fn vouch(&mut self, call: CallId, vouch: Box<Vouch>);
    /// Asks something slow on behalf of a call; the answer comes by mail.
    fn ask(&mut self, call: CallId, by: Asking, ask: AskId, question: Question);
    /// Has what a caller said understood; the answer comes by mail.
    fn recognise(&mut self, call: CallId, id: HearingId, sound: Arc<Utterance>, hearing: Arc<Hearing>);
    /// Keeps what a call recorded.
    fn recording(&mut self, call: CallId, recorded: Recorded);
    /// Tells the switchboard.
    fn desk(&mut self, request: DeskRequest);
    /// Tells whoever ordered a call what becomes of it.
    fn told(&mut self, ticket: Ticket, news: News);
    /// Keeps the record of a call that ended.
    fn record(&mut self, record: Box<CallRecord>, caller: Option<Secret<String>>);
}

/// What a shard needs to start.
pub struct ShardSettings {
    /// Its number.
    pub number: usize,
    /// How many there are.
    pub shards: usize,
    /// The media ports of all shards together.
    pub rtp_ports: RangeInclusive<u16>,
    /// The address that media sockets are bound to.
    pub bind: IpAddr,
}

/// A running shard.
pub struct Shard {
    /// The way in.
    pub mailbox: Mailbox,
    /// Its thread; ends after `Mail::Stop`.
    pub thread: JoinHandle<()>,
}

const EVENTS_PER_TURN: usize = 1024;
const MAILBOX_PLACES: usize = 8192;
const MAIL_PER_TURN: usize = 512;
/// After `Stop`, farewells (BYE and its answer) get this long.
const FAREWELL: Duration = Duration::from_secs(2);

/// Prepares the mailbox of a shard before its thread runs, so that others can be given it first.
///
/// # Errors
/// When the operating system gives no poll or waker.
pub fn prepare() -> io::Result<(Mailbox, Prepared)> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), MAILBOX)?);
    let (sender, receiver) = sync_channel(MAILBOX_PLACES);
    let counters = Arc::new(ShardCounters::default());
    let mailbox = Mailbox { sender, waker, counters: Arc::clone(&counters) };
    Ok((mailbox, Prepared { poll, receiver, counters }))
}

/// The inner end of a prepared mailbox.
pub struct Prepared {
    poll: Poll,
    receiver: Receiver<Mail>,
    counters: Arc<ShardCounters>,
}

/// Starts the thread of a shard.
///
/// # Errors
/// When the operating system starts no thread.
#[expect(clippy::disallowed_methods, reason = "a shard is a thread")]
pub fn start(
    prepared: Prepared,
    settings: ShardSettings,
    engine: Engine,
    outside: Box<dyn Outside>,
) -> io::Result<JoinHandle<()>> {
    let name = format!("shard-{}", settings.number);
    std::thread::Builder::new().name(name).spawn(move || {
        let ports = Ports::slice(&settings.rtp_ports, settings.number, settings.shards);
        let counters = prepared.counters;
        let rounds = Rounds::new(os::now());
        Loop {
            poll: prepared.poll,
            mail: prepared.receiver,
            counters,
            ports,
            rounds,
            inbox: media::inbox(),
            bind: settings.bind,
            engine,
            outside,
            wake: None,
            stopping: None,
            backlog: Vec::new(),
            more_mail: false,
            lateness: Lateness::default(),
            received: 0,
            sent: 0,
        }
        .run();
    })
}

struct Loop {
    poll: Poll,
    mail: Receiver<Mail>,
    counters: Arc<ShardCounters>,
    ports: Ports,
    /// When each RTP socket is looked at.
    rounds: Rounds,
    inbox: Inbox,
    bind: IpAddr,
    engine: Engine,
    outside: Box<dyn Outside>,
    wake: Option<Instant>,
    stopping: Option<Instant>,
    /// Sockets with more packets than one turn may take.
    backlog: Vec<(MediaPort, Channel)>,
    /// More mail lies there than one turn may take.
    more_mail: bool,
    /// Whether what begins something waits too long.
    lateness: Lateness,
    /// Media datagrams, published at the end of each turn.
    received: u64,
    sent: u64,
}

impl Loop {
    fn run(&mut self) {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        self.drain(os::now());
        loop {
            if let Err(error) = self.poll.poll(&mut events, self.patience())
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the shard cannot wait for packets any more");
                return;
            }
            for (port, channel) in std::mem::take(&mut self.backlog) {
                self.receive(port, channel);
            }
            for event in &events {
                if event.token() != MAILBOX
                    && let Some((port, channel)) = Ports::of_token(event.token())
                {
                    self.receive(port, channel);
                }
            }
            self.read_mail();
            // Whose turn it is gets its packets first: what is due is sent with them.
            self.go_round();
            let now = os::now();
            self.tick(now);
            self.publish();
            if self.stopping.is_some_and(|at| at <= now || self.engine.active().calls == 0) {
                return;
            }
        }
    }

    /// How long nothing needs to be done unless something comes.
    fn patience(&self) -> Option<Duration> {
        if self.more_mail || !self.backlog.is_empty() {
            return Some(Duration::ZERO);
        }
        let until = self.wake.into_iter().chain(self.stopping).chain(self.rounds.due()).min()?;
        Some(until.saturating_duration_since(os::now()))
    }

    /// Does what is due. Asked after every message, and between packets when it is late: a burst of them delays no
    /// packet of ours.
    fn tick(&mut self, now: Instant) {
        if self.wake.is_some_and(|at| at <= now) {
            self.engine.handle(now, Input::Timeout);
            self.drain(now);
        }
    }

    fn publish(&self) {
        let (calls, sip) = (self.engine.active(), self.engine.endpoint_active());
        let counters = &self.counters;
        let store = |counter: &AtomicU64, value: usize| counter.store(value as u64, Ordering::Relaxed);
        store(&counters.calls, calls.calls);
        store(&counters.port_pairs, self.ports.open_pairs());
        store(&counters.sessions, calls.sessions.max(sip.sessions));
        store(&counters.transactions, sip.transactions);
        store(&counters.timers, calls.timers + sip.timers);
        counters.media_received.store(self.received, Ordering::Relaxed);
        counters.media_sent.store(self.sent, Ordering::Relaxed);
    }

    fn read_mail(&mut self) {
        for _ in 0..MAIL_PER_TURN {
            let Ok(mail) = self.mail.try_recv() else {
                self.more_mail = false;
                return;
            };
            let now = os::now();
            let (mut tell, mut drained) = (None, None);
            let input = match mail {
                Mail::Report(to) => {
                    // Whoever asked and did not wait does not want it any more.
                    let _ = to.try_send(self.engine.served());
                    continue;
                }
                Mail::Reload { lineup, done } => {
                    tell = Some(done);
                    Input::Reload(lineup)
                }
                Mail::Sip { path, bytes, place } => {
                    if place.is_some_and(|place| self.lateness.refuses(now, &place)) {
                        self.outside.turn_away(&path, &bytes);
                        continue;
                    }
                    Input::Sip { path, bytes }
                }
                Mail::TransportFailed(path) => Input::TransportFailed(path),
                Mail::Answer { call, ask, answer } => Input::Answer { call, ask, answer },
                Mail::Heard { call, id, answer } => Input::Heard { call, id, answer },
                Mail::Vouched(call, verdict) => Input::Vouched(call, verdict),
                Mail::RecordingFailed(call, recording) => Input::RecordingFailed(call, recording),
                Mail::Desk(call, event) => Input::Desk(call, event),
                Mail::Place(order) => Input::Place(order),
                Mail::Pulse(pulse) => {
                    pulse.beat();
                    continue;
                }
                Mail::Drain(done) => {
                    drained = Some(done);
                    Input::Drain
                }
                Mail::Stop => {
                    self.stopping = Some(now + FAREWELL);
                    Input::Stop
                }
            };
            self.engine.handle(now, input);
            self.drain(now);
            if let Some(tell) = tell {
                let _ = tell.try_send(self.engine.served());
            }
            if let Some(drained) = drained {
                self.publish();
                let _ = drained.try_send(());
            }
            self.tick(now);
        }
        // More may lie there without another wake-up.
        self.more_mail = true;
    }

    /// Carries out the engine's orders until it has none.
    fn drain(&mut self, now: Instant) {
        loop {
            let mut opened = Vec::new();
            loop {
                match self.engine.poll() {
                    Output::Timeout(at) => {
                        self.wake = at;
                        break;
                    }
                    // By far the most: not moved once more.
                    Output::Rtp { port, to, ref bytes } => self.send(port, Channel::Rtp, to, bytes),
                    Output::OpenMedia { call, leg, local } => {
                        opened.push((call, leg, self.open(call, leg, local)))
                    }
                    order => self.carry_out(order),
                }
            }
            if opened.is_empty() {
                return;
            }
            for (call, leg, opened) in opened {
                self.engine.handle(now, Input::MediaOpened { call, leg, opened });
                self.drain(now);
            }
        }
    }

    fn carry_out(&mut self, order: Output) {
        match order {
            Output::Sip { path, bytes } => self.outside.sip(&path, &bytes),
            Output::Rtcp { port, to, bytes } => self.send(port, Channel::Rtcp, to, &bytes),
            Output::CloseMedia { port } => self.ports.close(self.poll.registry(), port),
            Output::Vouch(call, vouch) => self.outside.vouch(call, vouch),
            Output::Begun(source) => self.outside.begun(&source),
            Output::Ask { call, version, source, ask, question } => {
                self.outside.ask(call, Asking { version, source }, ask, question);
            }
            Output::Recognise { call, id, sound, hearing } => {
                self.outside.recognise(call, id, sound, hearing)
            }
            Output::Recording(call, recorded) => self.outside.recording(call, recorded),
            Output::Desk(request) => self.outside.desk(request),
            Output::Told(ticket, news) => self.outside.told(ticket, news),
            Output::Record { record, caller } => {
                self.counters.ended.fetch_add(1, Ordering::Relaxed);
                self.outside.record(record, caller);
            }
            Output::Rtp { .. } | Output::OpenMedia { .. } | Output::Timeout(_) => {}
        }
    }
}
