//! Law 6 on the wire: of ten thousand keys through a bad network none is wrong or double, and at least
//! 99.9 % are seen.

#![expect(clippy::print_stdout, reason = "figures are for whoever runs the tests")]

mod media_world;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::media::sdp::answer;
use countersign::media::{Event, Input, LocalMedia, MediaConfig, MediaSession, Output};
use countersign::units::{Digit, Entropy, Epoch, UnixTime};
use media_world::{MS, Path, World, start};
use proptest::prelude::*;

const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

fn peer() -> SocketAddr {
    "198.51.100.1:4000".parse().expect("an address")
}

fn session(now: Instant) -> MediaSession {
    let epoch = Epoch { instant: now, unix: UnixTime(0) };
    let mut session =
        MediaSession::new(now, MediaConfig::from_entropy(&mut Entropy::from_seed([3; 32]), epoch));
    let local = LocalMedia::new("192.0.2.1:4000".parse().expect("an address"), 1);
    session.connect(now, &answer(OFFER, &local).expect("acceptable").remote);
    session
}

fn digits(session: &mut MediaSession, now: Instant, from: SocketAddr, bytes: &[u8]) -> Vec<Digit> {
    session.handle(now, Input::Rtp { came: now, from, bytes });
    let mut digits = Vec::new();
    loop {
        match session.poll() {
            Output::Event(Event::Digit(digit)) => digits.push(digit),
            Output::Timeout(_) => return digits,
            _ => {}
        }
    }
}

