//! Calls that a recording server records (RFC 7866), in virtual time: whose voice is in which stream, that nothing of a
//! secret leaves, what the server is told, and that a call goes on and gives back everything whatever the server does.

mod markup;
mod recording_world;
mod world;

use std::sync::Arc;
use std::time::Duration;

use countersign::audio::{Clip, Law};
use countersign::call::{RecordedPart, RecordingPlace, RecordingPlan, RecordingServer};
use countersign::engine::Input;
use countersign::media::SrtpPolicy;
use countersign::sip::StatusCode;
use markup::{Element, parties};
use recording_world::{
    dial, file, found, greeting, holds_a_key, over, server, stream, told, world, world_of,
};
use world::recording_server::{HELD, PORTS, REFUSED, TAKEN, TAKEN_A};
use world::{Asked, Manner, PIN, apps, noise};

const SECOND: Duration = Duration::from_secs(1);
const SAID: u16 = PORTS[0];
const HEARD: u16 = PORTS[1];

#[test]
fn a_server_hears_what_the_file_has_and_no_secret_is_in_either() {
    let mut world = world(
        apps::verified_desk(),
        RecordingPlace::Both,
        &[Asked::Takes { after: Duration::ZERO, lines: [TAKEN, TAKEN_A] }],
    );
    let agents = world.agents(&[Manner::Answers { after: SECOND, hangs_up_after: None }]);
    world.phones[agents[0]].says = Some(noise(22, 6));
    let caller = dial(&mut world);
    let said = noise(21, 3);
    world.run_for(SECOND * 4);
    world.press(caller, "12345678#");
    world.run_for(SECOND * 2);
    let typed = tones(PIN);
    assert!(holds_a_key(&typed), "the control: what is typed can be found");
    world.with_phone(caller, |phone, now| phone.play(now, &Arc::new(Clip::from_pcm(&typed))));
    world.run_for(SECOND * 2);
    world.press(caller, &format!("{PIN}#"));
    world.run_for(SECOND * 3);
    assert!(world.is_joined(), "the agent talks to a verified caller");
    let talked = noise(23, 3);
    world.with_phone(caller, |phone, now| phone.play(now, &talked));
    world.run_for(SECOND * 8);
    let record = over(&mut world, caller);

    let [left, right] = [SAID, HEARD].map(|port| stream(&world, 0, port));
    assert!(found(&said.pcm()[1600..16_000], &left) > 0.95, "the caller is in the first stream");
    assert!(found(&talked.pcm()[1600..16_000], &left) > 0.95, "also while an agent listens");
    assert!(found(&greeting().pcm()[..14_000], &right) > 0.95, "the prompts are in the second");
    assert!(found(&noise(22, 6).pcm()[8000..24_000], &right) > 0.95, "and then the agent");
    assert!(found(&greeting().pcm()[..14_000], &left) < 0.2 && found(&said.pcm()[..16_000], &right) < 0.2);
    assert!(!holds_a_key(&left) && !holds_a_key(&right), "no key of the whole call can be found");

    // One rule for both: where the file is silent the server hears silence, and everything else is the same.
    let [kept, _] = file(&world);
    assert!(left.len() + 400 >= kept.len() && kept.len() >= left.len(), "{} and {}", left.len(), kept.len());
    assert_eq!(left, kept[..left.len()], "sample by sample");
    let longest = left.split(|&sample| sample != 0).map(<[i16]>::len).max().expect("samples");
    assert!(longest > 8000 * 4, "from the first question to the verdict: {longest}");
    assert_eq!(told(&record)[..2], ["flow: running".to_owned(), "server1 records".to_owned()]);
    let by: Vec<_> = record.recordings.iter().map(|recording| recording.server.as_deref()).collect();
    assert_eq!(by, [None, Some("server1")]);
    assert!(record.recordings.iter().all(|recording| !recording.failed && recording.length_ms > 15_000));
}

