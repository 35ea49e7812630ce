//! What comes in: which transaction, which session, or which answer without either.
//!
//! Refusals that need no session (bad requests, unknown dialogs, overload) are answered without a
//! transaction (RFC 3261 §8.2.7): a flood of them leaves nothing behind.

use std::time::Instant;

use bytes::Bytes;

use super::api::RETRY_AFTER;
use super::server::MergeKey;
use super::{Endpoint, SessionId};
use crate::sip::invite_session::{Context, InviteSession, Received, allow, capabilities};
use crate::sip::transaction::key::TransactionKey;
use crate::sip::{
    HeaderError, Message, Method, Name, Path, Request, Response, StatusCode, Transport, session_timer,
    validate,
};

/// A request on its way through the checks.
struct Arrival {
    request: Request,
    key: TransactionKey,
    /// The way it came.
    path: Path,
    /// The way its responses go.
    back: Path,
}

impl Endpoint {
    pub(super) fn receive(&mut self, now: Instant, path: Path, message: &Bytes) {
        self.counters.received += 1;
        match Message::from_bytes(message) {
            Ok(Message::Request(request)) => {
                // The parser has checked Via, From, To, Call-ID and CSeq.
                if let Ok(arrival) = Arrival::new(request, path) {
                    self.receive_request(now, arrival);
                }
            }
            Ok(Message::Response(response)) => self.receive_response(now, path, &response),
            Err(error) => {
                self.counters.malformed += 1;
                if let Some(mut answer) = error.answer {
                    // RFC 4475 §3.1.2.1: a Via that can't be read goes back as it came, to where it came from.
                    let back = answer.headers.via().map_or(path, |mut via| {
                        let back = path.back(&mut via);
                        answer.headers.set_top_via(&via);
                        back
                    });
                    self.transmit(back, answer.write());
                }
            }
        }
    }

    fn receive_request(&mut self, now: Instant, arrival: Arrival) {
        if arrival.request.method == Method::Ack {
            return self.receive_ack(now, &arrival);
        }
        if let Some(&id) = self.server_keys.get(&arrival.key) {
            return self.repeat(now, id);
        }
        if arrival.request.method == Method::Cancel {
            return self.receive_cancel(now, &arrival);
        }
        if let Err(refusal) = self.check(&arrival.request, arrival.path.transport) {
            self.counters.refused += 1;
            return self.answer(&arrival, refusal);
        }
        let tag = arrival.request.headers.to().ok();
        match tag.as_ref().and_then(crate::sip::NameAddr::tag) {
            Some(tag) => match self.by_tag.get(tag).copied() {
                Some(session) => self.receive_inside(now, arrival, session),
                None => self.answer_status(&arrival, StatusCode::NO_SUCH_TRANSACTION),
            },
            None => self.receive_outside(now, arrival),
        }
    }

    /// RFC 3261 §8.2: what is refused before anybody looks at it.
    fn check(&self, request: &Request, over: Transport) -> Result<(), Response> {
        if request.method.is_known() && !self.config.allow.contains(&request.method) {
            let refusal = Response::stateless(request, StatusCode::METHOD_NOT_ALLOWED);
            return Err(refusal.with(Name::Allow, allow(&self.config)));
        }
        validate::check_request(request, over)?;
        session_timer::too_short(self.config.session_timer, request).map_or(Ok(()), Err)
    }

    /// A request inside a dialog, or so it says.
    fn receive_inside(&mut self, now: Instant, arrival: Arrival, session: SessionId) {
        // The end of a session makes room, and comes once; anything else may wait.
        let may = self.shares.allow(arrival.back.remote.ip(), self.free());
        let ends = || {
            let entry = self.sessions.get(&session);
            entry.is_some_and(|entry| entry.session.is_ended_by(&arrival.request, arrival.path))
        };
        if !may && !ends() {
            return self.turn_away(&arrival);
        }
        let Arrival { request, key, path, back } = arrival;
        let id = self.begin_server(now, &request, key, back, session);
        let received = Received { id, request, path };
        self.with_session(now, session, |session, cx| {
            if session.admits(cx, &received) {
                session.request(cx, &received);
            }
        });
    }

