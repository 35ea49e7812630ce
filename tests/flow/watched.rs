//! A run of which everything that must always hold is checked at every order, and what may happen to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use countersign::auth::{
    self, FactorId, Identified, LevelName, Policy, Prepared, Refused, SubjectKey, SubjectRef, Verdict,
};
use countersign::flow::document::Application;
use countersign::flow::run::{
    Answer, CallFacts, FlowRun, HandOff, HandOffRequest, Input, LookupReply, MessageReply, Output, Question,
    TraceEvent,
};
use countersign::units::{AskId, CallId, Digit, Epoch, PlayId, UnixTime};

use super::first_instant;

/// The PIN that [`Act::Pin`] types.
pub(crate) const PIN: &str = "80421537";

/// What may happen to a run.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Key(u8),
    Pin,
    Wait(u64),
    ToDeadline,
    PlayEnds,
    StalePlayEnds,
    Answered,
    Reply { ask: usize, how: u8 },
    StaleReply { how: u8 },
    Agent(u8),
    HangUp,
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0_u8..16).prop_map(Act::Key),
        3 => Just(Act::Pin),
        3 => (1_u64..8_000).prop_map(Act::Wait),
        4 => Just(Act::ToDeadline),
        6 => Just(Act::PlayEnds),
        1 => Just(Act::StalePlayEnds),
        2 => Just(Act::Answered),
        // Most answers are good ones, or hardly any run would get anywhere.
        12 => (0_usize..4, prop_oneof![4 => Just(0_u8), 1 => 0_u8..12]).prop_map(|(ask, how)| Act::Reply { ask, how }),
        1 => (0_u8..12).prop_map(|how| Act::StaleReply { how }),
        3 => (0_u8..10).prop_map(Act::Agent),
        1 => Just(Act::HangUp),
    ];
    prop::collection::vec(act, 1..120)
}

/// What a question was, for choosing an answer that fits it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Identify,
    Enrolled,
    Prepare,
    Verify,
    Enrol,
    Audit,
    Memory,
    Notify,
    Message,
    Lookup,
}

/// Whether a call of a service, by both names, is protected by a level.
type Protected = dyn Fn(&str, &str) -> bool;

/// A run with everything that must hold of it, checked at every order.
pub(crate) struct Watched {
    pub(crate) run: FlowRun,
    pub(crate) policy: Arc<Policy>,
    protected: Box<Protected>,
    pub(crate) now: Instant,
    pub(crate) wake: Option<Instant>,
    pub(crate) playing: Option<PlayId>,
    pub(crate) pending: Vec<(AskId, Sort)>,
    pub(crate) handing: bool,
    pub(crate) gone: bool,
    pub(crate) finished: u32,
    pub(crate) traces: Vec<TraceEvent>,
}

impl Watched {
    pub(crate) fn new(app: &Arc<Application>, protected: impl Fn(&str, &str) -> bool + 'static) -> Self {
        let now = first_instant();
        let mut facts = CallFacts::new(CallId(1), Some(String::from("+441632960001")), String::from("1"));
        facts.abilities.cards = true;
        let run = FlowRun::new(Arc::clone(app), facts, now, Epoch { instant: now, unix: UnixTime(0) });
        let mut watched = Self {
            run,
            policy: Arc::clone(&app.policy),
            protected: Box::new(protected),
            now,
            wake: None,
            playing: None,
            pending: Vec::new(),
            handing: false,
            gone: false,
            finished: 0,
            traces: Vec::new(),
        };
        watched.feed(Input::Start);
        watched
    }

    pub(crate) fn rank(&self) -> Option<usize> {
        self.run.auth().level(self.now).name().and_then(|name: &LevelName| self.policy.rank(name))
    }

    fn feed(&mut self, input: Input) {
        let accepts = match &input {
            Input::Answer(
                ask,
                Answer::Auth(auth::Answer::Verdict {
                    verdict: Verdict::Accept,
                    locked: false,
                    expired: false,
                    left: None,
                }),
            ) => self.pending.iter().any(|(pending, sort)| pending == ask && *sort == Sort::Verify),
            _ => false,
        };
        if let Input::Answer(ask, _) = &input {
            self.pending.retain(|(pending, _)| pending != ask);
        }
        let before = self.rank();
        self.gone |= matches!(input, Input::HungUp);
        self.run.handle(self.now, input);
        for orders in 0.. {
            assert!(orders < 100_000, "law 2: a run drains");
            match self.run.poll() {
                Output::Timeout(at) => {
                    self.wake = at;
                    break;
                }
                output => self.order(output),
            }
        }
        let after = self.rank();
        assert!(after <= before || accepts, "law 3: {before:?} became {after:?} without an Accept");
        assert!(self.finished == 0 || self.wake.is_none(), "a run that is over wants to be woken");
    }