/// The sound of keys, as a telephone without telephone-events sends them.
fn tones(keys: &str) -> Vec<i16> {
    use countersign::audio::tone::{Tone, render};
    let mut out = Vec::new();
    for key in keys.chars().filter_map(countersign::units::Digit::from_char) {
        out.extend(render(Tone::Dtmf(key), Duration::from_millis(120)));
        out.extend(render(Tone::Silence, Duration::from_millis(80)));
    }
    out
}

#[test]
fn packets_follow_the_clock_of_the_call_and_reports_say_what_time_it_was() {
    let mut world = world(apps::desk(), RecordingPlace::Servers, &[Asked::at_once()]);
    let caller = dial(&mut world);
    world.run_for(SECOND * 20);
    over(&mut world, caller);
    let server = &world.servers[0];
    assert!(world.recorded.is_empty(), "no file");
    for port in PORTS {
        let heard = &server.heard[&port];
        assert!(heard.len() > 900, "20 s in packets of 20 ms: {}", heard.len());
        for pair in heard.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq.wrapping_add(1));
            assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), 160);
            assert_eq!((pair[1].ssrc, pair[1].payload.len(), pair[1].kind), (pair[0].ssrc, 160, 0));
        }
        let gap = heard.windows(2).take(heard.len() - 30).map(|pair| pair[1].at - pair[0].at).max();
        assert!(gap <= Some(Duration::from_millis(21)), "{gap:?}");
        let offer = &server.offers[0];
        assert!(offer.contains(&format!("a=ssrc:{} ", heard[0].ssrc)), "{offer}");
        let reports = &server.reports[&(port + 1)];
        assert!(reports.len() > 2, "a report about every five seconds: {}", reports.len());
        assert!(reports.iter().any(|report| report[1] == 200), "a sender report");
        // The NTP time of a report less that of another is as long as their timestamps say.
        let word =
            |report: &[u8], at: usize| u32::from_be_bytes(report[at..at + 4].try_into().expect("four"));
        let senders: Vec<_> = reports.iter().filter(|report| report[1] == 200).collect();
        let [first, last] = [senders[0], senders[senders.len() - 1]];
        let seconds =
            |report: &[u8]| f64::from(word(report, 8)) + f64::from(word(report, 12)) / 2_f64.powi(32);
        let octets = f64::from(word(last, 16).wrapping_sub(word(first, 16)));
        assert!((octets / 8000.0 - (seconds(last) - seconds(first))).abs() < 0.001, "one clock");
    }
    assert_ne!(server.heard[&SAID][0].ssrc, server.heard[&HEARD][0].ssrc);
}

#[test]
fn the_server_is_told_who_takes_part_whenever_that_changes() {
    let mut world = world(apps::desk(), RecordingPlace::Servers, &[Asked::at_once()]);
    let parts = Manner::Answers { after: SECOND, hangs_up_after: Some(SECOND * 5) };
    world.agents(&[parts]);
    let caller = dial(&mut world);
    world.run_for(SECOND * 4);
    world.press(caller, "1");
    world.run_for(SECOND * 12);
    over(&mut world, caller);
    let server = &world.servers[0];
    let heads: Vec<&str> =
        server.requests.iter().map(|(head, _)| head.split(' ').next().expect("a method")).collect();
    assert_eq!(heads, ["INVITE", "INVITE", "INVITE", "BYE"], "joined, parted, over");
    for (head, body) in &server.requests[..3] {
        assert!(head.contains("\r\nRequire: siprec\r\n") && head.contains(">;+sip.src\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Type: multipart/mixed;boundary="), "{head}");
        assert!(body.contains("Content-Type: application/sdp\r\n"), "{body}");
        assert!(body.contains(
            "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n"
        ));
    }
    assert_eq!(
        server.offers.iter().collect::<std::collections::BTreeSet<_>>().len(),
        1,
        "nothing of it changed"
    );
    assert_eq!(server.offers[0].matches("a=sendonly\r\n").count(), 2);
    let documents: Vec<Element> = server.metadata.iter().map(|text| Element::read(text)).collect();
    let engine = "Countersign".to_owned();
    let number = "·····100".to_owned();
    for (document, other) in documents.iter().zip([&engine, &"agent0".to_owned(), &engine, &engine]) {
        assert_eq!(
            (document.name.as_str(), document.one("datamode").text.as_str()),
            ("recording", "complete")
        );
        assert_eq!(parties(document, "1"), [number.clone(), other.clone()], "what the caller says");
        assert_eq!(parties(document, "2"), [other.clone(), number.clone()], "what they hear");
        let session = &document.one("session").attributes["session_id"];
        assert_eq!(&document.one("sessionrecordingassoc").attributes["session_id"], session);
        assert_eq!(
            document.one("session").one("group-ref").text,
            document.one("group").attributes["group_id"]
        );
        assert!(document.all("stream").all(|stream| &stream.attributes["session_id"] == session));
        for label in ["1", "2"] {
            assert!(server.offers[0].contains(&format!("a=label:{label}\r\n")));
        }
    }
    let left = |document: &Element| {
        document.all("participantsessionassoc").filter(|assoc| assoc.has("disassociate-time")).count()
    };
    assert_eq!(
        documents.iter().map(left).collect::<Vec<_>>(),
        [0, 0, 1, 3],
        "the agent left, then everybody"
    );
    assert!(documents[3].one("session").has("stop-time") && !documents[2].one("session").has("stop-time"));
    assert!(!server.metadata.concat().contains("15550100"), "the number is masked");
}

