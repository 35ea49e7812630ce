//! A telephone without a hand: a SIP endpoint and a media session per call, told by a test what to do.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::audio::{Band, Clip, Codec, Rebander};
use countersign::media::{
    self, Direction, LocalMedia, LocalSrtp, MediaConfig, MediaSession, SrtpPolicy, sdp,
};
use countersign::sip::{
    self, EndCause, Endpoint, EndpointConfig, Headers, Host, NameAddr, OutgoingInvite, Path, SessionId,
    StatusCode, Transport, Uri,
};
use countersign::units::{Digit, Entropy, Epoch, PlayId};

/// What a phone does when it is called.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Rings, answers after this time, hangs up after another.
    Answers { after: Duration, hangs_up_after: Option<Duration> },
    /// Rings for ever.
    Rings,
    /// Refuses with this status.
    Refuses(StatusCode),
    /// Says why before anybody picks up, and refuses after this time.
    Announces { after: Duration, status: StatusCode },
    /// Says nothing at all.
    Dead,
}

/// One call of a phone.
pub struct Line {
    pub session: SessionId,
    pub rtp: SocketAddr,
    pub media: MediaSession,
    pub due: Option<Instant>,
    pub local: LocalMedia,
    /// When both sides may talk.
    pub connected: bool,
    pub status: Option<StatusCode>,
    pub ended: Option<EndCause>,
    /// Samples heard at 8 kHz, from the first frame on.
    pub heard: Vec<i16>,
    rebander: Rebander,
    /// Keys that the engine sent.
    pub keys: Vec<char>,
    /// The headers of the INVITE, when the phone was called.
    pub headers: Option<Headers>,
}

/// What a phone wants to send.
pub struct Sending {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

enum Deed {
    Answer(SessionId, Bytes),
    HangUp(SessionId),
    Refuse(SessionId, StatusCode),
}

pub struct Phone {
    pub address: SocketAddr,
    pub manner: Manner,
    pub lines: Vec<Line>,
    /// What it says, from the moment a call is connected.
    pub says: Option<Arc<Clip>>,
    pub codecs: Vec<Codec>,
    /// Whether its media is encrypted.
    pub srtp: SrtpPolicy,
    /// What its INVITEs say besides.
    pub headers: Vec<(String, String)>,
    endpoint: Endpoint,
    endpoint_due: Option<Instant>,
    agenda: Vec<(Instant, Deed)>,
    entropy: Entropy,
    epoch: Epoch,
    next_port: u16,
}

impl Phone {
    pub fn new(address: SocketAddr, manner: Manner, mut entropy: Entropy, epoch: Epoch) -> Self {
        let endpoint = Endpoint::new(EndpointConfig::default(), entropy.fork());
        Self {
            address,
            manner,
            lines: Vec::new(),
            says: None,
            codecs: Codec::G711.to_vec(),
            srtp: SrtpPolicy::Off,
            headers: Vec::new(),
            endpoint,
            endpoint_due: None,
            agenda: Vec::new(),
            entropy,
            epoch,
            next_port: 40_000,
        }
    }

    pub fn dial(&mut self, now: Instant, engine: SocketAddr, number: &str) {
        let (local, media) = self.media(now);
        let uri = Uri::sip(Some(number), host(engine.ip()), Some(engine.port()));
        let sdp = sdp::offer(&local);
        let session = self.endpoint.invite(
            now,
            OutgoingInvite {
                path: Path {
                    transport: Transport::Udp,
                    local: self.address,
                    remote: engine,
                    connection: None,
                },
                request_uri: uri.clone(),
                from: NameAddr::new(Uri::sip(Some("15550100"), host(self.address.ip()), None)),
                to: NameAddr::new(uri),
                contact_user: Some("caller".to_owned()),
                headers: self.headers.clone(),
                sdp,
                metadata: None,
                credentials: None,
            },
        );
        self.line(session, local, media, None);
    }

    pub fn press(&mut self, now: Instant, keys: &str) {
        let digits: Vec<Digit> = keys.chars().filter_map(Digit::from_char).collect();
        if let Some(line) = self.current() {
            line.media.send_digits(now, &digits);
        }
    }

    /// Hangs up or gives up, whichever fits.
    pub fn hang_up(&mut self, now: Instant) {
        let Some(line) = self.current() else { return };
        let (session, connected) = (line.session, line.connected);
        if connected {
            self.endpoint.bye(now, session, None);
        } else {
            self.endpoint.cancel(now, session);
        }
    }

