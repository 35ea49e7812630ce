//! What an engine is told and what it orders.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::door::Vouch;
use super::lineup::Lineup;
use crate::auth::Source;
use crate::call::{CallRecord, CallSettings, CodeCall, News, Recorded, RecordingName, Ticket};
use crate::flow::run::{Answer, Question};
use crate::media::Packet;
use crate::routing::{DeskEvent, DeskRequest};
use crate::secret::Secret;
use crate::sip::Path;
use crate::sip::stir::Verdict;
use crate::units::{AskId, CallId, HearingId, LegSide, MediaAddress, MediaPort};
use crate::voice::{EarError, Hearing, Understood, Utterance};

/// Something that happened to a shard.
pub enum Input<'a> {
    /// A SIP message came.
    Sip {
        /// How.
        path: Path,
        /// What.
        bytes: Bytes,
    },
    /// A stream broke, or could not be opened.
    TransportFailed(Path),
    /// A datagram came to an RTP port. What is due by now is done with it.
    Rtp {
        /// Which.
        port: MediaPort,
        /// When it came, which may be a while ago: it lay at its socket.
        came: Instant,
        /// From where.
        from: SocketAddr,
        /// What.
        bytes: &'a [u8],
    },
    /// A datagram came to an RTCP port.
    Rtcp {
        /// Which.
        port: MediaPort,
        /// From where.
        from: SocketAddr,
        /// What.
        bytes: &'a [u8],
    },
    /// The ports that [`Output::OpenMedia`] asked for. May be told while outputs are being drained: it is
    /// taken up when they are.
    MediaOpened {
        /// For which call.
        call: CallId,
        /// For which leg.
        leg: LegSide,
        /// The ports; `None` when there are none.
        opened: Option<MediaAddress>,
    },
    /// A question was answered.
    Answer {
        /// The call that asked.
        call: CallId,
        /// Which question.
        ask: AskId,
        /// The answer.
        answer: Answer,
    },
    /// What was understood of a sound.
    Heard {
        /// The call whose caller it is.
        call: CallId,
        /// Which sound.
        id: HearingId,
        /// The surest first; or why nobody can tell.
        answer: Result<Vec<Understood>, EarError>,
    },
    /// What came of [`Output::Vouch`].
    Vouched(CallId, Verdict),
    /// What a call recorded can't be kept.
    RecordingFailed(CallId, RecordingName),
    /// Word from the switchboard.
    Desk(CallId, DeskEvent),
    /// New calls get these versions from now on; those that run keep theirs.
    Reload(Lineup),
    /// Call somebody and tell them a code. What becomes of it is told by [`Output::Told`], always.
    Place(Box<CodeCall>),
    /// Take no new calls. Calls of our own are still made: those that run may need a code.
    Drain,
    /// Take no new calls and end those that run.
    Stop,
    /// The time asked for has come.
    Timeout,
}

/// What a shard orders.
pub enum Output {
    /// Send a SIP message.
    Sip {
        /// How.
        path: Path,
        /// What.
        bytes: Bytes,
    },
    /// Send from an RTP port.
    Rtp {
        /// Which.
        port: MediaPort,
        /// To where.
        to: SocketAddr,
        /// What.
        bytes: Packet,
    },
    /// Send from an RTCP port.
    Rtcp {
        /// Which.
        port: MediaPort,
        /// To where.
        to: SocketAddr,
        /// What.
        bytes: Packet,
    },
    /// Open a pair of ports; [`Input::MediaOpened`] is expected.
    OpenMedia {
        /// For which call.
        call: CallId,
        /// For which leg.
        leg: LegSide,
        /// Our address as that leg's peer sees it: what its SDP should name.
        local: IpAddr,
    },
    /// Close a pair of ports.
    CloseMedia {
        /// Which.
        port: MediaPort,
    },
    /// Look into a caller's number; [`Input::Vouched`] is expected. The caller waits a bounded time.
    Vouch(CallId, Box<Vouch>),
    /// A call was let in.
    Begun(Source),
    /// Ask something slow.
    Ask {
        /// Who asks.
        call: CallId,
        /// The version that it runs: its services and its policy answer.
        version: Arc<CallSettings>,
        /// Where the call comes from.
        source: Source,
        /// Comes back in [`Input::Answer`].
        ask: AskId,
        /// What.
        question: Question,
    },
    /// Understand what a caller said; [`Input::Heard`] is expected.
    Recognise {
        /// The call.
        call: CallId,
        /// Comes back with the answer.
        id: HearingId,
        /// What was said.
        sound: Arc<Utterance>,
        /// What was listened for.
        hearing: Arc<Hearing>,
    },
    /// Keep what a call recorded.
    Recording(CallId, Recorded),
    /// Tell the switchboard.
    Desk(DeskRequest),
    /// Tell whoever ordered a call of our own what becomes of it.
    Told(Ticket, News),
    /// A call is over: keep its record.
    Record {
        /// The record.
        record: Box<CallRecord>,
        /// The caller's number, to be sealed beside it.
        caller: Option<Secret<String>>,
    },
    /// Nothing to do until then.
    Timeout(Option<Instant>),
}
