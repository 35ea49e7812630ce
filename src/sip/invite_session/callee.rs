//! The callee before its final response: RFC 3261 §13.3.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::established::{Established, Unacked};
use super::offer::Described;
use super::refresh::{Habits, Refresh};
use super::reliable::{self, Next, Reliable};
use super::{Context, Dialog, InviteSession, Phase, Received, SDP};
use crate::sip::endpoint::api::{EndCause, Event, Incoming};
use crate::sip::session_timer::Agreed;
use crate::sip::{HeaderError, Name, Response, StatusCode};

/// A call that came in and is not answered yet.
#[derive(Debug)]
pub(super) struct IncomingCall {
    pub(super) invite: Received,
    pub(super) dialog: Dialog,
    local_tag: String,
    /// The last provisional response, to be repeated (RFC 3261 §13.3.1.1).
    pub(super) ringing: Option<(Response, Instant)>,
    /// The last provisional response, when it is to be acknowledged and was not yet.
    pub(super) reliable: Option<Reliable>,
    /// The number of the last that was to be; none had zero.
    pub(super) rseq: u32,
    /// What waits for that.
    pub(super) next: Next,
    /// A provisional response has answered the caller's offer for good.
    pub(super) answered: bool,
    /// When an acknowledged response is followed by another.
    again: Option<Instant>,
    expiry: Instant,
}

impl IncomingCall {
    pub(super) fn deadline(&self) -> Instant {
        let ringing = self.ringing.as_ref().map(|(_, again)| *again);
        let reliable = self.reliable.as_ref().map(Reliable::deadline);
        [ringing, reliable, self.again].into_iter().flatten().fold(self.expiry, Instant::min)
    }

    /// Acknowledged and still ringing: the caller's side hears of it again within a minute.
    pub(super) fn ringing_goes_on(&mut self, cx: &Context<'_>) {
        self.again = Some(cx.now + cx.config.timers.ring_refresh);
    }
}

impl InviteSession {
    pub(super) fn begin_incoming(
        &mut self,
        cx: &mut Context<'_>,
        local_tag: &str,
        invite: Received,
    ) -> Result<(), HeaderError> {
        let dialog = Dialog::of_request(&invite.request, invite.path, local_tag)?;
        let headers = &invite.request.headers;
        let incoming = Incoming {
            request_uri: invite.request.uri.clone(),
            from: headers.from()?,
            to: headers.to()?,
            call_id: headers.call_id()?.to_owned(),
            headers: headers.clone(),
            offer: invite.sdp(),
        };
        let event = Event::Incoming { session: self.id, path: invite.path, invite: Box::new(incoming) };
        self.raise(event);
        let local_tag = local_tag.to_owned();
        let expiry = cx.now + cx.config.timers.ring_limit;
        self.phase = Phase::Incoming(Box::new(IncomingCall {
            invite,
            dialog,
            local_tag,
            ringing: None,
            reliable: None,
            rseq: 0,
            next: Next::Nothing,
            answered: false,
            again: None,
            expiry,
        }));
        Ok(())
    }

    /// Sends 180, or 183 with a description; one after the other where they are acknowledged.
    pub(crate) fn ring(&mut self, cx: &mut Context<'_>, sdp: Option<Bytes>) {
        let Phase::Incoming(call) = &mut self.phase else { return };
        if call.reliable.is_some() {
            if !matches!(call.next, Next::Accept(_)) {
                call.next = Next::Ring(sdp);
            }
            return;
        }
        // A provisional response of ours answers, once; it never offers.
        let sdp = sdp.filter(|_| call.invite.sdp().is_some() && !call.answered);
        let reliable = reliable::is_wanted(&call.invite.request.headers, sdp.is_some());
        let status = if sdp.is_some() { StatusCode::SESSION_PROGRESS } else { StatusCode::RINGING };
        let answers = sdp.is_some();
        call.again = None;
        let Phase::Incoming(call) = &self.phase else { return };
        let mut response = self.reply(cx, &call.invite, status).with_to_tag(&call.local_tag);
        if let Some(sdp) = sdp {
            response = response.with_body(SDP, sdp);
        }
        if reliable {
            return self.make_reliable(cx, response, answers);
        }
        self.respond(call.invite.id, response.clone());
        if let Phase::Incoming(call) = &mut self.phase {
            call.ringing = Some((response, cx.now + cx.config.timers.ring_refresh));
        }
        if answers {
            self.raise(Event::EarlyMedia { session: self.id });
        }
    }

