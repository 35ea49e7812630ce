//! The endpoint is called.

use std::time::Duration;

use super::*;

#[test]
fn what_belongs_to_nothing_is_answered_without_leaving_anything_behind() {
    let table = [
        (request("BYE", 1, "x", "nobody", ""), 481),
        (request("INVITE", 1, "x", "nobody", ""), 481),
        (request("BYE", 1, "x", "", ""), 481),
        (request("CANCEL", 1, "x", "", ""), 481),
        (request("UPDATE", 1, "x", "", ""), 481),
        (request("SUBSCRIBE", 1, "x", "", ""), 405),
        (request("NOTIFY", 1, "x", "", ""), 405),
        (request("REFER", 1, "x", "", ""), 405),
        (request("PRACK", 1, "x", "", ""), 481),
        (request("REGISTER", 1, "x", "", ""), 405),
        (request("DANCE", 1, "x", "", ""), 501),
        (request_with("INVITE", 1, "x", "", "Require: gruu\r\n", ""), 420),
        (request("OPTIONS", 1, "x", "", ""), 200),
        (request("INVITE", 1, "x", "", "").replace("Max-Forwards: 70", "Max-Forwards: many"), 400),
    ];
    for (text, status) in table {
        let mut peer = Peer::new();
        peer.says(&text);
        assert_eq!(peer.statuses(), [status], "{text}");
        assert_eq!(peer.endpoint.active(), Active::default());
        assert!(peer.events.is_empty());
    }
    let mut peer = Peer::new();
    peer.says(&request("ACK", 1, "x", "nobody", ""));
    peer.says("SIP/2.0 200 OK\r\n\r\n");
    peer.says("nonsense");
    assert!(peer.sent.is_empty(), "nothing of this is answered");
}

#[test]
fn options_says_what_is_served_inside_a_call_and_outside() {
    let mut peer = Peer::new();
    peer.says(&request("OPTIONS", 1, "o1", "", ""));
    let outside = peer.last_response();
    let tag = peer.call();
    peer.says(&request("OPTIONS", 2, "o2", &tag, ""));
    for response in [outside, peer.last_response()] {
        assert_eq!(response.status, StatusCode::OK);
        assert!(response.headers.allow().contains(&Method::Invite));
        assert!(response.headers.text(Name::Accept).is_some_and(|accept| accept.contains("application/sdp")));
        assert!(response.headers.get(Name::Supported).is_some());
        assert!(response.headers.to().is_ok_and(|to| to.tag().is_some()));
    }
}

#[test]
fn responses_go_where_the_request_came_from() {
    let via = "Via: SIP/2.0/UDP 198.51.100.9:5062;branch=z9hG4bKx";
    let table = [
        // No rport: the port of sent-by, at the source's address.
        ("Via: SIP/2.0/UDP 10.0.0.7:5999;branch=z9hG4bKx", "198.51.100.9:5999", Some("198.51.100.9"), None),
        ("Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKx", "198.51.100.9:5060", Some("198.51.100.9"), None),
        (
            "Via: SIP/2.0/UDP 10.0.0.7:5999;rport;branch=z9hG4bKx",
            "198.51.100.9:5062",
            Some("198.51.100.9"),
            Some("5062"),
        ),
        // Never to maddr.
        (
            "Via: SIP/2.0/UDP 198.51.100.9:5062;maddr=203.0.113.1;branch=z9hG4bKx",
            "198.51.100.9:5062",
            None,
            None,
        ),
    ];
    for (own, to, received, rport) in table {
        let mut peer = Peer::new();
        peer.says(&request("INVITE", 1, "x", "", OFFER).replace(via, own));
        let (path, message) = peer.sent.first().cloned().expect("a 100");
        assert_eq!(path.remote.to_string(), to, "{own}");
        let via = message.headers().via().expect("Via");
        assert_eq!(via.params.get("received"), received, "{own}");
        assert_eq!(via.params.get("rport").filter(|port| !port.is_empty()), rport, "{own}");
    }
}

