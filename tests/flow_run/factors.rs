//! A factor of the caller's choice, one factor by itself, a new PIN.

use countersign::auth::{Enrolment, FactorId, Identified, Refused, Verdict};
use countersign::flow::document::*;

use crate::flow::draft::*;
use crate::flow::{Scene, World};

const PIN: &str = "80421537#";
const CODE: &str = "287082#";
const NEW: &str = "73920581#";

/// A call in which the caller is claimed and then meets these steps.
fn claimed(world: World, steps: Vec<StepKind>) -> Scene {
    Scene::new(app(std::iter::once(claim()).chain(steps).collect()), world)
}

/// The same, with keys pressed each after a pause.
fn play(world: World, steps: Vec<StepKind>, keys: &[&str]) -> Scene {
    let mut scene = claimed(world, steps);
    scene.wait(1_500);
    for keys in keys {
        scene.wait(4_000).press(keys);
    }
    scene.settle();
    scene
}

#[test]
fn a_caller_chooses_among_what_is_enrolled_by_keys_that_never_change() {
    let step = |level| vec![StepKind::Authenticate(authenticate_by_choice(level))];
    let both = play(World::default(), step("basic"), &["2", CODE]);
    assert_eq!(
        both.prompts(),
        ["which_way", "choose_pin", "choose_code", "code", "reached"],
        "{}",
        both.script()
    );
    let strong = play(World::default(), step("strong"), &["2", CODE, PIN]);
    assert_eq!(
        strong.prompts(),
        ["which_way", "choose_pin", "choose_code", "code", "pin", "reached"],
        "the second needs no choice"
    );
    let enrolled = Ok(vec![FactorId::Totp]);
    let one = play(World { enrolled, ..World::default() }, step("basic"), &[CODE]);
    assert_eq!(one.prompts(), ["code", "reached"], "one factor is no choice");
}

#[test]
fn a_wrong_key_or_silence_chooses_nothing() {
    let step = || vec![StepKind::Authenticate(authenticate_by_choice("basic"))];
    let wrong = play(World::default(), step(), &["3", "1", PIN]);
    assert_eq!(wrong.outcomes().last().map(String::as_str), Some("reached"), "{}", wrong.script());
    let silent = play(World::default(), step(), &[]);
    assert_eq!(silent.outcomes().last().map(String::as_str), Some("insufficient"));
    assert!(!silent.secure && !silent.script().contains("Verify"));
}

#[test]
fn a_ghost_hears_the_same_menu_as_everybody() {
    let script = |identified: fn(countersign::auth::SubjectRef) -> Identified| {
        let world = World { identified, pin: "nothing", ..World::default() };
        let scene =
            play(world, vec![StepKind::Authenticate(authenticate_by_choice("basic"))], &["1", PIN, PIN, PIN]);
        scene.script().replace("identify: one", "").replace("identify: none", "")
    };
    assert_eq!(script(Identified::One), script(Identified::None));
}

#[test]
fn what_the_caller_has_comes_first_when_the_strongest_does() {
    let step = Authenticate { choose: countersign::auth::Choose::StrongestFirst, ..authenticate("basic") };
    let scene = play(World::default(), vec![StepKind::Authenticate(step)], &[CODE]);
    assert_eq!(scene.prompts(), ["code", "reached"]);
}

#[test]
fn every_outcome_of_verify_is_reached() {
    let normal = World::default;
    let cases: [(&str, World, &[&str], &str); 7] = [
        ("right", normal(), &[PIN], "passed"),
        ("wrong, then right", normal(), &["11111111#", PIN], "passed"),
        ("three wrong ones", normal(), &["11111111#", "22222222#", "33333333#"], "failed"),
        ("silence", normal(), &[], "failed"),
        ("locked", World { enrolled: Err(Refused::Locked), ..normal() }, &[], "locked"),
        ("not enrolled", World { enrolled: Ok(vec![FactorId::Totp]), ..normal() }, &[], "not_enrolled"),
        ("nobody judges", World { verdict: Verdict::Unavailable, ..normal() }, &[PIN], "unavailable"),
    ];
    for (name, world, keys, outcome) in cases {
        let scene = play(world, vec![StepKind::Verify(verify(FactorId::Pin))], keys);
        assert_eq!(scene.outcomes().last().map(String::as_str), Some(outcome), "{name}\n{}", scene.script());
        assert!(!scene.secure);
    }
}

