//! Types of values, and the fields that the engine offers to expressions.

use std::fmt;
use std::sync::Arc;

use crate::flow::document::Class;

/// What a value can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Keys `0`–`9`, leading zeros kept.
    Digits,
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// An amount with its currency, such as `1204.50 EUR`.
    Money,
    /// A calendar day, such as `2026-05-03`.
    Date,
    /// A time of day, such as `14:30`.
    Time,
    /// True or false.
    Flag,
    /// One of some words.
    Enum(Vec<Arc<str>>),
    /// A level of the policy, or `none`.
    Level,
    /// A language of the application.
    Language,
    /// A band of the policy's risk.
    Band,
    /// Several words.
    List,
}

impl Type {
    /// Its name in a flow.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Text => "text",
            Self::Number => "number",
            Self::Money => "money",
            Self::Date => "date",
            Self::Time => "time",
            Self::Flag => "flag",
            Self::Enum(_) => "enum",
            Self::Level => "level",
            Self::Language => "language",
            Self::Band => "band",
            Self::List => "list",
        }
    }

    /// Whether a value of this type can go where `to` is wanted.
    #[must_use]
    pub fn fits(&self, to: &Self) -> bool {
        match (self, to) {
            (Self::Enum(words), Self::Enum(allowed)) => words.iter().all(|word| allowed.contains(word)),
            // Everything with a spelling is text; a reply's text may hold money, a date or digits.
            (
                Self::Digits
                | Self::Enum(_)
                | Self::Level
                | Self::Language
                | Self::Date
                | Self::Time
                | Self::Money,
                Self::Text,
            ) => true,
            (from, to) => from == to,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $name:literal, $class:ident, $ty:ident;)+) => {
        /// Something that the engine knows about the call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field { $($(#[$doc])* $field,)+ }

        impl Field {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$field,)+];

            /// Its name in a flow.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$field => $name,)+ }
            }

            /// Where its value may travel.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$field => Class::$class,)+ }
            }

            /// What it is.
            #[must_use]
            pub const fn ty(self) -> Type {
                match self { $(Self::$field => Type::$ty,)+ }
            }
        }
    };
}

fields! {
    /// Our own name of the call.
    CallId = "call.id", Public, Text;
    /// The number that the call came from; unset when it was withheld.
    CallFrom = "call.from", Personal, Text;
    /// The number that was dialled.
    CallTo = "call.to", Public, Text;
    /// Whether the caller's number was withheld.
    CallAnonymous = "call.anonymous", Public, Flag;
    /// The language that the call is in.
    Language = "language", Public, Language;
    /// The level held now; `none` when there is none.
    AuthLevel = "auth.level", Public, Level;
    /// The names of the factors accepted so far.
    AuthFactors = "auth.factors", Public, List;
    /// Seconds since the level was reached; unset without a level.
    AuthAge = "auth.age", Public, Number;
    /// How many recovery codes are left, once one was accepted in this call; unset before.
    AuthRecoveryLeft = "auth.recovery_left", Public, Number;
    /// How far the network vouches for the caller's number: `A`, `B`, `C`, or `none` when it says nothing.
    CallAttestation = "call.attestation", Public, Text;
    /// What the check of the caller's number found: `passed`, `failed`, or `none` when it was not checked.
    CallVerstat = "call.verstat", Public, Text;
    /// Why it did not pass, in a word, such as `stale`; unset when it passed or nobody looked.
    CallVerstatReason = "call.verstat_reason", Public, Text;
    /// Whether the caller asked for their number to be kept from others; it is passed to nobody then.
    CallPrivate = "call.private", Public, Flag;
    /// What the caller's side said to ours when it called (User-to-User); unset when nothing.
    CallUserToUser = "call.user_to_user", Personal, Text;
    /// How often the call was sent on before it came here; unset when nobody tells.
    CallDiversions = "call.diversions", Public, Number;
    /// The number that was called first; unset when the call came straight here.
    CallFirstCalled = "call.first_called", Personal, Text;
    /// The number that sent the call here; unset when it came straight.
    CallDivertedBy = "call.diverted_by", Personal, Text;
    /// Why that one did, in a word such as `user-busy`; unset when the call came straight here.
    CallDiversionReason = "call.diversion_reason", Public, Text;
    /// The points that the last `risk` step added up; unset before.
    RiskScore = "risk.score", Public, Number;
    /// The band that they fall into; unset before.
    RiskBand = "risk.band", Public, Band;
    /// The signals that were there.
    RiskReasons = "risk.reasons", Public, List;
    /// Whether the caller has used a PIN for duress: they are not free. Let nobody hear it.
    RiskDuress = "risk.duress", Public, Flag;
    /// How many accounts this number has asked for within an hour; unset when nobody counts.
    AccountsPerCaller = "velocity.accounts_per_caller_1h", Public, Number;
    /// How many calls came from this number within an hour; unset when nobody counts.
    CallsPerCaller = "velocity.calls_per_caller_1h", Public, Number;
    /// How likely the voice is made by a machine, in percent; unset when nobody listens.
    VoiceSynthetic = "voice.synthetic", Public, Number;
    /// Whether the voice is that of somebody on the list of those who have deceived before; unset when nobody has
    /// listened, or the caller has not agreed to it.
    VoiceFraudster = "voice.fraudster", Public, Flag;
    /// Whether random digits that the caller said in this call sounded, once at least, as if they were put together from recordings;
    /// unset when nobody asked.
    VoiceJoined = "voice.joined", Public, Flag;
    /// The subject's own name in the store, for services.
    CustomerId = "customer.id", Personal, Text;
    /// In the prompts of an authentication: failures left.
    TriesLeft = "tries_left", Public, Number;
    /// In the prompt of an approval: the number to be matched on the page.
    MatchNumber = "match_number", Personal, Digits;
    /// In the prompt that asks for random digits: the digits.
    SpokenDigits = "spoken_digits", Personal, Digits;
    /// In the prompt that reads an answer back: the answer.
    Answer = "answer", Personal, Digits;
    /// In a queue's announcement: the caller's place, 1 for the next one.
    QueuePlace = "queue.place", Public, Number;
}

impl Field {
    /// By its name in a flow.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}
