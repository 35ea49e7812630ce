//! The API through real sockets: who may what, what it says of mistakes, what it leaves in the audit log.

mod light;
mod site;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign::driver::application::ApplicationSource;
use countersign::driver::os;
use countersign::driver::serve::{self, Deployment, ServeSettings};
use countersign::driver::vault::Vault;
use countersign::driver::web::api::{Scope, describe};
use light::Light;
use serde_json::{Value, json};
use site::{Folder, add_customer, rtp_ports, secret};

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Api {
    folder: Folder,
    deployment: Deployment,
    web: SocketAddr,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
    text: String,
}

impl Api {
    fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let light = Light::in_folder(&folder.file("app"));
        let data = folder.file("data");
        fs::create_dir_all(&data).expect("a folder");
        let settings = "queues: {general: {places: 5}}\nweb: {listen: \"127.0.0.1:0\"}\n\
                        trunks: [{name: carrier, addresses: [192.0.2.7], in: {calls: 30}}]\n";
        fs::write(data.join("countersign.yaml"), settings).expect("settings");
        let settings =
            ServeSettings::on_loopback(ApplicationSource::Folder(light.path().to_owned()), data, rtp_ports());
        let deployment = serve::start(&settings).unwrap_or_else(|error| panic!("{error}"));
        let web = deployment.web().expect("it listens");
        Self { folder, deployment, web }
    }

    fn vault(&self) -> &Vault {
        &self.deployment.vault
    }

    fn token(&self, scopes: &[Scope]) -> String {
        let scopes: Vec<String> = scopes.iter().map(|scope| scope.name().to_owned()).collect();
        let made = self.vault().make_token(os::unix_now(), "crm", &scopes, DAY);
        made.expect("a token").1.expose().clone()
    }

    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let body = body.map(ToString::to_string);
        self.send(method, path, token, body.as_deref(), "application/json")
    }

    fn send(&self, method: &str, path: &str, token: Option<&str>, body: Option<&str>, kind: &str) -> Answer {
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let body =
            body.map(|body| format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let rest = body.unwrap_or_else(|| "\r\n".to_owned());
        let text =
            self.raw(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}{rest}"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {text}"));
        let answer = serde_json::from_str(body).unwrap_or(Value::Null);
        if (200..300).contains(&status) && method != "HEAD" && path != "/v1/openapi.json" {
            fits_description(method, path, status, &answer);
        }
        Answer { status, head: head.to_owned(), body: answer, text: body.to_owned() }
    }

    /// Each time from another address: what one source may ask is bounded.
    fn raw(&self, text: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(2);
        let [.., high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        self.raw_from(Ipv4Addr::new(127, 9, high, low), text)
    }

    fn raw_from(&self, from: Ipv4Addr, text: &str) -> String {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("bound");
        socket.connect(&self.web.into()).expect("connected");
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a bound");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).expect("text")
    }

    /// What the audit log says since a number, as (`event`, `by`).
    fn audit(&self, after: u64) -> Vec<(String, String)> {
        let lines = self.vault().audit_after(after, 100).expect("the log");
        let text = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
        let read = |line: &String| {
            let record: Value = serde_json::from_str(line).expect("a record");
            (text(&record["event"]), text(&record["by"]))
        };
        lines.iter().map(read).collect()
    }
}

/// A reply has the fields that the description says, no more and no less.
fn fits_description(method: &str, path: &str, status: u16, body: &Value) {
    let whole = describe();
    let path = path.split('?').next().unwrap_or_default();
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let same = |template: &str| {
        let (wanted, there) = (parts(template), parts(path));
        wanted.len() == there.len() && wanted.iter().zip(&there).all(|(a, b)| a.starts_with('{') || a == b)
    };
    let paths = whole["paths"].as_object().expect("paths");
    let (_, found) = paths.iter().find(|(template, _)| same(template)).expect("a described path");
    let reply = &found[method.to_lowercase()]["responses"][status.to_string()];
    assert!(reply.is_object(), "{method} {path}: {status} is not described");
    match reply.get("content") {
        Some(content) => fits(body, &content["application/json"]["schema"], &whole, path),
        None => assert!(body.is_null(), "{path}: {body}"),
    }
}

