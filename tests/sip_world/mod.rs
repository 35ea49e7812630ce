//! Two endpoints on a virtual network that loses, doubles, delays and reorders what they send, in virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::sip::{
    Endpoint, EndpointConfig, Event, Host, Input, NameAddr, OutgoingInvite, Output, Path, SessionId,
    Transport, Uri,
};
use countersign::units::Entropy;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Left => 0,
            Self::Right => 1,
        }
    }
}

/// How the network treats a datagram. A stream loses and reorders nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) transport: Transport,
    pub(crate) loss_percent: u64,
    pub(crate) double_percent: u64,
    /// One byte of the datagram changes on its way.
    pub(crate) garble_percent: u64,
    pub(crate) longest_delay_ms: u64,
    pub(crate) seed: u64,
}

impl Weather {
    pub(crate) const fn fair(transport: Transport) -> Self {
        Self {
            transport,
            loss_percent: 0,
            double_percent: 0,
            garble_percent: 0,
            longest_delay_ms: 0,
            seed: 1,
        }
    }
}

/// What a session of one side has seen.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) events: Vec<(u128, Event)>,
    pub(crate) ended: usize,
    pub(crate) after_end: usize,
    pub(crate) owes_answer: bool,
}

struct End {
    endpoint: Endpoint,
    address: SocketAddr,
    stories: BTreeMap<SessionId, Story>,
}

type Filter = Box<dyn FnMut(Side, &str) -> bool>;

