//! `enrol`: a new factor for a caller who has proved enough. What `reset` shares with it.

use std::sync::Arc;
use std::time::Instant;

use crate::auth::{self, Enrolment, FactorId, LevelName, Poor, Said};
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
use super::enrol_voice::{self, Speaking};
use super::{Arms, FieldSpec, Node, Reader, Shape, Spec, StepKind};

/// Its fields, and those of `reset`.
pub(super) const FIELDS: [FieldSpec; 2] = [
    FieldSpec::required("after", Shape::Level, "the level that has to be held: no path may come here without it"),
    FieldSpec::optional("prompts", Shape::Object(&[
        FieldSpec::optional("pin", Shape::Prompt, "asks for the new PIN"),
        FieldSpec::optional("password", Shape::Prompt, "asks for the new password, keyed letter by letter"),
        FieldSpec::optional("totp", Shape::Prompt, "asks for the first code of the authenticator app"),
        FieldSpec::optional("hotp", Shape::Prompt, "asks for the first code of the key fob"),
        FieldSpec::optional("voiceprint", Shape::Prompt, "asks the caller to say something, three times or more"),
        FieldSpec::optional("more", Shape::Prompt, "of a voice: asks for one more"),
        FieldSpec::optional("short", Shape::Prompt, "of a voice: it was too short"),
        FieldSpec::optional("soft", Shape::Prompt, "of a voice: it was too soft"),
        FieldSpec::optional("loud", Shape::Prompt, "of a voice: it was too loud"),
        FieldSpec::optional("noisy", Shape::Prompt, "of a voice: the background is too loud"),
        FieldSpec::optional("others", Shape::Prompt, "of a voice: not all of it sounds like one person"),
        FieldSpec::optional("copy", Shape::Prompt, "of a voice: something was played in the place of being said"),
        FieldSpec::optional("why", Shape::Prompt, "said first: what this is and what it is good for"),
        FieldSpec::optional("again", Shape::Prompt, "asks for a PIN or password once more"),
        FieldSpec::optional("differ", Shape::Prompt, "the two were not the same"),
        FieldSpec::required("refused", Shape::Prompt, "it can't be one: choose another that is no date, no pattern and none of your numbers; or: that was not the code"),
    ]), "what is said"),
];

