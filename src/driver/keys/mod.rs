//! The keys beside the database, each kind in a file that its owner alone may read.
//!
//! | file | |
//! |---|---|
//! | `master.key` | seals the root key, nothing else; one or several, the current one first |
//! | `root.sealed` | the root key, which all keys of the data are derived from; sealed, so it may go with backups |
//! | `subjects.key` | the subjects' shares of their own keys |
//! | `pepper.key` | what PINs are hashed with; one or several, the current one first |
//! | `token.key`, `audit.key` | sign what agents are told, and the checkpoints of the audit log |
//!
//! They are made at the first run, when there is no database yet. Once there is one, a missing key is an
//! error and never a reason to make a new one: everything in the database would be lost by it.

mod file;
pub(crate) mod ring;
mod root;
mod shares;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::{SigningKey, VerifyingKey};
use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;

use super::seal::Key;
use crate::secret::Secret;

pub(crate) use file::NamedKey;
pub use ring::{Listed, Rotated};
pub(crate) use root::ROOT_FILE;
pub(crate) use shares::{Erased, Shares};

/// The database's file in the data folder.
pub const DATABASE_FILE: &str = "countersign.db";
const MASTER_FILE: &str = "master.key";
const PEPPER_FILE: &str = "pepper.key";
const TOKEN_FILE: &str = "token.key";
const AUDIT_KEY_FILE: &str = "audit.key";

/// The keys of a deployment.
pub struct Keys {
    data: PathBuf,
    root: NamedKey,
    /// The root key stands in no file yet: it is taken for what the database was made with, until that is known.
    assumed: bool,
    peppers: Vec<NamedKey>,
    shares: Arc<Shares>,
    token: SigningKey,
    audit: SigningKey,
}

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum KeysError {
    /// A key file is gone but the database is there.
    #[error(
        "the {name} key is missing: {path}\n  The database {database} was made with it and can't be read without it.\n  \
         help: put that file back from your backup"
    )]
    Missing {
        /// Which key.
        name: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// The database that needs it.
        database: PathBuf,
    },
    /// The file is not a key file.
    #[error(
        "{path} is not a key file of Countersign (an `id:` line and a `key:` line of 64 hexadecimal digits that belong \
         together)\n  help: put that file back from your backup"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the file.
    #[error("{path} can be read by others (mode {mode:o})\n  help: chmod 600 {path}")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file can't be read or written.
    #[error("{path}: {source}\n  help: check that this user may read and write the data folder")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The root key is sealed under a master key that is not there.
    #[error(
        "the master key {path} is not the one that the database was made with (the file has id {found}, the data wants \
         {wanted})\n  help: put the right key file back from your backup"
    )]
    Wrong {
        /// The master key's file.
        path: PathBuf,
        /// The ids in the file.
        found: String,
        /// The id that is wanted.
        wanted: String,
    },
    /// No such key.
    #[error("there is no key `{0}`\n  help: `countersign keys list` shows them")]
    Unknown(String),
    /// What the key is needed for.
    #[error("the key {id} is in use: {why}")]
    InUse {
        /// Which.
        id: String,
        /// What for, and what to do.
        why: String,
    },
    /// No randomness.
    #[error("the operating system gives no randomness, so no key can be made")]
    Random,
}

