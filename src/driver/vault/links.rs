//! Links to enrol by: an operator has one sent to an address on file, and tells the customer a code by another way.
//!
//! The link alone is worth nothing, nor is the code: three tries, each counted before it is judged, and the link is
//! over. It is good once and for a short time; a new one for the same factor ends the one before. Kept are a keyed hash
//! of the link and a tag of the code, sealed.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::passkeys::{Ceremony, Kept, MOST, Ring, Told};
use super::{Vault, VaultError};
use crate::auth::factor::{otp, totp};
use crate::auth::webauthn::Registration;
use crate::auth::{AuditEvent, AuditKind, Enrolment, FactorId, SubjectKey, Whose};
use crate::driver::seal::{keyed_hash, random};
use crate::driver::sender::{Channel, Letter, Purpose};
use crate::driver::store::{Change, EnrolmentRow, StoreError, SubjectRow};
use crate::secret::Secret;
use crate::units::UnixTime;

/// Long enough to find the letter and the glasses.
pub(crate) const LIFE: Duration = Duration::from_secs(30 * 60);
/// Wrong codes for one link.
const TRIES: u8 = 3;
/// Digits of the code.
const DIGITS: u8 = 6;
/// Random bytes of a link.
const TOKEN: usize = 24;
/// Where a link is put.
const LINK: &str = "enrolment link";

/// What is kept of a link.
#[derive(Serialize, Deserialize)]
struct Row {
    subject: [u8; 16],
    factor: FactorId,
    tag: [u8; 32],
    until: i64,
    failures: u8,
    /// The code was right.
    proved: bool,
}

/// A link that was sent.
pub struct NewLink {
    /// What the customer is to be told by another way.
    pub code: Secret<String>,
    /// Not good from here on.
    pub until: UnixTime,
}

/// What the page of a link shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkShown {
    /// What is enrolled by it.
    pub factor: FactorId,
    /// The language on file; may be empty.
    pub language: String,
}

/// What comes of a code.
pub enum Begun {
    /// A passkey is to be made.
    Passkey(Ceremony),
    /// This is for the authenticator app: an address to be shown as a picture, and the key in it.
    Authenticator {
        /// The address.
        uri: Secret<String>,
        /// The key, to be typed in.
        key: Secret<String>,
    },
    /// The code is wrong; so many more may be.
    Wrong(u8),
    /// The link is worth nothing, or not any more.
    Gone,
}

/// What comes of what was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is enrolled; the link is over.
    Done,
    /// It can't be enrolled. It may be tried again, a few times.
    Refused,
    /// The link is worth nothing, or not any more.
    Gone,
}

impl Vault {
    /// Has a link sent to the address on file; says the code that belongs to it.
    ///
    /// # Errors
    /// When there is no such subject, page, sender or address, or the factor is not enrolled by links.
    pub fn send_link(
        &self,
        now: UnixTime,
        id: &str,
        factor: FactorId,
        by: Channel,
    ) -> Result<NewLink, VaultError> {
        let row = self.required(id)?;
        let _turn = self.turn(row.key);
        self.factor_policy(factor)?;
        let page = self.page().ok_or(VaultError::Field("there is no page: set `public` under `web:`"))?;
        match factor {
            FactorId::Push if self.ring(&row)?.passkeys.len() >= MOST => {
                return Err(VaultError::Field("this subject has ten passkeys: remove one first"));
            }
            FactorId::Push | FactorId::Totp => {}
            _ => return Err(VaultError::Field("a link enrols `push` or `totp`")),
        }
        let courier = self.courier().ok_or(VaultError::Field("nobody sends letters: add `senders:`"))?;
        let profile = self.profile(&row)?;
        let to = match by {
            Channel::Sms => &profile.phone,
            Channel::Email => &profile.email,
            _ => return Err(VaultError::Field("a link goes by `sms` or `email`")),
        };
        if to.is_empty() {
            return Err(VaultError::Field("there is no such address on file"));
        }
        let token = Secret::new(BASE64URL_NOPAD.encode(&random::<TOKEN>()?));
        let until = now.plus(LIFE);
        let letter = Letter {
            channel: by,
            to: Secret::new(to.clone()),
            subject: row.key,
            language: profile.language.clone(),
            text: written(factor, &profile.language, &page.enrolment(&token)),
            code: None,
            title: Some(title(&profile.language).to_owned()),
            purpose: Purpose::Link,
            until,
        };
        // Kept before it is sent: what arrives is good.
        let code = random_code()?;
        let link = self.enrolment_hash(token.expose());
        let kept = Row {
            subject: row.key.0,
            factor,
            tag: self.code_tag(&link, &code),
            until: until.0,
            failures: 0,
            proved: false,
        };
        self.put_link(now, &link, &kept)?;
        self.put(
            now,
            (&self.owner(&Whose::Subject(row.key)), pointer(factor)),
            &Secret::new(link.to_vec()),
            until,
        )?;
        courier.send(now, letter).map_err(|why| {
            tracing::warn!(channel = %by, %why, "a link was not sent");
            VaultError::Field("the link was not sent: the log says why")
        })?;
        let kind = AuditKind::LinkSent { factor };
        self.audited(now, Change::Nothing, &[AuditEvent { call: None, subject: Some(row.key), kind }])?;
        Ok(NewLink { code, until })
    }

