//! A subject's row and what it is found by, in SQLite.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Identifier, StoreError, SubjectRow};
use crate::auth::SubjectKey;

pub(super) fn add(connection: &Connection, row: &SubjectRow) -> Result<(), StoreError> {
    let unique = row.identifiers.iter().filter(|(kind, _)| *kind != Identifier::Phone);
    for (kind, hash) in unique {
        let mut taken =
            connection.prepare_cached("SELECT 1 FROM identifiers WHERE kind = ?1 AND hash = ?2")?;
        if taken.exists(params![kind.name(), hash])? {
            return Err(StoreError::Taken(*kind));
        }
    }
    let values = params![row.key.0, row.wrapped_key, row.profile];
    connection.prepare_cached("INSERT INTO subjects VALUES (?1, ?2, ?3)")?.execute(values)?;
    for (kind, hash) in &row.identifiers {
        let values = params![kind.name(), hash, row.key.0];
        connection.prepare_cached("INSERT INTO identifiers VALUES (?1, ?2, ?3)")?.execute(values)?;
    }
    Ok(())
}

pub(super) fn read(connection: &Connection, key: SubjectKey) -> Result<Option<SubjectRow>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT wrapped_key, profile FROM subjects WHERE key = ?1")?;
    let found: Option<(Vec<u8>, Vec<u8>)> =
        statement.query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((wrapped_key, profile)) = found else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT kind, hash FROM identifiers WHERE subject = ?1")?;
    let rows = statement.query_map([key.0], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut identifiers = Vec::new();
    for row in rows {
        let (name, hash) = row?;
        let kinds = [Identifier::Id, Identifier::Account, Identifier::Phone];
        let kind = kinds.into_iter().find(|kind| kind.name() == name).ok_or(StoreError::Row)?;
        identifiers.push((kind, hash));
    }
    identifiers.sort_unstable();
    Ok(Some(SubjectRow { key, wrapped_key, profile, identifiers }))
}
