//! `recording`: start, pause, resume and stop the recorder.

use std::time::Instant;

use crate::flow::document::fields;
use crate::flow::run::{FlowRun, RecordingOrder};
use super::{FieldSpec, Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "recording",
    summary: "Starts, pauses, resumes or stops the recording of the call; while a secret is typed and while the caller proves who they are it is paused by itself. It only starts when the caller has agreed (`consent`), unless `defaults.recording` says `mode: always`. What became of the order is put on record: `running`, `paused`, `stopped`, `refused` (nobody agreed), `unavailable` (the site records nothing) or, later, `failed` (a disk that is full or slow); the call goes on in every case. Flow tests see it too: `expects: {recording: paused}`. See [recording.md](recording.md).",
    argument: Shape::Choice(&["start", "pause", "resume", "stop"]),
    fields: &[FieldSpec::optional("mark", Shape::Text, "a word for the record: why")],
    outcomes: &[],
    needs_caller: true,
    input: false,
    example: r#"- recording: pause
  mark: medical_details
"#,
    read,
};

/// `recording`
#[derive(Debug)]
pub struct Recording {
    /// What to do.
    pub order: RecordingOrder,
    /// Why, for the record.
    pub mark: Option<String>,
}

impl Node for Recording {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn begin(&self, run: &mut FlowRun, _now: Instant) {
        run.record(self.order, self.mark.as_deref());
        run.next_step();
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let orders = RecordingOrder::ALL.map(|order| (order.name(), order));
    let order = fields::choice(step.argument, "recording", &orders, step.build.findings)?;
    let mark = match step.get("mark") {
        Some(node) => Some(fields::name(node, "a mark", step.build.findings)?),
        None => None,
    };
    Some(StepKind::Recording(Recording { order, mark }))
}
