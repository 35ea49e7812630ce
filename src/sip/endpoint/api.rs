//! What goes into an [`super::Endpoint`] and what comes out of it.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::secret::Secret;
use crate::sip::invite_session::Refer;
use crate::sip::session_timer::SessionTimer;
use crate::sip::timers::TimerConfig;
use crate::sip::{Headers, Method, NameAddr, Path, StatusCode, Uri};
use crate::units::Digit;

/// One INVITE session: a dialog (or the attempt at one) with its offers and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// One request outside of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// How an endpoint behaves.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// What our Call-IDs end with (`.3@countersign`): the edge routes on it, and a request from elsewhere that
    /// begins something under such a Call-ID gets 482. Empty: nothing.
    pub call_id_suffix: String,
    /// The Server and User-Agent header; `None` says nothing.
    pub server: Option<String>,
    /// The timers.
    pub timers: TimerConfig,
    /// How long a session lives without a sign of life.
    pub session_timer: SessionTimer,
    /// The methods that we take: the Allow header.
    pub allow: Vec<Method>,
    /// The most transactions at a time, both directions together. Beyond it an INVITE, and whatever came over a stream, gets
    /// 503 with Retry-After; other requests are dropped, for datagrams come again; requests of ours that begin something
    /// fail at once. A call leaves two behind for 32 s each, so this allows some 3,000 calls per second.
    pub max_transactions: usize,
    /// The most sessions at a time; beyond it an INVITE gets 503.
    pub max_sessions: usize,
    /// The INFO packages that we take (RFC 6086 §5.2.3).
    pub recv_info: Vec<String>,
    /// The user part of Contact when a session has no other.
    pub contact_user: String,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            call_id_suffix: String::new(),
            server: None,
            timers: TimerConfig::default(),
            session_timer: SessionTimer::default(),
            allow: vec![
                Method::Invite,
                Method::Ack,
                Method::Bye,
                Method::Cancel,
                Method::Options,
                Method::Info,
                Method::Prack,
                Method::Update,
            ],
            max_transactions: 200_000,
            max_sessions: 20_000,
            recv_info: Vec::new(),
            contact_user: "countersign".to_owned(),
        }
    }
}

/// What happens to an endpoint. The debug format shows sizes, no content.
#[derive(Clone)]
pub enum Input {
    /// One whole message came.
    Received {
        /// The way it came.
        path: Path,
        /// The datagram, or the frame of a stream.
        message: Bytes,
    },
    /// Nothing can be sent this way any more: the connection broke, or the peer's host refused.
    TransportFailed(Path),
    /// The instant that [`Output::Timeout`] asked for may have come.
    Timeout,
}

/// What an endpoint orders. Poll until `Timeout` before the next input. The debug format shows sizes, no
/// content.
#[derive(Clone)]
pub enum Output {
    /// Send.
    Transmit {
        /// The way. For a stream without a connection: open one, or use one that is open to that peer.
        path: Path,
        /// The message.
        bytes: Bytes,
    },
    /// Something that the layer above must know.
    Event(Event),
    /// Nothing more until this instant, or until something happens.
    Timeout(Option<Instant>),
}

/// What an incoming INVITE says. The debug format shows the Call-ID only.
#[derive(Clone)]
pub struct Incoming {
    /// Who is called.
    pub request_uri: Uri,
    /// From.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: String,
    /// All headers.
    pub headers: Headers,
    /// The session description; without one, our 200 offers.
    pub offer: Option<Bytes>,
}

