//! Signs of life of a session (RFC 4028): the refreshes that are ours to send, and the end of a session whose peer
//! gives none.
//!
//! A refresh is an UPDATE without an offer; a re-INVITE with the description in force where the peer takes no UPDATE
//! (RFC 4028 §7.4). A peer that does not count with us is asked all the same, by UPDATE or OPTIONS: whatever it answers
//! shows that it lives.

use std::time::{Duration, Instant};

use super::offer::LocalOffer;
use super::{ClientId, Context, InviteSession, Order, Phase, Purpose, Received, Sent, allow};
use crate::sip::endpoint::api::EndCause;
use crate::sip::session_timer::{self, Agreed, Refresher};
use crate::sip::{Headers, Method, Name, Response, StatusCode};

/// What is settled about signs of life, and how far we are.
#[derive(Debug)]
pub(super) struct Refresh {
    agreed: Agreed,
    /// They are ours to send.
    ours: bool,
    /// What is known of the peer.
    habits: Habits,
    /// When the next of ours is due; it is on the way when there is none.
    at: Option<Instant>,
    /// Then the session is over.
    end: Instant,
    sent: Option<ClientId>,
}

/// What a peer does, as far as it has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// It takes UPDATE.
    takes_update: bool,
    /// It has answered when it was asked whether it lives.
    answers: bool,
}

impl Habits {
    /// What these headers tell.
    pub(super) fn of(headers: &Headers) -> Self {
        Self { takes_update: headers.allow().contains(&Method::Update), answers: false }
    }

    /// With what these headers tell beside what was known.
    fn after(known: Option<&Refresh>, headers: &Headers) -> Self {
        let (known, told) = (known.map(|refresh| refresh.habits).unwrap_or_default(), Self::of(headers));
        Self { takes_update: known.takes_update || told.takes_update, ..known }
    }
}

impl Refresh {
    /// From a 2xx on. `uac`: the request was ours.
    pub(super) fn start(now: Instant, agreed: Agreed, uac: bool, habits: Habits) -> Self {
        let ours = (agreed.refresher == Refresher::Uac) == uac;
        // RFC 4028 §10: who waits hangs up a little before, so that the BYE is not taken for a refresh too late.
        let before = if ours { Duration::ZERO } else { BEFORE.min(agreed.interval / 3) };
        let end = now + agreed.interval - before;
        Self { agreed, ours, habits, at: ours.then(|| now + agreed.interval / 2), end, sent: None }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.at.map_or(self.end, |at| at.min(self.end))
    }

    pub(super) fn retried(&mut self, old: ClientId, new: ClientId) {
        if self.sent == Some(old) {
            self.sent = Some(new);
        }
    }

    const fn refresher(&self) -> Refresher {
        if self.ours { Refresher::Uac } else { Refresher::Uas }
    }
}

impl InviteSession {
    /// Says in a 2xx of ours what is settled, and counts from now on.
    pub(super) fn settle_refresh(&mut self, cx: &Context<'_>, received: &Received, response: &mut Response) {
        let asked = &received.request.headers;
        let agreed = Agreed::answering(cx.config.session_timer, asked);
        agreed.write(asked, &mut response.headers);
        if let Phase::Established(established) = &mut self.phase {
            let habits = Habits::after(established.refresh.as_ref(), asked);
            established.refresh = Some(Refresh::start(cx.now, agreed, false, habits));
        }
    }

    /// A request of ours was accepted: counts anew.
    pub(super) fn refreshed(&mut self, cx: &Context<'_>, response: &Response) {
        if let Phase::Established(established) = &mut self.phase {
            let agreed = Agreed::answered(cx.config.session_timer, &response.headers);
            let habits = Habits::after(established.refresh.as_ref(), &response.headers);
            established.refresh = Some(Refresh::start(cx.now, agreed, true, habits));
        }
    }

    /// What a re-INVITE or UPDATE of ours says of it.
    pub(super) fn ask_refresh(&self, cx: &Context<'_>, headers: &mut Headers) {
        headers.push(Name::Supported, super::SUPPORTED);
        let own = cx.config.session_timer;
        if let Phase::Established(established) = &self.phase
            && let Some(refresh) = &established.refresh
        {
            session_timer::ask(own, refresh.agreed.interval, Some(refresh.refresher()), headers);
        }
    }

