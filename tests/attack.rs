//! Attacks over real sockets: garbage and floods from trunks, phones and strangers while a canary calls.
//!
//! Whatever comes, the deployment must live, give strangers nothing, keep nothing, and still take the
//! canary's call: answered, with audio, hung up.

mod canary;
mod spoiled;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use canary::{Canary, PHONE, STRANGER, TRUNK, Target, after, now, offer, pause, receive, request};
use countersign::driver::embedded;
use countersign::driver::os::together;
use countersign::flow::{self, Files, Unread};
use countersign::units::Entropy;
use spoiled::{below, byte, mutated};

#[test]
fn garbage_over_udp_and_tcp_stops_no_call() {
    let target = Target::start("garbage", 59_000);
    let mut entropy = Entropy::from_seed([11; 32]);
    let trunk = target.socket(TRUNK);
    let phone = target.socket(PHONE);
    let from = trunk.local_addr().expect("an address");
    let body = offer(from);
    let methods = ["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "ACK", "INFO", "UPDATE", "DANCE"];
    let digest = "Authorization: Digest username=\"ana\", realm=\"countersign\", nonce=\"00\", uri=\"sip:x\", \
                  response=\"00\", qop=auth, nc=00000001, cnonce=\"a\"\r\nExpires: 60\r\n";
    let until = now() + Duration::from_secs(6);
    for turn in 0_u32.. {
        let method = methods[below(&mut entropy, 9)];
        // No INVITE is whole: whole ones would take the ports of the canary for 32 s each.
        let id = format!("g{turn}");
        let spoiled = if method == "INVITE" { body.replace("RTP/AVP", "RTP/NONE") } else { body.clone() };
        let whole = request(method, &id, from, ["", ";tag=x"][below(&mut entropy, 2)], digest, &spoiled);
        let message = mutated(&mut entropy, whole.as_bytes());
        if turn % 16 == 0 {
            let mut stream = target.stream(TRUNK);
            // The other side may have closed it already.
            let _ = stream.write_all(&message).and_then(|()| stream.write_all(whole.as_bytes()));
        } else {
            // A full buffer loses one: there are more.
            let _ = if turn % 3 == 0 { &phone } else { &trunk }.send(&message);
        }
        if turn % 64 == 0 {
            if now() > until {
                break;
            }
            pause(Duration::from_millis(2));
        }
    }
    let canary = Canary::dials(&target, "canary-1");
    canary.hears(10);
    canary.hangs_up();
    target.settles();
}

#[test]
fn garbage_in_the_media_and_a_second_voice_change_nothing_for_the_caller() {
    let target = Target::start("media", 59_200);
    let mut entropy = Entropy::from_seed([12; 32]);
    let canary = Canary::dials(&target, "canary-2");
    canary.hears(5);
    let thief = UdpSocket::bind(SocketAddr::from((STRANGER, 0))).expect("a socket");
    let until = now() + Duration::from_secs(3);
    let mut sequence = 0_u16;
    while now() < until {
        for _ in 0..50 {
            sequence = sequence.wrapping_add([0, 1, 1, 2, 30_000][below(&mut entropy, 5)]);
            let mut packet = vec![0x80, [0, 8, 101, 229, 13, 200][below(&mut entropy, 6)]];
            packet.extend(sequence.to_be_bytes());
            packet.extend(entropy.next_u32().to_be_bytes());
            packet.extend([0, 0, 0, 7]);
            packet.extend((0..entropy.below(200)).map(|_| byte(&mut entropy)));
            if entropy.below(4) == 0 {
                packet = mutated(&mut entropy, &packet);
            }
            let report = SocketAddr::new(canary.media.ip(), canary.media.port() + 1);
            let to = if entropy.below(3) == 0 { report } else { canary.media };
            let voice = if entropy.below(2) == 0 { &thief } else { &canary.rtp };
            let _ = voice.send_to(&packet, to);
        }
        pause(Duration::from_millis(2));
    }
    thief.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    assert!(thief.recv(&mut [0; 2048]).is_err(), "somebody else gets the caller's audio");
    while canary.rtp.set_nonblocking(true).is_ok() && canary.rtp.recv(&mut [0; 2048]).is_ok() {}
    canary.rtp.set_nonblocking(false).expect("blocking");
    canary.hears(5);
    canary.hangs_up();
    target.settles();
}

#[test]
fn strangers_get_one_answer_and_few_connections() {
    let target = Target::start("strangers", 59_400);
    let stranger = target.socket(STRANGER);
    let from = stranger.local_addr().expect("an address");
    for method in ["INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE"] {
        stranger.send(request(method, "s", from, "", "", "").as_bytes()).expect("sent");
        let answer = receive(&stranger).expect("an answer");
        assert!(answer.starts_with("SIP/2.0 403 Forbidden\r\n"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("server:"), "{answer}");
    }
    let mut held: Vec<TcpStream> = (0..40).map(|_| target.stream(STRANGER)).collect();
    let open = held.iter_mut().filter_map(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
        // A connection that was turned away ends; one that is open has nothing to read.
        matches!(stream.read(&mut [0; 8]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
            .then_some(())
    });
    assert!(open.count() <= 4, "strangers hold connections");
    let mut trunk = target.stream(TRUNK);
    trunk.write_all(request("OPTIONS", "o", from, "", "", "").as_bytes()).expect("sent");
    let mut answer = [0_u8; 1024];
    let length = trunk.read(&mut answer).expect("an answer");
    assert!(answer[..length].starts_with(b"SIP/2.0 200 "), "the trunk is served meanwhile");
}

/// What an answer says beside what it repeats of the request, and the nonce.
fn said(answer: &str, user: &str) -> String {
    let lines = answer
        .lines()
        .filter(|line| !["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name)));
    let lines = lines.map(|line| {
        let line = line.split(";tag=").next().unwrap_or_default().replace(user, "USER");
        match line.split_once("nonce=\"") {
            Some((before, rest)) => {
                format!("{before}nonce={}", rest.split_once('"').map_or("", |(_, rest)| rest))
            }
            None => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_scanner_learns_nothing_of_who_is_there() {
    let target = Target::start("scanner", 59_200);
    let guess = "Authorization: Digest username=\"USER\", realm=\"countersign\", nonce=\"00\", uri=\"sip:x\", \
                 response=\"00000000000000000000000000000000\", qop=auth, nc=00000001, cnonce=\"a\"\r\n";
    for (source, methods) in [
        (STRANGER, &["REGISTER", "INVITE", "OPTIONS"][..]),
        (PHONE, &["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"]),
    ] {
        for method in methods {
            for headers in ["", guess] {
                // A scanner takes its time: what is refused in haste gets no answer.
                let answers = ["ana", "nobody", "1000"].map(|user| {
                    let socket = target.socket(source);
                    let from = socket.local_addr().expect("an address");
                    let id = format!("scan-{user}-{method}-{}", headers.len());
                    let asked = request(method, &id, from, "", &headers.replace("USER", user), "");
                    let asked = asked.replace("sip:bank@", &format!("sip:{user}@"));
                    let answer = canary::asks(&socket, &asked, |answer| !answer.starts_with("SIP/2.0 1"));
                    said(&answer, user)
                });
                assert_eq!(answers[0], answers[1], "{method} {headers}");
                assert_eq!(answers[1], answers[2], "{method} {headers}");
                pause(Duration::from_millis(300));
            }
        }
    }
}

#[test]
fn a_scan_gets_few_answers_and_then_none_while_the_trunk_is_served() {
    let target = Target::start("ban", 59_400);
    let scanner = target.socket(STRANGER);
    let from = scanner.local_addr().expect("an address");
    scanner.set_nonblocking(true).expect("nonblocking");
    let mut answers = 0;
    for number in 0..2_000 {
        scanner.send(request("OPTIONS", &format!("b{number}"), from, "", "", "").as_bytes()).expect("sent");
        if number % 20 == 0 {
            pause(Duration::from_millis(2));
        }
        while receive(&scanner).is_some() {
            answers += 1;
        }
    }
    let canary = Canary::dials(&target, "canary-5");
    canary.hears(5);
    while receive(&scanner).is_some() {
        answers += 1;
    }
    assert!((10..200).contains(&answers), "{answers} answers to 2,000 questions");
    let told = target.status();
    assert!(told.lines().any(|line| line.starts_with("edge ") && line.contains(" 1 × banned,")), "{told}");
    scanner.send(request("OPTIONS", "later", from, "", "", "").as_bytes()).expect("sent");
    scanner.set_nonblocking(false).expect("blocking");
    scanner.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    assert!(receive(&scanner).is_none(), "it is banned");
    // Over a connection its address is its own, and it did nothing there.
    let mut stream = target.stream(STRANGER);
    stream.write_all(request("OPTIONS", "tcp", from, "", "", "").as_bytes()).expect("sent");
    let mut answer = [0_u8; 512];
    let length = stream.read(&mut answer).expect("an answer");
    assert!(answer[..length].starts_with(b"SIP/2.0 403 "));
    canary.hangs_up();
    target.settles();
}

/// Half messages and endless ones, over more connections than there are places for strangers.
#[test]
fn half_messages_and_endless_ones_take_bounded_room_while_the_trunk_is_served() {
    let target = Target::start("slow", 59_400);
    let counters = || {
        let deployment = target.deployment.as_ref().expect("running");
        deployment.edge().counters().connections_refused.load(std::sync::atomic::Ordering::Relaxed)
    };
    let part = b"INVITE sip:bank@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.1.1;branch=z9hG4bKa\r\nX-Slow: ";
    // 32 strangers with 6 connections each, of which 4 are taken of one and 64 of all.
    let mut slow: Vec<TcpStream> = (1..=32)
        .flat_map(|host| std::iter::repeat_n([127, 0, 1, host], 6))
        .map(|from| target.stream(from))
        .collect();
    let until = now() + Duration::from_secs(10);
    while counters() < 128 && now() < until {
        pause(Duration::from_millis(10));
    }
    assert_eq!(counters(), 32 * 6 - 64, "the others were turned away");
    for stream in &mut slow {
        let _ = stream.write_all(part);
    }
    // The control: a trunk's connection is served, and a call over UDP is.
    let mut trunk = target.stream(TRUNK);
    let from = trunk.local_addr().expect("an address");
    trunk.write_all(request("OPTIONS", "slow-o", from, "", "", "").as_bytes()).expect("sent");
    let mut answer = [0_u8; 1024];
    let length = trunk.read(&mut answer).expect("an answer");
    assert!(answer[..length].starts_with(b"SIP/2.0 200 "));
    // A header without an end: it is closed long before ten megabytes are taken.
    let mut endless = target.stream(TRUNK);
    endless.set_write_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    endless.write_all(part).expect("sent");
    let taken = (0..10_000).take_while(|_| endless.write_all(&[b'x'; 1024]).is_ok()).count();
    assert!(taken < 9_000, "{taken} KiB of one header were taken");
    let canary = Canary::dials(&target, "canary-6");
    canary.hears(5);
    canary.hangs_up();
    drop(slow);
    target.settles();
}

#[test]
fn a_flood_of_registrations_and_guesses_leaves_callers_alone() {
    let target = Target::start("register", 59_600);
    let phone = target.socket(PHONE);
    let from = phone.local_addr().expect("an address");
    let until = now() + Duration::from_secs(3);
    let mut accepted = 0;
    for turn in 0_u32.. {
        let digest = format!(
            "Authorization: Digest username=\"ana\", realm=\"countersign\", nonce=\"{turn:064x}\", \
             uri=\"sip:127.0.0.1\", response=\"{turn:032x}\", qop=auth, nc=00000001, cnonce=\"a\"\r\n"
        );
        let _ = phone.send(request("REGISTER", &format!("r{turn}"), from, "", &digest, "").as_bytes());
        if turn % 32 == 0 {
            phone.set_nonblocking(true).expect("nonblocking");
            while let Some(answer) = receive(&phone) {
                accepted += u32::from(answer.starts_with("SIP/2.0 200"));
            }
            if now() > until {
                break;
            }
        }
        if turn == 2_000 {
            let canary = Canary::dials(&target, "canary-3");
            canary.hears(5);
            canary.hangs_up();
        }
    }
    assert_eq!(accepted, 0);
    let canary = Canary::dials(&target, "canary-4");
    canary.hears(5);
    canary.hangs_up();
    target.settles();
}

#[test]
fn more_callers_than_there_is_time_for_are_refused_while_a_call_goes_on() {
    let target = Target::start("flood", 52_400);
    let running = Canary::dials(&target, "running");
    running.hears(5);
    let trunk = target.socket(TRUNK);
    let from = trunk.local_addr().expect("an address");
    let body = offer(SocketAddr::from((TRUNK, 9)));
    let send = |text: String| drop(trunk.send(text.as_bytes()));
    trunk.set_nonblocking(true).expect("nonblocking");
    let (mut taken, mut refused) = (0, 0);
    let mut read = || {
        while let Some(answer) = receive(&trunk) {
            let id = after(&answer, "Call-ID: ").and_then(|rest| rest.split('\r').next()).unwrap_or_default();
            let tag = after(&answer, "\r\nTo: ").and_then(|to| after(to, ";tag=")).unwrap_or_default();
            let tag = format!(";tag={}", tag.split(['\r', ';']).next().unwrap_or_default());
            if !answer.contains("CSeq: 1 INVITE") || answer.starts_with("SIP/2.0 1") {
                continue;
            }
            send(request("ACK", id, from, &tag, "", ""));
            if answer.starts_with("SIP/2.0 200") {
                taken += 1;
                send(request("BYE", id, from, &tag, "", ""));
            } else {
                assert!(answer.starts_with("SIP/2.0 503") && answer.contains("Retry-After: "), "{answer}");
                refused += 1;
            }
        }
    };
    let until = now() + Duration::from_secs(3);
    for turn in 0_u32.. {
        send(request("INVITE", &format!("f{turn}"), from, "", "", &body));
        if turn % 16 == 0 {
            read();
            if now() > until {
                break;
            }
        }
    }
    // In the middle of what is left of it.
    running.hears(50);
    running.hangs_up();
    let until = now() + Duration::from_secs(1);
    while now() < until {
        read();
        pause(Duration::from_millis(5));
    }
    assert!(taken > 20 && refused > 20, "{taken} were taken, {refused} refused");
    let canary = Canary::dials(&target, "canary-6");
    canary.hears(5);
    canary.hangs_up();
    target.settles();
}

/// A second carrier.
const OTHER: [u8; 4] = [127, 0, 0, 5];

#[test]
fn a_carrier_that_floods_with_every_method_leaves_time_for_the_callers_of_another() {
    let other = "\"127.0.0.1\"]}, {name: other, addresses: [\"127.0.0.5\"]}]";
    let settings = canary::SETTINGS.replace("\"127.0.0.1\"]}]", other);
    let files = [("countersign.yaml", settings.as_str())];
    let target = Target::with("methods", embedded::DEFAULT_APPLICATION, 52_600..=52_799, 2, &files);
    let running = Canary::dials(&target, "running");
    let (over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    together(2, |number| {
        if number == 0 {
            answers.store(canary::floods(&target.socket(OTHER), &over, Duration::from_secs(30)), Relaxed);
            return;
        }
        for number in 0..4 {
            let canary = Canary::dials(&target, &format!("among-{number}"));
            canary.hears(5);
            running.hears(25);
            canary.hangs_up();
        }
        over.store(true, Relaxed);
    });
    running.hangs_up();
    assert!(answers.into_inner() > 500, "the flood is answered");
    target.settles();
}

#[test]
fn callers_who_leave_at_any_moment_leave_nothing() {
    let target = Target::start("leavers", 59_800);
    let sip = target.socket(TRUNK);
    let from = sip.local_addr().expect("an address");
    for turn in 0..60_u64 {
        let id = format!("l{turn}");
        let body = offer(SocketAddr::from((TRUNK, 9)));
        sip.send(request("INVITE", &id, from, "", "", &body).as_bytes()).expect("sent");
        pause(Duration::from_micros(turn * 100));
        let cancel = request("CANCEL", &id, from, "", "", "").replace("CANCEL;rport", "INVITE;rport");
        sip.send(cancel.as_bytes()).expect("sent");
        // Whoever was answered already hangs up; nobody sends an ACK.
        sip.set_read_timeout(Some(Duration::from_millis(30))).expect("a timeout");
        while let Some(answer) = receive(&sip) {
            if answer.starts_with("SIP/2.0 200") && answer.contains("CSeq: 1 INVITE") {
                let tag = after(&answer, "\r\nTo: ").and_then(|to| after(to, ";tag=")).expect("a tag");
                let tag = format!(";tag={}", tag.split(['\r', ';']).next().expect("a tag"));
                let own =
                    after(&answer, "Call-ID: ").and_then(|rest| rest.split('\r').next()).expect("an id");
                sip.send(request("BYE", own, from, &tag, "", "").as_bytes()).expect("sent");
            }
        }
    }
    let canary = Canary::dials(&target, "canary-5");
    canary.hears(5);
    canary.hangs_up();
    target.settles();
}

/// The bank, one file of it spoiled.
struct Spoiled<'a>(&'a str, &'a str);

impl Files for Spoiled<'_> {
    fn read(&self, path: &str) -> Result<String, Unread> {
        if path == self.0 {
            return Ok(self.1.to_owned());
        }
        embedded::files().text(&format!("bank/{path}")).map(str::to_owned).ok_or(Unread::Absent)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let folder = if folder.is_empty() { "bank".to_owned() } else { format!("bank/{folder}") };
        let paths = embedded::files().list(&folder);
        paths.iter().filter_map(|path| path.strip_prefix("bank/").map(str::to_owned)).collect()
    }
}

#[test]
fn spoiled_flows_are_refused_with_words_and_soon() {
    let mut entropy = Entropy::from_seed([13; 32]);
    let files: Vec<String> = ["", "prompts"].iter().flat_map(|dir| Spoiled("", "").list(dir)).collect();
    assert!(files.len() > 3, "{files:?}");
    let until = now() + Duration::from_secs(5);
    while now() < until {
        let file = &files[below(&mut entropy, files.len())];
        let whole = Spoiled("", "").read(file).expect("a file");
        let text = mutated(&mut entropy, whole.as_bytes());
        let text = String::from_utf8_lossy(&text);
        let began = now();
        let _ = flow::load(&Spoiled(file, &text));
        assert!(began.elapsed() < Duration::from_secs(3), "{file} takes too long");
    }
    for bomb in [
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
         d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n"
            .to_owned(),
        "[".repeat(100_000),
        format!("flow: {}", "{a: ".repeat(50_000)),
        format!("flow: \"{}", "\\u0000".repeat(20_000)),
    ] {
        for file in files.iter().filter(|file| file.ends_with(".yaml")).take(4) {
            assert!(flow::load(&Spoiled(file, &bomb)).is_err(), "{file}");
        }
    }
}
