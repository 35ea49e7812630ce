//! Passkeys: those that a subject has, sealed as one enrolment of `push`; and the challenges that browsers answer.
//!
//! A challenge is random, belongs to one link, and is taken before it is judged: no answer counts twice, right or
//! wrong. There are few for each link.

use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::contact::tell_all;
use super::{TENANT, Vault, VaultError};
use crate::auth::webauthn::{Assertion, CHALLENGE_BYTES, Passkey, Refusal, RelyingParty};
use crate::auth::{AuditEvent, AuditKind, FactorId, SubjectKey};
use crate::driver::page_address::PageAddress;
use crate::driver::seal::{self, keyed_hash, random};
use crate::driver::sender::Channel;
use crate::driver::store::{Change, EnrolmentRow, StoreError, SubjectRow};
use crate::secret::Secret;
use crate::units::UnixTime;

/// Passkeys of one subject.
pub(super) const MOST: usize = 10;
/// Challenges for one link.
const CHALLENGES: u8 = 5;
/// Where a link's challenge is put.
const CHALLENGE: &str = "challenge";

/// A passkey as it is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) passkey: Passkey,
    made: i64,
    used: Option<i64>,
}

/// A subject's passkeys with the enrolment that holds them.
pub(super) struct Ring {
    pub(super) row: Option<EnrolmentRow>,
    pub(super) passkeys: Vec<Kept>,
}

/// A passkey as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyShown {
    /// Its name: the beginning of a hash of its credential's.
    pub name: String,
    /// When it was enrolled.
    pub made: UnixTime,
    /// When it approved something last.
    pub used: Option<UnixTime>,
    /// Its owner has it on several devices, or a copy with whoever keeps their passkeys.
    pub copied: bool,
}

/// What a browser needs to have a passkey made or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// What is to be answered.
    pub challenge: [u8; CHALLENGE_BYTES],
    /// The host that passkeys are bound to.
    pub host: String,
    /// The names of the credentials that there are.
    pub passkeys: Vec<Vec<u8>>,
    /// Whose they are: means nothing to others.
    pub user: [u8; 32],
}

impl Kept {
    pub(super) const fn new(passkey: Passkey, now: UnixTime) -> Self {
        Self { passkey, made: now.0, used: None }
    }

    fn shown(&self) -> PasskeyShown {
        PasskeyShown {
            name: name(&self.passkey),
            made: UnixTime(self.made),
            used: self.used.map(UnixTime),
            copied: self.passkey.copied,
        }
    }
}

/// What is said of a passkey to its owner.
#[derive(Clone, Copy)]
pub(super) enum Told {
    Enrolled,
    Removed,
    Authenticator,
}

