//! The session between its 200 and its BYE: the ACK that a 200 waits for (RFC 3261 §13.3.1.4), keys by INFO,
//! hanging up (§15).

use std::time::Instant;

use super::offer::{Described, LocalOffer, RemoteOffer};
use super::refer::Referral;
use super::refresh::Refresh;
use super::{ClientId, Context, Dialog, InviteSession, Order, Phase, Purpose, Received, ServerId};
use bytes::Bytes;

use crate::sip::endpoint::api::{EndCause, Event};
use crate::sip::info::{self, Info};
use crate::sip::timers::Backoff;
use crate::sip::{Method, Name, Rack, Request, Response, StatusCode};

/// A session with a dialog.
#[derive(Debug)]
pub(super) struct Established {
    pub(super) dialog: Dialog,
    /// Whether we made the Call-ID: it decides who waits longer after a glare (RFC 3261 §14.1).
    pub(super) caller: bool,
    pub(super) unacked: Option<Unacked>,
    pub(super) remote: Option<RemoteOffer>,
    pub(super) local: LocalOffer,
    /// What the layer above wants to offer once our refresh is answered.
    pub(super) queued: Option<Bytes>,
    /// Our description in force.
    pub(super) described: Option<Described>,
    pub(super) refresh: Option<Refresh>,
    /// Whom the peer wants called, and whether it ever did.
    pub(super) referral: Option<Referral>,
    pub(super) referred: bool,
    /// A provisional response that was not acknowledged when we answered.
    pub(super) rack: Option<Rack>,
    /// We hung up, but the ACK has not come: RFC 3261 §15 forbids the BYE until it has, or never will.
    hanging_up: Option<Option<String>>,
}

/// A 200 of ours that waits for its ACK.
#[derive(Debug)]
pub(super) struct Unacked {
    to: ServerId,
    cseq: u32,
    response: Response,
    /// Whether the 200 offered, so that the ACK answers.
    pub(super) offered: bool,
    again: Backoff,
    expiry: Instant,
}

impl Unacked {
    pub(super) fn new(cx: &Context<'_>, invite: &Received, response: Response, offered: bool) -> Self {
        let timers = &cx.config.timers;
        Self {
            to: invite.id,
            cseq: invite.request.headers.cseq().map_or(0, |cseq| cseq.number),
            response,
            offered,
            // RFC 3261 §13.3.1.4: also on reliable transports; T1 doubling to T2.
            again: Backoff::start(cx.now, timers.t1, Some(timers.t2)),
            expiry: cx.now + timers.give_up(),
        }
    }
}

impl Established {
    pub(super) fn new(dialog: Dialog, caller: bool, unacked: Option<Unacked>) -> Self {
        Self {
            dialog,
            caller,
            unacked,
            remote: None,
            local: LocalOffer::None,
            queued: None,
            described: None,
            refresh: None,
            referral: None,
            referred: false,
            rack: None,
            hanging_up: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let unacked = self.unacked.as_ref().map(|unacked| unacked.again.next().min(unacked.expiry));
        let remote = self.remote.as_ref().map(|offer| offer.expiry);
        // Once we hang up, nobody need show signs of life.
        let refresh = self.refresh.as_ref().filter(|_| self.hanging_up.is_none()).map(Refresh::deadline);
        [unacked, remote, self.local.deadline(), refresh].into_iter().flatten().min()
    }

    pub(super) fn retried(&mut self, old: ClientId, new: ClientId, cseq: u32) {
        if let LocalOffer::Sent { id, .. } = &mut self.local
            && *id == old
        {
            *id = new;
        }
        if let Some(refresh) = &mut self.refresh {
            refresh.retried(old, new);
        }
        if let Some(referral) = &mut self.referral {
            referral.retried(old, new);
        }
        self.dialog.set_local_cseq(cseq);
    }
}

impl InviteSession {
    /// An ACK with our tag in To, which no transaction took.
    pub(crate) fn acked(&mut self, cx: &mut Context<'_>, ack: &Request) {
        let Phase::Established(established) = &mut self.phase else { return };
        let headers = &ack.headers;
        let from = headers.from().ok();
        let tag = from.as_ref().and_then(crate::sip::NameAddr::tag);
        let number = headers.cseq().map_or(0, |cseq| cseq.number);
        let belongs = established.dialog.matches(headers.call_id().unwrap_or_default(), tag)
            && established.unacked.as_ref().is_some_and(|unacked| unacked.cseq == number);
        if !belongs {
            // Late, double, or another dialog's.
            return;
        }
        let offered = established.unacked.take().is_some_and(|unacked| unacked.offered);
        if let Some(reason) = established.hanging_up.take() {
            self.say_bye(cx, reason.as_deref());
            return;
        }
        let answer = (offered && !ack.body.is_empty()).then(|| ack.body.clone());
        self.raise(Event::Acked { session: self.id, answer });
        self.send_waiting_offer(cx);
    }

