//! A telephone in software: what the test caller, the demo agent and the tests of whole calls hold in hand.
//!
//! It is built from the engine's own parts, [`Endpoint`] and [`MediaSession`], with sockets around them, and
//! is used in a straight line: [`Phone::dial`], then [`Phone::next`] until something happens.

mod address;
pub mod agent;
pub mod conversation;
pub mod demo;
pub mod ear;
mod io;
pub mod keys;
pub mod pacing;
mod signalling;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use self::address::dialable;
pub use self::address::{address_of, local_address_for};
pub use self::io::{PhoneConfig, PhoneError, PhoneEvent};
use crate::audio::{Band, Clip, Rebander};
use crate::driver::os;
use crate::driver::ports::{Channel, Ports};
use crate::engine::TRACE_PACKAGE;
use crate::media::{self, LocalMedia, LocalSrtp, MediaConfig, MediaSession, sdp};
use crate::sip::endpoint::{self, Endpoint, EndpointConfig, OutgoingInvite, OutgoingRequest};
use crate::sip::{Host, NameAddr, Path, SessionId, StatusCode, Transport, Uri};
use crate::units::{Digit, Entropy, Epoch, MediaPort, PlayId};
use pacing::Pacing;

struct PhoneCall {
    media: MediaSession,
    port: MediaPort,
    local: LocalMedia,
    /// Brings what is heard into the telephone band.
    rebander: Rebander,
    wake: Option<Instant>,
}

/// A telephone.
pub struct Phone {
    config: PhoneConfig,
    poll: Poll,
    udp: UdpSocket,
    /// Its SIP address.
    pub address: SocketAddr,
    endpoint: Endpoint,
    endpoint_wake: Option<Instant>,
    ports: Ports,
    calls: HashMap<SessionId, PhoneCall>,
    by_port: HashMap<MediaPort, SessionId>,
    /// When each call's media wants to be woken, soonest first.
    wakes: BTreeSet<(Instant, SessionId)>,
    /// Calls whose media may have something to send.
    touched: Vec<SessionId>,
    offers: HashMap<SessionId, Option<Bytes>>,
    happened: VecDeque<PhoneEvent>,
    entropy: Entropy,
    epoch: Epoch,
    plays: u64,
    /// How evenly packets come, when somebody wants to know.
    pacing: Option<Pacing>,
    /// Room for what is received, kept from one wait to the next.
    events: Events,
    buffer: Vec<u8>,
}

const EVENTS_PER_TURN: usize = 1024;
/// The largest datagram there is.
const LARGEST: usize = 65_536;
const SIP: Token = Token(usize::MAX - 1);

impl Phone {
    /// Binds its sockets.
    ///
    /// # Errors
    /// [`PhoneError::Socket`].
    pub fn new(config: PhoneConfig) -> Result<Self, PhoneError> {
        let failed = |source| PhoneError::Socket { address: config.bind, source };
        let poll = Poll::new().map_err(failed)?;
        let mut udp = UdpSocket::bind(config.bind).map_err(failed)?;
        poll.registry().register(&mut udp, SIP, Interest::READABLE).map_err(failed)?;
        let address = udp.local_addr().map_err(failed)?;
        let mut entropy = os::entropy().map_err(failed)?;
        let suffix = format!(".0@{}", entropy.hex(6));
        let endpoint = Endpoint::new(
            EndpointConfig {
                call_id_suffix: suffix,
                recv_info: vec![TRACE_PACKAGE.to_owned()],
                ..EndpointConfig::default()
            },
            entropy.fork(),
        );
        Ok(Self {
            ports: Ports::slice(&config.rtp_ports, 0, 1),
            config,
            poll,
            udp,
            address,
            endpoint,
            endpoint_wake: None,
            calls: HashMap::new(),
            by_port: HashMap::new(),
            wakes: BTreeSet::new(),
            touched: Vec::new(),
            offers: HashMap::new(),
            happened: VecDeque::new(),
            entropy,
            epoch: os::epoch(),
            plays: 0,
            pacing: None,
            events: Events::with_capacity(EVENTS_PER_TURN),
            buffer: vec![0_u8; LARGEST],
        })
    }