    fn receive_outside(&mut self, now: Instant, arrival: Arrival) {
        let merged = MergeKey::of(&arrival.request).is_ok_and(|key| self.merging.contains_key(&key));
        // RFC 3261 §8.2.2.2: a Call-ID of our own making on a request that begins something is a loop, or
        // somebody who learned it from a call of ours. Nothing is kept of it.
        let token = self.config.call_id_suffix.split_once('@').map(|(_, token)| token);
        let own = token.is_some_and(|token| {
            let id = arrival.request.headers.call_id().unwrap_or_default();
            id.rsplit_once('@').is_some_and(|(_, of)| of == token)
        });
        if merged || own {
            return self.answer_status(&arrival, StatusCode::LOOP_DETECTED);
        }
        match arrival.request.method {
            Method::Invite => self.receive_invite(now, arrival),
            Method::Options if self.closing => {
                let response = Response::stateless(&arrival.request, StatusCode::SERVICE_UNAVAILABLE);
                let retry_after = RETRY_AFTER.as_secs().to_string();
                self.answer(&arrival, response.with(Name::RetryAfter, retry_after));
            }
            Method::Options => {
                let mut response = Response::stateless(&arrival.request, StatusCode::OK);
                capabilities(&mut response, &self.config);
                self.answer(&arrival, response);
            }
            // BYE, INFO and UPDATE live in dialogs only.
            _ => self.answer_status(&arrival, StatusCode::NO_SUCH_TRANSACTION),
        }
    }

    fn receive_invite(&mut self, now: Instant, arrival: Arrival) {
        if self.is_full() || self.sessions.len() >= self.config.max_sessions {
            return self.turn_away(&arrival);
        }
        let session_id = self.session_id();
        let tag = self.entropy.hex(8);
        let Arrival { request, key, path, back } = arrival;
        let id = self.begin_server(now, &request, key, back, session_id);
        let mut cx =
            Context { now, config: &self.config, entropy: &mut self.entropy, next_id: &mut self.next_id };
        let refusal = Response::stateless(&request, StatusCode::BAD_REQUEST);
        let received = Received { id, request, path };
        match InviteSession::incoming(&mut cx, session_id, &tag, received) {
            Ok(session) => {
                self.counters.incoming += 1;
                self.insert_session(now, session_id, session, tag.into());
            }
            // A Contact or Record-Route that cannot be read makes no dialog.
            Err(_) => self.respond(now, id, &refusal),
        }
    }

    fn receive_ack(&mut self, now: Instant, arrival: &Arrival) {
        if let Some(&id) = self.server_keys.get(&arrival.key)
            && !self.server_ack(now, id)
        {
            return;
        }
        let to = arrival.request.headers.to().ok();
        let tag = to.as_ref().and_then(crate::sip::NameAddr::tag);
        match tag.and_then(|tag| self.by_tag.get(tag)).copied() {
            Some(id) => {
                self.with_session(now, id, |session, cx| session.acked(cx, &arrival.request));
            }
            None => self.counters.stray += 1,
        }
    }

    /// RFC 3261 §9.2: 200 to the CANCEL whenever its INVITE is known, whatever comes of it.
    fn receive_cancel(&mut self, now: Instant, arrival: &Arrival) {
        let invite = TransactionKey::of_cancelled(&arrival.request).ok();
        let Some(id) = invite.and_then(|key| self.server_keys.get(&key).copied()) else {
            return self.answer_status(arrival, StatusCode::NO_SUCH_TRANSACTION);
        };
        let Some(session) = self.servers.get(&id).map(|server| server.session) else { return };
        let mut response = Response::to(&arrival.request, StatusCode::OK);
        response = match self.sessions.get(&session) {
            // The same tag as in the responses to the INVITE.
            Some(entry) => response.with_to_tag(&entry.tag),
            None => Response::stateless(&arrival.request, StatusCode::OK),
        };
        self.answer(arrival, response);
        self.with_session(now, session, |session, cx| session.cancelled(cx, id));
    }

    fn turn_away(&mut self, arrival: &Arrival) {
        self.counters.overload += 1;
        // A datagram comes again, and may find room then. What came over a stream does not: without an answer its
        // sender waits for timer F, 32 s (RFC 3261, 17.1.2.2).
        if arrival.request.method == Method::Invite || arrival.path.transport.is_reliable() {
            let response = Response::stateless(&arrival.request, StatusCode::SERVICE_UNAVAILABLE)
                .with(Name::RetryAfter, RETRY_AFTER.as_secs().to_string());
            self.answer(arrival, response);
        }
    }

    fn answer_status(&mut self, arrival: &Arrival, status: StatusCode) {
        self.counters.stray += 1;
        self.answer(arrival, Response::stateless(&arrival.request, status));
    }

    /// Answers without a transaction.
    fn answer(&mut self, arrival: &Arrival, mut response: Response) {
        if let Some(server) = &self.config.server {
            response.headers.set(Name::Server, server.clone());
        }
        self.transmit(arrival.back, response.write());
    }
}

impl Arrival {
    fn new(mut request: Request, path: Path) -> Result<Self, HeaderError> {
        let key = TransactionKey::of_request(&request)?;
        let mut via = request.headers.via()?;
        let back = path.back(&mut via);
        request.headers.set_top_via(&via);
        Ok(Self { request, key, path, back })
    }
}
