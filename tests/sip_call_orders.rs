//! Calls between two endpoints in every order of commands, losses, doubles, delays and garbled bytes: afterwards nothing is
//! left, and every session has ended exactly once. Then the races by name.

#[path = "sip_world/extensions.rs"]
mod extensions;
mod sip_world;

use std::collections::BTreeSet;

use bytes::Bytes;
use countersign::sip::{Active, EndCause, Event, SessionId, StatusCode, Transport};
use proptest::prelude::*;
use sip_world::{Side, Story, Weather, World};

const ANSWER: Bytes = Bytes::from_static(b"v=0 the answer");
const CHANGE: Bytes = Bytes::from_static(b"v=0 the change");

/// What a side may do to one of its sessions, at any time, sensible or not.
#[derive(Clone, Copy, Debug)]
enum Command {
    Call,
    Ring,
    RingWithMedia,
    Accept,
    Reject,
    Cancel,
    Bye,
    Offer,
    Answer,
    RefuseOffer,
    Break,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    wait_ms: u64,
    left: bool,
    session: usize,
    command: Command,
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => Just(Command::Call),
        2 => Just(Command::Ring),
        1 => Just(Command::RingWithMedia),
        4 => Just(Command::Accept),
        1 => Just(Command::Reject),
        2 => Just(Command::Cancel),
        2 => Just(Command::Bye),
        4 => Just(Command::Offer),
        4 => Just(Command::Answer),
        1 => Just(Command::RefuseOffer),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![3 => 0_u64..30, 3 => 0_u64..1500, 1 => 0_u64..40_000];
    (wait, any::<bool>(), 0_usize..4, command()).prop_map(|(wait_ms, left, session, command)| Step {
        wait_ms,
        left,
        session,
        command,
    })
}

fn weather() -> impl Strategy<Value = Weather> {
    let loss = prop_oneof![2 => Just(0_u64), 3 => 0_u64..40, 1 => 60_u64..100, 1 => Just(100_u64)];
    let transport = prop_oneof![3 => Just(Transport::Udp), 1 => Just(Transport::Tcp)];
    let garble = prop_oneof![3 => Just(0_u64), 1 => 0_u64..50];
    (transport, loss, 0_u64..30, garble, 0_u64..1200, any::<u64>()).prop_map(
        |(transport, loss_percent, double_percent, garble_percent, longest_delay_ms, seed)| Weather {
            transport,
            loss_percent,
            double_percent,
            garble_percent,
            longest_delay_ms,
            seed,
        },
    )
}

fn perform(world: &mut World, step: Step) {
    let side = if step.left { Side::Left } else { Side::Right };
    if matches!(step.command, Command::Call) {
        world.call(side);
        return;
    }
    if matches!(step.command, Command::Break) {
        return world.break_transport();
    }
    let sessions = world.sessions(side);
    let Some(&id) = sessions.get(step.session % sessions.len().max(1)) else { return };
    if matches!(step.command, Command::Answer | Command::RefuseOffer) {
        world.answered_offer(side, id);
    }
    world.act(side, |endpoint, now| match step.command {
        Command::Ring => endpoint.ring(now, id, None),
        Command::RingWithMedia => endpoint.ring(now, id, Some(ANSWER)),
        Command::Accept => endpoint.accept(now, id, ANSWER),
        Command::Reject => endpoint.reject(now, id, StatusCode::BUSY_HERE, None),
        Command::Cancel => endpoint.cancel(now, id),
        Command::Bye => endpoint.bye(now, id, None),
        Command::Offer => endpoint.offer(now, id, CHANGE),
        Command::Answer => endpoint.answer_offer(now, id, Ok(ANSWER)),
        Command::RefuseOffer => {
            endpoint.answer_offer(now, id, Err(StatusCode::NOT_ACCEPTABLE_HERE));
        }
        Command::Call | Command::Break => {}
    });
}