    /// Calls somebody.
    ///
    /// # Errors
    /// [`PhoneError`]: the URI has no numeric address, or there is no media port.
    pub fn dial(&mut self, uri: &str) -> Result<SessionId, PhoneError> {
        let (target, remote) = dialable(uri).ok_or_else(|| PhoneError::NotDialable(uri.to_owned()))?;
        let local = self.local_media()?;
        let mut headers = self.config.headers.clone();
        if self.config.wants_trace {
            headers.push(("Recv-Info".to_owned(), TRACE_PACKAGE.to_owned()));
        }
        let me = self.me();
        let invite = OutgoingInvite {
            path: self.path_to(remote),
            request_uri: target.clone(),
            from: me,
            to: NameAddr::new(target),
            contact_user: Some(self.config.user.clone()),
            headers,
            sdp: sdp::offer(&local.0),
            metadata: None,
            credentials: None,
        };
        let now = os::now();
        let session = self.endpoint.invite(now, invite);
        self.add_call(now, session, local);
        self.drain(now);
        Ok(session)
    }

    /// Sends a request outside any call, such as OPTIONS.
    pub fn request(&mut self, request: OutgoingRequest) {
        let now = os::now();
        self.endpoint.request(now, request);
        self.drain(now);
    }

    /// The way to a peer.
    #[must_use]
    pub fn path_to(&self, remote: SocketAddr) -> Path {
        Path { transport: Transport::Udp, local: self.address, remote, connection: None }
    }

    /// Its own address as a header says it.
    #[must_use]
    pub fn me(&self) -> NameAddr {
        NameAddr::new(Uri::sip(
            Some(&self.config.user),
            Host::from(self.address.ip()),
            Some(self.address.port()),
        ))
    }

    /// Tells the caller that it rings.
    pub fn ring(&mut self, session: SessionId) {
        let now = os::now();
        self.endpoint.ring(now, session, None);
        self.drain(now);
    }

    /// Takes a call.
    ///
    /// # Errors
    /// [`PhoneError::Port`].
    pub fn answer(&mut self, session: SessionId) -> Result<(), PhoneError> {
        let Some(offer) = self.offers.remove(&session) else { return Ok(()) };
        let local = self.local_media()?;
        let now = os::now();
        match offer {
            Some(offer) => match sdp::answer(&offer, &local.0) {
                Ok(negotiated) => {
                    self.add_call(now, session, local);
                    if let Some(call) = self.touch(session) {
                        call.media.connect(now, &negotiated.remote);
                    }
                    self.endpoint.accept(now, session, negotiated.body);
                }
                Err(_) => {
                    self.ports.close(self.poll.registry(), local.1);
                    self.endpoint.reject(now, session, StatusCode::NOT_ACCEPTABLE_HERE, None);
                }
            },
            None => {
                let offer = sdp::offer(&local.0);
                self.add_call(now, session, local);
                self.endpoint.accept(now, session, offer);
            }
        }
        self.drain(now);
        Ok(())
    }

    /// Declines a call.
    pub fn reject(&mut self, session: SessionId, status: StatusCode) {
        self.offers.remove(&session);
        let now = os::now();
        self.endpoint.reject(now, session, status, None);
        self.drain(now);
    }

    /// Plays to the far end, in place of what plays.
    pub fn play(&mut self, session: SessionId, clips: Vec<Arc<Clip>>, repeat: bool) -> PlayId {
        self.plays += 1;
        let id = PlayId(self.plays);
        let now = os::now();
        if let Some(call) = self.touch(session) {
            call.media.play(now, id, clips, repeat);
        }
        self.drain(now);
        id
    }

    /// Says 20 ms of one's own.
    pub fn speak(&mut self, session: SessionId, samples: &[i16]) {
        if let Some(call) = self.calls.get_mut(&session) {
            call.media.push(media::Frame::new(Band::Narrow, samples));
        }
    }

