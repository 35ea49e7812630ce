//! Two hundred callers at once guess at one account, from everywhere and from its own number, with codes sent
//! again and restarts in between: together they have no more guesses in a day than the policy gives one.

use std::sync::Arc;
use std::time::Duration;

use countersign::auth::{Answer, FactorId, Policy, Question, Source, SubjectRef, Verdict};
use countersign::driver::vault::Vault;
use countersign::units::{CallId, UnixTime};

use crate::vault_world::{
    ACCOUNT, Folder, PHONE, add_customer, boundless, later, secret, subject, verify_from,
};

const CALLERS: u64 = 200;
/// What one call has.
const TRIES: u64 = 3;

fn source(caller: u64) -> Source {
    // Every tenth knows the customer's number and sends it.
    let number = if caller.is_multiple_of(10) { PHONE.to_owned() } else { format!("+1555{caller:07}") };
    Source { caller: Some(secret(&number)), trunk: "carrier".into(), attestation: None, doubted: false }
}

/// One call: a code is asked for again before each try, and every second try is at the PIN.
fn call(vault: &Vault, who: &SubjectRef, now: UnixTime, number: u64) -> u64 {
    let mut accepted = 0;
    for attempt in 0..TRIES {
        let prepare = Question::Prepare {
            subject: who.clone(),
            factor: FactorId::OtpSms,
            call: CallId(number),
            again: attempt > 0,
        };
        let _ = vault.answer_for(now, &vault.policy(), &source(number), prepare);
        let (factor, response) = match (number + attempt) % 8 {
            0 => (FactorId::Pin, format!("{:08}", 10_000_000 + number * TRIES + attempt)),
            _ => (FactorId::Totp, format!("{:06}", number * TRIES + attempt)),
        };
        let (verdict, _) = verify_from(vault, &source(number), now, who, factor, &response);
        accepted += u64::from(verdict == Verdict::Accept);
    }
    accepted
}

/// A day of it, in so many rounds with a restart before each. How many guesses were judged within the last 24 hours, at most.
fn attack(policy: &Arc<Policy>, rounds: u64) -> u32 {
    let folder = Folder::new();
    add_customer(&folder.vault());
    let mut most = 0;
    for round in 0..rounds {
        let now = later(Duration::from_secs(round * 24 * 3600 / rounds));
        let vault = folder.vault();
        vault.set_policy(Arc::clone(policy));
        let who = subject(&vault, ACCOUNT);
        std::thread::scope(|scope| {
            for number in 0..CALLERS {
                let (vault, who) = (&vault, &who);
                scope.spawn(move || call(vault, who, now, number));
            }
        });
        most = most.max(vault.guesses(now, "C1").expect("read"));
        let enrolled = Question::Enrolled { subject: who };
        assert!(matches!(vault.answer(now, enrolled), Answer::Enrolled(_)));
    }
    most
}

#[test]
fn two_hundred_parallel_guessers_have_no_more_guesses_in_a_day_than_one() {
    let guesses = attack(&Arc::new(Policy::default()), u64::from(crate::rounds(8, 48)));
    assert!(f64::from(guesses) * 1e-6 <= 1e-5, "{guesses} guesses at a code of six digits in a day");
    assert!(guesses >= 8, "{guesses}: the attack made fewer than it could");
    // The control: without limits the same attack makes all its guesses.
    let all = attack(&boundless(), 1);
    assert!(u64::from(all) >= CALLERS * TRIES, "{all} guesses without limits");
}
