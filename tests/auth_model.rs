//! `AuthSession` beside a short, obvious model of itself, over random orders of events.
//!
//! The model knows the shipped policy by heart: `basic` is any one factor, `strong` is a PIN and a code,
//! neither older than fifteen minutes. Whatever happens in whatever order, both must order the same and hold
//! the same level.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::auth::{
    Answer, AuthSession, Choose, FactorId, Identified, Input, LevelName, Outcome, Output, Policy, Question,
    Refused, SubjectKey, SubjectRef, Verdict,
};
use countersign::secret::Secret;
use countersign::units::{AskId, CallId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

/// Something that may happen at any time.
#[derive(Clone, Debug)]
enum Event {
    Claim(u8),
    Begin {
        level: &'static str,
        offer: Vec<FactorId>,
        choose: Choose,
    },
    /// One factor, whatever is held.
    Verify(FactorId),
    Chosen(FactorId),
    Respond,
    /// The answer to the question that is open, if one is; else to one long gone.
    Answer(Reply),
    /// An answer to a question that was asked before the open one.
    Stale(Reply),
    Abandon,
    Wait(u64),
}

#[derive(Clone, Debug)]
enum Reply {
    /// Of the kind that the open question wants.
    Fitting(Vec<FactorId>, Verdict),
    Enrolled(Vec<FactorId>),
    Refused(Refused),
    Verdict(Verdict, bool),
    Audited,
    Unavailable,
    Identified,
}

/// What an output comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    AskEnrolled(u8),
    AskVerify(u8, FactorId),
    Choose(Vec<FactorId>),
    Challenge(FactorId, u32),
    Rejected(u32),
    Done(Outcome),
}

const TRIES: u32 = 3;
const FRESH: u64 = 15 * 60;

#[derive(Default)]
struct Model {
    now: u64,
    subject: Option<u8>,
    pin: Option<u64>,
    totp: Option<u64>,
    failures: u32,
    mode: Mode,
}

#[derive(Clone, Default)]
enum Mode {
    #[default]
    Idle,
    Listing(Goal, Vec<FactorId>),
    Choosing(Goal, Vec<FactorId>, Vec<FactorId>),
    Asking(Goal, Vec<FactorId>, FactorId),
    Judging(Goal, Vec<FactorId>, FactorId),
}

