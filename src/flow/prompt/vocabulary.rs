//! What spoken values are made of: every recording that a format can need.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::{Time, date};

use super::speak::Speaker;
use crate::flow::ClipKey;
use crate::flow::document::Format;
use crate::flow::expr::Type;
use crate::flow::run::values::Money;

/// Every recording of a language that a format can need for a value of that type, the words of lists and
/// enumerations aside. Found by speaking: all values up to where the grammar only repeats itself, so that it
/// can't differ from what is spoken.
#[must_use]
pub fn vocabulary(tag: &str, format: Format, ty: Option<&Type>) -> BTreeSet<ClipKey> {
    let speaker = Speaker::new(tag);
    let mut clips = BTreeSet::new();
    match format {
        Format::Spell { .. } => {
            clips.extend(speaker.spell("0123456789"));
            if !matches!(ty, Some(Type::Digits | Type::Number)) {
                clips.extend(speaker.spell("abcdefghijklmnopqrstuvwxyz*#"));
            }
            clips.insert(ClipKey::new("pause/short"));
        }
        Format::Number | Format::Count => {
            clips.extend(numbers().flat_map(|number| speaker.number(number)));
            clips.extend(speaker.number(-1));
        }
        Format::Money => {
            for text in ["GBP", "EUR"] {
                let amounts = numbers().map(|whole| format!("{whole}.00 {text}"));
                let parts = (0..100).map(|part| format!("1.{part:02} {text}"));
                let small = (1..100).map(|part| format!("0.{part:02} {text}"));
                let money = amounts.chain(parts).chain(small).chain([format!("-1.00 {text}")]);
                clips.extend(
                    money.filter_map(|text| Money::parse(&text)).flat_map(|money| speaker.money(money)),
                );
            }
        }
        Format::Date => {
            let first = date(2026, 1, 1);
            let days = (0..365_i64).filter_map(|day| first.checked_add(day.days()).ok());
            let years = (1900..2100_i16).map(|year| date(year, 1, 1));
            clips.extend(days.chain(years).flat_map(|day| speaker.date(day)));
        }
        Format::Time => {
            let minutes = (0..60).filter_map(|minute| Time::new(9, minute, 0, 0).ok());
            let hours = (0..24).flat_map(|hour| [0, 30].map(|minute| (hour, minute)));
            let hours = hours.filter_map(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
            clips.extend(minutes.chain(hours).flat_map(|time| speaker.time(time)));
        }
        Format::Word => {}
        Format::List(joint) => {
            let word = ClipKey::new("pause/short");
            clips.extend(speaker.join(&[word.clone(), word.clone(), word], joint));
        }
    }
    clips
}

/// Every number that is recorded whole, and what shows every form of the rest: hundreds, thousands, millions,
/// and one that is read digit by digit.
fn numbers() -> impl Iterator<Item = i64> {
    let counted = || (1..=100).chain((1..10).map(|hundreds| hundreds * 100)).chain([121, 131]);
    let thousands = counted().map(|number| number * 1_000);
    let millions = counted().map(|number| number * 1_000_000);
    let hundreds = (2..12).map(|hundreds| hundreds * 100 + 1);
    (0..200).chain(hundreds).chain(thousands).chain(millions).chain([2_301_001, 1_234_567_890])
}
