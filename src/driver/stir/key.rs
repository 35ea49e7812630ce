//! The key that our own calls are signed with.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use crate::secret::Secret;
use crate::sip::stir::Signer;

/// A key on P-256.
pub(super) struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// From PEM; `None` when it is no key on P-256.
    pub(super) fn read(pem: &Secret<String>) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).ok()?;
        let pair =
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der()).ok()?;
        Some(Self { pair, random: SystemRandom::new() })
    }
}

impl Signer for Key {
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
        self.pair.sign(&self.random, text).ok()?.as_ref().try_into().ok()
    }
}
