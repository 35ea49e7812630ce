//! The PIN: what may be one, and how it is kept.
//!
//! A PIN is never stored and never truncated. argon2id runs over HMAC-SHA256(pepper, tenant ‖ subject ‖
//! PIN): without the pepper, which is not in the database, a stolen database gives nothing to guess
//! against; with it, each guess costs 19 MiB and two passes.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::foreign::{ForeignHash, Scheme};
use super::{FactorKind, JudgeError, Judged, Judging, Meeting};
use crate::auth::{FactorId, FactorPolicy, SubjectKey};
use crate::secret::Secret;

/// The factor's name.
pub const NAME: &str = "pin";
/// It is known.
pub const KIND: FactorKind = FactorKind::Knowledge;
/// It is keyed when it is asked for.
pub const MEETING: Meeting = Meeting::Keyed;
/// No policy may ask for more digits than callers can key without a slip.
pub const LONGEST: u8 = 12;
/// Bytes of salt: RFC 9106 §3.1 recommends 16.
pub const SALT_BYTES: usize = 16;

/// Eight digits.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { digits: 8..=8, ..FactorPolicy::plain(FactorId::Pin) }
}

/// Why a PIN is refused at enrolment. Names the rule, never the digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something else than digits.
    #[error("a PIN has digits only")]
    NotDigits,
    /// Too short or too long.
    #[error("the policy wants a PIN of {min} to {max} digits")]
    Length {
        /// At least.
        min: u8,
        /// At most.
        max: u8,
    },
    /// 12345678, 86420…, 11223344.
    #[error("the digits run up or down in equal steps; choose a PIN without a pattern")]
    Sequence,
    /// 77777777, 12121212, 12341234.
    #[error("the digits repeat themselves; choose a PIN without a pattern")]
    Repeat,
    /// Reads as a day, a month or a year.
    #[error("it reads as a date; choose a PIN that is not one")]
    Date,
    /// In the customer's account or telephone number.
    #[error("it is part of the customer's own account or telephone number; choose another")]
    OwnNumber,
    /// One of those that everybody tries first.
    #[error("it is among the most common PINs; choose another")]
    Common,
}

/// Whether `pin` may be enrolled. `own` are the subject's account and telephone numbers.
///
/// # Errors
/// The first rule that refuses it.
pub fn check(pin: &Secret<String>, policy: &FactorPolicy, own: &[&Secret<String>]) -> Result<(), Refusal> {
    let pin = pin.expose();
    if !pin.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::NotDigits);
    }
    let (min, max) = (*policy.digits.start(), *policy.digits.end());
    if !u8::try_from(pin.len()).is_ok_and(|length| policy.digits.contains(&length)) {
        return Err(Refusal::Length { min, max });
    }
    let broken = [
        repeats(pin).then_some(Refusal::Repeat),
        in_sequence(pin).then_some(Refusal::Sequence),
        is_date(pin).then_some(Refusal::Date),
        is_common(pin).then_some(Refusal::Common),
    ];
    if let Some(refusal) = broken.into_iter().flatten().next() {
        return Err(refusal);
    }
    let inside = |number: &&Secret<String>| {
        let digits: String = number.expose().chars().filter(char::is_ascii_digit).collect();
        let reversed: String = digits.chars().rev().collect();
        let found = digits.contains(pin.as_str()) || reversed.contains(pin.as_str());
        let _ = (Secret::new(digits), Secret::new(reversed));
        found
    };
    if own.iter().any(inside) { Err(Refusal::OwnNumber) } else { Ok(()) }
}

/// Equal steps between neighbours (also 9 to 0), after doubled digits are taken as one.
pub(super) fn in_sequence(pin: &str) -> bool {
    let mut digits: Vec<u8> = pin.bytes().map(|b| b - b'0').collect();
    digits.dedup();
    let mut steps: Vec<u8> = digits.windows(2).map(|pair| (pair[1] + 10 - pair[0]) % 10).collect();
    steps.dedup();
    steps.len() <= 1
}

/// A block that is said twice or more, or too few different digits.
pub(super) fn repeats(pin: &str) -> bool {
    let blocks = (1..=pin.len() / 2).filter(|size| pin.len().is_multiple_of(*size));
    let repeated = blocks.map(|size| pin[..size].repeat(pin.len() / size)).any(|built| built == pin);
    let mut digits: Vec<u8> = pin.bytes().collect();
    digits.sort_unstable();
    digits.dedup();
    repeated || (pin.len() >= 6 && digits.len() < 3)
}

