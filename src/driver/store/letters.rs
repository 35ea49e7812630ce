//! Letters that were sent, or pretended: what the budgets are counted by, and what became of each. No text and no
//! address is here: an address is a keyed hash.

use std::sync::MutexGuard;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::StoreError;
use super::memory::MemoryStore;
use super::sqlite::SqliteStore;
use crate::auth::SubjectKey;
use crate::driver::sender::{Budgets, Channel, LetterId, Purpose, Scope, Status};
use crate::units::UnixTime;

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterRow {
    /// Its name.
    pub id: LetterId,
    /// When it was taken.
    pub at: UnixTime,
    /// Its way.
    pub channel: Channel,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub subject: SubjectKey,
    /// A keyed hash of the address.
    pub address: [u8; 32],
    /// A keyed hash of all of it, for letters that are not sent twice. Never of one with a code.
    pub same: Option<[u8; 32]>,
    /// What became of it.
    pub status: Status,
    /// When that was.
    pub changed: UnixTime,
    /// Who sent it.
    pub sender: Option<String>,
    /// What its provider calls it.
    pub reference: Option<String>,
    /// Why it failed, without a word of what it said and to whom.
    pub reason: Option<String>,
}

/// Whether a letter may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may, and counts from now on.
    New,
    /// The same letter was taken moments ago.
    Again(LetterId),
    /// A budget is spent.
    Spent(Scope),
}

/// What a letter has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move<'a> {
    /// When.
    pub at: UnixTime,
    /// What it is now.
    pub status: Status,
    /// By whom; as it was when `None`.
    pub sender: Option<&'a str>,
    /// What its provider calls it; as it was when `None`.
    pub reference: Option<&'a str>,
    /// Why, when it failed.
    pub reason: Option<&'a str>,
}

