//! What our own calls present: `shaken` (RFC 8588) for a number of ours, `div` (RFC 8946) for a call that we send on.

use std::sync::Arc;

use super::Attestation;
use super::identity::IdentityHeader;
use super::number::{Number, NumberPlan};
use super::passport::{Claims, Ppt, Tn, Tns, signed_text};
use super::x5u::CertificateUrl;
use crate::units::{Entropy, UnixTime};

use data_encoding::BASE64URL_NOPAD;

/// Has the key. Signing takes some 30 µs; it waits for nothing.
pub trait Signer: Send + Sync {
    /// Signs with ES256: r and s; `None` when it can't.
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]>;
}

/// How far we vouch for numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attest {
    /// Beginnings of numbers, each with its level; the longest that fits counts.
    rules: Vec<(Number, Attestation)>,
    /// Of all others; `None`: calls from them are not signed.
    others: Option<Attestation>,
}

impl Attest {
    /// By these rules.
    #[must_use]
    pub const fn new(rules: Vec<(Number, Attestation)>, others: Option<Attestation>) -> Self {
        Self { rules, others }
    }

    /// The level for a number.
    #[must_use]
    pub fn level(&self, number: &Number) -> Option<Attestation> {
        let fits = self.rules.iter().filter(|(beginning, _)| number.as_str().starts_with(beginning.as_str()));
        fits.max_by_key(|(beginning, _)| beginning.as_str().len()).map(|(_, level)| *level).or(self.others)
    }
}

/// What calls are signed with.
#[derive(Clone)]
pub struct Signing {
    /// Where others find our certificate.
    pub certificate: CertificateUrl,
    /// How far we vouch.
    pub attest: Attest,
    /// Whether a caller who is put through to a telephone is shown there, with a `div` of ours.
    pub forward: bool,
    /// The number that shows otherwise.
    pub number: Option<Number>,
    /// How numbers are read.
    pub plan: NumberPlan,
    /// Has the key.
    pub signer: Arc<dyn Signer>,
}

impl Signing {
    /// The Identity header of a call from `orig` to `dest`; `None` when we don't vouch for it, or can't sign.
    #[must_use]
    pub fn shaken(
        &self,
        orig: &Number,
        dest: &Number,
        now: UnixTime,
        entropy: &mut Entropy,
    ) -> Option<String> {
        let level = self.attest.level(orig)?;
        let origid = uuid(entropy);
        let claims =
            Claims { attest: Some(level.name()), origid: Some(&origid), ..Claims::base(orig, dest, now) };
        self.write(Ppt::Shaken, &claims)
    }

    /// The Identity header that says that a call of `orig` came to `from` and goes on to `dest`.
    #[must_use]
    pub fn div(&self, orig: &Number, from: &Number, dest: &Number, now: UnixTime) -> Option<String> {
        let claims = Claims {
            div: Some(Tn { tn: from.as_str() }),
            dest: Tns { tn: [dest.as_str()] },
            ..Claims::base(orig, dest, now)
        };
        self.write(Ppt::Div, &claims)
    }

    fn write(&self, ppt: Ppt, claims: &Claims<'_>) -> Option<String> {
        let x5u = self.certificate.as_str();
        let text = signed_text(ppt, x5u, claims)?;
        let signature = self.signer.sign(text.as_bytes())?;
        let token = format!("{text}.{}", BASE64URL_NOPAD.encode(&signature));
        Some(IdentityHeader::write(&token, x5u, if ppt == Ppt::Div { "div" } else { "shaken" }))
    }
}

/// RFC 9562 §5.4: what names where a call came from is opaque, and of this call alone.
fn uuid(entropy: &mut Entropy) -> String {
    let (high, low) = (entropy.next_u64(), entropy.next_u64());
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let high = format!("{high:016x}");
    let low = format!("{low:016x}");
    let part = |text: &str, from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    [part(&high, 0, 8), part(&high, 8, 12), part(&high, 12, 16), part(&low, 0, 4), part(&low, 4, 16)]
        .join("-")
}
