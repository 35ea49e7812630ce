//! Offers inside a session: re-INVITE both ways (RFC 3261 §14), UPDATE from the peer (RFC 3311), glare.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::established::{Established, Unacked};
use super::{ClientId, Context, InviteSession, Order, Phase, Purpose, Received, SDP, Sent, ServerId, allow};
use crate::sip::body;
use crate::sip::endpoint::api::{EndCause, Event};
use crate::sip::{Headers, Method, Name, Response, StatusCode};

/// An offer of the peer, or its wish for one, that the layer above has not answered.
#[derive(Debug)]
pub(super) struct RemoteOffer {
    pub(super) received: Received,
    pub(super) expiry: Instant,
}

/// A description of ours; keys of encrypted media may stand in it.
#[derive(Clone)]
pub(super) struct Described(pub(super) Bytes);

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// An offer of ours. `refresh`: it only repeats what is in force, as a sign of life.
#[derive(Debug)]
pub(super) enum LocalOffer {
    /// None is under way.
    None,
    /// The re-INVITE is sent.
    Sent { id: ClientId, sdp: Bytes, glares: u32, expiry: Instant, refresh: bool },
    /// Held back until the peer's is done (`at` is `None`), or after a glare until `at`.
    Waiting { at: Option<Instant>, sdp: Bytes, glares: u32, refresh: bool },
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

    /// A sign of life, as soon as nothing else is under negotiation.
    pub(super) const fn refresh(sdp: Bytes) -> Self {
        Self::Waiting { at: None, sdp, glares: 0, refresh: true }
    }

    pub(super) const fn is_none(&self) -> bool {
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
            Phase::Established(established) => match &mut established.local {
                LocalOffer::None => {
                    established.local = LocalOffer::Waiting { at: None, sdp, glares: 0, refresh: false };
                    self.send_waiting_offer(cx);
                }
                // What was to be a sign of life becomes the offer, or is followed by it.
                LocalOffer::Waiting { sdp: old, refresh: refresh @ true, .. } => {
                    (*old, *refresh) = (sdp, false);
                }
                LocalOffer::Sent { refresh: true, .. } if established.queued.is_none() => {
                    established.queued = Some(sdp);
                }
                LocalOffer::Waiting { .. } | LocalOffer::Sent { .. } => self.raise(refusal),
            },
            _ => self.raise(refusal),
        }
    }

    /// Answers the peer's offer, or makes the offer that it asked for.
    pub(crate) fn answer_offer(&mut self, cx: &mut Context<'_>, answer: Result<Bytes, StatusCode>) {
        let remote = match &mut self.phase {
            Phase::Established(established) => established.remote.take(),
            Phase::Calling(call) => call.remote.take(),
            _ => None,
        };
        let Some(RemoteOffer { received, .. }) = remote else { return };
        match answer {
            Ok(sdp) => {
                let mut response = self.reply(cx, &received, StatusCode::OK).with_body(SDP, sdp.clone());
                self.settle_refresh(cx, &received, &mut response);
                match &mut self.phase {
                    Phase::Established(established) => established.described = Some(Described(sdp)),
                    Phase::Calling(call) => call.moved(&received, sdp),
                    _ => {}
                }
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
            let mut response = self.reply(cx, received, StatusCode::OK);
            if let Phase::Established(established) = &mut self.phase {
                established.dialog.refresh_target(received.request.headers.contact());
                self.settle_refresh(cx, received, &mut response);
            }
            self.respond(received.id, response);
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
            Phase::Calling(_) => self.early_offer(cx, received),
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
                return self.offer_failed(cx, id, StatusCode::REQUEST_TIMEOUT, &Headers::new());
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
        let LocalOffer::Waiting { at: None, sdp, glares, refresh } = &established.local else { return };
        let (sdp, glares, refresh) = (sdp.clone(), *glares, *refresh);
        let id = cx.client_id();
        let (mut request, path) = established.dialog.request(Method::Invite, &cx.branch());
        // Nobody waits for a human to answer a re-INVITE: after a 1xx, twice the time of timer B must do.
        let expiry = cx.now + cx.config.timers.give_up() * 2;
        established.local = LocalOffer::Sent { id, sdp: sdp.clone(), glares, expiry, refresh };
        request.headers.push(Name::Contact, self.contact(path));
        request.headers.push(Name::Allow, allow(cx.config));
        self.ask_refresh(cx, &mut request.headers);
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
        self.offer_failed(cx, of.id, response.status, &response.headers);
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
        self.refreshed(cx, response);
        if let Some((sdp, refresh)) = self.take_local_offer(of.id) {
            if let Phase::Established(established) = &mut self.phase {
                established.described = Some(Described(sdp));
            }
            // A sign of life needs no answer; where there is one, it counts.
            if !refresh || answer.is_ok() {
                self.raise(Event::OfferAnswered { session: self.id, sdp: answer });
            }
            self.send_waiting_offer(cx);
        }
        true
    }

    /// RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in units of
    /// 10 ms. Whether there is another try.
    fn wait_after_glare(&mut self, cx: &mut Context<'_>, id: ClientId) -> bool {
        let Phase::Established(established) = &mut self.phase else { return false };
        let caller = established.caller;
        match &mut established.local {
            LocalOffer::Sent { id: own, sdp, glares, refresh, .. } if *own == id && *glares < MAX_GLARES => {
                let units = if caller { 210 + cx.entropy.below(191) } else { cx.entropy.below(201) };
                let at = Some(cx.now + Duration::from_millis(units * 10));
                let (sdp, glares, refresh) = (sdp.clone(), *glares + 1, *refresh);
                established.local = LocalOffer::Waiting { at, sdp, glares, refresh };
                true
            }
            _ => false,
        }
    }

    pub(super) fn offer_failed(
        &mut self,
        cx: &mut Context<'_>,
        id: ClientId,
        status: StatusCode,
        headers: &Headers,
    ) {
        let Some((_, refresh)) = self.take_local_offer(id) else { return };
        if refresh {
            self.refresh_refused(cx, status, headers);
            return self.send_waiting_offer(cx);
        }
        self.raise(Event::OfferAnswered { session: self.id, sdp: Err(status) });
        // RFC 3261 §12.2.1.2: the dialog is gone.
        if matches!(status, StatusCode::NO_SUCH_TRANSACTION | StatusCode::REQUEST_TIMEOUT) {
            self.hang_up(cx, None, EndCause::Timeout);
        }
    }

    /// Our offer is done with; what it said, and whether it was a sign of life only.
    fn take_local_offer(&mut self, id: ClientId) -> Option<(Bytes, bool)> {
        let Phase::Established(established) = &mut self.phase else { return None };
        match &established.local {
            LocalOffer::Sent { id: own, sdp, refresh, .. } if *own == id => {
                let taken = (sdp.clone(), *refresh);
                let next = established.queued.take();
                established.local = next.map_or(LocalOffer::None, |sdp| LocalOffer::Waiting {
                    at: None,
                    sdp,
                    glares: 0,
                    refresh: false,
                });
                Some(taken)
            }
            _ => None,
        }
    }
}

/// Ours: after this many collisions in a row something else is wrong.
const MAX_GLARES: u32 = 5;
