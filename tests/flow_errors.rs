//! What an admin is told about a flow: each file in `tests/data/broken` is a flow with one kind of mistake,
//! and the text beside it is what `countersign check` says. Set `UPDATE_GOLDEN=1` to write the texts anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use countersign::diagnostic::{Diagnostic, Severity, render};
use countersign::flow::{Files, Unread, load};

/// Files in memory, by path.
#[derive(Clone, Default)]
struct Memory {
    files: BTreeMap<String, String>,
    /// What is there and can't be read.
    unread: BTreeMap<String, Unread>,
    recordings: Option<BTreeSet<String>>,
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<String, Unread> {
        match self.unread.get(path) {
            Some(why) => Err(why.clone()),
            None => self.files.get(path).cloned().ok_or(Unread::Absent),
        }
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = |path: &&String| path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        self.files.keys().chain(self.unread.keys()).filter(inside).cloned().collect()
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
    let (mut files, mut unread) = (BTreeMap::new(), BTreeMap::new());
    for below in ["", "prompts", "data"] {
        for entry in fs::read_dir(path.join(below)).into_iter().flatten().flatten() {
            let Ok(bytes) = fs::read(entry.path()) else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = if below.is_empty() { name } else { format!("{below}/{name}") };
            match Unread::text(bytes) {
                Ok(text) => drop(files.insert(name, text)),
                Err(why) => drop(unread.insert(name, why)),
            }
        }
    }
    Memory { files, unread, recordings: None }
}

/// The application around each broken file: `common/`, with the file in place of the one it is named for, or
/// with the files of a folder over it.
fn broken(path: &Path) -> Memory {
    let mut application = folder(&root().join("tests/data/broken/common"));
    if path.is_dir() {
        let over = folder(path);
        application.files.extend(over.files);
        application.unread.extend(over.unread);
        // Files that the common folder has and this one has not.
        for absent in application.files.remove("absent.txt").iter().flat_map(|names| names.lines()) {
            application.files.remove(absent);
        }
        let recordings = application.files.remove("recordings.txt");
        application.recordings = recordings.map(|names| names.lines().map(str::to_owned).collect());
        return application;
    }
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

/// Every broken application: a file or a folder.
fn all_broken() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/data/broken")).expect("the test data");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        path.extension().is_some_and(|extension| extension == "yaml")
            || (path.is_dir() && !path.ends_with("common"))
    });
    paths.sort();
    paths
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
    for path in all_broken() {
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
    assert!(checked >= 60, "only {checked} broken flows");
}

/// The codes of the table in the manual.
fn codes() -> BTreeSet<String> {
    let manual = fs::read_to_string(root().join("docs/flows.md")).expect("the manual");
    let table = manual.split("\n## Diagnostics\n").nth(1).expect("the table of diagnostics");
    let table = table.split("\n## ").next().unwrap_or_default();
    let code = |line: &str| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned());
    // What is wrong with a flow test (`E3…`) or with a recording, comes of a synthesiser, of a comparison or of too
    // big a flow shows elsewhere.
    let elsewhere = |code: &String| {
        code.starts_with("E3") || matches!(code.as_str(), "E177" | "E178" | "W176" | "E142" | "W290")
    };
    table.lines().filter_map(code).filter(|code| !elsewhere(code)).collect()
}

