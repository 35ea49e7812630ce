//! How risky a call is, and what follows from it.

use std::sync::Arc;

use countersign::auth::FactorId;
use countersign::flow::document::risk::{Risk, Signal};
use countersign::flow::document::*;
use countersign::flow::expr::{CompareOp, Expr, Field, Literal, Order};
use countersign::flow::run::TraceEvent;

use crate::flow::draft::*;
use crate::flow::{Scene, World};

fn compare(op: CompareOp, left: Expr, right: Literal) -> Expr {
    let (left, right) = (Box::new(left), Box::new(Expr::Literal(right)));
    Expr::Compare { op, by: Order::Value, left, right }
}

fn signal(name: &str, when: Expr, add: u32, blocks: &[FactorId]) -> Signal {
    Signal { name: Arc::from(name), when, add, blocks: blocks.to_vec() }
}

/// Hidden numbers, numbers that nobody vouches for, a telephone number that moved lately (`amount` in days), a
/// voice made by a machine.
fn policy() -> Risk {
    let letter = Literal::Text(Arc::from("A"));
    let moved = compare(CompareOp::Less, Expr::Var(AMOUNT), Literal::Number(7));
    let not_moved = Expr::Not(Box::new(compare(CompareOp::Greater, Expr::Var(AMOUNT), Literal::Number(7))));
    let synthetic = compare(CompareOp::NotEqual, Expr::Field(Field::VoiceSynthetic), Literal::Number(0));
    let signals = vec![
        signal("hidden_number", Expr::Field(Field::CallAnonymous), 20, &[]),
        signal(
            "attestation_low",
            compare(CompareOp::NotEqual, Expr::Field(Field::CallAttestation), letter),
            15,
            &[],
        ),
        signal("moved", moved, 40, &[FactorId::Totp]),
        signal("not_long_there", not_moved, 1, &[]),
        signal("synthetic", synthetic, 60, &[]),
    ];
    let bands = [("low", 0), ("high", 40), ("block", 90)].map(|(name, from)| (Arc::from(name), from));
    Risk { signals, bands: bands.to_vec() }
}

fn assess() -> StepKind {
    StepKind::RiskStep(RiskStep { signals: vec![] })
}

fn scene(steps: Vec<StepKind>, from: Option<&str>) -> Scene {
    let mut app = app(steps);
    app.risk = Some(policy());
    Scene::from(Arc::new(app), World::default(), from)
}

fn found(scene: &Scene) -> (u32, String, Vec<String>) {
    let told = scene.traces.iter().find_map(|event| match event {
        TraceEvent::Risk { score, band, reasons } => {
            Some((*score, band.to_string(), reasons.iter().map(ToString::to_string).collect()))
        }
        _ => None,
    });
    told.expect("the risk was assessed")
}

fn days(days: i64) -> StepKind {
    StepKind::Set(Set(vec![(AMOUNT, number(days))]))
}

#[test]
fn what_is_not_known_adds_nothing_and_nobody_vouching_is_known() {
    let mut unknown = scene(vec![assess()], Some("+441632960001"));
    unknown.settle();
    assert_eq!(found(&unknown), (15, "low".into(), vec!["attestation_low".into()]));
    let mut hidden = scene(vec![days(3), assess()], None);
    hidden.settle();
    let reasons = ["hidden_number", "attestation_low", "moved", "not_long_there"].map(String::from).to_vec();
    assert_eq!(found(&hidden), (76, "high".into(), reasons));
}

#[test]
fn the_band_decides_the_way() {
    let when = compare(CompareOp::Equal, Expr::Field(Field::RiskBand), Literal::Text(Arc::from("high")));
    let decide = || {
        let (cases, otherwise) = (vec![(when.clone(), arm("careful"))], arm("usual"));
        StepKind::Decide(Decide { cases, otherwise })
    };
    for (moved, heard) in [(3, "careful"), (300, "usual")] {
        let mut scene = scene(vec![days(moved), assess(), decide()], Some("+441632960001"));
        assert_eq!(scene.settle().prompts(), [heard]);
    }
    let mut before = scene(vec![decide()], Some("+441632960001"));
    assert_eq!(before.settle().prompts(), ["usual"], "nothing was assessed");
}

#[test]
fn a_factor_that_a_signal_blocks_is_not_offered() {
    let steps = |moved| {
        let step =
            Authenticate { choose: countersign::auth::Choose::StrongestFirst, ..authenticate("basic") };
        vec![claim(), days(moved), assess(), StepKind::Authenticate(step)]
    };
    let mut blocked = scene(steps(3), Some("+441632960001"));
    blocked.wait(2_000);
    assert_eq!(blocked.prompts(), ["pin"], "{}", blocked.script());
    let mut free = scene(steps(300), Some("+441632960001"));
    free.wait(2_000);
    assert_eq!(free.prompts(), ["code"]);
    let mut one = scene(vec![claim(), days(3), assess(), StepKind::Verify(verify(FactorId::Totp))], None);
    assert_eq!(one.settle().outcomes().last().map(String::as_str), Some("not_enrolled"));
}

#[test]
fn a_step_has_signals_of_its_own() {
    let own = signal("evening", Expr::Literal(Literal::Flag(true)), 80, &[]);
    let mut scene = scene(vec![StepKind::RiskStep(RiskStep { signals: vec![own] })], Some("+441632960001"));
    scene.settle();
    assert_eq!(found(&scene), (95, "block".into(), vec!["attestation_low".into(), "evening".into()]));
}
