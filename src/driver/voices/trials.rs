//! Lists of trials: `ENROLLED FILE 1` for the right speaker, `ENROLLED FILE 0` for another.

use std::collections::BTreeMap;
use std::path::Path;

use super::folder::{Folder, speaker_of};
use super::{MOST_MEGABYTES, VoiceError, octets};
use crate::voice::print::compare::{Common, Crowd, Heard};
use crate::voice::print::figures::Trial;

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Who is enrolled.
    pub(super) enrolled: String,
    /// What is heard.
    pub(super) file: String,
    /// Whether it is the same speaker.
    pub(super) same: bool,
    /// Its number, for messages.
    pub(super) line: usize,
}

/// Reads a list.
///
/// # Errors
/// When it can't be read; the first line that is no trial.
pub(super) fn read(path: &Path) -> Result<Vec<Listed>, VoiceError> {
    let wrong = |line, why: &str| VoiceError::Line { path: path.to_owned(), line, why: why.to_owned() };
    let text = octets(path, MOST_MEGABYTES)?;
    let text = String::from_utf8(text).map_err(|_| wrong(1, "it is not UTF-8"))?;
    let mut all = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let same = match text.split_whitespace().nth(2) {
            Some("1") => true,
            Some("0") => false,
            _ => return Err(wrong(line, "a trial is `ENROLLED FILE 1` or `ENROLLED FILE 0`")),
        };
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            [enrolled, file, _] => {
                all.push(Listed { enrolled: (*enrolled).into(), file: (*file).into(), same, line });
            }
            _ => return Err(wrong(line, "a trial has three words")),
        }
    }
    Ok(all)
}

/// The score of every trial of a list: of each file with so many minus one that follow it of the same speaker.
/// Voices are compared without what `common` says, or without what all enrolled speakers other than the two of the
/// trial have in common.
///
/// # Errors
/// A line that names a speaker or a file that the folder does not have, or whose file is not of whom it says.
pub fn trials(
    path: &Path,
    folder: &Folder,
    utterances: usize,
    common: Option<&Common>,
) -> Result<Vec<Trial>, VoiceError> {
    let people: BTreeMap<&str, usize> = folder.enrolled.keys().map(String::as_str).zip(0..).collect();
    let crowd = Crowd::of(folder.enrolled.values().map(|heard| &heard.voice));
    // Speakers who are not enrolled count as somebody too.
    let mut strangers = BTreeMap::new();
    let mut scored = Vec::new();
    for Listed { enrolled, file, same, line } in read(path)? {
        let wrong = |why: String| VoiceError::Line { path: path.to_owned(), line, why };
        let name = speaker_of(&file);
        if same != (name == enrolled) {
            return Err(wrong(format!("`{file}` is of `{name}` by its name, and the line says otherwise")));
        }
        let who = folder.enrolled.get(&enrolled).zip(people.get(enrolled.as_str()));
        let (known, &index) = who.ok_or_else(|| wrong(format!("nobody is enrolled as `{enrolled}`")))?;
        let heard = run(folder, &file, name, utterances)
            .ok_or_else(|| wrong(format!("there is no recording `{file}`")))?;
        let other = folder.enrolled.get(name).filter(|_| !same).map(|other| &other.voice);
        let left: Vec<_> = [Some(&known.voice), other].into_iter().flatten().collect();
        let next = people.len() + strangers.len();
        let speaker =
            people.get(name).copied().unwrap_or_else(|| *strangers.entry(name.to_owned()).or_insert(next));
        let without;
        let common = match common {
            Some(common) => common,
            None => {
                without = crowd.without(&left);
                &without
            }
        };
        scored.push(Trial { enrolled: index, speaker, score: common.score(&known.voice, &heard.voice) });
    }
    Ok(scored)
}

/// A file with those that follow it of the same speaker; after the last comes the first.
fn run(folder: &Folder, file: &str, name: &str, utterances: usize) -> Option<Heard> {
    let first = folder.heard.get(file)?;
    if utterances < 2 {
        return Some(first.clone());
    }
    let own: Vec<&String> = folder.heard.keys().filter(|file| speaker_of(file) == name).collect();
    let at = own.iter().position(|other| *other == file)?;
    let run = own.iter().cycle().skip(at).take(utterances.min(own.len()));
    Heard::together(run.filter_map(|file| folder.heard.get(*file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_trial_is_named() {
        let folder = std::env::temp_dir().join(format!("countersign-trials-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("trials.txt");
        for (text, line) in
            [("a a_1.wav 1\n\na b_1.wav 2\n", 3), ("a a_1.wav\n", 1), ("a b c 1\n", 1), ("a b 1 1\n", 1)]
        {
            std::fs::write(&path, text).expect("a file");
            let error = read(&path).expect_err("no trial").to_string();
            assert!(error.contains(&format!("trials.txt:{line}: ")), "{error}");
        }
        std::fs::write(&path, "a a_1.wav 1\nb a_1.wav 0\n").expect("a file");
        let read = read(&path).expect("two trials");
        assert_eq!(read.iter().map(|one| one.same).collect::<Vec<_>>(), [true, false]);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
