//! The client transactions of an endpoint: requests of sessions and outside of them, the ACKs of their 2xx,
//! the one repeat with credentials, and the forks that lost.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Credentials, Endpoint, Event, OutgoingRequest, RequestId, SessionId, Waiter};
use crate::sip::dialog::Dialog;
use crate::sip::invite_session::{ClientId, Purpose, Sent, ack_of_failure, cancel_of, contact};
use crate::sip::message::Core;
use crate::sip::transaction::key::ClientKey;
use crate::sip::transaction::{
    Class, ClientInvite, ClientInviteInput, ClientNonInvite, ClientNonInviteInput, Failure, Output,
};
use crate::sip::{CSeq, Headers, Method, Name, Path, Request, Response, StatusCode, Via, digest};

/// One request of ours.
#[derive(Debug)]
pub(super) struct Client {
    key: Arc<ClientKey>,
    machine: Machine,
    request: Arc<Request>,
    pub(super) path: Path,
    owner: Owner,
    /// Credentials were given: a second challenge is final.
    authenticated: bool,
    /// What acknowledged each 2xx, by the tag of its sender.
    acks: SmallVec<[SentAck; 1]>,
}

#[derive(Debug)]
enum Machine {
    Invite(ClientInvite),
    Other(ClientNonInvite),
}

#[derive(Debug)]
struct SentAck {
    tag: Box<str>,
    path: Path,
    bytes: Bytes,
}

/// Who waits for the answer.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Session(SessionId, Purpose),
    Request(RequestId, Option<Box<Credentials>>),
    /// Nobody: a CANCEL, or the BYE to a fork.
    Nobody,
}

impl Endpoint {
    /// Sends a request in a transaction of its own.
    pub(super) fn send_request(
        &mut self,
        now: Instant,
        id: ClientId,
        request: Request,
        path: Path,
        owner: Owner,
    ) {
        // What ends something is always sent: it is bounded by the sessions that there are.
        let begins = matches!(request.method, Method::Invite | Method::Register | Method::Options);
        if begins && self.is_full() {
            self.counters.overload += 1;
            return self.fail(now, id, &owner, StatusCode::SERVICE_UNAVAILABLE);
        }
        self.begin_client(now, id, request, path, owner, false);
    }

    fn begin_client(
        &mut self,
        now: Instant,
        id: ClientId,
        request: Request,
        path: Path,
        owner: Owner,
        authenticated: bool,
    ) {
        let bytes = request.write();
        let reliable = path.transport.is_reliable();
        let timers = self.config.timers;
        let machine = if request.method == Method::Invite {
            Machine::Invite(ClientInvite::new(now, bytes, reliable, timers))
        } else {
            Machine::Other(ClientNonInvite::new(now, bytes, reliable, timers))
        };
        let via = request.headers.via().ok();
        let branch = via.as_ref().and_then(Via::branch).unwrap_or_default();
        let key = Arc::new(ClientKey::new(branch, &request.method));
        self.client_keys.insert(Arc::clone(&key), id);
        let request = Arc::new(request);
        let acks = SmallVec::new();
        let client = Client { key, machine, request, path, owner, authenticated, acks };
        self.clients.insert(id, Box::new(client));
        self.drain_client(now, id);
        self.settle_client(id);
    }

    /// A request outside of sessions.
    pub(super) fn send_outside(&mut self, now: Instant, id: RequestId, outgoing: OutgoingRequest) {
        self.outside.1 += 1;
        let path = outgoing.path;
        let branch = format!("z9hG4bK{}", self.entropy.hex(10));
        let via = Via::new(path.transport.via_name(), path.local, &branch);
        let from = outgoing.from.with_tag(&self.entropy.hex(8));
        let own;
        let call_id = if outgoing.method == Method::Register {
            &self.outside.0
        } else {
            // RFC 3261 §8.1.1.4: what belongs to nothing has a Call-ID of its own.
            own = format!("{}{}", self.entropy.hex(12), self.config.call_id_suffix);
            &own
        };
        let core = Core { via: &via, from: &from, to: &outgoing.to, call_id, cseq: self.outside.1 };
        let mut request = Request::build(outgoing.method, outgoing.uri, &core);
        for (name, value) in outgoing.headers {
            request.headers.push(name.as_str(), value);
        }
        if request.headers.get(Name::Contact).is_none() {
            request.headers.push(Name::Contact, contact(&self.config.contact_user, path));
        }
        if let Some(agent) = &self.config.server {
            request.headers.push(Name::UserAgent, agent.clone());
        }
        if let Some((kind, body)) = outgoing.body {
            request = request.with_body(&kind, body);
        }
        self.next_id += 1;
        let owner = Owner::Request(id, outgoing.credentials.map(Box::new));
        self.send_request(now, ClientId(self.next_id), request, path, owner);
    }

