//! What one packet costs: out of a session that plays a prompt or silence, and into one that listens or does
//! not. Prints nanoseconds a packet; `cargo bench --bench media_tick`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::audio::Clip;
use countersign::media::sdp::answer;
use countersign::media::{Input, LocalMedia, MediaConfig, MediaSession, Output};
use countersign::units::{Entropy, Epoch, PlayId, UnixTime};

const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const SESSIONS: usize = 200;
const TICKS: u32 = 1000;
const TICK: Duration = Duration::from_millis(20);

fn main() {
    println!("{SESSIONS} sessions, {TICKS} ticks of 20 ms each");
    outgoing("out, prompt from a kept encoding", true);
    outgoing("out, silence", false);
    incoming("in, and silence out; nobody listens", false);
    incoming("in, and silence out; jitter buffer, frame", true);
    println!("a session takes {} octets of its own", size_of::<MediaSession>());
}

fn sessions(now: Instant) -> Vec<MediaSession> {
    let mut entropy = Entropy::from_seed([1; 32]);
    let epoch = Epoch { instant: now, unix: UnixTime(0) };
    let local = LocalMedia::new(SocketAddr::from(([192, 0, 2, 1], 4000)), 1);
    let Ok(negotiated) = answer(OFFER, &local) else { return Vec::new() };
    let connected = |_| {
        let mut session = MediaSession::new(now, MediaConfig::from_entropy(&mut entropy, epoch));
        session.connect(now, &negotiated.remote);
        session
    };
    (0..SESSIONS).map(connected).collect()
}

fn drain(session: &mut MediaSession) -> u32 {
    let mut outputs = 0;
    loop {
        match black_box(session.poll()) {
            Output::Timeout(_) => return outputs,
            Output::Rtp { .. } | Output::Frame(_) => outputs += 1,
            Output::Rtcp { .. } | Output::Event(_) | Output::Said(_) | Output::Heard(_) => {}
        }
    }
}

fn outgoing(name: &str, playing: bool) {
    let start = Instant::now();
    let mut sessions = sessions(start);
    let clip = Arc::new(Clip::from_pcm(&[1000; 80_000]));
    if playing {
        for session in &mut sessions {
            session.play(start, PlayId(1), vec![clip.clone()], true);
        }
    }
    let (began, mut packets) = (Instant::now(), 0);
    for tick in 0..TICKS {
        for session in &mut sessions {
            session.handle(start + TICK * tick, Input::Timeout);
            packets += drain(session);
        }
    }
    report(name, began.elapsed(), packets);
}

fn incoming(name: &str, listening: bool) {
    let start = Instant::now();
    let mut sessions = sessions(start);
    for session in &mut sessions {
        session.listen(listening);
    }
    let from = SocketAddr::from(([198, 51, 100, 1], 4000));
    let mut datagram = [0xD5_u8; 172];
    datagram[..2].copy_from_slice(&[0x80, 8]);
    datagram[8..12].copy_from_slice(&[1, 2, 3, 4]);
    let (began, mut packets) = (Instant::now(), 0);
    for tick in 0..TICKS {
        let seq = u16::try_from(tick).unwrap_or(0);
        datagram[2..4].copy_from_slice(&seq.to_be_bytes());
        datagram[4..8].copy_from_slice(&(tick * 160).to_be_bytes());
        for session in &mut sessions {
            let now = start + TICK * tick;
            session.handle(now, Input::Rtp { came: now, from, bytes: black_box(&datagram) });
            drain(session);
            packets += 1;
        }
    }
    report(name, began.elapsed(), packets);
}

fn report(name: &str, took: Duration, packets: u32) {
    let each = took.as_nanos().checked_div(packets.into()).unwrap_or(0);
    println!("{name:40} {each:6} ns a packet ({packets} packets)");
}