/// What the layer above must know. The debug format shows no header value, no body and no key.
#[derive(Clone)]
pub enum Event {
    /// Someone calls. 100 has been sent; `ring`, `accept` or `reject` follow.
    Incoming {
        /// The new session.
        session: SessionId,
        /// The way it came.
        path: Path,
        /// What it says.
        invite: Box<Incoming>,
    },
    /// The ACK of our 200 came: of the call, or of an offer that we answered.
    Acked {
        /// The session.
        session: SessionId,
        /// The answer, when our 200 had the offer.
        answer: Option<Bytes>,
    },
    /// The caller's side has our answer, though nobody has picked up here: media may flow both ways. Its PRACK came, or it
    /// knows of none.
    EarlyMedia {
        /// The session.
        session: SessionId,
    },
    /// The next hop has our INVITE: a 100 came.
    Trying {
        /// The session.
        session: SessionId,
    },
    /// A provisional response to our INVITE, other than 100.
    Progress {
        /// The session.
        session: SessionId,
        /// 101–199.
        status: StatusCode,
        /// Early media's description: the answer, subject to change.
        sdp: Option<Bytes>,
    },
    /// Our INVITE was accepted; its ACK is on the way.
    Answered {
        /// The session.
        session: SessionId,
        /// The answer: of the 200, or of the last provisional response of the same callee. `None` when it has
        /// changed its media since, by an offer that was answered; or when there is none.
        sdp: Option<Bytes>,
        /// All headers of the 200.
        headers: Headers,
    },
    /// Our INVITE was refused (3xx–6xx), or got no answer (408), or could not be sent (503). `Ended` follows.
    Failed {
        /// The session.
        session: SessionId,
        /// Why.
        status: StatusCode,
    },
    /// The peer wants to change the session, or asks for an offer of ours (`sdp` is `None`): `answer_offer`.
    Offered {
        /// The session.
        session: SessionId,
        /// Its offer.
        sdp: Option<Bytes>,
    },
    /// What became of our offer.
    OfferAnswered {
        /// The session.
        session: SessionId,
        /// The answer, or why there is none; then the session goes on as before.
        sdp: Result<Bytes, StatusCode>,
    },
    /// The recording server wants to be told again what is known of the session that is recorded.
    MetadataRequested {
        /// The session.
        session: SessionId,
    },
    /// A key by SIP INFO.
    Digit {
        /// The session.
        session: SessionId,
        /// The key.
        digit: Digit,
    },
    /// An INFO of a package in `recv_info`.
    Info {
        /// The session.
        session: SessionId,
        /// The package.
        package: String,
        /// The body.
        body: Bytes,
    },
    /// The peer wants somebody else called in its place: `answer_refer`, then `report_refer`.
    Referred {
        /// The session.
        session: SessionId,
        /// Whom.
        refer: Box<Refer>,
    },
    /// The last report on that has reached the peer, or never will.
    ReferDone {
        /// The session.
        session: SessionId,
    },
    /// The session is over. Exactly once per session, and always its last event.
    Ended {
        /// The session.
        session: SessionId,
        /// Why.
        cause: EndCause,
    },
    /// The final answer to a request of ours outside of sessions; 408 when none came, 503 when it could
    /// not be sent.
    Response {
        /// The request.
        request: RequestId,
        /// The status.
        status: StatusCode,
        /// All headers; none for an answer of our own.
        headers: Headers,
    },
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// The peer hung up.
    Bye,
    /// The call was cancelled before it was answered, by the caller's side.
    Cancelled,
    /// Our INVITE was refused.
    Refused,
    /// Our 200, or a provisional response that was to be, was never acknowledged.
    AckTimeout,
    /// Nobody answered in time.
    Timeout,
    /// The peer gave no sign of life for too long.
    Expired,
    /// The way to the peer broke.
    TransportFailed,
    /// We hung up, or refused.
    Local,
}

/// Who we are to a peer that asks (401, 407).
#[derive(Clone)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// A call to make.
pub struct OutgoingInvite {
    /// The way to the next hop.
    pub path: Path,
    /// Who is called.
    pub request_uri: Uri,
    /// From, without tag.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// The user part of our Contact.
    pub contact_user: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The offer.
    pub sdp: Bytes,
    /// What it says of another session that it records (RFC 7866), as XML; `None` when it records none.
    pub metadata: Option<Bytes>,
    /// For 401 and 407.
    pub credentials: Option<Credentials>,
}

