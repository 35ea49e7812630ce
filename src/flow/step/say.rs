//! `say`: speak prompts.

use std::time::Instant;

use crate::flow::document::build::Local;
use crate::flow::document::fields::{Fields, items};
use crate::flow::document::{Interrupt, Prompt};
use crate::flow::run::FlowRun;
use super::{FieldSpec, Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "say",
    summary: "Says one prompt or several.",
    argument: Shape::Prompts,
    fields: &[
        FieldSpec::optional("with", Shape::Values, "values for placeholders of the prompt, by name"),
        FieldSpec::optional("early", Shape::Flag, "says it before the call is answered: the caller pays nothing, presses nothing, and hears it where their network lets them"),
        FieldSpec::optional("interrupt", Shape::Choice(&["keys", "keys_and_speech", "never"]), "what ends it early"),
    ],
    outcomes: &[],
    needs_caller: true,
    input: false,
    example: r#"- say: [greeting, safety_tip]
  interrupt: never
"#,
    read,
};

/// `say`
#[derive(Debug)]
pub struct Say {
    /// The prompts, one after the other.
    pub prompts: Vec<Prompt>,
    /// Whether a key ends them early. The key is kept for the next input step.
    pub interrupt: Interrupt,
    /// It is for a caller who is not answered, too.
    pub early: bool,
}

impl Node for Say {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prompts(&self) -> Vec<&Prompt> {
        self.prompts.iter().collect()
    }

    fn early(&self) -> bool {
        self.early
    }

    fn hears_always(&self) -> bool {
        true
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.say(now, self);
    }
}

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
    let early = step.early();
    let wanted = items(step.argument).len();
    let prompts = step.build.prompts(Some(step.argument), &locals);
    if wanted == 0 {
        step.error("E114", &step.place.clone(), "`say` needs the key of a prompt", "write `- say: greeting`");
    }
    (wanted > 0 && prompts.len() == wanted).then_some(StepKind::Say(Say { prompts, interrupt, early }))
}
