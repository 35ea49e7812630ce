//! `prompts/<language>.yaml`: what is said, by key, one catalogue per language.
//!
//! A text with placeholders (`Your balance is ${result.balance, money}.`) is played as recordings of what
//! stands between them, `<key>-1`, `<key>-2` …, with the values spoken in between. A text without is one
//! recording, `<key>` or the `file` that it names.

use std::collections::BTreeMap;
use std::ops::Range;

use super::ast::Format;
use super::fields::{self, Fields};
use super::findings::Findings;
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::ClipKey;

/// The prompts of one language.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) language: String,
    pub(crate) prompts: BTreeMap<String, Entry>,
}

/// One prompt in one language.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) parts: Vec<Part>,
}

/// A part of a prompt.
#[derive(Debug)]
pub(crate) enum Part {
    /// A recording.
    Clip(ClipKey),
    /// A placeholder.
    Hole {
        /// The name of the value.
        name: String,
        format: Format,
        place: Place,
    },
}

impl Entry {
    /// The names of its placeholders.
    pub(crate) fn holes(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Hole { name, .. } => Some(name.as_str()),
                Part::Clip(_) => None,
            })
            .collect();
        names.sort_unstable();
        names
    }
}

/// Reads one catalogue.
pub(crate) fn read(root: &Node, findings: &mut Findings) -> Option<Catalogue> {
    let file = Fields::of(root, "a catalogue of prompts", findings)?;
    file.only(&["language", "voice", "prompts", "words"], "a catalogue of prompts", findings);
    let language =
        fields::name(file.need("language", "a catalogue of prompts", findings)?, "a language", findings)?;
    let mut prompts = BTreeMap::new();
    let listed = file.need("prompts", "a catalogue of prompts", findings)?;
    for (key, value) in Fields::of(listed, "`prompts`", findings)?.pairs {
        let Some(name) = fields::name(key, "the key of a prompt", findings) else { continue };
        if let Some(parts) = entry(&language, &name, value, findings) {
            prompts.insert(name, Entry { place: key.place.clone(), parts });
        }
    }
    Some(Catalogue { language, prompts })
}

fn entry(language: &str, key: &str, value: &Node, findings: &mut Findings) -> Option<Vec<Part>> {
    if value.mapping().is_none() {
        let text = fields::text(value, "a prompt", findings)?;
        return parts(language, key, &text, value, findings);
    }
    let entry = Fields::of(value, "a prompt", findings)?;
    entry.only(&["file", "text"], "a prompt", findings);
    let node = entry.need("text", "a prompt", findings)?;
    let text = fields::text(node, "a prompt", findings)?;
    let mut parts = parts(language, key, &text, node, findings)?;
    if let Some(file) = entry.get("file") {
        let name = fields::text(file, "the file of a recording", findings)?;
        if !matches!(parts.as_slice(), [Part::Clip(_)]) {
            fields::wrong(
                file,
                "a prompt with placeholders is several recordings",
                format!("leave `file` out and record {key}-1, {key}-2 and so on"),
                findings,
            );
            return None;
        }
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        if stem.starts_with('/') || stem.split('/').any(|part| part.is_empty() || part == "..") {
            fields::wrong(
                file,
                "a recording lies below `audio/<language>/`",
                "write its name, such as `greeting.wav`",
                findings,
            );
            return None;
        }
        parts = vec![Part::Clip(ClipKey::new(format!("{language}/{stem}")))];
    }
    Some(parts)
}