/// The part of a store that counts letters.
pub trait LetterStore {
    /// Counts a letter unless a budget is spent, and keeps it. What is older than [`KEPT`] goes.
    ///
    /// # Errors
    /// [`StoreError`], as for all methods.
    fn take_letter(&self, row: &LetterRow, budgets: &Budgets) -> Result<Taken, StoreError>;
    /// Notes what became of a letter. What is final stays as it is, and a sender moves letters that it has in hand or
    /// had, and no other's: `queued` hands one over. Says whether anything changed.
    fn move_letter(&self, id: LetterId, to: &Move<'_>) -> Result<bool, StoreError>;
    /// The letter that a sender's provider calls so.
    fn letter_called(&self, sender: &str, reference: &str) -> Result<Option<LetterId>, StoreError>;
    /// Letters that were queued when the engine ended: those that no sender had in hand were not sent, of the others
    /// nobody knows. Says how many of both.
    fn abandon_letters(&self, now: UnixTime) -> Result<usize, StoreError>;
    /// The last letters, the newest first; pretended ones are not among them.
    fn letters(&self, limit: u32) -> Result<Vec<LetterRow>, StoreError>;
    /// Forgets the letters of a subject.
    fn forget_letters(&self, subject: SubjectKey) -> Result<(), StoreError>;
}

/// How long letters are kept: longer than every budget's time, long enough to ask a provider about one.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Letters to subjects that do not exist: the budgets of more of them are forgotten, the oldest first.
pub const MOST_PRETENDED: u32 = 100_000;
/// The same notice within this time is one.
pub const SAME: Duration = Duration::from_secs(60);
/// The reason of letters that the end of the engine left behind.
pub(in crate::driver) const ENDED: &str = "the engine ended before it was sent";
/// The reason of letters that a sender had in hand then.
const IN_HAND: &str = "the engine ended while the sender had it in hand";

/// What came with schema 6.
pub(super) const LETTERS: &str = "
CREATE TABLE letters (
  id BLOB PRIMARY KEY, at INTEGER NOT NULL, channel TEXT NOT NULL, purpose TEXT NOT NULL, subject BLOB NOT NULL,
  address BLOB NOT NULL, same BLOB, status TEXT NOT NULL, changed INTEGER NOT NULL, sender TEXT, reference TEXT,
  reason TEXT
) WITHOUT ROWID;
CREATE INDEX letters_by_age ON letters (at);
CREATE INDEX letters_by_subject ON letters (subject, at);
CREATE INDEX letters_by_address ON letters (address, at);
CREATE INDEX letters_by_reference ON letters (sender, reference);
";

const ALL: &str = "SELECT id, at, channel, purpose, subject, address, same, status, changed, sender, reference, reason \
                   FROM letters";

fn earlier(now: UnixTime, by: Duration) -> i64 {
    now.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

fn named<T>(row: &Row<'_>, at: usize, read: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    read(&text).ok_or_else(|| rusqlite::Error::InvalidColumnType(at, text, Type::Text))
}

fn letter(row: &Row<'_>) -> rusqlite::Result<LetterRow> {
    Ok(LetterRow {
        id: LetterId(row.get(0)?),
        at: UnixTime(row.get(1)?),
        channel: named(row, 2, Channel::named)?,
        purpose: named(row, 3, |name| Purpose::ALL.into_iter().find(|purpose| purpose.name() == name))?,
        subject: SubjectKey(row.get(4)?),
        address: row.get(5)?,
        same: row.get(6)?,
        status: named(row, 7, Status::named)?,
        changed: UnixTime(row.get(8)?),
        sender: row.get(9)?,
        reference: row.get(10)?,
        reason: row.get(11)?,
    })
}

fn count(
    connection: &Connection,
    row: &LetterRow,
    scope: Scope,
    within: Duration,
) -> Result<u32, StoreError> {
    // A letter of the future, by a clock that was put back, counts too.
    let after = earlier(row.at, within);
    Ok(match scope {
        Scope::Address => {
            let sql = "SELECT count(*) FROM letters WHERE address = ?1 AND at > ?2";
            connection.prepare_cached(sql)?.query_row(params![row.address, after], |row| row.get(0))?
        }
        Scope::Subject => {
            let sql = "SELECT count(*) FROM letters WHERE subject = ?1 AND at > ?2";
            connection.prepare_cached(sql)?.query_row(params![row.subject.0, after], |row| row.get(0))?
        }
        Scope::Engine => {
            let sql = "SELECT count(*) FROM letters WHERE at > ?1 AND channel = ?2 AND status <> 'pretended'";
            let values = params![after, row.channel.name()];
            connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?
        }
    })
}

fn forget_old(connection: &Connection, row: &LetterRow) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM letters WHERE at < ?1")?.execute([earlier(row.at, KEPT)])?;
    // Now and then, by the letter's name, which is random, and not by whether it is pretended: it takes its time.
    if row.id.0.first() == Some(&0) {
        let sql = "DELETE FROM letters WHERE status = 'pretended' AND at <= \
                   (SELECT at FROM letters WHERE status = 'pretended' ORDER BY at DESC LIMIT 1 OFFSET ?1)";
        connection.prepare_cached(sql)?.execute([MOST_PRETENDED])?;
    }
    Ok(())
}

impl LetterStore for SqliteStore {
    fn take_letter(&self, row: &LetterRow, budgets: &Budgets) -> Result<Taken, StoreError> {
        self.write(|transaction| {
            forget_old(transaction, row)?;
            if let Some(same) = row.same {
                let sql = "SELECT id FROM letters WHERE address = ?1 AND at > ?2 AND same = ?3";
                let values = params![row.address, earlier(row.at, SAME), same];
                let found =
                    transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
                if let Some(id) = found {
                    return Ok(Taken::Again(LetterId(id)));
                }
            }
            for budget in budgets.all() {
                if count(transaction, row, budget.scope, budget.within)? >= budget.most {
                    return Ok(Taken::Spent(budget.scope));
                }
            }
            let sql = "INSERT INTO letters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
            transaction.prepare_cached(sql)?.execute(params![
                row.id.0,
                row.at.0,
                row.channel.name(),
                row.purpose.name(),
                row.subject.0,
                row.address,
                row.same,
                row.status.name(),
                row.changed.0,
                row.sender,
                row.reference,
                row.reason
            ])?;
            Ok(Taken::New)
        })
    }

