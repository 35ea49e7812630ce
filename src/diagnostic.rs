//! What is told to an admin about a file: what is wrong, where, and what to do.
//!
//! A [`Diagnostic`] has a stable code (`E120`), a message, a place in a file and a help line. They are
//! collected and shown all at once; [`render`] prints them with the line, a caret and the help.

use std::ops::Range;
use std::sync::Arc;

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
