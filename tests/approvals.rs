//! Approvals with a passkey, and links to enrol one by: what each half alone is worth, what is good once, what is
//! counted, what a race and a restart change.

mod authenticator;
mod desk;
#[path = "approvals/office.rs"]
mod office;
mod vault_world;

use std::sync::{Arc, Barrier};
use std::time::Duration;

use authenticator::{Authenticator, UP, UV};
use countersign::auth::{Answer, FactorId, Prepared, Question, Verdict};
use countersign::driver::sender::{Channel, Purpose};
use countersign::driver::vault::{Begun, Finished, NewLink};
use countersign::units::{CallId, UnixTime};
use desk::Desk;
use office::{Office, policy};
use vault_world::{ACCOUNT, Folder, NOON, add_customer, customer, secret, subject};

const HOST: &str = "calls.example.com";
const CALL: CallId = CallId(7);
const PUSH: FactorId = FactorId::Push;
const RIGHT: (Verdict, bool, bool) = (Verdict::Accept, false, false);
const WRONG: (Verdict, bool, bool) = (Verdict::Reject, false, false);
const TOO_OLD: (Verdict, bool, bool) = (Verdict::Reject, false, true);

fn time(seconds: u64) -> UnixTime {
    NOON.plus(Duration::from_secs(seconds))
}

/// The same digits, all of them others.
fn wrong(code: &str) -> String {
    code.chars().map(|c| char::from(b'0' + (c as u8 - b'0' + 5) % 10)).collect()
}

#[test]
fn an_approval_matches_numbers_in_both_directions() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    assert!(number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit()));
    let token = office.desk.token();
    let shown = office.vault.approval(time(1), &token).expect("answers").expect("is open");
    assert_eq!((shown.subject, shown.call, shown.approved), (office.who(ACCOUNT).key(), CALL, false));
    assert_eq!(office.vault.approval(time(1), "no-such-token").expect("answers"), None);
    let digits = office.approve(2, &number, &mut device).expect("approved");
    assert_eq!(digits.len(), 3);
    assert_eq!(office.approve(3, &number, &mut device), Err("gone"), "a second time");
    assert_eq!(office.keyed_in(CallId(8), 4, ACCOUNT, &digits), WRONG, "another call");
    assert_eq!(office.keyed(5, &digits), RIGHT);
    assert_eq!(office.keyed(6, &digits), TOO_OLD);
}

#[test]
fn looking_at_a_link_however_often_spends_nothing() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    for _ in 0..100 {
        assert!(office.vault.approval(time(1), &office.desk.token()).expect("answers").is_some());
    }
    assert!(office.approve(2, &number, &mut device).is_ok());
}

#[test]
fn one_wrong_number_on_the_page_and_one_wrong_guess_in_the_call_end_an_approval() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    assert_eq!(office.approve(1, &wrong(&number), &mut device), Err("wrong number"));
    assert_eq!(office.approve(2, &number, &mut device), Err("gone"));
    let number = office.called(30);
    let digits = office.approve(31, &number, &mut device).expect("approved");
    assert_eq!(office.keyed(32, &wrong(&digits)), TOO_OLD);
    assert_eq!(office.keyed(33, &digits), TOO_OLD, "burnt");
    assert_eq!(office.count("approval_refused"), 1);
}

#[test]
fn digits_that_no_page_has_shown_are_wrong() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    for guess in 0..3 {
        assert_eq!(office.keyed(1, &format!("{guess:03}")), WRONG);
    }
    let digits = office.approve(119, &number, &mut device).expect("approved");
    assert_eq!(office.keyed(120, &digits), TOO_OLD, "two minutes");
    assert_eq!(office.approve(120, &number, &mut device), Err("gone"));
}

#[test]
fn an_approval_that_waits_for_another_call_is_not_taken_over() {
    let (office, _) = Office::with_passkey();
    office.called(0);
    assert_eq!(office.called_in(CallId(8), 10, ACCOUNT, false), Prepared::TooSoon);
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_courier(Arc::new(Desk::default()));
    vault.set_policy(Arc::new(policy()));
    add_customer(&vault);
    let question =
        Question::Prepare { subject: subject(&vault, ACCOUNT), factor: PUSH, call: CALL, again: false };
    assert_eq!(vault.answer(NOON, question), Answer::Prepared(Prepared::Unavailable), "no page");
}

