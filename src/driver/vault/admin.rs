//! What an admin orders: subjects in and out, factors enrolled.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::erasing::Wrapping;
use super::handing_out::{check_secret, push_digits};
use super::{TENANT, Vault, VaultError, enrolment_label, subject_label};
use crate::auth::factor::totp::{self, Parameters};
use crate::auth::factor::{foreign, pin};
use crate::auth::{AuditEvent, AuditKind, FactorId, FactorPolicy, SubjectKey};
use crate::driver::masking::{Class, Role, shown};
use crate::driver::seal::{self, Key, SealError, random};
use crate::driver::store::{Change, EnrolmentRow, Identifier, StoreError, SubjectRow};
use crate::secret::Secret;
use crate::units::UnixTime;

/// A subject's profile. Personal: shown masked, kept sealed, wiped when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Profile {
    /// The identifier in services, such as `C1001`.
    pub id: String,
    /// The account number that a caller keys.
    pub account: String,
    /// The telephone number on file, with its country code.
    pub phone: String,
    /// The name; may be empty.
    pub name: String,
    /// The language, such as `en-GB`; may be empty.
    pub language: String,
    /// The mail address on file; may be empty.
    #[serde(default)]
    pub email: String,
    /// What the subject does not want to be asked for.
    #[serde(default)]
    #[zeroize(skip)]
    pub declined: Vec<FactorId>,
}

/// A subject to be added.
#[derive(Clone)]
pub struct NewSubject {
    /// Who it is.
    pub profile: Profile,
    /// A first PIN.
    pub pin: Option<Secret<String>>,
    /// The PIN as another system hashed it, when it is not known in clear.
    pub pin_hash: Option<Secret<String>>,
}

/// Why one subject of several was refused.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct ImportError {
    /// Its place in the list, counted from 0.
    pub index: usize,
    /// Why.
    pub error: VaultError,
}

/// A subject as an admin may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The identifier.
    pub id: String,
    /// The pseudonym of the audit log.
    pub pseudonym: String,
    /// The last digits of the account number.
    pub account: String,
    /// The last digits of the telephone number.
    pub phone: String,
    /// The first letter of the name.
    pub name: String,
    /// The language.
    pub language: String,
    /// The first letter of the mail address, and its domain.
    pub email: String,
    /// What is enrolled.
    pub factors: Vec<FactorId>,
    /// What the subject does not want to be asked for.
    pub declined: Vec<FactorId>,
    /// What was handed out and counts from its first right code on.
    pub offered: Vec<FactorId>,
    /// How many recovery codes are left, when there were any.
    pub recovery_left: Option<u8>,
    /// How many attempts failed lately.
    pub failures: usize,
    /// Too many of them: locked now.
    pub locked: bool,
}

impl Profile {
    /// Nobody's, of an ordinary length.
    pub(super) fn stand_in() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            id: text("C0000"),
            account: text("00000000"),
            phone: text("+440000000000"),
            name: text("Nobody"),
            language: text("en-GB"),
            email: text("nobody@example.com"),
            declined: Vec::new(),
        }
    }

    pub(super) fn problem(&self) -> Option<&'static str> {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
        let printable = |text: &str| !text.is_empty() && text.len() <= 64 && !text.contains(char::is_control);
        if !printable(&self.id) || self.id.contains(char::is_whitespace) {
            return Some("a subject's identifier has 1 to 64 characters and no spaces");
        }
        let account_fits = self.account.chars().all(|c| c.is_ascii_digit() || " -".contains(c));
        if !account_fits || !(4..=20).contains(&digits(&self.account)) {
            return Some("an account number has 4 to 20 digits, which a caller can key");
        }
        let phone_fits = self.phone.strip_prefix('+').is_some_and(|rest| {
            rest.chars().all(|c| c.is_ascii_digit() || " -()".contains(c)) && (7..=15).contains(&digits(rest))
        });
        if !phone_fits {
            return Some("a telephone number begins with + and its country code, and has 7 to 15 digits");
        }
        let mailbox = |(name, host): (&str, &str)| {
            let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\"(),:;[]\\".contains(c);
            let printable = !name.is_empty() && name.chars().chain(host.chars()).all(plain);
            printable && host.contains('.') && !host.contains('@') && !host.starts_with('.')
        };
        let email_fits = self.email.len() <= 254 && self.email.rsplit_once('@').is_some_and(mailbox);
        if !self.email.is_empty() && !email_fits {
            return Some("a mail address looks like `ana@example.com`");
        }
        None
    }
}

