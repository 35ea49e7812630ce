//! What callers say in place of keys, and what they press where nothing is asked.

use std::sync::Arc;

use countersign::flow::document::*;
use countersign::flow::expr::{Expr, Field};
use countersign::flow::run::{Input as Event, Spoken};

use crate::flow::draft::*;
use crate::flow::{Scene, World};
use crate::scene;

fn says(scene: &mut Scene, words: &str, confidence: u8) {
    scene.feed(Event::Spoken(Spoken::new(words, confidence)));
}

fn words(english: &[&str]) -> Words {
    let phrases = |phrases: &[&str]| phrases.iter().map(|phrase| Arc::from(*phrase)).collect();
    Words { key: Arc::from("words"), phrases: vec![phrases(english), phrases(&["hola"])] }
}

fn spoken_menu() -> Menu {
    let mut step = menu();
    step.options[0].words = Some(words(&["balance", "how much"]));
    step.options[1].words = Some(words(&["card"]));
    step
}

fn read_back() -> Readback {
    Readback::ReadBack(prompt_with("heard", Expr::Field(Field::Answer), Format::Spell { last: None }))
}

#[test]
fn a_number_is_said_read_back_and_agreed_to() {
    let mut scene = scene(vec![StepKind::Ask(Ask { speech: true, confirm: read_back(), ..ask() })]);
    scene.wait(1_500);
    says(&mut scene, "four four one one", 90);
    assert!(scene.script().contains("plays en-GB/heard en-GB/digits/4 en-GB/digits/4"), "{}", scene.script());
    scene.wait(7_000);
    says(&mut scene, "no", 90);
    scene.wait(1_500);
    says(&mut scene, "one two three four", 90);
    scene.wait(7_000);
    says(&mut scene, "yes that's right", 90);
    scene.settle();
    assert_eq!(scene.prompts(), ["account_number", "heard", "account_number", "heard", "filled"]);
}

#[test]
fn what_does_not_fit_and_what_nobody_is_sure_of_are_no_match() {
    let mut scene = scene(vec![StepKind::Ask(Ask { speech: true, ..ask() })]);
    scene.wait(1_500);
    says(&mut scene, "I have lost my card", 95);
    scene.wait(1_500);
    says(&mut scene, "one two three four", 49);
    scene.wait(1_500);
    says(&mut scene, "one two three", 95);
    scene.settle();
    assert_eq!(scene.prompts(), ["account_number", "wrong", "wrong", "give_up"], "{}", scene.script());
}

#[test]
fn a_choice_is_said_or_pressed_in_the_same_step() {
    for said in [true, false] {
        let mut scene = scene(vec![StepKind::Menu(spoken_menu())]);
        scene.wait(1_500);
        match said {
            true => says(&mut scene, "How much is on it?", 80),
            false => drop(scene.press("1")),
        }
        scene.settle();
        assert_eq!(scene.prompts(), ["main_menu", "chosen"], "{}", scene.script());
    }
}

#[test]
fn words_cut_a_prompt_short_only_where_the_step_says_so_and_only_when_they_answer() {
    let with = |interrupt| {
        let mut step = spoken_menu();
        step.input.interrupt = interrupt;
        let mut scene = scene(vec![StepKind::Menu(step)]);
        scene.wait(200);
        says(&mut scene, "turn the radio down", 90);
        says(&mut scene, "balance", 20);
        assert!(!scene.script().contains("stops playing"), "{}", scene.script());
        says(&mut scene, "balance", 90);
        scene.settle();
        scene.prompts()
    };
    assert_eq!(with(Interrupt::KeysAndSpeech), ["main_menu", "chosen"]);
    assert_eq!(with(Interrupt::Keys), ["main_menu", "silent", "silent_2", "give_up"]);
}

#[test]
fn words_said_into_a_greeting_answer_the_question_after_it() {
    let greeting =
        Say { prompts: vec![prompt("greeting")], interrupt: Interrupt::KeysAndSpeech, early: false };
    let mut scene = scene(vec![StepKind::Say(greeting), StepKind::Menu(spoken_menu())]);
    scene.wait(200);
    says(&mut scene, "my card", 90);
    scene.settle();
    assert_eq!(scene.prompts(), ["greeting", "chosen"], "{}", scene.script());
}

#[test]
fn no_step_that_asks_for_a_secret_hears_words() {
    let mut secret = ask();
    (secret.class, secret.into, secret.speech) = (Class::Secret, CODE, true);
    let mut asked = scene(vec![StepKind::Ask(secret)]);
    asked.wait(1_500);
    says(&mut asked, "one two three four", 99);
    assert!(asked.outcomes().is_empty(), "{}", asked.script());
    let mut proving =
        Scene::new(app(vec![claim(), StepKind::Authenticate(authenticate("basic"))]), World::default());
    proving.until("pin").wait(1_500);
    says(&mut proving, "eight zero four two one five three seven", 99);
    assert!(!proving.script().contains("Verify"), "{}", proving.script());
}

