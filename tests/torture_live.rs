//! The 49 messages of RFC 4475 and the twelve of RFC 5118 sent to a running server, by datagram, by WebSocket and by stream, plain and over TLS,
//! whole, in single bytes and glued to another; after each one the server still serves. What each comes to is said and argued in `sip_torture.rs`; here is what that looks
//! like from outside.
//!
//! Answers without `rport` go to the port that Via names, so the telephone has that port, at a loopback
//! address of its own.

mod secured;
mod site;
mod websocket;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use secured::Authority;
use site::{SOON, Site};
use tungstenite::{Message, WebSocket};

/// What is to come for a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comes {
    /// A final answer of this status.
    Answer(u16),
    /// An INVITE that is let in: the flow takes it, or the media refuses its description.
    Call,
    /// A final answer, and not that it was not understood.
    Taken,
    /// Anything or nothing.
    Maybe,
    /// Nothing.
    Nothing,
}

use Comes::{Answer, Call, Maybe, Nothing, Taken};

/// How a stream differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stream {
    Same,
    /// Waits for the rest of a body that never comes.
    Waits,
    /// Answered 400 and closed.
    Closed,
    /// Closed for the bytes behind it that are no message; answers that come too late for that are lost.
    Broken,
}

use Stream::{Broken, Closed, Same, Waits};

const MESSAGES: &[(&str, Comes, Stream)] = &[
    // To has a tag, of a dialog that is none of ours.
    ("wsinv", Answer(481), Same),
    ("intmeth", Answer(501), Same),
    ("esc01", Call, Same),
    ("escnull", Answer(401), Same),
    ("esc02", Answer(501), Same),
    ("lwsdisp", Answer(200), Same),
    ("longreq", Call, Same),
    ("dblreq", Answer(401), Broken),
    ("semiuri", Answer(200), Same),
    ("transports", Answer(200), Same),
    ("mpart01", Answer(405), Same),
    ("unreason", Nothing, Same),
    ("noreason", Nothing, Same),
    ("badinv01", Answer(400), Same),
    ("clerr", Answer(400), Waits),
    ("ncl", Answer(400), Closed),
    ("scalar02", Answer(400), Same),
    ("scalarlg", Nothing, Same),
    ("quotbal", Answer(400), Same),
    ("ltgtruri", Answer(400), Same),
    ("lwsruri", Answer(400), Same),
    ("lwsstart", Answer(400), Same),
    ("trws", Answer(400), Same),
    ("escruri", Answer(400), Same),
    ("baddate", Call, Same),
    ("regbadct", Answer(400), Same),
    ("badaspec", Answer(400), Same),
    ("baddn", Answer(400), Waits),
    ("badvers", Answer(505), Same),
    ("mismatch01", Answer(400), Same),
    ("mismatch02", Answer(400), Same),
    ("bigcode", Nothing, Same),
    ("badbranch", Answer(200), Same),
    ("insuf", Answer(400), Same),
    ("unkscm", Answer(416), Same),
    ("novelsc", Answer(416), Same),
    ("unksm2", Answer(400), Same),
    ("bext01", Answer(420), Same),
    ("invut", Answer(415), Same),
    ("regaut01", Answer(401), Same),
    ("multi01", Answer(400), Same),
    ("mcl01", Answer(400), Closed),
    ("bcast", Nothing, Same),
    ("zeromf", Answer(200), Same),
    ("cparam01", Answer(401), Same),
    ("cparam02", Answer(401), Same),
    ("regescrt", Answer(401), Same),
    ("sdp01", Answer(406), Same),
    ("inv2543", Call, Closed),
];

#[test]
fn the_messages_of_rfc_4475_as_datagrams_leave_the_server_serving() {
    let Some(folder) = corpus() else { return };
    let site = Site::start("torture-udp", &[]);
    for (index, &(name, comes, _)) in MESSAGES.iter().enumerate() {
        let raw = message(&folder, name);
        let mut line = Datagrams::at(index, if name == "quotbal" { 5050 } else { 5060 }, site.deployment.sip);
        line.send(&raw);
        check(name, comes, index, &mut line);
    }
    site.deployment.stop();
}

