//! Ways that the engine chooses: by chance, by the hour.

use std::sync::Arc;

use crate::flow::{Scene, World};
use crate::written::application;

const SPLIT: &str = "
blocks:
  start:
    - split: {first: 10, second: 60, third: 30}
  first: [{say: one}, {hangup: normal}]
  second: [{say: two}, {hangup: normal}]
  third: [{say: three}, {hangup: normal}]
";

#[test]
fn a_split_sends_so_many_of_a_hundred_each_way() {
    let app = Arc::new(application(SPLIT, &[]));
    let mut taken = [0_u32; 3];
    for seed in 0..2_000 {
        let mut scene = Scene::seeded(Arc::clone(&app), World::default(), seed);
        let prompts = scene.settle().prompts();
        let way = ["one", "two", "three"].iter().position(|way| prompts == [*way]).expect("one of the ways");
        taken[way] += 1;
    }
    for (taken, percent) in taken.iter().zip([10, 60, 30]) {
        let expected = percent * 20;
        // Four standard deviations of a binomial with 2,000 draws are below 90.
        assert!(taken.abs_diff(expected) < 90, "{taken} of 2000 for {percent} %");
    }
}

#[test]
fn the_same_call_takes_the_same_way_and_says_which() {
    let app = Arc::new(application(SPLIT, &[]));
    let play = |seed| {
        let mut scene = Scene::seeded(Arc::clone(&app), World::default(), seed);
        scene.settle();
        (scene.outcomes(), scene.prompts())
    };
    for seed in 0..20 {
        assert_eq!(play(seed), play(seed));
        let (outcomes, prompts) = play(seed);
        let said = [("first", "one"), ("second", "two"), ("third", "three")];
        let expected = said.iter().find(|(block, _)| outcomes == [*block]).map(|(_, prompt)| *prompt);
        assert_eq!(prompts.first().map(String::as_str), expected);
    }
}

#[test]
fn the_hour_is_the_calendars_at_the_moment_of_the_step() {
    // The call comes on Monday 2026-03-02 at 10:00 in London.
    let flow = "
blocks:
  start:
    - hours: desk
      outcome: {open: {say: one}, closed: {say: two}, holiday: {say: three}}
    - confirm: choose
      first: 30s
      outcome: {\"yes\": continue, \"no\": continue, give_up: continue}
    - hours: desk
      outcome: {open: {say: one}, closed: {say: two}, holiday: {say: three}}
    - hangup: normal
";
    let heard = |open: &str, holidays: &str| {
        let calendar = format!(
            "calendars:\n  desk: {{zone: Europe/London, open: {{mon: {open}}}, holidays: {holidays}}}\n"
        );
        let app = application(flow, &[("calendars.yaml", &calendar)]);
        let mut scene = Scene::new(app, World::default());
        let heard = scene.settle().prompts();
        heard.into_iter().filter(|prompt| prompt != "choose").collect::<Vec<_>>()
    };
    assert_eq!(heard("\"09:00-17:00\"", "[]"), ["one", "one"]);
    assert_eq!(heard("\"11:00-17:00\"", "[]"), ["two", "two"]);
    assert_eq!(heard("\"09:00-10:01\"", "[]"), ["one", "two"], "a silent caller, and it is one minute past");
    assert_eq!(heard("\"09:00-17:00\"", "[\"2026-03-02\"]"), ["three", "three"]);
    assert_eq!(heard("\"09:00-17:00\"", "[\"03-01\"]"), ["one", "one"], "yesterday was one");
}
