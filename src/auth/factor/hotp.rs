//! Counter-based one-time passwords, as key fobs make them: RFC 4226.
//!
//! Each press of the fob's button makes the next code; presses that nobody uses put the fob ahead of what is
//! kept here. A code within `look_ahead` presses of the last accepted one is right. One further ahead, within
//! `resync`, is not, but when the very next code follows it the counter catches up and that one is right
//! (RFC 4226 §7.4). The counter is the store's `last_step`, moved forward by compare-and-set: a code that was
//! accepted, and every one before it, is never right again.

use serde::{Deserialize, Serialize};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::totp::{Algorithm, one_time_code};
use super::{FactorKind, JudgeError, Judged, Judging, Meeting};
use crate::auth::{FactorId, FactorPolicy};
use crate::secret::Secret;

/// The factor's name.
pub const NAME: &str = "hotp";
/// The seed is had: in a fob.
pub const KIND: FactorKind = FactorKind::Possession;
/// It is keyed.
pub const MEETING: Meeting = Meeting::Keyed;
/// RFC 4226 §4 R6: a seed has at least 128 bits.
pub const SHORTEST_SEED: usize = 16;
/// No fob has a longer one than the block of its hash.
pub const LONGEST_SEED: usize = 128;

/// What fobs make: six digits.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { digits: 6..=6, ..FactorPolicy::plain(FactorId::Hotp) }
}

/// An enrolled fob, apart from its seed and its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fob {
    /// The hash.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: u8,
    /// The counter of a code that was too far ahead, if the last response was one.
    pub ahead: Option<u64>,
}

/// What a response means to a fob's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is the code of this counter, which is the last from now on.
    Right(u64),
    /// It is the code of this counter, too far ahead to be right.
    Ahead(u64),
    /// It is no code that may come.
    Wrong,
}

impl Fob {
    /// What a policy enrols.
    #[must_use]
    pub const fn of(policy: &FactorPolicy) -> Self {
        Self { algorithm: policy.algorithm, digits: *policy.digits.end(), ahead: None }
    }

    /// The code of a counter, as digits.
    #[must_use]
    pub fn code(&self, seed: &Secret<Vec<u8>>, counter: u64) -> Secret<String> {
        one_time_code(self.algorithm, self.digits, seed, counter)
    }

    /// What `response` is, when `last` was the counter of the last accepted code. All codes of the window are
    /// computed and compared whatever the result, so the time taken says nothing.
    #[must_use]
    pub fn judge(
        &self,
        seed: &Secret<Vec<u8>>,
        policy: &FactorPolicy,
        last: Option<u64>,
        response: &Secret<String>,
    ) -> Counted {
        let next = last.map_or(0, |last| last.saturating_add(1));
        let is = |counter| self.code(seed, counter).expose().as_bytes().ct_eq(response.expose().as_bytes());
        // Backwards, so that of two equal codes the nearer counts; one more than the counter means found.
        let mut found = 0_u64;
        for offset in (0..=u64::from(policy.resync)).rev() {
            let counter = next.saturating_add(offset);
            found.conditional_assign(&counter.saturating_add(1), is(counter));
        }
        let follows = self.ahead.map_or(0, |ahead| ahead.saturating_add(1));
        let caught_up = bool::from(is(follows)) && self.ahead.is_some() && follows >= next;
        match found.checked_sub(1) {
            Some(counter) if counter - next <= policy.look_ahead.into() => Counted::Right(counter),
            _ if caught_up => Counted::Right(follows),
            Some(counter) => Counted::Ahead(counter),
            None => Counted::Wrong,
        }
    }
}

/// What is kept at enrolment: the fob in JSON, a line feed, the seed.
///
/// # Errors
/// Never in practice: a fob is numbers and a name.
pub fn encode(fob: Fob, seed: &[u8]) -> Result<Secret<Vec<u8>>, JudgeError> {
    let mut data = serde_json::to_vec(&fob).map_err(|_| JudgeError)?;
    data.push(b'\n');
    data.extend_from_slice(seed);
    Ok(Secret::new(data))
}

