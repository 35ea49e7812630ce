//! Calls in each codec and each SRTP suite by baresip and SIPp, compared by correlation.

use std::time::Duration;

use countersign::audio::{Codec, correlate};
use data_encoding::BASE64;

use super::coder;
use super::phones::{Way, through_the_bank};
use super::sipp::{AGENT_ANSWER, AWAIT_BYE, CALLER_BYE, Sipp, caller, exec, pause};
use super::site::Site;
use super::wire::{self, Capture, Packet, Sound, Stream};
use super::{agents, from_engine, has_event, peers, text};

/// A minute of three seconds, over and over: a voice-like tone that is like itself at one place only.
fn words(pitch: f64) -> Vec<i16> {
    let word = |n: i32| {
        let t = f64::from(n % 24_000) / 8000.0;
        let syllable = (t * 9.0).sin().abs();
        wire::sample(7000.0 * syllable * (t * pitch * (4.0 + t)).sin())
    };
    (0..60 * 8000).map(word).collect()
}

/// How much like what was said something heard is: a second and a half of its three, wherever it lies.
fn likeness(said: &[i16], heard: &[i16]) -> f64 {
    let found = said[..24_000].chunks_exact(12_000).filter_map(|part| correlate(part, heard));
    found.map(|found| found.score).fold(0.0, f64::max)
}

const fn least(codec: Codec) -> f64 {
    match codec {
        Codec::Opus => 0.85,
        Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::L16 => 0.95,
    }
}

/// How baresip names a codec: with its sampling rate.
fn baresip_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "PCMU/8000/1",
        Codec::Pcma => "PCMA/8000/1",
        Codec::G722 => "G722/16000/1",
        Codec::L16 => "L16/8000/1",
        Codec::Opus => "opus/48000/2",
    }
}

#[test]
fn baresip_is_heard_and_understood_in_every_codec() {
    if !peers("baresip_is_heard_and_understood_in_every_codec") {
        return;
    }
    for &codec in Codec::ALL.iter().rev() {
        let name = codec.name().to_lowercase();
        let settings = format!(", codecs: [{}]", codec.name());
        let account = format!(";audio_codecs={}", baresip_name(codec));
        let said = [words(700.0), words(1100.0)];
        let (record, heard) = through_the_bank(&name, Way::plain(&settings), &account, &said);
        for media in [&record["caller_media"], &record["other_media"][0]] {
            assert_eq!(media["lost"], 0, "{record}");
        }
        let [by_caller, by_agent] = heard;
        let (from_agent, from_caller) = (likeness(&said[1], &by_caller), likeness(&said[0], &by_agent));
        eprintln!(
            "{}: what the caller hears is like what the agent says by {from_agent:.4}, the other way {from_caller:.4}",
            codec.name()
        );
        assert!(from_agent > least(codec) && from_caller > least(codec), "{codec:?}");
    }
}

/// A call by SIPp: the codec, and the SRTP suite with our key.
struct Line {
    codec: Codec,
    suite: Option<(&'static str, String)>,
}

impl Line {
    fn name(&self) -> String {
        let suite = self.suite.as_ref().map_or(String::new(), |(suite, _)| format!("-{suite}"));
        format!("{}{suite}", self.codec.name()).to_lowercase()
    }

    /// The payload type, what describes it, and how far its RTP clock goes in 20 ms.
    fn audio(&self) -> (u8, &'static str, u32) {
        match self.codec {
            Codec::Pcmu => (0, "PCMU/8000", 160),
            Codec::Pcma => (8, "PCMA/8000", 160),
            Codec::G722 => (9, "G722/8000", 160),
            Codec::L16 => (112, "L16/8000", 160),
            Codec::Opus => (113, "opus/48000/2", 960),
        }
    }

