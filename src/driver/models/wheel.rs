//! A Python wheel: a ZIP, of which a few entries are wanted, stored or deflated (RFC 1951).

use thiserror::Error;

use crate::voice::zip::{self, Entry};

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
    let entries = zip::entries(file).ok_or(WheelError::Damaged)?;
    let entry = entries.iter().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| WheelError::Missing(name.to_owned()))?;
    unpack(entry).ok_or_else(|| WheelError::Packed(name.to_owned()))
}

fn unpack(entry: &Entry<'_>) -> Option<Vec<u8>> {
    let bytes = match entry.method {
        0 => entry.packed.to_vec(),
        8 if entry.size <= LARGEST => {
            miniz_oxide::inflate::decompress_to_vec_with_limit(entry.packed, entry.size).ok()?
        }
        _ => return None,
    };
    (bytes.len() == entry.size).then_some(bytes)
}

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
            out.extend([&four(0x0403_4b50)[..], &head, name.as_bytes(), &packed].concat());
            let rest = [&[0; 10][..], &[0; 2], &four(local)].concat();
            directory.extend([&four(0x0201_4b50)[..], &[20, 0], &head, &rest[2..], name.as_bytes()].concat());
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
