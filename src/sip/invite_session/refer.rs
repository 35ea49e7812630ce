//! REFER inside a session (RFC 3515): the peer wants somebody else called in its place; and the reports of what came of it,
//! NOTIFY with `message/sipfrag` (RFC 3420).
//!
//! One at a time, and one report after the other: a report that the next overtakes would only be refused. Whether it is
//! done at all is for the layer above to say.

use std::fmt;

use super::{ClientId, Context, InviteSession, Order, Phase, Purpose, Received};
use crate::sip::endpoint::api::Event;
use crate::sip::uri::unescape;
use crate::sip::{Method, Name, NameAddr, Request, Response, StatusCode, Uri};

/// Whom the peer wants called. The debug format shows nothing of it: it is somebody's number.
#[derive(Clone, PartialEq, Eq)]
pub struct Refer {
    /// The address, without what belongs into headers.
    pub to: Uri,
    /// The value of Replaces: the dialog that the call is to take the place of (RFC 3891).
    pub replaces: Option<String>,
}

impl Refer {
    /// Reads a REFER; the error is its answer.
    fn of(request: &Request) -> Result<Self, StatusCode> {
        let mut all = request.headers.all(Name::ReferTo);
        // RFC 3515 §2.4.2: exactly one.
        let (Some(value), None) = (all.next(), all.next()) else { return Err(StatusCode::BAD_REQUEST) };
        let target = NameAddr::parse(value).ok_or(StatusCode::BAD_REQUEST)?;
        let sip = target.uri.as_sip().ok_or(StatusCode::UNSUPPORTED_URI_SCHEME)?;
        if sip.params.get("method").is_some_and(|method| method != Method::Invite.as_str()) {
            return Err(StatusCode::NOT_IMPLEMENTED);
        }
        let replaces = sip.headers.as_deref().map(replaces).transpose()?.flatten();
        Ok(Self { to: target.uri.for_request(), replaces })
    }
}

impl fmt::Debug for Refer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refer(replaces: {})", self.replaces.is_some())
    }
}

