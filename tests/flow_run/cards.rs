//! Cards: taken by keys in a secure flow, paid with, and wiped.

use std::sync::Arc;

use countersign::flow::document::*;
use countersign::flow::run::{Abilities, HandOff, Input as Event, LookupReply, Spoken, TraceEvent};

use crate::flow::draft::*;
use crate::flow::{Scene, World};

const VISA: &str = "4111111111111111#";
const AMEX: &str = "378282246310005#";
/// Valid to the end of the month in which the calls take place.
const THIS_MONTH: &str = "0326";

/// A call by an engine that takes cards.
fn able(steps: Vec<StepKind>, world: World) -> Scene {
    Scene::able(Arc::new(secured(steps)), world, Abilities { cards: true, ..Abilities::default() })
}

/// Keys, each after the prompt before them.
fn play(world: World, steps: Vec<StepKind>, keys: &[&str]) -> Scene {
    let mut scene = able(steps, world);
    for keys in keys {
        scene.wait(5_500).press(keys);
    }
    scene.settle();
    scene
}

fn wiped(scene: &Scene) -> usize {
    let wipes = |event: &&TraceEvent| matches!(event, TraceEvent::Fact { fact: "wiped", .. });
    scene.traces.iter().filter(wipes).count()
}

#[test]
fn a_card_is_taken_read_back_and_paid_with() {
    let steps = vec![StepKind::Card(card()), StepKind::Pay(pay())];
    let scene = play(World::default(), steps, &[VISA, THIS_MONTH, "123#", "1"]);
    let heard = ["card_number", "card_expiry", "card_cvv", "last4", "captured", "paid", "after"];
    assert_eq!(scene.prompts(), heard, "{}", scene.script());
    assert_eq!(scene.charged, [["4111111111111111", "0326", "123", "0000000000000007-1"].map(String::from)]);
    assert!(
        scene.script().contains("en-GB/last4 en-GB/digits/1 en-GB/digits/1 en-GB/digits/1 en-GB/digits/1\n")
    );
    assert_eq!(wiped(&scene), 1);
    assert!(!scene.secure);
}

#[test]
fn what_no_card_can_be_is_asked_for_again() {
    let cases: [(&str, &[&str], usize); 6] = [
        ("a wrong check digit", &["4111111111111112#", VISA, THIS_MONTH, "123#", "1"], 1),
        ("a brand that is not taken", &["5555555555554444#", VISA, THIS_MONTH, "123#", "1"], 1),
        ("no such month", &[VISA, "1326", THIS_MONTH, "123#", "1"], 1),
        ("a month that is over", &[VISA, "0226", THIS_MONTH, "123#", "1"], 1),
        ("a code that is too long for the brand", &[VISA, THIS_MONTH, "1234#", "123#", "1"], 1),
        ("a code that is too short for the brand", &[AMEX, THIS_MONTH, "123#", "1234#", "1"], 1),
    ];
    for (name, keys, misses) in cases {
        let scene = play(World::default(), vec![StepKind::Card(card()), StepKind::Pay(pay())], keys);
        assert_eq!(
            scene.prompts().iter().filter(|prompt| *prompt == "wrong").count(),
            misses,
            "{name}\n{}",
            scene.script()
        );
        assert_eq!(scene.charged.len(), 1, "{name}");
    }
}

#[test]
fn a_card_that_is_not_agreed_to_is_typed_again_as_long_as_there_are_tries() {
    let wrong = [VISA, THIS_MONTH, "123#", "2"];
    let right = [AMEX, THIS_MONTH, "1234#", "1"];
    let keys: Vec<&str> = wrong.into_iter().chain(right).collect();
    let scene = play(World::default(), vec![StepKind::Card(card()), StepKind::Pay(pay())], &keys);
    assert_eq!(scene.charged.first().map(|card| card[0].clone()).as_deref(), Some("378282246310005"));
    let keys: Vec<&str> = wrong.into_iter().cycle().take(12).collect();
    let scene = play(World::default(), vec![StepKind::Card(card())], &keys);
    assert_eq!(scene.prompts().last().map(String::as_str), Some("after"));
    assert!(scene.outcomes().contains(&String::from("gave_up")), "{}", scene.script());
    assert_eq!(wiped(&scene), 0, "nothing was kept");
}

#[test]
fn every_outcome_of_pay_is_reached_and_the_card_is_gone_after_each() {
    type Case = (&'static str, fn() -> LookupReply, u64, &'static str);
    let cases: [Case; 4] = [
        ("paid", || LookupReply::Found(vec![]), 100, "paid"),
        ("declined", || LookupReply::Declined, 100, "declined"),
        ("no answer", || LookupReply::Unavailable, 100, "unavailable"),
        ("too late", || LookupReply::Found(vec![]), 25_000, "unavailable"),
    ];
    for (name, reply, ms, outcome) in cases {
        let slow = std::time::Duration::from_millis(ms);
        let steps = vec![StepKind::Card(card()), StepKind::Pay(pay()), StepKind::Pay(pay())];
        let scene = play(World { reply, slow, ..World::default() }, steps, &[VISA, THIS_MONTH, "123#", "1"]);
        let of_pay: Vec<String> =
            scene.outcomes().into_iter().skip_while(|name| name != "captured").skip(1).collect();
        assert_eq!(
            of_pay[..2],
            [outcome, "unavailable"],
            "{name}: the second has no card\n{}",
            scene.script()
        );
        assert_eq!(scene.charged.len(), 1, "{name}");
        assert_eq!(wiped(&scene), 1, "{name}");
    }
}

