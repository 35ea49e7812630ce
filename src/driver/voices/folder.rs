//! A folder of recordings: `enrol/NAME.wav`, or several in `enrol/NAME/`; and what the same speakers said at other
//! times, in folders of files `NAME_….wav`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{VoiceError, voice};
use crate::voice::print::Model;
use crate::voice::print::calibration::Speaker;
use crate::voice::print::compare::Heard;

/// The voices of a folder.
pub struct Folder {
    /// Who is enrolled, by name.
    pub enrolled: BTreeMap<String, Heard>,
    /// What was said at other times, by the file's name.
    pub heard: BTreeMap<String, Heard>,
}

/// So many of so many files were listened to.
pub type Told<'a> = &'a mut dyn FnMut(usize, usize);

/// The most files of a folder.
const MOST_FILES: usize = 200_000;

impl Folder {
    /// Listens to all recordings, one after the other.
    ///
    /// # Errors
    /// When a file or folder can't be read, or has no voice.
    pub fn listen(model: &Model, root: &Path, tests: &[String], tell: Told<'_>) -> Result<Self, VoiceError> {
        let enrolments = enrolments(&root.join("enrol"))?;
        let mut files = Vec::new();
        for test in tests {
            files.extend(recordings(&root.join(test))?.into_iter().map(|path| (test.clone(), path)));
        }
        let all = enrolments.values().map(Vec::len).sum::<usize>() + files.len();
        let mut done = 0;
        let mut listen = |path: &Path| {
            tell(done, all);
            done += 1;
            voice(model, path)
        };
        let mut enrolled = BTreeMap::new();
        for (name, paths) in enrolments {
            let heard: Vec<Heard> = paths.iter().map(|path| listen(path)).collect::<Result<_, _>>()?;
            let none = || VoiceError::Folder(format!("{}: `{name}` has no recording", root.display()));
            enrolled.insert(name.clone(), Heard::together(&heard).ok_or_else(none)?);
        }
        let mut heard = BTreeMap::new();
        for (test, path) in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Several folders may have files of the same name: each is its own recording.
            let name = if tests.len() > 1 { format!("{test}/{name}") } else { name };
            heard.insert(name, listen(&path)?);
        }
        Ok(Self { enrolled, heard })
    }

    /// The speakers with all that each said, for a calibration.
    #[must_use]
    pub fn speakers(&self) -> Vec<Speaker> {
        let speaker = |(name, enrolled): (&String, &Heard)| {
            let own = self.heard.iter().filter(|(file, _)| speaker_of(file) == name);
            Speaker { enrolled: enrolled.clone(), heard: own.map(|(_, heard)| heard.clone()).collect() }
        };
        self.enrolled.iter().map(speaker).collect()
    }
}

/// Who speaks in `NAME_….wav`.
#[must_use]
pub(super) fn speaker_of(file: &str) -> &str {
    let file = file.rsplit_once('/').map_or(file, |(_, file)| file);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.rsplit_once('_').map_or(stem, |(name, _)| name)
}

/// The recordings that each name is enrolled with.
fn enrolments(folder: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>, VoiceError> {
    let mut all = BTreeMap::new();
    for path in listed(folder)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            all.insert(name, recordings(&path)?);
        } else if is_recording(&path) {
            all.insert(name, vec![path]);
        }
    }
    Ok(all)
}

fn recordings(folder: &Path) -> Result<Vec<PathBuf>, VoiceError> {
    let mut paths = listed(folder)?;
    paths.retain(|path| is_recording(path));
    if paths.is_empty() {
        return Err(VoiceError::Folder(format!(
            "{} has no recordings (WAV, MP3, Ogg, FLAC)",
            folder.display()
        )));
    }
    Ok(paths)
}

fn is_recording(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ["wav", "mp3", "ogg", "flac"].contains(&extension.as_str())
}

/// What is in a folder, in the order of names.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, VoiceError> {
    let io = |source| VoiceError::Io { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
        if paths.len() > MOST_FILES {
            return Err(VoiceError::Folder(format!("{} has more than {MOST_FILES} files", folder.display())));
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_its_speaker() {
        for (file, name) in
            [("0024_3.wav", "0024"), ("ana_b_1.flac", "ana_b"), ("test/x_1.wav", "x"), ("solo", "solo")]
        {
            assert_eq!(speaker_of(file), name);
        }
    }
}
