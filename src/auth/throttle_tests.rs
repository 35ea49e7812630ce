//! The counters' arithmetic, and what a guesser can make of it.

use super::*;
use crate::auth::Guesses;

const MINUTE: i64 = 60_000;
const HOURS_24: i64 = 24 * 60 * MINUTE;

fn attempt(factor: FactorId, lane: Lane) -> Attempt {
    Attempt::of(&Policy::default(), factor, lane)
}

fn reserve(throttle: &mut Throttle, at: i64, factor: FactorId, lane: Lane) -> bool {
    throttle.reserve(UnixTime(at), attempt(factor, lane), &Lockout::default()).may()
}

fn fail(throttle: &mut Throttle, at: i64) -> bool {
    reserve(throttle, at, FactorId::Pin, Lane::Open)
}

/// So much room that only the locks limit.
fn roomy() -> Lockout {
    Lockout { guesses: Guesses { per_day: 1000, for_owner: 0, ..Guesses::default() }, ..Lockout::default() }
}

#[test]
fn the_fifth_failure_within_a_day_locks_for_half_an_hour() {
    let mut throttle = Throttle::default();
    for minute in 0..5 {
        assert!(!throttle.locked(UnixTime(minute * MINUTE)));
        assert!(fail(&mut throttle, minute * MINUTE));
    }
    assert!(throttle.locked(UnixTime(4 * MINUTE)));
    assert_eq!(throttle.until(UnixTime(4 * MINUTE)), Some(UnixTime(34 * MINUTE)));
    assert!(!fail(&mut throttle, 33 * MINUTE));
    assert!(!throttle.locked(UnixTime(34 * MINUTE)));
}

#[test]
fn each_further_failure_doubles_the_lock() {
    let mut throttle = Throttle::default();
    let mut now = 0;
    let fail = |throttle: &mut Throttle, at| {
        throttle.reserve(UnixTime(at), attempt(FactorId::Pin, Lane::Open), &roomy()).may()
    };
    assert!((0..5).all(|_| fail(&mut throttle, now)));
    for minutes in [30, 60, 120, 240] {
        assert!(throttle.locked(UnixTime(now + minutes * MINUTE - 1)));
        now += minutes * MINUTE;
        assert!(!throttle.locked(UnixTime(now)));
        assert!(fail(&mut throttle, now));
    }
}

#[test]
fn failures_of_all_factors_count_together() {
    let mut throttle = Throttle::default();
    for turn in 0..5 {
        let factor = if turn % 2 == 0 { FactorId::Pin } else { FactorId::Totp };
        let _ = throttle.reserve(UnixTime(turn), attempt(factor, Lane::Open), &roomy());
    }
    assert!(throttle.locked(UnixTime(5)));
}

#[test]
fn a_success_takes_back_its_own_reservation_only() {
    let mut throttle = Throttle::default();
    assert!((0..4).all(|at| fail(&mut throttle, at)));
    let before = throttle.clone();
    assert!(fail(&mut throttle, 4));
    assert!(throttle.locked(UnixTime(4)));
    throttle.succeeded(&before, FactorId::Pin);
    assert!(!throttle.locked(UnixTime(4)));
    assert!(fail(&mut throttle, 5));
    assert!(throttle.locked(UnixTime(5)), "the four earlier ones still count");
}

#[test]
fn a_hundred_in_a_row_need_a_new_enrolment() {
    let mut throttle = Throttle::default();
    for day in 0..100 {
        assert!(fail(&mut throttle, day * HOURS_24), "day {day}");
    }
    assert!(!fail(&mut throttle, 100 * HOURS_24));
    throttle.enrolled(FactorId::Pin);
    assert!(fail(&mut throttle, 101 * HOURS_24));
}

#[test]
fn who_calls_from_the_number_on_file_may_try_where_others_are_locked_out() {
    let mut throttle = Throttle::default();
    let mut at = 0;
    while at < HOURS_24 / 2 {
        let _ = fail(&mut throttle, at);
        at += MINUTE;
    }
    let now = UnixTime(at);
    assert!(throttle.locked(now) && !throttle.locked_in(now, Lane::Owner));
    let tries = (0..9).filter(|_| reserve(&mut throttle, at, FactorId::Pin, Lane::Owner)).count();
    assert_eq!(tries, 3, "kept for the owner, whatever anybody else did");
    assert!(throttle.locked_in(now, Lane::Owner));
    assert!(!throttle.locked_in(UnixTime(HOURS_24), Lane::Owner), "it ends by itself");
}

