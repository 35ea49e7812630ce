//! What is signed between the engine and somebody it shares a secret with: HMAC-SHA256 over the time and the body.
//!
//! `X-Countersign-Timestamp` has the seconds since 1970, `X-Countersign-Signature` the MAC of
//! `<timestamp>.<body>` in hexadecimal digits. Requests and reports are signed alike.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;

use super::outcome::ReportRefused;
use crate::secret::Secret;
use crate::units::UnixTime;

/// The header with the time.
pub(super) const TIMESTAMP: &str = "X-Countersign-Timestamp";
/// The header with the signature.
pub(super) const SIGNATURE: &str = "X-Countersign-Signature";
/// How far a report's time may be from now.
pub(super) const TOLERANCE: Duration = Duration::from_secs(300);

/// HMAC-SHA256.
pub(super) fn mac(secret: &Secret<String>, parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        // HMAC takes a key of any length.
        return [0; 32];
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// The signature of a body sent at a time, in seconds.
pub(super) fn sign(secret: &Secret<String>, seconds: i64, body: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&mac(secret, &[seconds.to_string().as_bytes(), b".", body]))
}

/// Whether two texts are the same, in time that depends on their lengths only.
pub(super) fn same(left: &str, right: &str) -> bool {
    Secret::new(left.to_owned()).matches(right.as_bytes())
}

/// Whether a time is near enough to now.
pub(super) fn fresh(now: UnixTime, seconds: i64) -> Result<(), ReportRefused> {
    let apart = now.seconds().abs_diff(seconds);
    if apart <= TOLERANCE.as_secs() { Ok(()) } else { Err(ReportRefused::Old) }
}

/// Checks a signed report.
pub(super) fn verify(
    secret: &Secret<String>,
    now: UnixTime,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
) -> Result<(), ReportRefused> {
    let seconds: i64 = timestamp.and_then(|text| text.parse().ok()).ok_or(ReportRefused::Signature)?;
    let given = signature.ok_or(ReportRefused::Signature)?.to_ascii_lowercase();
    // The signature first: who can't sign is not told what time it is here.
    if !same(&given, &sign(secret, seconds, body)) {
        return Err(ReportRefused::Signature);
    }
    fresh(now, seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_the_manual_says_and_any_change_breaks_it() {
        let secret = Secret::new("key".to_owned());
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let signature = sign(&secret, 1_700_000_000, br#"{"a":1}"#);
        let now = UnixTime(1_700_000_000_000);
        let check = |now, timestamp: &str, signature: &str, body: &[u8]| {
            verify(&secret, now, Some(timestamp), Some(signature), body)
        };
        assert_eq!(check(now, "1700000000", &signature, br#"{"a":1}"#), Ok(()));
        assert_eq!(check(now, "1700000000", &signature.to_uppercase(), br#"{"a":1}"#), Ok(()));
        for (timestamp, signature, body) in [
            ("1700000001", signature.as_str(), &br#"{"a":1}"#[..]),
            ("1700000000", &signature[1..], br#"{"a":1}"#),
            ("1700000000", &signature, br#"{"a":2}"#),
            ("", &signature, br#"{"a":1}"#),
        ] {
            assert_eq!(check(now, timestamp, signature, body), Err(ReportRefused::Signature));
        }
        assert_eq!(verify(&secret, now, None, None, b""), Err(ReportRefused::Signature));
        let late = UnixTime(1_700_000_301_000);
        assert_eq!(check(late, "1700000000", &signature, br#"{"a":1}"#), Err(ReportRefused::Old));
    }
}
