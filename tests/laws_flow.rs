//! Laws 2, 3, 4 and 5 as far as they are a flow run's, over any order of inputs: keys, timers, answers of
//! every sort to questions old and new, agents, hang-ups.

mod flow;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use countersign::auth::FactorId;
use countersign::flow::document::Answer;
use countersign::flow::document::{
    Application, Arm, FlowId, IdentifyBy, Menu, OutcomeId, Return, Run, StepKind,
};
use countersign::flow::run::{CallFacts, FlowRun, Input};
use countersign::units::{CallId, Digit, Epoch, UnixTime};

use flow::draft::*;
use flow::first_instant;
use flow::watched::{Act, PIN, Sort, Watched, acts};

/// A flow with every step, in a circle that a caller can go round until the budget ends it.
fn circle() -> Arc<Application> {
    let mut back = menu();
    back.options[0].arm = Some(Arm::Goto(SECOND));
    back.options[1].arm = Some(Arm::Goto(MAIN));
    let identify_account = identify(true);
    let main = vec![
        StepKind::Answer(Answer),
        StepKind::ChooseLanguage(choose_language()),
        say("greeting"),
        StepKind::Ask(ask()),
        StepKind::Identify(countersign::flow::document::Identify {
            by: IdentifyBy::Account(ACCOUNT),
            ..identify_account
        }),
        StepKind::Lookup(lookup(Some("basic"))),
        StepKind::Authenticate(authenticate("basic")),
        require("basic", Some(arm("lacking"))),
        StepKind::Lookup(lookup(Some("basic"))),
        StepKind::Menu(back),
    ];
    let second = vec![
        StepKind::Verify(verify(FactorId::Pin)),
        StepKind::Authenticate(authenticate_by_choice("strong")),
        enrol(FactorId::Pin, "basic"),
        reset(FactorId::Pin, "strong"),
        StepKind::Authenticate(authenticate("strong")),
        StepKind::Lookup(lookup(Some("strong"))),
        StepKind::Confirm(confirm()),
        StepKind::Run(Run {
            flow: FlowId(1),
            with: vec![(TAKEN, number(5))],
            results: vec![],
            arms: vec![Arm::Continue, Arm::Continue],
        }),
        audit("reached_the_end"),
        StepKind::Queue(queue()),
        StepKind::Transfer(transfer()),
        StepKind::Menu(Menu { give_up: Arm::Goto(MAIN), chosen: Arm::Goto(MAIN), ..menu() }),
    ];
    let sub = vec![
        StepKind::Card(card()),
        StepKind::Pay(pay()),
        StepKind::Return(Return { outcome: OutcomeId(0), give: vec![] }),
    ];
    let mut app = with(main, second, sub);
    app.flows[1].secure = true;
    Arc::new(app)
}

fn balance_is_protected(_: &str, call: &str) -> bool {
    call == "balance"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Laws 2, 3 and 4, and what else must hold of any run (see [`Watched`]).
    #[test]
    fn law_3_a_level_rises_only_by_accept_in_any_order_of_inputs(acts in acts()) {
        let mut watched = Watched::new(&circle(), balance_is_protected);
        for act in &acts {
            watched.act(act);
        }
        watched.end();
    }

    #[test]
    fn law_5_no_key_is_in_any_trace(acts in acts()) {
        let mut watched = Watched::new(&circle(), balance_is_protected);
        for act in &acts {
            watched.act(act);
        }
        watched.end();
        let told = serde_json::to_string(&watched.traces).expect("traces are serialisable");
        prop_assert!(!told.contains(PIN), "{}", told);
        let debugged = format!("{:?}", watched.traces);
        prop_assert!(!debugged.contains(PIN));
    }
}

/// The runs above are worth something only if some of them get through.
#[test]
fn the_circle_can_be_walked_to_the_level_and_past_it() {
    let mut watched = Watched::new(&circle(), balance_is_protected);
    let key = |c: char| Act::Key(Digit::from_char(c).expect("a key").event());
    let good = Act::Reply { ask: 0, how: 0 };
    let mut acts =
        vec![Act::Answered, key('1'), Act::PlayEnds, key('1'), key('1'), key('1'), key('1'), key('#')];
    acts.extend([Act::PlayEnds, good.clone(), Act::PlayEnds, Act::PlayEnds]);
    acts.extend([good.clone(), Act::Pin, good.clone(), Act::PlayEnds, good]);
    for act in &acts {
        watched.act(act);
    }
    assert_eq!(watched.rank(), Some(0), "{:?}", watched.traces);
    watched.end();
}

#[test]
#[should_panic(expected = "law 2")]
#[cfg(debug_assertions)]
fn law_2_an_input_before_the_orders_are_drained_is_a_broken_law() {
    let now = first_instant();
    let facts = CallFacts::new(CallId(1), None, String::from("1"));
    let mut run = FlowRun::new(circle(), facts, now, Epoch { instant: now, unix: UnixTime(0) });
    run.handle(now, Input::Start);
    run.handle(now, Input::Answered);
}

/// Every answer to a verification that is not a clean `Accept`, and silence of the vault besides.
#[test]
fn law_4_every_error_timeout_or_full_queue_leaves_the_level_unchanged() {
    for how in (4..9).chain([10, 11]).map(Some).chain([None]) {
        let mut watched = Watched::new(
            &Arc::new(app(vec![claim(), StepKind::Authenticate(authenticate("basic"))])),
            balance_is_protected,
        );
        // `claim` needs no answered call; its answer names the subject.
        watched.act(&Act::Reply { ask: 0, how: 0 });
        watched.act(&Act::Answered);
        watched.act(&Act::Reply { ask: 0, how: 0 });
        watched.act(&Act::Pin);
        assert!(
            watched.pending.iter().any(|(_, sort)| *sort == Sort::Verify),
            "the response is being judged"
        );
        match how {
            Some(how) => watched.act(&Act::Reply { ask: 0, how }),
            None => watched.pass(Duration::from_secs(60)),
        }
        assert_eq!(watched.rank(), None, "{how:?}");
        watched.end();
    }
}
