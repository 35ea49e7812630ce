//! Flows with `secure: true`: nobody may listen, nothing may record, and a card that is taken is paid with.

use std::collections::BTreeSet;

use super::nested;
use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, FlowId, Step, StepKind};

/// Steps that bring somebody else to the call, or keep what is said.
const ELSEWHERE: [&str; 5] = ["queue", "transfer", "take_message", "hold", "consent"];

/// Tells about steps that have no place in a secure flow.
pub(super) fn check(app: &Application, findings: &mut Findings) {
    let mut taken: Vec<(FlowId, &Step)> = Vec::new();
    let mut paid: BTreeSet<FlowId> = BTreeSet::new();
    for block in app.blocks.iter().filter(|block| app.flow(block.flow).is_some_and(|flow| flow.secure)) {
        for step in block.steps.iter().flat_map(nested) {
            inside(app, step, findings);
            match step.kind.verb() {
                "card" => taken.push((block.flow, step)),
                "pay" => {
                    paid.insert(block.flow);
                }
                _ => {}
            }
        }
    }
    for (_, step) in taken.into_iter().filter(|(flow, _)| !paid.contains(flow)) {
        let message = "a card is taken here, and nothing in this flow pays with it";
        let help = "add a `pay` step to this flow: the card is wiped when the flow is left";
        findings.push(Diagnostic::error("E232", Some(step.place.clone()), message).help(help));
    }
}

fn inside(app: &Application, step: &Step, findings: &mut Findings) {
    let verb = step.kind.verb();
    let (code, message, help) = match &step.kind {
        StepKind::Run(run) => match app.flow(run.flow).filter(|flow| !flow.secure) {
            Some(callee) => (
                "E231",
                format!("`{}` is not secure, and is run in a secure flow", callee.name),
                "write `secure: true` in it, or run it before or after",
            ),
            None => return,
        },
        _ if verb == "recording" => (
            "E233",
            "nothing is recorded in a secure flow".to_owned(),
            "start or stop recording outside of it",
        ),
        _ if ELSEWHERE.contains(&verb) => (
            "E231",
            format!("`{verb}` has no place in a secure flow: somebody else would hear the caller"),
            "return from the secure flow first",
        ),
        _ => return,
    };
    findings.push(Diagnostic::error(code, Some(step.place.clone()), message).help(help));
}
