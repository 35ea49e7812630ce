//! A recording server (RFC 7866) of a world: takes what it is sent, and keeps every message and packet for a test to look at.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::media::rtp::packet;
use countersign::sip::{
    self, EndCause, Endpoint, EndpointConfig, Message, Path, SessionId, StatusCode, Transport,
};
use countersign::units::Entropy;

use super::phone::Sending;

/// What a recording server does when it is asked to record.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Answers after this time; what its lines say follows the pattern, `{0}` being the port.
    Takes { after: Duration, lines: [&'static str; 2] },
    /// Rings for ever.
    Rings,
    /// Refuses with this status.
    Refuses(StatusCode),
    /// Says nothing at all.
    Dead,
}

/// A line that takes PCMU.
pub const TAKEN: &str = "m=audio {0} RTP/AVP 0\r\na=recvonly\r\n";
/// A line that takes PCMA.
pub const TAKEN_A: &str = "m=audio {0} RTP/AVP 8\r\na=recvonly\r\n";
/// A line that is refused.
pub const REFUSED: &str = "m=audio 0 RTP/AVP 0\r\n";
/// A line that is to wait.
pub const HELD: &str = "m=audio {0} RTP/AVP 0\r\na=inactive\r\n";

impl Asked {
    pub fn at_once() -> Self {
        Self::Takes { after: Duration::ZERO, lines: [TAKEN; 2] }
    }
}

/// One packet that came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Instant,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub kind: u8,
    pub payload: Vec<u8>,
}

pub struct RecordingServer {
    pub address: SocketAddr,
    pub asked: Asked,
    pub endpoint: Endpoint,
    due: Option<Instant>,
    agenda: Vec<(Instant, SessionId, Bytes)>,
    /// Every request with a body, as it came: its first line, its headers, its body.
    pub requests: Vec<(String, String)>,
    /// The offers of INVITEs, the latest last.
    pub offers: Vec<String>,
    /// What was told of the call, the latest last.
    pub metadata: Vec<String>,
    /// RTP by the port that it came to.
    pub heard: BTreeMap<u16, Vec<Heard>>,
    /// RTCP by the port that it came to.
    pub reports: BTreeMap<u16, Vec<Vec<u8>>>,
    /// Datagrams as they came, for what is encrypted.
    pub raw: BTreeMap<u16, Vec<Vec<u8>>>,
    pub sessions: Vec<(SessionId, Option<EndCause>)>,
    /// Answers to offers of its own.
    pub answers: Vec<Result<String, StatusCode>>,
    version: u32,
    /// Its next offer asks for the metadata too.
    asking: bool,
}

impl RecordingServer {
    pub fn new(address: SocketAddr, asked: Asked, entropy: Entropy) -> Self {
        Self {
            address,
            asked,
            endpoint: Endpoint::new(EndpointConfig::default(), entropy),
            due: None,
            agenda: Vec::new(),
            requests: Vec::new(),
            offers: Vec::new(),
            metadata: Vec::new(),
            heard: BTreeMap::new(),
            reports: BTreeMap::new(),
            raw: BTreeMap::new(),
            sessions: Vec::new(),
            answers: Vec::new(),
            version: 0,
            asking: false,
        }
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to.port() == self.address.port() {
            if !matches!(self.asked, Asked::Dead) {
                self.read(bytes);
                let path =
                    Path { transport: Transport::Udp, local: self.address, remote: from, connection: None };
                // The engine's endpoint, which stands in here, is no recording server by itself.
                let message = String::from_utf8_lossy(bytes).replace("Require: siprec\r\n", "").into();
                self.endpoint.handle(now, sip::Input::Received { path, message });
            }
        } else if to.port() % 2 == 1 {
            self.reports.entry(to.port()).or_default().push(bytes.to_vec());
        } else {
            self.raw.entry(to.port()).or_default().push(bytes.to_vec());
            if let Some((header, payload)) = packet::read(bytes) {
                self.heard.entry(to.port()).or_default().push(Heard {
                    at: now,
                    seq: header.seq.0,
                    timestamp: header.timestamp.0,
                    ssrc: header.ssrc.0,
                    kind: header.payload_type.0,
                    payload: payload.to_vec(),
                });
            }
        }
    }

