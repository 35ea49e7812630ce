//! Loads an application: its folder of flows, its recordings, its hash.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::embedded;
use super::prompts::{AudioLibrary, AudioProblem, AudioSources};
use super::services::sql;
use super::snapshot::{Fingerprint, Snapshot};
use super::speech::Speech;
use crate::diagnostic::{self, Diagnostic};
use crate::flow::document::Application;
use crate::flow::{self, ClipKey, Files, Unread};

/// Where an application comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationSource {
    /// A folder, such as `flows/bank`.
    Folder(PathBuf),
    /// One inside the binary, by its name.
    Embedded(&'static str),
}

impl ApplicationSource {
    /// Whichever folder links lead to now.
    fn resolved(&self) -> Self {
        match self {
            Self::Folder(folder) => Self::Folder(fs::canonicalize(folder).unwrap_or_else(|_| folder.clone())),
            Self::Embedded(name) => Self::Embedded(name),
        }
    }

    /// The folder, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Embedded(_) => None,
        }
    }
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
    /// Somebody writes the files all the time.
    #[error(
        "the files of {0} keep changing while they are read\n  help: try again when they are all written"
    )]
    Restless(PathBuf),
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
    /// Its version: the first 16 hexadecimal digits of the SHA-256 of its files and recordings.
    pub hash: Arc<str>,
    /// What it was made of.
    pub fingerprint: Arc<Fingerprint>,
    /// Where it came from.
    pub source: ApplicationSource,
    /// Warnings of the check.
    pub warnings: Vec<Diagnostic>,
}

/// Loads an application with its recordings. What is loaded is one state of its files: when they change
/// meanwhile, they are read again.
///
/// # Errors
/// [`ApplicationError`] with everything that is wrong, at once.
pub fn load(source: &ApplicationSource) -> Result<Loaded, ApplicationError> {
    load_with(source, &Speech::default())
}

/// Loads an application as [`load`] does; what nobody recorded is spoken.
///
/// # Errors
/// [`ApplicationError`] with everything that is wrong, at once.
pub fn load_with(source: &ApplicationSource, speech: &Speech) -> Result<Loaded, ApplicationError> {
    for _ in 0..READS {
        // A link such as `current` may be turned to another folder: this load stays with one.
        let place = source.resolved();
        let files = open_with(&place, speech)?;
        let snapshot = Snapshot::of(files.as_ref());
        let loaded = load_from(source, &place, &snapshot, speech);
        let (clips, audio) = (wanted(&loaded), audio_sources(&place));
        let fingerprint = match &loaded {
            Ok(loaded) => Fingerprint::clone(&loaded.fingerprint),
            Err(_) => snapshot.fingerprint(&clips, &audio),
        };
        if fingerprint.again(files.as_ref(), &clips, &audio) == fingerprint {
            return loaded;
        }
    }
    match source {
        ApplicationSource::Folder(folder) => Err(ApplicationError::Restless(folder.clone())),
        ApplicationSource::Embedded(name) => Err(ApplicationError::NoFolder(PathBuf::from(name))),
    }
}

/// Reads an application and checks it, with what only the system can tell: whether databases take its statements.
///
/// # Errors
/// Everything that is wrong with it, warnings included.
pub fn read(files: &dyn Files) -> Result<(Application, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (application, mut found) = flow::load(files)?;
    let more = sql::check(&application);
    if more.is_empty() {
        return Ok((application, found));
    }
    found.extend(more);
    Err(found)
}

/// What would keep an application that is right from being served: recordings that are there and can't be played.
#[must_use]
pub fn unplayable(source: &ApplicationSource, application: &Application) -> Vec<Diagnostic> {
    let sources = AudioSources { embedded: false, ..audio_sources(source) };
    let mut found = Vec::new();
    for key in application.clips() {
        let (_, problems) = AudioLibrary::load_some(&sources, &BTreeSet::from([key.clone()]));
        for problem in problems.iter().filter(|problem| !matches!(problem, AudioProblem::Missing { .. })) {
            let place = application.texts.get(&key).map(|text| text.place.clone());
            let told = problem.to_string();
            let (message, help) = told.rsplit_once("; ").unwrap_or((&told, "record it again"));
            found.push(Diagnostic::error("E178", place, message).help(help));
        }
    }
    found
}

fn wanted(loaded: &Result<Loaded, ApplicationError>) -> BTreeSet<ClipKey> {
    loaded.as_ref().map(|loaded| loaded.application.clips()).unwrap_or_default()
}

fn load_from(
    source: &ApplicationSource,
    place: &ApplicationSource,
    files: &Snapshot<'_>,
    speech: &Speech,
) -> Result<Loaded, ApplicationError> {
    let (application, warnings) = read(files).map_err(ApplicationError::Check)?;
    let wanted: BTreeSet<ClipKey> = application.clips();
    let audio = AudioSources { codecs: speech.codecs(), ..audio_sources(place) };
    // Before the recordings are read: one that changes then is seen to differ afterwards.
    let fingerprint = files.fingerprint(&wanted, &audio);
    let clips = recordings(&application, &audio, &wanted, speech)?;
    Ok(Loaded {
        application: Arc::new(application),
        clips: Arc::new(clips),
        hash: fingerprint.hash(),
        fingerprint: Arc::new(fingerprint),
        source: source.clone(),
        warnings,
    })
}

