//! `AuthSession` beside a short, obvious model of itself, over random orders of events.
//!
//! The model knows one policy by heart: `basic` is any one factor, `strong` is two of different kinds, neither of
//! them weak nor older than fifteen minutes. Whatever happens in whatever order, both must order the same and hold
//! the same level. `COUNTERSIGN_ROUNDS=full` tries a million orders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::auth::{
    Answer, AuthSession, Choose, FactorId, FactorKind, Identified, Input, LevelName, Outcome, Output, Policy,
    Prepared, Question, Refused, SubjectKey, SubjectRef, Verdict,
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
    Again,
    Another,
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
    Prepared(Prepared),
    Verdict(Verdict, bool, bool),
    Audited,
    Unavailable,
    Identified,
}

/// What an output comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    AskEnrolled(u8),
    AskPrepare(u8, FactorId, bool),
    AskVerify(u8, FactorId),
    Choose(Vec<FactorId>),
    Challenge(FactorId, u32, bool),
    Rejected(u32, bool),
    Resent,
    NotResent,
    SetAside(FactorId),
    Done(Outcome),
}

const TRIES: u32 = 3;
const FRESH: u64 = 15 * 60;

/// What the model knows of factors.
fn is_sent(factor: FactorId) -> bool {
    matches!(factor, FactorId::OtpSms | FactorId::OtpEmail | FactorId::Push)
}

fn is_weak(factor: FactorId) -> bool {
    matches!(factor, FactorId::OtpEmail | FactorId::Number)
}

fn kind(factor: FactorId) -> FactorKind {
    match factor {
        FactorId::Pin => FactorKind::Knowledge,
        FactorId::Voiceprint => FactorKind::Inherence,
        _ => FactorKind::Possession,
    }
}

const USED: [FactorId; 7] = [
    FactorId::Pin,
    FactorId::Totp,
    FactorId::OtpSms,
    FactorId::OtpEmail,
    FactorId::Push,
    FactorId::Number,
    FactorId::Voiceprint,
];

fn policy() -> Policy {
    Policy { factors: USED.iter().map(|factor| factor.defaults()).collect(), ..Policy::default() }
}

#[derive(Default)]
struct Model {
    now: u64,
    vouched: bool,
    subject: Option<u8>,
    proved: BTreeMap<FactorId, u64>,
    failures: u32,
    mode: Mode,
}

#[derive(Clone, Default)]
enum Mode {
    #[default]
    Idle,
    Listing(Goal, Vec<FactorId>),
    Choosing(Goal, Vec<FactorId>, Vec<FactorId>),
    Preparing(Goal, Vec<FactorId>, FactorId, Why),
    Asking(Goal, Vec<FactorId>, FactorId),
    Judging(Goal, Vec<FactorId>, FactorId),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    First,
    Again,
    Expired,
}

/// What is aimed at: a level, or [`ONE`] factor; who chooses; how it ends when nothing is left.
#[derive(Clone, Copy)]
struct Goal {
    level: &'static str,
    choose: Choose,
    without: Outcome,
}

impl Goal {
    fn to(level: &'static str, choose: Choose) -> Self {
        Self { level, choose, without: Outcome::NotEnrolled }
    }
}

/// In the place of a level: the one factor on offer.
const ONE: &str = "one";

impl Model {
    /// What counts for `strong`.
    fn strong(&self) -> Vec<FactorId> {
        let fresh = self.proved.iter().filter(|(f, at)| self.now - **at <= FRESH && !is_weak(**f));
        fresh.map(|(f, _)| *f).collect()
    }

