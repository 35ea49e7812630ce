//! `clientDataJSON`: what the browser says of the page (§5.8.1).

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use super::Refusal;

/// The type of a registration.
pub(super) const CREATE: &str = "webauthn.create";
/// The type of an assertion.
pub(super) const GET: &str = "webauthn.get";

/// What is looked at; §5.8.1 lets browsers add more.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

pub(super) fn check(json: &[u8], kind: &str, challenge: &[u8], origin: &str) -> Result<(), Refusal> {
    let data: ClientData = serde_json::from_slice(json).map_err(|_| Refusal::ClientData)?;
    if data.kind != kind {
        return Err(Refusal::Type);
    }
    if data.challenge != BASE64URL_NOPAD.encode(challenge) {
        return Err(Refusal::Challenge);
    }
    if data.origin != origin {
        return Err(Refusal::Origin);
    }
    if data.cross_origin || data.top_origin.is_some() {
        return Err(Refusal::CrossOrigin);
    }
    Ok(())
}
