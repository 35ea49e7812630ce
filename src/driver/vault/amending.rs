//! What a caller has changed in a call of what is on file of them: an address, a factor that they do not want.
//!
//! It takes a [`Grant`], so only somebody who has proved to be the subject can order it.

use super::contact::{ContactChange, OrderedBy};
use super::{Vault, VaultError, logged};
use crate::auth::factor::Meeting;
use crate::auth::{Amendment, Answer, Enrolment, FactorId, Grant, Policy};
use crate::secret::Secret;
use crate::units::UnixTime;

/// What rests on an address on file: there is nothing to remove, only not to be asked for.
const BY_ADDRESS: [FactorId; 4] = [FactorId::OtpSms, FactorId::OtpEmail, FactorId::OtpCall, FactorId::Number];

impl Vault {
    pub(super) fn amend_in_call(
        &self,
        now: UnixTime,
        policy: &Policy,
        grant: &Grant,
        amendment: &Amendment,
    ) -> Answer {
        match logged("amend", self.amended(now, policy, grant, amendment)) {
            Ok(amended) => Answer::Enrolment(amended),
            Err(_) => Answer::Unavailable,
        }
    }

    fn amended(
        &self,
        now: UnixTime,
        policy: &Policy,
        grant: &Grant,
        amendment: &Amendment,
    ) -> Result<Enrolment, VaultError> {
        let subject = grant.subject().key();
        if self.store.throttle(subject)?.locked(now) {
            return Ok(Enrolment::Locked);
        }
        let change = match amendment {
            Amendment::Phone(keyed) => match international(keyed) {
                Some(phone) => ContactChange { phone: Some(phone), ..ContactChange::default() },
                None => return Ok(Enrolment::Refused),
            },
            Amendment::Email(email) if email.expose().is_empty() => return Ok(Enrolment::Refused),
            Amendment::Email(email) => {
                ContactChange { email: Some(email.clone()), ..ContactChange::default() }
            }
            Amendment::Without(factor) => return self.without(now, policy, grant, *factor),
        };
        self.changed_contact(now, grant, &change)
    }

    fn changed_contact(
        &self,
        now: UnixTime,
        grant: &Grant,
        change: &ContactChange,
    ) -> Result<Enrolment, VaultError> {
        match self.change_contact(now, grant.subject().id(), change, &OrderedBy::Caller(grant)) {
            Ok(changed) if changed.what.is_empty() => Ok(Enrolment::Exists),
            Ok(_) => Ok(Enrolment::Done),
            Err(VaultError::Field(_)) => Ok(Enrolment::Refused),
            Err(error) => Err(error),
        }
    }

    /// Nobody gives away what they would need to prove as much again.
    fn without(
        &self,
        now: UnixTime,
        policy: &Policy,
        grant: &Grant,
        factor: FactorId,
    ) -> Result<Enrolment, VaultError> {
        let subject = grant.subject().key();
        let mut left = self.has(subject)?;
        if !left.contains(&factor) && self.store.offered(subject, factor)?.is_none() {
            return Ok(Enrolment::Exists);
        }
        left.retain(|other| *other != factor && policy.factor(*other).is_some());
        // A voice goes whenever its owner wants: it was kept with their consent alone.
        if factor.meeting() != Meeting::Spoken && !policy.reachable(grant.level(), &left) {
            return Ok(Enrolment::Refused);
        }
        if BY_ADDRESS.contains(&factor) {
            let change = ContactChange { without: vec![factor], ..ContactChange::default() };
            return self.changed_contact(now, grant, &change);
        }
        let _turn = self.turn(subject);
        let removed = self.removed(now, subject, factor, Some(grant.call()))?;
        Ok(if removed { Enrolment::Done } else { Enrolment::Exists })
    }
}

/// A number as it is keyed, with its country code: 00 or nothing stands before it. One that begins with a single 0
/// is a national one, of nobody knows which country.
fn international(keyed: &Secret<String>) -> Option<Secret<String>> {
    let keyed = keyed.expose().trim();
    if keyed.starts_with('+') {
        return Some(Secret::new(keyed.to_owned()));
    }
    let number = keyed.strip_prefix("00").unwrap_or(keyed);
    (!number.starts_with('0')).then(|| Secret::new(format!("+{number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_keyed_with_its_country_code() {
        let of = |keyed: &str| international(&Secret::new(keyed.to_owned())).map(|n| n.expose().clone());
        assert_eq!(of("00441632960009").as_deref(), Some("+441632960009"));
        assert_eq!(of("441632960009").as_deref(), Some("+441632960009"));
        assert_eq!(of("+44 1632 960009").as_deref(), Some("+44 1632 960009"));
        assert_eq!(of("01632960009"), None);
    }
}
