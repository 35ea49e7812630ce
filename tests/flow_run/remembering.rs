//! What a caller is asked, told and known by beyond one step: consent, notices, the language of last time.

use std::sync::Arc;

use countersign::flow::document::Application;
use countersign::flow::run::{Input, Spoken, TraceEvent};

use crate::flow::{Memory, Scene, World};
use crate::written::application;

const CONSENT: &str = "
blocks:
  start:
    - consent: call_recording
      prompt: may_we
      keys: {\"1\": granted, \"2\": refused}
      version: \"2026-01\"
      otherwise: OTHERWISE
      no_input: [silent]
    - decide:
        - {when: consent.call_recording == granted, say: one}
        - {when: consent.call_recording == refused, say: two}
        - otherwise: {say: three}
    - hangup: normal
";

fn asked(otherwise: &str) -> Scene {
    Scene::new(application(&CONSENT.replace("OTHERWISE", otherwise), &[]), World::default())
}

#[test]
fn consent_is_what_the_caller_says_and_silence_is_none() {
    for (otherwise, keys, answer, by, said) in [
        ("refused", "1", "granted", "caller", "one"),
        ("refused", "2", "refused", "caller", "two"),
        ("unknown", "2", "refused", "caller", "two"),
        ("refused", "", "refused", "silence", "two"),
        ("unknown", "", "unknown", "silence", "three"),
        ("refused", "777", "refused", "silence", "two"),
    ] {
        let mut scene = asked(otherwise);
        scene.wait(1_500);
        for key in keys.chars() {
            scene.press(&key.to_string()).wait(1_500);
        }
        scene.settle();
        assert_eq!(scene.prompts().last().map(String::as_str), Some(said), "{}", scene.script());
        let told = scene.traces.iter().find_map(|event| match event {
            TraceEvent::Consent { purpose, answer, version, language } => {
                assert_eq!(language.as_str(), "en-GB");
                Some((purpose.to_string(), *answer, version.to_string()))
            }
            _ => None,
        });
        assert_eq!(told, Some((String::from("call_recording"), answer, String::from("2026-01"))));
        let audited = scene.asked.iter().find(|asked| asked.contains("consent")).expect("an audit record");
        for fact in ["call_recording", answer, by, "2026-01", "en-GB"] {
            assert!(audited.contains(fact), "{fact} is not in {audited}");
        }
    }
}

#[test]
fn consent_can_be_spoken() {
    let mut scene = asked("refused");
    scene.wait(1_500).feed(Input::Spoken(Spoken::new("yes please", 90)));
    assert!(scene.settle().prompts().contains(&String::from("one")), "{}", scene.script());
}

/// A call from a number, or from none, with what is remembered so far; gives what is remembered after it.
fn call(app: &Arc<Application>, from: Option<&str>, memory: &Memory, keys: &str) -> (Vec<String>, Memory) {
    let mut scene = Scene::remembering(Arc::clone(app), World::default(), from, memory.clone());
    scene.wait(2_500);
    for key in keys.chars() {
        scene.press(&key.to_string());
    }
    scene.settle();
    (scene.prompts(), scene.memory.clone())
}

fn noticed(once_per: &str, version: &str) -> Arc<Application> {
    let flow = format!(
        "blocks:
  start:
    - notice: why_we_ask
      version: \"{version}\"
      {once_per}
    - notice: why_we_ask
      version: \"{version}\"
      {once_per}
    - say: one
    - hangup: normal
"
    );
    Arc::new(application(&flow, &[]))
}

#[test]
fn a_notice_is_said_as_often_as_its_step_says() {
    let (ann, bob) = (Some("+441632960001"), Some("+441632960002"));
    let heard = |app: &Arc<Application>, from, memory: &mut Memory| {
        let (prompts, after) = call(app, from, memory, "");
        *memory = after;
        prompts.iter().filter(|prompt| *prompt == "why_we_ask").count()
    };
    let mut memory = Memory::new();
    let every = noticed("note: each time", "1");
    assert_eq!([heard(&every, ann, &mut memory), heard(&every, ann, &mut memory)], [2, 2]);
    let per_call = noticed("once_per: call", "1");
    assert_eq!([heard(&per_call, ann, &mut memory), heard(&per_call, ann, &mut memory)], [1, 1]);
    assert!(memory.is_empty());

    let caller = noticed("once_per: caller", "1");
    assert_eq!([heard(&caller, ann, &mut memory), heard(&caller, ann, &mut memory)], [1, 0]);
    assert_eq!(heard(&caller, bob, &mut memory), 1, "another number");
    assert_eq!(
        [heard(&caller, None, &mut memory), heard(&caller, None, &mut memory)],
        [1, 1],
        "nobody is known"
    );
    assert_eq!(heard(&noticed("once_per: caller", "2"), ann, &mut memory), 0, "whatever its version");

    let mut memory = Memory::new();
    let version = noticed("once_per: version", "1");
    assert_eq!([heard(&version, ann, &mut memory), heard(&version, ann, &mut memory)], [1, 0]);
    let newer = noticed("once_per: version", "2");
    assert_eq!(
        [heard(&newer, ann, &mut memory), heard(&newer, ann, &mut memory)],
        [1, 0],
        "the text has changed"
    );
}

#[test]
fn a_store_that_does_not_answer_costs_a_moment_and_no_call() {
    let app = noticed("once_per: version", "1");
    let mut scene = Scene::from(app, World { vault: false, ..World::default() }, Some("+441632960001"));
    scene.settle();
    assert_eq!(scene.prompts(), ["why_we_ask", "one"], "{}", scene.script());
    assert!(scene.elapsed() < 5_000);
}

const LANGUAGES: &str = "
blocks:
  start:
    - choose_language: choose
      keys: {\"1\": en-GB, \"2\": es-ES}
      remember: caller
    - say: one
    - goto: other
  other:
    - choose_language: choose
      keys: {\"1\": en-GB, \"2\": es-ES}
      remember: caller
    - say: two
    - hangup: normal
";

#[test]
fn a_language_is_chosen_once_per_caller_and_anew_when_they_ask_for_it() {
    let app = Arc::new(application(LANGUAGES, &[]));
    let ann = Some("+441632960001");
    // Each prompt is said in both languages at once.
    let (first, memory) = call(&app, ann, &Memory::new(), "2");
    assert_eq!(first.iter().filter(|prompt| *prompt == "choose").count() % 2, 0);
    assert_eq!(memory.values().collect::<Vec<_>>(), ["es-ES"]);
    assert_eq!(memory.keys().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["written/language"]);

    let mut scene = Scene::remembering(Arc::clone(&app), World::default(), ann, memory.clone());
    scene.wait(500);
    assert_eq!(scene.prompts(), ["one"], "not asked: {}", scene.script());
    assert_eq!(scene.run.language(), "es-ES");
    scene.until("choose").wait(2_500).press("1").settle();
    assert_eq!(scene.run.language(), "en-GB", "asked again, they chose anew");
    assert_eq!(scene.memory.values().collect::<Vec<_>>(), ["en-GB"]);

    let (_, hidden) = call(&app, None, &Memory::new(), "2");
    assert!(hidden.is_empty(), "of nobody nothing is remembered");
    let mut unknown = memory;
    unknown.values_mut().for_each(|value| *value = String::from("xx-XX"));
    let (asked, _) = call(&app, ann, &unknown, "1");
    assert_eq!(asked.first().map(String::as_str), Some("choose"), "a language that is not on offer any more");
}

#[test]
fn silence_chooses_no_language_for_the_next_call() {
    let app = Arc::new(application(LANGUAGES, &[]));
    let (_, memory) = call(&app, Some("+441632960001"), &Memory::new(), "");
    assert!(memory.is_empty());
}