#[test]
fn yes_and_no_are_said_or_pressed() {
    for (said, outcome) in [("yes", "yes"), ("nope", "no")] {
        let mut scene = scene(vec![StepKind::Confirm(confirm())]);
        scene.wait(1_500);
        says(&mut scene, said, 90);
        assert_eq!(scene.outcomes(), [outcome], "{said}");
    }
}

#[test]
fn a_language_is_chosen_by_its_own_word() {
    let mut step = choose_language();
    step.words = vec![(LanguageId(0), words(&["english"])), (LanguageId(1), words(&["spanish"]))];
    let mut scene = scene(vec![StepKind::ChooseLanguage(step), say("greeting")]);
    scene.wait(2_500);
    says(&mut scene, "¡Hola!", 90);
    assert_eq!(scene.run.language(), "es-ES");
}

/// `ask` for a day and for yes or no, into variables of these types.
fn asked(ty: countersign::flow::expr::Type, step: Ask, keys: &str) -> Vec<String> {
    let mut app = app(vec![StepKind::Ask(step)]);
    app.vars[0].ty = ty;
    let mut scene = Scene::new(app, World::default());
    scene.wait(1_500).press(keys).settle();
    scene.outcomes()
}

#[test]
fn a_day_is_typed_in_the_order_of_the_language_and_must_exist() {
    let day = |days| Ask { date: Some(days), digits: Digits { min: 8, max: 8, end: None }, ..ask() };
    let date = || countersign::flow::expr::Type::Date;
    assert_eq!(asked(date(), day(Days::Any), "03051980"), ["filled"]);
    assert_eq!(asked(date(), day(Days::Past), "03051980"), ["filled"]);
    assert_eq!(asked(date(), day(Days::Past), "03052190"), ["give_up"]);
    assert_eq!(asked(date(), day(Days::Future), "03051980"), ["give_up"]);
    assert_eq!(asked(date(), day(Days::Any), "31022026"), ["give_up"]);
}

#[test]
fn yes_or_no_goes_into_a_flag() {
    let step = || Ask { yes_no: true, digits: Digits { min: 1, max: 1, end: None }, ..ask() };
    let flag = || countersign::flow::expr::Type::Flag;
    assert_eq!(asked(flag(), step(), "1"), ["filled"]);
    assert_eq!(asked(flag(), step(), "2"), ["filled"]);
    assert_eq!(asked(flag(), step(), "5"), ["give_up"]);
}

#[test]
fn a_nought_pressed_while_something_is_said_reaches_the_agent() {
    let notice = || {
        let (prompt, version) = (prompt("notice"), String::from("1"));
        StepKind::Notice(Notice { prompt, version, interrupt: Interrupt::Keys, once_per: None })
    };
    for said in [say("greeting"), notice()] {
        let goto = StepKind::Goto(Goto(SECOND));
        let mut scene = Scene::new(with(vec![said, goto], vec![say("second")], vec![]), World::default());
        scene.wait(200).press("0").settle();
        assert_eq!(scene.prompts().last().map(String::as_str), Some("agent"), "{}", scene.script());
        assert!(!scene.prompts().contains(&String::from("second")));
    }
}

#[test]
fn a_nought_pressed_into_what_nothing_interrupts_reaches_the_agent_after_it() {
    let steps = vec![say_firmly("greeting"), StepKind::Goto(Goto(SECOND))];
    let mut scene = Scene::new(with(steps, vec![say("second")], vec![]), World::default());
    scene.wait(200).press("0").settle();
    assert_eq!(scene.prompts(), ["greeting", "agent"]);
    assert!(scene.script().contains("1.0 flow   plays en-GB/agent"), "{}", scene.script());
}

#[test]
fn a_nought_that_begins_the_number_asked_next_is_a_digit_of_it() {
    let mut scene = scene(vec![say("greeting"), StepKind::Ask(ask())]);
    scene.wait(200).press("0123#").settle();
    assert_eq!(scene.outcomes(), ["filled"], "{}", scene.script());
}

#[test]
fn a_star_pressed_while_something_is_said_says_it_again() {
    let mut scene = scene(vec![say("greeting"), StepKind::Goto(Goto(AGENT))]);
    scene.wait(400).press("*").wait(1_500);
    assert_eq!(scene.prompts(), ["greeting", "greeting", "agent"], "{}", scene.script());
}

#[test]
fn a_nought_pressed_while_a_service_is_asked_acts_on_what_is_said_next() {
    let world = World { slow: std::time::Duration::from_secs(2), ..World::default() };
    let mut scene =
        Scene::new(app(vec![StepKind::Answer(Answer), claim(), StepKind::Lookup(lookup(None))]), world);
    scene.wait(1_900).press("0").settle();
    assert_eq!(scene.prompts(), ["one_moment", "agent"], "{}", scene.script());
}
