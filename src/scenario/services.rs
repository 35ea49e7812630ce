//! Services for flow tests: what fixtures and scripts say they reply. A table of the application needs no
//! fixture: it is read as in a real call.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::flow::document::{Application, Does, ServiceCall};
use crate::flow::run::{Lookup, LookupReply};

use super::document::{Fixture, Reply, ReplyKind};

/// The services of one test.
pub struct Services {
    standing: BTreeMap<String, Reply>,
    /// Replies for the next time only, oldest first.
    once: Vec<(String, Reply)>,
    /// Every call, in order.
    pub(super) asked: Vec<String>,
    /// Calls that nothing was said about.
    pub(super) unknown: Vec<String>,
}

/// How long an answer takes when nobody says.
const USUAL: Duration = Duration::from_millis(80);

impl Services {
    /// As a fixture has them.
    #[must_use]
    pub fn new(fixture: &Fixture) -> Self {
        Self { standing: fixture.replies.clone(), once: Vec::new(), asked: Vec::new(), unknown: Vec::new() }
    }

    /// Whether a call was made.
    #[must_use]
    pub fn was_asked(&self, call: &str) -> bool {
        self.asked.iter().any(|asked| asked == call)
    }

    /// From now on, or only once, a call is answered so.
    pub fn set(&mut self, call: &str, reply: &Reply, once: bool) {
        if once {
            self.once.push((call.to_owned(), reply.clone()));
            return;
        }
        let mut reply = reply.clone();
        if matches!(reply.what, ReplyKind::Usual)
            && let Some(before) = self.standing.get(call)
        {
            reply.what = before.what.clone();
        }
        self.standing.insert(call.to_owned(), reply);
    }

    /// The answer, and how long it takes.
    pub fn answer(&mut self, app: &Application, lookup: &Lookup) -> (Duration, LookupReply) {
        let name = format!("{}.{}", lookup.service, lookup.call);
        self.asked.push(name.clone());
        let call = app.services.service(&lookup.service).and_then(|service| service.call(&lookup.call));
        let Some(call) = call else { return (USUAL, LookupReply::Unavailable) };
        if !lookup.permitted(app, call) {
            return (USUAL, LookupReply::Unavailable);
        }
        let once = self.once.iter().position(|(call, _)| *call == name).map(|at| self.once.remove(at).1);
        let reply = once.or_else(|| self.standing.get(&name).cloned());
        let delay = reply.as_ref().and_then(|reply| reply.delay).unwrap_or(USUAL);
        let answer = match reply.map(|reply| reply.what) {
            Some(ReplyKind::Fields(fields)) => LookupReply::Found(fields),
            Some(ReplyKind::NotFound) => LookupReply::NotFound,
            Some(ReplyKind::Many) => LookupReply::Many,
            Some(ReplyKind::Declined) => LookupReply::Declined,
            Some(ReplyKind::Unavailable) => LookupReply::Unavailable,
            Some(ReplyKind::Usual) | None => self.usual(&name, call, lookup),
        };
        (delay, answer)
    }

    /// What the application's own table says; other services say only what a test makes them say.
    fn usual(&mut self, name: &str, call: &ServiceCall, lookup: &Lookup) -> LookupReply {
        match &call.does {
            Does::Find(table) => lookup.in_table(table, call),
            Does::Statement(_) | Does::Request(_) => {
                if !self.unknown.iter().any(|known| known == name) {
                    self.unknown.push(name.to_owned());
                }
                LookupReply::Unavailable
            }
        }
    }
}