    /// Acknowledges a 2xx, now and whenever it comes again.
    pub(super) fn send_ack(&mut self, of: ClientId, request: &Request, path: Path) {
        let bytes = request.write();
        self.transmit(path, bytes.clone());
        let to = request.headers.to().ok();
        let tag = to.as_ref().and_then(crate::sip::NameAddr::tag).unwrap_or_default().into();
        if let Some(client) = self.clients.get_mut(&of)
            && client.acks.len() < MAX_ACKS
        {
            client.acks.push(SentAck { tag, path, bytes });
        }
    }

    /// Cancels an INVITE of ours.
    pub(super) fn send_cancel(&mut self, now: Instant, invite: ClientId) {
        let Some(client) = self.clients.get(&invite) else { return };
        let path = client.path;
        if let Some(cancel) = cancel_of(&client.request) {
            self.next_id += 1;
            self.begin_client(now, ClientId(self.next_id), cancel, path, Owner::Nobody, false);
        }
    }

    /// Forgets an INVITE of ours.
    pub(super) fn abandon(&mut self, now: Instant, invite: ClientId) {
        if let Some(client) = self.clients.get_mut(&invite)
            && let Machine::Invite(machine) = &mut client.machine
        {
            machine.handle(now, ClientInviteInput::Abandon);
        }
        self.settle_client(invite);
    }

    pub(super) fn receive_response(&mut self, now: Instant, path: Path, response: &Response) {
        let key = ClientKey::of_response(response).ok();
        let Some(id) = key.and_then(|key| self.client_keys.get(&key).copied()) else {
            self.counters.stray += 1;
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else { return };
        // An answer in clear to what went encrypted is nobody's.
        if client.path.transport.is_encrypted() && !path.transport.is_encrypted() {
            self.counters.stray += 1;
            return;
        }
        if client.path.connection.is_none() {
            client.path.connection = path.connection;
        }
        let class = Class::of(response.status.code());
        match &mut client.machine {
            Machine::Invite(invite) => {
                let input = match class {
                    Class::Provisional => ClientInviteInput::Provisional,
                    Class::Success => ClientInviteInput::Success,
                    Class::Failure => match ack_of_failure(&client.request, response) {
                        Some(ack) => ClientInviteInput::Failure { ack: ack.write() },
                        None => return,
                    },
                };
                invite.handle(now, input);
            }
            Machine::Other(other) => other.handle(now, ClientNonInviteInput::Response(class)),
        }
        if self.drain_client(now, id) {
            self.deliver(now, id, path, response);
        }
        self.settle_client(id);
    }

    pub(super) fn client_timeout(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match &mut client.machine {
            Machine::Invite(invite) => invite.handle(now, ClientInviteInput::Timeout),
            Machine::Other(other) => other.handle(now, ClientNonInviteInput::Timeout),
        }
        self.drain_client(now, id);
        self.settle_client(id);
    }

    pub(super) fn client_transport_failed(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match &mut client.machine {
            Machine::Invite(invite) => invite.handle(now, ClientInviteInput::TransportFailed),
            Machine::Other(other) => other.handle(now, ClientNonInviteInput::TransportFailed),
        }
        self.drain_client(now, id);
        self.settle_client(id);
    }

    /// Does what the machine orders. Whether the response goes up.
    fn drain_client(&mut self, now: Instant, id: ClientId) -> bool {
        let mut deliver = false;
        let mut failed = None;
        while let Some(client) = self.clients.get_mut(&id) {
            let output = match &mut client.machine {
                Machine::Invite(invite) => invite.poll(),
                Machine::Other(other) => other.poll(),
            };
            match output {
                Output::Transmit(bytes) => {
                    let path = client.path;
                    self.transmit(path, bytes);
                }
                Output::Deliver => deliver = true,
                Output::Failed(failure) => failed = Some((failure, client.owner.clone())),
                Output::Timeout(_) => break,
            }
        }
        if let Some((failure, owner)) = failed {
            let status = match failure {
                // RFC 3261 §8.1.3.1: as if this response had come.
                Failure::TimedOut => StatusCode::REQUEST_TIMEOUT,
                Failure::Transport => StatusCode::SERVICE_UNAVAILABLE,
            };
            self.counters.timed_out += u64::from(failure == Failure::TimedOut);
            self.fail(now, id, &owner, status);
        }
        deliver
    }

    /// Notes the next deadline; takes the transaction out when it is over.
    fn settle_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (over, output) = match &mut client.machine {
            Machine::Invite(invite) => (invite.is_terminated(), invite.poll()),
            Machine::Other(other) => (other.is_terminated(), other.poll()),
        };
        let Output::Timeout(at) = output else {
            debug_assert!(false, "law 2: the transaction was drained");
            return;
        };
        self.deadlines.set(&Waiter::Client(id), at.filter(|_| !over));
        if over && let Some(client) = self.clients.remove(&id) {
            self.client_keys.remove(&client.key);
        }
    }

    fn fail(&mut self, now: Instant, id: ClientId, owner: &Owner, status: StatusCode) {
        match owner {
            Owner::Session(session, purpose) => {
                let purpose = *purpose;
                self.with_session(now, *session, |session, cx| {
                    session.request_failed(cx, id, purpose, status);
                });
            }
            Owner::Request(request, _) => {
                self.raise_response(*request, status, Headers::new());
            }
            Owner::Nobody => {}
        }
    }

