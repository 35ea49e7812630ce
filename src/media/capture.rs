//! Keeps what the peer says while somebody listens, and finds where it begins and ends.
//!
//! ```text
//!        │<─ before ─>│ first sound        last sound │<── silence ──>│
//!  ──────┴────────────┴──────── speech ───────────────┴───────────────┴──▶
//!        │                    what is handed out            │
//! ```
//!
//! The last second is always there, so that a voice that cuts a prompt short is heard from its beginning. Packets are laid
//! down by their timestamps: what is late takes its place, what is missing is silence. A peer that sends nothing
//! while nobody speaks is silent too, by the clock.

use std::time::{Duration, Instant};

use crate::secret::Secret;

/// What ends what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// So much silence.
    pub silence: Duration,
    /// So long at most.
    pub longest: Duration,
}

/// What the peer said in one go. Personal: no `Debug`.
pub struct Said {
    /// At 8,000 Hz, from a little before the first sound.
    pub samples: Secret<Vec<i16>>,
    /// When the first sound came.
    pub began: Instant,
    /// How much of it is speech.
    pub speech: Duration,
    /// It was as long as it may be, and may go on.
    pub is_cut: bool,
}

/// What is kept of what is heard.
pub(super) struct Capture {
    endpoint: Endpoint,
    /// What was heard last, at least [`BEFORE`] of it.
    sound: Secret<Vec<i16>>,
    /// Where its first sample stands, counted from the start.
    start: u64,
    /// The last sounds that were speech, while it is not clear whether somebody speaks.
    hints: [Option<Hint>; HINTS],
    speaking: Option<Speaking>,
    /// Up to here it was handed out.
    handed: u64,
}

/// A little speech.
#[derive(Clone, Copy)]
struct Hint {
    /// Where it stands.
    at: u64,
    came: Instant,
    /// How many samples of it.
    speech: u32,
}

/// Somebody speaks.
struct Speaking {
    /// Where the first sound stands.
    from: u64,
    began: Instant,
    /// How many samples of speech there were.
    speech: u64,
    /// Where the last sound ends, and when it came.
    last: u64,
    heard: Instant,
    /// It was told.
    told: bool,
}

/// What has become of it.
pub(super) enum Turn {
    /// The peer speaks.
    Begun,
    /// The peer said something.
    Said(Said),
    /// It was too little to be anything.
    Nothing,
}

