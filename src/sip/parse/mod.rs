//! From bytes to a [`Message`] (RFC 3261 §7, §18.3, §25). Bounded, without copying of values, without panic.
//!
//! What is refused here is what nobody could act upon: a broken start line, broken or missing Via, From, To,
//! Call-ID or CSeq, a header twice that may stand once, a body shorter than it claims to be. What a user agent
//! server must refuse for its meaning is in [`super::validate`].

use bytes::Bytes;

use super::header_name::{HeaderName, Name};
use super::headers::{Field, HeaderError, Headers};
use super::lexer;
use super::message::{Message, Request, Response};
use super::method::Method;
use super::status::StatusCode;
use super::uri::Uri;

/// The largest message: what a datagram can hold.
pub const MAX_MESSAGE: usize = 65_535;

/// The most header lines; carriers send 20 to 40.
pub const MAX_HEADERS: usize = 256;

/// The longest header line, folded lines counted together.
pub const MAX_LINE: usize = 16_384;

/// Why bytes are no message, and the answer to give where one is due.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct ParseError {
    /// What is wrong.
    pub problem: Problem,
    /// The answer: a request (other than ACK) with at least a Via. Headers that could be read are copied.
    pub answer: Option<Box<Response>>,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More bytes than a message may have.
    #[error("message too large")]
    TooLarge,
    /// No start line.
    #[error("malformed start line")]
    StartLine,
    /// Another version than SIP/2.0.
    #[error("version not supported")]
    Version,
    /// The Request-URI breaks the grammar.
    #[error("malformed request URI")]
    RequestUri,
    /// A status outside 100–699.
    #[error("malformed status code")]
    Status,
    /// A line that is no header.
    #[error("malformed header line")]
    HeaderLine,
    /// More lines, or a longer line, than this engine takes.
    #[error("too many or too long headers")]
    Bounds,
    /// No empty line after the headers.
    #[error("headers do not end")]
    Unfinished,
    /// A header that may stand once stands twice.
    #[error("repeated {}", .0.as_str())]
    Repeated(Name),
    /// A header that every message needs is missing or malformed.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// CSeq names another method than the start line.
    #[error("method differs from CSeq")]
    MethodMismatch,
    /// Content-Length announces more than came.
    #[error("body shorter than Content-Length")]
    BodyTooShort,
    /// A stream needs a Content-Length to tell where the message ends.
    #[error("no Content-Length on a stream")]
    NoLength,
}

/// Reads one message; `raw` may have bytes after it.
pub(super) fn message(raw: &Bytes) -> Result<Message, ParseError> {
    if raw.len() > MAX_MESSAGE {
        return Err(ParseError { problem: Problem::TooLarge, answer: None });
    }
    let split = split(raw);
    let parsed = match StartLine::parse(&split.start) {
        Ok(parsed) => parsed,
        Err(problem) => return Err(refusal(problem, &split.start, &split.headers)),
    };
    let Split { start, headers, body_at, problem } = split;
    match problem.map_or_else(|| check(&parsed, &headers), Err).and_then(|()| body(raw, body_at, &headers)) {
        Ok(body) => Ok(parsed.into_message(headers, body)),
        Err(problem) => Err(refusal(problem, &start, &headers)),
    }
}

/// A message cut into start line and headers, as far as that went.
pub(super) struct Split {
    pub(super) start: Bytes,
    pub(super) headers: Headers,
    pub(super) body_at: usize,
    pub(super) problem: Option<Problem>,
}

pub(super) fn split(raw: &Bytes) -> Split {
    // RFC 3261 §7.5: empty lines before the start line are ignored.
    let lead = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let Some((start, after)) = line(raw, lead) else {
        let problem = Some(Problem::StartLine);
        return Split { start: Bytes::new(), headers: Headers::new(), body_at: raw.len(), problem };
    };
    let (headers, body_at, problem) = split_headers(raw, after);
    Split { start: raw.slice(start), headers, body_at, problem }
}

/// The first line, understood.
enum StartLine {
    Request { method: Method, uri: Uri },
    Response { status: StatusCode, reason: String },
}

impl StartLine {
    fn parse(line: &[u8]) -> Result<Self, Problem> {
        if starts_with_version(line) {
            return Self::status(line);
        }
        // RFC 3261 §7.1: single spaces, none in an element, none at the end.
        let mut parts = line.split(|&byte| byte == b' ');
        let (Some(method), Some(uri), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Problem::StartLine);
        };
        if parts.next().is_some() || !lexer::is_token_text(method) {
            return Err(Problem::StartLine);
        }
        check_version(version)?;
        let method = Method::from_token(std::str::from_utf8(method).map_err(|_| Problem::StartLine)?);
        let uri = Uri::parse(uri).ok_or(Problem::RequestUri)?;
        Ok(Self::Request { method, uri })
    }

    fn status(line: &[u8]) -> Result<Self, Problem> {
        let mut parts = line.splitn(3, |&byte| byte == b' ');
        check_version(parts.next().unwrap_or_default())?;
        let code = parts.next().filter(|code| code.len() == 3).and_then(lexer::decimal);
        let status =
            code.and_then(|code| StatusCode::new(u16::try_from(code).ok()?)).ok_or(Problem::Status)?;
        let reason = lexer::text(parts.next().unwrap_or_default()).into_owned();
        Ok(Self::Response { status, reason })
    }

    fn into_message(self, headers: Headers, body: Bytes) -> Message {
        match self {
            Self::Request { method, uri } => Message::Request(Request { method, uri, headers, body }),
            Self::Response { status, reason } => {
                Message::Response(Response { status, reason, headers, body })
            }
        }
    }
}

