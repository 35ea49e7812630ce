//! SIP over WebSocket against clients that are tungstenite alone: who may speak it, a telephone that registers and is called over
//! its connection, and what a peer that breaks the rules or says nothing costs.

mod secured;
mod site;
mod websocket;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use countersign::driver::os;
use countersign::secret::Secret;
use countersign::sip::{Message as SipMessage, Request, digest};
use secured::{Authority, connect_to};
use site::{Folder, Handset, SOON, Site, Stage, root};
use tungstenite::{Message, WebSocket};
use websocket::{asks, closed, connect, next, reach, refusal, shake};

const ANA: &str = "agents: [{name: ana, queues: [general]}]\n";
const OFFER: &str =
    "v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 42420 RTP/AVP 0\r\n";
const SIP: (&str, &str) = ("sec-websocket-protocol", "sip");

/// The bank, with a WebSocket; calls come from `trunk`, phones from this machine.
fn serve(name: &str, trunk: &str) -> Site {
    let folder = Folder::new(name);
    let settings = format!(
        "sip: {{websocket: {{listen: \"127.0.0.1:0\", origins: [\"https://phones.example.com\"]}}}}\n\
         trunks: [{{name: carrier, addresses: [\"{trunk}\"]}}]\nphones: {{from: [127.0.0.0/8]}}\n\
         queues: {{general: {{}}, cards: {{}}, payments: {{}}}}\n{ANA}"
    );
    fs::write(folder.file("countersign.yaml"), settings).expect("settings");
    Site::in_folder(folder, &root().join("flows/bank"), 1, &[])
}

fn address(site: &Site) -> SocketAddr {
    site.deployment.listening.ws.expect("it is spoken")
}

/// A request of a client's.
fn request(method: &str, more: &str, cseq: u32, body: &str) -> String {
    format!(
        "{method} sip:bank@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WS c1.invalid;branch=z9hG4bK{method}{cseq};rport\r\n\
         From: <sip:ana@127.0.0.1>;tag=1\r\nTo: <sip:ana@127.0.0.1>\r\nCall-ID: {method}\r\nCSeq: {cseq} {method}\r\n\
         Max-Forwards: 70\r\nContact: <sip:ana@c1.invalid;transport=ws>\r\n{more}\r\n{body}"
    )
}

fn sdp(body: &str) -> String {
    format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", body.len())
}

/// Registers as ana.
fn register(socket: &mut WebSocket<TcpStream>, password: &Secret<String>) {
    let first = request("REGISTER", "Content-Length: 0\r\n", 1, "");
    let challenge = asks(socket, &first);
    let (Ok(SipMessage::Request(asked)), Ok(SipMessage::Response(challenge))) =
        (SipMessage::parse(first.as_bytes()), SipMessage::parse(challenge.as_bytes()))
    else {
        panic!("{challenge}")
    };
    let (name, value) = digest::respond(&challenge, &asked, "ana", password, "c").expect("a challenge");
    let answer = asks(socket, &request("REGISTER", &format!("{}: {value}\r\n", name.as_str()), 2, ""));
    assert!(answer.starts_with("SIP/2.0 200") && answer.contains("c1.invalid"), "{answer}");
}

/// The next request of a kind; others are left alone.
fn receives(socket: &mut WebSocket<TcpStream>, method: &str) -> (String, Request) {
    loop {
        let text = next(socket).unwrap_or_else(|| panic!("no {method} came"));
        if let Ok(SipMessage::Request(request)) = SipMessage::parse(text.as_bytes())
            && request.method.as_str() == method
        {
            return (text, request);
        }
    }
}

/// Lines of a message as they stand.
fn lines<'a>(message: &'a str, names: &[&str]) -> String {
    let wanted = |line: &&'a str| names.iter().any(|name| line.starts_with(name));
    message.lines().filter(wanted).map(|line| format!("{line}\r\n")).collect()
}

/// 200 to a request.
fn agrees(socket: &mut WebSocket<TcpStream>, to: &str, body: &str) {
    let head = lines(to, &["Via:", "From:", "Call-ID:", "CSeq:"]);
    let tag = if to.contains("To: ") && lines(to, &["To:"]).contains("tag=") { "" } else { ";tag=ours" };
    let to = lines(to, &["To:"]).trim_end().to_owned();
    let contact = "Contact: <sip:ana@c1.invalid;transport=ws>\r\n";
    let answer = format!("SIP/2.0 200 OK\r\n{head}{to}{tag}\r\n{contact}{}\r\n{body}", sdp(body));
    socket.send(Message::text(answer)).expect("sent");
}

