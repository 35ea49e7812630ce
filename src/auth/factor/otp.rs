//! What codes that are sent have in common: how they are made, kept, sent again and judged.
//!
//! A code is kept as HMAC(key, "code" ‖ request ‖ code) beside the random request it was made for, so a stolen
//! database gives nothing to guess against without the key outside of it. One code of a subject and factor is good
//! at a time, once; a new one makes the one before it worthless and forgives no failure.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{JudgeError, Judged, Judging};
use crate::auth::{FactorId, FactorPolicy};
use crate::secret::Secret;
use crate::units::UnixTime;

/// Bytes of a request's name.
pub const REQUEST_BYTES: usize = 16;
/// NIST SP 800-63B-4 §3.1.3.2: a code is good for ten minutes at most.
pub const LONGEST_LIFE: Duration = Duration::from_secs(600);
/// The shortest code: 20 bits, as SP 800-63B-4 §3.1.3.2 asks for.
pub const SHORTEST: u8 = 6;
/// The longest code that callers key without a slip.
pub const LONGEST: u8 = 8;
/// Within this time a code is sent `1 + resend.max` times, unless one of them was right.
pub const WINDOW: Duration = Duration::from_secs(3600);

/// The way that something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// As a short message to the number on file.
    Sms,
    /// As a mail to the address on file.
    Email,
    /// Told in a call to the number on file.
    Call,
    /// To an application on the subject's device.
    Push,
}

impl Way {
    /// How a factor's code is sent when a policy says nothing else.
    #[must_use]
    pub const fn of(factor: FactorId) -> Self {
        match factor {
            FactorId::OtpEmail => Self::Email,
            FactorId::OtpCall => Self::Call,
            _ => Self::Sms,
        }
    }
}

/// How often and how soon a code may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// How often after the first time, within [`WINDOW`].
    pub max: u8,
    /// Not sooner after the time before.
    pub gap: Duration,
}

impl Default for Resend {
    fn default() -> Self {
        Self { max: 2, gap: Duration::from_secs(30) }
    }
}

/// Six digits that are good for five minutes.
#[must_use]
pub fn defaults(factor: FactorId) -> FactorPolicy {
    FactorPolicy { digits: SHORTEST..=SHORTEST, ..FactorPolicy::plain(factor) }
}

/// When codes were sent, milliseconds since 1970, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sends(Vec<i64>);

/// Whether a code may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// It may.
    Send,
    /// The one before was sent a moment ago.
    TooSoon,
    /// As many as the policy allows were sent.
    Exhausted,
}

impl Sends {
    /// Whether another may be sent at `now`.
    #[must_use]
    pub fn may(&self, now: UnixTime, resend: Resend) -> May {
        let within = |limit: Duration| self.0.iter().filter(move |at| now.since(UnixTime(**at)) < limit);
        if within(WINDOW).count() > usize::from(resend.max) {
            May::Exhausted
        } else if within(resend.gap).next().is_some() {
            May::TooSoon
        } else {
            May::Send
        }
    }

    /// One more was sent; those that no rule asks about any more go.
    pub fn sent(&mut self, now: UnixTime) {
        self.0.retain(|at| now.since(UnixTime(*at)) < WINDOW);
        self.0.push(now.0);
    }
}

/// The code's tag: what is kept of it.
#[must_use]
pub fn tag(key: &Secret<[u8; 32]>, request: &[u8; REQUEST_BYTES], code: &Secret<String>) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose()) else {
        // HMAC takes a key of any length; this matches no code of anyone.
        return [0; 32];
    };
    mac.update(b"code");
    mac.update(request);
    mac.update(code.expose().as_bytes());
    mac.finalize().into_bytes().into()
}

/// What is kept of a request, as [`judge`] reads it.
#[must_use]
pub fn encode(request: &[u8; REQUEST_BYTES], tag: &[u8; 32]) -> Secret<Vec<u8>> {
    Secret::new([request.as_slice(), tag.as_slice()].concat())
}

/// Judges a code against its request: the same work for every code. Whether the request is still good is for
/// whoever keeps it.
///
/// # Errors
/// When the data is not what [`encode`] writes.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    let (request, kept) = judging.data.expose().split_at_checked(REQUEST_BYTES).ok_or(JudgeError)?;
    let request = request.try_into().map_err(|_| JudgeError)?;
    let right = tag(judging.pepper, request, judging.response).ct_eq(kept).into();
    Ok(Judged { right, step: None, renewed: None })
}

