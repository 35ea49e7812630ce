//! What voices say and whose they are: networks that run on the processor, without a clock or a file.
//!
//! Models come in as octets that somebody else has read and whose hash is known; a model that is not what this
//! engine knows is refused with the name of what differs.

pub mod ear;
pub mod liveness;
pub mod model;
pub mod nn;
pub mod print;
pub mod recogniser;
pub mod state_dict;
pub mod utterance;
pub mod words;
pub mod zip;

pub use ear::{Ear, EarError, Hearing};
pub use recogniser::{SpokenGrammar, Understood};
pub use utterance::{Ended, Utterance};
