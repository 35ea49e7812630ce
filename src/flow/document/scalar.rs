//! What the text of a scalar may mean: durations, keys, counts, words.

use std::time::Duration;

use super::yaml::Scalar;
use crate::units::Digit;

/// Whether a reader of YAML would make another text of it: `0042`, `+44…`, `1.10`, `0x1f`, `12:30`, `null`.
pub(crate) fn misread(scalar: &Scalar) -> bool {
    if !scalar.plain {
        return false;
    }
    let text = scalar.text.as_str();
    if matches!(text, "null" | "Null" | "NULL" | "~") || is_truth(text) {
        return true;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let signed = unsigned.len() != text.len();
    let Some(first) = unsigned.chars().next() else { return false };
    if !first.is_ascii_digit() && (first != '.' || unsigned.len() == 1) {
        return false;
    }
    let canonical = !signed && unsigned.len() <= 15 && unsigned.bytes().all(|b| b.is_ascii_digit());
    if canonical && (unsigned == "0" || first != '0') {
        return false;
    }
    number_like(unsigned)
}

/// Digits with what may be inside of a number: `_`, one `.`, an exponent, a radix, `:` of base sixty.
fn number_like(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            return !digits.is_empty() && digits.chars().all(|c| c == '_' || c.is_digit(radix));
        }
    }
    if matches!(lower.as_str(), ".inf" | ".nan") {
        return true;
    }
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let digits = |text: &str, also: &[char]| {
        text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && text.chars().all(|c| c.is_ascii_digit() || also.contains(&c))
    };
    digits(mantissa, &['_', '.', ':']) && digits(exponent, &['_']) && mantissa.matches('.').count() <= 1
}

fn is_truth(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// `true` or `false`, unquoted.
pub(crate) fn flag(scalar: &Scalar) -> Option<bool> {
    match (scalar.plain, scalar.text.as_str()) {
        (true, "true") => Some(true),
        (true, "false") => Some(false),
        _ => None,
    }
}

/// `300ms`, `5s`, `2m`, `24h`, `1m30s`. At most a week.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let (unit, millis) = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))?;
        rest = rest.get(unit.len()..)?;
        total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
    }
    (total <= LONGEST).then_some(total)
}

/// A length of time as it is written in a flow.
pub(crate) fn spoken_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = millis;
    let mut out = String::new();
    for (unit, size) in units {
        if rest / size > 0 {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// A key of a telephone: `0`–`9`, `A`–`D`, `star`, `hash`.
pub(crate) fn digit(text: &str) -> Option<Digit> {
    match text {
        "star" => Some(Digit::STAR),
        "hash" | "pound" => Some(Digit::HASH),
        _ => {
            let mut chars = text.chars();
            let c = chars.next().filter(|c| c.is_ascii_digit() || matches!(c, 'A'..='D'))?;
            chars.next().is_none().then(|| Digit::from_char(c)).flatten()
        }
    }
}

/// How a key is written in a flow.
pub(crate) fn digit_name(digit: Digit) -> String {
    match digit.as_char() {
        '*' => "star".into(),
        '#' => "hash".into(),
        c => c.into(),
    }
}

/// A word that can be a name: letters, digits, `_` and `-`, a letter first.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_of_yaml_would_change_is_known() {
        let plain = |text: &str| Scalar { text: text.into(), plain: true };
        for text in [
            "0042",
            "+441234",
            "1.10",
            "0x1F",
            "0o17",
            "12:30",
            "1_000",
            "1e5",
            ".5",
            "-7",
            "null",
            "~",
            "true",
            "1234567890123456",
        ] {
            assert!(misread(&plain(text)), "{text}");
            assert!(!misread(&Scalar { text: text.into(), plain: false }), "{text} in quotes");
        }
        for text in ["0", "42", "8", "2026-01", "hash", "5s", "balance", "1st", "en-GB", "3/1h"] {
            assert!(!misread(&plain(text)), "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in
            [("5s", 5_000), ("300ms", 300), ("1m30s", 90_000), ("24h", 86_400_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(spoken_duration(Duration::from_millis(millis)), text);
        }
        for text in ["", "5", "s", "5 s", "-5s", "5d", "9999999999h", "99999999999999999999s", "1.5s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
