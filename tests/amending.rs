//! What callers have changed of what is on file of them, against the real vault: it takes what they have proved,
//! and never their last way to prove as much again.

mod vault_world;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use countersign::auth::factor::totp::Parameters;
use countersign::auth::{
    Amendment, Answer, AuthSession, Choose, Claim, Enrolment, FactorId, Grant, Identified, Input, Output,
    Policy, Question, SubjectKey, SubjectRef,
};
use countersign::driver::sender::{Channel, Courier, Letter, LetterId, Refused};
use countersign::driver::vault::{Vault, verify_audit};
use countersign::secret::Secret;
use countersign::units::{CallId, UnixTime};
use vault_world::{ACCOUNT, EMAIL, Folder, NOON, PHONE, PIN, add_customer, boundless, secret, subject};

/// Keeps what it is given to send.
#[derive(Default)]
struct Outbox(Mutex<Vec<(Channel, String, String)>>);

impl Courier for Outbox {
    fn send(&self, _now: UnixTime, letter: Letter) -> Result<LetterId, Refused> {
        let kept = (letter.channel, letter.to.expose().clone(), letter.text.expose().clone());
        self.0.lock().expect("one test").push(kept);
        Ok(LetterId([0; 16]))
    }

    fn pretend(&self, _now: UnixTime, _: Channel, _: SubjectKey) -> Result<LetterId, Refused> {
        Ok(LetterId([0; 16]))
    }
}

/// PIN and authenticator as shipped, and codes by short message.
fn policy() -> Arc<Policy> {
    let mut policy = Policy::clone(&boundless());
    policy.factors.push(FactorId::OtpSms.defaults());
    Arc::new(policy)
}

#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
fn start() -> Instant {
    Instant::now()
}

struct Customer {
    vault: Vault,
    letters: Arc<Outbox>,
    caller: SubjectRef,
    app: (Parameters, Secret<Vec<u8>>),
    folder: Folder,
}

impl Customer {
    fn new() -> Self {
        let folder = Folder::new();
        let vault = folder.vault();
        vault.set_policy(policy());
        let app = add_customer(&vault);
        let letters = Arc::new(Outbox::default());
        vault.set_courier(Arc::clone(&letters) as Arc<dyn Courier>);
        let caller = subject(&vault, ACCOUNT);
        Self { vault, letters, caller, app, folder }
    }

    /// Proof of a level, by the PIN and then by the app.
    fn proved(&self, level: &str) -> Arc<Grant> {
        let now = start();
        let mut session = AuthSession::new(policy(), CallId(1));
        session.claimed(self.caller.clone());
        let offer = vec![FactorId::Pin, FactorId::Totp];
        let mut next = Input::Begin { level: level.into(), offer, choose: Choose::Policy };
        for _ in 0..20 {
            session.handle(now, next);
            let mut then = None;
            loop {
                match session.poll() {
                    Output::Ask(ask, question) => {
                        then = Some(Input::Answer(ask, self.vault.answer(NOON, question)));
                    }
                    Output::Challenge(challenge) if challenge.factor == FactorId::Pin => {
                        then = Some(Input::Response(secret(PIN)));
                    }
                    Output::Challenge(_) => {
                        let (parameters, seed) = &self.app;
                        then = Some(Input::Response(parameters.code(seed, parameters.step_at(NOON))));
                    }
                    Output::Idle => break,
                    _ => {}
                }
            }
            let Some(input) = then else { break };
            next = input;
        }
        Arc::new(session.grant(now, &level.into(), None).expect("proved"))
    }

    fn amend(&self, grant: &Arc<Grant>, amendment: Amendment) -> Answer {
        self.vault.answer(NOON, Question::Amend { grant: Arc::clone(grant), amendment })
    }

    fn offered(&self) -> Vec<FactorId> {
        match self.vault.answer(NOON, Question::Enrolled { subject: self.caller.clone() }) {
            Answer::Enrolled(Ok(offered)) => offered,
            other => panic!("{other:?}"),
        }
    }

