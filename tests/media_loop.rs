//! Media from one session to another: what is played is heard, what is lost is counted, and sending never
//! waits for anything (law 7).

mod media_world;

use std::time::Duration;

use countersign::audio::{Band, Codec, Decoder, correlate};
use countersign::media::{Event, Input, Output};
use countersign::units::{Entropy, PlayId};
use media_world::{MS, Path, World, speech};

const MU: &[Codec] = &[Codec::Pcmu];
const BOTH: &[Codec] = &[Codec::Pcmu, Codec::Pcma];
const CLEAN: Path = Path { loss_percent: 0, double_percent: 0, delay_ms: 10, jitter_ms: 0 };

#[test]
fn a_clip_arrives_sample_for_sample() {
    for (codec, list) in [(Codec::Pcmu, MU), (Codec::Pcma, &[Codec::Pcma][..])] {
        let mut world = World::new(1, [CLEAN; 2], [BOTH, list]);
        let (_, clip) = speech(3);
        world.sides[1].session.listen(true);
        world.run(200);
        let now = world.now;
        world.sides[0].session.play(now, PlayId(7), vec![clip.clone()], false);
        world.run(3500);
        let mut expected = Vec::new();
        Decoder::new(codec).decode(clip.encoded(codec).expect("both laws"), &mut expected);
        let heard = &world.sides[1].heard;
        assert!(heard.windows(expected.len()).any(|window| window == expected), "{codec:?}");
        assert!(world.sides[0].events.contains(&Event::PlayFinished(PlayId(7))));
        let stats = world.sides[1].session.stats();
        assert_eq!((stats.packets_lost, stats.late, stats.concealed), (0, 0, 0));
    }
}

#[test]
fn a_clip_is_recognised_through_loss_jitter_and_reordering() {
    let rough = Path { loss_percent: 5, double_percent: 5, delay_ms: 20, jitter_ms: 40 };
    for seed in 1..=3 {
        let mut world = World::new(seed, [rough, CLEAN], [MU, MU]);
        let (samples, clip) = speech(10);
        world.sides[1].session.listen(true);
        // Before the prompt the buffer learns the path by silence.
        world.run(3000);
        let now = world.now;
        world.sides[0].session.play(now, PlayId(1), vec![clip], false);
        world.run(10_500);
        // By seconds, since a delay that changes in between shifts what follows.
        let scores: Vec<f64> = samples
            .chunks(8000)
            .map(|second| correlate(second, &world.sides[1].heard).map_or(0.0, |found| found.score))
            .collect();
        let good = scores.iter().filter(|&&score| score > 0.85).count();
        assert!(good >= 8, "seed {seed}: {scores:?}");
        let stats = world.sides[1].session.stats();
        assert!(stats.late < 20, "{} late", stats.late);
    }
}

#[test]
fn a_bridge_carries_speech_from_one_law_to_the_other() {
    let mut world = World::new(3, [CLEAN; 2], [MU, MU]);
    let mut far = World::new(4, [CLEAN; 2], [&[Codec::Pcma], &[Codec::Pcma]]);
    far.now = world.now;
    let (samples, clip) = speech(4);
    world.sides[1].session.listen(true);
    far.sides[1].session.listen(true);
    let now = world.now;
    world.sides[0].session.play(now, PlayId(1), vec![clip], false);
    let mut passed = 0;
    for _ in 0..4500 {
        world.run(1);
        far.run(1);
        let fresh = world.sides[1].heard.get(passed..).unwrap_or_default().to_vec();
        for frame in fresh.chunks_exact(160) {
            far.sides[0].session.push(countersign::media::Frame::new(Band::Narrow, frame));
            passed += 160;
        }
    }
    let found = correlate(&samples, &far.sides[1].heard).expect("long enough");
    assert!(found.score > 0.98, "{}", found.score);
}

/// Law 7: whatever comes in, however late the machine is polled, a packet leaves for every 20 ms, and none
/// that is due is left when the poll is over.
#[test]
fn the_media_tick_never_waits() {
    let mut chance = Entropy::from_seed([7; 32]);
    for (lateness, inbound) in [(0, false), (0, true), (15, false), (15, true), (90, false), (90, true)] {
        let mut world = World::new(9, [CLEAN; 2], [BOTH, BOTH]);
        let (_, clip) = speech(2);
        let began = world.now;
        let session = &mut world.sides[0].session;
        session.play(began, PlayId(1), vec![clip], true);
        session.listen(true);
        let (mut now, mut packets) = (began, 0_u64);
        while now < began + Duration::from_secs(60) {
            if inbound {
                let noise = chance.next_u64().to_be_bytes();
                let from = "203.0.113.1:1".parse().expect("an address");
                session.handle(now, Input::Rtp { came: now, from, bytes: &noise });
            } else {
                session.handle(now, Input::Timeout);
            }
            let next = loop {
                match session.poll() {
                    Output::Rtp { .. } => packets += 1,
                    Output::Timeout(at) => break at.expect("a running stream"),
                    Output::Rtcp { .. }
                    | Output::Event(_)
                    | Output::Frame(_)
                    | Output::Said(_)
                    | Output::Heard(_) => {}
                }
            };
            assert!(next > now, "left something due");
            assert!(next <= now + 20 * MS, "sleeps over a slot");
            let late = u32::try_from(chance.below(lateness + 1)).expect("short");
            now = next + MS * late;
        }
        // 3,000 slots in a minute; the last ones may lie behind a late poll.
        assert!((2995..=3005).contains(&packets), "{packets} with {lateness} ms, inbound {inbound}");
    }
}

#[test]
fn reports_tell_loss_jitter_and_round_trip_as_they_are() {
    let lossy = Path { loss_percent: 10, double_percent: 0, delay_ms: 30, jitter_ms: 0 };
    let back = Path { loss_percent: 0, double_percent: 0, delay_ms: 50, jitter_ms: 10 };
    let mut world = World::new(11, [lossy, back], [BOTH, BOTH]);
    world.run(120_000);
    let [here, there] = [0, 1].map(|side| world.sides[side].session.stats());
    let (sent, lost) = (world.sides[0].sent, world.sides[0].lost);
    assert!(sent.abs_diff(6000) <= 2 && lost > 500);
    // Two packets may still be under way, or have been lost at the very end.
    assert!(there.packets_lost.abs_diff(lost) <= 2, "{} counted, {lost} lost", there.packets_lost);
    assert!(there.packets_received.abs_diff(sent - lost) <= 2);
    assert!((there.loss() - 0.1).abs() < 0.02, "{}", there.loss());
    let reported = here.remote_loss.expect("a report");
    assert!((0.02..0.2).contains(&reported), "{reported} of an interval");
    assert_eq!(there.remote_loss, Some(0.0));
    let trip = here.round_trip.expect("a round trip");
    assert!(trip >= 78 * MS && trip <= 92 * MS, "{trip:?}");
    assert!(there.jitter < MS, "{:?}", there.jitter);
    // Arrivals spread evenly over 11 steps of 1 ms differ by 3.6 ms on average.
    assert!(here.jitter > 2 * MS && here.jitter < 6 * MS, "{:?}", here.jitter);
    assert!(there.mos() < here.mos());
}
