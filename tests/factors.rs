//! Key fobs, recovery codes and keyed passwords, against the real vault.

mod vault_world;

use std::sync::Arc;

use countersign::auth::factor::hotp::{self, Fob};
use countersign::auth::factor::questions::{AnswerKind, Questions};
use countersign::auth::{
    Answer, Claim, Enrolment, FactorId, FactorPolicy, Grant, Identified, Policy, Prepared, Question,
    QuestionId, SubjectKey, SubjectRef, Verdict,
};
use countersign::driver::keys::Keys;
use countersign::driver::sender::{self, Channel, Courier, Letter, LetterId};
use countersign::driver::vault::{ContactChange, Counts, NewFob, OrderedBy, Vault, VaultError, verify_audit};
use countersign::secret::Secret;
use countersign::units::{CallId, UnixTime};
use vault_world::{ACCOUNT, Folder, NOON, add_customer, boundless, customer, grant, secret, subject, verify};

const SEED: &[u8] = b"12345678901234567890";
const UNKNOWN: &str = "99887760";

const KEYED: [FactorId; 5] =
    [FactorId::Pin, FactorId::Password, FactorId::Totp, FactorId::Hotp, FactorId::Recovery];

/// All factors that a caller keys, and limits that no test reaches.
fn policy() -> Arc<Policy> {
    let mut policy = Policy::clone(&boundless());
    policy.factors = KEYED.map(FactorId::defaults).into();
    Arc::new(policy)
}

fn vault(folder: &Folder) -> (Vault, SubjectRef) {
    let vault = folder.vault();
    vault.set_policy(policy());
    add_customer(&vault);
    let caller = subject(&vault, ACCOUNT);
    (vault, caller)
}

fn give_fob(vault: &Vault, counter: u64) {
    let fob = NewFob { id: "C1".into(), seed: Secret::new(SEED.to_vec()), counter };
    assert!(vault.enrol_hotp(NOON, &[fob], Counts::AtOnce).is_ok());
}

fn press(counter: u64) -> String {
    let code = Fob::of(&hotp::defaults()).code(&Secret::new(SEED.to_vec()), counter);
    code.expose().clone()
}

fn accepts(vault: &Vault, caller: &SubjectRef, factor: FactorId, response: &str) -> bool {
    verify(vault, NOON, caller, factor, response).0 == Verdict::Accept
}

#[test]
fn a_fob_may_run_ahead_and_is_caught_up_with_by_two_codes_in_a_row() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    give_fob(&vault, 0);
    let tries = [
        (0, true, "a new fob's first code"),
        (0, false, "used"),
        (3, true, "two were not used"),
        (2, false, "passed over"),
        (70, false, "too far ahead: not yet"),
        (71, true, "but the one behind it is right"),
        (71, false, "once"),
        (72, true, "and on from there"),
        (120, false, "too far ahead"),
        (122, false, "not the one behind it"),
        (124, false, "nor this"),
        (125, true, "this one is"),
        (300, false, "beyond everything"),
        (301, false, "for good"),
        (126, true, "what is in the window is right all the same"),
    ];
    for (counter, right, why) in tries {
        assert_eq!(accepts(&vault, &caller, FactorId::Hotp, &press(counter)), right, "{counter}: {why}");
    }
    drop(vault);
    // The counter, and how far ahead the last code was, outlive a restart.
    let vault = folder.vault();
    vault.set_policy(policy());
    assert!(!accepts(&vault, &caller, FactorId::Hotp, &press(126)));
    assert!(!accepts(&vault, &caller, FactorId::Hotp, &press(190)));
    drop(vault);
    let vault = folder.vault();
    vault.set_policy(policy());
    assert!(accepts(&vault, &caller, FactorId::Hotp, &press(191)));
}

#[test]
fn a_fob_that_is_not_new_begins_at_its_counter() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    give_fob(&vault, 40);
    assert!(!accepts(&vault, &caller, FactorId::Hotp, &press(39)));
    assert!(accepts(&vault, &caller, FactorId::Hotp, &press(40)));
    // Given again, it begins again.
    give_fob(&vault, 0);
    assert!(accepts(&vault, &caller, FactorId::Hotp, &press(0)));
}

