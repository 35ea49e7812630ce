//! What came of all tests of an application: for people, for programs, for build servers.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, render};
use crate::flow::document::Application;

use super::coverage::{Coverage, Share};
use super::document::{Covered, TestFile};
use super::performer::in_words;
use super::play::{Problem, play};
use super::world::Sounds;

/// What came of the tests of an application.
pub struct Report {
    /// Where it is, as it was named.
    pub folder: String,
    /// Each test, in the order of the files.
    pub tests: Vec<Tested>,
    /// What they walked through.
    pub coverage: Coverage,
    /// What lacks in that.
    pub lacking: Vec<Diagnostic>,
    /// Why nothing could be run: what is wrong with the application or with a file of tests.
    pub mistakes: Vec<Diagnostic>,
    /// Whether every test was run, so that coverage can be judged.
    pub whole: bool,
}

/// What came of a test.
pub struct Tested {
    /// Its file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// What went otherwise than written; nothing when it passed.
    pub problems: Vec<Problem>,
    /// Why it was not run, if it was not.
    pub skipped: Option<String>,
    /// How many calls it made.
    pub calls: u64,
    /// How long they took the callers.
    pub time: Duration,
    /// How long the longest of them took.
    pub longest: Duration,
    /// What happened in it that does not happen in a real call.
    pub unreal: Option<&'static str>,
}

/// Which tests to run, and how often.
#[derive(Clone, Copy)]
pub struct Choice<'c> {
    /// Only those whose name or file has this in it.
    pub filter: Option<&'c str>,
    /// How often each is run, on top of what it says itself.
    pub repeat: u32,
}

impl Choice<'_> {
    /// Whether a test is chosen.
    #[must_use]
    pub fn takes(&self, file: &str, name: &str) -> bool {
        self.filter.is_none_or(|filter| file.contains(filter) || name.contains(filter))
    }
}

impl Report {
    /// Runs the tests of an application in virtual time.
    pub fn of(
        folder: &str,
        app: &Arc<Application>,
        sounds: &dyn Sounds,
        files: &[TestFile],
        choice: Choice<'_>,
        start: Instant,
    ) -> Self {
        let mut coverage = Coverage::of(app);
        let mut tests = Vec::new();
        let mut whole = true;
        for file in files {
            for test in &file.tests {
                if !choice.takes(&file.path, &test.name) {
                    whole = false;
                    continue;
                }
                let mut tested = Tested::new(&file.path, &test.name);
                for _ in 0..u64::from(test.repeat) * u64::from(choice.repeat) {
                    let played = play(app, sounds, file, test, start, &mut coverage);
                    tested.calls += played.calls;
                    tested.time += played.time;
                    tested.unreal = tested.unreal.or(played.unreal);
                    tested.longest = tested.longest.max(played.longest);
                    tested.problems = played.problems;
                    if !tested.problems.is_empty() {
                        break;
                    }
                }
                tests.push(tested);
            }
        }
        let mut report = Self { tests, coverage, whole, ..Self::unread(folder, Vec::new()) };
        if whole {
            report.lacking = report.too_little(files);
        }
        report
    }

    /// Of an application of which nothing could be run.
    #[must_use]
    pub fn unread(folder: &str, mistakes: Vec<Diagnostic>) -> Self {
        Self {
            folder: folder.to_owned(),
            tests: Vec::new(),
            coverage: Coverage::default(),
            lacking: Vec::new(),
            mistakes,
            whole: false,
        }
    }

    /// The shares that files of tests ask for and that were not reached.
    fn too_little(&self, files: &[TestFile]) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        for need in files.iter().flat_map(|file| &file.need) {
            let share = self.coverage.share(need.what);
            if share.percent() >= need.percent {
                continue;
            }
            let mut missing = self.coverage.missing(need.what);
            let more = missing.len().saturating_sub(MOST_MISSING);
            missing.truncate(MOST_MISSING);
            let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
            let message = format!(
                "the tests walk through {} ({}%), not {}%",
                of(share, need.what),
                share.percent(),
                need.percent
            );
            out.push(
                Diagnostic::error("E323", Some(need.place.clone()), message)
                    .label("so much is asked for")
                    .help(format!("write tests for: {}{tail}", missing.join("; "))),
            );
        }
        out
    }

    /// Whether nothing went wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.lacking.is_empty()
            && self.mistakes.is_empty()
            && self.tests.iter().all(|test| test.problems.is_empty())
    }

    /// How many tests there were: passed, failed, skipped.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let skipped = self.tests.iter().filter(|test| test.skipped.is_some()).count();
        let failed = self.tests.iter().filter(|test| !test.problems.is_empty()).count();
        (self.tests.len() - skipped - failed, failed, skipped)
    }

    /// For people; with what was not walked through when `coverage`.
    #[must_use]
    pub fn text(&self, coverage: bool) -> String {
        let mut out = String::new();
        let mut file = "";
        for test in &self.tests {
            if test.file != file {
                file = &test.file;
                let _ = writeln!(out, "{file}");
            }
            match &test.skipped {
                Some(why) => {
                    let _ = writeln!(out, "  skip  {} ({why})", test.name);
                }
                None => {
                    let verdict = if test.problems.is_empty() { "ok  " } else { "FAIL" };
                    let calls = if test.calls == 1 { "call" } else { "calls" };
                    let time = in_words(Duration::from_secs(test.time.as_secs()));
                    let _ = writeln!(out, "  {verdict}  {} ({} {calls}, {time})", test.name, test.calls);
                }
            }
            for problem in &test.problems {
                out.push('\n');
                out.push_str(&problem.text());
            }
        }
        for found in [&self.mistakes, &self.lacking].into_iter().filter(|found| !found.is_empty()) {
            out.push('\n');
            out.push_str(&render(found));
        }
        if coverage {
            out.push_str(&self.coverage_text());
        }
        out
    }

    fn coverage_text(&self) -> String {
        let mut out = format!("\ncoverage of {}\n", self.folder);
        for what in [Covered::Blocks, Covered::Outcomes] {
            let share = self.coverage.share(what);
            let _ = writeln!(out, "  {} ({}%)", of(share, what), share.percent());
            for missing in self.coverage.missing(what) {
                let _ = writeln!(out, "    not reached: {missing}");
            }
        }
        out
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let share = |what| {
            let share = self.coverage.share(what);
            json!({
                "reached": share.reached,
                "all": share.all,
                "percent": share.percent(),
                "missing": self.coverage.missing(what),
            })
        };
        let tests: Vec<Value> = self.tests.iter().map(Tested::json).collect();
        json!({
            "folder": self.folder,
            "passed": self.passed(),
            "tests": tests,
            "coverage": {"blocks": share(Covered::Blocks), "outcomes": share(Covered::Outcomes)},
            "lacking": self.lacking.iter().map(finding_json).collect::<Vec<_>>(),
            "mistakes": self.mistakes.iter().map(finding_json).collect::<Vec<_>>(),
        })
    }
}

