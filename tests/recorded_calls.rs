//! Whole calls that are recorded, in virtual time: who is on which side, and that nothing of a secret is there,
//! however it was typed.

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign::audio::key_tones::KeyTones;
use countersign::audio::tone::{self, Tone};
use countersign::audio::{Clip, correlate};
use countersign::call::{CallEvent, CallLimits, CallRecord, ClipSource, RecordedPart, RecordingName, What};
use countersign::engine::{Input, Limits};
use countersign::flow::ClipKey;
use countersign::flow::document::{Application, RecordingRule};
use countersign::flow::run::TraceEvent;
use countersign::media::recorder::{KEPT, Sound};
use countersign::units::Digit;
use world::{Manner, PIN, World, apps, noise};

const SECOND: Duration = Duration::from_secs(1);

/// The greeting is two seconds of noise, everything else half a second of another.
struct Clips(Arc<Clip>, Arc<Clip>);

impl ClipSource for Clips {
    fn clip(&self, key: &ClipKey) -> Option<Arc<Clip>> {
        Some(Arc::clone(if key.as_str().ends_with("greeting") { &self.0 } else { &self.1 }))
    }
}

fn recorded(application: Arc<Application>) -> Arc<Application> {
    let Ok(mut application) = Arc::try_unwrap(application) else { panic!("nobody else has it") };
    application.recording = RecordingRule::On;
    Arc::new(application)
}

fn greeting() -> Arc<Clip> {
    noise(11, 2)
}

fn world(application: Arc<Application>, recorder: bool) -> World {
    let other = noise(12, 1);
    let clips = Arc::new(Clips(greeting(), Arc::new(Clip::from_pcm(&other.pcm()[..4000]))));
    let limits = CallLimits { recorder, ..CallLimits::default() };
    World::with_clips(application, clips, 5, limits, Limits::default())
}

/// What was recorded, by its name: both sides, and whether it came to its end.
fn tapes(world: &World) -> BTreeMap<RecordingName, ([Vec<i16>; 2], bool)> {
    let mut tapes: BTreeMap<RecordingName, ([Vec<i16>; 2], bool)> = BTreeMap::new();
    for (_, recorded) in &world.recorded {
        let tape = tapes.entry(recorded.name.clone()).or_default();
        match &recorded.part {
            RecordedPart::Piece(piece) => match &piece.sound {
                Sound::Silence(length) => {
                    let length = usize::try_from(*length).expect("short");
                    tape.0.iter_mut().for_each(|side| side.resize(side.len() + length, 0));
                }
                Sound::Audio { left, right } => {
                    for (side, octets) in tape.0.iter_mut().zip([left, right]) {
                        KEPT.decode(octets.expose(), side);
                    }
                }
            },
            RecordedPart::Ended => tape.1 = true,
            RecordedPart::Begun { .. } | RecordedPart::Of(_) | RecordedPart::Lost => {}
        }
    }
    tapes
}

/// The sound of keys, as a telephone without telephone-events sends them.
fn tones(keys: &str) -> Vec<i16> {
    let mut out = Vec::new();
    for key in keys.chars().filter_map(Digit::from_char) {
        out.extend(tone::render(Tone::Dtmf(key), Duration::from_millis(120)));
        out.extend(tone::render(Tone::Silence, Duration::from_millis(80)));
    }
    out
}

fn holds_a_key(samples: &[i16]) -> bool {
    let tones = KeyTones::default();
    samples.windows(160).step_by(40).any(|window| tones.sound_in(window))
}

fn says(world: &mut World, phone: usize, samples: &[i16]) {
    let clip = Arc::new(Clip::from_pcm(samples));
    world.with_phone(phone, |phone, now| phone.play(now, &clip));
}

/// When nothing was recorded, in samples of the recording.
fn pauses(record: &CallRecord) -> Vec<std::ops::Range<usize>> {
    let begun = record.recordings[0].at_ms;
    let sample = |at_ms: u64| usize::try_from((at_ms.saturating_sub(begun)) * 8).expect("short");
    let mut pauses: Vec<std::ops::Range<usize>> = Vec::new();
    for happened in &record.events {
        let What::Flow(TraceEvent::Fact { fact: "recording", value }) = &happened.what else { continue };
        match value.to_string().as_str() {
            "paused" => pauses.push(sample(happened.at_ms)..usize::MAX),
            "running" => {
                if let Some(pause) = pauses.last_mut().filter(|pause| pause.end == usize::MAX) {
                    pause.end = sample(happened.at_ms);
                }
            }
            _ => {}
        }
    }
    pauses
}

