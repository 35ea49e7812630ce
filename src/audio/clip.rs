//! A recording that is kept encoded: once made, playing it is copying octets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Codec;

/// A prompt, a tone or a piece of music, encoded once for every codec.
#[derive(Clone)]
pub struct Clip {
    mu_law: Arc<[u8]>,
    a_law: Arc<[u8]>,
}

impl Clip {
    /// Encodes samples at 8,000 Hz.
    #[must_use]
    pub fn from_pcm(samples: &[i16]) -> Self {
        let encoded = |codec: Codec| -> Arc<[u8]> {
            let mut octets = Vec::with_capacity(samples.len());
            codec.encode(samples, &mut octets);
            octets.into()
        };
        Self { mu_law: encoded(Codec::Pcmu), a_law: encoded(Codec::Pcma) }
    }

    /// The whole clip in the codec: one octet a sample.
    #[must_use]
    pub const fn encoded(&self, codec: Codec) -> &Arc<[u8]> {
        match codec {
            Codec::Pcmu => &self.mu_law,
            Codec::Pcma => &self.a_law,
        }
    }

    /// The samples, as a listener with µ-law would get them.
    #[must_use]
    pub fn pcm(&self) -> Vec<i16> {
        let mut samples = Vec::with_capacity(self.mu_law.len());
        Codec::Pcmu.decode(&self.mu_law, &mut samples);
        samples
    }

    /// Samples in the clip.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mu_law.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mu_law.is_empty()
    }

    /// How long it plays.
    #[must_use]
    pub fn duration(&self) -> Duration {
        // 8,000 samples a second: an eighth of a millisecond each.
        let samples = u64::try_from(self.len()).unwrap_or(u64::MAX);
        Duration::from_micros(samples.saturating_mul(125))
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({:?})", self.duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_ready_in_every_codec_and_knows_its_length() {
        let samples: Vec<i16> = (0..1600).map(|n| n * 10).collect();
        let clip = Clip::from_pcm(&samples);
        assert_eq!(clip.duration(), Duration::from_millis(200));
        for &codec in Codec::ALL {
            assert_eq!(clip.encoded(codec).len(), samples.len());
            assert_eq!(clip.encoded(codec)[0], codec.silence_byte());
        }
        assert_eq!(Clip::from_pcm(&clip.pcm()).encoded(Codec::Pcmu), clip.encoded(Codec::Pcmu));
        assert!(Clip::from_pcm(&[]).is_empty());
    }
}
