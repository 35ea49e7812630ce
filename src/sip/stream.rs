//! Messages out of a byte stream: framing by Content-Length (RFC 3261 §18.3, RFC 5626 §4.4.1 keep-alives).
//!
//! Only where a message ends is decided here; a frame may still be no message, and [`super::Message::parse`]
//! says so. What leaves no doubt that the frames can't be told apart any more ends the connection.

use bytes::{Buf, Bytes, BytesMut};

use super::header_name::Name;
use super::message::Response;
use super::parse::{self, MAX_MESSAGE, Problem};

/// The stream can't be read any further: send the answer, if any, and close.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Broken {
    /// What is wrong.
    pub problem: Problem,
    response: Option<Box<Response>>,
}

impl Broken {
    /// The answer on the wire, when a request asked and can be answered.
    #[must_use]
    pub fn answer(&self) -> Option<Bytes> {
        self.response.as_ref().map(|response| response.write())
    }

    /// The answer itself.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.response.as_deref()
    }
}

/// Cuts a stream into messages. Holds at most one message's bytes beyond what was pushed last.
#[derive(Debug, Default)]
pub struct StreamParser {
    buffer: BytesMut,
    state: State,
    keep_alives: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the start line.
    #[default]
    Between,
    /// In the headers; the bytes before `searched` hold no end of them.
    Headers { searched: usize },
    /// The whole message has this many bytes.
    Body { whole: usize },
    /// Refused.
    Closed,
}

impl StreamParser {
    /// A parser at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read. Call [`Self::next_message`] until it gives nothing before reading more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.state != State::Closed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// How many bytes wait for the rest of their message.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a message has begun and is not whole.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// How many keep-alives (two empty lines between messages) came since this was last asked. Each wants one
    /// empty line back (RFC 5626 §4.4.1).
    pub fn take_keep_alives(&mut self) -> u32 {
        std::mem::take(&mut self.keep_alives)
    }

    /// The next message, whole; `None` until more is pushed. After an error nothing comes any more.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            match self.state {
                State::Closed => return Ok(None),
                State::Between => {
                    if !self.skip_empty_lines() {
                        return Ok(None);
                    }
                    self.state = State::Headers { searched: 0 };
                }
                State::Headers { searched } => match end_of_headers(&self.buffer, searched) {
                    Some(head) if head <= MAX_MESSAGE => {
                        self.state = State::Body { whole: self.whole_length(head)? };
                    }
                    None if self.buffer.len() <= MAX_MESSAGE => {
                        self.state = State::Headers { searched: self.buffer.len() };
                        return Ok(None);
                    }
                    _ => return Err(self.refuse(Problem::TooLarge, self.buffer.len())),
                },
                State::Body { whole } if self.buffer.len() < whole => return Ok(None),
                State::Body { whole } => {
                    self.state = State::Between;
                    return Ok(Some(self.buffer.split_to(whole).freeze()));
                }
            }
        }
    }

    /// Skips line ends between messages. Whether a message begins; if not, wait for more.
    fn skip_empty_lines(&mut self) -> bool {
        loop {
            match self.buffer.as_ref() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.buffer.advance(4);
                    self.keep_alives = self.keep_alives.saturating_add(1);
                }
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return false,
                [b'\r', b'\n', ..] => self.buffer.advance(2),
                [b'\r' | b'\n', ..] => self.buffer.advance(1),
                _ => return true,
            }
        }
    }

    /// The length of the message whose headers are the first `head` bytes.
    fn whole_length(&mut self, head: usize) -> Result<usize, Broken> {
        let bytes = Bytes::copy_from_slice(self.buffer.get(..head).unwrap_or_default());
        let split = parse::split(&bytes);
        let problem = match (&split.problem, split.headers.content_length()) {
            (Some(Problem::Bounds), _) => Problem::Bounds,
            (_, Err(error)) => Problem::Header(error),
            _ if split.headers.all(Name::ContentLength).nth(1).is_some() => {
                Problem::Repeated(Name::ContentLength)
            }
            (_, Ok(None)) => Problem::NoLength,
            (_, Ok(Some(length))) => {
                let whole = usize::try_from(length).ok().and_then(|length| length.checked_add(head));
                match whole {
                    Some(whole) if whole <= MAX_MESSAGE => return Ok(whole),
                    _ => Problem::TooLarge,
                }
            }
        };
        Err(self.refuse(problem, head))
    }

    /// Ends the stream, with an answer made from what the first `head` bytes say.
    fn refuse(&mut self, problem: Problem, head: usize) -> Broken {
        let bytes = self.buffer.split_to(head.min(MAX_MESSAGE).min(self.buffer.len())).freeze();
        self.buffer = BytesMut::new();
        self.state = State::Closed;
        let split = parse::split(&bytes);
        Broken { problem, response: parse::refusal(problem, &split.start, &split.headers).answer }
    }
}

