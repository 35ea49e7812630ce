//! Payload type numbers across offers and answers (RFC 3264 §5.1, §8.3.2) and RTCP on the RTP port (RFC 5761), with two sessions
//! that talk to each other in virtual time.

mod media_world;

use std::time::Duration;

use countersign::audio::{Codec, correlate};
use countersign::media::sdp::{accept_answer, answer, offer};
use countersign::media::{Event, Input, LocalMedia, Output, Remote};
use countersign::units::{Digit, PayloadType, PlayId};
use media_world::{Path, World, speech};

const CLEAN: Path = Path { loss_percent: 0, double_percent: 0, delay_ms: 20, jitter_ms: 0 };

/// Our side, and the peer's, of a call that we offered with this codec, the peer's answer rewritten.
fn agreed(world: &World, codec: Codec, mux: bool, rewrite: &dyn Fn(String) -> String) -> [Remote; 2] {
    let side = |n: usize| LocalMedia {
        codecs: vec![codec],
        rtcp_mux: mux,
        comfort_noise: true,
        ..LocalMedia::new(world.sides[n].address, 1)
    };
    let [ours, theirs] = [0, 1].map(side);
    let answered = answer(&offer(&ours), &theirs).expect("acceptable");
    let text = rewrite(String::from_utf8(answered.body.to_vec()).expect("ASCII"));
    let accepted = accept_answer(text.as_bytes(), &ours).expect("acceptable");
    [accepted.remote, answered.remote]
}

/// Both say something and press keys; what each hears, by its likeness, and the keys.
fn talk(world: &mut World) -> [(f64, String); 2] {
    let (said, clip) = speech(3);
    let keys: Vec<Digit> = "159*#".chars().filter_map(Digit::from_char).collect();
    for side in 0..2 {
        let now = world.now;
        world.sides[side].session.listen(true);
        world.sides[side].session.play(now, PlayId(1), vec![clip.clone()], false);
    }
    world.run(3200);
    for side in 0..2 {
        let now = world.now;
        world.sides[side].session.send_digits(now, &keys);
    }
    world.run(1500);
    [0, 1].map(|side| {
        let side = &world.sides[side];
        let score = correlate(&said[8000..16_000], &side.heard).map_or(0.0, |found| found.score);
        let keys = side.events.iter().filter_map(|event| match event {
            Event::Digit(digit) => Some(digit.as_char()),
            _ => None,
        });
        (score, keys.collect())
    })
}

#[test]
fn each_way_uses_the_number_that_its_receiver_gave_and_the_other_is_taken_too() {
    for codec in [Codec::Opus, Codec::L16, Codec::Pcma, Codec::G722] {
        for peer_uses_its_own in [false, true] {
            let mut world = World::new(3, [CLEAN; 2], [&[codec]; 2]);
            let old = codec.payload_type().0;
            let events = if codec == Codec::Opus { 102 } else { 101 };
            // The peer's answer: the codec is 120, keys are 121, whatever the offer said.
            let renumbered = |text: String| {
                let mut text = text.replace(&format!("RTP/AVP {old} "), "RTP/AVP 120 ");
                text = text.replace(&format!(":{old} "), ":120 ").replace(&format!(":{events} "), ":121 ");
                text.replace(&format!(" {events}\r\n"), " 121\r\n").replace(&format!(" {events} "), " 121 ")
            };
            let [ours, mut theirs] = agreed(&world, codec, false, &renumbered);
            assert_eq!((ours.payload_type, ours.receive_type), (PayloadType(120), PayloadType(old)));
            let both = (Some(PayloadType(121)), Some(PayloadType(events)));
            assert_eq!((ours.telephone_event, ours.receive_event), both, "{codec:?}");
            (theirs.receive_type, theirs.receive_event) = (PayloadType(120), Some(PayloadType(121)));
            if peer_uses_its_own {
                (theirs.payload_type, theirs.telephone_event) = (PayloadType(120), Some(PayloadType(121)));
            }
            let now = world.now;
            world.sides[0].session.connect(now, &ours);
            world.sides[1].session.connect(now, &theirs);
            let least = if codec == Codec::Opus { 0.8 } else { 0.97 };
            for (side, (score, keys)) in talk(&mut world).into_iter().enumerate() {
                assert!(score > least, "{codec:?}, side {side}, {peer_uses_its_own}: {score}");
                assert_eq!(keys, "159*#", "{codec:?}, side {side}");
                assert_eq!(world.sides[side].session.stats().unknown_payload, 0);
            }
        }
    }
}

