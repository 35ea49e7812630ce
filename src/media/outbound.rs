//! What goes out: one slot of time after another, each filled by the first who has something for it.
//!
//! ```text
//! keys being sent  >  keys as tones  >  a play  >  bridged frames  >  silence
//! ```
//!
//! Silence of our own is sent as audio, without a gap: that is what carriers expect of whoever answers. Only where the other
//! leg of a call rests, and comfort noise was agreed on here too, its description goes on in place of audio, again each second.
//!
//! The next slot is the last one plus the packet time: lateness never accumulates. Slots that were missed are
//! caught up with, but only a few at once; the rest is skipped, and the timestamps say so. The very first
//! packet leaves at once; every later one keeps the distance of one packet time, also where plays meet. A stream that
//! has a beat falls in with it: its packets leave up to a millisecond early until they do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bridge::Bridge;
use super::decoding::Decoding;
use super::frame::Frame;
use super::player::Player;
use super::rtp::packet::{self, Header, Packet};
use super::rtp::reception::samples;
use super::rtp::rtcp::Sent;
use super::rtp::seq::SeqNo;
use super::rtp::telephone_event_send::{self, EventSender, Slot};
use super::sdp::Remote;
use crate::audio::tone::{self, Tone};
use crate::audio::{Band, Clip, Codec, Encoder, Noise, NoiseMaker, Rebander};
use crate::units::{Digit, PayloadType, PlayId, RtpTimestamp, Ssrc};

/// The sending half of a session.
pub struct Outbound {
    ssrc: Ssrc,
    seq: SeqNo,
    comfort: bool,
    beat: Option<Instant>,
    stream: Option<Stream>,
    /// The timestamp of the next slot.
    timestamp: RtpTimestamp,
    /// The next packet is the first of a talkspurt.
    marker: bool,
    /// Slots filled since the last input.
    burst: u32,
    player: Option<Player>,
    bridge: Bridge,
    /// The other leg rests, and the peer was told so.
    rest: Option<Rest>,
    keys: EventSender,
    /// Keys for a peer without telephone-events.
    tones: Option<Player>,
    /// Hears what is sent, once somebody wants to.
    tap: Option<Box<Decoding>>,
    /// What it heard last.
    said: Vec<i16>,
    packets: u64,
    octets: u64,
}

/// How to send, once that is known.
struct Stream {
    voice: Voice,
    payload_type: PayloadType,
    telephone_event: Option<PayloadType>,
    /// How far the durations of telephone-events go in a tick.
    event_clock: u16,
    /// The payload type of comfort noise, where the peer takes it.
    comfort_noise: Option<PayloadType>,
    ptime: Duration,
    /// We may send now.
    open: bool,
    /// The time of the next slot.
    next: Instant,
    /// Slots follow each other; else the stream rests and the next slot is whenever there is something.
    running: bool,
}

impl Stream {
    /// How far the timestamps go in a tick of 125 µs.
    fn clock(&self) -> i64 {
        self.voice.codec.clock_of_tick().into()
    }
}

/// A pause that was announced to the peer.
struct Rest {
    noise: Noise,
    /// How much of it has passed since it was announced last.
    told: Duration,
    /// Makes it for whoever wants to have what the peer hears.
    maker: Option<Box<NoiseMaker>>,
}

/// What a slot gave.
pub struct Sending {
    /// The packet, if one is to be sent.
    pub packet: Option<Packet>,
    /// The play whose last packet this was.
    pub finished: Option<PlayId>,
}

impl Outbound {
    /// Sends nothing before [`Outbound::connect`].
    #[must_use]
    pub fn new(
        ssrc: Ssrc,
        (seq, timestamp): (u16, RtpTimestamp),
        comfort: bool,
        beat: Option<Instant>,
    ) -> Self {
        Self {
            ssrc,
            seq: SeqNo(seq),
            comfort,
            beat,
            stream: None,
            timestamp,
            marker: true,
            burst: 0,
            player: None,
            bridge: Bridge::default(),
            rest: None,
            keys: EventSender::default(),
            tones: None,
            tap: None,
            said: Vec::new(),
            packets: 0,
            octets: 0,
        }
    }

