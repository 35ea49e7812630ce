//! The audit log: a file of lines, each with a MAC over itself and the MAC before it.
//!
//! ```text
//! {"seq":7,"at":"2026-11-22T09:30:00.120Z","call":"…","subject":"…","event":"verified",…,"mac":"…"}
//! ```
//!
//! The head (last number, MAC, length) also lies in the database and moves in the same transaction as the
//! change it records, so that a cut tail is noticed. A record that reached the file while its transaction
//! did not is taken over at the next append or start; a line that a crash left half written is removed.

mod actor;
mod base;
pub mod checkpoint;
mod reading;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::base::Base;
use super::seal::{Key, keyed_hash};
use crate::auth::{AuditEvent, AuditKind};
use crate::units::UnixTime;

pub(crate) use actor::{acting_as, current as acting};
pub(crate) use base::Cut;

/// The file in the data folder.
pub const AUDIT_FILE: &str = "audit.jsonl";

/// How far the log is known to reach.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Its MAC in hexadecimal; empty before the first.
    pub mac: String,
    /// Bytes of the file up to and with it.
    pub length: u64,
}

/// The log's file and key.
pub struct AuditLog {
    path: PathBuf,
    key: Key,
}

/// Why nothing was written, or the log can't be trusted.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The file can't be read or written.
    #[error("the audit log {path} can't be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was changed.
    #[error(
        "the audit log {path} was changed: {record}\n  help: keep a copy of the file, run `countersign audit verify`, and \
         put the log back from your backup"
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The first record that is wrong.
        record: BadRecord,
    },
}

/// The first record that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, record {seq}: {why}")]
pub struct BadRecord {
    /// The line in the file, counted from 1.
    pub line: u64,
    /// The number that the record there should have.
    pub seq: u64,
    /// What is wrong.
    pub why: BadBecause,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadBecause {
    /// The MAC does not fit the text and the record before.
    #[error("it was changed, or not written by this engine")]
    Mac,
    /// Another number: records were removed, inserted or moved.
    #[error("it says it is record {found}: records were removed, inserted or moved")]
    Order {
        /// The number found.
        found: u64,
    },
    /// The line has another form.
    #[error("it is not a record")]
    Form,
    /// The file ends before it.
    #[error("it is missing: the end of the file was cut off")]
    Missing,
}

#[derive(Serialize)]
struct Record<'a> {
    seq: u64,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(flatten)]
    kind: &'a AuditKind,
}

/// Bytes that are checked at every start: some 250 records.
const LOOK_BACK: u64 = 64 * 1024;
const MAC_FIELD: &str = ",\"mac\":\"";
const MAC_DIGITS: usize = 64;

impl AuditLog {
    /// For a data folder. Touches no file.
    #[must_use]
    pub(crate) fn new(data: &Path, key: Key) -> Self {
        Self { path: data.join(AUDIT_FILE), key }
    }

