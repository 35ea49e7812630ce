//! The machine: inputs to the call or the endpoint they belong to, orders out.
//!
//! Polling has a fixed order: orders already made, calls that were touched, calls whose time has come, the endpoint,
//! ports that came while outputs were drained. So a call is always dry before the endpoint or a port gives it the next input
//! (law 2), and a call that was not touched is not looked at.

mod admit;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::counters::Counters;
use super::door::{Door, Vouching};
use super::formers::Formers;
use super::invite::TRACE_PACKAGE;
use super::io::{Input, Output};
use super::limits::{Limits, Refusal};
use super::lineup::{Lineup, Served};
use super::rules::TrunkRules;
use super::running::Running;
use super::timers::Timers;
use crate::call::{self, CallSettings, CodeCall, EndCause, Fate, News, OutgoingCall, SessionEvent, SipOrder};
use crate::sip::{self, AccessList, Endpoint, EndpointConfig, Method, SessionId};
use crate::units::{CallId, Entropy, LegSide, MediaAddress, MediaPort, Members, Table};

/// What an engine needs to start.
pub struct EngineConfig {
    /// The endpoint's part.
    pub endpoint: EndpointConfig,
    /// The versions that new calls get.
    pub lineup: Lineup,
    /// Who may call.
    pub trunks: AccessList,
    /// What holds for the callers of each.
    pub rules: HashMap<Arc<str>, TrunkRules>,
    /// How callers' numbers are looked into.
    pub vouching: Vouching,
    /// How many.
    pub limits: Limits,
}

/// The calls of one shard.
pub struct Engine {
    lineup: Lineup,
    /// New calls to the running version and to the one on trial, since the line-up was changed.
    begun: [u64; 2],
    trunks: AccessList,
    rules: HashMap<Arc<str>, TrunkRules>,
    /// Those of trunks that are not named.
    usual: TrunkRules,
    vouching: Vouching,
    door: Door,
    limits: Limits,
    entropy: Entropy,
    now: Option<Instant>,
    endpoint: Endpoint,
    endpoint_due: Option<Instant>,
    /// The endpoint was given something since it was polled dry.
    endpoint_touched: bool,
    calls: Table<CallId, Running>,
    sessions: Table<SessionId, CallId>,
    ports: Table<MediaPort, (CallId, LegSide, SocketAddr)>,
    formers: Formers,
    timers: Timers<CallId>,
    /// Calls with something to poll, in the order they were touched.
    touched: VecDeque<CallId>,
    in_touched: Members<CallId>,
    /// Deadlines of calls have come that were not looked at yet.
    is_late: bool,
    opened: VecDeque<(CallId, LegSide, Option<MediaAddress>)>,
    out: VecDeque<Output>,
    draining: bool,
    stopping: bool,
    counters: Counters,
}

/// What is held at a moment: all zero when nothing is left of any call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// Calls.
    pub calls: usize,
    /// SIP sessions of calls.
    pub sessions: usize,
    /// Media ports.
    pub ports: usize,
    /// Deadlines of calls.
    pub timers: usize,
}

impl Engine {
    /// An engine without calls. `entropy` is the shard's own.
    #[must_use]
    pub fn new(mut config: EngineConfig, mut entropy: Entropy) -> Self {
        // Which of them is obeyed is each call's to say.
        config.endpoint.allow.push(Method::Refer);
        let endpoint = Endpoint::new(config.endpoint, entropy.fork());
        Self {
            lineup: config.lineup,
            begun: [0; 2],
            trunks: config.trunks,
            rules: config.rules,
            usual: TrunkRules::default(),
            vouching: config.vouching,
            door: Door::default(),
            limits: config.limits,
            entropy,
            now: None,
            endpoint,
            endpoint_due: None,
            endpoint_touched: false,
            calls: Table::default(),
            sessions: Table::default(),
            ports: Table::default(),
            formers: Formers::default(),
            timers: Timers::default(),
            touched: VecDeque::new(),
            in_touched: Members::default(),
            is_late: false,
            opened: VecDeque::new(),
            out: VecDeque::new(),
            draining: false,
            stopping: false,
            counters: Counters::default(),
        }
    }

