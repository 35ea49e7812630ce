//! Approvals on a page: what the page shows, and what comes of it.
//!
//! Whoever has the link may look, and no more. The number is spoken in the call, so who types it has heard the
//! call; one wrong number and the link is worth nothing. A passkey of the subject signs, on a device that has made sure
//! who holds it. The digits that the page shows after the approval are what the caller keys
//! ([`Vault::counted_code`] judges them). Everything but the random request and the challenge follows from the request
//! by keyed hashes: a stolen database has neither links nor digits.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::passkeys::{Ceremony, Ring};
use super::{Vault, VaultError};
use crate::auth::factor::otp::{REQUEST_BYTES, number};
use crate::auth::factor::push;
use crate::auth::webauthn::{Assertion, Refusal};
use crate::auth::{AuditEvent, AuditKind, FactorId, SubjectKey, Whose};
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
    /// The passkey did not sign, or not as it should. It may be tried again, a few times.
    NoPasskey,
    /// There is nothing to approve: too old, approved before, superseded, or there never was.
    Gone,
}

/// Who says that it is not they who call is sent no more links for this time.
const PEACE: Duration = Duration::from_secs(3600);
/// Where that is put.
const DENIED: &str = "denied";

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

    /// What a browser needs to have a passkey sign; `None` when there is nothing to approve, or it was begun too
    /// often.
    ///
    /// # Errors
    /// When the store fails.
    pub fn begin_approval(&self, now: UnixTime, token: &str) -> Result<Option<Ceremony>, VaultError> {
        let Some(RequestRow { subject, .. }) = self.open_request(now, token)? else { return Ok(None) };
        let _turn = self.turn(subject);
        let Some(row) = self.open_request(now, token)?.filter(|row| !row.approved) else { return Ok(None) };
        let Some(subject) = self.store.subject(subject)? else { return Ok(None) };
        self.ceremony(now, &self.link_hash(&Secret::new(token.to_owned())), row.expires, &subject)
    }

    /// Approves: with the number that was typed, and what a passkey of this subject has signed.
    ///
    /// # Errors
    /// When the store or the audit log fails; nothing is approved then.
    pub fn approve(
        &self,
        now: UnixTime,
        token: &str,
        typed: &str,
        made: &Assertion<'_>,
    ) -> Result<Approved, VaultError> {
        let Some(RequestRow { subject, .. }) = self.open_request(now, token)? else {
            return Ok(Approved::Gone);
        };
        let _turn = self.turn(subject);
        let Some(row) = self.open_request(now, token)?.filter(|row| !row.approved) else {
            return Ok(Approved::Gone);
        };
        let link = self.link_hash(&Secret::new(token.to_owned()));
        let challenge = self.take_challenge(now, &link, row.expires)?;
        if !Secret::new(self.match_number(&row.request)).matches(typed.trim().as_bytes()) {
            self.burn(now, &row, "number")?;
            return Ok(Approved::WrongNumber);
        }
        let Some(challenge) = challenge else {
            self.refused(now, &row, "challenge")?;
            return Ok(Approved::NoPasskey);
        };
        let Some(whose) = self.store.subject(subject)? else { return Ok(Approved::Gone) };
        let Ring { row: Some(kept), passkeys } = self.ring(&whose)? else {
            self.refused(now, &row, "no passkey")?;
            return Ok(Approved::NoPasskey);
        };
        let after = match self.signed(now, subject, &passkeys, &challenge, made) {
            Ok(after) => self.ring_data(&whose, &after)?,
            Err((Refusal::Counter, passkey)) => {
                self.ring_copied();
                let kind = AuditKind::PasskeyCopied { passkey };
                self.audited(now, Change::Nothing, &[event(&row, kind)])?;
                self.burn(now, &row, "counter")?;
                return Ok(Approved::Gone);
            }
            Err((why, _)) => {
                self.refused(now, &row, &why.to_string())?;
                return Ok(Approved::NoPasskey);
            }
        };
        // The counter first: whatever fails behind it, this signature is not right again.
        let factor = FactorId::Push;
        let renew = Change::Renew { subject, factor, of: &kept.data, data: after };
        if !self.audited(now, renew, &[])? {
            self.refused(now, &row, "changed meanwhile")?;
            return Ok(Approved::NoPasskey);
        }
        let change = Change::Approve { request: row.request, now };
        let mut approved = false;
        let events = [event(&row, AuditKind::Approved { factor })];
        self.store.audited(change, &mut |head, effect| {
            approved = effect;
            self.audit.append(head, now, if effect { &events } else { &[] })
        })?;
        Ok(if approved { Approved::Digits(self.page_digits(&row.request)) } else { Approved::Gone })
    }

    /// Somebody who was sent this link says that it is not they who call: the link is worth nothing any more, those
    /// in charge hear of it, and for a while no more links are sent. `false` when the link was worth nothing before.
    ///
    /// # Errors
    /// When the store or the audit log fails.
    pub fn deny(&self, now: UnixTime, token: &str) -> Result<bool, VaultError> {
        let Some(RequestRow { subject, .. }) = self.open_request(now, token)? else { return Ok(false) };
        let _turn = self.turn(subject);
        let Some(row) = self.open_request(now, token)? else { return Ok(false) };
        let (factor, request) = (row.factor, row.request);
        // One that nobody approved stays as it is: the call must not learn that somebody is there.
        let change = match row.approved {
            true => Change::Burn { subject, factor, request, now },
            false => Change::Nothing,
        };
        let owner = self.owner(&Whose::Subject(subject));
        self.put(now, (&owner, DENIED), &Secret::new(vec![1]), now.plus(PEACE))?;
        self.audited(now, change, &[event(&row, AuditKind::ApprovalDenied { factor })])?;
        self.ring_denied();
        Ok(true)
    }

    /// Whether this subject said lately that it is not they who call.
    pub(super) fn denied(&self, now: UnixTime, subject: SubjectKey) -> Result<bool, VaultError> {
        let owner = self.owner(&Whose::Subject(subject));
        Ok(self.look_up(now, (&owner, DENIED))?.is_some())
    }

    fn burn(&self, now: UnixTime, row: &RequestRow, why: &str) -> Result<(), VaultError> {
        let RequestRow { subject, factor, request, .. } = *row;
        let kind = AuditKind::ApprovalRefused { factor, why: why.to_owned() };
        self.audited(now, Change::Burn { subject, factor, request, now }, &[event(row, kind)])?;
        Ok(())
    }

    fn refused(&self, now: UnixTime, row: &RequestRow, why: &str) -> Result<(), VaultError> {
        let kind = AuditKind::ApprovalRefused { factor: row.factor, why: why.to_owned() };
        self.audited(now, Change::Nothing, &[event(row, kind)])?;
        Ok(())
    }

    fn open_request(&self, now: UnixTime, token: &str) -> Result<Option<RequestRow>, VaultError> {
        let row = self.store.linked(&self.link_hash(&Secret::new(token.to_owned())))?;
        let open = row.filter(|row| row.factor == FactorId::Push && !row.used && row.expires > now);
        let Some(row) = open else { return Ok(None) };
        Ok(if self.denied(now, row.subject)? { None } else { Some(row) })
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

const fn event(row: &RequestRow, kind: AuditKind) -> AuditEvent {
    AuditEvent { call: Some(row.call), subject: Some(row.subject), kind }
}
