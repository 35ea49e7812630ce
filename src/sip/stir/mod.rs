//! STIR/SHAKEN: who calls, signed by whoever vouches for the number.
//!
//! RFC 8224 (Identity), RFC 8225 (PASSporT), RFC 8588 (`shaken`), RFC 8946 (`div`), RFC 8226 (certificates with a
//! TNAuthList), in the terms of ATIS-1000074. [`examine`] reads what an INVITE presents and refuses what can be refused
//! without a certificate; [`Candidate::judge`] takes the certificates and says the rest; [`Signing`] writes what our own
//! calls present. Nothing here fetches, waits or asks what time it is.
//!
//! Not here: `rcd`, `rph` and other extensions (passed over), out-of-band PASSporTs, `JWTClaimConstraints` (a
//! certificate that has them is refused).

mod certificate;
mod der;
mod identity;
mod number;
mod passport;
mod replay;
mod sign;
mod tn_auth;
mod verify;
mod x5u;

#[cfg(test)]
#[path = "../../../tests/authority/mod.rs"]
pub(crate) mod authority;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;

pub use certificate::{Chain, Fingerprint, Trust, UnreadableFingerprint};
pub use identity::{IdentityHeader, MAX_IDENTITY};
pub use number::{Number, NumberPlan};
pub use passport::{Passport, Ppt};
pub use replay::{Replays, Seen};
pub use sign::{Attest, Signer, Signing};
pub use tn_auth::TnAuthList;
pub use verify::{Candidate, MAX_IDENTITIES, Presented, examine};
pub use x5u::CertificateUrl;

pub use crate::units::Attestation;

/// What is known of a caller's number, once it was looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Signed by somebody who may, for this call; how far they vouch, when they say so.
    Valid(Option<Attestation>),
    /// What the call presents does not hold.
    Invalid(Reason),
    /// It could not be told.
    Unverified(Reason),
    /// The call presents nothing.
    #[default]
    Absent,
}

impl Verdict {
    /// How far the number is vouched for: what was not verified is not.
    #[must_use]
    pub const fn level(self) -> Option<Attestation> {
        match self {
            Self::Valid(level) => level,
            Self::Invalid(_) | Self::Unverified(_) | Self::Absent => None,
        }
    }

    /// The word of 3GPP TS 24.229 §7.2A.20 for it: `passed`, `failed`, `none`.
    #[must_use]
    pub const fn verstat(self) -> &'static str {
        match self {
            Self::Valid(_) => "passed",
            Self::Invalid(_) => "failed",
            Self::Unverified(_) | Self::Absent => "none",
        }
    }

    /// Why it is not better; empty when it is valid.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Valid(_) => "",
            Self::Invalid(reason) | Self::Unverified(reason) => reason.name(),
            Self::Absent => "absent",
        }
    }
}

impl From<Reason> for Verdict {
    fn from(reason: Reason) -> Self {
        if reason.is_ours() { Self::Unverified(reason) } else { Self::Invalid(reason) }
    }
}

macro_rules! reasons {
    ($($name:ident = $word:literal, $is_ours:literal, $text:literal;)*) => {
        /// Why a call is not verified.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $text] $name,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its word, in records and flows.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// In words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Whether it says nothing of the caller: the check did not come about.
            #[must_use]
            pub const fn is_ours(self) -> bool {
                match self { $(Self::$name => $is_ours,)* }
            }
        }
    };
}

reasons! {
    Malformed = "malformed", false, "the Identity header or its PASSporT can't be read";
    Unsupported = "unsupported", true, "the PASSporT is of a kind that says nothing of the calling number";
    Algorithm = "algorithm", false, "it is not signed with ES256";
    CertificateUrl = "certificate_url", false, "the address of the certificate is not one that certificates are fetched from";
    Stale = "stale", false, "it was signed more than a minute ago";
    Future = "future", false, "it claims to be signed in the future";
    Caller = "caller", false, "it was signed for another calling number";
    Called = "called", false, "it was signed for a call to another number";
    Diversion = "diversion", false, "the call was diverted, and the diversions do not lead from the number it was signed for to here";
    CertificateUnavailable = "certificate_unavailable", true, "the certificate could not be fetched";
    CertificateUnreadable = "certificate_unreadable", false, "what was fetched is no certificate that can sign calls";
    Untrusted = "untrusted", false, "no authority of the list vouches for the certificate";
    CertificateExpired = "certificate_expired", false, "the certificate, or one above it, is not valid at this time";
    Revoked = "revoked", false, "the certificate is revoked";
    NotEntitled = "not_entitled", false, "the certificate does not entitle its holder to sign for this number";
    Signature = "signature", false, "the signature does not fit";
    Replayed = "replayed", false, "another call came with the same PASSporT";
    Carrier = "carrier", false, "the carrier says that its check failed";
    TooSlow = "too_slow", true, "the check took longer than a caller is to wait";
    Busy = "busy", true, "too many checks were under way";
}