    /// Offers again, on hold or not.
    pub fn hold(&mut self, now: Instant, on: bool) {
        let Some(line) = self.current().filter(|line| line.connected) else { return };
        line.local.bump();
        line.local.direction = if on { Direction::SendOnly } else { Direction::SendRecv };
        let (session, offer) = (line.session, sdp::offer(&line.local));
        self.endpoint.offer(now, session, offer);
    }

    pub fn play(&mut self, now: Instant, clip: &Arc<Clip>) {
        if let Some(line) = self.current() {
            line.media.play(now, PlayId(1), vec![Arc::clone(clip)], false);
        }
    }

    /// The last line that has not ended.
    pub fn current(&mut self) -> Option<&mut Line> {
        self.lines.iter_mut().rev().find(|line| line.ended.is_none())
    }

    pub fn is_idle(&self) -> bool {
        self.lines.iter().all(|line| line.ended.is_some())
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to == self.address {
            if matches!(self.manner, Manner::Dead) {
                return;
            }
            let path = Path { transport: Transport::Udp, local: to, remote: from, connection: None };
            let message = Bytes::copy_from_slice(bytes);
            self.endpoint.handle(now, sip::Input::Received { path, message });
            return;
        }
        for line in self.lines.iter_mut().filter(|line| line.ended.is_none()) {
            if to == line.rtp {
                line.media.handle(now, media::Input::Rtp { came: now, from, bytes });
            } else if to == rtcp_of(line.rtp) {
                line.media.handle(now, media::Input::Rtcp { from, bytes });
            }
        }
    }

    pub fn wake(&self) -> Option<Instant> {
        let lines = self.lines.iter().filter(|line| line.ended.is_none()).map(|line| line.due);
        let agenda = self.agenda.iter().map(|(at, _)| Some(*at));
        lines.chain(agenda).chain([self.endpoint_due]).flatten().min()
    }

    pub fn timeout(&mut self, now: Instant) {
        if self.endpoint_due.is_some_and(|at| at <= now) {
            self.endpoint_due = None;
            self.endpoint.handle(now, sip::Input::Timeout);
        }
        for line in self.lines.iter_mut().filter(|line| line.due.is_some_and(|at| at <= now)) {
            line.due = None;
            line.media.handle(now, media::Input::Timeout);
        }
        while let Some(at) = self.agenda.iter().position(|(at, _)| *at <= now) {
            match self.agenda.remove(at).1 {
                Deed::Answer(session, answer) if self.is_up(session) => {
                    self.endpoint.accept(now, session, answer);
                }
                Deed::HangUp(session) if self.is_up(session) => self.endpoint.bye(now, session, None),
                Deed::Refuse(session, status) => self.endpoint.reject(now, session, status, None),
                Deed::Answer(..) | Deed::HangUp(_) => {}
            }
        }
    }

    /// Everything the phone wants to send now.
    pub fn drain(&mut self, now: Instant) -> Vec<Sending> {
        let mut sent = Vec::new();
        loop {
            match self.endpoint.poll() {
                sip::Output::Transmit { path, bytes } => {
                    sent.push(Sending { from: path.local, to: path.remote, bytes: bytes.to_vec() });
                }
                sip::Output::Event(event) => self.on_event(now, event),
                sip::Output::Timeout(at) => {
                    self.endpoint_due = at;
                    break;
                }
            }
        }
        for line in self.lines.iter_mut().filter(|line| line.ended.is_none()) {
            line.drain(&mut sent);
        }
        sent
    }

    fn on_event(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Incoming { session, invite, .. } => self.called(now, session, *invite),
            sip::Event::Answered { session, sdp, .. } => self.connect(now, session, sdp.as_deref()),
            sip::Event::Progress { session, sdp: Some(sdp), .. } => self.early(now, session, &sdp),
            sip::Event::Acked { session, .. } => {
                if let Some(line) = self.line_of(session) {
                    line.connected = true;
                }
                self.talk(now, session);
            }
            sip::Event::Failed { session, status } => {
                if let Some(line) = self.line_of(session) {
                    line.status = Some(status);
                }
            }
            sip::Event::Offered { session, sdp } => {
                let answer = self.line_of(session).and_then(|line| {
                    line.local.bump();
                    sdp::answer(&sdp?, &line.local).ok()
                });
                let answer = answer.map_or(Err(StatusCode::NOT_ACCEPTABLE_HERE), |answer| Ok(answer.body));
                self.endpoint.answer_offer(now, session, answer);
            }
            sip::Event::OfferAnswered { session, sdp: Ok(sdp) } => self.connect(now, session, Some(&sdp)),
            sip::Event::Ended { session, cause } => {
                if let Some(line) = self.line_of(session) {
                    assert!(line.ended.is_none(), "a session ends once");
                    line.ended = Some(cause);
                }
            }
            _ => {}
        }
    }

