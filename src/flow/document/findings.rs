//! Where findings are collected, so that all of them are told at once.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place, Severity};

/// Findings so far. Beyond [`MOST`] they are only counted.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    errors: usize,
}

/// Nobody reads more at once, and a broken generator shall not fill a disk.
const MOST: usize = 500;

impl Findings {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        if self.list.len() < MOST {
            self.list.push(diagnostic);
        }
    }

    /// Says more about what was found at a place.
    pub(crate) fn amend(&mut self, code: &str, place: &Place, more: impl Fn(Diagnostic) -> Diagnostic) {
        let same = |found: &Diagnostic| {
            let at = found.place.as_ref();
            found.code == code
                && at.is_some_and(|at| Arc::ptr_eq(&at.source, &place.source) && at.span == place.span)
        };
        for found in self.list.iter_mut().filter(|found| same(found)) {
            *found = more(found.clone());
        }
    }

    pub(crate) fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        for diagnostic in diagnostics {
            self.push(diagnostic);
        }
    }

    /// How many errors there are, so that a reader can tell whether it added one.
    pub(crate) const fn errors(&self) -> usize {
        self.errors
    }

    /// All of them: by file and place, those without a place first, each only once.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let key = |finding: &Diagnostic| {
            let place = finding.place.as_ref();
            (
                place.map(|place| place.source.path.clone()),
                place.map(|place| (place.span.start, place.span.end)),
                finding.code,
                finding.message.clone(),
            )
        };
        self.list.sort_by_cached_key(key);
        self.list.dedup_by(|a, b| key(a) == key(b));
        self.list
    }
}

/// The nearest of some words, when one is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    among
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether two words are the same but for one slip.
pub(crate) fn one_typo(a: &str, b: &str) -> bool {
    distance(a, b) <= 1
}

/// A help line that names the nearest word, or else lists some.
pub(crate) fn suggestion<'a>(
    word: &str,
    among: impl IntoIterator<Item = &'a str> + Clone,
    what: &str,
) -> String {
    if let Some(near) = nearest(word, among.clone()) {
        return format!("did you mean `{near}`?");
    }
    let mut names: Vec<&str> = among.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return format!("there are no {what}");
    }
    let more = names.len().saturating_sub(12);
    names.truncate(12);
    let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{what}: {list}{tail}")
}

/// Edits (insert, drop, change, swap neighbours) from one word to another: optimal string alignment.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(LONGEST).collect(), b.chars().take(LONGEST).collect());
    let mut rows = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_one_typo_away() {
        assert_eq!(nearest("agnet", ["agent", "balance"]), Some("agent"));
        assert_eq!(nearest("interupt", ["interrupt", "into"]), Some("interrupt"));
        assert_eq!(nearest("zebra", ["agent", "balance"]), None);
    }
}
