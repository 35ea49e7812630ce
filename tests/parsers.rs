//! Every parser of what comes from outside, fed with inputs that went through a bad line: 10,000 of each kind, or as many as
//! `COUNTERSIGN_FUZZ` says.
//! None panics, what they give holds together, and nothing that was changed passes for what it was where a key says so.

#![expect(clippy::print_stdout, reason = "what was read in how long is told")]

mod readers;
mod spoiled;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use countersign::audio::wav;
use countersign::driver::{embedded, os};
use countersign::flow::{self, Files, Unread};
use countersign::media::rtp::packet::{self, Header, Packet};
use countersign::media::rtp::telephone_event_receive::Payload;
use countersign::media::sdp::{self, LocalMedia};
use countersign::media::srtp::{Crypto, OurKeys, Protection, sdes};
use countersign::media::{self, LocalSrtp, MediaConfig, MediaSession, SrtpPolicy};
use countersign::sip::stir::{NumberPlan, Presented, examine};
use countersign::sip::{HeaderName, Headers, StreamParser, Uri};
use countersign::units::{Entropy, Epoch, PayloadType, RtpTimestamp, SampleRate, Ssrc, UnixTime};
use spoiled::{below, mutated};

/// Inputs of each kind.
fn inputs() -> usize {
    std::env::var("COUNTERSIGN_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

type Reader = Box<dyn FnMut(&[u8], &mut Entropy)>;

/// Feeds a parser on every core, each with a reader of its own.
fn fed(name: &str, seeds: &[Vec<u8>], inputs: usize, reader: fn() -> Reader) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let began = os::now();
    let slowest = std::sync::Mutex::new(Duration::ZERO);
    os::together(threads, |thread| {
        let mut entropy = Entropy::from_seed([u8::try_from(thread).unwrap_or(0); 32]);
        let mut read = reader();
        let mut longest = Duration::ZERO;
        for turn in (thread..inputs).step_by(threads) {
            let input = mutated(&mut entropy, &seeds[turn / threads % seeds.len()]);
            let before = os::now();
            read(&input, &mut entropy);
            longest = longest.max(before.elapsed());
        }
        let mut slowest = slowest.lock().expect("no other panicked");
        *slowest = longest.max(*slowest);
    });
    let (took, slowest) = (began.elapsed(), slowest.into_inner().expect("none panicked"));
    println!("{name}: {inputs} inputs in {took:.1?}, the slowest {slowest:.1?}");
}

fn lines(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

const SDP: &str = "v=0\no=- 1 1 IN IP4 198.51.100.1\ns=-\nc=IN IP4 198.51.100.1\nt=0 0\n\
    m=audio 4000 RTP/AVP 8 0 9 101 13\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\na=maxptime:60\n\
    a=rtcp:4001 IN IP4 198.51.100.1\na=rtcp-mux\na=sendrecv\nm=video 5000/2 RTP/AVP 96\nb=RR:0\na=rtpmap:96 H264/90000\n";
const SECURE_SDP: &str = "v=0\no=x 7 8 IN IP6 2001:db8::7\ns= \nc=IN IP6 2001:db8::7\nt=0 0\n\
    m=audio 4000 RTP/SAVP 0 111 101\na=rtpmap:111 opus/48000/2\na=fmtp:111 useinbandfec=1;stereo=0\na=rtpmap:101 telephone-event/48000\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk|2^20\n\
    a=crypto:2 AEAD_AES_256_GCM inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXI=\na=inactive\n";

fn messages() -> Vec<Vec<u8>> {
    let head = "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1;rport, SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bK0;received=192.0.2.9\n\
        Max-Forwards: 70\nFrom: \"A \\\"B\\\" C\" <sip:+441632960000@192.0.2.7;user=phone>;tag=1\nTo: <sip:bank@192.0.2.1>\n\
        Call-ID: a@b\nCSeq: 1 INVITE\nContact: <sip:c@192.0.2.7:5060;transport=tcp>;expires=60;q=0.5\n";
    let sdp = SDP.replace('\n', "\r\n");
    let invite = format!(
        "INVITE sip:bank@192.0.2.1 SIP/2.0\n{head}Record-Route: <sip:p1;lr>, <sip:p2;lr>\nSupported: 100rel, timer\nSession-Expires: 1800;refresher=uac\n\
         P-Asserted-Identity: <tel:+441632960000;verstat=TN-Validation-Passed>\nAllow: INVITE, ACK, BYE\nContent-Type: application/sdp\n\
         Content-Length: {}\n\n",
        sdp.len()
    );
    let part = format!(
        "--x\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n"
    );
    let multipart = format!(
        "INVITE sip:bank@192.0.2.1 SIP/2.0\n{head}Content-Type: multipart/mixed;boundary=\"x\"\nContent-Length: {}\n\n",
        part.len()
    );
    let register = "REGISTER sip:192.0.2.1 SIP/2.0\nv: SIP/2.0/TCP h;branch=z9hG4bK2\nf: <sip:ana@192.0.2.1>;tag=2\nt: sip:ana@192.0.2.1\ni: r\n\
        CSeq: 7 REGISTER\nm: *\nExpires: 0\nAuthorization: Digest username=\"ana\", realm=\"countersign\", nonce=\"0a\", uri=\"sip:192.0.2.1\", \
        response=\"0123456789abcdef0123456789abcdef\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\", opaque=\"\"\nl: 0\n\n";
    let challenge = "SIP/2.0 401 Unauthorized\nVia: SIP/2.0/UDP h;branch=z9hG4bK3\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\nCall-ID: c\nCSeq: 1 REGISTER\n\
        WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=MD5, stale=true\nRetry-After: 5 (busy);duration=60\nContent-Length: 0\n\n";
    let refer = format!(
        "REFER sip:x@192.0.2.1 SIP/2.0\n{head}Refer-To: <sip:sales@192.0.2.1?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces>\n\
         Referred-By: <sip:ana@192.0.2.1>\nRAck: 1 1 INVITE\nReason: SIP;cause=200\nContent-Length: 0\n\n"
    );
    let mut seeds = vec![
        [lines(&invite), sdp.clone().into_bytes()].concat(),
        [lines(&multipart), part.into_bytes()].concat(),
        lines(register),
        lines(challenge),
        lines(&refer),
    ];
    // RFC 4475 and RFC 5118, where they are there.
    if let Some(corpus) = std::env::var_os("COUNTERSIGN_CORPUS") {
        for folder in ["sip-torture/rfc4475", "sip-torture/rfc5118"] {
            let folder = std::path::Path::new(&corpus).join(folder);
            let mut files: Vec<_> =
                std::fs::read_dir(folder).expect("the corpus").flatten().map(|file| file.path()).collect();
            files.sort();
            let files =
                files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "dat"));
            seeds.extend(files.map(|file| std::fs::read(file).expect("a message")));
        }
    }
    seeds
}

