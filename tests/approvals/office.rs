//! A vault with a page, a post that is read, and what a caller and a browser do.

use std::sync::Arc;

use countersign::auth::{Answer, FactorId, Policy, Prepared, Question, SubjectRef, Verdict};
use countersign::driver::page_address::PageAddress;
use countersign::driver::sender::Channel;
use countersign::driver::vault::{Approved, Begun, Ceremony, Finished, NewLink, Vault};
use countersign::units::CallId;
use serde_json::Value;

use crate::authenticator::{self, Authenticator};
use crate::desk::Desk;
use crate::vault_world::{ACCOUNT, Folder, add_customer, secret, subject};
use crate::{CALL, HOST, PUSH, time};

pub(crate) struct Office {
    pub(crate) folder: Folder,
    pub(crate) vault: Vault,
    pub(crate) desk: Arc<Desk>,
}

pub(crate) fn policy() -> Policy {
    let used = [FactorId::Pin, FactorId::Totp, FactorId::Push];
    Policy { factors: used.iter().map(|factor| factor.defaults()).collect(), ..Policy::default() }
}

pub(crate) fn opened(folder: &Folder, desk: &Arc<Desk>) -> Vault {
    let vault = folder.vault();
    vault.set_courier(desk.clone());
    vault.set_page(PageAddress::parse("https://calls.example.com").expect("an address"));
    vault.set_policy(Arc::new(policy()));
    vault
}

impl Office {
    pub(crate) fn new() -> Self {
        let (folder, desk) = (Folder::new(), Arc::new(Desk::default()));
        let vault = opened(&folder, &desk);
        add_customer(&vault);
        Self { folder, vault, desk }
    }

    /// One whose customer has a passkey.
    pub(crate) fn with_passkey() -> (Self, Authenticator) {
        let office = Self::new();
        let device = Authenticator::new(HOST);
        assert_eq!(office.enrol("C1", &device), Finished::Done);
        (office, device)
    }

    pub(crate) fn restarted(self) -> Self {
        let Self { folder, vault, desk } = self;
        drop(vault);
        let vault = opened(&folder, &desk);
        Self { folder, vault, desk }
    }

    pub(crate) fn send_link(&self, at: u64, id: &str, factor: FactorId) -> NewLink {
        self.vault.send_link(time(at), id, factor, Channel::Email).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Enrols a passkey by a link at noon.
    pub(crate) fn enrol(&self, id: &str, device: &Authenticator) -> Finished {
        let NewLink { code, .. } = self.send_link(0, id, PUSH);
        let token = self.desk.token();
        let Begun::Passkey(ceremony) = self.begin(0, &token, code.expose()) else { panic!("no ceremony") };
        self.finish(0, &token, device, &ceremony.challenge)
    }

    pub(crate) fn begin(&self, at: u64, token: &str, code: &str) -> Begun {
        self.vault.begin_link(time(at), token, &secret(code)).expect("answers")
    }

    pub(crate) fn finish(&self, at: u64, token: &str, device: &Authenticator, challenge: &[u8]) -> Finished {
        self.vault.finish_passkey(time(at), token, &device.register(challenge).parts()).expect("answers")
    }

    pub(crate) fn who(&self, account: &str) -> SubjectRef {
        subject(&self.vault, account)
    }

    /// The number that the call speaks.
    pub(crate) fn called_in(&self, call: CallId, at: u64, account: &str, again: bool) -> Prepared {
        let question = Question::Prepare { subject: self.who(account), factor: PUSH, call, again };
        match self.vault.answer(time(at), question) {
            Answer::Prepared(prepared) => prepared,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn called(&self, at: u64) -> String {
        spoken(&self.called_in(CALL, at, ACCOUNT, at > 0))
    }

    pub(crate) fn keyed_in(
        &self,
        call: CallId,
        at: u64,
        account: &str,
        digits: &str,
    ) -> (Verdict, bool, bool) {
        let (subject, response) = (self.who(account), secret(digits));
        let question = Question::Verify { subject, factor: PUSH, response: response.into(), call };
        match self.vault.answer(time(at), question) {
            Answer::Verdict { verdict, locked, expired, .. } => (verdict, locked, expired),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn keyed(&self, at: u64, digits: &str) -> (Verdict, bool, bool) {
        self.keyed_in(CALL, at, ACCOUNT, digits)
    }

    pub(crate) fn challenge(&self, at: u64) -> Option<Ceremony> {
        self.vault.begin_approval(time(at), &self.desk.token()).expect("answers")
    }

    /// Begins and finishes on the page.
    pub(crate) fn approve(
        &self,
        at: u64,
        number: &str,
        device: &mut Authenticator,
    ) -> Result<String, &'static str> {
        let challenge = self.challenge(at).map_or([0; 32], |ceremony| ceremony.challenge);
        self.answer(at, number, &device.sign(&challenge))
    }

    pub(crate) fn answer(
        &self,
        at: u64,
        number: &str,
        signed: &authenticator::Signed,
    ) -> Result<String, &'static str> {
        let told = self.vault.approve(time(at), &self.desk.token(), number, &signed.parts());
        match told.expect("answers") {
            Approved::Digits(digits) => Ok(digits.expose().clone()),
            Approved::WrongNumber => Err("wrong number"),
            Approved::NoPasskey => Err("no passkey"),
            Approved::Gone => Err("gone"),
        }
    }

    /// What the audit log says, by event.
    pub(crate) fn events(&self) -> Vec<String> {
        let lines = self.vault.audit_after(0, 200).expect("the log");
        let event = |line: &String| {
            let record: Value = serde_json::from_str(line).expect("a record");
            record["event"].as_str().unwrap_or_default().to_owned()
        };
        lines.iter().map(event).collect()
    }

    pub(crate) fn count(&self, event: &str) -> usize {
        self.events().iter().filter(|own| *own == event).count()
    }
}

pub(crate) fn spoken(prepared: &Prepared) -> String {
    match prepared {
        Prepared::Sent { match_number: Some(number) } => number.clone(),
        other => panic!("{other:?}"),
    }
}