#[test]
fn a_number_is_told_in_clear_where_the_settings_say_so() {
    let plan = RecordingPlan {
        place: RecordingPlace::Servers,
        servers: vec![RecordingServer { numbers_in_clear: true, ..server(1) }],
    };
    let mut world = world_of(apps::desk(), plan, &[Asked::at_once()]);
    let caller = dial(&mut world);
    world.run_for(SECOND * 2);
    over(&mut world, caller);
    let metadata = Element::read(&world.servers[0].metadata[0]);
    let aors: Vec<_> =
        metadata.all("participant").map(|p| p.one("nameID").attributes["aor"].clone()).collect();
    assert!(aors[0].starts_with("sip:15550100@"), "{aors:?}");
}

#[test]
fn the_next_server_takes_what_another_does_not() {
    let takes = |lines| Asked::Takes { after: Duration::ZERO, lines };
    let g729 = "m=audio {0} RTP/AVP 18\r\n";
    let table = [
        (Asked::Refuses(StatusCode::BUSY_HERE), "refused"),
        (Asked::Refuses(StatusCode::SERVICE_UNAVAILABLE), "unreachable"),
        (Asked::Dead, "no_answer"),
        (Asked::Rings, "no_answer"),
        (Asked::Takes { after: SECOND * 6, lines: [TAKEN; 2] }, "no_answer"),
        (takes([REFUSED; 2]), "not_acceptable"),
        (takes([g729, TAKEN]), "not_acceptable"),
        (takes(["m=audio {0} RTP/SAVP 0\r\n", TAKEN]), "not_acceptable"),
    ];
    for (first, why) in table {
        let what = format!("{first:?}");
        let mut world = world(apps::desk(), RecordingPlace::Servers, &[first, Asked::at_once()]);
        let caller = dial(&mut world);
        world.run_for(SECOND * 12);
        // Whoever failed is asked last by those who come after.
        let other = dial(&mut world);
        world.run_for(SECOND);
        world.hang_up(other);
        world.run_for(SECOND * 2);
        let after = world.records.pop().expect("a record");
        assert_eq!(told(&after), ["flow: running", "server2 records"], "{what}");
        let record = over(&mut world, caller);
        let lost = format!("server1 {why}");
        assert_eq!(told(&record), ["flow: running", lost.as_str(), "server2 records"], "{what}");
        let [recording] = record.recordings.as_slice() else { panic!("{what}: {:?}", record.recordings) };
        assert!(recording.server.as_deref() == Some("server2") && !recording.failed, "{what}");
        assert!(stream(&world, 1, SAID).len() > 8000 * 4, "{what}");
        assert!(world.servers[0].heard.is_empty(), "{what}: whoever does not take it hears nothing");
    }
}

