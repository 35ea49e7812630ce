//! The text of a prompt with its placeholders: `Your balance is ${result.balance, money}.`
//!
//! ```text
//! placeholder = "${" name { "," word } "}"
//!             | "${" name "," "plural" "," branch { branch } "}"
//! word        = a format | "last:" digits
//! branch      = category "{" text "}"          the text may hold "#" and placeholders, but no plural
//! ```

use std::ops::Range;

use super::plural::Category;
use crate::flow::document::{Format, Joint};

/// A stretch of a prompt. Spans are bytes in the prompt's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Words to say as they are.
    Text(Range<usize>),
    /// A value to say.
    Hole {
        /// From `${` to `}`, or the `#` of a plural.
        span: Range<usize>,
        /// The value's name.
        name: String,
        /// How; by the value's type when `None`.
        format: Option<Format>,
    },
    /// Words that depend on a number.
    Plural {
        /// From `${` to `}`.
        span: Range<usize>,
        /// The number's name.
        name: String,
        /// What to say for which number, in the order written.
        branches: Vec<(Category, Vec<Self>)>,
    },
}

/// Why a text can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Splits a text at its placeholders.
///
/// # Errors
/// The first placeholder that can't be read.
pub fn parse(text: &str) -> Result<Vec<Segment>, Mistake> {
    segments(text, 0..text.len(), None)
}

/// What a format is called in a catalogue.
const FORMATS: [(&str, Format); 9] = [
    ("spell", Format::Spell { last: None }),
    ("number", Format::Number),
    ("count", Format::Count),
    ("money", Format::Money),
    ("date", Format::Date),
    ("time", Format::Time),
    ("word", Format::Word),
    ("and", Format::List(Joint::And)),
    ("or", Format::List(Joint::Or)),
];

