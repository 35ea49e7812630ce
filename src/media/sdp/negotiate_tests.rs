//! Offers and answers by table.

use super::*;
use crate::media::sdp::{offer, reoffer};
use proptest::prelude::*;

fn local() -> LocalMedia {
    LocalMedia::new("192.0.2.7:20000".parse().expect("an address"), 42)
}

fn described(media: &str) -> Vec<u8> {
    format!("v=0\r\no=x 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n{media}")
        .replace('|', "\r\n")
        .into_bytes()
}

fn answered(media: &str) -> Result<Negotiated, SdpError> {
    answer(&described(media), &local())
}

fn body(negotiated: &Negotiated) -> &str {
    std::str::from_utf8(&negotiated.body).expect("ASCII")
}

#[test]
fn codecs_and_keys_are_found_by_number_or_by_name() {
    // Offer, codec, its number, the number of events.
    let table = [
        ("m=audio 4000 RTP/AVP 0|", Codec::Pcmu, 0, None),
        ("m=audio 4000 RTP/AVP 8|", Codec::Pcma, 8, None),
        ("m=audio 4000 RTP/AVP 8 0|", Codec::Pcma, 8, None),
        ("m=audio 4000 RTP/AVP 18 9 0 8|a=rtpmap:18 G729/8000|", Codec::Pcmu, 0, None),
        ("m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000/1|", Codec::Pcmu, 0, Some(101)),
        (
            "m=audio 4000 RTP/AVP 8 96 97|a=rtpmap:8 PCMA/8000|a=rtpmap:96 telephone-event/48000|\
             a=rtpmap:97 TELEPHONE-EVENT/8000|a=fmtp:97 0-16|",
            Codec::Pcma,
            8,
            Some(97),
        ),
        ("m=audio 4000 RTP/AVP 120|a=rtpmap:120 pcma/8000/1|", Codec::Pcma, 120, None),
        ("m=audio 4000 RTP/AVP 121 0|a=rtpmap:121 PCMA/16000|", Codec::Pcmu, 0, None),
    ];
    for (offered, codec, number, events) in table {
        let negotiated = answered(offered).unwrap_or_else(|error| panic!("{offered}: {error}"));
        let remote = &negotiated.remote;
        assert_eq!((remote.codec, remote.payload_type), (codec, PayloadType(number)), "{offered}");
        assert_eq!(remote.telephone_event, events.map(PayloadType), "{offered}");
        assert_eq!(remote.receive_event, remote.telephone_event);
        let formats = events.map_or(format!("{number}"), |events| format!("{number} {events}"));
        let text = body(&negotiated);
        assert!(text.contains(&format!("m=audio 20000 RTP/AVP {formats}\r\n")), "{text}");
        assert_eq!(text.contains("telephone-event/8000"), events.is_some());
    }
}

#[test]
fn an_answer_takes_the_first_codec_of_the_offer_that_the_settings_name() {
    let all = LocalMedia { codecs: Codec::ALL.to_vec(), ..local() };
    let wide = LocalMedia { codecs: vec![Codec::G722, Codec::Pcma], ..local() };
    let l16 = "a=rtpmap:118 L16/8000|a=rtpmap:117 L16/8000/2|a=rtpmap:116 l16/16000/1|";
    let table = [
        (&all, "9 0 8|", Some((Codec::G722, 9))),
        (&all, "0 9|", Some((Codec::Pcmu, 0))),
        (&wide, "0 8 9|", Some((Codec::Pcma, 8))),
        (&wide, "0 9 8|a=rtpmap:9 G722/8000/1|", Some((Codec::G722, 9))),
        (&wide, "96 0|a=rtpmap:96 g722/8000|", Some((Codec::G722, 96))),
        // Its clock is 8,000 Hz in every description that follows the RFC.
        (&wide, "96 0|a=rtpmap:96 G722/16000|", None),
        (&local(), "9|", None),
        (&all, "116 117 118 0|", Some((Codec::L16, 118))),
        (&wide, "118 0|", None),
        (&all, "120 0|a=rtpmap:120 opus/48000/2|", Some((Codec::Opus, 120))),
        (&all, "120 0|a=rtpmap:120 opus/48000|", Some((Codec::Pcmu, 0))),
        // Static numbers of L16 are stereo at 44,100 Hz.
        (&all, "10 11|", None),
    ];
    for (ours, formats, expected) in table {
        let offered = described(&format!("m=audio 4000 RTP/AVP {formats}{l16}"));
        let found = answer(&offered, ours).map(|done| (done.remote.codec, done.remote.payload_type.0));
        assert_eq!(found.as_ref().ok(), expected.as_ref(), "{formats} {found:?}");
        if let (Some((codec, number)), Ok(done)) = (expected, answer(&offered, ours)) {
            let text = body(&done);
            assert!(text.contains(&format!("m=audio 20000 RTP/AVP {number}\r\n")), "{text}");
            let end = if codec == Codec::Opus { "48000/2" } else { "8000" };
            assert!(text.contains(&format!("a=rtpmap:{number} {}/{end}\r\n", codec.name())), "{text}");
        }
    }
}