#[test]
fn a_number_that_both_sides_give_means_what_we_gave_it() {
    // Our 111 is Opus and 102 its keys; the peer's answer has them the other way round.
    let mut world = World::new(4, [CLEAN; 2], [&[Codec::Opus]; 2]);
    let crossed = |text: String| text.replace("111", "@").replace("102", "111").replace('@', "102");
    let [ours, mut theirs] = agreed(&world, Codec::Opus, false, &crossed);
    assert_eq!((ours.payload_type, ours.telephone_event), (PayloadType(102), Some(PayloadType(111))));
    (theirs.receive_type, theirs.receive_event) = (PayloadType(102), Some(PayloadType(111)));
    let now = world.now;
    world.sides[0].session.connect(now, &ours);
    world.sides[1].session.connect(now, &theirs);
    for (score, keys) in talk(&mut world) {
        assert!(score > 0.8, "{score}");
        assert_eq!(keys, "159*#");
    }
}

#[test]
fn a_number_that_a_later_offer_gives_to_another_codec_means_that_from_then_on() {
    let all = LocalMedia {
        codecs: Codec::ALL.to_vec(),
        ..LocalMedia::new("192.0.2.1:4000".parse().expect("one"), 1)
    };
    let described = |map: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 96 97\r\n\
             a=rtpmap:96 {map}\r\na=rtpmap:97 telephone-event/8000\r\n"
        )
    };
    let mut world = World::new(5, [CLEAN; 2], [&[Codec::Opus]; 2]);
    for (map, codec) in [
        ("opus/48000/2", Codec::Opus),
        ("L16/8000", Codec::L16),
        ("PCMA/8000", Codec::Pcma),
        ("opus/48000/2", Codec::Opus),
    ] {
        let ours = answer(described(map).as_bytes(), &all).expect("acceptable").remote;
        assert_eq!(
            (ours.codec, ours.payload_type, ours.receive_type),
            (codec, PayloadType(96), PayloadType(96))
        );
        let now = world.now;
        let theirs = Remote { rtp: world.sides[0].address, rtcp: None, ..ours.clone() };
        world.sides[0].session.connect(now, &ours);
        world.sides[1].session.connect(now, &theirs);
        for side in &mut world.sides {
            side.heard.clear();
            side.events.clear();
        }
        for (score, keys) in talk(&mut world) {
            assert!(score > 0.8, "{map}: {score}");
            assert_eq!(keys, "159*#", "{map}");
        }
    }
}

/// What the peer made of our reports: how many were none, and whether one answered its own.
fn reports(world: &mut World) -> [u64; 2] {
    talk(world);
    world.run(20_000);
    let other = &world.sides[1].session;
    [other.stats().malformed, u64::from(other.stats().round_trip.is_some())]
}

#[test]
fn an_answer_without_rtcp_mux_leaves_two_ports_and_one_with_it_shares_ours() {
    let without = |text: String| text.replace("a=rtcp-mux\r\n", "a=rtcp:5001\r\n");
    let with = |text: String| text;
    for (mux, rewrite, shares) in
        [(true, &with as &dyn Fn(String) -> String, true), (true, &without, false), (false, &without, false)]
    {
        let mut world = World::new(6, [CLEAN; 2], [&[Codec::Pcma]; 2]);
        let [ours, mut theirs] = agreed(&world, Codec::Pcma, mux, rewrite);
        assert_eq!(ours.rtcp_mux, shares);
        assert_eq!(
            ours.rtcp,
            Some(std::net::SocketAddr::new(ours.rtp.ip(), if shares { 5000 } else { 5001 }))
        );
        theirs.rtcp_mux = shares;
        let now = world.now;
        world.sides[0].session.connect(now, &ours);
        world.sides[1].session.connect(now, &theirs);
        let [malformed, round_trips] = reports(&mut world);
        assert_eq!((malformed, round_trips), (0, 1), "reports are heard, mux {shares}");
        assert!(world.sides.iter().all(|side| side.session.stats().unknown_payload == 0));
    }
}

