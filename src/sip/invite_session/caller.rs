//! The caller before the final response: RFC 3261 §13.2 and §9.1, forks included.

use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::established::Established;
use super::{ClientId, Context, Dialog, InviteSession, Order, Phase, Purpose, Sent, allow};
use crate::sip::body;
use crate::sip::endpoint::api::{EndCause, Event, OutgoingInvite};
use crate::sip::message::Core;
use crate::sip::{Method, Name, NameAddr, Path, Request, Response, StatusCode, Via};

/// A call of ours that is not answered yet.
#[derive(Debug)]
pub(super) struct OutgoingCall {
    pub(super) invite: ClientId,
    pub(super) expiry: Instant,
    call_id: String,
    /// A 1xx has come: a CANCEL may be sent.
    proceeding: bool,
    early: SmallVec<[Early; 1]>,
}

/// A callee that has responded provisionally.
#[derive(Debug)]
struct Early {
    tag: String,
    /// Its last description.
    sdp: Option<Bytes>,
}

impl OutgoingCall {
    /// Whether this tag is of a callee that has responded.
    pub(super) fn is_early(&self, call_id: &str, tag: Option<&str>) -> bool {
        self.call_id == call_id && self.early.iter().any(|early| Some(early.tag.as_str()) == tag)
    }

    fn note_early(&mut self, tag: &str, sdp: Option<&Bytes>) {
        if let Some(early) = self.early.iter_mut().find(|early| early.tag == tag) {
            early.sdp = sdp.cloned().or_else(|| early.sdp.take());
        } else if self.early.len() < MAX_FORKS {
            self.early.push(Early { tag: tag.to_owned(), sdp: sdp.cloned() });
        }
    }

    fn early_sdp(&self, tag: Option<&str>) -> Option<Bytes> {
        let of_tag = |early: &&Early| Some(early.tag.as_str()) == tag;
        self.early.iter().find(of_tag).and_then(|early| early.sdp.clone())
    }
}

impl InviteSession {
    pub(super) fn begin_outgoing(&mut self, cx: &mut Context<'_>, local_tag: &str, call: OutgoingInvite) {
        let id = cx.client_id();
        let call_id = format!("{}{}", cx.entropy.hex(12), cx.config.call_id_suffix);
        let path = call.path;
        let via = Via::new(path.transport.via_name(), path.local, &cx.branch());
        let from = call.from.with_tag(local_tag);
        let core = Core { via: &via, from: &from, to: &call.to, call_id: &call_id, cseq: 1 };
        let mut request = Request::build(Method::Invite, call.request_uri, &core);
        request.headers.push(Name::Contact, self.contact(path));
        request.headers.push(Name::Allow, allow(cx.config));
        if let Some(agent) = &cx.config.server {
            request.headers.push(Name::UserAgent, agent.clone());
        }
        for (name, value) in call.headers {
            request.headers.push(name.as_str(), value);
        }
        let request = Box::new(self.with_offer(cx, request, call.sdp));
        self.orders.push_back(Order::Request { id, request, path, purpose: Purpose::Call });
        self.phase = Phase::Calling(Box::new(OutgoingCall {
            invite: id,
            expiry: cx.now + cx.config.timers.ring_limit,
            call_id,
            proceeding: false,
            early: SmallVec::new(),
        }));
    }

    pub(super) fn call_response(
        &mut self,
        cx: &mut Context<'_>,
        of: &Sent<'_>,
        response: &Response,
        path: Path,
    ) -> bool {
        match &self.phase {
            Phase::Calling(call) if call.invite == of.id => self.calling_response(cx, of, response, path),
            Phase::Cancelling { invite, .. } if *invite == of.id => self.cancelling_response(cx, response),
            _ => false,
        }
    }

    fn calling_response(
        &mut self,
        cx: &mut Context<'_>,
        of: &Sent<'_>,
        response: &Response,
        path: Path,
    ) -> bool {
        let status = response.status;
        if status.is_provisional() {
            self.progress(response);
        } else if status.is_success() {
            self.answered(cx, of, response, path);
        } else {
            self.phase = Phase::Over;
            self.raise(Event::Failed { session: self.id, status });
            self.end(EndCause::Refused);
        }
        true
    }

    fn progress(&mut self, response: &Response) {
        let Phase::Calling(call) = &mut self.phase else { return };
        call.proceeding = true;
        if response.status == StatusCode::TRYING {
            return;
        }
        let sdp = (!response.body.is_empty()).then(|| response.body.clone());
        if let Ok(to) = response.headers.to()
            && let Some(tag) = to.tag()
        {
            call.note_early(tag, sdp.as_ref());
        }
        self.raise(Event::Progress { session: self.id, status: response.status, sdp });
    }

