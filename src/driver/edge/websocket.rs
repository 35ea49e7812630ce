//! SIP over WebSocket (RFC 7118, RFC 6455): the handshake, and what is said within frames.
//!
//! Nothing here waits: octets go in and come out, and [`super::stream`] has the connection. What a message means is no
//! concern of this file either; one message of the WebSocket is one of SIP. No extension is agreed, so nothing is compressed.

use std::fmt;
use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tungstenite::error::CapacityError;
use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::header::{
    HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use super::stream::{Ended, Framing};
use crate::sip::parse::MAX_MESSAGE;

/// Reads a client's handshake.
pub(super) struct Handshake<'a> {
    origins: &'a [String],
    heard: BytesMut,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The connection is a WebSocket once this is said.
    Taken(Vec<u8>),
    /// The connection ends with this.
    Refused(Refusal),
}

/// Why there is no WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no request for one.
    NoRequest,
    /// It is too large.
    TooLarge,
    /// Another version than that of RFC 6455.
    Version,
    /// A page of another origin than those that may.
    Origin,
    /// Something else than SIP is to be spoken.
    SubProtocol,
}

/// Ours: a browser's request with its cookies is a fourth of this.
const MAX_HANDSHAKE: usize = 8_192;
/// The sub-protocol (RFC 7118 §4.1).
const SIP: &str = "sip";
/// What a connection's buffer begins with; most messages are smaller.
const READ_AHEAD: usize = 4_096;

impl<'a> Handshake<'a> {
    /// `origins`: whose pages may connect.
    pub(super) fn new(origins: &'a [String]) -> Self {
        Self { origins, heard: BytesMut::new() }
    }

    /// Takes what was read; `None` until the request is whole.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Greeting> {
        // The end mark may have begun in what came before.
        let from = self.heard.len().saturating_sub(END.len());
        self.heard.extend_from_slice(bytes);
        let ended = self.heard.get(from..)?.windows(END.len()).any(|four| four == END);
        if self.heard.len() > MAX_HANDSHAKE {
            return Some(Greeting::Refused(Refusal::TooLarge));
        }
        ended.then(|| self.answer().map_or_else(Greeting::Refused, Greeting::Taken))
    }

    fn answer(&self) -> Result<Vec<u8>, Refusal> {
        let Ok(Some((length, request))) = Request::try_parse(&self.heard) else {
            return Err(Refusal::NoRequest);
        };
        let headers = request.headers();
        // RFC 6455 §4.2.2: other versions are told which one is spoken.
        if headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version != "13") {
            return Err(Refusal::Version);
        }
        // RFC 6455 §4.1: a client waits for the answer before it says more.
        let response = create_response(&request).ok().filter(|_| length == self.heard.len());
        let mut response = response.ok_or(Refusal::NoRequest)?;
        if !self.admits(headers) {
            return Err(Refusal::Origin);
        }
        if !offers_sip(headers) {
            return Err(Refusal::SubProtocol);
        }
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SIP));
        let mut text = Vec::new();
        write_response(&mut text, &response).map_err(|_| Refusal::NoRequest)?;
        Ok(text)
    }

    /// A browser says whose page it shows (RFC 6455 §10.2): a page that is not ours could speak with the browser's right to
    /// reach us. Other programs say nothing.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let named = |ours: &String| ours.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        origins.next().is_none() && self.origins.iter().any(named)
    }
}

/// As it is written on the wire.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, reason) = match self {
            Self::NoRequest => ("400 Bad Request", "no request for a WebSocket\n"),
            Self::TooLarge => ("431 Request Header Fields Too Large", "the request is too large\n"),
            Self::Version => ("426 Upgrade Required\r\nSec-WebSocket-Version: 13", "version 13 is spoken\n"),
            Self::Origin => ("403 Forbidden", "pages of this origin may not\n"),
            Self::SubProtocol => ("400 Bad Request", "the sub-protocol `sip` is needed\n"),
        };
        let length = reason.len();
        write!(f, "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n")?;
        write!(f, "Connection: close\r\n\r\n{reason}")
    }
}

/// RFC 7118 §4.1: who does not offer it speaks something else.
fn offers_sip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|offered| offered.trim() == SIP)
}

/// The end of a request's headers.
const END: &[u8] = b"\r\n\r\n";

/// The frames of one connection.
pub(super) struct Frames {
    protocol: WebSocketContext,
    pipe: Pipe,
    /// What was pushed last has not made anything whole.
    partial: bool,
}

/// The octets that have come and those that are to go.
#[derive(Default)]
struct Pipe {
    coming: BytesMut,
    going: Vec<u8>,
}

impl Frames {
    /// The server's, from the end of the handshake on.
    pub(super) fn new() -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AHEAD)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let protocol = WebSocketContext::new(Role::Server, Some(config));
        Self { protocol, pipe: Pipe::default(), partial: false }
    }

    /// Says why there is no going on, as far as the other side is to know (RFC 6455 §7.4.1).
    fn end(&mut self, error: &Error) -> Ended {
        let code = match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(CloseCode::Size),
            Error::Utf8(_) => Some(CloseCode::Invalid),
            Error::Protocol(_) | Error::Capacity(_) => Some(CloseCode::Protocol),
            // The other side ends it, and has its answer.
            _ => None,
        };
        if let Some(code) = code {
            let frame = CloseFrame { code, reason: "".into() };
            // A connection whose end was begun before has been told.
            let _ = self.protocol.close(&mut self.pipe, Some(frame));
        }
        Ended { last: self.owed() }
    }
}

impl Framing for Frames {
    fn push(&mut self, bytes: &[u8]) {
        self.pipe.coming.extend_from_slice(bytes);
        self.partial = true;
    }

    fn next_message(&mut self) -> Result<Option<Bytes>, Ended> {
        loop {
            let message = match self.protocol.read(&mut self.pipe) {
                Ok(Message::Text(text)) => Bytes::from(text),
                Ok(Message::Binary(bytes)) => bytes,
                Ok(Message::Ping(_) | Message::Pong(_)) => {
                    self.partial = false;
                    continue;
                }
                Ok(_) => continue,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(self.end(&error)),
            };
            self.partial = false;
            // RFC 5626 §4.4.1: two empty lines want one back.
            if message.as_ref() == END {
                self.wrap_into(Bytes::from_static(b"\r\n"));
            } else if !message.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return Ok(Some(message));
            }
        }
    }

    fn owed(&mut self) -> Bytes {
        std::mem::take(&mut self.pipe.going).into()
    }

    fn is_mid_message(&self) -> bool {
        self.partial
    }

    fn wrap(&mut self, message: Bytes) -> Bytes {
        self.wrap_into(message);
        self.owed()
    }
}

impl Frames {
    fn wrap_into(&mut self, message: Bytes) {
        // Browsers' programs expect text; what is none goes as it is.
        let message = match message.clone().try_into() {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(message),
        };
        // What comes after the end of the conversation is not said.
        let _ = self.protocol.write(&mut self.pipe, message);
        let _ = self.protocol.flush(&mut self.pipe);
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.coming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = into.len().min(self.coming.len());
        self.coming.copy_to_slice(into.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.going.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;
