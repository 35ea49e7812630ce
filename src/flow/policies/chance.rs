//! How well a policy withstands somebody who only guesses.
//!
//! An upper bound: as many guesses as a day has room for, whatever the locks between them, from every number and
//! from the one on file.

use crate::auth::{FactorId, FactorPolicy, Policy};

/// Factors that are digits to be keyed.
const DIGITS: [&str; 7] = ["pin", "totp", "hotp", "otp_sms", "otp_email", "otp_call", "recovery"];

/// The chance of guessing a factor within a day, in the policy; `None` where it is not a matter of digits.
pub(super) fn in_a_day(policy: &Policy, used: &FactorPolicy) -> Option<f64> {
    let codes = f64::from(policy.codes_at_once(used.factor));
    let room = f64::from(policy.lockout.guesses.per_day);
    // Where it reaches a level by itself, each try takes as much of the day's room as it could hit.
    let hit = if policy.alone(used.factor) { room } else { room * codes };
    Some((hit * of_one(used)?).min(1.0))
}

/// The chance that one code is right.
pub(super) fn of_one(used: &FactorPolicy) -> Option<f64> {
    // The first digit of a recovery code says which one it is.
    let known = i32::from(used.factor == FactorId::Recovery);
    let digits = i32::from(*used.digits.start()) - known;
    (DIGITS.contains(&used.factor.name()) && digits > 0).then(|| 10_f64.powi(-digits))
}

/// The sets of factors that reach a level, none with more than it takes.
pub(super) fn sets(policy: &Policy, level: &crate::auth::LevelPolicy) -> Vec<Vec<FactorId>> {
    let all: Vec<FactorId> = policy.factors.iter().map(|used| used.factor).collect();
    let mut out: Vec<Vec<FactorId>> = Vec::new();
    grow(policy, level, &all, &mut Vec::new(), &mut out);
    out
}

fn grow(
    policy: &Policy,
    level: &crate::auth::LevelPolicy,
    left: &[FactorId],
    set: &mut Vec<FactorId>,
    out: &mut Vec<Vec<FactorId>>,
) {
    if set.len() == usize::from(level.factors) {
        if policy.proves(level, set) {
            out.push(set.clone());
        }
        return;
    }
    for (at, factor) in left.iter().enumerate() {
        set.push(*factor);
        grow(policy, level, left.get(at + 1..).unwrap_or_default(), set, out);
        set.pop();
    }
}

/// The chance of guessing all factors of a set within a day; `None` when one has none that could be counted.
pub(super) fn of_set(policy: &Policy, set: &[FactorId]) -> Option<f64> {
    set.iter().try_fold(1.0, |chance, factor| Some(chance * in_a_day(policy, policy.factor(*factor)?)?))
}

/// `1 in 100 000`.
pub(super) fn words(chance: f64) -> String {
    if chance >= 1.0 {
        return "certain".to_owned();
    }
    // Rounded down: no chance is told smaller than it is.
    let digits = format!("{:.0}", (1.0 / chance + 1e-6).floor());
    let count = digits.len();
    let grouped: String = digits
        .chars()
        .enumerate()
        .flat_map(|(at, c)| {
            let space = (at > 0 && (count - at).is_multiple_of(3)).then_some(' ');
            space.into_iter().chain([c])
        })
        .collect();
    format!("1 in {grouped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policy_holds_the_bars() {
        let policy = Policy::default();
        for used in &policy.factors {
            let (chance, digits) = (in_a_day(&policy, used), i32::from(*used.digits.start()));
            assert!(chance.is_some_and(|chance| chance <= 10_f64.powi(1 - digits) * 1.000_001), "{used:?}");
        }
        let strong = of_set(&policy, &[FactorId::Pin, FactorId::Totp]);
        assert!(strong.is_some_and(|chance| chance < 1e-11));
    }

    #[test]
    fn chances_read_well() {
        assert_eq!(words(1e-5), "1 in 100 000");
        assert_eq!(words(3e-5), "1 in 33 333");
        assert_eq!(words(1e-7), "1 in 10 000 000");
        assert_eq!(words(0.001), "1 in 1 000");
        assert_eq!(words(1.0), "certain");
    }
}
