//! A prompt as text to be read: what a message to a customer says.
//!
//! Words are those of the catalogue. Values are written, not spelt out as they are spoken: `1204.50 EUR`,
//! `2026-05-03`, `44110021`.

use super::speak::Speaker;
use super::{ending, form, words};
use crate::flow::ClipKey;
use crate::flow::document::{Application, Format, LanguageId, Piece, Prompt};
use crate::flow::expr::Expr;
use crate::flow::run::values::Value;

/// The text of `prompt` in the language with that index and tag. A value that is not set is left out.
#[must_use]
pub fn written(
    app: &Application,
    prompt: &Prompt,
    language: LanguageId,
    tag: &str,
    value: impl Fn(&Expr) -> Value,
) -> String {
    let mut parts = Vec::new();
    write(app, prompt.in_language(language), tag, &value, &mut parts);
    super::text::join(parts)
}

fn write(
    app: &Application,
    pieces: &[Piece],
    tag: &str,
    value: &dyn Fn(&Expr) -> Value,
    parts: &mut Vec<String>,
) {
    for piece in pieces {
        match piece {
            Piece::Clip(clip) => parts.push(in_catalogue(app, clip)),
            Piece::Value { expr, format } => parts.extend(told(app, tag, &value(expr), *format)),
            Piece::Plural { expr, branches } => {
                if let Some(number) = value(expr).as_number() {
                    write(app, form(branches, tag, number), tag, value, parts);
                }
            }
        }
    }
}

/// As the catalogue has it, with the punctuation at its beginning.
fn in_catalogue(app: &Application, clip: &ClipKey) -> String {
    app.texts.get(clip).map_or_else(|| app.clip_text(clip), |known| known.text.clone())
}

fn told(app: &Application, tag: &str, value: &Value, format: Format) -> Option<String> {
    match format {
        Format::Spell { last } => value.as_text().map(|text| ending(&text, last).to_owned()),
        Format::Number | Format::Count => value.as_number().map(|number| number.to_string()),
        Format::Money => value.as_money().map(|money| money.to_string()),
        Format::Date => value.as_date().map(|date| date.to_string()),
        Format::Time => value.as_time().map(|time| time.strftime("%H:%M").to_string()),
        Format::Word => Some(app.read(&words(tag, value))),
        Format::List(joint) => Some(app.read(&Speaker::new(tag).join(&words(tag, value), joint))),
    }
    .filter(|text| !text.is_empty())
}
