//! What a recogniser's words mean: digits, yes and no, a day, one of several phrases.
//!
//! Small closed grammars for English and Spanish; in other languages digits and dates are understood when the
//! recogniser spells them in figures. What does not fit as a whole is not understood: half a number is none.

use std::sync::Arc;

use jiff::civil::Date;

use super::hear_numbers;
use super::sound::{bare, plain};
use crate::secret::Secret;
use crate::voice::words;

/// Words as they are compared: plain, without accents.
fn spelled(text: &str) -> String {
    plain(text).chars().map(bare).collect()
}

/// The language of a tag: `en` of `en-GB`.
fn language(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// Digits, said one by one or spelled in figures; `None` when anything else is said with them.
#[must_use]
pub fn digits(tag: &str, text: &str) -> Option<Secret<String>> {
    let text = Secret::new(spelled(text));
    let mut out = Secret::new(String::with_capacity(text.expose().len()));
    let mut times = 1;
    for word in text.expose().split(' ').filter(|word| !filler(tag, word)) {
        match (digit(tag, word), repeats(tag, word)) {
            (Some(digit), _) => out.expose_mut().extend(std::iter::repeat_n(digit, times)),
            (None, Some(many)) if times == 1 => {
                times = many;
                continue;
            }
            _ if word.bytes().all(|byte| byte.is_ascii_digit()) && times == 1 => {
                out.expose_mut().push_str(word);
            }
            _ => return None,
        }
        times = 1;
    }
    (times == 1 && !out.expose().is_empty()).then_some(out)
}

fn digit(tag: &str, word: &str) -> Option<char> {
    let at = spellings(tag)?.iter().position(|spellings| spellings.contains(&word))?;
    char::from_digit(u32::try_from(at).ok()?, 10)
}

/// Every word that has a part in digits, for a recogniser that can be held to words; none in a language that is not known.
#[must_use]
pub fn digit_words(tag: &str) -> Vec<&'static str> {
    let times: &[&str] = match language(tag) {
        "en" => &["double", "triple", "treble"],
        "es" => &["doble", "triple"],
        _ => &[],
    };
    // What is only written like a digit ("too", "for") is another word to say.
    let said = |word: &&&str| !matches!(**word, "to" | "too" | "for" | "un" | "una");
    let digits = spellings(tag).into_iter().flatten().flat_map(|words| words.iter().filter(said));
    digits.chain(times).copied().collect()
}

/// How each digit is spelled.
fn spellings(tag: &str) -> Option<[&'static [&'static str]; 10]> {
    const ENGLISH: [&[&str]; 10] = [
        &["zero", "oh", "o", "nought"],
        &["one"],
        &["two", "to", "too"],
        &["three"],
        &["four", "for"],
        &["five"],
        &["six"],
        &["seven"],
        &["eight"],
        &["nine", "niner"],
    ];
    const SPANISH: [&[&str]; 10] = [
        &["cero"],
        &["uno", "un", "una"],
        &["dos"],
        &["tres"],
        &["cuatro"],
        &["cinco"],
        &["seis"],
        &["siete"],
        &["ocho"],
        &["nueve"],
    ];
    match language(tag) {
        "en" => Some(ENGLISH),
        "es" => Some(SPANISH),
        _ => None,
    }
}

/// "Double four", "triple nine".
fn repeats(tag: &str, word: &str) -> Option<usize> {
    match (language(tag), word) {
        ("en", "double") | ("es", "doble") => Some(2),
        ("en" | "es", "triple") | ("en", "treble") => Some(3),
        _ => None,
    }
}

/// What people say around an answer.
fn filler(tag: &str, word: &str) -> bool {
    let words: &[&str] = match language(tag) {
        "en" => &["um", "uh", "er", "please", "it's", "is", "its", "and", "then", "the"],
        "es" => &["eh", "es", "el", "y", "por", "favor"],
        _ => &[],
    };
    words.contains(&word)
}

