//! `authenticate`: the caller proves who they are.

use std::time::Instant;

use crate::auth::factor::questions::Questions;
use crate::auth::factor::voiceprint::Mode;
use crate::auth::{Choose, FactorId, Meeting, QuestionId};
use crate::flow::document::build::local;
use crate::flow::document::fields::{self, Fields};
use crate::flow::document::policy_file::factor_id;
use crate::flow::document::{Arm, Input, LevelRef, Prompt};
use crate::flow::expr::{Expr, Field, Type};
use crate::flow::run::FlowRun;
use super::ways::{self, Ways};
use super::{Arms, FieldSpec, Node, Reader, Shape, Sink, Spec, StepKind, Use, next};

pub(super) const SPEC: Spec = Spec {
    verb: "authenticate",
    summary: "Has the caller prove who they are, by factors of the policy, until a level is reached. Only factors still missing are asked for. Keys typed here are secret: they reach no log, no record and no agent.",
    argument: Shape::Text,
    fields: &[
        FieldSpec::required("level", Shape::Level, "the level to reach: a name, or `\"${variable}\"`"),
        FieldSpec::required("offer", Shape::Factors, "the factors, in the order they are asked for"),
        FieldSpec::optional("choose", Shape::Choice(&["policy", "caller", "strongest_first"]), "who chooses among the factors that bring the caller nearer to the level: `policy`, the order of `offer`; `caller`, by a menu of those that are enrolled; `strongest_first`, what the caller has before what they know"),
        FieldSpec::optional("answers", Shape::Values, "for `questions` of the policy that a service tells the answers to: the right answers, such as `{last_payment: result.last_payment}`. They may be of class secret, are judged and kept nowhere"),
        FieldSpec::required("prompts", Shape::Prompting, "one prompt for each factor, for `questions` one for each question: `questions: {pet: prompt, …}`; `failed` (may say `${tries_left, count}`); if wanted `failed_last` (one try is left) and `silent` (one prompt, or `{pin: …, totp: …}`); of codes that are sent `expired` (too old, a new one is on its way), `resent`, `not_resent` (too soon, or often enough) and `again` (which key sends it again), of other ways `instead` (one can't be used now) and `another` (which key takes one), all said when there is something to say; the prompt of `push` says `${match_number, spell}`; with `choose: caller`, `choose`: one prompt that names all, or `{intro: …, pin: …, totp: …}` of which those that are enrolled are said. The key of a factor is its place in `offer`"),
        ways::AGAIN,
        ways::ANOTHER,
        ways::WAIT_FOR_CODE,
    ],
    outcomes: &["reached", "insufficient", "not_enrolled", "locked", "unavailable"],
    needs_caller: true,
    input: true,
    example: r#"- authenticate: customer
  level: strong
  offer: [pin, totp]
  prompts:
    pin: pin_please
    totp: totp_please
    failed: not_quite_more
    failed_last: not_quite_one
    silent: {pin: pin_silent, totp: totp_silent}
  outcome:
    reached: continue
    insufficient: {goto: agent}
    not_enrolled: {goto: agent}
    locked: {goto: locked}
    unavailable: {goto: agent}
"#,
    read,
};

/// `authenticate`
#[derive(Debug)]
pub struct Authenticate {
    /// Who, such as `customer`.
    pub subject: String,
    /// The level to reach.
    pub level: LevelRef,
    /// The factors offered, in the order written.
    pub offer: Vec<FactorId>,
    /// Who chooses among them.
    pub choose: Choose,
    /// What is said to have the caller choose: those of no factor always, the others when theirs can be
    /// chosen. The key is the factor's place in the offer.
    pub choices: Vec<(Option<FactorId>, Prompt)>,
    /// What is said for each factor offered.
    pub challenge: Vec<(FactorId, Prompt)>,
    /// What is said for each question, where questions are offered.
    pub questions: Vec<(QuestionId, Prompt)>,
    /// What the answers should be that a service told.
    pub answers: Vec<(QuestionId, Expr)>,
    /// Said after a failure; may name `${tries_left, number}`.
    pub failed: Prompt,
    /// Said after a failure when one try is left; `failed` when `None`.
    pub failed_last: Option<Prompt>,
    /// Said after silence; the challenge's own prompt when `None`.
    pub silent: Vec<(FactorId, Prompt)>,
    /// What is said and done about codes that are sent, and about other ways.
    pub ways: Ways,
    /// Timers; `tries` counts silences only: failures are counted by the policy.
    pub input: Input,
    /// The level is held.
    pub reached: Arm,
    /// It is not: the tries are used up or the caller fell silent.
    pub insufficient: Arm,
    /// The subject has too few of the factors.
    pub not_enrolled: Arm,
    /// The subject is locked.
    pub locked: Arm,
    /// The store, the worker pool or the audit log could not.
    pub unavailable: Arm,
}

