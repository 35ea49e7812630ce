//! What a call is told and what it orders: the words between [`super::Call`] and the engine that owns it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ed25519_dalek::SigningKey;

use super::message::Room;
use super::outgoing::{News, Ticket};
use super::record::{CallRecord, EndCause};
use super::recording::{Recorded, RecordingName};
use super::recording_session::RecordingPlan;
use crate::audio::Clip;
use crate::flow::ClipKey;
use crate::flow::document::Application;
use crate::flow::run::{Answer, Journey, Question};
use crate::media::{MediaTerms, Packet};
use crate::routing::{Contact, DeskEvent, DeskRequest};
use crate::secret::Secret;
use crate::sip::locate::Locations;
use crate::sip::stir::{Signing, Verdict};
use crate::sip::{self, AccessList, Listening, OutgoingInvite, Path, Refer, SessionId, StatusCode};
use crate::units::{AskId, CallId, Epoch, HearingId, LegSide, MediaAddress, MediaPort, Ssrc};
use crate::voice::{EarError, Hearing, Understood, Utterance};

/// Where recordings come from.
pub trait ClipSource: Send + Sync {
    /// The recording of that name.
    fn clip(&self, key: &ClipKey) -> Option<Arc<Clip>>;
}

impl ClipSource for HashMap<ClipKey, Arc<Clip>> {
    fn clip(&self, key: &ClipKey) -> Option<Arc<Clip>> {
        self.get(key).cloned()
    }
}

/// What all calls of a shard share; never changed while a call uses it.
pub struct CallSettings {
    /// The flows.
    pub application: Arc<Application>,
    /// The hash of the application's files, for the record.
    pub application_hash: Arc<str>,
    /// The recordings.
    pub clips: Arc<dyn ClipSource>,
    /// Where the names that a flow transfers to lead.
    pub targets: HashMap<String, Contact>,
    /// Where the host names in their addresses lead.
    pub locations: Arc<dyn Locations>,
    /// Those of them that an agent's phone may put callers through to.
    pub phones_transfer_to: Vec<Box<str>>,
    /// Signs what agents are told (`X-Countersign-Token`).
    pub signer: SigningKey,
    /// Calendar time.
    pub epoch: Epoch,
    /// Whom a caller's number may be told: the networks of trunks that are trusted.
    pub trusted: AccessList,
    /// Where we listen for SIP; the way out to whoever did not register.
    pub listen: Listening,
    /// What is settled about the media of agents' phones.
    pub phones: MediaTerms,
    /// What is settled about the media of calls that go out by each trunk.
    pub carriers: Arc<HashMap<String, MediaTerms>>,
    /// Where calls are recorded.
    pub recording: RecordingPlan,
    /// What calls of our own are signed with; `None`: they are not.
    pub signing: Option<Arc<Signing>>,
    /// How long things may take.
    pub limits: CallLimits,
}

impl CallSettings {
    /// The terms of what goes out by a trunk; those of all others are the usual ones.
    pub(super) fn terms_of(&self, trunk: Option<&str>) -> MediaTerms {
        trunk.and_then(|trunk| self.carriers.get(trunk)).copied().unwrap_or_default()
    }
}

/// How long the parts of a call may take, and how much.
#[derive(Clone, Debug)]
pub struct CallLimits {
    /// An agent's phone may ring this long.
    pub ring: Duration,
    /// A call may last this long.
    pub max_duration: Duration,
    /// A caller in the flow who sends no media for this long is gone.
    pub media_silence: Duration,
    /// A flow whose caller is gone may tidy up for this long.
    pub tidy: Duration,
    /// Both legs' farewells may take this long; SIP gives up after 32 s (64 × T1) by itself.
    pub farewell: Duration,
    /// What messages in the making may take, shared by all calls.
    pub message_room: Room,
    /// Whether there is somebody who keeps recordings.
    pub recorder: bool,
    /// The languages whose speech somebody hears, by their tags.
    pub hears: Arc<[Box<str>]>,
    /// Whether voices can be compared.
    pub voices: bool,
    /// Whether somebody outside records calls, and wants to be told when nothing may be recorded.
    pub outside_recorders: bool,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            ring: Duration::from_secs(20),
            max_duration: Duration::from_secs(4 * 3600),
            media_silence: Duration::from_secs(60),
            // A flow gives itself a minute for it.
            tidy: Duration::from_secs(65),
            farewell: Duration::from_secs(70),
            message_room: Room::default(),
            hears: Arc::default(),
            voices: false,
            recorder: false,
            outside_recorders: false,
        }
    }
}

/// A caller at the door.
pub struct NewCall {
    /// Our name for the call.
    pub call: CallId,
    /// The session of the INVITE.
    pub session: SessionId,
    /// How it came.
    pub path: Path,
    /// The trunk it came by.
    pub trunk: Arc<str>,
    /// What is settled about the media of that trunk.
    pub terms: MediaTerms,
    /// The caller's number (class personal).
    pub from: Option<Secret<String>>,
    /// The trunk asserts it, and is one whose word counts.
    pub asserted: bool,
    /// How the call came here.
    pub journey: Journey,
    /// What the caller's side says to ours, as it came.
    pub user_to_user: Option<Secret<String>>,
    /// What is known of that number; `None`: nobody whose word counts looked into it.
    pub verdict: Option<Verdict>,
    /// What was signed for the caller, to be passed on; none where it did not hold.
    pub identities: Vec<Bytes>,
    /// The number that was dialled.
    pub to: String,
    /// Whether the caller is told what happens in the call.
    pub watched: bool,
    /// Whether the version is one on trial.
    pub canary: bool,
    /// The caller's offer; `None` when we are to offer.
    pub offer: Option<Bytes>,
}