    /// Takes what was negotiated. Slots that run go on; a held stream rests, and with it what plays.
    pub fn connect(&mut self, now: Instant, remote: &Remote) {
        let open = remote.direction.sends() && !remote.rtp.ip().is_unspecified() && remote.rtp.port() != 0;
        let before = self.stream.as_ref();
        // The first slot is for silence, unless something better comes before: see `begin_stream`.
        let next = before.map_or(now + remote.ptime, |stream| stream.next);
        let running = open && before.is_some_and(|stream| stream.running);
        if remote.telephone_event.is_none() {
            self.keys.clear();
        }
        let voice = match self.stream.take() {
            Some(stream) if stream.voice.codec == remote.codec => stream.voice,
            _ => Voice::new(remote.codec),
        };
        self.bridge.serve(remote.codec.band());
        self.stream = Some(Stream {
            voice,
            payload_type: remote.payload_type,
            telephone_event: remote.telephone_event,
            event_clock: remote.event_clock,
            comfort_noise: remote.comfort_noise,
            ptime: remote.ptime,
            open,
            next,
            running,
        });
        self.wake(now);
        if self.has_content() {
            self.begin_stream(now);
        }
    }

    /// A new input has come: slots may be caught up with again.
    pub fn begin(&mut self) {
        self.burst = 0;
    }

    /// Plays these clips in place of what plays; `true` when there is nothing in them.
    pub fn play(&mut self, now: Instant, id: PlayId, clips: Vec<Arc<Clip>>, repeat: bool) -> bool {
        let player = Player::new(id, clips, repeat);
        self.player = None;
        if player.is_finished() {
            return true;
        }
        self.player = Some(player);
        self.wake(now);
        self.begin_stream(now);
        false
    }

    /// Plays nothing any more.
    pub fn stop(&mut self) {
        self.player = None;
    }

    /// Sends these keys after those that wait: as telephone-events, or as tones to a peer without them.
    pub fn send_keys(&mut self, now: Instant, digits: &[Digit]) {
        if self.stream.as_ref().is_none_or(|stream| stream.telephone_event.is_some()) {
            for &digit in digits {
                self.keys.push(digit);
            }
        } else {
            self.send_tones(digits);
        }
        self.wake(now);
        self.begin_stream(now);
    }

    fn send_tones(&mut self, digits: &[Digit]) {
        let tones = self.tones.get_or_insert_with(|| Player::new(PlayId(0), Vec::new(), false));
        for &digit in digits {
            let mut samples = tone::render(Tone::Dtmf(digit), TONE_TIME);
            samples.extend(tone::render(Tone::Silence, TONE_PAUSE));
            tones.append(Arc::new(Clip::from_pcm(&samples)));
        }
    }

    /// Bridged audio for the next slots.
    pub fn push(&mut self, now: Instant, frame: &Frame) {
        if let Some(stream) = &self.stream
            && stream.open
            && self.player.is_none()
        {
            self.bridge.push(frame);
            self.wake(now);
            self.begin_stream(now);
        }
    }

