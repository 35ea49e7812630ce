//! Factors: what may prove a claim. A factor is a file here and a line in `factors!`.

pub mod foreign;
pub mod hotp;
pub mod number;
pub mod otp;
pub mod otp_call;
pub mod otp_email;
pub mod otp_sms;
pub mod password;
pub mod pin;
pub mod push;
pub mod questions;
pub mod recovery;
pub mod totp;
pub mod voiceprint;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FactorPolicy, SubjectKey};
use crate::secret::Secret;
use crate::units::UnixTime;

/// What a factor rests on. Two of one kind do not make two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactorKind {
    /// Something known.
    Knowledge,
    /// Something had.
    Possession,
    /// Something the caller is.
    Inherence,
}

/// How a caller meets a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meeting {
    /// They are asked for it and key it.
    Keyed,
    /// Something is sent to them first; they key what it says.
    Sent,
    /// Questions are chosen first; each is asked, and the answers are judged together.
    Asked,
    /// Nothing is asked: the call itself is judged.
    Silent,
    /// They are heard.
    Spoken,
}

/// All that a factor judges a response by.
pub struct Judging<'a> {
    /// What was kept at enrolment, opened.
    pub data: &'a Secret<Vec<u8>>,
    /// What the caller keyed.
    pub response: &'a Secret<String>,
    /// Whose it should be.
    pub subject: SubjectKey,
    /// Of which tenant.
    pub tenant: &'a str,
    /// The key outside of the database.
    pub pepper: &'a Secret<[u8; 32]>,
    /// The one to keep it with from now on, when that is another by now.
    pub fresh: Option<&'a Secret<[u8; 32]>>,
    /// Fresh randomness, for data that is to be renewed.
    pub salt: [u8; pin::SALT_BYTES],
    /// Now.
    pub now: UnixTime,
    /// How the factor is used.
    pub policy: &'a FactorPolicy,
    /// The last accepted step of a one-time code; of recovery codes, how many are used up.
    pub last_step: Option<u64>,
}

/// What a factor says of a response.
pub struct Judged {
    /// It is right, as far as the data says.
    pub right: bool,
    /// The step it used up; it counts only if the store can move to it.
    pub step: Option<u64>,
    /// The data as it should be kept from now on, when that changed; also of a wrong response.
    pub renewed: Option<Secret<Vec<u8>>>,
}

/// The enrolment's data can't be read or computed with. Says nothing of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an enrolment can't be read or computed with")]
pub struct JudgeError;

/// Makes [`FactorId`] from the list of factors. Each module has `NAME`, `KIND`, `MEETING`,
/// `defaults()` and `judge()`.
macro_rules! factors {
    ($($(#[$doc:meta])* $factor:ident = $module:ident,)+) => {
        /// A factor, by name.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FactorId { $($(#[$doc])* $factor,)+ }

        impl FactorId {
            /// Every factor this build knows.
            pub const ALL: &'static [Self] = &[$(Self::$factor,)+];

            /// Its name in flows, policies and headers.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$factor => $module::NAME,)+ }
            }

            /// What it rests on.
            #[must_use]
            pub const fn kind(self) -> FactorKind {
                match self { $(Self::$factor => $module::KIND,)+ }
            }

            /// How a caller meets it.
            #[must_use]
            pub const fn meeting(self) -> Meeting {
                match self { $(Self::$factor => $module::MEETING,)+ }
            }

            /// How it is used when a policy says nothing else.
            #[must_use]
            pub fn defaults(self) -> FactorPolicy {
                match self { $(Self::$factor => $module::defaults(),)+ }
            }

            /// Judges a response. The work does not depend on whether it is right.
            ///
            /// # Errors
            /// When the kept data can't be read: nothing is accepted then.
            pub fn judge(self, judging: &Judging<'_>) -> Result<Judged, JudgeError> {
                match self { $(Self::$factor => $module::judge(judging),)+ }
            }
        }
    };
}

factors! {
    /// A secret number, known.
    Pin = pin,
    /// A secret word, keyed, known.
    Password = password,
    /// Questions that only the subject can answer, known.
    Questions = questions,
    /// A code sent as a short message, had.
    OtpSms = otp_sms,
    /// A code sent by mail, had.
    OtpEmail = otp_email,
    /// A code told in a call to the number on file, had.
    OtpCall = otp_call,
    /// An approval on the caller's own device, had.
    Push = push,
    /// An authenticator app's code, had.
    Totp = totp,
    /// A key fob's code, had.
    Hotp = hotp,
    /// A code of a printed list, had.
    Recovery = recovery,
    /// The number that the call comes from, had.
    Number = number,
    /// The voice, which the caller is.
    Voiceprint = voiceprint,
}

/// What a pepper is to a factor's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peppering {
    /// Nothing: what is kept is sealed, not hashed.
    None,
    /// One right response is enough to hash all of it anew.
    Whole,
    /// It is hashed in parts, which one response does not renew.
    Parts,
}

impl FactorId {
    /// What the pepper is to its data.
    #[must_use]
    pub const fn peppering(self) -> Peppering {
        match self {
            Self::Pin | Self::Password => Peppering::Whole,
            Self::Questions | Self::Recovery => Peppering::Parts,
            Self::OtpSms
            | Self::OtpEmail
            | Self::OtpCall
            | Self::Push
            | Self::Totp
            | Self::Hotp
            | Self::Number
            | Self::Voiceprint => Peppering::None,
        }
    }

    /// The factor of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|factor| factor.name() == name)
    }
}

impl fmt::Display for FactorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for FactorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_factor_has_a_name_of_its_own_and_a_usable_default() {
        for factor in FactorId::ALL {
            assert_eq!(FactorId::from_name(factor.name()), Some(*factor));
            assert_eq!(factor.defaults().factor, *factor);
            assert_eq!(serde_json::to_value(factor).ok(), Some(factor.name().into()));
        }
        assert_eq!(FactorId::from_name("caller_id"), None);
    }
}