#[test]
fn telephone_events_have_the_clock_of_the_codec() {
    let all = LocalMedia { codecs: Codec::ALL.to_vec(), ..local() };
    let events =
        "a=rtpmap:120 opus/48000/2|a=rtpmap:101 telephone-event/8000|a=rtpmap:96 telephone-event/48000|";
    for (formats, number) in [("120 0 101 96", 96), ("0 120 101 96", 101)] {
        let offered = described(&format!("m=audio 4000 RTP/AVP {formats}|{events}"));
        let done = answer(&offered, &all).expect("acceptable");
        assert_eq!(done.remote.telephone_event, Some(PayloadType(number)), "{formats}");
        let rate = if number == 96 { 48_000 } else { 8000 };
        assert!(body(&done).contains(&format!("a=rtpmap:{number} telephone-event/{rate}\r\n")), "{formats}");
    }
    // Some phones have events at 8,000 Hz only, beside Opus too: their keys count.
    let offered = described(&format!("m=audio 4000 RTP/AVP 120 101|{events}"));
    let done = answer(&offered, &all).expect("acceptable");
    assert_eq!((done.remote.telephone_event, done.remote.event_clock), (Some(PayloadType(101)), 1));
    assert!(body(&done).contains("a=rtpmap:101 telephone-event/8000\r\n"));
    let text = String::from_utf8(offer(&all).to_vec()).expect("ASCII");
    assert!(text.contains("m=audio 20000 RTP/AVP 0 8 9 97 111 101 102\r\n"), "{text}");
    assert!(text.contains("a=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxplaybackrate=16000"), "{text}");
    assert!(text.contains("a=rtpmap:102 telephone-event/48000\r\n"), "{text}");
    let only_opus =
        described("m=audio 4000 RTP/AVP 111 96|a=rtpmap:111 opus/48000/2|a=rtpmap:96 telephone-event/48000|");
    let remote = accept_answer(&only_opus, &all).expect("acceptable").remote;
    assert_eq!((remote.codec, remote.telephone_event), (Codec::Opus, Some(PayloadType(96))));
    assert_eq!(remote.receive_event, Some(PayloadType(102)), "we receive what we offered");
}

#[test]
fn opus_has_no_packets_of_thirty_or_fifty_milliseconds() {
    let all = LocalMedia { codecs: Codec::ALL.to_vec(), ..local() };
    for (wanted, ms) in [(10, 10), (20, 20), (30, 20), (40, 40), (50, 40), (60, 60)] {
        let offered =
            described(&format!("m=audio 4000 RTP/AVP 120|a=rtpmap:120 opus/48000/2|a=ptime:{wanted}|"));
        let remote = answer(&offered, &all).expect("acceptable").remote;
        assert_eq!(remote.ptime, Duration::from_millis(ms), "{wanted}");
    }
}

#[test]
fn a_packet_of_l16_is_never_longer_than_thirty_milliseconds() {
    let all = LocalMedia { codecs: Codec::ALL.to_vec(), ..local() };
    for (lines, ms) in [("", 20), ("a=ptime:60|", 30), ("a=ptime:10|", 10)] {
        let offered = described(&format!("m=audio 4000 RTP/AVP 118|a=rtpmap:118 L16/8000|{lines}"));
        let remote = answer(&offered, &all).expect("acceptable").remote;
        assert_eq!(remote.ptime, Duration::from_millis(ms), "{lines}");
    }
}