    fn answered(&mut self, cx: &mut Context<'_>, of: &Sent<'_>, response: &Response, path: Path) {
        let call = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Calling(call) => call,
            other => {
                self.phase = other;
                return;
            }
        };
        let Ok(dialog) = Dialog::of_response(of.request, response, path) else {
            // A 200 whose Contact or Record-Route cannot be read makes no dialog that could be ended.
            self.raise(Event::Failed { session: self.id, status: StatusCode::SERVER_INTERNAL_ERROR });
            self.end(EndCause::Refused);
            return;
        };
        let cseq = of.request.headers.cseq().map_or(1, |cseq| cseq.number);
        let (ack, path) = dialog.ack(cseq, &cx.branch());
        self.orders.push_back(Order::Ack { of: of.id, request: Box::new(ack), path });
        let sdp = if response.body.is_empty() {
            call.early_sdp(dialog.remote_tag())
        } else {
            Some(body::answer(&response.headers, &response.body))
        };
        self.phase = Phase::Established(Box::new(Established::new(dialog, true, None)));
        let headers = response.headers.clone();
        self.raise(Event::Answered { session: self.id, sdp, headers });
    }

    fn cancelling_response(&mut self, cx: &mut Context<'_>, response: &Response) -> bool {
        let Phase::Cancelling { invite, give_up } = &mut self.phase else { return false };
        if response.status.is_provisional() {
            if give_up.is_none() {
                self.orders.push_back(Order::Cancel(*invite));
                *give_up = Some(cx.now + cx.config.timers.give_up());
            }
            return true;
        }
        self.phase = Phase::Over;
        // A 200 crossed our CANCEL: not taken, so it is acknowledged and hung up.
        !response.status.is_success()
    }

    pub(super) fn call_failed(&mut self, id: ClientId, status: StatusCode) {
        match &self.phase {
            Phase::Calling(call) if call.invite == id => {
                let cause = if status == StatusCode::REQUEST_TIMEOUT {
                    EndCause::Timeout
                } else {
                    EndCause::TransportFailed
                };
                self.phase = Phase::Over;
                self.raise(Event::Failed { session: self.id, status });
                self.end(cause);
            }
            Phase::Cancelling { invite, .. } if *invite == id => self.phase = Phase::Over,
            _ => {}
        }
    }

    pub(super) fn calling_timeout(&mut self, cx: &mut Context<'_>) {
        self.raise(Event::Failed { session: self.id, status: StatusCode::REQUEST_TIMEOUT });
        self.give_up(cx, EndCause::Timeout);
    }

    /// A callee that we still see ringing hangs up: its 200 was lost all along.
    pub(super) fn early_bye(&mut self, cx: &mut Context<'_>) {
        self.raise(Event::Failed { session: self.id, status: StatusCode::TEMPORARILY_UNAVAILABLE });
        self.give_up(cx, EndCause::Bye);
    }

    /// RFC 3261 §9.1: a CANCEL may be sent only when a provisional response has come.
    pub(super) fn give_up(&mut self, cx: &mut Context<'_>, cause: EndCause) {
        let Phase::Calling(call) = &self.phase else { return };
        let invite = call.invite;
        let mut give_up = None;
        if call.proceeding {
            self.orders.push_back(Order::Cancel(invite));
            give_up = Some(cx.now + cx.config.timers.give_up());
        }
        self.phase = Phase::Cancelling { invite, give_up };
        self.end(cause);
    }
}

/// The CANCEL of an INVITE that we sent (RFC 3261 §9.1).
pub(crate) fn cancel_of(invite: &Request) -> Option<Request> {
    like_invite(invite, Method::Cancel, &invite.headers.to().ok()?)
}

/// The ACK of a 3xx–6xx (RFC 3261 §17.1.1.3): as CANCEL, with To from the response.
pub(crate) fn ack_of_failure(invite: &Request, response: &Response) -> Option<Request> {
    like_invite(invite, Method::Ack, &response.headers.to().ok()?)
}

/// A request with the Via, Request-URI, From, Call-ID, sequence number and routes of the INVITE.
fn like_invite(invite: &Request, method: Method, to: &NameAddr) -> Option<Request> {
    let headers = &invite.headers;
    let core = Core {
        via: &headers.via().ok()?,
        from: &headers.from().ok()?,
        to,
        call_id: headers.call_id().ok()?,
        cseq: headers.cseq().ok()?.number,
    };
    let mut request = Request::build(method, invite.uri.clone(), &core);
    for route in headers.all(Name::Route) {
        request.headers.push(Name::Route, route.clone());
    }
    Some(request)
}

/// Ours: how many callees of one INVITE are told apart.
const MAX_FORKS: usize = 16;