/// Hangs up what still lives, lets all timers run out, and looks at what is left.
fn wind_up(world: &mut World) {
    world.run(500);
    for side in [Side::Left, Side::Right] {
        for id in world.sessions(side) {
            world.act(side, |endpoint, now| endpoint.bye(now, id, None));
        }
    }
    world.run_out();
    for side in [Side::Left, Side::Right] {
        assert_eq!(world.endpoint(side).active(), Active::default(), "{side:?} keeps something");
        for (id, story) in world.stories(side) {
            assert_eq!(story.ended, 1, "{side:?} {id:?}: {:?}", story.events);
            assert_eq!(story.after_end, 0, "{side:?} {id:?}: {:?}", story.events);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_commands_in_any_weather_leaves_nothing_and_ends_each_session_once(
        weather in weather(),
        steps in prop::collection::vec(step(), 0..30),
        breaks in prop::collection::btree_set(0_usize..30, 0..2),
    ) {
        let mut world = World::new(weather);
        let breaks: BTreeSet<usize> = breaks;
        world.call(Side::Left);
        for (index, step) in steps.into_iter().enumerate() {
            world.run(step.wait_ms);
            if weather.transport == Transport::Tcp && breaks.contains(&index) {
                perform(&mut world, Step { command: Command::Break, ..step });
            }
            perform(&mut world, step);
        }
        wind_up(&mut world);
    }
}

/// The events of a session without their bodies, and without the word that the next hop has our INVITE: the network may lose it.
fn plot(story: &Story) -> Vec<String> {
    let name = |event: &Event| match event {
        Event::Incoming { .. } => "incoming".to_owned(),
        Event::Acked { answer, .. } => format!("acked{}", if answer.is_some() { " with answer" } else { "" }),
        Event::EarlyMedia { .. } => "early media".to_owned(),
        Event::Trying { .. } => "trying".to_owned(),
        Event::Progress { status, .. } => format!("progress {status}"),
        Event::Answered { .. } => "answered".to_owned(),
        Event::Failed { status, .. } => format!("failed {status}"),
        Event::Offered { .. } => "offered".to_owned(),
        Event::OfferAnswered { sdp: Ok(_), .. } => "offer answered".to_owned(),
        Event::OfferAnswered { sdp: Err(status), .. } => format!("offer refused {status}"),
        Event::Info { .. } => "info".to_owned(),
        Event::MetadataRequested { .. } => "metadata requested".to_owned(),
        Event::Digit { .. } => "digit".to_owned(),
        Event::Referred { .. } => "referred".to_owned(),
        Event::ReferDone { .. } => "reference done".to_owned(),
        Event::Ended { cause, .. } => format!("ended {cause:?}"),
        Event::Response { .. } => "response".to_owned(),
    };
    let events = story.events.iter().map(|(_, event)| event);
    events.filter(|event| !matches!(event, Event::Trying { .. })).map(name).collect()
}

fn callee_session(world: &World) -> SessionId {
    *world.sessions(Side::Right).first().expect("an incoming call")
}

/// A call from left to right that right has accepted and left has acknowledged.
fn established(weather: Weather) -> (World, SessionId, SessionId) {
    let mut world = World::new(weather);
    let caller = world.call(Side::Left);
    world.run(50);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
    world.run(50);
    assert!(plot(world.story(Side::Left, caller)).contains(&"answered".to_owned()));
    (world, caller, callee)
}

fn udp() -> Weather {
    Weather::fair(Transport::Udp)
}

#[test]
fn a_call_rings_is_answered_and_hung_up_on_both_transports() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(Weather { longest_delay_ms: 20, ..Weather::fair(transport) });
        let caller = world.call(Side::Left);
        world.run(100);
        let callee = callee_session(&world);
        world.act(Side::Right, |endpoint, now| endpoint.ring(now, callee, None));
        world.run(100);
        world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
        world.run(100);
        world.act(Side::Right, |endpoint, now| endpoint.bye(now, callee, None));
        wind_up(&mut world);
        assert_eq!(plot(world.story(Side::Left, caller)), ["progress 180", "answered", "ended Bye"]);
        assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "acked", "ended Local"]);
    }
}

