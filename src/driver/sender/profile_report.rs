//! What providers of short messages report over the web. Who can't sign is not listened to.

use serde_json::Value;

use super::letter::LetterId;
use super::outcome::{Report, ReportRefused, Status};
use super::profile::Profile;
use super::sms_http::Settings;
use super::{Told, signed, web};
use crate::secret::Secret;
use crate::units::UnixTime;

/// Checks and reads a report.
pub(super) fn read(
    settings: &Settings,
    secret: &Secret<String>,
    told: &Told<'_>,
    now: UnixTime,
) -> Result<Vec<Report>, ReportRefused> {
    let report = match settings.profile {
        Profile::Signed => own(secret, told, now),
        Profile::Twilio | Profile::TwilioCall => {
            let callback = settings.callback.as_deref().unwrap_or_default();
            let base = callback.split('?').next().unwrap_or_default();
            let url = if told.query.is_empty() { base.to_owned() } else { format!("{base}?{}", told.query) };
            twilio(secret, &url, told)
        }
        Profile::VonageForm => vonage_form(secret, told, now),
        Profile::VonageJson => vonage_json(secret, told, now),
    }?;
    // A word of being under way changes nothing.
    Ok(report.into_iter().collect())
}

pub(super) type Read = Result<Option<Report>, ReportRefused>;

fn letter_named(name: &str) -> Option<LetterId> {
    let bytes = data_encoding::HEXLOWER.decode(name.as_bytes()).ok()?;
    bytes.try_into().ok().map(LetterId)
}

/// A status by the words that providers use for it; none for those of being under way.
fn status(word: &str) -> Option<Status> {
    match word {
        "delivered" | "read" | "completed" => Some(Status::Delivered),
        "failed" | "undelivered" | "rejected" | "expired" | "undeliverable" | "busy" | "no-answer"
        | "canceled" => Some(Status::Failed),
        _ => None,
    }
}

/// Ours: JSON with `id` (what the letter was called in the request) or `reference` (in the reply), `status`, `code`.
pub(super) fn own(secret: &Secret<String>, told: &Told<'_>, now: UnixTime) -> Read {
    signed::verify(secret, now, told.header(signed::TIMESTAMP), told.header(signed::SIGNATURE), told.body)?;
    let body: Value = serde_json::from_slice(told.body).map_err(|_| ReportRefused::Garbage)?;
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let letter = letter_named(text("id"));
    if letter.is_none() && text("reference").is_empty() {
        return Err(ReportRefused::Garbage);
    }
    Ok(status(text("status")).map(|status| Report {
        reference: text("reference").to_owned(),
        letter,
        status,
        code: body["code"].as_u64().and_then(|code| u32::try_from(code).ok()),
        why: None,
    }))
}

/// Twilio: `X-Twilio-Signature` is HMAC-SHA1 with the account's token over the address and, sorted by name, each
/// parameter and its value. The address is the one that the provider was given: what stands between it and us may
/// have written another. <https://www.twilio.com/docs/usage/security#validating-requests>
fn twilio(secret: &Secret<String>, url: &str, told: &Told<'_>) -> Read {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let given = told.header("X-Twilio-Signature").ok_or(ReportRefused::Signature)?;
    let mut pairs = web::pairs(told.body).ok_or(ReportRefused::Garbage)?;
    pairs.sort();
    let mac = Hmac::<sha1::Sha1>::new_from_slice(secret.expose().as_bytes());
    let mut mac = mac.map_err(|_| ReportRefused::Secret)?;
    mac.update(url.as_bytes());
    for (name, value) in &pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    if !signed::same(given, &data_encoding::BASE64.encode(&mac.finalize().into_bytes())) {
        return Err(ReportRefused::Signature);
    }
    let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let reference = value("MessageSid").or(value("CallSid")).ok_or(ReportRefused::Garbage)?;
    let word = value("MessageStatus").or(value("CallStatus")).ok_or(ReportRefused::Garbage)?;
    // The address was signed: the letter's name in it is what we put there.
    let query = web::pairs(told.query.as_bytes()).unwrap_or_default();
    let letter = query.into_iter().find(|(name, _)| name == "letter");
    Ok(status(word).map(|status| Report {
        reference: reference.to_owned(),
        letter: letter.and_then(|(_, name)| letter_named(&name)),
        status,
        code: value("ErrorCode").and_then(|code| code.parse().ok()),
        why: None,
    }))
}

