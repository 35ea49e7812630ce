//! A deployment over real sockets and a caller made of bare ones, for tests of what others do to the two.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::driver::application::ApplicationSource;
use countersign::driver::embedded;
pub(crate) use countersign::driver::os::{now, pause};
use countersign::driver::serve::{self, Deployment, ServeSettings};

pub(crate) const TRUNK: [u8; 4] = [127, 0, 0, 1];
pub(crate) const PHONE: [u8; 4] = [127, 0, 0, 3];
pub(crate) const STRANGER: [u8; 4] = [127, 0, 0, 9];

pub(crate) const SETTINGS: &str = "\
trunks: [{name: loopback, addresses: [\"127.0.0.1\"]}]
phones: {from: [\"127.0.0.3\"]}
queues: {general: {}, cards: {}, payments: {}, fraud: {}}
agents: [{name: ana, queues: [general]}]
limits: {calls: 500, ring_seconds: 20, call_minutes: 5, silence_seconds: 20}
";

/// A deployment on loopback with a data folder of its own.
pub(crate) struct Target {
    pub(crate) deployment: Option<Deployment>,
    pub(crate) sip: SocketAddr,
    data: PathBuf,
}

impl Target {
    /// The bank.
    pub(crate) fn start(name: &str, first_port: u16) -> Self {
        Self::serving(name, embedded::DEFAULT_APPLICATION, first_port..=first_port + 199, 2)
    }

    /// Any application of the program's own, on these ports.
    pub(crate) fn serving(
        name: &str,
        application: &'static str,
        rtp_ports: RangeInclusive<u16>,
        shards: usize,
    ) -> Self {
        Self::with(name, application, rtp_ports, shards, &[("countersign.yaml", SETTINGS)])
    }

    /// What `countersign status` says of it.
    pub(crate) fn status(&self) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = program.args(["status", "--data"]).arg(&self.data).output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// With these files in its data folder.
    pub(crate) fn with(
        name: &str,
        application: &'static str,
        rtp_ports: RangeInclusive<u16>,
        shards: usize,
        files: &[(&str, &str)],
    ) -> Self {
        let data = std::env::temp_dir().join(format!("countersign-attack-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&data).expect("a temporary folder");
        for (file, text) in files {
            std::fs::write(data.join(file), text).expect("a file");
        }
        let settings = ServeSettings {
            sip: SocketAddr::from((TRUNK, 0)),
            shards,
            ..ServeSettings::on_loopback(ApplicationSource::Embedded(application), data.clone(), rtp_ports)
        };
        let deployment = serve::start(&settings).expect("a deployment");
        let sip = deployment.sip;
        Self { deployment: Some(deployment), sip, data }
    }

    pub(crate) fn socket(&self, from: [u8; 4]) -> UdpSocket {
        let socket = UdpSocket::bind(SocketAddr::from((from, 0))).expect("a socket");
        socket.connect(self.sip).expect("connected");
        socket.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
        socket
    }

    pub(crate) fn stream(&self, from: [u8; 4]) -> TcpStream {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("bound");
        socket.connect(&self.sip.into()).expect("connected");
        let stream: TcpStream = socket.into();
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        stream
    }

    /// The records of the calls that are over.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let deployment = self.deployment.as_ref().expect("running");
        let stored = deployment.vault.calls(u32::MAX).expect("the store is read");
        stored.iter().map(|call| serde_json::from_str(&call.record).expect("a record is JSON")).collect()
    }

    /// Waits until no call is left.
    pub(crate) fn settles(&self) {
        let deployment = self.deployment.as_ref().expect("running");
        assert_eq!(deployment.broken(), None);
        let until = now() + Duration::from_secs(40);
        while deployment.calls() > 0 && now() < until {
            pause(Duration::from_millis(50));
        }
        assert_eq!(deployment.calls(), 0, "calls are left");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(deployment) = self.deployment.take() {
            deployment.stop();
        }
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

pub(crate) fn request(
    method: &str,
    id: &str,
    from: SocketAddr,
    tag: &str,
    extra: &str,
    body: &str,
) -> String {
    format!(
        "{method} sip:bank@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{id}{method};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Eve\" <sip:+34600@127.0.0.1>;tag=f\r\nTo: <sip:bank@127.0.0.1>{tag}\r\n\
         Call-ID: {id}\r\nCSeq: {number} {method}\r\nContact: <sip:eve@{from}>\r\n{extra}\
         Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
        number = if method == "BYE" { 2 } else { 1 },
        length = body.len(),
    )
}

pub(crate) fn offer(rtp: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n",
        ip = rtp.ip(),
        port = rtp.port(),
    )
}

/// The canary: a call that is answered.
pub(crate) struct Canary<'a> {
    pub(crate) sip: UdpSocket,
    pub(crate) rtp: UdpSocket,
    pub(crate) media: SocketAddr,
    id: String,
    tag: String,
    _target: &'a Target,
}

impl<'a> Canary<'a> {
    pub(crate) fn dials(target: &'a Target, id: &str) -> Self {
        let sip = target.socket(TRUNK);
        let from = sip.local_addr().expect("an address");
        let rtp = UdpSocket::bind(SocketAddr::from((TRUNK, 0))).expect("a socket");
        rtp.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
        let body = offer(rtp.local_addr().expect("an address"));
        let invite = request("INVITE", id, from, "", "", &body);
        let answer = asks(&sip, &invite, |answer| !answer.starts_with("SIP/2.0 1"));
        assert!(answer.starts_with("SIP/2.0 200"), "the canary is refused: {answer}");
        let tag = after(&answer, "\r\nTo: ").and_then(|to| after(to, ";tag=")).expect("a tag");
        let tag = format!(";tag={}", tag.split(['\r', ';']).next().expect("a tag"));
        let port = after(&answer, "m=audio ").and_then(|rest| rest.split(' ').next());
        let port: u16 = port.and_then(|port| port.parse().ok()).expect("a port");
        sip.send(request("ACK", id, from, &tag, "", "").as_bytes()).expect("sent");
        let media = SocketAddr::new(target.sip.ip(), port);
        Self { sip, rtp, media, id: id.to_owned(), tag, _target: target }
    }

    pub(crate) fn hears(&self, packets: usize) {
        let mut packet = [0_u8; 2048];
        let from = self.sip.local_addr().expect("an address");
        let ack = request("ACK", &self.id, from, &self.tag, "", "");
        let until = now() + PATIENCE;
        self.rtp.set_read_timeout(Some(AGAIN)).expect("a timeout");
        let mut heard = 0;
        while heard < packets {
            if let Ok(length) = self.rtp.recv(&mut packet) {
                assert!(length > 12);
                heard += 1;
            } else {
                // The ACK was lost: a caller sends it again for each 200 that comes again.
                assert!(now() < until, "no prompt for the canary");
                self.sip.send(ack.as_bytes()).expect("sent");
            }
        }
    }

    pub(crate) fn hangs_up(self) {
        let from = self.sip.local_addr().expect("an address");
        let bye = request("BYE", &self.id, from, &self.tag, "", "");
        let answer = asks(&self.sip, &bye, |answer| answer.contains("CSeq: 2 BYE"));
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }
}

/// RFC 3261 timers A and E: over UDP a request is sent again. A flood costs datagrams at the socket that all
/// share; a caller must get through all the same, and soon.
const AGAIN: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a request, again where needed, until the answer that is wanted.
pub(crate) fn asks(socket: &UdpSocket, request: &str, wanted: impl Fn(&str) -> bool) -> String {
    let until = now() + PATIENCE;
    socket.set_read_timeout(Some(AGAIN)).expect("a timeout");
    let mut sent = 0;
    while now() < until {
        sent += 1;
        socket.send(request.as_bytes()).expect("sent");
        while let Some(answer) = receive(socket) {
            if wanted(&answer) {
                return answer;
            }
        }
    }
    panic!("no answer to the canary in {PATIENCE:?}, sent {sent} times");
}

/// Five thousand requests a second of every method, outside of calls and within calls that there are not, until it is over or for so
/// long. Says how many answers came.
pub(crate) fn floods(socket: &UdpSocket, over: &AtomicBool, longest: Duration) -> u64 {
    const METHODS: [&str; 14] = [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "REGISTER",
        "INFO",
        "UPDATE",
        "PRACK",
        "REFER",
        "NOTIFY",
        "SUBSCRIBE",
        "MESSAGE",
        "PUBLISH",
    ];
    let from = socket.local_addr().expect("an address");
    // No INVITE can be taken: they would be the calls of others.
    let body = offer(from).replace("RTP/AVP", "RTP/NONE");
    socket.set_nonblocking(true).expect("nonblocking");
    let (began, mut sent, mut answers) = (now(), 0_u32, 0);
    while !over.load(Ordering::Relaxed) && began.elapsed() < longest {
        while f64::from(sent) < began.elapsed().as_secs_f64() * 5_000.0 {
            let turn = usize::try_from(sent).expect("few");
            let tag = ["", ";tag=nobody"][turn / METHODS.len() % 2];
            let method = METHODS[turn % METHODS.len()];
            let _ = socket.send(request(method, &format!("m{sent}"), from, tag, "", &body).as_bytes());
            sent += 1;
        }
        while receive(socket).is_some() {
            answers += 1;
        }
        pause(Duration::from_millis(2));
    }
    answers
}

pub(crate) fn receive(socket: &UdpSocket) -> Option<String> {
    let mut buffer = vec![0_u8; 65_536];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

pub(crate) fn after<'t>(text: &'t str, what: &str) -> Option<&'t str> {
    text.split_once(what).map(|(_, rest)| rest)
}
