//! Long lists, a page at a time.

use rusqlite::params;

use super::memory::MemoryStore;
use super::sqlite::{SqliteStore, call_row};
use super::{CallRow, StoreError};
use crate::auth::SubjectKey;

/// The part of a store that gives lists by the page.
pub trait Pages {
    /// Subjects behind this one, in the order of their pseudonyms.
    ///
    /// # Errors
    /// [`StoreError`], as for all methods.
    fn subjects_after(&self, after: Option<SubjectKey>, limit: u32) -> Result<Vec<SubjectKey>, StoreError>;
    /// Call records that were stored before the one of this number, newest first, with their numbers.
    fn calls_before(&self, before: Option<i64>, limit: u32) -> Result<Vec<(i64, CallRow)>, StoreError>;
    /// Call records that were stored behind the one of this number, oldest first, with their numbers.
    fn calls_after(&self, after: i64, limit: u32) -> Result<Vec<(i64, CallRow)>, StoreError>;
    /// Notes a small value, in the place of what was noted under this name.
    fn set_note(&self, name: &str, value: &[u8]) -> Result<(), StoreError>;
}

impl Pages for SqliteStore {
    fn subjects_after(&self, after: Option<SubjectKey>, limit: u32) -> Result<Vec<SubjectKey>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT key FROM subjects WHERE key > ?1 ORDER BY key LIMIT ?2";
        let mut statement = connection.prepare_cached(sql)?;
        // Every key is behind the empty one.
        let after = after.map_or_else(Vec::new, |key| key.0.to_vec());
        let rows = statement.query_map(params![after, limit], |row| row.get(0).map(SubjectKey))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn calls_before(&self, before: Option<i64>, limit: u32) -> Result<Vec<(i64, CallRow)>, StoreError> {
        let connection = self.connection();
        let sql =
            "SELECT at, record, caller_hash, caller, id FROM calls WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let values = params![before.unwrap_or(i64::MAX), limit];
        let rows = statement.query_map(values, |row| Ok((row.get(4)?, call_row(row)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn calls_after(&self, after: i64, limit: u32) -> Result<Vec<(i64, CallRow)>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT at, record, caller_hash, caller, id FROM calls WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![after, limit], |row| Ok((row.get(4)?, call_row(row)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn set_note(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.connection().prepare_cached(sql)?.execute(params![name, value])?;
        Ok(())
    }
}

impl Pages for MemoryStore {
    fn subjects_after(&self, after: Option<SubjectKey>, limit: u32) -> Result<Vec<SubjectKey>, StoreError> {
        let tables = self.tables();
        let behind = tables.subjects.keys().filter(|key| after.is_none_or(|after| **key > after));
        Ok(behind.copied().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
    }

    fn calls_before(&self, before: Option<i64>, limit: u32) -> Result<Vec<(i64, CallRow)>, StoreError> {
        let tables = self.tables();
        let count = i64::try_from(tables.calls.len()).unwrap_or(i64::MAX);
        let numbered = (1..=count).rev().zip(tables.calls.iter().rev());
        let earlier = numbered.filter(|(number, _)| before.is_none_or(|before| *number < before));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(earlier.take(limit).map(|(number, row)| (number, row.clone())).collect())
    }

    fn calls_after(&self, after: i64, limit: u32) -> Result<Vec<(i64, CallRow)>, StoreError> {
        let tables = self.tables();
        let later = (1..).zip(&tables.calls).filter(|(number, _)| *number > after);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(later.take(limit).map(|(number, row)| (number, row.clone())).collect())
    }

    fn set_note(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.tables().meta.insert(name.to_owned(), value.to_vec());
        Ok(())
    }
}
