//! Signs of life (RFC 4028), provisional responses that are acknowledged (RFC 3262), UPDATE (RFC 3311), line by line.

use std::time::Duration;

use super::*;
use crate::sip::Headers;

const MINUTE: Duration = Duration::from_secs(60);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn text(headers: &Headers, name: Name) -> String {
    headers.text(name).unwrap_or_default().into_owned()
}

impl Peer {
    /// A call of the peer's whose INVITE has these headers, answered and acknowledged; our 200.
    fn called_with(&mut self, extra: &str) -> Response {
        let headers = format!("Content-Type: application/sdp\r\n{extra}");
        self.says(&request_with("INVITE", 1, "i1", "", &headers, OFFER));
        let session = self.session();
        self.act(|endpoint, now| endpoint.accept(now, session, "v=0 ours".into()));
        let ok = self.last_response();
        self.says(&request("ACK", 1, "a1", &our_tag(&ok), ""));
        self.sent.clear();
        ok
    }

    /// The requests sent since the last look.
    fn requests(&mut self) -> Vec<Request> {
        let request = |message| if let Message::Request(request) = message { Some(request) } else { None };
        self.take_sent().into_iter().filter_map(request).collect()
    }

    fn ended(&self) -> Option<EndCause> {
        self.events.iter().find_map(|event| match event {
            Event::Ended { cause, .. } => Some(*cause),
            _ => None,
        })
    }
}

#[test]
fn an_interval_that_is_too_short_is_refused_to_who_knows_what_that_means() {
    let mut peer = Peer::new();
    let headers = "Content-Type: application/sdp\r\nSupported: timer\r\nSession-Expires: 60\r\n";
    peer.says(&request_with("INVITE", 1, "i1", "", headers, OFFER));
    let refusal = peer.last_response();
    assert_eq!((refusal.status.code(), text(&refusal.headers, Name::MinSe).as_str()), (422, "90"));
    assert!(peer.events.is_empty());
    // A proxy's wish on behalf of a phone that knows nothing of it.
    let mut peer = Peer::new();
    let ok = peer.called_with("Session-Expires: 60\r\n");
    assert_eq!(text(&ok.headers, Name::SessionExpires), "90;refresher=uas");
    assert_eq!(text(&ok.headers, Name::Require), "");
}

#[test]
fn a_peer_that_promised_to_refresh_and_does_not_is_hung_up() {
    let mut peer = Peer::new();
    let ok = peer.called_with("Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n");
    assert_eq!(text(&ok.headers, Name::SessionExpires), "120;refresher=uac");
    assert_eq!(text(&ok.headers, Name::Require), "timer");
    // It refreshes twice, by UPDATE and by re-INVITE.
    peer.wait(seconds(60));
    let tag = our_tag(&ok);
    let timer = "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n";
    peer.says(&request_with("UPDATE", 2, "u2", &tag, timer, ""));
    assert_eq!(text(&peer.last_response().headers, Name::SessionExpires), "120;refresher=uac");
    peer.wait(seconds(60));
    let timer = format!("Content-Type: application/sdp\r\n{timer}");
    peer.says(&request_with("INVITE", 3, "i3", &tag, &timer, OFFER));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.answer_offer(now, session, Ok("v=0 ours".into())));
    assert_eq!(text(&peer.last_response().headers, Name::SessionExpires), "120;refresher=uac");
    peer.says(&request("ACK", 3, "a3", &tag, ""));
    peer.sent.clear();
    // RFC 4028 §10: 32 s before the end.
    peer.wait(seconds(87));
    assert!(peer.requests().is_empty() && peer.ended().is_none());
    peer.wait(seconds(2));
    let bye = peer.last_request();
    assert_eq!(bye.method, Method::Bye);
    assert_eq!(text(&bye.headers, Name::Reason), "SIP;cause=408;text=\"Session timer expired\"");
    assert_eq!(peer.ended(), Some(EndCause::Expired));
    peer.says(&response(&bye, 200, "x", "", ""));
    peer.wait(MINUTE);
    assert_eq!(peer.endpoint.active(), Active::default());
}

