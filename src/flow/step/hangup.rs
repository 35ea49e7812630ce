//! `hangup`: the end of the call.

use super::{Reader, Spec};
use crate::flow::document::fields;
use crate::flow::document::{Cause, Hangup, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "hangup",
    summary: "Ends the call: `normal`, or before it is answered `busy` or `rejected`.",
    fields: &[("say", "a prompt said first")],
    outcomes: &[],
    needs_caller: false,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let causes = [("normal", Cause::Normal), ("busy", Cause::Busy), ("rejected", Cause::Rejected)];
    let cause = match step.argument.is_empty() {
        true => Cause::Normal,
        false => fields::choice(step.argument, "hangup", &causes, step.build.findings)?,
    };
    let say = match step.get("say") {
        Some(node) => Some(step.build.prompt(node, &[])?),
        None => None,
    };
    Some(StepKind::Hangup(Hangup { cause, say }))
}