    /// SIPp's scenario: it says this all the time, and wants a person.
    fn scenario(&self, site: &Site, said: &[i16]) -> String {
        let (kind, map, tick) = self.audio();
        let mut stream =
            Stream::of(Sound { kind, tick, payloads: Box::new(coder::encode(self.codec, said).into_iter()) });
        stream.audio(Duration::from_millis(2500));
        stream.press("0");
        stream.audio(Duration::from_secs(14));
        let mut description =
            format!("{kind} 101\na=rtpmap:{kind} {map}\na=rtpmap:101 telephone-event/{}", tick * 50);
        let profile = if let Some((suite, key)) = &self.suite {
            stream.become_of(|packets| coder::srtp("protect", suite, key, packets));
            description += &format!("\na=crypto:1 {suite} inline:{key}");
            "SAVP"
        } else {
            "AVP"
        };
        stream.write(&site.folder.join(self.name()).join("media.pcap"));
        let script = exec("play_pcap_audio=\"media.pcap\"") + &pause(16_500) + CALLER_BYE;
        caller(&format!("{profile} {description}"), "101", &script)
    }

    /// What FFmpeg hears in what the engine sent, after libsrtp has opened all of it, reports too.
    fn heard(&self, messages: &str, packets: &[Packet], port: u16) -> Vec<i16> {
        let to = |port| from_engine(packets, port).map(|packet| packet.payload.clone()).collect::<Vec<_>>();
        let (mut rtp, rtcp) = (to(port), to(port + 1));
        assert!(rtp.len() > 700 && !rtcp.is_empty(), "{}: {} and {}", self.name(), rtp.len(), rtcp.len());
        if let Some((suite, _)) = &self.suite {
            let answer = messages.rsplit(suite).next().and_then(|after| after.split("inline:").nth(1));
            let key: String =
                answer.expect("a key of the engine's").chars().take_while(|c| !c.is_whitespace()).collect();
            let clear = coder::srtp("unprotect", suite, &key, &rtp);
            assert!(clear.iter().zip(&rtp).all(|(clear, sealed)| clear[12..] != sealed[12..clear.len()]));
            coder::srtp("unprotect_rtcp", suite, &key, &rtcp);
            rtp = clear;
        }
        let (kind, ..) = self.audio();
        let audio = rtp.iter().filter(|packet| packet[1] & 0x7f == kind);
        coder::decode(self.codec, &audio.map(|packet| packet[12..].to_vec()).collect::<Vec<_>>())
    }
}

/// Callers by SIPp speak what FFmpeg encoded and libsrtp protected, to agents whose phones give back what they hear in A-law;
/// what the engine sends them is opened by libsrtp and decoded by FFmpeg.
#[test]
fn sipp_is_understood_in_every_codec_and_every_srtp_suite() {
    if !peers("sipp_is_understood_in_every_codec_and_every_srtp_suite") {
        return;
    }
    let suite = |suite, length: u8| Some((suite, BASE64.encode(&(1..=length).collect::<Vec<u8>>())));
    let plain = Codec::ALL.iter().map(|&codec| Line { codec, suite: None });
    let sealed = [
        (Codec::Pcmu, suite("AES_CM_128_HMAC_SHA1_80", 30)),
        (Codec::Pcma, suite("AES_CM_128_HMAC_SHA1_32", 30)),
        (Codec::Opus, suite("AEAD_AES_128_GCM", 28)),
    ];
    let lines: Vec<Line> = plain.chain(sealed.map(|(codec, suite)| Line { codec, suite })).collect();
    let names: Vec<String> = (0..lines.len()).map(|n| format!("agent{n}")).collect();
    let port = |from: u16, n: usize, step: u16| from + step * u16::try_from(n).expect("few");
    let phones: Vec<(&str, Option<u16>)> =
        names.iter().enumerate().map(|(n, name)| (name.as_str(), Some(port(5281, n, 1)))).collect();
    let all = Codec::ALL.iter().map(|codec| codec.name()).collect::<Vec<_>>().join(", ");
    let trunk = format!(", codecs: [{all}], srtp: optional");
    let site = Site::with_media([&trunk, ""], "", "everycodec", 5280, &agents(&phones), "");
    let capture = Capture::start(&site.folder);
    let answers = AGENT_ANSWER.to_owned() + AWAIT_BYE;
    let ring: Vec<Sipp> = (0..lines.len())
        .map(|n| Sipp::agent(&site, &names[n], (port(5281, n, 1), port(41_800, n, 10)), &answers))
        .collect();
    let said: Vec<Vec<i16>> =
        (0..lines.len()).map(|n| words(700.0 + 60.0 * f64::from(port(0, n, 1)))).collect();
    let scenarios: Vec<String> =
        lines.iter().zip(&said).map(|(line, said)| line.scenario(&site, said)).collect();
    let callers: Vec<Sipp> = (0..lines.len())
        .map(|n| {
            let ports = (port(5290, n, 1), port(42_000, n, 10));
            Sipp::call(&site, &lines[n].name(), ports, "u1", &scenarios[n])
        })
        .collect();
    let messages: Vec<String> = callers.into_iter().map(Sipp::succeeds).collect();
    ring.into_iter().for_each(|agent| drop(agent.succeeds()));
    let packets = capture.packets();
    for (n, line) in lines.iter().enumerate() {
        let heard = line.heard(&messages[n], &packets, port(42_000, n, 10));
        let likeness = likeness(&said[n], &heard);
        eprintln!("{}: SIPp's caller gets back what it says, like it by {likeness:.4}", line.name());
        assert!(likeness > least(line.codec), "{}", line.name());
    }
    let records = site.records(lines.len());
    let encrypted = records.iter().filter(|record| record["caller_media"]["encrypted"] == true).count();
    assert_eq!(encrypted, lines.iter().filter(|line| line.suite.is_some()).count());
    for record in &records {
        let media = &record["caller_media"];
        assert_eq!(text(record, "cause"), "caller_hung_up", "{record}");
        for count in ["lost", "forged", "replayed"] {
            assert!(media[count] == 0 || media[count].is_null(), "{count}: {record}");
        }
    }
}

/// A caller by SIPp who says nothing for eight seconds, and sends comfort noise in place of it.
#[test]
fn sipp_may_rest_behind_comfort_noise() {
    if !peers("sipp_may_rest_behind_comfort_noise") {
        return;
    }
    let trunk = ", comfort_noise: true";
    let site = Site::with_media([trunk, ""], "", "rests", 5280, &agents(&[("ana", Some(5281))]), "");
    let capture = Capture::start(&site.folder);
    let agent = Sipp::agent(&site, "ana", (5281, 41_800), &(AGENT_ANSWER.to_owned() + AWAIT_BYE));
    let mut stream = Stream::new();
    stream.audio(Duration::from_millis(2500));
    stream.press("0");
    stream.audio(Duration::from_secs(6));
    stream.rest(45, Duration::from_secs(8));
    stream.audio(Duration::from_secs(2));
    stream.write(&site.folder.join("caller").join("media.pcap"));
    let description =
        "AVP 0 13 101\na=rtpmap:0 PCMU/8000\na=rtpmap:13 CN/8000\na=rtpmap:101 telephone-event/8000";
    let script = exec("play_pcap_audio=\"media.pcap\"") + &pause(18_800) + CALLER_BYE;
    let caller = Sipp::call(&site, "caller", (5290, 42_000), "u1", &caller(description, "101", &script));
    let messages = caller.succeeds();
    agent.succeeds();
    assert!(messages.contains("a=rtpmap:13 CN/8000"), "it is agreed on: {messages}");
    let record = &site.records(1)[0];
    assert!(!has_event(record, &[("event", "no_audio")]), "{record}");
    assert_eq!(
        (&record["caller_media"]["lost"], text(record, "cause")),
        (&0.into(), "caller_hung_up"),
        "{record}"
    );
    let packets = capture.packets();
    let rest =
        packets.iter().find(|packet| packet.from == 42_000 && packet.kind() == Some(13)).expect("it rests");
    let of_rest = |packet: &&Packet| (0.5..7.5).contains(&(packet.at - rest.at));
    let heard: Vec<&Packet> = from_engine(&packets, 41_800).filter(of_rest).collect();
    assert!(heard.len() > 340, "the agent's phone gets audio all the time: {}", heard.len());
    let payloads = heard.iter().map(|packet| packet.payload[12..].to_vec());
    let noise = coder::decode(Codec::Pcma, &payloads.collect::<Vec<_>>());
    let power = noise.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / noise.len() as f64;
    let level = 10.0 * (power / 32_768_f64.powi(2)).log10();
    eprintln!("comfort noise: told as 45 dB below overload, heard by the agent at {level:.1} dBov");
    assert!((-48.0..=-42.0).contains(&level), "{level}");
}
