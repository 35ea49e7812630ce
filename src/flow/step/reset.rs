//! `reset`: another PIN in the place of a forgotten one.

use super::enrol::{Enrol, FIELDS, enrolment};
use super::{Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "reset",
    summary: "Lets a caller who holds a level choose another PIN or password in the place of the old one, typed twice, or key the first code of a new app or fob, by the rules of `enrol`. The old one stops working then, and its failures are forgotten. A voice is kept as by `enrol`. For other factors the outcome is `unavailable`: an operator does it.",
    argument: Shape::Factors,
    fields: &FIELDS,
    outcomes: &["done", "refused", "poor_quality", "locked", "unavailable"],
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

/// `reset`: an `enrol` that replaces what there is.
pub type Reset = Enrol;

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    enrolment(step, true, &["done", "refused", "locked", "unavailable"], &["poor_quality"]).map(StepKind::Reset)
}
