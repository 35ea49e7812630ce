//! The file that a model is kept in: who it is, and its numbers.
//!
//! ```text
//! "countersign model 1\n"            what this is
//! 4 octets, little-endian            how long the head is
//! the head, JSON                     name, version, hash of the package, and of each part: name, shape, kind
//! the parts, one after the other     numbers of 16 or 32 bits (IEEE 754, little-endian), or text
//! ```
//!
//! The same model always gives the same file, so that its hash names it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::state_dict::Tensor;

/// Who a model is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name, such as `whisper-tiny.en`.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// SHA-256 of the package that it came in, hexadecimal.
    pub package: String,
}

/// A model as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// Who it is.
    pub identity: Identity,
    parts: BTreeMap<String, Part>,
}

/// Numbers with a shape, or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many along each axis, the slowest first; of a text its octets.
    pub shape: Vec<usize>,
    /// What the octets are.
    pub kind: Kind,
    /// As they are in the file.
    pub bytes: Vec<u8>,
}

/// What the octets of a part are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers of 16 bits.
    F16,
    /// Numbers of 32 bits.
    F32,
    /// UTF-8.
    Text,
}

/// Why a model's file is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelError {
    /// It is another kind of file.
    #[error("it is no model of this program")]
    Other,
    /// Its head cannot be read.
    #[error("its head is damaged")]
    Head,
    /// It ends too early or too late, or a part does not have the size that its shape says.
    #[error("its part `{0}` is damaged")]
    Part(String),
    /// A part that the network has is not in it.
    #[error("it lacks the part `{0}`")]
    Missing(String),
    /// A part has other axes than the network's.
    #[error("its part `{part}` has the shape {found:?}, not {expected:?}")]
    Shape {
        /// Its name.
        part: String,
        /// Its axes.
        found: Vec<usize>,
        /// Those of the network.
        expected: Vec<usize>,
    },
}

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(flatten)]
    identity: Identity,
    parts: Vec<Listed>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    name: String,
    shape: Vec<usize>,
    kind: Kind,
}

impl ModelFile {
    /// One without parts.
    #[must_use]
    pub const fn new(identity: Identity) -> Self {
        Self { identity, parts: BTreeMap::new() }
    }

    /// Adds a part.
    pub fn put(&mut self, name: &str, part: Part) {
        self.parts.insert(name.to_owned(), part);
    }

    /// The names of its parts, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// The axes of a part.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.parts.get(name).map(|part| &part.shape[..])
    }

    /// The file.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let listed = |(name, part): (&String, &Part)| Listed {
            name: name.clone(),
            shape: part.shape.clone(),
            kind: part.kind,
        };
        let head = Head { identity: self.identity.clone(), parts: self.parts.iter().map(listed).collect() };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let size =
            MAGIC.len() + 4 + head.len() + self.parts.values().map(|part| part.bytes.len()).sum::<usize>();
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&head);
        for part in self.parts.values() {
            out.extend_from_slice(&part.bytes);
        }
        out
    }

    /// Reads a file. Nothing is made that is larger than the file itself.
    ///
    /// # Errors
    /// When it is none, or damaged.
    pub fn read(file: &[u8]) -> Result<Self, ModelError> {
        let rest = file.strip_prefix(MAGIC).ok_or(ModelError::Other)?;
        let (size, rest) = rest.split_first_chunk().ok_or(ModelError::Head)?;
        let size = usize::try_from(u32::from_le_bytes(*size)).map_err(|_| ModelError::Head)?;
        let (head, mut rest) = rest.split_at_checked(size).ok_or(ModelError::Head)?;
        let head: Head = serde_json::from_slice(head).map_err(|_| ModelError::Head)?;
        let mut model = Self::new(head.identity);
        for Listed { name, shape, kind } in head.parts {
            let size = kind.size(&shape).filter(|size| *size <= rest.len());
            let Some((bytes, after)) = size.and_then(|size| rest.split_at_checked(size)) else {
                return Err(ModelError::Part(name));
            };
            rest = after;
            model.parts.insert(name, Part { shape, kind, bytes: bytes.to_vec() });
        }
        if rest.is_empty() { Ok(model) } else { Err(ModelError::Part("after the last".to_owned())) }
    }

    /// Takes numbers of this shape out.
    ///
    /// # Errors
    /// When there are none of that name, or of another shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let part = self.parts.remove(name).ok_or_else(|| ModelError::Missing(name.to_owned()))?;
        if part.shape != shape {
            let (found, expected) = (part.shape, shape.to_vec());
            return Err(ModelError::Shape { part: name.to_owned(), found, expected });
        }
        part.numbers().ok_or_else(|| ModelError::Part(name.to_owned()))
    }

    /// Takes a text out.
    ///
    /// # Errors
    /// When there is none of that name, or it is none.
    pub fn take_text(&mut self, name: &str) -> Result<String, ModelError> {
        let part = self.parts.remove(name).ok_or_else(|| ModelError::Missing(name.to_owned()))?;
        let text = (part.kind == Kind::Text).then(|| String::from_utf8(part.bytes).ok()).flatten();
        text.ok_or_else(|| ModelError::Part(name.to_owned()))
    }
}

