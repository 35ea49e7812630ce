//! What an operator gives a customer: a password, a key fob, a list of recovery codes.

use super::admin::Profile;
use super::{ImportError, TENANT, Vault, VaultError, enrolment_label};
use crate::auth::factor::pin::{self, PinHash};
use crate::auth::factor::totp::Parameters;
use crate::auth::factor::{hotp, password, recovery};
use crate::auth::{AuditEvent, AuditKind, FactorId, FactorPolicy, SubjectKey};
use crate::driver::seal::{self, Key, random};
use crate::driver::store::{Change, EnrolmentRow, StoreError, SubjectRow};
use crate::secret::Secret;
use crate::units::UnixTime;

/// A key fob for a customer.
pub struct NewFob {
    /// The customer's identifier.
    pub id: String,
    /// The seed, from the maker.
    pub seed: Secret<Vec<u8>>,
    /// The counter of the next code: 0 for a new fob.
    pub counter: u64,
}

/// From when on what is handed out counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// At once.
    AtOnce,
    /// From the first right code on, which a flow's `enrol` or `reset` step asks for.
    FromFirstCode,
}

impl Vault {
    /// Lets a subject use this password, if the policy's rules let it be one.
    ///
    /// # Errors
    /// The rule that refuses it, or what failed.
    pub fn enrol_password(
        &self,
        now: UnixTime,
        id: &str,
        password: &Secret<String>,
    ) -> Result<(), VaultError> {
        let policy = self.factor_policy(FactorId::Password)?;
        let row = self.required(id)?;
        let keys = password::keys(password)?;
        check_secret(FactorId::Password, &keys, &policy, &self.profile(&row)?)?;
        let own = self.own_key(&row)?;
        self.enrol(now, &self.hashed_secret(FactorId::Password, row.key, &own, &keys)?)
    }

    /// Makes ten recovery codes, in the place of those that there were, and returns them: they can't be shown
    /// again.
    ///
    /// # Errors
    /// When there is no such subject, or the store or the audit log fails.
    pub fn enrol_recovery(&self, now: UnixTime, id: &str) -> Result<Vec<Secret<String>>, VaultError> {
        let policy = self.factor_policy(FactorId::Recovery)?;
        let row = self.required(id)?;
        let mut codes = Vec::new();
        let mut salts = Vec::new();
        for number in 0..recovery::CODES {
            let mut code = Secret::new(String::with_capacity(usize::from(*policy.digits.end())));
            code.expose_mut().push(char::from(b'0' + number));
            push_digits(&mut code, (*policy.digits.end()).into())?;
            codes.push(code);
            salts.push(random()?);
        }
        let peppers = self.peppers();
        let pepper = peppers.current();
        let data = recovery::encode(&pepper.key, TENANT, row.key, &codes, &salts)?;
        let enrolment = self.enrolment(&row, FactorId::Recovery, &data, None)?;
        self.enrol(now, &EnrolmentRow { key_id: pepper.id.clone(), ..enrolment })?;
        Ok(codes)
    }

