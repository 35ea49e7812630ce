//! Steps that wait for keys.

use countersign::flow::document::Goto;
use countersign::flow::document::*;
use countersign::flow::expr::{Expr, Field};
use countersign::flow::run::TraceEvent;

use crate::flow::draft::*;
use crate::flow::{Scene, World};
use crate::scene;

#[test]
fn every_outcome_of_ask_is_reached_by_its_own_keys() {
    type Case<'a> = (&'a str, &'a [(u64, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 7] = [
        ("typed and ended", &[(2_000, "1234#")], &["account_number", "filled"]),
        (
            "typed to its full length, with a stray hash",
            &[(2_000, "12345678#")],
            &["account_number", "filled"],
        ),
        ("typed and left", &[(2_000, "1234"), (5_000, "")], &["account_number", "filled"]),
        ("silence, silence, silence", &[(30_000, "")], &["account_number", "silent", "silent_2", "give_up"]),
        (
            "silence, then too short, then silence",
            &[(7_500, ""), (0, "12#"), (20_000, "")],
            &["account_number", "silent", "wrong", "give_up"],
        ),
        (
            "a star says it again",
            &[(2_000, "*"), (500, "*12*"), (2_000, "1234#")],
            &["account_number", "account_number", "account_number", "account_number", "filled"],
        ),
        ("a nought is a digit of the number", &[(2_000, "0000#")], &["account_number", "filled"]),
    ];
    for (name, keys, heard) in cases {
        let mut scene = scene(vec![StepKind::Ask(ask())]);
        for (ms, keys) in keys {
            scene.wait(*ms).press(keys);
        }
        assert_eq!(scene.settle().prompts(), *heard, "{name}\n{}", scene.script());
    }
}

#[test]
fn a_key_interrupts_the_prompt_and_counts() {
    let mut scene = scene(vec![StepKind::Ask(ask())]);
    scene.wait(200).press("1234#").settle();
    assert_eq!(scene.prompts(), ["account_number", "filled"]);
    assert!(scene.script().contains("0.2 flow   stops playing"), "{}", scene.script());
}

#[test]
fn a_prompt_that_nothing_interrupts_is_heard_to_its_end_and_keeps_the_keys() {
    let mut step = ask();
    step.input.interrupt = Interrupt::Never;
    let mut scene = scene(vec![StepKind::Ask(step)]);
    scene.wait(200).press("1234#").settle();
    assert_eq!(scene.outcomes(), ["filled"]);
    assert!(scene.script().contains("1.0 flow   ask: filled"), "{}", scene.script());
}

#[test]
fn keys_typed_ahead_skip_prompts_of_the_same_block_only() {
    let block = || vec![say("greeting"), StepKind::Ask(ask()), StepKind::Menu(menu())];
    let mut first = scene(block());
    first.wait(100).press("1234#1").settle();
    assert_eq!(first.prompts(), ["greeting", "filled", "chosen"], "{}", first.script());

    let goto = vec![say("greeting"), StepKind::Goto(Goto(SECOND))];
    let mut second = Scene::new(with(goto, vec![StepKind::Menu(menu())], vec![]), World::default());
    second.wait(100).press("1").wait(100).settle();
    assert_eq!(second.prompts(), ["greeting", "main_menu", "silent", "silent_2", "give_up"]);
}

#[test]
fn keys_that_no_question_waits_for_do_not_swallow_what_is_said() {
    let steps = vec![claim(), say("greeting"), say("news"), StepKind::Goto(Goto(SECOND))];
    let mut scene = Scene::new(with(steps, vec![say("end")], vec![]), World::default());
    scene.wait(10).press("5").settle();
    assert_eq!(scene.prompts(), ["greeting", "news", "end"]);
}

#[test]
fn keys_typed_ahead_never_reach_a_secret() {
    let mut step = ask();
    (step.class, step.into) = (Class::Secret, CODE);
    let mut scene = scene(vec![say_firmly("greeting"), StepKind::Ask(step)]);
    scene.wait(100).press("9999#").until("account_number").wait(1_500);
    assert!(scene.secure);
    scene.press("1234#");
    assert!(!scene.secure);
    assert_eq!(scene.settle().outcomes(), ["filled"]);
}

#[test]
fn an_answer_is_read_back_until_the_caller_agrees() {
    let step = || {
        let confirm = Readback::ReadBack(prompt_with(
            "heard",
            Expr::Field(Field::Answer),
            Format::Spell { last: None },
        ));
        StepKind::Ask(Ask { confirm, ..ask() })
    };
    let mut agreed = scene(vec![step()]);
    agreed.wait(1_500).press("1234#").wait(7_000).press("1").settle();
    assert_eq!(agreed.outcomes(), ["filled"]);
    assert!(
        agreed.script().contains("plays en-GB/heard en-GB/digits/1 en-GB/digits/2"),
        "{}",
        agreed.script()
    );

    let mut corrected = scene(vec![step()]);
    corrected.wait(1_500).press("1234#").wait(500).press("2").wait(1_500).press("5678#1").settle();
    assert_eq!(
        corrected.prompts(),
        ["account_number", "heard", "account_number", "heard", "filled"],
        "{}",
        corrected.script()
    );

    let mut silent = scene(vec![step()]);
    silent.wait(1_500).press("1234#").settle();
    assert_eq!(
        silent.prompts(),
        ["account_number", "heard", "heard", "heard", "give_up"],
        "silence is no yes"
    );
}

