//! A world whose calls are recorded: by servers of a test, into files, or both; and what came of it.

use std::sync::Arc;
use std::time::Duration;

use countersign::audio::key_tones::KeyTones;
use countersign::audio::{Clip, Law, correlate};
use countersign::call::{
    CallEvent, CallLimits, CallRecord, ClipSource, Health, RecordedPart, RecordingPlace, RecordingPlan,
    RecordingServer, What,
};
use countersign::engine::{Active, Limits};
use countersign::flow::ClipKey;
use countersign::flow::document::{Application, RecordingRule};
use countersign::flow::run::TraceEvent;
use countersign::media::SrtpPolicy;
use countersign::media::recorder::{KEPT, Sound};
use countersign::sip::Uri;

use crate::world::{Asked, World, noise};

/// The greeting is two seconds of noise, everything else half a second of another.
struct Clips(Arc<Clip>, Arc<Clip>);

impl ClipSource for Clips {
    fn clip(&self, key: &ClipKey) -> Option<Arc<Clip>> {
        Some(Arc::clone(if key.as_str().ends_with("greeting") { &self.0 } else { &self.1 }))
    }
}

pub(crate) fn recorded(application: Arc<Application>) -> Arc<Application> {
    let Ok(mut application) = Arc::try_unwrap(application) else { panic!("nobody else has it") };
    application.recording = RecordingRule::On;
    Arc::new(application)
}

pub(crate) fn greeting() -> Arc<Clip> {
    noise(11, 2)
}

pub(crate) fn server(number: u8) -> RecordingServer {
    RecordingServer {
        name: format!("server{number}").into(),
        uri: Uri::parse(format!("sip:rec@10.0.4.{number}:5060").as_bytes()).expect("a uri"),
        srtp: SrtpPolicy::Off,
        stays_here: false,
        numbers_in_clear: false,
        health: Health::default(),
    }
}

/// A world whose calls are recorded in this place, by servers that do so.
pub(crate) fn world(application: Arc<Application>, place: RecordingPlace, servers: &[Asked]) -> World {
    let number = |n: usize| u8::try_from(n + 1).expect("few");
    let plan = RecordingPlan { place, servers: (0..servers.len()).map(|n| server(number(n))).collect() };
    world_of(application, plan, servers)
}

pub(crate) fn world_of(application: Arc<Application>, plan: RecordingPlan, servers: &[Asked]) -> World {
    let other = noise(12, 1);
    let clips = Arc::new(Clips(greeting(), Arc::new(Clip::from_pcm(&other.pcm()[..4000]))));
    let limits = CallLimits { recorder: true, ..CallLimits::default() };
    let mut world = World::with_plan(recorded(application), clips, (limits, Limits::default()), plan, 5);
    for asked in servers {
        world.recording_server(asked.clone());
    }
    world
}

/// What a stream of a server holds, laid down by its timestamps; silence where nothing came.
pub(crate) fn stream(world: &World, server: usize, port: u16) -> Vec<i16> {
    let Some(heard) = world.servers[server].heard.get(&port) else { return Vec::new() };
    let first = heard[0].timestamp;
    let mut samples = Vec::new();
    for packet in heard {
        let at = usize::try_from(packet.timestamp.wrapping_sub(first)).expect("in order");
        samples.resize(samples.len().max(at), 0);
        let law = if packet.kind == 0 { Law::Mu } else { Law::A };
        law.decode(&packet.payload, &mut samples);
    }
    samples
}

/// The file of the only recording: both sides.
pub(crate) fn file(world: &World) -> [Vec<i16>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for (_, recorded) in &world.recorded {
        let RecordedPart::Piece(piece) = &recorded.part else { continue };
        match &piece.sound {
            Sound::Silence(length) => {
                let length = usize::try_from(*length).expect("short");
                sides.iter_mut().for_each(|side| side.resize(side.len() + length, 0));
            }
            Sound::Audio { left, right } => {
                for (side, octets) in sides.iter_mut().zip([left, right]) {
                    KEPT.decode(octets.expose(), side);
                }
            }
        }
    }
    sides
}

pub(crate) fn holds_a_key(samples: &[i16]) -> bool {
    let tones = KeyTones::default();
    samples.windows(160).step_by(40).any(|window| tones.sound_in(window))
}

pub(crate) fn found(what: &[i16], side: &[i16]) -> f64 {
    correlate(what, side).map_or(0.0, |found| found.score)
}

pub(crate) fn dial(world: &mut World) -> usize {
    let caller = world.caller();
    world.phones[caller].says = Some(noise(21, 3));
    world.dial(caller);
    caller
}

/// Ends the call; its record. Nothing may be left of it.
pub(crate) fn over(world: &mut World, caller: usize) -> CallRecord {
    world.hang_up(caller);
    world.run_for(Duration::from_secs(40));
    assert_eq!(world.engine.active(), Active::default(), "everything was given back");
    assert_eq!(world.open_ports(), 0, "ports too");
    assert_eq!(world.records.len(), 1, "one record");
    for server in &world.servers {
        assert!(server.sessions.iter().all(|(_, ended)| ended.is_some()), "no session is left at a server");
    }
    world.records.pop().expect("a record")
}

/// What happened to the recording, in words.
pub(crate) fn told(record: &CallRecord) -> Vec<String> {
    let word = |what: &What| match what {
        What::Call(CallEvent::RecordedBy { who }) => Some(format!("{who} records")),
        What::Call(CallEvent::RecordingServerLost { who, why }) => Some(format!("{who} {why}")),
        What::Call(CallEvent::RecordingFailed) => Some("failed".to_owned()),
        What::Flow(TraceEvent::Fact { fact: "recording", value }) => Some(format!("flow: {value}")),
        _ => None,
    };
    record.events.iter().filter_map(|happened| word(&happened.what)).collect()
}
