//! What callers of flow tests have changed of what is on file of them, by the rules of the real vault.

use crate::auth::factor::Meeting;
use crate::auth::{Amendment, AuditKind, Enrolment, FactorId, Grant};
use crate::units::UnixTime;

use super::{Vault, digits, key_of};

/// Numbers have a country code and are no shorter.
const SHORTEST: usize = 7;
const LONGEST: usize = 15;

impl Vault {
    /// `None`: the vault refuses to hear of it.
    pub(super) fn amend(&mut self, now: UnixTime, grant: &Grant, amendment: &Amendment) -> Option<Enrolment> {
        let subject = grant.subject().key();
        if self.throttles.get(&subject).is_some_and(|throttle| throttle.locked(now)) {
            return Some(Enrolment::Locked);
        }
        let policy = std::sync::Arc::clone(&self.policy);
        let highest = policy.levels.last().is_some_and(|level| level.name == *grant.level());
        let person = self.people.iter_mut().find(|person| key_of("person", &person.id) == subject)?;
        let factors = &mut person.factors;
        match amendment {
            Amendment::Phone(_) | Amendment::Email(_) if !highest => return None,
            Amendment::Phone(number) => {
                let number = number.expose();
                let number = number.strip_prefix("00").or(number.strip_prefix('+')).unwrap_or(number);
                if number.starts_with('0') || !(SHORTEST..=LONGEST).contains(&digits(number).len()) {
                    return Some(Enrolment::Refused);
                }
                let number = format!("+{number}");
                if person.phones.first() == Some(&number) {
                    return Some(Enrolment::Exists);
                }
                let by_phone = amendment.factors();
                let own = factors.iter_mut().filter(|(factor, _)| by_phone.contains(factor));
                own.for_each(|(_, to)| to.expose_mut().clone_from(&number));
                person.phones = vec![number];
            }
            Amendment::Email(address) => {
                if !address.expose().contains('@') {
                    return Some(Enrolment::Refused);
                }
                let own = factors.iter_mut().find(|(factor, _)| *factor == FactorId::OtpEmail);
                match own {
                    Some((_, to)) if to.expose() == address.expose() => return Some(Enrolment::Exists),
                    Some((_, to)) => to.clone_from(address),
                    None => factors.push((FactorId::OtpEmail, address.clone())),
                }
            }
            Amendment::Without(factor) => {
                let offered = person.offered.iter().any(|(own, _)| own == factor);
                if !offered && !factors.iter().any(|(own, _)| own == factor) {
                    return Some(Enrolment::Exists);
                }
                let left = factors.iter().map(|(own, _)| *own).filter(|own| own != factor);
                let kept_by_consent = factor.meeting() == Meeting::Spoken;
                if !kept_by_consent && !policy.reachable(grant.level(), &left.collect::<Vec<_>>()) {
                    return Some(Enrolment::Refused);
                }
                factors.retain(|(own, _)| own != factor);
                person.offered.retain(|(own, _)| own != factor);
                self.audited.push(AuditKind::Removed { factor: *factor });
                return Some(Enrolment::Done);
            }
        }
        let what = vec![format!("{amendment:?}")];
        self.audited.push(AuditKind::ContactChanged { what });
        Some(Enrolment::Done)
    }
}
