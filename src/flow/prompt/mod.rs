//! From a prompt of the catalogue to the recordings that say it.

pub mod speak;
mod vocabulary;

use crate::flow::ClipKey;
use crate::flow::document::{Format, LanguageId, Piece, Prompt};
use crate::flow::expr::Expr;
use crate::flow::run::values::Value;

pub use vocabulary::vocabulary;

use speak::Speaker;

/// The recordings that say `prompt` in the language with that index and tag; `value` evaluates what is
/// spoken. A value that is not set, or not what its format says, is passed over in silence.
#[must_use]
pub fn render(
    prompt: &Prompt,
    language: LanguageId,
    tag: &str,
    value: impl Fn(&Expr) -> Value,
) -> Vec<ClipKey> {
    let speaker = Speaker::new(tag);
    let mut clips = Vec::new();
    for piece in prompt.in_language(language) {
        match piece {
            Piece::Clip(clip) => clips.push(clip.clone()),
            Piece::Value { expr, format } => clips.extend(spoken(&speaker, tag, &value(expr), *format)),
        }
    }
    clips
}

fn spoken(speaker: &Speaker<'_>, tag: &str, value: &Value, format: Format) -> Vec<ClipKey> {
    match format {
        Format::Spell { last } => value.as_text().map(|text| speaker.spell(ending(&text, last))),
        Format::Number | Format::Count => value.as_number().map(|number| speaker.number(number)),
        Format::Money => value.as_money().map(|money| speaker.money(money)),
        Format::Date => value.as_date().map(|date| speaker.date(date)),
        Format::Word => Some(words(tag, value)),
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
    use crate::flow::expr::Field;

    fn said(format: Format, value: &Value) -> String {
        let expr = Expr::Field(Field::Answer);
        let pieces = vec![Piece::Clip(ClipKey::new("en-GB/you_have-1")), Piece::Value { expr, format }];
        let prompt = Prompt { key: Arc::from("you_have"), pieces: vec![pieces] };
        let clips = render(&prompt, LanguageId(0), "en-GB", |_| value.clone());
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
            (Format::Word, factors, "words/pin words/totp"),
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
}