/// The Replaces among the headers of a URI, unescaped; all others are not the peer's to write (RFC 3261 §19.1.5).
fn replaces(headers: &str) -> Result<Option<String>, StatusCode> {
    let mut all = headers
        .split('&')
        .filter_map(|header| header.split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case(Name::Replaces.as_str()));
    let Some((_, value)) = all.next() else { return Ok(None) };
    let value = Some(unescape(value)).filter(|value| value.len() <= MAX_REPLACES && is_replaces(value));
    match (value, all.next()) {
        (Some(value), None) => Ok(Some(value)),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

/// RFC 3891 §6.1: a Call-ID and both tags, in printable characters and nothing that would end the value.
fn is_replaces(value: &str) -> bool {
    let has = |name: &str| {
        let tag = value.split(';').skip(1).filter_map(|param| param.split_once('='));
        tag.filter(|(own, tag)| own.trim().eq_ignore_ascii_case(name) && !tag.is_empty()).count() == 1
    };
    value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') && has("to-tag") && has("from-tag")
}

/// A REFER of the peer's, from its arrival to the last report.
#[derive(Debug)]
pub(super) struct Referral {
    /// Until it is answered.
    received: Option<Received>,
    /// What stands behind `Event: refer` from the second of a dialog on (RFC 3515 §2.4.6).
    id: Option<u32>,
    /// The peer wants no reports (RFC 4488).
    silent: bool,
    sent: Option<ClientId>,
    /// To be reported when the last report is answered.
    next: Option<StatusCode>,
    /// The last report is on the way.
    done: bool,
}

impl Referral {
    pub(super) fn retried(&mut self, old: ClientId, new: ClientId) {
        if self.sent == Some(old) {
            self.sent = Some(new);
        }
    }

    pub(super) fn is_unanswered(&self, id: super::ServerId) -> bool {
        self.received.as_ref().is_some_and(|received| received.id == id)
    }
}

impl InviteSession {
    pub(super) fn peer_refer(&mut self, cx: &mut Context<'_>, received: &Received) {
        let ended = self.ended;
        let Phase::Established(established) = &mut self.phase else {
            return self.refuse(cx, received, StatusCode::NO_SUCH_TRANSACTION);
        };
        if ended {
            return self.refuse(cx, received, StatusCode::NO_SUCH_TRANSACTION);
        }
        if established.referral.is_some() {
            return self.refuse(cx, received, StatusCode::REQUEST_PENDING);
        }
        let refer = match Refer::of(&received.request) {
            Ok(refer) => refer,
            Err(status) => return self.refuse(cx, received, status),
        };
        let headers = &received.request.headers;
        let silent =
            headers.text("Refer-Sub").is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        let number = headers.cseq().map_or(0, |cseq| cseq.number);
        let id = std::mem::replace(&mut established.referred, true).then_some(number);
        let own = Received { id: received.id, request: received.request.clone(), path: received.path };
        established.referral =
            Some(Referral { received: Some(own), id, silent, sent: None, next: None, done: false });
        self.raise(Event::Referred { session: self.id, refer: Box::new(refer) });
    }

    /// Does what the peer's REFER asks for, or refuses. Taken, it is reported on, at first that it is being tried.
    pub(crate) fn answer_refer(&mut self, cx: &mut Context<'_>, answer: Result<(), StatusCode>) {
        let Phase::Established(established) = &mut self.phase else { return };
        let Some(referral) = &mut established.referral else { return };
        let Some(received) = referral.received.take() else { return };
        let silent = referral.silent;
        if let Err(status) = answer {
            established.referral = None;
            let status = if status.code() < 300 { StatusCode::DECLINE } else { status };
            return self.refuse(cx, &received, status);
        }
        let mut response = self.reply(cx, &received, StatusCode::ACCEPTED);
        response.headers.push(Name::Contact, self.contact(received.path));
        if silent {
            response.headers.push("Refer-Sub", "false");
        }
        self.respond(received.id, response);
        self.report_refer(cx, StatusCode::TRYING);
    }

    /// Reports how the call goes that the peer asked for; a final status is the last report, and `ReferDone` follows.
    pub(crate) fn report_refer(&mut self, cx: &mut Context<'_>, status: StatusCode) {
        let ended = self.ended;
        let Phase::Established(established) = &mut self.phase else { return };
        let Some(referral) = &mut established.referral else { return };
        if ended || referral.done || referral.received.is_some() {
            return;
        }
        if referral.silent {
            if status.is_final() {
                self.finish_refer();
            }
            return;
        }
        if referral.sent.is_some() {
            // What is final stays so.
            if referral.next.is_none_or(StatusCode::is_provisional) {
                referral.next = Some(status);
            }
            return;
        }
        let id = cx.client_id();
        referral.sent = Some(id);
        referral.done = status.is_final();
        let event = referral.id.map_or("refer".to_owned(), |number| format!("refer;id={number}"));
        let (mut request, path) = established.dialog.request(Method::Notify, &cx.branch());
        request.headers.push(Name::Contact, self.contact(path));
        request.headers.push(Name::Event, event);
        let state = if status.is_final() { ENDED } else { GOES_ON };
        request.headers.push("Subscription-State", state);
        let body = format!("SIP/2.0 {status} {}\r\n", status.phrase());
        let request = Box::new(request.with_body(SIPFRAG, body.into()));
        self.orders.push_back(Order::Request { id, request, path, purpose: Purpose::Report });
    }

    pub(super) fn report_response(&mut self, cx: &mut Context<'_>, id: ClientId, response: &Response) {
        if response.status.is_final() {
            self.reported(cx, id, response.status.is_success());
        }
    }

    /// A report was answered, or never will be; one that was refused ends them (RFC 6665 §4.2.2).
    pub(super) fn reported(&mut self, cx: &mut Context<'_>, id: ClientId, taken: bool) {
        let Phase::Established(established) = &mut self.phase else { return };
        let Some(referral) = &mut established.referral else { return };
        if referral.sent.take_if(|sent| *sent == id).is_none() {
            return;
        }
        if !taken {
            referral.silent = true;
        }
        if referral.done {
            self.finish_refer();
        } else if let Some(status) = referral.next.take() {
            self.report_refer(cx, status);
        }
    }

    fn finish_refer(&mut self) {
        if let Phase::Established(established) = &mut self.phase {
            established.referral = None;
        }
        self.raise(Event::ReferDone { session: self.id });
    }
}

/// The type of a report (RFC 3515 §2.4.5).
const SIPFRAG: &str = "message/sipfrag;version=2.0";
/// Longer than any call that is asked for may ring.
const GOES_ON: &str = "active;expires=300";
const ENDED: &str = "terminated;reason=noresource";
/// Ours: a Call-ID and two tags.
const MAX_REPLACES: usize = 512;