#[test]
fn a_200_is_repeated_up_to_t2_until_the_caller_seems_dead_and_then_hung_up() {
    let mut world = World::new(udp());
    world.lose = Box::new(|by, message| by == Side::Left && message.starts_with("ACK"));
    let caller = world.call(Side::Left);
    world.run(0);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
    world.run_out();
    let twos = world.times(Side::Right, "SIP/2.0 200");
    assert_eq!(twos, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(world.times(Side::Left, "ACK").len(), twos.len(), "each 200 gets its ACK");
    assert_eq!(world.times(Side::Right, "BYE"), [32_000]);
    assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "ended AckTimeout"]);
    assert_eq!(plot(world.story(Side::Left, caller)), ["answered", "ended Bye"]);
    wind_up(&mut world);
}

#[test]
fn a_late_ack_ends_the_repeats_and_a_double_one_is_nothing() {
    let mut world = World::new(udp());
    let mut lost = 0;
    world.lose = Box::new(move |by, message| {
        lost += u32::from(by == Side::Left && message.starts_with("ACK"));
        by == Side::Left && message.starts_with("ACK") && lost <= 3
    });
    world.call(Side::Left);
    world.run(0);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
    world.run(40_000);
    assert_eq!(world.times(Side::Right, "SIP/2.0 200"), [0, 500, 1500, 3500]);
    assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "acked"]);
    wind_up(&mut world);

    let mut world = World::new(Weather { double_percent: 100, ..udp() });
    world.call(Side::Left);
    world.run(0);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
    world.run(1000);
    assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "acked"]);
    wind_up(&mut world);
}

#[test]
fn a_cancel_ends_a_ringing_call_with_487() {
    let mut world = World::new(Weather { longest_delay_ms: 10, ..udp() });
    let caller = world.call(Side::Left);
    world.run(100);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.ring(now, callee, None));
    world.run(100);
    world.act(Side::Left, |endpoint, now| endpoint.cancel(now, caller));
    wind_up(&mut world);
    assert_eq!(plot(world.story(Side::Left, caller)), ["progress 180", "ended Cancelled"]);
    assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "ended Cancelled"]);
    assert_eq!(world.times(Side::Right, "SIP/2.0 487").len(), 1);
}

#[test]
fn a_call_cancelled_before_any_response_waits_with_its_cancel() {
    let mut world = World::new(udp());
    let mut first = true;
    world.lose = Box::new(move |_, message| message.starts_with("INVITE") && std::mem::take(&mut first));
    let caller = world.call(Side::Left);
    world.act(Side::Left, |endpoint, now| endpoint.cancel(now, caller));
    assert_eq!(world.times(Side::Left, "CANCEL"), [] as [u128; 0]);
    wind_up(&mut world);
    assert_eq!(world.times(Side::Left, "CANCEL"), [500]);
    assert_eq!(plot(world.story(Side::Left, caller)), ["ended Cancelled"]);
}

#[test]
fn a_cancel_that_crosses_the_200_is_followed_by_ack_and_bye() {
    let mut world = World::new(Weather { longest_delay_ms: 100, transport: Transport::Tcp, ..udp() });
    let caller = world.call(Side::Left);
    world.run(250);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
    world.act(Side::Left, |endpoint, now| endpoint.cancel(now, caller));
    wind_up(&mut world);
    assert_eq!(plot(world.story(Side::Left, caller)), ["ended Cancelled"]);
    assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "acked", "ended Bye"]);
    assert_eq!(world.times(Side::Left, "ACK").len(), 1);
    assert_eq!(world.times(Side::Left, "BYE").len(), 1);
    assert_eq!(world.times(Side::Right, "SIP/2.0 487"), [] as [u128; 0]);
}

