//! Answers the questions that a flow asks of services.
//!
//! Whatever answers is a [`ServiceSource`]: the real services ([`RealServices`]) or, in tests, something that
//! stands in for them. A protected call is refused without a grant before any source is asked, whatever the
//! kind of the service and whatever the flow says.

mod breaker;
mod cache;
pub(super) mod http;
mod pool;
mod real;
mod reply;
mod request;
pub mod spool;
pub(super) mod sql;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

pub(super) use breaker::Fuse;
pub use pool::{PoolSize, Reply, ServicePool};
pub use real::RealServices;

use self::spool::Spool;
use super::secrets::{SecretError, Secrets};
use crate::flow::document::Application;
use crate::flow::run::{Lookup, LookupReply};

/// Something that answers for services.
pub trait ServiceSource: Send + Sync {
    /// The reply of a service of `application`, which is the version that the asking call runs. May wait,
    /// until `deadline` at most: a later answer is of no use to anybody. Grants were checked before.
    fn answer(&self, application: &Application, lookup: &Lookup, deadline: Instant) -> LookupReply;

    /// Whether [`Self::answer`] may wait for something; if not, it is called without a worker.
    fn waits(&self, _application: &Application, _lookup: &Lookup) -> bool {
        true
    }

    /// What was asked was not sent, since nobody had time for it. Must not wait.
    fn unsent(&self, _application: &Application, _lookup: &Lookup) {}

    /// Wipes what is over; says when there will be more.
    fn tend(&self, _now: Instant) -> Option<Instant> {
        None
    }
}

/// The reply of a service of `application`; refused when the call is protected and the grant is not there.
pub fn answer(
    source: &dyn ServiceSource,
    application: &Application,
    lookup: &Lookup,
    deadline: Instant,
) -> LookupReply {
    let call = application.services.service(&lookup.service).and_then(|service| service.call(&lookup.call));
    let Some(call) = call else { return LookupReply::Unavailable };
    if !lookup.permitted(application, call) {
        tracing::error!(service = %lookup.service, call = %lookup.call, "a protected call came without a grant");
        return LookupReply::Unavailable;
    }
    source.answer(application, lookup, deadline)
}

/// Who answers for the services of a deployment.
#[derive(Clone, Default)]
pub enum ServicesFrom {
    /// The services themselves.
    #[default]
    Configuration,
    /// Something in their place, for tests.
    StandIn(Arc<dyn ServiceSource>),
}

impl fmt::Debug for ServicesFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "Configuration",
            Self::StandIn(_) => "StandIn",
        })
    }
}

impl ServicesFrom {
    /// Whether what an application is asked with is there: what is missing is told before a caller notices.
    ///
    /// # Errors
    /// The first secret that can't be had.
    pub fn check(&self, secrets: &Secrets, application: &Application) -> Result<(), SecretError> {
        match self {
            Self::Configuration => secrets.check(application),
            Self::StandIn(_) => Ok(()),
        }
    }

    /// What answers, and the real services when it is they; `secrets` are those of the configuration.
    #[must_use]
    pub fn source(
        &self,
        secrets: &Arc<Secrets>,
        spool: &Arc<Spool>,
    ) -> (Arc<dyn ServiceSource>, Option<Arc<RealServices>>) {
        match self {
            Self::Configuration => {
                let real = Arc::new(RealServices::new(Arc::clone(secrets), Some(Arc::clone(spool))));
                (Arc::clone(&real) as _, Some(real))
            }
            Self::StandIn(source) => (Arc::clone(source), None),
        }
    }
}