    /// What the page of a link shows; `None` when it is worth nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub fn link(&self, now: UnixTime, token: &str) -> Result<Option<LinkShown>, VaultError> {
        let Some(row) = self.open_link(now, &self.enrolment_hash(token))? else { return Ok(None) };
        let Some(subject) = self.store.subject(SubjectKey(row.subject))? else { return Ok(None) };
        Ok(Some(LinkShown { factor: row.factor, language: self.profile(&subject)?.language.clone() }))
    }

    /// Whether this code belongs to the link: what is to be made then.
    ///
    /// # Errors
    /// When the store or the audit log fails.
    pub fn begin_link(&self, now: UnixTime, token: &str, code: &Secret<String>) -> Result<Begun, VaultError> {
        let link = self.enrolment_hash(token);
        let Some(Row { subject, .. }) = self.open_link(now, &link)? else { return Ok(Begun::Gone) };
        let _turn = self.turn(SubjectKey(subject));
        let Some(mut row) = self.open_link(now, &link)? else { return Ok(Begun::Gone) };
        let Some(whose) = self.store.subject(SubjectKey(subject))? else { return Ok(Begun::Gone) };
        row.failures = row.failures.saturating_add(1);
        row.proved = false;
        self.put_link(now, &link, &row)?;
        let right: bool = self.code_tag(&link, code).ct_eq(&row.tag).into();
        if !right {
            self.link_refused(now, &row, "code")?;
            return Ok(match TRIES.saturating_sub(row.failures) {
                0 => Begun::Gone,
                left => Begun::Wrong(left),
            });
        }
        (row.failures, row.proved) = (row.failures.saturating_sub(1), true);
        self.put_link(now, &link, &row)?;
        let ceremony = self.ceremony(now, &link, UnixTime(row.until), &whose)?;
        match (ceremony, row.factor) {
            (Some(ceremony), FactorId::Push) => Ok(Begun::Passkey(ceremony)),
            (Some(_), FactorId::Totp) => {
                let id = self.profile(&whose)?.id.clone();
                let (parameters, seed) = self.offer_totp(now, &id)?;
                let issuer = self.relying_party().map(|party| party.id).unwrap_or_default();
                Ok(Begun::Authenticator {
                    uri: parameters.uri(&seed, &issuer, &id),
                    key: totp::base32(&seed),
                })
            }
            _ => Ok(Begun::Gone),
        }
    }

    /// Keeps the passkey that was made.
    ///
    /// # Errors
    /// When the store or the audit log fails.
    pub fn finish_passkey(
        &self,
        now: UnixTime,
        token: &str,
        made: &Registration<'_>,
    ) -> Result<Finished, VaultError> {
        self.finish(now, token, FactorId::Push, |row, whose, link| {
            let challenge = self.take_challenge(now, link, UnixTime(row.until))?;
            let (Some(challenge), Some(party)) = (challenge, self.relying_party()) else {
                return Ok(Err("challenge".to_owned()));
            };
            let passkey = match party.register(&challenge, made) {
                Ok(passkey) => passkey,
                Err(why) => return Ok(Err(why.to_string())),
            };
            let Ring { row: before, mut passkeys } = self.ring(whose)?;
            if passkeys.len() >= MOST || passkeys.iter().any(|kept| kept.passkey.id == passkey.id) {
                return Ok(Err("there are enough, or this one".to_owned()));
            }
            passkeys.push(Kept::new(passkey, now));
            Ok(Ok((before, self.ring_data(whose, &passkeys)?)))
        })
    }

    fn finish(
        &self,
        now: UnixTime,
        token: &str,
        factor: FactorId,
        make: impl FnOnce(&Row, &SubjectRow, &[u8; 32]) -> Result<Made, VaultError>,
    ) -> Result<Finished, VaultError> {
        let link = self.enrolment_hash(token);
        let open = |row: &Row| row.proved && row.factor == factor;
        let Some(Row { subject, .. }) = self.open_link(now, &link)?.filter(open) else {
            return Ok(Finished::Gone);
        };
        let _turn = self.turn(SubjectKey(subject));
        let Some(row) = self.open_link(now, &link)?.filter(open) else { return Ok(Finished::Gone) };
        let Some(whose) = self.store.subject(SubjectKey(subject))? else { return Ok(Finished::Gone) };
        let (before, data) = match make(&row, &whose, &link)? {
            Ok(made) => made,
            Err(why) => {
                self.link_refused(now, &row, &why)?;
                return Ok(Finished::Refused);
            }
        };
        // Over first: whatever fails behind it, the link is not good again.
        self.end_link(now, &row, &link)?;
        let subject = whose.key;
        let key_id = self.peppers().current().id.clone();
        let enrolment = EnrolmentRow { subject, factor, data: data.clone(), key_id, last_step: None };
        let change = match &before {
            Some(before) => Change::Renew { subject, factor, of: &before.data, data },
            None => Change::Enrol(&enrolment),
        };
        let event = AuditEvent { call: None, subject: Some(subject), kind: AuditKind::Enrolled { factor } };
        if !self.audited(now, change, &[event])? {
            return Ok(Finished::Gone);
        }
        self.tell_owner(now, &whose, Told::Enrolled)?;
        Ok(Finished::Done)
    }

    /// Keeps the authenticator app whose first code this is.
    ///
    /// # Errors
    /// When the store or the audit log fails.
    pub fn finish_authenticator(
        &self,
        now: UnixTime,
        token: &str,
        code: &Secret<String>,
    ) -> Result<Finished, VaultError> {
        let link = self.enrolment_hash(token);
        let open = |row: &Row| row.proved && row.factor == FactorId::Totp;
        let Some(Row { subject, .. }) = self.open_link(now, &link)?.filter(open) else {
            return Ok(Finished::Gone);
        };
        let _turn = self.turn(SubjectKey(subject));
        let Some(row) = self.open_link(now, &link)?.filter(open) else { return Ok(Finished::Gone) };
        let Some(whose) = self.store.subject(SubjectKey(subject))? else { return Ok(Finished::Gone) };
        match self.first_code(now, &self.policy(), (whose.key, None), FactorId::Totp, code)? {
            Some(Enrolment::Done) => {}
            Some(Enrolment::Refused) => return Ok(Finished::Refused),
            _ => return Ok(Finished::Gone),
        }
        self.end_link(now, &row, &link)?;
        self.tell_owner(now, &whose, Told::Authenticator)?;
        Ok(Finished::Done)
    }

    fn open_link(&self, now: UnixTime, link: &[u8; 32]) -> Result<Option<Row>, VaultError> {
        let Some(put) = self.look_up(now, (link, LINK))? else { return Ok(None) };
        let row: Row = serde_json::from_slice(put.expose()).map_err(|_| StoreError::Row)?;
        let owner = self.owner(&Whose::Subject(SubjectKey(row.subject)));
        let newest = self.look_up(now, (&owner, pointer(row.factor)))?;
        let newest = newest.is_some_and(|newest| newest.expose().as_slice() == link);
        Ok((newest && row.failures < TRIES && UnixTime(row.until) > now).then_some(row))
    }

    fn put_link(&self, now: UnixTime, link: &[u8; 32], row: &Row) -> Result<(), VaultError> {
        let json = Secret::new(serde_json::to_vec(row).map_err(|_| StoreError::Row)?);
        self.put(now, (link, LINK), &json, UnixTime(row.until))
    }

    fn end_link(&self, now: UnixTime, row: &Row, link: &[u8; 32]) -> Result<(), VaultError> {
        let over = Row { failures: TRIES, proved: false, ..*row };
        self.put_link(now, link, &over)
    }

    fn link_refused(&self, now: UnixTime, row: &Row, why: &str) -> Result<(), VaultError> {
        let kind = AuditKind::LinkRefused { factor: row.factor, why: why.to_owned() };
        let event = AuditEvent { call: None, subject: Some(SubjectKey(row.subject)), kind };
        self.audited(now, Change::Nothing, &[event])?;
        Ok(())
    }

    fn enrolment_hash(&self, token: &str) -> [u8; 32] {
        keyed_hash(&self.codes, &[b"enrolment", token.as_bytes()])
    }

    fn code_tag(&self, link: &[u8; 32], code: &Secret<String>) -> [u8; 32] {
        keyed_hash(&self.codes, &[b"enrolment code", link, code.expose().trim().as_bytes()])
    }
}