impl Vault {
    /// Has links lead to this address. Without it there is no page, and nothing that needs one.
    pub fn set_page(&self, address: PageAddress) {
        *self.page.write().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    pub(super) fn page(&self) -> Option<PageAddress> {
        self.page.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whom passkeys are made for; `None` when there is no page.
    #[must_use]
    pub fn relying_party(&self) -> Option<RelyingParty> {
        self.page().map(|page| page.party().clone())
    }

    /// A subject's passkeys, the oldest first.
    ///
    /// # Errors
    /// When there is no such subject or the store fails.
    pub fn passkeys(&self, id: &str) -> Result<Vec<PasskeyShown>, VaultError> {
        let row = self.required(id)?;
        Ok(self.ring(&row)?.passkeys.iter().map(Kept::shown).collect())
    }

    /// Takes a passkey from a subject, who is told; `false` when there is none of that name.
    ///
    /// # Errors
    /// When there is no such subject, or the store or the audit log fails.
    pub fn remove_passkey(&self, now: UnixTime, id: &str, passkey: &str) -> Result<bool, VaultError> {
        let row = self.required(id)?;
        let _turn = self.turn(row.key);
        let Ring { row: Some(kept), mut passkeys } = self.ring(&row)? else { return Ok(false) };
        let before = passkeys.len();
        passkeys.retain(|kept| name(&kept.passkey) != passkey);
        if passkeys.len() == before {
            return Ok(false);
        }
        let (subject, factor) = (row.key, FactorId::Push);
        let change = match passkeys.is_empty() {
            true => Change::Remove { subject, factor },
            false => {
                Change::Renew { subject, factor, of: &kept.data, data: self.ring_data(&row, &passkeys)? }
            }
        };
        let event = AuditEvent { call: None, subject: Some(subject), kind: AuditKind::Removed { factor } };
        let removed = self.audited(now, change, &[event])?;
        if removed {
            self.tell_owner(now, &row, Told::Removed)?;
        }
        Ok(removed)
    }

    pub(super) fn ring(&self, subject: &SubjectRow) -> Result<Ring, VaultError> {
        let row = self.store.enrolment(subject.key, FactorId::Push)?;
        let passkeys = match &row {
            None => Vec::new(),
            Some(row) => {
                let label = super::enrolment_label(&subject.key, FactorId::Push);
                let opened = seal::open(&self.own_key(subject)?, label, &row.data)?;
                serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Row)?
            }
        };
        Ok(Ring { row, passkeys })
    }

    pub(super) fn ring_data(&self, subject: &SubjectRow, passkeys: &[Kept]) -> Result<Vec<u8>, VaultError> {
        let plain = Zeroizing::new(serde_json::to_vec(passkeys).map_err(|_| StoreError::Row)?);
        let label = super::enrolment_label(&subject.key, FactorId::Push);
        Ok(seal::seal(&self.own_key(subject)?, label, &plain)?)
    }

    /// Whose passkeys: the same each time, so that a device has one of a kind; means nothing elsewhere.
    pub(super) fn user_handle(&self, subject: SubjectKey) -> [u8; 32] {
        keyed_hash(&self.codes, &[TENANT.as_bytes(), b"user handle", &subject.0])
    }

    /// What a browser is to be given for a link; `None` when there is no page, or there were enough for this link.
    pub(super) fn ceremony(
        &self,
        now: UnixTime,
        link: &[u8; 32],
        until: UnixTime,
        subject: &SubjectRow,
    ) -> Result<Option<Ceremony>, VaultError> {
        let Some(page) = self.page() else { return Ok(None) };
        let given = self.look_up(now, (link, CHALLENGE))?.and_then(|put| put.expose().first().copied());
        let given = given.unwrap_or(0);
        if given >= CHALLENGES {
            return Ok(None);
        }
        let challenge: [u8; CHALLENGE_BYTES] = random()?;
        let put = Secret::new([&[given + 1], challenge.as_slice()].concat());
        self.put(now, (link, CHALLENGE), &put, until)?;
        let passkeys = self.ring(subject)?.passkeys.into_iter().map(|kept| kept.passkey.id).collect();
        let (host, user) = (page.party().id.clone(), self.user_handle(subject.key));
        Ok(Some(Ceremony { challenge, host, passkeys, user }))
    }

    /// The challenge of a link, which is not given a second time.
    pub(super) fn take_challenge(
        &self,
        now: UnixTime,
        link: &[u8; 32],
        until: UnixTime,
    ) -> Result<Option<[u8; CHALLENGE_BYTES]>, VaultError> {
        let Some(put) = self.look_up(now, (link, CHALLENGE))? else { return Ok(None) };
        let Some((given, challenge)) = put.expose().split_first() else { return Ok(None) };
        let Ok(challenge) = challenge.try_into() else { return Ok(None) };
        self.put(now, (link, CHALLENGE), &Secret::new(vec![*given]), until)?;
        Ok(Some(challenge))
    }

    /// Whether one of these has signed: which, as all of them are to be kept from now on.
    pub(super) fn signed(
        &self,
        now: UnixTime,
        subject: SubjectKey,
        passkeys: &[Kept],
        challenge: &[u8; CHALLENGE_BYTES],
        made: &Assertion<'_>,
    ) -> Result<Vec<Kept>, (Refusal, String)> {
        let refused = |why| (why, String::new());
        let party = self.relying_party().ok_or(refused(Refusal::Host))?;
        let mut after = passkeys.to_vec();
        let own = after.iter_mut().find(|kept| kept.passkey.id == made.id);
        let own = own.ok_or(refused(Refusal::OtherCredential))?;
        let told = party.check(challenge, &own.passkey, &self.user_handle(subject), made);
        own.passkey = told.map_err(|why| (why, name(&own.passkey)))?;
        own.used = Some(now.0);
        Ok(after)
    }

    /// Tells a subject at every address on file. That nobody could be told does not undo what was done.
    pub(super) fn tell_owner(
        &self,
        now: UnixTime,
        subject: &SubjectRow,
        told: Told,
    ) -> Result<Vec<Channel>, VaultError> {
        let Some(courier) = self.courier() else { return Ok(Vec::new()) };
        let profile = self.profile(subject)?;
        Ok(tell_all(courier.as_ref(), now, (subject.key, &profile), told.words(&profile.language)))
    }
}

impl Told {
    /// Title and text.
    fn words(self, language: &str) -> (&'static str, &'static str) {
        match (self, language.split('-').next()) {
            (Self::Enrolled, Some("es")) => (
                "Un cambio en su cuenta",
                "Se ha registrado una llave de acceso para aprobar sus llamadas. Si no ha sido usted, llámenos enseguida.",
            ),
            (Self::Removed, Some("es")) => (
                "Un cambio en su cuenta",
                "Se ha retirado una llave de acceso de su cuenta. Si no ha sido usted, llámenos enseguida.",
            ),
            (Self::Authenticator, Some("es")) => (
                "Un cambio en su cuenta",
                "Se ha registrado una aplicación de autenticación en su cuenta. Si no ha sido usted, llámenos enseguida.",
            ),
            (Self::Enrolled, _) => (
                "A change of your account",
                "A passkey to approve your calls with has been added to your account. If that was not you, call us at once.",
            ),
            (Self::Removed, _) => (
                "A change of your account",
                "A passkey has been removed from your account. If that was not you, call us at once.",
            ),
            (Self::Authenticator, _) => (
                "A change of your account",
                "An authenticator app has been added to your account. If that was not you, call us at once.",
            ),
        }
    }
}

/// The name of a passkey among those of its owner.
pub(super) fn name(passkey: &Passkey) -> String {
    use sha2::{Digest as _, Sha256};
    let hash = Sha256::digest(&passkey.id);
    data_encoding::HEXLOWER.encode(hash.get(..6).unwrap_or_default())
}
