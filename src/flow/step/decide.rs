//! `decide`: the first condition that holds.

use super::{Reader, Spec};
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Decide, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "decide",
    summary: "Takes the first case whose condition holds; the last one is `otherwise`.",
    fields: &[],
    outcomes: &[],
    needs_caller: false,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let nodes = fields::items(step.argument);
    let mut cases = Vec::new();
    let mut otherwise = None;
    let mut complete = true;
    for node in &nodes {
        let Some(case) = Fields::of(node, "a case", step.build.findings) else {
            complete = false;
            continue;
        };
        if otherwise.is_some() {
            step.error("E183", &node.place, "this case is never looked at", "`otherwise` comes last");
        }
        if let Some(arm) = case.get("otherwise") {
            case.only(&["otherwise"], "`otherwise`", step.build.findings);
            otherwise = Some(step.build.arm(arm));
            continue;
        }
        let Some(when) = case.need("when", "a case", step.build.findings) else {
            complete = false;
            continue;
        };
        let condition = step.build.condition(when);
        let rest = case.without(&["when"]);
        let arm = match rest.pairs.is_empty() {
            true => {
                step.error("E114", &node.place, "this case does not say where to go", "add `goto: block` or another step");
                None
            }
            false => step.build.arm_of(&rest),
        };
        match condition.zip(arm) {
            Some(case) => cases.push(case),
            None => complete = false,
        }
    }
    let Some(otherwise) = otherwise else {
        step.error("E130", &step.place.clone(), "`decide` does not say what happens when no case holds", "end it with `- otherwise: …`");
        return None;
    };
    complete.then_some(StepKind::Decide(Decide { cases, otherwise: otherwise? }))
}
