//! Servers that services are asked at, and applications with those services.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use countersign::diagnostic::render;
use countersign::driver::application;
use countersign::driver::secrets::{SecretConfig, Secrets};
use countersign::driver::services::{RealServices, answer};
use countersign::flow::document::Application;
use countersign::flow::run::{Lookup, LookupReply};
use countersign::flow::{Files, Unread};
use serde_json::Value;

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("countersign-services-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn secret(&self, name: &str, text: &[u8]) {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Python's server.
pub(crate) struct Server {
    pub(crate) port: u16,
    child: Child,
    requests: Receiver<Value>,
}

impl Server {
    /// `certificates`: a folder of [`certificates`]; `more`: `mtls`.
    pub(crate) fn start(certificates: Option<&Path>, more: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service_world/server.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(certificates.map_or("-".into(), |folder| folder.display().to_string()))
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed for these tests");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let port = lines.next().expect("a line").expect("text").parse().expect("a port");
        let (sender, requests) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let seen = serde_json::from_str(&line).expect("JSON");
                if sender.send(seen).is_err() {
                    return;
                }
            }
        });
        Self { port, child, requests }
    }

    /// The next request that arrived.
    pub(crate) fn request(&self) -> Value {
        self.requests.recv_timeout(Duration::from_secs(20)).expect("a request arrived")
    }

    /// How many arrived that nobody looked at.
    pub(crate) fn more(&self) -> usize {
        self.requests.try_iter().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that does as it is told, once for each connection.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    pub(crate) asked: Receiver<String>,
}

/// What [`Scripted`] does with a connection once a request has come.
#[derive(Clone)]
pub(crate) enum Act {
    Say(Vec<u8>),
    /// Bytes, and then nothing while the connection stays open.
    Hang(Vec<u8>),
    /// Closes with what it read still unread, which resets.
    Reset,
}

impl Scripted {
    pub(crate) fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, asked) = sync_channel(1000);
        std::thread::spawn(move || {
            let mut held: Vec<TcpStream> = Vec::new();
            for (at, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { return };
                let act = acts.get(at).or(acts.last()).expect("an act").clone();
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let mut head = Vec::new();
                let mut byte = [0; 1];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                }
                let length =
                    header_of(&String::from_utf8_lossy(&head), "content-length").parse().unwrap_or(0);
                let mut body = vec![0; length];
                if stream.read_exact(&mut body).is_ok() {
                    head.extend(body);
                }
                if sender.send(String::from_utf8_lossy(&head).into_owned()).is_err() {
                    return;
                }
                match act {
                    Act::Say(bytes) => drop(stream.write_all(&bytes)),
                    Act::Hang(bytes) => {
                        drop(stream.write_all(&bytes));
                        held.push(stream);
                    }
                    Act::Reset => {
                        let socket = socket2::Socket::from(stream);
                        let _ = socket.set_linger(Some(Duration::ZERO));
                    }
                }
            }
        });
        Self { port, asked }
    }
}

/// The value of a header of a request as [`Scripted`] got it; empty when it is not there.
pub(crate) fn header_of(request: &str, name: &str) -> String {
    let mut lines = request.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(header, _)| header.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// `HTTP/1.1 200 OK` with a body.
pub(crate) fn ok(body: &str) -> Act {
    Act::Say(
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
            .into_bytes(),
    )
}

/// A folder with an authority (`ca.pem`), a server's certificate for 127.0.0.1 and localhost, and a client's
/// (`client.pem`, with its key), made by openssl.
pub(crate) fn certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let done =
            Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl is needed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let mut authority = vec![
        "req",
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=Test authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    authority.extend(key);
    openssl(&authority);
    fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
        .expect("a file");
    fs::write(folder.join("eku"), "extendedKeyUsage=clientAuth\n").expect("a file");
    for (name, extensions) in [("server", "san"), ("client", "eku")] {
        let (own, request, out) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        let mut ask = vec!["req", "-new", "-subj", &subject, "-keyout", &own, "-out", &request];
        ask.extend(key);
        openssl(&ask);
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            extensions,
            "-out",
            &out,
        ]);
    }
    let (chain, key) = (fs::read(folder.join("client.pem")), fs::read(folder.join("client.key")));
    let both = [chain.expect("a certificate"), key.expect("a key")].concat();
    fs::write(folder.join("client.both"), both).expect("a file");
    fs::set_permissions(folder.join("client.both"), fs::Permissions::from_mode(0o600)).expect("permissions");
}

