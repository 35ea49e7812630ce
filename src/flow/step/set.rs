//! `set`: give variables values.

use std::time::Instant;

use crate::flow::document::VarId;
use crate::flow::document::fields::Fields;
use crate::flow::expr::Expr;
use crate::flow::run::FlowRun;
use super::{Node, Reader, Shape, Sink, Spec, StepKind, Use};

pub(super) const SPEC: Spec = Spec {
    verb: "set",
    summary: "Sets variables, each to the value of an expression.",
    argument: Shape::Values,
    fields: &[],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- set: {topic: balance}
"#,
    read,
};

/// `set`
#[derive(Debug)]
pub struct Set(
    /// The variables and their new values.
    pub Vec<(VarId, Expr)>,
);

impl Node for Set {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn uses(&self) -> Vec<Use> {
        self.0.iter().map(|(var, expr)| Use::new(expr, Sink::Variable(*var))).collect()
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.set(now, &self.0);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let fields = Fields::of(step.argument, "`set`", step.build.findings)?;
    let wanted = fields.pairs.len();
    let mut values = Vec::new();
    for (key, value) in fields.pairs {
        let Some(var) = step.build.var(key) else { continue };
        if let Some(expr) = step.build.assigned(var, value) {
            values.push((var, expr));
        }
    }
    (values.len() == wanted).then_some(StepKind::Set(Set(values)))
}