#[test]
fn a_refresh_is_an_update_or_else_a_re_invite_that_changes_nothing() {
    let mut peer = Peer::new();
    peer.called_with("Supported: timer\r\nAllow: INVITE, UPDATE\r\nSession-Expires: 600\r\n");
    peer.wait(seconds(301));
    let update = peer.last_request();
    assert_eq!((update.method.clone(), update.body.len()), (Method::Update, 0));
    assert_eq!(text(&update.headers, Name::SessionExpires), "600;refresher=uac");
    peer.says(&response(&update, 200, "x", "Session-Expires: 600;refresher=uac\r\n", ""));
    peer.sent.clear();
    // It says that it takes UPDATE, and then does not.
    peer.wait(seconds(300));
    let update = peer.last_request();
    peer.sent.clear();
    peer.says(&response(&update, 501, "x", "", ""));
    peer.wait(seconds(1));
    let again = peer.last_request();
    assert_eq!((again.method.clone(), again.body.as_ref()), (Method::Invite, &b"v=0 ours"[..]));
    // The layer above wants a change meanwhile: it follows.
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.offer(now, session, "v=0 change".into()));
    peer.sent.clear();
    peer.says(&response(&again, 200, "x", "Session-Expires: 600;refresher=uac\r\n", OFFER));
    let next = peer.last_request();
    assert_eq!((next.method.clone(), next.body.as_ref()), (Method::Invite, &b"v=0 change"[..]));
    peer.says(&response(&next, 200, "x", "Session-Expires: 600;refresher=uac\r\n", OFFER));
    let answered =
        peer.events.iter().filter(|event| matches!(event, Event::OfferAnswered { sdp: Ok(_), .. }));
    assert_eq!(answered.count(), 2);
    // Nobody is there any more: the refresh gets no answer.
    peer.sent.clear();
    peer.wait(seconds(299));
    assert!(peer.requests().is_empty());
    peer.wait(seconds(40));
    assert_eq!(peer.ended(), Some(EndCause::Expired));
    assert_eq!(peer.last_request().method, Method::Bye);
    peer.wait(MINUTE);
    assert_eq!(peer.endpoint.active(), Active::default());
}

#[test]
fn a_peer_without_timers_is_asked_whether_it_lives() {
    for (allow, method) in [("", Method::Options), ("Allow: UPDATE\r\n", Method::Update)] {
        let mut peer = Peer::new();
        peer.called_with(allow);
        // Whatever it says to that shows that it lives; for hours.
        for status in [200, 405, 488, 500, 200] {
            peer.wait(seconds(905));
            let asked = peer.last_request();
            peer.sent.clear();
            peer.says(&response(&asked, status, "x", "", ""));
            assert_eq!(asked.method, method, "{status}");
            if status == 405 && method == Method::Update {
                peer.wait(seconds(1));
                let asked = peer.last_request();
                assert_eq!(asked.method, Method::Options);
                peer.says(&response(&asked, 200, "x", "", ""));
                return;
            }
        }
        assert!(peer.ended().is_none());
        peer.wait(seconds(905));
        let asked = peer.last_request();
        peer.says(&response(&asked, 481, "x", "", ""));
        assert_eq!(peer.ended(), Some(EndCause::Expired), "it was started anew");
    }
}

#[test]
fn a_peer_that_never_answers_such_questions_keeps_its_call() {
    for (answers, cause) in [(0, None), (2, Some(EndCause::Expired))] {
        let mut peer = Peer::new();
        peer.called_with("");
        for _ in 0..answers {
            peer.wait(seconds(905));
            let asked = peer.last_request();
            peer.says(&response(&asked, 200, "x", "", ""));
        }
        peer.sent.clear();
        peer.wait(seconds(905));
        assert_eq!(peer.last_request().method, Method::Options);
        peer.wait(MINUTE);
        assert_eq!(peer.ended(), cause, "after {answers} answers");
        peer.sent.clear();
        peer.wait(seconds(4 * 3600));
        assert!(peer.requests().is_empty() && peer.ended() == cause, "it is not asked again");
    }
}

