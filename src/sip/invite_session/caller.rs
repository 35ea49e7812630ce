//! The caller before the final response: RFC 3261 §13.2 and §9.1, forks included.

use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::SmallVec;

use super::established::Established;
use super::offer::{Described, RemoteOffer};
use super::refresh::{Habits, Refresh};
use super::{ClientId, Context, Dialog, InviteSession, Order, Phase, Purpose, SUPPORTED, Sent, allow};
use crate::sip::body;
use crate::sip::endpoint::api::{EndCause, Event, OutgoingInvite};
use crate::sip::message::Core;
use crate::sip::session_timer::{self, Agreed};
use crate::sip::{CSeq, Method, Name, NameAddr, Path, Request, Response, StatusCode, Via};

/// A call of ours that is not answered yet.
#[derive(Debug)]
pub(super) struct OutgoingCall {
    pub(super) invite: ClientId,
    pub(super) expiry: Instant,
    path: Path,
    call_id: String,
    sdp: Described,
    /// The session interval that is asked for, and how often a longer one was wanted.
    interval: Duration,
    raised: u32,
    /// A 1xx has come: a CANCEL may be sent.
    proceeding: bool,
    early: SmallVec<[Early; 1]>,
    /// An offer of a callee's that the layer above has not answered.
    pub(super) remote: Option<RemoteOffer>,
}

/// A callee that has responded provisionally.
#[derive(Debug)]
pub(super) struct Early {
    tag: String,
    /// Its last description.
    pub(super) sdp: Option<Bytes>,
    /// When it wants its responses acknowledged: the number of the last, and where to.
    pub(super) rseq: Option<u32>,
    pub(super) dialog: Option<Dialog>,
    /// Its description is the answer to our offer.
    pub(super) agreed: bool,
    /// What we answered to an offer of its own since: that is in force, and no earlier answer is.
    pub(super) moved: Option<Described>,
}

impl OutgoingCall {
    /// Whether this tag is of a callee that has responded.
    pub(super) fn is_early(&self, call_id: &str, tag: Option<&str>) -> bool {
        self.call_id == call_id && self.early.iter().any(|early| Some(early.tag.as_str()) == tag)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.remote.as_ref().map_or(self.expiry, |offer| offer.expiry.min(self.expiry))
    }

    pub(super) fn early_mut(&mut self, tag: Option<&str>) -> Option<&mut Early> {
        self.early.iter_mut().find(|early| Some(early.tag.as_str()) == tag)
    }

    pub(super) fn early_dialog(&mut self, tag: Option<&str>) -> Option<&mut Dialog> {
        self.early_mut(tag)?.dialog.as_mut()
    }

    /// `None` when there are too many.
    pub(super) fn note_early(&mut self, tag: &str, sdp: Option<&Bytes>) -> Option<&mut Early> {
        let known = self.early.iter().position(|early| early.tag == tag);
        if known.is_none() && self.early.len() < MAX_FORKS {
            let tag = tag.to_owned();
            self.early.push(Early { tag, sdp: None, rseq: None, dialog: None, agreed: false, moved: None });
        }
        let last = self.early.len().saturating_sub(1);
        let early = self.early.get_mut(known.unwrap_or(last));
        let early = early.filter(|early| early.tag == tag)?;
        early.sdp = sdp.cloned().or_else(|| early.sdp.take());
        Some(early)
    }

