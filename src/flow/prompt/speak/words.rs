//! What the words say that values are spoken with, where their name alone does not tell.

use crate::voice::words;

/// The text of a word below `audio/<language>/`; `None` when this language's word is not known. Numbers that
/// are recorded whole are written in digits, which every synthesiser reads.
pub(in crate::flow::prompt) fn word(language: &str, name: &str) -> Option<String> {
    let (folder, word) = name.split_once('/')?;
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    match folder {
        "numbers" | "digits" if digits => return Some(word.to_owned()),
        "words" if !matches!(word, "and" | "or") => return Some(word.replace(['_', '-'], " ")),
        "letters" if word.len() == 1 => return Some(word.to_ascii_uppercase()),
        _ => {}
    }
    let known: &[(&str, &str)] = match language.split('-').next()? {
        "en" => &ENGLISH,
        "es" => &SPANISH,
        _ => return None,
    };
    if let Some((_, text)) = known.iter().find(|(known, _)| *known == name) {
        return Some((*text).to_owned());
    }
    let number = |prefix: &str| word.strip_prefix(prefix)?.parse::<usize>().ok();
    let english = language.starts_with("en");
    if folder == "dates" {
        let list = |words: &[&str], at: usize| words.get(at.checked_sub(1)?).map(|word| (*word).to_owned());
        return match (number("day-"), number("month-"), number("weekday-")) {
            (Some(day), ..) if english => Some(ordinal(day)),
            (Some(1), ..) => Some("primero".to_owned()),
            (Some(day), ..) => Some(day.to_string()),
            (_, Some(month), _) if english => {
                list(words::months(language), month).map(|month| words::capitalised(&month))
            }
            (_, Some(month), _) => list(words::months(language), month),
            (.., Some(day)) => list(if english { &ENGLISH_DAYS } else { &SPANISH_DAYS }, day),
            _ => None,
        };
    }
    spanish_number(word).filter(|_| folder == "numbers" && !english)
}

/// 1st, 2nd, 3rd, 11th.
fn ordinal(day: usize) -> String {
    let ending = match (day % 10, day % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{day}{ending}")
}

/// `21-un`, `31-una`, `200-f`.
fn spanish_number(word: &str) -> Option<String> {
    const TENS: [&str; 7] = ["treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"];
    const HUNDREDS: [&str; 8] = [
        "doscient",
        "trescient",
        "cuatrocient",
        "quinient",
        "seiscient",
        "setecient",
        "ochocient",
        "novecient",
    ];
    let (number, form) = word.split_once('-')?;
    let number: usize = number.parse().ok()?;
    match form {
        "un" if number == 21 => Some("veintiún".to_owned()),
        "una" if number == 21 => Some("veintiuna".to_owned()),
        "un" | "una" if number % 10 == 1 => {
            TENS.get((number / 10).checked_sub(3)?).map(|tens| format!("{tens} y {form}"))
        }
        "f" if number.is_multiple_of(100) => {
            HUNDREDS.get((number / 100).checked_sub(2)?).map(|hundreds| format!("{hundreds}as"))
        }
        _ => None,
    }
}

const ENGLISH: [(&str, &str); 28] = [
    ("numbers/hundred", "hundred"),
    ("numbers/thousand", "thousand"),
    ("numbers/million", "million"),
    ("numbers/and", "and"),
    ("numbers/minus", "minus"),
    ("numbers/point", "point"),
    ("money/pound", "pound"),
    ("money/pounds", "pounds"),
    ("money/penny", "penny"),
    ("money/pence", "pence"),
    ("money/euro", "euro"),
    ("money/euros", "euros"),
    ("money/cent", "cent"),
    ("money/cents", "cents"),
    ("money/and", "and"),
    ("money/of", "of"),
    ("dates/the", "the"),
    ("dates/of", "of"),
    ("dates/oh", "oh"),
    ("dates/and", "and"),
    ("dates/oclock", "o'clock"),
    ("dates/am", "am"),
    ("dates/pm", "pm"),
    ("digits/star", "star"),
    ("digits/hash", "hash"),
    ("letters/n-tilde", "N tilde"),
    ("words/and", "and"),
    ("words/or", "or"),
];

const SPANISH: [(&str, &str); 28] = [
    ("numbers/ciento", "ciento"),
    ("numbers/un", "un"),
    ("numbers/una", "una"),
    ("numbers/thousand", "mil"),
    ("numbers/million", "un millón"),
    ("numbers/millions", "millones"),
    ("numbers/and", "y"),
    ("numbers/minus", "menos"),
    ("numbers/point", "coma"),
    ("money/pound", "libra"),
    ("money/pounds", "libras"),
    ("money/penny", "penique"),
    ("money/pence", "peniques"),
    ("money/euro", "euro"),
    ("money/euros", "euros"),
    ("money/cent", "céntimo"),
    ("money/cents", "céntimos"),
    ("money/and", "con"),
    ("money/of", "de"),
    ("dates/of", "de"),
    ("dates/and", "y"),
    ("dates/am", "de la mañana"),
    ("dates/pm", "de la tarde"),
    ("digits/star", "asterisco"),
    ("digits/hash", "almohadilla"),
    ("letters/n-tilde", "Ñ"),
    ("words/and", "y"),
    ("words/or", "o"),
];

const ENGLISH_DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const SPANISH_DAYS: [&str; 7] = ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"];
