//! The recordings of an application, read once when it is loaded: prompts, spoken numbers, tones, music.
//!
//! A recording may be of any kind that [`crate::audio::decode_file`] reads and at any rate; it is kept in
//! one channel, encoded for every codec that calls may have. All that is wrong with the files is told at once.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::audio::decode::EXTENSIONS;
use crate::audio::{AudioError, Clip, decode_file};
use crate::call::ClipSource;
use crate::driver::embedded;
use crate::flow::ClipKey;
use crate::media::CodecList;

/// Where recordings are looked for, in this order.
#[derive(Clone, Debug, Default)]
pub struct AudioSources {
    /// Folders that hold `en-GB/greeting.wav` and the like.
    pub folders: Vec<PathBuf>,
    /// Whether those inside the binary are used for what no folder has.
    pub embedded: bool,
    /// What they are encoded for.
    pub codecs: CodecList,
}

impl AudioSources {
    /// The names of all recordings that can be found, as a [`ClipKey`] has them.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = if self.embedded { embedded::recordings() } else { BTreeSet::new() };
        for root in &self.folders {
            let mut open = vec![root.clone()];
            while let Some(folder) = open.pop() {
                let Ok(entries) = fs::read_dir(&folder) else { continue };
                for path in entries.flatten().map(|entry| entry.path()) {
                    if path.is_dir() {
                        open.push(path);
                    } else if path
                        .extension()
                        .is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known))
                        && let Ok(below) = path.strip_prefix(root)
                    {
                        names.insert(below.with_extension("").to_string_lossy().replace('\\', "/"));
                    }
                }
            }
        }
        names
    }
}

/// Every recording that an application can play, ready to send.
#[derive(Clone, Debug, Default)]
pub struct AudioLibrary {
    clips: HashMap<ClipKey, Arc<Clip>>,
}

impl AudioLibrary {
    /// Reads all that is wanted.
    ///
    /// # Errors
    /// Every recording that is missing or cannot be read, in the order of their keys.
    pub fn load(sources: &AudioSources, wanted: &BTreeSet<ClipKey>) -> Result<Self, Vec<AudioProblem>> {
        let (library, problems) = Self::load_some(sources, wanted);
        if problems.is_empty() { Ok(library) } else { Err(problems) }
    }

    /// Reads what is wanted, and tells what of it there is not, in the order of their keys.
    #[must_use]
    pub fn load_some(sources: &AudioSources, wanted: &BTreeSet<ClipKey>) -> (Self, Vec<AudioProblem>) {
        let mut library = Self::default();
        let mut problems = Vec::new();
        let keys: Vec<&ClipKey> = wanted.iter().collect();
        for (key, read) in keys.iter().zip(read_all(sources, &keys)) {
            match read {
                Ok(clip) => library.insert((*key).clone(), clip),
                Err(problem) => problems.push(problem),
            }
        }
        (library, problems)
    }

    /// Adds a recording, or puts it in another's place.
    pub fn insert(&mut self, key: ClipKey, clip: Clip) {
        self.clips.insert(key, Arc::new(clip));
    }

    /// A recording.
    #[must_use]
    pub fn get(&self, key: &ClipKey) -> Option<&Arc<Clip>> {
        self.clips.get(key)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clips.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }
}

/// Each recording, in the order of their keys. Encoding takes its time, so every core has a part of it.
fn read_all(sources: &AudioSources, keys: &[&ClipKey]) -> Vec<Result<Clip, AudioProblem>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_CORES);
    let part = keys.len().div_ceil(cores).max(1);
    let read_part =
        |keys: &[&ClipKey]| -> Vec<_> { keys.iter().map(|key| read(sources, key.as_str())).collect() };
    if keys.len() <= 1 {
        return read_part(keys);
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> =
            keys.chunks(part).map(|keys| (keys, scope.spawn(move || read_part(keys)))).collect();
        // A part whose thread has gone wrong is read again here, so that its error is told where it belongs.
        parts
            .into_iter()
            .flat_map(|(keys, thread)| thread.join().unwrap_or_else(|_| read_part(keys)))
            .collect()
    })
}