#[test]
fn fobs_are_given_to_all_or_to_nobody() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    assert!(vault.add_subjects(NOON, &[customer("C2", "55230196")]).is_ok());
    let fob = |id: &str, seed: &[u8]| NewFob { id: id.into(), seed: Secret::new(seed.to_vec()), counter: 0 };
    let list = [fob("C1", SEED), fob("C9", SEED), fob("C2", b"short"), fob("C1", SEED)];
    let Err(errors) = vault.enrol_hotp(NOON, &list, Counts::AtOnce) else { panic!("three are wrong") };
    assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(!accepts(&vault, &caller, FactorId::Hotp, &press(0)), "nobody was given one");
    assert!(vault.enrol_hotp(NOON, &[fob("C1", SEED), fob("C2", SEED)], Counts::AtOnce).is_ok());
    assert!(accepts(&vault, &caller, FactorId::Hotp, &press(0)));
    assert!(accepts(&vault, &subject(&vault, "55230196"), FactorId::Hotp, &press(0)));
}

#[test]
fn each_recovery_code_is_right_once_and_what_is_left_is_told() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    let codes = vault.enrol_recovery(NOON, "C1").expect("made");
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.expose().len() == 9));
    let left = |vault: &Vault| vault.shown(NOON, "C1").expect("read").expect("there").recovery_left;
    for (used, code) in (1_u8..).zip(codes.iter().rev()) {
        assert!(accepts(&vault, &caller, FactorId::Recovery, code.expose()), "code {used}");
        assert!(!accepts(&vault, &caller, FactorId::Recovery, code.expose()), "code {used} again");
        assert_eq!(left(&vault), Some(10 - used));
    }
    // A list that is used up is no way to prove anything.
    let enrolled = |vault: &Vault| match vault.answer(NOON, Question::Enrolled { subject: caller.clone() }) {
        Answer::Enrolled(Ok(enrolled)) => enrolled,
        other => panic!("{other:?}"),
    };
    assert_eq!(enrolled(&vault), [FactorId::Pin, FactorId::Totp]);
    let again = vault.enrol_recovery(NOON, "C1").expect("made");
    assert_eq!(enrolled(&vault), [FactorId::Pin, FactorId::Totp, FactorId::Recovery]);
    assert!(!accepts(&vault, &caller, FactorId::Recovery, codes[0].expose()), "an old list");
    assert!(accepts(&vault, &caller, FactorId::Recovery, again[0].expose()));
}

#[test]
fn a_password_is_judged_by_its_keys() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    for refused in ["horse", "password", "Quartermaine1", "55230188"] {
        assert!(vault.enrol_password(NOON, "C1", &secret(refused)).is_err(), "{refused}");
    }
    vault.enrol_password(NOON, "C1", &secret("Tinker-Lampe 7")).expect("a good one");
    assert!(accepts(&vault, &caller, FactorId::Password, "846537526737"));
    for wrong in ["846537526730", "84653752673", "tinkerlampe7", ""] {
        assert!(!accepts(&vault, &caller, FactorId::Password, wrong), "{wrong}");
    }
    // The same digits are no PIN: each kind of secret is hashed as its own.
    assert!(!accepts(&vault, &caller, FactorId::Pin, "846537526737"));
}

#[test]
fn a_ghost_is_asked_for_the_same_and_is_never_right() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    give_fob(&vault, 0);
    vault.enrol_password(NOON, "C1", &secret("Tinker-Lampe 7")).expect("a good one");
    let codes = vault.enrol_recovery(NOON, "C1").expect("made");
    let ghost = subject(&vault, UNKNOWN);
    let enrolled = |subject: &SubjectRef| vault.answer(NOON, Question::Enrolled { subject: subject.clone() });
    assert_eq!(enrolled(&caller), Answer::Enrolled(Ok(KEYED.to_vec())));
    assert_eq!(enrolled(&ghost), enrolled(&caller));
    for (factor, response) in [
        (FactorId::Hotp, press(0)),
        (FactorId::Password, "846537526737".into()),
        (FactorId::Recovery, codes[0].expose().clone()),
    ] {
        assert_eq!(verify(&vault, NOON, &ghost, factor, &response), (Verdict::Reject, false), "{factor}");
        assert_eq!(verify(&vault, NOON, &caller, factor, &response), (Verdict::Accept, false), "{factor}");
    }
}

#[test]
fn the_audit_log_tells_what_was_enrolled_and_used_and_verifies() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    give_fob(&vault, 0);
    assert!(accepts(&vault, &caller, FactorId::Hotp, &press(0)));
    assert!(!accepts(&vault, &caller, FactorId::Hotp, &press(60)));
    drop(vault);
    let keys = Keys::open(folder.path()).expect("keys");
    assert_eq!(verify_audit(folder.path(), &keys).expect("sound"), 6);
}

