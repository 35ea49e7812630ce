//! What is listened for, who has the floor, and what becomes of what was said.

use std::sync::Arc;
use std::time::Duration;

use countersign::flow::ClipKey;
use countersign::flow::document::*;
use countersign::flow::run::{Abilities, Input as Event, Spoken, TraceEvent};
use countersign::secret::Secret;
use countersign::voice::{EarError, Ended, SpokenGrammar, Understood, Utterance};

use crate::flow::draft::*;
use crate::flow::{Scene, World};

fn scene(steps: Vec<StepKind>) -> Scene {
    let abilities = Abilities { speech: true, ..Abilities::default() };
    Scene::able(Arc::new(app(steps)), World::default(), abilities)
}

fn spoken_ask() -> Ask {
    Ask { speech: true, ..ask() }
}

fn spoken_menu(interrupt: Interrupt) -> StepKind {
    let mut step = menu();
    step.input.interrupt = interrupt;
    let phrases = vec![vec!["balance".into(), "how much".into()], vec!["saldo".into()]];
    step.options[0].words = Some(Words { key: "words".into(), phrases });
    StepKind::Menu(step)
}

/// What a recogniser made of a sound.
fn heard(readings: &[(&str, u8)]) -> Event {
    heard_of(700, readings)
}

/// The same, of so many milliseconds of speech.
fn heard_of(speech: u64, readings: &[(&str, u8)]) -> Event {
    let sound = Secret::new(vec![0; 8_000]);
    let sound = Utterance::new(sound, None, Duration::from_millis(speech), Ended::Silence);
    let understood = readings.iter().map(|(words, confidence)| Understood {
        words: Secret::new((*words).to_owned()),
        choice: None,
        confidence: *confidence,
    });
    Event::Spoken(Spoken::understood(Arc::new(sound), understood.collect(), Duration::from_millis(400)))
}

fn counts(scene: &Scene) -> Option<bool> {
    scene.hearing.as_ref().map(|hearing| hearing.counts)
}

#[test]
fn what_may_be_said_is_listened_for_while_a_question_can_be_answered_by_it() {
    let mut scene = scene(vec![say("greeting"), StepKind::Ask(spoken_ask())]);
    scene.wait(200);
    assert_eq!(counts(&scene), None, "nothing is asked");
    scene.until("account_number").wait(100);
    assert_eq!(counts(&scene), Some(false), "whoever begins a little early is heard from there");
    scene.wait(1_500);
    let hearing = scene.hearing.clone().expect("somebody listens");
    assert_eq!(hearing.grammar, Some(SpokenGrammar::Digits { min: 4, max: 8 }));
    assert_eq!((&*hearing.language, hearing.counts), ("en-GB", true));
    scene.press("4");
    assert_eq!(counts(&scene), None, "whoever types does not speak");
    scene.press("4110000#").settle();
    assert_eq!(scene.prompts(), ["greeting", "account_number", "filled"], "{}", scene.script());
}

#[test]
fn that_it_may_be_said_is_told_to_whom_somebody_hears() {
    let told = |speech, heard: &str| {
        let mut step = spoken_ask();
        step.prompt.heard = vec![vec![Piece::Clip(ClipKey::new(heard))], Vec::new()];
        let abilities = Abilities { speech, ..Abilities::default() };
        let mut scene = Scene::able(Arc::new(app(vec![StepKind::Ask(step)])), World::default(), abilities);
        scene.wait(100);
        scene.script().contains(&format!("plays {heard}\n"))
    };
    assert!(told(true, "en-GB/account_number-heard"));
    assert!(!told(false, "en-GB/account_number-heard"));
}

#[test]
fn phrases_are_those_on_offer_in_the_language_of_the_call() {
    let mut scene = scene(vec![spoken_menu(Interrupt::KeysAndSpeech)]);
    scene.wait(100);
    assert_eq!(counts(&scene), Some(true), "a voice interrupts it");
    let phrases = vec![(0, Arc::from("balance")), (0, Arc::from("how much"))];
    assert_eq!(
        scene.hearing.as_ref().and_then(|hearing| hearing.grammar.clone()),
        Some(SpokenGrammar::Phrases(phrases))
    );
}

