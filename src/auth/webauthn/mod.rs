//! Passkeys: what an authenticator on the caller's own device says, and whether it is to be believed. Web
//! Authentication Level 3, §7.1 (registration) and §7.2 (assertion).
//!
//! Attestation other than `none` is refused: who made a device proves nothing about who holds it. User verification
//! is always required: a device that lies about is not its owner.

mod authenticator_data;
mod client_data;
mod key;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use authenticator_data::AuthenticatorData;
use client_data::{CREATE, GET};
use key::{field, text};

pub use key::{Algorithm, PublicKey};

/// Bytes of a challenge; §13.4.3 asks for 16 at least.
pub const CHALLENGE_BYTES: usize = 32;
/// §4: the longest name of a credential.
pub const LONGEST_ID: usize = 1023;
/// Longer than what any browser sends.
const LONGEST: usize = 16 * 1024;

/// Whom passkeys are made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The host of the page's address.
    pub id: String,
    /// The page's origin: scheme, host, and port where it is not the usual one.
    pub origin: String,
}

/// A passkey as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The name of its credential.
    pub id: Vec<u8>,
    /// Its public key.
    pub key: PublicKey,
    /// How often it has signed, as it says itself; 0 when it does not count.
    pub counter: u32,
    /// It can be copied to other devices of its owner.
    pub copyable: bool,
    /// It has been.
    pub copied: bool,
}

/// What a browser gives after a passkey was made.
pub struct Registration<'a> {
    /// The name of the credential.
    pub id: &'a [u8],
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `attestationObject`.
    pub attestation: &'a [u8],
}

/// What a browser gives after a passkey has signed.
pub struct Assertion<'a> {
    /// The name of the credential.
    pub id: &'a [u8],
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `authenticatorData`.
    pub authenticator_data: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// Whose it is, if the authenticator tells.
    pub user: Option<&'a [u8]>,
}

/// Why something is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Something is too long.
    #[error("something in it is too long")]
    TooLong,
    /// The client data can't be read.
    #[error("the client data can't be read")]
    ClientData,
    /// It is of another ceremony.
    #[error("it is of another ceremony")]
    Type,
    /// It does not answer this challenge.
    #[error("it does not answer the challenge")]
    Challenge,
    /// It was made on another page.
    #[error("it was made on another page")]
    Origin,
    /// It was made in a frame of another page.
    #[error("it was made within another page")]
    CrossOrigin,
    /// The authenticator's data can't be read.
    #[error("the authenticator's data can't be read")]
    AuthenticatorData,
    /// It was made for another host.
    #[error("it was made for another host")]
    Host,
    /// Nobody touched the device.
    #[error("nobody was present")]
    NotPresent,
    /// The device did not make sure who it was.
    #[error("the device did not verify its user")]
    NotVerified,
    /// It says that it was copied and that it can't be, or the one time so and the other so.
    #[error("its backup flags contradict each other")]
    Backup,
    /// There is no credential in it.
    #[error("there is no credential in it")]
    NoCredential,
    /// It is another credential.
    #[error("it is another credential")]
    OtherCredential,
    /// The user is another.
    #[error("it is of another user")]
    OtherUser,
    /// The attestation is not `none`, or can't be read.
    #[error("the attestation is not `none`")]
    Attestation,
    /// The key is none that we take.
    #[error("the key is of a kind that is not taken")]
    Key,
    /// The signature is not of this key over this.
    #[error("the signature is wrong")]
    Signature,
    /// It has signed less often than before: there may be two of it.
    #[error("the signature counter went back")]
    Counter,
}

impl RelyingParty {
    /// Whether a passkey was made as it was asked for (§7.1); the passkey to keep.
    ///
    /// # Errors
    /// [`Refusal`]: nothing is to be kept.
    pub fn register(
        &self,
        challenge: &[u8; CHALLENGE_BYTES],
        made: &Registration<'_>,
    ) -> Result<Passkey, Refusal> {
        if made.id.len() > LONGEST_ID
            || [made.client_data, made.attestation].iter().any(|it| it.len() > LONGEST)
        {
            return Err(Refusal::TooLong);
        }
        self.check_client(made.client_data, CREATE, challenge)?;
        let object = key::map(made.attestation).map_err(|_| Refusal::Attestation)?;
        let format = field(&object, &text("fmt")).and_then(key::as_text);
        let empty = field(&object, &text("attStmt")).is_some_and(key::is_empty_map);
        if format != Some("none") || !empty {
            return Err(Refusal::Attestation);
        }
        let data = field(&object, &text("authData")).and_then(key::as_bytes).ok_or(Refusal::Attestation)?;
        let data = AuthenticatorData::read(data)?;
        self.check_device(&data)?;
        let credential = data.credential.as_ref().ok_or(Refusal::NoCredential)?;
        if credential.id != made.id {
            return Err(Refusal::OtherCredential);
        }
        let key = PublicKey::read(credential.key)?;
        Ok(Passkey {
            id: credential.id.to_vec(),
            key,
            counter: data.counter,
            copyable: data.is_copyable(),
            copied: data.is_copied(),
        })
    }

    /// Whether a passkey has signed what it was asked to (§7.2); the passkey as it is to be kept from now on.
    ///
    /// # Errors
    /// [`Refusal`]: nothing is approved. [`Refusal::Counter`] only when all else is right.
    pub fn check(
        &self,
        challenge: &[u8; CHALLENGE_BYTES],
        passkey: &Passkey,
        user: &[u8],
        made: &Assertion<'_>,
    ) -> Result<Passkey, Refusal> {
        let parts = [made.client_data, made.authenticator_data, made.signature];
        if parts.iter().any(|it| it.len() > LONGEST) {
            return Err(Refusal::TooLong);
        }
        if made.id != passkey.id {
            return Err(Refusal::OtherCredential);
        }
        if made.user.is_some_and(|told| told != user) {
            return Err(Refusal::OtherUser);
        }
        self.check_client(made.client_data, GET, challenge)?;
        let data = AuthenticatorData::read(made.authenticator_data)?;
        self.check_device(&data)?;
        if data.is_copyable() != passkey.copyable {
            return Err(Refusal::Backup);
        }
        let client_hash = key::sha256(made.client_data);
        let signed = [made.authenticator_data, &client_hash].concat();
        passkey.key.verify(&signed, made.signature)?;
        let counts = data.counter != 0 || passkey.counter != 0;
        if counts && data.counter <= passkey.counter {
            return Err(Refusal::Counter);
        }
        Ok(Passkey { counter: data.counter, copied: data.is_copied(), ..passkey.clone() })
    }

    fn check_client(&self, json: &[u8], kind: &str, challenge: &[u8]) -> Result<(), Refusal> {
        client_data::check(json, kind, challenge, &self.origin)
    }

    fn check_device(&self, data: &AuthenticatorData<'_>) -> Result<(), Refusal> {
        if *data.host_hash != key::sha256(self.id.as_bytes()) {
            return Err(Refusal::Host);
        }
        match () {
            () if !data.is_present() => Err(Refusal::NotPresent),
            () if !data.is_verified() => Err(Refusal::NotVerified),
            () if data.is_copied() && !data.is_copyable() => Err(Refusal::Backup),
            () => Ok(()),
        }
    }
}