/// Yes or no; `None` when neither is said, or both are.
#[must_use]
pub fn yes_no(tag: &str, text: &str) -> Option<bool> {
    let text = spelled(text);
    let longest = |phrases: &[&str]| {
        let phrases = phrases.iter().map(|phrase| spelled(phrase));
        phrases.filter(|phrase| contains(&text, phrase)).map(|phrase| phrase.len()).max()
    };
    match (longest(words::yes(tag)), longest(words::no(tag))) {
        (Some(_), None) => Some(true),
        (None, Some(_)) => Some(false),
        // "Not correct" has "correct" in it: the longer phrase is what was said.
        (Some(yes), Some(no)) if no > yes => Some(false),
        _ => None,
    }
}

/// Which of several things was said: the one whose phrase stands in the text, or whose phrase holds those of
/// all others that do ("pay by card" holds "card"). `None` when none does, or two were named side by side.
#[must_use]
pub fn one_of(choices: &[&[Arc<str>]], text: &str) -> Option<usize> {
    let text = spelled(text);
    let longest = |phrases: &&[Arc<str>]| {
        let there = phrases.iter().map(|phrase| spelled(phrase)).filter(|phrase| contains(&text, phrase));
        there.max_by_key(String::len)
    };
    let named: Vec<(usize, String)> =
        choices.iter().enumerate().filter_map(|(at, phrases)| Some((at, longest(phrases)?))).collect();
    let (best, phrase) = named.iter().max_by_key(|(_, phrase)| phrase.len())?;
    let held = |(at, other): &(usize, String)| at == best || (other != phrase && contains(phrase, other));
    named.iter().all(held).then_some(*best)
}

/// Whether the words of a phrase stand in a text one after the other.
fn contains(text: &str, phrase: &str) -> bool {
    !phrase.is_empty() && format!(" {text} ").contains(&format!(" {phrase} "))
}

/// A day: figures in the order of the language, or with the name of its month: "3 May 1980", "the third of May nineteen
/// eighty", "3 de mayo de 1980".
#[must_use]
pub fn date(tag: &str, text: &str) -> Option<Date> {
    if let Some(typed) = digits(tag, text).filter(|typed| typed.expose().len() == 8) {
        return typed_date(tag, typed.expose());
    }
    let text = spelled(text);
    hear_numbers::date(tag, &text.split(' ').filter(|word| !filler_of_day(word)).collect::<Vec<_>>())
}

/// An amount in whole units as it would be typed: digits one by one, or a number with its currency.
#[must_use]
pub fn amount(tag: &str, text: &str) -> Option<Secret<String>> {
    if let Some(typed) = digits(tag, text) {
        return Some(typed);
    }
    let text = Secret::new(spelled(text));
    let spoken: Vec<&str> = text.expose().split(' ').collect();
    hear_numbers::amount(tag, &spoken).map(|amount| Secret::new(amount.to_string()))
}

fn filler_of_day(word: &str) -> bool {
    matches!(word, "um" | "uh" | "please" | "it's" | "its" | "is" | "on" | "eh")
}

/// Eight digits as a day, in the order in which a language writes them: `DDMMYYYY`, in the United States and the
/// Philippines `MMDDYYYY`, in East Asia, Hungary and Lithuania `YYYYMMDD`.
#[must_use]
pub fn typed_date(tag: &str, typed: &str) -> Option<Date> {
    let part = |from: usize, to: usize| typed.get(from..to)?.parse::<i16>().ok();
    if typed.len() != 8 {
        return None;
    }
    let (year, month, day) = match (tag, language(tag)) {
        ("en-US" | "en-PH", _) => (part(4, 8), part(0, 2), part(2, 4)),
        (_, "zh" | "ja" | "ko" | "hu" | "lt") => (part(0, 4), part(4, 6), part(6, 8)),
        _ => (part(4, 8), part(2, 4), part(0, 2)),
    };
    Date::new(year?, i8::try_from(month?).ok()?, i8::try_from(day?).ok()?).ok()
}

