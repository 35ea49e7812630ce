//! Slots: when they are due, what fills them, what happens to those that were missed.

use super::*;
use crate::audio::Law;
use crate::media::bridge::MAX_BRIDGED;
use crate::media::rtp::packet::read;
use crate::media::sdp::Direction;
use crate::units::test_start;

const MS: Duration = Duration::from_millis(1);

fn remote(codec: Codec, ptime_ms: u64) -> Remote {
    let rtp = "192.0.2.1:4000".parse().expect("an address");
    Remote {
        rtp,
        rtcp: None,
        codec,
        payload_type: codec.payload_type(),
        receive_type: codec.payload_type(),
        telephone_event: Some(PayloadType(101)),
        receive_event: Some(PayloadType(101)),
        comfort_noise: None,
        receive_noise: None,
        event_clock: codec.clock_of_tick(),
        ptime: Duration::from_millis(ptime_ms),
        direction: Direction::SendRecv,
        rtcp_mux: false,
        crypto: None,
    }
}

fn outbound(comfort: bool) -> Outbound {
    Outbound::new(Ssrc(1), (65_530, RtpTimestamp(u32::MAX - 500)), comfort, None)
}

fn clip(ms: usize) -> Vec<Arc<Clip>> {
    vec![Arc::new(Clip::from_pcm(&vec![3000; ms * 8]))]
}

/// Everything that is due at `now`: header, payload, finished.
fn drain(outbound: &mut Outbound, now: Instant) -> Vec<(Header, Vec<u8>, Option<PlayId>)> {
    outbound.begin();
    let mut all = Vec::new();
    while let Some(sending) = outbound.fill(now) {
        let packet = sending.packet.unwrap_or_default();
        if let Some((header, payload)) = read(&packet) {
            all.push((header, payload.to_vec(), sending.finished));
        }
    }
    all
}

#[test]
fn the_first_words_leave_at_once() {
    for (comfort, connected_before) in [(true, 0), (true, 7), (false, 0), (false, 333)] {
        let (mut outbound, start) = (outbound(comfort), test_start());
        outbound.connect(start, &remote(Codec::Pcmu, 20));
        for ms in 0..connected_before {
            drain(&mut outbound, start + MS * ms);
        }
        let now = start + MS * connected_before;
        outbound.play(now, PlayId(1), clip(40), false);
        let sent = drain(&mut outbound, now);
        assert_eq!(sent.len(), 1, "comfort {comfort}, {connected_before} ms");
        assert_ne!(sent[0].1[0], 0xFF);
    }
}

#[test]
fn packets_keep_their_distance_when_one_play_follows_another_or_silence() {
    let (mut outbound, start) = (outbound(true), test_start());
    outbound.connect(start, &remote(Codec::Pcmu, 20));
    let mut sent_at = Vec::new();
    for ms in 0..2000_u32 {
        let now = start + MS * ms;
        if ms % 137 == 0 {
            outbound.play(now, PlayId(ms.into()), clip(60), false);
        }
        for (_, _, finished) in drain(&mut outbound, now) {
            sent_at.push(ms);
            if finished.is_some() {
                outbound.play(now, PlayId(0), clip(40), false);
            }
        }
        sent_at.extend(drain(&mut outbound, now).iter().map(|_| ms));
    }
    assert_eq!(sent_at.len(), 100);
    assert!(sent_at.windows(2).all(|pair| pair[1] - pair[0] == 20), "{sent_at:?}");
}

#[test]
fn a_stream_falls_in_with_its_beat_a_millisecond_a_packet_and_keeps_to_it() {
    for (ptime, period) in [(10_u64, 10), (20, 20), (30, 10), (40, 20), (60, 20)] {
        let beat = test_start();
        let start = beat + MS * 10_019 + Duration::from_micros(999);
        let mut outbound = Outbound::new(Ssrc(1), (0, RtpTimestamp(0)), true, Some(beat));
        outbound.connect(start, &remote(Codec::Pcmu, ptime));
        let mut sent: Vec<(Duration, RtpTimestamp)> = Vec::new();
        for _ in 0..60 {
            let now = outbound.due().expect("there is always something to send");
            sent.extend(drain(&mut outbound, now).iter().map(|(header, ..)| (now - beat, header.timestamp)));
        }
        assert_eq!(sent.len(), 60, "one a slot");
        let packet_time = Duration::from_millis(ptime);
        for pair in sent.windows(2) {
            let gap = pair[1].0 - pair[0].0;
            assert!(gap <= packet_time && gap >= packet_time - MS, "{ptime}: {gap:?}");
            assert_eq!(u64::from(pair[1].1.0 - pair[0].1.0), ptime * 8, "the timestamps know nothing of it");
        }
        let off_beat = |(at, _): &(Duration, RtpTimestamp)| at.as_micros() % (period * 1000) != 0;
        assert!(off_beat(&sent[0]));
        assert_eq!(sent.iter().skip(20).filter(|sent| off_beat(sent)).count(), 0, "{ptime}");
    }
}