/// What there is as recordings, and what is spoken in their place.
fn recordings(
    application: &Application,
    audio: &AudioSources,
    wanted: &BTreeSet<ClipKey>,
    speech: &Speech,
) -> Result<AudioLibrary, ApplicationError> {
    let (mut clips, problems) = AudioLibrary::load_some(audio, wanted);
    let spoken = |problem: &AudioProblem| match problem {
        AudioProblem::Missing { key, .. } => {
            let language = key.split_once('/').map(|(language, _)| language).unwrap_or_default();
            speech.speaks(language) && application.spoken_text(&ClipKey::new(key.as_str())).is_some()
        }
        _ => false,
    };
    let (to_speak, problems): (Vec<_>, Vec<_>) = problems.into_iter().partition(spoken);
    if !problems.is_empty() {
        return Err(ApplicationError::Audio(problems));
    }
    let keys = to_speak.into_iter().filter_map(|problem| match problem {
        AudioProblem::Missing { key, .. } => Some(ClipKey::new(key)),
        _ => None,
    });
    for (key, clip) in speech.speak(application, keys).map_err(ApplicationError::Check)? {
        clips.insert(key, clip);
    }
    Ok(clips)
}

/// The version that the files of a loaded application would have now; `None` when they are not there.
#[must_use]
pub fn hash_now(loaded: &Loaded) -> Option<Arc<str>> {
    let place = loaded.source.resolved();
    let files = open(&place).ok()?;
    let clips = loaded.application.clips();
    Some(loaded.fingerprint.again(files.as_ref(), &clips, &audio_sources(&place)).hash())
}

/// How often files that change are read before that is told.
const READS: usize = 5;

/// Opens the files of an application.
///
/// # Errors
/// [`ApplicationError::NoFolder`].
pub fn open(source: &ApplicationSource) -> Result<Box<dyn Files>, ApplicationError> {
    open_with(source, &Speech::default())
}

/// Opens the files of an application whose missing recordings are spoken.
///
/// # Errors
/// [`ApplicationError::NoFolder`].
pub fn open_with(source: &ApplicationSource, speech: &Speech) -> Result<Box<dyn Files>, ApplicationError> {
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
                Some(_) => Ok(Box::new(FolderFiles {
                    folder: folder.clone(),
                    audio: audio_sources(source),
                    speaks: speech.languages(),
                })),
                None => Err(ApplicationError::NoFolder(folder.clone())),
            }
        }
    }
}

/// Recordings are looked for in the application's own `audio`, in the `audio` beside `flows`, and in the binary.
pub(crate) fn audio_sources(source: &ApplicationSource) -> AudioSources {
    let folders = match source {
        ApplicationSource::Embedded(_) => Vec::new(),
        ApplicationSource::Folder(folder) => {
            let beside = folder.join("..").join("..").join("audio");
            [folder.join("audio"), beside].into_iter().filter(|folder| folder.is_dir()).collect()
        }
    };
    AudioSources { folders, embedded: true, ..AudioSources::default() }
}

struct FolderFiles {
    folder: PathBuf,
    audio: AudioSources,
    /// The languages that missing recordings are spoken in.
    speaks: BTreeSet<String>,
}

impl Files for FolderFiles {
    fn read(&self, path: &str) -> Result<String, Unread> {
        read_text(&self.folder.join(path))
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder.join(folder)) else { return Vec::new() };
        // What has the name of such a file and is none is told when it is read.
        let named = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".yaml");
        let files = entries.flatten().filter(|entry| entry.path().is_file() || named(entry));
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

    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        Some(self.folder.join(path))
    }

    fn recordings(&self) -> Option<BTreeSet<String>> {
        Some(self.audio.names())
    }

    fn speaks(&self, language: &str) -> bool {
        self.speaks.contains(language)
    }
}

/// A regular file's text: anything else might never end. Of a YAML file that is far too long only the
/// beginning is read, for its reader to find it too long.
fn read_text(path: &Path) -> Result<String, Unread> {
    let data = fs::metadata(path).map_err(|error| match Unread::from(error.kind()) {
        Unread::Absent if fs::symlink_metadata(path).is_ok() => Unread::LinkToNothing,
        why => why,
    })?;
    if data.is_dir() {
        return Err(Unread::Folder);
    }
    if !data.is_file() {
        return Err(Unread::Special);
    }
    let yaml = path.extension().is_some_and(|extension| extension == "yaml");
    if !yaml && data.len() > MOST_BYTES {
        return Err(Unread::TooLarge { most: MOST_BYTES });
    }
    let mut bytes = Vec::new();
    let most = if yaml { MOST_YAML } else { MOST_BYTES };
    let file = File::open(path).map_err(|error| Unread::from(error.kind()))?;
    file.take(most).read_to_end(&mut bytes).map_err(|error| Unread::from(error.kind()))?;
    if data.len() > MOST_YAML && yaml {
        // It may be cut in the middle of a character.
        let valid = std::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
        bytes.truncate(if valid + 4 > bytes.len() { valid } else { bytes.len() });
    }
    Unread::text(bytes)
}

/// Tables are held in memory.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Above what a YAML file of an application may have.
const MOST_YAML: u64 = 64 * 1024 * 1024;

struct EmbeddedFiles(&'static str);

impl Files for EmbeddedFiles {
    fn read(&self, path: &str) -> Result<String, Unread> {
        let files = embedded::application(self.0).ok_or(Unread::Absent)?;
        files.text(&format!("{}/{path}", self.0)).map(str::to_owned).ok_or(Unread::Absent)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let prefix = format!("{}/", self.0);
        let folder = if matches!(folder, "" | ".") { self.0.to_owned() } else { format!("{prefix}{folder}") };
        let paths = embedded::application(self.0).map(|files| files.list(&folder)).unwrap_or_default();
        paths.into_iter().filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).collect()
    }

    fn recordings(&self) -> Option<BTreeSet<String>> {
        Some(embedded::recordings())
    }
}
