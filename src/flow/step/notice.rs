//! `notice`: tell the caller what they have a right to know, and put on record that they were told.

use std::time::Instant;

use crate::flow::document::fields;
use crate::flow::document::{Interrupt, Prompt};
use crate::flow::run::FlowRun;
use super::{FieldSpec, Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "notice",
    summary: "Says a notice and puts its version on record.",
    argument: Shape::Prompt,
    fields: &[
        FieldSpec::required("version", Shape::Text, "which version of the text this is"),
        FieldSpec::optional("interrupt", Shape::Choice(&["keys", "keys_and_speech", "never"]), "what ends it early"),
    ],
    outcomes: &[],
    needs_caller: true,
    input: false,
    example: r#"- notice: why_we_ask
  version: "1"
"#,
    read,
};

/// `notice`
#[derive(Debug)]
pub struct Notice {
    /// What is said.
    pub prompt: Prompt,
    /// Which version of the text, for the record.
    pub version: String,
    /// Whether a key ends it early.
    pub interrupt: Interrupt,
}

impl Node for Notice {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prompts(&self) -> Vec<&Prompt> {
        vec![&self.prompt]
    }

    fn hears_always(&self) -> bool {
        true
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.notice(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let prompt = step.build.prompt(step.argument, &[]);
    let version = step.need("version")?;
    let version = fields::text(version, "a version", step.build.findings)?;
    let interrupt = step.build.interrupt(step.get("interrupt"));
    Some(StepKind::Notice(Notice { prompt: prompt?, version, interrupt }))
}
