//! The crowd itself: one thread that wakes each millisecond, dials, sends, takes what came, and leaves at the end.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::call::{Caller, Heard, Line, PACKET_TIME, State};
use super::histogram::Histogram;
use super::media::{Media, SLOTS};
use super::process::{Process, Usage, dropped_at, own_time};
use super::report::{Own, Report};
use super::{Plan, local_ip};
use crate::audio::Codec;
use crate::driver::datagrams::{Inbox, Way};
use crate::driver::os;
use crate::media::{Direction, LocalMedia, LocalSrtp, Remote, SrtpPolicy, sdp};
use crate::phone::{PhoneError, address_of};
use crate::sip::endpoint::{Endpoint, EndpointConfig, Event, Input, OutgoingInvite, Output};
use crate::sip::{Host, NameAddr, Path, SessionId, StatusCode, Transport, Uri};
use crate::units::{Entropy, PayloadType, Ssrc};

/// How far the crowd is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Coming,
    /// All that will be answered are; measured from here.
    Staying {
        since: Duration,
    },
    Leaving {
        since: Duration,
    },
}

pub(super) struct Crowd<'a> {
    plan: &'a Plan,
    target: Uri,
    remote: SocketAddr,
    socket: UdpSocket,
    local: SocketAddr,
    inbox: Inbox,
    endpoint: Endpoint,
    endpoint_due: Option<Instant>,
    entropy: Entropy,
    media: Media,
    /// The keys of all callers: their streams have SSRCs of their own, so no two packets share a key stream.
    srtp: LocalSrtp,
    callers: Vec<Caller>,
    sessions: HashMap<SessionId, usize>,
    start: Instant,
    stage: Stage,
    /// Hung up so far.
    left: usize,
    times: Times,
    report: Report,
}

#[derive(Default)]
struct Times {
    to_200: Histogram,
    lateness: Histogram,
    last_answer: Duration,
    /// Before the first call, when all were up, and at the end of the measured time.
    own: [Duration; 2],
    server: [Option<Usage>; 3],
    strange_before: u64,
}

const TICK: Duration = Duration::from_millis(1);
/// The longest wait for answers, or for the answers to BYE.
const PATIENCE: Duration = Duration::from_secs(10);
/// After the last answer the crowd settles before it measures: keys are pressed, prompts change.
const SETTLING: Duration = Duration::from_secs(2);
/// Calls hung up each millisecond.
const LEAVE_AT_ONCE: usize = 2;
/// Of callers who talk without SIP.
const NO_SESSION: SessionId = SessionId(u64::MAX);
const SIP_PLACES: usize = 32;
const SIP_ROOM: usize = 16_384;
const RECEIVE_BUFFER: usize = 4 << 20;