/// What is written to somebody of this language: the policy's text with the code or the link in it, or words of
/// the engine's own.
#[must_use]
pub fn written(policy: &FactorPolicy, language: &str, said: &Secret<String>) -> Secret<String> {
    let own = policy.text.iter().find(|(of, _)| of == language);
    let similar = || policy.text.iter().find(|(of, _)| primary(of) == primary(language));
    let text = own.or_else(similar).or(policy.text.first()).map(|(_, text)| text.as_str());
    let text = text.unwrap_or(match (primary(language), policy.factor) {
        ("es", FactorId::Push) => "Nos esta llamando ahora? Confirmelo aqui: ${link} Si no, no lo abra.",
        ("es", _) => "Su codigo es ${code}. Nadie le llamara para pedirselo.",
        (_, FactorId::Push) => "Are you calling us now? Confirm it here: ${link} If not, do not open it.",
        _ => "Your code is ${code}. Nobody will call you to ask for it.",
    });
    let mut out = String::with_capacity(text.len() + said.expose().len());
    let name = if policy.factor == FactorId::Push { "${link}" } else { "${code}" };
    let mut parts = text.split(name);
    out.extend(parts.next());
    parts.for_each(|part| out.extend([said.expose().as_str(), part]));
    Secret::new(out)
}

/// The line above it, for mails. It never has the code in it.
#[must_use]
pub fn title(policy: &FactorPolicy, language: &str) -> &'static str {
    match (primary(language), policy.factor) {
        ("es", FactorId::Push) => "Su llamada",
        ("es", _) => "Su codigo",
        (_, FactorId::Push) => "Your call",
        _ => "Your code",
    }
}

fn primary(language: &str) -> &str {
    language.split('-').next().unwrap_or_default()
}

/// A number of `digits` digits made of random bytes; `None` for the few bytes that would make some numbers more
/// likely than others: draw again.
#[must_use]
pub fn number(random: [u8; 8], digits: u8) -> Option<Secret<String>> {
    let modulus = 10_u64.checked_pow(u32::from(digits))?;
    let drawn = u64::from_be_bytes(random);
    let width = usize::from(digits);
    (drawn < u64::MAX - u64::MAX % modulus).then(|| Secret::new(format!("{:0width$}", drawn % modulus)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_sent_again_after_a_gap_and_not_for_ever() {
        let (rules, mut sends) = (Resend::default(), Sends::default());
        let at = |seconds: i64| UnixTime(1_700_000_000_000 + seconds * 1000);
        for turn in 0..3 {
            assert_eq!(sends.may(at(turn * 30), rules), May::Send, "turn {turn}");
            sends.sent(at(turn * 30));
            let next = if turn == 2 { May::Exhausted } else { May::TooSoon };
            assert_eq!(sends.may(at(turn * 30 + 29), rules), next, "turn {turn}");
        }
        assert_eq!(sends.may(at(3599), rules), May::Exhausted);
        assert_eq!(sends.may(at(3600), rules), May::Send, "the first is an hour ago");
    }

    #[test]
    fn a_clock_that_jumps_back_lets_nobody_send_more() {
        let (rules, mut sends) = (Resend::default(), Sends::default());
        let noon = UnixTime(1_700_000_000_000);
        (0..3).for_each(|_| sends.sent(noon));
        assert_eq!(sends.may(UnixTime(noon.0 - 60_000), rules), May::Exhausted);
    }

    #[test]
    fn a_tag_fits_one_code_of_one_request_only() {
        let key = Secret::new([7; 32]);
        let code = |text: &str| Secret::new(text.to_owned());
        let own = tag(&key, &[1; 16], &code("042137"));
        assert_ne!(own, tag(&key, &[1; 16], &code("042138")));
        assert_ne!(own, tag(&key, &[2; 16], &code("042137")));
        assert_ne!(own, tag(&Secret::new([8; 32]), &[1; 16], &code("042137")));
        let judge = |text: &str| {
            let (data, response) = (encode(&[1; 16], &own), code(text));
            let policy = defaults(FactorId::OtpSms);
            let judging = Judging {
                data: &data,
                response: &response,
                subject: crate::auth::SubjectKey([0; 16]),
                tenant: "default",
                pepper: &key,
                fresh: None,
                salt: [0; 16],
                now: UnixTime(0),
                policy: &policy,
                last_step: None,
            };
            super::judge(&judging).map(|judged| judged.right)
        };
        assert_eq!(judge("042137"), Ok(true));
        for wrong in ["042138", "", "0421370", "42137", " 042137"] {
            assert_eq!(judge(wrong), Ok(false), "{wrong}");
        }
    }

    #[test]
    fn every_number_is_as_likely_and_has_its_zeros() {
        assert_eq!(number([0; 8], 6).map(|n| n.expose().clone()).as_deref(), Some("000000"));
        assert_eq!(
            number(42_000_007_u64.to_be_bytes(), 6).map(|n| n.expose().clone()).as_deref(),
            Some("000007")
        );
        assert!(number([0xff; 8], 6).is_none(), "beyond the last whole million");
    }
}
