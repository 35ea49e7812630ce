//! The services as `services.yaml` declares them: what is kept of each (connections, replies, failures) and how a
//! question finds its way to the right kind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ServiceSource;
use super::breaker::Fuse;
use super::cache::{Key, Replies};
use super::http::{self, Client};
use super::spool::{Order, Spool};
use super::sql::{self, Database};
use crate::driver::os;
use crate::driver::secrets::Secrets;
use crate::flow::document::{Application, Breaker, Does, Service, ServiceCall, ServiceKind};
use crate::flow::run::{Lookup, LookupReply};

/// All services of a deployment, of every version of its application that still runs.
pub struct RealServices {
    secrets: Arc<Secrets>,
    spool: Option<Arc<Spool>>,
    kept: Mutex<HashMap<(String, u64), Arc<Kept>>>,
}

/// What is kept of one declaration of a service: another version that reads the same shares it, one that reads
/// differently has its own.
#[derive(Default)]
struct Kept {
    fuse: Fuse,
    replies: Replies,
    client: Client,
    database: Database,
    used: Mutex<Option<Instant>>,
}

/// Declarations remembered at once: many versions of an application.
const MOST: usize = 256;

impl RealServices {
    /// None has been asked yet. Without a spool no order is kept.
    #[must_use]
    pub fn new(secrets: Arc<Secrets>, spool: Option<Arc<Spool>>) -> Self {
        Self { secrets, spool, kept: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(String, u64), Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, service: &Service, now: Instant) -> Arc<Kept> {
        let mut all = self.all();
        let key = (service.name.clone(), service.fingerprint);
        if all.len() >= MOST && !all.contains_key(&key) {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.used()).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        let kept = Arc::clone(all.entry(key).or_default());
        *kept.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        kept
    }

    /// Asks, and tells what came of it in the log: names and durations, never a value.
    fn ask(
        &self,
        kept: &Kept,
        service: &Service,
        call: &ServiceCall,
        lookup: &Lookup,
        deadline: Instant,
    ) -> Tried {
        let start = os::now();
        let breaker = breaker(service);
        if !kept.fuse.admits(breaker, start) {
            return Tried::Failed;
        }
        let asked = match (&service.kind, &call.does) {
            (ServiceKind::Http(http), Does::Request(request)) => {
                let asked = kept.client.ask(http, call, request, lookup, &self.secrets, deadline);
                asked.map_err(Blame::from)
            }
            (ServiceKind::Sql(sql), Does::Statement(statement)) => {
                kept.database.ask(&sql.path, call, statement, lookup, deadline).map_err(Blame::from)
            }
            _ => {
                let why = "not a call of this kind of service".to_owned();
                Err(Blame { asked: false, service: false, last: true, why })
            }
        };
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (name, call) = (&service.name, &call.name);
        match asked {
            Ok(reply) => {
                tracing::debug!(service = %name, %call, reply = kind(&reply), millis, "a service answered");
                kept.fuse.note(breaker, os::now(), true);
                Tried::Replied(reply)
            }
            Err(Blame { asked: asked_service, service, last, why }) => {
                tracing::warn!(service = %name, %call, %why, millis, "a service was of no use");
                if !asked_service {
                    kept.fuse.not_asked();
                } else if kept.fuse.note(breaker, os::now(), !service) {
                    let seconds = breaker.open_for.as_secs();
                    tracing::warn!(service = %name, seconds, "this service is left alone for a while");
                }
                if last { Tried::Never } else { Tried::Failed }
            }
        }
    }

    /// Sends an order that was kept.
    pub(super) fn deliver(&self, application: &Application, lookup: &Lookup, deadline: Instant) -> Tried {
        let service = application.services.service(&lookup.service);
        let found = service.and_then(|service| Some((service, service.call(&lookup.call)?)));
        // The version that runs now has no such call: nobody knows what to do with the order.
        let Some((service, call)) = found else { return Tried::Never };
        let kept = self.kept(service, os::now());
        let tried = self.ask(&kept, service, call, lookup, deadline);
        kept.replies.forget();
        tried
    }

    /// Sends an order now, or keeps it: behind those that wait, or because the service does not answer.
    fn order(
        &self,
        kept: &Kept,
        service: &Service,
        call: &ServiceCall,
        lookup: &Lookup,
        deadline: Instant,
    ) -> LookupReply {
        let Some(spool) = self.spool.as_ref().filter(|_| lookup.card.is_none()) else {
            return self.ask(kept, service, call, lookup, deadline).reply();
        };
        let order = Order::of(lookup);
        if !spool.has(&service.name) {
            match self.ask(kept, service, call, &order.lookup(lookup.timeout), deadline) {
                Tried::Failed => {}
                tried => return tried.reply(),
            }
        }
        spool.keep(&order);
        LookupReply::Unavailable
    }
}

/// What came of asking once.
pub(super) enum Tried {
    /// The service said something.
    Replied(LookupReply),
    /// It would never take this.
    Never,
    /// It may another time.
    Failed,
}

impl Tried {
    fn reply(self) -> LookupReply {
        match self {
            Self::Replied(reply) => reply,
            Self::Never | Self::Failed => LookupReply::Unavailable,
        }
    }
}

/// Whose fault it was.
struct Blame {
    /// Whether the service was asked at all.
    asked: bool,
    /// The service's, not of what was asked.
    service: bool,
    /// Whether asking the same again could never help.
    last: bool,
    why: String,
}

impl From<http::Failure> for Blame {
    fn from(why: http::Failure) -> Self {
        let (asked, service, last) = (why.was_asked(), why.is_the_services(), why.is_final());
        Self { asked, service, last, why: why.to_string() }
    }
}

impl From<sql::Failure> for Blame {
    fn from(why: sql::Failure) -> Self {
        let (asked, service, last) = (why.was_asked(), why.is_the_services(), why.is_final());
        Self { asked, service, last, why: why.to_string() }
    }
}

impl Kept {
    fn used(&self) -> Option<Instant> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceSource for RealServices {
    fn answer(&self, application: &Application, lookup: &Lookup, deadline: Instant) -> LookupReply {
        let Some(service) = application.services.service(&lookup.service) else {
            return LookupReply::Unavailable;
        };
        let Some(call) = service.call(&lookup.call) else { return LookupReply::Unavailable };
        if let Does::Find(table) = &call.does {
            return lookup.in_table(table, call);
        }
        let now = os::now();
        let kept = self.kept(service, now);
        // A card is never part of a key, and what has one is never kept.
        let time = lookup.cache.or(call.cache).filter(|_| !call.writes && lookup.card.is_none());
        let cached = time.map(|time| (Key::of(lookup), time));
        if let Some((key, age)) = cached
            && let Some(reply) = kept.replies.find(key, age, now)
        {
            return reply;
        }
        let reply = match call.writes && lookup.spool {
            true => self.order(&kept, service, call, lookup, deadline),
            false => self.ask(&kept, service, call, lookup, deadline).reply(),
        };
        if let Some((key, time)) = cached {
            kept.replies.keep(key, &reply, time, os::now());
        }
        if call.writes && !matches!(reply, LookupReply::Unavailable) {
            kept.replies.forget();
        }
        reply
    }

    fn waits(&self, application: &Application, lookup: &Lookup) -> bool {
        let service = application.services.service(&lookup.service);
        service.is_some_and(|service| matches!(service.kind, ServiceKind::Http(_) | ServiceKind::Sql(_)))
    }

    fn unsent(&self, application: &Application, lookup: &Lookup) {
        let service = application.services.service(&lookup.service);
        let writes = service.and_then(|service| service.call(&lookup.call)).is_some_and(|call| call.writes);
        if let Some(spool) = self.spool.as_ref().filter(|_| writes && lookup.spool && lookup.card.is_none()) {
            spool.hand(Order::of(lookup));
        }
    }

    fn tend(&self, now: Instant) -> Option<Instant> {
        let all: Vec<Arc<Kept>> = self.all().values().cloned().collect();
        all.iter().filter_map(|kept| kept.replies.tend(now)).min()
    }
}

fn breaker(service: &Service) -> Breaker {
    match &service.kind {
        ServiceKind::Http(http) => http.breaker,
        ServiceKind::Sql(sql) => sql.breaker,
        ServiceKind::Table | ServiceKind::Unknown => {
            Breaker { open_after: u32::MAX, open_for: Duration::ZERO }
        }
    }
}

const fn kind(reply: &LookupReply) -> &'static str {
    match reply {
        LookupReply::Found(_) => "found",
        LookupReply::NotFound => "not_found",
        LookupReply::Many => "many",
        LookupReply::Declined => "declined",
        LookupReply::Unavailable => "unavailable",
    }
}
