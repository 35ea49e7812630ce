//! One piece of audio on its way between two legs or to a listener.

use std::fmt;

use smallvec::SmallVec;

use crate::audio::{Band, Noise};

/// Linear audio: 20 ms as they left the jitter buffer or are bridged to another leg, or what a packet of ours holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// At which rate.
    pub band: Band,
    /// The samples: room for 20 ms of the wide band and 60 ms of the narrow one.
    pub samples: SmallVec<[i16; 512]>,
    /// The speaker rests: the samples are nothing but this noise.
    pub noise: Option<Noise>,
}

impl Frame {
    /// A copy of samples.
    #[must_use]
    pub fn new(band: Band, samples: &[i16]) -> Self {
        Self { band, samples: SmallVec::from_slice(samples), noise: None }
    }

    /// Nothing of it may be heard.
    pub fn hush(&mut self) {
        self.samples.fill(0);
        self.noise = None;
    }
}

impl fmt::Debug for Frame {
    /// The size only: audio may hold a spoken or in-band secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} samples)", self.samples.len())
    }
}

/// Nothing in it that a listener would miss: no sample above −42 dBFS.
pub(crate) fn is_quiet(samples: &[i16]) -> bool {
    samples.iter().all(|sample| sample.unsigned_abs() <= QUIET)
}

/// −42 dB below full scale: line noise, not speech.
const QUIET: u16 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_tells_what_is_in_it() {
        let mut frame = Frame::new(Band::Narrow, &[8000; 160]);
        assert!(!is_quiet(&frame.samples));
        assert_eq!(format!("{frame:?}"), "Frame(160 samples)");
        frame.hush();
        assert!(is_quiet(&frame.samples));
        assert_eq!(frame, Frame::new(Band::Narrow, &[0; 160]));
    }
}
