//! Recovery codes: a printed list for the day when nothing else is at hand. Each code works once.
//!
//! The first digit of a code is its number in the list and no secret; the others are. So one argon2id is
//! enough to judge a response, whichever code it is and whether there is one: of a number that is used up
//! another code's hash is computed in its place. A used code's hash is thrown away with its use; the store's
//! `last_step` counts the uses and moves by compare-and-set, so that of two uses at once one is right.

use serde::{Deserialize, Serialize};

use super::pin::{PinHash, SALT_BYTES, peppered_as};
use super::{FactorKind, JudgeError, Judged, Judging, Meeting};
use crate::auth::{FactorId, FactorPolicy, SubjectKey};
use crate::secret::Secret;

/// The factor's name.
pub const NAME: &str = "recovery";
/// The list is had.
pub const KIND: FactorKind = FactorKind::Possession;
/// It is keyed.
pub const MEETING: Meeting = Meeting::Keyed;
/// Codes of a list: as many as there are first digits.
pub const CODES: u8 = 10;
/// The number of the code and eight secret digits.
pub const SHORTEST: u8 = 9;
/// What a caller can read from paper and key without a slip.
pub const LONGEST: u8 = 12;

/// Nine digits.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { digits: SHORTEST..=SHORTEST, ..FactorPolicy::plain(FactorId::Recovery) }
}

/// A code that was not used yet.
#[derive(Serialize, Deserialize)]
struct Kept {
    number: u8,
    hash: String,
}

/// What is kept of new codes. `salts`: fresh, one for each.
///
/// # Errors
/// When argon2 gets no memory.
pub fn encode(
    pepper: &Secret<[u8; 32]>,
    tenant: &str,
    subject: SubjectKey,
    codes: &[Secret<String>],
    salts: &[[u8; SALT_BYTES]],
) -> Result<Secret<Vec<u8>>, JudgeError> {
    let mut kept = Vec::new();
    for (code, salt) in codes.iter().zip(salts) {
        let number = number(code).ok_or(JudgeError)?;
        let hash = PinHash::make(&peppered_as(NAME, pepper, tenant, subject, code), *salt)?.encode();
        kept.push(Kept { number, hash });
    }
    written(&kept)
}

/// What stands in for the codes of somebody who is not there: as much work as any list.
///
/// # Errors
/// When argon2 gets no memory.
pub fn stand_in(secret: &Secret<[u8; 32]>, salt: [u8; SALT_BYTES]) -> Result<Secret<Vec<u8>>, JudgeError> {
    let hash = PinHash::make(secret, salt)?.encode();
    written(&(0..CODES).map(|number| Kept { number, hash: hash.clone() }).collect::<Vec<_>>())
}

/// Judges a code: one argon2id, whatever the code.
///
/// # Errors
/// When the kept data can't be read, or argon2 gets no memory.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    let mut kept: Vec<Kept> = serde_json::from_slice(judging.data.expose()).map_err(|_| JudgeError)?;
    let peppered = peppered_as(NAME, judging.pepper, judging.tenant, judging.subject, judging.response);
    let number = number(judging.response);
    let at = kept.iter().position(|code| Some(code.number) == number);
    let right = match kept.get(at.unwrap_or(0)) {
        Some(code) => PinHash::decode(&code.hash)?.verify(&peppered)? && at.is_some(),
        None => {
            PinHash::make(&peppered, judging.salt)?;
            false
        }
    };
    let Some(at) = at.filter(|_| right) else {
        return Ok(Judged { right: false, step: None, renewed: None });
    };
    kept.remove(at);
    let step = judging.last_step.unwrap_or(0).saturating_add(1);
    Ok(Judged { right, step: Some(step), renewed: Some(written(&kept)?) })
}

/// How many codes can still be used when so many are used up.
#[must_use]
pub fn left(used: Option<u64>) -> u8 {
    CODES.saturating_sub(used.and_then(|used| u8::try_from(used).ok()).unwrap_or(0))
}

fn number(code: &Secret<String>) -> Option<u8> {
    code.expose().bytes().next().filter(u8::is_ascii_digit).map(|byte| byte - b'0')
}

fn written(kept: &[Kept]) -> Result<Secret<Vec<u8>>, JudgeError> {
    Ok(Secret::new(serde_json::to_vec(kept).map_err(|_| JudgeError)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::UnixTime;

    const SUBJECT: SubjectKey = SubjectKey([1; 16]);

    fn code(number: u8) -> Secret<String> {
        Secret::new(format!("{number}4820{number}537"))
    }

    fn judged(data: &Secret<Vec<u8>>, used: Option<u64>, response: &str) -> Judged {
        let judging = Judging {
            data,
            response: &Secret::new(response.to_owned()),
            subject: SUBJECT,
            tenant: "default",
            pepper: &Secret::new([7; 32]),
            fresh: None,
            salt: [5; SALT_BYTES],
            now: UnixTime(0),
            policy: &defaults(),
            last_step: used,
        };
        judge(&judging).unwrap_or(Judged { right: true, step: None, renewed: None })
    }

    #[test]
    fn each_code_is_right_once_and_its_hash_goes() {
        let codes = [code(3), code(7)];
        let pepper = Secret::new([7; 32]);
        let Ok(data) = encode(&pepper, "default", SUBJECT, &codes, &[[9; SALT_BYTES]; 2]) else { panic!() };
        for wrong in ["", "3", "348203538", "448203537", "x48203537", "3482035370"] {
            assert!(!judged(&data, None, wrong).right, "{wrong}");
        }
        let first = judged(&data, None, code(7).expose());
        assert_eq!((first.right, first.step), (true, Some(1)));
        let Some(data) = first.renewed else { panic!("one code less is kept") };
        assert!(!judged(&data, Some(1), code(7).expose()).right);
        let second = judged(&data, Some(1), code(3).expose());
        assert_eq!((second.right, second.step), (true, Some(2)));
        let Some(data) = second.renewed else { panic!("none is kept") };
        assert!(!judged(&data, Some(2), code(3).expose()).right);
        assert_eq!((left(None), left(Some(2)), left(Some(11))), (10, 8, 0));
    }

    #[test]
    fn a_code_of_another_subject_is_none() {
        let Ok(data) = encode(&Secret::new([7; 32]), "default", SubjectKey([2; 16]), &[code(3)], &[[9; 16]])
        else {
            panic!()
        };
        assert!(!judged(&data, None, code(3).expose()).right);
    }
}
