//! How risky a call is, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use countersign::auth::velocity::Seen;
use countersign::auth::{Duress, FactorId};
use countersign::flow::document::risk::{Band, Risk, RiskService, Signal};
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
    let bands = [("low", 0), ("high", 40), ("block", 90)].map(|(name, from)| Band::new(name, from));
    Risk { signals, bands: bands.to_vec(), service: None, observe: false }
}

fn assess() -> StepKind {
    StepKind::RiskStep(RiskStep::new(vec![], vec![]))
}

fn scene(steps: Vec<StepKind>, from: Option<&str>) -> Scene {
    let mut app = app(steps);
    app.risk = Some(policy());
    Scene::from(Arc::new(app), World::default(), from)
}

fn found(scene: &Scene) -> (u32, String, Vec<String>) {
    let told = scene.traces.iter().find_map(|event| match event {
        TraceEvent::Risk { score, band, reasons, .. } => {
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
    let mut scene = scene(vec![StepKind::RiskStep(RiskStep::new(vec![own], vec![]))], Some("+441632960001"));
    scene.settle();
    assert_eq!(found(&scene), (95, "block".into(), vec!["attestation_low".into(), "evening".into()]));
}

/// The steps in an application whose policy says this of risk.
fn scene_of(steps: Vec<StepKind>, risk: Risk, world: World) -> Scene {
    let mut app = app(steps);
    app.risk = Some(risk);
    Scene::from(Arc::new(app), world, Some("+441632960001"))
}

fn actions(scene: &Scene) -> (Vec<String>, bool) {
    let told = scene.traces.iter().find_map(|event| match event {
        TraceEvent::Risk { actions, observed, .. } => {
            Some((actions.iter().map(ToString::to_string).collect(), *observed))
        }
        _ => None,
    });
    told.expect("the risk was assessed")
}

fn raising() -> Risk {
    let mut risk = policy();
    risk.bands[1].needs = vec![("basic".into(), "strong".into())];
    risk.bands[1].blocks = vec![FactorId::Number];
    risk
}

#[test]
fn a_band_asks_for_more_and_one_that_is_only_observed_does_not() {
    let steps = || vec![claim(), days(3), assess(), StepKind::Authenticate(authenticate("basic"))];
    for observe in [false, true] {
        let risk = Risk { observe, ..raising() };
        let mut scene = scene_of(steps(), risk, World::default());
        scene.wait(2_000);
        let first = if observe { "code" } else { "pin" };
        assert!(!scene.prompts().is_empty(), "{first}");
        let (told, observed) = actions(&scene);
        assert_eq!(observed, observe);
        assert_eq!(told, ["basic needs strong", "no totp", "no number"]);
        assert_eq!(found(&scene).1, "high", "the record says what would be done");
        let outcome = scene.outcomes().last().cloned();
        // Both factors are needed and one is blocked: nothing that is on offer reaches the level.
        assert_eq!(outcome.as_deref() == Some("not_enrolled"), !observe, "{outcome:?}");
    }
}

#[test]
fn a_band_leads_to_a_block() {
    for (observe, heard) in [(false, "agent"), (true, "usual")] {
        let step = RiskStep::new(vec![], vec![(Arc::from("high"), AGENT)]);
        let steps = vec![days(3), StepKind::RiskStep(step), say("usual")];
        let mut scene = scene_of(steps, Risk { observe, ..policy() }, World::default());
        assert_eq!(scene.settle().prompts().first().map(String::as_str), Some(heard));
        assert_eq!(actions(&scene).0, ["no totp", "to agent"]);
    }
}

#[test]
fn duress_sounds_like_any_proof_and_the_flow_is_told() {
    let balance = || {
        let when = Expr::Field(Field::RiskDuress);
        let decide = Decide { cases: vec![(when, arm("made_up"))], otherwise: arm("real") };
        vec![claim(), StepKind::Authenticate(authenticate("basic")), StepKind::Decide(decide)]
    };
    let heard = |forced, gives, steps| {
        let mut app = app(steps);
        let policy = countersign::auth::Policy { duress: gives, ..(*app.policy).clone() };
        app.policy = Arc::new(policy);
        let mut scene =
            Scene::from(Arc::new(app), World { forced, ..World::default() }, Some("+441632960001"));
        scene.wait(2_000);
        scene.press("80421537#");
        scene.wait(3_000);
        scene
    };
    let (free, not) = (heard(false, None, balance()), heard(true, Some(Duress::Same), balance()));
    assert_eq!(free.outcomes()[..2], not.outcomes()[..2], "what the caller hears until the flow decides");
    assert_eq!(free.prompts().last().map(String::as_str), Some("real"));
    assert_eq!(not.prompts().last().map(String::as_str), Some("made_up"));
    let protected = |gives| {
        let steps = vec![
            claim(),
            StepKind::Authenticate(authenticate("basic")),
            StepKind::Lookup(lookup(Some("basic"))),
        ];
        let scene = heard(true, Some(gives), steps);
        scene.outcomes().last().cloned()
    };
    assert_eq!(protected(Duress::Same).as_deref(), Some("ok"));
    assert_eq!(protected(Duress::Nothing).as_deref(), Some("unavailable"), "nothing protected is done");
}

#[test]
fn a_service_adds_points_and_its_silence_adds_those_that_the_policy_says() {
    let service = RiskService {
        service: "fraud".into(),
        call: "score".into(),
        give: vec![],
        field: "balance".into(),
        timeout: Duration::from_secs(2),
        default: 45,
    };
    let cases: [(Reply, u64, u32, &str); 4] = [
        (|| found_reply("70"), 100, 85, "service"),
        (|| found_reply("much"), 100, 60, "service_silent"),
        (|| countersign::flow::run::LookupReply::Unavailable, 100, 60, "service_silent"),
        (|| found_reply("70"), 9_000, 60, "service_silent"),
    ];
    for (reply, slow, score, reason) in cases {
        let risk = Risk { service: Some(service.clone()), ..policy() };
        let world = World { reply, slow: Duration::from_millis(slow), ..World::default() };
        let mut scene = scene_of(vec![assess()], risk, world);
        scene.wait(5_000);
        assert_eq!(found(&scene), (score, "high".into(), vec!["attestation_low".into(), reason.into()]));
    }
}

type Reply = fn() -> countersign::flow::run::LookupReply;

fn found_reply(points: &str) -> countersign::flow::run::LookupReply {
    countersign::flow::run::LookupReply::Found(vec![("balance".into(), points.into())])
}

#[test]
fn a_number_that_asks_for_many_accounts_raises_the_risk() {
    let many = compare(CompareOp::Greater, Expr::Field(Field::AccountsPerCaller), Literal::Number(3));
    let risk = || Risk { signals: vec![signal("many_accounts", many.clone(), 50, &[])], ..policy() };
    for (accounts, score) in [(2, 0), (4, 50)] {
        let world = World { velocity: Seen { calls: 1, accounts }, ..World::default() };
        let mut scene = scene_of(vec![assess()], risk(), world);
        scene.wait(1_000);
        assert_eq!(found(&scene).0, score);
    }
    let mut down = scene_of(vec![assess()], risk(), World { vault: false, ..World::default() });
    down.wait(3_000);
    assert_eq!(found(&down).0, 0, "what nobody counts adds nothing, and the call goes on");
}
