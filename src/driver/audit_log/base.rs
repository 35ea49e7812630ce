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

/// Records to be taken away.
pub(crate) struct Cut {
    /// How many.
    pub(crate) records: u64,
    /// Bytes of the records that were gone when they were found.
    from: u64,
    /// Where it begins without them.
    base: Base,
}

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

    /// Takes away what was found to be past its time. The caller holds the database's write transaction. Whether it went:
    /// not when somebody else has taken records away since.
    pub(crate) fn prune(&self, Cut { from, base, .. }: &Cut) -> Result<bool, AuditError> {
        let mut file = self.file()?;
        let old = self.base(&mut file)?;
        if old.before != *from {
            return Ok(false);
        }
        let mut part = self.path.as_os_str().to_owned();
        part.push(".part");
        let part = std::path::PathBuf::from(part);
        let mut written = || {
            let mut options = OpenOptions::new();
            let mut to = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            to.write_all(self.base_line(base).as_bytes())?;
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
        Ok(true)
    }

    /// The records at the beginning that are of before a time, when the whole log is right. The last record always stays.
    pub(crate) fn cut(&self, head: &Head, before: UnixTime) -> Result<Option<Cut>, AuditError> {
        let limit = rfc3339(before);
        let mut cut: Option<Cut> = None;
        let mut older = true;
        let mut count = 0;
        self.walk(head, &mut |walk, line| {
            let at = std::str::from_utf8(line).ok().and_then(|line| line.split("\"at\":\"").nth(1));
            // Times of one form and zone compare as texts do.
            older = older && at.and_then(|at| at.get(..limit.len())).is_some_and(|at| at < limit.as_str());
            count += 1;
            if older && walk.seq < head.seq {
                let base = Base { seq: walk.seq, mac: walk.mac.clone(), before: walk.length, line: 0 };
                cut = Some(Cut { records: count, from: walk.from, base });
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