    fn level(&self) -> &'static str {
        let strong = self.strong();
        if strong.iter().any(|one| strong.iter().any(|other| kind(*one) != kind(*other))) {
            "strong"
        } else if self.proved.is_empty() {
            "none"
        } else {
            "basic"
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

    /// What brings the caller nearer.
    fn helpful(&self, level: &str, left: &[FactorId]) -> Vec<FactorId> {
        let strong = self.strong();
        let new: Vec<FactorId> =
            left.iter().copied().filter(|f| !is_weak(*f) && !strong.contains(f)).collect();
        let differs = |f: &FactorId, from: &[FactorId]| from.iter().any(|other| kind(*other) != kind(*f));
        match level {
            ONE | "basic" => left.to_vec(),
            "strong" if strong.is_empty() => new.iter().copied().filter(|f| differs(f, &new)).collect(),
            "strong" => new.iter().copied().filter(|f| differs(f, &strong)).collect(),
            _ => vec![],
        }
    }

    fn next(&mut self, goal: Goal, left: Vec<FactorId>, not: Option<FactorId>) -> Vec<Seen> {
        let mut helpful = self.helpful(goal.level, &left);
        if helpful.iter().any(|f| Some(*f) != not) {
            helpful.retain(|f| Some(*f) != not);
        }
        if goal.choose == Choose::Caller && helpful.len() > 1 {
            if helpful.contains(&FactorId::Number) {
                return self.turn(goal, left, FactorId::Number);
            }
            self.mode = Mode::Choosing(goal, left, helpful.clone());
            return vec![Seen::Choose(helpful)];
        }
        if goal.choose == Choose::StrongestFirst {
            helpful.sort_by_key(|f| (is_weak(*f), *f == FactorId::Voiceprint, *f == FactorId::Pin));
        }
        match helpful.first() {
            Some(factor) => self.turn(goal, left, *factor),
            None => self.end(goal.without),
        }
    }

    fn turn(&mut self, goal: Goal, left: Vec<FactorId>, factor: FactorId) -> Vec<Seen> {
        match factor {
            FactorId::Voiceprint => self.aside(goal, left, factor, Outcome::Unavailable),
            FactorId::Number => {
                self.mode = Mode::Judging(goal, left, factor);
                vec![Seen::AskVerify(self.subject.expect("claimed"), factor)]
            }
            _ if is_sent(factor) => self.prepare(goal, left, factor, Why::First),
            _ => self.ask(goal, left, factor),
        }
    }

    fn prepare(&mut self, goal: Goal, left: Vec<FactorId>, factor: FactorId, why: Why) -> Vec<Seen> {
        self.mode = Mode::Preparing(goal, left, factor, why);
        vec![Seen::AskPrepare(self.subject.expect("claimed"), factor, why != Why::First)]
    }

    fn aside(&mut self, goal: Goal, left: Vec<FactorId>, factor: FactorId, why: Outcome) -> Vec<Seen> {
        let left = left.into_iter().filter(|f| *f != factor).collect();
        let mut seen = if factor == FactorId::Number { vec![] } else { vec![Seen::SetAside(factor)] };
        seen.extend(self.next(Goal { without: why, ..goal }, left, None));
        seen
    }

    fn ask(&mut self, goal: Goal, left: Vec<FactorId>, factor: FactorId) -> Vec<Seen> {
        let another = self.helpful(goal.level, &left).iter().any(|f| *f != factor);
        self.mode = Mode::Asking(goal, left, factor);
        vec![Seen::Challenge(factor, TRIES - self.failures, another)]
    }

    fn begin(&mut self, goal: Goal, offer: Vec<FactorId>) -> Vec<Seen> {
        match self.subject {
            None => self.end(Outcome::NotEnrolled),
            Some(_) if self.holds(goal.level) => self.end(Outcome::Reached),
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
                    self.proved.clear();
                }
                self.subject = Some(*subject);
                if matches!(self.mode, Mode::Idle) { vec![] } else { self.end(Outcome::Insufficient) }
            }
            Event::Abandon if matches!(self.mode, Mode::Idle) => vec![],
            Event::Abandon => self.end(Outcome::Insufficient),
            Event::Begin { level, offer, choose } => self.begin(Goal::to(level, *choose), offer.clone()),
            Event::Verify(factor) => self.begin(Goal::to(ONE, Choose::Policy), vec![*factor]),
            Event::Chosen(factor) => match self.mode.clone() {
                Mode::Choosing(goal, left, among) if among.contains(factor) => self.turn(goal, left, *factor),
                _ => vec![],
            },
            Event::Respond => match (self.mode.clone(), self.subject) {
                (Mode::Asking(goal, left, factor), Some(subject)) => {
                    self.mode = Mode::Judging(goal, left, factor);
                    vec![Seen::AskVerify(subject, factor)]
                }
                _ => vec![],
            },
            Event::Again => match self.mode.clone() {
                Mode::Asking(goal, left, factor) if is_sent(factor) => {
                    self.prepare(goal, left, factor, Why::Again)
                }
                _ => vec![],
            },
            Event::Another => match self.mode.clone() {
                Mode::Asking(goal, mut left, factor)
                    if self.helpful(goal.level, &left).iter().any(|f| *f != factor) =>
                {
                    left.retain(|f| *f != factor);
                    left.push(factor);
                    self.next(goal, left, Some(factor))
                }
                _ => vec![],
            },
            Event::Answer(reply) => self.answered(reply),
            Event::Stale(_) => vec![],
        }
    }

    fn answered(&mut self, reply: &Reply) -> Vec<Seen> {
        match (self.mode.clone(), reply) {
            (Mode::Listing(goal, offer), Reply::Enrolled(enrolled)) => {
                let shown = |f: &FactorId| self.vouched || *f != FactorId::Number;
                let left = offer.into_iter().filter(|f| enrolled.contains(f) && shown(f)).collect();
                self.next(goal, left, None)
            }
            (Mode::Listing(..), Reply::Refused(Refused::Locked)) => self.end(Outcome::Locked),
            (Mode::Listing(..), _) => self.end(Outcome::Unavailable),
            (Mode::Preparing(goal, left, factor, why), reply) => {
                self.prepared(goal, left, factor, why, reply)
            }
            (Mode::Judging(goal, left, factor), Reply::Verdict(verdict, locked, expired)) => {
                self.judged(goal, left, factor, (*verdict, *locked, *expired))
            }
            (Mode::Judging(goal, left, factor), _) => self.aside(goal, left, factor, Outcome::Unavailable),
            _ => vec![],
        }
    }

    fn prepared(
        &mut self,
        goal: Goal,
        left: Vec<FactorId>,
        factor: FactorId,
        why: Why,
        reply: &Reply,
    ) -> Vec<Seen> {
        match (reply, why) {
            (Reply::Prepared(Prepared::Locked), _) => self.end(Outcome::Locked),
            (Reply::Prepared(Prepared::Sent { .. }), _) => {
                let mut seen = if why == Why::Again { vec![Seen::Resent] } else { vec![] };
                seen.extend(self.ask(goal, left, factor));
                seen
            }
            (_, Why::Again) => {
                let mut seen = vec![Seen::NotResent];
                seen.extend(self.ask(goal, left, factor));
                seen
            }
            (Reply::Prepared(Prepared::Exhausted | Prepared::TooSoon), Why::Expired) => {
                self.aside(goal, left, factor, Outcome::Expired)
            }
            _ => self.aside(goal, left, factor, Outcome::Unavailable),
        }
    }

    fn judged(
        &mut self,
        goal: Goal,
        left: Vec<FactorId>,
        factor: FactorId,
        verdict: (Verdict, bool, bool),
    ) -> Vec<Seen> {
        match verdict {
            (Verdict::Accept, false, false) => {
                self.proved.insert(factor, self.now);
                if goal.level == ONE || self.holds(goal.level) {
                    return self.end(Outcome::Reached);
                }
                self.next(goal, left, None)
            }
            (Verdict::Unavailable, ..) => self.aside(goal, left, factor, Outcome::Unavailable),
            (_, true, _) => {
                self.failures += 1;
                self.end(Outcome::Locked)
            }
            _ if factor == FactorId::Number => self.aside(goal, left, factor, Outcome::Insufficient),
            (_, _, expired) => {
                self.failures += 1;
                if self.failures >= TRIES {
                    return self.end(Outcome::Insufficient);
                }
                let mut seen = vec![Seen::Rejected(TRIES - self.failures, expired)];
                seen.extend(match expired && is_sent(factor) {
                    true => self.prepare(goal, left, factor, Why::Expired),
                    false => self.ask(goal, left, factor),
                });
                seen
            }
        }
    }
}

