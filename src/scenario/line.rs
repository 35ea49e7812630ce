//! The line between a caller's fingers and the flow: a phone that sends keys as phones do, a network that
//! loses and delays them, and the receiver of a real call. Without faults keys go straight through.
//!
//! The phone's packets are those of [`EventSender`]; what arrives goes through a [`MediaSession`] and, with
//! what SIP INFO tells, through the pairing of a real call, so that one press is one key here or nowhere.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::audio::Law;
use crate::audio::tone::{Tone, render};
use crate::call::press::{Presses, Way};
use crate::media::rtp::packet::{self, Header};
use crate::media::rtp::seq::SeqNo;
use crate::media::rtp::telephone_event_send::{EventSender, INTERVAL, SAMPLES, Slot};
use crate::media::sdp::answer;
use crate::media::{Event, Input, LocalMedia, MediaConfig, MediaSession, Output, Packet};
use crate::units::{Digit, Entropy, Epoch, PayloadType, RtpTimestamp, Ssrc};

use super::document::LineFaults;

/// One caller's line.
pub(super) struct KeyLine(Option<Box<Faulty>>);

/// A line that does something to keys.
struct Faulty {
    faults: LineFaults,
    began: Instant,
    sender: EventSender,
    seq: u16,
    chance: Entropy,
    session: MediaSession,
    presses: Presses,
    flying: Vec<(Instant, Flying)>,
    heard: VecDeque<Digit>,
}

/// Something on its way to us.
enum Flying {
    Packet(Box<Packet>),
    Info(Digit),
}

/// What a phone offers: A-law and telephone-events.
const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
/// The phone's address in that offer, and ours (RFC 5737 documentation ranges).
const PHONE: ([u8; 4], u16) = ([198, 51, 100, 1], 4000);
const OURS: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);
const AUDIO: PayloadType = PayloadType(8);
const EVENTS: PayloadType = PayloadType(101);
const SSRC: Ssrc = Ssrc(0x1234_5678);
/// From one end of the line to the other.
const FLIGHT: Duration = Duration::from_millis(20);
/// A phone tells a key by INFO when it is let go, and signalling takes its time.
const INFO_AFTER: Duration = Duration::from_millis(150);
/// RFC 4733 §2.3: the end bit of the payload's second octet.
const END: u8 = 0x80;

impl KeyLine {
    pub(super) fn new(faults: Option<LineFaults>, now: Instant, epoch: Epoch, chance: Entropy) -> Self {
        Self(faults.and_then(|faults| Some(Box::new(Faulty::new(faults, now, epoch, chance)?))))
    }

    /// Takes a key; `false` when there is no line to speak of.
    pub(super) fn press(&mut self, now: Instant, key: Digit) -> bool {
        match &mut self.0 {
            Some(line) => {
                line.press(now, key);
                true
            }
            None => false,
        }
    }

    /// When something arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        let line = self.0.as_ref()?;
        match line.heard.is_empty() {
            true => line.flying.iter().map(|(at, _)| *at).min(),
            false => Some(line.began),
        }
    }

    /// A key that has arrived by now.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<Digit> {
        self.0.as_mut()?.arrived(now)
    }
}

impl Faulty {
    fn new(faults: LineFaults, now: Instant, epoch: Epoch, mut chance: Entropy) -> Option<Self> {
        let mut session = MediaSession::new(now, MediaConfig::from_entropy(&mut chance, epoch));
        let local = LocalMedia::new(SocketAddr::from(OURS), 1);
        session.connect(now, &answer(OFFER, &local).ok()?.remote);
        drain(&mut session);
        Some(Self {
            faults,
            began: now,
            sender: EventSender::default(),
            seq: 1,
            chance,
            session,
            presses: Presses::default(),
            flying: Vec::new(),
            heard: VecDeque::new(),
        })
    }

    fn press(&mut self, now: Instant, key: Digit) {
        if self.faults.events && self.sender.push(key) {
            let mut slot = 0_u32;
            while let Some(sent) = self.sender.next(self.stamp(now + INTERVAL * slot)) {
                if let Slot::Packet { timestamp, marker, payload } = sent {
                    let is_end = payload.get(1).is_some_and(|flags| flags & END != 0);
                    let marker = marker && !self.faults.no_marker;
                    let keep = !(is_end && self.faults.no_end);
                    self.send(now + INTERVAL * slot, EVENTS, marker, timestamp, &payload, keep);
                }
                slot += 1;
            }
        }
        if self.faults.tones {
            self.sing(now, key);
        }
        if self.faults.info {
            self.flying.push((now + INFO_AFTER, Flying::Info(key)));
        }
    }

    /// The key's tone, as the phone's voice carries it beside the events.
    fn sing(&mut self, now: Instant, key: Digit) {
        let tone = render(Tone::Dtmf(key), KEY);
        let mut encoded = Vec::new();
        Law::A.encode(&tone, &mut encoded);
        for (slot, payload) in (0_u32..).zip(encoded.chunks(usize::from(SAMPLES))) {
            let at = now + INTERVAL * slot;
            self.send(at, AUDIO, false, self.stamp(at), payload, true);
        }
    }

