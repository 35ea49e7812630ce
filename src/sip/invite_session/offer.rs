//! Offers inside a session: re-INVITE both ways (RFC 3261 §14), UPDATE from the peer (RFC 3311), glare.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::established::{Established, Unacked};
use super::{ClientId, Context, InviteSession, Order, Phase, Purpose, Received, SDP, Sent, ServerId, allow};
use crate::sip::body;
use crate::sip::endpoint::api::{EndCause, Event};
use crate::sip::{Method, Name, Response, StatusCode};

/// An offer of the peer, or its wish for one, that the layer above has not answered.
#[derive(Debug)]
pub(super) struct RemoteOffer {
    received: Received,
    pub(super) expiry: Instant,
}

/// An offer of ours.
#[derive(Debug)]
pub(super) enum LocalOffer {
    /// None is under way.
    None,
    /// The re-INVITE is sent.
    Sent { id: ClientId, sdp: Bytes, glares: u32, expiry: Instant },
    /// Held back until the peer's is done (`at` is `None`), or after a glare until `at`.
    Waiting { at: Option<Instant>, sdp: Bytes, glares: u32 },
}

impl LocalOffer {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting { at, .. } => *at,
            Self::Sent { expiry, .. } => Some(*expiry),
            Self::None => None,
        }
    }

    /// The transaction of the re-INVITE, when it is sent.
    pub(super) const fn sent(&self) -> Option<ClientId> {
        match self {
            Self::Sent { id, .. } => Some(*id),
            Self::None | Self::Waiting { .. } => None,
        }
    }

    const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    const fn is_sent(&self) -> bool {
        matches!(self, Self::Sent { .. })
    }
}

impl Established {
    /// Whether the peer's offer, or the ACK of our 200, must come first.
    const fn is_busy(&self) -> bool {
        self.unacked.is_some() || self.remote.is_some()
    }
}

impl InviteSession {
    /// Offers a change of the session by re-INVITE, as soon as nothing else is under negotiation.
    pub(crate) fn offer(&mut self, cx: &mut Context<'_>, sdp: Bytes) {
        if self.ended {
            return;
        }
        let refusal = Event::OfferAnswered { session: self.id, sdp: Err(StatusCode::REQUEST_PENDING) };
        match &mut self.phase {
            Phase::Established(established) if established.local.is_none() => {
                established.local = LocalOffer::Waiting { at: None, sdp, glares: 0 };
                self.send_waiting_offer(cx);
            }
            _ => self.raise(refusal),
        }
    }

    /// Answers the peer's offer, or makes the offer that it asked for.
    pub(crate) fn answer_offer(&mut self, cx: &mut Context<'_>, answer: Result<Bytes, StatusCode>) {
        let Phase::Established(established) = &mut self.phase else { return };
        let Some(RemoteOffer { received, .. }) = established.remote.take() else { return };
        match answer {
            Ok(sdp) => {
                let response = self.reply(cx, &received, StatusCode::OK).with_body(SDP, sdp);
                if received.request.method == Method::Invite {
                    let offered = received.sdp().is_none();
                    let unacked = Unacked::new(cx, &received, response.clone(), offered);
                    if let Phase::Established(established) = &mut self.phase {
                        established.unacked = Some(unacked);
                    }
                }
                self.respond(received.id, response);
            }
            Err(status) => {
                let failure = status.code() >= 300;
                let status = if failure { status } else { StatusCode::NOT_ACCEPTABLE_HERE };
                self.refuse(cx, &received, status);
            }
        }
        self.send_waiting_offer(cx);
    }

    /// A re-INVITE.
    pub(super) fn peer_offer(&mut self, cx: &mut Context<'_>, received: &Received) {
        let established = match &mut self.phase {
            Phase::Established(established) => established,
            Phase::Closing { .. } => {
                return self.refuse(cx, received, StatusCode::NO_SUCH_TRANSACTION);
            }
            // RFC 3261 §14.2: the first INVITE has no final response yet.
            Phase::Incoming(_) => return self.refuse_for_now(cx, received),
            _ => return self.refuse(cx, received, StatusCode::REQUEST_PENDING),
        };
        if established.remote.is_some() {
            return self.refuse_for_now(cx, received);
        }
        // RFC 3261 §14.2: ours is on the way. RFC 5407 §3.1.4: nor before the ACK of our 200.
        if established.local.is_sent() || established.unacked.is_some() {
            return self.refuse(cx, received, StatusCode::REQUEST_PENDING);
        }
        self.take_remote_offer(cx, received);
    }