/// A frame is a message, as a datagram is.
#[test]
fn the_messages_of_rfc_4475_by_websocket_leave_the_server_serving() {
    let Some(folder) = corpus() else { return };
    let authority = Authority::new();
    let by_websocket = "}, websocket: {listen: \"127.0.0.1:0\"";
    let site = secured::serve_with("torture-ws", &authority, by_websocket, "", PHONES);
    let at = site.deployment.listening.ws.expect("it is spoken");
    for (index, &(name, comes, _)) in MESSAGES.iter().enumerate() {
        let mut line = Frames(websocket::connect(websocket::reach(at)));
        line.send(&message(&folder, name));
        check(name, comes, index, &mut line);
    }
    site.deployment.stop();
}

/// Those of RFC 5118, with bodies as long as they say.
const IPV6: &[(&str, Comes)] = &[
    ("rfc5118/ipv6-good", Taken),
    ("rfc5118/ipv6-bad", Answer(400)),
    ("rfc5118/port-ambiguous", Taken),
    ("rfc5118/port-unambiguous", Taken),
    ("rfc5118/via-received-param-with-delim", Taken),
    ("rfc5118/via-received-param-no-delim", Taken),
    ("rfc5118/mult-ip-in-header", Taken),
    ("rfc5118/ipv6-bug-abnf-3-colons", Taken),
    ("rfc5118/ipv6-correct-abnf-2-colons", Taken),
    ("rfc5118-fixedlen/ipv6-in-sdp", Taken),
    ("rfc5118-fixedlen/mult-ip-in-sdp", Taken),
    ("rfc5118-fixedlen/ipv4-mapped-ipv6", Taken),
];

/// Registrations are challenged.
const PHONES: &str = "phones: {from: [127.0.0.0/8]}\n";

/// How a message is put into a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    Whole,
    Bytes,
    /// In one piece with what is sent next.
    Glued,
}

#[test]
fn the_messages_of_rfc_4475_by_streams_leave_the_server_serving() {
    let Some(folder) = corpus() else { return };
    // A site each: what has come once is a repetition over another way.
    for cut in [Cut::Whole, Cut::Bytes, Cut::Glued] {
        let site = Site::start("torture-tcp", &[]);
        all_by_streams(&folder, cut, |cut| Connection::to(site.deployment.sip, cut));
        site.deployment.stop();
    }
}

#[test]
fn the_messages_of_rfc_4475_over_tls_leave_the_server_serving() {
    let Some(folder) = corpus() else { return };
    let authority = Authority::new();
    // Below TLS a stream is a stream, whatever its records hold.
    for cut in [Cut::Whole, Cut::Glued] {
        let site = secured::serve_with("torture-tls", &authority, "", "", PHONES);
        all_by_streams(&folder, cut, |cut| Connection::over_tls(&site, &authority, cut));
        site.deployment.stop();
    }
}

fn all_by_streams(folder: &std::path::Path, cut: Cut, connect: impl Fn(Cut) -> Connection) {
    for (index, &(name, comes, stream)) in MESSAGES.iter().enumerate() {
        // What a stream makes of those is the same, whatever is behind them.
        if cut == Cut::Glued && stream != Same {
            continue;
        }
        let raw = message(folder, name);
        let mut line = connect(cut);
        line.send(&raw);
        let name = &format!("{name}, {cut:?}");
        match stream {
            Same => check(name, comes, index, &mut line),
            Closed => {
                assert_eq!(line.final_status().map(|(status, _)| status), Some(400), "{name}");
                assert!(line.final_status().is_none() && line.closed, "{name}: closed");
            }
            Broken => {
                // The INVITE behind it describes media that nobody can read, and may be refused before the registrar answers.
                while let Some((status, answer)) = line.final_status() {
                    let expected =
                        if answer.contains("\r\nCSeq: 8 INVITE\r\n") { Answer(400) } else { comes };
                    assert_eq!(Answer(status), expected, "{name}: {answer}");
                }
            }
            Waits => {}
        }
        let mut other = connect(Cut::Whole);
        check("another connection", Nothing, index + 100, &mut other);
    }
}

