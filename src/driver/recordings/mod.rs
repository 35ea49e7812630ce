//! Recordings of calls: one file each, in `recordings/` below the data folder, sealed a second at a time.
//!
//! A recording has the extension `part` while it is written and gets its name at its end. What a crash leaves is
//! readable as far as it goes, and says that it was cut short; the next start gives it its name.

mod export;
mod file;
mod keeper;
mod reader;
mod servers;
mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use super::dated::{DatedFolder, PART};
use super::keys::{Keys, Shares};
use super::seal::Key;
use crate::units::UnixTime;

pub use export::{ExportError, Part};
pub use file::Head;
pub use keeper::{Failed, Keeper, Way};
pub use reader::{Ending, Listed, Next, Reader, State};
pub use servers::{Numbers, Place, ServerConfig, ServerError};
pub use writer::Writer;

/// `recording:` of the settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingConfig {
    /// Whether calls are recorded where their flow says so.
    pub enabled: bool,
    /// Megabytes that recordings leave free on the disk: below, nothing is recorded.
    pub keep_free_mb: u64,
    /// Where recordings go; into files when left out, and to recording servers too when there are any.
    pub to: Option<Place>,
    /// Recording servers, in the order in which they are tried.
    pub servers: Vec<ServerConfig>,
}

impl Default for RecordingConfig {
    fn default() -> Self {
        // What the database, the audit log and the messages of a busy month take.
        Self { enabled: true, keep_free_mb: 1024, to: None, servers: Vec::new() }
    }
}

/// The folder of recordings.
#[derive(Clone)]
pub struct Recordings {
    folder: DatedFolder,
    key: Arc<Key>,
    shares: Arc<Shares>,
}

/// Why a recording is not kept or read.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// No such recording.
    #[error("there is no recording `{0}`\n  help: `countersign recording list` shows them")]
    Unknown(String),
    /// A file can't be written, read or removed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not open.
    #[error(
        "{0} was changed, or is of another deployment\n  help: what was read before this place is as it was recorded; put \
         the file back from a backup"
    )]
    Changed(PathBuf),
    /// A subject was erased.
    #[error("the recording {0} is of somebody who was erased: its key is destroyed, nobody can hear it")]
    Erased(String),
    /// Some of it never came to the disk.
    #[error("a part of the recording {0} is lost: the disk does not keep up")]
    Lost(String),
    /// The disk is nearly full.
    #[error(
        "less than {keep_free_mb} MB are free for {folder}: nothing is recorded\n  help: make room, or write a lower `keep_free_mb`"
    )]
    NoRoom {
        /// The folder.
        folder: PathBuf,
        /// What the settings want to be left free.
        keep_free_mb: u64,
    },
}

impl Recordings {
    /// The folder's name in the data folder.
    pub const FOLDER: &str = "recordings";

    /// The recordings of a data folder.
    #[must_use]
    pub fn of(data: &Path, keys: &Keys) -> Self {
        Self {
            folder: DatedFolder::new(data.join(Self::FOLDER), "recording"),
            key: Arc::new(keys.derive("recordings")),
            shares: keys.shares(),
        }
    }

    /// All recordings that are not being made, the oldest first. One that does not open is told and left out.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn list(&self) -> Result<Vec<Listed>, RecordingError> {
        let mut out = Vec::new();
        for path in self.folder.whole().map_err(|source| self.unreadable(source))? {
            match self.listed(&path) {
                Ok(listed) => out.push(listed),
                Err(error) => tracing::error!(%error, "a recording can't be read"),
            }
        }
        Ok(out)
    }

    /// Those of one call.
    ///
    /// # Errors
    /// As [`Recordings::list`].
    pub fn of_call(&self, call: &str) -> Result<Vec<Listed>, RecordingError> {
        let mut out = Vec::new();
        for path in self.folder.whole().map_err(|source| self.unreadable(source))? {
            let named = super::dated::stem(&path).is_some_and(|stem| stem.contains(call));
            if named
                && let Ok(listed) = self.listed(&path)
                && listed.head.call == call
            {
                out.push(listed);
            }
        }
        Ok(out)
    }

    /// Removes recordings of before a time, by the time in their names; with `dry` only counts them.
    ///
    /// # Errors
    /// When the folder can't be read or a file not be removed.
    pub fn sweep(&self, before: UnixTime, dry: bool) -> Result<u64, RecordingError> {
        let past = self.folder.past(before).map_err(|source| self.unreadable(source))?;
        let removed = u64::try_from(past.len()).unwrap_or(u64::MAX);
        past.into_iter().filter(|_| !dry).try_for_each(remove)?;
        Ok(removed)
    }

    /// Removes what nobody can hear any more since somebody was erased; how many there were.
    ///
    /// # Errors
    /// When the folder can't be read or a file not be removed.
    pub fn remove_erased(&self) -> Result<u64, RecordingError> {
        let mut removed = 0;
        for path in self.folder.whole().map_err(|source| self.unreadable(source))? {
            if self.listed(&path).is_ok_and(|listed| listed.state == State::Erased) {
                remove(path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Gives what a crash left its name. Only whoever writes may do so, before it does.
    ///
    /// # Errors
    /// When the folder can't be read or a file not be renamed.
    pub fn tidy(&self) -> Result<(), RecordingError> {
        for path in self.folder.files(PART).map_err(|source| self.unreadable(source))? {
            if let Some(name) = super::dated::stem(&path) {
                self.folder
                    .finish(name)
                    .map_err(|source| RecordingError::Io { path: path.clone(), source })?;
            }
        }
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> RecordingError {
        RecordingError::Io { path: self.folder.path().to_owned(), source }
    }
}

fn remove(path: PathBuf) -> Result<(), RecordingError> {
    fs::remove_file(&path).map_err(|source| RecordingError::Io { path, source })
}