    /// When the next slot is to be filled; `None` while there is nothing to send.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let stream = self.stream.as_ref().filter(|stream| stream.open)?;
        (self.comfort || self.has_content()).then_some(stream.next)
    }

    /// Fills the next slot when its time has come.
    pub fn fill(&mut self, now: Instant) -> Option<Sending> {
        if self.due().is_none_or(|due| due > now) {
            self.rest_when_idle();
            return None;
        }
        if self.burst >= MAX_BURST {
            self.skip_missed(now);
            return None;
        }
        self.burst += 1;
        if self.keys.is_busy() {
            return Some(self.fill_with_key());
        }
        if let Some((payload_type, noise)) = self.resting() {
            return Some(self.fill_with_noise(payload_type, noise));
        }
        self.marker |= self.rest.take().is_some();
        Some(self.fill_with_audio())
    }

    /// Listens to a slot that was just filled; `false` for a key. What it holds is [`Outbound::heard`] then.
    pub fn hear(&mut self, sending: &Sending) -> bool {
        self.said.clear();
        let Some(stream) = &self.stream else { return false };
        if let Some(rest) = &mut self.rest {
            let count = usize::try_from(samples(stream.ptime)).unwrap_or(0).min(MOST_TICKS);
            self.said.resize(count, 0);
            let maker = rest.maker.get_or_insert_with(|| Box::new(NoiseMaker::new(rest.noise)));
            maker.fill(rest.noise, &mut self.said);
            return true;
        }
        let read = sending.packet.as_deref().and_then(packet::read);
        let of_audio = read.filter(|(header, _)| header.payload_type == stream.payload_type);
        let Some((_, payload)) = of_audio else { return false };
        let codec = stream.voice.codec;
        let tap = self.tap.get_or_insert_with(|| Box::new(Decoding::new(codec)));
        tap.decode(codec, payload);
        self.said.extend_from_slice(tap.narrow());
        true
    }

    /// The audio of the slot that was listened to last, in the telephone band.
    #[must_use]
    pub fn heard(&self) -> Frame {
        Frame::new(Band::Narrow, &self.said)
    }

    /// Figures for a report at `now`.
    #[must_use]
    pub fn sent(&self, now: Instant) -> Sent {
        let timestamp = match &self.stream {
            // The slot to come has `timestamp`; the moment may lie before or after it.
            Some(stream) => {
                let ahead = samples(stream.next.saturating_duration_since(now));
                let behind = samples(now.saturating_duration_since(stream.next));
                advanced(self.timestamp, (behind - ahead) * stream.clock())
            }
            None => self.timestamp,
        };
        Sent { packets: self.packets, octets: self.octets, timestamp }
    }

    fn has_content(&self) -> bool {
        self.keys.is_busy() || self.tones.is_some() || self.player.is_some() || self.bridge.is_ready()
    }

    /// A stream that rested starts its slots now; its timestamps account for the rest (RFC 3550 §5.1).
    fn wake(&mut self, now: Instant) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.open && !stream.running) else {
            return;
        };
        stream.running = true;
        self.marker = true;
        if now > stream.next {
            let rested = samples(now - stream.next) * stream.clock();
            stream.next = now;
            self.timestamp = advanced(self.timestamp, rested);
        }
    }

    /// The very first packet waits for no slot.
    fn begin_stream(&mut self, now: Instant) {
        if let Some(stream) = self.stream.as_mut().filter(|_| self.packets == 0) {
            stream.next = stream.next.min(now);
        }
    }

    fn rest_when_idle(&mut self) {
        let is_idle = !self.comfort && !self.has_content();
        if let Some(stream) = self.stream.as_mut().filter(|_| is_idle) {
            stream.running = false;
        }
    }

    /// Gives up the slots that are too many to catch up with.
    fn skip_missed(&mut self, now: Instant) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.next <= now) else { return };
        let late = (now - stream.next).as_nanos();
        let missed = u32::try_from(late / stream.ptime.as_nanos().max(1)).unwrap_or(u32::MAX - 1) + 1;
        let skipped = stream.ptime * missed;
        stream.next += skipped;
        self.timestamp = advanced(self.timestamp, samples(skipped) * stream.clock());
        self.marker = true;
    }

    fn fill_with_key(&mut self) -> Sending {
        let slot = self.keys.next(self.timestamp);
        let clock = self.stream.as_ref().map_or(1, |stream| stream.event_clock);
        let payload_type = self.stream.as_ref().and_then(|stream| stream.telephone_event);
        let packet = match (slot, payload_type) {
            (Some(Slot::Packet { timestamp, marker, payload }), Some(payload_type)) => {
                let mut packet = packet::begin();
                packet.extend_from_slice(&telephone_event_send::at_clock(payload, clock));
                Some(self.seal(packet, payload_type, timestamp, marker))
            }
            _ => None,
        };
        // Audio takes up again as a new talkspurt.
        self.marker = true;
        self.rest = None;
        self.bridge.clear();
        self.pass_slot(telephone_event_send::SAMPLES.into(), telephone_event_send::INTERVAL);
        Sending { packet, finished: None }
    }

    /// The peer's number of comfort noise and what the other leg's background is like, while that rests and nothing of
    /// ours is to be heard.
    fn resting(&self) -> Option<(PayloadType, Noise)> {
        let stream = self.stream.as_ref().filter(|_| self.tones.is_none() && self.player.is_none())?;
        let noise = self.bridge.rests(usize::try_from(samples(stream.ptime)).unwrap_or(0))?;
        Some((stream.comfort_noise?, noise))
    }

    /// Tells the peer what it is to make up by itself; most slots of a pause stay empty.
    fn fill_with_noise(&mut self, payload_type: PayloadType, noise: Noise) -> Sending {
        let ptime = self.stream.as_ref().map_or(Duration::ZERO, |stream| stream.ptime);
        let _ = self.bridge.take(usize::try_from(samples(ptime)).unwrap_or(0));
        self.bridge.pass();
        let maker = match &mut self.rest {
            Some(rest) if rest.noise == noise && rest.told + ptime < TOLD_AGAIN => {
                rest.told += ptime;
                self.pass_slot(samples(ptime), ptime);
                return Sending { packet: None, finished: None };
            }
            rest => rest.take().and_then(|rest| rest.maker),
        };
        self.rest = Some(Rest { noise, told: Duration::ZERO, maker });
        let mut packet = packet::begin();
        noise.write(&mut packet);
        let packet = self.seal(packet, payload_type, self.timestamp, false);
        self.pass_slot(samples(ptime), ptime);
        Sending { packet: Some(packet), finished: None }
    }

    fn fill_with_audio(&mut self) -> Sending {
        let Some(stream) = &mut self.stream else { return Sending { packet: None, finished: None } };
        let (payload_type, ptime, voice) = (stream.payload_type, stream.ptime, &mut stream.voice);
        let wanted = usize::try_from(samples(ptime)).unwrap_or(0);
        let mut packet = packet::begin();
        let mut finished = None;
        if let Some(tones) = &mut self.tones {
            voice.play(tones, wanted, &mut packet);
            if tones.is_finished() {
                self.tones = None;
            }
            self.bridge.clear();
        } else if let Some(player) = &mut self.player {
            voice.play(player, wanted, &mut packet);
            if player.is_finished() {
                finished = Some(player.id());
                self.player = None;
            }
            self.bridge.clear();
        } else if let Some(audio) = self.bridge.take(wanted) {
            voice.encoder.get_or_insert_with(|| Encoder::new(voice.codec)).encode(audio, &mut packet);
            self.bridge.pass();
        } else {
            voice.codec.silence(wanted, &mut packet);
        }
        let marker = std::mem::take(&mut self.marker);
        let packet = self.seal(packet, payload_type, self.timestamp, marker);
        self.pass_slot(samples(ptime), ptime);
        Sending { packet: Some(packet), finished }
    }

    fn seal(
        &mut self,
        mut packet: Packet,
        payload_type: PayloadType,
        timestamp: RtpTimestamp,
        marker: bool,
    ) -> Packet {
        let header = Header { payload_type, marker, seq: self.seq, timestamp, ssrc: self.ssrc };
        packet::seal(&mut packet, &header);
        self.seq = self.seq.next();
        self.packets += 1;
        self.octets += u64::try_from(packet.len()).unwrap_or(0).saturating_sub(12);
        packet
    }

    /// `count` in ticks of 125 µs.
    fn pass_slot(&mut self, count: i64, length: Duration) {
        if let Some(stream) = &mut self.stream {
            self.timestamp = advanced(self.timestamp, count * stream.clock());
            stream.next += length;
            if let Some(beat) = self.beat {
                stream.next -= behind(beat, stream.next, stream.ptime).min(LEAN);
            }
        }
    }
}