/// What there was, and what is to be kept from now on; or why nothing is.
type Made = Result<(Option<EnrolmentRow>, Vec<u8>), String>;

/// Under which name a subject's newest link is put.
const fn pointer(factor: FactorId) -> &'static str {
    match factor {
        FactorId::Push => "newest link: push",
        _ => "newest link: totp",
    }
}

fn random_code() -> Result<Secret<String>, VaultError> {
    loop {
        if let Some(code) = otp::number(random()?, DIGITS) {
            return Ok(code);
        }
    }
}

fn written(factor: FactorId, language: &str, link: &Secret<String>) -> Secret<String> {
    let link = link.expose();
    Secret::new(match (factor, language.split('-').next()) {
        (FactorId::Push, Some("es")) => {
            format!(
                "Registre aqui su llave de acceso, con el codigo que le hemos dicho: {link} Si no la pidio, llamenos."
            )
        }
        (_, Some("es")) => {
            format!(
                "Registre aqui su aplicacion, con el codigo que le hemos dicho: {link} Si no la pidio, llamenos."
            )
        }
        (FactorId::Push, _) => {
            format!(
                "Add your passkey here, with the code that we told you: {link} If you did not ask for it, call us."
            )
        }
        _ => format!(
            "Add your authenticator app here, with the code that we told you: {link} If you did not ask for it, call us."
        ),
    })
}

fn title(language: &str) -> &'static str {
    match language.split('-').next() {
        Some("es") => "Su cuenta",
        _ => "Your account",
    }
}
