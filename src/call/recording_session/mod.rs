//! The recording session of a call (RFC 7866): a SIP session of our own with a recording server, to which both sides of
//! the call are copied.
//!
//! ```text
//! two pairs of ports ─► INVITE with the metadata ─► 200 ─► copies, 20 ms of each side ─► BYE with the last metadata
//!                         │ refused, silent, no answer that fits: CANCEL or BYE, the next server
//!                         └ the call is over: CANCEL            └ BYE of the server: the next server
//! ```
//!
//! It hears what the [`Recorder`] kept, and nothing else: while that is hidden from a secret, what leaves is silence.

mod metadata;
mod orders;
mod server;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

pub(super) use self::metadata::Guest;
use self::metadata::{HEARD, SAID};
pub use self::server::{Health, RecordingPlace, RecordingPlan, RecordingServer};
use super::io::Output;
use super::recording::RecordingName;
use crate::media::recorder::Recorder;
use crate::media::sdp::recorded::{self, Accepted, RecordedLine};
use crate::media::sdp::{Direction, LocalMedia, SdpError};
use crate::media::{LocalSrtp, RecordedStream, SrtpPolicy};
use crate::sip::{Path, SessionId};
use crate::units::{Entropy, Epoch, LegSide, MediaAddress, MediaPort, UnixTime};

/// A recording session, from the search for ports to its end.
pub(super) struct RecordingSession {
    /// Which of the servers it is with.
    server: usize,
    path: Path,
    /// When it was begun.
    since: UnixTime,
    state: State,
}

/// What it is doing.
enum State {
    /// The ports are being opened: those for what the caller says may be there, so many are awaited.
    Opening { said: Option<MediaAddress>, awaited: u32 },
    /// The INVITE is being handed to the endpoint.
    Placing(Box<Copies>),
    /// The INVITE is out, and must be answered by then.
    Calling { session: SessionId, until: Instant, copies: Box<Copies> },
    /// The server records.
    Running(Box<Running>),
}

impl Default for State {
    fn default() -> Self {
        Self::Opening { said: None, awaited: 0 }
    }
}

/// A session whose server records.
struct Running {
    session: SessionId,
    copies: Box<Copies>,
    /// The recording in the record of the call; `None` when there is no room for one more.
    name: Option<RecordingName>,
    /// When the server answered.
    since: Instant,
    /// An offer of ours is not answered.
    offering: bool,
    /// Something has changed since that offer.
    changed: bool,
}

/// The two streams with their ports: what the caller says, what they hear.
struct Copies {
    ports: [MediaPort; 2],
    lines: [RecordedLine; 2],
    streams: [RecordedStream; 2],
    /// Nobody decided that voices may leave this machine in clear.
    stays_here: bool,
}

impl RecordingSession {
    /// The SIP session, once there is one.
    pub(super) fn session(&self) -> Option<SessionId> {
        match &self.state {
            State::Opening { .. } | State::Placing(_) => None,
            State::Calling { session, .. } => Some(*session),
            State::Running(running) => Some(running.session),
        }
    }

    /// When it wants to be woken.
    pub(super) fn due(&self, recorder: &Recorder) -> Option<Instant> {
        match &self.state {
            State::Opening { .. } | State::Placing(_) => None,
            State::Calling { until, .. } => Some(*until),
            State::Running(running) => {
                let reports = running.copies.streams.iter().filter_map(RecordedStream::report_due);
                reports.chain([recorder.copy_due()]).min()
            }
        }
    }

    /// Whether the server has let the time to answer pass.
    fn is_overdue(&self, now: Instant) -> bool {
        matches!(&self.state, State::Calling { until, .. } if *until <= now)
    }

    /// Sends what the recorder has for it.
    pub(super) fn send(
        &mut self,
        now: Instant,
        recorder: &mut Recorder,
        last: bool,
        out: &mut VecDeque<Output>,
    ) {
        let State::Running(running) = &mut self.state else { return };
        let copies = &mut *running.copies;
        for _ in 0..MOST_AT_ONCE {
            let Some(copied) = recorder.copy(now, last) else { break };
            let sides = [&copied.left, &copied.right];
            for ((stream, port), octets) in copies.streams.iter_mut().zip(copies.ports).zip(sides) {
                let packet = stream.packet(copied.at, octets);
                out.extend(packet.map(|(to, bytes)| Output::Rtp { port, to, bytes }));
            }
        }
        // After a stall the rest is left out; the timestamps say so.
        recorder.skip(now);
        let at = recorder.now(now);
        for (stream, port) in copies.streams.iter_mut().zip(copies.ports) {
            out.extend(stream.report(now, at).map(|report| rtcp(port, report)));
        }
    }

