//! `goto`: go on in another block.

use std::time::Instant;

use crate::flow::document::BlockId;
use crate::flow::run::FlowRun;
use super::{Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "goto",
    summary: "Goes on with the first step of another block of this flow.",
    argument: Shape::Block,
    fields: &[],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- goto: topics
"#,
    read,
};

/// `goto`
#[derive(Debug)]
pub struct Goto(
    /// The block.
    pub BlockId,
);

impl Node for Goto {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.jump(now, self.0);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    step.build.block(step.argument).map(|block| StepKind::Goto(Goto(block)))
}