#[test]
fn messages_of_sip() {
    fed("SIP", &messages(), inputs(), || Box::new(|input, _| readers::look_at_everything(input)));
}

#[test]
fn a_stream_is_framed_the_same_however_it_is_cut() {
    let glued = |turn: usize| {
        let all = messages();
        all.iter()
            .cycle()
            .skip(turn)
            .take(3)
            .flat_map(|message| message.iter().chain(b"\r\n\r\n"))
            .copied()
            .collect()
    };
    let seeds: Vec<Vec<u8>> = (0..5).map(glued).collect();
    fed("streams", &seeds, inputs(), || {
        Box::new(|input, entropy| {
            let mut cuts: Vec<usize> =
                (0..below(entropy, 12)).map(|_| below(entropy, input.len() + 1)).collect();
            cuts.sort_unstable();
            let pieces = cuts.iter().scan(0, |from, &to| Some(&input[std::mem::replace(from, to)..to]));
            let rest = &input[cuts.last().copied().unwrap_or(0)..];
            let cut = framed(pieces.chain([rest]));
            assert_eq!(cut, framed([input]), "{}", String::from_utf8_lossy(input));
        })
    });
}

/// The messages of a stream; `None` behind the last when it can't be framed any more.
fn framed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Bytes>> {
    let (mut parser, mut found) = (StreamParser::new(), Vec::new());
    for piece in pieces {
        parser.push(piece);
        loop {
            match parser.next_message() {
                Ok(Some(message)) => found.push(Some(message)),
                Ok(None) => break,
                Err(_) => {
                    found.push(None);
                    return found;
                }
            }
        }
    }
    found
}

fn local(port: u16, srtp: SrtpPolicy) -> LocalMedia {
    let mut entropy = Entropy::from_seed([9; 32]);
    let at = SocketAddr::from(([192, 0, 2, 1], port));
    LocalMedia {
        codecs: countersign::audio::Codec::ALL.to_vec(),
        comfort_noise: true,
        srtp: LocalSrtp::draw(srtp, &mut entropy),
        ..LocalMedia::new(at, 1)
    }
}

