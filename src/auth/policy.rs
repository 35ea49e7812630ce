//! The policy: factors, levels, limits. `flow` reads it from `policy.yaml`; this is what it means.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::factor::otp::{self, Resend, Way};
use super::factor::questions::{self, Questions};
use super::factor::totp::Algorithm;
use super::factor::voiceprint::{self, VoicePolicy};
use super::factor::{Meeting, password, push, recovery};
use super::{FactorId, LevelName, Lockout};

/// What counts as proof, and how often one may be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The factors in use, one entry each.
    pub factors: Vec<FactorPolicy>,
    /// The levels, lowest first.
    pub levels: Vec<LevelPolicy>,
    /// The limits on failures.
    pub lockout: Lockout,
    /// Whether subjects may have a second PIN for duress, and what it gives.
    pub duress: Option<Duress>,
}

/// What a proof under duress gives. The caller hears the same either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duress {
    /// What any proof gives: the flow decides by `risk.duress` what is really done.
    Same,
    /// Nothing that is protected: a protected step is not carried out.
    Nothing,
}

/// How one factor is used. Fields that do not concern a factor keep their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorPolicy {
    /// Which factor.
    pub factor: FactorId,
    /// How many digits a response has.
    pub digits: RangeInclusive<u8>,
    /// The written exception for a PIN of fewer than 8 digits.
    pub short_because: Option<String>,
    /// Counts at the lowest level only.
    pub weak: bool,
    /// The time step of a TOTP; RFC 6238 §5.2 recommends 30 s.
    pub step: Duration,
    /// How many steps a TOTP clock may be off, either way.
    pub drift: u8,
    /// The hash of a TOTP at enrolment.
    pub algorithm: Algorithm,
    /// The way that something is sent.
    pub send: Way,
    /// How long what was sent is good for.
    pub life: Duration,
    /// How often and how soon it may be sent again.
    pub resend: Resend,
    /// What is sent, by language; the engine's own words where there is none.
    pub text: Vec<(String, String)>,
    /// How many codes of a key fob may have been made and not used before the one that is right.
    pub look_ahead: u16,
    /// How far a key fob's counter may have run ahead and be caught up with by two codes in a row.
    pub resync: u16,
    /// Which questions there are, and how many are asked.
    pub questions: Questions,
    /// Its digits may be said in place of typing them.
    pub spoken: bool,
    /// How voices are used.
    pub voice: VoicePolicy,
}

/// What one level needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelPolicy {
    /// Its name.
    pub name: LevelName,
    /// How many factors.
    pub factors: u8,
    /// Each of another kind.
    pub different_kinds: bool,
    /// Factors that are not enough by themselves.
    pub not_only: Vec<FactorId>,
    /// No proof may be older than this.
    pub max_age: Option<Duration>,
}

impl Default for Policy {
    /// The everyday policy: any factor is `basic`, two kinds within a quarter of an hour are `strong`.
    fn default() -> Self {
        let level = |name, factors, max_age| LevelPolicy {
            name: LevelName::from(name),
            factors,
            different_kinds: factors > 1,
            not_only: Vec::new(),
            max_age,
        };
        Self {
            factors: [FactorId::Pin, FactorId::Totp].map(FactorId::defaults).into(),
            levels: vec![level("basic", 1, None), level("strong", 2, Some(Duration::from_secs(15 * 60)))],
            lockout: Lockout::default(),
            duress: None,
        }
    }
}

/// What is wrong with a policy, apart from its spelling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A PIN shorter than allowed.
    #[error("a PIN has 8 digits; 4 to 7 need `short_because`, fewer are refused (this one: {min})")]
    ShortPin {
        /// The shortest PIN the policy would take.
        min: u8,
    },
    /// A range of digits that nothing fits.
    #[error("{factor} can't have {min} to {max} digits")]
    Digits {
        /// Which factor.
        factor: FactorId,
        /// The lower end.
        min: u8,
        /// The upper end.
        max: u8,
    },
    /// A code that is good for too long, or for no time.
    #[error("what is sent for `{factor}` is good for 30 seconds to {} minutes", otp::LONGEST_LIFE.as_secs() / 60)]
    Life {
        /// Which factor.
        factor: FactorId,
    },
    /// A TOTP that accepts codes of too long a time.
    #[error("a one-time code may drift by 2 steps of 15 to 60 seconds at most")]
    Drift,
    /// More questions are asked than there are, or none.
    #[error("{ask} questions are asked at a time, and there are {all}; at least 1 is asked, and there are {most} at most", most = questions::MOST)]
    Questions {
        /// How many are asked.
        ask: u8,
        /// How many there are.
        all: usize,
    },
    /// A key fob whose window is too wide, or ends before it begins.
    #[error("a key fob looks ahead by 50 codes at most, and `resync` is at least that and 1000 at most")]
    Window,
    /// A level that nothing reaches.
    #[error("no set of the policy's factors reaches level `{level}`")]
    Unreachable {
        /// Its name.
        level: LevelName,
    },
    /// Levels in the wrong order.
    #[error("`{level}` stands above `{below}`, and who reaches `{level}` need not have reached `{below}`")]
    Order {
        /// The one that stands higher.
        level: LevelName,
        /// The one below it.
        below: LevelName,
    },
    /// A level that a voice reaches by itself.
    #[error("a voice reaches `{level}` by itself, and a machine can make one")]
    VoiceAlone {
        /// Its name.
        level: LevelName,
    },
    /// A limit that never bites, or always.
    #[error("every limit needs a number of at least 1 and a time that is not zero")]
    Limits,
    /// All guesses of a day are kept for the owner.
    #[error("all guesses of a day are kept for the owner: nobody else could ever try")]
    NothingForOthers,
    /// A lock that does not end by itself.
    #[error("a lock of more than 7 days does not end by itself")]
    LocksForEver,
    /// A window that forgets too fast.
    #[error("failures counted over less than a minute lock nobody")]
    NeverLocks,
}