    /// Whether the session ended over it.
    pub(super) fn refresh_timeout(&mut self, cx: &mut Context<'_>) -> bool {
        let Phase::Established(established) = &mut self.phase else { return false };
        if self.ended {
            return false;
        }
        let (unacked, offering) = (established.unacked.is_some(), !established.local.is_none());
        let Some(refresh) = &mut established.refresh else { return false };
        if cx.now >= refresh.end {
            self.hang_up(cx, Some(EXPIRED), EndCause::Expired);
            return true;
        }
        if refresh.at.is_none_or(|at| cx.now < at) {
            return false;
        }
        let by_offer = refresh.agreed.shared && !refresh.habits.takes_update;
        // An offer of ours under way is a sign of life, too; so is the ACK that is waited for.
        if unacked || (by_offer && offering) {
            refresh.at = Some(cx.now + SOON);
            return false;
        }
        refresh.at = None;
        if by_offer {
            if let Some(sdp) = established.described.clone() {
                established.local = LocalOffer::refresh(sdp.0);
                self.send_waiting_offer(cx);
            }
            return false;
        }
        let method = if refresh.habits.takes_update { Method::Update } else { Method::Options };
        let id = cx.client_id();
        refresh.sent = Some(id);
        let (mut request, path) = established.dialog.request(method.clone(), &cx.branch());
        if method == Method::Update {
            request.headers.push(Name::Contact, self.contact(path));
            request.headers.push(Name::Allow, allow(cx.config));
            self.ask_refresh(cx, &mut request.headers);
        }
        let request = Box::new(request);
        self.orders.push_back(Order::Request { id, request, path, purpose: Purpose::Refresh });
        false
    }

    pub(super) fn refresh_response(&mut self, cx: &mut Context<'_>, of: &Sent<'_>, response: &Response) {
        let Phase::Established(established) = &mut self.phase else { return };
        let Some(refresh) = &mut established.refresh else { return };
        if response.status.is_provisional() || refresh.sent != Some(of.id) {
            return;
        }
        refresh.habits.answers |= response.status != StatusCode::REQUEST_TIMEOUT;
        let update = of.request.method == Method::Update;
        if response.status.is_success() && update {
            established.dialog.refresh_target(response.headers.contact());
            return self.refreshed(cx, response);
        }
        refresh.sent = None;
        self.refresh_refused(cx, response.status, &response.headers);
    }

    /// It was refused, by UPDATE, re-INVITE or OPTIONS.
    pub(super) fn refresh_refused(&mut self, cx: &mut Context<'_>, status: StatusCode, headers: &Headers) {
        let Phase::Established(established) = &mut self.phase else { return };
        let Some(refresh) = &mut established.refresh else { return };
        match status {
            // RFC 4028 §10, RFC 3261 §12.2.1.2: there is nobody.
            StatusCode::REQUEST_TIMEOUT | StatusCode::NO_SUCH_TRANSACTION => {
                self.hang_up(cx, Some(EXPIRED), EndCause::Expired);
            }
            StatusCode::SESSION_INTERVAL_TOO_SMALL => {
                let least = session_timer::least(headers).unwrap_or_default().min(session_timer::LONGEST);
                let raised = least > refresh.agreed.interval;
                refresh.agreed.interval = refresh.agreed.interval.max(least);
                refresh.at = Some(if raised { cx.now } else { later(cx, refresh.end) });
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED if refresh.habits.takes_update => {
                refresh.habits.takes_update = false;
                refresh.at = Some(cx.now);
            }
            // It lives; whoever counts with us wants to hear more than that, and is asked again.
            _ if !refresh.agreed.shared => {
                let agreed = Agreed { refresher: Refresher::Uac, ..refresh.agreed };
                established.refresh = Some(Refresh::start(cx.now, agreed, true, refresh.habits));
            }
            _ => refresh.at = Some(later(cx, refresh.end)),
        }
    }

    /// It could not be sent, or got no answer.
    pub(super) fn refresh_failed(&mut self, cx: &mut Context<'_>, id: ClientId, status: StatusCode) {
        let Phase::Established(established) = &mut self.phase else { return };
        let Some(refresh) = &mut established.refresh else { return };
        if refresh.sent.take_if(|sent| *sent == id).is_none() {
            return;
        }
        if status == StatusCode::REQUEST_TIMEOUT && !refresh.agreed.shared && !refresh.habits.answers {
            // Some servers answer no such question. That it is silent now says nothing of it, and it is not asked again.
            established.refresh = None;
        } else if status == StatusCode::REQUEST_TIMEOUT {
            self.hang_up(cx, Some(EXPIRED), EndCause::Expired);
        } else {
            // The way is broken: another may open until the end.
            refresh.at = Some(later(cx, refresh.end));
        }
    }
}

/// Half of the time that is left, and a few seconds at least.
fn later(cx: &mut Context<'_>, end: Instant) -> Instant {
    let left = end.saturating_duration_since(cx.now) / 2;
    cx.now + left.max(SOON) + Duration::from_millis(cx.entropy.below(1000))
}

/// RFC 4028 §10: the BYE of who waits goes out 32 s before the end, or a third of the interval.
const BEFORE: Duration = Duration::from_secs(32);
/// Ours: between two looks whether the way is clear.
const SOON: Duration = Duration::from_secs(2);
/// RFC 3326: why we hang up.
const EXPIRED: &str = "SIP;cause=408;text=\"Session timer expired\"";
