//! A carrier over real sockets that demands a password: we register with it, its servers are asked whether they live, and a
//! code call goes by the one that does, with digest.

mod site;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::driver::os;
use countersign::driver::trunks::{Tried, TrunkView};
use countersign::secret::Secret;
use countersign::sip::digest::{Algorithm, Authorization, Challenge, Qop, StoredHa1};
use countersign::sip::{Message, Method, Name, Request, Response, StatusCode};
use site::{Folder, Site};

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