#[test]
fn the_messages_of_rfc_5118_are_answered_by_datagrams_by_streams_and_over_tls() {
    let Some(folder) = corpus() else { return };
    let folder = folder.parent().expect("the corpus").to_owned();
    let authority = Authority::new();
    let site = secured::serve_with("torture-ipv6", &authority, "", "", PHONES);
    for (index, &(name, comes)) in IPV6.iter().enumerate() {
        let raw = message(&folder, name);
        // What has come once is a repetition over another way, unless its transaction has another name.
        let again = |turn: usize| {
            let text = String::from_utf8_lossy(&raw).replace("z9hG4bK", &format!("z9hG4bK{turn}"));
            text.replace("Call-ID: ", &format!("Call-ID: {turn}")).into_bytes()
        };
        let mut line = Datagrams::at(index + 60, 5060, site.deployment.sip);
        line.send(&raw);
        // The answer may go to a port that Via names, and somebody else has.
        check(name, Maybe, index, &mut line);
        for (turn, cut) in [Cut::Whole, Cut::Bytes, Cut::Glued].into_iter().enumerate() {
            let mut plain = Connection::to(site.deployment.sip, cut);
            plain.send(&again(turn));
            check(name, comes, 200 + index, &mut plain);
            let mut secure = Connection::over_tls(&site, &authority, cut);
            secure.send(&again(turn + 10));
            check(name, comes, 300 + index, &mut secure);
        }
    }
    site.deployment.stop();
}

/// Checks what comes for a message, and that an OPTIONS behind it is answered.
fn check(name: &str, comes: Comes, index: usize, line: &mut impl Line) {
    let call_id = format!("alive-{index}");
    line.send(options(&call_id, line.port()).as_bytes());
    let (mut alive, mut came) = (false, matches!(comes, Nothing | Maybe));
    while !(alive && came) {
        let (status, text) =
            line.final_status().unwrap_or_else(|| panic!("{name}: no answer, or dead after it"));
        if text.contains(&call_id) {
            assert_eq!(status, 200, "after {name}");
            alive = true;
            continue;
        }
        // What comes twice is a call that nobody acknowledges.
        match comes {
            Nothing => panic!("{name} was answered {status}"),
            Answer(expected) => assert_eq!(status, expected, "{name}"),
            // `bank` is not what they dial, and their media addresses are nobody's: the call runs all the same.
            Call => assert!([200, 488].contains(&status), "{name}: {status}"),
            Taken => assert_ne!(status, 400, "{name}"),
            Maybe => {}
        }
        came = true;
    }
}

