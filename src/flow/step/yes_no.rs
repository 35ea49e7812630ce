//! What `confirm` and `consent` have in common: two answers, each with its keys and its words.

use super::Reader;
use crate::flow::document::Words;
use crate::flow::document::fields::Fields;
use crate::units::Digit;

/// How yes and no are given.
#[derive(Debug)]
pub struct YesNo {
    /// Keys that mean yes.
    pub yes_keys: Vec<Digit>,
    /// Keys that mean no.
    pub no_keys: Vec<Digit>,
    /// What may be said for yes, beside the usual words.
    pub yes_words: Option<Words>,
    /// What may be said for no, beside the usual words.
    pub no_words: Option<Words>,
}

impl YesNo {
    /// All keys, those that mean yes first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Digit> + '_ {
        self.yes_keys.iter().chain(&self.no_keys).copied()
    }

    /// With the words that `words:` names for each: `{"yes": do_it_words, "no": leave_it_words}`
    pub(super) fn read(
        step: &mut Reader<'_, '_, '_>,
        names: [&str; 2],
        (yes_keys, no_keys): (Vec<Digit>, Vec<Digit>),
        whose: &str,
    ) -> Option<Self> {
        let mut found = Vec::new();
        if let Some(node) = step.get("words") {
            let fields = Fields::of(node, "`words`", step.build.findings)?;
            fields.only(&names, whose, step.build.findings);
            for name in names {
                found.push(match fields.get(name) {
                    Some(node) => Some((node.place.clone(), step.build.words(node)?)),
                    None => None,
                });
            }
            step.build.distinct(&found.iter().flatten().cloned().collect::<Vec<_>>());
        }
        let mut words = found.into_iter().map(|words| words.map(|(_, words)| words));
        let (yes_words, no_words) = (words.next().flatten(), words.next().flatten());
        Some(Self { yes_keys, no_keys, yes_words, no_words })
    }
}