#[test]
fn the_owners_own_failures_lock_the_owner_out_too() {
    let mut throttle = Throttle::default();
    assert!((0..4).all(|_| reserve(&mut throttle, 0, FactorId::Pin, Lane::Owner)));
    assert!(fail(&mut throttle, 0));
    assert!(throttle.locked(UnixTime(0)) && !throttle.locked_in(UnixTime(0), Lane::Owner));
    assert!(reserve(&mut throttle, 0, FactorId::Pin, Lane::Owner), "the fifth of their own");
    assert!(throttle.locked_in(UnixTime(0), Lane::Owner));
    assert!(!throttle.locked_in(UnixTime(60 * MINUTE), Lane::Owner));
}

#[test]
fn a_try_behind_a_lock_makes_it_no_longer() {
    let mut throttle = Throttle::default();
    assert!((0..5).all(|_| fail(&mut throttle, 0)));
    assert!(reserve(&mut throttle, MINUTE, FactorId::Pin, Lane::Owner));
    assert_eq!(throttle.until(UnixTime(MINUTE)), Some(UnixTime(30 * MINUTE)));
}

#[test]
fn a_code_of_which_three_are_right_takes_three_guesses_and_fewer_are_right_when_there_is_less_room() {
    let mut throttle = Throttle::default();
    let one = attempt(FactorId::Totp, Lane::Open);
    assert_eq!((one.codes, one.least), (3, 1));
    let codes: Vec<Admission> =
        (0..4).map(|at| throttle.reserve(UnixTime(at), one, &Lockout::default())).collect();
    let reserved = |codes| Admission::Reserved { codes };
    assert_eq!(codes, [reserved(3), reserved(3), reserved(1), Admission::Refused]);
    assert!(throttle.locked(UnixTime(4)));
    assert!(!throttle.locked(UnixTime(HOURS_24)));
}

#[test]
fn a_factor_that_reaches_no_level_alone_takes_one_guess() {
    let mut policy = Policy::default();
    policy.levels.remove(0);
    assert_eq!(Attempt::of(&policy, FactorId::Totp, Lane::Open).codes, 1);
}

/// The chance of the guesser who never tires, calls from everywhere and from the number on file, and begins at
/// the worst moment: over any 24 hours of ten days, in codes of one digit length.
fn most_guesses_in_a_day(factor: FactorId, lanes: &[Lane]) -> u32 {
    let mut throttle = Throttle::default();
    let mut made: Vec<(i64, u32)> = Vec::new();
    let mut at = 0;
    while at < 10 * HOURS_24 {
        for lane in lanes {
            for _ in 0..12 {
                let one = attempt(factor, *lane);
                if let Admission::Reserved { codes } =
                    throttle.reserve(UnixTime(at), one, &Lockout::default())
                {
                    made.push((at, codes));
                }
            }
        }
        at += 7 * MINUTE;
    }
    let within = |from: i64| {
        made.iter().filter(|(at, _)| (from..from + HOURS_24).contains(at)).map(|(_, codes)| codes).sum()
    };
    made.iter().map(|(at, _)| within(*at)).max().unwrap_or(0)
}

#[test]
fn no_guesser_has_more_than_one_in_a_hundred_thousand_at_six_digits_and_one_in_ten_million_at_eight() {
    let both = [Lane::Open, Lane::Owner];
    for factor in [FactorId::Pin, FactorId::Totp] {
        let guesses = most_guesses_in_a_day(factor, &both);
        assert!(f64::from(guesses) * 1e-6 <= 1e-5, "{factor}: {guesses} guesses at six digits");
        assert!(f64::from(guesses) * 1e-8 <= 1e-7, "{factor}: {guesses} guesses at eight digits");
    }
    // The control: without the day's room the locks alone let more through.
    let mut throttle = Throttle::default();
    let all = Attempt { codes: 3, least: 3, ..attempt(FactorId::Totp, Lane::Open) };
    let tries = (0..HOURS_24 / MINUTE)
        .filter(|minute| throttle.reserve(UnixTime(minute * MINUTE), all, &roomy()).may())
        .count();
    assert_eq!(tries, 10, "three in a hundred thousand");
}