#[test]
fn a_longer_interval_is_granted_to_who_asks_for_it() {
    let mut peer = Peer::new();
    let (_, invite) = peer.outgoing(None);
    assert_eq!(text(&invite.headers, Name::SessionExpires), "1800");
    assert_eq!(text(&invite.headers, Name::Supported), "100rel, timer");
    peer.says(&response(&invite, 422, "p", "Min-SE: 3600\r\n", ""));
    let again = peer.last_request();
    assert_eq!(again.method, Method::Invite);
    assert_eq!(again.headers.cseq().expect("CSeq").number, 2);
    assert_eq!(text(&again.headers, Name::SessionExpires), "3600");
    assert_eq!(text(&again.headers, Name::MinSe), "3600");
    assert_eq!(again.headers.call_id(), invite.headers.call_id());
    peer.says(&response(
        &again,
        200,
        "one",
        "Session-Expires: 3600;refresher=uac\r\nAllow: UPDATE\r\n",
        OFFER,
    ));
    peer.sent.clear();
    peer.wait(seconds(1799));
    assert!(peer.requests().is_empty());
    peer.wait(seconds(2));
    assert_eq!(peer.last_request().method, Method::Update);
    assert_eq!(peer.last_request().headers.cseq().expect("CSeq").number, 3);

    // One that demands the same again, or for ever more, is given up.
    let mut peer = Peer::new();
    let (_, mut invite) = peer.outgoing(None);
    for least in ["Min-SE: 2000\r\n", "Min-SE: 3000\r\n", "Min-SE: 4000\r\n", "Min-SE: 5000\r\n"] {
        peer.says(&response(&invite, 422, "p", least, ""));
        invite = peer.requests().into_iter().rfind(|sent| sent.method == Method::Invite).unwrap_or(invite);
    }
    assert!(matches!(peer.events.first(), Some(Event::Failed { .. })));
}

/// An offer of a callee that has not picked up.
fn update_of(invite: &Request, cseq: u32, tag: &str) -> String {
    let ours = invite.headers.from().expect("From").tag().expect("a tag").to_owned();
    let call_id = invite.headers.call_id().expect("Call-ID").to_owned();
    let text = request("UPDATE", cseq, &format!("u{cseq}{tag}"), &ours, "v=0 moved");
    text.replace("c1@198.51.100.9", &call_id).replace("tag=theirs", &format!("tag={tag}"))
}

#[test]
fn a_provisional_response_that_is_to_be_is_acknowledged_once() {
    let mut peer = Peer::new();
    let (session, invite) = peer.outgoing(None);
    let first = response(&invite, 183, "one", "Require: 100rel\r\nRSeq: 988789\r\n", "v=0 early");
    peer.says(&first);
    let prack = peer.last_request();
    assert_eq!(prack.method, Method::Prack);
    assert_eq!(text(&prack.headers, Name::Rack), "988789 1 INVITE");
    assert_eq!(prack.headers.to().expect("To").tag(), Some("one"));
    peer.sent.clear();
    // It comes again, and the one after next overtakes the next: neither says anything.
    peer.says(&first);
    peer.says(&response(&invite, 183, "one", "Require: 100rel\r\nRSeq: 988791\r\n", "v=0 later"));
    assert_eq!(peer.events.len(), 1);
    assert!(peer.requests().is_empty());
    peer.says(&response(&prack, 200, "one", "", ""));
    // The callee changes its media before anybody picks up.
    let update = |cseq: u32, tag: &str| update_of(&invite, cseq, tag);
    peer.says(&update(1, "one"));
    assert!(matches!(peer.events.last(), Some(Event::Offered { sdp: Some(_), .. })));
    peer.says(&update(2, "one"));
    assert_eq!(peer.statuses(), [500], "one at a time");
    peer.act(|endpoint, now| endpoint.answer_offer(now, session, Ok("v=0 agreed".into())));
    let answer = peer.last_response();
    assert_eq!((answer.status.code(), answer.body.as_ref()), (200, &b"v=0 agreed"[..]));
    peer.sent.clear();
    peer.says(&response(&invite, 180, "two", "", ""));
    peer.says(&update(1, "two"));
    assert_eq!(peer.statuses(), [491], "our offer is not answered for good by that one");
    // One that is never answered is forgotten; one that is there when the 200 comes is answered after it.
    peer.says(&update(3, "one"));
    peer.wait(seconds(33));
    peer.statuses();
    peer.says(&update(4, "one"));
    assert_eq!(peer.statuses(), [] as [u16; 0]);
    peer.says(&response(&invite, 200, "one", "", ""));
    assert!(matches!(peer.events.last(), Some(Event::Answered { sdp: None, .. })), "nothing goes back");
    peer.sent.clear();
    peer.act(|endpoint, now| endpoint.answer_offer(now, session, Ok("v=0 agreed".into())));
    assert_eq!(peer.statuses(), [200]);
    peer.act(|endpoint, now| endpoint.bye(now, session, None));
    assert_eq!(peer.last_request().headers.cseq().expect("CSeq").number, 3, "after INVITE and PRACK");
}

