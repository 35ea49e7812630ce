//! What the binary carries with it: the default application and its recordings, so that it answers a
//! call without any file beside it.

use std::collections::BTreeSet;
use std::sync::Arc;

use include_dir::{Dir, DirEntry, include_dir};

use super::prompts::{AudioLibrary, AudioSources};
use crate::audio::Clip;
use crate::audio::decode::EXTENSIONS;
use crate::flow::ClipKey;

/// The default application's folder below `flows/`.
pub const DEFAULT_APPLICATION: &str = "bank";

/// The application that generators of load measure.
pub const BENCH_APPLICATION: &str = "bench";

// The other examples stay outside: their recordings would make the binary twice as large.
static BANK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/flows/bank");
static BENCH: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/driver/bench");
static AUDIO: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/audio");

/// The files of `flows/bank`; paths start with the application's folder, such as `bank/policy.yaml`.
#[must_use]
pub const fn files() -> Embedded {
    Embedded { folder: &BANK, name: DEFAULT_APPLICATION }
}

/// The files of an application inside the binary; none when there is none of that name.
#[must_use]
pub fn application(name: &'static str) -> Option<Embedded> {
    match name {
        DEFAULT_APPLICATION => Some(files()),
        BENCH_APPLICATION => Some(Embedded { folder: &BENCH, name }),
        _ => None,
    }
}

/// The files of `audio/`; paths such as `en-GB/greeting.wav`.
#[must_use]
pub const fn audio() -> Embedded {
    Embedded { folder: &AUDIO, name: "" }
}

/// One recording, decoded; `None` when there is none of that name.
#[must_use]
pub fn clip(key: &str) -> Option<Arc<Clip>> {
    let key = ClipKey::new(key);
    let sources = AudioSources { embedded: true, ..AudioSources::default() };
    AudioLibrary::load(&sources, &BTreeSet::from([key.clone()])).ok()?.get(&key).cloned()
}

/// The names of all recordings, as a [`ClipKey`] has them: `en-GB/greeting`.
#[must_use]
pub fn recordings() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![&AUDIO];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for path in folder.files().map(include_dir::File::path) {
            if path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known)) {
                names.insert(path.with_extension("").to_string_lossy().replace('\\', "/"));
            }
        }
    }
    names
}

/// A folder inside the binary. Paths are relative to it, or start with its name if it has one, and use `/`.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    folder: &'static Dir<'static>,
    name: &'static str,
}

impl Embedded {
    /// A file's bytes.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<&'static [u8]> {
        self.folder.get_file(self.below(path)?).map(include_dir::File::contents)
    }

    /// A file's text, if it is UTF-8.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&'static str> {
        self.folder.get_file(self.below(path)?).and_then(include_dir::File::contents_utf8)
    }

    /// The paths of the files directly in a folder, sorted; none when there is no such folder. The empty
    /// path is the outermost folder of one without a name.
    #[must_use]
    pub fn list(&self, folder: &str) -> Vec<String> {
        let folder = match self.below(folder.trim_matches('/')) {
            None => None,
            Some("" | ".") => Some(self.folder),
            Some(path) => self.folder.get_dir(path),
        };
        let named = |path: String| if self.name.is_empty() { path } else { format!("{}/{path}", self.name) };
        let mut paths: Vec<String> = folder
            .into_iter()
            .flat_map(Dir::entries)
            .filter_map(DirEntry::as_file)
            .map(|file| named(file.path().to_string_lossy().replace('\\', "/")))
            .collect();
        paths.sort();
        paths
    }

    /// A path as the folder itself knows it.
    fn below<'path>(&self, path: &'path str) -> Option<&'path str> {
        let rest = path.strip_prefix(self.name)?;
        if self.name.is_empty() {
            Some(rest)
        } else {
            rest.strip_prefix('/').or(rest.is_empty().then_some(""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_application_and_its_recordings_are_inside() {
        let catalogue = files().text("bank/prompts/en-GB.yaml").expect("the catalogue");
        assert!(catalogue.contains("greeting:"));
        assert!(audio().bytes("tones/beep.wav").is_some_and(|bytes| bytes.starts_with(b"RIFF")));
        assert_eq!(audio().bytes("tones/none.wav"), None);
    }

    #[test]
    fn what_generators_measure_is_inside_and_without_a_fault() {
        let source = crate::driver::application::ApplicationSource::Embedded(BENCH_APPLICATION);
        let loaded = crate::driver::application::load(&source).expect("it can be served");
        assert!(loaded.warnings.is_empty());
    }

    #[test]
    fn every_recording_inside_can_be_named_and_heard() {
        let names = recordings();
        assert!(names.contains("en-GB/greeting") && names.contains("es-ES/numbers/100"));
        assert!(names.iter().all(|name| !name.contains("make/")));
        assert!(clip("en-GB/greeting").is_some_and(|clip| clip.len() > 8000));
        assert!(clip("en-GB/none").is_none());
    }

    #[test]
    fn a_folder_lists_its_own_files_only() {
        assert_eq!(files().list("bank/prompts"), ["bank/prompts/en-GB.yaml", "bank/prompts/es-ES.yaml"]);
        assert!(audio().list("").iter().all(|path| !path.contains('/')));
        assert!(files().list("nothing/here").is_empty());
    }
}