    fn order(&mut self, output: Output) {
        assert_eq!(self.finished, 0, "an order after the end");
        match output {
            Output::Play { id, .. } => {
                assert!(!self.gone, "a prompt for nobody");
                self.playing = Some(id);
            }
            Output::StopPlaying => self.playing = None,
            Output::Secure(on) => assert!(!(on && self.gone), "a secret from nobody"),
            Output::Ask(ask, Question::Lookup(lookup)) => {
                let needs = (self.protected)(&lookup.service, &lookup.call);
                assert!(!needs || lookup.grant.is_some(), "a protected lookup without a grant");
                self.pending.push((ask, Sort::Lookup));
            }
            Output::Ask(ask, Question::Auth(question)) => {
                if let auth::Question::Enrol { grant, .. } | auth::Question::Amend { grant, .. } = &question {
                    let held = self.run.auth().grant(self.now, grant.level(), None);
                    assert!(held.is_some(), "law 3: a factor kept for somebody who does not hold the level");
                }
                let sort = match question {
                    auth::Question::Identify { .. } => Sort::Identify,
                    auth::Question::Enrolled { .. } => Sort::Enrolled,
                    auth::Question::Prepare { .. } => Sort::Prepare,
                    auth::Question::Verify { .. } => Sort::Verify,
                    auth::Question::Enrol { .. } | auth::Question::Amend { .. } => Sort::Enrol,
                    auth::Question::Remember { .. }
                    | auth::Question::Recall { .. }
                    | auth::Question::Suspect { .. }
                    | auth::Question::Velocity => Sort::Memory,
                    auth::Question::Audit(_) => Sort::Audit,
                };
                self.pending.push((ask, sort));
            }
            Output::Ask(_, Question::Message(_)) => panic!("a flow keeps no audio"),
            Output::Ask(ask, Question::Notify(_)) => self.pending.push((ask, Sort::Notify)),
            Output::HandOff(HandOffRequest::Leave) => self.handing = false,
            Output::HandOff(_) => {
                assert!(!self.gone, "nobody to hand over");
                self.handing = true;
            }
            Output::Trace(event) => self.traces.push(event),
            Output::Hangup(_) => {
                assert!(!self.gone, "hung up twice");
                self.gone = true;
            }
            Output::Finished => {
                assert!(self.gone, "over with a caller still there");
                self.finished += 1;
            }
            Output::Listen(ask, _) => {
                assert!(!self.gone, "nobody to listen to");
                self.pending.push((ask, Sort::Message));
            }
            Output::StopListening | Output::Attend(_) | Output::Hear(_) => {}
            Output::Recording(_) => panic!("an order for a recorder that is not there"),
            Output::EarlyMedia | Output::Answer | Output::Timeout(_) => {}
        }
    }

    pub(crate) fn act(&mut self, act: &Act) {
        match act {
            Act::Key(event) => self.feed(Input::Digit(Digit::from_event(*event).expect("0–15 are keys"))),
            Act::Pin => {
                for c in PIN.chars().chain(['#']) {
                    self.feed(Input::Digit(Digit::from_char(c).expect("a key")));
                }
            }
            Act::Wait(ms) => self.pass(Duration::from_millis(*ms)),
            Act::ToDeadline => {
                if let Some(wake) = self.wake {
                    self.now = wake.max(self.now);
                    self.feed(Input::Timeout);
                }
            }
            Act::PlayEnds => {
                if let Some(id) = self.playing.take() {
                    self.feed(Input::PlayFinished(id));
                }
            }
            Act::StalePlayEnds => self.feed(Input::PlayFinished(PlayId(1))),
            Act::Answered => self.feed(Input::Answered),
            Act::Reply { ask, how } => {
                if let Some((ask, sort)) = self.pending.get(ask % self.pending.len().max(1)).copied() {
                    self.feed(Input::Answer(ask, reply(sort, *how)));
                }
            }
            Act::StaleReply { how } => {
                for (ask, sort) in [(AskId(1), Sort::Lookup), (AskId(1 << 63 | 1), Sort::Verify)] {
                    if !self.pending.iter().any(|(pending, _)| *pending == ask) {
                        self.feed(Input::Answer(ask, reply(sort, *how)));
                    }
                }
            }
            Act::Agent(how) => self.feed(Input::HandOff(progress(*how))),
            Act::HangUp => self.feed(Input::HungUp),
        }
    }

    /// Time passes, the timers on the way fire.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(wake) = self.wake.filter(|wake| *wake <= until) {
            self.now = wake.max(self.now);
            self.feed(Input::Timeout);
        }
        self.now = until;
    }

    /// Hangs up and lets the rest happen: it must come to its end by itself.
    pub(crate) fn end(&mut self) {
        self.feed(Input::HungUp);
        for _ in 0..10_000 {
            let Some(wake) = self.wake else { break };
            self.now = wake.max(self.now);
            self.feed(Input::Timeout);
        }
        assert_eq!(self.finished, 1, "a run ends once after the hang-up");
        assert!(self.run.finished());
    }
}

