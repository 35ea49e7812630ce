//! One piece of encoded audio on its way between two legs or to a listener.

use std::fmt;

use smallvec::SmallVec;

use crate::audio::Codec;

/// 20 ms of G.711 as it left the jitter buffer, or as it is bridged to another leg.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// How `payload` is encoded.
    pub codec: Codec,
    /// One byte per sample.
    pub payload: SmallVec<[u8; 256]>,
}

impl Frame {
    /// A copy of encoded audio.
    #[must_use]
    pub fn new(codec: Codec, payload: &[u8]) -> Self {
        Self { codec, payload: SmallVec::from_slice(payload) }
    }
}

impl fmt::Debug for Frame {
    /// The size only: audio may hold a spoken or in-band secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.payload.len())
    }
}
