//! Tables: read with the application, so an answer is a look into memory.

use crate::flow::document::{ServiceCall, Table};
use crate::flow::run::{Lookup, LookupReply};

/// The one row whose columns are the arguments.
pub(super) fn answer(table: &Table, call: &ServiceCall, lookup: &Lookup) -> LookupReply {
    let column = |name: &str| table.columns.iter().position(|column| column == name);
    let mut keys = Vec::with_capacity(call.arguments.len());
    for argument in &call.arguments {
        let given = lookup.arguments.iter().find(|(name, _)| *name == argument.name);
        let (Some(at), Some((_, value))) = (column(&argument.name), given) else {
            return LookupReply::Unavailable;
        };
        keys.push((at, value));
    }
    let mut rows =
        table.rows.iter().filter(|row| keys.iter().all(|(at, value)| row.get(*at) == Some(*value)));
    let Some(row) = rows.next() else { return LookupReply::NotFound };
    if rows.next().is_some() {
        return LookupReply::Many;
    }
    let fields = call.reply.iter().map(|field| {
        let cell = field.path.first().and_then(|name| column(name)).and_then(|at| row.get(at))?;
        Some((field.name.clone(), cell.clone()))
    });
    fields.collect::<Option<Vec<_>>>().map_or(LookupReply::Unavailable, LookupReply::Found)
}
