//! What subjects have enrolled and on file: the statements of the SQLite store that change it.

use rusqlite::{Connection, OptionalExtension, params};

use super::counters::{self, set_throttle, throttle_of};
use super::{EnrolmentRow, Reservation, StoreError, SubjectRow};
use crate::auth::throttle::Throttle;
use crate::auth::{FactorId, SubjectKey};
use crate::units::UnixTime;

pub(super) fn update(connection: &Connection, row: &SubjectRow) -> Result<bool, StoreError> {
    let sql = "UPDATE subjects SET profile = ?2 WHERE key = ?1";
    if connection.prepare_cached(sql)?.execute(params![row.key.0, row.profile])? != 1 {
        return Ok(false);
    }
    connection.prepare_cached("DELETE FROM identifiers WHERE subject = ?1")?.execute([row.key.0])?;
    for (kind, hash) in &row.identifiers {
        let values = params![kind.name(), hash, row.key.0];
        connection.prepare_cached("INSERT INTO identifiers VALUES (?1, ?2, ?3)")?.execute(values)?;
    }
    connection.prepare_cached("UPDATE requests SET used = 1 WHERE subject = ?1")?.execute([row.key.0])?;
    Ok(true)
}

pub(super) fn succeed(
    connection: &Connection,
    (subject, factor): (SubjectKey, FactorId),
    reserved: &Reservation,
    of: Option<&[u8]>,
    step: Option<u64>,
    (renewed, key_id): (Option<&[u8]>, Option<&str>),
) -> Result<bool, StoreError> {
    let step = step.map(i64::try_from).transpose().map_err(|_| StoreError::Row)?;
    // The compare-and-set that makes a one-time code single use, and lets nothing old come back over what was
    // enrolled while it was judged.
    let sql = "UPDATE enrolments SET last_step = coalesce(?3, last_step), data = coalesce(?4, data), \
               key_id = coalesce(?5, key_id) \
               WHERE subject = ?1 AND factor = ?2 AND (?6 IS NULL OR data = ?6) \
               AND (?3 IS NULL OR last_step IS NULL OR last_step < ?3)";
    let values = params![subject.0, factor.name(), step, renewed, key_id, of];
    if connection.prepare_cached(sql)?.execute(values)? != 1 {
        return Ok(false);
    }
    counters::succeeded(connection, subject, factor, reserved)?;
    Ok(true)
}

pub(super) fn enrol(connection: &Connection, row: &EnrolmentRow) -> Result<(), StoreError> {
    keep(connection, row)?;
    // What was handed out before is not to be confirmed any more.
    let sql = "DELETE FROM offers WHERE subject = ?1 AND factor = ?2";
    connection.prepare_cached(sql)?.execute(params![row.subject.0, row.factor.name()])?;
    let mut throttle = throttle_of(connection, row.subject)?;
    throttle.enrolled(row.factor);
    set_throttle(connection, row.subject, &throttle, None)
}

/// Takes a factor away, and what was handed out of it.
pub(super) fn remove(
    connection: &Connection,
    subject: SubjectKey,
    factor: FactorId,
) -> Result<bool, StoreError> {
    let values = params![subject.0, factor.name()];
    let mut gone = 0;
    for table in ["enrolments", "offers"] {
        let sql = format!("DELETE FROM {table} WHERE subject = ?1 AND factor = ?2");
        gone += connection.prepare_cached(&sql)?.execute(values)?;
    }
    Ok(gone > 0)
}

pub(super) fn keep(connection: &Connection, row: &EnrolmentRow) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO enrolments VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![row.subject.0, row.factor.name(), row.data, row.key_id, step(row)?];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// What was handed out stands in the place of what was before.
pub(super) fn offer(connection: &Connection, row: &EnrolmentRow, at: UnixTime) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO offers VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![row.subject.0, row.factor.name(), row.data, row.key_id, step(row)?, at.0];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn step(row: &EnrolmentRow) -> Result<Option<i64>, StoreError> {
    row.last_step.map(i64::try_from).transpose().map_err(|_| StoreError::Row)
}

pub(super) fn read(
    connection: &Connection,
    table: &'static str,
    subject: SubjectKey,
    factor: FactorId,
) -> Result<Option<EnrolmentRow>, StoreError> {
    let sql = format!("SELECT data, key_id, last_step FROM {table} WHERE subject = ?1 AND factor = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement.query_row(params![subject.0, factor.name()], |row| {
        let last_step: Option<i64> = row.get(2)?;
        let last_step = last_step.and_then(|step| u64::try_from(step).ok());
        Ok(EnrolmentRow { subject, factor, data: row.get(0)?, key_id: row.get(1)?, last_step })
    });
    Ok(row.optional()?)
}

/// Other data for what is enrolled or was handed out, if it is still what was judged.
pub(super) fn renew(
    connection: &Connection,
    table: &'static str,
    (subject, factor): (SubjectKey, FactorId),
    of: &[u8],
    data: &[u8],
) -> Result<bool, StoreError> {
    let sql = format!("UPDATE {table} SET data = ?3 WHERE subject = ?1 AND factor = ?2 AND data = ?4");
    Ok(connection.prepare_cached(&sql)?.execute(params![subject.0, factor.name(), data, of])? == 1)
}

pub(super) fn confirm(
    connection: &Connection,
    row: &EnrolmentRow,
    before: &Throttle,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM offers WHERE subject = ?1 AND factor = ?2 AND data = ?3";
    let values = params![row.subject.0, row.factor.name(), row.data];
    if connection.prepare_cached(sql)?.execute(values)? != 1 {
        return Ok(false);
    }
    keep(connection, row)?;
    // What was handed out before is not to be confirmed any more.
    let sql = "DELETE FROM offers WHERE subject = ?1 AND factor = ?2";
    connection.prepare_cached(sql)?.execute(params![row.subject.0, row.factor.name()])?;
    let mut throttle = throttle_of(connection, row.subject)?;
    throttle.succeeded(before, row.factor);
    set_throttle(connection, row.subject, &throttle, None)?;
    Ok(true)
}

pub(super) fn admit(
    connection: &Connection,
    subject: SubjectKey,
    factor: FactorId,
    reserved: &Reservation,
) -> Result<bool, StoreError> {
    if !connection.prepare_cached("SELECT 1 FROM subjects WHERE key = ?1")?.exists([subject.0])? {
        return Ok(false);
    }
    counters::succeeded(connection, subject, factor, reserved)?;
    Ok(true)
}