fn options(call_id: &str, port: u16) -> String {
    format!(
        "OPTIONS sip:bank@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call_id};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:test@127.0.0.1>;tag=1\r\nTo: <sip:bank@127.0.0.1>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A way to the server.
trait Line {
    fn send(&mut self, raw: &[u8]);
    /// The next final answer, or `None` when nothing more comes.
    fn final_status(&mut self) -> Option<(u16, String)>;
    fn port(&self) -> u16;
}

struct Datagrams {
    socket: UdpSocket,
    port: u16,
}

impl Datagrams {
    fn at(index: usize, port: u16, server: SocketAddr) -> Self {
        // 127.0.0.0/8 is all ours. The process number keeps two runs of the tests apart, the message's what
        // is sent again for an earlier call.
        let [_, _, _, low] = std::process::id().to_be_bytes();
        let last = u8::try_from(index + 1).expect("few messages");
        let own = SocketAddr::new(IpAddr::from([127, 101, low, last]), port);
        let socket = UdpSocket::bind(own).unwrap_or_else(|error| panic!("{own}: {error}"));
        socket.connect(server).expect("loopback");
        socket.set_read_timeout(Some(SOON)).expect("a timeout");
        Self { socket, port }
    }
}

impl Line for Datagrams {
    fn send(&mut self, raw: &[u8]) {
        self.socket.send(raw).expect("sent");
    }

    fn final_status(&mut self) -> Option<(u16, String)> {
        let mut buffer = vec![0; 65_536];
        loop {
            let length = self.socket.recv(&mut buffer).ok()?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if let Some(status) = final_status_of(&text) {
                return Some((status, text));
            }
        }
    }

    fn port(&self) -> u16 {
        self.port
    }
}

struct Frames(WebSocket<TcpStream>);

impl Line for Frames {
    fn send(&mut self, raw: &[u8]) {
        self.0.send(Message::binary(raw.to_vec())).expect("sent");
    }

    fn final_status(&mut self) -> Option<(u16, String)> {
        loop {
            let text = websocket::next(&mut self.0)?;
            if let Some(status) = final_status_of(&text) {
                return Some((status, text));
            }
        }
    }

    fn port(&self) -> u16 {
        self.0.get_ref().local_addr().expect("an address").port()
    }
}

/// Both ends of a stream.
trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

struct Connection {
    stream: Box<dyn Duplex>,
    port: u16,
    cut: Cut,
    /// To be sent in one piece with the next.
    held: Vec<u8>,
    received: Vec<u8>,
    closed: bool,
}

impl Connection {
    fn to(server: SocketAddr, cut: Cut) -> Self {
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(5)).expect("connected");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        stream.set_nodelay(true).expect("each byte by itself");
        let port = stream.local_addr().expect("an address").port();
        Self { stream: Box::new(stream), port, cut, held: Vec::new(), received: Vec::new(), closed: false }
    }

    fn over_tls(site: &Site, authority: &Authority, cut: Cut) -> Self {
        let stream = secured::connect(site, authority, None).expect("a connection");
        stream.sock.set_nodelay(true).expect("each record by itself");
        let port = stream.sock.local_addr().expect("an address").port();
        Self { stream: Box::new(stream), port, cut, held: Vec::new(), received: Vec::new(), closed: false }
    }

    /// The next whole message: head, blank line, as many bytes as it announces.
    fn whole(&mut self) -> Option<String> {
        let end = self.received.windows(4).position(|run| run == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().expect("a number"));
        if self.received.len() < end + length {
            return None;
        }
        self.received.drain(..end + length);
        Some(head)
    }
}

impl Line for Connection {
    fn send(&mut self, raw: &[u8]) {
        // The other end may have heard enough, and closed.
        let write = |stream: &mut Box<dyn Duplex>, bytes: &[u8]| {
            stream.write_all(bytes).and_then(|()| stream.flush())
        };
        let _ = match self.cut {
            Cut::Whole => write(&mut self.stream, raw),
            Cut::Bytes => raw.chunks(1).try_for_each(|byte| write(&mut self.stream, byte)),
            Cut::Glued if self.held.is_empty() => {
                self.held = raw.to_vec();
                Ok(())
            }
            Cut::Glued => {
                let both = [std::mem::take(&mut self.held), raw.to_vec()].concat();
                write(&mut self.stream, &both)
            }
        };
    }

    fn final_status(&mut self) -> Option<(u16, String)> {
        let mut buffer = vec![0; 65_536];
        loop {
            while let Some(head) = self.whole() {
                if let Some(status) = final_status_of(&head) {
                    return Some((status, head));
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(length @ 1..) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                // Bytes of ours may be unread, and nobody says farewell in TLS.
                Ok(0) | Err(_) => {
                    self.closed = true;
                    return None;
                }
            }
        }
    }

    fn port(&self) -> u16 {
        self.port
    }
}

/// The status of a final answer; requests (a call that we never acknowledge is ended by BYE) are none.
fn final_status_of(text: &str) -> Option<u16> {
    let status = text.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()?;
    (status >= 200).then_some(status)
}

#[expect(clippy::print_stderr, reason = "a test that checked nothing says so")]
fn corpus() -> Option<PathBuf> {
    let Some(root) = std::env::var_os("COUNTERSIGN_CORPUS") else {
        eprintln!(
            "skipped: COUNTERSIGN_CORPUS is not set, and the torture messages are not part of this repository"
        );
        return None;
    };
    let folder = PathBuf::from(root).join("sip-torture/rfc4475");
    assert!(folder.is_dir(), "COUNTERSIGN_CORPUS is set, but {} is not there", folder.display());
    Some(folder)
}

fn message(folder: &std::path::Path, name: &str) -> Vec<u8> {
    let path = folder.join(name).with_extension("dat");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
