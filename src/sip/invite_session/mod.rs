//! One INVITE session from either side: RFC 3261 §13–15, offers and answers (RFC 3264, RFC 3311 for UPDATE), reliable
//! provisional responses (RFC 3262), signs of life (RFC 4028).
//!
//! ```text
//! callee:  Incoming ──accept──▶ Established ──BYE──▶ Over        Incoming ──reject, CANCEL──▶ Over
//! caller:  Calling  ──2xx─────▶ Established ──bye──▶ Closing ──final──▶ Over
//!          Calling  ──cancel──▶ Cancelling ──final──▶ Over
//! ```
//! The session knows no transaction table: it orders requests and responses by number, and the endpoint tells
//! it what came of them. [`Event::Ended`] is raised once, as soon as the session is over for the layer above;
//! what SIP still owes the peer then (the BYE after a late ACK, the CANCEL before a 1xx) goes on silently.

mod callee;
mod caller;
mod established;
mod offer;
mod recording;
mod refer;
mod refresh;
mod reliable;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::body::{self, Description};
use super::dialog::Dialog;
use super::endpoint::api::{Credentials, EndCause, EndpointConfig, Event, OutgoingInvite, SessionId};
use super::{Headers, Method, Name, Path, Request, Response, StatusCode, Uri};
use crate::units::Entropy;

use callee::IncomingCall;
use caller::OutgoingCall;
pub(crate) use caller::{ack_of_failure, cancel_of};
use established::Established;
pub use refer::Refer;

/// A server transaction of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServerId(pub(crate) u64);

/// A client transaction of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClientId(pub(crate) u64);

/// What the endpoint lends to a session while it works.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a EndpointConfig,
    pub(crate) entropy: &'a mut Entropy,
    pub(crate) next_id: &'a mut u64,
}

impl Context<'_> {
    /// A number for a client transaction to come.
    fn client_id(&mut self) -> ClientId {
        *self.next_id += 1;
        ClientId(*self.next_id)
    }

    /// A branch that is unique by itself (RFC 3261 §8.1.1.7).
    pub(crate) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.entropy.hex(10))
    }
}

/// What a session orders.
#[derive(Debug)]
pub(crate) enum Order {
    /// Answer a request.
    Respond { to: ServerId, response: Response },
    /// Send a request in a transaction of its own.
    Request { id: ClientId, request: Box<Request>, path: Path, purpose: Purpose },
    /// Acknowledge a 2xx; the endpoint repeats it when the 2xx comes again.
    Ack { of: ClientId, request: Box<Request>, path: Path },
    /// Send a CANCEL for this INVITE.
    Cancel(ClientId),
    /// Forget this INVITE: it was cancelled and nobody answers, or its session has ended since.
    Abandon(ClientId),
    /// Tell the layer above.
    Event(Event),
}

/// Why a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The INVITE that starts the session.
    Call,
    /// A re-INVITE.
    Offer,
    /// The end.
    Bye,
    /// Something to tell the peer.
    Info,
    /// The acknowledgement of a provisional response.
    Prack,
    /// A sign of life.
    Refresh,
    /// What came of a REFER.
    Report,
}

/// A request that came, with the transaction that answers it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) id: ServerId,
    pub(crate) request: Request,
    pub(crate) path: Path,
}

impl Received {
    /// The session description, alone or in a multipart body.
    fn sdp(&self) -> Option<Bytes> {
        match body::description(&self.request.headers, &self.request.body) {
            Description::Sdp(sdp) => Some(sdp),
            Description::None | Description::Unsupported => None,
        }
    }
}

/// One session.
#[derive(Debug)]
pub(crate) struct InviteSession {
    id: SessionId,
    phase: Phase,
    ended: bool,
    contact_user: String,
    credentials: Option<Credentials>,
    /// What it says of the session that it records.
    metadata: Option<Bytes>,
    orders: VecDeque<Order>,
}

#[derive(Debug)]
enum Phase {
    Incoming(Box<IncomingCall>),
    Calling(Box<OutgoingCall>),
    /// Given up; `give_up` runs once the CANCEL is sent.
    Cancelling {
        invite: ClientId,
        give_up: Option<Instant>,
    },
    Established(Box<Established>),
    /// Our BYE is on the way, and perhaps an offer of ours that it overtook.
    Closing {
        dialog: Box<Dialog>,
        bye: ClientId,
        offer: Option<ClientId>,
    },
    Over,
}