/// A caller who wants a person.
fn caller(site: &Site) -> Stage {
    let mut stage = Stage::new(vec![Handset::new("+441632960000")]);
    stage.handsets[0].dial(&site.uri());
    assert!(stage.until(SOON, |handsets| handsets[0].answered));
    stage.handsets[0].pump(Duration::from_millis(500));
    stage.handsets[0].press("0");
    stage.handsets[0].pump(Duration::from_millis(500));
    stage
}

#[test]
fn a_telephone_is_called_over_the_connection_that_registered_it() {
    let site = serve("ws-calls", "127.0.0.0/8");
    let password = site.vault().generate_agent_password(os::unix_now(), "ana").expect("a password");
    let mut gone = connect(reach(address(&site)));
    register(&mut gone, &password);
    drop(gone);
    let mut stage = caller(&site);
    // Whose connection is gone is not called: the caller waits for the next one.
    let mut phone = connect(reach(address(&site)));
    register(&mut phone, &password);
    let (invite, parsed) = receives(&mut phone, "INVITE");
    assert_eq!(parsed.uri.to_string(), "sip:ana@c1.invalid;transport=ws");
    let (via, contact) = (lines(&invite, &["Via:"]), lines(&invite, &["Contact:"]));
    assert!(via.starts_with("Via: SIP/2.0/WS 127.0.0.1:"), "{via}");
    assert!(contact.contains(&format!("@{};transport=ws>", address(&site))), "{contact}");
    agrees(&mut phone, &invite, OFFER);
    receives(&mut phone, "ACK");
    stage.handsets[0].hang_up();
    stage.handsets[0].pump(Duration::from_millis(300));
    let (bye, _) = receives(&mut phone, "BYE");
    agrees(&mut phone, &bye, "");

    let mut stage = caller(&site);
    let (invite, parsed) = receives(&mut phone, "INVITE");
    agrees(&mut phone, &invite, OFFER);
    receives(&mut phone, "ACK");
    let contact = parsed.headers.contact().expect("a contact").uri;
    let ours = lines(&invite, &["To:"]).replace("To:", "From:").trim_end().to_owned() + ";tag=ours\r\n";
    let theirs = lines(&invite, &["From:"]).replace("From:", "To:") + &lines(&invite, &["Call-ID:"]);
    let bye = format!(
        "BYE {contact} SIP/2.0\r\nVia: SIP/2.0/WS c1.invalid;branch=z9hG4bKbye\r\n{ours}{theirs}CSeq: 9 BYE\r\n\
         Max-Forwards: 70\r\n\r\n"
    );
    let answer = asks(&mut phone, &bye);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    stage.handsets[0].hang_up();
}

#[test]
fn a_client_that_calls_is_answered_and_a_browsers_own_media_are_refused() {
    let site = serve("ws-caller", "127.0.0.0/8");
    let mut line = connect(reach(address(&site)));
    let browser = OFFER.replace("RTP/AVP 0", "UDP/TLS/RTP/SAVPF 111")
        + "a=rtpmap:111 opus/48000/2\r\na=setup:actpass\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\n";
    let refused = asks(&mut line, &request("INVITE", &sdp(&browser), 1, &browser));
    assert!(refused.starts_with("SIP/2.0 488"), "{refused}");
    let ack = request("ACK", "", 1, "").replace("Call-ID: ACK", "Call-ID: INVITE");
    line.send(Message::text(ack.replace("z9hG4bKACK", "z9hG4bKINVITE"))).expect("sent");
    // RFC 7118 §5.3: the message ends where the frame does.
    let other =
        request("INVITE", "Content-Type: application/sdp\r\n", 7, OFFER).replace(": INVITE", ": plain");
    let answer = asks(&mut line, &other);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let tag = lines(&answer, &["To:"]).trim_end().rsplit("tag=").next().map(str::to_owned).expect("a tag");
    let inside = |method: &str, cseq| {
        let text = request(method, "", cseq, "").replace(&format!("Call-ID: {method}"), "Call-ID: plain");
        text.replace("To: <sip:ana@127.0.0.1>", &format!("To: <sip:ana@127.0.0.1>;tag={tag}"))
    };
    line.send(Message::text(inside("ACK", 7))).expect("sent");
    let gone = asks(&mut line, &inside("BYE", 8));
    assert!(gone.starts_with("SIP/2.0 200"), "{gone}");
}

