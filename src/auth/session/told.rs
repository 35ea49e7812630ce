//! What an authentication is told beside its course, and tells.

use super::AuthSession;
use crate::auth::QuestionId;
use crate::secret::Secret;

impl AuthSession {
    /// How many recovery codes the subject has left, once one was accepted in this call.
    #[must_use]
    pub const fn codes_left(&self) -> Option<u8> {
        self.codes_left
    }

    /// A service told the right answers to these questions about the claimed subject. They are judged with what the
    /// caller answers, and not kept beyond the call.
    pub fn answers_are(&mut self, told: Vec<(QuestionId, Secret<String>)>) {
        let one_line = |answer: &Secret<String>| !answer.expose().contains(char::is_control);
        self.told = told.into_iter().filter(|(_, answer)| one_line(answer)).collect();
    }
}