impl<'a> Crowd<'a> {
    pub(super) fn new(plan: &'a Plan) -> Result<Self, PhoneError> {
        let not_dialable = || PhoneError::NotDialable(plan.target.clone());
        let target = Uri::parse(plan.target.as_bytes()).ok_or_else(not_dialable)?;
        let Uri::Sip(sip) = &target else { return Err(not_dialable()) };
        let remote = address_of(sip).ok_or_else(not_dialable)?;
        let ip = local_ip(plan)?;
        let failed = |source| PhoneError::Socket { address: SocketAddr::new(ip, 0), source };
        os::raise_descriptor_limit();
        let socket = UdpSocket::bind((ip, 0)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
        let local = socket.local_addr().map_err(failed)?;
        let mut entropy = os::entropy().map_err(failed)?;
        let policy = if plan.encrypted { SrtpPolicy::Required } else { SrtpPolicy::Off };
        let config = EndpointConfig {
            call_id_suffix: format!("@{}", entropy.hex(6)),
            max_sessions: plan.calls.saturating_mul(2).max(1000),
            ..EndpointConfig::default()
        };
        Ok(Self {
            plan,
            target,
            remote,
            socket,
            local,
            inbox: Inbox::new(Way::best(), SIP_PLACES, SIP_ROOM),
            endpoint: Endpoint::new(config, entropy.fork()),
            endpoint_due: None,
            srtp: LocalSrtp::draw(policy, &mut entropy),
            entropy,
            media: Media::new(ip, &plan.codecs).map_err(failed)?,
            callers: Vec::with_capacity(plan.calls),
            sessions: HashMap::new(),
            start: os::now(),
            stage: Stage::Coming,
            left: 0,
            times: Times::default(),
            report: Report { calls: plan.calls, ..Report::default() },
        })
    }

    /// Makes callers who talk already, with these addresses.
    pub(super) fn join(&mut self, targets: &[SocketAddr]) {
        let is_shared = targets.windows(2).any(|pair| pair.first() == pair.last());
        for (number, &rtp) in targets.iter().enumerate() {
            let remote = Remote {
                rtp,
                rtcp: None,
                codec: Codec::Pcma,
                payload_type: PayloadType(8),
                receive_type: PayloadType(8),
                telephone_event: None,
                receive_event: None,
                comfort_noise: None,
                receive_noise: None,
                event_clock: 1,
                ptime: PACKET_TIME,
                direction: Direction::SendRecv,
                rtcp_mux: false,
                crypto: None,
            };
            if !is_shared {
                self.media.join(number, rtp);
            }
            self.callers.push(Caller {
                session: NO_SESSION,
                state: State::Talking,
                acked: None,
                line: Some(Line::new(&remote, Ssrc(self.entropy.next_u32()), None)),
                heard: Heard::default(),
            });
            self.report.answered += 1;
        }
    }

    pub(super) fn run(mut self) -> Result<Report, PhoneError> {
        self.times.server[0] = self.server();
        self.start = os::now();
        let mut tick = 0_u32;
        loop {
            let now = os::now();
            let due = self.start + TICK * tick;
            if now < due {
                self.receive();
                os::pause(due.saturating_duration_since(os::now()));
                continue;
            }
            if matches!(self.stage, Stage::Staying { .. }) {
                self.times.lateness.add(now - due);
            }
            let slot = usize::try_from(tick).unwrap_or(0) % SLOTS;
            tick += 1;
            self.media.send(slot, &mut self.callers, &self.plan.keys);
            self.receive();
            if self.step(os::now())? {
                return Ok(self.conclude());
            }
        }
    }

    /// Dials, changes the stage, hangs up. `true` at the end.
    fn step(&mut self, now: Instant) -> Result<bool, PhoneError> {
        if self.endpoint_due.is_some_and(|at| at <= now) {
            self.endpoint.handle(now, Input::Timeout);
            self.drain(now);
        }
        let at = now - self.start;
        match self.stage {
            Stage::Coming => {
                while self.callers.len() < self.plan.calls && self.next_call() <= at {
                    self.dial(now)?;
                }
                let all = self.callers.len() == self.plan.calls;
                let waited = at.saturating_sub(self.next_call());
                let settled = at >= self.times.last_answer + SETTLING.max(self.plan.keys_after + SETTLING);
                if all && ((self.is_answered() && settled) || waited > PATIENCE) {
                    self.begin_measuring(at);
                }
            }
            Stage::Staying { since } if at >= since + self.plan.hold => {
                self.end_measuring(at - since);
                self.stage = Stage::Leaving { since: at };
            }
            Stage::Staying { .. } => {}
            Stage::Leaving { since } => {
                self.leave(now);
                let over = self.callers.iter().all(|caller| caller.state == State::Over);
                return Ok(
                    over || at > since + PATIENCE + TICK * u32::try_from(self.callers.len()).unwrap_or(0)
                );
            }
        }
        Ok(false)
    }

    /// When the next call is due.
    fn next_call(&self) -> Duration {
        Duration::from_secs(1) * u32::try_from(self.callers.len()).unwrap_or(u32::MAX)
            / self.plan.per_second.max(1)
    }

    fn is_answered(&self) -> bool {
        !self.callers.iter().any(|caller| matches!(caller.state, State::Calling(_)))
    }

    fn dial(&mut self, now: Instant) -> Result<(), PhoneError> {
        let number = self.callers.len();
        let Some(address) = self.media.address(number) else {
            return Err(PhoneError::NotDialable(self.plan.target.clone()));
        };
        let media = self.local_media(address);
        let me = NameAddr::new(Uri::sip(Some("load"), Host::from(self.local.ip()), Some(self.local.port())));
        let invite = OutgoingInvite {
            path: self.path(),
            request_uri: self.target.clone(),
            from: me,
            to: NameAddr::new(self.target.clone()),
            contact_user: Some("load".to_owned()),
            headers: Vec::new(),
            sdp: sdp::offer(&media),
            metadata: None,
            credentials: None,
        };
        let session = self.endpoint.invite(now, invite);
        self.sessions.insert(session, number);
        let state = State::Calling(now - self.start);
        self.callers.push(Caller { session, state, acked: None, line: None, heard: Heard::default() });
        self.drain(now);
        Ok(())
    }

    fn local_media(&self, address: SocketAddr) -> LocalMedia {
        let (srtp, codecs) = (self.srtp.clone(), self.plan.codecs.clone());
        LocalMedia {
            rtcp: false,
            direction: Direction::SendRecv,
            srtp,
            codecs,
            ..LocalMedia::new(address, 1)
        }
    }

    fn path(&self) -> Path {
        Path { transport: Transport::Udp, local: self.local, remote: self.remote, connection: None }
    }

    fn receive(&mut self) {
        while let Ok(count) = self.inbox.receive(&self.socket) {
            for number in 0..count {
                let Some((arrival, octets)) = self.inbox.datagram(number) else { continue };
                let path = Path { remote: arrival.from, ..self.path() };
                let message = Bytes::copy_from_slice(octets);
                let now = os::now();
                self.endpoint.handle(now, Input::Received { path, message });
                self.drain(now);
            }
        }
        let measures = matches!(self.stage, Stage::Staying { .. });
        self.media.receive(self.start, &mut self.callers, measures);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.endpoint.poll() {
                // A lost datagram is sent again by its transaction.
                Output::Transmit { path, bytes } => drop(self.socket.send_to(&bytes, path.remote)),
                Output::Event(event) => self.happened(now, event),
                Output::Timeout(at) => {
                    self.endpoint_due = at;
                    return;
                }
            }
        }
    }

