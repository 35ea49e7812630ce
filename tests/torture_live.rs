//! The 49 messages of RFC 4475 sent to a running server, by datagram and by stream; after each one the
//! server still serves. What each comes to is said and argued in `sip_torture.rs`; here is what that looks
//! like from outside.
//!
//! Answers without `rport` go to the port that Via names, so the telephone has that port, at a loopback
//! address of its own.

mod site;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use site::{SOON, Site};

/// What is to come for a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comes {
    /// A final answer of this status.
    Answer(u16),
    /// An INVITE that is let in: the flow takes it, or the media refuses its description.
    Call,
    /// Nothing.
    Nothing,
}

use Comes::{Answer, Call, Nothing};

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

#[test]
fn the_messages_of_rfc_4475_by_streams_leave_the_server_serving() {
    let Some(folder) = corpus() else { return };
    let site = Site::start("torture-tcp", &[]);
    for (index, &(name, comes, stream)) in MESSAGES.iter().enumerate() {
        let raw = message(&folder, name);
        let mut line = Connection::to(site.deployment.sip);
        line.send(&raw);
        match stream {
            Same => check(name, comes, index, &mut line),
            Closed => {
                assert_eq!(line.final_status().map(|(status, _)| status), Some(400), "{name}");
                assert_eq!(line.final_status(), None, "{name}: closed");
            }
            Broken => {
                while let Some((status, _)) = line.final_status() {
                    assert_eq!(Answer(status), comes, "{name}");
                }
            }
            Waits => {}
        }
        let mut other = Connection::to(site.deployment.sip);
        check("another connection", Nothing, index + 100, &mut other);
    }
    site.deployment.stop();
}

/// Checks what comes for a message, and that an OPTIONS behind it is answered.
fn check(name: &str, comes: Comes, index: usize, line: &mut impl Line) {
    if comes != Nothing {
        let (status, _) = line.final_status().unwrap_or_else(|| panic!("{name}: no answer"));
        match comes {
            Answer(expected) => assert_eq!(status, expected, "{name}"),
            // `bank` is not what they dial, and their media addresses are nobody's: the call runs all the same.
            _ => assert!([200, 488].contains(&status), "{name}: {status}"),
        }
    }
    let call_id = format!("alive-{index}");
    line.send(options(&call_id, line.port()).as_bytes());
    loop {
        let (status, text) = line.final_status().unwrap_or_else(|| panic!("dead after {name}"));
        if text.contains(&call_id) {
            assert_eq!(status, 200, "after {name}");
            return;
        }
        // What comes twice is a call that nobody acknowledges; anything else must have been expected.
        assert!(comes != Nothing, "{name} was answered {status}");
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

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    fn to(server: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(5)).expect("connected");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        Self { stream, received: Vec::new() }
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
        self.stream.write_all(raw).expect("sent");
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
                Ok(0) => return None,
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                // Closed with bytes of ours unread.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("neither an answer nor closed: {error}"),
            }
        }
    }

    fn port(&self) -> u16 {
        self.stream.local_addr().expect("an address").port()
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
