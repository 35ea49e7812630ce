//! Listening as a caller does: is somebody speaking, and have they paused?

use std::time::{Duration, Instant};

use crate::audio::level;

/// Follows what is heard and tells when a prompt has paused.
#[derive(Debug)]
pub struct Ear {
    heard_since: Option<Instant>,
    last_sound: Option<Instant>,
    spoken: Duration,
}

/// Louder than this is sound: 25 dB below the level of a prompt, 20 dB above line noise.
const SOUND_DBM0: f64 = -45.0;
/// A prompt is at least this long: shorter is a click or the echo of a key.
const SHORTEST_PROMPT: Duration = Duration::from_millis(240);
/// Longer than the pause between two sentences of a prompt.
const PAUSE: Duration = Duration::from_millis(800);

impl Ear {
    /// Listens afresh.
    #[must_use]
    pub const fn new() -> Self {
        Self { heard_since: None, last_sound: None, spoken: Duration::ZERO }
    }

    /// Takes in what was heard; tells when speech begins.
    pub fn hear(&mut self, now: Instant, samples: &[i16]) -> bool {
        if level::rms_dbm0(samples) < SOUND_DBM0 {
            return false;
        }
        let begins = self.heard_since.is_none();
        self.heard_since.get_or_insert(now);
        self.last_sound = Some(now);
        let micros = u64::try_from(samples.len()).unwrap_or(0) * 125;
        self.spoken += Duration::from_micros(micros);
        begins
    }

    /// Whether a prompt was heard and has paused.
    #[must_use]
    pub fn paused(&self, now: Instant) -> bool {
        let quiet = self.last_sound.is_some_and(|at| now.saturating_duration_since(at) >= PAUSE);
        quiet && self.spoken >= SHORTEST_PROMPT
    }

    /// How much speech was heard.
    #[must_use]
    pub const fn spoken(&self) -> Duration {
        self.spoken
    }
}

impl Default for Ear {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_has_paused_when_it_was_heard_and_then_nothing_was() {
        let start = crate::units::test_start();
        let loud = [8000_i16; 160];
        let quiet = [0_i16; 160];
        let mut ear = Ear::new();
        assert!(!ear.paused(start + Duration::from_secs(9)), "nothing was heard yet");
        for frame in 0..20 {
            assert_eq!(ear.hear(start + Duration::from_millis(20) * frame, &loud), frame == 0);
        }
        let end = start + Duration::from_millis(380);
        ear.hear(end + Duration::from_millis(400), &quiet);
        assert!(!ear.paused(end + Duration::from_millis(700)));
        assert!(ear.paused(end + Duration::from_millis(800)));
    }
}
