//! The states of the two legs. A leg's state carries what that state alone needs.

use std::time::Instant;

use bytes::Bytes;

use super::handoff::Party;
use super::stream::Stream;
use crate::media::sdp::Negotiated;
use crate::sip::{Path, SessionId};

/// Leg A: the caller.
pub(super) struct Caller {
    pub(super) session: SessionId,
    pub(super) path: Path,
    pub(super) state: CallerState,
    /// The media, from the moment its ports are open until the leg is over.
    pub(super) stream: Option<Box<Stream>>,
}

/// What the caller's leg is doing.
pub(super) enum CallerState {
    /// The ports are being opened.
    Opening {
        /// The caller's offer; `None` when we are to offer.
        offer: Option<Bytes>,
    },
    /// The flow runs and has not answered yet.
    Ready(Agreed),
    /// The caller's side is being told where our media is; the call is not answered.
    Describing(Box<Negotiated>),
    /// Media flows; the call is not answered. What the answer will repeat.
    Early(Bytes),
    /// Answered; the ACK has not come.
    Accepted(Agreed),
    /// The two of us talk.
    Talking,
    /// We hung up or refused; the session's end has not come.
    Leaving,
    /// The session is over.
    Ended,
}

/// How far the descriptions went before the answer.
pub(super) enum Agreed {
    /// The caller offered: this is our answer.
    Answer(Box<Negotiated>),
    /// The caller did not offer: ours goes with the 200, the answer comes with the ACK (RFC 3261 §13.2.1).
    LateOffer,
    /// All: media flows already.
    Early,
}

impl CallerState {
    /// Whether the caller hears what is played.
    pub(super) const fn hears(&self) -> bool {
        matches!(self, Self::Early(_) | Self::Talking)
    }
}

/// Leg B: whoever the engine calls for the caller.
pub(super) struct Callee {
    pub(super) party: Party,
    pub(super) state: CalleeState,
    /// The media, from the moment its ports are open.
    pub(super) stream: Option<Box<Stream>>,
    /// The end of ringing.
    pub(super) ring_until: Instant,
    /// Until then the next hop must have said something, or another one is tried.
    pub(super) heard_until: Option<Instant>,
    /// The other phone has said that it rings.
    pub(super) rings: bool,
    /// The caller hears what its network says before anybody picks up.
    pub(super) heard_early: bool,
}

/// What leg B is doing.
pub(super) enum CalleeState {
    /// The ports are being opened.
    Opening,
    /// The INVITE is being handed to the endpoint.
    Placing,
    /// The INVITE is out.
    Calling(SessionId),
    /// Answered; the agent hears who is coming.
    Whispering(SessionId),
    /// Joined with the caller.
    Joined(SessionId),
}

impl CalleeState {
    pub(super) const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Opening | Self::Placing => None,
            Self::Calling(session) | Self::Whispering(session) | Self::Joined(session) => Some(*session),
        }
    }

    /// Whether the other side picked up.
    pub(super) const fn is_answered(&self) -> bool {
        matches!(self, Self::Whispering(_) | Self::Joined(_))
    }
}
