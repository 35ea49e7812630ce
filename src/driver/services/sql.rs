//! Running statements on a SQLite file. Arguments are bound, never part of a statement; a `query` can't write.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement as Prepared};
use thiserror::Error;

use super::reply::plain;
use crate::diagnostic::Diagnostic;
use crate::driver::os;
use crate::flow::document::{Application, Does, ServiceCall, ServiceKind, Statement};
use crate::flow::run::{Lookup, LookupReply};

/// Why there is no reply. Without values: for logs.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// An argument was not given.
    #[error("the argument `{0}` is missing")]
    Missing(String),
    /// The tables do not take these values.
    #[error("a rule of the tables does not allow it")]
    Refused,
    /// SQLite failed; its own messages may hold names of the file, so its code is told.
    #[error("SQLite: {0}")]
    Sqlite(String),
    /// Locked by somebody else, or too slow.
    #[error("no answer in time")]
    Timeout,
    /// A column is null, not text or a number, or too long.
    #[error("`{0}` of the reply is not what it is declared to be")]
    Unfit(String),
    /// A column is not there.
    #[error("the statement gives no column `{0}`")]
    NoColumn(String),
    /// A query that writes.
    #[error("a `query` only reads; write `execute`")]
    Writes,
}

impl Failure {
    fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Timeout
            }
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Self::Refused
            }
            Some(code) => Self::Sqlite(format!("{code:?}")),
            None => Self::Sqlite("the statement does not fit".to_owned()),
        }
    }

    /// Whether the service is to blame.
    pub(super) const fn is_the_services(&self) -> bool {
        !matches!(self, Self::Missing(_) | Self::Unfit(_) | Self::Refused)
    }

    /// Whether the database was asked.
    pub(super) const fn was_asked(&self) -> bool {
        !matches!(self, Self::Missing(_))
    }

    /// Whether asking the same again could never help.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Unfit(_) | Self::Refused | Self::NoColumn(_) | Self::Writes)
    }
}

/// The connections to one file.
#[derive(Default)]
pub(super) struct Database {
    idle: Mutex<Vec<Connection>>,
}

impl Database {
    /// Asks.
    pub(super) fn ask(
        &self,
        path: &Path,
        call: &ServiceCall,
        statement: &Statement,
        lookup: &Lookup,
        deadline: Instant,
    ) -> Result<LookupReply, Failure> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => open(path).map_err(|error| Failure::of(&error))?,
        };
        let left = deadline.saturating_duration_since(os::now());
        let timed = connection
            .busy_timeout(left)
            .and_then(|()| connection.progress_handler(STEPS, Some(move || os::now() >= deadline)));
        timed.map_err(|error| Failure::of(&error))?;
        let asked = run(&connection, call, statement, lookup);
        // One that failed may be in the middle of something: it is not kept.
        if asked.is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(connection);
            }
        }
        asked
    }
}

/// Instructions of SQLite's machine between two looks at the clock: well below a millisecond.
const STEPS: i32 = 1000;
/// Connections kept open for one file.
const KEPT: usize = 4;
/// Statements kept ready in one connection.
const STATEMENTS: usize = 64;

fn open(path: &Path) -> rusqlite::Result<Connection> {
    // Never created: a missing file is a mistake, not an empty directory of customers.
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)
        .or_else(|_| Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // What lies in the file is data: no function in its views or triggers may do harm.
    connection.execute_batch("PRAGMA trusted_schema = OFF;")?;
    Ok(connection)
}

