//! `enrol`: a new factor for a caller who has proved enough. What `reset` shares with it.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::{self, Enrolment, FactorId, LevelName};
use crate::flow::document::fields::Fields;
use crate::flow::document::services_file;
use crate::flow::document::{Arm, Input, Prompt};
use crate::flow::run::collect::Expect;
use crate::flow::run::exit::Exit;
use crate::flow::run::parts::{Entry, Part};
use crate::flow::run::proving::VAULT_TIME;
use crate::flow::run::{Answer, FlowRun, News, Question, Waiting};
use crate::units::{AskId, Digit};
use super::authenticate::offered;
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind};

/// Its fields, and those of `reset`.
pub(super) const FIELDS: [FieldSpec; 2] = [
    FieldSpec::required("after", Shape::Level, "the level that has to be held: no path may come here without it"),
    FieldSpec::optional("prompts", Shape::Object(&[
        FieldSpec::required("pin", Shape::Prompt, "asks for the new PIN"),
        FieldSpec::required("again", Shape::Prompt, "asks for it once more"),
        FieldSpec::required("differ", Shape::Prompt, "the two were not the same"),
        FieldSpec::required("refused", Shape::Prompt, "it can't be one: choose another that is no date, no pattern and none of your numbers"),
    ]), "what is said; a PIN needs it"),
];

pub(super) const SPEC: Spec = Spec {
    verb: "enrol",
    summary: "Lets a caller who holds a level choose a PIN, typed twice. The rules of the policy for PINs hold; which of them refused one is not said. Nothing else can be enrolled by telephone: for `totp` the outcome is `unavailable`, and an operator does it (`countersign enrol totp`). Keys typed here are secret.",
    argument: Shape::Factors,
    fields: &FIELDS,
    outcomes: &["done", "refused", "poor_quality", "exists", "unavailable"],
    needs_caller: true,
    input: true,
    example: r#"- enrol: pin
  after: strong
  prompts: {pin: new_pin, again: new_pin_again, differ: pins_differ, refused: pin_refused}
  outcome:
    done: {say: pin_kept}
    refused: {goto: agent}
    exists: {goto: agent}
    unavailable: {goto: agent}
"#,
    read,
};

/// `enrol` and `reset`: a factor to be kept for the caller.
#[derive(Debug)]
pub struct Enrol {
    /// The factor.
    pub factor: FactorId,
    /// The level that has to be held.
    pub after: LevelName,
    /// In the place of what there is: `reset`.
    pub replace: bool,
    /// How many digits it has at least and at most.
    pub digits: (u8, u8),
    /// What is said; only a PIN is asked for.
    pub prompts: Option<NewPin>,
    /// Timers and tries.
    pub input: Input,
    /// Its outcomes, each with where it leads.
    pub arms: Vec<(&'static str, Arm)>,
}

/// What is said to have somebody choose a PIN.
#[derive(Debug)]
pub struct NewPin {
    /// Asks for it.
    pub pin: Prompt,
    /// Asks for it once more.
    pub again: Prompt,
    /// The two were not the same.
    pub differ: Prompt,
    /// It can't be one.
    pub refused: Prompt,
}

impl Node for Enrol {
    fn spec(&self) -> &'static Spec {
        if self.replace { &super::reset::SPEC } else { &SPEC }
    }

    fn arms(&self) -> Arms<'_> {
        self.arms.iter().map(|(name, arm)| ((*name).into(), arm)).collect()
    }

    fn arm(&self, exit: Exit) -> Option<&Arm> {
        let Exit::Outcome(name) = exit else { return None };
        let arm = |name| self.arms.iter().find(|(own, _)| *own == name).map(|(_, arm)| arm);
        match name {
            // `enrol` has none: a lock ends for itself; an old factor that is there tells nothing about it.
            "locked" => arm("locked").or_else(|| arm("unavailable")),
            name => arm(name),
        }
    }

    fn prompts(&self) -> Vec<&Prompt> {
        let said = self.prompts.iter();
        said.flat_map(|said| [&said.pin, &said.again, &said.differ, &said.refused]).collect()
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn protected(&self) -> Option<&LevelName> {
        Some(&self.after)
    }

    fn title(&self) -> String {
        format!("{}: {}", self.spec().verb, self.factor)
    }

    fn waits(&self, outcome: &str) -> bool {
        matches!(outcome, "done" | "refused")
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    /// The PIN, and the PIN again.
    fn part(&self, _run: &FlowRun, at: usize) -> Option<Part<'_>> {
        let said = self.prompts.as_ref()?;
        let (min, max) = (usize::from(self.digits.0), usize::from(self.digits.1));
        let expect = Expect::Digits { min, max, end: Some(Digit::HASH) };
        let prompt = if at == 0 { &said.pin } else { &said.again };
        Some(Part { prompt, expect, secret: true, answer: None })
    }

    fn remark(&self, name: &str) -> Option<&Prompt> {
        let said = self.prompts.as_ref()?;
        Some(if name == "differ" { &said.differ } else { &said.refused })
    }

    fn entered(&self, run: &mut FlowRun, now: Instant, at: usize, entry: Entry) {
        let Entry::Typed(typed) = entry else { return run.fail(now, "a PIN is typed") };
        if at == 0 {
            run.entered().parts = vec![typed];
            return run.ask_part(now, 1, None);
        }
        let first = run.entered().parts.pop();
        if !first.is_some_and(|first| first.matches(typed.expose().as_bytes())) {
            return self.again(run, now, "differ");
        }
        // The level may have grown too old while the caller was typing.
        let Some(grant) = run.granted(now, &self.after) else {
            run.set_secure(false);
            return run.take(now, Exit::Outcome("unavailable"));
        };
        let (grant, factor, replace) = (Arc::new(grant), self.factor, self.replace);
        let question = auth::Question::Enrol { grant, factor, secret: typed, replace };
        run.set_secure(false);
        let ask = run.ask(Question::Auth(question));
        run.wait(Box::new(Kept { ask, factor: self.factor, deadline: now + VAULT_TIME }));
    }

    fn gave_up(&self, run: &mut FlowRun, now: Instant) {
        run.take(now, Exit::Outcome("refused"));
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        if run.granted(now, &self.after).is_none() || self.prompts.is_none() {
            return run.take(now, Exit::Outcome("unavailable"));
        }
        run.ask_part(now, 0, None);
    }
}

