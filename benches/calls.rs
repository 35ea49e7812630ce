//! How many calls one shard holds and what a call costs, over real sockets of loopback; next to it a bare loop
//! that echoes packets between as many sockets, which is what the sockets alone cost in the same minute on the
//! same machine. `cargo bench --bench calls`.
//!
//! A crowd is held when at least 99 % of what was due arrived, nothing was lost, no call was cut, and the gaps
//! between packets deviate from 20 ms by less than 20 ms in 99 % of cases.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock, waits and starts threads")]

#[path = "../tests/crowd/mod.rs"]
mod crowd;

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::sip::timers::TimerConfig;
use crowd::{Bank, Figures, Plan, crowds_phone, gather, processor_times};
use mio::{Events, Interest, Poll, Token};

const CROWDS: [usize; 5] = [1, 100, 250, 500, 1000];
const HOLD: Duration = Duration::from_secs(10);
const FLOWS: usize = 500;

fn main() {
    let bare = echo();
    println!("bare echo, a socket a flow  {FLOWS:5} flows: {:6.0} ns a packet", bare);
    let mut held = 0;
    for calls in CROWDS {
        let figures = hold(calls);
        let clean = is_held(&figures, calls);
        show(&figures, calls, clean);
        if clean {
            held = calls;
        }
    }
    println!("held on one shard: {held} calls (of the sizes tried)");
}

fn hold(calls: usize) -> Figures {
    let bank = Bank::open("bench", 46_000..=52_999, Vec::new(), TimerConfig::default());
    let mut phone = crowds_phone("load", 53_000..=57_999);
    gather(&bank, &mut phone, &Plan { calls, per_second: 200, hold: HOLD })
}

fn is_held(figures: &Figures, calls: usize) -> bool {
    figures.answered == calls
        && figures.cut == 0
        && figures.lost == 0
        && figures.received * 100 >= figures.due * 99
        && figures.deviation[1] < Duration::from_millis(20)
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^53")]
fn show(figures: &Figures, calls: usize, clean: bool) {
    let shard = figures.busy("shard-0");
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "{calls:5} calls: {:6.1} µs a call and second, {:6.0} ns a packet; gaps p50 {:5.2} ms, p99 {:5.2} ms; \
         {:5.1} % received, {} lost; set-up p99 {:.1} ms; shard busy {:3.0} %, callers' phone {:3.0} %{}",
        micros(shard) / figures.call_seconds,
        micros(shard) * 1000.0 / figures.packets.max(1) as f64,
        micros(figures.deviation[0]) / 1000.0,
        micros(figures.deviation[1]) / 1000.0,
        figures.received as f64 * 100.0 / figures.due.max(1) as f64,
        figures.lost,
        micros(figures.set_up(990)) / 1000.0,
        shard.as_secs_f64() * 100.0 / figures.over.as_secs_f64(),
        figures.phone_busy() * 100.0,
        if clean { "" } else { "  NOT HELD" },
    );
}

/// Processor nanoseconds that a bare loop of epoll, receive and send takes for each packet, received or sent.
#[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^53")]
fn echo() -> f64 {
    let socket = || {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
        socket.set_nonblocking(true).expect("a socket that does not wait");
        socket
    };
    let (served, callers): (Vec<UdpSocket>, Vec<UdpSocket>) =
        (0..FLOWS).map(|_| (socket(), socket())).unzip();
    for (caller, served) in callers.iter().zip(&served) {
        caller.connect(served.local_addr().expect("bound")).expect("a way there");
    }
    let (stop, packets) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&packets));
    let server = std::thread::Builder::new().name("bare-echo".to_owned());
    let server = server.spawn(move || serve(served, &stopped, &counted)).expect("a thread");
    let time = || processor_times().get("bare-echo").copied().unwrap_or_default();
    let busy = pace(&callers, time);
    let each = busy.as_secs_f64() * 1e9 / packets.load(Ordering::Relaxed).max(1) as f64;
    stop.store(true, Ordering::Relaxed);
    server.join().expect("the echo ends well");
    each
}

/// Every flow sends a packet each 20 ms for some seconds, the flows spread over them.
fn pace(callers: &[UdpSocket], busy: impl Fn() -> Duration) -> Duration {
    let (mut buffer, packet) = ([0_u8; 256], [0xD5_u8; 172]);
    let (start, before) = (Instant::now(), busy());
    for tick in 0..HOLD.as_millis() / 2 {
        let tick = u32::try_from(tick).unwrap_or(0);
        let at = start + Duration::from_millis(1) * tick;
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        for caller in callers.iter().skip(usize::try_from(tick % 20).unwrap_or(0)).step_by(20) {
            while caller.recv(&mut buffer).is_ok() {}
            let _ = caller.send(&packet);
        }
    }
    busy() - before
}

fn serve(sockets: Vec<UdpSocket>, stop: &AtomicBool, packets: &AtomicU64) {
    let mut poll = Poll::new().expect("a poll");
    let mut sockets: Vec<_> = sockets.into_iter().map(mio::net::UdpSocket::from_std).collect();
    for (number, socket) in sockets.iter_mut().enumerate() {
        poll.registry().register(socket, Token(number), Interest::READABLE).expect("a watch");
    }
    let (mut events, mut buffer) = (Events::with_capacity(1024), [0_u8; 2048]);
    while !stop.load(Ordering::Relaxed) {
        let _ = poll.poll(&mut events, Some(Duration::from_millis(100)));
        for event in &events {
            let Some(socket) = sockets.get(event.token().0) else { continue };
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..length], from);
                packets.fetch_add(2, Ordering::Relaxed);
            }
        }
    }
}
