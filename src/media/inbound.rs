//! What comes in: each datagram is checked, counted and turned into a key or into audio for a listener.
//!
//! ```text
//! datagram → RTP? → payload type agreed? → source the peer's? → SSRC → sequence number
//!          → telephone-event → Digit      (once a press)
//!          → audio → jitter buffer → Frame (only while someone listens)
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::capture::{Endpoint, Turn};
use super::decoding::Decoding;
use super::frame::Frame;
use super::inband::{Ear, InbandKeys};
use super::io::Event;
use super::latch::{Acquaintance, Latch, LatchPolicy, Verdict};
use super::rtp::jitter::{JitterBuffer, JitterConfig};
use super::rtp::packet::{self, Header};
use super::rtp::reception::{Arrival, Block, Reception};
use super::rtp::seq::Ticks;
use super::rtp::telephone_event_receive::{EventReceiver, Payload};
use super::sdp::{COMFORT_NOISE, Remote, takes_noise};
use super::silence::{Seen, Silence};
use super::stats::MediaStats;
use super::terms::CodecList;
use super::voice::{Attention, Voice};
use crate::audio::{Codec, Noise};
use crate::units::{PayloadType, Ssrc};

/// The receiving half of a session.
pub struct Inbound {
    policy: LatchPolicy,
    known: Acquaintance,
    latch: Option<Latch>,
    agreed: Agreed,
    /// Those the leg may use at all.
    codecs: CodecList,
    ticks: Ticks,
    reception: Option<Reception>,
    /// The SSRC before the present one, and since when: its stragglers do not bring it back.
    former: Option<(Ssrc, Instant)>,
    keys: Keys,
    inband: InbandKeys,
    /// Listens for keys in the audio.
    ear: Option<Box<Ear>>,
    /// Makes audio of packets, once somebody listens.
    decoding: Option<Box<Decoding>>,
    voice: Voice,
    jitter: JitterBuffer,
    listening: bool,
    muting: bool,
    silence: Silence,
    has_heard: bool,
    counted: MediaStats,
}

/// What payload types mean.
#[derive(Default)]
struct Agreed {
    codec: Option<Codec>,
    /// The numbers that we gave, then those of the peer: it should use ours, and some use theirs (RFC 3264 §5.1). Where one
    /// means something to either side, ours counts.
    numbers: [Option<(PayloadType, Kind)>; 6],
    /// How far the durations of telephone-events go in a tick.
    event_clock: u16,
    open: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Audio(Codec),
    Event,
    /// Comfort noise (RFC 3389), which some send unasked.
    Noise,
}

/// The presses of the last two streams, newest use last: each has timestamps of its own.
#[derive(Default)]
struct Keys([(Option<Ssrc>, EventReceiver); 2]);

impl Keys {
    fn of(&mut self, ssrc: Ssrc) -> &mut EventReceiver {
        let [older, newer] = &mut self.0;
        if newer.0 != Some(ssrc) {
            std::mem::swap(older, newer);
            if newer.0 != Some(ssrc) {
                *newer = (Some(ssrc), EventReceiver::default());
            }
        }
        &mut self.0[1].1
    }
}

impl Inbound {
    /// Takes nothing before [`Inbound::connect`].
    #[must_use]
    pub fn new(
        (policy, known): (LatchPolicy, Acquaintance),
        jitter: JitterConfig,
        silence_timeout: Duration,
        (codecs, inband): (CodecList, InbandKeys),
    ) -> Self {
        Self {
            policy,
            known,
            latch: None,
            agreed: Agreed::default(),
            codecs,
            ticks: Ticks::default(),
            reception: None,
            former: None,
            keys: Keys::default(),
            inband,
            ear: None,
            decoding: None,
            voice: Voice::default(),
            jitter: JitterBuffer::new(jitter),
            listening: false,
            muting: false,
            silence: Silence::new(silence_timeout),
            has_heard: false,
            counted: MediaStats::default(),
        }
    }

