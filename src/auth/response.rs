//! What a caller gives to be judged: keys, or what they said.

use std::sync::Arc;

use crate::secret::Secret;
use crate::voice::Utterance;

/// A response to a challenge.
#[derive(Clone)]
pub enum Response {
    /// What the caller keyed; a line for each question, or what the call itself shows.
    Keyed(Secret<String>),
    /// What the caller said.
    Spoken(Spoken),
}

impl From<Secret<String>> for Response {
    fn from(keyed: Secret<String>) -> Self {
        Self::Keyed(keyed)
    }
}

impl Response {
    /// The keys, where it is keys.
    #[must_use]
    pub const fn keyed(&self) -> Option<&Secret<String>> {
        match self {
            Self::Keyed(keyed) => Some(keyed),
            Self::Spoken(_) => None,
        }
    }
}

/// What a caller said for their voice to be judged by, or kept. Biometric: no `Debug`.
#[derive(Clone, Default)]
pub struct Spoken {
    /// Utterance by utterance.
    pub said: Vec<Said>,
    /// What the caller was told and agreed to, where the voice is to be kept.
    pub consent: String,
}

/// One utterance.
#[derive(Clone)]
pub struct Said {
    /// Its sound.
    pub utterance: Arc<Utterance>,
    /// Whether the words were those that were asked for.
    pub words: Words,
}

/// Whether the words of an utterance were those that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// None were asked for: the caller spoke of their own affairs.
    Any,
    /// Those.
    Right,
    /// Perhaps those.
    Unsure,
    /// Others.
    Other,
}

impl Words {
    /// The worse of two.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Other, _) | (_, Self::Other) => Self::Other,
            (Self::Unsure, _) | (_, Self::Unsure) => Self::Unsure,
            (Self::Right, _) | (_, Self::Right) => Self::Right,
            (Self::Any, Self::Any) => Self::Any,
        }
    }
}
