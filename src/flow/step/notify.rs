//! `notify`: send a message to the address on file.

use std::time::{Duration, Instant};

use crate::flow::document::fields;
use crate::flow::document::{Arm, Prompt};
use crate::flow::run::exit::Exit;
use crate::flow::run::{Answer, FlowRun, News, Notify as Message, Question, Waiting};
use crate::units::AskId;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind, next};

pub(super) const SPEC: Spec = Spec {
    verb: "notify",
    summary: "Sends a message to whom the caller claims to be, at the address on file and never at one that the caller gave. Its text is a prompt of the catalogues, in the language on file. `sent` is as soon as a sender of countersign.yaml has it in hand; without a sender for that way, or when its budgets are spent, it ends with `failed`.",
    argument: Shape::Choice(&["customer"]),
    fields: &[
        FieldSpec::optional("by", Shape::Choice(&["sms", "email", "push"]), "which way; the first that has a sender and an address on file when left out"),
        FieldSpec::required("template", Shape::Prompt, "the prompt that is its text"),
    ],
    outcomes: &["sent", "failed"],
    needs_caller: false,
    input: false,
    example: r#"- notify: customer
  by: sms
  template: locked_notice
  outcome: {sent: continue, failed: continue}
"#,
    read,
};

/// `notify`
#[derive(Debug)]
pub struct Notify {
    /// Which way, when the flow says.
    pub by: Option<&'static str>,
    /// Its text.
    pub template: Prompt,
    /// It was handed to a sender.
    pub sent: Arm,
    /// It was not.
    pub failed: Arm,
}

impl Node for Notify {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("sent".into(), &self.sent), ("failed".into(), &self.failed)]
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        let Some(subject) = run.auth().subject().cloned() else {
            return run.take(now, Exit::Outcome("failed"));
        };
        let template = self.template.key.to_string();
        let language = run.language().to_owned();
        let texts = run.written(now, &self.template);
        let ask = run.ask(Question::Notify(Message { subject, by: self.by, template, language, texts }));
        run.wait(Box::new(Notifying { ask, until: now + PATIENCE }));
    }
}

/// Handing over a message takes no longer; its delivery is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

struct Notifying {
    ask: AskId,
    until: Instant,
}

impl Waiting for Notifying {
    fn deadline(&self) -> Instant {
        self.until
    }

    fn told(self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        match news {
            News::Answer(ask, answer) if ask == self.ask => {
                let sent = matches!(answer, Answer::Notified(true));
                run.take(now, Exit::Outcome(if sent { "sent" } else { "failed" }));
            }
            News::Timeout => run.take(now, Exit::Outcome("failed")),
            _ => run.wait(self),
        }
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    fields::choice(step.argument, "notify", &[("customer", ())], step.build.findings)?;
    let ways = ["sms", "email", "push"].map(|way| (way, way));
    let by = match step.get("by") {
        Some(node) => Some(fields::choice(node, "by", &ways, step.build.findings)?),
        None => None,
    };
    let template = step.need("template")?;
    let template = step.build.prompt(template, &[])?;
    let mut arms = step.arms(&["sent", "failed"], &[])?.into_iter();
    Some(StepKind::Notify(Notify { by, template, sent: next(&mut arms), failed: next(&mut arms) }))
}
