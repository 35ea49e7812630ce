//! A vault for flow tests: who is on file, what they have enrolled, how often they were wrong.
//!
//! It counts with the real [`Throttle`] in the real order (an attempt is a failure first, then judged), and
//! one-time codes are computed from the virtual calendar. Only the slow hash of a PIN is left out: it is
//! compared in clear. A subject that does not exist is a ghost here too, takes as long, and is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::auth::ask::Whose;
use crate::auth::factor::pin;
use crate::auth::factor::totp::Parameters;
use crate::auth::throttle::{Admission, Throttle};
use crate::auth::{
    Answer, AuditKind, Claim, Enrolment, FactorId, Identified, Policy, Prepared, Question, Refused,
    SubjectKey, SubjectRef, Verdict,
};
use crate::secret::Secret;
use crate::units::UnixTime;

use super::document::{Fixture, Person};

/// The vault of one test; what it has counted stays from call to call.
pub(super) struct Vault {
    policy: Arc<Policy>,
    people: Vec<Person>,
    throttles: HashMap<SubjectKey, Throttle>,
    /// The last accepted step of each generator.
    used: HashMap<(SubjectKey, FactorId), u64>,
    /// Small values kept from call to call, by whose they are and their name.
    kept: HashMap<(String, String), String>,
    open: bool,
    /// What was noted for the audit log, in order.
    pub(super) audited: Vec<AuditKind>,
}

/// How long each answer takes: the same whoever is asked about.
const LOOK_UP: Duration = Duration::from_millis(30);
const JUDGEMENT: Duration = Duration::from_millis(120);

impl Vault {
    pub(super) fn new(policy: Arc<Policy>, fixture: &Fixture) -> Self {
        Self {
            policy,
            people: fixture.people.clone(),
            throttles: HashMap::new(),
            used: HashMap::new(),
            kept: HashMap::new(),
            open: fixture.facts.get("vault").is_none_or(|state| state != "unavailable"),
            audited: Vec::new(),
        }
    }

    /// The answer, and how long it takes.
    pub(super) fn answer(&mut self, now: UnixTime, question: Question) -> (Duration, Answer) {
        if !self.open {
            return (LOOK_UP, Answer::Unavailable);
        }
        match question {
            Question::Identify { claim } => (LOOK_UP, Answer::Identified(self.identify(&claim))),
            Question::Enrolled { subject } => (LOOK_UP, Answer::Enrolled(self.usable(now, subject.key()))),
            Question::Prepare { .. } => (LOOK_UP, Answer::Prepared(Prepared::Unavailable)),
            Question::Verify { subject, factor, response, .. } => {
                (JUDGEMENT, self.verify(now, subject.key(), factor, &response))
            }
            Question::Enrol { grant, factor, secret, replace } => {
                let enrolment = self.enrol(now, grant.subject().key(), factor, secret, replace);
                (JUDGEMENT, enrolment.map_or(Answer::Unavailable, Answer::Enrolment))
            }
            Question::Remember { whose, name, value } => {
                self.kept.insert((kept_by(&whose), name), value);
                (LOOK_UP, Answer::Remembered)
            }
            Question::Recall { whose, name } => {
                (LOOK_UP, Answer::Recalled(self.kept.get(&(kept_by(&whose), name)).cloned()))
            }
            Question::Audit(event) => {
                self.audited.push(event.kind);
                (LOOK_UP, Answer::Audited(true))
            }
        }
    }

    fn identify(&self, claim: &Claim) -> Identified {
        let (kind, value) = match claim {
            Claim::Account(account) => ("account", account.expose().as_str()),
            Claim::CallerNumber(number) => ("phone", number.expose().as_str()),
            Claim::SubjectId(id) => ("id", id.as_str()),
        };
        let fits = |person: &&Person| match kind {
            "account" => person.account.as_ref().is_some_and(|own| digits(own) == digits(value)),
            "phone" => person.phones.iter().any(|own| digits(own) == digits(value)),
            _ => person.id == value,
        };
        let found: Vec<&Person> = self.people.iter().filter(fits).collect();
        match found.as_slice() {
            [] => {
                let ghost = key_of(kind, value);
                Identified::None(SubjectRef::new(ghost, ghost.to_string()))
            }
            [one] => Identified::One(SubjectRef::new(key_of("person", &one.id), one.id.as_str())),
            _ => Identified::Many,
        }
    }

    /// A ghost has what some real subject has, or everything where there is none.
    fn usable(&self, now: UnixTime, subject: SubjectKey) -> Result<Vec<FactorId>, Refused> {
        let throttle = self.throttles.get(&subject).cloned().unwrap_or_default();
        if throttle.locked(now) {
            return Err(Refused::Locked);
        }
        let limits = &self.policy.lockout;
        let known = self.person(subject).or_else(|| self.people.first());
        let enrolled: Vec<FactorId> = match known {
            Some(person) => person.factors.iter().map(|(factor, _)| *factor).collect(),
            None => FactorId::ALL.to_vec(),
        };
        let usable = |f: &FactorId| self.policy.factor(*f).is_some() && !throttle.stopped(*f, limits);
        Ok(enrolled.into_iter().filter(usable).collect())
    }

