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

use super::locate::Hop;
use super::{Credentials, Host, NameAddr, Uri};
use crate::units::Place;

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
    pub place: Option<Place>,
}

impl Outward {
    /// From, for a call whose side of ours is `host`.
    #[must_use]
    pub fn from(&self, host: Host) -> Option<NameAddr> {
        let user = self.from.as_deref()?;
        Some(NameAddr::new(Uri::sip(Some(user), self.domain.clone().unwrap_or(host), None)))
    }
}
