//! Questions that only the subject should be able to answer: a date, a number, a word keyed by its letters.
//!
//! Each answer is kept as its own argon2id with the pepper, over its keys. A policy asks `ask` of them at a time
//! and, after a failure, others out of `spare` more; which ones follows from the failures so far and
//! nothing else, so that nobody gets others by hanging up. All answers are judged together: nobody learns
//! which of them was wrong. Other people know such answers too: the factor is weak unless a policy says
//! otherwise, and counts at the lowest level only.
//!
//! Some answers are nobody's to keep: a service tells them in the call ("your last payment"). They are compared
//! where they are judged, and kept nowhere.

use serde::{Deserialize, Serialize};

use super::pin::{PinHash, SALT_BYTES, peppered_as};
use super::{FactorKind, JudgeError, Judged, Judging, Meeting, password};
use crate::auth::{FactorId, FactorPolicy, QuestionId, SubjectKey};
use crate::secret::Secret;

/// The factor's name.
pub const NAME: &str = "questions";
/// The answers are known.
pub const KIND: FactorKind = FactorKind::Knowledge;
/// What is asked is chosen first.
pub const MEETING: Meeting = Meeting::Asked;
/// No policy has more questions than a person answers at enrolment.
pub const MOST: usize = 20;
/// The longest answer, in keys.
pub const LONGEST: u8 = 24;

/// Two questions, and one more after a failure; weak.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { digits: 1..=LONGEST, weak: true, ..FactorPolicy::plain(FactorId::Questions) }
}

/// Which questions there are, and how many are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Questions {
    /// How many at a time.
    pub ask: u8,
    /// How many others there may be after failures.
    pub spare: u8,
    /// Those whose answers are kept.
    pub list: Vec<(QuestionId, AnswerKind)>,
    /// Those whose answers a service tells in the call.
    pub told: Vec<(QuestionId, AnswerKind)>,
}

impl Default for Questions {
    fn default() -> Self {
        Self { ask: 2, spare: 1, list: Vec::new(), told: Vec::new() }
    }
}

impl Questions {
    /// All questions that can be asked.
    pub fn all(&self) -> impl Iterator<Item = &(QuestionId, AnswerKind)> {
        self.list.iter().chain(&self.told)
    }

    /// Whether a subject who has answered none beforehand can be asked as many as are asked at a time.
    #[must_use]
    pub fn for_everybody(&self) -> bool {
        self.ask > 0 && self.told.len() >= usize::from(self.ask)
    }

    /// Whether the answer that a caller keyed is the one that a service told.
    #[must_use]
    pub fn tells(&self, question: &str, keys: &str, told: &str) -> bool {
        let kind = self.told.iter().find(|(id, _)| id.as_str() == question).map(|(_, kind)| *kind);
        // An amount of money comes with its currency.
        let plain = told.trim_end_matches(|c: char| c.is_ascii_uppercase() || c == ' ');
        let told = if kind == Some(AnswerKind::Digits) { plain } else { told };
        let right = kind.and_then(|kind| kind.keys(&Secret::new(told.to_owned())));
        right.is_some_and(|right| right.matches(keys.as_bytes()))
    }
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// A number.
    Digits,
    /// A day: keyed as day, month and year with eight digits.
    Date,
    /// Words, each letter by its key.
    Letters,
}

/// An answer that can't be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The policy does not ask that.
    #[error("the policy has no question `{0}`")]
    Unknown(QuestionId),
    /// It does not fit its question.
    #[error("the answer to `{0}` is not {1}")]
    Unfit(QuestionId, &'static str),
    /// Fewer answers than are asked for at a time.
    #[error("the policy asks {0} questions at a time: give at least as many answers")]
    Few(u8),
}

impl AnswerKind {
    /// The keys of an answer, as it is written down; `None` when it is none of this kind.
    #[must_use]
    pub fn keys(self, answer: &Secret<String>) -> Option<Secret<String>> {
        let answer = answer.expose().trim();
        let keys = match self {
            Self::Digits => Secret::new(answer.chars().filter(|c| !" -.,".contains(*c)).collect::<String>()),
            Self::Date => {
                let part = |from, to| answer.get(from..to).filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
                let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
                let dashes =
                    answer.len() == 10 && answer.get(4..5) == Some("-") && answer.get(7..8) == Some("-");
                let fits = (1..=12).contains(&month.parse::<u8>().ok()?)
                    && (1..=31).contains(&day.parse::<u8>().ok()?);
                (dashes && fits).then(|| Secret::new(format!("{day}{month}{year}")))?
            }
            Self::Letters => password::keys(&Secret::new(answer.to_owned())).ok()?,
        };
        let digits = keys.expose().bytes().all(|byte| byte.is_ascii_digit());
        let length = u8::try_from(keys.expose().len()).is_ok_and(|length| (2..=LONGEST).contains(&length));
        (digits && length).then_some(keys)
    }

    /// What it is, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Digits => "a number of 2 to 24 digits",
            Self::Date => "a day, written as 1980-03-21",
            Self::Letters => "a word of 2 to 24 letters and digits",
        }
    }
}

