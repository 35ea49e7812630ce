//! To an agent, and to the end of the call.

use countersign::flow::document::Goto;
use countersign::flow::document::*;
use countersign::flow::run::{HandOff, HandOffRequest, TraceEvent};

use crate::flow::draft::*;
use crate::flow::{Scene, World};
use crate::scene;

fn handed(step: StepKind, progress: &[HandOff]) -> Scene {
    let mut scene = scene(vec![step]);
    for progress in progress {
        scene.wait(1_000).hand_off(progress.clone());
    }
    scene.settle();
    scene
}

#[test]
fn every_outcome_of_queue_and_transfer_is_reached() {
    let ada = || HandOff::Connected { agent: String::from("ada") };
    let queue = || StepKind::Queue(queue());
    let transfer = || StepKind::Transfer(transfer());
    let cases: Vec<(StepKind, Vec<HandOff>, &str)> = vec![
        (queue(), vec![HandOff::Waiting { place: 2 }, HandOff::Ringing, ada(), HandOff::Finished], "joined"),
        (queue(), vec![HandOff::Full], "full"),
        (queue(), vec![HandOff::TimedOut], "timeout"),
        (queue(), vec![HandOff::Waiting { place: 1 }], "timeout"),
        (queue(), vec![], "timeout"),
        (transfer(), vec![HandOff::Ringing, ada(), HandOff::Finished], "done"),
        (transfer(), vec![HandOff::Busy], "busy"),
        (transfer(), vec![HandOff::Ringing, HandOff::NoAnswer], "no_answer"),
        (transfer(), vec![HandOff::Refused], "refused"),
        (transfer(), vec![HandOff::Failed], "failed"),
        (transfer(), vec![HandOff::Ringing], "no_answer"),
    ];
    for (step, progress, outcome) in cases {
        let scene = handed(step, &progress);
        assert_eq!(scene.outcomes(), [outcome], "{progress:?}\n{}", scene.script());
        assert!(scene.finished);
    }
}

#[test]
fn a_wait_that_is_given_up_leaves_the_queue() {
    let scene = handed(StepKind::Queue(queue()), &[HandOff::Waiting { place: 3 }]);
    assert_eq!(scene.hand_off, Some(HandOffRequest::Leave));
    assert!(scene.script().contains("plays en-GB/place en-GB/numbers/3"), "{}", scene.script());
}

#[test]
fn music_without_a_recording_is_not_started_again_and_again() {
    let mut scene = scene(vec![StepKind::Queue(queue())]);
    scene.wait(100);
    for _ in 0..3 {
        // What a call reports at once for a recording that lacks.
        for id in 0..10 {
            scene.feed(countersign::flow::run::Input::PlayFinished(countersign::units::PlayId(id)));
        }
    }
    assert_eq!(scene.script().matches("plays music/hold").count(), 1, "{}", scene.script());
}

#[test]
fn the_talk_with_an_agent_is_not_counted_as_the_flows_time() {
    let mut scene = scene(vec![StepKind::Queue(queue()), StepKind::Menu(menu())]);
    scene.wait(100).hand_off(HandOff::Connected { agent: String::from("ada") });
    scene.wait(3 * 3_600_000).hand_off(HandOff::Finished).wait(2_500).press("1").settle();
    assert_eq!(scene.prompts(), ["joined", "main_menu", "chosen"], "{}", scene.script());
}

#[test]
fn a_verified_caller_comes_first_and_the_agent_is_told() {
    let steps = vec![claim(), StepKind::Authenticate(authenticate("basic")), StepKind::Queue(queue())];
    let mut scene = Scene::new(app(steps), World::default());
    scene.until("pin").press("80421537#").wait(3_000);
    let Some(HandOffRequest::Queue { priority, pass, whisper, .. }) = &scene.hand_off else {
        panic!("no queue:\n{}", scene.script());
    };
    assert_eq!(*priority, 3);
    assert_eq!(pass.values[0], (String::from("auth.level"), String::from("basic")));
    let whisper: Vec<&str> = whisper.iter().map(countersign::flow::ClipKey::as_str).collect();
    assert_eq!(whisper, ["en-GB/whisper", "en-GB/words/basic"]);
}

#[test]
fn a_flow_that_turns_in_circles_is_stopped() {
    let mut scene = scene(vec![StepKind::Goto(Goto(MAIN))]);
    assert_eq!(scene.settle().prompts(), ["oops"]);
    assert!(scene.script().contains("hangs up, Normal"));
}

#[test]
fn an_error_while_handling_an_error_ends_the_call() {
    let mut broken = app(vec![StepKind::Goto(Goto(MAIN))]);
    broken.when_error = Some(MAIN);
    let mut scene = Scene::new(broken, World::default());
    scene.settle();
    assert!(scene.script().contains("hangs up, Fault"), "{}", scene.script());
    assert!(scene.finished);
}

#[test]
fn an_hour_of_menus_is_enough() {
    let again = Menu { give_up: Arm::Goto(MAIN), ..menu() };
    let mut scene = scene(vec![StepKind::Menu(again)]);
    scene.settle();
    assert_eq!(scene.prompts().last().map(String::as_str), Some("oops"));
    assert!((3_600_000..3_700_000).contains(&scene.elapsed()), "{}", scene.elapsed());
}

#[test]
fn a_call_is_answered_before_anything_is_said() {
    let mut scene = scene(vec![say("greeting")]);
    scene.settle();
    assert!(scene.script().starts_with("  0.0 flow   answers\n"), "{}", scene.script());
}

#[test]
fn what_is_to_be_done_after_a_hang_up_is_done_wherever_it_comes() {
    let steps = || {
        vec![
            say("greeting"),
            StepKind::Ask(ask()),
            claim(),
            StepKind::Authenticate(authenticate("basic")),
            StepKind::Lookup(lookup(None)),
            StepKind::Queue(queue()),
        ]
    };
    for ms in (0..30_000).step_by(50) {
        let mut scene = scene(steps());
        scene.wait(1_200.min(ms)).press("1234#");
        scene.wait(6_000.min(ms)).press("80421537").wait(ms).hang_up();
        scene.settle();
        assert!(scene.finished && !scene.secure, "{ms}\n{}", scene.script());
        let tidied = scene.traces.iter().filter(|event| matches!(event, TraceEvent::Audit { .. })).count();
        assert_eq!(tidied, 1, "{ms}\n{}", scene.script());
        if matches!(scene.hand_off, Some(HandOffRequest::Queue { .. })) {
            panic!("still in the queue after {ms} ms\n{}", scene.script());
        }
    }
}

#[test]
fn a_step_that_needs_a_caller_ends_the_tidying_up() {
    let mut app = app(vec![say("greeting")]);
    app.when_hangup = Some(OOPS);
    let mut scene = Scene::new(app, World::default());
    scene.wait(100).hang_up().settle();
    assert!(scene.finished);
    assert_eq!(scene.prompts(), ["greeting"]);
}