/// The real one, with the questions it has asked.
struct Real {
    session: AuthSession,
    now: Instant,
    open: Option<AskId>,
    gone: Vec<AskId>,
    asked: Asked,
}

/// What the open question is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Enrolled,
    Prepare,
    Verify,
}

impl Real {
    fn new(vouched: bool) -> Self {
        let mut session = AuthSession::new(Arc::new(policy()), CallId(1));
        if vouched {
            session.vouched(Secret::new("441632960001".into()));
        }
        session.claimed(subject_ref(0));
        Self { session, now: start(), open: None, gone: Vec::new(), asked: Asked::Enrolled }
    }

    /// Chooses the answer that fits the open question, where the event leaves it open.
    fn fit(&self, event: &Event) -> Event {
        match event {
            Event::Answer(Reply::Fitting(enrolled, verdict)) => Event::Answer(match self.asked {
                Asked::Enrolled => Reply::Enrolled(enrolled.clone()),
                Asked::Prepare => Reply::Prepared(Prepared::Sent { match_number: Some("42".into()) }),
                Asked::Verify => Reply::Verdict(*verdict, false, false),
            }),
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
            Event::Again => self.session.handle(self.now, Input::Again),
            Event::Another => self.session.handle(self.now, Input::Another),
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
                Output::Rejected { tries_left, expired } => Seen::Rejected(tries_left, expired),
                Output::Resent => Seen::Resent,
                Output::NotResent => Seen::NotResent,
                Output::SetAside(factor) => Seen::SetAside(factor),
                Output::Challenge(challenge) => {
                    assert_eq!(challenge.sent, is_sent(challenge.factor));
                    Seen::Challenge(challenge.factor, challenge.tries_left, challenge.another)
                }
                Output::Ask(ask, question) => {
                    assert!(AuthSession::asked(ask));
                    self.gone.extend(self.open.replace(ask));
                    self.question(question)
                }
            });
        }
    }

    fn question(&mut self, question: Question) -> Seen {
        let number = |subject: &SubjectRef| subject.key().0[0];
        let (asked, seen) = match question {
            Question::Enrolled { subject } => (Asked::Enrolled, Seen::AskEnrolled(number(&subject))),
            Question::Prepare { subject, factor, again, .. } => {
                (Asked::Prepare, Seen::AskPrepare(number(&subject), factor, again))
            }
            Question::Verify { subject, factor, .. } => {
                (Asked::Verify, Seen::AskVerify(number(&subject), factor))
            }
            other => panic!("an authentication does not ask {other:?}"),
        };
        self.asked = asked;
        seen
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
        Reply::Prepared(prepared) => Answer::Prepared(prepared.clone()),
        Reply::Verdict(verdict, locked, expired) => {
            Answer::Verdict { verdict: *verdict, locked: *locked, expired: *expired, left: None }
        }
        Reply::Audited => Answer::Audited(true),
        Reply::Unavailable => Answer::Unavailable,
        Reply::Identified => Answer::Identified(Identified::One(subject_ref(9))),
    }
}

