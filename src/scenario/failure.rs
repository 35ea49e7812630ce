//! What did not go as the script says, in the words of whoever wrote it.

use crate::diagnostic::{Diagnostic, Place};

use super::performer::{Performer, Turn};
use super::seen::Asked;
use super::stage::Stage;

/// Why a script was not played to its end.
pub struct Failure {
    /// Where in the test.
    pub place: Place,
    /// What is not as written.
    pub message: String,
    /// What is, in a few words.
    pub label: String,
    /// What to do.
    pub help: String,
}

impl Failure {
    /// As a finding, so that it is shown like any other.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::error("E320", Some(self.place.clone()), self.message.clone())
            .label(self.label.clone())
            .help(self.help.clone())
    }
}

/// What an act came to; what is not as written, what is, and what to do.
pub(super) type Played<T = ()> = Result<T, (String, String, String)>;

impl<S: Stage> Performer<'_, S> {
    /// What the call does in place of what a script expects.
    pub(super) fn instead(&self) -> String {
        let last = self.heard.last().map(|prompt| format!("the last prompt was `{prompt}`"));
        match (&self.turn, &self.state.cause) {
            (_, Some(cause)) => format!("the call was over before ({cause})"),
            (Some(Turn { asked: Asked { factor: Some(factor), .. }, .. }), _) => {
                format!("the call asks for the {factor} and waits for the caller")
            }
            (Some(turn), _) => {
                let asked = last.map_or_else(String::new, |last| format!("; {last}"));
                format!("the call waits for the caller in `{}`{asked}", turn.asked.verb)
            }
            (None, None) => last.unwrap_or_else(|| "nothing was heard at all".to_owned()),
        }
    }

    pub(super) fn hint(&self, prompt: &str) -> String {
        let before = self.heard.iter().take(self.named).any(|heard| heard == prompt);
        if before {
            return format!(
                "`{prompt}` was heard earlier, before the step above this one; put `hears` there"
            );
        }
        if self.waits() {
            return "let the caller answer first: `presses`, `chooses`, or `silent: 7s`".to_owned();
        }
        "the transcript shows what was heard".to_owned()
    }

    pub(super) fn over(&self, what: &str) -> (String, String, String) {
        let cause = self.state.cause.clone().unwrap_or_default();
        let message = format!("the call was over before the caller could {what}");
        (message, format!("it ended: {cause}"), "the transcript shows why".to_owned())
    }
}
