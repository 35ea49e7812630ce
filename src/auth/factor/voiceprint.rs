//! The voice. What policies say of it, how its verdict comes about, and what is told of that; the engine that compares
//! voices is in `voice`, and the vault asks it.
//!
//! A voice can be recorded and made by machines, so it is never enough: it needs a factor beside it that the caller
//! has, unless the policy says in writing why not, and never reaches a level by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FactorKind, JudgeError, Judged, Judging, Meeting};
use crate::auth::{FactorId, FactorPolicy, Said, Words};

/// The factor's name.
pub const NAME: &str = "voiceprint";
/// It is what the caller is.
pub const KIND: FactorKind = FactorKind::Inherence;
/// The caller is heard.
pub const MEETING: Meeting = Meeting::Spoken;

/// The most utterances that count together: of more nothing is known (see `voice::print::calibration`).
pub const MOST_UTTERANCES: usize = 3;
/// How many random digits are asked for at least and at most: fewer are guessed, more are not remembered.
pub const FEWEST_DIGITS: u8 = 4;
/// See [`FEWEST_DIGITS`].
pub const MOST_DIGITS: u8 = 8;

/// How a policy uses voices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoicePolicy {
    /// What is said.
    pub mode: Mode,
    /// How much speech it takes to accept anybody.
    pub speech_needed: Duration,
    /// How many of the wrong speakers may be accepted.
    pub accept: FalseAccepts,
    /// A person begins to say what they were asked for within this time.
    pub within: Duration,
    /// Why it counts without a factor that the caller has; it does not when `None`.
    pub alone_because: Option<String>,
    /// What follows when the words sound as if they were put together from recordings.
    pub joined: JoinedWords,
    /// The purpose that callers are asked their consent for.
    pub consent: String,
}

impl Default for VoicePolicy {
    /// Random digits, six of which are about a second and a half of speech (wrong speakers reach the thresholds no more
    /// often by so little than by more: `docs/voice.md`); one wrong speaker in a hundred. The purpose has no name yet: a policy
    /// gives it one.
    fn default() -> Self {
        Self {
            mode: Mode::RandomDigits,
            speech_needed: Duration::from_millis(1_500),
            accept: FalseAccepts::ONE_PERCENT,
            within: Duration::from_secs(5),
            alone_because: None,
            joined: JoinedWords::Flag,
            consent: String::new(),
        }
    }
}

impl VoicePolicy {
    /// What is worst about the words of what was said.
    #[must_use]
    pub fn words(&self, said: &[Said]) -> Words {
        // Random digits that nobody has listened to are no random digits.
        let each = said.iter().map(|said| match (self.mode, said.words) {
            (Mode::RandomDigits, Words::Any) => Words::Other,
            (_, words) => words,
        });
        each.fold(Words::Any, Words::and)
    }

    /// Whether an answer did not come when a person's does: it took longer, or it began before all digits could have been
    /// heard. Whoever speaks of their own affairs was not asked for anything, and a phrase is known before it is asked for.
    #[must_use]
    pub fn is_late(&self, said: &Said) -> bool {
        match (self.mode, said.utterance.after()) {
            (Mode::Passive, _) | (Mode::Phrase, None) => false,
            (Mode::RandomDigits, None) => true,
            (_, Some(after)) => after > self.within,
        }
    }

    /// Whether anybody asks if the words were put together: only where they are digits that nobody could know before.
    #[must_use]
    pub fn asks_joins(&self) -> bool {
        self.mode == Mode::RandomDigits && self.joined != JoinedWords::Off
    }

    /// What a sound is taken for that was heard before, is what the caller was just told, or sounds put together.
    #[must_use]
    pub const fn origin(&self, copy: bool, prompt: bool, joined: Joined) -> Origin {
        match (copy, prompt, self.joined, joined) {
            (true, ..) => Origin::Copy,
            (_, true, ..) => Origin::Prompt,
            (_, _, JoinedWords::Refuse, Joined::Likely) => Origin::Joined,
            _ => Origin::Speaker,
        }
    }

    /// What is judged: what was said last, with what was said in time before. An answer that was late once is asked for
    /// again, and does not make the next one late.
    #[must_use]
    pub fn in_time(&self, said: &[Said]) -> Vec<Said> {
        let Some((last, before)) = said.split_last() else { return Vec::new() };
        let before = before.iter().filter(|said| !self.is_late(said));
        let mut kept: Vec<Said> = before.chain([last]).cloned().collect();
        let more = kept.len().saturating_sub(MOST_UTTERANCES);
        kept.drain(..more);
        kept
    }
}

/// What a caller says to be known by their voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whatever they say in the call.
    Passive,
    /// A phrase, always the same.
    Phrase,
    /// Digits that nobody could know before: a recording of them does not exist.
    RandomDigits,
}

