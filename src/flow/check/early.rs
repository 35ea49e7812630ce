//! What is to be said before the answer, and can't be: the call is answered on every way there.

use std::collections::BTreeSet;

use super::graph::jumps;
use super::nested;
use crate::diagnostic::Diagnostic;
use crate::flow::document::findings::Findings;
use crate::flow::document::{Application, BlockId, FlowId, StepKind};

pub(super) fn check(app: &Application, findings: &mut Findings) {
    let reached = unanswered(app);
    for (number, block) in (0..).zip(&app.blocks) {
        let open = reached.iter().find(|(id, _)| *id == BlockId(number)).map_or(0, |(_, open)| *open);
        for step in block.steps.iter().skip(open).flat_map(nested).filter(|step| step.kind.node().early()) {
            let message = "the call is answered before this: nothing of it is early";
            let help =
                "move it before `answer` and before every step that needs the caller, or leave `early` out";
            findings.push(Diagnostic::warning("W265", Some(step.place.clone()), message).help(help));
        }
    }
}

/// The blocks that a call comes to before it is answered, each with how many of its steps can run before it is.
fn unanswered(app: &Application) -> Vec<(BlockId, usize)> {
    let main = app.flow(FlowId::MAIN).map(|flow| flow.entry);
    let mut open: Vec<BlockId> = main.into_iter().chain(app.when_error).collect();
    let mut seen = BTreeSet::new();
    let mut reached = Vec::new();
    while let Some(id) = open.pop() {
        let Some(block) = app.block(id).filter(|_| seen.insert(id)) else { continue };
        let answers = |step: &&crate::flow::document::Step| {
            let node = step.kind.node();
            step.when.is_none() && node.spec().needs_caller && !node.early()
        };
        let first = block.steps.iter().position(|step| answers(&step));
        let before = first.unwrap_or(block.steps.len());
        reached.push((id, before));
        for step in block.steps.iter().take(before) {
            open.extend(jumps(step));
            open.extend(nested(step).into_iter().filter_map(|step| match &step.kind {
                StepKind::Run(run) => app.flow(run.flow).map(|flow| flow.entry),
                _ => None,
            }));
        }
    }
    reached
}