/// An application of one block and the given services, in a folder.
struct Memory<'a> {
    folder: &'a Path,
    files: BTreeMap<&'static str, String>,
}

impl Files for Memory<'_> {
    fn read(&self, path: &str) -> Result<String, Unread> {
        let there = self.files.get(path).cloned();
        there.map_or_else(
            || fs::read_to_string(self.folder.join(path)).map_err(|error| error.kind().into()),
            Ok,
        )
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let inside = |path: &&&'static str| path.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        self.files.keys().filter(inside).map(|path| (*path).to_owned()).collect()
    }

    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        Some(self.folder.join(path))
    }

    fn recordings(&self) -> Option<BTreeSet<String>> {
        None
    }
}

const FLOW: &str =
    "callflow: 1\nid: services\ntitle: Services\nentry: start\nblocks:\n  start:\n    - hangup: normal\n";
const POLICY: &str =
    "authpolicy: 1\nfactors:\n  pin: {kind: knowledge, digits: 8}\nlevels:\n  basic: {factors: 1}\n";
const PROMPTS: &str = "language: en-GB\nprompts: {}\n";

pub(crate) fn load(folder: &Path, services: &str) -> Result<Application, String> {
    let files = BTreeMap::from([
        ("main.flow.yaml", FLOW.to_owned()),
        ("services.yaml", services.to_owned()),
        ("prompts/en-GB.yaml", PROMPTS.to_owned()),
        ("policy.yaml", POLICY.to_owned()),
    ]);
    application::read(&Memory { folder, files })
        .map(|(application, _)| application)
        .map_err(|found| render(&found))
}

/// Services of an application, asked as calls ask them.
pub(crate) struct Asked {
    pub(crate) application: Application,
    pub(crate) services: RealServices,
}

impl Asked {
    /// `secrets` lie in files of `folder` under their names.
    pub(crate) fn new(folder: &Folder, services: &str, secrets: &[&str]) -> Self {
        let application = load(&folder.0, services).unwrap_or_else(|told| panic!("{told}"));
        let place = |name: &&str| {
            let file = PathBuf::from(name.replace('/', "-"));
            ((*name).to_owned(), SecretConfig { file: Some(file), ..SecretConfig::default() })
        };
        let secrets = Arc::new(Secrets::new(&folder.0, secrets.iter().map(place).collect()));
        Self { application, services: RealServices::new(secrets, None) }
    }

    pub(crate) fn ask(&self, call: &str, arguments: &[(&str, &str)]) -> String {
        self.ask_for(lookup(call, arguments))
    }

    pub(crate) fn ask_for(&self, lookup: Lookup) -> String {
        let deadline = Instant::now() + lookup.timeout;
        shown(&answer(&self.services, &self.application, &lookup, deadline))
    }
}

pub(crate) fn lookup(call: &str, arguments: &[(&str, &str)]) -> Lookup {
    let (service, call) = call.split_once('.').expect("service.call");
    Lookup {
        service: service.into(),
        call: call.into(),
        arguments: arguments.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        card: None,
        idempotency: None,
        grant: None,
        timeout: Duration::from_secs(10),
        cache: None,
        spool: false,
    }
}

pub(crate) fn shown(reply: &LookupReply) -> String {
    match reply {
        LookupReply::Found(fields) => {
            fields.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" ")
        }
        LookupReply::NotFound => "not found".into(),
        LookupReply::Many => "many".into(),
        LookupReply::Declined => "declined".into(),
        LookupReply::Unavailable => "unavailable".into(),
    }
}

/// The values of a header of a request that [`Server`] saw.
pub(crate) fn header(request: &Value, name: &str) -> Vec<String> {
    let all = request["headers"].as_array().expect("headers");
    let named = all.iter().filter(|header| header[0] == name);
    named.map(|header| header[1].as_str().expect("text").to_owned()).collect()
}
