use proptest::prelude::*;

use super::*;

const OURS: &str = "https://phones.example.com";

/// A request with these lines behind those that every WebSocket needs.
fn request(more: &str) -> String {
    format!(
        "GET /sip HTTP/1.1\r\nHost: 192.0.2.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

fn greeted(text: &str, piece: usize) -> Greeting {
    let origins = [OURS.to_owned()];
    let mut handshake = Handshake::new(&origins);
    let mut pieces = text.as_bytes().chunks(piece);
    let last = pieces.next_back().expect("some");
    for piece in pieces {
        assert_eq!(handshake.push(piece), None, "it is not whole");
    }
    handshake.push(last).expect("it is whole")
}

#[test]
fn a_client_that_offers_sip_is_answered_however_its_request_is_cut() {
    let program = "Sec-WebSocket-Protocol: sip\r\n";
    let browser = "Origin: https://PHONES.example.com\r\nSec-WebSocket-Protocol: xmpp, sip\r\n\
                   Sec-WebSocket-Extensions: permessage-deflate\r\n";
    for (more, piece) in [(program, 1), (program, 1_000), (browser, 7)] {
        let Greeting::Taken(answer) = greeted(&request(more), piece) else { panic!("refused: {more}") };
        let answer = String::from_utf8(answer).expect("text").to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        assert!(answer.contains("sec-websocket-protocol: sip\r\n"), "{answer}");
        assert!(!answer.contains("extensions") && answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[test]
fn what_is_no_handshake_for_sip_is_refused_with_its_reason() {
    let sip = "Sec-WebSocket-Protocol: sip\r\n";
    let cookies = format!("{sip}Cookie: {}\r\n", "x".repeat(MAX_HANDSHAKE));
    for (text, refusal) in [
        (request(""), Refusal::SubProtocol),
        (request("Sec-WebSocket-Protocol: sips, xsip\r\n"), Refusal::SubProtocol),
        (request(&format!("{sip}Origin: https://evil.example\r\n")), Refusal::Origin),
        (request(&format!("{sip}Origin: {OURS}.evil.example\r\n")), Refusal::Origin),
        (request(&format!("{sip}Origin: null\r\n")), Refusal::Origin),
        (request(&format!("{sip}Origin: {OURS}\r\nOrigin: {OURS}\r\n")), Refusal::Origin),
        (request("Origin: https://evil.example\r\n"), Refusal::Origin),
        (request(sip).replace("Version: 13", "Version: 8"), Refusal::Version),
        (request(sip).replace("GET", "POST"), Refusal::NoRequest),
        (request(sip).replace("Upgrade: websocket", "Upgrade: h2c"), Refusal::NoRequest),
        (request(sip).replace("dGhl", "dGh"), Refusal::NoRequest),
        (request(sip) + "more", Refusal::NoRequest),
        ("OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n\r\n".to_owned(), Refusal::NoRequest),
        (request(&cookies), Refusal::TooLarge),
    ] {
        assert_eq!(greeted(&text, text.len()), Greeting::Refused(refusal), "{text}");
    }
    let status = |refusal: Refusal| refusal.to_string().split(' ').nth(1).map(str::to_owned);
    assert_eq!(status(Refusal::Origin).as_deref(), Some("403"));
    assert_eq!(status(Refusal::SubProtocol).as_deref(), Some("400"));
}

#[test]
fn a_request_without_an_end_is_cut() {
    let mut handshake = Handshake::new(&[]);
    let pushes = (1..).find(|_| handshake.push(&[b'x'; 64]).is_some()).expect("an end");
    assert_eq!(pushes, MAX_HANDSHAKE / 64 + 1);
}

/// A frame as a client sends it: masked, with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | u8::try_from(short).expect("short")),
        long @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(long).expect("long").to_be_bytes());
        }
        longer => {
            frame.push(0x80 | 127);
            frame.extend(u64::try_from(longer).expect("longer").to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const MORE: u8 = 0x01;
const LAST: u8 = 0x80;

fn all(frames: &mut Frames) -> Vec<Bytes> {
    std::iter::from_fn(|| frames.next_message().expect("it goes on")).collect()
}

#[test]
fn a_message_of_the_websocket_is_one_of_sip() {
    let mut frames = Frames::new();
    frames.push(&[frame(TEXT, b"one"), frame(BINARY, b"t\xffo"), frame(TEXT, b"")].concat());
    assert_eq!(all(&mut frames), [&b"one"[..], b"t\xffo"]);
    assert!(!frames.is_mid_message());
    let whole = [frame(MORE, b"th"), frame(PING, b"p"), frame(LAST, b"ree")].concat();
    let mut messages = Vec::new();
    for byte in &whole {
        frames.push(&[*byte]);
        messages.extend(all(&mut frames));
    }
    assert_eq!(messages, [&b"three"[..]]);
    assert_eq!(frames.owed(), &b"\x8a\x01p"[..], "the ping was answered");
    frames.push(&frame(TEXT, b"four")[..7]);
    assert!(all(&mut frames).is_empty() && frames.is_mid_message());
}

#[test]
fn keep_alives_of_both_kinds_are_answered() {
    let mut frames = Frames::new();
    frames.push(&[frame(TEXT, b"\r\n\r\n"), frame(TEXT, b"\r\n"), frame(PING, b"")].concat());
    assert!(all(&mut frames).is_empty(), "they are no messages");
    assert_eq!(frames.owed(), &b"\x81\x02\r\n\x8a\x00"[..]);
    assert!(frames.owed().is_empty(), "once");
}

#[test]
fn what_breaks_the_rules_ends_the_connection_with_its_code() {
    let longest = vec![b'x'; MAX_MESSAGE];
    let mut frames = Frames::new();
    frames.push(&frame(TEXT, &longest));
    assert_eq!(all(&mut frames), [&longest[..]]);
    let mut unmasked = frame(TEXT, b"x");
    unmasked[1] &= 0x7f;
    for (bytes, code) in [
        (frame(TEXT, &[&longest[..], b"x"].concat()), 1009_u16),
        // What is only announced needs no octet to be refused.
        (frame(BINARY, &vec![0; 1 << 20])[..14].to_vec(), 1009),
        ([frame(MORE, &longest), frame(LAST, b"x")].concat(), 1009),
        (frame(TEXT, b"\xff"), 1007),
        (unmasked, 1002),
        // Compressed, which was not agreed.
        (frame(TEXT | 0x40, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(PING & 0x7f, b"x"), 1002),
        (frame(LAST, b"x"), 1002),
    ] {
        let mut frames = Frames::new();
        frames.push(&bytes);
        let Ended { last } = frames.next_message().expect_err("an end");
        let [high, low] = code.to_be_bytes();
        assert_eq!(last, [0x88, 2, high, low].as_slice(), "{code}");
        assert!(frames.wrap(Bytes::from_static(b"later")).is_empty(), "nothing is said behind it");
    }
}

#[test]
fn who_takes_leave_is_answered() {
    let mut frames = Frames::new();
    frames.push(&frame(0x88, &1001_u16.to_be_bytes()));
    let messages = std::iter::from_fn(|| Some(frames.next_message())).take(2).collect::<Vec<_>>();
    let last = messages.into_iter().find_map(Result::err).expect("an end").last;
    assert_eq!(last, &b"\x88\x02\x03\xe9"[..]);
}

#[test]
fn what_we_say_is_text_where_it_can_be() {
    let mut frames = Frames::new();
    assert_eq!(frames.wrap(Bytes::from_static(b"ACK")), &b"\x81\x03ACK"[..]);
    assert_eq!(frames.wrap(Bytes::from_static(b"\xff")), &b"\x82\x01\xff"[..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_comes_ends_or_goes_on(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..16)) {
        let mut frames = Frames::new();
        for piece in &pieces {
            frames.push(piece);
            while let Ok(Some(_)) = frames.next_message() {}
            prop_assert!(frames.owed().len() <= 8 * 64);
        }
        let mut handshake = Handshake::new(&[]);
        for piece in &pieces {
            prop_assert!(!matches!(handshake.push(piece), Some(Greeting::Taken(_))));
        }
    }
}
