//! `prompts/<language>.yaml`: what is said and what callers may say, by key, one catalogue per language.
//!
//! A text with placeholders (`Your balance is ${result.balance, money}.`) is played as recordings of what
//! stands between them, `<key>-1`, `<key>-2` …, with the values spoken in between; a plural counts as one of
//! these parts and each of its forms is a recording, `<key>-2-one`, `<key>-2-other`. A text without
//! placeholders is one recording, `<key>` or the `file` that it names. What is said in its place to callers whom somebody
//! hears (`heard`) is recorded as `<key>-heard`, in the same way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{ClipText, Format};
use super::fields::{self, Fields};
use super::findings::Findings;
use super::names::inside;
use super::words::Phrases;
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::ClipKey;
use crate::flow::prompt::template::{self, Segment};
use crate::flow::prompt::{Category, categories};

/// The catalogue of one language.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) language: String,
    pub(crate) voice: Option<String>,
    pub(crate) prompts: BTreeMap<String, Entry>,
    pub(crate) words: BTreeMap<String, Phrases>,
    /// What the recordings say.
    pub(crate) texts: BTreeMap<ClipKey, ClipText>,
}

/// One prompt in one language.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) parts: Vec<Part>,
    /// What is said in their place to whom somebody hears; empty where it is the same.
    pub(crate) heard: Vec<Part>,
    readable: bool,
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
        /// By the value's type when `None`.
        format: Option<Format>,
        place: Place,
    },
    /// A placeholder whose words depend on a number.
    Plural {
        /// The name of the number.
        name: String,
        place: Place,
        branches: Vec<(Category, Vec<Self>)>,
    },
}

impl Part {
    /// The placeholders in it, each with its place.
    fn holes(&self) -> Vec<(&str, &Place)> {
        match self {
            Self::Clip(_) => Vec::new(),
            Self::Hole { name, place, .. } => vec![(name, place)],
            Self::Plural { name, place, branches } => {
                let inner = branches.iter().flat_map(|(_, parts)| parts).flat_map(Self::holes);
                std::iter::once((name.as_str(), place)).chain(inner).collect()
            }
        }
    }
}

impl Entry {
    /// Its placeholders.
    fn holes(&self) -> Vec<(&str, &Place)> {
        self.parts.iter().chain(&self.heard).flat_map(Part::holes).collect()
    }
}

/// Reads one catalogue.
pub(crate) fn read(root: &Node, findings: &mut Findings) -> Option<Catalogue> {
    let file = Fields::of(root, "a catalogue of prompts", findings)?;
    file.only(&["language", "voice", "prompts", "words", "vocabulary"], "a catalogue of prompts", findings);
    let language =
        fields::name(file.need("language", "a catalogue of prompts", findings)?, "a language", findings)?;
    let voice = file.get("voice").and_then(|node| fields::text(node, "a voice", findings));
    let listed = file.need("prompts", "a catalogue of prompts", findings)?;
    let mut catalogue = Catalogue {
        language: language.clone(),
        voice,
        prompts: BTreeMap::new(),
        words: BTreeMap::new(),
        texts: BTreeMap::new(),
    };
    for (key, value) in Fields::of(listed, "`prompts`", findings)?.pairs {
        let Some(name) = fields::name(key, "the key of a prompt", findings) else { continue };
        let mut texts = Texts { language: Arc::from(language.as_str()), out: &mut catalogue.texts };
        // One that can't be read is there nevertheless: nothing more shall be said about it.
        let read = entry(&name, value, &mut texts, findings);
        let readable = read.is_some();
        let (parts, heard) = read.unwrap_or_default();
        let entry = Entry { place: key.place.clone(), readable, parts, heard };
        catalogue.prompts.insert(name, entry);
    }
    if let Some(node) = file.get("words") {
        catalogue.words = super::words::read(node, findings);
    }
    if let Some(node) = file.get("vocabulary") {
        vocabulary(node, &language, &mut catalogue.texts, findings);
    }
    Some(catalogue)
}

/// Where the texts of recordings are collected.
struct Texts<'t> {
    language: Arc<str>,
    out: &'t mut BTreeMap<ClipKey, ClipText>,
}

impl Texts<'_> {
    fn add(&mut self, name: &str, text: &str, place: Place) -> ClipKey {
        let clip = ClipKey::new(format!("{}/{name}", self.language));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.out.insert(clip.clone(), ClipText { language: Arc::clone(&self.language), text, place });
        clip
    }
}

/// What is said, and what in its place to whom somebody hears.
type Said = (Vec<Part>, Vec<Part>);

