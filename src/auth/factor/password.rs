//! The password, keyed on the telephone: each letter by the key that it stands on (ITU-T E.161), digits as
//! they are, everything else left out. What is kept and judged is the keys, as with a PIN: argon2id over
//! HMAC-SHA256 with the pepper.
//!
//! Three or four letters share a key, so a keyed password is weaker than it looks: the rules below look at
//! the keys.

use super::pin::{self, PinHash, peppered_as};
use super::{FactorKind, JudgeError, Judged, Judging, Meeting};
use crate::auth::{FactorId, FactorPolicy, SubjectKey};
use crate::secret::Secret;

/// The factor's name.
pub const NAME: &str = "password";
/// It is known.
pub const KIND: FactorKind = FactorKind::Knowledge;
/// It is keyed.
pub const MEETING: Meeting = Meeting::Keyed;
/// NIST SP 800-63B-4 §3.1.1.2 wants eight characters beside another factor.
pub const SHORTEST: u8 = 8;
/// What a caller can key without a slip.
pub const LONGEST: u8 = 32;

/// Eight to twenty-four keys.
#[must_use]
pub fn defaults() -> FactorPolicy {
    FactorPolicy { digits: SHORTEST..=24, ..FactorPolicy::plain(FactorId::Password) }
}

/// Why a password is refused at enrolment. Names the rule, never the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something that no key stands for.
    #[error(
        "a password that is keyed on a telephone has letters and digits only; spaces and hyphens do not count"
    )]
    NoKey,
    /// Too short or too long.
    #[error("the policy wants a password of {min} to {max} letters and digits")]
    Length {
        /// At least.
        min: u8,
        /// At most.
        max: u8,
    },
    /// Keys that repeat or run up and down.
    #[error("its keys repeat themselves or run in equal steps; choose another password")]
    Pattern,
    /// The customer's name or a number of theirs.
    #[error("it has the customer's own name or number in it; choose another")]
    Own,
    /// One of those that everybody tries first, or close to one.
    #[error("it is among the most common passwords, or has the same keys as one; choose another")]
    Common,
}

/// The keys of a password.
///
/// # Errors
/// When something in it is on no key.
pub fn keys(password: &Secret<String>) -> Result<Secret<String>, Refusal> {
    let mut keys = Secret::new(String::with_capacity(password.expose().len()));
    let counted = |c: &char| !c.is_whitespace() && !"-_.'".contains(*c);
    for c in password.expose().chars().filter(counted) {
        keys.expose_mut().push(key(c).ok_or(Refusal::NoKey)?);
    }
    Ok(keys)
}

/// ITU-T E.161 §3; a letter with an accent is on the key of the letter.
fn key(c: char) -> Option<char> {
    let c = c.to_lowercase().next().unwrap_or(c);
    Some(match c {
        '0'..='9' => c,
        'a'..='c' | 'à'..='å' | 'ā' | 'ă' | 'ą' | 'ç' | 'ć' | 'č' => '2',
        'd'..='f' | 'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' | 'ď' | 'đ' | 'ð' => '3',
        'g'..='i' | 'ì'..='ï' | 'ī' | 'į' | 'ğ' | 'ģ' => '4',
        'j'..='l' | 'ł' | 'ļ' | 'ķ' | 'ľ' | 'ĺ' => '5',
        'm'..='o' | 'ñ' | 'ń' | 'ň' | 'ņ' | 'ò'..='ö' | 'ø' | 'ő' => '6',
        'p'..='s' | 'ř' | 'ś' | 'š' | 'ş' | 'ș' => '7',
        't'..='v' | 'ù'..='ü' | 'ū' | 'ů' | 'ű' | 'ť' | 'ţ' | 'ț' => '8',
        'w'..='z' | 'ý' | 'ÿ' | 'ź' | 'ż' | 'ž' => '9',
        _ => return None,
    })
}

/// Whether keys may be enrolled. `own` are the subject's numbers and name.
///
/// # Errors
/// The first rule that refuses them.
pub fn check(keyed: &Secret<String>, policy: &FactorPolicy, own: &[&Secret<String>]) -> Result<(), Refusal> {
    let keyed = keyed.expose();
    if !keyed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::NoKey);
    }
    let (min, max) = (*policy.digits.start(), *policy.digits.end());
    if !u8::try_from(keyed.len()).is_ok_and(|length| policy.digits.contains(&length)) {
        return Err(Refusal::Length { min, max });
    }
    if pin::repeats(keyed) || pin::in_sequence(keyed) {
        return Err(Refusal::Pattern);
    }
    if pin::is_common(keyed) || is_common(keyed) {
        return Err(Refusal::Common);
    }
    let inside = |own: &&Secret<String>| {
        let digits: String = own.expose().chars().filter(char::is_ascii_digit).collect();
        let number = Secret::new(digits);
        let is_number = number.expose().len() >= 4 && shares(keyed, number.expose());
        let name = own.expose().split_whitespace().any(|word| {
            let word = keys(&Secret::new(word.to_owned()));
            word.is_ok_and(|word| word.expose().len() >= 4 && keyed.contains(word.expose().as_str()))
        });
        is_number || name
    };
    if own.iter().any(inside) { Err(Refusal::Own) } else { Ok(()) }
}

/// One is a part of the other.
fn shares(keyed: &str, number: &str) -> bool {
    keyed.contains(number) || number.contains(keyed)
}

/// The keys of a common password, with up to four more behind or before them.
fn is_common(keyed: &str) -> bool {
    const MORE: usize = 4;
    COMMON.iter().any(|word| {
        let Ok(word) = keys(&Secret::new((*word).to_owned())) else { return false };
        let word = word.expose().as_str();
        let rest = keyed.strip_prefix(word).or_else(|| keyed.strip_suffix(word));
        rest.is_some_and(|rest| rest.len() <= MORE) || word.starts_with(keyed)
    })
}