    /// Puts a packet on its way, if the network lets it; `keep` is false for one that the phone leaves out.
    fn send(
        &mut self,
        at: Instant,
        kind: PayloadType,
        marker: bool,
        stamp: RtpTimestamp,
        payload: &[u8],
        keep: bool,
    ) {
        let header =
            Header { payload_type: kind, marker, seq: SeqNo(self.seq), timestamp: stamp, ssrc: SSRC };
        if !keep {
            return;
        }
        self.seq = self.seq.wrapping_add(1);
        let mut bytes = packet::begin();
        bytes.extend_from_slice(payload);
        packet::seal(&mut bytes, &header);
        if self.faults.one_way || self.chance.below(100) < u64::from(self.faults.loss) {
            return;
        }
        let copies = if self.chance.below(100) < u64::from(self.faults.doubled) { 2 } else { 1 };
        let jitter = u64::try_from(self.faults.jitter.as_millis()).unwrap_or(0);
        for _ in 0..copies {
            let late = Duration::from_millis(self.chance.below(jitter.saturating_add(1)));
            self.flying.push((at + FLIGHT + late, Flying::Packet(Box::new(bytes.clone()))));
        }
    }

    fn stamp(&self, at: Instant) -> RtpTimestamp {
        let millis = at.saturating_duration_since(self.began).as_millis() % (1 << 28);
        RtpTimestamp(u32::try_from(millis * 8).unwrap_or(0))
    }

    fn arrived(&mut self, now: Instant) -> Option<Digit> {
        loop {
            let due = self.flying.iter().enumerate().filter(|(_, (at, _))| *at <= now);
            // Of what arrives at the same moment that comes first which was sent first.
            let Some(index) = due.min_by_key(|(_, (at, _))| *at).map(|(index, _)| index) else { break };
            let (at, flying) = self.flying.remove(index);
            match flying {
                Flying::Packet(bytes) => {
                    let from = SocketAddr::from(PHONE);
                    self.session.handle(at, Input::Rtp { came: at, from, bytes: &bytes });
                    for key in drain(&mut self.session) {
                        self.hear(at, Way::Media, key);
                    }
                }
                Flying::Info(key) => self.hear(at, Way::Signalling, key),
            }
        }
        self.heard.pop_front()
    }

    fn hear(&mut self, now: Instant, way: Way, key: Digit) {
        if self.presses.is_new(now, way, key) {
            self.heard.push_back(key);
        }
    }
}

/// How long a key is held (`telephone_event_send`: 100 ms).
const KEY: Duration = Duration::from_millis(100);

fn drain(session: &mut MediaSession) -> Vec<Digit> {
    let mut keys = Vec::new();
    loop {
        match session.poll() {
            Output::Event(Event::Digit(key)) => keys.push(key),
            Output::Timeout(_) => return keys,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{UnixTime, test_start};

    /// What is heard of keys that are pressed one after the other.
    fn heard(faults: LineFaults, keys: &str) -> String {
        let start = test_start();
        let epoch = Epoch { instant: start, unix: UnixTime(0) };
        let mut line = KeyLine::new(Some(faults), start, epoch, Entropy::from_seed([5; 32]));
        let mut out = String::new();
        let mut now = start;
        for key in keys.chars().filter_map(Digit::from_char) {
            let next_press = now + Duration::from_millis(160);
            assert!(line.press(now, key));
            while let Some(at) = line.next().filter(|at| *at <= next_press) {
                now = now.max(at);
                out.extend(line.arrived(now).map(Digit::as_char));
            }
            now = next_press;
        }
        while let Some(at) = line.next() {
            now = now.max(at);
            out.extend(line.arrived(now).map(Digit::as_char));
        }
        out
    }

    const CLEAN: LineFaults = LineFaults {
        events: true,
        tones: false,
        info: false,
        loss: 0,
        doubled: 0,
        no_marker: false,
        no_end: false,
        jitter: Duration::ZERO,
        one_way: false,
    };

    #[test]
    fn every_fault_leaves_one_key_for_one_press() {
        let keys = "80421537#1122*00";
        for faults in [
            CLEAN,
            LineFaults { loss: 10, ..CLEAN },
            LineFaults { doubled: 50, jitter: Duration::from_millis(40), ..CLEAN },
            LineFaults { no_marker: true, no_end: true, loss: 5, ..CLEAN },
            LineFaults { tones: true, ..CLEAN },
            LineFaults { info: true, ..CLEAN },
            LineFaults { events: false, info: true, ..CLEAN },
            LineFaults { info: true, tones: true, one_way: true, ..CLEAN },
        ] {
            assert_eq!(heard(faults, keys), keys, "{faults:?}");
        }
    }

    #[test]
    fn what_never_arrives_is_not_heard() {
        assert_eq!(heard(LineFaults { one_way: true, ..CLEAN }, "123"), "");
        assert_eq!(heard(LineFaults { loss: 100, ..CLEAN }, "123"), "");
    }
}
