//! Numbers as people say them: "four hundred and fifty", "the third of May nineteen eighty".
//!
//! In English; elsewhere figures. Two numbers side by side are none, nor is what could be read in two ways.

use jiff::civil::Date;

use crate::voice::words;

/// A whole number in words or figures; `None` when that is not all there is, or not one number.
pub(super) fn number(tag: &str, spoken: &[&str]) -> Option<u64> {
    if let [figures] = spoken
        && figures.bytes().all(|byte| byte.is_ascii_digit())
    {
        return figures.parse().ok();
    }
    let mut sum = Sum::default();
    for (at, word) in spoken.iter().enumerate() {
        let follows = spoken.get(at + 1).copied();
        sum.add(tag, word, follows)?;
    }
    sum.total()
}

/// A number in the making: what stands before the next hundred, thousand or million, and what has been put away.
#[derive(Default)]
struct Sum {
    total: u64,
    /// The last scale that was put away: what follows is smaller.
    scale: Option<u64>,
    part: u64,
    /// What may follow within the part: nothing, units, or anything.
    place: Place,
    said: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Open,
    AfterHundred,
    AfterTens,
    Full,
}

impl Sum {
    fn add(&mut self, tag: &str, word: &str, follows: Option<&str>) -> Option<()> {
        let scales = |word: &str| matches!(word, "hundred" | "thousand" | "million");
        match word {
            // "A hundred", "four hundred and fifty": nothing by themselves.
            "a" => return follows.is_some_and(scales).then_some(()),
            "and" => return (self.said && follows.is_some()).then_some(()),
            "hundred" if matches!(self.place, Place::Open | Place::Full) && self.part < 100 => {
                self.part = self.part.max(1) * 100;
                self.place = Place::AfterHundred;
            }
            "thousand" | "million" => {
                let scale = if word == "thousand" { 1_000 } else { 1_000_000 };
                if self.scale.is_some_and(|last| last <= scale) {
                    return None;
                }
                self.total += self.part.max(1) * scale;
                (self.part, self.scale, self.place) = (0, Some(scale), Place::Open);
            }
            _ => self.add_small(tag, word)?,
        }
        self.said = true;
        Some(())
    }

    fn add_small(&mut self, tag: &str, word: &str) -> Option<()> {
        let value = match word.parse::<u64>() {
            Ok(figures) if figures < 100 => figures,
            Ok(_) => return None,
            Err(_) => u64::from(small(tag, word)?),
        };
        let tens = value >= 20 && value % 10 == 0;
        self.place = match (self.place, value) {
            (Place::Open | Place::AfterHundred, _) if tens => Place::AfterTens,
            (Place::Open | Place::AfterHundred, _) => Place::Full,
            (Place::AfterTens, 1..=9) => Place::Full,
            _ => return None,
        };
        self.part += value;
        Some(())
    }

    fn total(self) -> Option<u64> {
        self.said.then_some(self.total + self.part)
    }
}

/// A number under a hundred that one word says.
fn small(tag: &str, word: &str) -> Option<u8> {
    let at = words::numbers(tag).iter().position(|known| *known == word)?;
    let at = u8::try_from(at).ok()?;
    Some(if at < 20 { at } else { (at - 18) * 10 })
}

/// A day with the name of its month: "3 May 1980", "the third of May nineteen eighty", "May 3rd, 1980".
pub(super) fn date(tag: &str, spoken: &[&str]) -> Option<Date> {
    let spoken: Vec<&str> =
        spoken.iter().copied().filter(|word| !matches!(*word, "the" | "of" | "de" | "del" | "el")).collect();
    let mut months = spoken.iter().enumerate().filter_map(|(at, word)| Some((at, month(tag, word)?)));
    let (at, month) = months.next()?;
    if months.next().is_some() {
        return None;
    }
    let (before, after) = (&spoken[..at], &spoken[at + 1..]);
    let whole = |day: &[&str], rest: &[&str]| Date::new(year(tag, rest)?, month, day_of(tag, day)?).ok();
    if !before.is_empty() {
        return whole(before, after);
    }
    // The day and the year stand side by side: there is one way to part them, or none.
    let mut found = (1..after.len()).filter_map(|end| whole(&after[..end], &after[end..]));
    found.next().filter(|day| found.all(|other| other == *day))
}

