//! The post of a rehearsal: what the deployment sends goes through its own post office, to a development sender for
//! each way that the fixture leaves open; the caller of the test reads the codes on their way.

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

/// Whether anything can be sent that way.
pub(super) fn is_open(fixture: &Fixture, channel: Channel) -> bool {
    fixture.facts.get(channel.name()).is_none_or(|state| state != "unavailable")
}

impl Post {
    /// Before the deployment's own courier.
    pub(super) fn new(fixture: &Fixture, own: Option<Arc<dyn Courier>>) -> Self {
        let closed = |channel: &Channel| !is_open(fixture, *channel);
        Self { letters: Mutex::default(), closed: Channel::ALL.into_iter().filter(closed).collect(), own }
    }

    /// The same before another deployment's.
    pub(super) fn before(&self, own: Option<Arc<dyn Courier>>) -> Self {
        Self { letters: Mutex::new(self.letters().clone()), closed: self.closed.clone(), own }
    }

    /// The digits of the last code that was sent to somebody for a factor, wherever that was.
    pub(super) fn code(&self, factor: FactorId, subject: SubjectKey) -> Option<String> {
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
            .find(|letter| letter.subject == subject)?;
        Some(last.text.expose().chars().filter(char::is_ascii_digit).collect())
    }

    fn letters(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the deployment has no post office (its notices are to fail) codes come all the same.
    fn taken(&self, channel: Channel) -> Result<LetterId, Refused> {
        if self.closed.contains(&channel) { Err(Refused::NoSender) } else { Ok(LetterId([0; 16])) }
    }
}

impl Courier for Post {
    fn send(&self, now: UnixTime, letter: Letter) -> Result<LetterId, Refused> {
        let taken = match &self.own {
            Some(own) => own.send(now, letter.clone())?,
            None if letter.purpose == Purpose::Notice => return Err(Refused::NoSender),
            None => self.taken(letter.channel)?,
        };
        self.letters().push(letter);
        Ok(taken)
    }

    fn pretend(&self, now: UnixTime, channel: Channel, subject: SubjectKey) -> Result<LetterId, Refused> {
        match &self.own {
            Some(own) => own.pretend(now, channel, subject),
            None => self.taken(channel),
        }
    }

    fn reaches(&self, channel: Channel, to: &str) -> bool {
        self.own.as_ref().is_none_or(|own| own.reaches(channel, to))
    }
}
