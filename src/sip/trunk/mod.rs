//! Trunks as calls go out by them: whose servers are tried in which order, which of them live, and our registration with
//! the carrier.
//!
//! ```text
//! a number ─► the trunk that carries it ─► its servers by priority, weight ─► those that answer OPTIONS first ─► INVITE
//!                                             ▲
//!                        [`Line`]: OPTIONS at an interval, REGISTER before it runs out
//! ```
//! What a trunk carries, and what must not be called at all, is decided where the settings are known.

mod health;
mod line;
mod registration;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::locate::Hop;
use super::{Credentials, Host, NameAddr, Uri};

pub use health::{Condition, Health, Pulse};
pub use line::{Ask, Change, Input, Line, Output};
pub use registration::{Answer, Registered, Registration, RegistrationConfig};

/// A way out by a trunk, for one call.
pub struct Outward {
    /// The trunk.
    pub trunk: Arc<str>,
    /// Its servers, in the order in which they are tried, each with the Request-URI there.
    pub ways: Vec<(Hop, Uri)>,
    /// Whom the called telephone is shown, as the carrier wants it written; `None` where the settings name nobody.
    pub from: Option<String>,
    /// The carrier's domain, when it has a name of its own.
    pub domain: Option<Host>,
    /// Who we are where the carrier asks.
    pub credentials: Option<Credentials>,
    /// The call's place among those that the trunk may have.
    pub seat: Option<Seat>,
}

impl Outward {
    /// From, for a call whose side of ours is `host`.
    #[must_use]
    pub fn from(&self, host: Host) -> Option<NameAddr> {
        let user = self.from.as_deref()?;
        Some(NameAddr::new(Uri::sip(Some(user), self.domain.clone().unwrap_or(host), None)))
    }
}

/// How many calls a trunk may have at once, over all shards.
#[derive(Clone, Debug)]
pub struct Seats {
    taken: Arc<AtomicUsize>,
    most: usize,
}

/// The place of one call; given back when it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<AtomicUsize>);

impl Seats {
    /// For so many calls.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// A place for one more, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<Seat> {
        let more = |taken: usize| (taken < self.most).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Seat(Arc::clone(&self.taken)))
    }

    /// Calls that there are.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_and_none_is_given_twice() {
        let seats = Seats::of(2);
        let (one, two) = (seats.take(), seats.take());
        assert!(one.is_some() && two.is_some() && seats.take().is_none());
        drop(one);
        assert_eq!(seats.taken(), 1);
        assert!(seats.take().is_some());
    }
}