/// Where the body begins, searching from `searched` on.
fn end_of_headers(buffer: &[u8], searched: usize) -> Option<usize> {
    // The end mark may have begun in the last bytes that were searched before.
    let from = searched.saturating_sub(3);
    let mut at = from;
    while let Some(offset) = buffer.get(at..)?.iter().position(|&byte| byte == b'\n') {
        let after = at + offset + 1;
        match buffer.get(after..) {
            Some([b'\n', ..]) => return Some(after + 1),
            Some([b'\r', b'\n', ..]) => return Some(after + 2),
            _ => at = after,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] =
        b"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKa\r\n\
        From: <sip:b@192.0.2.9>;tag=1\r\nTo: <sip:a@192.0.2.1>\r\nCall-ID: x@192.0.2.9\r\nCSeq: 1 OPTIONS\r\n\
        Content-Length: 4\r\n\r\nbody";

    fn all(parser: &mut StreamParser) -> Vec<Bytes> {
        std::iter::from_fn(|| parser.next_message().expect("a good stream")).collect()
    }

    fn with_length(line: &str) -> Vec<u8> {
        String::from_utf8_lossy(OPTIONS).replace("Content-Length: 4\r\n", line).into_bytes()
    }

    fn refused(bytes: &[u8]) -> Option<u16> {
        let mut parser = StreamParser::new();
        parser.push(bytes);
        let broken = parser.next_message().expect_err("a broken stream");
        parser.push(OPTIONS);
        assert_eq!(parser.next_message(), Ok(None), "nothing comes after a refusal");
        assert_eq!(parser.buffered(), 0);
        broken.response().map(|response| response.status.code())
    }

    #[test]
    fn glued_messages_come_apart() {
        let mut parser = StreamParser::new();
        parser.push(&[OPTIONS, OPTIONS, b"OPT"].concat());
        assert_eq!(all(&mut parser), [OPTIONS, OPTIONS]);
        assert_eq!(parser.buffered(), 3);
        assert!(parser.is_mid_message());
    }

    #[test]
    fn single_bytes_make_a_message() {
        let mut parser = StreamParser::new();
        let mut messages = Vec::new();
        for byte in OPTIONS {
            parser.push(&[*byte]);
            messages.extend(all(&mut parser));
        }
        assert_eq!(messages, [OPTIONS]);
        assert!(!parser.is_mid_message());
    }

    #[test]
    fn two_empty_lines_are_a_keep_alive() {
        let mut parser = StreamParser::new();
        parser.push(b"\r\n\r\n");
        assert!(all(&mut parser).is_empty());
        assert_eq!(parser.take_keep_alives(), 1);
        parser.push(b"\r\n");
        parser.push(OPTIONS);
        assert_eq!(all(&mut parser), [OPTIONS]);
        assert_eq!(parser.take_keep_alives(), 0);
    }

    #[test]
    fn a_length_that_cannot_be_is_answered_and_ends_the_stream() {
        assert_eq!(refused(&with_length("Content-Length: -1\r\n")), Some(400));
        assert_eq!(refused(&with_length("Content-Length: 4294967296\r\n")), Some(400));
        assert_eq!(refused(&with_length("Content-Length: 4\r\nl: 4\r\n")), Some(400));
        assert_eq!(refused(&with_length("")), Some(400));
        assert_eq!(refused(&with_length("Content-Length: 70000\r\n")), Some(513));
    }

    #[test]
    fn endless_headers_end_the_stream() {
        assert_eq!(refused(&with_length(&"X-A: b\r\n".repeat(10_000))), Some(513));
        let mut parser = StreamParser::new();
        let mut most = 0;
        let mut broken = 0;
        for _ in 0..2_600 {
            parser.push(&[b'a'; 4096]);
            most = most.max(parser.buffered());
            broken += usize::from(parser.next_message().is_err());
        }
        assert_eq!(broken, 1);
        assert!(most <= MAX_MESSAGE + 4096);
    }
}