#[test]
fn an_order_that_was_answered_is_not_the_same_as_the_next() {
    let both =
        || vec![StepKind::Card(card()), StepKind::Pay(pay()), StepKind::Card(card()), StepKind::Pay(pay())];
    let keys = [VISA, THIS_MONTH, "123#", "1", AMEX, THIS_MONTH, "1234#", "1"];
    let orders = |reply: fn() -> LookupReply| {
        let scene = play(World { reply, ..World::default() }, both(), &keys);
        scene.charged.iter().map(|card| card[3].clone()).collect::<Vec<_>>()
    };
    assert_eq!(orders(|| LookupReply::Declined), ["0000000000000007-1", "0000000000000007-2"]);
    assert_eq!(
        orders(|| LookupReply::Unavailable),
        ["0000000000000007-1", "0000000000000007-1"],
        "nobody knows about the first"
    );
}

#[test]
fn an_engine_that_takes_no_cards_says_so_at_once() {
    let mut scene = Scene::new(secured(vec![StepKind::Card(card())]), World::default());
    assert_eq!(scene.settle().prompts(), ["no_cards", "after"], "{}", scene.script());
    let unnamed = Card { unavailable: None, ..card() };
    let mut scene = Scene::new(secured(vec![StepKind::Card(unnamed)]), World::default());
    scene.settle();
    assert_eq!(scene.prompts(), ["gave_up", "after"]);
    assert!(scene.outcomes().contains(&String::from("unavailable")), "the trace tells why");
}

#[test]
fn every_key_of_a_secure_flow_is_secret_and_none_after_it() {
    let steps = vec![say("greeting"), StepKind::Menu(menu()), StepKind::Card(card())];
    let mut scene = able(steps, World::default());
    assert!(scene.secure, "from its first step");
    scene.wait(1_500).press("1").wait(5_500);
    assert!(scene.secure, "{}", scene.script());
    scene.press(VISA).wait(2_000).press(THIS_MONTH).wait(2_000).press("123#").wait(5_500).press("1").settle();
    assert!(scene.outcomes().contains(&String::from("captured")), "{}", scene.script());
    assert!(!scene.secure);
    let script = scene.script().to_owned();
    let off = script.matches("keys are no secret").count();
    assert_eq!(off, 1, "it is said once, at the end\n{script}");
}

#[test]
fn a_card_is_wiped_when_its_flow_is_left_in_any_way() {
    let steps = || vec![StepKind::Card(card()), StepKind::Menu(menu())];
    let taken = || {
        let mut scene = able(steps(), World::default());
        for keys in [VISA, THIS_MONTH, "123#", "1"] {
            scene.wait(5_500).press(keys);
        }
        scene.wait(3_000);
        assert_eq!(wiped(&scene), 0);
        scene
    };
    let mut to_agent = taken();
    to_agent.press("0");
    assert_eq!(wiped(&to_agent), 1, "{}", to_agent.script());
    assert!(!to_agent.secure);
    let mut gone = taken();
    gone.hang_up();
    assert_eq!(wiped(&gone), 1);
    assert!(!gone.secure);
    let mut returned = taken();
    returned.press("1").settle();
    assert_eq!(wiped(&returned), 1);
}

#[test]
fn no_word_is_heard_in_a_secure_flow() {
    let mut step = menu();
    step.options[0].words = Some(Words { key: "w".into(), phrases: vec![vec!["balance".into()]] });
    let mut scene = able(vec![StepKind::Menu(step)], World::default());
    scene.wait(1_500);
    scene.feed(Event::Spoken(Spoken::new("balance", 99)));
    assert!(!scene.outcomes().contains(&String::from("chosen")), "{}", scene.script());
}

#[test]
fn no_digit_of_a_card_is_told_to_anybody() {
    let steps = vec![StepKind::Card(card()), StepKind::Pay(pay()), StepKind::Queue(queue())];
    let mut scene = able(steps, World::default());
    for keys in [VISA, THIS_MONTH, "123#", "1"] {
        scene.wait(5_500).press(keys);
    }
    scene.wait(5_000).hand_off(HandOff::Connected { agent: String::from("ada") });
    let told = format!("{:?} {:?} {:?}", scene.traces, scene.asked, scene.hand_off);
    for secret in ["411111", "111111"] {
        assert!(!told.contains(secret), "{told}");
    }
}
