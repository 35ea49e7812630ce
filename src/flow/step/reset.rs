//! `reset`: another PIN in the place of a forgotten one.

use std::time::Instant;

use crate::auth::LevelName;
use crate::flow::document::{Arm, Input, Prompt};
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use crate::flow::run::parts::{Entry, Part};
use super::enrol::{Enrolling, FIELDS, order};
use super::{Arms, Node, Reader, Shape, Spec, StepKind, next};

pub(super) const SPEC: Spec = Spec {
    verb: "reset",
    summary: "Lets a caller who holds a level choose another PIN in the place of the old one, typed twice, by the rules of `enrol`. The old one stops working, and its failures are forgotten. For `totp` the outcome is `unavailable`: an operator does it.",
    argument: Shape::Factors,
    fields: &FIELDS,
    outcomes: &["done", "refused", "locked", "unavailable"],
    needs_caller: true,
    input: true,
    example: r#"- reset: pin
  after: strong
  prompts: {pin: new_pin, again: new_pin_again, differ: pins_differ, refused: pin_refused}
  outcome:
    done: {say: pin_kept}
    refused: {goto: agent}
    locked: {goto: locked}
    unavailable: {goto: agent}
"#,
    read,
};

/// `reset`
#[derive(Debug)]
pub struct Reset {
    /// What is replaced, and how.
    pub order: Enrolling,
    /// Only the new one counts from now on.
    pub done: Arm,
    /// No PIN that can be one was typed twice.
    pub refused: Arm,
    /// The subject is locked.
    pub locked: Arm,
    /// It can't be done by telephone, or not now.
    pub unavailable: Arm,
}

impl Node for Reset {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![
            ("done".into(), &self.done),
            ("refused".into(), &self.refused),
            ("locked".into(), &self.locked),
            ("unavailable".into(), &self.unavailable),
        ]
    }

    fn prompts(&self) -> Vec<&Prompt> {
        self.order.prompts()
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.order.input)
    }

    fn protected(&self) -> Option<&LevelName> {
        Some(&self.order.after)
    }

    fn title(&self) -> String {
        format!("reset: {}", self.order.factor)
    }

    fn waits(&self, outcome: &str) -> bool {
        matches!(outcome, "done" | "refused")
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn part(&self, _run: &FlowRun, at: usize) -> Option<Part<'_>> {
        self.order.part(at)
    }

    fn remark(&self, name: &str) -> Option<&Prompt> {
        self.order.remark(name)
    }

    fn entered(&self, run: &mut FlowRun, now: Instant, at: usize, entry: Entry) {
        self.order.entered(run, now, at, entry);
    }

    fn gave_up(&self, run: &mut FlowRun, now: Instant) {
        run.take(now, Exit::Outcome("refused"));
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        self.order.begin(run, now);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let order = order(step, true);
    let mut arms = step.arms(&["done", "refused", "locked", "unavailable"], &[])?.into_iter();
    Some(StepKind::Reset(Reset {
        order: order?,
        done: next(&mut arms),
        refused: next(&mut arms),
        locked: next(&mut arms),
        unavailable: next(&mut arms),
    }))
}