#[test]
fn an_offer_of_rtcp_mux_names_the_other_port_too_and_nobody_accepts_what_was_not_offered() {
    let local = LocalMedia::new("192.0.2.1:4000".parse().expect("an address"), 1);
    let muxed = LocalMedia { rtcp_mux: true, ..local.clone() };
    let text = |local: &LocalMedia| String::from_utf8(offer(local).to_vec()).expect("ASCII");
    assert!(text(&muxed).ends_with("a=rtcp-mux\r\na=rtcp:4001\r\n"), "{}", text(&muxed));
    assert!(!text(&local).contains("mux"));
    let answered = answer(text(&muxed).as_bytes(), &local).expect("acceptable");
    assert!(answered.remote.rtcp_mux, "one that is offered is taken");
    assert!(!accept_answer(&answered.body, &local).expect("acceptable").remote.rtcp_mux);
    assert!(accept_answer(&answered.body, &muxed).expect("acceptable").remote.rtcp_mux);
    let silent = LocalMedia { rtcp: false, ..muxed };
    assert!(!text(&silent).contains("rtcp"));
}

#[test]
fn numbers_that_look_like_rtcp_are_rtp_on_a_port_of_its_own_and_are_never_shared() {
    let local = LocalMedia {
        codecs: Codec::ALL.to_vec(),
        ..LocalMedia::new("192.0.2.1:4000".parse().expect("one"), 1)
    };
    let described = |number: u8, more: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP {number}\r\n\
             a=rtpmap:{number} L16/8000\r\n{more}"
        )
    };
    for (number, more, shares) in [
        (96, "a=rtcp-mux\r\n", true),
        (63, "a=rtcp-mux\r\n", true),
        (64, "a=rtcp-mux\r\n", false),
        (72, "a=rtcp-mux\r\n", false),
        (95, "a=rtcp-mux\r\n", false),
        (72, "", false),
    ] {
        let done = answer(described(number, more).as_bytes(), &local).expect("acceptable");
        assert_eq!(done.remote.rtcp_mux, shares, "{number}");
        let body = String::from_utf8(done.body.to_vec()).expect("ASCII");
        assert_eq!((body.contains("a=rtcp-mux"), body.contains("a=rtcp:4001")), (shares, !shares));
        // With a marker its second octet is that of a report.
        let mut world = World::new(7, [CLEAN; 2], [&[Codec::L16]; 2]);
        let now = world.now;
        world.sides[0].session.connect(now, &done.remote);
        let mut packet = vec![0x80, number | 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        packet.extend([0; 320]);
        let from = world.sides[1].address;
        hear(&mut world, from, &packet);
        let stats = world.sides[0].session.stats();
        assert_eq!((stats.packets_received, stats.malformed), (1, 0), "{number}");
    }
    // On a shared port each packet type of RTCP is a report, and nothing else is.
    let mut world = World::new(8, [CLEAN; 2], [&[Codec::Pcma]; 2]);
    let remote = agreed(&world, Codec::Pcma, true, &|text| text)[0].clone();
    let now = world.now + Duration::from_millis(1);
    world.sides[0].session.connect(now, &remote);
    let from = world.sides[1].address;
    for second in 0..=255_u8 {
        let before = world.sides[0].session.stats();
        let mut packet = vec![0x80, second, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        packet.extend([0xD5; 160]);
        hear(&mut world, from, &packet);
        let after = world.sides[0].session.stats();
        let as_rtp = (after.packets_received + after.unknown_payload)
            - (before.packets_received + before.unknown_payload);
        let is_report = (192..=223).contains(&second);
        assert_eq!(as_rtp, u64::from(!is_report), "{second}");
    }
}

/// Our side gets a datagram on its RTP port.
fn hear(world: &mut World, from: std::net::SocketAddr, bytes: &[u8]) {
    let now = world.now;
    let session = &mut world.sides[0].session;
    session.handle(now, Input::Rtp { came: now, from, bytes });
    while !matches!(session.poll(), Output::Timeout(_)) {}
}
