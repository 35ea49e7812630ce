//! A second PIN for callers who are not free: taken like the first to the ear and to the clock, told to
//! nobody in the call, and an alarm.
//!
//! It is kept behind the PIN, in the same sealed row: nobody who sees the database can tell who has one. A new
//! PIN ends it. Where a policy allows it two hashes are computed for everybody.

use super::handing_out::check_secret;
use super::{TENANT, Vault, VaultError, enrolment_label};
use crate::auth::factor::pin::{self, PinHash};
use crate::auth::{AuditEvent, AuditKind, FactorId};
use crate::driver::seal::{self, random};
use crate::driver::store::{Change, EnrolmentRow};
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};

/// Between the two hashes.
const BETWEEN: u8 = b'\n';

/// What is kept of a PIN for duress.
pub(super) struct Second {
    /// The name of the pepper that it was hashed with. It is not hashed anew: once that pepper is retired it is
    /// void.
    pub(super) pepper: String,
    /// The hash.
    pub(super) hash: Secret<Vec<u8>>,
}

/// What is kept of a PIN, and of the one for duress behind it.
pub(super) fn split(factor: FactorId, data: Secret<Vec<u8>>) -> (Secret<Vec<u8>>, Option<Second>) {
    let parts = data.expose().splitn(3, |byte| *byte == BETWEEN).collect::<Vec<_>>();
    let [first, pepper, hash] = parts.as_slice() else { return (data, None) };
    if factor != FactorId::Pin {
        return (data, None);
    }
    let pepper = String::from_utf8_lossy(pepper).into_owned();
    let second = Second { pepper, hash: Secret::new(hash.to_vec()) };
    (Secret::new(first.to_vec()), Some(second))
}

/// The two as they are kept.
pub(super) fn join(first: &Secret<Vec<u8>>, second: Option<&Second>) -> Secret<Vec<u8>> {
    let mut out = first.clone();
    if let Some(second) = second {
        out.expose_mut().push(BETWEEN);
        out.expose_mut().extend_from_slice(second.pepper.as_bytes());
        out.expose_mut().push(BETWEEN);
        out.expose_mut().extend_from_slice(second.hash.expose());
    }
    out
}

impl Vault {
    /// Lets a subject use this PIN when they are not free. It must not be their other one.
    ///
    /// # Errors
    /// The rule that refuses it; that the policy has no duress, or the subject no PIN; what failed.
    pub fn enrol_duress(&self, now: UnixTime, id: &str, pin: &Secret<String>) -> Result<(), VaultError> {
        let policy = self.policy();
        if policy.duress.is_none() {
            return Err(VaultError::Field(
                "the policy has no duress: write `duress: same` or `duress: nothing` into policy.yaml and name the \
                 application with --application",
            ));
        }
        let used = policy.factor(FactorId::Pin).ok_or(VaultError::NoFactor(FactorId::Pin))?;
        let row = self.required(id)?;
        check_secret(FactorId::Pin, pin, used, &self.profile(&row)?)?;
        let factor = FactorId::Pin;
        let Some(kept) = self.store.enrolment(row.key, factor)? else {
            return Err(VaultError::Field("there is no PIN yet, and duress needs one to be told from"));
        };
        let own = self.own_key(&row)?;
        let opened = seal::open(&own, enrolment_label(&row.key, factor), &kept.data)?;
        let (first, _) = split(factor, opened);
        if self.judge_row(now, &row, &kept, pin, used)?.right {
            return Err(VaultError::Field("this is the PIN that they use when they are free"));
        }
        let peppers = self.peppers();
        let pepper = peppers.current();
        let peppered = pin::peppered(&pepper.key, TENANT, row.key, pin);
        let hash = Secret::new(PinHash::make(&peppered, random()?)?.encode().into_bytes());
        let second = Second { pepper: pepper.id.clone(), hash };
        let joined = join(&first, Some(&second));
        let data = seal::seal(&own, enrolment_label(&row.key, factor), joined.expose())?;
        let kind = AuditKind::Enrolled { factor };
        let event = AuditEvent { call: None, subject: Some(row.key), kind };
        self.audited(now, Change::Enrol(&EnrolmentRow { data, ..kept }), &[event])?;
        Ok(())
    }

    /// A PIN of somebody who is not free was taken: nobody in the call may notice.
    pub(super) fn forced(&self, call: CallId, factor: FactorId) -> AuditKind {
        self.count_duress();
        tracing::warn!(%call, "a PIN for duress was used");
        AuditKind::Duress { factor }
    }
}
