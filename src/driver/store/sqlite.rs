//! SQLite: one file, write-ahead log, every commit on the disk before it returns.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::enrolments;
use super::requests::{self, RequestRow};
use super::tables::migrate;
use super::{
    Append, AppendCount, CallRow, Change, EnrolmentRow, Identifier, Old, OrderRow, Place, Reservation, Store,
    StoreError, SubjectRow, Trace, counters, subjects, tokens, upkeep,
};
use crate::auth::tally::Tally;
use crate::auth::throttle::{Attempt, Throttle};
use crate::auth::{FactorId, Lockout, SubjectKey};
use crate::driver::audit_log::{AuditError, Head};
use crate::units::UnixTime;

/// The store. One connection; a transaction takes milliseconds, and hashing happens outside of it.
pub struct SqliteStore {
    connection: Mutex<Connection>,
    path: PathBuf,
}

const HEAD: &str = "audit_head";

impl SqliteStore {
    /// Opens the database, making it when there is none.
    ///
    /// # Errors
    /// When the file is damaged, of a newer version, or can't be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let unreadable = |cause: String| StoreError::Unreadable { path: path.to_owned(), cause };
        // SQLite gives the log and the index beside it the database's own mode.
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        made.map_err(|error| unreadable(error.to_string()))?;
        let connection = Self::prepare(path).map_err(|error| match error {
            StoreError::Failed(error) => unreadable(error.to_string()),
            other => other,
        })?;
        Ok(Self { connection: Mutex::new(connection), path: path.to_owned() })
    }

    fn prepare(path: &Path) -> Result<Connection, StoreError> {
        let mut connection = Connection::open(path)?;
        // Another process (`countersign subject add` beside `serve`) writes for milliseconds, not seconds.
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "secure_delete", true)?;
        migrate(&mut connection, path)?;
        let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Unreadable { path: path.to_owned(), cause: verdict });
        }
        Ok(connection)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies it as it is now, without free pages, into a new file.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let unreadable = |cause: String| StoreError::Unreadable { path: path.to_owned(), cause };
        // SQLite takes an empty file, and its mode with it.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        made.map_err(|error| unreadable(error.to_string()))?;
        let text = path.to_str().ok_or_else(|| unreadable("the path is not UTF-8".to_owned()))?;
        self.connection().execute("VACUUM INTO ?1", [text])?;
        Ok(())
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic dropped was rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }
}

pub(super) fn call_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<CallRow> {
    Ok(CallRow {
        at: UnixTime(row.get(0)?),
        record: row.get(1)?,
        caller_hash: row.get(2)?,
        caller: row.get(3)?,
    })
}

fn head_of(connection: &Connection) -> Result<Head, StoreError> {
    let stored = meta_of(connection, HEAD)?;
    stored.map_or_else(
        || Ok(Head::default()),
        |json| serde_json::from_slice(&json).map_err(|_| StoreError::Row),
    )
}

fn set_head(connection: &Connection, head: &Head) -> Result<(), StoreError> {
    upkeep::set_meta(connection, HEAD, &serde_json::to_vec(head).map_err(|_| StoreError::Row)?)
}

