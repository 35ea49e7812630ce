//! A thousand presses of one call, told as telephone-events, by SIP INFO and as tones, in all combinations.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::audio::tone::{Tone, render};
use crate::audio::{Codec, Law};
use crate::media::rtp::packet::{self, Header};
use crate::media::rtp::seq::SeqNo;
use crate::media::sdp::answer;
use crate::media::{Event, InbandKeys, Input, LocalMedia, MediaConfig, MediaSession, Output};
use crate::units::{Entropy, Epoch, PayloadType, RtpTimestamp, Ssrc, UnixTime, test_start};

const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const PEER: ([u8; 4], u16) = ([198, 51, 100, 1], 4000);
const PRESSES: usize = 1000;
/// The earliest press: so far may a way run ahead.
const LEAD: i64 = 1000;

/// When which key is pressed, in milliseconds; three in ten are the key before again, as fast as fingers are.
fn presses(chance: &mut Entropy) -> Vec<(i64, Digit)> {
    let mut at = LEAD;
    let mut key = Digit::STAR;
    (0..PRESSES)
        .map(|_| {
            if chance.below(10) >= 3 {
                key = Digit::from_event(u8::try_from(chance.below(16)).expect("few")).expect("a key");
            }
            at += 200 + i64::try_from(chance.below(300)).expect("short");
            (at, key)
        })
        .collect()
}

/// Something that arrives.
enum Arrival {
    Packet(PayloadType, u32, Vec<u8>),
    Info(Digit),
}

/// All that arrives of these presses, each way with its own delay.
fn arrivals(keys: &[(i64, Digit)], skew: [Option<i64>; 3], chance: &mut Entropy) -> Vec<(i64, Arrival)> {
    let mut all = Vec::new();
    let mut near = |at: i64| at + i64::try_from(chance.below(20)).expect("short");
    let ticks = |ms: i64| u32::try_from(ms * 8).expect("before the wrap");
    let [events, info, tones] = skew;
    let length = keys.last().map_or(0, |(at, _)| at + 1000);
    let mut sound = vec![0_i16; usize::try_from(length * 8).expect("minutes")];
    for &(at, key) in keys {
        if let Some(skew) = info {
            all.push((near(at + skew), Arrival::Info(key)));
        }
        if let Some(skew) = tones {
            let from = usize::try_from(near(at + skew) * 8).expect("behind the lead");
            let tone = render(Tone::Dtmf(key), Duration::from_millis(100));
            sound[from..from + tone.len()].copy_from_slice(&tone);
        }
        if let Some(skew) = events {
            let onset = near(at + skew);
            for (n, end) in [0, 0, 0, 0, 0x80, 0x80, 0x80_u8].into_iter().enumerate() {
                let update = i64::try_from(n.min(4) + 1).expect("few");
                let [high, low] = u16::try_from(update * 160).expect("short").to_be_bytes();
                let payload = vec![key.event(), end | 10, high, low];
                all.push((onset + update * 20, Arrival::Packet(PayloadType(101), ticks(onset), payload)));
            }
        }
    }
    for (slot, part) in (0_i64..).zip(sound.chunks(160)) {
        let mut octets = Vec::new();
        Law::A.encode(part, &mut octets);
        all.push((slot * 20 + 20, Arrival::Packet(PayloadType(8), ticks(slot * 20), octets)));
    }
    all.sort_by_key(|&(at, _)| at);
    all
}

/// The keys that the call takes for pressed.
fn taken(arrivals: Vec<(i64, Arrival)>) -> Vec<Digit> {
    let start = test_start();
    let epoch = Epoch { instant: start, unix: UnixTime(0) };
    let codecs = [Codec::Pcma].into_iter().collect();
    let config = MediaConfig {
        codecs,
        inband_keys: InbandKeys::Always,
        ..MediaConfig::from_entropy(&mut Entropy::from_seed([2; 32]), epoch)
    };
    let mut session = MediaSession::new(start, config);
    let local = LocalMedia::new("192.0.2.1:4000".parse().expect("an address"), 1);
    session.connect(start, &answer(OFFER, &local).expect("acceptable").remote);
    while !matches!(session.poll(), Output::Timeout(_)) {}
    let (mut presses, mut keys, mut seq) = (Presses::default(), Vec::new(), 0_u16);
    for (at, arrival) in arrivals {
        let now = start + Duration::from_millis(at.unsigned_abs());
        match arrival {
            Arrival::Info(key) => keys.extend(presses.is_new(now, Way::Signalling, key).then_some(key)),
            Arrival::Packet(payload_type, ticks, payload) => {
                let header = Header {
                    payload_type,
                    marker: false,
                    seq: SeqNo(seq),
                    timestamp: RtpTimestamp(ticks),
                    ssrc: Ssrc(7),
                };
                seq = seq.wrapping_add(1);
                let mut bytes = packet::begin();
                bytes.extend_from_slice(&payload);
                packet::seal(&mut bytes, &header);
                for (way, key) in heard(&mut session, now, &bytes) {
                    keys.extend(presses.is_new(now, way, key).then_some(key));
                }
            }
        }
    }
    keys
}

fn heard(session: &mut MediaSession, now: Instant, bytes: &[u8]) -> Vec<(Way, Digit)> {
    session.handle(now, Input::Rtp { from: SocketAddr::from(PEER), bytes, came: now });
    let mut told = Vec::new();
    loop {
        match session.poll() {
            Output::Event(Event::Digit(key)) => told.push((Way::Media, key)),
            Output::Event(Event::Tone(key)) => told.push((Way::Audio, key)),
            Output::Timeout(_) => return told,
            _ => {}
        }
    }
}

#[test]
fn one_press_is_one_digit_whichever_ways_tell_it_up_to_300_ms_apart() {
    // Delays of events, INFO and tones.
    let together = [
        [Some(0), Some(0), None],
        [Some(0), Some(300), None],
        [Some(300), Some(0), None],
        [Some(0), None, Some(300)],
        [Some(300), None, Some(0)],
        [None, Some(0), Some(300)],
        [None, Some(300), Some(0)],
        [Some(0), Some(0), Some(0)],
        [Some(0), Some(150), Some(300)],
        [Some(300), Some(150), Some(0)],
        [Some(150), Some(300), Some(0)],
        [Some(300), Some(0), Some(300)],
    ];
    for (number, skew) in (1_u8..).zip(together) {
        let mut chance = Entropy::from_seed([number; 32]);
        let pressed = presses(&mut chance);
        let keys: Vec<Digit> = pressed.iter().map(|&(_, key)| key).collect();
        let found = taken(arrivals(&pressed, skew, &mut chance));
        assert_eq!(found.len(), PRESSES, "{skew:?}");
        assert!(found == keys, "{skew:?}: a key is another");
    }
}

#[test]
fn without_bringing_reports_together_each_way_would_count() {
    let mut chance = Entropy::from_seed([99; 32]);
    let pressed = presses(&mut chance);
    let ways = |skew| taken(arrivals(&pressed, skew, &mut Entropy::from_seed([5; 32]))).len();
    // Each way alone tells every press: so it is the bringing together that leaves one of three.
    for alone in [[Some(0), None, None], [None, Some(0), None], [None, None, Some(0)]] {
        assert_eq!(ways(alone), PRESSES, "{alone:?}");
    }
}
