//! What the vault does for its data beside calls: what is past its time, checkpoints of the audit log, exports.

use std::path::Path;

use super::memory::KEPT;
use super::{AUDIT_KEY, Vault, VaultError, rotation};
use crate::auth::{AuditEvent, AuditKind, FactorId};
use crate::driver::audit_log::checkpoint::{self, CheckpointError, Comparing};
use crate::driver::audit_log::{AuditLog, Cut, Head};
use crate::driver::keys::{DATABASE_FILE, Keys};
use crate::driver::retention::Class;
use crate::driver::store::sqlite::SqliteStore;
use crate::driver::store::{Old, Store};
use crate::units::UnixTime;

/// Rows that one transaction removes: callers who authenticate wait for it.
const BATCH: u32 = 2_000;

impl Vault {
    /// How many of a class are of before a time.
    ///
    /// # Errors
    /// When the store or the audit log can't be read.
    pub fn due(&self, class: Class, before: UnixTime) -> Result<u64, VaultError> {
        match old(class, before) {
            Some(old) => Ok(self.store.due(old)?),
            None if class == Class::Audit => Ok(self.past(before)?.map_or(0, |cut| cut.records)),
            None => Ok(0),
        }
    }

    /// Removes those of a class that are of before a time; the audit log says how many.
    ///
    /// # Errors
    /// When the store or the audit log can't be written; what was removed by then is in the log.
    pub fn sweep(&self, now: UnixTime, class: Class, before: UnixTime) -> Result<u64, VaultError> {
        if class == Class::Audit {
            return self.prune(now, before);
        }
        if class == Class::Remembered {
            self.forget_ended_fraudsters(now)?;
        }
        let Some(old) = old(class, before) else { return Ok(0) };
        let mut removed = 0;
        loop {
            let part = self.store.sweep(old, BATCH, &mut |head, count| {
                let event = swept(class, before, count);
                self.audit.append(head, now, &[event])
            })?;
            removed += part;
            if part < u64::from(BATCH) {
                return Ok(removed);
            }
        }
    }

    /// Takes the records of the audit log away that are from before a time; how many went: none when somebody else took some
    /// meanwhile, the next sweep has them. They are looked for while others write: only taking them away keeps those waiting.
    fn prune(&self, now: UnixTime, before: UnixTime) -> Result<u64, VaultError> {
        let Some(cut) = self.past(before)? else { return Ok(0) };
        let mut went = false;
        self.store.correct_head(&mut |head| {
            went = self.audit.prune(&cut)?;
            Ok(head)
        })?;
        if !went {
            return Ok(0);
        }
        self.note_sweep(now, Class::Audit, before, cut.records)?;
        Ok(cut.records)
    }

    /// The records of the log that are past their time.
    fn past(&self, before: UnixTime) -> Result<Option<Cut>, VaultError> {
        Ok(self.audit.cut(&self.store.audit_head()?, before)?)
    }

    /// Says in the audit log what was removed elsewhere.
    ///
    /// # Errors
    /// When the audit log can't be written.
    pub fn note_sweep(
        &self,
        now: UnixTime,
        class: Class,
        before: UnixTime,
        removed: u64,
    ) -> Result<(), VaultError> {
        self.audited(now, crate::driver::store::Change::Nothing, &[swept(class, before, removed)])?;
        Ok(())
    }

    /// Says in the audit log that a backup was put back, and revokes the tokens that came with it.
    ///
    /// # Errors
    /// When the audit log can't be written.
    pub fn note_restored(&self, now: UnixTime, backup: UnixTime) -> Result<(), VaultError> {
        let of =
            jiff::Timestamp::from_millisecond(backup.0).map_or_else(|_| String::new(), |at| at.to_string());
        let event = AuditEvent { call: None, subject: None, kind: AuditKind::Restored { of } };
        self.audited(now, crate::driver::store::Change::Nothing, &[event])?;
        self.revoke_tokens(now)
    }

    /// Takes all recovery codes that came with a backup: which of them were used since, nobody knows. Says how many
    /// subjects had some.
    ///
    /// # Errors
    /// When the store or the audit log fails; ask again for the rest.
    pub fn void_recovery_codes(&self, now: UnixTime) -> Result<usize, VaultError> {
        let (factor, mut void) = (FactorId::Recovery, 0);
        for subject in self.store.subjects()? {
            if self.store.enrolment(subject, factor)?.is_none() {
                continue;
            }
            let event =
                AuditEvent { call: None, subject: Some(subject), kind: AuditKind::Removed { factor } };
            if self.audited(now, crate::driver::store::Change::Remove { subject, factor }, &[event])? {
                void += 1;
            }
        }
        Ok(void)
    }

