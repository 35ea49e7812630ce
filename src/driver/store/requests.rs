//! Codes and approvals that were sent: the newest of each subject and factor, ghosts' too.

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use crate::auth::factor::otp::{REQUEST_BYTES, Sends, WINDOW};
use crate::auth::{FactorId, SubjectKey};
use crate::units::{CallId, UnixTime};

/// The name of a request, random.
pub type RequestId = [u8; REQUEST_BYTES];

/// A code or an approval that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// To whom.
    pub subject: SubjectKey,
    /// For which factor.
    pub factor: FactorId,
    /// Its name.
    pub request: RequestId,
    /// What is kept of the code.
    pub tag: [u8; 32],
    /// In which call.
    pub call: CallId,
    /// Not good from here on.
    pub expires: UnixTime,
    /// How many there have been.
    pub generation: u32,
    /// It was right once, or must never be.
    pub used: bool,
    /// When those of the last hour were sent.
    pub sends: Sends,
    /// A keyed hash of the page's address, of what has a page.
    pub link: Option<[u8; 32]>,
    /// It was approved on its page.
    pub approved: bool,
}

/// What came with the schema of requests.
pub(super) const TABLE: &str = "
CREATE TABLE requests (
  subject BLOB NOT NULL, factor TEXT NOT NULL, request BLOB NOT NULL, tag BLOB NOT NULL, call INTEGER NOT NULL,
  expires INTEGER NOT NULL, generation INTEGER NOT NULL, used INTEGER NOT NULL, sends TEXT NOT NULL, link BLOB,
  approved INTEGER NOT NULL, PRIMARY KEY (subject, factor)
) WITHOUT ROWID;
CREATE INDEX requests_by_age ON requests (expires);
CREATE INDEX requests_by_link ON requests (link) WHERE link IS NOT NULL;
";

const COLUMNS: &str = "subject, factor, request, tag, call, expires, generation, used, sends, link, approved";

/// What was sent before this is of no interest any more, not even to those who count.
pub(super) fn forgotten(now: UnixTime) -> i64 {
    let window = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
    now.0.saturating_sub(window)
}

pub(super) fn newest(
    connection: &Connection,
    subject: SubjectKey,
    factor: FactorId,
) -> Result<Option<RequestRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM requests WHERE subject = ?1 AND factor = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row(params![subject.0, factor.name()], raw).optional()?.map(read).transpose()
}

pub(super) fn linked(connection: &Connection, link: &[u8; 32]) -> Result<Option<RequestRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM requests WHERE link = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row(params![link], raw).optional()?.map(read).transpose()
}

pub(super) fn keep(connection: &Connection, row: &RequestRow, now: UnixTime) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM requests WHERE expires < ?1")?.execute([forgotten(now)])?;
    let sends = serde_json::to_string(&row.sends).map_err(|_| StoreError::Row)?;
    let sql = "INSERT OR REPLACE INTO requests VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let values = params![
        row.subject.0,
        row.factor.name(),
        row.request,
        row.tag,
        row.call.0.cast_signed(),
        row.expires.0,
        row.generation,
        row.used,
        sends,
        row.link,
        row.approved,
    ];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The compare-and-set that makes a code single use.
pub(super) fn spend(
    connection: &Connection,
    (subject, factor): (SubjectKey, FactorId),
    request: &RequestId,
    now: UnixTime,
    right: bool,
) -> Result<bool, StoreError> {
    let sql = "UPDATE requests SET used = 1, sends = CASE ?5 WHEN 1 THEN '[]' ELSE sends END \
               WHERE subject = ?1 AND factor = ?2 AND request = ?3 AND used = 0 AND expires > ?4";
    let values = params![subject.0, factor.name(), request, now.0, right];
    Ok(connection.prepare_cached(sql)?.execute(values)? == 1)
}

pub(super) fn approve(
    connection: &Connection,
    request: &RequestId,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let sql = "UPDATE requests SET approved = 1 \
               WHERE request = ?1 AND used = 0 AND approved = 0 AND link IS NOT NULL AND expires > ?2";
    Ok(connection.prepare_cached(sql)?.execute(params![request, now.0])? == 1)
}

pub(super) fn erase(connection: &Connection, subject: SubjectKey) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM requests WHERE subject = ?1")?.execute([subject.0])?;
    Ok(())
}

/// A row as SQLite has it: the names are not looked at yet.
type Raw = (RequestRow, String, String);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    let call: i64 = row.get(4)?;
    let read = RequestRow {
        subject: SubjectKey(row.get(0)?),
        factor: FactorId::OtpSms,
        request: row.get(2)?,
        tag: row.get(3)?,
        call: CallId(call.cast_unsigned()),
        expires: UnixTime(row.get(5)?),
        generation: row.get(6)?,
        used: row.get(7)?,
        sends: Sends::default(),
        link: row.get(9)?,
        approved: row.get(10)?,
    };
    Ok((read, row.get(1)?, row.get(8)?))
}

fn read((row, factor, sends): Raw) -> Result<RequestRow, StoreError> {
    let factor = FactorId::from_name(&factor).ok_or(StoreError::Row)?;
    // Counters that can't be read must not count as none.
    let sends = serde_json::from_str(&sends).map_err(|_| StoreError::Row)?;
    Ok(RequestRow { factor, sends, ..row })
}
