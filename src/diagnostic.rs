//! What is told to an admin about a file: what is wrong, where, and what to do.
//!
//! A [`Diagnostic`] has a stable code (`E120`), a message, a place in a file and a help line. They are
//! collected and shown all at once; [`render`] prints them with the line, a caret and the help.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The application can't be loaded.
    Error,
    /// It can be loaded; look at it.
    Warning,
}

/// A file that was read, with its text.
#[derive(Debug)]
pub struct Source {
    /// The path as the admin wrote it.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// A place in a file: a range of bytes in its text.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// The bytes.
    pub span: Range<usize>,
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The stable code, such as `E120`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where; `None` when it concerns a whole folder.
    pub place: Option<Place>,
    /// What the caret points at, in a few words; may be empty.
    pub label: String,
    /// Other places that matter, each with a few words.
    pub related: Vec<(Place, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(code: &'static str, place: Option<Place>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            place,
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(code: &'static str, place: Option<Place>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message) }
    }

    /// Says what the caret points at.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Shows another place that matters.
    #[must_use]
    pub fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push((place, label.into()));
        self
    }
}

impl Place {
    /// Line and column, both counted from 1; the column in characters.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let start = floor(&self.source.text, self.span.start);
        let before = self.source.text.get(..start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count());
        (before.matches('\n').count() + 1, column + 1)
    }

    /// First and last line and column, counted from 1 in UTF-16 code units, the end exclusive: what
    /// SARIF 2.1.0 §3.14.17 and editors count in.
    #[must_use]
    pub fn region(&self) -> Region {
        let point = |at: usize| {
            let before = self.source.text.get(..floor(&self.source.text, at)).unwrap_or("");
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let units = before.get(line_start..).map_or(0, |line| line.encode_utf16().count());
            (before.matches('\n').count() + 1, units + 1)
        };
        let (start, end) = (self.span.start, self.span.end.max(self.span.start));
        Region { start: point(start), end: point(end) }
    }
}

/// A range of a file by line and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Line and column of its first character.
    pub start: (usize, usize),
    /// Line and column behind its last character.
    pub end: (usize, usize),
}

/// Shows findings as text, in the order given: code and message, file with line and column, the line
/// itself with a caret, other places, and what to do. Plain text, without colour.
#[must_use]
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let renderer = Renderer::plain().term_width(120);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(clean(&diagnostic.message)).id(diagnostic.code);
        let mut group = match &diagnostic.place {
            Some(place) => title.elements(snippets(place, diagnostic)),
            None => Group::with_title(title),
        };
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(clean(help)));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

/// One snippet per file: the finding's own first.
fn snippets<'a>(
    place: &'a Place,
    diagnostic: &Diagnostic,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let (line, excerpt, offset) = excerpt(place, &diagnostic.related);
    let inside = |span: &Range<usize>| {
        within(excerpt, span.start.saturating_sub(offset), span.end.saturating_sub(offset))
    };
    let mut snippet = Snippet::source(excerpt)
        .line_start(line)
        .path(&place.source.path)
        .annotation(AnnotationKind::Primary.span(inside(&place.span)).label(clean(&diagnostic.label)));
    let here = diagnostic.related.iter().filter(|(other, _)| Arc::ptr_eq(&other.source, &place.source));
    for (other, label) in here {
        snippet = snippet.annotation(AnnotationKind::Context.span(inside(&other.span)).label(clean(label)));
    }
    vec![snippet]
}

/// The lines that have something to show, with a few around them, so that a long file is not looked
/// through again for every finding.
fn excerpt<'a>(place: &'a Place, related: &[(Place, String)]) -> (usize, &'a str, usize) {
    let text = place.source.text.as_str();
    let same =
        related.iter().map(|(other, _)| other).filter(|other| Arc::ptr_eq(&other.source, &place.source));
    let spans = || std::iter::once(place).chain(same.clone()).map(|place| &place.span);
    let start = floor(text, spans().map(|span| span.start).min().unwrap_or(0));
    let end = floor(text, spans().map(|span| span.end.max(span.start)).max().unwrap_or(0)).max(start);
    let start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
    (text[..start].matches('\n').count() + 1, &text[start..end], start)
}

/// `span` moved onto characters of `text`, at least one of them long where there is one.
fn within(text: &str, start: usize, end: usize) -> Range<usize> {
    let start = floor(text, start);
    let end = floor(text, end);
    // A finding that spans lines points at its first one: a caret is enough.
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let end = end.min(line_end);
    if end > start {
        return start..end;
    }
    let one = text[start..line_end].chars().next().map_or(0, char::len_utf8);
    start..start + one
}

/// The nearest boundary of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Text from a file goes to a terminal: without control characters, and not without end.
fn clean(text: &str) -> String {
    const LONGEST: usize = 400;
    let mut out: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, span: Range<usize>) -> Place {
        Place { source: Arc::new(Source { path: "bank.flow.yaml".into(), text: text.into() }), span }
    }

    #[test]
    fn a_finding_shows_its_line_its_column_a_caret_and_help() {
        let at = place("blocks:\n  start:\n    - goto: agnet\n", 29..34);
        assert_eq!(at.line_and_column(), (3, 13));
        let finding = Diagnostic::error("E120", Some(at), "there is no block `agnet`")
            .label("unknown block")
            .help("did you mean `agent`?");
        assert_eq!(
            render(&[finding]).trim_end(),
            "error[E120]: there is no block `agnet`\n \
             --> bank.flow.yaml:3:13\n  \
             |\n3 |     - goto: agnet\n  \
             |             ^^^^^ unknown block\n  \
             |\n  \
             = help: did you mean `agent`?"
        );
    }

    #[test]
    fn a_region_counts_what_editors_count() {
        let at = place("say: \u{1f600} ä\nb: agnet\n", 10..21);
        assert_eq!(at.region(), Region { start: (1, 9), end: (2, 9) });
        let whole = place("a\r\nbc", 3..99);
        assert_eq!(whole.region(), Region { start: (2, 1), end: (2, 3) });
    }

    #[test]
    fn any_span_of_any_text_is_shown() {
        let text = "ä: \u{1f600}\r\n\u{7}b";
        for start in 0..text.len() + 3 {
            for end in 0..text.len() + 3 {
                let finding = Diagnostic::warning("W121", Some(place(text, start..end)), "a\u{1b}[31m");
                assert!(!render(&[finding]).contains('\u{1b}'));
            }
        }
    }
}
