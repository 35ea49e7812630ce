//! Whether somebody speaks who is there now, as far as the sound tells.
//!
//! What a [`SpoofModel`] gives is a hint for the policy (`voice.synthetic`), never a verdict: it says how much an utterance
//! is like what the model was made to find, and nothing of what it was not made for. The strength of a spoken challenge
//! is that its words are new.

mod joins;
mod weights;

pub use joins::{Joins, TRAITS, Weights, traits};

/// Tells natural speech from what only sounds like it.
pub trait SpoofModel: Send + Sync {
    /// Which model it is: decisions that it had a part in say so.
    fn identity(&self) -> &str;

    /// How much these samples at 8,000 Hz are like what it looks for, in percent; `None` where it can't tell, as with
    /// too little speech.
    fn score(&self, samples: &[i16]) -> Option<u8>;
}

/// The most that any of these models says, and which one that is.
#[must_use]
pub fn advice<'a>(models: &[&'a dyn SpoofModel], samples: &[i16]) -> Option<(u8, &'a str)> {
    let scores = models.iter().filter_map(|model| Some((model.score(samples)?, model.identity())));
    scores.max_by_key(|(score, _)| *score)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(&'static str, Option<u8>);

    impl SpoofModel for Fixed {
        fn identity(&self) -> &str {
            self.0
        }

        fn score(&self, _: &[i16]) -> Option<u8> {
            self.1
        }
    }

    #[test]
    fn the_most_suspicious_model_is_heard() {
        let (one, other, none) = (Fixed("one", Some(10)), Fixed("other", Some(70)), Fixed("none", None));
        assert_eq!(advice(&[&one, &none, &other], &[]), Some((70, "other")));
        assert_eq!(advice(&[&none], &[]), None);
    }
}
