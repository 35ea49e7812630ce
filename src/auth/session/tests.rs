//! An authentication, step by step.

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
        self.begin_by(level, Choose::Policy)
    }

    fn begin_by(&mut self, level: &str, choose: Choose) -> Output {
        self.give(Input::Begin { level: level.into(), offer: FactorId::ALL.to_vec(), choose })
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
        self.give(Input::Answer(ask, Answer::Verdict { verdict, locked: false, expired: false, left: None }))
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
fn a_factor_that_the_caller_set_in_this_call_proves_nothing_in_it() {
    let mut desk = Desk::new();
    let ask = desk.begin_by("basic", Choose::StrongestFirst);
    desk.enrolled(ask, FactorId::ALL);
    assert!(is_done(&desk.judged(Verdict::Accept), Outcome::Reached));
    desk.session.changed(FactorId::Pin);
    let ask = desk.begin(STRONG);
    let ends = desk.enrolled(ask, &[FactorId::Pin, FactorId::Totp]);
    assert!(is_done(&ends, Outcome::NotEnrolled), "{ends:?}");
    // Asked for by itself it is right, and still no proof.
    let ask = desk.give(Input::Verify { factor: FactorId::Pin });
    desk.enrolled(ask, FactorId::ALL);
    assert!(is_done(&desk.judged(Verdict::Accept), Outcome::Reached));
    assert_eq!(desk.session.level(desk.now).to_string(), "basic");
    // Claiming somebody else meanwhile does not make it one.
    desk.session.claimed(SubjectRef::new(SubjectKey([2; 16]), "C1002"));
    desk.session.claimed(SubjectRef::new(SubjectKey([1; 16]), "C1001"));
    let ask = desk.begin(STRONG);
    let ends = desk.enrolled(ask, &[FactorId::Pin]);
    assert!(is_done(&ends, Outcome::NotEnrolled), "{ends:?}");
    desk.session.claimed(SubjectRef::new(SubjectKey([2; 16]), "C1002"));
    let ask = desk.begin("basic");
    assert!(matches!(desk.enrolled(ask, &[FactorId::Pin]), Output::Challenge(_)), "it is another one's");
}

#[test]
fn three_wrong_responses_end_every_attempt_of_the_call() {
    let mut desk = Desk::new();
    let ask = desk.begin(STRONG);
    desk.enrolled(ask, FactorId::ALL);
    assert!(matches!(desk.judged(Verdict::Reject), Output::Rejected { tries_left: 2, .. }));
    assert!(matches!(desk.judged(Verdict::Reject), Output::Rejected { tries_left: 1, .. }));
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
    let late = Answer::Verdict { verdict: Verdict::Accept, locked: false, expired: false, left: None };
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

#[test]
fn a_caller_who_may_choose_is_asked_once_there_is_a_choice() {
    let mut desk = Desk::new();
    let ask = desk.begin_by(STRONG, Choose::Caller);
    let choice = desk.enrolled(ask, FactorId::ALL);
    assert!(matches!(&choice, Output::Choose(among) if *among == [FactorId::Pin, FactorId::Totp]));
    assert!(matches!(desk.give(Input::Response(Secret::new("1".into()))), Output::Idle), "nothing was asked");
    let first = desk.give(Input::Chosen(FactorId::Totp));
    assert!(matches!(first, Output::Challenge(c) if c.factor == FactorId::Totp));
    let second = desk.judged(Verdict::Accept);
    assert!(matches!(second, Output::Challenge(c) if c.factor == FactorId::Pin), "one is left: no choice");
    assert!(is_done(&desk.judged(Verdict::Accept), Outcome::Reached));
}

#[test]
fn nobody_chooses_what_is_not_on_offer() {
    let mut desk = Desk::new();
    let ask = desk.begin_by("basic", Choose::Caller);
    let only = desk.enrolled(ask, &[FactorId::Totp]);
    assert!(matches!(only, Output::Challenge(c) if c.factor == FactorId::Totp));
    assert!(matches!(desk.give(Input::Chosen(FactorId::Pin)), Output::Idle));
    assert!(is_done(&desk.judged(Verdict::Accept), Outcome::Reached));
}

#[test]
fn the_strongest_first_is_what_the_caller_has() {
    let mut desk = Desk::new();
    let ask = desk.begin_by("basic", Choose::StrongestFirst);
    let first = desk.enrolled(ask, FactorId::ALL);
    assert!(matches!(first, Output::Challenge(c) if c.factor == FactorId::Totp));
}

#[test]
fn one_factor_is_verified_whatever_is_held_and_counts_like_any_attempt() {
    let mut desk = Desk::new();
    for verdict in [Verdict::Accept, Verdict::Accept] {
        let ask = desk.give(Input::Verify { factor: FactorId::Pin });
        desk.enrolled(ask, FactorId::ALL);
        assert!(is_done(&desk.judged(verdict), Outcome::Reached));
    }
    assert_eq!(desk.session.level(desk.now).to_string(), "basic");
    let ask = desk.give(Input::Verify { factor: FactorId::Totp });
    assert!(is_done(&desk.enrolled(ask, &[FactorId::Pin]), Outcome::NotEnrolled));
    let ask = desk.give(Input::Verify { factor: FactorId::Totp });
    desk.enrolled(ask, FactorId::ALL);
    assert!(matches!(desk.judged(Verdict::Reject), Output::Rejected { tries_left: 2, .. }));
    desk.judged(Verdict::Reject);
    assert!(is_done(&desk.judged(Verdict::Reject), Outcome::Insufficient));
    assert!(is_done(&desk.give(Input::Verify { factor: FactorId::Totp }), Outcome::Insufficient));
}