/// Why a request is none of this dialog's.
fn stray(dialog: &Dialog, request: &Request, path: Path) -> Option<StatusCode> {
    let from = request.headers.from().ok();
    let tag = from.as_ref().and_then(super::NameAddr::tag);
    if !dialog.matches(request.headers.call_id().unwrap_or_default(), tag) {
        return Some(StatusCode::NO_SUCH_TRANSACTION);
    }
    // What began encrypted goes on so: nothing of it is told, or taken, in clear.
    (dialog.is_secure() && !path.transport.is_encrypted()).then_some(StatusCode::FORBIDDEN)
}

impl InviteSession {
    /// The callee's: an INVITE came.
    pub(crate) fn incoming(
        cx: &mut Context<'_>,
        id: SessionId,
        local_tag: &str,
        invite: Received,
    ) -> Result<Self, super::HeaderError> {
        let contact_user = cx.config.contact_user.clone();
        let mut session = Self::new(id, contact_user, None);
        session.begin_incoming(cx, local_tag, invite)?;
        Ok(session)
    }

    /// The caller's: sends the INVITE.
    pub(crate) fn outgoing(
        cx: &mut Context<'_>,
        id: SessionId,
        local_tag: &str,
        mut call: OutgoingInvite,
    ) -> Self {
        let contact_user = call.contact_user.take().unwrap_or_else(|| cx.config.contact_user.clone());
        let mut session = Self::new(id, contact_user, call.credentials.take());
        session.metadata = call.metadata.take();
        session.begin_outgoing(cx, local_tag, call);
        session
    }

    fn new(id: SessionId, contact_user: String, credentials: Option<Credentials>) -> Self {
        let orders = VecDeque::new();
        Self { id, phase: Phase::Over, ended: false, contact_user, credentials, metadata: None, orders }
    }

