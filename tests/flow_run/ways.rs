//! Codes that are sent, sent again, too old; another way; the next best when one can't be used.

use std::sync::Arc;

use countersign::auth::{Choose, FactorId, Policy, Prepared};
use countersign::flow::document::*;
use countersign::flow::expr::{Expr, Field};

use crate::flow::draft::*;
use crate::flow::{Scene, World};

const OFFER: [FactorId; 3] = [FactorId::OtpSms, FactorId::Push, FactorId::Pin];
const CODE: &str = "287082";
const PIN: &str = "80421537";

fn ways() -> Ways {
    Ways {
        expired: Some(prompt("expired")),
        resent: Some(prompt("resent")),
        not_resent: Some(prompt("not_resent")),
        instead: Some(prompt("instead")),
        again: Some(prompt("star_again")),
        another: Some(prompt("hash_another")),
        again_key: Some(key('*')),
        another_key: Some(key('#')),
        ..Ways::default()
    }
}

fn step(choose: Choose) -> Authenticate {
    let number = prompt_with("push", Expr::Field(Field::MatchNumber), Format::Spell { last: None });
    Authenticate {
        offer: OFFER.to_vec(),
        choose,
        choices: vec![(None, prompt("which_way"))],
        challenge: vec![
            (FactorId::OtpSms, prompt("sms")),
            (FactorId::Push, number),
            (FactorId::Pin, prompt("pin")),
        ],
        silent: vec![],
        ways: ways(),
        ..authenticate("basic")
    }
}

/// A call to somebody who has all of the offer, with a vault that prepares like this.
fn call(prepared: Prepared, choose: Choose) -> Scene {
    let world = World { prepared, enrolled: Ok(OFFER.to_vec()), ..World::default() };
    let mut app = app(vec![claim(), StepKind::Authenticate(step(choose))]);
    let factors = OFFER.iter().map(|factor| factor.defaults()).collect();
    app.policy = Arc::new(Policy { factors, levels: Policy::default().levels, ..Policy::default() });
    Scene::new(app, world)
}

fn sent() -> Prepared {
    Prepared::Sent { match_number: Some(String::from("42")) }
}

/// What was heard to the end, but for what is said about keys.
fn ends(mut scene: Scene, heard: &[&str]) {
    scene.settle();
    let mut prompts = scene.prompts();
    prompts.retain(|prompt| prompt != "star_again" && prompt != "hash_another");
    assert_eq!(prompts, heard, "{}", scene.script());
    assert!(!scene.secure && scene.finished);
}

#[test]
fn a_code_is_asked_for_once_it_is_sent_and_the_keys_are_told() {
    let mut scene = call(sent(), Choose::Policy);
    scene.until("hash_another");
    assert!(scene.secure);
    assert_eq!(scene.prompts(), ["sms", "star_again", "hash_another"]);
    scene.wait(40_000).press(CODE);
    ends(scene, &["sms", "reached"]);
}

#[test]
fn star_sends_again_and_hash_takes_the_next_way_round_and_round() {
    let mut scene = call(sent(), Choose::Policy);
    scene.until("sms").press("*").until("resent").press("#").until("push").press("#").until("pin");
    scene.press("#").wait(500).press(CODE);
    let heard = ["sms", "resent", "sms", "push", "pin", "sms", "reached"];
    ends(scene, &heard);
}

#[test]
fn after_the_first_digit_the_keys_mean_what_they_always_mean() {
    let mut scene = call(sent(), Choose::Policy);
    // The star says the question again; hash ends the number, here too short to be one.
    scene.until("sms").press("28*").wait(300).press("28#").wait(300).press(CODE);
    ends(scene, &["sms", "sms", "sms", "reached"]);
}

#[test]
fn a_way_that_can_not_be_used_gives_way_to_the_next() {
    for prepared in [Prepared::Unavailable, Prepared::Exhausted, Prepared::TooSoon] {
        let mut scene = call(prepared.clone(), Choose::Policy);
        scene.until("pin").press(PIN);
        ends(scene, &["instead", "pin", "reached"]);
        let mut scene = call(prepared, Choose::Caller);
        scene.until("which_way").press("1").until("instead").wait(300).press("2").until("pin").press(PIN);
        ends(scene, &["which_way", "instead", "which_way", "instead", "pin", "reached"]);
    }
    ends(call(Prepared::Locked, Choose::Policy), &["locked"]);
}

#[test]
fn another_way_of_a_caller_who_chooses_is_a_choice_again() {
    let mut scene = call(sent(), Choose::Caller);
    scene.until("which_way").press("1").until("sms").press("#").wait(300).press("3").until("pin").press(PIN);
    ends(scene, &["which_way", "sms", "which_way", "pin", "reached"]);
}

#[test]
fn a_code_that_is_too_old_is_replaced_and_said_so() {
    let mut scene = call(sent(), Choose::Policy);
    scene.world.expired = true;
    scene.until("sms").press("111111").until("expired").press("111111").wait(600);
    scene.world.expired = false;
    scene.press(CODE);
    ends(scene, &["sms", "expired", "sms", "expired", "sms", "reached"]);
}

#[test]
fn a_code_that_is_too_old_and_can_not_be_sent_again_ends_in_another_way_or_expired() {
    let play = |one: Verify| {
        let world =
            World { prepared: sent(), enrolled: Ok(OFFER.to_vec()), expired: true, ..World::default() };
        let mut app = app(vec![claim(), StepKind::Verify(one)]);
        app.policy = Arc::new(Policy {
            factors: OFFER.iter().map(|factor| factor.defaults()).collect(),
            ..Policy::default()
        });
        let mut scene = Scene::new(app, world);
        scene.until("factor");
        scene.world.prepared = Prepared::Exhausted;
        scene.press("111111").settle();
        scene.outcomes().last().cloned()
    };
    let one = verify(FactorId::OtpSms);
    assert_eq!(play(one).as_deref(), Some("failed"));
    let one = Verify { expired: Some(arm("too_old")), ..verify(FactorId::OtpSms) };
    assert_eq!(play(one).as_deref(), Some("expired"));
}

#[test]
fn the_number_of_an_approval_is_said_and_leaves_no_trace() {
    let mut scene = call(sent(), Choose::Policy);
    scene.until("sms").press("#").until("push").wait(300);
    assert!(scene.script().contains("digits/4") && scene.script().contains("digits/2"), "{}", scene.script());
    assert!(!format!("{:?}", scene.traces).contains("42"));
}
