//! Packet loops that do nothing but move packets at a pace of their own: what the sockets of this machine allow, for
//! an engine's figures to stand beside. Each flow gets a packet each 20 ms and sends one each 20 ms.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign::driver::datagrams::{Inbox, Outbox, Way};

/// How the loop's flows reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sockets {
    /// Each has a socket, watched by nobody and looked at before its packet is sent.
    Each,
    /// All share one.
    Shared,
}

/// What a loop used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) processor: Duration,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// A loop that runs.
pub(crate) struct Bare {
    /// Where each flow sends to.
    pub(crate) targets: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Used>,
}

const TICK: Duration = Duration::from_millis(1);
const TICKS: usize = 20;
const PACKET: [u8; 172] = packet();

/// A packet of silence, with payload type 8.
const fn packet() -> [u8; 172] {
    let mut packet = [0xD5; 172];
    packet[0] = 0x80;
    packet[1] = 8;
    packet
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
    socket.set_nonblocking(true).expect("a socket that does not wait");
    socket
}

impl Bare {
    /// Starts a loop for so many flows on a core. A flow's peer is whoever sent to it last.
    pub(crate) fn start(sockets: Sockets, flows: usize, core: usize) -> Self {
        let (stop, all) =
            (Arc::new(AtomicBool::new(false)), if sockets == Sockets::Each { flows } else { 1 });
        let sockets: Vec<UdpSocket> = (0..all).map(|_| socket()).collect();
        for shared in sockets.iter().filter(|_| all == 1) {
            let _ = socket2::SockRef::from(shared).set_recv_buffer_size(4 << 20);
        }
        let targets: Vec<SocketAddr> =
            (0..flows).map(|flow| sockets[flow % all].local_addr().expect("bound")).collect();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("bare".to_owned());
        let run = move || {
            super::pin(core);
            if all == 1 && flows > 1 {
                shared(&sockets[0], flows, &stopped)
            } else {
                each(&sockets, &stopped)
            }
        };
        Self { targets, stop, thread: thread.spawn(run).expect("a thread") }
    }

    pub(crate) fn stop(self) -> Used {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the loop ends well")
    }
}

/// Calls `tick` each millisecond.
fn paced(stop: &AtomicBool, mut tick: impl FnMut(usize)) {
    let start = Instant::now();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let due = start + TICK * u32::try_from(number).expect("an hour is less");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        tick(number % TICKS);
    }
}

fn each(sockets: &[UdpSocket], stop: &AtomicBool) -> Used {
    let mut inbox = Inbox::new(Way::best(), 4, 256);
    let (mut used, mut peers) = (Used::default(), vec![None; sockets.len()]);
    paced(stop, |tick| {
        for (socket, peer) in sockets.iter().zip(&mut peers).skip(tick).step_by(TICKS) {
            let count = inbox.receive(socket).unwrap_or(0);
            used.received += count as u64;
            if let Some((arrival, _)) = count.checked_sub(1).and_then(|last| inbox.datagram(last)) {
                *peer = Some(arrival.from);
            }
            if let Some(peer) = *peer {
                used.sent += u64::from(socket.send_to(&PACKET, peer).is_ok());
            }
        }
    });
    Used { processor: super::own_time(), ..used }
}

fn shared(socket: &UdpSocket, flows: usize, stop: &AtomicBool) -> Used {
    let mut inbox = Inbox::new(Way::best(), 256, 256);
    let mut outbox = Outbox::new(Way::best(), 256, 256);
    let mut used = Used::default();
    // Who sends; with twenty sockets on the other side each is the peer of a twentieth of the flows.
    let mut peers: Vec<SocketAddr> = Vec::new();
    paced(stop, |tick| {
        if let Some(&peer) = peers.get(tick) {
            for _ in (tick..flows).step_by(TICKS) {
                outbox.push(peer, &PACKET);
                if outbox.is_full() {
                    used.sent += outbox.send(socket).taken;
                }
            }
            used.sent += outbox.send(socket).taken;
        }
        while let Ok(count) = inbox.receive(socket) {
            used.received += count as u64;
            for from in
                (0..count).filter_map(|number| inbox.datagram(number)).map(|(arrival, _)| arrival.from)
            {
                if peers.len() < TICKS && !peers.contains(&from) {
                    peers.push(from);
                }
            }
            if count < inbox.places() {
                break;
            }
        }
    });
    Used { processor: super::own_time(), ..used }
}
