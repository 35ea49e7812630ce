//! What happened in a call, like a play: when, who, what.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::seen::Seen;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How far into the call.
    pub at: Duration,
    /// Who: `caller`, `flow`, `agent`, `vault`, a service.
    pub who: &'static str,
    /// What.
    pub what: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at.as_secs();
        let tenths = self.at.subsec_millis() / 100;
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        write!(f, "{minutes:>3}:{seconds:02}.{tenths}  {:<7} {}", self.who, self.what)
    }
}

/// The lines of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// In the order of time.
    pub lines: Vec<Line>,
}

/// A call that goes on for ever must not fill the memory.
const MOST_LINES: usize = 5_000;

impl Transcript {
    /// Adds a line; one too many is dropped.
    pub fn add(&mut self, at: Duration, who: &'static str, what: impl Into<String>) {
        if self.lines.len() < MOST_LINES {
            self.lines.push(Line { at, who, what: what.into() });
        }
    }

    /// Adds what happened, if people want to read it.
    pub(super) fn lines_of(&mut self, at: Duration, seen: &Seen) {
        if let Some(line) = seen.line() {
            self.add(at, "flow", line);
        }
    }

    /// As text; only the last `most` lines.
    #[must_use]
    pub fn text(&self, most: usize) -> String {
        let mut out = String::new();
        let skipped = self.lines.len().saturating_sub(most);
        if skipped > 0 {
            let _ = writeln!(out, "    … {skipped} lines before");
        }
        for line in self.lines.iter().skip(skipped) {
            let _ = writeln!(out, "{line}");
        }
        out
    }
}
