//! What the vault shows a page at a time: subjects, call records, the audit log.

use super::{StoredCall, Vault, VaultError};
use crate::auth::{AuditEvent, AuditKind, FactorId, SubjectKey};
use crate::driver::masking::{Class, Role, shown};
use crate::driver::store::{Change, StoreError};
use crate::driver::vault::Shown;
use crate::units::{CallId, UnixTime};

impl Vault {
    /// Subjects behind this pseudonym, masked, in the order of their pseudonyms.
    ///
    /// # Errors
    /// When the store fails.
    pub fn shown_after(
        &self,
        now: UnixTime,
        after: Option<SubjectKey>,
        limit: u32,
    ) -> Result<Vec<Shown>, VaultError> {
        let mut page = Vec::new();
        for key in self.store.subjects_after(after, limit)? {
            // One that was erased meanwhile is not there.
            if let Some(row) = self.store.subject(key)? {
                page.push(self.shown_row(now, &row, Role::Operator)?);
            }
        }
        Ok(page)
    }

    /// The subject with this pseudonym, masked.
    ///
    /// # Errors
    /// When the store fails.
    pub fn shown_by_pseudonym(&self, now: UnixTime, key: SubjectKey) -> Result<Option<Shown>, VaultError> {
        self.store.subject(key)?.map(|row| self.shown_row(now, &row, Role::Operator)).transpose()
    }

    /// Call records that were stored before the one of this number, newest first, with their numbers.
    ///
    /// # Errors
    /// When the store fails or a number does not open.
    pub fn calls_before(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, StoredCall)>, VaultError> {
        let rows = self.store.calls_before(before, limit)?.into_iter();
        rows.map(|(number, row)| Ok((number, self.stored(row)?))).collect()
    }

    /// Call records that were stored behind the one of this number, oldest first, with their numbers.
    ///
    /// # Errors
    /// When the store fails or a number does not open.
    pub fn calls_after(&self, after: i64, limit: u32) -> Result<Vec<(i64, StoredCall)>, VaultError> {
        let rows = self.store.calls_after(after, limit)?.into_iter();
        rows.map(|(number, row)| Ok((number, self.stored(row)?))).collect()
    }

    /// What was noted under this name. Not sealed: nothing secret or personal is noted.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn note(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
        Ok(self.store.meta(name)?)
    }

    /// Notes something small, in the place of what was noted under this name.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn set_note(&self, name: &str, value: &[u8]) -> Result<(), VaultError> {
        Ok(self.store.set_note(name, value)?)
    }

    /// The last record of the audit log, by its number.
    ///
    /// # Errors
    /// When the store fails.
    pub fn audit_seq(&self) -> Result<u64, VaultError> {
        Ok(self.store.audit_head()?.seq)
    }

    /// Records of the audit log behind the one of this number, each as it was written.
    ///
    /// # Errors
    /// When the store or the log fails.
    pub fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<String>, VaultError> {
        let head = self.store.audit_head()?;
        Ok(self.audit.behind(&head, after, limit).map_err(StoreError::from)?)
    }

    /// Checks the whole audit log and says how many records it has.
    ///
    /// # Errors
    /// The first record that is wrong, or why the log can't be read.
    pub fn check_audit(&self) -> Result<u64, VaultError> {
        // The head first: records that arrive meanwhile lie behind it and are checked too.
        let head = self.store.audit_head()?;
        Ok(self.audit.verify(&head)?)
    }

    /// Takes a factor from a subject; whether there was one.
    ///
    /// # Errors
    /// When there is no such subject, or the store or the audit log fails.
    pub fn remove_factor(&self, now: UnixTime, id: &str, factor: FactorId) -> Result<bool, VaultError> {
        let row = self.required(id)?;
        let _turn = self.turn(row.key);
        self.removed(now, row.key, factor, None)
    }

    /// The same in a call, or not.
    pub(super) fn removed(
        &self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        call: Option<CallId>,
    ) -> Result<bool, VaultError> {
        let there = self.store.enrolment(subject, factor)?.or(self.store.offered(subject, factor)?);
        if there.is_none() {
            return Ok(false);
        }
        let event = AuditEvent { call, subject: Some(subject), kind: AuditKind::Removed { factor } };
        Ok(self.audited(now, Change::Remove { subject, factor }, &[event])?)
    }
}

impl StoredCall {
    /// The last digits of the caller's number.
    #[must_use]
    pub fn masked_caller(&self) -> Option<String> {
        self.caller.as_ref().map(|number| shown(Class::Phone, Role::Operator, number.expose()))
    }
}