#[test]
fn descriptions_and_their_keys() {
    let own = [SrtpPolicy::Off, SrtpPolicy::Required].map(|srtp| sdp::offer(&local(4000, srtp)).to_vec());
    let seeds = [vec![lines(SDP), lines(SECURE_SDP)], own.to_vec()].concat();
    fed("SDP", &seeds, inputs(), || {
        let sides =
            [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required].map(|srtp| local(5000, srtp));
        Box::new(move |input, _| {
            for side in &sides {
                if let Ok(negotiated) = sdp::answer(input, side) {
                    // What we answer is nothing that a careful reader refuses.
                    let text = String::from_utf8_lossy(&negotiated.body).into_owned();
                    assert!(text.starts_with("v=0\r\n") && !text.contains("\r\n\r\n"), "{text}");
                }
                let _ = sdp::accept_answer(input, side);
            }
        })
    });
    let keys = SECURE_SDP.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    let keys: Vec<Vec<u8>> = keys.map(|value| value.as_bytes().to_vec()).collect();
    fed("a=crypto", &keys, inputs(), || {
        Box::new(|input, _| drop(sdes::Line::read(&String::from_utf8_lossy(input))))
    });
}

fn epoch() -> Epoch {
    Epoch { instant: os::now(), unix: UnixTime(1_780_272_000_000) }
}

/// Packets as a peer sends them: sound, a key, sound with a mark.
fn packets() -> Vec<Packet> {
    let packet = |number: u8, marker, payload: &[u8]| {
        let mut packet = packet::begin();
        packet.extend_from_slice(payload);
        let timestamp = RtpTimestamp(u32::from(number) * 160);
        let seq = countersign::media::rtp::seq::SeqNo(u16::from(number));
        let payload_type = PayloadType(if payload.len() == 4 { 101 } else { 0 });
        packet::seal(&mut packet, &Header { payload_type, marker, seq, timestamp, ssrc: Ssrc(7) });
        packet
    };
    vec![packet(1, true, &[0xd5; 160]), packet(2, true, &[5, 0x8a, 3, 32]), packet(3, false, &[0x7f; 80])]
}

/// Compound reports: a sender's with a block and a name, a receiver's, a goodbye.
fn reports() -> Vec<Vec<u8>> {
    let sender = [&[0x81, 200, 0, 12, 0, 0, 0, 7][..], &[0x11; 20], &[0, 0, 0, 1], &[0x22; 20]].concat();
    let name = [&[0x81, 202, 0, 3, 0, 0, 0, 7, 1, 4][..], b"a@bc", &[0, 0]].concat();
    let receiver = [&[0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 1][..], &[0x33; 20]].concat();
    let bye = [&[0x81, 203, 0, 2, 0, 0, 0, 7, 3][..], b"end"].concat();
    vec![[sender.clone(), name.clone()].concat(), [receiver, name, bye].concat(), sender]
}

#[test]
fn packets_of_media_and_reports() {
    let rtp: Vec<Vec<u8>> = packets().iter().map(|packet| packet.to_vec()).collect();
    fed("RTP", &rtp, inputs(), || {
        let mut session = session();
        Box::new(move |input, _| {
            let _ =
                (packet::read(input), packet::number(input), packet::is_rtcp(input), Payload::read(input));
            let now = os::now();
            session.handle(now, media::Input::Rtp { came: now, from: PEER, bytes: input });
            drain(&mut session);
        })
    });
    fed("RTCP", &reports(), inputs(), || {
        let mut session = session();
        Box::new(move |input, _| {
            session.handle(os::now(), media::Input::Rtcp { from: PEER, bytes: input });
            drain(&mut session);
        })
    });
}

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 4000);

/// A session that has a peer.
fn session() -> MediaSession {
    let local = |address| LocalMedia::new(address, 1);
    let negotiated = sdp::answer(&sdp::offer(&local(PEER)), &local(SocketAddr::from(([192, 0, 2, 1], 4000))));
    let epoch = epoch();
    let config = MediaConfig::from_entropy(&mut Entropy::from_seed([3; 32]), epoch);
    let mut session = MediaSession::new(epoch.instant, config);
    session.connect(epoch.instant, &negotiated.expect("acceptable").remote);
    drain(&mut session);
    session
}

fn drain(session: &mut MediaSession) {
    while !matches!(session.poll(), media::Output::Timeout(_)) {}
}

