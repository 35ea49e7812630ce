//! The keys beside the database: master, pepper and token key, each in a file that its owner alone may read.
//!
//! They are made at the first run, when there is no database yet. Once there is one, a missing key is an
//! error and never a reason to make a new one: everything in the database would be lost by it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::seal::{Key, random};
use crate::secret::Secret;

/// The database's file in the data folder.
pub const DATABASE_FILE: &str = "countersign.db";
const MASTER_FILE: &str = "master.key";
const PEPPER_FILE: &str = "pepper.key";
const TOKEN_FILE: &str = "token.key";

/// The keys of a deployment.
pub struct Keys {
    master: NamedKey,
    pepper: NamedKey,
    token: SigningKey,
}

/// A key with the name that rows refer to it by.
pub(crate) struct NamedKey {
    pub(crate) id: String,
    pub(crate) key: Key,
    pub(crate) path: PathBuf,
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
        let master = load_or_make(data, MASTER_FILE, "master")?;
        let pepper = load_or_make(data, PEPPER_FILE, "pepper")?;
        // The token key protects nothing that is kept: a new one only means giving out a new public key.
        let token = match load(&data.join(TOKEN_FILE))? {
            Some(key) => key,
            None => make(&data.join(TOKEN_FILE), "token")?,
        };
        Ok(Self { master, pepper, token: SigningKey::from_bytes(token.key.expose()) })
    }

    /// The key that tokens for agents are signed with.
    #[must_use]
    pub const fn token(&self) -> &SigningKey {
        &self.token
    }

    pub(crate) const fn master(&self) -> &NamedKey {
        &self.master
    }

    pub(crate) const fn pepper(&self) -> &NamedKey {
        &self.pepper
    }

    /// A key of its own for each purpose, from the master key (HKDF, RFC 5869).
    pub(crate) fn derive(&self, purpose: &str) -> Key {
        let mut out = [0_u8; 32];
        let derived = Hkdf::<Sha256>::new(Some(b"countersign"), self.master.key.expose())
            .expand(purpose.as_bytes(), &mut out);
        // 32 bytes are within what HKDF gives.
        debug_assert!(derived.is_ok());
        Secret::new(out)
    }
}

fn load_or_make(data: &Path, file: &str, name: &'static str) -> Result<NamedKey, KeysError> {
    let path = data.join(file);
    if let Some(key) = load(&path)? {
        return Ok(key);
    }
    let database = data.join(DATABASE_FILE);
    if database.exists() {
        return Err(KeysError::Missing { name, path, database });
    }
    make(&path, name)
}

fn load(path: &Path) -> Result<Option<NamedKey>, KeysError> {
    let failed = |source| KeysError::Io { path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Ok(text) => Secret::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(KeysError::Malformed { path: path.to_owned() });
        }
        Err(error) => return Err(failed(error)),
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::TooOpen { path: path.to_owned(), mode });
    }
    let field = |name: &str| text.expose().lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let key = field("key:").and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok());
    let key: Option<[u8; 32]> = key.and_then(|bytes| Secret::new(bytes).expose().as_slice().try_into().ok());
    match (key.map(Secret::new), field("id:")) {
        (Some(key), Some(id)) if key_id(&key) == id => {
            Ok(Some(NamedKey { id: id.to_owned(), key, path: path.to_owned() }))
        }
        _ => Err(KeysError::Malformed { path: path.to_owned() }),
    }
}

fn make(path: &Path, name: &str) -> Result<NamedKey, KeysError> {
    let failed = |source| KeysError::Io { path: path.to_owned(), source };
    let key = Secret::new(random::<32>().map_err(|_| KeysError::Random)?);
    let id = key_id(&key);
    let text = Secret::new(format!(
        "# The {name} key of this Countersign deployment. Keep a copy apart from the database's backups.\n\
         id: {id}\nkey: {}\n",
        Secret::new(data_encoding::HEXLOWER.encode(key.expose())).expose()
    ));
    // `create_new`: of two first runs at once, one makes the key and the other reads it.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(text.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(NamedKey { id, key, path: path.to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            load(path)?.ok_or_else(|| KeysError::Malformed { path: path.to_owned() })
        }
        Err(error) => Err(failed(error)),
    }
}

/// A key's name: says which one it is, and nothing of what it is.
fn key_id(key: &Key) -> String {
    let digest = Sha256::new().chain_update(b"countersign key id").chain_update(key.expose()).finalize();
    data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default())
}
