//! What the vault keeps beside people: agents' credentials and call records.

use super::{TENANT, Vault, VaultError, admin, logged};
use crate::auth::{AuditEvent, AuditKind};
use crate::driver::seal::{self, Key, Label, keyed_hash};
use crate::driver::store::{CallRow, Change, Identifier, OrderRow, StoreError};
use crate::secret::Secret;
use crate::sip::digest::StoredHa1;
use crate::sip::registrar::REALM;
use crate::units::UnixTime;

/// A call's record, read back.
pub struct StoredCall {
    /// When it was stored.
    pub at: UnixTime,
    /// The record, without the caller's number.
    pub record: String,
    /// The caller's number.
    pub caller: Option<Secret<String>>,
}

/// The order of a service that is to be sent next: its number, the service, what is ordered.
pub type FirstOrder = (i64, String, Result<Secret<Vec<u8>>, VaultError>);

impl Vault {
    /// Lets an agent's telephone register with this password.
    ///
    /// # Errors
    /// When the name can't be one, or the store or the audit log fails.
    pub fn set_agent_password(
        &self,
        now: UnixTime,
        name: &str,
        password: &Secret<String>,
    ) -> Result<(), VaultError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return Err(VaultError::Field(
                "an agent's name has 1 to 64 letters, digits, dots, hyphens or underscores",
            ));
        }
        let ha1 = StoredHa1::of(name, REALM, password);
        let kept = [ha1.sha256.expose().as_str(), ha1.md5.expose().as_str()];
        let json = Secret::new(serde_json::to_vec(&kept).map_err(|_| StoreError::Row)?);
        let sealed = seal::seal(&self.agents, agent_label(name), json.expose())?;
        let kind = AuditKind::AgentPassword { agent: name.to_owned() };
        let event = AuditEvent { call: None, subject: None, kind };
        self.audited(now, Change::SetAgent { name, sealed: &sealed }, &[event])?;
        Ok(())
    }

    /// Makes up a password of 100 bits and sets it.
    ///
    /// # Errors
    /// As [`Vault::set_agent_password`].
    pub fn generate_agent_password(&self, now: UnixTime, name: &str) -> Result<Secret<String>, VaultError> {
        let mut password = Secret::new(data_encoding::BASE32_NOPAD.encode(&seal::random::<13>()?));
        password.expose_mut().truncate(20);
        password.expose_mut().make_ascii_lowercase();
        self.set_agent_password(now, name, &password)?;
        Ok(password)
    }

    /// What an agent's telephone proves to know; `None` when there is no such agent or the store fails.
    #[must_use]
    pub fn agent_ha1(&self, name: &str) -> Option<StoredHa1> {
        logged("agent", self.read_agent(name)).ok().flatten()
    }

    fn read_agent(&self, name: &str) -> Result<Option<StoredHa1>, VaultError> {
        // The time that a phone waits must not tell whether its user exists: the same work for one who does not.
        let kept = self.store.agent(name)?;
        let (label, sealed) = match &kept {
            Some(sealed) => (name, sealed),
            None => (NO_AGENT, &self.no_agent),
        };
        let opened = seal::open(&self.agents, agent_label(label), sealed)?;
        let [sha256, md5]: [String; 2] =
            serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Row)?;
        let ha1 = StoredHa1 { sha256: Secret::new(sha256), md5: Secret::new(md5) };
        Ok(kept.is_some().then_some(ha1))
    }

    /// Keeps a call's record: the caller's number apart from it, as a keyed hash beside the sealed original.
    ///
    /// # Errors
    /// When the store fails.
    pub fn store_record(
        &self,
        now: UnixTime,
        record: &str,
        caller: Option<&Secret<String>>,
    ) -> Result<(), VaultError> {
        self.store_records(now, &[(record.to_owned(), caller)])
    }

    /// Keeps several records in one commit: the disk is waited for once, and the store is free for callers
    /// who prove who they are.
    ///
    /// # Errors
    /// As [`Vault::store_record`]; none is kept then.
    pub fn store_records(
        &self,
        now: UnixTime,
        records: &[(String, Option<&Secret<String>>)],
    ) -> Result<(), VaultError> {
        let row = |(record, caller): &(String, Option<&Secret<String>>)| self.call_row(now, record, *caller);
        let rows: Vec<CallRow> = records.iter().map(row).collect::<Result<_, _>>()?;
        Ok(self.store.add_calls(&rows)?)
    }

    /// What a caller's number is found by.
    pub(super) fn caller_hash(&self, number: &Secret<String>) -> [u8; 32] {
        let number = Secret::new(admin::normalised(Identifier::Phone, number.expose()));
        keyed_hash(&self.records, &[b"caller", number.expose().as_bytes()])
    }

    fn call_row(
        &self,
        now: UnixTime,
        record: &str,
        caller: Option<&Secret<String>>,
    ) -> Result<CallRow, VaultError> {
        let (caller_hash, caller) = match caller {
            Some(number) => {
                let hash = self.caller_hash(number);
                let sealed = seal::seal(&self.records, caller_label(&hash), number.expose().as_bytes())?;
                (Some(hash), Some(sealed))
            }
            None => (None, None),
        };
        Ok(CallRow { at: now, record: record.to_owned(), caller_hash, caller })
    }

    /// The last `limit` call records, newest first.
    ///
    /// # Errors
    /// When the store fails or a number does not open.
    pub fn calls(&self, limit: u32) -> Result<Vec<StoredCall>, VaultError> {
        self.store.calls(limit)?.into_iter().map(|row| self.stored(row)).collect()
    }

    /// The call records whose call's name begins so, two at most.
    ///
    /// # Errors
    /// As [`Vault::calls`].
    pub fn calls_named(&self, beginning: &str) -> Result<Vec<StoredCall>, VaultError> {
        self.store.calls_named(beginning)?.into_iter().map(|row| self.stored(row)).collect()
    }

    /// Keeps an order to a service until it is carried out; not when there are `most` for that service.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep_order(
        &self,
        at: UnixTime,
        service: &str,
        plain: &[u8],
        most: u32,
    ) -> Result<bool, VaultError> {
        let sealed = seal::seal(&self.orders, order_label(service), plain)?;
        Ok(self.store.keep_order(&OrderRow { service: service.to_owned(), at, sealed }, most)?)
    }

    /// The first order of each service: its number, the service, and what is ordered; that is an error of its
    /// own when it does not open.
    ///
    /// # Errors
    /// When the store fails.
    pub fn first_orders(&self) -> Result<Vec<FirstOrder>, VaultError> {
        let open = |(number, row): (i64, OrderRow)| {
            let opened = seal::open(&self.orders, order_label(&row.service), &row.sealed);
            (number, row.service, opened.map_err(VaultError::from))
        };
        Ok(self.store.first_orders()?.into_iter().map(open).collect())
    }

    /// An order is done with.
    ///
    /// # Errors
    /// When the store fails.
    pub fn drop_order(&self, number: i64) -> Result<(), VaultError> {
        Ok(self.store.drop_order(number)?)
    }

    pub(super) fn stored(&self, row: CallRow) -> Result<StoredCall, VaultError> {
        let caller = match (row.caller_hash, row.caller) {
            (Some(hash), Some(sealed)) => {
                let opened = seal::open(&self.records, caller_label(&hash), &sealed)?;
                let number = String::from_utf8(opened.expose().clone()).map_err(|_| StoreError::Row)?;
                Some(Secret::new(number))
            }
            _ => None,
        };
        Ok(StoredCall { at: row.at, record: row.record, caller })
    }
}

/// No agent can have this name.
const NO_AGENT: &str = "";

/// Sealed credentials of nobody.
pub(super) fn no_agent(agents: &Key) -> Result<Vec<u8>, VaultError> {
    let kept = ["0".repeat(64), "0".repeat(32)];
    let json = Secret::new(serde_json::to_vec(&kept).map_err(|_| StoreError::Row)?);
    Ok(seal::seal(agents, agent_label(NO_AGENT), json.expose())?)
}

const fn agent_label(name: &str) -> Label<'_> {
    Label { tenant: TENANT, owner: name.as_bytes(), kind: "agent" }
}

const fn order_label(service: &str) -> Label<'_> {
    Label { tenant: TENANT, owner: service.as_bytes(), kind: "order" }
}

const fn caller_label(hash: &[u8; 32]) -> Label<'_> {
    Label { tenant: TENANT, owner: hash, kind: "caller" }
}
