//! `words:` of a catalogue: what callers may say for a choice, in each language.
//!
//! ```yaml
//! words:
//!   balance_words: [balance, how much do I have]
//! ```
//!
//! Recognisers mix up what sounds alike, so two choices of one question must not be alike in any language:
//! [`Build::distinct`] compares them by [`sound::alike`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ast::Words;
use super::build::Build;
use super::fields::{self, Fields};
use super::findings::{Findings, nearest};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Place};
use crate::flow::prompt::sound;

/// The phrases of one key in one language.
#[derive(Debug)]
pub(crate) struct Phrases {
    pub(crate) place: Place,
    pub(crate) phrases: Vec<(Arc<str>, Place)>,
}

/// Phrases for one key: a bound, not a goal.
const MOST: usize = 100;
/// Characters of one phrase.
const LONGEST: usize = 200;

/// Reads the section `words`.
pub(super) fn read(node: &Node, findings: &mut Findings) -> BTreeMap<String, Phrases> {
    let mut out = BTreeMap::new();
    for (key, value) in Fields::of(node, "`words`", findings).map(|words| words.pairs).unwrap_or_default() {
        let Some(name) = fields::name(key, "the key of words", findings) else { continue };
        let mut phrases: Vec<(Arc<str>, Place)> = Vec::new();
        for item in fields::items(value) {
            let Some(text) = fields::text(item, "what a caller may say", findings) else { continue };
            let spoken = sound::plain(&text);
            if spoken.is_empty() || spoken.len() > LONGEST || phrases.len() >= MOST {
                let help =
                    format!("write up to {MOST} words or short phrases, such as `[balance, my balance]`");
                fields::wrong(item, "this is nothing that a caller says", help, findings);
                continue;
            }
            phrases.push((Arc::from(spoken), item.place.clone()));
        }
        if phrases.is_empty() && fields::items(value).is_empty() {
            fields::wrong(value, "nobody can say these words", "write `[balance, my balance]`", findings);
        }
        out.insert(name, Phrases { place: key.place.clone(), phrases });
    }
    out
}

/// The words of all catalogues, by key.
pub(super) fn all(catalogues: &[super::catalogue::Catalogue]) -> BTreeMap<Arc<str>, Words> {
    let keys: BTreeSet<&String> = catalogues.iter().flat_map(|catalogue| catalogue.words.keys()).collect();
    let words = |key: &String| {
        let phrases = catalogues.iter().map(|catalogue| {
            let phrases = catalogue.words.get(key).map(|phrases| phrases.phrases.as_slice());
            phrases.unwrap_or_default().iter().map(|(phrase, _)| Arc::clone(phrase)).collect()
        });
        Words { key: Arc::from(key.as_str()), phrases: phrases.collect() }
    };
    keys.into_iter().map(|key| (Arc::from(key.as_str()), words(key))).collect()
}

impl Build<'_, '_> {
    /// What callers may say, by its key in the catalogues.
    pub(crate) fn words(&mut self, node: &Node) -> Option<Words> {
        let key = fields::text(node, "the key of words", self.findings)?;
        let catalogues = &self.shared.catalogues;
        let keys: BTreeSet<&str> =
            catalogues.iter().flat_map(|catalogue| catalogue.words.keys().map(String::as_str)).collect();
        if !keys.contains(key.as_str()) {
            let help = match nearest(&key, keys.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("add `{key}: [word, another phrase]` under `words:` to each file in prompts/")
                }
            };
            self.error("E170", &node.place, format!("no catalogue has the words `{key}`"), help);
            return None;
        }
        self.used.insert(key.clone());
        all(catalogues).remove(key.as_str())
    }

    /// Tells about choices of one question that sound alike in some language. Every one is given with the
    /// place where the question names it.
    pub(crate) fn distinct(&mut self, choices: &[(Place, Words)]) {
        for (at, (place, one)) in choices.iter().enumerate() {
            for (_, other) in choices.get(..at).unwrap_or_default() {
                self.alike(place, one, other);
            }
        }
    }

    fn alike(&mut self, place: &Place, one: &Words, other: &Words) {
        for catalogue in &self.shared.catalogues {
            let of = |words: &Words| {
                let phrases = catalogue.words.get(&*words.key).map(|phrases| phrases.phrases.as_slice());
                phrases.unwrap_or_default()
            };
            let pairs = of(one).iter().flat_map(|phrase| of(other).iter().map(move |twin| (phrase, twin)));
            for ((phrase, at), (twin, _)) in pairs {
                let Some(how) = sound::alike(phrase, twin) else { continue };
                let message = match how {
                    sound::Alike::Equal => format!("`{phrase}` means two choices of this question"),
                    sound::Alike::Near => {
                        format!("`{phrase}` and `{twin}` sound alike in {}", catalogue.language)
                    }
                };
                let diagnostic = Diagnostic::warning("W164", Some(at.clone()), message)
                    .label(format!("for `{}`, and `{}` has `{twin}`", one.key, other.key))
                    .help("use words that sound different, or take one of them out")
                    .related(place.clone(), "both are choices here");
                self.findings.push(diagnostic);
                return;
            }
        }
    }
}
