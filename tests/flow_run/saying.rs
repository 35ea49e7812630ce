//! Saying, deciding, sub-flows.

use countersign::flow::document::Set;
use countersign::flow::document::*;
use countersign::flow::expr::Expr;
use countersign::flow::run::TraceEvent;

use crate::flow::draft::*;
use crate::flow::{Scene, World};
use crate::scene;

#[test]
fn a_recording_is_played_as_often_as_told_and_a_notice_is_on_record() {
    let clip = countersign::flow::ClipKey::new("tones/beep");
    let play = Play {
        early: false,
        clip,
        times: 3,
        interrupt: Interrupt::Never,
        finished: arm("finished"),
        failed: arm("failed"),
    };
    let notice = Notice {
        prompt: prompt("why_we_ask"),
        version: String::from("2026-01"),
        interrupt: Interrupt::Keys,
        once_per: None,
    };
    let mut scene = scene(vec![StepKind::Play(play), StepKind::Notice(notice)]);
    scene.settle();
    assert!(scene.script().contains("plays tones/beep tones/beep tones/beep"));
    assert_eq!(scene.outcomes(), ["finished"]);
    let noted = |event: &TraceEvent| matches!(event, TraceEvent::Notice { version, .. } if version.as_str() == "2026-01");
    assert!(scene.traces.iter().any(noted));
}

#[test]
fn a_decision_takes_the_first_case_that_holds() {
    for (topic, said) in [("card", "first"), ("balance", "second"), ("other", "third")] {
        let decide = Decide {
            cases: vec![(is(TOPIC, "card"), arm("first")), (is(TOPIC, "balance"), arm("second"))],
            otherwise: arm("third"),
        };
        let text = Expr::Literal(countersign::flow::expr::Literal::Text(topic.into()));
        let mut scene = scene(vec![StepKind::Set(Set(vec![(TOPIC, text)])), StepKind::Decide(decide)]);
        assert_eq!(scene.settle().prompts(), [said]);
    }
}

#[test]
fn a_sub_flow_takes_values_and_gives_them_back() {
    let give =
        |outcome, value| StepKind::Return(Return { outcome: OutcomeId(outcome), give: vec![(GIVEN, value)] });
    let call = |value| {
        StepKind::Run(Run {
            flow: FlowId(1),
            with: vec![(TAKEN, number(value))],
            results: vec![(GIVEN, AMOUNT)],
            arms: vec![arm("good"), arm("bad")],
        })
    };
    let sub = || {
        let small = Expr::Compare {
            op: countersign::flow::expr::CompareOp::Less,
            by: countersign::flow::expr::Order::Value,
            left: Box::new(Expr::Var(TAKEN)),
            right: Box::new(number(10)),
        };
        let arm = Arm::Return(Return { outcome: OutcomeId(1), give: vec![(GIVEN, number(1))] });
        let decide = Decide { cases: vec![(small, arm)], otherwise: Arm::Continue };
        vec![StepKind::Decide(decide), give(0, Expr::Var(TAKEN))]
    };
    let told = StepKind::Say(Say {
        prompts: vec![prompt_with("amount", Expr::Var(AMOUNT), Format::Number)],
        interrupt: Interrupt::Keys,
        early: false,
    });
    let mut scene = Scene::new(with(vec![call(42), call(5), told], vec![], sub()), World::default());
    scene.settle();
    assert_eq!(scene.prompts(), ["good", "bad", "amount"]);
    assert!(scene.script().contains("plays en-GB/amount en-GB/numbers/1\n"), "{}", scene.script());
}

#[test]
fn a_jump_out_of_a_sub_flow_leaves_it() {
    let run =
        Run { flow: FlowId(1), with: vec![], results: vec![], arms: vec![Arm::Continue, Arm::Continue] };
    let app = with(vec![StepKind::Run(run), say("never")], vec![], vec![StepKind::Menu(menu())]);
    let mut scene = Scene::new(app, World::default());
    scene.wait(1_500).press("0").settle();
    assert_eq!(scene.prompts(), ["main_menu", "agent"]);
}
