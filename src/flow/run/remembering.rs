//! What is remembered of a caller beyond the call: asked for once, kept without waiting.
//!
//! A claim proves nothing: until a level is held, what is remembered is of the calling number, not of whoever
//! the caller claims to be. When the store does not answer the caller is asked, as if they had never called.

use std::time::{Duration, Instant};

use crate::auth::{self, Whose};
use crate::secret::Secret;
use crate::units::AskId;

use super::io::{Answer, Question};
use super::{FlowRun, News, Waiting};

/// What follows when it is known what is kept.
type Then = fn(&mut FlowRun, Instant, Option<String>);

/// The wait for what is kept.
struct Recalling {
    ask: AskId,
    until: Instant,
    then: Then,
}

impl Waiting for Recalling {
    fn deadline(&self) -> Instant {
        self.until
    }

    fn told(self: Box<Self>, run: &mut FlowRun, now: Instant, news: News) {
        match news {
            News::Answer(ask, answer) if ask == self.ask => {
                let value = match answer {
                    Answer::Auth(auth::Answer::Recalled(value)) => value,
                    _ => None,
                };
                (self.then)(run, now, value);
            }
            News::Timeout => (self.then)(run, now, None),
            _ => run.wait(self),
        }
    }
}

impl FlowRun {
    /// Of whom something is remembered now; `None` when nobody could be known again.
    fn whose(&self, now: Instant) -> Option<Whose> {
        let proved = self.auth.level(now).name().and_then(|_| self.auth.subject());
        match proved {
            Some(subject) => Some(Whose::Subject(subject.key())),
            None => self.facts.from.clone().map(|number| Whose::Number(Secret::new(number))),
        }
    }

    /// Waits for what is kept by this name of the application's.
    pub(crate) fn recall(&mut self, now: Instant, name: &str, then: Then) {
        let Some(whose) = self.whose(now) else { return then(self, now, None) };
        let name = format!("{}/{name}", self.app.id);
        let ask = self.ask(Question::Auth(auth::Question::Recall { whose, name }));
        self.wait(Box::new(Recalling { ask, until: now + PATIENCE, then }));
    }

    /// Has a value kept by this name of somebody who has proved who they are; `None` when nobody has.
    pub(crate) fn remember_proved(&mut self, now: Instant, name: &str, value: &str) -> Option<AskId> {
        self.auth.level(now).name()?;
        let whose = Whose::Subject(self.auth.subject()?.key());
        let (name, value) = (format!("{}/{name}", self.app.id), value.to_owned());
        Some(self.ask(Question::Auth(auth::Question::Remember { whose, name, value })))
    }

    /// Has a value kept by this name. Nothing waits for it.
    pub(crate) fn remember(&mut self, now: Instant, name: &str, value: &str) {
        let Some(whose) = self.whose(now) else { return };
        let (name, value) = (format!("{}/{name}", self.app.id), value.to_owned());
        self.ask(Question::Auth(auth::Question::Remember { whose, name, value }));
    }
}

/// A store that takes longer costs more than it saves: the caller is asked instead.
const PATIENCE: Duration = Duration::from_secs(1);
