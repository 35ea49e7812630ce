//! `return`: the end of a sub-flow.

use std::time::Instant;

pub use crate::flow::document::Return;
use crate::flow::run::FlowRun;
use super::{FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use};

pub(super) const SPEC: Spec = Spec {
    verb: "return",
    summary: "Ends a sub-flow with one of its outcomes; in the main flow, ends what runs after the caller has hung up.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("give", Shape::Values, "values for what the sub-flow gives"),
    ],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- return: proved
"#,
    read,
};

impl Node for Return {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn uses(&self) -> Vec<Use> {
        self.give.iter().map(|(var, expr)| Use::new(expr, Sink::Variable(*var))).collect()
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.return_from(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    step.build.leave(step.argument, step.get("give")).map(StepKind::Return)
}