#[test]
fn slots_never_drift_and_a_play_ends_with_its_last_packet() {
    for ptime in [10_u64, 20, 30, 40, 60] {
        let (mut outbound, start) = (outbound(false), test_start());
        outbound.connect(start, &remote(Codec::Pcma, ptime));
        outbound.play(start, PlayId(9), clip(1200), false);
        let (mut packets, mut finished_at) = (Vec::new(), None);
        // Polled 3 ms late each time.
        for ms in (0..1300_u32).step_by(1) {
            for (header, payload, finished) in drain(&mut outbound, start + MS * ms + MS * (ms % 4)) {
                assert_eq!(payload.len() as u64, ptime * 8);
                packets.push(header);
                if finished.is_some() {
                    finished_at = Some(packets.len() as u64);
                }
            }
        }
        assert_eq!(packets.len() as u64, 1200 / ptime);
        assert_eq!(finished_at, Some(1200 / ptime));
        for pair in packets.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq.next());
            let step = pair[1].timestamp.0.wrapping_sub(pair[0].timestamp.0);
            assert_eq!(u64::from(step), ptime * 8);
            assert!(!pair[1].marker);
        }
        assert!(packets[0].marker);
        assert_eq!(outbound.due(), None);
    }
}

#[test]
fn starting_and_stopping_does_not_run_ahead_of_time() {
    let (mut outbound, start) = (outbound(true), test_start());
    outbound.connect(start, &remote(Codec::Pcmu, 20));
    let mut sent = 0;
    for ms in 0..1000_u32 {
        if ms % 3 == 0 {
            outbound.play(start + MS * ms, PlayId(ms.into()), clip(500), false);
        } else {
            outbound.stop();
        }
        sent += drain(&mut outbound, start + MS * ms).len();
    }
    assert!((50..=52).contains(&sent), "{sent} packets in a second");
}

#[test]
fn a_stall_is_caught_up_with_a_little_and_the_timestamps_say_what_was_skipped() {
    let (mut outbound, start) = (outbound(true), test_start());
    outbound.connect(start, &remote(Codec::Pcmu, 20));
    outbound.play(start, PlayId(1), clip(5000), false);
    let first = drain(&mut outbound, start);
    let burst = drain(&mut outbound, start + MS * 1005);
    assert_eq!(burst.len(), 5);
    let next_at = outbound.due().expect("running");
    assert!(next_at > start + MS * 1005 && next_at <= start + MS * 1025);
    let next = drain(&mut outbound, next_at);
    let since_first = next[0].0.timestamp.0.wrapping_sub(first[0].0.timestamp.0);
    assert_eq!(i64::from(since_first), samples(next_at - start));
    assert!(next[0].0.marker);
}

#[test]
fn a_rest_without_silence_packets_passes_in_the_timestamps() {
    let (mut outbound, start) = (outbound(false), test_start());
    outbound.connect(start, &remote(Codec::Pcmu, 20));
    outbound.play(start, PlayId(1), clip(20), false);
    let first = drain(&mut outbound, start);
    assert!(drain(&mut outbound, start + MS * 500).is_empty());
    outbound.play(start + MS * 730, PlayId(2), clip(20), false);
    let second = drain(&mut outbound, start + MS * 730);
    assert_eq!(second[0].0.timestamp.0.wrapping_sub(first[0].0.timestamp.0), 730 * 8);
    assert!(second[0].0.marker);
}