impl From<ModelFile> for BTreeMap<String, Tensor> {
    /// All numbers; texts are left out.
    fn from(model: ModelFile) -> Self {
        let tensor = |(name, part): (String, Part)| {
            let values = part.numbers()?;
            Some((name, Tensor { shape: part.shape, values }))
        };
        model.parts.into_iter().filter_map(tensor).collect()
    }
}

impl Part {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { shape: vec![text.len()], kind: Kind::Text, bytes: text.as_bytes().to_vec() }
    }

    /// Numbers of 32 bits.
    #[must_use]
    pub fn floats(shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { shape, kind: Kind::F32, bytes }
    }

    /// The numbers; `None` of a text.
    #[must_use]
    pub fn numbers(&self) -> Option<Vec<f32>> {
        match self.kind {
            Kind::F16 => {
                let pairs = self.bytes.chunks_exact(2);
                Some(pairs.map(|two| half(u16::from_le_bytes([two[0], two[1]]))).collect())
            }
            Kind::F32 => {
                let fours = self.bytes.chunks_exact(4);
                Some(fours.map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect())
            }
            Kind::Text => None,
        }
    }
}

impl Kind {
    /// How many octets a part of this shape has; `None` when that is more than can be told.
    #[must_use]
    pub fn size(self, shape: &[usize]) -> Option<usize> {
        let each = match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::Text => 1,
        };
        shape.iter().try_fold(each, |size: usize, axis| size.checked_mul(*axis))
    }
}

/// A number of 16 bits (IEEE 754 binary16) as one of 32: exact.
#[must_use]
pub fn half(bits: u16) -> f32 {
    let (sign, exponent) = (u32::from(bits & 0x8000) << 16, u32::from(bits >> 10) & 31);
    let mantissa = u32::from(bits & 1023);
    let magnitude = match exponent {
        // So small that it has no leading one: so many times 2⁻²⁴.
        0 => (f32::from(bits & 1023) / 16_777_216.0).to_bits(),
        31 => 0x7f80_0000 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

const MAGIC: &[u8] = b"countersign model 1\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelFile {
        let identity = Identity { name: "one".into(), version: "1.2".into(), package: "ab".into() };
        let mut model = ModelFile::new(identity);
        let bytes = [0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x01, 0x00];
        model.put("half", Part { shape: vec![2, 2], kind: Kind::F16, bytes: bytes.to_vec() });
        model.put("whole", Part::floats(vec![1], &[2.5]));
        model.put("words", Part::text("yes\nno"));
        model
    }

    #[test]
    fn what_is_kept_is_read_again_with_its_numbers() {
        let mut read = ModelFile::read(&model().write()).expect("a model");
        assert_eq!(read, model());
        let tensors: BTreeMap<String, Tensor> = read.clone().into();
        assert_eq!(tensors.keys().collect::<Vec<_>>(), ["half", "whole"]);
        assert_eq!(read.take("half", &[2, 2]), Ok(vec![1.0, -2.0, 65504.0, 1.0 / 16_777_216.0]));
        assert_eq!(read.take("whole", &[1]), Ok(vec![2.5]));
        assert_eq!(read.take_text("words").as_deref(), Ok("yes\nno"));
        assert_eq!(read.take("half", &[2, 2]), Err(ModelError::Missing("half".into())));
        assert!(matches!(model().take("half", &[4]), Err(ModelError::Shape { .. })));
        assert!(matches!(model().take("words", &[6]), Err(ModelError::Part(_))));
    }

    #[test]
    fn a_file_that_is_cut_or_lengthened_anywhere_is_refused() {
        let whole = model().write();
        for end in 0..whole.len() {
            assert!(ModelFile::read(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(ModelFile::read(&[&whole[..], b"x"].concat()).is_err());
        // A shape beyond all measure asks for no memory.
        let huge = br#"{"name":"","version":"","package":"","parts":[{"name":"a","shape":[9999999999,9999999999],"kind":"f32"}]}"#;
        let size = u32::try_from(huge.len()).expect("short").to_le_bytes();
        assert_eq!(ModelFile::read(&[MAGIC, &size, huge].concat()), Err(ModelError::Part("a".into())));
    }
}
