//! What a `queue` asks for beyond its line: skills, whispers by level, call backs, what a desk may do.

use std::sync::Arc;

use countersign::flow::run::{HandOff, HandOffRequest, TraceEvent};

use crate::flow::{Memory, Scene, World};
use crate::written::application;

fn flow(before: &str, fields: &str, outcomes: &str) -> String {
    format!(
        "
blocks:
  start:
{before}
    - queue: general
{fields}
      max_wait: 5m
      outcome: {{joined: {{say: joined}}, timeout: {{say: timeout}}, full: {{say: full}}{outcomes}}}
    - hangup: normal
"
    )
}

fn asked(scene: &Scene) -> (Option<String>, Vec<String>, Vec<(String, String)>) {
    let Some(HandOffRequest::Queue { skill, whisper, pass, .. }) = &scene.hand_off else {
        panic!("not in a queue: {}", scene.script());
    };
    let whisper = whisper.iter().map(|clip| clip.as_str().to_owned()).collect();
    (skill.clone(), whisper, pass.values.clone())
}

#[test]
fn a_skill_may_be_the_calls_language() {
    for (skill, wanted) in [("cards", "cards"), ("\"lang:${language}\"", "lang:en-GB")] {
        let flow = flow("    - answer:", &format!("      skill: {skill}"), "");
        let mut scene = Scene::new(application(&flow, &[]), World::default());
        scene.wait(1_000);
        assert_eq!(asked(&scene).0.as_deref(), Some(wanted));
    }
}

#[test]
fn an_agent_hears_the_whisper_of_the_level_and_what_their_desk_may_do() {
    let fields = "      whisper: {none: whisper, strong: whisper_strong}
      pass: [auth.level]
      agent_may: [reverify, send_to_secure_step]";
    let mut scene = Scene::new(application(&flow("    - answer:", fields, ""), &[]), World::default());
    scene.wait(1_000);
    let (_, whisper, pass) = asked(&scene);
    assert_eq!(whisper, ["en-GB/whisper"]);
    assert_eq!(pass.last(), Some(&(String::from("may"), String::from("reverify, send_to_secure_step"))));

    let proved = "    - identify: customer
      by: caller_id
      same_reply: true
      outcome: {one: continue, none: continue, many: continue, unavailable: continue}
    - authenticate: customer
      level: strong
      offer: [pin, totp]
      prompts: {pin: one, totp: two, failed: wrong}
      outcome: {reached: continue, insufficient: continue, not_enrolled: continue, locked: continue, unavailable: continue}";
    let mut scene = Scene::new(application(&flow(proved, fields, ""), &[]), World::default());
    scene.until("one").press("80421537#").until("two").press("287082#").wait(2_000);
    assert_eq!(asked(&scene).1, ["en-GB/whisper_strong"]);
}

fn waiting(from: Option<&str>) -> Scene {
    let flow = flow(
        "    - answer:",
        "      offer_callback_after: 3m
      callback_offer: offer",
        ", callback: {say: bye}",
    );
    Scene::remembering(Arc::new(application(&flow, &[])), World::default(), from, Memory::new())
}

#[test]
fn a_caller_who_waits_too_long_may_be_called_back() {
    let mut scene = waiting(Some("+441632960001"));
    scene.wait(60_000).press("1").wait(110_000);
    assert_eq!(scene.prompts(), Vec::<String>::new(), "not offered yet, and the key is nobody's");
    scene.wait(12_000);
    assert_eq!(scene.prompts(), ["offer"]);
    assert!(scene.script().trim_end().ends_with("plays music/hold for ever"), "{}", scene.script());
    scene.press("21").settle();
    assert_eq!(scene.prompts(), ["offer", "bye"], "{}", scene.script());
    assert!(scene.script().contains("Leave"), "out of the line");
    let kept =
        |event: &TraceEvent| matches!(event, TraceEvent::Callback { queue } if queue.as_str() == "general");
    assert!(scene.traces.iter().any(kept));
    assert!(scene.asked.iter().any(|asked| asked.contains("callback")), "audited");
}

#[test]
fn who_does_not_take_the_offer_waits_on_and_it_is_made_once() {
    let mut scene = waiting(Some("+441632960001"));
    scene.wait(200_000).hand_off(HandOff::Waiting { place: 1 }).settle();
    assert_eq!(scene.prompts(), ["offer", "timeout"], "{}", scene.script());
    let mut connected = waiting(Some("+441632960001"));
    connected.wait(200_000).hand_off(HandOff::Connected { agent: String::from("ada") }).press("1");
    assert_eq!(connected.outcomes(), Vec::<String>::new(), "with an agent keys are the agent's");
    connected.hand_off(HandOff::Finished).settle();
    assert_eq!(connected.outcomes(), ["joined"]);
}

#[test]
fn who_hides_their_number_is_offered_nothing() {
    let mut scene = waiting(None);
    scene.settle();
    assert_eq!(scene.prompts(), ["timeout"]);
}

#[test]
fn a_target_of_the_settings_is_called_by_its_name() {
    let flow = "
targets: {desk: from_settings}
blocks:
  start:
    - transfer: desk
      outcome: {done: continue, busy: continue, no_answer: continue, refused: continue, failed: continue}
    - hangup: normal
";
    let app = application(flow, &[]);
    assert_eq!(app.transfer_targets().into_iter().collect::<Vec<_>>(), ["desk"], "for the settings to have");
    let mut scene = Scene::new(app, World::default());
    scene.wait(1_000);
    assert!(matches!(&scene.hand_off, Some(HandOffRequest::Transfer { target, .. }) if target == "desk"));
}
