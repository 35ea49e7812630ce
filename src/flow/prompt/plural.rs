//! Which form of a noun goes with a number: "one try", "two tries".
//!
//! The categories and rules are those of the Unicode CLDR for whole numbers (UTS #35 part 3, "Language Plural
//! Rules"), for the languages whose rules are short. A language that is not here has one form only: `other`.

use std::fmt;

/// A form of a plural.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Exactly this number: `=0 {You have no messages.}`
    Exact(u32),
    /// As English has it for 1.
    One,
    /// As Polish has it for 2, 3, 4, 22 …
    Few,
    /// As Polish has it for 5, 6, 11 …
    Many,
    /// Everything else; every plural has it.
    Other,
}

impl Category {
    /// By its name in a catalogue.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(number) = name.strip_prefix('=') {
            let plain = number.bytes().all(|byte| byte.is_ascii_digit());
            return number.parse().ok().filter(|_| plain).map(Self::Exact);
        }
        [Self::One, Self::Few, Self::Many, Self::Other].into_iter().find(|known| known.to_string() == name)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(number) => write!(f, "={number}"),
            Self::One => f.write_str("one"),
            Self::Few => f.write_str("few"),
            Self::Many => f.write_str("many"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// The categories that a language (a tag such as `en-GB`) has.
#[must_use]
pub fn categories(language: &str) -> &'static [Category] {
    use Category::{Few, Many, One, Other};
    match rules(language) {
        Rules::OneForm => &[Other],
        Rules::OneIsOne | Rules::OneIsZeroToo => &[One, Other],
        Rules::Slavic | Rules::Polish => &[One, Few, Many, Other],
        Rules::Czech => &[One, Few, Other],
    }
}

/// The category of a number in a language.
#[must_use]
pub fn category(language: &str, number: i64) -> Category {
    let n = number.unsigned_abs();
    let (ten, hundred) = (n % 10, n % 100);
    let teen = (11..15).contains(&hundred);
    match rules(language) {
        Rules::OneForm => Category::Other,
        Rules::OneIsOne if n == 1 => Category::One,
        Rules::OneIsZeroToo if n <= 1 => Category::One,
        Rules::OneIsOne | Rules::OneIsZeroToo => Category::Other,
        Rules::Slavic if ten == 1 && !teen => Category::One,
        Rules::Polish if n == 1 => Category::One,
        Rules::Slavic | Rules::Polish if (2..5).contains(&ten) && !teen => Category::Few,
        Rules::Slavic | Rules::Polish => Category::Many,
        Rules::Czech if n == 1 => Category::One,
        Rules::Czech if (2..5).contains(&n) => Category::Few,
        Rules::Czech => Category::Other,
    }
}

enum Rules {
    OneForm,
    OneIsOne,
    OneIsZeroToo,
    Slavic,
    Polish,
    Czech,
}

fn rules(language: &str) -> Rules {
    match language.split('-').next().unwrap_or_default() {
        "en" | "es" | "ca" | "gl" | "eu" | "de" | "nl" | "it" | "sv" | "da" | "nb" | "nn" | "no" | "fi"
        | "et" | "el" | "hu" | "tr" | "bg" => Rules::OneIsOne,
        // CLDR: `i = 0,1` for fr, `i = 0..1` for pt; European Portuguese is `i = 1`.
        "pt" if language == "pt-PT" => Rules::OneIsOne,
        "fr" | "pt" | "hi" | "fa" => Rules::OneIsZeroToo,
        "ru" | "uk" | "be" => Rules::Slavic,
        "pl" => Rules::Polish,
        "cs" | "sk" => Rules::Czech,
        _ => Rules::OneForm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_forms_of_their_language() {
        let forms = |language: &str, numbers: &[i64]| {
            numbers.iter().map(|n| category(language, *n).to_string()).collect::<Vec<_>>().join(" ")
        };
        let numbers = [0, 1, 2, 5, 11, 21, 22, 112, -1];
        assert_eq!(forms("en-GB", &numbers), "other one other other other other other other one");
        assert_eq!(forms("es-ES", &numbers), forms("en-GB", &numbers));
        assert_eq!(forms("fr-FR", &numbers), "one one other other other other other other one");
        assert_eq!(forms("pl-PL", &numbers), "many one few many many many few many one");
        assert_eq!(forms("ru-RU", &numbers), "many one few many many one few many one");
        assert_eq!(forms("cs-CZ", &numbers), "other one few other other other other other one");
        assert_eq!(forms("ja-JP", &numbers), ["other"; 9].join(" "));
    }

    #[test]
    fn no_number_has_a_form_that_its_language_lacks() {
        for language in ["en-GB", "es-ES", "fr-FR", "pl-PL", "ru-RU", "cs-CZ", "ja-JP", ""] {
            for number in -200..200 {
                assert!(categories(language).contains(&category(language, number)), "{language} {number}");
            }
        }
    }

    #[test]
    fn a_category_is_read_as_it_is_written() {
        for category in [Category::Exact(0), Category::One, Category::Few, Category::Many, Category::Other] {
            assert_eq!(Category::from_name(&category.to_string()), Some(category));
        }
        for wrong in ["two", "=", "=-1", "=+1", "= 1", "=99999999999", ""] {
            assert_eq!(Category::from_name(wrong), None, "{wrong}");
        }
    }
}