    fn called(&mut self, now: Instant, session: SessionId, invite: sip::Incoming) {
        let (local, media) = self.media(now);
        let Some(offer) = invite.offer else {
            self.endpoint.reject(now, session, StatusCode::NOT_ACCEPTABLE_HERE, None);
            return;
        };
        let Ok(answer) = sdp::answer(&offer, &local) else {
            self.endpoint.reject(now, session, StatusCode::NOT_ACCEPTABLE_HERE, None);
            return;
        };
        self.line(session, local, media, Some(invite.headers));
        match self.manner.clone() {
            Manner::Answers { after, hangs_up_after } => {
                self.endpoint.ring(now, session, None);
                if let Some(line) = self.line_of(session) {
                    line.media.connect(now, &answer.remote);
                    line.media.listen(true);
                }
                self.agenda.push((now + after, Deed::Answer(session, answer.body)));
                self.agenda.extend(hangs_up_after.map(|then| (now + after + then, Deed::HangUp(session))));
            }
            Manner::Announces { after, status } => {
                self.endpoint.ring(now, session, Some(answer.body));
                if let Some(line) = self.line_of(session) {
                    line.media.connect(now, &answer.remote);
                }
                self.talk(now, session);
                self.agenda.push((now + after, Deed::Refuse(session, status)));
            }
            Manner::Rings => self.endpoint.ring(now, session, None),
            Manner::Refuses(status) => self.endpoint.reject(now, session, status, None),
            Manner::Dead => {}
        }
    }

    fn connect(&mut self, now: Instant, session: SessionId, answer: Option<&[u8]>) {
        let Some(line) = self.line_of(session) else { return };
        let Some(answer) = answer else { return };
        let first = !line.connected;
        let negotiated = sdp::accept_answer(answer, &line.local).expect("the engine's answer is right");
        line.media.connect(now, &negotiated.remote);
        line.media.listen(true);
        line.connected = true;
        if first {
            self.talk(now, session);
        }
    }

    /// It hears the far end before anybody picks up.
    fn early(&mut self, now: Instant, session: SessionId, answer: &[u8]) {
        let Some(line) = self.line_of(session) else { return };
        let negotiated = sdp::accept_answer(answer, &line.local).expect("the engine's answer is right");
        line.media.connect(now, &negotiated.remote);
        line.media.listen(true);
    }

    fn talk(&mut self, now: Instant, session: SessionId) {
        let says = self.says.clone();
        if let (Some(clip), Some(line)) = (says, self.line_of(session)) {
            line.media.play(now, PlayId(1), vec![clip], false);
        }
    }

    fn media(&mut self, now: Instant) -> (LocalMedia, MediaSession) {
        let rtp = SocketAddr::new(self.address.ip(), self.next_port);
        self.next_port += 2;
        let mut local = LocalMedia::new(rtp, u64::from(self.next_port));
        local.codecs.clone_from(&self.codecs);
        local.srtp = LocalSrtp::draw(self.srtp, &mut self.entropy);
        (local, MediaSession::new(now, MediaConfig::from_entropy(&mut self.entropy, self.epoch)))
    }

    fn line(&mut self, session: SessionId, local: LocalMedia, media: MediaSession, headers: Option<Headers>) {
        self.lines.push(Line {
            session,
            rtp: local.address,
            media,
            due: None,
            local,
            connected: false,
            status: None,
            ended: None,
            heard: Vec::new(),
            rebander: Rebander::default(),
            keys: Vec::new(),
            headers,
        });
    }

    fn line_of(&mut self, session: SessionId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.session == session)
    }

    fn is_up(&mut self, session: SessionId) -> bool {
        self.line_of(session).is_some_and(|line| line.ended.is_none())
    }
}

impl Line {
    fn drain(&mut self, sent: &mut Vec<Sending>) {
        loop {
            match self.media.poll() {
                media::Output::Rtp { to, bytes } => {
                    sent.push(Sending { from: self.rtp, to, bytes: bytes.to_vec() });
                }
                media::Output::Rtcp { to, bytes } => {
                    sent.push(Sending { from: rtcp_of(self.rtp), to, bytes: bytes.to_vec() });
                }
                media::Output::Frame(frame) => {
                    self.rebander.pass(&frame.samples, frame.band, Band::Narrow, &mut self.heard)
                }
                media::Output::Event(media::Event::Digit(digit)) => self.keys.push(digit.as_char()),
                media::Output::Event(_) | media::Output::Said(_) | media::Output::Heard(_) => {}
                media::Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
            }
        }
    }
}

/// RFC 3550 §11: RTCP is the next port.
pub fn rtcp_of(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

fn host(ip: IpAddr) -> Host {
    Host::from(ip)
}