    fn calls_from(&self, number: &str) -> bool {
        let claim = Claim::CallerNumber(secret(number));
        let answer = self.vault.answer(NOON, Question::Identify { claim });
        matches!(answer, Answer::Identified(Identified::One(_)))
    }
}

const fn answer(enrolment: Enrolment) -> Answer {
    Answer::Enrolment(enrolment)
}

#[test]
fn a_new_number_takes_the_highest_level_and_the_old_addresses_are_told() {
    let customer = Customer::new();
    let phone = |keyed: &str| Amendment::Phone(secret(keyed));
    let basic = customer.proved("basic");
    assert_eq!(customer.amend(&basic, phone("00441632960111")), Answer::Unavailable, "one factor is too few");
    assert!(customer.letters.0.lock().expect("one test").is_empty());

    let strong = customer.proved("strong");
    for no_number in ["01632960111", "12", "00"] {
        assert_eq!(customer.amend(&strong, phone(no_number)), answer(Enrolment::Refused), "{no_number}");
    }
    assert!(customer.calls_from(PHONE), "nothing was changed yet");
    assert_eq!(customer.amend(&strong, phone("00441632960111")), answer(Enrolment::Done));
    assert!(customer.calls_from("+441632960111") && !customer.calls_from(PHONE));
    let told = customer.letters.0.lock().expect("one test").clone();
    let to: Vec<(Channel, &str)> = told.iter().map(|(channel, to, _)| (*channel, to.as_str())).collect();
    assert_eq!(to, [(Channel::Sms, PHONE), (Channel::Email, EMAIL)]);
    assert!(told.iter().all(|(_, _, text)| !text.contains("0111")), "the new number is not told");
    assert_eq!(customer.amend(&strong, phone("441632960111")), answer(Enrolment::Exists));
    assert_eq!(customer.letters.0.lock().expect("one test").len(), 2, "nobody is told twice");

    let mail = |address: &str| Amendment::Email(secret(address));
    assert_eq!(customer.amend(&strong, mail("nobody")), answer(Enrolment::Refused));
    assert_eq!(customer.amend(&strong, mail("")), answer(Enrolment::Refused));
    assert_eq!(customer.amend(&strong, mail("ana@example.org")), answer(Enrolment::Done));
    assert!(customer.letters.0.lock().expect("one test").iter().any(|(_, to, _)| to == EMAIL));
    let Customer { vault, folder, .. } = customer;
    drop(vault);
    let keys = countersign::driver::keys::Keys::open(folder.path()).expect("its keys");
    assert!(verify_audit(folder.path(), &keys).is_ok_and(|records| records > 0));
}

#[test]
fn a_way_is_given_up_but_never_the_last_one() {
    let customer = Customer::new();
    let without = Amendment::Without;
    let strong = customer.proved("strong");
    assert_eq!(customer.offered(), [FactorId::Pin, FactorId::Totp, FactorId::OtpSms]);
    assert_eq!(
        customer.amend(&strong, without(FactorId::Pin)),
        answer(Enrolment::Refused),
        "nothing known is left"
    );
    assert_eq!(customer.amend(&strong, without(FactorId::OtpSms)), answer(Enrolment::Done));
    assert_eq!(customer.offered(), [FactorId::Pin, FactorId::Totp]);
    assert_eq!(customer.amend(&strong, without(FactorId::OtpSms)), answer(Enrolment::Exists));
    assert_eq!(
        customer.amend(&strong, without(FactorId::Totp)),
        answer(Enrolment::Refused),
        "nothing had is left"
    );
    assert_eq!(customer.offered(), [FactorId::Pin, FactorId::Totp]);

    let customer = Customer::new();
    let strong = customer.proved("strong");
    assert_eq!(customer.amend(&strong, without(FactorId::Totp)), answer(Enrolment::Done), "codes are left");
    assert_eq!(customer.offered(), [FactorId::Pin, FactorId::OtpSms]);
    assert_eq!(customer.amend(&strong, without(FactorId::Hotp)), answer(Enrolment::Exists), "never had one");
}