    /// Sends 200: with the answer, or with an offer when the INVITE had none.
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, sdp: Bytes) {
        if let Phase::Incoming(call) = &mut self.phase
            && call.reliable.as_ref().is_some_and(|reliable| reliable.answers)
        {
            // RFC 3262 §5: not before the answer that it would repeat is acknowledged.
            call.next = Next::Accept(sdp);
            return;
        }
        let call = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Incoming(call) => call,
            other => {
                self.phase = other;
                return;
            }
        };
        let mut response = self.reply(cx, &call.invite, StatusCode::OK).with_to_tag(&call.local_tag);
        let headers = &call.invite.request.headers;
        let agreed = Agreed::answering(cx.config.session_timer, headers);
        agreed.write(headers, &mut response.headers);
        let habits = Habits::of(headers);
        if !call.answered {
            response = response.with_body(SDP, sdp.clone());
        }
        let offered = call.invite.sdp().is_none();
        let unacked = Unacked::new(cx, &call.invite, response.clone(), offered);
        self.respond(call.invite.id, response);
        let mut established = Established::new(call.dialog, false, Some(unacked));
        established.described = Some(Described(sdp));
        established.refresh = Some(Refresh::start(cx.now, agreed, false, habits));
        established.rack = call.reliable.map(|reliable| reliable.rack);
        self.phase = Phase::Established(Box::new(established));
    }

    /// Refuses.
    pub(crate) fn reject(&mut self, cx: &mut Context<'_>, status: StatusCode, retry_after: Option<Duration>) {
        // Only a failure refuses.
        let status = if status.code() < 300 { StatusCode::SERVER_INTERNAL_ERROR } else { status };
        self.refuse_call(cx, status, retry_after, EndCause::Local);
    }

    /// The caller gave up (RFC 3261 §9.2).
    pub(crate) fn cancelled(&mut self, cx: &mut Context<'_>, invite: super::ServerId) {
        match &self.phase {
            Phase::Incoming(call) if call.invite.id == invite => {
                let status = StatusCode::REQUEST_TERMINATED;
                self.refuse_call(cx, status, None, EndCause::Cancelled);
            }
            Phase::Established(_) => self.withdraw_offer(cx, invite),
            _ => {}
        }
    }

    /// The transaction of a request that we have not answered is gone.
    pub(crate) fn server_failed(&mut self, cx: &mut Context<'_>, id: super::ServerId) {
        match &self.phase {
            Phase::Incoming(call) if call.invite.id == id => {
                self.phase = Phase::Over;
                self.end(EndCause::TransportFailed);
            }
            Phase::Established(established)
                if established.referral.as_ref().is_some_and(|referral| referral.is_unanswered(id)) =>
            {
                self.answer_refer(cx, Err(StatusCode::SERVER_INTERNAL_ERROR));
            }
            Phase::Established(_) => self.withdraw_offer(cx, id),
            Phase::Calling(call) if call.remote.as_ref().is_some_and(|offer| offer.received.id == id) => {
                self.refuse_early_offer(cx, StatusCode::SERVER_INTERNAL_ERROR);
            }
            _ => {}
        }
    }

    pub(super) fn incoming_timeout(&mut self, cx: &mut Context<'_>) {
        let Phase::Incoming(call) = &mut self.phase else { return };
        if cx.now >= call.expiry {
            let status = StatusCode::TEMPORARILY_UNAVAILABLE;
            self.refuse_call(cx, status, None, EndCause::Timeout);
            return;
        }
        if call.again.is_some_and(|again| cx.now >= again) {
            return self.ring(cx, None);
        }
        if self.reliable_timeout(cx) {
            return;
        }
        let Phase::Incoming(call) = &mut self.phase else { return };
        let to = call.invite.id;
        if let Some((response, again)) = &mut call.ringing
            && cx.now >= *again
        {
            *again = cx.now + cx.config.timers.ring_refresh;
            let response = response.clone();
            self.respond(to, response);
        }
    }

    pub(super) fn refuse_call(
        &mut self,
        cx: &mut Context<'_>,
        status: StatusCode,
        retry_after: Option<Duration>,
        cause: EndCause,
    ) {
        let call = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Incoming(call) => call,
            other => {
                self.phase = other;
                return;
            }
        };
        let mut response = self.reply(cx, &call.invite, status).with_to_tag(&call.local_tag);
        if let Some(wait) = retry_after {
            response.headers.set(Name::RetryAfter, wait.as_secs().max(1).to_string());
        }
        self.respond(call.invite.id, response);
        self.end(cause);
    }
}