#[test]
fn what_we_cannot_do_is_488_and_what_makes_no_sense_is_400() {
    let many = "m=audio 4000 RTP/AVP 0|".repeat(1000);
    let table = [
        ("m=audio 4000 RTP/AVP 18|", 488),
        ("m=audio 4000 RTP/AVP 0|a=rtpmap:0 G729/8000|", 488),
        ("m=audio 4000 RTP/SAVP 0|", 488),
        ("m=audio 0 RTP/AVP 0|", 488),
        ("m=video 4000 RTP/AVP 0|", 488),
        ("", 488),
        ("m=audio 4000 RTP/AVP 0|c=IN IP4 224.1.1.1/127|", 488),
        ("m=audio 4000 RTP/AVP 0|c=IN IP6 2001:db8::1|", 488),
        ("m=audio 4000 RTP/AVP 0|c=IN IP4 phone.example.com|", 488),
        ("m=audio 70000 RTP/AVP 0|", 400),
        ("m=audio|", 400),
        (many.as_str(), 400),
    ];
    for (offered, status) in table {
        let error = answered(offered).expect_err("not acceptable");
        assert_eq!(error.status(), status, "{}", &offered[..offered.len().min(80)]);
    }
    for garbage in [&b""[..], b"hello", b"v=1\r\n", b"\xff\xfe\x00", b"v=0\r\nm=audio 1 RTP/AVP 0\r\n"] {
        assert_eq!(answer(garbage, &local()).expect_err("garbage").status(), 400);
    }
    assert_eq!(answer(&vec![b'a'; 1 << 20], &local()).expect_err("huge"), SdpError::TooLarge);
}

#[test]
fn holding_and_resuming_turn_the_directions_round() {
    let offered = |lines: &str| format!("m=audio 4000 RTP/AVP 0|{lines}");
    let table = [
        ("", Direction::SendRecv),
        ("a=sendrecv|", Direction::SendRecv),
        ("a=sendonly|", Direction::RecvOnly),
        ("a=recvonly|", Direction::SendOnly),
        ("a=inactive|", Direction::Inactive),
        ("c=IN IP4 0.0.0.0|", Direction::RecvOnly),
        ("c=IN IP4 0.0.0.0|a=inactive|", Direction::Inactive),
    ];
    for (lines, direction) in table {
        let negotiated = answered(&offered(lines)).expect("acceptable");
        assert_eq!(negotiated.remote.direction, direction, "{lines}");
        assert!(body(&negotiated).contains(&format!("a={}\r\n", direction.name())), "{lines}");
    }
    let session_level = described("a=sendonly|m=audio 4000 RTP/AVP 0|");
    let negotiated = answer(&session_level, &local()).expect("acceptable");
    assert_eq!(negotiated.remote.direction, Direction::RecvOnly);
}

#[test]
fn the_packet_time_is_the_nearest_to_the_peers() {
    let table = [
        ("", 20),
        ("a=ptime:10|", 10),
        ("a=ptime:30|", 30),
        ("a=ptime:60|", 60),
        ("a=ptime:20.0|", 20),
        ("a=ptime:5|", 10),
        ("a=ptime:24|", 20),
        ("a=ptime:26|", 30),
        ("a=ptime:100|", 60),
        ("a=ptime:0|", 20),
        ("a=ptime:-3|", 20),
        ("a=ptime:x|", 20),
        ("a=ptime:40|a=maxptime:30|", 30),
        ("a=maxptime:10|", 10),
        ("a=maxptime:5|", 10),
        ("a=ptime:60|a=maxptime:35|", 30),
        ("a=maxptime:150|", 20),
    ];
    for (lines, ms) in table {
        let negotiated = answered(&format!("m=audio 4000 RTP/AVP 0|{lines}")).expect("acceptable");
        assert_eq!(negotiated.remote.ptime, Duration::from_millis(ms), "{lines}");
        assert!(body(&negotiated).contains(&format!("a=ptime:{ms}\r\n")));
    }
}

#[test]
fn reports_go_where_the_peer_wants_them() {
    let table = [
        ("", Some("198.51.100.1:4001"), false),
        ("a=rtcp:5555|", Some("198.51.100.1:5555"), false),
        ("a=rtcp:5555 IN IP4 198.51.100.1|", Some("198.51.100.1:5555"), false),
        // Reports do not go to a host that may never have asked for them.
        ("a=rtcp:5555 IN IP4 198.51.100.9|", Some("198.51.100.1:4001"), false),
        ("a=rtcp:5555 IN IP4 224.0.0.1|", Some("198.51.100.1:4001"), false),
        ("a=rtcp:zero|", Some("198.51.100.1:4001"), false),
        ("a=rtcp-mux|", Some("198.51.100.1:4000"), true),
        ("b=RS:0|b=RR:0|", None, false),
    ];
    for (lines, rtcp, mux) in table {
        let remote = answered(&format!("m=audio 4000 RTP/AVP 0|{lines}")).expect("acceptable").remote;
        assert_eq!(remote.rtcp, rtcp.map(|text| text.parse().expect("an address")), "{lines}");
        assert_eq!(remote.rtcp_mux, mux, "{lines}");
    }
    let without = LocalMedia { rtcp: false, ..local() };
    let negotiated = answer(&described("m=audio 4000 RTP/AVP 0|a=rtcp-mux|"), &without).expect("acceptable");
    assert_eq!(negotiated.remote.rtcp, None);
    assert!(!body(&negotiated).contains("rtcp"));
}

