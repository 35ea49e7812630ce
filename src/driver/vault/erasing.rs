//! Erasure: a subject's share of its key is destroyed, then its rows, then their traces in the files.
//!
//! The first step lies outside of what a backup of the database holds (`subjects.key`), so that neither such a
//! backup nor the write-ahead log can bring the subject back. Rows that come back with a backup are removed when
//! the vault opens; they could not be read before that either.

use std::sync::Arc;

use super::memory::KEPT;
use super::{TENANT, Vault, VaultError, subject_label};
use crate::auth::{AuditEvent, AuditKind, SubjectKey, Whose};
use crate::driver::keys::{Erased, Shares};
use crate::driver::seal::{self, Key, SealError, keyed_hash};
use crate::driver::store::{Change, Store, StoreError, Trace};
use crate::secret::Secret;
use crate::units::UnixTime;

/// What subjects' own keys are wrapped with.
pub(super) struct Wrapping {
    pub(super) tenant: Key,
    pub(super) shares: Arc<Shares>,
}

/// The kind of a wrapped key.
pub(super) const OWN_KEY: &str = "own key";
/// Its kind before there were shares, when the tenant's key alone wrapped it.
const OWN_KEY_OF_BEFORE: &str = "key";
/// Where the database notes that every key is wrapped with its share.
const WRAPPED: &str = "subjects' keys";
/// Where the database notes how many erasures it has seen.
const SEEN: &str = "erasures";
/// Keys wrapped anew in one transaction.
const BATCH: usize = 1_000;

impl Wrapping {
    /// What wraps this subject's key; an erased subject's is gone.
    pub(super) fn key(&self, subject: SubjectKey) -> Result<Key, SealError> {
        let share = self.shares.share(subject).ok_or(SealError::Opening)?;
        Ok(Secret::new(keyed_hash(&self.tenant, &[b"subject", share.expose()])))
    }

    pub(super) fn wrap(&self, subject: SubjectKey, own: &Key) -> Result<Vec<u8>, SealError> {
        seal::seal(&self.key(subject)?, subject_label(&subject, OWN_KEY), own.expose())
    }

    /// Wraps with their shares what an earlier version wrapped without.
    fn bring_up(&self, store: &dyn Store) -> Result<(), VaultError> {
        if store.meta(WRAPPED)?.is_some() {
            return Ok(());
        }
        let mut anew = Vec::new();
        for key in store.subjects()? {
            let Some(row) = store.subject(key)? else { continue };
            let label = subject_label(&key, OWN_KEY_OF_BEFORE);
            // What an interrupted run wrapped already does not open so.
            if let Ok(own) = seal::open_key(&self.tenant, label, &row.wrapped_key) {
                anew.push((key, self.wrap(key, &own)?));
            }
        }
        for batch in anew.chunks(BATCH) {
            store.rewrap(batch)?;
        }
        if !anew.is_empty() {
            store.scrub()?;
        }
        Ok(store.set_meta(WRAPPED, b"1")?)
    }
}

impl Vault {
    /// Destroys a subject's key, then its rows, then their traces in the database's files.
    ///
    /// # Errors
    /// When there is no such subject, or a file can't be written. What was destroyed stays so; ask again, or start
    /// again, for the rest.
    pub fn erase(&self, now: UnixTime, id: &str) -> Result<(), VaultError> {
        let row = self.required(id)?;
        // An erasure that broke off leaves a row that does not open.
        let number = self.profile(&row).ok().map(|profile| Secret::new(profile.phone.clone()));
        let traces = number.map(|number| {
            let hash = self.caller_hash(&number);
            [self.owner(&Whose::Number(number)), hash]
        });
        self.wrapping.shares.erase(row.key, now, traces)?;
        self.clear(now, row.key)?;
        self.forget_erased()?;
        self.remove_erased_recordings();
        Ok(self.store.scrub()?)
    }

    /// Brings the database up to what the key files say: who was erased stays erased.
    pub(super) fn bring_up(&self, now: UnixTime) -> Result<(), VaultError> {
        let erased = self.wrapping.shares.erased();
        let seen = self.store.meta(SEEN)?;
        if seen.as_deref().unwrap_or(b"0") != erased.len().to_string().as_bytes() {
            let back: Vec<SubjectKey> =
                erased.iter().map(|gone| self.below(gone)).collect::<Result<Vec<_>, _>>()?.concat();
            for subject in &back {
                self.clear(now, *subject)?;
            }
            self.forget_erased()?;
            if !back.is_empty() {
                tracing::warn!(
                    subjects = back.len(),
                    "erased subjects came back with a backup; they are removed"
                );
            }
            self.remove_erased_recordings();
            self.store.scrub()?;
        }
        self.wrapping.bring_up(self.store.as_ref())
    }

    /// Removes recordings of whom was erased. Their key is gone already: what is left is of no use to anybody.
    fn remove_erased_recordings(&self) {
        if let Err(error) = self.recordings.remove_erased() {
            tracing::error!(%error, "recordings that nobody can hear any more are still there");
        }
    }

    /// The subjects of an erased leaf that are in the database.
    fn below(&self, gone: &Erased) -> Result<Vec<SubjectKey>, StoreError> {
        let mut from = [0; 16];
        from[..8].copy_from_slice(&gone.leaf.to_be_bytes());
        let mut found = Vec::new();
        let mut next = self.store.nearest(SubjectKey(from))?;
        while let Some(key) = next.filter(|key| key.0[..8] == from[..8] && !found.contains(key)) {
            found.push(key);
            let Some(after) = u128::from_be_bytes(key.0).checked_add(1) else { break };
            next = self.store.nearest(SubjectKey(after.to_be_bytes()))?;
        }
        Ok(found)
    }

    fn clear(&self, now: UnixTime, subject: SubjectKey) -> Result<(), VaultError> {
        self.store.forget(&self.owner(&Whose::Subject(subject)))?;
        self.store.forget_letters(subject)?;
        let event = AuditEvent { call: None, subject: Some(subject), kind: AuditKind::SubjectErased };
        self.audited(now, Change::Erase(subject), &[event])?;
        Ok(())
    }

    /// Removes what is kept of the erased ones' numbers, and notes that it is done.
    fn forget_erased(&self) -> Result<(), VaultError> {
        let erased = self.wrapping.shares.erased();
        let trace = |gone: &Erased| {
            let [owner, caller] = gone.traces?;
            Some(Trace { owner, until: gone.at.plus(KEPT), caller, at: gone.at })
        };
        let traces: Vec<Trace> = erased.iter().filter_map(trace).collect();
        self.store.forget_traces(&traces)?;
        Ok(self.store.set_meta(SEEN, erased.len().to_string().as_bytes())?)
    }
}

/// The tenant's key, wrapped by the root key in the database; made at the first opening.
pub(super) fn tenant_key(store: &dyn Store, wrapping: &Key) -> Result<Key, VaultError> {
    let label = seal::Label { tenant: TENANT, owner: &[], kind: "tenant key" };
    let fresh = Secret::new(seal::random::<32>()?);
    let kept = store.keep_meta("tenant key", &seal::seal(wrapping, label, fresh.expose())?)?;
    Ok(seal::open_key(wrapping, label, &kept)?)
}
