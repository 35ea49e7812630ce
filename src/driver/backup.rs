//! Backup of a data folder while it is served, and back.
//!
//! A backup has everything that is sealed or public and no key: the database (a consistent copy without free
//! pages), the audit log as far as that database knows it, the messages, the recordings, the settings, the sealed root key. A
//! manifest, written last and signed with the audit key, has every file's hash: a backup without one is not whole.
//! Putting it back takes the key files, which are kept elsewhere; who was erased since stays erased by
//! `subjects.key`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::audit_log::AUDIT_FILE;
use super::config::Config;
use super::control::{Claim, ControlError};
use super::keys::{DATABASE_FILE, Keys, KeysError, ROOT_FILE};
use super::os;
use super::store::StoreError;
use super::store::sqlite::SqliteStore;
use super::vault::{Vault, VaultError, copy_audit};
use crate::units::UnixTime;

/// The manifest's name.
const MANIFEST: &str = "backup.json";
/// Folders whose files are sealed one by one and never change once they are whole.
const FOLDERS: [&str; 2] = ["messages", "recordings"];
const PART: &str = "part";

/// Why there is no backup, or it can't be put back.
#[derive(Debug, Error)]
pub enum BackupError {
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder has something in it.
    #[error("{0} is not empty\n  help: name a folder that is not there yet")]
    NotEmpty(PathBuf),
    /// There is data in the folder.
    #[error(
        "{0} has data in it already\n  help: name an empty folder with --data, or move the old data away"
    )]
    InUse(PathBuf),
    /// There is no manifest.
    #[error(
        "{0} is not a whole backup: it has no {MANIFEST}\n  help: use one whose `countersign backup` ended well"
    )]
    NotWhole(PathBuf),
    /// It was changed, or signed by another deployment.
    #[error("{0} was changed, or is not a backup of the deployment whose keys these are")]
    Changed(PathBuf),
    /// No key files.
    #[error(
        "{folder} has no {file}: a backup can't be read without the keys\n  help: put the key files (*.key) there first, as they \
         were after the last change of them"
    )]
    NoKeys {
        /// Where they should be.
        folder: PathBuf,
        /// Which.
        file: &'static str,
    },
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The data folder is served.
    #[error(transparent)]
    Served(#[from] ControlError),
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    countersign: String,
    /// Milliseconds since 1970.
    at_ms: i64,
    deployment: String,
    audit_records: u64,
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    bytes: u64,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    /// The manifest as text, so that it is signed as it stands.
    manifest: String,
    signature: String,
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// When it was made.
    pub at: UnixTime,
    /// Files in it.
    pub files: usize,
    /// Records of its audit log.
    pub audit_records: u64,
    /// Subjects whose recovery codes are void since it was put back.
    pub void_codes: usize,
}

/// What becomes of recovery codes that a backup brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// All are void: one that was used after the backup was made would be good again.
    Void,
    /// They stay.
    Keep,
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    |source| BackupError::Io { path: path.to_owned(), source }
}

/// Copies a data folder into a new folder, while it is served or not.
///
/// # Errors
/// [`BackupError`]; what was copied by then has no manifest.
pub fn backup(data: &Path, to: &Path) -> Result<Backup, BackupError> {
    let keys = Keys::open(data)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(at(to))?;
    if fs::read_dir(to).map_err(at(to))?.next().is_some() {
        return Err(BackupError::NotEmpty(to.to_owned()));
    }
    let mut names = vec![DATABASE_FILE.to_owned(), AUDIT_FILE.to_owned(), ROOT_FILE.to_owned()];
    SqliteStore::open(&data.join(DATABASE_FILE))?.copy_to(&to.join(DATABASE_FILE))?;
    // After the database, and no further than it knows.
    let audit_records = copy_audit(data, &keys, &to.join(DATABASE_FILE), &to.join(AUDIT_FILE))?;
    copy(&data.join(ROOT_FILE), &to.join(ROOT_FILE))?;
    if data.join(Config::FILE).exists() {
        copy(&data.join(Config::FILE), &to.join(Config::FILE))?;
        names.push(Config::FILE.to_owned());
    }
    for folder in FOLDERS {
        names.extend(copy_folder(data, to, folder)?);
    }
    let files = names.iter().map(|name| entry(to, name)).collect::<Result<Vec<_>, _>>()?;
    let now = os::unix_now();
    let (countersign, deployment) = (env!("CARGO_PKG_VERSION").to_owned(), keys.root().id.clone());
    let done = Backup { at: now, files: files.len(), audit_records, void_codes: 0 };
    let manifest = Manifest { countersign, at_ms: now.0, deployment, audit_records, files };
    let manifest = serde_json::to_string(&manifest).map_err(io::Error::other).map_err(at(to))?;
    let signature =
        data_encoding::HEXLOWER.encode(&keys.audit().sign(signed(&manifest).as_bytes()).to_bytes());
    let text =
        serde_json::to_vec(&Signed { manifest, signature }).map_err(io::Error::other).map_err(at(to))?;
    write(&to.join(MANIFEST), &mut text.as_slice())?;
    File::open(to).and_then(|folder| folder.sync_all()).map_err(at(to))?;
    Ok(done)
}