#[test]
fn a_repeated_invite_is_one_call_and_a_merged_one_is_a_loop() {
    let mut peer = Peer::new();
    peer.says(&request("INVITE", 1, "i1", "", OFFER));
    peer.says(&request("INVITE", 1, "i1", "", OFFER));
    assert_eq!(peer.statuses(), [100, 100]);
    peer.says(&request("INVITE", 1, "i2", "", OFFER));
    assert_eq!(peer.statuses(), [482]);
    assert_eq!(peer.events.len(), 1);
}

#[test]
fn a_peer_of_rfc_2543_is_served_without_a_branch() {
    let old = |method: &str, cseq, tag: &str, body: &str| {
        request(method, cseq, "x", tag, body).replace(";branch=z9hG4bKx", "")
    };
    let mut peer = Peer::new();
    peer.says(&old("INVITE", 1, "", OFFER));
    peer.says(&old("INVITE", 1, "", OFFER));
    assert_eq!(peer.statuses(), [100, 100]);
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.reject(now, session, StatusCode::BUSY_HERE, None));
    let tag = our_tag(&peer.last_response());
    peer.says(&old("ACK", 1, &tag, ""));
    peer.sent.clear();
    peer.wait(Duration::from_secs(3));
    assert!(peer.sent.is_empty(), "the ACK ended the repeats");

    // A 200: the ACK has no branch either, and takes the session's way.
    let mut peer = Peer::new();
    peer.says(&old("INVITE", 1, "", OFFER));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.accept(now, session, "v=0".into()));
    let tag = our_tag(&peer.last_response());
    peer.says(&old("ACK", 1, &tag, ""));
    assert!(matches!(peer.events.last(), Some(Event::Acked { .. })));
}

#[test]
fn an_invite_without_an_offer_gets_ours_and_the_ack_brings_the_answer() {
    let mut peer = Peer::new();
    peer.says(&request("INVITE", 1, "i1", "", ""));
    assert!(matches!(&peer.events[..], [Event::Incoming { invite, .. }] if invite.offer.is_none()));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.accept(now, session, "v=0 our offer".into()));
    let ok = peer.last_response();
    assert_eq!(ok.body.as_ref(), b"v=0 our offer");
    assert_eq!(ok.headers.text(Name::Contact).as_deref(), Some("<sip:countersign@192.0.2.1:5060>"));
    peer.says(&request("ACK", 1, "a1", &our_tag(&ok), "v=0 their answer"));
    let Some(Event::Acked { answer: Some(answer), .. }) = peer.events.last() else { panic!("an answer") };
    assert_eq!(answer.as_ref(), b"v=0 their answer");
}

#[test]
fn a_re_invite_without_an_offer_asks_for_ours() {
    let mut peer = Peer::new();
    let tag = peer.call();
    peer.says(&request("INVITE", 2, "i2", &tag, ""));
    assert!(matches!(peer.events.last(), Some(Event::Offered { sdp: None, .. })));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.answer_offer(now, session, Ok("v=0 our offer".into())));
    peer.says(&request("ACK", 2, "a2", &tag, "v=0 their answer"));
    assert!(matches!(peer.events.last(), Some(Event::Acked { answer: Some(_), .. })));
}

#[test]
fn a_re_invite_can_be_cancelled_and_the_call_goes_on() {
    let mut peer = Peer::new();
    let tag = peer.call();
    peer.says(&request("INVITE", 2, "i2", &tag, OFFER));
    peer.says(&request("INVITE", 3, "i3", &tag, OFFER));
    let refused = peer.last_response();
    assert_eq!(refused.status, StatusCode::SERVER_INTERNAL_ERROR);
    let wait: u32 = refused.headers.text(Name::RetryAfter).expect("a wait").parse().expect("seconds");
    assert!(wait <= 10);
    peer.sent.clear();
    peer.says(&request("CANCEL", 2, "i2", &tag, ""));
    assert_eq!(peer.statuses(), [200, 487]);
    assert_eq!(peer.endpoint.active().sessions, 1);
    assert!(!peer.events.iter().any(|event| matches!(event, Event::Ended { .. })));
}

