//! Loads an application: its folder of flows, its recordings, its hash.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::embedded;
use super::prompts::{AudioLibrary, AudioProblem, AudioSources};
use crate::diagnostic::{self, Diagnostic};
use crate::flow::document::Application;
use crate::flow::{self, ClipKey, Files};

/// Where an application comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationSource {
    /// A folder, such as `flows/bank`.
    Folder(PathBuf),
    /// One inside the binary, by its name.
    Embedded(&'static str),
}

/// Why an application can't be used.
#[derive(Debug, Error)]
pub enum ApplicationError {
    /// There is no such folder.
    #[error(
        "{0} is not a folder with an application\n  help: name a folder that holds a *.flow.yaml, such as flows/bank"
    )]
    NoFolder(PathBuf),
    /// The check found errors.
    #[error("{}", diagnostic::render(.0))]
    Check(Vec<Diagnostic>),
    /// Recordings are missing or unreadable.
    #[error("{}", list(.0))]
    Audio(Vec<AudioProblem>),
}

fn list(problems: &[AudioProblem]) -> String {
    problems.iter().map(|problem| format!("error: {problem}")).collect::<Vec<_>>().join("\n")
}

/// An application, ready to take calls.
#[derive(Clone)]
pub struct Loaded {
    /// The flows.
    pub application: Arc<Application>,
    /// The recordings.
    pub clips: Arc<AudioLibrary>,
    /// The first 16 hexadecimal digits of the SHA-256 of its files.
    pub hash: Arc<str>,
    /// Warnings of the check.
    pub warnings: Vec<Diagnostic>,
}

/// Loads an application with its recordings.
///
/// # Errors
/// [`ApplicationError`] with everything that is wrong, at once.
pub fn load(source: &ApplicationSource) -> Result<Loaded, ApplicationError> {
    let files = open(source)?;
    let (application, warnings) = flow::load(files.as_ref()).map_err(ApplicationError::Check)?;
    let wanted: BTreeSet<ClipKey> = application.clips();
    let clips = AudioLibrary::load(&audio_sources(source), &wanted).map_err(ApplicationError::Audio)?;
    Ok(Loaded {
        application: Arc::new(application),
        clips: Arc::new(clips),
        hash: hash(files.as_ref()),
        warnings,
    })
}

/// Opens the files of an application.
///
/// # Errors
/// [`ApplicationError::NoFolder`].
pub fn open(source: &ApplicationSource) -> Result<Box<dyn Files>, ApplicationError> {
    match source {
        ApplicationSource::Embedded(name) => Ok(Box::new(EmbeddedFiles(name))),
        ApplicationSource::Folder(folder) => {
            let holds_flow = |folder: &PathBuf| {
                let entries = fs::read_dir(folder).ok()?;
                let mut names =
                    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
                names.find(|name| name.ends_with(".flow.yaml"))
            };
            match holds_flow(folder) {
                Some(_) => Ok(Box::new(FolderFiles { folder: folder.clone(), audio: audio_sources(source) })),
                None => Err(ApplicationError::NoFolder(folder.clone())),
            }
        }
    }
}

/// Recordings are looked for in the application's own `audio`, in the `audio` beside `flows`, and in the binary.
fn audio_sources(source: &ApplicationSource) -> AudioSources {
    let folders = match source {
        ApplicationSource::Embedded(_) => Vec::new(),
        ApplicationSource::Folder(folder) => {
            let beside = folder.join("..").join("..").join("audio");
            [folder.join("audio"), beside].into_iter().filter(|folder| folder.is_dir()).collect()
        }
    };
    AudioSources { folders, embedded: true }
}

struct FolderFiles {
    folder: PathBuf,
    audio: AudioSources,
}

impl Files for FolderFiles {
    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(path)).ok()
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder.join(folder)) else { return Vec::new() };
        let files = entries.flatten().filter(|entry| entry.path().is_file());
        let mut names: Vec<String> = files
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .map(|name| {
                if matches!(folder, "" | ".") {
                    name
                } else {
                    format!("{}/{name}", folder.trim_end_matches('/'))
                }
            })
            .collect();
        names.sort();
        names
    }

    fn recordings(&self) -> Option<BTreeSet<String>> {
        Some(self.audio.names())
    }
}

struct EmbeddedFiles(&'static str);

impl Files for EmbeddedFiles {
    fn read(&self, path: &str) -> Option<String> {
        embedded::files().text(&format!("{}/{path}", self.0)).map(str::to_owned)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let prefix = format!("{}/", self.0);
        let folder = if matches!(folder, "" | ".") { self.0.to_owned() } else { format!("{prefix}{folder}") };
        let paths = embedded::files().list(&folder);
        paths.into_iter().filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).collect()
    }

    fn recordings(&self) -> Option<BTreeSet<String>> {
        Some(embedded::recordings())
    }
}

fn hash(files: &dyn Files) -> Arc<str> {
    let mut hasher = Sha256::new();
    for folder in ["", "prompts", "data"] {
        for path in files.list(folder) {
            hasher.update(path.as_bytes());
            hasher.update([0]);
            hasher.update(files.read(&path).unwrap_or_default().as_bytes());
            hasher.update([0]);
        }
    }
    let digest = hasher.finalize();
    Arc::from(data_encoding::HEXLOWER.encode(digest.get(..8).unwrap_or_default()))
}
