//! A session against a scripted peer, in virtual time.

use super::*;
use crate::audio::{Codec, Law};
use crate::media::rtp::packet::{Header, begin, seal};
use crate::media::rtp::seq::SeqNo;
use crate::media::sdp::Direction;
use crate::units::{PayloadType, UnixTime, test_start};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn session(start: Instant) -> MediaSession {
    let epoch = Epoch { instant: start, unix: UnixTime(1_700_000_000_000) };
    MediaSession::new(start, MediaConfig::from_entropy(&mut Entropy::from_seed([9; 32]), epoch))
}

fn session_with(start: Instant, codecs: &[Codec]) -> MediaSession {
    let epoch = Epoch { instant: start, unix: UnixTime(1_700_000_000_000) };
    let codecs = codecs.iter().copied().collect();
    let config = MediaConfig { codecs, ..MediaConfig::from_entropy(&mut Entropy::from_seed([9; 32]), epoch) };
    MediaSession::new(start, config)
}

fn remote(rtp: &str) -> Remote {
    Remote {
        rtp: at(rtp),
        rtcp: Some(at("198.51.100.1:4001")),
        codec: Codec::Pcmu,
        payload_type: PayloadType(0),
        receive_type: PayloadType(0),
        telephone_event: Some(PayloadType(101)),
        receive_event: Some(PayloadType(101)),
        comfort_noise: None,
        receive_noise: None,
        event_clock: 1,
        ptime: Duration::from_millis(20),
        direction: Direction::SendRecv,
        rtcp_mux: false,
        crypto: None,
    }
}

fn datagram(payload_type: u8, seq: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Packet {
    let mut packet = begin();
    packet.extend_from_slice(payload);
    let header = Header {
        payload_type: PayloadType(payload_type),
        marker: false,
        seq: SeqNo(seq),
        timestamp: RtpTimestamp(timestamp),
        ssrc: Ssrc(ssrc),
    };
    seal(&mut packet, &header);
    packet
}

#[derive(Default)]
struct Drained {
    rtp: Vec<(SocketAddr, Packet)>,
    rtcp: Vec<(SocketAddr, Packet)>,
    events: Vec<Event>,
    frames: Vec<Frame>,
    next: Option<Instant>,
}

fn drain(session: &mut MediaSession) -> Drained {
    let mut drained = Drained::default();
    loop {
        match session.poll() {
            Output::Rtp { to, bytes } => drained.rtp.push((to, bytes)),
            Output::Rtcp { to, bytes } => drained.rtcp.push((to, bytes)),
            Output::Event(event) => drained.events.push(event),
            Output::Frame(frame) => drained.frames.push(frame),
            Output::Said(_) | Output::Heard(_) => {}
            Output::Timeout(next) => {
                drained.next = next;
                return drained;
            }
        }
    }
}

fn hear(session: &mut MediaSession, now: Instant, from: &str, bytes: &[u8]) -> Vec<Event> {
    session.handle(now, Input::Rtp { came: now, from: at(from), bytes });
    drain(session).events
}

#[test]
fn a_foreign_source_gets_neither_keys_nor_audio_through() {
    let start = test_start();
    let mut session = session(start);
    session.connect(start, &remote("198.51.100.1:4000"));
    session.listen(true);
    let first = hear(&mut session, start, "198.51.100.1:4000", &datagram(0, 1, 0, 7, &[0xFF; 160]));
    assert_eq!(first, [Event::Latched(at("198.51.100.1:4000")), Event::FirstPacket]);
    let mut now = start;
    for n in 0..1000_u16 {
        now += MS;
        let key = datagram(101, n, u32::from(n) * 800, 7, &[5, 10, 0, 160]);
        let loud = datagram(0, n, u32::from(n) * 160, 7, &[0x20; 160]);
        for thief in ["203.0.113.66:4000", "198.51.100.1:4002"] {
            for bytes in [&key, &loud] {
                session.handle(now, Input::Rtp { came: now, from: at(thief), bytes });
                let drained = drain(&mut session);
                assert!(drained.events.is_empty());
                assert!(drained.rtp.iter().all(|(to, _)| *to == at("198.51.100.1:4000")));
                let is_loud = |frame: &Frame| frame.samples.contains(&Law::Mu.decode_sample(0x20));
                assert!(!drained.frames.iter().any(is_loud));
            }
        }
    }
    let stats = session.stats();
    assert_eq!((stats.foreign, stats.keys, stats.packets_received), (4000, 0, 1));
}

#[test]
fn a_peer_behind_nat_is_answered_where_it_sends_from() {
    let start = test_start();
    let outside = "203.0.113.5:33333";
    let mut config = MediaConfig::from_entropy(
        &mut Entropy::from_seed([5; 32]),
        Epoch { instant: start, unix: UnixTime(0) },
    );
    config.known.signalling = Some(at(outside).ip());
    let mut session = MediaSession::new(start, config);
    session.connect(start, &remote("10.1.2.3:4000"));
    assert_eq!(hear(&mut session, start, outside, &datagram(0, 1, 0, 7, &[0; 160])), []);
    let events = hear(&mut session, start + MS * 20, outside, &datagram(0, 2, 160, 7, &[0; 160]));
    assert_eq!(events, [Event::Latched(at(outside)), Event::FirstPacket]);
    session.handle(start + MS * 40, Input::Timeout);
    assert!(drain(&mut session).rtp.iter().all(|(to, _)| *to == at(outside)));
    session.close(start + MS * 60);
    let drained = drain(&mut session);
    assert_eq!(drained.rtcp.first().map(|(to, _)| *to), Some(at("203.0.113.5:33334")));
}

#[test]
fn silence_is_reported_once_and_again_after_sound() {
    let start = test_start();
    let mut session = session(start);
    session.connect(start, &remote("198.51.100.1:4000"));
    let mut silences = Vec::new();
    let (mut now, end) = (start, start + Duration::from_secs(120));
    let mut spoken = false;
    while now < end {
        session.handle(now, Input::Timeout);
        let drained = drain(&mut session);
        silences.extend(drained.events.iter().filter(|event| **event == Event::Silent).map(|_| now - start));
        now = drained.next.expect("ticking").max(now + MS);
        if now > start + Duration::from_secs(60) && !spoken {
            spoken = true;
            hear(&mut session, now, "198.51.100.1:4000", &datagram(0, 1, 0, 7, &[0; 160]));
        }
    }
    let seconds: Vec<_> = silences.iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [30, 90]);
}