#[test]
fn a_verified_factor_is_a_proof_like_any_other() {
    let steps = vec![StepKind::Verify(verify(FactorId::Pin)), require("basic", Some(arm("lacking")))];
    let passed = play(World::default(), steps, &[PIN]);
    assert_eq!(passed.prompts(), ["factor", "passed"], "{}", passed.script());
    let steps = vec![StepKind::Verify(verify(FactorId::Pin)), require("basic", Some(arm("lacking")))];
    let failed = play(World::default(), steps, &["1#", "1#", "1#"]);
    assert_eq!(failed.prompts().last().map(String::as_str), Some("lacking"));
}

/// A PIN is changed after its old one was proved.
fn change(world: World, step: StepKind, keys: &[&str]) -> Scene {
    let keys: Vec<&str> = std::iter::once(PIN).chain(keys.iter().copied()).collect();
    let mut first = authenticate("basic");
    first.reached = Arm::Continue;
    play(world, vec![StepKind::Authenticate(first), step], &keys)
}

#[test]
fn every_outcome_of_enrol_and_reset_is_reached() {
    let with = |enrolment| World { enrolment, ..World::default() };
    let (new, other) = (NEW, "62849173#");
    let cases: [(&str, Enrolment, bool, &[&str], &str); 9] = [
        ("typed twice", Enrolment::Done, false, &[new, new], "done"),
        ("differs once", Enrolment::Done, false, &[new, other, new, new], "done"),
        ("differs always", Enrolment::Done, true, &[new, other, new, other, new, other], "refused"),
        ("refused by the rules", Enrolment::Refused, true, &[new, new, new, new, new, new], "refused"),
        ("silence", Enrolment::Done, true, &[], "refused"),
        ("silence when asked again", Enrolment::Done, false, &[new], "refused"),
        ("there is one", Enrolment::Exists, false, &[new, new], "exists"),
        ("locked", Enrolment::Locked, true, &[new, new], "locked"),
        ("locked, and enrol has no such outcome", Enrolment::Locked, false, &[new, new], "locked"),
    ];
    for (name, enrolment, replace, keys, outcome) in cases {
        let step = if replace { reset(FactorId::Pin, "basic") } else { enrol(FactorId::Pin, "basic") };
        let scene = change(with(enrolment), step, keys);
        assert_eq!(scene.outcomes().last().map(String::as_str), Some(outcome), "{name}\n{}", scene.script());
        assert!(!scene.secure && scene.finished, "{name}");
    }
}

#[test]
fn what_was_wrong_with_a_new_pin_is_said_in_general_words() {
    let scene = change(World::default(), reset(FactorId::Pin, "basic"), &[NEW, "62849173#", NEW, NEW]);
    assert_eq!(scene.prompts(), ["pin", "new_pin", "again", "differ", "new_pin", "again", "done"]);
    let refused = World { enrolment: Enrolment::Refused, ..World::default() };
    let scene = change(refused, reset(FactorId::Pin, "basic"), &[NEW, NEW, NEW, NEW]);
    let heard = scene.prompts();
    assert_eq!(heard[..6], ["pin", "new_pin", "again", "no_good", "new_pin", "again"], "{}", scene.script());
    assert!(!scene.script().contains("73920581"));
}

#[test]
fn nobody_enrols_or_resets_below_the_level() {
    for step in [enrol(FactorId::Pin, "basic"), reset(FactorId::Pin, "strong")] {
        let below = play(World::default(), vec![step], &[NEW, NEW]);
        assert_eq!(below.outcomes().last().map(String::as_str), Some("unavailable"), "{}", below.script());
        assert!(!below.script().contains("asks Enrol") && !below.script().contains("asks Reset"));
    }
}

#[test]
fn an_authenticator_is_enrolled_by_an_operator() {
    let scene = change(World::default(), enrol(FactorId::Totp, "basic"), &[]);
    assert_eq!(scene.outcomes().last().map(String::as_str), Some("unavailable"));
}

#[test]
fn a_new_pin_is_secret_from_its_first_key_to_its_last() {
    let mut first = authenticate("basic");
    first.reached = Arm::Continue;
    let mut scene =
        claimed(World::default(), vec![StepKind::Authenticate(first), reset(FactorId::Pin, "basic")]);
    scene.until("pin").wait(1_500).press(PIN).until("new_pin");
    assert!(scene.secure);
    scene.wait(1_500).press(NEW).wait(1_500);
    assert!(scene.secure, "{}", scene.script());
    scene.press(NEW);
    assert!(!scene.secure);
}
