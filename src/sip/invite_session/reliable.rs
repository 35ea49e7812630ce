//! Provisional responses that are acknowledged (RFC 3262), on both sides, and what may be offered meanwhile (RFC 3311).
//!
//! Ours are sent one at a time: the next, and the 200 when the first one answered the offer, wait for the PRACK. They never
//! offer, so a PRACK has nothing to answer.

use std::time::Instant;

use bytes::Bytes;

use super::caller::OutgoingCall;
use super::offer::{Described, RemoteOffer};
use super::{Context, InviteSession, Order, Phase, Purpose, Received, Sent};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::api::{EndCause, Event};
use crate::sip::timers::Backoff;
use crate::sip::{Headers, Method, Name, Path, Rack, Response, StatusCode};

/// The tag of the extension.
const RELIABLE: &str = "100rel";

/// A provisional response of ours that waits for its PRACK.
#[derive(Debug)]
pub(super) struct Reliable {
    pub(super) rack: Rack,
    response: Response,
    /// It answers the caller's offer.
    pub(super) answers: bool,
    again: Backoff,
    expiry: Instant,
}

/// What is to follow the PRACK.
#[derive(Debug)]
pub(super) enum Next {
    Nothing,
    Ring(Option<Bytes>),
    Accept(Bytes),
}

impl Reliable {
    pub(super) fn deadline(&self) -> Instant {
        self.again.next().min(self.expiry)
    }
}

/// Whether a provisional response to this INVITE must be acknowledged, or with a description should be.
pub(super) fn is_wanted(invite: &Headers, description: bool) -> bool {
    let named = |tags: Vec<String>| tags.iter().any(|tag| tag.eq_ignore_ascii_case(RELIABLE));
    named(invite.require()) || (description && named(invite.supported()))
}

/// The number of a provisional response that is to be acknowledged.
fn rseq(response: &Response) -> Option<u32> {
    let named = response.headers.require().iter().any(|tag| tag.eq_ignore_ascii_case(RELIABLE));
    let number = response.headers.text(Name::Rseq)?.trim().parse().ok()?;
    (named && number > 0).then_some(number)
}

impl InviteSession {
    /// Makes a provisional response one that is acknowledged, and begins to wait for it.
    pub(super) fn make_reliable(&mut self, cx: &mut Context<'_>, mut response: Response, answers: bool) {
        let Phase::Incoming(call) = &mut self.phase else { return };
        // RFC 3262 §3: from 1 to 2³¹ − 1 at first, then one more each.
        call.rseq = if call.rseq == 0 {
            1 + u32::try_from(cx.entropy.below(1 << 16)).unwrap_or(0)
        } else {
            call.rseq.saturating_add(1)
        };
        response.headers.push(Name::Require, RELIABLE);
        response.headers.push(Name::Rseq, call.rseq.to_string());
        let cseq = call.invite.request.headers.cseq().map_or(0, |cseq| cseq.number);
        let rack = Rack { rseq: call.rseq, cseq, method: Method::Invite };
        let timers = &cx.config.timers;
        call.reliable = Some(Reliable {
            rack,
            response: response.clone(),
            answers,
            again: Backoff::start(cx.now, timers.t1, None),
            expiry: cx.now + timers.give_up(),
        });
        call.ringing = None;
        let to = call.invite.id;
        self.respond(to, response);
    }

    /// Sends it again; without a PRACK in time the call is over. Whether it is.
    pub(super) fn reliable_timeout(&mut self, cx: &mut Context<'_>) -> bool {
        let Phase::Incoming(call) = &mut self.phase else { return false };
        let to = call.invite.id;
        let Some(reliable) = &mut call.reliable else { return false };
        if cx.now >= reliable.expiry {
            // RFC 3262 §3: a 5xx.
            self.refuse_call(cx, StatusCode::SERVER_TIMEOUT, None, EndCause::AckTimeout);
            return true;
        }
        if reliable.again.fire(cx.now) {
            let response = reliable.response.clone();
            self.respond(to, response);
        }
        false
    }