#[test]
fn a_passkey_signs_for_its_owner_its_link_and_once() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    let mut stranger = Authenticator::new(HOST);
    assert_eq!(office.approve(1, &number, &mut stranger), Err("no passkey"), "enrolled by nobody");
    assert!(office.vault.add_subjects(NOON, &[customer("C2", "44110021")]).is_ok());
    assert_eq!(office.enrol("C2", &stranger), Finished::Done);
    let number = office.called(40);
    assert_eq!(office.approve(41, &number, &mut stranger), Err("no passkey"), "enrolled by somebody else");
    device.says.flags = UP;
    assert_eq!(office.approve(42, &number, &mut device), Err("no passkey"), "nobody was verified");
    device.says.flags = UP | UV;
    let stale = office.challenge(43).expect("begun");
    let signed = device.sign(&stale.challenge);
    let fresh = office.challenge(44).expect("begun");
    assert_ne!(stale.challenge, fresh.challenge);
    assert_eq!(office.answer(45, &number, &signed), Err("no passkey"), "another challenge by now");
    assert_eq!(office.answer(46, &number, &device.sign(&fresh.challenge)), Err("no passkey"), "taken before");
    let last = office.challenge(47).expect("the fifth");
    let good = device.sign(&last.challenge);
    let digits = office.answer(48, &number, &good).expect("approved");
    assert_eq!(office.answer(49, &number, &good), Err("gone"), "replayed");
    assert_eq!(office.keyed(50, &digits), RIGHT);
    assert_eq!(office.count("approval_refused"), 5);
}

#[test]
fn a_link_can_be_begun_five_times() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    for _ in 0..5 {
        assert!(office.challenge(1).is_some());
    }
    assert!(office.challenge(1).is_none());
    assert_eq!(office.answer(2, &number, &device.sign(&[0; 32])), Err("no passkey"));
    let number = office.called(31);
    assert!(office.approve(32, &number, &mut device).is_ok(), "another link");
}

#[test]
fn a_counter_that_goes_back_ends_the_approval_and_rings() {
    let (office, mut device) = Office::with_passkey();
    device.counter = 7;
    let number = office.called(0);
    assert!(office.approve(1, &number, &mut device).is_ok());
    device.counter = 4;
    let number = office.called(40);
    assert_eq!(office.approve(41, &number, &mut device), Err("gone"));
    assert_eq!(office.approve(42, &number, &mut device), Err("gone"), "the link is over");
    assert_eq!((office.count("passkey_copied"), office.vault.alarms().copied), (1, 1));
}

#[test]
fn this_was_not_me_ends_it_rings_and_leaves_its_owner_in_peace_and_the_call_learns_nothing() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    let token = office.desk.token();
    assert!(office.vault.deny(time(1), &token).expect("answers"));
    assert!(!office.vault.deny(time(2), &token).expect("answers"), "once");
    assert_eq!(office.approve(3, &number, &mut device), Err("gone"));
    assert_eq!(office.vault.approval(time(3), &token).expect("answers"), None);
    assert_eq!((office.count("approval_denied"), office.vault.alarms().denied), (1, 1));
    // From here on a call hears what it would hear of an account that nobody has.
    let hears = |account: &str| {
        let keyed = |at, digits: &str| office.keyed_in(CALL, at, account, digits);
        let again = office.called_in(CALL, 40, account, true);
        (keyed(4, "000"), matches!(again, Prepared::Sent { match_number: Some(_) }), keyed(41, "12"))
    };
    office.called_in(CALL, 0, "99999999", false);
    assert_eq!(hears(ACCOUNT), hears("99999999"));
    let sent = office.desk.count();
    assert_eq!(office.desk.token(), token, "no other link was sent");
    office.called_in(CallId(9), 4000, ACCOUNT, true);
    assert_eq!(office.desk.count().0, sent.0 + 1, "an hour later it is");
}

#[test]
fn digits_that_were_shown_are_worth_nothing_after_this_was_not_me() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    let digits = office.approve(1, &number, &mut device).expect("approved");
    assert!(office.vault.deny(time(2), &office.desk.token()).expect("answers"));
    assert_ne!(office.keyed(3, &digits).0, Verdict::Accept);
}

#[test]
fn an_approval_outlives_a_restart_of_the_engine() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    let ceremony = office.challenge(1).expect("begun");
    let office = office.restarted();
    let signed = device.sign(&ceremony.challenge);
    let digits = office.answer(2, &number, &signed).expect("approved");
    let office = office.restarted();
    assert_eq!(office.answer(3, &number, &signed), Err("gone"), "replayed");
    assert_eq!(office.keyed(4, &digits), RIGHT);
}

/// Does something 64 times at once; says what came of it.
fn raced<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let start = Barrier::new(64);
    std::thread::scope(|scope| {
        let one = || {
            start.wait();
            work()
        };
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
    })
}