    /// The next order.
    pub(crate) fn poll(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// For 401 and 407.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// When the session wants to be woken.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Incoming(call) => Some(call.deadline()),
            Phase::Calling(call) => Some(call.deadline()),
            Phase::Cancelling { give_up, .. } => *give_up,
            Phase::Established(established) => established.deadline(),
            Phase::Closing { .. } | Phase::Over => None,
        }
    }

    /// A deadline may have come.
    pub(crate) fn timeout(&mut self, cx: &mut Context<'_>) {
        match &self.phase {
            Phase::Incoming(_) => self.incoming_timeout(cx),
            Phase::Calling(_) => self.calling_timeout(cx),
            Phase::Cancelling { invite, give_up: Some(at) } if cx.now >= *at => {
                self.orders.push_back(Order::Abandon(*invite));
                self.phase = Phase::Over;
            }
            Phase::Established(_) => self.established_timeout(cx),
            _ => {}
        }
    }

    /// Hangs up, in whatever phase: refuses, cancels, or says BYE.
    pub(crate) fn bye(&mut self, cx: &mut Context<'_>, reason: Option<&str>) {
        match &self.phase {
            Phase::Incoming(_) => self.reject(cx, StatusCode::TEMPORARILY_UNAVAILABLE, None),
            Phase::Calling(_) => self.give_up(cx, EndCause::Local),
            Phase::Established(_) => self.hang_up(cx, reason, EndCause::Local),
            Phase::Cancelling { .. } | Phase::Closing { .. } | Phase::Over => {}
        }
    }

    /// Gives up a call; one that was answered in the meantime is hung up.
    pub(crate) fn cancel(&mut self, cx: &mut Context<'_>) {
        match &self.phase {
            Phase::Calling(_) => self.give_up(cx, EndCause::Cancelled),
            Phase::Established(_) => self.hang_up(cx, None, EndCause::Cancelled),
            _ => self.bye(cx, None),
        }
    }

    /// A request with our tag in To, other than INVITE, ACK and CANCEL.
    pub(crate) fn request(&mut self, cx: &mut Context<'_>, received: &Received) {
        match received.request.method {
            Method::Bye => self.peer_bye(cx, received),
            Method::Invite => self.peer_offer(cx, received),
            Method::Update => self.peer_update(cx, received),
            Method::Info => self.peer_info(cx, received),
            Method::Prack => self.peer_prack(cx, received),
            Method::Refer => self.peer_refer(cx, received),
            Method::Options => {
                let mut response = self.reply(cx, received, StatusCode::OK);
                capabilities(&mut response, cx.config);
                self.respond(received.id, response);
            }
            _ => {
                let mut response = self.reply(cx, received, StatusCode::METHOD_NOT_ALLOWED);
                response.headers.set(Name::Allow, allow(cx.config));
                self.respond(received.id, response);
            }
        }
    }

    /// Whether this is the BYE that ends the established session.
    pub(crate) fn is_ended_by(&self, request: &Request, path: Path) -> bool {
        let Phase::Established(established) = &self.phase else { return false };
        let dialog = &established.dialog;
        request.method == Method::Bye
            && stray(dialog, request, path).is_none()
            && request.headers.cseq().is_ok_and(|cseq| dialog.is_next(cseq.number))
    }

    /// Checks that a request belongs to the session's dialog and comes in order; answers it if not.
    pub(crate) fn admits(&mut self, cx: &mut Context<'_>, received: &Received) -> bool {
        let headers = &received.request.headers;
        let call_id = headers.call_id().unwrap_or_default();
        let from = headers.from().ok();
        let tag = from.as_ref().and_then(super::NameAddr::tag);
        let dialog = match &mut self.phase {
            Phase::Incoming(call) => Some(&mut call.dialog),
            Phase::Established(established) => Some(&mut established.dialog),
            Phase::Closing { dialog, .. } => Some(&mut **dialog),
            Phase::Calling(call) if call.is_early(call_id, tag) => call.early_dialog(tag),
            _ => {
                self.refuse(cx, received, StatusCode::NO_SUCH_TRANSACTION);
                return false;
            }
        };
        let Some(dialog) = dialog else { return true };
        if let Some(status) = stray(dialog, &received.request, received.path) {
            self.refuse(cx, received, status);
            return false;
        }
        if !dialog.take_cseq(headers.cseq().map_or(0, |cseq| cseq.number)) {
            // RFC 3261 §12.2.2.
            self.refuse(cx, received, StatusCode::SERVER_INTERNAL_ERROR);
            return false;
        }
        dialog.seen(received.path);
        true
    }

    /// The way to the peer broke.
    pub(crate) fn transport_failed(&mut self, failed: Path) {
        match &mut self.phase {
            Phase::Incoming(call) => call.dialog.forget_connection(failed),
            Phase::Established(established) => established.dialog.forget_connection(failed),
            Phase::Closing { dialog, .. } => dialog.forget_connection(failed),
            Phase::Calling(_) | Phase::Cancelling { .. } | Phase::Over => {}
        }
    }

    /// A response to one of our requests; whether the session took it. A 2xx to an INVITE that is not taken
    /// is a fork's: the endpoint acknowledges it and hangs up.
    pub(crate) fn response(
        &mut self,
        cx: &mut Context<'_>,
        of: &Sent<'_>,
        response: &Response,
        path: Path,
    ) -> bool {
        match of.purpose {
            Purpose::Call => self.call_response(cx, of, response, path),
            Purpose::Offer => self.offer_response(cx, of, response),
            Purpose::Bye => {
                if response.status.is_final() {
                    self.closed(of.id);
                }
                true
            }
            Purpose::Refresh => {
                self.refresh_response(cx, of, response);
                true
            }
            Purpose::Report => {
                self.report_response(cx, of.id, response);
                true
            }
            // RFC 6086 §4.2.2, RFC 3262 §4: what the peer makes of it changes nothing here.
            Purpose::Info | Purpose::Prack => true,
        }
    }

    /// One of our requests got no answer (408) or could not be sent (503).
    pub(crate) fn request_failed(
        &mut self,
        cx: &mut Context<'_>,
        id: ClientId,
        purpose: Purpose,
        status: StatusCode,
    ) {
        match purpose {
            Purpose::Call => self.call_failed(cx, id, status),
            Purpose::Offer => self.offer_failed(cx, id, status, &Headers::new()),
            Purpose::Bye => self.closed(id),
            Purpose::Refresh => self.refresh_failed(cx, id, status),
            Purpose::Report => self.reported(cx, id, false),
            Purpose::Info | Purpose::Prack => {}
        }
    }

    /// A request was sent again with credentials, in a transaction of its own.
    pub(crate) fn retried(&mut self, old: ClientId, new: ClientId, cseq: u32) {
        match &mut self.phase {
            Phase::Calling(call) => call.retried(old, new, cseq),
            Phase::Cancelling { invite, .. } if *invite == old => *invite = new,
            Phase::Established(established) => established.retried(old, new, cseq),
            Phase::Closing { bye, .. } if *bye == old => *bye = new,
            Phase::Closing { offer: Some(offer), .. } if *offer == old => *offer = new,
            _ => {}
        }
    }

    fn closed(&mut self, id: ClientId) {
        let Phase::Closing { bye, offer, .. } = &self.phase else { return };
        if *bye == id {
            self.orders.extend(offer.map(Order::Abandon));
            self.phase = Phase::Over;
        }
    }

    /// Raises an event, unless the session is over for the layer above.
    fn raise(&mut self, event: Event) {
        if !self.ended {
            self.orders.push_back(Order::Event(event));
        }
    }

    fn end(&mut self, cause: EndCause) {
        self.raise(Event::Ended { session: self.id, cause });
        self.ended = true;
    }

    fn respond(&mut self, to: ServerId, response: Response) {
        self.orders.push_back(Order::Respond { to, response });
    }

    fn refuse(&mut self, cx: &mut Context<'_>, received: &Received, status: StatusCode) {
        let response = self.reply(cx, received, status);
        self.respond(received.id, response);
    }

    /// RFC 3261 §14.2, RFC 3311 §5.2: try again in 0 to 10 seconds.
    fn refuse_for_now(&mut self, cx: &mut Context<'_>, received: &Received) {
        let mut response = self.reply(cx, received, StatusCode::SERVER_INTERNAL_ERROR);
        response.headers.set(Name::RetryAfter, cx.entropy.below(11).to_string());
        self.respond(received.id, response);
    }

    fn reply(&self, cx: &Context<'_>, received: &Received, status: StatusCode) -> Response {
        let mut response = Response::to(&received.request, status);
        if let Some(server) = &cx.config.server {
            response.headers.push(Name::Server, server.clone());
        }
        let target_refresh = matches!(received.request.method, Method::Invite | Method::Update);
        if target_refresh && status.code() > 100 && status.code() < 300 {
            response.headers.push(Name::Contact, self.contact(received.path));
            response.headers.push(Name::Allow, allow(cx.config));
            response.headers.push(Name::Supported, SUPPORTED);
        }
        response
    }
}