#[test]
fn a_pin_that_came_hashed_is_right_at_once_and_hashed_anew_at_its_first_use() {
    // `80421537`, by libxcrypt and by Python's hashlib.
    let hashes = [
        "$2b$06$abcdefghijklmnopqrstuuF1kXKck9p/JeaeLX/h/iHSuVuQY05sK",
        "$pbkdf2-sha256$29000$TmFDbE5hQ2xOYUNsTmFDbA$1sYMBbmFGyu4BZRpAP5NUXfbCVfhxq0ZcMazzZqF2fU",
        "sha256$pepperless$ebb9f2c0f7071da3a317a842ab6e71da92514b6d1cebb5519516598277125df2",
    ];
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(policy());
    let imported = |at: usize, hash: &str| {
        let mut new = customer(&format!("C{at}"), &format!("5523020{at}"));
        new.pin_hash = Some(secret(hash));
        new
    };
    let broken = [imported(0, "md5$x$00"), imported(1, hashes[0])];
    assert!(vault.add_subjects(NOON, &broken).is_err_and(|errors| errors.len() == 1));
    let all: Vec<_> = (0..).zip(hashes).map(|(at, hash)| imported(at, hash)).collect();
    assert!(vault.add_subjects(NOON, &all).is_ok());
    for (at, hash) in (0..).zip(hashes) {
        let caller = subject(&vault, &format!("5523020{at}"));
        for (response, right) in
            [("80421538", false), ("80421537", true), ("80421538", false), ("80421537", true)]
        {
            assert_eq!(accepts(&vault, &caller, FactorId::Pin, response), right, "{hash}: {response}");
        }
    }
    // Who is not there is judged by the same schemes, and never right.
    assert!(!accepts(&vault, &subject(&vault, UNKNOWN), FactorId::Pin, "80421537"));
}

/// Proof that it is they, by the PIN.
fn proof(vault: &Vault) -> Arc<Grant> {
    Arc::new(grant(vault, policy(), vault_world::PIN).expect("proved"))
}

fn first_code(vault: &Vault, grant: &Arc<Grant>, factor: FactorId, code: &str, replace: bool) -> Answer {
    let (grant, secret) = (Arc::clone(grant), secret(code));
    vault.answer(NOON, Question::Enrol { grant, factor, secret: secret.into(), replace })
}

#[test]
fn what_is_handed_out_counts_from_its_first_right_code_on() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    let grant = proof(&vault);
    let done = Answer::Enrolment(Enrolment::Done);
    let refused = Answer::Enrolment(Enrolment::Refused);
    assert_eq!(first_code(&vault, &grant, FactorId::Hotp, &press(0), false), Answer::Unavailable, "none yet");
    let fob = NewFob { id: "C1".into(), seed: Secret::new(SEED.to_vec()), counter: 0 };
    assert!(vault.enrol_hotp(NOON, &[fob], Counts::FromFirstCode).is_ok());
    let shown = vault.shown(NOON, "C1").expect("read").expect("there");
    assert_eq!((shown.factors.contains(&FactorId::Hotp), shown.offered), (false, vec![FactorId::Hotp]));
    assert!(!accepts(&vault, &caller, FactorId::Hotp, &press(0)), "it proves nothing yet");
    assert_eq!(first_code(&vault, &grant, FactorId::Hotp, "000000", false), refused);
    assert_eq!(first_code(&vault, &grant, FactorId::Hotp, &press(2), false), done);
    assert_eq!(first_code(&vault, &grant, FactorId::Hotp, &press(3), true), Answer::Unavailable, "once");
    assert!(!accepts(&vault, &caller, FactorId::Hotp, &press(2)), "the first code is used up");
    assert!(accepts(&vault, &caller, FactorId::Hotp, &press(3)));
    // An app that is replaced works until the first right code of the new one.
    let (parameters, seed) = vault.offer_totp(NOON, "C1").expect("handed out");
    let code = parameters.code(&seed, parameters.step_at(NOON));
    let exists = Answer::Enrolment(Enrolment::Exists);
    assert_eq!(first_code(&vault, &grant, FactorId::Totp, code.expose(), false), exists);
    assert_eq!(first_code(&vault, &grant, FactorId::Totp, code.expose(), true), done);
    assert!(!accepts(&vault, &caller, FactorId::Totp, code.expose()));
    let later = vault_world::later(std::time::Duration::from_secs(30));
    let next = parameters.code(&seed, parameters.step_at(later));
    assert_eq!(verify(&vault, later, &caller, FactorId::Totp, next.expose()).0, Verdict::Accept);
    // Wrong first codes are failures like all others.
    let shown = vault.shown(NOON, "C1").expect("read").expect("there");
    assert_eq!(shown.failures, 4);
}

