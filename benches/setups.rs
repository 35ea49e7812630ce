//! How many calls a second one shard sets up on one core, and what is left of that when ten times as many are offered as
//! it can set up all of, while calls that run go on. `cargo bench --bench setups`; numbers behind `--` are the rates to try in place of the usual.
//!
//! Each caller sends an INVITE, acknowledges what comes, and hangs up once it is answered: three requests, two sockets
//! for media and one call record a call. A call counts as set up when its 200 comes within half a second of its first
//! INVITE; nobody sends an INVITE twice. Measured on two virtual cores of an EPYC: of 3,000 a second all were set up, at most
//! 3,115 to 4,772 a second, and of ten times as many 87 to 94 % of the most. `docs/operating.md` has the table.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock, waits and starts threads")]

mod served;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use countersign::load::{self, Plan, Report};
use served::{OWN_CORE, Server, pin};

const RATES: [u32; 6] = [500, 1000, 2000, 3000, 4000, 5000];
const TIME: Duration = Duration::from_secs(5);
/// A caller whose side waits longer than T1 of RFC 3261 asks again.
const IN_TIME: Duration = Duration::from_millis(500);
const SETTINGS: &str = "trunks: [{name: local, addresses: [127.0.0.0/8]}]\nlimits: {calls: 10000}\n";
/// Calls that run meanwhile.
const RUNNING: usize = 50;

fn main() {
    pin(OWN_CORE);
    let chosen: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let rates = if chosen.is_empty() { RATES.to_vec() } else { chosen };
    let server = Server::start("setups", SETTINGS, None);
    println!("offered/s  set up/s  refused/s  silent %  to 200 p50/p99 ms  server busy %");
    let mut peak = 0.0_f64;
    let mut held = 0;
    for rate in rates {
        std::thread::sleep(Duration::from_secs(1));
        let burst = burst(&server, rate);
        burst.print();
        peak = peak.max(burst.good());
        if burst.is_held() {
            held = rate;
        }
    }
    println!("peak: {peak:.0} set-ups a second; of {held} offered nearly all were set up");
    let before = running(&server, |_| ());
    let during = running(&server, |server| {
        let burst = burst(server, held.saturating_mul(10));
        burst.print();
        println!("ten times as many: {:.0} % of the peak", burst.good() / peak * 100.0);
    });
    for (when, report) in [("alone", before), ("during it", during)] {
        println!(
            "{RUNNING} running calls {when}: {} cut, received {:.2} % (least {:.2} %), lost {}, gap deviation p99 {:.1} ms, most {:.1} ms",
            report.cut,
            report.received_percent,
            report.least_percent,
            report.lost,
            report.gap_deviation.p99,
            report.gap_deviation.max,
        );
    }
}

/// What calls meet that run while something happens.
fn running(server: &Server, meanwhile: impl FnOnce(&Server)) -> Report {
    let usual = Plan::new(&format!("sip:bench@{}", server.address), RUNNING);
    let plan = Plan {
        per_second: 50,
        hold: TIME + Duration::from_secs(2),
        keys: "1234".chars().filter_map(countersign::units::Digit::from_char).collect(),
        ..usual
    };
    std::thread::scope(|scope| {
        let crowd = scope.spawn(|| load::run(&plan).expect("a crowd"));
        // All are up then.
        std::thread::sleep(Duration::from_secs(2));
        meanwhile(server);
        crowd.join().expect("a report")
    })
}

/// What came of calls at one rate.
struct Burst {
    offered: u32,
    seconds: f64,
    sent: usize,
    refused: usize,
    /// From INVITE to 200, of calls that were set up in time.
    waits: Vec<Duration>,
    busy_percent: f64,
}

