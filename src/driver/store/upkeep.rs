//! What the SQLite store does beside calls: keys changed, old rows removed, traces wiped.

use rusqlite::{Connection, params};

use super::{Old, StoreError, Trace};
use crate::auth::{FactorId, SubjectKey};
use crate::units::UnixTime;

pub(super) fn set_meta(connection: &Connection, name: &str, value: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(sql)?.execute(params![name, value])?;
    Ok(())
}

pub(super) fn rewrap(connection: &Connection, keys: &[(SubjectKey, Vec<u8>)]) -> Result<(), StoreError> {
    let mut update = connection.prepare_cached("UPDATE subjects SET wrapped_key = ?2 WHERE key = ?1")?;
    for (subject, wrapped) in keys {
        update.execute(params![subject.0, wrapped])?;
    }
    Ok(())
}

pub(super) fn key_uses(connection: &Connection, key_id: &str) -> Result<Vec<(FactorId, u64)>, StoreError> {
    let sql = "SELECT factor, count(*) FROM enrolments WHERE key_id = ?1 GROUP BY factor ORDER BY factor";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([key_id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let mut uses = Vec::new();
    for row in rows {
        let (name, count) = row?;
        // A factor that this version does not know must not look like none.
        let factor = FactorId::from_name(&name).ok_or(StoreError::Row)?;
        uses.push((factor, u64::try_from(count).map_err(|_| StoreError::Row)?));
    }
    Ok(uses)
}

pub(super) fn void(connection: &Connection, key_id: &str, factors: &[FactorId]) -> Result<(), StoreError> {
    let mut delete = connection.prepare_cached("DELETE FROM enrolments WHERE key_id = ?1 AND factor = ?2")?;
    for factor in factors {
        delete.execute(params![key_id, factor.name()])?;
    }
    Ok(())
}

pub(super) fn forget_traces(connection: &Connection, traces: &[Trace]) -> Result<(), StoreError> {
    let mut memories = connection.prepare_cached("DELETE FROM memories WHERE owner = ?1 AND until <= ?2")?;
    let sql = "UPDATE calls SET caller = NULL, caller_hash = NULL WHERE caller_hash = ?1 AND at <= ?2";
    let mut calls = connection.prepare_cached(sql)?;
    for trace in traces {
        memories.execute(params![trace.owner, trace.until.0])?;
        calls.execute(params![trace.caller, trace.at.0])?;
    }
    Ok(())
}

/// `secure_delete` zeroed the pages; old copies of them are in the write-ahead log, which is cut off here.
pub(super) fn scrub(connection: &Connection) -> Result<(), StoreError> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(StoreError::Busy) }
}

/// The table, which rows, and what becomes of them.
const fn plan(old: Old) -> (&'static str, &'static str, &'static str, UnixTime) {
    match old {
        Old::Calls(before) => ("calls", "at < ?1", "DELETE FROM calls", before),
        Old::Callers(before) => {
            let emptied = "UPDATE calls SET caller = NULL, caller_hash = NULL";
            ("calls", "caller_hash IS NOT NULL AND at < ?1", emptied, before)
        }
        Old::Memories(until) => ("memories", "until < ?1", "DELETE FROM memories", until),
        Old::Requests(before) => ("requests", "expires < ?1", "DELETE FROM requests", before),
        Old::Offers(before) => ("offers", "at < ?1", "DELETE FROM offers", before),
    }
}

pub(super) fn due(connection: &Connection, old: Old) -> Result<u64, StoreError> {
    let (table, which, _, at) = plan(old);
    let sql = format!("SELECT count(*) FROM {table} WHERE {which}");
    let count: i64 = connection.query_row(&sql, [at.0], |row| row.get(0))?;
    u64::try_from(count).map_err(|_| StoreError::Row)
}

pub(super) fn sweep(connection: &Connection, old: Old, most: u32) -> Result<u64, StoreError> {
    let (table, which, done, at) = plan(old);
    let names = match old {
        Old::Calls(_) | Old::Callers(_) => "id",
        Old::Memories(_) => "owner, name",
        Old::Requests(_) | Old::Offers(_) => "subject, factor",
    };
    let sql = format!("{done} WHERE ({names}) IN (SELECT {names} FROM {table} WHERE {which} LIMIT ?2)");
    let removed = connection.execute(&sql, params![at.0, most])?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}
