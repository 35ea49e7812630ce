//! What a factor says of a response, and the same work for somebody who is not there.

use super::rotation::Peppers;
use super::{TENANT, Vault, VaultError, enrolment_label};
use crate::auth::factor::{JudgeError, Judged, Judging, Peppering};
use crate::auth::{FactorId, FactorPolicy, Policy, SubjectKey};
use crate::driver::seal::{self, random};
use crate::driver::store::{EnrolmentRow, SubjectRow};
use crate::secret::Secret;
use crate::units::UnixTime;

impl Vault {
    /// What the factor says; `None` when the subject has no such enrolment, after the same work.
    pub(super) fn judge(
        &self,
        now: UnixTime,
        subject: SubjectKey,
        factor: FactorId,
        response: &Secret<String>,
        policy: &Policy,
        peppers: &Peppers,
    ) -> Result<Option<Judged>, VaultError> {
        let policy = policy.factor(factor).ok_or(VaultError::NoFactor(factor))?;
        // Who is not there is judged by what the subject next to them has, whose answer does not count: a PIN
        // that came hashed from elsewhere takes its own time.
        let nearest = self.store.nearest(subject)?.unwrap_or(subject);
        let row = self.store.subject(nearest)?;
        let enrolment = self.store.enrolment(nearest, factor)?;
        // Of answers that a service tells nothing is kept.
        let needs_none = factor == FactorId::Questions && !policy.questions.told.is_empty();
        let real = nearest == subject && row.is_some() && (enrolment.is_some() || needs_none);
        let own = row.as_ref().zip(enrolment.as_ref());
        let stand_in = || self.stand_in.enrolments.iter().find(|e| e.factor == factor);
        let (row, enrolment) =
            own.or_else(|| Some((&self.stand_in.row, stand_in()?))).ok_or(VaultError::NoFactor(factor))?;
        let whose = if real { subject } else { self.stand_in.row.key };
        let judged = self.judge_as(whose, now, row, enrolment, response, policy, peppers)?;
        // Of a pepper whose time is over: void, after the same work.
        let void = factor.peppering() != Peppering::None && peppers.is_over(&enrolment.key_id, now);
        Ok((real && !void).then_some(judged))
    }

    /// What a factor says of a response to this enrolment of this subject.
    pub(super) fn judge_row(
        &self,
        now: UnixTime,
        row: &SubjectRow,
        enrolment: &EnrolmentRow,
        response: &Secret<String>,
        policy: &FactorPolicy,
    ) -> Result<Judged, VaultError> {
        self.judge_as(row.key, now, row, enrolment, response, policy, &self.peppers())
    }

    /// The same as if the enrolment were `whose`.
    #[expect(clippy::too_many_arguments, reason = "all of it is what a response is judged by")]
    fn judge_as(
        &self,
        whose: SubjectKey,
        now: UnixTime,
        row: &SubjectRow,
        enrolment: &EnrolmentRow,
        response: &Secret<String>,
        policy: &FactorPolicy,
        peppers: &Peppers,
    ) -> Result<Judged, VaultError> {
        let factor = enrolment.factor;
        let current = peppers.current();
        // A row of a pepper that is not there can't be judged, and must not count as wrong.
        let pepper = match factor.peppering() {
            Peppering::None => current,
            _ if row.key == self.stand_in.row.key => &self.stand_in.pepper,
            _ => peppers.find(&enrolment.key_id).ok_or(VaultError::Judge(JudgeError))?,
        };
        let data = seal::open(&self.own_key(row)?, enrolment_label(&row.key, factor), &enrolment.data)?;
        let judging = Judging {
            data: &data,
            response,
            subject: whose,
            tenant: TENANT,
            pepper: &pepper.key,
            fresh: (pepper.id != current.id).then_some(&current.key),
            salt: random()?,
            now,
            policy,
            last_step: enrolment.last_step,
        };
        Ok(factor.judge(&judging)?)
    }
}
