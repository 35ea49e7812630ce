//! A world in virtual time: one engine, telephones, a network, a vault, a switchboard. An hour takes
//! milliseconds, and every run with the same seed is the same run.

#![allow(dead_code, reason = "each test uses another part of the world")]
#![allow(unreachable_pub, reason = "shared by several test crates")]

pub mod apps;
mod clips;
pub mod net;
pub mod phone;
pub mod recording_server;
mod seen;
mod vault;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::call::{
    CallLimits, CallRecord, CallSettings, ClipSource, News, Recorded, RecordingPlan, Ticket,
};
use countersign::engine::{Engine, Input, Limits, Output};
use countersign::flow::document::Application;
use countersign::flow::run::{Answer, Question};
use countersign::routing::{self, Agent, AgentName, Contact, DeskEvent, Queue, Switchboard};
use countersign::sip::{Path, Transport};
use countersign::units::{AskId, CallId, Entropy, Epoch, HearingId, MediaAddress, MediaPort, UnixTime};
use countersign::voice::{Hearing, Utterance};

use clips::every_clip;
pub use net::Net;
pub use phone::{Manner, Phone};
pub use recording_server::{Asked, RecordingServer};
#[allow(unused_imports, reason = "each test uses another part of the world")]
pub use seen::{correlation, noise};
use vault::answer;

/// The PIN that the vault takes.
pub const PIN: &str = "80421537";

/// The first instant of a world.
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some first instant; all others are offsets from it"
)]
pub fn first_instant() -> Instant {
    Instant::now()
}

pub const ENGINE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);

pub struct World {
    pub start: Instant,
    pub now: Instant,
    pub engine: Engine,
    engine_wake: Option<Instant>,
    pub net: Net,
    pub phones: Vec<Phone>,
    /// When each phone wants to be woken.
    phone_wakes: Vec<Option<Instant>>,
    desk: Switchboard,
    desk_wake: Option<Instant>,
    desk_mail: VecDeque<(CallId, DeskEvent)>,
    /// How long the vault and the services take.
    pub slowness: Duration,
    answers: Vec<(Instant, CallId, AskId, Answer)>,
    /// Who answers questions.
    pub vault: Box<dyn FnMut(UnixTime, Question) -> Answer>,
    ports: HashMap<MediaPort, SocketAddr>,
    next_port: u32,
    /// No port is left from now on.
    pub no_ports: bool,
    pub records: Vec<CallRecord>,
    /// What was told of calls of our own.
    pub told: Vec<(Ticket, News)>,
    /// What callers have said, for whoever is to understand it.
    pub sounds: Vec<(CallId, HearingId, Arc<Utterance>, Arc<Hearing>)>,
    /// Calls whose numbers are to be looked into: a test says what comes of it.
    pub vouches: Vec<CallId>,
    /// What calls have recorded.
    pub recorded: Vec<(CallId, Recorded)>,
    /// Recording servers.
    pub servers: Vec<RecordingServer>,
    /// Callers hide their numbers.
    pub hidden_numbers: bool,
    /// What came for [`STRANGER`], who is no phone: a test plays them by hand.
    pub strange: Vec<Vec<u8>>,
    pub seed: Entropy,
}

impl World {
    pub fn new(application: Arc<Application>, seed: u8) -> Self {
        Self::with(application, seed, CallLimits::default(), Limits::default())
    }

    pub fn with(application: Arc<Application>, seed: u8, calls: CallLimits, limits: Limits) -> Self {
        Self::with_clips(application, every_clip(), seed, calls, limits)
    }

    /// With settings that are changed before the first call.
    pub fn with_settings(
        application: Arc<Application>,
        seed: u8,
        change: impl FnOnce(&mut CallSettings),
    ) -> Self {
        let limits = (CallLimits::default(), Limits::default());
        Self::built(application, every_clip(), limits, seed, change)
    }

    pub fn with_clips(
        application: Arc<Application>,
        clips: Arc<dyn ClipSource>,
        seed: u8,
        calls: CallLimits,
        limits: Limits,
    ) -> Self {
        Self::with_plan(application, clips, (calls, limits), RecordingPlan::default(), seed)
    }

    /// With recording servers, once they are put up.
    pub fn with_plan(
        application: Arc<Application>,
        clips: Arc<dyn ClipSource>,
        (calls, limits): (CallLimits, Limits),
        recording: RecordingPlan,
        seed: u8,
    ) -> Self {
        Self::built(application, clips, (calls, limits), seed, |settings| settings.recording = recording)
    }

