//! Time-based one-time passwords: RFC 6238 over RFC 4226.
//!
//! What is single use about them is the store's: it keeps the last accepted step of each enrolment and
//! moves it forward by compare-and-set. A code of that step or an earlier one is never right again.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::{FactorKind, JudgeError, Judged, Judging, Meeting};
use crate::auth::{FactorId, FactorPolicy};
use crate::secret::Secret;
use crate::units::UnixTime;

/// The factor's name.
pub const NAME: &str = "totp";
/// The seed is had: in a phone or a fob.
pub const KIND: FactorKind = FactorKind::Possession;
/// It is keyed when it is asked for.
pub const MEETING: Meeting = Meeting::Keyed;
/// Bytes of a new seed: RFC 4226 §4 R6 recommends 160 bits.
pub const SEED_BYTES: usize = 20;

/// What every authenticator app reads: six digits, 30 seconds, SHA-1, one step of drift.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { digits: 6..=6, ..FactorPolicy::plain(FactorId::Totp) }
}

/// The hash under the HMAC (RFC 6238 §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// What RFC 4226 says and every app understands.
    #[default]
    Sha1,
    /// RFC 6238's second.
    Sha256,
    /// RFC 6238's third.
    Sha512,
}

impl Algorithm {
    /// As in an `otpauth:` address.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// An enrolled generator's parameters: kept with its seed, so that a policy change does not break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// The hash.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: u8,
    /// Seconds of a step.
    pub step_seconds: u32,
}

impl Parameters {
    /// What a policy enrols.
    #[must_use]
    pub fn of(policy: &FactorPolicy) -> Self {
        let step_seconds = u32::try_from(policy.step.as_secs()).unwrap_or(30).max(1);
        Self { algorithm: policy.algorithm, digits: *policy.digits.end(), step_seconds }
    }

    /// The step at a time (RFC 6238 §4.2, T0 = 0).
    #[must_use]
    pub fn step_at(&self, now: UnixTime) -> u64 {
        u64::try_from(now.seconds()).unwrap_or(0) / u64::from(self.step_seconds.max(1))
    }

    /// The code of a step, as digits.
    #[must_use]
    pub fn code(&self, seed: &Secret<Vec<u8>>, step: u64) -> Secret<String> {
        one_time_code(self.algorithm, self.digits, seed, step)
    }

    /// The step that `response` is the code of: within `drift` steps of `now` and after `last`. All steps
    /// are computed and compared whatever the result, so the time taken says nothing.
    #[must_use]
    pub fn judge(
        &self,
        seed: &Secret<Vec<u8>>,
        now: UnixTime,
        drift: u8,
        last: Option<u64>,
        response: &Secret<String>,
    ) -> Option<u64> {
        let current = self.step_at(now);
        let mut matched = 0_u64;
        let steps = current.saturating_sub(drift.into())..=current.saturating_add(drift.into());
        for step in steps {
            let right = self.code(seed, step).expose().as_bytes().ct_eq(response.expose().as_bytes());
            matched.conditional_assign(&step, right);
        }
        // Step 0 is in 1970: no response can mean it.
        (matched != 0 && last.is_none_or(|last| matched > last)).then_some(matched)
    }

    /// The address that an authenticator app reads from a QR code.
    #[must_use]
    pub fn uri(&self, seed: &Secret<Vec<u8>>, issuer: &str, account: &str) -> Secret<String> {
        let (issuer, account) = (percent(issuer), percent(account));
        Secret::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm={}&digits={}&period={}",
            base32(seed).expose(),
            self.algorithm.name(),
            self.digits,
            self.step_seconds,
        ))
    }
}

/// What is kept at enrolment: the parameters in JSON, a line feed, the seed.
///
/// # Errors
/// Never in practice: the parameters are numbers and a name.
pub fn encode(parameters: Parameters, seed: &Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, JudgeError> {
    let mut data = serde_json::to_vec(&parameters).map_err(|_| JudgeError)?;
    data.push(b'\n');
    data.extend_from_slice(seed.expose());
    Ok(Secret::new(data))
}

/// Judges a code.
///
/// # Errors
/// When the kept data is not what [`encode`] writes.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    let data = judging.data.expose();
    let end = data.iter().position(|byte| *byte == b'\n').ok_or(JudgeError)?;
    let (parameters, seed) = data.split_at(end);
    let parameters: Parameters = serde_json::from_slice(parameters).map_err(|_| JudgeError)?;
    let seed = Secret::new(seed.get(1..).unwrap_or_default().to_vec());
    let drift = judging.policy.drift;
    let step = parameters.judge(&seed, judging.now, drift, judging.last_step, judging.response);
    Ok(Judged { right: step.is_some(), step, renewed: None })
}