#[test]
fn of_64_approvals_at_once_one_counts() {
    let (office, mut device) = Office::with_passkey();
    let number = office.called(0);
    let ceremony = office.challenge(1).expect("begun");
    let signed = device.sign(&ceremony.challenge);
    let told = raced(|| office.answer(2, &number, &signed).is_ok());
    assert_eq!(told.iter().filter(|right| **right).count(), 1);
    assert_eq!(office.count("approved"), 1);
}

#[test]
fn of_64_enrolments_by_one_link_one_counts_and_of_64_codes_three_are_judged() {
    let office = Office::new();
    let NewLink { code, .. } = office.send_link(0, "C1", PUSH);
    let token = office.desk.token();
    let Begun::Passkey(ceremony) = office.begin(0, &token, code.expose()) else { panic!("no ceremony") };
    let device = Authenticator::new(HOST);
    let told = raced(|| office.finish(0, &token, &device, &ceremony.challenge));
    assert_eq!(told.iter().filter(|told| **told == Finished::Done).count(), 1);
    assert_eq!(office.vault.passkeys("C1").expect("reads").len(), 1);
    let NewLink { code, .. } = office.send_link(1, "C1", PUSH);
    let token = office.desk.token();
    let guess = wrong(code.expose());
    let told = raced(|| matches!(office.begin(1, &token, &guess), Begun::Wrong(_)));
    assert_eq!(told.iter().filter(|judged| **judged).count(), 2, "the third ends it");
    assert!(matches!(office.begin(1, &token, code.expose()), Begun::Gone), "the right code is late");
    assert_eq!(office.count("link_refused"), 3);
}

#[test]
fn a_link_is_good_with_its_code_once_and_for_half_an_hour() {
    let office = Office::new();
    let NewLink { code, .. } = office.send_link(0, "C1", PUSH);
    let letter = office.desk.last().expect("a letter");
    assert_eq!((letter.purpose, letter.channel), (Purpose::Link, Channel::Email));
    assert!(!letter.text.expose().contains(code.expose().as_str()), "the code goes another way");
    let (token, device) = (office.desk.token(), Authenticator::new(HOST));
    assert_eq!(office.finish(1, &token, &device, &[0; 32]), Finished::Gone, "no code was typed");
    assert!(matches!(office.begin(1, &token, &wrong(code.expose())), Begun::Wrong(2)));
    assert!(matches!(office.begin(1, "no-such-link", code.expose()), Begun::Gone));
    let Begun::Passkey(ceremony) = office.begin(1799, &token, code.expose()) else { panic!("no ceremony") };
    assert_eq!(office.finish(1799, &token, &device, &[0; 32]), Finished::Refused, "another challenge");
    assert_eq!(office.finish(1799, &token, &device, &ceremony.challenge), Finished::Refused, "taken");
    let Begun::Passkey(ceremony) = office.begin(1799, &token, code.expose()) else { panic!("no ceremony") };
    assert_eq!(office.finish(1800, &token, &device, &ceremony.challenge), Finished::Gone, "too late");
    assert!(matches!(office.begin(1800, &token, code.expose()), Begun::Gone));
    assert_eq!(office.vault.passkeys("C1").expect("reads"), []);
}

#[test]
fn a_link_is_over_after_its_use_and_when_there_is_a_newer_one() {
    let office = Office::new();
    let first = office.send_link(0, "C1", PUSH);
    let token = office.desk.token();
    let Begun::Passkey(ceremony) = office.begin(1, &token, first.code.expose()) else {
        panic!("no ceremony")
    };
    let second = office.send_link(2, "C1", PUSH);
    let device = Authenticator::new(HOST);
    assert_eq!(office.finish(3, &token, &device, &ceremony.challenge), Finished::Gone, "superseded");
    assert!(matches!(office.begin(3, &token, first.code.expose()), Begun::Gone));
    let token = office.desk.token();
    assert!(
        !matches!(office.begin(3, &token, first.code.expose()), Begun::Passkey(_)),
        "the code of another"
    );
    let Begun::Passkey(ceremony) = office.begin(4, &token, second.code.expose()) else {
        panic!("no ceremony")
    };
    let office = office.restarted();
    assert_eq!(office.finish(5, &token, &device, &ceremony.challenge), Finished::Done);
    assert_eq!(office.finish(6, &token, &device, &ceremony.challenge), Finished::Gone);
    assert!(matches!(office.begin(6, &token, second.code.expose()), Begun::Gone));
    let told = office.desk.last().expect("a notice");
    assert_eq!(told.purpose, Purpose::Notice);
}

