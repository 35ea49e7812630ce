//! `opt_out`: a way to prove it that the caller does not want any more.

use std::time::Instant;

use crate::auth::{Amendment, FactorId, LevelName};
use crate::flow::document::{Arm, services_file};
use crate::flow::run::FlowRun;
use super::authenticate::offered;
use super::change_address::{OUTCOMES, named};
use super::enrol::strong_enough;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "opt_out",
    summary: "Takes a factor from a caller who does not want it any more: what they have enrolled is removed, and what rests on an address on file (codes, the calling number) is not asked for again; an operator or `countersign subject` gives it back. `done` also when they do not have it; `refused` when what is left could not reach the level again that it was ordered with. The level must be one that weak factors alone do not prove.",
    argument: Shape::Factors,
    fields: &[
        FieldSpec::required("after", Shape::Level, "the level that has to be held: no path may come here without it"),
    ],
    outcomes: &["done", "refused", "locked", "unavailable"],
    needs_caller: true,
    input: false,
    example: r#"- opt_out: otp_sms
  after: strong
  outcome:
    done: {say: no_more_messages}
    refused: {say: nothing_else_left}
    locked: {goto: locked}
    unavailable: {goto: agent}
"#,
    read,
};

/// `opt_out`
#[derive(Debug)]
pub struct OptOut {
    /// Which one.
    pub factor: FactorId,
    /// The level that has to be held.
    pub after: LevelName,
    /// Its outcomes, each with where it leads.
    pub arms: Vec<(&'static str, Arm)>,
}

impl Node for OptOut {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        self.arms.iter().map(|(name, arm)| ((*name).into(), arm)).collect()
    }

    fn protected(&self) -> Option<&LevelName> {
        Some(&self.after)
    }

    fn title(&self) -> String {
        format!("{}: {}", SPEC.verb, self.factor)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.amend(now, &self.after, Amendment::Without(self.factor));
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let factor = offered(step, step.argument);
    let after = step.need("after");
    let policy = &step.build.shared.policy;
    let after = after.and_then(|node| services_file::level(node, policy, step.build.findings));
    let arms = step.arms(&OUTCOMES, &[])?;
    let after = after?;
    strong_enough(step, &after, "take");
    Some(StepKind::OptOut(OptOut { factor: factor?, after, arms: named(arms) }))
}