#[test]
fn a_200_that_repeats_the_first_answer_does_not_undo_an_update() {
    for (status, body) in [(200, "v=0 early"), (488, "v=0 early"), (200, "")] {
        let mut peer = Peer::new();
        let (session, invite) = peer.outgoing(None);
        peer.says(&response(&invite, 183, "one", "Require: 100rel\r\nRSeq: 7\r\n", "v=0 early"));
        peer.says(&response(&peer.last_request(), 200, "one", "", ""));
        peer.says(&update_of(&invite, 1, "one"));
        let answer = StatusCode::new(status).filter(|status| !status.is_success());
        let answer = answer.map_or(Ok("v=0 agreed".into()), Err);
        let in_force = if answer.is_ok() { "v=0 agreed" } else { "v=0 ours" };
        peer.act(|endpoint, now| endpoint.answer_offer(now, session, answer));
        peer.says(&response(&invite, 200, "one", "Session-Expires: 600;refresher=uac\r\n", body));
        let Some(Event::Answered { sdp, .. }) = peer.events.last() else { panic!("answered") };
        assert_eq!(sdp.as_deref(), (status == 488).then_some(&b"v=0 early"[..]), "{status} {body}");
        // A sign of life repeats what is in force.
        peer.sent.clear();
        peer.wait(seconds(301));
        let refresh = peer.last_request();
        assert_eq!((refresh.method.clone(), refresh.body.as_ref()), (Method::Invite, in_force.as_bytes()));
    }
}

#[test]
fn the_answer_in_a_provisional_response_is_waited_for_before_the_200() {
    let mut peer = Peer::new();
    let headers = "Content-Type: application/sdp\r\nSupported: 100rel\r\n";
    peer.says(&request_with("INVITE", 1, "i1", "", headers, OFFER));
    let session = peer.session();
    peer.sent.clear();
    peer.act(|endpoint, now| endpoint.ring(now, session, Some("v=0 early".into())));
    let progress = peer.last_response();
    assert_eq!((progress.status.code(), text(&progress.headers, Name::Require).as_str()), (183, "100rel"));
    let rseq = text(&progress.headers, Name::Rseq);
    let tag = our_tag(&progress);
    // Another to come, then the answer: both wait, the answer wins.
    peer.act(|endpoint, now| endpoint.ring(now, session, None));
    peer.act(|endpoint, now| endpoint.accept(now, session, "v=0 early".into()));
    peer.act(|endpoint, now| endpoint.ring(now, session, None));
    assert_eq!(peer.statuses(), [183]);
    peer.wait(seconds(4));
    assert_eq!(peer.statuses(), [183, 183, 183], "after 0.5, 1.5 and 3.5 s");
    let prack = |cseq: u32, rack: &str, body: &str| {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        request_with("PRACK", cseq, &format!("p{cseq}"), &tag, &format!("RAck: {rack}\r\n{kind}"), body)
    };
    peer.says(&prack(2, "7 1 INVITE", ""));
    peer.says(&prack(3, "nonsense", ""));
    peer.says(&prack(4, &format!("{rseq} 2 INVITE"), ""));
    assert_eq!(peer.statuses(), [481, 400, 481]);
    let early =
        |peer: &Peer| peer.events.iter().filter(|event| matches!(event, Event::EarlyMedia { .. })).count();
    assert_eq!(early(&peer), 0, "nobody knows where our media is");
    peer.says(&prack(5, &format!("{rseq} 1 INVITE"), ""));
    assert_eq!(early(&peer), 1);
    let sent: Vec<Message> = peer.take_sent();
    let bodies: Vec<_> = sent.iter().map(|message| message.body().len()).collect();
    assert_eq!(bodies, [0, 0], "200 to PRACK, then 200 to INVITE without a second answer");
    peer.says(&prack(6, &format!("{rseq} 1 INVITE"), ""));
    assert_eq!(peer.statuses(), [481], "a second is nobody's");
    peer.says(&request("ACK", 1, "a1", &tag, ""));
    assert!(matches!(peer.events.last(), Some(Event::Acked { answer: None, .. })));
}