    /// Takes what was negotiated. A peer that moved is looked for anew.
    pub fn connect(&mut self, now: Instant, remote: &Remote) {
        let moved = self.latch.as_ref().is_none_or(|latch| latch.signalled() != remote.rtp);
        // The unspecified address of an old-style hold is no move.
        if self.latch.is_none() || (moved && !remote.rtp.ip().is_unspecified()) {
            self.latch = Some(Latch::new(now, self.policy, self.known, remote.rtp));
        }
        self.agreed = Agreed {
            codec: Some(remote.codec),
            numbers: numbers(remote),
            event_clock: remote.event_clock,
            open: remote.direction.receives(),
        };
        if self.ticks.clock() != remote.codec.clock_of_tick() {
            self.ticks = Ticks::new(remote.codec.clock_of_tick());
        }
        if self.inband.is_armed(remote.receive_event.is_some()) {
            self.ear.get_or_insert_default();
        } else {
            self.ear = None;
        }
        self.hold_back();
        self.silence.expect(now, self.agreed.open);
    }

    /// Takes a datagram from the RTP port. At most five events come of it.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> [Option<Event>; 5] {
        let Some((mut header, payload)) = packet::read(datagram) else {
            self.counted.malformed += 1;
            return [None; 5];
        };
        let Some(kind) = self.agreed.kind(header.payload_type, &self.codecs) else {
            self.counted.unknown_payload += 1;
            return [None; 5];
        };
        let verdict =
            self.latch.as_mut().map_or(Verdict::Foreign, |latch| latch.judge(now, from, header.ssrc));
        let aside = matches!(kind, Kind::Event) && self.is_beside(header.ssrc);
        if verdict == Verdict::Foreign || (!aside && self.is_straggler(now, header.ssrc)) {
            self.counted.foreign += 1;
            return [None; 5];
        }
        header.timestamp = self.ticks.of(header.timestamp);
        let latched = (verdict == Verdict::Latched).then_some(Event::Latched(from));
        let first = (!std::mem::replace(&mut self.has_heard, true)).then_some(Event::FirstPacket);
        let seen = Seen::of(&self.counted);
        let again = self.agreed.open.then(|| self.silence.heard(now, seen)).flatten();
        if aside {
            self.counted.packets_received += 1;
            return [latched, first, again, self.key(&header, Arrival::Advance, payload), None];
        }
        let arrival = self.arrive(now, &header);
        if matches!(kind, Kind::Audio(_)) {
            self.silence.rests(false);
        }
        let digit = match kind {
            Kind::Event => self.key(&header, arrival, payload),
            Kind::Audio(codec) => self.audio(now, &header, arrival, codec, payload),
            Kind::Noise => {
                self.rest(now, &header, arrival, payload);
                None
            }
        };
        [latched, first, again, digit, self.voice.begun()]
    }

    /// Whether frames are wanted.
    pub fn listen(&mut self, on: bool) {
        if !on {
            self.jitter.reset();
        }
        self.listening = on;
    }

    /// Whether the peer's voice is listened for.
    pub fn attend(&mut self, attention: Attention) {
        self.voice.attend(attention);
    }

    /// What is wanted of what the peer says.
    pub fn want(&mut self, endpoint: Option<Endpoint>) {
        self.voice.want(endpoint);
    }

    /// What has become of what the peer says, each once.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Turn> {
        self.voice.turn(now)
    }

    /// When to ask for that although nothing comes.
    pub fn turn_due(&self) -> Option<Instant> {
        self.voice.due()
    }

    /// Whether anybody listens for a voice: then it matters what is said to the peer.
    pub const fn attends(&self) -> bool {
        self.voice.listens()
    }

    /// What is said to the peer now: some of it may come back.
    pub fn says(&mut self, frame: &Frame) {
        self.voice.says(frame);
    }

    /// Whether frames must not carry the sound of keys. Audio is then held until the events that belong to it
    /// have come, as far as that can be foreseen.
    pub fn mute_keys(&mut self, on: bool) {
        self.muting = on;
        self.hold_back();
    }

    /// Keys that are heard go on as telephone-events, so their tones never do.
    fn hold_back(&mut self) {
        let on = self.muting || self.ear.is_some();
        self.jitter.hold_at_least(if on { EVENT_LEAD } else { Duration::ZERO });
    }

    /// The next 20 ms for the listener.
    pub fn frame(&mut self, now: Instant) -> Option<Frame> {
        let (mut frame, timestamp) = self.jitter.take(now)?;
        let ssrc = self.reception.as_ref().map(|known| known.ssrc);
        let told = self.muting
            && ssrc.is_some_and(|ssrc| self.keys.of(ssrc).sounds_within(timestamp, FRAME_SAMPLES));
        if told || self.ear.as_ref().is_some_and(|ear| ear.sounds_within(timestamp, FRAME_SAMPLES)) {
            frame.hush();
            self.jitter.forget_last();
        }
        Some(frame)
    }

    /// When silence has lasted too long.
    #[must_use]
    pub fn silent_at(&self) -> Option<Instant> {
        self.silence.due()
    }

    /// Says so, once.
    pub fn report_silence(&mut self, now: Instant) -> Option<Event> {
        self.silence.report(now, Seen::of(&self.counted))
    }

    /// Counts what was dropped before it got here.
    pub const fn count_refused(&mut self, forged: u64, replayed: u64) {
        self.counted.forged = forged;
        self.counted.replayed = replayed;
    }

    /// The peer's source, once known.
    #[must_use]
    pub fn source(&self) -> Option<SocketAddr> {
        self.latch.as_ref().and_then(Latch::source)
    }

    /// The peer's stream: where it comes from, and its SSRC.
    #[must_use]
    pub fn stream(&self) -> Option<(SocketAddr, Ssrc)> {
        Some((self.source()?, self.reception.as_ref()?.ssrc))
    }

    /// Whether packets of this number are taken.
    pub fn takes(&self, number: PayloadType) -> bool {
        self.agreed.kind(number, &self.codecs).is_some()
    }

    /// A report of the peer came.
    pub fn report_came(&mut self, now: Instant) {
        self.silence.report_came(now);
    }

    /// May RTCP come from there? Counts it as foreign when not.
    pub fn admits_report(&mut self, from: SocketAddr) -> bool {
        let admitted = self.latch.as_ref().is_some_and(|latch| latch.is_host(from));
        self.counted.foreign += u64::from(!admitted);
        admitted
    }

    /// Counts a datagram that is not what it should be.
    pub fn count_malformed(&mut self) {
        self.counted.malformed += 1;
    }

    /// The block for a report.
    pub fn block(&mut self) -> Option<Block> {
        let mut block = self.reception.as_mut().map(Reception::report)?;
        block.jitter = block.jitter.saturating_mul(self.ticks.clock().into());
        Some(block)
    }

    /// Figures until now; what is sent is not among them.
    #[must_use]
    pub fn stats(&self) -> MediaStats {
        let mut stats = self.counted.clone();
        if let Some(reception) = &self.reception {
            add_reception(&mut stats, reception);
        }
        stats.late = self.jitter.late;
        stats.concealed = self.jitter.concealed;
        stats
    }

    fn is_straggler(&self, now: Instant, ssrc: Ssrc) -> bool {
        self.former.is_some_and(|(former, since)| {
            former == ssrc && now.saturating_duration_since(since) < STRAGGLERS
        })
    }

    /// Some peers send keys with an SSRC of their own beside the audio's (RFC 4733 §2.1 wants the audio's).
    /// Such keys count, and do not replace the audio's stream.
    fn is_beside(&self, ssrc: Ssrc) -> bool {
        self.reception.as_ref().is_some_and(|known| known.ssrc != ssrc)
    }

    /// Counts a packet in its stream, which may be a new one.
    fn arrive(&mut self, now: Instant, header: &Header) -> Arrival {
        if let Some(reception) = self.reception.as_mut().filter(|known| known.ssrc == header.ssrc) {
            return reception.count(header.seq);
        }
        let fresh = Reception::new(now, header.ssrc, header.seq);
        if let Some(old) = self.reception.replace(fresh) {
            add_reception(&mut self.counted, &old);
            self.counted.source_changes += 1;
            self.former = Some((old.ssrc, now));
            self.jitter.reset();
            self.decoding = None;
            if let Some(ear) = &mut self.ear {
                ear.restart();
            }
            self.voice.restart();
        }
        Arrival::Advance
    }

    fn key(&mut self, header: &Header, arrival: Arrival, payload: &[u8]) -> Option<Event> {
        let payload = Payload::read(payload)?.in_ticks(self.agreed.event_clock);
        let overtaken = matches!(arrival, Arrival::Reordered | Arrival::Duplicate);
        let digit = self.keys.of(header.ssrc).receive(overtaken, header.timestamp, payload)?;
        self.counted.keys += 1;
        Some(Event::Digit(digit))
    }

    /// The peer says what its background is like, and sends nothing until it is heard again.
    fn rest(&mut self, now: Instant, header: &Header, arrival: Arrival, payload: &[u8]) {
        let Some(noise) = Noise::read(payload) else {
            self.counted.malformed += 1;
            return;
        };
        // Opus has pauses of its own (RFC 7587 §3.1.3); what comes beside it says only that somebody is there.
        let Some(codec) = self.agreed.codec.filter(|&codec| takes_noise(codec)) else {
            return;
        };
        if arrival == Arrival::Advance {
            self.silence.rests(true);
            self.voice.rests(noise.dbm0());
            if let Some(ear) = &mut self.ear {
                ear.rest();
            }
        }
        if self.listening && matches!(arrival, Arrival::Advance | Arrival::Reordered) {
            self.jitter.rest(now, header.timestamp, codec.band(), noise);
        }
    }

    fn audio(
        &mut self,
        now: Instant,
        header: &Header,
        arrival: Arrival,
        codec: Codec,
        payload: &[u8],
    ) -> Option<Event> {
        if let Some(reception) = &mut self.reception {
            reception.time(now, header.timestamp);
        }
        let is_heard = self.listening || self.ear.is_some() || self.voice.listens();
        if !is_heard
            || matches!(arrival, Arrival::Duplicate | Arrival::Doubtful)
            || payload.len() > MAX_PAYLOAD
        {
            return None;
        }
        let decoding = self.decoding.get_or_insert_with(|| Box::new(Decoding::new(codec)));
        let audio = decoding.decode(codec, payload);
        if self.listening {
            self.jitter.insert(now, header.timestamp, header.marker, codec.band(), audio);
        }
        if self.ear.is_none() && !self.voice.listens() {
            return None;
        }
        let audio = decoding.narrow();
        self.voice.hear(now, header.timestamp, audio);
        let digit = self.ear.as_mut()?.hear(header.timestamp, audio)?;
        self.counted.tones += 1;
        Some(Event::Tone(digit))
    }
}

