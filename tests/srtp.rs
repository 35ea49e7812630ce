//! Encrypted media between two sides of ours: what an attacker beside them can do, and what a later offer can't.

#![expect(clippy::print_stdout, reason = "what was dropped is told")]

mod media_world;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use countersign::audio::correlate::correlate;
use countersign::media::sdp::{self, SdpError};
use countersign::media::{
    Event, Input, LocalMedia, LocalSrtp, MediaConfig, MediaSession, Output, SrtpPolicy,
};
use countersign::units::{Digit, Entropy, Epoch, PlayId, UnixTime};
use media_world::speech;

/// One moment for all: calls that are compared begin at the same time to the nanosecond.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(media_world::start)
}

/// One side: its session and its half of the description.
struct Side {
    address: SocketAddr,
    local: LocalMedia,
    session: MediaSession,
    keys: Vec<Digit>,
    heard: Vec<i16>,
}

impl Side {
    fn new(seed: u8, address: &str, policy: SrtpPolicy) -> Self {
        let address = address.parse().expect("an address");
        let mut entropy = Entropy::from_seed([seed; 32]);
        let epoch = Epoch { instant: start(), unix: UnixTime(0) };
        let mut local = LocalMedia::new(address, 1);
        local.srtp = LocalSrtp::draw(policy, &mut entropy);
        let session = MediaSession::new(start(), MediaConfig::from_entropy(&mut entropy, epoch));
        Self { address, local, session, keys: Vec::new(), heard: Vec::new() }
    }

    /// What it sends until now.
    fn poll(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        loop {
            match self.session.poll() {
                Output::Rtp { bytes, .. } => sent.push(bytes.to_vec()),
                Output::Event(Event::Digit(digit)) => self.keys.push(digit),
                Output::Frame(frame) => self.heard.extend_from_slice(&frame.samples),
                Output::Timeout(_) => return sent,
                _ => {}
            }
        }
    }

    fn take(&mut self, now: Instant, from: SocketAddr, packets: &[Vec<u8>]) {
        for bytes in packets {
            self.session.handle(now, Input::Rtp { came: now, from, bytes });
            let _ = self.poll();
        }
    }
}

/// Two sides that agreed; the first one offered.
fn agreed() -> [Side; 2] {
    let mut here = Side::new(1, "198.51.100.1:4000", SrtpPolicy::Required);
    let mut there = Side::new(2, "198.51.100.2:4000", SrtpPolicy::Optional);
    let answer = sdp::answer(&sdp::offer(&here.local), &there.local).expect("acceptable");
    there.session.connect(start(), &answer.remote);
    let accepted = sdp::accept_answer(&answer.body, &here.local).expect("an answer");
    here.session.connect(start(), &accepted.remote);
    assert!(accepted.remote.crypto.is_some() && answer.remote.crypto.is_some());
    [here, there]
}

/// Packet by packet for so long; `attack` sees what goes to the second side and adds to it.
fn talk(
    sides: &mut [Side; 2],
    from: Instant,
    millis: u64,
    mut attack: impl FnMut(&[Vec<u8>]) -> Vec<(SocketAddr, Vec<u8>)>,
) -> Instant {
    let [here, there] = sides;
    for step in 0..millis / 20 {
        let now = from + Duration::from_millis(20 * step);
        for side in [&mut *here, &mut *there] {
            side.session.handle(now, Input::Timeout);
        }
        let (to_there, to_here) = (here.poll(), there.poll());
        for (source, bytes) in attack(&to_there) {
            there.take(now, source, &[bytes]);
        }
        there.take(now, here.address, &to_there);
        here.take(now, there.address, &to_here);
    }
    from + Duration::from_millis(millis)
}

/// Seven seconds with ten keys and speech, beside an attacker who sends 200 packets in each 20 ms from the peer's own address: half
/// of them forged, half replayed.
fn call(attacked: bool) -> Side {
    let mut sides = agreed();
    sides[1].session.listen(true);
    let peer = sides[0].address;
    let keys: Vec<Digit> = "1234567890".chars().filter_map(Digit::from_char).collect();
    sides[0].session.send_digits(start(), &keys);
    sides[0].session.play(start(), PlayId(1), vec![speech(4).1], false);
    let mut last: Vec<Vec<u8>> = Vec::new();
    let mut random = 1_u32;
    talk(&mut sides, start(), 7_000, |sent| {
        let mut packets = Vec::new();
        for n in 0..if attacked { 200 } else { 0 } {
            let Some(mut bytes) = sent.first().or(last.last()).cloned() else { break };
            if n % 2 == 0 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = 2 + usize::from(random.to_le_bytes()[3]) % (bytes.len() - 2);
                bytes[at] ^= random.to_le_bytes()[2] | 1;
            } else if let Some(old) = last.get(n % last.len().max(1)) {
                bytes = old.clone();
            } else {
                continue;
            }
            packets.push((peer, bytes));
        }
        last.extend(sent.iter().cloned());
        let excess = last.len().saturating_sub(50);
        last.drain(..excess);
        packets
    });
    let [_, there] = sides;
    there
}

