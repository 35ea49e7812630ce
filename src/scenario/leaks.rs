//! Looks for what must never be seen in everything that a call puts out.

use crate::auth;
use crate::flow::document::Application;
use crate::flow::run::{HandOffRequest, Lookup, TraceEvent};

use super::document::{Leak, Seer};

impl Leak {
    /// What is told when it was seen. The text itself is not repeated: reports of tests are kept and sent around.
    #[must_use]
    pub fn seen(&self, at: usize, test: &str, place: &str) -> String {
        let (line, _) = self.place.line_and_column();
        format!("in `{test}` text {} of `never_leaks`, line {line}, was seen in {place}", at + 1)
    }
}

/// What is looked for, and where it was found.
#[derive(Default)]
pub struct Leaks {
    /// The texts, as indices of the file's list, in a form that is looked for in compacted text, each with who
    /// may see it.
    texts: Vec<(String, Vec<Seer>)>,
    /// Which text was found, and where.
    pub(super) found: Vec<(usize, String)>,
}

impl Leaks {
    /// Looks for these.
    #[must_use]
    pub fn new(leaks: &[Leak]) -> Self {
        let text = |leak: &Leak| (compact(leak.text.expose()), leak.except.clone());
        Self { texts: leaks.iter().map(text).collect(), found: Vec::new() }
    }

    /// Looks through something that was put out.
    pub fn look(&mut self, seer: Seer, place: &str, text: &str) {
        if self.texts.is_empty() {
            return;
        }
        let text = compact(text);
        for (at, (secret, except)) in self.texts.iter().enumerate() {
            if !except.contains(&seer)
                && text.contains(secret)
                && !self.found.iter().any(|(found, by)| *found == at && by == place)
            {
                self.found.push((at, place.to_owned()));
            }
        }
    }

    /// What was found: which of the texts, and where.
    #[must_use]
    pub fn found(&self) -> &[(usize, String)] {
        &self.found
    }

    pub(super) fn trace(&mut self, event: &TraceEvent) {
        if !self.texts.is_empty() {
            let text = serde_json::to_string(event).unwrap_or_default();
            self.look(Seer::Records, "the call's trace and record", &text);
        }
    }

    pub(super) fn asked(&mut self, question: &auth::Question) {
        if let auth::Question::Audit(event) = question {
            let text = serde_json::to_string(&event.kind).unwrap_or_default();
            self.look(Seer::Records, "the audit log", &text);
        }
    }

    pub(super) fn lookup(&mut self, lookup: &Lookup) {
        for (name, value) in &lookup.arguments {
            let place = format!("`{name}` of the request to {}.{}", lookup.service, lookup.call);
            self.look(Seer::Services, &place, value);
        }
    }

    pub(super) fn hand_off(&mut self, app: &Application, request: &HandOffRequest) {
        let (HandOffRequest::Queue { pass, whisper, .. } | HandOffRequest::Transfer { pass, whisper, .. }) =
            request
        else {
            return;
        };
        for (name, value) in &pass.values {
            self.look(Seer::Agents, &format!("`{name}`, which the agent is told"), value);
        }
        if !self.texts.is_empty() {
            self.look(Seer::Agents, "what the agent hears", &app.read(whisper));
        }
    }
}

/// Without the spaces and dashes that numbers are written with.
fn compact(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | ',' | '\u{a0}')).collect()
}
