//! Requests and responses (RFC 3261 §7) and how to build them.

use std::fmt;

use bytes::Bytes;

use super::header::{CSeq, NameAddr, Via};
use super::header_name::Name;
use super::headers::Headers;
use super::method::Method;
use super::parse::{self, ParseError};
use super::status::StatusCode;
use super::uri::Uri;
use super::write;

/// One SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Somebody asks.
    Request(Request),
    /// Somebody answers.
    Response(Response),
}

/// A request. The debug format shows method and sizes: a body may be a pressed key.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of whom (the Request-URI).
    pub uri: Uri,
    /// The headers; Content-Length is written from the body.
    pub headers: Headers,
    /// The body; may be empty.
    pub body: Bytes,
}

/// A response. The debug format shows status and sizes.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// How it went.
    pub status: StatusCode,
    /// The phrase, for humans; may be empty.
    pub reason: String,
    /// The headers; Content-Length is written from the body.
    pub headers: Headers,
    /// The body; may be empty.
    pub body: Bytes,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {} bytes of body)", self.method, self.headers, self.body.len())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {} bytes of body)", self.status, self.headers, self.body.len())
    }
}

impl Message {
    /// Reads one message from a datagram, or from a frame of [`super::StreamParser`]. Bytes after the body
    /// are discarded (RFC 3261 §18.3).
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        parse::message(&Bytes::copy_from_slice(datagram))
    }

    /// The same without copying: headers and body are slices of `datagram`.
    pub fn from_bytes(datagram: &Bytes) -> Result<Self, ParseError> {
        parse::message(datagram)
    }

    /// The message on the wire.
    #[must_use]
    pub fn write(&self) -> Bytes {
        match self {
            Self::Request(request) => request.write(),
            Self::Response(response) => response.write(),
        }
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }
}

impl Request {
    /// A request without headers or body.
    #[must_use]
    pub const fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Bytes::new() }
    }

    /// A request with the headers that every request needs, in the usual order (RFC 3261 §8.1.1).
    #[must_use]
    pub fn build(method: Method, uri: Uri, core: &Core<'_>) -> Self {
        let cseq = CSeq { number: core.cseq, method: method.clone() };
        let mut request = Self::new(method, uri.for_request());
        request.headers.push(Name::Via, core.via.to_string());
        // RFC 3261 §8.1.1.6: 70.
        request.headers.push(Name::MaxForwards, "70");
        request.headers.push(Name::From, core.from.to_string());
        request.headers.push(Name::To, core.to.to_string());
        request.headers.push(Name::CallId, core.call_id.to_owned());
        request.headers.push(Name::CSeq, cseq.to_string());
        request
    }

    /// With a body and its type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: Bytes) -> Self {
        self.headers.set(Name::ContentType, content_type.to_owned());
        self.body = body;
        self
    }

    /// The request on the wire.
    #[must_use]
    pub fn write(&self) -> Bytes {
        write::request(self)
    }
}

/// What [`Request::build`] needs beside method and Request-URI.
#[derive(Debug)]
pub struct Core<'a> {
    /// Our Via, with its branch.
    pub via: &'a Via,
    /// From, with our tag.
    pub from: &'a NameAddr,
    /// To, with the peer's tag inside a dialog.
    pub to: &'a NameAddr,
    /// Call-ID.
    pub call_id: &'a str,
    /// The number of CSeq.
    pub cseq: u32,
}

impl Response {
    /// An answer to `request`: Via, From, To, Call-ID, CSeq and Timestamp copied as they stand
    /// (RFC 3261 §8.2.6), and Record-Route where a dialog may come of it (§12.1.1).
    #[must_use]
    pub fn to(request: &Request, status: StatusCode) -> Self {
        let routes = status.code() > 100 && status.code() < 300;
        Self::copying(&request.headers, status, routes)
    }

    /// The same from bare headers; what is missing there is missing here.
    pub(super) fn copying(from: &Headers, status: StatusCode, routes: bool) -> Self {
        let mut headers = Headers::new();
        for field in from.iter() {
            let copied = match &field.name {
                super::HeaderName::Known(name) => match name {
                    Name::Via => true,
                    // Of headers that stand twice by mistake, the first.
                    Name::From | Name::To | Name::CallId | Name::CSeq => headers.get(*name).is_none(),
                    Name::RecordRoute => routes,
                    Name::Timestamp => status == StatusCode::TRYING,
                    _ => false,
                },
                super::HeaderName::Other(_) => false,
            };
            if copied {
                headers.push_parsed(field.clone());
            }
        }
        Self { status, reason: status.phrase().to_owned(), headers, body: Bytes::new() }
    }

    /// With our tag in To, unless one is there (RFC 3261 §8.2.6.2).
    #[must_use]
    pub fn with_to_tag(mut self, tag: &str) -> Self {
        if let Ok(to) = self.headers.to()
            && !to.params.has("tag")
        {
            self.headers.set(Name::To, to.with_tag(tag).to_string());
        }
        self
    }

    /// A final answer by who keeps no transaction: the same tag for every retransmission (RFC 3261 §8.2.7).
    #[must_use]
    pub fn stateless(request: &Request, status: StatusCode) -> Self {
        Self::copying(&request.headers, status, false).with_stateless_tag()
    }

    /// With a To tag that depends on nothing but the copied headers.
    pub(super) fn with_stateless_tag(self) -> Self {
        // FNV-1a: the tag need only repeat, not be hard to guess; no dialog comes of it.
        let names = [Name::Via, Name::From, Name::CallId, Name::CSeq];
        let bytes = names.iter().filter_map(|name| self.headers.get(*name)).flat_map(|value| value.iter());
        let tag = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.with_to_tag(&format!("{tag:016x}"))
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: impl Into<super::HeaderName>, value: impl Into<Bytes>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// With another phrase than the usual one.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        self.reason = reason.chars().filter(|c| !c.is_control()).collect();
        self
    }

    /// With a body and its type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: Bytes) -> Self {
        self.headers.set(Name::ContentType, content_type.to_owned());
        self.body = body;
        self
    }

    /// The response on the wire.
    #[must_use]
    pub fn write(&self) -> Bytes {
        write::response(self)
    }
}