pub(super) const SPEC: Spec = Spec {
    verb: "enrol",
    summary: "Lets a caller who holds a level choose a PIN or a password, typed twice, by the rules of the policy; which of them refused one is not said. An authenticator app or key fob that an operator handed out (`countersign enrol hotp --pending`) counts from its first right code on, which is asked for here; when none was, the outcome is `unavailable`, as it is for everything else: an operator enrols it. A voice (`voiceprint`) is kept after a `consent` to the policy's purpose: the caller says something three times or more, and hears what would make it better; what is not good enough at the end of the tries is `poor_quality`, and whoever types instead of speaking has `refused`. Keys typed here are secret. The level must be one that weak factors alone do not prove.",
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
    /// What is said; `None`: nothing is asked for.
    pub prompts: Option<Enrolling>,
    /// Timers and tries.
    pub input: Input,
    /// Its outcomes, each with where it leads.
    pub arms: Vec<(&'static str, Arm)>,
}

/// What is said to have somebody choose a PIN, or key a first code.
#[derive(Debug)]
pub struct Enrolling {
    /// What it is and what it is good for; said first.
    pub why: Option<Prompt>,
    /// Asks for it.
    pub first: Prompt,
    /// Asks for it once more; not for a code.
    pub twice: Option<Twice>,
    /// Of a voice: what is said about what was said.
    pub voice: Option<Speaking>,
    /// It can't be one.
    pub refused: Prompt,
}

/// What is said to have something typed twice.
#[derive(Debug)]
pub struct Twice {
    /// Asks for it once more.
    pub again: Prompt,
    /// The two were not the same.
    pub differ: Prompt,
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
            "poor_quality" => arm("poor_quality").or_else(|| arm("refused")),
            name => arm(name),
        }
    }

    fn prompts(&self) -> Vec<&Prompt> {
        let Some(said) = &self.prompts else { return Vec::new() };
        let twice = said.twice.iter().flat_map(|twice| [&twice.again, &twice.differ]);
        let spoken = said.voice.iter().flat_map(Speaking::prompts);
        said.why.iter().chain([&said.first]).chain(twice).chain(spoken).chain([&said.refused]).collect()
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
        matches!(outcome, "done" | "refused" | "poor_quality")
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    /// The PIN, and the PIN again; or a code.
    fn part(&self, _run: &FlowRun, at: usize) -> Option<Part<'_>> {
        let said = self.prompts.as_ref()?;
        if let Some(voice) = &said.voice {
            let prompt = voice.more.as_ref().filter(|_| at > 0).unwrap_or(&said.first);
            let expect = Expect::Digits { min: 1, max: LONGEST_TYPED, end: Some(Digit::HASH) };
            return Some(Part { prompt, expect, secret: false, answer: None });
        }
        let (min, max) = (usize::from(self.digits.0), usize::from(self.digits.1));
        let expect = Expect::Digits { min, max, end: Some(Digit::HASH) };
        let prompt = if at == 0 { &said.first } else { &said.twice.as_ref()?.again };
        Some(Part { prompt, expect, secret: true, answer: None })
    }

    fn first_code(&self) -> Option<FactorId> {
        self.prompts.as_ref().filter(|said| said.twice.is_none()).map(|_| self.factor)
    }

    fn remark(&self, name: &str) -> Option<&Prompt> {
        let said = self.prompts.as_ref()?;
        match name {
            "differ" => said.twice.as_ref().map(|twice| &twice.differ),
            "why" => said.why.as_ref(),
            name if said.voice.as_ref().is_some_and(|voice| voice.faults.iter().any(|(own, _)| *own == name)) => {
                let faults = said.voice.iter().flat_map(|voice| &voice.faults);
                faults.into_iter().find(|(own, _)| *own == name).map(|(_, prompt)| prompt)
            }
            _ => Some(&said.refused),
        }
    }

    fn entered(&self, run: &mut FlowRun, now: Instant, at: usize, entry: Entry) {
        let Entry::Typed(typed) = entry else { return run.fail(now, "a PIN is typed") };
        if self.prompts.as_ref().is_some_and(|said| said.voice.is_some()) {
            // Whoever types would rather not speak.
            return run.take(now, Exit::Outcome("refused"));
        }
        if self.prompts.as_ref().is_some_and(|said| said.twice.is_some()) {
            if at == 0 {
                run.entered().parts = vec![typed];
                return run.ask_part(now, 1, None);
            }
            let first = run.entered().parts.pop();
            if !first.is_some_and(|first| first.matches(typed.expose().as_bytes())) {
                return self.again(run, now, "differ");
            }
        }
        // The level may have grown too old while the caller was typing.
        let Some(grant) = run.granted(now, &self.after) else {
            run.set_secure(false);
            return run.take(now, Exit::Outcome("unavailable"));
        };
        let (grant, factor, replace) = (Arc::new(grant), self.factor, self.replace);
        let question = auth::Question::Enrol { grant, factor, secret: typed.into(), replace };
        run.set_secure(false);
        let ask = run.ask(Question::Auth(question));
        run.wait(Box::new(Kept::new(ask, self.factor, now + VAULT_TIME)));
    }

    fn said(&self, run: &mut FlowRun, now: Instant, at: usize, said: Said) {
        self.one_more(run, now, at, said);
    }

    fn gave_up(&self, run: &mut FlowRun, now: Instant) {
        run.take(now, Exit::Outcome("refused"));
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        let Some(said) = self.prompts.as_ref().filter(|_| run.granted(now, &self.after).is_some()) else {
            return run.take(now, Exit::Outcome("unavailable"));
        };
        if said.voice.is_some() && !run.agreed_to_voices() {
            let outcome = if run.hears_voices() { "refused" } else { "unavailable" };
            return run.take(now, Exit::Outcome(outcome));
        }
        run.ask_part(now, 0, said.why.as_ref().map(|_| "why"));
    }
}

impl Enrol {
    fn says_voice(&self) -> bool {
        self.prompts.as_ref().is_some_and(|said| said.voice.is_some())
    }

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

/// More keys than any secret that is typed in the wrong place.
const LONGEST_TYPED: usize = 32;

/// The vault was asked to keep it.
pub(super) struct Kept {
    ask: AskId,
    factor: FactorId,
    deadline: Instant,
}

impl Kept {
    pub(super) const fn new(ask: AskId, factor: FactorId, deadline: Instant) -> Self {
        Self { ask, factor, deadline }
    }
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
            auth::Answer::Enrolment(Enrolment::Poor(why)) => run.enrol_better(now, why),
            auth::Answer::Enrolment(Enrolment::Exists) => run.take(now, Exit::Outcome("exists")),
            auth::Answer::Enrolment(Enrolment::Locked) => run.take(now, Exit::Outcome("locked")),
            _ => {
                // It may be kept all the same, or be kept later.
                run.factor_changed(self.factor);
                run.take(now, Exit::Outcome("unavailable"));
            }
        }
    }
}

