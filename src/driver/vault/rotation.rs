//! Keys come and go while calls run.
//!
//! A new master key seals the root key anew and nothing else. A new pepper takes over one PIN after the other,
//! each at its next right use; until then the old one judges it. An old pepper has an end: what was not used by
//! then is void and must be enrolled again.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use thiserror::Error;

use super::{Vault, VaultError};
use crate::auth::factor::Peppering;
use crate::auth::{AuditEvent, AuditKind, FactorId, SubjectKey};
use crate::driver::keys::{Keys, KeysError, Listed, NamedKey, Rotated, ring};
use crate::driver::store::{Change, Store, StoreError};
use crate::units::UnixTime;

/// The peppers, the current one first.
pub(super) struct Peppers(Vec<NamedKey>);

/// A key with what still needs it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} enrolments were made with the {} key {}", .uses, .key.kind, .key.id)]
pub struct KeyInUse {
    /// The key.
    pub key: Listed,
    /// Enrolments that can't be judged without it.
    pub uses: u64,
}

impl Peppers {
    pub(super) fn current(&self) -> &NamedKey {
        // There is one at least: `checked` and `reload` see to it.
        &self.0[0]
    }

    /// Whether what was made with this pepper is past its time.
    pub(super) fn is_over(&self, id: &str, now: UnixTime) -> bool {
        self.find(id).and_then(|pepper| pepper.until).is_some_and(|until| until <= now)
    }

    pub(super) fn find(&self, id: &str) -> Option<&NamedKey> {
        self.0.iter().find(|pepper| pepper.id == id)
    }
}

/// The root key and the subjects' shares must be those that the database was made with; the first opening tells it.
pub(super) fn check_root(store: &dyn Store, keys: &Keys) -> Result<(), VaultError> {
    let shares = keys.shares();
    let root = keys.root();
    check(store, "master", "master", &root.id, &root.path)?;
    keys.confirm_root()?;
    check(store, "subjects", "subjects'", &shares.id(), shares.path())
}

/// As [`check_root`]; and the peppers, of which the database knows the current one.
pub(super) fn checked(store: &dyn Store, keys: &Keys) -> Result<Peppers, VaultError> {
    check_root(store, keys)?;
    let peppers = keys.peppers().to_vec();
    let current = peppers.first().ok_or(VaultError::Keys(KeysError::Random))?;
    let kept = store.keep_meta(PEPPER, current.id.as_bytes())?;
    if peppers.iter().all(|pepper| pepper.id.as_bytes() != kept.as_slice()) {
        let wanted = String::from_utf8_lossy(&kept).into_owned();
        let (path, found) = (current.path.clone(), current.id.clone());
        return Err(VaultError::WrongKey { name: "pepper", path, found, wanted });
    }
    if kept != current.id.as_bytes() {
        // A rotation that broke off after the file was written.
        store.set_meta(PEPPER, current.id.as_bytes())?;
    }
    Ok(Peppers(peppers))
}

const PEPPER: &str = "pepper key";
/// How long what was hashed with an old pepper counts, unless said otherwise: who calls once a year is in it.
pub const PEPPER_TIME: Duration = Duration::from_secs(400 * 24 * 3600);

fn check(
    store: &dyn Store,
    kept_as: &str,
    name: &'static str,
    id: &str,
    path: &std::path::Path,
) -> Result<(), VaultError> {
    let kept = store.keep_meta(&format!("{kept_as} key"), id.as_bytes())?;
    if kept == id.as_bytes() {
        return Ok(());
    }
    let wanted = String::from_utf8_lossy(&kept).into_owned();
    Err(VaultError::WrongKey { name, path: path.to_owned(), found: id.to_owned(), wanted })
}