    /// RFC 3311 §5.2.
    pub(super) fn peer_update(&mut self, cx: &mut Context<'_>, received: &Received) {
        if received.sdp().is_none() {
            if let Phase::Established(established) = &mut self.phase {
                established.dialog.refresh_target(received.request.headers.contact());
            }
            self.refuse(cx, received, StatusCode::OK);
            return self.heed(received);
        }
        match &self.phase {
            Phase::Established(established) => {
                let we_offered = established.local.is_sent()
                    || established.unacked.as_ref().is_some_and(|unacked| unacked.offered);
                if we_offered {
                    self.refuse(cx, received, StatusCode::REQUEST_PENDING);
                } else if established.remote.is_some() {
                    self.refuse_for_now(cx, received);
                } else {
                    self.take_remote_offer(cx, received);
                }
            }
            Phase::Calling(_) => self.refuse(cx, received, StatusCode::REQUEST_PENDING),
            Phase::Incoming(_) => self.refuse_for_now(cx, received),
            _ => self.refuse(cx, received, StatusCode::NO_SUCH_TRANSACTION),
        }
    }

    fn take_remote_offer(&mut self, cx: &mut Context<'_>, received: &Received) {
        if self.ended {
            return self.refuse(cx, received, StatusCode::NO_SUCH_TRANSACTION);
        }
        let Phase::Established(established) = &mut self.phase else { return };
        established.dialog.refresh_target(received.request.headers.contact());
        let offer = Received { id: received.id, request: received.request.clone(), path: received.path };
        let expiry = cx.now + cx.config.timers.give_up();
        established.remote = Some(RemoteOffer { received: offer, expiry });
        self.raise(Event::Offered { session: self.id, sdp: received.sdp() });
        self.heed(received);
    }

    /// The peer's re-INVITE is cancelled, or its transaction is gone.
    pub(super) fn withdraw_offer(&mut self, cx: &mut Context<'_>, id: ServerId) {
        let Phase::Established(established) = &self.phase else { return };
        if established.remote.as_ref().is_some_and(|offer| offer.received.id == id) {
            self.refuse_remote_offer(cx, StatusCode::REQUEST_TERMINATED);
            self.send_waiting_offer(cx);
        }
    }

    pub(super) fn refuse_remote_offer(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        let Phase::Established(established) = &mut self.phase else { return };
        if let Some(offer) = established.remote.take() {
            self.refuse(cx, &offer.received, status);
        }
    }

    pub(super) fn offer_timeout(&mut self, cx: &mut Context<'_>) {
        let Phase::Established(established) = &mut self.phase else { return };
        if established.remote.as_ref().is_some_and(|offer| cx.now >= offer.expiry) {
            self.refuse_remote_offer(cx, StatusCode::SERVER_INTERNAL_ERROR);
        }
        let Phase::Established(established) = &mut self.phase else { return };
        match &mut established.local {
            LocalOffer::Waiting { at, .. } if at.is_some_and(|at| cx.now >= at) => *at = None,
            LocalOffer::Sent { id, expiry, .. } if cx.now >= *expiry => {
                let id = *id;
                self.orders.push_back(Order::Abandon(id));
                return self.offer_failed(cx, id, StatusCode::REQUEST_TIMEOUT);
            }
            _ => {}
        }
        self.send_waiting_offer(cx);
    }

