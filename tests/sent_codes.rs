//! Codes that are sent: whom they reach, for how long they are good, and that nobody learns who exists.

mod desk;
mod vault_world;

use std::sync::Arc;
use std::time::Duration;

use countersign::auth::{Answer, FactorId, FactorPolicy, Policy, Prepared, Question, SubjectRef, Verdict};
use countersign::driver::page_address::PageAddress;
use countersign::driver::sender::{Channel, Purpose, Refused};
use countersign::driver::vault::Vault;
use countersign::units::{CallId, UnixTime};
use desk::Desk;
use vault_world::{ACCOUNT, EMAIL, Folder, NOON, PHONE, add_customer, customer, secret, subject};

const NOBODY: &str = "99999999";
const CALL: CallId = CallId(7);

struct Office {
    folder: Folder,
    vault: Vault,
    desk: Arc<Desk>,
}

const SENT: [FactorId; 3] = [FactorId::OtpSms, FactorId::OtpEmail, FactorId::OtpCall];

fn policy() -> Policy {
    let used = [FactorId::Pin, FactorId::Totp, FactorId::Push, FactorId::Number, FactorId::Voiceprint];
    let factors = used.iter().chain(&SENT).map(|factor| factor.defaults()).collect();
    Policy { factors, ..Policy::default() }
}

impl Office {
    fn new() -> Self {
        Self::with(Desk::default(), policy())
    }

    fn with(desk: Desk, policy: Policy) -> Self {
        let folder = Folder::new();
        let vault = folder.vault();
        add_customer(&vault);
        let desk = Arc::new(desk);
        vault.set_courier(desk.clone());
        vault.set_page(PageAddress::parse("https://calls.example.com").expect("an address"));
        vault.set_policy(Arc::new(policy));
        Self { folder, vault, desk }
    }

    fn who(&self, account: &str) -> SubjectRef {
        subject(&self.vault, account)
    }

    fn prepare_in(&self, call: CallId, at: u64, account: &str, factor: FactorId, again: bool) -> Prepared {
        let question = Question::Prepare { subject: self.who(account), factor, call, again };
        match self.vault.answer(time(at), question) {
            Answer::Prepared(prepared) => prepared,
            other => panic!("{other:?}"),
        }
    }

    fn prepare(&self, at: u64, account: &str, factor: FactorId, again: bool) -> Prepared {
        self.prepare_in(CALL, at, account, factor, again)
    }

    fn verify_in(
        &self,
        call: CallId,
        at: u64,
        account: &str,
        factor: FactorId,
        code: &str,
    ) -> (Verdict, bool, bool) {
        let question =
            Question::Verify { subject: self.who(account), factor, response: secret(code).into(), call };
        match self.vault.answer(time(at), question) {
            Answer::Verdict { verdict, locked, expired, .. } => (verdict, locked, expired),
            other => panic!("{other:?}"),
        }
    }

    fn verify(&self, at: u64, account: &str, factor: FactorId, code: &str) -> (Verdict, bool, bool) {
        self.verify_in(CALL, at, account, factor, code)
    }

    fn enrolled(&self, account: &str) -> Vec<FactorId> {
        match self.vault.answer(NOON, Question::Enrolled { subject: self.who(account) }) {
            Answer::Enrolled(Ok(factors)) => factors,
            other => panic!("{other:?}"),
        }
    }
}

fn time(seconds: u64) -> UnixTime {
    NOON.plus(Duration::from_secs(seconds))
}

/// The same digits, all of them others.
fn wrong(code: &str) -> String {
    code.chars().map(|c| char::from(b'0' + (c as u8 - b'0' + 5) % 10)).collect()
}

const SENT_ALONE: Prepared = Prepared::Sent { match_number: None };
const RIGHT: (Verdict, bool, bool) = (Verdict::Accept, false, false);
const WRONG: (Verdict, bool, bool) = (Verdict::Reject, false, false);
const TOO_OLD: (Verdict, bool, bool) = (Verdict::Reject, false, true);

#[test]
fn a_code_goes_to_the_address_on_file_and_is_right_once() {
    for (factor, channel, to) in [
        (FactorId::OtpSms, Channel::Sms, PHONE),
        (FactorId::OtpEmail, Channel::Email, EMAIL),
        (FactorId::OtpCall, Channel::Call, PHONE),
    ] {
        let office = Office::new();
        assert_eq!(office.prepare(0, ACCOUNT, factor, false), SENT_ALONE, "{factor}");
        let letter = office.desk.last().expect("sent");
        assert_eq!((letter.channel, letter.to.expose().as_str()), (channel, to));
        assert_eq!((letter.purpose, letter.until), (Purpose::Code, NOON.plus(factor.defaults().life)));
        let code = office.desk.code();
        assert_eq!(code.len(), 6);
        assert!(letter.title.is_some_and(|title| !title.contains(&code)));
        assert_eq!(office.verify(1, ACCOUNT, factor, &wrong(&code)), WRONG);
        assert_eq!(office.verify(2, ACCOUNT, factor, &code), RIGHT);
        assert_eq!(office.verify(3, ACCOUNT, factor, &code), TOO_OLD, "a second time");
    }
}