impl Vault {
    pub(super) fn peppers(&self) -> Arc<Peppers> {
        Arc::clone(&self.peppers.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reload_peppers(&self) -> Result<(), VaultError> {
        let peppers = ring::peppers(&self.data)?;
        let current = peppers.first().ok_or(VaultError::Keys(KeysError::Random))?;
        self.store.set_meta(PEPPER, current.id.as_bytes())?;
        *self.peppers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Peppers(peppers));
        Ok(())
    }

    /// All master keys and peppers, each with the number of enrolments that need it.
    ///
    /// # Errors
    /// When the key files or the store can't be read.
    pub fn keys(&self) -> Result<Vec<KeyInUse>, VaultError> {
        let keyed = |key: Listed| {
            let uses =
                if key.kind == "pepper" { self.uses(&key.id)?.iter().map(|(_, uses)| uses).sum() } else { 0 };
            Ok(KeyInUse { key, uses })
        };
        ring::list(&self.data)?.into_iter().map(keyed).collect()
    }

    fn uses(&self, id: &str) -> Result<Vec<(FactorId, u64)>, StoreError> {
        let mut uses = self.store.key_uses(id)?;
        uses.retain(|(factor, _)| factor.peppering() != Peppering::None);
        Ok(uses)
    }

    /// A new master key seals the root key. The old one is kept until it is retired.
    ///
    /// # Errors
    /// When the key files or the audit log can't be written. The keys are the old ones or the new ones, whole.
    pub fn rotate_master(&self, now: UnixTime) -> Result<Rotated, VaultError> {
        let rotated = ring::rotate_master(&self.data, now)?;
        self.note_rotation(now, "master", &rotated)?;
        Ok(rotated)
    }

    /// A new pepper hashes what is enrolled from now on, and each PIN at its next right use within that time.
    ///
    /// # Errors
    /// As [`Vault::rotate_master`].
    pub fn rotate_pepper(&self, now: UnixTime, within: Duration) -> Result<Rotated, VaultError> {
        let rotated = ring::rotate_pepper(&self.data, now, within)?;
        self.reload_peppers()?;
        self.note_rotation(now, "pepper", &rotated)?;
        Ok(rotated)
    }

    fn note_rotation(&self, now: UnixTime, key: &str, rotated: &Rotated) -> Result<(), VaultError> {
        let Rotated { before, id } = rotated.clone();
        let event = AuditKind::KeyRotated { key: key.to_owned(), before, id };
        self.audited(now, Change::Nothing, &[AuditEvent { call: None, subject: None, kind: event }])?;
        Ok(())
    }

    /// Destroys a key that nothing needs any more, with the enrolments that are past its time; says how many.
    ///
    /// # Errors
    /// When it is the current one, or enrolments need it that may still be used.
    pub fn retire_key(&self, now: UnixTime, id: &str) -> Result<u64, VaultError> {
        let key = ring::find(&self.data, id)?;
        let in_use = |why: String| VaultError::Keys(KeysError::InUse { id: id.to_owned(), why });
        if key.current {
            return Err(in_use(format!(
                "it is the current {0} key\n  help: `countersign keys rotate {0}` first",
                key.kind
            )));
        }
        let uses = if key.kind == "pepper" { self.uses(id)? } else { Vec::new() };
        let voided: u64 = uses.iter().map(|(_, uses)| uses).sum();
        if voided > 0 && key.until.is_none_or(|until| now < until) {
            return Err(in_use(format!(
                "{voided} enrolments were made with it and were not used since\n  help: wait until they were, or until its \
                 time is over (`countersign keys list`)"
            )));
        }
        let factors: Vec<FactorId> = uses.into_iter().map(|(factor, _)| factor).collect();
        let kind = AuditKind::KeyRetired { key: key.kind.to_owned(), id: id.to_owned(), voided };
        let change = Change::Void { key_id: id, factors: &factors };
        self.audited(now, change, &[AuditEvent { call: None, subject: None, kind }])?;
        ring::retire(&self.data, &key)?;
        self.reload_peppers()?;
        Ok(voided)
    }

    /// Which of these enrolments are past the time of their pepper.
    pub(super) fn void(
        &self,
        now: UnixTime,
        subject: Option<SubjectKey>,
        enrolled: &[FactorId],
    ) -> Result<Vec<FactorId>, StoreError> {
        let peppers = self.peppers();
        let over = |pepper: &&NamedKey| pepper.until.is_some_and(|until| until <= now);
        let over: Vec<&NamedKey> = peppers.0.iter().filter(over).collect();
        let (Some(subject), false) = (subject, over.is_empty()) else { return Ok(Vec::new()) };
        let mut void = Vec::new();
        for factor in enrolled.iter().filter(|factor| factor.peppering() != Peppering::None) {
            let row = self.store.enrolment(subject, *factor)?;
            if row.is_some_and(|row| over.iter().any(|pepper| pepper.id == row.key_id)) {
                void.push(*factor);
            }
        }
        Ok(void)
    }
}
