//! Reading the fields of a mapping: each at most once by name, the rest is unknown and said so.

use std::time::Duration;

use super::findings::{Findings, suggestion};
use super::scalar;
use super::yaml::Data;
pub(crate) use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Place};
use crate::units::Digit;

/// The fields of one mapping.
#[derive(Clone)]
pub(crate) struct Fields<'n> {
    /// Where the mapping is.
    pub(crate) place: Place,
    /// Its keys and values.
    pub(crate) pairs: Vec<(&'n Node, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// The fields of a node that has to be a mapping; an empty value is one without fields.
    pub(crate) fn of(node: &'n Node, what: &str, findings: &mut Findings) -> Option<Self> {
        match &node.data {
            Data::Mapping(pairs) => {
                Some(Self { place: node.place.clone(), pairs: pairs.iter().map(|(k, v)| (k, v)).collect() })
            }
            _ if node.is_empty() => Some(Self { place: node.place.clone(), pairs: Vec::new() }),
            _ => {
                let message = format!("{what} is a mapping of keys and values");
                let help = unspaced(node.text()).unwrap_or_else(|| "write `key: value`".to_owned());
                findings.push(Diagnostic::error("E113", Some(node.place.clone()), message).help(help));
                None
            }
        }
    }

    /// The value of a field.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.pairs.iter().find(|(k, _)| k.text() == key).map(|(_, value)| *value)
    }

    /// The field, or a finding that it is missing.
    pub(crate) fn need(&self, key: &str, what: &str, findings: &mut Findings) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            let message = format!("{what} needs `{key}`");
            // The first line of every file.
            let value = if matches!(key, "callflow" | "authpolicy" | "flowtest") { "1" } else { "…" };
            let help = format!("add `{key}: {value}`");
            findings.push(Diagnostic::error("E114", Some(self.place.clone()), message).help(help));
        }
        found
    }

    /// Everything but some fields.
    pub(crate) fn without(&self, keys: &[&str]) -> Self {
        let pairs = self.pairs.iter().copied().filter(|(key, _)| !keys.contains(&key.text())).collect();
        Self { place: self.place.clone(), pairs }
    }

    /// Tells about every field that is not one of `known`.
    pub(crate) fn only(&self, known: &[&str], what: &str, findings: &mut Findings) {
        for (key, _) in &self.pairs {
            // A merge key was told about when the file was read.
            if !known.contains(&key.text()) && key.text() != "<<" {
                let message = format!("{what} has no `{}`", key.text());
                let named = |text: &&str| text.split(':').next().is_some_and(|name| known.contains(&name));
                let help = Some(key.text())
                    .filter(named)
                    .and_then(unspaced)
                    .unwrap_or_else(|| suggestion(key.text(), known.iter().copied(), "it can have"));
                findings.push(
                    Diagnostic::error("E110", Some(key.place.clone()), message)
                        .label("unknown key")
                        .help(help),
                );
            }
        }
    }
}

/// What to do about `goto:prove`, which YAML takes for one word.
pub(super) fn unspaced(text: &str) -> Option<String> {
    let (name, value) = text.split_once(':')?;
    let value = value.trim();
    let one_word = !text[name.len() + 1..].starts_with([' ', '\t']);
    let key = scalar::is_name(name) && !value.is_empty() && !value.starts_with("//");
    (one_word && key).then(|| format!("a space is missing after the colon: write `{name}: {value}`"))
}

/// What was expected and is not there.
pub(crate) fn wrong(
    node: &Node,
    message: impl Into<String>,
    help: impl Into<String>,
    findings: &mut Findings,
) {
    findings.push(Diagnostic::error("E115", Some(node.place.clone()), message).help(help));
}