fn datagram(kind: u8, marker: bool, seq: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, kind | if marker { 0x80 } else { 0 }];
    bytes.extend(seq.to_be_bytes());
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend(0x1234_5678_u32.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A packet of a press on its way.
struct Flying {
    arrival: u64,
    press: Option<usize>,
    bytes: Vec<u8>,
}

/// A telephone that presses keys, and the network in front of it.
struct Telephone {
    chance: Entropy,
    seq: u16,
    base: u32,
    at_ms: u64,
    flying: Vec<Flying>,
}

impl Telephone {
    fn send(&mut self, press: Option<usize>, kind: u8, marker: bool, at: u64, payload: &[u8]) {
        let stamp_ms = if press.is_some() { self.at_ms } else { at };
        let timestamp = self.base.wrapping_add(u32::try_from(stamp_ms * 8 % (1 << 32)).expect("in range"));
        let bytes = datagram(kind, marker, self.seq, timestamp, payload);
        self.seq = self.seq.wrapping_add(1);
        if self.chance.below(100) < 5 {
            return;
        }
        let copies = if self.chance.below(100) < 5 { 2 } else { 1 };
        for _ in 0..copies {
            let held = if self.chance.below(100) < 10 { self.chance.below(50) } else { 0 };
            self.flying.push(Flying { arrival: at + 20 + held, press, bytes: bytes.clone() });
        }
    }

    /// One press and the pause after it.
    fn press(&mut self, index: usize, digit: Digit) {
        let updates = 3 + self.chance.below(15);
        let has_marker = self.chance.below(100) >= 30;
        let has_end = self.chance.below(100) >= 10;
        let began = self.at_ms;
        for update in 0..updates {
            let last = update + 1 == updates;
            let duration = u16::try_from((update + 1) * 160).expect("short").to_be_bytes();
            let end = if last && has_end { 0x8A } else { 0x0A };
            let payload = [digit.event(), end, duration[0], duration[1]];
            for repeat in 0..if last && has_end { 3 } else { 1 } {
                let at = began + (update + repeat) * 20;
                self.send(Some(index), 101, has_marker && update == 0, at, &payload);
            }
        }
        self.at_ms += updates * 20;
        let pause = 2 + self.chance.below(8);
        for _ in 0..pause {
            self.send(None, 8, false, self.at_ms, &[0xD5; 160]);
            self.at_ms += 20;
        }
    }
}

/// What a telephone pressed, and what of it arrived.
struct Journey {
    keys: Vec<Digit>,
    flying: Vec<Flying>,
}

/// Ten thousand presses through a bad network.
fn journey(seed: u8) -> Journey {
    let mut chance = Entropy::from_seed([seed; 32]);
    let keys: Vec<Digit> = (0..10_000)
        .filter_map(|_| Digit::from_event(u8::try_from(chance.below(16)).expect("below 16")))
        .collect();
    let base = u32::MAX - 1_000_000;
    let mut telephone = Telephone { chance, seq: 64_000, base, at_ms: 0, flying: Vec::new() };
    for _ in 0..5 {
        telephone.send(None, 8, false, telephone.at_ms, &[0xD5; 160]);
        telephone.at_ms += 20;
    }
    for (index, &key) in keys.iter().enumerate() {
        telephone.press(index, key);
    }
    telephone.flying.sort_by_key(|flying| flying.arrival);
    Journey { keys, flying: telephone.flying }
}

/// How a receiver fared: by the presses that its keys came of.
#[derive(Debug)]
struct Tally {
    seen: usize,
    double: usize,
    disordered: usize,
}

impl Tally {
    fn of(told: &[usize]) -> Self {
        let mut seen = told.to_vec();
        seen.sort_unstable();
        seen.dedup();
        let disordered = told.windows(2).filter(|pair| pair[1] < pair[0]).count();
        Self { seen: seen.len(), double: told.len() - seen.len(), disordered }
    }

    fn is_good(&self) -> bool {
        self.seen >= 9_990 && self.double == 0 && self.disordered == 0
    }
}

#[test]
fn ten_thousand_keys_through_a_bad_network() {
    for seed in SEEDS {
        let Journey { keys, flying } = journey(seed);
        let began = start();
        let mut session = session(began);
        let mut told: Vec<usize> = Vec::new();
        for flying in &flying {
            let now = began + Duration::from_millis(flying.arrival);
            for digit in digits(&mut session, now, peer(), &flying.bytes) {
                let press = flying.press.expect("a key came of audio");
                assert!(digit == keys[press], "seed {seed}: press {press} became another key");
                told.push(press);
            }
        }
        let tally = Tally::of(&told);
        println!("the session, seed {seed}: {tally:?}");
        assert!(tally.is_good(), "seed {seed}: {tally:?}");
    }
}

/// A receiver as somebody in a hurry writes it: whether this packet is a key, by itself and what the receiver remembers.
type Naive = fn(&mut Memory, &Seen) -> bool;

/// What a hurried receiver remembers.
#[derive(Default)]
struct Memory {
    timestamp: Option<u32>,
    event: Option<u8>,
    ended: bool,
}

/// A telephone-event as it lies in a packet.
struct Seen {
    marker: bool,
    timestamp: u32,
    event: u8,
    is_end: bool,
}

impl Seen {
    fn read(bytes: &[u8]) -> Option<Self> {
        let timestamp = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
        let is_event = bytes.get(1)? & 0x7F == 101;
        let (marker, event, is_end) = (bytes[1] & 0x80 != 0, *bytes.get(12)?, bytes.get(13)? & 0x80 != 0);
        is_event.then_some(Self { marker, timestamp, event, is_end })
    }
}

/// The same ten thousand keys go through four receivers that each forget one thing: what they get wrong is what the stream
/// asks of ours.
#[test]
fn receivers_that_trust_one_packet_of_a_press_get_the_same_stream_wrong() {
    let receivers: [(&str, Naive); 4] = [
        ("a key for each marker", |_, seen| seen.marker),
        ("a key for each end", |_, seen| seen.is_end),
        ("a key for the first end after something else", |memory, seen| {
            !std::mem::replace(&mut memory.ended, seen.is_end) && seen.is_end
        }),
        ("a key for each new timestamp", |memory, seen| {
            memory.timestamp.replace(seen.timestamp) != Some(seen.timestamp)
        }),
    ];
    for seed in SEEDS {
        let Journey { flying, .. } = journey(seed);
        for (name, receiver) in receivers {
            let mut memory = Memory::default();
            let events = flying.iter().filter_map(|flying| Some((flying.press?, Seen::read(&flying.bytes)?)));
            let told: Vec<usize> =
                events.filter(|(_, seen)| receiver(&mut memory, seen)).map(|(press, _)| press).collect();
            let tally = Tally::of(&told);
            println!("{name}, seed {seed}: {tally:?}");
            assert!(!tally.is_good(), "{name} is good enough: the stream proves nothing");
            let (missing, double) = (10_000 - tally.seen, tally.double);
            assert!(missing + double > 100, "{name}: {tally:?}");
        }
        // And one that only looks which key it is, with no memory of when, can't tell two presses of one key from one.
        let mut memory = Memory::default();
        let presses = flying.iter().filter_map(|flying| Some((flying.press?, Seen::read(&flying.bytes)?)));
        let changes = presses.filter(|(_, seen)| memory.event.replace(seen.event) != Some(seen.event));
        let told: Vec<usize> = changes.map(|(press, _)| press).collect();
        assert!(10_000 - Tally::of(&told).seen > 300, "one key in sixteen is the same as before");
    }
}

const SEEDS: [u8; 3] = [1, 22, 133];

/// The packets of one press: 100 ms, three ends.
fn press(onset: u32, seq: u16, event: u8) -> Vec<Vec<u8>> {
    [(160, 0), (320, 0), (480, 0), (640, 0), (800, 0x80_u8), (800, 0x80), (800, 0x80)]
        .into_iter()
        .zip(seq..)
        .map(|((duration, end), number)| {
            let [high, low] = u16::to_be_bytes(duration);
            datagram(101, number == seq, number, onset, &[event, end | 10, high, low])
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Law 6: any choice of a press's packets, in any order, any number of times, is one digit; and so is the
    /// next press of the same key.
    #[test]
    fn one_press_is_one_digit(
        choices in proptest::collection::vec(proptest::collection::vec(0_usize..7, 1..20), 1..6),
        event in 0_u8..16,
        onset in any::<u32>(),
    ) {
        let began = start();
        let mut session = session(began);
        digits(&mut session, began, peer(), &datagram(8, true, 99, onset, &[0xD5; 160]));
        for (number, choice) in choices.iter().enumerate() {
            let number = u16::try_from(number).expect("few");
            let packets = press(onset.wrapping_add(u32::from(number) * 1280), 100 + number * 8, event);
            let now = began + MS * (u32::from(number) * 160);
            let heard: Vec<_> =
                choice.iter().flat_map(|&index| digits(&mut session, now, peer(), &packets[index])).collect();
            prop_assert_eq!(heard.len(), 1);
            prop_assert!(heard[0].event() == event);
        }
    }
}

#[test]
fn keys_of_a_foreign_source_are_not_keys() {
    let began = start();
    let mut session = session(began);
    digits(&mut session, began, peer(), &datagram(8, true, 1, 0, &[0xD5; 160]));
    let thief: SocketAddr = "203.0.113.66:4000".parse().expect("an address");
    for n in 0..1000_u16 {
        for bytes in press(u32::from(n) * 1280, n.wrapping_mul(8), 1) {
            assert!(digits(&mut session, began + MS * u32::from(n), thief, &bytes).is_empty());
        }
    }
    assert_eq!(session.stats().foreign, 7000);
    assert_eq!(digits(&mut session, began, peer(), &press(1280, 8, 1)[0]).len(), 1);
}

#[test]
fn keys_sent_by_one_session_are_the_keys_another_reports() {
    let bad = Path { loss_percent: 5, double_percent: 5, delay_ms: 15, jitter_ms: 30 };
    let mut world = World::new(5, [bad, bad], [countersign::audio::Codec::G711; 2]);
    let keys: Vec<Digit> = "0123456789*#ABCD1122334455".chars().filter_map(Digit::from_char).collect();
    world.run(100);
    for _ in 0..20 {
        let now = world.now;
        world.sides[0].session.send_digits(now, &keys);
        world.run(keys.len() as u64 * 160 + 200);
    }
    let heard: Vec<Digit> = world.sides[1]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Digit(digit) => Some(*digit),
            _ => None,
        })
        .collect();
    assert!(heard == keys.repeat(20), "{} of {} keys", heard.len(), keys.len() * 20);
}