fn fits(value: &Value, schema: &Value, whole: &Value, at: &str) {
    if let Some(pointer) = schema["$ref"].as_str() {
        let pointer = pointer.strip_prefix('#').expect("local");
        return fits(value, whole.pointer(pointer).expect("a schema"), whole, at);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        if !value.is_null() {
            fits(value, &either[0], whole, at);
        }
        return;
    }
    match schema["type"].as_str().expect("a type") {
        "object" if schema["additionalProperties"] == true => assert!(value.is_object(), "{at}: {value}"),
        "object" => {
            let described: BTreeSet<&String> =
                schema["properties"].as_object().expect("fields").keys().collect();
            let there: BTreeSet<&String> = value.as_object().expect("an object").keys().collect();
            assert_eq!(described, there, "{at}");
            for (name, field) in value.as_object().expect("an object") {
                fits(field, &schema["properties"][name], whole, &format!("{at}.{name}"));
            }
        }
        "array" => {
            let items = value.as_array().expect("a list");
            items.iter().for_each(|item| fits(item, &schema["items"], whole, at));
        }
        "string" => assert!(value.is_string(), "{at}: {value}"),
        "integer" => assert!(value.is_u64(), "{at}: {value}"),
        "boolean" => assert!(value.is_boolean(), "{at}: {value}"),
        other => panic!("{at}: {other}"),
    }
}

/// Every route: method, path with something in its parts, scope.
fn routes() -> Vec<(String, String, Option<Scope>)> {
    let mut all = Vec::new();
    for (path, operations) in describe()["paths"].as_object().expect("paths") {
        let filled = path
            .replace("{subject}", "C1001")
            .replace("{factor}", "pin")
            .replace("{call}", "0000000000000000")
            .replace("{passkey}", "000000000000")
            .replace("{recording}", "019a3c2d11f0-0000000000000000-0");
        assert!(!filled.contains('{'), "{filled}");
        for (method, operation) in operations.as_object().expect("operations") {
            let scope = operation["x-scope"].as_str().map(|name| Scope::named(name).expect("a scope"));
            all.push((method.to_uppercase(), filled.clone(), scope));
        }
    }
    all
}

#[test]
fn every_route_needs_a_token_with_its_scope() {
    let api = Api::start("api-scopes");
    let routes = routes();
    assert!(routes.len() >= 16);
    let used: BTreeSet<Scope> = routes.iter().filter_map(|(_, _, scope)| *scope).collect();
    assert_eq!(used.len(), Scope::ALL.len(), "every scope is of use");
    let before = api.vault().audit_seq().expect("a log");
    for scope in Scope::ALL {
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let (own, others) = (api.token(&[scope]), api.token(&others));
        for (method, path, _) in routes.iter().filter(|(_, _, wanted)| *wanted == Some(scope)) {
            let none = api.ask(method, path, None, None);
            assert_eq!(none.status, 401, "{method} {path}");
            assert!(none.head.contains("www-authenticate: Bearer"), "{}", none.head);
            let other = api.ask(method, path, Some(&others), None);
            assert_eq!(other.status, 403, "{method} {path}");
            assert!(other.text.contains(scope.name()), "{}", other.text);
            let may = api.ask(method, path, Some(&own), None).status;
            assert!(!matches!(may, 401 | 403 | 429 | 500), "{method} {path}: {may}");
        }
    }
    let public: Vec<_> = routes.iter().filter(|(_, _, scope)| scope.is_none()).collect();
    assert_eq!(public.len(), 1);
    assert_eq!(api.ask("GET", "/v1/openapi.json", None, None).body, describe());
    assert!(api.audit(before).iter().all(|(event, _)| event == "token_kept"), "nothing else was changed");
    api.deployment.stop();
}

