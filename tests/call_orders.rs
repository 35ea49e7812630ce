//! Whole calls in virtual time, in every order that callers, agents and networks think of.
//!
//! Law 8: every call ends in exactly one record and gives back its ports and timers.

#[path = "orders/door.rs"]
mod door;
#[path = "orders/early.rs"]
mod early;
#[path = "orders/journey.rs"]
mod journey;
mod world;

use std::time::Duration;

use countersign::call::EndCause;
use countersign::sip::StatusCode;
use proptest::prelude::*;
use world::{Manner, World, apps};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any farewell: after this nothing may be left.
const LONG_AFTER: Duration = Duration::from_secs(200);

fn answers(after_ms: u64, hangs_up_after_s: Option<u64>) -> Manner {
    Manner::Answers {
        after: Duration::from_millis(after_ms),
        hangs_up_after: hangs_up_after_s.map(Duration::from_secs),
    }
}

/// Nothing is left of any call, and each that was let in has its record.
fn assert_settled(world: &mut World) {
    world.run_for(LONG_AFTER);
    assert_eq!(world.engine.active(), countersign::engine::Active::default(), "something is left");
    assert_eq!(world.engine.endpoint_active(), countersign::sip::Active::default(), "SIP is left");
    assert_eq!(world.open_ports(), 0, "ports are left");
    let admitted = usize::try_from(world.engine.counters().admitted).expect("few calls");
    assert_eq!(world.records.len(), admitted, "one record a call");
    let mut calls: Vec<_> = world.records.iter().map(|record| record.call).collect();
    calls.sort();
    calls.dedup();
    assert_eq!(calls.len(), world.records.len(), "no call has two records");
    assert!(world.phones.iter().all(world::Phone::is_idle), "a phone still has a call");
}

