//! The laws of `src/lib.rs`: each names the tests that hold it, and two of them are held here for all machines
//! at once.

use std::fs;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::audio::{Band, Codec};
use countersign::auth::{self, AuthSession, LevelName, Policy};
use countersign::media::sdp::{self, LocalMedia};
use countersign::media::{self, Frame, MediaConfig, MediaSession};
use countersign::routing::{self, Queue, QueueName, Switchboard, SwitchboardConfig};
use countersign::sip::registrar::{self, Registrar, RegistrarConfig};
use countersign::sip::{self, Endpoint, EndpointConfig, StreamParser, Transport};
use countersign::units::{CallId, Digit, Entropy, Epoch, UnixTime};

#[test]
fn each_law_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let text = read("src/lib.rs");
    let (_, laws) = text.split_once("//! # Laws").expect("the laws");
    let (mut number, mut held) = (0, true);
    for line in laws.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim) {
        if let Some(tests) = line.strip_prefix("- ") {
            let (file, names) = tests.split_once(": ").expect("a file and its tests");
            let source = read(file.trim_matches('`'));
            for name in names.split(", ").map(|name| name.trim_matches('`')) {
                let (before, _) = source
                    .split_once(&format!("fn {name}("))
                    .unwrap_or_else(|| panic!("law {number}: no `{name}` in {file}"));
                let attributes = before.rsplit_once("#[test]").map(|(_, between)| between);
                assert!(
                    attributes.is_some_and(|between| !between.contains("fn ")),
                    "law {number}: `{name}` is no test"
                );
            }
            held = true;
        } else if let Some((index, _)) = line.split_once(". ")
            && index == (number + 1).to_string()
        {
            assert!(held, "law {number} has no test");
            (number, held) = (number + 1, false);
        }
    }
    assert!(held, "law {number} has no test");
    assert_eq!(number, 10, "all laws were read");
}

