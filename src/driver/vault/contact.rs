//! What is on file of a subject changes: telephone number, mail address, name, language; and which factors they
//! do not want to be asked for.
//!
//! Codes go to the number and the address on file, so a new one is as good as a new factor: in a call it needs
//! the policy's highest level, what was sent to the old address is void, and the old address is told.

use std::time::Duration;

use super::admin::Profile;
use super::{Vault, VaultError, subject_label};
use crate::auth::{AuditEvent, AuditKind, FactorId, Grant, SubjectKey};
use crate::driver::seal::{self, SealError};
use crate::driver::sender::{Channel, Courier, Letter, Purpose};
use crate::driver::store::{Change, Identifier, SubjectRow};
use crate::secret::Secret;
use crate::units::UnixTime;

/// What is to change; what is `None` stays.
#[derive(Clone, Default)]
pub struct ContactChange {
    /// The telephone number.
    pub phone: Option<Secret<String>>,
    /// The mail address; empty for none.
    pub email: Option<Secret<String>>,
    /// The name.
    pub name: Option<Secret<String>>,
    /// The language.
    pub language: Option<String>,
    /// Factors that the subject does not want to be asked for from now on.
    pub without: Vec<FactorId>,
    /// Factors that they may be asked for again.
    pub with: Vec<FactorId>,
}

/// Who orders it.
pub enum OrderedBy<'a> {
    /// An operator, who has made sure who asks for it.
    Operator,
    /// The subject, in a call.
    Caller(&'a Grant),
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What is another than before, by name.
    pub what: Vec<&'static str>,
    /// The ways by which the old addresses were told.
    pub told: Vec<Channel>,
}

/// The old address must hear of it within a day.
const NOTICE_TIME: Duration = Duration::from_secs(24 * 3600);

impl Vault {
    /// Changes what is on file of a subject.
    ///
    /// # Errors
    /// When there is no such subject, a value can't be used, the caller has not proved enough, or the store or the
    /// audit log fails.
    pub fn change_contact(
        &self,
        now: UnixTime,
        id: &str,
        change: &ContactChange,
        by: &OrderedBy<'_>,
    ) -> Result<Changed, VaultError> {
        let row = self.required(id)?;
        let _turn = self.turn(row.key);
        let old = self.profile(&row)?;
        let new = changed(&old, change);
        if let Some(problem) = new.problem() {
            return Err(VaultError::Field(problem));
        }
        let what = differences(&old, &new);
        let call = self.permitted(by, row.key, &what)?;
        if what.is_empty() {
            return Ok(Changed { what, told: Vec::new() });
        }
        let kept = self.rewritten(&row, &new)?;
        let kind = AuditKind::ContactChanged { what: what.iter().map(|name| (*name).to_owned()).collect() };
        let event = AuditEvent { call, subject: Some(row.key), kind };
        if !self.audited(now, Change::Update(&kept), &[event])? {
            return Err(VaultError::NoSubject { id: id.to_owned() });
        }
        let told = self.tell(now, row.key, &old, &what);
        Ok(Changed { what, told })
    }

