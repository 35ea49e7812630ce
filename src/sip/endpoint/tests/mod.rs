//! An endpoint against peers that speak to it line by line: what two endpoints would never say to each other.

mod callee;
mod caller;
mod extensions;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::secret::Secret;
use crate::sip::{Host, Message, Method, Name, NameAddr, Path, Request, Response, Transport, Uri};
use crate::units::test_start;

const OFFER: &str = "v=0 theirs";

struct Peer {
    endpoint: Endpoint,
    now: Instant,
    path: Path,
    events: Vec<Event>,
    /// What the endpoint sent, and where to.
    sent: Vec<(Path, Message)>,
}

impl Peer {
    fn new() -> Self {
        Self::with(EndpointConfig::default())
    }

    fn with(config: EndpointConfig) -> Self {
        let path = Path {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().expect("an address"),
            remote: "198.51.100.9:5062".parse().expect("an address"),
            connection: None,
        };
        let endpoint = Endpoint::new(config, Entropy::from_seed([7; 32]));
        Self { endpoint, now: test_start(), path, events: Vec::new(), sent: Vec::new() }
    }

    fn drain(&mut self) {
        loop {
            match self.endpoint.poll() {
                Output::Transmit { path, bytes } => {
                    self.sent.push((path, Message::parse(&bytes).expect("we send what we can read")));
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(_) => return,
            }
        }
    }

    fn act<R>(&mut self, act: impl FnOnce(&mut Endpoint, Instant) -> R) -> R {
        let result = act(&mut self.endpoint, self.now);
        self.drain();
        result
    }

    fn says(&mut self, text: &str) {
        let message = Bytes::copy_from_slice(text.as_bytes());
        let path = self.path;
        self.act(|endpoint, now| endpoint.handle(now, Input::Received { path, message }));
    }

    /// Lets time pass, waking the endpoint when it asks.
    fn wait(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Output::Timeout(Some(at)) = self.endpoint.poll() {
            if at > end {
                break;
            }
            self.now = at;
            self.act(|endpoint, now| endpoint.handle(now, Input::Timeout));
        }
        self.now = end;
    }

    /// The responses sent since the last look, by status.
    fn statuses(&mut self) -> Vec<u16> {
        self.take_sent()
            .iter()
            .filter_map(|message| match message {
                Message::Response(response) => Some(response.status.code()),
                Message::Request(_) => None,
            })
            .collect()
    }

    fn take_sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, message)| message).collect()
    }

    fn last_response(&self) -> Response {
        match self.sent.last() {
            Some((_, Message::Response(response))) => response.clone(),
            other => panic!("a response, not {}", other.is_some()),
        }
    }

    fn last_request(&self) -> Request {
        let request = self.sent.iter().rev().find_map(|(_, message)| match message {
            Message::Request(request) => Some(request.clone()),
            Message::Response(_) => None,
        });
        request.expect("a request")
    }

    fn session(&self) -> SessionId {
        let session = self.events.iter().find_map(Event::session);
        session.expect("a session")
    }

    /// An established call; our tag.
    fn call(&mut self) -> String {
        self.says(&request("INVITE", 1, "i1", "", OFFER));
        let session = self.session();
        self.act(|endpoint, now| endpoint.accept(now, session, "v=0 ours".into()));
        let tag = our_tag(&self.last_response());
        self.says(&request("ACK", 1, "a1", &tag, ""));
        self.sent.clear();
        tag
    }

    /// A call of ours that has been sent; its INVITE.
    fn outgoing(&mut self, credentials: Option<Credentials>) -> (SessionId, Request) {
        let path = self.path;
        let uri =
            |user: &str, at: std::net::SocketAddr| Uri::sip(Some(user), Host::Ip(at.ip()), Some(at.port()));
        let invite = OutgoingInvite {
            path,
            request_uri: uri("agent", path.remote),
            from: NameAddr::new(uri("ivr", path.local)),
            to: NameAddr::new(uri("agent", path.remote)),
            contact_user: Some("desk".to_owned()),
            headers: vec![("X-Countersign-Level".to_owned(), "strong".to_owned())],
            sdp: "v=0 ours".into(),
            metadata: None,
            credentials,
        };
        let session = self.act(|endpoint, now| endpoint.invite(now, invite));
        let invite = self.last_request();
        self.sent.clear();
        (session, invite)
    }
}

fn our_tag(response: &Response) -> String {
    response.headers.to().expect("To").tag().expect("a tag").to_owned()
}

/// A request of the peer; `tag` is ours, when it has one.
fn request(method: &str, cseq: u32, branch: &str, tag: &str, body: &str) -> String {
    request_with(method, cseq, branch, tag, "Content-Type: application/sdp\r\n", body)
}

fn request_with(method: &str, cseq: u32, branch: &str, tag: &str, extra: &str, body: &str) -> String {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    format!(
        "{method} sip:ivr@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.9:5062;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:peer@198.51.100.9>;tag=theirs\r\nTo: <sip:ivr@192.0.2.1>{tag}\r\n\
         Call-ID: c1@198.51.100.9\r\nCSeq: {cseq} {method}\r\nContact: <sip:peer@198.51.100.9:5062>\r\n\
         {extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The peer's response to a request of ours.
fn response(to: &Request, status: u16, tag: &str, extra: &str, body: &str) -> String {
    let text = |name: Name| to.headers.text(name).expect("a header").into_owned();
    let own = to.headers.to().expect("To");
    let tag = if own.tag().is_some() { String::new() } else { format!(";tag={tag}") };
    format!(
        "SIP/2.0 {status} Fine\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:agent@198.51.100.9:5062>\r\nContent-Type: application/sdp\r\n{extra}\
         Content-Length: {}\r\n\r\n{body}",
        text(Name::Via),
        text(Name::From),
        text(Name::To),
        text(Name::CallId),
        text(Name::CSeq),
        body.len()
    )
}
