//! A client that speaks SIP by WebSocket: tungstenite alone.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn reach(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// The handshake of a program; what came of it, with these headers instead of `sip` alone.
pub(crate) fn shake<S: Read + Write>(
    stream: S,
    headers: &[(&'static str, &'static str)],
) -> Result<WebSocket<S>, Error> {
    let mut request = "ws://127.0.0.1/".into_client_request().expect("a request");
    for &(name, value) in headers {
        let name = HeaderName::from_static(name);
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => panic!("nobody answers the handshake"),
    }
}

/// A client that offers SIP.
pub(crate) fn connect<S: Read + Write>(stream: S) -> WebSocket<S> {
    shake(stream, &[("sec-websocket-protocol", "sip")]).expect("a WebSocket")
}

/// The status by which a handshake was refused, and the reason.
pub(crate) fn refusal(address: SocketAddr, headers: &[(&'static str, &'static str)]) -> (u16, String) {
    match shake(reach(address), headers) {
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8_lossy(body).into_owned())
        }
        other => panic!("not refused: {:?}", other.err()),
    }
}

/// The next message of SIP; `None` when nothing more comes.
pub(crate) fn next<S: Read + Write>(socket: &mut WebSocket<S>) -> Option<String> {
    loop {
        match socket.read().ok()? {
            Message::Text(text) => return Some(text.as_str().to_owned()),
            Message::Binary(bytes) => return Some(String::from_utf8_lossy(&bytes).into_owned()),
            _ => {}
        }
    }
}

/// Sends a request and waits for its final answer.
pub(crate) fn asks<S: Read + Write>(socket: &mut WebSocket<S>, request: &str) -> String {
    socket.send(Message::text(request)).expect("sent");
    let cseq = request.lines().find(|line| line.starts_with("CSeq:")).expect("a CSeq");
    loop {
        let answer = next(socket).expect("an answer");
        if answer.starts_with("SIP/2.0 ") && !answer.starts_with("SIP/2.0 1") && answer.contains(cseq) {
            return answer;
        }
    }
}

/// With which code the connection is closed.
pub(crate) fn closed<S: Read + Write>(socket: &mut WebSocket<S>) -> Option<u16> {
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => return frame.map(|CloseFrame { code, .. }| code.into()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}
