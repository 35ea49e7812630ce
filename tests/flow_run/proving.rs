//! From a claim to a level, and what a level opens.

use std::time::Duration;

use countersign::auth::{FactorId, Identified, Refused, Verdict};
use countersign::flow::document::Answer;
use countersign::flow::document::*;
use countersign::flow::expr::{Expr, Field};
use countersign::flow::run::LookupReply;

use crate::flow::draft::*;
use crate::flow::{Scene, World};
use crate::scene;

#[test]
fn every_outcome_of_identify_is_reached() {
    type Answer = fn(countersign::auth::SubjectRef) -> Identified;
    let cases: [(Answer, bool, &str); 5] = [
        (Identified::One, true, "one"),
        (Identified::None, true, "none"),
        (|_| Identified::Many, true, "many"),
        (|_| Identified::Unavailable, true, "unavailable"),
        (Identified::One, false, "unavailable"),
    ];
    for (identified, vault, outcome) in cases {
        let world = World { identified, vault, ..World::default() };
        let mut scene = Scene::new(app(vec![StepKind::Identify(identify(true))]), world);
        assert_eq!(scene.settle().outcomes(), [outcome]);
    }
}

#[test]
fn a_withheld_number_identifies_nobody_and_nobody_is_asked() {
    let app = std::sync::Arc::new(app(vec![StepKind::Identify(identify(true))]));
    let mut scene = Scene::from(app, World::default(), None);
    assert_eq!(scene.settle().outcomes(), ["none"]);
    assert!(!scene.script().contains("Identify"), "{}", scene.script());
}

/// An identification that asks a service about the calling number.
fn by_service() -> StepKind {
    let give = vec![(String::from("phone"), Expr::Field(Field::CallFrom))];
    let (service, call, field) = (String::from("crm"), String::from("find"), String::from("customer"));
    let service = Some(SubjectService { service, call, give, field, timeout: Duration::from_secs(3) });
    StepKind::Identify(Identify { service, ..identify(true) })
}

#[test]
fn a_service_says_who_it_is_and_the_store_knows_them() {
    type Reply = fn() -> LookupReply;
    let customer: Reply = || LookupReply::Found(vec![(String::from("customer"), String::from("C77"))]);
    let nothing: Reply = || LookupReply::Found(vec![(String::from("customer"), String::from(" "))]);
    type Known = fn(countersign::auth::SubjectRef) -> Identified;
    let cases: [(&str, Reply, Known, u64, &str); 7] = [
        ("known to both", customer, Identified::One, 100, "one"),
        ("known to the service only", customer, Identified::None, 100, "none"),
        ("known to nobody", || LookupReply::NotFound, Identified::None, 100, "none"),
        ("several", || LookupReply::Many, Identified::One, 100, "many"),
        ("out of order", || LookupReply::Unavailable, Identified::One, 100, "unavailable"),
        ("no identifier", nothing, Identified::One, 100, "unavailable"),
        ("too slow", customer, Identified::One, 3_500, "unavailable"),
    ];
    for (name, reply, identified, ms, outcome) in cases {
        let world = World { reply, identified, slow: Duration::from_millis(ms), ..World::default() };
        let mut scene = Scene::new(app(vec![by_service()]), world);
        assert_eq!(scene.settle().outcomes(), [outcome], "{name}\n{}", scene.script());
    }
    let mut hidden = Scene::from(std::sync::Arc::new(app(vec![by_service()])), World::default(), None);
    assert_eq!(hidden.settle().outcomes(), ["none"]);
    assert!(!hidden.script().contains("asks crm"), "{}", hidden.script());
}

#[test]
fn somebody_whom_the_service_does_not_know_is_asked_for_like_somebody_it_knows() {
    let script = |reply: fn() -> LookupReply, identified: fn(countersign::auth::SubjectRef) -> Identified| {
        let steps = vec![by_service(), StepKind::Authenticate(authenticate("basic"))];
        let mut scene = Scene::new(app(steps), World { reply, identified, ..World::default() });
        for _ in 0..3 {
            scene.wait(4_000).press("11111111#");
        }
        let script = scene.settle().script();
        script
            .replace("identify: one", "")
            .replace("identify: none", "")
            .replace("/one", "")
            .replace("/none", "")
    };
    let known =
        script(|| LookupReply::Found(vec![(String::from("customer"), String::from("C77"))]), Identified::One);
    assert_eq!(known, script(|| LookupReply::NotFound, Identified::None));
}

fn authenticated(level: &str, world: World, keys: &[&str]) -> Scene {
    let mut scene = Scene::new(app(vec![claim(), StepKind::Authenticate(authenticate(level))]), world);
    scene.wait(1_500);
    for keys in keys {
        scene.wait(2_500).press(keys);
    }
    scene.settle();
    scene
}

