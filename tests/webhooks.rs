//! Webhooks against a server of the test's own: what arrives, how it is signed, what happens when nobody takes it.

mod vault_world;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use countersign::driver::os;
use countersign::driver::secrets::{SecretConfig, Secrets};
use countersign::driver::vault::Vault;
use countersign::driver::webhooks::{Patience, WebhookConfig, WebhookError, Webhooks, test};
use countersign::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use vault_world::{EMAIL, Folder, NAME, PHONE, PIN, customer, secret};

const KEY: [u8; 32] = [7; 32];
const SOON: Duration = Duration::from_secs(20);

struct Taken {
    id: String,
    body: Value,
    text: String,
}

/// A server that answers with these statuses, then with 204, and tells what it was sent.
struct Server {
    url: String,
    taken: Receiver<(u16, Taken)>,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "the other side is a thread of its own")]
    fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let (to, taken) = sync_channel(100);
        let mut statuses = statuses.to_vec();
        statuses.reverse();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if !serve(stream, &mut statuses, &to) {
                    return;
                }
            }
        });
        Self { url, taken }
    }

    fn next(&self) -> (u16, Taken) {
        self.taken.recv_timeout(SOON).expect("an event in time")
    }

    fn nothing(&self) -> bool {
        matches!(self.taken.recv_timeout(Duration::from_millis(300)), Err(RecvTimeoutError::Timeout))
    }
}

/// Takes requests of one connection; `false` when nobody listens any more.
fn serve(stream: std::net::TcpStream, statuses: &mut Vec<u16>, to: &SyncSender<(u16, Taken)>) -> bool {
    let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
    let mut writer = stream;
    loop {
        let mut fields = BTreeMap::new();
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return true;
        }
        assert!(first.starts_with("POST /hook "), "{first}");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            fields.insert(name.to_lowercase(), value.to_owned());
        }
        let length: usize = fields["content-length"].parse().expect("a length");
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let text = String::from_utf8(body).expect("text");
        let (id, timestamp) = (fields["webhook-id"].clone(), &fields["webhook-timestamp"]);
        let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).expect("a key");
        mac.update(format!("{id}.{timestamp}.{text}").as_bytes());
        let expected = format!("v1,{}", data_encoding::BASE64.encode(&mac.finalize().into_bytes()));
        assert_eq!(fields["webhook-signature"], expected);
        let status = statuses.pop().unwrap_or(204);
        let answer =
            format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\n\r\n");
        writer.write_all(answer.as_bytes()).expect("answered");
        let body = serde_json::from_str(&text).expect("JSON");
        if to.send((status, Taken { id, body, text })).is_err() {
            return false;
        }
    }
}

fn hook(url: &str, events: &[&str]) -> WebhookConfig {
    WebhookConfig {
        url: url.to_owned(),
        events: events.iter().map(|name| (*name).to_owned()).collect(),
        secret: "hook".to_owned(),
        private: true,
    }
}

fn secrets(folder: &Folder) -> Arc<Secrets> {
    let file = folder.file("hook.secret");
    fs::write(&file, format!("whsec_{}\n", data_encoding::BASE64.encode(&KEY))).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("closed");
    let place = SecretConfig { file: Some(file), ..SecretConfig::default() };
    Arc::new(Secrets::new(&folder.file(""), BTreeMap::from([("hook".to_owned(), place)])))
}

fn quick() -> Patience {
    let short = Duration::from_millis(20);
    Patience { first: short, longest: short, look: short, ..Patience::default() }
}

fn add(vault: &Vault, id: &str, account: &str) {
    let mut new = customer(id, account);
    new.pin = Some(secret(PIN));
    assert!(vault.add_subjects(os::unix_now(), &[new]).is_ok());
}

