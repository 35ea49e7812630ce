//! The callee before its final response: RFC 3261 §13.3.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::established::{Established, Unacked};
use super::{Context, Dialog, InviteSession, Phase, Received, SDP};
use crate::sip::endpoint::api::{EndCause, Event, Incoming};
use crate::sip::{HeaderError, Name, Response, StatusCode};

/// A call that came in and is not answered yet.
#[derive(Debug)]
pub(super) struct IncomingCall {
    pub(super) invite: Received,
    pub(super) dialog: Dialog,
    local_tag: String,
    /// The last provisional response, to be repeated (RFC 3261 §13.3.1.1).
    ringing: Option<(Response, Instant)>,
    expiry: Instant,
}

impl IncomingCall {
    pub(super) fn deadline(&self) -> Instant {
        self.ringing.as_ref().map_or(self.expiry, |(_, again)| self.expiry.min(*again))
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
        self.phase =
            Phase::Incoming(Box::new(IncomingCall { invite, dialog, local_tag, ringing: None, expiry }));
        Ok(())
    }

    /// Sends 180, or 183 with a description.
    pub(crate) fn ring(&mut self, cx: &mut Context<'_>, sdp: Option<Bytes>) {
        let Phase::Incoming(call) = &self.phase else { return };
        let status = if sdp.is_some() { StatusCode::SESSION_PROGRESS } else { StatusCode::RINGING };
        let mut response = self.reply(cx, &call.invite, status).with_to_tag(&call.local_tag);
        if let Some(sdp) = sdp {
            response = response.with_body(SDP, sdp);
        }
        let to = call.invite.id;
        self.respond(to, response.clone());
        if let Phase::Incoming(call) = &mut self.phase {
            call.ringing = Some((response, cx.now + cx.config.timers.ring_refresh));
        }
    }

    /// Sends 200: with the answer, or with an offer when the INVITE had none.
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, sdp: Bytes) {
        let call = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Incoming(call) => call,
            other => {
                self.phase = other;
                return;
            }
        };
        let response =
            self.reply(cx, &call.invite, StatusCode::OK).with_to_tag(&call.local_tag).with_body(SDP, sdp);
        let offered = call.invite.sdp().is_none();
        let unacked = Unacked::new(cx, &call.invite, response.clone(), offered);
        self.respond(call.invite.id, response);
        self.phase = Phase::Established(Box::new(Established::new(call.dialog, false, Some(unacked))));
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
            Phase::Established(_) => self.withdraw_offer(cx, id),
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