/// A request of ours that a response belongs to.
#[derive(Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) id: ClientId,
    pub(crate) purpose: Purpose,
    pub(crate) request: &'a Request,
}

/// Our Contact on a path.
pub(crate) fn contact(user: &str, path: Path) -> String {
    let mut uri = Uri::sip(Some(user), path.local.ip().into(), Some(path.local.port()));
    if let Uri::Sip(sip) = &mut uri
        && let Some(transport) = path.transport.uri_param()
    {
        sip.params.set("transport", Some(transport));
    }
    format!("<{uri}>")
}

/// The value of our Allow header.
pub(crate) fn allow(config: &EndpointConfig) -> String {
    let names: Vec<&str> = config.allow.iter().map(Method::as_str).collect();
    names.join(", ")
}

/// What an answer to OPTIONS says (RFC 3261 §11.2).
pub(crate) fn capabilities(response: &mut Response, config: &EndpointConfig) {
    response.headers.set(Name::Allow, allow(config));
    response.headers.set(Name::Accept, "application/sdp, application/dtmf-relay, application/dtmf");
    response.headers.set(Name::AcceptEncoding, "identity");
    response.headers.set(Name::AcceptLanguage, "en");
    response.headers.set(Name::Supported, SUPPORTED);
}

/// The extensions that both sides of ours know (RFC 3262, RFC 4028).
const SUPPORTED: &str = "100rel, timer";
/// The type of a session description.
const SDP: &str = "application/sdp";