fn open(folder: &Folder) -> Arc<Vault> {
    Arc::new(Vault::open_data(&folder.file("data")).unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn what_happens_is_told_in_its_order_and_nothing_personal_with_it() {
    let folder = Folder::new();
    let (vault, server) = (open(&folder), Server::start(&[]));
    add(&vault, "C1", "44110021");
    let hooks = [hook(&server.url, &["subject_stored", "enrolled", "call_ended"])];
    let running = Webhooks::start(&hooks, &vault, &secrets(&folder), quick()).expect("started");
    assert!(server.nothing(), "what was before is not told");
    vault.acting_as("token crm", || add(&vault, "C2", "44110022"));
    let record = r#"{"call":"00c1","cause":"flow_done","level":"strong","events":[]}"#;
    let caller = Secret::new("+441632960101".to_owned());
    vault.store_record(os::unix_now(), record, Some(&caller)).expect("stored");
    vault.unlock(os::unix_now(), "C2", "nobody is told of this").expect("unlocked");
    let mut told: Vec<Taken> = (0..3).map(|_| server.next().1).collect();
    assert!(server.nothing());
    let all: String = told.iter().map(|taken| taken.text.clone()).collect();
    for personal in ["441632960101", "44110022", &PHONE[1..], NAME, EMAIL, PIN] {
        assert!(!all.contains(personal), "{all}");
    }
    told.sort_by_key(|taken| taken.id.clone());
    let kinds: Vec<&str> = told.iter().filter_map(|taken| taken.body["type"].as_str()).collect();
    assert_eq!(kinds, ["subject_stored", "enrolled", "call_ended"]);
    assert_eq!(told[0].body["data"]["by"], "token crm");
    assert_eq!(told[0].body["data"]["subject"].as_str().map(str::len), Some(32));
    assert_eq!(told[2].body["data"]["level"], "strong");
    drop(running);
}

#[test]
fn what_is_not_taken_is_sent_again_also_after_a_restart_and_only_that() {
    let folder = Folder::new();
    let (vault, server) = (open(&folder), Server::start(&[204, 500, 302, 404, 204]));
    let hooks = [hook(&server.url, &["subject_stored"])];
    let secrets = secrets(&folder);
    let slow = Patience { first: SOON, ..quick() };
    let running = Webhooks::start(&hooks, &vault, &secrets, slow).expect("started");
    add(&vault, "C1", "44110021");
    add(&vault, "C2", "44110022");
    let (first, refused) = (server.next(), server.next());
    assert_eq!((first.0, refused.0), (204, 500));
    // It stops though it waits for twenty seconds.
    let began = os::now();
    drop(running);
    assert!(os::now() - began < Duration::from_secs(10));
    drop(vault);
    let vault = open(&folder);
    let running = Webhooks::start(&hooks, &vault, &secrets, quick()).expect("started");
    for expected in [302, 404, 204] {
        let (status, taken) = server.next();
        assert_eq!((status, &taken.id), (expected, &refused.1.id), "no redirect is followed");
        assert_eq!(taken.text, refused.1.text, "the same each time");
    }
    assert!(server.nothing());
    drop(running);
}

#[test]
fn an_event_that_nobody_takes_is_dropped_in_the_end() {
    let folder = Folder::new();
    let (vault, server) = (open(&folder), Server::start(&[500]));
    let patience = Patience { age: Duration::ZERO, ..quick() };
    let hooks = [hook(&server.url, &["subject_stored"])];
    let running = Webhooks::start(&hooks, &vault, &secrets(&folder), patience).expect("started");
    add(&vault, "C1", "44110021");
    add(&vault, "C2", "44110022");
    assert_eq!([server.next().0, server.next().0], [500, 204]);
    drop(running);
}

#[test]
fn a_public_webhook_does_not_lead_into_the_private_network() {
    let folder = Folder::new();
    let server = Server::start(&[]);
    let secrets = secrets(&folder);
    assert_eq!(test(&hook(&server.url, &["*"]), &secrets), Ok(()));
    assert_eq!(server.next().1.body["type"], "test");
    let port = server.url.rsplit(':').next().expect("a port").to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"] {
        let public = WebhookConfig { private: false, ..hook(&format!("https://{host}:{port}"), &["*"]) };
        let told = test(&public, &secrets).expect_err("out of reach");
        assert!(told.contains("no connection"), "{host}: {told}");
    }
    assert!(server.nothing());
}

#[test]
fn a_webhook_that_can_not_be_used_is_told_at_the_start() {
    let check = |hooks: &[WebhookConfig]| WebhookConfig::check(hooks).expect_err("refused");
    let public = |url: &str| WebhookConfig { private: false, ..hook(url, &["*"]) };
    for url in
        ["http://crm.example.com/", "ftp://x", "crm.example.com", "https://user:pass@crm.example.com/", ""]
    {
        assert!(matches!(check(&[public(url)]), WebhookError::Url(_)), "{url}");
    }
    let good = public("https://crm.example.com/hook");
    assert!(WebhookConfig::check(std::slice::from_ref(&good)).is_ok());
    assert!(matches!(check(&[good.clone(), good.clone()]), WebhookError::Same(_)));
    assert!(matches!(check(&[WebhookConfig { events: Vec::new(), ..good.clone() }]), WebhookError::Same(_)));
    let misspelled = WebhookConfig { events: vec!["verifyed".to_owned()], ..good };
    assert!(check(&[misspelled]).to_string().contains("`verified`"));
    let folder = Folder::new();
    fs::write(folder.file("hook.secret"), "short").expect("written");
    fs::set_permissions(folder.file("hook.secret"), fs::Permissions::from_mode(0o600)).expect("closed");
    let place = SecretConfig { file: Some(folder.file("hook.secret")), ..SecretConfig::default() };
    let short = Arc::new(Secrets::new(&folder.file(""), BTreeMap::from([("hook".to_owned(), place)])));
    let told = test(&hook("http://127.0.0.1:9/", &["*"]), &short).expect_err("too short");
    assert!(told.contains("too short"), "{told}");
}

#[test]
fn a_recorder_is_told_to_pause_when_it_asks_for_that_by_name() {
    let hook = |events: &[&str]| WebhookConfig {
        url: "https://recorder.example.com/x".to_owned(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        secret: "recorder/hook".to_owned(),
        private: false,
    };
    for (events, told) in [
        (["recording_paused", "recording_resumed"].as_slice(), true),
        (&["recording_paused"], true),
        (&["*"], false),
        (&["verified"], false),
    ] {
        let hooks = [hook(events)];
        assert!(WebhookConfig::check(&hooks).is_ok(), "{events:?}");
        assert_eq!(countersign::driver::webhooks::tell_recorders(&hooks), told, "{events:?}");
    }
}
