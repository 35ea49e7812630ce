//! Flow tests as real calls: the same scripts, over loopback, through sockets, SIP and RTP.
//!
//! For each world of a test a deployment is started with a data folder of its own, the people of the fixture
//! are enrolled in the real vault, services answer from the fixture, a phone plays the agent, and another one
//! the caller, who knows what happens from the trace that the engine tells it (RFC 6086). What can't be had in
//! a real call is not played, and why is told.

mod agent;
mod call;
mod post;
mod site;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use self::site::Site;
use crate::auth::FactorId;
use crate::driver::os;
use crate::driver::testing::Suite;
use crate::flow::document::Application;
use crate::scenario::document::{Person, Test, TestFile, Verb};
use crate::scenario::{Choice, Problem, Report, Tested, Transcript, question_prompts};

/// How tests are rehearsed.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsal {
    /// So many tests at once.
    pub at_once: usize,
    /// A test whose calls take longer than this is not played.
    pub longest: Duration,
}

impl Default for Rehearsal {
    fn default() -> Self {
        Self { at_once: 4, longest: Duration::from_secs(90) }
    }
}

impl Rehearsal {
    /// Plays the chosen tests of an application: first in virtual time, then, what passes and can be played,
    /// as real calls.
    #[must_use]
    pub fn of(&self, folder: &Path, suite: &Suite, choice: Choice<'_>) -> Report {
        let name = folder.display().to_string();
        let choice = Choice { repeat: 1, ..choice };
        let mut report =
            Report::of(&name, &suite.application, &suite.sounds, &suite.files, choice, os::now());
        let tests = suite.files.iter().flat_map(|file| file.tests.iter().map(move |test| (file, test)));
        let chosen = tests.filter(|(file, test)| choice.takes(&file.path, &test.name));
        let mut waiting = VecDeque::new();
        for (at, (file, test)) in chosen.enumerate() {
            let Some(tested) = report.tests.get_mut(at) else { continue };
            if !tested.problems.is_empty() {
                continue;
            }
            tested.skipped = self.cannot(test, tested);
            if tested.skipped.is_none() {
                waiting.push_back((at, file, test));
            }
        }
        report.lacking.clear();
        let waiting = Mutex::new(waiting);
        let done = Mutex::new(Vec::new());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let app = &*suite.application;
        os::together(self.at_once.max(1), |worker| {
            while let Some((at, file, test)) = next() {
                let played = rehearse(folder, app, file, test, worker);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((at, played));
            }
        });
        for (at, (problems, calls, time)) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if let Some(tested) = report.tests.get_mut(at) {
                (tested.problems, tested.calls, tested.time) = (problems, calls, time);
            }
        }
        report
    }

    /// Why a test can't be played as real calls.
    fn cannot(&self, test: &Test, tested: &Tested) -> Option<String> {
        let acts = || test.calls.iter().flat_map(|call| &call.script);
        let fixtures = || test.runs.iter().map(|run| &run.fixture);
        let why = if test.calls.iter().any(|call| call.line.is_some()) {
            "the faults of its line are simulated"
        } else if fixtures().any(|fixture| !fixture.voice.is_empty()) {
            "what a comparison of voices says is given"
        } else if fixtures().any(|fixture| fixture.facts.iter().any(|(fact, state)| !possible(fact, state))) {
            "a state of the world is given that no deployment can be put into"
        } else if acts().any(|act| matches!(act.verb, Verb::Speaks { .. })) {
            "whose voice it is is given"
        } else if acts().any(|act| matches!(act.verb, Verb::Says { .. })) {
            "nothing listens to words in a real call of this version"
        } else if fixtures().any(|fixture| fixture.people.iter().any(is_heard)) {
            "a voice is known that nobody has spoken with"
        } else if fixtures().any(|fixture| fixture.people.iter().any(approves)) {
            "an approval takes a telephone with a passkey"
        } else if let Some(unreal) = tested.unreal {
            unreal
        } else if tested.longest > self.longest {
            return Some(format!(
                "a call of it takes {} in real time: `--longest {}m` plays it",
                crate::scenario::in_words(Duration::from_secs(tested.longest.as_secs())),
                tested.longest.as_secs() / 60 + 1
            ));
        } else {
            return None;
        };
        Some(why.to_owned())
    }
}

/// Whether somebody is known by their voice.
fn is_heard(person: &Person) -> bool {
    person.factors.iter().any(|(factor, _)| *factor == FactorId::Voiceprint)
}

/// Whether somebody proves it by an approval on a telephone of theirs.
fn approves(person: &Person) -> bool {
    person.factors.iter().any(|(factor, _)| *factor == FactorId::Push)
}

/// Whether a deployment can be put into a state of the world.
fn possible(fact: &str, state: &str) -> bool {
    matches!((fact, state), ("queue" | "message" | "notify", _) | ("sms" | "email" | "call", "unavailable"))
}

