//! What happened in a call, like a play: when, who, what.

use std::fmt::Write as _;
use std::time::Duration;

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

    /// As text; only the last `most` lines.
    #[must_use]
    pub fn text(&self, most: usize) -> String {
        let mut out = String::new();
        let skipped = self.lines.len().saturating_sub(most);
        if skipped > 0 {
            let _ = writeln!(out, "    … {skipped} lines before");
        }
        for line in self.lines.iter().skip(skipped) {
            let seconds = line.at.as_secs();
            let tenths = line.at.subsec_millis() / 100;
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            let _ = writeln!(out, "{minutes:>3}:{seconds:02}.{tenths}  {:<7} {}", line.who, line.what);
        }
        out
    }
}
