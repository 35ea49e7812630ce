//! What the parts of a call cost, each beside the least that its work can take on this machine in the same run: reading
//! or copying the octets in question. `cargo bench --bench parts`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::audio::dtmf::Detector;
use countersign::audio::{Band, Codec, Decoder, Encoder, Law, Vad};
use countersign::engine::Timers;
use countersign::media::JitterConfig;
use countersign::media::rtp::jitter::JitterBuffer;
use countersign::media::rtp::packet;
use countersign::media::rtp::telephone_event_receive::{EventReceiver, Payload};
use countersign::media::srtp::{Crypto, Keying, Srtp, Suite};
use countersign::secret::Secret;
use countersign::sip::Message;
use countersign::units::RtpTimestamp;

const INVITE: &[u8] = b"INVITE sip:bench@192.0.2.1:5060 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK776asdhds;rport\r\nMax-Forwards: 70\r\n\
    From: \"Ana\" <sip:+441632960001@198.51.100.1>;tag=1928301774\r\nTo: <sip:bench@192.0.2.1>\r\n\
    Call-ID: a84b4c76e66710@198.51.100.1\r\nCSeq: 314159 INVITE\r\nContact: <sip:ana@198.51.100.1:5060>\r\n\
    Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\nSupported: timer, 100rel\r\nSession-Expires: 1800\r\n\
    P-Asserted-Identity: <sip:+441632960001@198.51.100.1>\r\nContent-Type: application/sdp\r\nContent-Length: 0\r\n\r\n";
const ROUNDS: u32 = 200_000;
const BATCH: u32 = 100;
const RUN: Duration = Duration::from_millis(40);

fn main() {
    let message = Bytes::from_static(INVITE);
    compare(
        "SIP: an INVITE parsed (bare: its octets read)",
        |_| drop(black_box(Message::from_bytes(black_box(&message)))),
        |_| {
            black_box(read(black_box(INVITE)));
        },
    );
    let mut datagram = [0xD5_u8; 172];
    datagram[..2].copy_from_slice(&[0x80, 8]);
    compare(
        "RTP: a packet read (bare: its octets read)",
        |_| {
            black_box(packet::read(black_box(&datagram)));
        },
        |_| {
            black_box(read(black_box(&datagram)));
        },
    );
    presses();
    jitter(&datagram);
    for &codec in Codec::ALL {
        coder(codec);
    }
    listeners();
    for &suite in Suite::ALL {
        protection(suite, &datagram);
    }
    for keys in [100, 3000, 30_000] {
        timers(keys);
    }
}

fn read(octets: &[u8]) -> u64 {
    octets.iter().map(|octet| u64::from(*octet)).sum()
}

