//! A carrier over real sockets that demands a password: we register with it, its servers are asked whether they live, and a
//! code call goes by the one that does, with digest. And carriers that bring more calls than they may.

mod light;
mod site;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::driver::application::ApplicationSource;
use countersign::driver::os;
use countersign::driver::serve::{self, Deployment, ServeSettings};
use countersign::driver::trunks::{QuotaView, Tried, TrunkView};
use countersign::secret::Secret;
use countersign::sip::digest::{Algorithm, Authorization, Challenge, Qop, StoredHa1};
use countersign::sip::{Message, Method, Name, Request, Response, StatusCode};
use light::Light;
use site::{Folder, Handset, SOON, Site, Stage};

const PASSWORD: &str = "open sesame 71";

/// A carrier's server: answers OPTIONS, and REGISTER with the right password.
struct Carrier {
    socket: UdpSocket,
    algorithm: Algorithm,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Carrier {
    fn start(algorithm: Algorithm) -> (u16, Arc<Mutex<Vec<String>>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = socket.local_addr().expect("an address").port();
        let heard = Arc::default();
        let carrier = Self { socket, algorithm, heard: Arc::clone(&heard) };
        #[expect(clippy::disallowed_methods, reason = "a carrier serves while the test goes on")]
        std::thread::spawn(move || carrier.serve());
        (port, heard)
    }

    fn serve(&self) {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let bytes = bytes::Bytes::copy_from_slice(&buffer[..length]);
            let Ok(Message::Request(request)) = Message::from_bytes(&bytes) else { continue };
            self.heard.lock().expect("whole").push(String::from_utf8_lossy(&bytes).into_owned());
            let response = match request.method {
                Method::Register => self.registered(&request),
                _ => Response::to(&request, StatusCode::OK),
            };
            self.socket.send_to(&response.write(), from).expect("sent");
        }
    }

    fn registered(&self, request: &Request) -> Response {
        let password = Secret::new(PASSWORD.to_owned());
        let stored = StoredHa1::of("acme", "carrier", &password);
        let shown = request.headers.get(Name::Authorization).and_then(|value| Authorization::parse(value));
        if shown.is_some_and(|shown| shown.verify(&stored, &Method::Register, b"")) {
            let contact = request.headers.text(Name::Contact).expect("a contact").into_owned();
            return Response::to(request, StatusCode::OK).with(Name::Contact, contact);
        }
        let challenge = Challenge {
            realm: "carrier".to_owned(),
            nonce: "abc".to_owned(),
            opaque: None,
            algorithm: self.algorithm,
            qop: vec![Qop::Auth],
            stale: false,
        };
        Response::to(request, StatusCode::UNAUTHORIZED).with(Name::WwwAuthenticate, challenge.to_string())
    }
}

/// A deployment with a trunk whose servers are at these ports.
fn start(name: &str, ports: &[u16]) -> Site {
    let data = Folder::new(name);
    fs::write(data.file("password"), PASSWORD).expect("a secret");
    let servers: Vec<String> = ports.iter().map(|port| format!("\"sip:127.0.0.1:{port}\"")).collect();
    let settings = format!(
        "trunks:\n  - {{name: loopback, addresses: [\"127.0.0.0/8\"]}}\n  - name: carrier\n    country: \"+44\"\n    out: {{servers: [{}], \
         carries: [\"+44\"], from: \"+441632960000\", login: {{user: acme, password: carrier/password}}, register: {{}}}}\nsecrets: {{carrier/password: \
         {{file: password}}}}\nqueues: {{general: {{}}, cards: {{}}}}\ntransfers: {{night: \"+441632960111\"}}\n",
        servers.join(", ")
    );
    fs::write(data.file("countersign.yaml"), settings).expect("settings");
    fs::set_permissions(data.file("password"), fs::Permissions::from_mode(0o600)).expect("its owner's");
    Site::in_folder(data, &site::root().join("flows/bank"), 1, &[])
}

/// The trunk, once it is so, or after ten seconds.
fn view(site: &Site, is: impl Fn(&TrunkView) -> bool) -> TrunkView {
    let end = os::now() + Duration::from_secs(10);
    loop {
        let view = site.deployment.versions.trunks().view(os::now()).remove(0);
        if is(&view) || os::now() > end {
            return view;
        }
        os::pause(Duration::from_millis(20));
    }
}

