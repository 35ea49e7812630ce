//! One caller's authentication during one call: from a claim to a level, or not.
//!
//! `AuthSession` is a function of its inputs. A level rises only when the vault's verdict on the response
//! that is being judged is `Accept`; every other answer, error or order of events leaves it as it was. A
//! subject that does not exist is treated the same in every state: what differs is known to the vault only.
//!
//! ```text
//! Enrolled ──► Choosing ──► Preparing ──► Challenging ──► Verifying ──► reached, or the next factor
//!                 ▲  (where there is  (what is sent │   ▲        │
//!                 │     a choice)     or chosen)    │   └────────┤ wrong
//!                 └────── another way ──────────────┴────────────┘ can't be used now
//! ```

mod course;
mod grant;
mod io;
mod preparing;
mod spoken;
mod told;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::course::{Asked, Course};
use super::assurance::Proof;
use super::{
    Answer, AssuranceLevel, FactorId, LevelName, Meeting, Policy, Prepared, Question, QuestionId, Refused,
    SubjectKey, SubjectRef, Verdict,
};
use crate::secret::Secret;
use crate::units::{AskId, CallId};

pub use grant::Grant;
pub use io::{Challenge, Choose, Input, Outcome, Output};

/// The machine. Drain [`AuthSession::poll`] until [`Output::Idle`] after every input.
pub struct AuthSession {
    policy: Arc<Policy>,
    call: CallId,
    subject: Option<SubjectRef>,
    /// The calling number, where the network vouches for it in full.
    vouched: Option<Secret<String>>,
    proved: Vec<(FactorId, Instant)>,
    /// What callers set themselves in this call.
    changed: Vec<(SubjectKey, FactorId)>,
    failures: u32,
    codes_left: Option<u8>,
    /// How often the caller's voice was not the subject's.
    other_voice: u8,
    /// Right answers to questions, as a service told them.
    told: Vec<(QuestionId, Secret<String>)>,
    state: State,
    asked: u64,
    outputs: VecDeque<Output>,
}

enum State {
    Idle,
    /// Waiting for the list of enrolled factors.
    Enrolled {
        ask: AskId,
        course: Course,
    },
    /// Waiting for the caller to choose one of these.
    Choosing {
        course: Course,
        choices: Vec<FactorId>,
    },
    /// Waiting for what the factor needs before it can be asked for.
    Preparing {
        ask: AskId,
        course: Course,
        factor: FactorId,
        why: Preparing,
    },
    Challenging {
        course: Course,
        asked: Asked,
    },
    /// Waiting for the verdict.
    Verifying {
        ask: AskId,
        course: Course,
        asked: Asked,
    },
}

/// Why something is prepared.
enum Preparing {
    /// It is this factor's turn.
    First,
    /// The caller did not get what was sent for this challenge.
    Again(Asked),
    /// What was sent is too old.
    Expired,
}

/// Questions of an `AuthSession` carry this bit, so that its owner can number its own below it.
const ASKED_BY_AUTH: u64 = 1 << 63;