fn entry(key: &str, value: &Node, texts: &mut Texts<'_>, findings: &mut Findings) -> Option<Said> {
    if value.mapping().is_none() {
        let text = fields::text(value, "a prompt", findings)?;
        return Some((parts(key, None, &text, value, texts, findings)?, Vec::new()));
    }
    let entry = Fields::of(value, "a prompt", findings)?;
    entry.only(&["file", "text", "heard"], "a prompt", findings);
    let node = entry.need("text", "a prompt", findings)?;
    let text = fields::text(node, "a prompt", findings)?;
    let heard = match entry.get("heard") {
        Some(node) => {
            let text = fields::text(node, "a prompt", findings)?;
            parts(&format!("{key}-heard"), None, &text, node, texts, findings)?
        }
        None => Vec::new(),
    };
    let stem = match entry.get("file") {
        Some(file) => Some(stem(key, file, &text, findings)?),
        None => None,
    };
    Some((parts(key, stem.as_deref(), &text, node, texts, findings)?, heard))
}

/// The recording that a prompt names.
fn stem(key: &str, file: &Node, text: &str, findings: &mut Findings) -> Option<String> {
    let name = fields::text(file, "the file of a recording", findings)?;
    if text.contains("${") {
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
    Some(stem.to_owned())
}

/// Splits a text at its placeholders and names the recordings.
fn parts(
    key: &str,
    file: Option<&str>,
    text: &str,
    node: &Node,
    texts: &mut Texts<'_>,
    findings: &mut Findings,
) -> Option<Vec<Part>> {
    let segments = match template::parse(text) {
        Ok(segments) => segments,
        Err(mistake) => {
            let place = inside(node, text, mistake.span);
            findings.push(Diagnostic::error("E174", Some(place), mistake.message).help(mistake.help));
            return None;
        }
    };
    if segments.is_empty() {
        fields::wrong(node, "a prompt says something", "write what is said", findings);
        return None;
    }
    let mut namer = Namer { text, node, texts, findings };
    if let [Segment::Text(span)] = segments.as_slice() {
        return Some(vec![namer.clip(file.unwrap_or(key), span)]);
    }
    let mut parts = Vec::new();
    let mut number = 0_u32;
    for segment in &segments {
        if !matches!(segment, Segment::Hole { .. }) {
            number += 1;
        }
        parts.push(namer.part(&format!("{key}-{number}"), segment));
    }
    Some(parts)
}

/// Gives names to the recordings of one text.
struct Namer<'t, 'x> {
    text: &'t str,
    node: &'t Node,
    texts: &'t mut Texts<'x>,
    findings: &'t mut Findings,
}

impl Namer<'_, '_> {
    /// A segment; `name` is that of its recording if it is one.
    fn part(&mut self, name: &str, segment: &Segment) -> Part {
        match segment {
            Segment::Text(span) => self.clip(name, span),
            Segment::Hole { span, name, format } => {
                Part::Hole { name: name.clone(), format: *format, place: self.place(span) }
            }
            Segment::Plural { span, name: number, branches } => {
                let place = self.place(span);
                self.forms(branches, &place);
                let branches =
                    branches.iter().map(|(form, inner)| (*form, self.branch(name, *form, inner))).collect();
                Part::Plural { name: number.clone(), place, branches }
            }
        }
    }

    /// The words of one form: `<name>-one`; when a value stands between them, `<name>-one-1`, `<name>-one-2`.
    fn branch(&mut self, name: &str, form: Category, inner: &[Segment]) -> Vec<Part> {
        let form = match form {
            Category::Exact(number) => number.to_string(),
            form => form.to_string(),
        };
        let several = inner.iter().filter(|segment| matches!(segment, Segment::Text(_))).count() > 1;
        let mut stretch = 0_u32;
        let mut parts = Vec::new();
        for segment in inner {
            stretch += u32::from(matches!(segment, Segment::Text(_)));
            let name = if several { format!("{name}-{form}-{stretch}") } else { format!("{name}-{form}") };
            parts.push(self.part(&name, segment));
        }
        parts
    }

    /// Forms that the language does not have are a mistake: nobody would ever hear them.
    fn forms(&mut self, branches: &[(Category, Vec<Segment>)], place: &Place) {
        let known = categories(&self.texts.language);
        for (form, _) in branches {
            if !matches!(form, Category::Exact(_)) && !known.contains(form) {
                let message = format!("{} has no form `{form}`", self.texts.language);
                let names = known.iter().map(|form| format!("`{form}`")).collect::<Vec<_>>().join(", ");
                let help = format!("its forms: {names}; a number of its own is `=0`");
                self.findings.push(Diagnostic::error("E174", Some(place.clone()), message).help(help));
            }
        }
    }

    fn clip(&mut self, name: &str, span: &std::ops::Range<usize>) -> Part {
        let place = self.place(span);
        let text = self.text.get(span.clone()).unwrap_or("").trim();
        if let Some(digits) = long_number(text) {
            let start =
                span.start + self.text.get(span.clone()).and_then(|text| text.find(digits)).unwrap_or(0);
            let place = inside(self.node, self.text, start..start + digits.len());
            let message = format!("`{digits}` is read out as one number");
            let apart = digits.chars().map(String::from).collect::<Vec<_>>().join(" ");
            let help = format!("write the digits apart, `{apart}`, or say a value by `spell`");
            self.findings.push(Diagnostic::warning("W175", Some(place), message).help(help));
        }
        Part::Clip(self.texts.add(name, text, place))
    }

    fn place(&self, span: &std::ops::Range<usize>) -> Place {
        inside(self.node, self.text, span.clone())
    }
}

/// Five digits or more in a row: a telephone number or a code, which is not said as a number.
fn long_number(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() >= 5)
}

