//! What every sender promises, run over all of them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::auth::SubjectKey;
use crate::driver::os;
use crate::driver::secrets::SecretConfig;
use crate::secret::Secret;
use crate::units::UnixTime;

const TO: &str = "+447400123456";
const CODE: &str = "804215";

/// Settings of a kind whose server is at a port of this machine; none for kinds without a server.
fn at(kind: &str, port: u16) -> Option<String> {
    let settings = match kind {
        "sms_http" => format!("{{profile: signed, url: \"http://127.0.0.1:{port}/\", secret: key}}"),
        "push_webhook" => format!("{{url: \"http://127.0.0.1:{port}/\", secret: key}}"),
        "smtp" => format!("{{server: 127.0.0.1, port: {port}, tls: none, from: a@bank.example}}"),
        "smpp" => {
            format!(
                "{{server: 127.0.0.1, port: {port}, tls: false, system_id: x, password: key, from: Bank}}"
            )
        }
        _ => return None,
    };
    Some(format!("{{name: x, timeout_seconds: 1, {kind}: {settings}}}"))
}

fn config(yaml: &str) -> SenderConfig {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

/// A folder with one secret, `key`.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("countersign-senders-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("key"), "k3y").expect("a file");
        std::fs::set_permissions(folder.join("key"), std::fs::Permissions::from_mode(0o600))
            .expect("permissions");
        Self(folder)
    }

    fn secrets(&self) -> Arc<Secrets> {
        let place = SecretConfig { file: Some("key".into()), ..SecretConfig::default() };
        Arc::new(Secrets::new(&self.0, BTreeMap::from([("key".to_owned(), place)])))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn deliver(config: &SenderConfig, secrets: &Arc<Secrets>) -> (Result<Accepted, NotTaken>, Duration) {
    let sender = config.open(secrets, Arc::new(|_| {})).expect("opens");
    let channel = config.channels()[0];
    let letter = Letter {
        channel,
        to: Secret::new(if channel == Channel::Email { "a@customer.example" } else { TO }.to_owned()),
        subject: SubjectKey([1; 16]),
        language: "en-GB".to_owned(),
        text: Secret::new(format!("Your code is {CODE}")),
        code: None,
        title: None,
        purpose: Purpose::Code,
        until: UnixTime(os::unix_now().0 + 600_000),
    };
    let begun = os::now();
    let answer = sender.deliver(LetterId([7; 16]), &letter, begun + config.timeout());
    (answer, os::now().saturating_duration_since(begun))
}

#[test]
fn every_sender_has_an_example_that_can_be_used_and_refuses_unknown_keys() {
    for (kind, example) in KINDS {
        let config = config(example);
        assert_eq!(config.kind(), *kind);
        assert_eq!(config.check(), Ok(()), "{kind}");
        assert!(!config.channels().is_empty(), "{kind}");
        let wrong =
            example.replace(&format!("{kind}: {{"), &format!("{kind}: {{sekret: x, ")).replace(", }", "}");
        let told = serde_saphyr::from_str::<SenderConfig>(&wrong).expect_err("an unknown key").to_string();
        assert!(told.contains("sekret") && told.contains("line 1"), "{kind}: {told}");
    }
}

#[test]
fn only_the_development_sender_shows_letters() {
    for (kind, example) in KINDS {
        let config = config(example);
        assert_eq!(config.shows(), *kind == "development", "{kind}");
        let sender = config.open(&Folder::new().secrets(), Arc::new(|_| {})).expect("opens");
        assert_eq!(sender.shown().is_some(), *kind == "development", "{kind}");
    }
}

#[test]
fn a_sender_without_its_secret_sends_nothing() {
    let nothing = Arc::new(Secrets::new(std::path::Path::new("/nowhere"), BTreeMap::new()));
    for (kind, example) in KINDS {
        let config = config(example);
        if !config.secrets().is_empty() {
            assert_eq!(deliver(&config, &nothing).0, Err(NotTaken::Secret), "{kind}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let folder = Folder::new();
    // A port that nobody listens on: bound, and given back.
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    for (kind, _) in KINDS {
        let Some(yaml) = at(kind, port) else { continue };
        let (answer, took) = deliver(&config(&yaml), &folder.secrets());
        assert_eq!(answer, Err(NotTaken::Connect), "{kind}");
        assert!(took < Duration::from_secs(1), "{kind}: {took:?}");
    }
}

/// A server on a thread of its own that does this with everybody who connects.
#[expect(clippy::disallowed_methods, reason = "a server beside the client")]
fn server(does: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(does));
    port
}

#[test]
fn a_server_that_says_nothing_is_waited_for_no_longer_than_the_deadline() {
    let folder = Folder::new();
    let (held, _keep) = std::sync::mpsc::sync_channel(64);
    let port = server(move |stream| drop(held.try_send(stream)));
    for (kind, _) in KINDS {
        let Some(yaml) = at(kind, port) else { continue };
        let (answer, took) = deliver(&config(&yaml), &folder.secrets());
        assert_eq!(answer, Err(NotTaken::Timeout), "{kind}");
        assert!(took < Duration::from_secs(3), "{kind}: {took:?}");
    }
}

#[test]
fn a_server_that_talks_nonsense_breaks_nothing() {
    let folder = Folder::new();
    let nonsense: Vec<u8> =
        (0..300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let port = server(move |mut stream| {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
        let _ = stream.write_all(&nonsense);
        let _ = stream.read(&mut [0; 64]);
    });
    for (kind, _) in KINDS {
        let Some(yaml) = at(kind, port) else { continue };
        let why = deliver(&config(&yaml), &folder.secrets()).0.expect_err("nothing was taken");
        assert!(!why.is_final(), "{kind}: {why}");
    }
}

#[test]
fn an_http_server_takes_signed_letters_and_refuses_in_its_own_words() {
    let folder = Folder::new();
    for (reply, expected) in [
        ("200 OK\r\nContent-Length: 10\r\n\r\n{\"id\":\"a\"}", Ok(Some("a".to_owned()))),
        ("422 No\r\nContent-Length: 0\r\n\r\n", Err(NotTaken::Address(Code::Http(422)))),
        ("401 No\r\nContent-Length: 0\r\n\r\n", Err(NotTaken::Credentials(Code::Http(401)))),
        (
            "302 Go\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            Err(NotTaken::Provider(Code::Http(302))),
        ),
    ] {
        let port = server(move |mut stream| {
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            // The body ends with a brace.
            while !seen.ends_with(b"}") {
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => seen.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let text = String::from_utf8_lossy(&seen).to_lowercase();
            let signed =
                text.contains("x-countersign-signature: ") && text.contains("x-countersign-timestamp: ");
            let reply = if signed && text.contains(CODE) {
                reply
            } else {
                "500 Unsigned\r\nContent-Length: 0\r\n\r\n"
            };
            let _ = stream.write_all(format!("HTTP/1.1 {reply}").as_bytes());
        });
        for kind in ["sms_http", "push_webhook"] {
            let yaml = at(kind, port).expect("a server");
            let answer = deliver(&config(&yaml), &folder.secrets()).0;
            assert_eq!(answer.map(|accepted| accepted.reference), expected, "{kind}");
        }
    }
}

#[test]
fn senders_that_contradict_themselves_are_told_with_help() {
    let told = |yaml: &str| {
        let senders: Vec<SenderConfig> = serde_saphyr::from_str(yaml).expect("settings");
        check(&senders, &LettersConfig::default()).expect_err("wrong").to_string()
    };
    let development = "development: {}";
    let by = |hop: &str| {
        format!(
            "[{{name: a, call: {{from: \"+441632960000\", routes: [{{to: [\"+44\"], by: \"{hop}\"}}]}}}}]"
        )
    };
    for (yaml, part) in [
        ("[{name: a}]".to_owned(), "0 kinds"),
        ("[{name: a, development: {}, push_webhook: {url: \"https://x\", secret: s}}]".to_owned(), "2 kinds"),
        (format!("[{{name: a b, {development}}}]"), "`a b`"),
        (format!("[{{name: a, {development}}}, {{name: a, {development}}}]"), "listed twice"),
        (format!("[{{name: a, timeout_seconds: 0, {development}}}]"), "timeout_seconds"),
        ("[{name: a, development: {channels: []}}]".to_owned(), "`channels` is empty"),
        (
            "[{name: a, smpp: {server: x, system_id: y, password: z, from: Bank}}]".to_owned(),
            "no country is allowed",
        ),
        ("[{name: a, call: {from: \"0800\", routes: []}}]".to_owned(), "`from` is no telephone number"),
        ("[{name: a, call: {from: \"+44800\", routes: []}}]".to_owned(), "`from` is no telephone number"),
        ("[{name: a, call: {from: \"+441632960000\", routes: []}}]".to_owned(), "`routes` is empty"),
        (by("carrier.example"), "leads nowhere"),
        (by("sip:carrier.example"), "no country is allowed"),
        (by("sips:192.0.2.7"), "leads nowhere"),
        (by("sip:192.0.2.7;transport=sctp"), "leads nowhere"),
        (by("sip:192.0.2.7"), "no country is allowed"),
        ("[{name: a, sms_http: {profile: signed, secret: s}}]".to_owned(), "`url` is not there"),
        ("[{name: a, sms_http: {profile: twilio, secret: s}}]".to_owned(), "`account` or `from`"),
    ] {
        let told = told(&yaml);
        assert!(told.contains(part) && told.contains("help:"), "{yaml}: {told}");
    }
}

#[test]
fn the_manuals_settings_are_taken_as_they_stand_there() {
    let manual = include_str!("../../../docs/senders.md");
    let block = manual.split_once("```yaml\n").expect("a block").1.split_once("```").expect("its end").0;
    let config: crate::driver::config::Config = serde_saphyr::from_str(block).expect("settings");
    assert_eq!(check(&config.senders, &config.letters), Ok(()));
    assert_eq!(config.senders.len(), 3);
    let gateway =
        manual.split("```yaml\n").find(|block| block.starts_with("- name: gateway")).expect("a block");
    let gateway: Vec<SenderConfig> =
        serde_saphyr::from_str(gateway.split("```").next().expect("text")).expect("one");
    assert_eq!(check(&gateway, &config.letters), Ok(()));
    let budgets = manual.split("```yaml\n").find(|block| block.starts_with("letters:")).expect("a block");
    let budgets: crate::driver::config::Config =
        serde_saphyr::from_str(budgets.split("```").next().expect("text")).expect("settings");
    let countries = budgets.letters.countries.clone();
    assert_eq!(
        budgets.letters,
        LettersConfig { countries, ..LettersConfig::default() },
        "those in force anyway"
    );
    for (kind, _) in KINDS {
        assert!(manual.contains(&format!("### `{kind}`")), "{kind} is explained");
    }
}

#[test]
fn the_manuals_routes_are_taken_as_they_stand_there() {
    let manual = include_str!("../../../docs/senders.md");
    let block = manual.split("```yaml\n").find(|block| block.starts_with("- name: calls")).expect("a block");
    let calls: Vec<SenderConfig> =
        serde_saphyr::from_str(block.split("```").next().expect("text")).expect("settings");
    let letters = LettersConfig { countries: vec!["+44".to_owned()], ..LettersConfig::default() };
    assert_eq!(check(&calls, &letters), Ok(()));
}

#[test]
fn nobody_is_called_without_a_code_a_route_and_an_engine() {
    let folder = Folder::new();
    let settings = |more: &str| {
        format!(
            "{{name: x, call: {{from: \"+441632960000\", routes: [{{to: [\"+44\"], by: \"sip:127.0.0.1\"}}]{more}}}}}"
        )
    };
    let letter = |to: &str, code: Option<&str>| Letter {
        channel: Channel::Call,
        to: Secret::new(to.to_owned()),
        subject: SubjectKey([1; 16]),
        language: "en-GB".to_owned(),
        text: Secret::new("Your code".to_owned()),
        code: code.map(|code| Secret::new(code.to_owned())),
        title: None,
        purpose: Purpose::Code,
        until: UnixTime(os::unix_now().0 + 600_000),
    };
    let told = |settings: &str, letter: &Letter| {
        let sender = config(settings).open(&folder.secrets(), Arc::new(|_| {})).expect("opens");
        sender.deliver(LetterId([7; 16]), letter, os::now() + Duration::from_secs(1))
    };
    let plain = settings("");
    assert_eq!(told(&plain, &letter(TO, None)), Err(NotTaken::Unfit), "a notice");
    assert_eq!(told(&plain, &letter(TO, Some("80421x"))), Err(NotTaken::Unfit));
    assert_eq!(told(&plain, &letter("07400123456", Some(CODE))), Err(NotTaken::Unfit));
    assert_eq!(told(&plain, &letter("+14155550100", Some(CODE))), Err(NotTaken::NoRoute));
    assert_eq!(told(&plain, &letter(TO, Some(CODE))), Err(NotTaken::NoEngine));
    let secret = settings(", user: x, password: nothing");
    assert_eq!(told(&secret, &letter(TO, Some(CODE))), Err(NotTaken::Secret));
    let own = settings(", who: {en-GB: nothing.wav}");
    let refused = config(&own).open(&folder.secrets(), Arc::new(|_| {})).err().expect("no such recording");
    assert!(refused.to_string().contains("nothing"), "{refused}");
}