/// Judges a code.
///
/// # Errors
/// When the kept data is not what [`encode`] writes.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    let data = judging.data.expose();
    let end = data.iter().position(|byte| *byte == b'\n').ok_or(JudgeError)?;
    let (fob, seed) = data.split_at(end);
    let fob: Fob = serde_json::from_slice(fob).map_err(|_| JudgeError)?;
    let seed = Secret::new(seed.get(1..).unwrap_or_default().to_vec());
    let counted = fob.judge(&seed, judging.policy, judging.last_step, judging.response);
    let ahead = match counted {
        Counted::Ahead(counter) => Some(counter),
        Counted::Right(_) | Counted::Wrong => None,
    };
    let renewed = if ahead == fob.ahead { None } else { Some(encode(Fob { ahead, ..fob }, seed.expose())?) };
    let step = match counted {
        Counted::Right(counter) => Some(counter),
        Counted::Ahead(_) | Counted::Wrong => None,
    };
    Ok(Judged { right: step.is_some(), step, renewed })
}

/// A seed as makers print it: hexadecimal, or base 32 when it can't be that. Spaces, hyphens and padding do
/// not count. `None` when it is neither, or shorter than RFC 4226 allows.
#[must_use]
pub fn read_seed(text: &Secret<String>) -> Option<Secret<Vec<u8>>> {
    let kept = text.expose().chars().filter(|c| !c.is_whitespace() && !"-=:".contains(*c));
    let plain = Secret::new(kept.map(|c| c.to_ascii_uppercase()).collect::<String>());
    let bytes = plain.expose().as_bytes();
    let decoded =
        data_encoding::HEXUPPER.decode(bytes).or_else(|_| data_encoding::BASE32_NOPAD.decode(bytes));
    let seed = Secret::new(decoded.ok()?);
    (SHORTEST_SEED..=LONGEST_SEED).contains(&seed.expose().len()).then_some(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    fn seed() -> Secret<Vec<u8>> {
        Secret::new(SEED.to_vec())
    }

    fn code(counter: u64) -> Secret<String> {
        Fob::of(&defaults()).code(&seed(), counter)
    }

    fn judged(ahead: Option<u64>, last: Option<u64>, response: &Secret<String>) -> Counted {
        Fob { ahead, ..Fob::of(&defaults()) }.judge(&seed(), &defaults(), last, response)
    }

    #[test]
    fn rfc_4226_appendix_d() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, expected) in (0..).zip(codes) {
            assert_eq!(code(counter).expose(), expected, "counter {counter}");
            let last = u64::checked_sub(counter, 1);
            assert_eq!(judged(None, last, &code(counter)), Counted::Right(counter));
        }
    }

    #[test]
    fn a_code_is_right_within_the_look_ahead_and_after_the_last_only() {
        assert_eq!(judged(None, Some(4), &code(4)), Counted::Wrong, "used");
        assert_eq!(judged(None, Some(4), &code(3)), Counted::Wrong, "passed over");
        assert_eq!(judged(None, Some(4), &code(5)), Counted::Right(5));
        assert_eq!(judged(None, Some(4), &code(7)), Counted::Right(7), "two were not used");
        assert_eq!(judged(None, Some(4), &code(8)), Counted::Ahead(8));
        assert_eq!(judged(None, Some(4), &code(105)), Counted::Ahead(105));
        assert_eq!(judged(None, Some(4), &code(106)), Counted::Wrong);
    }

    #[test]
    fn only_the_very_next_code_catches_up_with_a_fob_far_ahead() {
        assert_eq!(judged(Some(60), Some(4), &code(61)), Counted::Right(61));
        for other in [59, 60, 62, 63] {
            assert_eq!(judged(Some(60), Some(4), &code(other)), Counted::Ahead(other));
        }
        assert_eq!(judged(Some(60), Some(4), &Secret::new("000000".into())), Counted::Wrong);
        assert_eq!(judged(Some(60), Some(70), &code(61)), Counted::Wrong, "the counter is beyond it");
        // The last code of the window is followed by one beyond it.
        assert_eq!(judged(Some(105), Some(4), &code(106)), Counted::Right(106));
    }

    #[test]
    fn a_seed_is_read_as_makers_print_it() {
        let read = |text: &str| read_seed(&Secret::new(text.to_owned())).map(|seed| seed.expose().clone());
        let hex = "3132333435363738393031323334353637383930";
        assert_eq!(read(hex).as_deref(), Some(SEED));
        assert_eq!(read("31:32:33:34 35363738-393031323334353637383930").as_deref(), Some(SEED));
        assert_eq!(read("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").as_deref(), Some(SEED));
        assert_eq!(read("gezd gnbv gy3t qojq gezd gnbv gy3t qojq").as_deref(), Some(SEED));
        for broken in ["", "31323334", "nonsense!", &hex[1..]] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