    /// Writes events behind `head` and brings them to the disk. The caller holds the database's write
    /// transaction, which is what keeps two writers apart, and stores the returned head in it.
    pub(crate) fn append(
        &self,
        head: &Head,
        at: UnixTime,
        events: &[AuditEvent],
    ) -> Result<Head, AuditError> {
        let mut file = self.file()?;
        let before = self.reconciled(&mut file, head.clone())?;
        let mut after = before.clone();
        let mut text = String::new();
        for event in events {
            let line = self.line(&mut after, at, event).map_err(|error| self.io(io::Error::other(error)))?;
            text.push_str(&line);
        }
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Half a line of ours (a full disk) must not stand; if this fails too, the next append does it.
            let _ = self.base(&mut file).map(|base| file.set_len(base.place(before.length)));
            return Err(self.io(error));
        }
        Ok(after)
    }

    /// The line of one event; moves the head behind it.
    fn line(&self, head: &mut Head, at: UnixTime, event: &AuditEvent) -> serde_json::Result<String> {
        head.seq = head.seq.saturating_add(1);
        let json = serde_json::to_string(&Record {
            seq: head.seq,
            at: rfc3339(at),
            by: actor::current(),
            call: event.call.map(|call| call.to_string()),
            subject: event.subject.map(|subject| subject.to_string()),
            kind: &event.kind,
        })?;
        let body = json.strip_suffix('}').unwrap_or(&json);
        head.mac = self.mac(&head.mac, body);
        let line = format!("{body}{MAC_FIELD}{}\"}}\n", head.mac);
        head.length = head.length.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        Ok(line)
    }

    /// Makes the file and the head agree: takes over whole records behind the head, removes half a line.
    pub(crate) fn reconcile(&self, head: Head) -> Result<Head, AuditError> {
        let mut file = self.file()?;
        self.check_last(&mut file, &head)?;
        self.reconciled(&mut file, head)
    }

    /// Reads the whole log and says how many records it has.
    pub(crate) fn verify(&self, head: &Head) -> Result<u64, AuditError> {
        self.walk(head, &mut |_, _| {})
    }

    fn reconciled(&self, file: &mut File, head: Head) -> Result<Head, AuditError> {
        let base = self.base(file)?;
        let length = base.position(file.metadata().map_err(|error| self.io(error))?.len());
        if length == head.length {
            return Ok(head);
        }
        let mut walk = Walk { seq: head.seq, mac: head.mac, length: head.length, ..Walk::of(self, &base) };
        if length < head.length || head.length < base.before {
            return Err(walk.shorter());
        }
        file.seek(SeekFrom::Start(base.place(walk.length))).map_err(|error| self.io(error))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail).map_err(|error| self.io(error))?;
        for line in tail.split_inclusive(|byte| *byte == b'\n').filter(|line| line.last() == Some(&b'\n')) {
            walk.step(line)?;
        }
        file.set_len(base.place(walk.length)).map_err(|error| self.io(error))?;
        Ok(Head { seq: walk.seq, mac: walk.mac, length: walk.length })
    }

    /// The last records up to the head must be right: a look of bounded cost at every start.
    fn check_last(&self, file: &mut File, head: &Head) -> Result<(), AuditError> {
        let base = self.base(file)?;
        let length = base.position(file.metadata().map_err(|error| self.io(error))?.len());
        if length < head.length || head.length < base.before {
            // `reconciled` tells of it.
            return Ok(());
        }
        let start = head.length.saturating_sub(LOOK_BACK).max(base.before);
        let mut window = Vec::new();
        file.seek(SeekFrom::Start(base.place(start))).map_err(|error| self.io(error))?;
        file.take(head.length - start).read_to_end(&mut window).map_err(|error| self.io(error))?;
        let mut lines = window.split_inclusive(|byte| *byte == b'\n');
        let mut walk = Walk::of(self, &base);
        if start > base.before {
            // The first line may be half of one; the second is where the chain is taken up.
            let first = lines.nth(1).and_then(parse);
            let (_, mac, seq) = first.ok_or_else(|| walk.wrong(BadBecause::Form))?;
            (walk.seq, walk.mac) = (seq, mac.to_owned());
        }
        let walked = lines.try_for_each(|line| walk.step(line));
        if walked.is_ok() && walk.seq == head.seq && walk.mac == head.mac {
            return Ok(());
        }
        // Something is wrong; the whole walk says what first.
        self.verify(head)?;
        walked.and(Err(walk.wrong(BadBecause::Mac)))
    }

    /// When the last record was written, as far as its line says so.
    pub(crate) fn last_at(&self) -> Option<UnixTime> {
        let mut file = self.file().ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOOK_BACK))).ok()?;
        let mut tail = String::new();
        file.read_to_string(&mut tail).ok()?;
        let at = tail.lines().next_back()?.split("\"at\":\"").nth(1)?.split('"').next()?;
        at.parse::<jiff::Timestamp>().ok().map(|at| UnixTime(at.as_millisecond()))
    }

    /// Copies the log as far as the head knows it into a new file.
    pub(crate) fn copy(&self, head: &Head, to: &Path) -> Result<(), AuditError> {
        let mut file = self.file()?;
        let base = self.base(&mut file)?;
        let copied = || {
            file.seek(SeekFrom::Start(0))?;
            let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
            io::copy(&mut file.take(base.place(head.length)), &mut copy)?;
            copy.sync_all()
        };
        copied().map_err(|error| self.io(error))
    }

    fn file(&self) -> Result<File, AuditError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        options.open(&self.path).map_err(|error| self.io(error))
    }

    fn mac(&self, before: &str, body: &str) -> String {
        let mac = keyed_hash(&self.key, &[before.as_bytes(), body.as_bytes()]);
        data_encoding::HEXLOWER.encode(&mac)
    }

    fn io(&self, source: io::Error) -> AuditError {
        AuditError::Io { path: self.path.clone(), source }
    }
}

/// Goes from record to record. `seq`, `mac` and `length` are those of the last good one.
pub(crate) struct Walk<'a> {
    log: &'a AuditLog,
    pub(crate) seq: u64,
    pub(crate) mac: String,
    pub(crate) length: u64,
    /// Bytes of the records that were taken away before the file's first.
    from: u64,
    /// The number that the file's first line has, if it were a record.
    first: u64,
}

impl<'a> Walk<'a> {
    /// From the beginning of the file on.
    fn of(log: &'a AuditLog, base: &Base) -> Self {
        let first = if base.line == 0 { base.seq + 1 } else { base.seq };
        Self { log, seq: base.seq, mac: base.mac.clone(), length: base.before, from: base.before, first }
    }
}

impl Walk<'_> {
    fn step(&mut self, line: &[u8]) -> Result<(), AuditError> {
        let Some((body, mac, found)) = parse(line) else { return Err(self.wrong(BadBecause::Form)) };
        let expected = self.seq.saturating_add(1);
        // A number that does not follow says more than the MAC, which is then wrong too.
        if found != expected {
            return Err(self.wrong(BadBecause::Order { found }));
        }
        if self.log.mac(&self.mac, body) != mac {
            return Err(self.wrong(BadBecause::Mac));
        }
        self.seq = expected;
        mac.clone_into(&mut self.mac);
        self.length = self.length.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        Ok(())
    }

    fn wrong(&self, why: BadBecause) -> AuditError {
        let next = self.seq.saturating_add(1);
        let line = next.saturating_sub(self.first).saturating_add(1);
        let record = BadRecord { line, seq: next, why };
        AuditError::Changed { path: self.log.path.clone(), record }
    }

    /// The file is shorter than the head says: the first bad record needs the whole walk.
    fn shorter(&mut self) -> AuditError {
        let head = Head { seq: self.seq, mac: self.mac.clone(), length: self.length };
        match self.log.verify(&head) {
            Err(error) => error,
            Ok(_) => self.wrong(BadBecause::Missing),
        }
    }
}

/// A line's text without its MAC, the MAC, and the number it gives itself.
fn parse(line: &[u8]) -> Option<(&str, &str, u64)> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix("\"}\n")?;
    let (rest, mac) = text.split_at_checked(text.len().checked_sub(MAC_DIGITS)?)?;
    let body = rest.strip_suffix(MAC_FIELD)?;
    let number = body.strip_prefix("{\"seq\":")?.split(',').next()?;
    let seq = number.parse().ok().filter(|seq: &u64| seq.to_string() == number)?;
    (!body.contains('\n')).then_some((body, mac, seq))
}

fn rfc3339(at: UnixTime) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |stamp| format!("{stamp:.3}"))
}