    fn happened(&mut self, now: Instant, event: Event) {
        match event {
            Event::Answered { session, sdp, .. } => self.answered(now, session, sdp.as_ref()),
            Event::Failed { session, status } => self.failed(session, status),
            Event::Offered { session, sdp } => {
                let address = self.sessions.get(&session).and_then(|number| self.media.address(*number));
                let answer = address.zip(sdp).and_then(|(address, offer)| {
                    sdp::answer(&offer, &self.local_media(address)).ok().map(|answer| answer.body)
                });
                self.endpoint.answer_offer(now, session, answer.ok_or(StatusCode::NOT_ACCEPTABLE_HERE));
            }
            Event::Ended { session, .. } => self.ended(session),
            _ => {}
        }
    }

    fn answered(&mut self, now: Instant, session: SessionId, answer: Option<&Bytes>) {
        let Some(&number) = self.sessions.get(&session) else { return };
        let Some(address) = self.media.address(number) else { return };
        let local = self.local_media(address);
        let at = now - self.start;
        let Some(caller) = self.callers.get_mut(number) else { return };
        let State::Calling(since) = caller.state else { return };
        caller.state = State::Talking;
        caller.acked = Some(at);
        self.times.to_200.add(at - since);
        self.times.last_answer = at;
        self.report.answered += 1;
        let agreed = answer.and_then(|answer| sdp::accept_answer(answer, &local).ok());
        let Some(agreed) = agreed else {
            self.count("answered without a description that fits");
            return;
        };
        let keys_after = (!self.plan.keys.is_empty())
            .then(|| u64::try_from(self.plan.keys_after.as_millis() / SLOTS as u128).unwrap_or(0).max(1));
        if keys_after.is_some() && agreed.remote.telephone_event.is_none() {
            self.count("answered without telephone-events, so no keys were pressed");
        }
        if self.media.join(number, agreed.remote.rtp) {
            let line = Line::new(&agreed.remote, Ssrc(self.entropy.next_u32()), keys_after);
            let line = line.protected(now, &agreed.remote);
            if let Some(caller) = self.callers.get_mut(number) {
                caller.line = Some(line);
            }
        } else {
            self.count("answered with the media address of another call");
        }
    }

    fn failed(&mut self, session: SessionId, status: StatusCode) {
        let calling = self.sessions.get(&session).and_then(|number| self.callers.get(*number));
        if calling.is_some_and(|caller| matches!(caller.state, State::Calling(_))) {
            self.count(&format!("refused with {}", status.code()));
        }
    }

    fn count(&mut self, cause: &str) {
        *self.report.failures.entry(cause.to_owned()).or_default() += 1;
    }

    fn ended(&mut self, session: SessionId) {
        let Some(&number) = self.sessions.get(&session) else { return };
        let Some(caller) = self.callers.get_mut(number) else { return };
        let was = std::mem::replace(&mut caller.state, State::Over);
        if let Some(line) = caller.line.take() {
            self.media.leave(number, line.to);
        }
        if matches!(was, State::Talking) && !matches!(self.stage, Stage::Leaving { .. }) {
            self.report.cut += 1;
        }
    }

