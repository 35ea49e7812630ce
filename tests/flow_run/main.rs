//! The interpreter, step by step and outcome by outcome, in virtual time.

#[path = "../flow/mod.rs"]
mod flow;

mod branching;
mod cards;
mod factors;
mod handing;
mod hearing;
mod input;
mod messages;
mod proving;
mod queueing;
mod recording;
mod remembering;
mod risk;
mod saying;
mod spoken;
mod updating;
mod voice;
mod ways;
mod written;

use countersign::flow::document::Answer;
use countersign::flow::document::StepKind;
use countersign::flow::run::HandOff;

use flow::draft::*;
use flow::{Scene, World};

fn scene(steps: Vec<StepKind>) -> Scene {
    Scene::new(app(steps), World::default())
}

#[test]
fn a_call_reads_like_a_play() {
    let steps = vec![
        StepKind::Answer(Answer),
        say("greeting"),
        claim(),
        StepKind::Authenticate(authenticate("basic")),
        StepKind::Lookup(lookup(Some("basic"))),
        StepKind::Queue(queue()),
    ];
    let mut scene = scene(steps);
    scene.until("pin").wait(400).press("80421537#").until("your_balance").wait(12_000);
    scene.hand_off(HandOff::Waiting { place: 1 }).wait(3_000);
    scene.hand_off(HandOff::Ringing).wait(1_000);
    scene.hand_off(HandOff::Connected { agent: String::from("ada") }).wait(60_000);
    scene.hand_off(HandOff::Finished).settle();
    assert_eq!(scene.script(), include_str!("whole_call.txt"), "got:\n{}", scene.script());
}
