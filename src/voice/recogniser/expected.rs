//! Spoken secrets are verified, not transcribed: how surely what was expected is what was said.
//!
//! What is heard does not depend on what is expected, and the shares of all that may have been said sum to one. So however many
//! strings somebody hopes for, one utterance can be taken for few of them: see [`strings_within`].

use super::{Heard, MISSED};
use crate::voice::nn::exp;

impl Heard {
    /// By how much it is likelier than all else together that fits the grammar, in natural logarithms: between −25 and 25.
    #[must_use]
    pub fn margin(&self) -> f32 {
        let others = (1.0 - self.share).max(f32::MIN_POSITIVE);
        (self.share.max(f32::MIN_POSITIVE).ln() - others.ln()).clamp(MISSED, -MISSED)
    }
}

/// The most strings that one utterance can be taken for, when each with this margin or more is accepted: as many
/// shares of that size are in one whole. Above a margin of zero it is one.
#[must_use]
pub fn strings_within(margin: f32) -> u32 {
    (1..MOST_STRINGS)
        .take_while(|strings| f64::from(*strings) <= 1.0 + f64::from(exp(-margin)))
        .last()
        .unwrap_or(1)
}

/// The chance, at most, that somebody who knows nothing of a random string of so many digits is taken to have said it in one
/// of so many utterances, when this margin is asked for.
#[must_use]
pub fn guessed(digits: u8, margin: f32, utterances: u32) -> f64 {
    let each = f64::from(strings_within(margin)) / 10_f64.powi(i32::from(digits));
    (each * f64::from(utterances)).min(1.0)
}

/// Nobody accepts as many.
const MOST_STRINGS: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_one_of_all_strings_for_each_utterance() {
        assert_eq!(strings_within(0.1), 1);
        assert_eq!(strings_within(0.0), 2, "as likely as each other");
        assert_eq!(strings_within(3.0), 1);
        // A share of a quarter and more: at most four.
        assert_eq!(strings_within((0.25_f32 / 0.75).ln() + 1e-4), 3);
        assert_eq!(strings_within((0.25_f32 / 0.75).ln() - 1e-4), 4);
        assert!((guessed(6, 0.5, 3) - 3e-6).abs() < 1e-12);
        assert!((guessed(4, -1.0, 1) - 3e-4).abs() < 1e-12, "{}", guessed(4, -1.0, 1));
        assert_eq!(guessed(1, 0.0, 20), 1.0);
    }

    #[test]
    fn a_margin_says_as_much_as_a_share() {
        for (share, margin) in [(0.5, 0.0), (0.9, 2.197), (0.1, -2.197), (1.0, 25.0), (0.0, -25.0)] {
            let heard = Heard { meaning: vec![1], score: -1.0, share };
            assert!((heard.margin() - margin).abs() < 1e-2, "{share}: {}", heard.margin());
        }
    }
}