#[test]
fn a_code_of_one_way_is_worth_nothing_another_way() {
    let office = Office::new();
    office.prepare(0, ACCOUNT, FactorId::OtpSms, false);
    let code = office.desk.code();
    office.prepare(0, ACCOUNT, FactorId::OtpEmail, false);
    assert_eq!(office.verify(1, ACCOUNT, FactorId::OtpEmail, &code), WRONG);
    assert_eq!(office.verify(1, ACCOUNT, FactorId::OtpSms, &code), RIGHT);
}

#[test]
fn a_code_lives_as_long_as_the_policy_says() {
    let office = Office::new();
    for (at, verdict) in [(299, RIGHT), (300, TOO_OLD)] {
        office.prepare(at * 100, ACCOUNT, FactorId::OtpSms, false);
        let code = office.desk.code();
        assert_eq!(office.verify(at * 100 + at, ACCOUNT, FactorId::OtpSms, &code), verdict, "after {at} s");
    }
}

#[test]
fn a_new_code_makes_the_one_before_worthless_and_forgives_nothing() {
    let office = Office::new();
    office.prepare(0, ACCOUNT, FactorId::OtpSms, false);
    let first = office.desk.code();
    for _ in 0..2 {
        assert_eq!(office.verify(1, ACCOUNT, FactorId::OtpSms, &wrong(&first)), WRONG);
    }
    assert_eq!(office.prepare(29, ACCOUNT, FactorId::OtpSms, true), Prepared::TooSoon);
    assert_eq!(office.prepare(30, ACCOUNT, FactorId::OtpSms, true), SENT_ALONE);
    let second = office.desk.code();
    if first != second {
        assert_eq!(office.verify(31, ACCOUNT, FactorId::OtpSms, &first), WRONG);
    }
    assert_eq!(office.verify(31, ACCOUNT, FactorId::OtpSms, &wrong(&second)), WRONG);
    assert_eq!(office.verify(31, ACCOUNT, FactorId::OtpSms, &wrong(&second)), (Verdict::Reject, true, false));
    assert_eq!(office.prepare(62, ACCOUNT, FactorId::OtpSms, true), Prepared::Locked);
    assert_eq!(office.verify(63, ACCOUNT, FactorId::OtpSms, &second), (Verdict::Reject, true, false));
}

#[test]
fn whoever_asks_again_and_again_gets_no_more_than_the_policy_allows() {
    let office = Office::new();
    let asked = |at, again| office.prepare(at, ACCOUNT, FactorId::OtpSms, again);
    assert_eq!([asked(0, false), asked(5, false)], [SENT_ALONE, SENT_ALONE], "the same code, still good");
    assert_eq!(office.desk.count().0, 1);
    assert_eq!([asked(30, true), asked(60, true)], [SENT_ALONE, SENT_ALONE]);
    for at in [61, 90, 600, 3599] {
        assert_eq!(asked(at, true), Prepared::Exhausted, "at {at}");
        assert_eq!(asked(at, false), Prepared::Exhausted, "at {at}, in another call");
    }
    assert_eq!(office.desk.count().0, 3);
    assert_eq!(asked(3600, false), SENT_ALONE);
    assert_eq!(office.verify(3601, ACCOUNT, FactorId::OtpSms, &office.desk.code()), RIGHT);
    assert_eq!([asked(3602, false), asked(3632, true)], [SENT_ALONE, SENT_ALONE], "a right code starts anew");
}

#[test]
fn somebody_who_does_not_exist_gets_the_same_answers() {
    let run = |account: &str| {
        let office = Office::new();
        let (sms, enrolled) = (FactorId::OtpSms, office.enrolled(account));
        let prepared = [
            office.prepare(0, account, sms, false),
            office.prepare(10, account, sms, false),
            office.prepare(10, account, sms, true),
            office.prepare(30, account, sms, true),
            office.prepare(60, account, sms, true),
            office.prepare(90, account, sms, true),
        ];
        let judged = [
            office.verify(91, account, sms, "000000"),
            office.verify(91, account, sms, "12"),
            office.verify(700, account, sms, "000000"),
            office.verify(701, account, FactorId::OtpEmail, "000000"),
            office.verify(702, account, sms, "000000"),
            office.verify(703, account, sms, "000000"),
        ];
        (enrolled, prepared, judged, office.desk.count().0 + office.desk.count().1)
    };
    let (known, unknown) = (run(ACCOUNT), run(NOBODY));
    assert_eq!(known, unknown);
    assert_eq!(known.2[2], TOO_OLD);
    assert_eq!(known.2[5], (Verdict::Reject, true, true), "counted and locked");
}

