//! One caller's authentication during one call: from a claim to a level, or not.
//!
//! `AuthSession` is a function of its inputs. A level rises only when the vault's verdict on the response
//! that is being judged is `Accept`; every other answer, error or order of events leaves it as it was. A
//! subject that does not exist is treated the same in every state: what differs is known to the vault only.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assurance::Proof;
use super::{Answer, AssuranceLevel, FactorId, LevelName, Policy, Question, Refused, SubjectRef, Verdict};
use crate::secret::Secret;
use crate::units::{AskId, CallId};

/// The machine. Drain [`AuthSession::poll`] until [`Output::Idle`] after every input.
pub struct AuthSession {
    policy: Arc<Policy>,
    call: CallId,
    subject: Option<SubjectRef>,
    proved: Vec<(FactorId, Instant)>,
    failures: u32,
    state: State,
    asked: u64,
    outputs: VecDeque<Output>,
}

enum State {
    Idle,
    /// Waiting for the list of enrolled factors.
    Enrolled {
        ask: AskId,
        goal: Goal,
    },
    /// Waiting for the caller to choose one of these.
    Choosing {
        goal: Goal,
        available: Vec<FactorId>,
        choices: Vec<FactorId>,
    },
    Challenging {
        goal: Goal,
        available: Vec<FactorId>,
        factor: FactorId,
    },
    /// Waiting for the verdict.
    Verifying {
        ask: AskId,
        goal: Goal,
        available: Vec<FactorId>,
        factor: FactorId,
    },
}

struct Goal {
    aim: Aim,
    offer: Vec<FactorId>,
    choose: Choose,
}

enum Aim {
    Level(LevelName),
    /// The one factor on offer, whatever is held already.
    OneFactor,
}

/// Who chooses among the factors that bring a caller nearer to a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choose {
    /// The first in the order of the offer.
    #[default]
    Policy,
    /// The caller, where there is more than one.
    Caller,
    /// The strongest: no weak one before another, possession before knowledge.
    StrongestFirst,
}

/// What happens to an authentication.
pub enum Input {
    /// A flow wants a level by some of these factors, in this order of preference.
    Begin {
        /// The level.
        level: LevelName,
        /// What may be asked for.
        offer: Vec<FactorId>,
        /// Who chooses among them.
        choose: Choose,
    },
    /// A flow wants this factor proved now. It counts like any other attempt, and an accepted one is a
    /// proof like any other.
    Verify {
        /// The factor.
        factor: FactorId,
    },
    /// The caller chose one of those of [`Output::Choose`].
    Chosen(FactorId),
    /// The caller answered the challenge.
    Response(Secret<String>),
    /// The vault answered a question.
    Answer(AskId, Answer),
    /// The caller gives no answer: silence, hang-up, another wish. Counts no failure.
    Abandon,
}

/// What an authentication orders.
#[derive(Debug)]
pub enum Output {
    /// Ask the vault, and hand its answer back.
    Ask(AskId, Question),
    /// Have the caller choose one of these, and hand it back.
    Choose(Vec<FactorId>),
    /// Ask the caller.
    Challenge(Challenge),
    /// The last response was not accepted; another challenge follows.
    Rejected {
        /// How many more may be wrong in this call.
        tries_left: u32,
    },
    /// It is over.
    Done(Outcome),
    /// Nothing more until the next input.
    Idle,
}

/// What to collect from the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The factor.
    pub factor: FactorId,
    /// How many digits.
    pub digits: RangeInclusive<u8>,
    /// How many responses may still be wrong in this call.
    pub tries_left: u32,
}

/// How an authentication ends: the outcomes of a flow's `authenticate` step; those of `verify` say `passed`
/// for reached and `failed` for insufficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The level is held, or the factor was accepted.
    Reached,
    /// Too many wrong responses in this call, or none given.
    Insufficient,
    /// No offered and enrolled factors reach the level, or nobody was claimed.
    NotEnrolled,
    /// Too many failures over all calls.
    Locked,
    /// The vault can't answer.
    Unavailable,
}

