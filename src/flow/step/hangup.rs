//! `hangup`: the end of the call.

use std::time::Instant;

use crate::flow::document::Prompt;
use crate::flow::document::fields;
use crate::flow::run::FlowRun;
use super::{FieldSpec, Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "hangup",
    summary: "Ends the call: `normal`, or before it is answered `busy` or `rejected`.",
    argument: Shape::Choice(&["normal", "busy", "rejected"]),
    fields: &[
        FieldSpec::optional("say", Shape::Prompt, "a prompt said first"),
    ],
    outcomes: &[],
    needs_caller: false,
    input: false,
    example: r#"- hangup: normal
  say: goodbye
"#,
    read,
};

/// `hangup`
#[derive(Debug)]
pub struct Hangup {
    /// Why.
    pub cause: Cause,
    /// Said first.
    pub say: Option<Prompt>,
}

/// Why a flow ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// All is done. Before the call is answered this is a decline.
    Normal,
    /// 486 when the call is not answered yet.
    Busy,
    /// 603 when the call is not answered yet.
    Rejected,
}

impl Node for Hangup {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prompts(&self) -> Vec<&Prompt> {
        self.say.iter().collect()
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.hang_up(now, self);
    }
}

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