/// Splits a text at its placeholders.
fn parts(language: &str, key: &str, text: &str, node: &Node, findings: &mut Findings) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut spoken = 0_u32;
    let whole = !text.contains("${");
    let place = |inside: &str| Place { source: node.place.source.clone(), span: find(node, inside) };
    let mut clip = |literal: &str, parts: &mut Vec<Part>| {
        if literal.chars().any(char::is_alphanumeric) {
            spoken += 1;
            let name = if whole { format!("{language}/{key}") } else { format!("{language}/{key}-{spoken}") };
            parts.push(Part::Clip(ClipKey::new(name)));
        }
    };
    while let Some(start) = rest.find("${") {
        clip(&rest[..start], &mut parts);
        let Some(length) = rest[start..].find('}') else {
            let message = "this placeholder is not closed";
            findings.push(
                Diagnostic::error("E174", Some(place(&rest[start..])), message)
                    .help("write `${name, format}`"),
            );
            return None;
        };
        let inside = &rest[start + 2..start + length];
        let at = place(&rest[start..=start + length]);
        let (name, format) = hole(inside, &at, findings)?;
        parts.push(Part::Hole { name, format, place: at });
        rest = &rest[start + length + 1..];
    }
    clip(rest, &mut parts);
    if parts.is_empty() {
        fields::wrong(node, "a prompt says something", "write what is said", findings);
        return None;
    }
    Some(parts)
}

/// The place of a piece of a prompt in its file; the whole prompt where escapes or folding moved it.
fn find(node: &Node, piece: &str) -> Range<usize> {
    let span = node.place.span.clone();
    let written = node.place.source.text.get(span.clone()).unwrap_or("");
    written.find(piece).map_or(span.clone(), |at| span.start + at..span.start + at + piece.len())
}

/// `name`, `name, money`, `name, last: 4, spell`.
fn hole(inside: &str, place: &Place, findings: &mut Findings) -> Option<(String, Format)> {
    let mut words = inside.split(',').map(str::trim);
    let name = words.next().unwrap_or("").to_owned();
    let mut format = None;
    let mut last = None;
    for word in words {
        if let Some(number) = word.strip_prefix("last:") {
            last = number.trim().parse::<u8>().ok();
            continue;
        }
        format = match word {
            "spell" => Some(Format::Spell { last: None }),
            "number" => Some(Format::Number),
            "money" => Some(Format::Money),
            "date" => Some(Format::Date),
            "word" => Some(Format::Word),
            "count" => Some(Format::Count),
            _ => {
                let message = format!("there is no format `{word}`");
                let help =
                    "formats: `spell`, `number`, `money`, `date`, `word`, `count`; `last: 4` beside `spell`";
                findings.push(Diagnostic::error("E174", Some(place.clone()), message).help(help));
                return None;
            }
        };
    }
    match (format, last) {
        (Some(Format::Spell { .. }) | None, Some(last)) => Some((name, Format::Spell { last: Some(last) })),
        (Some(format), None) => Some((name, format)),
        // Chosen by the value's type where it is used.
        (None, None) => Some((name, Format::Word)),
        (Some(_), Some(_)) => {
            let message = "`last` goes with `spell`";
            findings.push(Diagnostic::error("E174", Some(place.clone()), message));
            None
        }
    }
}

/// Every key in every language, with the same placeholders.
pub(crate) fn compare(catalogues: &[Catalogue], findings: &mut Findings) {
    for one in catalogues {
        for other in catalogues.iter().filter(|other| other.language != one.language) {
            for (key, entry) in &one.prompts {
                match other.prompts.get(key) {
                    None => {
                        let message = format!("the prompt `{key}` is missing in {}", other.language);
                        let help = format!("add `{key}` to prompts/{}.yaml", other.language);
                        findings
                            .push(Diagnostic::error("E170", Some(entry.place.clone()), message).help(help));
                    }
                    Some(twin) if one.language < other.language && entry.holes() != twin.holes() => {
                        let message =
                            format!("the prompt `{key}` has other placeholders in {}", other.language);
                        let diagnostic = Diagnostic::error("E171", Some(entry.place.clone()), message)
                            .label(format!("here: {}", entry.holes().join(", ")))
                            .help(format!("in {}: {}", other.language, twin.holes().join(", ")));
                        findings.push(diagnostic);
                    }
                    Some(_) => {}
                }
            }
        }
    }
}