fn month(tag: &str, word: &str) -> Option<i8> {
    let at = words::months(tag).iter().position(|known| *known == word)?;
    i8::try_from(at + 1).ok()
}

/// "Third", "3rd", "three", "twenty first".
fn day_of(tag: &str, spoken: &[&str]) -> Option<i8> {
    let joined = spoken.join("-");
    if let Some(at) = words::ordinals(tag).iter().position(|known| *known == joined) {
        return i8::try_from(at + 1).ok();
    }
    if let [word] = spoken
        && word.starts_with(|c: char| c.is_ascii_digit())
    {
        return word.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok();
    }
    i8::try_from(number(tag, spoken)?).ok()
}

/// "1980", "nineteen eighty", "nineteen oh five", "two thousand and five".
fn year(tag: &str, spoken: &[&str]) -> Option<i16> {
    if let [figures] = spoken
        && figures.len() == 4
    {
        return figures.parse().ok();
    }
    let [first, rest @ ..] = spoken else { return None };
    let century = number(tag, &[first]).filter(|century| matches!(century, 16..=20));
    let years = match (century, rest) {
        (Some(century), ["hundred"]) => Some(century * 100),
        (Some(century), ["oh" | "o" | "zero", unit]) => {
            number(tag, &[unit]).filter(|unit| *unit < 10).map(|unit| century * 100 + unit)
        }
        (Some(century), [_, ..]) => {
            number(tag, rest).filter(|years| (10..100).contains(years)).map(|years| century * 100 + years)
        }
        _ => None,
    };
    let years = years.or_else(|| number(tag, spoken).filter(|years| (1600..=2100).contains(years)))?;
    i16::try_from(years).ok()
}

/// An amount in whole units, with or without its currency; `None` when there are parts of a unit.
pub(super) fn amount(tag: &str, spoken: &[&str]) -> Option<u64> {
    let currency = |word: &&str| {
        matches!(*word, "pound" | "pounds" | "euro" | "euros" | "libra" | "libras" | "dollar" | "dollars")
    };
    let end = spoken.iter().rposition(|word| !currency(word));
    number(tag, spoken.get(..=end?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    #[test]
    fn a_number_is_one_number() {
        for (text, expected) in [
            ("seven", Some(7)),
            ("forty two", Some(42)),
            ("a hundred", Some(100)),
            ("four hundred and fifty", Some(450)),
            ("nineteen hundred", Some(1_900)),
            ("twelve thousand three hundred and four", Some(12_304)),
            ("a million", Some(1_000_000)),
            ("5 thousand", Some(5_000)),
            ("450", Some(450)),
            ("four four", None),
            ("twenty twelve", None),
            ("forty forty", None),
            ("two thousand three thousand", None),
            ("and", None),
            ("four and", None),
            ("", None),
            ("lots", None),
        ] {
            assert_eq!(number("en-GB", &split(text)), expected, "{text}");
        }
        assert_eq!(number("de-DE", &["450"]), Some(450));
        assert_eq!(number("de-DE", &["vier"]), None);
    }

    #[test]
    fn a_day_is_said_in_many_ways_and_means_one() {
        for (text, expected) in [
            ("the third of may nineteen eighty", Some("1980-05-03")),
            ("may third nineteen eighty five", Some("1985-05-03")),
            ("may twenty first two thousand and five", Some("2005-05-21")),
            ("may twenty nineteen eighty", Some("1980-05-20")),
            ("the twenty first of may nineteen oh five", Some("1905-05-21")),
            ("thirty one december twenty twenty six", Some("2026-12-31")),
            ("3 may 1980", Some("1980-05-03")),
            ("may 3rd 1980", Some("1980-05-03")),
            ("thirty first of april nineteen eighty", None),
            ("may", None),
            ("the third of may", None),
            ("may june nineteen eighty", None),
        ] {
            let day = date("en-GB", &split(text));
            assert_eq!(day.map(|day| day.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_amount_is_whole() {
        for (text, expected) in [
            ("four hundred and fifty pounds", Some(450)),
            ("450 euros", Some(450)),
            ("ninety", Some(90)),
            ("four pounds fifty", None),
            ("pounds", None),
        ] {
            assert_eq!(amount("en-GB", &split(text)), expected, "{text}");
        }
    }
}
