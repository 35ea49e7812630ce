//! Values said by joining recordings: digits, numbers, money, days and times.
//!
//! Each language has its grammar: which recording stands for a number before which noun, what joins
//! pounds and pence, how a year is read. The names of the recordings are those below
//! `audio/<language>/numbers`, `digits`, `letters`, `money` and `dates`.

mod english;
mod spanish;
#[cfg(test)]
mod tests;
pub(super) mod words;

use jiff::civil::{Date, Time};

use crate::flow::ClipKey;
use crate::flow::document::Joint;
use crate::flow::run::values::{Currency, Money};

/// Says values in one language. Holds nothing but the language.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'a> {
    language: &'a str,
    grammar: Grammar,
}

/// The grammars there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    English,
    Spanish,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noun {
    /// Nothing: the number alone.
    None,
    /// A masculine noun follows.
    Masculine,
    /// A feminine noun follows.
    Feminine,
}

/// Recordings of one spoken value, in order, as names below the language's folder.
#[derive(Default)]
struct Phrase(Vec<String>);

impl Phrase {
    fn say(&mut self, name: impl Into<String>) -> &mut Self {
        self.0.push(name.into());
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.say(format!("numbers/{number}"))
    }
}

impl<'a> Speaker<'a> {
    /// A speaker of `language` (a tag such as `en-GB`); a language without a grammar of its own is spoken
    /// by the English one with that language's recordings.
    #[must_use]
    pub fn new(language: &'a str) -> Self {
        let grammar = if language.starts_with("es") { Grammar::Spanish } else { Grammar::English };
        Self { language, grammar }
    }

    /// Digit by digit, in groups: an account number, a receipt. Letters are spelled, anything else is
    /// passed over.
    #[must_use]
    pub fn spell(&self, text: &str) -> Vec<ClipKey> {
        let keys: Vec<String> = text.chars().filter_map(letter).collect();
        let mut clips = Vec::new();
        for (group, keys) in keys.chunks(group_size(keys.len())).enumerate() {
            if group > 0 {
                clips.push(ClipKey::new("pause/short"));
            }
            clips.extend(keys.iter().map(|name| self.key(name)));
        }
        clips
    }

    /// A whole number.
    #[must_use]
    pub fn number(&self, number: i64) -> Vec<ClipKey> {
        let mut phrase = Phrase::default();
        if number < 0 {
            phrase.say("numbers/minus");
        }
        self.cardinal(&mut phrase, number.unsigned_abs(), Noun::None);
        self.keys(phrase)
    }

    /// An amount: pounds and pence, euros and cents.
    #[must_use]
    pub fn money(&self, money: Money) -> Vec<ClipKey> {
        let mut phrase = Phrase::default();
        if money.minor < 0 {
            phrase.say("numbers/minus");
        }
        let minor = money.minor.unsigned_abs();
        let (whole, part) = (minor / 100, minor % 100);
        if whole > 0 || part == 0 {
            self.amount(&mut phrase, whole, CurrencyUnit::major(money.currency));
        }
        if whole > 0 && part > 0 {
            phrase.say("money/and");
        }
        if part > 0 {
            self.amount(&mut phrase, part, CurrencyUnit::minor(money.currency));
        }
        self.keys(phrase)
    }

    /// A day with its weekday, month and year.
    #[must_use]
    pub fn date(&self, date: Date) -> Vec<ClipKey> {
        let mut phrase = Phrase::default();
        match self.grammar {
            Grammar::English => english::date(&mut phrase, date),
            Grammar::Spanish => spanish::date(&mut phrase, date),
        }
        self.keys(phrase)
    }

    /// A time of day on the twelve-hour clock.
    #[must_use]
    pub fn time(&self, time: Time) -> Vec<ClipKey> {
        let mut phrase = Phrase::default();
        match self.grammar {
            Grammar::English => english::time(&mut phrase, time),
            Grammar::Spanish => spanish::time(&mut phrase, time),
        }
        self.keys(phrase)
    }

    /// Several words: "PIN, code and card".
    #[must_use]
    pub fn join(&self, words: &[ClipKey], joint: Joint) -> Vec<ClipKey> {
        let mut clips = Vec::new();
        for (at, word) in words.iter().enumerate() {
            if at > 0 && at + 1 == words.len() {
                clips.push(self.key(if joint == Joint::And { "words/and" } else { "words/or" }));
            } else if at > 0 {
                clips.push(ClipKey::new("pause/short"));
            }
            clips.push(word.clone());
        }
        clips
    }

    fn amount(&self, phrase: &mut Phrase, count: u64, unit: CurrencyUnit) {
        self.cardinal(phrase, count, unit.noun);
        if self.grammar == Grammar::Spanish && count >= 1_000_000 && count.is_multiple_of(1_000_000) {
            phrase.say("money/of"); // "un millón de euros"
        }
        phrase.say(if count == 1 { unit.one } else { unit.many });
    }

    fn cardinal(&self, phrase: &mut Phrase, number: u64, noun: Noun) {
        if number >= LARGEST {
            // Nobody has such a sum; digit by digit it is at least right.
            for digit in number.to_string().chars() {
                phrase.say(format!("digits/{digit}"));
            }
            return;
        }
        match self.grammar {
            Grammar::English => english::cardinal(phrase, number),
            Grammar::Spanish => spanish::cardinal(phrase, number, noun),
        }
    }

    fn key(&self, name: &str) -> ClipKey {
        ClipKey::new(format!("{}/{name}", self.language))
    }

    fn keys(&self, phrase: Phrase) -> Vec<ClipKey> {
        phrase.0.iter().map(|name| self.key(name)).collect()
    }
}

/// What an amount counts: its noun in both numbers and its gender in Spanish.
struct CurrencyUnit {
    one: &'static str,
    many: &'static str,
    noun: Noun,
}

impl CurrencyUnit {
    const fn major(currency: Currency) -> Self {
        match currency {
            Currency::Gbp => Self { one: "money/pound", many: "money/pounds", noun: Noun::Feminine },
            Currency::Eur => Self { one: "money/euro", many: "money/euros", noun: Noun::Masculine },
        }
    }

    const fn minor(currency: Currency) -> Self {
        match currency {
            Currency::Gbp => Self { one: "money/penny", many: "money/pence", noun: Noun::Masculine },
            Currency::Eur => Self { one: "money/cent", many: "money/cents", noun: Noun::Masculine },
        }
    }
}

/// The recording of one character, if it is one that is spelled.
fn letter(c: char) -> Option<String> {
    match c.to_ascii_lowercase() {
        digit @ '0'..='9' => Some(format!("digits/{digit}")),
        letter @ 'a'..='z' => Some(format!("letters/{letter}")),
        'ñ' | 'Ñ' => Some(String::from("letters/n-tilde")),
        '*' => Some(String::from("digits/star")),
        '#' => Some(String::from("digits/hash")),
        _ => None,
    }
}

/// How many digits to say in one breath: fours when they come out even, else threes.
const fn group_size(length: usize) -> usize {
    if length <= 4 || length.is_multiple_of(4) { 4 } else { 3 }
}

/// Numbers from here on are not read as numbers.
const LARGEST: u64 = 1_000_000_000;
