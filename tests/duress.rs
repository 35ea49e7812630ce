//! A PIN for callers who are not free, against the real vault.

mod vault_world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::auth::{Answer, Duress, FactorId, Policy, Question, SubjectRef, Verdict};
use countersign::driver::audit_log::AUDIT_FILE;
use countersign::driver::vault::Vault;
use countersign::units::CallId;
use vault_world::{ACCOUNT, Folder, NOON, PIN, add_customer, boundless, customer, secret, subject};

const FORCED: &str = "62849173";
const WRONG: &str = "11112222";

fn answer(vault: &Vault, subject: &SubjectRef, pin: &str) -> Answer {
    let (subject, response) = (subject.clone(), secret(pin));
    vault.answer(
        NOON,
        Question::Verify { subject, factor: FactorId::Pin, response: response.into(), call: CallId(7) },
    )
}

fn verdict(verdict: Verdict) -> Answer {
    Answer::Verdict { verdict, locked: false, expired: false, left: None }
}

fn policy(duress: Option<Duress>) -> Arc<Policy> {
    Arc::new(Policy { duress, ..(*boundless()).clone() })
}

#[test]
fn the_second_pin_is_taken_and_rings_and_the_first_stays_what_it_was() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    assert!(vault.enrol_duress(NOON, "C1", &secret(FORCED)).is_err(), "the policy has no duress");
    vault.set_policy(policy(Some(Duress::Same)));
    for pin in [PIN, "12345678", "628491", ACCOUNT] {
        assert!(vault.enrol_duress(NOON, "C1", &secret(pin)).is_err(), "{pin}");
    }
    assert!(vault.add_subjects(NOON, &[customer("C2", "55230196")]).is_ok());
    assert!(vault.enrol_duress(NOON, "C2", &secret(FORCED)).is_err(), "there is no PIN to tell it from");
    vault.enrol_duress(NOON, "C1", &secret(FORCED)).expect("enrolled");
    drop(vault);
    let vault = folder.vault();
    vault.set_policy(policy(Some(Duress::Same)));
    assert_eq!(answer(&vault, &caller, PIN), verdict(Verdict::Accept));
    assert_eq!(answer(&vault, &caller, WRONG), verdict(Verdict::Reject));
    assert_eq!(vault.alarms().duress, 0);
    assert_eq!(answer(&vault, &caller, FORCED), Answer::Forced);
    assert_eq!(Answer::Forced.known(), verdict(Verdict::Accept));
    assert_eq!(vault.alarms().duress, 1);
    let log = std::fs::read_to_string(folder.file(AUDIT_FILE)).expect("the log");
    assert_eq!(log.matches("\"duress\"").count(), 1);
    // A version of the flow without duress knows the first PIN only, and a new PIN ends the second.
    vault.set_policy(policy(None));
    assert_eq!(answer(&vault, &caller, PIN), verdict(Verdict::Accept));
    assert_eq!(answer(&vault, &caller, FORCED), verdict(Verdict::Reject));
    vault.set_policy(policy(Some(Duress::Same)));
    vault.enrol_pin(NOON, "C1", &secret("73920581")).expect("a new PIN");
    assert_eq!(answer(&vault, &caller, FORCED), verdict(Verdict::Reject));
    assert_eq!(answer(&vault, &caller, "73920581"), verdict(Verdict::Accept));
}

#[test]
fn a_locked_subject_is_locked_for_the_second_pin_too() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(Arc::new(Policy { duress: Some(Duress::Same), ..Policy::default() }));
    add_customer(&vault);
    vault.enrol_duress(NOON, "C1", &secret(FORCED)).expect("enrolled");
    let caller = subject(&vault, ACCOUNT);
    // Two PINs are right at a time: a day has room for three tries from anywhere, and one of the owner's.
    let told: Vec<Answer> = (0..4).map(|_| answer(&vault, &caller, WRONG)).collect();
    let locked = Answer::Verdict { verdict: Verdict::Reject, locked: true, expired: false, left: None };
    assert_eq!(told.last(), Some(&locked));
    assert_eq!(answer(&vault, &caller, FORCED), locked);
    assert_eq!(vault.alarms().duress, 0);
}

/// Time by the clock: both hashes are computed for everybody. The control is a policy without duress, which
/// computes one.
#[test]
#[expect(clippy::disallowed_methods, reason = "the time that it takes is what is tested")]
fn whoever_has_a_second_pin_and_whoever_has_none_wait_as_long() {
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(policy(Some(Duress::Same)));
    add_customer(&vault);
    let mut other = customer("C2", "55230196");
    other.pin = Some(secret(PIN));
    assert!(vault.add_subjects(NOON, &[other]).is_ok());
    vault.enrol_duress(NOON, "C1", &secret(FORCED)).expect("enrolled");
    let (with, without, ghost) =
        (subject(&vault, ACCOUNT), subject(&vault, "55230196"), subject(&vault, "99887760"));
    let time = |who: &SubjectRef, pin: &str| {
        let before = Instant::now();
        let _ = answer(&vault, who, pin);
        before.elapsed()
    };
    let ways =
        [(&with, PIN), (&with, FORCED), (&with, WRONG), (&without, PIN), (&without, WRONG), (&ghost, WRONG)];
    // Turn by turn, so that what else the machine does falls on all of them; the fastest is the work alone. A machine
    // that is busy with something else may spoil a round; a real difference is in each.
    let mut rounds = (0..4).map(|_| {
        let (mut times, mut one) = ([Duration::MAX; 6], Duration::MAX);
        for _ in 0..20 {
            vault.set_policy(policy(Some(Duress::Same)));
            for (fastest, (who, pin)) in times.iter_mut().zip(ways) {
                *fastest = time(who, pin).min(*fastest);
            }
            vault.set_policy(policy(None));
            one = time(&with, PIN).min(one);
        }
        (times, one)
    });
    let alike = |(times, one): &([Duration; 6], Duration)| {
        let (least, most) = (times.iter().min().expect("some"), times.iter().max().expect("some"));
        // The control: one hash is told from two.
        *most < *least * 3 / 2 && *one < *least * 3 / 4
    };
    let mut seen = Vec::new();
    let found = rounds.any(|round| {
        seen.push(round);
        alike(&round)
    });
    assert!(found, "six ways that hash twice, and one that hashes once: {seen:?}");
}