/// The segments of a part of the text; inside of a plural, `#` is the number named so.
fn segments(text: &str, part: Range<usize>, number: Option<&str>) -> Result<Vec<Segment>, Mistake> {
    let mut out = Vec::new();
    let mut at = part.start;
    let mut literal = part.start;
    while at < part.end {
        let rest = text.get(at..part.end).unwrap_or("");
        let found = if rest.starts_with("${") {
            let end = closing(rest, 1).map(|end| at + end).ok_or_else(|| {
                mistake(at..part.end, "this placeholder is not closed", "write `${name, format}`")
            })?;
            Some((placeholder(text, at..end + 1, number.is_some())?, end + 1))
        } else if let Some(name) = number.filter(|_| rest.starts_with('#')) {
            let span = at..at + 1;
            Some((Segment::Hole { span, name: name.to_owned(), format: Some(Format::Count) }, at + 1))
        } else {
            None
        };
        match found {
            Some((segment, after)) => {
                push_text(text, literal..at, &mut out);
                out.push(segment);
                (at, literal) = (after, after);
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    push_text(text, literal..part.end, &mut out);
    Ok(out)
}

/// Text without a letter or digit (a full stop) needs no recording.
fn push_text(text: &str, span: Range<usize>, out: &mut Vec<Segment>) {
    if text.get(span.clone()).is_some_and(|text| text.chars().any(char::is_alphanumeric)) {
        out.push(Segment::Text(span));
    }
}

/// Where the brace that opens at `open` closes.
fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// What stands from `${` to `}`.
fn placeholder(text: &str, span: Range<usize>, in_plural: bool) -> Result<Segment, Mistake> {
    let inside = text.get(span.start + 2..span.end - 1).unwrap_or("");
    let (name, rest) = inside.split_once(',').unwrap_or((inside, ""));
    let name = name.trim().to_owned();
    if name.is_empty() || name.contains(['{', '}', ' ', '$']) {
        return Err(mistake(span, "a placeholder names one value", "write `${name, format}`"));
    }
    let (head, branches) = rest.split_once(',').unwrap_or((rest, ""));
    if head.trim() == "plural" {
        if in_plural {
            let message = "a plural can't stand inside of another";
            return Err(mistake(span, message, "say one of the numbers outside of it"));
        }
        let from = span.end - 1 - branches.len();
        let branches = self::branches(text, from..span.end - 1, &span, &name)?;
        return Ok(Segment::Plural { span, name, branches });
    }
    let format = format(rest, &span)?;
    Ok(Segment::Hole { span, name, format })
}

/// `one {One try left.} other {# tries left.}`
fn branches(
    text: &str,
    part: Range<usize>,
    whole: &Range<usize>,
    name: &str,
) -> Result<Vec<(Category, Vec<Segment>)>, Mistake> {
    const HELP: &str = "write `${tries_left, plural, one {One try left.} other {# tries left.}}`";
    let mut out: Vec<(Category, Vec<Segment>)> = Vec::new();
    let mut at = part.start;
    loop {
        let rest = text.get(at..part.end).unwrap_or("");
        let skipped = rest.len() - rest.trim_start().len();
        let start = at + skipped;
        let rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let Some(open) = rest.find('{') else {
            return Err(mistake(start..part.end, "a branch of a plural has its words in braces", HELP));
        };
        let word = rest.get(..open).unwrap_or("").trim();
        let Some(category) = Category::from_name(word) else {
            let message = format!("`{word}` is no form of a plural");
            let help = "forms: `one`, `few`, `many`, `other`, or a number such as `=0`";
            return Err(mistake(start..start + open.max(1), message, help));
        };
        if out.iter().any(|(known, _)| *known == category) {
            return Err(mistake(start..start + open, format!("`{category}` stands here twice"), HELP));
        }
        let Some(close) = closing(rest, open) else {
            return Err(mistake(start..part.end, "this branch is not closed", HELP));
        };
        let inner = segments(text, start + open + 1..start + close, Some(name))?;
        if inner.is_empty() {
            let message = format!("`{category}` says nothing");
            return Err(mistake(start..start + close + 1, message, HELP));
        }
        out.push((category, inner));
        at = start + close + 1;
    }
    if !out.iter().any(|(category, _)| *category == Category::Other) {
        return Err(mistake(whole.clone(), "a plural needs the form `other`", HELP));
    }
    Ok(out)
}

/// `money`; `last: 4, spell`; nothing.
fn format(words: &str, span: &Range<usize>) -> Result<Option<Format>, Mistake> {
    let mut format = None;
    let mut last = None;
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if let Some(number) = word.strip_prefix("last:") {
            let number = number.trim().parse::<u8>().ok().filter(|number| *number > 0);
            last = Some(number.ok_or_else(|| {
                mistake(span.clone(), "`last` is how many from the end", "write `last: 4, spell`")
            })?);
        } else if let Some((_, known)) = FORMATS.iter().find(|(name, _)| *name == word) {
            if format.replace(*known).is_some() {
                return Err(mistake(span.clone(), "a value is said in one format", "leave one of them out"));
            }
        } else {
            let message = format!("there is no format `{word}`");
            let names = FORMATS.iter().map(|(name, _)| *name).chain(["plural"]);
            let help = crate::flow::document::suggestion(word, names, "formats");
            return Err(mistake(span.clone(), message, help));
        }
    }
    match (format, last) {
        (Some(Format::Spell { .. }) | None, Some(last)) => Ok(Some(Format::Spell { last: Some(last) })),
        (Some(_), Some(_)) => {
            Err(mistake(span.clone(), "`last` goes with `spell`", "write `last: 4, spell`"))
        }
        (format, None) => Ok(format),
    }
}

fn mistake(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Mistake {
    Mistake { span, message: message.into(), help: help.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The segments, written so that they can be read.
    fn read(text: &str) -> String {
        fn one(text: &str, segment: &Segment) -> String {
            match segment {
                Segment::Text(span) => format!("‹{}›", text[span.clone()].trim()),
                Segment::Hole { name, format, .. } => format!("{name}:{format:?}"),
                Segment::Plural { name, branches, .. } => {
                    let branch = |(category, inner): &(Category, Vec<Segment>)| {
                        let inner: Vec<_> = inner.iter().map(|segment| one(text, segment)).collect();
                        format!("{category}({})", inner.join(" "))
                    };
                    format!("{name}[{}]", branches.iter().map(branch).collect::<Vec<_>>().join(" "))
                }
            }
        }
        match parse(text) {
            Ok(segments) => segments.iter().map(|s| one(text, s)).collect::<Vec<_>>().join(" "),
            Err(mistake) => format!("{} at `{}`", mistake.message, &text[mistake.span]),
        }
    }

    #[test]
    fn placeholders_are_read() {
        let cases = [
            ("Welcome.", "‹Welcome.›"),
            ("Your balance is ${result.balance, money}.", "‹Your balance is› result.balance:Some(Money)"),
            ("${receipt, last: 4, spell}", "receipt:Some(Spell { last: Some(4) })"),
            ("${receipt,spell,last:4}", "receipt:Some(Spell { last: Some(4) })"),
            ("${receipt, last: 4}", "receipt:Some(Spell { last: Some(4) })"),
            ("${topic}", "topic:None"),
            ("${factors, or}", "factors:Some(List(Or))"),
            (
                "No. ${n, plural, =0 {None at all.} one {One try left.} other {# tries left.}}",
                "‹No.› n[=0(‹None at all.›) one(‹One try left.›) other(n:Some(Count) ‹tries left.›)]",
            ),
            (
                "${n, plural, other {# of ${total, number} at ${at, time}}}",
                "n[other(n:Some(Count) ‹of› total:Some(Number) ‹at› at:Some(Time))]",
            ),
            ("Press # now", "‹Press # now›"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_point_at_the_placeholder() {
        let cases = [
            ("a ${b", "this placeholder is not closed at `${b`"),
            ("a ${} c", "a placeholder names one value at `${}`"),
            ("a ${b, mony} c", "there is no format `mony` at `${b, mony}`"),
            ("${b, money, last: 4}", "`last` goes with `spell` at `${b, money, last: 4}`"),
            ("${b, last: no}", "`last` is how many from the end at `${b, last: no}`"),
            ("${b, date, time}", "a value is said in one format at `${b, date, time}`"),
            ("${n, plural}", "a plural needs the form `other` at `${n, plural}`"),
            ("${n, plural, one {x}}", "a plural needs the form `other` at `${n, plural, one {x}}`"),
            ("${n, plural, on {x} other {y}}", "`on` is no form of a plural at `on `"),
            ("${n, plural, other {y} other {z}}", "`other` stands here twice at `other `"),
            ("${n, plural, other}", "a branch of a plural has its words in braces at `other`"),
            ("${n, plural, one {.} other {y}}", "`one` says nothing at `one {.}`"),
            (
                "${n, plural, other {${m, plural, other {x}}}}",
                "a plural can't stand inside of another at `${m, plural, other {x}}`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(?s)([${}#,=a-z é0-9:]|plural|other|one|last){0,60}") {
            if let Err(mistake) = parse(&text) {
                prop_assert!(text.get(mistake.span).is_some());
            }
        }

        #[test]
        fn every_segment_lies_in_the_text_and_after_the_one_before(text in "(a b |\\$\\{n, money\\}|é\\. |\\$\\{n, plural, other \\{# x\\}\\}){0,8}") {
            let mut end = 0;
            for segment in parse(&text).expect("it is right") {
                let (Segment::Text(span) | Segment::Hole { span, .. } | Segment::Plural { span, .. }) = segment;
                prop_assert!(span.start >= end && text.get(span.clone()).is_some());
                end = span.end;
            }
            prop_assert!(end <= text.len());
        }
    }
}
