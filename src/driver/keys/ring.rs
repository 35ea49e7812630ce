//! Rotation: new keys in, old ones out. Every step leaves files with which everything can be read.

use std::path::Path;
use std::time::Duration;

use super::file::{self, NamedKey};
use super::{KeysError, Lock, MASTER_FILE, PEPPER_FILE, load_or_make, root};
use crate::units::UnixTime;

/// A key as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// `master` or `pepper`.
    pub kind: &'static str,
    /// Its name.
    pub id: String,
    /// When it was made, if that is known.
    pub made: Option<UnixTime>,
    /// What was made with it counts until then.
    pub until: Option<UnixTime>,
    /// It is the one in use; the others are kept for reading.
    pub current: bool,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key in use until now.
    pub before: String,
    /// The key in use from now on.
    pub id: String,
}

/// All master keys and peppers of a data folder.
pub(crate) fn list(data: &Path) -> Result<Vec<Listed>, KeysError> {
    let masters = load_or_make(data, MASTER_FILE, "master")?;
    let peppers = load_or_make(data, PEPPER_FILE, "pepper")?;
    let sealed_by = root::load(data)?.map(|sealed| sealed.master);
    let listed =
        |kind, key: NamedKey, current| Listed { kind, id: key.id, made: key.made, until: key.until, current };
    let masters = masters.into_iter().map(|key| {
        let current = sealed_by.as_ref().is_none_or(|id| *id == key.id);
        listed("master", key, current)
    });
    let peppers = (0..).zip(peppers).map(|(at, key): (usize, NamedKey)| listed("pepper", key, at == 0));
    Ok(masters.chain(peppers).collect())
}

/// A new master key, and the root key sealed under it.
pub(crate) fn rotate_master(data: &Path, now: UnixTime) -> Result<Rotated, KeysError> {
    let _lock = Lock::of(data)?;
    let path = data.join(MASTER_FILE);
    let mut masters = load_or_make(data, MASTER_FILE, "master")?;
    let sealed = root::load(data)?.ok_or_else(|| super::missing(data, root::ROOT_FILE, "root"))?;
    let root = sealed.open(data, &masters)?;
    let fresh = NamedKey::fresh(&path, Some(now))?;
    let rotated = Rotated { before: sealed.master, id: fresh.id.clone() };
    // The old one stays in the file: until the next line is done, it is the one that opens the root key.
    masters.insert(0, fresh);
    file::store(&path, "master", &masters)?;
    root::keep(data, &root, &masters)?;
    Ok(rotated)
}

/// A new pepper. What was hashed with the old one counts until it is hashed anew, for `within` at most.
pub(crate) fn rotate_pepper(data: &Path, now: UnixTime, within: Duration) -> Result<Rotated, KeysError> {
    let _lock = Lock::of(data)?;
    let path = data.join(PEPPER_FILE);
    let mut peppers = load_or_make(data, PEPPER_FILE, "pepper")?;
    let fresh = NamedKey::fresh(&path, Some(now))?;
    let current = peppers.first_mut().ok_or_else(|| KeysError::Malformed { path: path.clone() })?;
    let rotated = Rotated { before: current.id.clone(), id: fresh.id.clone() };
    current.until = Some(now.plus(within));
    peppers.insert(0, fresh);
    file::store(&path, "pepper", &peppers)?;
    Ok(rotated)
}

/// Which kind of key has this name.
pub(crate) fn find(data: &Path, id: &str) -> Result<Listed, KeysError> {
    list(data)?.into_iter().find(|key| key.id == id).ok_or_else(|| KeysError::Unknown(id.to_owned()))
}

/// Destroys a key that nothing needs any more. The caller has made sure of it.
pub(crate) fn retire(data: &Path, key: &Listed) -> Result<(), KeysError> {
    let _lock = Lock::of(data)?;
    let file = if key.kind == "master" { MASTER_FILE } else { PEPPER_FILE };
    let mut keys = load_or_make(data, file, key.kind)?;
    keys.retain(|kept| kept.id != key.id);
    file::store(&data.join(file), key.kind, &keys)
}

/// The peppers as they are in the file now.
pub(crate) fn peppers(data: &Path) -> Result<Vec<NamedKey>, KeysError> {
    load_or_make(data, PEPPER_FILE, "pepper")
}
