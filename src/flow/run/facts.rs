//! What is known of a call before its flow starts, and what the engine around it can do.

use std::fmt;
use std::sync::Arc;

pub use crate::auth::Attestation;
use crate::units::CallId;

/// What is known of a call before its flow starts.
#[derive(Clone)]
pub struct CallFacts {
    /// Our name for the call.
    pub call: CallId,
    /// The caller's number as the trunk gave it (class personal); `None` when it is hidden.
    pub from: Option<String>,
    /// The number that was dialled.
    pub to: String,
    /// Where the call's chances come from (`split`): any number, another one for each call.
    pub seed: u64,
    /// What the engine around the flow can do.
    pub abilities: Abilities,
    /// The languages whose speech somebody hears, by their tags; all of them when `None`.
    pub hears: Option<Arc<[Box<str>]>>,
    /// What the network and the engine tell about the caller besides.
    pub signals: Signals,
    /// How the call came here.
    pub journey: Journey,
}

impl CallFacts {
    /// A call of which no more is known than its numbers, by an engine that can do no more than keys.
    #[must_use]
    pub fn new(call: CallId, from: Option<String>, to: String) -> Self {
        let (abilities, signals) = (Abilities::default(), Signals::default());
        Self { call, from, to, seed: 1, abilities, hears: None, signals, journey: Journey::default() }
    }

    /// Whether somebody knows the words of the language with this tag.
    pub(super) fn knows(&self, tag: &str) -> bool {
        self.hears.as_ref().is_none_or(|hears| hears.iter().any(|language| **language == *tag))
    }
}

impl fmt::Debug for CallFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFacts").field("call", &self.call).finish_non_exhaustive()
    }
}

/// What the engine around a flow can do beyond keys, prompts and hand-offs. A step that needs what is not
/// there is `unavailable`; one that also takes keys goes on with keys alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// There is a recogniser: [`super::Input::Spoken`] may come.
    pub speech: bool,
    /// There is a payment service that takes cards, and a media path that keeps them from everybody else.
    pub cards: bool,
    /// There is an engine that compares voices.
    pub voice: bool,
    /// There is a recorder: [`super::Output::Recording`] is carried out.
    pub recorder: bool,
    /// Somebody outside records calls and is told by the audit log's events when nothing may be recorded.
    pub outside_recorders: bool,
}

/// What a check of the caller's number found (3GPP TS 24.229 §7.2A.20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumberCheck {
    /// `passed`, `failed`; `None`: it was not checked, or could not be.
    pub verstat: Option<&'static str>,
    /// Why it did not pass, in a word.
    pub reason: Option<&'static str>,
}

/// What is told about a caller beside their number. What is `None` is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// How far the network vouches for the number (RFC 8588 §4).
    pub attestation: Option<Attestation>,
    /// What a check of the number found.
    pub number: NumberCheck,
    /// How many accounts this number has asked for within the last hour.
    pub accounts_per_caller_1h: Option<u32>,
    /// How many calls came from this number within the last hour.
    pub calls_per_caller_1h: Option<u32>,
    /// How likely the voice is made by a machine, in percent.
    pub synthetic_voice: Option<u8>,
    /// Whether what was said to be known by the voice sounded, once at least, as if it were put together from recordings.
    pub joined_voice: Option<bool>,
    /// Whether the voice is on the list of those who have deceived before.
    pub known_fraudster: Option<bool>,
}

/// How a call came here, as far as a trunk tells whose word counts. Nothing of it is proved.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Journey {
    /// The caller wants their number kept from others (RFC 3323).
    pub private: bool,
    /// What the caller's side says to ours (RFC 7433; class personal).
    pub user_to_user: Option<Arc<str>>,
    /// How often the call was sent on; `None`: nobody tells.
    pub diversions: Option<u32>,
    /// The number that was called first (class personal).
    pub first_called: Option<Arc<str>>,
    /// The number that sent it here (class personal).
    pub diverted_by: Option<Arc<str>>,
    /// Why that one did, in a word of RFC 5806 §6.
    pub diversion_reason: Option<&'static str>,
}

impl fmt::Debug for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journey").field("diversions", &self.diversions).finish_non_exhaustive()
    }
}