    /// Takes what the server reports of a stream.
    pub(super) fn report_came(&mut self, now: Instant, leg: LegSide, from: SocketAddr, bytes: &[u8]) {
        let State::Running(running) = &mut self.state else { return };
        let [said, heard] = &mut running.copies.streams;
        match leg {
            LegSide::Said => said.report_came(now, from, bytes),
            LegSide::Heard => heard.report_came(now, from, bytes),
            LegSide::A | LegSide::B | LegSide::Aside => {}
        }
    }
}

impl Copies {
    fn new(
        addresses: [MediaAddress; 2],
        (srtp, stays_here): (SrtpPolicy, bool),
        epoch: Epoch,
        entropy: &mut Entropy,
    ) -> Self {
        // RFC 8866 §5.2: a numeric session id; 63 bits, since some parsers keep it signed.
        let session_id = entropy.next_u64() >> 1;
        // RFC 7022 §4.2; both streams are of one source of time.
        let cname = entropy.hex(12);
        let mut stream = || RecordedStream::new(entropy, epoch, cname.clone());
        let streams = [stream(), stream()];
        let mut line = |address: &MediaAddress, label, stream: &RecordedStream| {
            let mut local = LocalMedia::new(address.rtp, session_id);
            local.direction = Direction::SendOnly;
            local.srtp = LocalSrtp::draw(srtp, entropy);
            RecordedLine { local, label, ssrc: stream.ssrc(), cname: cname.clone() }
        };
        let [[said, heard], [first, second]] =
            [[&addresses[0], &addresses[1]], [&addresses[0], &addresses[1]]];
        let lines = [line(said, SAID, &streams[0]), line(heard, HEARD, &streams[1])];
        Self { ports: [first.port, second.port], lines, streams, stays_here }
    }

    fn offer(&self) -> Bytes {
        recorded::offer(&self.lines)
    }

    /// Takes an answer; whether the server takes any stream.
    fn answered(&mut self, now: Instant, answer: &[u8]) -> Result<bool, SdpError> {
        let accepted = self.allowed(recorded::accept(answer, &self.lines)?)?;
        let takes = accepted.iter().any(Option::is_some);
        self.connect(now, accepted);
        Ok(takes)
    }

    /// Answers a later offer; one that can't be answered leaves no trace.
    fn answer(&mut self, now: Instant, offer: &[u8]) -> Result<Bytes, SdpError> {
        let mut lines = self.lines.clone();
        // RFC 3264 §8: the version counts up whenever the description differs.
        lines.iter_mut().for_each(|line| line.local.bump());
        let (body, accepted) = recorded::answer(offer, &lines)?;
        let accepted = self.allowed(accepted)?;
        // A server that takes neither is to hang up: until then what was agreed on holds.
        if accepted.iter().all(Option::is_none) {
            return Err(SdpError::NoAudio);
        }
        self.lines = lines;
        self.connect(now, accepted);
        Ok(body)
    }

    /// Whether voices may go there: a server on this machine could name another in its description.
    fn allowed(&self, accepted: Accepted) -> Result<Accepted, SdpError> {
        let leaves = accepted.iter().flatten().any(|remote| !remote.rtp.ip().is_loopback());
        if self.stays_here && leaves { Err(SdpError::Address) } else { Ok(accepted) }
    }

    fn connect(&mut self, now: Instant, accepted: Accepted) {
        for (stream, remote) in self.streams.iter_mut().zip(accepted) {
            stream.connect(now, remote);
        }
    }

    /// Says goodbye by RTCP and gives back the ports.
    fn close(mut self, now: Instant, at: u64, out: &mut VecDeque<Output>) {
        for (stream, port) in self.streams.iter_mut().zip(self.ports) {
            out.extend(stream.goodbye(now, at).map(|report| rtcp(port, report)));
            out.push_back(Output::CloseMedia { port, heard: None });
        }
    }
}

fn rtcp(port: MediaPort, (to, muxed, bytes): (SocketAddr, bool, crate::media::Packet)) -> Output {
    if muxed { Output::Rtp { port, to, bytes } } else { Output::Rtcp { port, to, bytes } }
}

/// Copies of each side sent at once after a stall: what most receivers' buffers take, and all that is held back at the
/// end of a recording.
const MOST_AT_ONCE: usize = 25;