#[test]
fn who_knows_nothing_of_acknowledgement_has_early_media_at_once() {
    let mut peer = Peer::new();
    peer.says(&request_with("INVITE", 1, "i1", "", "Content-Type: application/sdp\r\n", OFFER));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.ring(now, session, Some("v=0 early".into())));
    assert!(matches!(peer.events.last(), Some(Event::EarlyMedia { .. })));
    let progress = peer.last_response();
    assert_eq!((progress.status.code(), text(&progress.headers, Name::Rseq).as_str()), (183, ""));
    peer.act(|endpoint, now| endpoint.accept(now, session, "v=0 early".into()));
    assert_eq!(peer.last_response().body.as_ref(), b"v=0 early", "the same again");
}

#[test]
fn a_caller_that_demands_acknowledgement_and_gives_none_is_refused() {
    let mut peer = Peer::new();
    let headers = "Content-Type: application/sdp\r\nRequire: 100rel\r\n";
    peer.says(&request_with("INVITE", 1, "i1", "", headers, OFFER));
    let session = peer.session();
    peer.sent.clear();
    peer.act(|endpoint, now| endpoint.ring(now, session, None));
    let ringing = peer.last_response();
    assert_eq!((ringing.status.code(), text(&ringing.headers, Name::Require).as_str()), (180, "100rel"));
    peer.wait(seconds(40));
    assert_eq!(peer.last_response().status.code(), 504);
    assert_eq!(peer.ended(), Some(EndCause::AckTimeout));

    // Answered before the PRACK, which a 180 without description allows: the PRACK is answered all the same, once.
    let mut peer = Peer::new();
    peer.says(&request_with("INVITE", 1, "i1", "", headers, OFFER));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.ring(now, session, None));
    let rseq = text(&peer.last_response().headers, Name::Rseq);
    peer.act(|endpoint, now| endpoint.accept(now, session, "v=0 ours".into()));
    let tag = our_tag(&peer.last_response());
    peer.sent.clear();
    let rack = format!("RAck: {rseq} 1 INVITE\r\n");
    peer.says(&request_with("PRACK", 2, "p2", &tag, &rack, ""));
    peer.says(&request_with("PRACK", 3, "p3", &tag, &rack, ""));
    assert_eq!(peer.statuses(), [200, 481]);
    // Rings on, acknowledged each time: once a minute.
    let mut peer = Peer::new();
    peer.says(&request_with("INVITE", 1, "i1", "", headers, OFFER));
    let session = peer.session();
    peer.act(|endpoint, now| endpoint.ring(now, session, None));
    for cseq in 2..5 {
        let ringing = peer.last_response();
        let (rseq, tag) = (text(&ringing.headers, Name::Rseq), our_tag(&ringing));
        peer.says(&request_with(
            "PRACK",
            cseq,
            &format!("p{cseq}"),
            &tag,
            &format!("RAck: {rseq} 1 INVITE\r\n"),
            "",
        ));
        peer.sent.clear();
        peer.wait(seconds(61));
        assert_eq!(peer.statuses().first(), Some(&180));
        peer.act(|endpoint, now| endpoint.handle(now, Input::Timeout));
        peer.wait(Duration::from_millis(700));
    }
}
