//! Approvals on a page: what the page shows, and what comes of it.
//!
//! Whoever has the link may look, and no more. The number is spoken in the call, so who types it has heard the
//! call; one wrong number and the link is worth nothing. The digits that the page shows after the approval are what
//! the caller keys ([`Vault::counted_code`] judges them). Everything but the random request follows from it by
//! keyed hashes: a stolen database has neither links nor digits.

use data_encoding::BASE64URL_NOPAD;

use super::{Vault, VaultError};
use crate::auth::factor::otp::{REQUEST_BYTES, number};
use crate::auth::factor::push;
use crate::auth::{AuditEvent, AuditKind, FactorId, SubjectKey};
use crate::driver::seal::keyed_hash;
use crate::driver::store::{Change, RequestRow};
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};

/// What the page of a link shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Whose passkey approves it.
    pub subject: SubjectKey,
    /// The call that waits for it.
    pub call: CallId,
    /// The language on file; may be empty.
    pub language: String,
    /// Not good from here on.
    pub expires: UnixTime,
    /// It was approved already.
    pub approved: bool,
}

/// What comes of an approval.
pub enum Approved {
    /// It counts. These digits are to be shown, once, for the caller to key.
    Digits(Secret<String>),
    /// The number is not the one that the call spoke. The link is worth nothing any more.
    WrongNumber,
    /// The passkey did not sign.
    NoPasskey,
    /// There is nothing to approve: too old, approved before, superseded, or there never was.
    Gone,
}

impl Vault {
    /// What the page of this link shows; `None` when the link is worth nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub fn approval(&self, now: UnixTime, token: &str) -> Result<Option<Approval>, VaultError> {
        let Some(row) = self.open_request(now, token)? else { return Ok(None) };
        let Some(subject) = self.store.subject(row.subject)? else { return Ok(None) };
        let language = self.profile(&subject)?.language.clone();
        let RequestRow { subject, call, expires, approved, .. } = row;
        Ok(Some(Approval { subject, call, language, expires, approved }))
    }

    /// Approves: with the number that was typed, and whether the passkey of this subject has signed.
    ///
    /// # Errors
    /// When the store or the audit log fails; nothing is approved then.
    pub fn approve(
        &self,
        now: UnixTime,
        token: &str,
        typed: &str,
        passkey_ok: bool,
    ) -> Result<Approved, VaultError> {
        let Some(RequestRow { subject, .. }) = self.open_request(now, token)? else {
            return Ok(Approved::Gone);
        };
        let _turn = self.turn(subject);
        let Some(row) = self.open_request(now, token)?.filter(|row| !row.approved) else {
            return Ok(Approved::Gone);
        };
        let (request, factor) = (row.request, FactorId::Push);
        let event = |kind| AuditEvent { call: Some(row.call), subject: Some(subject), kind };
        let matches = Secret::new(self.match_number(&request)).matches(typed.trim().as_bytes());
        if !matches {
            let change = Change::Burn { subject, factor, request, now };
            self.audited(now, change, &[event(AuditKind::ApprovalRefused { factor })])?;
            return Ok(Approved::WrongNumber);
        }
        if !passkey_ok {
            self.audited(now, Change::Nothing, &[event(AuditKind::ApprovalRefused { factor })])?;
            return Ok(Approved::NoPasskey);
        }
        let change = Change::Approve { request, now };
        let approved = self.audited(now, change, &[event(AuditKind::Approved { factor })])?;
        Ok(if approved { Approved::Digits(self.page_digits(&request)) } else { Approved::Gone })
    }

    fn open_request(&self, now: UnixTime, token: &str) -> Result<Option<RequestRow>, VaultError> {
        let row = self.store.linked(&self.link_hash(&Secret::new(token.to_owned())))?;
        Ok(row.filter(|row| row.factor == FactorId::Push && !row.used && row.expires > now))
    }

    /// The end of the page's address: 128 bits that nobody can guess.
    pub(super) fn token(&self, request: &[u8; REQUEST_BYTES]) -> Secret<String> {
        let hash = keyed_hash(&self.codes, &[b"link", request]);
        Secret::new(BASE64URL_NOPAD.encode(hash.get(..REQUEST_BYTES).unwrap_or_default()))
    }

    pub(super) fn link_hash(&self, token: &Secret<String>) -> [u8; 32] {
        keyed_hash(&self.codes, &[b"page", token.expose().as_bytes()])
    }

    /// The number that the call speaks.
    pub(super) fn match_number(&self, request: &[u8; REQUEST_BYTES]) -> String {
        self.derived(b"number", request, push::NUMBER_DIGITS).expose().clone()
    }

    /// The digits that the page shows.
    pub(super) fn page_digits(&self, request: &[u8; REQUEST_BYTES]) -> Secret<String> {
        self.derived(b"digits", request, push::DIGITS)
    }

    fn derived(&self, what: &[u8], request: &[u8; REQUEST_BYTES], digits: u8) -> Secret<String> {
        let hash = keyed_hash(&self.codes, &[what, request]);
        let (first, _) = hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        // The numbers that a draw would refuse are one in 10^16: taken as they come.
        number(*first, digits)
            .or_else(|| number([0; 8], digits))
            .unwrap_or_else(|| Secret::new(String::new()))
    }
}
