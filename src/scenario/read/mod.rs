//! From a `*.flow-test.yaml` to a [`TestFile`]: every name held against the application, all findings at
//! once.

mod calls;
mod clock;
mod expects;
mod fixture;
mod script;

pub(super) use script::{KEY_TIME, VERBS, options};

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::flow::document::Application;
use crate::flow::document::fields::{self, Fields, Node};
use crate::flow::document::findings::{Findings, suggestion};
use crate::flow::document::yaml;
use crate::secret::Secret;
use crate::units::UnixTime;

use super::document::{Covered, Fixture, Identical, Leak, Need, Run, Seer, Test, TestFile};
use super::names::Names;

/// Reads one file of tests of `app`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn read(path: &str, text: &str, app: &Application) -> Result<TestFile, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let names = Names::of(app);
    let file = yaml::read(path, text, &mut findings)
        .and_then(|root| Reader { names: &names, findings: &mut findings }.file(path, &root));
    match file {
        Some(file) if findings.errors() == 0 => Ok(file),
        _ => Err(findings.into_sorted()),
    }
}

/// Reads, and knows the names that may be used.
struct Reader<'a> {
    names: &'a Names,
    findings: &'a mut Findings,
}

/// The fields of a file.
pub(super) const FILE: &[&str] =
    &["flowtest", "flow", "clock", "fixtures", "never_leaks", "need_coverage", "tests", "note"];
/// The fields of a test.
pub(super) const TEST: &[&str] = &[
    "name",
    "with",
    "given",
    "call",
    "line",
    "script",
    "calls",
    "runs",
    "identical",
    "after",
    "repeat",
    "note",
];

/// The most runs of one test in a file; `--repeat` goes further.
const MOST_REPEATS: u32 = 1_000_000;