    /// A request was sent again with credentials.
    pub(super) fn retried(&mut self, old: ClientId, new: ClientId, cseq: u32) {
        if self.invite == old {
            self.invite = new;
            self.proceeding = false;
        } else {
            for early in &mut self.early {
                early.dialog.iter_mut().for_each(|dialog| dialog.set_local_cseq(cseq));
            }
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
        request.headers.push(Name::Supported, SUPPORTED);
        let own = cx.config.session_timer;
        session_timer::ask(own, own.interval, None, &mut request.headers);
        if let Some(agent) = &cx.config.server {
            request.headers.push(Name::UserAgent, agent.clone());
        }
        for (name, value) in call.headers {
            request.headers.push(name.as_str(), value);
        }
        let sdp = Described(call.sdp.clone());
        let request = Box::new(self.with_offer(cx, request, call.sdp));
        self.orders.push_back(Order::Request { id, request, path, purpose: Purpose::Call });
        self.phase = Phase::Calling(Box::new(OutgoingCall {
            invite: id,
            expiry: cx.now + cx.config.timers.ring_limit,
            path,
            call_id,
            sdp,
            interval: own.interval,
            raised: 0,
            proceeding: false,
            early: SmallVec::new(),
            remote: None,
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
            self.progress(cx, of, response, path);
        } else if status.is_success() {
            self.answered(cx, of, response, path);
        } else if !self.asks_for_longer(cx, of, response) {
            self.refuse_early_offer(cx, StatusCode::REQUEST_TERMINATED);
            self.phase = Phase::Over;
            self.raise(Event::Failed { session: self.id, status });
            self.end(EndCause::Refused);
        }
        true
    }

    fn progress(&mut self, cx: &mut Context<'_>, of: &Sent<'_>, response: &Response, path: Path) {
        let Phase::Calling(call) = &mut self.phase else { return };
        let first = !std::mem::replace(&mut call.proceeding, true);
        if response.status == StatusCode::TRYING {
            if first {
                self.raise(Event::Trying { session: self.id });
            }
            return;
        }
        let sdp = (!response.body.is_empty()).then(|| body::answer(&response.headers, &response.body));
        if self.take_provisional(cx, of, response, path, sdp.as_ref()) {
            self.raise(Event::Progress { session: self.id, status: response.status, sdp });
        }
    }

    fn answered(&mut self, cx: &mut Context<'_>, of: &Sent<'_>, response: &Response, path: Path) {
        let mut call = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Calling(call) => call,
            other => {
                self.phase = other;
                return;
            }
        };
        let Ok(mut dialog) = Dialog::of_response(of.request, response, path) else {
            // A 200 whose Contact or Record-Route cannot be read makes no dialog that could be ended.
            self.raise(Event::Failed { session: self.id, status: StatusCode::SERVER_INTERNAL_ERROR });
            self.end(EndCause::Refused);
            return;
        };
        if let Some(early) = call.early_dialog(dialog.remote_tag()) {
            dialog.continue_from(early);
        }
        let cseq = of.request.headers.cseq().map_or(1, |cseq| cseq.number);
        let (ack, path) = dialog.ack(cseq, &cx.branch());
        self.orders.push_back(Order::Ack { of: of.id, request: Box::new(ack), path });
        let moved = call.early_mut(dialog.remote_tag()).and_then(|early| early.moved.take());
        let sdp = if moved.is_some() {
            // RFC 6337 §2.2: a 200 that repeats the first answer changes nothing.
            None
        } else if response.body.is_empty() {
            call.early_sdp(dialog.remote_tag())
        } else {
            Some(body::answer(&response.headers, &response.body))
        };
        let (remote, others) = call.offer_of(dialog.remote_tag());
        let agreed = Agreed::answered(cx.config.session_timer, &response.headers);
        let refresh = Refresh::start(cx.now, agreed, true, Habits::of(&response.headers));
        let mut established = Established::new(dialog, true, None);
        established.remote = remote;
        established.described = Some(moved.unwrap_or(call.sdp));
        established.refresh = Some(refresh);
        self.phase = Phase::Established(Box::new(established));
        if let Some(offer) = others {
            self.refuse(cx, &offer.received, StatusCode::REQUEST_TERMINATED);
        }
        let headers = response.headers.clone();
        self.raise(Event::Answered { session: self.id, sdp, headers });
    }

    /// RFC 4028 §7.4: somebody on the way wants a longer session interval, and gets it; whether the call goes on so.
    fn asks_for_longer(&mut self, cx: &mut Context<'_>, of: &Sent<'_>, response: &Response) -> bool {
        let Phase::Calling(call) = &mut self.phase else { return false };
        let least = session_timer::least(&response.headers).unwrap_or_default();
        let longer = call.interval < least && least <= session_timer::LONGEST && call.raised < MAX_RAISED;
        if response.status != StatusCode::SESSION_INTERVAL_TOO_SMALL || !longer {
            return false;
        }
        let mut request = of.request.clone();
        let path = call.path;
        request.headers.set_top_via(&Via::new(path.transport.via_name(), path.local, &cx.branch()));
        let number = request.headers.cseq().map_or(1, |cseq| cseq.number) + 1;
        request.headers.set(Name::CSeq, CSeq { number, method: Method::Invite }.to_string());
        request.headers.remove(Name::Authorization);
        request.headers.remove(Name::ProxyAuthorization);
        session_timer::ask(cx.config.session_timer, least, None, &mut request.headers);
        let id = cx.client_id();
        (call.invite, call.interval, call.raised) = (id, least, call.raised + 1);
        call.proceeding = false;
        call.early.clear();
        let request = Box::new(request);
        self.refuse_early_offer(cx, StatusCode::REQUEST_TERMINATED);
        self.orders.push_back(Order::Request { id, request, path, purpose: Purpose::Call });
        true
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

    pub(super) fn call_failed(&mut self, cx: &mut Context<'_>, id: ClientId, status: StatusCode) {
        match &self.phase {
            Phase::Calling(call) if call.invite == id => {
                let cause = if status == StatusCode::REQUEST_TIMEOUT {
                    EndCause::Timeout
                } else {
                    EndCause::TransportFailed
                };
                self.refuse_early_offer(cx, StatusCode::REQUEST_TERMINATED);
                self.phase = Phase::Over;
                self.raise(Event::Failed { session: self.id, status });
                self.end(cause);
            }
            Phase::Cancelling { invite, .. } if *invite == id => self.phase = Phase::Over,
            _ => {}
        }
    }

    pub(super) fn calling_timeout(&mut self, cx: &mut Context<'_>) {
        let Phase::Calling(call) = &self.phase else { return };
        if cx.now < call.expiry {
            if call.deadline() <= cx.now {
                self.refuse_early_offer(cx, StatusCode::SERVER_INTERNAL_ERROR);
            }
            return;
        }
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
        self.refuse_early_offer(cx, StatusCode::REQUEST_TERMINATED);
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

/// Ours: how often a longer session interval is granted.
const MAX_RAISED: u32 = 3;
/// Ours: how many callees of one INVITE are told apart.
const MAX_FORKS: usize = 16;
