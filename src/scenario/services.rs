//! Services for flow tests: what fixtures and scripts say they reply. A table of the application needs no
//! fixture: it is read as in a real call.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::auth::{Grant, LevelName};
use crate::flow::document::{Application, ServiceCall};
use crate::flow::run::{Lookup, LookupReply};

use super::document::{Fixture, Reply, ReplyKind};

/// The services of one test.
pub(super) struct Services {
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
    pub(super) fn new(fixture: &Fixture) -> Self {
        Self { standing: fixture.replies.clone(), once: Vec::new(), asked: Vec::new(), unknown: Vec::new() }
    }

    /// From now on, or only once, a call is answered so.
    pub(super) fn set(&mut self, call: &str, reply: &Reply, once: bool) {
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
    pub(super) fn answer(&mut self, app: &Application, lookup: &Lookup) -> (Duration, LookupReply) {
        let name = format!("{}.{}", lookup.service, lookup.call);
        self.asked.push(name.clone());
        let call = app.services.service(&lookup.service).and_then(|service| service.call(&lookup.call));
        let Some(call) = call else { return (USUAL, LookupReply::Unavailable) };
        if let Some(level) = &call.level
            && !permits(app, lookup.grant.as_ref(), level)
        {
            return (USUAL, LookupReply::Unavailable);
        }
        let once = self.once.iter().position(|(call, _)| *call == name).map(|at| self.once.remove(at).1);
        let reply = once.or_else(|| self.standing.get(&name).cloned());
        let delay = reply.as_ref().and_then(|reply| reply.delay).unwrap_or(USUAL);
        let answer = match reply.map(|reply| reply.what) {
            Some(ReplyKind::Fields(fields)) => LookupReply::Found(fields),
            Some(ReplyKind::NotFound) => LookupReply::NotFound,
            Some(ReplyKind::Declined | ReplyKind::Many | ReplyKind::Unavailable) => LookupReply::Unavailable,
            Some(ReplyKind::Usual) | None => self.usual(&name, call, lookup),
        };
        (delay, answer)
    }

    /// What the application's own table says.
    fn usual(&mut self, _name: &str, call: &ServiceCall, lookup: &Lookup) -> LookupReply {
        let key = lookup.arguments.iter().find(|(name, _)| *name == call.key).map(|(_, value)| value);
        let column = |name: &str| call.table.columns.iter().position(|column| column == name);
        let (Some(key), Some(key_column)) = (key, column(&call.key)) else { return LookupReply::Unavailable };
        let row = call.table.rows.iter().find(|row| row.get(key_column) == Some(key));
        let Some(row) = row else { return LookupReply::NotFound };
        let fields = call.reply.iter().map(|field| {
            let cell = column(&field.name).and_then(|at| row.get(at))?;
            Some((field.name.clone(), cell.clone()))
        });
        fields.collect::<Option<Vec<_>>>().map_or(LookupReply::Unavailable, LookupReply::Found)
    }
}

/// Whether the grant is for the level that the call needs, or a higher one.
fn permits(app: &Application, grant: Option<&Grant>, needed: &LevelName) -> bool {
    let held = grant.and_then(|grant| app.policy.rank(grant.level()));
    held.zip(app.policy.rank(needed)).is_some_and(|(held, needed)| held >= needed)
}