impl Burst {
    /// Whether all were set up but one in a thousand.
    const fn is_held(&self) -> bool {
        (self.sent - self.waits.len()) * 1000 <= self.sent
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of calls")]
    fn good(&self) -> f64 {
        self.waits.len() as f64 / self.seconds
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of calls")]
    fn print(&self) {
        let part = |of: usize| {
            let wait = self.waits.get((self.waits.len() * of / 100).min(self.waits.len().saturating_sub(1)));
            wait.map_or(f64::NAN, |wait| wait.as_secs_f64() * 1000.0)
        };
        let silent = self.sent.saturating_sub(self.refused + self.waits.len());
        println!(
            "{:9}  {:8.0}  {:9.0}  {:8.2}  {:8.1} / {:<7.1}  {:8.0}",
            self.offered,
            self.good(),
            self.refused as f64 / self.seconds,
            silent as f64 / self.sent.max(1) as f64 * 100.0,
            part(50),
            part(99),
            self.busy_percent,
        );
    }
}

/// Calls at a rate, for [`TIME`]; what comes in the half second after it counts for those that were sent in it.
fn burst(server: &Server, rate: u32) -> Burst {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server.address).expect("connected");
    socket.set_nonblocking(true).expect("nonblocking");
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(16 << 20);
    let mut callers = Callers::new(&socket, server.address);
    let (start, used) = (Instant::now(), processor(server));
    let mut busy_percent = None;
    while start.elapsed() < TIME + IN_TIME {
        let now = start.elapsed();
        let mut behind = false;
        if now < TIME {
            let due = usize::try_from(u128::from(rate) * now.as_micros() / 1_000_000).unwrap_or(usize::MAX);
            let missing = due.saturating_sub(callers.sent.len());
            behind = missing > AT_ONCE;
            (0..missing.min(AT_ONCE)).for_each(|_| callers.invite());
        } else if busy_percent.is_none() {
            let used = processor(server).saturating_sub(used);
            busy_percent = Some(used.as_secs_f64() / now.as_secs_f64() * 100.0);
        }
        if !callers.read() && !behind {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    // Whoever is still waiting is gone with its socket; the server hangs up by itself.
    let Callers { sent, refused, mut waits, .. } = callers;
    waits.sort_unstable();
    Burst {
        offered: rate,
        seconds: TIME.as_secs_f64(),
        sent: sent.len(),
        refused,
        waits,
        busy_percent: busy_percent.unwrap_or_default(),
    }
}

/// INVITEs before answers are read.
const AT_ONCE: usize = 64;

/// The processor time of the server.
fn processor(server: &Server) -> Duration {
    load::Process(server.child.id()).usage().unwrap_or_default().processor
}

/// Callers on one socket, each known by the number in its Call-ID.
struct Callers<'a> {
    socket: &'a UdpSocket,
    own: SocketAddr,
    to: SocketAddr,
    sent: Vec<Option<Instant>>,
    refused: usize,
    waits: Vec<Duration>,
}

impl<'a> Callers<'a> {
    fn new(socket: &'a UdpSocket, to: SocketAddr) -> Self {
        let own = socket.local_addr().expect("an address");
        Self { socket, own, to, sent: Vec::new(), refused: 0, waits: Vec::new() }
    }

    /// `branch` tells transactions of a call apart.
    fn request(&self, method: &str, branch: char, number: usize, to_tag: &str, body: &str) -> String {
        let Self { own, to, .. } = self;
        // The port of the burst is in all of its names.
        let (name, cseq) = (own.port(), if method == "BYE" { 2 } else { 1 });
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:setup@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK{branch}{name}.{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:+441632960{:03}@{own}>;tag={number}\r\nTo: <sip:setup@{to}>{to_tag}\r\nCall-ID: {number}.{name}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:setup@{own}>\r\n{content}Content-Length: {}\r\n\r\n{body}",
            number % 1000,
            body.len()
        )
    }

    fn invite(&mut self) {
        let number = self.sent.len();
        // The ports are nobody's: what is played goes nowhere.
        let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8 101\r\n\
                    a=rtpmap:101 telephone-event/8000\r\n";
        let request = self.request("INVITE", 'i', number, "", body);
        let taken = self.socket.send(request.as_bytes()).is_ok();
        self.sent.push(taken.then(Instant::now));
    }

    /// Reads what is there, a bounded part of it; whether there was any.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        for read in 0..256 {
            let Ok(length) = self.socket.recv(&mut buffer) else { return read > 0 };
            self.answered(&String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()));
        }
        true
    }

    fn answered(&mut self, text: &str) {
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let is_invite = line("CSeq: ").is_some_and(|value| value.ends_with("INVITE"));
        let number = line("Call-ID: ").and_then(|value| value.split('.').next()?.parse().ok());
        let (Some(number), true) = (number, is_invite) else { return };
        let tag = line("To: ").and_then(|value| Some(format!(";tag={}", value.split_once(";tag=")?.1)));
        let tag = tag.unwrap_or_default();
        let status = text.get(8..11).unwrap_or_default();
        if status.starts_with('1') {
            return;
        }
        // The ACK of a refusal belongs to the INVITE's transaction, that of a 200 to none (RFC 3261 §17.1.1.3, §13.2.2.4).
        let branch = if status == "200" { 'a' } else { 'i' };
        let _ = self.socket.send(self.request("ACK", branch, number, &tag, "").as_bytes());
        let waited = self.sent.get_mut(number).and_then(Option::take).map(|sent| sent.elapsed());
        if status == "200" {
            self.waits.extend(waited.filter(|waited| *waited <= IN_TIME));
            let _ = self.socket.send(self.request("BYE", 'b', number, &tag, "").as_bytes());
        } else {
            self.refused += usize::from(waited.is_some());
        }
    }
}