#[test]
fn a_held_play_waits_and_goes_on() {
    let (mut outbound, start) = (outbound(true), test_start());
    outbound.connect(start, &remote(Codec::Pcmu, 20));
    outbound.play(start, PlayId(1), clip(100), false);
    assert_eq!(drain(&mut outbound, start).len(), 1);
    let held = Remote { direction: Direction::RecvOnly, ..remote(Codec::Pcmu, 20) };
    outbound.connect(start + MS * 10, &held);
    assert_eq!(outbound.due(), None);
    assert!(drain(&mut outbound, start + MS * 3000).is_empty());
    outbound.connect(start + MS * 3000, &remote(Codec::Pcma, 20));
    let mut rest = Vec::new();
    for ms in 3000..3100 {
        rest.extend(drain(&mut outbound, start + MS * ms));
    }
    let finished: Vec<_> = rest.iter().filter_map(|(_, _, finished)| *finished).collect();
    assert_eq!(finished, [PlayId(1)]);
    assert!(rest[0].0.marker && rest[0].0.payload_type == PayloadType(8));
}

#[test]
fn keys_go_before_audio_and_audio_goes_on_after_them() {
    let (mut outbound, start) = (outbound(true), test_start());
    outbound.connect(start, &remote(Codec::Pcmu, 20));
    outbound.play(start, PlayId(1), clip(200), false);
    drain(&mut outbound, start);
    outbound.send_keys(start, &[Digit::HASH, Digit::STAR]);
    let mut sent = Vec::new();
    for ms in 1..=600 {
        sent.extend(drain(&mut outbound, start + MS * ms));
    }
    let events = sent.iter().filter(|(header, ..)| header.payload_type == PayloadType(101)).count();
    assert_eq!(events, 14);
    assert!(sent[..14].iter().all(|(header, ..)| header.payload_type == PayloadType(101)));
    let play = sent[14..].iter().filter(|(_, payload, _)| payload[0] != 0xFF).count();
    assert_eq!(play, 9, "the rest of ten");
    // One timeline: after the keys the timestamps stand where the clock does.
    let (last, first) = (&sent[sent.len() - 1].0, &sent[14].0);
    let slots = u32::try_from(sent.len() - 15).expect("few");
    assert_eq!(last.timestamp.0.wrapping_sub(first.timestamp.0), slots * 160);
}

#[test]
fn a_peer_without_events_hears_tones() {
    let (mut outbound, start) = (outbound(true), test_start());
    outbound.connect(start, &Remote { telephone_event: None, ..remote(Codec::Pcmu, 20) });
    outbound.send_keys(start, &[Digit::HASH, Digit::STAR]);
    let mut heard = Vec::new();
    for ms in 0..400 {
        for (header, payload, _) in drain(&mut outbound, start + MS * ms) {
            assert_eq!(header.payload_type, PayloadType(0));
            Law::Mu.decode(&payload, &mut heard);
        }
    }
    for (at, digit) in [(0, Digit::HASH), (160 * 8, Digit::STAR)] {
        let expected = tone::render(Tone::Dtmf(digit), TONE_TIME);
        let found = crate::audio::correlate(&expected, &heard[at..at + 1280]).expect("long enough");
        assert!(found.score > 0.99 && found.lag == 0, "{found:?}");
    }
    assert!(heard[320 * 8..].iter().all(|&sample| sample == 0));
}

#[test]
fn bridged_frames_arrive_in_any_packet_time_and_by_the_codec_of_the_leg() {
    for ptime in [10, 20, 30, 60] {
        let (mut outbound, start) = (outbound(true), test_start());
        outbound.connect(start, &remote(Codec::Pcma, ptime));
        let mut heard = Vec::new();
        for ms in 0..2000_u32 {
            if ms % 20 == 3 {
                outbound.push(start + MS * ms, &Frame::new(Band::Narrow, &[5000; 160]));
            }
            for (_, payload, _) in drain(&mut outbound, start + MS * ms) {
                heard.extend(payload);
            }
        }
        let expected = Law::A.encode_sample(5000);
        let carried = heard.iter().filter(|&&octet| octet == expected).count();
        assert!(carried > 15_000, "{ptime} ms: {carried} of 16,000 samples");
        // After it has begun there are no holes.
        assert!(heard[2400..].iter().all(|&octet| octet == expected), "{ptime} ms");
    }
}

#[test]
fn a_flood_of_frames_is_bounded() {
    let (mut outbound, start) = (outbound(true), test_start());
    outbound.connect(start, &remote(Codec::Pcmu, 20));
    for _ in 0..10_000 {
        outbound.push(start, &Frame::new(Band::Narrow, &[1; 160]));
    }
    assert!(outbound.bridge.audio.len() <= MAX_BRIDGED);
}