impl Keys {
    /// Reads the keys of a data folder; makes the folder and the keys when there is no database yet.
    ///
    /// # Errors
    /// [`KeysError`]: what is wrong, where, and what to do.
    pub fn open(data: &Path) -> Result<Self, KeysError> {
        let failed = |source| KeysError::Io { path: data.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed)?;
        let _lock = Lock::of(data)?;
        let masters = load_or_make(data, MASTER_FILE, "master")?;
        let peppers = load_or_make(data, PEPPER_FILE, "pepper")?;
        let sealed = root::load(data)?;
        let shares = match Shares::load(data)? {
            Some(shares) => shares,
            // Both came with the same version: a deployment of before has neither.
            None if sealed.is_none() => Shares::make(data)?,
            None => return Err(missing(data, shares::SHARES_FILE, "subjects'")),
        };
        let (root, assumed) = match sealed {
            Some(sealed) => (sealed.open(data, &masters)?, false),
            None if data.join(DATABASE_FILE).exists() => (root::of_before(data, &masters)?, true),
            None => (root::make(data, &masters)?, false),
        };
        // These protect nothing that is kept: a new one only means giving out a new public key.
        let signing = |name: &str, file: &str| {
            let path = data.join(file);
            let keys = file::load(&path)?.map_or_else(|| file::make(&path, name), Ok)?;
            let key = keys.into_iter().next().ok_or(KeysError::Malformed { path })?;
            Ok::<_, KeysError>(SigningKey::from_bytes(key.key.expose()))
        };
        let (token, audit) = (signing("token", TOKEN_FILE)?, signing("audit", AUDIT_KEY_FILE)?);
        Ok(Self { data: data.to_owned(), root, assumed, peppers, shares: Arc::new(shares), token, audit })
    }

    /// The key that tokens for agents are signed with.
    #[must_use]
    pub const fn token(&self) -> &SigningKey {
        &self.token
    }

    /// The key that the audit log's checkpoints are signed with.
    #[must_use]
    pub const fn audit(&self) -> &SigningKey {
        &self.audit
    }

    /// The public part of the audit key of a data folder that may have no data yet.
    pub(crate) fn audit_of(data: &Path) -> Result<VerifyingKey, KeysError> {
        let path = data.join(AUDIT_KEY_FILE);
        let key = file::load(&path)?.and_then(|keys| keys.into_iter().next());
        let key = key.ok_or(KeysError::Malformed { path })?;
        Ok(SigningKey::from_bytes(key.key.expose()).verifying_key())
    }

    /// The key that all keys of the data are derived from.
    pub(crate) const fn root(&self) -> &NamedKey {
        &self.root
    }

    /// The database knows the root key: it can be sealed under the master key for good.
    pub(crate) fn confirm_root(&self) -> Result<(), KeysError> {
        if !self.assumed {
            return Ok(());
        }
        let _lock = Lock::of(&self.data)?;
        let masters = load_or_make(&self.data, MASTER_FILE, "master")?;
        root::keep(&self.data, &self.root, &masters)
    }

    /// The peppers, the current one first.
    pub(crate) fn peppers(&self) -> &[NamedKey] {
        &self.peppers
    }

    /// The subjects' shares of their keys.
    pub(crate) fn shares(&self) -> Arc<Shares> {
        Arc::clone(&self.shares)
    }

    /// A key of its own for each purpose, from the root key (HKDF, RFC 5869).
    pub(crate) fn derive(&self, purpose: &str) -> Key {
        derived(&self.root.key, purpose)
    }
}

fn derived(from: &Key, purpose: &str) -> Key {
    let mut out = [0_u8; 32];
    let derived =
        Hkdf::<Sha256>::new(Some(b"countersign"), from.expose()).expand(purpose.as_bytes(), &mut out);
    // 32 bytes are within what HKDF gives.
    debug_assert!(derived.is_ok());
    Secret::new(out)
}

fn load_or_make(data: &Path, file: &str, name: &'static str) -> Result<Vec<NamedKey>, KeysError> {
    let path = data.join(file);
    match file::load(&path)? {
        Some(keys) => Ok(keys),
        None if data.join(DATABASE_FILE).exists() => Err(missing(data, file, name)),
        None => file::make(&path, name),
    }
}

fn missing(data: &Path, file: &str, name: &'static str) -> KeysError {
    KeysError::Missing { name, path: data.join(file), database: data.join(DATABASE_FILE) }
}

/// Keeps other processes from changing the key files, while it lives.
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock goes with the open file")] File);

impl Lock {
    pub(crate) fn of(data: &Path) -> Result<Self, KeysError> {
        let path = data.join("keys.lock");
        let failed = |source| KeysError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        match file.lock() {
            // A file system without locks has one user at a time.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(failed(error)),
            _ => Ok(Self(file)),
        }
    }
}
