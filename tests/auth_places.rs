//! Where failures come from, against the real vault: the owner's way in, callers, trunks, many accounts from one
//! place; over restarts.

mod vault_world;

use std::time::Duration;

use countersign::auth::velocity::Seen;
use countersign::auth::{
    Answer, Attestation, Claim, FactorId, Question, Refused, Source, SubjectRef, Verdict,
};
use countersign::driver::audit_log::AUDIT_FILE;
use countersign::driver::vault::{AlarmCounts, Vault};
use countersign::units::UnixTime;
use vault_world::{
    ACCOUNT, Folder, NOON, PHONE, PIN, add_customer, customer, later, secret, subject, verify_from,
};

fn from(number: &str) -> Source {
    let caller = (!number.is_empty()).then(|| secret(number));
    Source { caller, trunk: "carrier".into(), attestation: None, doubted: false }
}

fn guess(vault: &Vault, source: &Source, now: UnixTime, who: &SubjectRef) -> (Verdict, bool) {
    verify_from(vault, source, now, who, FactorId::Pin, "11112222")
}

fn enrolled(vault: &Vault, source: &Source, now: UnixTime, who: &SubjectRef) -> Answer {
    vault.answer_for(now, &vault.policy(), source, Question::Enrolled { subject: who.clone() })
}

#[test]
fn who_locks_a_customer_out_locks_out_everybody_but_the_number_on_file() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    let (stranger, owner) = (from("+15550001"), from(PHONE));
    for _ in 0..9 {
        guess(&vault, &stranger, NOON, &caller);
    }
    drop(vault);
    let vault = folder.vault();
    let locked = Answer::Enrolled(Err(Refused::Locked));
    assert_eq!(enrolled(&vault, &stranger, NOON, &caller), locked);
    assert_eq!(verify_from(&vault, &stranger, NOON, &caller, FactorId::Pin, PIN), (Verdict::Reject, true));
    assert!(matches!(enrolled(&vault, &owner, NOON, &caller), Answer::Enrolled(Ok(_))));
    let doubted = Source { attestation: Some(Attestation::C), ..from(PHONE) };
    assert_eq!(enrolled(&vault, &doubted, NOON, &caller), locked, "the network does not know that number");
    assert_eq!(verify_from(&vault, &owner, NOON, &caller, FactorId::Pin, PIN), (Verdict::Accept, false));
    assert_eq!(
        enrolled(&vault, &stranger, NOON, &caller),
        locked,
        "a success of the owner's unlocks no guesser"
    );
    let ghost = subject(&vault, "99887760");
    for _ in 0..9 {
        guess(&vault, &from("+15550002"), NOON, &ghost);
    }
    assert_eq!(enrolled(&vault, &owner, NOON, &ghost), locked, "nobody has a number on file");
}

#[test]
fn a_guesser_with_the_owners_number_gains_nothing() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    let (stranger, owner) = (from("+15550001"), from(PHONE));
    let mut judged = 0;
    for step in 0..24 * 4 {
        let now = later(Duration::from_secs(step * 900));
        for source in [&stranger, &owner] {
            let before = vault.shown(now, "C1").expect("read").expect("there").failures;
            guess(&vault, source, now, &caller);
            judged += vault.shown(now, "C1").expect("read").expect("there").failures.saturating_sub(before);
        }
    }
    assert!(judged <= 10, "{judged} guesses in a day: more than 1 in 10 million for 8 digits");
    assert!(judged >= 8, "{judged}: the test would see no more");
}

