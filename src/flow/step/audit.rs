//! `audit`: a record that nobody can change later.

use std::time::Instant;

use crate::flow::document::fields;
use crate::flow::document::{Class, Passed};
use crate::flow::run::FlowRun;
use super::{FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use};

pub(super) const SPEC: Spec = Spec {
    verb: "audit",
    summary: "Writes an event to the audit log.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("facts", Shape::Pass, "public values written with it"),
    ],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- audit: card_blocked
  facts: [auth.level, auth.factors]
"#,
    read,
};

/// `audit`
#[derive(Debug)]
pub struct Audit {
    /// The event's name.
    pub event: String,
    /// Facts, all public.
    pub facts: Vec<Passed>,
}

impl Node for Audit {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn uses(&self) -> Vec<Use> {
        self.facts.iter().map(|fact| Use::new(&fact.expr, Sink::Audit(fact.name.clone())).optional()).collect()
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.audit(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let event = fields::name(step.argument, "an event", step.build.findings)?;
    let node = step.get("facts");
    let facts = step.build.passed(node, Class::Public, "the audit log");
    Some(StepKind::Audit(Audit { event, facts }))
}
