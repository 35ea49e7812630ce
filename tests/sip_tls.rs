//! SIP over TLS against a client that is rustls alone: what is encrypted, who is let in, and what a peer that says nothing costs.

mod secured;
mod site;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use countersign::driver::{os, tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use secured::{Authority, Line, address, certify, connect, serve, serve_with};
use site::{Folder, Handset, SOON, Site, Stage};

/// A request of a caller's; its media goes nowhere.
fn request(method: &str, uri: &str, over: &str, to_tag: &str, cseq: u32) -> String {
    let body = if method == "INVITE" {
        "v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 42424 RTP/AVP 0\r\n"
    } else {
        ""
    };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{over} 127.0.0.1:9;branch=z9hG4bK{method}{cseq};rport\r\n\
         From: <sip:+441632960000@127.0.0.1>;tag=1\r\nTo: <sip:bank@127.0.0.1>{to_tag}\r\nCall-ID: tls\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:c@127.0.0.1:9;transport={over}>\r\nMax-Forwards: 70\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends one and waits for its final answer.
fn asks(line: &mut Line, request: &str) -> io::Result<String> {
    line.write_all(request.as_bytes())?;
    let cseq = request.lines().find(|line| line.starts_with("CSeq:")).expect("a CSeq").to_owned();
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    loop {
        let length = line.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
        let mut answers = heard.split_inclusive("SIP/2.0 ").skip(1).map(|answer| format!("SIP/2.0 {answer}"));
        let last = answers.find(|answer| !answer.starts_with("SIP/2.0 1") && answer.contains(&cseq));
        if let Some(answer) = last.filter(|answer| answer.contains("\r\n\r\n")) {
            return Ok(answer);
        }
    }
}

/// What a request over UDP is told.
fn by_udp(site: &Site, request: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    socket.send_to(request.as_bytes(), site.deployment.sip).expect("sent");
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).expect("an answer");
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return answer;
        }
    }
}

/// An INVITE over UDP.
fn plain_invite() -> String {
    request("INVITE", "sip:bank@127.0.0.1", "UDP", "", 1)
}

/// The tag of the other side, as a parameter.
fn their_tag(answer: &str) -> String {
    let to = answer.split("\r\nTo: ").nth(1).expect("a To");
    format!(";{}", to.split(['\r', ';']).find(|part| part.starts_with("tag=")).expect("a tag"))
}

#[test]
fn a_call_that_began_over_tls_is_not_ended_in_clear() {
    let authority = Authority::new();
    let site = serve("tls-mixed", &authority, "", "");
    let mut line = connect(&site, &authority, None).expect("a connection");
    let answer = asks(&mut line, &request("INVITE", "sip:bank@127.0.0.1", "TLS", "", 1)).expect("an answer");
    let tag = their_tag(&answer);
    line.write_all(request("ACK", "sip:bank@127.0.0.1", "TLS", &tag, 1).as_bytes()).expect("sent");
    let in_clear = by_udp(&site, &request("BYE", "sip:bank@127.0.0.1", "UDP", &tag, 2));
    assert!(in_clear.starts_with("SIP/2.0 403"), "{in_clear}");
    let gone = asks(&mut line, &request("BYE", "sip:bank@127.0.0.1", "TLS", &tag, 3)).expect("an answer");
    assert!(gone.starts_with("SIP/2.0 200"), "it went on: {gone}");
}

#[test]
fn a_call_comes_and_goes_over_tls_and_plain_text_is_refused() {
    let authority = Authority::new();
    let site = serve("tls-call", &authority, "", ", tls: true");
    let mut line = connect(&site, &authority, None).expect("a connection");
    let invite = request("INVITE", "sips:bank@127.0.0.1", "TLS", "", 1);
    let answer = asks(&mut line, &invite).expect("an answer");
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let contact = answer.lines().find(|line| line.starts_with("Contact:")).expect("a contact");
    let port = address(&site).port();
    assert!(contact.contains(&format!(":{port};transport=tls")), "{contact}");
    let tag = their_tag(&answer);
    line.write_all(request("ACK", "sip:bank@127.0.0.1", "TLS", &tag, 1).as_bytes()).expect("sent");
    let gone = asks(&mut line, &request("BYE", "sip:bank@127.0.0.1", "TLS", &tag, 2)).expect("an answer");
    assert!(gone.starts_with("SIP/2.0 200"), "{gone}");
    assert!(by_udp(&site, &plain_invite()).starts_with("SIP/2.0 403"), "in clear this trunk is a stranger");
    // Plain text at the TLS port is no handshake: the connection ends without a word of SIP.
    let mut clear = TcpStream::connect(address(&site)).expect("connected");
    clear.write_all(invite.as_bytes()).expect("sent");
    clear.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut said = Vec::new();
    let _ = clear.read_to_end(&mut said);
    assert!(!said.starts_with(b"SIP"), "{said:?}");
    assert!(connect(&site, &Authority::new(), None).is_err(), "another authority's clients do not trust it");
}

