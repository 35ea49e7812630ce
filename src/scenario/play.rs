//! Plays a test: its runs, their calls, and what is looked at when all is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::diagnostic::Diagnostic;
use crate::flow::document::Application;

use super::coverage::Coverage;
use super::document::{CallScript, Expect, Identical, Run, Test, TestFile};
use super::failure::Failure;
use super::leaks::Leaks;
use super::performer::Performer;
use super::stage::Stage;
use super::transcript::Transcript;
use super::world::{House, Sounds, World};

/// What came of one test.
pub struct Played {
    /// What went otherwise than written, the first of each run.
    pub problems: Vec<Problem>,
    /// How many calls were made.
    pub calls: u64,
    /// How much time passed for the callers.
    pub time: Duration,
    /// How long the longest call was.
    pub longest: Duration,
    /// What happened in it that does not happen in a real call.
    pub unreal: Option<&'static str>,
    /// The transcript of every call of the first repetition.
    pub transcripts: Vec<Transcript>,
}

/// Something that went otherwise than written.
pub struct Problem {
    /// What, and where in the test.
    pub finding: Diagnostic,
    /// The call in which it happened; empty when it concerns no single one.
    pub transcript: Transcript,
}

/// Plays a test of `file`. `start` is any instant: the virtual clock begins there.
pub fn play(
    app: &Arc<Application>,
    sounds: &dyn Sounds,
    file: &TestFile,
    test: &Test,
    start: Instant,
    coverage: &mut Coverage,
) -> Played {
    let mut played = Played {
        problems: Vec::new(),
        calls: 0,
        time: Duration::ZERO,
        longest: Duration::ZERO,
        unreal: None,
        transcripts: Vec::new(),
    };
    let mut audible = Vec::new();
    let mut leaks = Leaks::new(&file.never_leaks);
    for run in &test.runs {
        let mut players = Players { app, sounds, file, start, leaks: &mut leaks, coverage };
        audible.push(players.run(test, run, &mut played));
        if !played.problems.is_empty() {
            break;
        }
    }
    if let Some(identical) = &test.identical
        && played.problems.is_empty()
    {
        played.problems.extend(differ(test, identical, &audible));
    }
    for (at, place) in &leaks.found {
        let Some(leak) = file.never_leaks.get(*at) else { continue };
        let message = leak.seen(*at, &test.name, place);
        let finding = Diagnostic::error("E321", Some(leak.place.clone()), message)
            .label("this was seen")
            .help("follow it from where it is typed or replied to where it was seen; `check` prints the routes that it knows")
            .related(test.place.clone(), "in this test");
        played.problems.push(Problem { finding, transcript: Transcript::default() });
    }
    played
}

/// Plays one call's script on some stage; then, when it is the last, what must have come of the test.
///
/// # Errors
/// The first thing that did not go as written.
pub fn perform<S: Stage>(stage: &mut S, call: &CallScript, after: &[Expect]) -> Result<(), Failure> {
    let mut performer = Performer::new(stage, call.language.clone());
    let played = performer.play(&call.script);
    performer.finish();
    played.and_then(|()| performer.expects(after))
}

struct Players<'p> {
    app: &'p Arc<Application>,
    sounds: &'p dyn Sounds,
    file: &'p TestFile,
    start: Instant,
    leaks: &'p mut Leaks,
    coverage: &'p mut Coverage,
}

impl Players<'_> {
    /// One world, call after call; gives what the callers heard.
    fn run(&mut self, test: &Test, run: &Run, played: &mut Played) -> Vec<Transcript> {
        let mut house = House::new(self.app, &run.fixture, self.start, self.file.clock);
        let mut audible = Vec::new();
        let last = test.calls.len().saturating_sub(1);
        for (at, call) in test.calls.iter().enumerate() {
            house.pass(call.after);
            let mut world = World::new(&mut house, self.sounds, self.leaks, self.coverage, call);
            let after: &[Expect] = if at == last { &test.after } else { &[] };
            let mut result = perform(&mut world, call, after);
            let finished = world.finished();
            let (transcript, heard) = world.close();
            played.calls += 1;
            let time = transcript.lines.last().map_or(Duration::ZERO, |line| line.at);
            played.time += time;
            played.longest = played.longest.max(time);
            if result.is_ok() && !finished {
                result = Err(never_ended(call.place.clone()));
            }
            if let Err(failure) = result {
                played.problems.push(problem(test, run, &failure, transcript));
                return audible;
            }
            played.unreal = played.unreal.or(house.unreal);
            played.transcripts.push(transcript);
            audible.push(heard);
        }
        audible
    }
}

fn never_ended(place: crate::diagnostic::Place) -> Failure {
    Failure {
        place,
        message: "the flow did not end when the caller had hung up".to_owned(),
        label: "in this call".to_owned(),
        help: "look at `when_hangup`: everything there must end by itself".to_owned(),
    }
}

fn problem(test: &Test, run: &Run, failure: &Failure, transcript: Transcript) -> Problem {
    let mut finding = failure.diagnostic();
    if !run.name.is_empty() {
        finding.message = format!("{} (run `{}` of `{}`)", finding.message, run.name, test.name);
    }
    Problem { finding, transcript }
}

/// The first moment in which two runs differ for the caller.
fn differ(test: &Test, identical: &Identical, audible: &[Vec<Transcript>]) -> Vec<Problem> {
    let mut out = Vec::new();
    let Some((first, others)) = identical.runs.split_first() else { return out };
    let name = |at: &usize| test.runs.get(*at).map_or("", |run| run.name.as_str());
    for other in others {
        let (Some(a), Some(b)) = (audible.get(*first), audible.get(*other)) else { continue };
        for (a, b) in a.iter().zip(b) {
            let longest = a.lines.len().max(b.lines.len());
            let Some(at) = (0..longest).find(|at| !alike(a, b, *at, identical.timing_within)) else {
                continue;
            };
            let told = |transcript: &Transcript| {
                transcript.lines.get(at).map_or_else(
                    || "nothing more".to_owned(),
                    |line| format!("`{}` after {}", line.what, super::performer::in_words(line.at)),
                )
            };
            let message = format!(
                "a caller can tell `{}` from `{}`: {} against {}",
                name(first),
                name(other),
                told(a),
                told(b)
            );
            let finding = Diagnostic::error("E322", Some(identical.place.clone()), message)
                .label("these runs differ")
                .help("what differs tells a stranger something; `same_reply: true` and equal arms make them alike");
            let mut transcript = a.clone();
            transcript.lines.truncate(at + 1);
            out.push(Problem { finding, transcript });
            break;
        }
    }
    out
}

fn alike(a: &Transcript, b: &Transcript, at: usize, within: Option<Duration>) -> bool {
    let (Some(a), Some(b)) = (a.lines.get(at), b.lines.get(at)) else { return false };
    let apart = a.at.abs_diff(b.at);
    a.what == b.what && within.is_none_or(|within| apart <= within)
}