#[test]
fn every_call_ends_in_exactly_one_record() {
    let mut world = World::new(apps::desk(), 1);
    world.agents(&[answers(1000, Some(20))]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(SECOND * 2);
    world.press(caller, "1");
    world.run_for(SECOND * 60);
    world.hang_up(caller);
    assert_settled(&mut world);
    let record = &world.records[0];
    assert_eq!(record.cause, EndCause::FlowDone);
    assert_eq!(record.agents, ["agent0"]);
    assert!(record.answered.is_some());
    assert!(record.caller_media.as_ref().is_some_and(|media| media.sent > 100 && media.received > 100));
    assert_eq!(record.other_media.len(), 1);
}

#[test]
fn two_legs_bridge_audio() {
    let mut world = World::new(apps::desk(), 2);
    let agents = world.agents(&[answers(500, None)]);
    let caller = world.caller();
    let (caller_says, agent_says) = (world::noise(11, 10), world::noise(12, 30));
    world.phones[agents[0]].says = Some(agent_says.clone());
    world.dial(caller);
    world.run_for(SECOND * 2);
    world.press(caller, "1");
    assert!(world.run_until(SECOND * 20, |world| world.is_joined()), "the two are joined");
    world.with_phone(caller, |phone, now| phone.play(now, &caller_says));
    world.run_for(SECOND * 11);
    let agent_heard = world.phones[agents[0]].lines[0].heard.clone();
    let caller_heard = world.phones[caller].lines[0].heard.clone();
    let there = world::correlation(&caller_says, &agent_heard);
    let back = world::correlation(&agent_says, &caller_heard);
    assert!(there > 0.9, "the agent hears the caller: {there}");
    assert!(back > 0.5, "the caller hears the agent: {back}");
    world.hang_up(caller);
    assert_settled(&mut world);
    assert_eq!(world.records[0].cause, EndCause::CallerHungUp);
}

#[test]
fn keys_reach_the_agent_once_the_two_are_joined() {
    let mut world = World::new(apps::desk(), 3);
    let agents = world.agents(&[answers(500, None)]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(SECOND * 2);
    world.press(caller, "1");
    assert!(world.run_until(SECOND * 20, |world| world.is_joined()));
    // The whisper comes first.
    world.run_for(SECOND);
    world.press(caller, "42#");
    world.run_for(SECOND * 3);
    let keys: String = world.phones[agents[0]].lines[0].keys.iter().collect();
    assert_eq!(keys, "42#");
    world.hang_up(caller);
    assert_settled(&mut world);
}

#[test]
fn the_agent_is_told_what_was_proven_and_no_key_of_it() {
    let mut world = World::new(apps::verified_desk(), 4);
    let agents = world.agents(&[answers(500, None)]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(SECOND * 3);
    world.press(caller, "44110021#");
    world.run_for(SECOND * 5);
    world.press(caller, world::PIN);
    assert!(world.run_until(SECOND * 30, |world| world.is_joined()), "{:?}", world.what_happened());
    let line = &world.phones[agents[0]].lines[0];
    let headers = line.headers.as_ref().expect("the phone was called");
    let header = |name: &str| headers.text(name).unwrap_or_default().into_owned();
    assert_eq!(header("X-Countersign-Level"), "basic");
    assert_eq!(header("X-Countersign-Factors"), "pin");
    assert_eq!(header("X-Countersign-Token").split('.').count(), 3);
    for field in headers.iter() {
        let value = String::from_utf8_lossy(&field.value).into_owned();
        assert!(!value.contains(world::PIN) && !value.contains("44110021"), "{:?}", field.name);
    }
    assert_eq!(line.keys, Vec::<char>::new(), "keys of a secure step stay with us");
    world.hang_up(caller);
    assert_settled(&mut world);
    assert_eq!(world.records[0].level, "basic");
    let json = serde_json::to_string(&world.records[0]).expect("a record is JSON");
    assert!(!json.contains(world::PIN) && !json.contains("44110021") && !json.contains("15550100"));
}

#[test]
fn a_caller_whose_agents_are_busy_waits_for_one_who_is_not() {
    let mut world = World::new(apps::desk(), 5);
    world.agents(&[Manner::Refuses(StatusCode::BUSY_HERE), Manner::Rings, answers(500, Some(5))]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(SECOND * 2);
    world.press(caller, "1");
    assert!(world.run_until(SECOND * 120, |world| world.is_joined()), "{:?}", world.what_happened());
    assert_settled(&mut world);
    assert_eq!(world.records[0].agents, ["agent2"]);
    assert!(world.records[0].queue_wait >= SECOND * 20);
}

#[test]
fn a_transfer_tells_the_flow_how_it_went() {
    let cases = [
        (answers(500, Some(5)), "done"),
        (Manner::Refuses(StatusCode::BUSY_HERE), "busy"),
        (Manner::Refuses(StatusCode::DECLINE), "refused"),
        (Manner::Refuses(StatusCode::NOT_FOUND), "failed"),
        (Manner::Rings, "no_answer"),
        (Manner::Dead, "no_answer"),
    ];
    for (n, (manner, outcome)) in (10..).zip(cases) {
        let mut world = World::new(apps::desk(), n);
        world.agents(std::slice::from_ref(&manner));
        let caller = world.caller();
        world.dial(caller);
        world.run_for(SECOND * 2);
        world.press(caller, "2");
        world.run_for(SECOND * 60);
        world.hang_up(caller);
        assert_settled(&mut world);
        let happened = world.what_happened();
        let told = format!("\"verb\":\"transfer\",\"outcome\":\"{outcome}\"");
        assert!(happened.contains(&told) || happened.contains(&swapped(outcome)), "{manner:?}: {happened}");
    }
}

fn swapped(outcome: &str) -> String {
    format!("\"outcome\":\"{outcome}\",\"verb\":\"transfer\"")
}

#[test]
fn a_caller_may_hold_and_come_back() {
    let mut world = World::new(apps::desk(), 6);
    world.agents(&[answers(500, None)]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(SECOND * 2);
    world.press(caller, "1");
    assert!(world.run_until(SECOND * 20, |world| world.is_joined()));
    world.hold(caller, true);
    world.run_for(SECOND);
    let before = received(&world, caller);
    world.run_for(SECOND * 3);
    assert_eq!(received(&world, caller), before, "we send nothing to whoever holds us");
    world.hold(caller, false);
    world.run_for(SECOND);
    let before = received(&world, caller);
    world.run_for(SECOND * 3);
    assert!(received(&world, caller) >= before + 149);
    world.hang_up(caller);
    assert_settled(&mut world);
    let happened = world.what_happened();
    assert!(happened.contains("\"held\"") && happened.contains("\"resumed\""), "{happened}");
}

/// Packets that came to the phone's first call.
fn received(world: &World, phone: usize) -> u64 {
    world.phones[phone].lines[0].media.stats().packets_received
}

#[test]
fn a_full_or_draining_shard_refuses_at_the_door() {
    let limits = countersign::engine::Limits { calls: 1, ..Default::default() };
    let mut world = World::with(apps::desk(), 7, Default::default(), limits);
    let (first, second) = (world.caller(), world.caller());
    world.dial(first);
    world.run_for(SECOND);
    world.dial(second);
    world.run_for(SECOND);
    assert_eq!(world.phones[second].lines[0].status, Some(StatusCode::SERVICE_UNAVAILABLE));
    world.tell_engine(countersign::engine::Input::Drain);
    world.hang_up(first);
    world.run_for(SECOND * 40);
    let third = world.caller();
    world.dial(third);
    world.run_for(SECOND);
    assert_eq!(world.phones[third].lines[0].status, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_settled(&mut world);
    let counters = world.engine.counters();
    assert_eq!((counters.refused_full, counters.refused_draining), (1, 1));
}

#[test]
fn without_a_port_or_a_codec_the_call_is_refused() {
    let mut world = World::new(apps::desk(), 8);
    let caller = world.caller();
    world.no_ports = true;
    world.dial(caller);
    world.run_for(SECOND);
    assert_eq!(world.phones[caller].lines[0].status, Some(StatusCode::SERVICE_UNAVAILABLE));
    world.no_ports = false;
    world.phones[caller].codecs.clear();
    world.dial(caller);
    world.run_for(SECOND);
    assert_eq!(world.phones[caller].lines[1].status, Some(StatusCode::NOT_ACCEPTABLE_HERE));
    assert_settled(&mut world);
    assert_eq!(world.records[0].cause, EndCause::NoPort);
    assert_eq!(world.records[1].cause, EndCause::NotAcceptable);
}

#[test]
fn a_caller_without_an_offer_is_offered_to() {
    let mut world = World::new(apps::desk(), 13);
    let say = |world: &mut World, text: String| {
        let now = world.now;
        world.net.send(now, world::STRANGER, world::ENGINE, text.as_bytes());
        world.run_for(SECOND / 2);
    };
    let head = "Via: SIP/2.0/UDP 10.0.1.250:5060;branch=z9hG4bK";
    let from = "Max-Forwards: 70\r\nFrom: <sip:15550100@10.0.1.250>;tag=a\r\nCall-ID: late@stranger\r\n";
    let contact = "Contact: <sip:late@10.0.1.250:5060>\r\n";
    say(
        &mut world,
        format!(
            "INVITE sip:0800@10.0.0.1 SIP/2.0\r\n{head}1\r\n{from}To: <sip:0800@10.0.0.1>\r\n\
             CSeq: 1 INVITE\r\n{contact}Content-Length: 0\r\n\r\n"
        ),
    );
    let texts = |world: &World| -> Vec<String> {
        world.strange.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    };
    let ok = texts(&world).into_iter().find(|text| text.starts_with("SIP/2.0 200")).expect("a 200");
    assert!(ok.contains("m=audio 20000 "), "the 200 offers: {ok}");
    let to = ok.lines().find(|line| line.starts_with("To:")).expect("a To").trim().to_owned();
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.1.250\r\ns=-\r\nc=IN IP4 10.0.1.250\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";
    let length = sdp.len();
    say(
        &mut world,
        format!(
            "ACK sip:countersign@10.0.0.1 SIP/2.0\r\n{head}2\r\n{from}{to}\r\nCSeq: 1 ACK\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
        ),
    );
    let alaw = world.strange.iter().filter(|bytes| bytes.len() == 172 && bytes[1] & 0x7f == 8).count();
    assert!(alaw > 10, "the greeting comes in the codec of the answer: {alaw}");
    say(
        &mut world,
        format!(
            "BYE sip:countersign@10.0.0.1 SIP/2.0\r\n{head}3\r\n{from}{to}\r\nCSeq: 2 BYE\r\n\
             Content-Length: 0\r\n\r\n"
        ),
    );
    assert_settled(&mut world);
    assert_eq!(world.records[0].cause, EndCause::CallerHungUp);
}

#[test]
fn a_caller_who_never_acknowledges_is_let_go() {
    let mut world = World::new(apps::desk(), 14);
    let invite = "INVITE sip:0800@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.250:5060;branch=z9hG4bK9\r\n\
        Max-Forwards: 70\r\nFrom: <sip:anonymous@anonymous.invalid>;tag=a\r\nCall-ID: mute@stranger\r\n\
        To: <sip:0800@10.0.0.1>\r\nCSeq: 1 INVITE\r\nContact: <sip:late@10.0.1.250:5060>\r\n\
        Content-Length: 0\r\n\r\n";
    world.hidden_numbers = true;
    let now = world.now;
    world.net.send(now, world::STRANGER, world::ENGINE, invite.as_bytes());
    assert_settled(&mut world);
    assert_eq!(world.records[0].cause, EndCause::NoAck);
}

#[test]
fn stop_ends_every_call() {
    let mut world = World::new(apps::desk(), 9);
    world.agents(&[answers(500, None)]);
    for _ in 0..5 {
        let caller = world.caller();
        world.dial(caller);
        world.run_for(SECOND);
        world.press(caller, "1");
        world.run_for(SECOND);
    }
    world.tell_engine(countersign::engine::Input::Stop);
    assert_settled(&mut world);
    assert!(world.records.iter().all(|record| record.cause == EndCause::Shutdown));
}

#[test]
fn a_call_lasts_no_longer_than_a_call_may() {
    let limits = countersign::call::CallLimits { max_duration: SECOND * 30, ..Default::default() };
    let mut world = World::with(apps::desk(), 10, limits, Default::default());
    world.agents(&[answers(500, None)]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(SECOND * 2);
    world.press(caller, "1");
    world.run_for(SECOND * 40);
    assert!(world.phones[caller].is_idle());
    assert_settled(&mut world);
    assert_eq!(world.records[0].cause, EndCause::MaxDuration);
}

/// What may happen next.
#[derive(Clone, Debug)]
enum Move {
    Wait(u64),
    Press(char),
    HangUp,
    Hold(bool),
    Dial,
    /// The first agent does it.
    Agent(Box<Move>),
    Stop,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (0_u64..3000).prop_map(Move::Wait),
        4 => prop::sample::select(vec!['1', '2', '3', '*', '#', '0']).prop_map(Move::Press),
        2 => Just(Move::HangUp),
        2 => any::<bool>().prop_map(Move::Hold),
        2 => Just(Move::Dial),
        1 => Just(Move::Agent(Box::new(Move::HangUp))),
        1 => any::<bool>().prop_map(|on| Move::Agent(Box::new(Move::Hold(on)))),
        1 => Just(Move::Stop),
        1 => (0_u64..30_000).prop_map(Move::Wait),
    ];
    prop::collection::vec(one, 1..20)
}

fn make(world: &mut World, phone: usize, agent: Option<usize>, next: Move) {
    match next {
        Move::Wait(ms) => world.run_for(Duration::from_millis(ms)),
        Move::Press(key) => world.press(phone, &key.to_string()),
        Move::HangUp => world.hang_up(phone),
        Move::Hold(on) => world.hold(phone, on),
        Move::Dial => world.dial(phone),
        Move::Agent(deed) => {
            if let Some(agent) = agent {
                make(world, agent, None, *deed);
            }
        }
        Move::Stop => world.tell_engine(countersign::engine::Input::Stop),
    }
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        (0_u64..25_000, prop::option::of(0_u64..10)).prop_map(|(after, then)| answers(after, then)),
        Just(Manner::Rings),
        Just(Manner::Dead),
        prop::sample::select(vec![
            StatusCode::BUSY_HERE,
            StatusCode::DECLINE,
            StatusCode::NOT_FOUND,
            StatusCode::SERVICE_UNAVAILABLE,
        ])
        .prop_map(Manner::Refuses),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_events_settles(
        seed in any::<u8>(),
        moves in moves(),
        manners in prop::collection::vec(manner(), 0..3),
        lost in prop::sample::select(vec![0_u64, 20, 100]),
        jitter_ms in 0_u64..60,
        slow_ms in prop::sample::select(vec![0_u64, 50, 2500]),
        no_ports in prop::bool::weighted(0.05),
    ) {
        let mut world = World::new(apps::desk(), seed);
        world.net.weather.lost = lost;
        world.net.weather.jitter = Duration::from_millis(jitter_ms);
        world.slowness = Duration::from_millis(slow_ms);
        world.no_ports = no_ports;
        let agents = world.agents(&manners);
        let caller = world.caller();
        world.dial(caller);
        for next in moves {
            make(&mut world, caller, agents.first().copied(), next);
        }
        world.net.weather.lost = 0;
        world.hang_up_everywhere();
        assert_settled(&mut world);
    }
}

#[test]
fn a_thousand_random_hang_ups_leave_nothing() {
    let mut world = World::new(apps::desk(), 77);
    world.agents(&[answers(700, Some(3)), answers(3000, None), Manner::Refuses(StatusCode::BUSY_HERE)]);
    let callers: Vec<usize> = (0..50).map(|_| world.caller()).collect();
    for round in 0..20 {
        for &caller in &callers {
            world.dial(caller);
            let wait = world.seed.below(150);
            world.run_for(Duration::from_millis(wait));
            if world.seed.below(2) == 0 {
                let key = if world.seed.below(2) == 0 { "1" } else { "2" };
                let presser = world.seed.below(50);
                world.press(callers[usize::try_from(presser).expect("small")], key);
            }
            let victim = callers[usize::try_from(world.seed.below(50)).expect("small")];
            world.hang_up(victim);
        }
        for &caller in &callers {
            world.hang_up(caller);
        }
        world.run_for(SECOND);
        assert!(world.engine.active().calls <= 50, "round {round}");
    }
    world.hang_up_everywhere();
    assert_settled(&mut world);
    assert!(world.records.len() >= 900, "{}", world.records.len());
}