impl Enrol {
    /// From the beginning, as long as there are tries.
    fn again(&self, run: &mut FlowRun, now: Instant, remark: &'static str) {
        let failures = run.entered().failures.saturating_add(1);
        run.entered().failures = failures;
        if failures >= self.input.tries {
            run.set_secure(false);
            return run.take(now, Exit::Outcome("refused"));
        }
        run.ask_part(now, 0, Some(remark));
    }
}

/// The vault was asked to keep it.
struct Kept {
    ask: AskId,
    factor: FactorId,
    deadline: Instant,
}

impl Waiting for Kept {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn told(self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        let answer = match news {
            News::Answer(ask, Answer::Auth(answer)) if ask == self.ask => answer,
            News::Timeout => auth::Answer::Unavailable,
            _ => return run.wait(self),
        };
        match answer {
            auth::Answer::Enrolment(Enrolment::Done) => {
                run.factor_changed(self.factor);
                run.take(now, Exit::Outcome("done"));
            }
            auth::Answer::Enrolment(Enrolment::Refused) => run.enrol_again(now),
            auth::Answer::Enrolment(Enrolment::Exists) => run.take(now, Exit::Outcome("exists")),
            auth::Answer::Enrolment(Enrolment::Locked) => run.take(now, Exit::Outcome("locked")),
            _ => run.take(now, Exit::Outcome("unavailable")),
        }
    }
}

impl FlowRun {
    /// The rules refused what was typed.
    fn enrol_again(&mut self, now: Instant) {
        let app = self.application();
        match self.current(&app) {
            Some(StepKind::Enrol(step) | StepKind::Reset(step)) => step.again(self, now, "refused"),
            _ => self.fail(now, "a PIN that nobody asked for"),
        }
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    // A recording that is not good enough: never with the factors of this version.
    enrolment(step, false, &["done", "refused", "exists", "unavailable"], &["poor_quality"]).map(StepKind::Enrol)
}

/// Reads the step with these outcomes.
pub(super) fn enrolment(
    step: &mut Reader<'_, '_, '_>,
    replace: bool,
    required: &[&'static str],
    optional: &[&'static str],
) -> Option<Enrol> {
    let order = order(step, replace);
    let arms = step.arms(required, optional)?;
    let named = required.iter().chain(optional).zip(arms);
    let arms = named.filter_map(|(name, arm)| Some((*name, arm?))).collect();
    Some(Enrol { arms, ..order? })
}

/// All but its outcomes.
fn order(step: &mut Reader<'_, '_, '_>, replace: bool) -> Option<Enrol> {
    let factor = offered(step, step.argument);
    let after = step.need("after");
    let policy = &step.build.shared.policy;
    let after = after.and_then(|node| services_file::level(node, policy, step.build.findings));
    let input = step.input(&[]);
    let factor = factor?;
    let prompts = match (factor, step.get("prompts")) {
        (FactorId::Pin, _) => Some(new_pin(step)?),
        (_, Some(node)) => {
            let help = "leave `prompts` out: an operator enrols it";
            step.error("E115", &node.place, "nothing is said: this factor is not enrolled by telephone", help);
            return None;
        }
        (_, None) => None,
    };
    let range = step.build.shared.policy.factor(factor).map_or(0..=0, |policy| policy.digits.clone());
    let digits = (*range.start(), *range.end());
    Some(Enrol { factor, after: after?, replace, digits, prompts, input, arms: Vec::new() })
}

fn new_pin(step: &mut Reader<'_, '_, '_>) -> Option<NewPin> {
    let node = step.need("prompts")?;
    let fields = Fields::of(node, "`prompts`", step.build.findings)?;
    fields.only(&["pin", "again", "differ", "refused"], "`prompts` of a new PIN", step.build.findings);
    let mut prompt = |name: &str| {
        let node = fields.need(name, "`prompts` of a new PIN", step.build.findings)?;
        step.build.prompt(node, &[])
    };
    let (pin, again, differ, refused) = (prompt("pin"), prompt("again"), prompt("differ"), prompt("refused"));
    Some(NewPin { pin: pin?, again: again?, differ: differ?, refused: refused? })
}