/// The seed in base 32 without padding, for typing in.
#[must_use]
pub fn base32(seed: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(data_encoding::BASE32_NOPAD.encode(seed.expose()))
}

/// RFC 4226 §5.3 over the hashes of RFC 6238 §1.2: the code of a counter or time step.
pub(super) fn one_time_code(
    algorithm: Algorithm,
    digits: u8,
    seed: &Secret<Vec<u8>>,
    counter: u64,
) -> Secret<String> {
    let digest = match algorithm {
        Algorithm::Sha1 => mac_of::<Hmac<Sha1>>(seed, counter),
        Algorithm::Sha256 => mac_of::<Hmac<Sha256>>(seed, counter),
        Algorithm::Sha512 => mac_of::<Hmac<Sha512>>(seed, counter),
    };
    Secret::new(truncate(digest.expose(), digits))
}

fn mac_of<M: Mac + KeyInit>(seed: &Secret<Vec<u8>>, step: u64) -> Secret<Vec<u8>> {
    // HMAC takes a key of any length; the fallback can't happen and matches no code of anyone.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(seed.expose()) else {
        return Secret::new(Vec::new());
    };
    mac.update(&step.to_be_bytes());
    Secret::new(mac.finalize().into_bytes().to_vec())
}

/// RFC 4226 §5.3: four bytes at the offset that the last nibble names, without the sign bit.
fn truncate(digest: &[u8], digits: u8) -> String {
    let offset = usize::from(digest.last().copied().unwrap_or(0) & 0x0f);
    let word = digest.get(offset..offset + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
    let number = u32::from_be_bytes(word.unwrap_or_default()) & 0x7fff_ffff;
    let width = usize::from(digits.min(9));
    let modulus = 10_u32.pow(u32::from(digits.min(9)));
    format!("{:0width$}", number % modulus)
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(bytes: &[u8]) -> Secret<Vec<u8>> {
        Secret::new(bytes.to_vec())
    }

    fn parameters(algorithm: Algorithm, digits: u8) -> Parameters {
        Parameters { algorithm, digits, step_seconds: 30 }
    }

    #[test]
    fn rfc_4226_appendix_d() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, code) in (0..).zip(codes) {
            let made = parameters(Algorithm::Sha1, 6).code(&seed(b"12345678901234567890"), counter);
            assert_eq!(made.expose(), code, "counter {counter}");
        }
    }

    #[test]
    fn rfc_6238_appendix_b() {
        let digits = b"1234567890".repeat(7);
        let (sha1, sha256, sha512) = (&digits[..20], &digits[..32], &digits[..64]);
        let rows = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (seconds, one, two, three) in rows {
            for (algorithm, key, code) in [
                (Algorithm::Sha1, sha1, one),
                (Algorithm::Sha256, sha256, two),
                (Algorithm::Sha512, sha512, three),
            ] {
                let totp = parameters(algorithm, 8);
                let step = totp.step_at(UnixTime(seconds * 1000));
                assert_eq!(totp.code(&seed(key), step).expose(), code, "{algorithm:?} at {seconds}");
            }
        }
    }

    #[test]
    fn a_code_is_right_within_the_drift_and_after_the_last_step_only() {
        let totp = parameters(Algorithm::Sha1, 6);
        let key = seed(b"12345678901234567890");
        let now = UnixTime(1_700_000_000_000);
        let step = totp.step_at(now);
        for (offset, right) in [(-2_i64, false), (-1, true), (0, true), (1, true), (2, false)] {
            let of = step.checked_add_signed(offset).expect("far from zero");
            let judged = totp.judge(&key, now, 1, None, &totp.code(&key, of));
            assert_eq!(judged, right.then_some(of), "offset {offset}");
        }
        let code = totp.code(&key, step);
        assert_eq!(totp.judge(&key, now, 1, Some(step - 1), &code), Some(step));
        assert_eq!(totp.judge(&key, now, 1, Some(step), &code), None);
        assert_eq!(totp.judge(&key, now, 1, Some(step + 1), &code), None);
    }

    #[test]
    fn a_response_of_another_length_is_wrong() {
        let totp = parameters(Algorithm::Sha1, 6);
        let key = seed(b"12345678901234567890");
        let now = UnixTime(59_000);
        for response in ["", "2", "28708", "2870820", "287082 "] {
            assert_eq!(totp.judge(&key, now, 1, None, &Secret::new(response.into())), None);
        }
        assert_eq!(totp.judge(&key, now, 1, None, &Secret::new("287082".into())), Some(1));
    }

    #[test]
    fn the_address_names_everything_an_app_needs() {
        let uri = parameters(Algorithm::Sha1, 6).uri(&seed(b"12345678901234567890"), "Example Bank", "C1001");
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Example%20Bank:C1001?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Example%20Bank&algorithm=SHA1&digits=6&period=30"
        );
    }
}
