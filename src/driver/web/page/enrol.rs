//! What the page to enrol on asks.

use qrcode::{Color, QrCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, Bytes, Files, HTML, Link, SCRIPT, ceremony, failed, hidden, state};
use crate::auth::webauthn::{Algorithm, Registration};
use crate::driver::vault::{Begun, Finished};
use crate::driver::web::Problem;
use crate::secret::Secret;

pub(super) const FILES: Files =
    &[("", HTML, include_str!("enrol.html")), ("/enrol.js", SCRIPT, include_str!("enrol.js"))];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coded {
    token: String,
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    token: String,
    id: Bytes,
    client_data: Bytes,
    attestation: Bytes,
}

pub(super) fn answer(asked: &Asked<'_>, what: &str) -> Result<Option<Value>, Problem> {
    Ok(Some(match what {
        "look" => look(asked)?,
        "begin" => begin(asked)?,
        "finish" => finish(asked)?,
        "finish_code" => finish_code(asked)?,
        _ => return Ok(None),
    }))
}

fn look(asked: &Asked<'_>) -> Result<Value, Problem> {
    let Link { token } = asked.given()?;
    let open = asked.vault.link(asked.now, &token).map_err(failed)?;
    let told = |shown: crate::driver::vault::LinkShown| json!({"state": "open", "language": shown.language, "factor": shown.factor.name()});
    Ok(open.map_or_else(|| state("gone"), told))
}

fn begin(asked: &Asked<'_>) -> Result<Value, Problem> {
    let Coded { token, code } = asked.given()?;
    let begun = asked.vault.begin_link(asked.now, &token, &hidden(code)).map_err(failed)?;
    Ok(match begun {
        Begun::Passkey(begun) => {
            let mut told = ceremony("passkey", &begun);
            told["algorithms"] = Algorithm::ALL.iter().map(|algorithm| algorithm.number()).collect();
            told
        }
        Begun::Authenticator { uri, key } => {
            let (picture, key) = (picture(&uri), key.expose());
            json!({"state": "authenticator", "uri": uri.expose(), "key": key, "picture": picture})
        }
        Begun::Wrong(left) => json!({"state": "wrong", "left": left}),
        Begun::Gone => state("gone"),
    })
}

/// A QR code, a text of zeros and ones for each row.
fn picture(uri: &Secret<String>) -> Vec<String> {
    let Ok(code) = QrCode::new(uri.expose().as_bytes()) else { return Vec::new() };
    let cells = code.to_colors();
    let row = |row: &[Color]| row.iter().map(|cell| if *cell == Color::Dark { '1' } else { '0' }).collect();
    cells.chunks(code.width()).map(row).collect()
}

fn finish(asked: &Asked<'_>) -> Result<Value, Problem> {
    let Finish { token, id, client_data, attestation } = asked.given()?;
    let made = Registration { id: &id.0, client_data: &client_data.0, attestation: &attestation.0 };
    Ok(finished(asked.vault.finish_passkey(asked.now, &token, &made).map_err(failed)?))
}

fn finish_code(asked: &Asked<'_>) -> Result<Value, Problem> {
    let Coded { token, code } = asked.given()?;
    Ok(finished(asked.vault.finish_authenticator(asked.now, &token, &hidden(code)).map_err(failed)?))
}

fn finished(told: Finished) -> Value {
    state(match told {
        Finished::Done => "done",
        Finished::Refused => "refused",
        Finished::Gone => "gone",
    })
}