fn run(
    connection: &Connection,
    call: &ServiceCall,
    statement: &Statement,
    lookup: &Lookup,
) -> Result<LookupReply, Failure> {
    let failed = |error: rusqlite::Error| Failure::of(&error);
    let mut prepared = connection.prepare_cached(&statement.text).map_err(failed)?;
    if !call.writes && !prepared.readonly() {
        return Err(Failure::Writes);
    }
    for argument in &call.arguments {
        let given = lookup.arguments.iter().find(|(name, _)| *name == argument.name);
        let (_, value) = given.ok_or_else(|| Failure::Missing(argument.name.clone()))?;
        let index = prepared.parameter_index(&format!(":{}", argument.name)).map_err(failed)?;
        let index = index.ok_or_else(|| Failure::Missing(argument.name.clone()))?;
        prepared.raw_bind_parameter(index, value).map_err(failed)?;
    }
    let columns = columns(&prepared, call)?;
    if call.writes && columns.is_empty() {
        let changed = prepared.raw_execute().map_err(failed)?;
        return Ok(if changed == 0 && call.not_found {
            LookupReply::NotFound
        } else {
            LookupReply::Found(Vec::new())
        });
    }
    let mut rows = prepared.raw_query();
    let Some(row) = rows.next().map_err(failed)? else { return Ok(LookupReply::NotFound) };
    let fields = call.reply.iter().zip(columns).map(|(field, column)| {
        let unfit = || Failure::Unfit(field.name.clone());
        let text = match row.get_ref(column).map_err(|error| Failure::of(&error))? {
            ValueRef::Text(text) => std::str::from_utf8(text).map_err(|_| unfit())?.to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Null | ValueRef::Blob(_) => return Err(unfit()),
        };
        Ok((field.name.clone(), plain(field, &text).ok_or_else(unfit)?))
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    match rows.next().map_err(failed)? {
        Some(_) => Ok(LookupReply::Many),
        None => Ok(LookupReply::Found(fields)),
    }
}

/// Where each field of the reply stands.
fn columns(prepared: &Prepared<'_>, call: &ServiceCall) -> Result<Vec<usize>, Failure> {
    let names: Vec<&str> = prepared.column_names().collect();
    let found = call.reply.iter().map(|field| {
        let name = field.path.first().map_or("", String::as_str);
        names.iter().position(|known| *known == name).ok_or_else(|| Failure::NoColumn(name.to_owned()))
    });
    found.collect()
}

/// What SQLite says of the statements of an application: told with the flow's other mistakes, before a call.
pub(crate) fn check(application: &Application) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for service in &application.services.services {
        let ServiceKind::Sql(sql) = &service.kind else { continue };
        let connection = match open(&sql.path) {
            Ok(connection) => connection,
            Err(_) => {
                let message = format!("{} can't be opened as a SQLite database", sql.path.display());
                let help = "make it with `sqlite3 FILE`; a path that does not begin with / is below the application's folder";
                found.push(Diagnostic::error("E257", Some(service.place.clone()), message).help(help));
                continue;
            }
        };
        for call in &service.calls {
            let Does::Statement(statement) = &call.does else { continue };
            found.extend(check_call(&connection, call, statement));
        }
    }
    found
}

fn check_call(connection: &Connection, call: &ServiceCall, statement: &Statement) -> Option<Diagnostic> {
    let prepared = match connection.prepare(&statement.text) {
        Ok(prepared) => prepared,
        Err(error) => {
            // Here SQLite's own words help: there are no values yet.
            let message = format!("SQLite does not take this statement: {}", words(&error));
            let help = "try it in `sqlite3 FILE`, with values in place of the arguments";
            return Some(Diagnostic::error("E247", Some(statement.place.clone()), message).help(help));
        }
    };
    if !call.writes && !prepared.readonly() {
        let message = "this `query` writes";
        let help = "write `execute:`, so that nobody takes it for a question";
        return Some(Diagnostic::error("E247", Some(statement.place.clone()), message).help(help));
    }
    match columns(&prepared, call) {
        Err(Failure::NoColumn(name)) => {
            let message = format!("the statement gives no column `{name}`");
            let names: Vec<&str> = prepared.column_names().collect();
            let help = crate::flow::document::suggestion(&name, names, "its columns");
            Some(Diagnostic::error("E252", Some(statement.place.clone()), message).help(help))
        }
        _ => None,
    }
}

fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(words)) => words.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}
