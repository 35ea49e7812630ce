//! What is said: Whisper, held to a grammar.
//!
//! The network gives every token the probability that it comes next. A [`Grammar`] says what may be said and in which ways
//! that is written down ("4, 4, 1", "441", "four four one"); only those are followed, and what they come to is
//! added up by meaning. The same speech is heard twice, as it is and slowed, and both have a say.
//!
//! Nothing is decided here: [`Heard`] is likely or not, and whoever asked draws the line.

mod confidence;
mod expected;
mod free;
mod grammar;
mod network;
mod search;
mod spectrum;
mod spoken;
mod tokens;

use std::collections::BTreeMap;

use zeroize::{Zeroize, ZeroizeOnDrop};

pub use self::expected::{guessed, strings_within};
pub use self::grammar::Grammar;
use self::network::Network;
use self::search::Search;
use self::spectrum::Spectrum;
pub use self::spoken::{ListenError, SpokenGrammar, Understood};
use self::tokens::Tokens;
use super::model::{ModelError, ModelFile};
use super::nn::{Matrix, log_sum_exp};
use crate::audio::resample;
use crate::units::SampleRate;

/// A network that hears.
pub struct Recogniser {
    network: Network,
    tokens: Tokens,
    spectrum: Spectrum,
    /// Tokens that compete with those of a grammar, so that what fits none of it is less likely.
    rivals: Vec<u32>,
    rival_rows: Matrix,
    /// Another one, who is asked too.
    second: Option<Box<Self>>,
}

/// Something that may have been said.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Heard {
    /// What it means: the digits, or the number of the phrase.
    pub meaning: Vec<u16>,
    /// The logarithm of how likely it is, of all that could be said.
    pub score: f32,
    /// How likely it is, of all that fits the grammar: 0 to 1.
    pub share: f32,
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Heard(… {} of score {})", self.meaning.len(), self.score)
    }
}

impl Recogniser {
    /// Reads the model.
    ///
    /// # Errors
    /// When it is another network.
    pub fn read(mut model: ModelFile) -> Result<Self, ModelError> {
        let tokens = Tokens::new(&model.take_text("vocabulary")?);
        let network = Network::read(&mut model, &tokens)?;
        let rivals = tokens.usual();
        let mut rival_rows = Matrix::zeros(0, network.width());
        for token in &rivals {
            rival_rows.push_row(network.row_of(*token));
        }
        Ok(Self { network, tokens, spectrum: Spectrum::new(), rivals, rival_rows, second: None })
    }

    /// With another network that has its say about digits: the two seldom mishear the same.
    #[must_use]
    pub fn with(mut self, second: Self) -> Self {
        self.second = Some(Box::new(second));
        self
    }

    /// Digits, so many of them.
    ///
    /// # Errors
    /// When the vocabulary lacks one.
    pub fn digits(&self, min: usize, max: usize) -> Result<Grammar, ModelError> {
        let mut grammar = Grammar::digits(&self.tokens, min, max.min(MOST_DIGITS))?;
        if let Some(second) = &self.second {
            grammar.second = Some(Box::new(second.digits(min, max)?));
        }
        Ok(grammar)
    }

    /// One of these phrases; each has the number that it means.
    #[must_use]
    pub fn phrases(&self, phrases: &[(u16, &str)]) -> Grammar {
        Grammar::phrases(&self.tokens, phrases)
    }

    /// What may have been said in these samples at 8,000 Hz, the likeliest first; more than [`LONGEST`] of them are
    /// not listened to.
    #[must_use]
    pub fn hear(&self, samples: &[i16], grammar: &Grammar) -> Vec<Heard> {
        let samples = samples.get(..LONGEST).unwrap_or(samples);
        let second = self.second.as_deref().zip(grammar.second.as_deref());
        let networks: Vec<(&Self, &Grammar)> = std::iter::once((self, grammar)).chain(second).collect();
        let passes = count(networks.len() * PASSES.len());
        let mut all: BTreeMap<Vec<u16>, f32> = BTreeMap::new();
        for rate in PASSES {
            let slowed = resample(samples, SampleRate::TELEPHONE, SampleRate(rate));
            for (network, grammar) in &networks {
                // Each hears for itself: what one does not come upon, it speaks against.
                for (meaning, score) in Search::new(network, grammar).run(&network.listened(&slowed)) {
                    *all.entry(meaning).or_insert(MISSED * passes) += score.max(MISSED) - MISSED;
                }
            }
        }
        let scores: Vec<f32> = all.values().map(|sum| sum / passes).collect();
        let sum = log_sum_exp(&scores);
        let heard = |(meaning, score): (Vec<u16>, f32)| Heard { meaning, score, share: (score - sum).exp() };
        let mut heard: Vec<Heard> = all.into_keys().zip(scores).map(heard).collect();
        heard.sort_by(|one, other| other.score.total_cmp(&one.score));
        heard
    }

    /// The speech as the network's decoder looks at it: silence fills a window that is never shorter than [`WINDOW`].
    fn listened(&self, samples: &[i16]) -> Matrix {
        let frames =
            (samples.len().div_ceil(spectrum::HOP) + AFTER).max(WINDOW).min(2 * self.network.longest());
        self.network.encode(&self.spectrum.frames(samples, frames / 2 * 2))
    }
}

/// The longest speech that is listened to, in samples: 20 s, which slowed still fit the network's 30.
pub const LONGEST: usize = 20 * 8_000;
/// The rates that the speech is brought to: taken for 8,000 Hz, 10,000 is slower by a fifth. Measured on natural
/// strings: 83 % of them right as they are, 78 % slowed, 87 % by both; by both networks 93 %.
const PASSES: [u32; 2] = [8_000, 10_000];
/// Frames of the shortest window, 10 ms each. Measured: 10 s lets more strings through than the speech alone (83 % against 78 %).
const WINDOW: usize = 1_000;
/// Frames of silence after the speech: without them the network hears no end.
const AFTER: usize = 50;
/// The score of what a hearing did not come upon.
const MISSED: f32 = -25.0;
/// The longest string of digits.
const MOST_DIGITS: usize = 40;

#[expect(clippy::cast_precision_loss, reason = "a small number")]
const fn count(number: usize) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests;