/// A day as [`typed_date`] reads it.
#[must_use]
pub fn as_typed(tag: &str, date: Date) -> String {
    let (year, month, day) = (date.year(), date.month(), date.day());
    match (tag, language(tag)) {
        ("en-US" | "en-PH", _) => format!("{month:02}{day:02}{year:04}"),
        (_, "zh" | "ja" | "ko" | "hu" | "lt") => format!("{year:04}{month:02}{day:02}"),
        _ => format!("{day:02}{month:02}{year:04}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_understood_as_people_say_them_or_not_at_all() {
        let cases = [
            ("en-GB", "four four one, one", Some("4411")),
            ("en-GB", "Double four one oh zero", Some("44100")),
            ("en-US", "it's 4411 please", Some("4411")),
            ("en-GB", "triple nine", Some("999")),
            ("en-GB", "forty four", None),
            ("en-GB", "double", None),
            ("en-GB", "double double four", None),
            ("en-GB", "", None),
            ("en-GB", "four four I mean five", None),
            ("es-ES", "cuatro, cuatro; uno cero", Some("4410")),
            ("es-ES", "doble cinco", Some("55")),
            ("de-DE", "4 4 1", Some("441")),
            ("de-DE", "vier", None),
        ];
        for (tag, text, expected) in cases {
            let heard = digits(tag, text);
            assert_eq!(heard.as_ref().map(|digits| digits.expose().as_str()), expected, "{text}");
        }
    }

    #[test]
    fn yes_is_no_when_it_is_denied() {
        let cases = [
            ("en-GB", "Yes.", Some(true)),
            ("en-GB", "yeah, that's right", Some(true)),
            ("en-GB", "no", Some(false)),
            ("en-GB", "that's not right", Some(false)),
            ("en-GB", "yes no", None),
            ("en-GB", "I know", None),
            ("en-GB", "", None),
            ("es-ES", "¡Sí!", Some(true)),
            ("es-ES", "no es correcto", Some(false)),
            ("fr-FR", "oui", None),
        ];
        for (tag, text, expected) in cases {
            assert_eq!(yes_no(tag, text), expected, "{text}");
        }
    }

    #[test]
    fn the_longest_phrase_is_the_choice() {
        let phrases =
            |phrases: &[&str]| phrases.iter().map(|phrase| Arc::from(*phrase)).collect::<Vec<Arc<str>>>();
        let (card, pay, say) =
            (phrases(&["card"]), phrases(&["pay by card", "payment"]), phrases(&["teléfono"]));
        let choices: [&[Arc<str>]; 3] = [&card, &pay, &say];
        for (text, expected) in [
            ("my card please", Some(0)),
            ("I want to pay by card", Some(1)),
            ("Telefono", Some(2)),
            ("cards", None),
            ("payment or teléfono", None),
            ("", None),
        ] {
            assert_eq!(one_of(&choices, text), expected, "{text}");
        }
    }

    #[test]
    fn an_amount_is_said_in_digits_or_as_a_number() {
        for (tag, text, expected) in [
            ("en-GB", "four five zero", Some("450")),
            ("en-GB", "Four hundred and fifty pounds.", Some("450")),
            ("en-GB", "450", Some("450")),
            ("en-GB", "fifty pence", None),
            ("es-ES", "450 euros", Some("450")),
            ("en-GB", "", None),
        ] {
            let heard = amount(tag, text);
            assert_eq!(heard.as_ref().map(|amount| amount.expose().as_str()), expected, "{text}");
        }
    }

    #[test]
    fn a_day_is_read_in_the_order_of_its_language() {
        for (tag, typed, expected) in [
            ("en-GB", "03051980", Some("1980-05-03")),
            ("en-US", "03051980", Some("1980-03-05")),
            ("ja-JP", "19800503", Some("1980-05-03")),
            ("es-ES", "31042026", None),
            ("es-ES", "3105202", None),
        ] {
            let read = typed_date(tag, typed);
            assert_eq!(read.map(|day| day.to_string()).as_deref(), expected, "{typed}");
            assert_eq!(read.map_or_else(|| typed.to_owned(), |day| as_typed(tag, day)), typed);
        }
        for (tag, text, expected) in [
            ("en-GB", "3 May 1980", Some("1980-05-03")),
            ("en-US", "May 3rd, 1980", Some("1980-05-03")),
            ("en-GB", "the third of May 1980", Some("1980-05-03")),
            ("en-GB", "it's May the twenty-first, nineteen eighty five", Some("1985-05-21")),
            ("es-ES", "3 de mayo de 1980", Some("1980-05-03")),
            ("en-GB", "zero three zero five 1980", Some("1980-05-03")),
            ("en-GB", "May", None),
        ] {
            assert_eq!(date(tag, text).map(|day| day.to_string()).as_deref(), expected, "{text}");
        }
    }
}
