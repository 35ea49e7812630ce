//! What the page to approve on asks.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, Bytes, Files, HTML, Link, SCRIPT, ceremony, failed, hidden, state};
use crate::auth::webauthn::Assertion;
use crate::driver::vault::Approved;
use crate::driver::web::Problem;

pub(super) const FILES: Files =
    &[("", HTML, include_str!("approve.html")), ("/approve.js", SCRIPT, include_str!("approve.js"))];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    token: String,
    number: String,
    id: Bytes,
    client_data: Bytes,
    authenticator_data: Bytes,
    signature: Bytes,
    user: Option<Bytes>,
}

pub(super) fn answer(asked: &Asked<'_>, what: &str) -> Result<Option<Value>, Problem> {
    Ok(Some(match what {
        "look" => look(asked)?,
        "begin" => begin(asked)?,
        "finish" => finish(asked)?,
        "deny" => deny(asked)?,
        _ => return Ok(None),
    }))
}

fn look(asked: &Asked<'_>) -> Result<Value, Problem> {
    let Link { token } = asked.given()?;
    let open = asked.vault.approval(asked.now, &token).map_err(failed)?.filter(|shown| !shown.approved);
    Ok(open.map_or_else(|| state("gone"), |shown| json!({"state": "open", "language": shown.language})))
}

fn begin(asked: &Asked<'_>) -> Result<Value, Problem> {
    let Link { token } = asked.given()?;
    let begun = asked.vault.begin_approval(asked.now, &token).map_err(failed)?;
    Ok(begun.map_or_else(|| state("gone"), |begun| ceremony("open", &begun)))
}

fn finish(asked: &Asked<'_>) -> Result<Value, Problem> {
    let Finish { token, number, id, client_data, authenticator_data, signature, user } = asked.given()?;
    let number = hidden(number);
    let made = Assertion {
        id: &id.0,
        client_data: &client_data.0,
        authenticator_data: &authenticator_data.0,
        signature: &signature.0,
        user: user.as_ref().map(|user| user.0.as_slice()),
    };
    let told = asked.vault.approve(asked.now, &token, number.expose(), &made).map_err(failed)?;
    Ok(match told {
        Approved::Digits(digits) => json!({"state": "approved", "digits": digits.expose()}),
        Approved::WrongNumber => state("wrong_number"),
        Approved::NoPasskey => state("refused"),
        Approved::Gone => state("gone"),
    })
}

fn deny(asked: &Asked<'_>) -> Result<Value, Problem> {
    let Link { token } = asked.given()?;
    let denied = asked.vault.deny(asked.now, &token).map_err(failed)?;
    Ok(state(if denied { "denied" } else { "gone" }))
}