#[test]
fn every_code_of_the_manual_is_told_about_some_broken_flow() {
    let told: BTreeSet<String> = all_broken()
        .iter()
        .flat_map(|path| findings(&broken(path)))
        .map(|found| found.code.to_owned())
        .collect();
    let untold: Vec<String> = codes().difference(&told).cloned().collect();
    assert!(untold.is_empty(), "no broken flow shows {}", untold.join(", "));
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

/// What a text editor, a web form or somebody malicious makes of a flow: each is answered with few findings,
/// and none takes longer than many times what a real flow takes.
#[test]
fn yaml_traps_are_answered_at_once() {
    let common = folder(&root().join("tests/data/broken/common"));
    let flow = &common.files["main.flow.yaml"];
    let with = |from: &str, to: &str| flow.replacen(from, to, 1);
    let traps: Vec<(&str, String, &[&str])> = vec![
        ("a byte order mark", format!("\u{feff}{flow}"), &[]),
        ("lines as Windows ends them", flow.replace('\n', "\r\n"), &[]),
        ("lines as old Macs ended them", flow.replace('\n', "\r"), &[]),
        ("NUL", with("greeting", "gree\0ting"), &["E100"]),
        ("a bell", with("greeting", "gree\u{7}ting"), &["E100"]),
        ("a tab for indentation", with("    - say", "\t- say"), &["E100"]),
        ("another document", format!("{flow}---\n{flow}"), &["E100"]),
        ("a directive", format!("%YAML 1.1\n---\n{flow}"), &[]),
        ("base sixty", with("tries", "tries").replace("max: 10", "max: 10:30"), &["E115"]),
        ("a huge number", with("max: 10", &format!("max: {}", "9".repeat(10_000))), &["E115"]),
        ("an exponent", with("max: 10", "max: 1e1"), &["E115"]),
        ("a number in base eight", with("max: 10", "max: 0o12"), &["E115"]),
        ("not a number", with("max: 10", "max: .nan"), &["E115"]),
        ("a key of a thousand words", with("account:", &format!("{}:", "a".repeat(5_000))), &["E100"]),
        ("text that never ends", with("greeting", &"x".repeat(900_000)), &["E170"]),
        ("ten megabytes", "a: b\n".repeat(2_000_000), &["E106"]),
        ("ten megabytes on one line", format!("a: {}", "b".repeat(10_000_000)), &["E106"]),
        ("an alias of itself", String::from("a: &a [*a, *a, *a]\n"), &["E105"]),
        ("a tag that runs code", with("greeting", "!!python/object/apply:os.system [ls]"), &["E105"]),
        ("a million comments", "#\n".repeat(400_000), &["E100"]),
        (
            "a million hashes",
            format!("a: {}", "#".repeat(900_000)),
            &["E100", "E102", "E110", "E114", "E107"],
        ),
        ("brackets without end", "[".repeat(500_000), &["E106"]),
        ("a question for every key", "? ".repeat(300_000), &["E106"]),
        ("quotes without end", "\"a".repeat(300_000), &["E100"]),
        ("merge keys", "a:\n  <<: {b: c}\n".repeat(1_000), &["E104", "E105"]),
        ("a million dashes", "-".repeat(900_000), &["E100", "E113"]),
        ("blank lines", "\n".repeat(900_000), &["E100"]),
        ("nothing but spaces", " ".repeat(900_000), &["E100"]),
    ];
    let measure = |text: &str| {
        let mut application = common.clone();
        application.files.insert("main.flow.yaml".into(), text.to_owned());
        let start = now();
        let found = findings(&application);
        (found, now() - start)
    };
    let honest = (0..3).map(|_| measure(flow).1).max().expect("three times");
    for (name, text, codes) in traps {
        let most = std::time::Duration::from_secs(1).max(honest * 100);
        // On a busy machine any one of them may have to wait.
        let measured = (0..5).map(|_| measure(&text)).find(|(_, took)| *took < most);
        let (found, _) = measured.unwrap_or_else(|| panic!("{name} takes longer than {most:?}"));
        let told: Vec<&str> =
            found.iter().filter(|f| f.severity == Severity::Error).map(|f| f.code).collect();
        assert_eq!(told.is_empty(), codes.is_empty(), "{name}: {told:?}");
        assert!(told.is_empty() || codes.iter().any(|code| told.contains(code)), "{name}: {told:?}");
        assert!(found.len() <= 102, "{name}: {} findings", found.len());
        assert!(render(&found).len() < 200_000, "{name}: a wall of text");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test measures")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
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
