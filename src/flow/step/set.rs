//! `set`: give variables values.

use super::{Reader, Spec};
use crate::flow::document::StepKind;
use crate::flow::document::fields::Fields;

pub(super) const SPEC: Spec = Spec {
    verb: "set",
    summary: "Sets variables, each to the value of an expression.",
    fields: &[],
    outcomes: &[],
    needs_caller: false,
    input: false,
    read,
};

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
    (values.len() == wanted).then_some(StepKind::Set(values))
}
