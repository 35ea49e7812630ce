//! A user agent of a shard: all its transactions, dialogs and sessions (RFC 3261 §8, §12–§15, §17, §18).
//!
//! The endpoint keeps the tables and routes what comes: responses to client transactions by branch, requests
//! to server transactions by key ([`crate::sip::transaction::key`]), requests with a To tag of ours to their
//! session, new INVITEs to the layer above as [`Event::Incoming`]. What a session decides is in
//! `sip::invite_session`; here nothing is decided but overload.
//!
//! Responses go to where RFC 3261 §18.2.2 and RFC 3581 send them (never to `maddr`: a stranger would choose
//! where our answers go); over a stream they go back on it. REGISTER is the registrar's, not served here.

pub(super) mod api;
mod client;
mod receive;
mod server;
mod shares;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use api::{
    Active, Counters, Credentials, EndCause, EndpointConfig, Event, Incoming, Input, OutgoingInvite,
    OutgoingRequest, Output, RequestId, SessionId,
};

use super::StatusCode;
use super::invite_session::{ClientId, Context, InviteSession, Order, ServerId};
use super::timers::Deadlines;
use super::transaction::key::{ClientKey, TransactionKey};
use crate::units::{Entropy, PeerTable, Table};
use client::{Client, Owner};
use server::{MergeKey, Server};
use shares::Shares;

/// All SIP sessions of a shard.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    entropy: Entropy,
    next_id: u64,
    outputs: VecDeque<Output>,
    sessions: Table<SessionId, Box<Entry>>,
    /// Our tags are random: one names its session.
    by_tag: PeerTable<Arc<str>, SessionId>,
    servers: Table<ServerId, Box<Server>>,
    server_keys: PeerTable<Arc<TransactionKey>, ServerId>,
    merging: PeerTable<Arc<MergeKey>, ServerId>,
    /// Of requests inside calls.
    shares: Shares,
    clients: Table<ClientId, Box<Client>>,
    client_keys: PeerTable<Arc<ClientKey>, ClientId>,
    deadlines: Deadlines<Waiter>,
    /// Of requests outside of sessions: the one Call-ID of registrations, rising sequence numbers (RFC 3261 §10.2).
    outside: (String, u32),
    /// New calls are taken no more.
    closing: bool,
    counters: Counters,
}

/// A session and its tag.
#[derive(Debug)]
struct Entry {
    session: InviteSession,
    tag: Arc<str>,
}

/// Who waits for an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Waiter {
    Server(ServerId),
    Client(ClientId),
    Session(SessionId),
}

impl Endpoint {
    /// An endpoint without sessions.
    #[must_use]
    pub fn new(config: EndpointConfig, mut entropy: Entropy) -> Self {
        let outside = (format!("{}{}", entropy.hex(12), config.call_id_suffix), 0);
        Self {
            config,
            entropy,
            next_id: 0,
            outputs: VecDeque::new(),
            sessions: Table::default(),
            by_tag: Table::default(),
            servers: Table::default(),
            server_keys: Table::default(),
            merging: Table::default(),
            shares: Shares::default(),
            clients: Table::default(),
            client_keys: Table::default(),
            deadlines: Deadlines::default(),
            outside,
            closing: false,
            counters: Counters::default(),
        }
    }

    /// Takes an input. All outputs must have been polled.
    pub fn handle(&mut self, now: Instant, input: Input) {
        debug_assert!(self.outputs.is_empty(), "law 2: outputs are drained before the next input");
        match input {
            Input::Received { path, message } => self.receive(now, path, &message),
            Input::TransportFailed(path) => self.transport_failed(now, path),
            Input::Timeout => self.timeout(now),
        }
    }