impl Agreed {
    fn kind(&self, payload_type: PayloadType, codecs: &CodecList) -> Option<Kind> {
        let agreed = self.numbers.iter().flatten().find(|(number, _)| *number == payload_type);
        if let Some(&(_, kind)) = agreed {
            return Some(kind);
        }
        match self.codec {
            // Static numbers mean the same to everyone.
            Some(_) if payload_type == COMFORT_NOISE => Some(Kind::Noise),
            // An answer may leave the choice between the laws to the sender. The timestamps of a stream have one clock,
            // and its listener one band: a sender that changes them from packet to packet is not followed.
            Some(agreed) => Codec::from_payload_type(payload_type)
                .filter(|codec| codecs.as_slice().contains(codec) || *codec == agreed)
                .filter(|codec| (codec.clock_rate(), codec.band()) == (agreed.clock_rate(), agreed.band()))
                .map(Kind::Audio),
            None => None,
        }
    }
}

/// What was agreed on, in the order in which it counts.
fn numbers(remote: &Remote) -> [Option<(PayloadType, Kind)>; 6] {
    let kinds = |codec, event: Option<PayloadType>, noise: Option<PayloadType>| {
        let audio = Some((codec, Kind::Audio(remote.codec)));
        [audio, event.map(|number| (number, Kind::Event)), noise.map(|number| (number, Kind::Noise))]
    };
    let [audio, event, noise] = kinds(remote.receive_type, remote.receive_event, remote.receive_noise);
    let theirs = kinds(remote.payload_type, remote.telephone_event, remote.comfort_noise);
    let [their_audio, their_event, their_noise] = theirs;
    [audio, event, noise, their_audio, their_event, their_noise]
}

fn add_reception(stats: &mut MediaStats, reception: &Reception) {
    stats.packets_received += reception.received();
    stats.packets_lost += reception.lost();
    stats.loss_runs += reception.gaps();
    stats.duplicates += reception.duplicates();
    stats.reordered += reception.reordered();
    stats.jitter = reception.jitter();
}

/// How long packets of a stream that has been replaced may still be under way.
const STRAGGLERS: Duration = Duration::from_secs(1);
/// More than a datagram of any network holds.
const MAX_PAYLOAD: usize = 1600;
/// Ticks of a frame.
const FRAME_SAMPLES: i32 = 160;
/// 80 ms: an event's first packet follows the onset of its tone by a packet time, and two may be lost.
const EVENT_LEAD: Duration = Duration::from_millis(80);
