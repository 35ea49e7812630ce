//! Bar 6: what the time of an answer tells: whether there is such an account, whether the first digit was right,
//! whether the account is locked.
//!
//! # Method
//!
//! Two classes of one question to the vault are asked in random order, each trial timed by itself; only the answer
//! is timed, not what it takes to bring the vault into the state before. Times above a quantile of both classes
//! together are left out of both alike, as the operating system's interruptions are no part of the work: none, the
//! longest 1 in 100, 1 in 10, and the longer half. Of these four Welch's t is taken, and the largest |t| counts. By
//! chance alone |t| reaches 4.5 once in 150,000 comparisons.
//!
//! The database is the one that is shipped, in memory where the system has a folder for that: without the noise of
//! a disk less is hidden. What is locked is asked of the pool that calls ask, whose answers come on the beat; all else of
//! the vault itself. What hashes a PIN takes some ten milliseconds and is asked thousands of times, everything
//! else 100,000 times with all rounds.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign::auth::factor::hotp::{self, Fob};
use countersign::auth::{Claim, FactorId, Lockout, Question};
use countersign::driver::vault_pool::BEAT;
use countersign::secret::Secret;

use crate::accounts::{SEED, World, account, prepare, verify};
use crate::rounds;
use crate::statistic::{Times, mean, trials, verdict};
use crate::vault_world::{boundless, later, secret};

/// |t| of two classes that no trial can tell apart stays below it.
const BOUND: f64 = 4.5;
pub(crate) const PIN: &str = "80429517";

/// A response that nobody's is, of the usual length.
pub(crate) fn other(factor: FactorId) -> String {
    match factor {
        FactorId::Pin => "71930462".into(),
        FactorId::Password => "719304628153".into(),
        FactorId::Recovery => "371930462".into(),
        _ => "719304".into(),
    }
}

/// The same digits, each another; or with the first one right.
fn near(right: &str, first: bool) -> String {
    let other = |c: char| char::from(b'0' + (c as u8 - b'0' + 5) % 10);
    right.chars().enumerate().map(|(at, c)| if at == 0 && first { c } else { other(c) }).collect()
}

/// What a comparison is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// Whether there is such an account.
    Accounts,
    /// Whether the first digit was right.
    Digits,
    /// Whether the account is locked.
    Locks,
    /// Any of these, with an answer that hashes: thousands of trials.
    Hashes,
}

/// One comparison of the bar: what it is called, and the times of its classes.
struct Case {
    name: &'static str,
    about: About,
    times: fn(u32) -> Times,
}