impl FlowRun {
    /// What was said will not do.
    fn enrol_better(&mut self, now: Instant, why: Poor) {
        let app = self.application();
        match self.current(&app) {
            Some(StepKind::Enrol(step) | StepKind::Reset(step)) => step.heard_badly(self, now, why),
            _ => self.fail(now, "a voice that nobody asked for"),
        }
    }

    /// The rules refused what was typed.
    fn enrol_again(&mut self, now: Instant) {
        let app = self.application();
        match self.current(&app) {
            Some(StepKind::Enrol(step) | StepKind::Reset(step)) if step.says_voice() => {
                self.take(now, Exit::Outcome("refused"));
            }
            Some(StepKind::Enrol(step) | StepKind::Reset(step)) => step.again(self, now, "refused"),
            _ => self.fail(now, "a PIN that nobody asked for"),
        }
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
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
        (FactorId::Pin | FactorId::Password, _) => Some(enrolling(step, factor, true)?),
        (FactorId::Voiceprint, _) => Some(enrol_voice::read(step)?),
        (FactorId::Totp | FactorId::Hotp, Some(_)) => Some(enrolling(step, factor, false)?),
        (_, Some(node)) => {
            let help = "leave `prompts` out: an operator enrols it";
            step.error("E115", &node.place, "nothing is said: this factor is not enrolled by telephone", help);
            return None;
        }
        (_, None) => None,
    };
    let after = after?;
    strong_enough(step, &after, if replace { "replace" } else { "get" });
    let range = step.build.shared.policy.factor(factor).map_or(0..=0, |policy| policy.digits.clone());
    let digits = (*range.start(), *range.end());
    Some(Enrol { factor, after, replace, digits, prompts, input, arms: Vec::new() })
}

fn enrolling(step: &mut Reader<'_, '_, '_>, factor: FactorId, twice: bool) -> Option<Enrolling> {
    let node = step.need("prompts")?;
    let fields = Fields::of(node, "`prompts`", step.build.findings)?;
    let own = factor.name();
    let what = match factor {
        FactorId::Pin => "PIN",
        FactorId::Totp => "authenticator",
        FactorId::Hotp => "key fob",
        _ => own,
    };
    let known: &[&str] = if twice { &[own, "why", "again", "differ", "refused"] } else { &[own, "why", "refused"] };
    fields.only(known, &format!("`prompts` of a new {what}"), step.build.findings);
    let mut prompt = |name: &str| {
        let node = fields.need(name, &format!("`prompts` of a new {what}"), step.build.findings)?;
        step.build.prompt(node, &[])
    };
    let (first, refused) = (prompt(own), prompt("refused"));
    let twice = match twice {
        true => {
            let (again, differ) = (prompt("again"), prompt("differ"));
            Some(Twice { again: again?, differ: differ? })
        }
        false => None,
    };
    let why = match fields.get("why") {
        Some(node) => Some(step.build.prompt(node, &[])?),
        None => None,
    };
    Some(Enrolling { why, first: first?, twice, voice: None, refused: refused? })
}

/// Whoever proves a level by weak factors alone must not get a factor that counts for more, nor take one.
pub(super) fn strong_enough(step: &mut Reader<'_, '_, '_>, after: &LevelName, what: &str) {
    let policy = &step.build.shared.policy;
    let weak: Vec<FactorId> = policy.factors.iter().filter(|used| used.weak).map(|used| used.factor).collect();
    if !policy.provable(after, &weak) {
        return;
    }
    let names: Vec<String> = weak.iter().map(|factor| format!("`{factor}`")).collect();
    let message = format!("`{after}` can be proved by weak factors alone ({}), which must not {what} another", names.join(", "));
    let place = step.get("after").map_or_else(|| step.place.clone(), |node| node.place.clone());
    let help = format!("ask for a higher level, or keep weak factors from proving this one alone: `not_only: [{}]` in policy.yaml", weak.iter().map(|factor| factor.name()).collect::<Vec<_>>().join(", "));
    step.error("E206", &place, message, help);
}
