//! A model file of CTranslate2, version 6: names, shapes and numbers one after the other.
//!
//! ```text
//! version u32 · kind of model, text · its revision u32 · how many u32
//! each: name, text · axes u8 · each u32 · kind of number u8 · octets u32 · the octets
//! ```
//!
//! A text is its length with the closing zero (u16), then the octets. All little-endian.

use thiserror::Error;

use crate::voice::model::{Kind, ModelFile, Part};

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CTranslate2Error {
    /// It is another version or another kind of model.
    #[error("it is no CTranslate2 model of the kind {0}")]
    Other(&'static str),
    /// It ends before it should, or says what cannot be.
    #[error("the CTranslate2 model is damaged")]
    Damaged,
}

/// Puts all numbers of 16 and 32 bits of a model of this kind into `model`; settings and whole numbers are left out.
///
/// # Errors
/// When it is another kind, or damaged.
pub(super) fn read(file: &[u8], kind: &'static str, model: &mut ModelFile) -> Result<(), CTranslate2Error> {
    let mut rest = Reader(file);
    if rest.number() != Some(6) || rest.text() != Some(kind) {
        return Err(CTranslate2Error::Other(kind));
    }
    let parts = rest.number().and_then(|_revision| rest.number());
    for _ in 0..parts.ok_or(CTranslate2Error::Damaged)? {
        let (name, part) = rest.part().ok_or(CTranslate2Error::Damaged)?;
        if let Some(part) = part {
            model.put(name, part);
        }
    }
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let four = self.take(4)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*four)).ok()
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn text(&mut self) -> Option<&'a str> {
        let two = self.take(2)?.first_chunk()?;
        let text = self.take(usize::from(u16::from_le_bytes(*two)))?;
        std::str::from_utf8(text.strip_suffix(&[0])?).ok()
    }

    /// A name and its numbers, if they are of a kind that is kept.
    fn part(&mut self) -> Option<(&'a str, Option<Part>)> {
        let name = self.text()?;
        let axes = self.octet()?;
        let shape = (0..axes).map(|_| self.number()).collect::<Option<Vec<usize>>>()?;
        let kind = match self.octet()? {
            0 => Some(Kind::F32),
            4 => Some(Kind::F16),
            _ => None,
        };
        let size = self.number()?;
        let bytes = self.take(size)?;
        let Some(kind) = kind else { return Some((name, None)) };
        let part = Part { shape, kind, bytes: bytes.to_vec() };
        (kind.size(&part.shape) == Some(size)).then_some((name, Some(part)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::voice::model::Identity;

    /// A model with two tensors and one setting.
    pub(in crate::driver::models) fn small() -> Vec<u8> {
        let text = |text: &str| {
            let size = u16::try_from(text.len() + 1).expect("short").to_le_bytes();
            [&size[..], text.as_bytes(), &[0]].concat()
        };
        let number = |number: u32| number.to_le_bytes().to_vec();
        [
            number(6),
            text("WhisperSpec"),
            number(3),
            number(3),
            [text("a/weight"), vec![2], number(1), number(2), vec![4], number(4), vec![0, 0x3c, 0, 0x40]]
                .concat(),
            [text("heads"), vec![0], vec![2], number(2), vec![6, 0]].concat(),
            [text("b"), vec![1], number(1), vec![0], number(4), 0.5_f32.to_le_bytes().to_vec()].concat(),
            // Another name for the same numbers, which nobody needs.
            [number(1), text("c"), text("b")].concat(),
        ]
        .concat()
    }

    fn empty() -> ModelFile {
        ModelFile::new(Identity { name: String::new(), version: String::new(), package: String::new() })
    }

    #[test]
    fn numbers_are_taken_and_settings_are_left() {
        let mut model = empty();
        read(&small(), "WhisperSpec", &mut model).expect("a model");
        assert_eq!(model.names().collect::<Vec<_>>(), ["a/weight", "b"]);
        assert_eq!(model.take("a/weight", &[1, 2]), Ok(vec![1.0, 2.0]));
        assert_eq!(model.take("b", &[1]), Ok(vec![0.5]));
    }

    #[test]
    fn another_kind_or_half_a_file_is_refused() {
        let whole = small();
        assert_eq!(
            read(&whole, "TransformerSpec", &mut empty()),
            Err(CTranslate2Error::Other("TransformerSpec"))
        );
        let aliases = 4 + 4 + 4;
        for end in 0..whole.len() - aliases {
            assert!(read(&whole[..end], "WhisperSpec", &mut empty()).is_err(), "cut at {end}");
        }
    }
}