#[test]
fn an_update_is_an_offer_or_a_mere_refresh() {
    let mut peer = Peer::new();
    let tag = peer.call();
    peer.says(&request("UPDATE", 2, "u2", &tag, ""));
    assert_eq!(peer.statuses(), [200]);
    peer.says(&request("UPDATE", 3, "u3", &tag, OFFER));
    assert!(matches!(peer.events.last(), Some(Event::Offered { sdp: Some(_), .. })));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.answer_offer(now, session, Ok("v=0 ours".into())));
    let ok = peer.last_response();
    assert_eq!((ok.status, ok.body.as_ref()), (StatusCode::OK, b"v=0 ours".as_slice()));
    peer.sent.clear();
    peer.wait(Duration::from_secs(40));
    assert!(peer.sent.is_empty(), "the 200 to an UPDATE waits for no ACK");
}

#[test]
fn keys_come_by_info_once_each_and_in_order() {
    let mut peer = Peer::new();
    let tag = peer.call();
    let relay = "Content-Type: application/dtmf-relay\r\n";
    let five = request_with("INFO", 2, "d2", &tag, relay, "Signal=5\r\nDuration=100\r\n");
    peer.says(&five);
    peer.says(&five);
    let dtmf = "Content-Type: application/dtmf\r\n";
    peer.says(&request_with("INFO", 3, "d3", &tag, dtmf, "#"));
    peer.says(&request_with("INFO", 4, "d4", &tag, "Content-Type: text/plain\r\n", "hello"));
    // The same key on a second way, and one from the past.
    peer.says(&request_with("INFO", 3, "d5", &tag, dtmf, "#"));
    peer.says(&request_with("INFO", 2, "d6", &tag, relay, "Signal=1"));
    assert_eq!(peer.statuses(), [200, 200, 200, 415, 500, 500]);
    let keys: String = peer
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Digit { digit, .. } => Some(digit.as_char()),
            _ => None,
        })
        .collect();
    assert_eq!(keys, "5#");
    assert!(peer.events.iter().all(|event| !format!("{event:?}").contains('#')));
}

#[test]
fn a_strangers_tag_does_not_reach_the_call() {
    let mut peer = Peer::new();
    let tag = peer.call();
    peer.says(&request("BYE", 2, "b2", &tag, "").replace("tag=theirs", "tag=others"));
    peer.says(&request("BYE", 2, "b3", &tag, "").replace("Call-ID: c1", "Call-ID: c2"));
    assert_eq!(peer.statuses(), [481, 481]);
    assert_eq!(peer.endpoint.active().sessions, 1);
    peer.says(&request("BYE", 2, "b4", &tag, ""));
    assert_eq!(peer.statuses(), [200]);
    assert_eq!(peer.endpoint.active().sessions, 0);
}

#[test]
fn an_accept_after_the_cancel_changes_nothing() {
    let mut peer = Peer::new();
    peer.says(&request("INVITE", 1, "i1", "", OFFER));
    let session = peer.session();
    peer.says(&request("CANCEL", 1, "i1", "", ""));
    peer.act(|endpoint, now| endpoint.accept(now, session, "v=0".into()));
    assert_eq!(peer.statuses(), [100, 200, 487]);
    let tags: Vec<_> = peer.events.iter().map(|event| format!("{event:?}")).collect();
    assert!(tags.last().is_some_and(|last| last.contains("Cancelled")));
    peer.wait(Duration::from_secs(60));
    assert_eq!(peer.endpoint.active(), Active::default());
}

#[test]
fn too_many_calls_are_turned_away_with_a_wait() {
    for config in [
        EndpointConfig { max_transactions: 1, ..EndpointConfig::default() },
        EndpointConfig { max_sessions: 1, ..EndpointConfig::default() },
    ] {
        let mut peer = Peer::with(config);
        peer.says(&request("INVITE", 1, "i1", "", OFFER));
        peer.sent.clear();
        peer.says(&request("INVITE", 1, "i2", "", OFFER).replace("c1@", "c2@"));
        let refused = peer.last_response();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers.get(Name::RetryAfter).is_some());
        assert_eq!(peer.endpoint.counters().overload, 1);
        assert_eq!(peer.events.len(), 1);
    }
}

