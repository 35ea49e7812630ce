//! Voices without a network: who speaks, and how plainly, stands in the first samples of what is said.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use countersign::auth::factor::voiceprint::{FalseAccepts, Mode};
use countersign::auth::{FactorId, FactorPolicy, Policy, Said, Words};
use countersign::driver::voices::{Listener, Voices};
use countersign::secret::Secret;
use countersign::voice::print::calibration::{Calibration, FORMAT, Line, Threshold};
use countersign::voice::print::compare::Common;
use countersign::voice::print::{EMBEDDING, Voice};
use countersign::voice::{Ended, Utterance};

pub(crate) const MODEL: &str = "test:1";

/// Numbers that look like chance and are the same each time.
pub(crate) struct Die(pub(crate) u64);

impl Die {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn normal(&mut self) -> f32 {
        (0..12)
            .map(|_| f32::from(u16::try_from(self.next() % 10_001).expect("small")) / 10_000.0)
            .sum::<f32>()
            - 6.0
    }
}

/// A voice of this speaker, another time of day each take; `doubt` of a hundred parts of it are somebody else's.
pub(crate) fn voice(speaker: u16, take: u16, doubt: u16) -> Voice {
    let centre = |of: u16| {
        let mut die = Die(1_000 + u64::from(of));
        [(); 20].map(|()| die.normal())
    };
    let (own, other) = (centre(speaker), centre(speaker + 500));
    let share = f32::from(doubt) / 100.0;
    let mut die = Die(u64::from(speaker) << 16 | u64::from(take));
    let mut numbers = [0.0; EMBEDDING];
    for (number, (own, other)) in numbers.iter_mut().zip(own.iter().zip(&other)) {
        *number = own * (1.0 - share) + other * share + 0.4 * die.normal();
    }
    Voice::new(numbers).expect("a direction")
}

struct Booth(String);

impl Listener for Booth {
    fn identity(&self) -> &str {
        &self.0
    }

    fn voice(&self, samples: &[i16]) -> Option<Voice> {
        let number = |at: usize| samples.get(at).and_then(|sample| u16::try_from(*sample).ok());
        Some(voice(number(0)?, number(1)?, number(2)?))
    }
}

/// What scores mean among such speakers: somebody's own are near 0.9, those of others near 0.
pub(crate) fn calibration(model: &str) -> Calibration {
    let at = |false_accept, score| Threshold { false_accept, score };
    let line = |utterances| Line {
        utterances,
        same: 1,
        different: 1,
        slope: 10.0,
        offset: -5.0,
        thresholds: vec![at(0.1, 0.3), at(0.01, 0.55), at(0.001, 0.7)],
        checked: Vec::new(),
    };
    Calibration {
        format: FORMAT,
        model: model.to_owned(),
        speakers: 60,
        common: Common::nothing(),
        lines: vec![line(1), line(2), line(3)],
    }
}

pub(crate) fn voices(model: &str) -> Voices {
    Voices::new(Arc::new(Booth(model.to_owned())), calibration(model)).expect("voices")
}

/// Three seconds that nobody makes twice: bursts with pauses between.
pub(crate) fn samples(speaker: u16, take: u16, doubt: u16) -> Vec<i16> {
    let mut die = Die(u64::from(speaker) << 40 | u64::from(take) << 8 | 3);
    let mut strength = 0_i64;
    let mut last = 0_i64;
    let mut samples: Vec<i16> = (0..24_000_u32)
        .map(|n| {
            if n % 320 == 0 {
                strength = i64::try_from(die.next() % 5_000).expect("small") + 3_000;
            }
            let fresh = i64::try_from(die.next() % 2_001).expect("small") - 1_000;
            last = (last * i64::from(n / 320 % 7) + fresh * 3) / (i64::from(n / 320 % 7) + 3);
            let loud = if n % 4_000 < 3_200 { strength } else { 2 };
            i16::try_from((last * loud / 1_000).clamp(-12_000, 12_000)).expect("small")
        })
        .collect();
    for (at, number) in [speaker, take, doubt].into_iter().enumerate() {
        samples[at] = i16::try_from(number).expect("small");
    }
    samples
}

pub(crate) fn utterance(samples: Vec<i16>, after: Option<Duration>) -> Arc<Utterance> {
    let speech = Duration::from_millis(2_400);
    Arc::new(Utterance::new(Secret::new(samples), after, speech, Ended::Silence))
}

/// This speaker says what was asked for, soon enough.
pub(crate) fn said(speaker: u16, take: u16, doubt: u16) -> Said {
    let after = Some(Duration::from_millis(700));
    Said { utterance: utterance(samples(speaker, take, doubt), after), words: Words::Right }
}

/// The shipped policy with voices at 1 %.
pub(crate) fn policy(mode: Mode) -> Policy {
    let mut policy = Policy::default();
    let mut used = FactorPolicy { digits: 6..=6, ..FactorPolicy::plain(FactorId::Voiceprint) };
    used.voice.mode = mode;
    used.voice.accept = FalseAccepts::ONE_PERCENT;
    used.voice.consent = "voice_biometrics".to_owned();
    policy.factors.push(used);
    policy
}
