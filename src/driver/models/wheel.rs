//! A Python wheel: a ZIP (APPNOTE 6.3), of which a few entries are wanted.
//!
//! Entries are stored or deflated (RFC 1951). Neither encryption nor ZIP64 is known: no wheel of ours has them.

use thiserror::Error;

/// Why an entry is not given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WheelError {
    /// It is no ZIP, or not whole.
    #[error("the package is no ZIP, or not whole")]
    Damaged,
    /// It has no such entry.
    #[error("the package lacks `{0}`")]
    Missing(String),
    /// It is packed in a way that is not known, or larger than it says.
    #[error("`{0}` in the package can't be unpacked")]
    Packed(String),
}

/// One entry, unpacked.
///
/// # Errors
/// When there is none of that name, or the file is damaged.
pub fn entry(file: &[u8], name: &str) -> Result<Vec<u8>, WheelError> {
    let end = end(file).ok_or(WheelError::Damaged)?;
    let count = number(file, end + 10, 2).ok_or(WheelError::Damaged)?;
    let mut at = number(file, end + 16, 4).ok_or(WheelError::Damaged)?;
    for _ in 0..count {
        let listed = Listed::at(file, at).ok_or(WheelError::Damaged)?;
        if listed.name == name.as_bytes() {
            let packed = listed.packed(file).ok_or(WheelError::Damaged)?;
            return listed.unpack(packed).ok_or_else(|| WheelError::Packed(name.to_owned()));
        }
        at += listed.length;
    }
    Err(WheelError::Missing(name.to_owned()))
}

/// An entry as the directory at the end tells it (§4.3.12).
struct Listed<'a> {
    name: &'a [u8],
    method: usize,
    packed: usize,
    size: usize,
    local: usize,
    /// Of this record.
    length: usize,
}

impl<'a> Listed<'a> {
    fn at(file: &'a [u8], at: usize) -> Option<Self> {
        let field = |offset, width| number(file, at + offset, width);
        if field(0, 4)? != CENTRAL {
            return None;
        }
        let name = field(28, 2)?;
        Some(Self {
            name: file.get(at + 46..at + 46 + name)?,
            method: field(10, 2)?,
            packed: field(20, 4)?,
            size: field(24, 4)?,
            local: field(42, 4)?,
            length: 46 + name + field(30, 2)? + field(32, 2)?,
        })
    }

    /// Its octets, behind a head of their own (§4.3.7).
    fn packed(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        if number(file, self.local, 4)? != LOCAL {
            return None;
        }
        let start = self.local + 30 + number(file, self.local + 26, 2)? + number(file, self.local + 28, 2)?;
        file.get(start..start.checked_add(self.packed)?)
    }

    fn unpack(&self, packed: &[u8]) -> Option<Vec<u8>> {
        let bytes = match self.method {
            0 => packed.to_vec(),
            8 if self.size <= LARGEST => {
                miniz_oxide::inflate::decompress_to_vec_with_limit(packed, self.size).ok()?
            }
            _ => return None,
        };
        (bytes.len() == self.size).then_some(bytes)
    }
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
/// The largest entry that is unpacked.
const LARGEST: usize = 512 << 20;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A ZIP of these entries, every other one deflated.
    pub(in crate::driver::models) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        let four = |number: usize| u32::try_from(number).expect("small").to_le_bytes();
        let two = |number: usize| u16::try_from(number).expect("small").to_le_bytes();
        for (at, (name, bytes)) in entries.iter().enumerate() {
            let local = out.len();
            let (method, packed) = match at % 2 {
                0 => (8, miniz_oxide::deflate::compress_to_vec(bytes, 6)),
                _ => (0, bytes.to_vec()),
            };
            let sizes = [[0; 4], four(packed.len()), four(bytes.len())].concat();
            let head =
                [&[20, 0, 0, 0][..], &two(method), &[0; 4], &sizes, &two(name.len()), &[0, 0]].concat();
            out.extend([&four(LOCAL)[..], &head, name.as_bytes(), &packed].concat());
            let rest = [&[0; 10][..], &[0; 2], &four(local)].concat();
            directory.extend([&four(CENTRAL)[..], &[20, 0], &head, &rest[2..], name.as_bytes()].concat());
        }
        let count = two(entries.len());
        let (start, size) = (four(out.len()), four(directory.len()));
        out.extend(directory);
        out.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &size, &start, &[0, 0]].concat());
        out
    }

    #[test]
    fn entries_are_unpacked_stored_or_deflated() {
        let long = vec![7; 10_000];
        let file = zip(&[("a/b.bin", &long), ("c.txt", b"words"), ("empty", b"")]);
        assert_eq!(entry(&file, "a/b.bin"), Ok(long));
        assert_eq!(entry(&file, "c.txt").as_deref(), Ok(&b"words"[..]));
        assert_eq!(entry(&file, "empty").as_deref(), Ok(&[][..]));
        assert_eq!(entry(&file, "d"), Err(WheelError::Missing("d".into())));
    }

    #[test]
    fn no_cut_and_no_changed_octet_makes_it_panic_or_grow() {
        let file = zip(&[("a", &[3; 500]), ("b", b"12345")]);
        for end in 0..file.len() {
            assert!(entry(&file[..end], "a").is_err(), "cut at {end}");
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0xff;
            if let Ok(bytes) = entry(&changed, "a") {
                assert!(bytes.len() <= 500);
            }
        }
    }
}
