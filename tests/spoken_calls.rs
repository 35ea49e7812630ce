//! Whole calls in which callers speak, in virtual time: what is handed out to be understood, what becomes of the answer,
//! and that nothing is left when somebody hangs up, whenever that is.

mod world;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use countersign::audio::{Clip, decode_file};
use countersign::call::{CallLimits, CallRecord, What};
use countersign::engine::{Input, Limits};
use countersign::flow::document::Application;
use countersign::flow::run::TraceEvent;
use countersign::flow::{self, Files, Unread};
use countersign::secret::Secret;
use countersign::units::{CallId, HearingId};
use countersign::voice::{EarError, Ended, SpokenGrammar, Understood};
use world::{World, apps};

const FLOW: &str = "callflow: 1
id: heard
title: A number that is said
entry: start
vars:
  account: {type: digits, class: personal}
blocks:
  start:
    - answer:
    - ask: number
      into: account
      digits: {min: 4, max: 8, end: hash}
      speech: digits
      give_up: {goto: lost}
    - say: thanks
    - hangup: normal
  lost:
    - say: lost
    - hangup: normal
";
const PROMPTS: &str = "language: en-GB
prompts:
  number: {text: \"Your number, please.\"}
  thanks: {text: \"Thank you.\"}
  lost: {text: \"Goodbye.\"}
";

struct Memory(BTreeMap<&'static str, &'static str>);

impl Files for Memory {
    fn read(&self, path: &str) -> Result<String, Unread> {
        self.0.get(path).map(|text| (*text).to_owned()).ok_or(Unread::Absent)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = |path: &&&str| path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        self.0.keys().filter(inside).map(|path| (*path).to_owned()).collect()
    }
}

fn application() -> Arc<Application> {
    let files = Memory(BTreeMap::from([("heard.flow.yaml", FLOW), ("prompts/en-GB.yaml", PROMPTS)]));
    let (application, _) = flow::load(&files).unwrap_or_else(|found| panic!("{found:?}"));
    Arc::new(application)
}

fn world_of(application: Arc<Application>, hears: &[&str]) -> World {
    let hears = hears.iter().map(|tag| Box::from(*tag)).collect();
    World::with(application, 9, CallLimits { hears, ..CallLimits::default() }, Limits::default())
}

/// A caller who has been asked.
fn asked() -> (World, usize) {
    let mut world = world_of(application(), &["en-GB"]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(Duration::from_millis(1_500));
    (world, caller)
}

/// So many seconds of somebody who talks.
fn speech(seconds: usize) -> Vec<i16> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/audio/en-GB/main_menu.wav");
    let mut pcm = decode_file(&fs::read(path).expect("a recording"), "wav").expect("a recording").samples;
    pcm.truncate(seconds * 8_000);
    pcm
}

fn say(world: &mut World, caller: usize, samples: &[i16]) {
    let clip = Arc::new(Clip::from_pcm(samples));
    world.with_phone(caller, |phone, now| phone.play(now, &clip));
}

fn understood(words: &str) -> Vec<Understood> {
    vec![Understood { words: Secret::new(words.to_owned()), choice: None, confidence: 91 }]
}

fn answer(world: &mut World, (call, id): (CallId, HearingId), answer: Result<Vec<Understood>, EarError>) {
    world.tell_engine(Input::Heard { call, id, answer });
}

/// What the last sound is called.
fn last(world: &World) -> (CallId, HearingId) {
    world.sounds.last().map(|(call, id, ..)| (*call, *id)).expect("something was said")
}

fn traced(record: &CallRecord, told: impl Fn(&TraceEvent) -> bool) -> usize {
    let flow = record.events.iter().filter_map(|happened| match &happened.what {
        What::Flow(event) => Some(event),
        _ => None,
    });
    flow.filter(|event| told(event)).count()
}

fn filled(record: &CallRecord) -> bool {
    traced(
        record,
        |event| matches!(event, TraceEvent::Outcome { verb: "ask", outcome, .. } if outcome.as_str() == "filled"),
    ) == 1
}

/// Both sides are done with each other.
fn ended(world: &mut World) -> &CallRecord {
    assert!(world.run_until(Duration::from_secs(200), |world| world.records.len() == 1), "one record");
    world.run_for(Duration::from_secs(70));
    assert_eq!((world.records.len(), world.open_ports()), (1, 0));
    &world.records[0]
}

#[test]
fn what_a_caller_says_is_handed_out_once_and_its_answer_is_theirs() {
    let (mut world, caller) = asked();
    say(&mut world, caller, &speech(2));
    assert!(world.run_until(Duration::from_secs(6), |world| !world.sounds.is_empty()));
    let (_, _, sound, hearing) = &world.sounds[0];
    assert_eq!(hearing.grammar, Some(SpokenGrammar::Digits { min: 4, max: 8 }));
    let (length, speech) = (sound.length(), sound.speech());
    assert!((1_500..3_000).contains(&length.as_millis()), "{length:?}");
    assert!(speech > Duration::from_millis(700) && speech < length, "{speech:?} of {length:?}");
    assert!(sound.after().is_some_and(|after| after < Duration::from_millis(1_500)), "{:?}", sound.after());
    assert_eq!(sound.ended(), Ended::Silence);
    // A worker takes its time: longer than the caller would have had.
    world.run_for(Duration::from_secs(9));
    assert!(world.records.is_empty() && world.sounds.len() == 1);
    let last = last(&world);
    answer(&mut world, last, Ok(understood("44119922")));
    let record = ended(&mut world);
    assert!(filled(record));
    assert_eq!(traced(record, |event| matches!(event, TraceEvent::Heard { confidence: 91, .. })), 1);
    let text = serde_json::to_string(record).expect("a record");
    assert!(!text.contains("44119922"), "what was said is nobody's: {text}");
}

#[test]
fn a_caller_may_hang_up_at_any_moment() {
    for tenths in (0..110).step_by(7) {
        let (mut world, caller) = asked();
        say(&mut world, caller, &speech(2));
        world.run_for(Duration::from_millis(tenths * 100));
        world.hang_up(caller);
        world.run_for(Duration::from_millis(300));
        for (call, id) in world.sounds.iter().map(|(call, id, ..)| (*call, *id)).collect::<Vec<_>>() {
            answer(&mut world, (call, id), Ok(understood("4411")));
        }
        let record = ended(&mut world);
        assert!(!filled(record), "after {tenths} tenths");
    }
}

#[test]
fn who_goes_on_speaking_while_they_are_understood_is_understood_as_a_whole() {
    let (mut world, caller) = asked();
    let pause = vec![0; 8_000 * 13 / 10];
    let said = [speech(1), pause, speech(1)].concat();
    say(&mut world, caller, &said);
    assert!(world.run_until(Duration::from_secs(6), |world| world.sounds.len() == 1));
    let first = last(&world);
    world.run_for(Duration::from_millis(900));
    // The caller speaks: half a number is none.
    answer(&mut world, first, Ok(understood("4411")));
    assert!(world.run_until(Duration::from_secs(6), |world| world.sounds.len() == 2));
    let whole = last(&world);
    assert!(world.sounds[1].2.length() > world.sounds[0].2.length() + Duration::from_millis(700));
    answer(&mut world, first, Ok(understood("4411")));
    world.run_for(Duration::from_secs(1));
    assert!(world.records.is_empty(), "the first is nobody's any more");
    answer(&mut world, whole, Ok(understood("44119922")));
    assert!(filled(ended(&mut world)));
}

#[test]
fn keys_take_over_from_speech_and_what_is_understood_then_is_nobody_s() {
    let (mut world, caller) = asked();
    say(&mut world, caller, &speech(2));
    assert!(world.run_until(Duration::from_secs(6), |world| world.sounds.len() == 1));
    let said = last(&world);
    world.press(caller, "12");
    world.run_for(Duration::from_millis(600));
    answer(&mut world, said, Ok(understood("44119922")));
    world.press(caller, "34#");
    let record = ended(&mut world);
    assert!(filled(record));
    assert_eq!(traced(record, |event| matches!(event, TraceEvent::Heard { .. })), 0);
}

#[test]
fn who_can_t_be_heard_has_keys_and_no_miss() {
    for why in [EarError::Full, EarError::Failed, EarError::Unreachable, EarError::Language] {
        let (mut world, caller) = asked();
        say(&mut world, caller, &speech(2));
        assert!(world.run_until(Duration::from_secs(6), |world| world.sounds.len() == 1));
        let said = last(&world);
        answer(&mut world, said, Err(why));
        world.run_for(Duration::from_secs(1));
        world.press(caller, "1234#");
        let record = ended(&mut world);
        assert!(filled(record));
        assert_eq!(traced(record, |event| matches!(event, TraceEvent::Retry { .. })), 0);
        assert_eq!(traced(record, |event| matches!(event, TraceEvent::Unheard { .. })), 1);
    }
}

#[test]
fn nobody_is_listened_to_without_a_recogniser_or_in_a_language_that_it_does_not_know() {
    for hears in [&[][..], &["es-ES"][..]] {
        let mut world = world_of(application(), hears);
        let caller = world.caller();
        world.dial(caller);
        world.run_for(Duration::from_millis(1_500));
        say(&mut world, caller, &speech(2));
        world.run_for(Duration::from_secs(4));
        assert!(world.sounds.is_empty());
        world.press(caller, "1234#");
        assert!(filled(ended(&mut world)));
    }
}

#[test]
fn what_is_said_while_a_secret_is_asked_for_is_not_kept() {
    let mut world = world_of(apps::verified_desk(), &["en-GB"]);
    let caller = world.caller();
    world.dial(caller);
    world.run_for(Duration::from_secs(2));
    world.press(caller, "4411#");
    world.run_for(Duration::from_secs(2));
    say(&mut world, caller, &speech(4));
    world.run_for(Duration::from_secs(8));
    assert!(world.sounds.is_empty());
    world.hang_up(caller);
    ended(&mut world);
}
