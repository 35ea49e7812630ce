//! Words that mean the same wherever they are understood: what recognisers listen for is what flows read out of their texts.

/// What says yes in the language of a tag; nothing in a language that is not known.
#[must_use]
pub fn yes(tag: &str) -> &'static [&'static str] {
    match language(tag) {
        "en" => &[
            "yes",
            "yeah",
            "yep",
            "yup",
            "correct",
            "right",
            "sure",
            "ok",
            "okay",
            "exactly",
            "that's it",
            "that is it",
            "yes please",
            "that's right",
            "that's correct",
        ],
        "es" => {
            &["sí", "claro", "correcto", "exacto", "vale", "de acuerdo", "eso es", "afirmativo", "así es"]
        }
        _ => &[],
    }
}

/// What says no.
#[must_use]
pub fn no(tag: &str) -> &'static [&'static str] {
    match language(tag) {
        "en" => &[
            "no",
            "nope",
            "wrong",
            "incorrect",
            "not right",
            "not correct",
            "negative",
            "nah",
            "no thank you",
            "no thanks",
            "that's wrong",
            "that's not right",
        ],
        "es" => &["no", "incorrecto", "mal", "negativo", "no es correcto"],
        _ => &[],
    }
}

/// The months from the first.
#[must_use]
pub fn months(tag: &str) -> &'static [&'static str] {
    match language(tag) {
        "en" => &[
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ],
        "es" => &[
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
        _ => &[],
    }
}

/// Words of numbers: those under twenty from zero on, then the tens from twenty on.
#[must_use]
pub fn numbers(tag: &str) -> &'static [&'static str] {
    match language(tag) {
        "en" => &[
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
            "thirty",
            "forty",
            "fifty",
            "sixty",
            "seventy",
            "eighty",
            "ninety",
        ],
        _ => &[],
    }
}

/// The days of a month as they are counted, from the first to the thirty-first in words that stand alone.
#[must_use]
pub fn ordinals(tag: &str) -> &'static [&'static str] {
    match language(tag) {
        "en" => &[
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
            "twenty-first",
            "twenty-second",
            "twenty-third",
            "twenty-fourth",
            "twenty-fifth",
            "twenty-sixth",
            "twenty-seventh",
            "twenty-eighth",
            "twenty-ninth",
            "thirtieth",
            "thirty-first",
        ],
        _ => &[],
    }
}

/// Everything that a day is said with, besides figures.
#[must_use]
pub fn date(tag: &str) -> Vec<&'static str> {
    let little: &[&str] = match language(tag) {
        "en" => &["the", "of", "and", "hundred", "thousand", "oh"],
        "es" => &["de", "del", "el"],
        _ => &[],
    };
    [months(tag), ordinals(tag), numbers(tag), little].concat()
}

/// Everything that an amount is said with, besides figures.
#[must_use]
pub fn money(tag: &str) -> Vec<&'static str> {
    let little: &[&str] = match language(tag) {
        "en" => &[
            "and", "a", "hundred", "thousand", "million", "half", "dollar", "dollars", "cent", "cents",
            "pound", "pounds", "penny", "pence", "euro", "euros", "point",
        ],
        "es" => &["y", "euro", "euros", "céntimo", "céntimos", "dólar", "dólares", "peso", "pesos"],
        _ => &[],
    };
    [numbers(tag), little].concat()
}

/// The language of a tag: `en` of `en-GB`.
#[must_use]
pub fn language(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// With a capital, as it is written at the beginning.
#[must_use]
pub fn capitalised(text: &str) -> String {
    let spaces = text.len() - text.trim_start().len();
    let mut letters = text[spaces..].chars();
    let first: String = letters.next().map(char::to_uppercase).into_iter().flatten().collect();
    text[..spaces].to_owned() + &first + letters.as_str()
}