fn reply(sort: Sort, how: u8) -> Answer {
    let subject = SubjectRef::new(SubjectKey([how; 16]), "C77");
    let verdict = |verdict, locked| auth::Answer::Verdict { verdict, locked, expired: false, left: None };
    let found = |text: &str| {
        let fields = ["balance", "due", "name"].map(|name| (String::from(name), String::from(text)));
        Answer::Lookup(LookupReply::Found(fields.to_vec()))
    };
    match (sort, how) {
        (_, 11) => Answer::Auth(auth::Answer::Unavailable),
        (_, 10) => Answer::Lookup(LookupReply::Unavailable),
        (_, 9) => Answer::Auth(verdict(Verdict::Accept, false)),
        (Sort::Identify, 0..4) => {
            let same = SubjectRef::new(SubjectKey([0; 16]), "C77");
            Answer::Auth(auth::Answer::Identified(Identified::One(same)))
        }
        (Sort::Identify, 4) => Answer::Auth(auth::Answer::Identified(Identified::One(subject))),
        (Sort::Identify, 5) => Answer::Auth(auth::Answer::Identified(Identified::None(subject))),
        (Sort::Identify, _) => Answer::Auth(auth::Answer::Identified(Identified::Many)),
        (Sort::Enrolled, 0..4) => {
            Answer::Auth(auth::Answer::Enrolled(Ok(vec![FactorId::Pin, FactorId::Totp])))
        }
        (Sort::Enrolled, 4) => Answer::Auth(auth::Answer::Enrolled(Ok(vec![FactorId::Pin]))),
        (Sort::Enrolled, 5) => Answer::Auth(auth::Answer::Enrolled(Ok(vec![]))),
        (Sort::Enrolled, _) => Answer::Auth(auth::Answer::Enrolled(Err(Refused::Locked))),
        (Sort::Prepare, 0..6) => {
            Answer::Auth(auth::Answer::Prepared(Prepared::Sent { match_number: Some("42".into()) }))
        }
        (Sort::Prepare, 6) => Answer::Auth(auth::Answer::Prepared(Prepared::Exhausted)),
        (Sort::Prepare, 7) => Answer::Auth(auth::Answer::Prepared(Prepared::Locked)),
        (Sort::Prepare, _) => Answer::Auth(auth::Answer::Prepared(Prepared::TooSoon)),
        (Sort::Verify, 0..4) => Answer::Auth(verdict(Verdict::Accept, false)),
        (Sort::Verify, 4) => Answer::Auth(verdict(Verdict::Accept, true)),
        (Sort::Verify, 5) => Answer::Auth(verdict(Verdict::Inconclusive, false)),
        (Sort::Verify, 6) => Answer::Auth(verdict(Verdict::Unavailable, false)),
        (Sort::Verify, _) => Answer::Auth(verdict(Verdict::Reject, how == 7)),
        (Sort::Enrol, 0..4) => Answer::Auth(auth::Answer::Enrolment(auth::Enrolment::Done)),
        (Sort::Enrol, 4) => Answer::Auth(auth::Answer::Enrolment(auth::Enrolment::Refused)),
        (Sort::Enrol, 5) => Answer::Auth(auth::Answer::Enrolment(auth::Enrolment::Exists)),
        (Sort::Enrol, _) => Answer::Auth(auth::Answer::Enrolment(auth::Enrolment::Locked)),
        (Sort::Audit, _) => Answer::Auth(auth::Answer::Audited(how == 0)),
        (Sort::Memory, 0..4) => Answer::Auth(auth::Answer::Recalled(Some(String::from("es-ES")))),
        (Sort::Memory, 4) => Answer::Auth(auth::Answer::Recalled(Some(String::from("nonsense")))),
        (Sort::Memory, 5) => Answer::Auth(auth::Answer::Recalled(None)),
        (Sort::Memory, _) => Answer::Auth(auth::Answer::Remembered),
        (Sort::Message, 0..4) => Answer::Message(MessageReply::Saved),
        (Sort::Message, 4) => Answer::Message(MessageReply::Empty),
        (Sort::Message, _) => Answer::Message(MessageReply::Failed),
        (Sort::Notify, _) => Answer::Notified(how == 0),
        (Sort::Lookup, 0..4) => found("12.34 GBP"),
        (Sort::Lookup, 4) => found("nonsense"),
        (Sort::Lookup, _) => Answer::Lookup(LookupReply::NotFound),
    }
}

fn progress(how: u8) -> HandOff {
    match how {
        0 => HandOff::Waiting { place: 2 },
        1 => HandOff::Ringing,
        2 => HandOff::Connected { agent: String::from("ada") },
        3 => HandOff::Finished,
        4 => HandOff::Busy,
        5 => HandOff::NoAnswer,
        6 => HandOff::Refused,
        7 => HandOff::Failed,
        8 => HandOff::Full,
        _ => HandOff::TimedOut,
    }
}
