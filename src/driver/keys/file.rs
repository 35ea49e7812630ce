//! A key file: one or several keys of a kind, the current one first, readable by its owner alone.
//!
//! ```text
//! # The pepper of this Countersign deployment. …
//! id: 5b1f0c9a7d3356aa
//! made: 2026-01-01T12:00:00Z
//! key: …64 hexadecimal digits…
//! id: 90a2c4417f0be8d1
//! until: 2026-12-27T12:00:00Z
//! key: …
//! ```
//!
//! It is only ever replaced as a whole, by a rename: a crash leaves the old file or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::KeysError;
use crate::driver::seal::{Key, random};
use crate::secret::Secret;
use crate::units::UnixTime;

/// A key with the name that rows refer to it by.
#[derive(Clone)]
pub(crate) struct NamedKey {
    pub(crate) id: String,
    pub(crate) key: Key,
    pub(crate) path: PathBuf,
    /// When it was made; unknown for one of an earlier version.
    pub(crate) made: Option<UnixTime>,
    /// What it was used for counts until then; a current key has no end.
    pub(crate) until: Option<UnixTime>,
}

impl NamedKey {
    /// A fresh one.
    pub(super) fn fresh(path: &Path, made: Option<UnixTime>) -> Result<Self, KeysError> {
        let key = Secret::new(random::<32>().map_err(|_| KeysError::Random)?);
        Ok(Self { id: key_id(&key), key, path: path.to_owned(), made, until: None })
    }

    fn lines(&self) -> Secret<String> {
        let at = |name: &str, at: Option<UnixTime>| {
            at.and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok())
                .map(|at| format!("{name}: {at}\n"))
                .unwrap_or_default()
        };
        let hex = Secret::new(data_encoding::HEXLOWER.encode(self.key.expose()));
        let (id, made, until) = (&self.id, at("made", self.made), at("until", self.until));
        Secret::new(format!("id: {id}\n{made}{until}key: {}\n", hex.expose()))
    }
}

/// Reads a key file; `None` when there is none.
pub(super) fn load(path: &Path) -> Result<Option<Vec<NamedKey>>, KeysError> {
    let Some(text) = read_private(path)? else { return Ok(None) };
    let malformed = || KeysError::Malformed { path: path.to_owned() };
    let mut keys = Vec::new();
    let (mut id, mut made, mut until) = (None, None, None);
    for line in text.expose().lines() {
        if let Some(found) = line.strip_prefix("id:") {
            (id, made, until) = (Some(found.trim().to_owned()), None, None);
        } else if let Some(at) = line.strip_prefix("made:") {
            made = Some(moment(at).ok_or_else(malformed)?);
        } else if let Some(at) = line.strip_prefix("until:") {
            until = Some(moment(at).ok_or_else(malformed)?);
        } else if let Some(hex) = line.strip_prefix("key:") {
            let key = bytes32(hex.trim()).ok_or_else(malformed)?;
            let id = id.take().filter(|id| key_id(&key) == *id).ok_or_else(malformed)?;
            keys.push(NamedKey { id, key, path: path.to_owned(), made, until });
        }
    }
    if keys.is_empty() { Err(malformed()) } else { Ok(Some(keys)) }
}

/// Makes the file with one fresh key. Of two first runs at once, one makes the key and the other reads it.
pub(super) fn make(path: &Path, name: &str) -> Result<Vec<NamedKey>, KeysError> {
    let key = NamedKey::fresh(path, None)?;
    let text = text_of(name, std::slice::from_ref(&key));
    if create(path, text.expose().as_bytes())? {
        return Ok(vec![key]);
    }
    load(path)?.ok_or_else(|| KeysError::Malformed { path: path.to_owned() })
}

/// Puts these keys in the place of those in the file.
pub(super) fn store(path: &Path, name: &str, keys: &[NamedKey]) -> Result<(), KeysError> {
    replace(path, text_of(name, keys).expose().as_bytes())
}

fn text_of(name: &str, keys: &[NamedKey]) -> Secret<String> {
    let mut text = Secret::new(format!(
        "# The {name} key of this Countersign deployment. Keep a copy apart from the database's backups.\n"
    ));
    for key in keys {
        text.expose_mut().push_str(key.lines().expose());
    }
    text
}

/// The text of a file that nobody else may read; `None` when there is none.
pub(super) fn read_private(path: &Path) -> Result<Option<Secret<String>>, KeysError> {
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
    Ok(Some(text))
}

/// Writes a new file for its owner alone; `false` when there is one already.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<bool, KeysError> {
    let failed = |source| KeysError::Io { path: path.to_owned(), source };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
            sync_folder(path).map_err(failed)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Puts a whole file in the place of another and wipes what was there, as far as the file system lets one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let failed = |source| KeysError::Io { path: path.to_owned(), source };
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let old = OpenOptions::new().write(true).open(path).ok();
    let written = || {
        // What a crash left of another write, with whatever mode.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        sync_folder(path)
    };
    if let Err(error) = written() {
        let _ = fs::remove_file(&part);
        return Err(failed(error));
    }
    // A copy-on-write file system or a flash disk may keep the old blocks all the same.
    let _ = old.map_or(Ok(()), wipe);
    Ok(())
}

fn wipe(mut file: File) -> io::Result<()> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// 64 hexadecimal digits.
pub(super) fn bytes32(hex: &str) -> Option<Key> {
    let bytes = Secret::new(data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?);
    bytes.expose().as_slice().try_into().ok().map(Secret::new)
}

fn moment(text: &str) -> Option<UnixTime> {
    text.trim().parse::<jiff::Timestamp>().ok().map(|at| UnixTime(at.as_millisecond()))
}

/// A key's name: says which one it is, and nothing of what it is.
pub(super) fn key_id(key: &Key) -> String {
    let digest = Sha256::new().chain_update(b"countersign key id").chain_update(key.expose()).finalize();
    data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_several_keys_is_read_as_it_was_written() {
        let folder = std::env::temp_dir().join(format!("countersign-keyfile-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("pepper.key");
        let first = make(&path, "pepper").expect("made");
        assert_eq!(make(&path, "pepper").expect("read").first().map(|key| &key.id), Some(&first[0].id));
        let old = NamedKey { until: Some(UnixTime(1_000)), ..first[0].clone() };
        let new = NamedKey::fresh(&path, Some(UnixTime(2_000))).expect("random");
        store(&path, "pepper", &[new.clone(), old.clone()]).expect("stored");
        let read = load(&path).expect("reads").expect("there");
        let seen: Vec<_> = read.iter().map(|key| (key.id.as_str(), key.made, key.until)).collect();
        let wanted =
            [(new.id.as_str(), Some(UnixTime(2_000)), None), (old.id.as_str(), None, Some(UnixTime(1_000)))];
        assert_eq!(seen, wanted);
        assert!(read[0].key.matches(new.key.expose()));
        let text = fs::read_to_string(&path).expect("text").replace("until: 1970", "until: never");
        fs::write(&path, text).expect("written");
        assert!(matches!(load(&path), Err(KeysError::Malformed { .. })));
        fs::remove_dir_all(&folder).expect("removed");
    }
}