#[test]
fn a_fob_that_was_handed_out_far_ahead_counts_from_two_codes_in_a_row() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    let grant = proof(&vault);
    let hand_out = || {
        let fob = NewFob { id: "C1".into(), seed: Secret::new(SEED.to_vec()), counter: 0 };
        assert!(vault.enrol_hotp(NOON, &[fob], Counts::FromFirstCode).is_ok());
    };
    let first = |counter, result| {
        let answer = first_code(&vault, &grant, FactorId::Hotp, &press(counter), false);
        assert_eq!(answer, Answer::Enrolment(result), "{counter}");
    };
    hand_out();
    first(70, Enrolment::Refused);
    hand_out();
    first(71, Enrolment::Refused);
    first(72, Enrolment::Done);
    assert!(!accepts(&vault, &caller, FactorId::Hotp, &press(72)));
    assert!(accepts(&vault, &caller, FactorId::Hotp, &press(73)));
}

fn asked(vault: &Vault, caller: &SubjectRef) -> Vec<QuestionId> {
    let (subject, factor, call) = (caller.clone(), FactorId::Questions, CallId(7));
    match vault.answer(NOON, Question::Prepare { subject, factor, call, again: false }) {
        Answer::Prepared(Prepared::Questions(questions)) => questions,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_questions_that_were_asked_have_to_be_answered_and_no_others() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    let mut policy = Policy::clone(&policy());
    let list = ["a", "b", "c", "d"].map(|id| (QuestionId::from(id), AnswerKind::Digits));
    let questions = Questions { ask: 2, spare: 2, list: list.into(), told: vec![] };
    policy.factors.push(FactorPolicy { questions, ..FactorId::Questions.defaults() });
    vault.set_policy(Arc::new(policy));
    let answer = |id: &QuestionId| format!("{id}=7777");
    let answers = ["a", "b", "c", "d"].map(|id| (QuestionId::from(id), secret("7777")));
    assert!(vault.enrol_questions(NOON, "C1", &answers[..1]).is_err(), "two are asked");
    vault.enrol_questions(NOON, "C1", &answers).expect("kept");
    let lines = |questions: &[QuestionId]| questions.iter().map(answer).collect::<Vec<_>>().join("\n");
    let first = asked(&vault, &caller);
    assert_eq!(asked(&vault, &caller), first, "hanging up brings no others");
    let others: Vec<QuestionId> =
        answers.iter().map(|(id, _)| id.clone()).filter(|id| !first.contains(id)).collect();
    assert!(!accepts(&vault, &caller, FactorId::Questions, &lines(&others)), "right answers to others");
    let second = asked(&vault, &caller);
    assert!(second.iter().all(|id| !first.contains(id)), "a failure brings others");
    assert!(!accepts(&vault, &caller, FactorId::Questions, &lines(&first)));
    assert!(accepts(&vault, &caller, FactorId::Questions, &lines(&asked(&vault, &caller))));
    // Somebody who is not there is asked as many, is asked the same again, and is never right.
    let ghost = subject(&vault, UNKNOWN);
    let theirs = asked(&vault, &ghost);
    assert_eq!((theirs.len(), asked(&vault, &ghost)), (2, theirs.clone()));
    assert!(!accepts(&vault, &ghost, FactorId::Questions, &lines(&theirs)));
    assert!(asked(&vault, &ghost).iter().all(|id| !theirs.contains(id)));
    // Answers that a service tells need nothing that is kept, and nobody who is there has to have given any.
    let mut told = Policy::clone(&vault.policy());
    let last = told.factors.last_mut().expect("questions");
    last.questions = Questions {
        ask: 1,
        spare: 0,
        list: vec![],
        told: vec![(QuestionId::from("paid"), AnswerKind::Digits)],
    };
    vault.set_policy(Arc::new(told));
    assert!(vault.add_subjects(NOON, &[customer("C2", "55230196")]).is_ok());
    let other = subject(&vault, "55230196");
    assert_eq!(asked(&vault, &other), [QuestionId::from("paid")]);
    for (response, right) in [("paid=1250", false), ("paid=1251=12.50", false), ("paid=1250=12.50", true)] {
        assert_eq!(accepts(&vault, &other, FactorId::Questions, response), right, "{response}");
        let nobody = subject(&vault, "99887761");
        assert!(!accepts(&vault, &nobody, FactorId::Questions, response), "a ghost: {response}");
    }
}

/// Keeps what it is given to send.
#[derive(Default)]
struct Outbox(std::sync::Mutex<Vec<(Channel, String, String)>>);

impl Courier for Outbox {
    fn send(&self, _now: UnixTime, letter: Letter) -> Result<LetterId, sender::Refused> {
        let kept = (letter.channel, letter.to.expose().clone(), letter.text.expose().clone());
        self.0.lock().expect("one test").push(kept);
        Ok(LetterId([0; 16]))
    }

    fn pretend(&self, _now: UnixTime, _: Channel, _: SubjectKey) -> Result<LetterId, sender::Refused> {
        Ok(LetterId([0; 16]))
    }
}

#[test]
fn a_new_number_needs_the_highest_level_and_the_old_one_is_told() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    let letters = Arc::new(Outbox::default());
    vault.set_courier(Arc::clone(&letters) as Arc<dyn Courier>);
    let basic = proof(&vault);
    let number = |phone: &str| ContactChange { phone: Some(secret(phone)), ..ContactChange::default() };
    let by_caller = vault.change_contact(NOON, "C1", &number("+441632960111"), &OrderedBy::Caller(&basic));
    assert!(matches!(by_caller, Err(VaultError::NotProved)));
    let broken = vault.change_contact(NOON, "C1", &number("12"), &OrderedBy::Operator);
    assert!(matches!(broken, Err(VaultError::Field(_))));
    assert!(letters.0.lock().expect("one test").is_empty(), "nothing was changed yet");

    let done = vault.change_contact(NOON, "C1", &number("+441632960111"), &OrderedBy::Operator);
    let done = done.expect("changed");
    assert_eq!((done.what, done.told), (vec!["phone"], vec![Channel::Sms, Channel::Email]));
    let told = letters.0.lock().expect("one test").clone();
    assert_eq!(told.len(), 2, "at both old addresses");
    assert_eq!((told[0].0, told[0].1.as_str()), (Channel::Sms, vault_world::PHONE));
    assert!(told.iter().all(|(_, _, text)| !text.contains("0111")), "the new number is not told");
    let claimed = |number: &str| {
        let claim = Claim::CallerNumber(secret(number));
        matches!(vault.answer(NOON, Question::Identify { claim }), Answer::Identified(Identified::One(_)))
    };
    assert!(claimed("+441632960111") && !claimed(vault_world::PHONE));
    assert!(accepts(&vault, &caller, FactorId::Pin, vault_world::PIN), "the rest stays");
    let again = vault.change_contact(NOON, "C1", &number("+441632960111"), &OrderedBy::Operator);
    assert!(again.is_ok_and(|done| done.what.is_empty()));
}