/// The first moment of a test.
#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some first instant; all others are offsets from it"
)]
fn start() -> Instant {
    Instant::now()
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn from_peer() -> sip::Path {
    let [local, remote] = ["192.0.2.1:5060", "192.0.2.7:5060"].map(address);
    sip::Path { transport: Transport::Udp, local, remote, connection: None }
}

fn request(method: &str, number: u32) -> Bytes {
    Bytes::from(format!(
        "{method} sip:bank@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{number}\r\n\
         From: <sip:ana@192.0.2.7>;tag=1\r\nTo: <sip:bank@192.0.2.1>\r\nCall-ID: call-{number}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:ana@192.0.2.7>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn endpoint(max_transactions: usize) -> Endpoint {
    let config = EndpointConfig { max_transactions, ..EndpointConfig::default() };
    Endpoint::new(config, Entropy::from_seed([1; 32]))
}

fn registrar(now: Instant) -> Registrar {
    Registrar::new(RegistrarConfig::default(), now, Entropy::from_seed([2; 32]))
}

fn switchboard(places: usize) -> Switchboard {
    let queue = Queue::new(QueueName::from("desk"), places);
    Switchboard::new(SwitchboardConfig::default(), vec![queue], Vec::new())
}

fn wait_in_line(call: u64) -> routing::Input {
    routing::Input::Enqueue { call: CallId(call), queue: QueueName::from("desk"), priority: 0, skill: None }
}

/// A session that has a peer.
fn media_session(now: Instant) -> MediaSession {
    let here = LocalMedia { codecs: vec![Codec::Pcmu], ..LocalMedia::new(address("192.0.2.1:4000"), 1) };
    let there = LocalMedia { codecs: vec![Codec::Pcmu], ..LocalMedia::new(address("192.0.2.7:4000"), 1) };
    let negotiated = sdp::answer(&sdp::offer(&there), &here).expect("acceptable");
    let epoch = Epoch { instant: now, unix: UnixTime(0) };
    let config = MediaConfig::from_entropy(&mut Entropy::from_seed([3; 32]), epoch);
    let mut session = MediaSession::new(now, config);
    session.connect(now, &negotiated.remote);
    session
}

/// Whether a second input, before the outputs of the first are taken, is told to be a broken law.
fn minds(mut input: impl FnMut()) -> bool {
    input();
    let second = catch_unwind(AssertUnwindSafe(input));
    second.is_err_and(|panic| panic.downcast_ref::<&str>().is_some_and(|text| text.starts_with("law 2:")))
}

#[test]
#[cfg(debug_assertions)]
fn every_machine_wants_its_outputs_drained_before_the_next_input() {
    let now = start();
    let mut endpoint = endpoint(10);
    let options = request("OPTIONS", 1);
    assert!(minds(|| {
        endpoint.handle(now, sip::Input::Received { path: from_peer(), message: options.clone() });
    }));
    let mut registrar = registrar(now);
    let register = request("REGISTER", 1);
    assert!(minds(|| {
        registrar.handle(now, registrar::Input::Received { path: from_peer(), message: register.clone() });
    }));
    let mut switchboard = switchboard(0);
    assert!(minds(|| switchboard.handle(now, wait_in_line(1))));
    let mut media = media_session(now);
    assert!(minds(|| media.handle(now, media::Input::Timeout)));
    let mut session = AuthSession::new(Arc::new(Policy::default()), CallId(1));
    assert!(minds(|| {
        session.handle(
            now,
            auth::Input::Begin {
                level: LevelName::from("basic"),
                offer: Vec::new(),
                choose: auth::Choose::Policy,
            },
        );
    }));
}

#[test]
fn a_flooded_machine_keeps_no_more_than_its_bound() {
    let now = start();
    let mut endpoint = endpoint(50);
    for number in 0..1000 {
        endpoint.handle(now, sip::Input::Received { path: from_peer(), message: request("INVITE", number) });
        while !matches!(endpoint.poll(), sip::Output::Timeout(_)) {}
    }
    assert_eq!((endpoint.active().sessions, endpoint.active().transactions), (50, 50));

    let mut switchboard = switchboard(20);
    for call in 0..1000 {
        switchboard.handle(now, wait_in_line(call));
        while !matches!(switchboard.poll(), routing::Output::Timeout(_)) {}
    }
    assert_eq!(switchboard.waiting(), 20);

    let mut parser = StreamParser::new();
    let mut taken = 0;
    while parser.next_message().is_ok_and(|message| message.is_none()) && taken < 10_000_000 {
        parser.push(&[b'x'; 1000]);
        taken += 1000;
    }
    assert!(taken <= 100_000, "a stream without an end was given up after {taken} octets");

    let mut media = media_session(now);
    for _ in 0..10_000 {
        media.push(Frame::new(Band::Narrow, &[0; 160]));
        media.send_digits(now, &[Digit::from_char('5').expect("a key")]);
    }
    let (mut at, mut keys) = (now, 0);
    for _ in 0..60_000 {
        media.handle(at, media::Input::Timeout);
        let mut burst = 0;
        loop {
            match media.poll() {
                media::Output::Rtp { bytes, .. } => {
                    burst += 1;
                    keys += u32::from(bytes.get(1).is_some_and(|octet| octet & 0x80 != 0));
                }
                media::Output::Timeout(_) => break,
                _ => {}
            }
        }
        assert!(burst <= 5, "{burst} packets at once");
        at += Duration::from_millis(20);
    }
    assert!((1..=100).contains(&keys), "{keys} of 10,000 keys waited to be sent");
}

#[test]
fn no_wait_is_without_end() {
    let now = start();
    let mut endpoint = endpoint(50);
    endpoint.handle(now, sip::Input::Received { path: from_peer(), message: request("INVITE", 1) });
    let mut at = now;
    loop {
        match endpoint.poll() {
            // Answered, and then the caller never says anything again.
            sip::Output::Event(sip::Event::Incoming { session, .. }) => {
                endpoint.accept(now, session, Bytes::from_static(b"v=0\r\n"));
            }
            sip::Output::Timeout(Some(next)) => {
                at = next;
                assert!(at - now <= Duration::from_secs(180), "{:?}", endpoint.active());
                endpoint.handle(at, sip::Input::Timeout);
            }
            sip::Output::Timeout(None) => break,
            _ => {}
        }
    }
    let active = endpoint.active();
    assert_eq!((active.sessions, active.transactions), (0, 0));
    assert!(at > now);
}
