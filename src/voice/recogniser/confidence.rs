//! How sure one may be: what the network gives, brought to how often it was right on speech of other people.

use super::Heard;
use crate::voice::nn::sigmoid;

/// How a kind of answer is weighed: a logistic of how far the best is ahead of the rest, and of how likely it is among all
/// that could be said at all. The second is what tells other speech, noise and silence from an answer.
pub(super) struct Scale {
    margin: f32,
    score: f32,
    offset: f32,
}

/// Digits and letters: each sign has its own likelihood, so that long strings are no worse.
pub(super) const SIGNS: Scale = Scale { margin: 1.0, score: 0.0, offset: 0.7 };
/// Phrases, yes and no.
pub(super) const PHRASES: Scale = Scale { margin: 0.5, score: 0.8, offset: 3.0 };

impl Scale {
    /// In percent.
    pub(super) fn percent(&self, heard: &Heard) -> u8 {
        // What is far beyond all doubt, or beneath it, says no more.
        let margin = heard.margin().clamp(-FAR, FAR);
        percent(sigmoid(self.margin * margin + self.score * heard.score + self.offset))
    }
}

/// A share in percent, never quite all.
pub(super) fn percent(share: f32) -> u8 {
    let percent = (share * 100.0).round();
    (0..=99).take_while(|whole| f32::from(*whole) <= percent).last().unwrap_or(0)
}

const FAR: f32 = 8.0;
