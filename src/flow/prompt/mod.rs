//! From a prompt of the catalogue to the recordings that say it.

pub mod hear;
mod hear_numbers;
mod plural;
pub mod sound;
pub mod speak;
pub mod template;
mod text;
mod vocabulary;
mod written;

use crate::flow::ClipKey;
use crate::flow::document::{Format, Piece};
use crate::flow::expr::Expr;
use crate::flow::run::values::Value;

pub use plural::{Category, categories, category};
pub use vocabulary::vocabulary;
pub use written::written;

use speak::Speaker;

/// The recordings that say these pieces of a prompt in the language with that tag; `value` evaluates what is
/// spoken. A value that is not set, or not what its format says, is passed over in silence.
#[must_use]
pub fn render(pieces: &[Piece], tag: &str, value: impl Fn(&Expr) -> Value) -> Vec<ClipKey> {
    let mut clips = Vec::new();
    say(pieces, tag, &value, &mut clips);
    clips
}

fn say(pieces: &[Piece], tag: &str, value: &dyn Fn(&Expr) -> Value, clips: &mut Vec<ClipKey>) {
    let speaker = Speaker::new(tag);
    for piece in pieces {
        match piece {
            Piece::Clip(clip) => clips.push(clip.clone()),
            Piece::Value { expr, format } => clips.extend(spoken(&speaker, tag, &value(expr), *format)),
            Piece::Plural { expr, branches } => {
                if let Some(number) = value(expr).as_number() {
                    say(form(branches, tag, number), tag, value, clips);
                }
            }
        }
    }
}

/// The words that go with a number: those for exactly it, else those of its form.
fn form<'p>(branches: &'p [(Category, Vec<Piece>)], tag: &str, number: i64) -> &'p [Piece] {
    let exact = u32::try_from(number).map(Category::Exact).ok();
    let wanted = exact.into_iter().chain([category(tag, number), Category::Other]);
    let found = |form: Category| branches.iter().find(|(known, _)| *known == form);
    wanted.into_iter().find_map(found).map_or(&[], |(_, pieces)| pieces)
}

fn spoken(speaker: &Speaker<'_>, tag: &str, value: &Value, format: Format) -> Vec<ClipKey> {
    match format {
        Format::Spell { last } => value.as_text().map(|text| speaker.spell(ending(&text, last))),
        Format::Number | Format::Count => value.as_number().map(|number| speaker.number(number)),
        Format::Money => value.as_money().map(|money| speaker.money(money)),
        Format::Date => value.as_date().map(|date| speaker.date(date)),
        Format::Time => value.as_time().map(|time| speaker.time(time)),
        Format::Word => Some(words(tag, value)),
        Format::List(joint) => Some(speaker.join(&words(tag, value), joint)),
    }
    .unwrap_or_default()
}

/// The last few characters, or all.
fn ending(text: &str, last: Option<u8>) -> &str {
    let Some(last) = last else { return text };
    let start = text.char_indices().rev().take(usize::from(last)).last().map_or(text.len(), |(at, _)| at);
    text.get(start..).unwrap_or(text)
}

fn words(tag: &str, value: &Value) -> Vec<ClipKey> {
    let key = |word: &str| ClipKey::new(format!("{tag}/words/{word}"));
    match value {
        Value::List(words) => words.iter().map(|word| key(word)).collect(),
        value => value.as_text().iter().map(|word| key(word)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::flow::document::Joint;
    use crate::flow::expr::Field;

    fn said(format: Format, value: &Value) -> String {
        let expr = Expr::Field(Field::Answer);
        let pieces = vec![Piece::Clip(ClipKey::new("en-GB/you_have-1")), Piece::Value { expr, format }];
        let clips = render(&pieces, "en-GB", |_| value.clone());
        clips.iter().map(ClipKey::as_str).collect::<Vec<_>>().join(" ").replace("en-GB/", "")
    }

    #[test]
    fn every_format_speaks_its_values() {
        let factors = Value::List(vec![Arc::from("pin"), Arc::from("totp")]);
        let cases = [
            (Format::Spell { last: None }, Value::text("42"), "digits/4 digits/2"),
            (Format::Spell { last: Some(2) }, Value::text("R-0042"), "digits/4 digits/2"),
            (Format::Spell { last: Some(9) }, Value::text("7"), "digits/7"),
            (Format::Number, Value::Number(21), "numbers/21"),
            (Format::Number, Value::text("21"), "numbers/21"),
            (Format::Count, factors.clone(), "numbers/2"),
            (
                Format::Money,
                Value::text("2.05 GBP"),
                "numbers/2 money/pounds money/and numbers/5 money/pence",
            ),
            (Format::Word, Value::text("strong"), "words/strong"),
            (Format::Word, factors.clone(), "words/pin words/totp"),
            (Format::List(Joint::And), factors, "words/pin words/and words/totp"),
            (Format::Time, Value::text("14:30"), "numbers/2 numbers/30 dates/pm"),
            (Format::Time, Value::text("2026-05-03T09:05"), "numbers/9 dates/oh numbers/5 dates/am"),
        ];
        for (format, value, expected) in cases {
            assert_eq!(said(format, &value), format!("you_have-1 {expected}"));
        }
    }

    #[test]
    fn what_is_not_there_is_passed_over() {
        assert_eq!(said(Format::Money, &Value::Nothing), "you_have-1");
        assert_eq!(said(Format::Number, &Value::text("many")), "you_have-1");
    }

    #[test]
    fn a_plural_says_the_form_of_its_number() {
        let expr = || Expr::Field(Field::TriesLeft);
        let clip = |name: &str| Piece::Clip(ClipKey::new(format!("en-GB/{name}")));
        let branches = vec![
            (Category::Exact(0), vec![clip("none")]),
            (Category::One, vec![clip("one")]),
            (Category::Other, vec![Piece::Value { expr: expr(), format: Format::Count }, clip("other")]),
        ];
        let pieces = [Piece::Plural { expr: expr(), branches }];
        let said = |value: Value| {
            let clips = render(&pieces, "en-GB", |_| value.clone());
            clips.iter().map(ClipKey::as_str).collect::<Vec<_>>().join(" ").replace("en-GB/", "")
        };
        assert_eq!(said(Value::Number(0)), "none");
        assert_eq!(said(Value::Number(1)), "one");
        assert_eq!(said(Value::Number(2)), "numbers/2 other");
        assert_eq!(said(Value::Number(-1)), "one");
        assert_eq!(said(Value::Nothing), "");
    }
}