/// Vonage's SMS API: `sig` is HMAC-SHA256 with the signature secret over `&name=value` of all other parameters,
/// sorted by name, with `&` and `=` in values written `_`. The parameters come as a form or as JSON.
/// <https://developer.vonage.com/en/getting-started/concepts/signing-messages>
fn vonage_form(secret: &Secret<String>, told: &Told<'_>, now: UnixTime) -> Read {
    let mut pairs = match serde_json::from_slice::<Value>(told.body) {
        Ok(Value::Object(map)) => map.into_iter().map(|(name, value)| (name, flat(&value))).collect(),
        _ => web::pairs(told.body).ok_or(ReportRefused::Garbage)?,
    };
    pairs.sort();
    let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let given = value("sig").ok_or(ReportRefused::Signature)?.to_ascii_lowercase();
    let mut text = String::new();
    for (name, value) in pairs.iter().filter(|(name, _)| name != "sig") {
        text.push_str(&format!("&{name}={}", value.replace(['&', '='], "_")));
    }
    if !signed::same(&given, &data_encoding::HEXLOWER.encode(&signed::mac(secret, &[text.as_bytes()]))) {
        return Err(ReportRefused::Signature);
    }
    signed::fresh(now, value("timestamp").and_then(|at| at.parse().ok()).ok_or(ReportRefused::Garbage)?)?;
    let reference = value("messageId").ok_or(ReportRefused::Garbage)?;
    let word = value("status").ok_or(ReportRefused::Garbage)?;
    Ok(status(word).map(|status| Report {
        reference: reference.to_owned(),
        letter: value("client-ref").and_then(letter_named),
        status,
        code: value("err-code").and_then(|code| code.parse().ok()),
        why: None,
    }))
}

fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Vonage's Messages API: a JSON Web Token (HS256, RFC 7519) in `Authorization`, whose `payload_hash` is the
/// SHA-256 of the body. <https://developer.vonage.com/en/getting-started/concepts/webhooks>
fn vonage_json(secret: &Secret<String>, told: &Told<'_>, now: UnixTime) -> Read {
    use sha2::Digest as _;
    let token = told.header("Authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or(ReportRefused::Signature)?;
    let (covered, given) = token.rsplit_once('.').ok_or(ReportRefused::Signature)?;
    let (head, claims) = covered.split_once('.').ok_or(ReportRefused::Signature)?;
    let decode = |part: &str| {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()
    };
    let expected = data_encoding::BASE64URL_NOPAD.encode(&signed::mac(secret, &[covered.as_bytes()]));
    // The algorithm is ours to choose: a token that names another one is none.
    if !signed::same(given, &expected) || decode(head).is_none_or(|head| head["alg"] != "HS256") {
        return Err(ReportRefused::Signature);
    }
    let claims = decode(claims).ok_or(ReportRefused::Garbage)?;
    let hash = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(told.body));
    if !signed::same(claims["payload_hash"].as_str().unwrap_or_default(), &hash) {
        return Err(ReportRefused::Signature);
    }
    signed::fresh(now, claims["iat"].as_i64().ok_or(ReportRefused::Garbage)?)?;
    let body: Value = serde_json::from_slice(told.body).map_err(|_| ReportRefused::Garbage)?;
    let reference = body["message_uuid"].as_str().ok_or(ReportRefused::Garbage)?;
    let word = body["status"].as_str().ok_or(ReportRefused::Garbage)?;
    let code = body["error"]["title"].as_str().and_then(|title| title.parse().ok());
    Ok(status(word).map(|status| Report {
        reference: reference.to_owned(),
        letter: body["client_ref"].as_str().and_then(letter_named),
        status,
        code,
        why: None,
    }))
}

#[cfg(test)]
#[path = "profile_report_tests.rs"]
mod tests;
