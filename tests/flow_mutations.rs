//! Mutations of every shipped flow: `check` never panics on one, and never accepts one in which a caller
//! gets to something protected without having proved who they are.
//!
//! What a caller can get to is found out twice, by nothing of the check's own: by a short reference
//! interpreter that tries every outcome of every step (`mutants/reference.rs`), and by calls in which a
//! hostile caller presses anything at any time.

mod flow;
mod mutants;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign::diagnostic::{Severity, render};
use countersign::flow::document::Application;
use countersign::flow::{Files, Unread, load};

use flow::watched::{Act, Watched};
use mutants::reference;
use mutants::text::{Dice, mutate};

/// Mutants of each shipped flow.
const MUTANTS: usize = 100;

/// An application's files in memory.
#[derive(Clone)]
struct Memory(BTreeMap<String, String>);

impl Memory {
    fn of(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut open = vec![folder.to_owned()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(&next).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else if let Ok(text) = fs::read_to_string(&path) {
                    let name = path.strip_prefix(folder).expect("below it");
                    files.insert(name.to_string_lossy().replace('\\', "/"), text);
                }
            }
        }
        Self(files)
    }

    fn flows(&self) -> Vec<String> {
        self.0.keys().filter(|path| path.ends_with(".flow.yaml") && !path.contains('/')).cloned().collect()
    }
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<String, Unread> {
        self.0.get(path).cloned().ok_or(Unread::Absent)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = |path: &&String| path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        self.0.keys().filter(inside).cloned().collect()
    }
}

/// Every shipped application, by its name.
fn shipped() -> Vec<(String, Memory)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("flows");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).expect("flows").flatten().map(|e| e.path()).collect();
    folders.sort();
    let name = |folder: &Path| folder.file_name().expect("a name").to_string_lossy().into_owned();
    let applications = folders.iter().map(|folder| (name(folder), Memory::of(folder)));
    applications.filter(|(_, files)| !files.flows().is_empty()).collect()
}

/// The same dice for the same mutant, whatever the others are.
fn dice(application: &str, number: usize) -> Dice {
    let seed = application.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Dice(seed ^ u64::try_from(number).expect("a number").wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A mutant, and what was done to it.
fn mutant(files: &Memory, dice: &mut Dice) -> (Memory, String) {
    let mut mutant = files.clone();
    let flows = files.flows();
    let mut done = Vec::new();
    for _ in 0..=dice.roll(3) {
        let path = &flows[dice.roll(flows.len())];
        let (text, what) = mutate(&mutant.0[path], dice);
        mutant.0.insert(path.clone(), text);
        done.push(format!("{path}: {what}"));
    }
    (mutant, done.join("; "))
}

#[test]
fn no_mutant_that_is_accepted_lets_anybody_to_what_is_protected_without_proof() {
    for (name, files) in shipped() {
        let (mut accepted, mut unproved, mut refused) = (0, 0, 0);
        for number in 0..MUTANTS {
            let mut dice = dice(&name, number);
            let (mutant, what) = mutant(&files, &mut dice);
            match load(&mutant) {
                Ok((application, warnings)) => {
                    accepted += 1;
                    let _ = (render(&warnings), application.clips());
                    if let Some(path) = reference::unproved(&application) {
                        panic!("{name}, mutant {number} ({what}) is accepted, and unproved is\n{path}");
                    }
                    hostile_calls(&Arc::new(application), &mut dice);
                }
                Err(found) => {
                    assert!(
                        found.iter().any(|finding| finding.severity == Severity::Error),
                        "{name} {number}"
                    );
                    let _ = render(&found);
                    refused += 1;
                    unproved += usize::from(found.iter().any(|finding| finding.code == "E200"));
                }
            }
        }
        // A mutation that is always refused, or never, would show nothing.
        assert!(accepted >= MUTANTS / 10, "{name}: only {accepted} mutants were accepted");
        assert!(refused >= MUTANTS / 10, "{name}: only {refused} mutants were refused ({unproved} unproved)");
    }
}

#[test]
fn every_shipped_flow_is_without_an_unproved_path_for_the_reference_interpreter_too() {
    let mut protected = 0;
    for (name, files) in shipped() {
        let application = loaded(&files);
        assert_eq!(reference::unproved(&application), None, "{name}");
        protected += usize::from(reference::protects(&application));
    }
    assert!(protected > 0, "no shipped flow protects anything");
}

/// The interpreter is worth something only if it finds what is there to be found: the same flows when no
/// proof counts.
#[test]
fn the_reference_interpreter_finds_the_path_that_lacks_its_proof() {
    let mut found = 0;
    for (name, files) in shipped() {
        let application = loaded(&files);
        if reference::protects(&application) {
            assert!(reference::unproved_without_proofs(&application).is_some(), "{name}");
            found += 1;
        }
    }
    assert!(found > 0);
}

/// The bank as it ships, without any one of the `require`s that its menus lead to.
#[test]
fn a_require_taken_out_of_the_bank_is_found_and_the_path_is_printed() {
    let (_, files) = shipped().into_iter().find(|(name, _)| name == "bank").expect("the bank");
    let path = "bank.flow.yaml";
    let mut missed = Vec::new();
    for (at, text) in mutants::text::without_each(&files.0[path], "require") {
        let mut mutant = files.clone();
        mutant.0.insert(path.to_owned(), text);
        let Err(found) = load(&mutant) else { continue };
        let unproved = found.iter().find(|finding| finding.code == "E200");
        let told = unproved.map_or("", |finding| finding.label.as_str());
        assert!(told.contains("topics (key ") && told.contains(" → "), "{}", render(&found));
        missed.push(at);
    }
    assert!(missed.len() >= 2, "only the requires of lines {missed:?} are missed");
}

fn loaded(files: &Memory) -> Application {
    match load(files) {
        Ok((application, _)) => application,
        Err(found) => panic!("{}", render(&found)),
    }
}

/// A few calls by somebody who does anything at all. What has to hold is checked at every order.
fn hostile_calls(application: &Arc<Application>, dice: &mut Dice) {
    let protected: BTreeSet<(String, String)> = reference::protected_calls(application);
    for _ in 0..4 {
        let protected = protected.clone();
        let is_protected =
            move |service: &str, call: &str| protected.contains(&(service.to_owned(), call.to_owned()));
        let mut watched = Watched::new(application, is_protected);
        for _ in 0..40 + dice.roll(120) {
            watched.act(&act(dice));
        }
        watched.end();
    }
}

fn act(dice: &mut Dice) -> Act {
    let how = |dice: &mut Dice| if dice.roll(5) == 0 { dice.roll(12) } else { 0 };
    match dice.roll(40) {
        0..8 => Act::Key(u8::try_from(dice.roll(12)).expect("a key")),
        8..12 => Act::Pin,
        12..15 => Act::Wait(u64::try_from(dice.roll(8_000)).expect("a time")),
        15..19 => Act::ToDeadline,
        19..25 => Act::PlayEnds,
        25..27 => Act::Answered,
        27..37 => Act::Reply { ask: dice.roll(4), how: u8::try_from(how(dice)).expect("a kind of answer") },
        37 => Act::StaleReply { how: u8::try_from(dice.roll(12)).expect("a kind of answer") },
        38 => Act::Agent(u8::try_from(dice.roll(10)).expect("what an agent does")),
        _ if dice.roll(4) == 0 => Act::HangUp,
        _ => Act::PlayEnds,
    }
}
