//! `update`: what is changed outside, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use countersign::flow::run::{LookupReply, TraceEvent};

use crate::flow::{Scene, World};
use crate::written::application;

const SERVICES: &str = "
services:
  bank:
    kind: http
    base: https://bank.example
    calls:
      move: {post: /moves, body: [customer, amount], level: basic, not_found: true, declined: true, reply: {receipt: public}}
      tell: {post: /calls, body: [amount]}
";

fn flow(step: &str) -> String {
    format!(
        "vars: {{amount: {{type: number}}, other: {{type: text, class: personal}}}}
blocks:
  start:
    - set: {{amount: 5}}
    - identify: customer
      by: caller_id
      same_reply: true
      outcome: {{one: continue, none: continue, many: continue, unavailable: continue}}
    - authenticate: customer
      level: basic
      offer: [pin]
      prompts: {{pin: greeting, failed: wrong}}
      outcome: {{reached: continue, insufficient: {{goto: end}}, not_enrolled: {{goto: end}}, locked: {{goto: end}}, unavailable: {{goto: end}}}}
{step}
    - goto: end
  end: [{{hangup: normal}}]
"
    )
}

fn moved(reply: fn() -> LookupReply, slow: u64) -> Scene {
    moved_for("customer.id", reply, slow)
}

fn moved_for(whom: &str, reply: fn() -> LookupReply, slow: u64) -> Scene {
    let step = "    - set: {other: \"'C9'\"}
    - update: bank.move
      give: {customer: WHOM, amount: amount}
      while_waiting: one_moment
      outcome: {ok: {say: one}, not_found: {say: two}, declined: {say: three}, unavailable: {say: four}}";
    let app = application(&flow(&step.replace("WHOM", whom)), &[("services.yaml", SERVICES)]);
    let world = World { reply, slow: Duration::from_millis(slow), ..World::default() };
    let mut scene = Scene::from(Arc::new(app), world, Some("+441632960001"));
    scene.until("greeting").press("80421537#").settle();
    scene
}

#[test]
fn every_outcome_of_update_is_reached() {
    let receipt = || LookupReply::Found(vec![(String::from("receipt"), String::from("R-1"))]);
    type Case = (fn() -> LookupReply, u64, &'static str);
    let cases: [Case; 7] = [
        (receipt, 100, "one"),
        (|| LookupReply::NotFound, 100, "two"),
        (|| LookupReply::Declined, 100, "three"),
        (|| LookupReply::Unavailable, 100, "four"),
        (|| LookupReply::Many, 100, "four"),
        // A reply without what the service declares is of no use.
        (|| LookupReply::Found(vec![]), 100, "four"),
        (receipt, 60_000, "four"),
    ];
    for (reply, slow, said) in cases {
        let scene = moved(reply, slow);
        assert_eq!(scene.prompts().last().map(String::as_str), Some(said), "{}", scene.script());
        assert_eq!(scene.granted, [Some(String::from("basic"))], "with a grant of the level");
    }
}

#[test]
fn nobody_is_asked_about_somebody_else_and_the_trace_says_so() {
    let scene = moved_for("other", || LookupReply::NotFound, 10);
    assert_eq!(scene.prompts().last().map(String::as_str), Some("four"), "{}", scene.script());
    assert!(scene.asked.iter().all(|asked| !asked.starts_with("bank.move")), "{:?}", scene.asked);
    let refused = |event: &TraceEvent| {
        matches!(event, TraceEvent::Service { result: "refused: not the proven customer", .. })
    };
    assert_eq!(scene.traces.iter().filter(|event| refused(event)).count(), 1);
}

#[test]
fn a_slow_update_has_something_to_hear_and_says_so_once() {
    let scene = moved(|| LookupReply::NotFound, 1_200);
    assert_eq!(scene.prompts(), ["greeting", "one_moment", "two"], "{}", scene.script());
}

#[test]
fn an_update_after_the_hang_up_is_made_and_kept_if_need_be() {
    let flow = "vars: {amount: {type: number}}
when_hangup: {run: tidy}
blocks:
  start: [{say: greeting}, {hangup: normal}]
  tidy:
    - set: {amount: 1}
    - update: bank.tell
      give: {amount: amount}
      spool: true
      outcome: {ok: continue, unavailable: continue}
    - return: done
";
    let app = application(flow, &[("services.yaml", SERVICES)]);
    let mut scene = Scene::new(app, World { reply: || LookupReply::Unavailable, ..World::default() });
    scene.wait(100).hang_up().settle();
    assert_eq!(scene.asked, ["bank.tell with 1 argument(s), kept if need be"]);
    assert_eq!(scene.outcomes(), ["unavailable"]);
    assert!(scene.finished && scene.granted == [None]);
}

#[test]
fn a_level_that_has_gone_makes_no_protected_update() {
    // The check refuses such a flow; the machine does not rely on the check.
    let scene = moved(|| LookupReply::NotFound, 10);
    assert!(!scene.traces.iter().any(|event| matches!(event, TraceEvent::Protected { .. })));
    let enquiry = countersign::flow::document::Enquiry {
        level: Some(countersign::auth::LevelName::from("basic")),
        while_waiting: None,
        ..crate::flow::draft::enquiry("crm", "balance")
    };
    let update = countersign::flow::document::Update {
        enquiry,
        ok: crate::flow::draft::arm("ok"),
        not_found: None,
        declined: None,
        unavailable: crate::flow::draft::arm("unavailable"),
    };
    let mut scene = crate::scene(vec![countersign::flow::document::StepKind::Update(update)]);
    assert_eq!(scene.settle().prompts(), ["unavailable"]);
    assert!(scene.asked.iter().all(|asked| !asked.starts_with("crm.")), "{:?}", scene.asked);
    assert!(scene.traces.iter().any(|event| matches!(event, TraceEvent::Protected { .. })));
}