#[test]
fn a_wrong_check_digit_does_not_match() {
    let step = Ask { check: Some(Check::Luhn), digits: Digits { min: 11, max: 11, end: None }, ..ask() };
    let mut scene = scene(vec![StepKind::Ask(step)]);
    scene.wait(1_500).press("79927398710").wait(1_500).press("79927398713").settle();
    assert_eq!(scene.prompts(), ["account_number", "wrong", "filled"]);
}

#[test]
fn every_outcome_of_menu_and_confirm_is_reached() {
    let cases: [(&str, StepKind, &str, &[&str]); 9] = [
        ("first option", StepKind::Menu(menu()), "1", &["main_menu", "chosen"]),
        ("no such option, then one", StepKind::Menu(menu()), "72", &["main_menu", "wrong", "chosen"]),
        (
            "no such option three times",
            StepKind::Menu(menu()),
            "777",
            &["main_menu", "wrong", "wrong", "give_up"],
        ),
        ("silence", StepKind::Menu(menu()), "", &["main_menu", "silent", "silent_2", "give_up"]),
        ("star repeats", StepKind::Menu(menu()), "*1", &["main_menu", "main_menu", "chosen"]),
        ("nought goes to the agent", StepKind::Menu(menu()), "0", &["main_menu", "agent"]),
        ("yes", StepKind::Confirm(confirm()), "1", &["sure", "yes"]),
        ("no, the other key", StepKind::Confirm(confirm()), "3", &["sure", "no"]),
        ("neither", StepKind::Confirm(confirm()), "444", &["sure", "wrong", "wrong", "give_up"]),
    ];
    for (name, step, keys, heard) in cases {
        let mut scene = scene(vec![step]);
        for key in keys.chars() {
            scene.wait(1_500).press(&key.to_string());
        }
        assert_eq!(scene.settle().prompts(), heard, "{name}\n{}", scene.script());
    }
}

#[test]
fn what_is_chosen_into_a_personal_variable_is_told_to_nobody() {
    let told = |personal: bool, key: &str| {
        let mut scene = scene(vec![StepKind::Menu(Menu { personal, ..menu() })]);
        scene.wait(1_500).press(key).settle();
        let told =
            |event: &&TraceEvent| matches!(event, TraceEvent::Asks { .. } | TraceEvent::Outcome { .. });
        scene.traces.iter().filter(told).map(|event| format!("{event:?}\n")).collect::<String>()
    };
    let (first, second) = (told(true, "1"), told(true, "2"));
    assert_eq!(first, second);
    assert!(first.contains("a key") && !first.contains("balance"), "{first}");
    assert_ne!(told(false, "1"), told(false, "2"), "of another menu it is told");
}

#[test]
fn always_keys_are_off_where_the_step_says_so() {
    let mut step = menu();
    step.input.always = false;
    let mut scene = scene(vec![StepKind::Menu(step)]);
    scene.wait(1_500).press("0").wait(1_500).press("*").wait(1_500).press("1").settle();
    assert_eq!(scene.prompts(), ["main_menu", "wrong", "wrong", "chosen"]);
}

#[test]
fn an_option_of_a_menu_wins_over_an_always_key() {
    let mut step = menu();
    step.options[0].keys = vec![key('0')];
    let mut scene = scene(vec![StepKind::Menu(step)]);
    assert_eq!(scene.wait(1_500).press("0").settle().prompts(), ["main_menu", "chosen"]);
}

#[test]
fn an_option_can_have_a_condition_and_an_arm_of_its_own() {
    let mut step = menu();
    step.options[0].when = Some(is(TOPIC, "card"));
    step.options[1].arm = Some(arm("cards"));
    let mut scene = scene(vec![StepKind::Menu(step)]);
    scene.wait(1_500).press("1").wait(1_500).press("2").settle();
    assert_eq!(scene.prompts(), ["main_menu", "wrong", "cards"]);
}

#[test]
fn a_language_is_chosen_or_the_default_taken() {
    for (keys, played) in [("2", "es-ES/greeting"), ("1", "en-GB/greeting"), ("", "en-GB/greeting")] {
        let mut scene = scene(vec![StepKind::ChooseLanguage(choose_language()), say("greeting")]);
        scene.wait(500).press(keys).settle();
        assert!(scene.script().contains(&format!("plays {played}")), "{keys}\n{}", scene.script());
        assert!(scene.script().contains("plays en-GB/choose es-ES/choose"), "{}", scene.script());
    }
}