#[test]
fn every_token_that_is_not_good_gets_the_same_answer() {
    let api = Api::start("api-tokens");
    let now = os::unix_now();
    let scopes = [Scope::EngineRead.name().to_owned()];
    let (good, text) = api.vault().make_token(now, "crm", &scopes, DAY).expect("a token");
    let text = text.expose().clone();
    assert_eq!(api.ask("GET", "/v1/engine", Some(&text), None).status, 200);
    let (revoked, revoked_text) = api.vault().make_token(now, "crm", &scopes, DAY).expect("a token");
    api.vault().revoke_token(now, &revoked.id).expect("revoked");
    let millis = Duration::from_millis(1);
    let expired = api.vault().make_token(now, "crm", &scopes, millis).expect("a token").1;
    let until = os::now() + Duration::from_millis(5);
    while os::now() < until {
        std::thread::yield_now();
    }
    let last = text.chars().last().expect("a character");
    let changed = format!("{}{}", &text[..text.len() - 1], if last == 'a' { 'b' } else { 'a' });
    let id_only = format!("cst_{}_", good.id);
    let long = format!("cst_{}", "x".repeat(5000));
    let wrong =
        ["", "x", "cst_", &id_only, &changed, &text[4..], &long, revoked_text.expose(), expired.expose()];
    let expected = api.ask("GET", "/v1/engine", None, None).text;
    for token in wrong {
        let answer = api.ask("GET", "/v1/engine", Some(token), None);
        assert_eq!((answer.status, &answer.text), (401, &expected), "{token}");
    }
    for line in ["Basic Y3N0OngK", "Bearer", "cst_x"] {
        let answer = api.raw(&format!(
            "GET /v1/engine HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {line}\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    // What is on the disk is not what is shown.
    let secret = text.rsplit('_').next().expect("a secret").to_owned();
    let data = api.folder.file("data");
    api.deployment.stop();
    for entry in fs::read_dir(data).expect("the data") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", path.display());
    }
}

#[test]
fn a_token_that_is_replaced_stays_good_for_a_while() {
    let api = Api::start("api-rotation");
    let (vault, now) = (api.vault(), os::unix_now());
    let (old, text) = vault.make_token(now, "crm", &["engine:read".to_owned()], DAY).expect("a token");
    let (new, new_text) = vault.rotate_token(now, &old.id, DAY, DAY / 24).expect("rotated");
    assert_eq!((&new.holder.name, &new.holder.scopes), (&old.holder.name, &old.holder.scopes));
    for text in [&text, &new_text] {
        assert!(vault.token_holder(now, text).is_some());
    }
    let later = now.plus(DAY / 12);
    assert!(vault.token_holder(later, &text).is_none());
    assert!(vault.token_holder(later, &new_text).is_some());
    assert!(vault.rotate_token(later, &old.id, DAY, DAY).is_err(), "an expired one does not come back");
    assert!(vault.revoke_token(now, "nobody").is_err());
    assert!(vault.make_token(now, "a b", &[], DAY).is_err());
    assert!(vault.make_token(now, "crm", &[], DAY * 400).is_err());
    api.deployment.stop();
}

#[test]
fn a_subject_lives_and_every_change_has_its_actor() {
    let api = Api::start("api-subject");
    let token = api.token(&Scope::ALL);
    let token = Some(token.as_str());
    let since = api.vault().audit_seq().expect("a log");
    let new = json!({"id": "C7", "account": "44110099", "phone": "+441632960177", "name": "Zoe", "pin": "80421537"});
    let added = api.ask("POST", "/v1/subjects", token, Some(&new));
    assert_eq!(added.status, 201, "{}", added.text);
    assert!(added.head.contains("location: /v1/subjects/C7"), "{}", added.head);
    assert_eq!(added.body["account"], "·····099");
    for hidden in ["44110099", "960177", "Zoe", "80421537"] {
        assert!(!added.text.contains(hidden), "{}", added.text);
    }
    let again = api.ask("POST", "/v1/subjects", token, Some(&new));
    assert_eq!((again.status, again.body["at"].as_str()), (409, Some("id")), "{}", again.text);
    let shown = api.ask("GET", "/v1/subjects/C7", token, None);
    assert_eq!(shown.body, added.body);
    let pseudonym = shown.body["pseudonym"].as_str().expect("a pseudonym");
    assert_eq!(api.ask("GET", &format!("/v1/subjects/~{pseudonym}"), token, None).body, added.body);
    let unlock = |body: Value| api.ask("POST", "/v1/subjects/C7/unlock", token, Some(&body)).status;
    assert_eq!([unlock(json!({})), unlock(json!({"reason": " "}))], [400, 422]);
    assert_eq!(unlock(json!({"reason": "called back on the number on file"})), 204);
    let enrolled = api.ask("PUT", "/v1/subjects/C7/enrolments/totp", token, Some(&json!({"issuer": "Bank"})));
    assert!(
        enrolled.body["uri"].as_str().is_some_and(|uri| uri.starts_with("otpauth://")),
        "{}",
        enrolled.text
    );
    let made = api.ask("PUT", "/v1/subjects/C7/enrolments/pin", token, Some(&json!({})));
    assert_eq!(made.body["pin"].as_str().map(str::len), Some(8));
    let listed = api.ask("GET", "/v1/subjects/C7/enrolments", token, None);
    assert_eq!(listed.body["enrolments"].as_array().map(Vec::len), Some(2), "{}", listed.text);
    assert_eq!(api.ask("DELETE", "/v1/subjects/C7/enrolments/totp", token, None).status, 204);
    assert_eq!(api.ask("DELETE", "/v1/subjects/C7/enrolments/totp", token, None).status, 404);
    let change = json!({"phone": "+441632960188", "without": ["otp_sms"]});
    let changed = api.ask("PATCH", "/v1/subjects/C7", token, Some(&change));
    assert_eq!(changed.body["subject"]["phone"], "··········188", "{}", changed.text);
    assert_eq!(changed.body["subject"]["declined"], json!(["otp_sms"]));
    assert!(!changed.text.contains("960188"), "{}", changed.text);
    let unknown = api.ask("PATCH", "/v1/subjects/C7", token, Some(&json!({"without": ["iris"]})));
    assert_eq!((unknown.status, unknown.body["at"].as_str()), (404, Some("without")));
    assert_eq!(api.ask("DELETE", "/v1/subjects/C7", token, None).status, 204);
    assert_eq!(api.ask("GET", "/v1/subjects/C7", token, None).status, 404);
    let done: Vec<(String, String)> = api.audit(since);
    let events: Vec<&str> = done.iter().map(|(event, _)| event.as_str()).collect();
    let expected = [
        "subject_stored",
        "enrolled",
        "subject_unlocked",
        "enrolled",
        "enrolled",
        "removed",
        "contact_changed",
        "subject_erased",
    ];
    assert_eq!(events, expected);
    assert!(done.iter().all(|(_, by)| by == "token crm"), "{done:?}");
    api.deployment.stop();
}

#[test]
fn lists_come_by_the_page() {
    let api = Api::start("api-pages");
    let token = api.token(&Scope::ALL);
    let token = Some(token.as_str());
    for number in 0..5 {
        let new = json!({"id": format!("C{number}"), "account": format!("4411000{number}"), "phone": "+441632960101"});
        assert_eq!(api.ask("POST", "/v1/subjects", token, Some(&new)).status, 201);
        let record =
            json!({"call": format!("{number:016x}"), "cause": "flow_done", "events": []}).to_string();
        api.vault().store_record(os::unix_now(), &record, Some(&secret("+441632960101"))).expect("stored");
    }
    let walk = |path: &str, key: &str, items: &str| {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = api.ask("GET", &format!("{path}?limit=2{after}"), token, None).body;
            found.extend(page[items].as_array().expect("a list").iter().cloned());
            match &page["next"] {
                Value::Null => return found,
                next => after = format!("&{key}={}", next.to_string().trim_matches('"')),
            }
        }
    };
    let subjects = walk("/v1/subjects", "after", "subjects");
    let ids: BTreeSet<&str> = subjects.iter().filter_map(|subject| subject["id"].as_str()).collect();
    assert_eq!(ids, ["C0", "C1", "C2", "C3", "C4"].into());
    let calls = walk("/v1/calls", "before", "calls");
    let names: Vec<&str> = calls.iter().filter_map(|call| call["record"]["call"].as_str()).collect();
    assert_eq!(names.len(), 5);
    assert!(names.is_sorted_by(|a, b| a > b), "newest first: {names:?}");
    assert!(calls.iter().all(|call| call["caller"] == "··········101"), "{calls:?}");
    let records = walk("/v1/audit", "after", "records");
    let numbers: Vec<u64> = records.iter().filter_map(|record| record["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=api.vault().audit_seq().expect("a log")).collect::<Vec<_>>());
    let call = api.ask("GET", "/v1/calls/0000000000000003", token, None);
    assert_eq!(call.body["record"]["call"], "0000000000000003");
    let told = api.ask("GET", "/v1/calls/0000000000000003/explanation", token, None);
    assert_eq!(told.body["cause"], "the flow hung up, its work done");
    assert_eq!(api.ask("GET", "/v1/calls/000000000000000", token, None).status, 404);
    let verified = api.ask("POST", "/v1/audit/verification", token, None);
    assert_eq!(verified.body["intact"], true);
    for path in ["/v1/engine", "/v1/policy"] {
        assert_eq!(api.ask("GET", path, token, None).status, 200);
    }
    let engine = api.ask("GET", "/v1/engine", token, None).body;
    assert_eq!(engine["running"]["id"], "light");
    let trunk = &engine["trunks"][0];
    assert!(trunk["name"] == "carrier" && trunk["outward"].is_null(), "{engine}");
    assert_eq!((&trunk["inward"]["calls"], &trunk["inward"]["most_calls"]), (&json!(0), &json!(30)));
    api.deployment.stop();
}

#[test]
fn a_mistake_is_told_with_its_place_and_never_with_what_was_sent() {
    let api = Api::start("api-mistakes");
    add_customer(api.vault());
    let token = api.token(&Scope::ALL);
    let token = Some(token.as_str());
    let pin = "/v1/subjects/C1001/enrolments/pin";
    let cases = [
        ("PUT", pin, r#"{"pin": 98989898}"#, 400, "type"),
        ("PUT", pin, r#"{"pin": "98989898", "pin": "98989898"}"#, 400, "duplicate field"),
        ("PUT", pin, r#"{"pinn": "98989898"}"#, 400, "unknown field"),
        ("PUT", pin, r#"{"pin": "9898"#, 400, "JSON"),
        ("PUT", pin, "", 400, "JSON"),
        ("PUT", pin, "[1", 400, "type"),
        ("PUT", pin, r#"{"pin": "12345678"}"#, 422, "pin"),
        ("PUT", "/v1/subjects/C1001/enrolments/number", "{}", 422, "enrolled"),
        ("PUT", "/v1/subjects/C1001/enrolments/hotp", r#"{"seed": "9898"}"#, 400, "seed"),
        ("PUT", "/v1/subjects/C1001/enrolments/password", "{}", 400, "password"),
        ("PUT", "/v1/subjects/C1001/enrolments/recovery", "{}", 422, "recovery"),
        ("PUT", "/v1/subjects/C1001/enrolments/iris", "{}", 404, "iris"),
        ("PUT", "/v1/subjects/C9/enrolments/pin", "{}", 404, "subject"),
        ("POST", "/v1/subjects", r#"{"id": "C2", "account": "1", "phone": "+441632960101"}"#, 422, "account"),
        ("POST", "/v1/subjects", r#"{"id": "C2"}"#, 400, "missing field"),
        ("GET", "/v1/subjects?limit=0", "", 400, "limit"),
        ("GET", "/v1/subjects?limit=1&limit=2", "", 400, "twice"),
        ("GET", "/v1/subjects?colour=red", "", 400, "colour"),
        ("GET", "/v1/calls?before=-1", "", 400, "before"),
        ("GET", "/v1/audit?after=99999999999999999999", "", 400, "after"),
        ("GET", "/v1/subjects?after=%ff", "", 400, "query"),
        ("GET", "/v1/nothing", "", 404, "path"),
        ("GET", "/v1/subjects/%2e%2e/calls", "", 400, "path"),
        ("PATCH", "/v1/engine", "{}", 405, "GET"),
    ];
    for (method, path, body, status, word) in cases {
        let body = (!body.is_empty() || method == "PUT").then_some(body);
        let answer = api.send(method, path, token, body, "application/json");
        assert_eq!(answer.status, status, "{method} {path} {body:?}: {}", answer.text);
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
        let problem = answer.body.as_object().expect("a problem");
        for field in ["type", "title", "status", "detail", "help"] {
            assert!(problem.contains_key(field), "{}", answer.text);
        }
        let told = answer.text.replace("/v1/openapi.json", "");
        assert!(word == "iris" || told.contains(word), "{method} {path}: {}", answer.text);
        for value in ["9898", "12345678", "red"] {
            assert!(!answer.text.contains(value), "{}", answer.text);
        }
    }
    let form = api.send("PUT", pin, token, Some("pin=98989898"), "application/x-www-form-urlencoded");
    assert_eq!(form.status, 415);
    let large = format!("{{\"pin\": \"{}\"}}", "9".repeat(70_000));
    assert_eq!(api.send("PUT", pin, token, Some(&large), "application/json").status, 413);
    let deep = "[".repeat(60_000);
    assert_eq!(api.send("PUT", pin, token, Some(&deep), "application/json").status, 400);
    assert!(api.ask("PATCH", "/v1/engine", token, None).head.contains("allow: GET"));
    let head = api.ask("HEAD", "/v1/engine", token, None);
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    api.deployment.stop();
}

#[test]
fn who_asks_too_much_is_told_when_to_come_back() {
    let api = Api::start("api-rates");
    let token = api.token(&[Scope::EngineRead]);
    let request = |token: &str| {
        format!(
            "GET /v1/engine HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
    };
    // A token from many sources.
    let refused =
        (0..400).map(|_| api.raw(&request(&token))).find(|answer| !answer.starts_with("HTTP/1.1 200"));
    let refused = refused.expect("a bound");
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: "), "{refused}");
    // One source with many guesses; another one is not concerned.
    let here = Ipv4Addr::new(127, 3, 3, 3);
    let guesses: Vec<String> = (0..30).map(|_| api.raw_from(here, &request("cst_a_b"))).collect();
    let refused = guesses.iter().filter(|answer| answer.starts_with("HTTP/1.1 429")).count();
    assert!(refused >= 10, "{refused} of 30");
    assert!(api.raw(&request("cst_a_b")).starts_with("HTTP/1.1 401"));
    api.deployment.stop();
}