/// More do not start an engine any sooner: the disk is one.
const MOST_CORES: usize = 8;

impl ClipSource for AudioLibrary {
    fn clip(&self, key: &ClipKey) -> Option<Arc<Clip>> {
        self.get(key).cloned()
    }
}

/// Why a recording cannot be played. Its `Display` says which, where it was looked for and what to do.
#[derive(Debug, thiserror::Error)]
pub enum AudioProblem {
    /// No file has this name.
    #[error("no recording `{key}`: looked for {}; {}", Looked(.folders, *.embedded, .key), Advice(.folders, .key))]
    Missing {
        /// What was wanted.
        key: String,
        /// The folders it was looked for in.
        folders: Vec<PathBuf>,
        /// Whether it was looked for inside the binary too.
        embedded: bool,
    },
    /// The name leads out of the folders.
    #[error(
        "`{key}` does not name a recording: write a path below the audio folder without `..`, such as `en-GB/greeting`"
    )]
    Name {
        /// What was wanted.
        key: String,
    },
    /// The file is there, but the system does not give it.
    #[error("the recording {} cannot be read: {error}; check its permissions", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file holds no audio that can be used.
    #[error("the recording {} cannot be played: {error}; record or convert it again as WAV, MP3, Ogg Vorbis or FLAC", .path.display())]
    Unplayable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: AudioError,
    },
}

/// The folders of a message, with the key's own folder where that makes them clearer.
struct Looked<'a>(&'a [PathBuf], bool, &'a str);

impl fmt::Display for Looked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(folders, embedded, key) = self;
        for (nth, folder) in folders.iter().enumerate() {
            let separator = if nth == 0 { "" } else { ", " };
            write!(f, "{separator}{}.{{{}}}", folder.join(key).display(), EXTENSIONS.join(","))?;
        }
        match (folders.is_empty(), embedded) {
            (true, true) => f.write_str("it among those inside the program"),
            (true, false) => f.write_str("it nowhere, for no audio folder is set"),
            (false, true) => f.write_str(" and inside the program"),
            (false, false) => Ok(()),
        }
    }
}

/// What to do about a missing recording.
struct Advice<'a>(&'a [PathBuf], &'a str);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(folders, key) = self;
        match folders.first() {
            Some(folder) => write!(f, "record it as {}.wav", folder.join(key).display()),
            None => write!(f, "set an audio folder and record it there as {key}.wav"),
        }
    }
}

/// Finds, decodes and converts one recording.
fn read(sources: &AudioSources, key: &str) -> Result<Clip, AudioProblem> {
    if !is_plain(key) {
        return Err(AudioProblem::Name { key: key.to_owned() });
    }
    for folder in &sources.folders {
        for extension in EXTENSIONS {
            let path = folder.join(format!("{key}.{extension}"));
            if fs::metadata(&path).is_ok_and(|data| !data.is_file()) {
                // A pipe might never end.
                let error = io::Error::new(ErrorKind::InvalidInput, "it is no file");
                return Err(AudioProblem::Unreadable { path, error });
            }
            match fs::read(&path) {
                Ok(bytes) => return convert(sources, &bytes, extension, &path),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => return Err(AudioProblem::Unreadable { path, error }),
            }
        }
    }
    if sources.embedded {
        for extension in EXTENSIONS {
            let path = format!("{key}.{extension}");
            if let Some(bytes) = embedded::audio().bytes(&path) {
                return convert(sources, bytes, extension, Path::new(&path));
            }
        }
    }
    let (folders, embedded) = (sources.folders.clone(), sources.embedded);
    Err(AudioProblem::Missing { key: key.to_owned(), folders, embedded })
}

/// Whether a key stays below the folder: an application from elsewhere must not read other files.
fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && !key.contains(['\\', ':', '\0'])
        && key.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