impl Policy {
    /// How the policy uses a factor; `None` when it does not.
    #[must_use]
    pub fn factor(&self, factor: FactorId) -> Option<&FactorPolicy> {
        self.factors.iter().find(|f| f.factor == factor)
    }

    /// What a level needs; `None` when there is no such level.
    #[must_use]
    pub fn level(&self, level: &LevelName) -> Option<&LevelPolicy> {
        self.levels.iter().find(|l| l.name == *level)
    }

    /// Levels that last longer than one below them, each with that one: whoever holds the higher one passes for the
    /// lower one for longer than the lower one says.
    pub fn outlasting(&self) -> impl Iterator<Item = (&LevelPolicy, &LevelPolicy)> {
        self.levels.iter().enumerate().filter_map(|(at, level)| {
            let shorter = |below: &&LevelPolicy| {
                below.max_age.is_some_and(|age| level.max_age.is_none_or(|longer| longer > age))
            };
            Some((level, self.levels.get(..at)?.iter().find(shorter)?))
        })
    }

    /// Everything that is wrong with it; empty when it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<PolicyError> {
        let mut found: Vec<PolicyError> = self.factors.iter().filter_map(FactorPolicy::problem).collect();
        let usable: Vec<FactorId> = self.factors.iter().map(|f| f.factor).collect();
        let unreachable = self.levels.iter().filter(|l| !self.reachable(&l.name, &usable));
        found.extend(unreachable.map(|l| PolicyError::Unreachable { level: l.name.clone() }));
        // Whoever holds a level passes for every lower one: then it has to be worth every lower one.
        found.extend(self.levels.iter().enumerate().filter_map(|(at, level)| {
            let below = self.levels.get(..at)?.iter().find(|below| !self.implies(level, below))?;
            Some(PolicyError::Order { level: level.name.clone(), below: below.name.clone() })
        }));
        let voice = self.levels.iter().filter(|level| self.enough(level, &[FactorId::Voiceprint]));
        found.extend(voice.map(|level| PolicyError::VoiceAlone { level: level.name.clone() }));
        found.extend(self.lockout.problems());
        found
    }

    /// How many responses are right at one moment: what a guess can hit.
    #[must_use]
    pub fn codes_at_once(&self, factor: FactorId) -> u32 {
        match factor {
            // As many for whoever has none for duress: nobody can tell who has.
            FactorId::Pin if self.duress.is_some() => 2,
            _ => self.factor(factor).map_or(1, FactorPolicy::codes_at_once),
        }
    }

    /// Whether the factor reaches some level by itself.
    #[must_use]
    pub fn alone(&self, factor: FactorId) -> bool {
        self.levels.iter().any(|level| self.proves(level, &[factor]))
    }
}

impl FactorPolicy {
    /// How many responses are right at one moment: what a guess can hit.
    #[must_use]
    pub fn codes_at_once(&self) -> u32 {
        match self.factor {
            FactorId::Totp => 1 + 2 * u32::from(self.drift),
            FactorId::Hotp => 1 + u32::from(self.look_ahead),
            _ => 1,
        }
    }

    /// As it is used when only so many responses may be right.
    #[must_use]
    pub fn narrowed(&self, codes: u32) -> Self {
        let drift = u8::try_from(codes.saturating_sub(1) / 2).unwrap_or(u8::MAX);
        let ahead = u16::try_from(codes.saturating_sub(1)).unwrap_or(u16::MAX);
        Self { drift: self.drift.min(drift), look_ahead: self.look_ahead.min(ahead), ..self.clone() }
    }

