//! The recorder, music and messages: orders to the world that a flow gives on the way.

use std::sync::Arc;

use countersign::flow::document::Application;
use countersign::flow::run::{Abilities, TraceEvent};

use crate::flow::{Scene, World};
use crate::written::application;

fn able(app: Application) -> Scene {
    Scene::able(Arc::new(app), World::default(), Abilities { recorder: true, ..Abilities::default() })
}

/// What the recorder was told to do, and the states that were told.
fn recorded(scene: &Scene) -> (Vec<String>, Vec<String>) {
    let orders = scene.script().lines().filter_map(|line| Some(line.split_once("recording: ")?.1.to_owned()));
    let states = scene.traces.iter().filter_map(|event| match event {
        TraceEvent::Fact { fact: "recording", value } => Some(value.to_string()),
        _ => None,
    });
    (orders.collect(), states.collect())
}

fn flow(defaults: &str, steps: &str) -> Application {
    let text = format!(
        "{defaults}
blocks:
  start:
    - answer:
    - consent: call_recording
      prompt: may_we
      keys: {{\"1\": granted, \"2\": refused}}
{steps}
    - hangup: normal
"
    );
    application(&text, &[])
}

const ORDERS: &str = "    - recording: start
    - recording: pause
      mark: details
    - recording: pause
    - recording: resume
    - recording: stop
    - recording: resume";

#[test]
fn the_recorder_does_what_the_flow_says_when_the_caller_agreed() {
    let mut scene = able(flow("", ORDERS));
    scene.wait(1_500).press("1").settle();
    let (orders, states) = recorded(&scene);
    assert_eq!(orders, ["start", "pause", "resume", "stop"], "{}", scene.script());
    assert_eq!(states, ["running", "paused", "paused", "running", "stopped", "stopped"]);
}

#[test]
fn nothing_is_recorded_of_who_did_not_agree() {
    for keys in ["2", ""] {
        let mut scene = able(flow("", ORDERS));
        scene.wait(1_500).press(keys).settle();
        let (orders, states) = recorded(&scene);
        assert_eq!(orders, Vec::<String>::new(), "{}", scene.script());
        assert_eq!(states.first().map(String::as_str), Some("refused"));
    }
}

#[test]
fn recording_begins_with_consent_or_with_the_call_when_the_application_says_so() {
    let after = || flow("defaults: {recording: {mode: on_after_consent}}", "    - say: one");
    let mut scene = able(after());
    scene.wait(1_500).press("1").settle();
    assert_eq!(recorded(&scene).0, ["start"]);
    let mut scene = able(after());
    scene.wait(1_500).press("2").settle();
    assert_eq!(recorded(&scene).0, Vec::<String>::new());
    let mut scene = able(flow("defaults: {recording: {mode: always}}", "    - say: one"));
    scene.wait(500);
    assert_eq!(recorded(&scene).0, ["start"], "before anybody is asked");
}

const PROOF: &str = "    - identify: customer
      by: caller_id
      same_reply: true
      outcome: {one: continue, none: continue, many: continue, unavailable: continue}
    - authenticate: customer
      level: basic
      offer: [pin]
      prompts: {pin: greeting, failed: wrong}
      outcome: {reached: continue, insufficient: continue, not_enrolled: continue, locked: continue, unavailable: continue}
    - say: one";

#[test]
fn a_pin_is_never_recorded() {
    let steps = format!("    - recording: start\n{PROOF}");
    let mut scene = able(flow("", &steps));
    scene.wait(1_500).press("1").until("greeting").press("80421537#").settle();
    assert_eq!(recorded(&scene).0, ["start", "pause", "resume"], "{}", scene.script());
    let pause = scene.script().find("recording: pause").expect("paused");
    assert!(pause < scene.script().find("presses 8").expect("typed"));
}

#[test]
fn both_attempts_at_a_pin_are_one_pause() {
    let mut scene = able(flow("", &format!("    - recording: start\n{PROOF}")));
    scene
        .wait(1_500)
        .press("1")
        .until("greeting")
        .press("80421538#")
        .until("wrong")
        .press("80421537#")
        .settle();
    assert_eq!(recorded(&scene).0, ["start", "pause", "resume"], "{}", scene.script());
}

#[test]
fn recorders_outside_are_told_to_pause_whether_the_call_is_recorded_here_or_not() {
    for recorder in [false, true] {
        let abilities = Abilities { recorder, outside_recorders: true, ..Abilities::default() };
        let mut scene = Scene::able(Arc::new(flow("", PROOF)), World::default(), abilities);
        scene.wait(1_500).press("1").until("greeting").press("80421537#").settle();
        let told = |what: &str| scene.asked.iter().filter(|asked| asked.contains(what)).count();
        assert_eq!((told("RecordingPaused"), told("RecordingResumed")), (1, 1), "{:?}", scene.asked);
        let at = |what: &str| scene.asked.iter().position(|asked| asked.contains(what));
        assert!(at("RecordingPaused") < at("RecordingResumed"));
    }
    let mut scene = able(flow("", PROOF));
    scene.wait(1_500).press("1").until("greeting").press("80421537#").settle();
    assert!(!scene.asked.iter().any(|asked| asked.contains("RecordingPaused")), "nobody asked for it");
}

#[test]
fn a_recorder_that_fails_is_told_once_and_can_be_started_again() {
    let steps = "    - recording: start
    - say: one
    - recording: start";
    let mut scene = able(flow("", steps));
    scene.wait(1_500).press("1");
    scene.feed(countersign::flow::run::Input::RecordingFailed);
    scene.feed(countersign::flow::run::Input::RecordingFailed);
    scene.settle();
    assert_eq!(recorded(&scene).1, ["running", "failed", "running"], "{}", scene.script());
}

#[test]
fn a_call_without_a_recorder_says_so_in_its_record_and_goes_on() {
    let mut scene = Scene::new(flow("", ORDERS), World::default());
    scene.wait(1_500).press("1").settle();
    let (orders, states) = recorded(&scene);
    assert_eq!(orders, Vec::<String>::new());
    assert_eq!(states, ["unavailable"; 6]);
    assert!(scene.asked.iter().any(|asked| asked.contains("recording") && asked.contains("details")));
}

#[test]
fn music_is_held_for_its_time() {
    let flow = "
blocks:
  start:
    - hold:
      music: waltz
      for: 20s
    - say: one
    - hangup: normal
";
    let mut scene = Scene::new(application(flow, &[]), World::default());
    scene.wait(19_000).press("5");
    assert!(scene.script().contains("plays music/waltz for ever"), "{}", scene.script());
    assert_eq!(scene.prompts(), Vec::<String>::new());
    scene.wait(1_500);
    assert_eq!(scene.prompts(), ["one"]);
}

#[test]
fn a_message_goes_to_whom_the_caller_claims_to_be() {
    let flow = |identify: &str| {
        application(
            &format!(
                "
blocks:
  start:
{identify}
    - notify: customer
      by: sms
      template: bye
      outcome: {{sent: {{say: one}}, failed: {{say: two}}}}
    - hangup: normal
"
            ),
            &[],
        )
    };
    let claimed = "    - identify: customer
      by: caller_id
      same_reply: true
      outcome: {one: continue, none: continue, many: continue, unavailable: continue}";
    for (before, sends, said) in
        [(claimed, true, "one"), (claimed, false, "two"), ("    - answer:", true, "two")]
    {
        let mut scene = Scene::new(flow(before), World { sends, ..World::default() });
        scene.settle();
        assert_eq!(scene.prompts(), [said], "{}", scene.script());
    }
}