    /// The next order.
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.deadlines.next()))
    }

    /// Tells those who ask by OPTIONS whether calls are taken here that they are not, from now on (RFC 3261 §11.2: the answer
    /// is that of an INVITE), so that they ask elsewhere before a caller of theirs is refused.
    pub const fn closing(&mut self) {
        self.closing = true;
    }

    /// Sends 180, or 183 with a session description.
    pub fn ring(&mut self, now: Instant, session: SessionId, sdp: Option<Bytes>) {
        self.with_session(now, session, |session, cx| session.ring(cx, sdp));
    }

    /// Sends 200 with the answer, or with an offer when the INVITE had none.
    pub fn accept(&mut self, now: Instant, session: SessionId, sdp: Bytes) {
        self.with_session(now, session, |session, cx| session.accept(cx, sdp));
    }

    /// Refuses an incoming call. `Ended` follows at once.
    pub fn reject(
        &mut self,
        now: Instant,
        session: SessionId,
        status: StatusCode,
        retry_after: Option<Duration>,
    ) {
        self.with_session(now, session, |session, cx| session.reject(cx, status, retry_after));
    }

    /// Calls.
    pub fn invite(&mut self, now: Instant, invite: OutgoingInvite) -> SessionId {
        let id = self.session_id();
        let tag = self.entropy.hex(8);
        let mut cx =
            Context { now, config: &self.config, entropy: &mut self.entropy, next_id: &mut self.next_id };
        let session = InviteSession::outgoing(&mut cx, id, &tag, invite);
        self.insert_session(now, id, session, tag.into());
        id
    }

    /// Gives up a call that is not answered yet; one that was answered meanwhile is hung up. `Ended` follows
    /// at once.
    pub fn cancel(&mut self, now: Instant, session: SessionId) {
        self.with_session(now, session, |session, cx| session.cancel(cx));
    }

    /// Hangs up, in whatever state: BYE, CANCEL or a refusal. `reason` is the value of a Reason header
    /// (RFC 3326). `Ended` follows at once.
    pub fn bye(&mut self, now: Instant, session: SessionId, reason: Option<&str>) {
        self.with_session(now, session, |session, cx| session.bye(cx, reason));
    }

    /// Offers a change of the session by re-INVITE. One offer at a time: another meanwhile gets
    /// `OfferAnswered` with 491. A glare is tried again by itself.
    pub fn offer(&mut self, now: Instant, session: SessionId, sdp: Bytes) {
        self.with_session(now, session, |session, cx| session.offer(cx, sdp));
    }

    /// What a session says from now on of the session that it records: in its next offer, and in its BYE.
    pub fn describe(&mut self, now: Instant, session: SessionId, metadata: Bytes) {
        self.with_session(now, session, |session, _| session.describe(metadata));
    }

    /// Tells the peer something by INFO (RFC 6086); nothing happens unless the call is up.
    pub fn info(&mut self, now: Instant, session: SessionId, package: &str, content_type: &str, body: Bytes) {
        self.with_session(now, session, |session, cx| session.info(cx, package, content_type, body));
    }

    /// Answers `Event::Offered`: with an answer, or with the offer that was asked for, or with a refusal.
    pub fn answer_offer(&mut self, now: Instant, session: SessionId, answer: Result<Bytes, StatusCode>) {
        self.with_session(now, session, |session, cx| session.answer_offer(cx, answer));
    }

    /// Answers `Event::Referred`: taken, or refused with this status. It is reported on by `report_refer`.
    pub fn answer_refer(&mut self, now: Instant, session: SessionId, answer: Result<(), StatusCode>) {
        self.with_session(now, session, |session, cx| session.answer_refer(cx, answer));
    }

    /// Tells the peer how the call goes that it asked for. A final status is the last: `Event::ReferDone` follows, unless
    /// the session ends first.
    pub fn report_refer(&mut self, now: Instant, session: SessionId, status: StatusCode) {
        self.with_session(now, session, |session, cx| session.report_refer(cx, status));
    }

    /// Sends a request outside of sessions. `Event::Response` follows exactly once.
    pub fn request(&mut self, now: Instant, request: OutgoingRequest) -> RequestId {
        self.next_id += 1;
        let id = RequestId(self.next_id);
        self.send_outside(now, id, request);
        id
    }

    /// What the endpoint holds.
    #[must_use]
    pub fn active(&self) -> Active {
        Active {
            sessions: self.sessions.len(),
            transactions: self.servers.len() + self.clients.len(),
            timers: self.deadlines.len(),
        }
    }

    /// What has happened.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn session_id(&mut self) -> SessionId {
        self.next_id += 1;
        SessionId(self.next_id)
    }

    fn insert_session(&mut self, now: Instant, id: SessionId, session: InviteSession, tag: Arc<str>) {
        self.by_tag.insert(Arc::clone(&tag), id);
        self.sessions.insert(id, Box::new(Entry { session, tag }));
        self.run_session(now, id);
    }

    /// Lets a session work, then does what it ordered.
    fn with_session<R>(
        &mut self,
        now: Instant,
        id: SessionId,
        work: impl FnOnce(&mut InviteSession, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let entry = self.sessions.get_mut(&id)?;
        let mut cx =
            Context { now, config: &self.config, entropy: &mut self.entropy, next_id: &mut self.next_id };
        let result = work(&mut entry.session, &mut cx);
        self.run_session(now, id);
        Some(result)
    }

    fn run_session(&mut self, now: Instant, id: SessionId) {
        while let Some(order) = self.sessions.get_mut(&id).and_then(|entry| entry.session.poll()) {
            self.execute(now, id, order);
        }
        let Some(entry) = self.sessions.get(&id) else { return };
        if !entry.session.is_over() {
            self.deadlines.set(&Waiter::Session(id), entry.session.deadline());
            return;
        }
        self.deadlines.set(&Waiter::Session(id), None);
        if let Some(entry) = self.sessions.remove(&id) {
            self.by_tag.remove(&entry.tag);
        }
    }

    fn execute(&mut self, now: Instant, session: SessionId, order: Order) {
        match order {
            Order::Respond { to, response } => self.respond(now, to, &response),
            Order::Request { id, request, path, purpose } => {
                let owner = Owner::Session(session, purpose);
                self.send_request(now, id, *request, path, owner);
            }
            Order::Ack { of, request, path } => self.send_ack(of, &request, path),
            Order::Cancel(invite) => self.send_cancel(now, invite),
            Order::Abandon(invite) => self.abandon(now, invite),
            Order::Event(event) => self.outputs.push_back(Output::Event(event)),
        }
    }

    fn timeout(&mut self, now: Instant) {
        while let Some(waiter) = self.deadlines.pop_due(now) {
            match waiter {
                Waiter::Server(id) => self.server_timeout(now, id),
                Waiter::Client(id) => self.client_timeout(now, id),
                Waiter::Session(id) => {
                    self.with_session(now, id, |session, cx| session.timeout(cx));
                }
            }
        }
    }

    fn transmit(&mut self, path: super::Path, bytes: Bytes) {
        self.counters.sent += 1;
        self.outputs.push_back(Output::Transmit { path, bytes });
    }

    fn is_full(&self) -> bool {
        self.free() == 0
    }

    /// Transactions that there is room for.
    fn free(&self) -> usize {
        self.config.max_transactions.saturating_sub(self.servers.len() + self.clients.len())
    }

    fn transport_failed(&mut self, now: Instant, failed: super::Path) {
        let mut servers: Vec<ServerId> = self
            .servers
            .iter()
            .filter(|(_, server)| broken(server.path, failed))
            .map(|(id, _)| *id)
            .collect();
        servers.sort_unstable();
        for id in servers {
            self.server_transport_failed(now, id);
        }
        let mut clients: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, client)| broken(client.path, failed))
            .map(|(id, _)| *id)
            .collect();
        clients.sort_unstable();
        for id in clients {
            self.client_transport_failed(now, id);
        }
        for entry in self.sessions.values_mut() {
            entry.session.transport_failed(failed);
        }
    }
}

/// Whether what uses `path` is hit by the failure of `failed`. Who asked for a connection to be opened does
/// not know its number yet.
fn broken(path: super::Path, failed: super::Path) -> bool {
    path.transport == failed.transport
        && path.remote == failed.remote
        && (path.connection == failed.connection || path.connection.is_none())
}

#[cfg(test)]
mod tests;
