//! The endpoint calls, registers, and is challenged.

use std::time::Duration;

use super::*;

#[test]
fn the_first_callee_wins_and_the_others_are_acknowledged_and_hung_up() {
    let mut peer = Peer::new();
    let (_, invite) = peer.outgoing(None);
    assert_eq!(invite.headers.text("X-Countersign-Level").as_deref(), Some("strong"));
    assert_eq!(invite.headers.text(Name::Contact).as_deref(), Some("<sip:desk@192.0.2.1:5060>"));
    peer.says(&response(&invite, 183, "one", "", "v=0 early"));
    peer.says(&response(&invite, 180, "two", "", ""));
    peer.says(&response(&invite, 200, "one", "", ""));
    let Some(Event::Answered { sdp: Some(sdp), .. }) = peer.events.last() else { panic!("answered") };
    assert_eq!(sdp.as_ref(), b"v=0 early", "the 200 of the same callee had none");
    let names = |sent: Vec<Message>| -> Vec<String> {
        sent.iter()
            .filter_map(|message| match message {
                Message::Request(request) => Some(format!(
                    "{} to {}",
                    request.method,
                    request.headers.to().expect("To").tag().expect("a tag")
                )),
                Message::Response(_) => None,
            })
            .collect()
    };
    assert_eq!(names(peer.take_sent()), ["ACK to one"]);
    peer.says(&response(&invite, 200, "two", "", OFFER));
    assert_eq!(names(peer.take_sent()), ["ACK to two", "BYE to two"]);
    // Both come again: each is acknowledged again, none is hung up twice.
    peer.says(&response(&invite, 200, "one", "", ""));
    peer.says(&response(&invite, 200, "two", "", OFFER));
    assert_eq!(names(peer.take_sent()), ["ACK to one", "ACK to two"]);
    assert_eq!(peer.endpoint.active().sessions, 1);
}

#[test]
fn a_redirection_is_a_failure() {
    let mut peer = Peer::new();
    let (_, invite) = peer.outgoing(None);
    peer.says(&response(&invite, 302, "one", "", ""));
    assert!(matches!(
        &peer.events[..],
        [
            Event::Failed { status: StatusCode::MOVED_TEMPORARILY, .. },
            Event::Ended { cause: EndCause::Refused, .. }
        ]
    ));
    let ack = peer.last_request();
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(ack.headers.via().expect("Via").branch(), invite.headers.via().expect("Via").branch());
}

const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256\r\n";

fn credentials() -> Credentials {
    Credentials { user: "ivr".to_owned(), password: Secret::new("hush".to_owned()) }
}

#[test]
fn a_challenge_is_answered_once() {
    let mut peer = Peer::new();
    let (session, invite) = peer.outgoing(Some(credentials()));
    peer.says(&response(&invite, 401, "one", CHALLENGE, ""));
    let again = peer.last_request();
    assert_eq!(again.method, Method::Invite);
    assert!(again.headers.get(Name::Authorization).is_some());
    assert_eq!(again.headers.cseq().expect("CSeq").number, 2);
    assert_eq!(again.headers.call_id(), invite.headers.call_id());
    assert!(peer.events.is_empty());
    peer.says(&response(&again, 200, "two", "", OFFER));
    assert!(matches!(peer.events.last(), Some(Event::Answered { .. })));
    peer.act(|endpoint, now| endpoint.bye(now, session, Some("Q.850;cause=16")));
    let bye = peer.last_request();
    assert_eq!(bye.headers.cseq().expect("CSeq").number, 3);
    // A BYE may be challenged, too.
    peer.says(&response(&bye, 401, "two", CHALLENGE, ""));
    let again = peer.last_request();
    assert_eq!((again.method.clone(), again.headers.cseq().expect("CSeq").number), (Method::Bye, 4));
    peer.says(&response(&again, 200, "two", "", ""));
    peer.wait(Duration::from_secs(60));
    assert_eq!(peer.endpoint.active(), Active::default());

    let mut peer = Peer::new();
    let (_, invite) = peer.outgoing(Some(credentials()));
    peer.says(&response(&invite, 401, "one", CHALLENGE, ""));
    let again = peer.last_request();
    peer.says(&response(&again, 401, "one", CHALLENGE, ""));
    assert!(matches!(&peer.events[..], [Event::Failed { status: StatusCode::UNAUTHORIZED, .. }, _]));
}

#[test]
fn a_request_outside_of_sessions_is_answered_exactly_once() {
    let register = |peer: &Peer| OutgoingRequest {
        path: peer.path,
        method: Method::Register,
        uri: Uri::parse(b"sip:198.51.100.9").expect("a URI"),
        from: NameAddr::parse(b"<sip:agent@198.51.100.9>").expect("an address"),
        to: NameAddr::parse(b"<sip:agent@198.51.100.9>").expect("an address"),
        headers: vec![("Expires".to_owned(), "300".to_owned())],
        body: None,
        credentials: Some(credentials()),
    };
    let mut peer = Peer::new();
    let outgoing = register(&peer);
    let id = peer.act(|endpoint, now| endpoint.request(now, outgoing));
    let first = peer.last_request();
    peer.says(&response(&first, 100, "r", "", ""));
    peer.says(&response(&first, 401, "r", CHALLENGE, ""));
    let again = peer.last_request();
    assert!(again.headers.cseq().expect("CSeq").number > first.headers.cseq().expect("CSeq").number);
    peer.says(&response(&again, 200, "r", "", ""));
    peer.says(&response(&again, 200, "r", "", ""));
    assert!(
        matches!(&peer.events[..], [Event::Response { request, status: StatusCode::OK, .. }] if *request == id)
    );

    let outgoing = register(&peer);
    peer.act(|endpoint, now| endpoint.request(now, outgoing));
    assert_eq!(peer.last_request().headers.call_id(), first.headers.call_id());
    peer.wait(Duration::from_secs(60));
    assert!(matches!(peer.events.last(), Some(Event::Response { status: StatusCode::REQUEST_TIMEOUT, .. })));
    assert_eq!(peer.endpoint.active(), Active::default());
}