    /// Number of the audit log's last record.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn audit_reached(&self) -> Result<u64, VaultError> {
        Ok(self.store.audit_head()?.seq)
    }

    /// A signed line that says how far the audit log reaches, and the number of its last record.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn checkpoint(&self, now: UnixTime) -> Result<(u64, String), VaultError> {
        let head = self.store.audit_head()?;
        Ok((head.seq, checkpoint::sign(&self.audit_key, &self.deployment, &head, now)))
    }
}

fn swept(class: Class, before: UnixTime, removed: u64) -> AuditEvent {
    let older_than =
        jiff::Timestamp::from_millisecond(before.0).map_or_else(|_| String::new(), |at| at.to_string());
    let kind = AuditKind::RetentionApplied { class: class.name().to_owned(), removed, older_than };
    AuditEvent { call: None, subject: None, kind }
}

fn old(class: Class, before: UnixTime) -> Option<Old> {
    match class {
        Class::CallRecords => Some(Old::Calls(before)),
        Class::CallerNumbers => Some(Old::Callers(before)),
        // Each is kept with the end of its time.
        Class::Remembered => Some(Old::Memories(before.plus(KEPT))),
        Class::Requests => Some(Old::Requests(before)),
        Class::HandedOut => Some(Old::Offers(before)),
        Class::Messages | Class::Recordings | Class::Audit | Class::Speech => None,
    }
}

/// The log of a data folder with its head, changing nothing.
fn opened(data: &Path, keys: &Keys) -> Result<(AuditLog, Head), VaultError> {
    let store = SqliteStore::open(&data.join(DATABASE_FILE))?;
    rotation::check_root(&store, keys)?;
    // The head first: records that arrive meanwhile lie behind it and are checked too.
    let head = store.audit_head()?;
    Ok((AuditLog::new(data, keys.derive(AUDIT_KEY)), head))
}

/// Checks the whole audit log of a data folder, changing nothing, and says how many records it has.
///
/// # Errors
/// The first record that is wrong, or why the log can't be read.
pub fn verify_audit(data: &Path, keys: &Keys) -> Result<u64, VaultError> {
    let (log, head) = opened(data, keys)?;
    Ok(log.verify(&head)?)
}

/// As [`verify_audit`], and compares it with checkpoints; says how many of them fit, too.
///
/// # Errors
/// As [`verify_audit`], or what of the checkpoints does not fit.
pub fn verify_audit_with(
    data: &Path,
    keys: &Keys,
    checkpoints: &str,
    signed_by: Option<&[u8; 32]>,
) -> Result<(u64, usize), VaultError> {
    let own = keys.audit().verifying_key();
    let key = match signed_by {
        Some(bytes) => ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|_| VaultError::Field("this is no public key of a checkpoint"))?,
        None => own,
    };
    let all = checkpoint::read(checkpoints, &key, &keys.root().id)?;
    let (log, head) = opened(data, keys)?;
    let mut comparing = Comparing::new(all);
    let records = log.walk(&head, &mut |walk, _| comparing.record(walk.seq, &walk.mac))?;
    Ok((records, comparing.end()?))
}

/// Shows each record of the audit log, as its line, from the first on; all of them right.
///
/// # Errors
/// As [`verify_audit`].
pub fn export_audit(
    data: &Path,
    keys: &Keys,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(u64, String), VaultError> {
    let (log, head) = opened(data, keys)?;
    let records = log.walk(&head, &mut |_, line| each(line))?;
    let now = crate::driver::os::unix_now();
    Ok((records, checkpoint::sign(keys.audit(), &keys.root().id, &head, now)))
}

/// Copies the audit log as far as a copy of the database knows it; says how many records there have been.
pub(crate) fn copy_audit(data: &Path, keys: &Keys, database: &Path, to: &Path) -> Result<u64, VaultError> {
    let head = SqliteStore::open(database)?.audit_head()?;
    AuditLog::new(data, keys.derive(AUDIT_KEY)).copy(&head, to)?;
    Ok(head.seq)
}

impl From<CheckpointError> for VaultError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}