    fn server(&self) -> Option<Usage> {
        self.plan.process.and_then(|number| Process(number).usage())
    }

    fn begin_measuring(&mut self, at: Duration) {
        for caller in &mut self.callers {
            if matches!(caller.state, State::Calling(_)) {
                *self.report.failures.entry("not answered".to_owned()).or_default() += 1;
            }
        }
        self.times.strange_before = self.media.strange;
        self.times.own[0] = own_time();
        self.times.server[1] = self.server();
        self.stage = Stage::Staying { since: at };
    }

    fn end_measuring(&mut self, over: Duration) {
        self.times.own[1] = own_time();
        self.times.server[2] = self.server();
        self.report.seconds = over.as_secs_f64();
        let report = &mut self.report;
        let due = u64::try_from(over.as_millis() / SLOTS as u128).unwrap_or(0);
        let mut least = u64::MAX;
        for caller in self.callers.iter().filter(|caller| matches!(caller.state, State::Talking)) {
            report.due += due;
            report.received += caller.heard.measured;
            least = least.min(caller.heard.measured);
            if let Some(reception) = &caller.heard.reception {
                report.lost += reception.lost();
                report.reordered += reception.reordered();
                report.duplicates += reception.duplicates();
            }
        }
        // Flows that share an address, of a loop without calls.
        if report.received == 0 {
            report.received = self.media.strange - self.times.strange_before;
        }
        report.received_percent = share(report.received, report.due);
        report.least_percent = if least == u64::MAX { 0.0 } else { share(least, due) };
        self.report.own.dropped = dropped_at(&self.media.ports());
    }

    /// Some calls a millisecond: a burst of BYE would be sent again and again.
    fn leave(&mut self, now: Instant) {
        let batch = self.callers.iter().skip(self.left).take(LEAVE_AT_ONCE);
        let batch: Vec<SessionId> = batch.map(|caller| caller.session).collect();
        for caller in self.callers.iter_mut().skip(self.left).take(LEAVE_AT_ONCE) {
            // Whoever never called has nobody to hang up on.
            if caller.session == NO_SESSION {
                caller.state = State::Over;
            }
        }
        self.left += batch.len();
        for session in batch {
            // The endpoint knows whether this is a CANCEL or a BYE.
            self.endpoint.cancel(now, session);
            self.endpoint.bye(now, session, None);
            self.drain(now);
        }
    }

    fn conclude(mut self) -> Report {
        let mut to_audio = Histogram::default();
        let mut silent = 0;
        for caller in &self.callers {
            match (caller.acked, caller.heard.first) {
                (Some(acked), Some(first)) => to_audio.add(first.saturating_sub(acked)),
                (Some(_), None) => silent += 1,
                (None, _) => {}
            }
        }
        if silent > 0 {
            self.report.failures.insert("answered, and never heard".to_owned(), silent);
        }
        let mut report = self.report;
        let call_seconds = report.seconds * count(report.answered as u64);
        let per_call = |time: Duration| time.as_secs_f64() * 1e6 / call_seconds.max(f64::MIN_POSITIVE);
        let times = &self.times;
        let own = times.own[1].saturating_sub(times.own[0]);
        report.gap_deviation = (&self.media.deviation).into();
        report.time_to_200 = (&times.to_200).into();
        report.ack_to_audio = (&to_audio).into();
        report.set_ups_per_second = count(report.answered as u64) / times.last_answer.as_secs_f64().max(1e-3);
        if let [Some(before), Some(up), Some(end)] = times.server {
            let used = end.processor.saturating_sub(up.processor);
            report.server_micros_per_call_second = Some(per_call(used));
            let memory = count(up.memory) - count(before.memory);
            report.server_memory_per_call = Some(memory / count(report.answered.max(1) as u64));
        }
        report.own = Own {
            lateness: (&times.lateness).into(),
            busy_percent: own.as_secs_f64() * 100.0 / report.seconds.max(f64::MIN_POSITIVE),
            micros_per_call_second: per_call(own),
            unsent: self.media.sent.refused,
            strange: self.media.strange,
            kernel_times: self.media.is_stamped,
            ..report.own
        };
        report.conclude();
        report
    }
}

fn share(part: u64, all: u64) -> f64 {
    count(part) * 100.0 / count(all.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets and octets are far below 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}