/// What is aimed at: a level, or [`ONE`] factor; and who chooses.
type Goal = (&'static str, Choose);

/// In the place of a level: the one factor on offer.
const ONE: &str = "one";

impl Model {
    fn fresh(&self, at: Option<u64>) -> bool {
        at.is_some_and(|at| self.now - at <= FRESH)
    }

    fn level(&self) -> &'static str {
        if self.fresh(self.pin) && self.fresh(self.totp) {
            "strong"
        } else if self.pin.is_some() || self.totp.is_some() {
            "basic"
        } else {
            "none"
        }
    }

    fn holds(&self, level: &str) -> bool {
        match level {
            "basic" => self.level() != "none",
            "strong" => self.level() == "strong",
            _ => false,
        }
    }

    fn end(&mut self, outcome: Outcome) -> Vec<Seen> {
        self.mode = Mode::Idle;
        vec![Seen::Done(outcome)]
    }

    fn next(&mut self, goal: Goal, available: Vec<FactorId>) -> Vec<Seen> {
        let (level, choose) = goal;
        let proved = |f: FactorId| self.fresh(if f == FactorId::Pin { self.pin } else { self.totp });
        let mut needed: Vec<FactorId> =
            available.iter().copied().filter(|f| level == ONE || !proved(*f)).collect();
        let possible = match level {
            ONE | "basic" => !needed.is_empty(),
            "strong" => [FactorId::Pin, FactorId::Totp].iter().all(|f| proved(*f) || needed.contains(f)),
            _ => false,
        };
        if possible && choose == Choose::Caller && needed.len() > 1 {
            self.mode = Mode::Choosing(goal, available, needed.clone());
            return vec![Seen::Choose(needed)];
        }
        if choose == Choose::StrongestFirst {
            needed.sort_by_key(|f| *f == FactorId::Pin);
        }
        match needed.first() {
            Some(factor) if possible => self.ask(goal, available, *factor),
            _ => self.end(Outcome::NotEnrolled),
        }
    }

    fn ask(&mut self, goal: Goal, available: Vec<FactorId>, factor: FactorId) -> Vec<Seen> {
        self.mode = Mode::Asking(goal, available, factor);
        vec![Seen::Challenge(factor, TRIES - self.failures)]
    }

    fn begin(&mut self, goal: Goal, offer: Vec<FactorId>) -> Vec<Seen> {
        match self.subject {
            None => self.end(Outcome::NotEnrolled),
            Some(_) if self.holds(goal.0) => self.end(Outcome::Reached),
            Some(_) if self.failures >= TRIES => self.end(Outcome::Insufficient),
            Some(subject) => {
                self.mode = Mode::Listing(goal, offer);
                vec![Seen::AskEnrolled(subject)]
            }
        }
    }

    fn step(&mut self, event: &Event) -> Vec<Seen> {
        match event {
            Event::Wait(seconds) => {
                self.now += seconds;
                vec![]
            }
            Event::Claim(subject) => {
                if self.subject != Some(*subject) {
                    (self.pin, self.totp) = (None, None);
                }
                self.subject = Some(*subject);
                if matches!(self.mode, Mode::Idle) { vec![] } else { self.end(Outcome::Insufficient) }
            }
            Event::Abandon if matches!(self.mode, Mode::Idle) => vec![],
            Event::Abandon => self.end(Outcome::Insufficient),
            Event::Begin { level, offer, choose } => self.begin((level, *choose), offer.clone()),
            Event::Verify(factor) => self.begin((ONE, Choose::Policy), vec![*factor]),
            Event::Chosen(factor) => match self.mode.clone() {
                Mode::Choosing(goal, available, among) if among.contains(factor) => {
                    self.ask(goal, available, *factor)
                }
                _ => vec![],
            },
            Event::Respond => match (self.mode.clone(), self.subject) {
                (Mode::Asking(level, available, factor), Some(subject)) => {
                    self.mode = Mode::Judging(level, available, factor);
                    vec![Seen::AskVerify(subject, factor)]
                }
                _ => vec![],
            },
            Event::Stale(_) => vec![],
            Event::Answer(reply) => self.answered(reply),
        }
    }

    fn answered(&mut self, reply: &Reply) -> Vec<Seen> {
        match (self.mode.clone(), reply) {
            (Mode::Listing(level, offer), Reply::Enrolled(enrolled)) => {
                self.next(level, offer.into_iter().filter(|f| enrolled.contains(f)).collect())
            }
            (Mode::Listing(..), Reply::Refused(Refused::Locked)) => self.end(Outcome::Locked),
            (Mode::Listing(..), _) => self.end(Outcome::Unavailable),
            (Mode::Judging(level, available, factor), Reply::Verdict(Verdict::Accept, false)) => {
                *(if factor == FactorId::Pin { &mut self.pin } else { &mut self.totp }) = Some(self.now);
                if level.0 == ONE || self.holds(level.0) {
                    self.end(Outcome::Reached)
                } else {
                    self.next(level, available)
                }
            }
            (Mode::Judging(..), Reply::Verdict(Verdict::Unavailable, _)) => self.end(Outcome::Unavailable),
            (Mode::Judging(level, available, factor), Reply::Verdict(_, locked)) => {
                self.failures += 1;
                if *locked {
                    return self.end(Outcome::Locked);
                }
                if self.failures >= TRIES {
                    return self.end(Outcome::Insufficient);
                }
                self.mode = Mode::Asking(level, available, factor);
                let left = TRIES - self.failures;
                vec![Seen::Rejected(left), Seen::Challenge(factor, left)]
            }
            (Mode::Judging(..), _) => self.end(Outcome::Unavailable),
            _ => vec![],
        }
    }
}

/// The real one, with the questions it has asked.
struct Real {
    session: AuthSession,
    now: Instant,
    open: Option<AskId>,
    gone: Vec<AskId>,
    listing: bool,
}

impl Real {
    /// Chooses the answer that fits the open question, where the event leaves it open.
    fn fit(&self, event: &Event) -> Event {
        match event {
            Event::Answer(Reply::Fitting(enrolled, _)) if self.listing => {
                Event::Answer(Reply::Enrolled(enrolled.clone()))
            }
            Event::Answer(Reply::Fitting(_, verdict)) => Event::Answer(Reply::Verdict(*verdict, false)),
            other => other.clone(),
        }
    }