#[test]
fn the_callee_hangs_up_only_after_the_ack() {
    let mut world = World::new(Weather { longest_delay_ms: 100, transport: Transport::Tcp, ..udp() });
    world.call(Side::Left);
    world.run(250);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
    world.act(Side::Right, |endpoint, now| endpoint.bye(now, callee, None));
    assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "ended Local"]);
    assert_eq!(world.times(Side::Right, "BYE"), [] as [u128; 0]);
    wind_up(&mut world);
    assert_eq!(world.times(Side::Right, "BYE"), [450], "200 ms after the 200: its ACK is there");
}

#[test]
fn a_bye_that_overtakes_the_ack_ends_the_call() {
    let mut world = World::new(udp());
    world.lose = Box::new(|_, message| message.starts_with("ACK"));
    let caller = world.call(Side::Left);
    world.run(10);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.accept(now, callee, ANSWER));
    world.run(10);
    world.act(Side::Left, |endpoint, now| endpoint.bye(now, caller, None));
    wind_up(&mut world);
    assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "ended Bye"]);
    assert_eq!(world.times(Side::Right, "SIP/2.0 200").len(), 2, "one to INVITE, one to BYE");
}

#[test]
fn byes_that_cross_are_both_answered() {
    let (mut world, caller, callee) = established(Weather { longest_delay_ms: 10, ..udp() });
    world.act(Side::Left, |endpoint, now| endpoint.bye(now, caller, None));
    world.act(Side::Right, |endpoint, now| endpoint.bye(now, callee, None));
    wind_up(&mut world);
    assert_eq!(plot(world.story(Side::Left, caller)).last().map(String::as_str), Some("ended Local"));
    assert_eq!(plot(world.story(Side::Right, callee)).last().map(String::as_str), Some("ended Local"));
}

#[test]
fn offers_go_both_ways() {
    let (mut world, caller, callee) = established(udp());
    for (by, by_id, to, to_id) in
        [(Side::Left, caller, Side::Right, callee), (Side::Right, callee, Side::Left, caller)]
    {
        world.act(by, |endpoint, now| endpoint.offer(now, by_id, CHANGE));
        world.run(50);
        world.act(to, |endpoint, now| endpoint.answer_offer(now, to_id, Ok(ANSWER)));
        world.run(50);
        let by_plot = plot(world.story(by, by_id));
        assert_eq!(by_plot.last().map(String::as_str), Some("offer answered"));
        let to_plot = plot(world.story(to, to_id));
        assert_eq!(to_plot[to_plot.len() - 2..], ["offered", "acked"]);
    }
    wind_up(&mut world);
}

#[test]
fn offers_that_collide_are_refused_with_491_and_tried_again_by_turns() {
    let (mut world, caller, callee) =
        established(Weather { longest_delay_ms: 20, transport: Transport::Tcp, ..udp() });
    let from = world.ms();
    world.act(Side::Left, |endpoint, now| endpoint.offer(now, caller, CHANGE));
    world.act(Side::Right, |endpoint, now| endpoint.offer(now, callee, CHANGE));
    for _ in 0..600 {
        world.run(10);
        for (side, id) in [(Side::Left, caller), (Side::Right, callee)] {
            if world.story(side, id).owes_answer {
                world.answered_offer(side, id);
                world.act(side, |endpoint, now| endpoint.answer_offer(now, id, Ok(ANSWER)));
            }
        }
    }
    for side in [Side::Left, Side::Right] {
        assert_eq!(world.times(side, "SIP/2.0 491").len(), 1);
    }
    let again = |side| world.times(side, "INVITE").into_iter().rfind(|at| *at > from);
    let (left, right) = (again(Side::Left).expect("a retry"), again(Side::Right).expect("a retry"));
    // The 491 comes 40 ms after the offer. RFC 3261 §14.1: the owner of the Call-ID waits longer.
    assert!((from + 40 + 2100..=from + 40 + 4000).contains(&left), "{}", left - from);
    assert!((from + 40..=from + 40 + 2000).contains(&right), "{}", right - from);
    for (side, id) in [(Side::Left, caller), (Side::Right, callee)] {
        assert!(plot(world.story(side, id)).contains(&"offer answered".to_owned()));
    }
    wind_up(&mut world);
}

