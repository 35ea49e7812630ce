//! `return`: the end of a sub-flow.

use super::{Reader, Spec};
use crate::flow::document::StepKind;

pub(super) const SPEC: Spec = Spec {
    verb: "return",
    summary: "Ends a sub-flow with one of its outcomes; in the main flow, ends what runs after the caller has hung up.",
    fields: &[("give", "values for what the sub-flow gives")],
    outcomes: &[],
    needs_caller: false,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    step.build.leave(step.argument, step.get("give")).map(StepKind::Return)
}
