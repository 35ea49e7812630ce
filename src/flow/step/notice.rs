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
        FieldSpec::optional("once_per", Shape::Choice(&["call", "caller", "version"]), "says it once: in this call, to this caller, or to this caller until the version changes; each time when left out. A caller is known again by their number, or by who they are once they have proved it"),
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
    /// Whether it is said once only.
    pub once_per: Option<OncePer>,
}

/// How often a notice is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OncePer {
    /// Once in a call.
    Call,
    /// Once to a caller.
    Caller,
    /// Once to a caller until its version changes.
    Version,
}

impl Notice {
    /// The name by which it is remembered that a caller heard it.
    pub(crate) fn memory(&self) -> Option<String> {
        let remembered = matches!(self.once_per, Some(OncePer::Caller | OncePer::Version));
        remembered.then(|| format!("notice/{}", self.prompt.key))
    }
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
        if self.once_per.is_some() && run.has_noticed(&self.prompt.key, &self.version) {
            return run.next_step();
        }
        match self.memory() {
            Some(name) => run.recall(now, &name, recalled),
            None => run.notice(now, self),
        }
    }
}

/// It is known whether the caller has heard it.
fn recalled(run: &mut FlowRun, now: Instant, version: Option<String>) {
    let app = run.application();
    let Some(StepKind::Notice(step)) = run.current(&app) else { return run.fail(now, "a notice that is gone") };
    let heard = match (step.once_per, &version) {
        (Some(OncePer::Caller), Some(_)) => true,
        (Some(OncePer::Version), Some(version)) => *version == step.version,
        _ => false,
    };
    if heard { run.next_step() } else { run.notice(now, step) }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let prompt = step.build.prompt(step.argument, &[]);
    let version = step.need("version")?;
    let version = fields::text(version, "a version", step.build.findings)?;
    let interrupt = step.build.interrupt(step.get("interrupt"));
    let often = [("call", OncePer::Call), ("caller", OncePer::Caller), ("version", OncePer::Version)];
    let once_per = match step.get("once_per") {
        Some(node) => Some(fields::choice(node, "once_per", &often, step.build.findings)?),
        None => None,
    };
    Some(StepKind::Notice(Notice { prompt: prompt?, version, interrupt, once_per }))
}