    fn built(
        application: Arc<Application>,
        clips: Arc<dyn ClipSource>,
        (calls, limits): (CallLimits, Limits),
        seed: u8,
        change: impl FnOnce(&mut CallSettings),
    ) -> Self {
        let start = first_instant();
        let epoch = Epoch { instant: start, unix: UNIX_START };
        let mut seed = Entropy::from_seed([seed; 32]);
        let mut settings = CallSettings {
            phones: countersign::media::MediaTerms::default(),
            carriers: Arc::default(),
            recording: RecordingPlan::default(),
            application,
            application_hash: Arc::from("test"),
            clips,
            locations: Arc::new(countersign::sip::locate::Nowhere),
            targets: HashMap::from([("branch".to_owned(), Contact::new(uri_of(agent_address(0)), None))]),
            phones_transfer_to: vec!["branch".into()],
            signer: ed25519_dalek::SigningKey::from_bytes(&[7; 32]),
            epoch,
            trusted: countersign::sip::AccessList::new(),
            listen: ENGINE.into(),
            signing: None,
            limits: calls,
        };
        change(&mut settings);
        let engine = Engine::new(seen::engine_config(settings, limits), seed.fork());
        let net = Net::new(seed.fork());
        Self {
            start,
            now: start,
            engine,
            engine_wake: None,
            net,
            phones: Vec::new(),
            phone_wakes: Vec::new(),
            desk: Switchboard::new(routing::SwitchboardConfig::default(), Vec::new(), Vec::new()),
            desk_wake: None,
            desk_mail: VecDeque::new(),
            slowness: Duration::from_millis(50),
            answers: Vec::new(),
            vault: Box::new(|_, question| answer(question)),
            ports: HashMap::new(),
            next_port: 0,
            no_ports: false,
            records: Vec::new(),
            told: Vec::new(),
            sounds: Vec::new(),
            vouches: Vec::new(),
            recorded: Vec::new(),
            servers: Vec::new(),
            hidden_numbers: false,
            strange: Vec::new(),
            seed,
        }
    }

    /// A caller's phone; returns its index.
    pub fn caller(&mut self) -> usize {
        let host = 100 + u8::try_from(self.phones.len()).expect("few phones");
        self.phone(SocketAddr::from(([10, 0, 1, host], 5060)), Manner::Rings)
    }

    /// Agents, all of the queue `agents`; their phones have the indices returned.
    pub fn agents(&mut self, manners: &[Manner]) -> Vec<usize> {
        self.agents_of("agents", manners)
    }

    pub fn agents_of(&mut self, queue: &str, manners: &[Manner]) -> Vec<usize> {
        let queue = || routing::QueueName::from(queue);
        let names: Vec<_> =
            (0..manners.len()).map(|n| AgentName::from(format!("agent{n}").as_str())).collect();
        let agents = names.iter().map(|name| Agent::new(name.clone(), vec![queue()])).collect();
        let config = routing::SwitchboardConfig::default();
        self.desk = Switchboard::new(config, vec![Queue::new(queue(), 50)], agents);
        let mut phones = Vec::new();
        for (n, (name, manner)) in names.into_iter().zip(manners).enumerate() {
            let address = agent_address(n);
            phones.push(self.phone(address, manner.clone()));
            let contact = Contact::new(uri_of(address), None);
            self.desk.handle(self.now, routing::Input::AgentUp(name, contact));
            self.drain_desk();
        }
        phones
    }

    /// A recording server; returns its index. Its address is 10.0.4.1 and upwards.
    pub fn recording_server(&mut self, asked: Asked) -> usize {
        let host = 1 + u8::try_from(self.servers.len()).expect("few servers");
        let address = SocketAddr::from(([10, 0, 4, host], 5060));
        let server = RecordingServer::new(address, asked, self.seed.fork());
        self.servers.push(server);
        self.servers.len() - 1
    }

    pub fn with_server(&mut self, index: usize, deed: impl FnOnce(&mut RecordingServer, Instant)) {
        deed(&mut self.servers[index], self.now);
        self.drain_server(index);
    }

    fn drain_server(&mut self, index: usize) {
        for sending in self.servers[index].drain(self.now) {
            self.net.send(self.now, sending.from, sending.to, &sending.bytes);
        }
    }

    /// A telephone that the engine calls by itself; returns its index.
    pub fn telephone(&mut self, manner: Manner) -> usize {
        let host = 100 + u8::try_from(self.phones.len()).expect("few phones");
        self.phone(SocketAddr::from(([10, 0, 3, host], 5060)), manner)
    }