const CASES: &[Case] = &[
    Case {
        name: "who is it: known or unknown account",
        about: About::Accounts,
        times: |count| {
            let world = World::boundless();
            world.times(count, |known, number, now| {
                let nobody = &world.unknown[usize::try_from(number).expect("few")].1;
                let account = if known { account(number) } else { nobody.clone() };
                (now, Question::Identify { claim: Claim::Account(secret(&account)) })
            })
        },
    },
    Case {
        name: "what can be asked: known or unknown account",
        about: About::Accounts,
        times: |count| {
            let world = World::boundless();
            world.times(count, |known, number, now| {
                (now, Question::Enrolled { subject: world.who(known, number) })
            })
        },
    },
    Case {
        name: "send a code: known or unknown account",
        about: About::Accounts,
        times: |count| {
            let world = World::with_post();
            world.times(count, |known, number, now| (now, prepare(world.who(known, number))))
        },
    },
    Case {
        name: "authenticator: known or unknown account",
        about: About::Accounts,
        times: |count| World::boundless().wrong(FactorId::Totp, count),
    },
    Case {
        name: "authenticator: first digit right or wrong",
        about: About::Digits,
        times: |count| {
            let world = World::boundless();
            world.times(count, |first, number, now| {
                let (who, parameters, seed) = &world.known[usize::try_from(number).expect("few")];
                let right = parameters.code(seed, parameters.step_at(now));
                (now, verify(who.clone(), FactorId::Totp, &near(right.expose(), first)))
            })
        },
    },
    Case {
        name: "authenticator: locked or not",
        about: About::Locks,
        times: |count| locked(FactorId::Totp, count),
    },
    Case {
        name: "key fob: known or unknown account",
        about: About::Accounts,
        times: |count| World::boundless().wrong(FactorId::Hotp, count),
    },
    Case {
        name: "key fob: first digit right or wrong",
        about: About::Digits,
        times: |count| {
            let world = World::boundless();
            let right = Fob::of(&hotp::defaults()).code(&Secret::new(SEED.to_vec()), 0);
            world.times(count, |first, number, now| {
                (now, verify(world.who(true, number), FactorId::Hotp, &near(right.expose(), first)))
            })
        },
    },
    Case {
        name: "code by SMS: known or unknown account",
        about: About::Accounts,
        times: |count| {
            let world = World::boundless();
            world.times(count, |known, number, now| {
                let who = world.who(known, number);
                world.ask(now, prepare(who.clone()));
                (now.plus(Duration::from_secs(9)), verify(who, FactorId::OtpSms, &other(FactorId::OtpSms)))
            })
        },
    },
    Case {
        name: "code by SMS: locked or not",
        about: About::Locks,
        times: |count| locked(FactorId::OtpSms, count),
    },
    Case {
        name: "PIN: known or unknown account",
        about: About::Hashes,
        times: |count| World::boundless().wrong(FactorId::Pin, count),
    },
    Case {
        name: "PIN: first digit right or wrong",
        about: About::Hashes,
        times: |count| {
            let world = World::boundless();
            world.times(count, |first, number, now| {
                (now, verify(world.who(true, number), FactorId::Pin, &near(PIN, first)))
            })
        },
    },
    Case { name: "PIN: locked or not", about: About::Hashes, times: |count| locked(FactorId::Pin, count) },
    Case {
        name: "password: known or unknown account",
        about: About::Hashes,
        times: |count| World::boundless().wrong(FactorId::Password, count),
    },
    Case {
        name: "recovery code: known or unknown account",
        about: About::Hashes,
        times: |count| World::boundless().wrong(FactorId::Recovery, count),
    },
    Case {
        name: "the comparison alone: first digit right or wrong",
        about: About::Digits,
        times: |count| compared(count, |right, response| right.matches(response.as_bytes())),
    },
];

/// A locked account and one with as many failures as do not lock it, by turns brought back to that.
fn locked(factor: FactorId, count: u32) -> Times {
    let mut limits = boundless().lockout;
    limits.per_subject = Lockout::default().per_subject;
    let world = World::new(limits);
    let pool = world.pool(BEAT);
    let wrong = |now, number| drop(world.ask(now, verify(world.who(true, number), FactorId::Hotp, "719304")));
    let brought = |now, number, failures| {
        world.vault.unlock(now, &format!("C{number}"), "a trial").expect("unlocked");
        if factor == FactorId::OtpSms {
            world.ask(now, prepare(world.who(true, number)));
        }
        (0..failures).for_each(|_| wrong(now, number));
    };
    let prepare = |locked, trial: u32| {
        let now = later(Duration::from_secs(u64::from(trial) * 7_200));
        // Whoever was brought back last is nearer at hand for the processor: now the one, now the other.
        let failures = Lockout::default().per_subject.failures;
        let turns = [(0, failures), (1, failures - 2)];
        for (number, failures) in if trial.is_multiple_of(2) { turns } else { [turns[1], turns[0]] } {
            brought(now, number, failures);
        }
        world.vault.calendar().set(now.plus(Duration::from_secs(1)));
        verify(world.who(true, if locked { 0 } else { 1 }), factor, &other(factor))
    };
    trials(count, prepare, |question| world.pooled(&pool, question))
}

/// A question that takes longer than another, asked of the pool.
fn longer_and_shorter(beat: Duration, count: u32) -> Times {
    let world = World::boundless();
    let pool = world.pool(beat);
    let prepare = |longer, trial: u32| {
        world.vault.calendar().set(later(Duration::from_secs(u64::from(trial) * 7_200)));
        let subject = world.who(true, 0);
        if longer {
            verify(subject, FactorId::Totp, &other(FactorId::Totp))
        } else {
            Question::Enrolled { subject }
        }
    };
    trials(count, prepare, |question| world.pooled(&pool, question))
}