impl AuthSession {
    /// For one call. Nothing is claimed, nothing proved.
    #[must_use]
    pub const fn new(policy: Arc<Policy>, call: CallId) -> Self {
        Self {
            policy,
            call,
            subject: None,
            vouched: None,
            proved: Vec::new(),
            changed: Vec::new(),
            failures: 0,
            codes_left: None,
            other_voice: 0,
            told: Vec::new(),
            state: State::Idle,
            asked: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The call comes from this number, and the network vouches for it in full. Without it the calling number is
    /// no evidence of anything.
    pub fn vouched(&mut self, number: Secret<String>) {
        self.vouched = Some(number);
    }

    /// Whether a question was asked by an `AuthSession`.
    #[must_use]
    pub const fn asked(ask: AskId) -> bool {
        ask.0 & ASKED_BY_AUTH != 0
    }

    /// Somebody is claimed. Another subject than before starts with nothing proved; the call's
    /// failures stay. An authentication under way ends as insufficient.
    pub fn claimed(&mut self, subject: SubjectRef) {
        if self.subject.as_ref().is_none_or(|held| held.key() != subject.key()) {
            self.proved.clear();
            self.codes_left = None;
            self.told.clear();
        }
        self.subject = Some(subject);
        self.abandon();
    }

    /// The caller has set this factor of theirs in this call. It shows no more than what allowed them to: until the
    /// next call it proves nothing, or one factor would make itself a second one.
    pub fn changed(&mut self, factor: FactorId) {
        if let Some(subject) = &self.subject {
            self.changed.push((subject.key(), factor));
        }
    }

    fn was_changed(&self, factor: FactorId) -> bool {
        let subject = self.subject.as_ref().map(SubjectRef::key);
        self.changed.iter().any(|(whose, changed)| Some(*whose) == subject && *changed == factor)
    }

    /// Takes one input. Inputs that do not fit the state (late keys, stale answers) change nothing.
    pub fn handle(&mut self, now: Instant, input: Input) {
        debug_assert!(self.outputs.is_empty(), "law 2: outputs are drained before the next input");
        match input {
            Input::Begin { level, offer, choose } => self.begin(now, Course::to(level, offer, choose)),
            Input::Verify { factor } => self.begin(now, Course::one(factor)),
            Input::Chosen(factor) => self.chosen(now, factor),
            Input::Response(response) => self.respond(now, response),
            Input::Spoken(said) => self.spoken(said),
            Input::Unable => self.unable(now),
            Input::Again => self.again(),
            Input::Another => self.another(now),
            Input::Answer(ask, answer) => self.answered(now, ask, answer),
            Input::Abandon => self.abandon(),
        }
    }

    /// The next order.
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Idle)
    }

    /// The highest level held at `now`.
    #[must_use]
    pub fn level(&self, now: Instant) -> AssuranceLevel {
        self.policy
            .highest(&self.proofs(now))
            .map_or(AssuranceLevel::None, |(level, _)| AssuranceLevel::Level(level.name.clone()))
    }

    /// The factors proved for the claimed subject, and when.
    #[must_use]
    pub fn factors(&self) -> Vec<(FactorId, Instant)> {
        self.proved.clone()
    }