impl Reader<'_> {
    fn file(&mut self, path: &str, root: &Node) -> Option<TestFile> {
        let fields = Fields::of(root, "a file of flow tests", self.findings)?;
        fields.only(FILE, "a file of flow tests", self.findings);
        if let Some(node) = fields.need("flowtest", "a file of flow tests", self.findings)
            && node.text() != "1"
        {
            let help = "write `flowtest: 1`";
            fields::wrong(node, "this version reads `flowtest: 1`", help, self.findings);
        }
        let clock = fields.get("clock").and_then(|node| clock::read(node, self.findings));
        let fixtures = self.fixtures(fields.get("fixtures"));
        let never_leaks = self.leaks(fields.get("never_leaks"));
        let need = self.need(fields.get("need_coverage"));
        let mut tests: Vec<Test> = Vec::new();
        for node in fields.need("tests", "a file of flow tests", self.findings).map(fields::items)? {
            let Some(test) = self.test(node, &fixtures) else { continue };
            if let Some(other) = tests.iter().find(|other| other.name == test.name) {
                let message = format!("two tests are called `{}`", test.name);
                let finding = Diagnostic::error("E309", Some(test.place.clone()), message)
                    .help("give one of them another name, so that a report tells which is which")
                    .related(other.place.clone(), "first here");
                self.findings.push(finding);
            }
            tests.push(test);
        }
        if tests.is_empty() && self.findings.errors() == 0 {
            let message = "there is no test in this file";
            let help = "add one below `tests:`: `- {name: …, script: [{hears: …}]}`";
            self.findings.push(Diagnostic::error("E309", Some(root.place.clone()), message).help(help));
        }
        let clock = clock.unwrap_or(DEFAULT_CLOCK);
        Some(TestFile { path: path.to_owned(), fixtures, clock, never_leaks, need, tests })
    }

    fn leaks(&mut self, node: Option<&Node>) -> Vec<Leak> {
        let mut out = Vec::new();
        for node in node.map(fields::items).unwrap_or_default() {
            let Some((node, except)) = self.leak(node) else { continue };
            let Some(text) = fields::text(node, "what never leaks", self.findings) else { continue };
            if text.chars().count() < SHORTEST_LEAK {
                let message = format!("`{text}` is found in anything: it is too short");
                let help = format!("at least {SHORTEST_LEAK} characters");
                fields::wrong(node, message, help, self.findings);
                continue;
            }
            out.push(Leak { text: Secret::new(text), except, place: node.place.clone() });
        }
        out
    }

    /// A text, or `{text: …, except: [prompts]}`.
    fn leak<'n>(&mut self, node: &'n Node) -> Option<(&'n Node, Vec<Seer>)> {
        if node.mapping().is_none() {
            return Some((node, Vec::new()));
        }
        let fields = Fields::of(node, "what never leaks", self.findings)?;
        fields.only(&["text", "except"], "what never leaks", self.findings);
        let words = [("prompts", Seer::Prompts), ("services", Seer::Services), ("agents", Seer::Agents)];
        let except = fields.get("except").map(fields::items).unwrap_or_default().into_iter();
        let except =
            except.filter_map(|node| fields::choice(node, "except", &words, self.findings)).collect();
        Some((fields.need("text", "what never leaks", self.findings)?, except))
    }

    fn need(&mut self, node: Option<&Node>) -> Vec<Need> {
        let Some(fields) = node.and_then(|node| Fields::of(node, "`need_coverage`", self.findings)) else {
            return Vec::new();
        };
        fields.only(&["blocks", "outcomes"], "`need_coverage`", self.findings);
        let mut out = Vec::new();
        for (key, what) in [("blocks", Covered::Blocks), ("outcomes", Covered::Outcomes)] {
            let Some(node) = fields.get(key) else { continue };
            if let Some(percent) = self.percent(node, key) {
                out.push(Need { what, percent, place: node.place.clone() });
            }
        }
        out
    }

    /// `90%`
    fn percent(&mut self, node: &Node, what: &str) -> Option<u8> {
        let number = node.text().strip_suffix('%').and_then(|text| text.trim().parse::<u8>().ok());
        let found = number.filter(|number| *number <= 100);
        if found.is_none() {
            fields::wrong(node, format!("`{what}` is a share"), "write it as `90%`", self.findings);
        }
        found
    }

    fn test(&mut self, node: &Node, fixtures: &BTreeMap<String, Fixture>) -> Option<Test> {
        let fields = Fields::of(node, "a test", self.findings)?;
        fields.only(TEST, "a test", self.findings);
        let name = fields.need("name", "a test", self.findings);
        let name = name.and_then(|node| fields::text(node, "a name", self.findings))?;
        let base = self.with_and_given(&fields, &Fixture::default(), fixtures);
        let runs = self.runs(&fields, &base, fixtures);
        let identical = fields.get("identical").and_then(|node| self.identical(node, &runs));
        let calls = self.calls(&fields);
        let after = fields.get("after").map(|node| self.expects(node, true)).unwrap_or_default();
        let repeat = fields
            .get("repeat")
            .and_then(|node| fields::count(node, "repeat", 1..=MOST_REPEATS, self.findings));
        if fields.get("script").is_none() && fields.get("calls").is_none() {
            let message = format!("the test `{name}` does nothing");
            let help = "give it a `script:` with what the caller hears and presses, or several `calls:`";
            self.findings.push(Diagnostic::error("E309", Some(node.place.clone()), message).help(help));
        }
        let place = fields.get("name").map_or_else(|| node.place.clone(), |name| name.place.clone());
        Some(Test { name, place, runs, identical, calls, after, repeat: repeat.unwrap_or(1) })
    }

    fn runs(&mut self, test: &Fields<'_>, base: &Fixture, fixtures: &BTreeMap<String, Fixture>) -> Vec<Run> {
        let Some(node) = test.get("runs") else {
            return vec![Run { name: String::new(), fixture: base.clone() }];
        };
        let Some(runs) = Fields::of(node, "`runs`", self.findings) else { return Vec::new() };
        let mut out = Vec::new();
        for (key, value) in runs.pairs {
            let Some(name) = fields::name(key, "a run", self.findings) else { continue };
            let Some(fields) = Fields::of(value, "a run", self.findings) else { continue };
            fields.only(&["with", "given", "note"], "a run", self.findings);
            let fixture = self.with_and_given(&fields, base, fixtures);
            out.push(Run { name, fixture });
        }
        out
    }

    fn identical(&mut self, node: &Node, runs: &[Run]) -> Option<Identical> {
        let fields = Fields::of(node, "`identical`", self.findings)?;
        fields.only(&["runs", "timing_within"], "`identical`", self.findings);
        let mut chosen = Vec::new();
        for node in fields.get("runs").map(fields::items).unwrap_or_default() {
            let Some(name) = fields::text(node, "a run", self.findings) else { continue };
            match runs.iter().position(|run| run.name == name) {
                Some(at) => chosen.push(at),
                None => {
                    let message = format!("there is no run `{name}`");
                    let help = suggestion(&name, runs.iter().map(|run| run.name.as_str()), "the runs are");
                    self.findings
                        .push(Diagnostic::error("E305", Some(node.place.clone()), message).help(help));
                }
            }
        }
        if fields.get("runs").is_none() {
            chosen = (0..runs.len()).collect();
        }
        if chosen.len() < 2 && self.findings.errors() == 0 {
            let message = "one run is identical to itself";
            let help =
                "name two or more below `runs:` of the test: `runs: {known: {with: ana}, unknown: {}}`";
            self.findings.push(Diagnostic::error("E309", Some(node.place.clone()), message).help(help));
        }
        let timing_within = fields
            .get("timing_within")
            .and_then(|node| fields::duration(node, "timing_within", self.findings));
        Some(Identical { runs: chosen, timing_within, place: node.place.clone() })
    }

    fn unknown(&mut self, code: &'static str, node: &Node, word: &str, what: &str, known: &[&str]) {
        let help = suggestion(word, known.iter().copied(), "there are");
        let message = format!("there is no {what} `{word}`");
        self.findings.push(Diagnostic::error(code, Some(node.place.clone()), message).help(help));
    }
}

/// A Thursday in winter at ten, when nothing is closed: 2026-01-15T10:00:00Z.
pub const DEFAULT_CLOCK: UnixTime = UnixTime(1_768_471_200_000);
/// Shorter texts stand everywhere.
const SHORTEST_LEAK: usize = 4;