#[test]
fn forged_and_replayed_packets_at_ten_thousand_a_second_leave_the_call_alone() {
    let (calm, attacked) = (call(false), call(true));
    let stats = attacked.session.stats();
    println!(
        "{} packets taken, {} forged and {} replayed ones dropped",
        stats.packets_received, stats.forged, stats.replayed
    );
    assert_eq!(attacked.keys.len(), 10, "each key once");
    assert_eq!(
        (attacked.heard.len(), stats.packets_received),
        (calm.heard.len(), calm.session.stats().packets_received)
    );
    assert!(attacked.heard == calm.heard, "sample for sample what is heard without an attack");
    let said = correlate(&speech(4).0, &attacked.heard).expect("long enough");
    assert!(said.score > 0.95, "{said:?}");
    assert!(stats.encrypted && stats.forged > 15_000 && stats.replayed > 15_000);
    assert_eq!((stats.packets_lost, stats.foreign), (0, 0));
}

#[test]
fn nothing_plain_gets_in_or_out() {
    let mut sides = agreed();
    let peer = sides[0].address;
    let mut in_clear = 0;
    let silence = [0xFF_u8; 160];
    talk(&mut sides, start(), 1_000, |sent| {
        in_clear +=
            sent.iter().filter(|packet| packet.windows(16).any(|part| silence.starts_with(part))).count();
        let mut plain = vec![0x80, 101, 0, 9, 0, 0, 0, 9, 9, 9, 9, 9, 5, 0x80, 3, 32];
        plain[1] |= 0x80;
        vec![(peer, plain)]
    });
    assert_eq!((in_clear, sides[1].keys.len()), (0, 0));
    assert!(sides[1].session.stats().forged >= 50);
}

#[test]
fn a_new_key_in_a_later_offer_is_taken_without_a_gap() {
    let mut sides = agreed();
    let now = talk(&mut sides, start(), 1_000, |_| Vec::new());
    let before = sides[1].session.stats().packets_received;
    // The first side offers with new keys; the second answers with new ones too.
    sides[0].local.srtp = LocalSrtp::draw(SrtpPolicy::Required, &mut Entropy::from_seed([7; 32]));
    sides[1].local.srtp = LocalSrtp::draw(SrtpPolicy::Required, &mut Entropy::from_seed([8; 32]));
    let answer = sdp::answer(&sdp::offer(&sides[0].local), &sides[1].local).expect("acceptable");
    sides[1].session.connect(now, &answer.remote);
    // The answer takes 100 ms: meanwhile the first side still sends by the old key.
    let now = talk(&mut sides, now, 100, |_| Vec::new());
    let accepted = sdp::accept_answer(&answer.body, &sides[0].local).expect("an answer");
    sides[0].session.connect(now, &accepted.remote);
    talk(&mut sides, now, 1_000, |_| Vec::new());
    let stats = sides[1].session.stats();
    assert_eq!((stats.forged, stats.packets_lost), (0, 0));
    assert!(stats.packets_received - before >= 54, "{}", stats.packets_received - before);
}

#[test]
fn there_is_no_downgrade() {
    let plain = "m=audio 4000 RTP/AVP 0\r\n";
    let key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    let good = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n");
    let encrypted = format!("m=audio 4002 RTP/SAVP 0\r\n{good}");
    let unknown = "m=audio 4002 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n";
    let bare = "m=audio 4002 RTP/SAVP 0\r\n";
    use SrtpPolicy::{Off, Optional, Required};
    // The offer, and for each policy: encrypted, plain, or refused.
    let table = [
        (plain.to_owned(), [Some(false), Some(false), None]),
        (encrypted.clone(), [None, Some(true), Some(true)]),
        (format!("{plain}{encrypted}"), [Some(false), Some(true), Some(true)]),
        (format!("{encrypted}{plain}"), [Some(false), Some(true), Some(true)]),
        (unknown.to_owned(), [None, None, None]),
        (format!("{unknown}{plain}"), [Some(false), None, None]),
        (bare.to_owned(), [None, None, None]),
        (format!("{plain}{good}"), [Some(false), Some(false), None]),
    ];
    for (lines, expected) in table {
        for (policy, expected) in [Off, Optional, Required].into_iter().zip(expected) {
            let side = Side::new(3, "198.51.100.3:4000", policy);
            let offer = format!(
                "v=0\r\no=x 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n{lines}"
            );
            let answered = sdp::answer(offer.as_bytes(), &side.local);
            let outcome = answered.as_ref().ok().map(|negotiated| negotiated.remote.crypto.is_some());
            assert_eq!(outcome, expected, "{policy:?}: {lines}");
            match answered {
                Ok(negotiated) => {
                    let body = String::from_utf8(negotiated.body.to_vec()).expect("ASCII");
                    assert_eq!(
                        body.contains("RTP/SAVP 0\r\n") && body.contains("a=crypto:1 "),
                        expected == Some(true)
                    );
                    assert!(!body.contains(key), "never the peer's own key");
                }
                Err(error) => assert_eq!((error, error.status()), (SdpError::Encryption, 488), "{lines}"),
            }
        }
    }
    // Our own offer asks for encryption; an answer in clear is no answer.
    let [here, _] = agreed();
    let answer =
        format!("v=0\r\no=x 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n{plain}");
    assert!(sdp::accept_answer(answer.as_bytes(), &here.local).is_err());
}
