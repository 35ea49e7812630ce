//! `root.sealed`: the key that all keys of the data are derived from, sealed under the master key.
//!
//! A new master key seals it anew, by one rename; nothing else in the deployment changes.

use std::path::{Path, PathBuf};

use super::file::{self, NamedKey, key_id};
use super::{KeysError, derived};
use crate::driver::seal::{self, Label};

/// The file in the data folder.
pub(crate) const ROOT_FILE: &str = "root.sealed";

/// The file as it stands.
pub(super) struct Sealed {
    /// The master key that opens it.
    pub(super) master: String,
    root: Vec<u8>,
}

impl Sealed {
    /// Opens it with the master key that it names.
    pub(super) fn open(&self, data: &Path, masters: &[NamedKey]) -> Result<NamedKey, KeysError> {
        let path = data.join(ROOT_FILE);
        let Some(master) = masters.iter().find(|master| master.id == self.master) else {
            let found = masters.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", ");
            let file = masters.first().map_or_else(PathBuf::new, |key| key.path.clone());
            return Err(KeysError::Wrong { path: file, found, wanted: self.master.clone() });
        };
        let opened = seal::open_key(&derived(&master.key, PURPOSE), label(&self.master), &self.root);
        let key = opened.map_err(|_| KeysError::Malformed { path: path.clone() })?;
        Ok(NamedKey { id: key_id(&key), key, path, made: None, until: None })
    }
}

pub(super) fn load(data: &Path) -> Result<Option<Sealed>, KeysError> {
    let path = data.join(ROOT_FILE);
    let Some(text) = file::read_private(&path)? else { return Ok(None) };
    let field = |name: &str| text.expose().lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let root = field("root:").and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok());
    match (field("master:"), root) {
        (Some(master), Some(root)) => Ok(Some(Sealed { master: master.to_owned(), root })),
        _ => Err(KeysError::Malformed { path }),
    }
}

/// A random root key, sealed under the first of the master keys.
pub(super) fn make(data: &Path, masters: &[NamedKey]) -> Result<NamedKey, KeysError> {
    let root = NamedKey::fresh(&data.join(ROOT_FILE), None)?;
    keep(data, &root, masters)?;
    Ok(root)
}

/// Before there was a root key, the master key itself was in its place.
pub(super) fn of_before(data: &Path, masters: &[NamedKey]) -> Result<NamedKey, KeysError> {
    let path = data.join(ROOT_FILE);
    let master = masters.last().ok_or_else(|| KeysError::Malformed { path: path.clone() })?;
    Ok(NamedKey { path, ..master.clone() })
}

/// Seals the root key under the first of the master keys and puts it in its place.
pub(super) fn keep(data: &Path, root: &NamedKey, masters: &[NamedKey]) -> Result<(), KeysError> {
    let path = data.join(ROOT_FILE);
    let master = masters.first().ok_or_else(|| KeysError::Malformed { path: path.clone() })?;
    let sealed = seal::seal(&derived(&master.key, PURPOSE), label(&master.id), root.key.expose())
        .map_err(|_| KeysError::Random)?;
    let text = format!(
        "# The root key of this deployment's data, sealed under the master key: it goes with the database's backups.\n\
         master: {}\nroot: {}\n",
        master.id,
        data_encoding::HEXLOWER.encode(&sealed)
    );
    file::replace(&path, text.as_bytes())
}

const PURPOSE: &str = "root key";

const fn label(master: &str) -> Label<'_> {
    Label { tenant: "", owner: master.as_bytes(), kind: PURPOSE }
}
