//! The listener for HTTP through real sockets: what it bears from strangers, and its certificates.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign::driver::certificate::CertificateError;
use countersign::driver::os;
use countersign::driver::tls;
use countersign::driver::web::{Bounds, Door, Mount, Reply, Request, Web, WebConfig, WebError};
use hyper::{StatusCode, header};
use rustls::pki_types::{CertificateDer, ServerName};

/// Tells what it was sent.
struct Echo;

impl Mount for Echo {
    fn prefix(&self) -> &'static str {
        "/echo"
    }

    fn longest_body(&self) -> usize {
        1000
    }

    fn answer(&self, request: &Request) -> Reply {
        assert!(request.query != "panic", "as it was asked to");
        if let Some(text) = request.query.strip_prefix("header=") {
            let text = text.replace("%0d%0a", "\r\n");
            return Reply::empty().with(header::LOCATION, &text);
        }
        let path = request.segments().map_or_else(|| "no path".to_owned(), |parts| parts.join(" "));
        let told = format!("{} {path} {}", request.method, String::from_utf8_lossy(&request.body));
        Reply::new(StatusCode::OK, "text/plain", told.into_bytes())
    }
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("countersign-web-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn config(tls: bool) -> WebConfig {
    WebConfig {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        certificate: tls.then(|| "site.pem".into()),
        key: tls.then(|| "site.key".into()),
        ..WebConfig::default()
    }
}

fn echo(bounds: Bounds) -> Web {
    let door = Door::bind(Path::new("/"), &config(false)).expect("bound").expect("a door");
    door.open_within(bounds, vec![Arc::new(Echo)]).expect("open")
}

