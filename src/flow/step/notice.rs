//! `notice`: tell the caller what they have a right to know, and put on record that they were told.

use super::{Reader, Spec};
use crate::flow::document::fields;
use crate::flow::document::{Notice, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "notice",
    summary: "Says a notice and puts its version on record.",
    fields: &[
        ("version", "which version of the text this is"),
        ("interrupt", "`keys` or `never`: whether a key ends it early"),
    ],
    outcomes: &[],
    needs_caller: true,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let prompt = step.build.prompt(step.argument, &[]);
    let version = step.need("version")?;
    let version = fields::text(version, "a version", step.build.findings)?;
    let interrupt = step.build.interrupt(step.get("interrupt"));
    Some(StepKind::Notice(Notice { prompt: prompt?, version, interrupt }))
}
