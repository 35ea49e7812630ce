//! What an input step asks for.

use crate::auth::{Challenge, FactorId};
use crate::secret::Secret;
use crate::units::Digit;

use super::challenge::{Remark, Wish};

/// What is asked for.
pub(super) enum What {
    Language,
    Digits,
    /// The options on offer, as indices.
    Choice(Vec<usize>),
    /// How many of the keys mean yes.
    YesNo {
        yes: usize,
    },
    Factor {
        challenge: Challenge,
        remark: Option<Remark>,
        /// Keys that are no response, before one is begun.
        wishes: Vec<(Digit, Wish)>,
        /// What is to be said, where the caller is to be heard.
        voice: Option<ToSay>,
    },
    /// Which factor, each by a key.
    Method {
        methods: Vec<(Digit, FactorId)>,
        remark: Option<Remark>,
    },
    /// A part of a step that asks for several, after a remark.
    Part {
        at: usize,
        remark: Option<&'static str>,
    },
}

/// What a caller is to say to be known by their voice.
pub(super) struct ToSay {
    /// These digits; a phrase when `None`.
    pub(super) digits: Option<Secret<String>>,
}
