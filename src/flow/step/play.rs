//! `play`: a recording or a tone.

use std::time::Instant;

use crate::flow::ClipKey;
use crate::flow::document::fields;
use crate::flow::document::{Arm, Interrupt};
use crate::flow::run::FlowRun;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

pub(super) const SPEC: Spec = Spec {
    verb: "play",
    summary: "Plays a recording or a tone, such as `tones/beep`.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::optional("times", Shape::Count { min: 1, max: 100 }, "how often"),
        FieldSpec::optional("early", Shape::Flag, "plays it before the call is answered: the caller pays nothing, presses nothing, and hears it where their network lets them"),
        FieldSpec::optional("interrupt", Shape::Choice(&["keys", "keys_and_speech", "never"]), "what ends it early"),
    ],
    outcomes: &["finished", "failed"],
    needs_caller: true,
    input: false,
    example: r#"- play: tones/beep
  outcome: {finished: continue, failed: continue}
"#,
    read,
};

/// `play`
#[derive(Debug)]
pub struct Play {
    /// The recording.
    pub clip: ClipKey,
    /// How often.
    pub times: u16,
    /// Whether a key ends it early.
    pub interrupt: Interrupt,
    /// It is for a caller who is not answered, too.
    pub early: bool,
    /// After it was played (or interrupted).
    pub finished: Arm,
    /// When it could not be played.
    pub failed: Arm,
}

impl Node for Play {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("finished".into(), &self.finished), ("failed".into(), &self.failed)]
    }

    fn clips(&self) -> Vec<ClipKey> {
        vec![self.clip.clone()]
    }

    fn early(&self) -> bool {
        self.early
    }

    fn hears_always(&self) -> bool {
        true
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.play(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let clip = clip(step)?;
    let times = match step.get("times") {
        Some(node) => fields::count(node, "times", 1..=100, step.build.findings)?,
        None => 1,
    };
    let interrupt = step.build.interrupt(step.get("interrupt"));
    let early = step.early();
    let mut arms = step.arms(&["finished", "failed"], &[])?.into_iter();
    Some(StepKind::Play(Play { clip, times, interrupt, early, finished: next(&mut arms), failed: next(&mut arms) }))
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
