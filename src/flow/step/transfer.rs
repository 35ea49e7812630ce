//! `transfer`: call a fixed target.

use std::time::Duration;

use super::{Reader, Spec, next, suggestion};
use crate::flow::document::fields;
use crate::flow::document::{StepKind, Transfer};

pub(super) const SPEC: Spec = Spec {
    verb: "transfer",
    summary: "Calls a target of the application and connects the caller to it.",
    fields: &[
        ("how", "`bridge`: both legs stay with the engine"),
        ("ring", "how long it may ring; 30s when left out"),
        ("pass", "what the target is told"),
        ("whisper", "a prompt that the target hears before the caller"),
    ],
    outcomes: &["done", "busy", "no_answer", "refused", "failed"],
    needs_caller: true,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let name = fields::name(step.argument, "a target", step.build.findings);
    let shared = step.build.shared;
    let uri = name.as_ref().and_then(|name| shared.targets.get(name).cloned());
    if let (Some(name), None) = (&name, &uri) {
        let help = match shared.targets.is_empty() {
            true => format!("add `targets: {{{name}: \"sip:100@pbx.example\"}}` to the main flow"),
            false => suggestion(name, shared.targets.keys().map(String::as_str), "targets"),
        };
        step.error("E260", &step.argument.place.clone(), format!("there is no target `{name}`"), help);
    }
    if let Some(node) = step.get("how") {
        if matches!(node.text(), "blind" | "attended") {
            fields::not_yet(&node.place, &format!("`how: {}`", node.text()), step.build.findings);
        } else {
            fields::choice(node, "how", &[("bridge", ())], step.build.findings);
        }
    }
    let ring = match step.get("ring") {
        Some(node) => fields::duration(node, "ring", step.build.findings)?,
        None => Duration::from_secs(30),
    };
    let pass = step.pass();
    let whisper = step.get("whisper").map(|node| step.build.prompt(node, &[]));
    let mut arms = step.arms(&["done", "busy", "no_answer", "refused", "failed"], &[])?.into_iter();
    Some(StepKind::Transfer(Transfer {
        name: name?,
        uri: uri?,
        ring,
        pass,
        whisper: whisper.flatten(),
        done: next(&mut arms),
        busy: next(&mut arms),
        no_answer: next(&mut arms),
        refused: next(&mut arms),
        failed: next(&mut arms),
    }))
}
