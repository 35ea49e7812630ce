//! Comfort noise (RFC 3389) as a call has it, in virtual time: peers that rest, what is heard of them, what goes on to the other
//! leg, and what strangers and damaged packets change.

mod media_world;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::audio::{Codec, Law, level};
use countersign::media::sdp::{answer, offer};
use countersign::media::{
    Attention, Event, Frame, InbandKeys, Input, LocalMedia, MediaConfig, MediaSession, NoAudio, Output,
    Packet,
};
use countersign::units::{Digit, Entropy, Epoch, UnixTime};
use media_world::{MS, start};

const PEER: &str = "198.51.100.1:4000";
const STRANGER: &str = "203.0.113.66:4000";
const FRAME: u32 = 20;

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn local(comfort_noise: bool, codecs: &[Codec]) -> LocalMedia {
    LocalMedia { comfort_noise, codecs: codecs.to_vec(), ..LocalMedia::new(at("192.0.2.1:4000"), 1) }
}

fn offered(lines: &str) -> Vec<u8> {
    let head = "v=0|o=- 1 1 IN IP4 198.51.100.1|s=-|c=IN IP4 198.51.100.1|t=0 0|";
    format!("{head}{lines}").replace('|', "\r\n").into_bytes()
}

/// A leg and what came of it.
struct Leg {
    session: MediaSession,
    began: Instant,
    now: Instant,
    seq: u16,
    ticks: u32,
    events: Vec<(u64, Event)>,
    frames: Vec<Frame>,
    heard: Vec<Frame>,
    sent: Vec<(u64, Packet)>,
}

