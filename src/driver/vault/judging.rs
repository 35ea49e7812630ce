//! What a factor says of a response, and the same work for somebody who is not there.

use super::rotation::Peppers;
use super::{TENANT, Vault, VaultError, duress, enrolment_label};
use crate::auth::factor::{JudgeError, Judged, Judging, Peppering};
use crate::auth::{FactorId, FactorPolicy, SubjectKey};
use crate::driver::seal::{self, random};
use crate::driver::store::{EnrolmentRow, SubjectRow};
use crate::secret::Secret;
use crate::units::UnixTime;

impl Vault {
    /// What the factor says, whether it was said under duress, and the sealed data that it was said of; `None`
    /// when the subject has no such enrolment, after the same work.
    pub(super) fn judge(
        &self,
        now: UnixTime,
        (subject, factor): (SubjectKey, FactorId),
        response: &Secret<String>,
        policy: &FactorPolicy,
        (peppers, duress): (&Peppers, bool),
    ) -> Result<Option<(Judged, bool, Vec<u8>)>, VaultError> {
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
        let (judged, forced) =
            self.judge_as(whose, now, (row, enrolment), response, policy, (peppers, duress))?;
        // Of a pepper whose time is over: void, after the same work. The stand-in's is always good.
        let kept = row.key != self.stand_in.row.key && factor.peppering() != Peppering::None;
        let void = kept && peppers.is_over(&enrolment.key_id, now);
        Ok((real && !void).then(|| (judged, forced, enrolment.data.clone())))
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
        Ok(self.judge_as(row.key, now, (row, enrolment), response, policy, (&self.peppers(), false))?.0)
    }

    /// The same as if the enrolment were `whose`.
    fn judge_as(
        &self,
        whose: SubjectKey,
        now: UnixTime,
        (row, enrolment): (&SubjectRow, &EnrolmentRow),
        response: &Secret<String>,
        policy: &FactorPolicy,
        (peppers, duress): (&Peppers, bool),
    ) -> Result<(Judged, bool), VaultError> {
        let factor = enrolment.factor;
        let current = peppers.current();
        // A row of a pepper that is not there can't be judged, and must not count as wrong.
        let pepper = match factor.peppering() {
            Peppering::None => current,
            _ if row.key == self.stand_in.row.key => &self.stand_in.pepper,
            _ => peppers.find(&enrolment.key_id).ok_or(VaultError::Judge(JudgeError))?,
        };
        let data = seal::open(&self.own_key(row)?, enrolment_label(&row.key, factor), &enrolment.data)?;
        let (data, second) = duress::split(factor, data);
        let salt = random()?;
        let judging = |data, pepper, fresh| Judging {
            data,
            response,
            subject: whose,
            tenant: TENANT,
            pepper,
            fresh,
            salt,
            now,
            policy,
            last_step: enrolment.last_step,
        };
        let fresh = (pepper.id != current.id).then_some(&current.key);
        let mut judged = factor.judge(&judging(&data, &pepper.key, fresh))?;
        judged.renewed = judged.renewed.map(|first| duress::join(&first, second.as_ref()));
        let mut forced = false;
        if duress && factor == FactorId::Pin {
            // As much work for who has none: their own hash is computed once more.
            let kept = second.as_ref().and_then(|second| Some((&second.hash, peppers.find(&second.pepper)?)));
            let (hash, other) = kept.unwrap_or((&data, pepper));
            let again = factor.judge(&judging(hash, &other.key, None))?;
            forced = kept.is_some() && again.right && !judged.right;
            judged.right |= forced;
        }
        Ok((judged, forced))
    }
}