/// What went otherwise than written, how many calls were made, how long they took.
type Rehearsed = (Vec<Problem>, u64, Duration);

fn rehearse(folder: &Path, app: &Application, file: &TestFile, test: &Test, worker: usize) -> Rehearsed {
    let (mut calls, mut time) = (0, Duration::ZERO);
    let mut heard = Vec::new();
    let questions = question_prompts(app);
    for run in &test.runs {
        let mut site = match Site::open(folder, app, file, &run.fixture, worker) {
            Ok(site) => site,
            Err(why) => return (vec![could_not(test, &why)], calls, time),
        };
        let (mut prompts, mut transcripts) = (Vec::new(), Vec::new());
        for (at, call) in test.calls.iter().enumerate() {
            if let Err(why) = site.advance(call.after) {
                return (vec![could_not(test, &why)], calls, time);
            }
            let after = if at + 1 == test.calls.len() { test.after.as_slice() } else { &[] };
            let begun = os::now();
            let played = site.play(call, after);
            calls += 1;
            time += os::now().saturating_duration_since(begun);
            match played {
                Ok(mut played) if played.problem.is_none() => {
                    // Each subject is asked questions in an order of its own.
                    let asks = |prompt: &&mut String| questions.contains(prompt.as_str());
                    played.prompts.iter_mut().filter(asks).for_each(|prompt| "a question".clone_into(prompt));
                    prompts.push(played.prompts);
                    transcripts.push(played.transcript);
                }
                Ok(played) => return (played.problem.into_iter().collect(), calls, time),
                Err(why) => return (vec![could_not(test, &why)], calls, time),
            }
        }
        let leaked = site.leaked(file, test);
        if !leaked.is_empty() {
            return (leaked, calls, time);
        }
        heard.push((prompts, transcripts));
        site.close();
    }
    if let Some(identical) = &test.identical {
        let mut chosen = identical.runs.iter().filter_map(|at| heard.get(*at));
        let differs = chosen.next().and_then(|(first, played)| {
            chosen.find_map(|(other, also)| Some((apart(first, other)?, played, also)))
        });
        if let Some(((call, apart), one, other)) = differs {
            let message = format!("a caller can tell the runs apart by what they hear: {apart}");
            let transcript = both(one.get(call), other.get(call));
            return (vec![Problem { transcript, ..problem(identical.place.clone(), &message) }], calls, time);
        }
    }
    (Vec::new(), calls, time)
}

/// A call of one run, and behind it the same call of the other.
fn both(one: Option<&Transcript>, other: Option<&Transcript>) -> Transcript {
    let mut both = one.cloned().unwrap_or_default();
    both.add(Duration::ZERO, "test", "THE OTHER RUN:");
    both.lines.extend(other.into_iter().flat_map(|other| other.lines.iter().cloned()));
    both
}

/// The first call that differs, and the first prompt of it that does. When a caller has hung up, what one run had begun to say and the
/// other not yet is no difference: it depends on the moment.
fn apart(one: &[Vec<String>], other: &[Vec<String>]) -> Option<(usize, String)> {
    let calls = one.iter().zip(other).zip(0..);
    let differs = |((one, other), call): ((&Vec<String>, &Vec<String>), usize)| {
        let mut prompts = one.iter().zip(other).zip(1..);
        let ((one, other), prompt) = prompts.find(|((one, other), _)| one != other)?;
        let told =
            format!("prompt {prompt} of call {} is `{one}` in one and `{other}` in the other", call + 1);
        Some((call, told))
    };
    calls.into_iter().find_map(differs)
}

fn could_not(test: &Test, why: &str) -> Problem {
    problem(test.place.clone(), &format!("`{}` could not be played as real calls: {why}", test.name))
}

fn problem(place: crate::diagnostic::Place, message: &str) -> Problem {
    let finding = crate::diagnostic::Diagnostic::error("E324", Some(place), message)
        .label("as real calls over loopback")
        .help("the same test passes in virtual time; run it alone with --filter to see it again");
    Problem { finding, transcript: Transcript::default() }
}

#[cfg(test)]
mod tests {
    use super::apart;

    #[test]
    fn runs_are_told_apart_by_what_is_said_and_not_by_when_the_caller_hangs_up() {
        let call = |prompts: &[&str]| prompts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let known = [call(&["greeting", "pin"]), call(&["greeting", "wait"])];
        assert_eq!(apart(&known, &known.clone()), None);
        assert_eq!(apart(&known, &[call(&["greeting", "pin"]), call(&["greeting", "wait", "music"])]), None);
        let told = apart(&known, &[call(&["greeting", "pin"]), call(&["greeting", "nobody"])]);
        let wanted = "prompt 2 of call 2 is `wait` in one and `nobody` in the other";
        assert_eq!(told, Some((1, wanted.to_owned())));
    }
}
