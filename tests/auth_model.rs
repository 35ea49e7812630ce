//! `AuthSession` beside a short, obvious model of itself, over random orders of events.
//!
//! The model knows one policy by heart: `basic` is any one factor, `strong` is two of different kinds, neither of
//! them weak nor older than fifteen minutes. Whatever happens in whatever order, both must order the same and hold
//! the same level. `COUNTERSIGN_ROUNDS=full` tries a million orders.

#[path = "auth_model/model.rs"]
mod model;
#[path = "auth_model/orders.rs"]
mod orders;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::auth::{
    Answer, AuthSession, Choose, FactorId, FactorKind, Identified, Input, LevelName, Outcome, Output, Policy,
    Prepared, Question, Refused, Said, SubjectKey, SubjectRef, Verdict, Words,
};
use countersign::secret::Secret;
use countersign::units::{AskId, CallId};
use countersign::voice::{Ended, Utterance};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use self::model::Model;
use self::orders::event;

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
    /// Nobody can hear the caller, or they would rather not give what they are asked for.
    Unable,
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
    Unsure,
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
    let mut factors: Vec<_> = USED.iter().map(|factor| factor.defaults()).collect();
    // What a voice needs beside it is a matter of sets, not of orders.
    factors.iter_mut().for_each(|used| used.voice.alone_because = Some("a model".to_owned()));
    Policy { factors, ..Policy::default() }
}

/// The real one, with the questions it has asked.
struct Real {
    session: AuthSession,
    now: Instant,
    open: Option<AskId>,
    gone: Vec<AskId>,
    asked: Asked,
    spoken: bool,
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
        Self { session, now: start(), open: None, gone: Vec::new(), asked: Asked::Enrolled, spoken: false }
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
            Event::Respond => {
                let keyed = Input::Response(Secret::new("1".into()));
                let (fits, other) = if self.spoken {
                    (Input::Spoken(vec![said()]), keyed)
                } else {
                    (keyed, Input::Spoken(vec![said()]))
                };
                self.session.handle(self.now, other);
                assert_eq!(self.drain(), [], "a voice is not keyed, nor a PIN known by its sound");
                self.session.handle(self.now, fits);
            }
            Event::Unable => self.session.handle(self.now, Input::Unable),
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
                Output::Unsure => Seen::Unsure,
                Output::Resent => Seen::Resent,
                Output::NotResent => Seen::NotResent,
                Output::SetAside(factor) => Seen::SetAside(factor),
                Output::Challenge(challenge) => {
                    assert_eq!(challenge.sent, is_sent(challenge.factor));
                    self.spoken = challenge.factor == FactorId::Voiceprint;
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
            Question::Verify { subject, factor, response, .. } => {
                assert_eq!(response.keyed().is_none(), factor == FactorId::Voiceprint);
                (Asked::Verify, Seen::AskVerify(number(&subject), factor))
            }
            other => panic!("an authentication does not ask {other:?}"),
        };
        self.asked = asked;
        seen
    }
}

fn said() -> Said {
    let sound = Utterance::new(Secret::new(vec![1; 80]), None, Duration::from_millis(10), Ended::Silence);
    Said { utterance: Arc::new(sound), words: Words::Right }
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