    /// How old the proof of the held level is; `None` when none is held.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.policy.highest(&self.proofs(now)).map(|(_, age)| age)
    }

    /// The claimed subject.
    #[must_use]
    pub const fn subject(&self) -> Option<&SubjectRef> {
        self.subject.as_ref()
    }

    /// Permission for a step that needs `level`, no older than `max_age`; `None` when that is not held.
    #[must_use]
    pub fn grant(&self, now: Instant, level: &LevelName, max_age: Option<Duration>) -> Option<Grant> {
        let subject = self.subject.clone()?;
        self.policy.held(level, &self.proofs(now), max_age)?;
        Some(Grant::new(subject, level.clone(), self.call, now))
    }

    fn proofs(&self, now: Instant) -> Vec<Proof> {
        self.proved.iter().map(|(factor, at)| (*factor, now.saturating_duration_since(*at))).collect()
    }

    fn tries_left(&self) -> u32 {
        self.policy.lockout.per_call.saturating_sub(self.failures)
    }

    fn begin(&mut self, now: Instant, course: Course) {
        // A flow that begins again without waiting for the end has given up the first.
        self.state = State::Idle;
        let Some(subject) = self.subject.clone() else {
            return self.finish(Outcome::NotEnrolled);
        };
        if course.reached(&self.policy, &self.proofs(now)) {
            return self.finish(Outcome::Reached);
        }
        if self.tries_left() == 0 {
            return self.finish(Outcome::Insufficient);
        }
        let ask = self.ask(Question::Enrolled { subject });
        self.state = State::Enrolled { ask, course };
    }

    fn chosen(&mut self, now: Instant, factor: FactorId) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Choosing { course, choices } if choices.contains(&factor) => {
                self.turn_to(now, course, factor);
            }
            other => self.state = other,
        }
    }

    fn respond(&mut self, now: Instant, response: Secret<String>) {
        let Some(subject) = self.subject.clone() else { return };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Challenging { course, mut asked } if asked.factor.meeting() != Meeting::Spoken => {
                let Some(response) = asked.answer(response) else {
                    return self.challenge(now, course, asked);
                };
                let factor = asked.factor;
                let response = response.into();
                let ask = self.ask(Question::Verify { subject, factor, response, call: self.call });
                self.state = State::Verifying { ask, course, asked };
            }
            other => self.state = other,
        }
    }

    fn again(&mut self) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Challenging { course, asked } if asked.sent() => {
                self.prepare(course, asked.factor, Preparing::Again(asked));
            }
            other => self.state = other,
        }
    }

    fn another(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Challenging { mut course, asked } if self.offers_beside(now, &course, asked.factor) => {
                course.put_last(asked.factor);
                self.go_on(now, course, Some(asked.factor));
            }
            other => self.state = other,
        }
    }

    fn abandon(&mut self) {
        if !matches!(self.state, State::Idle) {
            self.finish(Outcome::Insufficient);
        }
    }

    fn answered(&mut self, now: Instant, ask: AskId, answer: Answer) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Enrolled { ask: expected, course } if expected == ask => match answer {
                Answer::Enrolled(Ok(mut enrolled)) => {
                    enrolled.retain(|factor| course.one_factor() || !self.was_changed(*factor));
                    let course = course.among(&enrolled, &self.policy, self.vouched.is_some());
                    self.go_on(now, course, None);
                }
                Answer::Enrolled(Err(Refused::Locked)) => self.finish(Outcome::Locked),
                _ => self.finish(Outcome::Unavailable),
            },
            State::Preparing { ask: expected, course, factor, why } if expected == ask => {
                let Answer::Prepared(prepared) = answer else {
                    return self.not_prepared(now, course, factor, why, &Prepared::Unavailable);
                };
                self.prepared(now, course, factor, why, prepared);
            }
            State::Verifying { ask: expected, course, asked } if expected == ask => {
                let Answer::Verdict { verdict, locked, expired, left } = answer else {
                    return self.set_aside(now, course, asked.factor);
                };
                if verdict == Verdict::Accept {
                    self.codes_left = left.or(self.codes_left);
                }
                self.judged(now, course, asked, (verdict, locked, expired));
            }
            other => self.state = other,
        }
    }

    fn judged(
        &mut self,
        now: Instant,
        mut course: Course,
        asked: Asked,
        (verdict, locked, expired): (Verdict, bool, bool),
    ) {
        let factor = asked.factor;
        match verdict {
            // A vault that accepts a locked subject, or what is too old, contradicts itself: do not lift.
            Verdict::Accept if !locked && !expired => {
                self.proved.retain(|(proved, _)| *proved != factor);
                if !self.was_changed(factor) {
                    self.proved.push((factor, now));
                }
                if course.one_factor() || course.reached(&self.policy, &self.proofs(now)) {
                    self.finish(Outcome::Reached);
                } else {
                    self.go_on(now, course, None);
                }
            }
            Verdict::Unavailable => self.set_aside(now, course, factor),
            _ if locked => {
                self.failures = self.failures.saturating_add(1);
                self.finish(Outcome::Locked);
            }
            _ if factor.meeting() == Meeting::Spoken => {
                self.not_the_voice(now, course, asked, verdict == Verdict::Inconclusive);
            }
            // The caller did nothing that could be wrong.
            _ if factor.meeting() == Meeting::Silent => {
                course.leave(factor, Outcome::Insufficient);
                self.go_on(now, course, None);
            }
            Verdict::Accept | Verdict::Reject | Verdict::Inconclusive => {
                self.rejected(now, course, asked, expired);
            }
        }
    }

    fn rejected(&mut self, now: Instant, course: Course, asked: Asked, expired: bool) {
        self.failures = self.failures.saturating_add(1);
        let tries_left = self.tries_left();
        if tries_left == 0 {
            return self.finish(Outcome::Insufficient);
        }
        self.outputs.push_back(Output::Rejected { tries_left, expired });
        match asked.factor.meeting() {
            Meeting::Sent if expired => self.prepare(course, asked.factor, Preparing::Expired),
            // Other questions than those that were answered wrong.
            Meeting::Asked => self.turn_to(now, course, asked.factor),
            _ => self.challenge(now, course, asked),
        }
    }

    /// The next factor, a choice of them, or the end. `not` is what the caller does not want just now.
    fn go_on(&mut self, now: Instant, course: Course, not: Option<FactorId>) {
        let mut next = course.next(&self.policy, &self.proofs(now), not);
        if course.choose == Choose::Caller && next.len() > 1 {
            // What needs no answer of the caller is no choice of theirs.
            if let Some(silent) = next.iter().copied().find(|factor| factor.meeting() == Meeting::Silent) {
                return self.turn_to(now, course, silent);
            }
            self.outputs.push_back(Output::Choose(next.clone()));
            self.state = State::Choosing { course, choices: next };
            return;
        }
        if course.choose == Choose::StrongestFirst {
            next.sort_by_key(|factor| self.policy.strength(*factor));
        }
        match next.first() {
            Some(factor) => self.turn_to(now, course, *factor),
            None => self.finish(course.without),
        }
    }

    /// Has this factor met, in its own way.
    fn turn_to(&mut self, now: Instant, course: Course, factor: FactorId) {
        match factor.meeting() {
            Meeting::Keyed | Meeting::Spoken => self.challenge(now, course, Asked::keyed(factor)),
            Meeting::Sent | Meeting::Asked => self.prepare(course, factor, Preparing::First),
            Meeting::Silent => self.judge_call(now, course, factor),
        }
    }

    fn prepare(&mut self, course: Course, factor: FactorId, why: Preparing) {
        let Some(subject) = self.subject.clone() else { return self.finish(Outcome::NotEnrolled) };
        let again = !matches!(why, Preparing::First);
        let ask = self.ask(Question::Prepare { subject, factor, call: self.call, again });
        self.state = State::Preparing { ask, course, factor, why };
    }

    fn judge_call(&mut self, now: Instant, course: Course, factor: FactorId) {
        let (Some(subject), Some(response)) = (self.subject.clone(), self.vouched.clone()) else {
            return self.set_aside(now, course, factor);
        };
        let response = response.into();
        let ask = self.ask(Question::Verify { subject, factor, response, call: self.call });
        self.state = State::Verifying { ask, course, asked: Asked::keyed(factor) };
    }

    /// This factor is out for this authentication; the next best takes its place.
    fn set_aside(&mut self, now: Instant, mut course: Course, factor: FactorId) {
        course.leave(factor, Outcome::Unavailable);
        self.without(now, course, factor);
    }

    fn without(&mut self, now: Instant, course: Course, factor: FactorId) {
        // Nobody was asked for what needs no answer, so nobody is told.
        if factor.meeting() != Meeting::Silent {
            self.outputs.push_back(Output::SetAside(factor));
        }
        self.go_on(now, course, None);
    }

    fn challenge(&mut self, now: Instant, course: Course, asked: Asked) {
        let Some(digits) = self.policy.factor(asked.factor).map(|p| p.digits.clone()) else {
            return self.finish(Outcome::NotEnrolled);
        };
        let another = self.offers_beside(now, &course, asked.factor);
        self.outputs.push_back(Output::Challenge(asked.challenge(digits, self.tries_left(), another)));
        self.state = State::Challenging { course, asked };
    }

    /// Whether something else than this factor brings the caller nearer too.
    fn offers_beside(&self, now: Instant, course: &Course, factor: FactorId) -> bool {
        let next = course.next(&self.policy, &self.proofs(now), Some(factor));
        next.iter().any(|other| *other != factor)
    }

    fn ask(&mut self, question: Question) -> AskId {
        self.asked = self.asked.saturating_add(1);
        let ask = AskId(ASKED_BY_AUTH | self.asked);
        self.outputs.push_back(Output::Ask(ask, question));
        ask
    }

    fn finish(&mut self, outcome: Outcome) {
        self.state = State::Idle;
        self.outputs.push_back(Output::Done(outcome));
    }
}

#[cfg(test)]
mod tests;
