//! A log whose oldest records are past their time begins with a line that says what came before:
//!
//! ```text
//! {"base":4711,"before":1048576,"chain":"…","mac":"…"}
//! ```
//!
//! so that the chain goes on from record 4711, whose MAC was `chain`. Positions in the head count from the first
//! record that ever was: taking records away moves no head, and one rename does it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::{AuditError, AuditLog, BadBecause, Head, MAC_DIGITS, MAC_FIELD, Walk, rfc3339};
use crate::units::UnixTime;

/// Where a log begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Base {
    /// Number of the last record that was taken away.
    pub(super) seq: u64,
    /// Its MAC; empty when none was.
    pub(super) mac: String,
    /// Bytes of the records that were taken away.
    pub(super) before: u64,
    /// Bytes of the line that says so.
    pub(super) line: u64,
}

/// More than such a line has.
const LONGEST: u64 = 512;

impl Base {
    /// Where a position in the head is in the file.
    pub(super) const fn place(&self, position: u64) -> u64 {
        position.saturating_sub(self.before).saturating_add(self.line)
    }

    /// What a length of the file is in the head.
    pub(super) const fn position(&self, place: u64) -> u64 {
        place.saturating_sub(self.line).saturating_add(self.before)
    }
}

impl AuditLog {
    /// Where the log in this file begins.
    pub(super) fn base(&self, file: &mut File) -> Result<Base, AuditError> {
        let mut start = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(|error| self.io(error))?;
        Read::by_ref(file).take(LONGEST).read_to_end(&mut start).map_err(|error| self.io(error))?;
        if !start.starts_with(b"{\"base\":") {
            return Ok(Base::default());
        }
        let line = start.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        self.read_base(line).ok_or_else(|| Walk::of(self, &Base::default()).wrong(BadBecause::Mac))
    }

    fn read_base(&self, line: &[u8]) -> Option<Base> {
        let text = std::str::from_utf8(line).ok()?.strip_suffix("\"}\n")?;
        let (rest, mac) = text.split_at_checked(text.len().checked_sub(MAC_DIGITS)?)?;
        let body = rest.strip_suffix(MAC_FIELD)?;
        let json: serde_json::Value = serde_json::from_str(&format!("{body}}}")).ok()?;
        let (seq, before) = (json["base"].as_u64()?, json["before"].as_u64()?);
        let chain = json["chain"].as_str()?.to_owned();
        let line = u64::try_from(line.len()).ok()?;
        (self.mac("base", body) == mac).then_some(Base { seq, mac: chain, before, line })
    }

    fn base_line(&self, base: &Base) -> String {
        let body = format!("{{\"base\":{},\"before\":{},\"chain\":\"{}\"", base.seq, base.before, base.mac);
        let mac = self.mac("base", &body);
        format!("{body}{MAC_FIELD}{mac}\"}}\n")
    }

    /// How many records at the beginning are of before a time.
    pub(crate) fn older(&self, head: &Head, before: UnixTime) -> Result<u64, AuditError> {
        Ok(self.cut(head, before)?.map_or(0, |(records, _)| records))
    }

    /// Takes the records of before a time away, when the whole log is right. The caller holds the database's write
    /// transaction. Says how many went.
    pub(crate) fn prune(&self, head: &Head, before: UnixTime) -> Result<u64, AuditError> {
        let Some((records, base)) = self.cut(head, before)? else { return Ok(0) };
        let mut file = self.file()?;
        let old = self.base(&mut file)?;
        let mut part = self.path.as_os_str().to_owned();
        part.push(".part");
        let part = std::path::PathBuf::from(part);
        let mut written = || {
            let mut options = OpenOptions::new();
            let mut to = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            to.write_all(self.base_line(&base).as_bytes())?;
            file.seek(SeekFrom::Start(old.place(base.before)))?;
            std::io::copy(&mut file, &mut to)?;
            to.sync_all()?;
            fs::rename(&part, &self.path)?;
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        written().map_err(|error| {
            let _ = fs::remove_file(&part);
            self.io(error)
        })?;
        Ok(records)
    }

    /// What would go, and where the log would begin then. The last record always stays.
    fn cut(&self, head: &Head, before: UnixTime) -> Result<Option<(u64, Base)>, AuditError> {
        let limit = rfc3339(before);
        let mut cut: Option<(u64, Base)> = None;
        let mut older = true;
        let mut count = 0;
        self.walk(head, &mut |walk, line| {
            let at = std::str::from_utf8(line).ok().and_then(|line| line.split("\"at\":\"").nth(1));
            // Times of one form and zone compare as texts do.
            older = older && at.and_then(|at| at.get(..limit.len())).is_some_and(|at| at < limit.as_str());
            count += 1;
            if older && walk.seq < head.seq {
                cut = Some((
                    count,
                    Base { seq: walk.seq, mac: walk.mac.clone(), before: walk.length, line: 0 },
                ));
            }
        })?;
        Ok(cut)
    }

    /// Follows the chain from the beginning to the end and shows each record that is right.
    pub(crate) fn walk(
        &self,
        head: &Head,
        each: &mut dyn FnMut(&Walk<'_>, &[u8]),
    ) -> Result<u64, AuditError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && head.seq == 0 => return Ok(0),
            Err(error) => return Err(self.io(error)),
        };
        let base = self.base(&mut file)?;
        file.seek(SeekFrom::Start(base.line)).map_err(|error| self.io(error))?;
        let mut walk = Walk::of(self, &base);
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(|error| self.io(error))?;
            let whole = line.last() == Some(&b'\n');
            // Behind the head, half a line is a write that goes on or broke off: no record yet.
            if line.is_empty() || (!whole && walk.length >= head.length) {
                break;
            }
            walk.step(&line)?;
            each(&walk, &line);
        }
        if walk.seq < head.seq {
            return Err(walk.wrong(BadBecause::Missing));
        }
        Ok(walk.seq - base.seq)
    }
}