#[test]
fn muted_keys_leave_no_tone_in_the_frames_but_are_reported() {
    let start = test_start();
    let mut session = session(start);
    session.connect(start, &remote("198.51.100.1:4000"));
    session.mute_inbound_keys(true);
    session.listen(true);
    let (mut digits, mut heard) = (0, Vec::new());
    let mut seq = 0_u16;
    for ms in (0..3000_u32).step_by(20) {
        let now = start + MS * ms;
        // Speech, and a tone with its event beside it in the second second.
        let pressed = (1000..1100).contains(&ms);
        let sound = if pressed { 0x11 } else { 0x22 };
        seq += 1;
        let audio = datagram(0, seq, ms * 8, 7, &[sound; 160]);
        digits += hear_all(&mut session, now, &audio, &mut heard);
        // The event's packets begin 20 ms after their tone, the first two are lost.
        if (1060..1200).contains(&ms) {
            seq += 1;
            let duration = u16::try_from((ms - 1040) * 8).expect("short").min(800).to_be_bytes();
            let end = if ms >= 1140 { 0x8A } else { 0x0A };
            let event = datagram(101, seq, 8000, 7, &[4, end, duration[0], duration[1]]);
            digits += hear_all(&mut session, now, &event, &mut heard);
        }
    }
    assert_eq!(digits, 1);
    let [speech, tone] = [0x22, 0x11].map(|octet| Law::Mu.decode_sample(octet));
    assert!(heard.contains(&speech), "speech passes");
    assert!(heard.iter().filter(|&&sample| sample == speech).count() > 18_000);
    assert!(!heard.contains(&tone), "the tone does not");
}

fn hear_all(session: &mut MediaSession, now: Instant, bytes: &[u8], heard: &mut Vec<i16>) -> usize {
    session.handle(now, Input::Rtp { came: now, from: at("198.51.100.1:4000"), bytes });
    let drained = drain(session);
    heard.extend(drained.frames.iter().flat_map(|frame| frame.samples.iter().copied()));
    drained.events.iter().filter(|event| matches!(event, Event::Digit(_))).count()
}

#[test]
fn after_close_nothing_happens_any_more() {
    let start = test_start();
    let mut session = session(start);
    session.connect(start, &remote("198.51.100.1:4000"));
    session.play(start, PlayId(1), vec![Arc::new(Clip::from_pcm(&[100; 8000]))], true);
    assert_eq!(drain(&mut session).rtp.len(), 1);
    session.close(start + MS);
    let last = drain(&mut session);
    assert_eq!((last.rtcp.len(), last.rtp.len(), last.next), (1, 0, None));
    session.handle(start + MS * 500, Input::Timeout);
    session.play(start + MS * 500, PlayId(2), vec![], false);
    session.connect(start + MS * 500, &remote("198.51.100.1:4000"));
    let after = drain(&mut session);
    assert!(after.rtp.is_empty() && after.rtcp.is_empty() && after.events.is_empty());
    assert_eq!(after.next, None);
}