/// What follows when random digits sound as if they were put together from recordings. That is found of two in three, and of
/// one natural answer in twelve (`docs/voice.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinedWords {
    /// Nobody asks.
    Off,
    /// It is a signal of risk, and in the audit log.
    Flag,
    /// The answer is wrong.
    Refuse,
}

/// Whether words sound as if they were put together from recordings. A word, never a score: for the audit log and for flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Joined {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// They do not, or there was too little to tell by.
    Unlikely,
    /// They do.
    Likely,
}

impl Joined {
    /// As a flow knows it; `None` when nobody asked.
    #[must_use]
    pub const fn known(self) -> Option<bool> {
        match self {
            Self::NotAsked => None,
            Self::Unlikely => Some(false),
            Self::Likely => Some(true),
        }
    }
}

/// Where a sound comes from, as far as anybody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody speaks.
    Speaker,
    /// It was heard before.
    Copy,
    /// It is what the caller was told, played back.
    Prompt,
    /// It was put together, and the policy refuses that.
    Joined,
}

/// A share of wrong speakers that are accepted, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FalseAccepts(u32);

impl FalseAccepts {
    /// One in a hundred.
    pub const ONE_PERCENT: Self = Self(10_000);
    /// One in a thousand.
    pub const ONE_IN_A_THOUSAND: Self = Self(1_000);
    /// The most that a policy may accept, and the least that can be asked for.
    pub const MOST: Self = Self(50_000);
    /// See [`FalseAccepts::MOST`].
    pub const LEAST: Self = Self(100);

    /// So many millionths; `None` when it is more than [`FalseAccepts::MOST`] or less than [`FalseAccepts::LEAST`].
    #[must_use]
    pub fn millionths(millionths: u32) -> Option<Self> {
        Some(Self(millionths)).filter(|rate| (Self::LEAST..=Self::MOST).contains(rate))
    }

    /// As written in a policy: `1%`, `0.1 %`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.trim().strip_suffix('%')?.trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let plain = |digits: &str| digits.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || whole.len() > 2 || part.len() > 4 || !plain(whole) || !plain(part) {
            return None;
        }
        let part: u32 = format!("{part:0<4}").parse().ok()?;
        Self::millionths(whole.parse::<u32>().ok()? * 10_000 + part)
    }

    /// As a share.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.0) / 1_000_000.0
    }
}

impl std::fmt::Display for FalseAccepts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        let part = format!("{part:04}");
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            part => write!(f, "{whole}.{part}%"),
        }
    }
}

/// What was found of what a caller said. For the audit log; a caller never learns more than a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The same voice, as sure as the policy wants it.
    Same,
    /// It may be: another utterance would tell.
    Unsure,
    /// Another voice.
    Different,
    /// A copy of an utterance that was heard before.
    Replay,
    /// What the caller was just told, played back.
    Prompt,
    /// Words put together from recordings, where the policy refuses them.
    Joined,
    /// Other words than those that were asked for.
    OtherWords,
    /// Perhaps other words.
    UnsureWords,
    /// The answer came later than a person's would, or before the question was over.
    Late,
    /// Too little speech, or too bad a recording to tell anything by.
    Unusable,
}

/// What a finding is made of: each is looked at whatever the others say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What the voice is like: [`Finding::Same`], [`Finding::Unsure`] or [`Finding::Different`].
    pub voice: Finding,
    /// Where the sounds come from.
    pub origin: Origin,
    /// What is worst about the words.
    pub words: Words,
    /// The last answer did not come when a person's does.
    pub late: bool,
}

impl Evidence {
    /// All of it together: what speaks against the caller comes first, then what is in doubt.
    #[must_use]
    pub const fn finding(self) -> Finding {
        match (self.origin, self.words, self.voice) {
            (Origin::Copy, ..) => Finding::Replay,
            (Origin::Prompt, ..) => Finding::Prompt,
            (Origin::Joined, ..) => Finding::Joined,
            (_, Words::Other, _) => Finding::OtherWords,
            (_, _, Finding::Same | Finding::Unsure) if self.late => Finding::Late,
            (_, Words::Unsure, Finding::Same | Finding::Unsure) => Finding::UnsureWords,
            (_, _, voice) => voice,
        }
    }
}

impl Finding {
    /// Whether another utterance may settle it.
    #[must_use]
    pub const fn in_doubt(self) -> bool {
        matches!(self, Self::Unsure | Self::UnsureWords | Self::Late | Self::Unusable)
    }
}

/// What a policy names when it names this factor.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { digits: 6..=6, ..FactorPolicy::plain(FactorId::Voiceprint) }
}

