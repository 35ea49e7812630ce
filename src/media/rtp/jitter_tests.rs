//! The jitter buffer under reordering, duplicates, loss, wraps, jumps, gaps and changing packet times.

use super::*;
use crate::units::{Entropy, test_start};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn buffer(delay_ms: u64) -> JitterBuffer {
    let delay = Duration::from_millis(delay_ms);
    JitterBuffer::new(JitterConfig { initial: delay, min: Duration::from_millis(20), max: 200 * MS })
}

/// A loud sample for each position, so that order and place can be read back.
fn sample(position: i64) -> i16 {
    1000 + i16::try_from(position.rem_euclid(100)).expect("below 100")
}

fn audio(start: i64, count: i64) -> Vec<i16> {
    (start..start + count).map(sample).collect()
}

/// Packets of `count` samples as (arrival in ms, position), handed in and taken out in virtual time.
fn run(buffer: &mut JitterBuffer, base: u32, packets: &[(u64, i64)], count: i64, until_ms: u64) -> Vec<i16> {
    let start = test_start();
    let mut arrivals = packets.to_vec();
    arrivals.sort_by_key(|&(at, _)| at);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut heard = Vec::new();
    for ms in 0..until_ms {
        let now = start + MS * u32::try_from(ms).expect("short");
        while let Some((_, position)) = arrivals.next_if(|&(at, _)| at <= ms) {
            let offset = u32::try_from(position).expect("positive");
            let timestamp = RtpTimestamp(base.wrapping_add(offset));
            buffer.insert(now, timestamp, false, Band::Narrow, &audio(position, count));
        }
        if ms % 20 == 0
            && let Some((frame, _)) = buffer.take(now)
        {
            heard.extend_from_slice(&frame.samples);
        }
    }
    heard
}

fn even(count: u64) -> Vec<(u64, i64)> {
    (0..count).map(|n| (n * 20, i64::try_from(n).expect("short") * 160)).collect()
}

#[test]
fn an_even_stream_comes_out_as_it_came_in_across_the_wrap() {
    let heard = run(&mut buffer(20), u32::MAX - 1000, &even(50), 160, 1020);
    assert_eq!(heard[..50 * 160], audio(0, 50 * 160)[..]);
}

#[test]
fn reordered_and_doubled_packets_come_out_in_order_and_once() {
    let mut packets = even(50);
    for pair in packets.chunks_mut(2) {
        let later = pair[1].0;
        pair[0].0 = later + 3;
    }
    let doubled: Vec<_> = packets.iter().flat_map(|&packet| [packet, packet]).collect();
    let mut buffer = buffer(60);
    let heard = run(&mut buffer, 7, &doubled, 160, 1080);
    assert_eq!(heard[..49 * 160], audio(0, 49 * 160)[..]);
    let frames = u64::try_from(heard.len() / 160).expect("few");
    assert_eq!((buffer.late, frames), (0, buffer.concealed + 50));
}

#[test]
fn packets_of_any_time_come_out_as_frames() {
    for (count, every) in [(80, 10), (240, 30), (320, 40), (480, 60)] {
        let packets: Vec<_> =
            (0..30).map(|n| (u64::try_from(n).expect("positive") * every, n * count)).collect();
        let heard = run(&mut buffer(80), 0, &packets, count, 30 * every + 60);
        let whole = usize::try_from(30 * count - 160).expect("positive");
        assert_eq!(heard[..whole], audio(0, 30 * count - 160)[..], "{every} ms");
    }
}

#[test]
fn a_lost_packet_is_made_up_for_in_its_place() {
    let mut packets = even(20);
    packets.remove(7);
    let mut buffer = buffer(40);
    let heard = run(&mut buffer, 0, &packets, 160, 20 * 20 + 40);
    assert_eq!(heard[..7 * 160], audio(0, 7 * 160)[..]);
    // The first 10 ms behind it are blended.
    let behind = 8 * 160 + 80;
    assert_eq!(heard[behind..20 * 160], audio(behind as i64, 11 * 160 + 80)[..]);
    assert!(heard[7 * 160..8 * 160].iter().all(|&sample| sample != 0), "not silence");
}