#[test]
fn who_may_not_speak_it_is_told_why_and_no_more_often_than_other_strangers() {
    let site = serve("ws-refused", "192.0.2.1");
    let at = address(&site);
    for (headers, status, reason) in [
        (&[][..], 400, "sub-protocol"),
        (&[("sec-websocket-protocol", "xmpp")], 400, "sub-protocol"),
        (&[SIP, ("origin", "https://evil.example")], 403, "origin"),
    ] {
        let (is, why) = refusal(at, headers);
        assert!(is == status && why.contains(reason), "{headers:?}: {is} {why}");
    }
    let page = shake(reach(at), &[SIP, ("origin", "https://phones.example.com")]);
    let mut page = page.expect("a page of ours");
    let told = asks(&mut page, &request("OPTIONS", "Content-Length: 0\r\n", 1, ""));
    assert!(told.starts_with("SIP/2.0 403"), "a phone's network may register, and nothing else: {told}");
    // What is no WebSocket at all gets an answer as long as strangers get any.
    let asked = (0..50).map(|_| {
        let mut stream = reach(at);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
        stream
    });
    let answered = |mut stream: TcpStream| {
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
        !said.is_empty()
    };
    let asked: Vec<TcpStream> = asked.collect();
    let answers = asked.into_iter().map(answered).filter(|answered| *answered).count();
    assert!((1..50).contains(&answers), "{answers} of 50 were answered");
}

#[test]
fn what_breaks_the_rules_is_cut_and_the_next_one_is_served() {
    let site = serve("ws-broken", "127.0.0.0/8");
    let at = address(&site);
    let slow: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut slow = reach(at);
            slow.write_all(b"GET / HTTP/1.1\r\nHost: ").expect("sent");
            slow.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
            slow
        })
        .collect();
    let mut large = reach(at);
    large.write_all(&[b"GET / HTTP/1.1\r\nCookie: ".as_slice(), &[b'x'; 8_200]].concat()).expect("sent");
    let mut said = String::new();
    let _ = large.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");

    let mut line = connect(reach(at));
    // A message that can't be, answered where it can be; the connection goes on.
    let broken = asks(&mut line, &request("OPTIONS", "Content-Length: 9\r\n", 1, ""));
    assert!(broken.starts_with("SIP/2.0 400"), "{broken}");
    line.send(Message::binary(b"no message".as_slice())).expect("sent");
    line.send(Message::text("\r\n\r\n")).expect("sent");
    assert_eq!(next(&mut line).as_deref(), Some("\r\n"));
    line.send(Message::Ping(b"there?".as_slice().into())).expect("sent");
    assert_eq!(line.read().expect("an answer"), Message::Pong(b"there?".as_slice().into()));
    let cut = request("OPTIONS", "Content-Length: 0\r\n", 2, "").replace("Call-ID: O", "Call-ID: o");
    let answer = asks(&mut line, &cut);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    line.send(Message::text("x".repeat(70_000))).expect("sent");
    assert_eq!(closed(&mut line), Some(1009));
    for mut slow in slow {
        assert_eq!(slow.read(&mut [0; 64]).ok(), Some(0), "who does not finish its handshake is let go");
    }
    let mut other = connect(reach(at));
    let later = asks(&mut other, &request("OPTIONS", "", 3, "").replace("Call-ID: O", "Call-ID: p"));
    assert!(later.starts_with("SIP/2.0 200"), "{later}");
}

#[test]
fn over_tls_it_counts_as_tls_and_in_clear_it_does_not() {
    let authority = Authority::new();
    let both = "}, websocket: {listen: \"127.0.0.1:0\", secure: \"127.0.0.1:0\"";
    let phones = format!("phones: {{from: [127.0.0.0/8], tls: true}}\n{ANA}");
    let site = secured::serve_with("wss", &authority, both, ", tls: true", &phones);
    let secure = site.deployment.listening.wss.expect("it is spoken");
    let stream = connect_to(secure, &authority, None).expect("a connection");
    let mut line = connect(stream);
    let sips = |text: String| text.replace("sip:", "sips:").replace("SIP/2.0/WS ", "SIP/2.0/WSS ");
    let challenge = asks(&mut line, &sips(request("REGISTER", "", 1, "")));
    assert!(challenge.starts_with("SIP/2.0 401"), "{challenge}");
    let answer = asks(&mut line, &sips(request("INVITE", &sdp(OFFER), 1, OFFER)));
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert!(lines(&answer, &["Contact:"]).contains(&format!("{secure};transport=ws>")), "{answer}");
    let mut clear = connect(reach(address(&site)));
    for method in ["REGISTER", "INVITE"] {
        let refused = asks(&mut clear, &request(method, "", 5, "").replace("Call-ID: ", "Call-ID: c"));
        assert!(refused.starts_with("SIP/2.0 403"), "{method}: {refused}");
    }
    assert!(connect_to(secure, &Authority::new(), None).is_err(), "another authority's do not trust it");
}