    fn step(&mut self, event: &Event) -> Vec<Seen> {
        match event {
            Event::Wait(seconds) => self.now += Duration::from_secs(*seconds),
            Event::Claim(subject) => self.session.claimed(subject_ref(*subject)),
            Event::Begin { level, offer, choose } => {
                let (level, offer) = (LevelName::from(*level), offer.clone());
                self.session.handle(self.now, Input::Begin { level, offer, choose: *choose });
            }
            Event::Verify(factor) => self.session.handle(self.now, Input::Verify { factor: *factor }),
            Event::Chosen(factor) => self.session.handle(self.now, Input::Chosen(*factor)),
            Event::Respond => self.session.handle(self.now, Input::Response(Secret::new("1".into()))),
            Event::Abandon => self.session.handle(self.now, Input::Abandon),
            Event::Answer(reply) => {
                let ask = self.open.take().unwrap_or(AskId(1));
                self.session.handle(self.now, Input::Answer(ask, answer(reply)));
                self.gone.push(ask);
            }
            Event::Stale(reply) => {
                let ask = self.gone.last().copied().unwrap_or(AskId(u64::MAX));
                self.session.handle(self.now, Input::Answer(ask, answer(reply)));
            }
        }
        let seen = self.drain();
        let closed = seen.iter().any(|seen| matches!(seen, Seen::Done(_)));
        if closed {
            self.gone.extend(self.open.take());
        }
        seen
    }

    fn drain(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            seen.push(match self.session.poll() {
                Output::Idle => return seen,
                Output::Done(outcome) => Seen::Done(outcome),
                Output::Choose(among) => Seen::Choose(among),
                Output::Rejected { tries_left } => Seen::Rejected(tries_left),
                Output::Challenge(challenge) => Seen::Challenge(challenge.factor, challenge.tries_left),
                Output::Ask(ask, question) => {
                    assert!(AuthSession::asked(ask));
                    self.gone.extend(self.open.replace(ask));
                    self.listing = matches!(question, Question::Enrolled { .. });
                    match question {
                        Question::Enrolled { subject } => Seen::AskEnrolled(subject.key().0[0]),
                        Question::Verify { subject, factor, .. } => {
                            Seen::AskVerify(subject.key().0[0], factor)
                        }
                        other => panic!("an authentication does not ask {other:?}"),
                    }
                }
            });
        }
    }
}

fn subject_ref(number: u8) -> SubjectRef {
    SubjectRef::new(SubjectKey([number; 16]), format!("C{number}"))
}

fn answer(reply: &Reply) -> Answer {
    match reply {
        Reply::Fitting(..) => Answer::Unavailable,
        Reply::Enrolled(factors) => Answer::Enrolled(Ok(factors.clone())),
        Reply::Refused(why) => Answer::Enrolled(Err(*why)),
        Reply::Verdict(verdict, locked) => Answer::Verdict { verdict: *verdict, locked: *locked },
        Reply::Audited => Answer::Audited(true),
        Reply::Unavailable => Answer::Unavailable,
        Reply::Identified => Answer::Identified(Identified::One(subject_ref(9))),
    }
}

fn factors() -> impl Strategy<Value = Vec<FactorId>> {
    prop_oneof![
        4 => Just(vec![FactorId::Pin, FactorId::Totp]),
        2 => Just(vec![FactorId::Totp, FactorId::Pin]),
        1 => Just(vec![FactorId::Pin]),
        1 => Just(vec![FactorId::Totp]),
        1 => Just(vec![]),
    ]
}

fn factor() -> impl Strategy<Value = FactorId> {
    prop_oneof![Just(FactorId::Pin), Just(FactorId::Totp)]
}

fn choose() -> impl Strategy<Value = Choose> {
    prop_oneof![Just(Choose::Policy), Just(Choose::Caller), Just(Choose::StrongestFirst)]
}

fn reply() -> impl Strategy<Value = Reply> {
    let verdict = prop_oneof![4 => Just(Verdict::Accept), 1 => Just(Verdict::Reject)];
    prop_oneof![
        40 => (factors(), verdict).prop_map(|(enrolled, verdict)| Reply::Fitting(enrolled, verdict)),
        2 => factors().prop_map(Reply::Enrolled),
        1 => prop_oneof![Just(Refused::Locked), Just(Refused::Unavailable)].prop_map(Reply::Refused),
        2 => Just(Reply::Verdict(Verdict::Accept, false)),
        1 => Just(Reply::Verdict(Verdict::Accept, true)),
        3 => prop_oneof![Just(Verdict::Reject), Just(Verdict::Inconclusive)]
            .prop_flat_map(|verdict| prop::bool::weighted(0.1).prop_map(move |l| Reply::Verdict(verdict, l))),
        1 => Just(Reply::Verdict(Verdict::Unavailable, false)),
        1 => prop_oneof![Just(Reply::Audited), Just(Reply::Unavailable), Just(Reply::Identified)],
    ]
}