/// A hundred comparisons of a response with the right one: all of it wrong, or all but the first digit.
fn compared(count: u32, same: impl Fn(&Secret<String>, &str) -> bool) -> Times {
    let right = secret(PIN);
    let responses = [near(PIN, true), near(PIN, false)];
    trials(
        count,
        |first, _| responses[usize::from(!first)].as_str(),
        |response| (0..100).filter(|_| same(black_box(&right), black_box(response))).count(),
    )
}

/// Looks at a case: its name, trials and verdict are told.
#[expect(clippy::print_stdout, reason = "whoever runs all rounds wants to see how near it came")]
pub(crate) fn tell(name: &str, times: &Times) -> f64 {
    let t = verdict(times);
    let count = times.iter().map(Vec::len).sum::<usize>();
    let [a, b] = times.each_ref().map(|class| mean(class) / 1_000.0);
    println!("{name}: {count} trials, |t| {t:.2}, means {a:.2} and {b:.2} us");
    t
}

/// Timings take turns: what else this test program does may be noise, but not a second timing.
static TURN: Mutex<()> = Mutex::new(());

fn look(about: About, count: u32) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let found: Vec<String> = CASES
        .iter()
        .filter(|case| case.about == about)
        .map(|case| (case.name, tell(case.name, &(case.times)(count))))
        .filter(|(_, t)| *t >= BOUND)
        .map(|(name, t)| format!("{name}: {t:.2}"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn bar_6_time_does_not_tell_which_accounts_there_are() {
    look(About::Accounts, rounds(1_000, 100_000));
}

#[test]
fn bar_6_time_does_not_tell_the_first_digit() {
    look(About::Digits, rounds(1_000, 100_000));
}

#[test]
fn bar_6_time_does_not_tell_what_is_locked() {
    look(About::Locks, rounds(300, 100_000));
}

#[test]
fn bar_6_time_tells_nothing_of_a_pin() {
    look(About::Hashes, rounds(60, 2_000));
}

#[test]
fn bar_6_control_an_early_exit_a_skipped_hash_and_one_row_more_are_found() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let early = |right: &Secret<String>, response: &str| {
        right.expose().bytes().zip(response.bytes()).all(|(a, b)| black_box(a) == black_box(b))
    };
    let t = tell("control, a comparison that ends early", &compared(rounds(1_000, 100_000), early));
    assert!(t >= BOUND, "an early exit is not found: {t}");

    let world = World::boundless();
    let skipped = trials(
        rounds(40, 1_000),
        |known, number| (known, later(Duration::from_secs(u64::from(number) * 7_200))),
        |(known, now)| {
            known.then(|| world.ask(now, verify(world.who(true, 0), FactorId::Pin, &other(FactorId::Pin))))
        },
    );
    let t = tell("control, no hash for an unknown account", &skipped);
    assert!(t >= BOUND, "a skipped hash is not found: {t}");

    // What the beat is worth: without it the longer work is found, with it no more.
    let t = tell(
        "control, longer work off the beat",
        &longer_and_shorter(Duration::ZERO, rounds(1_000, 100_000)),
    );
    assert!(t >= BOUND, "longer work is not found: {t}");
    let t = tell("longer work on the beat", &longer_and_shorter(BEAT, rounds(300, 10_000)));
    assert!(t < BOUND, "the beat does not hide longer work: {t}");

    // What the statistic is worth: one row more of the database is seen.
    let row = trials(
        rounds(1_000, 100_000),
        |known, _| known,
        |known| {
            let claim = |account: String| Question::Identify { claim: Claim::Account(secret(&account)) };
            let seen = known.then(|| world.vault.on_file(world.who(true, 1).key()));
            (seen, world.ask(later(Duration::ZERO), claim(account(1))))
        },
    );
    let t = tell("control, one row more of a known account", &row);
    assert!(t >= BOUND, "one row more is not found: {t}");
}