    /// A caller changes only what is theirs; an address, or a factor that they may be asked for again, only at
    /// the highest level.
    fn permitted(
        &self,
        by: &OrderedBy<'_>,
        subject: SubjectKey,
        what: &[&'static str],
    ) -> Result<Option<crate::units::CallId>, VaultError> {
        let OrderedBy::Caller(grant) = by else { return Ok(None) };
        let policy = self.policy();
        let highest = policy.levels.last().is_some_and(|level| level.name == *grant.level());
        let needs = what.iter().any(|name| ["phone", "email", "with"].contains(name));
        if grant.subject().key() != subject || (needs && !highest) {
            return Err(VaultError::NotProved);
        }
        Ok(Some(grant.call()))
    }

    fn rewritten(&self, row: &SubjectRow, profile: &Profile) -> Result<SubjectRow, VaultError> {
        let json = serde_json::to_vec(profile).map_err(|_| VaultError::Seal(SealError::Opening))?;
        let label = subject_label(&row.key, "profile");
        let sealed = seal::seal(&self.own_key(row)?, label, Secret::new(json).expose())?;
        let mut identifiers = row.identifiers.clone();
        identifiers.retain(|(kind, _)| *kind != Identifier::Phone);
        identifiers.push((Identifier::Phone, self.lookup_hash(Identifier::Phone, &profile.phone)));
        Ok(SubjectRow { profile: sealed, identifiers, ..row.clone() })
    }

    /// Tells the old addresses. That nobody could be told does not undo the change: it is in the log.
    fn tell(&self, now: UnixTime, subject: SubjectKey, old: &Profile, what: &[&'static str]) -> Vec<Channel> {
        let Some(courier) = self.courier() else { return Vec::new() };
        let text = match (what.contains(&"phone"), what.contains(&"email")) {
            (true, true) => Notice::Both,
            (true, false) => Notice::Phone,
            (false, true) => Notice::Email,
            (false, false) => return Vec::new(),
        };
        let said = (text.title(&old.language), text.words(&old.language));
        tell_all(courier.as_ref(), now, (subject, old), said)
    }
}

/// Sends a notice to every address on file: title and text.
pub(super) fn tell_all(
    courier: &dyn Courier,
    now: UnixTime,
    (subject, profile): (SubjectKey, &Profile),
    (title, text): (&str, &str),
) -> Vec<Channel> {
    let ways = [(Channel::Sms, &profile.phone), (Channel::Email, &profile.email)];
    let mut told = Vec::new();
    for (channel, to) in ways.into_iter().filter(|(_, to)| !to.is_empty()) {
        let letter = Letter {
            channel,
            to: Secret::new(to.clone()),
            subject,
            language: profile.language.clone(),
            text: Secret::new(text.to_owned()),
            code: None,
            title: Some(title.to_owned()),
            purpose: Purpose::Notice,
            until: now.plus(NOTICE_TIME),
        };
        match courier.send(now, letter) {
            Ok(_) => told.push(channel),
            Err(error) => tracing::warn!(%channel, %error, "an address is not told of a change"),
        }
    }
    told
}

/// What an old address is told. It never says what the new one is.
#[derive(Clone, Copy)]
enum Notice {
    Phone,
    Email,
    Both,
}

impl Notice {
    fn words(self, language: &str) -> &'static str {
        match (self, language.split('-').next()) {
            (Self::Phone, Some("es")) => {
                "El número de teléfono de su cuenta ha cambiado. Si no ha sido usted, llámenos enseguida."
            }
            (Self::Email, Some("es")) => {
                "La dirección de correo de su cuenta ha cambiado. Si no ha sido usted, llámenos enseguida."
            }
            (Self::Both, Some("es")) => {
                "El teléfono y el correo de su cuenta han cambiado. Si no ha sido usted, llámenos enseguida."
            }
            (Self::Phone, _) => {
                "The telephone number of your account has been changed. If that was not you, call us at once."
            }
            (Self::Email, _) => {
                "The mail address of your account has been changed. If that was not you, call us at once."
            }
            (Self::Both, _) => {
                "The telephone number and the mail address of your account have been changed. If that was not you, call us at once."
            }
        }
    }

    fn title(self, language: &str) -> &'static str {
        match language.split('-').next() {
            Some("es") => "Un cambio en su cuenta",
            _ => "A change of your account",
        }
    }
}

fn changed(old: &Profile, change: &ContactChange) -> Profile {
    let mut new = old.clone();
    let set = |to: &mut String, from: &Option<Secret<String>>| {
        if let Some(from) = from {
            to.clone_from(from.expose());
        }
    };
    set(&mut new.phone, &change.phone);
    set(&mut new.email, &change.email);
    set(&mut new.name, &change.name);
    if let Some(language) = &change.language {
        new.language.clone_from(language);
    }
    new.declined.retain(|factor| !change.with.contains(factor));
    let more = change.without.iter().filter(|factor| !old.declined.contains(factor));
    new.declined.extend(more);
    new.declined.sort_unstable();
    new.declined.dedup();
    new
}

/// What is another, by name.
fn differences(old: &Profile, new: &Profile) -> Vec<&'static str> {
    let added = new.declined.iter().any(|factor| !old.declined.contains(factor));
    let removed = old.declined.iter().any(|factor| !new.declined.contains(factor));
    [
        ("phone", old.phone != new.phone),
        ("email", old.email != new.email),
        ("name", old.name != new.name),
        ("language", old.language != new.language),
        ("without", added),
        ("with", removed),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}
