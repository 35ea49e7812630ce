//! Whoever understands speech: the networks of this engine, or a recogniser outside of it.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::recogniser::{SpokenGrammar, Understood};
use super::utterance::Utterance;
use crate::secret::Secret;

/// What a caller is listened to for.
#[derive(Clone)]
pub struct Hearing {
    /// What may be said; `None` where only the voice matters, and nobody needs to understand it.
    pub grammar: Option<SpokenGrammar>,
    /// The language that is spoken, such as `en-GB`.
    pub language: Arc<str>,
    /// What the caller was told to say, where that is known: how much of it there is says how long an answer is.
    pub expected: Option<Secret<String>>,
    /// What is said is a secret: nobody outside of this engine hears it.
    pub secret: bool,
    /// The silence that ends it.
    pub silence: Duration,
    /// The longest.
    pub longest: Duration,
    /// Whether what ends now is an answer. While a prompt plays that a voice does not interrupt only what goes on after it
    /// is one.
    pub counts: bool,
}

impl PartialEq for Hearing {
    fn eq(&self, other: &Self) -> bool {
        let Self { grammar, language, expected, secret, silence, longest, counts } = self;
        let expects = match (expected, &other.expected) {
            (Some(one), Some(other)) => one.matches(other.expose().as_bytes()),
            (None, None) => true,
            _ => false,
        };
        expects
            && (grammar, language) == (&other.grammar, &other.language)
            && (secret, silence, longest, counts)
                == (&other.secret, &other.silence, &other.longest, &other.counts)
    }
}

impl Hearing {
    /// Whether two differ in nothing but whether an answer counts yet.
    #[must_use]
    pub fn asks_alike(&self, other: &Self) -> bool {
        Self { counts: other.counts, ..self.clone() } == *other
    }
}

/// Understands speech. Asked on a thread that may take its time.
pub trait Ear: Send + Sync {
    /// What it is called in logs and settings.
    fn name(&self) -> &str;

    /// Whether it knows the language of a tag such as `en-GB`.
    fn hears(&self, language: &str) -> bool;

    /// Whether the sound leaves this engine to be understood.
    fn is_outside(&self) -> bool {
        false
    }

    /// What may have been said, the surest first; empty when nothing that was listened for is in it.
    ///
    /// # Errors
    /// [`EarError`]: then nothing is known, and the caller has made no mistake.
    fn hear(&self, utterance: &Utterance, hearing: &Hearing) -> Result<Vec<Understood>, EarError>;
}

/// Why nobody can tell what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EarError {
    /// It is a language that nobody here knows.
    #[error("nobody hears this language")]
    Language,
    /// Too many callers speak at once.
    #[error("too many callers speak at once")]
    Full,
    /// The recogniser outside does not answer, or not in time.
    #[error("the recogniser does not answer")]
    Unreachable,
    /// The recogniser can't work on this.
    #[error("the recogniser failed")]
    Failed,
}

impl EarError {
    /// As records name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Language => "language",
            Self::Full => "full",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hearing_is_another_one_as_soon_as_anything_of_it_differs() {
        let hearing = |digits: usize, expected: Option<&str>, counts| Hearing {
            grammar: Some(SpokenGrammar::Digits { min: digits, max: digits }),
            language: Arc::from("en-GB"),
            expected: expected.map(|text| Secret::new(text.to_owned())),
            secret: false,
            silence: Duration::from_secs(1),
            longest: Duration::from_secs(20),
            counts,
        };
        let one = hearing(6, Some("123456"), true);
        assert!(one == hearing(6, Some("123456"), true));
        for other in [
            hearing(5, Some("123456"), true),
            hearing(6, Some("123457"), true),
            hearing(6, None, true),
            hearing(6, Some("123456"), false),
        ] {
            assert!(one != other);
        }
    }
}