#[test]
fn passkeys_are_several_listed_removed_and_gone_with_their_owner() {
    let (office, mut first) = Office::with_passkey();
    let mut second = Authenticator::new(HOST);
    assert_eq!(office.enrol("C1", &second), Finished::Done);
    assert_eq!(office.enrol("C1", &second), Finished::Refused, "this one is there");
    let listed = office.vault.passkeys("C1").expect("reads");
    assert_eq!(listed.len(), 2);
    for (at, device) in [(0, &mut first), (40, &mut second)] {
        let number = office.called(at);
        assert!(office.approve(at + 1, &number, device).is_ok());
    }
    assert!(office.vault.passkeys("C1").expect("reads").iter().all(|passkey| passkey.used.is_some()));
    assert!(office.vault.remove_passkey(NOON, "C1", &listed[0].name).expect("removes"));
    assert!(!office.vault.remove_passkey(NOON, "C1", &listed[0].name).expect("removes"), "it is gone");
    assert_eq!(office.desk.last().map(|letter| letter.purpose), Some(Purpose::Notice));
    let number = office.called(4000);
    assert_eq!(office.approve(4001, &number, &mut first), Err("no passkey"));
    assert!(office.approve(4002, &number, &mut second).is_ok());
    assert!(office.vault.remove_passkey(NOON, "C1", &listed[1].name).expect("removes"));
    let enrolled = Question::Enrolled { subject: office.who(ACCOUNT) };
    match office.vault.answer(NOON, enrolled) {
        Answer::Enrolled(Ok(factors)) => assert!(!factors.contains(&PUSH), "the last one is gone"),
        other => panic!("{other:?}"),
    }
    let NewLink { code, .. } = office.send_link(1, "C1", PUSH);
    let token = office.desk.token();
    office.vault.erase(NOON, "C1").expect("erased");
    assert!(matches!(office.begin(2, &token, code.expose()), Begun::Gone), "and their links");
}

#[test]
fn a_passkey_outlives_new_keys_and_is_sealed_for_its_owner_alone() {
    let (office, mut device) = Office::with_passkey();
    office.vault.rotate_master(NOON).expect("a new master key");
    office.vault.rotate_pepper(NOON, Duration::from_secs(3600)).expect("a new pepper");
    let office = office.restarted();
    let number = office.called(0);
    assert!(office.approve(1, &number, &mut device).is_ok());
    let database = std::fs::read(office.folder.path().join("countersign.db")).unwrap_or_default();
    let log = std::fs::read(office.folder.path().join("countersign.db-wal")).unwrap_or_default();
    let on_disk = [database, log].concat();
    assert!(!on_disk.is_empty(), "the database is where this test looks");
    let token = office.desk.token();
    for hidden in [&device.id[..], token.as_bytes()] {
        assert!(!on_disk.windows(hidden.len()).any(|part| part == hidden));
    }
}

#[test]
fn eleven_passkeys_are_one_too_many() {
    let office = Office::new();
    for _ in 0..10 {
        assert_eq!(office.enrol("C1", &Authenticator::new(HOST)), Finished::Done);
    }
    assert!(office.vault.send_link(NOON, "C1", PUSH, Channel::Email).is_err());
}

#[test]
fn an_authenticator_app_is_enrolled_by_a_link_and_its_first_code() {
    let office = Office::new();
    let NewLink { code, .. } = office.send_link(0, "C1", FactorId::Totp);
    let token = office.desk.token();
    assert!(matches!(office.begin(0, &token, &wrong(code.expose())), Begun::Wrong(2)));
    let Begun::Authenticator { uri, key } = office.begin(0, &token, code.expose()) else { panic!("no seed") };
    assert!(uri.expose().starts_with("otpauth://totp/") && uri.expose().contains(key.expose().as_str()));
    let seed = data_encoding::BASE32_NOPAD.decode(key.expose().as_bytes()).expect("base32");
    let parameters = countersign::auth::factor::totp::Parameters::of(&FactorId::Totp.defaults());
    let first = parameters.code(&secret_bytes(seed), parameters.step_at(time(1)));
    let finish =
        |code: &str| office.vault.finish_authenticator(time(1), &token, &secret(code)).expect("answers");
    assert_eq!(finish(&wrong(first.expose())), Finished::Refused);
    assert_eq!(finish(first.expose()), Finished::Done);
    assert_eq!(finish(first.expose()), Finished::Gone);
    let device = Authenticator::new(HOST);
    assert_eq!(office.finish(1, &token, &device, &[0; 32]), Finished::Gone, "a link is for one factor");
}

fn secret_bytes(bytes: Vec<u8>) -> countersign::secret::Secret<Vec<u8>> {
    countersign::secret::Secret::new(bytes)
}
