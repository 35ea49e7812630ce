//! A data folder of its own for each test, and the customers in it.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use countersign::auth::factor::totp::Parameters;
use countersign::auth::{
    Answer, AuthSession, Claim, FactorId, Grant, Identified, Input, Lockout, Output, Policy, Question,
    Source, SubjectRef, Verdict,
};
use countersign::driver::vault::{NewSubject, Profile, Vault};
use countersign::secret::Secret;
use countersign::units::{CallId, UnixTime};

/// 2026-01-01, at noon.
pub(crate) const NOON: UnixTime = UnixTime(1_767_268_800_000);

/// A folder that goes when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// In memory, where the system has a place for files that no disk sees.
    pub(crate) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::within(memory) } else { Self::new() }
    }

    fn within(folder: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("countersign-test-{}-{number}", std::process::id());
        let path = folder.join(name);
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn vault(&self) -> Vault {
        Vault::open_data(&self.0).expect("the vault opens")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) const ACCOUNT: &str = "55230188";
pub(crate) const EMAIL: &str = "ana.c1@example.com";
pub(crate) const PHONE: &str = "+441632960199";
pub(crate) const PIN: &str = "80429517";
pub(crate) const NAME: &str = "Philippa Quartermaine";

pub(crate) fn customer(id: &str, account: &str) -> NewSubject {
    NewSubject {
        profile: Profile {
            id: id.into(),
            account: account.into(),
            phone: PHONE.into(),
            name: NAME.into(),
            language: "en-GB".into(),
            email: EMAIL.into(),
            declined: Vec::new(),
        },
        pin: None,
        pin_hash: None,
    }
}

/// Adds C1 with [`ACCOUNT`], [`PIN`] and an authenticator; returns the latter.
pub(crate) fn add_customer(vault: &Vault) -> (Parameters, Secret<Vec<u8>>) {
    let mut new = customer("C1", ACCOUNT);
    new.pin = Some(secret(PIN));
    assert!(vault.add_subjects(NOON, &[new]).is_ok());
    vault.enrol_totp(NOON, "C1").expect("enrolled")
}

pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

pub(crate) fn claim(vault: &Vault, account: &str) -> Identified {
    let claim = Claim::Account(secret(account));
    match vault.answer(NOON, Question::Identify { claim }) {
        Answer::Identified(identified) => identified,
        other => panic!("{other:?}"),
    }
}

/// The subject of an account, real or ghost.
pub(crate) fn subject(vault: &Vault, account: &str) -> SubjectRef {
    match claim(vault, account) {
        Identified::One(subject) | Identified::None(subject) => subject,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn verify(
    vault: &Vault,
    now: UnixTime,
    subject: &SubjectRef,
    factor: FactorId,
    response: &str,
) -> (Verdict, bool) {
    verify_from(vault, &Source::default(), now, subject, factor, response)
}

/// As [`verify`], in a call from there.
pub(crate) fn verify_from(
    vault: &Vault,
    source: &Source,
    now: UnixTime,
    subject: &SubjectRef,
    factor: FactorId,
    response: &str,
) -> (Verdict, bool) {
    let question = Question::Verify {
        subject: subject.clone(),
        factor,
        response: secret(response).into(),
        call: CallId(7),
    };
    match vault.answer_for(now, &vault.policy(), source, question) {
        Answer::Verdict { verdict, locked, .. } => (verdict, locked),
        other => panic!("{other:?}"),
    }
}

/// The shipped policy, with limits that no test reaches.
pub(crate) fn boundless() -> Arc<Policy> {
    let mut policy = Policy::default();
    policy.lockout.per_subject.failures = u32::MAX;
    policy.lockout.hard_stop = u32::MAX;
    policy.lockout.guesses.per_day = u32::MAX;
    let Lockout { per_caller, per_trunk, engine, .. } = &mut policy.lockout;
    for limit in [per_caller, per_trunk, engine] {
        limit.failures = u32::MAX;
    }
    Arc::new(policy)
}

pub(crate) fn later(by: Duration) -> UnixTime {
    NOON.plus(by)
}

#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// What a caller of [`ACCOUNT`] gets who proves to be them by a PIN.
pub(crate) fn grant(vault: &Vault, policy: Arc<Policy>, pin: &str) -> Option<Grant> {
    let now = start();
    let mut session = AuthSession::new(policy, CallId(7));
    session.claimed(subject(vault, ACCOUNT));
    session.handle(now, Input::Verify { factor: FactorId::Pin });
    loop {
        let input = match session.poll() {
            Output::Ask(ask, question) => Input::Answer(ask, vault.answer(NOON, question)),
            Output::Challenge(_) => Input::Response(secret(pin)),
            Output::Done(_) => return session.grant(now, &"basic".into(), None),
            _ => continue,
        };
        while !matches!(session.poll(), Output::Idle) {}
        session.handle(now, input);
    }
}
