//! The counters of failures in SQLite: one row for each subject and for each place that failures come from.
//! Rows that count nothing any more go with the next attempt.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Place, Reservation, StoreError};
use crate::auth::tally::{self, Tally};
use crate::auth::throttle::{Attempt, Throttle};
use crate::auth::{FactorId, Lockout, SubjectKey};
use crate::units::UnixTime;

/// Counters of claims that nobody stands behind go after so long: well beyond every window and lock.
const GHOSTS_KEPT_MILLIS: i64 = 31 * 24 * 3600 * 1000;

/// Counts an attempt as a failure of its subject and of the places it comes from.
pub(super) fn reserve(
    connection: &Connection,
    subject: SubjectKey,
    now: UnixTime,
    attempt: Attempt,
    limits: &Lockout,
    places: &[Place],
) -> Result<Reservation, StoreError> {
    let sql = "DELETE FROM throttles WHERE updated < ?1 AND subject NOT IN (SELECT key FROM subjects)";
    connection.prepare_cached(sql)?.execute([now.0.saturating_sub(GHOSTS_KEPT_MILLIS)])?;
    connection.prepare_cached("DELETE FROM tallies WHERE ends <= ?1")?.execute([now.0])?;
    let before = throttle_of(connection, subject)?;
    let mut throttle = before.clone();
    let mut counts = Vec::with_capacity(places.len());
    for place in places {
        counts.push((tally_of(connection, place)?, place.limit));
    }
    let counted = tally::reserve(&mut throttle, &mut counts, now, attempt, limits);
    // Written when refused too, so that who is locked out waits as long.
    set_throttle(connection, subject, &throttle, Some(now))?;
    for (place, (tally, _)) in places.iter().zip(&counts) {
        set_tally(connection, place, tally)?;
    }
    Ok(Reservation { counted, before, at: now, places: places.to_vec() })
}

/// The attempt was right: it counts neither for the subject nor for a place.
pub(super) fn succeeded(
    connection: &Connection,
    subject: SubjectKey,
    factor: FactorId,
    reserved: &Reservation,
) -> Result<(), StoreError> {
    let mut throttle = throttle_of(connection, subject)?;
    throttle.succeeded(&reserved.before, factor);
    set_throttle(connection, subject, &throttle, None)?;
    for place in &reserved.places {
        let mut tally = tally_of(connection, place)?;
        tally.give_back(reserved.at, &place.limit);
        set_tally(connection, place, &tally)?;
    }
    Ok(())
}

pub(super) fn tally_of(connection: &Connection, place: &Place) -> Result<Tally, StoreError> {
    let mut statement = connection.prepare_cached("SELECT state FROM tallies WHERE place = ?1")?;
    let state: Option<String> = statement.query_row([place.key], |row| row.get(0)).optional()?;
    state
        .map_or_else(|| Ok(Tally::default()), |json| serde_json::from_str(&json).map_err(|_| StoreError::Row))
}

fn set_tally(connection: &Connection, place: &Place, tally: &Tally) -> Result<(), StoreError> {
    let json = serde_json::to_string(tally).map_err(|_| StoreError::Row)?;
    let sql = "INSERT OR REPLACE INTO tallies VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![place.key, json, tally.over(&place.limit).0])?;
    Ok(())
}

pub(super) fn throttle_of(connection: &Connection, subject: SubjectKey) -> Result<Throttle, StoreError> {
    let mut statement = connection.prepare_cached("SELECT state FROM throttles WHERE subject = ?1")?;
    let state: Option<String> = statement.query_row([subject.0], |row| row.get(0)).optional()?;
    // A counter that can't be read must not count as none.
    state.map_or_else(
        || Ok(Throttle::default()),
        |json| serde_json::from_str(&json).map_err(|_| StoreError::Row),
    )
}

pub(super) fn set_throttle(
    connection: &Connection,
    subject: SubjectKey,
    throttle: &Throttle,
    now: Option<UnixTime>,
) -> Result<(), StoreError> {
    // Who has never failed has no row, as somebody who is not there: a row takes its time to read.
    if *throttle == Throttle::default() {
        connection.prepare_cached("DELETE FROM throttles WHERE subject = ?1")?.execute([subject.0])?;
        return Ok(());
    }
    let json = serde_json::to_string(throttle).map_err(|_| StoreError::Row)?;
    let sql = "INSERT INTO throttles VALUES (?1, ?2, coalesce(?3, 0)) ON CONFLICT (subject) \
               DO UPDATE SET state = excluded.state, updated = coalesce(?3, updated)";
    connection.prepare_cached(sql)?.execute(params![subject.0, json, now.map(|n| n.0)])?;
    Ok(())
}
