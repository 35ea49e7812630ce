//! `play`: a recording or a tone.

use super::{Reader, Spec, next};
use crate::flow::ClipKey;
use crate::flow::document::fields;
use crate::flow::document::{Play, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "play",
    summary: "Plays a recording or a tone, such as `tones/beep`.",
    fields: &[("times", "how often, 1 to 100"), ("interrupt", "`keys` or `never`: whether a key ends it early")],
    outcomes: &["finished", "failed"],
    needs_caller: true,
    input: false,
    read,
};

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let clip = clip(step)?;
    let times = match step.get("times") {
        Some(node) => fields::count(node, "times", 1..=100, step.build.findings)?,
        None => 1,
    };
    let interrupt = step.build.interrupt(step.get("interrupt"));
    let mut arms = step.arms(&["finished", "failed"], &[])?.into_iter();
    Some(StepKind::Play(Play { clip, times, interrupt, finished: next(&mut arms), failed: next(&mut arms) }))
}

fn clip(step: &mut Reader<'_, '_, '_>) -> Option<ClipKey> {
    let text = fields::text(step.argument, "a recording", step.build.findings)?;
    let stem = text.strip_suffix(".wav").unwrap_or(&text);
    if stem.starts_with('/') || stem.split('/').any(|part| part.is_empty() || part == "..") {
        let help = "write its path below `audio/`, such as `tones/beep`";
        fields::wrong(step.argument, "a recording lies below `audio/`", help, step.build.findings);
        return None;
    }
    Some(ClipKey::new(stem))
}