#[test]
fn no_timer_runs_while_somebody_speaks_or_is_being_understood() {
    let mut scene = scene(vec![StepKind::Ask(spoken_ask())]);
    scene.wait(1_500).feed(Event::Speaking(true));
    scene.wait(30_000);
    assert_eq!(scene.prompts(), ["account_number"], "{}", scene.script());
    scene.feed(heard(&[("4411", 90)]));
    scene.settle();
    assert_eq!(scene.prompts(), ["account_number", "filled"], "{}", scene.script());
    let told = |event: &TraceEvent| matches!(event, TraceEvent::Heard { confidence: 90, .. });
    assert!(scene.traces.iter().any(told), "{:?}", scene.traces);
}

#[test]
fn a_wait_for_somebody_who_is_never_understood_has_an_end() {
    let mut scene = scene(vec![StepKind::Ask(spoken_ask())]);
    scene.wait(1_500).feed(Event::Speaking(true));
    scene.settle();
    assert_eq!(scene.prompts().last().map(String::as_str), Some("give_up"), "{}", scene.script());
}

#[test]
fn who_could_not_be_heard_made_no_mistake_and_has_their_time_again() {
    let mut scene = scene(vec![StepKind::Ask(spoken_ask())]);
    scene.wait(1_500);
    for why in [EarError::Full, EarError::Unreachable] {
        scene.wait(4_000).feed(Event::Speaking(true));
        scene.wait(900).feed(Event::Unheard(why));
    }
    scene.wait(4_000);
    assert_eq!(scene.prompts(), ["account_number"], "{}", scene.script());
    assert!(!scene.traces.iter().any(|event| matches!(event, TraceEvent::Retry { .. })));
    scene.press("44110000#").settle();
    assert_eq!(scene.prompts(), ["account_number", "filled"], "{}", scene.script());
}

#[test]
fn a_cough_changes_nothing_and_gives_no_time() {
    let mut scene = scene(vec![StepKind::Ask(spoken_ask())]);
    scene.wait(1_500);
    for _ in 0..12 {
        scene.feed(Event::Speaking(true));
        scene.wait(300).feed(Event::Speaking(false));
        scene.wait(300);
    }
    let why: Vec<_> = scene
        .traces
        .iter()
        .filter_map(|event| match event {
            TraceEvent::Retry { why, .. } => Some(*why),
            _ => None,
        })
        .collect();
    assert_eq!(why, ["no_input"], "{}", scene.script());
}

#[test]
fn a_sound_too_short_for_a_word_may_be_an_answer_and_is_no_wrong_one() {
    let mut scene = scene(vec![spoken_menu(Interrupt::Keys)]);
    scene.wait(1_500).feed(heard_of(150, &[("balance", 12)]));
    scene.wait(1_000);
    assert!(!scene.traces.iter().any(|event| matches!(event, TraceEvent::Retry { .. })));
    scene.feed(heard_of(150, &[("balance", 90)]));
    scene.settle();
    assert_eq!(scene.prompts(), ["main_menu", "chosen"], "{}", scene.script());
}

#[test]
fn keys_end_what_is_being_understood() {
    let mut scene = scene(vec![StepKind::Ask(spoken_ask())]);
    scene.wait(1_500).feed(Event::Speaking(true));
    scene.wait(800).press("4411");
    // It comes all the same: it had crossed the order.
    scene.feed(heard(&[("9922", 99)]));
    scene.press("#").settle();
    assert_eq!(scene.prompts(), ["account_number", "filled"], "{}", scene.script());
    assert!(!scene.traces.iter().any(|event| matches!(event, TraceEvent::Heard { .. })));
}

#[test]
fn a_check_digit_chooses_among_what_may_have_been_said() {
    let cases: [(&[(&str, u8)], &str); 4] = [
        (&[("79927398713", 80)], "filled"),
        // The surest can't be; of what is left the next is nearly all.
        (&[("79927398710", 55), ("79927398713", 40)], "filled"),
        (&[("79927398710", 30), ("79927398713", 25), ("79927398718", 24)], "wrong"),
        (&[], "wrong"),
    ];
    for (readings, prompt) in cases {
        let step =
            Ask { check: Some(Check::Luhn), digits: Digits { min: 8, max: 12, end: None }, ..spoken_ask() };
        let mut scene = scene(vec![StepKind::Ask(step)]);
        scene.wait(1_500).feed(heard(readings));
        scene.wait(100);
        assert_eq!(scene.prompts(), ["account_number", prompt], "{readings:?}: {}", scene.script());
    }
}

