//! Whether utterances are good enough to know somebody by: long, clean, of one speaker, and not one of them twice.

use super::calibration::Calibration;
use super::compare::{Common, Heard};
use super::fingerprint::Fingerprint;
use super::quality::{Flaw, Quality};

/// One utterance with all that is looked at.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// The voice.
    pub heard: Heard,
    /// How clean it is.
    pub quality: Quality,
    /// What a copy of it is recognised by.
    pub fingerprint: Fingerprint,
}

/// Why somebody is not enrolled. Utterances are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// An utterance is no good.
    #[error("utterance {number}: {flaw}")]
    Flawed {
        /// Which.
        number: usize,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// They are too few.
    #[error("{0} utterances are too few: a voice is known by {FEWEST} or more")]
    Few(usize),
    /// They are too many to be kept.
    #[error("{0} utterances are more than are kept of one voice: {MOST}")]
    Many(usize),
    /// They are too short together.
    #[error("somebody speaks in all of them for {0:.1} seconds: it takes {LEAST_SECONDS}")]
    Brief(f32),
    /// One is a copy of another.
    #[error("utterance {number} is a copy of utterance {of}: each has to be spoken anew")]
    Copy {
        /// Which.
        number: usize,
        /// Of which.
        of: usize,
    },
    /// One is not of the speaker of the others.
    #[error("utterance {0} does not sound like the others: all must be of one speaker")]
    Stranger(usize),
}

/// The fewest and the most utterances of an enrolment.
pub const FEWEST: usize = 3;
/// The most.
pub const MOST: usize = 12;
/// The least speech of all of them, in seconds.
pub const LEAST_SECONDS: f32 = 8.0;

/// The voice of utterances that are good enough.
///
/// # Errors
/// The first thing that is wrong.
pub fn enrol(utterances: &[Utterance], calibration: &Calibration) -> Result<Heard, Refusal> {
    if utterances.len() < FEWEST {
        return Err(Refusal::Few(utterances.len()));
    }
    if utterances.len() > MOST {
        return Err(Refusal::Many(utterances.len()));
    }
    for (number, utterance) in (1..).zip(utterances) {
        if let Some(&flaw) = utterance.quality.flaws().first() {
            return Err(Refusal::Flawed { number, flaw });
        }
        let mut before = (1..).zip(utterances).take(number - 1);
        if let Some((of, _)) = before.find(|(_, other)| utterance.fingerprint.is_copy(&other.fingerprint)) {
            return Err(Refusal::Copy { number, of });
        }
    }
    let seconds = utterances.iter().map(|utterance| utterance.quality.speech).sum::<f32>();
    if seconds < LEAST_SECONDS {
        return Err(Refusal::Brief(seconds));
    }
    if let Some(number) = stranger(utterances, &calibration.common, calibration) {
        return Err(Refusal::Stranger(number));
    }
    Heard::together(utterances.iter().map(|utterance| &utterance.heard)).ok_or(Refusal::Brief(0.0))
}

/// The utterance least like the others, when it is less like them than one wrong speaker in ten would be.
fn stranger(utterances: &[Utterance], common: &Common, calibration: &Calibration) -> Option<usize> {
    let forgiving = calibration.line(1)?.thresholds.first()?.score;
    let score = |at: usize| {
        let others = utterances.iter().enumerate().filter(|(other, _)| *other != at);
        let others = Heard::together(others.map(|(_, utterance)| &utterance.heard))?;
        Some(common.score(&others.voice, &utterances[at].heard.voice))
    };
    let scores = (0..utterances.len()).map(|at| score(at).unwrap_or(f32::NEG_INFINITY));
    let (number, least) = (1..).zip(scores).min_by(|a, b| a.1.total_cmp(&b.1))?;
    (least < forgiving).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::print::calibration::tests::speakers;
    use crate::voice::print::calibration::{Calibration, Speaker};

    fn utterances(speaker: &Speaker) -> Vec<Utterance> {
        let clean = Quality { speech: 3.0, level: -20.0, above_noise: 30.0, clipped: 0.0 };
        let one = |(number, heard): (u32, &Heard)| Utterance {
            heard: heard.clone(),
            quality: clean,
            fingerprint: serde_json::from_value((0..400_u32).map(|n| hash(n ^ number << 20)).collect())
                .expect("bits"),
        };
        (1..).zip(&speaker.heard).map(one).collect()
    }

    fn hash(n: u32) -> u32 {
        let n = (n ^ n >> 16).wrapping_mul(0x85eb_ca6b);
        (n ^ n >> 13).wrapping_mul(0xc2b2_ae35) ^ n >> 16
    }

    #[test]
    fn one_speaker_is_enrolled_and_each_fault_is_named() {
        let people = speakers(24, 0.5, 3);
        let calibration = Calibration::learn("model", &people).expect("a calibration");
        let good = utterances(&people[0]);
        let voice = enrol(&good, &calibration).expect("enrolled");
        assert!((voice.seconds - 16.0).abs() < 1e-3);

        assert_eq!(enrol(&good[..2], &calibration), Err(Refusal::Few(2)));
        assert_eq!(enrol(&vec![good[0].clone(); 13], &calibration), Err(Refusal::Many(13)));
        let mut other = good.clone();
        other[2] = utterances(&people[1])[2].clone();
        assert_eq!(enrol(&other, &calibration), Err(Refusal::Stranger(3)));
        let mut twice = good.clone();
        twice[3] = good[1].clone();
        assert_eq!(enrol(&twice, &calibration), Err(Refusal::Copy { number: 4, of: 2 }));
        let mut loud = good.clone();
        loud[1].quality.above_noise = 5.0;
        assert_eq!(enrol(&loud, &calibration), Err(Refusal::Flawed { number: 2, flaw: Flaw::Noisy }));
        let mut brief = good;
        brief.iter_mut().for_each(|one| one.quality.speech = 1.6);
        assert_eq!(enrol(&brief, &calibration), Err(Refusal::Brief(6.4)));
    }
}