/// Permission for a protected step. Only [`AuthSession::grant`] makes one, so a step that takes a
/// `&Grant` can't run for a caller who has not authenticated.
///
/// ```compile_fail
/// fn raise(grant: countersign::auth::Grant) -> countersign::auth::Grant {
///     countersign::auth::Grant { level: "strong".into(), ..grant }
/// }
/// ```
///
/// ```compile_fail
/// fn another(grant: &countersign::auth::Grant) -> countersign::auth::Grant { grant.clone() }
/// ```
pub struct Grant {
    subject: SubjectRef,
    level: LevelName,
    call: CallId,
    at: Instant,
}

impl Grant {
    /// Whom it concerns.
    #[must_use]
    pub const fn subject(&self) -> &SubjectRef {
        &self.subject
    }

    /// The level that was asked for and is held.
    #[must_use]
    pub const fn level(&self) -> &LevelName {
        &self.level
    }

    /// The call it was given in.
    #[must_use]
    pub const fn call(&self) -> CallId {
        self.call
    }

    /// When it was given. It speaks of that moment.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({:?}, {})", self.subject, self.level)
    }
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
            proved: Vec::new(),
            failures: 0,
            state: State::Idle,
            asked: 0,
            outputs: VecDeque::new(),
        }
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
        }
        self.subject = Some(subject);
        if !matches!(self.state, State::Idle) {
            self.finish(Outcome::Insufficient);
        }
    }

    /// Takes one input. Inputs that do not fit the state (late keys, stale answers) change nothing.
    pub fn handle(&mut self, now: Instant, input: Input) {
        debug_assert!(self.outputs.is_empty(), "law 2: outputs are drained before the next input");
        match input {
            Input::Begin { level, offer, choose } => {
                self.begin(now, Goal { aim: Aim::Level(level), offer, choose });
            }
            Input::Verify { factor } => {
                let choose = Choose::Policy;
                self.begin(now, Goal { aim: Aim::OneFactor, offer: vec![factor], choose });
            }
            Input::Chosen(factor) => self.chosen(factor),
            Input::Response(response) => self.respond(response),
            Input::Answer(ask, answer) => self.answered(now, ask, answer),
            Input::Abandon => {
                if !matches!(self.state, State::Idle) {
                    self.finish(Outcome::Insufficient);
                }
            }
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
        Some(Grant { subject, level: level.clone(), call: self.call, at: now })
    }

    fn proofs(&self, now: Instant) -> Vec<Proof> {
        self.proved.iter().map(|(factor, at)| (*factor, now.saturating_duration_since(*at))).collect()
    }

    fn tries_left(&self) -> u32 {
        self.policy.lockout.per_call.saturating_sub(self.failures)
    }

    fn begin(&mut self, now: Instant, goal: Goal) {
        // A flow that begins again without waiting for the end has given up the first.
        self.state = State::Idle;
        let Some(subject) = self.subject.clone() else {
            return self.finish(Outcome::NotEnrolled);
        };
        if self.holds(now, &goal) {
            return self.finish(Outcome::Reached);
        }
        if self.tries_left() == 0 {
            return self.finish(Outcome::Insufficient);
        }
        let ask = self.ask(Question::Enrolled { subject });
        self.state = State::Enrolled { ask, goal };
    }

    /// Whether the level aimed at is held. A factor aimed at is asked for in any case.
    fn holds(&self, now: Instant, goal: &Goal) -> bool {
        match &goal.aim {
            Aim::Level(level) => self.policy.held(level, &self.proofs(now), None).is_some(),
            Aim::OneFactor => false,
        }
    }

    fn chosen(&mut self, factor: FactorId) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Choosing { goal, available, choices } if choices.contains(&factor) => {
                self.challenge_with(goal, available, factor);
            }
            other => self.state = other,
        }
    }

    fn respond(&mut self, response: Secret<String>) {
        let Some(subject) = self.subject.clone() else { return };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Challenging { goal, available, factor } => {
                let ask = self.ask(Question::Verify { subject, factor, response, call: self.call });
                self.state = State::Verifying { ask, goal, available, factor };
            }
            other => self.state = other,
        }
    }

    fn answered(&mut self, now: Instant, ask: AskId, answer: Answer) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Enrolled { ask: expected, goal } if expected == ask => match answer {
                Answer::Enrolled(Ok(enrolled)) => {
                    let usable = |f: &FactorId| enrolled.contains(f) && self.policy.factor(*f).is_some();
                    let available = goal.offer.iter().copied().filter(usable).collect();
                    self.challenge(now, goal, available);
                }
                Answer::Enrolled(Err(Refused::Locked)) => self.finish(Outcome::Locked),
                _ => self.finish(Outcome::Unavailable),
            },
            State::Verifying { ask: expected, goal, available, factor } if expected == ask => {
                let Answer::Verdict { verdict, locked } = answer else {
                    return self.finish(Outcome::Unavailable);
                };
                self.judged(now, goal, available, factor, (verdict, locked));
            }
            other => self.state = other,
        }
    }

    fn judged(
        &mut self,
        now: Instant,
        goal: Goal,
        available: Vec<FactorId>,
        factor: FactorId,
        (verdict, locked): (Verdict, bool),
    ) {
        match verdict {
            // A vault that accepts a locked subject contradicts itself: do not lift.
            Verdict::Accept if !locked => {
                self.proved.retain(|(proved, _)| *proved != factor);
                self.proved.push((factor, now));
                if matches!(goal.aim, Aim::OneFactor) || self.holds(now, &goal) {
                    self.finish(Outcome::Reached);
                } else {
                    self.challenge(now, goal, available);
                }
            }
            Verdict::Unavailable => self.finish(Outcome::Unavailable),
            Verdict::Accept | Verdict::Reject | Verdict::Inconclusive => {
                self.failures = self.failures.saturating_add(1);
                if locked {
                    self.finish(Outcome::Locked);
                } else if self.tries_left() == 0 {
                    self.finish(Outcome::Insufficient);
                } else {
                    self.outputs.push_back(Output::Rejected { tries_left: self.tries_left() });
                    self.challenge_with(goal, available, factor);
                }
            }
        }
    }

    fn challenge(&mut self, now: Instant, goal: Goal, available: Vec<FactorId>) {
        let mut next = match &goal.aim {
            Aim::Level(level) => self.missing(now, level, &available),
            Aim::OneFactor => available.clone(),
        };
        match goal.choose {
            Choose::Caller if next.len() > 1 => {
                self.outputs.push_back(Output::Choose(next.clone()));
                self.state = State::Choosing { goal, available, choices: next };
                return;
            }
            Choose::StrongestFirst => next.sort_by_key(|factor| self.policy.strength(*factor)),
            Choose::Caller | Choose::Policy => {}
        }
        match next.first() {
            Some(factor) => self.challenge_with(goal, available, *factor),
            None => self.finish(Outcome::NotEnrolled),
        }
    }

    /// The factors that bring the caller nearer to the level, in the order of `available`.
    fn missing(&self, now: Instant, level: &LevelName, available: &[FactorId]) -> Vec<FactorId> {
        let max_age = self.policy.level(level).and_then(|level| level.max_age);
        let fresh: Vec<FactorId> = self
            .proofs(now)
            .into_iter()
            .filter(|(_, age)| max_age.is_none_or(|limit| *age <= limit))
            .map(|(factor, _)| factor)
            .collect();
        self.policy.next_factors(level, &fresh, available)
    }

    fn challenge_with(&mut self, goal: Goal, available: Vec<FactorId>, factor: FactorId) {
        let Some(digits) = self.policy.factor(factor).map(|p| p.digits.clone()) else {
            return self.finish(Outcome::NotEnrolled);
        };
        let challenge = Challenge { factor, digits, tries_left: self.tries_left() };
        self.outputs.push_back(Output::Challenge(challenge));
        self.state = State::Challenging { goal, available, factor };
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
#[path = "session_tests.rs"]
mod tests;
