//! What is settled about a peer's media before it describes any.

use super::inband::InbandKeys;

/// The terms of a trunk, or of the phones that the engine calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaTerms {
    /// When keys are listened for in the audio.
    pub inband_keys: InbandKeys,
}
