//! What whoever answers a [`Lookup`] goes by, in a real call and in a flow test alike: whether it may be made,
//! and what a table says to it.

use super::io::{Lookup, LookupReply};
use crate::flow::document::{Application, ServiceCall, Table};

impl Lookup {
    /// Whether a call may be made: nothing protects it, or the grant is for the level it needs or a higher one,
    /// and for the subject asked about.
    #[must_use]
    pub fn permitted(&self, application: &Application, call: &ServiceCall) -> bool {
        let Some(needed) = &call.level else { return true };
        let Some(grant) = &self.grant else { return false };
        let policy = &application.policy;
        let ranks = policy.rank(grant.level()).zip(policy.rank(needed));
        // A protected call is about the one who was proven: nobody asks about somebody else.
        let own = match &call.subject {
            Some(subject) => {
                self.arguments.iter().any(|(name, value)| name == subject && value == grant.subject().id())
            }
            None => call.arguments.is_empty(),
        };
        own && ranks.is_some_and(|(held, needed)| held >= needed)
    }

    /// The one row of a table whose columns are the arguments.
    #[must_use]
    pub fn in_table(&self, table: &Table, call: &ServiceCall) -> LookupReply {
        let column = |name: &str| table.columns.iter().position(|column| column == name);
        let mut keys = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            let given = self.arguments.iter().find(|(name, _)| *name == argument.name);
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
}