#[test]
fn what_is_said_into_a_greeting_is_kept_for_the_question_after_it() {
    let greeting =
        Say { prompts: vec![prompt("greeting")], interrupt: Interrupt::KeysAndSpeech, early: false };
    let mut scene = scene(vec![StepKind::Say(greeting), spoken_menu(Interrupt::Keys)]);
    scene.wait(200);
    let hearing = scene.hearing.clone().expect("what begins is kept");
    assert_eq!((hearing.grammar, hearing.counts), (None, false));
    scene.feed(Event::Speaking(true));
    scene.feed(Event::Voice);
    assert_eq!(counts(&scene), Some(true), "{}", scene.script());
    scene.wait(600).feed(heard(&[("balance", 90)]));
    scene.settle();
    assert_eq!(scene.prompts(), ["greeting", "main_menu", "chosen"], "{}", scene.script());
}

#[test]
fn nobody_listens_where_a_secret_is_asked_for_nor_without_a_recogniser() {
    let mut secret = spoken_ask();
    (secret.class, secret.into) = (Class::Secret, CODE);
    let mut asked = scene(vec![StepKind::Ask(secret)]);
    asked.wait(3_000);
    assert!(asked.secure && asked.hearing.is_none());
    let mut proving = scene(vec![claim(), StepKind::Authenticate(authenticate("basic"))]);
    proving.until("pin").wait(3_000);
    assert!(proving.secure && proving.hearing.is_none());
    let mut deaf = Scene::new(app(vec![StepKind::Ask(spoken_ask())]), World::default());
    deaf.wait(1_500);
    assert!(deaf.hearing.is_none());
    deaf.press("44110000#").settle();
    assert_eq!(deaf.prompts(), ["account_number", "filled"]);
}

#[test]
fn nobody_listens_to_who_is_gone() {
    let mut scene = scene(vec![StepKind::Ask(spoken_ask())]);
    scene.wait(1_500).feed(Event::Speaking(true));
    scene.feed(Event::HungUp);
    scene.feed(heard(&[("4411", 90)]));
    scene.settle();
    assert_eq!(scene.prompts(), ["account_number"], "{}", scene.script());
}

/// A caller who has to prove it by a PIN that the policy lets them say, or not.
fn proving(spoken: bool) -> Scene {
    let mut app = app(vec![claim(), StepKind::Authenticate(authenticate("basic"))]);
    let mut policy = (*app.policy).clone();
    policy.factors.iter_mut().for_each(|used| used.spoken = spoken);
    app.policy = Arc::new(policy);
    let abilities = Abilities { speech: true, ..Abilities::default() };
    let mut scene = Scene::able(Arc::new(app), World::default(), abilities);
    scene.until("pin").wait(1_500);
    scene
}

#[test]
fn a_secret_is_listened_for_only_where_the_policy_lets_it_be_said_and_as_a_secret() {
    let mut typed = proving(false);
    assert!(typed.secure && typed.hearing.is_none(), "{}", typed.script());
    typed.feed(heard(&[("eight zero four two one five three seven", 95)]));
    assert!(!typed.script().contains("Verify"), "{}", typed.script());

    let mut scene = proving(true);
    let hearing = scene.hearing.clone().expect("somebody listens");
    assert!(scene.secure && hearing.secret && hearing.counts);
    assert_eq!(hearing.grammar, Some(SpokenGrammar::Digits { min: 8, max: 8 }));
    // Too few, and not sure enough: asked again, and nobody judges it.
    scene.feed(heard(&[("eight zero four", 95)]));
    scene.wait(1_500).feed(heard(&[("eight zero four two one five three seven", 40)]));
    assert!(!scene.script().contains("Verify"), "{}", scene.script());
    scene.wait(1_500).feed(heard(&[("eight zero four two one five three seven", 95)]));
    assert!(scene.script().contains("Verify"), "{}", scene.script());
    scene.settle();
    assert!(!scene.secure, "{}", scene.script());
    assert!(!format!("{:?}", scene.traces).contains("80421537"), "what was said is in no trace");
}

#[test]
fn who_begins_to_type_a_secret_is_not_listened_to() {
    let mut scene = proving(true);
    scene.press("8");
    assert!(scene.hearing.is_none());
    scene.press("0421537#").settle();
    assert_eq!(scene.prompts().first().map(String::as_str), Some("pin"));
    assert!(scene.script().contains("Verify"), "{}", scene.script());
}
