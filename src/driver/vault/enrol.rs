//! What a caller orders in a call: a factor of their own, new or in place of the old one.
//!
//! It takes a [`Grant`], so only somebody who has proved to be the subject can order it; a subject that is
//! gone meanwhile costs the same work as one that is there.

use super::handing_out::check_secret;
use super::{Vault, VaultError, logged};
use crate::auth::throttle::{Attempt, Lane};
use crate::auth::{Answer, AuditEvent, AuditKind, Enrolment, FactorId, Grant, Policy, Response, SubjectKey};
use crate::driver::store::{Change, EnrolmentRow};
use crate::secret::Secret;
use crate::units::{CallId, UnixTime};

impl Vault {
    pub(super) fn enrol_in_call(
        &self,
        now: UnixTime,
        policy: &Policy,
        grant: &Grant,
        factor: FactorId,
        secret: &Response,
        replace: bool,
    ) -> Answer {
        let _turn = self.turn(grant.subject().key());
        let kept = match (factor, secret) {
            (FactorId::Voiceprint, Response::Spoken(spoken)) => self.keep_voice(now, grant, spoken, replace),
            (_, Response::Spoken(_)) => Err(VaultError::NoFactor(factor)),
            (FactorId::Totp | FactorId::Hotp, Response::Keyed(code)) => {
                self.confirm(now, policy, grant, factor, code, replace)
            }
            (_, Response::Keyed(keyed)) => self.keep_own(now, policy, grant, factor, keyed, replace),
        };
        match logged("enrol", kept) {
            Ok(Some(kept)) => Answer::Enrolment(kept),
            Ok(None) | Err(_) => Answer::Unavailable,
        }
    }

    /// The first code of what was handed out: it counts as an attempt, and the factor from then on. `None`:
    /// nothing was.
    fn confirm(
        &self,
        now: UnixTime,
        policy: &Policy,
        grant: &Grant,
        factor: FactorId,
        code: &Secret<String>,
        replace: bool,
    ) -> Result<Option<Enrolment>, VaultError> {
        let subject = grant.subject().key();
        let exists = self.store.enrolled(subject)?.contains(&factor);
        if exists && !replace {
            return Ok(Some(Enrolment::Exists));
        }
        self.first_code(now, policy, (subject, Some(grant.call())), factor, code)
    }

    /// As [`Vault::confirm`], whoever has made sure that it may be.
    pub(super) fn first_code(
        &self,
        now: UnixTime,
        policy: &Policy,
        (subject, call): (SubjectKey, Option<CallId>),
        factor: FactorId,
        code: &Secret<String>,
    ) -> Result<Option<Enrolment>, VaultError> {
        let used = policy.factor(factor).ok_or(VaultError::NoFactor(factor))?;
        let found = self.store.subject(subject)?.zip(self.store.offered(subject, factor)?);
        let Some((row, offered)) = found else { return Ok(None) };
        // Who proves that a factor has arrived has proved who they are: this is no guess at an account.
        let attempt = Attempt { factor, codes: 1, least: 1, lane: Lane::Open };
        let reserved = self.store.reserve(subject, now, attempt, &policy.lockout, &[])?;
        let judged = self.judge_row(now, &row, &offered, code, used)?;
        let may = reserved.counted.admission.may();
        let enrolled = EnrolmentRow { last_step: judged.step, ..offered.clone() };
        let ahead = match &judged.renewed {
            // A fob that is far ahead: the next code behind this one will be right.
            Some(data) if may && !judged.right => Some(self.seal_enrolment(subject, factor, data)?),
            _ => None,
        };
        let change = match ahead {
            Some(data) => Change::RenewOffer { subject, factor, of: &offered.data, data },
            None if may && judged.right => Change::Confirm { row: &enrolled, before: &reserved.before },
            None => Change::Nothing,
        };
        let confirms = matches!(change, Change::Confirm { .. });
        let mut result = Enrolment::Refused;
        self.store.audited(change, &mut |head, effect| {
            result = match () {
                () if confirms && effect => Enrolment::Done,
                () if reserved.counted.locked || !may => Enrolment::Locked,
                () => Enrolment::Refused,
            };
            let kind = match result {
                Enrolment::Done => AuditKind::Enrolled { factor },
                _ => AuditKind::EnrolmentRefused { factor },
            };
            let event = AuditEvent { call, subject: Some(subject), kind };
            self.audit.append(head, now, &[event])
        })?;
        Ok(Some(result))
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
        if !matches!(factor, FactorId::Pin | FactorId::Password) {
            // A seed is shown as a picture, not spoken: an operator enrols it.
            return Err(VaultError::NoFactor(factor));
        }
        let key = grant.subject().key();
        let found = self.store.subject(key)?;
        let row = found.as_ref().unwrap_or(&self.stand_in.row);
        let profile = self.profile(row)?;
        let enrolment = self.hashed_secret(factor, row.key, &self.own_key(row)?, secret)?;
        let locked = self.store.throttle(key)?.locked(now);
        let exists = self.store.enrolled(key)?.contains(&factor);
        let fits = check_secret(factor, secret, used, &profile).is_ok();
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
