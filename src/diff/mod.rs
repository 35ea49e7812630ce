//! What changes for callers between two versions of an application.
//!
//! [`compare`] tells three kinds of change: what gets weaker (`weaker`: a level lowered, a notice gone; somebody
//! has to accept it), what callers hear and where their calls go, and what the policy says. It looks at what
//! applications mean, not at their text, but for the steps of a block, which are compared as they are written.

mod facts;
mod weaker;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::draw::{Panel, Picture, Shape};
use crate::flow::document::{Application, Block};

/// Everything that changes.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// What is weaker than before: to be accepted by somebody.
    pub weaker: Vec<Diagnostic>,
    /// Blocks.
    pub blocks: Vec<Change>,
    /// Jumps between blocks.
    pub paths: Vec<Change>,
    /// Texts of prompts, by language.
    pub prompts: Vec<Change>,
    /// The policy and what services need.
    pub policy: Vec<Change>,
}

/// One thing that is new, gone or different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub what: String,
    /// What it was; `None` when it is new.
    pub before: Option<String>,
    /// What it is; `None` when it is gone.
    pub after: Option<String>,
    /// More about it, a line each, beginning with `+` or `-`.
    pub details: Vec<String>,
}

/// Compares two versions.
#[must_use]
pub fn compare(old: &Application, new: &Application) -> Changes {
    let (before, after) = (Picture::of(old), Picture::of(new));
    Changes {
        weaker: weaker::weaker(old, new),
        blocks: blocks(old, new),
        paths: paths(&before, &after),
        prompts: facts_changed(&facts::prompts(old), &facts::prompts(new)),
        policy: facts_changed(&facts::policy(old), &facts::policy(new)),
    }
}

impl Changes {
    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.weaker.is_empty()
            && self.blocks.is_empty()
            && self.paths.is_empty()
            && self.prompts.is_empty()
            && self.policy.is_empty()
    }

    /// The kinds of change beside what is weaker, each with its name.
    #[must_use]
    pub fn sections(&self) -> [(&'static str, &[Change]); 4] {
        [
            ("blocks", &self.blocks),
            ("paths", &self.paths),
            ("prompts", &self.prompts),
            ("policy", &self.policy),
        ]
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, changes) in self.sections().into_iter().filter(|(_, changes)| !changes.is_empty()) {
            writeln!(f, "{name}")?;
            for change in changes {
                write!(f, "{change}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| if text.is_empty() { String::new() } else { format!(": {text}") };
        match (&self.before, &self.after) {
            (None, Some(after)) => writeln!(f, "  + {}{}", self.what, text(after))?,
            (Some(before), None) => writeln!(f, "  - {}{}", self.what, text(before))?,
            (Some(before), Some(after)) if before != after => {
                writeln!(f, "  ~ {}\n      - {before}\n      + {after}", self.what)?;
            }
            _ => writeln!(f, "  ~ {}", self.what)?,
        }
        self.details.iter().try_for_each(|line| writeln!(f, "      {line}"))
    }
}

/// Names with what is known of each: new, gone, different.
fn facts_changed(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    changed
        .map(|name| Change {
            what: name.clone(),
            before: old.get(name).cloned(),
            after: new.get(name).cloned(),
            details: Vec::new(),
        })
        .collect()
}

/// Blocks that are new, gone, or have other steps.
fn blocks(old: &Application, new: &Application) -> Vec<Change> {
    let (before, after) = (steps(old), steps(new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut out = Vec::new();
    for name in names {
        let none = Vec::new();
        let (was, is) = (before.get(name), after.get(name));
        if was == is {
            continue;
        }
        let (was_steps, is_steps) = (was.unwrap_or(&none), is.unwrap_or(&none));
        let details =
            if was.is_some() && is.is_some() { lines_changed(was_steps, is_steps) } else { Vec::new() };
        out.push(Change {
            what: name.clone(),
            before: was.map(|_| String::new()),
            after: is.map(|_| String::new()),
            details,
        });
    }
    out
}

/// The lines of every block's steps, by flow and block.
fn steps(app: &Application) -> BTreeMap<String, Vec<String>> {
    let name = |block: &Block| match app.flow(block.flow) {
        Some(flow) if block.flow.0 > 0 => format!("{}/{}", flow.name, block.name),
        _ => block.name.to_string(),
    };
    app.blocks.iter().map(|block| (name(block), written(block))).collect()
}

/// The steps of a block as they are written, without comments and spaces that mean nothing.
fn written(block: &Block) -> Vec<String> {
    let Some(first) = block.steps.first() else { return Vec::new() };
    let source = &first.place.source.text;
    let start = first.place.span.start;
    let from = source.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let column = source.get(from..start).map_or(0, |before| before.chars().take_while(|c| *c == ' ').count());
    let mut out = Vec::new();
    for line in source.get(from..).unwrap_or_default().lines() {
        let depth = line.chars().take_while(|c| *c == ' ').count();
        let bare = without_comment(line);
        let bare = bare.trim();
        if bare.is_empty() {
            continue;
        }
        if depth < column {
            break;
        }
        let inner = depth.saturating_sub(column);
        out.push(format!("{}{}", " ".repeat(inner), bare.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    out
}

/// A `#` after a space, outside of quotes, begins a comment.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before == ' ' => return line.get(..at).unwrap_or(line),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

/// Lines that are gone and lines that are new, in their order: the shortest way from one list to the other.
fn lines_changed(old: &[String], new: &[String]) -> Vec<String> {
    // The longest common part of every pair of ends.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push(format!("- {}", old[i]));
            i += 1;
        } else {
            out.push(format!("+ {}", new[j]));
            j += 1;
        }
    }
    out
}

/// Jumps that are new, gone, or taken for other reasons.
fn paths(old: &Picture, new: &Picture) -> Vec<Change> {
    facts_changed(&jumps(old), &jumps(new))
}

fn jumps(picture: &Picture) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (at, panel) in picture.panels.iter().enumerate() {
        let flow = if at == 0 { String::new() } else { format!("{}/", panel.title) };
        for jump in &panel.jumps {
            let (Some(from), Some(to)) = (panel.boxes.get(jump.from), panel.boxes.get(jump.to)) else {
                continue;
            };
            let from = match from.shape {
                Shape::Start => format!("({})", from.title),
                _ => from.title.clone(),
            };
            let to = match to.shape {
                Shape::End => format!("({})", to.title),
                _ => to.title.clone(),
            };
            out.insert(format!("{flow}{from} → {to}"), jump.when.join(", "));
        }
        out.extend(chips(panel, &flow));
    }
    out
}

fn chips<'p>(panel: &'p Panel, flow: &'p str) -> impl Iterator<Item = (String, String)> + 'p {
    panel.boxes.iter().flat_map(move |drawn| {
        drawn
            .chips
            .iter()
            .map(move |chip| (format!("{flow}{} → {}", drawn.title, chip.to), chip.when.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_once_and_in_order() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines_changed(&list("a b c d"), &list("a c e d")), ["- b", "+ e"]);
        assert!(lines_changed(&list("a b"), &list("a b")).is_empty());
        assert_eq!(lines_changed(&list("a"), &list("b a b")), ["+ b", "+ b"]);
    }

    #[test]
    fn comments_are_no_change() {
        assert_eq!(without_comment("- say: \"a # b\"   # c"), "- say: \"a # b\"   ");
        assert_eq!(without_comment("- say: a#b"), "- say: a#b");
    }
}
