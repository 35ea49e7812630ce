//! Keys in COSE's form (RFC 9052 §7, RFC 9053, RFC 8230), and the little of CBOR (RFC 8949) that they need.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use cbor4ii::core::Value;
use cbor4ii::core::dec::{Decode as _, Read as _};
use cbor4ii::core::utils::SliceReader;
use serde::{Deserialize, Serialize};

use super::Refusal;

/// How a passkey signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// All that are taken, the best first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// Its number among COSE's.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }
}

/// A public key, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicKey {
    /// A point of P-256, uncompressed.
    Es256(Vec<u8>),
    /// An Ed25519 key.
    EdDsa(Vec<u8>),
    /// An RSA key.
    Rs256 {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
}

const KIND: i128 = 1;
const ALGORITHM: i128 = 3;
/// RFC 9053 §7: key types.
const OKP: i128 = 1;
const EC2: i128 = 2;
const RSA: i128 = 3;
/// RFC 9053 §7.1: curves.
const P256: i128 = 1;
const ED25519: i128 = 6;
/// Bits of an RSA key: aws-lc takes no other.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

impl PublicKey {
    /// Reads a key in COSE's form.
    /// # Errors
    /// [`Refusal::Key`]: it is none, or of a kind that is not taken.
    pub fn read(cose: &[u8]) -> Result<Self, Refusal> {
        let fields = map(cose).map_err(|_| Refusal::Key)?;
        let number = |name: i128| field(&fields, &Value::Integer(name)).and_then(as_number);
        let bytes = |name: i128| field(&fields, &Value::Integer(name)).and_then(as_bytes);
        let own = |wanted: Algorithm| number(ALGORITHM) == Some(wanted.number().into());
        let key = match number(KIND) {
            Some(EC2) if own(Algorithm::Es256) && number(-1) == Some(P256) => {
                let (x, y) = bytes(-2).zip(bytes(-3)).ok_or(Refusal::Key)?;
                if [x.len(), y.len()] != [32, 32] {
                    return Err(Refusal::Key);
                }
                Self::Es256([&[4], x, y].concat())
            }
            Some(OKP) if own(Algorithm::EdDsa) && number(-1) == Some(ED25519) => {
                Self::EdDsa(bytes(-2).filter(|x| x.len() == 32).ok_or(Refusal::Key)?.to_vec())
            }
            Some(RSA) if own(Algorithm::Rs256) => {
                let (n, e) = bytes(-1).zip(bytes(-2)).ok_or(Refusal::Key)?;
                if !RSA_BYTES.contains(&n.len()) || n.first() == Some(&0) {
                    return Err(Refusal::Key);
                }
                Self::Rs256 { n: n.to_vec(), e: e.to_vec() }
            }
            _ => return Err(Refusal::Key),
        };
        key.fits().then_some(key).ok_or(Refusal::Key)
    }

    /// Whether it is a key at all: a point on its curve, an odd modulus and exponent.
    fn fits(&self) -> bool {
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        match self {
            Self::Es256(point) => {
                signature::ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point).is_ok()
            }
            Self::EdDsa(key) => signature::ParsedPublicKey::new(&signature::ED25519, key).is_ok(),
            Self::Rs256 { n, e } => odd(n) && odd(e) && (3..=5).contains(&e.len()),
        }
    }

    /// Whether this is its signature.
    /// # Errors
    /// [`Refusal::Signature`]: it is not.
    pub fn verify(&self, signed: &[u8], made: &[u8]) -> Result<(), Refusal> {
        let right = match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point).verify(signed, made)
            }
            Self::EdDsa(key) => UnparsedPublicKey::new(&signature::ED25519, key).verify(signed, made),
            Self::Rs256 { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, made)
            }
        };
        right.map_err(|_| Refusal::Signature)
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// What can't be read as CBOR, or is not a map with each name once.
#[derive(Debug)]
pub(super) struct NotAMap;

/// The fields of a map, which is all that there is.
pub(super) fn map(bytes: &[u8]) -> Result<Vec<(Value, Value)>, NotAMap> {
    let (fields, length) = first_map(bytes).ok_or(NotAMap)?;
    if length == bytes.len() { Ok(fields) } else { Err(NotAMap) }
}

/// How long the map is that stands first.
pub(super) fn map_length(bytes: &[u8]) -> Option<usize> {
    first_map(bytes).map(|(_, length)| length)
}

fn first_map(bytes: &[u8]) -> Option<(Vec<(Value, Value)>, usize)> {
    let mut reader = SliceReader::new(bytes);
    let Ok(Value::Map(fields)) = Value::decode(&mut reader) else { return None };
    let rest = reader.fill(bytes.len()).ok()?.as_ref().len();
    let twice =
        (1..).zip(&fields).any(|(next, (name, _))| fields.iter().skip(next).any(|(other, _)| other == name));
    (!twice).then_some((fields, bytes.len().checked_sub(rest)?))
}

pub(super) fn field<'v>(fields: &'v [(Value, Value)], name: &Value) -> Option<&'v Value> {
    fields.iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

pub(super) fn text(name: &str) -> Value {
    Value::Text(name.to_owned())
}

pub(super) fn as_text(value: &Value) -> Option<&str> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

pub(super) fn as_bytes(value: &Value) -> Option<&[u8]> {
    if let Value::Bytes(bytes) = value { Some(bytes) } else { None }
}

pub(super) fn is_empty_map(value: &Value) -> bool {
    matches!(value, Value::Map(fields) if fields.is_empty())
}

const fn as_number(value: &Value) -> Option<i128> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}