pub(super) fn starts_with_version(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/"))
}

fn check_version(version: &[u8]) -> Result<(), Problem> {
    if version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    let number = version.get(4..).unwrap_or_default();
    let mut halves = number.splitn(2, |&byte| byte == b'.');
    let digits = |half: Option<&[u8]>| {
        half.is_some_and(|half| !half.is_empty() && half.iter().all(u8::is_ascii_digit))
    };
    if starts_with_version(version) && digits(halves.next()) && digits(halves.next()) {
        Err(Problem::Version)
    } else {
        Err(Problem::StartLine)
    }
}

/// The range of the line that begins at `at`, without its end, and where the next one begins.
pub(super) fn line(raw: &[u8], at: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let rest = raw.get(at..)?;
    let length = rest.iter().position(|&byte| byte == b'\n')?;
    let end = if length > 0 && rest.get(length - 1) == Some(&b'\r') { length - 1 } else { length };
    Some((at..at + end, at + length + 1))
}

/// Splits header lines until the empty line. Gives what could be read, where the body begins, and what broke.
fn split_headers(raw: &Bytes, mut at: usize) -> (Headers, usize, Option<Problem>) {
    let mut headers = Headers::new();
    let mut broken = None;
    loop {
        let Some((range, mut next)) = line(raw, at) else {
            return (headers, raw.len(), broken.or(Some(Problem::Unfinished)));
        };
        if range.is_empty() {
            return (headers, next, broken);
        }
        let mut end = range.end;
        // RFC 3261 §7.3.1: a line that begins with white space goes on with the one before.
        while raw.get(next).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            let Some((more, after)) = line(raw, next) else { break };
            (end, next) = (more.end, after);
        }
        if end - range.start > MAX_LINE || headers.len() >= MAX_HEADERS {
            return (headers, raw.len(), Some(Problem::Bounds));
        }
        match field(raw, range.start..end) {
            Some(field) => headers.push_parsed(field),
            None => broken = broken.or(Some(Problem::HeaderLine)),
        }
        at = next;
    }
}

/// `name: value`; white space may stand before the colon.
fn field(raw: &Bytes, range: std::ops::Range<usize>) -> Option<Field> {
    let text = raw.get(range.clone())?;
    let colon = text.iter().position(|&byte| byte == b':')?;
    let name = text.get(..colon)?.trim_ascii_end();
    if !lexer::is_token_text(name) {
        return None;
    }
    let value = lexer::trim(text.get(colon + 1..)?);
    let value = if value.contains(&b'\n') { unfold(value) } else { raw.slice_ref(value) };
    if !printable(&value) {
        return None;
    }
    Some(Field { name: HeaderName::from_token(&raw.slice_ref(name)), value })
}

/// RFC 3261 §25.1: no control character may stand in a value save the tab, and those that a backslash
/// precedes in a quoted string; never a line end.
fn printable(value: &[u8]) -> bool {
    let mut before = 0;
    value.iter().all(|&byte| {
        let fine =
            !byte.is_ascii_control() || byte == b'\t' || (before == b'\\' && !matches!(byte, b'\r' | b'\n'));
        before = byte;
        fine
    })
}

/// Line ends of a folded value become spaces.
fn unfold(value: &[u8]) -> Bytes {
    value.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}

/// What every message needs (RFC 3261 §8.1.1, §8.2.2).
fn check(start: &StartLine, headers: &Headers) -> Result<(), Problem> {
    for name in ONCE {
        if headers.all(name).nth(1).is_some() {
            return Err(Problem::Repeated(name));
        }
    }
    headers.vias()?;
    headers.via()?;
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    headers.max_forwards()?;
    headers.content_length()?;
    let cseq = headers.cseq()?;
    match start {
        StartLine::Request { method, .. } if *method != cseq.method => Err(Problem::MethodMismatch),
        _ => Ok(()),
    }
}

/// The body: as long as Content-Length says, or all the rest (RFC 3261 §18.3).
fn body(raw: &Bytes, at: usize, headers: &Headers) -> Result<Bytes, Problem> {
    let rest = raw.slice(at.min(raw.len())..);
    match headers.content_length()? {
        None => Ok(rest),
        Some(length) => match usize::try_from(length) {
            Ok(length) if length <= rest.len() => Ok(rest.slice(..length)),
            _ => Err(Problem::BodyTooShort),
        },
    }
}

/// The error, with an answer when a request asked and there is a Via to carry it back.
pub(super) fn refusal(problem: Problem, start: &[u8], headers: &Headers) -> ParseError {
    let method = start.split(|&byte| byte == b' ').find(|part| !part.is_empty()).unwrap_or_default();
    let due = !starts_with_version(start)
        && lexer::is_token_text(method)
        && method != b"ACK"
        && headers.get(Name::Via).is_some();
    let status = match problem {
        Problem::Version => StatusCode::VERSION_NOT_SUPPORTED,
        Problem::TooLarge | Problem::Bounds => StatusCode::MESSAGE_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    let answer = due.then(|| Box::new(Response::copying(headers, status, false).with_stateless_tag()));
    ParseError { problem, answer }
}

/// Headers that may stand only once (RFC 3261 §7.3.1 and each one's grammar).
const ONCE: [Name; 8] = [
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::MaxForwards,
    Name::ContentLength,
    Name::ContentType,
    Name::Expires,
];

#[cfg(test)]
mod tests;
