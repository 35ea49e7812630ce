//! The proof that goes to an agent: a JWS (RFC 7515) in compact form, signed with Ed25519 (RFC 8037).
//!
//! It says what was verified in which call and how long ago, for two minutes. Whoever has the public key
//! (`countersign keys`) can check it; nobody but the engine can make one.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AuthSession, SubjectKey};
use crate::units::{CallId, UnixTime};

/// Seconds that a token is good for: long enough to ring a telephone, too short to keep.
pub const LIFE_SECONDS: i64 = 120;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The call, as in its record.
    pub call: String,
    /// The subject's pseudonym; empty when nobody was claimed.
    pub sub: String,
    /// The level, `none` when nothing was proved.
    pub level: String,
    /// The factors proved.
    pub factors: Vec<String>,
    /// Seconds since the proof of the level.
    pub age: u64,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Not good from here on, seconds since 1970.
    pub exp: i64,
    /// For whom.
    pub aud: String,
}

impl Claims {
    /// What `session` has proved at `now`, for `agent`.
    #[must_use]
    pub fn of(
        session: &AuthSession,
        call: CallId,
        now: std::time::Instant,
        unix: UnixTime,
        agent: &str,
    ) -> Self {
        let pseudonym = |key: SubjectKey| key.to_string();
        Self {
            call: call.to_string(),
            sub: session.subject().map(|s| pseudonym(s.key())).unwrap_or_default(),
            level: session.level(now).to_string(),
            factors: session.factors().iter().map(|(factor, _)| factor.name().to_owned()).collect(),
            age: session.age(now).map_or(0, |age| age.as_secs()),
            iat: unix.seconds(),
            exp: unix.seconds().saturating_add(LIFE_SECONDS),
            aud: agent.to_owned(),
        }
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url with the header this engine writes.
    #[error("this is not a token of this engine")]
    Malformed,
    /// The signature is not this key's.
    #[error("the signature is wrong")]
    Signature,
    /// Too old, or of the future.
    #[error("the token is not good at this time")]
    Expired,
    /// Meant for somebody else.
    #[error("the token is for another agent")]
    Audience,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Signs what is claimed.
#[must_use]
pub fn sign(key: &SigningKey, claims: &Claims) -> String {
    let header = Header { alg: "EdDSA".into(), typ: "JWT".into(), kid: key_id(&key.verifying_key()) };
    // Neither type has a map with keys that are not text, so neither can fail.
    let encode = |json: serde_json::Result<Vec<u8>>| BASE64URL_NOPAD.encode(&json.unwrap_or_default());
    let signed = format!("{}.{}", encode(serde_json::to_vec(&header)), encode(serde_json::to_vec(claims)));
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
}

/// Reads a token that must be signed by `key`, be good at `now` and be meant for `audience`.
///
/// # Errors
/// The first thing that is wrong with it. The algorithm is never taken from the token.
pub fn verify(key: &VerifyingKey, token: &str, now: UnixTime, audience: &str) -> Result<Claims, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, body) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| TokenError::Malformed);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
    if header.alg != "EdDSA" {
        return Err(TokenError::Malformed);
    }
    let signature = Signature::from_slice(&decode(signature)?).map_err(|_| TokenError::Malformed)?;
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
    let claims: Claims = serde_json::from_slice(&decode(body)?).map_err(|_| TokenError::Malformed)?;
    if !(claims.iat..claims.exp).contains(&now.seconds()) {
        return Err(TokenError::Expired);
    }
    if claims.aud == audience { Ok(claims) } else { Err(TokenError::Audience) }
}

/// The public key as a JWK (RFC 8037 §2), for those who check tokens.
#[must_use]
pub fn jwk(key: &VerifyingKey) -> serde_json::Value {
    serde_json::json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": key_id(key),
        "x": BASE64URL_NOPAD.encode(key.as_bytes()),
    })
}

/// The key's thumbprint (RFC 7638 §3.1 with the members of RFC 8037 §2).
fn key_id(key: &VerifyingKey) -> String {
    let x = BASE64URL_NOPAD.encode(key.as_bytes());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64URL_NOPAD.encode(&Sha256::digest(members.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_700_000_000_000);

    fn claims() -> Claims {
        Claims {
            call: CallId(7).to_string(),
            sub: "ab".into(),
            level: "strong".into(),
            factors: vec!["pin".into(), "totp".into()],
            age: 42,
            iat: NOW.seconds(),
            exp: NOW.seconds() + LIFE_SECONDS,
            aud: "alice".into(),
        }
    }

    #[test]
    fn a_token_is_good_for_its_agent_and_its_two_minutes() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let token = sign(&key, &claims());
        let public = key.verifying_key();
        let at = |millis| UnixTime(NOW.0 + millis);
        assert_eq!(verify(&public, &token, NOW, "alice"), Ok(claims()));
        assert_eq!(verify(&public, &token, at(119_999), "alice"), Ok(claims()));
        assert_eq!(verify(&public, &token, at(120_000), "alice"), Err(TokenError::Expired));
        assert_eq!(verify(&public, &token, at(-1_000), "alice"), Err(TokenError::Expired));
        assert_eq!(verify(&public, &token, NOW, "bob"), Err(TokenError::Audience));
        let other = SigningKey::from_bytes(&[6; 32]).verifying_key();
        assert_eq!(verify(&other, &token, NOW, "alice"), Err(TokenError::Signature));
    }

    #[test]
    fn no_changed_token_is_taken() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let token = sign(&key, &claims());
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ascii");
            assert!(verify(&key.verifying_key(), &changed, NOW, "alice").is_err(), "byte {place}");
        }
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT","kid":""}"#);
        let body = token.split('.').nth(1).expect("three parts");
        assert!(verify(&key.verifying_key(), &format!("{none}.{body}."), NOW, "alice").is_err());
    }

    #[test]
    fn the_public_key_has_the_thumbprint_of_rfc_8037_appendix_a() {
        let secret =
            BASE64URL_NOPAD.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64url");
        let key = SigningKey::from_bytes(&secret.try_into().expect("32 bytes"));
        let jwk = jwk(&key.verifying_key());
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(jwk["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