#[test]
fn every_other_stream_is_refused_in_its_place_and_stays_refused() {
    let offered = "m=video 5000 RTP/AVP 96|a=rtpmap:96 H264/90000|m=audio 4000 RTP/AVP 0|\
                   m=audio 4002 RTP/AVP 8|m=application 5004 UDP/BFCP *|";
    let negotiated = answered(offered).expect("acceptable");
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("m=")).map(String::from).collect()
    };
    let refused = ["m=video 0 RTP/AVP 96", "m=audio 0 RTP/AVP 8", "m=application 0 UDP/BFCP *"];
    let expected = [refused[0], "m=audio 20000 RTP/AVP 0", refused[1], refused[2]];
    assert_eq!(lines(body(&negotiated)), expected);
    let mut local = local();
    local.bump();
    let again = reoffer(&local, &negotiated.layout);
    let again = std::str::from_utf8(&again).expect("ASCII");
    assert!(again.contains("o=- 42 1 IN"), "{again}");
    assert_eq!(lines(again), [refused[0], "m=audio 20000 RTP/AVP 0 8 101", refused[1], refused[2]]);
}

#[test]
fn an_answer_says_what_to_send_and_a_refusal_is_one() {
    let ours = local();
    let text = "m=audio 4000 RTP/AVP 8 0 96|a=rtpmap:96 telephone-event/8000|a=ptime:30|a=rtcp-mux|";
    let remote = accept_answer(&described(text), &ours).expect("acceptable").remote;
    assert_eq!((remote.codec, remote.telephone_event), (Codec::Pcma, Some(PayloadType(96))));
    assert_eq!(remote.receive_event, Some(PayloadType(101)), "we receive what we offered");
    assert!(!remote.rtcp_mux, "never offered");
    for refusal in ["m=audio 0 RTP/AVP 0|", "m=audio 4000 RTP/AVP 18|"] {
        assert_eq!(accept_answer(&described(refusal), &ours).expect_err("refused").status(), 488);
    }
    let only_mu_law = LocalMedia { codecs: vec![Codec::Pcmu], ..local() };
    assert!(accept_answer(&described("m=audio 4000 RTP/AVP 8|"), &only_mu_law).is_err());
}

#[test]
fn our_own_offer_is_one_we_would_accept() {
    for address in ["192.0.2.7:20000", "[2001:db8::7]:20000"] {
        let ours = LocalMedia::new(address.parse().expect("an address"), 1);
        let negotiated = answer(&offer(&ours), &ours).expect("acceptable");
        assert_eq!(negotiated.remote.rtp, ours.address);
        assert_eq!(negotiated.remote.codec, Codec::Pcmu);
        let back = accept_answer(&negotiated.body, &ours).expect("acceptable");
        assert_eq!(back.remote.telephone_event, Some(PayloadType(101)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn no_text_panics(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = answer(&text, &local());
        let _ = accept_answer(&text, &local());
    }

    /// Real descriptions with a few octets changed; what we accept we can also read again.
    #[test]
    fn no_damaged_description_panics(
        changes in proptest::collection::vec((0_usize..400, any::<u8>()), 0..8),
        cut in 0_usize..400,
    ) {
        let mut text = described(
            "m=audio 4000 RTP/AVP 8 0 101|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|\
             a=rtcp:4001 IN IP4 198.51.100.1|m=video 5000/2 RTP/AVP 96|b=RR:0|a=rtpmap:96 H264/90000|",
        );
        for (at, octet) in changes {
            let length = text.len();
            text[at % length] = octet;
        }
        text.truncate(text.len().max(cut) - cut / 8);
        if let Ok(negotiated) = answer(&text, &local()) {
            prop_assert!(Session::parse(&negotiated.body).is_ok());
            prop_assert!(!body(&negotiated).contains("\r\n\r\n"));
        }
    }
}
