//! What is keyed in flow tests: proofs as a test writes them, and what a caller keys who knows them.

use crate::auth::factor::hotp::Fob;
use crate::auth::factor::password;
use crate::auth::factor::questions::Questions;
use crate::auth::factor::totp::Parameters;
use crate::auth::{FactorId, QuestionId, SubjectKey};
use crate::secret::Secret;
use crate::units::UnixTime;

use super::Vault;

impl Vault {
    /// What a caller who is this subject would key now. Nobody's are digits that fit and are wrong.
    pub(in crate::scenario) fn right(
        &self,
        now: UnixTime,
        subject: Option<SubjectKey>,
        (factor, question): (FactorId, Option<&str>),
    ) -> Option<Secret<String>> {
        let person = self.person(subject?)?;
        let proof = person.offered.iter().find(|(own, _)| *own == factor).map(|(_, seed)| seed);
        let proof = proof.or_else(|| self.proof(person, factor))?;
        match factor {
            FactorId::Pin => Some(proof.clone()),
            FactorId::Password => Some(keys(proof)),
            FactorId::Questions => answer(proof, &self.policy.factor(factor)?.questions, question),
            FactorId::Recovery => codes(proof).next().map(|code| Secret::new(code.to_owned())),
            FactorId::Hotp => {
                let next = self.used.get(&(subject?, factor)).map_or(0, |last| last.saturating_add(1));
                Some(Fob::of(self.policy.factor(factor)?).code(&seed(proof), next))
            }
            FactorId::Totp => {
                let parameters = Parameters::of(self.policy.factor(factor)?);
                Some(parameters.code(&seed(proof), parameters.step_at(now)))
            }
            _ => self.sent.code((subject?, factor)),
        }
    }

    /// Digits of the right length that are wrong, whoever the caller is.
    pub(in crate::scenario) fn wrong(
        &self,
        now: UnixTime,
        subject: Option<SubjectKey>,
        (factor, question): (FactorId, Option<&str>),
    ) -> Secret<String> {
        let length = self.policy.factor(factor).map_or(6, |policy| usize::from(*policy.digits.end()));
        let right =
            self.right(now, subject, (factor, question)).unwrap_or_else(|| Secret::new("5".repeat(length)));
        let moved = right
            .expose()
            .chars()
            .map(|c| c.to_digit(10).map_or(c, |digit| DIGITS[(digit as usize + 5) % 10]));
        Secret::new(moved.collect())
    }
}

const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// A seed as a test writes it: any text stands for its own bytes.
pub(super) fn seed(proof: &Secret<String>) -> Secret<Vec<u8>> {
    Secret::new(proof.expose().clone().into_bytes())
}

/// A password as a test writes it, as keys.
pub(super) fn keys(proof: &Secret<String>) -> Secret<String> {
    password::keys(proof).unwrap_or_else(|_| proof.clone())
}

/// Answers as a test writes them: `pet=Rex; birth=1980-03-21`.
pub(super) fn answers(proof: &Secret<String>) -> impl Iterator<Item = (QuestionId, Secret<String>)> {
    let answer = |part: &str| {
        let (question, answer) = part.split_once('=')?;
        Some((QuestionId::from(question.trim()), Secret::new(answer.trim().to_owned())))
    };
    proof.expose().split(';').filter_map(answer)
}

/// What somebody keys who knows the answers that a test writes: to one question, or all as they are written.
pub(crate) fn answer(
    proof: &Secret<String>,
    asked: &Questions,
    question: Option<&str>,
) -> Option<Secret<String>> {
    let Some(question) = question else { return Some(proof.clone()) };
    let (_, own) = answers(proof).find(|(id, _)| id.as_str() == question)?;
    let (_, kind) = asked.all().find(|(id, _)| id.as_str() == question)?;
    kind.keys(&own)
}

/// Recovery codes as a test writes them: with spaces between.
pub(super) fn codes(proof: &Secret<String>) -> impl Iterator<Item = &str> {
    proof.expose().split_whitespace()
}