#[test]
fn a_second_offer_while_one_is_under_way_is_refused() {
    let (mut world, caller, _) = established(udp());
    world.act(Side::Left, |endpoint, now| endpoint.offer(now, caller, CHANGE));
    world.act(Side::Left, |endpoint, now| endpoint.offer(now, caller, CHANGE));
    assert_eq!(plot(world.story(Side::Left, caller)).last().map(String::as_str), Some("offer refused 491"));
    wind_up(&mut world);
}

#[test]
fn when_everything_is_lost_the_caller_gives_up_at_timer_b() {
    let mut world = World::new(Weather { loss_percent: 100, ..udp() });
    let caller = world.call(Side::Left);
    world.run_out();
    assert_eq!(world.times(Side::Left, "INVITE"), [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(plot(world.story(Side::Left, caller)), ["failed 408", "ended Timeout"]);
    wind_up(&mut world);
}

#[test]
fn when_everything_is_lost_after_the_answer_both_byes_run_out() {
    let (mut world, caller, callee) = established(udp());
    world.lose = Box::new(|_, _| true);
    let from = world.ms();
    world.act(Side::Left, |endpoint, now| endpoint.bye(now, caller, None));
    world.act(Side::Right, |endpoint, now| endpoint.offer(now, callee, CHANGE));
    world.run_out();
    assert_eq!(world.times(Side::Left, "BYE").len(), 11);
    // The offer gets no answer: 408 to itself, and the session is hung up (RFC 3261 §12.2.1.2).
    let plot = plot(world.story(Side::Right, callee));
    assert_eq!(plot[plot.len() - 2..], ["offer refused 408", "ended Timeout"]);
    assert_eq!(world.times(Side::Right, "BYE").first(), Some(&(from + 32_000)));
    wind_up(&mut world);
}

#[test]
fn a_call_that_nobody_answers_does_not_ring_for_ever() {
    let mut world = World::new(udp());
    let caller = world.call(Side::Left);
    world.run(10);
    let callee = callee_session(&world);
    world.act(Side::Right, |endpoint, now| endpoint.ring(now, callee, None));
    world.run_out();
    // Repeated every minute (RFC 3261 §13.3.1.1), until one side's patience ends.
    assert_eq!(world.times(Side::Right, "SIP/2.0 180"), [10, 60_010, 120_010, 180_010, 240_010]);
    let caller_plot = plot(world.story(Side::Left, caller));
    assert_eq!(caller_plot.last().map(String::as_str), Some("ended Timeout"));
    assert_eq!(world.story(Side::Right, callee).ended, 1);
    wind_up(&mut world);
}

#[test]
fn a_refusal_reaches_the_caller_and_leaves_nothing() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(Weather { longest_delay_ms: 30, ..Weather::fair(transport) });
        let caller = world.call(Side::Left);
        world.run(100);
        let callee = callee_session(&world);
        world.act(Side::Right, |endpoint, now| {
            endpoint.reject(now, callee, StatusCode::BUSY_HERE, None);
        });
        wind_up(&mut world);
        assert_eq!(plot(world.story(Side::Left, caller)), ["failed 486", "ended Refused"]);
        assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "ended Local"]);
    }
}

#[test]
fn a_connection_that_breaks_fails_the_calls_that_wait_for_it() {
    let mut world = World::new(Weather { longest_delay_ms: 10, ..Weather::fair(Transport::Tcp) });
    let caller = world.call(Side::Left);
    world.run(100);
    let callee = callee_session(&world);
    world.break_transport();
    assert_eq!(plot(world.story(Side::Left, caller)), ["failed 503", "ended TransportFailed"]);
    assert_eq!(plot(world.story(Side::Right, callee)), ["incoming", "ended TransportFailed"]);
    wind_up(&mut world);
    let ended = world.story(Side::Right, callee).events.last().map(|(_, event)| event.clone());
    assert!(matches!(ended, Some(Event::Ended { cause: EndCause::TransportFailed, .. })));
}
