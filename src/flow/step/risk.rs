//! `risk`: how risky a call is.

use std::sync::Arc;
use std::time::Instant;

use crate::flow::document::risk::Signal;
use crate::flow::document::{Arm, BlockId, fields};
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use};

pub(super) const SPEC: Spec = Spec {
    verb: "risk",
    summary: "Adds up the signals of the policy's `risk` that are there now, and sets `risk.score`, `risk.band` and `risk.reasons`. Factors that a signal or the band blocks are not offered from then on, a level that the band raises needs more, and a band with a `goto` leads there. What is not known adds nothing.",
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
    /// The bands that lead to a block.
    pub routes: Vec<(Arc<str>, BlockId)>,
    arms: Vec<(String, Arm)>,
}

impl RiskStep {
    /// A step with these signals, in a policy whose bands lead to these blocks.
    #[must_use]
    pub fn new(signals: Vec<Signal>, routes: Vec<(Arc<str>, BlockId)>) -> Self {
        let mut arms: Vec<(String, Arm)> =
            routes.iter().map(|(band, block)| (format!("band {band}"), Arm::Goto(*block))).collect();
        if !arms.is_empty() {
            arms.push(("otherwise".to_owned(), Arm::Continue));
        }
        Self { signals, routes, arms }
    }

    /// Which of the routes a band takes.
    #[must_use]
    pub fn route(&self, band: &str) -> Option<usize> {
        self.routes.iter().position(|(name, _)| **name == *band)
    }
}

impl Node for RiskStep {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        self.arms.iter().map(|(name, arm)| (name.clone().into(), arm)).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        let at = match exit {
            Exit::Case(at) => at,
            Exit::Otherwise => self.routes.len(),
            _ => return None,
        };
        self.arms.get(at).map(|(_, arm)| arm)
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
    let place = step.place.clone();
    let routes = step.build.risk_routes(&place);
    Some(StepKind::RiskStep(RiskStep::new(signals, routes)))
}