    /// A factor whose fields all have the values of a factor that they do not concern.
    #[must_use]
    pub fn plain(factor: FactorId) -> Self {
        Self {
            factor,
            digits: 1..=16,
            short_because: None,
            weak: false,
            step: Duration::from_secs(30),
            drift: 1,
            algorithm: Algorithm::Sha1,
            send: Way::of(factor),
            life: Duration::from_secs(300),
            resend: Resend::default(),
            text: Vec::new(),
            // RFC 4226 §7.4 leaves both to the server.
            // RFC 4226 §7.2: as small as is usable. A greater one gives each guess that many more chances, and
            // two codes in a row catch up with a fob that is further ahead.
            look_ahead: 2,
            resync: 100,
            questions: Questions::default(),
            spoken: false,
            voice: VoicePolicy::default(),
        }
    }

    fn problem(&self) -> Option<PolicyError> {
        let (factor, min, max) = (self.factor, *self.digits.start(), *self.digits.end());
        // A code that is sent or computed has one length: half of one is no response.
        let fits = match factor {
            FactorId::Pin => max <= super::factor::pin::LONGEST,
            FactorId::Password => min >= password::SHORTEST && max <= password::LONGEST,
            FactorId::Recovery => min == max && (recovery::SHORTEST..=recovery::LONGEST).contains(&max),
            FactorId::Totp | FactorId::Hotp | FactorId::OtpSms | FactorId::OtpEmail | FactorId::OtpCall => {
                min == max && (otp::SHORTEST..=otp::LONGEST).contains(&max)
            }
            FactorId::Push => min == push::DIGITS && max == push::DIGITS,
            FactorId::Questions => max <= questions::LONGEST,
            FactorId::Voiceprint => {
                min == max && (voiceprint::FEWEST_DIGITS..=voiceprint::MOST_DIGITS).contains(&max)
            }
            FactorId::Number => true,
        };
        if min > max || !fits {
            return Some(PolicyError::Digits { factor, min, max });
        }
        if factor == FactorId::Pin && (min < 4 || (min < 8 && self.short_because.is_none())) {
            return Some(PolicyError::ShortPin { min });
        }
        let lives = (Duration::from_secs(30)..=otp::LONGEST_LIFE).contains(&self.life);
        if factor.meeting() == Meeting::Sent && !lives {
            return Some(PolicyError::Life { factor });
        }
        let (ask, all) = (self.questions.ask, self.questions.all().count());
        if factor == FactorId::Questions && (ask == 0 || all < ask.into() || all > questions::MOST) {
            return Some(PolicyError::Questions { ask, all });
        }
        if self.look_ahead > 50 || !(self.look_ahead..=1000).contains(&self.resync) {
            return Some(PolicyError::Window);
        }
        let step_fits = (15..=60).contains(&self.step.as_secs());
        (factor == FactorId::Totp && (self.drift > 2 || !step_fits)).then_some(PolicyError::Drift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policy_has_no_problem() {
        assert_eq!(Policy::default().problems(), []);
    }

    #[test]
    fn a_short_pin_needs_a_written_reason() {
        let mut policy = Policy::default();
        policy.factors[0].digits = 6..=6;
        assert_eq!(policy.problems(), [PolicyError::ShortPin { min: 6 }]);
        policy.factors[0].short_because = Some("the card app's PIN".into());
        assert_eq!(policy.problems(), []);
        policy.factors[0].digits = 3..=6;
        assert_eq!(policy.problems(), [PolicyError::ShortPin { min: 3 }]);
    }

    #[test]
    fn a_level_that_nothing_reaches_is_named() {
        let mut policy = Policy::default();
        policy.factors.retain(|f| f.factor == FactorId::Pin);
        assert_eq!(policy.problems(), [PolicyError::Unreachable { level: "strong".into() }]);
    }

    #[test]
    fn a_level_that_is_worth_less_than_one_below_it_is_named() {
        let mut policy = Policy::default();
        policy.levels.reverse();
        assert_eq!(
            policy.problems(),
            [PolicyError::Order { level: "basic".into(), below: "strong".into() }],
            "a PIN alone would pass for `strong`"
        );
    }

    #[test]
    fn a_level_that_outlasts_one_below_it_is_named() {
        let mut policy = Policy::default();
        assert_eq!(policy.outlasting().count(), 0);
        policy.levels[0].max_age = Some(Duration::from_secs(60));
        let named: Vec<(&str, &str)> =
            policy.outlasting().map(|(level, below)| (level.name.as_str(), below.name.as_str())).collect();
        assert_eq!(named, [("strong", "basic")]);
    }

    #[test]
    fn limits_of_nothing_are_refused() {
        let mut policy = Policy::default();
        policy.lockout.per_call = 0;
        assert_eq!(policy.problems(), [PolicyError::Limits]);
    }
}