#[test]
fn no_code_is_right_for_somebody_who_does_not_exist() {
    // A code that nobody was sent can still be guessed: six digits of one ghost are tried until one would fit.
    let mut policy = policy();
    policy.lockout.per_subject.failures = u32::MAX;
    policy.lockout.hard_stop = u32::MAX;
    policy.lockout.guesses.per_day = u32::MAX;
    policy.lockout.per_trunk.failures = u32::MAX;
    policy.lockout.engine.failures = u32::MAX;
    let office = Office::with(Desk::default(), policy);
    office.prepare(0, NOBODY, FactorId::Push, false);
    for number in 0..1000 {
        let digits = format!("{number:03}");
        assert_eq!(office.verify(1, NOBODY, FactorId::Push, &digits), WRONG);
    }
}

#[test]
fn nothing_is_sent_without_somebody_who_takes_it() {
    for why in [Refused::NoSender, Refused::Budget, Refused::Country, Refused::Full] {
        let office = Office::with(Desk { refuses: Some(why), ..Desk::default() }, policy());
        for account in [ACCOUNT, NOBODY] {
            assert_eq!(office.prepare(0, account, FactorId::OtpSms, false), Prepared::Unavailable);
            assert_eq!(office.verify(1, account, FactorId::OtpSms, "123456"), TOO_OLD);
        }
    }
    let folder = Folder::new();
    let vault = folder.vault();
    vault.set_policy(Arc::new(policy()));
    add_customer(&vault);
    let question = Question::Prepare {
        subject: subject(&vault, ACCOUNT),
        factor: FactorId::OtpSms,
        call: CALL,
        again: false,
    };
    assert_eq!(vault.answer(NOON, question), Answer::Prepared(Prepared::Unavailable), "no courier");
}

#[test]
fn what_is_on_file_is_what_can_be_asked_for() {
    let office = Office::new();
    let has = |account: &str, factor| office.enrolled(account).contains(&factor);
    assert!(SENT.iter().all(|factor| has(ACCOUNT, *factor)));
    assert!(has(ACCOUNT, FactorId::Number));
    assert!(!has(ACCOUNT, FactorId::Push), "nobody has enrolled a passkey");
    assert!(!has(ACCOUNT, FactorId::Voiceprint), "nothing compares voices");
    let mut other = customer("C2", "44110021");
    other.profile.email.clear();
    other.profile.declined = vec![FactorId::OtpSms];
    assert!(office.vault.add_subjects(NOON, &[other]).is_ok());
    assert!(!has("44110021", FactorId::OtpEmail), "there is no address");
    assert!(!has("44110021", FactorId::OtpSms), "they do not want it");
    assert!(has("44110021", FactorId::OtpCall));
}

#[test]
fn a_code_survives_a_restart_and_so_do_its_counters() {
    let Office { folder, vault, desk } = Office::new();
    let question = |vault: &Vault, again| {
        let factor = FactorId::OtpSms;
        Question::Prepare { subject: subject(vault, ACCOUNT), factor, call: CALL, again }
    };
    for at in [0, 30, 60] {
        assert_eq!(vault.answer(time(at), question(&vault, at > 0)), Answer::Prepared(SENT_ALONE));
    }
    drop(vault);
    let vault = folder.vault();
    vault.set_policy(Arc::new(policy()));
    vault.set_courier(desk.clone());
    let office = Office { folder, vault, desk };
    assert_eq!(office.prepare(90, ACCOUNT, FactorId::OtpSms, true), Prepared::Exhausted);
    assert_eq!(office.verify(91, ACCOUNT, FactorId::OtpSms, &office.desk.code()), RIGHT);
}

#[test]
fn the_text_is_the_policys_in_the_language_on_file() {
    let text = |language: &str, text: &str| (language.to_owned(), text.to_owned());
    let texts = [text("es-ES", "Clave ${code}"), text("en-GB", "Example Bank: ${code}.")];
    let mut policy = policy();
    let sms = policy.factors.iter_mut().find(|used| used.factor == FactorId::OtpSms).expect("used");
    *sms = FactorPolicy { text: texts.to_vec(), digits: 8..=8, ..sms.clone() };
    let office = Office::with(Desk::default(), policy);
    office.prepare(0, ACCOUNT, FactorId::OtpSms, false);
    let letter = office.desk.last().expect("sent");
    assert_eq!(letter.text.expose().as_str(), format!("Example Bank: {}.", office.desk.code()));
    assert_eq!(office.desk.code().len(), 8);
}

#[test]
fn the_number_of_a_call_is_right_when_it_is_the_one_on_file() {
    let office = Office::new();
    let number = FactorId::Number;
    for (calling, verdict) in
        [(PHONE, RIGHT), ("00441632960199", RIGHT), ("+441632960198", WRONG), ("", WRONG), ("+44", WRONG)]
    {
        assert_eq!(office.verify(0, ACCOUNT, number, calling), verdict, "{calling}");
    }
    assert_eq!(office.verify(0, NOBODY, number, PHONE), WRONG);
    assert_eq!(office.verify(0, NOBODY, number, "+440000000000"), WRONG, "the stand-in's number is nobody's");
    for _ in 0..9 {
        assert_eq!(office.verify(0, ACCOUNT, number, "+441632960198"), WRONG, "nobody is locked by it");
    }
}