/// Some of the factors, each once, in any order.
fn factors() -> impl Strategy<Value = Vec<FactorId>> {
    let some = proptest::sample::subsequence(USED.to_vec(), 0..=USED.len());
    prop_oneof![
        3 => Just(USED.to_vec()),
        1 => Just(vec![FactorId::Pin, FactorId::Totp]),
        4 => some.prop_shuffle(),
    ]
}

fn factor() -> impl Strategy<Value = FactorId> {
    proptest::sample::select(USED.to_vec())
}

fn choose() -> impl Strategy<Value = Choose> {
    prop_oneof![Just(Choose::Policy), Just(Choose::Caller), Just(Choose::StrongestFirst)]
}

fn prepared() -> impl Strategy<Value = Reply> {
    prop_oneof![
        2 => Just(Prepared::Sent { match_number: None }),
        2 => Just(Prepared::TooSoon),
        2 => Just(Prepared::Exhausted),
        2 => Just(Prepared::Unavailable),
        1 => Just(Prepared::Locked),
        1 => Just(Prepared::Questions(vec!["first_pet".into()])),
        1 => Just(Prepared::Questions(vec![])),
    ]
    .prop_map(Reply::Prepared)
}

fn reply() -> impl Strategy<Value = Reply> {
    let verdict = prop_oneof![4 => Just(Verdict::Accept), 1 => Just(Verdict::Reject)];
    let wrong = (
        prop_oneof![Just(Verdict::Reject), Just(Verdict::Inconclusive)],
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.3),
    );
    prop_oneof![
        40 => (factors(), verdict).prop_map(|(enrolled, verdict)| Reply::Fitting(enrolled, verdict)),
        2 => factors().prop_map(Reply::Enrolled),
        1 => prop_oneof![Just(Refused::Locked), Just(Refused::Unavailable)].prop_map(Reply::Refused),
        5 => prepared(),
        2 => Just(Reply::Verdict(Verdict::Accept, false, false)),
        1 => Just(Reply::Verdict(Verdict::Accept, true, false)),
        1 => Just(Reply::Verdict(Verdict::Accept, false, true)),
        4 => wrong.prop_map(|(verdict, locked, expired)| Reply::Verdict(verdict, locked, expired)),
        1 => Just(Reply::Verdict(Verdict::Unavailable, false, false)),
        1 => prop_oneof![Just(Reply::Audited), Just(Reply::Unavailable), Just(Reply::Identified)],
    ]
}

