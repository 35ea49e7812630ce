//! What a caller orders in a call: a factor of their own, new or in place of the old one.
//!
//! It takes a [`Grant`], so only somebody who has proved to be the subject can order it; a subject that is
//! gone meanwhile costs the same work as one that is there.

use super::{Vault, VaultError, logged};
use crate::auth::{Answer, AuditEvent, AuditKind, Enrolment, FactorId, Grant, Policy};
use crate::driver::store::Change;
use crate::secret::Secret;
use crate::units::UnixTime;

impl Vault {
    pub(super) fn enrol_in_call(
        &self,
        now: UnixTime,
        policy: &Policy,
        grant: &Grant,
        factor: FactorId,
        secret: &Secret<String>,
        replace: bool,
    ) -> Answer {
        let _turn = self.turn(grant.subject().key());
        match logged("enrol", self.keep_own(now, policy, grant, factor, secret, replace)) {
            Ok(Some(kept)) => Answer::Enrolment(kept),
            Ok(None) | Err(_) => Answer::Unavailable,
        }
    }

    /// `None`: there is no such subject any more.
    fn keep_own(
        &self,
        now: UnixTime,
        policy: &Policy,
        grant: &Grant,
        factor: FactorId,
        secret: &Secret<String>,
        replace: bool,
    ) -> Result<Option<Enrolment>, VaultError> {
        let used = policy.factor(factor).ok_or(VaultError::NoFactor(factor))?;
        if factor != FactorId::Pin {
            // A seed is shown as a picture, not spoken: an operator enrols it.
            return Err(VaultError::NoFactor(factor));
        }
        let key = grant.subject().key();
        let found = self.store.subject(key)?;
        let row = found.as_ref().unwrap_or(&self.stand_in.row);
        let profile = self.profile(row)?;
        let enrolment = self.hashed_pin(row.key, &self.own_key(row)?, secret)?;
        let locked = self.store.throttle(key)?.locked(now);
        let exists = self.store.enrolled(key)?.contains(&factor);
        let fits = super::admin::check_pin(secret, used, &profile).is_ok();
        if found.is_none() {
            return Ok(None);
        }
        let refusal = match () {
            () if locked => Some(Enrolment::Locked),
            () if exists && !replace => Some(Enrolment::Exists),
            () if !fits => Some(Enrolment::Refused),
            () => None,
        };
        let (change, kind) = match refusal {
            Some(_) => (Change::Nothing, AuditKind::EnrolmentRefused { factor }),
            None => (Change::Enrol(&enrolment), AuditKind::Enrolled { factor }),
        };
        let event = AuditEvent { call: Some(grant.call()), subject: Some(key), kind };
        self.audited(now, change, &[event])?;
        Ok(Some(refusal.unwrap_or(Enrolment::Done)))
    }
}