/// Day, month and year in the orders that people write them, of the years that people were born in or
/// marry in.
fn is_date(pin: &str) -> bool {
    let part = |from: usize, to: usize| pin.get(from..to).and_then(|p| p.parse::<u32>().ok()).unwrap_or(0);
    let day = |from| (1..=31).contains(&part(from, from + 2));
    let month = |from| (1..=12).contains(&part(from, from + 2));
    let year = |from| (1900..=2050).contains(&part(from, from + 4));
    match pin.len() {
        4 => (day(0) && month(2)) || (month(0) && day(2)) || year(0),
        6 => {
            let ends_in_year = (day(0) && month(2)) || (month(0) && day(2));
            ends_in_year || (month(2) && day(4)) || (month(0) && year(2)) || (year(0) && month(4))
        }
        8 => {
            let first = (day(0) && month(2)) || (month(0) && day(2));
            let last = (month(4) && day(6)) || (day(4) && month(6));
            (first && year(4)) || (year(0) && last)
        }
        _ => false,
    }
}

/// Patterns on the keypad and in culture that the other rules let through, in the order of published
/// counts of leaked PINs; shorter ones also count as the halves of longer ones.
pub(super) fn is_common(pin: &str) -> bool {
    const COMMON: &[&str] = &[
        "2580", "0852", "1397", "7913", "1793", "3971", "1470", "0741", "3690", "0963", "1590", "0951",
        "3570", "0753", "4711", "0815", "1337", "6969", "4200", "5683", "7410", "8520", "9630", "2468",
        "1379", "13579", "24680", "14789", "36987", "15951", "35753", "78963", "12369", "147258", "258369",
        "147852", "369258", "159357", "357159", "147369", "159753", "753951", "951753", "789456", "456789",
        "456123", "123654", "321654", "789123", "123789", "123698", "741852", "852963", "963852", "741963",
        "142536", "102030", "112358", "314159", "271828", "161803", "520131", "102938", "5201314", "3141592",
        "2718281", "12369874", "14789632", "31415926", "27182818", "14725836", "74185296", "10203040",
        "11235813", "98741236", "78963214", "15975346", "96385274", "12365478", "87654312", "12344321",
        "12345687", "01234567",
    ];
    let half = pin.len() / 2;
    let palindrome = pin.len() >= 6 && pin.bytes().eq(pin.bytes().rev());
    let weak_half = |part: &str| part.len() >= 4 && (COMMON.contains(&part) || in_sequence(part));
    palindrome || COMMON.contains(&pin) || (weak_half(&pin[..half]) && weak_half(&pin[half..]))
}

/// Judges a PIN: one argon2id, whatever the PIN, behind the scheme of the system that it came from, if it came
/// from one.
///
/// # Errors
/// When the stored hash can't be read, or argon2 gets no memory.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    let text = std::str::from_utf8(judging.data.expose()).map_err(|_| JudgeError)?;
    let (pepper, tenant, subject) = (judging.pepper, judging.tenant, judging.subject);
    let peppered = peppered(pepper, tenant, subject, judging.response);
    let anew = judging.fresh.map(|pepper| self::peppered(pepper, tenant, subject, judging.response));
    let Some((scheme, hash)) = text.split_once(FOREIGN) else {
        return PinHash::judge(text, &peppered, anew.as_ref(), judging.salt);
    };
    let output = Scheme::decode(scheme)?.compute(judging.response);
    let right = PinHash::decode(hash)?.verify(&peppered_foreign(pepper, tenant, subject, &output))?;
    let renewed = match right {
        // From now on it is kept as if it had been chosen here.
        true => Some(Secret::new(
            PinHash::make(anew.as_ref().unwrap_or(&peppered), judging.salt)?.encode().into_bytes(),
        )),
        false => None,
    };
    Ok(Judged { right, step: None, renewed })
}

/// What is kept of a hash from another system: argon2id over it, and how to make it of a PIN.
///
/// # Errors
/// When argon2 can't get its memory.
pub fn taken_over(
    pepper: &Secret<[u8; 32]>,
    tenant: &str,
    subject: SubjectKey,
    foreign: &ForeignHash,
    salt: [u8; SALT_BYTES],
) -> Result<Secret<Vec<u8>>, JudgeError> {
    let hash = PinHash::make(&peppered_foreign(pepper, tenant, subject, &foreign.output), salt)?;
    Ok(Secret::new(format!("{}{FOREIGN}{}", foreign.scheme.encode(), hash.encode()).into_bytes()))
}

/// Between a foreign scheme and the hash over its output.
const FOREIGN: char = '|';

fn peppered_foreign(
    pepper: &Secret<[u8; 32]>,
    tenant: &str,
    subject: SubjectKey,
    output: &Secret<Vec<u8>>,
) -> Secret<[u8; 32]> {
    keyed(pepper, &[tenant.as_bytes(), &subject.0, b"foreign", output.expose()])
}