/// The whole of it.
pub(crate) struct World {
    start: Instant,
    now: Instant,
    ends: [End; 2],
    wire: BTreeMap<(Instant, u64), (Side, Path, Bytes)>,
    sent: u64,
    dice: u64,
    weather: Weather,
    /// Who sends, and the message: whether it is lost.
    pub(crate) lose: Filter,
    /// Every message that was sent: when, by whom, start line.
    pub(crate) log: Vec<(u128, Side, String)>,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "virtual time needs some first instant")]
    pub(crate) fn new(weather: Weather) -> Self {
        let start = Instant::now();
        let end = |seed: u8, address: &str| End {
            endpoint: Endpoint::new(EndpointConfig::default(), Entropy::from_seed([seed; 32])),
            address: address.parse().expect("an address"),
            stories: BTreeMap::new(),
        };
        Self {
            start,
            now: start,
            ends: [end(1, "192.0.2.1:5060"), end(2, "192.0.2.2:5060")],
            wire: BTreeMap::new(),
            sent: 0,
            dice: weather.seed,
            weather,
            lose: Box::new(|_, _| false),
            log: Vec::new(),
        }
    }

    pub(crate) fn ms(&self) -> u128 {
        self.now.duration_since(self.start).as_millis()
    }

    /// The other side's address, seen from this one.
    pub(crate) fn path(&self, from: Side) -> Path {
        Path {
            transport: self.weather.transport,
            local: self.ends[from.index()].address,
            remote: self.ends[from.other().index()].address,
            connection: (self.weather.transport == Transport::Tcp).then_some(1),
        }
    }

    /// Lets `side` do something.
    pub(crate) fn act<R>(&mut self, side: Side, act: impl FnOnce(&mut Endpoint, Instant) -> R) -> R {
        let result = act(&mut self.ends[side.index()].endpoint, self.now);
        self.drain(side);
        result
    }

    /// `side` calls the other.
    pub(crate) fn call(&mut self, side: Side) -> SessionId {
        let path = self.path(side);
        let uri = |user: &str, at: SocketAddr| Uri::sip(Some(user), Host::Ip(at.ip()), Some(at.port()));
        let invite = OutgoingInvite {
            path,
            request_uri: uri("callee", path.remote),
            from: NameAddr::new(uri("caller", path.local)),
            to: NameAddr::new(uri("callee", path.remote)),
            contact_user: None,
            headers: Vec::new(),
            sdp: Bytes::from_static(b"v=0 the offer"),
            metadata: None,
            credentials: None,
        };
        let session = self.ends[side.index()].endpoint.invite(self.now, invite);
        self.ends[side.index()].stories.entry(session).or_default();
        self.drain(side);
        session
    }

    pub(crate) fn sessions(&self, side: Side) -> Vec<SessionId> {
        self.ends[side.index()].stories.keys().copied().collect()
    }

    pub(crate) fn story(&self, side: Side, session: SessionId) -> &Story {
        &self.ends[side.index()].stories[&session]
    }

    pub(crate) fn stories(&self, side: Side) -> impl Iterator<Item = (&SessionId, &Story)> {
        self.ends[side.index()].stories.iter()
    }

    pub(crate) fn answered_offer(&mut self, side: Side, session: SessionId) {
        if let Some(story) = self.ends[side.index()].stories.get_mut(&session) {
            story.owes_answer = false;
        }
    }

    pub(crate) fn endpoint(&self, side: Side) -> &Endpoint {
        &self.ends[side.index()].endpoint
    }

    /// Start lines that `side` sent and that begin with `prefix`, with their times.
    pub(crate) fn times(&self, side: Side, prefix: &str) -> Vec<u128> {
        let sent = self.log.iter().filter(|(_, by, line)| *by == side && line.starts_with(prefix));
        sent.map(|(at, _, _)| *at).collect()
    }

    /// The connection, or the way, breaks for both.
    pub(crate) fn break_transport(&mut self) {
        self.wire.clear();
        for side in [Side::Left, Side::Right] {
            let path = self.path(side);
            self.act(side, |endpoint, now| endpoint.handle(now, Input::TransportFailed(path)));
        }
    }

    /// Lets `ms` milliseconds pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until nothing is left to happen, at most an hour.
    pub(crate) fn run_out(&mut self) {
        let end = self.now + Duration::from_secs(3600);
        while self.step(end) {}
    }

    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let wakes = [Side::Left, Side::Right].map(|side| (self.deadline(side), side));
        let wake = wakes.into_iter().filter_map(|(at, side)| Some((at?, side))).min_by_key(|(at, _)| *at);
        match (arrival, wake) {
            (Some(at), wake) if at <= end && wake.is_none_or(|(wake, _)| at <= wake) => {
                self.now = self.now.max(at);
                if let Some((_, (to, path, message))) = self.wire.pop_first() {
                    self.act(to, |endpoint, now| endpoint.handle(now, Input::Received { path, message }));
                }
                true
            }
            (_, Some((at, side))) if at <= end => {
                assert!(at >= self.now, "no deadline lies in the past");
                self.now = at;
                self.act(side, |endpoint, now| endpoint.handle(now, Input::Timeout));
                true
            }
            _ => false,
        }
    }

    fn deadline(&mut self, side: Side) -> Option<Instant> {
        match self.ends[side.index()].endpoint.poll() {
            Output::Timeout(at) => at,
            other => panic!("everything was drained, but for {other:?}"),
        }
    }

    fn drain(&mut self, side: Side) {
        loop {
            match self.ends[side.index()].endpoint.poll() {
                Output::Transmit { path, bytes } => self.send(side, path, bytes),
                Output::Event(event) => self.note(side, event),
                Output::Timeout(_) => return,
            }
        }
    }

    fn send(&mut self, from: Side, path: Path, bytes: Bytes) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let line = text.lines().next().unwrap_or_default().to_owned();
        self.log.push((self.ms(), from, line));
        let to = from.other();
        assert_eq!(path.local, self.ends[from.index()].address);
        if path.remote != self.ends[to.index()].address {
            assert!(self.weather.garble_percent > 0, "nobody else is there: {text}");
            return;
        }
        if (self.lose)(from, &text) {
            return;
        }
        let back = Path { local: path.remote, remote: path.local, ..path };
        if path.transport == Transport::Tcp {
            return self.deliver(self.weather.longest_delay_ms, to, back, bytes);
        }
        let bytes = self.garble(bytes);
        if self.below(100) < self.weather.double_percent {
            let delay = self.below(self.weather.longest_delay_ms + 1);
            self.deliver(delay, to, back, bytes.clone());
        }
        if self.below(100) >= self.weather.loss_percent {
            let delay = self.below(self.weather.longest_delay_ms + 1);
            self.deliver(delay, to, back, bytes);
        }
    }

    fn garble(&mut self, bytes: Bytes) -> Bytes {
        if self.below(100) >= self.weather.garble_percent {
            return bytes;
        }
        let at = usize::try_from(self.below(bytes.len() as u64)).unwrap_or(0);
        let byte = u8::try_from(self.below(256)).unwrap_or(0);
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes.into()
    }

    fn deliver(&mut self, delay_ms: u64, to: Side, path: Path, bytes: Bytes) {
        self.sent += 1;
        let at = self.now + Duration::from_millis(delay_ms);
        self.wire.insert((at, self.sent), (to, path, bytes));
    }

    fn note(&mut self, side: Side, event: Event) {
        let ms = self.ms();
        let Some(session) = event.session() else { return };
        let story = self.ends[side.index()].stories.entry(session).or_default();
        if story.ended > 0 {
            story.after_end += 1;
        }
        match &event {
            Event::Ended { .. } => story.ended += 1,
            Event::Offered { .. } => story.owes_answer = true,
            _ => {}
        }
        story.events.push((ms, event));
    }

    /// SplitMix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).checked_rem(bound).unwrap_or(0)
    }
}
