//! Enrolments: what a subject can prove itself with.

use hyper::StatusCode;

use super::call::Call;
use super::engine::kind;
use super::shape::{Hidden, Once, reads, shape, writes};
use super::subjects::{no_factor, shown};
use crate::auth::FactorId;
use crate::auth::factor::totp;
use crate::driver::vault::{Counts, NewFob};
use crate::driver::web::{Problem, Reply};
use crate::secret::Secret;

reads! {
    /// What is to be enrolled. Each field is for the factors that it names.
    struct Enrol {
        /// For `pin`: the PIN; a random one is made when absent.
        pin: Option<Hidden>,
        /// For `password`: the password.
        password: Option<Hidden>,
        /// For `totp`: who is named in the authenticator app, your company.
        issuer: Option<String>,
        /// For `hotp`: the seed of the key fob in base32.
        seed: Option<Hidden>,
        /// For `hotp`: the counter of the fob's next code; 0 when absent.
        counter: Option<u64>,
        /// For `totp` and `hotp`: it counts from its first right code on, which a flow asks for.
        pending: Option<bool>,
    }
}

writes! {
    /// An enrolment.
    struct Enrolment {
        /// The factor.
        factor: String,
        /// What kind of proof it is: knowledge, possession or inherence.
        kind: String,
    }

    /// What a subject has enrolled.
    struct Enrolments {
        /// The enrolments.
        enrolments: Vec<Enrolment>,
    }

    /// An enrolment that was made, with what the subject has to be told. It is not shown again.
    struct Enrolled {
        /// The factor.
        factor: String,
        /// The PIN, when one was made up.
        pin: Option<Once>,
        /// The address for the authenticator app, to be shown as a QR code.
        uri: Option<Once>,
        /// The key for the authenticator app, to be typed in where there is no camera.
        key: Option<Once>,
        /// The recovery codes; each works once.
        codes: Vec<Once>,
    }
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let enrolment = |factor: FactorId| Enrolment { factor: factor.to_string(), kind: kind(factor) };
    let enrolments = shown(call)?.factors.into_iter().map(enrolment).collect();
    Ok(Reply::json(StatusCode::OK, &Enrolments { enrolments }))
}

pub(super) fn enrol(call: &Call<'_>) -> Result<Reply, Problem> {
    let wanted: Enrol = call.body()?;
    let (factor, id) = (factor(call)?, shown(call)?.id);
    let mut told =
        Enrolled { factor: factor.to_string(), pin: None, uri: None, key: None, codes: Vec::new() };
    match factor {
        FactorId::Pin => told.pin = pin(call, &id, wanted.pin)?,
        FactorId::Password => {
            let Hidden(password) = wanted.password.ok_or_else(|| lacks("password"))?;
            call.vault.enrol_password(call.now, &id, &password)?;
        }
        FactorId::Totp => {
            let issuer = wanted.issuer.unwrap_or_else(|| "Countersign".to_owned());
            let (parameters, seed) = match wanted.pending {
                Some(true) => call.vault.offer_totp(call.now, &id)?,
                _ => call.vault.enrol_totp(call.now, &id)?,
            };
            told.uri = Some(Once::of(&parameters.uri(&seed, &issuer, &id)));
            told.key = Some(Once::of(&totp::base32(&seed)));
        }
        FactorId::Hotp => fob(call, id, wanted)?,
        FactorId::Recovery => {
            told.codes = call.vault.enrol_recovery(call.now, &id)?.iter().map(Once::of).collect();
        }
        other => {
            let detail = format!("`{other}` can't be enrolled here");
            let (title, help) =
                ("It can't be used", "what is sent needs an address on file: PATCH the subject");
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "unusable", title, detail, help).at("factor"));
        }
    }
    Ok(Reply::json(StatusCode::OK, &told))
}

/// Enrols a PIN; returns it when it was made up.
fn pin(call: &Call<'_>, id: &str, given: Option<Hidden>) -> Result<Option<Once>, Problem> {
    if let Some(Hidden(pin)) = given {
        call.vault.enrol_pin(call.now, id, &pin)?;
        return Ok(None);
    }
    let pin = call.vault.generate_pin(id)?;
    call.vault.enrol_pin(call.now, id, &pin)?;
    Ok(Some(Once::of(&pin)))
}

fn fob(call: &Call<'_>, id: String, wanted: Enrol) -> Result<(), Problem> {
    let Hidden(text) = wanted.seed.ok_or_else(|| lacks("seed"))?;
    let mut plain = Secret::new(text.expose().to_ascii_uppercase());
    plain.expose_mut().retain(|c| !matches!(c, ' ' | '-' | '='));
    let seed = data_encoding::BASE32_NOPAD.decode(plain.expose().as_bytes());
    let seed = Secret::new(seed.map_err(|_| Problem::unreadable("a seed is base32").at("seed"))?);
    let counts = if wanted.pending == Some(true) { Counts::FromFirstCode } else { Counts::AtOnce };
    let fob = NewFob { id, seed, counter: wanted.counter.unwrap_or(0) };
    call.vault.enrol_hotp(call.now, &[fob], counts).map_err(|errors| {
        errors.into_iter().next().map_or_else(Problem::internal, |error| error.error.into())
    })
}

fn lacks(field: &'static str) -> Problem {
    Problem::unreadable("this factor can't be enrolled without it").at(field)
}

pub(super) fn remove(call: &Call<'_>) -> Result<Reply, Problem> {
    let (factor, id) = (factor(call)?, shown(call)?.id);
    if call.vault.remove_factor(call.now, &id, factor)? {
        return Ok(Reply::empty());
    }
    let (title, detail) = ("Not enrolled", "the subject has not enrolled this factor");
    let help = "GET …/enrolments lists what there is";
    Err(Problem::new(StatusCode::NOT_FOUND, "not-enrolled", title, detail, help).at("factor"))
}

fn factor(call: &Call<'_>) -> Result<FactorId, Problem> {
    FactorId::from_name(call.part("factor")).ok_or_else(|| no_factor("factor"))
}