impl Leg {
    fn new(lines: &str, local: &LocalMedia, inband_keys: InbandKeys) -> Self {
        let began = start();
        let epoch = Epoch { instant: began, unix: UnixTime(0) };
        let mut entropy = Entropy::from_seed([4; 32]);
        let codecs = local.codecs.iter().copied().collect();
        let silence_timeout = Duration::from_secs(60);
        let config = MediaConfig {
            codecs,
            inband_keys,
            silence_timeout,
            ..MediaConfig::from_entropy(&mut entropy, epoch)
        };
        let mut session = MediaSession::new(began, config);
        session.connect(began, &answer(&offered(lines), local).expect("acceptable").remote);
        session.listen(true);
        let (events, frames, heard, sent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { session, began, now: began, seq: 7, ticks: u32::MAX - 9000, events, frames, heard, sent }
    }

    fn pcma() -> Self {
        Self::new(
            "m=audio 4000 RTP/AVP 8 13 101|a=rtpmap:101 telephone-event/8000|",
            &local(true, &[Codec::Pcma]),
            InbandKeys::Off,
        )
    }

    fn drain(&mut self) {
        let ms = u64::try_from((self.now - self.began).as_millis()).expect("short");
        loop {
            match self.session.poll() {
                Output::Event(event) => self.events.push((ms, event)),
                Output::Frame(frame) => self.frames.push(frame),
                Output::Heard(frame) => self.heard.push(frame),
                Output::Rtp { bytes, .. } => self.sent.push((ms, bytes)),
                Output::Rtcp { .. } | Output::Said(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }

    fn receive(&mut self, from: &str, kind: u8, payload: &[u8]) {
        let mut bytes = vec![0x80, kind];
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ticks.to_be_bytes());
        bytes.extend(0x1234_5678_u32.to_be_bytes());
        bytes.extend(payload);
        self.session.handle(self.now, Input::Rtp { came: self.now, from: at(from), bytes: &bytes });
        self.drain();
    }

    /// The peer sends a packet of the stream.
    fn packet(&mut self, kind: u8, payload: &[u8]) {
        self.receive(PEER, kind, payload);
        self.seq = self.seq.wrapping_add(1);
    }

    fn pass(&mut self, milliseconds: u32) {
        for _ in 0..milliseconds / FRAME {
            self.now += MS * FRAME;
            self.ticks = self.ticks.wrapping_add(FRAME * 8);
            self.session.handle(self.now, Input::Timeout);
            self.drain();
        }
    }

    /// The peer says these samples in A-law.
    fn say(&mut self, samples: &[i16]) {
        for part in samples.chunks(160) {
            let mut octets = Vec::new();
            Law::A.encode(part, &mut octets);
            self.packet(8, &octets);
            self.pass(FRAME);
        }
    }

    fn tone(&mut self, milliseconds: u32) {
        let samples: Vec<i16> =
            (0..milliseconds * 8).map(|n| if n % 16 < 8 { 6000 } else { -6000 }).collect();
        self.say(&samples);
    }

    /// The level of what was heard in the last so many frames.
    fn level(&self, frames: usize) -> f64 {
        let last = &self.frames[self.frames.len() - frames..];
        let samples: Vec<i16> = last.iter().flat_map(|frame| frame.samples.iter().copied()).collect();
        level::rms_dbm0(&samples)
    }

    fn told(&self) -> Vec<Event> {
        let fleeting = |event: &Event| matches!(event, Event::Latched(_) | Event::FirstPacket);
        self.events.iter().map(|(_, event)| *event).filter(|event| !fleeting(event)).collect()
    }
}

#[test]
fn comfort_noise_is_taken_where_the_settings_say_so_and_goes_with_the_codec() {
    let events = "a=rtpmap:101 telephone-event/8000|";
    let table = [
        (true, "8 13 101|", Some("8 13 101")),
        (true, "8 101 98|a=rtpmap:98 CN/8000|", Some("8 98 101")),
        (true, "9 13 101|", Some("9 13 101")),
        (true, "13 8 101|", Some("8 13 101")),
        (true, "8 101|", Some("8 101")),
        (true, "8 98 101|a=rtpmap:98 CN/16000|", Some("8 101")),
        (true, "8 13 101|a=rtpmap:13 G729/8000|", Some("8 101")),
        (true, "120 13 101|a=rtpmap:120 opus/48000/2|", Some("120 101")),
        (false, "8 13 101|", Some("8 101")),
        (true, "13|", None),
    ];
    for (wanted, formats, expected) in table {
        let offer = offered(&format!("m=audio 4000 RTP/AVP {formats}{events}"));
        let found = answer(&offer, &local(wanted, Codec::ALL));
        let line = found.as_ref().ok().map(|done| {
            let text = std::str::from_utf8(&done.body).expect("ASCII");
            let number = done.remote.comfort_noise.map(|number| number.0);
            assert_eq!(number.is_some(), text.contains(" CN/8000\r\n"), "{text}");
            assert_eq!(done.remote.receive_noise, done.remote.comfort_noise);
            let line = text.lines().find_map(|line| line.strip_prefix("m=audio 4000 RTP/AVP "));
            line.expect("an audio line").to_owned()
        });
        assert_eq!(line.as_deref(), expected, "{formats}");
    }
    for (wanted, codecs, line) in [
        (true, &[Codec::G722, Codec::Pcma][..], "9 8 13 101"),
        (true, &[Codec::Opus], "111 102 101"),
        (false, &[Codec::Pcma], "8 101"),
    ] {
        let text = String::from_utf8(offer(&local(wanted, codecs)).to_vec()).expect("ASCII");
        assert!(text.contains(&format!("RTP/AVP {line}\r\n")), "{text}");
        assert_eq!(text.contains("a=rtpmap:13 CN/8000\r\n"), line.contains("13"), "{text}");
    }
}

#[test]
fn a_pause_sounds_as_it_was_described_and_counts_as_no_loss() {
    let mut leg = Leg::pcma();
    leg.tone(400);
    for (level, told) in [(46_u8, -39.8), (60, -53.8), (40, -33.8)] {
        leg.packet(13, &[level]);
        // Ten seconds without a packet.
        leg.pass(10_000);
        assert!((leg.level(300) - told).abs() < 1.0, "{level}: {}", leg.level(300));
        assert!(leg.frames.last().expect("a frame").noise.is_some());
    }
    leg.tone(400);
    assert!(leg.level(5) > -12.0 && leg.frames.last().expect("a frame").noise.is_none());
    let stats = leg.session.stats();
    assert_eq!((stats.packets_lost, stats.late, stats.malformed), (0, 0, 0));
    assert!(stats.concealed <= 4, "{} frames were made up", stats.concealed);
    assert!(leg.told().is_empty(), "{:?}", leg.told());
    // The same pause without a word: three seconds are told, and nothing is heard of it.
    let mut mute = Leg::pcma();
    mute.tone(400);
    mute.pass(10_000);
    assert_eq!(mute.told(), [Event::NoAudio(NoAudio::Stopped)]);
    assert!(mute.frames.len() < 120, "a dead stream stops: {}", mute.frames.len());
}

#[test]
fn a_call_may_begin_with_a_pause_and_wide_codecs_have_them_too() {
    let lines = "m=audio 4000 RTP/AVP 9 13|";
    let mut leg = Leg::new(lines, &local(true, &[Codec::G722]), InbandKeys::Off);
    leg.packet(13, &[50, 90, 140]);
    leg.pass(5000);
    assert!(leg.frames.len() > 200, "{}", leg.frames.len());
    assert!(leg.frames.iter().all(|frame| frame.samples.len() == 320 && frame.noise.is_some()));
    assert!((leg.level(100) + 43.8).abs() < 1.0, "{}", leg.level(100));
    leg.packet(9, &[0x55; 160]);
    leg.pass(100);
    assert!(leg.frames.iter().any(|frame| frame.noise.is_none()), "what comes then is heard");
}

#[test]
fn a_peer_that_rests_stays_and_a_dead_one_goes() {
    // One description and nothing more: ten times the timeout; told then, and gone.
    let mut mute = Leg::pcma();
    mute.tone(100);
    mute.packet(13, &[50]);
    mute.pass(599_000);
    assert!(mute.told().is_empty(), "{:?}", mute.told());
    mute.pass(3000);
    assert_eq!(mute.told(), [Event::NoAudio(NoAudio::Stopped), Event::Silent]);
    // Descriptions go on for an hour.
    let mut resting = Leg::pcma();
    resting.tone(100);
    for _ in 0..360 {
        resting.packet(13, &[50]);
        resting.pass(10_000);
    }
    assert!(resting.told().is_empty(), "{:?}", resting.told());
    // It reports for a quarter of an hour, then dies: the usual timeout.
    let mut reporting = Leg::pcma();
    reporting.tone(100);
    reporting.packet(13, &[50]);
    let report = [0x80, 201, 0, 1, 0x12, 0x34, 0x56, 0x78];
    for _ in 0..180 {
        let from = at("198.51.100.1:4001");
        reporting.session.handle(reporting.now, Input::Rtcp { from, bytes: &report });
        reporting.drain();
        reporting.pass(5000);
    }
    assert!(reporting.told().is_empty(), "{:?}", reporting.told());
    reporting.pass(54_000);
    assert!(reporting.told().is_empty());
    reporting.pass(3000);
    assert_eq!(reporting.told(), [Event::NoAudio(NoAudio::Stopped), Event::Silent]);
    // Once it speaks again, three seconds are three seconds.
    let mut speaking = Leg::pcma();
    speaking.packet(13, &[50]);
    speaking.pass(10_000);
    speaking.tone(100);
    speaking.pass(4000);
    assert_eq!(speaking.told(), [Event::NoAudio(NoAudio::Stopped)]);
}

#[test]
fn a_strangers_comfort_noise_changes_nothing() {
    let run = |stranger: bool| {
        let mut leg = Leg::pcma();
        leg.tone(400);
        for _ in 0..250 {
            if stranger {
                leg.receive(STRANGER, 13, &[20]);
                leg.receive(STRANGER, 13, &[]);
            }
            leg.pass(FRAME);
        }
        leg
    };
    let (calm, attacked) = (run(false), run(true));
    assert!(calm.frames == attacked.frames, "what is heard is the same");
    assert_eq!(attacked.told(), [Event::NoAudio(NoAudio::Elsewhere)], "and the silence is noticed");
    assert_eq!(attacked.session.stats().foreign, 500);
}

#[test]
fn payloads_of_any_kind_are_noise_at_most() {
    let mut entropy = Entropy::from_seed([8; 32]);
    for length in (0..=300).chain([0, 1, 2, 11, 12]) {
        let mut leg = Leg::pcma();
        leg.tone(100);
        let payload: Vec<u8> = (0..length).map(|_| entropy.next_u32().to_le_bytes()[1]).collect();
        leg.packet(13, &payload);
        leg.pass(400);
        let frames = leg.frames.len();
        leg.pass(4000);
        assert_eq!(leg.session.stats().malformed, u64::from(payload.is_empty()), "{length}");
        let (events, heard) = (leg.told(), leg.frames.len() - frames);
        if payload.is_empty() {
            assert_eq!(events, [Event::NoAudio(NoAudio::Garbage)]);
        } else {
            assert!(events.is_empty() && heard == 200, "{length}: {events:?}, {heard} frames");
            // The loudest is −13.8 dBm0; what resonates sways up to three times as far.
            assert!(leg.level(100) < -13.7 + 9.6, "{length}: {}", leg.level(100));
        }
    }
}

#[test]
fn a_pause_between_tones_parts_the_keys_and_is_no_voice() {
    let lines = "m=audio 4000 RTP/AVP 8 13|";
    let mut leg = Leg::new(lines, &local(true, &[Codec::Pcma]), InbandKeys::Auto);
    leg.session.attend(Attention::Told);
    let key = Digit::from_char('5').expect("a key");
    let tone = countersign::audio::tone::render(countersign::audio::tone::Tone::Dtmf(key), MS * 100);
    for _ in 0..3 {
        leg.say(&tone);
        leg.packet(13, &[40, 30, 200]);
        leg.pass(80);
    }
    for _ in 0..30 {
        leg.packet(13, &[26, 30, 200]);
        leg.pass(400);
    }
    leg.say(&[0; 800]);
    let keys = leg.told().iter().filter(|event| **event == Event::Tone(key)).count();
    assert_eq!((keys, leg.told().len()), (3, 3), "{:?}", leg.told());
}

/// Two legs joined: what one says is pushed to the other.
fn joined(from: &mut Leg, to: &mut Leg, steps: &mut dyn FnMut(&mut Leg, u32), count: u32) {
    for n in 0..count {
        steps(from, n);
        from.pass(FRAME);
        for frame in std::mem::take(&mut from.frames) {
            to.session.push(frame);
        }
        to.pass(FRAME);
    }
}

fn kind(packet: &Packet) -> u8 {
    packet[1] & 0x7F
}

fn timestamp(packet: &Packet) -> u32 {
    u32::from_be_bytes(packet[4..8].try_into().expect("four"))
}

/// An agent who speaks for a second, rests for three, and speaks again.
fn agent(leg: &mut Leg, n: u32) {
    match n {
        50 => leg.packet(13, &[45, 100]),
        51..200 => {}
        _ => {
            let octets: Vec<u8> = (0..160).map(|n| if n % 16 < 8 { 0x2A } else { 0xAA }).collect();
            leg.packet(8, &octets);
        }
    }
}

#[test]
fn a_pause_of_one_leg_is_announced_to_the_other_where_that_was_agreed_on() {
    let mut to = Leg::pcma();
    to.session.tap(true);
    joined(&mut Leg::pcma(), &mut to, &mut agent, 300);
    let noise: Vec<_> = to.sent.iter().filter(|(_, packet)| kind(packet) == 13).collect();
    assert_eq!(noise.len(), 3, "one at the start, one each second");
    assert!(noise.iter().all(|(_, packet)| packet[12..] == [45, 100]), "as the agent described it");
    let (before, behind) = (noise[0].0, noise[2].0);
    let audio = to.sent.iter().filter(|(ms, packet)| (before..=behind).contains(ms) && kind(packet) == 8);
    assert_eq!(audio.count(), 0, "and no audio between");
    // The sequence has no gap, the timestamps keep the time, and the talkspurt says that it begins.
    for pair in to.sent.windows(2) {
        let seq = |packet: &Packet| u16::from_be_bytes([packet[2], packet[3]]);
        assert_eq!(seq(&pair[1].1), seq(&pair[0].1).wrapping_add(1));
        let passed = u32::try_from(pair[1].0 - pair[0].0).expect("short") * 8;
        assert_eq!(timestamp(&pair[1].1), timestamp(&pair[0].1).wrapping_add(passed));
    }
    let resumed = to.sent.iter().find(|(ms, _)| *ms > behind).expect("the agent speaks again");
    assert_eq!((kind(&resumed.1), resumed.1[1] & 0x80), (8, 0x80));
    // Who records what the caller hears, hears the noise.
    let quiet: Vec<i16> = to.heard[90..180].iter().flat_map(|frame| frame.samples.iter().copied()).collect();
    assert!((level::rms_dbm0(&quiet) + 38.8).abs() < 1.0, "{}", level::rms_dbm0(&quiet));
    assert!(to.heard.len() > 290, "{} slots", to.heard.len());
}

#[test]
fn a_pause_of_one_leg_is_noise_in_the_codec_of_one_that_takes_no_descriptions() {
    for (codec, formats) in [(Codec::Pcma, "8"), (Codec::Pcmu, "0"), (Codec::G722, "9")] {
        let lines = format!("m=audio 4000 RTP/AVP {formats} 101|a=rtpmap:101 telephone-event/8000|");
        let mut to = Leg::new(&lines, &local(true, &[codec]), InbandKeys::Off);
        to.session.tap(true);
        joined(&mut Leg::pcma(), &mut to, &mut agent, 300);
        assert!(to.sent.len() > 290, "{codec:?}: a packet each 20 ms: {}", to.sent.len());
        assert!(to.sent.iter().all(|(_, packet)| kind(packet) == codec.payload_type().0));
        let quiet: Vec<i16> =
            to.heard[90..180].iter().flat_map(|frame| frame.samples.iter().copied()).collect();
        assert!((level::rms_dbm0(&quiet) + 38.8).abs() < 1.5, "{codec:?}: {}", level::rms_dbm0(&quiet));
    }
}

#[test]
fn silence_of_our_own_is_audio_also_where_comfort_noise_was_agreed_on() {
    let mut leg = Leg::pcma();
    leg.pass(2000);
    assert!(leg.sent.len() >= 99 && leg.sent.iter().all(|(_, packet)| kind(packet) == 8));
}