#[test]
fn a_stream_may_be_refused_or_held_for_itself() {
    let takes = |lines| Asked::Takes { after: Duration::ZERO, lines };
    for (lines, heard) in
        [([TAKEN, REFUSED], [true, false]), ([HELD, TAKEN], [false, true]), ([HELD; 2], [false; 2])]
    {
        let mut world = world(apps::desk(), RecordingPlace::Servers, &[takes(lines)]);
        let caller = dial(&mut world);
        world.run_for(SECOND * 4);
        let record = over(&mut world, caller);
        assert_eq!(PORTS.map(|port| world.servers[0].heard.contains_key(&port)), heard, "{lines:?}");
        assert_eq!(told(&record), ["flow: running", "server1 records"]);
    }
}

#[test]
fn a_server_may_hold_the_streams_and_let_them_go_on() {
    let mut world = world(apps::desk(), RecordingPlace::Servers, &[Asked::at_once()]);
    let caller = dial(&mut world);
    world.run_for(SECOND * 3);
    let count = |world: &world::World| PORTS.map(|port| world.servers[0].heard[&port].len());
    world.with_server(0, |server, now| server.offer(now, [HELD; 2]));
    world.run_for(SECOND);
    let before = count(&world);
    world.run_for(SECOND * 3);
    assert_eq!(count(&world), before, "nothing while they are held");
    world.with_server(0, |server, now| server.offer(now, [TAKEN, HELD]));
    world.run_for(SECOND * 2);
    let after = count(&world);
    assert!(after[0] > before[0] + 90 && after[1] == before[1], "{before:?} {after:?}");
    let heard = &world.servers[0].heard[&SAID];
    let [last, next] = [&heard[before[0] - 1], &heard[before[0]]];
    assert_eq!(next.seq, last.seq.wrapping_add(1), "no packet is missing");
    let apart = Duration::from_micros(u64::from(next.timestamp.wrapping_sub(last.timestamp)) * 125);
    assert!(apart.abs_diff(next.at - last.at) < Duration::from_millis(25), "the clock went on: {apart:?}");
    let answers = &world.servers[0].answers;
    let directions = |text: &str| -> Vec<String> {
        let ways = ["sendonly", "inactive"];
        text.lines()
            .filter_map(|line| line.strip_prefix("a="))
            .filter(|l| ways.contains(l))
            .map(str::to_owned)
            .collect()
    };
    let told: Vec<_> = answers.iter().map(|answer| directions(answer.as_ref().expect("answered"))).collect();
    assert_eq!(told, [["inactive", "inactive"], ["sendonly", "inactive"]]);
    // A server that has lost everything asks to be told again, and is, once what it offers is through.
    let before = world.servers[0].metadata.len();
    world.with_server(0, |server, now| server.ask_again(now, [TAKEN, HELD]));
    world.run_for(SECOND);
    let told = &world.servers[0].metadata;
    assert_eq!((told.len(), &told[before]), (before + 1, &told[0]), "the same, since nobody came or left");
    // What can't be is refused, and changes nothing.
    world.with_server(0, |server, now| server.offer(now, ["m=audio {0} RTP/AVP 18\r\n", TAKEN]));
    world.run_for(SECOND);
    world.with_server(0, |server, now| server.offer(now, [REFUSED; 2]));
    world.run_for(SECOND);
    assert!(world.servers[0].answers[3].is_err() && world.servers[0].answers[4].is_err());
    assert!(count(&world)[0] > after[0] + 40, "it goes on");
    over(&mut world, caller);
}

#[test]
fn a_server_that_takes_nothing_any_more_is_left() {
    let mut world = world(apps::desk(), RecordingPlace::ServersElseFiles, &[Asked::at_once()]);
    world.agents(&[Manner::Answers { after: SECOND, hangs_up_after: None }]);
    let caller = dial(&mut world);
    world.run_for(SECOND * 3);
    world.servers[0].asked = Asked::Takes { after: Duration::ZERO, lines: [REFUSED; 2] };
    world.press(caller, "1");
    world.run_for(SECOND * 6);
    let record = over(&mut world, caller);
    assert_eq!(told(&record), ["flow: running", "server1 records", "server1 not_acceptable"]);
    assert!(record.recordings.len() == 2 && record.recordings[0].failed, "a file has the rest");
}