    /// RFC 3262 §3: 200 to a PRACK that is waited for, 481 to any other.
    pub(super) fn peer_prack(&mut self, cx: &mut Context<'_>, received: &Received) {
        let rack = received.request.headers.get(Name::Rack).and_then(|value| Rack::parse(value));
        let Some(rack) = rack else { return self.refuse(cx, received, StatusCode::BAD_REQUEST) };
        let known = match &mut self.phase {
            Phase::Incoming(call) => call.reliable.as_ref().is_some_and(|reliable| reliable.rack == rack),
            Phase::Established(established) => established.rack.take_if(|late| *late == rack).is_some(),
            _ => false,
        };
        if !known {
            return self.refuse(cx, received, StatusCode::NO_SUCH_TRANSACTION);
        }
        // It acknowledges; an offer that it makes besides is refused (RFC 3262 §5).
        let offers = received.sdp().is_some();
        let status = if offers { StatusCode::NOT_ACCEPTABLE_HERE } else { StatusCode::OK };
        self.refuse(cx, received, status);
        let Phase::Incoming(call) = &mut self.phase else { return };
        let answers = call.reliable.take().is_some_and(|reliable| reliable.answers);
        call.answered |= answers;
        let next = std::mem::replace(&mut call.next, Next::Nothing);
        if matches!(next, Next::Nothing) {
            call.ringing_goes_on(cx);
        }
        if answers {
            self.raise(Event::EarlyMedia { session: self.id });
        }
        match next {
            Next::Nothing => {}
            Next::Ring(sdp) => self.ring(cx, sdp),
            Next::Accept(sdp) => self.accept(cx, sdp),
        }
    }

    /// Notes a provisional response of a callee and acknowledges it where it is to be. Whether it is news.
    pub(super) fn take_provisional(
        &mut self,
        cx: &mut Context<'_>,
        of: &Sent<'_>,
        response: &Response,
        path: Path,
        sdp: Option<&Bytes>,
    ) -> bool {
        let Phase::Calling(call) = &mut self.phase else { return false };
        let to = response.headers.to().ok();
        let Some(tag) = to.as_ref().and_then(crate::sip::NameAddr::tag) else { return true };
        let Some(rseq) = rseq(response) else {
            call.note_early(tag, sdp);
            return true;
        };
        let Ok(dialog) = Dialog::of_response(of.request, response, path) else { return false };
        let Some(early) = call.note_early(tag, None) else { return false };
        // RFC 3262 §4: one that came before, or too early, is not acknowledged, and says nothing.
        if early.rseq.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
            return false;
        }
        early.rseq = Some(rseq);
        if let Some(sdp) = sdp {
            early.sdp = Some(sdp.clone());
            early.agreed = true;
        }
        let cseq = of.request.headers.cseq().map_or(1, |cseq| cseq.number);
        let id = cx.client_id();
        let dialog = early.dialog.get_or_insert(dialog);
        let (mut request, path) = dialog.request(Method::Prack, &cx.branch());
        let rack = Rack { rseq, cseq, method: Method::Invite };
        request.headers.push(Name::Rack, rack.to_string());
        let request = Box::new(request);
        self.orders.push_back(Order::Request { id, request, path, purpose: Purpose::Prack });
        true
    }

    /// A callee that has not picked up offers a change. RFC 3311 §5.2: only after our offer was answered for good.
    pub(super) fn early_offer(&mut self, cx: &mut Context<'_>, received: &Received) {
        let Phase::Calling(call) = &mut self.phase else { return };
        let from = received.request.headers.from().ok();
        let early = call.early_mut(from.as_ref().and_then(crate::sip::NameAddr::tag));
        let Some(dialog) = early.filter(|early| early.agreed).and_then(|early| early.dialog.as_mut()) else {
            return self.refuse(cx, received, StatusCode::REQUEST_PENDING);
        };
        dialog.refresh_target(received.request.headers.contact());
        if call.remote.is_some() {
            return self.refuse_for_now(cx, received);
        }
        let offer = Received { id: received.id, request: received.request.clone(), path: received.path };
        call.remote = Some(RemoteOffer { received: offer, expiry: cx.now + cx.config.timers.give_up() });
        self.raise(Event::Offered { session: self.id, sdp: received.sdp() });
    }

    /// Nobody answers such an offer any more.
    pub(super) fn refuse_early_offer(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        let Phase::Calling(call) = &mut self.phase else { return };
        if let Some(offer) = call.remote.take() {
            self.refuse(cx, &offer.received, status);
        }
    }
}

impl OutgoingCall {
    /// We have answered a callee's offer.
    pub(super) fn moved(&mut self, offer: &Received, ours: Bytes) {
        let from = offer.request.headers.from().ok();
        if let Some(early) = self.early_mut(from.as_ref().and_then(crate::sip::NameAddr::tag)) {
            early.moved = Some(Described(ours));
        }
    }

    /// The offer of the callee that has picked up, to be answered in the session; others' are over.
    pub(super) fn offer_of(&mut self, tag: Option<&str>) -> (Option<RemoteOffer>, Option<RemoteOffer>) {
        let Some(offer) = self.remote.take() else { return (None, None) };
        let from = offer.received.request.headers.from().ok();
        if from.as_ref().and_then(crate::sip::NameAddr::tag) == tag {
            (Some(offer), None)
        } else {
            (None, Some(offer))
        }
    }
}