    /// Presses keys.
    pub fn press(&mut self, session: SessionId, digits: &[Digit]) {
        let now = os::now();
        if let Some(call) = self.touch(session) {
            call.media.send_digits(now, digits);
        }
        self.drain(now);
    }

    /// Hangs up, or gives up ringing.
    pub fn hang_up(&mut self, session: SessionId) {
        let now = os::now();
        // The endpoint knows whether this is a CANCEL or a BYE.
        self.endpoint.cancel(now, session);
        self.endpoint.bye(now, session, None);
        self.drain(now);
    }

    /// Puts the far end on hold or takes it back.
    pub fn hold(&mut self, session: SessionId, on: bool) {
        let now = os::now();
        if let Some(call) = self.calls.get_mut(&session) {
            call.local.version += 1;
            call.local.direction = if on { media::Direction::SendOnly } else { media::Direction::SendRecv };
            let offer = sdp::offer(&call.local);
            self.endpoint.offer(now, session, offer);
        }
        self.drain(now);
    }

    /// Whether to decode what the far end says; otherwise it is only counted.
    pub fn listen(&mut self, session: SessionId, on: bool) {
        if let Some(call) = self.calls.get_mut(&session) {
            call.media.listen(on);
        }
    }

    /// Measures from now on how evenly packets come.
    pub fn measure_pacing(&mut self) {
        self.pacing = Some(Pacing::default());
    }

    /// What was measured since [`Phone::measure_pacing`].
    #[must_use]
    pub const fn pacing(&self) -> Option<&Pacing> {
        self.pacing.as_ref()
    }

    /// The media figures of a call.
    #[must_use]
    pub fn media_stats(&self, session: SessionId) -> Option<media::MediaStats> {
        self.calls.get(&session).map(|call| call.media.stats())
    }

    /// Waits for something to happen, at most until `until`.
    pub fn next(&mut self, until: Instant) -> Option<PhoneEvent> {
        loop {
            if let Some(event) = self.happened.pop_front() {
                return Some(event);
            }
            let now = os::now();
            if now >= until {
                return None;
            }
            let first = self.wakes.first().map(|(at, _)| *at);
            let wake = [first, self.endpoint_wake].into_iter().flatten().fold(until, Instant::min);
            // An interrupted wait only means to look again.
            let _ = self.poll.poll(&mut self.events, Some(wake.saturating_duration_since(now)));
            self.receive();
            self.due(os::now());
        }
    }

    fn receive(&mut self) {
        // Lent out, so that what is in them can be handled by the whole phone.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut buffer = std::mem::take(&mut self.buffer);
        for event in &events {
            if event.token() == SIP {
                self.receive_sip(&mut buffer);
            } else if let Some((port, channel)) = Ports::of_token(event.token()) {
                self.receive_media(port, channel, &mut buffer);
            }
            // A long list of sockets must not make our own packets late.
            self.due(os::now());
        }
        (self.events, self.buffer) = (events, buffer);
    }

    fn receive_sip(&mut self, buffer: &mut [u8]) {
        while let Ok((length, remote)) = self.udp.recv_from(buffer) {
            let message = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
            let path = self.path_to(remote);
            let now = os::now();
            self.endpoint.handle(now, endpoint::Input::Received { path, message });
            self.drain(now);
        }
    }

    fn receive_media(&mut self, port: MediaPort, channel: Channel, buffer: &mut [u8]) {
        loop {
            let received = self.ports.pair(port).map(|pair| pair.socket(channel).recv_from(buffer));
            let Some(Ok((length, from))) = received else { return };
            let bytes = buffer.get(..length).unwrap_or_default();
            let now = os::now();
            let session = self.by_port.get(&port).copied();
            if channel == Channel::Rtp
                && let Some((pacing, session)) = self.pacing.as_mut().zip(session)
            {
                pacing.came(now, session);
            }
            if let Some(call) = session.and_then(|session| self.touch(session)) {
                let input = match channel {
                    Channel::Rtp => media::Input::Rtp { came: now, from, bytes },
                    Channel::Rtcp => media::Input::Rtcp { from, bytes },
                };
                call.media.handle(now, input);
            }
            self.drain(now);
        }
    }

