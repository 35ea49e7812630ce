//! The tables of the SQLite store. A file of an older schema gets what came later when it is opened.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::letters::LETTERS;

/// Makes the tables that lack.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > SCHEMA {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known: SCHEMA });
    }
    for (schema, tables) in (1..)
        .zip([
            TABLES,
            MEMORIES,
            CALLS_BY_NAME,
            ORDERS,
            super::requests::TABLE,
            LETTERS,
            OFFERS,
            super::tokens::TABLE,
            TALLIES,
            OFFERED_AT,
        ])
        .filter(|(schema, _)| *schema > version)
    {
        transaction.execute_batch(tables)?;
        transaction.pragma_update(None, "user_version", schema)?;
    }
    Ok(transaction.commit()?)
}

const SCHEMA: i64 = 10;

/// What schema 1 has.
pub(super) const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE subjects (key BLOB PRIMARY KEY, wrapped_key BLOB NOT NULL, profile BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE identifiers (
  kind TEXT NOT NULL, hash BLOB NOT NULL, subject BLOB NOT NULL REFERENCES subjects(key) ON DELETE CASCADE,
  PRIMARY KEY (kind, hash, subject)
) WITHOUT ROWID;
CREATE INDEX identifiers_of ON identifiers (subject);
CREATE TABLE enrolments (
  subject BLOB NOT NULL REFERENCES subjects(key) ON DELETE CASCADE, factor TEXT NOT NULL, data BLOB NOT NULL,
  key_id TEXT NOT NULL, last_step INTEGER, PRIMARY KEY (subject, factor)
) WITHOUT ROWID;
CREATE TABLE throttles (subject BLOB PRIMARY KEY, state TEXT NOT NULL, updated INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX throttles_by_age ON throttles (updated);
CREATE TABLE agents (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE calls (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, record TEXT NOT NULL, caller_hash BLOB, caller BLOB);
CREATE INDEX calls_by_caller ON calls (caller_hash);
";

/// What came with schema 2.
const MEMORIES: &str = "
CREATE TABLE memories (
  owner BLOB NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE INDEX memories_by_age ON memories (until);
";

/// What came with schema 3.
const CALLS_BY_NAME: &str = "CREATE INDEX calls_by_name ON calls (json_extract(record, '$.call'));";

/// What came with schema 4.
const ORDERS: &str = "
CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, at INTEGER NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX orders_by_service ON orders (service, id);
";

/// What came with schema 7.
const OFFERS: &str = "
CREATE TABLE offers (
  subject BLOB NOT NULL REFERENCES subjects(key) ON DELETE CASCADE, factor TEXT NOT NULL, data BLOB NOT NULL,
  key_id TEXT NOT NULL, last_step INTEGER, PRIMARY KEY (subject, factor)
) WITHOUT ROWID;
";

/// What came with schema 9.
const TALLIES: &str = "
CREATE TABLE tallies (place BLOB PRIMARY KEY, state TEXT NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX tallies_by_age ON tallies (ends);
";

/// What came with schema 10. What was handed out before counts from now on.
const OFFERED_AT: &str = "
ALTER TABLE offers ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE offers SET at = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
";