/// Nanoseconds a round, as the best of some runs: what disturbs only adds. A run takes as many rounds as fit into some
/// milliseconds.
fn best(mut round: impl FnMut(u32)) -> f64 {
    let mut done = 0;
    let mut run = || {
        let (start, before) = (Instant::now(), done);
        while start.elapsed() < RUN && done - before < ROUNDS {
            (done..done + BATCH).for_each(&mut round);
            done += BATCH;
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(done - before)
    };
    (0..5).map(|_| run()).fold(f64::INFINITY, f64::min)
}

fn compare(name: &str, part: impl FnMut(u32), bare: impl FnMut(u32)) {
    told(name, best(part), best(bare));
}

fn told(name: &str, part: f64, bare: f64) {
    println!("{name:75} {part:8.1} ns, bare {bare:7.1} ns, ratio {:6.1}", part / bare.max(0.1));
}

/// One press after the other, of seven packets each.
fn presses() {
    let mut receiver = EventReceiver::default();
    let mut heard = 0_u32;
    let packets: Vec<[u8; 4]> = (1..=7_u16)
        .map(|slot| {
            let [high, low] = (160 * slot.min(5)).to_be_bytes();
            [5, if slot >= 5 { 0x8A } else { 0x0A }, high, low]
        })
        .collect();
    let mut seen = 0;
    compare(
        "keys: a packet of a telephone-event (bare: its octets read)",
        |round| {
            let onset = RtpTimestamp((seen / 7) * 1280);
            seen += 1;
            let payload = Payload::read(&packets[round as usize % 7]);
            heard +=
                u32::from(payload.is_some_and(|payload| receiver.receive(false, onset, payload).is_some()));
        },
        |round| {
            black_box(read(black_box(&packets[round as usize % 7])));
        },
    );
    assert!(heard.abs_diff(seen / 7) <= 1, "{heard} keys of {seen} packets");
}

/// A packet in and a frame out each 20 ms.
fn jitter(datagram: &[u8]) {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new(JitterConfig::default());
    let (mut tick, mut frames) = (0_u32, 0_u32);
    let mut audio = Vec::new();
    Law::A.decode(&datagram[12..], &mut audio);
    let payload = audio.as_slice();
    let mut kept = [0_i16; 160];
    compare(
        "jitter buffer: a packet in, a frame out (bare: copied twice)",
        |_| {
            let now = start + Duration::from_millis(20) * tick;
            buffer.insert(now, RtpTimestamp(tick.wrapping_mul(160)), false, Band::Narrow, payload);
            frames += u32::from(black_box(buffer.take(now)).is_some());
            tick += 1;
        },
        |_| {
            kept.copy_from_slice(black_box(payload));
            let out = black_box(kept);
            black_box(&out);
        },
    );
    assert!(tick - frames < 10, "{frames} frames of {tick} packets");
}

/// Something like speech: a voice of 140 Hz with its overtones, a syllable each 200 ms.
fn voice(band: Band) -> Vec<i16> {
    let rate = 8000.0 * if band == Band::Wide { 2.0 } else { 1.0 };
    let count: u32 = if band == Band::Wide { 32_000 } else { 16_000 };
    let at = |n: u32| {
        let seconds = f64::from(n) / rate;
        let tones: f64 = (1..24)
            .map(|k| (std::f64::consts::TAU * 140.0 * f64::from(k) * seconds).sin() / f64::from(k))
            .sum();
        (std::f64::consts::PI * 5.0 * seconds).sin().abs() * tones * 5000.0
    };
    #[expect(clippy::cast_possible_truncation, reason = "held within the range before")]
    (0..count).map(|n| at(n).clamp(-32_768.0, 32_767.0) as i16).collect()
}

/// 20 ms of a codec, each way. Opus is dear and remembers, so its packets are those of two seconds one after the other.
fn coder(codec: Codec) {
    let samples = voice(codec.band());
    let frames: Vec<&[i16]> = samples.chunks_exact(160 * codec.band().samples_of_tick()).collect();
    let mut encoder = Encoder::new(codec);
    let mut octets: Vec<u8> = Vec::with_capacity(4096);
    compare(
        &format!("{}: 20 ms encoded (bare: its samples read)", codec.name()),
        |round| {
            octets.clear();
            encoder.encode(black_box(frames[round as usize % frames.len()]), &mut octets);
        },
        |round| {
            let frame = black_box(frames[round as usize % frames.len()]);
            black_box(frame.iter().fold(0_i16, |all, sample| all ^ sample));
        },
    );
    let mut encoder = Encoder::new(codec);
    let encoded = |frame: &&[i16]| {
        let mut octets = Vec::new();
        encoder.encode(frame, &mut octets);
        octets
    };
    let packets: Vec<Vec<u8>> = frames.iter().map(encoded).collect();
    let mut decoder = Decoder::new(codec);
    let mut heard: Vec<i16> = Vec::with_capacity(4096);
    compare(
        &format!("{}: 20 ms decoded (bare: its octets read)", codec.name()),
        |round| {
            heard.clear();
            decoder.decode(black_box(&packets[round as usize % packets.len()]), &mut heard);
        },
        |round| {
            black_box(read(black_box(&packets[round as usize % packets.len()])));
        },
    );
}

/// What listens to 20 ms of a caller.
fn listeners() {
    let samples = voice(Band::Narrow);
    let frames: Vec<&[i16]> = samples.chunks_exact(160).collect();
    let silence = [3_i16; 160];
    let bare = |frame: &[i16]| {
        black_box(black_box(frame).iter().fold(0_i16, |all, sample| all ^ sample));
    };
    let mut detector = Detector::default();
    compare(
        "keys in the sound of the line: 20 ms (bare: its samples read)",
        |round| detector.push(black_box(frames[round as usize % frames.len()]), |_| {}),
        |round| bare(frames[round as usize % frames.len()]),
    );
    let mut vad = Vad::default();
    compare(
        "voice activity: 20 ms of a voice (bare: its samples read)",
        |round| {
            black_box(vad.hear(black_box(frames[round as usize % frames.len()])));
        },
        |round| bare(frames[round as usize % frames.len()]),
    );
    let mut vad = Vad::default();
    compare(
        "voice activity: 20 ms of silence (bare: its samples read)",
        |_| {
            black_box(vad.hear(black_box(&silence)));
        },
        |_| bare(&silence),
    );
}

/// A packet protected, and opened by the other side.
fn protection(suite: Suite, datagram: &[u8; 172]) {
    let key = |octet| Keying::new(suite, Secret::new(vec![octet; suite.material()])).expect("of its length");
    let side = |ours, theirs| Srtp::new(&Crypto { ours: key(ours), theirs: key(theirs) }).expect("keys");
    let (mut here, mut there) = (side(1, 2), side(2, 1));
    let numbered = |round: u32| {
        let mut packet = packet::Packet::new();
        packet.extend_from_slice(datagram);
        let [.., high, low] = round.to_be_bytes();
        packet[2..4].copy_from_slice(&[high, low]);
        packet
    };
    let name = suite.name();
    compare(
        &format!("{name}: a packet protected (bare: copied)"),
        |round| {
            let mut packet = numbered(round);
            here.protect(&mut packet).expect("a key that is not worn out");
            black_box(&packet);
        },
        |round| drop(black_box(numbered(round))),
    );
    // As many as are opened in all runs, each once.
    let mut here = side(1, 2);
    let protected: Vec<packet::Packet> = (0..60_000)
        .map(|round| {
            let mut packet = numbered(round);
            here.protect(&mut packet).expect("a key that is not worn out");
            packet
        })
        .collect();
    let (start, mut opened) = (Instant::now(), 0_u32);
    let mut room = packet::Packet::new();
    for packet in &protected {
        room.clear();
        room.extend_from_slice(packet);
        opened += u32::from(there.open(start, &mut room).is_some());
    }
    let each = start.elapsed().as_secs_f64() * 1e9 / 60_000.0;
    assert_eq!(opened, 60_000, "every packet is opened");
    let bare = best(|round| drop(black_box(protected[round as usize % 60_000].clone())));
    told(&format!("{name}: a packet opened (bare: copied)"), each, bare);
}

/// So many calls, each of which wakes every 20 ms and says when next.
fn timers(keys: u64) {
    let start = Instant::now();
    let mut timers = Timers::default();
    timers.pop_due(start);
    let millisecond = Duration::from_millis(1);
    for key in 0..keys {
        timers.set(key, Some(start + millisecond * u32::try_from(key % 20).expect("small")));
    }
    let (mut now, mut bare) = (start, Vec::with_capacity(4));
    compare(
        &format!("timers: one of {keys} rings, and is set again (bare: in and out of a list)"),
        |_| loop {
            if let Some(key) = timers.pop_due(now) {
                timers.set(key, Some(now + 20 * millisecond));
                black_box(timers.earliest());
                return;
            }
            now += millisecond;
        },
        |round| {
            bare.push((start, u64::from(round)));
            black_box(bare.pop());
        },
    );
}
