//! `confirm`: yes or no.

use super::{Reader, Spec, next};
use crate::diagnostic::Diagnostic;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::{Confirm, StepKind};
use crate::units::Digit;

pub(super) const SPEC: Spec = Spec {
    verb: "confirm",
    summary: "Asks a question that is answered by yes or no.",
    fields: &[
        ("keys", "which keys mean \"yes\" and \"no\"; 1 and 2 when left out"),
        ("give_up", "where to go after the last try"),
    ],
    outcomes: &["yes", "no", "give_up"],
    needs_caller: true,
    input: true,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let prompt = step.build.prompt(step.argument, &[]);
    let (mut yes_keys, mut no_keys): (Vec<Digit>, Vec<Digit>) = (Vec::new(), Vec::new());
    if let Some(node) = step.get("keys") {
        for (key, value) in Fields::of(node, "`keys`", step.build.findings)?.pairs {
            let digit = fields::digit(key, step.build.findings);
            let yes = fields::choice(value, "keys", &[("yes", true), ("no", false)], step.build.findings);
            match (digit, yes) {
                (Some(digit), Some(true)) => yes_keys.push(digit),
                (Some(digit), Some(false)) => no_keys.push(digit),
                _ => {}
            }
        }
        if yes_keys.is_empty() || no_keys.is_empty() {
            let help = "write `keys: {\"1\": \"yes\", \"2\": \"no\"}`";
            let missing = Diagnostic::error("E114", Some(node.place.clone()), "both answers need a key").help(help);
            step.build.findings.push(missing);
            return None;
        }
    } else {
        yes_keys.extend(Digit::from_char('1'));
        no_keys.extend(Digit::from_char('2'));
    }
    let input = step.input(&[]);
    let mut arms = step.arms(&["yes", "no", "give_up"], &[])?.into_iter();
    let (yes, no, give_up) = (next(&mut arms), next(&mut arms), next(&mut arms));
    Some(StepKind::Confirm(Confirm { prompt: prompt?, yes_keys, no_keys, input, yes, no, give_up }))
}