#[test]
fn a_trunk_shows_the_certificate_that_the_settings_name() {
    let authority = Authority::new();
    let carriers = Authority::new();
    let folder = Folder::new("tls-carriers");
    fs::write(folder.file("carriers.pem"), &carriers.pem).expect("written");
    let clients = format!(", clients: \"{}\"", folder.file("carriers.pem").display());
    let site = serve("tls-names", &authority, &clients, ", tls: true, certificate: [sip.carrier.example]");
    let invites = |own: Option<&(String, String)>| {
        let mut line = connect(&site, &authority, own)?;
        asks(&mut line, &request("INVITE", "sip:bank@127.0.0.1", "TLS", "", 1))
    };
    // TLS 1.3 tells a client only after its handshake that its certificate is missing or bad.
    assert!(invites(None).is_err(), "no certificate");
    assert!(
        invites(Some(&authority.signs("sip.carrier.example"))).is_err(),
        "of an authority that is not named"
    );
    let other = invites(Some(&carriers.signs("sip.other.example"))).expect("an answer");
    assert!(other.starts_with("SIP/2.0 403"), "somebody else's: {other}");
    let own = invites(Some(&carriers.signs("sip.carrier.example"))).expect("an answer");
    assert!(own.starts_with("SIP/2.0 200"), "{own}");
}

#[test]
fn a_changed_certificate_is_shown_to_whoever_comes_next_and_a_broken_one_is_not() {
    let (before, after) = (Authority::new(), Authority::new());
    let site = serve("tls-again", &before, "", "");
    let mut kept = connect(&site, &before, None).expect("a connection");
    // A certificate without its key: the one before goes on.
    fs::write(site.folder.file("sip.pem"), after.signs("127.0.0.1").0).expect("written");
    let until = os::now() + Duration::from_secs(20);
    while os::now() < until {
        assert!(connect(&site, &before, None).is_ok(), "the one before goes on");
        os::pause(Duration::from_secs(1));
    }
    certify(site.folder.path(), &after);
    let changed = (0..60).any(|_| {
        os::pause(Duration::from_secs(1));
        connect(&site, &after, None).is_ok()
    });
    assert!(changed, "the new one is shown");
    let options =
        asks(&mut kept, &request("OPTIONS", "sip:bank@127.0.0.1", "TLS", "", 9)).expect("an answer");
    assert!(options.starts_with("SIP/2.0 200"), "who was connected stays so: {options}");
}

#[test]
fn peers_that_do_not_finish_their_handshake_take_no_more_than_their_places() {
    let authority = Authority::new();
    let site = serve("tls-stalled", &authority, "", "");
    let stalled: Vec<TcpStream> =
        (0..80).map(|_| TcpStream::connect(address(&site)).expect("connected")).collect();
    assert!(by_udp(&site, &plain_invite()).starts_with("SIP/2.0 200"), "calls go on");
    let refused = || site.deployment.edge().counters().connections_refused.load(Ordering::Relaxed);
    let turned_away = (0..100).any(|_| {
        os::pause(Duration::from_millis(100));
        refused() >= 16
    });
    assert!(turned_away, "{} of 80 were turned away", refused());
    let again = (0..60).any(|_| {
        os::pause(Duration::from_millis(500));
        connect(&site, &authority, None).is_ok()
    });
    assert!(again, "their places are free again while they still wait");
    drop(stalled);
}

/// Somebody's telephone that speaks TLS with this certificate: what it is told first, `None` when the caller does not like the
/// certificate.
fn telephone((certificate, key): (String, String)) -> (SocketAddr, Receiver<Option<String>>) {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they fit");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (tell, told) = sync_channel(10);
    let config = Arc::new(config);
    thread(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a server");
            let mut line = StreamOwned::new(connection, socket);
            let mut buffer = [0; 8192];
            let heard = line.read(&mut buffer).ok().filter(|&length| length > 0);
            let text = heard.map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
            if tell.send(text).is_err() {
                return;
            }
        }
    });
    (address, told)
}

#[expect(clippy::disallowed_methods, reason = "a telephone of somebody else's")]
fn thread(work: impl FnOnce() + Send + 'static) {
    std::thread::spawn(work);
}

#[test]
fn whoever_we_call_over_tls_has_to_have_a_certificate_for_the_address() {
    let (authority, phones) = (Authority::new(), Authority::new());
    let folder = Folder::new("tls-phones");
    fs::write(folder.file("phones.pem"), &phones.pem).expect("written");
    let trusted = format!(", authorities: \"{}\"", folder.file("phones.pem").display());
    for (name, certificate, is_called) in [
        ("its own", phones.signs("127.0.0.1"), true),
        ("another's", phones.signs("127.0.0.2"), false),
        ("of an authority that is not named", authority.signs("127.0.0.1"), false),
    ] {
        let (address, told) = telephone(certificate);
        let agent =
            format!("agents: [{{name: ana, queues: [general], sip: \"sip:ana@{address};transport=tls\"}}]\n");
        let site = serve_with("tls-agent", &authority, &trusted, "", &agent);
        let mut stage = Stage::new(vec![Handset::new("+441632960000")]);
        stage.handsets[0].dial(&site.uri());
        assert!(stage.until(SOON, |handsets| handsets[0].answered), "{name}");
        stage.handsets[0].pump(Duration::from_millis(500));
        stage.handsets[0].press("0");
        let mut first = None;
        for _ in 0..200 {
            stage.handsets[0].pump(Duration::from_millis(100));
            first = told.try_recv().ok();
            if first.is_some() {
                break;
            }
        }
        let first = first.unwrap_or_else(|| panic!("{name}: nobody came"));
        assert_eq!(first.is_some(), is_called, "{name}: {first:?}");
        if let Some(invite) = first {
            assert!(
                invite.starts_with("INVITE sip:ana@") && invite.contains("Via: SIP/2.0/TLS "),
                "{invite}"
            );
        }
    }
}