    fn due(&mut self, now: Instant) {
        if self.endpoint_wake.is_some_and(|at| at <= now) {
            self.endpoint.handle(now, endpoint::Input::Timeout);
            self.drain(now);
        }
        while let Some((_, session)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            self.wakes.pop_first();
            if let Some(call) = self.touch(session) {
                call.wake = None;
                call.media.handle(now, media::Input::Timeout);
            }
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.endpoint.poll() {
                endpoint::Output::Transmit { path, bytes } => {
                    // A lost datagram is sent again by its transaction.
                    let _ = self.udp.send_to(&bytes, path.remote);
                }
                endpoint::Output::Event(event) => self.sip_event(now, event),
                endpoint::Output::Timeout(at) => {
                    self.endpoint_wake = at;
                    break;
                }
            }
        }
        while let Some(session) = self.touched.pop() {
            self.drain_media(session);
        }
    }

    /// The call, whose media will be drained.
    fn touch(&mut self, session: SessionId) -> Option<&mut PhoneCall> {
        self.touched.push(session);
        self.calls.get_mut(&session)
    }

    fn drain_media(&mut self, session: SessionId) {
        let Some(call) = self.calls.get_mut(&session) else { return };
        let Some(pair) = self.ports.pair(call.port) else { return };
        loop {
            match call.media.poll() {
                // A media packet that the system does not take is lost, as on any line.
                media::Output::Rtp { to, bytes } => drop(pair.socket(Channel::Rtp).send_to(&bytes, to)),
                media::Output::Rtcp { to, bytes } => drop(pair.socket(Channel::Rtcp).send_to(&bytes, to)),
                media::Output::Frame(frame) => {
                    let mut samples = Vec::with_capacity(frame.samples.len());
                    call.rebander.pass(&frame.samples, frame.band, Band::Narrow, &mut samples);
                    self.happened.push_back(PhoneEvent::Heard(session, samples));
                }
                media::Output::Event(media::Event::Digit(digit)) => {
                    self.happened.push_back(PhoneEvent::Digit(session, digit));
                }
                media::Output::Event(media::Event::PlayFinished(id)) => {
                    self.happened.push_back(PhoneEvent::PlayFinished(session, id));
                }
                media::Output::Event(_) | media::Output::Said(_) | media::Output::Heard(_) => {}
                media::Output::Timeout(at) => {
                    if let Some(earlier) = std::mem::replace(&mut call.wake, at) {
                        self.wakes.remove(&(earlier, session));
                    }
                    self.wakes.extend(at.map(|at| (at, session)));
                    return;
                }
            }
        }
    }

    fn local_media(&mut self) -> Result<(LocalMedia, MediaPort), PhoneError> {
        let address = self.ports.open(self.poll.registry(), self.address.ip())?;
        let local = LocalMedia {
            address: address.rtp,
            codecs: self.config.codecs.clone(),
            session_id: u64::from(self.entropy.next_u32()),
            version: 1,
            comfort_noise: false,
            numbers: media::sdp::Numbers::default(),
            rtcp: self.config.rtcp,
            rtcp_mux: false,
            direction: media::Direction::SendRecv,
            srtp: LocalSrtp::draw(self.config.srtp, &mut self.entropy),
        };
        Ok((local, address.port))
    }

    fn add_call(&mut self, now: Instant, session: SessionId, local: (LocalMedia, MediaPort)) {
        let config = MediaConfig {
            codecs: local.0.codecs.iter().copied().collect(),
            ..MediaConfig::from_entropy(&mut self.entropy, self.epoch)
        };
        let mut media = MediaSession::new(now, config);
        media.listen(true);
        self.by_port.insert(local.1, session);
        self.calls.insert(
            session,
            PhoneCall { media, port: local.1, local: local.0, rebander: Rebander::default(), wake: None },
        );
    }
}

/// After hanging up, the phone stays for the answer this long.
pub const FAREWELL: Duration = Duration::from_secs(1);