fn stale() -> impl Strategy<Value = Reply> {
    prop_oneof![
        3 => Just(Reply::Verdict(Verdict::Accept, false, false)),
        1 => factors().prop_map(Reply::Enrolled),
        1 => prepared(),
        1 => Just(Reply::Unavailable),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (0_u8..3).prop_map(Event::Claim),
        4 => (prop_oneof![4 => Just("strong"), 2 => Just("basic"), 1 => Just("unheard-of")], factors(), choose())
            .prop_map(|(level, offer, choose)| Event::Begin { level, offer, choose }),
        1 => factor().prop_map(Event::Verify),
        6 => factor().prop_map(Event::Chosen),
        14 => Just(Event::Respond),
        3 => Just(Event::Again),
        3 => Just(Event::Another),
        26 => reply().prop_map(Event::Answer),
        2 => stale().prop_map(Event::Stale),
        1 => Just(Event::Abandon),
        3 => prop_oneof![0_u64..30, 800_u64..1000].prop_map(Event::Wait),
    ]
}

/// How many orders of events are tried.
fn orders() -> u32 {
    let full = std::env::var("COUNTERSIGN_ROUNDS").is_ok_and(|rounds| rounds == "full");
    if full { 1_000_000 } else { 8_000 }
}

/// Runs the session over random orders of events and hands each event to `check`.
fn over_random_orders(orders: u32, mut check: impl FnMut(&mut Model, &mut Real, &Event)) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let strategy = (any::<bool>(), vec(event(), 1..60));
    for _ in 0..orders {
        // Each value is a fresh draw; a failure prints the event and what led to it.
        let (vouched, order) = strategy.new_tree(&mut runner).expect("nothing is filtered out").current();
        let mut real = Real::new(vouched);
        let mut model = Model { vouched, ..Model::default() };
        model.step(&Event::Claim(0));
        for event in &order {
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
    over_random_orders(orders(), |model, real, event| {
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
    over_random_orders(orders() / 2, |_, real, event| {
        let before = rank(&real.session.level(real.now).to_string());
        let open = real.open;
        let seen = real.step(event);
        let after = rank(&real.session.level(real.now).to_string());
        if after > before {
            rises += 1;
            let accepted = matches!(event, Event::Answer(Reply::Verdict(Verdict::Accept, false, false)));
            assert!(accepted && open.is_some(), "{event:?} lifted the level; then {seen:?}");
        }
        if after == 2 {
            let kinds: Vec<FactorKind> =
                real.session.factors().iter().filter(|(f, _)| !is_weak(*f)).map(|(f, _)| kind(*f)).collect();
            assert!(kinds.iter().any(|one| *one != kinds[0]), "one kind alone is strong after {event:?}");
        }
    });
    assert!(rises > 500, "only {rises} rises: the events do not get anywhere");
}

#[test]
fn errors_leave_the_level() {
    let mut tried = 0_u32;
    over_random_orders(orders() / 2, |_, real, event| {
        let before = (real.session.level(real.now), real.session.factors());
        real.step(event);
        let error = match event {
            Event::Answer(Reply::Verdict(verdict, locked, expired)) => {
                *verdict != Verdict::Accept || *locked || *expired
            }
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
