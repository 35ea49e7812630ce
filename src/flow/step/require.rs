//! `require`: nobody passes below a level.

use std::time::{Duration, Instant};

use crate::flow::document::fields;
use crate::flow::document::{Arm, LevelRef};
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, Use};

pub(super) const SPEC: Spec = Spec {
    verb: "require",
    summary: "Goes on only while a level is held.",
    argument: Shape::Level,
    fields: &[
        FieldSpec::optional("max_age", Shape::Duration, "how long ago it may have been reached"),
        FieldSpec::optional("else", Shape::Arm, "where to go below it (never `continue`); the application's `when_error` when left out"),
    ],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- require: strong
  max_age: 15m
  else: {goto: prove_strong}
"#,
    read,
};

/// `require`
#[derive(Debug)]
pub struct Require {
    /// The level.
    pub level: LevelRef,
    /// How old it may be.
    pub max_age: Option<Duration>,
    /// Where to go below it; the application's `when_error` when `None`.
    pub otherwise: Option<Arm>,
}

impl Node for Require {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        self.otherwise.iter().map(|arm| ("else".into(), arm)).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        self.otherwise.as_ref().filter(|_| exit == Exit::Lacking)
    }

    fn uses(&self) -> Vec<Use> {
        self.level.uses()
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.require(now, self);
    }
}

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