#[test]
fn every_outcome_of_authenticate_is_reached() {
    let normal = World::default;
    let enrolled = |enrolled| World { enrolled, ..World::default() };
    let judged = |verdict| World { verdict, ..World::default() };
    let right = "80421537#";
    type Case<'a> = (&'a str, &'a str, World, &'a [&'a str], &'a [&'a str], &'a str);
    let cases: [Case<'_>; 13] = [
        ("a right PIN", "basic", normal(), &[right], &["pin"], "reached"),
        ("two factors", "strong", normal(), &[right, "287082"], &["pin", "code"], "reached"),
        ("a wrong one first", "basic", normal(), &["11111111#", right], &["pin", "failed", "pin"], "reached"),
        (
            "three wrong ones",
            "basic",
            normal(),
            &["11111111#", "22222222#", "33333333#"],
            &["pin", "failed", "pin", "failed_last", "pin"],
            "insufficient",
        ),
        ("silence", "basic", normal(), &[], &["pin", "pin_silent", "pin_silent"], "insufficient"),
        ("too short counts as no response", "basic", normal(), &["1#", right], &["pin", "pin"], "reached"),
        ("star says it again", "basic", normal(), &["80*", right], &["pin", "pin"], "reached"),
        ("nothing enrolled", "basic", enrolled(Ok(vec![])), &[], &[], "not_enrolled"),
        ("too few enrolled", "strong", enrolled(Ok(vec![FactorId::Pin])), &[], &[], "not_enrolled"),
        ("locked before", "basic", enrolled(Err(Refused::Locked)), &[], &[], "locked"),
        ("no store", "basic", enrolled(Err(Refused::Unavailable)), &[], &[], "unavailable"),
        ("no vault at all", "basic", World { vault: false, ..normal() }, &[], &[], "not_enrolled"),
        (
            "nobody can judge",
            "basic",
            judged(Verdict::Unavailable),
            &[right, "287082"],
            &["pin", "code"],
            "unavailable",
        ),
    ];
    for (name, level, world, keys, heard, outcome) in cases {
        let scene = authenticated(level, world, keys);
        let heard: Vec<&str> = heard.iter().copied().chain([outcome]).collect();
        assert_eq!(scene.prompts(), heard, "{name}\n{}", scene.script());
        assert!(!scene.secure && scene.finished, "{name}");
    }
}

#[test]
fn a_lock_found_while_judging_ends_it() {
    let scene = authenticated("basic", World { locked: true, ..World::default() }, &["11111111#"]);
    assert_eq!(scene.outcomes().last().map(String::as_str), Some("locked"));
}

#[test]
fn keys_are_secret_exactly_while_a_factor_is_typed() {
    let mut scene =
        Scene::new(app(vec![claim(), StepKind::Authenticate(authenticate("strong"))]), World::default());
    scene.until("pin");
    assert!(scene.secure);
    scene.wait(1_500).press("80421537").wait(10);
    assert!(scene.secure, "the next challenge follows");
    scene.press("287082");
    assert!(!scene.secure);
}

#[test]
fn keys_typed_before_a_challenge_are_not_its_response() {
    let mut scene = Scene::new(
        app(vec![say_firmly("greeting"), claim(), StepKind::Authenticate(authenticate("basic"))]),
        World::default(),
    );
    scene.wait(100).press("80421537#").settle();
    assert_eq!(scene.outcomes().last().map(String::as_str), Some("insufficient"), "{}", scene.script());
}

#[test]
fn a_ghost_hears_what_a_subject_with_a_wrong_pin_hears() {
    let plays = |identified| {
        let steps = vec![claim(), StepKind::Authenticate(authenticate("basic"))];
        let mut scene = Scene::new(app(steps), World { identified, ..World::default() });
        for _ in 0..3 {
            scene.wait(4_000).press("11111111#");
        }
        scene.settle().script().replace("identify: one", "").replace("identify: none", "")
    };
    assert_eq!(plays(Identified::One), plays(Identified::None));
}

#[test]
fn a_level_that_lacks_takes_its_arm_or_the_way_of_errors() {
    let mut lacking = scene(vec![require("basic", Some(arm("lacking")))]);
    assert_eq!(lacking.settle().prompts(), ["lacking"]);
    let mut error = scene(vec![require("basic", None), say("never")]);
    assert_eq!(error.settle().prompts(), ["oops"]);
}

#[test]
fn a_required_level_opens_a_protected_lookup() {
    let mut scene = Scene::new(
        app(vec![
            claim(),
            StepKind::Authenticate(authenticate("basic")),
            require("basic", None),
            StepKind::Lookup(lookup(Some("basic"))),
        ]),
        World::default(),
    );
    scene.until("pin").press("80421537#").settle();
    assert_eq!(scene.granted, [Some(String::from("basic"))]);
    assert_eq!(scene.prompts(), ["pin", "reached", "your_balance"]);
}

#[test]
fn a_protected_lookup_without_its_level_is_not_made() {
    let mut scene = scene(vec![claim(), StepKind::Lookup(lookup(Some("basic")))]);
    assert_eq!(scene.settle().prompts(), ["unavailable"]);
    assert!(scene.granted.is_empty(), "{}", scene.script());
}

#[test]
fn every_outcome_of_lookup_is_reached() {
    let text = |text: &'static str| match text {
        "good" => || LookupReply::Found(vec![(String::from("balance"), String::from("-3 EUR"))]),
        "not money" => || LookupReply::Found(vec![(String::from("balance"), String::from("a lot"))]),
        "lacks" => || LookupReply::Found(vec![(String::from("other"), String::from("1 EUR"))]),
        "not found" => || LookupReply::NotFound,
        _ => || LookupReply::Unavailable,
    };
    let cases: [(&str, u64, &[&str]); 8] = [
        ("good", 100, &["your_balance"]),
        ("good", 900, &["one_moment", "your_balance"]),
        ("good", 2_500, &["one_moment", "your_balance"]),
        ("good", 9_000, &["one_moment", "unavailable"]),
        ("not money", 100, &["unavailable"]),
        ("lacks", 100, &["unavailable"]),
        ("not found", 100, &["not_found"]),
        ("none", 100, &["unavailable"]),
    ];
    for (reply, ms, heard) in cases {
        let world = World { reply: text(reply), slow: Duration::from_millis(ms), ..World::default() };
        let mut scene =
            Scene::new(app(vec![StepKind::Answer(Answer), claim(), StepKind::Lookup(lookup(None))]), world);
        assert_eq!(scene.settle().prompts(), heard, "{reply} after {ms} ms\n{}", scene.script());
    }
}
