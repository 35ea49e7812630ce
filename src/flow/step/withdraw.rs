//! `withdraw`: a consent is taken back.

use std::time::Instant;

use crate::auth::{self, AuditKind};
use crate::flow::document::fields;
use crate::flow::document::findings::suggestion;
use crate::flow::document::{Arm, VarId};
use crate::flow::run::exit::Exit;
use crate::flow::run::values::Value;
use crate::flow::run::{Answer, CONSENT_REFUSED, FlowRun, Name, News, TraceEvent, Waiting};
use crate::units::AskId;
use super::consent::memory;
use super::{Arms, Node, Reader, Shape, Spec, StepKind, next};

pub(super) const SPEC: Spec = Spec {
    verb: "withdraw",
    summary: "Takes back a consent that a `consent` step asks for: `consent.PURPOSE` is `refused` from now on, what rests on it ends (a recording stops), and it is put on record. What was remembered of it (`once_per`) is forgotten: the next call asks again. To be remembered as withdrawn takes a caller who has proved who they are; for anybody else it holds for this call, and the outcome is `unavailable`.",
    argument: Shape::Text,
    fields: &[],
    outcomes: &["done", "unavailable"],
    needs_caller: false,
    input: false,
    example: r#"- withdraw: call_recording
  outcome:
    done: {say: withdrawn}
    unavailable: {say: withdrawn_for_this_call}
"#,
    read,
};

/// `withdraw`
#[derive(Debug)]
pub struct Withdraw {
    /// What the consent is for.
    pub purpose: String,
    /// Where the answer is kept.
    pub into: VarId,
    /// It is on record, and remembered.
    pub done: Arm,
    /// It holds for this call only.
    pub unavailable: Arm,
}

impl Node for Withdraw {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("done".into(), &self.done), ("unavailable".into(), &self.unavailable)]
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.store(self.into, Value::text(CONSENT_REFUSED));
        let language = run.language().to_owned();
        let facts = [("purpose", self.purpose.as_str()), ("answer", "withdrawn"), ("by", "caller"), ("language", &language)];
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        run.note(AuditKind::Noted { name: String::from("consent"), facts });
        let (purpose, version) = (Name::from(self.purpose.as_str()), Name::from(""));
        run.trace(TraceEvent::Consent {
            purpose,
            answer: CONSENT_REFUSED,
            version,
            language: Name::from(language.as_str()),
        });
        run.record_after(self.into, false);
        if run.purpose_of_voices() == self.purpose {
            run.forget_overheard();
        }
        match run.remember_proved(now, &memory(&self.purpose), CONSENT_REFUSED) {
            Some(ask) => run.wait(Box::new(Withdrawing { ask, until: now + PATIENCE })),
            None => run.take(now, Exit::Outcome("unavailable")),
        }
    }
}

/// A store that takes longer is out of order.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The vault was asked to remember it.
struct Withdrawing {
    ask: AskId,
    until: Instant,
}

impl Waiting for Withdrawing {
    fn deadline(&self) -> Instant {
        self.until
    }

    fn told(self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        let kept = match news {
            News::Answer(ask, answer) if ask == self.ask => {
                matches!(answer, Answer::Auth(auth::Answer::Remembered))
            }
            News::Timeout => false,
            _ => return run.wait(self),
        };
        run.take(now, Exit::Outcome(if kept { "done" } else { "unavailable" }));
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let purpose = fields::name(step.argument, "a purpose", step.build.findings)?;
    let Some(into) = step.build.shared.consents.get(&purpose).copied() else {
        let known: Vec<String> = step.build.shared.consents.keys().cloned().collect();
        let help = suggestion(&purpose, known.iter().map(String::as_str), "consents asked for");
        let message = format!("nobody is asked for the consent `{purpose}`");
        step.error("E243", &step.argument.place.clone(), message, help);
        return None;
    };
    let mut arms = step.arms(&["done", "unavailable"], &[])?.into_iter();
    Some(StepKind::Withdraw(Withdraw { purpose, into, done: next(&mut arms), unavailable: next(&mut arms) }))
}
