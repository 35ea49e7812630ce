//! A vault for flow tests: who is on file, what they have enrolled, how often they were wrong.
//!
//! It counts with the real [`Throttle`] in the real order (an attempt is a failure first, then judged), and
//! one-time codes are computed from the virtual calendar. Only the slow hash of a PIN is left out: it is
//! compared in clear. A subject that does not exist is a ghost here too, takes as long, and is counted.

mod amended;
mod heard;
mod keyed;
mod names;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::factor::hotp::{Counted, Fob};
use crate::auth::factor::totp::Parameters;
use crate::auth::factor::{password, pin, questions};
use crate::auth::throttle::{Admission, Attempt, Lane, Throttle};
use crate::auth::{
    Answer, AuditKind, Claim, Enrolment, FactorId, Identified, Meeting, Policy, Prepared, Question,
    QuestionId, Refused, Response, Source, SubjectKey, SubjectRef, Verdict,
};
use crate::secret::Secret;
use crate::units::UnixTime;

pub(crate) use self::keyed::answer;
use self::keyed::{answers, codes, keys, seed};
use self::names::{digits, kept_by, key_of};
use super::document::{Fixture, Person, Voice};
use super::places::Places;
use super::sent::Sent;

/// The vault of one test; what it has counted stays from call to call.
pub(super) struct Vault {
    policy: Arc<Policy>,
    people: Vec<Person>,
    throttles: HashMap<SubjectKey, Throttle>,
    places: Places,
    /// The last accepted step of each generator.
    used: HashMap<(SubjectKey, FactorId), u64>,
    /// The counters of fobs whose last code was too far ahead.
    ahead: HashMap<SubjectKey, u64>,
    /// Small values kept from call to call, by whose they are and their name.
    kept: HashMap<(String, String), String>,
    sent: Sent,
    open: bool,
    /// Whose voice is heard.
    voice: Voice,
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
            places: Places::default(),
            used: HashMap::new(),
            ahead: HashMap::new(),
            kept: HashMap::new(),
            sent: Sent::new(fixture),
            open: fixture.facts.get("vault").is_none_or(|state| state != "unavailable"),
            voice: Voice::Genuine,
            audited: Vec::new(),
        }
    }

    /// A call begins.
    pub(super) fn called(&mut self, now: UnixTime, source: Source) {
        self.places.called(now, source);
    }

    /// The answer, and how long it takes.
    pub(super) fn answer(&mut self, now: UnixTime, question: Question) -> (Duration, Answer) {
        if !self.open {
            return (LOOK_UP, Answer::Unavailable);
        }
        match question {
            Question::Identify { claim } => {
                let found = self.identify(&claim);
                let limits = self.policy.lockout;
                match &found {
                    Identified::One(subject) => self.places.asked(now, (subject.key(), true), &limits),
                    Identified::None(ghost) => self.places.asked(now, (ghost.key(), false), &limits),
                    Identified::Many | Identified::Unavailable => {}
                }
                (LOOK_UP, Answer::Identified(found))
            }
            Question::Suspect { said, .. } => {
                (JUDGEMENT, Answer::Suspected(self.voice == Voice::Fraudster && !said.is_empty()))
            }
            Question::Velocity => (LOOK_UP, Answer::Velocity(self.places.seen(now))),
            Question::Enrolled { subject } => (LOOK_UP, Answer::Enrolled(self.usable(now, subject.key()))),
            Question::Prepare { subject, factor: FactorId::Questions, .. } => {
                (LOOK_UP, Answer::Prepared(self.questions(now, subject.key())))
            }
            Question::Prepare { subject, factor, again, .. } => {
                (LOOK_UP, Answer::Prepared(self.prepare(now, subject.key(), factor, again)))
            }
            Question::Verify { subject, factor, response, .. } => {
                let answer = match (factor, response) {
                    (FactorId::Voiceprint, Response::Spoken(spoken)) => {
                        self.verify_voice(now, subject.key(), &spoken)
                    }
                    (FactorId::Voiceprint, _) | (_, Response::Spoken(_)) => Answer::Unavailable,
                    (_, Response::Keyed(keyed)) => self.verify(now, subject.key(), factor, &keyed),
                };
                (JUDGEMENT, answer)
            }
            Question::Enrol { grant, factor, secret, replace } => {
                let subject = grant.subject().key();
                let enrolment = match (factor, secret) {
                    (FactorId::Voiceprint, Response::Spoken(spoken)) => {
                        self.enrol_voice(now, subject, &spoken, replace)
                    }
                    (_, Response::Spoken(_)) => None,
                    (_, Response::Keyed(keyed)) => self.enrol(now, subject, factor, keyed, replace),
                };
                (JUDGEMENT, enrolment.map_or(Answer::Unavailable, Answer::Enrolment))
            }
            Question::Amend { grant, amendment } => {
                let amended = self.amend(now, &grant, &amendment);
                (JUDGEMENT, amended.map_or(Answer::Unavailable, Answer::Enrolment))
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
        let limits = &self.policy.lockout;
        let lane = self.lane(subject);
        if throttle.locked_in(now, lane) || (lane == Lane::Open && self.places.locked(now, limits)) {
            return Err(Refused::Locked);
        }
        let known = self.person(subject).or_else(|| self.people.first());
        let enrolled: Vec<FactorId> = match known {
            Some(person) => {
                let left = |(_, proof): &&(FactorId, Secret<String>)| codes(proof).next().is_some();
                person.factors.iter().filter(left).map(|(factor, _)| *factor).collect()
            }
            None => FactorId::ALL.to_vec(),
        };
        let asked =
            self.policy.factor(FactorId::Questions).is_some_and(|used| used.questions.for_everybody());
        let more = (asked && !enrolled.contains(&FactorId::Questions)).then_some(FactorId::Questions);
        let usable = |f: &FactorId| self.policy.factor(*f).is_some() && !throttle.stopped(*f, limits);
        Ok(enrolled.into_iter().chain(more).filter(usable).collect())
    }

    fn prepare(&mut self, now: UnixTime, subject: SubjectKey, factor: FactorId, again: bool) -> Prepared {
        let throttle = self.throttles.get(&subject).cloned().unwrap_or_default();
        match self.policy.factor(factor) {
            Some(_) if throttle.locked_in(now, self.lane(subject)) => Prepared::Locked,
            Some(policy) if factor.meeting() == Meeting::Sent => {
                let prepared = self.sent.prepare(now, policy, subject, again);
                if matches!(prepared, Prepared::Sent { .. }) {
                    self.audited.push(AuditKind::Sent { factor });
                }
                prepared
            }
            _ => Prepared::Unavailable,
        }
    }

    /// The number that the call comes from: nothing is counted.
    fn judge_number(&mut self, now: UnixTime, subject: SubjectKey, number: &Secret<String>) -> Answer {
        let factor = FactorId::Number;
        let locked = self.throttles.get(&subject).is_some_and(|throttle| throttle.locked(now));
        let own = self.person(subject).and_then(|person| self.proof(person, factor));
        let right = own.is_some_and(|own| digits(own.expose()) == digits(number.expose())) && !locked;
        let verdict = if right { Verdict::Accept } else { Verdict::Reject };
        self.audited.push(AuditKind::Verified { factor, verdict, locked });
        Answer::Verdict { verdict, locked, expired: false, left: None }
    }

    /// Counts, judges, settles: in this order.
    fn verify(
        &mut self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        response: &Secret<String>,
    ) -> Answer {
        if factor.meeting() == Meeting::Silent {
            return self.judge_number(now, subject, response);
        }
        let limits = self.policy.lockout;
        let before = self.throttles.get(&subject).cloned().unwrap_or_default();
        let mut throttle = before.clone();
        let attempt = Attempt::of(&self.policy, factor, self.lane(subject));
        let counted = self.places.reserve(&mut throttle, now, attempt, &limits);
        let may = counted.admission.may();
        let mut locked = counted.locked || !may;
        let fewer = match counted.admission {
            Admission::Reserved { codes } if codes < attempt.codes => Some(codes),
            _ => None,
        };
        let forced = factor == FactorId::Pin && self.under_duress(subject, response);
        let sent = factor.meeting() == Meeting::Sent;
        let (fits, mut expired) = self.sent.judge(now, (subject, factor), response);
        let step = match sent {
            true => (fits && self.person(subject).is_some()).then_some(None),
            false if forced => Some(None),
            false => self.judge(now, subject, factor, response, fewer),
        };
        expired &= sent;
        let mut verdict = Verdict::Reject;
        if let (Some(step), true) = (step, may) {
            throttle.succeeded(&before, factor);
            self.places.give_back(now, &limits);
            self.used.extend(step.map(|step| ((subject, factor), step)));
            if factor == FactorId::Recovery {
                self.strike(subject, response);
            }
            if sent {
                self.sent.spend((subject, factor));
            }
            verdict = Verdict::Accept;
            locked = false;
        }
        self.throttles.insert(subject, throttle);
        self.audited.push(AuditKind::Verified { factor, verdict, locked });
        if forced && verdict == Verdict::Accept {
            self.audited.push(AuditKind::Duress { factor });
            return Answer::Forced;
        }
        let list = self.person(subject).and_then(|person| self.proof(person, FactorId::Recovery));
        let used = factor == FactorId::Recovery && verdict == Verdict::Accept;
        let left = list.filter(|_| used).and_then(|list| u8::try_from(codes(list).count()).ok());
        Answer::Verdict { verdict, locked, expired, left }
    }

    /// The first right code of what was handed out: it counts from now on.
    fn confirm(
        &mut self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        code: &Secret<String>,
        replace: bool,
    ) -> Option<Enrolment> {
        let limits = self.policy.lockout;
        let person = self.person(subject)?;
        if !replace && person.factors.iter().any(|(own, _)| *own == factor) {
            return Some(Enrolment::Exists);
        }
        let seed = person.offered.iter().find(|(own, _)| *own == factor).map(|(_, seed)| seed.clone())?;
        let before = self.throttles.get(&subject).cloned().unwrap_or_default();
        let mut throttle = before.clone();
        let attempt = Attempt { factor, codes: 1, least: 1, lane: Lane::Open };
        let may = throttle.reserve(now, attempt, &limits).may();
        let locked = throttle.locked(now) || !may;
        let last = self.used.remove(&(subject, factor));
        let step = self.judge_by(now, subject, factor, &seed, code, None).flatten().filter(|_| may);
        let kept = match step {
            Some(step) => {
                throttle.succeeded(&before, factor);
                self.used.insert((subject, factor), step);
                let people = self.people.iter_mut();
                for person in people.filter(|person| key_of("person", &person.id) == subject) {
                    person.offered.retain(|(own, _)| *own != factor);
                    person.factors.retain(|(own, _)| *own != factor);
                    person.factors.push((factor, seed.clone()));
                }
                self.audited.push(AuditKind::Enrolled { factor });
                Enrolment::Done
            }
            None => {
                self.used.extend(last.map(|last| ((subject, factor), last)));
                if locked { Enrolment::Locked } else { Enrolment::Refused }
            }
        };
        self.throttles.insert(subject, throttle);
        Some(kept)
    }

    /// Whether it is the PIN that somebody uses who is not free.
    fn under_duress(&self, subject: SubjectKey, response: &Secret<String>) -> bool {
        let second = self.person(subject).and_then(|person| person.duress.as_ref());
        self.policy.duress.is_some() && second.is_some_and(|pin| response.matches(pin.expose().as_bytes()))
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
        if matches!(factor, FactorId::Totp | FactorId::Hotp) {
            return self.confirm(now, subject, factor, &secret, replace);
        }
        let chosen = matches!(factor, FactorId::Pin | FactorId::Password);
        let policy = self.policy.factor(factor).filter(|_| chosen)?.clone();
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
        let own: Vec<&Secret<String>> = own.iter().collect();
        let fits = match factor {
            FactorId::Password => password::check(&secret, &policy, &own).is_ok(),
            _ => pin::check(&secret, &policy, &own).is_ok(),
        };
        if !fits {
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
        &mut self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        response: &Secret<String>,
        fewer: Option<u32>,
    ) -> Option<Option<u64>> {
        let kept = self.proof(self.person(subject)?, factor).cloned();
        // Of answers that a service tells nothing is kept.
        let none = (factor == FactorId::Questions).then(|| Secret::new(String::new()));
        let proof = &kept.or(none)?;
        self.judge_by(now, subject, factor, proof, response, fewer)
    }

    /// The same by what is or was handed out to them.
    fn judge_by(
        &mut self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        proof: &Secret<String>,
        response: &Secret<String>,
        fewer: Option<u32>,
    ) -> Option<Option<u64>> {
        let used = self.policy.factor(factor)?;
        let policy = &fewer.map_or_else(|| used.clone(), |codes| used.narrowed(codes));
        let last = self.used.get(&(subject, factor)).copied();
        match factor {
            FactorId::Pin => response.matches(proof.expose().as_bytes()).then_some(None),
            FactorId::Password => response.matches(keys(proof).expose().as_bytes()).then_some(None),
            FactorId::Questions => {
                let asked = &policy.questions;
                let right = |line: &str| {
                    let (question, keyed) = line.split_once('=').unwrap_or_default();
                    if asked.told.iter().any(|(id, _)| id.as_str() == question) {
                        let told = keyed.split_once('=');
                        return told.is_some_and(|(keyed, told)| asked.tells(question, keyed, told));
                    }
                    let own = answers(proof).find(|(id, _)| id.as_str() == question);
                    let kind =
                        asked.list.iter().find(|(id, _)| id.as_str() == question).map(|(_, kind)| *kind);
                    let keys = own.zip(kind).and_then(|((_, answer), kind)| kind.keys(&answer));
                    keys.is_some_and(|keys| keys.matches(keyed.as_bytes()))
                };
                let lines = response.expose().lines();
                (lines.clone().count() == usize::from(asked.ask) && lines.into_iter().all(right))
                    .then_some(None)
            }
            FactorId::Recovery => codes(proof).any(|code| response.matches(code.as_bytes())).then_some(None),
            FactorId::Totp => {
                Some(Some(Parameters::of(policy).judge(&seed(proof), now, policy.drift, last, response)?))
            }
            FactorId::Hotp => {
                let fob = Fob { ahead: self.ahead.get(&subject).copied(), ..Fob::of(policy) };
                let counted = fob.judge(&seed(proof), policy, last, response);
                self.ahead.remove(&subject);
                match counted {
                    Counted::Right(counter) => Some(Some(counter)),
                    Counted::Ahead(counter) => {
                        self.ahead.insert(subject, counter);
                        None
                    }
                    Counted::Wrong => None,
                }
            }
            _ => None,
        }
    }

    /// Which questions are asked, in the order of the policy.
    fn questions(&self, now: UnixTime, subject: SubjectKey) -> Prepared {
        let throttle = self.throttles.get(&subject).cloned().unwrap_or_default();
        if throttle.locked(now) {
            return Prepared::Locked;
        }
        match self.asked_now(subject, &throttle) {
            Some(asked) if !asked.is_empty() => Prepared::Questions(asked),
            _ => Prepared::Exhausted,
        }
    }

    fn asked_now(&self, subject: SubjectKey, throttle: &Throttle) -> Option<Vec<QuestionId>> {
        let policy = &self.policy.factor(FactorId::Questions)?.questions;
        let known = self.person(subject).or_else(|| self.people.first());
        let kept = known.and_then(|person| self.proof(person, FactorId::Questions));
        let answered: Vec<QuestionId> = match kept {
            Some(kept) => answers(kept).map(|(question, _)| question).collect(),
            None if known.is_some() => Vec::new(),
            None => policy.list.iter().map(|(question, _)| question.clone()).collect(),
        };
        let place = |question: &QuestionId| {
            let at = policy.all().position(|(id, _)| id == question);
            let mut draw = [0; 32];
            draw[0] = at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX);
            draw
        };
        Some(questions::chosen(policy, &answered, throttle.run(FactorId::Questions), place))
    }

    /// A recovery code works once.
    fn strike(&mut self, subject: SubjectKey, used: &Secret<String>) {
        let person = self.people.iter_mut().find(|person| key_of("person", &person.id) == subject);
        let lists = person.into_iter().flat_map(|person| &mut person.factors);
        for (_, list) in lists.filter(|(factor, _)| *factor == FactorId::Recovery) {
            let left: Vec<&str> = codes(list).filter(|code| !used.matches(code.as_bytes())).collect();
            *list = Secret::new(left.join(" "));
        }
    }

    fn proof<'a>(&self, person: &'a Person, factor: FactorId) -> Option<&'a Secret<String>> {
        person.factors.iter().find(|(own, _)| *own == factor).map(|(_, proof)| proof)
    }

    /// Who tries.
    fn lane(&self, subject: SubjectKey) -> Lane {
        let numbers = self.person(subject).map(|person| person.phones.as_slice()).unwrap_or_default();
        self.places.lane(numbers, &self.policy.lockout)
    }

    fn person(&self, subject: SubjectKey) -> Option<&Person> {
        self.people.iter().find(|person| key_of("person", &person.id) == subject)
    }
}
