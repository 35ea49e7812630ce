//! `answer`: take the call.

use std::time::Instant;

use crate::flow::run::FlowRun;
use super::{Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "answer",
    summary: "Answers the call; nothing when it is answered already. Before it, a call can be rejected, and a caller told something by `say` or `play` with `early: true`.",
    argument: Shape::Nothing,
    fields: &[],
    outcomes: &[],
    needs_caller: true,
    input: false,
    example: r#"- answer:
"#,
    read,
};

/// `answer`
#[derive(Debug)]
pub struct Answer;

impl Node for Answer {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn begin(&self, run: &mut FlowRun, _now: Instant) {
        run.next_step();
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    if !step.argument.is_empty() {
        step.error("E115", &step.argument.place.clone(), "`answer` takes no argument", "write `- answer:`");
        return None;
    }
    Some(StepKind::Answer(Answer))
}