    /// Notes a request, once.
    fn read(&mut self, bytes: &[u8]) {
        let Ok(Message::Request(request)) = Message::from_bytes(&Bytes::copy_from_slice(bytes)) else {
            return;
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole message");
        if request.body.is_empty() || self.requests.iter().any(|(known, _)| known == head) {
            return;
        }
        self.requests.push((head.to_owned(), body.to_owned()));
        if let Some(from) = body.find("<?xml") {
            let to = body.find("</recording>").expect("a whole document") + "</recording>".len();
            self.metadata.push(body[from..to].to_owned());
        }
        if let Some(from) = body.find("v=0") {
            let to = body[from..].find("\r\n\r\n--").map_or(body.len(), |at| from + at + 2);
            self.offers.push(body[from..to].to_owned());
        }
    }

    /// Offers these lines within the latest session.
    pub fn offer(&mut self, now: Instant, lines: [&str; 2]) {
        let sdp = self.describe(lines);
        let (session, _) = *self.sessions.last().expect("a session");
        self.endpoint.offer(now, session, sdp);
    }

    /// Offers the same again, and asks to be told everything (RFC 7866 §9.2).
    pub fn ask_again(&mut self, now: Instant, lines: [&str; 2]) {
        self.asking = true;
        self.offer(now, lines);
    }

    /// Gives up all sessions.
    pub fn hang_up(&mut self, now: Instant) {
        for (session, ended) in self.sessions.clone() {
            if ended.is_none() {
                self.endpoint.bye(now, session, None);
            }
        }
    }

    pub fn timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|at| at <= now) {
            self.endpoint.handle(now, sip::Input::Timeout);
        }
        while let Some(at) = self.agenda.iter().position(|(at, ..)| *at <= now) {
            let (_, session, sdp) = self.agenda.swap_remove(at);
            self.endpoint.accept(now, session, sdp);
        }
    }

    pub fn wake(&self) -> Option<Instant> {
        self.agenda.iter().map(|(at, ..)| *at).chain(self.due).min()
    }

    pub fn drain(&mut self, now: Instant) -> Vec<Sending> {
        let mut sent = Vec::new();
        loop {
            match self.endpoint.poll() {
                sip::Output::Transmit { path, bytes } => {
                    let asks = bytes.starts_with(b"INVITE") && std::mem::take(&mut self.asking);
                    let bytes = if asks { asking(&bytes) } else { bytes.to_vec() };
                    sent.push(Sending { from: path.local, to: path.remote, bytes });
                }
                sip::Output::Event(event) => self.on_event(now, event),
                sip::Output::Timeout(at) => {
                    self.due = at;
                    return sent;
                }
            }
        }
    }

    fn on_event(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Incoming { session, .. } => {
                self.sessions.push((session, None));
                match self.asked.clone() {
                    Asked::Takes { after, lines } => {
                        let sdp = self.describe(lines);
                        self.agenda.push((now + after, session, sdp));
                    }
                    Asked::Rings => self.endpoint.ring(now, session, None),
                    Asked::Refuses(status) => self.endpoint.reject(now, session, status, None),
                    Asked::Dead => {}
                }
            }
            sip::Event::Offered { session, .. } => {
                let Asked::Takes { lines, .. } = self.asked else { return };
                let sdp = self.describe(lines);
                self.endpoint.answer_offer(now, session, Ok(sdp));
            }
            sip::Event::OfferAnswered { sdp, .. } => {
                self.answers.push(sdp.map(|sdp| String::from_utf8_lossy(&sdp).into_owned()));
            }
            sip::Event::Ended { session, cause } => {
                for (known, ended) in &mut self.sessions {
                    if *known == session {
                        *ended = Some(cause);
                    }
                }
            }
            _ => {}
        }
    }

    fn describe(&mut self, lines: [&str; 2]) -> Bytes {
        self.version += 1;
        let ip = self.address.ip();
        let mut text =
            format!("v=0\r\no=- 5 {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n", self.version);
        for (line, port) in lines.iter().zip(PORTS) {
            text.push_str(&line.replace("{0}", &port.to_string()));
        }
        text.into()
    }
}

/// Where it takes what the caller says, and what they hear.
pub const PORTS: [u16; 2] = [30_000, 30_002];

/// An INVITE with a wish for metadata beside its offer.
fn asking(invite: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(invite);
    let (head, sdp) = text.split_once("\r\n\r\n").expect("a whole message");
    let body = format!(
        "--z\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--z\r\nContent-Type: application/rs-metadata-request\r\n\r\n\
         start over\r\n--z--\r\n"
    );
    let head = head
        .replace("Content-Type: application/sdp", "Content-Type: multipart/mixed;boundary=z")
        .replace(&format!("Content-Length: {}", sdp.len()), &format!("Content-Length: {}", body.len()));
    format!("{head}\r\n\r\n{body}").into_bytes()
}