#[test]
fn we_register_with_a_carrier_that_asks_for_the_password_by_either_algorithm() {
    for (name, algorithm) in [("trunk-md5", Algorithm::Md5), ("trunk-sha", Algorithm::Sha256)] {
        let (port, heard) = Carrier::start(algorithm);
        let site = start(name, &[port]);
        let registered = |view: &TrunkView| {
            view.registration.as_deref() == Some("registered")
                && view.servers.iter().all(|of| of.state == "up")
        };
        let view = view(&site, registered);
        assert!(registered(&view), "{view:?}");
        assert_eq!(view.servers.len(), 1);
        assert!(view.registered_s.is_some_and(|left| (500..=600).contains(&left)), "{view:?}");
        let heard = heard.lock().expect("whole").join("\n");
        assert!(
            heard.contains("REGISTER sip:127.0.0.1") && heard.contains("Contact: <sip:acme@127.0.0.1"),
            "{heard}"
        );
        assert!(heard.contains("OPTIONS sip:127.0.0.1") && !heard.contains(PASSWORD), "{heard}");
    }
}

#[test]
fn each_server_is_tried_out_and_a_route_is_told() {
    let (port, _) = Carrier::start(Algorithm::Sha256);
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a socket that says nothing");
    let silent = nobody.local_addr().expect("an address").port();
    let site = start("trunk-test", &[port, silent]);
    let tried = site.deployment.versions.trunks().try_out("carrier").expect("such a trunk");
    let said = |tried: &Tried| (tried.method.clone(), tried.status);
    let expected = [("OPTIONS", Some(200)), ("REGISTER", Some(200)), ("OPTIONS", None), ("REGISTER", None)];
    assert_eq!(
        tried.iter().map(said).collect::<Vec<_>>(),
        expected.map(|(method, status)| (method.to_owned(), status))
    );
    assert!(site.deployment.versions.trunks().try_out("nobody").is_none());
    let told = |from: &str, to: &str| {
        let data = site.folder.path().to_str().expect("a path");
        let output = site::run(&["route", "explain", from, to, "--data", data]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = told("caller", "night");
    assert!(
        code == Some(0) && text.contains(&format!("INVITE sip:+441632960111@127.0.0.1:{port}")),
        "{text}"
    );
    for (from, to, part) in [
        ("caller", "+449098790123", "+449 are premium"),
        ("caller", "+34911234567", "does not carry"),
        ("caller", "+441632960222", "nobody is put through"),
        ("192.0.2.77", "100", "403"),
        ("caller", "nobody", "nobody is called"),
    ] {
        let (code, text) = told(from, to);
        assert!(code == Some(1) && text.contains(part), "{from} {to}: {text}");
    }
    assert_eq!(told("127.0.0.1", "01632960000").0, Some(0));
}

/// An application whose callers stay, served to two trunks with these limits of the first.
fn limited(name: &str, limits: &str) -> (Folder, Light, Deployment) {
    let folder = Folder::new(name);
    let light = Light::in_folder(&folder.file("app"));
    fs::create_dir_all(folder.file("data")).expect("a folder");
    limit(&folder, limits);
    let application = ApplicationSource::Folder(light.path().to_owned());
    let settings = ServeSettings {
        shards: 2,
        ..ServeSettings::on_loopback(application, folder.file("data"), site::rtp_ports())
    };
    let deployment = serve::start(&settings).unwrap_or_else(|error| panic!("{error}"));
    (folder, light, deployment)
}

fn limit(folder: &Folder, limits: &str) {
    let settings = format!(
        "trunks:\n  - {{name: carrier, addresses: [127.0.0.1], in: {{{limits}}}}}\n  - {{name: other, addresses: [127.0.0.2]}}\n\
         queues: {{general: {{}}}}\n"
    );
    fs::write(folder.file("data/countersign.yaml"), settings).expect("settings");
}

/// What requests of a trunk get, and their Retry-After; nobody acknowledges or answers anything.
struct Flood(UdpSocket, SocketAddr);

impl Flood {
    fn of(ip: &str, deployment: &Deployment) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        socket.set_read_timeout(Some(SOON)).expect("a timeout");
        Self(socket, deployment.sip)
    }

    fn invite(&self, id: &str) -> (u16, Option<String>) {
        self.request("INVITE", id)
    }

    fn request(&self, method: &str, id: &str) -> (u16, Option<String>) {
        let Self(socket, to) = self;
        let at = socket.local_addr().expect("an address");
        let text = format!(
            "{method} sip:light@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:a@{at}>;tag={id}\r\nTo: <sip:light@{to}>\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\nContact: <sip:a@{at}>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        socket.send_to(text.as_bytes(), to).expect("sent");
        self.answer(id)
    }

    /// The first answer to it that says more than 100.
    fn answer(&self, id: &str) -> (u16, Option<String>) {
        let mut buffer = [0; 4096];
        loop {
            let (length, _) = self.0.recv_from(&mut buffer).expect("an answer in time");
            let bytes = bytes::Bytes::copy_from_slice(&buffer[..length]);
            let Ok(Message::Response(response)) = Message::from_bytes(&bytes) else { continue };
            let of = response.headers.text(Name::CallId).is_some_and(|of| of == id);
            if of && response.status.code() > 100 {
                let wait = response.headers.text(Name::RetryAfter).map(std::borrow::Cow::into_owned);
                return (response.status.code(), wait);
            }
        }
    }
}

/// What `carrier` brings in.
fn brings(deployment: &Deployment) -> QuotaView {
    deployment.versions.trunks().inward().remove(0).calls
}

#[test]
fn a_trunk_brings_as_many_calls_as_it_may_and_no_call_that_runs_notices() {
    let (folder, _light, deployment) = limited("inward-calls", "calls: 2");
    let uri = format!("sip:light@{}", deployment.sip);
    let mut stage = Stage::new(vec![Handset::new("first"), Handset::new("second"), Handset::new("third")]);
    for who in [0, 1] {
        stage.handsets[who].dial(&uri);
        assert!(stage.until(SOON, |all| all[who].answered));
    }
    let carrier = Flood::of("127.0.0.1", &deployment);
    let refused: Vec<_> = (0..20).map(|n| carrier.invite(&format!("more{n}"))).collect();
    assert!(refused.iter().all(|answer| *answer == (503, None)), "{refused:?}");
    // Another trunk is not concerned, nor is what begins no call: who asks whether we live, and a call that changes.
    let other = Flood::of("127.0.0.2", &deployment);
    assert_eq!(other.invite("other").0 / 100, 2);
    assert_eq!(carrier.request("OPTIONS", "lives").0, 200);
    let first = stage.handsets[0].session();
    for on in [true, false] {
        stage.handsets[0].phone.hold(first, on);
        stage.until(Duration::from_millis(300), |_| false);
    }
    assert_eq!(stage.handsets[0].ended, None);
    let view = brings(&deployment);
    assert_eq!((view.calls, view.most_calls, view.refused_by_calls), (2, Some(2), 20));
    // A reload bounds what begins from then on, and ends nothing.
    limit(&folder, "calls: 1");
    let applied = deployment.reload(None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(applied.notes, Vec::<String>::new());
    stage.handsets[2].dial(&uri);
    assert!(stage.until(SOON, |all| all[2].failed == Some(StatusCode::SERVICE_UNAVAILABLE)));
    stage.hang_up(0);
    let end = os::now() + SOON;
    while brings(&deployment).calls > 1 && os::now() < end {
        stage.until(Duration::from_millis(20), |_| false);
    }
    assert_eq!(carrier.invite("still").0, 503, "one runs, and one may");
    limit(&folder, "calls: 2");
    deployment.reload(None).unwrap_or_else(|error| panic!("{error}"));
    stage.handsets[2].dial(&uri);
    assert!(stage.until(SOON, |all| all[2].answered), "{:?}", stage.handsets[2].failed);
    assert!(stage.handsets[1].ended.is_none() && stage.handsets[1].answered);
    let data = folder.file("data");
    let status = site::run(&["status", "--data", data.to_str().expect("a path")]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    let line = "trunk     carrier · 2 call(s) in, of 2 at most · refused 22 for `calls`";
    assert!(status.contains(line) && status.contains("trunk     other · "), "{status}");
    // A bound that is taken away, or is new, waits for nothing either.
    for limits in ["", "per_second: 9"] {
        limit(&folder, limits);
        let applied = deployment.reload(None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(applied.notes, Vec::<String>::new(), "{limits}");
    }
    deployment.stop();
}

#[test]
fn a_trunk_begins_as_many_calls_in_a_second_as_it_may() {
    let (_folder, _light, deployment) = limited("inward-rate", "per_second: 3");
    let carrier = Flood::of("127.0.0.1", &deployment);
    let start = os::now();
    let answers: Vec<_> = (0..12).map(|n| carrier.invite(&format!("fast{n}"))).collect();
    let took = os::now() - start;
    let begun = answers.iter().filter(|(status, _)| *status == 200).count();
    let refused = answers.iter().filter(|answer| **answer == (503, Some("1".to_owned()))).count();
    assert_eq!(begun + refused, 12, "{answers:?}");
    // However slow the machine is: three at once, and three more for each second that went by.
    let most = 3 * (1 + usize::try_from(took.as_secs()).expect("few"));
    assert!((3..=most).contains(&begun), "{begun} within {took:?}");
    assert_eq!(answers[..3].iter().filter(|(status, _)| *status == 200).count(), 3);
    // Sent again, one that was let in is the same call.
    let view = brings(&deployment);
    carrier.invite("fast0");
    assert_eq!(brings(&deployment), view);
    let other = Flood::of("127.0.0.2", &deployment);
    assert!((0..6).all(|n| other.invite(&format!("other{n}")).0 == 200));
    deployment.stop();
}

#[test]
fn a_trunk_is_shown_with_what_its_profile_says_and_profiles_are_listed() {
    let folder = Folder::new("trunk-show");
    let settings = "trunks:\n  - name: carrier\n    profile: registration\n    addresses: [192.0.2.7]\n    in: {calls: 30}\n    out: {servers: \
                    [\"sip:192.0.2.7\"], carries: [\"+44\"], options_seconds: 60, login: {user: acme, password: carrier/password}}\n\
                    transfers: {night: \"+441632960111\"}\n";
    fs::write(folder.file("countersign.yaml"), settings).expect("settings");
    let told = |arguments: &[&str]| {
        let output = site::run(&[arguments, &["--data", folder.path().to_str().expect("a path")]].concat());
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, shown) = told(&["trunk", "show", "carrier"]);
    assert!(code == Some(0) && shown.starts_with("carrier, profile registration: a carrier that"), "{shown}");
    let row = |key: &str| {
        let row = shown.lines().find(|line| line.trim_start().starts_with(&format!("{key} ")));
        row.unwrap_or_else(|| panic!("{key} in {shown}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("in.calls"), "in.calls 30 written");
    assert_eq!(row("out.register"), "out.register {expires_seconds: 600} profile");
    assert_eq!(row("out.options_seconds"), "out.options_seconds 60 written");
    assert_eq!(row("srtp"), "srtp off usual");
    let (code, error) = told(&["trunk", "show", "nobody"]);
    assert!(
        code == Some(2) && error.contains("no trunk `nobody`") && error.contains("has carrier"),
        "{error}"
    );
    let says =
        "the profile `registration` of the trunk `carrier` says `out.register: {expires_seconds: 600}`";
    for (from, to) in [("192.0.2.7", "100"), ("caller", "night")] {
        let (code, text) = told(&["route", "explain", from, to]);
        assert!(code == Some(0) && text.contains(says), "{text}");
    }
    let (_, coming) = told(&["route", "explain", "192.0.2.7", "100"]);
    assert!(coming.contains("`in.calls`: 0 of 30 calls of the trunk run"), "{coming}");
    let output = site::run(&["trunk", "profiles"]);
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let house = "house: an exchange or session border controller of the house, over TLS, its media encrypted\n  sets   tls: true\n  sets   \
                 srtp: required\n  sets   codecs: [G722, PCMA, PCMU]\n  sets   out.options_seconds: 10\n  needs  `addresses`,";
    assert!(listed.contains(house), "{listed}");
}
