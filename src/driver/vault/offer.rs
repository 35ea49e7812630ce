//! What a subject can be asked for.

use super::{Vault, VaultError, logged};
use crate::auth::factor::recovery;
use crate::auth::{FactorId, Policy, Refused, Source, SubjectKey};
use crate::driver::sender::Channel;
use crate::driver::store::StoreError;
use crate::units::UnixTime;

impl Vault {
    /// The factors that a subject can use now. A ghost has what the subject next to it has: the same
    /// every time, and as frequent among ghosts as among subjects.
    pub(super) fn usable(
        &self,
        now: UnixTime,
        policy: &Policy,
        source: &Source,
        subject: SubjectKey,
    ) -> Result<Vec<FactorId>, Refused> {
        let read = || {
            let throttle = self.store.throttle(subject)?;
            let nearest = self.store.nearest(subject)?;
            let enrolled = match nearest {
                Some(key) => self.has(key)?,
                None => FactorId::ALL.iter().copied().filter(|f| *f != FactorId::Push).collect(),
            };
            let mut void = self.void(now, nearest, &enrolled)?;
            if enrolled.contains(&FactorId::Voiceprint) {
                let known = nearest.map_or(Ok(true), |key| self.known_to_model(key))?;
                void.extend((!known || !self.hears(policy)).then_some(FactorId::Voiceprint));
            }
            let locked = self.locked_out(now, policy, source, subject)?;
            Ok::<_, VaultError>((throttle, enrolled, void, locked))
        };
        let asked = policy.factor(FactorId::Questions).is_some_and(|used| used.questions.for_everybody());
        let (throttle, mut enrolled, void, locked) =
            logged("enrolled", read()).map_err(|_| Refused::Unavailable)?;
        if locked {
            return Err(Refused::Locked);
        }
        if asked && !enrolled.contains(&FactorId::Questions) {
            enrolled.push(FactorId::Questions);
        }
        let usable = |f: &FactorId| {
            policy.factor(*f).is_some() && !throttle.stopped(*f, &policy.lockout) && !void.contains(f)
        };
        Ok(enrolled.into_iter().filter(usable).collect())
    }

    /// What a subject has enrolled and can still use: a list of recovery codes can be used up.
    pub(super) fn in_force(&self, subject: SubjectKey) -> Result<Vec<FactorId>, StoreError> {
        let mut enrolled = self.store.enrolled(subject)?;
        if enrolled.contains(&FactorId::Recovery) && self.recovery_left(subject)?.is_none_or(|left| left == 0)
        {
            enrolled.retain(|factor| *factor != FactorId::Recovery);
        }
        Ok(enrolled)
    }

    /// How many recovery codes a subject has left; `None` when it never had any.
    pub(super) fn recovery_left(&self, subject: SubjectKey) -> Result<Option<u8>, StoreError> {
        let row = self.store.enrolment(subject, FactorId::Recovery)?;
        Ok(row.map(|row| recovery::left(row.last_step)))
    }

    /// What a subject has, enrolled or by an address on file.
    pub(super) fn has(&self, subject: SubjectKey) -> Result<Vec<FactorId>, VaultError> {
        Ok([self.in_force(subject)?, self.addressed(subject)?].concat())
    }

    /// What a subject has because its address is on file.
    fn addressed(&self, subject: SubjectKey) -> Result<Vec<FactorId>, VaultError> {
        let row = self.store.subject(subject)?;
        let profile = self.profile(row.as_ref().unwrap_or(&self.stand_in.row))?;
        let phone =
            (!profile.phone.is_empty()).then_some([FactorId::OtpSms, FactorId::OtpCall, FactorId::Number]);
        let email = (!profile.email.is_empty()).then_some(FactorId::OtpEmail);
        let found = phone.into_iter().flatten().chain(email);
        // A letter that would not be taken is not offered: nobody learns later that somebody is there.
        let courier = self.courier();
        let reached = |factor: &FactorId| {
            let (channel, to) = match factor {
                FactorId::OtpSms => (Channel::Sms, &profile.phone),
                FactorId::OtpCall => (Channel::Call, &profile.phone),
                FactorId::OtpEmail => (Channel::Email, &profile.email),
                _ => return true,
            };
            courier.as_ref().is_none_or(|courier| courier.reaches(channel, to))
        };
        Ok(found.filter(|factor| !profile.declined.contains(factor) && reached(factor)).collect())
    }
}
