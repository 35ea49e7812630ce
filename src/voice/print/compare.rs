//! How alike two voices are: the cosine of what is left of each when what all callers have in common is taken away.

use serde::{Deserialize, Serialize};

use super::{EMBEDDING, Voice};

/// A voice and how long it was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The voice.
    pub voice: Voice,
    /// Seconds of speech.
    pub seconds: f32,
}

impl Heard {
    /// Several utterances of one speaker as one: each counts as long as it is. `None` for none.
    #[must_use]
    pub fn together<'a>(all: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let (mut sum, mut seconds) = ([0.0; EMBEDDING], 0.0);
        for one in all {
            sum.iter_mut().zip(one.voice.numbers()).for_each(|(sum, x)| *sum += x * one.seconds);
            seconds += one.seconds;
        }
        Some(Self { voice: Voice::new(sum)?, seconds })
    }
}

/// What the voices of many speakers have in common on these lines and handsets: their mean. It is nobody's voice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Common(Vec<f32>);

/// A sum of voices from which some can be taken out again, so that nobody is compared with a mean that they are in.
#[derive(Clone)]
pub struct Crowd {
    sum: [f64; EMBEDDING],
    count: u32,
}

impl Crowd {
    /// All of them.
    #[must_use]
    pub fn of<'a>(voices: impl IntoIterator<Item = &'a Voice>) -> Self {
        let mut crowd = Self { sum: [0.0; EMBEDDING], count: 0 };
        for voice in voices {
            crowd.sum.iter_mut().zip(voice.numbers()).for_each(|(sum, x)| *sum += f64::from(*x));
            crowd.count += 1;
        }
        crowd
    }

    /// The mean of all but these, who must be in it.
    #[must_use]
    pub fn without(&self, some: &[&Voice]) -> Common {
        let mut sum = self.sum;
        let mut count = f64::from(self.count);
        for voice in some {
            sum.iter_mut().zip(voice.numbers()).for_each(|(sum, x)| *sum -= f64::from(*x));
            count -= 1.0;
        }
        #[expect(clippy::cast_possible_truncation, reason = "single precision is what voices have")]
        Common(sum.iter().map(|sum| (sum / count.max(1.0)) as f32).collect())
    }
}

impl Common {
    /// Nothing in common: voices are compared as they are.
    #[must_use]
    pub fn nothing() -> Self {
        Self(vec![0.0; EMBEDDING])
    }

    /// Whether it has as many numbers as a voice, all finite.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.len() == EMBEDDING && self.0.iter().all(|x| x.is_finite())
    }

    /// What is left of a voice; as it is when nothing would be left.
    fn apart(&self, voice: &Voice) -> Voice {
        let mut numbers = *voice.numbers();
        numbers.iter_mut().zip(&self.0).for_each(|(x, common)| *x -= common);
        Voice::new(numbers).unwrap_or_else(|| voice.clone())
    }

    /// How alike two voices are, between −1 and 1.
    #[must_use]
    pub fn score(&self, enrolled: &Voice, heard: &Voice) -> f32 {
        self.apart(enrolled).cosine(&self.apart(heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(at: &[(usize, f32)]) -> Voice {
        let mut numbers = [0.0; EMBEDDING];
        at.iter().for_each(|&(at, x)| numbers[at] = x);
        Voice::new(numbers).expect("a direction")
    }

    #[test]
    fn what_all_have_in_common_says_nothing() {
        // The same channel in all of them, and each speaker's own.
        let speakers: Vec<Voice> = (1..6).map(|own| voice(&[(0, 3.0), (own, 1.0)])).collect();
        let plain = Common::nothing().score(&speakers[0], &speakers[1]);
        let crowd = Crowd::of(&speakers);
        let apart = crowd.without(&[&speakers[0], &speakers[1]]).score(&speakers[0], &speakers[1]);
        assert!(plain > 0.85 && apart < 0.35, "{plain} {apart}");
        let same = crowd.without(&[&speakers[0]]).score(&speakers[0], &speakers[0]);
        assert!((same - 1.0).abs() < 1e-5);
    }

    #[test]
    fn whoever_is_taken_out_of_a_crowd_is_not_in_its_mean() {
        let speakers: Vec<Voice> = (0..4).map(|own| voice(&[(own, 1.0)])).collect();
        let left = Crowd::of(&speakers).without(&[&speakers[3]]);
        assert_eq!(left.0[3], 0.0);
        assert!((left.0[0] - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_longer_utterance_counts_more() {
        let long = Heard { voice: voice(&[(0, 1.0)]), seconds: 6.0 };
        let short = Heard { voice: voice(&[(1, 1.0)]), seconds: 2.0 };
        let both = Heard::together([&long, &short]).expect("a voice");
        assert!((both.seconds - 8.0).abs() < 1e-6);
        assert!((both.voice.numbers()[0] / both.voice.numbers()[1] - 3.0).abs() < 1e-4);
        assert_eq!(Heard::together([]), None);
    }
}