    pub(super) fn established_timeout(&mut self, cx: &mut Context<'_>) {
        let Phase::Established(established) = &mut self.phase else { return };
        if let Some(unacked) = &mut established.unacked {
            if cx.now >= unacked.expiry {
                let reason = established.hanging_up.take().flatten();
                self.say_bye(cx, reason.as_deref());
                self.end(EndCause::AckTimeout);
                return;
            }
            if unacked.again.fire(cx.now) {
                let (to, response) = (unacked.to, unacked.response.clone());
                self.respond(to, response);
            }
        }
        if !self.refresh_timeout(cx) {
            self.offer_timeout(cx);
        }
    }

    /// Ends the session from our side.
    pub(super) fn hang_up(&mut self, cx: &mut Context<'_>, reason: Option<&str>, cause: EndCause) {
        let Phase::Established(established) = &mut self.phase else { return };
        if established.hanging_up.is_some() {
            return;
        }
        if established.unacked.is_some() {
            established.hanging_up = Some(reason.map(str::to_owned));
            self.refuse_remote_offer(cx, StatusCode::REQUEST_TERMINATED);
        } else {
            self.say_bye(cx, reason);
        }
        self.end(cause);
    }

    pub(super) fn say_bye(&mut self, cx: &mut Context<'_>, reason: Option<&str>) {
        self.refuse_remote_offer(cx, StatusCode::REQUEST_TERMINATED);
        let established = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Established(established) => established,
            other => {
                self.phase = other;
                return;
            }
        };
        let offer = established.local.sent();
        let mut dialog = Box::new(established.dialog);
        let bye = cx.client_id();
        let (mut request, path) = dialog.request(Method::Bye, &cx.branch());
        if let Some(agent) = &cx.config.server {
            request.headers.push(Name::UserAgent, agent.clone());
        }
        if let Some(reason) = reason {
            request.headers.push(Name::Reason, reason.to_owned());
        }
        let request = Box::new(self.with_last_words(request));
        self.orders.push_back(Order::Request { id: bye, request, path, purpose: Purpose::Bye });
        self.phase = Phase::Closing { dialog, bye, offer };
    }

    /// The peer hangs up. A BYE that crosses ours is answered, and ours waits on.
    pub(super) fn peer_bye(&mut self, cx: &mut Context<'_>, received: &Received) {
        self.refuse(cx, received, StatusCode::OK);
        match &self.phase {
            Phase::Incoming(_) => {
                let status = StatusCode::REQUEST_TERMINATED;
                self.refuse_call(cx, status, None, EndCause::Bye);
            }
            Phase::Calling(_) => self.early_bye(cx),
            Phase::Established(established) => {
                self.orders.extend(established.local.sent().map(Order::Abandon));
                self.refuse_remote_offer(cx, StatusCode::REQUEST_TERMINATED);
                self.phase = Phase::Over;
                self.end(EndCause::Bye);
            }
            Phase::Cancelling { .. } | Phase::Closing { .. } | Phase::Over => {}
        }
    }

    /// RFC 6086, and the two bodies that phones and carriers send keys in.
    pub(super) fn peer_info(&mut self, cx: &mut Context<'_>, received: &Received) {
        if matches!(self.phase, Phase::Closing { .. }) {
            self.refuse(cx, received, StatusCode::NO_SUCH_TRANSACTION);
            return;
        }
        if let Some(package) = received.request.headers.text("Info-Package") {
            self.peer_package(cx, received, &package);
            return;
        }
        match info::read(&received.request) {
            Info::Key(digit) => {
                self.refuse(cx, received, StatusCode::OK);
                self.raise(Event::Digit { session: self.id, digit });
            }
            Info::Empty => self.refuse(cx, received, StatusCode::OK),
            Info::Broken => self.refuse(cx, received, StatusCode::BAD_REQUEST),
            Info::Unknown => {
                let mut response = self.reply(cx, received, StatusCode::UNSUPPORTED_MEDIA_TYPE);
                response.headers.set(Name::Accept, info::ACCEPTED);
                self.respond(received.id, response);
            }
        }
    }

    /// RFC 6086 §4.3: a package that we announced is taken, another gets 469.
    fn peer_package(&mut self, cx: &mut Context<'_>, received: &Received, package: &str) {
        let known = cx.config.recv_info.iter().any(|name| name == package);
        if known && matches!(self.phase, Phase::Established(_)) {
            self.refuse(cx, received, StatusCode::OK);
            let body = received.request.body.clone();
            self.raise(Event::Info { session: self.id, package: package.to_owned(), body });
        } else {
            let mut response = self.reply(cx, received, StatusCode::BAD_INFO_PACKAGE);
            response.headers.set("Recv-Info", cx.config.recv_info.join(", "));
            self.respond(received.id, response);
        }
    }

    /// Tells the peer something by INFO (RFC 6086), once the call is up.
    pub(crate) fn info(&mut self, cx: &mut Context<'_>, package: &str, content_type: &str, body: Bytes) {
        let Phase::Established(established) = &mut self.phase else { return };
        let id = cx.client_id();
        let (mut request, path) = established.dialog.request(Method::Info, &cx.branch());
        request.headers.push("Info-Package", package.to_owned());
        let request = Box::new(request.with_body(content_type, body));
        self.orders.push_back(Order::Request { id, request, path, purpose: Purpose::Info });
    }
}
