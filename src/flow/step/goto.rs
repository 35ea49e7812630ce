//! `goto`: go on in another block.

use super::{Reader, Spec};
use crate::flow::document::StepKind;

pub(super) const SPEC: Spec = Spec {
    verb: "goto",
    summary: "Goes on with the first step of another block of this flow.",
    fields: &[],
    outcomes: &[],
    needs_caller: false,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    step.build.block(step.argument).map(StepKind::Goto)
}