/// Something that happened to a call.
pub enum Input<'a> {
    /// One of its SIP sessions moved on.
    Sip(SessionId, SessionEvent),
    /// RTP came for a leg.
    Rtp {
        /// Which.
        leg: LegSide,
        /// When it came.
        came: Instant,
        /// From where.
        from: SocketAddr,
        /// What.
        bytes: &'a [u8],
    },
    /// RTCP came for a leg.
    Rtcp {
        /// Which.
        leg: LegSide,
        /// From where.
        from: SocketAddr,
        /// What.
        bytes: &'a [u8],
    },
    /// The ports that [`Output::OpenMedia`] asked for; `None` when there are none.
    MediaOpened(LegSide, Option<MediaAddress>),
    /// A question was answered.
    Answer(AskId, Answer),
    /// What was understood of a sound, the surest first; or why nobody can tell.
    Heard(HearingId, Result<Vec<Understood>, EarError>),
    /// Word from the switchboard.
    Desk(DeskEvent),
    /// What was recorded can't be kept: the recording of that name is over.
    RecordingFailed(RecordingName),
    /// End it.
    End(EndCause),
    /// The time asked for has come.
    Timeout,
}

/// What can happen to the SIP session of a leg: [`sip::Event`] without its session.
pub enum SessionEvent {
    /// The caller confirmed our answer.
    Acked {
        /// The answer to our late offer.
        answer: Option<Bytes>,
    },
    /// The caller's side has our answer, though the call is not answered: media may flow.
    EarlyMedia,
    /// The next hop has our INVITE.
    Trying,
    /// The other phone rings.
    Progress {
        /// Where it may be heard meanwhile: its answer, subject to change.
        sdp: Option<Bytes>,
    },
    /// The other phone was answered.
    Answered {
        /// The answer to our offer; `None` also when an offer of its own has changed the media since.
        sdp: Option<Bytes>,
    },
    /// The other phone said no.
    Failed(StatusCode),
    /// The peer offers again: hold, resume, a change of address.
    Offered(Option<Bytes>),
    /// The peer answered our later offer.
    OfferAnswered(Result<Bytes, StatusCode>),
    /// The recording server wants to know again who takes part.
    MetadataRequested,
    /// The peer wants somebody else called in its place.
    Referred(Box<Refer>),
    /// The last report on that has reached the peer, or never will.
    ReferDone,
    /// A key came by SIP INFO.
    Digit(crate::units::Digit),
    /// The session is over. Always last, once.
    Ended(sip::EndCause),
}

/// An order to the SIP endpoint.
pub enum SipOrder {
    /// Describe our media to the caller, who goes on waiting for the answer.
    Early(SessionId, Bytes),
    /// Answer the caller.
    Accept(SessionId, Bytes),
    /// Refuse the caller.
    Reject(SessionId, StatusCode),
    /// Call somebody; the engine reports the session by [`super::Call::placed`].
    Invite(Box<OutgoingInvite>),
    /// Begin a recording session; the engine reports the session by [`super::Call::recording_placed`].
    Record(Box<OutgoingInvite>),
    /// What a recording session says of the call from now on.
    Describe(SessionId, Bytes),
    /// Offer within a session.
    Offer(SessionId, Bytes),
    /// Stop ringing.
    Cancel(SessionId),
    /// Tell a test caller what happens, as JSON.
    Trace(SessionId, Bytes),
    /// Hang up.
    Bye(SessionId),
    /// Take what a peer's REFER asks for, or refuse it.
    AnswerRefer(SessionId, Result<(), StatusCode>),
    /// Tell it how that goes; a final status is the last.
    ReportRefer(SessionId, StatusCode),
    /// Answer a later offer.
    AnswerOffer(SessionId, Result<Bytes, StatusCode>),
}

/// What a call orders.
pub enum Output {
    /// For the SIP endpoint.
    Sip(SipOrder),
    /// Send RTP.
    Rtp {
        /// From this port.
        port: MediaPort,
        /// To there.
        to: SocketAddr,
        /// What.
        bytes: Packet,
    },
    /// Send RTCP.
    Rtcp {
        /// From this port.
        port: MediaPort,
        /// To there.
        to: SocketAddr,
        /// What.
        bytes: Packet,
    },
    /// Open a pair of ports for a leg.
    OpenMedia {
        /// For which leg.
        leg: LegSide,
        /// Our address as the leg's peer sees it.
        local: IpAddr,
    },
    /// What comes to these ports is another leg's from now on.
    MoveMedia {
        /// The ports.
        port: MediaPort,
        /// Whose.
        leg: LegSide,
    },
    /// Close a pair of ports.
    CloseMedia {
        /// The ports.
        port: MediaPort,
        /// The stream that came to them: it may go on.
        heard: Option<(SocketAddr, Ssrc)>,
    },
    /// Ask the outside.
    Ask(AskId, Question),
    /// Understand what the caller said; [`Input::Heard`] is expected.
    Recognise {
        /// Comes back with the answer.
        id: HearingId,
        /// What was said.
        sound: Arc<Utterance>,
        /// What was listened for.
        hearing: Arc<Hearing>,
    },
    /// Keep what is recorded.
    Recording(Recorded),
    /// Tell the switchboard.
    Desk(DeskRequest),
    /// Tell whoever ordered this call.
    Told(Ticket, News),
    /// The call is over: nothing follows, and it may be dropped.
    Done {
        /// The record.
        record: Box<CallRecord>,
        /// The caller's number, to be sealed.
        caller: Option<Secret<String>>,
    },
    /// Nothing to do until then.
    Timeout(Option<Instant>),
}
