//! A ZIP (APPNOTE 6.3): what it lists, and where that lies. Nothing is unpacked here; neither encryption nor ZIP64 is known.

/// An entry, as it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a str,
    /// How it is packed: 0 not at all, 8 deflated (§4.4.5).
    pub method: usize,
    /// Its octets as they are packed.
    pub packed: &'a [u8],
    /// How many they are unpacked.
    pub size: usize,
}

/// All entries, in the order of the directory at the end (§4.3.12); `None` of a file that is no ZIP or not whole.
#[must_use]
pub fn entries(file: &[u8]) -> Option<Vec<Entry<'_>>> {
    let end = end(file)?;
    let count = number(file, end + 10, 2)?;
    let mut at = number(file, end + 16, 4)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, length) = listed(file, at)?;
        entries.push(entry);
        at += length;
    }
    Some(entries)
}

/// The entry of a record of the directory, and the record's length.
fn listed(file: &[u8], at: usize) -> Option<(Entry<'_>, usize)> {
    let field = |offset, width| number(file, at + offset, width);
    if field(0, 4)? != CENTRAL {
        return None;
    }
    let name = field(28, 2)?;
    let local = field(42, 4)?;
    // Behind a head of their own (§4.3.7).
    if number(file, local, 4)? != LOCAL {
        return None;
    }
    let start = local + 30 + number(file, local + 26, 2)? + number(file, local + 28, 2)?;
    let entry = Entry {
        name: std::str::from_utf8(file.get(at + 46..at + 46 + name)?).ok()?,
        method: field(10, 2)?,
        packed: file.get(start..start.checked_add(field(20, 4)?)?)?,
        size: field(24, 4)?,
    };
    Some((entry, 46 + name + field(30, 2)? + field(32, 2)?))
}

/// Where the last record is (§4.3.16): 22 octets and a comment from the end.
fn end(file: &[u8]) -> Option<usize> {
    let tail = file.len().saturating_sub(22 + usize::from(u16::MAX));
    file.get(tail..)?
        .windows(4)
        .rposition(|four| four == b"PK\x05\x06")
        .map(|at| at + tail)
        .filter(|at| at + 22 <= file.len())
}

fn number(file: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

const CENTRAL: usize = 0x0201_4b50;
const LOCAL: usize = 0x0403_4b50;