/// What a step says to have somebody proved.
pub(crate) struct Proving<'s> {
    pub(crate) challenge: &'s [(FactorId, Prompt)],
    pub(crate) questions: &'s [(QuestionId, Prompt)],
    pub(crate) failed: &'s Prompt,
    pub(crate) failed_last: Option<&'s Prompt>,
    pub(crate) silent: &'s [(FactorId, Prompt)],
    pub(crate) choose: &'s [(Option<FactorId>, Prompt)],
    pub(crate) ways: &'s Ways,
    pub(crate) input: &'s Input,
}

impl Node for Authenticate {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("reached".into(), &self.reached), ("insufficient".into(), &self.insufficient), ("not_enrolled".into(), &self.not_enrolled), ("locked".into(), &self.locked), ("unavailable".into(), &self.unavailable)]
    }

    fn prompts(&self) -> Vec<&Prompt> {
        let factors = self.challenge.iter().chain(&self.silent).map(|(_, prompt)| prompt);
        let choices = self.choices.iter().map(|(_, prompt)| prompt);
        let questions = self.questions.iter().map(|(_, prompt)| prompt);
        let said = choices.chain(factors).chain(questions).chain([&self.failed]);
        said.chain(&self.failed_last).chain(self.ways.prompts()).collect()
    }

    fn subject(&self) -> Option<&str> {
        Some(&self.subject)
    }

    fn proving(&self) -> Option<Proving<'_>> {
        Some(Proving {
            challenge: &self.challenge,
            questions: &self.questions,
            failed: &self.failed,
            failed_last: self.failed_last.as_ref(),
            silent: &self.silent,
            choose: &self.choices,
            ways: &self.ways,
            input: &self.input,
        })
    }

    fn input(&self) -> Option<&Input> {
        Some(&self.input)
    }

    fn uses(&self) -> Vec<Use> {
        self.level.uses().into_iter().chain(judged(&self.answers)).collect()
    }

    fn waits(&self, outcome: &str) -> bool {
        outcome == "insufficient"
    }

    fn takes_keys(&self) -> Option<bool> {
        Some(false)
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.authenticate(now, self);
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let subject = fields::name(step.argument, "a subject", step.build.findings);
    let level_node = step.need("level");
    let level = level_node.and_then(|node| step.build.level(node));
    let offer_node = step.need("offer");
    let offers = offer_node.map(fields::items).unwrap_or_default();
    let offer: Vec<FactorId> = offers.iter().filter_map(|node| offered(step, node)).collect();
    let choose = match step.get("choose") {
        Some(node) => {
            let ways = [("policy", Choose::Policy), ("caller", Choose::Caller), ("strongest_first", Choose::StrongestFirst)];
            fields::choice(node, "choose", &ways, step.build.findings)
        }
        None => Some(Choose::Policy),
    };
    let twice = offer.iter().enumerate().find(|(at, factor)| offer.iter().take(*at).any(|other| other == *factor));
    if let Some(((_, factor), node)) = twice.zip(twice.and_then(|(at, _)| offers.get(at))) {
        let message = format!("`{factor}` is offered twice: one factor counts once, however often it is given");
        step.error("E203", &node.place, message, "offer a factor of another kind beside it");
    } else if let (Some(node), Some(level)) = (offer_node, &level)
        && offer.len() == offers.len()
    {
        reachable(step, node, level, &offer);
    }
    let prompts = prompts(step, &offer);
    let answers = answers(step, &offer);
    let choices = choices(step, &offer, choose);
    let ways = ways::read(step, &offer);
    let input = step.input(&[]);
    let mut arms = step.arms(&["reached", "insufficient", "not_enrolled", "locked", "unavailable"], &[])?.into_iter();
    let (reached, insufficient) = (next(&mut arms), next(&mut arms));
    if let (Arm::Goto(a), Arm::Goto(b)) = (&reached, &insufficient)
        && a == b
    {
        let place = step.place.clone();
        step.build.warn("W131", &place, "success and failure lead to the same block", "let `insufficient` go somewhere else, such as an agent");
    }
    let (challenge, questions, failed, failed_last, silent) = prompts?;
    Some(StepKind::Authenticate(Authenticate {
        subject: subject?,
        level: level?,
        offer,
        choose: choose?,
        choices: choices?,
        challenge,
        questions,
        answers: answers?,
        failed,
        failed_last,
        silent,
        ways: ways?,
        input,
        reached,
        insufficient,
        not_enrolled: next(&mut arms),
        locked: next(&mut arms),
        unavailable: next(&mut arms),
    }))
}