impl Tested {
    /// Nothing yet.
    #[must_use]
    pub fn new(file: &str, name: &str) -> Self {
        Self {
            file: file.to_owned(),
            name: name.to_owned(),
            problems: Vec::new(),
            skipped: None,
            calls: 0,
            time: Duration::ZERO,
            longest: Duration::ZERO,
            unreal: None,
        }
    }

    fn json(&self) -> Value {
        let problem = |problem: &Problem| {
            let mut json = finding_json(&problem.finding);
            if let Some(fields) = json.as_object_mut() {
                fields.insert("transcript".to_owned(), problem.transcript.text(usize::MAX).into());
            }
            json
        };
        json!({
            "file": self.file,
            "name": self.name,
            "result": match (&self.skipped, self.problems.is_empty()) {
                (Some(_), _) => "skipped",
                (None, true) => "passed",
                (None, false) => "failed",
            },
            "skipped_because": self.skipped,
            "calls": self.calls,
            "virtual_ms": u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX),
            "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
        })
    }
}

impl Problem {
    /// The finding, and the call in which it happened.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = render(std::slice::from_ref(&self.finding)).trim_end().to_owned();
        out.push_str("\n\n");
        if !self.transcript.lines.is_empty() {
            out.push_str(&self.transcript.text(MOST_SHOWN));
            out.push('\n');
        }
        out
    }
}

/// JUnit's XML, as build servers read it: a suite for each file, a case for each test.
#[must_use]
pub fn junit(reports: &[Report]) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"countersign\">\n");
    for report in reports {
        let mut files: Vec<&str> = report.tests.iter().map(|test| test.file.as_str()).collect();
        files.dedup();
        for file in files {
            suite(&mut out, file, report.tests.iter().filter(|test| test.file == file).collect());
        }
        if !report.mistakes.is_empty() {
            let text = render(&report.mistakes);
            let _ = writeln!(
                out,
                "  <testsuite name=\"{0}\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">\n    \
                 <testcase classname=\"{0}\" name=\"files\">\n      \
                 <error message=\"nothing could be run\">{1}</error>\n    </testcase>\n  </testsuite>",
                xml(&report.folder),
                xml(&text)
            );
        }
        if !report.lacking.is_empty() {
            let text = render(&report.lacking);
            let _ = writeln!(
                out,
                "  <testsuite name=\"{0} coverage\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\">\n    \
                 <testcase classname=\"{0}\" name=\"coverage\">\n      \
                 <failure message=\"too little of the flow is tested\">{1}</failure>\n    </testcase>\n  </testsuite>",
                xml(&report.folder),
                xml(&text)
            );
        }
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite(out: &mut String, file: &str, tests: Vec<&Tested>) {
    let failed = tests.iter().filter(|test| !test.problems.is_empty()).count();
    let skipped = tests.iter().filter(|test| test.skipped.is_some()).count();
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\">",
        xml(file),
        tests.len()
    );
    for test in tests {
        let (name, class) = (xml(&test.name), xml(file));
        let _ = write!(out, "    <testcase classname=\"{class}\" name=\"{name}\"");
        if test.problems.is_empty() && test.skipped.is_none() {
            out.push_str("/>\n");
            continue;
        }
        out.push_str(">\n");
        if let Some(why) = &test.skipped {
            let _ = writeln!(out, "      <skipped message=\"{}\"/>", xml(why));
        }
        for problem in &test.problems {
            let message = xml(&problem.finding.message);
            let _ = writeln!(out, "      <failure message=\"{message}\">{}</failure>", xml(&problem.text()));
        }
        out.push_str("    </testcase>\n");
    }
    out.push_str("  </testsuite>\n");
}

/// Text as XML 1.0 allows it.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn finding_json(finding: &Diagnostic) -> Value {
    let position = finding.place.as_ref().map(crate::diagnostic::Place::line_and_column);
    json!({
        "code": finding.code,
        "message": finding.message,
        "file": finding.place.as_ref().map(|place| &place.source.path),
        "line": position.map(|(line, _)| line),
        "column": position.map(|(_, column)| column),
        "label": finding.label,
        "help": finding.help,
    })
}

fn of(share: Share, what: Covered) -> String {
    let name = match what {
        Covered::Blocks => "blocks",
        Covered::Outcomes => "outcomes",
    };
    format!("{} of {} {name}", share.reached, share.all)
}

/// Lines of a transcript that are shown: the end is where it went wrong.
const MOST_SHOWN: usize = 60;
/// What is not reached, by name.
const MOST_MISSING: usize = 6;
