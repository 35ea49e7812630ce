//! `answer`: take the call.

use super::{Reader, Spec};
use crate::flow::document::StepKind;

pub(super) const SPEC: Spec = Spec {
    verb: "answer",
    summary: "Answers the call; nothing when it is answered already.",
    fields: &[],
    outcomes: &[],
    needs_caller: true,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    if !step.argument.is_empty() {
        step.error("E115", &step.argument.place.clone(), "`answer` takes no argument", "write `- answer:`");
        return None;
    }
    Some(StepKind::Answer)
}