impl Vault {
    /// Adds subjects: all of them, or none and every reason.
    ///
    /// # Errors
    /// One entry for each subject that can't be added.
    pub fn add_subjects(&self, now: UnixTime, new: &[NewSubject]) -> Result<(), Vec<ImportError>> {
        let at = |index| move |error| ImportError { index, error };
        let mut errors: Vec<ImportError> = self.clashes(new);
        let mut rows = Vec::new();
        let mut enrolments = Vec::new();
        for (index, subject) in new.iter().enumerate() {
            // Hashing PINs is slow; nothing is gained by it once something is wrong.
            match self.rows_of(subject, errors.is_empty()).map_err(at(index)) {
                Ok((row, enrolment)) => {
                    rows.push(row);
                    enrolments.extend(enrolment);
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.index);
            return Err(errors);
        }
        let event = |subject, kind| AuditEvent { call: None, subject: Some(subject), kind };
        let stored = rows.iter().map(|row| event(row.key, AuditKind::SubjectStored));
        let enrolled = enrolments
            .iter()
            .map(|row: &EnrolmentRow| event(row.subject, AuditKind::Enrolled { factor: row.factor }));
        let events: Vec<AuditEvent> = stored.chain(enrolled).collect();
        let change = Change::AddSubjects { subjects: &rows, enrolments: &enrolments };
        self.audited(now, change, &events).map_err(|error| vec![at(0)(error.into())])?;
        Ok(())
    }

    /// One subject, masked; `None` when there is none of that identifier.
    ///
    /// # Errors
    /// When the store fails.
    pub fn shown(&self, now: UnixTime, id: &str) -> Result<Option<Shown>, VaultError> {
        self.by_id(id)?.map(|row| self.shown_row(now, &row, Role::Operator)).transpose()
    }

    /// All subjects, masked, in the order of their identifiers.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all_shown(&self, now: UnixTime) -> Result<Vec<Shown>, VaultError> {
        let mut all = Vec::new();
        for key in self.store.subjects()? {
            if let Some(row) = self.store.subject(key)? {
                all.push(self.shown_row(now, &row, Role::Operator)?);
            }
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// Lifts a subject's lock and forgets its failures. Why is written into the audit log.
    ///
    /// # Errors
    /// When there is no such subject, or the store or the audit log fails.
    pub fn unlock(&self, now: UnixTime, id: &str, reason: &str) -> Result<(), VaultError> {
        let printable = |c: char| !c.is_control();
        if reason.trim().is_empty() || reason.chars().count() > 200 || !reason.chars().all(printable) {
            return Err(VaultError::Field("the reason of an unlock has 1 to 200 characters in one line"));
        }
        let row = self.required(id)?;
        let kind = AuditKind::SubjectUnlocked { reason: reason.trim().to_owned() };
        let event = AuditEvent { call: None, subject: Some(row.key), kind };
        self.audited(now, Change::Unlock(row.key), &[event])?;
        Ok(())
    }

    /// Lets a subject use this PIN, if the policy's rules let it be one.
    ///
    /// # Errors
    /// The rule that refuses it, or what failed.
    pub fn enrol_pin(&self, now: UnixTime, id: &str, pin: &Secret<String>) -> Result<(), VaultError> {
        let row = self.required(id)?;
        let own = self.own_key(&row)?;
        let profile = self.profile(&row)?;
        let enrolment = self.pin_row(row.key, &own, &profile, pin, true)?.ok_or(StoreError::Row)?;
        self.enrol(now, &enrolment)
    }

    /// A random PIN that the rules let through for this subject. It is not enrolled by this.
    ///
    /// # Errors
    /// When there is no such subject or no randomness.
    pub fn generate_pin(&self, id: &str) -> Result<Secret<String>, VaultError> {
        let profile = self.profile(&self.required(id)?)?;
        self.random_pin(&profile)
    }

    pub(crate) fn random_pin(&self, profile: &Profile) -> Result<Secret<String>, VaultError> {
        let policy = self.factor_policy(FactorId::Pin)?;
        loop {
            let mut pin = Secret::new(String::new());
            push_digits(&mut pin, (*policy.digits.end()).into())?;
            if check_secret(FactorId::Pin, &pin, &policy, profile).is_ok() {
                return Ok(pin);
            }
        }
    }

    /// Gives a subject a new TOTP seed and returns what its authenticator app needs.
    ///
    /// # Errors
    /// When there is no such subject, or the store or the audit log fails.
    pub fn enrol_totp(&self, now: UnixTime, id: &str) -> Result<(Parameters, Secret<Vec<u8>>), VaultError> {
        let (row, parameters, seed) = self.new_generator(id)?;
        self.enrol(now, &row)?;
        Ok((parameters, seed))
    }

    /// A new seed for a subject, as it is kept and as its app needs it.
    pub(super) fn new_generator(
        &self,
        id: &str,
    ) -> Result<(EnrolmentRow, Parameters, Secret<Vec<u8>>), VaultError> {
        let policy = self.factor_policy(FactorId::Totp)?;
        let row = self.required(id)?;
        let parameters = Parameters::of(&policy);
        let seed = Secret::new(random::<{ totp::SEED_BYTES }>()?.to_vec());
        let data = totp::encode(parameters, &seed)?;
        let data =
            seal::seal(&self.own_key(&row)?, enrolment_label(&row.key, FactorId::Totp), data.expose())?;
        let (subject, key_id) = (row.key, self.peppers().current().id.clone());
        let row = EnrolmentRow { subject, factor: FactorId::Totp, data, key_id, last_step: None };
        Ok((row, parameters, seed))
    }

    pub(super) fn profile(&self, row: &SubjectRow) -> Result<Profile, VaultError> {
        let opened = seal::open(&self.own_key(row)?, subject_label(&row.key, "profile"), &row.profile)?;
        Ok(serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Row)?)
    }

    pub(super) fn enrol(&self, now: UnixTime, row: &EnrolmentRow) -> Result<(), VaultError> {
        let kind = AuditKind::Enrolled { factor: row.factor };
        let event = AuditEvent { call: None, subject: Some(row.subject), kind };
        self.audited(now, Change::Enrol(row), &[event])?;
        Ok(())
    }

    pub(super) fn by_id(&self, id: &str) -> Result<Option<SubjectRow>, StoreError> {
        let hash = self.lookup_hash(Identifier::Id, id);
        match self.store.find(Identifier::Id, &hash)?.first() {
            Some(key) => self.store.subject(*key),
            None => Ok(None),
        }
    }

    pub(super) fn required(&self, id: &str) -> Result<SubjectRow, VaultError> {
        self.by_id(id)?.ok_or_else(|| VaultError::NoSubject { id: id.to_owned() })
    }

    pub(super) fn factor_policy(&self, factor: FactorId) -> Result<FactorPolicy, VaultError> {
        self.policy().factor(factor).cloned().ok_or(VaultError::NoFactor(factor))
    }

    /// Identifiers and accounts that are taken, in the store or earlier in the list.
    fn clashes(&self, new: &[NewSubject]) -> Vec<ImportError> {
        let mut seen = std::collections::BTreeSet::new();
        let mut errors = Vec::new();
        for (index, subject) in new.iter().enumerate() {
            let profile = &subject.profile;
            for (kind, value) in [(Identifier::Id, &profile.id), (Identifier::Account, &profile.account)] {
                let hash = self.lookup_hash(kind, value);
                let error = match self.store.find(kind, &hash) {
                    Ok(found) if found.is_empty() && seen.insert((kind, hash)) => continue,
                    Ok(_) => StoreError::Taken(kind),
                    Err(error) => error,
                };
                errors.push(ImportError { index, error: error.into() });
            }
        }
        errors
    }

    fn rows_of(
        &self,
        subject: &NewSubject,
        hashing: bool,
    ) -> Result<(SubjectRow, Option<EnrolmentRow>), VaultError> {
        let profile = &subject.profile;
        if let Some(problem) = profile.problem() {
            return Err(VaultError::Field(problem));
        }
        let identifiers = vec![
            (Identifier::Id, self.lookup_hash(Identifier::Id, &profile.id)),
            (Identifier::Account, self.lookup_hash(Identifier::Account, &profile.account)),
            (Identifier::Phone, self.lookup_hash(Identifier::Phone, &profile.phone)),
        ];
        let (row, own) = new_row(&self.wrapping, profile, identifiers)?;
        let enrolment = match (&subject.pin, &subject.pin_hash) {
            (Some(_), Some(_)) => return Err(VaultError::Field("give a PIN or its hash, not both")),
            (Some(pin), None) => self.pin_row(row.key, &own, profile, pin, hashing)?,
            (None, Some(hash)) => self.foreign_row(row.key, &own, hash, hashing)?,
            (None, None) => None,
        };
        Ok((row, enrolment))
    }

    /// The enrolment of a PIN; `None` when it was only to be checked.
    fn pin_row(
        &self,
        subject: SubjectKey,
        own: &Key,
        profile: &Profile,
        pin: &Secret<String>,
        hashing: bool,
    ) -> Result<Option<EnrolmentRow>, VaultError> {
        check_secret(FactorId::Pin, pin, &self.factor_policy(FactorId::Pin)?, profile)?;
        if !hashing {
            return Ok(None);
        }
        Ok(Some(self.hashed_secret(FactorId::Pin, subject, own, pin)?))
    }

    fn offers(&self, subject: SubjectKey) -> Result<Vec<FactorId>, StoreError> {
        let mut offers = Vec::new();
        for factor in [FactorId::Totp, FactorId::Hotp] {
            if self.store.offered(subject, factor)?.is_some() {
                offers.push(factor);
            }
        }
        Ok(offers)
    }

    /// The enrolment of a PIN that another system hashed; `None` when it was only to be checked.
    fn foreign_row(
        &self,
        subject: SubjectKey,
        own: &Key,
        hash: &Secret<String>,
        hashing: bool,
    ) -> Result<Option<EnrolmentRow>, VaultError> {
        self.factor_policy(FactorId::Pin)?;
        let foreign = foreign::read(hash)?;
        if !hashing {
            return Ok(None);
        }
        let peppers = self.peppers();
        let pepper = peppers.current();
        let data = pin::taken_over(&pepper.key, TENANT, subject, &foreign, random()?)?;
        let data = seal::seal(own, enrolment_label(&subject, FactorId::Pin), data.expose())?;
        let key_id = pepper.id.clone();
        Ok(Some(EnrolmentRow { subject, factor: FactorId::Pin, data, key_id, last_step: None }))
    }

    pub(super) fn shown_row(&self, now: UnixTime, row: &SubjectRow, role: Role) -> Result<Shown, VaultError> {
        let profile = self.profile(row)?;
        let throttle = self.store.throttle(row.key)?;
        Ok(Shown {
            id: profile.id.clone(),
            pseudonym: row.key.to_string(),
            account: shown(Class::Account, role, &profile.account),
            phone: shown(Class::Phone, role, &profile.phone),
            name: shown(Class::Name, role, &profile.name),
            language: shown(Class::Language, role, &profile.language),
            email: shown(Class::Email, role, &profile.email),
            factors: self.store.enrolled(row.key)?,
            declined: profile.declined.clone(),
            offered: self.offers(row.key)?,
            recovery_left: self.recovery_left(row.key)?,
            failures: throttle.failures(),
            locked: throttle.locked(now),
        })
    }
}

/// A new subject's row under a random pseudonym and a key of its own, and that key.
pub(super) fn new_row(
    wrapping: &Wrapping,
    profile: &Profile,
    identifiers: Vec<(Identifier, [u8; 32])>,
) -> Result<(SubjectRow, Key), VaultError> {
    let key = SubjectKey(random()?);
    let own = Secret::new(random::<32>()?);
    let wrapped_key = wrapping.wrap(key, &own)?;
    let json = serde_json::to_vec(profile).map_err(|_| VaultError::Seal(SealError::Opening))?;
    let profile = seal::seal(&own, subject_label(&key, "profile"), Secret::new(json).expose())?;
    Ok((SubjectRow { key, wrapped_key, profile, identifiers }, own))
}

/// One spelling of each identifier, so that what is keyed, sent by a network and typed by an admin meet.
pub(super) fn normalised(kind: Identifier, value: &str) -> String {
    match kind {
        Identifier::Id => value.trim().to_owned(),
        Identifier::Account => value.chars().filter(char::is_ascii_digit).collect(),
        Identifier::Phone => {
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            // ITU-T E.164: 00 is what many networks write for +.
            let international = !value.trim_start().starts_with('+') && digits.starts_with("00");
            if international { digits.get(2..).unwrap_or_default().to_owned() } else { digits }
        }
    }
}