/// An answer that is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    question: String,
    hash: String,
}

/// The keys of answers, if they can be kept: each fits its question, and there are enough.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(
    policy: &Questions,
    answers: &[(QuestionId, Secret<String>)],
) -> Result<Vec<(QuestionId, Secret<String>)>, Refusal> {
    let mut keyed: Vec<(QuestionId, Secret<String>)> = Vec::new();
    for (question, answer) in answers {
        let known = policy.list.iter().find(|(id, _)| id == question).map(|(_, kind)| *kind);
        let kind = known.ok_or_else(|| Refusal::Unknown(question.clone()))?;
        let keys = kind.keys(answer).ok_or_else(|| Refusal::Unfit(question.clone(), kind.words()))?;
        keyed.retain(|(id, _)| id != question);
        keyed.push((question.clone(), keys));
    }
    if keyed.len() < usize::from(policy.ask) { Err(Refusal::Few(policy.ask)) } else { Ok(keyed) }
}

/// What is kept of answers' keys. `salts`: fresh, one for each.
///
/// # Errors
/// When argon2 gets no memory.
pub fn encode(
    pepper: &Secret<[u8; 32]>,
    tenant: &str,
    subject: SubjectKey,
    answers: &[(QuestionId, Secret<String>)],
    salts: &[[u8; SALT_BYTES]],
) -> Result<Secret<Vec<u8>>, JudgeError> {
    let mut kept = Vec::new();
    for ((question, keys), salt) in answers.iter().zip(salts) {
        let peppered = peppered_as(&kind(question.as_str()), pepper, tenant, subject, keys);
        kept.push(Kept { question: question.to_string(), hash: PinHash::make(&peppered, *salt)?.encode() });
    }
    Ok(Secret::new(serde_json::to_vec(&kept).map_err(|_| JudgeError)?))
}

/// The questions that were answered at enrolment.
///
/// # Errors
/// When the kept data can't be read.
pub fn answered(data: &Secret<Vec<u8>>) -> Result<Vec<QuestionId>, JudgeError> {
    let kept: Vec<Kept> = serde_json::from_slice(data.expose()).map_err(|_| JudgeError)?;
    Ok(kept.iter().map(|kept| QuestionId::from(kept.question.as_str())).collect())
}

/// Which questions are asked: of those that were answered and are still in the policy, in an order that follows
/// from `draw` (a keyed hash of subject and question), the next ones after so many failures.
#[must_use]
pub fn chosen(
    policy: &Questions,
    answered: &[QuestionId],
    failures: u32,
    draw: impl Fn(&QuestionId) -> [u8; 32],
) -> Vec<QuestionId> {
    let mut pool: Vec<QuestionId> = answered.to_vec();
    pool.retain(|question| policy.list.iter().any(|(id, _)| id == question));
    pool.extend(policy.told.iter().map(|(id, _)| id.clone()));
    pool.sort_by_key(&draw);
    pool.truncate(usize::from(policy.ask).saturating_add(policy.spare.into()));
    let ask = usize::from(policy.ask);
    if pool.len() < ask || ask == 0 {
        return Vec::new();
    }
    let turns = usize::try_from(failures).unwrap_or(0).wrapping_mul(ask) % pool.len();
    pool.rotate_left(turns);
    pool.truncate(ask);
    pool
}

/// Judges answers: a line `question=keys` for each, one argon2id for each; `question=keys=told` for one whose
/// answer a service has told. Which questions they must be is the
/// vault's to say.
///
/// # Errors
/// When the kept data can't be read, or argon2 gets no memory.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    let kept: Vec<Kept> = serde_json::from_slice(judging.data.expose()).map_err(|_| JudgeError)?;
    let stand_in = kept.first().ok_or(JudgeError)?;
    let mut right = true;
    let mut seen: Vec<&str> = Vec::new();
    for line in judging.response.expose().lines().take(MOST) {
        let (question, keys) = line.split_once('=').unwrap_or(("", ""));
        let (keys, told) = keys.split_once('=').map_or((keys, None), |(keys, told)| (keys, Some(told)));
        let asked = &judging.policy.questions;
        let is_told = asked.told.iter().any(|(id, _)| id.as_str() == question);
        let as_told = told.is_some_and(|told| asked.tells(question, keys, told));
        let keys = Secret::new(keys.to_owned());
        let peppered = peppered_as(&kind(question), judging.pepper, judging.tenant, judging.subject, &keys);
        let own = kept.iter().find(|kept| kept.question == question);
        // Each answer costs the same, also one to a question that nobody answered.
        let fits = PinHash::decode(&own.unwrap_or(stand_in).hash)?.verify(&peppered)?;
        let kept = fits & own.is_some() & told.is_none();
        right &= if is_told { as_told } else { kept } & !seen.contains(&question);
        seen.push(question);
    }
    right &= !seen.is_empty() && seen.len() == usize::from(judging.policy.questions.ask);
    Ok(Judged { right, step: None, renewed: None })
}

/// The questions that a response answers.
#[must_use]
pub fn named(response: &Secret<String>) -> Vec<QuestionId> {
    response.expose().lines().filter_map(|line| Some(line.split_once('=')?.0.into())).collect()
}

