//! `verify`: one factor, whatever is held already.

use std::time::Instant;

use crate::auth::{self, FactorId, QuestionId};
use crate::flow::document::fields;
use crate::flow::document::{Arm, Input, Prompt};
use crate::flow::expr::Expr;
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::authenticate::{answers, judged, offered, prompts};
use super::ways::{self, Ways};
use super::{Arms, FieldSpec, Node, Proving, Reader, Shape, Spec, StepKind, Use, next};

pub(super) const SPEC: Spec = Spec {
    verb: "verify",
    summary: "Asks for one factor, also when it or a level is proved already. A wrong response counts like one to `authenticate`; a right one is a proof like any other. Keys typed here are secret.",
    argument: Shape::Factors,
    fields: &[
        FieldSpec::optional("subject", Shape::Text, "who, such as `customer`"),
        FieldSpec::optional("answers", Shape::Values, "what answers should be that a service told, as in `authenticate`"),
        FieldSpec::required("prompts", Shape::Prompting, "the factor's prompt; `failed` (may say `${tries_left, count}`); if wanted `failed_last` and `silent`, and of codes that are sent `expired`, `resent`, `not_resent`, `again` as for `authenticate`"),
        ways::AGAIN,
        ways::WAIT_FOR_CODE,
    ],
    outcomes: &["passed", "failed", "locked", "not_enrolled", "expired", "unavailable"],
    needs_caller: true,
    input: true,
    example: r#"- verify: totp
  prompts: {totp: totp_please, failed: not_quite_more}
  outcome:
    passed: continue
    failed: {goto: agent}
    locked: {goto: locked}
    not_enrolled: {goto: agent}
    unavailable: {goto: agent}
"#,
    read,
};

/// `verify`
#[derive(Debug)]
pub struct Verify {
    /// Whom, where the flow says so.
    pub subject: Option<String>,
    /// The factor.
    pub factor: FactorId,
    /// What is said to ask for it; the factor's own name in front.
    pub challenge: Vec<(FactorId, Prompt)>,
    /// What is said for each question, where it is questions.
    pub questions: Vec<(QuestionId, Prompt)>,
    /// What the answers should be that a service told.
    pub answers: Vec<(QuestionId, Expr)>,
    /// Said after a failure.
    pub failed: Prompt,
    /// Said after a failure when one try is left; `failed` when `None`.
    pub failed_last: Option<Prompt>,
    /// Said after silence.
    pub silent: Vec<(FactorId, Prompt)>,
    /// What is said and done about codes that are sent.
    pub ways: Ways,
    /// Timers.
    pub input: Input,
    /// It was right.
    pub passed: Arm,
    /// The tries are used up, or the caller fell silent.
    pub failed_arm: Arm,
    /// The subject is locked.
    pub locked: Arm,
    /// The subject does not have it.
    pub not_enrolled: Arm,
    /// What was sent is too old and may not be sent again; `failed` when `None`.
    pub expired: Option<Arm>,
    /// Nobody can judge.
    pub unavailable: Arm,
}

impl Node for Verify {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        let arms = [
            ("passed".into(), &self.passed),
            ("failed".into(), &self.failed_arm),
            ("locked".into(), &self.locked),
            ("not_enrolled".into(), &self.not_enrolled),
            ("unavailable".into(), &self.unavailable),
        ];
        arms.into_iter().chain(self.expired.as_ref().map(|arm| ("expired".into(), arm))).collect()
    }

    fn prompts(&self) -> Vec<&Prompt> {
        let factors = self.challenge.iter().chain(&self.silent).map(|(_, prompt)| prompt);
        let questions = self.questions.iter().map(|(_, prompt)| prompt);
        let said = factors.chain(questions).chain([&self.failed]);
        said.chain(&self.failed_last).chain(self.ways.prompts()).collect()
    }

    fn uses(&self) -> Vec<Use> {
        judged(&self.answers).collect()
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    fn proving(&self) -> Option<Proving<'_>> {
        Some(Proving {
            challenge: &self.challenge,
            questions: &self.questions,
            failed: &self.failed,
            failed_last: self.failed_last.as_ref(),
            silent: &self.silent,
            choose: &[],
            ways: &self.ways,
            input: &self.input,
        })
    }

    fn waits(&self, outcome: &str) -> bool {
        matches!(outcome, "passed" | "failed")
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        if run.blocked(self.factor) {
            return run.take(now, Exit::Outcome("not_enrolled"));
        }
        run.answers_are(now, &self.answers);
        run.prove(now, auth::Input::Verify { factor: self.factor });
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let factor = offered(step, step.argument);
    let subject = step.get("subject").and_then(|node| fields::name(node, "a subject", step.build.findings));
    let offer: Vec<FactorId> = factor.into_iter().collect();
    let prompts = prompts(step, &offer);
    let ways = ways::read(step, &offer);
    let answers = answers(step, &offer);
    let input = step.input(&[]);
    let required = ["passed", "failed", "locked", "not_enrolled", "unavailable"];
    let mut arms = step.arms(&required, &["expired"])?.into_iter();
    let (challenge, questions, failed, failed_last, silent) = prompts?;
    Some(StepKind::Verify(Verify {
        subject,
        factor: factor?,
        challenge,
        questions,
        answers: answers?,
        failed,
        failed_last,
        silent,
        ways: ways?,
        input,
        passed: next(&mut arms),
        failed_arm: next(&mut arms),
        locked: next(&mut arms),
        not_enrolled: next(&mut arms),
        unavailable: next(&mut arms),
        expired: arms.next().flatten(),
    }))
}