#[test]
fn who_floods_its_own_call_leaves_transactions_to_others_and_may_hang_up() {
    let mut peer = Peer::with(EndpointConfig { max_transactions: 9, ..EndpointConfig::default() });
    let tag = peer.call();
    let relay = "Content-Type: application/dtmf-relay\r\n";
    let key = |n: u32| request_with("INFO", n, &format!("d{n}"), &tag, relay, "Signal=5\r\nDuration=100\r\n");
    (2..40).for_each(|n| peer.says(&key(n)));
    // One of the nine is the INVITE's; of the eight the flood has as many as it leaves.
    assert_eq!(peer.statuses(), [200; 4]);
    let own = peer.path;
    peer.path.remote = "203.0.113.5:5060".parse().expect("an address");
    for (id, other) in [("i2", "c2@"), ("i3", "c3@")] {
        peer.says(&request("INVITE", 1, id, "", OFFER).replace("c1@", other));
    }
    assert_eq!(peer.statuses(), [100, 100]);
    peer.path = own;
    // A BYE that ends nothing is one of the flood: its number is an old one, or it is of another call.
    peer.says(&request("BYE", 1, "b2", &tag, ""));
    peer.says(&request("BYE", 50, "b3", &tag, "").replace("c1@", "c4@"));
    assert!(peer.statuses().is_empty());
    peer.says(&request("BYE", 50, "b1", &tag, ""));
    assert_eq!(peer.statuses(), [200]);
    // RFC 3261 §17.2.2: 64 × T1 later they are free again.
    peer.wait(Duration::from_secs(33));
    assert_eq!(peer.endpoint.active().transactions, 2, "the two that ring");
}

/// Over a stream nobody says anything again: silence would be the end of a peer's transaction, 32 s later.
#[test]
fn who_finds_no_room_in_a_call_is_told_so_over_a_stream() {
    let mut peer = Peer::with(EndpointConfig { max_transactions: 1, ..EndpointConfig::default() });
    peer.path = Path { transport: Transport::Tcp, connection: Some(4), ..peer.path };
    let over_tcp = |text: String| text.replace("/UDP", "/TCP");
    peer.says(&over_tcp(request("INVITE", 1, "i1", "", OFFER)));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.accept(now, session, "v=0".into()));
    let tag = our_tag(&peer.last_response());
    peer.says(&over_tcp(request("ACK", 1, "a1", &tag, "")));
    peer.take_sent();
    (2..5).for_each(|n| peer.says(&over_tcp(request("UPDATE", n, &format!("u{n}"), &tag, ""))));
    let last = peer.last_response();
    assert_eq!(peer.statuses(), [503; 3]);
    assert!(last.headers.get(Name::RetryAfter).is_some());
    assert_eq!(peer.endpoint.active().transactions, 1, "a refusal leaves nothing behind");
}

#[test]
fn over_a_stream_everything_goes_back_on_it_and_contact_says_so() {
    let mut peer = Peer::new();
    peer.path = Path { transport: Transport::Tcp, connection: Some(4), ..peer.path };
    peer.says(&request("INVITE", 1, "i1", "", OFFER).replace("/UDP", "/TCP"));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.accept(now, session, "v=0".into()));
    let ok = peer.last_response();
    assert_eq!(
        ok.headers.text(Name::Contact).as_deref(),
        Some("<sip:countersign@192.0.2.1:5060;transport=tcp>")
    );
    peer.says(&request("ACK", 1, "a1", &our_tag(&ok), ""));
    peer.act(|endpoint, now| endpoint.bye(now, session, None));
    assert!(peer.sent.iter().all(|(path, _)| *path == peer.path));
    assert_eq!(peer.last_request().headers.via().expect("Via").transport, "TCP");
}

#[test]
fn our_own_call_id_begins_nothing() {
    let config = EndpointConfig { call_id_suffix: ".0@f00d".to_owned(), ..EndpointConfig::default() };
    let mut peer = Peer::with(config);
    for method in ["INVITE", "OPTIONS"] {
        let text = request(method, 1, method, "", "");
        let own =
            text.lines().map(|line| if line.starts_with("Call-ID:") { "Call-ID: 12ab.0@f00d" } else { line });
        peer.says(&format!("{}\r\n\r\n", own.collect::<Vec<_>>().join("\r\n").trim_end()));
        assert_eq!(peer.statuses().last(), Some(&482), "{method}");
    }
    assert!(peer.events.is_empty());
    assert_eq!(peer.endpoint.active(), Active::default(), "nothing is kept of it");
}