/// Text as written. What YAML readers would change is refused.
pub(crate) fn text(node: &Node, what: &str, findings: &mut Findings) -> Option<String> {
    let Some(scalar) = node.scalar() else {
        let message = format!("{what} is text, not a {}", kind(node));
        findings.push(
            Diagnostic::error("E113", Some(node.place.clone()), message).help("write one word or text here"),
        );
        return None;
    };
    if node.is_empty() {
        let empty = Diagnostic::error("E115", Some(node.place.clone()), format!("{what} is missing"));
        findings.push(empty.help("write it after the colon"));
        return None;
    }
    if scalar::misread(scalar) {
        let message = format!("`{}` without quotes is not text: readers of YAML change it", scalar.text);
        let help = format!("write \"{}\"", scalar.text);
        findings.push(Diagnostic::error("E101", Some(node.place.clone()), message).help(help));
        return None;
    }
    Some(scalar.text.clone())
}

/// A name: a word without spaces.
pub(crate) fn name(node: &Node, what: &str, findings: &mut Findings) -> Option<String> {
    let text = text(node, what, findings)?;
    if scalar::is_name(&text) {
        return Some(text);
    }
    wrong(
        node,
        format!("`{text}` can't be {what}"),
        "a name is letters, digits, `_` and `-`, a letter first",
        findings,
    );
    None
}

/// A length of time.
pub(crate) fn duration(node: &Node, what: &str, findings: &mut Findings) -> Option<Duration> {
    let found = node.scalar().and_then(|scalar| scalar::duration(&scalar.text));
    if found.is_none() {
        let help = "write a number and its unit: `300ms`, `5s`, `2m`, `24h` (a week at most)";
        wrong(node, format!("`{what}` is a length of time"), help, findings);
    }
    found
}

/// A whole number within a range.
pub(crate) fn count<T>(
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<u32>,
    findings: &mut Findings,
) -> Option<T>
where
    T: TryFrom<u32>,
{
    let parsed = node
        .scalar()
        .filter(|scalar| !scalar::misread(scalar))
        .and_then(|scalar| scalar.text.parse::<u32>().ok());
    match parsed.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok()) {
        Some(number) => Some(number),
        None => {
            let help = format!("write a number from {} to {}", range.start(), range.end());
            wrong(node, format!("`{what}` is a whole number"), help, findings);
            None
        }
    }
}

/// `true` or `false`.
pub(crate) fn flag(node: &Node, what: &str, findings: &mut Findings) -> Option<bool> {
    let found = node.scalar().and_then(scalar::flag);
    if found.is_none() {
        wrong(
            node,
            format!("`{what}` is true or false"),
            "write `true` or `false`, without quotes",
            findings,
        );
    }
    found
}

/// A key of a telephone.
pub(crate) fn digit(node: &Node, findings: &mut Findings) -> Option<Digit> {
    let text = text(node, "a key", findings)?;
    let found = scalar::digit(&text);
    if found.is_none() {
        wrong(
            node,
            format!("no telephone has the key `{text}`"),
            "keys are \"0\" to \"9\", star, hash, A to D",
            findings,
        );
    }
    found
}

/// One of some words.
pub(crate) fn choice<T: Copy>(
    node: &Node,
    what: &str,
    among: &[(&str, T)],
    findings: &mut Findings,
) -> Option<T> {
    let text = text(node, what, findings)?;
    let found = among.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let help = suggestion(&text, among.iter().map(|(word, _)| *word), "it can be");
        wrong(node, format!("`{what}` can't be `{text}`"), help, findings);
    }
    found
}

/// The items of a list; a single value counts as a list of one.
pub(crate) fn items(node: &Node) -> Vec<&Node> {
    match &node.data {
        Data::Sequence(items) => items.iter().collect(),
        _ if node.is_empty() => Vec::new(),
        _ => vec![node],
    }
}

const fn kind(node: &Node) -> &'static str {
    match node.data {
        Data::Scalar(_) => "text",
        Data::Sequence(_) => "list",
        Data::Mapping(_) => "mapping",
    }
}

/// A value that is known to the language but that this version can't do.
pub(crate) fn not_yet(place: &Place, what: &str, findings: &mut Findings) {
    let message = format!("{what} is not available in this version");
    findings.push(Diagnostic::error("E116", Some(place.clone()), message).help("leave it out for now"));
}