    fn move_letter(&self, id: LetterId, to: &Move<'_>) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let sql = "UPDATE letters SET status = ?2, changed = ?3, sender = coalesce(?4, sender), \
                       reference = coalesce(?5, reference), reason = ?6 \
                       WHERE id = ?1 AND (?4 IS NULL OR ?2 = 'queued' OR sender = ?4) AND (status = 'queued' OR \
                       (status IN ('accepted', 'unknown') AND ?2 <> 'queued'))";
            let values = params![id.0, to.status.name(), to.at.0, to.sender, to.reference, to.reason];
            Ok(transaction.prepare_cached(sql)?.execute(values)? == 1)
        })
    }

    fn letter_called(&self, sender: &str, reference: &str) -> Result<Option<LetterId>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT id FROM letters WHERE sender = ?1 AND reference = ?2 ORDER BY at DESC LIMIT 1";
        let mut statement = connection.prepare_cached(sql)?;
        let found = statement.query_row([sender, reference], |row| row.get(0)).optional()?;
        Ok(found.map(LetterId))
    }

    fn abandon_letters(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let sql = "UPDATE letters SET changed = ?1, \
                       status = CASE WHEN sender IS NULL OR reason IS NOT NULL THEN 'failed' ELSE 'unknown' END, \
                       reason = CASE WHEN sender IS NULL OR reason IS NOT NULL THEN ?2 ELSE ?3 END \
                       WHERE status = 'queued'";
            Ok(transaction.prepare_cached(sql)?.execute(params![now.0, ENDED, IN_HAND])?)
        })
    }

    fn letters(&self, limit: u32) -> Result<Vec<LetterRow>, StoreError> {
        let connection = self.connection();
        let sql = format!("{ALL} WHERE status <> 'pretended' ORDER BY at DESC, id LIMIT ?1");
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([limit], letter)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn forget_letters(&self, subject: SubjectKey) -> Result<(), StoreError> {
        self.write(|transaction| {
            let sql = "DELETE FROM letters WHERE subject = ?1";
            transaction.prepare_cached(sql)?.execute([subject.0])?;
            Ok(())
        })
    }
}

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, Vec<LetterRow>> {
        self.letters.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl LetterStore for MemoryStore {
    fn take_letter(&self, row: &LetterRow, budgets: &Budgets) -> Result<Taken, StoreError> {
        let mut kept = self.kept();
        kept.retain(|other| other.at.0 >= earlier(row.at, KEPT));
        let same = kept
            .iter()
            .find(|other| row.same.is_some() && other.same == row.same && other.at.0 > earlier(row.at, SAME));
        if let Some(same) = same {
            return Ok(Taken::Again(same.id));
        }
        for budget in budgets.all() {
            let counts = |other: &&LetterRow| {
                other.at.0 > earlier(row.at, budget.within)
                    && match budget.scope {
                        Scope::Address => other.address == row.address,
                        Scope::Subject => other.subject == row.subject,
                        Scope::Engine => other.channel == row.channel && other.status != Status::Pretended,
                    }
            };
            let counted = kept.iter().filter(counts).count();
            if u32::try_from(counted).unwrap_or(u32::MAX) >= budget.most {
                return Ok(Taken::Spent(budget.scope));
            }
        }
        kept.push(row.clone());
        Ok(Taken::New)
    }

    fn move_letter(&self, id: LetterId, to: &Move<'_>) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let may = |row: &&mut LetterRow| match row.status {
            Status::Queued => true,
            Status::Accepted | Status::Unknown => to.status != Status::Queued,
            _ => false,
        };
        let its = |row: &&mut LetterRow| {
            to.sender.is_none() || to.status == Status::Queued || row.sender.as_deref() == to.sender
        };
        let row = kept.iter_mut().find(|row| row.id == id).filter(may).filter(its);
        let Some(row) = row else { return Ok(false) };
        (row.status, row.changed) = (to.status, to.at);
        row.sender = to.sender.map(str::to_owned).or(row.sender.take());
        row.reference = to.reference.map(str::to_owned).or(row.reference.take());
        row.reason = to.reason.map(str::to_owned);
        Ok(true)
    }

    fn letter_called(&self, sender: &str, reference: &str) -> Result<Option<LetterId>, StoreError> {
        let kept = self.kept();
        let called = |row: &&LetterRow| {
            row.sender.as_deref() == Some(sender) && row.reference.as_deref() == Some(reference)
        };
        Ok(kept.iter().rev().find(called).map(|row| row.id))
    }

    fn abandon_letters(&self, now: UnixTime) -> Result<usize, StoreError> {
        let mut kept = self.kept();
        let mut count = 0;
        for row in kept.iter_mut().filter(|row| row.status == Status::Queued) {
            // One that a sender gave back has a reason.
            let in_hand = row.sender.is_some() && row.reason.is_none();
            let (status, reason) = if in_hand { (Status::Unknown, IN_HAND) } else { (Status::Failed, ENDED) };
            (row.status, row.changed, row.reason) = (status, now, Some(reason.to_owned()));
            count += 1;
        }
        Ok(count)
    }

    fn letters(&self, limit: u32) -> Result<Vec<LetterRow>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut all: Vec<LetterRow> =
            self.kept().iter().filter(|row| row.status != Status::Pretended).cloned().collect();
        all.sort_by_key(|row| (std::cmp::Reverse(row.at), row.id));
        all.truncate(limit);
        Ok(all)
    }

    fn forget_letters(&self, subject: SubjectKey) -> Result<(), StoreError> {
        self.kept().retain(|row| row.subject != subject);
        Ok(())
    }
}