#[test]
fn a_pause_that_the_timestamps_own_up_to_is_silence_and_nothing_is_late() {
    let mut packets = even(20);
    packets.extend(even(20).iter().map(|&(at, position)| (at + 700, position + 700 * 8)));
    let mut buffer = buffer(40);
    let heard = run(&mut buffer, 0, &packets, 160, 1140);
    assert_eq!(buffer.late, 0);
    let again = (700 * 8 / 160) * 160;
    // The first 10 ms fade in.
    assert_eq!(heard[again + 80..again + 18 * 160], audio(700 * 8 + 80, 17 * 160 + 80)[..]);
    assert!(heard[30 * 160..34 * 160].iter().all(|&sample| sample == 0));
}

#[test]
fn timestamps_that_jump_by_an_hour_cost_a_moment_at_most() {
    let mut packets = even(20);
    packets.extend(even(20).iter().map(|&(at, position)| (at + 400, position + 3600 * 8000)));
    let heard = run(&mut buffer(20), 0, &packets, 160, 840);
    let after: Vec<_> = audio(3600 * 8000, 19 * 160);
    assert!(heard.windows(after.len()).any(|window| window == after));
}

#[test]
fn the_delay_grows_with_jitter_and_shrinks_in_silence() {
    let mut entropy = Entropy::from_seed([5; 32]);
    let mut jittery = even(200);
    for packet in &mut jittery {
        packet.0 += entropy.below(90);
    }
    let mut buffer = buffer(20);
    run(&mut buffer, 0, &jittery, 160, 4000);
    assert!(buffer.late < 12, "{} of 200 late after growing", buffer.late);
    let stream = buffer.stream.as_ref().expect("a stream");
    assert!(stream.peak_q8 >> 8 > 8 * 60, "{} samples", stream.peak_q8 >> 8);
    // Now an even, silent stream of a minute: back to little delay.
    let (start, silence) = (test_start() + 4000 * MS, [0_i16; 160]);
    let mut first_delay = None;
    for n in 0..3000_u32 {
        let now = start + MS * (n * 20);
        buffer.insert(now, RtpTimestamp(200 * 160 + n * 160), false, Band::Narrow, &silence);
        buffer.take(now);
        let stream = buffer.stream.as_ref().expect("a stream");
        let held = i64::from(200 * 160 + (n + 1) * 160) - stream.play.unwrap_or(0);
        first_delay.get_or_insert(held);
        if n == 2999 {
            assert!(held <= 3 * 160, "{held} samples held at the end, {first_delay:?} at first");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever comes in whatever order: never more than is due, whole frames, a bound on what is kept.
    #[test]
    fn any_order_of_packets_keeps_the_bounds(
        packets in proptest::collection::vec((0_u64..3000, 0_u32..60_000, 0_usize..500, any::<bool>(), any::<bool>()), 0..300)
    ) {
        let start = test_start();
        let mut buffer = buffer(40);
        let mut packets = packets;
        packets.sort_by_key(|packet| packet.0);
        let mut frames = 0;
        let mut next_take = 0;
        for (at, timestamp, count, marker, wide) in packets {
            while next_take <= at {
                let now = start + MS * u32::try_from(next_take).expect("short");
                if let Some((frame, _)) = buffer.take(now) {
                    prop_assert_eq!(frame.samples.len(), 160 * frame.band.samples_of_tick());
                    frames += 1;
                }
                next_take += 20;
            }
            let now = start + MS * u32::try_from(at).expect("short");
            buffer.insert(now, RtpTimestamp(timestamp), marker, if wide { Band::Wide } else { Band::Narrow }, &vec![1; count]);
            let kept = buffer.stream.as_ref().map_or(0, |stream| stream.packets.len());
            prop_assert!(kept <= MAX_PACKETS);
        }
        prop_assert!(frames <= 151);
    }
}

#[test]
fn a_wide_stream_comes_out_as_it_came_in_and_its_memory_is_used_again() {
    let (mut buffer, start) = (buffer(40), test_start());
    let (mut heard, mut most) = (Vec::new(), 0);
    for n in 0..50_u32 {
        let now = start + MS * (n * 20);
        let from = i64::from(n) * 320;
        buffer.insert(now, RtpTimestamp(n * 160), false, Band::Wide, &audio(from, 320));
        if let Some((frame, _)) = buffer.take(now) {
            assert_eq!((frame.band, frame.samples.len()), (Band::Wide, 320));
            heard.extend_from_slice(&frame.samples);
        }
        let stream = buffer.stream.as_ref().expect("a stream");
        most = most.max(stream.packets.len() + stream.spare.len());
    }
    assert_eq!(heard, audio(0, heard.len().try_into().expect("short")));
    assert!(heard.len() > 40 * 320 && most <= 4, "{} samples, {most} packets", heard.len());
}
