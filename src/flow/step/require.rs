//! `require`: nobody passes below a level.

use super::{Reader, Spec};
use crate::flow::document::fields;
use crate::flow::document::{Require, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "require",
    summary: "Goes on only while a level is held.",
    fields: &[
        ("max_age", "how long ago it may have been reached"),
        ("else", "where to go below it; the application's `when_error` when left out"),
    ],
    outcomes: &[],
    needs_caller: false,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let level = step.build.level(step.argument);
    let max_age = match step.get("max_age") {
        Some(node) => Some(fields::duration(node, "max_age", step.build.findings)?),
        None => None,
    };
    let otherwise = match step.get("else") {
        Some(node) => Some(step.build.arm(node)?),
        None => None,
    };
    if matches!(otherwise, Some(crate::flow::document::Arm::Continue)) {
        step.error("E200", &step.place.clone(), "`else: continue` lets everybody pass", "go to a block that authenticates");
        return None;
    }
    Some(StepKind::Require(Require { level: level?, max_age, otherwise }))
}