/// A request outside of sessions: REGISTER, OPTIONS.
pub struct OutgoingRequest {
    /// The way to the next hop.
    pub path: Path,
    /// What is asked.
    pub method: Method,
    /// Of whom.
    pub uri: Uri,
    /// From, without tag.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Further headers. A Contact of ours is added unless one stands here.
    pub headers: Vec<(String, String)>,
    /// The body with its type.
    pub body: Option<(String, Bytes)>,
    /// For 401 and 407.
    pub credentials: Option<Credentials>,
}

/// What an endpoint holds. All zero when nothing is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// Sessions, those that only await the end of a transaction included.
    pub sessions: usize,
    /// Transactions, both directions.
    pub transactions: usize,
    /// Deadlines.
    pub timers: usize,
}

/// What has happened since the endpoint was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests and responses received, broken ones included.
    pub received: u64,
    /// Messages sent.
    pub sent: u64,
    /// Datagrams that were no message.
    pub malformed: u64,
    /// Requests answered by [`crate::sip::validate`].
    pub refused: u64,
    /// Requests and responses that belong to nothing.
    pub stray: u64,
    /// Requests turned away because a table was full.
    pub overload: u64,
    /// INVITEs raised to the layer above.
    pub incoming: u64,
    /// Transactions that ended by timer B, F or H.
    pub timed_out: u64,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received { path, message } => {
                write!(f, "Received({} bytes from {})", message.len(), path.remote)
            }
            Self::TransportFailed(path) => write!(f, "TransportFailed({})", path.remote),
            Self::Timeout => f.write_str("Timeout"),
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit { path, bytes } => {
                write!(f, "Transmit({} bytes to {})", bytes.len(), path.remote)
            }
            Self::Event(event) => event.fmt(f),
            Self::Timeout(at) => write!(f, "Timeout({at:?})"),
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({})", self.call_id)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.session().map_or(0, |session| session.0);
        match self {
            Self::Incoming { invite, .. } => write!(f, "{invite:?} as {id}"),
            Self::Acked { answer, .. } => write!(f, "Acked({id}, answer: {})", answer.is_some()),
            Self::EarlyMedia { .. } => write!(f, "EarlyMedia({id})"),
            Self::Trying { .. } => write!(f, "Trying({id})"),
            Self::Progress { status, .. } => write!(f, "Progress({id}, {status})"),
            Self::Answered { .. } => write!(f, "Answered({id})"),
            Self::Failed { status, .. } => write!(f, "Failed({id}, {status})"),
            Self::Offered { sdp, .. } => write!(f, "Offered({id}, offer: {})", sdp.is_some()),
            Self::OfferAnswered { sdp: Ok(_), .. } => write!(f, "OfferAnswered({id})"),
            Self::OfferAnswered { sdp: Err(status), .. } => {
                write!(f, "OfferAnswered({id}, refused: {status})")
            }
            Self::MetadataRequested { .. } => write!(f, "MetadataRequested({id})"),
            Self::Digit { .. } => write!(f, "Digit({id})"),
            Self::Info { package, .. } => write!(f, "Info({id}, {package})"),
            Self::Referred { refer, .. } => write!(f, "{refer:?} in {id}"),
            Self::ReferDone { .. } => write!(f, "ReferDone({id})"),
            Self::Ended { cause, .. } => write!(f, "Ended({id}, {cause:?})"),
            Self::Response { request, status, .. } => write!(f, "Response({}, {status})", request.0),
        }
    }
}

impl Event {
    /// The session that the event is about; none for a [`Event::Response`].
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Incoming { session, .. }
            | Self::Acked { session, .. }
            | Self::EarlyMedia { session }
            | Self::Trying { session }
            | Self::Progress { session, .. }
            | Self::Answered { session, .. }
            | Self::Failed { session, .. }
            | Self::Offered { session, .. }
            | Self::OfferAnswered { session, .. }
            | Self::MetadataRequested { session }
            | Self::Digit { session, .. }
            | Self::Info { session, .. }
            | Self::Referred { session, .. }
            | Self::ReferDone { session }
            | Self::Ended { session, .. } => Some(*session),
            Self::Response { .. } => None,
        }
    }
}

/// How long a caller that was turned away should wait (RFC 3261 §20.33).
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);
