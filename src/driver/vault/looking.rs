//! Personal data in clear: for an officer, with a reason, and never without a record of it.

use super::{Shown, Vault, VaultError};
use crate::auth::{AuditEvent, AuditKind, SubjectKey};
use crate::driver::masking::Role;
use crate::driver::store::Change;
use crate::units::UnixTime;

/// Who wants to see it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looker {
    by: String,
    reason: String,
}

impl Looker {
    /// Somebody with a reason.
    ///
    /// # Errors
    /// When the reason is none: fewer than 4 characters, or more than 200.
    pub fn new(by: &str, reason: &str) -> Result<Self, VaultError> {
        let reason = reason.trim();
        let fits = (4..=200).contains(&reason.chars().count()) && !reason.contains(char::is_control);
        if fits {
            Ok(Self { by: by.to_owned(), reason: reason.to_owned() })
        } else {
            Err(VaultError::Field("a reason has 4 to 200 characters: say which request or case it is for"))
        }
    }
}

impl Vault {
    /// One subject with nothing masked; `None` when there is none of that identifier.
    ///
    /// # Errors
    /// When the store fails, or the look can't be recorded: nothing is shown then.
    pub fn shown_in_clear(
        &self,
        now: UnixTime,
        id: &str,
        looker: &Looker,
    ) -> Result<Option<Shown>, VaultError> {
        let Some(row) = self.by_id(id)? else { return Ok(None) };
        self.note_look(now, Some(row.key), "subject", looker)?;
        self.shown_row(now, &row, Role::Officer).map(Some)
    }

    /// Records that somebody sees in clear what is masked for others.
    ///
    /// # Errors
    /// When the audit log can't be written: show nothing then.
    pub fn note_look(
        &self,
        now: UnixTime,
        subject: Option<SubjectKey>,
        what: &str,
        looker: &Looker,
    ) -> Result<(), VaultError> {
        let Looker { by, reason } = looker.clone();
        let kind = AuditKind::SeenInClear { what: what.to_owned(), by, reason };
        self.audited(now, Change::Nothing, &[AuditEvent { call: None, subject, kind }])?;
        Ok(())
    }
}
