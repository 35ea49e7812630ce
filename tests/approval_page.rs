//! The pages over real sockets: what a GET is worth, what is said beside it, who may ask, what comes of it.

mod authenticator;
mod desk;
mod light;
mod site;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use authenticator::Authenticator;
use countersign::auth::{
    Answer, Claim, FactorId, Identified, Policy, Prepared, Question, SubjectRef, Verdict,
};
use countersign::driver::application::ApplicationSource;
use countersign::driver::os;
use countersign::driver::sender::Channel;
use countersign::driver::serve::{self, Deployment, ServeSettings};
use countersign::units::CallId;
use data_encoding::BASE64URL_NOPAD;
use desk::Desk;
use light::Light;
use serde_json::{Value, json};
use site::{ACCOUNT, Folder, add_customer, rtp_ports, secret};

const PUBLIC: &str = "https://calls.example.com";
const CALL: CallId = CallId(7);

struct World {
    _folder: Folder,
    deployment: Deployment,
    web: SocketAddr,
    desk: Arc<Desk>,
}

/// What a page or its script is told.
struct Told {
    status: u16,
    head: String,
    body: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    fn state(&self) -> String {
        self.json()["state"].as_str().unwrap_or_default().to_owned()
    }
}

impl World {
    fn start(name: &str, public: bool) -> Self {
        let folder = Folder::new(name);
        let light = Light::in_folder(&folder.file("app"));
        let data = folder.file("data");
        fs::create_dir_all(&data).expect("a folder");
        let public = if public { format!(", public: \"{PUBLIC}\"") } else { String::new() };
        let settings =
            format!("queues: {{general: {{places: 5}}}}\nweb: {{listen: \"127.0.0.1:0\"{public}}}\n");
        fs::write(data.join("countersign.yaml"), settings).expect("settings");
        let settings =
            ServeSettings::on_loopback(ApplicationSource::Folder(light.path().to_owned()), data, rtp_ports());
        let deployment = serve::start(&settings).unwrap_or_else(|error| panic!("{error}"));
        let web = deployment.web().expect("it listens");
        add_customer(&deployment.vault);
        let used = [FactorId::Pin, FactorId::Totp, FactorId::Push];
        let policy =
            Policy { factors: used.iter().map(|factor| factor.defaults()).collect(), ..Policy::default() };
        deployment.vault.set_policy(Arc::new(policy));
        let desk = Arc::new(Desk::default());
        deployment.vault.set_courier(desk.clone());
        Self { _folder: folder, deployment, web, desk }
    }