    /// Counts, judges, settles: in this order.
    fn verify(
        &mut self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        response: &Secret<String>,
    ) -> Answer {
        let limits = self.policy.lockout;
        let before = self.throttles.get(&subject).cloned().unwrap_or_default();
        let mut throttle = before.clone();
        let may = throttle.reserve(now, factor, &limits) == Admission::Reserved;
        let mut locked = throttle.locked(now) || !may;
        let step = self.judge(now, subject, factor, response);
        let mut verdict = Verdict::Reject;
        if let (Some(step), true) = (step, may) {
            throttle.succeeded(&before, factor);
            self.used.extend(step.map(|step| ((subject, factor), step)));
            verdict = Verdict::Accept;
            locked = false;
        }
        self.throttles.insert(subject, throttle);
        self.audited.push(AuditKind::Verified { factor, verdict, locked });
        Answer::Verdict { verdict, locked, expired: false }
    }

    /// Keeps a factor, if the policy's rules let it be one.
    fn enrol(
        &mut self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        secret: Secret<String>,
        replace: bool,
    ) -> Option<Enrolment> {
        let policy = self.policy.factor(factor).filter(|_| factor == FactorId::Pin)?.clone();
        let throttle = self.throttles.entry(subject).or_default();
        if throttle.locked(now) {
            return Some(Enrolment::Locked);
        }
        let person = self.people.iter_mut().find(|person| key_of("person", &person.id) == subject)?;
        if !replace && person.factors.iter().any(|(own, _)| *own == factor) {
            return Some(Enrolment::Exists);
        }
        let own: Vec<Secret<String>> =
            person.account.iter().chain(&person.phones).map(|number| Secret::new(number.clone())).collect();
        if pin::check(&secret, &policy, &own.iter().collect::<Vec<_>>()).is_err() {
            return Some(Enrolment::Refused);
        }
        person.factors.retain(|(own, _)| *own != factor);
        person.factors.push((factor, secret));
        throttle.enrolled(factor);
        self.audited.push(AuditKind::Enrolled { factor });
        Some(Enrolment::Done)
    }

    /// `Some` when it is right; the step that a code uses up inside.
    fn judge(
        &self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        response: &Secret<String>,
    ) -> Option<Option<u64>> {
        let proof = self.proof(self.person(subject)?, factor)?;
        match factor {
            FactorId::Pin => response.matches(proof.expose().as_bytes()).then_some(None),
            FactorId::Totp => {
                let policy = self.policy.factor(factor)?;
                let last = self.used.get(&(subject, factor)).copied();
                let step = Parameters::of(policy).judge(&seed(proof), now, policy.drift, last, response)?;
                Some(Some(step))
            }
            _ => None,
        }
    }

    /// What a caller who is this subject would key now. Nobody's are digits that fit and are wrong.
    pub(super) fn right(
        &self,
        now: UnixTime,
        subject: Option<SubjectKey>,
        factor: FactorId,
    ) -> Option<Secret<String>> {
        let proof = self.proof(self.person(subject?)?, factor)?;
        match factor {
            FactorId::Pin => Some(proof.clone()),
            FactorId::Totp => {
                let parameters = Parameters::of(self.policy.factor(factor)?);
                Some(parameters.code(&seed(proof), parameters.step_at(now)))
            }
            _ => None,
        }
    }

    /// Digits of the right length that are wrong, whoever the caller is.
    pub(super) fn wrong(
        &self,
        now: UnixTime,
        subject: Option<SubjectKey>,
        factor: FactorId,
    ) -> Secret<String> {
        let length = self.policy.factor(factor).map_or(6, |policy| usize::from(*policy.digits.end()));
        let right = self.right(now, subject, factor).unwrap_or_else(|| Secret::new("5".repeat(length)));
        let moved = right
            .expose()
            .chars()
            .map(|c| c.to_digit(10).map_or(c, |digit| DIGITS[(digit as usize + 5) % 10]));
        Secret::new(moved.collect())
    }

    fn proof<'a>(&self, person: &'a Person, factor: FactorId) -> Option<&'a Secret<String>> {
        person.factors.iter().find(|(own, _)| *own == factor).map(|(_, proof)| proof)
    }

    fn person(&self, subject: SubjectKey) -> Option<&Person> {
        self.people.iter().find(|person| key_of("person", &person.id) == subject)
    }
}

const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// A seed as a test writes it: any text stands for its own bytes.
fn seed(proof: &Secret<String>) -> Secret<Vec<u8>> {
    Secret::new(proof.expose().clone().into_bytes())
}

fn kept_by(whose: &Whose) -> String {
    match whose {
        Whose::Subject(key) => key.to_string(),
        Whose::Number(number) => digits(number.expose()),
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn key_of(kind: &str, value: &str) -> SubjectKey {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(value).finalize();
    let mut key = [0; 16];
    key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    SubjectKey(key)
}
