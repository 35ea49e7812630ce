//! `change_address`: another telephone number or mail address on file.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::{self, Amendment, Enrolment, LevelName};
use crate::flow::document::fields;
use crate::flow::document::services_file;
use crate::flow::expr::Expr;
use crate::flow::run::exit::Exit;
use crate::flow::run::proving::VAULT_TIME;
use crate::flow::run::{Answer, FlowRun, News, Question, Waiting};
use crate::secret::Secret;
use crate::units::AskId;
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use};
use crate::flow::document::Arm;

pub(super) const SPEC: Spec = Spec {
    verb: "change_address",
    summary: "Puts another telephone number or mail address on file for a caller who holds the policy's highest level. Codes go to what is on file, so a new one is as good as a new factor: what was sent to the old one is void, no code to the new one counts in this call, and the old number and address are told. A number is keyed with its country code, with or without 00 before it. `done` also when it is on file already; `refused` when it can't be one.",
    argument: Shape::Choice(&["phone", "email"]),
    fields: &[
        FieldSpec::required("to", Shape::Expression, "the new one: a variable that was asked for and read back, or what a service told"),
        FieldSpec::required("after", Shape::Level, "the level that has to be held, the highest of the policy: no path may come here without it"),
    ],
    outcomes: &["done", "refused", "locked", "unavailable"],
    needs_caller: true,
    input: false,
    example: r#"- change_address: phone
  to: new_number
  after: strong
  outcome:
    done: {say: number_kept}
    refused: {goto: agent}
    locked: {goto: locked}
    unavailable: {goto: agent}
"#,
    read,
};

/// Its outcomes and those of `opt_out`.
pub(super) const OUTCOMES: [&str; 4] = ["done", "refused", "locked", "unavailable"];

/// Which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// The telephone number.
    Phone,
    /// The mail address.
    Email,
}

/// `change_address`
#[derive(Debug)]
pub struct ChangeAddress {
    /// Which one.
    pub which: Address,
    /// The new one.
    pub to: Expr,
    /// The level that has to be held.
    pub after: LevelName,
    /// Its outcomes, each with where it leads.
    pub arms: Vec<(&'static str, Arm)>,
}

impl Node for ChangeAddress {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        self.arms.iter().map(|(name, arm)| ((*name).into(), arm)).collect()
    }

    fn uses(&self) -> Vec<Use> {
        vec![Use::new(&self.to, Sink::File)]
    }

    fn protected(&self) -> Option<&LevelName> {
        Some(&self.after)
    }

    fn title(&self) -> String {
        let which = match self.which {
            Address::Phone => "phone",
            Address::Email => "email",
        };
        format!("{}: {which}", SPEC.verb)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        let Some(to) = run.scope(now).value(&self.to).as_text().map(Secret::new) else {
            return run.take(now, Exit::Outcome("refused"));
        };
        let amendment = match self.which {
            Address::Phone => Amendment::Phone(to),
            Address::Email => Amendment::Email(to),
        };
        run.amend(now, &self.after, amendment);
    }
}

impl FlowRun {
    /// Has the vault change what is on file of the caller.
    pub(crate) fn amend(&mut self, now: Instant, after: &LevelName, amendment: Amendment) {
        let Some(grant) = self.granted(now, after) else {
            return self.take(now, Exit::Outcome("unavailable"));
        };
        let kept = amendment.clone();
        let question = auth::Question::Amend { grant: Arc::new(grant), amendment };
        let ask = self.ask(Question::Auth(question));
        self.wait(Box::new(Amending { ask, amendment: kept, until: now + VAULT_TIME }));
    }
}

/// The vault was asked to change it.
struct Amending {
    ask: AskId,
    amendment: Amendment,
    until: Instant,
}

impl Waiting for Amending {
    fn deadline(&self) -> Instant {
        self.until
    }

    fn told(self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        let answer = match news {
            News::Answer(ask, Answer::Auth(answer)) if ask == self.ask => answer,
            News::Timeout => auth::Answer::Unavailable,
            _ => return run.wait(self),
        };
        let outcome = match answer {
            auth::Answer::Enrolment(Enrolment::Done) => "done",
            auth::Answer::Enrolment(Enrolment::Exists) => return run.take(now, Exit::Outcome("done")),
            auth::Answer::Enrolment(Enrolment::Refused) => return run.take(now, Exit::Outcome("refused")),
            auth::Answer::Enrolment(Enrolment::Locked) => return run.take(now, Exit::Outcome("locked")),
            // It may be changed all the same, or be changed later.
            _ => "unavailable",
        };
        self.amendment.factors().iter().for_each(|factor| run.factor_changed(*factor));
        run.take(now, Exit::Outcome(outcome));
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let which = [("phone", Address::Phone), ("email", Address::Email)];
    let which = fields::choice(step.argument, "change_address", &which, step.build.findings);
    let to = step.need("to").and_then(|node| step.build.expr(node, None, &[]));
    let after = highest(step);
    let arms = step.arms(&OUTCOMES, &[])?;
    Some(StepKind::ChangeAddress(ChangeAddress { which: which?, to: to?.expr, after: after?, arms: named(arms) }))
}

/// Arms, each with the outcome that it is for.
pub(super) fn named(arms: Vec<Option<Arm>>) -> Vec<(&'static str, Arm)> {
    OUTCOMES.iter().copied().zip(arms).filter_map(|(name, arm)| Some((name, arm?))).collect()
}

/// The level that has to be held: the highest, or the vault refuses.
fn highest(step: &mut Reader<'_, '_, '_>) -> Option<LevelName> {
    let node = step.need("after")?;
    let policy = &step.build.shared.policy;
    let after = services_file::level(node, policy, step.build.findings)?;
    let highest = policy.levels.last().map(|level| level.name.clone())?;
    if after == highest {
        return Some(after);
    }
    let message = format!("`{after}` is not enough: a new address is a new factor");
    let help = format!("write `after: {highest}`, the highest level of the policy");
    step.error("E206", &node.place.clone(), message, help);
    None
}
