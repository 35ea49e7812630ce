//! Answers the questions that a flow asks of services. Tables were read with the application, so an answer
//! is a look into memory; a protected call is refused without a grant, whatever the flow says.

use crate::auth::{Grant, LevelName};
use crate::flow::document::{Application, ServiceCall};
use crate::flow::run::{Lookup, LookupReply};

/// The reply of a service of `application`.
#[must_use]
pub fn answer(application: &Application, lookup: &Lookup) -> LookupReply {
    let call = application.services.service(&lookup.service).and_then(|service| service.call(&lookup.call));
    let Some(call) = call else { return LookupReply::Unavailable };
    if let Some(level) = &call.level
        && !permits(application, lookup.grant.as_ref(), level, lookup)
    {
        tracing::error!(service = %lookup.service, call = %lookup.call, "a protected call came without a grant");
        return LookupReply::Unavailable;
    }
    let Some((_, key)) = lookup.arguments.iter().find(|(name, _)| *name == call.key) else {
        return LookupReply::Unavailable;
    };
    find(call, key)
}

fn find(call: &ServiceCall, key: &str) -> LookupReply {
    let column = |name: &str| call.table.columns.iter().position(|column| column == name);
    let Some(key_column) = column(&call.key) else { return LookupReply::Unavailable };
    let row = call.table.rows.iter().find(|row| row.get(key_column).is_some_and(|cell| cell == key));
    let Some(row) = row else { return LookupReply::NotFound };
    let fields = call.reply.iter().map(|field| {
        let cell = column(&field.name).and_then(|at| row.get(at))?;
        Some((field.name.clone(), cell.clone()))
    });
    fields.collect::<Option<Vec<_>>>().map_or(LookupReply::Unavailable, LookupReply::Found)
}

/// Whether the grant is for the level that the call needs, or a higher one, and for the subject asked about.
fn permits(application: &Application, grant: Option<&Grant>, needed: &LevelName, lookup: &Lookup) -> bool {
    let Some(grant) = grant else { return false };
    let rank = |name: &LevelName| application.policy.levels.iter().position(|level| level.name == *name);
    let high_enough = match (rank(grant.level()), rank(needed)) {
        (Some(held), Some(needed)) => held >= needed,
        _ => false,
    };
    // The key of a protected call is the subject's: nobody asks about somebody else.
    let own = lookup.arguments.iter().all(|(_, value)| value == grant.subject().id());
    high_enough && own
}