#[test]
fn failures_of_one_number_over_many_accounts_close_it_for_an_hour_and_keep_it_closed_over_a_restart() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    let source = from("+15550001");
    let told: Vec<bool> = (0..9)
        .map(|account| guess(&vault, &source, NOON, &subject(&vault, &format!("9988{account:04}"))).1)
        .collect();
    assert_eq!(told, [false, false, false, false, false, false, false, true, true]);
    assert_eq!(
        vault.alarms(),
        AlarmCounts { places_locked: 1, subjects_locked: 1, ..AlarmCounts::default() }
    );
    drop(vault);
    let vault = folder.vault();
    assert_eq!(verify_from(&vault, &source, NOON, &caller, FactorId::Pin, PIN), (Verdict::Reject, true));
    let other = from("+15550002");
    assert_eq!(verify_from(&vault, &other, NOON, &caller, FactorId::Pin, PIN), (Verdict::Accept, false));
    let after = later(Duration::from_secs(3600));
    assert_eq!(verify_from(&vault, &source, after, &caller, FactorId::Pin, PIN), (Verdict::Accept, false));
    let log = std::fs::read_to_string(folder.file(AUDIT_FILE)).expect("the log");
    assert_eq!(log.matches("place_locked").count(), 1);
    assert!(!log.contains("15550001"), "numbers are hashed");
}

#[test]
fn a_flood_over_a_trunk_closes_the_trunk_but_not_for_owners() {
    let folder = Folder::new();
    let vault = folder.vault();
    let mut policy = countersign::auth::Policy::default();
    policy.lockout.per_trunk.failures = 20;
    vault.set_policy(policy.into());
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    for number in 0..25 {
        let ghost = subject(&vault, &format!("9988{number:04}"));
        guess(&vault, &from(&format!("+1555{number:04}")), NOON, &ghost);
    }
    assert_eq!(guess(&vault, &from("+15559999"), NOON, &caller), (Verdict::Reject, true));
    assert_eq!(guess(&vault, &from(""), NOON, &caller), (Verdict::Reject, true));
    assert_eq!(verify_from(&vault, &from(PHONE), NOON, &caller, FactorId::Pin, PIN).0, Verdict::Accept);
    let elsewhere = Source { trunk: "another".into(), ..from("+15559999") };
    assert_eq!(verify_from(&vault, &elsewhere, NOON, &caller, FactorId::Pin, PIN).0, Verdict::Accept);
}

#[test]
fn a_number_that_asks_for_many_accounts_is_counted_and_rings() {
    let folder = Folder::new();
    let vault = folder.vault();
    assert!(vault.add_subjects(NOON, &[customer("C1", ACCOUNT)]).is_ok());
    let source = from("+15550001");
    let ask = |source: &Source, question| vault.answer_for(NOON, &vault.policy(), source, question);
    let identify = |account: &str| Question::Identify { claim: Claim::Account(secret(account)) };
    vault.called(NOON, &source);
    assert_eq!(ask(&source, Question::Velocity), Answer::Velocity(Some(Seen { calls: 1, accounts: 0 })));
    for account in 0..7 {
        let _ = ask(&source, identify(&format!("9988{account:04}")));
    }
    let _ = ask(&source, identify(ACCOUNT));
    assert_eq!(ask(&source, Question::Velocity), Answer::Velocity(Some(Seen { calls: 1, accounts: 8 })));
    assert_eq!(ask(&from("+15550002"), Question::Velocity), Answer::Velocity(Some(Seen::default())));
    assert_eq!(ask(&from(""), Question::Velocity), Answer::Velocity(None), "a hidden number is not known");
    assert_eq!(vault.alarms().mining, 1);
    let log = std::fs::read_to_string(folder.file(AUDIT_FILE)).expect("the log");
    assert_eq!(log.matches("\"mining\"").count(), 1);
}

#[test]
fn an_operator_unlocks_with_a_reason_that_the_audit_log_keeps() {
    let folder = Folder::new();
    let vault = folder.vault();
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    for _ in 0..6 {
        guess(&vault, &from("+15550001"), NOON, &caller);
    }
    for reason in ["", "  ", "two\nlines", &"long ".repeat(50)] {
        assert!(vault.unlock(NOON, "C1", reason).is_err(), "{reason:?}");
    }
    vault.unlock(NOON, "C1", "called back on the number on file").expect("unlocked");
    assert!(matches!(enrolled(&vault, &from(""), NOON, &caller), Answer::Enrolled(Ok(_))));
    let log = std::fs::read_to_string(folder.file(AUDIT_FILE)).expect("the log");
    assert!(log.contains("called back on the number on file"));
}
