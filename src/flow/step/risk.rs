//! `risk`: how risky a call is.

use std::time::Instant;

use crate::flow::document::risk::Signal;
use crate::flow::document::fields;
use crate::flow::run::FlowRun;
use super::{FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use};

pub(super) const SPEC: Spec = Spec {
    verb: "risk",
    summary: "Adds up the signals of the policy's `risk` that are there now, and sets `risk.score`, `risk.band` and `risk.reasons`. Factors that a signal blocks are not offered from then on. What is not known adds nothing.",
    argument: Shape::Choice(&["assess"]),
    fields: &[
        FieldSpec::optional("signals", Shape::Map("names", &Shape::Object(&[
            FieldSpec::required("when", Shape::Expression, "when it is there"),
            FieldSpec::optional("add", Shape::Count { min: 0, max: 1000 }, "how many points it adds"),
            FieldSpec::optional("blocks", Shape::Factors, "factors that are not offered then"),
        ])), "signals beside those of the policy, for this step"),
    ],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- risk: assess
  signals: {large: {when: amount > 500, add: 30}}
"#,
    read,
};

/// `risk`
#[derive(Debug)]
pub struct RiskStep {
    /// Signals beside those of the policy.
    pub signals: Vec<Signal>,
}

impl Node for RiskStep {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn uses(&self) -> Vec<Use> {
        self.signals.iter().map(|signal| Use::new(&signal.when, Sink::Decision).optional()).collect()
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.assess(now, &self.signals);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    fields::choice(step.argument, "risk", &[("assess", ())], step.build.findings)?;
    if step.build.shared.risk.is_none() {
        let help = "add `risk: {signals: …, bands: …}` to policy.yaml";
        step.error("E285", &step.place.clone(), "the policy says nothing of risk", help);
        return None;
    }
    let signals = step.get("signals").map(|node| step.build.signals(node)).unwrap_or_default();
    Some(StepKind::RiskStep(RiskStep { signals }))
}
