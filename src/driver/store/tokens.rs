//! Tokens of programs that use the API: a keyed hash of each, and what it may do, sealed.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::StoreError;
use super::memory::MemoryStore;
use super::sqlite::SqliteStore;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its name, which is no secret.
    pub id: String,
    /// A keyed hash of it.
    pub hash: [u8; 32],
    /// Whose it is, what it may do and until when, sealed.
    pub sealed: Vec<u8>,
}

/// The part of a store that keeps tokens. They are changed by [`super::Change::KeepTokens`]
/// and [`super::Change::RotateToken`].
pub trait TokenStore {
    /// A token by its name.
    ///
    /// # Errors
    /// [`StoreError`], as for all methods.
    fn token(&self, id: &str) -> Result<Option<TokenRow>, StoreError>;
    /// All tokens, in the order of their names.
    fn tokens(&self) -> Result<Vec<TokenRow>, StoreError>;
}

/// What came with the schema of tokens.
pub(super) const TABLE: &str =
    "CREATE TABLE tokens (id TEXT PRIMARY KEY, hash BLOB NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;";

pub(super) fn keep(connection: &Connection, rows: &[TokenRow]) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO tokens VALUES (?1, ?2, ?3)")?;
    for row in rows {
        insert.execute(params![row.id, row.hash, row.sealed])?;
    }
    Ok(())
}

pub(super) fn rotate(
    connection: &Connection,
    before: &TokenRow,
    after: &TokenRow,
    new: &TokenRow,
) -> Result<bool, StoreError> {
    let sql = "UPDATE tokens SET sealed = ?3 WHERE id = ?1 AND sealed = ?2";
    let changed = connection.prepare_cached(sql)?.execute(params![before.id, before.sealed, after.sealed])?;
    if changed == 1 {
        keep(connection, std::slice::from_ref(new))?;
    }
    Ok(changed == 1)
}

fn read(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow { id: row.get(0)?, hash: row.get(1)?, sealed: row.get(2)? })
}

impl TokenStore for SqliteStore {
    fn token(&self, id: &str) -> Result<Option<TokenRow>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT id, hash, sealed FROM tokens WHERE id = ?1")?;
        Ok(statement.query_row([id], read).optional()?)
    }

    fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT id, hash, sealed FROM tokens ORDER BY id")?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl TokenStore for MemoryStore {
    fn token(&self, id: &str) -> Result<Option<TokenRow>, StoreError> {
        Ok(self.tables().tokens.get(id).cloned())
    }

    fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        Ok(self.tables().tokens.values().cloned().collect())
    }
}