/// From published counts of leaked passwords: the words among the first few hundred, without the digits that
/// people put behind them.
const COMMON: &[&str] = &[
    "password",
    "passwort",
    "passw0rd",
    "p4ssword",
    "contrasena",
    "motdepasse",
    "qwerty",
    "qwertyui",
    "qwertyuiop",
    "qwertz",
    "azerty",
    "asdfgh",
    "asdfghjkl",
    "zxcvbn",
    "zxcvbnm",
    "1q2w3e4r",
    "1qaz2wsx",
    "qazwsx",
    "q1w2e3r4",
    "iloveyou",
    "teamo",
    "teamomucho",
    "ichliebedich",
    "jetaime",
    "princess",
    "princesa",
    "sunshine",
    "football",
    "futbol",
    "baseball",
    "basketball",
    "superman",
    "batman",
    "spiderman",
    "pokemon",
    "starwars",
    "dragon",
    "monkey",
    "shadow",
    "master",
    "michael",
    "jessica",
    "charlie",
    "jennifer",
    "jordan",
    "daniel",
    "ashley",
    "nicole",
    "hannah",
    "thomas",
    "alexander",
    "andrea",
    "carlos",
    "letmein",
    "welcome",
    "willkommen",
    "bienvenido",
    "welcome1",
    "trustno1",
    "whatever",
    "freedom",
    "computer",
    "internet",
    "samsung",
    "iphone",
    "google",
    "facebook",
    "chocolate",
    "butterfly",
    "liverpool",
    "arsenal",
    "chelsea",
    "barcelona",
    "realmadrid",
    "manchester",
    "mustang",
    "corvette",
    "ferrari",
    "harley",
    "yamaha",
    "summer",
    "winter",
    "spring",
    "autumn",
    "secret",
    "geheim",
    "secreto",
    "hallo123",
    "hello",
    "hola",
    "flower",
    "lovely",
    "loveme",
    "babygirl",
    "blink182",
    "soccer",
    "hockey",
    "killer",
    "hunter",
    "ranger",
    "buster",
    "tigger",
    "cookie",
    "ginger",
    "pepper",
    "cheese",
    "banana",
    "orange",
    "purple",
    "silver",
    "golden",
    "diamond",
    "matrix",
    "admin",
    "administrator",
    "changeme",
    "default",
    "access",
    "login",
    "telephone",
    "mobile",
    "abcdef",
    "abcd1234",
    "abc123",
    "aa123456",
    "january",
    "february",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "friday",
    "sunday",
    "birthday",
    "family",
    "mother",
    "london",
    "america",
    "bank",
    "mybank",
    "account",
];

/// What argon2id is run over.
#[must_use]
pub fn peppered(
    pepper: &Secret<[u8; 32]>,
    tenant: &str,
    subject: SubjectKey,
    keyed: &Secret<String>,
) -> Secret<[u8; 32]> {
    peppered_as(NAME, pepper, tenant, subject, keyed)
}

/// Judges keys: one argon2id, whatever they are.
///
/// # Errors
/// When the stored hash can't be read, or argon2 gets no memory.
pub fn judge(judging: &Judging<'_>) -> Result<Judged, JudgeError> {
    let text = std::str::from_utf8(judging.data.expose()).map_err(|_| JudgeError)?;
    let peppered = peppered(judging.pepper, judging.tenant, judging.subject, judging.response);
    let anew =
        judging.fresh.map(|pepper| self::peppered(pepper, judging.tenant, judging.subject, judging.response));
    PinHash::judge(text, &peppered, anew.as_ref(), judging.salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn judged(text: &str) -> Result<(), Refusal> {
        let own = [secret("44110021"), secret("+34 600 123 987"), secret("Philippa Quartermaine")];
        check(&keys(&secret(text))?, &defaults(), &own.iter().collect::<Vec<_>>())
    }

    #[test]
    fn letters_are_the_keys_that_they_stand_on() {
        for (text, expected) in [
            ("abc def ghi jkl mno pqrs tuv wxyz", "22233344455566677778889999"),
            ("Correct-Horse 7", "2677328467737"),
            ("Ñandú Über", "626388237"),
            ("80421537", "80421537"),
        ] {
            assert_eq!(keys(&secret(text)).map(|keys| keys.expose().clone()).as_deref(), Ok(expected));
        }
        for text in ["naïve!", "пароль", "mañana§"] {
            assert_eq!(keys(&secret(text)).err(), Some(Refusal::NoKey), "{text}");
        }
    }

    #[test]
    fn a_weak_password_is_refused_by_its_rule() {
        let length = Refusal::Length { min: 8, max: 24 };
        for (text, refusal) in [
            ("horse", length),
            ("a horse that is far too long to be keyed", length),
            ("abcabcabc", Refusal::Pattern),
            ("12345678", Refusal::Pattern),
            ("password", Refusal::Common),
            ("PassWord 2024", Refusal::Common),
            ("99 sunshine", Refusal::Common),
            ("qwertyuiop", Refusal::Common),
            // The same keys as `password`.
            ("rassword", Refusal::Common),
            ("philippa rides", Refusal::Own),
            ("horse44110021", Refusal::Own),
            ("600123987", Refusal::Own),
        ] {
            assert_eq!(judged(text), Err(refusal), "{text}");
        }
        for text in ["correct horse", "tinkerlampe 7", "wandering otter", "80421537"] {
            assert_eq!(judged(text), Ok(()), "{text}");
        }
    }
}
