//! Reading a part of the log: the records behind a number, found without reading those before.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use super::{AuditError, AuditLog, Head, parse};

/// The longest line that is read.
const LONGEST: u64 = 64 * 1024;

impl AuditLog {
    /// The first `limit` records behind record `after`, up to the head, each as it was written.
    pub(crate) fn behind(&self, head: &Head, after: u64, limit: usize) -> Result<Vec<String>, AuditError> {
        if after >= head.seq {
            return Ok(Vec::new());
        }
        let mut file = File::open(&self.path).map_err(|error| self.io(error))?;
        let length = self.base(&mut file)?.place(head.length);
        read_behind(file, length, after, limit).map_err(|error| self.io(error))
    }
}

fn read_behind(mut file: File, length: u64, after: u64, limit: usize) -> io::Result<Vec<String>> {
    let start = beginning(&mut file, length, after)?;
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(file.take(length.saturating_sub(start)));
    let mut found = Vec::new();
    let mut line = Vec::new();
    while found.len() < limit {
        line.clear();
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // What is no record is what `audit verify` tells of.
        if number(&line).is_some_and(|seq| seq > after) {
            found.extend(String::from_utf8(std::mem::take(&mut line)));
        }
    }
    Ok(found)
}

/// Where a record begins that is not behind `after`, at most a line before the first that is: numbers grow along
/// the file.
fn beginning(file: &mut File, length: u64, after: u64) -> io::Result<u64> {
    let (mut low, mut high) = (0, length);
    while high - low > LONGEST {
        let middle = low + (high - low) / 2;
        match line_from(file, middle, high)? {
            Some((at, seq)) if seq <= after => low = at,
            Some(_) => high = middle,
            None => break,
        }
    }
    Ok(low)
}

/// The first line that begins behind `from` and before `to`: where, and its number.
fn line_from(file: &mut File, from: u64, to: u64) -> io::Result<Option<(u64, u64)>> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new((&*file).take(2 * LONGEST));
    let mut line = Vec::new();
    let skipped = reader.read_until(b'\n', &mut line)?;
    let at = from.saturating_add(u64::try_from(skipped).unwrap_or(u64::MAX));
    line.clear();
    reader.read_until(b'\n', &mut line)?;
    Ok(number(&line).filter(|_| at < to).map(|seq| (at, seq)))
}

fn number(line: &[u8]) -> Option<u64> {
    parse(line).map(|(_, _, seq)| seq)
}