impl Capture {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            sound: Secret::new(Vec::with_capacity(index(2 * KEPT))),
            start: 0,
            hints: [None; HINTS],
            speaking: None,
            handed: 0,
        }
    }

    /// Somebody else listens: what is being said goes on, and is told anew. What was over before was said to nobody.
    pub(super) fn turn_to(&mut self, endpoint: Endpoint) {
        self.endpoint = endpoint;
        let end = self.end();
        self.speaking.take_if(|speaking| end.saturating_sub(speaking.last) >= samples_of(endpoint.silence));
        if let Some(speaking) = &mut self.speaking {
            speaking.told = false;
        }
    }

    /// The next samples, behind as many as are missing; so many samples of speech were found in them.
    pub(super) fn hear(&mut self, came: Instant, missing: u32, samples: &[i16], speech: u32) {
        let missing = missing.min(MOST_MISSING);
        self.room(index(u64::from(missing)) + samples.len());
        let sound = self.sound.expose_mut();
        sound.resize(sound.len() + index(u64::from(missing)), 0);
        let at = self.start + count(sound.len());
        sound.extend_from_slice(samples);
        let end = at + count(samples.len());
        if speech > 0 {
            self.found(came, at, end, speech);
        }
    }

    /// Samples that come late, so far behind the end.
    pub(super) fn amend(&mut self, behind: u32, samples: &[i16]) {
        let sound = self.sound.expose_mut();
        let Some(from) = sound.len().checked_sub(index(u64::from(behind))) else { return };
        for (place, sample) in sound[from..].iter_mut().zip(samples) {
            *place = *sample;
        }
    }

    /// What has become of it by now, each once. `rests` where the peer said that it sends nothing while nobody speaks.
    pub(super) fn turn(&mut self, now: Instant, rests: bool) -> Option<Turn> {
        let end = self.end();
        let due = self.due(rests);
        let Endpoint { silence, longest } = self.endpoint;
        let speaking = self.speaking.as_mut()?;
        let is_cut = end - speaking.from >= samples_of(longest);
        let is_over =
            is_cut || end - speaking.last >= samples_of(silence) || due.is_some_and(|due| due <= now);
        if is_over {
            return Some(self.finish(is_cut));
        }
        (!std::mem::replace(&mut speaking.told, true)).then_some(Turn::Begun)
    }

    /// When it is over although nothing comes.
    pub(super) fn due(&self, rests: bool) -> Option<Instant> {
        let speaking = self.speaking.as_ref()?;
        let late = if rests { Duration::ZERO } else { LATE };
        Some(speaking.heard + self.endpoint.silence + late)
    }

    fn end(&self) -> u64 {
        self.start + count(self.sound.expose().len())
    }

    fn found(&mut self, came: Instant, at: u64, end: u64, speech: u32) {
        if let Some(speaking) = &mut self.speaking {
            speaking.speech += u64::from(speech);
            speaking.last = end;
            speaking.heard = came;
            return;
        }
        self.hints.rotate_left(1);
        self.hints[HINTS - 1] = Some(Hint { at, came, speech });
        let lately = || self.hints.iter().flatten().filter(|hint| hint.at + WITHIN >= at);
        let speech: u64 = lately().map(|hint| u64::from(hint.speech)).sum();
        let Some(first) = lately().next().copied().filter(|_| speech >= BEGINS) else { return };
        self.hints = [None; HINTS];
        let speaking =
            Speaking { from: first.at, began: first.came, speech, last: end, heard: came, told: false };
        self.speaking = Some(speaking);
    }

    fn finish(&mut self, is_cut: bool) -> Turn {
        let Some(speaking) = self.speaking.take() else { return Turn::Nothing };
        if speaking.speech < LEAST {
            return Turn::Nothing;
        }
        let from = speaking.from.saturating_sub(BEFORE).max(self.handed).max(self.start);
        let from = index(from - self.start);
        let until = index((speaking.last + AFTER).min(self.end()) - self.start);
        self.handed = self.start + count(until);
        let samples = self.sound.expose().get(from..until).unwrap_or_default();
        let mut kept = Vec::with_capacity(samples.len());
        kept.extend_from_slice(samples);
        let speech = Duration::from_micros(speaking.speech.saturating_mul(MICROS));
        let said = Said { samples: Secret::new(kept), began: speaking.began, speech, is_cut };
        self.forget();
        Turn::Said(said)
    }

    /// Has room for so many samples more. While nobody speaks what is older than needed is forgotten.
    fn room(&mut self, more: usize) {
        let sound = self.sound.expose();
        if sound.len() + more <= sound.capacity() {
            return;
        }
        if self.speaking.is_none() || sound.len() > MOST {
            // Nobody wanted it until now.
            self.speaking = None;
            self.forget();
        }
        let sound = self.sound.expose();
        if sound.len() + more > sound.capacity() {
            // Into another place: a vector that grows by itself leaves a copy behind.
            let mut larger = Vec::with_capacity((2 * sound.capacity()).max(sound.len() + more));
            larger.extend_from_slice(sound);
            self.sound = Secret::new(larger);
        }
    }

    /// All but the last of it, in memory that is wiped.
    fn forget(&mut self) {
        let sound = self.sound.expose_mut();
        let old = sound.len().saturating_sub(index(KEPT));
        sound.copy_within(old.., 0);
        let left = sound.len() - old;
        sound[left..].fill(0);
        sound.truncate(left);
        self.start += count(old);
    }
}

fn index(samples: u64) -> usize {
    usize::try_from(samples).unwrap_or(usize::MAX)
}

fn count(samples: usize) -> u64 {
    u64::try_from(samples).unwrap_or(u64::MAX)
}

fn samples_of(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX) / MICROS
}

/// A sample at 8,000 Hz.
const MICROS: u64 = 125;
/// 300 ms: a soft beginning, such as the F of "five", is no speech to the detector yet.
const BEFORE: u64 = 2_400;
/// As much behind the last sound.
const AFTER: u64 = 2_400;
/// 80 ms of speech within half a second: somebody speaks.
const BEGINS: u64 = 640;
const WITHIN: u64 = 4_000;
/// Packets with speech within that time: of 20 ms each, or longer.
const HINTS: usize = 25;
/// Less speech than 120 ms is no word.
const LEAST: u64 = 960;
/// What is kept while nobody speaks: where somebody began, and before.
const KEPT: u64 = BEFORE + WITHIN;
/// Half a minute of speech that nobody wants is longer than anything that anybody wants.
const MOST: usize = 30 * 8_000;
/// Two seconds: a longer gap says no more than silence does.
const MOST_MISSING: u32 = 16_000;
/// Packets may be so late and still come.
const LATE: Duration = Duration::from_millis(400);

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