/// One question's answer is never another's.
fn kind(question: &str) -> String {
    format!("{NAME}:{question}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::UnixTime;

    const SUBJECT: SubjectKey = SubjectKey([1; 16]);

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn policy() -> Questions {
        let list = [("birth", AnswerKind::Date), ("pet", AnswerKind::Letters), ("door", AnswerKind::Digits)];
        let list = list.map(|(id, kind)| (id.into(), kind)).into();
        Questions { ask: 2, spare: 1, list, told: vec![("paid".into(), AnswerKind::Digits)] }
    }

    fn judged(data: &Secret<Vec<u8>>, response: &str) -> bool {
        let judging = Judging {
            data,
            response: &secret(response),
            subject: SUBJECT,
            tenant: "default",
            pepper: &Secret::new([7; 32]),
            fresh: None,
            salt: [5; SALT_BYTES],
            now: UnixTime(0),
            policy: &FactorPolicy { questions: policy(), ..defaults() },
            last_step: None,
        };
        judge(&judging).is_ok_and(|judged| judged.right)
    }

    fn data() -> Secret<Vec<u8>> {
        let answers = [("birth", "1980-03-21"), ("pet", "Señor Tiddles"), ("door", "17-4")];
        let answers = answers.map(|(id, answer)| (id.into(), secret(answer)));
        let keyed = check(&policy(), &answers).unwrap_or_default();
        encode(&Secret::new([7; 32]), "default", SUBJECT, &keyed, &[[9; SALT_BYTES]; 3])
            .unwrap_or_else(|_| Secret::new(Vec::new()))
    }

    #[test]
    fn answers_are_right_together_and_to_their_own_questions() {
        let data = data();
        assert!(judged(&data, "birth=21031980\npet=736678433537"));
        assert!(judged(&data, "door=174\nbirth=21031980"));
        for wrong in [
            "birth=21031980",
            "birth=21031980\nbirth=21031980",
            "birth=21031981\npet=736678433537",
            "birth=21031980\npet=736678433538",
            "birth=736678433537\npet=21031980",
            "birth=21031980\nmother=736678433537",
            "birth=21031980\npet=736678433537\ndoor=174",
            "",
            "\n",
        ] {
            assert!(!judged(&data, wrong), "{wrong}");
        }
    }

    #[test]
    fn an_answer_that_a_service_tells_is_compared_with_that() {
        let data = data();
        assert!(judged(&data, "birth=21031980\npaid=1250=12.50"));
        assert!(judged(&data, "birth=21031980\npaid=1250=12.50 GBP"));
        for wrong in [
            "birth=21031980\npaid=1251=12.50",
            // A service that told nothing, or no number.
            "birth=21031980\npaid=1250",
            "birth=21031980\npaid==",
            "birth=21031980\npaid=1250=unknown",
            // What is kept is not told.
            "birth=21031980=1980-03-21\npaid=1250=12.50",
        ] {
            assert!(!judged(&data, wrong), "{wrong}");
        }
    }

    #[test]
    fn an_answer_has_to_fit_its_question() {
        let given = |id: &str, answer: &str| {
            let others = [("door", "174"), ("pet", "rex")].map(|(id, answer)| (id.into(), secret(answer)));
            check(&policy(), &[others.as_slice(), &[(id.into(), secret(answer))]].concat()).err()
        };
        assert_eq!(given("birth", "2001-12-03"), None);
        for answer in ["03.12.2001", "2001-13-03", "2001-12-32", "20011203", ""] {
            assert!(matches!(given("birth", answer), Some(Refusal::Unfit(..))), "{answer}");
        }
        assert!(matches!(given("door", "17b"), Some(Refusal::Unfit(..))));
        assert!(matches!(given("mother", "x"), Some(Refusal::Unknown(_))));
        let one = [("door".into(), secret("174"))];
        assert_eq!(check(&policy(), &one).err(), Some(Refusal::Few(2)));
    }

    #[test]
    fn a_failure_brings_other_questions_and_nothing_else_does() {
        let all: Vec<QuestionId> = ["a", "b", "c", "d", "e"].map(QuestionId::from).into();
        let list = all.iter().map(|id| (id.clone(), AnswerKind::Digits)).collect();
        let policy = Questions { ask: 2, spare: 2, list, told: Vec::new() };
        let draw = |id: &QuestionId| {
            let mut out = [0; 32];
            out[0] = id.as_str().as_bytes()[0].wrapping_mul(97);
            out
        };
        let first = chosen(&policy, &all, 0, draw);
        let second = chosen(&policy, &all, 1, draw);
        assert_eq!((first.len(), second.len()), (2, 2));
        assert!(first.iter().all(|id| !second.contains(id)), "{first:?} {second:?}");
        assert_eq!(chosen(&policy, &all, 0, draw), first, "hanging up brings no others");
        assert_eq!(chosen(&policy, &all, 2, draw), first, "there are no more spares");
        assert_eq!(chosen(&policy, &all[..1], 0, draw), [], "too few were answered");
    }
}
