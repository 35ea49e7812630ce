//! The services as `services.yaml` declares them: what is kept of each (connections, replies, failures) and how a
//! question finds its way to the right kind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::breaker::Fuse;
use super::cache::{Key, Replies};
use super::http::Client;
use super::sql::Database;
use super::{ServiceSource, table};
use crate::driver::os;
use crate::driver::secrets::Secrets;
use crate::flow::document::{Application, Breaker, Does, Service, ServiceCall, ServiceKind};
use crate::flow::run::{Lookup, LookupReply};

/// All services of a deployment, of every version of its application that still runs.
pub struct RealServices {
    secrets: Arc<Secrets>,
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
    /// None has been asked yet.
    #[must_use]
    pub fn new(secrets: Arc<Secrets>) -> Self {
        Self { secrets, kept: Mutex::default() }
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

    /// Asks once, and tells what came of it in the log: names and durations, never a value.
    fn ask(
        &self,
        kept: &Kept,
        service: &Service,
        call: &ServiceCall,
        lookup: &Lookup,
        deadline: Instant,
    ) -> LookupReply {
        let start = os::now();
        let breaker = breaker(service);
        if !kept.fuse.admits(breaker, start) {
            return LookupReply::Unavailable;
        }
        let (reply, failure) = match (&service.kind, &call.does) {
            (ServiceKind::Http(http), Does::Request(request)) => {
                match kept.client.ask(http, call, request, lookup, &self.secrets, deadline) {
                    Ok(reply) => (reply, None),
                    Err(why) => (LookupReply::Unavailable, Some((why.is_the_services(), why.to_string()))),
                }
            }
            (ServiceKind::Sql(sql), Does::Statement(statement)) => {
                match kept.database.ask(&sql.path, call, statement, lookup, deadline) {
                    Ok(reply) => (reply, None),
                    Err(why) => (LookupReply::Unavailable, Some((why.is_the_services(), why.to_string()))),
                }
            }
            _ => (LookupReply::Unavailable, Some((false, "not a call of this kind of service".to_owned()))),
        };
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (name, call) = (&service.name, &call.name);
        match failure {
            None => {
                tracing::debug!(service = %name, %call, reply = kind(&reply), millis, "a service answered");
                kept.fuse.note(breaker, os::now(), true);
            }
            Some((by_service, why)) => {
                tracing::warn!(service = %name, %call, %why, millis, "a service was of no use");
                if kept.fuse.note(breaker, os::now(), !by_service) {
                    tracing::warn!(service = %name, seconds = breaker.open_for.as_secs(), "this service is left alone for a while");
                }
            }
        }
        reply
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
            return table::answer(table, call, lookup);
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
        let reply = self.ask(&kept, service, call, lookup, deadline);
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
