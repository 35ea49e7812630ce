//! Tables: read with the application, so an answer is a look into memory.

use crate::flow::document::ServiceCall;
use crate::flow::run::{Lookup, LookupReply};

/// The first row whose key is the one asked for.
pub(super) fn answer(call: &ServiceCall, lookup: &Lookup) -> LookupReply {
    let Some((_, key)) = lookup.arguments.iter().find(|(name, _)| *name == call.key) else {
        return LookupReply::Unavailable;
    };
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
