//! What is remembered of callers from one call to the next: the language they chose, notices they heard.
//!
//! Values are small, sealed, found by keyed hashes only, and forgotten when they have not been renewed for [`KEPT`], or
//! when the subject is erased. What flows remember proves nothing; what the vault puts here for its own pages has names
//! of its own and a shorter life.

use std::time::Duration;

use super::{TENANT, Vault, VaultError, admin, logged};
use crate::auth::{Answer, Whose};
use crate::driver::seal::{self, Label, keyed_hash};
use crate::driver::store::Identifier;
use crate::secret::Secret;
use crate::units::UnixTime;

/// Long enough for who calls once a year.
pub(crate) const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);
/// The longest name of something remembered.
const LONGEST_NAME: usize = 256;
/// The longest value.
const LONGEST_VALUE: usize = 64;

impl Vault {
    pub(super) fn remember(&self, now: UnixTime, whose: &Whose, name: &str, value: &str) -> Answer {
        if name.len() > LONGEST_NAME || value.len() > LONGEST_VALUE {
            return Answer::Unavailable;
        }
        match logged("remember", self.keep(now, whose, name, value)) {
            Ok(()) => Answer::Remembered,
            Err(_) => Answer::Unavailable,
        }
    }

    pub(super) fn recall(&self, now: UnixTime, whose: &Whose, name: &str) -> Answer {
        match logged("recall", self.kept(now, whose, name)) {
            Ok(value) => Answer::Recalled(value),
            Err(_) => Answer::Unavailable,
        }
    }

    fn keep(&self, now: UnixTime, whose: &Whose, name: &str, value: &str) -> Result<(), VaultError> {
        let owner = self.owner(whose);
        let sealed = seal::seal(&self.memory, label(&owner, name), value.as_bytes())?;
        let until = now.plus(KEPT);
        Ok(self.store.remember(&owner, &self.name_hash(name), &sealed, now, until)?)
    }

    fn kept(&self, now: UnixTime, whose: &Whose, name: &str) -> Result<Option<String>, VaultError> {
        let owner = self.owner(whose);
        let Some(sealed) = self.store.recall(&owner, &self.name_hash(name), now)? else { return Ok(None) };
        let opened = seal::open(&self.memory, label(&owner, name), &sealed)?;
        Ok(String::from_utf8(opened.expose().clone()).ok())
    }

    /// Keeps a value of an owner for a while, in the place of what was kept by that name.
    pub(super) fn put(
        &self,
        now: UnixTime,
        (owner, name): (&[u8; 32], &str),
        value: &Secret<Vec<u8>>,
        until: UnixTime,
    ) -> Result<(), VaultError> {
        let sealed = seal::seal(&self.memory, label(owner, name), value.expose())?;
        Ok(self.store.remember(owner, &self.name_hash(name), &sealed, now, until)?)
    }

    /// What was put, unless its time is over.
    pub(super) fn look_up(
        &self,
        now: UnixTime,
        (owner, name): (&[u8; 32], &str),
    ) -> Result<Option<Secret<Vec<u8>>>, VaultError> {
        let Some(sealed) = self.store.recall(owner, &self.name_hash(name), now)? else { return Ok(None) };
        Ok(Some(seal::open(&self.memory, label(owner, name), &sealed)?))
    }

    pub(super) fn owner(&self, whose: &Whose) -> [u8; 32] {
        match whose {
            Whose::Subject(key) => keyed_hash(&self.memory, &[TENANT.as_bytes(), b"subject", &key.0]),
            Whose::Number(number) => {
                let number = Secret::new(admin::normalised(Identifier::Phone, number.expose()));
                keyed_hash(&self.memory, &[TENANT.as_bytes(), b"number", number.expose().as_bytes()])
            }
        }
    }

    fn name_hash(&self, name: &str) -> [u8; 32] {
        keyed_hash(&self.memory, &[TENANT.as_bytes(), b"name", name.as_bytes()])
    }
}

const fn label<'a>(owner: &'a [u8; 32], name: &'a str) -> Label<'a> {
    Label { tenant: TENANT, owner, kind: name }
}
