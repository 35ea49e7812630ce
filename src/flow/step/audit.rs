//! `audit`: a record that nobody can change later.

use super::{Reader, Spec};
use crate::flow::document::fields;
use crate::flow::document::{Audit, Class, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "audit",
    summary: "Writes an event to the audit log.",
    fields: &[("facts", "public values written with it")],
    outcomes: &[],
    needs_caller: false,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let event = fields::name(step.argument, "an event", step.build.findings)?;
    let node = step.get("facts");
    let facts = step.build.passed(node, Class::Public, "the audit log");
    Some(StepKind::Audit(Audit { event, facts }))
}
