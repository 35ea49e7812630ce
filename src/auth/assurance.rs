//! Assurance levels: the policy's own scale, lowest first. Not a NIST AAL, which a telephone call can't have.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{FactorId, FactorKind, FactorPolicy, LevelPolicy, Meeting, Policy};

/// The name of a level, as the policy spells it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LevelName(Arc<str>);

impl LevelName {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for LevelName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for LevelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LevelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is proved about a caller now.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum AssuranceLevel {
    /// Nothing.
    #[default]
    None,
    /// This level of the policy.
    Level(LevelName),
}

impl AssuranceLevel {
    /// The level's name, if one is held.
    #[must_use]
    pub const fn name(&self) -> Option<&LevelName> {
        match self {
            Self::None => None,
            Self::Level(name) => Some(name),
        }
    }
}

impl fmt::Display for AssuranceLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().map_or("none", LevelName::as_str))
    }
}

/// A proved factor and how long ago it was proved.
pub(crate) type Proof = (FactorId, Duration);

impl Policy {
    /// The place of a level in the order, lowest first.
    #[must_use]
    pub fn rank(&self, level: &LevelName) -> Option<usize> {
        self.levels.iter().position(|l| l.name == *level)
    }

    /// Whether exactly these factors, together, prove the level. Two factors of one kind do not count as
    /// two where the level wants different kinds; a weak factor counts at the lowest level only; a voice counts
    /// beside something that the caller has, unless the policy says in writing why it does without.
    #[must_use]
    pub fn proves(&self, level: &LevelPolicy, factors: &[FactorId]) -> bool {
        self.enough(level, factors) && self.voice_backed(factors)
    }

    fn voice_backed(&self, factors: &[FactorId]) -> bool {
        let alone = |used: &FactorPolicy| used.voice.alone_because.is_some();
        !factors.contains(&FactorId::Voiceprint)
            || factors.iter().any(|factor| factor.kind() == FactorKind::Possession)
            || self.factor(FactorId::Voiceprint).is_some_and(alone)
    }