fn verdicts() -> impl Strategy<Value = Reply> {
    prop_oneof![
        3 => Just(Reply::Verdict(Verdict::Accept, false)),
        1 => factors().prop_map(Reply::Enrolled),
        1 => Just(Reply::Unavailable),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (0_u8..3).prop_map(Event::Claim),
        4 => (prop_oneof![4 => Just("strong"), 2 => Just("basic"), 1 => Just("unheard-of")], factors(), choose())
            .prop_map(|(level, offer, choose)| Event::Begin { level, offer, choose }),
        1 => factor().prop_map(Event::Verify),
        4 => factor().prop_map(Event::Chosen),
        14 => Just(Event::Respond),
        20 => reply().prop_map(Event::Answer),
        2 => verdicts().prop_map(Event::Stale),
        1 => Just(Event::Abandon),
        3 => prop_oneof![0_u64..30, 800_u64..1000].prop_map(Event::Wait),
    ]
}

/// Runs the session over random events and hands each step to `check`.
fn over_random_orders(least_events: u64, mut check: impl FnMut(&mut Model, &mut Real, &Event)) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let mut events = 0_u64;
    let strategy = vec(event(), 1..60);
    while events < least_events {
        // Each value is a fresh draw; a failure prints the whole order of events.
        let tree = strategy.new_tree(&mut runner).expect("nothing is filtered out");
        let order = tree.current();
        let mut model = Model::default();
        let session = AuthSession::new(Arc::new(Policy::default()), CallId(1));
        let mut real = Real { session, now: start(), open: None, gone: Vec::new(), listing: false };
        real.session.claimed(subject_ref(0));
        model.step(&Event::Claim(0));
        for event in &order {
            events += 1;
            let event = real.fit(event);
            check(&mut model, &mut real, &event);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn the_session_and_its_model_agree_over_every_order_of_events() {
    over_random_orders(200_000, |model, real, event| {
        let expected = model.step(event);
        let seen = real.step(event);
        assert_eq!(seen, expected, "after {event:?}");
        assert_eq!(real.session.level(real.now).to_string(), model.level(), "after {event:?}");
        for level in ["basic", "strong", "unheard-of"] {
            let grant = real.session.grant(real.now, &level.into(), None);
            assert_eq!(grant.is_some(), model.holds(level), "a grant of {level} after {event:?}");
            assert!(grant.is_none_or(|grant| grant.subject().key().0[0] == model.subject.unwrap_or(99)));
        }
    });
}

fn rank(level: &str) -> usize {
    ["none", "basic", "strong"].iter().position(|name| *name == level).expect("a known level")
}

#[test]
fn level_rises_only_by_accept() {
    let mut rises = 0_u32;
    over_random_orders(100_000, |_, real, event| {
        let before = rank(&real.session.level(real.now).to_string());
        let open = real.open;
        let seen = real.step(event);
        let after = rank(&real.session.level(real.now).to_string());
        if after > before {
            rises += 1;
            let accepted = matches!(event, Event::Answer(Reply::Verdict(Verdict::Accept, false)));
            assert!(accepted && open.is_some(), "{event:?} lifted the level; then {seen:?}");
        }
    });
    assert!(rises > 500, "only {rises} rises: the events do not get anywhere");
}

#[test]
fn errors_leave_the_level() {
    let mut tried = 0_u32;
    over_random_orders(100_000, |_, real, event| {
        let before = (real.session.level(real.now), real.session.factors());
        real.step(event);
        let error = match event {
            Event::Answer(Reply::Verdict(verdict, locked)) => *verdict != Verdict::Accept || *locked,
            Event::Claim(_) | Event::Wait(_) => false,
            _ => true,
        };
        if error {
            tried += 1;
            let after = (real.session.level(real.now), real.session.factors());
            assert_eq!(after, before, "after {event:?}");
        }
    });
    assert!(tried > 50_000);
}
