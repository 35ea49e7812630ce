//! Flow tests from a folder: the application, its files of tests, how long its recordings are.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::application::{self, ApplicationError, ApplicationSource};
use super::prompts::{AudioLibrary, AudioSources};
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::flow::document::Application;
use crate::flow::{self, ClipKey};
use crate::scenario::document::TestFile;
use crate::scenario::{self, Sounds};

/// The folder of an application that its tests are in.
pub const TESTS: &str = "tests";
/// How the names of files with tests end.
pub const ENDING: &str = ".flow-test.yaml";

/// An application and its tests.
pub struct Suite {
    /// The flows.
    pub application: Arc<Application>,
    /// Warnings of the check.
    pub warnings: Vec<Diagnostic>,
    /// The files of tests, in the order of their names.
    pub files: Vec<TestFile>,
    /// The recordings' lengths.
    pub sounds: Lengths,
}

/// Reads an application and its tests. Places are named below `folder` as it was given.
///
/// # Errors
/// Everything that is wrong with the application or, when nothing is, with its tests.
pub fn read(folder: &Path) -> Result<Suite, ApplicationError> {
    let source = ApplicationSource::Folder(folder.to_owned());
    let files = application::open(&source)?;
    let below = |found: Vec<Diagnostic>| found.into_iter().map(|finding| below(folder, finding)).collect();
    let loaded = flow::load(files.as_ref()).map_err(|found| ApplicationError::Check(below(found)))?;
    let (app, warnings) = loaded;
    let mut found = Vec::new();
    let mut tests = Vec::new();
    for path in files.list(TESTS).into_iter().filter(|path| path.ends_with(ENDING)) {
        let shown = folder.join(&path).display().to_string();
        let text = match files.read(&path) {
            Ok(text) => text,
            Err(why) => {
                found.push(why.told(&shown));
                continue;
            }
        };
        match scenario::read(&shown, &text, &app) {
            Ok(file) => tests.push(file),
            Err(findings) => found.extend(findings),
        }
    }
    if !found.is_empty() {
        return Err(ApplicationError::Check(found));
    }
    let sounds = Lengths::of(application::audio_sources(&source));
    Ok(Suite { application: Arc::new(app), warnings: below(warnings), files: tests, sounds })
}

/// A length of time as flows write it: `5s`, `1m30s`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    crate::flow::document::duration(text.trim())
}

/// Names files as the admin can open them: below the folder that was given.
#[must_use]
pub fn below(folder: &Path, mut finding: Diagnostic) -> Diagnostic {
    let mut named: Vec<(Arc<Source>, Arc<Source>)> = Vec::new();
    let mut rename = |place: &mut Place| {
        let known = named.iter().find(|(before, _)| Arc::ptr_eq(before, &place.source));
        let after = match known {
            Some((_, after)) => Arc::clone(after),
            None => Arc::new(Source {
                path: folder.join(&place.source.path).display().to_string(),
                text: place.source.text.clone(),
            }),
        };
        named.push((Arc::clone(&place.source), Arc::clone(&after)));
        place.source = after;
    };
    finding.place.iter_mut().for_each(&mut rename);
    finding.related.iter_mut().for_each(|(place, _)| rename(place));
    finding
}

/// The lengths of recordings, each read when it is first asked for. One that is not there has none: a test
/// of a flow does not wait for its recordings.
pub struct Lengths {
    sources: AudioSources,
    known: RefCell<HashMap<ClipKey, Option<Duration>>>,
}

impl Lengths {
    fn of(sources: AudioSources) -> Self {
        Self { sources, known: RefCell::new(HashMap::new()) }
    }
}

impl Sounds for Lengths {
    fn length(&self, clip: &ClipKey) -> Option<Duration> {
        if let Some(known) = self.known.borrow().get(clip) {
            return *known;
        }
        let library = AudioLibrary::load(&self.sources, &BTreeSet::from([clip.clone()])).ok();
        let length = library.as_ref().and_then(|library| library.get(clip)).map(|clip| clip.duration());
        self.known.borrow_mut().insert(clip.clone(), length);
        length
    }
}
