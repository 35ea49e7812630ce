//! What a caller said in one go: from just before the first sound to the silence after the last.

use std::sync::Arc;
use std::time::Duration;

use crate::audio::Clip;
use crate::secret::Secret;

/// Something that was said. Personal, and as a voice biometric: no `Debug`, wiped when dropped.
pub struct Utterance {
    samples: Secret<Vec<i16>>,
    after: Option<Duration>,
    speech: Duration,
    ended: Ended,
    prompt: Vec<Arc<Clip>>,
}

/// What ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The caller was silent for long enough.
    Silence,
    /// It was as long as it may be.
    Longest,
}

impl Utterance {
    /// Of samples at 8,000 Hz, in which `speech` was found in all. `after` is the silence between the end of what the
    /// caller heard and the first sound; `None` when the caller spoke into it.
    #[must_use]
    pub const fn new(
        samples: Secret<Vec<i16>>,
        after: Option<Duration>,
        speech: Duration,
        ended: Ended,
    ) -> Self {
        Self { samples, after, speech, ended, prompt: Vec::new() }
    }

    /// Said after the caller had heard these recordings.
    #[must_use]
    pub fn after_prompt(self, prompt: Vec<Arc<Clip>>) -> Self {
        Self { prompt, ..self }
    }

    /// What the caller had heard just before, recording by recording.
    #[must_use]
    pub fn prompt(&self) -> &[Arc<Clip>] {
        &self.prompt
    }

    /// The samples, at 8,000 Hz.
    #[must_use]
    pub const fn samples(&self) -> &Secret<Vec<i16>> {
        &self.samples
    }

    /// How long it lasts, silence at both ends included.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_micros(count(self.samples.expose().len()).saturating_mul(MICROS))
    }

    /// The silence between the end of what the caller heard and the first sound; `None` when the caller spoke into it.
    #[must_use]
    pub const fn after(&self) -> Option<Duration> {
        self.after
    }

    /// How much of it is speech, pauses left out.
    #[must_use]
    pub const fn speech(&self) -> Duration {
        self.speech
    }

    /// What ended it.
    #[must_use]
    pub const fn ended(&self) -> Ended {
        self.ended
    }

    /// This one and another that the caller said right after it, as one.
    #[must_use]
    pub fn followed_by(&self, other: &Self) -> Self {
        let (first, second) = (self.samples.expose(), other.samples.expose());
        // All the room at once: nothing moves and leaves a copy behind.
        let mut samples = Secret::new(Vec::with_capacity(first.len() + second.len()));
        samples.expose_mut().extend_from_slice(first);
        samples.expose_mut().extend_from_slice(second);
        Self {
            samples,
            after: self.after,
            speech: self.speech + other.speech,
            ended: other.ended,
            prompt: self.prompt.clone(),
        }
    }
}

fn count(samples: usize) -> u64 {
    u64::try_from(samples).unwrap_or(u64::MAX)
}

/// Of a sample at 8,000 Hz.
const MICROS: u64 = 125;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(samples: &[i16], after: Option<u64>, speech: u64, ended: Ended) -> Utterance {
        let millis = Duration::from_millis;
        Utterance::new(Secret::new(samples.to_vec()), after.map(millis), millis(speech), ended)
    }

    #[test]
    fn two_said_one_after_the_other_are_one() {
        let first = said(&[1; 8_000], Some(300), 500, Ended::Silence);
        let both = first.followed_by(&said(&[2; 4_000], Some(900), 250, Ended::Longest));
        assert_eq!(both.length(), Duration::from_millis(1_500));
        assert_eq!(both.speech(), Duration::from_millis(750));
        assert_eq!(both.after(), Some(Duration::from_millis(300)));
        assert_eq!(both.ended(), Ended::Longest);
        assert_eq!((both.samples().expose()[7_999], both.samples().expose()[8_000]), (1, 2));
    }
}