    /// Takes what happened. Poll until [`Output::Timeout`] before the next; only [`Input::MediaOpened`] may
    /// come in between, as the immediate reply to [`Output::OpenMedia`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = Some(now);
        if let Input::MediaOpened { call, leg, opened } = input {
            self.opened.push_back((call, leg, opened));
            return;
        }
        debug_assert!(
            self.out.is_empty() && self.touched.is_empty() && self.opened.is_empty(),
            "law 2: outputs are drained before the next input"
        );
        match input {
            Input::Sip { path, bytes } => self.signal(now, sip::Input::Received { path, message: bytes }),
            Input::TransportFailed(path) => self.signal(now, sip::Input::TransportFailed(path)),
            Input::Rtp { port, came, from, bytes } => {
                self.media(now, port, |leg| call::Input::Rtp { leg, came, from, bytes });
            }
            Input::Rtcp { port, from, bytes } => {
                self.media(now, port, |leg| call::Input::Rtcp { leg, from, bytes });
            }
            Input::Vouched(call, verdict) => self.vouched(now, call, verdict),
            Input::Answer { call, ask, answer } => self.tell(now, call, call::Input::Answer(ask, answer)),
            Input::Heard { call, id, answer } => self.tell(now, call, call::Input::Heard(id, answer)),
            Input::RecordingFailed(call, recording) => {
                self.tell(now, call, call::Input::RecordingFailed(recording));
            }
            Input::Desk(call, event) => self.tell(now, call, call::Input::Desk(event)),
            Input::Reload(lineup) => {
                self.lineup = lineup;
                self.begun = [0; 2];
            }
            Input::Place(order) => self.place(now, *order),
            Input::Drain => {
                self.draining = true;
                self.endpoint.closing();
            }
            Input::Stop => self.stop(now),
            Input::MediaOpened { .. } => {}
            Input::Timeout => self.on_timeout(now),
        }
    }

    /// The next order.
    pub fn poll(&mut self) -> Output {
        loop {
            if let Some(order) = self.out.pop_front() {
                return order;
            }
            // Before the first input there is nothing to poll.
            let Some(now) = self.now else { return Output::Timeout(None) };
            if let Some(&id) = self.touched.front() {
                if let Some(order) = self.poll_call(now, id) {
                    return order;
                }
                continue;
            }
            if self.is_late {
                // One after the other, while what belongs to the call is at hand.
                match self.timers.pop_due(now) {
                    Some(call) => self.on_due(now, call),
                    None => self.is_late = false,
                }
                continue;
            }
            if self.endpoint_touched {
                match self.endpoint.poll() {
                    sip::Output::Transmit { path, bytes } => return Output::Sip { path, bytes },
                    sip::Output::Event(event) => self.on_sip(now, event),
                    sip::Output::Timeout(at) => {
                        self.endpoint_due = at;
                        self.endpoint_touched = false;
                    }
                }
                continue;
            }
            match self.opened.pop_front() {
                Some((call, leg, opened)) => self.on_opened(now, call, leg, opened),
                None => {
                    return Output::Timeout(
                        self.timers.earliest().into_iter().chain(self.endpoint_due).min(),
                    );
                }
            }
        }
    }

    /// What is held now.
    #[must_use]
    pub fn active(&self) -> Active {
        Active {
            calls: self.calls.len() + self.door.len(),
            sessions: self.sessions.len(),
            ports: self.ports.len(),
            timers: self.timers.len(),
        }
    }

    /// What the endpoint holds now, absorbing transactions included.
    #[must_use]
    pub fn endpoint_active(&self) -> sip::Active {
        self.endpoint.active()
    }

    /// The figures since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Which versions are in use, and by how many calls.
    #[must_use]
    pub fn served(&self) -> Served {
        let hash = |version: &Arc<CallSettings>| Arc::clone(&version.application_hash);
        let mut calls: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for call in self.calls.values() {
            *calls.entry(hash(call.version())).or_default() += 1;
        }
        Served {
            calls: calls.into_iter().collect(),
            running: hash(&self.lineup.running),
            canary: self.lineup.canary.as_ref().map(|canary| hash(&canary.settings)),
            begun: self.begun,
        }
    }

    fn stop(&mut self, now: Instant) {
        (self.draining, self.stopping) = (true, true);
        self.endpoint.closing();
        for (id, waiting) in self.door.empty() {
            self.timers.set(id, None);
            self.sessions.remove(&waiting.session);
            self.refuse(now, waiting.session, Refusal::Draining);
        }
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.tell(now, call, call::Input::End(EndCause::Shutdown));
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        if self.endpoint_due.is_some_and(|at| at <= now) {
            self.endpoint_due = None;
            self.signal(now, sip::Input::Timeout);
        }
        self.is_late = true;
    }

    fn signal(&mut self, now: Instant, input: sip::Input) {
        self.endpoint.handle(now, input);
        self.endpoint_touched = true;
    }

    /// Gives an input to a call; counts it when the call is gone.
    fn tell(&mut self, now: Instant, id: CallId, input: call::Input<'_>) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.handle(now, input);
            self.touch(id);
        } else {
            self.counters.late = self.counters.late.saturating_add(1);
        }
    }

    fn media<'a>(&mut self, now: Instant, port: MediaPort, input: impl FnOnce(LegSide) -> call::Input<'a>) {
        match self.ports.get(&port) {
            Some(&(call, leg, _)) => self.tell(now, call, input(leg)),
            None => self.counters.stray_media = self.counters.stray_media.saturating_add(1),
        }
    }

    fn touch(&mut self, id: CallId) {
        if self.in_touched.insert(id) {
            self.touched.push_back(id);
        }
    }

    fn on_opened(&mut self, now: Instant, id: CallId, leg: LegSide, opened: Option<MediaAddress>) {
        if !self.calls.contains_key(&id) {
            self.counters.late_ports = self.counters.late_ports.saturating_add(1);
            self.out.extend(opened.map(|address| Output::CloseMedia { port: address.port }));
            return;
        }
        let mut opened = opened;
        if let Some(address) = &mut opened {
            address.former = self.formers.at(address.rtp);
            self.ports.insert(address.port, (id, leg, address.rtp));
        }
        self.tell(now, id, call::Input::MediaOpened(leg, opened));
    }

    /// Takes one order of a touched call; when it has none left, it is no longer touched. What is the driver's to carry
    /// out is given back.
    fn poll_call(&mut self, now: Instant, id: CallId) -> Option<Output> {
        let order = self.calls.get_mut(&id).map_or(call::Output::Timeout(None), Running::poll);
        match order {
            call::Output::Sip(order) => {
                self.carry_out(now, id, order);
                None
            }
            call::Output::Rtp { port, to, bytes } => Some(Output::Rtp { port, to, bytes }),
            call::Output::Rtcp { port, to, bytes } => Some(Output::Rtcp { port, to, bytes }),
            call::Output::OpenMedia { leg, local } => Some(Output::OpenMedia { call: id, leg, local }),
            call::Output::MoveMedia { port, leg } => {
                if let Some((_, of, _)) = self.ports.get_mut(&port) {
                    *of = leg;
                }
                None
            }
            call::Output::CloseMedia { port, heard } => {
                if let Some((_, _, rtp)) = self.ports.remove(&port) {
                    self.formers.keep(rtp, heard);
                }
                Some(Output::CloseMedia { port })
            }
            call::Output::Ask(ask, question) => {
                // The call that asks is there: it was polled.
                let call = self.calls.get(&id)?;
                let (version, source) = (Arc::clone(call.version()), call.source().cloned()?);
                Some(Output::Ask { call: id, version, source, ask, question })
            }
            call::Output::Recognise { id: number, sound, hearing } => {
                Some(Output::Recognise { call: id, id: number, sound, hearing })
            }
            call::Output::Recording(recorded) => Some(Output::Recording(id, recorded)),
            call::Output::Desk(request) => Some(Output::Desk(request)),
            call::Output::Told(ticket, news) => Some(Output::Told(ticket, news)),
            call::Output::Done { record, caller } => {
                self.forget(id);
                Some(Output::Record { record, caller })
            }
            call::Output::Timeout(at) => {
                self.touched.pop_front();
                self.in_touched.remove(&id);
                self.timers.set(id, at);
                None
            }
        }
    }

    fn carry_out(&mut self, now: Instant, id: CallId, order: SipOrder) {
        self.endpoint_touched = true;
        match order {
            SipOrder::Early(session, sdp) => self.endpoint.ring(now, session, Some(sdp)),
            SipOrder::Accept(session, sdp) => self.endpoint.accept(now, session, sdp),
            SipOrder::Reject(session, status) => {
                let full = status == sip::StatusCode::SERVICE_UNAVAILABLE;
                self.endpoint.reject(now, session, status, full.then_some(self.limits.retry_after));
            }
            SipOrder::Record(invite) => {
                let session = self.endpoint.invite(now, *invite);
                self.sessions.insert(session, id);
                if let Some(call) = self.calls.get_mut(&id) {
                    call.recording_placed(session);
                }
            }
            SipOrder::Describe(session, metadata) => self.endpoint.describe(now, session, metadata),
            SipOrder::Offer(session, sdp) => self.endpoint.offer(now, session, sdp),
            SipOrder::Cancel(session) => self.endpoint.cancel(now, session),
            SipOrder::Trace(session, body) => {
                self.endpoint.info(now, session, TRACE_PACKAGE, "application/json", body);
            }
            SipOrder::Bye(session) => self.endpoint.bye(now, session, None),
            SipOrder::AnswerRefer(session, answer) => self.endpoint.answer_refer(now, session, answer),
            SipOrder::ReportRefer(session, status) => self.endpoint.report_refer(now, session, status),
            SipOrder::AnswerOffer(session, answer) => self.endpoint.answer_offer(now, session, answer),
            SipOrder::Invite(invite) => {
                let session = self.endpoint.invite(now, *invite);
                self.sessions.insert(session, id);
                if let Some(call) = self.calls.get_mut(&id) {
                    call.placed(session);
                }
            }
        }
    }

    /// Drops a call that is over. Its ports are closed by then; a session that never ended goes here.
    fn forget(&mut self, id: CallId) {
        if let Some(call) = self.calls.remove(&id) {
            for session in call.sessions() {
                self.sessions.remove(&session);
            }
        }
        self.timers.set(id, None);
        self.counters.ended = self.counters.ended.saturating_add(1);
        tracing::info!(call = %id, "call over");
    }

    fn on_sip(&mut self, now: Instant, event: sip::Event) {
        let (session, event) = match event {
            sip::Event::Incoming { session, path, invite } => {
                self.incoming(now, session, path, *invite);
                return;
            }
            sip::Event::Acked { session, answer } => (session, SessionEvent::Acked { answer }),
            sip::Event::EarlyMedia { session } => (session, SessionEvent::EarlyMedia),
            sip::Event::Trying { session } => (session, SessionEvent::Trying),
            sip::Event::Progress { session, sdp, .. } => (session, SessionEvent::Progress { sdp }),
            sip::Event::Answered { session, sdp, .. } => (session, SessionEvent::Answered { sdp }),
            sip::Event::Failed { session, status } => (session, SessionEvent::Failed(status)),
            sip::Event::Offered { session, sdp } => (session, SessionEvent::Offered(sdp)),
            sip::Event::OfferAnswered { session, sdp } => (session, SessionEvent::OfferAnswered(sdp)),
            sip::Event::MetadataRequested { session } => (session, SessionEvent::MetadataRequested),
            sip::Event::Digit { session, digit } => (session, SessionEvent::Digit(digit)),
            sip::Event::Referred { session, refer } => (session, SessionEvent::Referred(refer)),
            sip::Event::ReferDone { session } => (session, SessionEvent::ReferDone),
            sip::Event::Ended { session, cause } => (session, SessionEvent::Ended(cause)),
            // We announce no package, so none is delivered.
            sip::Event::Info { .. } => return,
            // The engine sends no request of its own outside a session.
            sip::Event::Response { .. } => return,
        };
        let ended = matches!(event, SessionEvent::Ended(_));
        let call = if ended { self.sessions.remove(&session) } else { self.sessions.get(&session).copied() };
        // A session without a call was refused at the door; nobody waits for its end.
        if let Some(call) = call {
            // Who gives up while waiting leaves no call behind.
            if ended && self.door.take(call).is_some() {
                self.timers.set(call, None);
                return;
            }
            self.tell(now, call, call::Input::Sip(session, event));
        }
    }

    /// A call of our own, unless there is no room for one more.
    fn place(&mut self, now: Instant, order: CodeCall) {
        if self.stopping || self.calls.len() >= self.limits.calls {
            self.counters.not_placed = self.counters.not_placed.saturating_add(1);
            self.out.push_back(Output::Told(order.ticket, News::Over(Fate::NoRoom)));
            return;
        }
        let id = self.new_id();
        tracing::info!(call = %id, sender = %order.by, "a call of our own begins");
        let version = Arc::clone(&self.lineup.running);
        let call = OutgoingCall::new(now, id, order, version, self.entropy.fork());
        self.calls.insert(id, Running::Outbound(Box::new(call)));
        self.counters.placed = self.counters.placed.saturating_add(1);
        self.touch(id);
    }

    fn new_id(&mut self) -> CallId {
        loop {
            let id = CallId(self.entropy.next_u64());
            if !self.calls.contains_key(&id) && !self.door.has(id) {
                return id;
            }
        }
    }
}
