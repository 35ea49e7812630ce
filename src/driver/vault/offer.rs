//! What a subject can be asked for.

use super::{Vault, VaultError, logged};
use crate::auth::{FactorId, Meeting, Policy, Refused, SubjectKey};
use crate::units::UnixTime;

impl Vault {
    /// The factors that a subject can use now. A ghost has what the subject next to it has: the same
    /// every time, and as frequent among ghosts as among subjects.
    pub(super) fn usable(
        &self,
        now: UnixTime,
        policy: &Policy,
        subject: SubjectKey,
    ) -> Result<Vec<FactorId>, Refused> {
        let read = || {
            let throttle = self.store.throttle(subject)?;
            let nearest = self.store.nearest(subject)?;
            let enrolled = match nearest {
                Some(key) => [self.store.enrolled(key)?, self.addressed(key)?].concat(),
                None => FactorId::ALL.iter().copied().filter(|f| *f != FactorId::Push).collect(),
            };
            Ok::<_, VaultError>((throttle, enrolled))
        };
        let (throttle, enrolled) = logged("enrolled", read()).map_err(|_| Refused::Unavailable)?;
        if throttle.locked(now) {
            return Err(Refused::Locked);
        }
        let usable = |f: &FactorId| {
            policy.factor(*f).is_some()
                && f.meeting() != Meeting::Spoken
                && !throttle.stopped(*f, &policy.lockout)
        };
        Ok(enrolled.into_iter().filter(usable).collect())
    }

    /// What a subject has because its address is on file.
    fn addressed(&self, subject: SubjectKey) -> Result<Vec<FactorId>, VaultError> {
        let row = self.store.subject(subject)?;
        let profile = self.profile(row.as_ref().unwrap_or(&self.stand_in.row))?;
        let phone =
            (!profile.phone.is_empty()).then_some([FactorId::OtpSms, FactorId::OtpCall, FactorId::Number]);
        let email = (!profile.email.is_empty()).then_some(FactorId::OtpEmail);
        let found = phone.into_iter().flatten().chain(email);
        Ok(found.filter(|factor| !profile.declined.contains(factor)).collect())
    }
}