#[test]
fn voices_stay_on_this_machine_where_nobody_decided_otherwise() {
    let plan = RecordingPlan {
        place: RecordingPlace::ServersElseFiles,
        servers: vec![RecordingServer { stays_here: true, ..server(1) }],
    };
    let mut world = world_of(apps::desk(), plan, &[Asked::at_once()]);
    let caller = dial(&mut world);
    world.run_for(SECOND * 4);
    let record = over(&mut world, caller);
    assert_eq!(told(&record), ["flow: running", "server1 not_acceptable"]);
    assert!(world.servers[0].heard.is_empty(), "its description named another machine");
}

#[test]
fn what_is_lost_in_the_middle_goes_to_the_next_to_a_file_or_is_told_the_flow() {
    for (place, servers, expected) in [
        (
            RecordingPlace::Servers,
            2,
            vec!["flow: running", "server1 records", "server1 hung_up", "server2 records"],
        ),
        (RecordingPlace::ServersElseFiles, 1, vec!["flow: running", "server1 records", "server1 hung_up"]),
        (RecordingPlace::Both, 1, vec!["flow: running", "server1 records", "server1 hung_up"]),
        (
            RecordingPlace::Servers,
            1,
            vec!["flow: running", "server1 records", "server1 hung_up", "failed", "flow: failed"],
        ),
    ] {
        let mut world = world(apps::desk(), place, &vec![Asked::at_once(); servers]);
        world.agents(&[Manner::Answers { after: SECOND, hangs_up_after: None }]);
        let caller = dial(&mut world);
        world.run_for(SECOND * 3);
        world.with_server(0, world::RecordingServer::hang_up);
        world.run_for(SECOND * 3);
        world.press(caller, "1");
        world.run_for(SECOND * 4);
        assert!(world.is_joined(), "the call goes on");
        let talked = noise(23, 3);
        world.with_phone(caller, |phone, now| phone.play(now, &talked));
        world.run_for(SECOND * 5);
        let record = over(&mut world, caller);
        assert_eq!(told(&record), expected, "{place:?}");
        let outside =
            record.recordings.iter().find(|recording| recording.server.as_deref() == Some("server1"));
        assert!(outside.is_some_and(|recording| recording.failed && recording.length_ms > 2000), "{place:?}");
        let [left, _] = file(&world);
        let kept = match place {
            RecordingPlace::Servers if servers == 2 => stream(&world, 1, SAID),
            _ => left,
        };
        let there = found(&talked.pcm()[1600..16_000], &kept) > 0.95;
        assert_eq!(there, expected.last() != Some(&"flow: failed"), "{place:?}");
        if servers == 2 {
            let metadata = Element::read(&world.servers[1].metadata[1]);
            assert_eq!(parties(&metadata, "2")[0], "agent0", "the next server is told of the agent");
        }
        if place == RecordingPlace::ServersElseFiles {
            let whole =
                world.recorded.iter().any(|(_, recorded)| matches!(recorded.part, RecordedPart::Ended));
            assert!(whole && record.recordings.len() == 2 && record.recordings[1].server.is_none());
        }
    }
}

#[test]
fn a_file_that_fails_leaves_the_server_and_the_pauses_of_secrets() {
    let mut world = world(apps::verified_desk(), RecordingPlace::Both, &[Asked::at_once()]);
    let caller = dial(&mut world);
    world.run_for(SECOND * 3);
    let (call, name) =
        world.recorded.first().map(|(call, recorded)| (*call, recorded.name.clone())).expect("a file");
    world.tell_engine(Input::RecordingFailed(call, name));
    world.press(caller, "12345678#");
    world.run_for(SECOND * 2);
    world.with_phone(caller, |phone, now| phone.play(now, &Arc::new(Clip::from_pcm(&tones(PIN)))));
    world.run_for(SECOND * 3);
    let from = world.servers[0].heard[&SAID].len();
    assert!(
        world.servers[0].heard[&SAID][from - 100..]
            .iter()
            .all(|packet| packet.payload.iter().all(|&octet| octet == 0xFF))
    );
    let record = over(&mut world, caller);
    assert!(!told(&record).contains(&"flow: failed".to_owned()), "{:?}", told(&record));
    assert!(told(&record).contains(&"failed".to_owned()));
}

