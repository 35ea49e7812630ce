//! What the parts of a call cost, each beside the least that its work can take on this machine in the same run: reading
//! or copying the octets in question. `cargo bench --bench parts`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::audio::{Band, Law};
use countersign::media::JitterConfig;
use countersign::media::rtp::jitter::JitterBuffer;
use countersign::media::rtp::packet;
use countersign::media::rtp::telephone_event_receive::{EventReceiver, Payload};
use countersign::sip::Message;
use countersign::units::RtpTimestamp;

const INVITE: &[u8] = b"INVITE sip:bench@192.0.2.1:5060 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK776asdhds;rport\r\nMax-Forwards: 70\r\n\
    From: \"Ana\" <sip:+441632960001@198.51.100.1>;tag=1928301774\r\nTo: <sip:bench@192.0.2.1>\r\n\
    Call-ID: a84b4c76e66710@198.51.100.1\r\nCSeq: 314159 INVITE\r\nContact: <sip:ana@198.51.100.1:5060>\r\n\
    Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\nSupported: timer, 100rel\r\nSession-Expires: 1800\r\n\
    P-Asserted-Identity: <sip:+441632960001@198.51.100.1>\r\nContent-Type: application/sdp\r\nContent-Length: 0\r\n\r\n";
const ROUNDS: u32 = 200_000;

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
}

fn read(octets: &[u8]) -> u64 {
    octets.iter().map(|octet| u64::from(*octet)).sum()
}

/// Nanoseconds a round, as the best of some runs: what disturbs only adds.
fn best(mut round: impl FnMut(u32)) -> f64 {
    let mut run = || {
        let start = Instant::now();
        (0..ROUNDS).for_each(&mut round);
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    };
    (0..5).map(|_| run()).fold(f64::INFINITY, f64::min)
}

fn compare(name: &str, part: impl FnMut(u32), bare: impl FnMut(u32)) {
    let (part, bare) = (best(part), best(bare));
    println!("{name:62} {part:8.1} ns, bare {bare:7.1} ns, ratio {:6.1}", part / bare.max(0.1));
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
