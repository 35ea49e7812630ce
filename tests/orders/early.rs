//! What a flow says before the call is answered: 183 with our description, the refusal or the answer after it.

use std::time::Duration;

use countersign::call::EndCause;
use countersign::sip::StatusCode;

use super::world::{self, Manner, World, apps};
use super::{SECOND, assert_settled};

/// How many samples a phone heard that are not silence.
fn heard(world: &World, phone: usize) -> usize {
    world.phones[phone].lines[0].heard.iter().filter(|sample| sample.unsigned_abs() > 64).count()
}

#[test]
fn a_caller_hears_why_and_is_refused_without_an_answer() {
    let mut world = World::new(apps::early(false), 71);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(SECOND * 20);
    let line = &world.phones[caller].lines[0];
    assert_eq!(line.status, Some(StatusCode::BUSY_HERE));
    assert!(!line.connected);
    assert!(heard(&world, caller) > 1000, "{}", heard(&world, caller));
    assert_settled(&mut world);
    let record = &world.records[0];
    assert_eq!((record.cause, record.answered.is_some()), (EndCause::FlowBusy, false));
    assert!(world.what_happened().contains("\"early_media\""));
}

#[test]
fn what_follows_the_answer_goes_on_where_early_media_was() {
    let mut world = World::new(apps::early(true), 72);
    let caller = world.caller();
    world.dial(caller);
    // Keys are nobody's before the answer: the greeting is not cut short, nor the menu answered.
    world.run_for(Duration::from_millis(120));
    assert!(!world.phones[caller].lines[0].connected, "not answered yet");
    world.press(caller, "1");
    assert!(world.run_until(SECOND * 20, |world| world.phones[caller].lines[0].connected), "answered");
    let before = heard(&world, caller);
    assert!(before > 1000, "{before}");
    world.run_for(SECOND * 60);
    assert!(heard(&world, caller) > before, "the menu is heard");
    assert_settled(&mut world);
    let record = &world.records[0];
    assert_eq!(record.cause, EndCause::FlowDone);
    assert!(record.answered.is_some());
    assert!(!world.what_happened().contains("\"wrong\""));
}

#[test]
fn a_caller_who_hangs_up_while_something_is_said_early_leaves_nothing() {
    let mut world = World::new(apps::early(true), 73);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(Duration::from_millis(120));
    world.hang_up(caller);
    assert_settled(&mut world);
    let record = &world.records[0];
    assert_eq!((record.cause, record.answered.is_some()), (EndCause::Cancelled, false));
}

/// An INVITE of somebody who knows nothing of acknowledged provisional responses, with or without an offer.
fn stranger(world: &mut World, extra: &str, sdp: &str) -> Vec<String> {
    let message = format!(
        "INVITE sip:0800@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.250:5060;branch=z9hG4bKe1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1@carrier.example>;tag=a\r\nCall-ID: early@stranger\r\n\
         To: <sip:0800@10.0.0.1>\r\nCSeq: 1 INVITE\r\nContact: <sip:1@10.0.1.250:5060>\r\n{extra}\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let now = world.now;
    world.net.send(now, world::STRANGER, world::ENGINE, message.as_bytes());
    world.run_for(SECOND * 20);
    let texts = world.strange.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    texts.filter(|text| text.starts_with("SIP/2.0")).collect()
}

const SDP: &str =
    "v=0\r\no=a 1 1 IN IP4 10.0.1.250\r\ns=-\r\nc=IN IP4 10.0.1.250\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n";

#[test]
fn who_does_not_know_acknowledged_responses_gets_a_plain_one_and_who_offers_nothing_none() {
    let mut world = World::new(apps::early(false), 74);
    let answers = stranger(&mut world, "Content-Type: application/sdp\r\n", SDP);
    let early = answers.iter().find(|text| text.starts_with("SIP/2.0 183")).expect("early media");
    assert!(early.contains("m=audio") && !early.contains("RSeq") && !early.contains("Require"), "{early}");
    let last = answers.last().expect("a refusal");
    assert!(last.starts_with("SIP/2.0 486"), "{answers:?}");
    assert_settled(&mut world);

    let mut world = World::new(apps::early(false), 75);
    let answers = stranger(&mut world, "", "");
    assert!(!answers.iter().any(|text| text.starts_with("SIP/2.0 183")), "{answers:?}");
    assert!(answers.last().is_some_and(|text| text.starts_with("SIP/2.0 486")), "{answers:?}");
    assert_settled(&mut world);

    // Nobody acknowledges it: the call is over after 32 s, and nothing of it is left.
    let mut world = World::new(apps::early(false), 76);
    let answers = stranger(&mut world, "Supported: 100rel\r\nContent-Type: application/sdp\r\n", SDP);
    let early = answers.iter().filter(|text| text.starts_with("SIP/2.0 183")).count();
    assert!(early > 3, "{answers:?}");
    assert!(!answers.iter().any(|text| text.starts_with("SIP/2.0 486")), "nothing is said to nobody");
    assert_settled(&mut world);
    assert_eq!(world.records[0].cause, EndCause::NoAck);
}

#[test]
fn what_a_network_says_before_anybody_picks_up_is_heard_and_the_flow_goes_on() {
    for (key, hears) in [("2", true), ("1", false)] {
        let mut world = World::new(apps::desk(), 77);
        let announces = Manner::Announces { after: SECOND * 12, status: StatusCode::NOT_FOUND };
        let phones = world.agents(&[announces]);
        let said = world::noise(13, 12);
        world.phones[phones[0]].says = Some(said.clone());
        let caller = world.caller();
        world.dial(caller);
        world.run_for(SECOND * 2);
        world.press(caller, key);
        world.run_for(SECOND * 14);
        let heard = world::correlation(&said, &world.phones[caller].lines[0].heard);
        assert_eq!(heard > 0.5, hears, "key {key}: {heard}");
        world.hang_up(caller);
        assert_settled(&mut world);
        let happened = world.what_happened();
        assert!(!happened.contains("\"joined\""), "{happened}");
        let failed = happened.contains("\"outcome\":\"failed\"");
        assert_eq!(failed, hears, "the flow is told how it went");
    }
}
