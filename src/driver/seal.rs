//! Sealing: authenticated encryption and keyed hashes for what lies on disk.
//!
//! XChaCha20-Poly1305 with a random 24-byte nonce before the ciphertext. The additional data says what
//! the value is and whose, so that a row moved to another place does not open.

use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::os;
use crate::secret::Secret;

/// A 256-bit key.
pub(crate) type Key = Secret<[u8; 32]>;

/// Why a value can't be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Random,
    /// It was changed, moved, or sealed with another key.
    #[error("a stored value does not open with its key")]
    Opening,
}

/// What a sealed value is: bound into it as additional data.
#[derive(Clone, Copy)]
pub(crate) struct Label<'a> {
    /// The tenant.
    pub(crate) tenant: &'a str,
    /// Whose it is.
    pub(crate) owner: &'a [u8],
    /// What it is.
    pub(crate) kind: &'a str,
}

/// The version of every sealed form, part of the additional data.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

impl Label<'_> {
    fn bytes(&self) -> Vec<u8> {
        let parts = [self.tenant.as_bytes(), self.owner, self.kind.as_bytes(), &[VERSION]];
        let framed = parts.iter().flat_map(|part| {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
            length.into_iter().chain(part.iter().copied())
        });
        framed.collect()
    }
}

/// Seals `plain`.
pub(crate) fn seal(key: &Key, label: Label<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce: [u8; NONCE_BYTES] = random()?;
    let aad = label.bytes();
    let sealed = cipher(key)?
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
        .map_err(|_| SealError::Opening)?;
    Ok(nonce.into_iter().chain(sealed).collect())
}

/// Opens what [`seal`] made under the same key and label.
pub(crate) fn open(key: &Key, label: Label<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, SealError> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Opening)?;
    let aad = label.bytes();
    cipher(key)?
        .decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: &aad })
        .map(Secret::new)
        .map_err(|_| SealError::Opening)
}

/// As [`open`], for a sealed key.
pub(crate) fn open_key(key: &Key, label: Label<'_>, sealed: &[u8]) -> Result<Key, SealError> {
    let opened = open(key, label, sealed)?;
    opened.expose().as_slice().try_into().map(Secret::new).map_err(|_| SealError::Opening)
}

/// HMAC-SHA256 over the parts, each with its length before it.
pub(crate) fn keyed_hash(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose()) else {
        // HMAC takes a key of any length.
        return [0; 32];
    };
    for part in parts {
        mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    os::fill_random(&mut bytes).map_err(|_| SealError::Random)?;
    Ok(bytes)
}

fn cipher(key: &Key) -> Result<XChaCha20Poly1305, SealError> {
    XChaCha20Poly1305::new_from_slice(key.expose()).map_err(|_| SealError::Opening)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_in_its_own_place_only() {
        let key = Secret::new([1; 32]);
        let label = Label { tenant: "default", owner: b"one", kind: "profile" };
        let sealed = seal(&key, label, b"plain").expect("random");
        assert!(open(&key, label, &sealed).is_ok_and(|plain| plain.expose() == b"plain"));
        for other in [
            Label { tenant: "other", ..label },
            Label { owner: b"two", ..label },
            Label { kind: "totp", ..label },
            Label { tenant: "defaulto", owner: b"ne", ..label },
        ] {
            assert!(open(&key, other, &sealed).is_err());
        }
        assert!(open(&Secret::new([2; 32]), label, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&key, label, &changed).is_err(), "byte {at}");
        }
        assert!(open(&key, label, &sealed[..10]).is_err());
    }
}