#[test]
fn whenever_the_caller_hangs_up_nothing_is_left_open() {
    let manners = [
        Asked::Takes { after: Duration::from_millis(700), lines: [TAKEN; 2] },
        Asked::Rings,
        Asked::Dead,
        Asked::Refuses(StatusCode::BUSY_HERE),
    ];
    for asked in manners {
        for step in 0..16 {
            let mut world = world(apps::desk(), RecordingPlace::Servers, &[asked.clone(), Asked::at_once()]);
            let caller = dial(&mut world);
            world.run_for(Duration::from_millis(70 * step));
            let record = over(&mut world, caller);
            assert!(record.recordings.iter().all(|recording| !recording.failed), "{asked:?} {step}");
        }
    }
    // And when no port is left.
    let mut world = world(apps::desk(), RecordingPlace::ServersElseFiles, &[Asked::at_once()]);
    let caller = dial(&mut world);
    world.run_until(SECOND, |world| world.open_ports() == 1);
    world.no_ports = true;
    world.run_for(SECOND * 3);
    let record = over(&mut world, caller);
    assert_eq!(told(&record), ["flow: running", "server1 no_ports"]);
    let kept = &file(&world)[1];
    let score = found(&greeting().pcm()[..14_000], kept);
    assert!(score > 0.95, "a file has it: {score} of {}", kept.len());
}

#[test]
fn encrypted_voices_are_heard_with_the_keys_only() {
    use countersign::media::srtp::{Crypto, OurKeys, Protection, Suite, sdes};
    use countersign::units::Entropy;
    let plan = RecordingPlan {
        place: RecordingPlace::Servers,
        servers: vec![RecordingServer { srtp: SrtpPolicy::Required, ..server(1) }],
    };
    let theirs = OurKeys::draw(&mut Entropy::from_seed([9; 32]));
    let mut line = String::new();
    sdes::write_line(&mut line, 1, theirs.of(Suite::AeadAes128Gcm).expect("a key"));
    let line: &'static str = format!("m=audio {{0}} RTP/SAVP 0\r\na=recvonly\r\n{line}").leak();
    let asked = Asked::Takes { after: Duration::ZERO, lines: [line; 2] };
    let mut world = world_of(apps::desk(), plan, &[asked]);
    let caller = dial(&mut world);
    world.run_for(SECOND * 6);
    over(&mut world, caller);
    let server = &world.servers[0];
    let keys: Vec<&str> =
        server.offers[0].lines().filter_map(|line| line.strip_prefix("a=crypto:1 ")).collect();
    assert_eq!(keys.len(), 2, "{}", server.offers[0]);
    let mut heard = Vec::new();
    for (port, key) in PORTS.iter().zip(keys) {
        let peer = sdes::Line::read(&format!("1 {key}")).expect("a key").key;
        let ours = theirs.of(Suite::AeadAes128Gcm).expect("a key").clone();
        let mut protection = Protection::Plain;
        protection.agree(world.now, Some(&Crypto { ours, theirs: peer }));
        let mut samples = Vec::new();
        let mut clear = Vec::new();
        for datagram in &server.raw[port] {
            let mut room = [0; Protection::MAX_DATAGRAM];
            let opened = protection.open(world.now, datagram, false, &mut room).expect("it opens");
            Law::Mu.decode(&opened[12..], &mut samples);
            Law::Mu.decode(&datagram[12..172], &mut clear);
        }
        assert!(
            found(&greeting().pcm()[..14_000], &clear) < 0.2
                && found(&noise(21, 3).pcm()[1600..16_000], &clear) < 0.2
        );
        heard.push(samples);
    }
    assert!(found(&noise(21, 3).pcm()[1600..16_000], &heard[0]) > 0.95);
    assert!(found(&greeting().pcm()[..14_000], &heard[1]) > 0.95);
}