#[test]
fn encrypted_media_that_was_changed_is_not_opened() {
    let mut entropy = Entropy::from_seed([5; 32]);
    let keys = OurKeys::draw(&mut entropy);
    let key = keys.all().next().expect("a key").clone();
    let crypto = Crypto { ours: key.clone(), theirs: key };
    let mut sender = Protection::default();
    sender.agree(os::now(), Some(&crypto));
    let sealed = |mut packet: Packet| {
        sender.seal(&mut packet).expect("sealed");
        packet.to_vec()
    };
    let seeds: Vec<Vec<u8>> = packets().into_iter().map(sealed).collect();
    let good: std::collections::BTreeSet<Vec<u8>> = seeds.iter().cloned().collect();
    let lasting = Box::leak(Box::new((crypto, good)));
    SRTP.set(lasting).unwrap_or_else(|_| panic!("set once"));
    fed("SRTP", &seeds, inputs(), || {
        let (crypto, good) = SRTP.get().expect("set");
        let mut srtp = countersign::media::srtp::Srtp::new(crypto).expect("keys");
        Box::new(move |input, _| {
            let mut input = input.to_vec();
            let same = good.contains(&input);
            let before = input.clone();
            assert!(same || srtp.open(os::now(), &mut input).is_none(), "{before:02x?}");
            let _ = srtp.open_report(os::now(), &mut before.clone());
        })
    });
}

type Sealed = (Crypto, std::collections::BTreeSet<Vec<u8>>);
static SRTP: std::sync::OnceLock<&'static Sealed> = std::sync::OnceLock::new();

#[test]
fn identities_of_callers() {
    // Whatever is in the last part: nothing here looks at certificates.
    let token = |header: &str, claims: &str| {
        let encode = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        format!(
            "{}.{}.{};info=<https://c.example/p.pem>;alg=ES256;ppt=shaken",
            encode(header),
            encode(claims),
            encode(&"s".repeat(64))
        )
    };
    let header = r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://c.example/p.pem"}"#;
    let claims = r#"{"attest":"A","dest":{"tn":["441632960999"]},"iat":1780272000,"orig":{"tn":"441632960001"},"origid":"x"}"#;
    let seeds = [token(header, claims).into_bytes(), token(claims, header).into_bytes()];
    fed("Identity", &seeds, inputs(), || {
        let uri = |text: &str| Uri::parse(text.as_bytes()).expect("a URI");
        let (called, caller) = (uri("sip:+441632960999@192.0.2.1"), uri("sip:+441632960001@carrier.example"));
        Box::new(move |input, _| {
            let mut headers = Headers::new();
            headers.push(HeaderName::new("Identity"), input.to_vec());
            if let Some(presented) =
                Presented::of(&headers, &caller, &called, &called, &NumberPlan::default())
            {
                let _ = examine(&presented, &[], UnixTime(1_780_272_000_000));
            }
        })
    });
}

fn bench() -> embedded::Embedded {
    embedded::application(embedded::BENCH_APPLICATION).expect("inside the program")
}

/// What is measured with, one file of it as it is given.
struct Spoiled<'a>(&'a str, &'a str);

impl Files for Spoiled<'_> {
    fn read(&self, path: &str) -> Result<String, Unread> {
        if path == self.0 {
            return Ok(self.1.to_owned());
        }
        bench().text(&format!("bench/{path}")).map(str::to_owned).ok_or(Unread::Absent)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let folder = if folder.is_empty() { "bench".to_owned() } else { format!("bench/{folder}") };
        let paths = bench().list(&folder);
        paths.iter().filter_map(|path| path.strip_prefix("bench/").map(str::to_owned)).collect()
    }
}

#[test]
fn flows() {
    let flow = Spoiled("", "").read("bench.flow.yaml").expect("a flow");
    // The checks of a flow take long without optimisation.
    let inputs = if cfg!(debug_assertions) { inputs() / 10 } else { inputs() };
    fed("flows", &[flow.into_bytes()], inputs, || {
        Box::new(|input, _| drop(flow::load(&Spoiled("bench.flow.yaml", &String::from_utf8_lossy(input)))))
    });
}

#[test]
fn recordings() {
    let sound: Vec<i16> = (0..400).map(|n| (n % 50) * 300).collect();
    let mut seeds = vec![wav::write(&sound, SampleRate::TELEPHONE)];
    // The same as one that says nothing of its length, as some programs write it.
    let mut endless = seeds[0].clone();
    endless[40..44].copy_from_slice(&[0xff; 4]);
    seeds.push(endless);
    fed("WAV", &seeds, inputs(), || Box::new(|input, _| drop(countersign::audio::decode_file(input, "wav"))));
}
