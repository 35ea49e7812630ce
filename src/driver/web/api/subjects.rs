//! Subjects: added, shown masked, unlocked, erased.

use hyper::{StatusCode, header};

use super::call::{Call, no_subject};
use super::shape::{Hidden, reads, shape, writes};
use crate::auth::{FactorId, SubjectKey};
use crate::driver::vault::{self, ContactChange, OrderedBy, Profile, Shown};
use crate::driver::web::{Problem, Reply};

reads! {
    /// A subject to be added.
    struct NewSubject {
        /// The identifier in services, such as C1001.
        id: String,
        /// The account number that the caller keys.
        account: String,
        /// The telephone number on file, with + and its country code.
        phone: String,
        /// The name.
        name: Option<String>,
        /// The language, such as en-GB.
        language: Option<String>,
        /// The mail address on file.
        email: Option<String>,
        /// A first PIN.
        pin: Option<Hidden>,
    }

    /// What changes of what is on file; what is absent stays. The old addresses are told of new ones.
    struct SubjectChange {
        /// The telephone number, with + and its country code.
        phone: Option<Hidden>,
        /// The mail address; empty for none.
        email: Option<Hidden>,
        /// The name.
        name: Option<Hidden>,
        /// The language, such as en-GB.
        language: Option<String>,
        /// Factors that the subject does not want to be asked for.
        without: Option<Vec<String>>,
        /// Factors that they may be asked for again.
        with: Option<Vec<String>>,
    }

    /// Why a lock is lifted.
    struct Unlock {
        /// How you know that it is the customer. For the audit log; nothing personal.
        reason: String,
    }
}

writes! {
    /// A subject, masked.
    struct Subject {
        /// The identifier in services.
        id: String,
        /// The pseudonym of the audit log.
        pseudonym: String,
        /// The last digits of the account number.
        account: String,
        /// The last digits of the telephone number.
        phone: String,
        /// The first letter of the name.
        name: String,
        /// The language.
        language: String,
        /// What is enrolled.
        factors: Vec<String>,
        /// What was handed out and counts from its first right code on.
        offered: Vec<String>,
        /// What the subject does not want to be asked for.
        declined: Vec<String>,
        /// How many recovery codes are left, when there were any.
        recovery_left: Option<u64>,
        /// How many attempts failed lately.
        failures: u64,
        /// Too many of them: locked now.
        locked: bool,
    }

    /// What became of a change.
    struct SubjectChanged {
        /// The subject.
        subject: Subject,
        /// What is another than before.
        changed: Vec<String>,
        /// The ways by which the old addresses were told: sms, email. Nobody was told when it is empty.
        told: Vec<String>,
    }

    /// A page of subjects.
    struct SubjectPage {
        /// The subjects.
        subjects: Vec<Subject>,
        /// The `after` of the next page; null when this is the last.
        next: Option<String>,
    }
}

impl From<Shown> for Subject {
    fn from(shown: Shown) -> Self {
        Self {
            id: shown.id,
            pseudonym: shown.pseudonym,
            account: shown.account,
            phone: shown.phone,
            name: shown.name,
            language: shown.language,
            factors: names(&shown.factors),
            offered: names(&shown.offered),
            declined: names(&shown.declined),
            recovery_left: shown.recovery_left.map(u64::from),
            failures: u64::try_from(shown.failures).unwrap_or(u64::MAX),
            locked: shown.locked,
        }
    }
}

fn names(factors: &[FactorId]) -> Vec<String> {
    factors.iter().map(ToString::to_string).collect()
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let limit = call.limit()?;
    let after = call.parameter("after").map(|text| {
        pseudonym(text).ok_or_else(|| Problem::unreadable("this is no `next` of a page").at("after"))
    });
    let page = call.vault.shown_after(call.now, after.transpose()?, limit)?;
    let full = u32::try_from(page.len()).is_ok_and(|count| count == limit);
    let next = page.last().filter(|_| full).map(|last| last.pseudonym.clone());
    let subjects = page.into_iter().map(Subject::from).collect();
    Ok(Reply::json(StatusCode::OK, &SubjectPage { subjects, next }))
}

pub(super) fn add(call: &Call<'_>) -> Result<Reply, Problem> {
    let NewSubject { id, account, phone, name, language, email, pin } = call.body()?;
    let (name, language) = (name.unwrap_or_default(), language.unwrap_or_default());
    let (email, declined) = (email.unwrap_or_default(), Vec::new());
    let profile = Profile { id: id.clone(), account, phone, name, language, email, declined };
    let new = vault::NewSubject { profile, pin: pin.map(|Hidden(pin)| pin), pin_hash: None };
    call.vault.add_subjects(call.now, &[new]).map_err(|errors| {
        errors.into_iter().next().map_or_else(Problem::internal, |error| error.error.into())
    })?;
    let place = format!("/v1/subjects/{id}");
    let shown = call.vault.shown(call.now, &id)?.ok_or_else(no_subject)?;
    Ok(Reply::json(StatusCode::CREATED, &Subject::from(shown)).with(header::LOCATION, &place))
}

pub(super) fn one(call: &Call<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(StatusCode::OK, &Subject::from(shown(call)?)))
}

pub(super) fn change(call: &Call<'_>) -> Result<Reply, Problem> {
    let SubjectChange { phone, email, name, language, without, with } = call.body()?;
    let shown = |hidden: Option<Hidden>| hidden.map(|Hidden(value)| value);
    let factors = |place: &'static str, names: Option<Vec<String>>| {
        let known = |name: String| FactorId::from_name(&name).ok_or_else(|| no_factor(place));
        names.unwrap_or_default().into_iter().map(known).collect::<Result<Vec<_>, _>>()
    };
    let change = ContactChange {
        phone: shown(phone),
        email: shown(email),
        name: shown(name),
        language,
        without: factors("without", without)?,
        with: factors("with", with)?,
    };
    let id = self::shown(call)?.id;
    let done = call.vault.change_contact(call.now, &id, &change, &OrderedBy::Operator)?;
    let subject = Subject::from(self::shown(call)?);
    let changed = done.what.iter().map(ToString::to_string).collect();
    let told = done.told.iter().map(ToString::to_string).collect();
    Ok(Reply::json(StatusCode::OK, &SubjectChanged { subject, changed, told }))
}

/// There is no such factor.
pub(super) fn no_factor(place: &'static str) -> Problem {
    let all: Vec<&str> = FactorId::ALL.iter().map(|factor| factor.name()).collect();
    let (title, detail) = ("No such factor", "there is no factor of this name");
    let help = format!("use one of {}", all.join(", "));
    Problem::new(StatusCode::NOT_FOUND, "no-factor", title, detail, help).at(place)
}

pub(super) fn erase(call: &Call<'_>) -> Result<Reply, Problem> {
    call.vault.erase(call.now, &shown(call)?.id)?;
    Ok(Reply::empty())
}

pub(super) fn unlock(call: &Call<'_>) -> Result<Reply, Problem> {
    let Unlock { reason } = call.body()?;
    call.vault.unlock(call.now, &shown(call)?.id, &reason)?;
    Ok(Reply::empty())
}

/// The subject of the path, by its identifier or its pseudonym.
pub(super) fn shown(call: &Call<'_>) -> Result<Shown, Problem> {
    let name = call.part("subject");
    let found = match name.strip_prefix('~').and_then(pseudonym) {
        Some(key) => call.vault.shown_by_pseudonym(call.now, key)?,
        None => call.vault.shown(call.now, name)?,
    };
    found.ok_or_else(no_subject)
}

fn pseudonym(text: &str) -> Option<SubjectKey> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok().map(SubjectKey)
}
