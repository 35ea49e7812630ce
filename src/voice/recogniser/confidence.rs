//! How sure one may be: what the network gives, brought to how often it was right on speech of other people.

use super::{Heard, count};
use crate::voice::nn::sigmoid;

/// How a kind of answer is weighed: a logistic of how far the best is ahead of the rest, and of how likely it is among all
/// that could be said at all. The second is what tells other speech, noise and silence from an answer.
pub(super) struct Scale {
    margin: f32,
    score: f32,
    /// For each word after the first: a phrase of several is seldom as likely as one word, and seldom heard by mistake.
    word: f32,
    offset: f32,
}

/// Digits and letters. Learned from 83 natural strings: their likelihood among all that could be said tells nothing more.
pub(super) const SIGNS: Scale = Scale { margin: 1.0, score: 0.0, word: 0.0, offset: 0.7 };
/// Yes and no, which are heard into much that is said. Learned with [`PHRASES`], see the figures in `docs/voice.md`.
pub(super) const YES_NO: Scale = Scale { margin: 0.43, score: 1.29, word: 0.0, offset: 2.2 };
/// Phrases of a menu.
pub(super) const PHRASES: Scale = Scale { margin: 0.43, score: 1.29, word: 5.8, offset: 7.5 };

impl Scale {
    /// In percent, of something of so many words.
    pub(super) fn percent(&self, heard: &Heard, words: usize) -> u8 {
        // What is far beyond all doubt, or beneath it, says no more.
        let margin = heard.margin().clamp(-FAR, FAR);
        let further = count(words.saturating_sub(1).min(MOST_WORDS));
        percent(sigmoid(self.margin * margin + self.score * heard.score + self.word * further + self.offset))
    }
}

/// A share in percent, never quite all.
pub(super) fn percent(share: f32) -> u8 {
    let percent = (share * 100.0).round();
    (0..=99).take_while(|whole| f32::from(*whole) <= percent).last().unwrap_or(0)
}

const FAR: f32 = 8.0;
/// Further words that are counted: more was not measured.
const MOST_WORDS: usize = 1;