/// What was keyed is no voice: nothing is accepted. Voices are compared where the model is.
///
/// # Errors
/// Always.
pub const fn judge(_judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    Err(JudgeError)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::secret::Secret;
    use crate::voice::{Ended, Utterance};

    #[test]
    fn a_rate_is_written_in_percent() {
        for (text, millionths) in
            [("1%", 10_000), ("0.1%", 1_000), ("0.5 %", 5_000), ("5%", 50_000), ("0.01%", 100)]
        {
            let rate = FalseAccepts::parse(text);
            assert_eq!(rate.map(|rate| rate.0), Some(millionths), "{text}");
            assert_eq!(FalseAccepts::parse(&rate.expect("a rate").to_string()), rate);
        }
        for text in ["0.82", "1", "", "%", "6%", "0%", "0.001%", "-1%", "1e2%", "0.00001%", "100%", ".5%"] {
            assert_eq!(FalseAccepts::parse(text), None, "{text}");
        }
    }

    #[test]
    fn joined_words_are_told_unless_the_policy_refuses_them_or_asks_for_none() {
        let policy = |joined, mode| VoicePolicy { joined, mode, ..VoicePolicy::default() };
        let digits = |joined| policy(joined, Mode::RandomDigits);
        assert!(VoicePolicy::default().asks_joins(), "unless a policy says otherwise");
        for (policy, asks, origin) in [
            (digits(JoinedWords::Off), false, Origin::Speaker),
            (digits(JoinedWords::Flag), true, Origin::Speaker),
            (digits(JoinedWords::Refuse), true, Origin::Joined),
            (policy(JoinedWords::Refuse, Mode::Phrase), false, Origin::Joined),
        ] {
            assert_eq!((policy.asks_joins(), policy.origin(false, false, Joined::Likely)), (asks, origin));
            assert_eq!(policy.origin(false, false, Joined::Unlikely), Origin::Speaker);
            assert_eq!(policy.origin(true, true, Joined::Likely), Origin::Copy);
            assert_eq!(policy.origin(false, true, Joined::Likely), Origin::Prompt);
        }
    }

    #[test]
    fn digits_are_said_after_they_were_heard() {
        let said = |after: Option<u64>| {
            let after = after.map(Duration::from_secs);
            let sound = Utterance::new(Secret::new(vec![1; 8]), after, Duration::ZERO, Ended::Silence);
            Said { utterance: Arc::new(sound), words: Words::Right }
        };
        for (mode, late) in [
            (Mode::RandomDigits, [true, false, true]),
            (Mode::Phrase, [false, false, true]),
            (Mode::Passive, [false, false, false]),
        ] {
            let policy = VoicePolicy { mode, ..VoicePolicy::default() };
            let found = [None, Some(4), Some(6)].map(|after| policy.is_late(&said(after)));
            assert_eq!(found, late, "{mode:?}: into the question, after it, much later");
        }
    }

    #[test]
    fn what_speaks_against_a_caller_outweighs_their_voice() {
        let good =
            Evidence { voice: Finding::Same, origin: Origin::Speaker, words: Words::Right, late: false };
        let found = |evidence: Evidence| evidence.finding();
        assert_eq!(found(good), Finding::Same);
        assert_eq!(found(Evidence { words: Words::Any, ..good }), Finding::Same);
        for (origin, finding) in [
            (Origin::Copy, Finding::Replay),
            (Origin::Prompt, Finding::Prompt),
            (Origin::Joined, Finding::Joined),
        ] {
            assert_eq!(found(Evidence { origin, late: true, words: Words::Unsure, ..good }), finding);
            assert!(!finding.in_doubt());
        }
        assert_eq!(found(Evidence { words: Words::Other, late: true, ..good }), Finding::OtherWords);
        assert_eq!(found(Evidence { late: true, ..good }), Finding::Late);
        assert_eq!(found(Evidence { words: Words::Unsure, ..good }), Finding::UnsureWords);
        // Who is somebody else is not asked again for being late.
        let other = Evidence { voice: Finding::Different, ..good };
        assert_eq!(found(Evidence { late: true, words: Words::Unsure, ..other }), Finding::Different);
        let every = [Finding::Same, Finding::Unsure, Finding::Different];
        let words = [Words::Any, Words::Right, Words::Unsure, Words::Other];
        let origins = [Origin::Speaker, Origin::Copy, Origin::Prompt, Origin::Joined];
        for voice in every {
            for words in words {
                for (origin, late) in origins.into_iter().flat_map(|origin| [(origin, false), (origin, true)])
                {
                    let evidence = Evidence { voice, origin, words, late };
                    let clean =
                        evidence == Evidence { words, ..good } && matches!(words, Words::Any | Words::Right);
                    assert_eq!(evidence.finding() == Finding::Same, clean, "{evidence:?}");
                }
            }
        }
    }
}