fn convert(sources: &AudioSources, bytes: &[u8], extension: &str, path: &Path) -> Result<Clip, AudioProblem> {
    let pcm = decode_file(bytes, extension)
        .map_err(|error| AudioProblem::Unplayable { path: path.to_owned(), error })?;
    Ok(Clip::encode(&pcm.samples, pcm.rate, sources.codecs.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{resample, tone, wav};
    use crate::units::SampleRate;
    use std::time::Duration;

    /// A folder that goes away with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("countersign-prompts-{}-{name}", std::process::id()));
            fs::create_dir_all(path.join("en-GB")).expect("a temporary folder");
            Self(path)
        }

        fn with(self, name: &str, bytes: &[u8]) -> Self {
            fs::write(self.0.join(name), bytes).expect("a temporary file");
            self
        }

        fn sources(&self, embedded: bool) -> AudioSources {
            AudioSources { folders: vec![self.0.clone()], embedded, ..AudioSources::default() }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn keys(names: &[&str]) -> BTreeSet<ClipKey> {
        names.iter().map(|&name| ClipKey::new(name)).collect()
    }

    #[test]
    fn a_recording_at_another_rate_becomes_telephone_audio() {
        let beep = tone::render(tone::Tone::Beep, Duration::from_millis(500));
        let wide = resample(&beep, SampleRate::TELEPHONE, SampleRate(44_100));
        let folder = Folder::new("rate").with("en-GB/hello.wav", &wav::write(&wide, SampleRate(44_100)));
        let library = AudioLibrary::load(&folder.sources(false), &keys(&["en-GB/hello"])).expect("loads");
        let clip = library.get(&ClipKey::new("en-GB/hello")).expect("is there");
        assert_eq!(clip.duration(), Duration::from_millis(500));
        let found = crate::audio::correlate(&beep, &clip.pcm()).expect("not silent");
        assert!(found.score > 0.99, "{found:?}");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_with_what_to_do() {
        let folder = Folder::new("wrong").with("en-GB/broken.mp3", b"this is not music");
        let wanted = keys(&["en-GB/absent", "en-GB/broken", "../secret"]);
        let problems =
            AudioLibrary::load(&folder.sources(true), &wanted).expect_err("three things are wrong");
        let told: Vec<String> = problems
            .iter()
            .map(|p| p.to_string().replace(&folder.0.display().to_string(), "AUDIO"))
            .collect();
        assert_eq!(
            told,
            [
                "`../secret` does not name a recording: write a path below the audio folder without `..`, such as \
                 `en-GB/greeting`",
                "no recording `en-GB/absent`: looked for AUDIO/en-GB/absent.{wav,mp3,ogg,oga,flac} and inside the \
                 program; record it as AUDIO/en-GB/absent.wav",
                "the recording AUDIO/en-GB/broken.mp3 cannot be played: this is not a WAV, MP3, Ogg Vorbis or FLAC \
                 file; record or convert it again as WAV, MP3, Ogg Vorbis or FLAC",
            ]
        );
    }

    #[test]
    fn a_folder_comes_before_what_is_inside_the_program() {
        let folder = Folder::new("first").with("en-GB/x.wav", &wav::write(&[5; 80], SampleRate::TELEPHONE));
        fs::create_dir_all(folder.0.join("tones")).expect("a folder");
        let folder = folder.with("tones/beep.wav", &wav::write(&[5; 80], SampleRate::TELEPHONE));
        let wanted = keys(&["tones/beep", "tones/busy"]);
        let library = AudioLibrary::load(&folder.sources(true), &wanted).expect("loads");
        assert_eq!(library.len(), 2);
        assert_eq!(library.get(&ClipKey::new("tones/beep")).map(|clip| clip.len()), Some(80));
        assert_eq!(library.get(&ClipKey::new("tones/busy")).map(|clip| clip.len()), Some(8000));
    }
}
