use std::net::SocketAddr;

use super::*;
use crate::sip::digest::{self, respond};
use crate::units::test_start;

/// A registrar with one user, `ana`, and a phone beside it.
struct World {
    registrar: Registrar,
    now: Instant,
    cseq: u32,
    branch: u32,
    events: Vec<String>,
}

const PHONE: &str = "198.51.100.7:5062";

impl World {
    fn new() -> Self {
        let now = test_start();
        let registrar = Registrar::new(RegistrarConfig::default(), now, Entropy::from_seed([1; 32]));
        Self { registrar, now, cseq: 0, branch: 0, events: Vec::new() }
    }

    fn path() -> Path {
        let local: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
        Path {
            transport: Transport::Udp,
            local,
            remote: PHONE.parse().expect("an address"),
            connection: None,
        }
    }

    fn request(&mut self, user: &str, extra: &str) -> Request {
        self.cseq += 1;
        self.branch += 1;
        let text = format!(
            "REGISTER sip:countersign.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7:5062;rport;branch=z9hG4bK{}\r\n\
             From: <sip:{user}@countersign.example>;tag=1\r\nTo: <sip:{user}@countersign.example>\r\n\
             Call-ID: phone@10.0.0.7\r\nCSeq: {} REGISTER\r\nMax-Forwards: 70\r\n{extra}\r\n",
            self.branch, self.cseq
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a request, answers look-ups, and gives what came back.
    fn send(&mut self, request: &Request) -> Option<Response> {
        self.registrar.handle(self.now, Input::Received { path: Self::path(), message: request.write() });
        self.drain()
    }

    fn drain(&mut self) -> Option<Response> {
        let mut response = None;
        loop {
            match self.registrar.poll() {
                Output::Transmit { path, bytes } => {
                    assert_eq!(path.remote.to_string(), PHONE);
                    match Message::from_bytes(&bytes) {
                        Ok(Message::Response(got)) => response = Some(got),
                        other => panic!("{other:?}"),
                    }
                }
                Output::Lookup { ask, user } => {
                    let password = Secret::new("correct horse".to_owned());
                    let stored = (user == "ana").then(|| StoredHa1::of(&user, REALM, &password));
                    self.registrar.handle(self.now, Input::Credential { ask, stored });
                }
                Output::Registered { user, contact, expires, .. } => {
                    self.events.push(format!("{user} at {contact} for {}", expires.as_secs()));
                }
                Output::Unregistered { user } => self.events.push(format!("{user} gone")),
                Output::Timeout(_) => return response,
            }
        }
    }

    /// Registers with a password: the challenge, then the credentials.
    fn register(&mut self, user: &str, password: &str, extra: &str) -> Response {
        let first = self.request(user, extra);
        let challenge = self.send(&first).expect("a challenge");
        assert_eq!(challenge.status, StatusCode::UNAUTHORIZED);
        let second = self.with_credentials(user, password, extra, &challenge);
        self.send(&second).expect("an answer")
    }

    fn with_credentials(&mut self, user: &str, password: &str, extra: &str, challenge: &Response) -> Request {
        let mut request = self.request(user, extra);
        let password = Secret::new(password.to_owned());
        let (name, value) = respond(challenge, &request, user, &password, "cn").expect("credentials");
        request.headers.push(name, value);
        request
    }
}

const CONTACT: &str = "Contact: <sip:ana@10.0.0.7:5062>\r\n";

#[test]
fn a_phone_with_the_password_is_registered() {
    let mut world = World::new();
    let ok = world.register("ana", "correct horse", &format!("{CONTACT}Expires: 600\r\n"));
    assert_eq!(ok.status, StatusCode::OK);
    assert_eq!(ok.headers.get(Name::Contact).expect("a contact"), "<sip:ana@10.0.0.7:5062>;expires=600");
    assert_eq!(ok.headers.via().expect("a via").rport(), Some(Some(5062)));
    assert_eq!(world.events, ["ana at sip:ana@10.0.0.7:5062 for 600"]);
    assert_eq!(world.registrar.registered(), 1);
}

#[test]
fn the_stronger_algorithm_is_offered_first_and_md5_is_enough() {
    let mut world = World::new();
    let request = world.request("ana", CONTACT);
    let challenge = world.send(&request).expect("a challenge");
    let all: Vec<_> =
        challenge.headers.all(Name::WwwAuthenticate).filter_map(|value| Challenge::parse(value)).collect();
    assert_eq!([all[0].algorithm, all[1].algorithm], [Algorithm::Sha256, Algorithm::Md5]);
    let mut request = world.request("ana", CONTACT);
    let password = Secret::new("correct horse".to_owned());
    let login = digest::Login { username: "ana", password: &password, cnonce: "c", count: 1 };
    let uri = request.uri.to_string();
    let asked = digest::Asked { method: &Method::Register, uri: &uri, body: b"" };
    let credentials = Authorization::answer(&all[1], &login, &asked);
    request.headers.push(Name::Authorization, credentials.to_string());
    assert_eq!(world.send(&request).expect("an answer").status, StatusCode::OK);
}

#[test]
fn a_user_that_does_not_exist_is_answered_like_a_wrong_password() {
    let shape = |user: &str, password: &str| {
        let mut world = World::new();
        let answer = world.register(user, password, CONTACT);
        assert!(world.events.is_empty());
        let headers: Vec<_> = answer.headers.iter().map(|field| field.name.as_str().to_owned()).collect();
        let stale: Vec<_> = answer
            .headers
            .all(Name::WwwAuthenticate)
            .filter_map(|value| Challenge::parse(value))
            .map(|challenge| (challenge.algorithm, challenge.stale, challenge.nonce.len()))
            .collect();
        (answer.status, answer.reason, headers, stale)
    };
    let wrong = shape("ana", "wrong");
    assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
    assert_eq!(shape("bob", "wrong"), wrong);
    assert_eq!(shape("bob", "correct horse"), wrong);
}

#[test]
fn nobody_registers_for_another() {
    let mut world = World::new();
    let first = world.request("ana", CONTACT);
    let challenge = world.send(&first).expect("a challenge");
    let mut request = world.request("eve", CONTACT);
    let password = Secret::new("correct horse".to_owned());
    let (name, value) = respond(&challenge, &request, "ana", &password, "cn").expect("credentials");
    request.headers.push(name, value);
    assert_eq!(world.send(&request).expect("an answer").status, StatusCode::UNAUTHORIZED);
    assert!(world.events.is_empty());
}

#[test]
fn a_copy_gets_the_same_answer_and_a_replay_does_not() {
    let mut world = World::new();
    let first = world.request("ana", CONTACT);
    let challenge = world.send(&first).expect("a challenge");
    let request = world.with_credentials("ana", "correct horse", CONTACT, &challenge);
    let ok = world.send(&request).expect("an answer");
    assert_eq!(ok.status, StatusCode::OK);
    assert_eq!(world.send(&request), Some(ok));
    // The same credentials in another request: the count was used.
    let mut replay = world.request("ana", CONTACT);
    let credentials = request.headers.get(Name::Authorization).expect("credentials").clone();
    replay.headers.push(Name::Authorization, credentials);
    let again = world.send(&replay).expect("an answer");
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    let value = again.headers.get(Name::WwwAuthenticate).expect("a challenge");
    assert!(Challenge::parse(value).expect("a challenge").stale);
}

#[test]
fn an_old_nonce_is_stale_only_with_the_right_password() {
    for (password, stale) in [("correct horse", true), ("wrong", false)] {
        let mut world = World::new();
        let first = world.request("ana", CONTACT);
        let challenge = world.send(&first).expect("a challenge");
        world.now += Duration::from_secs(301);
        let request = world.with_credentials("ana", password, CONTACT, &challenge);
        let answer = world.send(&request).expect("an answer");
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let value = answer.headers.get(Name::WwwAuthenticate).expect("a challenge");
        assert_eq!(Challenge::parse(value).expect("a challenge").stale, stale, "{password}");
    }
}

#[test]
fn a_registration_runs_out() {
    let mut world = World::new();
    world.register("ana", "correct horse", &format!("{CONTACT}Expires: 60\r\n"));
    let Output::Timeout(Some(at)) = world.registrar.poll() else { panic!("a time") };
    assert_eq!(at, world.now + Duration::from_secs(60));
    world.now = at;
    world.registrar.handle(at, Input::Timeout);
    world.drain();
    assert_eq!(world.events.last().map(String::as_str), Some("ana gone"));
    assert_eq!(world.registrar.registered(), 0);
}

#[test]
fn contacts_are_removed_one_by_one_or_all_at_once() {
    let mut world = World::new();
    let two = "Contact: <sip:ana@10.0.0.7>, <sip:ana@10.0.0.8>;expires=120\r\n";
    world.register("ana", "correct horse", two);
    let ok = world.register("ana", "correct horse", "Contact: <sip:ana@10.0.0.8>;expires=0\r\n");
    assert_eq!(ok.headers.all(Name::Contact).count(), 1);
    let bad = world.register("ana", "correct horse", "Contact: *\r\n");
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let ok = world.register("ana", "correct horse", "Contact: *\r\nExpires: 0\r\n");
    assert_eq!((ok.status, ok.headers.all(Name::Contact).count()), (StatusCode::OK, 0));
    assert_eq!(
        world.events,
        ["ana at sip:ana@10.0.0.8 for 120", "ana at sip:ana@10.0.0.7 for 3600", "ana gone"]
    );
}

#[test]
fn times_and_numbers_have_bounds() {
    let mut world = World::new();
    let brief = world.register("ana", "correct horse", &format!("{CONTACT}Expires: 5\r\n"));
    assert_eq!(brief.status, StatusCode::INTERVAL_TOO_BRIEF);
    assert_eq!(brief.headers.get(Name::MinExpires).expect("a bound"), "60");
    let long = world.register("ana", "correct horse", &format!("{CONTACT}Expires: 99999999\r\n"));
    assert!(long.headers.text(Name::Contact).expect("a contact").ends_with(";expires=3600"));
    let many: Vec<_> = (0..9).map(|host| format!("<sip:ana@10.0.1.{host}>")).collect();
    let many = world.register("ana", "correct horse", &format!("Contact: {}\r\n", many.join(", ")));
    assert_eq!(many.status, StatusCode::FORBIDDEN);
    let strange = world.register("ana", "correct horse", "Contact: <name:John_Smith>\r\n");
    assert_eq!(strange.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.events.len(), 1);
}

#[test]
fn a_store_that_does_not_answer_is_a_503() {
    let mut world = World::new();
    let first = world.request("ana", CONTACT);
    let challenge = world.send(&first).expect("a challenge");
    let request = world.with_credentials("ana", "correct horse", CONTACT, &challenge);
    world.registrar.handle(world.now, Input::Received { path: World::path(), message: request.write() });
    assert!(matches!(world.registrar.poll(), Output::Lookup { .. }));
    let Output::Timeout(Some(at)) = world.registrar.poll() else { panic!("a time") };
    // A copy while the store is asked is not asked again.
    world.registrar.handle(world.now, Input::Received { path: World::path(), message: request.write() });
    assert!(matches!(world.registrar.poll(), Output::Timeout(_)));
    world.now = at;
    world.registrar.handle(at, Input::Timeout);
    assert_eq!(world.drain().expect("an answer").status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(matches!(world.registrar.poll(), Output::Timeout(None)));
}

#[test]
fn strangers_leave_no_trace() {
    let mut world = World::new();
    for _ in 0..100 {
        let mut request = world.request("ana", CONTACT);
        let foreign = "Digest username=\"ana\", realm=\"countersign\", nonce=\"00\", uri=\"sip:x\", response=\"0\", \
                       qop=auth, nc=00000001, cnonce=\"c\"";
        request.headers.push(Name::Authorization, foreign);
        assert_eq!(world.send(&request).expect("an answer").status, StatusCode::UNAUTHORIZED);
    }
    assert!(world.registrar.pending.is_empty() && world.registrar.asked.is_empty());
    assert!(matches!(world.registrar.poll(), Output::Timeout(None)));
}