#[test]
fn a_new_ssrc_is_followed_and_the_old_one_does_not_come_back_by_a_straggler() {
    let start = test_start();
    let mut session = session(start);
    session.connect(start, &remote("198.51.100.1:4000"));
    let from = "198.51.100.1:4000";
    for n in 0..10_u16 {
        hear(&mut session, start, from, &datagram(0, n, u32::from(n) * 160, 7, &[0; 160]));
    }
    for n in 0..10_u16 {
        hear(&mut session, start, from, &datagram(0, 60_000 + n, u32::from(n) * 160, 8, &[0; 160]));
        hear(&mut session, start, from, &datagram(0, 10 + n, u32::from(n) * 160, 7, &[0; 160]));
    }
    let stats = session.stats();
    assert_eq!((stats.source_changes, stats.packets_received, stats.packets_lost), (1, 20, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_datagram_panics_a_session(
        datagrams in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..200), 0_u32..100, any::<bool>(), 0_u8..4),
            0..60,
        )
    ) {
        let start = test_start();
        let mut session = session(start);
        session.connect(start, &remote("198.51.100.1:4000"));
        session.listen(true);
        session.mute_inbound_keys(true);
        let mut now = start;
        for (mut bytes, gap, rtcp, shape) in datagrams {
            now += MS * gap;
            if let [first, second, ..] = bytes.as_mut_slice() {
                match shape {
                    0 => {}
                    1 => { *first = 0x80; *second &= 0x80; }
                    2 => { *first = 0x80; *second = *second & 0x80 | 101; }
                    _ => { *first = 0x81; *second = 200; }
                }
            }
            let from = at("198.51.100.1:4000");
            let input = if rtcp { Input::Rtcp { from, bytes: &bytes } } else { Input::Rtp { came: now, from, bytes: &bytes } };
            session.handle(now, input);
            let drained = drain(&mut session);
            prop_assert!(drained.next.is_none_or(|next| next > now));
        }
    }
}

#[test]
fn keys_with_an_ssrc_of_their_own_count_beside_the_audio() {
    let start = test_start();
    let mut session = session(start);
    session.connect(start, &remote("198.51.100.1:4000"));
    let mut keys = 0;
    let mut send = |session: &mut MediaSession, bytes: &[u8]| {
        session.handle(start, Input::Rtp { came: start, from: at("198.51.100.1:4000"), bytes });
        let events = drain(session).events;
        keys += events.iter().filter(|event| matches!(event, Event::Digit(_))).count();
    };
    let mut seq = 0;
    for (press, ssrc) in [(0_u32, 7_u32), (1, 7), (2, 8), (3, 9)] {
        for part in 1..=5_u8 {
            seq += 1;
            send(&mut session, &datagram(0, seq, u32::from(seq) * 160, 1, &[0xff; 160]));
            let event = datagram(101, seq, 24_400 + press * 400, ssrc, &[4, 10, 0, part * 40]);
            send(&mut session, &event);
        }
    }
    assert_eq!(keys, 4, "each press once");
    let stats = session.stats();
    assert_eq!((stats.source_changes, stats.foreign, stats.packets_lost), (0, 0, 0));
}

/// A peer that changes its payload type with each packet of 20 ms, for four seconds: what is heard of it.
fn alternating(codecs: &[Codec], types: [u8; 2], sound: u8) -> (Vec<i16>, MediaStats) {
    let start = test_start();
    let mut session = session_with(start, codecs);
    session.connect(start, &remote("198.51.100.1:4000"));
    session.listen(true);
    let mut heard = Vec::new();
    for n in 0..200_u16 {
        let payload_type = types[usize::from(n % 2)];
        let packet = datagram(payload_type, n, u32::from(n) * 160, 7, &[sound; 160]);
        hear_all(&mut session, start + MS * 20 * u32::from(n), &packet, &mut heard);
    }
    (heard, session.stats())
}

#[test]
fn packets_of_a_band_nobody_agreed_on_are_counted_and_leave_the_agreed_audio_audible() {
    let speech = Law::Mu.decode_sample(0x22);
    // G.722 may be among the leg's codecs: the answer chose another.
    for codecs in [&[Codec::Pcmu][..], Codec::ALL] {
        let (heard, stats) = alternating(codecs, [0, 9], 0x22);
        assert_eq!((stats.unknown_payload, stats.packets_received, stats.late), (100, 100, 0), "{codecs:?}");
        let audible = heard.iter().filter(|&&sample| sample == speech).count();
        // The edges of each packet are blended with what makes up for the others.
        assert!(audible > 8000, "{codecs:?}: {audible} of 16,000 samples");
    }
}

#[test]
fn the_other_law_is_heard_where_the_leg_has_it() {
    let [mu, a] = [Law::Mu, Law::A].map(|law| law.decode_sample(0x22));
    let count = |heard: &[i16], wanted: i16| heard.iter().filter(|&&sample| sample == wanted).count();
    let (heard, stats) = alternating(Codec::G711, [0, 8], 0x22);
    assert_eq!((stats.unknown_payload, stats.packets_lost), (0, 0));
    assert!(count(&heard, mu) > 95 * 160 && count(&heard, a) > 95 * 160);
    let (heard, stats) = alternating(&[Codec::Pcmu], [0, 8], 0x22);
    assert_eq!((stats.unknown_payload, count(&heard, a)), (100, 0));
    assert!(count(&heard, mu) > 8000);
}
