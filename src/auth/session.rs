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
    level: LevelName,
    offer: Vec<FactorId>,
}

/// What happens to an authentication.
pub enum Input {
    /// A flow wants a level by some of these factors, in this order of preference.
    Begin {
        /// The level.
        level: LevelName,
        /// What may be asked for.
        offer: Vec<FactorId>,
    },
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

/// How an authentication ends: the outcomes of a flow's `authenticate` step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The level is held.
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
            Input::Begin { level, offer } => self.begin(now, Goal { level, offer }),
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
        if self.policy.held(&goal.level, &self.proofs(now), None).is_some() {
            return self.finish(Outcome::Reached);
        }
        if self.tries_left() == 0 {
            return self.finish(Outcome::Insufficient);
        }
        let ask = self.ask(Question::Enrolled { subject });
        self.state = State::Enrolled { ask, goal };
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
                if self.policy.held(&goal.level, &self.proofs(now), None).is_some() {
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
        let max_age = self.policy.level(&goal.level).and_then(|level| level.max_age);
        let fresh: Vec<FactorId> = self
            .proofs(now)
            .into_iter()
            .filter(|(_, age)| max_age.is_none_or(|limit| *age <= limit))
            .map(|(factor, _)| factor)
            .collect();
        match self.policy.next_factor(&goal.level, &fresh, &available) {
            Some(factor) => self.challenge_with(goal, available, factor),
            None => self.finish(Outcome::NotEnrolled),
        }
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
mod tests {
    use super::*;
    use crate::auth::SubjectKey;
    use crate::units::test_start;

    const STRONG: &str = "strong";

    struct Desk {
        session: AuthSession,
        now: Instant,
    }

    impl Desk {
        fn new() -> Self {
            let mut session = AuthSession::new(Arc::new(Policy::default()), CallId(1));
            session.claimed(SubjectRef::new(SubjectKey([1; 16]), "C1001"));
            Self { session, now: test_start() }
        }

        fn begin(&mut self, level: &str) -> Output {
            self.give(Input::Begin { level: level.into(), offer: FactorId::ALL.to_vec() })
        }

        fn give(&mut self, input: Input) -> Output {
            self.session.handle(self.now, input);
            let first = self.session.poll();
            while !matches!(self.session.poll(), Output::Idle) {}
            first
        }

        fn enrolled(&mut self, ask: Output, factors: &[FactorId]) -> Output {
            let Output::Ask(ask, _) = ask else { panic!("a question, not {ask:?}") };
            self.give(Input::Answer(ask, Answer::Enrolled(Ok(factors.to_vec()))))
        }

        fn judged(&mut self, verdict: Verdict) -> Output {
            let response = self.give(Input::Response(Secret::new("1".into())));
            let Output::Ask(ask, _) = response else { panic!("a response is judged") };
            self.give(Input::Answer(ask, Answer::Verdict { verdict, locked: false }))
        }
    }

    fn is_done(output: &Output, outcome: Outcome) -> bool {
        matches!(output, Output::Done(done) if *done == outcome)
    }

    #[test]
    fn a_strong_level_takes_both_kinds_and_ages() {
        let mut desk = Desk::new();
        let ask = desk.begin(STRONG);
        let first = desk.enrolled(ask, FactorId::ALL);
        assert!(matches!(first, Output::Challenge(c) if c.factor == FactorId::Pin && c.digits == (8..=8)));
        let second = desk.judged(Verdict::Accept);
        assert!(matches!(second, Output::Challenge(c) if c.factor == FactorId::Totp && c.tries_left == 3));
        assert_eq!(desk.session.level(desk.now).to_string(), "basic");
        assert!(is_done(&desk.judged(Verdict::Accept), Outcome::Reached));
        desk.now += Duration::from_secs(60);
        assert_eq!(desk.session.level(desk.now).to_string(), STRONG);
        assert_eq!(desk.session.age(desk.now), Some(Duration::from_secs(60)));
        assert!(desk.session.grant(desk.now, &STRONG.into(), Some(Duration::from_secs(59))).is_none());
        assert!(desk.session.grant(desk.now, &"basic".into(), None).is_some());
        assert!(is_done(&desk.begin(STRONG), Outcome::Reached));
        desk.now += Duration::from_secs(15 * 60);
        assert_eq!(desk.session.level(desk.now).to_string(), "basic");
        assert!(desk.session.grant(desk.now, &STRONG.into(), None).is_none());
    }

    #[test]
    fn three_wrong_responses_end_every_attempt_of_the_call() {
        let mut desk = Desk::new();
        let ask = desk.begin(STRONG);
        desk.enrolled(ask, FactorId::ALL);
        assert!(matches!(desk.judged(Verdict::Reject), Output::Rejected { tries_left: 2 }));
        assert!(matches!(desk.judged(Verdict::Reject), Output::Rejected { tries_left: 1 }));
        assert!(is_done(&desk.judged(Verdict::Reject), Outcome::Insufficient));
        assert!(is_done(&desk.begin("basic"), Outcome::Insufficient));
        desk.session.claimed(SubjectRef::new(SubjectKey([2; 16]), "C1002"));
        assert!(is_done(&desk.begin("basic"), Outcome::Insufficient), "another claim buys no tries");
    }

    #[test]
    fn another_subject_starts_with_nothing_proved() {
        let mut desk = Desk::new();
        let ask = desk.begin("basic");
        desk.enrolled(ask, FactorId::ALL);
        assert!(is_done(&desk.judged(Verdict::Accept), Outcome::Reached));
        desk.session.claimed(SubjectRef::new(SubjectKey([1; 16]), "C1001"));
        assert_eq!(desk.session.level(desk.now).to_string(), "basic", "the same subject again");
        desk.session.claimed(SubjectRef::new(SubjectKey([2; 16]), "C1002"));
        assert!(desk.session.grant(desk.now, &"basic".into(), None).is_none());
    }

    #[test]
    fn an_accept_that_comes_after_the_end_lifts_nothing() {
        let mut desk = Desk::new();
        let ask = desk.begin("basic");
        desk.enrolled(ask, FactorId::ALL);
        let response = desk.give(Input::Response(Secret::new("1".into())));
        let Output::Ask(ask, _) = response else { panic!("a response is judged") };
        assert!(is_done(&desk.give(Input::Abandon), Outcome::Insufficient));
        let late = Answer::Verdict { verdict: Verdict::Accept, locked: false };
        assert!(matches!(desk.give(Input::Answer(ask, late)), Output::Idle));
        assert_eq!(desk.session.level(desk.now), AssuranceLevel::None);
    }

    #[test]
    fn nobody_claimed_and_nothing_enrolled_look_alike() {
        let mut desk = Desk::new();
        desk.session = AuthSession::new(Arc::new(Policy::default()), CallId(1));
        assert!(is_done(&desk.begin("basic"), Outcome::NotEnrolled));
        desk = Desk::new();
        let ask = desk.begin(STRONG);
        assert!(is_done(&desk.enrolled(ask, &[FactorId::Pin]), Outcome::NotEnrolled));
    }
}
