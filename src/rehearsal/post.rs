//! The post of a rehearsal: codes that the deployment sends come to the caller of the test, notices go the way that
//! the deployment has for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::auth::{FactorId, SubjectKey};
use crate::driver::sender::{Channel, Courier, Letter, LetterId, Purpose, Refused};
use crate::scenario::document::Fixture;
use crate::units::UnixTime;

/// Takes letters, unless the fixture says that nothing can be sent that way.
pub(super) struct Post {
    letters: Mutex<Vec<Letter>>,
    closed: Vec<Channel>,
    own: Option<Arc<dyn Courier>>,
}

impl Post {
    /// Before the deployment's own courier.
    pub(super) fn new(fixture: &Fixture, own: Option<Arc<dyn Courier>>) -> Self {
        let closed =
            |channel: &Channel| fixture.facts.get(channel.name()).is_some_and(|state| state == "unavailable");
        Self { letters: Mutex::default(), closed: Channel::ALL.into_iter().filter(closed).collect(), own }
    }

    /// The same before another deployment's.
    pub(super) fn before(&self, own: Option<Arc<dyn Courier>>) -> Self {
        Self { letters: Mutex::new(self.letters().clone()), closed: self.closed.clone(), own }
    }

    /// The digits of the last code that was sent to an address for a factor.
    pub(super) fn code(&self, factor: FactorId, to: &str) -> Option<String> {
        let channel = match factor {
            FactorId::OtpSms => Channel::Sms,
            FactorId::OtpEmail => Channel::Email,
            FactorId::OtpCall => Channel::Call,
            _ => return None,
        };
        let letters = self.letters();
        let last = letters
            .iter()
            .rev()
            .filter(|letter| letter.channel == channel && letter.purpose == Purpose::Code)
            .find(|letter| letter.to.matches(to.as_bytes()))?;
        Some(last.text.expose().chars().filter(char::is_ascii_digit).collect())
    }

    fn letters(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notices go nowhere: a rehearsal has no senders.
    fn taken(&self, channel: Channel) -> Result<LetterId, Refused> {
        if self.closed.contains(&channel) { Err(Refused::NoSender) } else { Ok(LetterId([0; 16])) }
    }
}

impl Courier for Post {
    fn send(&self, now: UnixTime, letter: Letter) -> Result<LetterId, Refused> {
        if letter.purpose == Purpose::Notice {
            return self.own.as_ref().ok_or(Refused::NoSender)?.send(now, letter);
        }
        let taken = self.taken(letter.channel)?;
        self.letters().push(letter);
        Ok(taken)
    }

    fn pretend(&self, _: UnixTime, channel: Channel, _: SubjectKey) -> Result<LetterId, Refused> {
        self.taken(channel)
    }
}