fn signed(manifest: &str) -> String {
    format!("countersign backup\n{manifest}")
}

/// The files of a folder that are whole; one that goes meanwhile was deleted.
fn copy_folder(data: &Path, to: &Path, folder: &str) -> Result<Vec<String>, BackupError> {
    let from = data.join(folder);
    let Ok(entries) = fs::read_dir(&from) else { return Ok(Vec::new()) };
    let into = to.join(folder);
    fs::DirBuilder::new().mode(0o700).create(&into).map_err(at(&into))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(&from))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(PART) {
            continue;
        }
        match copy(&entry.path(), &into.join(&name)) {
            Err(BackupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => {
                other?;
                names.push(format!("{folder}/{name}"));
            }
        }
    }
    names.sort();
    Ok(names)
}

fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut file = File::open(from).map_err(at(from))?;
    write(to, &mut file)
}

fn write(to: &Path, from: &mut dyn Read) -> Result<(), BackupError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(at(to))?;
    io::copy(from, &mut file).and_then(|_| file.flush()).and_then(|()| file.sync_all()).map_err(at(to))
}

fn entry(folder: &Path, name: &str) -> Result<Entry, BackupError> {
    let path = folder.join(name);
    let mut file = File::open(&path).map_err(at(&path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(at(&path))?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        bytes += u64::try_from(read).unwrap_or(0);
    }
    let sha256 = data_encoding::HEXLOWER.encode(&hasher.finalize());
    Ok(Entry { name: name.to_owned(), bytes, sha256 })
}

/// Puts a backup into a data folder that has the keys and nothing else; who was erased since is removed.
///
/// # Errors
/// [`BackupError`]; the folder has no database then, and the same can be tried again.
pub fn restore(from: &Path, data: &Path, codes: Codes) -> Result<Backup, BackupError> {
    if data.join(DATABASE_FILE).exists() {
        return Err(BackupError::InUse(data.to_owned()));
    }
    for file in ["master.key", "pepper.key", "subjects.key", "audit.key"] {
        if !data.join(file).exists() {
            return Err(BackupError::NoKeys { folder: data.to_owned(), file });
        }
    }
    let claim = Claim::of(data)?;
    let manifest = checked(from, &Keys::audit_of(data)?)?;
    for folder in FOLDERS {
        let into = data.join(folder);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&into).map_err(at(&into))?;
    }
    // The root key may have been sealed anew since: the one beside the keys is the later one.
    let stays = |name: &str| [ROOT_FILE, Config::FILE].contains(&name) && data.join(name).exists();
    // The database comes last: until it is there, there is no data.
    let database = |entry: &&Entry| entry.name == DATABASE_FILE;
    let (last, first): (Vec<&Entry>, Vec<&Entry>) = manifest.files.iter().partition(database);
    for entry in first.into_iter().chain(last).filter(|entry| !stays(&entry.name)) {
        put(&from.join(&entry.name), &data.join(&entry.name))?;
    }
    let vault = Vault::open_data(data)?;
    let at = UnixTime(manifest.at_ms);
    vault.note_restored(os::unix_now(), at)?;
    let void_codes = match codes {
        Codes::Void => vault.void_recovery_codes(os::unix_now())?,
        Codes::Keep => 0,
    };
    drop(claim);
    Ok(Backup { at, files: manifest.files.len(), audit_records: manifest.audit_records, void_codes })
}

fn put(from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let _ = fs::remove_file(&part);
    copy(from, &part)?;
    fs::rename(&part, to).map_err(at(to))?;
    let folder = to.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

/// The manifest of a backup whose files are what it says.
fn checked(from: &Path, key: &VerifyingKey) -> Result<Manifest, BackupError> {
    let path = from.join(MANIFEST);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::NotWhole(from.to_owned()));
        }
        other => other.map_err(at(&path))?,
    };
    let manifest = (|| {
        let Signed { manifest, signature } = serde_json::from_slice(&text).ok()?;
        let signature = data_encoding::HEXLOWER.decode(signature.as_bytes()).ok()?;
        key.verify_strict(signed(&manifest).as_bytes(), &Signature::from_slice(&signature).ok()?).ok()?;
        serde_json::from_str::<Manifest>(&manifest).ok()
    })();
    let manifest = manifest.ok_or_else(|| BackupError::Changed(path.clone()))?;
    for wanted in &manifest.files {
        // Signed by us; a name is no way out of the folder all the same.
        let plain = !wanted.name.starts_with('/') && wanted.name.split('/').all(|part| part != "..");
        let found = entry(from, &wanted.name)?;
        if !plain || found.sha256 != wanted.sha256 || found.bytes != wanted.bytes {
            return Err(BackupError::Changed(from.join(&wanted.name)));
        }
    }
    Ok(manifest)
}