#[test]
fn a_caller_who_declines_a_factor_is_not_asked_for_it() {
    let folder = Folder::new();
    let (vault, caller) = vault(&folder);
    let mut with_codes = Policy::clone(&policy());
    with_codes.factors.push(FactorId::OtpSms.defaults());
    vault.set_policy(Arc::new(with_codes));
    let offered = |vault: &Vault| match vault.answer(NOON, Question::Enrolled { subject: caller.clone() }) {
        Answer::Enrolled(Ok(offered)) => offered.contains(&FactorId::OtpSms),
        other => panic!("{other:?}"),
    };
    assert!(offered(&vault));
    let basic = proof(&vault);
    let without = ContactChange { without: vec![FactorId::OtpSms], ..ContactChange::default() };
    assert!(vault.change_contact(NOON, "C1", &without, &OrderedBy::Caller(&basic)).is_ok());
    assert!(!offered(&vault));
    let with = ContactChange { with: vec![FactorId::OtpSms], ..ContactChange::default() };
    let refused = vault.change_contact(NOON, "C1", &with, &OrderedBy::Caller(&basic));
    assert!(matches!(refused, Err(VaultError::NotProved)), "more ways in need the highest level");
    assert!(vault.change_contact(NOON, "C1", &with, &OrderedBy::Operator).is_ok());
    assert!(offered(&vault));
}