#[test]
fn a_pin_is_on_neither_side_of_a_recording_whether_it_came_as_events_or_as_tones() {
    let mut world = world(recorded(apps::verified_desk()), true);
    let agents = world.agents(&[Manner::Answers { after: SECOND, hangs_up_after: None }]);
    world.phones[agents[0]].says = Some(noise(22, 6));
    let caller = world.caller();
    let said = noise(21, 3);
    world.phones[caller].says = Some(Arc::clone(&said));
    world.dial(caller);
    world.run_for(SECOND * 4);
    world.press(caller, "12345678#");
    world.run_for(SECOND * 2);
    // The PIN is asked for: the caller speaks tones first, as a telephone without telephone-events would, and holds
    // the last one; then it comes by telephone-events.
    let typed = tones(PIN);
    assert!(holds_a_key(&typed), "the control: what is typed can be found");
    says(&mut world, caller, &typed);
    world.run_for(SECOND * 2);
    world.press(caller, &format!("{PIN}#"));
    world.run_for(SECOND * 3);
    assert!(world.is_joined(), "the agent talks to a verified caller");
    let talked = noise(23, 3);
    says(&mut world, caller, &talked.pcm());
    world.run_for(SECOND * 8);
    world.hang_up(caller);
    world.run_for(SECOND * 5);

    let record = world.records.pop().expect("a record");
    assert_eq!((record.level.as_str(), record.recordings.len()), ("basic", 1));
    let tapes = tapes(&world);
    let ([left, right], whole) = tapes.values().next().expect("a recording");
    assert!(*whole && !record.recordings[0].failed);
    assert_eq!(record.recordings[0].length_ms, u64::try_from(left.len() / 8).expect("short"));

    let find = |what: &[i16], side: &[i16]| correlate(what, side).map_or(0.0, |found| found.score);
    assert!(find(&said.pcm()[1600..16_000], left) > 0.95, "the caller is left");
    assert!(find(&talked.pcm()[1600..16_000], left) > 0.95, "also while an agent listens");
    assert!(find(&greeting().pcm()[..14_000], right) > 0.95, "the prompts are right");
    assert!(find(&noise(22, 6).pcm()[8000..24_000], right) > 0.95, "and then the agent");
    assert!(find(&greeting().pcm()[..14_000], left) < 0.2 && find(&said.pcm()[..16_000], right) < 0.2);

    assert!(!holds_a_key(left), "no key of the whole call can be found");
    let pauses = pauses(&record);
    assert_eq!(pauses.len(), 1, "from the first question to the verdict: {pauses:?}");
    let pause = &pauses[0];
    assert!(pause.len() > 8000 * 3, "{pause:?}");
    for side in [left, right] {
        assert!(side[pause.start + 800..pause.end].iter().all(|&sample| sample == 0));
    }
    let of =
        world.recorded.iter().filter(|(_, recorded)| matches!(recorded.part, RecordedPart::Of(_))).count();
    assert_eq!(of, 1, "it is said of whom it is, once");
}

#[test]
fn a_recording_that_can_not_be_kept_ends_and_the_call_does_not() {
    let mut world = world(recorded(apps::desk()), true);
    world.agents(&[Manner::Answers { after: SECOND, hangs_up_after: None }]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(SECOND * 4);
    let (call, name) = {
        let (call, recorded) = world.recorded.first().expect("it is recorded");
        (*call, recorded.name.clone())
    };
    let before = world.recorded.len();
    world.tell_engine(Input::RecordingFailed(call, name.clone()));
    world.run_for(SECOND);
    world.press(caller, "1");
    world.run_for(SECOND * 4);
    assert!(world.is_joined(), "the call goes on");
    assert_eq!(world.recorded.len(), before, "nothing more is recorded");
    world.hang_up(caller);
    world.run_for(SECOND * 5);
    let record = world.records.pop().expect("a record");
    assert!(record.recordings.iter().all(|recording| recording.failed && recording.name == name));
    let failed = |what: &What| matches!(what, What::Call(CallEvent::RecordingFailed));
    assert_eq!(record.events.iter().filter(|happened| failed(&happened.what)).count(), 1);
    let told = |what: &What| matches!(what, What::Flow(TraceEvent::Fact { fact: "recording", value }) if value.to_string() == "failed");
    assert_eq!(record.events.iter().filter(|happened| told(&happened.what)).count(), 1);
}

#[test]
fn nobody_is_recorded_where_there_is_no_recorder_or_no_order() {
    for (application, recorder) in [(recorded(apps::desk()), false), (apps::desk(), true)] {
        let mut world = world(application, recorder);
        let caller = world.caller();
        world.dial(caller);
        world.run_for(SECOND * 4);
        world.hang_up(caller);
        world.run_for(SECOND * 5);
        assert!(world.recorded.is_empty());
        assert!(world.records.pop().expect("a record").recordings.is_empty());
    }
}

#[test]
fn sixty_four_calls_are_recorded_each_for_itself() {
    let mut world = world(recorded(apps::desk()), true);
    let callers: Vec<usize> = (0..64).map(|_| world.caller()).collect();
    for (seed, &caller) in (100_u8..).zip(&callers) {
        world.phones[caller].says = Some(noise(seed, 3));
        world.dial(caller);
    }
    world.run_for(SECOND * 2);
    world.hang_up_everywhere();
    world.run_for(SECOND);
    let tapes = tapes(&world);
    assert_eq!(tapes.len(), 64);
    assert!(tapes.values().all(|(_, whole)| *whole));
    // Each of them is on one recording, and on one only.
    for seed in [100, 163] {
        let said = &noise(seed, 3).pcm()[1600..3600];
        let heard = |side: &Vec<i16>| {
            correlate(said, &side[..side.len().min(12_000)]).is_some_and(|found| found.score > 0.9)
        };
        assert_eq!(tapes.values().filter(|([left, _], _)| heard(left)).count(), 1, "{seed}");
    }
}