fn connect(web: &Web) -> TcpStream {
    let stream = TcpStream::connect(web.address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a bound");
    stream
}

/// Sends something and reads until the other side is done.
fn ask(web: &Web, text: &str) -> String {
    let mut stream = connect(web);
    // The other side may be done before it has read everything.
    let _ = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(web: &Web, path: &str) -> String {
    ask(web, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

#[test]
fn a_request_is_answered_with_what_keeps_browsers_from_guessing() {
    let web = echo(Bounds::default());
    let answer = get(&web, "/echo/a%20b");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("GET echo a b "), "{answer}");
    for field in ["x-content-type-options: nosniff", "cache-control: no-store", "x-frame-options: DENY"] {
        assert!(answer.contains(field), "{answer}");
    }
    assert!(!answer.contains("strict-transport-security"), "{answer}");
    web.stop();
}

#[test]
fn a_connection_carries_several_requests() {
    let web = echo(Bounds::default());
    let twice = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\noneGET /echo HTTP/1.1\r\nHost: x\r\n\
                 Connection: close\r\n\r\n";
    let answer = ask(&web, twice);
    assert!(answer.contains("POST echo one") && answer.ends_with("GET echo "), "{answer}");
    web.stop();
}

#[test]
fn what_is_not_there_is_told_as_a_problem() {
    let web = echo(Bounds::default());
    for path in ["/", "/ech", "/echoes", "/../echo", "/%65cho"] {
        let answer = get(&web, path);
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("\"help\""), "{answer}");
    }
    for path in ["/echo/../x", "/echo//x", "/echo/%2e%2e/x", "/echo/%00"] {
        assert!(get(&web, path).ends_with("GET no path "), "{path}");
    }
    web.stop();
}

#[test]
fn what_is_too_large_is_refused_without_being_kept() {
    let web = echo(Bounds::default());
    let long = "x".repeat(40_000);
    let answer = ask(&web, &format!("GET /echo HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = ask(&web, &format!("GET /echo/{long}{long} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let fields = "X-Many: x\r\n".repeat(100);
    let answer = ask(&web, &format!("GET /echo HTTP/1.1\r\nHost: x\r\n{fields}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let told = ask(&web, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
    assert!(told.starts_with("HTTP/1.1 413") && told.contains("1000 bytes"), "{told}");
    let chunk = format!("258\r\n{}\r\n", "x".repeat(600));
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = ask(&web, &format!("{head}{chunk}{chunk}{chunk}0\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let answer = ask(&web, &format!("{head}258\r\n{}\r\nzz\r\n", "x".repeat(600)));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(get(&web, "/echo").starts_with("HTTP/1.1 200"));
    web.stop();
}

#[test]
fn what_means_two_things_is_refused() {
    let web = echo(Bounds::default());
    for request in [
        "GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /echo HTTP/1.1\r\n folded: x\r\n\r\n",
        "GET /echo\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
        "hello\r\n\r\n",
    ] {
        let answer = ask(&web, request);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{request:?}: {answer}");
    }
    web.stop();
}

#[test]
fn a_reply_can_not_be_given_a_header_field_from_outside() {
    let web = echo(Bounds::default());
    let answer = get(&web, "/echo?header=/x%0d%0aSet-Cookie:%20a=b");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(!answer.to_lowercase().contains("set-cookie") && !answer.contains("location"), "{answer}");
    assert!(get(&web, "/echo?header=/x").contains("location: /x"));
    web.stop();
}

#[test]
fn who_is_slow_does_not_keep_a_connection() {
    let short = Duration::from_millis(300);
    let long = Duration::from_secs(60);
    let whole = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx";
    let cases = [
        ("", Bounds { still: short, head: long, body: long, ..Bounds::default() }),
        ("GET /ec", Bounds { still: long, head: short, body: long, ..Bounds::default() }),
        (whole, Bounds { still: long, head: long, body: short, ..Bounds::default() }),
        (whole, Bounds { still: short, head: long, body: long, ..Bounds::default() }),
        ("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", Bounds { life: short, ..Bounds::default() }),
    ];
    for (text, bounds) in cases {
        let web = echo(bounds);
        let began = os::now();
        let answer = ask(&web, text);
        assert!(os::now() - began < Duration::from_secs(15), "{text:?}: {answer}");
        web.stop();
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_ends_with_its_time() {
    let bounds = Bounds { head: Duration::from_millis(500), ..Bounds::default() };
    let web = echo(bounds);
    let mut stream = connect(&web);
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a bound");
    let until = os::now() + Duration::from_secs(15);
    stream.write_all(b"GET /echo HTTP/1.1\r\n").expect("sent");
    let mut ended = false;
    while !ended && os::now() < until {
        // Each read waits for 50 ms.
        let sent = stream.write_all(b"X-A: b\r\n");
        ended = sent.is_err()
            || !matches!(stream.read(&mut [0; 512]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    }
    assert!(ended, "it goes on for ever");
    web.stop();
}

#[test]
fn one_source_does_not_take_all_connections() {
    let bounds = Bounds { of_one: 3, ..Bounds::default() };
    let web = echo(bounds);
    let held: Vec<TcpStream> = (0..3).map(|_| connect(&web)).collect();
    // Accepted in order: the fourth is one too many.
    assert_eq!(get(&web, "/echo"), "");
    drop(held);
    let until = os::now() + Duration::from_secs(15);
    while !get(&web, "/echo").starts_with("HTTP/1.1 200") {
        assert!(os::now() < until, "the seats do not come back");
    }
    web.stop();
}

#[test]
fn a_defect_in_one_answer_leaves_the_others() {
    let web = echo(Bounds { workers: 1, ..Bounds::default() });
    let answer = get(&web, "/echo?panic");
    assert!(
        answer.starts_with("HTTP/1.1 500") && answer.contains("urn:countersign:problem:internal"),
        "{answer}"
    );
    assert!(get(&web, "/echo").starts_with("HTTP/1.1 200"));
    web.stop();
}

#[test]
fn it_stops_at_once_though_connections_are_open() {
    let web = echo(Bounds::default());
    let held: Vec<TcpStream> = (0..5).map(|_| connect(&web)).collect();
    assert!(get(&web, "/echo").starts_with("HTTP/1.1 200"));
    let began = os::now();
    let address = web.address;
    web.stop();
    assert!(os::now() - began < Duration::from_secs(10));
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    drop(held);
}

/// A certificate for localhost and its key, in their files.
fn certify(folder: &Folder) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(folder.0.join("site.pem"), made.cert.pem()).expect("written");
    let key = folder.0.join("site.key");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("closed");
    made.cert.der().clone()
}

fn over_tls(web: &Web, trusted: &CertificateDer<'static>) -> Result<String, std::io::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).expect("an authority");
    let config = rustls::ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = rustls::StreamOwned::new(client, connect(web));
    stream.write_all(b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn tls_echo(folder: &Folder) -> Result<Web, WebError> {
    let door = Door::bind(&folder.0, &config(true))?.expect("a door");
    Ok(door.open(vec![Arc::new(Echo)]).expect("open"))
}

#[test]
fn over_tls_nothing_is_said_in_the_clear() {
    let folder = Folder::new();
    let trusted = certify(&folder);
    let web = tls_echo(&folder).expect("serves");
    let answer = over_tls(&web, &trusted).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security"), "{answer}");
    assert!(!get(&web, "/echo").contains("HTTP/1.1 200"));
    let other = certify(&Folder::new());
    assert!(over_tls(&web, &other).is_err());
    web.stop();
}

#[test]
fn a_certificate_that_can_not_be_used_is_told_at_the_start() {
    let folder = Folder::new();
    let wrong = |folder: &Folder| tls_echo(folder).map(|_| ()).expect_err("refused");
    assert!(wrong(&folder).to_string().contains("help:"));
    certify(&folder);
    fs::set_permissions(folder.0.join("site.key"), fs::Permissions::from_mode(0o644)).expect("open");
    assert!(matches!(wrong(&folder), WebError::Certificate(CertificateError::Open(_))));
    certify(&folder);
    let other = Folder::new();
    certify(&other);
    fs::copy(other.0.join("site.pem"), folder.0.join("site.pem")).expect("copied");
    assert!(matches!(wrong(&folder), WebError::Certificate(CertificateError::Unfit { .. })));
    fs::write(folder.0.join("site.pem"), "hello").expect("written");
    assert!(matches!(wrong(&folder), WebError::Certificate(CertificateError::NoCertificate(_))));
}