/// What argon2id is run over: 32 bytes that say nothing without the pepper.
#[must_use]
pub fn peppered(
    pepper: &Secret<[u8; 32]>,
    tenant: &str,
    subject: SubjectKey,
    pin: &Secret<String>,
) -> Secret<[u8; 32]> {
    keyed(pepper, &[tenant.as_bytes(), &subject.0, pin.expose().as_bytes()])
}

/// As [`peppered`], for another secret than a PIN: `kind` keeps one kind's hashes from being another's.
#[must_use]
pub fn peppered_as(
    kind: &str,
    pepper: &Secret<[u8; 32]>,
    tenant: &str,
    subject: SubjectKey,
    secret: &Secret<String>,
) -> Secret<[u8; 32]> {
    keyed(pepper, &[tenant.as_bytes(), &subject.0, kind.as_bytes(), secret.expose().as_bytes()])
}

fn keyed(pepper: &Secret<[u8; 32]>, parts: &[&[u8]]) -> Secret<[u8; 32]> {
    let mut out = [0_u8; 32];
    // HMAC takes a key of any length.
    if let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(pepper.expose()) {
        for part in parts {
            mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            mac.update(part);
        }
        out = mac.finalize().into_bytes().into();
    }
    Secret::new(out)
}

/// A stored PIN: argon2id with the cost it was made with. Written as
/// `argon2id$m=19456,t=2,p=1$<salt>$<hash>`, hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct PinHash {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; SALT_BYTES],
    hash: [u8; 32],
}

/// OWASP's second choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

impl PinHash {
    /// Hashes with today's cost.
    ///
    /// # Errors
    /// When argon2 can't get its memory.
    pub fn make(peppered: &Secret<[u8; 32]>, salt: [u8; SALT_BYTES]) -> Result<Self, JudgeError> {
        let empty = Self { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt, hash: [0; 32] };
        Ok(Self { hash: *empty.compute(peppered)?.expose(), ..empty })
    }

    /// Judges by the text of a stored hash: one argon2id, and another when it is right and outdated, or
    /// is to be kept with another pepper, which gives `anew`.
    ///
    /// # Errors
    /// When the text is no hash, or argon2 can't get its memory.
    pub(super) fn judge(
        text: &str,
        peppered: &Secret<[u8; 32]>,
        anew: Option<&Secret<[u8; 32]>>,
        salt: [u8; SALT_BYTES],
    ) -> Result<Judged, JudgeError> {
        let stored = Self::decode(text)?;
        let right = stored.verify(peppered)?;
        let renewed = if right && (stored.outdated() || anew.is_some()) {
            Some(Secret::new(Self::make(anew.unwrap_or(peppered), salt)?.encode().into_bytes()))
        } else {
            None
        };
        Ok(Judged { right, step: None, renewed })
    }

    /// Whether the peppered PIN is the stored one. Always the whole work.
    ///
    /// # Errors
    /// When argon2 can't get its memory.
    pub fn verify(&self, peppered: &Secret<[u8; 32]>) -> Result<bool, JudgeError> {
        Ok(self.compute(peppered)?.matches(&self.hash))
    }

    /// Made with another cost than today's: hash again at the next success.
    #[must_use]
    pub const fn outdated(&self) -> bool {
        self.memory_kib != MEMORY_KIB || self.passes != PASSES || self.lanes != LANES
    }

    /// As text.
    #[must_use]
    pub fn encode(&self) -> String {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let (m, t, p) = (self.memory_kib, self.passes, self.lanes);
        format!("argon2id$m={m},t={t},p={p}${}${}", hex(&self.salt), hex(&self.hash))
    }

    /// From text.
    ///
    /// # Errors
    /// When it is not what [`PinHash::encode`] writes, or its cost is out of all bounds.
    pub fn decode(text: &str) -> Result<Self, JudgeError> {
        let mut parts = text.split('$');
        let (Some("argon2id"), Some(cost), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JudgeError);
        };
        let mut numbers = ["m=", "t=", "p="].iter().zip(cost.split(',')).map(|(name, field)| {
            field.strip_prefix(name).and_then(|n| n.parse::<u32>().ok()).filter(|n| *n <= 1 << 20)
        });
        let mut number = || numbers.next().flatten().ok_or(JudgeError);
        let (memory_kib, passes, lanes) = (number()?, number()?, number()?);
        let bytes = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| JudgeError);
        let salt = bytes(salt)?.try_into().map_err(|_| JudgeError)?;
        let hash = bytes(hash)?.try_into().map_err(|_| JudgeError)?;
        Ok(Self { memory_kib, passes, lanes, salt, hash })
    }

    fn compute(&self, peppered: &Secret<[u8; 32]>) -> Result<Secret<[u8; 32]>, JudgeError> {
        let params =
            Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| JudgeError)?;
        let mut memory = memory_of_its_own(params.block_count())?;
        let mut out = [0_u8; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(peppered.expose(), &self.salt, &mut out, &mut memory)
            .map_err(|_| JudgeError)?;
        Ok(Secret::new(out))
    }
}