    /// The same by numbers and kinds alone.
    pub(super) fn enough(&self, level: &LevelPolicy, factors: &[FactorId]) -> bool {
        let lowest = self.levels.first().is_some_and(|l| l.name == level.name);
        let known = factors.iter().all(|f| self.factor(*f).is_some_and(|p| lowest || !p.weak));
        let mut kinds: Vec<_> = factors.iter().map(|f| f.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let distinct = !level.different_kinds || kinds.len() == factors.len();
        let not_only = level.not_only.is_empty() || factors.iter().any(|f| !level.not_only.contains(f));
        known && distinct && not_only && !factors.is_empty() && factors.len() == usize::from(level.factors)
    }

    /// Whether every proof of one level has a proof of another in it: whoever is let in by the first is worth the
    /// other.
    #[must_use]
    pub fn implies(&self, level: &LevelPolicy, other: &LevelPolicy) -> bool {
        let parts = self.proofs_of(other);
        let holds =
            |proof: &Vec<FactorId>| parts.iter().any(|part| part.iter().all(|factor| proof.contains(factor)));
        self.proofs_of(level).iter().all(holds)
    }

    /// Whether the level can be reached with some of `offer` by somebody who can't speak, or is not understood.
    #[must_use]
    pub fn reachable(&self, level: &LevelName, offer: &[FactorId]) -> bool {
        let typed = |factor: &FactorId| factor.meeting() != Meeting::Spoken;
        let offer: Vec<FactorId> = offer.iter().copied().filter(typed).collect();
        self.provable(level, &offer)
    }

    /// Whether the level can be reached with some of `offer`.
    #[must_use]
    pub fn provable(&self, level: &LevelName, offer: &[FactorId]) -> bool {
        self.level(level).is_some_and(|l| sets(&distinct(offer), l).iter().any(|set| self.proves(l, set)))
    }

    /// Every set of the policy's factors that proves the level.
    pub(crate) fn proofs_of(&self, level: &LevelPolicy) -> Vec<Vec<FactorId>> {
        let factors: Vec<FactorId> = self.factors.iter().map(|factor| factor.factor).collect();
        let mut proofs = sets(&distinct(&factors), level);
        proofs.retain(|set| self.proves(level, set));
        proofs
    }

    /// The age of the proof of `level`, or of a higher one, by the freshest sufficient set of `proofs`;
    /// `None` when they do not prove it. No proof older than its level's `max_age` or than `max_age` counts.
    pub(crate) fn held(
        &self,
        level: &LevelName,
        proofs: &[Proof],
        max_age: Option<Duration>,
    ) -> Option<Duration> {
        let rank = self.rank(level)?;
        self.levels.iter().skip(rank).filter_map(|l| self.age_of(l, proofs, max_age)).min()
    }

    /// The highest level that the proofs hold, and its age.
    pub(crate) fn highest(&self, proofs: &[Proof]) -> Option<(&LevelPolicy, Duration)> {
        self.levels.iter().rev().find_map(|l| self.age_of(l, proofs, None).map(|age| (l, age)))
    }

    fn age_of(&self, level: &LevelPolicy, proofs: &[Proof], max_age: Option<Duration>) -> Option<Duration> {
        let fresh = |age: Duration| [level.max_age, max_age].into_iter().flatten().all(|limit| age <= limit);
        let proofs: Vec<Proof> = proofs.iter().copied().filter(|(_, age)| fresh(*age)).collect();
        sets(&proofs, level)
            .into_iter()
            .filter(|set| self.proves(level, &set.iter().map(|(f, _)| *f).collect::<Vec<_>>()))
            .filter_map(|set| set.iter().map(|(_, age)| *age).max())
            .min()
    }

    /// The factors to ask for next: those of the smallest additions to `proved` that reach the level, in the
    /// order of `available`. None when no addition does.
    pub(crate) fn next_factors(
        &self,
        level: &LevelName,
        proved: &[FactorId],
        available: &[FactorId],
    ) -> Vec<FactorId> {
        let Some(level) = self.level(level) else { return Vec::new() };
        let mut new = distinct(available);
        new.retain(|factor| !proved.contains(factor));
        let all: Vec<FactorId> = proved.iter().chain(&new).copied().collect();
        let additions: Vec<Vec<FactorId>> = sets(&all, level)
            .into_iter()
            .filter(|set| self.proves(level, set))
            .map(|set| set.into_iter().filter(|f| new.contains(f)).collect())
            .collect();
        let fewest = additions.iter().map(Vec::len).min();
        let helps = |f: &FactorId| additions.iter().any(|set| Some(set.len()) == fewest && set.contains(f));
        new.into_iter().filter(helps).collect()
    }

    /// The order of factors by strength, strongest first: what counts at the lowest level only comes last,
    /// and what a caller has is harder to copy than what a caller knows or is.
    pub(crate) fn strength(&self, factor: FactorId) -> (bool, u8) {
        let weak = self.factor(factor).is_none_or(|policy| policy.weak);
        let kind = match factor.kind() {
            FactorKind::Possession => 0,
            FactorKind::Knowledge => 1,
            FactorKind::Inherence => 2,
        };
        (weak, kind)
    }
}

fn distinct(factors: &[FactorId]) -> Vec<FactorId> {
    let mut seen = Vec::new();
    for factor in factors {
        if !seen.contains(factor) {
            seen.push(*factor);
        }
    }
    seen
}

/// All sets of as many as the level needs, which are the only ones that can prove it. There are a dozen
/// factors and a level needs two or three, so this stays small; trying them all is what makes the rules above
/// obviously right.
fn sets<T: Copy>(of: &[T], level: &LevelPolicy) -> Vec<Vec<T>> {
    let mut sets = vec![Vec::new()];
    for _ in 0..level.factors {
        sets = sets
            .into_iter()
            .flat_map(|set: Vec<(usize, T)>| {
                let from = set.last().map_or(0, |(at, _)| at + 1);
                let next = of.iter().copied().enumerate().skip(from);
                next.map(move |item| set.iter().copied().chain([item]).collect()).collect::<Vec<_>>()
            })
            .collect();
    }
    sets.into_iter().map(|set| set.into_iter().map(|(_, item)| item).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Duration = Duration::from_secs(16 * 60);
    const NEW: Duration = Duration::from_secs(5);

    fn level(policy: &Policy, proofs: &[Proof]) -> Option<String> {
        policy.highest(proofs).map(|(l, _)| l.name.to_string())
    }

    #[test]
    fn a_level_is_held_by_the_right_number_of_fresh_kinds() {
        let policy = Policy::default();
        assert_eq!(level(&policy, &[]), None);
        assert_eq!(level(&policy, &[(FactorId::Pin, OLD)]).as_deref(), Some("basic"));
        assert_eq!(level(&policy, &[(FactorId::Pin, NEW), (FactorId::Totp, NEW)]).as_deref(), Some("strong"));
        assert_eq!(level(&policy, &[(FactorId::Pin, OLD), (FactorId::Totp, NEW)]).as_deref(), Some("basic"));
    }

    #[test]
    fn two_factors_of_one_kind_are_not_two() {
        let policy = Policy::default();
        let strong = policy.level(&"strong".into()).expect("shipped");
        assert!(!policy.proves(strong, &[FactorId::Pin, FactorId::Pin]));
        assert!(policy.proves(strong, &[FactorId::Pin, FactorId::Totp]));
    }

    #[test]
    fn a_weak_factor_never_lifts_above_the_lowest_level() {
        let mut policy = Policy::default();
        policy.factors.iter_mut().filter(|f| f.factor == FactorId::Totp).for_each(|f| f.weak = true);
        assert_eq!(level(&policy, &[(FactorId::Pin, NEW), (FactorId::Totp, NEW)]).as_deref(), Some("basic"));
        assert!(!policy.reachable(&"strong".into(), FactorId::ALL));
    }

    #[test]
    fn a_factor_that_can_not_count_alone_needs_another() {
        let mut policy = Policy::default();
        policy.levels[0].not_only = vec![FactorId::Pin];
        assert_eq!(level(&policy, &[(FactorId::Pin, NEW)]), None);
        assert_eq!(level(&policy, &[(FactorId::Totp, NEW)]).as_deref(), Some("basic"));
        assert_eq!(
            policy.next_factors(&"basic".into(), &[], &[FactorId::Pin, FactorId::Totp]),
            [FactorId::Totp]
        );
    }

    #[test]
    fn the_next_factor_follows_the_offer_and_what_is_proved() {
        let policy = Policy::default();
        let (basic, strong) = ("basic".into(), "strong".into());
        let both = [FactorId::Totp, FactorId::Pin];
        assert_eq!(policy.next_factors(&basic, &[], &both), both);
        assert_eq!(policy.next_factors(&strong, &[FactorId::Totp], &both), [FactorId::Pin]);
        assert_eq!(policy.next_factors(&strong, &[], &[FactorId::Pin]), []);
        assert_eq!(policy.next_factors(&"unknown".into(), &[], &both), []);
        let mut by_strength = [FactorId::Pin, FactorId::Totp];
        by_strength.sort_by_key(|factor| policy.strength(*factor));
        assert_eq!(by_strength, both, "what a caller has is stronger than what they know");
    }
}