    fn send(&self, request: &str) -> Told {
        let mut stream = TcpStream::connect(self.web).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a bound");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a reply");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Told { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn get(&self, path: &str) -> Told {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: calls.example.com\r\nConnection: close\r\n\r\n"))
    }

    fn post_as(&self, path: &str, beside: &str, body: &str) -> Told {
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: calls.example.com\r\nConnection: close\r\n{beside}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn post(&self, path: &str, body: &Value) -> Told {
        let beside = format!("Origin: {PUBLIC}\r\nContent-Type: application/json\r\n");
        self.post_as(path, &beside, &body.to_string())
    }

    fn who(&self) -> SubjectRef {
        let claim = Claim::Account(secret(ACCOUNT));
        match self.deployment.vault.answer(os::unix_now(), Question::Identify { claim }) {
            Answer::Identified(Identified::One(subject)) => subject,
            other => panic!("{other:?}"),
        }
    }

    fn enrol(&self, device: &Authenticator) -> String {
        let sent = self.deployment.vault.send_link(os::unix_now(), "C1001", FactorId::Push, Channel::Sms);
        let (sent, token) = (sent.unwrap_or_else(|error| panic!("{error}")), self.desk.token());
        let seen = self.post("/enrol/look", &json!({"token": token})).json();
        assert_eq!((seen["state"].as_str(), seen["factor"].as_str()), (Some("open"), Some("push")));
        let begun = self.post("/enrol/begin", &json!({"token": token, "code": sent.code.expose()})).json();
        assert_eq!(begun["algorithms"], json!([-7, -8, -257]));
        let made = device.register(&decoded(&begun["challenge"]));
        let finish = json!({
            "token": token, "id": encoded(&made.id), "client_data": encoded(&made.client_data),
            "attestation": encoded(&made.attestation),
        });
        assert_eq!(self.post("/enrol/finish", &finish).state(), "done");
        assert_eq!(self.post("/enrol/finish", &finish).state(), "gone");
        token
    }

    fn called(&self) -> String {
        let (subject, factor) = (self.who(), FactorId::Push);
        let question = Question::Prepare { subject, factor, call: CALL, again: false };
        match self.deployment.vault.answer(os::unix_now(), question) {
            Answer::Prepared(Prepared::Sent { match_number: Some(number) }) => number,
            other => panic!("{other:?}"),
        }
    }
}

fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn decoded(value: &Value) -> Vec<u8> {
    BASE64URL_NOPAD.decode(value.as_str().expect("bytes").as_bytes()).expect("base64url")
}

#[test]
fn a_page_is_the_same_for_everybody_and_lets_nothing_else_in() {
    let world = World::start("page", true);
    for page in ["/approve", "/enrol"] {
        let one = world.get(page);
        assert_eq!(one.status, 200);
        assert_eq!(one.body, world.get(&format!("{page}?token=anything")).body);
        for wanted in [
            "content-type: text/html; charset=utf-8",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'none'",
            "base-uri 'none'",
            "cross-origin-opener-policy: same-origin",
        ] {
            assert!(one.head.contains(wanted), "{page}: {wanted}\n{}", one.head);
        }
        assert!(!one.head.contains("unsafe"), "no inline");
        assert!(one.body.contains("name=\"viewport\""), "it fits a telephone");
        for outside in ["http:", "https:", "<style", "style=", "onclick", "<script>"] {
            assert!(!one.body.contains(outside), "{page}: {outside}");
        }
        // Whatever it names is there.
        for part in one.body.split('"').filter(|part| part.starts_with(&format!("{page}/"))) {
            let file = world.get(part);
            assert_eq!(file.status, 200, "{part}");
            assert!(file.head.contains("nosniff") && file.head.contains("no-store"), "{part}");
        }
        assert_eq!(world.get(&format!("{page}/other")).status, 404);
        assert_eq!(world.get(&format!("{page}/look")).status, 404, "nothing is asked by GET");
    }
}

#[test]
fn every_text_is_there_in_both_languages() {
    let texts = include_str!("../src/driver/web/page/texts.js");
    let (english, spanish) = texts.split_once("\n  es: {").expect("two languages");
    let names = |part: &str| -> Vec<String> {
        let named = part.lines().filter(|line| line.starts_with("    "));
        named.filter_map(|line| line.trim().split_once(':').map(|(name, _)| name.to_owned())).collect()
    };
    assert_eq!(names(english), names(spanish));
    for page in [
        include_str!("../src/driver/web/page/approve.html"),
        include_str!("../src/driver/web/page/enrol.html"),
    ] {
        for part in page.split("data-text=\"").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(names(english).iter().any(|own| own == name), "{name}");
        }
        for field in page.split("<input id=\"").skip(1).filter_map(|part| part.split('"').next()) {
            assert!(page.contains(&format!("<label for=\"{field}\"")), "{field} has a label");
        }
    }
}

#[test]
fn only_the_page_itself_may_ask() {
    let world = World::start("asks", true);
    let body = r#"{"token":"x"}"#;
    let kind = "Content-Type: application/json\r\n";
    for beside in [
        kind.to_owned(),
        format!("{kind}Origin: https://evil.example\r\n"),
        format!("{kind}Origin: null\r\n"),
        format!("{kind}Origin: {PUBLIC}:8443\r\n"),
        format!("{kind}Origin: {PUBLIC}\r\nOrigin: https://evil.example\r\n"),
        format!("Content-Type: text/plain\r\nOrigin: {PUBLIC}\r\n"),
        format!("Origin: {PUBLIC}\r\n"),
    ] {
        for path in ["/approve/look", "/approve/deny", "/enrol/begin"] {
            assert_eq!(world.post_as(path, &beside, body).status, 403, "{path}: {beside}");
        }
    }
    assert_eq!(world.post("/approve/look", &json!({"token": "x"})).state(), "gone");
    for bad in [json!({}), json!({"token": 1}), json!({"token": "x", "more": 1}), json!("x")] {
        let told = world.post("/approve/look", &bad);
        assert_eq!(told.status, 400, "{bad}");
    }
    assert_eq!(world.post("/approve/finish", &json!({"token": "x", "id": "not base64!"})).status, 400);
    assert_eq!(world.post("/approve/nothing", &json!({"token": "x"})).status, 404);
}

#[test]
fn there_is_no_page_without_a_public_address() {
    let world = World::start("none", false);
    for path in ["/approve", "/approve/page.js", "/enrol"] {
        assert_eq!(world.get(path).status, 404, "{path}");
    }
    assert_eq!(world.post("/approve/look", &json!({"token": "x"})).status, 404);
}

#[test]
fn a_call_is_approved_over_http_and_looking_at_the_link_first_spends_nothing() {
    let world = World::start("approves", true);
    let mut device = Authenticator::new("calls.example.com");
    world.enrol(&device);
    let number = world.called();
    let token = world.desk.token();
    for _ in 0..10 {
        assert_eq!(world.get(&format!("/approve#{token}").replace('#', "?")).status, 200);
        assert_eq!(world.post("/approve/look", &json!({"token": token})).state(), "open");
    }
    let begun = world.post("/approve/begin", &json!({"token": token})).json();
    assert_eq!(begun["passkeys"], json!([encoded(&device.id)]));
    let signed = device.sign(&decoded(&begun["challenge"]));
    let finish = json!({
        "token": token, "number": number, "id": encoded(&signed.id), "client_data": encoded(&signed.client_data),
        "authenticator_data": encoded(&signed.authenticator_data), "signature": encoded(&signed.signature),
        "user": begun["user"],
    });
    let told = world.post("/approve/finish", &finish).json();
    assert_eq!(told["state"], "approved");
    assert_eq!(world.post("/approve/finish", &finish).state(), "gone", "replayed");
    assert_eq!(world.post("/approve/look", &json!({"token": token})).state(), "gone");
    let (subject, factor) = (world.who(), FactorId::Push);
    let response = secret(told["digits"].as_str().expect("digits"));
    let question = Question::Verify { subject, factor, response: response.into(), call: CALL };
    match world.deployment.vault.answer(os::unix_now(), question) {
        Answer::Verdict { verdict, .. } => assert_eq!(verdict, Verdict::Accept),
        other => panic!("{other:?}"),
    }
}

#[test]
fn this_was_not_me_is_said_over_http_once() {
    let world = World::start("denies", true);
    world.enrol(&Authenticator::new("calls.example.com"));
    world.called();
    let token = world.desk.token();
    assert_eq!(world.post("/approve/deny", &json!({"token": token})).state(), "denied");
    for path in ["/approve/deny", "/approve/look", "/approve/begin"] {
        assert_eq!(world.post(path, &json!({"token": token})).state(), "gone", "{path}");
    }
    assert_eq!(world.deployment.vault.alarms().denied, 1);
}