/// What glibc's allocator always maps and always gives back, however much of it is used.
const ALWAYS_MAPPED: usize = 33 << 20;

/// Memory for one hash, which the system has again afterwards, and nobody else the traces in it. An allocator that is
/// asked for just the 19 MiB of a hash keeps them for the next from the second time on.
fn memory_of_its_own(blocks: usize) -> Result<Vec<Block>, JudgeError> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks.max(ALWAYS_MAPPED / Block::SIZE)).map_err(|_| JudgeError)?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pin: &str, digits: std::ops::RangeInclusive<u8>) -> Result<(), Refusal> {
        let policy = FactorPolicy { digits, ..defaults() };
        let own = [Secret::new("44110021".to_owned()), Secret::new("+34 600 123 987".to_owned())];
        check(&Secret::new(pin.to_owned()), &policy, &own.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_pin_with_a_pattern_is_refused_by_its_rule() {
        let length = Refusal::Length { min: 8, max: 8 };
        let table = [
            ("8042153x", Refusal::NotDigits),
            ("٨٠٤٢١٥٣٧", Refusal::NotDigits),
            ("804215", length),
            ("804215370", length),
            ("12345678", Refusal::Sequence),
            ("89012345", Refusal::Sequence),
            ("87654321", Refusal::Sequence),
            ("24680246", Refusal::Sequence),
            ("11223344", Refusal::Sequence),
            ("77777777", Refusal::Repeat),
            ("12121212", Refusal::Repeat),
            ("58265826", Refusal::Repeat),
            ("11212211", Refusal::Repeat),
            ("24121987", Refusal::Date),
            ("12241987", Refusal::Date),
            ("19871224", Refusal::Date),
            ("31415926", Refusal::Common),
            ("25800852", Refusal::Common),
            ("44110021", Refusal::OwnNumber),
            ("34600123", Refusal::OwnNumber),
            ("12001144", Refusal::OwnNumber),
        ];
        for (pin, refusal) in table {
            assert_eq!(judged(pin, 8..=8), Err(refusal), "{pin}");
        }
        for pin in ["80421537", "59137204", "94027163"] {
            assert_eq!(judged(pin, 8..=8), Ok(()), "{pin}");
        }
    }

    #[test]
    fn short_pins_have_the_same_rules() {
        for (pin, digits, refusal) in [
            ("2580", 4, Refusal::Common),
            ("1985", 4, Refusal::Date),
            ("3112", 4, Refusal::Date),
            ("1212", 4, Refusal::Repeat),
            ("9876", 4, Refusal::Sequence),
            ("241287", 6, Refusal::Date),
            ("871224", 6, Refusal::Date),
            ("123123", 6, Refusal::Repeat),
            ("159357", 6, Refusal::Common),
            ("110021", 6, Refusal::OwnNumber),
        ] {
            assert_eq!(judged(pin, digits..=digits), Err(refusal), "{pin}");
        }
        assert_eq!(judged("7394", 4..=4), Ok(()));
        assert_eq!(judged("804257", 4..=6), Ok(()));
    }

    #[test]
    fn a_hash_knows_its_pin_its_subject_its_tenant_and_its_pepper() {
        let pepper = Secret::new([7; 32]);
        let subject = SubjectKey([1; 16]);
        let pin = Secret::new("80421537".to_owned());
        let right = peppered(&pepper, "default", subject, &pin);
        let hash = PinHash::make(&right, [9; SALT_BYTES]).expect("memory");
        assert_eq!(hash.verify(&right), Ok(true));
        let others = [
            peppered(&Secret::new([8; 32]), "default", subject, &pin),
            peppered(&pepper, "other", subject, &pin),
            peppered(&pepper, "default", SubjectKey([2; 16]), &pin),
            peppered(&pepper, "default", subject, &Secret::new("8042153".into())),
            peppered(&pepper, "default", subject, &Secret::new("804215370".into())),
        ];
        for other in &others {
            assert_eq!(hash.verify(other), Ok(false));
        }
    }

    #[test]
    fn a_hash_survives_its_text() {
        let hash = PinHash::make(&Secret::new([3; 32]), [9; SALT_BYTES]).expect("memory");
        let text = hash.encode();
        assert!(text.starts_with("argon2id$m=19456,t=2,p=1$"));
        assert!(PinHash::decode(&text).is_ok_and(|read| read == hash && !read.outdated()));
        let cheap = text.replace("t=2", "t=1");
        assert!(PinHash::decode(&cheap).is_ok_and(|read| read.outdated()));
        for broken in ["", "argon2id", &text[..text.len() - 2], &text.replace("argon2id", "argon2i")] {
            assert!(PinHash::decode(broken).is_err());
        }
    }
}