    /// Gives key fobs to subjects: to all of them, or to none and every reason.
    ///
    /// # Errors
    /// One entry for each fob that can't be given.
    pub fn enrol_hotp(&self, now: UnixTime, fobs: &[NewFob], counts: Counts) -> Result<(), Vec<ImportError>> {
        let at = |index| move |error| ImportError { index, error };
        let (mut rows, mut errors) = (Vec::new(), Vec::new());
        for (index, fob) in fobs.iter().enumerate() {
            match self.fob_row(fob).map_err(at(index)) {
                Ok(row) if rows.iter().any(|other: &EnrolmentRow| other.subject == row.subject) => {
                    errors.push(at(index)(VaultError::Field("this customer has a fob in an earlier line")));
                }
                Ok(row) => rows.push(row),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let kind = AuditKind::Enrolled { factor: FactorId::Hotp };
        let event =
            |row: &EnrolmentRow| AuditEvent { call: None, subject: Some(row.subject), kind: kind.clone() };
        let events: Vec<AuditEvent> = rows.iter().map(event).collect();
        let failed = |error: StoreError| vec![at(0)(error.into())];
        if counts == Counts::FromFirstCode {
            // Nothing counts yet: one that is handed out again is only handed out again.
            return rows.iter().try_for_each(|row| self.offer(now, row)).map_err(|error| vec![at(0)(error)]);
        }
        let change = Change::AddSubjects { subjects: &[], enrolments: &rows };
        self.audited(now, change, &events).map_err(failed)?;
        Ok(())
    }

    /// Gives a subject a TOTP seed that counts from its first right code on, and returns what its authenticator
    /// app needs.
    ///
    /// # Errors
    /// When there is no such subject, or the store or the audit log fails.
    pub fn offer_totp(&self, now: UnixTime, id: &str) -> Result<(Parameters, Secret<Vec<u8>>), VaultError> {
        let (row, parameters, seed) = self.new_generator(id)?;
        self.offer(now, &row)?;
        Ok((parameters, seed))
    }

    fn offer(&self, now: UnixTime, row: &EnrolmentRow) -> Result<(), VaultError> {
        let kind = AuditKind::Offered { factor: row.factor };
        let event = AuditEvent { call: None, subject: Some(row.subject), kind };
        self.audited(now, Change::Offer { row, at: now }, &[event])?;
        Ok(())
    }

    fn fob_row(&self, new: &NewFob) -> Result<EnrolmentRow, VaultError> {
        let policy = self.factor_policy(FactorId::Hotp)?;
        let row = self.required(&new.id)?;
        if !(hotp::SHORTEST_SEED..=hotp::LONGEST_SEED).contains(&new.seed.expose().len()) {
            return Err(VaultError::Field("the seed of a key fob has 16 to 128 bytes"));
        }
        let data = hotp::encode(hotp::Fob::of(&policy), new.seed.expose())?;
        self.enrolment(&row, FactorId::Hotp, &data, new.counter.checked_sub(1))
    }

    /// A row of sealed data for a subject.
    pub(super) fn enrolment(
        &self,
        row: &SubjectRow,
        factor: FactorId,
        data: &Secret<Vec<u8>>,
        last_step: Option<u64>,
    ) -> Result<EnrolmentRow, VaultError> {
        let data = seal::seal(&self.own_key(row)?, enrolment_label(&row.key, factor), data.expose())?;
        Ok(EnrolmentRow {
            subject: row.key,
            factor,
            data,
            key_id: self.peppers().current().id.clone(),
            last_step,
        })
    }

    /// The enrolment of a PIN or of a password's keys, which were checked.
    pub(super) fn hashed_secret(
        &self,
        factor: FactorId,
        subject: SubjectKey,
        own: &Key,
        secret: &Secret<String>,
    ) -> Result<EnrolmentRow, VaultError> {
        let peppers = self.peppers();
        let pepper = peppers.current();
        let peppered = match factor {
            FactorId::Pin => pin::peppered(&pepper.key, TENANT, subject, secret),
            other => pin::peppered_as(other.name(), &pepper.key, TENANT, subject, secret),
        };
        let hash = PinHash::make(&peppered, random()?)?.encode();
        let data = seal::seal(own, enrolment_label(&subject, factor), hash.as_bytes())?;
        Ok(EnrolmentRow { subject, factor, data, key_id: pepper.id.clone(), last_step: None })
    }
}

/// Random digits, as many as are lacking.
pub(super) fn push_digits(to: &mut Secret<String>, length: usize) -> Result<(), VaultError> {
    while to.expose().len() < length {
        let [byte] = random::<1>()?;
        // 250 is the largest multiple of ten that a byte reaches: every digit is as likely.
        if byte < 250 {
            to.expose_mut().push(char::from(b'0' + byte % 10));
        }
    }
    Ok(())
}

/// Whether the rules let it be a PIN, or the keys of a password, of this person.
pub(super) fn check_secret(
    factor: FactorId,
    secret: &Secret<String>,
    policy: &FactorPolicy,
    profile: &Profile,
) -> Result<(), VaultError> {
    let account = Secret::new(profile.account.clone());
    let phone = Secret::new(profile.phone.clone());
    let name = Secret::new(profile.name.clone());
    match factor {
        FactorId::Password => Ok(password::check(secret, policy, &[&account, &phone, &name])?),
        _ => Ok(pin::check(secret, policy, &[&account, &phone])?),
    }
}
