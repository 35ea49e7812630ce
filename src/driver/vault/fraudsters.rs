//! The voices of people who have deceived before. A list of an admin's, sealed, whose entries end by themselves.
//!
//! A voice on it proves nothing: it is a signal of the risk of a call, and keeps a voice from being enrolled.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{TENANT, Vault, VaultError};
use crate::auth::{AuditEvent, AuditKind};
use crate::driver::seal::keyed_hash;
use crate::driver::store::{Change, StoreError};
use crate::secret::Secret;
use crate::units::UnixTime;
use crate::voice::print::compare::Heard;
use crate::voice::print::{EMBEDDING, Voice};

/// Somebody who has deceived before.
#[derive(Clone)]
pub struct Fraudster {
    /// What the entry is called; no name of a person.
    pub name: String,
    /// Why they are on the list: which case.
    pub reason: String,
    /// The model that the voice was made with.
    pub model: String,
    /// The voice.
    pub heard: Heard,
    /// When the entry ends, in milliseconds since 1970.
    pub until: i64,
}

/// As it is kept.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    reason: String,
    model: String,
    numbers: Vec<f32>,
    seconds: f32,
    until: i64,
}

/// The most entries: each of them is compared with every caller who speaks.
const MOST: usize = 200;
/// The longest that an entry lasts.
pub(crate) const LONGEST: Duration = Duration::from_secs(3 * 366 * 24 * 3600);
/// Longer than any entry lasts, and than what is remembered of callers: entries that have ended go by themselves.
const KEPT: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
const NAME: &str = "voices of fraudsters";

impl Vault {
    /// Puts a voice on the list, in the place of an entry of the same name.
    ///
    /// # Errors
    /// Without a name or a reason; when the list is full, or the store or the audit log fails.
    pub fn list_fraudster(&self, now: UnixTime, fraudster: &Fraudster) -> Result<(), VaultError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if fraudster.name.is_empty() || fraudster.name.len() > 40 || !fraudster.name.chars().all(plain) {
            return Err(VaultError::Field("the name of an entry is 1 to 40 letters, digits, `-` and `_`"));
        }
        if !(8..=200).contains(&fraudster.reason.trim().len()) {
            return Err(VaultError::Field("say in 8 to 200 letters why the voice is listed: which case"));
        }
        if fraudster.until <= now.0 || fraudster.until > now.plus(LONGEST).0 {
            return Err(VaultError::Field("an entry lasts a day at least and three years at most"));
        }
        let mut all = self.fraudsters_at(now)?;
        all.retain(|other| other.name != fraudster.name);
        if all.len() >= MOST {
            return Err(VaultError::Field("the list is full: 200 voices"));
        }
        all.push(fraudster.clone());
        let (entry, reason) = (fraudster.name.clone(), fraudster.reason.clone());
        self.keep_fraudsters(now, &all, AuditKind::FraudsterListed { entry, reason })
    }

    /// Takes an entry off the list; whether there was one.
    ///
    /// # Errors
    /// When the store or the audit log fails.
    pub fn remove_fraudster(&self, now: UnixTime, name: &str) -> Result<bool, VaultError> {
        let mut all = self.fraudsters_at(now)?;
        let before = all.len();
        all.retain(|other| other.name != name);
        if all.len() == before {
            return Ok(false);
        }
        self.keep_fraudsters(now, &all, AuditKind::FraudsterRemoved { entry: name.to_owned() })?;
        Ok(true)
    }

    /// The list, without entries that have ended.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn fraudsters_at(&self, now: UnixTime) -> Result<Vec<Fraudster>, VaultError> {
        let Some(json) = self.look_up(now, (&self.fraudsters_owner(), NAME))? else { return Ok(Vec::new()) };
        let entries: Vec<Entry> = serde_json::from_slice(json.expose()).map_err(|_| StoreError::Row)?;
        let open = |entry: &Entry| {
            let numbers = <[f32; EMBEDDING]>::try_from(entry.numbers.as_slice()).ok()?;
            Some(Fraudster {
                name: entry.name.clone(),
                reason: entry.reason.clone(),
                model: entry.model.clone(),
                heard: Heard { voice: Voice::new(numbers)?, seconds: entry.seconds },
                until: entry.until,
            })
        };
        let all: Option<Vec<Fraudster>> =
            entries.iter().filter(|entry| entry.until > now.0).map(open).collect();
        Ok(all.ok_or(StoreError::Row)?)
    }

    fn keep_fraudsters(&self, now: UnixTime, all: &[Fraudster], kind: AuditKind) -> Result<(), VaultError> {
        // Told before it is done: nobody is listed, or taken off, without a record.
        self.audited(now, Change::Nothing, &[AuditEvent { call: None, subject: None, kind }])?;
        self.put_fraudsters(now, all)
    }

    /// Forgets the voices whose entries have ended.
    pub(super) fn forget_ended_fraudsters(&self, now: UnixTime) -> Result<(), VaultError> {
        let (all, left) = (self.fraudsters_at(UnixTime(i64::MIN))?, self.fraudsters_at(now)?);
        if left.len() < all.len() { self.put_fraudsters(now, &left) } else { Ok(()) }
    }

    fn put_fraudsters(&self, now: UnixTime, all: &[Fraudster]) -> Result<(), VaultError> {
        let entry = |one: &Fraudster| Entry {
            name: one.name.clone(),
            reason: one.reason.clone(),
            model: one.model.clone(),
            numbers: one.heard.voice.numbers().to_vec(),
            seconds: one.heard.seconds,
            until: one.until,
        };
        let entries: Vec<Entry> = all.iter().map(entry).collect();
        let json = Secret::new(serde_json::to_vec(&entries).map_err(|_| StoreError::Row)?);
        let until = if all.is_empty() { now } else { now.plus(KEPT) };
        self.put(now, (&self.fraudsters_owner(), NAME), &json, until)
    }

    fn fraudsters_owner(&self) -> [u8; 32] {
        keyed_hash(&self.memory, &[TENANT.as_bytes(), b"fraudsters"])
    }
}
