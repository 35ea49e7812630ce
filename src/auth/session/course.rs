//! The way to what a flow wants proved: which factors are left, and what is asked for just now.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Challenge, Choose, Outcome};
use crate::auth::assurance::Proof;
use crate::auth::factor::voiceprint::MOST_UTTERANCES;
use crate::auth::{FactorId, LevelName, Meeting, Policy, QuestionId, Said, Words};
use crate::secret::Secret;

/// What is aimed at, and the factors that are left for it.
pub(super) struct Course {
    aim: Aim,
    pub(super) choose: Choose,
    /// In the order of the offer.
    left: Vec<FactorId>,
    /// How it ends when no factor is left that helps.
    pub(super) without: Outcome,
}

enum Aim {
    Level(LevelName),
    /// The one factor on offer, whatever is held already.
    OneFactor,
}

impl Course {
    pub(super) const fn to(level: LevelName, offer: Vec<FactorId>, choose: Choose) -> Self {
        Self { aim: Aim::Level(level), choose, left: offer, without: Outcome::NotEnrolled }
    }

    pub(super) fn one(factor: FactorId) -> Self {
        let (aim, choose) = (Aim::OneFactor, Choose::Policy);
        Self { aim, choose, left: vec![factor], without: Outcome::NotEnrolled }
    }

    /// With what the subject has, the policy uses and this call can show.
    pub(super) fn among(mut self, enrolled: &[FactorId], policy: &Policy, vouched: bool) -> Self {
        self.left.retain(|factor| {
            let shown = vouched || factor.meeting() != Meeting::Silent;
            enrolled.contains(factor) && policy.factor(*factor).is_some() && shown
        });
        self
    }

    pub(super) const fn one_factor(&self) -> bool {
        matches!(self.aim, Aim::OneFactor)
    }

    /// Whether the level aimed at is held. A factor aimed at is asked for in any case.
    pub(super) fn reached(&self, policy: &Policy, proofs: &[Proof]) -> bool {
        match &self.aim {
            Aim::Level(level) => policy.held(level, proofs, None).is_some(),
            Aim::OneFactor => false,
        }
    }

    /// The factors that bring the caller nearer, in the order in which they are left. Without the one that is
    /// not wanted just now, unless there is no other.
    pub(super) fn next(&self, policy: &Policy, proofs: &[Proof], not: Option<FactorId>) -> Vec<FactorId> {
        let next = match &self.aim {
            Aim::Level(level) => {
                let max_age = policy.level(level).and_then(|level| level.max_age);
                let fresh = |age: Duration| max_age.is_none_or(|limit| age <= limit);
                let proved: Vec<FactorId> =
                    proofs.iter().filter(|(_, age)| fresh(*age)).map(|(factor, _)| *factor).collect();
                policy.next_factors(level, &proved, &self.left)
            }
            Aim::OneFactor => self.left.clone(),
        };
        let wanted: Vec<FactorId> = next.iter().copied().filter(|factor| Some(*factor) != not).collect();
        if wanted.is_empty() { next } else { wanted }
    }

    /// Asked for after all others.
    pub(super) fn put_last(&mut self, factor: FactorId) {
        let before = self.left.len();
        self.left.retain(|left| *left != factor);
        if self.left.len() < before {
            self.left.push(factor);
        }
    }

    /// Not asked for any more.
    pub(super) fn leave(&mut self, factor: FactorId, why: Outcome) {
        self.left.retain(|left| *left != factor);
        self.without = why;
    }
}

/// What the caller is asked for.
pub(super) struct Asked {
    pub(super) factor: FactorId,
    match_number: Option<String>,
    questions: Vec<QuestionId>,
    answers: Secret<String>,
    answered: usize,
    /// What a service told of some of them.
    told: Vec<(QuestionId, Secret<String>)>,
    /// What was said so far that may count.
    said: Vec<Said>,
    /// How often it was in doubt.
    in_doubt: usize,
}

impl Asked {
    pub(super) const fn keyed(factor: FactorId) -> Self {
        Self::questions(factor, Vec::new())
    }

    pub(super) const fn questions(factor: FactorId, questions: Vec<QuestionId>) -> Self {
        let answers = Secret::new(String::new());
        Self {
            factor,
            match_number: None,
            questions,
            answers,
            answered: 0,
            told: Vec::new(),
            said: Vec::new(),
            in_doubt: 0,
        }
    }

    pub(super) fn with(self, told: Vec<(QuestionId, Secret<String>)>) -> Self {
        Self { told, ..self }
    }

    pub(super) fn sent_to(factor: FactorId, match_number: Option<String>) -> Self {
        Self { match_number, ..Self::keyed(factor) }
    }

    pub(super) fn sent(&self) -> bool {
        self.factor.meeting() == Meeting::Sent
    }

    /// Takes a response. What is to be judged, once all is answered: what was keyed, or a line for each question,
    /// `name=answer`, and `=told` behind it when a service told what it should be.
    pub(super) fn answer(&mut self, response: Secret<String>) -> Option<Secret<String>> {
        let Some(question) = self.questions.get(self.answered) else { return Some(response) };
        let told = self.told.iter().find(|(id, _)| id == question).map(|(_, told)| told);
        let more = told.map_or(0, |told| told.expose().len() + 1);
        let mut lines = String::with_capacity(
            self.answers.expose().len() + question.as_str().len() + response.expose().len() + more + 2,
        );
        lines.push_str(self.answers.expose());
        if self.answered > 0 {
            lines.push('\n');
        }
        lines.extend([question.as_str(), "=", response.expose()]);
        if let Some(told) = told {
            lines.extend(["=", told.expose()]);
        }
        self.answers = Secret::new(lines);
        self.answered += 1;
        let done = self.answered == self.questions.len();
        done.then(|| std::mem::replace(&mut self.answers, Secret::new(String::new())))
    }

    /// What was said now, with what counts of what was said before: the last of it all.
    pub(super) fn hear(&mut self, said: Vec<Said>) -> Vec<Said> {
        // Of what was not surely right nobody knows who said it.
        self.said.retain(|said| matches!(said.words, Words::Any | Words::Right));
        self.said.extend(said);
        let more = self.said.len().saturating_sub(MOST_UTTERANCES);
        self.said.drain(..more);
        self.said.clone()
    }

    /// It was in doubt once more: how often now.
    pub(super) const fn heard_again(&mut self) -> usize {
        self.in_doubt += 1;
        self.in_doubt
    }

    pub(super) fn challenge(&self, digits: RangeInclusive<u8>, tries_left: u32, another: bool) -> Challenge {
        Challenge {
            factor: self.factor,
            digits,
            tries_left,
            match_number: self.match_number.clone(),
            question: self.questions.get(self.answered).cloned(),
            sent: self.sent(),
            another,
        }
    }
}