    /// Sends the offer that is held back, if nothing holds it any more.
    pub(super) fn send_waiting_offer(&mut self, cx: &mut Context<'_>) {
        let Phase::Established(established) = &mut self.phase else { return };
        if self.ended || established.is_busy() {
            return;
        }
        let LocalOffer::Waiting { at: None, sdp, glares } = &established.local else { return };
        let (sdp, glares) = (sdp.clone(), *glares);
        let id = cx.client_id();
        let (mut request, path) = established.dialog.request(Method::Invite, &cx.branch());
        // Nobody waits for a human to answer a re-INVITE: after a 1xx, twice the time of timer B must do.
        let expiry = cx.now + cx.config.timers.give_up() * 2;
        established.local = LocalOffer::Sent { id, sdp: sdp.clone(), glares, expiry };
        request.headers.push(Name::Contact, self.contact(path));
        request.headers.push(Name::Allow, allow(cx.config));
        let request = Box::new(self.with_offer(cx, request, sdp));
        self.orders.push_back(Order::Request { id, request, path, purpose: Purpose::Offer });
    }

    pub(super) fn offer_response(
        &mut self,
        cx: &mut Context<'_>,
        of: &Sent<'_>,
        response: &Response,
    ) -> bool {
        if response.status.is_provisional() {
            return true;
        }
        if response.status.is_success() {
            return self.offer_accepted(cx, of, response);
        }
        if response.status == StatusCode::REQUEST_PENDING && self.wait_after_glare(cx, of.id) {
            return true;
        }
        self.offer_failed(cx, of.id, response.status);
        true
    }

    fn offer_accepted(&mut self, cx: &mut Context<'_>, of: &Sent<'_>, response: &Response) -> bool {
        let cseq = of.request.headers.cseq().map_or(0, |cseq| cseq.number);
        let dialog = match &mut self.phase {
            Phase::Established(established) => &mut established.dialog,
            Phase::Closing { dialog, .. } => &mut **dialog,
            _ => return false,
        };
        dialog.refresh_target(response.headers.contact());
        let (ack, path) = dialog.ack(cseq, &cx.branch());
        self.orders.push_back(Order::Ack { of: of.id, request: Box::new(ack), path });
        let answer = if response.body.is_empty() {
            // The peer accepted an offer without answering it (RFC 3264 §4 demands one).
            Err(StatusCode::NOT_ACCEPTABLE_HERE)
        } else {
            Ok(body::answer(&response.headers, &response.body))
        };
        if self.take_local_offer(of.id) {
            self.raise(Event::OfferAnswered { session: self.id, sdp: answer });
        }
        true
    }

    /// RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in units of
    /// 10 ms. Whether there is another try.
    fn wait_after_glare(&mut self, cx: &mut Context<'_>, id: ClientId) -> bool {
        let Phase::Established(established) = &mut self.phase else { return false };
        let caller = established.caller;
        match &mut established.local {
            LocalOffer::Sent { id: own, sdp, glares, .. } if *own == id && *glares < MAX_GLARES => {
                let units = if caller { 210 + cx.entropy.below(191) } else { cx.entropy.below(201) };
                let at = Some(cx.now + Duration::from_millis(units * 10));
                established.local = LocalOffer::Waiting { at, sdp: sdp.clone(), glares: *glares + 1 };
                true
            }
            _ => false,
        }
    }

    pub(super) fn offer_failed(&mut self, cx: &mut Context<'_>, id: ClientId, status: StatusCode) {
        if !self.take_local_offer(id) {
            return;
        }
        self.raise(Event::OfferAnswered { session: self.id, sdp: Err(status) });
        // RFC 3261 §12.2.1.2: the dialog is gone.
        if matches!(status, StatusCode::NO_SUCH_TRANSACTION | StatusCode::REQUEST_TIMEOUT) {
            self.hang_up(cx, None, EndCause::Timeout);
        }
    }

    fn take_local_offer(&mut self, id: ClientId) -> bool {
        let Phase::Established(established) = &mut self.phase else { return false };
        let ours = matches!(&established.local, LocalOffer::Sent { id: own, .. } if *own == id);
        if ours {
            established.local = LocalOffer::None;
        }
        ours
    }
}

/// Ours: after this many collisions in a row something else is wrong.
const MAX_GLARES: u32 = 5;
