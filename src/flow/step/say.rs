//! `say`: speak prompts.

use super::{Reader, Spec};
use crate::flow::document::build::Local;
use crate::flow::document::fields::{Fields, items};
use crate::flow::document::{Say, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "say",
    summary: "Says one prompt or several.",
    fields: &[
        ("with", "values for placeholders of the prompt, by name"),
        ("interrupt", "`keys` or `never`: whether a key ends it early"),
    ],
    outcomes: &[],
    needs_caller: true,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let mut locals: Vec<Local> = Vec::new();
    if let Some(with) = step.get("with").and_then(|node| Fields::of(node, "`with`", step.build.findings)) {
        for (key, value) in with.pairs {
            if let Some(typed) = step.build.expr(value, None, &[]) {
                locals.push((key.text().to_owned(), typed));
            }
        }
    }
    let interrupt = step.build.interrupt(step.get("interrupt"));
    let wanted = items(step.argument).len();
    let prompts = step.build.prompts(Some(step.argument), &locals);
    if wanted == 0 {
        step.error("E114", &step.place.clone(), "`say` needs the key of a prompt", "write `- say: greeting`");
    }
    (wanted > 0 && prompts.len() == wanted).then_some(StepKind::Say(Say { prompts, interrupt }))
}
