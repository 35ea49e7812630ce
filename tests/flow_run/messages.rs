//! `take_message`: prompt, beep, what the caller says, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use countersign::flow::run::{Answer, Input, MessageReply};

use crate::flow::{Scene, World};
use crate::written::application;

const MESSAGE: &str = "
blocks:
  start:
    - take_message: leave_message
      max: 90s
      end: star
      mailbox: reception
      outcome: {saved: {say: saved}, empty: {say: empty}, failed: {say: failed}}
    - hangup: normal
";

fn left(message: Option<(Duration, MessageReply)>) -> Scene {
    let world = World { message, ..World::default() };
    Scene::from(Arc::new(application(MESSAGE, &[])), world, Some("+441632960001"))
}

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn every_outcome_of_take_message_is_reached() {
    for (reply, said) in
        [(MessageReply::Saved, "saved"), (MessageReply::Empty, "empty"), (MessageReply::Failed, "failed")]
    {
        let mut scene = left(Some((SECONDS(8), reply)));
        scene.settle();
        assert_eq!(scene.prompts(), ["leave_message", said], "{}", scene.script());
        let script = scene.script();
        let beep = script.find("tones/beep").expect("a beep");
        assert!(beep < script.find("listens for reception, 90 s at most").expect("listened"), "{script}");
        let audited = scene.asked.iter().find(|asked| asked.contains("message")).expect("audited");
        assert!(audited.contains("reception") && audited.contains(said), "{audited}");
    }
}

#[test]
fn its_key_ends_a_message_and_other_keys_do_not() {
    let mut scene = left(None);
    scene.until("leave_message").wait(4_000).press("1#0");
    assert!(!scene.script().contains("stops listening"), "{}", scene.script());
    scene.press("**").wait(1_000);
    assert_eq!(scene.script().matches("stops listening").count(), 1, "{}", scene.script());
    let ask = scene.listening.expect("somebody listens");
    scene.feed(Input::Answer(ask, Answer::Message(MessageReply::Saved)));
    assert_eq!(scene.settle().prompts(), ["leave_message", "saved"]);
}

#[test]
fn a_disk_that_never_answers_fails_the_message_and_not_the_call() {
    let mut scene = left(None);
    scene.settle();
    assert_eq!(scene.prompts(), ["leave_message", "failed"], "{}", scene.script());
    assert!(scene.elapsed() < 150_000, "{}", scene.elapsed());
}

#[test]
fn who_hangs_up_is_not_listened_to_any_more() {
    let mut scene = left(None);
    scene.until("leave_message").wait(4_000).hang_up().settle();
    assert_eq!(scene.script().matches("stops listening").count(), 1, "{}", scene.script());
    assert!(scene.finished);
    // Before the beep there is nothing to stop.
    let mut early = left(None);
    early.until("leave_message").wait(100).hang_up().settle();
    assert!(!early.script().contains("listen"), "{}", early.script());
}