fn meta_of(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

fn apply(connection: &Connection, change: Change<'_>) -> Result<bool, StoreError> {
    match change {
        Change::Nothing => {}
        Change::Succeed { subject, factor, reserved, of, step, renewed, key_id } => {
            let new = (renewed.as_deref(), key_id.as_deref());
            return enrolments::succeed(connection, (subject, factor), reserved, of, step, new);
        }
        Change::Spend { subject, factor, request, now, reserved } => {
            if !requests::spend(connection, (subject, factor), &request, now, true)? {
                return Ok(false);
            }
            counters::succeeded(connection, subject, factor, reserved)?;
        }
        Change::Burn { subject, factor, request, now } => {
            return requests::spend(connection, (subject, factor), &request, now, false);
        }
        Change::Approve { request, now } => return requests::approve(connection, &request, now),
        Change::Admit { subject, factor, reserved } => {
            return enrolments::admit(connection, subject, factor, reserved);
        }
        Change::Renew { subject, factor, of, data } => {
            return enrolments::renew(connection, "enrolments", (subject, factor), of, &data);
        }
        Change::AddSubjects { subjects, enrolments } => {
            subjects.iter().try_for_each(|row| subjects::add(connection, row))?;
            enrolments.iter().try_for_each(|row| enrolments::enrol(connection, row))?;
        }
        Change::Update(row) => return enrolments::update(connection, row),
        Change::Erase(key) => {
            connection.execute("DELETE FROM throttles WHERE subject = ?1", [key.0])?;
            requests::erase(connection, key)?;
            return Ok(connection.execute("DELETE FROM subjects WHERE key = ?1", [key.0])? == 1);
        }
        Change::Unlock(key) => {
            connection.execute("DELETE FROM throttles WHERE subject = ?1", [key.0])?;
        }
        Change::Enrol(row) => enrolments::enrol(connection, row)?,
        Change::Offer { row, at } => enrolments::offer(connection, row, at)?,
        Change::RenewOffer { subject, factor, of, data } => {
            return enrolments::renew(connection, "offers", (subject, factor), of, &data);
        }
        Change::Confirm { row, before } => return enrolments::confirm(connection, row, before),
        Change::Remove { subject, factor } => {
            return enrolments::remove(connection, subject, factor);
        }
        Change::KeepTokens(rows) => tokens::keep(connection, rows)?,
        Change::RotateToken { before, after, new } => {
            return tokens::rotate(connection, before, after, new);
        }
        Change::Void { key_id, factors } => upkeep::void(connection, key_id, factors)?,
        Change::SetAgent { name, sealed } => {
            connection.execute("INSERT OR REPLACE INTO agents VALUES (?1, ?2)", params![name, sealed])?;
        }
    }
    Ok(true)
}

impl Store for SqliteStore {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        meta_of(&self.connection(), name)
    }

    fn keep_meta(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.write(|transaction| {
            transaction.execute("INSERT OR IGNORE INTO meta VALUES (?1, ?2)", params![name, value])?;
            meta_of(transaction, name)?.ok_or(StoreError::Row)
        })
    }

    fn subject(&self, key: SubjectKey) -> Result<Option<SubjectRow>, StoreError> {
        subjects::read(&self.connection(), key)
    }

    fn find(&self, kind: Identifier, hash: &[u8; 32]) -> Result<Vec<SubjectKey>, StoreError> {
        let connection = self.connection();
        // The next two, whosever they are: as much work for one that is there as for one that is not.
        let sql = "SELECT kind, hash, subject FROM identifiers WHERE (kind, hash) >= (?1, ?2) \
                   ORDER BY kind, hash, subject LIMIT 2";
        let mut statement = connection.prepare_cached(sql)?;
        let next = statement.query_map(params![kind.name(), hash], |row| {
            let (name, next): (String, [u8; 32]) = (row.get(0)?, row.get(1)?);
            Ok((name == kind.name() && next == *hash, SubjectKey(row.get(2)?)))
        })?;
        let next = next.collect::<Result<Vec<_>, _>>()?;
        Ok(next.into_iter().filter(|(same, _)| *same).map(|(_, subject)| subject).collect())
    }

    fn subjects(&self) -> Result<Vec<SubjectKey>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT key FROM subjects ORDER BY key")?;
        let found = statement.query_map([], |row| row.get(0).map(SubjectKey))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn nearest(&self, key: SubjectKey) -> Result<Option<SubjectKey>, StoreError> {
        let connection = self.connection();
        let mut first_from = connection.prepare_cached("SELECT min(key) FROM subjects WHERE key >= ?1")?;
        let nearest = |from: [u8; 16], statement: &mut rusqlite::CachedStatement<'_>| {
            statement.query_row([from], |row| row.get::<_, Option<[u8; 16]>>(0))
        };
        // Both, whatever the first says: the time must not tell whose key was asked for.
        let (behind, first) = (nearest(key.0, &mut first_from)?, nearest([0; 16], &mut first_from)?);
        Ok(behind.or(first).map(SubjectKey))
    }

    fn enrolled(&self, subject: SubjectKey) -> Result<Vec<FactorId>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT factor FROM enrolments WHERE subject = ?1")?;
        let names = statement.query_map([subject.0], |row| row.get::<_, String>(0))?;
        let names: Vec<String> = names.collect::<Result<_, _>>()?;
        let mut factors: Vec<_> = names.iter().filter_map(|name| FactorId::from_name(name)).collect();
        factors.sort_unstable();
        Ok(factors)
    }

    fn enrolment(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<EnrolmentRow>, StoreError> {
        enrolments::read(&self.connection(), "enrolments", subject, factor)
    }

    fn offered(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<EnrolmentRow>, StoreError> {
        enrolments::read(&self.connection(), "offers", subject, factor)
    }

    fn throttle(&self, subject: SubjectKey) -> Result<Throttle, StoreError> {
        counters::throttle_of(&self.connection(), subject)
    }

    fn tally(&self, place: &Place) -> Result<Tally, StoreError> {
        counters::tally_of(&self.connection(), place)
    }

    fn reserve(
        &self,
        subject: SubjectKey,
        now: UnixTime,
        attempt: Attempt,
        limits: &Lockout,
        places: &[Place],
    ) -> Result<Reservation, StoreError> {
        self.write(|transaction| counters::reserve(transaction, subject, now, attempt, limits, places))
    }

    fn request(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<RequestRow>, StoreError> {
        requests::newest(&self.connection(), subject, factor)
    }

    fn linked(&self, link: &[u8; 32]) -> Result<Option<RequestRow>, StoreError> {
        requests::linked(&self.connection(), link)
    }

    fn keep_request(&self, row: &RequestRow, now: UnixTime) -> Result<(), StoreError> {
        self.write(|transaction| requests::keep(transaction, row, now))
    }

    fn audited(&self, change: Change<'_>, append: &mut Append<'_>) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let effect = apply(transaction, change)?;
            let head = append(&head_of(transaction)?, effect)?;
            set_head(transaction, &head)?;
            Ok(effect)
        })
    }

    fn audit_head(&self) -> Result<Head, StoreError> {
        head_of(&self.connection())
    }

    fn correct_head(
        &self,
        work: &mut dyn FnMut(Head) -> Result<Head, AuditError>,
    ) -> Result<Head, StoreError> {
        self.write(|transaction| {
            let head = work(head_of(transaction)?)?;
            set_head(transaction, &head)?;
            Ok(head)
        })
    }

    fn remember(
        &self,
        owner: &[u8; 32],
        name: &[u8; 32],
        sealed: &[u8],
        now: UnixTime,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.prepare_cached("DELETE FROM memories WHERE until <= ?1")?.execute([now.0])?;
            let sql = "INSERT OR REPLACE INTO memories VALUES (?1, ?2, ?3, ?4)";
            transaction.prepare_cached(sql)?.execute(params![owner, name, sealed, until.0])?;
            Ok(())
        })
    }

    fn recall(
        &self,
        owner: &[u8; 32],
        name: &[u8; 32],
        now: UnixTime,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT value FROM memories WHERE owner = ?1 AND name = ?2 AND until > ?3";
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_row(params![owner, name, now.0], |row| row.get(0)).optional()?)
    }

    fn forget(&self, owner: &[u8; 32]) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM memories WHERE owner = ?1", [owner])?;
            Ok(())
        })
    }

    fn keep_order(&self, order: &OrderRow, most: u32) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let sql = "INSERT INTO orders (service, at, sealed) SELECT ?1, ?2, ?3 \
                       WHERE (SELECT count(*) FROM orders WHERE service = ?1) < ?4";
            let values = params![order.service, order.at.0, order.sealed, most];
            Ok(transaction.prepare_cached(sql)?.execute(values)? == 1)
        })
    }

    fn first_orders(&self) -> Result<Vec<(i64, OrderRow)>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT id, service, at, sealed FROM orders \
                   WHERE id IN (SELECT min(id) FROM orders GROUP BY service) ORDER BY service";
        let mut statement = connection.prepare_cached(sql)?;
        let row = |row: &rusqlite::Row<'_>| {
            let order = OrderRow { service: row.get(1)?, at: UnixTime(row.get(2)?), sealed: row.get(3)? };
            Ok((row.get(0)?, order))
        };
        let rows = statement.query_map([], row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn drop_order(&self, number: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.prepare_cached("DELETE FROM orders WHERE id = ?1")?.execute([number])?;
            Ok(())
        })
    }

    fn agent(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT sealed FROM agents WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    fn add_calls(&self, calls: &[CallRow]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let sql = "INSERT INTO calls (at, record, caller_hash, caller) VALUES (?1, ?2, ?3, ?4)";
            let mut insert = transaction.prepare_cached(sql)?;
            for call in calls {
                insert.execute(params![call.at.0, call.record, call.caller_hash, call.caller])?;
            }
            Ok(())
        })
    }

    fn calls(&self, limit: u32) -> Result<Vec<CallRow>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT at, record, caller_hash, caller FROM calls ORDER BY id DESC LIMIT ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([limit], call_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn calls_named(&self, beginning: &str) -> Result<Vec<CallRow>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT at, record, caller_hash, caller FROM calls WHERE json_extract(record, '$.call') >= ?1 \
                   AND json_extract(record, '$.call') < ?1 || char(0x10ffff) LIMIT 2";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([beginning], call_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(|transaction| upkeep::set_meta(transaction, name, value))
    }

    fn rewrap(&self, keys: &[(SubjectKey, Vec<u8>)]) -> Result<(), StoreError> {
        self.write(|transaction| upkeep::rewrap(transaction, keys))
    }

    fn key_uses(&self, key_id: &str) -> Result<Vec<(FactorId, u64)>, StoreError> {
        upkeep::key_uses(&self.connection(), key_id)
    }

    fn forget_traces(&self, traces: &[Trace]) -> Result<(), StoreError> {
        self.write(|transaction| upkeep::forget_traces(transaction, traces))
    }

    fn due(&self, old: Old) -> Result<u64, StoreError> {
        upkeep::due(&self.connection(), old)
    }

    fn sweep(&self, old: Old, most: u32, append: &mut AppendCount<'_>) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let removed = upkeep::sweep(transaction, old, most)?;
            if removed > 0 {
                set_head(transaction, &append(&head_of(transaction)?, removed)?)?;
            }
            Ok(removed)
        })
    }

    fn scrub(&self) -> Result<(), StoreError> {
        upkeep::scrub(&self.connection())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::store::tables::TABLES;

    #[test]
    fn a_database_of_the_first_schema_gets_what_came_later() {
        let mut connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(TABLES).expect("tables");
        connection.pragma_update(None, "user_version", 1).expect("schema 1");
        migrate(&mut connection, Path::new("store.db")).expect("migrates");
        let store = SqliteStore { connection: Mutex::new(connection), path: PathBuf::new() };
        store.remember(&[1; 32], &[2; 32], b"v", UnixTime(0), UnixTime(9)).expect("keeps");
        migrate(&mut store.connection(), Path::new("store.db")).expect("nothing to do");
        assert!(store.recall(&[1; 32], &[2; 32], UnixTime(1)).is_ok_and(|value| value.is_some()));
    }
}