/// The coder of what is not encoded yet; prompts mostly are, and that of Opus is large.
struct Voice {
    codec: Codec,
    encoder: Option<Encoder>,
    rebander: Rebander,
    /// Of a packet: at 8,000 Hz, and in the codec's band.
    samples: Vec<i16>,
    banded: Vec<i16>,
}

impl Voice {
    fn new(codec: Codec) -> Self {
        let (samples, banded) = (Vec::new(), Vec::new());
        Self { codec, encoder: None, rebander: Rebander::default(), samples, banded }
    }

    fn play(&mut self, player: &mut Player, ticks: usize, packet: &mut Packet) {
        if player.is_encoded(self.codec, ticks) {
            player.take(self.codec, ticks, packet);
            return;
        }
        self.samples.clear();
        player.take_samples(ticks, &mut self.samples);
        self.banded.clear();
        self.rebander.pass(&self.samples, Band::Narrow, self.codec.band(), &mut self.banded);
        self.encoder.get_or_insert_with(|| Encoder::new(self.codec)).encode(&self.banded, packet);
    }
}

fn advanced(timestamp: RtpTimestamp, by: i64) -> RtpTimestamp {
    let by = u32::try_from(by.rem_euclid(1 << 32)).unwrap_or(0);
    RtpTimestamp(timestamp.0.wrapping_add(by))
}

/// How far a slot is behind the beat, which goes on each 20 ms; packets of other times can only keep to the half of it.
fn behind(beat: Instant, slot: Instant, ptime: Duration) -> Duration {
    let period = if ptime.subsec_millis().is_multiple_of(20) { BEAT } else { BEAT / 2 };
    let since = slot.saturating_duration_since(beat).as_nanos();
    // In 64 bits, where a division is cheap: five hundred years.
    let [since, period] = [since, period.as_nanos()].map(|nanos| u64::try_from(nanos).unwrap_or(u64::MAX));
    Duration::from_nanos(since % period.max(1))
}

/// Packets sent at once after a stall: 100 ms, what most receivers' buffers take.
const MAX_BURST: u32 = 5;
/// As long as a key sent as an event.
const TONE_TIME: Duration = Duration::from_millis(100);
/// ITU-T Q.24: receivers may want 40 ms and more.
const TONE_PAUSE: Duration = Duration::from_millis(60);
/// The longest packet, in ticks.
const MOST_TICKS: usize = 480;
/// How often a pause that goes on is announced again: who lost the word waits no longer, and no NAT binding ends.
const TOLD_AGAIN: Duration = Duration::from_secs(1);
/// What a slot may come early: no receiver's buffer feels it, and the beat is met within twenty packets.
const LEAN: Duration = Duration::from_millis(1);
const BEAT: Duration = Duration::from_millis(20);

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