/// What the words say that values are spoken with, for a synthesiser: `"words/balance": "your balance"`.
fn vocabulary(node: &Node, language: &str, texts: &mut BTreeMap<ClipKey, ClipText>, findings: &mut Findings) {
    const FOLDERS: [&str; 6] = ["numbers", "digits", "letters", "money", "dates", "words"];
    let language: Arc<str> = Arc::from(language);
    let Some(listed) = Fields::of(node, "`vocabulary`", findings) else { return };
    for (key, value) in listed.pairs {
        let Some(name) = fields::text(key, "the name of a recording", findings) else { continue };
        let folder = name.split_once('/').filter(|(_, word)| !word.is_empty() && !word.contains('/'));
        if !folder.is_some_and(|(folder, _)| FOLDERS.contains(&folder)) {
            let help = "write a folder and a word, such as `words/balance` or `numbers/hundred`";
            fields::wrong(key, format!("`{name}` is no word that values are spoken with"), help, findings);
            continue;
        }
        let Some(text) = fields::text(value, "what a recording says", findings) else { continue };
        let clip = ClipKey::new(format!("{language}/{name}"));
        texts.insert(clip, ClipText { language: Arc::clone(&language), text, place: value.place.clone() });
    }
}

/// Every key in every language, with the same placeholders.
pub(crate) fn compare(catalogues: &[Catalogue], findings: &mut Findings) {
    for one in catalogues {
        for other in catalogues.iter().filter(|other| other.language != one.language) {
            for (key, entry) in &one.prompts {
                match other.prompts.get(key) {
                    None => missing("prompt", key, &entry.place, &other.language, findings),
                    Some(twin) if entry.readable && twin.readable => {
                        placeholders(key, entry, twin, &other.language, findings);
                    }
                    Some(_) => {}
                }
            }
            for (key, phrases) in &one.words {
                if !other.words.contains_key(key) {
                    missing("words", key, &phrases.place, &other.language, findings);
                }
            }
        }
    }
}

fn missing(what: &str, key: &str, place: &Place, language: &str, findings: &mut Findings) {
    let be = if what == "words" { "are" } else { "is" };
    let message = format!("the {what} `{key}` {be} missing in {language}");
    let section = if what == "words" { " under `words:`" } else { "" };
    let help = format!("add `{key}` to prompts/{language}.yaml{section}");
    findings.push(Diagnostic::error("E170", Some(place.clone()), message).help(help));
}

/// Tells about placeholders that the other language lacks, each at its place.
fn placeholders(key: &str, entry: &Entry, twin: &Entry, language: &str, findings: &mut Findings) {
    let there: Vec<&str> = twin.holes().into_iter().map(|(name, _)| name).collect();
    let mut told: Vec<&str> = Vec::new();
    for (name, place) in entry.holes() {
        if !there.contains(&name) && !told.contains(&name) {
            told.push(name);
            let message = format!("the prompt `{key}` does not say `{name}` in {language}");
            let diagnostic = Diagnostic::error("E171", Some(place.clone()), message)
                .label("only in this language")
                .help(format!("say it in prompts/{language}.yaml too, or take it out here"))
                .related(twin.place.clone(), "the same prompt");
            findings.push(diagnostic);
        }
    }
}
