//! Whether somebody speaks who is there now, as far as the sound tells.
//!
//! What a [`SpoofModel`] gives is a hint for the policy (`liveness: {joined: …}`, `voice.joined`): it says how much an utterance
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