    fn phone(&mut self, address: SocketAddr, manner: Manner) -> usize {
        let epoch = Epoch { instant: self.start, unix: UNIX_START };
        self.phones.push(Phone::new(address, manner, self.seed.fork(), epoch));
        self.phone_wakes.push(None);
        self.phones.len() - 1
    }

    pub fn dial(&mut self, phone: usize) {
        self.with_phone(phone, |phone, now| phone.dial(now, ENGINE, "0800"));
    }

    pub fn press(&mut self, phone: usize, keys: &str) {
        self.with_phone(phone, |phone, now| phone.press(now, keys));
    }

    pub fn hang_up(&mut self, phone: usize) {
        self.with_phone(phone, Phone::hang_up);
    }

    pub fn hold(&mut self, phone: usize, on: bool) {
        self.with_phone(phone, |phone, now| phone.hold(now, on));
    }

    pub fn with_phone(&mut self, index: usize, deed: impl FnOnce(&mut Phone, Instant)) {
        deed(&mut self.phones[index], self.now);
        self.drain_phone(index);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass until something is so; false when it is not so in time.
    pub fn run_until(&mut self, at_most: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + at_most;
        loop {
            if so(self) {
                return true;
            }
            match self.next().filter(|at| *at <= end) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.turn();
                }
                None => {
                    self.now = end;
                    return so(self);
                }
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        let phones = self.phone_wakes.iter().copied();
        let answers = self.answers.iter().map(|(at, ..)| Some(*at));
        let servers = self.servers.iter().map(RecordingServer::wake);
        phones
            .chain(answers)
            .chain(servers)
            .chain([self.engine_wake, self.net.next(), self.desk_wake])
            .flatten()
            .min()
    }

    fn turn(&mut self) {
        while let Some(datagram) = self.net.arrived(self.now) {
            self.deliver(&datagram);
        }
        if self.engine_wake.is_some_and(|at| at <= self.now) {
            self.tell_engine(Input::Timeout);
        }
        for index in 0..self.phones.len() {
            if self.phone_wakes[index].is_some_and(|at| at <= self.now) {
                self.with_phone(index, Phone::timeout);
            }
        }
        for index in 0..self.servers.len() {
            if self.servers[index].wake().is_some_and(|at| at <= self.now) {
                self.with_server(index, RecordingServer::timeout);
            }
        }
        while let Some(at) = self.answers.iter().position(|(at, ..)| *at <= self.now) {
            let (_, call, ask, answer) = self.answers.swap_remove(at);
            self.tell_engine(Input::Answer { call, ask, answer });
        }
        if self.desk_wake.is_some_and(|at| at <= self.now) {
            self.desk.handle(self.now, routing::Input::Timeout);
            self.drain_desk();
            self.read_desk_mail();
        }
    }

    fn deliver(&mut self, datagram: &net::Datagram) {
        let (from, to, bytes) = (datagram.from, datagram.to, &datagram.bytes);
        if to == ENGINE {
            let path = Path { transport: Transport::Udp, local: to, remote: from, connection: None };
            self.tell_engine(Input::Sip { path, bytes: Bytes::copy_from_slice(bytes) });
        } else if to.ip() == ENGINE.ip() {
            let port = MediaPort(u32::from(to.port() - FIRST_PORT) / 2);
            if to.port() % 2 == 0 {
                self.tell_engine(Input::Rtp { port, came: self.now, from, bytes });
            } else {
                self.tell_engine(Input::Rtcp { port, from, bytes });
            }
        } else if let Some(index) = self.phones.iter().position(|phone| phone.address.ip() == to.ip()) {
            self.phones[index].receive(self.now, from, to, bytes);
            self.drain_phone(index);
        } else if let Some(index) = self.servers.iter().position(|server| server.address.ip() == to.ip()) {
            self.servers[index].receive(self.now, from, to, bytes);
            self.drain_server(index);
        } else if to.ip() == STRANGER.ip() {
            self.strange.push(bytes.clone());
        }
    }

    fn drain_phone(&mut self, index: usize) {
        for sending in self.phones[index].drain(self.now) {
            self.net.send(self.now, sending.from, sending.to, &sending.bytes);
        }
        self.phone_wakes[index] = self.phones[index].wake();
    }

    pub fn tell_engine(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        loop {
            match self.engine.poll() {
                Output::Sip { path, bytes } => self.net.send(self.now, path.local, path.remote, &bytes),
                Output::Rtp { port, to, bytes } => self.send_media(port, 0, to, &bytes),
                Output::Rtcp { port, to, bytes } => self.send_media(port, 1, to, &bytes),
                Output::OpenMedia { call, leg, .. } => {
                    let opened = (!self.no_ports).then(|| self.open());
                    self.engine.handle(self.now, Input::MediaOpened { call, leg, opened });
                }
                Output::CloseMedia { port } => {
                    self.ports.remove(&port).expect("a port is closed once");
                }
                Output::Begun(_) => {}
                Output::Vouch(call, _) => self.vouches.push(call),
                Output::Told(ticket, news) => self.told.push((ticket, news)),
                Output::Ask { call, ask, question, .. } => {
                    let unix = self.unix();
                    let answer = (self.vault)(unix, question);
                    self.answers.push((self.now + self.slowness, call, ask, answer));
                }
                Output::Recognise { call, id, sound, hearing } => {
                    self.sounds.push((call, id, sound, hearing))
                }
                Output::Recording(call, recorded) => self.recorded.push((call, recorded)),
                Output::Desk(request) => {
                    self.desk.handle(self.now, request.into());
                    self.drain_desk();
                }
                Output::Record { record, caller } => {
                    assert!(caller.is_some() != self.hidden_numbers, "a number goes with the record");
                    self.records.push(*record);
                }
                Output::Timeout(at) => {
                    self.engine_wake = at;
                    break;
                }
            }
        }
        self.read_desk_mail();
    }

    fn drain_desk(&mut self) {
        loop {
            match self.desk.poll() {
                routing::Output::Offer { call, agent, contact } => {
                    self.desk_mail.push_back((call, DeskEvent::Offer { agent, contact }));
                }
                routing::Output::Place(call, place) => {
                    self.desk_mail.push_back((call, DeskEvent::Place(place)));
                }
                routing::Output::Full(call) => self.desk_mail.push_back((call, DeskEvent::Full)),
                routing::Output::Timeout(at) => {
                    self.desk_wake = at;
                    return;
                }
            }
        }
    }

    fn read_desk_mail(&mut self) {
        while let Some((call, event)) = self.desk_mail.pop_front() {
            self.tell_engine(Input::Desk(call, event));
        }
    }

    fn send_media(&mut self, port: MediaPort, channel: u16, to: SocketAddr, bytes: &[u8]) {
        let from = self.ports.get(&port).expect("media is sent from open ports only");
        let from = SocketAddr::new(from.ip(), from.port() + channel);
        self.net.send(self.now, from, to, bytes);
    }

    fn open(&mut self) -> MediaAddress {
        let port = MediaPort(self.next_port % 20_000);
        self.next_port += 1;
        let number = u16::try_from(u32::from(FIRST_PORT) + port.0 * 2).expect("a port number");
        let rtp = SocketAddr::new(ENGINE.ip(), number);
        assert!(self.ports.insert(port, rtp).is_none(), "a port is used again while it is open");
        MediaAddress { port, rtp, former: None, beat: None }
    }

    /// The calendar's reading.
    pub fn unix(&self) -> UnixTime {
        UNIX_START.plus(self.now.duration_since(self.start))
    }

    /// Lets time pass until the phone has heard something, and then nothing for a second.
    pub fn until_pause(&mut self, phone: usize) {
        let heard = |world: &mut Self| world.phones[phone].current().map_or(0, |line| line.heard.len());
        let from = heard(self);
        for _ in 0..600 {
            self.run_for(Duration::from_millis(100));
            let Some(line) = self.phones[phone].current() else { return };
            let new = line.heard.get(from..).unwrap_or_default();
            let quiet = new.iter().rev().take_while(|sample| sample.unsigned_abs() < QUIET).count();
            if quiet < new.len() && quiet >= 8000 {
                return;
            }
        }
    }

    /// Ports that are open now.
    pub fn open_ports(&self) -> usize {
        self.ports.len()
    }
}

/// A caller whose messages a test writes itself.
pub const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 250)), 5060);

const FIRST_PORT: u16 = 20_000;
const UNIX_START: UnixTime = UnixTime(1_700_000_000_000);
/// Samples below this are silence.
const QUIET: u16 = 64;

pub fn agent_address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 2, u8::try_from(n + 1).expect("few agents")], 5060))
}

fn uri_of(address: SocketAddr) -> String {
    format!("sip:agent@{address}")
}
