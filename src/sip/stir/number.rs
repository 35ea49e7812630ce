//! Telephone numbers as PASSporTs write them (RFC 8224 §8.3): digits, `#` and `*`, the country code first, no `+`.

use std::fmt;

/// A number in that form. Personal: it shows itself to nobody by accident.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(Box<str>);

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(·)")
    }
}

/// ITU-T E.164 §6 allows 15 digits; RFC 8226 §9 writes no longer number either.
const MAX_DIGITS: usize = 15;

impl Number {
    /// A number that is in this form already.
    #[must_use]
    pub fn canonical(text: &str) -> Option<Self> {
        let fits = (1..=MAX_DIGITS).contains(&text.len());
        let all = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'#' | b'*'));
        (fits && all).then(|| Self(text.into()))
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How numbers are to be read that are not written with their country code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberPlan {
    /// The country code of numbers in national format, without `+`; `None`: such a number is taken as it stands.
    country: Option<Box<str>>,
}

impl NumberPlan {
    /// Of a country: `+44` or `44`. `None` when that is no country code.
    #[must_use]
    pub fn of_country(code: &str) -> Option<Self> {
        let digits = code.strip_prefix('+').unwrap_or(code);
        let fits = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        (fits && !digits.starts_with('0')).then(|| Self { country: Some(digits.into()) })
    }

    /// The user part of a SIP or `tel:` URI as a number; `None` when it is none.
    #[must_use]
    pub fn read(&self, user: &str) -> Option<Number> {
        let international = user.trim_start().starts_with('+');
        // RFC 3966 §3: visual separators say nothing.
        let bare: String = user.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ' | '+')).collect();
        if international {
            return Number::canonical(&bare);
        }
        let Some(country) = self.country.as_deref() else { return Number::canonical(&bare) };
        // The North American plan: 011 goes abroad, ten digits are at home.
        if country == "1" {
            return match (bare.strip_prefix("011"), bare.len()) {
                (Some(abroad), _) => Number::canonical(abroad),
                (None, 10) => Number::canonical(&format!("1{bare}")),
                (None, _) => Number::canonical(&bare),
            };
        }
        match (bare.strip_prefix("00"), bare.strip_prefix('0')) {
            (Some(abroad), _) => Number::canonical(abroad),
            (None, Some(national)) => Number::canonical(&format!("{country}{national}")),
            (None, None) => Number::canonical(&bare),
        }
    }

    /// The user part of a URI as a telephone number with `+` and its country code; `None` when it may be something else: a
    /// name, an extension, a short number of the network's own.
    #[must_use]
    pub fn international(&self, user: &str) -> Option<String> {
        let country = self.country.as_deref()?;
        let number = self.read(user)?;
        let digits = number.as_str();
        let dialled = user.trim_start();
        let marked = dialled.starts_with(['+', '0']) || (country == "1" && digits.len() == 11);
        // E.164 §6.2.1: with its country code no number is this short; and none begins with 0.
        let fits = digits.len() >= SHORTEST && !digits.starts_with('0');
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        (fits && plain && (marked || (digits.starts_with(country) && digits.len() >= LONG)))
            .then(|| format!("+{digits}"))
    }

    /// A number with `+` and its country code as it is dialled at home (E.123 §2): `0` before a national one, `00` before
    /// others; in the North American plan ten digits, and `011`. As it is where the country is not known.
    #[must_use]
    pub fn national(&self, number: &str) -> String {
        let Some(country) = self.country.as_deref() else { return number.to_owned() };
        let digits = number.trim_start_matches('+');
        match (digits.strip_prefix(country), country == "1") {
            (Some(home), true) => home.to_owned(),
            (None, true) => format!("011{digits}"),
            (Some(home), false) => format!("0{home}"),
            (None, false) => format!("00{digits}"),
        }
    }
}

/// Digits of the shortest number with a country code.
const SHORTEST: usize = 7;
/// What begins as the country code does and is this long has it.
const LONG: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_known_in_all_its_clothes() {
        let british = NumberPlan::of_country("+44").expect("a country");
        for user in [
            "+441632960001",
            "441632960001",
            "01632960001",
            "00441632960001",
            "+44 (1632) 960-001",
            "+44.1632.960.001",
        ] {
            assert_eq!(british.read(user).expect("a number").as_str(), "441632960001", "{user}");
        }
        let american = NumberPlan::of_country("1").expect("a country");
        for user in ["+12155551212", "12155551212", "2155551212", "(215) 555-1212"] {
            assert_eq!(american.read(user).expect("a number").as_str(), "12155551212", "{user}");
        }
        assert_eq!(american.read("011441632960001").expect("a number").as_str(), "441632960001");
        assert_eq!(NumberPlan::default().read("01632960001").expect("a number").as_str(), "01632960001");
    }

    #[test]
    fn a_telephone_number_gets_its_country_code_and_an_extension_does_not() {
        let plan = |code| NumberPlan::of_country(code).expect("a country");
        for (code, user, expected) in [
            ("44", "01632960001", Some("+441632960001")),
            ("44", "+34912345678", Some("+34912345678")),
            ("44", "0034912345678", Some("+34912345678")),
            ("44", "441632960001", Some("+441632960001")),
            ("1", "2155551212", Some("+12155551212")),
            ("1", "011441632960001", Some("+441632960001")),
            ("44", "201", None),
            ("44", "4420", None),
            ("44", "bank", None),
            ("44", "*21#", None),
            ("44", "000000000", None),
        ] {
            assert_eq!(plan(code).international(user).as_deref(), expected, "{user}");
        }
        assert_eq!(NumberPlan::default().international("01632960001"), None);
        for (code, number, expected) in [
            ("44", "+441632960001", "01632960001"),
            ("44", "+34912345678", "0034912345678"),
            ("1", "+12155551212", "2155551212"),
            ("1", "+441632960001", "011441632960001"),
        ] {
            assert_eq!(plan(code).national(number), expected);
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        let plan = NumberPlan::of_country("44").expect("a country");
        for user in ["", "+", "bank", "anonymous", "+44163x", "+4416329600011234", "٠١٢٣"] {
            assert!(plan.read(user).is_none(), "{user}");
        }
        for code in ["", "+", "044", "4444", "+4a"] {
            assert!(NumberPlan::of_country(code).is_none(), "{code}");
        }
        let number = plan.read("+441632960001").expect("a number");
        assert!(!format!("{number:?}").contains("1632"));
    }
}
