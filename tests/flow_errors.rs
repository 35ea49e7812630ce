//! What an admin is told about a flow: each file in `tests/data/broken` is a flow with one kind of mistake,
//! and the text beside it is what `countersign check` says. Set `UPDATE_GOLDEN=1` to write the texts anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use countersign::diagnostic::{Diagnostic, Severity, render};
use countersign::flow::{Files, load};

/// Files in memory, by path.
#[derive(Clone, Default)]
struct Memory {
    files: BTreeMap<String, String>,
    recordings: Option<BTreeSet<String>>,
}

impl Files for Memory {
    fn read(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = |path: &&String| path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        self.files.keys().filter(inside).cloned().collect()
    }

    fn recordings(&self) -> Option<BTreeSet<String>> {
        self.recordings.clone()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder as it is on disk.
fn folder(path: &Path) -> Memory {
    let mut files = BTreeMap::new();
    for below in ["", "prompts", "data"] {
        for entry in fs::read_dir(path.join(below)).into_iter().flatten().flatten() {
            if let Ok(text) = fs::read_to_string(entry.path()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                files.insert(if below.is_empty() { name } else { format!("{below}/{name}") }, text);
            }
        }
    }
    Memory { files, recordings: None }
}

/// The application around each broken file: `common/`, with the file in place of the one it is named for.
fn broken(path: &Path) -> Memory {
    let mut application = folder(&root().join("tests/data/broken/common"));
    let text = fs::read_to_string(path).expect("a test file");
    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
    let place = match name.split('-').next() {
        Some("policy") => "policy.yaml",
        Some("services") => "services.yaml",
        Some("calendars") => "calendars.yaml",
        Some("prompts") => "prompts/es-ES.yaml",
        _ => "main.flow.yaml",
    };
    application.files.insert(place.to_owned(), text);
    application
}

fn findings(application: &Memory) -> Vec<Diagnostic> {
    match load(application) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
}

#[test]
fn every_mistake_is_told_with_its_place_and_a_way_out() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut checked = 0;
    let mut wrong = Vec::new();
    let entries = fs::read_dir(root().join("tests/data/broken")).expect("the test data");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
    {
        let found = findings(&broken(&path));
        assert!(!found.is_empty(), "{} is right", path.display());
        let text = render(&found);
        for finding in &found {
            assert!(
                finding.help.is_some() || !finding.label.is_empty(),
                "{}: {} helps nobody",
                path.display(),
                finding.code
            );
        }
        let golden = path.with_extension("txt");
        if update {
            fs::write(&golden, &text).expect("a golden text");
        }
        if fs::read_to_string(&golden).ok().as_deref() != Some(text.as_str()) {
            wrong.push(format!("{}\n{text}", path.display()));
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 25, "only {checked} broken flows");
}

#[test]
fn the_flow_that_the_broken_ones_are_made_of_is_right() {
    let application = folder(&root().join("tests/data/broken/common"));
    assert_eq!(render(&findings(&application)), "");
}

#[test]
fn the_bank_has_no_error() {
    let found = findings(&folder(&root().join("flows/bank")));
    let errors: Vec<Diagnostic> = found.into_iter().filter(|f| f.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{}", render(&errors));
}

#[test]
fn every_recording_that_the_bank_can_play_is_there() {
    let mut application = folder(&root().join("flows/bank"));
    let mut recordings = BTreeSet::new();
    let mut open = vec![root().join("audio")];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(below) = path.strip_prefix(root().join("audio")) {
                recordings.insert(below.with_extension("").to_string_lossy().into_owned());
            }
        }
    }
    application.recordings = Some(recordings);
    let missing: Vec<Diagnostic> = findings(&application).into_iter().filter(|f| f.code == "E173").collect();
    assert!(missing.is_empty(), "{}", render(&missing));
}

#[test]
fn all_mistakes_of_a_flow_are_told_at_once() {
    let mut application = folder(&root().join("tests/data/broken/common"));
    let main = application.files.get_mut("main.flow.yaml").expect("the common flow");
    *main = main
        .replace("goto: menu", "goto: menue")
        .replace("into: account", "into: acount")
        .replace("say: greeting", "sya: greeting");
    let codes: BTreeSet<&str> = findings(&application).iter().map(|finding| finding.code).collect();
    assert!(codes.is_superset(&BTreeSet::from(["E110", "E120", "E180"])), "{codes:?}");
}

#[test]
fn a_file_of_two_megabytes_is_refused_unread() {
    let mut application = folder(&root().join("tests/data/broken/common"));
    application.files.insert("main.flow.yaml".into(), "a: b\n".repeat(400_000));
    let found = findings(&application);
    assert_eq!(found.iter().map(|f| f.code).collect::<Vec<_>>(), ["E106"]);
}

#[test]
fn nesting_without_end_is_refused_where_it_gets_too_deep() {
    let deep = [
        "[".repeat(200_000),
        "{a: ".repeat(100_000),
        "- ".repeat(200_000),
        (0..400).fold(String::new(), |text, depth| format!("{text}{}a:\n", " ".repeat(depth))),
    ];
    for text in deep {
        let mut application = folder(&root().join("tests/data/broken/common"));
        application.files.insert("main.flow.yaml".into(), text);
        let found = findings(&application);
        assert_eq!(found.iter().map(|f| f.code).collect::<Vec<_>>(), ["E106"]);
    }
}

#[test]
fn a_file_of_too_many_values_is_refused_after_so_many() {
    let mut application = folder(&root().join("tests/data/broken/common"));
    application.files.insert("main.flow.yaml".into(), format!("callflow: [{}]", "1, ".repeat(300_000)));
    assert!(findings(&application).iter().any(|finding| finding.code == "E106"));
}

#[test]
fn findings_are_bounded_whatever_a_file_holds() {
    let mut application = folder(&root().join("tests/data/broken/common"));
    let aliases = "- *a\n".repeat(20_000);
    application.files.insert("main.flow.yaml".into(), format!("x:\n{aliases}"));
    assert!(findings(&application).len() <= 101);
    let steps = "    - nonsense: 1\n".repeat(5_000);
    application
        .files
        .insert("main.flow.yaml".into(), format!("callflow: 1\nid: a\nblocks:\n  start:\n{steps}"));
    assert!(findings(&application).len() <= 500);
}

/// A small generator of our own: the same mutations on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX multiplier; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides.max(1)
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn mutate(text: &str, dice: &mut Dice) -> String {
    const PIECES: [&str; 24] = [
        "*", "#", "&a ", "*a", "<<: ", "no", "0042", "\"", "'", "{", "}", "[", "]", ":", "\n", "  ", "\t",
        "- ", "${", "é", "|\n", "continue", "goto", "\u{0}",
    ];
    let mut text = text.to_owned();
    for _ in 0..=dice.roll(3) {
        let at = floor(&text, dice.roll(text.len() + 1));
        let to = floor(&text, (at + dice.roll(40)).min(text.len())).max(at);
        match dice.roll(4) {
            0 => text.insert_str(at, PIECES[dice.roll(PIECES.len())]),
            1 => text.replace_range(at..to, ""),
            2 => text.replace_range(at..to, PIECES[dice.roll(PIECES.len())]),
            _ => {
                // A line, moved elsewhere.
                let mut lines: Vec<&str> = text.lines().collect();
                if lines.len() < 2 {
                    continue;
                }
                let line = lines.remove(dice.roll(lines.len()));
                lines.insert(dice.roll(lines.len()), line);
                text = lines.join("\n");
            }
        }
    }
    text
}

#[test]
fn no_mutation_of_the_bank_makes_the_check_panic() {
    let bank = folder(&root().join("flows/bank"));
    let paths: Vec<String> = bank.files.keys().cloned().collect();
    let mut dice = Dice(20_261_122);
    let mut refused = 0;
    for _ in 0..500 {
        let mut application = bank.clone();
        let path = &paths[dice.roll(paths.len())];
        let text = mutate(&application.files[path], &mut dice);
        application.files.insert(path.clone(), text);
        match load(&application) {
            Ok((loaded, warnings)) => {
                let _ = (loaded.clips(), render(&warnings));
            }
            Err(found) => {
                refused += 1;
                assert!(found.iter().any(|finding| finding.severity == Severity::Error));
                let _ = render(&found);
            }
        }
    }
    assert!(refused > 100, "only {refused} of 500 mutations were noticed");
}