    fn raise_response(&mut self, request: RequestId, status: StatusCode, headers: Headers) {
        let event = Event::Response { request, status, headers };
        self.outputs.push_back(super::Output::Event(event));
    }

    fn deliver(&mut self, now: Instant, id: ClientId, path: Path, response: &Response) {
        if self.authenticate(now, id, response) || self.acknowledge_again(id, response) {
            return;
        }
        let Some(client) = self.clients.get(&id) else { return };
        let request = Arc::clone(&client.request);
        let taken = match client.owner {
            Owner::Session(session, purpose) => {
                let sent = Sent { id, purpose, request: &request };
                self.with_session(now, session, |session, cx| session.response(cx, &sent, response, path))
                    .unwrap_or(false)
            }
            Owner::Request(id, _) => {
                if response.status.is_final() {
                    self.raise_response(id, response.status, response.headers.clone());
                }
                true
            }
            Owner::Nobody => true,
        };
        let lost = !taken && request.method == Method::Invite && response.status.is_success();
        if lost {
            self.hang_up_fork(now, id, &request, response, path);
        }
    }

    /// A 2xx that came again gets its ACK again (RFC 3261 §13.2.2.4).
    fn acknowledge_again(&mut self, id: ClientId, response: &Response) -> bool {
        if !response.status.is_success() {
            return false;
        }
        let to = response.headers.to().ok();
        let tag = to.as_ref().and_then(crate::sip::NameAddr::tag).unwrap_or_default();
        let sent = self
            .clients
            .get(&id)
            .and_then(|client| client.acks.iter().find(|ack| *ack.tag == *tag))
            .map(|ack| (ack.path, ack.bytes.clone()));
        let Some((path, bytes)) = sent else { return false };
        self.transmit(path, bytes);
        true
    }

    /// A callee that answered when another had, or when nobody waited any more: acknowledged and hung up
    /// (RFC 3261 §13.2.2.4, §15).
    fn hang_up_fork(
        &mut self,
        now: Instant,
        id: ClientId,
        invite: &Request,
        response: &Response,
        path: Path,
    ) {
        let Ok(mut dialog) = Dialog::of_response(invite, response, path) else { return };
        let cseq = invite.headers.cseq().map_or(1, |cseq| cseq.number);
        let branch = format!("z9hG4bK{}", self.entropy.hex(10));
        let (ack, way) = dialog.ack(cseq, &branch);
        self.send_ack(id, &ack, way);
        // A re-INVITE of a session that has ended since: its BYE is already on the way.
        let starts = invite.headers.to().is_ok_and(|to| to.tag().is_none());
        if starts {
            let branch = format!("z9hG4bK{}", self.entropy.hex(10));
            let (bye, way) = dialog.request(Method::Bye, &branch);
            self.next_id += 1;
            self.begin_client(now, ClientId(self.next_id), bye, way, Owner::Nobody, false);
        }
    }

    /// Answers the first challenge, when there is something to answer it with (RFC 3261 §22.2): the same
    /// request with credentials, a new branch and the next sequence number. Whether it did.
    fn authenticate(&mut self, now: Instant, id: ClientId, response: &Response) -> bool {
        let challenged =
            matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        let Some(client) = self.clients.get(&id).filter(|client| challenged && !client.authenticated) else {
            return false;
        };
        let (path, owner) = (client.path, client.owner.clone());
        let mut request = Request::clone(&client.request);
        let credentials = match &owner {
            Owner::Session(session, _) => {
                self.sessions.get(session).and_then(|entry| entry.session.credentials())
            }
            Owner::Request(_, credentials) => credentials.as_deref(),
            Owner::Nobody => None,
        };
        let Some(credentials) = credentials else { return false };
        let cnonce = self.entropy.hex(8);
        let Some((name, value)) =
            digest::respond(response, &request, &credentials.user, &credentials.password, &cnonce)
        else {
            return false;
        };
        let number = self.next_cseq(&request, &owner);
        let branch = format!("z9hG4bK{}", self.entropy.hex(10));
        request.headers.set_top_via(&Via::new(path.transport.via_name(), path.local, &branch));
        let cseq = CSeq { number, method: request.method.clone() };
        request.headers.set(Name::CSeq, cseq.to_string());
        request.headers.set(name, value);
        self.next_id += 1;
        let new = ClientId(self.next_id);
        if let Owner::Session(session, _) = owner {
            self.with_session(now, session, |session, _| session.retried(id, new, number));
        }
        self.begin_client(now, new, request, path, owner, true);
        true
    }

    fn next_cseq(&mut self, request: &Request, owner: &Owner) -> u32 {
        if let Owner::Request(..) = owner {
            self.outside.1 += 1;
            return self.outside.1;
        }
        request.headers.cseq().map_or(2, |cseq| cseq.number + 1)
    }
}

/// Ours: how many answers to one INVITE are acknowledged.
const MAX_ACKS: usize = 16;