pub(super) fn offered(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<FactorId> {
    let factor = factor_id(node, step.build.findings)?;
    if step.build.shared.policy.factor(factor).is_some() {
        return Some(factor);
    }
    step.error("E280", &node.place, format!("the policy does not use the factor `{factor}`"), "add it to `factors` in policy.yaml");
    None
}

/// Every level that may be asked for can be reached with what is offered.
fn reachable(step: &mut Reader<'_, '_, '_>, node: &fields::Node, level: &LevelRef, offer: &[FactorId]) {
    let policy = &step.build.shared.policy;
    let wanted: Vec<_> = match level {
        LevelRef::Named(level) => vec![level.clone()],
        LevelRef::From(crate::flow::expr::Expr::Var(var)) => match step.build.shared.var(*var).map(|var| &var.ty) {
            Some(Type::Enum(words)) => words.iter().map(|word| crate::auth::LevelName::from(&**word)).collect(),
            _ => policy.levels.iter().map(|level| level.name.clone()).collect(),
        },
        LevelRef::From(_) => Vec::new(),
    };
    let raised = step.build.shared.raises.iter().find(|(from, to, _)| {
        wanted.contains(from) && policy.reachable(from, offer) && !policy.reachable(to, offer)
    });
    if let Some((from, to, band)) = raised {
        let message = format!("in the band `{band}` of risk `{from}` needs `{to}`, which this offer can't reach");
        let help = format!("offer what `{to}` takes as well, or take `needs` out of the band");
        return step.error("E204", &node.place, message, help);
    }
    let Some(level) = wanted.iter().find(|level| !policy.reachable(level, offer)) else {
        return alternative(step, node, &wanted, offer);
    };
    let needs = policy.level(level).map_or(0, |level| level.factors);
    let kinds = if policy.level(level).is_some_and(|level| level.different_kinds) { " of different kinds" } else { "" };
    let message = format!("what is offered can't reach `{level}`");
    step.error("E204", &node.place, message, format!("`{level}` needs {needs} factors{kinds}: offer more of them"));
}

/// A telephone network delivers late, to whoever has the number just now, or not at all: there is another way.
fn alternative(step: &mut Reader<'_, '_, '_>, node: &fields::Node, wanted: &[crate::auth::LevelName], offer: &[FactorId]) {
    let by_telephone = |factor: &FactorId| matches!(factor, FactorId::OtpSms | FactorId::OtpCall);
    let others: Vec<FactorId> = offer.iter().copied().filter(|factor| !by_telephone(factor)).collect();
    let policy = &step.build.shared.policy;
    if let Some(level) = wanted.iter().find(|level| !policy.reachable(level, &others)) {
        let message = format!("`{level}` can be reached only with a code that is sent by telephone");
        let help = "offer another way beside it, such as `totp`, for whoever gets no code or has lost the number";
        let (message, place) = (message.as_str(), node.place.clone());
        step.build.warn("W208", &place, message, help);
    }
}

pub(super) type Prompts = (Vec<(FactorId, Prompt)>, Vec<(QuestionId, Prompt)>, Prompt, Option<Prompt>, Vec<(FactorId, Prompt)>);

pub(super) fn prompts(step: &mut Reader<'_, '_, '_>, offer: &[FactorId]) -> Option<Prompts> {
    let node = step.need("prompts")?;
    let fields = Fields::of(node, "`prompts`", step.build.findings)?;
    let mut known: Vec<&str> = FactorId::ALL.iter().map(|factor| factor.name()).collect();
    known.extend(["failed", "failed_last", "silent", "choose"]);
    known.extend(ways::PROMPTS);
    fields.only(&known, "`prompts` of this step", step.build.findings);
    let locals = [local("tries_left", Field::TriesLeft)];
    let mut challenge = Vec::new();
    let mut questions = Vec::new();
    for factor in offer {
        match fields.get(factor.name()) {
            Some(node) if *factor == FactorId::Questions => questions = questions_of(step, node)?,
            Some(node) => challenge.extend(asks_for(step, node, *factor).map(|prompt| (*factor, prompt))),
            // Nothing is asked for these.
            None if factor.meeting() == Meeting::Silent || passive(step, *factor) => {}
            None => {
                let message = format!("nothing is said to ask for `{factor}`");
                step.error("E114", &node.place, message, format!("add `{factor}: prompt` to `prompts`"));
            }
        }
    }
    let failed = fields.need("failed", "`prompts`", step.build.findings)?;
    let failed = step.build.prompt(failed, &locals)?;
    let failed_last = match fields.get("failed_last") {
        Some(node) => Some(step.build.prompt(node, &locals)?),
        None => None,
    };
    let silent = match fields.get("silent") {
        Some(node) => silent(step, node, offer)?,
        None => Vec::new(),
    };
    Some((challenge, questions, failed, failed_last, silent))
}

/// Where the right answers go.
pub(super) fn judged(answers: &[(QuestionId, Expr)]) -> impl Iterator<Item = Use> {
    answers.iter().map(|(question, expr)| Use::new(expr, Sink::Judge(question.to_string())).optional())
}

/// The right answer to each question of the policy that a service tells the answer to.
pub(super) fn answers(step: &mut Reader<'_, '_, '_>, offer: &[FactorId]) -> Option<Vec<(QuestionId, Expr)>> {
    let used = step.build.shared.policy.factor(FactorId::Questions).map(|used| used.questions.told.clone());
    let told = used.filter(|_| offer.contains(&FactorId::Questions)).unwrap_or_default();
    let Some(node) = step.get("answers") else {
        let Some((question, _)) = told.first() else { return Some(Vec::new()) };
        let message = format!("nothing says what the answer to `{question}` should be");
        let place = step.place.clone();
        step.error("E114", &place, message, format!("add `answers: {{{question}: result.…}}`, behind the `lookup` that finds it"));
        return None;
    };
    let fields = Fields::of(node, "`answers`", step.build.findings)?;
    let known: Vec<&str> = told.iter().map(|(question, _)| question.as_str()).collect();
    fields.only(&known, "`answers`", step.build.findings);
    let mut out = Vec::new();
    for (question, _) in &told {
        let node = fields.need(question.as_str(), "`answers`", step.build.findings)?;
        out.push((question.clone(), step.build.expr(node, None, &[])?.expr));
    }
    Some(out)
}

/// A prompt for each question of the policy.
fn questions_of(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<Vec<(QuestionId, Prompt)>> {
    let used = step.build.shared.policy.factor(FactorId::Questions).map(|used| &used.questions);
    let list: Vec<_> = used.into_iter().flat_map(Questions::all).cloned().collect();
    let fields = Fields::of(node, "`questions`", step.build.findings)?;
    let known: Vec<&str> = list.iter().map(|(question, _)| question.as_str()).collect();
    fields.only(&known, "`questions`", step.build.findings);
    let mut out = Vec::new();
    for (question, _) in &list {
        let node = fields.need(question.as_str(), "`questions`", step.build.findings)?;
        out.push((question.clone(), step.build.prompt(node, &[])?));
    }
    Some(out)
}

/// The prompt that asks for a factor. That of an approval says the number to be matched.
fn asks_for(step: &mut Reader<'_, '_, '_>, node: &fields::Node, factor: FactorId) -> Option<Prompt> {
    match factor {
        FactorId::Push => {}
        FactorId::Voiceprint => return asks_to_speak(step, node),
        _ => return step.build.prompt(node, &[]),
    }
    let prompt = step.build.prompt(node, &[local("match_number", Field::MatchNumber)])?;
    if !ways::says(&prompt, Field::MatchNumber) {
        let message = "this prompt does not say the number that is matched on the page";
        step.error("E115", &node.place, message, "write `${match_number, spell}` into it, in each language");
    }
    Some(prompt)
}

/// Whether it is a voice that is known by whatever it says.
fn passive(step: &Reader<'_, '_, '_>, factor: FactorId) -> bool {
    mode_of_voice(step).is_some_and(|mode| factor == FactorId::Voiceprint && mode == Mode::Passive)
}

fn mode_of_voice(step: &Reader<'_, '_, '_>) -> Option<Mode> {
    step.build.shared.policy.factor(FactorId::Voiceprint).map(|used| used.voice.mode)
}

/// The prompt that has the caller speak. Digits that are drawn have to be said to whoever repeats them.
fn asks_to_speak(step: &mut Reader<'_, '_, '_>, node: &fields::Node) -> Option<Prompt> {
    let prompt = step.build.prompt(node, &[local("spoken_digits", Field::SpokenDigits)])?;
    match mode_of_voice(step)? {
        Mode::RandomDigits if !ways::says(&prompt, Field::SpokenDigits) => {
            let message = "this prompt does not say the digits that the caller is to repeat";
            step.error("E115", &node.place, message, "write `${spoken_digits, spell}` into it, in each language");
        }
        Mode::Passive => {
            let message = "nothing is said: in mode `passive` a voice is known by what it said before";
            step.error("E115", &node.place, message, "remove it, or let policy.yaml say `mode: random_digits`");
        }
        Mode::RandomDigits | Mode::Phrase => {}
    }
    Some(prompt)
}

/// What is said to have the caller choose a factor.
fn choices(
    step: &mut Reader<'_, '_, '_>,
    offer: &[FactorId],
    choose: Option<Choose>,
) -> Option<Vec<(Option<FactorId>, Prompt)>> {
    let prompts = step.get("prompts")?;
    let node = Fields::of(prompts, "`prompts`", step.build.findings)?.get("choose");
    let Some(node) = node else {
        if choose == Some(Choose::Caller) && offer.len() > 1 {
            let help = "add `choose: prompt` to `prompts`: it says which key is for which factor, in the order of `offer`";
            step.error("E114", &prompts.place, "nothing is said to have the caller choose", help);
            return None;
        }
        return Some(Vec::new());
    };
    if node.mapping().is_none() {
        return Some(vec![(None, step.build.prompt(node, &[])?)]);
    }
    let fields = Fields::of(node, "`choose`", step.build.findings)?;
    let known: Vec<&str> = std::iter::once("intro").chain(offer.iter().map(|factor| factor.name())).collect();
    fields.only(&known, "`choose`", step.build.findings);
    let mut out = Vec::new();
    if let Some(node) = fields.get("intro") {
        out.push((None, step.build.prompt(node, &[])?));
    }
    for factor in offer {
        // What needs no answer is no choice of the caller's.
        if factor.meeting() == Meeting::Silent && fields.get(factor.name()).is_none() {
            continue;
        }
        let node = fields.need(factor.name(), "`choose`", step.build.findings)?;
        out.push((Some(*factor), step.build.prompt(node, &[])?));
    }
    Some(out)
}

/// What is said when no key comes: one prompt for all factors, or one for each.
fn silent(step: &mut Reader<'_, '_, '_>, node: &fields::Node, offer: &[FactorId]) -> Option<Vec<(FactorId, Prompt)>> {
    let mut out = Vec::new();
    if node.mapping().is_none() {
        // Digits to repeat are others each time, and have to be said: the question is asked again then.
        let repeats = mode_of_voice(step) == Some(Mode::RandomDigits);
        for factor in offer.iter().filter(|factor| **factor != FactorId::Voiceprint || !repeats) {
            out.push((*factor, step.build.prompt(node, &[])?));
        }
        return Some(out);
    }
    let fields = Fields::of(node, "`silent`", step.build.findings)?;
    let known: Vec<&str> = offer.iter().map(|factor| factor.name()).collect();
    fields.only(&known, "`silent`", step.build.findings);
    for factor in offer {
        if let Some(node) = fields.get(factor.name()) {
            let prompt = match factor {
                FactorId::Voiceprint => asks_to_speak(step, node)?,
                _ => step.build.prompt(node, &[])?,
            };
            out.push((*factor, prompt));
        }
    }
    Some(out)
}
