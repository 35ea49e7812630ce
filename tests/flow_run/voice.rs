//! The caller's voice cuts a prompt short where the step says so, and nowhere else.

use countersign::flow::document::*;
use countersign::flow::run::{Input as Event, Spoken};

use crate::flow::draft::*;
use crate::flow::{Scene, World};
use crate::scene;

fn greeting(interrupt: Interrupt) -> StepKind {
    StepKind::Say(Say { prompts: vec![prompt("greeting")], interrupt, early: false })
}

fn asked(interrupt: Interrupt) -> StepKind {
    let mut step = menu();
    step.input.interrupt = interrupt;
    StepKind::Menu(step)
}

#[test]
fn a_voice_ends_what_is_said_and_the_flow_goes_on() {
    let mut scene = scene(vec![greeting(Interrupt::KeysAndSpeech), say("second")]);
    scene.wait(200);
    assert!(scene.attends, "somebody listens");
    scene.feed(Event::Voice);
    assert!(!scene.attends, "to the first, not to the second");
    assert!(scene.script().contains("stops playing"), "{}", scene.script());
    scene.settle();
    assert_eq!(scene.prompts(), ["greeting", "second"]);
}

#[test]
fn a_voice_ends_a_question_whose_time_then_runs_and_keys_answer_it() {
    let mut scene = scene(vec![asked(Interrupt::KeysAndSpeech)]);
    scene.wait(200).feed(Event::Voice);
    assert!(scene.script().contains("stops playing") && !scene.attends, "{}", scene.script());
    scene.wait(1_000).press("1").settle();
    assert_eq!(scene.prompts(), ["main_menu", "chosen"], "{}", scene.script());
}

#[test]
fn whoever_speaks_and_types_nothing_is_asked_again() {
    let mut scene = scene(vec![asked(Interrupt::KeysAndSpeech)]);
    scene.wait(200).feed(Event::Voice);
    scene.settle();
    assert_eq!(scene.prompts(), ["main_menu", "silent", "silent_2", "give_up"], "{}", scene.script());
}

#[test]
fn nobody_listens_where_a_voice_ends_nothing() {
    for interrupt in [Interrupt::Keys, Interrupt::Never] {
        for step in [greeting(interrupt), asked(interrupt)] {
            let mut scene = scene(vec![step]);
            scene.wait(200);
            assert!(!scene.attends);
            // Even one that comes all the same, since it crossed an order, changes nothing.
            scene.feed(Event::Voice);
            assert!(!scene.script().contains("stops playing"), "{}", scene.script());
        }
    }
}

#[test]
fn nobody_listens_to_silence_nor_to_whoever_gives_a_secret() {
    let mut asked = scene(vec![asked(Interrupt::KeysAndSpeech)]);
    asked.wait(1_500);
    assert!(!asked.attends, "the question is over");
    let mut step = authenticate("basic");
    step.input.interrupt = Interrupt::KeysAndSpeech;
    let mut proving = Scene::new(app(vec![claim(), StepKind::Authenticate(step)]), World::default());
    proving.until("pin").wait(100);
    assert!(!proving.attends, "{}", proving.script());
    proving.feed(Event::Voice);
    assert!(!proving.script().contains("stops playing"), "{}", proving.script());
}

#[test]
fn nobody_listens_after_the_caller_has_gone() {
    let mut scene = scene(vec![greeting(Interrupt::KeysAndSpeech), say("second")]);
    scene.wait(200).feed(Event::HungUp);
    scene.feed(Event::Voice);
    scene.settle();
    assert!(!scene.script().contains("second"), "{}", scene.script());
}

#[test]
fn words_after_the_voice_answer_or_do_not_fit() {
    for (said, prompts) in
        [("balance", ["main_menu", "chosen"]), ("turn the radio down", ["main_menu", "wrong"])]
    {
        let mut step = menu();
        step.input.interrupt = Interrupt::KeysAndSpeech;
        let phrases = vec![vec!["balance".into()], vec!["saldo".into()]];
        step.options[0].words = Some(Words { key: "words".into(), phrases });
        let mut scene = scene(vec![StepKind::Menu(step)]);
        scene.wait(200).feed(Event::Voice);
        scene.wait(600).feed(Event::Spoken(Spoken::new(said, 90)));
        scene.wait(100);
        assert_eq!(scene.prompts(), prompts, "{}", scene.script());
    }
}
